/* SPDX-License-Identifier: ISC */
/* For LD_PRELOAD: the n-th allocation of the program and of all its libraries fails, from its start
 * on. FAULTS_MEMORY=N for that one, N+ for all from there on, 0 for none. FAULTS_MEMORY_OUT: a file
 * in which the number of all allocations is left at the end. Libraries that are loaded before this
 * one begin before the environment is set up, so it is read from the kernel. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t n);
void *__libc_memalign(size_t align, size_t n);

static char env[65536];
static long fail_at;
static int for_good;
static _Atomic long made;

static const char *value(const char *name, ssize_t n)
{
    size_t length = strlen(name);

    for (const char *p = env; p < env + n; p += strlen(p) + 1) {
        if (strncmp(p, name, length) == 0 && p[length] == '=') {
            return p + length + 1;
        }
    }
    return "";
}

static void look(void)
{
    long fd = syscall(SYS_open, "/proc/self/environ", O_RDONLY);
    ssize_t n = syscall(SYS_read, (int)fd, env, sizeof env - 1);
    const char *text = value("FAULTS_MEMORY", n);

    syscall(SYS_close, (int)fd);
    fail_at = atol(text);
    for_good = strchr(text, '+') != NULL;
}

static int fails(void)
{
    long i = ++made;

    if (i == 1) {
        look();
    }
    if (fail_at == 0 || (for_good ? i < fail_at : i != fail_at)) {
        return 0;
    }
    errno = ENOMEM;
    return 1;
}

void *malloc(size_t n)
{
    return fails() ? NULL : __libc_malloc(n);
}

void *calloc(size_t n, size_t size)
{
    return fails() ? NULL : __libc_calloc(n, size);
}

void *realloc(void *p, size_t n)
{
    return fails() ? NULL : __libc_realloc(p, n);
}

void *aligned_alloc(size_t align, size_t n)
{
    return fails() ? NULL : __libc_memalign(align, n);
}

int posix_memalign(void **p, size_t align, size_t n)
{
    *p = fails() ? NULL : __libc_memalign(align, n);
    return *p ? 0 : ENOMEM;
}

__attribute__((destructor)) static void tell(void)
{
    const char *path = getenv("FAULTS_MEMORY_OUT");
    int fd = path ? open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600) : -1;

    if (fd >= 0) {
        (void)!write(fd, &made, sizeof made);
        close(fd);
    }
}
