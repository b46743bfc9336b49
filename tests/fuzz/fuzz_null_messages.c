/* SPDX-License-Identifier: ISC */
/* A client and a server, whole engines, and between them a script that drops, repeats, reorders,
 * truncates, splits, joins, retypes and reflects their messages, also those that are sealed, and
 * has the two do things (null/courier.h). A byte for the settings (duet.h; the highest bit: proofs
 * are believed), then four for each step: at which unit, what, and two of how.
 *
 * With proofs that bind, nobody is connected to whom not all that the other said was said, or who
 * was not understood (threats 2, 3, 20, 22, 34); each has seen the proofs that it needs; nothing
 * leaves in clear; memory is bounded. */
#include <malloc.h>

#include "base/mem.h"
#include "tests/fuzz/null/courier.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum op {
    DROP,
    REPEAT,
    SWAP,
    TRUNCATE,
    EXTEND,
    SPLIT,
    JOIN,
    RETYPE_MESSAGE,
    RETYPE_RECORD,
    FLIP,
    REPLAY,
    REFLECT,
    INSERT_CCS,
    INSERT_ALERT,
    INSERT_MESSAGE,
    UNSEAL,
    CALL,
    OPS
};
enum call { WRITE, EARLY, KEY_UPDATE, CLOSE, REQUEST, REHANDSHAKE, PARK, ALLOW, CALLS };
struct step {
    uint8_t at, op, a, b;
};
#define STEPS 16

/* ---- memory ---- */

static size_t live, peak;

static void *count_alloc(size_t n)
{
    void *p = malloc(n);

    live += p ? malloc_usable_size(p) : 0;
    peak = peak < live ? live : peak;
    return p;
}

static void count_release(void *p)
{
    live -= p ? malloc_usable_size(p) : 0;
    free(p);
}

/* ---- what must be so ---- */

/* The last handshake of TLS 1.2, the first of TLS 1.3: all of it, as both saw it. */
static void check_transcripts(const struct courier *c, enum tls_role who)
{
    const struct courier_end *e = &c->end[who], *peer = &c->end[!who];
    struct span heard = buf_span(&e->heard), said = buf_span(&peer->said);
    struct span ours = buf_span(&e->said), got = span_of(buf_data(&peer->heard), peer->covered);
    const bool again = e->done > 0;

    if (again) { /* what was refused before it is in nobody's transcript */
        const unsigned theirs = who == TLS_CLIENT ? HS_SERVER_HELLO : HS_CLIENT_HELLO;
        const unsigned own = who == TLS_CLIENT ? HS_CLIENT_HELLO : HS_SERVER_HELLO;

        heard = since(heard, theirs);
        said = since(said, theirs);
        ours = since(ours, own);
        got = since(got, own);
    }
    if (!begins_with(said, heard) || !begins_with(ours, got)) {
        show("the peer said", said);
        show("heard", heard);
        show("said", ours);
        show("the peer heard", got);
    }
    sure(begins_with(said, heard));
    sure(begins_with(ours, got));
}

/* TLS 1.3, a server that asked again: what answered it was said, and what it asked was heard; a
 * client that hears it twice answers twice. */
static void check_post(const struct courier *c)
{
    const uint32_t answer = 1u << HS_CERTIFICATE | 1u << HS_COMPRESSED_CERTIFICATE |
                            1u << HS_CERTIFICATE_VERIFY | 1u << HS_FINISHED;
    const struct courier_end *s = &c->end[TLS_SERVER], *k = &c->end[TLS_CLIENT];
    struct buf b[4] = { 0 };

    only(buf_span(&s->heard), answer, &b[0]);
    only(buf_span(&k->said), answer, &b[1]);
    only(buf_span(&k->heard), 1u << HS_CERTIFICATE_REQUEST, &b[2]);
    only(buf_span(&s->said), 1u << HS_CERTIFICATE_REQUEST, &b[3]);
    if (!begins_with(buf_span(&b[1]), buf_span(&b[0])) ||
        !begins_with(buf_span(&b[2]), buf_span(&b[3]))) {
        show("the server heard", buf_span(&b[0]));
        show("the client said", buf_span(&b[1]));
        show("the client heard", buf_span(&b[2]));
        show("the server said", buf_span(&b[3]));
    }
    sure(begins_with(buf_span(&b[1]), buf_span(&b[0])));
    sure(begins_with(buf_span(&b[2]), buf_span(&b[3])));
    for (int i = 0; i < 4; i++) {
        buf_free(&b[i]);
    }
}

