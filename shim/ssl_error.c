/* SPDX-License-Identifier: ISC */
/* Sentences and facts. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "shim/ssl_options.h"

static __thread char last[256];          /* of this thread's last failed call */
static __thread char shown[RELOAD_TEXT]; /* what ssl_error() returns */

int ssl_failed(int err, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(last, sizeof last, fmt, ap);
    va_end(ap);
    errno = err;
    return -1;
}

static void describe(const struct error *e)
{
    int n = snprintf(shown, sizeof shown, "%s", e->text);
    size_t used = n < 0 ? 0 : (size_t)n < sizeof shown ? (size_t)n : sizeof shown - 1;

    if (e->alert_received != ALERT_NONE) {
        snprintf(shown + used, sizeof shown - used, " (alert from the peer: %s)",
                 alert_name(e->alert_received));
    } else if (e->alert_sent != ALERT_NONE) {
        snprintf(shown + used, sizeof shown - used, " (alert sent: %s)", alert_name(e->alert_sent));
    }
}

/* Of an fd without a connection: are its options built of other files than there are now? */
static bool reload_failed(int fd)
{
    struct options o;
    bool failed;

    if (fd < 0 || !options_get(fd, &o)) {
        return false;
    }
    failed = ssl_settings_problem(o.set, shown);
    options_put(&o);
    return failed;
}

const char *ssl_error(int fd)
{
    int saved = errno;
    struct conn *c = conn_get(fd);

    if (!c && !reload_failed(fd)) {
        snprintf(shown, sizeof shown, "%s", last);
    } else if (!c) {
        /* that is it */
    } else if (conn_errno(c) == EPERM) {
        snprintf(shown, sizeof shown, "another process owns this connection since a fork");
    } else if (conn_error(c)->code) {
        describe(conn_error(c));
    } else {
        shown[0] = '\0';
    }
    conn_put(c);
    errno = saved;
    return shown;
}

static void copy(char *to, size_t size, const char *from)
{
    snprintf(to, size, "%s", from ? from : "");
}

int ssl_info(int fd, struct ssl_info *info)
{
    struct conn *c = conn_get(fd);
    struct tls_info i;

    if (!c) {
        return ssl_failed(ENOTCONN, "ssl_info: not a TLS connection");
    }
    conn_info(c, &i);
    memset(info, 0, sizeof *info);
    info->role = conn_role(c) == TLS_CLIENT ? SSL_CLIENT : SSL_SERVER;
    info->connected = conn_is_connected(c);
    info->version = (int)i.version;
    copy(info->version_name, sizeof info->version_name, i.version_name);
    copy(info->suite, sizeof info->suite, i.suite);
    copy(info->group, sizeof info->group, i.group);
    copy(info->signature, sizeof info->signature, i.scheme);
    copy(info->alpn, sizeof info->alpn, i.alpn);
    copy(info->sni, sizeof info->sni, i.sni);
    copy(info->verified_name, sizeof info->verified_name, i.host);
    copy(info->psk, sizeof info->psk, i.psk);
    info->resumed = i.resumed;
    info->client_auth = i.client_auth;
    info->bytes_sent = i.sealed_bytes;
    info->bytes_received = i.opened_bytes;
    conn_put(c);
    return 0;
}
