/* SPDX-License-Identifier: ISC */
/* Certificates taken apart: the fields, every truncation, every changed byte, and malformed parts.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/stat.h>
#include <cmocka.h>

#include "forge.h"

static const struct forge usual = {
    .subject = "leaf",
    .issuer = "root",
    .key = 1,
    .by = 0,
    .ca = CA_FALSE,
    .ku = KU_DIGITAL_SIGNATURE | KU_KEY_AGREEMENT,
    .eku = EKU_SERVER | EKU_OTHER,
    .names = "a.test 192.0.2.1",
};

static void fields(void **state)
{
    struct cert c = forge_cert(&usual), root;
    struct forge f = {
        .subject = "root", .issuer = "root", .ca = CA_TRUE, .path_len = 4, .permitted = "test"
    };
    char text[64];
    struct pubkey *key;

    (void)state;
    assert_int_equal(c.version, 3);
    assert_int_equal(c.not_before, NOW - DAY);
    assert_int_equal(c.not_after, NOW + YEAR);
    assert_string_equal(cert_name_text(c.subject, text, sizeof text), "CN=leaf");
    assert_string_equal(cert_name_text(c.issuer, text, sizeof text), "CN=root");
    assert_memory_equal(c.serial.p, "\x10\x01", 2);
    assert_int_equal(c.serial.n, 2);
    assert_true(c.sig.known && !c.sig.weak);
    assert_int_equal(c.sig.kind, SIG_ECDSA);
    assert_int_equal(c.sig.hash, HASH_SHA256);
    assert_int_equal(c.key_type, KEY_EC_P256);
    assert_int_equal(c.key_point.n, 65);
    assert_true(c.has_bc && !c.ca && c.has_ku && c.has_eku && c.has_san);
    assert_false(c.critical_unknown || c.self_issued);
    assert_int_equal(c.ku, KU_DIGITAL_SIGNATURE | KU_KEY_AGREEMENT);
    assert_int_equal(c.eku, EKU_SERVER | EKU_OTHER);
    assert_int_equal(c.path_len, -1);
    assert_int_equal(c.ski.n, 4);
    assert_int_equal(c.aki.n, 4);
    assert_memory_equal(c.ski.p, "\x5a\x01", 2);
    assert_memory_equal(c.aki.p, "\x5a\x00", 2);
    assert_int_equal(c.name_constraints.n, 0);
    assert_ptr_equal(c.der.p + 4, c.tbs.p);
    assert_int_equal(cert_pubkey(&c, &key), 0);
    assert_int_equal(pubkey_type(key), KEY_EC_P256);
    assert_int_equal(privkey_matches(forge_key(1), key), 0);
    pubkey_unref(key);

    root = forge_cert(&f);
    assert_true(root.self_issued && root.has_bc && root.ca);
    assert_int_equal(root.path_len, 3);
    assert_false(root.has_ku || root.has_eku || root.has_san);
    assert_true(root.name_constraints.n > 0);
    free((void *)(uintptr_t)c.der.p);
    free((void *)(uintptr_t)root.der.p);
}

static void path_length_without_ca_counts_nothing(void **state)
{
    struct forge f = usual;
    struct cert c;

    (void)state;
    f.path_len = 1;
    c = forge_cert(&f);
    assert_true(!c.ca && c.path_len == -1);
    free((void *)(uintptr_t)c.der.p);
}

static void kinds_of_key(void **state)
{
    static const struct {
        int key;
        enum key_type type;
        enum sig_kind kind;
        enum hash_id hash;
    } rows[] = {
        { 0, KEY_EC_P256, SIG_ECDSA, HASH_SHA256 },
        { KEY_P, KEY_EC_P384, SIG_ECDSA, HASH_SHA384 },
        { KEY_D, KEY_ED25519, SIG_EDDSA, HASH_NONE },
        { KEY_R, KEY_RSA, SIG_RSA_PKCS1, HASH_SHA256 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct forge f = usual;
        struct pubkey *key;
        struct cert c;

        f.key = f.by = rows[i].key;
        c = forge_cert(&f);
        assert_int_equal(c.key_type, rows[i].type);
        assert_int_equal(c.sig.kind, rows[i].kind);
        assert_int_equal(c.sig.hash, rows[i].hash);
        assert_int_equal(cert_pubkey(&c, &key), 0);
        assert_int_equal(pubkey_verify(key, c.sig.kind, c.sig.hash, &c.tbs, 1, c.sig.bits), 0);
        assert_int_equal(privkey_matches(forge_key(f.key), key), 0);
        pubkey_unref(key);
        free((void *)(uintptr_t)c.der.p);
    }
}

static void expect_refused(struct span der, const char *why)
{
    struct error err;
    struct cert c;

    error_clear(&err);
    assert_int_equal(cert_parse(&c, der, &err), ERR_PARSE);
    assert_int_equal(err.code, ERR_PARSE);
    if (why && !strstr(err.text, why)) {
        fail_msg("\"%s\" instead of \"%s\"", err.text, why);
    }
}

static void refused_as_a_whole(void **state)
{
    struct forge f;
    struct span der;
    uint8_t *longer;

    (void)state;
    f = usual;
    f.alg = ALG_DIFFER;
    der = forge_der(&f);
    expect_refused(der, "two signature algorithms differ");
    free((void *)(uintptr_t)der.p);

    f = usual;
    f.twice = true;
    der = forge_der(&f);
    expect_refused(der, "same extension twice");
    free((void *)(uintptr_t)der.p);

    f = usual;
    f.version = 4;
    der = forge_der(&f);
    expect_refused(der, "version");
    free((void *)(uintptr_t)der.p);

    der = forge_der(&usual);
    longer = malloc(der.n + 1);
    assert_non_null(longer);
    memcpy(longer, der.p, der.n);
    longer[der.n] = 0;
    expect_refused(span_of(longer, der.n + 1), "not a certificate");
    free(longer);
    free((void *)(uintptr_t)der.p);
    expect_refused(span_of(NULL, 0), "not a certificate");
}

/* A certificate of that version (-1: not written, as version 1 is) with these bytes where the
 * extensions go, or what else may come behind the key. Signatures do not matter to the parser. */
