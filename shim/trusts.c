/* SPDX-License-Identifier: ISC */
/* Trust anchors that several configurations share. The machine's are a hundred and more, and take
 * milliseconds to parse: once is enough, until their files change. */
#include <stdatomic.h>
#include <string.h>

#include "base/mem.h"
#include "shim/conn.h"
#include "shim/reload.h"

#define KEPT_MAX 8

static struct kept {
    char *path;
    struct trust *trust;
    struct files files;
} kept[KEPT_MAX]; /* behind the flag, like: */
static size_t turn;
/* Nobody waits for it: who finds it taken parses for himself. So does a child of a fork in the
 * wrong moment, for ever. */
static atomic_flag busy = ATOMIC_FLAG_INIT;

struct hands {
    sigset_t signals;
    int cancel;
};

static bool take(struct hands *h)
{
    calm(&h->signals, &h->cancel);
    if (atomic_flag_test_and_set(&busy)) {
        uncalm(&h->signals, h->cancel);
        return false;
    }
    return true;
}

static void give(const struct hands *h)
{
    atomic_flag_clear(&busy);
    uncalm(&h->signals, h->cancel);
}

static struct trust *look_up(const char *path)
{
    struct trust *found = NULL;
    const char *culprit;
    struct hands h;

    if (!take(&h)) {
        return NULL;
    }
    for (size_t i = 0; i < KEPT_MAX && !found; i++) {
        if (kept[i].path && strcmp(kept[i].path, path) == 0 &&
            files_changed(&kept[i].files, &culprit) == FILES_SAME) {
            found = trust_ref(kept[i].trust);
        }
    }
    give(&h);
    return found;
}

/* Takes over all but the reference. */
static void keep(char *path, struct trust *t, const struct files *mine)
{
    struct kept next = { .path = path, .trust = trust_ref(t), .files = *mine };
    struct hands h;

    if (!next.files.pinned && take(&h)) {
        struct kept old;
        size_t i = 0;

        while (i < KEPT_MAX && (!kept[i].path || strcmp(kept[i].path, path) != 0)) {
            i++;
        }
        i = i < KEPT_MAX ? i : turn++ % KEPT_MAX;
        old = kept[i];
        kept[i] = next;
        give(&h);
        next = old;
    }
    mem_free(next.path);
    trust_unref(next.trust);
    files_free(&next.files);
}

static int note_system(void *ctx, const char *path)
{
    return files_note(ctx, path);
}

static int note(struct files *f, const char *path)
{
    return strcmp(path, "system") == 0 ? trust_system_each(note_system, f) : files_note(f, path);
}

int shared_trust(const char *path, struct files *f, struct trust **out, struct error *err)
{
    struct files mine = { 0 };
    struct trust *t;
    char *name;
    int rc;

    *out = NULL;
    path = path ? path : "system";
    if (note(f, path) < 0) {
        return FAIL(err, ERR_MEM, "no memory for trust anchors");
    }
    t = look_up(path);
    if (t) {
        *out = t;
        return 0;
    }
    t = trust_new();
    name = mem_strdup(path);
    rc = t && name ? note(&mine, path) : ERR_MEM;
    if (rc < 0) {
        rc = FAIL(err, ERR_MEM, "no memory for trust anchors");
    } else {
        rc = strcmp(path, "system") == 0 ? trust_add_system(t, err) : trust_add_path(t, path, err);
    }
    if (rc < 0) {
        trust_unref(t);
        mem_free(name);
        files_free(&mine);
        return rc;
    }
    keep(name, t, &mine);
    *out = t;
    return 0;
}
