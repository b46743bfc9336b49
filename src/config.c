/* SPDX-License-Identifier: ISC */
#include "base/buf.h"
#include "base/mem.h"
#include "config_local.h"

struct config *config_new(enum tls_role role)
{
    struct config *c;

    if (crypto_init() < 0 || !(c = mem_zalloc(sizeof *c))) {
        return NULL;
    }
    atomic_init(&c->refs, 1);
    c->s.role = role;
    c->s.min_version = TLS_1_2;
    c->s.max_version = TLS_1_3;
    c->s.tickets_sent = 2;
    c->s.session_life = 24 * 3600;
    c->s.max_hello = MAX_HELLO_DEFAULT;
    c->s.max_chain = MAX_CHAIN_DEFAULT;
    c->s.max_idle = MAX_IDLE_DEFAULT;
    return c;
}

struct config *config_ref(struct config *c)
{
    atomic_fetch_add_explicit(&c->refs, 1, memory_order_relaxed);
    return c;
}

void config_unref(struct config *c)
{
    if (!c || atomic_fetch_sub_explicit(&c->refs, 1, memory_order_acq_rel) != 1) {
        return;
    }
    for (size_t i = 0; i < c->s.nidentities; i++) {
        identity_unref(c->s.identities[i]);
    }
    psks_free(c->s.psks);
    psks_free(c->s.psks12);
    psks_free(c->s.decoy12);
    buf_free(&c->s.psk_hint);
    for (size_t i = 0; i < SETTINGS_IDENTITIES; i++) {
        buf_free(&c->s.status[i]);
        buf_free(&c->s.scts[i]);
    }
    trust_unref(c->s.trust);
    revocation_unref(c->s.revocation);
    chain_cache_free(c->s.chain_cache);
    mem_free(c->s.pins);
    session_cache_unref(c->s.cache);
    ticket_keys_unref(c->s.tickets);
    replay_store_unref(c->s.replay);
    buf_free(&c->s.alpn);
    buf_free(&c->s.extensions);
    buf_free(&c->s.authorities);
    dhparams_free(&c->s.dh);
    mem_free(c->s.chains);
    while (c->kept) {
        struct kept *next = c->kept->next;

        c->kept->drop(c->kept->p);
        mem_free(c->kept);
        c->kept = next;
    }
    mem_free(c);
}

int config_keep(struct config *c, void *p, void (*drop)(void *p))
{
    struct kept *k = mem_alloc(sizeof *k);

    if (!k) {
        return ERR_MEM;
    }
    *k = (struct kept){ c->kept, p, drop };
    c->kept = k;
    return 0;
}

enum tls_role config_role(const struct config *c)
{
    return c->s.role;
}

bool config_sealed(const struct config *c)
{
    return c->sealed;
}

const struct settings *config_settings(const struct config *c)
{
    return &c->s;
}

int config_set_trust(struct config *c, struct trust *t)
{
    if (c->sealed) {
        return ERR_STATE;
    }
    t = t ? trust_ref(t) : NULL;
    trust_unref(c->s.trust);
    c->s.trust = t;
    return 0;
}

int config_add_identity(struct config *c, struct identity *id)
{
    if (c->sealed) {
        return ERR_STATE;
    }
    if (c->s.nidentities == SETTINGS_IDENTITIES) {
        return ERR_LIMIT;
    }
    c->s.identities[c->s.nidentities++] = identity_ref(id);
    return 0;
}

int config_set_revocation(struct config *c, enum revoke_mode mode, struct revocation *crls)
{
    if (c->sealed) {
        return ERR_STATE;
    }
    if (mode > REVOKE_ALL) {
        return ERR_ARG;
    }
    crls = crls ? revocation_ref(crls) : NULL;
    revocation_unref(c->s.revocation);
    c->s.revocation = crls;
    c->s.revoke = mode;
    return 0;
}

int config_set_pins(struct config *c, const uint8_t (*pins)[PIN_SIZE], size_t n)
{
    void *copy;

    if (c->sealed) {
        return ERR_STATE;
    }
    if (n < 1 || n > PINS_MAX) {
        return ERR_ARG;
    }
    copy = mem_dup(pins, n * PIN_SIZE);
    if (!copy) {
        return ERR_MEM;
    }
    mem_free(c->s.pins);
    c->s.pins = copy;
    c->s.npins = n;
    return 0;
}

