/* SPDX-License-Identifier: ISC */
/* One handshake message. A byte for the state (its place in `states`, and in `flavours`), one for
 * which of its messages (or one it does not expect), whether it ends its record, and the settings;
 * then the body. Nothing but a right Finished may end a handshake, and nobody can guess one: the
 * state never becomes connected. */
#include "handshake/kx12.h"
#include "tests/fuzz/party.h"
#include "tests/fuzz/states.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct party self;
static struct config *clients[2], *servers[4], *with_psk12[2];
static struct tls_session *sessions[2]; /* of TLS 1.3, TLS 1.2 */

#define SUITE12     0xc02b /* ECDHE, ECDSA or EdDSA */
#define SUITE12_RSA 0x009c

/* What the settings nibble means besides the config. */
enum {
    SET_POST = 2,
    SET_STATUS = 2,
    SET_TICKET = 4,
    SET_RSA = 8,
    SET_SESSION = 4,   /* a client that has one to offer */
    SET_SESSION12 = 8, /* of TLS 1.2 */
};

/* ---- the host: takes what it is given ---- */

static int host_send(void *ctx, struct span message)
{
    (void)ctx;
    sure(message.n >= HS_HEADER &&
         message.n == HS_HEADER + ((size_t)message.p[1] << 16 | (size_t)message.p[2] << 8 |
                                   (size_t)message.p[3]));
    return 0;
}

static int host_nothing(void *ctx)
{
    (void)ctx;
    return 0;
}

static int host_skip(void *ctx, size_t max)
{
    (void)ctx;
    sure(max >= 16384);
    return 0;
}

static int host_keys(void *ctx, enum hs_direction d, const struct hs_keys *k)
{
    (void)ctx;
    (void)d;
    sure(k && (k->traffic || (k->mac && k->key && k->iv)));
    return 0;
}

static int host_warn(void *ctx, enum alert desc)
{
    (void)ctx;
    sure(desc == ALERT_NO_RENEGOTIATION);
    return 0;
}

static const uint8_t *host_traffic(void *ctx, enum hs_direction d)
{
    static const uint8_t secret[HASH_MAX] = { 7 };

    (void)ctx;
    (void)d;
    return secret;
}

static int host_key_update(void *ctx, bool answer_wanted)
{
    (void)ctx;
    (void)answer_wanted;
    return 0;
}

static const struct hs_host host = {
    .send = host_send,
    .send_ccs = host_nothing,
    .set_keys = host_keys,
    .warn = host_warn,
    .traffic = host_traffic,
    .key_update = host_key_update,
    .skip_early = host_skip,
};

/* ---- states ---- */

static int deliver(struct hs *h, unsigned type, const uint8_t *body, size_t n, bool last)
{
    uint8_t *message = malloc(HS_HEADER + n);
    int rc;

    sure(message);
    if (type == HS_CHANGE_CIPHER_SPEC) {
        free(message);
        return n == 1 ? hs_no_certificate(h) : hs_change_cipher(h);
    }
    message[0] = (uint8_t)type;
    message[1] = (uint8_t)(n >> 16);
    message[2] = (uint8_t)(n >> 8);
    message[3] = (uint8_t)n;
    if (n) {
        memcpy(message + HS_HEADER, body, n);
    }
    rc = hs_message(h, span_of(message, HS_HEADER + n), last);
    free(message);
    return rc;
}

/* HelloRetryRequest with a cookie and nothing else. */
static void retry_client(struct hs *h)
{
    struct buf b = { 0 };
    struct wr w = wr_buf(&b);
    uint16_t suite = h->set->suites[0]->id;

    wr_u16(&w, TLS_1_2);
    wr_bytes(&w, hello_retry_random, RANDOM_SIZE);
    wr_vec(&w, 1, h->work->session_id, h->work->session_id_len);
    wr_u16(&w, suite);
    wr_u8(&w, 0);
    wr_bytes(&w, "\0\x0f\0\x2b\0\2\3\4\0\x2c\0\5\0\3abc", 17);
    sure(wr_commit(&w) == 0);
    sure(deliver(h, HS_SERVER_HELLO, buf_data(&b), buf_len(&b), true) == 0);
    buf_free(&b);
    sure(h->state == C_WAIT_SH2);
}

