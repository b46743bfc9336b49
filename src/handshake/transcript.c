/* SPDX-License-Identifier: ISC */
#include "crypto/memory.h"
#include "handshake/transcript.h"

enum { MESSAGE_HASH = 254 };

int transcript_add(struct transcript *t, struct span message)
{
    if (t->hash) {
        TRY(hash_update(t->hash, message.p, message.n));
        return t->keep ? buf_append(&t->raw, message.p, message.n) : 0;
    }
    if (t->first == 0) {
        t->first = message.n;
    }
    return buf_append(&t->raw, message.p, message.n);
}

/* The first ClientHello as its message_hash (section 4.4.1). */
static int replace_first(enum hash_id id, const uint8_t *p, size_t n, uint8_t out[4 + HASH_MAX])
{
    memcpy(out, (uint8_t[]){ MESSAGE_HASH, 0, 0, (uint8_t)hash_size(id) }, 4);
    return hash_once(id, p, n, out + 4);
}

int transcript_choose(struct transcript *t, enum hash_id id, bool after_retry)
{
    struct span raw = buf_span(&t->raw);

    t->id = id;
    t->hash = hash_new(id);
    if (!t->hash) {
        return crypto_why(ERR_CRYPTO);
    }
    if (after_retry) {
        uint8_t replaced[4 + HASH_MAX];

        t->retried = true;
        TRY(replace_first(id, raw.p, t->first, replaced));
        TRY(hash_update(t->hash, replaced, 4 + hash_size(id)));
        raw = span_of(raw.p + t->first, raw.n - t->first);
    }
    TRY(hash_update(t->hash, raw.p, raw.n));
    if (!t->keep) {
        buf_free(&t->raw);
    }
    return 0;
}

int transcript_partial(const struct transcript *t, enum hash_id id, size_t cut, struct span more,
                       uint8_t out[static HASH_MAX])
{
    uint8_t replaced[4 + HASH_MAX];
    struct span raw = buf_span(&t->raw), part[3] = { { replaced, 0 }, raw, more };

    if (raw.n < cut || (t->retried && raw.n - cut < t->first)) {
        return ERR_STATE;
    }
    part[1].n -= cut;
    if (t->retried) {
        TRY(replace_first(id, raw.p, t->first, replaced));
        part[0].n = 4 + hash_size(id);
        part[1] = span_of(raw.p + t->first, part[1].n - t->first);
    }
    return hash_parts(id, part, 3, out);
}

void transcript_drop_raw(struct transcript *t)
{
    if (!t->whole) {
        t->keep = false;
        buf_free(&t->raw);
    }
}

int transcript_hash(const struct transcript *t, uint8_t out[static HASH_MAX])
{
    return t->hash ? hash_snapshot(t->hash, out) : ERR_STATE;
}

void transcript_free(struct transcript *t)
{
    hash_free(t->hash);
    t->hash = NULL;
    buf_free(&t->raw);
}
