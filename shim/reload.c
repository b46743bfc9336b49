/* SPDX-License-Identifier: ISC */
/* One version after the other. A version is made, put in its place by one store, and never changed
 * again: at whatever moment the process forks, the child has a whole one. */
#include "shim/reload.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "base/mem.h"
#include "shim/conn.h"

#define LOOK_MS 1000

struct version {
    struct config *config;
    struct files files;        /* as they were when this was made, or tried */
    char problem[RELOAD_TEXT]; /* "": made of these files; else the config is an older one's */
    bool odd;                  /* the problem is that one is no file any more */
    struct version *older;     /* given up as soon as nobody can be reading them */
};

static void free_versions(struct version *v)
{
    while (v) {
        struct version *older = v->older;

        config_unref(v->config);
        files_free(&v->files);
        mem_free(v);
        v = older;
    }
}

void reload_free(struct reload *r)
{
    free_versions(atomic_exchange(&r->now, NULL));
}

/* Between these two *now is not given up. Readers that come after the store of a new version see
 * that one, so when there are none after it, nobody has an older one. */
static struct version *read_begin(struct reload *r)
{
    atomic_fetch_add(&r->readers, 1);
    return atomic_load(&r->now);
}

static void read_end(struct reload *r)
{
    atomic_fetch_sub(&r->readers, 1);
}

static struct version *version_new(struct config *c, struct files *f)
{
    struct version *v = mem_zalloc(sizeof *v);

    if (!v) {
        config_unref(c);
        files_free(f);
        return NULL;
    }
    v->config = c;
    v->files = *f;
    *f = (struct files){ 0 };
    return v;
}

static int first(struct reload *r, struct version *v)
{
    struct version *none = NULL;

    if (!v) {
        return ERR_MEM;
    }
    atomic_store(&r->next, now_ms() + LOOK_MS);
    if (!atomic_compare_exchange_strong(&r->now, &none, v)) {
        free_versions(v); /* another thread was first */
    }
    return 0;
}

int reload_begin(struct reload *r, struct config *c, struct files *f)
{
    return first(r, version_new(c, f));
}

static int make_first(struct reload *r, const struct reload_how *how, struct error *err)
{
    struct files f = { 0 };
    struct config *c = NULL;
    sigset_t signals;
    int rc, cancel;

    calm(&signals, &cancel);
    errno = 0;
    rc = how->make(how->ctx, &f, &c, err);
    if (rc < 0) {
        files_free(&f);
    } else {
        rc = first(r, version_new(c, &f));
    }
    uncalm(&signals, cancel);
    if (rc < 0) {
        error_set(err, rc, __func__, "%s", error_name(rc));
        errno = rc == ERR_FILE && errno ? errno : errno_of(err);
    }
    return rc;
}

/* ---- looking ---- */

/* The one that looks; nobody but it stores versions. */
static void put(struct reload *r, struct version *old, struct version *v)
{
    v->older = old;
    atomic_store(&r->now, v);
}

static void give_up_old(struct reload *r)
{
    struct version *v = atomic_load(&r->now), *old = v->older;

    if (old && atomic_load(&r->readers) == 0) {
        v->older = NULL;
        free_versions(old);
    }
}

static void again(struct reload *r, const struct reload_how *how, struct version *old,
                  enum changed changed, const char *culprit)
{
    struct files f = { 0 };
    struct config *c = NULL;
    struct error err;
    struct version *v;
    bool news;
    int rc;

    error_clear(&err);
    if (changed == FILES_ODD) {
        rc = FAIL(&err, ERR_FILE, "%.100s is not a file", culprit);
    } else {
        rc = how->make(how->ctx, &f, &c, &err);
    }
    if (changed == FILES_ODD) {
        for (size_t i = 0; i < old->files.n; i++) {
            if (files_note(&f, files_path(&old->files, i)) < 0) {
                break; /* then fewer of them are watched */
            }
        }
        f.pinned = false; /* it was none when we began: it may become a file again */
    }
    v = version_new(rc < 0 ? config_ref(old->config) : c, &f);
    if (!v) {
        return; /* next time */
    }
    if (rc < 0) {
        (void)snprintf(v->problem, sizeof v->problem, "%s", err.code ? err.text : error_name(rc));
    }
    v->odd = changed == FILES_ODD;
    news = changed != FILES_YOUNG || strcmp(v->problem, old->problem) != 0;
    put(r, old, v);
    if (news && how->say) {
        how->say(how->ctx, rc >= 0, rc < 0 ? v->problem : "changed files were read again");
    }
}

static void look(struct reload *r, const struct reload_how *how)
{
    pid_t us = getpid(), busy = atomic_load(&r->looker);
    struct version *v;
    const char *culprit = NULL;
    enum changed changed;
    sigset_t signals;
    int cancel, saved = errno;

    calm(&signals, &cancel);
    if (busy != us && !fork_vforked() && atomic_compare_exchange_strong(&r->looker, &busy, us)) {
        if (now_ms() >= atomic_load(&r->next)) {
            v = atomic_load(&r->now);
            changed = v->files.pinned ? FILES_SAME : files_changed(&v->files, &culprit);
            if (changed != FILES_SAME && !(changed == FILES_ODD && v->odd)) {
                again(r, how, v, changed, culprit);
            }
            give_up_old(r);
            atomic_store(&r->next, now_ms() + LOOK_MS);
        }
        atomic_store(&r->looker, 0);
    }
    uncalm(&signals, cancel);
    errno = saved;
}

struct config *reload_get(struct reload *r, const struct reload_how *how, struct error *err)
{
    struct config *c;

    if (!atomic_load(&r->now)) {
        if (make_first(r, how, err) < 0) {
            return NULL;
        }
    } else if (!how->once && now_ms() >= atomic_load(&r->next)) {
        look(r, how);
    }
    c = config_ref(read_begin(r)->config);
    read_end(r);
    return c;
}

bool reload_problem(struct reload *r, char text[static RELOAD_TEXT])
{
    struct version *v = read_begin(r);

    text[0] = '\0';
    if (v) {
        memcpy(text, v->problem, RELOAD_TEXT);
    }
    read_end(r);
    return text[0] != '\0';
}

const char *reload_file(struct reload *r, size_t i)
{
    struct version *v = atomic_load(&r->now);

    return v && !v->files.pinned ? files_path(&v->files, i) : NULL;
}
