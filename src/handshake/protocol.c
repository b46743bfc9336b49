/* SPDX-License-Identifier: ISC */
/* The versions that are compiled, and the row of TLS 1.2 (RFC 5246). */
#include "handshake/protocol.h"

#include "base/options.h"
#include "handshake/local.h"

int finished12_digest(const struct hs *h, enum tls_role whose, const uint8_t *at, size_t cut,
                      uint8_t *out)
{
    const struct protocol *p = protocol_of(h->version);
    enum hash_id id = h->work->transcript.id;
    struct span seed = span_of(at, hash_size(id));

    (void)cut;
    return p->prf(id, span_of(h->work->master, MASTER_SIZE),
                  whose == TLS_CLIENT ? "client finished" : "server finished", &seed, 1, out,
                  VERIFY12);
}

#ifdef USE_TLS_1_3
static const struct protocol tls13 = {
    .version = TLS_1_3,
    .name = "TLSv1.3",
    .names_schemes = true,
};
#endif

#ifdef USE_TLS_1_2
static const struct protocol tls12 = {
    .version = TLS_1_2,
    .name = "TLSv1.2",
    .names_schemes = true,
    .knows_ems = true,
    .prefixed = true,
    .has_empty = true,
    .verify_size = VERIFY12,
    .request_types = 2,
    .prf = prf12,
    .finished = finished12_digest,
};
#endif

/* From SSL 3 on; NULL: not compiled. */
static const struct {
    const struct protocol *row;
    const char *option;
} versions[] = {
#ifdef USE_SSL3
    { &protocol_ssl3, "DISABLE_SSLV3=0" },
#else
    { NULL, "DISABLE_SSLV3=0" },
#endif
#ifdef USE_TLS
    { &protocol_tls10, "USE_TLS" },
#else
    { NULL, "USE_TLS" },
#endif
#ifdef USE_TLS_1_1
    { &protocol_tls11, "USE_TLS_1_1" },
#else
    { NULL, "USE_TLS_1_1" },
#endif
#ifdef USE_TLS_1_2
    { &tls12, "USE_TLS_1_2" },
#else
    { NULL, "USE_TLS_1_2" },
#endif
#ifdef USE_TLS_1_3
    { &tls13, "USE_TLS_1_3" },
#else
    { NULL, "USE_TLS_1_3" },
#endif
};
#define NVERSIONS (sizeof versions / sizeof *versions)

bool protocol_is_known(unsigned version)
{
    return version - SSL_3_0 < NVERSIONS;
}

const struct protocol *protocol_of(unsigned version)
{
    return protocol_is_known(version) ? versions[version - SSL_3_0].row : NULL;
}

const char *protocol_option(unsigned version)
{
    return protocol_is_known(version) ? versions[version - SSL_3_0].option : NULL;
}
