/* SPDX-License-Identifier: ISC */
/* STARTTLS of clients, for protocols of lines: waits for the greeting, asks for TLS, takes a yes.
 * Where the server greets only once, the program gets that greeting to read, as if it had come
 * inside; all else that was said in clear is forgotten, as the protocols demand. */
#include "preload/starttls_parts.h"

enum { GREETING, HELLO, ANSWER };

static int keep(struct dialog *s, struct span line)
{
    TRY(buf_append(&s->prelude.replay, line.p, line.n));
    return st_say(&s->prelude.replay, "\r\n");
}

static int ask(struct dialog *s, struct buf *out)
{
    s->state = ANSWER;
    return st_say(out, s->talk->ask) < 0 ? ERR_MEM : PRELUDE_MORE;
}

/* RFC 5321 section 4.2: "250-text" and then "250 text". 1: the last line of the reply, 0: more of
 * it follow, < 0: it is none. */
static int reply(struct dialog *s, struct span l)
{
    unsigned code = 0;
    bool last;

    for (size_t i = 0; i < 3; i++) {
        if (i >= l.n || l.p[i] < '0' || l.p[i] > '9') {
            return -1;
        }
        code = code * 10 + l.p[i] - '0';
    }
    last = l.n == 3 || l.p[3] == ' ';
    if ((!last && l.p[3] != '-') || code < 100 || (s->code && s->code != code)) {
        return -1;
    }
    s->code = last ? 0 : code;
    return last;
}

static int smtp(struct dialog *s, struct span l, struct buf *out, struct error *err)
{
    int last = reply(s, l);

    if (last < 0) {
        return st_unclear(err, l);
    }
    if (s->state == GREETING) {
        if (!st_begins(l, "220")) {
            return st_refused(err, l);
        }
        TRY(keep(s, l));
        s->state = last ? HELLO : GREETING;
        return last ? st_say(out, s->talk->hello) : PRELUDE_MORE;
    }
    if (s->state == HELLO) {
        if (!st_begins(l, "250")) {
            return st_refused(err, l);
        }
        s->offered = s->offered || (l.n > 4 && st_is(span_of(l.p + 4, l.n - 4), "STARTTLS"));
        if (last && !s->offered) { /* RFC 3207 section 4: an attacker may have taken it away */
            return FAIL(err, ERR_UNSUPPORTED, "the server does not offer STARTTLS");
        }
        return last ? ask(s, out) : PRELUDE_MORE;
    }
    if (!st_begins(l, "220")) {
        return st_refused(err, l);
    }
    return last ? PRELUDE_DONE : PRELUDE_MORE;
}

/* RFC 959 section 4.2: between the first and the last line of a reply stands anything. */
static int ftp(struct dialog *s, struct span l, struct buf *out, struct error *err)
{
    unsigned begun = s->code;
    int last = reply(s, l);
    bool greets = s->state == GREETING;

    if (last < 0 && begun) {
        s->code = begun;
        last = 0;
    } else if (last < 0) {
        return st_unclear(err, l);
    } else if (greets && st_begins(l, "120")) { /* "ready in nnn minutes" */
        return PRELUDE_MORE;
    } else if (!st_begins(l, greets ? "220" : "234")) {
        return st_refused(err, l);
    }
    if (greets) {
        TRY(keep(s, l));
    }
    if (!last) {
        return PRELUDE_MORE;
    }
    return greets ? ask(s, out) : PRELUDE_DONE;
}

static int nntp(struct dialog *s, struct span l, struct buf *out, struct error *err)
{
    if (reply(s, l) != 1) {
        return st_unclear(err, l);
    }
    if (s->state == ANSWER) {
        return st_begins(l, "382") ? PRELUDE_DONE : st_refused(err, l);
    }
    if (!st_begins(l, "200") && !st_begins(l, "201")) {
        return st_refused(err, l);
    }
    TRY(keep(s, l));
    return ask(s, out);
}

static int pop3(struct dialog *s, struct span l, struct buf *out, struct error *err)
{
    bool good = st_begins(l, "+OK") && (l.n == 3 || l.p[3] == ' ');

    if (!good) {
        return st_begins(l, "-ERR") ? st_refused(err, l) : st_unclear(err, l);
    }
    if (s->state == ANSWER) {
        return PRELUDE_DONE;
    }
    TRY(keep(s, l));
    return ask(s, out);
}

/* Without the capabilities in it, for those are others under TLS (RFC 9051 section 6.2.1: they must
 * be forgotten): LOGINDISABLED would stop the program. */