/* Nobody is skipped who has something to prove. */
static void check_proofs(const struct courier *c, enum tls_role who)
{
    struct span heard = buf_span(&c->end[who].heard);
    struct tls_info i;
    bool shown;

    tls_get_info(c->end[who].t, &i);
    sure(has(heard, HS_FINISHED));
    shown = has(heard, HS_CERTIFICATE) || has(heard, HS_COMPRESSED_CERTIFICATE);
    if (i.resumed) {
        return;
    }
    if (who == TLS_CLIENT && !i.psk[0]) {
        sure(shown && (is_13(c) ? has(heard, HS_CERTIFICATE_VERIFY)
                                : has(heard, HS_SERVER_KEY_EXCHANGE) || i.group_id == 0));
    } else if (who == TLS_SERVER && (i.client_auth || c->s->auth == CLIENT_AUTH_REQUIRE)) {
        sure(i.client_auth && shown && has(heard, HS_CERTIFICATE_VERIFY));
    }
}

static void on_done(struct courier *c, enum tls_role who)
{
    if (!null_binds()) {
        return;
    }
    if (is_13(c) && c->end[who].done > 0) {
        sure(who == TLS_SERVER);
        check_post(c);
    } else {
        check_transcripts(c, who);
    }
    check_proofs(c, who);
}

/* In the end. */
static void check_agree(const struct courier *c)
{
    struct tls *const t[2] = { c->end[0].t, c->end[1].t };
    uint8_t key[2][32];
    struct tls_info i[2];

    for (int k = 0; k < 2; k++) {
        if (!tls_connected(t[k]) || !null_binds() ||
            tls_export(t[k], "label", span_of(NULL, 0), false, key[k], sizeof key[k]) < 0) {
            return;
        }
        tls_get_info(t[k], &i[k]);
    }
    sure(memcmp(key[0], key[1], sizeof key[0]) == 0);
    sure(i[0].version == i[1].version && i[0].suite_id == i[1].suite_id &&
         i[0].group_id == i[1].group_id && strcmp(i[0].alpn, i[1].alpn) == 0 &&
         i[0].resumed == i[1].resumed && i[0].ems == i[1].ems);
}

/* ---- the script ---- */

static void fix_length(struct unit *u)
{
    if (u->type == CT_HANDSHAKE && u->n >= HS_HEADER) {
        u->p[1] = (uint8_t)((u->n - HS_HEADER) >> 16);
        u->p[2] = (uint8_t)((u->n - HS_HEADER) >> 8);
        u->p[3] = (uint8_t)(u->n - HS_HEADER);
    }
}

static void deliver(struct courier *c, const struct unit *u)
{
    courier_deliver(c, (enum tls_role) !u->from, u);
}

/* Something that was not said, protected like u. */
static void insert(struct courier *c, const struct unit *u, uint8_t type, const uint8_t *p,
                   size_t n)
{
    uint8_t content[512];
    struct unit made = *u;

    sure(n <= sizeof content);
    memcpy(content, p, n);
    made.p = content;
    made.n = n;
    made.type = type;
    if (type == CT_CHANGE_CIPHER_SPEC && is_13(c)) {
        made.sealed = false;
    }
    deliver(c, &made);
}

static void insert_message(struct courier *c, const struct unit *u, uint8_t type, uint8_t n)
{
    uint8_t message[HS_HEADER + 255] = { type, 0, 0, n };

    insert(c, u, CT_HANDSHAKE, message, HS_HEADER + (size_t)n);
}

