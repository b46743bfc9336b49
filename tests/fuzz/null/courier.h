/* SPDX-License-Identifier: ISC */
/* What carries the records of two engines, message by message, and can do with them what nobody on
 * the way could who has not the keys: the null provider's tags tell the key and nothing of the
 * content. It knows what was said and what was heard. */
#ifndef FUZZ_NULL_COURIER_H
#define FUZZ_NULL_COURIER_H
#include "engine_local.h"
#include "tests/fuzz/null/world.h"

#define UNITS      256 /* in all */
#define UNIT_MAX   (TLS_RECORD_MAX + 256)
#define HS_CONTENT (UNIT_MAX - 64)

/* A handshake message, or what a record of another type has; and how it was protected. */
struct unit {
    uint8_t from, outer, type;
    bool sealed;
    uint16_t version;
    uint8_t nlead, lead[16]; /* before the content */
    uint8_t tag[AEAD_TAG];
    size_t n;
    uint8_t *p; /* malloc()ed */
};

struct courier_end {
    struct tls *t;
    /* Whole messages, but for HelloRequest; heard: that were accepted. And the beginning of one
     * that goes on in the next record. */
    struct buf said, heard, saying, hearing;
    size_t covered;  /* of heard, when it said its last Finished */
    unsigned done;   /* how often it was TLS_EV_DONE */
    size_t received; /* bytes */
    uint8_t nlead;
    bool sealed;
};
struct courier {
    const struct scenario *s;
    size_t which;
    struct courier_end end[2];
    struct unit all[UNITS];
    size_t count, next; /* made; delivered */
    bool tampered;      /* something else than what was said has been heard, or nothing */
    void (*on_done)(struct courier *c, enum tls_role who);
};

static inline struct unit unit_copy(const struct unit *u)
{
    struct unit copy = *u;

    copy.p = malloc(UNIT_MAX);
    sure(copy.p);
    memcpy(copy.p, u->p, u->n);
    return copy;
}

/* ---- what they say ---- */

static inline bool is_13(const struct courier *c)
{
    return !c->s->is12;
}

static inline void courier_push(struct courier *c, const struct unit *like, const uint8_t *p,
                                size_t n)
{
    struct unit u = *like;

    if (c->count < UNITS && n <= HS_CONTENT) {
        u.p = malloc(UNIT_MAX);
        sure(u.p);
        memcpy(u.p, p, n);
        u.n = n;
        c->all[c->count++] = u;
    }
}

static inline size_t message_size(const uint8_t *p)
{
    return HS_HEADER + ((size_t)p[1] << 16 | (size_t)p[2] << 8 | p[3]);
}

/* HelloRequest is in no transcript (RFC 5246 section 7.4.1.1). */
static inline void courier_log(struct buf *log, struct span message)
{
    if (message.n > HS_HEADER || message.p[0] != HS_HELLO_REQUEST) {
        sure(buf_append(log, message.p, message.n) == 0);
    }
}

static inline void courier_heard(struct courier_end *e, const uint8_t *p, size_t n)
{
    sure(buf_append(&e->hearing, p, n) == 0);
    while (buf_len(&e->hearing) >= HS_HEADER &&
           message_size(buf_data(&e->hearing)) <= buf_len(&e->hearing)) {
        const size_t whole = message_size(buf_data(&e->hearing));

        courier_log(&e->heard, span_of(buf_data(&e->hearing), whole));
        buf_consume(&e->hearing, whole);
    }
}

/* A record's part of the handshake: one unit for each message that begins in it. */
static inline void courier_handshake(struct courier *c, struct courier_end *e, struct unit *u,
                                     const uint8_t *p, size_t n)
{
    size_t at = 0, whole;

    while (at < n) {
        const size_t before = buf_len(&e->saying);
        size_t part = n - at;

        sure(buf_append(&e->saying, p + at, part) == 0);
        whole = buf_len(&e->saying) >= HS_HEADER ? message_size(buf_data(&e->saying)) : SIZE_MAX;
        if (whole <= buf_len(&e->saying)) {
            part = whole - before;
            courier_log(&e->said, span_of(buf_data(&e->saying), whole));
            if (buf_data(&e->saying)[0] == HS_FINISHED) {
                e->covered = buf_len(&e->heard);
            }
            buf_free(&e->saying);
        }
        courier_push(c, u, p + at, part);
        at += part;
    }
}

