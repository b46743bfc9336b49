/* SPDX-License-Identifier: ISC */
/* A listening socket by name. */
#include <errno.h>
#include <netinet/in.h>

#include "shim/ssl_options.h"

static int listen_on(const struct addrinfo *a, int backlog)
{
    int fd = ssl_socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC, a->ai_protocol), on = 1,
        off = 0, err;

    if (fd < 0) {
        return -1;
    }
    if (sys.setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) ||
        (a->ai_family == AF_INET6 &&
         sys.setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off)) ||
        ssl_bind(fd, a->ai_addr, a->ai_addrlen) || ssl_listen(fd, backlog)) {
        err = errno;
        ssl_close(fd);
        return ssl_failed(err, "cannot listen there: %s", strerrordesc_np(err));
    }
    return fd;
}

/* Is the next address worth a try? */
static bool no_family(int err)
{
    return err == 0 || err == EAFNOSUPPORT || err == EPROTONOSUPPORT || err == EADDRNOTAVAIL;
}

int ssl_serve(const char *host, const char *service, int backlog)
{
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE }, *list = NULL;
    int rc = getaddrinfo(host, service, &hints, &list), fd = -1;

    if (rc) {
        return ssl_failed(rc == EAI_SYSTEM   ? errno
                          : rc == EAI_MEMORY ? ENOMEM
                                             : EADDRNOTAVAIL,
                          "%s: %s", host ? host : "(all addresses)", gai_strerror(rc));
    }
    for (const struct addrinfo *a = list; a && !host && fd < 0; a = a->ai_next) {
        fd = a->ai_family == AF_INET6 ? listen_on(a, backlog) : -1; /* IPv4 as well */
        rc = fd < 0 && a->ai_family == AF_INET6 ? errno : rc;
    }
    /* All addresses of a machine without IPv6; or of several of a name the first that is ours. */
    for (const struct addrinfo *a = list; a && fd < 0 && no_family(rc); a = a->ai_next) {
        fd = listen_on(a, backlog);
        rc = fd < 0 ? errno : rc;
    }
    freeaddrinfo(list);
    errno = rc;
    return fd;
}
