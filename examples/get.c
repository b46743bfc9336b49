/* SPDX-License-Identifier: ISC */
/* NAME
 *     get - fetches what is at an https URL
 *
 * SYNOPSIS
 *     get [-v] [-o FILE] [--ca FILE] URL
 *
 * DESCRIPTION
 *     Writes the body that the server answers with to standard output. The server's certificate
 *     must be for the host in URL. Up to 5 redirections are followed, to https only. An answer that
 *     ends before its end is an error, and then the FILE of -o is removed.
 *
 *     -o, --output FILE   write to FILE
 *     -v, --verbose       tell what was agreed on and both heads, on standard error
 *     --ca FILE           the CAs to trust, PEM, instead of the system's
 *
 * EXIT STATUS
 *     0 there it is, 1 no connection, or not to whom it should be, 2 wrong usage, 3 the server has
 *     answered with an error (which is printed as any body), 4 the answer makes no sense or is cut
 *     short, 5 FILE cannot be written.
 *
 * CAVEATS
 *     One request for each connection. No proxies, no cookies, no compression.
 *
 * SEE ALSO
 *     client, httpd, ssl_socket(3) */
#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <sleeve/ssl_socket.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

enum { FAILED = 1, USAGE = 2, REFUSED = 3, GARBLED = 4, DISK = 5 };

#define LINE 8192
#define HOPS 5

struct url {
    char host[256], port[8], path[4096];
};

struct answer {
    int status;
    long long length; /* < 0: to the end of the connection */
    bool chunked;
    char location[4096];
};

static bool verbose;
static const char *output; /* NULL: standard output */

