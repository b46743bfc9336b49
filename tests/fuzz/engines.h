/* SPDX-License-Identifier: ISC */
/* A whole engine under arbitrary bytes, in several settings. Its randomness is fixed, so that
 * inputs may hold records sealed for it; nobody can guess the last of a handshake's, which none of
 * the corpus has: it never gets connected. */
#ifndef FUZZ_ENGINES_H
#define FUZZ_ENGINES_H
#include "tests/fuzz/party.h"

struct variant {
    unsigned client, server; /* PARTY_ */
    enum client_auth auth;
    bool resumes;
};
/* New ones go behind the others: the corpus counts on the places. */
static const struct variant variants[] = {
    { PARTY_ID | PARTY_SMALL, PARTY_SMALL, CLIENT_AUTH_REQUIRE, false },
    { PARTY_ID | PARTY_PLAIN | PARTY_SMALL, PARTY_RETRY | PARTY_SMALL, CLIENT_AUTH_REQUEST, false },
    { PARTY_SMALL, PARTY_SMALL, CLIENT_AUTH_NONE, true },
    { PARTY_PSK | PARTY_KE | PARTY_SMALL, PARTY_PSK | PARTY_KE, CLIENT_AUTH_NONE, false },
    { PARTY_IMPORTED, PARTY_IMPORTED | PARTY_RETRY, CLIENT_AUTH_NONE, false },
    { PARTY_12 | PARTY_ID, PARTY_12, CLIENT_AUTH_REQUIRE, false },
    { PARTY_12 | PARTY_PLAIN, PARTY_12 | PARTY_PLAIN, CLIENT_AUTH_NONE, false },
    { PARTY_12 | PARTY_RENEGOTIATE, PARTY_12 | PARTY_RENEGOTIATE, CLIENT_AUTH_NONE, true },
    { PARTY_APP | PARTY_ID, PARTY_APP | PARTY_SMALL, CLIENT_AUTH_REQUEST, false },
    { PARTY_EARLY | PARTY_SMALL, PARTY_EARLY, CLIENT_AUTH_NONE, true },
};
#define VARIANTS    (sizeof variants / sizeof *variants)
#define ENGINE_HEAD 5

static struct config *engine_configs[2][VARIANTS];
static struct tls_session *engine_sessions[VARIANTS];
#define ENGINE_SEED(role) ((role) == TLS_CLIENT ? 4u : 3u)

static inline struct tls *engine_new(enum tls_role role, size_t which)
{
    bool client = role == TLS_CLIENT;
    struct tls *t;

    fuzz_start(ENGINE_SEED(role));
    if (client && engine_sessions[which]) { /* one of TLS 1.3 is offered only once */
        atomic_store(&engine_sessions[which]->spent, false);
    }
    sure(tls_new(&t, engine_configs[role][which], client ? FUZZ_HOST : NULL, NULL,
                 client ? engine_sessions[which] : NULL, NULL) == 0);
    return t;
}

/* ---- two of them ---- */

/* Feeds the whole records at p to t. With `record`, what it used while that did not connect it is
 * appended there. */
static inline bool engine_hear(struct tls *t, const uint8_t *p, size_t n, struct buf *record)
{
    while (n > 0) {
        size_t len = TLS_HEADER + ((size_t)p[3] << 8 | p[4]);
        uint8_t *copy = malloc(len);
        struct tls_in in = { .data = copy, .len = len };

        sure(copy != NULL && len <= n);
        memcpy(copy, p, len);
        sure(tls_input(t, &in) >= 0 && in.used == len);
        free(copy);
        if (tls_connected(t)) {
            record = NULL;
        }
        sure(!record || buf_append(record, p, len) == 0);
        p += len;
        n -= len;
    }
    return record != NULL;
}

/* A client that may, says something at once. */
static inline void engine_early(struct tls *t)
{
    struct span part = span_of("early", 5);
    uint8_t sealed[128];
    size_t taken, made;

    if (tls_role(t) == TLS_CLIENT && tls_early_room(t) > 0) {
        (void)tls_output(t);
        sure(tls_seal_early(t, &part, 1, &taken, sealed, sizeof sealed, &made) == 0 &&
             taken == part.n && tls_queue(t, sealed, made) == 0);
    }
}

/* A genuine handshake; each end has the randomness that it has alone. What `role` hears, up to
 * the record that would connect it; the session that it leaves the client. */
static inline struct tls_session *engine_play(size_t which, enum tls_role role, struct buf *record)
{
    uint64_t seeds[2];
    struct tls_session *left;
    struct tls *end[2];
    bool silent = false;

    for (int i = TLS_CLIENT; i <= TLS_SERVER; i++) {
        end[i] = engine_new((enum tls_role)i, which);
        engine_early(end[i]);
        seeds[i] = fuzz_seed;
    }
    while (!silent) {
        silent = true;
        for (int i = TLS_CLIENT; i <= TLS_SERVER; i++) {
            struct span out = tls_output(end[i]);
            int to = !i;

            if (out.n > 0) {
                fuzz_seed = seeds[to];
                if (!engine_hear(end[to], out.p, out.n, to == (int)role ? record : NULL) &&
                    to == (int)role) {
                    record = NULL;
                }
                seeds[to] = fuzz_seed;
                tls_sent(end[i], out.n);
                silent = false;
            }
        }
    }
    sure(tls_connected(end[0]) && tls_connected(end[1]));
    left = tls_session(end[TLS_CLIENT]);
    tls_free(end[0]);
    tls_free(end[1]);
    return left;
}

