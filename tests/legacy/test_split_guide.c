/* SPDX-License-Identifier: ISC */
/* threat 14 with the buffer-flow API: the sizes that it tells count both records of the split. */
#include "matrixssl.h"
#include "split.h"
#include "tests/lib/guide.h"

static uint8_t data[MAX];

static void arrived(size_t *got, size_t n)
{
    assert_int_equal(sv.ngot, *got + n);
    if (n > 0) { /* before the first byte there is no buffer */
        assert_memory_equal(sv.got + *got, data, n);
    }
    *got += n;
}

/* The guide's API: matrixSslEncodeToOutdata() and matrixSslEncodeWritebuf() tell the size of both
 * records. */
static void threat_14_guide(void **state)
{
    static const uint32 sizes[] = { 0, 1, 2, 1000, MAX };

    (void)state;
    for (size_t i = 0; i < ALL; i++) {
        struct tls *c, *s;
        size_t got = 0;

        guide_connected();
        c = session_of(cl.ssl)->tls;
        s = session_of(sv.ssl)->tls;
        put_under(i, &c->tx, &s->rx);
        put_under(i, &s->tx, &c->rx);
        for (size_t j = 0; j < sizeof sizes / sizeof *sizes; j++) {
            const uint32 n = sizes[j];
            const int32 want = (int32)(n + tls_overhead(c, n));
            unsigned char *p;

            assert_int_equal(matrixSslEncodeToOutdata(cl.ssl, data, n), want);
            assert_int_equal(matrixSslGetOutdata(cl.ssl, NULL), want);
            carry(&cl, &sv, 65536);
            arrived(&got, n);
            assert_true(matrixSslGetWritebuf(cl.ssl, &p, n) >= (int32)n);
            memcpy(p, data, n);
            assert_int_equal(matrixSslEncodeWritebuf(cl.ssl, n), want);
            carry(&cl, &sv, 7);
            arrived(&got, n);
        }
        guide_end();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(threat_14_guide) };

    for (size_t i = 0; i < sizeof data; i++) {
        data[i] = (uint8_t)(i * 31 + i / 256);
    }
    return cmocka_run_group_tests(tests, guide_setup, guide_teardown);
}
