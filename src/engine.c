/* SPDX-License-Identifier: ISC */
/* Life and state of a connection, and what the handshake asks of it. */
#include "engine_local.h"

#include "base/mem.h"
#include "base/secret.h"
#include "handshake/schedule13.h"

int engine_fail(struct tls *t, int code, const char *place, const char *text)
{
    if (!atomic_flag_test_and_set(&t->failing)) {
        bool ours = IS_TLS_ALERT(code) || code != ERR_PEER_ALERT;

        error_set(&t->err, code, place, "%s", text);
        if (ours) {
            unsigned desc = IS_TLS_ALERT(code) ? (unsigned)ALERT_OF(code) : ALERT_INTERNAL_ERROR;

            if (desc > UINT8_MAX || desc == ALERT_CLOSE_NOTIFY) { /* a callback's idea */
                desc = ALERT_INTERNAL_ERROR;
            }
            desc = hs_alert(&t->hs, desc);
            t->err.alert_sent = (uint8_t)desc;
            atomic_fetch_or(&t->notes, NOTE_ALERT | desc);
        }
        engine_status_add(t, ST_FAILED);
    }
    return code;
}

int engine_keys(struct tls *t, struct rec_half *half, const struct suite *s, const uint8_t *traffic)
{
    SECRET(key, AEAD_KEY_MAX);
    SECRET(iv, AEAD_IV);
    struct rec_keys keys = { 0x0304, .aead = s->aead, .key = key, .iv = iv };

    TRY(schedule13_keys(s->hash, traffic, aead_key_size(s->aead), key, iv));
    TRY(rec_half_set(half, &keys, half == &t->tx));
    if (half == &t->tx) {
        engine_set_tx_max(t, t->tx_max);
    }
    return 0;
}

size_t engine_content_max(const struct tls *t, uint16_t limit)
{
    if (limit) {
        return limit - (size_t)hs_is_13(&t->hs); /* which counts the type */
    }
    return t->hs.max_fragment ? t->hs.max_fragment : REC_PLAIN_MAX;
}

void engine_set_tx_max(struct tls *t, size_t max)
{
    size_t block = t->hs.set->padding;

    while (block > max) {
        block /= 2;
    }
    t->tx_max = max;
    if (block > 1 && t->tx.protection && t->tx.protection->hides_type) {
        t->tx_max -= max % block;
        rec_half_pad(&t->tx, block);
    }
}

struct rec_keys engine_protection12(const struct tls *t)
{
    const struct suite *s = t->hs.suite;

    return (struct rec_keys){
        .version = t->hs.version,
        .aead = s->aead,
        .cbc = s->cbc,
        .stream = s->stream,
        .mac = s->mac,
        .etm = t->hs.etm,
    };
}

/* Without KeyUpdate there is no way to change worn keys; the nonce is what must not repeat, and the
 * record layer sees to that, and to where a connection must end. */
int engine_keys12(struct tls *t, struct rec_half *half, const struct hs_keys *k, uint64_t done)
{
    struct rec_keys keys = engine_protection12(t);

    keys.key = k->key;
    keys.iv = k->iv;
    keys.mac_key = k->mac;
    keys.done = done;
    TRY(rec_half_set(half, &keys, half == &t->tx));
    half->limit = UINT64_MAX;
    return 0;
}

/* ---- what the handshake asks for ---- */

/* We have said our last, the peer has not: what it asks for now is not answered. */
static bool is_silent(const struct tls *t)
{
    const unsigned status = engine_status(t);

    return (status & ST_CLOSED) && (status & (ST_CONNECTED | ST_HALF));
}

static int host_send(void *ctx, struct span message)
{
    struct tls *t = ctx;

    if (is_silent(t)) {
        return 0;
    }
    if (engine_status(t) & ST_CLOSED) { /* keys may be new since then: nothing goes out, either */
        return ERR_CLOSED;
    }
    t->spoke = true;
    return buf_append(&t->flight, message.p, message.n);
}

/* For middleboxes in TLS 1.3, always before our first keys; in TLS 1.2 under the keys of before. */
static int host_ccs(void *ctx)
{
    static const uint8_t one = 1;
    struct tls *t = ctx;

    if (is_silent(t)) {
        return 0;
    }
    TRY(engine_flush(t));
    t->tx.version = hs_record_version(&t->hs); /* not a first ClientHello any more */
    return engine_emit(t, CT_CHANGE_CIPHER_SPEC, &one, 1);
}

