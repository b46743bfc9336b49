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
    bool server;
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
    free(x);
}

static void *ctx_new(const struct job *job, bool server)
{
    static const char *const suites[] = { "AES-128-GCM", "AES-256-GCM", "CHACHA20-POLY1305" };
    char priority[512], crt[512], key[512];
    struct ctx *x = calloc(1, sizeof *x);
    int rc;

    if (!x) {
        return NULL;
    }
    x->server = server;
    x->host = job->host;
    (void)snprintf(priority, sizeof priority,
                   "NONE:+VERS-TLS1.3:+ECDHE-ECDSA:+ECDHE-RSA:+%s:+AEAD:+GROUP-%s:"
                   "+SIGN-ECDSA-SECP256R1-SHA256:+SIGN-RSA-PSS-RSAE-SHA256:+SIGN-RSA-SHA256:"
                   "+COMP-NULL:+CTYPE-X509",
                   suites[job->suite], job->group == GROUP_X25519 ? "X25519" : "SECP256R1");
    rc = gnutls_priority_init(&x->priority, priority, NULL);
    if (rc >= 0) {
        rc = gnutls_certificate_allocate_credentials(&x->cred);
    }
    if (rc >= 0 && server) {
        rc = gnutls_certificate_set_x509_key_file(
            x->cred, cert_path(crt, sizeof crt, job, "server", ".crt"),
            cert_path(key, sizeof key, job, "server", ".key"), GNUTLS_X509_FMT_PEM);
    } else if (rc >= 0) {
        rc = gnutls_certificate_set_x509_trust_file(
            x->cred, cert_path(crt, sizeof crt, job, "root", ".crt"), GNUTLS_X509_FMT_PEM);
    }
    if (rc < 0) {
        (void)fprintf(stderr, "gnutls: %s\n", gnutls_strerror(rc));
        ctx_free(x);
        return NULL;
    }
    return x;
}

static void *conn_new(void *v, struct pipe *in, struct pipe *out)
{
    struct ctx *x = v;
    struct conn *k = malloc(sizeof *k);

    if (!k) {
        return NULL;
    }
    k->in = in;
    k->out = out;
    gnutls_init(&k->s,
                (x->server ? GNUTLS_SERVER : GNUTLS_CLIENT) | GNUTLS_NONBLOCK | GNUTLS_NO_TICKETS);
    gnutls_priority_set(k->s, x->priority);
    gnutls_credentials_set(k->s, GNUTLS_CRD_CERTIFICATE, x->cred);
    gnutls_transport_set_ptr(k->s, k);
    gnutls_transport_set_pull_function(k->s, pull);
    gnutls_transport_set_push_function(k->s, push);
    gnutls_transport_set_pull_timeout_function(k->s, pull_timeout);
    if (!x->server) {
        gnutls_server_name_set(k->s, GNUTLS_NAME_DNS, x->host, strlen(x->host));
        gnutls_session_set_verify_cert(k->s, x->host, 0);
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
};
#endif
