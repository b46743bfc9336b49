/* SPDX-License-Identifier: ISC */
/* Making connections, and ending them. */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <unistd.h>

#include "shim/ssa.h"
#include "shim/ssl_options.h"

/* Why a call on c failed, also for those who ask without the fd. */
static int failed_conn(struct conn *c)
{
    int err = errno;

    return ssl_failed(err, "%s", conn_error(c)->code ? conn_error(c)->text : strerrordesc_np(err));
}

int ssl_socket(int domain, int type, int protocol)
{
    struct options o;
    int fd;

    if ((type & ~(SOCK_CLOEXEC | SOCK_NONBLOCK)) != SOCK_STREAM) {
        return ssl_failed(EPROTOTYPE, "TLS needs a stream socket");
    }
    if (protocol == IPPROTO_TLS && domain == AF_HOSTNAME) {
        return ssa_socket(type);
    }
    protocol = protocol == IPPROTO_TLS ? 0 : protocol;
    if (shim_init()) {
        return ssl_failed(errno, "cryptography is not available");
    }
    if (!options_get(SSL_DEFAULTS, &o)) {
        return ssl_failed(ENOMEM, "no memory for options");
    }
    fd = socket(domain, type, protocol);
    if (fd < 0) {
        ssl_failed(errno, "socket: %s", strerrordesc_np(errno));
    } else {
        conn_closing(fd); /* was closed behind our back, if it is known at all */
        if (options_set(fd, &o)) {
            int err = errno;

            sys.close(fd);
            fd = ssl_failed(err, "no options for the socket: %s", strerrordesc_np(err));
        }
    }
    options_put(&o);
    return fd;
}

int ssl_posix_socket(int domain, int type, int protocol)
{
    bool stream = (type & ~(SOCK_CLOEXEC | SOCK_NONBLOCK)) == SOCK_STREAM;

    if (protocol == IPPROTO_TLS || (stream && (domain == AF_INET || domain == AF_INET6))) {
        return ssl_socket(domain, type, protocol);
    }
    return socket(domain, type, protocol);
}

int ssl_bind(int fd, const struct sockaddr *addr, socklen_t len)
{
    return bind(fd, addr, len);
}

int ssl_listen(int fd, int backlog)
{
    return listen(fd, backlog);
}

/* ---- becoming a TLS connection ---- */

static struct config *config_for(struct options *o, enum tls_role role)
{
    struct error err = { 0 };
    struct config *config;

    if (shim_init()) {
        ssl_failed(errno, "cryptography is not available");
        return NULL;
    }
    if (role == TLS_CLIENT && o->name[0] == '\0' && !ssl_settings_has_psks(o->set) &&
        o->set->number[NUM_VERIFY] == SSL_VERIFY_FULL) {
        ssl_failed(EACCES, "no name to verify the server by: set SSL_OPT_NAME, or choose another "
                           "SSL_OPT_VERIFY");
        return NULL;
    }
    config = ssl_settings_config(o->set, role, &err);
    if (!config) {
        ssl_failed(errno, "%s", err.text);
    }
    return config;
}

/* It may be the last one's that were made of older files. */
static void give_back(struct config *config)
{
    int saved = errno;

    config_unref(config);
    errno = saved;
}

/* peer: where a client connects to; NULL: it is there already. */
static int attach(int fd, const struct options *o, struct config *config, const struct entry *seen,
                  const struct sockaddr *peer)
{
    struct conn_params p = { .config = config,
                             .peer = peer,
                             .session_ttl = o->set->number[NUM_TTL],
                             .early_max = (uint32_t)o->set->number[NUM_EARLY],
                             .host = o->name[0] ? o->name : NULL,
                             .sni = o->sni[0] ? o->sni : NULL,
                             .handshake_timeout_ms = o->timeout_ms,
                             .lenient_eof = o->eof == SSL_EOF_LENIENT,
                             .seen = seen };
    struct error err = { 0 };

    if (config_role(config) == TLS_SERVER) {
        p.host = p.sni = NULL; /* clients have no name */
    }
    return conn_attach(fd, &p, &err) ? ssl_failed(errno, "%s", err.text) : 0;
}