static struct span tbs_with(int written_version, const char *bytes, size_t n)
{
    static uint8_t mem[8192];
    struct forge f = { .subject = "s", .issuer = "i", .no_ids = true, .version = 2 };
    struct span base = forge_der(&f);
    struct rd r = rd_span(base), whole, tbs, in, alg;
    struct span version, alg_whole, sig;
    struct wr w = wr_of(mem, sizeof mem);

    /* A version 2 certificate has no extensions: these are put behind the rest of it. */
    assert_true(der_get(&r, DER_SEQUENCE, &whole) && der_get(&whole, DER_SEQUENCE, &tbs) &&
                der_whole(&tbs, DER_CONSTRUCTED(0), &version, &in) &&
                der_whole(&whole, DER_SEQUENCE, &alg_whole, &alg) && der_bit_bytes(&whole, &sig));
    if (written_version >= 0) {
        der_put_uint32(&w, (uint32_t)written_version);
        der_close(&w, 0, DER_CONSTRUCTED(0));
    }
    wr_bytes(&w, tbs.p, tbs.n);
    wr_bytes(&w, bytes, n);
    der_close(&w, 0, DER_SEQUENCE);
    wr_bytes(&w, alg_whole.p, alg_whole.n);
    wr_bytes(&w, "\x03\x02\x00\x00", 4);
    der_close(&w, 0, DER_SEQUENCE);
    assert_true(wr_ok(&w));
    free((void *)(uintptr_t)base.p);
    return span_of(mem, w.len);
}

/* One extension id-ce-`id` with that value. */
static struct span with_extension(uint8_t id, const char *value, size_t n)
{
    uint8_t mem[4096];
    struct wr w = wr_of(mem, sizeof mem);
    const uint8_t oid[] = { DER_OID, 3, 0x55, 0x1d, id };

    wr_bytes(&w, oid, sizeof oid);
    der_put(&w, DER_OCTET_STRING, span_of(value, n));
    der_close(&w, 0, DER_SEQUENCE);
    der_close(&w, 0, DER_SEQUENCE);
    der_close(&w, 0, DER_CONSTRUCTED(3));
    assert_true(wr_ok(&w));
    return tbs_with(2, (const char *)mem, w.len);
}

