/* SPDX-License-Identifier: ISC */
/* What the fuzzers of the engine share: randomness, certificates and configs that are the same in
 * every run, so that an input found once means the same ever after, and the feeding of an engine.
 */
#ifndef FUZZ_PARTY_H
#define FUZZ_PARTY_H
#include <stdlib.h>

#include "base/buf.h"
#include "engine.h"

#define FUZZ_HOST "a.test"
#define FUZZ_NOW  1750000000

static uint64_t fuzz_seed;

static inline void sure(bool fact)
{
    if (!fact) {
        abort();
    }
}

static inline int fuzz_random(void *p, size_t n)
{
    for (uint8_t *to = p; n > 0; n--) {
        fuzz_seed = fuzz_seed * 6364136223846793005u + 1442695040888963407u;
        *to++ = (uint8_t)(fuzz_seed >> 56);
    }
    return 0;
}

static inline int64_t fuzz_clock(void)
{
    return FUZZ_NOW;
}

static inline void fuzz_start(uint64_t seed)
{
    fuzz_seed = seed;
    sure(crypto_init() == 0);
    rand_set_test_source(fuzz_random);
}

/* PKCS#8 of the Ed25519 key made of one byte. */
static inline struct span fuzz_key_der(uint8_t fill, uint8_t der[static 48])
{
    static const uint8_t head[] = { 0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06,
                                    0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20 };

    memcpy(der, head, sizeof head);
    memset(der + sizeof head, fill, 32);
    return span_of(der, 48);
}

/* One of two worlds that do not trust each other: its CA, and an identity from it. */
struct party {
    struct buf ca;
    struct trust *trust;
    struct identity *id;
};

static inline void party_make(struct party *p, uint8_t world)
{
    static const char *const names[] = { FUZZ_HOST };
    struct issue what = { .common_name = world == 1 ? "CA 1" : "CA 2",
                          .ca = true,
                          .not_before = FUZZ_NOW - 1000,
                          .not_after = FUZZ_NOW + 1000 };
    struct buf leaf = { 0 };
    struct cert ca;
    uint8_t der[48];

    *p = (struct party){ .trust = trust_new() };
    fuzz_start(world);
    sure(privkey_load(&what.key, fuzz_key_der(world, der), NULL, NULL) == 0);
    what.issuer_key = what.key;
    sure(cert_issue(&what, &p->ca, NULL) == 0);
    sure(cert_parse(&ca, buf_span(&p->ca), NULL) == 0);
    sure(p->trust && trust_add_pem(p->trust, buf_span(&p->ca), NULL) >= 0);
    what.ca = false;
    what.client = what.server = true;
    what.common_name = FUZZ_HOST;
    what.names = names;
    what.nnames = 1;
    what.issuer = &ca;
    sure(privkey_load(&what.key, fuzz_key_der((uint8_t)(world + 16), der), NULL, NULL) == 0);
    sure(cert_issue(&what, &leaf, NULL) == 0);
    sure(identity_from_bytes(&p->id, buf_span(&leaf), span_of(der, 48), NULL, NULL) == 0);
    privkey_unref(what.key);
    privkey_unref(what.issuer_key);
    buf_free(&leaf);
}

static inline struct config *party_config(const struct party *self, struct trust *trust,
                                          enum tls_role role, enum client_auth auth)
{
    static const char *const protocols[] = { "h2", "http/1.1" };
    struct config *c = config_new(role);

    sure(c && config_set_trust(c, trust) == 0 && config_set_clock(c, fuzz_clock) == 0 &&
         config_set_alpn(c, protocols, 2) == 0 && config_set_client_auth(c, auth) == 0);
    sure(!self || config_add_identity(c, self->id) == 0);
    sure(config_set_flag(c, CONFIG_CERT_COMPRESSION, true) == 0);
    sure(config_set_record_limit(c, TLS_PLAINTEXT_MAX) == 0);
    if (role == TLS_CLIENT) {
        sure(config_set_flag(c, CONFIG_STATUS, true) == 0);
        sure(config_set_flag(c, CONFIG_SCTS, true) == 0);
        sure(config_set_flag(c, CONFIG_POST_AUTH, true) == 0);
    } else { /* keys of tickets, which no one can forge */
        struct ticket_keys *keys = ticket_keys_new(1000);

        sure(keys && config_set_sessions(c, NULL, keys, 1000) == 0);
        sure(config_set_status(c, 0, span_of("response", 8)) == 0);
        sure(config_set_scts(c, 0, span_of("\0\3\0\1x", 5)) == 0);
        ticket_keys_unref(keys);
    }
    sure(config_seal(c, NULL) == 0);
    return c;
}

