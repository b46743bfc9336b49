/* SPDX-License-Identifier: ISC */
/* What the files of a config share. */
#ifndef SRC_CONFIG_LOCAL_H
#define SRC_CONFIG_LOCAL_H
#include <stdatomic.h>

#include "config.h"

struct kept {
    struct kept *next;
    void *p;
    void (*drop)(void *p);
};
struct config {
    atomic_uint refs;
    bool sealed;
    struct kept *kept;
    struct settings s;
};
#endif
