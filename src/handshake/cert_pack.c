/* SPDX-License-Identifier: ISC */
/* CompressedCertificate (RFC 8879): a Certificate of TLS 1.3 in zlib's format. The transcript has
 * the compressed message. */
#include "base/options.h"

#ifdef USE_TLS_1_3
#include "base/mem.h"
#include "base/pack.h"
#include "handshake/local.h"

#define FRAME (2 + 3 + 3) /* algorithm and two lengths */
/* Keys and signatures do not get smaller, so no list of certificates that is one comes near to
 * this; what is small may. */
#define RATIO_MAX 16
#define SMALL     4096

/* threat 31: memory in proportion to what came, before anything is expanded. */
static bool is_bomb(const struct hs *h, uint32_t n, size_t packed)
{
    return n > hs_longest(h, HS_CERTIFICATE) || (n > SMALL && n / RATIO_MAX > packed);
}

void cert13_pack(struct hs_msg *m)
{
    struct span plain;
    uint8_t *packed;
    size_t n;

    /* An empty one, one that gets no smaller, and any when memory is short go as they are. */
    if (!wr_ok(&m->w) || m->w.len <= HS_HEADER + FRAME) {
        return;
    }
    plain = span_of(m->w.p + HS_HEADER, m->w.len - HS_HEADER);
    n = plain.n - FRAME;
    packed = mem_alloc(n);
    if (!packed) {
        return;
    }
    if (zlib_pack(plain, packed, &n) == 0) {
        buf_free(&m->buf);
        hs_msg_begin(m, HS_COMPRESSED_CERTIFICATE);
        wr_u16(&m->w, ALGORITHM_ZLIB);
        wr_u24(&m->w, (uint32_t)plain.n);
        wr_vec(&m->w, 3, packed, n);
    }
    mem_free(packed);
}

int cert13_on_packed(struct hs *h, struct rd *body)
{
    struct rd packed, inside;
    uint16_t algorithm;
    uint8_t *plain;
    uint32_t n;
    int rc;

    if (!h->set->compress_certs) {
        return FAIL(h->err, TLS_ALERT(ALERT_UNEXPECTED_MESSAGE),
                    "CompressedCertificate was not offered");
    }
    if (!rd_u16(body, &algorithm) || !rd_u24(body, &n) || !rd_vec(body, 3, &packed) ||
        packed.n == 0) {
        return FAIL(h->err, TLS_ALERT(ALERT_DECODE_ERROR), "malformed CompressedCertificate");
    }
    if (algorithm != ALGORITHM_ZLIB) {
        return FAIL(h->err, TLS_ALERT(ALERT_ILLEGAL_PARAMETER),
                    "certificate compression %u was not offered", algorithm);
    }
    if (n == 0 || is_bomb(h, n, packed.n)) {
        return FAIL(h->err, TLS_ALERT(ALERT_BAD_CERTIFICATE),
                    "a Certificate of %u bytes out of %zu", n, packed.n);
    }
    plain = mem_alloc(n);
    if (!plain) {
        return ERR_MEM;
    }
    rc = zlib_unpack(span_of(packed.p, packed.n), plain, n);
    if (rc == ERR_PARSE) { /* section 4 */
        rc = FAIL(h->err, TLS_ALERT(ALERT_BAD_CERTIFICATE),
                  "CompressedCertificate is not what it says");
    }
    if (rc == 0) {
        inside = rd_of(plain, n);
        rc = cert13_on_certificate(h, &inside);
        if (rc == 0 && !rd_done(&inside)) {
            rc = FAIL(h->err, TLS_ALERT(ALERT_DECODE_ERROR), "malformed Certificate");
        }
    }
    mem_free(plain);
    return rc;
}
#endif