int config_set_alpn(struct config *c, const char *const *names, size_t n)
{
    if (c->sealed) {
        return ERR_STATE;
    }
    buf_free(&c->s.alpn);
    for (size_t i = 0; i < n; i++) {
        size_t len = strlen(names[i]);
        uint8_t prefix = (uint8_t)len;

        /* RFC 7301 section 3.1: 1 to 255 bytes each; the whole list within 16 bits, and far less
         * than a ClientHello. */
        if (len == 0 || len > 255 || buf_len(&c->s.alpn) + len > 4096) {
            return ERR_ARG;
        }
        TRY(buf_append(&c->s.alpn, &prefix, 1));
        TRY(buf_append(&c->s.alpn, names[i], len));
    }
    return 0;
}

int config_set_versions(struct config *c, unsigned min, unsigned max)
{
    if (c->sealed) {
        return ERR_STATE;
    }
    if (!protocol_is_known(min) || !protocol_is_known(max) || min > max) {
        return ERR_ARG;
    }
    if (!protocol_of(min) || !protocol_of(max)) {
        return ERR_UNSUPPORTED;
    }
    c->s.min_version = min;
    c->s.max_version = max;
    return 0;
}

int config_set_suites(struct config *c, const uint16_t *ids, size_t n)
{
    if (c->sealed) {
        return ERR_STATE;
    }
    if (n > SETTINGS_SUITES) {
        return ERR_LIMIT;
    }
    c->s.nsuites = 0;
    for (size_t i = 0; i < n; i++) {
        const struct suite *s = suite_by_id(ids[i]);

        if (!s || suite_look(s) < 0) {
            return ERR_UNSUPPORTED;
        }
        c->s.suites[c->s.nsuites++] = s;
    }
    return 0;
}

int config_set_schemes(struct config *c, const uint16_t *ids, size_t n)
{
    if (c->sealed) {
        return ERR_STATE;
    }
    if (n > SETTINGS_SCHEMES) {
        return ERR_LIMIT;
    }
    c->s.nschemes = 0;
    for (size_t i = 0; i < n; i++) {
        const struct scheme *s = scheme_by_id(ids[i]);

        if (!s) {
            return ERR_UNSUPPORTED;
        }
        c->s.schemes[c->s.nschemes++] = s;
    }
    return 0;
}

int config_set_groups(struct config *c, const uint16_t *ids, size_t n)
{
    if (c->sealed) {
        return ERR_STATE;
    }
    if (n > SETTINGS_GROUPS) {
        return ERR_LIMIT;
    }
    c->s.ngroups = 0;
    for (size_t i = 0; i < n; i++) {
        const struct group *g = group_by_id(ids[i]);

        if (!g) {
            return ERR_UNSUPPORTED;
        }
        c->s.groups[c->s.ngroups++] = g;
    }
    return 0;
}

int config_set_verify(struct config *c, enum verify_mode mode)
{
    if (c->sealed) {
        return ERR_STATE;
    }
    c->s.verify = mode;
    return 0;
}

int config_set_client_auth(struct config *c, enum client_auth mode)
{
    if (c->sealed) {
        return ERR_STATE;
    }
    c->s.client_auth = mode;
    return 0;
}

int config_set_clock(struct config *c, int64_t (*now)(void))
{
    if (c->sealed) {
        return ERR_STATE;
    }
    c->s.now = now;
    return 0;
}

int config_set_keylog(struct config *c, void (*fn)(void *ctx, const char *line), void *ctx)
{
    if (c->sealed) {
        return ERR_STATE;
    }
    c->s.keylog = fn;
    c->s.keylog_ctx = ctx;
    return 0;
}

int config_set_key_callback(struct config *c, key_fn *fn, void *ctx)
{
    if (c->sealed) {
        return ERR_STATE;
    }
    c->s.on_key = fn;
    c->s.on_key_ctx = ctx;
    return 0;
}

