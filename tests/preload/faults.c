/* SPDX-License-Identifier: ISC */
/* Lets one system call fail: of a program, of all that it starts, whoever in them makes it.
 *
 *     faults -o FILE [-f NAME] [-n N | -a NAME] [-k K] [-t SECONDS] COMMAND ARG...
 *
 * Calls that can fail are counted, from the first that is called NAME on. Without -n FILE lists
 * them: "call N NAME WHAT KINDS", and how many kinds of failure there are for each. With it the
 * N-th one fails in the K-th way, from 0 on: with an errno that its manual page has, or it does but
 * one byte of its work. Then FILE says "fault N NAME WHAT HOW SINCE", the last of which
 * counts from the start of the program that made the call. With -a all that are
 * called NAME do, as behind a filter of system calls.
 *
 * Its last lines are "hang ..." for each process when there was no end within the time, "left ..."
 * for each that outlived the first one by more than that, and "end STATUS CALLS": as wait() gives
 * it. Nobody lives on after that. */
#include <elf.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <linux/ptrace.h>

#if !defined(__x86_64__)
#error "faults.c: the registers of a system call are not known for this processor"
#endif

#define KINDS 8
#define MANY  4096

/* Instead of an errno. */
enum { ONE_BYTE = -1 };

/* What says what a call is about. */
enum about { DESCRIPTOR, PATH, PATH_AT, MAPPED, NOTHING };

/* How a call is given its length. */
enum shape { PLAIN, LENGTH_2, LENGTH_3, VECTOR, MESSAGE };

struct call {
    int nr;
    const char *name;
    enum about about;
    enum shape shape;
    int on_file[KINDS], on_socket[KINDS]; /* without the latter both are the former */
};

#define NEW_FD     EMFILE, ENFILE, ENOMEM
#define READ_FILE  EINTR, EIO, ONE_BYTE
#define WRITE_FILE EINTR, EIO, ENOSPC, EAGAIN, ONE_BYTE
#define RECEIVE    EINTR, ENOMEM, ECONNRESET, ONE_BYTE
#define SEND       EINTR, ENOBUFS, ENOMEM, ECONNRESET, EPIPE, ONE_BYTE
#define CALL(call, ...)                              \
    {                                                \
        .nr = SYS_##call, .name = #call, __VA_ARGS__ \
    }

