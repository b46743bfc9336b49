/* SPDX-License-Identifier: ISC */
/* The Secure Socket API (O'Neill et al., USENIX Security 2018) in terms of our own options. */
#include "shim/ssa.h"

#include <errno.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "shim/conn.h"
#include "shim/ssl_options.h"
#include "x509/der.h"
#include "x509/x509.h"

#define PATH_SIZE      4096
#define TTL_MAX        604800
#define TTL_DEFAULT    86400
#define NO_CERTIFICATE "the peer has shown no certificate"

/* ---- by name ---- */

int ssa_socket(int type)
{
    int off = 0, fd = ssl_socket(AF_INET6, type, 0);

    if (fd < 0 && errno == EAFNOSUPPORT) {
        return ssl_socket(AF_INET, type, 0);
    }
    if (fd >= 0 && sys.setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off)) {
        off = errno;
        ssl_close(fd);
        return ssl_failed(off, "a socket for both families: %s", strerrordesc_np(off));
    }
    return fd;
}

bool ssa_is_host(const struct sockaddr *addr, socklen_t len)
{
    return addr && len >= sizeof addr->sa_family && addr->sa_family == AF_HOSTNAME;
}

static bool has_conn(int fd)
{
    struct conn *c = conn_get(fd);

    conn_put(c);
    return c != NULL;
}

/* One address after another, until TCP is connected or may be soon. */
static int connect_one_of(int fd, const struct addrinfo *list)
{
    for (const struct addrinfo *a = list; a; a = a->ai_next) {
        if (ssl_connect(fd, a->ai_addr, a->ai_addrlen) == 0) {
            return 0;
        }
        if (has_conn(fd) || !ssl_worth_another(errno)) {
            break;
        }
    }
    return -1;
}

int ssa_connect(int fd, const struct sockaddr *addr, socklen_t len)
{
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV };
    struct sockaddr_host to = { 0 };
    struct addrinfo *list = NULL;
    socklen_t n = sizeof hints.ai_family;
    char port[8];
    int rc;

    memcpy(&to, addr, len < sizeof to ? len : sizeof to);
    if (to.sin_addr.name[0] == '\0' || !memchr(&to.sin_addr, '\0', sizeof to.sin_addr)) {
        return ssl_failed(EINVAL, "connect: the name in the address has 1 to 254 bytes and a NUL");
    }
    if (ssl_setsockopt(fd, SOL_SSL, SSL_OPT_NAME, to.sin_addr.name,
                       (socklen_t)strlen((char *)to.sin_addr.name)) ||
        sys.getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &hints.ai_family, &n)) {
        return -1;
    }
    hints.ai_flags |= hints.ai_family == AF_INET6 ? AI_V4MAPPED | AI_ALL : 0;
    snprintf(port, sizeof port, "%u", ntohs(to.sin_port));
    rc = getaddrinfo((char *)to.sin_addr.name, port, &hints, &list);
    if (rc) {
        return ssl_failed(rc == EAI_SYSTEM   ? errno
                          : rc == EAI_MEMORY ? ENOMEM
                                             : EADDRNOTAVAIL,
                          "%s: %s", (char *)to.sin_addr.name, gai_strerror(rc));
    }
    rc = connect_one_of(fd, list);
    n = (socklen_t)errno;
    freeaddrinfo(list);
    errno = (int)n;
    return rc;
}

/* ---- setting ---- */

static int only(int name, const char *way)
{
    return ssl_failed(ENOPROTOOPT, "option %d of IPPROTO_TLS can only be %s", name, way);
}

/* A file's name as it is from everywhere: programs of this API change their working directory
 * without a thought. Links stay, as files are changed by them. */
