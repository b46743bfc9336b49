/* SPDX-License-Identifier: ISC */
/* PEM (RFC 7468) with base64 of our own. Lenient in white space, strict in everything
 * that carries bits: padding is there and right, and spare bits are zero. */
#include <stdio.h>

#include "base/buf.h"
#include "x509/parts.h"

static bool starts_with(struct span text, size_t at, const char *what)
{
    size_t n = strlen(what);

    return at <= text.n && text.n - at >= n && memcmp(text.p + at, what, n) == 0;
}

/* The next place at or behind `at` where a line starts with `what`; text.n: none. */
static size_t find_line(struct span text, size_t at, const char *what)
{
    size_t n = strlen(what);

    while (at < text.n && text.n - at >= n) {
        const uint8_t *hit = memchr(text.p + at, what[0], text.n - at - n + 1);

        if (!hit) {
            break;
        }
        at = (size_t)(hit - text.p);
        if (starts_with(text, at, what) &&
            (at == 0 || text.p[at - 1] == '\n' || text.p[at - 1] == '\r')) {
            return at;
        }
        at++;
    }
    return text.n;
}

/* "label-----" at `at`: copies the label; returns its length, 0 when it is unusable. */
static size_t take_label(struct span text, size_t at, char label[static 64])
{
    size_t n = 0;

    while (n < 63 && at + n < text.n && !starts_with(text, at + n, "-----")) {
        uint8_t c = text.p[at + n];

        if (c < 0x20 || c > 0x7e) {
            return 0;
        }
        label[n++] = (char)c;
    }
    label[n] = '\0';
    return starts_with(text, at + n, "-----") ? n : 0;
}

int pem_find(struct span text, size_t *pos, struct pem_block *block)
{
    static const char begin[] = "-----BEGIN ";
    char end_line[80];
    size_t at = find_line(text, *pos, begin), n, body, end;
    struct span rest;

    if (at == text.n) {
        *pos = text.n;
        return 0;
    }
    n = take_label(text, at + sizeof begin - 1, block->label);
    body = at + sizeof begin - 1 + n + 5;
    *pos = at + sizeof begin - 1;
    if (n == 0) {
        return ERR_PARSE;
    }
    (void)snprintf(end_line, sizeof end_line, "-----END %s-----", block->label);
    /* Up to where another block begins: this one may have been cut short. */
    rest = span_of(text.p, find_line(text, body, begin));
    end = find_line(rest, body, end_line);
    if (end == rest.n) {
        return ERR_PARSE;
    }
    *pos = end + strlen(end_line);
    block->whole = span_of(text.p + at, *pos - at);
    block->body = span_of(text.p + body, end - body);
    return 1;
}

bool pem_is_certificate(const struct pem_block *block)
{
    return strcmp(block->label, "CERTIFICATE") == 0 ||
           strcmp(block->label, "X509 CERTIFICATE") == 0;
}

bool pem_is_key(const struct pem_block *block)
{
    static const char tail[] = "PRIVATE KEY";
    size_t n = strlen(block->label);

    return n >= sizeof tail - 1 && strcmp(block->label + n - (sizeof tail - 1), tail) == 0;
}

/* ---- base64 (RFC 4648 section 4) ---- */

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static unsigned within(uint8_t c, uint8_t from, uint8_t to)
{
    return 0U - (unsigned)((uint8_t)(c - from) <= to - from);
}

/* -1: none. Without branches on what may be a key, and so without mispredicted ones. */
static int sextet(uint8_t c)
{
    unsigned n = (within(c, 'A', 'Z') & (c - 'A' + 1U)) | (within(c, 'a', 'z') & (c - 'a' + 27U)) |
                 (within(c, '0', '9') & (c - '0' + 53U)) | (within(c, '+', '+') & 63U) |
                 (within(c, '/', '/') & 64U);

    return (int)n - 1;
}

/* RFC 1421 headers ("Proc-Type: ..."): skipped with the empty line behind them. */
static struct span skip_headers(struct span body)
{
    bool empty_line = false, header = false;

    for (size_t i = 0; i < body.n; i++) {
        if (body.p[i] == '\n') {
            if (header && empty_line) {
                return span_of(body.p + i, body.n - i);
            }
            empty_line = true;
        } else if (body.p[i] != '\r') {
            empty_line = false;
            header = header || body.p[i] == ':';
        }
    }
    return body;
}

