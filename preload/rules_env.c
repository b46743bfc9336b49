/* SPDX-License-Identifier: ISC */
/* The environment, read from the vector the kernel gave us: a constructor that runs before the C
 * library's own has no environ yet. */
#include <errno.h>
#include <sys/auxv.h>
#include <unistd.h>

#include "preload/rules_parts.h"

#define SYSTEM_CONF "/etc/sleeve/sleeve.conf"
#define USER_CONF   "/.config/sleeve/sleeve.conf" /* in $HOME */

static char **environment;

void policy_environment(char **envp)
{
    environment = envp;
    if (!environ) {
        environ = envp; /* for getenv() in what we call; the C library will set it to the same */
    }
}

static char **env_find(const char *name)
{
    size_t n = strlen(name);
    char **e = environment ? environment : environ;

    for (; e && *e; e++) {
        if (strncmp(*e, name, n) == 0 && (*e)[n] == '=') {
            return e;
        }
    }
    return NULL;
}

char *env_edit(const char *name)
{
    char **e = env_find(name);

    return e ? *e + strlen(name) + 1 : NULL;
}

const char *env_get(const char *name)
{
    return env_edit(name);
}

void env_remove(const char *name)
{
    char **e;

    while ((e = env_find(name)) != NULL) {
        do {
            e[0] = e[1];
        } while (*e++);
    }
}

void sources_find(struct sources *s)
{
    const char *v, *home;

    s->path = s->rules = NULL;
    s->off = false;
    if (getauxval(AT_SECURE) == 0) {
        v = env_get("SLEEVE_OFF");
        s->off = v && *v && strcmp(v, "0") != 0;
        v = env_get("SLEEVE_RULES");
        s->rules = v && *v ? v : NULL;
        v = env_get("SLEEVE_CONFIG");
        if (v && *v) {
            s->path = v; /* named: then it must be there */
            return;
        }
        home = env_get("HOME");
        if (home && *home == '/') {
            size_t n = strlen(home);

            if (n <= sizeof s->buf - sizeof USER_CONF) {
                memcpy(s->buf, home, n);
                memcpy(s->buf + n, USER_CONF, sizeof USER_CONF);
                if (access(s->buf, F_OK) == 0) {
                    s->path = s->buf;
                    return;
                }
            }
        }
    }
    /* There but out of reach is not the same as absent: reading it will say so. */
    if (access(SYSTEM_CONF, F_OK) == 0 || (errno != ENOENT && errno != ENOTDIR)) {
        s->path = SYSTEM_CONF;
    }
}
