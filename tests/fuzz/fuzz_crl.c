/* SPDX-License-Identifier: ISC */
/* A CRL: a byte of options, then what is to be signed of one, or all of one (PEM, DER). A chain is
 * asked about it in every mode. */
#include "tests/fuzz/signed.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct forge forged[] = { LEAF("i", 2, .crl_point = "http://a/"),
                                       MID("i", "root", 2, 0), ROOT() };
static struct cert certs[3];
static struct trust *trust;

static void prepare(void)
{
    if (trust) {
        return;
    }
    signers_make();
    for (size_t i = 0; i < 3; i++) {
        certs[i] = forge_cert(&forged[i]);
    }
    trust = trust_new();
    if (!trust || trust_add_pem(trust, certs[2].der, NULL) != 1) {
        abort();
    }
}

static int ask(const struct revocation *r, enum revoke_mode mode, int64_t now)
{
    struct chain_query q = {
        .trust = trust, .now = now, .peer_is_server = true, .revoke = mode, .revocation = r
    };
    struct chain_result first, again;
    struct error err;
    int rc;

    error_clear(&err);
    rc = chain_verify(&q, certs, 2, &first, &err);
    if (rc > 0 || (rc == 0) != (first.verdict == CHAIN_OK) || err.code != rc ||
        (rc == 0 && first.until < now)) {
        abort();
    }
    /* The second time its signature is known. */
    if (chain_verify(&q, certs, 2, &again, NULL) != rc || again.verdict != first.verdict) {
        abort();
    }
    return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t mem[1 << 17];
    struct rd in = rd_of(data, size);
    struct wr w = wr_of(mem, sizeof mem);
    struct revocation *r = revocation_new();
    uint8_t options, sum[32];
    struct error err;
    int rc, soft, hard;
    int64_t now;

    prepare();
    error_clear(&err);
    if (r && rd_u8(&in, &options)) {
        struct span crl = span_of(in.p, in.n);

        if (options & 1) {
            signers_sign(&w, in, options & 2 ? 0 : 2);
            crl = span_of(w.p, wr_ok(&w) ? w.len : 0);
        }
        rc = revocation_add_pem(r, crl, &err);
        if (rc == 0 || (rc < 0) != (revocation_count(r) == 0) || (rc < 0 && err.code != rc) ||
            revocation_digest(r, sum) < 0 || ask(r, REVOKE_OFF, NOW) < 0) {
            abort();
        }
        now = options & 4 ? NOW + 2 * DAY : NOW;
        soft = ask(r, REVOKE_SOFT, now);
        hard = ask(r, REVOKE_HARD, now);
        if ((soft < 0 && (soft != TLS_ALERT(ALERT_CERTIFICATE_REVOKED) || hard == 0)) ||
            (hard < 0 && ask(r, REVOKE_ALL, now) == 0)) {
            abort(); /* each mode asks for more */
        }
    }
    revocation_unref(r);
    return 0;
}
