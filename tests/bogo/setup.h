/* SPDX-License-Identifier: ISC */
/* A connection of the engine as the runner's flags want it, and how the shim says what went wrong.
 */
#ifndef TESTS_BOGO_SETUP_H
#define TESTS_BOGO_SETUP_H
#include <ctype.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#include "config.h"
#include "engine.h"
#include "options.h"

#define LIFE        (48 * 3600) /* seconds of a session */
#define EARLY_MAX   14336       /* bytes, as the runner has it */
#define CUSTOM_ID   1234        /* an extension that only the application knows */
#define CUSTOM_BODY "custom extension"

/* What outlives a connection. */
struct shared {
    struct session_cache *cache;
    struct ticket_keys *tickets;
    struct tls_session *session; /* client: the newest */
};

static int64_t clock_ahead, clock_end = INT64_MAX;

/* The last traffic secrets of TLS 1.3, from the key log. */
static struct {
    uint8_t client[HASH_MAX], server[HASH_MAX];
    size_t n;
} secrets;

static int64_t now(void)
{
    int64_t t = time(NULL) + clock_ahead;

    return t < clock_end ? t : clock_end;
}

/* ---- what is told ---- */
__attribute__((format(printf, 1, 2))) static int wrong(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    fputs("(shim) ", stderr);
    vfprintf(stderr, fmt, ap);
    fputc('\n', stderr);
    va_end(ap);
    return -1;
}

static void print_upper(const char *name)
{
    for (; *name; name++) {
        fputc(*name == ' ' ? '_' : toupper((unsigned char)*name), stderr);
    }
}

/* "us:ALERT: sentence", or "peer:ALERT: sentence" when the alert was the peer's. */
static int report(const struct error *e)
{
    fputs(e->code == ERR_PEER_ALERT ? "peer:" : "us:", stderr);
    if (e->code == ERR_PEER_ALERT) {
        print_upper(alert_name(e->alert_received));
    } else if (IS_TLS_ALERT(e->code)) {
        print_upper(alert_name((unsigned)ALERT_OF(e->code)));
    } else {
        print_upper(error_name(e->code));
    }
    fprintf(stderr, ": %s\n", e->text);
    return -1;
}

/* ---- configuration ---- */
static void on_keylog(void *ctx, const char *line)
{
    const char *hex = strrchr(line, ' ');
    uint8_t *to = strncmp(line, "CLIENT_TRAFFIC_SECRET_0 ", 24) == 0   ? secrets.client
                  : strncmp(line, "SERVER_TRAFFIC_SECRET_0 ", 24) == 0 ? secrets.server
                                                                       : NULL;
    unsigned byte;

    (void)ctx;
    if (!to) {
        return;
    }
    for (secrets.n = 0; secrets.n < HASH_MAX && sscanf(hex + 1 + 2 * secrets.n, "%2x", &byte) == 1;
         secrets.n++) {
        to[secrets.n] = (uint8_t)byte;
    }
}

static int on_verify(void *ctx, struct tls *t, const struct cert *chain, size_t n, int alert)
{
    const struct options *o = ctx;

    (void)t;
    (void)chain;
    (void)n;
    /* These are the alerts that the runner's own library sends. */
    if (o->verify_fail && (o->verify_peer || o->require_client_cert)) {
        return o->custom_verify ? ALERT_CERTIFICATE_UNKNOWN : ALERT_HANDSHAKE_FAILURE;
    }
    if (o->fail_status && !o->server) {
        return ALERT_BAD_CERTIFICATE_STATUS_RESPONSE;
    }
    /* A server is not told whom to trust. */
    return o->server && alert == ALERT_UNKNOWN_CA ? 0 : alert;
}

static int on_extension(void *ctx, struct tls *t, uint16_t id, struct span body)
{
    const struct options *o = ctx;

    (void)t;
    if (id != CUSTOM_ID || !o->client_extension) {
        return 0;
    }
    return span_eq(body, span_text(CUSTOM_BODY)) ? 0 : ALERT_DECODE_ERROR;
}

static int set_alpn(struct config *c, const struct options *o)
{
    char text[LIST_MAX][256];
    const char *names[LIST_MAX];
    struct rd list = rd_span(span_text(o->advertise_alpn)), name;
    size_t n = 0;

    if (o->server) {
        if (o->select_alpn && !*o->select_alpn) {
            return 0;
        }
        names[0] = o->reject_alpn ? "none of the peer's" : o->select_alpn;
        return names[0] && !o->decline_alpn ? config_set_alpn(c, names, 1) : 0;
    }
    for (; n < LIST_MAX && rd_vec(&list, 1, &name); n++) {
        snprintf(text[n], sizeof text[n], "%.*s", (int)name.n, (const char *)name.p);
        names[n] = text[n];
    }
    return n ? config_set_alpn(c, names, n) : 0;
}

