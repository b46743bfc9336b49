/* SPDX-License-Identifier: ISC */
/* Sentences, colours, dates and names, for all commands. */
#include <arpa/inet.h>
#include <ctype.h>
#include <stdarg.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "preload/launcher/launcher.h"
#include "x509/der.h"

#define COLUMNS 80

int say(int code, const char *command, const char *fmt, ...)
{
    va_list ap;

    fflush(stdout);
    fprintf(stderr, "sleeve %s: ", command);
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fputc('\n', stderr);
    return code;
}

int say_usage(const char *usage, const char *command, const char *fmt, ...)
{
    va_list ap;

    if (fmt) {
        fprintf(stderr, "sleeve %s: ", command);
        va_start(ap, fmt);
        vfprintf(stderr, fmt, ap);
        va_end(ap);
        fputc('\n', stderr);
    }
    fprintf(stderr, "usage: %s\n'sleeve %s --help' says more.\n", usage, command);
    return EXIT_BAD;
}

void tint(FILE *f, enum tint t)
{
    static const char *const codes[] = { "\033[0m", "\033[32m", "\033[33m", "\033[31m", "\033[2m" };
    const char *no = getenv("NO_COLOR");

    if ((!no || !*no) && isatty(fileno(f))) {
        fputs(codes[t], f);
    }
}

void put_tinted(FILE *f, enum tint t, const char *text)
{
    tint(f, t);
    fputs(text, f);
    tint(f, TINT_PLAIN);
}

void put_words(const char *text, int indent, const char *margin)
{
    int column = indent;

    while (*text) {
        int n = (int)strcspn(text, " ");

        if (column > indent && column + 1 + n > COLUMNS) {
            printf("\n%s%*s", margin, indent - (int)strlen(margin), "");
            column = indent;
        } else if (column > indent) {
            putchar(' ');
            column++;
        }
        printf("%.*s", n, text);
        column += n;
        text += n;
        text += strspn(text, " ");
    }
    putchar('\n');
}

const char *date_text(int64_t when, char text[static 32])
{
    time_t t = (time_t)when;
    struct tm tm;

    if (!gmtime_r(&t, &tm) || strftime(text, 32, "%Y-%m-%d %H:%M:%S UTC", &tm) == 0) {
        (void)snprintf(text, 32, "an unknown date");
    }
    return text;
}

/* One element of GeneralNames, whose contents are `v`, in printable form. */
static bool name_text(unsigned tag, struct span v, char one[static 256])
{
    if (tag == 0x82 && v.n < 256) { /* dNSName */
        for (size_t i = 0; i < v.n; i++) {
            one[i] = isgraph(v.p[i]) ? (char)v.p[i] : '?';
        }
        one[v.n] = '\0';
        return true;
    }
    if (tag == 0x87 && (v.n == 4 || v.n == 16)) { /* iPAddress */
        return inet_ntop(v.n == 4 ? AF_INET : AF_INET6, v.p, one, 256) != NULL;
    }
    return false;
}

const char *names_text(const struct cert *c, char *text, size_t size)
{
    struct rd r = rd_span(c->san), value;
    size_t used = 0;
    char one[256];
    uint8_t tag;

    text[0] = '\0';
    while (c->has_san && !rd_done(&r) && der_any(&r, &tag, &value)) {
        if (name_text(tag, span_of(value.p, value.n), one)) {
            int n = snprintf(text + used, size - used, "%s%s", used ? ", " : "", one);

            if (n < 0 || (size_t)n >= size - used) {
                break; /* cut: a log line, not a decision */
            }
            used += (size_t)n;
        }
    }
    return text;
}

bool split_host_port(const char *text, char host[static POLICY_HOST_MAX], char port[static 8])
{
    const char *colon = strrchr(text, ':');
    size_t n = colon ? (size_t)(colon - text) : 0, np = colon ? strlen(colon + 1) : 0;

    if (n >= 2 && text[0] == '[' && text[n - 1] == ']') {
        text++;
        n -= 2;
    } else if (memchr(text, ':', n)) {
        return false;
    }
    if (n == 0 || n >= POLICY_HOST_MAX || np == 0 || np > 5) {
        return false;
    }
    memcpy(host, text, n);
    host[n] = '\0';
    for (size_t i = 0; i < np; i++) {
        if (!isdigit((unsigned char)colon[1 + i])) {
            return false;
        }
    }
    memcpy(port, colon + 1, np + 1);
    return atoi(port) >= 1 && atoi(port) <= 65535;
}

bool rule_option(char **rules, const char *rule)
{
    char *more;

    if (asprintf(&more, "%s%s%s", *rules ? *rules : "", *rules ? "\n" : "", rule) < 0) {
        return false;
    }
    free(*rules);
    *rules = more;
    return true;
}