static void extensions(void **state)
{
    static const struct {
        uint8_t id;
        const char *value;
        size_t n;
        bool ok;
    } rows[] = {
#define ROW(id, value, ok) { id, value, sizeof value - 1, ok }
        /* basic constraints */
        ROW(0x13, "\x30\x00", true),
        ROW(0x13, "\x30\x03\x01\x01\xff", true),
        ROW(0x13, "\x30\x03\x01\x01\x00", true),
        ROW(0x13, "\x30\x03\x01\x01\x01", false),
        ROW(0x13, "\x30\x06\x01\x01\xff\x02\x01\x00", true),
        ROW(0x13, "\x30\x06\x01\x01\xff\x02\x01\xff", false),
        ROW(0x13, "\x30\x07\x01\x01\xff\x02\x02\x00\x01", false),
        ROW(0x13, "\x30\x09\x01\x01\xff\x02\x01\x00\x02\x01\x00", false),
        ROW(0x13, "\x30\x09\x02\x01\x00\x01\x01\xff", false),
        ROW(0x13, "\x30\x00\x00", false),
        ROW(0x13, "", false),
        ROW(0x13, "\x31\x00", false),
        /* key usage */
        ROW(0x0f, "\x03\x02\x07\x80", true),
        ROW(0x0f, "\x03\x02\x00\x80", true),
        ROW(0x0f, "\x03\x03\x07\x00\x80", true),
        ROW(0x0f, "\x03\x01\x00", true),
        ROW(0x0f, "\x03\x04\x00\x00\x00\x80", false),
        ROW(0x0f, "\x03\x02\x07\x81", false),
        ROW(0x0f, "\x03\x02\x07\x80\x00", false),
        ROW(0x0f, "\x04\x02\x07\x80", false),
        /* extended key usage */
        ROW(0x25, "\x30\x03\x06\x01\x2a", true),
        ROW(0x25, "\x30\x00", false),
        ROW(0x25, "\x30\x03\x06\x01\xaa", false),
        ROW(0x25, "\x30\x03\x05\x01\x2a", false),
        ROW(0x25, "\x30\x03\x06\x01\x2a\x00", false),
        /* alternative names */
        ROW(0x11, "\x30\x03\x82\x01\x61", true),
        ROW(0x11, "\x30\x00", false),
        ROW(0x11, "\x30\x03\x82\x02\x61", false),
        ROW(0x11, "\x30\x03\x89\x01\x61", false),
        ROW(0x11, "\x30\x03\x0c\x01\x61", false),
        ROW(0x11, "\x30\x03\xa2\x01\x61", false),
        ROW(0x11, "\x30\x03\x84\x01\x61", false),
        ROW(0x11, "\x30\x03\x42\x01\x61", false),
        ROW(0x11, "\x30\x04\x82\x00\x82\x00", true),
        /* key identifiers */
        ROW(0x0e, "\x04\x01\x61", true),
        ROW(0x0e, "\x04\x01\x61\x00", false),
        ROW(0x0e, "\x0c\x01\x61", false),
        ROW(0x23, "\x30\x00", true),
        ROW(0x23, "\x30\x03\x80\x01\x61", true),
        ROW(0x23, "\x30\x03\x80\x02\x61", false),
        ROW(0x23, "\x30\x06\xa1\x01\x61\x82\x01\x61", true),
        ROW(0x23, "\x31\x00", false),
        /* name constraints */
        ROW(0x1e, "\x30\x07\xa0\x05\x30\x03\x82\x01\x61", true),
        ROW(0x1e, "\x30\x07\xa1\x05\x30\x03\x82\x01\x61", true),
        ROW(0x1e, "\x30\x0e\xa0\x05\x30\x03\x82\x01\x61\xa1\x05\x30\x03\x82\x01\x61", true),
        ROW(0x1e, "\x30\x0e\xa1\x05\x30\x03\x82\x01\x61\xa0\x05\x30\x03\x82\x01\x61", false),
        ROW(0x1e, "\x30\x00", false),
        ROW(0x1e, "\x30\x02\xa0\x00", false),
        ROW(0x1e, "\x30\x07\xa2\x05\x30\x03\x82\x01\x61", false),
        ROW(0x1e, "\x30\x0a\xa0\x08\x30\x06\x82\x01\x61\x80\x01\x00", false), /* minimum */
        ROW(0x1e, "\x30\x0a\xa0\x08\x30\x06\x82\x01\x61\x81\x01\x00", false), /* maximum */
        ROW(0x1e, "\x30\x07\xa0\x05\x30\x03\x82\x01*", false),
        ROW(0x1e, "\x30\x07\xa0\x05\x30\x03\x82\x01\x00", false),
        ROW(0x1e, "\x30\x0b\xa0\x09\x30\x07\x87\x05\x0a\0\xff\xff\xff", false),
        ROW(0x1e, "\x30\x0e\xa0\x0c\x30\x0a\x87\x08\x0a\0\0\0\xff\0\0\0", true),
        ROW(0x1e, "\x30\x0e\xa0\x0c\x30\x0a\x87\x08\x0a\0\0\0\xff\0\xff\0",
            false), /* gap in mask */
        ROW(0x1e, "\x30\x0e\xa0\x0c\x30\x0a\x87\x08\x0a\0\0\0\x7f\0\0\0", false),
        ROW(0x1e, "\x30\x08\xa0\x06\x30\x04\xa4\x02\x30\x00", true),
        ROW(0x1e, "\x30\x08\xa0\x06\x30\x04\xa4\x02\x31\x00", false),
        ROW(0x1e, "\x30\x07\xa0\x05\x30\x03\x89\x01\x61", false),
    };
    size_t wrong = 0;

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct cert c;
        struct error err;

        error_clear(&err);
        if ((cert_parse(&c, with_extension(rows[i].id, rows[i].value, rows[i].n), &err) == 0) !=
            rows[i].ok) {
            print_error("row %zu: %s\n", i, err.text);
            wrong++;
        }
    }
    assert_int_equal(wrong, 0);
}

