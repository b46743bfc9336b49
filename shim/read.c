/* SPDX-License-Identifier: ISC */
/* The read half: kernel -> this thread's scratch (many records in one call) -> opened straight into
 * the caller's buffers. Only what does not fit there, and the beginning of an unfinished record,
 * becomes memory of the connection. */
#include <errno.h>

#include "base/secret.h"
#include "shim/conn.h"
#include "shim/prelude.h"
#include "shim/sessions.h"

/* Where plaintext goes: the caller's iovecs, or (iov NULL) into c->plain until `goal` bytes are
 * there. */
struct sink {
    const struct iovec *iov;
    int n;
    size_t off;  /* used of iov[0] */
    size_t done; /* bytes delivered to iovecs */
    size_t goal;
};

static size_t iov_total(const struct iovec *iov, int n)
{
    size_t total = 0;

    for (int i = 0; i < n; i++) {
        total += iov[i].iov_len;
    }
    return total;
}

/* The next free piece of the caller's memory. */
static struct mspan sink_here(struct sink *s)
{
    while (s->iov && s->n > 0 && s->off == s->iov->iov_len) {
        s->iov++;
        s->n--;
        s->off = 0;
    }
    if (!s->iov || s->n == 0) {
        return (struct mspan){ NULL, 0 };
    }
    return (struct mspan){ (uint8_t *)s->iov->iov_base + s->off, s->iov->iov_len - s->off };
}

static bool sink_full(const struct conn *c, struct sink *s)
{
    return s->iov ? sink_here(s).n == 0 : buf_len(&c->plain) >= s->goal;
}

static size_t sink_copy(struct sink *s, const uint8_t *p, size_t n)
{
    size_t taken = 0;

    for (struct mspan at = sink_here(s); taken < n && at.n > 0; at = sink_here(s)) {
        size_t part = n - taken < at.n ? n - taken : at.n;

        memcpy(at.p, p + taken, part);
        s->off += part;
        taken += part;
    }
    s->done += taken;
    return taken;
}

static void no_memory(struct conn *c)
{
    conn_set_failed(c, ENOMEM, ERR_MEM, "no memory for received data");
}

/* Plaintext that lies in received bytes: on to the sink, what it does not hold is kept. */
static void deliver(struct conn *c, struct sink *s, uint8_t *p, size_t n)
{
    size_t taken = sink_copy(s, p, n);

    if (taken < n && buf_append(&c->plain, p + taken, n - taken) < 0) {
        no_memory(c);
    }
    wipe(p, n);
}

static void take_data(struct conn *c, struct sink *s, uint8_t *data, const struct tls_in *in)
{
    if (in->out) {
        s->off += in->nplain;
        s->done += in->nplain;
    } else {
        deliver(c, s, data + (in->plain - data), in->nplain);
    }
    if (in->nrest) {
        deliver(c, s, data + (in->rest - data), in->nrest);
    }
}

static void handshake_done(struct conn *c)
{
    struct tls_info i;

    if (c->prelude &&
        buf_append(&c->plain, buf_data(&c->prelude->replay), buf_len(&c->prelude->replay)) < 0) {
        no_memory(c);
    }
    if (c->sessions) {
        tls_get_info(c->tls, &i);
        client_sessions_settled(c->sessions, i.resumed);
    }
    if (c->role == TLS_CLIENT) {
        early_answered(c);
    }
    c->in_handshake = c->wire.in;
    if (atomic_load(&c->state) != CONN_FAILED) {
        atomic_store(&c->state, CONN_OPEN);
        atomic_fetch_or(&c->events_due, 1U << CONN_EVENT_CONNECTED);
    }
}

