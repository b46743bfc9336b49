/* SPDX-License-Identifier: ISC */
/* Reading configuration files. They decide what leaves in the clear, so only files that nobody but
 * root or the caller can change are believed. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"
#include "shim/ini.h"

#define FILES_MAX 256

static int owner_check(const struct stat *st, const char *path, struct error *err)
{
    if (ini_is_foreign(st)) {
        return FAIL(err, ERR_FILE, "%s belongs to user %u: it must belong to root or to you", path,
                    (unsigned)st->st_uid);
    }
    if (ini_is_open(st)) {
        return FAIL(err, ERR_FILE, "%s can be written by others: chmod go-w it", path);
    }
    return 0;
}

static int fd_text(int fd, const char *path, size_t size, struct buf *text, struct error *err)
{
    ssize_t n;

    if (buf_reserve(text, size + 2) < 0) {
        return FAIL(err, ERR_MEM, "out of memory");
    }
    do {
        n = sys.read(fd, buf_tail(text), size + 1 - buf_len(text));
        if (n > 0) {
            buf_added(text, (size_t)n);
        }
    } while ((n > 0 && buf_len(text) <= size) || (n < 0 && errno == EINTR));
    if (n < 0) {
        return FAIL(err, ERR_FILE, "%s: %s", path, strerror(errno));
    }
    if (buf_len(text) > size) {
        return FAIL(err, ERR_FILE, "%s changed while it was read", path);
    }
    if (memchr(buf_data(text), '\0', buf_len(text))) {
        return FAIL(err, ERR_PARSE, "%s is not a text file", path);
    }
    *buf_tail(text) = '\0';
    return 0;
}

static int one_file(const char *path, int (*fn)(void *, const char *, const char *), void *ctx,
                    struct error *err)
{
    struct buf text = { 0 };
    struct stat st;
    int fd, rc;

    /* O_NONBLOCK: a FIFO in its place must not stop the program. */
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0 || fstat(fd, &st) < 0) {
        rc = FAIL(err, ERR_FILE, "%s: %s", path, strerror(errno));
    } else if (!S_ISREG(st.st_mode)) {
        rc = FAIL(err, ERR_FILE, "%s is not a file", path);
    } else if (st.st_size > INI_FILE_MAX) {
        rc = FAIL(err, ERR_LIMIT, "%s is larger than 1 MiB", path);
    } else {
        rc = owner_check(&st, path, err);
    }
    if (rc == 0) {
        rc = fd_text(fd, path, (size_t)st.st_size, &text, err);
    }
    if (rc == 0) {
        rc = fn(ctx, path, (const char *)buf_data(&text));
    }
    if (fd >= 0) {
        sys.close(fd);
    }
    buf_free(&text);
    return rc;
}

static int name_order(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static int conf_names(const char *path, char **names, size_t *n, struct error *err)
{
    DIR *d = opendir(path);
    struct dirent *e;
    int rc = 0;

    if (!d) {
        return FAIL(err, ERR_FILE, "%s: %s", path, strerror(errno));
    }
    while (rc == 0 && (e = readdir(d)) != NULL) {
        size_t len = strlen(e->d_name);

        if (!ini_is_conf(e->d_name)) {
            continue;
        }
        if (*n == FILES_MAX) {
            rc = FAIL(err, ERR_LIMIT, "%s holds more than %d files", path, FILES_MAX);
        } else if (!(names[*n] = mem_alloc(strlen(path) + len + 2))) {
            rc = FAIL(err, ERR_MEM, "out of memory");
        } else {
            (void)sprintf(names[(*n)++], "%s/%s", path, e->d_name);
        }
    }
    closedir(d);
    return rc;
}

int ini_files(const char *path, int (*fn)(void *ctx, const char *path, const char *text), void *ctx,
              struct error *err)
{
    char **names;
    struct stat st;
    size_t n = 0;
    int rc;

    if (stat(path, &st) < 0) {
        return FAIL(err, ERR_FILE, "%s: %s", path, strerror(errno));
    }
    if (!S_ISDIR(st.st_mode)) {
        return one_file(path, fn, ctx, err);
    }
    TRY(owner_check(&st, path, err)); /* who can take a file away can take its rules away */
    names = mem_zalloc(FILES_MAX * sizeof *names);
    if (!names) {
        return FAIL(err, ERR_MEM, "out of memory");
    }
    rc = conf_names(path, names, &n, err);
    if (rc == 0 && n == 0) {
        rc = FAIL(err, ERR_FILE, "%s holds no *.conf file", path);
    }
    qsort(names, n, sizeof *names, name_order);
    for (size_t i = 0; i < n; i++) {
        if (rc == 0) {
            rc = one_file(names[i], fn, ctx, err);
        }
        mem_free(names[i]);
    }
    mem_free(names);
    return rc;
}
