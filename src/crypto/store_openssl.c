/* SPDX-License-Identifier: ISC */
/* Keys that stay where they are, a token or a TPM, by their URI: libcrypto's store asks a provider
 * for them. Each such provider has a library context of its own, with the default one beside it:
 * what it offers is used for its own keys and for nothing else. */
#include <stdio.h>

#include "base/lock.h"
#include "base/mem.h"
/* The same clash of names as in local_openssl.h. */
#define ERR_STATE LIBCRYPTO_ERR_STATE
#include <openssl/pem.h>
#include <openssl/store.h>
#include <openssl/ui.h>
#undef ERR_STATE

#include "base/buf.h"
#include "base/secret.h"
#include "crypto/local_openssl.h"
#include "crypto/memory.h"

#define STORES_MAX 8

/* Never freed, like the main context: keys live in them. */
static struct store {
    char *name;
    OSSL_LIB_CTX *lib;
    char query[80]; /* for methods that work with its keys: its own, where it has some */
} stores[STORES_MAX];
static size_t nstores;
static unsigned nquiet; /* calls under way that must not ask */
static const UI_METHOD *loud;
static struct lock lock = LOCK_INIT;

static OSSL_LIB_CTX *make_lib(const char *name)
{
    OSSL_LIB_CTX *lib = OSSL_LIB_CTX_new();
    OSSL_PROVIDER *usual = lib ? OSSL_PROVIDER_load(lib, "default") : NULL;

    if (usual && OSSL_PROVIDER_load(lib, name)) {
        return lib;
    }
    if (usual) {
        (void)OSSL_PROVIDER_unload(usual);
    }
    OSSL_LIB_CTX_free(lib);
    return NULL;
}

/* Named by what is loaded, a module's path without directory and ending. The default provider would
 * take the public half of a token's key and miss the private one. */
static void describe(struct store *s)
{
    const char *slash = strrchr(s->name, '/'), *base = slash ? slash + 1 : s->name;
    const size_t n = strcspn(base, ".'");

    (void)snprintf(s->query, sizeof s->query, "?provider='%.*s'", n < 60 ? (int)n : 60, base);
}

static OSSL_LIB_CTX *find_or_load(const char *name)
{
    OSSL_LIB_CTX *lib = NULL;
    char *copy;

    for (size_t i = 0; i < nstores; i++) {
        if (strcmp(stores[i].name, name) == 0) {
            return stores[i].lib;
        }
    }
    copy = nstores < STORES_MAX ? mem_strdup(name) : NULL;
    lib = copy ? make_lib(name) : NULL;
    if (lib) {
        stores[nstores] = (struct store){ .name = copy, .lib = lib };
        describe(&stores[nstores++]);
    } else {
        mem_free(copy);
    }
    return lib;
}

OSSL_LIB_CTX *lib_with_provider(const char *name)
{
    IN_LIBCRYPTO;
    OSSL_LIB_CTX *lib;

    lock_take(&lock);
    lib = find_or_load(name);
    lock_give(&lock);
    return lib;
}

static const char *query_of(const OSSL_LIB_CTX *lib)
{
    const char *query = NULL;

    lock_take(&lock);
    for (size_t i = 0; i < nstores; i++) {
        query = stores[i].lib == lib ? stores[i].query : query;
    }
    lock_give(&lock);
    return query;
}

static const char *usual_provider(const char *uri)
{
    static const struct {
        const char *scheme, *provider;
    } rows[] = { { "pkcs11:", "pkcs11" }, { "handle:", "tpm2" }, { "object:", "tpm2" } };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (strncmp(uri, rows[i].scheme, strlen(rows[i].scheme)) == 0) {
            return rows[i].provider;
        }
    }
    return NULL;
}

/* ---- the PIN ---- */

struct pin {
    const char *pin;
    bool asked;
};

/* A provider that is given no PIN, or has to open its token anew in the middle of a signature, asks
 * on the terminal of the program by what libcrypto has for that, which is the process's. */
void token_begin(void)
{
    lock_take(&lock);
    if (nquiet++ == 0) {
        loud = UI_get_default_method();
        UI_set_default_method(UI_null());
    }
    lock_give(&lock);
}

void token_end(void)
{
    lock_take(&lock);
    if (--nquiet == 0) {
        UI_set_default_method(loud);
    }
    lock_give(&lock);
}

static int give_pin(char *out, int size, int writing, void *arg)
{
    struct pin *p = arg;
    const size_t n = p->pin ? strlen(p->pin) : 0;

    p->asked = true;
    if (writing || !p->pin || size < 0 || n > (size_t)size) {
        return -1;
    }
    memcpy(out, p->pin, n);
    return (int)n;
}

/* ---- what is there ---- */