/* The fd's options, to be given back: the defaults for one that was plain. Whatever fails from here
 * on, nothing passes in clear. */
static int to_be_tls(int fd, struct options *o)
{
    int rc = 0;

    while (rc == 0 && !options_get(fd, o)) {
        if (!options_get(SSL_DEFAULTS, o)) {
            return ssl_failed(ENOMEM, "no memory for options");
        }
        rc = options_set(fd, o);
        rc = rc && errno != EAGAIN ? ssl_failed(errno, "%s", strerrordesc_np(errno)) : 0;
        options_put(o);
    }
    return rc;
}

int ssl_attach(int fd, int role)
{
    struct config *config;
    struct options o;
    int rc = -1;

    if (role != SSL_CLIENT && role != SSL_SERVER) {
        return ssl_failed(EINVAL, "ssl_attach: the role is SSL_CLIENT or SSL_SERVER");
    }
    if (options_check(fd) || to_be_tls(fd, &o)) {
        return -1;
    }
    config = config_for(&o, role == SSL_CLIENT ? TLS_CLIENT : TLS_SERVER);
    if (config) {
        rc = attach(fd, &o, config, o.seen, NULL);
    }
    give_back(config);
    options_put(&o);
    return rc;
}

/* The handshake of connect(): what would wait is in progress. */
static int finish(struct conn *c, int fd, int wait_errno)
{
    if (conn_early(c, fd) || conn_handshake(c, fd, 0) == 0) {
        return 0;
    }
    if (errno == EAGAIN) {
        return ssl_failed(wait_errno, "the handshake is not complete yet");
    }
    return failed_conn(c);
}

/* ssl_connect() on a connection that it has begun before. */
static int again(struct conn *c, int fd)
{
    if (conn_role(c) == TLS_CLIENT && finish(c, fd, EALREADY)) {
        return -1;
    }
    if (conn_role(c) == TLS_SERVER || !conn_tell(c)) {
        return ssl_failed(EISCONN, "this socket is a TLS connection already");
    }
    return 0;
}

static int begin(int fd, struct options *o, const struct sockaddr *addr, socklen_t len)
{
    struct config *config = config_for(o, TLS_CLIENT);
    struct conn *c = NULL;
    int rc = -1, err = 0;

    if (!config) {
        return -1;
    }
    if (sys.connect(fd, addr, len)) {
        err = errno;
        ssl_failed(err, "connect: %s", strerrordesc_np(err));
    }
    /* EINTR: the kernel goes on connecting by itself. */
    if (err == 0 || err == EINPROGRESS || err == EINTR) {
        rc = attach(fd, o, config, o->seen, addr);
        c = rc ? NULL : conn_get(fd);
        if (rc && errno != EBADF) { /* that is another thread's doing: fd may be anything */
            err = errno;
            sys.shutdown(fd, SHUT_RDWR);
            errno = err;
        }
        rc = rc || c ? rc : ssl_failed(EBADF, "the socket was closed meanwhile");
    }
    if (c) {
        rc = err == EINTR ? ssl_failed(EINTR, "connect was interrupted")
                          : finish(c, fd, EINPROGRESS);
        if (rc == 0) {
            conn_tell(c);
        }
        conn_put(c);
    }
    give_back(config);
    return rc;
}

int ssl_connect(int fd, const struct sockaddr *addr, socklen_t len)
{
    struct conn *c = conn_get(fd);
    struct options o;
    int rc;

    if (c) {
        rc = again(c, fd);
        conn_put(c);
        return rc;
    }
    if (!options_get(fd, &o)) {
        return sys.connect(fd, addr, len);
    }
    rc = ssa_is_host(addr, len) ? ssa_connect(fd, addr, len) : begin(fd, &o, addr, len);
    options_put(&o);
    return rc;
}

