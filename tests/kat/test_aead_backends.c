/* SPDX-License-Identifier: ISC */
/* AES-GCM by IPsec-MB and by libcrypto: the same bytes whatever the lengths, the parts and where
 * they lie; what the one seals opens in the other. And when IPsec-MB is used, and when not. */
#include "kat.h"

#include <limits.h>
#include <pthread.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "crypto/memory.h"

static const char fast[] = "IPsec-MB", plain_one[] = "libcrypto";
static bool have_fast;

#define MOST 16402 /* the longest record, and a little */

/* The same key in both. */
struct both {
    struct aead *seal[2], *open[2];
    uint8_t nonce[AEAD_IV], aad[300];
};
static uint8_t clear[MOST], sealed[2][MOST + AEAD_TAG], opened[MOST];

static void both_make(struct both *b, enum aead_id id, uint32_t seed)
{
    uint8_t key[AEAD_KEY_MAX];

    fill(key, sizeof key, seed);
    fill(b->nonce, sizeof b->nonce, seed + 1);
    fill(b->aad, sizeof b->aad, seed + 2);
    fill(clear, sizeof clear, seed + 3);
    for (size_t i = 0; i < 2; i++) {
        aead_set_test_backend(i ? plain_one : fast);
        assert_string_equal(aead_backend(id), i ? plain_one : fast);
        b->seal[i] = aead_new(id, key, true);
        b->open[i] = aead_new(id, key, false);
        assert_non_null(b->seal[i]);
        assert_non_null(b->open[i]);
    }
    aead_set_test_backend(NULL);
}

static void both_end(struct both *b)
{
    for (size_t i = 0; i < 2; i++) {
        aead_free(b->seal[i]);
        aead_free(b->open[i]);
    }
}

static void alike(struct both *b, size_t n, size_t naad)
{
    const struct span in = { clear, n }, aad = { b->aad, naad };
    const struct mspan to = { opened, n };

    for (size_t i = 0; i < 2; i++) {
        memset(sealed[i], 0x5a, n + AEAD_TAG);
        assert_int_equal(aead_seal(b->seal[i], b->nonce, aad, &in, 1, sealed[i]), 0);
    }
    assert_memory_equal(sealed[0], sealed[1], n + AEAD_TAG);
    for (size_t i = 0; i < 2; i++) {
        memset(opened, 0x5a, n);
        assert_int_equal(
            aead_open(b->open[i], b->nonce, aad, span_of(sealed[!i], n + AEAD_TAG), &to, 1), 0);
        assert_memory_equal(opened, clear, n);
    }
}

static void skip_without(void)
{
    if (!have_fast) {
        print_message("IPsec-MB is not there, or not for this processor\n");
        skip();
    }
}

#define EACH_GCM(id)                    \
    enum aead_id id = AEAD_AES_128_GCM; \
    id <= AEAD_AES_256_GCM;             \
    id++

static void lengths(void **state)
{
    (void)state;
    skip_without();
    for (EACH_GCM(id)) {
        struct both b;

        both_make(&b, id, 1);
        for (size_t n = 0; n <= 300; n++) {
            alike(&b, n, 5);
            alike(&b, n, n);
        }
        for (size_t n = 301; n < MOST - 60; n += 97) {
            alike(&b, n, 13);
        }
        for (size_t n = 16300; n <= MOST; n++) {
            alike(&b, n, 5);
        }
        both_end(&b);
    }
}

static void many_keys(void **state)
{
    (void)state;
    skip_without();
    for (EACH_GCM(id)) {
        for (uint32_t i = 0; i < 200; i++) {
            struct both b;

            both_make(&b, id, 1000 + 10 * i);
            alike(&b, 7 * i, i % 32);
            both_end(&b);
        }
    }
}

