/* SPDX-License-Identifier: ISC */
/* New programs and the end of this one. A new program cannot have our keys, so a connection that it
 * is to use goes to a relay first; where that may not be, or cannot, the program does not get the
 * descriptor. */
#include "preload/preload.h"
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/syscall.h>

#include "preload/audit.h"
#include "preload/handover.h"
#include "preload/log.h"
#include "preload/relay.h"
#include "preload/watch.h"

/* ---- before exec ---- */

enum birth_of { BY_EXEC, BY_SPAWN, BY_SHELL };
struct passage {
    enum birth_of by; /* BY_EXEC: this program has no more use for its descriptors */
    int err;
};

/* Sockets that posix_spawn() has to duplicate for a new program, which may be connected only now.
 */
#define SPAWNED_MAX 1024
static _Atomic bool spawned[SPAWNED_MAX], spawned_above;

static _Atomic bool *spawned_at(int fd)
{
    return fd >= 0 && fd < SPAWNED_MAX ? &spawned[fd] : &spawned_above;
}

/* A descriptor above 2 is often one that was only forgotten: in a child, or beside a shell command,
 * it stays closed. A program that becomes another one passes on what it has used itself. */
static bool is_meant(const struct passage *p, int fd)
{
    return fd <= STDERR_FILENO || (p->by == BY_EXEC && watch_used_here(fd)) ||
           (p->by == BY_SPAWN && atomic_load(spawned_at(fd)));
}

/* A command with the connection on its output alone, beside a program that goes on with it (a
 * shell's): what the peer answers is for that one. On 0 it would have gone already. */
static enum relay_use use_of(const struct passage *p, int fd)
{
    return p->by == BY_EXEC && fd != STDIN_FILENO && fd <= STDERR_FILENO && !watch_used_here(fd)
               ? RELAY_WRITES
               : RELAY_ALL;
}

static void pass_on(void *ctx, int fd)
{
    struct passage *p = ctx;
    int flags = REAL(fcntl)(fd, F_GETFD);
    bool copied = p->by == BY_SPAWN && atomic_load(spawned_at(fd));
    bool needed = fd <= STDERR_FILENO || copied;

    if (flags < 0 || (flags & FD_CLOEXEC && !copied) || !is_tracked(fd) || exec_sent(fd)) {
        return;
    }
    if (is_meant(p, fd) && relay_may_take(fd)) {
        if (relay_take(fd, use_of(p, fd)) == 0) {
            return;
        }
        p->err = needed ? errno : p->err;
    } else if (needed) {
        log_event(LOG_WARNING, PAIRS(pair_text("result", "refused")),
                  "fd %d has TLS, and a new program would write plaintext on it", fd);
        p->err = EACCES;
    }
    if (!needed && REAL(fcntl)(fd, F_SETFD, flags | FD_CLOEXEC) == 0) {
        log_event(LOG_WARNING, PAIRS(pair_text("result", "withheld")),
                  "fd %d has TLS and is closed for the new program, which could "
                  "only write plaintext on it",
                  fd);
    }
}

/* 0, or -1 and errno: refused. */
static int process_before(enum birth_of by)
{
    struct passage p = { .by = by };
    int saved = errno;

    if (conn_any()) {
        audit_all();
        conn_each(0, INT32_MAX, pass_on, &p);
    }
    errno = p.err ? p.err : saved;
    return p.err ? -1 : 0;
}

/* A connection goes along into a listed program (handover.h); else as above. */
static int before_exec(const char *path, char *const envp[])
{
    audit_all();
    exec_send(path, envp);
    if (process_before(BY_EXEC)) {
        exec_failed();
        return -1;
    }
    exec_leave();
    return 0;
}

/* What comes back from an exec has failed. */
static int failed(int rc)
{
    exec_failed();
    return rc;
}

int execve(const char *path, char *const argv[], char *const envp[])
{
    return before_exec(path, envp) ? -1 : failed(REAL(execve)(path, argv, envp));
}

int execv(const char *path, char *const argv[])
{
    return before_exec(path, environ) ? -1 : failed(REAL(execv)(path, argv));
}

int execvpe(const char *file, char *const argv[], char *const envp[])
{
    char path[PATH_MAX];

    return before_exec(exec_path(file, path, sizeof path), envp)
               ? -1
               : failed(REAL(execvpe)(file, argv, envp));
}

int execvp(const char *file, char *const argv[])
{
    char path[PATH_MAX];

    return before_exec(exec_path(file, path, sizeof path), environ)
               ? -1
               : failed(REAL(execvp)(file, argv));
}

int fexecve(int fd, char *const argv[], char *const envp[])
{
    return before_exec(NULL, envp) ? -1 : failed(REAL(fexecve)(fd, argv, envp));
}

int execveat(int dir, const char *path, char *const argv[], char *const envp[], int flags)
{
    return before_exec(NULL, envp) ? -1 : failed(REAL(execveat)(dir, path, argv, envp, flags));
}

/* The arguments of a list become a vector on the stack, as in the C library. */
static size_t count_arguments(va_list ap)
{
    size_t n = 1;

    while (va_arg(ap, char *)) {
        n++;
    }
    return n + 1;
}

#define VECTOR(first, argv, envp)                      \
    do {                                               \
        va_list ap;                                    \
        size_t n;                                      \
        va_start(ap, first);                           \
        n = count_arguments(ap);                       \
        va_end(ap);                                    \
        (argv) = __builtin_alloca(n * sizeof *(argv)); \
        (argv)[0] = (char *)(uintptr_t)(first);        \
        va_start(ap, first);                           \
        for (size_t i = 1; i < n; i++) {               \
            (argv)[i] = va_arg(ap, char *);            \
        }                                              \
        (envp) = (envp) ? va_arg(ap, char **) : NULL;  \
        va_end(ap);                                    \
    } while (0)

