/* SPDX-License-Identifier: ISC */
/* Path validation: a table of chains, then every bit of a signed certificate turned. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "chains.h"

static struct trust *trust_of(const struct cert *certs, size_t n)
{
    struct trust *t = trust_new();

    assert_non_null(t);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(trust_add_pem(t, certs[i].der, NULL), 1);
    }
    return t;
}

static bool run_case(const struct chain_case *k)
{
    struct world w;
    struct trust *t;
    struct chain_query q;
    struct chain_result result;
    struct error err;
    int rc, want = k->verdict == CHAIN_OK ? 0 : TLS_ALERT(k->alert);
    bool right;

    error_clear(&err);
    world_make(&w, k);
    t = trust_of(w.trusted, w.ntrusted);
    q = (struct chain_query){
        .trust = t,
        .now = NOW + k->later,
        .peer_is_server = !k->client,
        .host = case_host(k),
        .enciphers = k->enciphers,
        .partial = k->partial,
        .weak = k->weak,
    };
    if (w.malformed) { /* as the handshake says it */
        result.verdict = CHAIN_MALFORMED;
        rc = FAIL(&err, TLS_ALERT(ALERT_BAD_CERTIFICATE), "malformed");
    } else {
        rc = chain_verify(&q, w.sent, w.nsent, &result, &err);
    }
    right =
        rc == want && result.verdict == k->verdict && err.code == rc && (rc == 0) == !err.text[0];
    if (!right) {
        print_error("%s: got %s, %s; wanted %s, %s: %s\n", k->name,
                    chain_verdict_name(result.verdict), error_name(rc),
                    chain_verdict_name(k->verdict), error_name(want), err.text);
    }
    trust_unref(t);
    world_free(&w);
    return right;
}

static void chains(void **state)
{
    size_t wrong = 0, good = 0;

    (void)state;
    for (size_t i = 0; i < CHAIN_CASES; i++) {
        wrong += !run_case(chain_case(i));
        good += chain_case(i)->verdict == CHAIN_OK;
    }
    print_message("%zu chains, %zu of them good\n", CHAIN_CASES, good);
    assert_int_equal(wrong, 0);
}

static void sentences(void **state)
{
    static const struct {
        const char *chain, *sentence;
    } rows[] = {
        { "expired",
          "the certificate CN=leaf expired on 2025-06-15: renew it, or check this machine's clock" },
        { "not yet valid",
          "the certificate CN=leaf is not valid before 2025-06-15: check this machine's clock" },
        { "another name", "the certificate CN=leaf is not for b.test: it names a.test" },
        { "self-signed leaf",
          "the certificate CN=leaf is self-signed and not trusted: add it to the CA file" },
        { "unknown root, sent along",
          "the chain ends at CN=root, which is not trusted: add it to the CA file" },
        { "missing intermediate",
          "no trusted CA for CN=leaf: its issuer CN=i is neither trusted nor in the chain that was sent" },
        { "leaf's signature is wrong", "the signature on CN=leaf is not one of CN=root" },
        { "issuer says CA false",
          "the certificate CN=i has issued another but may not: it is not a CA" },
        { "intermediate with RSA-1024",
          "the certificate CN=i has an RSA key below 2048 bits: issue a new one" },
        { "leaf signed with SHA-1",
          "the certificate CN=leaf is signed with MD5 or SHA-1: issue a new one" },
        { "leaf may not be encrypted to",
          "the certificate CN=leaf may not serve RSA key exchange (key usage lacks keyEncipherment)" },
        { "leaf may not sign",
          "the certificate CN=leaf may not sign (key usage lacks digitalSignature)" },
        { "not permitted", "the certificate CN=leaf has a name that CN=i may not speak for" },
    };
    size_t found = 0;

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        for (size_t j = 0; j < CHAIN_CASES; j++) {
            const struct chain_case *k = chain_case(j);
            struct error err;
            struct chain_result v;
            struct world w;
            struct trust *t;

            if (strcmp(k->name, rows[i].chain) != 0) {
                continue;
            }
            error_clear(&err);
            world_make(&w, k);
            t = trust_of(w.trusted, w.ntrusted);
            assert_true(chain_verify(&(struct chain_query){ .trust = t,
                                                            .now = NOW,
                                                            .peer_is_server = true,
                                                            .enciphers = k->enciphers,
                                                            .host = case_host(k) },
                                     w.sent, w.nsent, &v, &err) < 0);
            assert_string_equal(err.text, rows[i].sentence);
            trust_unref(t);
            world_free(&w);
            found++;
        }
    }
    assert_int_equal(found, sizeof rows / sizeof *rows);
}

