/* SPDX-License-Identifier: ISC */
/* A PKCS#12 file: the key and the certificates of an identity, or an error with a sentence and
 * nothing else. */
#include "tests/fuzz/keyfile.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const passes[] = { "pass", NULL };
    const struct span file = span_of(data, size);

    SURE(crypto_init() == 0);
    if (size > 8192 || takes_long(file)) {
        return 0;
    }
    for (size_t i = 0; i < 2; i++) {
        struct buf key = { .secret = true }, certs = { 0 };
        struct identity *id = NULL;
        struct privkey *k = NULL;
        struct error err;
        int rc;

        error_clear(&err);
        rc = pkcs12_load(file, passes[i], &key, &certs, &err);
        SURE(rc == err.code && (rc == 0) == !err.text[0] && !IS_TLS_ALERT(rc));
        SURE((rc == 0) == (buf_len(&key) != 0) && (rc == 0) == (buf_len(&certs) != 0));
        if (rc == 0) {
            /* Its halves need not fit. */
            rc = privkey_load(&k, buf_span(&key), NULL, NULL);
            SURE(rc == 0 || rc == ERR_PARSE);
            privkey_unref(k);
        }
        buf_free(&key);
        buf_free(&certs);
        error_clear(&err);
        rc = identity_from_bytes(&id, file, span_of(NULL, 0), passes[i], &err);
        SURE((rc == 0) == (id != NULL) && rc == err.code);
        identity_unref(id);
    }
    return 0;
}
