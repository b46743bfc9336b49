/* SPDX-License-Identifier: ISC */
/* Everything at once in several threads, with a key they share; threads that come and go; fork; a
 * process without file descriptors or in an empty root; the end of the process. */
#include "keys.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#define THREADS 4
#define ROUNDS  60

static struct pubkey *pubs[KEY_TYPES];

/* One round of all that a connection does; says what failed, NULL when nothing did. */
static const char *all_of_it(unsigned seed)
{
    static const uint16_t schemes[] = { 0x0403, 0x0804, 0x0807 };
    const struct group *g = group_by_id(seed % 2 ? 29 : 23);
    const struct scheme *s = scheme_by_id(schemes[seed % 3]);
    const struct span msg[] = { span_text("over "), { (const uint8_t *)&seed, sizeof seed } };
    uint8_t client[KEX_SHARE_MAX], server[KEX_SHARE_MAX], a[KEX_SECRET_MAX], b[KEX_SECRET_MAX];
    uint8_t key[32], sig[SIG_MAX], sealed[100 + AEAD_TAG], opened[100];
    const uint8_t nonce[AEAD_IV] = { (uint8_t)seed };
    const struct span in = { sealed, 100 };
    const struct mspan out = { opened, 100 };
    size_t n = sizeof sig;
    struct kex *k = kex_start(g, client);
    struct aead *seal = NULL, *open = NULL;
    const char *bad = NULL;

    if (!k || kex_respond(g, span_of(client, g->share_client), server, a) < 0 ||
        kex_finish(k, span_of(server, g->share_server), b) < 0 ||
        memcmp(a, b, g->secret_size) != 0) {
        bad = "key exchange";
    }
    kex_free(k);
    if (!bad && (hkdf_extract(HASH_SHA256, span_of(NULL, 0), span_of(a, g->secret_size), key) < 0 ||
                 hkdf_expand_label(HASH_SHA256, key, "key", span_of(NULL, 0), b, 16) < 0)) {
        bad = "key schedule";
    }
    if (!bad) {
        seal = aead_new(AEAD_AES_128_GCM, b, true);
        open = aead_new(AEAD_AES_128_GCM, b, false);
        fill(sealed, 100, seed);
        if (!seal || !open || aead_seal(seal, nonce, msg[0], &in, 1, sealed) < 0 ||
            aead_open(open, nonce, msg[0], span_of(sealed, sizeof sealed), &out, 1) < 0) {
            bad = "records";
        }
        fill(sealed, 100, seed);
        if (!bad && memcmp(sealed, opened, 100) != 0) {
            bad = "record's contents";
        }
    }
    aead_free(seal);
    aead_free(open);
    if (!bad && (privkey_sign(key_of(s->key), s, msg, 2, sig, &n) < 0 ||
                 pubkey_verify(pubs[s->key], s->kind, s->hash, msg, 2, span_of(sig, n)) < 0)) {
        bad = "signature";
    }
    return bad;
}

static void *worker(void *arg)
{
    const unsigned *at = arg;
    const char *bad = crypto_init() < 0 ? "init" : NULL;

    for (unsigned i = 0; !bad && i < ROUNDS; i++) {
        bad = all_of_it(*at * ROUNDS + i);
    }
    return (void *)(uintptr_t)bad;
}

static void threads(void **state)
{
    (void)state;
    for (int generation = 0; generation < 3; generation++) { /* what ended threads kept is freed */
        pthread_t t[THREADS];
        unsigned at[THREADS];

        for (unsigned i = 0; i < THREADS; i++) {
            at[i] = i;
            assert_int_equal(pthread_create(&t[i], NULL, worker, &at[i]), 0);
        }
        for (unsigned i = 0; i < THREADS; i++) {
            void *bad;

            assert_int_equal(pthread_join(t[i], &bad), 0);
            if (bad) {
                fail_msg("%s", (const char *)bad);
            }
        }
    }
}

/* A key is freed by whoever is last, here while others still sign with it. */
static void *sign_and_let_go(void *arg)
{
    struct privkey *k = arg;
    const struct span msg = span_text("last one out");
    uint8_t sig[SIG_MAX];
    intptr_t bad = 0;

    for (int i = 0; i < 50; i++) {
        size_t n = sizeof sig;

        bad |= privkey_sign(k, scheme_by_id(0x0403), &msg, 1, sig, &n);
    }
    privkey_unref(k);
    return (void *)bad;
}

static void shared_key(void **state)
{
    struct privkey *k = key_new(KEY_EC_P256);
    pthread_t t[8]; /* more than contexts are kept for */

    (void)state;
    for (size_t i = 0; i < 8; i++) {
        assert_int_equal(pthread_create(&t[i], NULL, sign_and_let_go, privkey_ref(k)), 0);
    }
    privkey_unref(k);
    for (size_t i = 0; i < 8; i++) {
        void *bad;

        assert_int_equal(pthread_join(t[i], &bad), 0);
        assert_null(bad);
    }
}

