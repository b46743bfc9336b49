/* SPDX-License-Identifier: ISC */
/* The second net under what program.c can tell beforehand: a watcher waits for the library's good
 * word over a pipe and kills the program when it does not come. It is nobody's child by the time
 * the program runs, so the program never meets it in wait(). */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "preload/launcher/launcher.h"

#define PATIENCE_MS 5000
#define CANCELLED   'x'

struct watched {
    const char *name;
    pid_t pid;
    int pidfd; /* -1: the kernel has none; then the pid must do */
};

static bool is_over(const struct watched *w, int wait_ms)
{
    struct pollfd p = { .fd = w->pidfd, .events = POLLIN };

    if (w->pidfd < 0) {
        return kill(w->pid, 0) < 0;
    }
    return poll(&p, 1, wait_ms) > 0;
}

static void stop(const struct watched *w, const char *why)
{
    /* A program that has just ended took its end of the pipe with it: that is no silence. */
    if (is_over(w, 100)) {
        return;
    }
    if (w->pidfd < 0 || syscall(SYS_pidfd_send_signal, w->pidfd, SIGKILL, NULL, 0) < 0) {
        (void)kill(w->pid, SIGKILL);
    }
    (void)say(0, "run", "%s was stopped: %s", w->name, why);
}

static int64_t ms_now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* State byte, sentence, NUL. Returns how many bytes came before the end, the NUL or the deadline.
 */
static size_t listen_for(int fd, char *text, size_t size)
{
    int64_t end = ms_now() + PATIENCE_MS;
    size_t n = 0;

    while (n < size - 1 && (n == 0 || text[n - 1] != '\0')) {
        struct pollfd p = { .fd = fd, .events = POLLIN };
        int64_t left = end - ms_now();
        ssize_t got;

        if (left <= 0 || (poll(&p, 1, (int)left) <= 0 && errno != EINTR)) {
            break;
        }
        got = read(fd, text + n, 1);
        if (got == 0 || (got < 0 && errno != EINTR)) {
            break;
        }
        n += got > 0 ? 1 : 0;
        if (n == 1 && text[0] == CANCELLED) {
            break;
        }
    }
    text[n] = '\0';
    return n;
}

static void watch(const struct watched *w, int fd)
{
    char text[600];
    size_t n = listen_for(fd, text, sizeof text);

    if (n == 0) {
        stop(w, "libsleeve-preload.so gave no sign of life in it");
    } else if (text[0] == '0') {
        stop(w, "no rule names the program that was started in the end");
    } else if (text[0] == '-') {
        stop(w, text[1] ? text + 1 : "the library could not be set up");
    }
}

static void detach(void)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    sigset_t all;

    /* Ctrl-C is for the program. */
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, NULL);
    if (null >= 0) {
        dup2(null, 0);
        dup2(null, 1);
    }
    if (chdir("/") < 0) {
        return; /* keeps a file system busy for five seconds at most */
    }
}

static void watcher(struct watched *w, int rd, int wr)
{
    pid_t second;

    /* Fork twice: the one in between ends at once, and is waited for. */
    second = fork();
    if (second != 0) {
        _exit(second < 0 ? 1 : 0);
    }
    detach();
    close(wr);
    watch(w, rd);
    _exit(0);
}

/* Out of the way of the numbers that programs expect, and open over exec. */
static int move_high(int fd)
{
    int high = fcntl(fd, F_DUPFD, 1000);

    if (high < 0) {
        high = fcntl(fd, F_DUPFD, 100);
    }
    if (high < 0) {
        high = fcntl(fd, F_DUPFD, 3);
    }
    close(fd);
    return high;
}

int watch_start(const char *name, int skip)
{
    struct watched w = { .name = name, .pid = getpid() };
    int pipes[2], status = 1, wr;
    char value[64];
    pid_t child;

    if (pipe2(pipes, O_CLOEXEC) < 0) {
        return -1;
    }
    wr = move_high(pipes[1]);
    (void)snprintf(value, sizeof value, "%d:%d:%d", wr, (int)w.pid, skip < 9 ? skip : 9);
    w.pidfd = (int)syscall(SYS_pidfd_open, w.pid, 0);
    child = wr < 0 || setenv("SLEEVE_HELLO", value, 1) < 0 ? -1 : fork();
    if (child == 0) {
        watcher(&w, pipes[0], wr);
    }
    while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    close(pipes[0]);
    if (w.pidfd >= 0) {
        close(w.pidfd);
    }
    if (child < 0 || status != 0) {
        if (wr >= 0) {
            close(wr);
        }
        return -1;
    }
    return wr;
}

void watch_cancel(int fd)
{
    static const char word = CANCELLED;
    ssize_t n = write(fd, &word, 1);

    (void)n;
    close(fd);
}
