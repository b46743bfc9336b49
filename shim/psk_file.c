/* SPDX-License-Identifier: ISC */
#include "shim/psk_file.h"

#include "base/secret.h"
#include "shim/secret_file.h"

#define FILE_LIMIT (256 * 1024) /* some thousands of keys */

static int digit(uint8_t c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* What stands behind the last ':' of *line, which is then what stands before it. */
static bool cut(struct span *line, struct span *last)
{
    size_t n = line->n;

    while (n > 0 && line->p[n - 1] != ':') {
        n--;
    }
    if (n == 0) {
        return false;
    }
    *last = span_of(line->p + n, line->n - n);
    line->n = n - 1;
    return true;
}

static bool unhex(struct span hex, struct psk *k)
{
    if (hex.n % 2 || hex.n / 2 < PSK_KEY_MIN || hex.n / 2 > PSK_KEY_MAX) {
        return false;
    }
    for (size_t i = 0; i < hex.n / 2; i++) {
        const int high = digit(hex.p[2 * i]), low = digit(hex.p[2 * i + 1]);

        if (high < 0 || low < 0) {
            return false;
        }
        k->key[i] = (uint8_t)(high << 4 | low);
    }
    k->key_len = hex.n / 2;
    return true;
}

/* NULL, or what is wrong with the line. */
static const char *parse_line(struct span line, struct psk *k)
{
    static const struct {
        const char *word;
        enum hash_id hash;
    } kinds[] = { { "sha256", HASH_SHA256 }, { "sha384", HASH_SHA384 }, { "tls1.2", HASH_NONE } };
    struct span key;

    k->hash = HASH_SHA256;
    if (!cut(&line, &key)) {
        return "an identity, a colon and a key";
    }
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (span_eq(key, span_text(kinds[i].word))) {
            k->hash = kinds[i].hash;
            if (!cut(&line, &key)) {
                return "an identity, a colon and a key";
            }
            break;
        }
    }
    if (line.n == 0 || line.n > PSK_NAME_MAX || memchr(line.p, 0, line.n)) {
        return "an identity has 1 to 255 bytes";
    }
    memcpy(k->identity, line.p, line.n);
    return unhex(key, k) ? NULL : "a key has 16 to 256 bytes in hex digits";
}

int psk_file_parse(struct span bytes, psk_fn *fn, void *ctx, struct error *err)
{
    const uint8_t *p = bytes.p, *end = bytes.n ? bytes.p + bytes.n : bytes.p;

    for (size_t n = 1; p < end; n++) {
        const uint8_t *newline = memchr(p, '\n', (size_t)(end - p));
        struct span line = span_of(p, (size_t)((newline ? newline : end) - p));
        struct psk k = { 0 };
        const char *fault = NULL;
        int rc = 0;

        p = newline ? newline + 1 : end;
        line.n -= line.n && line.p[line.n - 1] == '\r';
        if (line.n && line.p[0] != '#') {
            fault = parse_line(line, &k);
            rc = fault ? FAIL(err, ERR_PARSE, "line %zu: %s", n, fault) : fn(ctx, &k);
        }
        wipe(&k, sizeof k);
        TRY(rc);
    }
    return 0;
}

int psk_file_load(const char *path, psk_fn *fn, void *ctx, struct error *err)
{
    struct buf bytes = { .max = FILE_LIMIT };
    struct error why;
    int rc;

    error_clear(&why);
    rc = secret_file_read(path, &bytes, err);
    if (rc == 0) {
        rc = psk_file_parse(buf_span(&bytes), fn, ctx, &why);
        if (rc == ERR_PARSE) {
            (void)FAIL(err, rc, "%.90s: %s", path, why.text);
        }
    }
    buf_free(&bytes);
    return rc;
}
