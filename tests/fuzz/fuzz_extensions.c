/* SPDX-License-Identifier: ISC */
/* Genuine handshakes in which the extensions of one message are others. A byte for the scenario
 * (duet.h), one for which of the messages that have extensions, one of flags; then edits: what,
 * which extension, how many bytes, and so many bytes.
 *
 * All lengths around them are right, and with REBIND the binder as well, so that the parser of each
 * extension sees what was made for it. What was changed is in the transcript: nobody connects. */
#include "handshake/schedule13.h"
#include "tests/fuzz/duet.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { REBIND = 1 };
enum { BODY, BYTE, REMOVE, REPEAT, FIRST, NEW, EDITS };
#define LIST_MAX 48
#define MAX      (1 << 16)

struct ext {
    uint16_t id;
    struct span body;
};
struct list {
    struct ext e[LIST_MAX];
    size_t n;
};

static uint8_t made[MAX], spare[MAX];
static size_t nspare;

static size_t number(const uint8_t *p, size_t n)
{
    size_t v = 0;

    while (n-- > 0) {
        v = v << 8 | *p++;
    }
    return v;
}

static void put(uint8_t *p, size_t n, size_t v)
{
    while (n-- > 0) {
        p[n] = (uint8_t)v;
        v >>= 8;
    }
}

/* Where the length of the extensions stands, of the first certificate in a Certificate; 0: the
 * message has none. */
static size_t block_at(const uint8_t *m, size_t n, bool is12)
{
    size_t at = HS_HEADER;

    switch (m[0]) {
    case HS_CLIENT_HELLO:
        at += 2 + RANDOM_SIZE;
        at += 1u + m[at];
        at += 2 + number(m + at, 2);
        at += 1u + m[at];
        break;
    case HS_SERVER_HELLO:
        at += 2 + RANDOM_SIZE;
        at += 1u + m[at] + 3;
        break;
    case HS_ENCRYPTED_EXTENSIONS:
        break;
    case HS_CERTIFICATE_REQUEST:
        at += is12 ? n : 1u + m[at];
        break;
    case HS_NEW_SESSION_TICKET:
        at += 8;
        at += is12 ? n : 1u + m[at];
        at += is12 ? 0 : 2 + number(m + at, 2);
        break;
    case HS_CERTIFICATE:
        at += is12 ? n : 1u + m[at] + 3;
        at += !is12 && at + 3 <= n ? 3 + number(m + at, 3) : 0;
        break;
    default:
        return 0;
    }
    return at + 2 <= n ? at : 0;
}

static struct list list_of(struct rd block)
{
    struct list l = { .n = 0 };
    struct rd body;

    while (l.n < LIST_MAX && rd_u16(&block, &l.e[l.n].id) && rd_vec(&block, 2, &body)) {
        l.e[l.n++].body = span_of(body.p, body.n);
    }
    return l;
}

/* One edit; data is behind its head. */
static void edit(struct list *l, unsigned what, size_t which, struct span data)
{
    struct ext *e = l->n ? &l->e[which % l->n] : NULL;
    struct ext was = e ? *e : (struct ext){ 0 };
    uint8_t *copy = spare + nspare;

    if (what == NEW && l->n < LIST_MAX && data.n >= 2) {
        memmove(l->e + 1, l->e, l->n++ * sizeof *l->e);
        l->e[0] = (struct ext){ (uint16_t)number(data.p, 2), span_of(data.p + 2, data.n - 2) };
    }
    if (!e) {
        return;
    }
    switch (what) {
    case BODY:
        e->body = data;
        break;
    case BYTE: /* place, value */
        if (data.n >= 2 && was.body.n && nspare + was.body.n < MAX) {
            memcpy(copy, was.body.p, was.body.n);
            copy[data.p[0] % was.body.n] ^= data.p[1];
            e->body.p = copy;
            nspare += was.body.n;
        }
        break;
    case REMOVE:
        memmove(e, e + 1, (size_t)(l->e + l->n - e - 1) * sizeof *e);
        l->n--;
        break;
    case REPEAT:
        if (l->n < LIST_MAX) {
            l->e[l->n++] = was;
        }
        break;
    case FIRST:
        memmove(l->e + 1, l->e, (size_t)(e - l->e) * sizeof *e);
        l->e[0] = was;
        break;
    default:
        break;
    }
}

