/* SPDX-License-Identifier: ISC */
/* The trace: kinds, where lines go, and handshake messages in words. What a line must never show:
 * more than the length of what is secret, and bytes of the peer's that are not printable. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/trace.h"
#include "handshake/describe.h"
#include "handshake/local.h"

/* ---- where lines go ---- */

static unsigned lines;
static char last_line[TRACE_LINE + 100];

static void collect(void *ctx, enum trace_kind kind, const char *line)
{
    assert_ptr_equal(ctx, &lines);
    lines++;
    (void)snprintf(last_line, sizeof last_line, "%s: %s", trace_name(kind), line);
}

static void kinds(void **state)
{
    (void)state;
    trace_set(collect, &lines, TRACE_INFO | TRACE_ERROR);
    lines = 0;
    assert_true(trace_on(TRACE_INFO));
    assert_false(trace_on(TRACE_HANDSHAKE));
    trace(TRACE_INFO, "%s %d", "line", 1);
    assert_string_equal(last_line, "info: line 1");
    trace(TRACE_HANDSHAKE, "not asked for");
    trace(TRACE_CRYPTO, "not asked for");
    trace(TRACE_CORE, "not asked for");
    assert_int_equal(lines, 1);
    trace(TRACE_ERROR, "%03000d", 1);
    assert_int_equal(lines, 2);
    assert_int_equal(strlen(last_line), strlen("error: ") + TRACE_LINE - 1);
    trace_set(NULL, NULL, TRACE_ALL);
    assert_false(trace_on(TRACE_ERROR));
    trace(TRACE_ERROR, "to nobody");
    assert_int_equal(lines, 2);
}