static const struct call calls[] = {
    CALL(open, .about = PATH, .on_file = { NEW_FD, EACCES, EINTR }),
    CALL(openat, .about = PATH_AT, .on_file = { NEW_FD, EACCES, EINTR }),
    CALL(read, .shape = LENGTH_2, .on_file = { READ_FILE }, .on_socket = { RECEIVE }),
    CALL(pread64, .shape = LENGTH_2, .on_file = { READ_FILE }),
    CALL(readv, .shape = VECTOR, .on_file = { READ_FILE }, .on_socket = { RECEIVE }),
    CALL(preadv2, .shape = VECTOR, .on_file = { READ_FILE }, .on_socket = { RECEIVE }),
    CALL(recvfrom, .shape = LENGTH_2, .on_file = { RECEIVE }),
    CALL(recvmsg, .shape = MESSAGE, .on_file = { RECEIVE }),
    CALL(recvmmsg, .on_file = { EINTR, ENOMEM }),
    CALL(write, .shape = LENGTH_2, .on_file = { WRITE_FILE }, .on_socket = { SEND }),
    CALL(pwrite64, .shape = LENGTH_2, .on_file = { WRITE_FILE }),
    CALL(writev, .shape = VECTOR, .on_file = { WRITE_FILE }, .on_socket = { SEND }),
    CALL(pwritev2, .shape = VECTOR, .on_file = { WRITE_FILE, EOPNOTSUPP }, .on_socket = { SEND }),
    CALL(sendto, .shape = LENGTH_2, .on_file = { SEND }),
    CALL(sendmsg, .shape = MESSAGE, .on_file = { SEND }),
    CALL(sendmmsg, .on_file = { EINTR, ENOBUFS }),
    CALL(sendfile, .shape = LENGTH_3, .on_file = { SEND, EIO }),
    CALL(splice, .on_file = { EINTR, ENOMEM }),
    CALL(connect, .on_file = { EINTR, ECONNREFUSED, ENETUNREACH, ETIMEDOUT, EAGAIN, EPERM }),
    CALL(accept, .on_file = { EINTR, ECONNABORTED, NEW_FD, EPERM }),
    CALL(accept4, .on_file = { EINTR, ECONNABORTED, NEW_FD, EPERM }),
    CALL(shutdown, .on_file = { ENOTCONN }),
    CALL(socket, .about = NOTHING, .on_file = { NEW_FD, ENOBUFS }),
    CALL(socketpair, .about = NOTHING, .on_file = { NEW_FD }),
    CALL(getsockname, .on_file = { ENOBUFS }),
    CALL(getpeername, .on_file = { ENOBUFS, EPERM }),
    CALL(getsockopt, .on_file = { ENOMEM, ENOPROTOOPT }),
    CALL(setsockopt, .on_file = { ENOMEM, ENOPROTOOPT }),
    CALL(close, .on_file = { EINTR, EIO }), /* closed all the same */
    CALL(poll, .about = NOTHING, .on_file = { EINTR, ENOMEM }),
    CALL(ppoll, .about = NOTHING, .on_file = { EINTR, ENOMEM }),
    CALL(select, .about = NOTHING, .on_file = { EINTR, ENOMEM }),
    CALL(pselect6, .about = NOTHING, .on_file = { EINTR, ENOMEM }),
    CALL(epoll_wait, .on_file = { EINTR }),
    CALL(epoll_pwait, .on_file = { EINTR }),
    CALL(epoll_pwait2, .on_file = { EINTR, ENOSYS }),
    CALL(epoll_create1, .about = NOTHING, .on_file = { NEW_FD }),
    CALL(epoll_ctl, .on_file = { ENOMEM, ENOSPC }),
    CALL(eventfd2, .about = NOTHING, .on_file = { NEW_FD }),
    CALL(timerfd_create, .about = NOTHING, .on_file = { NEW_FD }),
    CALL(timerfd_settime, .on_file = { ENOMEM }),
    CALL(pipe, .about = NOTHING, .on_file = { NEW_FD }),
    CALL(pipe2, .about = NOTHING, .on_file = { NEW_FD }),
    CALL(dup, .on_file = { EMFILE, ENOMEM }),
    CALL(dup2, .on_file = { EINTR, EBUSY, EMFILE }),
    CALL(dup3, .on_file = { EINTR, EBUSY, EMFILE }),
    CALL(fcntl, .on_file = { EMFILE, EINTR }), /* of those that need something */
    CALL(ioctl, .on_file = { ENOMEM, ENOTTY }),
    CALL(memfd_create, .about = NOTHING, .on_file = { NEW_FD, ENOSYS, EPERM }),
    CALL(ftruncate, .on_file = { EINTR, EPERM, ENOMEM }),
    CALL(fstat, .on_file = { ENOMEM, EIO }),
    CALL(newfstatat, .about = PATH_AT, .on_file = { ENOMEM, EACCES }),
    CALL(stat, .about = PATH, .on_file = { ENOMEM, EACCES }),
    CALL(lstat, .about = PATH, .on_file = { ENOMEM, EACCES }),
    CALL(access, .about = PATH, .on_file = { ENOMEM, EACCES }),
    CALL(readlink, .about = PATH, .on_file = { ENOMEM, EACCES }),
    CALL(getdents64, .on_file = { EIO }),
    CALL(mmap, .about = MAPPED, .on_file = { ENOMEM, EAGAIN }),
    CALL(mremap, .about = NOTHING, .on_file = { ENOMEM }),
    CALL(mprotect, .about = NOTHING, .on_file = { ENOMEM }),
    CALL(madvise, .about = NOTHING, .on_file = { EINVAL, ENOMEM }),
    CALL(mlock, .about = NOTHING, .on_file = { ENOMEM, EPERM }),
    CALL(clone, .about = NOTHING, .on_file = { EAGAIN, ENOMEM }),
    CALL(clone3, .about = NOTHING, .on_file = { EAGAIN, ENOMEM, ENOSYS }),
    CALL(fork, .about = NOTHING, .on_file = { EAGAIN, ENOMEM }),
    CALL(vfork, .about = NOTHING, .on_file = { EAGAIN, ENOMEM }),
    CALL(execve, .about = PATH, .on_file = { ENOMEM, EACCES }),
    CALL(execveat, .about = PATH_AT, .on_file = { ENOMEM, EACCES, ENOSYS }),
    CALL(wait4, .about = NOTHING, .on_file = { EINTR }),
    CALL(waitid, .about = NOTHING, .on_file = { EINTR }),
    CALL(pidfd_open, .about = NOTHING, .on_file = { NEW_FD, ENOSYS, EPERM }),
    CALL(pidfd_getfd, .about = NOTHING, .on_file = { EMFILE, ENOSYS, EPERM }),
    CALL(pidfd_send_signal, .about = NOTHING, .on_file = { ENOSYS, EPERM }),
    CALL(close_range, .about = NOTHING, .on_file = { EMFILE, ENOSYS }),
    CALL(getrandom, .about = NOTHING, .on_file = { EINTR, ENOSYS }),
    CALL(prctl, .about = NOTHING, .on_file = { EPERM, ENOSYS }),
    CALL(seccomp, .about = NOTHING, .on_file = { EPERM, ENOSYS }),
    CALL(membarrier, .about = NOTHING, .on_file = { ENOSYS }),
    CALL(setsid, .about = NOTHING, .on_file = { EPERM }),
    CALL(chdir, .about = PATH, .on_file = { EACCES }),
    CALL(prlimit64, .about = NOTHING, .on_file = { EPERM }),
    CALL(sched_getaffinity, .about = NOTHING, .on_file = { EPERM }),
    CALL(sysinfo, .about = NOTHING, .on_file = { EPERM }),
};

