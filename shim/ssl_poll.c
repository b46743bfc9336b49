/* SPDX-License-Identifier: ISC */
/* poll(2) over TLS and plain fds. */
#include <errno.h>

#include "base/mem.h"
#include "shim/conn.h"
#include "shim/ssl_options.h"

#define FEW 32

/* One fd of the caller's: what it is, beside the kernel's view of it in the same place of `kernel`.
 */
struct watch {
    struct pollfd *fds;    /* the caller's */
    struct pollfd *kernel; /* what the kernel is asked */
    struct conn **conns;   /* NULL: a plain fd */
    nfds_t n;
    int deadline_ms; /* the nearest end of a handshake; -1: none */
};

/* Asks the connections. The number of fds that are ready. */
static int look(struct watch *w)
{
    int ready = 0;

    w->deadline_ms = -1;
    for (nfds_t i = 0; i < w->n; i++) {
        struct conn *c = w->conns[i];
        int ms;

        w->fds[i].revents = 0;
        w->kernel[i] = w->fds[i];
        if (!c) {
            continue;
        }
        w->fds[i].revents = conn_ready(c, w->fds[i].events);
        w->kernel[i].events = conn_want(c, w->fds[i].events);
        ready += w->fds[i].revents != 0;
        ms = conn_deadline_ms(c);
        if (ms >= 0 && (w->deadline_ms < 0 || ms < w->deadline_ms)) {
            w->deadline_ms = ms;
        }
    }
    return ready;
}

/* Takes over what the kernel said of plain fds, and of TLS fds what does not concern data. */
static int merge(struct watch *w)
{
    int ready = 0;

    for (nfds_t i = 0; i < w->n; i++) {
        short seen = w->kernel[i].revents;

        if (!w->conns[i]) {
            w->fds[i].revents = seen;
        } else if (seen) {
            conn_pump(w->conns[i], w->fds[i].fd, seen);
            w->fds[i].revents = conn_ready(w->conns[i], w->fds[i].events);
            w->fds[i].revents |= (short)(seen & (POLLERR | POLLHUP | POLLNVAL));
        }
        ready += w->fds[i].revents != 0;
    }
    return ready;
}

static int wait_ready(struct watch *w, int timeout_ms)
{
    int64_t end = timeout_ms < 0 ? -1 : now_ms() + timeout_ms;

    for (;;) {
        int ready = look(w), left = 0, rc;

        if (ready == 0) {
            int64_t ms = end < 0 ? -1 : end - now_ms();

            left = ms < -1 ? 0 : (int)(end >= 0 && ms < 0 ? 0 : ms);
            if (w->deadline_ms >= 0 && (left < 0 || w->deadline_ms < left)) {
                left = w->deadline_ms;
            }
        }
        rc = sys.poll(w->kernel, w->n, left);
        if (rc < 0) {
            return -1;
        }
        ready = merge(w);
        if (ready > 0 || (end >= 0 && now_ms() >= end)) {
            return ready;
        }
    }
}

int ssl_poll(struct pollfd *fds, nfds_t n, int timeout_ms)
{
    struct pollfd few[FEW];
    struct conn *few_conns[FEW];
    struct watch w = { .fds = fds, .kernel = few, .conns = few_conns, .n = n };
    int rc = -1;

    if (n > FEW) {
        w.kernel = mem_alloc(n * sizeof *w.kernel);
        w.conns = mem_alloc(n * sizeof(struct conn *));
    }
    if (w.kernel && w.conns) {
        for (nfds_t i = 0; i < n; i++) {
            w.conns[i] = conn_get(fds[i].fd);
        }
        rc = wait_ready(&w, timeout_ms);
        for (nfds_t i = 0; i < n; i++) {
            conn_put(w.conns[i]);
        }
    } else {
        errno = ENOMEM;
    }
    if (n > FEW) {
        mem_free(w.kernel);
        mem_free(w.conns);
    }
    return rc;
}
