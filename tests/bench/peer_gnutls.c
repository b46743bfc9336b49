/* SPDX-License-Identifier: ISC */
/* GnuTLS; its priority string names the one suite under test. */
#if __has_include(<gnutls/gnutls.h>)
#include <errno.h>
#include <gnutls/gnutls.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/bench/bench.h"

struct ctx {
    gnutls_certificate_credentials_t cred;
    gnutls_priority_t priority;
    gnutls_datum_t ticket_key;
    bool server, mutual, sessions;
    const char *host;
};
struct conn {
    gnutls_session_t s;
    struct pipe *in, *out;
};

static ssize_t pull(gnutls_transport_ptr_t p, void *d, size_t n)
{
    struct conn *k = p;
    size_t got = pipe_read(k->in, d, n);

    if (got == 0) {
        gnutls_transport_set_errno(k->s, EAGAIN);
        return -1;
    }
    return (ssize_t)got;
}

static ssize_t push(gnutls_transport_ptr_t p, const void *d, size_t n)
{
    return (ssize_t)pipe_write(((struct conn *)p)->out, d, n);
}

static int pull_timeout(gnutls_transport_ptr_t p, unsigned ms)
{
    struct conn *k = p;

    (void)ms;
    return k->in->w > k->in->r;
}

static const char *version(void)
{
    static char text[64];

    (void)snprintf(text, sizeof text, "GnuTLS %s", gnutls_check_version(NULL));
    return text;
}

static void ctx_free(void *v)
{
    struct ctx *x = v;

    gnutls_certificate_free_credentials(x->cred);
    gnutls_priority_deinit(x->priority);
    gnutls_free(x->ticket_key.data);
    free(x);
}

static int use_identity(struct ctx *x, const struct job *job, const char *who)
{
    char crt[512], key[512];

    return gnutls_certificate_set_x509_key_file(
        x->cred, cert_path(crt, sizeof crt, job, who, ".crt"),
        cert_path(key, sizeof key, job, who, ".key"), GNUTLS_X509_FMT_PEM);
}

static int use_trust(struct ctx *x, const struct job *job)
{
    char crt[512];

    return gnutls_certificate_set_x509_trust_file(
        x->cred, cert_path(crt, sizeof crt, job, "root", ".crt"), GNUTLS_X509_FMT_PEM);
}

static int configure(struct ctx *x, const struct job *job)
{
    static const char *const suites[] = { "AES-128-GCM", "AES-256-GCM", "CHACHA20-POLY1305" };
    char priority[512];
    int rc;

    /* TLS 1.2 needs the curve of the certificate too. */
    (void)snprintf(priority, sizeof priority,
                   "NONE:+VERS-TLS1.%d:+ECDHE-ECDSA:+ECDHE-RSA:+%s:+AEAD:+GROUP-%s%s:"
                   "+SIGN-ECDSA-SHA256:+SIGN-ECDSA-SECP256R1-SHA256:+SIGN-RSA-PSS-RSAE-SHA256:"
                   "+SIGN-RSA-SHA256:+COMP-NULL:+CTYPE-X509",
                   job->tls12 ? 2 : 3, suites[job->suite],
                   job->group == GROUP_X25519 ? "X25519" : "SECP256R1",
                   job->tls12 && job->group == GROUP_X25519 ? ":+GROUP-SECP256R1" : "");
    rc = gnutls_priority_init(&x->priority, priority, NULL);
    if (rc >= 0) {
        rc = gnutls_certificate_allocate_credentials(&x->cred);
    }
    if (rc >= 0 && (x->server || x->mutual)) {
        rc = use_identity(x, job, x->server ? "server" : "client");
    }
    if (rc >= 0 && (!x->server || x->mutual)) {
        rc = use_trust(x, job);
    }
    if (rc >= 0 && x->server && x->sessions) {
        rc = gnutls_session_ticket_key_generate(&x->ticket_key);
    }
    return rc;
}

static void *ctx_new(const struct job *job, bool server)
{
    struct ctx *x = calloc(1, sizeof *x);
    int rc;

    if (!x) {
        return NULL;
    }
    x->server = server;
    x->mutual = job->mutual;
    x->sessions = job->sessions;
    x->host = job->host;
    rc = configure(x, job);
    if (rc < 0) {
        (void)fprintf(stderr, "gnutls: %s\n", gnutls_strerror(rc));
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
    gnutls_init(&k->s, (x->server ? GNUTLS_SERVER : GNUTLS_CLIENT) | GNUTLS_NONBLOCK |
                           (x->sessions ? 0 : GNUTLS_NO_TICKETS));
    gnutls_priority_set(k->s, x->priority);
    gnutls_credentials_set(k->s, GNUTLS_CRD_CERTIFICATE, x->cred);
    gnutls_transport_set_ptr(k->s, k);
    gnutls_transport_set_pull_function(k->s, pull);
    gnutls_transport_set_push_function(k->s, push);
    gnutls_transport_set_pull_timeout_function(k->s, pull_timeout);
    if (!x->server) {
        gnutls_server_name_set(k->s, GNUTLS_NAME_DNS, x->host, strlen(x->host));
        gnutls_session_set_verify_cert(k->s, x->host, 0);
        if (session) {
            gnutls_session_set_data(k->s, ((gnutls_datum_t *)session)->data,
                                    ((gnutls_datum_t *)session)->size);
        }
        return k;
    }
    if (x->sessions) {
        gnutls_session_ticket_enable_server(k->s, &x->ticket_key);
    }
    if (x->mutual) {
        gnutls_certificate_server_set_request(k->s, GNUTLS_CERT_REQUIRE);
        gnutls_session_set_verify_cert(k->s, NULL, 0);
    }
    return k;
}

static int handshake(void *v)
{
    int rc = gnutls_handshake(((struct conn *)v)->s);

    if (rc == 0) {
        return 1;
    }
    if (!gnutls_error_is_fatal(rc)) {
        return 0;
    }
    (void)fprintf(stderr, "gnutls: %s\n", gnutls_strerror(rc));
    return -1;
}

static long do_write(void *v, const void *d, size_t n)
{
    return gnutls_record_send(((struct conn *)v)->s, d, n);
}

static long do_read(void *v, void *d, size_t n)
{
    long rc = gnutls_record_recv(((struct conn *)v)->s, d, n);

    if (rc == GNUTLS_E_AGAIN || rc == GNUTLS_E_INTERRUPTED) {
        return 0;
    }
    if (rc < 0) {
        (void)fprintf(stderr, "gnutls: %s\n", gnutls_strerror((int)rc));
        return -1;
    }
    return rc;
}

static void describe(void *v, char *text, size_t n)
{
    char *d = gnutls_session_get_desc(((struct conn *)v)->s);

    (void)snprintf(text, n, "%s", d ? d : "?");
    gnutls_free(d);
}

static void conn_free(void *v)
{
    struct conn *k = v;

    gnutls_deinit(k->s);
    free(k);
}

static void session_free(void *v)
{
    gnutls_datum_t *d = v;

    gnutls_free(d->data);
    free(d);
}

static void *session(void *v)
{
    gnutls_datum_t *d = calloc(1, sizeof *d);

    if (d && gnutls_session_get_data2(((struct conn *)v)->s, d) < 0) {
        session_free(d);
        d = NULL;
    }
    return d;
}

static bool resumed(void *v)
{
    return gnutls_session_is_resumed(((struct conn *)v)->s);
}

const struct peer peer_gnutls = {
    .name = "gnutls",
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