static void empty_and_no_trust(void **state)
{
    struct forge f = LEAF("root", 0);
    struct cert c = forge_cert(&f);
    struct chain_query q = { .now = NOW, .peer_is_server = true, .host = "a.test" };
    struct chain_result v;

    (void)state;
    assert_int_equal(chain_verify(&q, &c, 0, &v, NULL), TLS_ALERT(ALERT_DECODE_ERROR));
    assert_int_equal(v.verdict, CHAIN_EMPTY);
    assert_int_equal(chain_verify(&q, &c, 1, &v, NULL), TLS_ALERT(ALERT_UNKNOWN_CA));
    assert_int_equal(v.verdict, CHAIN_UNKNOWN_CA);
    q.peer_is_server = false;
    assert_int_equal(chain_verify(&q, &c, 0, &v, NULL), TLS_ALERT(ALERT_CERTIFICATE_REQUIRED));
    assert_int_equal(v.verdict, CHAIN_EMPTY);
    free((void *)(uintptr_t)c.der.p);
}

/* RFC 4055 section 3.3: a key bound to one hash has signed nothing with another. */
static void key_bound_to_a_hash(void **state)
{
    struct forge leaf_f = LEAF("i", 2), ca_f = MID("i", "root", 2, 0), root_f = ROOT();
    struct cert certs[2] = { forge_cert(&leaf_f), forge_cert(&ca_f) }, root = forge_cert(&root_f);
    struct trust *t = trust_of(&root, 1);
    struct chain_query q = { .trust = t, .now = NOW, .peer_is_server = true };
    struct chain_result v;

    (void)state;
    certs[1].key_hash = HASH_SHA256;
    assert_int_equal(chain_verify(&q, certs, 2, &v, NULL), 0);
    certs[1].key_hash = HASH_SHA384;
    assert_int_equal(chain_verify(&q, certs, 2, &v, NULL), TLS_ALERT(ALERT_BAD_CERTIFICATE));
    assert_int_equal(v.verdict, CHAIN_BAD_SIGNATURE);
    /* A leaf with a key that nobody here can use. */
    certs[1].key_hash = HASH_NONE;
    certs[0].key_type = KEY_NONE;
    assert_int_equal(chain_verify(&q, certs, 2, &v, NULL),
                     TLS_ALERT(ALERT_UNSUPPORTED_CERTIFICATE));
    assert_int_equal(v.verdict, CHAIN_BAD_USAGE);
    trust_unref(t);
    free((void *)(uintptr_t)root.der.p);
    free((void *)(uintptr_t)certs[0].der.p);
    free((void *)(uintptr_t)certs[1].der.p);
}

/* Whatever bit of the leaf is turned, it is not accepted. */
static void threat_05_every_bit(void **state)
{
    static const int keys[] = { 0, KEY_R, KEY_D };

    (void)state;
    for (size_t k = 0; k < sizeof keys / sizeof *keys; k++) {
        struct forge root_f = ROOT(.key = keys[k], .by = keys[k]), leaf_f = LEAF("root", keys[k]);
        struct cert root = forge_cert(&root_f), leaf = forge_cert(&leaf_f), c;
        struct trust *t = trust_of(&root, 1);
        struct chain_query q = { .trust = t, .now = NOW, .peer_is_server = true };
        struct chain_result v;
        uint8_t bytes[4096];
        size_t n = leaf.der.n, bad_signatures = 0;

        assert_true(n <= sizeof bytes);
        memcpy(bytes, leaf.der.p, n);
        assert_int_equal(chain_verify(&q, &leaf, 1, &v, NULL), 0);
        for (size_t bit = 0; bit < 8 * n; bit++) {
            bytes[bit / 8] = (uint8_t)(bytes[bit / 8] ^ 1u << bit % 8);
            if (cert_parse(&c, span_of(bytes, n), NULL) == 0) {
                assert_true(chain_verify(&q, &c, 1, &v, NULL) < 0);
                assert_int_not_equal(v.verdict, CHAIN_OK);
                bad_signatures += v.verdict == CHAIN_BAD_SIGNATURE;
            }
            bytes[bit / 8] = (uint8_t)(bytes[bit / 8] ^ 1u << bit % 8);
        }
        assert_true(bad_signatures > n); /* most of it gets as far as the signature */
        trust_unref(t);
        free((void *)(uintptr_t)root.der.p);
        free((void *)(uintptr_t)leaf.der.p);
    }
}

