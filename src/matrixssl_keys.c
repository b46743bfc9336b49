/* SPDX-License-Identifier: ISC */
/* The guide's API: keys. All of a load takes effect or nothing of it. */
#include "matrixssl.h"

#include "base/mem.h"
#include "base/secret.h"
#include "base/trace.h"

#define OCSP_MAX 16384 /* bytes of a response: a ServerHello's flight stays small */

int32 matrixSslNewKeys(sslKeys_t **out)
{
    struct sslKeys *k;

    if (!out) {
        return PS_ARG_FAIL;
    }
    *out = NULL;
    if (crypto_init() < 0) {
        return PS_FAILURE;
    }
    k = mem_zalloc(sizeof *k);
    if (!k) {
        return PS_MEM_FAIL;
    }
    atomic_init(&k->in_use, false);
    (void)lock_init(&k->lock);
    k->trust = trust_new();
    k->tickets = ticket_keys_new(SSL_SESSION_ENTRY_LIFE);
    if (!k->trust || !k->tickets) {
        matrixSslDeleteKeys(k);
        return PS_MEM_FAIL;
    }
    *out = k;
    return PS_SUCCESS;
}

void matrixSslDeleteKeys(sslKeys_t *k)
{
    if (!k) {
        return;
    }
    for (size_t i = 0; i < k->nidentities; i++) {
        identity_unref(k->identity[i]);
        buf_free(&k->status[i]);
    }
    for (size_t i = 0; i < KEYS_SHARED; i++) {
        config_unref(k->shared[i].config);
    }
    lock_free(&k->lock);
    trust_unref(k->trust);
    ticket_keys_unref(k->tickets);
    while (k->psks) {
        struct psk *next = k->psks->next;

        mem_free_secret(k->psks, sizeof *k->psks);
        k->psks = next;
    }
    dhparams_free(&k->dh);
    mem_free(k);
}

void matrixSslFreeKeys(sslKeys_t *k)
{
    matrixSslDeleteKeys(k);
}

#ifdef USE_PKCS5
#define PASSPHRASE(p) (p)
#else
#define PASSPHRASE(p) ((void)(p), (const char *)NULL) /* an encrypted key is refused */
#endif

static int load(struct sslKeys *k, struct span certs, struct span key, const char *pass,
                struct span ca, struct error *err)
{
    struct identity *id = NULL;
    int rc;

    if (certs.n) {
        if (k->nidentities == KEYS_MAX_IDENTITIES) {
            return FAIL(err, ERR_LIMIT, "more than %d certificates", KEYS_MAX_IDENTITIES);
        }
        TRY(identity_from_bytes(&id, certs, key, PASSPHRASE(pass), err));
    }
    if (ca.n) {
        rc = trust_add_pem(k->trust, ca, err);
        if (rc < 0) {
            identity_unref(id);
            return rc;
        }
    }
    if (id) {
        k->identity[k->nidentities++] = id;
    }
    return 0;
}

static int32 result(int rc, const struct error *err)
{
    if (rc < 0) {
        trace(TRACE_ERROR, "keys: %s", err->text[0] ? err->text : error_name(rc));
    }
    return rc < 0 ? matrixssl_code(rc) : PS_SUCCESS;
}

#ifdef PS_USE_FILE_SYSTEM
/* Appends a PEM text; a DER certificate becomes one, so that lists may mix the two. */
static int append_certs(struct buf *out, struct span bytes)
{
    if (bytes.n && bytes.p[0] == 0x30) { /* SEQUENCE */
        return pem_write(out, "CERTIFICATE", bytes);
    }
    TRY(buf_append(out, bytes.p, bytes.n));
    return buf_append(out, "\n", 1);
}

/* Every file of a list that ';' separates. */
static int read_list(struct buf *out, const char *list, struct error *err)
{
    struct buf one = { .secret = out->secret };
    int rc = 0;

    while (rc == 0 && *list) {
        size_t n = strcspn(list, ";");
        char path[4096];

        if (n >= sizeof path) {
            return FAIL(err, ERR_ARG, "file name of %zu bytes", n);
        }
        memcpy(path, list, n);
        path[n] = '\0';
        list += n + (list[n] == ';');
        if (n == 0) {
            continue;
        }
        rc = file_read(path, &one, err);
        if (rc == 0) {
            rc = append_certs(out, buf_span(&one));
        }
        buf_free(&one);
    }
    return rc;
}

