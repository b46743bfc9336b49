/* SPDX-License-Identifier: ISC */
/* Secrets for who wants to see inside, in the key log format of NSS. */
#include <stdio.h>

#include "base/secret.h"
#include "handshake/local.h"

/* Read by Wireshark. Only when the user asked for it. */
void keylog_line(struct hs *h, const char *label, const uint8_t *secret, size_t n)
{
    char line[64 + 2 * RANDOM_SIZE + 2 * HASH_MAX];
    size_t at;

    if (!h->set->keylog) {
        return;
    }
    at = (size_t)snprintf(line, sizeof line, "%s ", label);
    for (size_t i = 0; i < RANDOM_SIZE; i++) {
        at += (size_t)snprintf(line + at, sizeof line - at, "%02x", h->work->client_random[i]);
    }
    at += (size_t)snprintf(line + at, sizeof line - at, " ");
    for (size_t i = 0; i < n; i++) {
        at += (size_t)snprintf(line + at, sizeof line - at, "%02x", secret[i]);
    }
    h->set->keylog(h->set->keylog_ctx, line);
    wipe(line, sizeof line);
}
