/* SPDX-License-Identifier: ISC */
/* For the sockets tests that fork. */
#ifndef TESTS_SOCKETS_CHILDREN_H
#define TESTS_SOCKETS_CHILDREN_H
#include "tests/sockets/peers.h"

#if defined __SANITIZE_ADDRESS__
#define UNDER_ASAN 1
#elif defined __has_feature
#if __has_feature(address_sanitizer)
#define UNDER_ASAN 1
#endif
#endif
#ifndef UNDER_ASAN
#define UNDER_ASAN 0
#endif
/* AddressSanitizer's allocator has locks that fork() does not look at: a child of a process with
 * threads may wait for one for ever. */
#define FORKS_BESIDE_THREADS (!UNDER_ASAN)

/* What a child reports: exit status 0, or the line that failed. */
#define CHILD(cond)                    \
    do {                               \
        if (!(cond)) {                 \
            _exit(__LINE__ % 250 + 1); \
        }                              \
    } while (0)

static inline int join(pid_t pid)
{
    int status = 0;

    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}
#endif
