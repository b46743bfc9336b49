/* SPDX-License-Identifier: ISC */
/* A program that hands its connection on to programs that are not wrapped, in every way there is.
 * argv: way, host, port, what else the way needs. Exit 0: all went as it should. */
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define MARK "SLEEVE-KNOWN-PAYLOAD"
#define CHECK(x)                                                                          \
    do {                                                                                  \
        if (!(x)) {                                                                       \
            fprintf(stderr, "%s:%d: %s (%s)\n", __FILE__, __LINE__, #x, strerror(errno)); \
            exit(1);                                                                      \
        }                                                                                 \
    } while (0)

extern char **environ;
static char **more;
static int dead_children;

static int dial(const char *host, const char *port)
{
    struct addrinfo hints = { .ai_family = AF_INET, .ai_socktype = SOCK_STREAM }, *a;
    int fd;

    CHECK(getaddrinfo(host, port, &hints, &a) == 0);
    fd = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(fd >= 0 && connect(fd, a->ai_addr, a->ai_addrlen) == 0);
    freeaddrinfo(a);
    return fd;
}

static void expect(int fd, const char *text)
{
    char got[256];
    size_t n = strlen(text), at = 0;

    while (at < n) {
        ssize_t part = read(fd, got + at, n - at);
        CHECK(part > 0);
        at += (size_t)part;
    }
    CHECK(memcmp(got, text, n) == 0);
}

static void say(int fd, const char *text)
{
    CHECK(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
}

static void on_stdio(int fd)
{
    CHECK(dup2(fd, 0) == 0 && dup2(fd, 1) == 1);
    if (fd > 2) {
        close(fd);
    }
}

/* ---- the ways ---- */

static void way_exec(int fd)
{
    say(fd, MARK " before\n");
    expect(fd, MARK " before\n");
    on_stdio(fd);
    execvp(more[0], more);
    CHECK(more == NULL);
}

/* As programs of the UCSPI kind get it: under a number that was agreed on. */
static void way_exec_high(int fd)
{
    CHECK(dup2(fd, 7) == 7);
    close(fd);
    say(7, MARK " before\n");
    expect(7, MARK " before\n");
    execvp(more[0], more);
    CHECK(more == NULL);
}

static void way_fork_exec(int fd)
{
    pid_t pid = fork();
    int status;

    CHECK(pid >= 0);
    if (pid == 0) {
        way_exec(fd);
    }
    close(fd);
    CHECK(waitpid(pid, &status, 0) == pid && status == 0);
}

/* A descriptor that was only forgotten does not get to the shell. */
static void way_forgotten(int fd)
{
    char script[128];

    say(fd, MARK " before\n");
    snprintf(script, sizeof script, "exec 2>/dev/null; echo " MARK " >&%d", fd);
    CHECK(WEXITSTATUS(system(script)) != 0);
    expect(fd, MARK " before\n");
    say(fd, MARK " after\n");
    expect(fd, MARK " after\n");
}

static void way_system(int fd)
{
    int out = dup(1);

    on_stdio(fd);
    CHECK(system("echo " MARK " from a shell; head -c 34 >/dev/null") == 0);
    CHECK(printf("%s after\n", MARK) > 0 && fflush(stdout) == 0);
    expect(0, MARK " after\n");
    CHECK(dup2(out, 1) == 1 && close(0) == 0);
}

static void way_popen(int fd)
{
    char line[64] = "";
    FILE *f;

    say(fd, MARK " to be read\n");
    CHECK(dup2(fd, 0) == 0);
    f = popen("head -n 1", "r");
    CHECK(f && fgets(line, sizeof line, f) && strcmp(line, MARK " to be read\n") == 0);
    CHECK(pclose(f) == 0);
    say(fd, MARK " after\n");
    expect(fd, MARK " after\n");
}

static void way_spawn(int fd)
{
    posix_spawn_file_actions_t fa;
    char *argv[] = { "sh", "-c", "echo " MARK " spawned", NULL };
    int status;
    pid_t pid;

    CHECK(posix_spawn_file_actions_init(&fa) == 0);
    CHECK(posix_spawn_file_actions_adddup2(&fa, fd, 1) == 0);
    CHECK(posix_spawn(&pid, "/bin/sh", &fa, NULL, argv, environ) == 0);
    CHECK(waitpid(pid, &status, 0) == pid && status == 0);
    expect(fd, MARK " spawned\n");
    posix_spawn_file_actions_destroy(&fa);
}

/* The file actions are written before the socket is connected. */
static void way_spawn_later(int fd)
{
    posix_spawn_file_actions_t fa;
    char *argv[] = { "sh", "-c", "echo " MARK " spawned", NULL };
    struct sockaddr_in peer;
    socklen_t n = sizeof peer;
    int status, later = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    pid_t pid;

    CHECK(getpeername(fd, (struct sockaddr *)&peer, &n) == 0);
    CHECK(posix_spawn_file_actions_init(&fa) == 0);
    CHECK(posix_spawn_file_actions_adddup2(&fa, later, 1) == 0);
    CHECK(connect(later, (struct sockaddr *)&peer, n) == 0);
    CHECK(posix_spawn(&pid, "/bin/sh", &fa, NULL, argv, environ) == 0);
    CHECK(waitpid(pid, &status, 0) == pid && status == 0);
    expect(later, MARK " spawned\n");
    posix_spawn_file_actions_destroy(&fa);
}

static void died(int sig)
{
    (void)sig;
    dead_children++;
}

static void pass(int over, int fd)
{
    union {
        struct cmsghdr h;
        char room[CMSG_SPACE(sizeof(int))];
    } u = { .room = { 0 } };
    struct iovec v = { .iov_base = "x", .iov_len = 1 };
    struct msghdr m = {
        .msg_iov = &v, .msg_iovlen = 1, .msg_control = &u, .msg_controllen = sizeof u.room
    };
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);

    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof fd);
    memcpy(CMSG_DATA(c), &fd, sizeof fd);
    CHECK(sendmsg(over, &m, 0) == 1);
}

