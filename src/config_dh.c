/* SPDX-License-Identifier: ISC */
/* Diffie-Hellman over primes, of a config. */
#include "base/options.h"
#include "config_local.h"

/* Peers that have nothing better are for who says so, in a build that is made for them. */
#ifdef USE_OLD_TLS
#define DH_BITS_FLOOR 1024
#else
#define DH_BITS_FLOOR DH_BITS_MIN
#endif

int config_set_dh_params(struct config *c, const struct dh_params *params)
{
    if (c->sealed) {
        return ERR_STATE;
    }
    dhparams_free(&c->s.dh);
    TRY(buf_append(&c->s.dh.p, buf_data(&params->p), buf_len(&params->p)));
    return buf_append(&c->s.dh.g, buf_data(&params->g), buf_len(&params->g));
}

bool config_dh_bits_fit(unsigned bits)
{
    return bits >= DH_BITS_FLOOR && bits <= 8 * DH_BYTES_MAX;
}

int config_set_dh_bits(struct config *c, unsigned bits)
{
    if (c->sealed) {
        return ERR_STATE;
    }
    if (!config_dh_bits_fit(bits)) {
        return ERR_ARG;
    }
    c->s.dh_bits = bits;
    return 0;
}
