/* SPDX-License-Identifier: ISC */
/* The server of TLS 1.3. */
#include "base/options.h"

#if defined(USE_TLS_1_3) && defined(USE_SERVER_SIDE_SSL)
#include "base/secret.h"
#include "handshake/local.h"

/* Of all that a second ClientHello must repeat (section 4.1.2, threat 34). */
static int hello_digest(const struct client_hello *c, uint8_t out[static HASH_MAX])
{
    struct span part[1 + MAX_EXTENSIONS] = { c->head };
    struct rd block = c->extensions, ext, before;
    size_t n = 1;
    uint16_t id;

    for (before = block; rd_u16(&block, &id) && rd_vec(&block, 2, &ext); before = block) {
        /* these may change */
        if (id == EXT_PADDING || id == EXT_PRE_SHARED_KEY || id == EXT_EARLY_DATA ||
            id == EXT_COOKIE || id == EXT_KEY_SHARE || id == EXT_ENCRYPTED_CLIENT_HELLO) {
            continue;
        }
        if (n == sizeof part / sizeof *part) {
            return TLS_ALERT(ALERT_DECODE_ERROR);
        }
        part[n++] = span_of(before.p, before.n - block.n);
    }
    return hash_parts(HASH_SHA256, part, n, out);
}

static int take_extensions(struct hs *h, const struct client_hello *c, struct rd *body)
{
    struct hs_work *k = h->work;

    TRY(hello_client_extensions(h, c, body));
    if (c->compression.n != 1 || c->compression.p[0] != 0) { /* threat 15 */
        return FAIL(h->err, TLS_ALERT(ALERT_ILLEGAL_PARAMETER), "the client offers compression");
    }
    if (k->got_groups != k->got_shares ||
        (!k->got_groups && !psk13_only_alone(h))) { /* section 9.2 */
        return FAIL(h->err, TLS_ALERT(ALERT_MISSING_EXTENSION),
                    "ClientHello lacks supported_groups or key_share");
    }
    if (!k->got_schemes && rd_done(&k->psk_ids)) {
        return FAIL(h->err, TLS_ALERT(ALERT_MISSING_EXTENSION),
                    "ClientHello lacks signature_algorithms");
    }
    if (!k->offers_modes && !rd_done(&k->psk_ids)) { /* section 4.2.9 */
        return FAIL(h->err, TLS_ALERT(ALERT_MISSING_EXTENSION),
                    "ClientHello lacks psk_key_exchange_modes");
    }
    return 0;
}

static int negotiate(struct hs *h, const struct client_hello *c)
{
    struct hs_work *k = h->work;
    const struct suite *suite;

    /* One that a session or an external key goes with (section 4.2.11), and no other after a retry.
     */
    suite = psk13_suite(h, c);
    suite = k->retried && hello_client_lists(c, h->suite->id) ? h->suite : suite;
    suite = suite || !h->set->psks ? suite : hello_choose_suite(h, c, TLS_1_3, psk13_fits);
    suite = suite ? suite : hello_choose_suite(h, c, TLS_1_3, NULL);
    if (!suite) {
        return FAIL(h->err, TLS_ALERT(ALERT_HANDSHAKE_FAILURE), "no cipher suite in common");
    }
    h->suite = suite;
    h->version = TLS_1_3;
    h->secure = true; /* there is no renegotiation */
    ext_sizes_agree(h);
    return 0;
}

/* A pre-shared key, or else a certificate that the client can verify. */
static int authenticate(struct hs *h)
{
    struct hs_work *k = h->work;

    if (!k->alone) {
        TRY(psk13_choose(h));
    }
    if (h->facts & (FACT_RESUMED | FACT_PSK)) {
        return 0;
    }
    if (h->set->nidentities == 0) { /* the same as for a wrong binder: names are not to be probed */
        return FAIL(h->err, TLS_ALERT(ALERT_DECRYPT_ERROR), "the client has no key of ours");
    }
    if (!k->got_schemes) {
        return FAIL(h->err, TLS_ALERT(ALERT_MISSING_EXTENSION),
                    "ClientHello lacks signature_algorithms");
    }
    while (cert_choose(h, AUTH_ANY) == 0) {
        if (cert_widen(h)) {
            continue;
        }
        return FAIL(h->err, TLS_ALERT(ALERT_HANDSHAKE_FAILURE),
                    "no signature scheme in common with the certificate's key");
    }
    return 0;
}

/* The group: that of the share when there is one, else the first in common, asked for by retry
 * (FACT_RETRY). */
static int choose_group(struct hs *h)
{
    struct hs_work *k = h->work;
    const struct group *common = NULL;
    bool listed = false;

    for (size_t i = 0; i < h->set->ngroups; i++) {
        if (k->peer_has_group[i]) {
            common = common ? common : h->set->groups[i];
            listed |= h->set->groups[i] == k->share_group;
        }
    }
    if (k->share_group && !listed) { /* section 4.2.8: shares are of the groups listed */
        return FAIL(h->err, TLS_ALERT(ALERT_ILLEGAL_PARAMETER), "a share of a group not listed");
    }
    if (k->share_group) {
        return 0;
    }
    if (!common) {
        return FAIL(h->err, TLS_ALERT(ALERT_HANDSHAKE_FAILURE), "no key exchange group in common");
    }
    k->share_group = common;
    h->facts |= FACT_RETRY;
    return 0;
}

/* Which key exchange: a group, or none for a client that can use keys only so. */
static int choose_exchange(struct hs *h)
{
    struct hs_work *k = h->work;

    k->alone = psk13_only_alone(h) && !k->retried;
    if (k->alone) {
        TRY(psk13_choose(h));
        k->alone = h->facts & (FACT_RESUMED | FACT_PSK);
    }
    return k->alone ? 0 : choose_group(h);
}

