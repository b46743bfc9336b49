/* SPDX-License-Identifier: ISC */
/* A build without TLS 1.3: what the handshake and the engine ask of it. Nothing is offered or kept
 * for it, and what only a connection of TLS 1.3 has keys for fails. */
#include "base/options.h"

#ifndef USE_TLS_1_3
#include "handshake/local.h"

bool psk13_usable(const struct hs *h, const struct tls_session *s)
{
    (void)h, (void)s;
    return false;
}

int psk13_bind(struct hs *h, struct hs_msg *m)
{
    (void)h, (void)m;
    return 0;
}

int early13_begin(struct hs *h)
{
    (void)h;
    return 0;
}

int early13_refused(struct hs *h)
{
    (void)h;
    return 0;
}

void shares_drop(struct hs_work *k)
{
    (void)k;
}

int post13_begin(struct hs *h)
{
    return FAIL(h->err, ERR_UNSUPPORTED, "TLS 1.3 is not compiled in");
}

int post13_ask(struct hs *h)
{
    return post13_begin(h);
}

void post13_free(struct hs *h)
{
    (void)h;
}

int schedule13_keys(enum hash_id hash, const uint8_t *traffic, size_t key_size, uint8_t *key,
                    uint8_t iv[static AEAD_IV])
{
    (void)hash, (void)traffic, (void)key_size, (void)key, (void)iv;
    return ERR_UNSUPPORTED;
}

int schedule13_next(enum hash_id hash, uint8_t traffic[static HASH_MAX])
{
    (void)hash, (void)traffic;
    return ERR_UNSUPPORTED;
}
#endif
