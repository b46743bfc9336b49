/* SPDX-License-Identifier: ISC */
/* The state machines of STARTTLS at their limits: lines, sums, words that are nearly right. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
/* behind those */
#include <cmocka.h>

#include "preload/starttls_parts.h"

static struct prelude *talk;
static struct buf out;
static struct error err;

static int begin(enum starttls which, enum tls_role role, const char *host)
{
    prelude_free(talk);
    buf_free(&out);
    error_clear(&err);
    talk = starttls_new(which, role, host);
    assert_non_null(talk);
    return prelude_hear(talk, NULL, 0, &out, &err);
}

static int hear(const void *p, size_t n)
{
    return prelude_hear(talk, p, n, &out, &err);
}

static int hear_text(const char *text)
{
    return hear(text, strlen(text));
}

static bool said(const char *text)
{
    bool same = span_eq(buf_span(&out), span_text(text));

    buf_free(&out);
    return same;
}

static bool replays(const char *text)
{
    return span_eq(buf_span(&talk->replay), span_text(text));
}

static int end(void **state)
{
    (void)state;
    prelude_free(talk);
    talk = NULL;
    buf_free(&out);
    return 0;
}

/* n bytes with CR LF, in the greeting. */
static int line_of(size_t n)
{
    char *text = malloc(n + 1);
    int rc;

    assert_non_null(text);
    memset(text, 'x', n);
    (void)memcpy(text, "+OK ", 4);
    (void)memcpy(text + n - 2, "\r\n", 2);
    rc = hear(text, n);
    free(text);
    return rc;
}

static void line_length(void **state)
{
    (void)state;
    for (int k = -1; k <= 1; k++) {
        assert_int_equal(begin(STARTTLS_POP3, TLS_CLIENT, NULL), PRELUDE_MORE);
        assert_int_equal(line_of((size_t)(LINE_MAX_BYTES + k)), k <= 0 ? PRELUDE_MORE : ERR_LIMIT);
        assert_true(said(k <= 0 ? "STLS\r\n" : ""));
    }
}

static void sum_of_all(void **state)
{
    static const char line[] = "* 12 EXISTS 345\r\n"; /* 17 bytes */
    size_t heard = 0;

    (void)state;
    assert_int_equal(begin(STARTTLS_IMAP, TLS_CLIENT, NULL), PRELUDE_MORE);
    assert_int_equal(hear_text("* OK x\r\n"), PRELUDE_MORE);
    heard = 8;
    while (heard + sizeof line - 1 <= PRELUDE_MAX - 32) {
        assert_int_equal(hear_text(line), PRELUDE_MORE);
        heard += sizeof line - 1;
    }
    while (heard < PRELUDE_MAX) {
        assert_int_equal(hear("*", 1), PRELUDE_MORE);
        heard++;
    }
    assert_int_equal(hear("*", 1), ERR_LIMIT);
}

/* CVE-2011-0411: a byte behind the last word, in one piece with it. */
static void nothing_behind(void **state)
{
    (void)state;
    assert_int_equal(begin(STARTTLS_POP3, TLS_CLIENT, NULL), PRELUDE_MORE);
    assert_int_equal(hear_text("+OK a\r\n+OK b\r\n"), PRELUDE_DONE); /* an eager server */
    assert_true(talk->done && replays("+OK a\r\n"));
    assert_int_equal(begin(STARTTLS_POP3, TLS_CLIENT, NULL), PRELUDE_MORE);
    assert_int_equal(hear_text("+OK a\r\n+OK b\r\n+"), ERR_PARSE);
    assert_false(talk->done);
    assert_int_equal(begin(STARTTLS_PGSQL, TLS_CLIENT, NULL), PRELUDE_MORE);
    assert_int_equal(hear_text("SS"), ERR_PARSE);
    assert_int_equal(begin(STARTTLS_SMTP, TLS_SERVER, NULL), PRELUDE_MORE);
    assert_int_equal(hear_text("STARTTLS\r\nRSET\r\n"), ERR_PARSE);
}

