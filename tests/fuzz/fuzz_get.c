/* SPDX-License-Identifier: ISC */
/* What examples/get is told: the first line is a URL and, where the first byte is a \v, the second
 * one that it is sent on to; the rest is what a server answers. */
int get_main(int argc, char **argv);
#define main get_main
#include "examples/get.c" /* NOLINT(bugprone-suspicious-include): the same as there */
#undef main

#include <stdint.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    stdout = stderr = fopen("/dev/null", "w");
    return stdout ? 0 : -1;
}

static void insist(bool good)
{
    if (!good) {
        abort();
    }
}

/* The host is what stands between "//" and the next of these, whatever tricks are in there. */
static void check_url(const struct url *u, const char *text)
{
    insist(u->host[0] && u->port[0] && u->path[0] == '/' && strlen(u->path) < sizeof u->path);
    insist(strpbrk(u->host, "/?#@ ") == NULL && strpbrk(u->path, "# \r\n") == NULL);
    insist(u->port[strspn(u->port, "0123456789")] == '\0');
    if (strncasecmp(text, "https://", 8) == 0) {
        text += 8 + (text[8] == '[');
        insist(strncmp(text, u->host, strlen(u->host)) == 0 &&
               strchr(":/?#]", text[strlen(u->host)]));
    }
}

static char *next_line(const uint8_t **data, size_t *size)
{
    const uint8_t *end = *size ? memchr(*data, '\n', *size) : NULL;
    size_t n = end ? (size_t)(end - *data) : *size;
    char *line = strndup(*size ? (const char *)*data : "", n);

    insist(line != NULL);
    *size -= end ? n + 1 : n;
    *data += end ? n + 1 : n;
    return line;
}

static void answered(const uint8_t *data, size_t size)
{
    FILE *in = size ? fmemopen((void *)(uintptr_t)data, size, "r") : NULL;
    struct answer a;

    if (in == NULL) {
        return;
    }
    if (read_head(in, &a) == 0) {
        insist(a.status >= 200 && a.status <= 999 && a.length >= -1);
        insist(memchr(a.location, '\0', sizeof a.location) != NULL);
        insist(save(in, &a) >= 0);
    }
    fclose(in);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct url u = { .host = "" };
    char *line = next_line(&data, &size), *on = NULL;

    if (parse_url(&u, line[0] == '\v' ? line + 1 : line)) {
        check_url(&u, line[0] == '\v' ? line + 1 : line);
        if (line[0] == '\v') {
            on = next_line(&data, &size);
            if (parse_url(&u, on)) {
                check_url(&u, on);
            }
        }
    }
    answered(data, size);
    free(line);
    free(on);
    return 0;
}
