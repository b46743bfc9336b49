/* SPDX-License-Identifier: ISC */
/* Files and directories of certificates, keys and CRLs. */
#include "base/options.h"

#ifdef PS_USE_FILE_SYSTEM
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "x509/parts.h"

#define FILE_MAX ((size_t)16 << 20)

/* Everything into out; 0, or an errno value. No stdio: its buffer would hold a copy of a key that
 * nobody wipes, and its memory is not the engine's. */
static int read_all(int fd, struct buf *out)
{
    ssize_t got = 1;

    while (got) {
        if (buf_len(out) > FILE_MAX) {
            return EFBIG;
        }
        if (buf_reserve(out, 4096) < 0) {
            return ENOMEM;
        }
        got = read(fd, buf_tail(out), out->cap - out->end);
        if (got < 0 && errno != EINTR) {
            return errno;
        }
        buf_added(out, got > 0 ? (size_t)got : 0);
    }
    return 0;
}

static int unreadable(const char *path, int why, struct error *err)
{
    const int rc = why == ENOMEM ? ERR_MEM : ERR_FILE;

    (void)FAIL(err, rc, "cannot read %.100s: %s", path, strerror(why));
    errno = why;
    return rc;
}

int file_read(const char *path, struct buf *out, struct error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    int failed = errno;

    if (fd >= 0) {
        failed = read_all(fd, out);
        (void)close(fd);
    }
    if (failed) {
        buf_free(out);
        return unreadable(path, failed, err);
    }
    return 0;
}

FILE *file_append(const char *path)
{
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0600);
    FILE *f = fd < 0 ? NULL : fdopen(fd, "a");
    int failed = errno;

    if (fd >= 0 && !f) {
        (void)close(fd);
        errno = failed;
    }
    return f;
}

static int each_file(const char *path, void *ctx, bytes_fn *add, struct error *err)
{
    struct buf bytes = { 0 };
    struct error why;
    int rc;

    error_clear(&why);
    TRY(file_read(path, &bytes, err));
    rc = add(ctx, buf_span(&bytes), &why);
    buf_free(&bytes);
    return rc < 0 ? FAIL(err, rc, "%.100s: %s", path, why.text) : rc;
}

/* In a directory for many some files may be not for us. What else cannot be read may be so the next
 * time, when there are descriptors again: a CRL that is not there revokes nothing. */
static bool is_not_for_us(int why)
{
    return why == ENOENT || why == ELOOP || why == ENOTDIR || why == EACCES || why == EPERM ||
           why == EFBIG;
}

/* What is of use in the entry. Links are followed; what would block, like a fifo, is not opened. */
static int entry_each(const char *path, void *ctx, bytes_fn *add, struct error *err)
{
    struct error why;
    struct stat st;
    int rc = 0, failed = 0;

    error_clear(&why);
    if (stat(path, &st) < 0) {
        failed = errno;
    } else if (S_ISREG(st.st_mode)) {
        rc = each_file(path, ctx, add, &why);
        failed = rc == ERR_FILE ? errno : rc == ERR_MEM ? ENOMEM : 0;
    }
    if (failed) {
        return is_not_for_us(failed) ? 0 : unreadable(path, failed, err);
    }
    return rc > 0 ? rc : 0;
}

static int each_in_directory(const char *path, void *ctx, bytes_fn *add, struct error *err)
{
    DIR *dir = opendir(path);
    struct dirent *entry = NULL;
    char file[4096];
    int read = 0, rc = 0, failed = 0;

    if (!dir) {
        return unreadable(path, errno, err);
    }
    do {
        int n = 0;

        errno = 0;
        entry = readdir(dir);
        if (entry) {
            n = snprintf(file, sizeof file, "%s/%s", path, entry->d_name);
        } else if (errno) {
            rc = unreadable(path, errno, err);
        }
        if (n > 0 && (size_t)n < sizeof file) {
            rc = entry_each(file, ctx, add, err);
            read += rc > 0 ? rc : 0;
        }
    } while (entry && rc >= 0);
    failed = errno;
    (void)closedir(dir);
    errno = failed;
    if (rc < 0) {
        return rc;
    }
    return read ? read : FAIL(err, ERR_PARSE, "nothing of use in the directory %.100s", path);
}

int path_each(const char *file_or_dir, void *ctx, bytes_fn *add, struct error *err)
{
    struct stat st;

    if (stat(file_or_dir, &st) < 0) {
        return unreadable(file_or_dir, errno, err);
    }
    return S_ISDIR(st.st_mode) ? each_in_directory(file_or_dir, ctx, add, err)
                               : each_file(file_or_dir, ctx, add, err);
}
#endif