static int file_name(const void *value, socklen_t len, char path[static PATH_SIZE])
{
    const char *text = value;
    size_t n = text ? strnlen(text, len) : 0, used = 0;
    struct stat st;

    if (n == 0 || n >= PATH_SIZE) {
        return ssl_failed(EINVAL, "the name of a file has 1 to %d bytes", PATH_SIZE - 1);
    }
    if (text[0] == '-') {
        return ssl_failed(EINVAL, "the name of a file is wanted, not what is in it");
    }
    if (text[0] != '/') {
        if (!getcwd(path, PATH_SIZE)) {
            return ssl_failed(errno, "the working directory: %s", strerrordesc_np(errno));
        }
        used = strlen(path);
        path[used++] = '/';
    }
    if (used + n >= PATH_SIZE) {
        return ssl_failed(ENAMETOOLONG, "%.100s: too long a name", text);
    }
    memcpy(path + used, text, n);
    path[used + n] = '\0';
    return stat(path, &st) ? ssl_failed(EINVAL, "%.100s: %s", path, strerrordesc_np(errno)) : 0;
}

static int set_file(int fd, int option, const void *value, socklen_t len)
{
    char path[PATH_SIZE];

    return file_name(value, len, path)
               ? -1
               : ssl_setsockopt(fd, SOL_SSL, option, path, (socklen_t)strlen(path));
}

static int set_number(int fd, int option, int number)
{
    return ssl_setsockopt(fd, SOL_SSL, option, &number, sizeof number);
}

/* The first certificate, or one more. */
static int add_chain(int fd, const void *value, socklen_t len)
{
    socklen_t n = 0;

    if (ssl_getsockopt(fd, SOL_SSL, SSL_OPT_CERT_FILE, NULL, &n)) {
        n = 1; /* a plain fd: not yet */
    }
    return set_file(fd, n > 1 ? SSL_OPT_ADD_CERT_FILE : SSL_OPT_CERT_FILE, value, len);
}

/* That it fits the certificate is said here, as the first connection may come much later. */
static int set_key(int fd, const void *value, socklen_t len)
{
    struct config *config;
    struct error err = { 0 };
    struct options o;
    int failed = 0;

    if (set_file(fd, SSL_OPT_KEY_FILE, value, len)) {
        return -1;
    }
    if (!options_get(fd, &o)) {
        return ssl_failed(EBADF, "TLS_PRIVATE_KEY: the socket was closed meanwhile");
    }
    config = ssl_settings_config(o.set, TLS_SERVER, &err);
    failed = config ? 0 : errno;
    config_unref(config);
    options_put(&o);
    if (failed == 0) {
        return 0;
    }
    ssl_setsockopt(fd, SOL_SSL, SSL_OPT_KEY_FILE, "", 0);
    return ssl_failed(failed, "TLS_PRIVATE_KEY: %s", err.text);
}

/* Certificates that are trusted may be of anyone, the peer's own included. */
static int set_trusted(int fd, const void *value, socklen_t len)
{
    return set_file(fd, SSL_OPT_CA_FILE, value, len) ? -1
                                                     : set_number(fd, SSL_OPT_PARTIAL_CHAIN, 1);
}

/* An int or a long, as that API's programs have it. */
static int set_ttl(int fd, const void *value, socklen_t len)
{
    int small = 0;
    long ttl = -1;

    if (value && len == sizeof small) {
        memcpy(&small, value, sizeof small);
        ttl = small;
    } else if (value && len == sizeof ttl) {
        memcpy(&ttl, value, sizeof ttl);
    }
    if (ttl < 0) {
        return ssl_failed(EINVAL, "TLS_SESSION_TTL takes seconds, an int or a long");
    }
    small = ttl < TTL_MAX ? (int)ttl : TTL_MAX;
    return set_number(fd, SSL_OPT_SESSION_REUSE, small > 0) ||
                   (small > 0 && set_number(fd, SSL_OPT_SESSION_TTL, small))
               ? -1
               : 0;
}

/* Certificates are chosen by the names in them; there is nothing to set. */
static int set_own_name(const void *value, socklen_t len)
{
    char name[NAME_SIZE] = "";
    size_t n = value ? strnlen(value, len) : 0;

    if (n < sizeof name && n > 0) {
        memcpy(name, value, n);
    }
    return host_is_valid(name) ? 0 : ssl_failed(EINVAL, "TLS_HOSTNAME: not a host name");
}

