/* SPDX-License-Identifier: ISC */
/* One scenario, the same words, on plain TCP and on TLS: every result, errno, signal and byte goes
 * into a protocol, and the protocols must be the same. */
#ifndef TESTS_SOCKETS_POSIX_H
#define TESTS_SOCKETS_POSIX_H
#include <sys/syscall.h>

#include "tests/sockets/peers.h"

struct stage {
    int f[2]; /* the two ends; the scenario may close them (then -1) */
    size_t used;
    char text[32768];
};
struct scene {
    const char *name;
    void (*play)(struct stage *s);
};

static volatile sig_atomic_t pipes, users; /* SIGPIPE, SIGUSR1 */

static inline void count_pipe(int sig)
{
    (void)sig;
    pipes++;
}

static inline void count_user(int sig)
{
    (void)sig;
    users++;
}

static inline void on_signal(int sig, void (*handler)(int), int flags)
{
    struct sigaction a = { .sa_handler = handler, .sa_flags = flags };

    assert_int_equal(sigaction(sig, &a, NULL), 0);
}

static inline void say(struct stage *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static inline void say(struct stage *s, const char *fmt, ...)
{
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(s->text + s->used, sizeof s->text - s->used, fmt, ap);
    va_end(ap);
    assert_in_range(n, 1, sizeof s->text - s->used - 1);
    s->used += (size_t)n;
}

static inline void result(struct stage *s, int line, const char *call, long rc, int err)
{
    say(s, "%4d %s = %ld%s%s%s\n", line, call, rc, rc == -1 ? " " : "",
        rc == -1 ? strerrorname_np(err) : "", pipes ? " SIGPIPE" : "");
    pipes = 0;
}

/* A call and what came of it; its result. */
#define DO(s, call)                            \
    __extension__({                            \
        errno = 0;                             \
        long rc_ = (long)(call);               \
        int err_ = errno;                      \
        result(s, __LINE__, #call, rc_, err_); \
        rc_;                                   \
    })
#define BYTES(s, p, n) say(s, "     \"%.*s\"\n", (int)(n), (const char *)(p))
#define NUMBER(s, n)   say(s, "     " #n " = %ld\n", (long)(n))

/* Until n bytes of plaintext can be read at once. */
static inline void arrive(int fd, int n)
{
    for (int have = 0, tries = 0; have < n; tries++) {
        assert_in_range(tries, 0, 5000);
        assert_int_equal(ssl_ioctl(fd, FIONREAD, &have), 0);
        if (have < n) {
            nap_ms(2);
        }
    }
}

/* Until poll() tells one of these. */
static inline void until_poll(int fd, short events)
{
    struct pollfd p = { fd, events, 0 };

    do {
        p.revents = 0;
        assert_true(ssl_poll(&p, 1, 20000) == 1);
        if (!(p.revents & events)) {
            nap_ms(5);
        }
    } while (!(p.revents & events));
}

/* Until the kernel takes no more, also when its timer for a peer without room has passed: that is
 * 200 ms. */
#define FULL_TRIES 6
#define FULL_MS    50
static inline void fill_up(int fd)
{
    static char some[65536];

    for (int full = 0; full < FULL_TRIES;) {
        full = ssl_send(fd, some, sizeof some, MSG_DONTWAIT) > 0 ? 0 : full + 1;
        nap_ms(full ? FULL_MS : 0);
    }
}

/* So that who closes the other end has room for its last words. */
static inline void drain(int fd)
{
    char some[4096];

    while (recv(fd, some, sizeof some, MSG_DONTWAIT) > 0) {
    }
}

/* What another thread does once this one sleeps in the kernel. */
struct later {
    pid_t waiter;
    pthread_t who, thread;
    void (*act)(struct stage *s);
    struct stage *s;
    int signal; /* instead of act */
};

static inline void *later_thread(void *arg)
{
    struct later *l = arg;

    await_sleep(l->waiter);
    if (l->signal) {
        pthread_kill(l->who, l->signal);
    } else {
        l->act(l->s);
    }
    return NULL;
}

static inline void later(struct later *l, struct stage *s, void (*act)(struct stage *), int signal)
{
    sigset_t all, old;

    *l = (struct later){ .waiter = (pid_t)syscall(SYS_gettid),
                         .who = pthread_self(),
                         .act = act,
                         .s = s,
                         .signal = signal };
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    assert_int_equal(pthread_create(&l->thread, NULL, later_thread, l), 0);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
}

static inline void joined(struct later *l)
{
    pthread_join(l->thread, NULL);
}

static inline void close_end(struct stage *s, int i)
{
    ssl_close(s->f[i]);
    s->f[i] = -1;
}

/* version 0: plain. */
static inline void perform(const struct scene *scene, int version, struct stage *s)
{
    s->used = 0;
    s->text[0] = '\0';
    tcp_pair(s->f);
    if (version) {
        for (int i = 0; i < 2; i++) {
            set_number(s->f[i], SSL_OPT_MAX_VERSION, version);
            set_number(s->f[i], SSL_OPT_MIN_VERSION, version);
        }
        attach_pair(s->f[0], s->f[1]);
        handshake_pair(s->f[0], s->f[1]);
    }
    on_signal(SIGPIPE, count_pipe, SA_RESTART);
    on_signal(SIGUSR1, count_user, 0);
    pipes = users = 0;
    scene->play(s);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGUSR1, SIG_DFL);
    if (s->f[0] >= 0 && s->f[1] >= 0) {
        drain(s->f[1]);
    }
    for (int i = 0; i < 2; i++) {
        if (s->f[i] >= 0) {
            ssl_close(s->f[i]);
        }
    }
}

/* The first lines that differ. */
static inline void compare(const char *name, const char *how, const char *plain, const char *tls)
{
    while (*plain || *tls) {
        int a = (int)strcspn(plain, "\n"), b = (int)strcspn(tls, "\n");

        if (a != b || memcmp(plain, tls, (size_t)a) != 0) {
            fail_msg("%s\n  TCP:     %.*s\n  %s: %.*s", name, a, plain, how, b, tls);
        }
        plain += a + (plain[a] != '\0');
        tls += b + (tls[b] != '\0');
    }
}

static inline void play_all(const struct scene *scenes, size_t n)
{
    static struct stage plain, tls;

    for (size_t i = 0; i < n; i++) {
        perform(&scenes[i], 0, &plain);
        if (getenv("POSIX_SHOW")) {
            printf("%s\n%s", scenes[i].name, plain.text);
        }
        assert_true(plain.used > 0);
        perform(&scenes[i], 0x0304, &tls);
        compare(scenes[i].name, "TLS 1.3", plain.text, tls.text);
        perform(&scenes[i], 0x0303, &tls);
        compare(scenes[i].name, "TLS 1.2", plain.text, tls.text);
    }
}
#endif
