/* SPDX-License-Identifier: ISC */
/* The certificates of the tests that join a client and a server in memory. */
#ifndef TESTS_HANDSHAKE_PKI_H
#define TESTS_HANDSHAKE_PKI_H
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/buf.h"
#include "tests/handshake/rsa_key.h"
#include "x509/x509.h"

#define PAIR_NOW  INT64_C(1750000000)
#define PAIR_HOST "server.test"

enum { ID_P256, ID_P384, ID_RSA, ID_ED25519, ID_KINDS };

struct pki {
    struct privkey *ca_key;
    struct buf ca_der;
    struct cert ca;
    struct trust *trust, *other; /* other: of a CA that signed nothing here */
    struct identity *server[ID_KINDS], *client, *other_server; /* other_server: P-256 too */
};
static struct pki pki;

static inline struct identity *pki_identity_of(enum key_type type, unsigned rsa_bits,
                                               const char *name, bool server)
{
    struct privkey *key;
    struct buf der = { 0 }, pem = { 0 };
    struct identity *id;
    struct issue what = { .common_name = name,
                          .names = &name,
                          .nnames = 1,
                          .server = server,
                          .client = !server,
                          .not_before = PAIR_NOW - 86400,
                          .not_after = PAIR_NOW + 86400,
                          .issuer_key = pki.ca_key,
                          .issuer = &pki.ca };

    if (type == KEY_RSA && rsa_bits == 2048) {
        assert_int_equal(privkey_load(&key, span_text(rsa_key_pem), NULL, NULL), 0);
    } else {
        assert_int_equal(privkey_generate(&key, type, rsa_bits), 0);
    }
    what.key = key;
    assert_int_equal(cert_issue(&what, &der, NULL), 0);
    assert_int_equal(privkey_write_pem(key, &pem), 0);
    assert_int_equal(identity_from_bytes(&id, buf_span(&der), buf_span(&pem), NULL, NULL), 0);
    buf_free(&der);
    buf_free(&pem);
    privkey_unref(key);
    return id;
}

static inline struct identity *pki_identity(enum key_type type, const char *name, bool server)
{
    return pki_identity_of(type, 2048, name, server);
}

static inline struct trust *pki_trust(struct privkey *key, const char *name, struct buf *der)
{
    struct trust *t = trust_new();
    struct issue what = { .common_name = name,
                          .ca = true,
                          .not_before = PAIR_NOW - 86400,
                          .not_after = PAIR_NOW + 86400,
                          .key = key,
                          .issuer_key = key };

    assert_non_null(t);
    assert_int_equal(cert_issue(&what, der, NULL), 0);
    assert_int_equal(trust_add_pem(t, buf_span(der), NULL), 1);
    return t;
}

static inline int pki_make(void **state)
{
    static const enum key_type types[] = { KEY_EC_P256, KEY_EC_P384, KEY_RSA, KEY_ED25519 };
    struct privkey *key;
    struct buf der = { 0 };

    (void)state;
    assert_int_equal(crypto_init(), 0);
    assert_int_equal(privkey_generate(&pki.ca_key, KEY_EC_P256, 0), 0);
    pki.trust = pki_trust(pki.ca_key, "Test CA", &pki.ca_der);
    assert_int_equal(cert_parse(&pki.ca, buf_span(&pki.ca_der), NULL), 0);
    assert_int_equal(privkey_generate(&key, KEY_EC_P256, 0), 0);
    pki.other = pki_trust(key, "Other CA", &der);
    buf_free(&der);
    privkey_unref(key);
    for (size_t i = 0; i < ID_KINDS; i++) {
        pki.server[i] = pki_identity(types[i], PAIR_HOST, true);
    }
    pki.other_server = pki_identity(KEY_EC_P256, PAIR_HOST, true);
    pki.client = pki_identity(KEY_EC_P256, "client.test", false);
    return 0;
}

static inline int pki_free(void **state)
{
    (void)state;
    for (size_t i = 0; i < ID_KINDS; i++) {
        identity_unref(pki.server[i]);
    }
    identity_unref(pki.client);
    identity_unref(pki.other_server);
    trust_unref(pki.trust);
    trust_unref(pki.other);
    buf_free(&pki.ca_der);
    privkey_unref(pki.ca_key);
    return 0;
}
#endif