/* Of what was accepted: here its handshake is still to come. */
static int request_auth_now(struct conn *c, int fd)
{
    struct ssl_settings *with = NULL;
    struct config *config = NULL;
    struct error err = { 0 };
    struct options o;
    int rc = -1;

    if (!options_get(fd, &o)) {
        return ssl_failed(EISCONN, "TLS_REQUEST_PEER_AUTH: the connection is there");
    }
    with = ssl_settings_copy(o.set);
    if (with) {
        ssl_settings_number(with, NUM_CLIENT_AUTH, SSL_CLIENT_AUTH_REQUIRE);
        config = ssl_settings_config(with, TLS_SERVER, &err);
    }
    if (!with) {
        ssl_failed(ENOMEM, "no memory for options");
    } else if (!config || conn_renew(c, fd, config, &err)) {
        ssl_failed(errno, "TLS_REQUEST_PEER_AUTH: %s", err.text);
    } else {
        rc = 0;
    }
    config_unref(config);
    ssl_settings_put(with);
    options_put(&o);
    return rc;
}

static int request_auth(int fd)
{
    struct conn *c = conn_get(fd);
    int rc;

    if (!c || !conn_on_socket(c, fd)) {
        rc = set_number(fd, SSL_OPT_CLIENT_AUTH, SSL_CLIENT_AUTH_REQUIRE);
    } else if (conn_role(c) == TLS_SERVER) {
        rc = request_auth_now(c, fd);
    } else {
        rc = ssl_failed(EISCONN, "TLS_REQUEST_PEER_AUTH: this is a client");
    }
    conn_put(c);
    return rc;
}

int ssa_setsockopt(int fd, int name, const void *value, socklen_t len)
{
    switch (name) {
    case TLS_REMOTE_HOSTNAME:
        return ssl_setsockopt(fd, SOL_SSL, SSL_OPT_NAME, value, len);
    case TLS_HOSTNAME:
        return set_own_name(value, len);
    case TLS_TRUSTED_PEER_CERTIFICATES:
        return set_trusted(fd, value, len);
    case TLS_CERTIFICATE_CHAIN:
        return add_chain(fd, value, len);
    case TLS_PRIVATE_KEY:
        return set_key(fd, value, len);
    case TLS_ALPN:
        return ssl_setsockopt(fd, SOL_SSL, SSL_OPT_ALPN, value, len);
    case TLS_SESSION_TTL:
        return set_ttl(fd, value, len);
    case TLS_DISABLE_CIPHER:
        return ssa_disable_suite(fd, value, len);
    case TLS_REQUEST_PEER_AUTH:
        return request_auth(fd);
    case TLS_PEER_IDENTITY:
    case TLS_PEER_CERTIFICATE_CHAIN:
    case TLS_ID:
        return only(name, "read");
    default:
        return ssl_failed(ENOPROTOOPT, "there is no option %d of IPPROTO_TLS", name);
    }
}

/* ---- reading ---- */

static int give(const void *p, size_t n, void *value, socklen_t *len)
{
    bool fits = n <= *len;

    *len = (socklen_t)n;
    if (value && fits) {
        memcpy(value, p, n);
    }
    return value && !fits ? ssl_failed(ERANGE, "the value has %zu bytes", n) : 0;
}

static int give_string(const char *s, void *value, socklen_t *len)
{
    return give(s, strlen(s) + 1, value, len);
}

/* Facts about the connection: here accept() has done the handshake, there it comes with the first
 * use. */
static int facts(int fd, struct ssl_info *i)
{
    return ssl_handshake(fd) ? -1 : ssl_info(fd, i);
}

static int get_host(int fd, void *value, socklen_t *len)
{
    struct ssl_info i;

    return facts(fd, &i) ? -1 : give_string(i.sni, value, len);
}

static int get_alpn(int fd, void *value, socklen_t *len)
{
    struct ssl_info i;

    if (!has_conn(fd)) {
        return ssl_getsockopt(fd, SOL_SSL, SSL_OPT_ALPN, value, len);
    }
    return facts(fd, &i) ? -1 : give_string(i.alpn, value, len);
}

