/* SPDX-License-Identifier: ISC */
/* The program's end of a relay: how the pair is made, and what the end says of the real socket. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>

#include "preload/relay.h"

#define FDS_MAX 65536 /* descriptors for which addresses are remembered */
#define TRIES   64

/* The ends are at 127.84.76.83, and not at an address that programs trust as their own machine's */
#define LOOPBACK 0x7f544c53

/* ---- what the real socket would say ---- */

struct relayed {
    _Atomic uint64_t cookie; /* of the end that this is about; 0: none */
    struct relay_names names;
};

static _Atomic(struct relayed *) table; /* by descriptor; NULL: there was never a relay */

static uint64_t cookie_at(int fd)
{
    uint64_t cookie = 0;
    socklen_t n = sizeof cookie;

    return REAL(getsockopt)(fd, SOL_SOCKET, SO_COOKIE, &cookie, &n) == 0 ? cookie : 0;
}

static struct relayed *slot_at(int fd)
{
    struct relayed *t = atomic_load_explicit(&table, memory_order_acquire);

    return t && fd >= 0 && fd < FDS_MAX ? &t[fd] : NULL;
}

/* fd may have been closed and be anything since: then its cookie is another one. */
static const struct relayed *relayed_at(int fd)
{
    const struct relayed *s = slot_at(fd);
    uint64_t cookie = s ? atomic_load(&s->cookie) : 0;
    int saved = errno;
    bool same = cookie != 0 && cookie == cookie_at(fd);

    errno = saved;
    return same ? s : NULL;
}

void relay_remember(int fd, const struct relay_names *names)
{
    struct relayed *s = slot_at(fd);

    if (s) {
        atomic_store(&s->cookie, 0);
        s->names = *names;
        atomic_store(&s->cookie, cookie_at(fd));
    }
}

void relay_aliased(int fd, int newfd)
{
    const struct relayed *s = newfd >= 0 && newfd != fd ? relayed_at(fd) : NULL;

    if (s) {
        relay_remember(newfd, &s->names);
    }
}

int relay_reserve(void)
{
    struct relayed *none = NULL;
    void *p;

    if (atomic_load(&table)) {
        return 0;
    }
    p = mmap(NULL, FDS_MAX * sizeof(struct relayed), PROT_READ | PROT_WRITE,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED) {
        return -1;
    }
    if (!atomic_compare_exchange_strong(&table, &none, p)) {
        munmap(p, FDS_MAX * sizeof(struct relayed));
    }
    return 0;
}

static int tell(const union relay_address *a, struct sockaddr *addr, socklen_t *len)
{
    socklen_t size = a->sa.sa_family == AF_INET ? sizeof a->in : sizeof a->in6;

    if (a->sa.sa_family == AF_UNSPEC) {
        errno = ENOTCONN;
        return -1;
    }
    if (!addr || !len) {
        errno = EFAULT;
        return -1;
    }
    if (*len > INT32_MAX) {
        errno = EINVAL;
        return -1;
    }
    memcpy(addr, a, *len < size ? *len : size);
    *len = size;
    return 0;
}

int getpeername(int fd, struct sockaddr *addr, socklen_t *len)
{
    const struct relayed *s = relayed_at(fd);

    return s ? tell(&s->names.peer, addr, len) : REAL(getpeername)(fd, addr, len);
}

int getsockname(int fd, struct sockaddr *addr, socklen_t *len)
{
    const struct relayed *s = relayed_at(fd);

    return s ? tell(&s->names.local, addr, len) : REAL(getsockname)(fd, addr, len);
}

/* ---- the pair ---- */

