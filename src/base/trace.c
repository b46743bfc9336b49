/* SPDX-License-Identifier: ISC */
#include "base/trace.h"

#include <stdarg.h>
#include <stdio.h>

static trace_fn *hook;
static void *hook_ctx;
static enum trace_level hook_max;

void trace_set(trace_fn *fn, void *ctx, enum trace_level max)
{
    hook = fn;
    hook_ctx = ctx;
    hook_max = max;
}

void trace(enum trace_level level, const char *fmt, ...)
{
    char line[512];
    va_list ap;

    if (!hook || level > hook_max) {
        return;
    }
    va_start(ap, fmt);
    (void)vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    hook(hook_ctx, level, line);
}
