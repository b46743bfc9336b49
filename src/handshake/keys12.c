/* SPDX-License-Identifier: ISC */
/* Secrets, keys and Finished of TLS 1.2 (RFC 5246 sections 6.3, 7.4.9, 8.1; RFC 7627), and the
 * session that a handshake leaves behind. */
#include "base/secret.h"
#include "handshake/local.h"

static int key_block(struct hs *h)
{
    struct hs_work *k = h->work;
    const struct span seed[] = { { k->server_random, RANDOM_SIZE },
                                 { k->client_random, RANDOM_SIZE } };
    const struct key_sizes n = suite_key_sizes(h->suite, h->version);

    keylog_line(h, "CLIENT_RANDOM", k->master, MASTER_SIZE);
    return prf12(h->suite->hash, span_of(k->master, MASTER_SIZE), "key expansion", seed, 2,
                 k->key_block, 2 * (n.mac + n.key + n.iv));
}

int keys12_master(struct hs *h, struct span premaster)
{
    struct hs_work *k = h->work;
    const struct span randoms[] = { { k->client_random, RANDOM_SIZE },
                                    { k->server_random, RANDOM_SIZE } };
    uint8_t at[HASH_MAX];
    struct span session_hash = span_of(at, hash_size(h->suite->hash));

    TRY(transcript_hash(&k->transcript, at)); /* up to and with ClientKeyExchange */
    TRY(prf12(h->suite->hash, premaster, h->ems ? "extended master secret" : "master secret",
              h->ems ? &session_hash : randoms, h->ems ? 1 : 2, k->master, MASTER_SIZE));
    return key_block(h);
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

static int verify_data(struct hs *h, enum tls_role whose, const uint8_t *transcript,
                       uint8_t out[static VERIFY12])
{
    struct span seed = span_of(transcript, hash_size(h->suite->hash));

    return prf12(h->suite->hash, span_of(h->work->master, MASTER_SIZE),
                 whose == TLS_CLIENT ? "client finished" : "server finished", &seed, 1, out,
                 VERIFY12);
}

int finished12_send(struct hs *h)
{
    enum tls_role us = h->set->role;
    uint8_t at[HASH_MAX];
    struct hs_msg m;

    TRY(transcript_hash(&h->work->transcript, at));
    TRY(verify_data(h, us, at, h->verify[us]));
    TRY(h->host->send_ccs(h->ctx));
    TRY(keys12_set(h, HS_WRITE));
    h->write_blocked = true;
    hs_msg_begin(&m, HS_FINISHED);
    wr_bytes(&m.w, h->verify[us], VERIFY12);
    return hs_msg_send(h, &m);
}

int finished12_check(struct hs *h, struct rd *body)
{
    enum tls_role peer = h->set->role == TLS_CLIENT ? TLS_SERVER : TLS_CLIENT;
    uint8_t want[VERIFY12] = { 0 };
    struct span got;

    TRY(verify_data(h, peer, h->work->prior, want));
    if (body->n != VERIFY12 || !rd_bytes(body, VERIFY12, &got)) {
        return FAIL(h->err, TLS_ALERT(ALERT_DECODE_ERROR), "Finished has the wrong length");
    }
    if (!ct_equal(got.p, want, VERIFY12)) {
        return FAIL(h->err, TLS_ALERT(ALERT_DECRYPT_ERROR), "the peer's Finished is wrong");
    }
    memcpy(h->verify[peer], want, VERIFY12);
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
