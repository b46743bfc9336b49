/* SPDX-License-Identifier: ISC */
/* Connections that go from one program to another. */
#ifndef PRELOAD_HANDOVER_H
#define PRELOAD_HANDOVER_H
#include <stdbool.h>
#include <stddef.h>

/* Before exec of the file (NULL: not known) with that environment: connections that are not
 * close-on-exec go along if the program may be listed. exec_leave: those that were not sent are
 * its no more. exec_failed: as if nothing had been; behind an exec that came back. errno is kept.
 */
void exec_send(const char *path, char *const envp[]);
bool exec_sent(int fd);
void exec_leave(void);
void exec_failed(void);
/* What execvp() would run: file itself, or buf; NULL: nothing is found. */
const char *exec_path(const char *file, char *buf, size_t size);

/* Before main, of a listed program: what it was given becomes ours. */
void handover_start(void);
void handover_refuse(void); /* instead, where the rules are not known */
#endif
