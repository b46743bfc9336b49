/* SPDX-License-Identifier: ISC */
#include "base/trace.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/lock.h"
#include "base/options.h"

/* ---- what the build asks for ---- */

enum {
    BUILT_IN = 0
#ifdef USE_CORE_TRACE
               | TRACE_CORE | TRACE_ERROR
#endif
#ifdef USE_CRYPTO_TRACE
               | TRACE_CRYPTO | TRACE_ERROR
#endif
#ifdef USE_SSL_HANDSHAKE_MSG_TRACE
               | TRACE_HANDSHAKE | TRACE_ERROR
#endif
#ifdef USE_SSL_INFORMATIONAL_TRACE
               | TRACE_INFO | TRACE_ERROR
#endif
#ifdef HALT_ON_PS_ERROR
               | TRACE_ERROR
#endif
};

#ifdef HALT_ON_PS_ERROR
static void stop_here(void)
{
    abort(); /* for the debugger */
}
#else
static void stop_here(void)
{
}
#endif

/* ---- kinds ---- */

static const struct {
    enum trace_kind kind;
    const char *name;
} kinds[] = {
    { TRACE_ERROR, "error" },   { TRACE_INFO, "info" }, { TRACE_HANDSHAKE, "handshake" },
    { TRACE_CRYPTO, "crypto" }, { TRACE_CORE, "core" }, { TRACE_ALL, "trace" },
};
#define NKINDS (sizeof kinds / sizeof *kinds)

const char *trace_name(enum trace_kind kind)
{
    size_t i = 0;

    while (i < NKINDS - 1 && kinds[i].kind != kind) {
        i++;
    }
    return kinds[i].name;
}

static unsigned kind_of(const char *name, size_t n)
{
    for (size_t i = 0; i < NKINDS; i++) {
        if (strlen(kinds[i].name) == n && memcmp(kinds[i].name, name, n) == 0) {
            return kinds[i].kind;
        }
    }
    return 0;
}

unsigned trace_kinds(const char *where, size_t *len)
{
    size_t n = strlen(where);
    unsigned mask = 0;

    for (;;) {
        const char *comma = memrchr(where, ',', n);
        unsigned kind = comma ? kind_of(comma + 1, n - (size_t)(comma + 1 - where)) : 0;

        if (!kind) {
            break;
        }
        mask |= kind;
        n = (size_t)(comma - where);
    }
    *len = n;
    return mask;
}

/* ---- where lines go ---- */

static struct once once = ONCE_INIT;
static trace_fn *hook;
static void *hook_ctx;
static FILE *file; /* of SLEEVE_LOG */
static unsigned file_kinds;
atomic_uint trace_mask = TRACE_UNDECIDED;

static FILE *open_log(const char *where, size_t n)
{
    char path[4096];
    FILE *f;

    if (n == 0 || n >= sizeof path) {
        return NULL;
    }
    memcpy(path, where, n);
    path[n] = '\0';
    if (strcmp(path, "stderr") == 0) {
        return stderr;
    }
    f = strncmp(path, "fd:", 3) == 0 ? fdopen(atoi(path + 3), "a") : fopen(path, "ae");
    if (f) {
        setvbuf(f, NULL, _IOLBF, 0);
    }
    return f;
}

static void to_log(void *ctx, enum trace_kind kind, const char *line)
{
    (void)ctx;
    if ((unsigned)kind & BUILT_IN) {
        (void)fprintf(stderr, "sleeve: %s: %s\n", trace_name(kind), line);
    }
    if (((unsigned)kind & file_kinds) && !(file == stderr && ((unsigned)kind & BUILT_IN))) {
        (void)fprintf(file, "sleeve: %s: %s\n", trace_name(kind), line);
    }
}

/* Once for the process; a set-uid program is not told where to write. */
static void decide(void)
{
    const char *where = secure_getenv("SLEEVE_LOG");
    unsigned mask = TRACE_UNDECIDED;
    size_t n = 0;

    if (atomic_load_explicit(&trace_mask, memory_order_acquire) != TRACE_UNDECIDED) {
        return; /* trace_set() was first: no file is opened */
    }
    file_kinds = where ? trace_kinds(where, &n) : 0;
    file = file_kinds ? open_log(where, n) : NULL;
    if (!file) {
        file_kinds = 0;
    }
    hook = to_log;
    (void)atomic_compare_exchange_strong(&trace_mask, &mask, BUILT_IN | file_kinds);
}

unsigned trace_decide(void)
{
    once_do(&once, decide);
    return atomic_load_explicit(&trace_mask, memory_order_acquire);
}

void trace_set(trace_fn *fn, void *ctx, unsigned mask)
{
    atomic_store_explicit(&trace_mask, 0, memory_order_release);
    hook = fn;
    hook_ctx = ctx;
    atomic_store_explicit(&trace_mask, fn ? (mask & TRACE_ALL) | BUILT_IN : 0,
                          memory_order_release);
}

void trace_say(enum trace_kind kind, const char *fmt, ...)
{
    char line[TRACE_LINE];
    va_list ap;

    if (trace_on(kind)) {
        va_start(ap, fmt);
        (void)vsnprintf(line, sizeof line, fmt, ap);
        va_end(ap);
        hook(hook_ctx, kind, line);
    }
    if (kind == TRACE_ERROR) {
        stop_here();
    }
}
