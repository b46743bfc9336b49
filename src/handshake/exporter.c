/* SPDX-License-Identifier: ISC */
/* What outlives a handshake so that other protocols can be bound to it: the exporter (RFC 5705, RFC
 * 8446 section 7.5) and the server's certificate (RFC 5929). */
#include "base/mem.h"
#include "base/secret.h"
#include "handshake/local.h"

/* TLS 1.2: the master secret, then the randoms of client and server, which begin the seed. */
#define KEPT12       (MASTER_SIZE + 2 * RANDOM_SIZE)
#define BINDING_SIZE 32 /* of tls-exporter (RFC 9266 section 2) */

void exporter_free(struct hs *h)
{
    mem_free_secret(h->exporter, h->exporter_size);
    h->exporter = NULL;
    identity_unref(h->shown);
    h->shown = NULL;
}

/* Room for a secret of that size, and our certificate when we are the server. A resumed session
 * does not say which one it was: we know when there is no other. */
static int keep(struct hs *h, size_t size)
{
    const struct settings *set = h->set;
    const struct identity *id = h->work->identity;

    exporter_free(h);
    if (set->role == TLS_SERVER) {
        if ((h->facts & FACT_RESUMED) && set->nidentities == 1) {
            id = set->identities[0];
        }
        h->shown = id ? identity_ref((struct identity *)(uintptr_t)id) : NULL;
    }
    h->exporter = size ? mem_zalloc(size) : NULL;
    h->exporter_size = (uint8_t)size;
    return h->exporter || !size ? 0 : FAIL(h->err, ERR_MEM, "out of memory");
}

size_t exporter_size(const struct hs *h)
{
    if (hs_is_13(h)) {
        return hash_size(h->suite->hash);
    }
    return h->ems ? KEPT12 : 0; /* RFC 7627 section 5.4: another connection could export the same */
}

int exporter13_keep(struct hs *h, const uint8_t *transcript)
{
    const size_t n = exporter_size(h);
    SECRET(master, HASH_MAX);

    TRY(schedule13_derive(&h->work->schedule, "exp master", transcript, master));
    TRY(keep(h, n));
    memcpy(h->exporter, master, n);
    keylog_line(h, "EXPORTER_SECRET", master, n);
    return 0;
}

int exporter12_keep(struct hs *h)
{
    const struct hs_work *k = h->work;

    TRY(keep(h, exporter_size(h)));
    if (!h->exporter) {
        return 0;
    }
    memcpy(h->exporter, k->master, MASTER_SIZE);
    memcpy(h->exporter + MASTER_SIZE, k->client_random, RANDOM_SIZE);
    memcpy(h->exporter + MASTER_SIZE + RANDOM_SIZE, k->server_random, RANDOM_SIZE);
    return 0;
}

static int export13(const struct hs *h, const char *label, struct span context, uint8_t *out,
                    size_t n)
{
    const enum hash_id hash = h->suite->hash;
    const size_t size = hash_size(hash);
    uint8_t digest[HASH_MAX];
    SECRET(derived, HASH_MAX);

    TRY(hash_once(hash, NULL, 0, digest));
    TRY(hkdf_expand_label(hash, h->exporter, label, span_of(digest, size), derived, size));
    TRY(hash_once(hash, context.p, context.n, digest));
    return hkdf_expand_label(hash, derived, "exporter", span_of(digest, size), out, n);
}

/* RFC 5705 section 4. */
static int export12(const struct hs *h, const char *label, struct span context, bool has_context,
                    uint8_t *out, size_t n)
{
    /* What the PRF itself is used for would give its keys away. */
    static const char *const ours[] = { "client finished", "server finished", "master secret",
                                        "extended master secret", "key expansion" };
    const uint8_t len[] = { (uint8_t)(context.n >> 8), (uint8_t)context.n };
    const struct span seed[] = { { h->exporter + MASTER_SIZE, 2 * RANDOM_SIZE },
                                 { len, sizeof len },
                                 context };

    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++) {
        if (strcmp(label, ours[i]) == 0) {
            return ERR_ARG;
        }
    }
    return protocol_of(h->version)
        ->prf(h->suite->hash, span_of(h->exporter, MASTER_SIZE), label, seed, has_context ? 3 : 1,
              out, n);
}

int hs_export(const struct hs *h, const char *label, struct span context, bool has_context,
              uint8_t *out, size_t n)
{
    if (n == 0 || context.n > UINT16_MAX || (context.n && !has_context)) {
        return ERR_ARG;
    }
    if (h->renegotiating) { /* the suite may be another one already */
        return ERR_STATE;
    }
    if (!h->exporter) {
        return ERR_UNSUPPORTED;
    }
    return hs_is_13(h) ? export13(h, label, context, out, n)
                       : export12(h, label, context, has_context, out, n);
}

/* ---- channel bindings ---- */
/* The hash of its signature; of MD5 and SHA-1 SHA-256 takes the place (RFC 5929 section 4.1). A
 * signature that goes by no single hash has no binding. */
static int certificate_hash(struct span der, uint8_t *out, size_t *n)
{
    struct cert c;
    enum hash_id hash;

    if (der.n == 0 || cert_parse(&c, der, NULL) < 0) {
        return ERR_UNSUPPORTED;
    }
    hash = c.sig.weak ? HASH_SHA256 : c.sig.known ? c.sig.hash : HASH_NONE;
    if (hash == HASH_NONE) {
        return ERR_UNSUPPORTED;
    }
    if (*n < hash_size(hash)) {
        return ERR_ARG;
    }
    *n = hash_size(hash);
    return hash_once(hash, der.p, der.n, out);
}

int hs_end_point(const struct hs *h, uint8_t *out, size_t *n)
{
    struct span ours = h->shown ? h->shown->leaf.der : span_of(NULL, 0);

    if (h->renegotiating) {
        return ERR_STATE;
    }
    return certificate_hash(h->set->role == TLS_SERVER ? ours : cert_list_leaf(h->peer), out, n);
}

/* RFC 9266: not where TLS 1.2 may renegotiate, since it names one handshake (section 4.2). */
int hs_exporter_binding(const struct hs *h, uint8_t *out, size_t *n)
{
    if (!hs_is_13(h) && (hs_allows(h) || h->set->renegotiation != RENEGOTIATE_NEVER)) {
        return ERR_UNSUPPORTED;
    }
    if (*n < BINDING_SIZE) {
        return ERR_ARG;
    }
    *n = BINDING_SIZE;
    return hs_export(h, "EXPORTER-Channel-Binding", span_of(NULL, 0), true, out, BINDING_SIZE);
}
