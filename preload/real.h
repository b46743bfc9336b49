/* SPDX-License-Identifier: ISC */
/* The C library's own functions, behind the names that this library takes over. Included first in
 * every file of the preload: fortified headers would define inline functions under the names that
 * are defined here. */
#ifndef PRELOAD_REAL_H
#define PRELOAD_REAL_H
#undef _FORTIFY_SOURCE
#include <aio.h>
#include <execinfo.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <pty.h>
#include <spawn.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/select.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>
#include <wordexp.h>

int __vdprintf_chk(int fd, int flag, const char *fmt, va_list ap);

/* clang-format off */
#define REAL_FUNCTIONS(X)                                                                          \
    X(connect) X(accept) X(accept4) X(shutdown) X(close) X(close_range) X(closefrom)               \
    X(read) X(readv) X(recv) X(recvfrom) X(recvmsg) X(recvmmsg) X(preadv2)                         \
    X(write) X(writev) X(send) X(sendto) X(sendmsg) X(sendmmsg) X(pwritev2)                        \
    X(sendfile) X(sendfile64) X(splice) X(vdprintf) X(__vdprintf_chk)                              \
    X(eventfd_read) X(eventfd_write) X(backtrace_symbols_fd)                                       \
    X(aio_read) X(aio_read64) X(aio_write) X(aio_write64) X(lio_listio) X(lio_listio64)            \
    X(poll) X(ppoll) X(select) X(pselect)                                                          \
    X(epoll_ctl) X(epoll_wait) X(epoll_pwait) X(epoll_pwait2)                                      \
    X(dup) X(dup2) X(dup3) X(fcntl) X(ioctl)                                                       \
    X(getpeername) X(getsockname) X(getsockopt) X(setsockopt) X(sockatmark) X(syscall)             \
    X(fdopen) X(freopen) X(freopen64)                                                              \
    X(fork) X(vfork) X(daemon) X(forkpty)                                                          \
    X(execve) X(execv) X(execvp) X(execvpe) X(fexecve) X(execveat)                                 \
    X(posix_spawn) X(posix_spawnp) X(posix_spawn_file_actions_adddup2) X(system) X(popen)          \
    X(wordexp) X(_exit)                                                                            \
    X(sigaction)                                                                                   \
    X(getaddrinfo) X(getaddrinfo_a) X(gethostbyname) X(gethostbyname2)                             \
    X(gethostbyname_r) X(gethostbyname2_r)
/* clang-format on */

struct real {
#define X(name) __typeof__(name) *name;
    REAL_FUNCTIONS(X)
#undef X
};
extern struct real real_table;
void real_init(void *(*find)(const char *name)); /* before anything else */
void __chk_fail(void) __attribute__((noreturn)); /* the end of a fortified program */

#define REAL(name) (real_table.name) /* REAL(close)(fd) */
#endif