static int retry(struct hs *h, const struct client_hello *c)
{
    struct hs_work *k = h->work;

    k->retried = true;
    k->selected_group = k->share_group->id;
    TRY(hello_digest(c, k->hello_digest));
    k->transcript.keep = !rd_done(&k->psk_ids); /* the next binder covers it */
    TRY(transcript_choose(&k->transcript, h->suite->hash, true));
    TRY(early13_choose(h));
    TRY(hello_server_send(h, IN_HRR));
    return keys13_compat_ccs(h);
}

static int extensions_send(struct hs *h)
{
    struct hs_msg m;
    int rc;

    hs_msg_begin(&m, HS_ENCRYPTED_EXTENSIONS);
    rc = ext_write(h, &m.w, IN_EE);
    if (rc == 0) {
        return hs_msg_send(h, &m);
    }
    buf_free(&m.buf);
    return rc;
}

int request13_send(struct hs *h)
{
    const struct buf *context = &h->work->request_context;
    struct hs_msg m;
    int rc;

    h->facts |= FACT_CLIENT_AUTH;
    hs_msg_begin(&m, HS_CERTIFICATE_REQUEST);
    wr_vec(&m.w, 1, buf_data(context), buf_len(context));
    rc = ext_write(h, &m.w, IN_CR);
    if (rc == 0) {
        return hs_msg_send(h, &m);
    }
    buf_free(&m.buf);
    return rc;
}

static int flight_end(struct hs *h)
{
    struct hs_work *k = h->work;
    SECRET(client, HASH_MAX);
    SECRET(server, HASH_MAX);

    TRY(finished13_send(h, k->server_traffic));
    TRY(keys13_application(h, client, server));
    TRY(keys13_set(h, HS_WRITE, server));
    /* Handshake secrets have done their work but the client's, for its Finished; the application
     * secret of the client waits where the server's was. */
    memcpy(k->server_traffic, client, HASH_MAX);
    return 0;
}

/* ServerHello to Finished, one flight. */
static int flight(struct hs *h)
{
    struct hs_work *k = h->work;
    uint8_t share[KEX_SHARE_MAX];
    SECRET(shared, KEX_SECRET_MAX);
    int rc = k->alone ? 0 : kex_respond(k->share_group, k->share, share, shared);

    if (rc < 0) {
        return FAIL(h->err, rc, "the client's key share is not valid");
    }
    h->group = k->alone ? NULL : k->share_group;
    k->share = span_of(share, h->group ? h->group->share_server : 0);
    rc = hello_server_send(h, IN_SH);
    k->share = span_of(NULL, 0);
    TRY(rc);
    TRY(keys13_handshake(h, span_of(shared, h->group ? h->group->secret_size : 0)));
    TRY(keys13_compat_ccs(h)); /* here the hello goes out: no alert in clear comes behind it */
    TRY(keys13_set(h, HS_WRITE, k->server_traffic));
    TRY(keys13_set(h, HS_READ, h->facts & FACT_EARLY ? k->early_traffic : k->client_traffic));
    TRY(extensions_send(h));
    if (h->facts & (FACT_RESUMED | FACT_PSK)) { /* section 4.3.2 */
        return flight_end(h);
    }
    if (h->set->client_auth != CLIENT_AUTH_NONE) {
        TRY(request13_send(h));
    }
    return cert13_send(h, flight_end);
}

static int answer(struct hs *h)
{
    struct hs_work *k = h->work;
    const struct client_hello *c = &k->hello;
    const struct suite *before = h->suite;
    uint8_t digest[HASH_MAX];

    TRY(negotiate(h, c));
    TRY(cert_weigh(h));
    TRY(choose_exchange(h));
    if (k->retried) {
        TRY(hello_digest(c, digest));
        if (h->suite != before || (h->facts & FACT_RETRY) ||
            k->share_group->id != k->selected_group || k->early_data ||
            (!rd_done(&k->psk_ids) && !k->transcript.keep) ||
            memcmp(digest, k->hello_digest, hash_size(HASH_SHA256)) != 0) {
            return FAIL(h->err, TLS_ALERT(ALERT_ILLEGAL_PARAMETER),
                        "the second ClientHello differs where it may not");
        }
    } else {
        TRY(hello_server_random(h, TLS_1_3));
        memcpy(k->client_random, c->random.p, RANDOM_SIZE);
        k->session_id_len = c->session.n;
        if (c->session.n) {
            memcpy(k->session_id, c->session.p, c->session.n);
        }
        if (h->facts & FACT_RETRY) {
            return retry(h, c);
        }
    }
    TRY(authenticate(h));
    if (!k->retried) {
        TRY(transcript_choose(&k->transcript, h->suite->hash, false));
    }
    transcript_drop_raw(&k->transcript);
    TRY(early13_choose(h));
    return flight(h);
}

int server13_on_hello(struct hs *h, struct rd *body)
{
    struct hs_work *k = h->work;
    struct span name;

    TRY(hello_client_parse(h, body, &k->hello));
    h->facts &= ~(unsigned)FACT_RETRY;
    TRY(take_extensions(h, &k->hello, body));
    name = psk13_stored(h);
    return name.n ? stored_find(h, name, true, answer) : answer(h);
}

int server13_on_finished(struct hs *h, struct rd *body)
{
    struct hs_work *k = h->work;

    TRY(finished13_check(h, body, k->client_traffic));
    TRY(keys13_set(h, HS_READ, k->server_traffic));
    TRY(post13_start(
        h, h->set->tickets && h->set->tickets_sent && !h->set->no_tickets && psk13_speaks(h),
        k->offers_post_auth));
    TRY(post13_tickets(h));
    if (!k->offers_post_auth) {
        post13_free(h);
    }
    return 0;
}
#endif
