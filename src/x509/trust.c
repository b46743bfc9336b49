/* SPDX-License-Identifier: ISC */
/* Trust anchors: each certificate is parsed once into one allocation, in a hash table by subject.
 */
#include <stdlib.h>

#include "base/buf.h"
#include "base/mem.h"
#include "x509/parts.h"

#define SYSTEM_BUNDLE    "/etc/ssl/certs/ca-certificates.crt"
#define SYSTEM_DIRECTORY "/etc/ssl/certs"

struct anchor {
    struct cert cert;
    struct pubkey *key; /* made by whoever needs it first; set once, atomically */
    uint32_t hash;
    struct anchor *same_bucket, *next;
    uint8_t der[];
};

struct trust {
    unsigned refs;
    struct anchor **buckets;
    size_t nbuckets, count;
    struct anchor *first, **end; /* in the order they were added */
};

static uint32_t hash_of(struct span s)
{
    uint32_t h = 2166136261u; /* FNV-1a */

    for (size_t i = 0; i < s.n; i++) {
        h = (h ^ s.p[i]) * 16777619u;
    }
    return h;
}

struct trust *trust_new(void)
{
    struct trust *t = mem_zalloc(sizeof *t);

    if (t) {
        t->refs = 1;
        t->end = &t->first;
    }
    return t;
}

struct trust *trust_ref(struct trust *t)
{
    (void)__atomic_add_fetch(&t->refs, 1, __ATOMIC_RELAXED);
    return t;
}

void trust_unref(struct trust *t)
{
    struct anchor *next;

    if (!t || __atomic_sub_fetch(&t->refs, 1, __ATOMIC_ACQ_REL) > 0) {
        return;
    }
    for (struct anchor *a = t->first; a; a = next) {
        next = a->next;
        pubkey_unref(a->key);
        mem_free(a);
    }
    mem_free(t->buckets);
    mem_free(t);
}

size_t trust_count(const struct trust *t)
{
    return t->count;
}

static struct anchor **bucket_end(struct anchor **bucket)
{
    while (*bucket) {
        bucket = &(*bucket)->same_bucket;
    }
    return bucket;
}

static int grow(struct trust *t)
{
    size_t n = t->nbuckets ? t->nbuckets * 2 : 64;
    struct anchor **buckets;

    if (t->count < t->nbuckets) {
        return 0;
    }
    buckets = mem_zalloc(n * sizeof(struct anchor *));
    if (!buckets) {
        return ERR_MEM;
    }
    for (struct anchor *a = t->first; a; a = a->next) {
        a->same_bucket = NULL;
        *bucket_end(&buckets[a->hash % n]) = a;
    }
    mem_free(t->buckets);
    t->buckets = buckets;
    t->nbuckets = n;
    return 0;
}

/* The i-th of that subject in the order of adding. */
static struct anchor *find(const struct trust *t, struct span name, size_t i)
{
    uint32_t h = hash_of(name);
    struct anchor *a = t->nbuckets ? t->buckets[h % t->nbuckets] : NULL;

    for (; a; a = a->same_bucket) {
        if (a->hash == h && span_eq(a->cert.subject, name) && i-- == 0) {
            return a;
        }
    }
    return NULL;
}

const struct cert *trust_find(const struct trust *t, struct span name, size_t i)
{
    const struct anchor *a = find(t, name, i);

    return a ? &a->cert : NULL;
}

void trust_each(const struct trust *t, void (*fn)(void *ctx, const struct cert *c), void *ctx)
{
    for (const struct anchor *a = t->first; a; a = a->next) {
        fn(ctx, &a->cert);
    }
}

int trust_key(const struct cert *c, const struct pubkey **key)
{
    struct anchor *a = c->anchor;
    struct pubkey *have = __atomic_load_n(&a->key, __ATOMIC_ACQUIRE), *made;

    if (!have) {
        TRY(cert_pubkey(c, &made));
        if (__atomic_compare_exchange_n(&a->key, &have, made, false, __ATOMIC_ACQ_REL,
                                        __ATOMIC_ACQUIRE)) {
            have = made;
        } else {
            pubkey_unref(made); /* another thread was faster */
        }
    }
    *key = have;
    return 0;
}