static void write_some(struct courier_end *e, uint8_t n, bool early)
{
    static const uint8_t text[256] = "some text of the application";
    struct span part = span_of(text, n);
    uint8_t sealed[512];
    size_t taken, made;

    (void)tls_output(e->t);
    if ((early ? tls_seal_early : tls_seal)(e->t, &part, 1, &taken, sealed, sizeof sealed, &made) ==
        0) {
        sure(tls_queue(e->t, sealed, made) == 0);
    }
}

static void call(struct courier *c, uint8_t what, uint8_t arg)
{
    struct courier_end *e = &c->end[what >> 7];

    courier_take(c, (enum tls_role)(what >> 7));
    switch (what % CALLS) {
    case WRITE:
    case EARLY:
        write_some(e, arg, what % CALLS == EARLY);
        break;
    case KEY_UPDATE:
        (void)!tls_key_update(e->t, arg & 1);
        break;
    case CLOSE:
        sure(tls_close(e->t) == 0);
        break;
    case REQUEST:
        (void)!tls_request_client_auth(e->t, NULL);
        break;
    case REHANDSHAKE:
        (void)!tls_rehandshake(e->t, NULL, arg & 1);
        break;
    case PARK:
        if (tls_connected(e->t)) {
            tls_park(e->t);
        }
        break;
    default:
        tls_allow_renegotiation(e->t, arg & 1);
    }
}

static void split(struct courier *c, struct unit *u, uint8_t where)
{
    struct unit first = *u;

    if (u->type == CT_HANDSHAKE && u->n >= 2) {
        first.n = 1 + where % (u->n - 1);
        deliver(c, &first);
        memmove(u->p, u->p + first.n, u->n - first.n);
        u->n -= first.n;
    }
}

/* The next one goes into the same record. */
static void join(struct courier *c, struct unit *u)
{
    struct unit *next = c->next < c->count ? &c->all[c->next] : NULL;

    if (next && next->from == u->from && next->type == u->type && next->sealed == u->sealed &&
        u->n + next->n <= HS_CONTENT) {
        memcpy(u->p + u->n, next->p, next->n);
        u->n += next->n;
        c->next++;
    }
}

/* It is the turn of another one of the same sender. */
static void swap(struct courier *c, struct unit *u)
{
    for (size_t i = c->next; i < c->count; i++) {
        if (c->all[i].from == u->from) {
            struct unit other = c->all[i];

            c->all[i] = *u;
            *u = other;
            return;
        }
    }
}

/* What changes u. */
static void change(struct courier *c, struct unit *u, const struct step *s)
{
    switch (s->op % OPS) {
    case SWAP:
        swap(c, u);
        break;
    case TRUNCATE:
        u->n -= u->n ? (s->b ? s->b % (u->n + 1) : 1) : 0;
        break;
    case EXTEND:
        if (u->n + s->b <= HS_CONTENT) {
            memset(u->p + u->n, s->a, s->b);
            u->n += s->b;
        }
        break;
    case RETYPE_MESSAGE:
        if (u->n) {
            u->p[0] = s->a;
        }
        break;
    case RETYPE_RECORD:
        u->type = s->a;
        break;
    case FLIP:
        if (u->n) {
            u->p[s->b * u->n / 256] ^= (uint8_t)(s->a ? s->a : 1);
        }
        break;
    case UNSEAL:
        u->sealed = !u->sealed;
        break;
    default:
        break;
    }
    if (((s->op % OPS) == TRUNCATE || (s->op % OPS) == EXTEND) && (s->a & 1)) {
        fix_length(u);
    }
}

