/* SPDX-License-Identifier: ISC */
/* Anonymous Diffie-Hellman (RFC 5246 section 7.4.3): DHE without a certificate and a signature. Who
 * stands in the middle is not noticed, so that there is a word to be said for each server. */
#include "base/options.h"
#ifdef USE_ANON
#include "handshake/kx12.h"

/* Where a certificate would be judged. Only who verifies nothing takes this as well, or an
 * application that is asked and says so: it is told that there is no certificate. */
int anon12_judge(struct hs *h)
{
    const struct settings *s = h->set;
    int rc = 0, word;

    if (h->renegotiating && h->peer) { /* threat 20 */
        return FAIL(h->err, TLS_ALERT(ALERT_HANDSHAKE_FAILURE),
                    "the server had a certificate, and now is anonymous");
    }
    if (s->verify != VERIFY_NONE || s->npins) {
        rc = FAIL(h->err, TLS_ALERT(ALERT_HANDSHAKE_FAILURE),
                  "the server is anonymous: nothing shows who it is");
    }
    if (s->on_verify) {
        word = s->on_verify(s->on_verify_ctx, h->ctx, NULL, 0, rc < 0 ? ALERT_OF(rc) : 0);
        if (word) {
            return rc < 0 ? rc
                          : FAIL(h->err, TLS_ALERT(word < 0 ? ALERT_INTERNAL_ERROR : word),
                                 "the application refused an anonymous server");
        }
        error_clear(h->err);
        rc = 0;
    }
    h->facts |= rc == 0 ? FACT_ANONYMOUS : 0u;
    return rc;
}
#endif
