/* SPDX-License-Identifier: ISC */
/* Secrets, keys and Finished of TLS 1.2 and before (RFC 5246 sections 6.3, 7.4.9, 8.1; RFC 7627),
 * and the session that a handshake leaves behind. */
#include "base/options.h"

#ifdef USE_TLS_1_2
#include "base/secret.h"
#include "handshake/local.h"

int transcript12_choose(struct hs *h)
{
    const struct protocol *p = protocol_of(h->version);
    struct transcript *t = &h->work->transcript;

    t->whole = p->verify_digest != NULL;
    t->keep = t->keep || t->whole;
    return transcript_choose(t, p->hash == HASH_NONE ? h->suite->hash : p->hash, false);
}

static int key_block(struct hs *h)
{
    struct hs_work *k = h->work;
    const struct span seed[] = { { k->server_random, RANDOM_SIZE },
                                 { k->client_random, RANDOM_SIZE } };
    const struct key_sizes n = suite_key_sizes(h->suite, h->version);

    keylog_line(h, "CLIENT_RANDOM", k->master, MASTER_SIZE);
    return protocol_of(h->version)
        ->prf(k->transcript.id, span_of(k->master, MASTER_SIZE), "key expansion", seed, 2,
              k->key_block, 2 * (n.mac + n.key + n.iv));
}

int keys12_master(struct hs *h, struct span premaster)
{
    struct hs_work *k = h->work;
    const struct span randoms[] = { { k->client_random, RANDOM_SIZE },
                                    { k->server_random, RANDOM_SIZE } };
    uint8_t at[HASH_MAX];
    const enum hash_id id = k->transcript.id;
    struct span session_hash = span_of(at, hash_size(id));

    TRY(transcript_hash(&k->transcript, at)); /* up to and with ClientKeyExchange */
    TRY(protocol_of(h->version)
            ->prf(id, premaster, h->ems ? "extended master secret" : "master secret",
                  h->ems ? &session_hash : randoms, h->ems ? 1 : 2, k->master, MASTER_SIZE));
    return key_block(h);
}

/* SSL 3 has no extended master secret: its sessions are resumed without. */
bool keys12_lasts(const struct hs *h)
{
    return h->ems || !protocol_of(h->version)->knows_ems;
}

bool keys12_resumable(const struct hs *h, const struct tls_session *s)
{
    const struct protocol *p = protocol_of(s->version);

    return p && (p->knows_ems ? s->ems && !h->set->no_ems : !s->ems);
}

int keys12_resume(struct hs *h, const struct tls_session *s)
{
    if (s->secret_len != MASTER_SIZE) {
        return TLS_ALERT(ALERT_INTERNAL_ERROR);
    }
    memcpy(h->work->master, s->secret, MASTER_SIZE);
    return key_block(h);
}

int keys12_set(struct hs *h, enum hs_direction d)
{
    bool server = (d == HS_WRITE) == (h->set->role == TLS_SERVER);
    const struct key_sizes n = suite_key_sizes(h->suite, h->version);
    const uint8_t *p = h->work->key_block;
    struct hs_keys keys = {
        .mac = p + server * n.mac,
        .key = p + 2 * n.mac + server * n.key,
        .iv = p + 2 * (n.mac + n.key) + server * n.iv,
    };

    return h->host->set_keys(h->ctx, d, &keys);
}

int keys12_on_change(struct hs *h, struct rd *body)
{
    (void)body;
    return keys12_set(h, HS_READ);
}

int finished12_send(struct hs *h)
{
    const struct protocol *p = protocol_of(h->version);
    enum tls_role us = h->set->role;
    uint8_t at[HASH_MAX];
    struct hs_msg m;

    TRY(transcript_hash(&h->work->transcript, at));
    TRY(p->finished(h, us, at, 0, h->verify[us]));
    TRY(h->host->send_ccs(h->ctx));
    TRY(keys12_set(h, HS_WRITE));
    h->write_blocked = true;
    hs_msg_begin(&m, HS_FINISHED);
    wr_bytes(&m.w, h->verify[us], p->verify_size);
    return hs_msg_send(h, &m);
}

int finished12_check(struct hs *h, struct rd *body)
{
    const struct protocol *p = protocol_of(h->version);
    const size_t size = p->verify_size;
    enum tls_role peer = h->set->role == TLS_CLIENT ? TLS_SERVER : TLS_CLIENT;
    uint8_t want[VERIFY_MAX] = { 0 };
    struct span got;

    TRY(p->finished(h, peer, h->work->prior, HS_HEADER + body->n, want));
    if (body->n != size || !rd_bytes(body, size, &got)) {
        return FAIL(h->err, TLS_ALERT(ALERT_DECODE_ERROR), "Finished has the wrong length");
    }
    if (!ct_equal(got.p, want, size)) {
        return FAIL(h->err, TLS_ALERT(ALERT_DECRYPT_ERROR), "the peer's Finished is wrong");
    }
    memcpy(h->verify[peer], want, size);
    return exporter12_keep(h);
}

/* ---- the session it leaves behind ---- */
struct tls_session *session12_make(struct hs *h, uint32_t life, struct span ticket)
{
    const struct hs_work *k = h->work;
    struct tls_session *s = session_begin(h);

    if (!s || session_set_bytes(&s->ticket, &s->ticket_len, ticket) < 0) {
        session_unref(s);
        return NULL;
    }
    s->ems = h->ems;
    memcpy(s->secret, k->master, MASTER_SIZE);
    s->secret_len = MASTER_SIZE;
    memcpy(s->id, k->session_id, k->session_id_len);
    s->id_len = (uint8_t)k->session_id_len;
    s->made = hs_now(h);
    s->lifetime = life && life < SESSION_LIFE_MAX ? life : SESSION_LIFE_MAX;
    s->max_fragment = h->max_fragment;
    return s;
}
#endif