static int complain(int status, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static int complain(int status, const char *fmt, ...)
{
    va_list ap;

    fputs("get: ", stderr);
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fputc('\n', stderr);
    return status;
}

/* "https://host:port/path?query#fragment", and what it may be after a Location: a part of that. */
static bool parse_url(struct url *u, const char *s)
{
    const char *end, *port = NULL;
    size_t n;

    for (const char *p = s; *p != '\0'; p++) {
        if (!isgraph((unsigned char)*p)) {
            return false;
        }
    }
    if (strncasecmp(s, "https://", 8) == 0 || (u->host[0] != '\0' && strncmp(s, "//", 2) == 0)) {
        s = strstr(s, "//") + 2;
        n = strcspn(s, "/?#");
        end = s + n;
        if (memchr(s, '@', n)) {
            return false; /* a password in it, or a trick to hide the host */
        }
        if (*s == '[') { /* an IPv6 address */
            n = strcspn(++s, "]");
            port = s + n < end ? s + n + 1 : NULL;
        } else {
            n = strcspn(s, ":/?#");
            port = s + n;
        }
        if (port == NULL || (*port != ':' && port != end) || n == 0 || n >= sizeof u->host ||
            (*port == ':' && ((size_t)(end - port) > sizeof u->port ||
                              port + 1 + strspn(port + 1, "0123456789") != end))) {
            return false;
        }
        snprintf(u->host, sizeof u->host, "%.*s", (int)n, s);
        snprintf(u->port, sizeof u->port, "%.*s", port + 1 < end ? (int)(end - port - 1) : 3,
                 port + 1 < end ? port + 1 : "443");
        u->path[0] = '\0';
        s = end;
    } else if (u->host[0] == '\0' || s[strcspn(s, ":/?#")] == ':') {
        return false; /* another scheme */
    }
    if (*s == '/') {
        u->path[0] = '\0';
    } else if (u->path[0] == '\0') {
        strcpy(u->path, "/");
    } else if (*s != '#') { /* beside what we have (RFC 3986 section 5.2.2) */
        u->path[strcspn(u->path, "?")] = '\0';
        if (*s != '?') {
            strrchr(u->path, '/')[1] = '\0';
        }
    }
    n = strcspn(s, "#");
    if (strlen(u->path) + n >= sizeof u->path) {
        return false;
    }
    strncat(u->path, s, n);
    return true;
}

/* ---- one connection ---- */

static void tell(int fd)
{
    struct ssl_info i;

    if (verbose && ssl_info(fd, &i) == 0) {
        fprintf(stderr, "* %s, %s, %s\n* certificate for %s, signed with %s%s\n", i.version_name,
                i.suite, i.group, i.verified_name, i.signature, i.resumed ? ", resumed" : "");
    }
}

static void show(char direction, const char *line)
{
    if (verbose) {
        fprintf(stderr, "%c ", direction);
        for (; *line != '\0' && *line != '\r' && *line != '\n'; line++) {
            fputc(isprint((unsigned char)*line) ? *line : '?', stderr); /* it may be anything */
        }
        fputc('\n', stderr);
    }
}

/* Sends all or fails, with SIGPIPE ignored. */
static bool send_all(int fd, const char *p, size_t n)
{
    for (ssize_t k; n > 0; p += k, n -= (size_t)k) {
        if ((k = ssl_write(fd, p, n)) < 0) {
            return false;
        }
    }
    return true;
}

static int ask(const struct url *u, int *fd)
{
    struct timeval minute = { .tv_sec = 60 };
    bool v6 = strchr(u->host, ':') != NULL;
    char request[5120];
    int n;

    *fd = ssl_dial(u->host, u->port);
    if (*fd < 0) {
        return complain(FAILED, "%s: %s", u->host, ssl_error(-1));
    }
    setsockopt(*fd, SOL_SOCKET, SO_RCVTIMEO, &minute, sizeof minute);
    setsockopt(*fd, SOL_SOCKET, SO_SNDTIMEO, &minute, sizeof minute);
    tell(*fd);
    n = snprintf(request, sizeof request,
                 "GET %s HTTP/1.1\r\nHost: %s%s%s%s%s\r\nUser-Agent: sleeve-get\r\n"
                 "Accept: */*\r\nConnection: close\r\n\r\n",
                 u->path, v6 ? "[" : "", u->host, v6 ? "]" : "",
                 strcmp(u->port, "443") == 0 ? "" : ":",
                 strcmp(u->port, "443") == 0 ? "" : u->port);
    for (const char *line = request; *line != '\r'; line = strchr(line, '\n') + 1) {
        show('>', line);
    }
    if (!send_all(*fd, request, (size_t)n)) {
        return complain(FAILED, "%s: %s", u->host, ssl_error(*fd));
    }
    return 0;
}

/* ---- the answer ---- */

static int garbled(FILE *in, const char *what)
{
    if (ferror(in)) {
        const char *why = ssl_error(fileno(in));

        return complain(GARBLED, "%s", errno == EAGAIN ? "no more for a minute" : why);
    }
    return complain(GARBLED, feof(in) ? "the answer is cut short" : "%s", what);
}

/* A line without its end. */
static bool read_line(FILE *in, char line[static LINE])
{
    if (fgets(line, LINE, in) == NULL || !strchr(line, '\n')) {
        return false;
    }
    line[strcspn(line, "\r\n")] = '\0';
    return true;
}

static bool read_field(struct answer *a, char *line)
{
    char *value = strchr(line, ':'), *end;

    if (value == NULL) {
        return false;
    }
    *value++ = '\0';
    value += strspn(value, " \t");
    if (strcasecmp(line, "Content-Length") == 0) {
        long long old = a->length;

        errno = 0;
        a->length = strtoll(value, &end, 10);
        return isdigit((unsigned char)*value) && *end == '\0' && errno == 0 &&
               (old < 0 || old == a->length);
    }
    if (strcasecmp(line, "Transfer-Encoding") == 0) {
        a->chunked = true;
        return strcasecmp(value, "chunked") == 0;
    }
    if (strcasecmp(line, "Location") == 0) {
        snprintf(a->location, sizeof a->location, "%s", value);
    }
    return true;
}

static int read_head(FILE *in, struct answer *a)
{
    char line[LINE];
    int lines = 0;

    do {
        *a = (struct answer){ .length = -1 };
        if (!read_line(in, line) || sscanf(line, "HTTP/1.%*1[01] %3d", &a->status) != 1 ||
            a->status < 100) {
            return garbled(in, "that is not HTTP/1.1");
        }
        show('<', line);
        while (read_line(in, line) && line[0] != '\0') {
            show('<', line);
            if (++lines > 200 || !read_field(a, line)) {
                return garbled(in, "a line in the head makes no sense");
            }
        }
        if (line[0] != '\0' || feof(in) || ferror(in)) {
            return garbled(in, "a line in the head is too long");
        }
    } while (a->status < 200); /* more is to come */
    return 0;
}

/* n bytes; n < 0: all that come. */
static int copy(FILE *in, FILE *out, long long n)
{
    char buf[16384];

    while (n != 0) {
        size_t want = n < 0 || n > (long long)sizeof buf ? sizeof buf : (size_t)n;
        size_t got = fread(buf, 1, want, in);

        if (fwrite(buf, 1, got, out) < got) {
            return complain(DISK, "%s: %s", output ? output : "output", strerror(errno));
        }
        if (got < want && (n >= 0 || ferror(in))) {
            return garbled(in, "");
        }
        if (got < want) {
            return 0;
        }
        n -= n < 0 ? 0 : (long long)got;
    }
    return 0;
}

static int copy_chunks(FILE *in, FILE *out)
{
    char line[LINE];
    long long size;
    int rc = 0;

    do {
        size_t digits = read_line(in, line) ? strspn(line, "0123456789abcdefABCDEF") : 0;

        if (digits == 0 || digits > 15 || !strchr("; \t", line[digits])) {
            return garbled(in, "the size of a chunk makes no sense");
        }
        size = strtoll(line, NULL, 16);
        rc = copy(in, out, size);
        if (rc == 0 && size > 0 && (!read_line(in, line) || line[0] != '\0')) {
            return garbled(in, "a chunk has another size than it says");
        }
    } while (rc == 0 && size > 0);
    while (rc == 0 && read_line(in, line) && line[0] != '\0') { /* fields behind the body */
    }
    return rc == 0 && (feof(in) || ferror(in)) ? garbled(in, "") : rc;
}

static int save(FILE *in, const struct answer *a)
{
    FILE *out = output ? fopen(output, "w") : stdout;
    struct stat st;
    int rc;

    if (out == NULL) {
        return complain(DISK, "%s: %s", output, strerror(errno));
    }
    rc = a->status == 204 || a->status == 304 ? 0
         : a->chunked                         ? copy_chunks(in, out)
                                              : copy(in, out, a->length);
    if (fflush(out) != 0 && rc == 0) {
        rc = complain(DISK, "%s: %s", output ? output : "output", strerror(errno));
    }
    if (rc != 0 && output && fstat(fileno(out), &st) == 0 && S_ISREG(st.st_mode)) {
        remove(output); /* half a file; not a device */
    }
    if (output) {
        fclose(out);
    }
    return rc;
}

static int get(struct url *u, bool *again)
{
    struct answer a;
    FILE *in = NULL;
    int fd = -1, rc = ask(u, &fd);

    *again = false;
    if (rc == 0 && (in = ssl_fdopen(fd, "r")) == NULL) {
        rc = complain(FAILED, "%s", strerror(errno));
    }
    if (rc == 0) {
        rc = read_head(in, &a);
    }
    if (rc == 0 && a.status > 300 && a.status < 400 && a.status != 304 && a.location[0] != '\0') {
        *again = true;
        rc = parse_url(u, a.location) ? 0 : complain(REFUSED, "will not go to %s", a.location);
    } else if (rc == 0) {
        rc = save(in, &a);
        if (rc == 0 && a.status >= 300) {
            rc = complain(REFUSED, "%s: status %d", u->host, a.status);
        }
    }
    if (in != NULL) {
        fclose(in);
    } else if (fd >= 0) {
        ssl_close(fd);
    }
    return rc;
}

static int usage(FILE *to)
{
    fprintf(to, "usage: get [-v] [-o FILE] [--ca FILE] URL\n");
    return to == stdout ? 0 : USAGE;
}

int main(int argc, char **argv)
{
    static const struct option options[] = { { "ca", required_argument, NULL, 'c' },
                                             { "output", required_argument, NULL, 'o' },
                                             { "verbose", no_argument, NULL, 'v' },
                                             { "help", no_argument, NULL, 'h' },
                                             { 0 } };
    struct url u = { 0 };
    bool again = true;
    int rc = 0;

    for (int c; (c = getopt_long(argc, argv, "o:v", options, NULL)) != -1;) {
        if (c == 'o') {
            output = optarg;
        } else if (c == 'v') {
            verbose = true;
        } else if (c != 'c') {
            return usage(c == 'h' ? stdout : stderr);
        } else if (ssl_setsockopt(SSL_DEFAULTS, SOL_SSL, SSL_OPT_CA_FILE, optarg,
                                  (socklen_t)strlen(optarg)) < 0) {
            return complain(USAGE, "--ca %s: %s", optarg, ssl_error(-1));
        }
    }
    if (optind != argc - 1) {
        return usage(stderr);
    }
    if (!parse_url(&u, argv[optind])) {
        return complain(USAGE, "%s: not an https URL", argv[optind]);
    }
    signal(SIGPIPE, SIG_IGN);
    for (int hops = 0; rc == 0 && again; hops++) {
        rc = hops > HOPS ? complain(REFUSED, "more than %d redirections", HOPS) : get(&u, &again);
    }
    return rc;
}
