/* SPDX-License-Identifier: ISC */
/* Signatures that are almost right, made for the purpose: each has to be refused, and the unusual
 * ones that are right have to be taken. Every one is said what is the matter with it. RSA is in
 * test_signature_vectors_rsa.c. */
#include "keys.h"

static const struct span message = { (const uint8_t *)"what was signed", 15 };

static void verdict(const struct pubkey *k, enum sig_kind kind, enum hash_id hash,
                    const struct bytes *sig, int want, const char *what)
{
    const int rc = pubkey_verify(k, kind, hash, &message, 1, span_bytes(sig));

    if (rc != want) {
        fail_msg("%u bits, %s: %d instead of %d", pubkey_bits(k), what, rc, want);
    }
    assert_int_equal(ERR_peek_error(), 0);
}

/* ---- ECDSA: DER of r and s ---- */

static struct bytes element(uint8_t tag, const void *p, size_t n)
{
    struct bytes b = { .n = 1, .p = { tag } };

    if (n >= 256) {
        b.p[b.n++] = 0x82;
        b.p[b.n++] = (uint8_t)(n >> 8);
    } else if (n >= 128) {
        b.p[b.n++] = 0x81;
    }
    b.p[b.n++] = (uint8_t)n;
    memcpy(b.p + b.n, p, n);
    b.n += n;
    return b;
}

static struct bytes integer(const BIGNUM *v)
{
    uint8_t p[1024] = { 0 };
    const size_t n = (size_t)BN_num_bytes(v);

    assert_true(BN_bn2bin(v, p + 1) >= 0);
    return n && !(p[1] & 0x80) ? element(2, p + 1, n) : element(2, p, n + 1);
}

static struct bytes join(struct bytes a, struct bytes b)
{
    memcpy(a.p + a.n, b.p, b.n);
    a.n += b.n;
    return a;
}

static struct bytes pair(struct bytes a, struct bytes b)
{
    const struct bytes both = join(a, b);

    return element(0x30, both.p, both.n);
}

static struct bytes of(const BIGNUM *r, const BIGNUM *s)
{
    return pair(integer(r), integer(s));
}

struct ecdsa {
    const struct pubkey *pub;
    enum hash_id hash;
    BIGNUM *n, *r, *s;
};

static void is(const struct ecdsa *e, struct bytes sig, int want, const char *what)
{
    verdict(e->pub, SIG_ECDSA, e->hash, &sig, want, what);
}

/* r and s out of range or changed; n is the order. */
static void numbers(const struct ecdsa *e)
{
    BIGNUM *zero = BN_new(), *one = BN_new(), *less = BN_dup(e->n), *more = BN_dup(e->n);
    BIGNUM *rn = BN_new(), *sn = BN_new(), *neg = BN_new(), *big = BN_new();

    BN_zero(zero);
    assert_true(BN_one(one) && BN_sub_word(less, 1) && BN_add_word(more, 1) &&
                BN_add(rn, e->r, e->n) && BN_add(sn, e->s, e->n) && BN_sub(neg, e->n, e->s) &&
                BN_lshift(big, e->r, 4096));
    is(e, of(e->r, e->s), 0, "as it was made");
    is(e, of(e->r, neg), 0, "n - s, which is right too");
    is(e, of(e->s, e->r), BAD_SIG, "swapped");
    const BIGNUM *const wrong[] = { zero, one, less, e->n, more, rn, sn, big };
    static const char *const names[] = { "0",     "1",     "n - 1", "n",
                                         "n + 1", "r + n", "s + n", "r * 2^4096" };

    for (size_t i = 0; i < 8; i++) {
        is(e, of(wrong[i], e->s), BAD_SIG, names[i]);
        is(e, of(e->r, wrong[i]), BAD_SIG, names[i]);
        for (size_t j = 0; j < 8; j++) {
            is(e, of(wrong[i], wrong[j]), BAD_SIG, names[j]);
        }
    }
    BN_free(zero);
    BN_free(one);
    BN_free(less);
    BN_free(more);
    BN_free(rn);
    BN_free(sn);
    BN_free(neg);
    BN_free(big);
}

