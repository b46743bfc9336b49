/* SPDX-License-Identifier: ISC */
/* The bytes of a connection that is handed off (threat 38): they are refused, or they are the one
 * form of a connection, which can then be used and does no harm. The first byte chooses the role;
 * what a config would have to agree with is put in front of the others. */
#include "engine_local.h"
#include "tests/fuzz/party.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct config *make(const struct party *self, enum tls_role role)
{
    static const uint16_t suites[] = { 0x1301, 0x1302, 0x1303, 0xc02b, 0xcca9, 0xc009, 0xc024 };
    struct config *c = config_new(role);

    sure(c && config_set_trust(c, self->trust) == 0 && config_set_clock(c, fuzz_clock) == 0);
    sure(config_set_suites(c, suites, sizeof suites / sizeof *suites) == 0);
    sure(config_set_renegotiation(c, RENEGOTIATE_ANY, false) == 0);
    sure(config_add_identity(c, self->id) == 0);
    sure(config_seal(c, NULL) == 0);
    return c;
}

/* Gives it away; what it was made of, but for `received` and `plain`, is what comes out. */
static struct buf form_of(struct tls **t, const struct buf *received, const struct buf *plain)
{
    struct buf b = { 0 };

    sure(tls_hand_off(t, buf_span(received), buf_span(plain), &b) == 0 && !*t);
    return b;
}

static void use(struct tls *t, const struct buf *received)
{
    struct span part = span_of("text", 4);
    uint8_t bytes[512] = { 0 };
    struct tls_in in = { .data = bytes };
    struct tls_info i;
    size_t taken, made, n = 64;

    tls_get_info(t, &i);
    sure(i.version && i.suite[0] && i.alpn && i.sni && i.host && i.psk);
    (void)!tls_export(t, "EXPORTER-fuzz", part, true, bytes, 40);
    (void)!tls_channel_binding(t, TLS_BINDING_END_POINT, bytes, &n);
    session_unref(tls_session(t));
    tls_park(t);
    (void)tls_output(t);
    (void)!tls_seal(t, &part, 1, &taken, bytes, sizeof bytes, &made);
    tls_park(t);
    in.len = buf_len(received) < sizeof bytes ? buf_len(received) : sizeof bytes;
    if (in.len) {
        memcpy(bytes, buf_data(received), in.len);
    }
    (void)!tls_input(t, &in);
    (void)!tls_key_update(t, true);
    (void)!tls_rehandshake(t, NULL, true);
    sure(tls_request_client_auth(t, NULL) < 0);
    (void)!tls_close(t);
    (void)tls_output(t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct config *configs[2];
    static struct party self;
    struct buf blob = { 0 }, received = { 0 }, plain = { 0 }, form;
    struct config *c;
    struct tls *t;
    int rc;

    if (size == 0) {
        return 0;
    }
    if (!configs[0]) {
        party_make(&self, 1);
        configs[0] = make(&self, TLS_CLIENT);
        configs[1] = make(&self, TLS_SERVER);
    }
    fuzz_start(1);
    c = configs[data[0] & 1];
    sure(buf_append(&blob, (uint8_t[]){ HAND_OFF_FORMAT >> 8, HAND_OFF_FORMAT & 0xff, data[0] & 1 },
                    3) == 0 &&
         buf_append(&blob, config_settings(c)->context, SESSION_CONTEXT) == 0 &&
         buf_append(&blob, data + 1, size - 1) == 0);
    form = (struct buf){ 0 };
    sure(buf_append(&form, buf_data(&blob), buf_len(&blob)) == 0);
    rc = tls_take_over(&t, c, &blob, &received, &plain, NULL);
    sure(rc == 0 || rc == ERR_PARSE || rc == ERR_MISMATCH);
    if (rc == 0) {
        struct buf again;

        sure(buf_len(&blob) == 0 && tls_connected(t));
        again = form_of(&t, &received, &plain);
        sure(span_eq(buf_span(&again), buf_span(&form)));
        buf_free(&received);
        buf_free(&plain);
        sure(tls_take_over(&t, c, &again, &received, &plain, NULL) == 0);
        use(t, &received);
        tls_free(t);
    } else {
        sure(!t && buf_len(&blob) == buf_len(&form) && !buf_len(&received) && !buf_len(&plain));
    }
    buf_free(&form);
    buf_free(&blob);
    buf_free(&received);
    buf_free(&plain);
    return 0;
}