/* One that is traced, and what is due at the end of its call. */
struct tracee {
    pid_t pid;
    bool forced, shortened;
    long since; /* execve() */
    long value;
    struct user_regs_struct regs;
    unsigned long where[2]; /* of two lengths, */
    long what[2];           /* and what they were */
};
static struct tracee tracees[256];
static size_t count; /* of tracees */

static FILE *report;
static const char *from, *always;
static long number, at = -1, kind;
static bool begun; /* COMMAND is what runs */
static volatile sig_atomic_t late;

static void on_alarm(int sig)
{
    (void)sig;
    late = 1;
}

static struct tracee *tracee_of(pid_t pid)
{
    for (size_t i = 0; i < count; i++) {
        if (tracees[i].pid == pid) {
            return &tracees[i];
        }
    }
    if (count == sizeof tracees / sizeof *tracees) {
        errx(99, "too many processes");
    }
    tracees[count] = (struct tracee){ .pid = pid };
    return &tracees[count++];
}

static void forget(pid_t pid)
{
    struct tracee *t = tracee_of(pid);

    *t = tracees[--count];
}

/* NULL: it cannot fail. */
static const struct call *call_of(const struct ptrace_syscall_info *info)
{
    int nr = (int)info->entry.nr, cmd = (int)info->entry.args[1];

    if (nr == SYS_fcntl && (cmd == F_GETFD || cmd == F_SETFD || cmd == F_GETFL || cmd == F_SETFL)) {
        return NULL;
    }
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        if (calls[i].nr == nr) {
            return &calls[i];
        }
    }
    return NULL;
}

/* A path, or what is behind a descriptor: one word. */
static void describe(pid_t pid, const struct call *c, const unsigned long long *args,
                     char text[static 256])
{
    unsigned long long arg = args[c->about == PATH_AT ? 1 : c->about == MAPPED ? 4 : 0];
    size_t most = 4096 - arg % 4096;
    struct iovec to = { text, 255 }, at_path = { (void *)(uintptr_t)arg, most < 255 ? most : 255 };
    char link[64];
    ssize_t n = 0;

    if (c->about == PATH || c->about == PATH_AT) {
        n = process_vm_readv(pid, &to, 1, &at_path, 1, 0);
    } else if (c->about != NOTHING && (int)arg >= 0) {
        snprintf(link, sizeof link, "/proc/%d/fd/%llu", (int)pid, arg);
        n = readlink(link, text, 255);
    }
    text[n > 0 ? n : 0] = '\0';
    for (char *p = text; *p; p++) {
        *p = *p == ' ' || *p == '\n' ? '_' : *p;
    }
    if (!*text) {
        snprintf(text, 256, "-");
    }
}

static long peek(pid_t pid, unsigned long where)
{
    return ptrace(PTRACE_PEEKDATA, pid, where, NULL);
}