static void extension_lists(void **state)
{
    static const struct {
        const char *bytes;
        size_t n;
        bool ok;
    } rows[] = {
#define LIST(bytes, ok) { bytes, sizeof bytes - 1, ok }
        LIST("", true),
        LIST("\xa3\x0d\x30\x0b\x30\x09\x06\x03\x55\x1d\x7e\x04\x02\x05\x00", true),
        LIST("\xa3\x10\x30\x0e\x30\x0c\x06\x03\x55\x1d\x7e\x01\x01\x00\x04\x02\x05\x00", true),
        LIST("\xa3\x10\x30\x0e\x30\x0c\x06\x03\x55\x1d\x7e\x01\x01\x02\x04\x02\x05\x00", false),
        LIST("\xa3\x02\x30\x00", false),
        LIST("\xa3\x00", false),
        LIST("\xa3\x0e\x30\x0b\x30\x09\x06\x03\x55\x1d\x7e\x04\x02\x05\x00\x00", false),
        LIST("\xa3\x0b\x30\x09\x30\x07\x06\x03\x55\x1d\x7e\x05\x00", false),
        LIST("\x81\x01\x00", true),
        LIST("\x81\x01\x00\x82\x01\x00", true),
        LIST("\x82\x01\x00\x81\x01\x00", false),
        LIST("\x84\x01\x00", false),
        LIST("\x05\x00", false),
#undef LIST
    };
    char mem[2048];

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct cert c;

        assert_int_equal(cert_parse(&c, tbs_with(2, rows[i].bytes, rows[i].n), NULL) == 0,
                         rows[i].ok);
    }
    /* 64 different ones are taken, 65 are not. */
    for (size_t n = 64; n <= 65; n++) {
        struct wr w = wr_of(mem, sizeof mem);
        struct cert c;

        for (size_t i = 0; i < n; i++) {
            const uint8_t ext[] = { 0x30, 0x09, 6, 3, 0x2a, 0x03, (uint8_t)i, 4, 2, 5, 0 };

            wr_bytes(&w, ext, sizeof ext);
        }
        der_close(&w, 0, DER_SEQUENCE);
        der_close(&w, 0, DER_CONSTRUCTED(3));
        assert_true(wr_ok(&w));
        assert_int_equal(cert_parse(&c, tbs_with(2, mem, w.len), NULL), n == 64 ? 0 : ERR_PARSE);
    }
}

/* Unique identifiers are for versions 2 and 3, extensions for 3; version 1 is not written out. */
static void versions(void **state)
{
    static const char ids[] = "\x81\x01\x00";
    static const char exts[] = "\xa3\x0d\x30\x0b\x30\x09\x06\x03\x55\x1d\x7e\x04\x02\x05\x00";
    static const struct {
        int written;
        bool bare, with_ids, with_exts;
    } rows[] = {
        { -1, true, false, false }, { 0, false, false, false }, { 1, true, true, false },
        { 2, true, true, true },    { 3, false, false, false }, { 256, false, false, false },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct cert c;

        assert_int_equal(cert_parse(&c, tbs_with(rows[i].written, "", 0), NULL) == 0, rows[i].bare);
        assert_true(!rows[i].bare || c.version == (rows[i].written < 0 ? 1 : rows[i].written + 1));
        assert_int_equal(cert_parse(&c, tbs_with(rows[i].written, ids, sizeof ids - 1), NULL) == 0,
                         rows[i].with_ids);
        assert_int_equal(cert_parse(&c, tbs_with(rows[i].written, exts, sizeof exts - 1), NULL) ==
                             0,
                         rows[i].with_exts);
    }
}