/* Nothing leaves in clear once there are keys (RFC 8446 section 5); but the second hello of a
 * client whose early data was rejected. */
static inline void courier_check_sealed(const struct courier *c, const struct courier_end *e,
                                        const struct unit *u)
{
    const bool client = tls_role(e->t) == TLS_CLIENT;

    sure(u->outer != CT_APPLICATION_DATA || is_13(c) || e->sealed);
    sure(u->sealed || !e->sealed || u->outer == CT_CHANGE_CIPHER_SPEC ||
         (client && is_13(c) && !tls_connected(e->t) && e->t->hs.early != TLS_EARLY_NONE));
}

static inline void courier_record(struct courier *c, enum tls_role from, uint8_t type,
                                  uint16_t version, struct rd body)
{
    struct courier_end *e = &c->end[from];
    struct unit u = { .from = (uint8_t)from, .outer = type, .type = type, .version = version };
    const uint8_t *p = body.p;
    size_t n = body.n;

    u.sealed = is_13(c) ? type == CT_APPLICATION_DATA : e->sealed;
    courier_check_sealed(c, e, &u);
    if (u.sealed) {
        u.nlead = is_13(c) ? 0 : e->nlead;
        if (n < u.nlead + (size_t)AEAD_TAG + is_13(c)) {
            return;
        }
        memcpy(u.lead, p, u.nlead);
        n -= AEAD_TAG;
        memcpy(u.tag, p + n, AEAD_TAG);
        p += u.nlead;
        n -= u.nlead;
        while (is_13(c) && n > 1 && p[n - 1] == 0) {
            n--;
        }
        u.type = is_13(c) ? p[--n] : type;
    }
    e->sealed = u.sealed || (type == CT_CHANGE_CIPHER_SPEC && !is_13(c)) ||
                (e->sealed && type != CT_HANDSHAKE);
    if (u.type == CT_HANDSHAKE) {
        courier_handshake(c, e, &u, p, n);
    } else {
        courier_push(c, &u, p, n);
    }
}

static inline void courier_take(struct courier *c, enum tls_role from)
{
    struct courier_end *e = &c->end[from];
    struct span out = tls_output(e->t);
    struct rd r = rd_span(out), body;
    uint16_t version;
    uint8_t type;

    if (e->t->tx.protection && e->t->tx.protection != &protect_none) {
        e->nlead = (uint8_t)(rec_headroom(&e->t->tx) - REC_HEADER);
    }
    while (!rd_done(&r)) {
        sure(rd_u8(&r, &type) && rd_u16(&r, &version) && rd_vec(&r, 2, &body));
        courier_record(c, from, type, version, body);
    }
    tls_sent(e->t, out.n);
}

/* ---- what they hear ---- */

static inline size_t unit_record(const struct unit *u, bool in13, uint8_t *out)
{
    uint8_t *p = out + REC_HEADER;
    size_t n;

    memcpy(p, u->lead, u->sealed ? u->nlead : 0);
    p += u->sealed ? u->nlead : 0;
    memcpy(p, u->p, u->n);
    p += u->n;
    if (u->sealed && in13) {
        *p++ = u->type;
    }
    memcpy(p, u->tag, u->sealed ? AEAD_TAG : 0);
    p += u->sealed ? AEAD_TAG : 0;
    n = (size_t)(p - out) - REC_HEADER;
    out[0] = u->sealed && in13 ? u->outer : u->type;
    out[1] = (uint8_t)(u->version >> 8);
    out[2] = (uint8_t)u->version;
    out[3] = (uint8_t)(n >> 8);
    out[4] = (uint8_t)n;
    return REC_HEADER + n;
}

