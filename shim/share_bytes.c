/* SPDX-License-Identifier: ISC */
/* What is in a slot: a connection as bytes, and what it is beside its engine. */
#include "base/secret.h"
#include "shim/prelude.h"
#include "shim/sessions.h"
#include "shim/share_slot.h"

/* ---- facts ---- */

static void facts_of(struct conn *c, struct facts *f)
{
    memset(f, 0, sizeof *f); /* they are compared as bytes */
    f->state = atomic_load(&c->state);
    f->fail_errno = atomic_load(&c->fail_errno);
    f->read_errno = c->read_errno;
    f->write_errno = atomic_load(&c->write_errno);
    f->saw_close = c->saw_close;
    f->saw_eof = c->saw_eof;
    f->behind = c->behind;
    f->read_shut = c->read_shut;
    f->closing = atomic_load(&c->closing);
    f->detaching = c->detaching;
    f->fin_sent = c->fin_sent;
    f->torn_down = c->torn_down;
    f->unsent = atomic_load(&c->unsent);
    f->told = atomic_load(&c->told);
    f->note = atomic_load(&c->note);
    f->in_clear = atomic_load(&c->in_clear);
    f->greeted = c->prelude && c->prelude->skipped;
    f->first = atomic_load(&c->first);
    f->early_bytes = c->early_bytes;
    f->early_again = c->early_again;
    f->wire = c->wire;
    if (conn_error(c)->code) {
        f->err = *conn_error(c);
        f->err.place = NULL;
    }
}

static void facts_use(struct conn *c, const struct facts *f)
{
    c->read_errno = f->read_errno;
    atomic_store(&c->write_errno, f->write_errno);
    c->saw_close = f->saw_close;
    c->saw_eof = f->saw_eof;
    c->behind = f->behind;
    c->read_shut = f->read_shut;
    atomic_store(&c->closing, f->closing);
    c->detaching = f->detaching;
    c->fin_sent = f->fin_sent;
    c->torn_down = f->torn_down;
    atomic_store(&c->unsent, f->unsent);
    atomic_store(&c->told, atomic_load(&c->told) || f->told);
    atomic_store(&c->note, f->note);
    atomic_store(&c->asking, false);
    conn_early_over(c);
    atomic_store(&c->in_clear, f->in_clear);
    atomic_store(&c->first, f->first);
    c->clear_ok = false;
    if (c->prelude) {
        c->prelude->skipped = f->greeted;
    }
    c->early_bytes = f->early_bytes;
    c->early_again = f->early_again;
    c->wire = f->wire;
    if (f->err.code && !conn_error(c)->code) {
        c->err = f->err;
        c->err.place = "sleeve";
        c->err.text[sizeof c->err.text - 1] = '\0';
        atomic_store(&c->err_stage, 2);
    }
    if (f->state == CONN_OPEN && atomic_load(&c->state) == CONN_HANDSHAKE) {
        atomic_fetch_or(&c->events_due, 1U << CONN_EVENT_CONNECTED);
    }
    atomic_store(&c->fail_errno, f->fail_errno);
    atomic_store(&c->state, f->state);
}

void drop_copy(struct conn *c)
{
    if (!c->claim.torn) {
        tls_end(c->tls);
    }
    buf_free(&c->plain);
    buf_free(&c->raw);
    buf_free(&c->early);
    buf_free(&c->clear);
}

/* ---- bytes ---- */

static void keep_config(struct conn *c)
{
    struct config *now = tls_config(c->tls);

    if (now != c->config) {
        config_unref(c->config);
        c->config = config_ref(now);
    }
}

void put_bytes(struct slot *s, const struct buf *b)
{
    size_t n = b ? buf_len(b) : 0;

    if (s->len > n) {
        wipe(s->bytes + n, s->len - n);
    }
    if (n) {
        memcpy(s->bytes, buf_data(b), n);
    }
    s->len = n;
}

