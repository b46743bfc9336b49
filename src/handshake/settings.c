/* SPDX-License-Identifier: ISC */
/* What is done once, before the first connection: do the settings make sense, what do they leave
 * open, and what is a session bound to that is made under them? */
#include "base/secret.h"
#include "handshake/local.h"

static bool is_served(const struct settings *s, unsigned version)
{
    bool served = false;

    for (size_t i = 0; i < s->nsuites; i++) {
        served = served || suite_fits(s->suites[i], (uint16_t)version);
    }
    return served && protocol_of(version);
}

/* The default suites; versions that no suite belongs to are not spoken. */
static void fill_suites(struct settings *s)
{
    if (s->nsuites == 0) {
        for (size_t i = 0; suite_at(i) && s->nsuites < SETTINGS_SUITES; i++) {
            if (suite_at(i)->by_default) {
                s->suites[s->nsuites++] = suite_at(i);
            }
        }
    }
    while (s->min_version <= s->max_version && !is_served(s, s->max_version)) {
        s->max_version--;
    }
    while (s->min_version <= s->max_version && !is_served(s, s->min_version)) {
        s->min_version++;
    }
}

/* Suites with a key of TLS 1.2 are those of who has one; *has: there are any. */
static void drop_psk_suites(struct settings *s, bool *has)
{
    size_t n = 0;

    *has = false;
    for (size_t i = 0; i < s->nsuites; i++) {
        const bool psk = suite_has_psk(s->suites[i]);

        *has = *has || psk;
        if (!psk || s->psks12) {
            s->suites[n++] = s->suites[i];
        }
    }
    s->nsuites = n;
}

/* Who asks for names that nobody has is answered with a key that nobody has, as long as one of ours
 * (RFC 4279 section 2). */
static int make_decoy(struct settings *s)
{
    uint8_t key[PSK_KEY_MAX];

    if (s->role == TLS_CLIENT || !s->psks12 || s->decoy12) {
        return 0;
    }
    TRY(rand_bytes(key, s->psks12->key_len));
    s->decoy12 = psk_new(span_text(""), span_of(key, s->psks12->key_len), HASH_NONE);
    wipe(key, sizeof key);
    return s->decoy12 ? 0 : ERR_MEM;
}

bool settings_list(const struct settings *s, uint16_t suite)
{
    bool listed = false;

    for (size_t i = 0; i < s->nsuites; i++) {
        listed = listed || s->suites[i]->id == suite;
    }
    return listed;
}

struct anchors {
    uint8_t sum[SESSION_CONTEXT];
    int rc;
};

static void add_anchor(void *ctx, const struct cert *c)
{
    struct anchors *a = ctx;
    uint8_t digest[HASH_MAX];

    if (a->rc == 0) {
        a->rc = hash_once(HASH_SHA256, c->der.p, c->der.n, digest);
    }
    for (size_t i = 0; a->rc == 0 && i < SESSION_CONTEXT; i++) { /* a set: in any order */
        a->sum[i] ^= digest[i];
    }
}

/* What a session is bound to: who we are, whom we trust, what we ask of the peer (threat 27). */
static int make_context(struct settings *s)
{
    enum { FIXED = 7, PARTS = FIXED + SETTINGS_IDENTITIES };
    struct anchors anchors = { { 0 }, 0 };
    uint8_t keys[SESSION_CONTEXT], lists[32] = { 0 };
    /* Who may overrule the verdict counts as well, though not which function it is. */
    const uint8_t policy[] = { (uint8_t)s->role,     (uint8_t)s->verify, (uint8_t)s->client_auth,
                               s->on_verify != NULL, (uint8_t)s->revoke, s->partial_chain,
                               s->weak_certs };
    uint32_t lengths[PARTS] = { 0 }; /* of the parts, so that none runs into the next */
    struct span part[PARTS] = { { (const uint8_t *)lengths, sizeof lengths },
                                { policy, sizeof policy },
                                { anchors.sum, sizeof anchors.sum },
                                { keys, sizeof keys },
                                { lists, sizeof lists },
                                span_of(s->pins, s->npins * PIN_SIZE),
                                buf_span(&s->alpn) };
    uint8_t out[HASH_MAX];

    if (s->trust && s->verify != VERIFY_NONE) {
        trust_each(s->trust, add_anchor, &anchors);
        TRY(anchors.rc);
    }
    if (s->revocation && s->revoke != REVOKE_OFF) { /* with other lists a peer may be revoked */
        TRY(revocation_digest(s->revocation, lists));
    }
    for (size_t i = 0; i < s->nidentities; i++) {
        part[FIXED + i] = s->identities[i]->leaf.der;
    }
    for (size_t i = 0; i < PARTS; i++) {
        lengths[i] = (uint32_t)part[i].n;
    }
    TRY(psks_digest(s, keys));
    TRY(hash_parts(HASH_SHA256, part, FIXED + s->nidentities, out));
    memcpy(s->context, out, sizeof s->context);
    return 0;
}

