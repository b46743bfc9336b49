/* SPDX-License-Identifier: ISC */
/* poll and select. How it is done is the shim's (poll.c, select.c); as long as there is no
 * connection at all, the C library's functions are called at once. */
#include "preload/preload.h"

int poll(struct pollfd *fds, nfds_t n, int ms)
{
    return conn_any() ? conn_poll(fds, n, ms) : REAL(poll)(fds, n, ms);
}

int ppoll(struct pollfd *fds, nfds_t n, const struct timespec *ts, const sigset_t *mask)
{
    return conn_any() ? conn_ppoll(fds, n, ts, mask) : REAL(ppoll)(fds, n, ts, mask);
}

int __poll(struct pollfd *fds, nfds_t n, int ms);
int __poll(struct pollfd *fds, nfds_t n, int ms)
{
    return poll(fds, n, ms);
}

int __poll_chk(struct pollfd *fds, nfds_t n, int ms, size_t size);
int __poll_chk(struct pollfd *fds, nfds_t n, int ms, size_t size)
{
    if (size / sizeof *fds < n) {
        __chk_fail();
    }
    return poll(fds, n, ms);
}

int __ppoll_chk(struct pollfd *fds, nfds_t n, const struct timespec *ts, const sigset_t *mask,
                size_t size);
int __ppoll_chk(struct pollfd *fds, nfds_t n, const struct timespec *ts, const sigset_t *mask,
                size_t size)
{
    if (size / sizeof *fds < n) {
        __chk_fail();
    }
    return ppoll(fds, n, ts, mask);
}

int select(int nfds, fd_set *r, fd_set *w, fd_set *e, struct timeval *tv)
{
    return conn_any() ? conn_select(nfds, r, w, e, tv) : REAL(select)(nfds, r, w, e, tv);
}

int __select(int nfds, fd_set *r, fd_set *w, fd_set *e, struct timeval *tv);
int __select(int nfds, fd_set *r, fd_set *w, fd_set *e, struct timeval *tv)
{
    return select(nfds, r, w, e, tv);
}

int pselect(int nfds, fd_set *r, fd_set *w, fd_set *e, const struct timespec *ts,
            const sigset_t *mask)
{
    return conn_any() ? conn_pselect(nfds, r, w, e, ts, mask)
                      : REAL(pselect)(nfds, r, w, e, ts, mask);
}