/* Thousands of names against thousands of constraints end at a bound. */
static void threat_31_constraints(void **state)
{
    static char names[3500], bases[3500];
    struct forge root_f = ROOT(), ca_f = MID("i", "root", 2, 0, .excluded = bases);
    struct forge leaf_f = LEAF("i", 2, .names = names);
    struct cert certs[2], root;
    struct trust *t;
    struct chain_result v;

    (void)state;
    for (size_t i = 0; i + 3 < sizeof names; i += 2) {
        memcpy(names + i, "a ", 3);
        memcpy(bases + i, "b ", 3);
    }
    names[strlen(names) - 1] = bases[strlen(bases) - 1] = '\0';
    /* A value of 4096 bytes holds at most 1365 "a" and 819 "b": over a million comparisons. */
    names[2 * 1300 - 1] = bases[2 * 800 - 1] = '\0';
    certs[0] = forge_cert(&leaf_f);
    certs[1] = forge_cert(&ca_f);
    root = forge_cert(&root_f);
    t = trust_of(&root, 1);
    assert_int_equal(
        chain_verify(&(struct chain_query){ .trust = t, .now = NOW, .peer_is_server = true }, certs,
                     2, &v, NULL),
        TLS_ALERT(ALERT_BAD_CERTIFICATE));
    assert_int_equal(v.verdict, CHAIN_TOO_MUCH_WORK);
    trust_unref(t);
    free((void *)(uintptr_t)root.der.p);
    free((void *)(uintptr_t)certs[0].der.p);
    free((void *)(uintptr_t)certs[1].der.p);
}

/* A path is found with any order of what comes behind the leaf, and ends with the first of its own
 * certificates. */
static void any_order(void **state)
{
    struct forge f[] = {
        LEAF("k", 4),           MID("k", "j", 4, 3), MID("j", "i", 3, 2, .to = NOW + 5),
        MID("i", "root", 2, 0), MID("k", "x", 4, 5), MID("i", "root", 2, 0, .to = NOW - 1)
    };
    struct forge root_f = ROOT();
    struct cert c[6], sent[6], root = forge_cert(&root_f);
    struct trust *t = trust_of(&root, 1);
    struct chain_result v;

    (void)state;
    for (size_t i = 0; i < 6; i++) {
        c[i] = forge_cert(&f[i]);
    }
    for (unsigned order = 0; order < 120; order++) {
        unsigned code = order;
        bool used[6] = { true };

        sent[0] = c[0];
        for (unsigned i = 1; i < 6; i++) {
            unsigned skip = code % (6 - i), j = 1;

            code /= 6 - i;
            while (used[j] || skip-- > 0) {
                j++;
            }
            used[j] = true;
            sent[i] = c[j];
        }
        assert_int_equal(chain_verify(
                             &(struct chain_query){
                                 .trust = t, .now = NOW, .peer_is_server = true, .host = "a.test" },
                             sent, 6, &v, NULL),
                         0);
        assert_int_equal(v.verdict, CHAIN_OK);
        assert_int_equal(v.not_after, NOW + 5);
    }
    trust_unref(t);
    free((void *)(uintptr_t)root.der.p);
    for (size_t i = 0; i < 6; i++) {
        free((void *)(uintptr_t)c[i].der.p);
    }
}

static int done(void **state)
{
    (void)state;
    forge_done();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chains),
        cmocka_unit_test(sentences),
        cmocka_unit_test(empty_and_no_trust),
        cmocka_unit_test(any_order),
        cmocka_unit_test(key_bound_to_a_hash),
        cmocka_unit_test(threat_05_every_bit),
        cmocka_unit_test(threat_31_constraints),
    };

    return cmocka_run_group_tests_name("chain", tests, NULL, done);
}
