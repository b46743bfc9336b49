/* SPDX-License-Identifier: ISC */
/* Reads requests of HTTP/1.1 (RFC 9112), strictly: what two programs may read in two ways is
 * refused. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "httpd.h"

#define CHUNK_LINE 1024 /* bytes: the size of a chunk with what may stand behind it */

struct head {
    int minor; /* HTTP/1.minor */
    int hosts, lengths;
    bool expect, early;
};

static int request_line(struct client *c, struct head *h, char *line)
{
    const char *method = strsep(&line, " "), *target = line ? strsep(&line, " ") : NULL;
    char word[32];

    snprintf(c->line, sizeof c->line, "%s %s", method, target ? target : "");
    if (line == NULL || strncmp(line, "HTTP/", 5) != 0 || !method[0] || !target[0]) {
        return 400;
    }
    if (strcmp(line, "HTTP/1.1") != 0 && strcmp(line, "HTTP/1.0") != 0) {
        return 505;
    }
    h->minor = line[7] - '0';
    c->keep = h->minor == 1;
    c->method = strcmp(method, "GET") == 0    ? GET
                : strcmp(method, "HEAD") == 0 ? HEAD_ONLY
                : strcmp(method, "POST") == 0 ? POST
                                              : OTHER;
    snprintf(word, sizeof word, " %s ", method);
    if (c->method == OTHER && !strstr(" OPTIONS PUT DELETE PATCH TRACE CONNECT ", word)) {
        return 501;
    }
    if (strlen(target) >= sizeof c->target) {
        return 414;
    }
    strcpy(c->target, target);
    return 0;
}

static int field(struct client *c, struct head *h, char *line)
{
    char *value = strchr(line, ':'), *end;

    if (value == NULL || value == line || strcspn(line, " \t") < (size_t)(value - line)) {
        return 400;
    }
    *value++ = '\0';
    value += strspn(value, " \t");
    for (end = value + strlen(value); end > value && (end[-1] == ' ' || end[-1] == '\t'); end--) {
        end[-1] = '\0';
    }
    if (strcasecmp(line, "Host") == 0) {
        h->hosts++;
    } else if (strcasecmp(line, "Content-Length") == 0) {
        h->lengths++;
        c->left = strtoll(value, &end, 10);
        return *value < '0' || *value > '9' || *end != '\0' ? 400 : 0;
    } else if (strcasecmp(line, "Transfer-Encoding") == 0) {
        if (c->chunked || strcasecmp(value, "chunked") != 0) {
            return 501;
        }
        c->chunked = true;
    } else if (strcasecmp(line, "Connection") == 0) {
        c->keep = strcasestr(value, "close") ? false : c->keep || strcasestr(value, "keep-alive");
    } else if (strcasecmp(line, "Expect") == 0) {
        h->expect = true;
        return strcasecmp(value, "100-continue") == 0 ? 0 : 417;
    } else if (strcasecmp(line, "Early-Data") == 0) {
        h->early = true; /* of a proxy in front: it cannot wait for us (RFC 8470 section 5.1) */
    }
    return 0;
}

/* The lines from `line` to `end`. 0 or the status that refuses them. */
static int parse(struct client *c, struct head *h, char *line, char *end)
{
    int status = 0;
    bool first = true;

    for (char *next; status == 0 && line < end; line = next, first = false) {
        next = memmem(line, (size_t)(end - line), "\r\n", 2);
        *next = '\0';
        for (char *p = line; p < next; p++) {
            if ((*p >= 0 && *p < ' ' && *p != '\t') || *p == 127) {
                return 400; /* a bare CR or LF may be the end of a line to somebody else */
            }
        }
        next += 2;
        status = first ? request_line(c, h, line) : field(c, h, line);
    }
    if (status != 0) {
        return status;
    }
    if ((h->minor == 1 && h->hosts != 1) || h->lengths > 1 || (h->lengths && c->chunked) ||
        (h->minor == 0 && c->chunked)) {
        return 400;
    }
    return c->left > BODY_MAX ? 413 : h->early && c->method == POST ? 425 : 0;
}

enum next read_head(struct client *c)
{
    struct head h = { 0 };
    char *start, *end;
    int status;

    while (c->have - c->at >= 2 && memcmp(c->in + c->at, "\r\n", 2) == 0) {
        c->at += 2; /* some clients end a body so (RFC 9112 section 2.2) */
    }
    start = c->in + c->at;
    end = memmem(start, c->have - c->at, "\r\n\r\n", 4);
    if (end == NULL && c->have - c->at < sizeof c->in) {
        return MORE;
    }
    c->method = OTHER;
    c->keep = c->chunked = false;
    c->left = c->size = 0;
    strcpy(c->line, "-");
    status = end == NULL ? 431 : parse(c, &h, start, end + 2);
    if (status != 0) {
        c->keep = false; /* nobody knows where the next request would begin */
        refuse(c, status);
        return GO;
    }
    c->at = (size_t)(end + 4 - c->in);
    c->chunk = c->chunked ? SIZE : DATA;
    enter(c, BODY);
    if (h.expect && c->at == c->have) {
        say(c, "HTTP/1.1 100 Continue\r\n\r\n");
    }
    return GO;
}

/* A piece of the body. 0 or the status that refuses it. */
static int store(struct client *c, const char *p, size_t n)
{
    c->size += (long long)n;
    if (c->size > BODY_MAX) {
        return 413;
    }
    if (c->method == POST && n > 0 && c->file < 0) {
        FILE *f = tmpfile();

        c->file = f == NULL ? -1 : fcntl(fileno(f), F_DUPFD_CLOEXEC, 0);
        if (f != NULL) {
            fclose(f);
        }
    }
    for (ssize_t k; c->method == POST && n > 0; p += k, n -= (size_t)k) {
        if ((k = write(c->file, p, n)) < 0) {
            return 500;
        }
    }
    return 0;
}

/* A line between the pieces of a chunked body (RFC 9112 section 7.1). 0 or a status. */
static int chunk_line(struct client *c, const char *line, bool *last)
{
    size_t digits = strspn(line, "0123456789abcdefABCDEF");

    switch (c->chunk) {
    case DATA_END:
        c->chunk = SIZE;
        return *line == '\0' ? 0 : 400;
    case SIZE:
        if (digits == 0 || digits > 15 || !strchr("; \t", line[digits])) {
            return 400;
        }
        c->left = strtoll(line, NULL, 16);
        c->chunk = c->left == 0 ? TRAILER : DATA;
        return 0;
    default:
        *last = *line == '\0';
        return 0;
    }
}

enum next read_body(struct client *c)
{
    bool last = false;
    int status = 0;

    while (status == 0 && !last) {
        size_t n = c->have - c->at;
        char *start = c->in + c->at, *end;

        if (c->chunk == DATA) {
            n = (long long)n < c->left ? n : (size_t)c->left;
            status = store(c, start, n);
            c->at += n;
            c->left -= (long long)n;
            moved(c, n);
            if (status == 0 && c->left > 0) {
                return MORE;
            }
            c->chunk = DATA_END;
            last = !c->chunked;
            continue;
        }
        end = memmem(start, n, "\r\n", 2);
        if (n > CHUNK_LINE + 1 && (end == NULL || end > start + CHUNK_LINE)) {
            status = 400;
        } else if (end == NULL) {
            return MORE;
        } else {
            *end = '\0';
            c->at += (size_t)(end + 2 - start);
            status = chunk_line(c, start, &last);
        }
    }
    if (status != 0) {
        c->keep = false;
        refuse(c, status);
    } else {
        answer(c);
    }
    return GO;
}
