/* SPDX-License-Identifier: ISC */
/* The table of sessions: lines of the library's log in, a row for each session out. */
#include "preload/launcher/audit_table.h"

#include <stdlib.h>
#include <string.h>

#include "preload/launcher/launcher.h"

#define COLUMNS 9

enum column { PROGRAM, ROLE, PEER, NAME, VERSION, SUITE, SENT, RECEIVED, WIRE };

struct row {
    char session[24];
    char cell[COLUMNS][64];
    char result[160];
    bool open, counted, in_clear;
    uint64_t strays;
};

/* ---- lines ---- */

static void printable(char *text, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        text[i] = (unsigned char)text[i] < ' ' || text[i] == 127 ? '?' : text[i];
    }
}

/* The value of KEY in a line of words KEY=VALUE, up to a space; "" when there is none. */
static const char *value(const char *line, const char *key, char *out, size_t size)
{
    size_t n = strlen(key), len = 0;

    for (const char *p = line; *p; p += strcspn(p, " "), p += strspn(p, " ")) {
        if (strncmp(p, "result=", 7) == 0 && strcmp(key, "result") != 0) {
            break; /* behind it is a sentence */
        }
        if (strncmp(p, key, n) == 0 && p[n] == '=') {
            p += n + 1;
            len = strcmp(key, "result") == 0 ? strlen(p) : strcspn(p, " ");
            len = len < size ? len : size - 1;
            memcpy(out, p, len);
            printable(out, len);
            break;
        }
    }
    out[len] = '\0';
    return out;
}

static uint64_t number(const char *line, const char *key)
{
    char text[32];

    return strtoull(value(line, key, text, sizeof text), NULL, 10);
}

static struct row *row_of(struct table *t, const char *session)
{
    for (size_t i = t->n; *session && i > 0; i--) {
        if (strcmp(t->rows[i - 1].session, session) == 0) {
            return &t->rows[i - 1];
        }
    }
    if (t->n == t->room) {
        size_t room = t->room ? 2 * t->room : 64;
        struct row *more = realloc(t->rows, room * sizeof *more);

        if (!more) {
            t->lost = true;
            return NULL;
        }
        t->rows = more;
        t->room = room;
    }
    t->rows[t->n] = (struct row){ .open = false };
    (void)snprintf(t->rows[t->n].session, sizeof t->rows->session, "%s", session);
    return &t->rows[t->n++];
}

static void fill(struct row *r, const char *line)
{
    static const char *const keys[] = {
        [PROGRAM] = "program", [ROLE] = "role",   [PEER] = "peer", [NAME] = "name",
        [VERSION] = "version", [SUITE] = "suite", [SENT] = "sent", [RECEIVED] = "received"
    };
    char text[64], in[64];

    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        if (*value(line, keys[i], text, sizeof text)) {
            memcpy(r->cell[i], text, sizeof text);
        }
    }
    if (*value(line, "wire-sent", text, sizeof text)) {
        (void)snprintf(r->cell[WIRE], sizeof r->cell[WIRE], "%.30s/%.30s", text,
                       value(line, "wire-received", in, sizeof in));
    }
    value(line, "result", r->result, sizeof r->result);
    r->open = strcmp(r->result, "open") == 0;
    r->in_clear = strncmp(r->result, "plaintext", 9) == 0;
    value(line, "stray", text, sizeof text);
    r->counted = text[0] >= '0' && text[0] <= '9'; /* each stray had its own line */
}

static void alarm_of(struct table *t, const char *line)
{
    char who[64], peer[64];
    uint64_t n = number(line, "stray");

    t->strays += n;
    tint(stderr, TINT_BAD);
    (void)say(0, "audit", "%s[%llu]: %llu bytes left on fd %llu (%s) without TLS",
              value(line, "program", who, sizeof who), (unsigned long long)number(line, "pid"),
              (unsigned long long)n, (unsigned long long)number(line, "fd"),
              value(line, "peer", peer, sizeof peer));
    tint(stderr, TINT_PLAIN);
}

