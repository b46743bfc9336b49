/* SPDX-License-Identifier: ISC */
/* Files that only their owner and a group may know. */
#ifndef SHIM_SECRET_FILE_H
#define SHIM_SECRET_FILE_H
#include "base/buf.h"

/* A regular file that others can neither read nor write, of up to out->max bytes. 0, or ERR_FILE or
 * ERR_PARSE with a sentence, and with errno when it cannot be read. */
int secret_file_read(const char *path, struct buf *out, struct error *err) MUST_CHECK;
#endif
