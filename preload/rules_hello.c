/* SPDX-License-Identifier: ISC */
/* The sign of life of the library to `sleeve run`: SLEEVE_HELLO=FD:PID:SKIP. FD is a pipe that
 * outlives exec, PID the only process that may speak, SKIP how many programs may first run dormant
 * on the way (env, in a script's first line). One byte: '+' listed, '0' dormant, '-' broken, then a
 * sentence and its NUL. */
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "preload/rules_parts.h"

static bool field(char **at, char stop, int *out)
{
    char *end;
    long v = strtol(*at, &end, 10);

    if (end == *at || *end != stop || v < 0 || v > INT32_MAX) {
        return false;
    }
    *out = (int)v;
    *at = end + 1;
    return true;
}

static void tell(int fd, char state, const char *sentence)
{
    char text[512];
    size_t n = sentence ? strnlen(sentence, sizeof text - 2) : 0, done = 0;

    text[0] = state;
    if (n) {
        memcpy(text + 1, sentence, n);
    }
    text[n + 1] = '\0';
    while (done < n + 2) {
        ssize_t w = write(fd, text + done, n + 2 - done);

        if (w > 0) {
            done += (size_t)w;
        } else if (w == 0 || errno != EINTR) {
            return; /* the watcher is gone, or will not be content */
        }
    }
}

int hello_send(int state, const char *sentence)
{
    char *value = env_edit("SLEEVE_HELLO"), *at = value;
    int fd, pid, skip, saved = errno, told = 0;
    struct stat st;

    if (!value) {
        return 0;
    }
    if (!field(&at, ':', &fd) || !field(&at, ':', &pid) || !field(&at, '\0', &skip) ||
        pid != (int)getpid() || fstat(fd, &st) < 0 || !S_ISFIFO(st.st_mode)) {
        env_remove("SLEEVE_HELLO"); /* inherited by accident, or not from us */
        errno = saved;
        return 0;
    }
    if (state == 0 && skip > 0) {
        /* The next program of this process speaks. SKIP has one digit, the last character. */
        value[strlen(value) - 1]--;
    } else {
        tell(fd, state > 0 ? '+' : state == 0 ? '0' : '-', sentence);
        close(fd);
        env_remove("SLEEVE_HELLO");
        told = 1;
    }
    errno = saved;
    return told;
}
