/* SPDX-License-Identifier: ISC */
/* Files of pre-shared keys: what is taken are keys that a config takes, in lines that say so; an
 * error has a sentence. */
#include <stdlib.h>
#include <string.h>

#include "shim/psk_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void insist(bool good)
{
    if (!good) {
        abort();
    }
}

static int take(void *ctx, const struct psk *k)
{
    struct config *c = config_new(TLS_SERVER);
    const struct span name = span_text(k->identity), key = span_of(k->key, k->key_len);
    size_t *n = ctx;

    insist(c && !k->import && !k->own[0] && !k->peer[0] && !k->next);
    insist((k->hash == HASH_NONE ? config_add_psk12(c, name, key)
                                 : config_add_psk(c, name, key, k->hash, NULL, NULL)) == 0);
    config_unref(c);
    return ++*n == 7 ? ERR_LIMIT : 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct error err;
    size_t n = 0, lines = 1;
    int rc;

    error_clear(&err);
    rc = psk_file_parse(span_of(data, size), take, &n, &err);
    insist(rc == 0 || rc == ERR_LIMIT || rc == ERR_PARSE);
    insist((rc == ERR_LIMIT) == (n == 7) && (rc == ERR_PARSE) == (err.text[0] != '\0'));
    for (size_t i = 0; i < size; i++) {
        lines += data[i] == '\n';
    }
    insist(n <= lines);
    return 0;
}
