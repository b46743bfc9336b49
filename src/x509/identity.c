/* SPDX-License-Identifier: ISC */
/* Whom we are: a certificate list, leaf first, and the key that belongs to the leaf. */
#include "base/buf.h"
#include "base/mem.h"
#include "x509/parts.h"

/* The DER of every certificate in `text`, one behind the other in *ders; ends[i] is where the i-th
 * stops. */
static int collect(struct span text, struct buf *ders, size_t ends[static CHAIN_MAX_CERTS],
                   size_t *n, struct error *err)
{
    struct pem_block block;
    size_t pos = 0;
    int rc, blocks = 0;

    *n = 0;
    while ((rc = pem_find(text, &pos, &block)) != 0) {
        blocks++;
        if (rc > 0 && !pem_is_certificate(&block)) {
            continue;
        }
        if (*n == CHAIN_MAX_CERTS) {
            return FAIL(err, ERR_LIMIT, "more than %d certificates", CHAIN_MAX_CERTS);
        }
        if (rc > 0) {
            rc = pem_decode(block.body, ders);
        }
        if (rc < 0) {
            return FAIL(err, rc, "PEM block %d is malformed", blocks);
        }
        ends[(*n)++] = buf_len(ders);
    }
    if (!blocks && text.n) {
        TRY(buf_append(ders, text.p, text.n));
        ends[(*n)++] = text.n;
    }
    if (*n == 0) {
        return FAIL(err, ERR_PARSE, "no certificate in it");
    }
    /* What we send must fit what peers take. */
    return buf_len(ders) > CHAIN_MAX_BYTES
               ? FAIL(err, ERR_LIMIT, "the certificates are longer than %d bytes", CHAIN_MAX_BYTES)
               : 0;
}

/* The private key's PEM block alone, or all of it when there is no PEM in it. */
static struct span key_block(struct span text)
{
    struct pem_block block;
    size_t pos = 0;
    int rc;
    bool pem = false;

    while ((rc = pem_find(text, &pos, &block)) != 0) {
        pem = true;
        if (rc > 0 && pem_is_key(&block)) {
            return block.whole;
        }
    }
    return pem ? span_of(NULL, 0) : text;
}

static int belongs(const struct cert *c, struct privkey *key)
{
    struct pubkey *pub = NULL;
    int rc = cert_pubkey(c, &pub);

    if (rc == 0) {
        rc = privkey_matches(key, pub);
        pubkey_unref(pub);
    }
    return rc;
}

/* The certificate of the key comes first; the others keep their order. */
static int put_leaf_first(struct identity *id, struct error *err)
{
    char first[64] = "";

    for (size_t i = 0; i < id->ncerts; i++) {
        struct span der = id->certs[i];
        int rc;

        if (cert_parse(&id->leaf, der, err) < 0) {
            return ERR_PARSE;
        }
        if (i == 0) {
            cert_name_text(id->leaf.subject, first, sizeof first);
        }
        rc = belongs(&id->leaf, id->key);
        if (rc == ERR_MEM || rc == ERR_CRYPTO) {
            return FAIL(err, rc, "the key could not be compared: %s", error_name(rc));
        }
        if (rc == 0) {
            memmove(&id->certs[1], &id->certs[0], i * sizeof *id->certs);
            id->certs[0] = der;
            return 0;
        }
    }
    return FAIL(err, ERR_MISMATCH, "the private key does not belong to the certificate %s", first);
}

static int keep_certs(struct identity *id, const struct buf *ders, const size_t *ends, size_t n)
{
    size_t start = 0;

    id->mem = mem_dup(buf_data(ders), buf_len(ders));
    id->certs = mem_alloc(n * sizeof *id->certs);
    if (!id->mem || !id->certs) {
        return ERR_MEM;
    }
    for (size_t i = 0; i < n; i++) {
        id->certs[i] = span_of(id->mem + start, ends[i] - start);
        start = ends[i];
    }
    id->ncerts = n;
    return 0;
}

/* A PKCS#12 file begins with its version, which is 3: neither a certificate nor a key does. BER of
 * any length form (RFC 7292 section 4). */
