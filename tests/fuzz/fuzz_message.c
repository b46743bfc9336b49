/* SPDX-License-Identifier: ISC */
/* One handshake message. A byte for the state, one for which of its messages (or one it does not
 * expect) and for the settings, then the body. Nothing but a right Finished may end a handshake,
 * and nobody can guess one: the state never becomes connected. */
#include "handshake/local.h"
#include "tests/fuzz/party.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct party self;
static struct config *clients[2], *servers[3];

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

static int host_keys(void *ctx, enum hs_direction d, const struct suite *s, const uint8_t *traffic)
{
    (void)ctx;
    (void)d;
    sure(s && traffic);
    return 0;
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
    .key_update = host_key_update,
    .early_data = host_nothing,
};

/* ---- states ---- */

static int deliver(struct hs *h, unsigned type, const uint8_t *body, size_t n, bool last)
{
    uint8_t *message = malloc(HS_HEADER + n);
    int rc;

    sure(message);
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

/* As the messages before would have left it. */
static void enter(struct hs *h, enum hs_state state, unsigned settings)
{
    static const uint8_t shared[KEX_SECRET_MAX] = { 1 };
    struct hs_work *k = h->work;
    bool client = state <= C_CONNECTED;

    if (h->state == state) {
        return;
    }
    if (state == C_WAIT_SH2) {
        retry_client(h);
        return;
    }
    if (state == S_WAIT_CH2) {
        retry_server(h);
        return;
    }
    h->suite = h->set->suites[0];
    h->group = h->set->groups[0];
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
        h->facts |= FACT_PEER_CERT;
        h->proves =
            PROVES_CHAIN | (state == C_WAIT_CV || state == S_WAIT_CV ? 0u : PROVES_POSSESSION);
        sure(cert_pubkey(&self.id->leaf, &k->peer_key) == 0);
    }
    h->state = state;
    if (hs_connected(h)) {
        hs_end(h);
    }
}

/* The n-th message that a state expects, or one that it does not. */
static unsigned choose_type(enum hs_state state, unsigned n)
{
    for (size_t i = 0; i < tls13_nedges; i++) {
        if (tls13_edges[i].from == state && n-- == 0) {
            return tls13_edges[i].message == HS_HELLO_RETRY_REQUEST ? HS_SERVER_HELLO
                                                                    : tls13_edges[i].message;
        }
    }
    return n * 3;
}

static bool may_follow(enum hs_state from, enum hs_state to)
{
    for (size_t i = 0; i < tls13_nedges; i++) {
        if (tls13_edges[i].from == from && tls13_edges[i].to == to) {
            return true;
        }
    }
    return false;
}

static void setup(void)
{
    party_make(&self, 1);
    clients[0] = party_config(NULL, self.trust, TLS_CLIENT, CLIENT_AUTH_NONE);
    clients[1] = party_config(&self, self.trust, TLS_CLIENT, CLIENT_AUTH_NONE);
    servers[0] = party_config(&self, self.trust, TLS_SERVER, CLIENT_AUTH_NONE);
    servers[1] = party_config(&self, self.trust, TLS_SERVER, CLIENT_AUTH_REQUEST);
    servers[2] = party_config(&self, self.trust, TLS_SERVER, CLIENT_AUTH_REQUIRE);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct error err;
    struct hs h = { .host = &host, .err = &err };
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
    state = (enum hs_state)(data[0] % HS_STATES);
    client = state <= C_CONNECTED;
    settings = data[1] >> 4 & 3;
    type = choose_type(state, data[1] & 7);
    if (size - 2 > hs_message_max(type)) {
        return 0;
    }
    h.set = config_settings(client ? clients[settings & 1] : servers[settings % 3]);
    if ((state == S_WAIT_CERT || state == S_WAIT_CV) && h.set->client_auth == CLIENT_AUTH_NONE) {
        h.set = config_settings(servers[1]);
    }
    sure(hs_start(&h, client ? FUZZ_HOST : NULL, client ? FUZZ_HOST : NULL) == 0);
    enter(&h, state, settings);
    rc = deliver(&h, type, data + 2, size - 2, !(data[1] & 8));
    sure(rc <= 0);
    sure(h.state == state || (rc == 0 && may_follow(state, h.state)));
    sure(hs_connected(&h) == (state == C_CONNECTED || state == S_CONNECTED));
    sure(hs_connected(&h) == !h.work);
    hs_free(&h);
    return 0;
}
