/* SPDX-License-Identifier: ISC */
/* Sleeve's engine as the sockets drive it: a record is received into scratch that all connections
 * share and opened into the caller's memory; records are sealed into scratch and sent from there.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/buf.h"
#include "engine.h"
#include "tests/bench/bench.h"

#ifndef SLEEVE_VERSION
#define SLEEVE_VERSION ""
#endif

struct ctx {
    struct config *config;
    struct ticket_keys *tickets;
    const char *host; /* client */
};
struct conn {
    struct tls *tls;
    struct pipe *in, *out;
    struct buf rest; /* plaintext that the last read had no room for */
};

static _Thread_local uint8_t scratch[65536];

static const char *version(void)
{
    return "Sleeve " SLEEVE_VERSION;
}

static int64_t now(void)
{
    return (int64_t)time(NULL);
}

/* As when each chain is another one: nothing of one is known to the next connection. */
static void know_no_chains(struct config *c)
{
    struct settings *s = (struct settings *)(uintptr_t)config_settings(c);

    chain_cache_free(s->chain_cache);
    s->chain_cache = NULL;
}

static void ctx_free(void *v)
{
    struct ctx *x = v;

    config_unref(x->config);
    ticket_keys_unref(x->tickets);
    free(x);
}

static int use_identity(struct config *c, const struct job *job, const char *who, struct error *err)
{
    char crt[512], key[512];
    struct identity *id = NULL;
    int rc;

    TRY(identity_from_files(&id, cert_path(crt, sizeof crt, job, who, ".crt"),
                            cert_path(key, sizeof key, job, who, ".key"), NULL, err));
    rc = config_add_identity(c, id);
    identity_unref(id);
    return rc;
}

static int use_trust(struct config *c, const struct job *job, struct error *err)
{
    char crt[512];
    struct trust *t = trust_new();
    int rc = t ? trust_add_path(t, cert_path(crt, sizeof crt, job, "root", ".crt"), err) : ERR_MEM;

    if (rc > 0) {
        rc = config_set_trust(c, t);
    }
    trust_unref(t);
    return rc;
}

static int configure(struct ctx *x, const struct job *job, bool server, struct error *err)
{
    static const uint16_t suites[] = { 0x1301, 0x1302, 0x1303 };
    static const uint16_t suites12[2][3] = { { 0xc02b, 0xc02c, 0xcca9 },
                                             { 0xc02f, 0xc030, 0xcca8 } };
    static const uint16_t groups[] = { 29, 23 };
    const unsigned version = job->tls12 ? 0x0303 : 0x0304;
    struct config *c = x->config;

    TRY(config_set_clock(c, now));
    TRY(config_set_versions(c, version, version));
    TRY(config_set_suites(c, job->tls12 ? &suites12[job->cert][job->suite] : &suites[job->suite],
                          1));
    TRY(config_set_groups(c, &groups[job->group],
                          job->tls12 && job->group == GROUP_X25519 ? 2 : 1));
    if (server || job->mutual) {
        TRY(use_identity(c, job, server ? "server" : "client", err));
    }
    if (!server || job->mutual) {
        TRY(use_trust(c, job, err));
    }
    if (server && job->mutual) {
        TRY(config_set_client_auth(c, CLIENT_AUTH_REQUIRE));
    }
    if (server && job->sessions) {
        x->tickets = ticket_keys_new(3600 * 1000);
        TRY(x->tickets ? config_set_sessions(c, NULL, x->tickets, 3600) : ERR_MEM);
    }
    TRY(config_seal(c, err));
    if (job->cold) {
        know_no_chains(c);
    }
    return 0;
}

static void *ctx_new(const struct job *job, bool server)
{
    struct error err = { 0 };
    struct ctx *x = calloc(1, sizeof *x);

    if (!x || crypto_init() < 0) {
        free(x);
        return NULL;
    }
    x->host = server ? NULL : job->host;
    x->config = config_new(server ? TLS_SERVER : TLS_CLIENT);
    if (!x->config || configure(x, job, server, &err) < 0) {
        (void)fprintf(stderr, "sleeve: %s\n", err.text);
        ctx_free(x);
        return NULL;
    }
    return x;
}