/* Seals it in three parts, the first perhaps in place, opens it into three. */
static void in_parts(struct both *b, size_t n, size_t first, size_t second)
{
    const struct span aad = { b->aad, 5 };
    uint8_t *user = opened + MOST / 2;
    struct span in[] = { { clear, first },
                         { clear + first, second },
                         { clear + first + second, n - first - second } };
    /* As records are opened: into the caller's memory, what does not fit stays where it is. */
    const struct mspan to[] = { { user, first },
                                { opened + first, second },
                                { opened + first + second, n - first - second } };

    assert_int_equal(aead_seal(b->seal[0], b->nonce, aad, in, 3, sealed[0]), 0);
    assert_memory_equal(sealed[0], sealed[1], n + AEAD_TAG);
    memset(sealed[0], 0, n + AEAD_TAG);
    memcpy(sealed[0], clear, first);
    in[0].p = sealed[0];
    assert_int_equal(aead_seal(b->seal[0], b->nonce, aad, in, 3, sealed[0]), 0);
    assert_memory_equal(sealed[0], sealed[1], n + AEAD_TAG);
    memcpy(opened, sealed[1], n + AEAD_TAG);
    assert_int_equal(aead_open(b->open[0], b->nonce, aad, span_of(opened, n + AEAD_TAG), to, 3), 0);
    assert_memory_equal(user, clear, first);
    assert_memory_equal(opened + first, clear + first, n - first);
}

static void splits(void **state)
{
    static const size_t size[] = { 0, 1, 15, 16, 17, 47, 64, 65, 255, 256, 257, 300, 800, 1401 };

    (void)state;
    skip_without();
    for (EACH_GCM(id)) {
        struct both b;

        both_make(&b, id, 3);
        for (size_t i = 0; i < sizeof size / sizeof *size; i++) {
            const size_t n = size[i];

            alike(&b, n, 5);
            for (size_t cut = 0; cut <= n; cut++) {
                in_parts(&b, n, cut, 0);
                in_parts(&b, n, cut, n - cut);
                in_parts(&b, n, cut, (n - cut) / 2);
                in_parts(&b, n, cut, n - cut > 0);
            }
        }
        both_end(&b);
    }
}

/* Many parts of all lengths, as a program's iovecs and the padding are. */
static void gathers(void **state)
{
    (void)state;
    skip_without();
    for (EACH_GCM(id)) {
        struct both b;

        both_make(&b, id, 4);
        alike(&b, 16385, 5);
        for (size_t step = 1; step < 700; step += 13) {
            struct span in[32];
            size_t at = 0, k = 0;

            for (; k < 31; at += in[k++].n) {
                in[k] = span_of(clear + at, (k * k * step) % 529);
            }
            in[k++] = span_of(clear + at, 16385 - at);
            memset(sealed[0], 0, sizeof sealed[0]);
            assert_int_equal(aead_seal(b.seal[0], b.nonce, span_of(b.aad, 5), in, k, sealed[0]), 0);
            assert_memory_equal(sealed[0], sealed[1], 16385 + AEAD_TAG);
        }
        both_end(&b);
    }
}

/* Every bit of the tag, and what else was changed, at the lengths at which the code differs. */
static void forgeries(void **state)
{
    (void)state;
    skip_without();
    for (EACH_GCM(id)) {
        struct both b;

        both_make(&b, id, 5);
        for (size_t n = 0; n <= 1100; n += n < 70 ? 1 : 103) {
            const struct mspan to[] = { { opened, n / 2 }, { opened + n / 2, n - n / 2 } };
            const struct mspan whole = { opened, n };

            alike(&b, n, 5);
            for (size_t bit = 0; bit < 8 * AEAD_TAG + (n ? 8 : 0); bit++) {
                uint8_t *at = &sealed[0][n + AEAD_TAG - 1 - bit / 8];
                const struct span in = { sealed[0], n + AEAD_TAG };

                *at ^= (uint8_t)(1U << bit % 8);
                for (size_t parts = 1; parts <= 2; parts++) {
                    memset(opened, 0x5a, n);
                    assert_int_equal(aead_open(b.open[0], b.nonce, span_of(b.aad, 5), in,
                                               parts == 1 ? &whole : to, parts),
                                     BAD_MAC);
                    assert_true(all_zero(opened, n));
                }
                *at ^= (uint8_t)(1U << bit % 8);
            }
        }
        both_end(&b);
    }
}

/* ---- memory ---- */

static size_t live, freed_dirty;
static size_t size_of[64];
static void *block_of[64];