int config_set_verify_callback(struct config *c, verify_fn *fn, void *ctx)
{
    if (c->sealed) {
        return ERR_STATE;
    }
    c->s.on_verify = fn;
    c->s.on_verify_ctx = ctx;
    return 0;
}

int config_set_sessions(struct config *c, struct session_cache *cache, struct ticket_keys *tickets,
                        uint32_t life)
{
    if (c->sealed) {
        return ERR_STATE;
    }
    if (life > SESSION_LIFE_MAX || c->s.role != TLS_SERVER) {
        return ERR_ARG;
    }
    cache = cache ? session_cache_ref(cache) : NULL;
    tickets = tickets ? ticket_keys_ref(tickets) : NULL;
    session_cache_unref(c->s.cache);
    ticket_keys_unref(c->s.tickets);
    c->s.cache = cache;
    c->s.tickets = tickets;
    c->s.session_life = life;
    return 0;
}

int config_set_store(struct config *c, const struct session_store *store)
{
    static const struct session_store none;

    if (c->sealed) {
        return ERR_STATE;
    }
    if (store && (c->s.role != TLS_SERVER || !store->put || !store->get || !store->drop)) {
        return ERR_ARG;
    }
    c->s.store = store ? *store : none;
    return 0;
}

int config_set_early_data(struct config *c, uint32_t max_bytes, struct replay_store *store,
                          replay_fn *fn, void *ctx)
{
    if (c->sealed) {
        return ERR_STATE;
    }
    if (c->s.role != TLS_SERVER || (max_bytes && !store == !fn) ||
        (store && replay_store_window(store) < EARLY_WINDOW_MS)) { /* threat 33 */
        return ERR_ARG;
    }
    store = store ? replay_store_ref(store) : NULL;
    replay_store_unref(c->s.replay);
    c->s.replay = store;
    c->s.max_early = max_bytes;
    c->s.on_replay = fn;
    c->s.on_replay_ctx = ctx;
    return 0;
}

int config_set_renegotiation(struct config *c, enum renegotiation mode, bool require_secure)
{
    if (c->sealed) {
        return ERR_STATE;
    }
    c->s.renegotiation = mode;
    c->s.require_secure = require_secure;
    return 0;
}

int config_set_extensions(struct config *c, struct span encoded)
{
    struct rd list = rd_span(encoded), body;
    uint16_t id;

    if (c->sealed) {
        return ERR_STATE;
    }
    while (!rd_done(&list)) {
        struct rd before = rd_of(encoded.p, encoded.n - list.n), other;
        uint16_t same;

        if (!rd_u16(&list, &id) || !rd_vec(&list, 2, &body) || ext_is_ours(id)) {
            return ERR_ARG;
        }
        while (rd_u16(&before, &same) && rd_vec(&before, 2, &other)) {
            if (same == id) {
                return ERR_ARG;
            }
        }
    }
    if (encoded.n > 4096 || c->s.role != TLS_CLIENT) {
        return ERR_ARG;
    }
    buf_free(&c->s.extensions);
    return buf_append(&c->s.extensions, encoded.p, encoded.n);
}

int config_set_extension_callback(struct config *c, extension_fn *fn, void *ctx)
{
    if (c->sealed) {
        return ERR_STATE;
    }
    c->s.on_extension = fn;
    c->s.on_extension_ctx = ctx;
    return 0;
}

int config_set_ticket_count(struct config *c, unsigned count)
{
    if (c->sealed) {
        return ERR_STATE;
    }
    if (count > TICKETS_MAX) {
        return ERR_ARG;
    }
    c->s.tickets_sent = (uint8_t)count;
    return 0;
}

int config_set_max_fragment(struct config *c, unsigned bytes)
{
    if (c->sealed) {
        return ERR_STATE;
    }
    if (!fragment_is_legal(bytes)) {
        return ERR_ARG;
    }
    c->s.max_fragment = (uint16_t)bytes;
    return 0;
}

