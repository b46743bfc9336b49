/* SPDX-License-Identifier: ISC */
/* The key log: for config_set_keylog() with the path of a file as ctx. */
#ifndef SHIM_KEYLOG_H
#define SHIM_KEYLOG_H
/* One line "LABEL RANDOM SECRET" more in the file. A full disk costs a line of the log, not the
 * connection. */
void keylog_append(void *path, const char *line);
#endif
