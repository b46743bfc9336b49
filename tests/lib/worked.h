/* SPDX-License-Identifier: ISC */
/* How much costly work the library has done since some moment, in calls of the provider: out of its
 * own trace. */
#ifndef TESTS_LIB_WORKED_H
#define TESTS_LIB_WORKED_H
#include <string.h>

#include "base/trace.h"

static struct worked {
    unsigned verified, signed_, new_keys, opened; /* opened: keys to open with */
} worked;

static inline void worked_line(void *ctx, enum trace_kind kind, const char *line)
{
    (void)ctx;
    (void)kind;
    worked.verified += strncmp(line, "a signature by a key", 20) == 0;
    worked.signed_ += strncmp(line, "signing with", 12) == 0;
    worked.new_keys += strncmp(line, "a new key of", 12) == 0;
    worked.opened += strstr(line, "to open with") != NULL;
}

/* From zero. */
static inline void worked_start(void)
{
    worked = (struct worked){ 0 };
    trace_set(worked_line, NULL, TRACE_CRYPTO);
}

static inline void worked_stop(void)
{
    trace_set(NULL, NULL, 0);
}
#endif
