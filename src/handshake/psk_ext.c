/* SPDX-License-Identifier: ISC */
/* Pre-shared keys from outside: kept with the settings, ready for a hello, imported before (RFC
 * 9258) when they are bound to the names of both ends. */
#include "base/mem.h"
#include "base/secret.h"
#include "handshake/local.h"

/* IANA's numbers of TLS KDF identifiers (RFC 9258 section 10). */
enum { HKDF_SHA256 = 1, HKDF_SHA384 = 2 };

struct ext_psk *psk_new(struct span name, struct span key, enum hash_id hash)
{
    struct ext_psk *p = mem_zalloc(sizeof *p);

    if (p) {
        memcpy(p->name, name.p, name.n);
        memcpy(p->identity, name.p, name.n);
        memcpy(p->key, key.p, key.n);
        p->identity_len = name.n;
        p->key_len = key.n;
        p->hash = hash;
    }
    return p;
}

/* RFC 9258 section 5.1. The context is that of its appendix A: the client, then the server. */
static int import(struct ext_psk *p, enum hash_id target, const char *client, const char *server)
{
    const enum hash_id own = p->hash;
    const size_t size = hash_size(target);
    struct wr w = wr_of(p->identity, sizeof p->identity);
    uint8_t digest[HASH_MAX];
    SECRET(extracted, HASH_MAX);
    size_t context;

    wr_vec(&w, 2, p->name, strlen(p->name));
    context = wr_begin(&w, 2);
    wr_vec(&w, 2, client, strlen(client));
    wr_vec(&w, 2, server, strlen(server));
    wr_end(&w, 2, context);
    wr_u16(&w, TLS_1_3);
    wr_u16(&w, target == HASH_SHA384 ? HKDF_SHA384 : HKDF_SHA256);
    if (!wr_ok(&w)) {
        return ERR_ARG;
    }
    p->identity_len = w.len;
    p->hash = target;
    p->imported = true;
    TRY(hash_once(own, p->identity, p->identity_len, digest));
    TRY(hkdf_extract(own, span_of(NULL, 0), span_of(p->key, p->key_len), extracted));
    wipe(p->key, sizeof p->key);
    p->key_len = size;
    return hkdf_expand_label(own, extracted, "derived psk", span_of(digest, hash_size(own)), p->key,
                             size);
}

struct ext_psk *psk_new_imported(struct span name, struct span key, enum hash_id hash,
                                 enum hash_id target, const char *client, const char *server)
{
    struct ext_psk *p = psk_new(name, key, hash);

    if (p && import(p, target, client, server) < 0) {
        psks_free(p);
        return NULL;
    }
    return p;
}

void psks_free(struct ext_psk *p)
{
    while (p) {
        struct ext_psk *next = p->next;

        mem_free_secret(p, sizeof *p);
        p = next;
    }
}

const char *psk_label(const struct ext_psk *p)
{
    return p->imported ? "imp binder" : "ext binder"; /* RFC 9258 section 5.2 */
}

struct span psk_key(const struct ext_psk *p)
{
    return span_of(p->key, p->key_len);
}

const struct ext_psk *psk_find(const struct settings *s, struct span identity, enum hash_id hash)
{
    for (const struct ext_psk *p = s->psks; p; p = p->next) {
        if (p->hash == hash && span_eq(span_of(p->identity, p->identity_len), identity)) {
            return p;
        }
    }
    return NULL;
}

/* ---- of TLS 1.2 ---- */

/* Whoever asks for names is not to learn from the time it takes which there are: all are looked at,
 * and no branch depends on it. */
const struct ext_psk *psk12_find(const struct settings *s, struct span identity)
{
    uintptr_t found = (uintptr_t)s->decoy12;
    uint8_t name[PSK_NAME_MAX] = { 0 };

    if (identity.n && identity.n <= sizeof name) {
        memcpy(name, identity.p, identity.n);
    }
    for (const struct ext_psk *p = s->psks12; p; p = p->next) {
        const bool same =
            (p->identity_len == identity.n) & ct_equal(p->identity, name, sizeof name);
        const uintptr_t mask = (uintptr_t)0 - same;

        found = (found & ~mask) | ((uintptr_t)p & mask);
    }
    return (const struct ext_psk *)found;
}

/* In a renegotiation that is not bound to what was exchanged the peer stays who it was (threat 20);
 * with a key its name is known at the end only. */
int psk12_begin(struct hs *h)
{
    const bool uses = h->facts & FACT_PSK;

    if (h->renegotiating && !h->ems && uses != (h->psk != NULL)) {
        return FAIL(h->err, TLS_ALERT(ALERT_HANDSHAKE_FAILURE),
                    "the peer changed its credentials without extended master secret");
    }
    if (h->facts & FACT_NO_CERT) {
        cert_forget(h);
    }
    if (!uses) {
        mem_free(h->psk);
        h->psk = NULL;
    }
    return 0;
}

int psk12_end(struct hs *h)
{
    const struct ext_psk *p = h->work->external;
    char *name;

    if (!(h->facts & FACT_PSK)) {
        return 0;
    }
    if (p == h->set->decoy12) { /* nobody can know it */
        return FAIL(h->err, TLS_ALERT(ALERT_DECRYPT_ERROR), "the peer's Finished is wrong");
    }
    if (h->renegotiating && !h->ems && strcmp(h->psk, p->name) != 0) {
        return FAIL(h->err, TLS_ALERT(ALERT_HANDSHAKE_FAILURE),
                    "the peer changed its credentials without extended master secret");
    }
    name = mem_strdup(p->name);
    if (!name) {
        return ERR_MEM;
    }
    mem_free(h->psk);
    h->psk = name;
    return 0;
}

/* All of them, in any order: a session does not outlive the key that it began with (threat 27). */
int psks_digest(const struct settings *s, uint8_t sum[static SESSION_CONTEXT])
{
    const struct ext_psk *const list[] = { s->psks, s->psks12 };
    uint8_t mac[HASH_MAX];

    memset(sum, 0, SESSION_CONTEXT);
    for (uint8_t l = 0; l < 2; l++) {
        for (const struct ext_psk *p = list[l]; p; p = p->next) {
            const struct span part[] = { { &l, 1 }, { p->identity, p->identity_len } };

            TRY(hmac(HASH_SHA256, psk_key(p), part, 2, mac));
            for (size_t i = 0; i < SESSION_CONTEXT; i++) {
                sum[i] ^= mac[i];
            }
        }
    }
    return 0;
}
