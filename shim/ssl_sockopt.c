/* SPDX-License-Identifier: ISC */
/* ssl_setsockopt() and ssl_getsockopt(). What options there are: ssl_table.c. */
#include <errno.h>

#include "shim/conn.h"
#include "shim/ssa.h"
#include "shim/ssl_options.h"

static bool is_tls(int fd)
{
    struct conn *c = conn_get(fd);
    bool is = c && conn_on_socket(c, fd);

    conn_put(c);
    return is;
}

int ssl_may_set(int fd, const char *what)
{
    if (options_check(fd)) {
        return -1;
    }
    return is_tls(fd) ? ssl_failed(EISCONN, "%s: too late, the TLS connection is there", what) : 0;
}

int ssl_setsockopt(int fd, int level, int name, const void *value, socklen_t len)
{
    const struct ssl_option *opt;
    struct options o;
    struct error err;
    int rc;

    if (level == IPPROTO_TLS) {
        return ssa_setsockopt(fd, name, value, len);
    }
    if (level != SOL_SSL) {
        return sys.setsockopt(fd, level, name, value, len);
    }
    opt = ssl_option_find(name);
    if (!opt) {
        return -1;
    }
    if (opt->kind == OPT_FACT) {
        return ssl_failed(EINVAL, "%s can only be read", opt->name);
    }
    error_clear(&err);
    if (opt->kind == OPT_TRACE && fd == SSL_DEFAULTS) {
        return ssl_trace_apply(value, len, &err) < 0
                   ? ssl_failed(EINVAL, "%s: %s", opt->name, err.text)
                   : 0;
    }
    if (ssl_may_set(fd, opt->name)) {
        return -1;
    }
    do { /* again when another thread has set one meanwhile */
        if (!options_get(fd, &o) && !options_get(SSL_DEFAULTS, &o)) {
            return ssl_failed(ENOMEM, "no memory for options");
        }
        error_clear(&err);
        if (ssl_option_apply(opt, &o, value, len, &err) < 0) {
            rc = ssl_failed(err.code == ERR_MEM ? ENOMEM : EINVAL, "%s: %s", opt->name, err.text);
        } else if ((rc = options_set(fd, &o)) != 0) {
            ssl_failed(errno, "%s: %s", opt->name, strerrordesc_np(errno));
        }
        options_put(&o);
    } while (rc && errno == EAGAIN);
    return rc;
}

/* ---- reading ---- */

static int give(const struct ssl_option *opt, const void *p, size_t n, void *value, socklen_t *len)
{
    bool fits = n <= *len;

    *len = (socklen_t)n;
    if (!value) {
        return 0;
    }
    if (!fits) {
        return ssl_failed(ERANGE, "%s needs %zu bytes", opt->name, n);
    }
    if (n > 0) {
        memcpy(value, p, n);
    }
    return 0;
}

static int give_string(const struct ssl_option *opt, const char *s, void *value, socklen_t *len)
{
    s = s ? s : "";
    return give(opt, s, strlen(s) + 1, value, len);
}

static int get_fact(const struct ssl_option *opt, int name, int fd, void *value, socklen_t *len)
{
    struct conn *c = conn_get(fd);
    struct tls_info i = { 0 };
    int rc;

    if (c) {
        conn_info(c, &i);
    }
    if (!c || i.version == 0) {
        rc = ssl_failed(ENOTCONN, "%s: no TLS connection yet", opt->name);
    } else if (name == SSL_OPT_PEER_CERT) {
        rc = give(opt, i.peer_cert.p, i.peer_cert.n, value, len);
    } else if (name == SSL_OPT_PEER_CHAIN) {
        rc = give(opt, i.peer_chain.p, i.peer_chain.n, value, len);
    } else {
        rc = give_string(opt,
                         name == SSL_OPT_VERSION ? i.version_name
                         : name == SSL_OPT_SUITE ? i.suite
                                                 : i.group,
                         value, len);
    }
    conn_put(c);
    return rc;
}

static int get_option(const struct ssl_option *opt, const struct options *o, void *value,
                      socklen_t *len)
{
    int number;

    if (opt->secret) {
        return ssl_failed(EINVAL, "%s cannot be read", opt->name);
    }
    switch (opt->kind) {
    case OPT_NAME:
        return give_string(opt, opt == &ssl_options[SSL_OPT_NAME] ? o->name : o->sni, value, len);
    case OPT_NUMBER:
    case OPT_MS:
        number = opt->where == NUM_TIMEOUT ? o->timeout_ms
                 : opt->where == NUM_EOF   ? o->eof
                                           : o->set->number[opt->where];
        return give(opt, &number, sizeof number, value, len);
    default:
        return give_string(opt, ssl_settings_get(o->set, (enum setting)opt->where), value, len);
    }
}

/* The kernel does not know why a handshake failed. */
static int get_so_error(int fd, void *value, socklen_t *len)
{
    struct conn *c = conn_get(fd);
    int err = c ? conn_errno(c) : 0;

    conn_put(c);
    if (err && *len >= sizeof err) {
        memcpy(value, &err, sizeof err);
        *len = sizeof err;
        return 0;
    }
    return sys.getsockopt(fd, SOL_SOCKET, SO_ERROR, value, len);
}

int ssl_getsockopt(int fd, int level, int name, void *value, socklen_t *len)
{
    const struct ssl_option *opt;
    struct options o;
    int rc;

    if (level == SOL_SOCKET && name == SO_ERROR) {
        return get_so_error(fd, value, len);
    }
    if (level == IPPROTO_TLS) {
        return ssa_getsockopt(fd, name, value, len);
    }
    if (level != SOL_SSL) {
        return sys.getsockopt(fd, level, name, value, len);
    }
    opt = ssl_option_find(name);
    if (!opt) {
        return -1;
    }
    if (opt->kind == OPT_FACT) {
        return get_fact(opt, name, fd, value, len);
    }
    if (options_check(fd)) {
        return -1;
    }
    if (!options_get(fd, &o)) {
        return ssl_failed(ENOPROTOOPT, "%s: a plain socket", opt->name);
    }
    rc = get_option(opt, &o, value, len);
    options_put(&o);
    return rc;
}
