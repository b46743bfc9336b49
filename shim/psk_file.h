/* SPDX-License-Identifier: ISC */
/* Files of pre-shared keys (SSL_OPT_PSK_FILE): a line "identity:key" each, the key in hex digits,
 * as GnuTLS and stunnel have them; behind it may stand what it was made for, ":sha256" (the
 * default), ":sha384" or ":tls1.2". What is empty or begins with # is no key. */
#ifndef SHIM_PSK_FILE_H
#define SHIM_PSK_FILE_H
#include "shim/ssl_options.h"

/* One key, valid during the call; it may not be imported. An error ends it. */
typedef int psk_fn(void *ctx, const struct psk *k);

/* 0, ERR_PARSE with a sentence, or fn's error. */
int psk_file_parse(struct span bytes, psk_fn *fn, void *ctx, struct error *err) MUST_CHECK;
/* Likewise, or as secret_file_read(). */
int psk_file_load(const char *path, psk_fn *fn, void *ctx, struct error *err) MUST_CHECK;
#endif
