/* SPDX-License-Identifier: ISC */
/* RSA signatures that are almost right: encoded messages are put together here, byte by byte, and
 * the bare private key operation makes signatures of them. */
#include "keys.h"

#define HASHED HASH_SHA256
#define K      256 /* bytes of the modulus */

static const struct span message = { (const uint8_t *)"what was signed", 15 };
static struct pubkey *pub;

/* em^d mod n. */
static struct bytes raw(const uint8_t em[static K])
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(provider.lib, key_of(KEY_RSA)->pkey, NULL);
    struct bytes sig = { .n = sizeof sig.p };

    assert_int_equal(EVP_PKEY_sign_init(ctx), 1);
    assert_true(EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_NO_PADDING) > 0);
    assert_int_equal(EVP_PKEY_sign(ctx, sig.p, &sig.n, em, K), 1);
    assert_int_equal(sig.n, K);
    EVP_PKEY_CTX_free(ctx);
    return sig;
}

static void verdict(enum sig_kind kind, const struct bytes *sig, int want, const char *what)
{
    const int rc = pubkey_verify(pub, kind, HASHED, &message, 1, span_bytes(sig));

    if (rc != want) {
        fail_msg("%s: %d instead of %d", what, rc, want);
    }
    assert_int_equal(ERR_peek_error(), 0);
}

/* ---- the number itself ---- */

/* Of a signature that is right. */
static void lengths_and_range(enum sig_kind kind, const struct bytes *good)
{
    const struct bytes n = number_of(key_of(KEY_RSA), OSSL_PKEY_PARAM_RSA_N);
    BIGNUM *modulus = BN_bin2bn(n.p, (int)n.n, NULL), *s = BN_bin2bn(good->p, K, NULL);
    struct bytes x = *good;

    verdict(kind, good, 0, "as it was made");
    x.p[x.n++] = 0;
    verdict(kind, &x, BAD_SIG, "a byte behind it");
    x.n = K - 1;
    verdict(kind, &x, BAD_SIG, "a byte less");
    x.n = 0;
    verdict(kind, &x, BAD_SIG, "empty");
    x = (struct bytes){ .n = K + 1 };
    memcpy(x.p + 1, good->p, K);
    verdict(kind, &x, BAD_SIG, "a zero in front");
    x = (struct bytes){ .n = K };
    verdict(kind, &x, BAD_SIG, "0");
    x.p[K - 1] = 1;
    verdict(kind, &x, BAD_SIG, "1");
    memset(x.p, 0xff, K);
    verdict(kind, &x, BAD_SIG, "all ones");
    x = n;
    verdict(kind, &x, BAD_SIG, "the modulus");
    x.p[K - 1] ^= 1;
    verdict(kind, &x, BAD_SIG, "the modulus less one");
    assert_true(BN_add(s, s, modulus));
    x.n = (size_t)BN_num_bytes(s);
    assert_true(BN_bn2bin(s, x.p) > 0); /* RFC 8017 section 5.2.2: out of range */
    verdict(kind, &x, BAD_SIG, "s + n");
    assert_true(BN_lshift1(modulus, modulus) && BN_sub(s, modulus, s)); /* 2n - (s + n) */
    x.n = K;
    assert_true(BN_bn2binpad(s, x.p, K) == K);
    verdict(kind, &x, BAD_SIG, "n - s");
    BN_free(modulus);
    BN_free(s);
}

