/* SPDX-License-Identifier: ISC */
/* What `sleeve audit` has heard. */
#ifndef PRELOAD_LAUNCHER_AUDIT_TABLE_H
#define PRELOAD_LAUNCHER_AUDIT_TABLE_H
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct row;
struct table {
    struct row *rows;
    size_t n, room;
    uint64_t strays; /* bytes in all */
    bool lost;       /* no memory: something may not be here */
};

/* A line of the library's. One that tells of bytes without TLS is passed on at once. */
void table_line(struct table *t, char *line);
void table_show(const struct table *t, FILE *f);
bool table_clean(const struct table *t); /* no stray, and every session was counted */
void table_free(struct table *t);
#endif