/* The right numbers, in other encodings than DER's one. */
static void encodings(const struct ecdsa *e)
{
    const struct bytes r = integer(e->r), s = integer(e->s), good = pair(r, s);
    const size_t nr = r.n - 2, ns = s.n - 2; /* no number is longer than 127 bytes */
    const struct bytes nothing = element(2, "", 0), zero = element(2, "", 1);
    const bool positive = r.p[2] != 0;
    struct bytes x, y;

    for (size_t n = 0; n < good.n; n++) {
        x = good;
        x.n = n;
        is(e, x, BAD_SIG, "cut off");
    }
    is(e, join(good, (struct bytes){ .n = 1 }), BAD_SIG, "a byte behind it");
    is(e, join(good, good), BAD_SIG, "twice");
    x = join(r, join(s, (struct bytes){ .n = 1 }));
    is(e, element(0x30, x.p, x.n), BAD_SIG, "a byte inside it");
    is(e, pair(r, join(s, s)), BAD_SIG, "three integers");
    is(e, pair(r, join(s, unhex("0500"))), BAD_SIG, "a NULL behind s");
    is(e, element(0x30, r.p, r.n), BAD_SIG, "r alone");
    is(e, pair(nothing, s), BAD_SIG, "r is empty");
    is(e, pair(r, nothing), BAD_SIG, "s is empty");
    is(e, pair(zero, zero), BAD_SIG, "zeroes");
    is(e, element(0x30, "", 0), BAD_SIG, "an empty sequence");
    is(e, unhex(""), BAD_SIG, "empty");
    x = join(r, s);
    is(e, element(0x31, x.p, x.n), BAD_SIG, "a set");
    is(e, element(0x24, x.p, x.n), BAD_SIG, "an octet string");
    is(e, x, BAD_SIG, "no sequence");
    x = element(3, r.p + 2, nr);
    is(e, pair(x, s), BAD_SIG, "r is a bit string");
    x = element(10, s.p + 2, ns);
    is(e, pair(r, x), BAD_SIG, "s is an enumeration");
    is(e, element(0x30, good.p, good.n), BAD_SIG, "a sequence in a sequence");
    /* A sign byte too many, or none where one is needed. */
    x = (struct bytes){ .p = { 2, (uint8_t)(nr + 1), 0 } };
    memcpy(x.p + 3, r.p + 2, nr);
    x.n = 3 + nr;
    is(e, pair(x, s), BAD_SIG, "r with a zero in front");
    if (!positive) {
        x = element(2, r.p + 3, nr - 1);
        is(e, pair(x, s), BAD_SIG, "r without its sign byte");
    }
    memset(x.p + 2, 0xff, nr + 1); /* -1, in many bytes */
    is(e, pair(x, s), BAD_SIG, "r is -1");
    /* Lengths that are longer than need be (BER). */
    x = (struct bytes){ .n = 3, .p = { 2, 0x81, (uint8_t)nr } };
    memcpy(x.p + 3, r.p + 2, nr);
    x.n += nr;
    is(e, pair(x, s), BAD_SIG, "the length of r in two bytes");
    y = join(r, s);
    x = (struct bytes){ .n = 4, .p = { 0x30, 0x82, 0, (uint8_t)y.n } };
    is(e, join(x, y), BAD_SIG, "the length in three bytes");
    x = (struct bytes){ .n = 6, .p = { 0x30, 0x84, 0, 0, 0, (uint8_t)y.n } };
    is(e, join(x, y), BAD_SIG, "the length in five bytes");
    x = (struct bytes){ .n = 2, .p = { 0x30, 0x80 } };
    is(e, join(join(x, y), unhex("0000")), BAD_SIG, "indefinite length");
    is(e, join(x, y), BAD_SIG, "indefinite length without an end");
    x = (struct bytes){ .n = 6, .p = { 0x30, 0x84, 0xff, 0xff, 0xff, 0xff } };
    is(e, join(x, y), BAD_SIG, "a length of 4 GiB");
    x = (struct bytes){ .n = 10, .p = { 0x30, 0x88, 1, 0, 0, 0, 0, 0, 0, (uint8_t)y.n } };
    is(e, join(x, y), BAD_SIG, "a length of more than 64 bits");
    x = (struct bytes){ .n = 1, .p = { 0x3f } };
    is(e, join(join(x, unhex("10")), y), BAD_SIG, "a tag of two bytes");
}

