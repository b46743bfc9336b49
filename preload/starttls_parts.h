/* SPDX-License-Identifier: ISC */
/* What the files of STARTTLS share. */
#ifndef PRELOAD_STARTTLS_PARTS_H
#define PRELOAD_STARTTLS_PARTS_H
#include "preload/starttls.h"

#define LINE_MAX_BYTES 2048 /* with its CRLF; RFC 5804 and IMAP greetings are the longest */

struct dialog;
/* One line without its CRLF; PRELUDE_* or an error. */
typedef int line_fn(struct dialog *s, struct span line, struct buf *out, struct error *err);

struct talk {
    const char *opening; /* is said at once; a server: its greeting, %s is the host */
    line_fn *line;       /* NULL: not one of lines, but ... */
    int (*bytes)(struct dialog *s, struct rd *in, struct buf *out, struct error *err);
    const char *ask;   /* a client of lines: what asks for TLS */
    const char *hello; /* SMTP: what comes before that */
    const char *good;  /* a server: how the program's own greeting begins */
    size_t (*skip)(struct prelude *p, struct span said);
};
extern const struct talk starttls_clients[STARTTLS_COUNT], starttls_servers[STARTTLS_COUNT];

struct dialog {
    struct prelude prelude;
    const struct talk *talk;
    bool opened;
    int state;         /* 0: the beginning; what else, each protocol knows */
    unsigned code;     /* of a reply whose lines have not all come; 0: none */
    bool offered;      /* the server says that it can */
    unsigned commands; /* a server: that were no STARTTLS */
    size_t column, skipped;
    bool more, greeted; /* in the caller's greeting */
    char host[256];
};

int st_say(struct buf *out, const char *text) MUST_CHECK; /* 0 or ERR_MEM */
bool st_begins(struct span s, const char *with);          /* in any case of letters */
bool st_is(struct span s, const char *word);
int st_refused(struct error *err, struct span answer); /* the peer's answer is no */
int st_unclear(struct error *err, struct span line);   /* it does not keep to the protocol */
int xmpp_bytes(struct dialog *s, struct rd *in, struct buf *out, struct error *err);
int ldap_bytes(struct dialog *s, struct rd *in, struct buf *out, struct error *err);
int pgsql_ask(struct dialog *s, struct rd *in, struct buf *out, struct error *err);
int pgsql_serve(struct dialog *s, struct rd *in, struct buf *out, struct error *err);
size_t st_skip(struct prelude *p, struct span said);
#endif
