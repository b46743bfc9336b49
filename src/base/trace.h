/* SPDX-License-Identifier: ISC */
/* Trace: lines for people, one kind for each layer. Off, a line costs one load and a branch. Never
 * a secret in one.
 *
 * Where they go is decided at the first line: to what trace_set() said before; else, of the kinds
 * that the build asks for (USE_CORE_TRACE, ...) to standard error, and of the kinds that SLEEVE_LOG
 * names ("FILE,handshake,info") to its file. */
#ifndef BASE_TRACE_H
#define BASE_TRACE_H
#include <matrixssl/coreConfig.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

enum trace_kind {
    TRACE_ERROR = 1,     /* something of ours failed; HALT_ON_PS_ERROR stops the program here */
    TRACE_INFO = 2,      /* what becomes of a connection */
    TRACE_HANDSHAKE = 4, /* each handshake message, decoded */
    TRACE_CRYPTO = 8,    /* keys, signatures, and what libcrypto says of its failures */
    TRACE_CORE = 16,     /* memory */
    TRACE_ALL = 31,
};
/* What a build leaves out for good, with all it would say. */
enum {
    TRACE_COMPILED = 0
#ifndef NO_CORE_TRACE
                     | TRACE_CORE | TRACE_ERROR
#endif
#ifndef NO_CRYPTO_TRACE
                     | TRACE_CRYPTO | TRACE_ERROR
#endif
#ifndef NO_SSL_HANDSHAKE_MSG_TRACE
                     | TRACE_HANDSHAKE | TRACE_ERROR
#endif
#ifndef NO_SSL_INFORMATIONAL_TRACE
                     | TRACE_INFO | TRACE_ERROR
#endif
#ifdef HALT_ON_PS_ERROR
                     | TRACE_ERROR
#endif
};
#define TRACE_LINE 2048 /* bytes of a line with its NUL; longer ones are cut */

typedef void trace_fn(void *ctx, enum trace_kind kind, const char *line);
/* Lines of these kinds (a sum) go to fn, all others nowhere. Once, before use by several threads.
 */
void trace_set(trace_fn *fn, void *ctx, unsigned kinds);
void trace_say(enum trace_kind kind, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
const char *trace_name(enum trace_kind kind); /* "handshake" */

/* The kinds that a value of SLEEVE_LOG ends with: "log,handshake,info" gives two of them and the
 * length 3 of what is in front. "trace" stands for all. */
unsigned trace_kinds(const char *where, size_t *len);

#define TRACE_UNDECIDED (~0u)
extern atomic_uint trace_mask;
unsigned trace_decide(void);
/* Is it worth making such a line? Of a kind that is not compiled none is left in the program. */
static inline bool trace_on(enum trace_kind kind)
{
    unsigned mask = atomic_load_explicit(&trace_mask, memory_order_acquire);

    if (!(TRACE_COMPILED & (unsigned)kind)) {
        return false;
    }

    if (mask == TRACE_UNDECIDED) {
        mask = trace_decide();
    }
    return (mask & (unsigned)kind) != 0;
}
#define trace(kind, ...) \
    ((TRACE_COMPILED & (unsigned)(kind)) ? trace_say(kind, __VA_ARGS__) : (void)0)
#endif
