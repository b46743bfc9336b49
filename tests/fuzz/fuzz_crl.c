/* SPDX-License-Identifier: ISC */
/* A CRL: a byte of options, then what is to be signed of one, or all of one (PEM, DER).A chain is
 * asked about it. */
#include "tests/fuzz/signed.h"
#include "x509/parts.h"

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

/* What it says of a certificate, before and after its signature is known. */
static enum revoked status(const struct revocation *r, size_t i, int64_t now)
{
    unsigned checks = 64;
    int64_t until = INT64_MAX, again = INT64_MAX;
    enum revoked s = crl_status(r, &certs[i], &certs[i + 1], now, &checks, &until);

    if (crl_status(r, &certs[i], &certs[i + 1], now, &checks, &again) != s || again != until ||
        (s == STATUS_GOOD && until < now)) {
        abort();
    }
    return s;
}

/* A whole chain makes of it what its certificates are. */
static void ask(const struct revocation *r, enum revoke_mode mode, int64_t now,
                const enum revoked s[static 2])
{
    struct chain_query q = {
        .trust = trust, .now = now, .peer_is_server = true, .revoke = mode, .revocation = r
    };
    bool revoked = s[0] == STATUS_REVOKED || s[1] == STATUS_REVOKED;
    bool unknown = (mode >= REVOKE_HARD && s[0] == STATUS_UNKNOWN) ||
                   (mode == REVOKE_ALL && s[1] == STATUS_UNKNOWN);
    struct chain_result result;
    struct error err;
    int rc;

    error_clear(&err);
    rc = chain_verify(&q, certs, 2, &result, &err);
    if (rc > 0 || err.code != rc || (rc == 0) != (result.verdict == CHAIN_OK) ||
        (rc == 0) != (mode == REVOKE_OFF || !(revoked || unknown)) ||
        (result.verdict == CHAIN_REVOKED && !revoked) ||
        (result.verdict == CHAIN_STATUS_UNKNOWN && !unknown)) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t mem[1 << 17];
    struct rd in = rd_of(data, size);
    struct wr w = wr_of(mem, sizeof mem);
    struct revocation *r = revocation_new();
    uint8_t options, sum[32];
    struct error err;
    int rc;

    prepare();
    error_clear(&err);
    if (r && rd_u8(&in, &options)) {
        struct span crl = span_of(in.p, in.n);
        int64_t now = options & 4 ? NOW + 2 * DAY : NOW;

        if (options & 1) {
            signers_sign(&w, in, options & 2 ? 0 : 2);
            crl = span_of(w.p, wr_ok(&w) ? w.len : 0);
        }
        rc = revocation_add_pem(r, crl, &err);
        if (rc == 0 || (rc < 0) != (revocation_count(r) == 0) || (rc < 0 && err.code != rc) ||
            revocation_digest(r, sum) < 0) {
            abort();
        }
        if (rc > 0) {
            enum revoked s[2] = { status(r, 0, now), status(r, 1, now) };

            ask(r, (enum revoke_mode)(options >> 3 & 3), now, s);
        }
    }
    revocation_unref(r);
    return 0;
}