static inline void courier_deliver(struct courier *c, enum tls_role to, const struct unit *u)
{
    struct courier_end *e = &c->end[to];
    const bool was = tls_connected(e->t);
    uint8_t *record = malloc(UNIT_MAX + 64);
    const size_t skip = e->t->skip;
    struct tls_in in = { 0 };
    bool skipped;
    int rc;

    sure(record);
    in.len = unit_record(u, is_13(c), record);
    in.data = malloc(in.len);
    sure(in.data);
    memcpy(in.data, record, in.len);
    e->received += in.len;
    rc = tls_input(e->t, &in);
    sure(rc != TLS_EV_MORE && rc != TLS_EV_WAIT);
    rc = world_go_on(e->t, rc);
    sure(rc != TLS_EV_DATA || was);
    sure(rc == TLS_EV_DATA || rc == TLS_EV_EARLY_DATA || in.nplain == 0);
    skipped = skip && e->t->skip == skip - (in.len - REC_HEADER); /* rejected early data */
    if (rc >= 0 && u->type == CT_HANDSHAKE && !skipped) {
        courier_heard(e, u->p, u->n);
    }
    if (rc == TLS_EV_DONE) {
        c->on_done(c, to);
        e->done++;
    }
    courier_take(c, to);
    free(in.data);
    free(record);
}

/* ---- life ---- */

static inline void courier_start(struct courier *c, size_t which)
{
    struct tls *end[2];

    memset(c, 0, sizeof *c);
    c->s = &scenarios[which];
    c->which = which;
    world_start(end, which);
    for (int i = TLS_CLIENT; i <= TLS_SERVER; i++) {
        c->end[i].t = end[i];
    }
}

static inline void courier_end(struct courier *c)
{
    for (int i = TLS_CLIENT; i <= TLS_SERVER; i++) {
        tls_free(c->end[i].t);
        buf_free(&c->end[i].said);
        buf_free(&c->end[i].heard);
        buf_free(&c->end[i].saying);
        buf_free(&c->end[i].hearing);
    }
    for (size_t i = 0; i < c->count; i++) {
        free(c->all[i].p);
    }
}

/* ---- what they are to agree on ---- */

/* A log from its last message of this type on; from its beginning: there is none. */
static inline struct span since(struct span log, unsigned type)
{
    size_t at = 0, last = 0;

    while (log.n - at >= HS_HEADER) {
        const size_t n = message_size(log.p + at);

        last = log.p[at] == type ? at : last;
        if (n > log.n - at) {
            break;
        }
        at += n;
    }
    return span_of(log.p + last, log.n - last);
}

/* Only messages of these types, one bit each. */
static inline void only(struct span log, uint32_t types, struct buf *out)
{
    while (log.n >= HS_HEADER && message_size(log.p) <= log.n) {
        const size_t n = message_size(log.p);

        if (log.p[0] < 32 && (types >> log.p[0] & 1)) {
            sure(buf_append(out, log.p, n) == 0);
        }
        log = span_of(log.p + n, log.n - n);
    }
}

static inline bool has(struct span log, unsigned type)
{
    struct buf b = { 0 };
    bool is;

    only(log, UINT32_C(1) << type, &b);
    is = buf_len(&b) > 0;
    buf_free(&b);
    return is;
}

/* Types and lengths, for people. */
static inline void show(const char *what, struct span log)
{
    fprintf(stderr, "%s:", what);
    while (log.n >= HS_HEADER && message_size(log.p) <= log.n) {
        const size_t n = message_size(log.p);

        fprintf(stderr, " %u(%zu)", log.p[0], n);
        log = span_of(log.p + n, log.n - n);
    }
    fprintf(stderr, log.n ? " and %zu bytes\n" : "\n", log.n);
}

static inline bool begins_with(struct span whole, struct span part)
{
    return part.n <= whole.n && (part.n == 0 || memcmp(whole.p, part.p, part.n) == 0);
}
#endif
