/* SPDX-License-Identifier: ISC */
/* Early data of peer_engine: what is sent so, and what of it must be said again. */
#ifndef INTEROP_PEER_EARLY_H
#define INTEROP_PEER_EARLY_H
#include "tests/interop/peer_files.h"

struct early {
    struct buf data; /* what is not delivered yet */
    size_t sent;     /* bytes of it that went out early */
};

/* One server, a test: nobody replays anything. */
static inline bool early_fresh(void *ctx, struct span binder, int64_t now_ms)
{
    (void)ctx;
    return binder.n && now_ms;
}

/* path NULL: nothing. */
static inline void early_say(struct early *e, struct tls *t, const char *path)
{
    static uint8_t out[TLS_RECORD_MAX];
    size_t taken, made;

    if (path) {
        must(file_read(path, &e->data, NULL), path, NULL);
    }
    while (e->sent < buf_len(&e->data) && tls_early_room(t)) {
        struct span part = span_of(buf_data(&e->data) + e->sent, buf_len(&e->data) - e->sent);

        must(tls_seal_early(t, &part, 1, &taken, out, sizeof out, &made), "early", NULL);
        must(tls_queue(t, out, made), "queue", NULL);
        e->sent += taken;
    }
}

/* Once it is connected: what was rejected, or was too much. */
static inline struct span early_again(struct early *e, const struct tls *t)
{
    struct tls_info i;

    tls_get_info(t, &i);
    buf_consume(&e->data, i.early == TLS_EARLY_ACCEPTED ? e->sent : 0);
    return buf_span(&e->data);
}
#endif
