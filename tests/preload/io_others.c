/* SPDX-License-Identifier: ISC */
/* Ends, other processes, and the side doors that have to stay shut (threats 40, 41). */
#include "io.h"
#include <aio.h>
#include <errno.h>
#include <execinfo.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>
#include <wordexp.h>

extern char **environ;
static volatile sig_atomic_t pipes_broken;

static void on_sigpipe(int sig)
{
    (void)sig;
    pipes_broken++;
}

static int child_status(pid_t pid)
{
    int status = -1;

    CHECK(waitpid(pid, &status, 0) == pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + status;
}

/* ---- ends ---- */

static void half_close(void)
{
    int fd = dial();
    char c;

    say(fd, "late 100 40\n");
    CHECK(shutdown(fd, SHUT_WR) == 0);
    read_marks(fd, 40);
    CHECK(read(fd, &c, 1) == 0 && read(fd, &c, 1) == 0);
    signal(SIGPIPE, SIG_IGN);
    CHECK(write(fd, "x", 1) == -1 && errno == EPIPE);
}

static void polite_end(void)
{
    int fd = dial();
    char c;

    say(fd, "bye\n");
    CHECK(read(fd, &c, 1) == 0 && recv(fd, &c, 1, MSG_DONTWAIT) == 0);
}

/* EOF without close_notify: the peer may have been cut off by somebody. */
static void cut_off(void)
{
    int fd = dial();
    char c;

    say(fd, "cut\n");
    errno = 0;
    CHECK(read(fd, &c, 1) == -1 && errno == ECONNRESET);
}

/* SIGPIPE where the program's own write would have raised it, and nowhere else. */
static void broken_pipe(void)
{
    int fd = dial();

    signal(SIGPIPE, on_sigpipe);
    CHECK(shutdown(fd, SHUT_WR) == 0 && pipes_broken == 0);
    CHECK(send(fd, "x", 1, MSG_NOSIGNAL) == -1 && errno == EPIPE && pipes_broken == 0);
    CHECK(write(fd, "x", 1) == -1 && errno == EPIPE && pipes_broken == 1);
}

static void close_many(void)
{
    int a = dial(), b = dial();

    say(a, "sink 20\n" MARK);
    say(b, "sink 20\n" MARK);
    CHECK(close_range((unsigned)a, (unsigned)a, 0) == 0);
    CHECK(fcntl(a, F_GETFD) == -1 && errno == EBADF);
    closefrom(3);
    CHECK(fcntl(b, F_GETFD) == -1 && errno == EBADF);
    a = dial(); /* life goes on, with the same numbers */
    say(a, "echo 20\n" MARK);
    read_marks(a, 20);
}

/* Leaves with data just written: exit() and _exit() say goodbye for it. */
static void exits(void)
{
    say(dial(), "sink 20\n" MARK);
    exit(0);
}

static void exits_at_once(void)
{
    say(dial(), "sink 20\n" MARK);
    _exit(0);
}

/* In the middle of a handshake, whose keys go when libcrypto's own end is past. */
static void exits_early(void)
{
    int fd = make_socket(), there = make_socket();
    struct pollfd p = { .fd = fd, .events = POLLOUT };
    struct sockaddr_in a = { .sin_family = AF_INET,
                             .sin_port = htons((in_port_t)atoi(io_port)),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };

    CHECK(bind(there, (struct sockaddr *)&a, sizeof a) == 0 && listen(there, 1) == 0);
    set_nonblocking(fd, true);
    CHECK(dial_fd(fd, false) == -1 && errno == EINPROGRESS);
    CHECK(poll(&p, 1, 10) == 0);
    exit(0);
}

/* Buffered output, flushed by exit() itself; and through fclose(stdout). */
static void exits_buffered(void)
{
    int fd = dial();
    FILE *f = fdopen(fd, "w");

    CHECK(dup2(fd, 1) == 1);
    CHECK(printf("sink 40\n" MARK) == 28);
    CHECK(fclose(stdout) == 0);
    CHECK(fcntl(1, F_GETFD) == -1 && dup2(fd, 1) == 1);
    fputs(MARK, f);
    exit(0);
}

static void *write_for_ever(void *arg)
{
    for (;;) {
        (void)!send((int)(intptr_t)arg, MARK, 20, MSG_NOSIGNAL);
    }
    return NULL;
}

/* A thread goes on writing while the process ends: no plaintext, to the very end. */
static void exits_racing(void)
{
    int fd = dial();
    pthread_t t;

    say(fd, "sink 1000000000\n");
    for (int i = 0; i < 4; i++) {
        CHECK(pthread_create(&t, NULL, write_for_ever, (void *)(intptr_t)fd) == 0);
    }
    usleep(20000);
    exit(0);
}

/* ---- signals ---- */

static sigjmp_buf jump;
static volatile sig_atomic_t ticks;

static void on_tick(int sig)
{
    (void)sig;
    ticks++;
}

static void on_jump(int sig)
{
    (void)sig;
    siglongjmp(jump, 1);
}

static void timer(long usec, bool again)
{
    struct itimerval t = { .it_value.tv_usec = usec, .it_interval.tv_usec = again ? usec : 0 };

    CHECK(setitimer(ITIMER_REAL, &t, NULL) == 0);
}

/* SA_RESTART: the program never sees a signal. Without it: EINTR, and nothing is lost. */
static void signals(void)
{
    static char out[200000], in[200000];
    int fd = dial();

    fill(out, sizeof out);
    for (int restart = 0; restart < 2; restart++) {
        struct sigaction sa = { .sa_handler = on_tick, .sa_flags = restart ? SA_RESTART : 0 };

        sigaction(SIGALRM, &sa, NULL);
        timer(100, true);
        for (int round = 0; round < 20; round++) {
            char line[] = "echo 200000\n";
            size_t sent = 0, back = 0;
            ssize_t n;

            for (size_t at = 0; at<sizeof line - 1; at += n> 0 ? (size_t)n : 0) {
                n = write(fd, line + at, sizeof line - 1 - at);
                CHECK(n > 0 || (!restart && errno == EINTR));
            }
            while (sent < sizeof out) {
                n = write(fd, out + sent, sizeof out - sent);
                CHECK(n > 0 || (!restart && errno == EINTR));
                sent += n > 0 ? (size_t)n : 0;
            }
            while (back < sizeof in) {
                n = read(fd, in + back, sizeof in - back);
                CHECK(n > 0 || (!restart && errno == EINTR));
                back += n > 0 ? (size_t)n : 0;
            }
            verify(in, sizeof in);
        }
        timer(0, false);
    }
    CHECK(ticks > 10);
}

/* Jumps out of a blocking read, as old clients do for their time limits; nothing is left locked. */
static void jumps(void)
{
    int fd = dial();
    volatile int jumped = 0;
    char c;

    signal(SIGALRM, on_jump);
    for (volatile int i = 0; i < 20; i++) {
        if (sigsetjmp(jump, 1)) {
            jumped++;
            continue;
        }
        timer(5000, false);
        CHECK(read(fd, &c, 1) == 1);
    }
    CHECK(jumped == 20);
    say(fd, "echo 20\n" MARK);
    read_marks(fd, 20);
}

/* ---- threads ---- */

static void *reader(void *arg)
{
    read_marks((int)(intptr_t)arg, 3000000);
    return NULL;
}

static void duplex(void)
{
    static char out[3000000];
    int fd = dial();
    pthread_t t;

    fill(out, sizeof out);
    say(fd, "echo 3000000\n");
    CHECK(pthread_create(&t, NULL, reader, (void *)(intptr_t)fd) == 0);
    put_all(fd, out, sizeof out);
    CHECK(pthread_join(t, NULL) == 0);
}

/* ---- other processes ---- */

/* A child that works on the connection; the parent only closes its copy. */
static void fork_child_works(void)
{
    int fd = dial();
    pid_t pid = fork();

    if (pid == 0) {
        say(fd, "echo 20\n" MARK);
        read_marks(fd, 20);
        exit(0);
    }
    CHECK(close(fd) == 0);
    CHECK(child_status(pid) == 0);
}

/* A child that does nothing with it: the parent goes on. */
static void fork_parent_works(void)
{
    int fd = dial();
    pid_t pid = fork();

    if (pid == 0) {
        close(fd);
        exit(0);
    }
    CHECK(child_status(pid) == 0);
    say(fd, "echo 20\n" MARK);
    read_marks(fd, 20);
}

/* Both have it (threat 40). */
static void fork_both(void)
{
    int fd = dial(), go[2];
    char c;
    pid_t pid;

    CHECK(pipe(go) == 0);
    pid = fork();
    if (pid == 0) {
        CHECK(read(go[0], &c, 1) == 1);
        CHECK(write(fd, MARK, 20) == 20);
        read_marks(fd, 20);
        exit(0);
    }
    say(fd, "echo 40\n" MARK);
    read_marks(fd, 20);
    CHECK(write(go[1], "x", 1) == 1);
    CHECK(child_status(pid) == 0);
    say(fd, "echo 20\n" MARK);
    read_marks(fd, 20);
}

/* 500 records by each at once (threat 40). */
static void fork_race(void)
{
    for (int round = 0; round < 20; round++) {
        int fd = dial();
        char answer[3];
        pid_t pid;

        say(fd, "sink 20000\n");
        pid = fork();
        for (int i = 0; i < 500; i++) {
            CHECK(write(fd, MARK, 20) == 20);
        }
        if (pid == 0) {
            exit(0);
        }
        CHECK(child_status(pid) == 0);
        get_all(fd, answer, 3);
        CHECK(memcmp(answer, "ok\n", 3) == 0);
        CHECK(close(fd) == 0);
    }
}

static void vfork_child(void)
{
    int fd = dial();
    pid_t pid = vfork();

    if (pid == 0) {
        close(fd);
        execl("/bin/true", "true", (char *)NULL);
        _exit(1);
    }
    CHECK(child_status(pid) == 0);
    say(fd, "echo 20\n" MARK);
    read_marks(fd, 20);
}

/* A new program never sees the descriptor. */
static void exec_child(void)
{
    int fd = dial();
    char script[128];
    pid_t pid;

    snprintf(script, sizeof script, "exec 2>/dev/null; echo " MARK " >&%d", fd);
    pid = fork();
    if (pid == 0) {
        execl("/bin/bash", "bash", "-c", script, (char *)NULL);
        _exit(99);
    }
    CHECK(child_status(pid) == 1);
    CHECK(WEXITSTATUS(system(script)) != 0);
    say(fd, "echo 20\n" MARK);
    read_marks(fd, 20);
}

static void exec_stdio(void)
{
    int fd = dial();
    pid_t pid = fork();
    char *argv[] = { "echo", MARK, NULL };

    if (pid == 0) {
        CHECK(dup2(fd, 1) == 1);
        errno = 0;
        CHECK(execv("/bin/echo", argv) == -1 && errno == EACCES);
        CHECK(execlp("echo", "echo", MARK, (char *)NULL) == -1 && errno == EACCES);
        CHECK(execle("/bin/echo", "echo", MARK, (char *)NULL, environ) == -1 && errno == EACCES);
        CHECK(system("echo " MARK) == -1 && popen("echo " MARK, "r") == NULL);
        exit(0);
    }
    CHECK(child_status(pid) == 0);
}

static void spawn(void)
{
    int fd = dial();
    posix_spawn_file_actions_t fa;
    char script[128], *argv[] = { "bash", "-c", script, NULL };
    pid_t pid;

    snprintf(script, sizeof script, "exec 2>/dev/null; echo " MARK " >&%d", fd);
    CHECK(posix_spawn_file_actions_init(&fa) == 0);
    CHECK(posix_spawn_file_actions_adddup2(&fa, fd, 1) == EACCES);
    CHECK(posix_spawn(&pid, "/bin/bash", &fa, NULL, argv, environ) == 0);
    CHECK(child_status(pid) == 1);
    say(fd, "echo 20\n" MARK);
    read_marks(fd, 20);
}

static void execle_env(void)
{
    char *env[] = { "A=17", NULL };
    pid_t pid;

    dial();
    pid = fork();
    if (pid == 0) {
        execle("/bin/sh", "sh", "-c", "exit $A", (char *)NULL, env);
        _exit(99);
    }
    CHECK(child_status(pid) == 17);
}

static void rights(void)
{
    int fd = dial(), pair[2];
    char mem[CMSG_SPACE(sizeof(int))] = { 0 };
    struct iovec v = { "x", 1 };
    struct msghdr m = {
        .msg_iov = &v, .msg_iovlen = 1, .msg_control = mem, .msg_controllen = sizeof mem
    };
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);

    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof(int));
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
    memcpy(CMSG_DATA(c), &fd, sizeof fd);
    errno = 0;
    CHECK(sendmsg(pair[0], &m, 0) == -1 && errno == EACCES);
    memcpy(CMSG_DATA(c), &pair[1], sizeof fd);
    CHECK(sendmsg(pair[0], &m, 0) == 1);
}

