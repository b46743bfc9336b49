/* SPDX-License-Identifier: ISC */
/* A connection: entering and leaving its halves, errors, facts. How it begins and ends: attach.c.
 */
#include "shim/conn.h"

#include <errno.h>
#include <time.h>

#include "shim/share.h"

#define NAP_MS 2
#define NAPS   1000

int64_t now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

void conn_clock(struct conn *c)
{
    c->deadline = c->timeout_ms < 0 ? -1 : now_ms() + c->timeout_ms;
}

int shim_init(void)
{
    if (crypto_init() < 0) {
        errno = EIO;
        return -1;
    }
    return fork_init();
}

/* ---- the halves ---- */

void conn_take(struct conn *c, unsigned halves)
{
    if (halves & HALF_READ) {
        pthread_mutex_lock(&c->read_lock);
    }
    if (halves & HALF_WRITE) {
        pthread_mutex_lock(&c->write_lock);
    }
}

void conn_give(struct conn *c, unsigned halves)
{
    if (halves & HALF_WRITE) {
        pthread_mutex_unlock(&c->write_lock);
    }
    if (halves & HALF_READ) {
        pthread_mutex_unlock(&c->read_lock);
    }
}

static int enter(struct hold *h)
{
    struct conn *c = h->c;
    int err = share_take(h);

    if (err) {
        return err;
    }
    /* Who closes an fd does it in both halves: as long as we are in one, fd stays what it is, and
     * no system call of ours can hit another socket that got its number. */
    if (h->fd >= 0 && (atomic_load(&c->ending) || !table_names(h->fd, c))) {
        err = EBADF;
    } else {
        err = share_begin(h);
    }
    if (err) {
        share_refuse(h);
        unhush(h);
    }
    return err;
}

int conn_enter(struct hold *h, struct conn *c, int fd, unsigned halves)
{
    int err, naps = 0;

    do {
        *h = (struct hold){ .c = c, .fd = fd, .halves = halves };
        err = enter(h);
        if (err == EAGAIN || err == EINPROGRESS) {
            sys.poll(NULL, 0, NAP_MS); /* who asks again at once does not keep the other one off */
        }
    } while (err == EINPROGRESS && ++naps < NAPS);
    if (err) {
        errno = err == EINPROGRESS ? EAGAIN : err;
        return -1;
    }
    return 0;
}

/* Sends what the read half noted. When another thread is in the write half, that one does it on its
 * way out: it looks at `note` again after it has left. */
static void send_notes(struct hold *h)
{
    struct conn *c = h->c;

    while (h->fd >= 0 && atomic_load(&c->note)) {
        if (h->shared) { /* nobody else is in any half */
            atomic_store(&c->note, false);
            conn_flush(c, h->fd);
            return;
        }
        if (!(h->halves & HALF_WRITE) && pthread_mutex_trylock(&c->write_lock) != 0) {
            return;
        }
        /* Perhaps no half was ours for a moment. */
        if (atomic_load(&c->ending) || !table_names(h->fd, c) || atomic_load(&c->claim.shared)) {
            pthread_mutex_unlock(&c->write_lock);
            h->halves &= (unsigned)~HALF_WRITE;
            return;
        }
        atomic_store(&c->note, false);
        conn_flush(c, h->fd);
        pthread_mutex_unlock(&c->write_lock);
        h->halves &= (unsigned)~HALF_WRITE;
    }
}

void conn_leave(struct hold *h)
{
    struct conn *c = h->c;
    int saved = errno;
    unsigned events;

    send_notes(h);
    if (h->shared) {
        share_end(h);
    } else {
        conn_give(c, h->halves & HALF_WRITE);
        h->halves &= (unsigned)~HALF_WRITE;
        send_notes(h);
    }
    conn_give(c, h->halves);
    events = atomic_exchange(&c->events_due, 0);
    unhush(h);
    park_others(c);
    share_settle(c);
    for (int e = CONN_EVENT_CONNECTED; c->on_event && e <= CONN_EVENT_CLOSED; e++) {
        if (events & 1U << e) {
            c->on_event(c->ctx, c, e);
        }
    }
    errno = saved;
}

/* ---- errors ---- */

/* RFC 8446 section 6.2: the alerts by which a certificate, a name or a key is refused. */
static bool alert_refuses(unsigned desc)
{
    switch (desc) {
    case ALERT_BAD_CERTIFICATE:
    case ALERT_UNSUPPORTED_CERTIFICATE:
    case ALERT_CERTIFICATE_REVOKED:
    case ALERT_CERTIFICATE_EXPIRED:
    case ALERT_CERTIFICATE_UNKNOWN:
    case ALERT_UNKNOWN_CA:
    case ALERT_ACCESS_DENIED:
    case ALERT_UNRECOGNIZED_NAME:
    case ALERT_BAD_CERTIFICATE_STATUS_RESPONSE:
    case ALERT_CERTIFICATE_REQUIRED:
    case ALERT_DECRYPT_ERROR: /* a wrong pre-shared key, a wrong signature */
    case ALERT_UNKNOWN_PSK_IDENTITY:
        return true;
    default:
        return false;
    }
}

