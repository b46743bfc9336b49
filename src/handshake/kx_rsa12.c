/* SPDX-License-Identifier: ISC */
/* RSA key exchange (RFC 5246 section 7.4.7.1): the client's premaster secret, sealed under the key
 * of the server's certificate. */
#include "base/options.h"

#ifdef USE_RSA_KX
#include "base/secret.h"
#include "handshake/kx12.h"

static bool usable(struct hs *h, const struct suite *s)
{
    (void)s;
    for (size_t i = 0; i < h->set->nidentities; i++) {
        const struct identity *id = h->set->identities[i];

        if (cert_speaks(h, i) && id->leaf.key_type == KEY_RSA &&
            (!id->leaf.has_ku || (id->leaf.ku & KU_KEY_ENCIPHERMENT))) {
            h->work->identity = id;
            return true;
        }
    }
    return false;
}

static int client_answer(struct hs *h)
{
    struct hs_work *k = h->work;
    SECRET(premaster, PREMASTER_RSA);
    uint8_t sealed[SIG_MAX];
    size_t n = sizeof sealed;
    struct wr w;

    premaster[0] = (uint8_t)(k->client_version >> 8); /* as in our hello, whatever was chosen */
    premaster[1] = (uint8_t)k->client_version;
    TRY(rand_bytes(premaster + 2, PREMASTER_RSA - 2));
    TRY(pubkey_encrypt_pkcs1(k->peer_key, span_of(premaster, PREMASTER_RSA), sealed, &n));
    TRY(buf_append(&k->premaster, premaster, PREMASTER_RSA));
    w = wr_buf(&k->exchange);
    if (protocol_of(h->version)->prefixed) {
        wr_vec(&w, 2, sealed, n);
    } else {
        wr_bytes(&w, sealed, n);
    }
    return wr_commit(&w);
}

static int server_read(struct hs *h, struct rd *body)
{
    struct rd in;
    struct span sealed = span_of(NULL, 0);

    if (!protocol_of(h->version)->prefixed) {
        (void)!rd_bytes(body, body->n, &sealed);
    } else if (rd_vec(body, 2, &in)) {
        sealed = span_of(in.p, in.n);
    }
    if (sealed.n == 0) {
        return FAIL(h->err, TLS_ALERT(ALERT_DECODE_ERROR), "malformed ClientKeyExchange");
    }
    return key_decrypt(h, sealed);
}

/* threat 2: FREAK came by a ServerKeyExchange of this one. */
const struct kx12 kx12_rsa = {
    .facts = FACT_NO_SKE | FACT_SKE_OPTIONAL | FACT_ENCIPHERS,
    .proves = PROVES_CHAIN | PROVES_POSSESSION,
    .usable = usable,
    .client_answer = client_answer,
    .server_read = server_read,
};
#endif