static void *watched_alloc(size_t n)
{
    uint8_t *p = calloc(1, n + 1);

    for (size_t i = 0; i < 64; i++) {
        if (!block_of[i]) {
            block_of[i] = p + 1; /* as unaligned as can be */
            size_of[i] = n;
            live++;
            return p + 1;
        }
    }
    abort();
}

static void watched_release(void *p)
{
    for (size_t i = 0; i < 64; i++) {
        if (p && block_of[i] == p) {
            freed_dirty += !all_zero(p, size_of[i]);
            block_of[i] = NULL;
            live--;
            free((uint8_t *)p - 1);
        }
    }
}

/* A key lies where the allocator says, is wiped, and nothing but it is allocated per key. */
static void a_key_is_wiped(void **state)
{
    (void)state;
    skip_without();
    mem_hooks = (struct mem_hooks){ watched_alloc, watched_release };
    for (EACH_GCM(id)) {
        const struct span in = { clear, 100 };
        uint8_t key[AEAD_KEY_MAX], nonce[AEAD_IV] = { 1 };
        struct aead *a;

        fill(key, sizeof key, 6);
        memset(clear, 0xa5, sizeof clear);
        a = aead_new(id, key, true);
        assert_non_null(a);
        assert_int_equal(live, 1);
        assert_int_equal(aead_seal(a, nonce, in, &in, 1, sealed[0]), 0);
        assert_int_equal(live, 1);
        aead_free(a);
        assert_int_equal(live, 0);
    }
    mem_hooks = (struct mem_hooks){ malloc, free };
    assert_int_equal(freed_dirty, 0);
}

static void *no_memory(size_t n)
{
    (void)n;
    return NULL;
}

static void no_memory_no_key(void **state)
{
    const uint8_t key[AEAD_KEY_MAX] = { 0 };

    (void)state;
    mem_hooks.alloc = no_memory;
    for (EACH_GCM(id)) {
        assert_null(aead_new(id, key, true));
        assert_null(aead_new(id, key, false));
    }
    mem_hooks.alloc = malloc;
}

/* ---- when it is used ---- */

/* A whole key's life; 0, or what went wrong. */
static int works(void)
{
    static const char want[] = "58e2fccefa7e3061367f1d57a4e7455a";
    const uint8_t key[16] = { 0 }, nonce[AEAD_IV] = { 0 };
    struct aead *a = aead_new(AEAD_AES_128_GCM, key, true);
    const struct bytes tag = unhex(want);
    uint8_t out[AEAD_TAG];
    int rc = !a || aead_seal(a, nonce, span_of(NULL, 0), NULL, 0, out) < 0 ||
             memcmp(out, tag.p, AEAD_TAG) != 0;

    aead_free(a);
    return rc;
}

enum { BY_LIBCRYPTO, BY_IPSECMB, BROKEN };

static bool is_mapped(void)
{
    FILE *f = fopen("/proc/self/maps", "r");
    char line[PATH_MAX + 100];
    bool found = false;

    while (f && fgets(line, sizeof line, f)) {
        found = found || strstr(line, "libIPSec_MB") || strstr(line, "provider_ipsecmb");
    }
    if (f) {
        (void)fclose(f);
    }
    return found;
}

static void *in_thread(void *barrier)
{
    (void)pthread_barrier_wait(barrier);
    for (int i = 0; i < 50; i++) {
        if (works()) {
            return (void *)1;
        }
    }
    return NULL;
}

/* Nobody has a key yet: all make the first at once. */
static int threads(void)
{
    pthread_barrier_t barrier;
    pthread_t t[8];
    int bad = pthread_barrier_init(&barrier, NULL, 8);

    for (size_t i = 0; i < 8; i++) {
        bad |= pthread_create(&t[i], NULL, in_thread, &barrier);
    }
    for (size_t i = 0; i < 8; i++) {
        void *result = NULL;

        bad |= pthread_join(t[i], &result) || result;
    }
    return bad;
}