static int host_keys(void *ctx, enum hs_direction d, const struct hs_keys *k)
{
    struct tls *t = ctx;
    struct rec_half *half = d == HS_WRITE ? &t->tx : &t->rx;
    int rc;

    if (d == HS_WRITE && is_silent(t)) {
        return 0;
    }
    if (d == HS_WRITE) {
        TRY(engine_flush(t));
        t->tx_max = engine_content_max(t, t->hs.send_limit);
    } else {
        t->rx_max = engine_content_max(t, t->hs.recv_limit);
    }
    if (!k) { /* what follows rejected early data */
        rec_half_wipe(half);
        rec_half_init(half);
        wipe(t->tx_secret, sizeof t->tx_secret);
        return 0;
    }
    if (!k->traffic) {
        rc = engine_keys12(t, half, k, 0);
    } else {
        memcpy(d == HS_WRITE ? t->tx_secret : t->rx_secret, k->traffic, HASH_MAX);
        rc = engine_keys(t, half, k->suite, k->traffic);
    }
    if (rc < 0 && d == HS_WRITE) { /* the peer was told of them: no alert under those of before */
        engine_write_end(t);
    }
    return rc;
}

static int host_warn(void *ctx, enum alert desc)
{
    const uint8_t alert[2] = { 1, (uint8_t)desc };
    struct tls *t = ctx;

    if (desc == ALERT_NO_RENEGOTIATION) {
        atomic_fetch_or(&t->notes, NOTE_REFUSE);
        return 0;
    }
    if (is_silent(t)) {
        return 0;
    }
    TRY(engine_flush(t)); /* it stands for a message, between others */
    return engine_emit(t, CT_ALERT, alert, sizeof alert);
}

/* The peer's keys change with the next record; ours, when it asks, before our next one. */
static int host_key_update(void *ctx, bool answer_wanted)
{
    struct tls *t = ctx;

    TRY(schedule13_next(t->hs.suite->hash, t->rx_secret));
    TRY(engine_keys(t, &t->rx, t->hs.suite, t->rx_secret));
    (void)engine_status_take(t, ST_ASKED);
    if (answer_wanted) {
        atomic_fetch_or(&t->notes, NOTE_KEY_UPDATE);
    }
    return 0;
}

static int host_skip_early(void *ctx, size_t max)
{
    struct tls *t = ctx;

    t->skip = max;
    return 0;
}

static const uint8_t *host_traffic(void *ctx, enum hs_direction d)
{
    struct tls *t = ctx;

    return d == HS_WRITE ? t->tx_secret : t->rx_secret;
}

static int host_use_config(void *ctx, struct config *c)
{
    struct tls *t = ctx;

    if (!config_sealed(c) || config_role(c) != tls_role(t)) {
        config_unref(c);
        return FAIL(t->hs.err, ERR_ARG, "the config for that name cannot be used");
    }
    config_unref(t->config);
    t->config = c;
    t->hs.set = config_settings(c);
    return 0;
}

static const struct hs_host host = {
    .send = host_send,
    .send_ccs = host_ccs,
    .set_keys = host_keys,
    .warn = host_warn,
    .key_update = host_key_update,
    .skip_early = host_skip_early,
    .traffic = host_traffic,
    .use_config = host_use_config,
};

/* ---- life ---- */

struct tls *engine_new(struct config *c)
{
    struct tls *t = mem_zalloc(sizeof *t);

    if (t) {
        t->config = config_ref(c);
        atomic_flag_clear(&t->failing);
        error_clear(&t->err);
        error_clear(&t->scratch);
        rec_half_init(&t->rx);
        rec_half_init(&t->tx);
        t->rx_max = t->tx_max = REC_PLAIN_MAX;
        t->hs =
            (struct hs){ .set = config_settings(c), .host = &host, .ctx = t, .err = &t->scratch };
    }
    return t;
}

int tls_new(struct tls **out, struct config *c, const char *name, const char *sni,
            struct tls_session *resume, struct error *err)
{
    const struct settings *s = config_settings(c);
    struct tls *t;
    int rc;