int32 matrixSslLoadRsaKeys(sslKeys_t *k, const char *certFile, const char *privFile,
                           const char *privPass, const char *trustedCAFile)
{
    struct buf certs = { 0 }, ca = { 0 }, key = { .secret = true };
    struct error err = { 0 };
    int rc = 0;

    if (!k || (!certFile && privFile) || (!certFile && !trustedCAFile)) {
        return PS_ARG_FAIL;
    }
    if (atomic_load(&k->in_use)) {
        return PS_FAILURE;
    }
    if (certFile) {
        rc = read_list(&certs, certFile, &err);
    }
    if (rc == 0 && privFile) {
        rc = file_read(privFile, &key, &err);
    }
    if (rc == 0 && trustedCAFile) {
        rc = read_list(&ca, trustedCAFile, &err);
    }
    if (rc == 0) {
        /* A certificate without a key file: both may be in the one file. */
        rc = load(k, buf_span(&certs), privFile ? buf_span(&key) : buf_span(&certs), privPass,
                  buf_span(&ca), &err);
    }
    buf_free(&certs);
    buf_free(&key);
    buf_free(&ca);
    return result(rc, &err);
}
#endif

int32 matrixSslLoadRsaKeysMem(sslKeys_t *k, unsigned char *cert, int32 certLen, unsigned char *priv,
                              int32 privLen, unsigned char *trustedCA, int32 trustedCALen)
{
    struct error err = { 0 };
    struct span c, p, t;

    if (!k || certLen < 0 || privLen < 0 || trustedCALen < 0) {
        return PS_ARG_FAIL;
    }
    c = span_of(cert, cert ? (size_t)certLen : 0);
    p = span_of(priv, priv ? (size_t)privLen : 0);
    t = span_of(trustedCA, trustedCA ? (size_t)trustedCALen : 0);
    if ((c.n == 0) != (p.n == 0) || (!c.n && !t.n)) {
        return PS_ARG_FAIL;
    }
    if (atomic_load(&k->in_use)) {
        return PS_FAILURE;
    }
    return result(load(k, c, p, NULL, t, &err), &err);
}

/* ---- PKCS#12 ---- */
#if defined(PS_USE_FILE_SYSTEM) && defined(USE_PKCS12)
#define PASSWORD_MAX 256

int32 matrixSslLoadPkcs12(sslKeys_t *k, unsigned char *p12File, unsigned char *importPass,
                          int32 importPassLen, unsigned char *macPass, int32 macPassLen,
                          int32 flags)
{
    struct buf file = { .secret = true }, key = { .secret = true }, certs = { 0 };
    struct error err = { 0 };
    SECRET(pass, PASSWORD_MAX + 1);
    int rc;

    (void)flags;
    if (!k || !p12File || importPassLen < 0 || importPassLen > PASSWORD_MAX || macPassLen < 0 ||
        (!importPass && importPassLen)) {
        return PS_ARG_FAIL;
    }
    if (macPass && (macPassLen != importPassLen ||
                    (macPassLen && !ct_equal(macPass, importPass, (size_t)macPassLen)))) {
        return PS_UNSUPPORTED_FAIL;
    }
    if (atomic_load(&k->in_use)) {
        return PS_FAILURE;
    }
    memset(pass, 0, sizeof pass);
    if (importPassLen) {
        memcpy(pass, importPass, (size_t)importPassLen);
    }
    rc = file_read((const char *)p12File, &file, &err);
    if (rc == 0) {
        rc = pkcs12_load(buf_span(&file), importPass ? (const char *)pass : NULL, &key, &certs,
                         &err);
    }
    if (rc == 0) {
        rc = load(k, buf_span(&certs), buf_span(&key), NULL, span_of(NULL, 0), &err);
    }
    buf_free(&file);
    buf_free(&key);
    buf_free(&certs);
    return result(rc, &err);
}
#endif