/* ---- a whole engine under arbitrary bytes ---- */

/* What it says must be whole records. */
static inline void engine_drain(struct tls *t)
{
    struct span out = tls_output(t);
    struct rd r = rd_of(out.p, out.n), body;
    uint8_t type;
    uint16_t version;

    while (!rd_done(&r)) {
        sure(rd_u8(&r, &type) && type >= 20 && type <= 23 && rd_u16(&r, &version) &&
             version >> 8 == 3 && rd_vec(&r, 2, &body) && body.n > 0 &&
             body.n <= TLS_RECORD_MAX - TLS_HEADER);
    }
    tls_sent(t, out.n);
    sure(tls_output(t).n == 0);
}

/* One call with exactly these bytes; what was used, or -1 when the connection is over. */
static inline long engine_feed(struct tls *t, const uint8_t *p, size_t n, bool apart, size_t room)
{
    struct tls_in in = { .len = n, .data = malloc(n), .room = room };
    int rc;

    in.out = apart ? malloc(room) : NULL;
    sure(in.data || n == 0);
    if (n) {
        memcpy(in.data, p, n);
    }
    rc = tls_input(t, &in);
    sure(in.used <= n && in.nplain == 0 && in.nrest == 0);
    sure(!tls_connected(t) && !tls_can_seal(t));
    if (rc < 0) {
        sure(tls_error(t)->code != 0);
    } else if (rc == TLS_EV_MORE) {
        sure(in.used == 0 && in.need > n && in.need <= TLS_RECORD_MAX);
    } else {
        /* Behind close_notify anything is used up, whole records or not. */
        sure(rc == TLS_EV_CLOSED ||
             ((rc == TLS_EV_PROGRESS || rc == TLS_EV_WARNING) && in.used >= TLS_HEADER));
    }
    free(in.data);
    free(in.out);
    return rc < 0 ? -1 : (long)in.used;
}

/* data: where plaintext goes, the size of the pieces in turn (3 bytes), then the stream. */
static inline void engine_run(struct config *c, const char *host, const uint8_t *data, size_t size)
{
    struct tls *t;
    struct span nothing = { (const uint8_t *)"x", 1 };
    const uint8_t *head = data;
    size_t from = 0, to = 0, taken, made;
    uint8_t sealed[64];
    long used = 0;

    if (size < 4) {
        return;
    }
    data += 4;
    size -= 4;
    sure(tls_new(&t, c, host, NULL, NULL, NULL) == 0);
    engine_drain(t);
    for (unsigned i = 0; used >= 0 && to < size; i++) {
        to += 1 + (size_t)head[1 + i % 3] * 8;
        to = to < size ? to : size;
        do {
            used = engine_feed(t, data + from, to - from, head[0] & 0x80, head[0] & 0x7f);
            from += used > 0 ? (size_t)used : 0;
            engine_drain(t);
        } while (used > 0 && from < to);
    }
    if (used < 0) {
        struct tls_in again = { .data = sealed, .len = 0 };

        sure(tls_input(t, &again) == ERR_CLOSED && tls_error(t)->text[0]);
        sure(tls_seal(t, &nothing, 1, &taken, sealed, sizeof sealed, &made) == ERR_CLOSED);
    } else {
        sure(tls_seal(t, &nothing, 1, &taken, sealed, sizeof sealed, &made) == ERR_STATE);
        sure(tls_close(t) == 0);
        engine_drain(t);
    }
    tls_free(t);
}
#endif
