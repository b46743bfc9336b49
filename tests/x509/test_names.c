/* SPDX-License-Identifier: ISC */
/* threat 32: which host a certificate speaks for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "forge.h"

#define L63  "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijk"
#define N253 L63 "." L63 "." L63 ".abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghi"

static const struct {
    const char *name; /* one dNSName, byte for byte */
    size_t n;
    const char *host;
    bool match;
} dns_rows[] = {
#define ROW(name, host, match)             \
    {                                      \
        name, sizeof name - 1, host, match \
    }
    /* equal names */
    ROW("a.test", "a.test", true),
    ROW("a.test", "b.test", false),
    ROW("a.test", "A.TEST", true),
    ROW("A.Test", "a.tESt", true),
    ROW("a.test", "a.test.", true),
    ROW("a.test", "a.test..", false),
    ROW("a.test", ".a.test", false),
    ROW("a.test", "a..test", false),
    ROW("a.test", "b.a.test", false),
    ROW("a.test", "test", false),
    ROW("a.test", "xa.test", false),
    ROW("a.test", "a.testx", false),
    ROW("a.test", "a.tes", false),
    ROW("b.a.test", "a.test", false),
    ROW("localhost", "localhost", true),
    ROW("localhost", "localhost.", true),
    ROW("LOCALHOST", "localhost", true),
    ROW("a-b.test", "a-b.test", true),
    ROW("a--b.test", "a--b.test", true),
    ROW("a_b.test", "a_b.test", true),
    ROW("_sip.test", "_sip.test", true),
    ROW("_sip._tcp.test", "_sip._tcp.test", true),
    ROW("1.test", "1.test", true),
    ROW("1a.test", "1a.test", true),
    ROW("a.1test", "a.1test", true),
    ROW("0x.test", "0x.test", true),
    ROW("a.0xtest", "a.0xtest", true),
    ROW("a.test", "", false),
    ROW("", "", false),
    ROW("", "a.test", false),
    ROW(".", ".", false),
    ROW(".", "", false),
    ROW(".a.test", "b.a.test", false),
    ROW(".a.test", "a.test", false),
    ROW(".test", "a.test", false),
    ROW("a.test.", "a.test", false),
    ROW("a.test.", "a.test.", false),
    /* hyphens, lengths */
    ROW("-a.test", "-a.test", false),
    ROW("a-.test", "a-.test", false),
    ROW("a.-test", "a.-test", false),
    ROW("a.test-", "a.test-", false),
    ROW("-", "-", false),
    ROW(L63 ".test", L63 ".test", true),
    ROW(L63 "x.test", L63 "x.test", false),
    ROW(N253, N253, true),
    ROW(N253 "x", N253 "x", false),
    ROW(N253, N253 ".", true),
    /* bytes that no host name has */
    ROW("a.test\0", "a.test", false),
    ROW("a.test\0.evil.test", "a.test", false),
    ROW("a.test\0.evil.test", "a.test\0.evil.test", false),
    ROW("\0a.test", "a.test", false),
    ROW("a\0.test", "a", false),
    ROW("a.test ", "a.test", false),
    ROW("a.test ", "a.test ", false),
    ROW(" a.test", "a.test", false),
    ROW("a b.test", "a b.test", false),
    ROW("a.test\n", "a.test\n", false),
    ROW("a.test\n", "a.test", false),
    ROW("a.test\t", "a.test", false),
    ROW("a/b.test", "a/b.test", false),
    ROW("a.test/", "a.test/", false),
    ROW("a.test:443", "a.test:443", false),
    ROW("a.test", "a.test:443", false),
    ROW("https://a.test", "https://a.test", false),
    ROW("x@a.test", "x@a.test", false),
    ROW("a%62.test", "ab.test", false),
    ROW("a\\b.test", "a\\b.test", false),
    ROW("a,b.test", "a,b.test", false),
    ROW("a;b.test", "a;b.test", false),
    ROW("a'b.test", "a'b.test", false),
    ROW("(a).test", "(a).test", false),
    ROW("a$.test", "a$.test", false),
    ROW("a\x7f.test", "a\x7f.test", false),
    ROW("a\xe9.test", "a\xe9.test", false),
    /* names in other alphabets: their ASCII form only */
    ROW("xn--bcher-kva.test", "xn--bcher-kva.test", true),
    ROW("XN--BCHER-KVA.test", "xn--bcher-kva.test", true),
    ROW("xn--bcher-kva.test",
        "b\xc3\xbc"
        "cher.test",
        false),
    ROW("b\xc3\xbc"
        "cher.test",
        "b\xc3\xbc"
        "cher.test",
        false),
    ROW("b\xc3\xbc"
        "cher.test",
        "xn--bcher-kva.test", false),
    ROW("xn--.test", "xn--.test", false),
    ROW("xn--99999999999999999999999999.test", "xn--99999999999999999999999999.test", true),
    ROW("a\xef\xbc\x8etest", "a.test", false),
    ROW("a\xe3\x80\x82test", "a.test", false),
    ROW("\xd0\xb0.test", "a.test", false),
    ROW("*.xn--bcher-kva.test", "a.xn--bcher-kva.test", true),
    ROW("xn--*.a.test", "xn--x.a.test", false),
    ROW("*.a.test", "xn--bcher-kva.a.test", true),
    /* wildcards: the whole left-most label, two labels behind it */
    ROW("*.a.test", "b.a.test", true),
    ROW("*.A.test", "b.a.TEST", true),
    ROW("*.a.test", "b.a.test.", true),
    ROW("*.a.test", "_b.a.test", true),
    ROW("*.a.test", "1.a.test", true),
    ROW("*.a.test", "a.test", false),
    ROW("*.a.test", ".a.test", false),
    ROW("*.a.test", "c.b.a.test", false),
    ROW("*.a.test", "*.a.test", false),
    ROW("*.a.test", "b.c.test", false),
    ROW("*.a.test", "ba.test", false),
    ROW("*.a.test", "-b.a.test", false),
    ROW("*.a.test", "b-.a.test", false),
    ROW("*.a.test", "b\xc3\xbc.a.test", false),
    ROW("*.a.test.", "b.a.test", false),
    ROW("*.b.a.test", "c.b.a.test", true),
    ROW("*.b.a.test", "b.a.test", false),
    ROW("*.test", "a.test", false),
    ROW("*.com", "a.com", false),
    ROW("*.co.uk", "a.co.uk", true), /* no public suffix list here */
    ROW("*", "a", false),
    ROW("*", "a.test", false),
    ROW("*", "localhost", false),
    ROW("*.", "a.", false),
    ROW("*.localhost", "a.localhost", false),
    ROW("*..test", "a..test", false),
    ROW("*.*.test", "b.a.test", false),
    ROW("*.*.a.test", "c.b.a.test", false),
    ROW("a.*.test", "a.b.test", false),
    ROW("a.b.*", "a.b.test", false),
    ROW("b*.a.test", "bc.a.test", false),
    ROW("*b.a.test", "cb.a.test", false),
    ROW("b*c.a.test", "bxc.a.test", false),
    ROW("**.a.test", "b.a.test", false),
    ROW("*a.test", "aa.test", false),
    ROW("*-b.a.test", "a-b.a.test", false),
    ROW("?.a.test", "b.a.test", false),
    ROW("*.a.test\0", "b.a.test", false),
    ROW("*\0.a.test", "b.a.test", false),
    ROW(" *.a.test", "b.a.test", false),
    ROW("*.a.test ", "b.a.test", false),
    ROW("*." L63 ".test", "a." L63 ".test", true),
    ROW("*." L63 "x.test", "a." L63 "x.test", false),
    /* an address is no DNS name, whatever the certificate says */
    ROW("192.0.2.1", "192.0.2.1", false),
    ROW("*.0.2.1", "192.0.2.1", false),
    ROW("192.0.2.*", "192.0.2.1", false),
    ROW("2001:db8::1", "2001:db8::1", false),
    ROW("::1", "::1", false),
    ROW("[::1]", "[::1]", false),
    ROW("127.1", "127.1", false),
    ROW("0x7f000001", "0x7f000001", false),
    ROW("2130706433", "2130706433", false),
    ROW("0x7f.1", "0x7f.1", false),
    ROW("a.1", "a.1", false),
    ROW("a.0x1", "a.0x1", false),
    ROW("a.0x", "a.0x", false),
    ROW("*.a.1", "b.a.1", false),
    ROW("1.2.3.4.5", "1.2.3.4.5", false),
    ROW("256.1.1.1", "256.1.1.1", false),
    ROW("192.0.2.1.", "192.0.2.1.", false),
    ROW("192.0.2.1", "192.0.2.1.", false),
    ROW("01.02.03.04", "1.2.3.4", false),
    ROW("1.2.3.4.in-addr.arpa", "1.2.3.4.in-addr.arpa", true),
    ROW("1.2.3.4", "1.2.3.4.", false),
    ROW("0.0.0.0", "0.0.0.0", false),
    ROW("0177.0.0.1", "0177.0.0.1", false),
    ROW("127.0.0.0x1", "127.0.0.0x1", false),
    ROW("0x.0x", "0x.0x", false),
    ROW("::ffff:192.0.2.1", "::ffff:192.0.2.1", false),
    /* a zero byte wherever a name is right without what stands behind it */
    ROW("b.a.test\0", "b.a.test.", false),
    ROW("*.a.test\0.evil.test", "b.a.test", false),
    ROW("*.a\0.test", "b.a", false),
    ROW("a.test.\0", "a.test.", false),
    ROW("a.te\0st", "a.test", false),
    ROW("\0", "", false),
    ROW("\0\0\0\0\0\0", "a.test", false),
};

