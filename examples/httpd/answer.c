/* SPDX-License-Identifier: ISC */
/* What httpd answers. */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "httpd.h"

int root;

void say(struct client *c, const char *fmt, ...)
{
    size_t space = sizeof c->out - c->say;
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(c->out + c->say, space, fmt, ap);
    va_end(ap);
    c->say += n < 0 ? 0 : (size_t)n < space ? (size_t)n : space - 1;
}

static const char *reason(int status)
{
    static const struct {
        int status;
        const char *reason;
    } all[] = { { 200, "OK" },
                { 400, "Bad Request" },
                { 404, "Not Found" },
                { 405, "Method Not Allowed" },
                { 413, "Content Too Large" },
                { 414, "URI Too Long" },
                { 417, "Expectation Failed" },
                { 425, "Too Early" },
                { 431, "Request Header Fields Too Large" },
                { 500, "Internal Server Error" },
                { 501, "Not Implemented" },
                { 505, "HTTP Version Not Supported" } };

    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        if (all[i].status == status) {
            return all[i].reason;
        }
    }
    return "";
}

/* The head of the answer; the body comes behind it, in c->out or as c->file. */
static void begin(struct client *c, int status, const char *type, long long size)
{
    char date[64];
    time_t t = time(NULL);
    struct tm tm;

    strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&t, &tm));
    say(c,
        "HTTP/1.1 %d %s\r\nDate: %s\r\nContent-Type: %s\r\nContent-Length: %lld\r\n"
        "X-Content-Type-Options: nosniff\r\n%s%s\r\n",
        status, reason(status), date, type, size, status == 405 ? "Allow: GET, HEAD, POST\r\n" : "",
        c->keep ? "Connection: keep-alive\r\n" : "Connection: close\r\n");
    enter(c, ANSWER);
    if (!quiet) {
        printf("%s \"%s\" %d %lld\n", c->address, c->line, status, size);
    }
}

static void text(struct client *c, int status, const char *type, const char *body)
{
    begin(c, status, type, (long long)strlen(body));
    if (c->method != HEAD_ONLY) {
        say(c, "%s", body);
    }
}

void refuse(struct client *c, int status)
{
    char body[64];

    snprintf(body, sizeof body, "%d %s\n", status, reason(status));
    text(c, status, "text/plain", body);
}

static void row(char *page, size_t size, const char *name, const char *value)
{
    size_t n = strlen(page);

    n += (size_t)snprintf(page + n, size - n, "<tr><th>%s<td>", name);
    for (; *value != '\0' && n + 64 < size; value++) {
        if (strchr("<>&\"'", *value)) {
            n += (size_t)snprintf(page + n, size - n, "&#%d;", *value);
        } else {
            page[n++] = *value;
        }
    }
    page[n] = '\0';
}

/* What both ends have agreed on. */
static void facts(struct client *c)
{
    char page[10240] = "<!DOCTYPE html><meta charset=utf-8><title>httpd</title>\n<table>\n";
    char number[64];
    struct ssl_info i;

    if (ssl_info(c->fd, &i) < 0) {
        refuse(c, 500);
        return;
    }
    row(page, sizeof page, "version", i.version_name);
    row(page, sizeof page, "suite", i.suite);
    row(page, sizeof page, "group", i.group);
    row(page, sizeof page, "protocol (ALPN)", i.alpn);
    row(page, sizeof page, "server name (SNI)", i.sni);
    row(page, sizeof page, "client", i.peer_subject[0] != '\0' ? i.peer_subject : "not known");
    row(page, sizeof page, "resumed", i.resumed ? "yes" : "no");
    snprintf(number, sizeof number, "%llu bytes", (unsigned long long)i.early_bytes);
    row(page, sizeof page, "early data", number);
    snprintf(number, sizeof number, "%llu received, %llu sent",
             (unsigned long long)i.bytes_received, (unsigned long long)i.bytes_sent);
    row(page, sizeof page, "bytes", number);
    strcat(page, "</table>\n");
    text(c, 200, "text/html", page);
}

static int hex(char c)
{
    return c >= '0' && c <= '9'                 ? c - '0'
           : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10
                                                : -1;
}

/* The file's name, in place: without a query, %XX resolved. NULL: there is no such file. */
static const char *path_of(char *target)
{
    char *to = target;

    target[strcspn(target, "?#")] = '\0';
    for (char *p = target; *p != '\0'; p++) {
        if (*p == '%') {
            int high = hex(p[1]), low = high < 0 ? -1 : hex(p[2]);

            if (low < 0 || high * 16 + low == 0) {
                return NULL;
            }
            *to++ = (char)(high * 16 + low);
            p += 2;
        } else {
            *to++ = *p;
        }
    }
    *to = '\0';
    /* "/.": "..", which leads out of here, and what is hidden. */
    return *target != '/' || strstr(target, "/.") || strstr(target, "//") ? NULL : target + 1;
}

static const char *type_of(const char *path)
{
    static const char *const all[][2] = { { ".html", "text/html; charset=utf-8" },
                                          { ".css", "text/css" },
                                          { ".js", "text/javascript" },
                                          { ".txt", "text/plain; charset=utf-8" },
                                          { ".json", "application/json" },
                                          { ".png", "image/png" },
                                          { ".jpg", "image/jpeg" },
                                          { ".svg", "image/svg+xml" } };
    const char *dot = strrchr(path, '.');

    for (size_t i = 0; dot && i < sizeof all / sizeof *all; i++) {
        if (strcasecmp(dot, all[i][0]) == 0) {
            return all[i][1];
        }
    }
    return "application/octet-stream";
}

static void answer_file(struct client *c, const char *path)
{
    struct stat st;
    int fd = path == NULL ? -1 : openat(root, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

    if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
        if (fd >= 0) {
            close(fd);
        }
        refuse(c, 404);
        return;
    }
    begin(c, 200, type_of(path), st.st_size);
    if (c->method == HEAD_ONLY) {
        close(fd);
        return;
    }
    c->file = fd;
    c->from = 0;
    c->to = st.st_size;
}

void answer(struct client *c)
{
    if (c->method == OTHER) {
        refuse(c, 405);
    } else if (c->method == POST && ssl_handshake(c->fd) < 0) {
        refuse(c, 425); /* early data: somebody may have recorded it (RFC 8470 section 5.2) */
    } else if (c->method == POST) {
        begin(c, 200, "application/octet-stream", c->size);
        c->from = 0;
        c->to = c->size;
    } else if (strcmp(c->target, "/") == 0) {
        facts(c);
    } else {
        answer_file(c, path_of(c->target));
    }
}