    *out = NULL;
    if (!config_sealed(c)) {
        return FAIL(err, ERR_ARG, "the configuration is not sealed");
    }
    name = name && *name ? name : NULL;
    if (s->role == TLS_CLIENT && s->verify == VERIFY_FULL && !name && !s->psks && !s->psks12) {
        return FAIL(err, ERR_ARG, "no server name to verify is set"); /* threat 32 */
    }
    if (name && !host_is_valid(name) && !host_is_ip(name)) {
        return FAIL(err, ERR_ARG, "\"%.100s\" is not a host name", name);
    }
    if (!sni && name && !host_is_ip(name)) {
        sni = name;
    }
    if (sni && (host_is_ip(sni) || !host_is_valid(sni))) {
        return FAIL(err, ERR_ARG, "the name to send must be a DNS name");
    }
    t = engine_new(c);
    if (!t) {
        return FAIL(err, ERR_MEM, "out of memory");
    }
    t->hs.session = resume && s->role == TLS_CLIENT ? session_ref(resume) : NULL;
    if (s->role == TLS_CLIENT) {
        t->tx.version = hs_hello_version(&t->hs); /* section 5.1: for old middleboxes */
    }
    rc = hs_start(&t->hs, name, s->role == TLS_CLIENT ? sni : NULL);
    if (rc == 0) {
        rc = engine_flush(t);
        t->tx.version = hs_record_version(&t->hs);
    }
    if (rc < 0) {
        error_set(err, rc, __func__, "%s",
                  t->scratch.code ? t->scratch.text : "the connection could not be set up");
        tls_free(t);
        return rc;
    }
    *out = t;
    return 0;
}

int tls_request_client_auth(struct tls *t, struct config *c)
{
    const struct settings *s = c ? config_settings(c) : t->hs.set;
    int rc;

    if (!tls_can_seal(t)) {
        return engine_status(t) & ST_CONNECTED ? ERR_CLOSED : ERR_STATE;
    }
    if (s->role != t->hs.set->role || (c && !config_sealed(c))) {
        return ERR_ARG;
    }
    TRY(hs_may_request(&t->hs));
    error_clear(&t->scratch);
    rc = hs_request(&t->hs, s);
    if (c) {
        config_ref(c);
        config_unref(t->config);
        t->config = c;
    }
    rc = rc < 0 ? rc : engine_flush(t);
    if (rc < 0) {
        engine_fail(t, rc, __func__, t->scratch.code ? t->scratch.text : error_name(rc));
    }
    return rc;
}

void tls_free(struct tls *t)
{
    if (!t) {
        return;
    }
    hs_free(&t->hs);
    engine_read_end(t);
    engine_write_end(t);
    buf_free(&t->out);
    config_unref(t->config);
    mem_free_secret(t, sizeof *t);
}

/* ---- another handshake ---- */

void tls_allow_renegotiation(struct tls *t, bool yes)
{
    t->hs.allow = yes ? ALLOW_YES : ALLOW_NO;
}

/* Can this connection renegotiate under these settings? */
static int may_rehandshake(const struct tls *t, const struct settings *s)
{
    bool suites = false;

    if (!tls_can_seal(t) || !hs_connected(&t->hs)) {
        return engine_status(t) & ST_FAILED ? ERR_CLOSED : ERR_STATE;
    }
    for (size_t i = 0; i < s->nsuites; i++) {
        suites = suites || (suite_fits(s->suites[i], t->hs.version) &&
                            s->min_version <= t->hs.version && t->hs.version <= s->max_version);
    }
    if (s->role != t->hs.set->role ||
        (s->role == TLS_CLIENT && s->verify == VERIFY_FULL && !t->hs.name)) {
        return ERR_ARG;
    }
    if (hs_waiting(&t->hs)) {
        return ERR_STATE;
    }
    return !hs_is_13(&t->hs) && suites && (t->hs.secure || s->renegotiation == RENEGOTIATE_ANY)
               ? 0
               : ERR_UNSUPPORTED;
}

int tls_rehandshake(struct tls *t, struct config *c, bool resume)
{
    int rc =
        c && !config_sealed(c) ? ERR_ARG : may_rehandshake(t, c ? config_settings(c) : t->hs.set);

    TRY(rc);
    if (c) {
        if (t->hs.set->role == TLS_SERVER) {
            hs_forget(&t->hs); /* a fatal error would look for it in the new one's cache */
        }
        config_ref(c);
        config_unref(t->config);
        t->config = c;
        t->hs.set = config_settings(c);
    }
    error_clear(&t->scratch);
    rc = hs_restart(&t->hs, resume);
    rc = rc < 0 ? rc : engine_flush(t);
    if (rc < 0) {
        engine_fail(t, rc, __func__, t->scratch.code ? t->scratch.text : error_name(rc));
    }
    return rc;
}