static const struct {
    const char *entry; /* one iPAddress, byte for byte */
    size_t n;
    const char *host;
    bool match;
} ip_rows[] = {
    ROW("\xc0\x00\x02\x01", "192.0.2.1", true),
    ROW("\xc0\x00\x02\x01", "192.0.2.2", false),
    ROW("\xc0\x00\x02\x01", "192.0.2.01", false),
    ROW("\xc0\x00\x02\x01", "192.0.513", false),
    ROW("\xc0\x00\x02\x01", "3221225985", false),
    ROW("\xc0\x00\x02\x01", "0xc0000201", false),
    ROW("\xc0\x00\x02\x01", "192.0.2.1 ", false),
    ROW("\xc0\x00\x02\x01", " 192.0.2.1", false),
    ROW("\xc0\x00\x02\x01", "192.0.2.1.", false),
    ROW("\xc0\x00\x02\x01", "192.0.2.1:443", false),
    ROW("\xc0\x00\x02\x01", "192.0.2.1/32", false),
    ROW("\xc0\x00\x02\x01", "::ffff:192.0.2.1", false),
    ROW("\0\0\0\0\0\0\0\0\0\0\xff\xff\xc0\x00\x02\x01", "192.0.2.1", false),
    ROW("\0\0\0\0\0\0\0\0\0\0\xff\xff\xc0\x00\x02\x01", "::ffff:192.0.2.1", true),
    ROW("\xc0\x00\x02\x01\xff\xff\xff\xff", "192.0.2.1", false),
    ROW("\xc0\x00\x02", "192.0.2.0", false),
    ROW("", "0.0.0.0", false),
    ROW("\0\0\0\0", "0.0.0.0", true),
    ROW("192.0.2.1", "192.0.2.1", false),
    ROW("\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1", "::1", true),
    ROW("\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1", "0:0:0:0:0:0:0:1", true),
    ROW("\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1", "[::1]", false),
    ROW("\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1", "::2", false),
    ROW("\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1", "::1%lo", false),
    ROW("\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1", "::1%1", false),
    ROW("\0\0\0\1", "::1", false),
    ROW("\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1", "2001:DB8::1", true),
    ROW("\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1", "2001:db8::1:1", false),
    ROW("a.test", "a.test", false),
    ROW("\xc0\x00\x02\x01", "", false),
    ROW("\xc0\x00\x02\x01", "192.0.2", false),
    ROW("\xc0\x00\x02\x01", "192.0.2.1.1", false),
    ROW("\xc0\x00\x02\x01", "192.0.2.257", false),
    ROW("\xc0\x00\x02\x01", "0300.0.2.1", false),
    ROW("\xc0\x00\x02\x01", "192.0.2.1\n", false),
    ROW("\xc0\x00\x02\x01", "*", false),
    ROW("\x7f\x00\x00\x01", "localhost", false),
    ROW("\x7f\x00\x00\x01", "::1", false),
    ROW("\xc0\x00\x02\x01\0\0\0\0\0\0\0\0\0\0\0\0", "192.0.2.1", false),
    ROW("\0\0\0\0\0\0\0\0\0\0\0\0\xc0\x00\x02\x01", "192.0.2.1", false),
    ROW("\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", "::", false),
    ROW("\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", "::", true),
    ROW("\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", "::", false),
};