/* The program itself has the relay's end after that: what it could ask of the socket is as before.
 */
static void way_rights(int fd)
{
    struct sockaddr_in before, local, after;
    socklen_t n = sizeof before;
    struct epoll_event ev = { .events = EPOLLIN, .data.u64 = 4711 };
    int ends[2], set = epoll_create1(0), on = 1, other = dial("localhost", more[0]), copy;
    char name[8], *argv[] = { "python3", more[1], name, NULL };
    pid_t pid;
    int status;

    CHECK(signal(SIGCHLD, died) != SIG_ERR);
    CHECK(getpeername(fd, (struct sockaddr *)&before, &n) == 0);
    CHECK(getsockname(fd, (struct sockaddr *)&local, &n) == 0);
    CHECK(setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on) == 0);
    CHECK(fcntl(fd, F_SETFL, O_NONBLOCK) == 0 && fcntl(fd, F_SETFD, FD_CLOEXEC) == 0);
    CHECK(epoll_ctl(set, EPOLL_CTL_ADD, fd, &ev) == 0);
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
    pass(ends[0], fd);
    CHECK(dead_children == 0 && waitpid(-1, &status, 0) == -1 && errno == ECHILD);

    n = sizeof after;
    CHECK(getpeername(fd, (struct sockaddr *)&after, &n) == 0 && n == sizeof after);
    CHECK(memcmp(&before, &after, n) == 0);
    copy = dup(fd);
    n = sizeof after;
    CHECK(getsockname(copy, (struct sockaddr *)&after, &n) == 0);
    CHECK(memcmp(&local, &after, n) == 0 && close(copy) == 0);
    on = 0;
    n = sizeof on;
    CHECK(getsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, &n) == 0 && on == 1);
    CHECK(fcntl(fd, F_GETFL) & O_NONBLOCK && fcntl(fd, F_GETFD) == FD_CLOEXEC);
    say(fd, MARK "\n");
    CHECK(epoll_wait(set, &ev, 1, 30000) == 1 && ev.data.u64 == 4711 && ev.events == EPOLLIN);
    expect(fd, MARK "\n");
    CHECK(epoll_wait(set, &ev, 1, 50) == 0);

    say(other, MARK " other\n"); /* a connection that stays ours */
    expect(other, MARK " other\n");
    pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        snprintf(name, sizeof name, "%d", ends[1]);
        execvp(argv[0], argv);
        _exit(1);
    }
    CHECK(close(fd) == 0 && close(ends[1]) == 0);
    CHECK(waitpid(pid, &status, 0) == pid && status == 0);
    say(other, MARK " still\n");
    expect(other, MARK " still\n");
    CHECK(close(other) == 0);
}

/* One that is given away without a use of the others: they end in order all the same. */
static void way_others(int fd)
{
    int other = dial("localhost", more[0]), ends[2];

    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
    pass(ends[0], fd);
    CHECK(close(other) == 0 && close(fd) == 0);
}

/* No process can be made: the new program does not get the descriptor, and nothing is lost. */
static void way_no_process(int fd)
{
    struct rlimit none = { 0, 0 };
    char *argv[] = { "echo", MARK, NULL };
    int out = fcntl(1, F_DUPFD_CLOEXEC, 10), ends[2];

    CHECK(setrlimit(RLIMIT_NPROC, &none) == 0);
    CHECK(geteuid() != 0 || setresuid(65534, 65534, 65534) == 0);
    on_stdio(fd);
    CHECK(execv("/bin/echo", argv) == -1 && errno == EAGAIN);
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
    say(0, MARK " still\n");
    expect(0, MARK " still\n");
    CHECK(dup2(out, 1) == 1 && close(0) == 0);
}

static const struct {
    const char *name;
    void (*run)(int fd);
} ways[] = {
    { "exec", way_exec },
    { "exec-high", way_exec_high },
    { "fork-exec", way_fork_exec },
    { "forgotten", way_forgotten },
    { "system", way_system },
    { "popen", way_popen },
    { "spawn", way_spawn },
    { "spawn-later", way_spawn_later },
    { "rights", way_rights },
    { "others", way_others },
    { "no-process", way_no_process },
};

int main(int argc, char **argv)
{
    CHECK(argc >= 4);
    more = argv + 4;
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        if (strcmp(ways[i].name, argv[1]) == 0) {
            ways[i].run(dial(argv[2], argv[3]));
            return 0;
        }
    }
    return 2;
}