/* A process of its own, in which nothing has happened. */
static int fresh(const char *how)
{
    static _Alignas(16) uint8_t arena[1 << 20];
    int bad = 0;

    if (strcmp(how, "arena") == 0) {
        bad = crypto_use_arena(arena, sizeof arena);
    }
    bad |= crypto_init() < 0 || is_mapped(); /* not before there is something for it to do */
    if (strcmp(how, "threads") == 0) {
        bad |= threads();
    } else if (strcmp(how, "name") != 0) { /* "name": does it say so without doing it? */
        bad |= works();
    }
    return bad                                                      ? BROKEN
           : strcmp(aead_backend(AEAD_AES_256_GCM), plain_one) == 0 ? BY_LIBCRYPTO
           : strcmp(aead_backend(AEAD_AES_256_GCM), fast) != 0      ? BROKEN
           : strcmp(aead_backend(AEAD_CHACHA20_POLY1305), plain_one) != 0 || !is_mapped()
               ? BROKEN
               : BY_IPSECMB;
}

static char self[PATH_MAX];

/* This program again, as `how`; libraries are looked for in dir first. */
static int run_fresh(const char *how, const char *dir, const char *stub)
{
    pid_t pid = fork();
    int status = 0;

    assert_true(pid >= 0);
    if (pid == 0) {
        if ((dir && setenv("LD_LIBRARY_PATH", dir, 1)) || (stub && setenv("STUB", stub, 1))) {
            _exit(BROKEN);
        }
        (void)execl(self, self, how, (char *)NULL);
        _exit(BROKEN);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void first_key_loads(void **state)
{
    (void)state;
    skip_without();
    assert_int_equal(run_fresh("key", NULL, NULL), BY_IPSECMB);
    assert_int_equal(run_fresh("threads", NULL, NULL), BY_IPSECMB);
}

static void not_beside_an_arena(void **state)
{
    (void)state;
    assert_int_equal(run_fresh("arena", NULL, NULL), BY_LIBCRYPTO);
}

static void after_fork(void **state)
{
    int status = 0;
    pid_t pid = fork();

    (void)state;
    assert_true(pid >= 0);
    if (pid == 0) {
        _exit(works() || threads());
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

/* A library of that name that is none, or that has something the matter with it. */
static void others_are_refused(void **state)
{
    static const char *const faults[] = {
        "old",     "new",           "memory",         "error",    "avx2",        "no arch",
        "no vaes", "no vpclmulqdq", "leaves secrets", "untested", "test failed", "a hole",
    };
    char dir[] = "/tmp/test_aead_backends.XXXXXX", name[sizeof dir + 20], stub[PATH_MAX];
    FILE *f;

    (void)state;
    skip_without();
    assert_non_null(mkdtemp(dir));
    (void)snprintf(name, sizeof name, "%s/libIPSec_MB.so.1", dir);
    f = fopen(name, "w");
    assert_non_null(f);
    assert_true(fputs("not a library", f) > 0);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(run_fresh("key", dir, NULL), BY_LIBCRYPTO);
    assert_int_equal(unlink(name), 0);

    (void)snprintf(stub, sizeof stub, "%.*s/provider_ipsecmb.so", (int)(strrchr(self, '/') - self),
                   self);
    assert_int_equal(symlink(stub, name), 0);
    assert_int_equal(run_fresh("name", dir, NULL), BY_IPSECMB); /* but for the fault it would do */
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        const int by = run_fresh("key", dir, faults[i]);

        if (by != BY_LIBCRYPTO) {
            fail_msg("%s: %d", faults[i], by);
        }
    }
    assert_int_equal(unlink(name), 0);
    assert_int_equal(rmdir(dir), 0);
}

static int prepare(void **state)
{
    (void)state;
    if (crypto_init() < 0 || readlink("/proc/self/exe", self, sizeof self - 1) <= 0) {
        return -1;
    }
    have_fast = strcmp(aead_backend(AEAD_AES_128_GCM), fast) == 0;
    return 0;
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lengths),
        cmocka_unit_test(many_keys),
        cmocka_unit_test(splits),
        cmocka_unit_test(gathers),
        cmocka_unit_test(forgeries),
        cmocka_unit_test(a_key_is_wiped),
        cmocka_unit_test(first_key_loads),
        cmocka_unit_test(after_fork),
        cmocka_unit_test(not_beside_an_arena),
        cmocka_unit_test(no_memory_no_key),
        cmocka_unit_test(others_are_refused),
    };

    return argc == 2 ? fresh(argv[1]) : cmocka_run_group_tests(tests, prepare, NULL);
}