/* A signature s with s + n still of K bytes: nothing but the range is wrong. */
static void in_range_or_not(enum sig_kind kind, struct bytes (*make)(unsigned seed))
{
    const struct bytes n = number_of(key_of(KEY_RSA), OSSL_PKEY_PARAM_RSA_N);
    BIGNUM *modulus = BN_bin2bn(n.p, (int)n.n, NULL), *s = NULL;
    struct bytes sig;
    unsigned seed = 0;

    do {
        BN_free(s);
        sig = make(seed);
        s = BN_bin2bn(sig.p, K, NULL);
        assert_true(BN_add(s, s, modulus));
    } while (BN_num_bytes(s) > K && ++seed < 400);
    if (seed < 400) { /* else the modulus is too near to 2^2048 */
        verdict(kind, &sig, 0, "below the modulus");
        assert_int_equal(BN_bn2binpad(s, sig.p, K), K);
        verdict(kind, &sig, BAD_SIG, "s + n of as many bytes");
    }
    BN_free(modulus);
    BN_free(s);
}

/* ---- PKCS #1 v1.5 (RFC 8017 section 9.2): 00 01 FF.. 00 DigestInfo ---- */

#define SHA256_INFO "3031300d060960864801650304020105000420"

/* What stands behind the padding: hex, then the digest, then more hex. */
struct pkcs1 {
    const char *what, *info, *behind;
    int ffs; /* of the padding; 0: as many as fit, else garbage fills up */
    int rc;
    int at, is; /* a byte of the padding that is another */
};

static void encode(const struct pkcs1 *row, uint8_t em[static K])
{
    const struct bytes info = unhex(row->info), behind = unhex(row->behind ? row->behind : "");
    const size_t t = info.n + 32 + behind.n, fit = K - 3 - t;
    const size_t ffs = row->ffs ? (size_t)row->ffs : fit;
    uint8_t *p = em + 3 + ffs;

    assert_true(ffs <= fit);
    fill(em, K, 7);
    em[0] = 0;
    em[1] = 1;
    memset(em + 2, 0xff, ffs);
    em[2 + ffs] = 0;
    memcpy(p, info.p, info.n);
    assert_int_equal(hash_once(HASHED, message.p, message.n, p + info.n), 0);
    memcpy(p + info.n + 32, behind.p, behind.n);
    if (row->at >= 0 && row->is) {
        em[row->at] = (uint8_t)row->is;
    }
}

static const struct pkcs1 rows[] = {
    { "right", SHA256_INFO, .rc = 0 },
    /* RFC 8017 section 8.2.2: the encoded message is made anew and compared. */
    { "no NULL", "302f300b0609608648016503040201 0420", .rc = BAD_SIG },
    { "an empty sequence for NULL", "3031300d0609608648016503040201 30000420", .rc = BAD_SIG },
    { "NULL with contents", "3033300f0609608648016503040201 0502dead0420", .rc = BAD_SIG },
    { "two NULLs", "3033300f0609608648016503040201 050005000420", .rc = BAD_SIG },
    { "SHA-224's name", "3031300d060960864801650304020405000420", .rc = BAD_SIG },
    { "SHA-512/256's name", "3031300d060960864801650304020605000420", .rc = BAD_SIG },
    { "SHA-384's name", "3031300d060960864801650304020205000420", .rc = BAD_SIG },
    { "MD5's name", "302c300806082a864886f70d020505000420", .rc = BAD_SIG },
    { "no DigestInfo", "", .rc = BAD_SIG },
    { "the digest alone, in an octet string", "0420", .rc = BAD_SIG },
    { "a long length outside", "308131300d060960864801650304020105000420", .rc = BAD_SIG },
    { "a longer one", "30820031300d060960864801650304020105000420", .rc = BAD_SIG },
    { "a long length inside", "303230810d060960864801650304020105000420", .rc = BAD_SIG },
    { "a long length of the digest", "3032300d06096086480165030402010500048120", .rc = BAD_SIG },
    { "indefinite length", "3080300d060960864801650304020105000420", "0000", .rc = BAD_SIG },
    { "another tag of the digest", "3031300d060960864801650304020105000320", .rc = BAD_SIG },
    { "a constructed digest", "3033300d0609608648016503040201050024220420", .rc = BAD_SIG },
    { "a set", "3131300d060960864801650304020105000420", .rc = BAD_SIG },
    { "something behind the digest, inside", "3033300d060960864801650304020105000420", "0500",
      .rc = BAD_SIG },
    { "something behind the digest", SHA256_INFO, "00", .rc = BAD_SIG },
    { "a byte less of digest announced", "3030300d06096086480165030402010500041f", .rc = BAD_SIG },
    /* The forgery for keys with small exponents: garbage where nobody looks. */
    { "eight bytes of padding, garbage behind", SHA256_INFO, .ffs = 8, .rc = BAD_SIG },
    { "one byte of padding, garbage behind", SHA256_INFO, .ffs = 1, .rc = BAD_SIG },
    { "one byte of padding less", SHA256_INFO, .ffs = K - 3 - 51 - 1, .rc = BAD_SIG },
    { "block type 0", SHA256_INFO, .rc = BAD_SIG, .at = 1, .is = 0x100 },
    { "block type 2", SHA256_INFO, .rc = BAD_SIG, .at = 1, .is = 2 },
    { "not a zero in front", SHA256_INFO, .rc = BAD_SIG, .at = 0, .is = 1 },
    { "a byte of the padding is 0", SHA256_INFO, .rc = BAD_SIG, .at = 20, .is = 0x100 },
    { "a byte of the padding is FE", SHA256_INFO, .rc = BAD_SIG, .at = 100, .is = 0xfe },
    { "the first byte of the padding is 7F", SHA256_INFO, .rc = BAD_SIG, .at = 2, .is = 0x7f },
    { "the last byte of the padding is FD", SHA256_INFO, .rc = BAD_SIG, .at = K - 53, .is = 0xfd },
    { "no zero behind the padding", SHA256_INFO, .rc = BAD_SIG, .at = K - 52, .is = 0xff },
};