int errno_of(const struct error *e)
{
    static const int by_code[] = {
        [-ERR_MEM] = ENOMEM,        [-ERR_CRYPTO] = EIO,
        [-ERR_ARG] = EINVAL,        [-ERR_STATE] = EPROTO,
        [-ERR_FILE] = ENOENT,       [-ERR_PARSE] = EINVAL,
        [-ERR_MISMATCH] = EINVAL,   [-ERR_CLOSED] = ECONNRESET,
        [-ERR_LIMIT] = ENOBUFS,     [-ERR_UNSUPPORTED] = EOPNOTSUPP,
        [-ERR_PASSPHRASE] = ENOKEY,
    };
    unsigned desc;

    if (e->code >= 0) {
        return 0;
    }
    if (IS_TLS_ALERT(e->code) || e->code == ERR_PEER_ALERT) {
        desc = e->code == ERR_PEER_ALERT ? e->alert_received : (unsigned)ALERT_OF(e->code);
        return alert_refuses(desc) ? EACCES : ECONNABORTED;
    }
    if ((size_t)-e->code < sizeof by_code / sizeof *by_code && by_code[-e->code]) {
        return by_code[-e->code];
    }
    return EPROTO;
}

/* The first one that comes may fill in c->err. */
static bool first_error(struct conn *c)
{
    int none = 0;

    return atomic_compare_exchange_strong(&c->err_stage, &none, 1);
}

void conn_set_error(struct conn *c, int code, const char *why)
{
    if (first_error(c)) {
        c->err = (struct error){ .alert_sent = ALERT_NONE, .alert_received = ALERT_NONE };
        error_set(&c->err, code, "sleeve", "%s", why);
        atomic_store(&c->err_stage, 2);
    }
}

static void set_state_failed(struct conn *c, int err)
{
    int state = atomic_load(&c->state);

    if (state == CONN_FAILED) {
        return;
    }
    atomic_store(&c->fail_errno, err);
    if (state == CONN_HANDSHAKE) {
        atomic_fetch_or(&c->events_due, 1U << CONN_EVENT_FAILED);
    }
    atomic_store(&c->state, CONN_FAILED);
    atomic_store(&c->note, true); /* an alert may wait, and the socket is to be shut down */
}

void conn_set_failed(struct conn *c, int err, int code, const char *why)
{
    conn_set_error(c, code, why);
    set_state_failed(c, err);
}

void conn_failed_tls(struct conn *c, int rc)
{
    const struct error *e = tls_error(c->tls), own = { .code = rc };

    if (e->code < 0 && first_error(c)) {
        c->err = *e;
        atomic_store(&c->err_stage, 2);
    }
    conn_set_error(c, rc, error_name(rc));
    set_state_failed(c, errno_of(e->code < 0 ? e : &own));
}

const struct error *conn_error(struct conn *c)
{
    static const struct error none = { .alert_sent = ALERT_NONE, .alert_received = ALERT_NONE };

    return atomic_load(&c->err_stage) == 2 ? &c->err : &none;
}

int conn_errno(struct conn *c)
{
    int err = atomic_load(&c->state) == CONN_FAILED ? atomic_load(&c->fail_errno) : 0;

    if (atomic_load(&c->claim.lost) || atomic_load(&c->claim.denied)) {
        err = EPERM;
    }
    return err;
}

void conn_fail(struct conn *c, int err, const char *why)
{
    struct hold h;

    if (conn_enter(&h, c, -1, HALF_BOTH)) {
        return;
    }
    if (atomic_load(&c->state) != CONN_FAILED) {
        tls_abort(c->tls, ALERT_USER_CANCELED, why);
        conn_set_failed(c, err, ERR_CLOSED, why);
        h.fd = table_find(c); /* to send the alert and shut the socket down */
    }
    conn_leave(&h);
}

/* ---- facts ---- */

bool conn_is_connected(const struct conn *c)
{
    return atomic_load(&c->state) == CONN_OPEN;
}

bool conn_tell(struct conn *c)
{
    return !atomic_exchange(&c->told, true);
}

enum tls_role conn_role(const struct conn *c)
{
    return c->role;
}

int conn_tag(const struct conn *c)
{
    return c->tag;
}

void conn_info(struct conn *c, struct tls_info *i)
{
    struct hold h;

    /* Facts may be asked for in any process. */
    *i = (struct tls_info){ .version_name = "",
                            .suite = "",
                            .group = "",
                            .scheme = "",
                            .alpn = "",
                            .sni = "",
                            .host = "",
                            .psk = "",
                            .where = "" };
    if (atomic_load(&c->claim.shared) && conn_enter(&h, c, -1, HALF_BOTH) == 0) {
        conn_leave(&h); /* it is the newest now */
    }
    calm(&h.signals, &h.cancel);
    conn_take(c, HALF_BOTH);
    if (!c->claim.torn) {
        tls_get_info(c->tls, i);
        i->sealed_bytes -= c->early_again;
    }
    conn_give(c, HALF_BOTH);
    uncalm(&h.signals, h.cancel);
}

static int left_ms(struct conn *c)
{
    int64_t left;

    if (atomic_load(&c->state) != CONN_HANDSHAKE || c->deadline < 0) {
        return -1;
    }
    if (conn_waits_to_speak(c)) { /* it has not begun, and no one may be there when it does */
        return c->timeout_ms;
    }
    left = c->deadline - now_ms();
    return left < 0 ? 0 : left > 1 << 30 ? 1 << 30 : (int)left;
}

/* Something may have become so without the kernel. */
static int look_ms(struct conn *c)
{
    if (atomic_load(&c->claim.shared)) {
        return SHARE_LOOK_MS;
    }
    return atomic_load(&c->asking) && atomic_load(&c->state) == CONN_HANDSHAKE ? 1 : -1;
}

int conn_deadline_ms(struct conn *c)
{
    int left = left_ms(c), look = look_ms(c);

    return look >= 0 && (left < 0 || look < left) ? look : left;
}

bool conn_is_due(struct conn *c)
{
    return left_ms(c) == 0 || look_ms(c) >= 0;
}
