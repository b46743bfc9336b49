/* SPDX-License-Identifier: ISC */
/* Configurations that many fds share: options without an fd. */
#include "shim/ssl_config.h"

#include <errno.h>

#include "base/mem.h"
#include "shim/ini.h"

struct ssl_config *ssl_config_new(void)
{
    struct ssl_config *c = mem_zalloc(sizeof *c);

    if (c) {
        atomic_store(&c->refs, 1);
        c->options.set = ssl_settings_new();
    }
    if (!c || !c->options.set) {
        mem_free(c);
        ssl_failed(ENOMEM, "no memory for a configuration");
        return NULL;
    }
    return c;
}

struct ssl_config *ssl_config_ref(struct ssl_config *c)
{
    atomic_fetch_add(&c->refs, 1);
    return c;
}

void ssl_config_free(struct ssl_config *c)
{
    int saved = errno;

    if (c && atomic_fetch_sub(&c->refs, 1) == 1) {
        options_put(&c->options);
        mem_free(c);
    }
    errno = saved;
}

int ssl_config_set(struct ssl_config *c, int name, const void *value, socklen_t len)
{
    const struct ssl_option *opt = ssl_option_find(name);
    struct error err;

    if (!opt) {
        return -1;
    }
    if (c->options.set->roles) {
        return ssl_failed(EBUSY, "%s: too late, the configuration is sealed", opt->name);
    }
    error_clear(&err);
    if (ssl_option_apply(opt, &c->options, value, len, &err) < 0) {
        return ssl_failed(err.code == ERR_MEM ? ENOMEM : EINVAL, "%s: %s", opt->name, err.text);
    }
    return 0;
}

int ssl_config_seal(struct ssl_config *c, int role)
{
    const enum tls_role as = role == SSL_SERVER ? TLS_SERVER : TLS_CLIENT;
    struct ssl_settings *set = c->options.set;
    const unsigned before = set->roles;
    struct config *built;
    struct error err;

    if (role != SSL_CLIENT && role != SSL_SERVER) {
        return ssl_failed(EINVAL, "a role is SSL_CLIENT or SSL_SERVER");
    }
    if (shim_init()) {
        return ssl_failed(errno, "cryptography is not available");
    }
    error_clear(&err);
    set->roles = before | 1U << as;
    built = ssl_settings_config(set, as, &err);
    if (!built) {
        set->roles = before;
        return ssl_failed(errno, "%s", err.text);
    }
    config_unref(built);
    return 0;
}

int ssl_use_config(int fd, struct ssl_config *c)
{
    struct options now, next = c->options;
    int rc;

    if (!c->options.set->roles) {
        return ssl_failed(EINVAL, "the configuration is not sealed");
    }
    if (ssl_may_set(fd, "ssl_use_config")) {
        return -1;
    }
    do { /* again when another thread has set one meanwhile */
        if (!options_get(fd, &now)) {
            now = (struct options){ .seen = NULL };
        }
        next.seen = now.seen;
        rc = options_set(fd, &next);
        if (rc) {
            ssl_failed(errno, "ssl_use_config: %s", strerrordesc_np(errno));
        }
        options_put(&now);
    } while (rc && errno == EAGAIN);
    return rc;
}

/* ---- out of a file ---- */

static int read_file(void *ctx, const char *path, const char *text)
{
    return ini_read(ctx, path, text);
}

/* "rule APP LABEL", "config NAME", as in the section's first line. */
static bool is_called(const struct section *s, const char *name)
{
    const char *end = name + strlen(name);
    const struct word kind = next_word(&name, end), app = next_word(&name, end);
    const struct word label = next_word(&name, end);
    const struct span rest = span_of(label.p, (size_t)(end - label.p));

    if (s->kind == SECTION_CONFIG) {
        return word_is(kind, "config") && word_is(app, s->app) && !label.n;
    }
    return s->kind == SECTION_RULE && word_is(kind, "rule") && word_is(app, s->app) &&
           span_eq(rest, span_text(s->label));
}

/* The one that name calls, or for NULL [defaults]; there must be one, as what is meant to be set
 * would not be otherwise. */
static const struct section *pick(struct ini *ini, const char *path, const char *name)
{
    const struct section *found = NULL;

    for (const struct section *s = ini->sections; s; s = s->next) {
        if (name ? !is_called(s, name) : s->kind != SECTION_DEFAULTS) {
            continue;
        }
        if (found) {
            (void)problem(ini, ERR_PARSE, s->file, s->line, "the section stands already in line %d",
                          found->line);
            return NULL;
        }
        found = s;
    }
    if (!found) {
        (void)problem(ini, ERR_PARSE, path, 0, "%.100s: there is no section [%.60s]", path,
                      name ? name : "defaults");
    }
    return found;
}

static int load(struct ini *ini, struct ssl_config *c, const char *path, const char *name)
{
    const struct section *s;
    struct error err;
    int role, rc;

    error_clear(&err);
    errno = 0;
    rc = ini_files(path, read_file, ini, &err);
    if (rc < 0) {
        return err.code ? FAIL(&ini->error, rc, "%s", err.text) : rc;
    }
    s = pick(ini, path, name);
    if (!s) {
        return ini->error.code;
    }
    role = ini_role(ini, s);
    return ini->error.code ? ini->error.code : ini_options(ini, s, role, &c->options);
}

static int errno_of_file(int rc)
{
    switch (rc) {
    case ERR_FILE:
        return errno ? errno : EACCES; /* not the kernel, but we do not want it */
    case ERR_MEM:
        return ENOMEM;
    default:
        return EINVAL;
    }
}

struct ssl_config *ssl_config_load(const char *path, const char *section)
{
    struct ssl_config *c = ssl_config_new();
    struct ini ini;
    int rc;

    if (!c) {
        return NULL;
    }
    ini_init(&ini);
    rc = load(&ini, c, path, section);
    if (rc < 0) {
        ssl_failed(errno_of_file(rc), "%s", ini.error.code ? ini.error.text : error_name(rc));
        ssl_config_free(c);
        c = NULL;
    }
    ini_free(&ini);
    return c;
}