static const struct {
    enum key_type type;
    enum hash_id hash;
    int nid;
} curves[] = { { KEY_EC_P256, HASH_SHA256, NID_X9_62_prime256v1 },
               { KEY_EC_P384, HASH_SHA384, NID_secp384r1 },
               { KEY_EC_P521, HASH_SHA512, NID_secp521r1 } };

static void ecdsa(void **state)
{
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        const struct scheme *scheme = NULL;
        uint8_t sig[SIG_MAX];
        const uint8_t *p = sig;
        size_t n = sizeof sig;
        EC_GROUP *g = EC_GROUP_new_by_curve_name(curves[i].nid);

        for (size_t j = 0; (scheme = scheme_at(j))->key != curves[i].type; j++) {
        }
        assert_int_equal(scheme->hash, curves[i].hash);
        assert_int_equal(privkey_sign(key_of(curves[i].type), scheme, &message, 1, sig, &n), 0);

        ECDSA_SIG *both = d2i_ECDSA_SIG(NULL, &p, (long)n);
        struct pubkey *pub = public_of(key_of(curves[i].type));

        assert_non_null(both);
        const struct ecdsa e = { .pub = pub,
                                 .hash = curves[i].hash,
                                 .n = (BIGNUM *)(uintptr_t)EC_GROUP_get0_order(g),
                                 .r = (BIGNUM *)(uintptr_t)ECDSA_SIG_get0_r(both),
                                 .s = (BIGNUM *)(uintptr_t)ECDSA_SIG_get0_s(both) };

        numbers(&e);
        encodings(&e);
        ECDSA_SIG_free(both);
        pubkey_unref(pub);
        EC_GROUP_free(g);
    }
}

/* ---- ECDSA: public keys chosen so that the sums are special ---- */

struct field {
    EC_GROUP *g;
    const BIGNUM *n;
    BIGNUM *e, *r, *s, *d, *t; /* e: the digest as a number; t: to reckon with */
    BN_CTX *ctx;
};

static void field_open(struct field *f, size_t i)
{
    uint8_t digest[HASH_MAX];
    const size_t size = hash_size(curves[i].hash);

    *f = (struct field){ .g = EC_GROUP_new_by_curve_name(curves[i].nid), .ctx = BN_CTX_new() };
    f->n = EC_GROUP_get0_order(f->g);
    f->r = BN_new();
    f->s = BN_new();
    f->d = BN_new();
    f->t = BN_new();
    assert_int_equal(hash_once(curves[i].hash, message.p, message.n, digest), 0);
    f->e = BN_bin2bn(digest, (int)size, NULL); /* never longer than n here */
    assert_true(f->e && f->t && f->d && f->s && f->r && f->ctx);
}

static void field_close(struct field *f)
{
    BN_free(f->e);
    BN_free(f->r);
    BN_free(f->s);
    BN_free(f->d);
    BN_free(f->t);
    BN_CTX_free(f->ctx);
    EC_GROUP_free(f->g);
}

static void judge(const struct field *f, size_t i, const EC_POINT *q, int want, const char *what)
{
    struct bytes point = { 0 };
    const struct bytes sig = of(f->r, f->s);
    struct pubkey *pub;

    point.n =
        EC_POINT_point2oct(f->g, q, POINT_CONVERSION_UNCOMPRESSED, point.p, sizeof point.p, f->ctx);
    assert_int_equal(pubkey_from_point(&pub, curves[i].type, span_bytes(&point)), 0);
    verdict(pub, SIG_ECDSA, curves[i].hash, &sig, want, what);
    pubkey_unref(pub);
}

