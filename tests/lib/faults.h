/* SPDX-License-Identifier: ISC */
/* What fails when a test says so: the n-th call of the provider (crypto/crypto.h), which leaves
 * zeroes as it promises or, as one that breaks its word, rubbish; the n-th allocation, of ours or
 * of libcrypto's. And what must never be: a provider's call of ours that failed and left something,
 * a nonce or a sequence number that is used twice under one key. One thread.
 *
 * The calls are taken over by the linker: a program that uses this is linked with the options in
 * tests/lib/provider_calls, which lint_provider_calls holds against crypto/crypto.h. */
#ifndef TESTS_LIB_FAULTS_H
#define TESTS_LIB_FAULTS_H
#include <stdbool.h>
#include <stddef.h>

enum fault { FAULT_ZEROES, FAULT_RUBBISH, FAULT_OUR_MEMORY, FAULT_THEIR_MEMORY, FAULT_KINDS };

struct faults {
    bool hit;         /* it has failed */
    const char *what; /* and what that was: "aead_seal", "memory" */
    size_t calls;     /* of that kind, since it was armed */
    size_t live;      /* allocations of ours that are held */
    size_t verified;  /* signatures that were found right */
};
extern struct faults faults;

/* First of all in main(): from then on all memory comes through here. */
void faults_install(void);
/* The n-th fails, from 1 on, or none (0); for_good: all behind it as well. */
void faults_arm(enum fault kind, size_t n, bool for_good);
void faults_disarm(void);
/* Nothing was sealed yet, nothing verified: a new pair of connections. */
void faults_forget(void);
/* Was the n-th call since faults_arm(.., 0, ..) made from where none was before, in this program?
 * A call is known by its stack. All of them are new with SLEEVE_TEST_FULL=1 in the environment. */
bool faults_new(size_t n);
#endif
