/* SPDX-License-Identifier: ISC */
/* Inputs of the fuzzers that have one engine: a head, then a stream of records and calls; and how
 * such a one is changed into another, with records that stay records. */
#ifndef FUZZ_NULL_STREAM_H
#define FUZZ_NULL_STREAM_H
#include "tests/fuzz/null/solo.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed);

#define STREAM_HEAD 5

static inline size_t stream_which(const uint8_t *data)
{
    return (data[0] & 0x7f) % SCENARIOS;
}

static inline struct cut stream_cut(const uint8_t *data)
{
    return (struct cut){ .size = { data[2], data[3], data[4] },
                         .ahead = data[1] & 0x40,
                         .apart = data[1] & 0x80,
                         .room = data[1] & 0x3f };
}

static inline int stream_run(enum tls_role role, const uint8_t *data, size_t size)
{
    struct cut cut;
    struct solo s;

    if (size >= STREAM_HEAD) {
        cut = stream_cut(data);
        solo_start(&s, role, stream_which(data), false);
        solo_run(&s, data + STREAM_HEAD, size - STREAM_HEAD, &cut);
        solo_end(&s);
    }
    return 0;
}

/* ---- the corpus: genuine connections, and what the application does in between ---- */

/* Says something both ways and to the end; role hears it. */
static inline void stream_epilogue(struct tls *end[2], size_t which, struct buf heard[2])
{
    for (int i = TLS_CLIENT; i <= TLS_SERVER; i++) {
        world_say(end[i], end[!i], span_text("something to say"), &heard[!i]);
        if (!scenarios[which].is12) {
            sure(tls_key_update(end[i], true) == 0);
            world_talk(end, heard);
        }
    }
    sure(tls_close(end[0]) == 0 && tls_close(end[1]) == 0);
    world_talk(end, heard);
}

/* The calls that the role makes itself, where a genuine run has them. */
static inline void stream_call(struct buf *heard, enum solo_call call, uint8_t arg)
{
    const uint8_t two[] = { (uint8_t)(SOLO_CALL + call), arg };

    sure(buf_append(heard, two, sizeof two) == 0);
}

static inline void stream_play(enum tls_role role, size_t which, struct buf heard[2])
{
    const enum more more = scenarios[which].more;
    struct tls *end[2];

    world_start(end, which);
    if (tls_early_room(end[TLS_CLIENT])) {
        stream_call(&heard[TLS_CLIENT], CALL_EARLY, 5);
        world_early(end[TLS_CLIENT]);
    }
    world_talk(end, heard);
    sure(tls_connected(end[0]) && tls_connected(end[1]));
    if (role == TLS_SERVER && more == ASKS_AGAIN) {
        stream_call(&heard[role], CALL_REQUEST, 0);
    } else if (more == RENEGOTIATES || more == SERVER_RENEGOTIATES) {
        if ((more == RENEGOTIATES) == (role == TLS_CLIENT)) {
            stream_call(&heard[role], CALL_REHANDSHAKE, more == SERVER_RENEGOTIATES);
        }
    }
    world_more(end, which, heard);
    stream_epilogue(end, which, heard);
    world_free(end);
}

static inline void stream_seeds(const char *dir, enum tls_role role)
{
    for (size_t i = 0; i < SCENARIOS; i++) {
        const uint8_t head[STREAM_HEAD] = { (uint8_t)(i | (role == TLS_CLIENT ? 0x80 : 0)),
                                            (uint8_t)(i << 6 | i % 3), i & 1 ? 0x60 : 0, 7 };
        struct buf heard[2] = { 0 };
        char name[32];

        stream_play(role, i, heard);
        snprintf(name, sizeof name, "%s-%zu", role == TLS_CLIENT ? "client" : "server", i);
        seed_write(dir, name, span_of(head, sizeof head), buf_span(&heard[role]));
        buf_free(&heard[0]);
        buf_free(&heard[1]);
    }
}

static inline int stream_init(unsigned roles, int argc, char **argv)
{
    const char *dir = seed_dir(argc, argv);

    null_bind(false);
    duet_setup();
    for (int role = TLS_CLIENT; dir && role <= TLS_SERVER; role++) {
        if (roles >> role & 1) {
            stream_seeds(dir, (enum tls_role)role);
        }
    }
    if (dir) {
        exit(0);
    }
    return 0;
}

/* ---- the mutator ---- */

#define STREAM_LONGEST 8192 /* of an input */
#define STREAM_ITEMS   64

static inline uint32_t stream_draw(uint64_t *seed, uint32_t below)
{
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*seed >> 33) % below;
}

/* Where records and calls begin; all[n] is the end. Returns n > 0 unless there is nothing. */
static inline size_t stream_items(const uint8_t *data, size_t size, size_t all[STREAM_ITEMS + 1])
{
    size_t n = 0, at = STREAM_HEAD;

    while (at < size && n < STREAM_ITEMS) {
        all[n++] = at;
        at += data[at] >= SOLO_CALL ? (size - at > 1 ? 2 : 1) : solo_whole(data + at, size - at);
    }
    all[n] = at;
    return n;
}