/* Opens one record. 1: used one, 0: it is not all there, -1: the connection has failed. */
static int open_record(struct conn *c, struct sink *s, uint8_t *data, size_t n, size_t *used)
{
    struct mspan at = sink_here(s);
    struct tls_in in = { .data = data, .len = n, .out = at.n ? at.p : NULL, .room = at.n };
    int event = tls_input(c->tls, &in);

    *used = in.used;
    if (event < 0) {
        client_sessions_failed(c->sessions);
        conn_failed_tls(c, event);
        return -1;
    }
    switch (event) {
    case TLS_EV_MORE:
        return 0;
    case TLS_EV_WAIT:
        atomic_store(&c->asking, true);
        return 0;
    case TLS_EV_DONE:
        handshake_done(c);
        break;
    case TLS_EV_CLOSED:
        c->saw_close = true;
        break;
    case TLS_EV_EARLY_DATA:
        c->early_bytes += in.nplain + in.nrest;
        take_data(c, s, data, &in);
        break;
    case TLS_EV_DATA:
        take_data(c, s, data, &in);
        break;
    default: /* TLS_EV_PROGRESS: perhaps a KeyUpdate that wants its answer */
        atomic_store(&c->note, atomic_load(&c->state) == CONN_OPEN);
        if (atomic_load(&c->early_room)) {
            early_look(c); /* the server may have refused it */
        }
        break;
    }
    return 1;
}

/* Opens records while there are whole ones and the sink wants more; the bytes used. */
static size_t open_records(struct conn *c, struct sink *s, uint8_t *data, size_t n)
{
    size_t pos = 0, used;
    int rc;

    while (pos < n && !c->saw_close) {
        if (atomic_load(&c->state) == CONN_OPEN && sink_full(c, s)) {
            return pos;
        }
        rc = open_record(c, s, data + pos, n - pos, &used);
        if (rc == 0) {
            return pos;
        }
        if (rc < 0 || atomic_load(&c->state) == CONN_FAILED) {
            return n;
        }
        pos += used;
    }
    c->behind = c->saw_close && pos < n;
    return c->saw_close ? n : pos; /* RFC 8446 section 6.1: what follows close_notify is ignored */
}

static void open_kept(struct conn *c, struct sink *s)
{
    size_t n = buf_len(&c->raw), used = n ? open_records(c, s, buf_data(&c->raw), n) : 0;

    if (used) {
        buf_consume(&c->raw, used);
    }
}

/* What is missing of the record that has begun. */
static size_t rest_of_record(struct conn *c)
{
    size_t kept = buf_len(&c->raw);
    const uint8_t *p = buf_data(&c->raw);

    return (kept < TLS_HEADER ? TLS_HEADER : TLS_HEADER + ((size_t)p[3] << 8 | p[4])) - kept;
}

/* As much as should bring what the sink can hold, in whole records: what is beyond is copied twice.
 * At least 16 KiB and the rest of what has begun. */
static size_t receive_size(struct conn *c, struct sink *s)
{
    size_t room = s->iov ? iov_total(s->iov, s->n) - s->off : 0, rest = rest_of_record(c);
    size_t kept = buf_len(&c->raw), size;

    if (c->detaching) {
        return rest;
    }
    room = room > TLS_PLAINTEXT_MAX ? room : TLS_PLAINTEXT_MAX;
    if (atomic_load(&c->in_clear)) {
        return room < SCRATCH ? room : SCRATCH;
    }
    size = tls_expected(c->tls, room, SCRATCH);
    return size > kept + rest ? size - kept : rest;
}

/* One receive. 1 bytes came, 0 end of stream, -1 errno. What is kept from before is an unfinished
 * record, shorter than TLS_RECORD_MAX. */
static int receive(struct conn *c, int fd, struct sink *s)
{
    size_t kept = buf_len(&c->raw), all, used;
    size_t most = receive_size(c, s);
    uint8_t *mem = scratch_get();
    ssize_t n;
    int rc;

    if (!mem) {
        errno = ENOMEM;
        return -1;
    }
    do {
        n = sys.recv(fd, mem + kept, most, MSG_DONTWAIT);
    } while (n < 0 && errno == EINTR);
    if (n <= 0) {
        return (int)n;
    }
    c->wire.in += (uint64_t)n;
    park_note(c);
    if (atomic_load(&c->in_clear)) {
        deliver(c, s, mem, (size_t)n);
        return 1;
    }
    if (kept) {
        memcpy(mem, buf_data(&c->raw), kept);
    }
    all = kept + (size_t)n;
    used = open_records(c, s, mem, all);
    if (used == 0) {
        rc = buf_append(&c->raw, mem + kept, (size_t)n);
    } else {
        buf_free(&c->raw);
        rc = used < all ? buf_append(&c->raw, mem + used, all - used) : 0;
    }
    if (rc < 0) {
        no_memory(c);
    }
    return 1;
}

