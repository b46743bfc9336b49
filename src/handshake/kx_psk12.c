/* SPDX-License-Identifier: ISC */
/* Pre-shared keys in TLS 1.2 and before: alone (RFC 4279 section 2), or mixed into what DHE, ECDHE
 * (RFC 5489) or RSA yield. Such a row does what the other exchange's does, with an identity or a
 * hint in front. Neither end shows that it has the key before its Finished. */
#include "base/options.h"
#ifdef USE_PSK
#include "base/secret.h"
#include "handshake/kx12.h"

static bool usable(struct hs *h, const struct suite *s)
{
    const struct kx12 *with = kx12_of(s)->with;

    return h->set->psks12 && (!with || with->usable(h, s));
}

/* The hint may be empty where the message has more in it, else nothing is sent in its place (RFC
 * 4279 section 2). */
static int server_write(struct hs *h, struct wr *w)
{
    const struct kx12 *with = kx12_of(h->suite)->with;
    const struct buf *hint = &h->set->psk_hint;
    const bool more = with && with->server_write;

    if (more || buf_len(hint)) {
        wr_vec(w, 2, buf_data(hint), buf_len(hint));
    }
    return more ? with->server_write(h, w) : 0;
}

/* Our key by the server's hint, which is its name, or else the first. */
static void choose(struct hs *h, struct span hint)
{
    const struct ext_psk *p = h->set->psks12;

    while (p && !span_eq(span_text(p->name), hint)) {
        p = p->next;
    }
    h->work->external = p ? p : h->set->psks12;
}

static int client_read(struct hs *h, struct rd *body)
{
    const struct kx12 *with = kx12_of(h->suite)->with;
    struct rd hint;

    if (!rd_vec(body, 2, &hint)) {
        return FAIL(h->err, TLS_ALERT(ALERT_DECODE_ERROR), "malformed ServerKeyExchange");
    }
    choose(h, span_of(hint.p, hint.n));
    return with && with->client_read ? with->client_read(h, body) : 0;
}

static int client_answer(struct hs *h)
{
    const struct kx12 *with = kx12_of(h->suite)->with;
    struct hs_work *k = h->work;
    struct wr w = wr_buf(&k->exchange);

    if (!k->external) { /* no ServerKeyExchange came */
        choose(h, span_of(NULL, 0));
    }
    wr_vec(&w, 2, k->external->identity, k->external->identity_len);
    TRY(wr_commit(&w));
    return with ? with->client_answer(h) : 0;
}

static int server_read(struct hs *h, struct rd *body)
{
    const struct kx12 *with = kx12_of(h->suite)->with;
    struct rd id;

    if (!rd_vec(body, 2, &id)) {
        return FAIL(h->err, TLS_ALERT(ALERT_DECODE_ERROR), "malformed ClientKeyExchange");
    }
    h->work->external = psk12_find(h->set, span_of(id.p, id.n));
    return with ? with->server_read(h, body) : kx12_master(h, span_of(NULL, 0));
}

/* Both secrets with their lengths; the key alone has as many zeros in front as it is long (RFC 4279
 * section 2). */
static int master(struct hs *h, struct span shared)
{
    static const uint8_t zeros[PSK_KEY_MAX];
    const struct span key = psk_key(h->work->external);
    SECRET(premaster, 2 + DH_BYTES_MAX + 2 + PSK_KEY_MAX);
    struct wr w = wr_of(premaster, sizeof premaster);

    if (!kx12_of(h->suite)->with) {
        shared = span_of(zeros, key.n);
    }
    wr_vec(&w, 2, shared.p, shared.n);
    wr_vec(&w, 2, key.p, key.n);
    return wr_ok(&w) ? keys12_master(h, span_of(premaster, w.len)) : ERR_LIMIT;
}

#define PSK_ROW(...)                                                                              \
    {                                                                                             \
        .usable = usable, .server_write = server_write, .client_read = client_read,               \
        .client_answer = client_answer, .server_read = server_read, .master = master, __VA_ARGS__ \
    }

const struct kx12 kx12_psk =
    PSK_ROW(.facts = FACT_PSK | FACT_NO_CERT | FACT_SKE_OPTIONAL, .proves = PROVES_PSK);
const struct kx12 kx12_ecdhe_psk = PSK_ROW(.facts = FACT_PSK | FACT_NO_CERT, .proves = PROVES_PSK,
                                           .ec = true, .with = &kx12_ecdhe);
#ifdef USE_DHE
const struct kx12 kx12_dhe_psk = PSK_ROW(.facts = FACT_PSK | FACT_NO_CERT, .proves = PROVES_PSK,
                                         .ffdhe = true, .with = &kx12_dhe);
#endif
/* The server proves both: that it has the key of its certificate and the one that is shared. */
const struct kx12 kx12_rsa_psk =
    PSK_ROW(.facts = FACT_PSK | FACT_SKE_OPTIONAL | FACT_ENCIPHERS,
            .proves = PROVES_CHAIN | PROVES_POSSESSION | PROVES_PSK, .with = &kx12_rsa);
#endif