static int add_der(struct trust *t, struct span der, struct error *err)
{
    struct anchor *a = mem_alloc(sizeof *a + der.n), *other;
    int rc;

    if (!a) {
        return ERR_MEM;
    }
    if (der.n) {
        memcpy(a->der, der.p, der.n);
    }
    a->key = NULL;
    a->same_bucket = a->next = NULL;
    rc = cert_parse(&a->cert, span_of(a->der, der.n), err);
    for (size_t i = 0; rc == 0 && (other = find(t, a->cert.subject, i)) != NULL; i++) {
        if (span_eq(other->cert.der, der)) {
            mem_free(a);
            return 0;
        }
    }
    rc = rc < 0 ? rc : grow(t);
    if (rc < 0) {
        mem_free(a);
        return rc;
    }
    a->cert.anchor = a;
    a->hash = hash_of(a->cert.subject);
    *bucket_end(&t->buckets[a->hash % t->nbuckets]) = a;
    *t->end = a;
    t->end = &a->next;
    t->count++;
    return 0;
}

static int add_one(void *ctx, struct span der, struct error *err)
{
    return add_der(ctx, der, err);
}

int trust_add_pem(struct trust *t, struct span bytes, struct error *err)
{
    return pem_each(bytes, pem_is_certificate, "certificate", t, add_one, err);
}

static int add_bytes(void *ctx, struct span bytes, struct error *err)
{
    return trust_add_pem(ctx, bytes, err);
}

int trust_add_path(struct trust *t, const char *path, struct error *err)
{
    return path_each(path, t, add_bytes, err);
}

/* "a:b:c": every directory in it counts that has certificates. */
static int add_directories(struct trust *t, const char *list, struct error *err)
{
    char *copy = mem_strdup(list), *rest = copy, *part;
    int read = 0, rc = 0;

    while (copy && rc != ERR_MEM && (part = strsep(&rest, ":")) != NULL) {
        rc = *part ? trust_add_path(t, part, NULL) : 0;
        read += rc > 0 ? rc : 0;
    }
    mem_free(copy);
    if (!copy || rc == ERR_MEM) {
        return FAIL(err, ERR_MEM, "out of memory");
    }
    return read ? read : FAIL(err, ERR_PARSE, "no certificate in SSL_CERT_DIR (%.100s)", list);
}

int trust_add_system(struct trust *t, struct error *err)
{
    const char *file = secure_getenv("SSL_CERT_FILE"), *dirs = secure_getenv("SSL_CERT_DIR");
    int rc, more = 0;

    if (file || dirs) {
        rc = file ? trust_add_path(t, file, err) : 0;
        if (rc >= 0 && dirs) {
            more = add_directories(t, dirs, err);
        }
        return rc < 0 ? rc : more < 0 ? more : rc + more;
    }
    rc = trust_add_path(t, SYSTEM_BUNDLE, NULL);
    if (rc == ERR_FILE || rc == ERR_PARSE) {
        rc = trust_add_path(t, SYSTEM_DIRECTORY, NULL);
    }
    return rc < 0 ? FAIL(err, rc,
                         "no CA certificates on this machine (%s): install ca-certificates or name "
                         "a CA file",
                         SYSTEM_BUNDLE)
                  : rc;
}

int trust_system_each(int (*fn)(void *ctx, const char *path), void *ctx)
{
    const char *file = secure_getenv("SSL_CERT_FILE"), *dirs = secure_getenv("SSL_CERT_DIR");
    char *copy, *rest, *part;
    int rc = 0;

    if (!file && !dirs) {
        rc = fn(ctx, SYSTEM_BUNDLE);
        return rc == 0 ? fn(ctx, SYSTEM_DIRECTORY) : rc;
    }
    if (file) {
        rc = fn(ctx, file);
    }
    copy = rest = mem_strdup(dirs ? dirs : "");
    while (copy && rc >= 0 && (part = strsep(&rest, ":")) != NULL) {
        rc = *part ? fn(ctx, part) : 0;
    }
    mem_free(copy);
    return copy ? rc : ERR_MEM;
}