static inline void engine_setup(void)
{
    static struct party self;

    party_make(&self, 1);
    for (size_t i = 0; i < VARIANTS; i++) {
        const struct variant *v = &variants[i];

        engine_configs[TLS_CLIENT][i] =
            party_config(v->client & PARTY_ID ? &self : NULL, self.trust, TLS_CLIENT,
                         CLIENT_AUTH_NONE, v->client, NULL);
        engine_configs[TLS_SERVER][i] =
            party_config(&self, self.trust, TLS_SERVER, v->auth, v->server, NULL);
        engine_sessions[i] = v->resumes ? engine_play(i, TLS_CLIENT, NULL) : NULL;
        sure(!v->resumes || engine_sessions[i]);
    }
}

/* The corpus of one role: all variants, with pieces of several sizes. */
static inline int engine_init(enum tls_role role, int argc, char **argv)
{
    const char *dir = seed_dir(argc, argv);

    engine_setup();
    for (size_t i = 0; dir && i < VARIANTS; i++) {
        const uint8_t head[ENGINE_HEAD] = { (uint8_t)i, i & 1 ? 0x90 : 0, 0xff, 3, 0x28 };
        struct buf heard = { 0 };
        char name[32];

        session_unref(engine_play(i, role, &heard));
        snprintf(name, sizeof name, "variant-%zu", i);
        seed_write(dir, name, span_of(head, sizeof head), buf_span(&heard));
        buf_free(&heard);
    }
    if (dir) {
        exit(0);
    }
    return 0;
}

/* ---- a whole engine under arbitrary bytes ---- */

/* What it says must be whole records. */
static inline void engine_drain(struct tls *t)
{
    struct span out = tls_output(t);
    struct rd r = rd_of(out.p, out.n), body;
    uint8_t type;
    uint16_t version;

    while (!rd_done(&r)) {
        sure(rd_u8(&r, &type) && type >= 20 && type <= 23 && rd_u16(&r, &version) &&
             version >> 8 == 3 && rd_vec(&r, 2, &body) && body.n > 0 &&
             body.n <= TLS_RECORD_MAX - TLS_HEADER);
    }
    tls_sent(t, out.n);
    sure(tls_output(t).n == 0);
}

/* A server may answer early data that it accepted: nobody but who has the ticket can have sent it.
 */
static inline bool engine_half_open(const struct tls *t)
{
    struct tls_info i;

    tls_get_info(t, &i);
    return tls_role(t) == TLS_SERVER && i.early == TLS_EARLY_ACCEPTED;
}

/* One call with exactly these bytes; what was used, or -1 when the connection is over. */
static inline long engine_feed(struct tls *t, const uint8_t *p, size_t n, bool apart, size_t room)
{
    struct tls_in in = { .len = n, .data = malloc(n), .room = room };
    int rc;

    in.out = apart ? malloc(room) : NULL;
    sure(in.data || n == 0);
    if (n) {
        memcpy(in.data, p, n);
    }
    rc = tls_input(t, &in);
    sure(in.used <= n && !tls_connected(t));
    sure(rc == TLS_EV_EARLY_DATA ? in.nplain > 0 && engine_half_open(t)
                                 : in.nplain == 0 && in.nrest == 0);
    sure(!tls_can_seal(t) || engine_half_open(t));
    if (rc < 0) {
        sure(tls_error(t)->code != 0);
    } else if (rc == TLS_EV_MORE) {
        sure(in.used == 0 && in.need > n && in.need <= TLS_RECORD_MAX);
    } else {
        /* Behind close_notify anything is used up, whole records or not. */
        sure(rc == TLS_EV_CLOSED ||
             ((rc == TLS_EV_PROGRESS || rc == TLS_EV_WARNING || rc == TLS_EV_EARLY_DATA) &&
              in.used >= TLS_HEADER));
    }
    free(in.data);
    free(in.out);
    return rc < 0 ? -1 : (long)in.used;
}

/* data: the variant, where plaintext goes, the size of the pieces in turn (3 bytes), then the
 * stream. */
static inline void engine_run(enum tls_role role, const uint8_t *data, size_t size)
{
    struct tls *t;
    struct span nothing = { (const uint8_t *)"x", 1 };
    const uint8_t *head = data;
    size_t from = 0, to = 0, taken, made;
    uint8_t sealed[64];
    long used = 0;

    if (size < ENGINE_HEAD) {
        return;
    }
    head++;
    t = engine_new(role, data[0] % VARIANTS);
    data += ENGINE_HEAD;
    size -= ENGINE_HEAD;
    engine_drain(t);
    for (unsigned i = 0; used >= 0 && to < size; i++) {
        to += 1 + (size_t)head[1 + i % 3] * 8;
        to = to < size ? to : size;
        do {
            used = engine_feed(t, data + from, to - from, head[0] & 0x80, head[0] & 0x7f);
            from += used > 0 ? (size_t)used : 0;
            engine_drain(t);
        } while (used > 0 && from < to);
    }
    if (used < 0) {
        struct tls_in again = { .data = sealed, .len = 0 };

        sure(tls_input(t, &again) == ERR_CLOSED && tls_error(t)->text[0]);
        sure(tls_seal(t, &nothing, 1, &taken, sealed, sizeof sealed, &made) == ERR_CLOSED);
    } else {
        sure(tls_can_seal(t) ||
             tls_seal(t, &nothing, 1, &taken, sealed, sizeof sealed, &made) == ERR_STATE);
        sure(tls_close(t) == 0);
        engine_drain(t);
    }
    tls_free(t);
}
#endif
