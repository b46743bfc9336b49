/* SPDX-License-Identifier: ISC */
/* STARTTLS of servers: greets, says to each client that TLS has to come first, and begins it. The
 * program's own greeting, which it writes as if the client had just come, is left out afterwards:
 * the client has had one. A program that turns the client away gets that through. */
#include "preload/starttls_parts.h"

#include <stdio.h>

#define COMMANDS_MAX 16   /* before STARTTLS */
#define GREETING_MAX 4096 /* bytes of the program's */

static int refused(struct dialog *s, struct buf *out, const char *text, struct error *err)
{
    if (++s->commands > COMMANDS_MAX) {
        return FAIL(err, ERR_PARSE, "the client does not ask for TLS");
    }
    return st_say(out, text) < 0 ? ERR_MEM : PRELUDE_MORE;
}

static int left(struct buf *out, const char *text, struct error *err)
{
    TRY(st_say(out, text));
    return FAIL(err, ERR_UNSUPPORTED, "the client left without TLS");
}

/* A word of the line: letters up to a blank or the end. */
static bool is_command(struct span l, const char *word)
{
    size_t n = strlen(word);

    return st_begins(l, word) && (l.n == n || l.p[n] == ' ');
}

static int smtp(struct dialog *s, struct span l, struct buf *out, struct error *err)
{
    char text[400];

    if (st_is(l, "STARTTLS")) {
        return st_say(out, "220 2.0.0 Ready to start TLS\r\n") < 0 ? ERR_MEM : PRELUDE_DONE;
    }
    if (is_command(l, "QUIT")) {
        return left(out, "221 2.0.0 Bye\r\n", err);
    }
    if (is_command(l, "EHLO") || is_command(l, "HELO")) {
        (void)snprintf(text, sizeof text,
                       is_command(l, "HELO") ? "250 %s\r\n" : "250-%s\r\n250 STARTTLS\r\n",
                       s->host);
        return refused(s, out, text, err);
    }
    if (is_command(l, "NOOP") || is_command(l, "RSET")) {
        return refused(s, out, "250 2.0.0 Ok\r\n", err);
    }
    /* RFC 3207 section 4 */
    return refused(s, out, "530 5.7.0 Must issue a STARTTLS command first\r\n", err);
}

static int pop3(struct dialog *s, struct span l, struct buf *out, struct error *err)
{
    if (st_is(l, "STLS")) {
        return st_say(out, "+OK Begin TLS negotiation\r\n") < 0 ? ERR_MEM : PRELUDE_DONE;
    }
    if (is_command(l, "QUIT")) {
        return left(out, "+OK Bye\r\n", err);
    }
    if (is_command(l, "CAPA")) {
        return refused(s, out, "+OK Capabilities follow\r\nSTLS\r\n.\r\n", err);
    }
    return refused(s, out, "-ERR STLS comes first\r\n", err);
}

static int nntp(struct dialog *s, struct span l, struct buf *out, struct error *err)
{
    if (st_is(l, "STARTTLS")) {
        return st_say(out, "382 Continue with TLS negotiation\r\n") < 0 ? ERR_MEM : PRELUDE_DONE;
    }
    if (is_command(l, "QUIT")) {
        return left(out, "205 Bye\r\n", err);
    }
    if (is_command(l, "CAPABILITIES")) {
        return refused(s, out, "101 Capabilities\r\nVERSION 2\r\nREADER\r\nSTARTTLS\r\n.\r\n", err);
    }
    return refused(s, out, "483 STARTTLS comes first\r\n", err); /* RFC 4642 section 2.2.2 */
}

/* RFC 9051 section 9: tag = 1*<any ASTRING-CHAR except "+"> */
static size_t imap_tag(struct span l)
{
    size_t n = 0;

    while (n < l.n && l.p[n] > ' ' && l.p[n] < 127 && !strchr("(){%*\"\\+", l.p[n])) {
        n++;
    }
    return n;
}

static int imap(struct dialog *s, struct span l, struct buf *out, struct error *err)
{
    size_t n = imap_tag(l);
    char tag[40], text[160];
    struct span what;
    bool tls;

    if (n == 0 || n >= sizeof tag || n >= l.n || l.p[n] != ' ') {
        return refused(s, out, "* BAD Not a command\r\n", err);
    }
    (void)snprintf(tag, sizeof tag, "%.*s", (int)n, (const char *)l.p);
    what = span_of(l.p + n + 1, l.n - n - 1);
    tls = st_is(what, "STARTTLS");
    if (tls) {
        (void)snprintf(text, sizeof text, "%s OK Begin TLS negotiation now\r\n", tag);
        return st_say(out, text) < 0 ? ERR_MEM : PRELUDE_DONE;
    }
    if (st_is(what, "LOGOUT")) {
        (void)snprintf(text, sizeof text, "* BYE Bye\r\n%s OK Bye\r\n", tag);
        return left(out, text, err);
    }
    (void)snprintf(text, sizeof text,
                   st_is(what, "CAPABILITY")
                       ? "* CAPABILITY IMAP4rev1 STARTTLS LOGINDISABLED\r\n%s OK Done\r\n"
                   : st_is(what, "NOOP") ? "%s OK Done\r\n"
                                         : "%s NO [PRIVACYREQUIRED] STARTTLS comes first\r\n",
                   tag);
    return refused(s, out, text, err);
}

size_t st_skip(struct prelude *p, struct span said)
{
    struct dialog *s = (struct dialog *)p;
    size_t i = 0;

    while (i < said.n && !s->greeted && s->skipped < GREETING_MAX) {
        uint8_t b = said.p[i];

        if (s->column == 0 && b != (uint8_t)s->talk->good[0]) { /* "421 too busy", "-ERR" */
            s->greeted = true;
            break;
        }
        /* RFC 5321 section 4.2.1: a hyphen behind the code: another line follows */
        s->more = s->column == 3 ? b == '-' && s->talk->good[0] == '2' : s->more;
        s->column++;
        s->skipped++;
        i++;
        if (b == '\n') {
            s->greeted = !s->more;
            s->column = 0;
            s->more = false;
        }
    }
    return i;
}

const struct talk starttls_servers[STARTTLS_COUNT] = {
    [STARTTLS_SMTP] = { .line = smtp, .opening = "220 %s ESMTP\r\n", .good = "2", .skip = st_skip },
    [STARTTLS_IMAP] = { .line = imap,
                        .opening = "* OK [CAPABILITY IMAP4rev1 STARTTLS LOGINDISABLED] Ready\r\n",
                        .good = "*",
                        .skip = st_skip },
    [STARTTLS_POP3] = { .line = pop3, .opening = "+OK Ready\r\n", .good = "+", .skip = st_skip },
    [STARTTLS_NNTP] = { .line = nntp, .opening = "200 Ready\r\n", .good = "2", .skip = st_skip },
    [STARTTLS_PGSQL] = { .bytes = pgsql_serve },
};
