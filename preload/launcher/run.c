/* SPDX-License-Identifier: ISC */
/* sleeve run, and what sleeve audit does alike: puts the library under a program, in place.
 * Whatever makes that impossible is said before the program starts; what can only be seen
 * afterwards ends it (watch.c). */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <unistd.h>

#include "preload/launcher/launcher.h"

#define USAGE   "sleeve run " START_USAGE
#define LIBRARY "libsleeve-preload.so"

static int help(void)
{
    puts("usage: " USAGE "\n\n"
         "Runs COMMAND, unchanged, with TLS on the connections that the rules name. Other\n"
         "connections are left alone; a program that no rule names is not started.\n\n" START_HELP
         "Exit: as COMMAND; 1 bad usage; 2 refused; 126 cannot be executed; 127 not found.\n\n"
         "  sleeve run -r 'client * *:6380 ca=/etc/pki/ca.pem' -- redis-cli -h cache -p 6380");
    return EXIT_FINE;
}

/* The library beside this program (a build directory), else where it was installed to. */
static int library_path(char path[static 4096])
{
    ssize_t n = readlink("/proc/self/exe", path, 4096 - sizeof LIBRARY - 1);
    char *slash;

    if (n > 0) {
        path[n] = '\0';
        slash = strrchr(path, '/');
        (void)strcpy(slash ? slash + 1 : path, LIBRARY);
        if (access(path, R_OK) == 0) {
            return 0;
        }
    }
    (void)snprintf(path, 4096, "%s", SLEEVE_LIBDIR "/" LIBRARY);
    return access(path, R_OK) == 0 ? 0 : say(EXIT_REFUSED, "run", "%s is not there", path);
}

/* Named twice: the dynamic linker goes on without what it could not load, as when there was no
 * descriptor or memory just then, and then tries again. What it has it does not look for. */
static int set_preload(void)
{
    const char *old = getenv("LD_PRELOAD");
    char path[4096], *all = NULL;
    int rc = library_path(path);

    if (rc) {
        return rc;
    }
    if (strpbrk(path, " :")) {
        return say(EXIT_REFUSED, "run",
                   "%s: the dynamic linker cannot load a path with ' ' or ':' in it", path);
    }
    if (asprintf(&all, "%s:%s%s%s", path, path, old && *old ? ":" : "", old ? old : "") < 0 ||
        setenv("LD_PRELOAD", all, 1) < 0) {
        rc = say(EXIT_REFUSED, "run", "out of memory");
    }
    free(all);
    return rc;
}

static int set_config(const char *config, const char *rules)
{
    char *path = config ? realpath(config, NULL) : NULL;
    int rc = 0;

    if (config && !path) {
        return say(EXIT_REFUSED, "run", "%s: %s", config, strerror(errno));
    }
    if ((path && setenv("SLEEVE_CONFIG", path, 1) < 0) ||
        (rules && setenv("SLEEVE_RULES", rules, 1) < 0)) {
        rc = say(EXIT_REFUSED, "run", "out of memory");
    }
    free(path);
    return rc;
}

static int not_listed(const struct look *l, const char *rules)
{
    struct sources src;
    const char *base = strrchr(l->execfn, '/');

    base = base ? base + 1 : l->execfn;
    sources_find(&src);
    if (src.off) {
        return say(EXIT_REFUSED, "run", "SLEEVE_OFF is set: %s would run without TLS", base);
    }
    if (!src.path && !src.rules) {
        return say(EXIT_REFUSED, "run",
                   "there is no configuration: write one, or give rules with -r");
    }
    if (!src.path) {
        return say(EXIT_REFUSED, "run", "no rule names '%s'; in a rule, * is any program", base);
    }
    return say(EXIT_REFUSED, "run", "no rule names '%s' in %s%s; add [app %s] and [rule %s LABEL]",
               base, src.path, rules ? " or -r" : "", base, base);
}

/* Decides as the library will, and reads the same keys: better now than in the middle of a start.
 */
static int must_be_listed(const struct look *l, const char *rules)
{
    struct error err = { 0 };
    struct policy *p;
    int rc = policy_load(&p, &l->prog, &err);

    policy_free(p);
    if (rc < 0) {
        return say(EXIT_REFUSED, "run", "%s", err.text);
    }
    return rc == 0 ? not_listed(l, rules) : 0;
}

static int execute(const struct look *l, char **argv)
{
    const char *base = strrchr(l->exe, '/');
    int hello = watch_start(base ? base + 1 : l->exe, l->skip), err;

    if (hello < 0) {
        return say(EXIT_REFUSED, "run", "cannot watch over the start: %s", strerror(errno));
    }
    execv(l->path, argv);
    err = errno;
    watch_cancel(hello);
    return say(err == ENOENT ? EXIT_NOT_FOUND : EXIT_CANNOT, "run", "%s: %s", l->path,
               strerror(err));
}

int start_options(struct start *s, int argc, char **argv, const char *usage, int (*say_help)(void))
{
    static const struct option options[] = { { "config", required_argument, NULL, 'c' },
                                             { "rule", required_argument, NULL, 'r' },
                                             { "help", no_argument, NULL, 'h' },
                                             { NULL, 0, NULL, 0 } };
    int o;

    opterr = 0;
    while ((o = getopt_long(argc, argv, "+:c:r:h", options, NULL)) != -1) {
        if (o == 'c') {
            s->config = optarg;
        } else if (o == 'r') {
            if (!rule_option(&s->rules, optarg)) {
                return say(EXIT_REFUSED, argv[0], "out of memory");
            }
        } else if (o == 'h') {
            return say_help();
        } else {
            return say_usage(usage, argv[0], o == ':' ? "%s needs a value" : "unknown option %s",
                             argv[optind - 1]);
        }
    }
    s->argv = argv + optind;
    return optind == argc ? say_usage(usage, argv[0], "there is no COMMAND") : START_GO;
}

int start_program(const struct start *s)
{
    static struct look l;
    int rc = set_config(s->config, s->rules);

    if (rc == 0) {
        rc = look_at(&l, s->argv);
        rc = rc ? say(rc, "run", "%s", l.why) : 0;
    }
    rc = rc ? rc : must_be_listed(&l, s->rules);
    rc = rc ? rc : set_preload();
    return rc ? rc : execute(&l, s->argv);
}

int cmd_run(int argc, char **argv)
{
    struct start s = { .rules = NULL };
    int rc = start_options(&s, argc, argv, USAGE, help);

    rc = rc == START_GO ? start_program(&s) : rc;
    free(s.rules);
    return rc;
}