/* A connection without TLS is what waits to be read, and what waits to be sent. */
static int clear_bytes(struct conn *c, struct buf *b)
{
    struct wr w = wr_buf(b);

    wr_u32(&w, (uint32_t)buf_len(&c->plain));
    wr_bytes(&w, buf_data(&c->plain), buf_len(&c->plain));
    wr_bytes(&w, buf_data(&c->clear), buf_len(&c->clear));
    return wr_commit(&w);
}

static int take_clear(struct conn *c, struct slot *s)
{
    struct buf plain = { .secret = true }, clear = { .secret = true };
    struct rd r = rd_of(s->bytes, s->len);
    struct span part;
    uint32_t n;

    if (!rd_u32(&r, &n) || !rd_bytes(&r, n, &part)) {
        return ERR_PARSE;
    }
    if (buf_append(&plain, part.p, part.n) < 0 || buf_append(&clear, r.p, r.n) < 0) {
        buf_free(&plain);
        buf_free(&clear);
        return ERR_MEM;
    }
    buf_free(&c->plain);
    buf_free(&c->clear);
    c->plain = plain;
    c->clear = clear;
    facts_use(c, &s->facts);
    c->claim.version = s->version;
    return 0;
}

void put_back(struct conn *c)
{
    struct slot *s = c->claim.slot;
    struct buf b = { .max = SLOT_SIZE - sizeof *s, .secret = true };
    bool has_words = buf_len(&c->early) > 0;
    struct facts f;
    const void *was = &s->facts, *is = &f;
    int rc;

    facts_of(c, &f);
    rc = f.state == CONN_FAILED               ? 0
         : f.state == CONN_OPEN && f.in_clear ? clear_bytes(c, &b)
         : f.state == CONN_OPEN && !has_words
             ? tls_share(c->tls, buf_span(&c->raw), buf_span(&c->plain), &b)
             : ERR_STATE;
    if (rc < 0) {
        s->holder = c->claim.me + 1;
        s->soon = f.state == CONN_HANDSHAKE || has_words ? SOON_HANDSHAKE : SOON_NEVER;
        put_bytes(s, NULL);
    } else if (!s->holder && s->len == buf_len(&b) && memcmp(was, is, sizeof f) == 0 &&
               (s->len == 0 || memcmp(s->bytes, buf_data(&b), s->len) == 0)) {
        s->version--; /* all as it was */
    } else {
        s->holder = 0;
        put_bytes(s, &b);
    }
    c->claim.version = ++s->version;
    s->facts = f;
    if (f.state == CONN_OPEN && !f.in_clear) {
        keep_config(c);
    }
    buf_free(&b);
}

int take_over(struct conn *c)
{
    struct slot *s = c->claim.slot;
    struct buf b = { .secret = true }, raw = { 0 }, plain = { .secret = true };
    struct facts f = s->facts;
    struct tls *t = NULL;
    int rc = 0;

    if (f.state == CONN_FAILED) {
        drop_copy(c);
        facts_use(c, &f);
        c->torn_down = true;
        c->claim.version = s->version;
        return 0;
    }
    if (s->len == 0 || s->len > SLOT_SIZE - sizeof *s || f.state != CONN_OPEN) {
        return ERR_PARSE;
    }
    if (f.in_clear) {
        return c->claim.torn ? ERR_STATE : take_clear(c, s);
    }
    rc = buf_append(&b, s->bytes, s->len);
    rc = rc < 0 ? rc : tls_take_over(&t, c->config, &b, &raw, &plain, NULL);
    buf_free(&b);
    if (rc < 0) {
        buf_free(&raw);
        buf_free(&plain);
        return rc;
    }
    if (!c->claim.torn) {
        drop_copy(c);
        tls_free(c->claim.old);
        c->claim.old = c->tls;
    }
    c->claim.torn = false;
    c->tls = t;
    c->plain = plain;
    c->raw = raw;
    if (c->sessions) {
        tls_set_keep(t, client_sessions_keep, c->sessions);
    }
    facts_use(c, &f);
    c->claim.version = s->version;
    return 0;
}