int relay_high(int fd)
{
    int saved, up = fd < 0 ? -1 : REAL(fcntl)(fd, F_DUPFD_CLOEXEC, RELAY_FD_MIN);

    if (fd >= 0 && up < 0) {
        up = REAL(fcntl)(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    }
    saved = errno;
    if (fd >= 0) {
        REAL(close)(fd);
    }
    errno = saved;
    return up;
}

void relay_close(int fd)
{
    int saved = errno;

    if (fd >= 0) {
        REAL(close)(fd);
    }
    errno = saved;
}

/* A socket of the family that the real one has: programs ask for it, and choose formats by it. */
static int end_new(int family, union relay_address *a, socklen_t *len)
{
    int fd = relay_high(socket(family, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_TCP)), off = 0;

    memset(a, 0, sizeof *a);
    a->sa.sa_family = (sa_family_t)family;
    if (family == AF_INET) {
        a->in.sin_addr.s_addr = htonl(LOOPBACK);
        *len = sizeof a->in;
        return fd;
    }
    a->in6.sin6_addr.s6_addr[10] = a->in6.sin6_addr.s6_addr[11] = 0xff;
    memcpy(&a->in6.sin6_addr.s6_addr[12], &(uint32_t){ htonl(LOOPBACK) }, 4);
    *len = sizeof a->in6;
    if (fd >= 0) {
        REAL(setsockopt)(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
    }
    return fd;
}

static bool same_address(const union relay_address *a, const union relay_address *b)
{
    if (a->sa.sa_family != b->sa.sa_family) {
        return false;
    }
    return a->sa.sa_family == AF_INET
               ? a->in.sin_port == b->in.sin_port && a->in.sin_addr.s_addr == b->in.sin_addr.s_addr
               : a->in6.sin6_port == b->in6.sin6_port &&
                     memcmp(&a->in6.sin6_addr, &b->in6.sin6_addr, sizeof a->in6.sin6_addr) == 0;
}

/* Whoever else on this machine connects in the short time that we listen is hung up on. */
static int accept_from(int listener, const union relay_address *who)
{
    for (int i = 0; i < TRIES; i++) {
        union relay_address from = { .in6 = { 0 } };
        socklen_t n = sizeof from;
        int fd = relay_high(REAL(accept4)(listener, &from.sa, &n, SOCK_CLOEXEC));

        if (fd < 0 || same_address(&from, who)) {
            return fd;
        }
        relay_close(fd);
    }
    errno = EAGAIN;
    return -1;
}

int relay_pair(int family, int ends[static 2])
{
    union relay_address a, mine;
    socklen_t n, m = sizeof mine;
    int listener = end_new(family, &a, &n), rc = -1;

    ends[0] = end_new(family, &mine, &m);
    ends[1] = -1;
    if (listener >= 0 && ends[0] >= 0 && bind(listener, &a.sa, n) == 0 &&
        listen(listener, TRIES) == 0 && REAL(getsockname)(listener, &a.sa, &n) == 0 &&
        bind(ends[0], &mine.sa, m) == 0 && REAL(connect)(ends[0], &a.sa, n) == 0 &&
        REAL(getsockname)(ends[0], &mine.sa, &m) == 0) {
        ends[1] = accept_from(listener, &mine);
        rc = ends[1] < 0 ? -1 : 0;
    }
    relay_close(listener);
    if (rc != 0) {
        relay_close(ends[0]);
    }
    return rc;
}

static void copy_option(int from, int to, int level, int name)
{
    char value[64];
    socklen_t n = sizeof value;

    if (REAL(getsockopt)(from, level, name, value, &n) == 0) {
        REAL(setsockopt)(to, level, name, value, n);
    }
}

void relay_dress(int fd, int end)
{
    static const int names[] = { SO_KEEPALIVE, SO_LINGER,   SO_OOBINLINE, SO_RCVTIMEO,
                                 SO_SNDTIMEO,  SO_RCVLOWAT, SO_PRIORITY };
    int flags = REAL(fcntl)(fd, F_GETFL), owner = REAL(fcntl)(fd, F_GETOWN), at_once = -1;

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        copy_option(fd, end, SOL_SOCKET, names[i]);
    }
    copy_option(fd, end, IPPROTO_TCP, TCP_NODELAY);
    /* close() of the last descriptor is a reset behind the FIN: the relay sees that nobody is left
     * who could read, which a FIN alone does not tell. */
    REAL(setsockopt)(end, IPPROTO_TCP, TCP_LINGER2, &at_once, sizeof at_once);
    if (owner != 0 && owner != -1) {
        REAL(fcntl)(end, F_SETOWN, owner);
    }
    REAL(fcntl)(end, F_SETFL, flags & (O_NONBLOCK | O_ASYNC));
}
