/* SPDX-License-Identifier: ISC */
/* select(2) by way of poll: sets of bits, of any length. */
#include <errno.h>
#include <string.h>

#include "shim/conn.h"

#define WORD_BITS ((int)(8 * sizeof(fd_mask)))
#define ON_STACK  512 /* pollfds that need no mapping */

struct bits {
    fd_mask *set[3]; /* read, write, except; each may be NULL */
};
static const struct {
    short ask, mean;
} meaning[3] = {
    { POLLIN, POLLIN | POLLHUP | POLLERR },
    { POLLOUT, POLLOUT | POLLERR },
    { POLLPRI, POLLPRI },
};

static short asked_of(const struct bits *b, int fd)
{
    short ask = 0;

    for (int k = 0; k < 3; k++) {
        if (b->set[k] && (b->set[k][fd / WORD_BITS] >> (fd % WORD_BITS) & 1)) {
            ask |= meaning[k].ask;
        }
    }
    return ask;
}

static bool has_ours(const struct bits *b, int nfds)
{
    for (int fd = 0; conn_any() && fd < nfds; fd++) {
        if (asked_of(b, fd) && poll_concerns(fd)) {
            return true;
        }
    }
    return false;
}

/* How many bits are set; the sets hold what is ready. */
static int result(const struct bits *b, int nfds, const struct pollfd *fds, nfds_t n)
{
    size_t words = ((size_t)nfds + (size_t)WORD_BITS - 1) / (size_t)WORD_BITS;
    int count = 0;

    for (int k = 0; k < 3; k++) {
        if (b->set[k]) {
            memset(b->set[k], 0, words * sizeof(fd_mask));
        }
        for (nfds_t i = 0; b->set[k] && i < n; i++) {
            if ((fds[i].events & meaning[k].ask) && (fds[i].revents & meaning[k].mean)) {
                b->set[k][fds[i].fd / WORD_BITS] |= (fd_mask)(1UL << (fds[i].fd % WORD_BITS));
                count++;
            }
        }
    }
    return count;
}

static int ask(const struct bits *b, int nfds, struct pollfd *fds, int64_t end,
               const sigset_t *mask)
{
    nfds_t n = 0;
    int rc;

    for (int fd = 0; fd < nfds; fd++) {
        short asked = asked_of(b, fd);

        if (asked) {
            fds[n++] = (struct pollfd){ .fd = fd, .events = asked };
        }
    }
    rc = poll_fds(fds, n, end, mask);
    for (nfds_t i = 0; rc > 0 && i < n; i++) {
        if (fds[i].revents & POLLNVAL) {
            errno = EBADF;
            rc = -1;
        }
    }
    return rc < 0 ? rc : result(b, nfds, fds, n);
}

static int select_fds(const struct bits *b, int nfds, int64_t end, const sigset_t *mask)
{
    struct pollfd few[ON_STACK], *fds = nfds > ON_STACK ? NULL : few;
    size_t size = (size_t)nfds * sizeof *fds;
    int rc = -1;

    if (!fds) {
        fds = scratch_map(size);
    }
    if (fds) {
        rc = ask(b, nfds, fds, end, mask);
    }
    if (fds && fds != few) {
        scratch_unmap(fds, size);
    }
    return rc;
}

static struct bits bits_of(fd_set *r, fd_set *w, fd_set *e)
{
    return (struct bits){ .set = { r ? r->fds_bits : NULL, w ? w->fds_bits : NULL,
                                   e ? e->fds_bits : NULL } };
}

/* As the kernel: there are no fds beyond, and perhaps no bits either. */
static int clamp(int nfds)
{
    nfds_t most = nfds > FD_SETSIZE ? poll_most() : FD_SETSIZE;

    return nfds > 0 && (nfds_t)nfds > most ? (int)most : nfds;
}

int conn_select(int nfds, fd_set *r, fd_set *w, fd_set *e, struct timeval *tv)
{
    struct bits b = bits_of(r, w, e);
    struct timespec ts = { 0 };
    int64_t end, left;
    int rc, n = clamp(nfds);

    if ((tv && (tv->tv_sec < 0 || tv->tv_usec < 0)) || !has_ours(&b, n)) {
        return sys.select(nfds, r, w, e, tv);
    }
    if (tv) { /* microseconds of more than a second: as the C library has them */
        ts = (struct timespec){ .tv_sec = tv->tv_sec + tv->tv_usec / 1000000,
                                .tv_nsec = tv->tv_usec % 1000000 * 1000 };
    }
    end = clock_end(tv ? &ts : NULL);
    rc = select_fds(&b, n, end, NULL);
    if (tv && end != FOR_EVER) { /* as Linux does: what is left of the time */
        left = end == 0 ? 0 : end - clock_ns();
        left = left < 0 ? 0 : left;
        *tv = (struct timeval){ .tv_sec = left / 1000000000, .tv_usec = left / 1000 % 1000000 };
    }
    return rc;
}

int conn_pselect(int nfds, fd_set *r, fd_set *w, fd_set *e, const struct timespec *ts,
                 const sigset_t *mask)
{
    struct bits b = bits_of(r, w, e);
    int n = clamp(nfds);

    if (!timespec_valid(ts) || !has_ours(&b, n)) {
        return sys.pselect(nfds, r, w, e, ts, mask);
    }
    return select_fds(&b, n, clock_end(ts), mask);
}
