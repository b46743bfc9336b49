/* SPDX-License-Identifier: ISC */
/* The libraries that this program was built with: a missing one is a weak symbol that stays NULL.
 */
#include <stdio.h>

#include "tests/bench/bench.h"

#pragma weak peer_gnutls
#pragma weak peer_wolfssl

const struct peer *peer_at(size_t i)
{
    const struct peer *all[] = { &peer_openssl, &peer_sleeve, &peer_gnutls, &peer_wolfssl };

    for (size_t k = 0; k < sizeof all / sizeof *all; k++) {
        if (all[k] && i-- == 0) {
            return all[k];
        }
    }
    return NULL;
}

const char *cert_path(char *text, size_t n, const struct job *job, const char *who,
                      const char *suffix)
{
    int len = snprintf(text, n, "%s/%s-%s%s", job->dir, job->cert == CERT_RSA ? "rsa" : "ecdsa",
                       who, suffix);

    return len > 0 && (size_t)len < n ? text : NULL;
}