static struct bytes pkcs1_sig(unsigned seed)
{
    const struct pkcs1 right = { "", SHA256_INFO, NULL, 0, 0, 0, 0 };
    uint8_t em[K];

    (void)seed; /* there is one signature of a message */
    encode(&right, em);
    return raw(em);
}

static void pkcs1(void **state)
{
    const struct bytes good = pkcs1_sig(0);
    uint8_t em[K];

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct bytes sig;

        encode(&rows[i], em);
        sig = raw(em);
        verdict(SIG_RSA_PKCS1, &sig, rows[i].rc, rows[i].what);
    }
    lengths_and_range(SIG_RSA_PKCS1, &good);
    in_range_or_not(SIG_RSA_PKCS1, pkcs1_sig);
    verdict(SIG_RSA_PSS, &good, BAD_SIG, "PKCS #1 taken for PSS");
}

/* ---- PSS (RFC 8017 section 9.1) ---- */

struct pss {
    const char *what;
    int salt;         /* bytes; -1: as many as fit */
    enum hash_id mgf; /* HASH_NONE: the same */
    int rc;
    int trailer, separator, padding; /* other bytes than they must be; 0: right */
    bool top, short_hash;
};

static void mgf1(enum hash_id id, const uint8_t *seed, size_t n, uint8_t *out, size_t len)
{
    for (uint32_t i = 0; len; i++) {
        const uint8_t counter[4] = { 0, 0, 0, (uint8_t)i };
        const struct span parts[] = { { seed, n }, { counter, 4 } };
        const size_t now = len < hash_size(id) ? len : hash_size(id);
        uint8_t block[HASH_MAX];

        assert_int_equal(hash_parts(id, parts, 2, block), 0);
        memcpy(out, block, now);
        out += now;
        len -= now;
    }
}

static struct bytes pss_sig(const struct pss *row, unsigned seed)
{
    static const uint8_t zeros[8];
    const size_t h = 32, db = K - h - 1, salt = row->salt < 0 ? db - 1 : (size_t)row->salt;
    uint8_t em[K] = { 0 }, digest[HASH_MAX], salted[K], mask[K];
    const struct span parts[] = { { zeros, 8 }, { digest, h }, { salted, salt } };