static void fill_groups(struct settings *s)
{
    if (s->ngroups == 0) {
        for (; s->ngroups < SETTINGS_GROUPS && group_at(s->ngroups); s->ngroups++) {
            s->groups[s->ngroups] = group_at(s->ngroups);
        }
    }
}

static void fill_schemes(struct settings *s)
{
    if (s->nschemes == 0) {
        for (size_t i = 0; scheme_at(i) && s->nschemes < SETTINGS_SCHEMES; i++) {
            if (!scheme_at(i)->weak) {
                s->schemes[s->nschemes++] = scheme_at(i);
            }
        }
    }
}

/* Is there a suite for servers without a certificate or a key? */
static bool anonymous(const struct settings *s)
{
    bool any = false;

    for (size_t i = 0; i < s->nsuites; i++) {
        any = any || s->suites[i]->kx == KX_DH_ANON;
    }
    return any;
}

int settings_seal(struct settings *s, struct error *err)
{
    bool verifies =
        (s->role == TLS_CLIENT || s->client_auth != CLIENT_AUTH_NONE) && s->verify != VERIFY_NONE;
    bool anchors = s->trust && trust_count(s->trust) > 0, keys = s->psks || s->psks12;
    bool named;
    int rc;

    if (s->role == TLS_SERVER && s->nidentities == 0 && !keys && !anonymous(s)) {
        return FAIL(err, ERR_ARG, "a server needs a certificate and its key");
    }
    for (size_t i = 0; i < s->nidentities && !s->on_key; i++) {
        if (!s->identities[i]->key) {
            return FAIL(err, ERR_ARG, "a certificate without its key needs a key callback");
        }
    }
    if (keys && s->client_auth == CLIENT_AUTH_REQUIRE) {
        return FAIL(err, ERR_ARG, "clients with a pre-shared key cannot be asked for certificates");
    }
    /* With a callback the application may accept what no anchor vouches for: it is told so. */
    if (verifies && !anchors && !s->on_verify && !keys) {
        return FAIL(err, ERR_ARG, "no CA certificates are set to verify the peer with");
    }
    if (verifies && !s->now && (anchors || !keys)) {
        return FAIL(err, ERR_ARG, "no clock is set to check validity dates with");
    }
    if (s->max_early && (!s->tickets || !s->now)) {
        return FAIL(err, ERR_ARG, "early data needs ticket keys and a clock");
    }
    if (s->store.get && (!s->tickets || !s->now)) {
        return FAIL(err, ERR_ARG, "a session store needs ticket keys and a clock");
    }
    drop_psk_suites(s, &named);
    if (named && s->nsuites == 0) {
        return FAIL(err, ERR_ARG, "the cipher suites need a pre-shared key of TLS 1.2");
    }
    if (s->psks12 && !named) {
        return FAIL(err, ERR_ARG, "a pre-shared key of TLS 1.2 needs a cipher suite that uses it");
    }
    if (s->role == TLS_SERVER && s->nidentities == 0) { /* each version has keys of its own */
        s->min_version = s->psks12 || anonymous(s) ? s->min_version : TLS_1_3;
        s->max_version = s->psks ? s->max_version : TLS_1_2;
    }
    fill_suites(s);
    fill_schemes(s);
    fill_groups(s);
    if (s->min_version > s->max_version) {
        return FAIL(err, ERR_ARG, "no cipher suite belongs to the versions that are allowed");
    }
    if (s->role == TLS_CLIENT && verifies && s->revoke != REVOKE_OFF) {
        s->ask_status = true;
    }
    if (verifies && anchors && !s->chain_cache) { /* there is one of an attempt that failed */
        s->chain_cache = chain_cache_new();
        if (!s->chain_cache) {
            return FAIL(err, ERR_MEM, "out of memory");
        }
    }
    rc = settings_prepare(s);
    rc = rc < 0 ? rc : make_context(s);
    rc = rc < 0 ? rc : make_decoy(s);
    return rc < 0 ? FAIL(err, rc, "%s", error_name(rc)) : 0;
}