/* How many characters go by fours, with nothing between. */
static size_t whole_fours(struct span s, struct wr *w)
{
    size_t i = 0;

    while (s.n - i >= 4) {
        int a = sextet(s.p[i]), b = sextet(s.p[i + 1]), c = sextet(s.p[i + 2]),
            d = sextet(s.p[i + 3]);

        if ((a | b | c | d) < 0) {
            break;
        }
        wr_u24(w, (uint32_t)a << 18 | (uint32_t)b << 12 | (uint32_t)c << 6 | (uint32_t)d);
        i += 4;
    }
    return i;
}

int pem_decode(struct span body, struct buf *out)
{
    struct wr w = wr_buf(out);
    uint32_t bits = 0;
    unsigned have = 0, padding = 0;

    TRY(buf_reserve(out, body.n / 4 * 3 + 3));
    body = skip_headers(body);
    for (size_t i = 0; i < body.n; i++) {
        uint8_t c;
        int v;

        if (have == 0 && !padding) {
            i += whole_fours(span_of(body.p + i, body.n - i), &w);
            if (i == body.n) {
                break;
            }
        }
        c = body.p[i];
        v = sextet(c);
        if (c == ' ' || c == '\t' || c == '\r' || c == '\n') {
            continue;
        }
        if (c == '=' && have >= 2 && have + padding < 4) {
            padding++;
            continue;
        }
        if (v < 0 || padding) {
            return ERR_PARSE;
        }
        bits = bits << 6 | (uint32_t)v;
        if (++have == 4) {
            wr_u24(&w, bits & 0xffffff);
            have = 0;
            bits = 0;
        }
    }
    if (have) {
        unsigned spare = have == 3 ? 2 : 4;

        if (have + padding != 4 || bits & ((1u << spare) - 1)) {
            return ERR_PARSE;
        }
        wr_uint(&w, have - 1, bits >> spare);
    }
    return wr_commit(&w);
}

int pem_next(struct span text, size_t *pos, char label[static 64], struct buf *out)
{
    struct pem_block block;
    int rc = pem_find(text, pos, &block);

    if (rc == 1) {
        memcpy(label, block.label, sizeof block.label);
        TRY(pem_decode(block.body, out));
    }
    return rc;
}

static void put_text(struct wr *w, const char *s)
{
    wr_bytes(w, s, strlen(s));
}

int pem_write(struct buf *out, const char *label, struct span der)
{
    struct wr w = wr_buf(out);
    struct rd in = rd_span(der);
    struct span part;
    size_t column = 0;

    /* Four for three, a line end for each 64, and twice the label in its lines. */
    TRY(buf_reserve(out, der.n / 3 * 4 + 4 + der.n / 48 + 1 + 2 * strlen(label) + 32));
    put_text(&w, "-----BEGIN ");
    put_text(&w, label);
    put_text(&w, "-----\n");
    while (rd_bytes(&in, in.n < 3 ? in.n : 3, &part) && part.n) {
        uint32_t v = (uint32_t)part.p[0] << 16;
        uint8_t *at = wr_room(&w, 4);

        v |= part.n > 1 ? (uint32_t)part.p[1] << 8 : 0;
        v |= part.n > 2 ? part.p[2] : 0;
        for (size_t i = 0; at && i < 4; i++) {
            at[i] = i <= part.n ? (uint8_t)alphabet[v >> (18 - 6 * i) & 63] : '=';
        }
        column = (column + 4) % 64;
        if (column == 0 || rd_done(&in)) {
            wr_u8(&w, '\n');
        }
    }
    put_text(&w, "-----END ");
    put_text(&w, label);
    put_text(&w, "-----\n");
    return wr_commit(&w);
}

int pem_each(struct span bytes, bool (*wanted)(const struct pem_block *block), const char *what,
             void *ctx, bytes_fn *add, struct error *err)
{
    struct buf der = { 0 };
    struct pem_block block;
    struct error why;
    size_t pos = 0;
    int taken = 0, rc = 0, found;
    bool pem = false;

    error_clear(&why);
    while (rc != ERR_MEM && (found = pem_find(bytes, &pos, &block)) != 0) {
        pem = true;
        if (found > 0 && wanted(&block)) {
            rc = pem_decode(block.body, &der);
            rc = rc < 0 ? rc : add(ctx, buf_span(&der), &why);
            taken += rc == 0;
            buf_free(&der);
        }
    }
    if (!pem) {
        rc = add(ctx, bytes, &why);
        taken = rc == 0;
    }
    if (rc == ERR_MEM) {
        return FAIL(err, ERR_MEM, "out of memory");
    }
    return taken ? taken
                 : FAIL(err, ERR_PARSE, "not one usable %s in it%s%s", what, why.code ? ": " : "",
                        why.text);
}
