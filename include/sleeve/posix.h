/* SPDX-License-Identifier: ISC */
/* Port a program by one line: in a source file that includes this the POSIX calls on sockets are
 * those of <sleeve/ssl_socket.h>.
 *
 *     #include <sleeve/posix.h>        before the system's headers, behind #define _GNU_SOURCE
 *     cc -include sleeve/posix.h ...   the same without a change of the source
 *
 * A TCP socket is then a TLS connection, and its options are set by setsockopt(fd, SOL_SSL,
 * SSL_OPT_...), for which a client needs a line at least: SSL_OPT_NAME. Every other fd is what it
 * was. Link with -lsleeve. sleeve_posix(3) has it all.
 *
 *     socket               ssl_posix_socket: TLS for SOCK_STREAM of AF_INET and AF_INET6, and for
 *                          any with IPPROTO_TLS; all others (UDP, AF_UNIX, ...) are plain
 *     bind listen connect accept accept4 shutdown close
 *     read write readv writev recv recvfrom recvmsg send sendto sendmsg sendfile sendfile64
 *     poll ppoll select pselect
 *     dup dup2 dup3 fcntl ioctl fdopen getsockopt setsockopt
 *                          ssl_ and the name
 *     stdio on fdopen()    works, as do fileno() and fclose()
 *     getpeername getsockname fstat isatty fork ...
 *                          are right as they are
 *     dprintf vdprintf syscall splice tee vmsplice sendmmsg recvmmsg preadv2 pwritev2 epoll_ctl
 *     epoll_wait epoll_pwait aio_read aio_write lio_listio io_uring_queue_init exec... posix_spawn
 *     close_range closefrom
 *                          cannot be had for TLS fds: whoever uses them is warned, and told what
 *                          to use (-Wdeprecated-declarations; harmless for plain fds)
 *
 * No macros: the names get other symbols (as glibc's own headers do for large files). So taking an
 * address, `ops.read = read`, takes ssl_read's, and members, methods, local functions and variables
 * that are called read or close are left alone. The functions are only those of this source file:
 * another one that does not include this header, or a library, calls the kernel; never hand a TLS
 * fd to it. Own inline functions that make these calls belong behind this header; clang says so.
 *
 * Where glibc's headers have turned the names into something else already (_FORTIFY_SOURCE,
 * _FILE_OFFSET_BITS=64), it is too late: then this header must come first, and says so. The
 * functions of <unistd.h>, <poll.h> and <sys/socket.h> are then without the checks of
 * _FORTIFY_SOURCE in this source file, all others keep them. */
#ifndef SLEEVE_POSIX_H
#define SLEEVE_POSIX_H
#pragma GCC system_header
#include <features.h>

#if defined __USE_FORTIFY_LEVEL && __USE_FORTIFY_LEVEL > 0 && \
    (defined _UNISTD_H || defined _SYS_SOCKET_H || defined _SYS_POLL_H)
#error "_FORTIFY_SOURCE: include <sleeve/posix.h> before the system's headers"
#endif
#if defined __USE_FILE_OFFSET64 && \
    (defined _FCNTL_H || defined _SYS_SENDFILE_H || !defined __LP64__)
#error \
    "_FILE_OFFSET_BITS=64: include <sleeve/posix.h> before the system's headers, on a 64-bit system"
#endif

/* Off while the headers are read that would make something else of the names. */
#pragma push_macro("__USE_FORTIFY_LEVEL")
#pragma push_macro("__USE_FILE_OFFSET64")
#undef __USE_FORTIFY_LEVEL
#undef __USE_FILE_OFFSET64
#define __USE_FORTIFY_LEVEL 0
#include <poll.h>
#include <sys/select.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>
#pragma pop_macro("__USE_FORTIFY_LEVEL")
#include <fcntl.h>
#pragma pop_macro("__USE_FILE_OFFSET64")
#include <aio.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>

#include <sleeve/in_tls.h>
#include <sleeve/ssl_socket.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- what the feature test macros may hide: it would be called undeclared, and be plain ---- */

struct timespec;
#ifndef __USE_GNU
extern int accept4(int, struct sockaddr *, socklen_t *, int);
extern int dup3(int, int, int);
extern int ppoll(struct pollfd *, nfds_t, const struct timespec *, const sigset_t *);
#endif
#ifndef __USE_XOPEN2K
extern int pselect(int, fd_set *, fd_set *, fd_set *, const struct timespec *, const sigset_t *);
#endif
#ifndef __USE_POSIX
extern FILE *fdopen(int, const char *);
#endif

/* ---- the calls ---- */

