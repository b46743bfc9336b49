/* SPDX-License-Identifier: ISC */
/* Configurations that are made of files, and made anew when the files change. Looked at when
 * somebody asks for one, at most once a second, without a thread. What was made last serves until
 * something better was: files that are missing, half written or do not fit together change nothing
 * but reload_problem().
 *
 * reload_get() takes no lock; who comes while another one looks gets what there is. After fork() in
 * whatever moment the child goes on by itself. */
#ifndef SHIM_RELOAD_H
#define SHIM_RELOAD_H
#include <stdatomic.h>
#include <sys/types.h>

#include "config.h"

#define RELOAD_TEXT 256 /* of a sentence, with its NUL */

/* ---- files.c: what was read, as it was before it was read ---- */
struct files {
    struct noted *list;
    size_t n;
    bool pinned; /* one is a pipe or the like: it can be read only once */
};
/* Call it before the file, the directory, or what is at the URI is read; one that is noted already
 * may be noted again. 1 it is there, 0 it is not, or ERR_MEM. Of URIs, files are looked at only. */
int files_note(struct files *f, const char *where) MUST_CHECK;
void files_free(struct files *f);
enum changed {
    FILES_SAME,
    FILES_YOUNG, /* the same to all appearances, but written moments before they were noted */
    FILES_OTHER,
    FILES_ODD, /* one is no file any more: reading it might take for ever */
};
/* culprit: with FILES_ODD which one. Valid as long as f is. */
enum changed files_changed(const struct files *f, const char **culprit);
/* The i-th path; NULL when there is no i-th. */
const char *files_path(const struct files *f, size_t i);

/* ---- trusts.c ---- */
/* The anchors of a file or directory, or with "system" (NULL) those of the machine: parsed once and
 * shared by all who ask until the files change, which are noted in f. A reference. 0 or as
 * trust_add_path(). */
int shared_trust(const char *path, struct files *f, struct trust **out,
                 struct error *err) MUST_CHECK;

/* ---- reload.c ---- */
struct reload {
    _Atomic(struct version *) now;
    _Atomic unsigned readers; /* who may hold a version without a reference to what is in it */
    _Atomic int64_t next;     /* monotonic milliseconds: not looked at before */
    _Atomic pid_t looker;     /* the process in which a thread is looking, or was at a fork */
};
struct reload_how {
    /* Makes a sealed configuration; notes every file in f before it reads it. */
    int (*make)(void *ctx, struct files *f, struct config **out, struct error *err);
    /* Once for each change: the files are in use, or why not. */
    void (*say)(void *ctx, bool good, const char *sentence);
    void *ctx;
    bool once; /* nothing is ever looked at again */
};
/* A reference; NULL: the first one could not be made, *err and errno say why. */
struct config *reload_get(struct reload *r, const struct reload_how *how, struct error *err);
/* The first one, made elsewhere: takes over c and what is in f. 0 or ERR_MEM. */
int reload_begin(struct reload *r, struct config *c, struct files *f) MUST_CHECK;
/* Why what serves is older than its files; false: it is not. */
bool reload_problem(struct reload *r, char text[static RELOAD_TEXT]);
/* The i-th file that is looked at; NULL when there is no i-th. Not while others use r. */
const char *reload_file(struct reload *r, size_t i);
/* Nobody uses r any more; it is as new. */
void reload_free(struct reload *r);
#endif
