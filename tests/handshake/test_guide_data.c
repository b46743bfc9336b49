/* SPDX-License-Identifier: ISC */
/* Application data through the guide's API: both kinds of write, limits, in-situ, key updates. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include "matrixssl.h"
#include "tests/lib/guide.h"

static void test_two_records_in_one_read(void **state)
{
    unsigned char wire[1024], *room, *pt;
    uint32 len;
    size_t n;

    (void)state;
    guide_connected();
    side_write(&sv, "one", 3);
    side_write(&sv, "three", 5);
    n = side_take(&sv, wire, sizeof wire);
    assert_string_equal(sv.log, "s0");
    assert_true(matrixSslGetReadbuf(cl.ssl, &room) >= (int32)n);
    memcpy(room, wire, n);
    assert_int_equal(matrixSslReceivedData(cl.ssl, (uint32)n - 1, &pt, &len), MATRIXSSL_APP_DATA);
    assert_int_equal(len, 3);
    assert_true(pt > room && pt < room + n); /* opened where it lay */
    assert_memory_equal(pt, "one", 3);
    assert_int_equal(matrixSslProcessedData(cl.ssl, &pt, &len), MATRIXSSL_REQUEST_RECV);
    assert_int_equal(matrixSslReceivedData(cl.ssl, 0, &pt, &len), MATRIXSSL_REQUEST_RECV);
    side_give(&cl, wire + n - 1, 1);
    assert_string_equal(cl.log, "r4 p0");
    assert_memory_equal(cl.got, "three", 5);
    guide_end();
}

static void test_write_limits(void **state)
{
    static unsigned char big[SSL_MAX_PLAINTEXT_LEN + 1];
    unsigned char *p;

    (void)state;
    guide_begin(0);
    assert_int_equal(matrixSslEncodeToOutdata(cl.ssl, big, 1), PS_FAILURE);
    assert_true(matrixSslGetWritebuf(cl.ssl, &p, 10) >= 10);
    assert_int_equal(matrixSslEncodeWritebuf(cl.ssl, 10), PS_FAILURE);
    guide_end();
    guide_connected();
    assert_int_equal(matrixSslEncodeToOutdata(cl.ssl, big, SSL_MAX_PLAINTEXT_LEN), 5 + 16384 + 17);
    assert_int_equal(matrixSslGetOutdata(cl.ssl, NULL), 5 + 16384 + 17);
    assert_int_equal(matrixSslEncodeToOutdata(cl.ssl, big, SSL_MAX_PLAINTEXT_LEN + 1),
                     PS_LIMIT_FAIL);
    assert_int_equal(matrixSslGetWritebuf(cl.ssl, &p, 100000), SSL_MAX_PLAINTEXT_LEN);
    assert_int_equal(matrixSslEncodeWritebuf(cl.ssl, SSL_MAX_PLAINTEXT_LEN + 1), PS_LIMIT_FAIL);
    memset(p, 'x', SSL_MAX_PLAINTEXT_LEN);
    assert_int_equal(matrixSslEncodeWritebuf(cl.ssl, SSL_MAX_PLAINTEXT_LEN), 2 * (5 + 16384 + 17));
    assert_int_equal(matrixSslEncodeWritebuf(cl.ssl, 1), PS_LIMIT_FAIL); /* no room was asked for */
    carry(&cl, &sv, 65536);
    assert_int_equal(sv.ngot, 2 * SSL_MAX_PLAINTEXT_LEN);
    assert_int_equal(sv.got[SSL_MAX_PLAINTEXT_LEN - 1], 0);
    assert_int_equal(sv.got[SSL_MAX_PLAINTEXT_LEN], 'x');
    guide_end();
}

static void test_empty_record(void **state)
{
    (void)state;
    guide_connected();
    assert_int_equal(matrixSslEncodeToOutdata(cl.ssl, NULL, 0), 5 + 17);
    assert_int_equal(matrixSslEncodeWritebuf(cl.ssl, 0), 2 * (5 + 17));
    carry(&cl, &sv, 65536);
    assert_string_equal(sv.log, "r2");
    side_write(&cl, "x", 1);
    carry(&cl, &sv, 65536);
    assert_int_equal(sv.ngot, 1);
    guide_end();
}