struct found {
    EVP_PKEY *pkey;
    BIO *certs; /* NULL: not wanted */
    bool any_cert, ok;
};

static void take(struct found *f, const OSSL_STORE_INFO *info, bool want_key)
{
    switch (OSSL_STORE_INFO_get_type(info)) {
    case OSSL_STORE_INFO_PKEY:
        if (want_key && !f->pkey) {
            f->pkey = OSSL_STORE_INFO_get1_PKEY(info);
        }
        break;
    case OSSL_STORE_INFO_CERT:
        if (f->certs) {
            f->any_cert = true;
            f->ok &= PEM_write_bio_X509(f->certs, OSSL_STORE_INFO_get0_CERT(info)) == 1;
        }
        break;
    default:
        break;
    }
}

static void look(struct found *f, OSSL_LIB_CTX *lib, const char *uri, bool want_key,
                 struct pin *pin)
{
    UI_METHOD *ui = UI_UTIL_wrap_read_pem_callback(give_pin, 0);
    OSSL_STORE_CTX *store =
        ui ? OSSL_STORE_open_ex(uri, lib, NULL, ui, pin, NULL, NULL, NULL) : NULL;

    if (store && want_key != (f->certs != NULL)) {
        /* Only a hint, and not all stores take it. */
        (void)OSSL_STORE_expect(store, want_key ? OSSL_STORE_INFO_PKEY : OSSL_STORE_INFO_CERT);
    }
    while (store && !OSSL_STORE_eof(store)) {
        OSSL_STORE_INFO *info = OSSL_STORE_load(store);

        if (!info && OSSL_STORE_error(store)) {
            break;
        }
        if (info) {
            take(f, info, want_key);
        }
        OSSL_STORE_INFO_free(info);
    }
    (void)OSSL_STORE_close(store);
    UI_destroy_method(ui);
}

static int why_not(struct error *err, const struct pin *pin, bool want_key)
{
    if (crypto_why(ERR_PARSE) == ERR_MEM) {
        return FAIL(err, ERR_MEM, "out of memory");
    }
    if (pin->asked) {
        return FAIL(err, ERR_PASSPHRASE,
                    pin->pin ? "the token does not open with this PIN"
                             : "the token asks for a PIN and no passphrase was given");
    }
    return FAIL(err, ERR_PARSE,
                want_key ? "no private key is at this URI" : "no certificate is at this URI");
}

/* Hands on what was found; both or nothing. */
static int hand_on(struct found *f, OSSL_LIB_CTX *lib, struct privkey **key, struct buf *certs,
                   struct error *err)
{
    int rc = 0;

    if (f->pkey) {
        rc = privkey_wrap(key, f->pkey);
        f->pkey = NULL;
    }
    if (rc == 0 && key && *key) {
        (*key)->lib = lib;
        (*key)->query = query_of(lib);
    }
    if (rc == ERR_UNSUPPORTED) {
        return FAIL(err, rc, "the private key at this URI is of no use to TLS");
    }
    if (rc == 0 && certs) {
        char *text = NULL;
        const long n = BIO_get_mem_data(f->certs, &text);

        rc = buf_append(certs, text, n > 0 ? (size_t)n : 0);
    }
    if (rc < 0 && key) {
        privkey_unref(*key);
        *key = NULL;
    }
    return rc < 0 ? FAIL(err, rc, "%s", error_name(rc)) : 0;
}

int store_load(const char *uri, const char *name, const char *pass, struct privkey **key,
               struct buf *certs, struct error *err)
{
    struct found f = { .ok = true };
    struct pin pin = { .pin = pass };
    OSSL_LIB_CTX *lib;
    int rc;

    if (key) {
        *key = NULL;
    }
    name = name ? name : usual_provider(uri);
    if (!name) {
        return FAIL(err, ERR_UNSUPPORTED,
                    "no provider of libcrypto is known for this URI: one has "
                    "to be named");
    }
    (void)ERR_set_mark();
    lib = lib_with_provider(name);
    f.certs = certs ? BIO_new(BIO_s_mem()) : NULL;
    if (!lib) {
        rc = FAIL(err, ERR_UNSUPPORTED, "libcrypto's provider \"%.60s\" cannot be loaded", name);
    } else if (certs && !f.certs) {
        rc = FAIL(err, ERR_MEM, "out of memory");
    } else {
        token_begin();
        look(&f, lib, uri, key != NULL, &pin);
        token_end();
        wipe_below();
        rc = (!key || f.pkey) && (!certs || f.any_cert || key) && f.ok
                 ? hand_on(&f, lib, key, certs, err)
                 : why_not(err, &pin, key != NULL);
    }
    (void)ERR_pop_to_mark();
    EVP_PKEY_free(f.pkey);
    BIO_free(f.certs);
    return rc;
}
