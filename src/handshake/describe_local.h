/* SPDX-License-Identifier: ISC */
/* What the two files that describe messages share: the line that grows, and what it is made of. */
#ifndef HANDSHAKE_DESCRIBE_LOCAL_H
#define HANDSHAKE_DESCRIBE_LOCAL_H
#include "handshake/describe.h"
#include "handshake/local.h"

#define LIST_MAX 40 /* numbers of one list that are shown */
#define TEXT_MAX 64 /* bytes of one text of the peer's that are shown */

struct line {
    char *text;
    size_t n, room;
    bool cut;
    uint16_t version; /* 0: not known */
};
void line_add(struct line *o, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* What the peer wrote cannot end the quotation, the line, or drive a terminal. */
void line_add_text(struct line *o, const char *what, struct span text);

/* Names of numbers; NULL: we have none. */
typedef const char *name_fn(unsigned id);
const char *name_of_version(unsigned id);
const char *name_of_suite(unsigned id);
const char *name_of_group(unsigned id);
const char *name_of_scheme(unsigned id);
void line_add_id(struct line *o, name_fn *name, unsigned id);
/* ", what A B C" of a list of numbers of that width; false: it is not a whole number of them. */
bool line_add_ids(struct line *o, const char *what, name_fn *name, struct rd list, size_t width);

/* The block of extensions at the end of a message; TLS 1.2 may leave it out. */
enum place { IN_CLIENT, IN_SERVER, IN_OTHER };
bool line_add_extensions(struct line *o, enum place where, struct rd *body);
#endif
