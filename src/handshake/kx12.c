/* SPDX-License-Identifier: ISC */
/* Which row is whose, and what follows from one. */
#include "handshake/kx12.h"

static const struct kx12 *const rows[KX_COUNT] = {
    [KX_ECDHE] = &kx12_ecdhe,
    [KX_RSA] = &kx12_rsa,
};

const struct kx12 *kx12_of(const struct suite *s)
{
    return rows[s->kx];
}

bool kx12_signs(const struct kx12 *kx)
{
    return !(kx->facts & (FACT_NO_CERT | FACT_NO_SKE | FACT_SKE_OPTIONAL));
}

bool kx12_asks(const struct kx12 *kx)
{
    return !(kx->facts & (FACT_NO_CERT | FACT_PSK));
}
