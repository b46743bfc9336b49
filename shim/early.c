/* SPDX-License-Identifier: ISC */
/* Early data of a client (RFC 8446 section 2.3): what was said before the server answered is kept
 * until it did. If it took none of it, the same bytes are said again behind the handshake, to a
 * server that is now known to be alive, and only under the protocol that they were meant for. */
#include <errno.h>

#include "shim/conn.h"

/* Under the write half, or before anybody else knows the connection. */
void early_look(struct conn *c)
{
    size_t room = tls_early_room(c->tls), left = c->early.max - buf_len(&c->early);

    atomic_store(&c->early_room, room < left ? room : left);
}

void early_begin(struct conn *c, struct tls_session *session, uint32_t max)
{
    if (c->role == TLS_CLIENT && session && max > 0 && tls_early_room(c->tls) > 0) {
        c->early.max = max;
        c->early_session = session_ref(session);
        early_look(c);
    }
}

bool conn_early(struct conn *c, int fd)
{
    struct pollfd p = { .fd = fd, .events = POLLOUT };

    if (atomic_load(&c->early_room) == 0 || atomic_load(&c->state) != CONN_HANDSHAKE) {
        return false;
    }
    if (!atomic_load(&c->early_open) && sys.poll(&p, 1, 0) == 1 && p.revents == POLLOUT) {
        atomic_store(&c->early_open, true);
    }
    return atomic_load(&c->early_open);
}

void conn_early_over(struct conn *c)
{
    atomic_store(&c->early_open, false);
    atomic_store(&c->early_room, 0);
}

int early_kept(struct conn *c, const struct span *in, size_t nin, size_t taken)
{
    c->early_bytes += taken;
    for (size_t i = 0; i < nin && taken > 0; i++) {
        size_t part = in[i].n < taken ? in[i].n : taken;

        if (buf_append(&c->early, in[i].p, part) < 0) {
            return ERR_MEM;
        }
        taken -= part;
    }
    early_look(c);
    return 0;
}

void early_answered(struct conn *c)
{
    struct tls_session *was = c->early_session;
    struct tls_info i;

    conn_early_over(c);
    if (!was) {
        return;
    }
    tls_get_info(c->tls, &i);
    if (i.early == TLS_EARLY_ACCEPTED) {
        buf_free(&c->early);
    } else {
        c->early_again = c->early_bytes;
        c->early_bytes = 0;
        if (buf_len(&c->early) && strcmp(i.alpn, was->alpn ? was->alpn : "") != 0) {
            tls_abort(c->tls, ALERT_NO_APPLICATION_PROTOCOL, "early data for another protocol");
            conn_set_failed(c, ECONNABORTED, ERR_MISMATCH,
                            "the server refused early data and chose another protocol (ALPN) than "
                            "it was meant for");
        }
    }
    c->early_session = NULL;
    session_unref(was);
}

uint64_t conn_early_bytes(struct conn *c)
{
    sigset_t signals;
    uint64_t n;
    int cancel;

    calm(&signals, &cancel);
    conn_take(c, HALF_BOTH);
    n = c->early_bytes;
    conn_give(c, HALF_BOTH);
    uncalm(&signals, cancel);
    return n;
}