void table_line(struct table *t, char *line)
{
    char session[24], result[32];
    struct row *r;

    value(line, "result", result, sizeof result);
    value(line, "session", session, sizeof session);
    r = *session ? row_of(t, session) : NULL;
    if (strncmp(result, "bypassed", 8) == 0) {
        alarm_of(t, line);
        if (r) {
            r->strays += number(line, "stray");
        }
    } else if (r) {
        fill(r, line);
    }
}

/* ---- the end ---- */

static const char *verdict(const struct row *r, char *text, size_t size, enum tint *color)
{
    bool failed = strncmp(r->result, "failed", 6) == 0 || strncmp(r->result, "broken", 6) == 0;
    const char *why = strchr(r->result, ':');

    *color = r->strays ? TINT_BAD : failed || r->open || r->in_clear ? TINT_WARN : TINT_GOOD;
    if (r->strays) {
        (void)snprintf(text, size, "%llu BYTES WITHOUT TLS", (unsigned long long)r->strays);
    } else if (r->open) {
        (void)snprintf(text, size, "not seen to end");
    } else if (r->in_clear) {
        (void)snprintf(text, size, "no TLS, as the rules allow");
    } else if (*r->cell[WIRE] && !r->counted) {
        *color = TINT_BAD;
        (void)snprintf(text, size, "could not be counted");
    } else if (failed) {
        (void)snprintf(text, size, "clean; %.6s%.140s", r->result, why ? why : "");
    } else {
        (void)snprintf(text, size, "clean");
    }
    return text;
}

static void underline(FILE *f, const int width[static COLUMNS])
{
    for (int i = 0; i < COLUMNS; i++) {
        for (int k = 0; k < width[i]; k++) {
            fputc('-', f);
        }
        fputs("  ", f);
    }
    fputs("-------\n", f);
}

void table_show(const struct table *t, FILE *f)
{
    static const char *const heads[COLUMNS] = { "PROGRAM", "ROLE",     "PEER",
                                                "NAME",    "VERSION",  "SUITE",
                                                "SENT",    "RECEIVED", "WIRE OUT/IN" };
    int width[COLUMNS];
    enum tint color;
    char text[200];

    for (int i = 0; i < COLUMNS; i++) {
        width[i] = (int)strlen(heads[i]);
        for (size_t k = 0; k < t->n; k++) {
            int n = (int)strlen(t->rows[k].cell[i]);

            width[i] = n > width[i] ? n : width[i];
        }
    }
    for (int i = 0; i < COLUMNS && t->n; i++) {
        fprintf(f, "%-*s  ", width[i], heads[i]);
    }
    if (t->n) {
        fputs("VERDICT\n", f);
        underline(f, width);
    }
    for (size_t k = 0; k < t->n; k++) {
        const struct row *r = &t->rows[k];

        for (int i = 0; i < COLUMNS; i++) {
            fprintf(f, i < SENT ? "%-*s  " : "%*s  ", width[i], *r->cell[i] ? r->cell[i] : "-");
        }
        verdict(r, text, sizeof text, &color);
        put_tinted(f, color, text);
        fputc('\n', f);
    }
    fprintf(f, "%zu session%s; ", t->n, t->n == 1 ? "" : "s");
    (void)snprintf(text, sizeof text, "%llu bytes without TLS", (unsigned long long)t->strays);
    put_tinted(f, t->strays ? TINT_BAD : TINT_GOOD, text);
    fputs(t->lost ? "; no memory for all of them\n" : "\n", f);
}

bool table_clean(const struct table *t)
{
    bool clean = t->strays == 0 && !t->lost;

    for (size_t k = 0; k < t->n; k++) {
        const struct row *r = &t->rows[k];

        clean = clean && !r->strays && (r->counted || !*r->cell[WIRE]);
    }
    return clean;
}

void table_free(struct table *t)
{
    free(t->rows);
    *t = (struct table){ .n = 0 };
}
