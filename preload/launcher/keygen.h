/* SPDX-License-Identifier: ISC */
/* What `sleeve keygen` was asked for. */
#ifndef PRELOAD_LAUNCHER_KEYGEN_H
#define PRELOAD_LAUNCHER_KEYGEN_H
#include "preload/launcher/launcher.h"

#define NAMES_MAX   64
#define BROWSER_MAX 397 /* days: browsers refuse certificates of servers that last longer */

enum kind { MAKE_CA, MAKE_INTERMEDIATE, MAKE_SERVER, MAKE_CLIENT, MAKES };

struct job {
    enum kind kind;
    const char *what; /* "server" */
    const char *names[NAMES_MAX];
    size_t nnames;
    const char *only[NAMES_MAX]; /* the domains that a CA is held to */
    size_t nonly;
    int days, path_len; /* -1: not said */
    enum key_type type;
    unsigned rsa_bits;
    const char *passphrase; /* file; NULL: asked for */
    char ca_cert[4096], ca_key[4096];
    char base[4000]; /* path of the files without what comes behind the dot */
    bool pkcs12, force;
};

static inline bool makes_ca(const struct job *j)
{
    return j->kind == MAKE_CA || j->kind == MAKE_INTERMEDIATE;
}

/* 0, or EXIT_BAD after a sentence. (keygen_make.c) */
int keygen_make(const struct job *j);
#endif
