/* SPDX-License-Identifier: ISC */
/* A connection, as the engine's files see it: engine.c (life, state, what the handshake asks for),
 * engine_read.c, engine_write.c, engine_handoff.c. The halves share nothing but `status` (r,
 * w: who sets a bit), `notes` and the error, which are atomic or claimed once. */
#ifndef SRC_ENGINE_LOCAL_H
#define SRC_ENGINE_LOCAL_H
#include <stdatomic.h>

#include "base/buf.h"
#include "engine.h"
#include "handshake/handshake.h"
#include "record/record.h"

enum {
    ST_CONNECTED = 1,   /* r */
    ST_FAILED = 2,      /* r, w: a fatal error: ours or the peer's */
    ST_PEER_CLOSED = 4, /* r: close_notify arrived */
    ST_CLOSED = 8,      /* w: we sent close_notify */
    ST_ASKED = 16,      /* w: we asked the peer for a KeyUpdate; r clears it when one comes */
    ST_TALKING = 32,    /* w: we sealed data; r clears it when it looks */
    ST_HALF = 64,       /* r: server: data may answer accepted early data already */
    ST_ENDED = 128,     /* tls_end() */
};
enum {
    NOTE_ALERT = 0x100,      /* low byte: the fatal alert we owe */
    NOTE_KEY_UPDATE = 0x200, /* the peer asked us to change our keys */
    NOTE_REFUSE = 0x400,     /* the peer asked for a renegotiation that will not be */
};
/* Of the bytes of a hand-off: another number whenever a field changes. */
#define HAND_OFF_FORMAT 0x4804

struct tls {
    struct config *config;
    struct hs hs;
    atomic_uint status, notes;
    atomic_flag failing;
    struct error err, scratch; /* scratch: what the handshake says, before it is final */
    /* read half */
    struct rec_half rx;
    struct buf message; /* an unfinished handshake message */
    bool spoke;         /* a message of ours waits in flight */
    uint8_t rx_secret[HASH_MAX];
    unsigned idle; /* records in a row that carried nothing for the caller */
    size_t rx_max; /* longest content of a record, as agreed */
    size_t skip;   /* early data still to be skipped */
    uint64_t opened;
    /* write half */
    struct rec_half tx;
    size_t tx_max;
    struct buf out;
    struct buf flight; /* handshake messages not yet in a record */
    unsigned answers;  /* notes whose records wait in out, with no data behind them */
    uint8_t tx_secret[HASH_MAX];
    uint64_t sealed;
    uint64_t burst;    /* of it, since the last pause */
    int64_t sealed_at; /* seconds; kept with small records */
};

static inline unsigned engine_status(const struct tls *t)
{
    return atomic_load_explicit(&t->status, memory_order_acquire);
}

static inline void engine_status_add(struct tls *t, unsigned bits)
{
    atomic_fetch_or_explicit(&t->status, bits, memory_order_acq_rel);
}

/* Which of them were set. */
static inline unsigned engine_status_take(struct tls *t, unsigned bits)
{
    return atomic_fetch_and_explicit(&t->status, ~bits, memory_order_acq_rel) & bits;
}

/* The first error wins, whichever half finds it; returns code. */
int engine_fail(struct tls *t, int code, const char *place, const char *text);
/* Handshake messages of ours that wait go into records, under the keys of now. */
int engine_flush(struct tls *t) MUST_CHECK;
/* Records of that type into the out queue. */
int engine_emit(struct tls *t, uint8_t type, const uint8_t *p, size_t n) MUST_CHECK;
/* A connection on which nothing was said yet; NULL: no memory. */
struct tls *engine_new(struct config *c);
/* Before TLS 1.3: the keys of a half (done: as in struct rec_keys), and which they are to be
 * (without them). */
int engine_keys12(struct tls *t, struct rec_half *half, const struct hs_keys *k,
                  uint64_t done) MUST_CHECK;
struct rec_keys engine_protection12(const struct tls *t);
/* TLS 1.3: key and IV of a half from its traffic secret. */
int engine_keys(struct tls *t, struct rec_half *half, const struct suite *s,
                const uint8_t *traffic) MUST_CHECK;
/* What was agreed about the length of a record's content (RFC 6066 section 4; RFC 8449, where limit
 * is hs.send_limit or hs.recv_limit). */
size_t engine_content_max(const struct tls *t, uint16_t limit);
/* Puts a limit on what we send; padding keeps to it. */
void engine_set_tx_max(struct tls *t, size_t max);
/* No more keys in that half. */
void engine_read_end(struct tls *t);
void engine_write_end(struct tls *t);
#endif
