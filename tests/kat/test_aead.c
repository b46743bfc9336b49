/* SPDX-License-Identifier: ISC */
/* AES-GCM (McGrew and Viega's test cases), ChaCha20-Poly1305 (RFC 8439), and what the record layer
 * relies on: gathering, scattering, working in place, and nothing left of what did not verify. */
#include "kat.h"

static const struct vector {
    enum aead_id id;
    const char *key, *nonce, *aad, *plain, *sealed;
} vectors[] = {
    { AEAD_AES_128_GCM, "00000000000000000000000000000000", "000000000000000000000000", "", "",
      "58e2fccefa7e3061367f1d57a4e7455a" },
    { AEAD_AES_128_GCM, "00000000000000000000000000000000", "000000000000000000000000", "",
      "00000000000000000000000000000000",
      "0388dace60b6a392f328c2b971b2fe78 ab6e47d42cec13bdf53a67b21257bddf" },
    { AEAD_AES_128_GCM, "feffe9928665731c6d6a8f9467308308", "cafebabefacedbaddecaf888",
      "feedfacedeadbeeffeedfacedeadbeefabaddad2",
      "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
      "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39",
      "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e"
      "21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e091 5bc94fbc3221a5db94fae95ae7121a47" },
    { AEAD_AES_256_GCM, "0000000000000000000000000000000000000000000000000000000000000000",
      "000000000000000000000000", "", "", "530f8afbc74536b9a963b4f1c4cb738b" },
    { AEAD_AES_256_GCM, "0000000000000000000000000000000000000000000000000000000000000000",
      "000000000000000000000000", "", "00000000000000000000000000000000",
      "cea7403d4d606b6e074ec5d3baf39d18 d0d1c8a799996bf0265b98b5d48ab919" },
    { AEAD_AES_256_GCM, "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308",
      "cafebabefacedbaddecaf888", "feedfacedeadbeeffeedfacedeadbeefabaddad2",
      "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
      "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39",
      "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
      "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662 76fc6ece0f4e1768cddf8853bb2d551b" },
    { AEAD_CHACHA20_POLY1305, "808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f",
      "070000004041424344454647", "50515253c0c1c2c3c4c5c6c7",
      "4c616469657320616e642047656e746c656d656e206f662074686520636c6173"
      "73206f66202739393a204966204920636f756c64206f6666657220796f75206f"
      "6e6c79206f6e652074697020666f7220746865206675747572652c2073756e73"
      "637265656e20776f756c642062652069742e",
      "d31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d6"
      "3dbea45e8ca9671282fafb69da92728b1a71de0a9e060b2905d6a5b67ecd3b36"
      "92ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc"
      "3ff4def08e4b7a9de576d26586cec64b6116 1ae10b594f09e26a7e902ecbd0600691" },
};

static void known_answers(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
        const struct vector *v = &vectors[i];
        const struct bytes key = unhex(v->key), nonce = unhex(v->nonce), aad = unhex(v->aad);
        const struct bytes plain = unhex(v->plain), sealed = unhex(v->sealed);
        const struct span in = span_bytes(&plain);
        struct aead *seal = aead_new(v->id, key.p, true), *open = aead_new(v->id, key.p, false);
        uint8_t out[256];
        const struct mspan to = { out, plain.n };

        assert_int_equal(key.n, aead_key_size(v->id));
        assert_non_null(seal);
        assert_non_null(open);
        for (int twice = 0; twice < 2; twice++) { /* one context, many records */
            assert_int_equal(aead_seal(seal, nonce.p, span_bytes(&aad), &in, 1, out), 0);
            same("sealed", out, plain.n + AEAD_TAG, v->sealed);
            memset(out, 0x5a, sizeof out);
            assert_int_equal(
                aead_open(open, nonce.p, span_bytes(&aad), span_bytes(&sealed), &to, 1), 0);
            same("opened", out, plain.n, v->plain);
        }
        aead_free(seal);
        aead_free(open);
    }
    assert_int_equal(aead_key_size(AEAD_COUNT), 0);
    assert_null(aead_new(AEAD_COUNT, (const uint8_t[AEAD_KEY_MAX]){ 0 }, true));
    aead_free(NULL);
}

/* A pair of contexts under one key, and a record that the shortest way made. */
struct pair {
    struct aead *seal, *open;
    uint8_t nonce[AEAD_IV], aad[5];
    uint8_t plain[600], sealed[600 + AEAD_TAG];
};

