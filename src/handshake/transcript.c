/* SPDX-License-Identifier: ISC */
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

int transcript_choose(struct transcript *t, enum hash_id id, bool after_retry)
{
    struct span raw = buf_span(&t->raw);

    t->id = id;
    t->hash = hash_new(id);
    if (!t->hash) {
        return ERR_CRYPTO;
    }
    if (after_retry) {
        uint8_t replaced[4 + HASH_MAX] = { MESSAGE_HASH, 0, 0, (uint8_t)hash_size(id) };

        TRY(hash_once(id, raw.p, t->first, replaced + 4));
        TRY(hash_update(t->hash, replaced, 4 + hash_size(id)));
        raw = span_of(raw.p + t->first, raw.n - t->first);
    }
    TRY(hash_update(t->hash, raw.p, raw.n));
    if (!t->keep) {
        buf_free(&t->raw);
    }
    return 0;
}

void transcript_drop_raw(struct transcript *t)
{
    t->keep = false;
    buf_free(&t->raw);
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
