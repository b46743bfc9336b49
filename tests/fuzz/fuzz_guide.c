/* SPDX-License-Identifier: ISC */
/* The guide's API and bytes of others: the first byte chooses what the rest is. Extensions for a
 * hello (3 bytes: kind, length), a certificate for a callback, or what keys are loaded from (2
 * bytes of length each). A load takes effect as a whole, or not at all. */
#include "matrixssl.h"
#include "tests/fuzz/keyfile.h"
#include "tests/fuzz/party.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Room for a ServerName and a list of protocols: never longer than what they were made of. */
static void check_wishes(const struct wishes *w)
{
    struct rd r = rd_of(buf_data(&w->extensions), buf_len(&w->extensions)), body;
    const char *name = w->alpn;
    uint16_t id;

    sure(!w->sni || (host_is_valid(w->sni) && !host_is_ip(w->sni)));
    sure((w->alpn != NULL) == (w->nalpn > 0) && w->nalpn <= 16);
    for (size_t i = 0; i < w->nalpn; i++, name += strlen(name) + 1) {
        sure(*name && strlen(name) <= 255);
    }
    sure(w->max_fragment == 0 || (w->max_fragment >= 512 && w->max_fragment <= 4096));
    while (!rd_done(&r)) {
        sure(rd_u16(&r, &id) && rd_vec(&r, 2, &body));
        sure(id != EXT_SERVER_NAME && id != EXT_ALPN && id != EXT_MAX_FRAGMENT_LEN);
    }
}

static void extensions(struct rd in)
{
    struct wishes w = { 0 };
    tlsExtension_t *e = NULL;
    uint16_t type;
    uint8_t n;
    struct span body;

    sure(matrixSslNewHelloExtension(&e) == PS_SUCCESS);
    while (rd_u16(&in, &type) && rd_u8(&in, &n) && rd_bytes(&in, n < in.n ? n : in.n, &body)) {
        uint8_t *copy = malloc(body.n + 1);
        int32 rc;

        sure(copy != NULL);
        if (body.n) {
            memcpy(copy, body.p, body.n);
        }
        rc = matrixSslLoadHelloExtension(e, copy, (uint32)body.n, type & 31);
        sure(rc == PS_SUCCESS || rc == PS_ARG_FAIL || rc == PS_LIMIT_FAIL);
        free(copy);
    }
    if (matrixssl_take_extensions(&w, e) == 0) {
        check_wishes(&w);
    }
    matrixssl_free_wishes(&w);
    matrixSslDeleteHelloExtension(e);
}

static void check_text(const char *s)
{
    sure(!s || strlen(s) < 65536); /* it has an end */
}

static void certificate(struct span der)
{
    struct cert_memory *memory;
    psX509Cert_t *p;
    struct cert c;

    if (cert_parse(&c, der, NULL) < 0) {
        return;
    }
    p = matrixssl_certs(&c, 1, 0, &memory);
    sure(p && !p->next && p->binLen == (int32)der.n);
    for (const x509DNattributes_t *dn = &p->subject; dn;
         dn = dn == &p->subject ? &p->issuer : NULL) {
        check_text(dn->commonName);
        check_text(dn->country);
        check_text(dn->locality);
        check_text(dn->state);
        check_text(dn->organization);
        check_text(dn->orgUnit);
    }
    for (const x509GeneralName_t *g = p->extensions.san; g; g = g->next) {
        sure(g->dataLen >= 0 && g->data[g->dataLen] == 0 && memchr(g->name, 0, sizeof g->name));
    }
    sure(strlen(p->notBefore) == (p->timeType == ASN_UTCTIME ? 13 : 15) &&
         strlen(p->notAfter) == strlen(p->notBefore));
    matrixssl_certs_free(memory);
}

static void keys(struct rd in)
{
    uint8_t *part[3];
    int32 len[3], rc;
    struct rd one;
    sslKeys_t *k;
    size_t n;

    sure(matrixSslNewKeys(&k) == PS_SUCCESS);
    for (size_t i = 0; i < 3; i++) {
        one = rd_of(NULL, 0);
        (void)!rd_vec(&in, 2, &one);
        len[i] = (int32)one.n;
        part[i] = one.n ? malloc(one.n) : NULL;
        if (part[i]) {
            memcpy(part[i], one.p, one.n);
        }
    }
    rc = matrixSslLoadRsaKeysMem(k, part[0], len[0], part[1], len[1], part[2], len[2]);
    n = trust_count(k->trust);
    sure(rc == PS_SUCCESS ? k->nidentities == (len[0] > 0) && (n > 0) == (len[2] > 0)
                          : rc < 0 && !k->nidentities && !n);
    rc = matrixSslLoadDhParamsMem(k, part[1], len[1]);
    sure((rc == PS_SUCCESS) == (buf_len(&k->dh.p) > 0));
    rc = matrixSslLoadPsk(k, part[1], (uint32)len[1], part[0], (uint32)len[0]);
    sure((rc == PS_SUCCESS) == (k->psks != NULL));
    rc = matrixSslLoadOCSPResponse(k, part[2], (uint32)len[2]);
    sure(rc != PS_SUCCESS || k->nidentities);
    matrixSslDeleteKeys(k);
    for (size_t i = 0; i < 3; i++) {
        free(part[i]);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct span rest = span_of(data + 1, size ? size - 1 : 0);

    sure(crypto_init() == 0);
    if (size == 0 || size > 8192) {
        return 0;
    }
    switch (data[0] % 3) {
    case 0:
        extensions(rd_span(rest));
        break;
    case 1:
        certificate(rest);
        break;
    default:
        if (!takes_long(rest) && !pem_takes_long(rest)) {
            keys(rd_span(rest));
        }
    }
    return 0;
}
