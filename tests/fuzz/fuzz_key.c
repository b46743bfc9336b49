/* SPDX-License-Identifier: ISC */
/* A file with a private key, PEM or DER, encrypted or not: a key that signs, or an error with a
 * sentence. What is read is written and read again, as PEM and as the DER in it: the same key. */
#include "tests/fuzz/keyfile.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void same(struct span bytes, struct span spki)
{
    struct privkey *again = NULL;
    struct buf other = { 0 };

    SURE(privkey_load(&again, bytes, NULL, NULL) == 0);
    SURE(privkey_public_spki(again, &other) == 0 && span_eq(buf_span(&other), spki));
    privkey_unref(again);
    buf_free(&other);
}

static void use(struct privkey *k)
{
    const struct span msg = span_text("message");
    struct buf pem = { .secret = true }, der = { .secret = true }, spki = { 0 };
    char label[64];
    size_t pos = 0;
    const struct scheme *s;
    uint8_t sig[SIG_MAX];

    for (size_t i = 0; (s = scheme_at(i)) != NULL; i++) {
        size_t n = sizeof sig;

        if (s->key == privkey_type(k)) {
            const int rc = privkey_sign(k, s, &msg, 1, sig, &n);

            SURE(rc < 0 || (n > 0 && n <= sizeof sig));
        }
    }
    SURE(privkey_public_spki(k, &spki) == 0 && privkey_write_pem(k, &pem) == 0);
    SURE(pem_next(buf_span(&pem), &pos, label, &der) == 1);
    same(buf_span(&pem), buf_span(&spki));
    same(buf_span(&der), buf_span(&spki));
    buf_free(&pem);
    buf_free(&der);
    buf_free(&spki);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const passes[] = { "pass", NULL };
    const struct span text = span_of(data, size);

    SURE(crypto_init() == 0);
    if (size > 4096 || pem_takes_long(text)) {
        return 0;
    }
    for (size_t i = 0; i < 2; i++) {
        struct privkey *k = NULL;
        struct error err;
        int rc;

        error_clear(&err);
        rc = privkey_load(&k, text, passes[i], &err);
        SURE((rc == 0) == (k != NULL) && rc == err.code && (rc == 0) == !err.text[0]);
        if (k) {
            use(k);
        }
        privkey_unref(k);
    }
    return 0;
}
