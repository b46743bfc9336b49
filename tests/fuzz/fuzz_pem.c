/* SPDX-License-Identifier: ISC */
/* PEM text: every block read, and what was read written and read again; then as anchors and as an
 * identity. */
#include <stdlib.h>

#include "base/buf.h"
#include "x509/x509.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void again(const char *label, struct span bytes)
{
    struct buf pem = { 0 }, out = { 0 };
    char label2[64];
    size_t pos = 0;

    if (pem_write(&pem, label, bytes) < 0 || pem_next(buf_span(&pem), &pos, label2, &out) != 1 ||
        strcmp(label, label2) != 0 || !span_eq(buf_span(&out), bytes)) {
        abort();
    }
    buf_free(&pem);
    buf_free(&out);
}

/* A certificate is the same anchor, whichever form it comes in. */
static void as_pem(void *ctx, const struct cert *c)
{
    struct trust *t = trust_new();
    struct buf pem = { 0 };

    (void)ctx;
    if (!t || pem_write(&pem, "CERTIFICATE", c->der) < 0 || trust_add_pem(t, c->der, NULL) != 1 ||
        trust_add_pem(t, buf_span(&pem), NULL) != 1 || trust_count(t) != 1) {
        abort();
    }
    buf_free(&pem);
    trust_unref(t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span text = span_of(data, size);
    struct identity *id = NULL;
    struct buf out = { 0 };
    struct trust *t;
    char label[64];
    size_t pos = 0, before;
    int rc;

    if (crypto_init() < 0) {
        abort();
    }
    for (before = 0; (rc = pem_next(text, &pos, label, &out)) != 0; before = pos) {
        if (pos <= before || pos > size) {
            abort();
        }
        if (rc == 1) {
            again(label, buf_span(&out));
        }
        buf_free(&out);
    }
    t = trust_new();
    if (!t || trust_add_pem(t, text, NULL) == 0) {
        abort();
    }
    trust_each(t, as_pem, NULL);
    trust_unref(t);
    if ((identity_from_bytes(&id, text, span_of(NULL, 0), "pass", NULL) == 0) != (id != NULL)) {
        abort();
    }
    identity_unref(id);
    return 0;
}
