/* SPDX-License-Identifier: ISC */
/* STARTTLS: what the protocols have in common. */
#include "preload/starttls_parts.h"

#include <ctype.h>
#include <stdio.h>

#include "base/mem.h"

int st_say(struct buf *out, const char *text)
{
    return buf_append(out, text, strlen(text));
}

bool st_begins(struct span s, const char *with)
{
    size_t n = strlen(with);

    if (s.n < n) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        if (toupper(s.p[i]) != toupper((unsigned char)with[i])) {
            return false;
        }
    }
    return true;
}

bool st_is(struct span s, const char *word)
{
    return s.n == strlen(word) && st_begins(s, word);
}

int st_refused(struct error *err, struct span answer)
{
    return FAIL(err, ERR_UNSUPPORTED, "the server does not begin TLS: %.*s",
                (int)(answer.n < 100 ? answer.n : 100), (const char *)answer.p);
}

int st_unclear(struct error *err, struct span line)
{
    return FAIL(err, ERR_PARSE, "not understood before TLS: %.*s",
                (int)(line.n < 100 ? line.n : 100), (const char *)line.p);
}

/* Text, and nothing that a program or a terminal could take for more. */
static bool is_text(struct span line)
{
    for (size_t i = 0; i < line.n; i++) {
        if ((line.p[i] < ' ' && line.p[i] != '\t') || line.p[i] == 127) {
            return false;
        }
    }
    return true;
}

/* The next line. 1; 0: it is not whole, < 0. */
static int next_line(struct rd *in, struct span *line, struct error *err)
{
    size_t look = in->n < LINE_MAX_BYTES ? in->n : LINE_MAX_BYTES;
    const uint8_t *end = look ? memchr(in->p, '\n', look) : NULL;

    if (!end) {
        return look < LINE_MAX_BYTES
                   ? 0
                   : FAIL(err, ERR_LIMIT, "a line before TLS is longer than %d bytes",
                          LINE_MAX_BYTES);
    }
    if (!rd_bytes(in, (size_t)(end - in->p) + 1, line)) {
        return 0;
    }
    if (line->n < 2 || line->p[line->n - 2] != '\r') {
        return FAIL(err, ERR_PARSE, "a line before TLS does not end in CR LF");
    }
    line->n -= 2;
    return is_text(*line) ? 1 : FAIL(err, ERR_PARSE, "a line before TLS is no text");
}

static int open_talk(struct dialog *s, struct buf *out)
{
    const char *text = s->talk->opening, *at = text ? strstr(text, "%s") : NULL;

    s->opened = true;
    if (!at) {
        return text ? st_say(out, text) : 0;
    }
    TRY(buf_append(out, text, (size_t)(at - text)));
    TRY(st_say(out, s->host));
    return st_say(out, at + 2);
}

static int step(struct prelude *p, struct rd *in, struct buf *out, struct error *err)
{
    struct dialog *s = (struct dialog *)p;
    struct span line;
    int rc = PRELUDE_MORE;

    if (!s->opened && open_talk(s, out) < 0) {
        return FAIL(err, ERR_MEM, "out of memory");
    }
    if (s->talk->bytes) {
        rc = s->talk->bytes(s, in, out, err);
    }
    while (s->talk->line && rc == PRELUDE_MORE && (rc = next_line(in, &line, err)) > 0) {
        rc = s->talk->line(s, line, out, err);
    }
    return rc == ERR_MEM ? FAIL(err, ERR_MEM, "out of memory") : rc;
}

/* In greetings and in XML: letters, digits and what addresses have. */
static bool host_is_plain(const char *host)
{
    size_t n = strspn(host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_:");

    return n > 0 && host[n] == '\0';
}

bool starttls_serves(enum starttls which)
{
    const struct talk *t = &starttls_servers[which];

    return t->line || t->bytes;
}

struct prelude *starttls_new(enum starttls which, enum tls_role role, const char *host)
{
    struct dialog *s = mem_zalloc(sizeof *s);

    if (!s) {
        return NULL;
    }
    s->talk = role == TLS_SERVER ? &starttls_servers[which] : &starttls_clients[which];
    s->prelude.step = step;
    s->prelude.skip = s->talk->skip;
    s->prelude.in.max = s->prelude.replay.max = PRELUDE_MAX;
    (void)snprintf(s->host, sizeof s->host, "%s", host && host_is_plain(host) ? host : "localhost");
    return &s->prelude;
}
