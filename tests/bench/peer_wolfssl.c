/* SPDX-License-Identifier: ISC */
/* wolfSSL as the distribution builds it (Debian: portable C, no assembly). */
#if __has_include(<wolfssl/options.h>)
#include <stdio.h>
#include <stdlib.h>
#include <wolfssl/options.h>
#include <wolfssl/ssl.h>
#include <wolfssl/version.h>

#include "tests/bench/bench.h"

struct ctx {
    WOLFSSL_CTX *ssl;
    bool server;
    const char *host;
};
struct conn {
    WOLFSSL *ssl;
    struct pipe *in, *out;
};

static int on_send(WOLFSSL *s, char *d, int n, void *p)
{
    (void)s;
    return (int)pipe_write(((struct conn *)p)->out, d, (size_t)n);
}

static int on_recv(WOLFSSL *s, char *d, int n, void *p)
{
    size_t got = pipe_read(((struct conn *)p)->in, d, (size_t)n);

    (void)s;
    return got ? (int)got : WOLFSSL_CBIO_ERR_WANT_READ;
}

static const char *version(void)
{
    return "wolfSSL " LIBWOLFSSL_VERSION_STRING;
}

static void ctx_free(void *v)
{
    struct ctx *x = v;

    wolfSSL_CTX_free(x->ssl);
    free(x);
}

static bool use_identity(WOLFSSL_CTX *w, const struct job *job, const char *who)
{
    char crt[512], key[512];

    return wolfSSL_CTX_use_certificate_chain_file(
               w, cert_path(crt, sizeof crt, job, who, ".crt")) == WOLFSSL_SUCCESS &&
           wolfSSL_CTX_use_PrivateKey_file(w, cert_path(key, sizeof key, job, who, ".key"),
                                           WOLFSSL_FILETYPE_PEM) == WOLFSSL_SUCCESS;
}

/* It refuses a list of curves for TLS 1.2, where the client's list decides. */
static bool use_group(WOLFSSL_CTX *w, const struct job *job, bool server)
{
    const bool x25519 = job->group == GROUP_X25519;

    if (!job->tls12) {
        return wolfSSL_CTX_set1_curves_list(w, x25519 ? "X25519" : "P-256") == WOLFSSL_SUCCESS;
    }
    return server ||
           ((!x25519 || wolfSSL_CTX_UseSupportedCurve(w, WOLFSSL_ECC_X25519) == WOLFSSL_SUCCESS) &&
            wolfSSL_CTX_UseSupportedCurve(w, WOLFSSL_ECC_SECP256R1) == WOLFSSL_SUCCESS);
}

