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

static int belongs(const struct cert *c, const struct privkey *key)
{
    struct pubkey *pub = NULL;
    int rc = cert_pubkey(c, &pub);

    if (rc == 0) {
        rc = privkey_matches(key, pub);
        pubkey_free(pub);
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

int identity_from_bytes(struct identity **out, struct span certs, struct span key, const char *pass,
                        struct error *err)
{
    struct identity *id = mem_zalloc(sizeof *id);
    struct buf ders = { 0 };
    size_t ends[CHAIN_MAX_CERTS], n;
    int rc;

    *out = NULL;
    if (!id) {
        return FAIL(err, ERR_MEM, "out of memory");
    }
    id->refs = 1;
    rc = collect(certs, &ders, ends, &n, err);
    if (rc == 0) {
        rc = keep_certs(id, &ders, ends, n);
    }
    buf_free(&ders);
    if (rc == 0) {
        key = key_block(key.n ? key : certs);
        rc = key.n ? privkey_load(&id->key, key, pass, err)
                   : FAIL(err, ERR_PARSE, "no private key in it");
    }
    if (rc == 0) {
        rc = put_leaf_first(id, err);
    }
    if (rc < 0) {
        identity_unref(id);
        return FAIL(err, rc, "%s", error_name(rc));
    }
    *out = id;
    return 0;
}

int identity_from_files(struct identity **out, const char *certs, const char *key, const char *pass,
                        struct error *err)
{
    struct buf cert_bytes = { .secret = true }, key_bytes = { .secret = true };
    bool apart = key && strcmp(key, certs) != 0;
    struct error why;
    int rc;

    *out = NULL;
    error_clear(&why);
    rc = file_read(certs, &cert_bytes, err);
    if (rc == 0 && apart) {
        rc = file_read(key, &key_bytes, err);
    }
    if (rc == 0) {
        rc = identity_from_bytes(out, buf_span(&cert_bytes), buf_span(&key_bytes), pass, &why);
    }
    if (rc < 0 && why.code) {
        (void)FAIL(err, rc, "%.60s%s%.60s: %s", certs, apart ? ", " : "", apart ? key : "",
                   why.text);
    }
    buf_free(&key_bytes);
    buf_free(&cert_bytes);
    return rc;
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
