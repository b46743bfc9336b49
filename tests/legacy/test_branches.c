/* SPDX-License-Identifier: ISC */
/* What secrets are must not steer the program: no branch, no index (threats 11, 12, 13, 39). Run by
 * test_branches.py under valgrind, to which keys, premaster secrets and everything that is computed
 * from them are undefined until it is sent, or a MAC was found right; by itself it says only that
 * all of it works. */
#include "base/options.h"
#include "tests/handshake/pair12.h"
#include "tests/secrets/poison.h"

#define TEXT 700

static uint8_t text[TEXT];

static void test_canary(void **state)
{
    (void)state;
    canary();
}

/* ---- records ---- */

static const struct {
    const char *name;
    struct rec_keys keys;
} protections[] = {
    { "TLS 1.2 AES-128-CBC SHA-1", { .version = 0x0303, .cbc = CBC_AES_128, .mac = HASH_SHA1 } },
    { "TLS 1.2 AES-256-CBC SHA-256",
      { .version = 0x0303, .cbc = CBC_AES_256, .mac = HASH_SHA256 } },
    { "TLS 1.2 AES-256-CBC SHA-384",
      { .version = 0x0303, .cbc = CBC_AES_256, .mac = HASH_SHA384 } },
    { "TLS 1.2 AES-128-CBC SHA-1, encrypt-then-MAC",
      { .version = 0x0303, .cbc = CBC_AES_128, .mac = HASH_SHA1, .etm = true } },
    { "TLS 1.1 AES-128-CBC SHA-1", { .version = 0x0302, .cbc = CBC_AES_128, .mac = HASH_SHA1 } },
    { "TLS 1.0 AES-128-CBC SHA-1", { .version = 0x0301, .cbc = CBC_AES_128, .mac = HASH_SHA1 } },
    { "TLS 1.0 AES-128-CBC SHA-1, encrypt-then-MAC",
      { .version = 0x0301, .cbc = CBC_AES_128, .mac = HASH_SHA1, .etm = true } },
    { "SSL 3.0 AES-128-CBC SHA-1", { .version = 0x0300, .cbc = CBC_AES_128, .mac = HASH_SHA1 } },
    { "TLS 1.2 3DES-CBC SHA-1", { .version = 0x0303, .cbc = CBC_3DES, .mac = HASH_SHA1 } },
    { "TLS 1.0 3DES-CBC SHA-1", { .version = 0x0301, .cbc = CBC_3DES, .mac = HASH_SHA1 } },
    { "SSL 3.0 3DES-CBC SHA-1", { .version = 0x0300, .cbc = CBC_3DES, .mac = HASH_SHA1 } },
    { "TLS 1.2 RC4 SHA-1", { .version = 0x0303, .stream = STREAM_RC4, .mac = HASH_SHA1 } },
    { "TLS 1.0 RC4 MD5", { .version = 0x0301, .stream = STREAM_RC4, .mac = HASH_MD5 } },
    { "SSL 3.0 RC4 MD5", { .version = 0x0300, .stream = STREAM_RC4, .mac = HASH_MD5 } },
    { "TLS 1.2 AES-128-GCM", { .version = 0x0303, .aead = AEAD_AES_128_GCM } },
    { "TLS 1.2 ChaCha20-Poly1305", { .version = 0x0303, .aead = AEAD_CHACHA20_POLY1305 } },
};

static void half_make(struct rec_half *h, struct rec_keys k, bool seal)
{
    uint8_t secret[REC_SECRET_MAX] = { 5, 6, 7 }, iv[REC_IV_MAX] = { 8 };

    k.key = secret;
    k.iv = iv;
    k.mac_key = secret + CBC_KEY_MAX;
    hide(secret, sizeof secret);
    rec_half_init(h);
    assert_int_equal(rec_half_set(h, &k, seal), 0);
}

/* One record with so many bytes of content; the `from_end`th byte of it, when not 0, is another. */
static void record_try(const struct rec_keys *k, size_t len, size_t from_end)
{
    static uint8_t wire[REC_OVERHEAD_MAX + TEXT];
    struct span part = span_of(text, len);
    struct rec_half tx, rx;
    struct rec_opened o;
    int made, rc;

    half_make(&tx, *k, true);
    half_make(&rx, *k, false);
    made = rec_seal(&tx, CT_APPLICATION_DATA, &part, 1, len, wire);
    assert_true(made > (int)from_end);
    if (from_end) {
        wire[(size_t)made - from_end] ^= 0x41;
    }
    rc = rec_open(&rx, CT_APPLICATION_DATA,
                  (struct mspan){ wire + REC_HEADER, (size_t)made - REC_HEADER },
                  (struct mspan){ NULL, 0 }, &o);
    if (rc == 0 && len) {
        assert_memory_equal(o.plain.p, text, len);
    }
    /* SSL 3.0 looks at no byte of the padding but the last. */
    assert_true(rc == (from_end ? TLS_ALERT(ALERT_BAD_RECORD_MAC) : 0) ||
                (rc == 0 && k->version == 0x0300 && k->cbc != CBC_NONE));
    rec_half_wipe(&tx);
    rec_half_wipe(&rx);
}