static void pair_make(struct pair *p, enum aead_id id, size_t n)
{
    const struct span in = { p->plain, n };
    uint8_t key[AEAD_KEY_MAX];

    fill(key, sizeof key, 7);
    fill(p->nonce, sizeof p->nonce, 8);
    fill(p->aad, sizeof p->aad, 9);
    fill(p->plain, sizeof p->plain, 10);
    p->seal = aead_new(id, key, true);
    p->open = aead_new(id, key, false);
    assert_non_null(p->seal);
    assert_non_null(p->open);
    assert_int_equal(aead_seal(p->seal, p->nonce, span_of(p->aad, 5), &in, 1, p->sealed), 0);
}

static void pair_end(struct pair *p)
{
    aead_free(p->seal);
    aead_free(p->open);
}

static void seal_gathers(void **state)
{
    const size_t n = 300;

    (void)state;
    for (enum aead_id id = 0; id < AEAD_COUNT; id++) {
        struct pair p;
        uint8_t out[600];

        pair_make(&p, id, n);
        for (size_t cut = 0; cut <= n; cut++) {
            const size_t third = (n - cut) / 2;
            uint8_t tail[300];
            struct span in[] = {
                { p.plain, cut }, { p.plain + cut, third }, { NULL, 0 }, { tail, n - cut - third }
            };

            memcpy(tail, p.plain + cut + third, in[3].n);
            memset(out, 0, sizeof out);
            assert_int_equal(aead_seal(p.seal, p.nonce, span_of(p.aad, 5), in, 4, out), 0);
            assert_memory_equal(out, p.sealed, n + AEAD_TAG);
            /* The first part where the output goes: in place, as a record is sealed with its type.
             */
            memset(out, 0, sizeof out);
            memcpy(out, p.plain, cut);
            in[0].p = out;
            assert_int_equal(aead_seal(p.seal, p.nonce, span_of(p.aad, 5), in, 4, out), 0);
            assert_memory_equal(out, p.sealed, n + AEAD_TAG);
        }
        pair_end(&p);
    }
}

static void open_scatters(void **state)
{
    const size_t n = 300;

    (void)state;
    for (enum aead_id id = 0; id < AEAD_COUNT; id++) {
        struct pair p;

        pair_make(&p, id, n);
        for (size_t cut = 0; cut <= n; cut++) {
            uint8_t data[300 + AEAD_TAG], user[300];
            const struct span in = { data, sizeof data };
            /* The caller's room first, what does not fit stays where it is. */
            const struct mspan out[] = { { user, cut }, { NULL, 0 }, { data + cut, n - cut } };
            const struct mspan all_in_place = { data, n };

            memcpy(data, p.sealed, sizeof data);
            assert_int_equal(aead_open(p.open, p.nonce, span_of(p.aad, 5), in, out, 3), 0);
            assert_memory_equal(user, p.plain, cut);
            assert_memory_equal(data + cut, p.plain + cut, n - cut);
            memcpy(data, p.sealed, sizeof data);
            assert_int_equal(aead_open(p.open, p.nonce, span_of(p.aad, 5), in, &all_in_place, 1),
                             0);
            assert_memory_equal(data, p.plain, n);
        }
        pair_end(&p);
    }
}

static void all_sizes(void **state)
{
    (void)state;
    for (enum aead_id id = 0; id < AEAD_COUNT; id++) {
        for (size_t n = 0; n <= 600; n += n < 70 ? 1 : 53) {
            struct pair p;
            uint8_t out[600];
            const struct mspan to = { out, n };

            pair_make(&p, id, n);
            assert_int_equal(aead_open(p.open, p.nonce, span_of(p.aad, 5),
                                       span_of(p.sealed, n + AEAD_TAG), &to, 1),
                             0);
            assert_memory_equal(out, p.plain, n);
            pair_end(&p);
        }
    }
}

/* Opens with something changed: refused, and every output part wiped (threat 39: one answer). */
static void refused(const struct pair *p, const uint8_t *nonce, const uint8_t *aad, size_t naad,
                    const uint8_t *sealed, size_t n)
{
    const size_t total = n < AEAD_TAG ? 0 : n - AEAD_TAG, half = total / 2;
    uint8_t out[700];
    const struct mspan to[] = { { out, half }, { out + 350, total - half } };

    memset(out, 0x5a, sizeof out);
    assert_int_equal(aead_open(p->open, nonce, span_of(aad, naad), span_of(sealed, n), to, 2),
                     BAD_MAC);
    assert_true(all_zero(out, half));
    assert_true(all_zero(out + 350, total - half));
    assert_int_equal(out[half], 0x5a);
    assert_int_equal(out[350 + total - half], 0x5a);
}

