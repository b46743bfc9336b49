/* SPDX-License-Identifier: ISC */
/* TLS_DISABLE_CIPHER of the Secure Socket API, in terms of SSL_OPT_SUITES. */
#include <errno.h>
#include <stdio.h>

#include "shim/ssa.h"
#include "shim/ssl_options.h"

/* OpenSSL's name of a suite of TLS 1.2, "ECDHE-RSA-AES128-GCM-SHA256", out of IANA's; those of
 * TLS 1.3 have one name: "". */
static void openssl_name(const char *iana, char name[static NAME_SIZE])
{
    static const char *const parts[][2] = {
        { "TLS_RSA_WITH_", "" },
        { "TLS_", "" },
        { "_WITH_", "-" },
        { "AES_", "AES" },
        { "_CBC", "" },
        { "POLY1305_SHA256", "POLY1305" },
        { "_", "-" },
    };
#define NPARTS (sizeof parts / sizeof *parts)
    size_t n = 0, i;

    for (const char *p = iana; strstr(iana, "_WITH_") && *p;) {
        for (i = 0; i < NPARTS && strncmp(p, parts[i][0], strlen(parts[i][0])) != 0; i++) {
        }
        if (i < NPARTS) {
            n += (size_t)snprintf(name + n, NAME_SIZE - n, "%s", parts[i][1]);
            p += strlen(parts[i][0]);
        } else {
            name[n++] = *p++;
        }
    }
    name[n] = '\0';
}

static bool is_called(const struct suite *s, struct span name)
{
    char openssl[NAME_SIZE];

    openssl_name(s->name, openssl);
    return name.n > 0 && (span_eq(name, span_text(s->name)) || span_eq(name, span_text(openssl)));
}

/* The suites of the fd, in order of preference. */
static int enabled_suites(int fd, struct id_list *list)
{
    char text[OPTION_VALUE_MAX] = "";
    socklen_t len = sizeof text;
    struct error err;

    error_clear(&err);
    if (ssl_getsockopt(fd, SOL_SSL, SSL_OPT_SUITES, text, &len) == 0 && *text) {
        return suites_parse(text, list, &err) < 0 ? ssl_failed(EINVAL, "%s", err.text) : 0;
    }
    list->n = 0;
    for (size_t i = 0; suite_at(i); i++) {
        if (suite_at(i)->by_default) {
            list->id[list->n++] = suite_at(i)->id;
        }
    }
    return 0;
}

/* One that we have, but do not use, is no mistake. */
int ssa_disable_suite(int fd, const void *value, socklen_t len)
{
    const struct span name = span_of(value, value ? strnlen(value, len) : 0);
    char text[OPTION_VALUE_MAX] = "";
    struct id_list list;
    bool known = false;
    size_t n = 0;

    if (enabled_suites(fd, &list)) {
        return -1;
    }
    for (size_t i = 0; suite_at(i); i++) {
        known |= is_called(suite_at(i), name);
    }
    for (size_t i = 0; i < list.n; i++) {
        const struct suite *s = suite_by_id(list.id[i]);

        if (!is_called(s, name)) {
            n += (size_t)snprintf(text + n, sizeof text - n, "%s%s", n ? ":" : "", s->name);
        }
    }
    if (!known || n == 0) {
        return ssl_failed(EINVAL, "TLS_DISABLE_CIPHER: %s",
                          known ? "it is the last one" : "there is no cipher suite of that name");
    }
    return ssl_setsockopt(fd, SOL_SSL, SSL_OPT_SUITES, text, (socklen_t)n);
}