int ssl_accept(int fd, struct sockaddr *addr, socklen_t *len)
{
    return ssl_accept4(fd, addr, len, 0);
}

int ssl_accept4(int fd, struct sockaddr *addr, socklen_t *len, int flags)
{
    struct config *config;
    struct options o;
    int made = -1;

    if (!options_get(fd, &o)) {
        return sys.accept4(fd, addr, len, flags);
    }
    config = config_for(&o, TLS_SERVER);
    if (config) {
        give_back(config);
        made = sys.accept4(fd, addr, len, flags);
        /* Files may have changed while we waited. */
        config = made >= 0 ? config_for(&o, TLS_SERVER) : NULL;
        if (made < 0) {
            ssl_failed(errno, "accept: %s", strerrordesc_np(errno));
        } else if (!config || options_set(made, &o) || attach(made, &o, config, NULL, NULL)) {
            int err = errno;

            conn_closing(made);
            sys.close(made);
            errno = err;
            made = -1;
        }
    }
    give_back(config);
    options_put(&o);
    return made;
}

int ssl_handshake(int fd)
{
    struct conn *c = conn_get(fd);
    int rc;

    if (!c) {
        return ssl_failed(ENOTCONN, "ssl_handshake: not a TLS connection");
    }
    conn_early_over(c);
    rc = conn_handshake(c, fd, 0);
    if (rc) {
        failed_conn(c);
    }
    conn_put(c);
    return rc;
}

/* ---- by name ---- */

static int dial_address(const struct addrinfo *a, const char *host)
{
    int fd = ssl_socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC, a->ai_protocol), err;

    if (fd >= 0 && (ssl_setsockopt(fd, SOL_SSL, SSL_OPT_NAME, host, (socklen_t)strlen(host)) ||
                    ssl_connect(fd, a->ai_addr, a->ai_addrlen))) {
        err = errno;
        ssl_close(fd);
        errno = err;
        return -1;
    }
    return fd;
}

bool ssl_worth_another(int err)
{
    return err == ECONNREFUSED || err == EHOSTUNREACH || err == ENETUNREACH || err == ETIMEDOUT ||
           err == EADDRNOTAVAIL || err == EAFNOSUPPORT || err == ECONNRESET;
}

int ssl_dial(const char *host, const char *service)
{
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *list = NULL;
    int rc = getaddrinfo(host, service, &hints, &list), fd = -1;

    if (rc) {
        return ssl_failed(rc == EAI_SYSTEM   ? errno
                          : rc == EAI_MEMORY ? ENOMEM
                                             : EADDRNOTAVAIL,
                          "%s: %s", host ? host : "(no host)", gai_strerror(rc));
    }
    for (const struct addrinfo *a = list; a; a = a->ai_next) {
        fd = dial_address(a, host);
        if (fd >= 0 || !ssl_worth_another(errno)) {
            break;
        }
    }
    rc = errno;
    freeaddrinfo(list);
    errno = rc;
    return fd;
}

/* ---- the end ---- */

int ssl_shutdown(int fd, int how)
{
    struct conn *c = conn_get(fd);
    int rc;

    if (!c) {
        return sys.shutdown(fd, how);
    }
    rc = conn_shutdown(c, fd, how);
    if (rc) {
        failed_conn(c);
    }
    conn_put(c);
    return rc;
}

int ssl_detach(int fd)
{
    struct conn *c = conn_get(fd);
    int rc;

    if (!c) {
        return ssl_failed(ENOTCONN, "ssl_detach: not a TLS connection");
    }
    rc = conn_detach(c, fd);
    if (rc && errno == EBUSY) {
        ssl_failed(EBUSY, "ssl_detach: data of the peer's is unread or came in clear already, or "
                          "the connection has another descriptor");
    } else if (rc) {
        failed_conn(c);
    }
    conn_put(c);
    return rc;
}

int ssl_close(int fd)
{
    conn_closing(fd);
    return sys.close(fd);
}