static bool configure(WOLFSSL_CTX *w, const struct job *job, bool server)
{
    static const char *const suites[] = { "TLS13-AES128-GCM-SHA256", "TLS13-AES256-GCM-SHA384",
                                          "TLS13-CHACHA20-POLY1305-SHA256" };
    static const char *const suites12[2][3] = {
        { "ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384",
          "ECDHE-ECDSA-CHACHA20-POLY1305" },
        { "ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-RSA-AES256-GCM-SHA384",
          "ECDHE-RSA-CHACHA20-POLY1305" },
    };
    char crt[512];

    wolfSSL_CTX_SetIORecv(w, on_recv);
    wolfSSL_CTX_SetIOSend(w, on_send);
    if (!job->sessions) {
        wolfSSL_CTX_set_session_cache_mode(w, WOLFSSL_SESS_CACHE_OFF);
        if (server) {
            wolfSSL_CTX_no_ticket_TLSv13(w);
        }
    } else if (!server) {
        wolfSSL_CTX_UseSessionTicket(w);
    }
    if (wolfSSL_CTX_set_cipher_list(w, job->tls12 ? suites12[job->cert][job->suite]
                                                  : suites[job->suite]) != WOLFSSL_SUCCESS ||
        !use_group(w, job, server)) {
        return false;
    }
    wolfSSL_CTX_set_verify(w, WOLFSSL_VERIFY_NONE, NULL);
    if (!server || job->mutual) {
        wolfSSL_CTX_set_verify(w, WOLFSSL_VERIFY_PEER | WOLFSSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
        if (wolfSSL_CTX_load_verify_locations(w, cert_path(crt, sizeof crt, job, "root", ".crt"),
                                              NULL) != WOLFSSL_SUCCESS) {
            return false;
        }
    }
    return server        ? use_identity(w, job, "server")
           : job->mutual ? use_identity(w, job, "client")
                         : true;
}

static WOLFSSL_METHOD *method(const struct job *job, bool server)
{
    if (job->tls12) {
        return server ? wolfTLSv1_2_server_method() : wolfTLSv1_2_client_method();
    }
    return server ? wolfTLSv1_3_server_method() : wolfTLSv1_3_client_method();
}

static void *ctx_new(const struct job *job, bool server)
{
    struct ctx *x = calloc(1, sizeof *x);

    if (!x) {
        return NULL;
    }
    wolfSSL_Init();
    x->server = server;
    x->host = job->host;
    x->ssl = wolfSSL_CTX_new(method(job, server));
    if (!x->ssl || !configure(x->ssl, job, server)) {
        (void)fprintf(stderr, "wolfssl: cannot be configured for this job\n");
        ctx_free(x);
        return NULL;
    }
    return x;
}

static void *conn_new(void *v, struct pipe *in, struct pipe *out, void *session)
{
    struct ctx *x = v;
    struct conn *k = malloc(sizeof *k);

    if (!k) {
        return NULL;
    }
    k->in = in;
    k->out = out;
    k->ssl = wolfSSL_new(x->ssl);
    wolfSSL_SetIOReadCtx(k->ssl, k);
    wolfSSL_SetIOWriteCtx(k->ssl, k);
    if (x->server) {
        wolfSSL_set_accept_state(k->ssl);
    } else {
        wolfSSL_set_connect_state(k->ssl);
        wolfSSL_UseSNI(k->ssl, WOLFSSL_SNI_HOST_NAME, x->host, (unsigned short)strlen(x->host));
        wolfSSL_check_domain_name(k->ssl, x->host);
        if (session) {
            wolfSSL_set_session(k->ssl, session);
        }
    }
    return k;
}

static long failed(struct conn *k, int rc)
{
    int e = wolfSSL_get_error(k->ssl, rc);

    if (e == WOLFSSL_ERROR_WANT_READ || e == WOLFSSL_ERROR_WANT_WRITE) {
        return 0;
    }
    (void)fprintf(stderr, "wolfssl: %d %s\n", e, wolfSSL_ERR_reason_error_string((unsigned long)e));
    return -1;
}

static int handshake(void *v)
{
    struct conn *k = v;
    int rc = wolfSSL_SSL_do_handshake(k->ssl);

    return rc == WOLFSSL_SUCCESS ? 1 : (int)failed(k, rc);
}

static long do_write(void *v, const void *d, size_t n)
{
    return wolfSSL_write(((struct conn *)v)->ssl, d, (int)n);
}

static long do_read(void *v, void *d, size_t n)
{
    struct conn *k = v;
    int rc = wolfSSL_read(k->ssl, d, (int)n);

    return rc > 0 ? rc : failed(k, rc);
}

static void describe(void *v, char *text, size_t n)
{
    WOLFSSL *s = ((struct conn *)v)->ssl;

    (void)snprintf(text, n, "%s %s %s", wolfSSL_get_version(s), wolfSSL_get_cipher(s),
                   wolfSSL_get_curve_name(s));
}

static void conn_free(void *v)
{
    struct conn *k = v;

    wolfSSL_free(k->ssl);
    free(k);
}

static void *session(void *v)
{
    return wolfSSL_get1_session(((struct conn *)v)->ssl);
}

static void session_free(void *v)
{
    wolfSSL_SESSION_free(v);
}

static bool resumed(void *v)
{
    return wolfSSL_session_reused(((struct conn *)v)->ssl);
}

const struct peer peer_wolfssl = {
    .name = "wolfssl",
    .version = version,
    .ctx_new = ctx_new,
    .ctx_free = ctx_free,
    .conn_new = conn_new,
    .handshake = handshake,
    .write = do_write,
    .read = do_read,
    .describe = describe,
    .conn_free = conn_free,
    .session = session,
    .session_free = session_free,
    .resumed = resumed,
};
#endif
