/* SPDX-License-Identifier: ISC */
/* The environment that a program was started with. The first line is what comes behind the
 * descriptor in SLEEVE_HELLO (a \v in it is the process id), the others are variables: a sentence
 * is told whole and once, or not at all; what is found is what the first of a name says. */
#include <fcntl.h>
#include <unistd.h>

#include "preload/rules_parts.h"
#include "tests/fuzz/party.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define VARIABLES 32
#define SENTENCE  "it is so"

/* "SLEEVE_HELLO=FD" and the line; a descriptor of our own, and no other. */
static char *hello_of(int fd, const char *line)
{
    char *text = malloc(64 + 12 * strlen(line)), *to = text;

    sure(text != NULL);
    to += sprintf(to, "SLEEVE_HELLO=%d%s", fd, *line >= '0' && *line <= '9' ? ":" : "");
    for (; *line; line++) {
        to += *line == '\v' ? sprintf(to, "%d", (int)getpid()) : sprintf(to, "%c", *line);
    }
    return text;
}

static void say_hello(const int ends[static 2], int state)
{
    const int skip = env_get("SLEEVE_HELLO") ? atoi(strrchr(env_get("SLEEVE_HELLO"), ':')
                                                        ? strrchr(env_get("SLEEVE_HELLO"), ':') + 1
                                                        : "0")
                                             : 0;
    const int told = hello_send(state, SENTENCE);
    char heard[64];
    const ssize_t n = read(ends[0], heard, sizeof heard);

    if (told) {
        sure(n == sizeof SENTENCE + 1 && strcmp(heard + 1, SENTENCE) == 0);
        sure(heard[0] == (state > 0 ? '+' : state == 0 ? '0' : '-') && (state != 0 || skip <= 0));
        sure(!env_get("SLEEVE_HELLO") && read(ends[0], heard, sizeof heard) == 0);
    } else {
        sure(n < 0); /* nothing, and it is open */
        sure(!env_get("SLEEVE_HELLO") || (state == 0 && skip > 0));
    }
}

/* What the variables say, read another way. */
static const char *first_of(char *const *vars, const char *name)
{
    const size_t n = strlen(name);

    for (; *vars; vars++) {
        if (strncmp(*vars, name, n) == 0 && (*vars)[n] == '=') {
            return *vars + n + 1;
        }
    }
    return NULL;
}

static void find_sources(char *const *vars)
{
    const char *off = first_of(vars, "SLEEVE_OFF"), *rules = first_of(vars, "SLEEVE_RULES");
    const char *config = first_of(vars, "SLEEVE_CONFIG");
    struct sources s;

    sources_find(&s);
    sure(s.off == (off && *off && strcmp(off, "0") != 0));
    sure(rules && *rules ? s.rules == rules : !s.rules);
    sure(!config || !*config || s.path == config);
    sure(!s.path || s.path != s.buf || memchr(s.buf, '\0', sizeof s.buf));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1), *at = text, *vars[VARIABLES + 2] = { NULL }, *hello;
    int ends[2];
    size_t n = 0;

    sure(text && pipe2(ends, O_CLOEXEC | O_NONBLOCK) == 0);
    if (size) {
        memcpy(text, data, size);
    }
    text[size] = '\0';
    hello = hello_of(ends[1], strsep(&at, "\n"));
    while (at && n < VARIABLES) {
        vars[n++] = strsep(&at, "\n");
    }
    vars[n] = hello; /* unless there is one before it */
    if (first_of(vars, "SLEEVE_HELLO") != hello + strlen("SLEEVE_HELLO=")) {
        n = 0;
        vars[0] = hello;
        vars[1] = NULL;
    }
    policy_environment(vars);
    find_sources(vars);
    for (int round = 0; round < 3 && env_get("SLEEVE_HELLO"); round++) {
        say_hello(ends, size % 3 == 0 ? 1 : size % 3 == 1 ? 0 : -1);
    }
    policy_environment(NULL);
    (void)close(ends[0]);
    if (fcntl(ends[1], F_GETFD) >= 0) {
        (void)close(ends[1]);
    }
    free(hello);
    free(text);
    return 0;
}