/* The x of R is not below n, so that r is x - n: right, though r is small. */
static void x_beyond_order(struct field *f, size_t i)
{
    EC_POINT *big = EC_POINT_new(f->g), *q = EC_POINT_new(f->g);
    bool found = false;

    for (unsigned k = 1; !found && k < 200; k++) {
        assert_true(BN_set_word(f->r, k) && BN_add(f->t, f->n, f->r));
        found = EC_POINT_set_compressed_coordinates(f->g, big, f->t, 0, f->ctx) == 1;
    }
    assert_true(found);
    ERR_clear_error();
    /* Q = (s R - e G) / r, with any s. */
    assert_true(BN_set_word(f->s, 12345) && BN_mod_inverse(f->t, f->r, f->n, f->ctx) &&
                BN_mod_mul(f->d, f->e, f->t, f->n, f->ctx) && BN_sub(f->d, f->n, f->d) &&
                BN_mod_mul(f->t, f->s, f->t, f->n, f->ctx) &&
                EC_POINT_mul(f->g, q, f->d, big, f->t, f->ctx) == 1);
    judge(f, i, q, 0, "the x of R is beyond the order");
    assert_true(BN_add_word(f->s, 1));
    judge(f, i, q, BAD_SIG, "the same with another s");
    EC_POINT_free(big);
    EC_POINT_free(q);
}

/* d = sign * e / r makes both terms of the sum the same point, or each other's negative. */
static void equal_terms(struct field *f, size_t i, bool negative)
{
    EC_POINT *q = EC_POINT_new(f->g);

    assert_true(
        BN_set_word(f->t, 98765) && EC_POINT_mul(f->g, q, f->t, NULL, NULL, f->ctx) == 1 &&
        EC_POINT_get_affine_coordinates(f->g, q, f->r, NULL, f->ctx) == 1 &&
        BN_nnmod(f->r, f->r, f->n, f->ctx) && BN_mod_inverse(f->s, f->t, f->n, f->ctx) &&
        BN_mod_mul(f->s, f->s, f->e, f->n, f->ctx) && BN_mod_lshift1(f->s, f->s, f->n, f->ctx) &&
        BN_mod_inverse(f->d, f->r, f->n, f->ctx) && BN_mod_mul(f->d, f->d, f->e, f->n, f->ctx));
    if (negative) {
        assert_true(BN_sub(f->d, f->n, f->d));
    }
    assert_int_equal(EC_POINT_mul(f->g, q, f->d, NULL, NULL, f->ctx), 1);
    judge(f, i, q, negative ? BAD_SIG : 0, negative ? "R is infinity" : "a point added to itself");
    EC_POINT_free(q);
}

static void ecdsa_special_points(void **state)
{
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct field f;

        field_open(&f, i);
        x_beyond_order(&f, i);
        equal_terms(&f, i, false);
        equal_terms(&f, i, true);
        field_close(&f);
    }
}

/* ---- EdDSA ---- */

static const struct {
    enum key_type type;
    size_t size;
    const char *order,
        *above; /* little-endian; above: an y that is one more than the field's prime */
} curves_ed[] = {
    { KEY_ED25519, 32, "edd3f55c1a631258d69cf7a2def9de14 00000000000000000000000000000010",
      "eeffffffffffffffffffffffffffffff ffffffffffffffffffffffffffffff7f" },
    { KEY_ED448, 57,
      "f34458ab92c27823558fc58d72c26c21 9036d6ae49db4ec4e923ca7cffffffff "
      "ffffffffffffffffffffffffffffffff ffffffffffffff3f00",
      "00000000000000000000000000000000 000000000000000000000000ffffffff "
      "ffffffffffffffffffffffffffffffff ffffffffffffffff00" },
};

/* half += number, both little-endian; how often: so that it stays within its bytes. */
static bool add(uint8_t *half, struct bytes number)
{
    unsigned carry = 0;

    for (size_t i = 0; i < number.n; i++) {
        carry += (unsigned)half[i] + number.p[i];
        half[i] = (uint8_t)carry;
        carry >>= 8;
    }
    return !carry;
}