static void forgeries(void **state)
{
    const size_t n = 40;

    (void)state;
    for (enum aead_id id = 0; id < AEAD_COUNT; id++) {
        struct pair p;
        uint8_t out[40];
        const struct mspan to = { out, n };

        pair_make(&p, id, n);
        for (size_t bit = 0; bit < 8 * (n + AEAD_TAG); bit++) { /* ciphertext and tag */
            p.sealed[bit / 8] ^= (uint8_t)(1u << bit % 8);
            refused(&p, p.nonce, p.aad, 5, p.sealed, n + AEAD_TAG);
            p.sealed[bit / 8] ^= (uint8_t)(1u << bit % 8);
        }
        for (size_t bit = 0; bit < 8 * sizeof p.aad; bit++) {
            p.aad[bit / 8] ^= (uint8_t)(1u << bit % 8);
            refused(&p, p.nonce, p.aad, 5, p.sealed, n + AEAD_TAG);
            p.aad[bit / 8] ^= (uint8_t)(1u << bit % 8);
        }
        for (size_t bit = 0; bit < 8 * sizeof p.nonce; bit++) {
            p.nonce[bit / 8] ^= (uint8_t)(1u << bit % 8);
            refused(&p, p.nonce, p.aad, 5, p.sealed, n + AEAD_TAG);
            p.nonce[bit / 8] ^= (uint8_t)(1u << bit % 8);
        }
        for (size_t cut = 0; cut < n + AEAD_TAG; cut++) {
            refused(&p, p.nonce, p.aad, 5, p.sealed, cut);
        }
        refused(&p, p.nonce, p.aad, 4, p.sealed, n + AEAD_TAG);
        refused(&p, p.nonce, p.aad, 0, p.sealed, n + AEAD_TAG);
        /* After all that the context opens what is right. */
        assert_int_equal(
            aead_open(p.open, p.nonce, span_of(p.aad, 5), span_of(p.sealed, n + AEAD_TAG), &to, 1),
            0);
        assert_memory_equal(out, p.plain, n);
        pair_end(&p);
    }
}

static void forged_in_place(void **state)
{
    struct pair p;
    uint8_t data[64 + AEAD_TAG];
    const struct mspan to = { data, 64 };

    (void)state;
    for (enum aead_id id = 0; id < AEAD_COUNT; id++) {
        pair_make(&p, id, 64);
        memcpy(data, p.sealed, sizeof data);
        data[sizeof data - 1] ^= 1;
        assert_int_equal(
            aead_open(p.open, p.nonce, span_of(p.aad, 5), span_of(data, sizeof data), &to, 1),
            BAD_MAC);
        assert_true(all_zero(data, 64));
        pair_end(&p);
    }
}

static void wrong_use(void **state)
{
    struct pair p;
    uint8_t out[64];
    const struct mspan shorter = { out, 15 }, longer = { out, 17 };
    const struct span in = { out, 16 };

    (void)state;
    pair_make(&p, AEAD_AES_128_GCM, 16);
    assert_int_equal(
        aead_open(p.open, p.nonce, span_of(p.aad, 5), span_of(p.sealed, 32), &shorter, 1), ERR_ARG);
    assert_int_equal(
        aead_open(p.open, p.nonce, span_of(p.aad, 5), span_of(p.sealed, 32), &longer, 1), ERR_ARG);
    /* The key of one direction does not work in the other. */
    assert_int_equal(aead_open(p.seal, p.nonce, span_of(p.aad, 5), span_of(p.sealed, 16), NULL, 0),
                     ERR_ARG);
    assert_int_equal(aead_seal(p.open, p.nonce, span_of(p.aad, 5), &in, 1, out), ERR_ARG);
    pair_end(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_answers), cmocka_unit_test(seal_gathers),
        cmocka_unit_test(open_scatters), cmocka_unit_test(all_sizes),
        cmocka_unit_test(forgeries),     cmocka_unit_test(forged_in_place),
        cmocka_unit_test(wrong_use),
    };

    int failed = cmocka_run_group_tests(tests, start_crypto, NULL);

    if (strcmp(aead_backend(AEAD_AES_128_GCM), "libcrypto") != 0) { /* then that one as well */
        aead_set_test_backend("libcrypto");
        failed += cmocka_run_group_tests(tests, NULL, NULL);
    }
    return failed;
}