static int get_identity(int fd, void *value, socklen_t *len)
{
    struct ssl_info i;

    if (facts(fd, &i)) {
        return -1;
    }
    return i.peer_certificates == 0 ? ssl_failed(ENODATA, NO_CERTIFICATE)
                                    : give_string(i.peer_subject, value, len);
}

/* The peer's certificates, DER, one behind the other. */
static int peer_chain(int fd, struct buf *der)
{
    socklen_t n = 0;

    if (ssl_handshake(fd) || ssl_getsockopt(fd, SOL_SSL, SSL_OPT_PEER_CHAIN, NULL, &n)) {
        return -1;
    }
    if (n == 0) {
        return ssl_failed(ENODATA, NO_CERTIFICATE);
    }
    if (buf_reserve(der, n) < 0) {
        return ssl_failed(ENOMEM, "no memory for certificates");
    }
    if (ssl_getsockopt(fd, SOL_SSL, SSL_OPT_PEER_CHAIN, buf_tail(der), &n)) {
        return -1;
    }
    buf_added(der, n);
    return 0;
}

static int to_pem(struct span chain, struct buf *pem)
{
    struct rd r = rd_span(chain), in;
    struct span one;

    while (der_whole(&r, DER_SEQUENCE, &one, &in)) {
        TRY(pem_write(pem, "CERTIFICATE", one));
    }
    return buf_append(pem, "", 1);
}

static int get_chain(int fd, void *value, socklen_t *len)
{
    struct buf der = { 0 }, pem = { 0 };
    int rc = peer_chain(fd, &der);

    if (rc == 0 && to_pem(buf_span(&der), &pem) < 0) {
        rc = ssl_failed(ENOMEM, "no memory for certificates");
    }
    if (rc == 0) {
        rc = give(buf_span(&pem).p, buf_len(&pem), value, len);
    }
    buf_free(&der);
    buf_free(&pem);
    return rc;
}

static int get_ttl(int fd, void *value, socklen_t *len)
{
    int reuse = 0, ttl = 0;
    socklen_t n = sizeof ttl, m = sizeof reuse;
    long wide;

    if (ssl_getsockopt(fd, SOL_SSL, SSL_OPT_SESSION_TTL, &ttl, &n) ||
        ssl_getsockopt(fd, SOL_SSL, SSL_OPT_SESSION_REUSE, &reuse, &m)) {
        return -1;
    }
    ttl = !reuse ? 0 : ttl ? ttl : TTL_DEFAULT;
    wide = ttl;
    return *len == sizeof ttl ? give(&ttl, sizeof ttl, value, len)
                              : give(&wide, sizeof wide, value, len);
}

static int get_id(int fd, void *value, socklen_t *len)
{
    uint64_t cookie = 0;
    socklen_t n = sizeof cookie;
    unsigned long id;

    if (sys.getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &n)) {
        return -1;
    }
    id = (unsigned long)cookie;
    return give(&id, sizeof id, value, len);
}

int ssa_getsockopt(int fd, int name, void *value, socklen_t *len)
{
    switch (name) {
    case TLS_REMOTE_HOSTNAME:
        return ssl_getsockopt(fd, SOL_SSL, SSL_OPT_NAME, value, len);
    case TLS_HOSTNAME:
        return get_host(fd, value, len);
    case TLS_CERTIFICATE_CHAIN:
        return ssl_getsockopt(fd, SOL_SSL, SSL_OPT_CERT_FILE, value, len);
    case TLS_ALPN:
        return get_alpn(fd, value, len);
    case TLS_SESSION_TTL:
        return get_ttl(fd, value, len);
    case TLS_PEER_IDENTITY:
        return get_identity(fd, value, len);
    case TLS_PEER_CERTIFICATE_CHAIN:
        return get_chain(fd, value, len);
    case TLS_ID:
        return get_id(fd, value, len);
    case TLS_TRUSTED_PEER_CERTIFICATES:
    case TLS_PRIVATE_KEY:
    case TLS_DISABLE_CIPHER:
    case TLS_REQUEST_PEER_AUTH:
        return only(name, "set");
    default:
        return ssl_failed(ENOPROTOOPT, "there is no option %d of IPPROTO_TLS", name);
    }
}