int execl(const char *path, const char *arg, ...)
{
    char **argv, **envp = NULL;

    VECTOR(arg, argv, envp);
    return execv(path, argv);
}

int execlp(const char *file, const char *arg, ...)
{
    char **argv, **envp = NULL;

    VECTOR(arg, argv, envp);
    return execvp(file, argv);
}

int execle(const char *path, const char *arg, ...)
{
    char **argv, **envp = environ; /* any: it stands behind the list */

    VECTOR(arg, argv, envp);
    return execve(path, argv, envp);
}

int posix_spawn(pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions,
                const posix_spawnattr_t *attr, char *const argv[], char *const envp[])
{
    return process_before(BY_SPAWN) ? errno
                                    : REAL(posix_spawn)(pid, path, actions, attr, argv, envp);
}

int posix_spawnp(pid_t *pid, const char *file, const posix_spawn_file_actions_t *actions,
                 const posix_spawnattr_t *attr, char *const argv[], char *const envp[])
{
    return process_before(BY_SPAWN) ? errno
                                    : REAL(posix_spawnp)(pid, file, actions, attr, argv, envp);
}

/* The copy would not be close-on-exec: so this is a connection for the new program. */
int posix_spawn_file_actions_adddup2(posix_spawn_file_actions_t *actions, int fd, int newfd)
{
    if (is_tracked(fd) && !relay_may_take(fd)) {
        log_event(LOG_WARNING, PAIRS(pair_text("result", "refused")),
                  "fd %d has TLS, and a new program would write plaintext on it", fd);
        return EACCES;
    }
    if (relay_take(fd, RELAY_ALL) != 0) {
        return errno;
    }
    if (policy && stream_socket(fd)) {
        atomic_store(spawned_at(fd), true);
    }
    return REAL(posix_spawn_file_actions_adddup2)(actions, fd, newfd);
}

int system(const char *command)
{
    return command && process_before(BY_SHELL) ? -1 : REAL(system)(command);
}

static FILE *pipe_to(const char *command, const char *mode)
{
    return process_before(BY_SHELL) ? NULL : REAL(popen)(command, mode);
}

FILE *popen(const char *command, const char *mode)
{
    return pipe_to(command, mode);
}

FILE *_IO_popen(const char *command, const char *mode);
FILE *_IO_popen(const char *command, const char *mode)
{
    return pipe_to(command, mode);
}

/* Runs a shell for the commands in the words; other words are expanded all the same. */
int wordexp(const char *restrict words, wordexp_t *restrict w, int flags)
{
    bool runs = !(flags & WRDE_NOCMD) && (strchr(words, '`') || strstr(words, "$("));

    return REAL(wordexp)(words, w, runs && process_before(BY_SHELL) ? flags | WRDE_NOCMD : flags);
}

/* ---- fork ---- */

/* The shim's handlers see to it that only one process uses a connection; fork() runs them. */
pid_t fork(void)
{
    return REAL(fork)();
}

pid_t __fork(void);
pid_t __fork(void)
{
    return fork();
}

/* It would not run the handlers. */
pid_t _Fork(void)
{
    return fork();
}

/* A child that borrows its parent's memory would empty the parent's tables with its close(). */
pid_t vfork(void)
{
    return fork();
}

pid_t __vfork(void);
pid_t __vfork(void)
{
    return fork();
}

static void forget(void *ctx, int fd)
{
    (void)ctx;
    fd_leaves(fd);
    fd_left(fd);
}

/* What 0, 1 and 2 named is replaced inside the C library. */
static void forget_stdio(void)
{
    if (conn_any()) {
        conn_each(0, STDERR_FILENO, forget, NULL);
        for (int fd = 0; fd <= STDERR_FILENO; fd++) {
            stdio_follow(fd);
        }
    }
}

int daemon(int nochdir, int noclose)
{
    if (!noclose) {
        forget_stdio();
    }
    return REAL(daemon)(nochdir, noclose);
}

int forkpty(int *master, char *name, const struct termios *t, const struct winsize *w)
{
    int pid = REAL(forkpty)(master, name, t, w);

    if (pid == 0) {
        forget_stdio();
    }
    return pid;
}

/* ---- the end ---- */

/* What still runs (threads, stdio's last flush) must not find a socket without TLS under the
 * number: a descriptor that nobody can write to takes its place. */
static void bury(void *ctx, int fd)
{
    const int *grave = ctx;

    fd_leaves(fd);
    if (*grave < 0 || REAL(dup3)(*grave, fd, O_CLOEXEC) < 0) {
        REAL(close)(fd);
    }
    fd_left(fd);
}

static void bury_all(void)
{
    int ends[2] = { -1, -1 };

    if (conn_any()) {
        if (pipe2(ends, O_CLOEXEC) == 0) {
            REAL(close)(ends[1]);
        }
        conn_each(0, INT32_MAX, bury, &ends[0]);
    }
}

void process_farewell(void)
{
    int saved = errno;

    if (conn_any()) {
        stdio_flush();
        bury_all();
    }
    errno = saved;
}

/* stdio is not flushed here. */
void _exit(int status)
{
    bury_all();
    REAL(_exit)(status);
    __builtin_unreachable();
}

void _Exit(int status)
{
    _exit(status);
}

/* quick_exit() runs its handlers, then _exit() inside the C library. */
int process_start(void)
{
    return at_quick_exit(bury_all); /* the first one registered runs last */
}