static void odd_replies(void **state)
{
    static const struct {
        enum starttls which;
        const char *text;
        int rc;
    } rows[] = {
        { STARTTLS_SMTP, "220\r\n", PRELUDE_MORE },
        { STARTTLS_SMTP, "220x\r\n", ERR_PARSE },
        { STARTTLS_SMTP, "22\r\n", ERR_PARSE },
        { STARTTLS_SMTP, "\r\n", ERR_PARSE },
        { STARTTLS_SMTP, "020 x\r\n", ERR_PARSE },
        { STARTTLS_SMTP, "220-a\r\n250 b\r\n", ERR_PARSE },
        { STARTTLS_SMTP, "220 a\n", ERR_PARSE },
        { STARTTLS_SMTP, "220 a\rb\r\n", ERR_PARSE },
        { STARTTLS_SMTP, "220 \x7f\r\n", ERR_PARSE },
        { STARTTLS_SMTP, "554 a\r\n", ERR_UNSUPPORTED },
        { STARTTLS_SMTP, "220 a\r\n250-STARTTLSX\r\n250 XSTARTTLS\r\n", ERR_UNSUPPORTED },
        { STARTTLS_SMTP, "220 a\r\n250-x\r\n250 starttls\r\n", PRELUDE_MORE },
        { STARTTLS_SMTP, "220 a\r\n250 STARTTLS\r\n454 no\r\n", ERR_UNSUPPORTED },
        { STARTTLS_IMAP, "* PREAUTH x\r\n", ERR_UNSUPPORTED },
        { STARTTLS_IMAP, "* OKAY\r\n", ERR_PARSE },
        { STARTTLS_IMAP, "* OK \r\nS1 OKAY\r\n", ERR_UNSUPPORTED },
        { STARTTLS_IMAP, "* OK \r\nS11 OK x\r\n", ERR_PARSE },
        { STARTTLS_POP3, "+OKAY\r\n", ERR_PARSE },
        { STARTTLS_POP3, "+OK\r\n-ERR\r\n", ERR_UNSUPPORTED },
        { STARTTLS_NNTP, "200-a\r\n", ERR_PARSE },
        { STARTTLS_NNTP, "201 a\r\n381 b\r\n", ERR_UNSUPPORTED },
        { STARTTLS_FTP, "120 a\r\n220-b\r\nc\r\n220 d\r\n234-e\r\n234 f\r\n", PRELUDE_DONE },
        { STARTTLS_FTP, "220 a\r\n334 b\r\n", ERR_UNSUPPORTED },
        { STARTTLS_SIEVE, "OK\r\n", ERR_UNSUPPORTED },
        { STARTTLS_SIEVE, "\"STARTTLS\"\r\nOKAY\r\n", ERR_PARSE },
        { STARTTLS_IRC, ":a.b 670 x :y\r\n", PRELUDE_DONE },
        { STARTTLS_IRC, "670 x\r\n", PRELUDE_DONE },
        { STARTTLS_IRC, ":a.b 6700 x\r\n", ERR_UNSUPPORTED },
        { STARTTLS_XMPP, "<stream:stream/>", ERR_PARSE },
        { STARTTLS_XMPP, "x<stream:stream>", ERR_PARSE },
        { STARTTLS_XMPP, "<stream:stream><stream:features><starttls/></stream:features>",
          ERR_UNSUPPORTED },
        { STARTTLS_XMPP, "<stream:streams>", ERR_PARSE },
        { STARTTLS_PGSQL, "N", ERR_UNSUPPORTED },
        { STARTTLS_PGSQL, "E", ERR_UNSUPPORTED },
        { STARTTLS_PGSQL, "s", ERR_PARSE },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_int_equal(begin(rows[i].which, TLS_CLIENT, NULL), PRELUDE_MORE);
        if (hear_text(rows[i].text) != rows[i].rc) {
            fail_msg("row %zu: %s: %s", i, rows[i].text, err.text);
        }
    }
}

static void ldap_lengths(void **state)
{
    static const uint8_t shortest[] = "\x30\x0c\x02\x01\x01\x78\x07\x0a\x01\x00\x04\x00\x04\x00",
                         longest[] = "\x30\x84\x00\x00\x00\x10\x02\x01\x01\x78\x84\x00\x00\x00\x07"
                                     "\x0a\x01\x00\x04\x00\x04\x00";
    uint8_t bad[sizeof shortest];

    (void)state;
    (void)begin(STARTTLS_LDAP, TLS_CLIENT, NULL);
    assert_int_equal(hear(shortest, sizeof shortest - 1), PRELUDE_DONE);
    (void)begin(STARTTLS_LDAP, TLS_CLIENT, NULL);
    assert_int_equal(hear(longest, sizeof longest - 1), PRELUDE_DONE);
    (void)begin(STARTTLS_LDAP, TLS_CLIENT, NULL);
    assert_int_equal(hear("\x30\x80", 2), ERR_PARSE); /* indefinite */
    (void)begin(STARTTLS_LDAP, TLS_CLIENT, NULL);
    assert_int_equal(hear("\x30\x84\xff\xff\xff\xff", 6), ERR_PARSE);
    for (size_t at = 0; at < sizeof shortest - 1; at++) { /* nothing else is a yes */
        for (int bit = 0; bit < 8; bit++) {
            memcpy(bad, shortest, sizeof bad);
            bad[at] = (uint8_t)(bad[at] ^ 1 << bit);
            (void)begin(STARTTLS_LDAP, TLS_CLIENT, NULL);
            assert_int_not_equal(hear(bad, sizeof shortest - 1), PRELUDE_DONE);
        }
    }
}

