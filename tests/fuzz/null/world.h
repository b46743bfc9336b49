/* SPDX-License-Identifier: ISC */
/* A client and a server, whole engines, in the settings of duet.h; what one says, the other hears
 * at once. */
#ifndef FUZZ_NULL_WORLD_H
#define FUZZ_NULL_WORLD_H
#include "tests/fuzz/duet.h"
#include "tests/fuzz/null/null.h"

static inline struct tls *world_engine(enum tls_role role, size_t which)
{
    const bool client = role == TLS_CLIENT;
    struct tls *t;

    sure(tls_new(&t, duet_configs[role][which], client ? FUZZ_HOST : NULL, NULL,
                 client ? duet_session(which) : NULL, NULL) == 0);
    return t;
}

/* Both, with the randomness that they have in every run. */
static inline void world_start(struct tls *end[2], size_t which)
{
    fuzz_start(1 + which);
    for (int i = TLS_CLIENT; i <= TLS_SERVER; i++) {
        end[i] = world_engine((enum tls_role)i, which);
    }
}

/* Early data of a client that may have some. */
static inline void world_early(struct tls *t)
{
    struct span part = span_of("early", 5);
    uint8_t sealed[128];
    size_t taken, made;

    if (tls_early_room(t) >= part.n) {
        (void)tls_output(t);
        sure(tls_seal_early(t, &part, 1, &taken, sealed, sizeof sealed, &made) == 0 &&
             taken == part.n && tls_queue(t, sealed, made) == 0);
    }
}

/* A private key was wanted: it is used now. What the engine says then, or what it said. */
static inline int world_go_on(struct tls *t, int rc)
{
    struct tls_in nothing = { 0 };

    while (rc >= 0 && tls_waiting(t)) {
        party_work(false);
        rc = tls_input(t, &nothing);
        sure(rc != TLS_EV_WAIT && nothing.used == 0);
    }
    return rc;
}

/* Records that are whole; what the last call of tls_input() said. What was opened is appended to
 * data, and all records that were used to heard; either may be NULL. */
static inline int world_hear(struct tls *t, struct span s, struct buf *data, struct buf *heard)
{
    uint8_t *copy = malloc(s.n + 1);
    size_t at = 0;
    int rc = TLS_EV_PROGRESS;

    sure(copy);
    memcpy(copy, s.p, s.n);
    while (rc >= 0 && rc != TLS_EV_CLOSED && at < s.n) {
        struct tls_in in = { .data = copy + at, .len = s.n - at };

        rc = tls_input(t, &in);
        sure(rc < 0 || in.used > 0);
        rc = world_go_on(t, rc);
        sure(!data || in.nplain == 0 || buf_append(data, in.plain, in.nplain) == 0);
        sure(!heard || rc < 0 || buf_append(heard, s.p + at, in.used) == 0);
        at += in.used;
    }
    free(copy);
    return rc;
}

/* Says what it has to say to the other; false: nothing. *rc: of world_hear(). */
static inline bool world_step(struct tls *from, struct tls *to, struct buf *data, struct buf *heard,
                              int *rc)
{
    struct span out = tls_output(from);

    if (out.n == 0) {
        return false;
    }
    *rc = world_hear(to, out, data, heard);
    tls_sent(from, out.n);
    return true;
}

/* Until both are silent, the client first. heard: by role; NULL: nobody asks. */
static inline void world_talk(struct tls *end[2], struct buf heard[2])
{
    bool spoke = true;
    int rc = 0;

    while (spoke) {
        spoke = world_step(end[TLS_CLIENT], end[TLS_SERVER], NULL,
                           heard ? &heard[TLS_SERVER] : NULL, &rc);
        spoke = world_step(end[TLS_SERVER], end[TLS_CLIENT], NULL,
                           heard ? &heard[TLS_CLIENT] : NULL, &rc) ||
                spoke;
    }
}

/* What comes behind the first handshake of this scenario. */
static inline void world_more(struct tls *end[2], size_t which, struct buf heard[2])
{
    switch (scenarios[which].more) {
    case ASKS_AGAIN:
        sure(tls_request_client_auth(end[TLS_SERVER], NULL) == 0);
        break;
    case RENEGOTIATES:
        sure(tls_rehandshake(end[TLS_CLIENT], NULL, false) == 0);
        break;
    case SERVER_RENEGOTIATES:
        sure(tls_rehandshake(end[TLS_SERVER], NULL, true) == 0);
        break;
    default:
        return;
    }
    world_talk(end, heard);
}

/* Sealed by one, opened by the other. */
static inline void world_say(struct tls *from, struct tls *to, struct span what, struct buf *heard)
{
    struct buf data = { 0 };
    uint8_t sealed[512];
    size_t taken, made;
    int rc = 0;

    (void)tls_output(from);
    sure(tls_seal(from, &what, 1, &taken, sealed, sizeof sealed, &made) == 0 && taken == what.n);
    sure(tls_queue(from, sealed, made) == 0);
    sure(world_step(from, to, &data, heard, &rc) && rc == TLS_EV_DATA);
    sure(span_eq(buf_span(&data), what));
    buf_free(&data);
}

static inline void world_free(struct tls *end[2])
{
    tls_free(end[TLS_CLIENT]);
    tls_free(end[TLS_SERVER]);
}
#endif
