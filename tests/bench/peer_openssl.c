/* SPDX-License-Identifier: ISC */
/* libssl with its default settings; a BIO of our own reads and writes the pipes. */
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/bench/bench.h"

struct ctx {
    SSL_CTX *ssl;
    bool server;
    const char *host;
};
struct conn {
    SSL *ssl;
    struct pipe *in, *out;
};

static BIO_METHOD *method;

static int bio_write(BIO *b, const char *d, size_t n, size_t *written)
{
    struct conn *k = BIO_get_data(b);

    *written = pipe_write(k->out, d, n);
    return *written > 0;
}

static int bio_read(BIO *b, char *d, size_t n, size_t *got)
{
    struct conn *k = BIO_get_data(b);

    BIO_clear_retry_flags(b);
    *got = pipe_read(k->in, d, n);
    if (*got == 0) {
        BIO_set_retry_read(b);
    }
    return *got > 0;
}

static long bio_ctrl(BIO *b, int cmd, long n, void *p)
{
    (void)b;
    (void)n;
    (void)p;
    return cmd == BIO_CTRL_FLUSH;
}

static int bio_create(BIO *b)
{
    BIO_set_init(b, 1);
    return 1;
}

static const char *version(void)
{
    return OpenSSL_version(OPENSSL_VERSION);
}

static void ctx_free(void *v)
{
    struct ctx *x = v;

    SSL_CTX_free(x->ssl);
    free(x);
}

static int use_identity(SSL_CTX *s, const struct job *job, const char *who)
{
    char crt[512], key[512];

    return SSL_CTX_use_certificate_chain_file(s, cert_path(crt, sizeof crt, job, who, ".crt")) &&
           SSL_CTX_use_PrivateKey_file(s, cert_path(key, sizeof key, job, who, ".key"),
                                       SSL_FILETYPE_PEM);
}

static int configure(SSL_CTX *s, const struct job *job, bool server)
{
    static const char *const suites[] = { "TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384",
                                          "TLS_CHACHA20_POLY1305_SHA256" };
    static const char *const suites12[] = { "AES128+AESGCM", "AES256+AESGCM", "CHACHA20" };
    const int version = job->tls12 ? TLS1_2_VERSION : TLS1_3_VERSION;
    char crt[512];

    if (!SSL_CTX_set_min_proto_version(s, version) || !SSL_CTX_set_max_proto_version(s, version) ||
        !SSL_CTX_set_ciphersuites(s, suites[job->suite]) ||
        !SSL_CTX_set_cipher_list(s, suites12[job->suite]) ||
        /* TLS 1.2 needs the curve of the certificate too. */
        !SSL_CTX_set1_groups_list(s, job->group != GROUP_X25519 ? "P-256"
                                     : job->tls12               ? "X25519:P-256"
                                                                : "X25519")) {
        return 0;
    }
    SSL_CTX_set_session_id_context(s, (const unsigned char *)"bench", 5);
    if (!job->sessions) {
        SSL_CTX_set_options(s, SSL_OP_NO_TICKET);
        SSL_CTX_set_num_tickets(s, 0);
        SSL_CTX_set_session_cache_mode(s, SSL_SESS_CACHE_OFF);
    }
    if (!server || job->mutual) {
        SSL_CTX_set_verify(s, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
        if (!SSL_CTX_load_verify_locations(s, cert_path(crt, sizeof crt, job, "root", ".crt"),
                                           NULL)) {
            return 0;
        }
    }
    return server        ? use_identity(s, job, "server")
           : job->mutual ? use_identity(s, job, "client")
                         : 1;
}

static void *ctx_new(const struct job *job, bool server)
{
    struct ctx *x = calloc(1, sizeof *x);

    if (!method) {
        method = BIO_meth_new(BIO_TYPE_SOURCE_SINK | 77, "pipe");
        BIO_meth_set_write_ex(method, bio_write);
        BIO_meth_set_read_ex(method, bio_read);
        BIO_meth_set_ctrl(method, bio_ctrl);
        BIO_meth_set_create(method, bio_create);
    }
    if (!x) {
        return NULL;
    }
    x->server = server;
    x->host = job->host;
    x->ssl = SSL_CTX_new(server ? TLS_server_method() : TLS_client_method());
    if (!x->ssl || !configure(x->ssl, job, server)) {
        ERR_print_errors_fp(stderr);
        ctx_free(x);
        return NULL;
    }
    return x;
}

static void *conn_new(void *v, struct pipe *in, struct pipe *out, void *session)
{
    struct ctx *x = v;
    struct conn *k = malloc(sizeof *k);
    BIO *b = BIO_new(method);

    if (!k || !b) {
        free(k);
        BIO_free(b);
        return NULL;
    }
    k->in = in;
    k->out = out;
    k->ssl = SSL_new(x->ssl);
    BIO_set_data(b, k);
    SSL_set_bio(k->ssl, b, b);
    if (x->server) {
        SSL_set_accept_state(k->ssl);
    } else {
        SSL_set_connect_state(k->ssl);
        SSL_set_tlsext_host_name(k->ssl, x->host);
        SSL_set1_host(k->ssl, x->host);
        if (session) {
            SSL_set_session(k->ssl, session);
        }
    }
    return k;
}

static int handshake(void *v)
{
    struct conn *k = v;
    int rc = SSL_do_handshake(k->ssl), e;

    if (rc == 1) {
        return 1;
    }
    e = SSL_get_error(k->ssl, rc);
    if (e == SSL_ERROR_WANT_READ || e == SSL_ERROR_WANT_WRITE) {
        return 0;
    }
    ERR_print_errors_fp(stderr);
    return -1;
}

static long do_write(void *v, const void *d, size_t n)
{
    size_t written;

    return SSL_write_ex(((struct conn *)v)->ssl, d, n, &written) == 1 ? (long)written : -1;
}

static long do_read(void *v, void *d, size_t n)
{
    struct conn *k = v;
    size_t got;

    if (SSL_read_ex(k->ssl, d, n, &got) == 1) {
        return (long)got;
    }
    if (SSL_get_error(k->ssl, 0) == SSL_ERROR_WANT_READ) {
        return 0;
    }
    ERR_print_errors_fp(stderr);
    return -1;
}

static void describe(void *v, char *text, size_t n)
{
    SSL *s = ((struct conn *)v)->ssl;

    (void)snprintf(text, n, "%s %s group %d verify %ld", SSL_get_version(s), SSL_get_cipher_name(s),
                   (int)SSL_get_negotiated_group(s), SSL_get_verify_result(s));
}

static void conn_free(void *v)
{
    struct conn *k = v;

    SSL_set_shutdown(k->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    SSL_free(k->ssl);
    free(k);
}

static void *session(void *v)
{
    return SSL_get1_session(((struct conn *)v)->ssl);
}

static void session_free(void *v)
{
    SSL_SESSION_free(v);
}

static bool resumed(void *v)
{
    return SSL_session_reused(((struct conn *)v)->ssl);
}

const struct peer peer_openssl = {
    .name = "libssl",
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