static void imap_greeting(void **state)
{
    static const char *const rows[][2] = {
        { "* OK [CAPABILITY IMAP4rev1 LOGINDISABLED] hi\r\n", "* OK hi\r\n" },
        { "* OK [CAPABILITY IMAP4rev1]\r\n", "* OK ready\r\n" },
        { "* OK [CAPABILITY IMAP4rev1\r\n", "* OK [CAPABILITY IMAP4rev1\r\n" },
        { "* OK [ALERT] hi\r\n", "* OK [ALERT] hi\r\n" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        (void)begin(STARTTLS_IMAP, TLS_CLIENT, NULL);
        assert_int_equal(hear_text(rows[i][0]), PRELUDE_MORE);
        assert_true(replays(rows[i][1]));
    }
}

/* A host that could end the tag or the line is not written. */
static void hosts(void **state)
{
    static const char *const bad[] = { "", "a'b", "a b", "a>b", "a\r\nb", "\xc3\xa9" };
    static const char *const good[] = { "a.example", "192.0.2.1", "2001:db8::1", "A-b_c" };
    char text[300];

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        (void)begin(STARTTLS_SMTP, TLS_SERVER, bad[i]);
        assert_true(said("220 localhost ESMTP\r\n"));
    }
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        (void)begin(STARTTLS_SMTP, TLS_SERVER, good[i]);
        (void)snprintf(text, sizeof text, "220 %s ESMTP\r\n", good[i]);
        assert_true(said(text));
    }
}

static void greetings_left_out(void **state)
{
    static const struct {
        enum starttls which;
        const char *text;
        size_t n;
    } rows[] = {
        { STARTTLS_SMTP, "220 a\r\nx", 7 },
        { STARTTLS_SMTP, "220-a\r\n220 b\r\nx", 14 },
        { STARTTLS_SMTP, "554 a\r\n", 0 },
        { STARTTLS_SMTP, "220-a\r\n", 7 },
        { STARTTLS_SMTP, "220-a\r\n554 b\r\n", 7 },
        { STARTTLS_POP3, "+OK-a\r\n+OK\r\n", 7 },
        { STARTTLS_POP3, "-ERR\r\n", 0 },
        { STARTTLS_NNTP, "200 a\r\n", 7 },
        { STARTTLS_IMAP, "* OK a\r\n* OK b\r\n", 8 },
        { STARTTLS_NNTP, "400 a\r\n", 0 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        size_t n = 0, part;

        (void)begin(rows[i].which, TLS_SERVER, NULL);
        assert_int_equal((talk->skip)(talk, span_text(rows[i].text)), rows[i].n);
        (void)begin(rows[i].which, TLS_SERVER, NULL);
        while (n < strlen(rows[i].text) &&
               (part = (talk->skip)(talk, span_of(rows[i].text + n, 1))) == 1) {
            n++;
        }
        assert_int_equal(n, rows[i].n);
    }
}

/* A client that goes on with other commands is cut off, not served for ever. */
static void commands(void **state)
{
    static const enum starttls which[] = { STARTTLS_SMTP, STARTTLS_IMAP, STARTTLS_POP3,
                                           STARTTLS_NNTP };

    (void)state;
    for (size_t i = 0; i < sizeof which / sizeof *which; i++) {
        int n = 0;

        (void)begin(which[i], TLS_SERVER, NULL);
        while (hear_text("a NOOP\r\n") == PRELUDE_MORE) {
            n++;
        }
        assert_int_equal(n, 16);
        assert_int_equal(err.code, ERR_PARSE);
    }
    (void)begin(STARTTLS_PGSQL, TLS_SERVER, NULL);
    assert_int_equal(hear("\0\0\0\x09\x04\xd2\x16\x2f", 8), ERR_PARSE);
    (void)begin(STARTTLS_PGSQL, TLS_SERVER, NULL);
    assert_int_equal(hear("\0\0\0\x10\x04\xd2\x16\x2e", 8), ERR_PARSE); /* a cancel request */
    assert_int_equal(buf_len(&out), 0);
    (void)begin(STARTTLS_PGSQL, TLS_SERVER, NULL);
    assert_int_equal(hear("\0\0\0\x10\0\3\0\0", 8), ERR_PARSE);
    assert_int_equal(buf_len(&out), 1 + (size_t)buf_data(&out)[4]); /* a whole message */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(line_length, end),
        cmocka_unit_test_teardown(sum_of_all, end),
        cmocka_unit_test_teardown(nothing_behind, end),
        cmocka_unit_test_teardown(odd_replies, end),
        cmocka_unit_test_teardown(ldap_lengths, end),
        cmocka_unit_test_teardown(imap_greeting, end),
        cmocka_unit_test_teardown(hosts, end),
        cmocka_unit_test_teardown(greetings_left_out, end),
        cmocka_unit_test_teardown(commands, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