/* In-situ: the ciphertext is where the plaintext was written. */
static void test_in_situ(void **state)
{
    unsigned char *p, *q, *out;
    int32 room;

    (void)state;
    guide_connected();
    room = matrixSslGetWritebuf(sv.ssl, &p, 100);
    assert_true(room >= 100);
    memset(p, 'a', 100);
    assert_int_equal(matrixSslGetWritebuf(sv.ssl, &q, 50), room); /* the same room */
    assert_ptr_equal(p, q);
    assert_int_equal(q[0], 'a'); /* and what was written there */
    assert_int_equal(matrixSslEncodeWritebuf(sv.ssl, 100), 122);
    assert_int_equal(matrixSslGetOutdata(sv.ssl, &out), 122);
    assert_ptr_equal(out + 5, p);
    assert_memory_not_equal(p, "aaaa", 4);
    /* Sending goes on between the two halves of a write. */
    assert_true(matrixSslGetWritebuf(sv.ssl, &p, 10) >= 10);
    memcpy(p, "0123456789", 10);
    carry(&sv, &cl, 7);
    assert_int_equal(matrixSslEncodeWritebuf(sv.ssl, 10), 32);
    carry(&sv, &cl, 65536);
    assert_int_equal(cl.ngot, 110);
    assert_memory_equal(cl.got + 100, "0123456789", 10);
    /* Another write takes the room away. */
    assert_true(matrixSslGetWritebuf(sv.ssl, &p, 10) >= 10);
    side_write(&sv, "b", 1);
    assert_int_equal(matrixSslEncodeWritebuf(sv.ssl, 10), PS_LIMIT_FAIL);
    assert_true(matrixSslGetWritebuf(sv.ssl, &p, 16000) >= 16000);
    assert_int_equal(matrixSslEncodeClosureAlert(sv.ssl), PS_SUCCESS);
    carry(&sv, &cl, 65536);
    assert_int_equal(cl.ngot, 111);
    assert_int_equal(cl.alert, SSL_ALERT_CLOSE_NOTIFY);
    guide_end();
}

static void fill(unsigned char *p, size_t n, unsigned seed)
{
    for (size_t i = 0; i < n; i++) {
        seed = seed * 1103515245 + 12345;
        p[i] = (unsigned char)(seed >> 16);
    }
}

/* Both ways at once, odd sizes, both kinds of write, sends cut anywhere. */
static void test_bulk(void **state)
{
    enum { TOTAL = 1 << 20 };
    static unsigned char data[2][TOTAL];
    static unsigned char wire[40000];
    size_t at[2] = { 0, 0 };
    struct side *side[2] = { &cl, &sv };
    unsigned r = 7;

    (void)state;
    fill(data[0], TOTAL, 1);
    fill(data[1], TOTAL, 2);
    guide_connected();
    while (cl.ngot < TOTAL || sv.ngot < TOTAL) {
        for (int i = 0; i < 2; i++) {
            size_t n = (r = r * 1103515245 + 12345) >> 16 & 0x3fff;
            unsigned char *p;

            n = n < TOTAL - at[i] ? n : TOTAL - at[i];
            if (n && (r & 0x100)) {
                side_write(side[i], data[i] + at[i], n);
            } else if (n) {
                assert_true(matrixSslGetWritebuf(side[i]->ssl, &p, (uint32)n) >= (int32)n);
                memcpy(p, data[i] + at[i], n);
                assert_true(matrixSslEncodeWritebuf(side[i]->ssl, (uint32)n) > (int32)n);
            }
            at[i] += n;
            n = side_take(side[i], wire, 1 + (r >> 8) % sizeof wire);
            side_give(side[!i], wire, n);
        }
    }
    assert_memory_equal(sv.got, data[0], TOTAL);
    assert_memory_equal(cl.got, data[1], TOTAL);
    guide_end();
}

/* The engine's own records keep their place: a KeyUpdate between the two halves of a write goes
 * first, the peer's answer is announced once, and data flows under the new keys. */
static void test_key_update(void **state)
{
    unsigned char *p;

    (void)state;
    guide_connected();
    assert_true(matrixSslGetWritebuf(cl.ssl, &p, 10) >= 10);
    memcpy(p, "0123456789", 10);
    assert_int_equal(tls_key_update(session_of(cl.ssl)->tls, true), 0);
    assert_int_equal(matrixSslEncodeWritebuf(cl.ssl, 10), 27 + 32);
    side_write(&cl, "more", 4);
    carry(&cl, &sv, 65536);
    assert_string_equal(sv.log, "r4 p4 p1 s0");
    assert_memory_equal(sv.got, "0123456789more", 14);
    assert_string_equal(cl.log, "s0 r2");
    sv.nlog = 0; /* an answer that was announced and waits is not announced again */
    for (int i = 0; i < 3; i++) {
        unsigned char wire[256];

        assert_int_equal(tls_key_update(session_of(cl.ssl)->tls, i == 0), 0);
        side_give(&sv, wire, side_take(&cl, wire, sizeof wire));
    }
    assert_string_equal(sv.log, "r1 r2 r2");
    carry(&cl, &sv, 65536);
    for (int i = 0; i < 3; i++) { /* asked for after data was sealed, and one more of each */
        side_write(&sv, "pong", 4);
        assert_int_equal(tls_key_update(session_of(sv.ssl)->tls, i == 1), 0);
        side_write(&sv, "pong", 4);
        side_write(&cl, "ping", 4);
        carry(&cl, &sv, 50);
    }
    assert_int_equal(cl.ngot, 24);
    assert_int_equal(sv.ngot, 14 + 12);
    assert_int_equal(cl.error + sv.error, 0);
    guide_end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_two_records_in_one_read),
        cmocka_unit_test(test_write_limits),
        cmocka_unit_test(test_empty_record),
        cmocka_unit_test(test_in_situ),
        cmocka_unit_test(test_bulk),
        cmocka_unit_test(test_key_update),
    };

    return cmocka_run_group_tests(tests, guide_setup, guide_teardown);
}