static int add_identity(struct config *c, const char *certs, const char *key)
{
    struct identity *id;
    struct error err = { 0 };
    int rc = identity_from_files(&id, certs, key, NULL, &err);

    if (rc < 0) {
        return report(&err);
    }
    rc = config_add_identity(c, id);
    identity_unref(id);
    return rc;
}

static int set_identities(struct config *c, const struct options *o)
{
    for (size_t i = 0; i < o->identities.n; i++) {
        char certs[PATH_MAX];
        const char *comma = strchr(o->identities.text[i], ',');

        if (!comma || (size_t)(comma - o->identities.text[i]) >= sizeof certs) {
            exit(UNIMPLEMENTED);
        }
        snprintf(certs, sizeof certs, "%.*s", (int)(comma - o->identities.text[i]),
                 o->identities.text[i]);
        TRY(add_identity(c, certs, comma + 1));
    }
    if (o->cert_file && o->identities.n == 0) {
        TRY(add_identity(c, o->cert_file, o->key_file));
    }
    return 0;
}

/* The runner makes certificates that expire at once, and does not mean it: time stops with them. */
static int stop_clock(const char *path, struct error *err)
{
    struct buf text = { 0 }, der = { 0 };
    struct cert cert;
    char label[64];
    size_t pos = 0;
    int rc = file_read(path, &text, err);

    if (rc == 0 && pem_next(buf_span(&text), &pos, label, &der) == 1 &&
        cert_parse(&cert, buf_span(&der), NULL) == 0 && cert.not_after < clock_end) {
        clock_end = cert.not_after;
    }
    buf_free(&text);
    buf_free(&der);
    return rc;
}

static int set_trust(struct config *c, const struct options *o)
{
    struct trust *trust;
    struct error err = { 0 };
    char copy[PATH_MAX], *save = NULL;
    int rc = 0;

    if (!o->trust_cert || strlen(o->trust_cert) >= sizeof copy || !(trust = trust_new())) {
        return config_set_verify(c, VERIFY_NONE);
    }
    strcpy(copy, o->trust_cert);
    for (char *name = strtok_r(copy, ",", &save); name && rc >= 0;
         name = strtok_r(NULL, ",", &save)) {
        rc = stop_clock(name, &err);
        rc = rc < 0 ? rc : trust_add_path(trust, name, &err);
    }
    rc = config_set_trust(c, trust);
    trust_unref(trust);
    return rc < 0 ? rc : config_set_verify(c, VERIFY_CA);
}

static int set_versions(struct config *c, const struct options *o)
{
    const bool no[] = { true, o->no_tls10, o->no_tls11, o->no_tls12, o->no_tls13 };
    unsigned min = o->min_version ? o->min_version : TLS_1_0;
    unsigned max = o->max_version ? o->max_version : TLS_1_3;

    while (min <= max && (no[min - SSL_3_0] || !protocol_of(min))) {
        min++;
    }
    while (max >= min && (no[max - SSL_3_0] || !protocol_of(max))) {
        max--;
    }
    if (o->max_version && o->max_version < TLS_1_2 && min > max) { /* only what is not compiled */
        exit(UNIMPLEMENTED);
    }
    return min > max ? wrong("no version is left") : config_set_versions(c, min, max);
}

static int set_groups(struct config *c, const struct options *o)
{
    uint16_t ids[LIST_MAX];

    for (size_t i = 0; i < o->curves.n; i++) {
        ids[i] = (uint16_t)atoi(o->curves.text[i]);
        if (!group_by_id(ids[i])) {
            exit(UNIMPLEMENTED);
        }
    }
    return o->curves.n ? config_set_groups(c, ids, o->curves.n) : 0;
}

/* The engine signs and verifies with one list. Where both matter, the rest comes behind what is
 * preferred. */
static int set_schemes(struct config *c, const struct options *o)
{
    bool signs = o->cert_file || o->identities.n;
    bool verifies = !o->server || o->verify_peer || o->require_client_cert;
    const struct list *list = o->signing_prefs.n ? &o->signing_prefs : &o->verify_prefs;
    uint16_t ids[SETTINGS_SCHEMES];
    size_t n = 0;

    if (list->n == 0 || !(list == &o->signing_prefs ? signs : verifies)) {
        return 0;
    }
    for (size_t i = 0; i < list->n; i++) {
        ids[n] = (uint16_t)atoi(list->text[i]);
        n += scheme_by_id(ids[n]) != NULL;
    }
    if (n == 0) { /* none that we have */
        exit(UNIMPLEMENTED);
    }
    for (size_t i = 0; signs && verifies && scheme_at(i); i++) {
        bool known = false;

        for (size_t k = 0; k < n; k++) {
            known = known || ids[k] == scheme_at(i)->id;
        }
        if (!known && n < SETTINGS_SCHEMES) {
            ids[n++] = scheme_at(i)->id;
        }
    }
    return config_set_schemes(c, ids, n);
}

