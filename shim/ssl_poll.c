/* SPDX-License-Identifier: ISC */
/* poll(2), select(2) and their like over TLS and plain fds. */
#include <sleeve/ssl_socket.h>

#include "shim/shim.h"

int ssl_poll(struct pollfd *fds, nfds_t n, int timeout_ms)
{
    return conn_poll(fds, n, timeout_ms);
}

int ssl_ppoll(struct pollfd *fds, nfds_t n, const struct timespec *timeout, const sigset_t *mask)
{
    return conn_ppoll(fds, n, timeout, mask);
}

int ssl_select(int nfds, fd_set *r, fd_set *w, fd_set *e, struct timeval *timeout)
{
    return conn_select(nfds, r, w, e, timeout);
}

int ssl_pselect(int nfds, fd_set *r, fd_set *w, fd_set *e, const struct timespec *timeout,
                const sigset_t *mask)
{
    return conn_pselect(nfds, r, w, e, timeout, mask);
}