/* A first ClientHello without shares. */
static void retry_server(struct hs *h)
{
    static const uint8_t hello[] = { 3, 3, 0, 0, 0, 0, 0,  0,    0, 0, 0, 0, 0,  0, 0,
                                     0, 0, 0, 0, 0, 0, 0,  0,    0, 0, 0, 0, 0,  0, 0,
                                     0, 0, 0, 0, 0, 0, 2,  0x13, 1, 1, 0, 0, 29, 0, 0x2b,
                                     0, 3, 2, 3, 4, 0, 10, 0,    4, 0, 2, 0, 29, 0, 13,
                                     0, 4, 0, 2, 8, 7, 0,  0x33, 0, 2, 0, 0 };

    sure(deliver(h, HS_CLIENT_HELLO, hello, sizeof hello, true) == 0);
    sure(h->state == S_WAIT_CH2);
}

static bool is_connected(enum hs_state s)
{
    return s == C_CONNECTED || s == S_CONNECTED || s == C12_CONNECTED || s == S12_CONNECTED;
}

/* The peer has proved its chain, or its key as well. */
static void prove(struct hs *h, bool possession)
{
    h->facts |= FACT_PEER_CERT;
    h->proves = PROVES_CHAIN | (possession ? PROVES_POSSESSION : 0u);
    sure(cert_pubkey(&self.id->leaf, &h->work->peer_key) == 0);
}

/* As the messages before would have left it. */
static void enter13(struct hs *h, enum hs_state state, unsigned settings)
{
    static const uint8_t shared[KEX_SECRET_MAX] = { 1 };
    struct hs_work *k = h->work;
    bool client = is_client(state), post = state >= S_POST_CERT && state <= S_POST_FINISHED;

    h->suite = suite_by_id(0x1301);
    h->version = TLS_1_3;
    sure(transcript_add(&k->transcript, span_of("hello", 5)) == 0);
    sure(transcript_choose(&k->transcript, h->suite->hash, false) == 0);
    sure(keys13_handshake(h, span_of(shared, h->group->secret_size)) == 0);
    if (state == C_WAIT_CERT || (client && (settings & 1)) ||
        (!client && h->set->client_auth != CLIENT_AUTH_NONE)) {
        h->facts |= FACT_CLIENT_AUTH;
    }
    if (state == C_WAIT_CV || state == C_WAIT_FINISHED || state == S_WAIT_CV ||
        (state == S_WAIT_FINISHED && h->set->client_auth == CLIENT_AUTH_REQUIRE)) {
        prove(h, state == C_WAIT_FINISHED || state == S_WAIT_FINISHED);
    }
    h->state = state;
    if (is_connected(state) || post) {
        sure(post13_start(h, settings & 1, post || (settings & SET_POST)) == 0);
        hs_end(h);
    }
    if (post) {
        h->state = S_CONNECTED;
        sure(post13_ask(h) == 0);
        h->state = state;
        if (state != S_POST_CERT) {
            prove(h, state == S_POST_FINISHED);
        }
    }
}

/* A client has heard the server's half, a server has said its own. */
static void exchange12(struct hs *h, enum hs_state state, const struct kx12 *kx)
{
    static const uint8_t premaster[MASTER_SIZE] = { 3, 3 };
    struct hs_work *k = h->work;
    uint8_t share[KEX_SHARE_MAX];

    h->group = h->set->groups[0];
    if (is_client(state)) {
        if (state > C12_WAIT_SKE && !(kx->facts & FACT_SKE_OPTIONAL)) {
            sure(buf_append(&k->exchange, "\1x", 2) == 0 &&
                 buf_append(&k->premaster, premaster, sizeof premaster) == 0);
        }
    } else if (kx->ffdhe) {
        struct buf said = { 0 };
        struct wr w = wr_buf(&said);

        sure(kx->server_write(h, &w) == 0);
        buf_free(&said);
    } else {
        k->kex = kex_start(h->group, share);
        sure(k->kex);
    }
    if ((kx->facts & FACT_PSK) && state > C12_WAIT_SKE) {
        k->external = h->set->psks12;
    }
}

