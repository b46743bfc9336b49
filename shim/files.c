/* SPDX-License-Identifier: ISC */
/* Have files changed? Told by what stat() says of them; a directory by what it says of all that is
 * in it. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>

#include "base/mem.h"
#include "shim/reload.h"
#include "x509/x509.h"

/* File systems count time in steps, from milliseconds to 2 seconds: a file that is written a second
 * time within one looks the same. */
#define STEP_S 2

struct stamp {
    uint64_t sum;
    bool there, young, odd;
};
struct noted {
    char *path;
    struct stamp stamp;
};

static uint64_t mix(uint64_t sum, const void *p, size_t n)
{
    const uint8_t *b = p;

    for (size_t i = 0; i < n; i++) {
        sum = (sum ^ b[i]) * 0x100000001b3u; /* FNV-1a */
    }
    return sum;
}

/* ctime beside mtime: rights that change, and writers that put mtime back. */
static void add_stat(struct stamp *s, const struct stat *st, const char *name)
{
    const int64_t facts[] = { (int64_t)st->st_dev,  (int64_t)st->st_ino,
                              (int64_t)st->st_size, (int64_t)st->st_mtim.tv_sec,
                              st->st_mtim.tv_nsec,  (int64_t)st->st_ctim.tv_sec,
                              st->st_ctim.tv_nsec };
    int64_t age = (int64_t)time(NULL) - (int64_t)st->st_ctim.tv_sec;

    /* A sum: the order in a directory does not matter. */
    s->sum += mix(mix(0xcbf29ce484222325u, facts, sizeof facts), name, strlen(name));
    s->young = s->young || (age <= STEP_S && age >= -STEP_S);
}

static void add_directory(struct stamp *s, const char *path)
{
    DIR *dir = opendir(path);
    struct dirent *entry;
    struct stat st;

    while (dir && (entry = readdir(dir)) != NULL) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
            fstatat(dirfd(dir), entry->d_name, &st, 0) == 0) {
            add_stat(s, &st, entry->d_name);
        }
    }
    if (dir) {
        closedir(dir);
    }
}

static struct stamp stamp_of(const char *path)
{
    struct stamp s = { 0 };
    struct stat st;

    if (stat(path, &st) != 0) {
        s.sum = (uint64_t)errno;
        return s;
    }
    s.there = true;
    if (S_ISDIR(st.st_mode)) {
        add_stat(&s, &st, "");
        add_directory(&s, path);
    } else if (S_ISREG(st.st_mode)) {
        add_stat(&s, &st, "");
    } else {
        s.odd = true;
    }
    return s;
}

static int note_path(struct files *f, const char *path)
{
    struct stamp now = stamp_of(path);
    struct noted *more;

    for (size_t i = 0; i < f->n; i++) {
        if (strcmp(f->list[i].path, path) == 0) {
            return now.there; /* the older stamp: what came in between is a change */
        }
    }
    more = mem_alloc((f->n + 1) * sizeof *more);
    if (!more) {
        return ERR_MEM;
    }
    if (f->n) {
        memcpy(more, f->list, f->n * sizeof *more);
    }
    more[f->n].stamp = now;
    more[f->n].path = mem_strdup(path);
    if (!more[f->n].path) {
        mem_free(more);
        return ERR_MEM;
    }
    mem_free(f->list);
    f->list = more;
    f->n++;
    f->pinned = f->pinned || now.odd;
    return now.there;
}

int files_note(struct files *f, const char *where)
{
    char *path = NULL;
    int rc = 0;

    if (is_uri(where)) {
        rc = where_is_file(where) ? uri_path(&path, where, NULL) : ERR_ARG;
    }
    rc = rc == 0 ? note_path(f, path ? path : where) : rc;
    mem_free(path);
    return rc == ERR_ARG ? 0 : rc; /* it is no file's */
}

void files_free(struct files *f)
{
    for (size_t i = 0; i < f->n; i++) {
        mem_free(f->list[i].path);
    }
    mem_free(f->list);
    *f = (struct files){ 0 };
}

enum changed files_changed(const struct files *f, const char **culprit)
{
    enum changed all = FILES_SAME;

    for (size_t i = 0; i < f->n; i++) {
        struct stamp now = stamp_of(f->list[i].path);

        if (now.odd) {
            *culprit = f->list[i].path;
            return FILES_ODD;
        }
        if (now.sum != f->list[i].stamp.sum) {
            all = FILES_OTHER;
        } else if (f->list[i].stamp.young && all == FILES_SAME) {
            all = FILES_YOUNG;
        }
    }
    return all;
}

const char *files_path(const struct files *f, size_t i)
{
    return i < f->n ? f->list[i].path : NULL;
}
