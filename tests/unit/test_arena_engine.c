/* SPDX-License-Identifier: ISC */
/* The whole engine out of an arena, in processes of their own where malloc ends the program:
 * handshake and data in both roles, arenas that are too small, and what a session that failed
 * leaves behind (nothing). */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/mem_arena.h"
#include "src/matrixssl.h"
#include "tests/lib/guide.h"
#include "tests/unit/nomalloc.h"

#define ROOM ((size_t)4 << 20)
static _Alignas(16) unsigned char room[ROOM];

/* Certificate, key and CA, made in a process of their own: no libcrypto before the arena. */
struct shared {
    unsigned char cert[4096], key[4096], ca[4096];
    int32 ncert, nkey, nca;
    size_t peak, handshake_peak;
};
static struct shared *shared;
static const uint32 suites[] = { TLS_AES_128_GCM_SHA256, TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256 };
static uint32 suite = TLS_AES_128_GCM_SHA256; /* so the version too */

/* For failures: dprintf may malloc. */
#define TELL(...) (malloc_allow(), (void)dprintf(2, __VA_ARGS__))

#define MUST(condition)                                                        \
    do {                                                                       \
        if (!(condition)) {                                                    \
            TELL("%s:%d: %s does not hold\n", __FILE__, __LINE__, #condition); \
            _exit(1);                                                          \
        }                                                                      \
    } while (0)

/* Runs in a child; 0: all was well. */
static int in_child(void (*job)(size_t arg), size_t arg)
{
    pid_t pid = fork();
    int status = 0;

    if (pid == 0) {
        alarm(60);
        job(arg);
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

static void keep(const struct buf *b, unsigned char *to, int32 *n)
{
    MUST(buf_len(b) <= 4096);
    memcpy(to, buf_data(b), buf_len(b));
    *n = (int32)buf_len(b);
}

static void make_certs(size_t unused)
{
    struct cred root, server;

    (void)unused;
    cred_make(&root, &(struct cred_params){ .common_name = "CA", .ca = true }, NULL);
    cred_make(&server, &(struct cred_params){ .common_name = "s", .names = { "localhost" } },
              &root);
    keep(&server.pem, shared->cert, &shared->ncert);
    keep(&server.key_pem, shared->key, &shared->nkey);
    keep(&root.der, shared->ca, &shared->nca);
}

struct end {
    ssl_t *ssl;
    int complete;
    size_t got;
    uint32 sum;
    int32 error; /* of a call */
};
struct pair {
    sslKeys_t *keys;
    struct end client, server;
};

static int32 load(struct pair *p)
{
    int32 rc = matrixSslNewKeys(&p->keys);

    return rc < 0 ? rc
                  : matrixSslLoadRsaKeysMem(p->keys, shared->cert, shared->ncert, shared->key,
                                            shared->nkey, shared->ca, shared->nca);
}

static void unload(struct pair *p)
{
    matrixSslDeleteSession(p->client.ssl);
    matrixSslDeleteSession(p->server.ssl);
    matrixSslDeleteKeys(p->keys);
    *p = (struct pair){ 0 };
}

static int32 start(struct pair *p)
{
    int32 rc = matrixSslNewServerSession(&p->server.ssl, p->keys, NULL);

    if (rc >= 0) {
        rc = matrixSslNewClientSession(&p->client.ssl, p->keys, NULL, suite, NULL, NULL, NULL);
    }
    return rc > 0 ? 0 : rc;
}

static void take_in(struct end *e, int32 rc, unsigned char *data, uint32 n)
{
    while (rc == MATRIXSSL_APP_DATA || rc == MATRIXSSL_HANDSHAKE_COMPLETE ||
           rc == MATRIXSSL_RECEIVED_ALERT) {
        if (rc == MATRIXSSL_HANDSHAKE_COMPLETE) {
            e->complete++;
            rc = matrixSslReceivedData(e->ssl, 0, &data, &n);
            continue;
        }
        for (uint32 i = 0; rc == MATRIXSSL_APP_DATA && i < n; i++) {
            e->sum = e->sum * 31 + data[i];
        }
        e->got += rc == MATRIXSSL_APP_DATA ? n : 0;
        rc = matrixSslProcessedData(e->ssl, &data, &n);
    }
    if (rc < 0 && !e->error) {
        e->error = rc;
    }
}

static int32 carry_once(struct end *from, struct end *to)
{
    unsigned char *out, *in, *data = NULL;
    int32 n = matrixSslGetOutdata(from->ssl, &out), space, rc;
    uint32 len = 0;

    if (n <= 0 || from->error || to->error) {
        return 0;
    }
    space = matrixSslGetReadbuf(to->ssl, &in);
    if (space < 0) {
        to->error = space;
        return 0;
    }
    n = min(n, space);
    memcpy(in, out, (size_t)n);
    rc = matrixSslSentData(from->ssl, (uint32)n);
    from->complete += rc == MATRIXSSL_HANDSHAKE_COMPLETE;
    from->error = rc < 0 ? rc : from->error;
    rc = matrixSslReceivedData(to->ssl, (uint32)n, &data, &len);
    take_in(to, rc, data, len);
    return n;
}

static void exchange(struct pair *p)
{
    int32 moved;

    do {
        moved = carry_once(&p->client, &p->server);
        moved += carry_once(&p->server, &p->client);
    } while (moved > 0);
}

/* Both ways, in records of every size up to the longest; 0 or the first error. */
static int32 talk(struct pair *p)
{
    static unsigned char data[SSL_MAX_PLAINTEXT_LEN];
    uint32 sum = 0;
    size_t all = 0;

    memset(data, 'x', sizeof data);
    for (uint32 n = 1; n <= SSL_MAX_PLAINTEXT_LEN; n *= 4) {
        struct end *side[2] = { &p->client, &p->server };
        unsigned char *to;

        for (int i = 0; i < 2; i++) {
            int32 rc = matrixSslEncodeToOutdata(side[i]->ssl, data, n);

            if (rc >= 0) {
                rc = matrixSslGetWritebuf(side[i]->ssl, &to, n);
            }
            if (rc >= 0) {
                memcpy(to, data, n);
                rc = matrixSslEncodeWritebuf(side[i]->ssl, n);
            }
            if (rc < 0) {
                return rc;
            }
        }
        for (uint32 i = 0; i < 2 * n; i++) {
            sum = sum * 31 + 'x';
        }
        all += 2 * (size_t)n;
        exchange(p);
    }
    if (p->client.error || p->server.error) {
        return p->client.error ? p->client.error : p->server.error;
    }
    MUST(p->client.got == all && p->server.got == all);
    MUST(p->client.sum == sum && p->server.sum == sum);
    return 0;
}

static int why(const struct end *e)
{
    return e->ssl ? tls_error(session_of(e->ssl)->tls)->code : 0;
}

/* All of it, and what became of it: 0, or PS_MEM_FAIL when want of memory ended it, whichever side
 * it struck; anything else is a wrong answer. */
static int32 whole_session(struct pair *p)
{
    int32 rc = load(p);

    if (rc == 0) {
        rc = start(p);
    }
    if (rc == 0) {
        exchange(p);
        if (p->client.complete == 1 && p->server.complete == 1) {
            rc = talk(p);
        } else {
            rc = p->client.error ? p->client.error : p->server.error;
            rc = rc == 0 ? PS_PROTOCOL_FAIL : rc;
        }
    }
    if (rc == 0) {
        MUST(matrixSslEncodeClosureAlert(p->client.ssl) == PS_SUCCESS);
        exchange(p);
    } else if (rc != PS_MEM_FAIL && (why(&p->client) == ERR_MEM || why(&p->server) == ERR_MEM)) {
        rc = PS_MEM_FAIL; /* the session says so; its peer saw internal_error */
    }
    return rc;
}

static void nothing_mallocs(size_t unused)
{
    struct pair p = { 0 };
    size_t base = 0;

    (void)unused;
    MUST(matrixSslOpenWithArena(room, sizeof room) == PS_SUCCESS);
    malloc_forbid();
    for (int i = 0; i < 8; i++) {
        int32 rc;

        suite = suites[i % 2];
        rc = whole_session(&p);
        MUST(rc == 0);
        unload(&p);
        MUST(arena_is_sound());
        if (i == 3) { /* what is made at first use and kept has been made */
            matrixSslClose();
            base = arena_usage().used;
            MUST(matrixSslOpen() == PS_SUCCESS);
        }
    }
    matrixSslClose();
    MUST(arena_usage().used == base);
    shared->peak = arena_usage().peak;
}

static void without_malloc(void **state)
{
    (void)state;
    assert_int_equal(in_child(nothing_mallocs, 0), 0);
    print_message("a session pair and all that libcrypto keeps: %zu bytes\n", shared->peak);
}

static void file_loaders(size_t unused)
{
    static char name[3][64];
    const unsigned char *text[3] = { shared->cert, shared->key, shared->ca };
    const int32 size[3] = { shared->ncert, shared->nkey, shared->nca };
    sslKeys_t *keys = NULL;

    (void)unused;
    for (int i = 0; i < 3; i++) {
        int fd;

        strcpy(name[i], "/tmp/arena-XXXXXX");
        fd = mkstemp(name[i]);
        MUST(fd >= 0 && write(fd, text[i], (size_t)size[i]) == size[i] && close(fd) == 0);
    }
    MUST(matrixSslOpenWithArena(room, sizeof room) == PS_SUCCESS);
    malloc_forbid();
    MUST(matrixSslNewKeys(&keys) == PS_SUCCESS);
    MUST(matrixSslLoadRsaKeys(keys, name[0], name[1], NULL, name[2]) == PS_SUCCESS);
    MUST(matrixSslLoadRsaKeys(keys, NULL, NULL, NULL, "/nowhere/at/all") == PS_PLATFORM_FAIL);
    matrixSslDeleteKeys(keys);
    for (int i = 0; i < 3; i++) {
        unlink(name[i]);
    }
}

static void files_without_malloc(void **state)
{
    (void)state;
    assert_int_equal(in_child(file_loaders, 0), 0);
}

/* Sessions in several threads, which were made before. */
static void *whole_sessions(void *arg)
{
    pthread_barrier_t *go = arg;
    struct pair p = { 0 };

    pthread_barrier_wait(go); /* all are there: a thread's start may malloc */
    pthread_barrier_wait(go);
    for (int i = 0; i < 5; i++) {
        MUST(whole_session(&p) == 0);
        unload(&p);
    }
    pthread_barrier_wait(go);
    pthread_barrier_wait(go);
    return NULL;
}

static void threads(size_t unused)
{
    static pthread_barrier_t go;
    pthread_t id[3];

    (void)unused;
    MUST(matrixSslOpenWithArena(room, sizeof room) == PS_SUCCESS);
    pthread_barrier_init(&go, NULL, 4);
    for (int i = 0; i < 3; i++) {
        MUST(pthread_create(&id[i], NULL, whole_sessions, &go) == 0);
    }
    pthread_barrier_wait(&go);
    malloc_forbid();
    pthread_barrier_wait(&go);
    pthread_barrier_wait(&go);
    MUST(arena_is_sound());
    malloc_allow();
    pthread_barrier_wait(&go);
    for (int i = 0; i < 3; i++) {
        pthread_join(id[i], NULL);
    }
}

static void threads_without_malloc(void **state)
{
    (void)state;
    assert_int_equal(in_child(threads, 0), 0);
}

/* An arena that is too small from the start: at whichever call, the answer is PS_MEM_FAIL. */
static void small_arena(size_t size)
{
    struct pair p = { 0 };
    int32 rc;

    malloc_forbid();
    rc = matrixSslOpenWithArena(room, (uint32)size);
    if (rc == PS_SUCCESS) {
        rc = whole_session(&p);
        unload(&p);
        matrixSslClose();
    } else {
        MUST(!arena_is_open() || matrixSslNewKeys(&p.keys) < 0); /* and it stays closed */
    }
    if (rc != PS_MEM_FAIL) {
        TELL("arena of %zu bytes: %d\n", size, rc);
    }
    MUST(rc == PS_MEM_FAIL);
    MUST(size < 64 || arena_is_sound());
}

static void arenas_too_small(void **state)
{
    size_t enough = shared->peak;
    unsigned tried = 0;

    (void)state;
    assert_true(enough > 0);
    for (size_t size = 1; size < 4096; size *= 3) {
        assert_int_equal(in_child(small_arena, size), 0);
    }
    for (size_t size = 4096; size < enough * 3 / 4; size += enough / 150) {
        suite = suites[tried % 2];
        assert_int_equal(in_child(small_arena, size), 0);
        tried++;
    }
    print_message("%u arenas from 4096 to %zu bytes\n", tried, enough * 3 / 4);
}

/* Open to close, in a thread: what libcrypto keeps for one goes with it. */
static void *one_life(void *arg)
{
    struct pair p = { 0 };
    int32 *rc = arg;

    malloc_forbid();
    *rc = matrixSslOpen();
    if (*rc == PS_SUCCESS) {
        *rc = whole_session(&p);
        unload(&p);
        matrixSslClose();
    }
    malloc_allow();
    return NULL;
}

static int32 in_thread(void)
{
    pthread_t id;
    int32 rc = 1;

    MUST(pthread_create(&id, NULL, one_life, &rc) == 0);
    pthread_join(id, NULL);
    return rc;
}

/* With so much room in one piece, and crumbs. */
static int32 with_room(size_t n)
{
    void *ballast;
    int32 rc;

    MUST(arena_usage().largest > n);
    ballast = mem_alloc(arena_usage().largest - n);
    MUST(ballast);
    rc = in_thread();
    if (rc != 0 && rc != PS_MEM_FAIL) {
        TELL("with %zu bytes: %d\n", n, rc);
    }
    MUST(rc == 0 || rc == PS_MEM_FAIL);
    mem_free(ballast);
    return rc;
}

/* A warm process, of whose arena a ballast leaves less and less: threats 36 and 37. */
static void less_and_less(size_t unused)
{
    size_t base, need, room_left;
    unsigned failed = 0, good = 0;

    (void)unused;
    MUST(matrixSslOpenWithArena(room, sizeof room) == PS_SUCCESS);
    matrixSslClose();
    for (int i = 0; i < 3; i++) {
        MUST(in_thread() == 0);
    }
    base = arena_usage().used;
    arena_reset_peak();
    MUST(in_thread() == 0);
    need = arena_usage().peak - base;
    shared->handshake_peak = need;
    MUST(arena_usage().used == base);
    for (room_left = need + need / 4; room_left > 0;
         room_left -= room_left < 8192 ? room_left < 512 ? room_left : 211 : need / 97) {
        int32 rc = with_room(room_left);

        failed += rc != 0;
        good += rc == 0;
        if (arena_usage().used != base) {
            TELL("with %zu bytes: %zu are lost\n", room_left, arena_usage().used - base);
        }
        MUST(arena_usage().used == base);
        MUST(arena_is_sound());
    }
    MUST(failed > 50 && good > 5);
    MUST(in_thread() == 0); /* and it can do what it could before */
}

static void failed_sessions_leave_nothing(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        suite = suites[i];
        assert_int_equal(in_child(less_and_less, 0), 0);
        print_message("a session pair of %s: %zu bytes\n", i ? "TLS 1.2" : "TLS 1.3",
                      shared->handshake_peak);
    }
}

/* libcrypto has its memory from somewhere else already; a second arena; no
 * memory. */
static void too_late(size_t unused)
{
    (void)unused;
    MUST(matrixSslOpenWithArena(NULL, 4096) == PS_ARG_FAIL);
    MUST(matrixSslOpen() == PS_SUCCESS);
    MUST(matrixSslOpenWithArena(room, sizeof room) == PS_FAILURE);
    MUST(!arena_is_open());
}

static void one_is_enough(size_t unused)
{
    static unsigned char other[4096];

    (void)unused;
    MUST(matrixSslOpenWithArena(room, sizeof room) == PS_SUCCESS);
    MUST(matrixSslOpenWithArena(other, sizeof other) == PS_FAILURE);
    MUST(matrixSslOpenWithArena(room, sizeof room) == PS_SUCCESS);
    MUST(matrixSslOpen() == PS_SUCCESS);
    matrixSslClose();
    matrixSslClose();
    matrixSslClose();
}

static void wrong_use(void **state)
{
    (void)state;
    assert_int_equal(in_child(too_late, 0), 0);
    assert_int_equal(in_child(one_is_enough, 0), 0);
}

/* The test of the test: a malloc while it is forbidden is seen. */
static void malloc_is_seen(size_t unused)
{
    void *volatile p;

    (void)unused;
    malloc_forbid();
    p = malloc(10);
    malloc_allow();
    free(p);
}

static void forbidden(void **state)
{
    (void)state;
    assert_int_not_equal(in_child(malloc_is_seen, 0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forbidden),
        cmocka_unit_test(without_malloc),
        cmocka_unit_test(files_without_malloc),
        cmocka_unit_test(threads_without_malloc),
        cmocka_unit_test(arenas_too_small),
        cmocka_unit_test(failed_sessions_leave_nothing),
        cmocka_unit_test(wrong_use),
    };

    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED || in_child(make_certs, 0) != 0) {
        return 1;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
