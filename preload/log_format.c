/* SPDX-License-Identifier: ISC */
/* A line of the log from pairs: words of the form key=value, or a JSON object (RFC 8259). What a
 * peer sent cannot forge a line or a key of either. */
#include "preload/real.h"
#include <string.h>

#include "preload/log.h"

#define VALUE_MAX 560 /* bytes of one as it is written: so `result` always has its place */
#define TAIL      3   /* "} and the newline */

static void put(struct log_line *l, const char *s, size_t n)
{
    n = n < l->most - l->n ? n : l->most - l->n;
    memcpy(l->text + l->n, s, n);
    l->n += n;
}

static void put_text(struct log_line *l, const char *s)
{
    put(l, s, strlen(s));
}

/* The length of the well-formed character at s (Unicode, table 3-7), or 0. */
static size_t utf8_length(const unsigned char *s)
{
    unsigned char lo = 0x80, hi = 0xbf;
    size_t n = s[0] < 0x80 ? 1 : s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : 2;

    if (n > 1 && (s[0] < 0xc2 || s[0] > 0xf4)) {
        return 0;
    }
    lo = s[0] == 0xe0 ? 0xa0 : s[0] == 0xf0 ? 0x90 : lo;
    hi = s[0] == 0xed ? 0x9f : s[0] == 0xf4 ? 0x8f : hi;
    for (size_t i = 1; i < n; i++, lo = 0x80, hi = 0xbf) {
        if (s[i] < lo || s[i] > hi) { /* the NUL, too */
            return 0;
        }
    }
    return n;
}

/* RFC 8259 section 7. Bytes that are no UTF-8 become U+FFFD; control characters of C1 are escaped
 * for the sake of terminals. Cut between characters. */
static void put_json(struct log_line *l, const char *value, size_t most)
{
    const unsigned char *s = (const unsigned char *)value;
    size_t end = l->n + most < l->most ? l->n + most : l->most, n;
    char one[8];

    for (; *s; s += n ? n : 1) {
        n = utf8_length(s);
        if (n == 0) {
            memcpy(one, "\\ufffd", 7);
        } else if (n == 1 && (*s == '"' || *s == '\\')) {
            snprintf(one, sizeof one, "\\%c", *s);
        } else if (n == 1 && (*s < ' ' || *s == 127)) {
            snprintf(one, sizeof one, "\\u%04x", *s);
        } else if (n == 2 && s[0] == 0xc2 && s[1] < 0xa0) {
            snprintf(one, sizeof one, "\\u%04x", s[1]);
        } else {
            memcpy(one, s, n);
            one[n] = '\0';
        }
        if (l->n + strlen(one) > end) {
            break;
        }
        put_text(l, one);
    }
}

/* spaces: may stay, as nothing comes behind. */
static void put_plain(struct log_line *l, const char *value, size_t most, bool spaces)
{
    for (size_t i = 0; value[i] && i < most; i++) {
        char c = value[i];

        c = (unsigned char)c < ' ' || c == 127 ? '?' : c == ' ' && !spaces ? '_' : c;
        put(l, &c, 1);
    }
}

static void put_key(struct log_line *l, const struct pair *p)
{
    if (!l->first) {
        put_text(l, l->json ? "," : " ");
    }
    l->first = false;
    if (l->json) {
        put_text(l, "\"");
        put_text(l, p->key);
        put_text(l, "\":");
    } else if (p->kind != PAIR_LABEL) {
        put_text(l, p->key);
        put_text(l, "=");
    }
}

static void put_value(struct log_line *l, const struct pair *p)
{
    char number[24];

    if (p->kind == PAIR_NUMBER) {
        snprintf(number, sizeof number, "%llu", (unsigned long long)p->number);
        put_text(l, number);
    } else if (p->kind == PAIR_BOOL) {
        put_text(l, l->json ? p->number ? "true" : "false" : p->number ? "yes" : "no");
    } else if (!p->text || !*p->text) {
        put_text(l, l->json ? "null" : "-");
    } else if (l->json) {
        put_text(l, "\"");
        put_json(l, p->text, VALUE_MAX);
        put_text(l, "\"");
    } else {
        put_plain(l, p->text, VALUE_MAX, false);
    }
}

void log_line_begin(struct log_line *l, bool json)
{
    l->n = 0;
    l->most = sizeof l->text - TAIL;
    l->json = json;
    l->first = true;
    put_text(l, json ? "{" : "sleeve: ");
}

void log_line_pairs(struct log_line *l, const struct pair *pairs)
{
    for (const struct pair *p = pairs; p->kind != PAIR_END; p++) {
        put_key(l, p);
        put_value(l, p);
    }
}

void log_line_end(struct log_line *l, const char *reason)
{
    const struct pair p = pair_text("reason", reason);

    if (!l->json) {
        if (*reason) {
            put_text(l, ": ");
            put_plain(l, reason, sizeof l->text, true);
        }
        return;
    }
    if (*reason) {
        put_key(l, &p);
        put_text(l, "\"");
        put_json(l, reason, sizeof l->text);
    }
    l->most += TAIL - 1;
    put_text(l, *reason ? "\"}" : "}");
}