static void enter12(struct hs *h, enum hs_state state, unsigned settings, const struct flavour *f)
{
    static const uint8_t premaster[MASTER_SIZE] = { 3, 3 };
    struct hs_work *k = h->work;
    bool client = is_client(state);
    const struct kx12 *kx;

    h->suite = suite_by_id(f->suite ? f->suite : settings & SET_RSA ? SUITE12_RSA : SUITE12);
    h->version = f->version;
    kx = kx12_of(h->suite);
    h->ems = (settings & 1) && protocol_of(h->version)->knows_ems;
    k->transcript.keep = true;
    sure(transcript_add(&k->transcript, span_of("hello", 5)) == 0);
    sure(transcript12_choose(h) == 0);
    h->facts |= (settings & SET_STATUS || state == C12_WAIT_STATUS ? FACT_STATUS : 0u) |
                (settings & SET_TICKET || state == C12_WAIT_NST ? FACT_TICKET : 0u) | kx->facts;
    if (kx->facts & FACT_NO_CERT) {
        h->facts &= ~(unsigned)FACT_STATUS;
    } else if (state > C12_WAIT_CERT && client) {
        prove(h, state > C12_WAIT_SKE);
    } else if (kx12_asks(kx) &&
               (state == S12_WAIT_CV || (state > S12_WAIT_CERT && (settings & 1)))) {
        prove(h, state > S12_WAIT_CV);
    }
    if (state == C12_WAIT_DONE && (settings & 1) && kx12_asks(kx)) {
        h->facts |= FACT_CLIENT_AUTH;
        k->identity = self.id;
        k->our_scheme = scheme_by_id(0x0807);
    }
    if (!client) {
        h->facts |=
            h->set->client_auth != CLIENT_AUTH_NONE && kx12_asks(kx) ? FACT_CLIENT_AUTH : 0u;
        k->identity = self.id;
    }
    exchange12(h, state, kx);
    if (state >= S12_WAIT_CV || (client && state > C12_WAIT_DONE)) {
        sure(keys12_master(h, span_of(premaster, MASTER_SIZE)) == 0);
    }
    h->state = state;
    h->allow = settings & SET_TICKET;
    h->secure = settings & SET_RSA;
    if (is_connected(state)) {
        hs_end(h);
    }
}

/* Is there such a thing, in this build? A key alone leaves no room for certificates. */
static bool flavour_fits(const struct flavour *f, enum hs_state state)
{
    const struct suite *s = suite_by_id(f->suite ? f->suite : SUITE12);
    const struct kx12 *kx = s ? kx12_of(s) : NULL;

    if (f == flavours) {
        return true;
    }
    return kx && protocol_of(f->version) && is_12(state) &&
           !((kx->facts & FACT_NO_CERT) && (state == C12_WAIT_CERT || state == C12_WAIT_STATUS)) &&
           (kx12_asks(kx) || (state != S12_WAIT_CERT && state != S12_WAIT_CV));
}

static void enter(struct hs *h, enum hs_state state, unsigned settings, const struct flavour *f)
{
    if (h->state == state) {
        return;
    }
    if (state == C_WAIT_SH2) {
        retry_client(h);
    } else if (state == S_WAIT_CH2) {
        retry_server(h);
    } else if (is_12(state)) {
        enter12(h, state, settings, f);
    } else {
        h->group = h->set->groups[0];
        enter13(h, state, settings);
    }
}

static bool may_follow(enum hs_state from, enum hs_state to)
{
    for (size_t i = 0; edge_at(i); i++) {
        if (edge_at(i)->from == from && edge_at(i)->to == to) {
            return true;
        }
    }
    return false;
}

/* A session that a client would offer. */
static struct tls_session *session_of(const struct config *c, bool is12)
{
    struct tls_session *s = session_new();

