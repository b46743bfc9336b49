/* SPDX-License-Identifier: ISC */
/* Ticket keys as the files of web servers have them. Their ciphers are not ours: what seals is
 * derived from all of the bytes behind the name. */
#include "base/secret.h"
#include "session/session.h"

#define SHORT (TICKET_NAME + 16 + 16)
#define LONG  (TICKET_NAME + 32 + 32)

static bool is_zero(struct span bytes)
{
    uint8_t any = 0;

    for (size_t i = 0; i < bytes.n; i++) {
        any |= bytes.p[i];
    }
    return any == 0;
}

/* size: SHORT or LONG. */
static int derive(const uint8_t *p, size_t size, struct ticket_secret *out)
{
    const char *label =
        size == SHORT ? "sleeve ticket key of 48 bytes" : "sleeve ticket key of 80 bytes";
    const struct span secret = span_of(p + TICKET_NAME, size - TICKET_NAME);
    SECRET(prk, HASH_MAX);

    memcpy(out->name, p, TICKET_NAME);
    TRY(hkdf_extract(HASH_SHA256, span_of(NULL, 0), secret, prk));
    return hkdf_expand(HASH_SHA256, prk, span_text(label), out->key, TICKET_KEY);
}

static int parse_keys(struct span file, struct ticket_secret list[static TICKET_GENERATIONS],
                      size_t *n, struct error *err)
{
    const bool is_short = file.n % SHORT == 0 && file.n / SHORT <= TICKET_GENERATIONS;
    const size_t size = is_short ? SHORT : LONG, half = (size - TICKET_NAME) / 2;

    if (file.n == 0 || file.n % size != 0 || file.n / size > TICKET_GENERATIONS) {
        return FAIL(err, ERR_PARSE, "one to %d keys of 48 or of 80 bytes are no %zu bytes",
                    TICKET_GENERATIONS, file.n);
    }
    for (*n = 0; *n < file.n / size; ++*n) {
        const uint8_t *p = file.p + *n * size;

        /* Threat 26: no key that anybody can guess. */
        if (is_zero(span_of(p + TICKET_NAME, half)) ||
            is_zero(span_of(p + TICKET_NAME + half, half))) {
            return FAIL(err, ERR_PARSE, "key %zu has a part of zeros", *n + 1);
        }
        for (size_t i = 0; i < *n; i++) {
            if (memcmp(list[i].name, p, TICKET_NAME) == 0) {
                return FAIL(err, ERR_PARSE, "keys %zu and %zu have the same name", i + 1, *n + 1);
            }
        }
        TRY(derive(p, size, &list[*n]));
    }
    return 0;
}

/* ---- base64 (RFC 4648 section 4) ---- */
static int digit(uint8_t c)
{
    if (c >= 'A' && c <= 'Z') {
        return c - 'A';
    }
    if (c >= 'a' && c <= 'z') {
        return c - 'a' + 26;
    }
    if (c >= '0' && c <= '9') {
        return c - '0' + 52;
    }
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* One key's line. The bytes, SHORT or LONG; 0: it is none. */
static size_t decode(struct span line, uint8_t out[static LONG])
{
    size_t n = 0;
    uint32_t bits = 0;

    if (line.n == 108 && line.p[107] == '=') { /* 80 bytes leave one place empty */
        line.n--;
    } else if (line.n != 64) {
        return 0;
    }
    for (size_t i = 0; i < line.n; i++) {
        const int d = digit(line.p[i]);

        if (d < 0) {
            return 0;
        }
        bits = bits << 6 | (uint32_t)d;
        if (i % 4 == 1) {
            out[n++] = (uint8_t)(bits >> 4);
        } else if (i % 4 == 2) {
            out[n++] = (uint8_t)(bits >> 2);
        } else if (i % 4 == 3) {
            out[n++] = (uint8_t)bits;
        }
    }
    return line.n == 107 && (bits & 3) ? 0 : n;
}

static bool is_text(struct span file)
{
    bool text = file.n > 0;

    for (size_t i = 0; i < file.n; i++) {
        const uint8_t c = file.p[i];

        text = text && (digit(c) >= 0 || c == '=' || c == '\n' || c == '\r' || c == ' ');
    }
    return text;
}

/* Lines to bytes; all keys are of one size. */
static int parse_text(struct span file, struct ticket_secret list[static TICKET_GENERATIONS],
                      size_t *n, struct error *err)
{
    SECRET(keys, TICKET_GENERATIONS * LONG);
    SECRET(key, LONG);
    size_t used = 0, size = 0;

    for (size_t at = 0, end; at < file.n; at = end + 1) {
        struct span line;
        size_t got;

        for (end = at; end < file.n && file.p[end] != '\n'; end++) {
        }
        line = span_of(file.p + at, end - at);
        while (line.n && (line.p[line.n - 1] == '\r' || line.p[line.n - 1] == ' ')) {
            line.n--;
        }
        if (line.n == 0) {
            continue;
        }
        got = decode(line, key);
        if (got == 0 || (size && got != size) || used + got > sizeof keys) {
            return FAIL(err, ERR_PARSE, "one to %d lines of 48 or of 80 bytes in base64 are wanted",
                        TICKET_GENERATIONS);
        }
        memcpy(keys + used, key, got);
        used += got;
        size = got;
    }
    return parse_keys(span_of(keys, used), list, n, err);
}

int ticket_file_parse(struct span file, struct ticket_secret list[static TICKET_GENERATIONS],
                      size_t *n, struct error *err)
{
    int rc = is_text(file) ? parse_text(file, list, n, err) : parse_keys(file, list, n, err);

    if (rc < 0) {
        *n = 0;
        wipe(list, TICKET_GENERATIONS * sizeof *list);
    }
    return rc;
}
