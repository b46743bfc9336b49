/* SPDX-License-Identifier: ISC */
/* Looks for secrets where none may be left: in freed blocks, ours and libcrypto's, in the dead part
 * of the stack after a call, and in all memory that the process can write.
 *
 * What is secret is learned from the functions that make it (spies.h). Each 8 bytes of one are a
 * needle of their own, forwards and, for libcrypto's numbers, backwards. Needles are kept masked,
 * so that the list itself is not found. What is to be watched runs on a stack of its own; whatever
 * looks or learns runs on another, and so leaves and overwrites nothing there. */
#ifndef TESTS_SECRETS_WATCH_H
#define TESTS_SECRETS_WATCH_H
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <execinfo.h>
#include <openssl/crypto.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/secret.h"

#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
#define WATCH_SANITIZED 1
#elif defined __has_feature
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define WATCH_SANITIZED 1
#endif
#endif

#define WORD         sizeof(uint64_t)
#define NEEDLE_BITS  15 /* room in the table, as a power of 2 */
#define NEEDLES      (1u << NEEDLE_BITS)
#define SIEVE_BITS   20
#define FOUND_MAX    24
#define TRACE_FRAMES 14

/* ---- needles ---- */
struct needle {
    uint64_t masked; /* 0: none */
    const char *name;
    unsigned at; /* where in the secret it stands */
};
static struct needle needles[NEEDLES];
static uint8_t sieve[1u << (SIEVE_BITS - 3)];
static size_t nneedles;
static pthread_mutex_t watch_lock = PTHREAD_MUTEX_INITIALIZER;
static volatile const uint64_t watch_mask = UINT64_C(0x5aa5c33c96690ff1);

static inline uint64_t word_hash(uint64_t w)
{
    return (w ^ w >> 29) * UINT64_C(0x9e3779b97f4a7c15);
}

static inline struct needle *needle_slot(uint64_t w)
{
    size_t i = word_hash(w) >> (64 - NEEDLE_BITS);

    while (needles[i].masked && needles[i].masked != (w ^ watch_mask)) {
        i = (i + 1) & (NEEDLES - 1);
    }
    return &needles[i];
}

static inline void needle_add(const char *name, uint64_t w, size_t at)
{
    unsigned distinct = 0;
    struct needle *n = needle_slot(w);
    const uint64_t bit = word_hash(w) >> (64 - SIEVE_BITS);

    for (unsigned i = 0; i < 64; i += 8) {
        unsigned before = 0;

        for (unsigned j = 0; j < i; j += 8) {
            before += (uint8_t)(w >> i) == (uint8_t)(w >> j);
        }
        distinct += before == 0;
    }
    if (distinct < 6) { /* what could be anything is none */
        return;
    }
    if (n->masked) {
        n->name = strcmp(n->name, "an ephemeral key") == 0 ? name : n->name; /* it is kept */
        return;
    }
    if (++nneedles > NEEDLES / 2) {
        fputs("too many secrets\n", stderr);
        abort();
    }
    *n = (struct needle){ w ^ watch_mask, name, (unsigned)at };
    sieve[bit / 8] = (uint8_t)(sieve[bit / 8] | 1u << bit % 8);
}

static inline void needles_add(const char *name, const uint8_t *p, size_t n)
{
    for (size_t at = 0; at + WORD <= n;
         at = at + 2 * WORD > n && at + WORD < n ? n - WORD : at + WORD) {
        uint64_t w;

        memcpy(&w, p + at, WORD);
        needle_add(name, w, at);
    }
}

/* ---- two stacks ---- */
#define WATCH_STACK (1u << 20)
static _Alignas(64) uint8_t watched_stack[WATCH_STACK];
static ucontext_t *watched, *watcher; /* on the watcher's stack */
static bool is_watched;               /* which of them runs */
static void (*watch_job)(void *arg);
static void *watch_arg;
static uint8_t *watch_sp; /* what is below is dead */

__attribute__((noinline)) static void on_watcher(void (*fn)(void *arg), void *arg)
{
    if (!is_watched) {
        fn(arg);
        return;
    }
    watch_job = fn;
    watch_arg = arg;
    watch_sp = __builtin_frame_address(0);
    swapcontext(watched, watcher);
}

struct learn {
    const char *name;
    const uint8_t *p;
    size_t n;
};

/* As it is, backwards, and as digits. */
static inline void learn_job(void *arg)
{
    const struct learn *l = arg;
    uint8_t *form = malloc(2 * l->n + 1);

    pthread_mutex_lock(&watch_lock);
    needles_add(l->name, l->p, l->n);
    for (size_t i = 0; i < l->n; i++) {
        form[i] = l->p[l->n - 1 - i];
    }
    needles_add(l->name, form, l->n);
    for (size_t i = 0; i < 2 * l->n; i++) {
        form[i] = (uint8_t) "0123456789abcdef"[l->p[i / 2] >> (i % 2 ? 0 : 4) & 15];
    }
    needles_add(l->name, form, 2 * l->n);
    pthread_mutex_unlock(&watch_lock);
    wipe(form, 2 * l->n);
    free(form);
}

