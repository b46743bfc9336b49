/* SPDX-License-Identifier: ISC */
/* A handshake that takes any chain, in order to look at it. No data is sent or asked for. */
#include <errno.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "preload/launcher/inspect.h"
#include "shim/shim.h"

static int64_t now(void)
{
    return (int64_t)time(NULL);
}

/* The chain is a view of what the handshake forgets: it is copied. */
static int on_chain(void *ctx, struct tls *t, const struct cert *chain, size_t n, int alert)
{
    struct inspection *in = ctx;

    (void)t;
    (void)alert;
    for (size_t i = 0; i < n; i++) {
        if (inspect_add_cert(in, chain[i].der, NULL, (int)i + 1)) {
            return ALERT_INTERNAL_ERROR;
        }
    }
    for (size_t i = 0; i < in->npieces; i++) {
        in->pieces[i].of = (int)n;
    }
    return 0;
}

static struct config *make_config(struct inspection *in, const char *const *alpn, size_t nalpn,
                                  struct error *err)
{
    struct config *c = config_new(TLS_CLIENT);
    int rc = c ? 0 : FAIL(err, ERR_MEM, "out of memory");

    if (rc == 0 && (config_set_verify(c, VERIFY_NONE) < 0 || config_set_clock(c, now) < 0 ||
                    config_set_flag(c, CONFIG_STATUS, true) < 0 ||
                    config_set_flag(c, CONFIG_WEAK_CERTIFICATES, true) < 0 ||
                    config_set_verify_callback(c, on_chain, in) < 0 ||
                    (nalpn && config_set_alpn(c, alpn, nalpn) < 0))) {
        rc = FAIL(err, ERR_ARG, "these names of protocols cannot be used");
    }
    rc = rc ? rc : config_seal(c, err);
    if (rc < 0) {
        config_unref(c);
        return NULL;
    }
    return c;
}

static void show(struct inspection *in, struct conn *c, bool asked)
{
    struct tls_info i;

    conn_info(c, &i);
    show_fact("version", i.version_name);
    show_fact("suite", i.suite);
    show_fact("group", *i.group ? i.group : "none: RSA key exchange, without forward secrecy");
    show_fact("signature", *i.scheme ? i.scheme : "none");
    show_fact("ALPN", *i.alpn ? i.alpn : asked ? "none of these" : "not asked for (--alpn)");
    in->staple = inspect_keep(in, i.status);
}

int inspect_live(struct inspection *in, const char *host, const char *port, const char *const *alpn,
                 size_t nalpn)
{
    struct conn_params params = { .host = in->name ? in->name : host,
                                  .handshake_timeout_ms = DIAL_MS };
    struct error err = { 0 };
    const char *why;
    struct conn *c = NULL;
    int fd, rc = EXIT_UNREAD;

    params.config = make_config(in, alpn, nalpn, &err);
    if (!params.config) {
        return say(EXIT_UNREAD, "inspect", "%s", err.text);
    }
    fd = dial("inspect", host, port);
    if (fd < 0) {
        config_unref(params.config);
        return EXIT_UNREAD;
    }
    if (conn_attach(fd, &params, &err) < 0 || !(c = conn_get(fd))) {
        (void)say(EXIT_UNREAD, "inspect", "%s", err.code ? err.text : strerror(errno));
    } else if (conn_handshake(c, fd, 0) == 0) {
        rc = 0;
        show(in, c, nalpn > 0);
    } else {
        rc = errno;
        why = handshake_fault(conn_error(c), rc);
        if (in->npieces) { /* the chain came; what followed was not right */
            rc = 0;
            inspect_remark(in, true,
                           "it may want a certificate of its clients; if not, its key is not the "
                           "one of its certificate",
                           "the handshake failed behind the certificates: %s", why);
        } else {
            rc = say(EXIT_UNREAD, "inspect", "%s: %s", in->where, why);
        }
    }
    if (c) {
        conn_put(c);
        conn_closing(fd);
    }
    close(fd);
    config_unref(params.config);
    return rc;
}