static int imap_keep(struct dialog *s, struct span l)
{
    struct span rest = span_of(l.p + 5, l.n - 5);
    const uint8_t *end = st_begins(rest, "[CAPABILITY") ? memchr(rest.p, ']', rest.n) : NULL;

    if (end) {
        rest = span_of(end + 1, rest.n - (size_t)(end + 1 - rest.p));
        while (rest.n && *rest.p == ' ') {
            rest = span_of(rest.p + 1, rest.n - 1);
        }
    }
    TRY(st_say(&s->prelude.replay, "* OK "));
    return keep(s, rest.n ? rest : span_text("ready"));
}

static int imap(struct dialog *s, struct span l, struct buf *out, struct error *err)
{
    if (s->state == GREETING) {
        /* PREAUTH: STARTTLS is not allowed any more (RFC 9051 section 7.1.4). */
        if (st_begins(l, "* PREAUTH") || st_begins(l, "* BYE")) {
            return st_refused(err, l);
        }
        if (!st_begins(l, "* OK ")) {
            return st_unclear(err, l);
        }
        TRY(imap_keep(s, l));
        return ask(s, out);
    }
    if (st_begins(l, "* ")) {
        return st_begins(l, "* BYE") ? st_refused(err, l) : PRELUDE_MORE;
    }
    if (!st_begins(l, "S1 ")) {
        return st_unclear(err, l);
    }
    return st_begins(l, "S1 OK ") ? PRELUDE_DONE : st_refused(err, l);
}

/* RFC 5804 section 1.7: capabilities, then OK. After the handshake the server says them again. */
static int sieve(struct dialog *s, struct span l, struct buf *out, struct error *err)
{
    bool ok = st_begins(l, "OK") && (l.n == 2 || l.p[2] == ' ');

    if (st_begins(l, "NO") || st_begins(l, "BYE")) {
        return st_refused(err, l);
    }
    if (s->state == ANSWER) {
        return ok ? PRELUDE_DONE : st_unclear(err, l);
    }
    s->offered = s->offered || st_is(l, "\"STARTTLS\"");
    if (ok && !s->offered) {
        return FAIL(err, ERR_UNSUPPORTED, "the server does not offer STARTTLS");
    }
    if (ok) {
        return ask(s, out);
    }
    return st_begins(l, "\"") ? PRELUDE_MORE : st_unclear(err, l);
}

/* [":" prefix " "] command ... */
static int irc(struct dialog *s, struct span l, struct buf *out, struct error *err)
{
    const uint8_t *blank = l.n && l.p[0] == ':' ? memchr(l.p, ' ', l.n) : NULL;
    struct span at = blank ? span_of(blank + 1, l.n - (size_t)(blank + 1 - l.p)) : l;

    (void)s;
    (void)out;
    if (st_begins(at, "NOTICE ")) { /* "looking up your hostname" */
        return PRELUDE_MORE;
    }
    return st_begins(at, "670 ") ? PRELUDE_DONE : st_refused(err, l);
}

const struct talk starttls_clients[STARTTLS_COUNT] = {
    [STARTTLS_SMTP] = { .line = smtp, .ask = "STARTTLS\r\n", .hello = "EHLO localhost\r\n" },
    [STARTTLS_LMTP] = { .line = smtp, .ask = "STARTTLS\r\n", .hello = "LHLO localhost\r\n" },
    [STARTTLS_IMAP] = { .line = imap, .ask = "S1 STARTTLS\r\n" },
    [STARTTLS_POP3] = { .line = pop3, .ask = "STLS\r\n" },
    [STARTTLS_NNTP] = { .line = nntp, .ask = "STARTTLS\r\n" },
    [STARTTLS_FTP] = { .line = ftp, .ask = "AUTH TLS\r\n" },
    [STARTTLS_SIEVE] = { .line = sieve, .ask = "STARTTLS\r\n" },
    [STARTTLS_IRC] = { .line = irc, .opening = "STARTTLS\r\n" },
    [STARTTLS_XMPP] = { .bytes = xmpp_bytes,
                        .opening = "<?xml version='1.0'?><stream:stream to='%s' version='1.0' "
                                   "xmlns='jabber:client' "
                                   "xmlns:stream='http://etherx.jabber.org/streams'>" },
    [STARTTLS_LDAP] = { .bytes = ldap_bytes },
    [STARTTLS_PGSQL] = { .bytes = pgsql_ask },
};