/* ---- Diffie-Hellman parameters ---- */
#ifdef PS_USE_FILE_SYSTEM
int32 matrixSslLoadDhParams(sslKeys_t *k, const char *paramFile)
{
    struct buf file = { 0 };
    struct error err = { 0 };
    int rc;

    if (!k || !paramFile) {
        return PS_ARG_FAIL;
    }
    if (atomic_load(&k->in_use)) {
        return PS_FAILURE;
    }
    rc = file_read(paramFile, &file, &err);
    if (rc == 0) {
        rc = dhparams_load(&k->dh, buf_span(&file));
    }
    buf_free(&file);
    return result(rc, &err);
}
#endif

int32 matrixSslLoadDhParamsMem(sslKeys_t *k, unsigned char *params, int32 len)
{
    struct error err = { 0 };

    if (!k || !params || len <= 0) {
        return PS_ARG_FAIL;
    }
    if (atomic_load(&k->in_use)) {
        return PS_FAILURE;
    }
    return result(dhparams_load(&k->dh, span_of(params, (size_t)len)), &err);
}

/* ---- pre-shared keys ---- */
int32 matrixSslLoadPsk(sslKeys_t *k, unsigned char *key, uint32 keyLen, unsigned char *id,
                       uint32 idLen)
{
    struct psk *p;

    if (!k || !key || !id || keyLen < 1 || keyLen > SSL_PSK_MAX_KEY_SIZE || idLen < 1 ||
        idLen > SSL_PSK_MAX_ID_SIZE) {
        return PS_ARG_FAIL;
    }
    if (atomic_load(&k->in_use)) {
        return PS_FAILURE;
    }
    for (p = k->psks; p && !span_eq(span_of(p->id, p->nid), span_of(id, idLen)); p = p->next) {
    }
    if (!p) {
        p = mem_zalloc(sizeof *p);
        if (!p) {
            return PS_MEM_FAIL;
        }
        p->next = k->psks;
        k->psks = p;
    }
    wipe(p->key, sizeof p->key);
    memcpy(p->key, key, keyLen);
    memcpy(p->id, id, idLen);
    p->nkey = keyLen;
    p->nid = idLen;
    p->is_text = !memchr(id, 0, idLen);
    if (!p->is_text) {
        trace(TRACE_INFO, "keys: a pre-shared key whose identity is no text is not used");
    } else if (keyLen < PSK_KEY_MIN) {
        trace(TRACE_INFO, "keys: a pre-shared key of %u bytes is not used by TLS 1.3", keyLen);
    }
    return PS_SUCCESS;
}

/* ---- what a server sends with its certificate, and after ---- */
int32 matrixSslLoadOCSPResponse(sslKeys_t *k, const unsigned char *response, uint32 len)
{
    struct buf kept = { 0 };

    if (!k || !response || len == 0 || k->nidentities == 0) {
        return PS_ARG_FAIL;
    }
    if (atomic_load(&k->in_use)) {
        return PS_FAILURE;
    }
    if (len > OCSP_MAX) {
        return PS_LIMIT_FAIL;
    }
    if (buf_append(&kept, response, len) < 0) {
        return PS_MEM_FAIL;
    }
    buf_free(&k->status[k->nidentities - 1]);
    k->status[k->nidentities - 1] = kept;
    return PS_SUCCESS;
}

int32 matrixSslLoadSessionTicketKeys(sslKeys_t *k, const unsigned char name[16],
                                     const unsigned char *symKey, short symKeyLen,
                                     const unsigned char *hashKey, short hashKeyLen)
{
    static const char label[] = "session ticket";
    SECRET(key, HASH_MAX);
    struct span parts[2];
    int rc;

    if (!k || !name || !symKey || !hashKey || (symKeyLen != 16 && symKeyLen != 32) ||
        hashKeyLen != 32) {
        return PS_ARG_FAIL;
    }
    /* A ticket is sealed by one AEAD: both keys make its key. */
    parts[0] = span_of(label, sizeof label);
    parts[1] = span_of(symKey, (size_t)symKeyLen);
    rc = hmac(HASH_SHA256, span_of(hashKey, 32), parts, 2, key);
    return matrixssl_code(rc < 0 ? rc : ticket_keys_set(k->tickets, name, key));
}