/* There may be some the next time: nothing is lost. */
static bool no_room(int err)
{
    return err == ENOMEM || err == ENOBUFS;
}

void conn_read_broke(struct conn *c, int err)
{
    c->saw_eof = true;
    c->read_errno = err;
    conn_set_error(c, ERR_CLOSED, strerrordesc_np(err));
}

/* Threat 29: data may have been cut off unless close_notify came first (RFC 8446 section 6.1). */
static void end_of_stream(struct conn *c)
{
    c->saw_eof = true;
    if (buf_len(&c->raw) > 0) {
        conn_read_broke(c, ECONNRESET);
        buf_free(&c->raw);
    } else if (!c->lenient_eof && !c->read_shut && !atomic_load(&c->in_clear)) {
        conn_set_error(c, ERR_CLOSED, "the peer ended the connection without close_notify");
        c->read_errno = ECONNRESET;
    }
}

/* How reading stands when nothing is left to deliver. 1: go on, 0: the end, -1 errno. */
static int read_state(struct conn *c)
{
    if (c->saw_close) {
        return 0;
    }
    if (atomic_load(&c->state) == CONN_FAILED) {
        errno = atomic_load(&c->fail_errno);
        return -1;
    }
    if (c->saw_eof) {
        errno = c->read_errno;
        return c->read_errno ? -1 : 0;
    }
    return 1;
}

/* Plaintext into the sink without waiting. 1 some, 0 end of stream, -1 errno. Kept plaintext comes
 * before any error. */
static int read_step(struct conn *c, int fd, struct sink *s)
{
    size_t taken;
    int rc;

    if (s->iov && buf_len(&c->plain)) {
        taken = sink_copy(s, buf_data(&c->plain), buf_len(&c->plain));
        buf_consume(&c->plain, taken);
    }
    for (;;) {
        open_kept(c, s);
        if (s->iov ? s->done > 0 : sink_full(c, s)) {
            return 1;
        }
        rc = read_state(c);
        if (rc <= 0) {
            return rc;
        }
        errno = EAGAIN;
        rc = fd < 0 ? -1 : receive(c, fd, s);
        if (rc < 0 && (errno == EAGAIN || no_room(errno))) {
            return -1;
        }
        if (rc < 0) {
            conn_read_broke(c, errno);
        } else if (rc == 0) {
            end_of_stream(c);
        }
    }
}

int conn_fetch(struct conn *c, int fd, size_t goal)
{
    struct sink s = { .goal = goal };

    return read_step(c, fd, &s);
}

int conn_feed(struct conn *c, int fd)
{
    struct sink s = { .goal = 0 };

    return receive(c, fd, &s);
}

bool conn_go_on(struct conn *c)
{
    struct sink s = { .goal = 0 };
    size_t used;

    atomic_store(&c->asking, false);
    if (open_record(c, &s, NULL, 0, &used) > 0) {
        open_kept(c, &s);
    }
    return !atomic_load(&c->asking);
}

bool conn_drain(int fd)
{
    uint8_t *mem = scratch_get();
    int i = 0;

    while (mem && i < 16 && sys.recv(fd, mem, SCRATCH, MSG_DONTWAIT) > 0) {
        i++;
    }
    return i > 0;
}

/* ---- recv(2) ---- */

