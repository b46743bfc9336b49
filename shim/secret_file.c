/* SPDX-License-Identifier: ISC */
#include "shim/secret_file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shim/shim.h"
#include "shim/sys.h"

static int no_file(struct error *err, const char *path, int why)
{
    (void)FAIL(err, ERR_FILE, "cannot read %.100s: %s", path, strerrordesc_np(why));
    errno = why;
    return ERR_FILE;
}

int secret_file_read(const char *path, struct buf *out, struct error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK), rc = 0, why = errno;
    struct stat st;
    ssize_t n = 1;

    if (fd < 0) {
        return no_file(err, path, why);
    }
    out->secret = true;
    if (fstat(fd, &st) != 0) {
        rc = no_file(err, path, errno);
    } else if (!S_ISREG(st.st_mode)) {
        rc = no_file(err, path, EINVAL);
    } else if (st.st_mode & (S_IRWXO | S_IWGRP)) {
        rc = FAIL(err, ERR_FILE, "%.100s: others may read or write it", path);
        errno = EACCES;
    }
    while (rc == 0 && n > 0) {
        rc = buf_reserve(out, 256);
        n = rc == 0 ? sys.read(fd, buf_tail(out), 256) : 0;
        if (n > 0) {
            buf_added(out, (size_t)n);
        } else if (n < 0 && errno == EINTR) {
            n = 1;
        } else if (n < 0) {
            rc = no_file(err, path, errno);
        } else if (rc == ERR_LIMIT) {
            rc = FAIL(err, ERR_PARSE, "%.100s: too long: more than %zu bytes", path, out->max);
        }
    }
    why = errno;
    (void)sys.close(fd);
    errno = why;
    return rc;
}
