/* SPDX-License-Identifier: ISC */
/* The same records and calls (null/stream.h; the first byte's highest bit is the role) with each
 * record at once, and in pieces, with what is behind it, and opened into other buffers: what is
 * said, delivered and reported is the same, to the byte. `fuzz_null_pieces --seed DIR` writes a
 * corpus. */
#include "tests/fuzz/null/stream.h"

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    return stream_init(1u << TLS_CLIENT | 1u << TLS_SERVER, *argc, *argv);
}

static bool same_error(const struct error *a, const struct error *b)
{
    return a->code == b->code && a->alert_sent == b->alert_sent &&
           a->alert_received == b->alert_received && strcmp(a->text, b->text) == 0;
}

static bool same_info(const struct tls *a, const struct tls *b)
{
    struct tls_info i, j;

    tls_get_info(a, &i);
    tls_get_info(b, &j);
    return i.version == j.version && i.suite_id == j.suite_id && i.group_id == j.group_id &&
           i.scheme_id == j.scheme_id && strcmp(i.alpn, j.alpn) == 0 && strcmp(i.sni, j.sni) == 0 &&
           strcmp(i.psk, j.psk) == 0 && i.early == j.early && i.resumed == j.resumed &&
           i.client_auth == j.client_auth && i.ems == j.ems && i.etm == j.etm &&
           i.secure_renegotiation == j.secure_renegotiation && strcmp(i.where, j.where) == 0 &&
           i.sealed_bytes == j.sealed_bytes && i.opened_bytes == j.opened_bytes &&
           span_eq(i.peer_chain, j.peer_chain) && span_eq(i.status, j.status) &&
           span_eq(i.scts, j.scts);
}

static bool same(const struct solo *a, const struct solo *b)
{
    return span_eq(buf_span(&a->events), buf_span(&b->events)) &&
           span_eq(buf_span(&a->said), buf_span(&b->said)) &&
           span_eq(buf_span(&a->got), buf_span(&b->got)) &&
           same_error(tls_error(a->t), tls_error(b->t)) && same_info(a->t, b->t) &&
           a->t->hs.state == b->t->hs.state && a->t->status == b->t->status;
}

static void run(struct solo *s, const uint8_t *data, size_t size, const struct cut *cut)
{
    solo_start(s, data[0] & 0x80 ? TLS_CLIENT : TLS_SERVER, stream_which(data), true);
    solo_run(s, data + STREAM_HEAD, size - STREAM_HEAD, cut);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct cut whole;
    struct solo once, pieces;
    struct cut cut;
    bool differ;

    if (size < STREAM_HEAD) {
        return 0;
    }
    cut = stream_cut(data);
    run(&once, data, size, &whole);
    run(&pieces, data, size, &cut);
    differ = !same(&once, &pieces);
    solo_end(&once);
    if (differ) { /* a server may have learned something in the first of them, and not twice */
        run(&once, data, size, &whole);
        sure(same(&once, &pieces));
        solo_end(&once);
    }
    solo_end(&pieces);
    return 0;
}
