/* SPDX-License-Identifier: ISC */
/* Driving the handshake over the socket. */
#include <errno.h>
#include <stdio.h>

#include "shim/conn.h"
#include "shim/store.h"

#define SLICE_MS 50
#define STORE_MS 1 /* between two looks for a store's answer */

/* The socket, not TLS, ended the handshake. */
static int socket_failed(struct conn *c, int err)
{
    char text[120];

    snprintf(text, sizeof text, "%s during the handshake", strerrordesc_np(err));
    conn_set_failed(c, err, ERR_CLOSED, text);
    errno = err;
    return -1;
}

static int state_of(struct conn *c)
{
    int state = atomic_load(&c->state);

    if (state == CONN_FAILED) {
        errno = atomic_load(&c->fail_errno);
        return -1;
    }
    return state == CONN_OPEN;
}

static int too_late(struct conn *c)
{
    tls_abort(c->tls, ALERT_USER_CANCELED, "the handshake took too long");
    conn_set_failed(c, ETIMEDOUT, ERR_CLOSED, "the handshake took too long");
    errno = ETIMEDOUT;
    return -1;
}

static bool is_late(const struct conn *c)
{
    return c->deadline >= 0 && now_ms() >= c->deadline;
}

/* What comes before the handshake. */
static int talk(struct conn *c, int fd)
{
    int rc = conn_prelude(c, fd);

    if (rc == 0 && is_late(c)) {
        return too_late(c);
    }
    if (rc < 0 && atomic_load(&c->state) == CONN_HANDSHAKE) {
        return socket_failed(c, errno);
    }
    return rc;
}

/* As conn_feed(); 1 also when there is nothing to be fed, because there is no handshake. */
static int hear(struct conn *c, int fd)
{
    if (c->clear_ok && conn_first_heard(c, fd)) {
        return -1;
    }
    return atomic_load(&c->state) == CONN_HANDSHAKE ? conn_feed(c, fd) : 1;
}

int conn_step(struct conn *c, int fd, enum until until)
{
    int rc = state_of(c), sent;

    if (rc == 0 && atomic_load(&c->asking)) {
        stores_expire();
    }
    if (rc == 0 && atomic_load(&c->in_clear)) {
        rc = talk(c, fd);
        if (rc <= 0) {
            return rc;
        }
        rc = 0;
    }
    while (rc == 0) {
        if (!conn_go_on(c)) {
            return is_late(c) ? too_late(c) : 0;
        }
        rc = state_of(c);
        if (rc != 0) {
            break;
        }
        sent = conn_flush(c, fd);
        if (sent < 0) {
            return socket_failed(c, errno);
        }
        if (until == UNTIL_DATA && buf_len(&c->plain)) {
            return 1;
        }
        rc = hear(c, fd);
        if (rc < 0 && errno == EAGAIN) {
            /* Now, and not at the start: what has come in time counts even if we look late. */
            return is_late(c) ? too_late(c) : 0;
        }
        if (rc < 0 && atomic_load(&c->state) == CONN_HANDSHAKE) {
            return socket_failed(c, errno);
        }
        if (rc == 0 && c->read_shut) {
            conn_set_failed(c, ECONNABORTED, ERR_CLOSED, "shut down during the handshake");
        } else if (rc == 0 || c->saw_close) {
            conn_set_failed(c, ECONNRESET, ERR_CLOSED,
                            "the peer closed the connection during the handshake");
        }
        rc = state_of(c);
    }
    if (rc > 0 && (until != UNTIL_HELD || atomic_load(&c->closing))) {
        conn_flush(c, fd); /* what cannot leave now waits as a tail */
    }
    return rc;
}

/* There is nothing to be received as long as the handshake waits for a session store, whose answer
 * is a matter of moments. */
static int wait_store(struct conn *c)
{
    struct patience none = { .asked = true, .end = -1 };

    return wait_poll(c, -1, 0, &none, now_ms() + STORE_MS);
}

int conn_complete(struct conn *c, int fd, int flags, int timeo, enum until until)
{
    struct patience p = { .option = timeo };
    struct hold h;
    int64_t slice;
    short events;
    int rc;

    conn_only_hears(c, 0); /* who is here does not wait for the caller */
    for (;;) {
        if (conn_enter(&h, c, fd, HALF_BOTH)) {
            if (errno == EAGAIN && !wait_forbidden(c, fd, flags)) {
                continue; /* another process is at it */
            }
            return -1;
        }
        rc = conn_step(c, fd, until);
        events = atomic_load(&c->unsent) ? POLLIN | POLLOUT : POLLIN;
        conn_leave(&h);
        if (rc != 0) {
            return rc < 0 ? -1 : 0;
        }
        if (wait_forbidden(c, fd, flags)) {
            errno = EAGAIN;
            return -1;
        }
        /* Not to the deadline at once: another thread may have taken the bytes we wait for. */
        slice = now_ms() + SLICE_MS;
        slice = c->deadline >= 0 && c->deadline < slice ? c->deadline : slice;
        rc = atomic_load(&c->asking) ? wait_store(c) : wait_poll(c, fd, events, &p, slice);
        if (rc && errno != ETIMEDOUT) {
            return -1;
        }
    }
}

int conn_handshake(struct conn *c, int fd, int flags)
{
    if (conn_is_connected(c)) {
        return 0;
    }
    return conn_complete(c, fd, flags, SO_SNDTIMEO, UNTIL_DONE);
}
