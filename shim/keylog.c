/* SPDX-License-Identifier: ISC */
/* The secrets of connections, for those who debug them. */
#include "shim/keylog.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "base/secret.h"
#include "shim/shim.h"

/* Opened for each line: the program may close or change whatever it finds between two of them. One
 * write() for each: threads and processes may share the file. */
void keylog_append(void *path, const char *line)
{
    const int saved = errno;
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NOFOLLOW, 0600);
    char text[512];
    int n = snprintf(text, sizeof text, "%s\n", line);

    if (fd >= 0 && n > 0 && (size_t)n < sizeof text) {
        struct unheard u;

        unheard_begin(&u);
        unheard_end(&u, sys.write(fd, text, (size_t)n) < 0 ? errno : 0);
    }
    wipe(text, sizeof text);
    if (fd >= 0) {
        sys.close(fd);
    }
    errno = saved;
}