/* Every truncation is refused; every other value of every byte is refused or is a certificate that
 * its issuer has not signed. */
static void torture(struct span der, const struct pubkey *issuer)
{
    uint8_t *copy = malloc(der.n);
    struct cert c;
    size_t parsed = 0;

    assert_non_null(copy);
    for (size_t n = 0; n < der.n; n++) {
        uint8_t *exact = malloc(n ? n : 1); /* so that a byte too far is seen */

        assert_non_null(exact);
        memcpy(exact, der.p, n);
        assert_int_equal(cert_parse(&c, span_of(exact, n), NULL), ERR_PARSE);
        free(exact);
    }
    memcpy(copy, der.p, der.n);
    for (size_t at = 0; at < der.n; at++) {
        for (unsigned delta = 1; delta < 256; delta++) {
            copy[at] = (uint8_t)(der.p[at] ^ delta);
            if (cert_parse(&c, span_of(copy, der.n), NULL) < 0) {
                continue;
            }
            parsed++;
            /* All single bits, and what comes often in DER; the rest would take long. */
            if ((delta & (delta - 1)) == 0 || copy[at] == 0 || copy[at] == 0xff) {
                assert_true(pubkey_verify(issuer, c.sig.kind, c.sig.hash, &c.tbs, 1, c.sig.bits) !=
                                0 ||
                            !c.sig.known);
            }
        }
        copy[at] = der.p[at];
    }
    assert_true(parsed > 0);
    assert_int_equal(cert_parse(&c, span_of(copy, der.n), NULL), 0);
    assert_int_equal(pubkey_verify(issuer, c.sig.kind, c.sig.hash, &c.tbs, 1, c.sig.bits), 0);
    free(copy);
}

static void threat_05_truncated_and_changed(void **state)
{
    static const int keys[] = { 0, KEY_R };

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct forge f = usual, root_f = { .subject = "root", .issuer = "root", .ca = CA_TRUE };
        struct cert c, root;
        struct pubkey *key;

        f.by = root_f.key = root_f.by = keys[i];
        f.permitted = "a.test dn:x 10.0.0.0/255.0.0.0";
        c = forge_cert(&f);
        root = forge_cert(&root_f);
        assert_int_equal(cert_pubkey(&root, &key), 0);
        torture(c.der, key);
        pubkey_unref(key);
        free((void *)(uintptr_t)c.der.p);
        free((void *)(uintptr_t)root.der.p);
    }
}

/* The same with the first self-signed root of the system, when it has any. */
static void threat_05_real_certificate(void **state)
{
    struct buf pem = { 0 }, der = { 0 };
    char label[64];
    size_t pos = 0;
    bool found = false;

    (void)state;
    if (file_read("/etc/ssl/certs/ca-certificates.crt", &pem, NULL) < 0) {
        skip();
    }
    while (!found && pem_next(buf_span(&pem), &pos, label, &der) == 1) {
        struct pubkey *key;
        struct cert c;

        assert_int_equal(cert_parse(&c, buf_span(&der), NULL), 0);
        if (c.sig.known && !c.sig.weak && c.key_type == KEY_EC_P384) {
            assert_int_equal(cert_pubkey(&c, &key), 0);
            torture(buf_span(&der), key);
            pubkey_unref(key);
            found = true;
        }
        buf_free(&der);
    }
    buf_free(&pem);
    assert_true(found);
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
        cmocka_unit_test(fields),
        cmocka_unit_test(path_length_without_ca_counts_nothing),
        cmocka_unit_test(kinds_of_key),
        cmocka_unit_test(refused_as_a_whole),
        cmocka_unit_test(extensions),
        cmocka_unit_test(extension_lists),
        cmocka_unit_test(versions),
        cmocka_unit_test(threat_05_truncated_and_changed),
        cmocka_unit_test(threat_05_real_certificate),
    };

    return cmocka_run_group_tests_name("cert", tests, NULL, done);
}
