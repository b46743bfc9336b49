/* SPDX-License-Identifier: ISC */
/* What a session store has for us (threat 38): the first byte even, values for a lookup, which open
 * nothing; odd, the rows of memory that processes share, as another process may have left them.
 * Whatever is in there, an answer is within its limits, and what is put next can be had again. */
#include "shim/store_shm.c" /* NOLINT(bugprone-suspicious-include): the rows are its own */
#include "tests/fuzz/party.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct ticket_keys *keys_new(void)
{
    static const uint8_t name[16] = "name of a key", key[32] = "key";
    struct ticket_keys *k = ticket_keys_new(1000000);

    sure(k && ticket_keys_set(k, name, key) == 0);
    return k;
}

/* Nobody can guess the key; and an entry is under the id that it was made for, or not at all. */
static void open_value(struct span id, struct span value)
{
    struct ticket_keys *k = keys_new();
    struct tls_session *s = NULL, *back = NULL;
    struct buf sealed = { 0 };
    bool renew = false;

    sure(ticket_open_stored(k, id, value, 0, &back, &renew) == ERR_MISMATCH && !back && !renew);
    if (session_parse(&s, value) == 0) {
        const int64_t now = s->made;
        struct span other = span_of("another", 7);
        const bool fresh = session_fresh(s, now);

        sure(ticket_seal_stored(k, id, s, now, &sealed) == 0 &&
             buf_len(&sealed) <= SESSION_STORED_MAX);
        sure(span_eq(id, other) ||
             ticket_open_stored(k, other, buf_span(&sealed), now, &back, &renew) == ERR_MISMATCH);
        sure((ticket_open_stored(k, id, buf_span(&sealed), now, &back, &renew) == 0) == fresh);
        sure((back != NULL) == fresh);
    }
    session_unref(s);
    session_unref(back);
    buf_free(&sealed);
    ticket_keys_unref(k);
}

/* The first answer counts, within the limit. */
static void answer(struct span id, struct span value)
{
    struct session_lookup *l = session_lookup_new(id, false);
    struct span got;

    sure((l != NULL) == (id.n > 0 && id.n <= SESSION_ID_MAX));
    if (!l) {
        return;
    }
    sure(span_eq(session_lookup_id(l), id));
    session_lookup_found(l, value);
    session_lookup_missed(l);
    got = session_lookup_value(l);
    sure(value.n && value.n <= SESSION_STORED_MAX ? span_eq(got, value) : got.n == 0);
    session_lookup_unref(l);
    session_lookup_cancel(l);
}

static struct span ask(struct shm *m, struct span id, bool takes, uint8_t room[static 1 << 16])
{
    struct session_lookup *l = session_lookup_new(id, takes);
    struct span got;

    if (!l) {
        return span_of(NULL, 0);
    }
    shm_kind.calls.get(m, l);
    got = session_lookup_value(l);
    sure(got.n <= STORE_SHM_VALUE);
    if (got.n) {
        memcpy(room, got.p, got.n);
    }
    session_lookup_unref(l);
    session_lookup_cancel(l);
    return span_of(room, got.n);
}

/* Numbers as they come, ids and values as long as there is room. */
static size_t fill(struct row *r, struct rd in)
{
    struct slot *s = r->slot;
    uint32_t until, used;

    r->count = in.n;
    while (s < r->slot + WAYS && rd_u32(&in, &until) && rd_u32(&in, &used) &&
           rd_u16(&in, &s->nvalue) && rd_u8(&in, &s->nid)) {
        size_t n = in.n < sizeof s->id ? in.n : sizeof s->id;
        struct span id;

        s->until = (int64_t)until << 16;
        s->used = used;
        sure(rd_bytes(&in, n, &id));
        if (n) {
            memcpy(s->id, id.p, n);
            memcpy(s->value, id.p, n);
        }
        s++;
    }
    return (size_t)(s - r->slot);
}

static void rows(struct rd in)
{
    const struct span id = span_of("an id", 5), value = span_of("a value", 7);
    struct shm *m = shm_new(WAYS);
    uint8_t room[1 << 16];
    size_t n;

    sure(m != NULL);
    n = fill(m->rows, in);
    for (size_t i = 0; i < n; i++) {
        const struct slot was = m->rows->slot[i];

        (void)ask(m, span_of(was.id, was.nid <= SESSION_ID_MAX ? was.nid : SESSION_ID_MAX), i & 1,
                  room);
    }
    shm_kind.calls.put(m, id, value, 100);
    sure(span_eq(ask(m, id, false, room), value));
    shm_kind.calls.drop(m, id);
    sure(!span_eq(ask(m, id, true, room), value)); /* another of that id may have been there */
    shm_free(m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct rd in = rd_of(data, size), id;
    uint8_t what;

    sure(crypto_init() == 0);
    if (!rd_u8(&in, &what)) {
        return 0;
    }
    if (what & 1) {
        rows(in);
    } else if (rd_vec(&in, 1, &id)) {
        answer(span_of(id.p, id.n), span_of(in.p, in.n));
        if (id.n <= SESSION_ID_MAX) {
            open_value(span_of(id.p, id.n), span_of(in.p, in.n));
        }
    }
    return 0;
}