    sure(s != NULL);
    s->version = is12 ? TLS_1_2 : TLS_1_3;
    s->suite = is12 ? SUITE12 : 0x1301;
    s->group = 29;
    s->ems = is12;
    s->secret_len = is12 ? MASTER_SIZE : 32;
    memset(s->secret, 7, s->secret_len);
    memcpy(s->context, config_settings(c)->context, SESSION_CONTEXT);
    s->made = FUZZ_NOW * INT64_C(1000);
    s->lifetime = 1000;
    sure(session_set_text(&s->sni, FUZZ_HOST) == 0 && session_set_text(&s->name, FUZZ_HOST) == 0 &&
         session_set_bytes(&s->ticket, &s->ticket_len, span_text("ticket")) == 0 &&
         session_set_bytes(&s->peer_cert, &s->peer_cert_len, self.id->leaf.der) == 0);
    return s;
}

static void setup(void)
{
    const unsigned keys = PARTY_PSK | PARTY_IMPORTED | PARTY_KE;

    party_make(&self, 1);
    clients[0] = party_config(NULL, self.trust, TLS_CLIENT, CLIENT_AUTH_NONE, PARTY_USUAL, NULL);
    clients[1] = party_config(&self, self.trust, TLS_CLIENT, CLIENT_AUTH_NONE,
                              keys | PARTY_RENEGOTIATE | PARTY_APP, NULL);
    servers[0] = party_config(&self, self.trust, TLS_SERVER, CLIENT_AUTH_NONE, PARTY_USUAL, NULL);
    servers[1] = party_config(&self, self.trust, TLS_SERVER, CLIENT_AUTH_REQUEST,
                              PARTY_RENEGOTIATE | PARTY_APP, NULL);
    servers[2] =
        party_config(&self, self.trust, TLS_SERVER, CLIENT_AUTH_REQUIRE, PARTY_USUAL, NULL);
    servers[3] = party_config(&self, self.trust, TLS_SERVER, CLIENT_AUTH_NONE, keys, NULL);
    with_psk12[TLS_CLIENT] =
        party_config(NULL, self.trust, TLS_CLIENT, CLIENT_AUTH_NONE, PARTY_12 | PARTY_PSK12, NULL);
    with_psk12[TLS_SERVER] = party_config(&self, self.trust, TLS_SERVER, CLIENT_AUTH_REQUEST,
                                          PARTY_12 | PARTY_PSK12, NULL);
    sessions[0] = session_of(clients[0], false);
    sessions[1] = session_of(clients[0], true);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct error err;
    struct hs h = { .host = &host, .err = &err };
    const struct flavour *f;
    enum hs_state state;
    unsigned type, settings;
    bool client;
    int rc;

    if (!clients[0]) {
        setup();
    }
    if (size < 2) {
        return 0;
    }
    fuzz_start(5);
    error_clear(&err);
    state = states[data[0] % NSTATES];
    f = &flavours[data[0] / NSTATES % FLAVOURS];
    client = is_client(state);
    settings = data[1] >> 4;
    type = choose_type(state, data[1] & 7);
    if (size - 2 > hs_message_max(type) || !flavour_fits(f, state)) {
        return 0;
    }
    h.set = config_settings(client ? clients[settings & 1] : servers[settings & 3]);
    if ((state == S_WAIT_CERT || state == S_WAIT_CV || state == S12_WAIT_CERT ||
         state == S12_WAIT_CV) &&
        h.set->client_auth == CLIENT_AUTH_NONE) {
        h.set = config_settings(servers[1]);
    }
    if (f->suite && (kx12_of(suite_by_id(f->suite))->facts & FACT_PSK)) {
        h.set = config_settings(with_psk12[client ? TLS_CLIENT : TLS_SERVER]);
    }
    if (state == C_WAIT_SH && (settings & (SET_SESSION | SET_SESSION12))) {
        h.session = session_ref(sessions[!(settings & SET_SESSION)]);
    }
    sure(hs_start(&h, client ? FUZZ_HOST : NULL, client ? FUZZ_HOST : NULL) == 0);
    enter(&h, state, settings, f);
    rc = deliver(&h, type, data + 2, size - 2, !(data[1] & 8));
    sure(rc <= 0);
    sure(h.state == state || (rc == 0 && may_follow(state, h.state)));
    sure(!is_connected(h.state) || is_connected(state));
    hs_free(&h);
    return 0;
}
