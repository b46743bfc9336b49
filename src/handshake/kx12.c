/* SPDX-License-Identifier: ISC */
/* Which row is whose, and what follows from one. */
#include "base/options.h"

#ifdef USE_TLS_1_2
#include "handshake/kx12.h"

static const struct kx12 *const rows[KX_COUNT] = {
    [KX_ECDHE] = &kx12_ecdhe,
#ifdef USE_RSA_KX
    [KX_RSA] = &kx12_rsa,
#endif
#ifdef USE_DHE
    [KX_DHE] = &kx12_dhe,
#endif
#ifdef USE_ANON
    [KX_DH_ANON] = &kx12_dh_anon,
#endif
#ifdef USE_PSK
    [KX_PSK] = &kx12_psk,         [KX_ECDHE_PSK] = &kx12_ecdhe_psk, [KX_RSA_PSK] = &kx12_rsa_psk,
#endif
#if defined(USE_PSK) && defined(USE_DHE)
    [KX_DHE_PSK] = &kx12_dhe_psk,
#endif
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

int kx12_master(struct hs *h, struct span shared)
{
    const struct kx12 *kx = kx12_of(h->suite);

    return kx->master ? kx->master(h, shared) : keys12_master(h, shared);
}
#endif
