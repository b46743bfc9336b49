/* SPDX-License-Identifier: ISC */
/* In one file of a test program: its malloc family, which ends the program while it is forbidden.
 * Under AddressSanitizer, whose allocator must stay, its hooks see the same calls. */
#ifndef TESTS_UNIT_NOMALLOC_H
#define TESTS_UNIT_NOMALLOC_H
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

#ifdef __has_feature
#if __has_feature(address_sanitizer) && !defined(__SANITIZE_ADDRESS__)
#define __SANITIZE_ADDRESS__ 1
#endif
#endif

static atomic_bool malloc_is_forbidden;

static void malloc_seen(void)
{
    static const char text[] = "malloc was called, which is forbidden here\n";

    if (atomic_exchange(&malloc_is_forbidden, false)) {
        ssize_t n = write(2, text, sizeof text - 1);

        (void)n;
        abort();
    }
}

#ifdef __SANITIZE_ADDRESS__
int __sanitizer_install_malloc_and_free_hooks(void (*on_malloc)(const volatile void *p, size_t n),
                                              void (*on_free)(const volatile void *p));

static void hook_malloc(const volatile void *p, size_t n)
{
    (void)p;
    (void)n;
    malloc_seen();
}

static void hook_free(const volatile void *p)
{
    (void)p;
}

static void malloc_forbid(void)
{
    static atomic_bool installed;

    if (!atomic_exchange(&installed, true)) {
        (void)__sanitizer_install_malloc_and_free_hooks(hook_malloc, hook_free);
    }
    atomic_store(&malloc_is_forbidden, true);
}
#else
void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t n);
void *__libc_memalign(size_t align, size_t n);
void __libc_free(void *p);

#pragma GCC visibility push(default)
void *malloc(size_t n)
{
    malloc_seen();
    return __libc_malloc(n);
}

void *calloc(size_t n, size_t size)
{
    malloc_seen();
    return __libc_calloc(n, size);
}

void *realloc(void *p, size_t n)
{
    malloc_seen();
    return __libc_realloc(p, n);
}

void *memalign(size_t align, size_t n);
void *memalign(size_t align, size_t n)
{
    malloc_seen();
    return __libc_memalign(align, n);
}

void *aligned_alloc(size_t align, size_t n)
{
    malloc_seen();
    return __libc_memalign(align, n);
}

int posix_memalign(void **p, size_t align, size_t n)
{
    malloc_seen();
    *p = __libc_memalign(align, n);
    return *p ? 0 : 12;
}

void free(void *p)
{
    __libc_free(p);
}
#pragma GCC visibility pop

static void malloc_forbid(void)
{
    atomic_store(&malloc_is_forbidden, true);
}
#endif

static void malloc_allow(void)
{
    atomic_store(&malloc_is_forbidden, false);
}
#endif
