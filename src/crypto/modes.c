/* SPDX-License-Identifier: ISC */
/* How the versions before TLS 1.3 protect a record with a MAC: one row each. */
#include "base/options.h"
#include "crypto/local.h"

/* RFC 5246 section 6.2.3.1. */
static int mac_tls(enum hash_id id, const uint8_t *key, const uint8_t head[static MAC_HEAD],
                   struct span content, uint8_t *out)
{
    const uint8_t length[] = { (uint8_t)(content.n >> 8), (uint8_t)content.n };
    const struct span parts[] = { { head, MAC_HEAD }, { length, sizeof length }, content };

    return hmac(id, span_of(key, hash_size(id)), parts, 3, out);
}

static const struct mode modes[] = {
    { 0x0303, true, mac_tls, NULL },
#ifdef USE_TLS_1_1
    { 0x0302, true, mac_tls, NULL }, /* RFC 4346 section 6.2.3.2 */
#endif
#ifdef USE_TLS
    { 0x0301, false, mac_tls, NULL }, /* RFC 2246 section 6.2.3.2 */
#endif
#ifdef USE_SSL3
    { 0x0300, false, mac_ssl3, unpad_ssl3 },
#endif
};

const struct mode *mode_of(uint16_t version)
{
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        if (modes[i].version == version) {
            return &modes[i];
        }
    }
    return NULL;
}

size_t cbc_iv_size(enum cbc_id id, uint16_t version)
{
    const struct mode *m = mode_of(version);

    return m && !m->sends_iv ? cbc_block(id) : 0;
}
