/* SPDX-License-Identifier: ISC */
/* An OCSP response that a server is to show (RFC 6066 section 8): better refused here than by every
 * client. */
#include "x509/parts.h"

/* The certificate of who signed the leaf, out of those that are sent with it. */
static bool find_issuer(const struct identity *id, struct cert *issuer)
{
    for (size_t i = 1; i < id->ncerts; i++) {
        if (cert_parse(issuer, id->certs[i], NULL) == 0 &&
            span_eq(issuer->subject, id->leaf.issuer)) {
            return true;
        }
    }
    return false;
}

int identity_check_status(const struct identity *id, struct span response, int64_t now,
                          struct error *err)
{
    const char *why = NULL;
    struct cert issuer;
    struct rd in = rd_span(response), whole;
    unsigned signatures = RESPONSE_SIGNATURES;
    int64_t until = INT64_MAX;

    if (!der_get(&in, DER_SEQUENCE, &whole) || !rd_done(&in)) {
        return FAIL(err, ERR_PARSE, "it is not an OCSP response in DER");
    }
    if (find_issuer(id, &issuer) &&
        ocsp_status(response, &id->leaf, &issuer, now, &signatures, &until, &why) ==
            STATUS_UNKNOWN &&
        why) {
        return FAIL(err, ERR_PARSE, "the OCSP response %s", why);
    }
    return 0;
}