/* One byte of the first part that has any. */
static bool cut_vector(struct tracee *t, unsigned long vector, unsigned long where_n,
                       unsigned long n)
{
    while (n && peek(t->pid, vector + 8) == 0) {
        vector += 16;
        n--;
    }
    if (!n || (where_n && n != (unsigned long)peek(t->pid, where_n))) {
        return false;
    }
    t->where[0] = vector + 8;
    t->what[0] = peek(t->pid, vector + 8);
    t->where[1] = where_n;
    t->what[1] = where_n ? (long)n : 0;
    (void)ptrace(PTRACE_POKEDATA, t->pid, vector + 8, 1L);
    if (where_n) {
        (void)ptrace(PTRACE_POKEDATA, t->pid, where_n, 1L);
    }
    return true;
}

static void cut(struct tracee *t, const struct call *c)
{
    struct user_regs_struct r = t->regs;

    t->where[0] = t->where[1] = 0;
    if (c->shape == LENGTH_2 && r.rdx > 1) {
        r.rdx = 1;
    } else if (c->shape == LENGTH_3 && r.r10 > 1) {
        r.r10 = 1;
    } else if (c->shape == VECTOR && cut_vector(t, r.rsi, 0, r.rdx)) {
        r.rsi = t->where[0] - 8;
        r.rdx = 1;
    } else if (c->shape != MESSAGE ||
               !cut_vector(t, (unsigned long)peek(t->pid, r.rsi + 16), r.rsi + 24,
                           (unsigned long)peek(t->pid, r.rsi + 24))) {
        return;
    }
    t->shortened = true;
    (void)ptrace(PTRACE_SETREGS, t->pid, NULL, &r);
}

static void inject(struct tracee *t, const struct call *c, int how)
{
    struct user_regs_struct r;

    if (ptrace(PTRACE_GETREGS, t->pid, NULL, &t->regs) != 0) {
        return;
    }
    if (how == ONE_BYTE) {
        cut(t, c);
        return;
    }
    t->forced = true;
    t->value = -how;
    if (c->nr != SYS_close) {
        r = t->regs;
        r.orig_rax = (unsigned long long)-1;
        (void)ptrace(PTRACE_SETREGS, t->pid, NULL, &r);
    }
}

static void begins(struct tracee *t, const struct ptrace_syscall_info *i)
{
    const struct call *c = call_of(i);
    char text[256];
    const int *kinds;
    long n = 0;

    t->forced = t->shortened = false;
    if (!begun || !c || (from && strcmp(c->name, from) != 0)) {
        return;
    }
    from = NULL;
    number++;
    t->since++;
    if (always ? strcmp(c->name, always) != 0 : at >= 0 && number != at) {
        return;
    }
    describe(t->pid, c, (const unsigned long long *)i->entry.args, text);
    kinds = c->on_socket[0] && strncmp(text, "socket:", 7) == 0 ? c->on_socket : c->on_file;
    while (n < KINDS && kinds[n]) {
        n++;
    }
    if (at < 0 && !always) {
        fprintf(report, "call %ld %s %s %ld\n", number, c->name, text, n);
    } else if (kind < n && !(always && kinds[kind] == EINTR)) { /* for ever would be too long */
        inject(t, c, kinds[kind]);
        fprintf(report, "fault %ld %s %s %s %ld\n", number, c->name, text,
                kinds[kind] == ONE_BYTE ? t->shortened ? "one-byte" : "none"
                                        : strerrorname_np(kinds[kind]),
                t->since);
        fflush(report);
    }
}

static void ends(struct tracee *t)
{
    struct user_regs_struct r;

    if ((!t->forced && !t->shortened) || ptrace(PTRACE_GETREGS, t->pid, NULL, &r) != 0) {
        return;
    }
    if (t->forced) {
        r.rax = (unsigned long long)t->value;
    }
    r.rsi = t->regs.rsi;
    r.rdx = t->regs.rdx;
    r.r10 = t->regs.r10;
    for (int i = 0; t->shortened && i < 2; i++) {
        if (t->where[i]) {
            (void)ptrace(PTRACE_POKEDATA, t->pid, t->where[i], t->what[i]);
        }
    }
    t->forced = t->shortened = false;
    (void)ptrace(PTRACE_SETREGS, t->pid, NULL, &r);
}

