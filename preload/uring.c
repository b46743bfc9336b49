/* SPDX-License-Identifier: ISC */
/* io_uring: the kernel would work on the sockets themselves, and liburing asks for it with system
 * calls of its own, which no library can take over. So a listed program that has liburing is told
 * by the kernel that there is none. */
#include "preload/preload.h"
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <link.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

static int is_liburing(struct dl_phdr_info *info, size_t size, void *ctx)
{
    const char *slash = strrchr(info->dlpi_name, '/');

    (void)size;
    (void)ctx;
    return slash && strncmp(slash + 1, "liburing.so", strlen("liburing.so")) == 0;
}

/* The call's number is the same for all of this machine's kinds of programs, but for x32's bit. */
int uring_shut(void)
{
    static struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 0xbfffffffU),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_setup, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const struct sock_fprog filter = { sizeof code / sizeof *code, code };

    if (!dl_iterate_phdr(is_liburing, NULL)) {
        return 0;
    }
    /* Without privileges only for a process that will not gain any. */
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0) {
        return 0;
    }
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
                   prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0
               ? 0
               : -1;
}