/* Runs fn in a child; its exit status. */
static int in_child(int (*fn)(int fd), int fd)
{
    int status = 0;
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0) {
        _exit(fn(fd));
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

struct drawn {
    uint8_t bytes[32], share[32], point[65];
};

static int draw(struct drawn *d)
{
    struct kex *a, *b;
    int rc = rand_bytes(d->bytes, sizeof d->bytes);

    a = kex_start(group_by_id(29), d->share);
    b = kex_start(group_by_id(23), d->point);
    rc = rc < 0 || !a || !b ? 1 : 0;
    kex_free(a);
    kex_free(b);
    return rc;
}

static int child_draws(int fd)
{
    struct drawn d;

    return draw(&d) != 0 || write(fd, &d, sizeof d) != sizeof d;
}

/* RFC 8446 appendix C.1; threat 25: no two processes draw the same. */
static void fork_draws_anew(void **state)
{
    struct drawn d[5];
    int fd[2];

    (void)state;
    assert_int_equal(draw(&d[0]), 0); /* so that there is something to inherit */
    assert_int_equal(pipe(fd), 0);
    for (size_t i = 1; i < 4; i++) {
        assert_int_equal(in_child(child_draws, fd[1]), 0);
        assert_int_equal(read(fd[0], &d[i], sizeof d[i]), sizeof d[i]);
    }
    assert_int_equal(draw(&d[4]), 0);
    for (size_t i = 0; i < 5; i++) {
        for (size_t j = 0; j < i; j++) {
            assert_memory_not_equal(d[i].bytes, d[j].bytes, sizeof d[i].bytes);
            assert_memory_not_equal(d[i].share, d[j].share, sizeof d[i].share);
            assert_memory_not_equal(d[i].point, d[j].point, sizeof d[i].point);
        }
    }
    (void)close(fd[0]);
    (void)close(fd[1]);
}

static int child_without_files(int unused)
{
    (void)unused;
    for (int fd = 0; fd < 256; fd++) {
        (void)close(fd);
    }
    /* Where that is allowed also without a file system; a daemon does both after its start. */
    if (chroot("/proc/self/fdinfo") == 0 && chdir("/") != 0) {
        return 2;
    }
    return all_of_it(1) || all_of_it(2) || all_of_it(3) ? 1 : 0;
}

static void no_files(void **state)
{
    (void)state;
    assert_int_equal(in_child(child_without_files, 0), 0);
}

/* Threads and destructors still work while the process ends, after libcrypto has cleaned up: what
 * they ask for may fail, and must not crash. */
static int child_after_cleanup(int unused)
{
    static const uint8_t key[16] = { 1 }, nonce[AEAD_IV] = { 2 };
    struct aead *a = aead_new(AEAD_AES_128_GCM, key, true);
    const struct span in = span_text("close_notify");
    uint8_t out[64];

    (void)unused;
    if (!a || all_of_it(2)) {
        return 2;
    }
    OPENSSL_cleanup();
    const int rc = aead_seal(a, nonce, in, &in, 1, out);

    for (unsigned i = 0; i < 6; i++) {
        (void)all_of_it(i);
    }
    aead_free(a);
    return rc == 0 ? 0 : 1;
}

static void after_cleanup(void **state)
{
    (void)state;
    assert_int_equal(in_child(child_after_cleanup, 0), 0);
}

static void init_again(void **state)
{
    OSSL_LIB_CTX *lib = provider.lib;

    (void)state;
    assert_int_equal(crypto_init(), 0);
    assert_ptr_equal(provider.lib, lib);
}

static int prepare(void **state)
{
    (void)state;
    if (crypto_init() < 0) {
        return -1;
    }
    /* The shelf is filled by one thread. */
    pubs[KEY_EC_P256] = public_of(key_of(KEY_EC_P256));
    pubs[KEY_ED25519] = public_of(key_of(KEY_ED25519));
    pubs[KEY_RSA] = public_of(key_of(KEY_RSA));
    return 0;
}

static int finish(void **state)
{
    for (size_t i = 0; i < KEY_TYPES; i++) {
        pubkey_unref(pubs[i]);
    }
    return keys_end(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threads),         cmocka_unit_test(shared_key),
        cmocka_unit_test(fork_draws_anew), cmocka_unit_test(no_files),
        cmocka_unit_test(after_cleanup),   cmocka_unit_test(init_again),
    };

    return cmocka_run_group_tests(tests, prepare, finish);
}
