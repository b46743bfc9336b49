/* SPDX-License-Identifier: ISC */
/* What the tests of the policy share: a directory of their own, policies out of text, questions. */
#ifndef TESTS_LAUNCHER_POLICY_HELP_H
#define TESTS_LAUNCHER_POLICY_HELP_H
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "preload/rules_parts.h"

#define APP "[app foo]\n"
#define TWO "role = client\nmatch = *:1\naction = bypass\n"

static char dir[] = "/tmp/sleeve-rules-XXXXXX";

static inline const char *in_dir(const char *name)
{
    static char path[8][PATH_MAX];
    static unsigned next;
    char *p = path[next++ % 8];

    (void)snprintf(p, PATH_MAX, "%s/%s", dir, name);
    return p;
}

static inline const char *write_text(const char *name, const char *text)
{
    const char *path = in_dir(name);
    FILE *f = fopen(path, "w");

    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(chmod(path, 0600), 0);
    return path;
}

static inline struct sockaddr_storage addr(const char *text, unsigned port, socklen_t *len)
{
    struct sockaddr_storage ss = { 0 };
    struct sockaddr_in *in = (void *)&ss;
    struct sockaddr_in6 *in6 = (void *)&ss;

    if (inet_pton(AF_INET, text, &in->sin_addr) == 1) {
        in->sin_family = AF_INET;
        in->sin_port = htons((uint16_t)port);
        *len = sizeof *in;
    } else {
        assert_int_equal(inet_pton(AF_INET6, text, &in6->sin6_addr), 1);
        in6->sin6_family = AF_INET6;
        in6->sin6_port = htons((uint16_t)port);
        *len = sizeof *in6;
    }
    return ss;
}

/* A policy out of text for every program, without keys. Problems: p->ini.error. */
static inline struct policy *parse(const char *ini, const char *oneliners)
{
    struct policy *p = policy_new();
    const char *path = ini ? write_text("parse.conf", ini) : NULL;

    assert_non_null(p);
    if (policy_read(p, oneliners, path) == 0) {
        policy_select(p, NULL);
        (void)!policy_build(p, false);
    }
    return p;
}

static inline const struct rule *ask(const struct policy *p, const char *to, unsigned port,
                                     const char *name, char host[static POLICY_HOST_MAX])
{
    socklen_t len;
    struct sockaddr_storage ss = addr(to, port, &len);

    return policy_client(p, (void *)&ss, len, name ? &name : NULL, name ? 1 : 0, host);
}

static inline const char *label_of(const struct rule *r)
{
    return r ? r->label : "(none)";
}

static inline int make_dir(void **state)
{
    (void)state;
    unsetenv("SLEEVE_HELLO");
    return mkdtemp(dir) ? 0 : -1;
}

static inline int remove_dir(void **state)
{
    char command[200];

    (void)state;
    (void)snprintf(command, sizeof command, "rm -rf '%s'", dir);
    return system(command) == 0 ? 0 : -1;
}
#endif