/* Every connection of the runner is another. */
static bool on_replay(void *ctx, struct span binder, int64_t now_ms)
{
    (void)ctx;
    (void)binder;
    (void)now_ms;
    return true;
}

static int set_client(struct config *c, const struct options *o)
{
    static const uint8_t custom[] = { CUSTOM_ID >> 8, CUSTOM_ID & 0xff, 0, sizeof CUSTOM_BODY - 1 };
    uint8_t encoded[sizeof custom + sizeof CUSTOM_BODY - 1];

    TRY(config_set_flag(c, CONFIG_TICKETS, !o->no_ticket));
    TRY(config_set_flag(c, CONFIG_FALLBACK, o->fallback));
    TRY(config_set_flag(c, CONFIG_STATUS, o->ocsp_stapling));
    TRY(config_set_flag(c, CONFIG_EARLY_DATA, o->early_data));
    TRY(config_set_flag(c, CONFIG_SCTS, o->ask_scts));
    TRY(set_trust(c, o));
    if (!o->client_extension || o->no_extension) {
        return 0;
    }
    memcpy(encoded, custom, sizeof custom);
    memcpy(encoded + sizeof custom, CUSTOM_BODY, sizeof CUSTOM_BODY - 1);
    TRY(config_set_extensions(c, span_of(encoded, sizeof encoded)));
    return config_set_extension_callback(c, on_extension, (void *)o);
}

static int set_server(struct config *c, const struct options *o, const struct shared *s)
{
    uint8_t bytes[256];

    TRY(config_set_sessions(c, s->cache, o->no_ticket ? NULL : s->tickets, LIFE));
    TRY(config_set_verify(c, VERIFY_CA));
    if (o->early_data && !o->no_ticket) {
        TRY(config_set_early_data(c, EARLY_MAX, NULL, on_replay, NULL));
    }
    if (o->require_client_cert || o->verify_peer) {
        TRY(config_set_client_auth(c, o->require_client_cert ? CLIENT_AUTH_REQUIRE
                                                             : CLIENT_AUTH_REQUEST));
    }
    if (o->ocsp_response && !o->decline_status) {
        size_t n = base64_read(o->ocsp_response, bytes, sizeof bytes);

        TRY(config_set_status(c, 0, span_of(bytes, n)));
    }
    if (o->scts) {
        size_t n = base64_read(o->scts, bytes, sizeof bytes);

        TRY(config_set_scts(c, 0, span_of(bytes, n)));
    }
    return 0;
}

static int configure(struct config *c, const struct options *o, const struct shared *s)
{
    uint16_t suites[SETTINGS_SUITES];

    TRY(set_versions(c, o));
    TRY(set_groups(c, o));
    TRY(set_schemes(c, o));
    TRY(config_set_suites(c, suites, suites_read(o->cipher, o->cipher13, suites)));
    TRY(set_alpn(c, o));
    TRY(set_identities(c, o));
    TRY(config_set_clock(c, now));
    TRY(config_set_keylog(c, on_keylog, NULL));
    TRY(config_set_flag(c, CONFIG_CERT_COMPRESSION, true));
    TRY(config_set_verify_callback(c, on_verify, (void *)o));
    if (o->renegotiate_freely || o->renegotiate_once) {
        TRY(config_set_renegotiation(c, RENEGOTIATE_ANY, false));
    }
    return o->server ? set_server(c, o, s) : set_client(c, o);
}

static struct tls *make(const struct options *o, const struct shared *s)
{
    struct error err = { 0 };
    struct config *c = config_new(o->server ? TLS_SERVER : TLS_CLIENT);
    struct tls *t = NULL;
    int rc = c ? configure(c, o, s) : ERR_MEM;

    if (rc == 0 && (rc = config_seal(c, &err)) == 0) {
        rc = tls_new(&t, c, o->host_name, o->host_name, s->session, &err);
    }
    if (rc < 0 && rc != -1) { /* -1: said already */
        (void)(err.code ? report(&err) : wrong("configuration, %s", error_name(rc)));
    }
    config_unref(c);
    return t;
}
#endif