/* A certificate that has nothing but one alternative name of that kind. */
static bool matches(uint8_t tag, const char *name, size_t n, const char *host)
{
    uint8_t mem[1024];
    struct wr w = wr_of(mem, sizeof mem);
    struct cert c = { .has_san = true };
    struct error err;
    int rc;

    error_clear(&err);
    der_put(&w, tag, span_of(name, n));
    assert_true(wr_ok(&w));
    c.san = span_of(mem, w.len);
    rc = cert_match_host(&c, host, &err);
    assert_true(rc == 0 || rc == TLS_ALERT(ALERT_BAD_CERTIFICATE));
    assert_true((rc == 0) == !err.text[0]);
    return rc == 0;
}

static void threat_32_dns_names(void **state)
{
    size_t wrong = 0;

    (void)state;
    for (size_t i = 0; i < sizeof dns_rows / sizeof *dns_rows; i++) {
        if (matches(DER_CONTEXT(2), dns_rows[i].name, dns_rows[i].n, dns_rows[i].host) !=
            dns_rows[i].match) {
            print_error("row %zu: %s for %s\n", i, dns_rows[i].name, dns_rows[i].host);
            wrong++;
        }
        /* The same bytes as any other kind of name speak for nobody. */
        for (uint8_t kind = 0; kind <= 8; kind++) {
            if (kind != 2) {
                assert_false(
                    matches(DER_CONTEXT(kind), dns_rows[i].name, dns_rows[i].n, dns_rows[i].host));
            }
        }
    }
    assert_int_equal(wrong, 0);
    assert_true(sizeof dns_rows / sizeof *dns_rows + sizeof ip_rows / sizeof *ip_rows >= 200);
}