/* The message with the list in place of its own; the new size, 0: too long. */
static size_t rebuild(const struct list *l, const uint8_t *m, size_t n, size_t at)
{
    size_t old = number(m + at, 2), size = 0, rest = n - at - 2 - old;
    struct wr w = wr_of(made + at + 2, 65535);

    for (size_t i = 0; i < l->n; i++) {
        wr_u16(&w, l->e[i].id);
        wr_vec(&w, 2, l->e[i].body.p, l->e[i].body.n);
    }
    size = w.len;
    if (!wr_ok(&w) || at + 2 + size + rest > MAX || size > 65535) {
        return 0;
    }
    memcpy(made, m, at);
    put(made + at, 2, size);
    memcpy(made + at + 2 + size, m + at + 2 + old, rest);
    n += size - old;
    put(made + 1, 3, n - HS_HEADER);
    if (m[0] == HS_CERTIFICATE) { /* the list */
        size_t list = HS_HEADER + 1u + m[HS_HEADER];

        put(made + list, 3, n - list - 3);
    }
    return n;
}

/* The first binder, of a hello that ends with pre_shared_key: as one would make it who knows the
 * key. */
static void rebind(struct duet *d, struct duet_end *to, const struct list *l, size_t n)
{
    const struct ext *last = l->n ? &l->e[l->n - 1] : NULL;
    const struct tls_session *s = d->end[TLS_CLIENT].hs.session;
    const struct ext_psk *external = d->end[TLS_CLIENT].hs.set->psks;
    uint8_t at[HASH_MAX], binder[HASH_MAX];
    struct rd body, ids, macs;
    enum hash_id hash;

    if (!last || last->id != EXT_PRE_SHARED_KEY || !to->hs.work || (!s && !external)) {
        return;
    }
    body = rd_span(last->body);
    hash = s ? suite_by_id(s->suite)->hash : external->hash;
    if (rd_vec(&body, 2, &ids) && rd_vec(&body, 2, &macs) && macs.n > hash_size(hash) &&
        macs.p[0] == hash_size(hash) &&
        transcript_partial(&to->hs.work->transcript, hash, 0, span_of(made, n - 2 - macs.n), at) ==
            0) {
        sure(schedule13_binder(hash, s ? span_of(s->secret, s->secret_len) : psk_key(external),
                               s ? "res binder" : psk_label(external), at, binder) == 0);
        memcpy(made + n - macs.n + 1, binder, hash_size(hash));
    }
}

/* True: it hears another message than the genuine one. */
static bool change(struct duet *d, struct duet_end *to, struct span m, size_t at,
                   const uint8_t *data, size_t size)
{
    struct list l = list_of(rd_of(m.p + at + 2, number(m.p + at, 2)));
    unsigned flags = data[2];
    size_t n;

    nspare = 0;
    data += 3;
    size -= 3;
    while (size >= 3) {
        size_t len = data[2] < size - 3 ? data[2] : size - 3;

        edit(&l, data[0] % EDITS, data[1], span_of(data + 3, len));
        data += 3 + len;
        size -= 3 + len;
    }
    n = rebuild(&l, m.p, m.n, at);
    if (n == 0) {
        return true;
    }
    if (!span_eq(span_of(made, n), m) && (flags & REBIND) && m.p[0] == HS_CLIENT_HELLO) {
        rebind(d, to, &l, n);
    }
    duet_hear(to, made, n, true);
    return !span_eq(span_of(made, n), m);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    duet_setup();
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bool changed = false, allowed = false;
    struct duet_end *to;
    struct duet d;
    struct span m;
    unsigned k = 0;

    if (size < 3) {
        return 0;
    }
    fuzz_start(9);
    duet_start(&d, data[0] % SCENARIOS);
    while ((m = duet_next(&d, &to)).n) {
        size_t at = m.p[0] >= DUET_NONE ? 0 : block_at(m.p, m.n, d.s->is12);

        if (at && k++ == data[1]) {
            allowed = duet_connected(&d);
            changed = change(&d, to, m, at, data, size);
        } else {
            duet_hear(to, m.p, m.n, true);
        }
        buf_consume(&to->heard, m.n);
    }
    sure(changed ? allowed || !duet_connected(&d) : duet_connected(&d));
    sure(!duet_connected(&d) || duet_agree(&d));
    duet_free(&d);
    return 0;
}