bool bytes_are_pkcs12(struct span bytes)
{
    size_t at = 2;

    if (bytes.n < 2 || bytes.p[0] != 0x30) {
        return false;
    }
    at += bytes.p[1] > 0x80 ? bytes.p[1] & 0x7fu : 0;
    return at < bytes.n && bytes.n - at >= 3 && memcmp(bytes.p + at, "\x02\x01\x03", 3) == 0;
}

int key_from_bytes(struct privkey **out, struct span bytes, const char *pass, struct error *err)
{
    struct buf key = { .secret = true }, certs = { 0 };
    int rc = 0;

    *out = NULL;
    if (bytes_are_pkcs12(bytes)) {
        rc = pkcs12_load(bytes, pass, &key, &certs, err);
        bytes = buf_span(&key);
    }
    if (rc == 0) {
        bytes = key_block(bytes);
        rc = bytes.n ? privkey_load(out, bytes, pass, err)
                     : FAIL(err, ERR_PARSE, "no private key in it");
    }
    buf_free(&key);
    buf_free(&certs);
    return rc;
}

int identity_from_key(struct identity **out, struct span certs, struct privkey *key,
                      const char *pass, struct error *err)
{
    struct identity *id = mem_zalloc(sizeof *id);
    struct buf ders = { 0 }, text = { 0 }, unused = { .secret = true };
    size_t ends[CHAIN_MAX_CERTS], n;
    int rc = id ? 0 : ERR_MEM;

    *out = NULL;
    if (rc == 0) {
        id->refs = 1;
        id->key = privkey_ref(key);
    }
    if (rc == 0 && bytes_are_pkcs12(certs)) {
        rc = pkcs12_load(certs, pass, &unused, &text, err);
        certs = buf_span(&text);
    }
    if (rc == 0) {
        rc = collect(certs, &ders, ends, &n, err);
    }
    if (rc == 0) {
        rc = keep_certs(id, &ders, ends, n);
    }
    if (rc == 0) {
        rc = put_leaf_first(id, err);
    }
    buf_free(&unused);
    buf_free(&text);
    buf_free(&ders);
    if (rc < 0) {
        identity_unref(id);
        return FAIL(err, rc, "%s", error_name(rc));
    }
    *out = id;
    return 0;
}

int identity_from_bytes(struct identity **out, struct span certs, struct span key, const char *pass,
                        struct error *err)
{
    struct privkey *k;
    int rc;

    *out = NULL;
    rc = key_from_bytes(&k, key.n ? key : certs, pass, err);
    if (rc == 0) {
        rc = identity_from_key(out, certs, k, pass, err);
    }
    privkey_unref(k);
    return rc < 0 ? FAIL(err, rc, "%s", error_name(rc)) : 0;
}

int identity_from_leaf(struct identity **out, struct span der)
{
    struct identity *id = mem_zalloc(sizeof *id);
    int rc = ERR_MEM;

    if (id) {
        id->refs = 1;
        id->mem = mem_dup(der.p, der.n);
        rc = id->mem ? cert_parse(&id->leaf, span_of(id->mem, der.n), NULL) : ERR_MEM;
    }
    if (rc < 0) {
        identity_unref(id);
        return rc;
    }
    *out = id;
    return 0;
}

int identity_from_certs(struct identity **out, struct span certs, struct error *err)
{
    struct identity *id = mem_zalloc(sizeof *id);
    struct buf ders = { 0 };
    size_t ends[CHAIN_MAX_CERTS], n;
    int rc = ERR_MEM;

    *out = NULL;
    if (id) {
        id->refs = 1;
        rc = collect(certs, &ders, ends, &n, err);
        rc = rc < 0 ? rc : keep_certs(id, &ders, ends, n);
        rc = rc < 0 ? rc : cert_parse(&id->leaf, id->certs[0], err);
    }
    buf_free(&ders);
    if (rc < 0) {
        identity_unref(id);
        return FAIL(err, rc, "%s", error_name(rc));
    }
    *out = id;
    return 0;
}

struct identity *identity_ref(struct identity *id)
{
    (void)__atomic_add_fetch(&id->refs, 1, __ATOMIC_RELAXED);
    return id;
}

void identity_unref(struct identity *id)
{
    if (!id || __atomic_sub_fetch(&id->refs, 1, __ATOMIC_ACQ_REL) > 0) {
        return;
    }
    privkey_unref(id->key);
    mem_free(id->certs);
    mem_free(id->mem);
    mem_free(id);
}