static void eddsa(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        const size_t half = curves_ed[i].size;
        const struct bytes order = unhex(curves_ed[i].order), zeros = { .n = 2 * half };
        struct pubkey *pub = public_of(key_of(curves_ed[i].type));
        struct bytes good = { .n = sizeof good.p }, x;
        const struct scheme *s = scheme_by_id(i ? 0x0808 : 0x0807);

        assert_int_equal(order.n, half);
        assert_int_equal(privkey_sign(key_of(curves_ed[i].type), s, &message, 1, good.p, &good.n),
                         0);
        assert_int_equal(good.n, 2 * half);
#define IS(what, rc) verdict(pub, SIG_EDDSA, HASH_NONE, &x, rc, what)
        x = good;
        IS("as it was made", 0);
        for (unsigned times = 1; times < 16 && add(x.p + half, order); times++) {
            IS("S + a multiple of L", BAD_SIG); /* RFC 8032 sections 5.1.7, 5.2.7 */
        }
        x = good;
        memcpy(x.p + half, order.p, half);
        IS("S is L", BAD_SIG);
        memset(x.p + half, 0, half);
        IS("S is 0", BAD_SIG);
        memset(x.p + half, 0xff, half);
        IS("S is all ones", BAD_SIG);
        for (unsigned bit = 0; bit < 8; bit++) {
            x = good;
            x.p[2 * half - 1] |= (uint8_t)(1u << bit);
            if (memcmp(x.p, good.p, x.n) != 0) {
                IS("a high bit of S", BAD_SIG);
            }
        }
        x = good;
        memcpy(x.p, good.p + half, half);
        memcpy(x.p + half, good.p, half);
        IS("swapped", BAD_SIG);
        x = good;
        x.p[half - 1] ^= 0x80;
        IS("R with the other sign", BAD_SIG);
        x = zeros;
        IS("zeroes", BAD_SIG);
        x.p[0] = 1;
        IS("R is the neutral point, S is 0", BAD_SIG);
        x = good;
        memcpy(x.p, unhex(curves_ed[i].above).p, half);
        IS("R's y is beyond the prime", BAD_SIG);
        for (x = good, x.n = 0; x.n < good.n + 8; x.n++) {
            IS("of another length", x.n == good.n ? 0 : BAD_SIG);
        }
        pubkey_unref(pub);
        /* The neutral point as a public key: the equation of RFC 8032 holds for anything signed
         * with S = 0. Whoever has such a certificate gave the key away; no harm to others. */
        x = zeros;
        x.p[0] = 1;
        const struct span neutral = { x.p, half };

        assert_int_equal(pubkey_from_point(&pub, curves_ed[i].type, neutral), 0);
        IS("any message under the neutral point", i ? BAD_SIG : 0);
        x.p[half] = 1;
        IS("S is 1 under the neutral point", BAD_SIG);
        x = good;
        IS("another's signature under the neutral point", BAD_SIG);
        pubkey_unref(pub);
        /* The same point by a number beyond the prime (RFC 8032 sections 5.1.3, 5.2.3). */
        const struct bytes beyond = unhex(curves_ed[i].above);

        for (unsigned form = 0; form < 4; form++) {
            x = beyond;
            x.p[half - 1] = (uint8_t)(x.p[half - 1] | (form & 1) << 7);
            if (i) {
                memset(x.p, 0xff, 28);
                x.p[28] = 0xfe;
            }
            x.p[0] = (uint8_t)((i ? 0xff : 0xed) - form / 2); /* the prime, and one less */
            assert_int_equal(pubkey_from_point(&pub, curves_ed[i].type, span_of(x.p, half)),
                             form / 2 ? 0 : ERR_PARSE);
            pubkey_unref(pub);
        }
        assert_int_equal(pubkey_from_point(&pub, curves_ed[i].type, span_bytes(&beyond)),
                         ERR_PARSE);
#undef IS
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ecdsa),
        cmocka_unit_test(ecdsa_special_points),
        cmocka_unit_test(eddsa),
    };

    return cmocka_run_group_tests(tests, start_crypto, keys_end);
}