int config_set_record_limit(struct config *c, unsigned bytes)
{
    if (c->sealed) {
        return ERR_STATE;
    }
    if (bytes != 0 && (bytes < RECORD_LIMIT_MIN || bytes > RECORD_LIMIT_MAX)) {
        return ERR_ARG;
    }
    c->s.record_limit = (uint16_t)bytes;
    return 0;
}

int config_set_padding(struct config *c, unsigned block)
{
    if (c->sealed) {
        return ERR_STATE;
    }
    if ((block & (block - 1)) != 0 || block > 16384) {
        return ERR_ARG;
    }
    c->s.padding = (uint16_t)block;
    return 0;
}

int config_set_status(struct config *c, size_t identity, struct span response)
{
    if (c->sealed) {
        return ERR_STATE;
    }
    if (identity >= c->s.nidentities) {
        return ERR_ARG;
    }
    buf_free(&c->s.status[identity]);
    return buf_append(&c->s.status[identity], response.p, response.n);
}

int config_set_scts(struct config *c, size_t identity, struct span list)
{
    if (c->sealed) {
        return ERR_STATE;
    }
    if (identity >= c->s.nidentities || !scts_wellformed(list) || list.n > SCTS_MAX) {
        return ERR_ARG;
    }
    buf_free(&c->s.scts[identity]);
    return buf_append(&c->s.scts[identity], list.p, list.n);
}

int config_set_sni_callback(struct config *c, sni_fn *fn, void *ctx)
{
    if (c->sealed) {
        return ERR_STATE;
    }
    c->s.on_sni = fn;
    c->s.on_sni_ctx = ctx;
    return 0;
}

int config_set_limit(struct config *c, enum config_limit which, uint32_t value)
{
    const struct {
        uint32_t *to, min, max;
    } rows[] = {
        [CONFIG_MAX_HELLO] = { &c->s.max_hello, 512, MAX_HELLO_DEFAULT },
        [CONFIG_MAX_CHAIN] = { &c->s.max_chain, 1024, MAX_CHAIN_DEFAULT },
        [CONFIG_MAX_IDLE] = { &c->s.max_idle, 1, 1000000 },
    };

    if (c->sealed) {
        return ERR_STATE;
    }
    if ((size_t)which >= sizeof rows / sizeof *rows || value < rows[which].min ||
        value > rows[which].max) {
        return ERR_ARG;
    }
    *rows[which].to = value;
    return 0;
}

int config_set_flag(struct config *c, enum config_flag flag, bool on)
{
    struct settings *s = &c->s;
    bool *const switches[] = {
        [CONFIG_TICKETS] = &s->no_tickets,
        [CONFIG_EMS] = &s->no_ems,
        [CONFIG_ETM] = &s->no_etm,
        [CONFIG_FALLBACK] = &s->fallback,
        [CONFIG_STATUS] = &s->ask_status,
        [CONFIG_POST_AUTH] = &s->post_auth,
        [CONFIG_GREASE] = &s->no_grease,
        [CONFIG_SMALL_RECORDS] = &s->small_records,
        [CONFIG_SCTS] = &s->ask_scts,
        [CONFIG_STRICT_SNI] = &s->strict_sni,
        [CONFIG_PSK_KE] = &s->psk_ke,
        [CONFIG_CERT_COMPRESSION] = &s->compress_certs,
        [CONFIG_PARTIAL_CHAIN] = &s->partial_chain,
        [CONFIG_WEAK_CERTIFICATES] = &s->weak_certs,
        [CONFIG_EARLY_DATA] = &s->early_data,
    };
    /* What is on by default is said the other way round: settings begin as zeros. */
    const bool by_default =
        flag == CONFIG_TICKETS || flag == CONFIG_EMS || flag == CONFIG_ETM || flag == CONFIG_GREASE;

    if (c->sealed) {
        return ERR_STATE;
    }
    if ((size_t)flag >= sizeof switches / sizeof *switches || !switches[flag]) {
        return ERR_ARG;
    }
    *switches[flag] = on != by_default;
    return 0;
}

int config_seal(struct config *c, struct error *err)
{
    if (c->sealed) {
        return 0;
    }
    TRY(settings_seal(&c->s, err));
    c->sealed = true;
    return 0;
}