static void threat_32_addresses(void **state)
{
    size_t wrong = 0;

    (void)state;
    for (size_t i = 0; i < sizeof ip_rows / sizeof *ip_rows; i++) {
        if (matches(DER_CONTEXT(7), ip_rows[i].entry, ip_rows[i].n, ip_rows[i].host) !=
            ip_rows[i].match) {
            print_error("row %zu: %s\n", i, ip_rows[i].host);
            wrong++;
        }
        assert_false(matches(DER_CONTEXT(2), ip_rows[i].entry, ip_rows[i].n, ip_rows[i].host) &&
                     ip_rows[i].match);
    }
    assert_int_equal(wrong, 0);
}

static void several_names(void **state)
{
    struct forge f = {
        .subject = "cn.test",
        .issuer = "x",
        .names = "a.test email:e@e.test *.w.test 192.0.2.1 dn:d.test uri:u.test 2001:db8::1"
    };
    struct cert c = forge_cert(&f);
    struct error err;

    (void)state;
    assert_int_equal(cert_match_host(&c, "a.test", NULL), 0);
    assert_int_equal(cert_match_host(&c, "x.w.test", NULL), 0);
    assert_int_equal(cert_match_host(&c, "192.0.2.1", NULL), 0);
    assert_int_equal(cert_match_host(&c, "2001:db8::1", NULL), 0);
    assert_true(cert_match_host(&c, "cn.test", NULL) < 0);
    assert_true(cert_match_host(&c, "d.test", NULL) < 0);
    assert_true(cert_match_host(&c, "e.test", NULL) < 0);
    assert_true(cert_match_host(&c, "u.test", NULL) < 0);
    assert_true(cert_match_host(&c, NULL, NULL) < 0);
    error_clear(&err);
    assert_true(cert_match_host(&c, "b.test", &err) < 0);
    assert_string_equal(err.text, "the certificate CN=cn.test is not for b.test: it names a.test, "
                                  "*.w.test, 192.0.2.1, 2001:db8::1");
    error_clear(&err);
    c.san = span_of(NULL, 0);
    assert_true(cert_match_host(&c, "b.test", &err) < 0);
    assert_string_equal(err.text,
                        "the certificate CN=cn.test is not for b.test: it names no host at "
                        "all (subjectAltName)");
    error_clear(&err);
    assert_true(cert_match_host(&c, "b test", &err) < 0);
    assert_string_equal(
        err.text, "\"b test\" is neither a host name nor an address: nothing can speak for it");
    free((void *)(uintptr_t)c.der.p);
}

