/* SPDX-License-Identifier: ISC */
/* The guide's API: opening the library, keys. */
#include "matrixssl.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/trace.h"

int32 matrixssl_code(int err)
{
    switch (err) {
    case 0:
        return PS_SUCCESS;
    case ERR_MEM:
        return PS_MEM_FAIL;
    case ERR_ARG:
        return PS_ARG_FAIL;
    case ERR_FILE:
        return PS_PLATFORM_FAIL;
    case ERR_PARSE:
        return PS_PARSE_FAIL;
    case ERR_MISMATCH:
        return PS_CERT_AUTH_FAIL;
    case ERR_LIMIT:
        return PS_LIMIT_FAIL;
    case ERR_UNSUPPORTED:
        return PS_UNSUPPORTED_FAIL;
    case ERR_PASSPHRASE:
    case ERR_CRYPTO:
    case ERR_STATE:
        return PS_FAILURE;
    default:
        return PS_PROTOCOL_FAIL; /* the peer's doing: alerts, a closed connection */
    }
}

int32 matrixSslOpen(void)
{
    return crypto_init() < 0 ? PS_FAILURE : PS_SUCCESS;
}

/* The provider lives as long as the process: other users of the library may be in it. */
void matrixSslClose(void)
{
}

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
    k->trust = trust_new();
    if (!k->trust) {
        mem_free(k);
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
    }
    trust_unref(k->trust);
    mem_free(k);
}

void matrixSslFreeKeys(sslKeys_t *k)
{
    matrixSslDeleteKeys(k);
}

/* Appends a PEM text; a DER certificate becomes one, so that lists may mix the two. */
static int append_certs(struct buf *out, struct span bytes)
{
    if (bytes.n && bytes.p[0] == 0x30) { /* SEQUENCE */
        return pem_write(out, "CERTIFICATE", bytes);
    }
    TRY(buf_append(out, bytes.p, bytes.n));
    return buf_append(out, "\n", 1);
}

/* All of it or nothing. */
static int load(struct sslKeys *k, struct span certs, struct span key, const char *pass,
                struct span ca, struct error *err)
{
    struct identity *id = NULL;
    int rc;

    if (certs.n) {
        if (k->nidentities == KEYS_MAX_IDENTITIES) {
            return FAIL(err, ERR_LIMIT, "more than %d certificates", KEYS_MAX_IDENTITIES);
        }
        TRY(identity_from_bytes(&id, certs, key, pass, err));
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
