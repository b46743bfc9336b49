/* SPDX-License-Identifier: ISC */
/* What peers say before TLS: the first byte is the protocol and the side, the second the pieces in
 * which the rest comes. How it is cut changes nothing, what the program gets to read is text, and
 * there is an end. Then, for a server, the rest is what the program says first. */
#include <stdlib.h>

#include "preload/starttls.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct story {
    int rc;
    struct buf out;
    struct prelude *p;
};

static void tell(struct story *s, unsigned which, const uint8_t *data, size_t size, size_t piece)
{
    enum tls_role role = which & 0x80 ? TLS_SERVER : TLS_CLIENT;
    enum starttls proto = (enum starttls)(1 + (which & 0x7f) % (STARTTLS_COUNT - 1));
    struct error err;

    *s = (struct story){ 0 };
    if (role == TLS_SERVER && !starttls_serves(proto)) {
        return;
    }
    s->p = starttls_new(proto, role, "mail.example");
    if (!s->p) {
        return;
    }
    error_clear(&err);
    s->rc = prelude_hear(s->p, NULL, 0, &s->out, &err);
    for (size_t at = 0; at < size && s->rc == PRELUDE_MORE; at += piece) {
        size_t n = size - at < piece ? size - at : piece;
        uint8_t *exact = malloc(n); /* the sanitizer guards its end */

        if (!exact) {
            abort();
        }
        memcpy(exact, data + at, n);
        s->rc = prelude_hear(s->p, exact, n, &s->out, &err);
        free(exact);
    }
    if ((s->rc < 0) != (err.text[0] != '\0') || s->rc > PRELUDE_DONE || s->p->in.max == 0) {
        abort();
    }
}

/* Only text, in lines. */
static void check_replay(const struct buf *b)
{
    const uint8_t *p = buf_data(b);
    size_t n = buf_len(b);

    for (size_t i = 0; i < n; i++) {
        bool end = p[i] == '\r' && i + 1 < n && p[i + 1] == '\n';

        if (end) {
            i++;
        } else if ((p[i] < ' ' && p[i] != '\t') || p[i] == 127) {
            abort();
        }
    }
    if (n && p[n - 1] != '\n') {
        abort();
    }
}

static void compare(const struct story *whole, const struct story *cut)
{
    /* In one piece there may be something behind the end that a cut leaves outside. */
    bool same = whole->rc == cut->rc || (whole->rc < 0 && cut->rc != PRELUDE_MORE);

    if (!same) {
        abort();
    }
    if (whole->rc >= 0 && (!span_eq(buf_span(&whole->out), buf_span(&cut->out)) ||
                           !span_eq(buf_span(&whole->p->replay), buf_span(&cut->p->replay)))) {
        abort();
    }
}

static void forget(struct story *s)
{
    buf_free(&s->out);
    prelude_free(s->p);
}

/* The program's greeting is left out by the same number of bytes, however it is written. */
static void skip(struct story *a, struct story *b, const uint8_t *data, size_t size)
{
    size_t whole, sum = 0;

    if (!a->p->skip) {
        return;
    }
    whole = a->p->skip(a->p, span_of(data, size));
    for (size_t i = 0; i < size; i++) {
        size_t one = b->p->skip(b->p, span_of(data + i, 1));

        sum += one;
        if (one == 0) {
            break;
        }
    }
    if (whole != sum || whole > size) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct story whole, cut;

    if (size < 2) {
        return 0;
    }
    tell(&whole, data[0], data + 2, size - 2, size);
    tell(&cut, data[0], data + 2, size - 2, 1 + data[1] % 16);
    if (whole.p && cut.p) {
        check_replay(&whole.p->replay);
        compare(&whole, &cut);
        skip(&whole, &cut, data + 2, size - 2);
    }
    forget(&whole);
    forget(&cut);
    return 0;
}