/* MSG_PEEK: everything goes through c->plain and stays there. */
static int peek_step(struct conn *c, int fd, struct sink *s, size_t goal)
{
    struct sink copy = { .iov = s->iov, .n = s->n };
    int rc = conn_fetch(c, fd, goal), err = errno;

    s->done = sink_copy(&copy, buf_data(&c->plain), buf_len(&c->plain));
    if (rc <= 0 && s->done > 0 && !(rc < 0 && err == EAGAIN)) {
        return 1; /* all there will ever be */
    }
    errno = err;
    return rc;
}

/* A server in the handshake: early data as far as it has come. */
static int early_step(struct conn *c, struct sink *s, int flags, size_t total)
{
    struct sink copy = *s;
    size_t taken;

    if (buf_len(&c->plain) == 0 ||
        ((flags & MSG_PEEK) && (flags & MSG_WAITALL) && buf_len(&c->plain) < total)) {
        errno = EINPROGRESS;
        return -1;
    }
    taken = sink_copy(&copy, buf_data(&c->plain), buf_len(&c->plain));
    if (flags & MSG_PEEK) {
        s->done = taken;
    } else {
        buf_consume(&c->plain, taken);
        *s = copy;
    }
    return 1;
}

/* One attempt in the read half. 1 some, 0 end, -1 errno; EINPROGRESS: the handshake comes first. */
static int attempt(struct conn *c, int fd, struct sink *s, int flags, size_t total)
{
    struct sink part = { .iov = s->iov, .n = s->n, .off = s->off };
    struct hold h;
    int rc;

    if (conn_enter(&h, c, fd, HALF_READ)) {
        return -1;
    }
    if (atomic_load(&c->state) == CONN_HANDSHAKE) {
        rc = early_step(c, s, flags, total);
    } else if (flags & MSG_PEEK) {
        rc = peek_step(c, fd, s, flags & MSG_WAITALL ? total : 1);
    } else {
        rc = read_step(c, fd, &part);
        part.done += s->done;
        *s = part;
    }
    conn_leave(&h);
    return rc;
}

/* Waits for input; lets a tail that waits go out meanwhile, for the peer may need it before it
 * answers. */
static int await(struct conn *c, int fd, struct patience *p)
{
    struct hold h;
    int rc, err;

    if (atomic_load(&c->unsent)) {
        if (wait_poll(c, fd, POLLIN | POLLOUT, p, -1) || conn_enter(&h, c, fd, HALF_WRITE)) {
            return -1;
        }
        conn_flush(c, fd);
        conn_leave(&h);
        return 0;
    }
    rc = wait_input(c, fd, p);
    err = errno;
    if (rc && err != EINTR && err != EAGAIN && !no_room(err) &&
        conn_enter(&h, c, fd, HALF_READ) == 0) {
        conn_read_broke(c, err); /* the kernel reports it once */
        conn_leave(&h);
        errno = err;
    }
    return rc;
}

ssize_t conn_readv(struct conn *c, int fd, const struct iovec *iov, int n, int flags)
{
    bool all = (flags & MSG_WAITALL) && !(flags & MSG_PEEK);
    struct patience p = { .option = SO_RCVTIMEO };
    struct sink s = { .iov = iov, .n = n };
    size_t total = iov_total(iov, n);
    int rc = 0, saved = errno;

    while (s.done < total) {
        rc = attempt(c, fd, &s, flags, total);
        if (rc == 0 || (rc > 0 && !all)) {
            break;
        }
        if (rc < 0 && errno == EINPROGRESS) {
            rc = conn_complete(c, fd, flags, SO_RCVTIMEO,
                               (flags & MSG_PEEK) && (flags & MSG_WAITALL) ? UNTIL_DONE
                                                                           : UNTIL_DATA);
            if (rc < 0 && atomic_load(&c->state) == CONN_FAILED) {
                continue; /* early data that came before */
            }
        } else if (rc < 0 && errno == EAGAIN && !wait_forbidden(c, fd, flags)) {
            rc = await(c, fd, &p);
        }
        if (rc < 0) {
            break;
        }
    }
    if (s.done == 0 && rc < 0) {
        return -1;
    }
    errno = saved;
    return (ssize_t)s.done;
}
