/* SPDX-License-Identifier: ISC */
/* SSL 3.0 (RFC 6101), which RFC 7568 forbids: Finished and CertificateVerify are hashes that the
 * master secret goes into, no extension is known, and there are fewer alerts. */
#include "base/options.h"
#ifdef USE_SSL3
#include "base/secret.h"
#include "handshake/local.h"

#define PAD_MAX 48 /* of MD5; SHA-1 has 40, so that both fill a block */

/* Sections 5.6.8, 5.6.9: hash(master + pad2 + hash(messages + sender + master + pad1)). */
static int hash_twice(const struct hs *h, enum hash_id id, size_t cut, struct span sender,
                      uint8_t *out)
{
    const struct hs_work *k = h->work;
    const size_t npad = id == HASH_MD5 ? PAD_MAX : 40;
    struct span all = buf_span(&k->transcript.raw), master = span_of(k->master, MASTER_SIZE);
    uint8_t pad1[PAD_MAX], pad2[PAD_MAX];
    SECRET(inner, HASH_MAX);
    const struct span first[] = { { all.p, all.n - cut }, sender, master, { pad1, npad } };
    const struct span second[] = { master, { pad2, npad }, { inner, hash_size(id) } };

    memset(pad1, 0x36, sizeof pad1);
    memset(pad2, 0x5c, sizeof pad2);
    if (all.n < cut) {
        return ERR_STATE;
    }
    TRY(hash_parts(id, first, 4, inner));
    return hash_parts(id, second, 3, out);
}

static int hash_both(const struct hs *h, size_t cut, struct span sender, uint8_t *out)
{
    TRY(hash_twice(h, HASH_MD5, cut, sender, out));
    return hash_twice(h, HASH_SHA1, cut, sender, out + hash_size(HASH_MD5));
}

static int finished(const struct hs *h, enum tls_role whose, const uint8_t *at, size_t cut,
                    uint8_t *out)
{
    (void)at;
    return hash_both(h, cut, span_of(whose == TLS_CLIENT ? "CLNT" : "SRVR", 4), out);
}

static int verify_digest(const struct hs *h, size_t cut, uint8_t out[static HASH_MAX])
{
    return hash_both(h, cut, span_of(NULL, 0), out);
}

/* Elliptic curves came with the extensions. */
static const struct scheme *scheme(enum key_type key)
{
    return key == KEY_RSA ? scheme_old(OLD_RSA) : NULL;
}

static const struct scheme *verify_scheme(void)
{
    return scheme_old(OLD_RSA_DIGESTED);
}

/* Section 5.4.2: what it has is close_notify, unexpected_message, bad_record_mac,
 * handshake_failure, illegal_parameter, and those of certificates but unknown_ca. */
static unsigned alert(unsigned desc)
{
    switch (desc) {
    case ALERT_RECORD_OVERFLOW:
    case ALERT_DECODE_ERROR:
        return ALERT_ILLEGAL_PARAMETER;
    case ALERT_UNKNOWN_CA:
    case ALERT_ACCESS_DENIED:
        return ALERT_CERTIFICATE_UNKNOWN;
    default:
        return desc >= ALERT_DECRYPT_ERROR ? ALERT_HANDSHAKE_FAILURE : desc;
    }
}

const struct protocol protocol_ssl3 = {
    .version = SSL_3_0,
    .name = "SSLv3",
    .verify_size = VERIFY_MAX,
    .request_types = 1,
    .hash = HASH_MD5_SHA1,
    .prf = prf_ssl3,
    .finished = finished,
    .scheme = scheme,
    .verify_digest = verify_digest,
    .verify_scheme = verify_scheme,
    .alert = alert,
};
#endif
