/* SPDX-License-Identifier: ISC */
/* Which fd has which options: what the fd table names until there is a connection, which keeps them
 * then. Read at connect, accept and attach. A plain fd costs one look at the table. */
#include "shim/ssl_options.h"

#include <errno.h>

/* No socket has it. */
#define DEFAULTS_COOKIE UINT64_MAX

void options_destroy(struct entry *e)
{
    ssl_settings_put(((struct kept *)e)->o.set);
}

static int set_defaults(void)
{
    struct options o = { .set = ssl_settings_new() };
    int rc = o.set ? options_set(SSL_DEFAULTS, &o) : -1;

    ssl_settings_put(o.set);
    return rc && errno != EAGAIN ? -1 : 0; /* EAGAIN: another thread was first */
}

/* The options in what fd names; a reference to that in *seen. */
static const struct kept *find(int fd, struct entry **seen)
{
    struct entry *e = entry_get(fd);

    if (!e && fd == SSL_DEFAULTS && set_defaults() == 0) {
        e = entry_get(fd);
    }
    *seen = e;
    if (e && e->kind == ENTRY_CONN) {
        e = ((struct conn *)e)->options;
    }
    return (const struct kept *)e;
}

bool options_get(int fd, struct options *o)
{
    struct entry *seen;
    const struct kept *kept = find(fd, &seen);

    if (kept && fd != SSL_DEFAULTS && !cookie_is(fd, seen->cookie)) {
        if (seen->kind == ENTRY_OPTIONS && !fork_vforked()) {
            table_drop(fd, seen);
        }
        kept = NULL;
    }
    if (!kept) {
        entry_put(seen);
        return false;
    }
    *o = kept->o;
    o->seen = seen;
    ssl_settings_ref(o->set);
    return true;
}

void options_put(struct options *o)
{
    ssl_settings_put(o->set);
    entry_put(o->seen);
    o->set = NULL;
    o->seen = NULL;
}

int options_set(int fd, const struct options *o)
{
    uint64_t cookie = DEFAULTS_COOKIE;
    struct kept *kept;

    if (fd != SSL_DEFAULTS && (cookie_of(fd, &cookie) || fork_init() || table_reserve(fd))) {
        return -1;
    }
    kept = (struct kept *)table_new(ENTRY_OPTIONS);
    if (!kept) {
        return -1;
    }
    kept->entry.cookie = cookie;
    kept->o = *o;
    kept->o.seen = NULL;
    ssl_settings_ref(o->set);
    if (table_replace(fd, &kept->entry, o->seen)) {
        entry_put(&kept->entry);
        return -1;
    }
    return 0;
}

int options_check(int fd)
{
    int type = 0;
    socklen_t n = sizeof type;

    if (fd == SSL_DEFAULTS) {
        return 0;
    }
    if (sys.getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &n)) {
        return ssl_failed(errno, "%s", errno == ENOTSOCK ? "not a socket" : strerrordesc_np(errno));
    }
    return type == SOCK_STREAM ? 0 : ssl_failed(EPROTOTYPE, "TLS needs a stream socket");
}

bool options_plain(int fd)
{
    struct options o;

    if (fd < 0 || !options_get(fd, &o)) {
        return true;
    }
    options_put(&o);
    ssl_failed(ENOTCONN, "not connected: ssl_connect(), ssl_accept() or ssl_attach() comes first");
    return false;
}