    assert_int_equal(hash_once(HASHED, message.p, message.n, digest), 0);
    fill(salted, salt, 11 + seed);
    em[db - salt - 1] = (uint8_t)(row->separator ? row->separator : 1);
    if (row->padding) {
        em[3] = (uint8_t)row->padding;
    }
    memcpy(em + db - salt, salted, salt);
    assert_int_equal(hash_parts(HASHED, parts, 3, em + db), 0);
    em[db] ^= row->short_hash;
    mgf1(row->mgf ? row->mgf : HASHED, em + db, h, mask, db);
    for (size_t i = 0; i < db; i++) {
        em[i] ^= mask[i];
    }
    em[0] &= 0x7f; /* one bit less than the modulus */
    em[K - 1] = (uint8_t)(row->trailer ? row->trailer : 0xbc);
    if (row->top) { /* still below the modulus, of which the first bit is set */
        em[0] = 0x80;
        memset(em + 1, 0, 4);
    }
    return raw(em);
}

static struct bytes pss_right(unsigned seed)
{
    const struct pss right = { .salt = 32 };

    return pss_sig(&right, seed);
}

static void pss(void **state)
{
    static const struct pss variants[] = {
        { "right", 32, HASH_NONE, 0, 0, 0, 0, false, false },
        { "no salt", .salt = 0, .rc = BAD_SIG },
        { "a byte of salt", .salt = 1, .rc = BAD_SIG },
        { "20 bytes of salt", .salt = 20, .rc = BAD_SIG },
        { "31 bytes of salt", .salt = 31, .rc = BAD_SIG },
        { "33 bytes of salt", .salt = 33, .rc = BAD_SIG },
        { "all salt", .salt = -1, .rc = BAD_SIG },
        { "MGF1 with SHA-1", .salt = 32, .mgf = HASH_SHA1, .rc = BAD_SIG },
        { "MGF1 with SHA-384", .salt = 32, .mgf = HASH_SHA384, .rc = BAD_SIG },
        { "MGF1 with SHA-512", .salt = 32, .mgf = HASH_SHA512, .rc = BAD_SIG },
        { "another trailer", .salt = 32, .trailer = 0xbd, .rc = BAD_SIG },
        { "the trailer of ISO 9796-2", .salt = 32, .trailer = 0xcc, .rc = BAD_SIG },
        { "2 between padding and salt", .salt = 32, .separator = 2, .rc = BAD_SIG },
        { "255 between padding and salt", .salt = 32, .separator = 255, .rc = BAD_SIG },
        { "padding that is not zero", .salt = 32, .padding = 4, .rc = BAD_SIG },
        { "a 1 in the padding", .salt = 32, .padding = 1, .rc = BAD_SIG },
        { "the first bit is set", .salt = 32, .top = true, .rc = BAD_SIG },
        { "another hash inside", .salt = 32, .short_hash = true, .rc = BAD_SIG },
    };
    const struct bytes good = pss_right(0);

    (void)state;
    for (size_t i = 0; i < sizeof variants / sizeof *variants; i++) {
        for (unsigned seed = 0; seed < 4; seed++) {
            const struct bytes sig = pss_sig(&variants[i], seed);

            verdict(SIG_RSA_PSS, &sig, variants[i].rc, variants[i].what);
        }
    }
    lengths_and_range(SIG_RSA_PSS, &good);
    in_range_or_not(SIG_RSA_PSS, pss_right);
    verdict(SIG_RSA_PKCS1, &good, BAD_SIG, "PSS taken for PKCS #1");
}

static int prepare(void **state)
{
    assert_int_equal(start_crypto(state), 0);
    pub = public_of(key_of(KEY_RSA));
    return 0;
}

static int finish(void **state)
{
    pubkey_unref(pub);
    return keys_end(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pkcs1),
        cmocka_unit_test(pss),
    };

    return cmocka_run_group_tests(tests, prepare, finish);
}