static void side_doors(void)
{
    int fd = dial();
    struct aiocb a = { .aio_fildes = fd, .aio_buf = MARK, .aio_nbytes = 20 };
    struct aiocb *list[] = { &a };
    struct sockaddr_storage none = { .ss_family = AF_INET };
    char zc[64] = { 0 }, line[512], script[64];
    eventfd_t word = 0;
    wordexp_t words;

    CHECK(aio_write(&a) == -1 && errno == EOPNOTSUPP);
    CHECK(lio_listio(LIO_NOWAIT, list, 1, NULL) == -1 && errno == EOPNOTSUPP);
    CHECK(setsockopt(fd, 6, 31, "tls", 3) == -1 && errno == ENOENT);
    CHECK(getsockopt(fd, 6, 35, zc, &(socklen_t){ sizeof zc }) == -1 && errno == ENOPROTOOPT);
    CHECK(sendto(make_socket(), MARK, 20, MSG_FASTOPEN, (struct sockaddr *)&none,
                 sizeof(struct sockaddr_in)) == -1 &&
          errno == EOPNOTSUPP);
    say(fd, "echo 8\n");
    memcpy(&word, MARK, sizeof word);
    CHECK(eventfd_write(fd, word) == 0 && (word = 0, eventfd_read(fd, &word)) == 0);
    CHECK(memcmp(&word, MARK, sizeof word) == 0);
    say(fd, "line\n");
    backtrace_symbols_fd((void *[]){ (void *)(uintptr_t)&dial }, 1, fd);
    CHECK(read(fd, line, sizeof line) > 8);
    snprintf(script, sizeof script, "$(exec 2>&-; echo " MARK " >&%d; echo $?)", fd);
    CHECK(wordexp(script, &words, 0) == 0 && strcmp(words.we_wordv[0], "0") != 0);
    say(fd, "echo 20\n" MARK);
    read_marks(fd, 20);
}

