/* SPDX-License-Identifier: ISC */
/* Files of ticket keys: what is taken has one to three keys that a server can load, none of zeros
 * and no two of one name; what is not leaves nothing behind. */
#include <stdlib.h>
#include <string.h>

#include "session/session.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void insist(bool good)
{
    if (!good) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct ticket_secret none[TICKET_GENERATIONS];
    struct ticket_secret list[TICKET_GENERATIONS] = { { { 0 }, { 0 } } };
    struct ticket_keys *k;
    struct error err;
    size_t n = 0;
    int rc;

    insist(crypto_init() == 0);
    k = ticket_keys_new(1000);
    error_clear(&err);
    rc = ticket_file_parse(span_of(data, size), list, &n, &err);
    if (rc == 0) {
        insist(n >= 1 && n <= TICKET_GENERATIONS && err.code == 0);
        insist(k && ticket_keys_load(k, list, n) == 0);
    } else {
        insist(rc == ERR_PARSE && n == 0 && err.code == ERR_PARSE);
        insist(memcmp(list, none, sizeof none) == 0);
    }
    ticket_keys_unref(k);
    return 0;
}
