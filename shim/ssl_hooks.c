/* SPDX-License-Identifier: ISC */
/* What the program is asked in a handshake, and the trace. */
#include "base/mem.h"
#include "base/trace.h"
#include "shim/ssl_config.h"

_Static_assert(sizeof(struct ssl_key_pass) == sizeof(struct ssl_hook) &&
                   sizeof(struct ssl_sni) == sizeof(struct ssl_hook) &&
                   sizeof(struct ssl_cert_check) == sizeof(struct ssl_hook),
               "a callback is a function and its argument");

/* Belongs to a sealed configuration, which may outlive the settings that it was made from. */
struct hooks {
    struct ssl_sni sni;
    struct ssl_cert_check cert;
};

/* ---- the host that a client asks for ---- */

static int pick(void *ctx, struct tls *t, const char *host, struct config **instead)
{
    const struct hooks *h = ctx;
    struct ssl_config *found = NULL;
    struct error err;
    int rc = h->sni.pick(h->sni.arg, host, &found);

    (void)t;
    if (rc != 0 || !found) {
        return rc;
    }
    error_clear(&err);
    if (found->options.set->roles) {
        *instead = ssl_settings_config(found->options.set, TLS_SERVER, &err);
    } else {
        (void)FAIL(&err, ERR_ARG, "the configuration is not sealed");
    }
    if (!*instead) {
        trace(TRACE_ERROR, "the configuration for \"%s\" cannot be used: %s", host, err.text);
    }
    return *instead ? 0 : -1;
}

/* ---- the peer's certificates ---- */

static int check(void *ctx, struct tls *t, const struct cert *chain, size_t n, int alert)
{
    const struct hooks *h = ctx;
    struct ssl_der der[CHAIN_MAX_CERTS];
    struct ssl_peer_chain peer = {
        .role = tls_role(t) == TLS_CLIENT ? SSL_CLIENT : SSL_SERVER,
        .name = tls_host(t) ? tls_host(t) : "",
        .alert = alert,
        .why = alert ? tls_error(t)->text : "",
        .n = n,
        .certs = der,
    };
    int word;

    for (size_t i = 0; i < n; i++) {
        der[i] = (struct ssl_der){ chain[i].der.p, chain[i].der.n };
    }
    if (n == 0) { /* anonymous: for SSL_OPT_VERIFY alone to say */
        return alert;
    }
    word = h->cert.check(h->cert.arg, &peer);
    switch (word) {
    case SSL_CERT_KEEP:
        return alert;
    case SSL_CERT_ACCEPT:
        return 0;
    default:
        return word > 0 && word <= UINT8_MAX ? word : ALERT_CERTIFICATE_UNKNOWN;
    }
}

int ssl_hooks_add(const struct ssl_settings *s, struct config *c)
{
    struct hooks *h;

    if (!s->hook[HOOK_SNI].fn && !s->hook[HOOK_CERT].fn) {
        return 0;
    }
    h = mem_alloc(sizeof *h);
    if (!h) {
        return ERR_MEM;
    }
    memcpy(&h->sni, &s->hook[HOOK_SNI], sizeof h->sni);
    memcpy(&h->cert, &s->hook[HOOK_CERT], sizeof h->cert);
    if (config_keep(c, h, mem_free) < 0) {
        mem_free(h);
        return ERR_MEM;
    }
    if (h->sni.pick && config_role(c) == TLS_SERVER) {
        TRY(config_set_sni_callback(c, pick, h));
    }
    return h->cert.check ? config_set_verify_callback(c, check, h) : 0;
}

/* ---- the trace ---- */

static struct ssl_trace tracer; /* written before there are threads */

static void trace_line(void *ctx, enum trace_kind kind, const char *line)
{
    (void)ctx;
    tracer.line(tracer.arg, (int)kind, line);
}

int ssl_trace_apply(const void *value, size_t len, struct error *err)
{
    struct ssl_trace t = { 0 };

    if (len != 0) {
        if (len != sizeof t || !value) {
            return FAIL(err, ERR_ARG, "it takes a struct ssl_trace");
        }
        memcpy(&t, value, sizeof t);
        if (!t.line || t.kinds <= 0 || t.kinds & ~SSL_TRACE_ALL) {
            return FAIL(err, ERR_ARG, "a function, and some of the kinds that there are");
        }
    }
    trace_set(NULL, NULL, 0);
    tracer = t;
    if (t.line) {
        trace_set(trace_line, NULL, (unsigned)t.kinds);
    }
    return 0;
}