static void hosts(void **state)
{
    (void)state;
    assert_true(host_is_valid("a.test"));
    assert_true(host_is_valid("a.test."));
    assert_true(host_is_valid("::1"));
    assert_true(host_is_valid("10.0.0.1"));
    assert_false(host_is_valid(NULL));
    assert_false(host_is_valid(""));
    assert_false(host_is_valid("."));
    assert_false(host_is_valid("*.a.test"));
    assert_false(host_is_valid("a b"));
    assert_false(host_is_valid("10.0.0"));
    assert_true(host_is_ip("::1"));
    assert_true(host_is_ip("10.0.0.1"));
    assert_false(host_is_ip("a.test"));
    assert_false(host_is_ip("10.1"));
    assert_false(host_is_ip(""));
    assert_false(host_is_ip(NULL));
}

static void name_text(void **state)
{
    static const uint8_t name[] = "\x30\x3a\x31\x0b\x30\x09\x06\x03\x55\x04\x06\x13\x02XX"
                                  "\x31\x11\x30\x0f\x06\x03\x55\x04\x0a\x0c\x08"
                                  "A, B\\C\n\xc3"
                                  "\x31\x18\x30\x09\x06\x03\x55\x04\x03\x0c\x02me"
                                  "\x30\x0b\x06\x03\x55\x04\x63\x0c\x04what";
    static const char full[] = "CN=me, ?=what, O=A\\, B\\\\C??, C=XX";
    char text[64];

    (void)state;
    assert_string_equal(cert_name_text(span_of(name, sizeof name - 1), text, sizeof text), full);
    for (size_t size = 1; size < sizeof full; size++) {
        memset(text, 'z', sizeof text);
        assert_ptr_equal(cert_name_text(span_of(name, sizeof name - 1), text, size), text);
        assert_int_equal(strlen(text), size - 1);
        assert_memory_equal(text, full, size - 1);
        assert_int_equal(text[size], 'z');
    }
    /* Cut anywhere it is still text. */
    for (size_t n = 0; n < sizeof name - 1; n++) {
        assert_string_equal(cert_name_text(span_of(name, n), text, sizeof text), "(no name)");
    }
    assert_string_equal(cert_name_text(span_of("\x30\x00", 2), text, sizeof text), "(no name)");
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
        cmocka_unit_test(threat_32_dns_names), cmocka_unit_test(threat_32_addresses),
        cmocka_unit_test(several_names),       cmocka_unit_test(hosts),
        cmocka_unit_test(name_text),
    };

    return cmocka_run_group_tests_name("names", tests, NULL, done);
}