/* n bytes in place of `old` at `at`; the new size, or the one of before when there is no room. */
static inline size_t stream_replace(uint8_t *data, size_t size, size_t max, size_t at, size_t old,
                                    const uint8_t *p, size_t n)
{
    if (size - old + n > max) {
        return size;
    }
    memmove(data + at + n, data + at + old, size - at - old);
    if (n) {
        memcpy(data + at, p, n);
    }
    return size - old + n;
}

static inline void put_len(uint8_t *header, size_t n)
{
    header[3] = (uint8_t)(n >> 8);
    header[4] = (uint8_t)n;
}

/* Other content, of which the end stays that hides the type and is the tag; mostly with the length
 * of the message in it put right. */
static inline size_t stream_content(uint8_t *data, size_t size, size_t max, size_t at, size_t n,
                                    uint64_t *seed)
{
    static uint8_t item[STREAM_LONGEST + TLS_HEADER + AEAD_TAG + 1];
    const size_t tail = data[at] == 23 && n > TLS_HEADER + AEAD_TAG + 1 ? AEAD_TAG + 1 : 0;
    const size_t before = n - TLS_HEADER - tail;
    size_t body;

    if (n < TLS_HEADER || n > STREAM_LONGEST || before == 0) {
        return LLVMFuzzerMutate(data, size, max);
    }
    memcpy(item, data + at, n - tail);
    body = LLVMFuzzerMutate(item + TLS_HEADER, before,
                            before + 64 < STREAM_LONGEST ? before + 64 : STREAM_LONGEST);
    if (body >= HS_HEADER && body != before && stream_draw(seed, 4)) {
        item[TLS_HEADER + 1] = 0;
        item[TLS_HEADER + 2] = (uint8_t)((body - HS_HEADER) >> 8);
        item[TLS_HEADER + 3] = (uint8_t)(body - HS_HEADER);
    }
    memcpy(item + TLS_HEADER + body, data + at + n - tail, tail);
    body += tail;
    put_len(item, body);
    return stream_replace(data, size, max, at, n, item, TLS_HEADER + body);
}

/* One record becomes two. */
static inline size_t stream_split(uint8_t *data, size_t size, size_t max, size_t at, size_t n,
                                  uint64_t *seed)
{
    const size_t tail = n > TLS_HEADER && data[at] == 23 ? AEAD_TAG + 1 : 0;
    uint8_t between[AEAD_TAG + 1 + TLS_HEADER];
    size_t first;

    if (n < TLS_HEADER + tail + 2) {
        return size;
    }
    first = 1 + stream_draw(seed, (uint32_t)(n - TLS_HEADER - tail - 1));
    memcpy(between, data + at + n - tail, tail);
    memcpy(between + tail, data + at, TLS_HEADER);
    put_len(between + tail, n - TLS_HEADER - first);
    if (size + tail + TLS_HEADER > max) {
        return size;
    }
    put_len(data + at, first + tail);
    return stream_replace(data, size, max, at + TLS_HEADER + first, 0, between, tail + TLS_HEADER);
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed)
{
    static uint8_t copy[STREAM_LONGEST];
    uint64_t draw = seed;
    size_t all[STREAM_ITEMS + 1], at, len, n;
    uint8_t call[2];

    if (size <= STREAM_HEAD || size > STREAM_LONGEST || stream_draw(&draw, 4) == 0) {
        return LLVMFuzzerMutate(data, size, max);
    }
    n = stream_items(data, size, all);
    at = stream_draw(&draw, (uint32_t)n);
    len = all[at + 1] - all[at];
    at = all[at];
    switch (stream_draw(&draw, 11)) {
    case 10: /* handed over in another way: little room, small pieces */
        data[1] = (uint8_t)(stream_draw(&draw, 4) << 6 | stream_draw(&draw, 4) * 7);
        data[2 + stream_draw(&draw, 3)] = (uint8_t)stream_draw(&draw, 8);
        return size;
    case 0: /* left out */
        return stream_replace(data, size, max, at, len, NULL, 0);
    case 1: /* once more, or somewhere else too */
        memcpy(copy, data + at, len);
        return stream_replace(data, size, max, all[stream_draw(&draw, (uint32_t)n + 1)], 0, copy,
                              len);
    case 2:
        return stream_split(data, size, max, at, len, &draw);
    case 3:
    case 4:
        call[0] = (uint8_t)(SOLO_CALL + stream_draw(&draw, CALLS));
        call[1] = (uint8_t)stream_draw(&draw, 256);
        return stream_replace(data, size, max, at, 0, call, 2);
    case 5: /* another type of record, or outside of another type of message */
        if (len > TLS_HEADER) {
            data[at + (stream_draw(&draw, 2) ? 0 : TLS_HEADER)] =
                (uint8_t)(stream_draw(&draw, 2) ? 20 + stream_draw(&draw, 4)
                                                : stream_draw(&draw, 26));
        }
        return size;
    case 6: /* a wrong tag */
        data[at + len - 1] = 0;
        return size;
    default:
        return stream_content(data, size, max, at, len, &draw);
    }
}
#endif