static void *conn_new(void *v, struct pipe *in, struct pipe *out, void *session)
{
    struct ctx *x = v;
    struct conn *k = calloc(1, sizeof *k);

    if (!k || tls_new(&k->tls, x->config, x->host, NULL, session, NULL) < 0) {
        free(k);
        return NULL;
    }
    k->in = in;
    k->out = out;
    k->rest.secret = true;
    return k;
}

static void flush(struct conn *k)
{
    struct span s = tls_output(k->tls);

    if (s.n) {
        tls_sent(k->tls, pipe_write(k->out, s.p, s.n));
    }
}

/* Receives one record and gives it to the engine. An event, -1 failed, TLS_EV_MORE nothing whole
 * there. */
static int receive(struct conn *k, struct tls_in *in)
{
    const uint8_t *p = k->in->buf + k->in->r;
    size_t have = k->in->w - k->in->r, len;
    int event;

    if (have < TLS_HEADER) {
        return TLS_EV_MORE;
    }
    len = TLS_HEADER + ((size_t)p[3] << 8 | p[4]);
    if (have < len || len > sizeof scratch) {
        return TLS_EV_MORE;
    }
    in->data = scratch;
    in->len = pipe_read(k->in, scratch, len);
    event = tls_input(k->tls, in);
    if (event < 0) {
        (void)fprintf(stderr, "sleeve: %s\n", tls_error(k->tls)->text);
    }
    return event;
}

static int handshake(void *v)
{
    struct conn *k = v;
    int event;

    do {
        struct tls_in in = { 0 };

        event = tls_connected(k->tls) ? TLS_EV_MORE : receive(k, &in);
    } while (event > TLS_EV_MORE);
    flush(k);
    return event < 0 ? -1 : tls_connected(k->tls);
}

static long do_write(void *v, const void *d, size_t n)
{
    struct conn *k = v;
    struct span in = span_of(d, n);
    size_t taken = 0, made = 0;

    flush(k);
    if (tls_seal(k->tls, &in, 1, &taken, scratch, sizeof scratch, &made) < 0 ||
        pipe_write(k->out, scratch, made) != made) {
        return -1;
    }
    return (long)taken;
}

static long do_read(void *v, void *d, size_t n)
{
    struct conn *k = v;
    size_t got = 0;

    if (buf_len(&k->rest)) {
        got = buf_len(&k->rest) < n ? buf_len(&k->rest) : n;
        memcpy(d, buf_data(&k->rest), got);
        buf_consume(&k->rest, got);
        return (long)got;
    }
    while (got < n) {
        struct tls_in in = { .out = (uint8_t *)d + got, .room = n - got };
        int event = receive(k, &in);

        if (event == TLS_EV_MORE) {
            break;
        }
        if (event < 0) {
            return -1;
        }
        if (event == TLS_EV_DATA) {
            got += in.nplain;
            if (in.nrest && buf_append(&k->rest, in.rest, in.nrest) < 0) {
                return -1;
            }
        }
    }
    return (long)got;
}

static void describe(void *v, char *text, size_t n)
{
    struct tls_info i;

    tls_get_info(((struct conn *)v)->tls, &i);
    (void)snprintf(text, n, "%s %s %s %s", i.version_name, i.suite, i.group, i.scheme);
}

static void conn_free(void *v)
{
    struct conn *k = v;

    tls_free(k->tls);
    buf_free(&k->rest);
    free(k);
}

static void *session(void *v)
{
    return tls_session(((struct conn *)v)->tls);
}

static void session_free(void *v)
{
    session_unref(v);
}

static bool resumed(void *v)
{
    struct tls_info i;

    tls_get_info(((struct conn *)v)->tls, &i);
    return i.resumed;
}

static void park(void *v)
{
    tls_park(((struct conn *)v)->tls);
}

const struct peer peer_sleeve = {
    .name = "sleeve",
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
    .park = park,
};