/* ---- what was found ---- */
enum place { AT_OURS, AT_LIBCRYPTO, AT_STACK, AT_MEMORY, PLACES };
static const char *const place_names[PLACES] = { "a freed block", "a freed block of libcrypto",
                                                 "the dead stack", "memory" };
/* What libcrypto leaves and nobody can help; the test says why. */
struct known {
    enum place place;
    const char *name; /* of the secret, how it begins */
    const char *why;
};
static const struct known *watch_known; /* ends with one without a name */
static unsigned found, found_known;
static const char *watch_stage = ""; /* NULL: what is found is to be, and not told */
/* SLEEVE_TEST_TRACE: blocks, who freed one; calls, looks behind each that makes a secret. */
static bool watch_blocks, watch_closely;

static inline void report(const struct needle *n, enum place place, const char *where, size_t at,
                          size_t size, void *const *trace, int frames)
{
    static const char *last_name, *last_where;
    static const void *last_from;

    for (const struct known *k = watch_known; k && k->name; k++) {
        if (k->place == place && strncmp(n->name, k->name, strlen(k->name)) == 0) {
            found_known++;
            return;
        }
    }
    if (found++ >= FOUND_MAX || !watch_stage ||
        (n->name == last_name && where == last_where && last_from == (frames ? trace[2] : NULL))) {
        return;
    }
    last_name = n->name;
    last_where = where;
    last_from = frames ? trace[2] : NULL;
    fprintf(stderr, "FOUND %s (from its byte %u) in %s, %s, at %zu of %zu; %s\n", n->name, n->at,
            place_names[place], where, at, size, watch_stage);
    if (frames) {
        backtrace_symbols_fd(trace, frames, 2);
    }
}

static inline bool scan(const uint8_t *p, size_t n, enum place place, const char *where,
                        void *const *trace, int frames)
{
    bool any = false;

    for (size_t i = 0; i + WORD <= n; i++) {
        uint64_t w;

        memcpy(&w, p + i, WORD);
        if (w) {
            const uint64_t bit = word_hash(w) >> (64 - SIEVE_BITS);

            if (sieve[bit / 8] >> bit % 8 & 1) {
                const struct needle *is = needle_slot(w);

                if (is->masked) {
                    report(is, place, where, i, n, trace, frames);
                    any = true;
                }
            }
        }
    }
    return any;
}

/* ---- freed blocks ---- */
struct block {
    struct block *next;
    size_t size;
    bool libcrypto;
    int frames;
    void *trace[TRACE_FRAMES];
    _Alignas(16) uint8_t mem[];
};
static struct block *freed;
static size_t blocks_live, alloc_count, alloc_fail; /* alloc_fail: the call that fails; 0: none */
static int alloc_which; /* whose calls are counted: 0 ours, 1 libcrypto's */

static inline struct block *block_of(void *p)
{
    return (struct block *)(void *)((uint8_t *)p - offsetof(struct block, mem));
}

static inline void *watched_alloc(size_t n, bool libcrypto)
{
    struct block *b = malloc(sizeof *b + n);

    pthread_mutex_lock(&watch_lock);
    if (b && alloc_which == libcrypto && alloc_fail && ++alloc_count == alloc_fail) {
        free(b);
        b = NULL;
    }
    if (b) {
        b->size = n;
        b->libcrypto = libcrypto;
        blocks_live++;
    }
    pthread_mutex_unlock(&watch_lock);
    return b ? b->mem : NULL;
}

static inline void block_retire(struct block *b)
{
    pthread_mutex_lock(&watch_lock);
    b->next = freed;
    freed = b;
    blocks_live--;
    pthread_mutex_unlock(&watch_lock);
}

static __thread bool learning; /* what it frees is not looked at */

static inline void watched_free(void *p)
{
    struct block *b = p ? block_of(p) : NULL;

    if (b && learning) {
        pthread_mutex_lock(&watch_lock);
        blocks_live--;
        pthread_mutex_unlock(&watch_lock);
        wipe(b->mem, b->size);
        free(b);
    } else if (b) {
        block_retire(b);
        b->frames = watch_blocks ? backtrace(b->trace, TRACE_FRAMES) : 0;
    }
}

static inline void *our_alloc(size_t n)
{
    return watched_alloc(n, false);
}

static inline void *libcrypto_alloc(size_t n, const char *file, int line)
{
    (void)file;
    (void)line;
    return n ? watched_alloc(n, true) : NULL;
}

static inline void libcrypto_free(void *p, const char *file, int line)
{
    (void)file;
    (void)line;
    watched_free(p);
}

static inline void *libcrypto_resize(void *p, size_t n, const char *file, int line)
{
    void *to = libcrypto_alloc(n, file, line);

    if (p && (to || n == 0)) {
        if (to) {
            const size_t had = block_of(p)->size;

            memcpy(to, p, had < n ? had : n);
        }
        watched_free(p);
    }
    return to;
}

