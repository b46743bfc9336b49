/* SPDX-License-Identifier: ISC */
/* Trace lines go to one hook; without it they cost one load and a branch. Never a secret in them.
 */
#ifndef BASE_TRACE_H
#define BASE_TRACE_H

enum trace_level { TRACE_ERROR, TRACE_INFO, TRACE_HANDSHAKE, TRACE_DEBUG };

typedef void trace_fn(void *ctx, enum trace_level level, const char *line);
/* Set once before use by several threads; fn NULL switches off. Lines above `max` are not made. */
void trace_set(trace_fn *fn, void *ctx, enum trace_level max);
void trace(enum trace_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
#endif