/* Also one whose padding, MAC or content is wrong. */
static void threat_11_records(void **state)
{
    static const size_t sizes[] = { 0, 11, 12, 44, TEXT };

    (void)state;
    for (size_t i = 0; i < sizeof protections / sizeof *protections; i++) {
        print_message("%s\n", protections[i].name);
        for (size_t j = 0; j < sizeof sizes / sizeof *sizes; j++) {
            record_try(&protections[i].keys, sizes[j], 0);
        }
        for (size_t at = 1; at <= 48; at += 5) {
            record_try(&protections[i].keys, 60, at);
        }
    }
    assert_true(opened_right > 70 && opened_wrong > 100);
}

/* ---- handshakes ---- */

static void handshake_try(uint16_t suite, int id, unsigned version)
{
    const struct pair_params q = { .suite = suite,
                                   .id = id,
                                   .client_min = version,
                                   .client_max = version,
                                   .server_min = version,
                                   .no_tickets = true };
    struct pair *p = pair_connected(&q);

    end_talk(&p->c, &p->s, text, TEXT);
    end_talk(&p->s, &p->c, text, TEXT);
    pair_free(p);
}

/* Premaster secret to Finished, at both ends. */
static void threat_39_handshakes(void **state)
{
    (void)state;
    secrets = 0;
    handshake_try(SUITE_GCM, 0, TLS_1_2);
    handshake_try(SUITE_CBC, 0, TLS_1_2);
    handshake_try(SUITE_RSA_CBC, ID_RSA, TLS_1_2);
    handshake_try(SUITE_RSA_KX, ID_RSA, TLS_1_2);
    handshake_try(0x009e, ID_RSA, TLS_1_2); /* DHE_RSA */
    handshake_try(SUITE_RSA_CBC, ID_RSA, TLS_1_1);
    handshake_try(SUITE_CBC, 0, TLS_1_0);
    handshake_try(SUITE_RSA_CBC, ID_RSA, SSL_3_0);
    assert_int_equal(secrets, 20);
}

/* What does not decrypt goes on, with a random premaster secret, until Finished. */
static void threat_12_premaster(void **state)
{
    static uint8_t wire[WIRE_MAX];
    const struct pair_params q = { .suite = SUITE_RSA_CBC, .id = ID_RSA, .client_max = TLS_1_2 };
    struct pair *p = pair_new(&q);

    (void)state;
    end_give(&p->s, wire, end_take(&p->c, wire));
    end_give(&p->c, wire, end_take(&p->s, wire));
    for (size_t n = end_take(&p->c, wire), at = REC_HEADER + HS_HEADER + 2; n; n = 0) {
        wire[at + 100] ^= 1;
        end_give(&p->s, wire, n);
    }
    assert_refused(&p->s, ALERT_BAD_RECORD_MAC);
    pair_free(p);
}

/* Also a name that nobody has. */
static void threat_12_names(void **state)
{
    struct pair_params q = {
        .suite = 0x00a8, .no_server_id = true, .client_max = TLS_1_2, .no_tickets = true
    };

    (void)state;
    q.psk[TLS_SERVER][0] =
        (struct pair_psk){ .name = "one", .key = "its key, of a good length", .tls12 = true };
    q.psk[TLS_SERVER][1] =
        (struct pair_psk){ .name = "other", .key = "another, just as long....", .tls12 = true };
    for (unsigned i = 0; i < 3; i++) {
        struct pair *p;

        q.psk[TLS_CLIENT][0] = q.psk[TLS_SERVER][i % 2];
        q.psk[TLS_CLIENT][0].name = i < 2 ? q.psk[TLS_CLIENT][0].name : "nobody";
        p = pair_new(&q);
        pair_run(p, WIRE_MAX);
        if (i < 2) {
            assert_int_equal(p->s.rc, 0);
            assert_true(tls_connected(p->s.t));
        } else {
            assert_refused(&p->s, ALERT_DECRYPT_ERROR);
        }
        pair_free(p);
    }
}

static int start(void **state)
{
    (void)state;
    for (size_t i = 0; i < TEXT; i++) {
        text[i] = (uint8_t)(i * 7);
    }
    return pki_make(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_canary),          cmocka_unit_test(threat_11_records),
        cmocka_unit_test(threat_39_handshakes), cmocka_unit_test(threat_12_premaster),
        cmocka_unit_test(threat_12_names),
    };

    return cmocka_run_group_tests(tests, start, pki_free);
}
