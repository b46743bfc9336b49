/* SPDX-License-Identifier: ISC */
/* Diffie-Hellman parameters, PEM or DER: a prime of a size that a server may use, or an error and
 * nothing of it. The same DER as PEM is the same. */
#include "tests/fuzz/party.h"
#include "x509/x509.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define LONGEST 800 /* of a file: longer primes take longer to test, and are not other ones */

static void check(const struct dh_params *d)
{
    const struct span p = buf_span(&d->p), g = buf_span(&d->g);

    sure(8 * p.n >= DH_BITS_MIN && p.n <= DH_BYTES_MAX && p.p[0] != 0 && (p.p[p.n - 1] & 1));
    sure(g.n >= 1 && g.n <= p.n && g.p[0] != 0 && (g.n > 1 || g.p[0] > 1));
}

static void same_as_pem(const struct dh_params *d, struct span der)
{
    struct dh_params again = { { 0 }, { 0 } };
    struct buf pem = { 0 };

    sure(pem_write(&pem, "DH PARAMETERS", der) == 0);
    sure(dhparams_load(&again, buf_span(&pem)) == 0);
    sure(span_eq(buf_span(&again.p), buf_span(&d->p)) &&
         span_eq(buf_span(&again.g), buf_span(&d->g)));
    dhparams_free(&again);
    buf_free(&pem);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct span file = span_of(data, size);
    struct dh_params d = { { 0 }, { 0 } };
    int rc;

    sure(crypto_init() == 0);
    if (size > LONGEST) {
        return 0;
    }
    rc = dhparams_load(&d, file);
    sure(rc == 0 || rc == ERR_PARSE || rc == ERR_UNSUPPORTED);
    if (rc == 0) {
        check(&d);
        if (data[0] == 0x30) {
            same_as_pem(&d, file);
        }
    } else {
        sure(!buf_len(&d.p) && !buf_len(&d.g));
    }
    dhparams_free(&d);
    return 0;
}