static void values_of_sleeve_log(void **state)
{
    static const struct {
        const char *where;
        unsigned kinds;
        size_t len;
    } rows[] = {
        { "", 0, 0 },
        { "stderr", 0, 6 },
        { "/var/log/a,b", 0, 12 },
        { "handshake", 0, 9 }, /* a file of that name */
        { "stderr,handshake", TRACE_HANDSHAKE, 6 },
        { "stderr,handshake,info", TRACE_HANDSHAKE | TRACE_INFO, 6 },
        { "a,b,core,crypto,error", TRACE_CORE | TRACE_CRYPTO | TRACE_ERROR, 3 },
        { "fd:7,trace", TRACE_ALL, 4 },
        { "stderr,info,", 0, 12 },
        { "stderr,info,x", 0, 13 },
        { "stderr,inf", 0, 10 },
        { ",info", TRACE_INFO, 0 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        size_t n = 77;

        assert_int_equal(trace_kinds(rows[i].where, &n), rows[i].kinds);
        assert_int_equal(n, rows[i].len);
    }
}

/* In a process that has not decided yet: this program itself, run anew. */
static void run_with(const char *log, char *out, size_t size)
{
    int ends[2], status;
    ssize_t n, all = 0;
    pid_t pid;

    assert_int_equal(pipe(ends), 0);
    pid = fork();
    if (pid == 0) {
        dup2(ends[1], 2);
        close(ends[0]);
        close(ends[1]);
        if (log) {
            setenv("SLEEVE_LOG", log, 1);
        } else {
            unsetenv("SLEEVE_LOG");
        }
        execl("/proc/self/exe", "test_trace", "say", (char *)NULL);
        _exit(9);
    }
    close(ends[1]);
    while ((n = read(ends[0], out + all, size - 1 - (size_t)all)) > 0) {
        all += n;
    }
    out[all] = '\0';
    close(ends[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

static int say(void)
{
    struct error e = { 0 };

    trace(TRACE_CORE, "memory");
    (void)error_set(&e, ERR_LIMIT, "place", "%s", "too much");
    (void)error_set(&e, ERR_MEM, "place", "%s", "only the first");
    hs_trace(true, 0, span_of("\0\0\0\0", 4));
    return 0;
}

static void environment(void **state)
{
    char out[4096], path[] = "/tmp/trace-XXXXXX", want[300], *value;
    int fd = mkstemp(path);
    FILE *f;

    (void)state;
    assert_true(fd >= 0);
    close(fd);
    run_with(NULL, out, sizeof out);
    assert_string_equal(out, "");
    run_with("stderr", out, sizeof out); /* the log of sessions, and no trace */
    assert_string_equal(out, "");
    run_with("stderr,core", out, sizeof out);
    assert_string_equal(out, "sleeve: core: memory\n");
    run_with("stderr,info,handshake", out, sizeof out);
    assert_string_equal(out, "sleeve: info: place: too much (a limit was reached)\n"
                             "sleeve: handshake: sending HelloRequest, 4 bytes\n");
    run_with("fd:2,handshake", out, sizeof out);
    assert_string_equal(out, "sleeve: handshake: sending HelloRequest, 4 bytes\n");
    run_with("/nowhere/at/all,trace", out, sizeof out);
    assert_string_equal(out, "");
    value = want;
    (void)snprintf(want, sizeof want, "%s,core", path);
    for (int i = 0; i < 2; i++) { /* appended */
        run_with(value, out, sizeof out);
        assert_string_equal(out, "");
    }
    f = fopen(path, "r");
    assert_non_null(f);
    assert_int_equal(fread(out, 1, sizeof out, f), 42);
    assert_memory_equal(out, "sleeve: core: memory\nsleeve: core: memory\n", 42);
    fclose(f);
    unlink(path);
}

/* ---- messages ---- */

static uint8_t bytes[70000];
static struct wr w;
static size_t body;

static void begin(unsigned type)
{
    w = wr_of(bytes, sizeof bytes);
    wr_u8(&w, type);
    body = wr_begin(&w, 3);
}

static struct span end(void)
{
    wr_end(&w, 3, body);
    assert_true(wr_ok(&w));
    return span_of(bytes, w.len);
}

static void check_printable(const char *line, size_t room)
{
    assert_true(strlen(line) < room);
    for (const char *p = line; *p; p++) {
        assert_in_range(*p, ' ', '~');
    }
}

static void expect(uint16_t version, const char *text)
{
    struct span m = end();
    char line[TRACE_LINE];

    hs_describe(false, version, m, line, sizeof line);
    check_printable(line, sizeof line);
    if (strncmp(line, "received ", 9) != 0 || strcmp(line + 9, text) != 0) {
        fail_msg("\n%s\ninstead of\n%s", line + 9, text);
    }
    /* Cut at every byte, with a header that says so and one that does not; and every byte changed:
     * any line will do, whole, printable and inside its room. */
    for (size_t n = 0; n < m.n; n++) {
        uint8_t *copy = mem_dup(m.p, n);

        for (int fixed = 0; fixed < 2; fixed++) {
            if (fixed && n >= 4) {
                copy[1] = 0;
                copy[2] = (uint8_t)((n - 4) >> 8);
                copy[3] = (uint8_t)(n - 4);
            }
            for (uint16_t v = 0; v < 0x0305; v = v ? v + 1 : 0x0303) {
                hs_describe(true, v, span_of(copy, n), line, sizeof line);
                check_printable(line, sizeof line);
            }
        }
        mem_free(copy);
        bytes[n] ^= 0xff;
        hs_describe(true, version, m, line, sizeof line);
        check_printable(line, sizeof line);
        bytes[n] ^= 0xff;
    }
    /* In any room: the same, cut. */
    for (size_t room = 0; room < 200; room++) {
        char *small = mem_alloc(room ? room : 1);

        hs_describe(false, version, m, small, room);
        if (room) {
            check_printable(small, room);
            assert_int_equal(small[room - 1 < strlen(text) + 9 ? room - 1 : strlen(text) + 9], 0);
        }
        mem_free(small);
    }
}

static void extension(unsigned id, const void *p, size_t n)
{
    wr_u16(&w, id);
    wr_vec(&w, 2, p, n);
}
#define EXTENSION(id, text) extension((id), (text), sizeof(text) - 1)

static void hello_start(unsigned version, const char *random, size_t session)
{
    uint8_t zero[32] = { 0 };

    wr_u16(&w, version);
    wr_bytes(&w, random ? (const void *)random : zero, 32);
    wr_vec(&w, 1, zero, session);
}

static void client_hello(void **state)
{
    size_t mark;

    (void)state;
    begin(1);
    hello_start(0x0303, NULL, 32);
    wr_vec(&w, 2, "\x13\x01\xc0\x2b\x0a\x0a\x00\xff", 8);
    wr_vec(&w, 1, "", 1);
    mark = wr_begin(&w, 2);
    EXTENSION(0, "\0\x0e\0\0\x0b"
                 "example.org");
    EXTENSION(16, "\0\x0c\x02h2\x08http/1.1");
    EXTENSION(43, "\x04\x03\x04\x03\x03");
    EXTENSION(10, "\0\x04\x00\x1d\x6a\x6a");
    EXTENSION(13, "\0\x04\x04\x03\x08\x04");
    EXTENSION(51, "\0\x08\x00\x1d\0\x04"
                  "abcd");
    EXTENSION(23, "");
    EXTENSION(22, "");
    EXTENSION(5, "\x01\0\0\0\0");
    EXTENSION(1, "\x02");
    EXTENSION(35, "ticketticket");
    EXTENSION(0x7777, "whatever");
    EXTENSION(0xff01, "\0");
    EXTENSION(41, "\0\x0a\0\x04"
                  "idid"
                  "\0\0\0\0"
                  "\0\x05\x04"
                  "bind");
    wr_end(&w, 2, mark);
    expect(0, "ClientHello, 244 bytes, version TLSv1.2, session id of 32 bytes, suites "
              "TLS_AES_128_GCM_SHA256 TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256 0x0a0a "
              "TLS_EMPTY_RENEGOTIATION_INFO_SCSV, sni \"example.org\", alpn \"h2\" \"http/1.1\", "
              "versions TLSv1.3 TLSv1.2, groups x25519 0x6a6a, schemes ecdsa_secp256r1_sha256 "
              "rsa_pss_rsae_sha256, share x25519, extended_master_secret, encrypt_then_mac, "
              "status_request, max_fragment_length 1024, ticket of 12 bytes, extension 0x7777, "
              "renegotiation_info, ticket of 4 bytes");

    begin(1); /* the oldest form: no extensions */
    hello_start(0x0302, NULL, 0);
    wr_vec(&w, 2, "\x00\x2f\x56\x00", 4);
    wr_vec(&w, 1, "", 1);
    expect(0, "ClientHello, 47 bytes, version TLSv1.1, session id of 0 bytes, suites "
              "TLS_RSA_WITH_AES_128_CBC_SHA TLS_FALLBACK_SCSV");
}

/* What a peer may write into a log. */
static void text_of_the_peer(void **state)
{
    size_t mark;

    (void)state;
    begin(1);
    hello_start(0x0303, NULL, 0);
    wr_vec(&w, 2, "\x13\x01", 2);
    wr_vec(&w, 1, "", 1);
    mark = wr_begin(&w, 2);
    EXTENSION(0, "\0\x12\0\0\x0f"
                 "a\"\n\x1b[2J\\\x7f\xff\0b %s");
    wr_end(&w, 2, mark);
    expect(0, "ClientHello, 71 bytes, version TLSv1.2, session id of 0 bytes, suites "
              "TLS_AES_128_GCM_SHA256, sni \"a???[2J????b %s\"");

    begin(1);
    hello_start(0x0303, NULL, 0);
    mark = wr_begin(&w, 2);
    for (unsigned i = 0; i < 30000; i++) {
        wr_u16(&w, 0x1301);
    }
    wr_end(&w, 2, mark);
    wr_vec(&w, 1, "", 1);
    char line[TRACE_LINE];

    hs_describe(false, 0, end(), line, sizeof line);
    check_printable(line, sizeof line);
    assert_non_null(strstr(line, "TLS_AES_128_GCM_SHA256 ..."));
    hs_describe(false, 0, end(), line, 300);
    assert_int_equal(strlen(line), 299);
    assert_string_equal(line + 296, "...");
}

static void server_hello(void **state)
{
    size_t mark;

    (void)state;
    begin(2);
    hello_start(0x0303, NULL, 32);
    wr_u16(&w, 0x1303);
    wr_u8(&w, 0);
    mark = wr_begin(&w, 2);
    EXTENSION(43, "\x03\x04");
    EXTENSION(51, "\x00\x17\0\x04"
                  "abcd");
    EXTENSION(41, "\0\0");
    wr_end(&w, 2, mark);
    expect(0, "ServerHello, 100 bytes, version TLSv1.2, session id of 32 bytes, suite "
              "TLS_CHACHA20_POLY1305_SHA256, selects TLSv1.3, share secp256r1, psk 0 accepted");

    begin(2);
    hello_start(0x0303, (const char *)hello_retry_random, 0);
    wr_u16(&w, 0x1301);
    wr_u8(&w, 0);
    mark = wr_begin(&w, 2);
    EXTENSION(51, "\x00\x18");
    wr_end(&w, 2, mark);
    expect(0, "HelloRetryRequest, 50 bytes, version TLSv1.2, session id of 0 bytes, suite "
              "TLS_AES_128_GCM_SHA256, share secp384r1");

    begin(2);
    hello_start(0x0303, NULL, 8);
    wr_u16(&w, 0xc030);
    wr_u8(&w, 0);
    mark = wr_begin(&w, 2);
    EXTENSION(0, "");
    EXTENSION(35, "");
    EXTENSION(11, "\x01\0");
    wr_end(&w, 2, mark);
    expect(TLS_1_2, "ServerHello, 66 bytes, version TLSv1.2, session id of 8 bytes, suite "
                    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384, sni accepted, promises a ticket, "
                    "ec_point_formats");

    begin(8);
    mark = wr_begin(&w, 2);
    EXTENSION(16, "\0\x03\x02h2");
    EXTENSION(42, "");
    wr_end(&w, 2, mark);
    expect(TLS_1_3, "EncryptedExtensions, 19 bytes, alpn \"h2\", early_data");
}

static void both_forms(const char *text)
{
    expect(0, text);
}

static void certificates(void **state)
{
    (void)state;
    begin(11); /* TLS 1.3: a context, and extensions behind each */
    wr_bytes(&w,
             "\0\0\0\x08\0\0\x03"
             "der"
             "\0\0",
             12);
    both_forms("Certificate, 16 bytes, 1 certificate, the first cannot be read");
    begin(11); /* TLS 1.2 */
    wr_bytes(&w,
             "\0\0\x0a\0\0\x02"
             "de"
             "\0\0\x02"
             "fe",
             13);
    both_forms("Certificate, 17 bytes, 2 certificates, the first cannot be read");
    begin(11);
    wr_bytes(&w, "\0\0\0\0", 4);
    expect(TLS_1_3, "Certificate, 8 bytes, 0 certificates");
    begin(11);
    wr_bytes(&w, "\0\0\0", 3);
    expect(TLS_1_2, "Certificate, 7 bytes, 0 certificates");

    begin(13); /* TLS 1.2 */
    wr_bytes(&w,
             "\x02\x01\x40\0\x04\x04\x03\x04\x01\0\x08\0\x02"
             "na"
             "\0\x02"
             "me",
             19);
    both_forms("CertificateRequest, 23 bytes, types rsa_sign ecdsa_sign, schemes "
               "ecdsa_secp256r1_sha256 rsa_pkcs1_sha256, 2 authorities");
    begin(13); /* TLS 1.3 */
    wr_bytes(&w, "\0\0\x08\0\x0d\0\x04\0\x02\x08\x07", 11);
    both_forms("CertificateRequest, 15 bytes, schemes ed25519");

    begin(15);
    wr_bytes(&w,
             "\x08\x04\0\x04"
             "sign",
             8);
    expect(TLS_1_3, "CertificateVerify, 12 bytes, signed with rsa_pss_rsae_sha256, 4 bytes");
    begin(22);
    wr_bytes(&w,
             "\x01\0\0\x04"
             "ocsp",
             8);
    expect(TLS_1_2, "CertificateStatus, 12 bytes, OCSP response of 4 bytes");
}

static void keys(void **state)
{
    (void)state;
    begin(12);
    wr_bytes(&w,
             "\x03\0\x1d\x04"
             "poin"
             "\x04\x03\0\x03"
             "sig",
             15);
    expect(TLS_1_2, "ServerKeyExchange, 19 bytes, share x25519, signed with "
                    "ecdsa_secp256r1_sha256, 3 bytes");
    begin(24);
    wr_u8(&w, 1);
    expect(TLS_1_3, "KeyUpdate, 5 bytes, asks for the other side's");
    begin(24);
    wr_u8(&w, 0);
    expect(TLS_1_3, "KeyUpdate, 5 bytes, asks for nothing");
    begin(24);
    wr_u8(&w, 2);
    expect(TLS_1_3, "KeyUpdate, 5 bytes (malformed)");
    begin(4); /* TLS 1.2 */
    wr_bytes(&w,
             "\0\0\x0e\x10\0\x06"
             "ticket",
             12);
    both_forms("NewSessionTicket, 16 bytes, for 3600 seconds, ticket of 6 bytes");
    begin(4); /* TLS 1.3 */
    wr_bytes(&w,
             "\0\0\x0e\x10"
             "aadd"
             "\x02no\0\x06ticket\0\0",
             21);
    both_forms("NewSessionTicket, 25 bytes, for 3600 seconds, ticket of 6 bytes");
    begin(4);
    wr_bytes(&w,
             "\0\0\x0e\x10"
             "aadd"
             "\x02no\0\x06ticket\0\x08\0\x2a\0\4\0\0\x40\0",
             29);
    both_forms(
        "NewSessionTicket, 33 bytes, for 3600 seconds, ticket of 6 bytes, early_data of 16384 "
        "bytes");
    begin(8); /* a value of no such length */
    wr_bytes(&w, "\0\7\0\x2a\0\3\0\0\0", 9);
    expect(TLS_1_3, "EncryptedExtensions, 13 bytes, early_data (malformed)");
    begin(0);
    expect(TLS_1_2, "HelloRequest, 4 bytes");
    begin(14);
    expect(TLS_1_2, "ServerHelloDone, 4 bytes");
    begin(5);
    expect(TLS_1_3, "EndOfEarlyData, 4 bytes");
    begin(99);
    wr_u8(&w, 0);
    expect(TLS_1_3, "message of unknown type 99, 5 bytes");
}

/* Whatever is in them, the line is the same: so nothing of it is in the line. */
static void secrets_have_a_length(void **state)
{
    static const uint8_t types[] = { HS_FINISHED, HS_CLIENT_KEY_EXCHANGE };
    char a[TRACE_LINE], b[TRACE_LINE];

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        begin(types[i]);
        wr_bytes(&w, "0123456789abcdefghijklmnopqrstuv", 32);
        hs_describe(true, TLS_1_2, end(), a, sizeof a);
        memset(bytes + 4, 0, 32);
        hs_describe(true, TLS_1_2, end(), b, sizeof b);
        assert_string_equal(a, b);
        assert_string_equal(a, i ? "sending ClientKeyExchange, 36 bytes"
                                 : "sending Finished, 36 bytes");
    }
}

static void cut_and_changed(void **state)
{
    (void)state;
    trace_set(collect, &lines, TRACE_HANDSHAKE);
    lines = 0;
    hs_trace(false, TLS_1_3, span_of("\x14\0\0\x01x", 5));
    assert_string_equal(last_line, "handshake: received Finished, 5 bytes");
    hs_trace(false, TLS_1_3, span_of("\x14\0\0\x02x", 5));
    assert_string_equal(last_line, "handshake: received 5 bytes that are no handshake message");
    hs_trace(false, TLS_1_3, span_of(NULL, 0));
    assert_string_equal(last_line, "handshake: received 0 bytes that are no handshake message");
    assert_int_equal(lines, 3);
    trace_set(NULL, NULL, 0);
    hs_trace(false, TLS_1_3, span_of(NULL, 0));
    assert_int_equal(lines, 3);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kinds),
        cmocka_unit_test(values_of_sleeve_log),
        cmocka_unit_test(environment),
        cmocka_unit_test(client_hello),
        cmocka_unit_test(text_of_the_peer),
        cmocka_unit_test(server_hello),
        cmocka_unit_test(certificates),
        cmocka_unit_test(keys),
        cmocka_unit_test(secrets_have_a_length),
        cmocka_unit_test(cut_and_changed),
    };

    if (argc == 2 && strcmp(argv[1], "say") == 0) {
        return say();
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