/* ---- state ---- */

bool tls_connected(const struct tls *t)
{
    return (engine_status(t) & (ST_CONNECTED | ST_FAILED)) == ST_CONNECTED;
}

bool tls_can_seal(const struct tls *t)
{
    return (engine_status(t) & (ST_CONNECTED | ST_HALF)) &&
           !(engine_status(t) & (ST_FAILED | ST_CLOSED)) && !t->hs.write_blocked;
}

bool tls_waiting(const struct tls *t)
{
    return !(engine_status(t) & ST_FAILED) && hs_waiting(&t->hs) && !hs_ready(&t->hs);
}

void tls_set_wake(struct tls *t, key_wake_fn *wake, void *ctx)
{
    t->hs.wake = wake;
    t->hs.wake_ctx = ctx;
}

void tls_set_keep(struct tls *t, keep_fn *keep, void *ctx)
{
    t->hs.keep = keep;
    t->hs.keep_ctx = ctx;
}

bool tls_peer_closed(const struct tls *t)
{
    return engine_status(t) & ST_PEER_CLOSED;
}

const struct error *tls_error(const struct tls *t)
{
    /* In the certificate callback the verdict is still the handshake's. */
    return engine_status(t) & ST_FAILED ? &t->err : &t->scratch;
}

enum tls_role tls_role(const struct tls *t)
{
    return t->hs.set->role;
}

void tls_get_info(const struct tls *t, struct tls_info *i)
{
    const struct hs *h = &t->hs;

    *i = (struct tls_info){
        .version = h->version,
        .version_name = hs_version_name(h),
        .suite = h->suite ? h->suite->name : "",
        .suite_id = h->suite ? h->suite->id : 0,
        .group = h->group ? h->group->name : "",
        .group_id = h->group ? h->group->id : 0,
        .scheme = h->scheme ? h->scheme->name : "",
        .scheme_id = h->scheme ? h->scheme->id : 0,
        .alpn = hs_alpn(h) ? hs_alpn(h) : "",
        .sni = h->sni ? h->sni : "",
        .host = h->name && h->named ? h->name : "",
        .psk = h->psk ? h->psk : "",
        .early = h->early,
        .early_why = h->early_why,
        .resumed = h->facts & FACT_RESUMED,
        .finished_last = h->finished_last,
        .ems = h->ems,
        .etm = h->etm,
        .secure_renegotiation = h->secure,
        .status = buf_span(&h->status),
        .scts = buf_span(&h->scts),
        .client_auth = h->set->role == TLS_SERVER && (h->facts & FACT_PEER_CERT),
        .peer_cert = cert_list_leaf(h->peer),
        .peer_chain = h->peer ? span_of(h->peer->der, h->peer->n) : span_of(NULL, 0),
        .where = hs_where(h),
        .sealed_bytes = t->sealed,
        .opened_bytes = t->opened,
    };
}

const char *tls_host(const struct tls *t)
{
    return t->hs.name;
}

/* Is there a handshake to export from? */
static int exportable(const struct tls *t)
{
    if (engine_status(t) & (ST_FAILED | ST_ENDED)) {
        return ERR_CLOSED;
    }
    return engine_status(t) & ST_CONNECTED ? 0 : ERR_STATE;
}

int tls_export(const struct tls *t, const char *label, struct span context, bool has_context,
               uint8_t *out, size_t n)
{
    int rc = exportable(t);

    rc = rc < 0 ? rc : hs_export(&t->hs, label, context, has_context, out, n);
    if (rc < 0 && rc != ERR_ARG) { /* threat 37: who does not look gets no key of before */
        wipe(out, n);
    }
    return rc;
}

int tls_channel_binding(const struct tls *t, enum tls_binding what, uint8_t *out, size_t *n)
{
    const size_t room = *n;
    int rc = exportable(t);

    rc = rc < 0                         ? rc
         : what == TLS_BINDING_EXPORTER ? hs_exporter_binding(&t->hs, out, n)
                                        : hs_end_point(&t->hs, out, n);
    if (rc < 0 && rc != ERR_ARG) {
        wipe(out, room);
    }
    return rc;
}

struct tls_session *tls_session(const struct tls *t)
{
    return tls_connected(t) && t->hs.session ? session_ref(t->hs.session) : NULL;
}