static void stopped(pid_t pid, int status)
{
    int sig = WSTOPSIG(status), event = status >> 16;
    struct ptrace_syscall_info i;
    struct tracee *t = tracee_of(pid);

    if (sig == (SIGTRAP | 0x80)) {
        if (ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof i, &i) > 0) {
            if (i.op == PTRACE_SYSCALL_INFO_ENTRY) {
                begins(t, &i);
            } else if (i.op == PTRACE_SYSCALL_INFO_EXIT) {
                ends(t);
            }
        }
        sig = 0;
    } else if (event == PTRACE_EVENT_STOP && sig != SIGTRAP) {
        (void)ptrace(PTRACE_LISTEN, pid, NULL, NULL);
        return;
    } else if (event) {
        if (event == PTRACE_EVENT_EXEC) {
            begun = true;
            t->since = 0;
        }
        sig = 0;
    }
    (void)ptrace(PTRACE_SYSCALL, pid, NULL, (long)sig);
}

/* Where each one is. */
static void list_living(const char *word)
{
    for (size_t i = 0; i < count; i++) {
        char path[64], name[64] = "", call[200] = "";
        FILE *f;

        snprintf(path, sizeof path, "/proc/%d/comm", (int)tracees[i].pid);
        if ((f = fopen(path, "r")) != NULL) {
            (void)!fgets(name, sizeof name, f);
            fclose(f);
        }
        snprintf(path, sizeof path, "/proc/%d/syscall", (int)tracees[i].pid);
        if ((f = fopen(path, "r")) != NULL) {
            (void)!fgets(call, sizeof call, f);
            fclose(f);
        }
        name[strcspn(name, "\n")] = '\0';
        call[strcspn(call, "\n")] = '\0';
        fprintf(report, "%s %d %s call=%s\n", word, (int)tracees[i].pid, name, call);
    }
}

static void kill_all(void)
{
    int status;

    for (size_t i = 0; i < count; i++) {
        (void)kill(tracees[i].pid, SIGKILL);
    }
    while (waitpid(-1, &status, __WALL) > 0) {
    }
}

static pid_t start(char **argv)
{
    int gate[2];
    char b;
    pid_t pid;

    if (pipe2(gate, O_CLOEXEC) != 0 || (pid = fork()) < 0) {
        err(99, "start");
    }
    if (pid == 0) {
        close(gate[1]);
        (void)!read(gate[0], &b, 1);
        execvp(argv[0], argv);
        err(98, "%s", argv[0]);
    }
    if (ptrace(PTRACE_SEIZE, pid, NULL,
               (long)(PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK |
                      PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL)) != 0 ||
        ptrace(PTRACE_INTERRUPT, pid, NULL, NULL) != 0) {
        err(77, "ptrace");
    }
    (void)tracee_of(pid);
    close(gate[0]);
    close(gate[1]);
    return pid;
}

static void follow(pid_t first, long seconds)
{
    struct itimerval limit = { .it_value.tv_sec = seconds };
    int status, result = -1;
    pid_t pid;

    (void)setitimer(ITIMER_REAL, &limit, NULL);
    while (!late && count) {
        pid = waitpid(-1, &status, __WALL);
        if (pid < 0) {
            continue;
        }
        if (WIFSTOPPED(status)) {
            stopped(pid, status);
            continue;
        }
        forget(pid);
        if (pid == first) {
            result = status;
            (void)setitimer(ITIMER_REAL, &limit, NULL);
        }
    }
    list_living(result < 0 ? "hang" : "left");
    kill_all();
    fprintf(report, "end %d %ld\n", result, number);
}

int main(int argc, char **argv)
{
    struct sigaction sa = { .sa_handler = on_alarm };
    long seconds = 20;
    int o;

    while ((o = getopt(argc, argv, "+o:f:n:a:k:t:")) != -1) {
        if (o == 'o') {
            report = fopen(optarg, "we");
        } else if (o == 'f') {
            from = optarg;
        } else if (o == 'n') {
            at = atol(optarg);
        } else if (o == 'a') {
            always = optarg;
        } else if (o == 'k') {
            kind = atol(optarg);
        } else if (o == 't') {
            seconds = atol(optarg);
        }
    }
    if (!report || optind == argc || sigaction(SIGALRM, &sa, NULL) != 0) {
        errx(99,
             "usage: faults -o FILE [-f NAME] [-n N | -a NAME] [-k K] [-t SECONDS] COMMAND ARG...");
    }
    follow(start(argv + optind), seconds);
    return fclose(report) == 0 ? 0 : 99;
}
