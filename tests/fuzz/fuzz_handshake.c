/* SPDX-License-Identifier: ISC */
/* Genuine handshakes in which one message is not what it was. A byte for the scenario (duet.h), one
 * for the message, one of flags; then edits of four bytes: what, where (2), with what.
 *
 * Without a change the two get connected; with one they do not, unless they were before: whatever
 * was changed is in the transcript, in a signature or in a Finished.
 *
 * `fuzz_handshake --seed DIR` writes the genuine messages as inputs of fuzz_message. */
#include "tests/fuzz/duet.h"
#include "tests/fuzz/states.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
    FIX_LENGTH = 1, /* the header tells the length that the message has in the end */
    NOT_LAST = 2,   /* something follows in its record */
    DROPPED = 4,
    TWICE = 8,
    FIX_BLOCK = 16, /* the same change of length for a block of extensions: at the fourth byte */
};
enum { XOR, SET, DELETE, INSERT, CUT, ADD16, COPY, EDITS };
#define EDIT    4
#define LONGEST (1 << 15)

static void add16(uint8_t *p, unsigned n)
{
    unsigned v = ((unsigned)p[0] << 8 | p[1]) + n;

    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

/* One edit of a body of n bytes; its new length. */
static size_t edit(const uint8_t e[static EDIT], uint8_t *m, size_t n)
{
    size_t at = (size_t)e[1] << 8 | e[2], k = e[3];

    at = n ? at % (n + 1) : 0;
    switch (e[0] % EDITS) {
    case XOR:
    case SET:
        if (at < n) {
            m[at] = (uint8_t)(e[0] % EDITS == XOR ? m[at] ^ k : k);
        }
        return n;
    case DELETE:
        k = k < n - at ? k : n - at;
        memmove(m + at, m + at + k, n - at - k);
        return n - k;
    case INSERT: /* of the bit pattern of its own length: an end of something, mostly */
        memmove(m + at + k, m + at, n - at);
        memset(m + at, 0, k);
        return n + k;
    case CUT:
        return at;
    case COPY: /* what stands there once more */
        k = k < n - at ? k : n - at;
        memmove(m + at + k, m + at, n - at);
        return n + k;
    default:
        if (at + 2 <= n) {
            add16(m + at, (unsigned)(int8_t)e[3]);
        }
        return n;
    }
}

/* All edits of the message in m; its new length. */
static size_t edit_all(const uint8_t *data, size_t size, unsigned flags, uint8_t *m, size_t n)
{
    size_t before = n;

    for (; size >= EDIT && n + 256 < LONGEST; data += EDIT, size -= EDIT) {
        if ((flags & FIX_BLOCK) && data[0] % EDITS == ADD16) {
            size_t at = (size_t)data[1] << 8 | data[2]; /* now it is known how much it grew */

            if (HS_HEADER + at + 2 <= n) {
                add16(m + HS_HEADER + at, (unsigned)(n - before));
            }
            continue;
        }
        n = HS_HEADER + edit(data, m + HS_HEADER, n - HS_HEADER);
    }
    if (flags & FIX_LENGTH) {
        m[1] = (uint8_t)((n - HS_HEADER) >> 16);
        m[2] = (uint8_t)((n - HS_HEADER) >> 8);
        m[3] = (uint8_t)(n - HS_HEADER);
    }
    return n;
}

/* Its header says how long it is: the reassembly would wait for more, or leave some over. */
static bool whole(const uint8_t *m, size_t n)
{
    return n - HS_HEADER == ((size_t)m[1] << 16 | (size_t)m[2] << 8 | m[3]);
}

/* Hears the genuine message or what was made of it. False: it is as it was. */
static bool change(struct duet_end *to, struct span message, const uint8_t *data, size_t size)
{
    static uint8_t m[LONGEST];
    unsigned flags = data[2];
    size_t n = message.n;
    bool changed;

    sure(n < sizeof m);
    memcpy(m, message.p, n);
    if (m[0] < DUET_NONE) {
        n = edit_all(data + 3, size - 3, flags, m, n);
    }
    changed = !span_eq(span_of(m, n), message) || (flags & (DROPPED | TWICE));
    if (!(flags & DROPPED) && whole(m, n)) {
        duet_hear(to, m, n, !(flags & NOT_LAST));
        if ((flags & TWICE) && to->rc == 0) {
            duet_hear(to, m, n, !(flags & NOT_LAST));
        }
    }
    return changed || !whole(m, n);
}

/* One of each length is enough. */
static void seed(const char *dir, const struct hs *h, struct span m)
{
    unsigned settings = h->set->psks ? 3 : (unsigned)h->set->client_auth;
    uint8_t head[2] = { 0, 0 };
    char name[64];

    if (h->set->role == TLS_CLIENT) { /* SET_SESSION, SET_SESSION12 */
        settings = h->set->psks != NULL;
        settings |=
            h->state == C_WAIT_SH && h->session ? (hello_is_session13(h->session) ? 4u : 8u) : 0;
    }
    while (states[head[0]] != h->state) {
        head[0]++;
    }
    for (size_t i = 1; i < FLAVOURS && h->suite && h->version != TLS_1_3; i++) {
        if (flavours[i].suite == h->suite->id && is_12(h->state)) {
            head[0] = (uint8_t)(head[0] + i * NSTATES);
        }
    }
    while (head[1] < 8 && choose_type(h->state, head[1]) != m.p[0]) {
        head[1]++;
    }
    if (head[1] < 8) {
        snprintf(name, sizeof name, "genuine-%u-%u-%zu", head[0], m.p[0], m.n);
        head[1] |= (uint8_t)(settings << 4);
        seed_write(dir, name, span_of(head, 2), span_of(m.p + HS_HEADER, m.n - HS_HEADER));
    }
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    const char *dir = seed_dir(*argc, *argv);

    duet_setup();
    for (size_t i = 0; dir && i < SCENARIOS; i++) {
        struct duet_end *to;
        struct duet d;
        struct span m;

        fuzz_start(9);
        duet_start(&d, i);
        while ((m = duet_next(&d, &to)).n) {
            if (m.p[0] < DUET_NONE && !(d.s->server & PARTY_RSA)) {
                seed(dir, &to->hs, m);
            }
            duet_hear(to, m.p, m.n, true);
            buf_consume(&to->heard, m.n);
        }
        duet_free(&d);
    }
    if (dir) {
        exit(0);
    }
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bool changed = false, allowed = false;
    struct duet_end *to;
    struct duet d;
    struct span m;

    if (size < 3) {
        return 0;
    }
    fuzz_start(9);
    duet_start(&d, data[0] % SCENARIOS);
    for (unsigned k = 0; (m = duet_next(&d, &to)).n; k++) {
        sure(k < DUET_MAX);
        if (k == data[1]) {
            allowed = duet_connected(&d);
            changed = change(to, m, data, size);
        } else {
            duet_hear(to, m.p, m.n, true);
        }
        buf_consume(&to->heard, m.n);
    }
    if (changed) {
        sure(allowed || !duet_connected(&d));
    } else if (!(data[2] & NOT_LAST)) {
        if (!duet_connected(&d)) {
            duet_report(&d);
        }
        sure(duet_connected(&d));
        sure(d.s->resumption == FRESH || (d.end[TLS_CLIENT].hs.facts & FACT_RESUMED));
    }
    sure(!duet_connected(&d) || duet_agree(&d));
    duet_free(&d);
    return 0;
}
