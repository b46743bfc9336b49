/* SPDX-License-Identifier: ISC */
/* Clocks that can be put on: what takes seconds to become so is tested in a moment. These take the
 * place of the C library's in the program, also for its libraries; what the kernel itself waits for
 * takes as long as ever. Forked children have the same clocks. */
#ifndef TESTS_SOCKETS_CLOCK_H
#define TESTS_SOCKETS_CLOCK_H
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dlfcn.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static struct {
    _Atomic int64_t ms, wall_s;
} * clock_ahead;
static int (*clock_real)(clockid_t, struct timespec *);

static void __attribute__((constructor)) clock_share(void)
{
    *(void **)&clock_real = dlsym(RTLD_NEXT, "clock_gettime");
    assert_non_null(clock_real);
    clock_ahead =
        mmap(NULL, sizeof *clock_ahead, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(clock_ahead, MAP_FAILED);
}

int clock_gettime(clockid_t id, struct timespec *t)
{
    int rc;

    if (!clock_ahead) {
        return (int)syscall(SYS_clock_gettime, id, t);
    }
    rc = clock_real(id, t);
    if (rc == 0 && id == CLOCK_REALTIME) {
        t->tv_sec += clock_ahead->wall_s;
    } else if (rc == 0) {
        int64_t ns = t->tv_nsec + clock_ahead->ms * 1000000;

        t->tv_sec += ns / 1000000000;
        t->tv_nsec = ns % 1000000000;
    }
    return rc;
}

time_t time(time_t *out)
{
    struct timespec t;

    clock_gettime(CLOCK_REALTIME, &t);
    if (out) {
        *out = t.tv_sec;
    }
    return t.tv_sec;
}

/* The clock that measures time. */
static inline void clock_on_ms(int64_t ms)
{
    clock_ahead->ms += ms;
}

/* The clock on the wall is so much ahead of the kernel's, by which files get their times. */
static inline void wall_ahead(int64_t s)
{
    clock_ahead->wall_s = s;
}
#endif
