/* SPDX-License-Identifier: ISC */
/* What a server resumes sessions with. Its keys stay when certificates change: whether a session
 * may go on under the new ones is for the context that it is bound to (threats 27, 28). */
#include <errno.h>
#include <time.h>

#include "base/mem.h"
#include "base/secret.h"
#include "shim/conn.h"
#include "shim/secret_file.h"
#include "shim/sessions.h"

#define EARLY_STORED 16384
#define FILE_LIMIT   1024 /* more than any three keys */

struct server_sessions {
    struct session_cache *cache;
    struct ticket_keys *tickets;
    struct replay_store *replay; /* NULL: no early data */
};

void server_sessions_free(struct server_sessions *s)
{
    if (s) {
        session_cache_unref(s->cache);
        ticket_keys_unref(s->tickets);
        replay_store_unref(s->replay);
        mem_free(s);
    }
}

/* The store is as old as the keys: nobody could take early data under them before, so the window
 * in which another process might have is over (RFC 8446 section 8.2). */
static struct replay_store *store_new(void)
{
    struct replay_store *r = replay_store_new(EARLY_STORED, EARLY_WINDOW_MS);
    const uint8_t nothing = 0;

    if (r) {
        (void)!replay_fresh(r, &nothing, 1, ((int64_t)time(NULL) * 1000) - (3 * EARLY_WINDOW_MS));
    }
    return r;
}

int server_sessions_make(_Atomic(struct server_sessions *) *kept, const struct session_options *o,
                         struct error *err)
{
    struct server_sessions *none = NULL, *s;
    const int64_t life_ms = (int64_t)o->life * 1000;

    if (!o->reuse || atomic_load(kept)) {
        return 0;
    }
    s = mem_zalloc(sizeof *s);
    if (s) {
        s->cache = session_cache_new(o->ids, life_ms);
        s->tickets = ticket_keys_new(life_ms);
        s->replay = o->early ? store_new() : NULL;
    }
    if (!s || !s->cache || !s->tickets || (o->early && !s->replay)) {
        server_sessions_free(s);
        return FAIL(err, ERR_MEM, "no memory for sessions");
    }
    if (!atomic_compare_exchange_strong(kept, &none, s)) {
        server_sessions_free(s); /* another thread was first */
    }
    return 0;
}

/* ---- the key file ---- */

static int load_keys(struct server_sessions *s, const char *path, struct error *err)
{
    struct ticket_secret list[TICKET_GENERATIONS] = { { { 0 }, { 0 } } };
    struct buf bytes = { 0 };
    struct error why;
    size_t n = 0;
    int rc;

    error_clear(&why);
    bytes.max = FILE_LIMIT;
    rc = secret_file_read(path, &bytes, err);
    if (rc == 0) {
        rc = ticket_file_parse(buf_span(&bytes), list, &n, &why);
        if (rc < 0) {
            (void)FAIL(err, rc, "%.90s: %s", path, why.code ? why.text : error_name(rc));
        }
    }
    if (rc == 0) {
        rc = ticket_keys_load(s->tickets, list, n);
    }
    buf_free(&bytes);
    wipe(list, sizeof list);
    return rc;
}

int server_sessions_apply(struct server_sessions *s, const struct session_options *o,
                          struct config *c, struct files *f, struct error *err)
{
    if (o->early && (o->key_file || !o->reuse)) { /* threat 33 */
        return FAIL(err, ERR_ARG,
                    o->reuse ? "early data and a file of ticket keys do not go together: other "
                               "servers that have it do not know what was said to this one"
                             : "early data needs sessions");
    }
    if (!o->reuse) {
        return 0;
    }
    TRY(config_set_sessions(c, s->cache, s->tickets, o->life));
    TRY(config_set_ticket_count(c, o->tickets));
    if (o->early) {
        TRY(config_set_early_data(c, o->early, s->replay, NULL, NULL));
    }
    if (o->key_file) {
        if (files_note(f, o->key_file) < 0) {
            return FAIL(err, ERR_MEM, "out of memory");
        }
        TRY(load_keys(s, o->key_file, err));
    }
    return 0;
}
