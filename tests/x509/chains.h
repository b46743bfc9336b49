/* SPDX-License-Identifier: ISC */
/* Chains of every kind with the verdict and the alert that each must get. test_chain.c runs them
 * through chain_verify(), test_openssl.c through `openssl verify` as well. */
#ifndef TESTS_X509_CHAINS_H
#define TESTS_X509_CHAINS_H
#include "chains_names.h"
#include "chains_paths.h"

#define PATH_CASES  (sizeof path_cases / sizeof *path_cases)
#define CHAIN_CASES (PATH_CASES + sizeof name_cases / sizeof *name_cases)

static inline const struct chain_case *chain_case(size_t i)
{
    return i < PATH_CASES ? &path_cases[i] : &name_cases[i - PATH_CASES];
}
#endif