/* What is not ours stays native: errors, UDP, pipes, UNIX sockets. */
static void untouched(void)
{
    int u = socket(AF_INET, SOCK_DGRAM, 0), pair[2];
    char c[3] = "";

    CHECK(dial_fd(u, false) == 0);
    CHECK(send(u, MARK, 20, MSG_DONTWAIT) != 0);
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
    CHECK(write(pair[0], "ab", 2) == 2 && read(pair[1], c, 2) == 2 && strcmp(c, "ab") == 0);
    CHECK(dprintf(pair[0], "%d", 42) == 2 && recv(pair[1], c, 2, MSG_WAITALL) == 2 &&
          strcmp(c, "42") == 0);
    CHECK(close(-1) == -1 && errno == EBADF);
    CHECK(read(-1, c, 1) == -1 && errno == EBADF);
    CHECK(connect(-1, NULL, 0) == -1);
    errno = 77;
    CHECK(close(pair[0]) == 0 && errno == 77);
    CHECK(read(pair[1], c, 1) == 0 && errno == 77);
}

/* A connection that the kernel refuses is refused in the kernel's words. */
static void nobody_there(void)
{
    CHECK(dial_fd(make_socket(), false) == -1 && errno == ECONNREFUSED);
}

const struct io_case io_others[] = {
    { "half-close", half_close },
    { "polite-end", polite_end },
    { "cut-off", cut_off },
    { "broken-pipe", broken_pipe },
    { "close-many", close_many },
    { "exits", exits },
    { "exits-at-once", exits_at_once },
    { "exits-early", exits_early },
    { "exits-buffered", exits_buffered },
    { "exits-racing", exits_racing },
    { "signals", signals },
    { "jumps", jumps },
    { "duplex", duplex },
    { "fork-child-works", fork_child_works },
    { "fork-parent-works", fork_parent_works },
    { "fork-both", fork_both },
    { "fork-race", fork_race },
    { "vfork-child", vfork_child },
    { "exec-child", exec_child },
    { "exec-stdio", exec_stdio },
    { "spawn", spawn },
    { "execle-env", execle_env },
    { "rights", rights },
    { "side-doors", side_doors },
    { "untouched", untouched },
    { "nobody-there", nobody_there },
    { NULL, NULL },
};
