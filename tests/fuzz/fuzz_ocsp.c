/* SPDX-License-Identifier: ISC */
/* An OCSP response for the leaf of a chain: a byte of options, then its ResponseData, which is
 * signed by the issuer or by a responder whose certificate goes along, or all of a response. A
 * server shows it when it says something. */
#include "tests/fuzz/signed.h"
#include "x509/parts.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct forge forged[] = { LEAF("i", 2), MID("i", "root", 2, 0), ROOT(),
                                       LEAF("i", 2, .subject = "responder", .key = 3,
                                            .eku = EKU_OCSP, .names = NULL),
                                       LEAF("i", 2, .must_staple = true) };
enum { THE_LEAF, INTERMEDIATE, THE_ROOT, RESPONDER, STAPLED, CERTS };
static struct cert certs[CERTS];
static struct identity *shown[2]; /* with THE_LEAF, with STAPLED */
static struct trust *trust;

static struct identity *shown_of(const struct cert *leaf)
{
    struct identity *id = NULL;
    struct buf pem = { 0 };

    if (pem_write(&pem, "CERTIFICATE", leaf->der) < 0 ||
        pem_write(&pem, "CERTIFICATE", certs[INTERMEDIATE].der) < 0 ||
        identity_from_certs(&id, buf_span(&pem), NULL) < 0) {
        abort();
    }
    buf_free(&pem);
    return id;
}

static void prepare(void)
{
    if (trust) {
        return;
    }
    signers_make();
    for (size_t i = 0; i < CERTS; i++) {
        certs[i] = forge_cert(&forged[i]);
    }
    shown[0] = shown_of(&certs[THE_LEAF]);
    shown[1] = shown_of(&certs[STAPLED]);
    trust = trust_new();
    if (!trust || trust_add_pem(trust, certs[THE_ROOT].der, NULL) != 1) {
        abort();
    }
}

/* RFC 6960 section 4.2.1: all that is around the ResponseData. */
static struct span wrap(struct wr *w, struct rd tbs, uint8_t options)
{
    size_t basic, at = w->len;

    wr_bytes(w, "\x0a\x01\x00", 3);
    at = w->len;
    wr_bytes(w, "\x06\x09\x2b\x06\x01\x05\x05\x07\x30\x01\x01", 11);
    basic = w->len;
    wr_bytes(w, tbs.p, tbs.n);
    if (!wr_ok(w)) {
        return span_of(NULL, 0);
    }
    signers_put(w->p + basic, tbs.n);
    forge_signature(w, basic, options & 2 ? 3 : 2, ALG_FIT, false);
    if (options & 2) {
        size_t list = w->len;

        wr_bytes(w, certs[RESPONDER].der.p, certs[RESPONDER].der.n);
        der_close(w, list, DER_SEQUENCE);
        der_close(w, list, DER_CONSTRUCTED(0));
    }
    der_close(w, basic, DER_SEQUENCE);
    der_close(w, basic, DER_OCTET_STRING);
    der_close(w, at, DER_SEQUENCE);
    der_close(w, at, DER_CONSTRUCTED(0));
    der_close(w, 0, DER_SEQUENCE);
    return span_of(w->p, wr_ok(w) ? w->len : 0);
}

static enum chain_verdict ask(struct span staple, enum revoke_mode mode, int64_t now, bool must)
{
    struct cert sent[2] = { certs[must ? STAPLED : THE_LEAF], certs[INTERMEDIATE] };
    struct chain_query q = {
        .trust = trust, .now = now, .peer_is_server = true, .revoke = mode, .staple = staple
    };
    struct chain_result r;
    struct error err;
    int rc;

    error_clear(&err);
    rc = chain_verify(&q, sent, 2, &r, &err);
    if (rc > 0 || (rc == 0) != (r.verdict == CHAIN_OK) || err.code != rc ||
        (rc == 0 && r.until < now)) {
        abort();
    }
    return r.verdict;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t mem[1 << 17];
    struct rd in = rd_of(data, size);
    struct wr w = wr_of(mem, sizeof mem);
    struct span staple;
    enum chain_verdict v;
    enum revoked status;
    const char *why = "";
    uint8_t options;
    int64_t now, until = INT64_MAX;
    unsigned left = RESPONSE_SIGNATURES;
    bool must;

    prepare();
    if (!rd_u8(&in, &options)) {
        return 0;
    }
    must = options & 8;
    now = options & 4 ? NOW + 10 * DAY : NOW;
    staple = options & 1 ? wrap(&w, in, options) : span_of(in.p, in.n);
    status = ocsp_status(staple, &certs[must ? STAPLED : THE_LEAF], &certs[INTERMEDIATE], now,
                         &left, &until, &why);
    if ((status == STATUS_UNKNOWN) != (why != NULL) || (status == STATUS_GOOD && until < now) ||
        (status != STATUS_GOOD && until != INT64_MAX)) {
        abort();
    }
    if ((identity_check_status(shown[must], staple, now, NULL) == 0) !=
        (status != STATUS_UNKNOWN)) {
        abort();
    }
    if (status == STATUS_UNKNOWN && !(options & 16)) {
        return 0; /* mostly it is, and a chain takes long */
    }
    v = ask(staple, options & 32 ? REVOKE_HARD : REVOKE_SOFT, now, must);
    if ((v == CHAIN_REVOKED) != (status == STATUS_REVOKED) ||
        (status == STATUS_GOOD && v != CHAIN_OK) ||
        (status == STATUS_UNKNOWN && v == CHAIN_OK && (must || options & 32))) {
        abort();
    }
    return 0;
}