static inline void freed_job(void *arg)
{
    (void)arg;
    while (freed) {
        struct block *b = freed;

        freed = b->next;
        (void)scan(b->mem, b->size, b->libcrypto ? AT_LIBCRYPTO : AT_OURS, "", b->trace, b->frames);
        wipe(b->mem, b->size);
        free(b);
    }
}

/* ---- the dead stack ---- */
static const char *watch_call = "";

static inline void stack_job(void *arg)
{
    uint8_t *low = watched_stack;

    (void)arg;
    while (low < watch_sp && *low == 0) {
        low++;
    }
    if (low < watch_sp) {
        (void)scan(low, (size_t)(watch_sp - low), AT_STACK, watch_call, NULL, 0);
        memset(low, 0, (size_t)(watch_sp - low));
    }
}

/* Behind a call that has returned. */
static inline void look(const char *call)
{
    if (is_watched) {
        watch_call = call;
        on_watcher(stack_job, NULL);
    }
}

/* Name: a literal. */
static inline void learn(const char *name, const void *p, size_t n)
{
    struct learn l = { name, p, n };

    on_watcher(learn_job, &l);
    if (watch_closely) {
        look(name); /* what the function that made it leaves */
    }
}

/* ---- what is said ---- */
static inline void text_job(void *arg)
{
    (void)scan(arg, strlen(arg), AT_MEMORY, "what is said", NULL, 0);
}

static inline void said(const char *text)
{
    on_watcher(text_job, (void *)(uintptr_t)(text ? text : ""));
}

/* ---- all that the process can write ---- */
static inline void memory_job(void *arg)
{
    FILE *maps = fopen("/proc/self/maps", "re");
    const uint8_t *here = __builtin_frame_address(0);
    static char line[512]; /* lives on while the memory is looked at */

    (void)arg;
    assert_non_null(maps);
    while (fgets(line, sizeof line, maps)) {
        uint64_t from, to;
        char may[5];
        int path = 0;
        const uint8_t *p;

        assert_int_equal(sscanf(line, "%lx-%lx %4s %*s %*s %*s %n", &from, &to, may, &path), 3);
        p = (const uint8_t *)(uintptr_t)from;
        if (may[0] == 'r' && may[1] == 'w' && !(here >= p && here < p + (to - from))) {
            line[strcspn(line, "\n")] = '\0';
            (void)scan(p, to - from, AT_MEMORY, strdup(line + path), NULL, 0);
        }
    }
    fclose(maps);
}

/* ---- running ---- */
static void (*watched_fn)(void *arg);
static void *watched_fn_arg;

static inline void watched_main(void)
{
    watched_fn(watched_fn_arg);
    watch_job = NULL;
    swapcontext(watched, watcher);
}

/* fn on the watched stack; freed blocks are looked at when it is over. How many secrets were found.
 */
static inline unsigned watch(void (*fn)(void *arg), void *arg, const char *stage)
{
    ucontext_t there, here;

    found = 0;
    watch_stage = stage;
    watched_fn = fn;
    watched_fn_arg = arg;
    watched = &there;
    watcher = &here;
    assert_int_equal(getcontext(&there), 0);
    there.uc_stack.ss_sp = watched_stack;
    there.uc_stack.ss_size = sizeof watched_stack;
    there.uc_link = NULL;
    makecontext(&there, watched_main, 0);
    do {
        watch_job = NULL;
        is_watched = true;
        assert_int_equal(swapcontext(&here, &there), 0);
        is_watched = false;
        if (watch_job) {
            watch_job(watch_arg);
        }
    } while (watch_job);
    watch_sp = watched_stack + sizeof watched_stack;
    watch_call = "the end";
    stack_job(NULL);
    freed_job(NULL);
    return found;
}

/* What was learned up to now is not forgotten: what lives as long as the test. */
static struct needle kept_needles[NEEDLES / 4];
static size_t nkept_needles;

static inline void watch_keep(void)
{
    nkept_needles = 0;
    for (size_t i = 0; i < NEEDLES; i++) {
        if (needles[i].masked) {
            assert_true(nkept_needles < sizeof kept_needles / sizeof *kept_needles);
            kept_needles[nkept_needles++] = needles[i];
        }
    }
}

/* The secrets of connections that are over. */
static inline void watch_forget(void)
{
    memset(needles, 0, sizeof needles);
    memset(sieve, 0, sizeof sieve);
    nneedles = 0;
    for (size_t i = 0; i < nkept_needles; i++) {
        needle_add(kept_needles[i].name, kept_needles[i].masked ^ watch_mask, kept_needles[i].at);
    }
}

/* Before libcrypto has allocated anything. */
static inline void watch_install(void)
{
    const char *how = getenv("SLEEVE_TEST_TRACE");

    watch_blocks = how && strcmp(how, "blocks") == 0;
    watch_closely = how && strcmp(how, "calls") == 0;
    mem_hooks = (struct mem_hooks){ our_alloc, watched_free };
    assert_int_equal(CRYPTO_set_mem_functions(libcrypto_alloc, libcrypto_resize, libcrypto_free),
                     1);
}
#endif
