/* SPDX-License-Identifier: ISC */
/* A build without TLS 1.2: what the handshake asks of it, answered for all the suites that are
 * left. */
#include "base/options.h"

#ifndef USE_TLS_1_2
#include "handshake/kx12.h"

const struct kx12 *kx12_of(const struct suite *s)
{
    (void)s;
    return NULL;
}

bool keys12_resumable(const struct hs *h, const struct tls_session *s)
{
    (void)h, (void)s;
    return false;
}

int kx12_master(struct hs *h, struct span shared)
{
    (void)shared;
    return FAIL(h->err, ERR_UNSUPPORTED, "TLS 1.2 is not compiled in");
}
#endif