#define SLEEVE_IS(call, symbol) extern __typeof__(call) call __asm__(#symbol);
SLEEVE_IS(socket, ssl_posix_socket)
SLEEVE_IS(bind, ssl_bind)
SLEEVE_IS(listen, ssl_listen)
SLEEVE_IS(connect, ssl_connect)
SLEEVE_IS(accept, ssl_accept)
SLEEVE_IS(accept4, ssl_accept4)
SLEEVE_IS(shutdown, ssl_shutdown)
SLEEVE_IS(close, ssl_close)
SLEEVE_IS(read, ssl_read)
SLEEVE_IS(write, ssl_write)
SLEEVE_IS(readv, ssl_readv)
SLEEVE_IS(writev, ssl_writev)
SLEEVE_IS(recv, ssl_recv)
SLEEVE_IS(recvfrom, ssl_recvfrom)
SLEEVE_IS(recvmsg, ssl_recvmsg)
SLEEVE_IS(send, ssl_send)
SLEEVE_IS(sendto, ssl_sendto)
SLEEVE_IS(sendmsg, ssl_sendmsg)
SLEEVE_IS(sendfile, ssl_sendfile)
#if defined __USE_LARGEFILE64 && defined __LP64__
SLEEVE_IS(fcntl64, ssl_fcntl)
SLEEVE_IS(sendfile64, ssl_sendfile)
#endif
SLEEVE_IS(poll, ssl_poll)
SLEEVE_IS(ppoll, ssl_ppoll)
SLEEVE_IS(select, ssl_select)
SLEEVE_IS(pselect, ssl_pselect)
SLEEVE_IS(dup, ssl_dup)
SLEEVE_IS(dup2, ssl_dup2)
SLEEVE_IS(dup3, ssl_dup3)
SLEEVE_IS(fcntl, ssl_fcntl)
SLEEVE_IS(ioctl, ssl_ioctl)
SLEEVE_IS(fdopen, ssl_fdopen)
SLEEVE_IS(getsockopt, ssl_getsockopt)
SLEEVE_IS(setsockopt, ssl_setsockopt)
#undef SLEEVE_IS

/* ---- what cannot be had: fine for plain fds only ---- */

#define SLEEVE_NOT(call, sentence) \
    extern __typeof__(call) call __attribute__((__deprecated__("not for TLS fds: " sentence)));
#define SLEEVE_EXEC(call) \
    SLEEVE_NOT(call, "a TLS connection does not survive exec; run the program under sleeve(1)")
SLEEVE_EXEC(execl)
SLEEVE_EXEC(execle)
SLEEVE_EXEC(execlp)
SLEEVE_EXEC(execv)
SLEEVE_EXEC(execve)
SLEEVE_EXEC(execvp)
SLEEVE_EXEC(posix_spawn)
SLEEVE_EXEC(posix_spawnp)
SLEEVE_NOT(epoll_ctl, "epoll sees the records, not the data; use poll()")
SLEEVE_NOT(epoll_wait, "epoll sees the records, not the data; use poll()")
SLEEVE_NOT(epoll_pwait, "epoll sees the records, not the data; use ppoll()")
SLEEVE_NOT(aio_read, "it reads records; use read()")
SLEEVE_NOT(aio_write, "it would send plaintext; use write()")
SLEEVE_NOT(lio_listio, "it reads records and would send plaintext; use readv() and writev()")
#ifdef __USE_XOPEN2K8
#undef dprintf /* clang has a macro with _FORTIFY_SOURCE */
SLEEVE_EXEC(fexecve)
SLEEVE_NOT(dprintf, "it would send plaintext; use fdopen() and fprintf()")
SLEEVE_NOT(vdprintf, "it would send plaintext; use fdopen() and vfprintf()")
#endif
#ifdef __USE_MISC
SLEEVE_NOT(syscall, "it goes past TLS; use the function")
SLEEVE_NOT(closefrom, "it says no close_notify; use close()")
#endif
#ifdef __USE_GNU
SLEEVE_EXEC(execvpe)
SLEEVE_EXEC(execveat)
SLEEVE_NOT(close_range, "it says no close_notify; use close()")
SLEEVE_NOT(splice, "it moves records or plaintext; use read() and write()")
SLEEVE_NOT(tee, "it moves records or plaintext; use read() and write()")
SLEEVE_NOT(vmsplice, "it moves plaintext; use writev()")
SLEEVE_NOT(sendmmsg, "it would send plaintext; use sendmsg()")
SLEEVE_NOT(recvmmsg, "it reads records; use recvmsg()")
SLEEVE_NOT(preadv2, "it reads records; use readv()")
SLEEVE_NOT(pwritev2, "it would send plaintext; use writev()")
#endif
#ifndef __cplusplus
struct io_uring;
extern int io_uring_queue_init(unsigned, struct io_uring *, unsigned);
SLEEVE_NOT(io_uring_queue_init, "it reads records and would send plaintext; use poll()")
#endif
#undef SLEEVE_EXEC
#undef SLEEVE_NOT

#ifdef __cplusplus
}
#endif
#endif