/* What is delivered beside u; false: u itself is not. */
static bool beside(struct courier *c, struct unit *u, const struct step *s)
{
    const uint8_t ccs = s->b ? s->b : 1, alert[] = { s->a, s->b };

    switch (s->op % OPS) {
    case DROP:
        return false;
    case REPEAT:
        for (int i = 0; i <= s->a % 3; i++) {
            deliver(c, u);
        }
        break;
    case SPLIT:
        split(c, u, s->b);
        break;
    case JOIN:
        join(c, u);
        break;
    case REPLAY:
        if (c->next > 1) {
            deliver(c, &c->all[s->b % (c->next - 1)]);
        }
        break;
    case REFLECT:
        courier_deliver(c, (enum tls_role)u->from, u);
        break;
    case INSERT_CCS:
        insert(c, u, CT_CHANGE_CIPHER_SPEC, &ccs, 1);
        break;
    case INSERT_ALERT:
        insert(c, u, CT_ALERT, alert, sizeof alert);
        break;
    case INSERT_MESSAGE:
        insert_message(c, u, s->a, s->b);
        break;
    case CALL:
        call(c, s->a, s->b);
        break;
    default:
        break;
    }
    return true;
}

/* The next unit gets to whom it is for, or what becomes of it does. */
static void carry(struct courier *c, const struct step *steps, size_t nsteps)
{
    const size_t at = c->next++;
    struct unit u = unit_copy(&c->all[at]);
    bool goes = true;

    for (size_t i = 0; i < nsteps; i++) {
        if (steps[i].at == at) {
            c->tampered = c->tampered || !(steps[i].op % OPS == CALL || steps[i].op % OPS == SPLIT);
            change(c, &u, &steps[i]);
            goes = beside(c, &u, &steps[i]) && goes;
        }
    }
    if (goes) {
        deliver(c, &u);
    }
    free(u.p);
}

/* Until both are silent. */
static void talk(struct courier *c, const struct step *steps, size_t nsteps)
{
    do {
        courier_take(c, TLS_CLIENT);
        courier_take(c, TLS_SERVER);
        if (c->next < c->count) {
            carry(c, steps, nsteps);
        }
    } while (c->next < c->count || tls_output(c->end[0].t).n || tls_output(c->end[1].t).n);
}

static void more(struct courier *c, const struct step *steps, size_t nsteps)
{
    if (c->s->more == ASKS_AGAIN) {
        call(c, 0x80 | REQUEST, 0);
    } else if (c->s->more == RENEGOTIATES) {
        call(c, REHANDSHAKE, 0);
    } else if (c->s->more == SERVER_RENEGOTIATES) {
        call(c, 0x80 | REHANDSHAKE, 1);
    }
    talk(c, steps, nsteps);
    call(c, WRITE, 20);
    call(c, 0x80 | WRITE, 20);
    talk(c, steps, nsteps);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    const char *dir = seed_dir(*argc, *argv);

    mem_hooks.alloc = count_alloc;
    mem_hooks.release = count_release;
    null_bind(true);
    duet_setup();
    for (unsigned i = 0; dir && i < SCENARIOS_AEAD; i++) {
        const uint8_t head[] = { (uint8_t)i };
        const struct step step = { 2, (uint8_t)(i % OPS), 1, 1 };
        char name[32];

        snprintf(name, sizeof name, "script-%u", i);
        seed_write(dir, name, span_of(head, 1), span_of(&step, sizeof step));
    }
    if (dir) {
        exit(0);
    }
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct courier c;
    struct step steps[STEPS];
    size_t nsteps, before = live;

    if (size < 1) {
        return 0;
    }
    nsteps = (size - 1) / sizeof *steps;
    nsteps = nsteps < STEPS ? nsteps : STEPS;
    memcpy(steps, data + 1, nsteps * sizeof *steps);
    null_bind(!(data[0] & 0x80));
    peak = live;
    courier_start(&c, (data[0] & 0x7f) % SCENARIOS_AEAD);
    c.on_done = on_done;
    call(&c, EARLY, 5);
    talk(&c, steps, nsteps);
    sure(c.tampered || c.count >= UNITS ||
         (tls_connected(c.end[0].t) && tls_connected(c.end[1].t)) || nsteps);
    more(&c, steps, nsteps);
    check_agree(&c);
    sure(nsteps || c.end[TLS_SERVER].t->opened >= 20);
    /* Threat 31: what was received, a few times over, and what zlib and a connection need. */
    sure(peak - before <= 4 * (c.end[0].received + c.end[1].received) + 400000);
    courier_end(&c);
    return 0;
}
