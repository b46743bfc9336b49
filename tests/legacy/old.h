/* SPDX-License-Identifier: ISC */
/* Two ends of a version before TLS 1.2, and somebody between them or inside one of them. */
#ifndef TESTS_LEGACY_OLD_H
#define TESTS_LEGACY_OLD_H
#include "tests/handshake/pair12.h"

#define SUITE_OLD_RSA   0x002f /* RSA key exchange */
#define SUITE_OLD_ECDHE 0xc013 /* by an RSA key */
#define SUITE_OLD_EC    0xc009 /* by an EC key */

static const uint16_t old_versions[] = { SSL_3_0, TLS_1_0, TLS_1_1 };
#define NOLD (sizeof old_versions / sizeof *old_versions)
static struct identity *old_client; /* with an RSA key: SSL 3 has no other */

/* Both ends speak that one and no other, with a suite that it has. */
static inline struct pair_params old_params(uint16_t version)
{
    return (struct pair_params){ .suite = version == SSL_3_0 ? SUITE_OLD_RSA : SUITE_OLD_ECDHE,
                                 .id = ID_RSA,
                                 .client_min = version,
                                 .client_max = version,
                                 .server_min = version,
                                 .server_max = version };
}

static inline int old_make(void **state)
{
    int rc = pki_make(state);

    old_client = pki_identity(KEY_RSA, "client.test", false);
    identity_unref(pki.client);
    pki.client = identity_ref(old_client);
    return rc;
}

static inline int old_free(void **state)
{
    identity_unref(old_client);
    return pki_free(state);
}

static inline void old_talk(struct pair *p)
{
    end_talk(&p->c, &p->s, "ping of some length", 19);
    end_talk(&p->s, &p->c, "pong", 4);
}

/* ---- an end that lies: its transcript has what it should have said ---- */
static struct lie {
    const struct hs_host *honest;
    struct hs_host host;
    unsigned type; /* of the message that is changed */
    size_t at;     /* which of its bytes */
    uint8_t flip;
    size_t seen; /* length of its body */
} lie;

static inline int lie_send(void *ctx, struct span message)
{
    uint8_t copy[8192];

    if (message.p[0] != lie.type) {
        return lie.honest->send(ctx, message);
    }
    lie.seen = message.n - HS_HEADER;
    assert_true(message.n <= sizeof copy);
    memcpy(copy, message.p, message.n);
    if (lie.at < lie.seen) {
        copy[HS_HEADER + lie.at] ^= lie.flip;
    }
    return lie.honest->send(ctx, span_of(copy, message.n));
}

static inline void lie_begin(struct end *e, unsigned type, size_t at, uint8_t flip)
{
    lie = (struct lie){ .honest = e->t->hs.host, .type = type, .at = at, .flip = flip };
    lie.host = *lie.honest;
    lie.host.send = lie_send;
    e->t->hs.host = &lie.host;
}
#endif
