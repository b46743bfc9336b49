/* SPDX-License-Identifier: ISC */
/* Servers with several certificates, and with several configs, joined in memory to a client that
 * takes any certificate: which one it was is what the tests look at. */
#ifndef TESTS_HANDSHAKE_VHOSTS_H
#define TESTS_HANDSHAKE_VHOSTS_H
#include "tests/handshake/pair.h"

#define HOST_ONE "one.site.test"
#define HOST_TWO "two.site.test"

enum { STRICT = 1 };
static const unsigned versions[] = { TLS_1_3, TLS_1_2 };
static const uint16_t any[4];

/* ---- two authorities: the pair's (P-256), and an RSA one ---- */
struct ca {
    struct privkey *key;
    struct cert cert;
    struct buf der;
    struct trust *trust;
};
static struct ca second;
static struct trust *both;

/* From here on this one signs; the one before. */
static inline struct ca ca_use(const struct ca *next)
{
    struct ca old = { .key = pki.ca_key, .cert = pki.ca };

    pki.ca_key = next->key;
    pki.ca = next->cert;
    return old;
}

static inline int vhosts_make(void **state)
{
    pki_make(state);
    assert_int_equal(privkey_generate(&second.key, KEY_RSA, 2048), 0);
    second.trust = pki_trust(second.key, "Second CA", &second.der);
    assert_int_equal(cert_parse(&second.cert, buf_span(&second.der), NULL), 0);
    both = trust_new();
    assert_int_equal(trust_add_pem(both, buf_span(&pki.ca_der), NULL), 1);
    assert_int_equal(trust_add_pem(both, buf_span(&second.der), NULL), 1);
    return 0;
}

static inline int vhosts_free(void **state)
{
    trust_unref(both);
    trust_unref(second.trust);
    buf_free(&second.der);
    privkey_unref(second.key);
    return pki_free(state);
}

static inline struct identity *issued(enum key_type type, const char *name)
{
    return pki_identity(type, name, true);
}

/* ---- configs ---- */
static inline int take_any(void *ctx, struct tls *t, const struct cert *chain, size_t n, int alert)
{
    (void)ctx;
    (void)t;
    (void)chain;
    (void)alert;
    return n ? 0 : ALERT_BAD_CERTIFICATE;
}

static unsigned acknowledged; /* server_name extensions of servers */

static inline int note_extension(void *ctx, struct tls *t, uint16_t id, struct span body)
{
    (void)ctx;
    (void)t;
    acknowledged += id == EXT_SERVER_NAME && body.n == 0;
    return 0;
}

static inline struct config *config_of(enum tls_role role)
{
    struct config *c = config_new(role);

    assert_non_null(c);
    assert_int_equal(config_set_trust(c, both), 0);
    assert_int_equal(config_set_clock(c, pair_clock), 0);
    if (role == TLS_CLIENT) {
        assert_int_equal(config_set_verify_callback(c, take_any, NULL), 0);
    }
    return c;
}

static inline struct config *sealed(struct config *c)
{
    assert_int_equal(config_seal(c, NULL), 0);
    return c;
}

/* The list ends with NULL. */
static inline void own(struct config *c, struct identity *const *ids)
{
    for (; *ids; ids++) {
        assert_int_equal(config_add_identity(c, *ids), 0);
    }
}

static inline struct config *server(unsigned flags, struct identity *const *ids)
{
    struct config *c = config_of(TLS_SERVER);

    assert_int_equal(config_set_flag(c, CONFIG_STRICT_SNI, flags & STRICT), 0);
    own(c, ids);
    return sealed(c);
}

static inline struct config *client(unsigned max, const uint16_t schemes[4])
{
    struct config *c = config_of(TLS_CLIENT);
    size_t n = 0;

    while (n < 4 && schemes[n]) {
        n++;
    }
    assert_int_equal(config_set_versions(c, TLS_1_2, max), 0);
    assert_int_equal(config_set_schemes(c, schemes, n), 0);
    return sealed(c);
}

/* ---- connections ---- */
/* Both configs pass to the pair. name NULL: none is sent. */
static inline struct pair *join_with(struct config *c, struct config *s, const char *name,
                                     struct tls_session *resume)
{
    static struct pair p; /* large; one at a time */

    memset(&p, 0, sizeof p);
    assert_int_equal(tls_new(&p.c.t, c, name ? name : "192.0.2.1", NULL, resume, NULL), 0);
    assert_int_equal(tls_new(&p.s.t, s, NULL, NULL, NULL, NULL), 0);
    config_unref(c);
    config_unref(s);
    pair_run(&p, WIRE_MAX);
    return &p;
}

static inline struct pair *join(struct config *c, struct config *s, const char *name)
{
    return join_with(c, s, name, NULL);
}

static inline void part(struct pair *p)
{
    pair_free(p);
}

/* Connected, and that is the certificate. */
static inline void assert_shown(const struct pair *p, const struct identity *want)
{
    struct tls_info i;

    assert_int_equal(p->s.rc, 0);
    assert_int_equal(p->c.rc, 0);
    assert_true(tls_connected(p->c.t) && tls_connected(p->s.t));
    tls_get_info(p->c.t, &i);
    assert_true(span_eq(i.peer_cert, want->certs[0]));
}
#endif
