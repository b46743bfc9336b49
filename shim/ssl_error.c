/* SPDX-License-Identifier: ISC */
/* Sentences and facts. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "shim/ssl_options.h"
#include "x509/der.h"

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

/* "sentence (alert sent: unknown_ca, at Certificate)"; that of the peer's alert has its name. */
static void describe(struct conn *c)
{
    const struct error *e = conn_error(c);
    struct tls_info i;

    conn_info(c, &i);
    if (e->alert_sent != ALERT_NONE && e->alert_received == ALERT_NONE) {
        snprintf(shown, sizeof shown, "%s (alert sent: %s, at %s)", e->text,
                 alert_name(e->alert_sent), i.where);
    } else {
        snprintf(shown, sizeof shown, "%s (at %s)", e->text, i.where);
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
    int saved = errno, err;
    struct conn *c = conn_get(fd);

    if (!c && !reload_failed(fd)) {
        snprintf(shown, sizeof shown, "%s", last);
    } else if (!c) {
        /* that is it */
    } else if (conn_errno(c) == EPERM) {
        snprintf(shown, sizeof shown,
                 "another process has this connection since a fork, and cannot share it");
    } else if (conn_error(c)->code) {
        describe(c);
    } else { /* whose socket refuses more may tell a better reason yet: the peer's alert */
        err = atomic_load(&c->write_errno);
        snprintf(shown, sizeof shown, "%s", err ? strerrordesc_np(err) : "");
    }
    conn_put(c);
    errno = saved;
    return shown;
}

_Static_assert(SSL_EARLY_OFFERED == TLS_EARLY_OFFERED && SSL_EARLY_REJECTED == TLS_EARLY_REJECTED &&
                   SSL_EARLY_ACCEPTED == TLS_EARLY_ACCEPTED,
               "one numbering");

static void copy(char *to, size_t size, const char *from)
{
    snprintf(to, size, "%s", from ? from : "");
}

static void add_peer(struct ssl_info *info, const struct tls_info *i)
{
    struct rd chain = rd_of(i->peer_chain.p, i->peer_chain.n), in;
    struct cert c;

    if (i->peer_cert.n == 0 || cert_parse(&c, i->peer_cert, NULL) < 0) {
        return;
    }
    (void)cert_name_text(c.subject, info->peer_subject, sizeof info->peer_subject);
    (void)cert_name_text(c.issuer, info->peer_issuer, sizeof info->peer_issuer);
    info->peer_not_before = c.not_before;
    info->peer_not_after = c.not_after;
    while (der_get(&chain, DER_SEQUENCE, &in)) {
        info->peer_certificates++;
    }
}

static int alert_of(unsigned desc, char *name, size_t size)
{
    copy(name, size, desc == ALERT_NONE ? "" : alert_name(desc));
    return desc == ALERT_NONE ? -1 : (int)desc;
}

int ssl_info(int fd, struct ssl_info *info)
{
    const struct error *e;
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
    info->early = (int)i.early;
    info->early_bytes = conn_early_bytes(c);
    info->client_auth = i.client_auth;
    info->bytes_sent = i.sealed_bytes;
    info->bytes_received = i.opened_bytes;
    e = conn_error(c);
    info->alert_sent = alert_of(e->alert_sent, info->alert_sent_name, sizeof info->alert_sent_name);
    info->alert_received =
        alert_of(e->alert_received, info->alert_received_name, sizeof info->alert_received_name);
    copy(info->where, sizeof info->where, i.where);
    add_peer(info, &i);
    conn_put(c);
    return 0;
}
