/* SPDX-License-Identifier: ISC */
/* Pins as people write them. */
#include <ctype.h>
#include <string.h>

#include "x509/x509.h"

#define HEX_DIGITS (2 * PIN_SIZE)
#define B64_DIGITS 43 /* and one '=': RFC 4648 section 4 */
#define BLANKS     " \t"
#define BETWEEN    ";,"

static bool from_hex(const char *text, size_t len, uint8_t pin[static PIN_SIZE])
{
    if (len != HEX_DIGITS) {
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        int c = tolower((unsigned char)text[i]);

        if (!isxdigit(c)) {
            return false;
        }
        c = c <= '9' ? c - '0' : c - 'a' + 10;
        pin[i / 2] = (uint8_t)(i % 2 ? pin[i / 2] | c : c << 4);
    }
    return true;
}

/* The two spare bits are zero. */
static bool from_base64(const char *text, size_t len, uint8_t pin[static PIN_SIZE])
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    unsigned bits = 0;
    uint32_t acc = 0;
    size_t n = 0;

    if (len != B64_DIGITS + 1 || text[B64_DIGITS] != '=') {
        return false;
    }
    for (size_t i = 0; i < B64_DIGITS; i++) {
        const char *d = text[i] ? strchr(digits, text[i]) : NULL;

        if (!d) {
            return false;
        }
        acc = (acc << 6 | (uint32_t)(d - digits)) & 0xffff;
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            pin[n++] = (uint8_t)(acc >> bits);
        }
    }
    return (acc & 3) == 0;
}

static bool skip_word(const char **p, size_t *len, const char *word)
{
    size_t n = strlen(word);

    if (*len < n || strncmp(*p, word, n) != 0) {
        return false;
    }
    *p += n;
    *len -= n;
    return true;
}

static bool one_pin(const char *p, size_t len, uint8_t pin[static PIN_SIZE])
{
    (void)(skip_word(&p, &len, "sha256//") || skip_word(&p, &len, "sha256:"));
    return from_hex(p, len, pin) || from_base64(p, len, pin);
}

int pins_parse(const char *text, uint8_t pins[static PINS_MAX][PIN_SIZE], size_t *n,
               struct error *err)
{
    *n = 0;
    for (;;) {
        size_t len;

        text += strspn(text, BLANKS);
        len = strcspn(text, BETWEEN BLANKS);
        if (*n == PINS_MAX) {
            return FAIL(err, ERR_PARSE, "more than %d pins", PINS_MAX);
        }
        if (!one_pin(text, len, pins[*n])) {
            return FAIL(err, ERR_PARSE, "a pin is 64 hex digits or 44 of base64, not \"%.*s\"",
                        (int)(len < 80 ? len : 80), text);
        }
        ++*n;
        text += len;
        text += strspn(text, BLANKS);
        if (*text == '\0') {
            return 0;
        }
        if (!strchr(BETWEEN, *text)) {
            return FAIL(err, ERR_PARSE, "pins have ';' or ',' between them");
        }
        text++;
    }
}
