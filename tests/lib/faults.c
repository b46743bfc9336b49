/* SPDX-License-Identifier: ISC */
#include "tests/lib/faults.h"

#include "tests/lib/faults_local.h"

#include <execinfo.h>

#include "base/mem.h"

#define CALLS_MAX 20000
#define SET_SIZE  (1 << 18)
#define STACK_MAX 40

struct faults faults;
static bool armed, counting, for_good;
static enum fault kind;
static size_t at;
static uint64_t places[CALLS_MAX];

/* ---- sets of 64-bit digests ---- */

struct set {
    uint64_t slot[SET_SIZE]; /* 0: empty */
    size_t used;
};
static struct set known, sealed;

uint64_t digest_more(uint64_t d, const void *p, size_t n)
{
    const uint8_t *at_byte = p;

    for (size_t i = 0; i < n; i++) {
        d = (d ^ at_byte[i]) * UINT64_C(0x100000001b3);
    }
    return d ^ d >> 29;
}

/* Was it new? */
static bool set_add(struct set *s, uint64_t d)
{
    size_t i = (size_t)(d % SET_SIZE);

    d += d == 0;
    while (s->slot[i] && s->slot[i] != d) {
        i = (i + 1) % SET_SIZE;
    }
    if (s->slot[i] == d) {
        return false;
    }
    assert_true(++s->used < SET_SIZE / 2);
    s->slot[i] = d;
    return true;
}

/* ---- what fails ---- */

static uint64_t place(void)
{
    void *stack[STACK_MAX];
    const int n = backtrace(stack, STACK_MAX);

    return digest_more(DIGEST_START, stack, sizeof *stack * (size_t)n);
}

static bool fails(enum fault what, const char *name)
{
    if (!armed || what != kind) {
        return false;
    }
    faults.calls++;
    if (counting) {
        assert_true(faults.calls < CALLS_MAX);
        armed = false; /* what looking at the stack needs itself */
        places[faults.calls] = place();
        armed = true;
    }
    if (at == 0 || faults.calls < at || (faults.calls > at && !for_good)) {
        return false;
    }
    if (!faults.hit) {
        faults.hit = true;
        faults.what = name;
    }
    return true;
}

bool provider_fails(const char *name)
{
    return fails(kind == FAULT_RUBBISH ? FAULT_RUBBISH : FAULT_ZEROES, name);
}

uint8_t provider_leaves(void)
{
    return kind == FAULT_RUBBISH ? 0xa5 : 0;
}

void faults_arm(enum fault what, size_t n, bool and_all_behind)
{
    faults.hit = false;
    faults.what = NULL;
    faults.calls = 0;
    kind = what;
    at = n;
    for_good = and_all_behind;
    counting = n == 0;
    armed = true;
}

void faults_disarm(void)
{
    armed = false;
}

bool faults_new(size_t n)
{
    const char *full = getenv("SLEEVE_TEST_FULL");
    const uint8_t mark[] = { (uint8_t)kind, for_good };

    return set_add(&known, digest_more(places[n], mark, sizeof mark)) || (full && *full == '1');
}

/* ---- nonces ---- */

void faults_forget(void)
{
    for (size_t i = 0; sealed.used && i < SET_SIZE; i++) {
        sealed.used -= sealed.slot[i] != 0;
        sealed.slot[i] = 0;
    }
    faults.verified = 0;
}

void sealed_under(uint64_t key, const void *nonce, size_t n)
{
    if (!set_add(&sealed, digest_more(key, nonce, n))) {
        fail_msg("a nonce was used twice (threat 25)");
    }
}

/* ---- memory ---- */

static void *our_alloc(size_t n)
{
    void *p = fails(FAULT_OUR_MEMORY, "memory") ? NULL : malloc(n);

    faults.live += p != NULL;
    return p;
}

static void our_release(void *p)
{
    faults.live--;
    free(p);
}

static void *their_alloc(size_t n, const char *file, int line)
{
    (void)file;
    (void)line;
    return fails(FAULT_THEIR_MEMORY, "libcrypto's memory") ? NULL : malloc(n);
}

static void *their_realloc(void *p, size_t n, const char *file, int line)
{
    (void)file;
    (void)line;
    if (n == 0) {
        free(p);
        return NULL;
    }
    return fails(FAULT_THEIR_MEMORY, "libcrypto's memory") ? NULL : realloc(p, n);
}

static void their_free(void *p, const char *file, int line)
{
    (void)file;
    (void)line;
    free(p);
}

void faults_install(void)
{
    (void)place(); /* which loads a library, the first time */
    mem_hooks = (struct mem_hooks){ our_alloc, our_release };
    if (CRYPTO_set_mem_functions(their_alloc, their_realloc, their_free) != 1) {
        abort();
    }
}
