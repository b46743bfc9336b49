/* SPDX-License-Identifier: ISC */
/* sleeve inspect: a readable picture of certificates, out of files or from a server, what is wrong
 * with them and what to do. */
#include <getopt.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

#include "preload/launcher/inspect.h"
#include "shim/shim.h"

#define USAGE    "sleeve inspect [-C CA]... [-n NAME] [OPTION]... FILE | HOST:PORT ..."
#define ALPN_MAX 8

static int help(void)
{
    puts("usage: " USAGE "\n\n"
         "Shows certificates from the server's or client's own up to the authority at\n"
         "the end, says what is wrong with them, and what to do. Files may hold\n"
         "certificates, CRLs and keys (PEM, DER, PKCS#12); what a chain is made of may be\n"
         "spread over several. From HOST:PORT it is what the server shows in a TLS\n"
         "handshake; no data is exchanged.\n\n"
         "  -C, --ca CA       file or directory of the authorities to believe (default:\n"
         "                    the system's); may repeat\n"
         "  -n, --name NAME   the name it must speak for (default: HOST; files: any)\n"
         "  -R, --crl CRL     file or directory of CRLs; may repeat\n"
         "  -c, --client      it is for a client (default: a server)\n"
         "  -t, --at DATE     as if it were then: 2027-01-31, or with ' 12:00' (UTC)\n"
         "  -a, --alpn NAME   offer this protocol, such as h2; may repeat\n"
         "  -P, --passphrase FILE\n"
         "                    its first line opens keys and PKCS#12 files (default: the\n"
         "                    terminal is asked)\n\n"
         "Exit: 0 nothing is wrong; 1 something is; 2 bad usage, or it cannot be read.\n\n"
         "  sleeve inspect -C ca.pem cache.internal:6379");
    return EXIT_FINE;
}

/* ---- arguments ---- */

struct asked {
    const char *name, *passphrase, *alpn[ALPN_MAX];
    size_t nalpn;
    bool client, own_ca;
    int64_t now;
    struct trust *trust;
    struct revocation *crls;
};

static int usage(const char *fmt, const char *value)
{
    (void)say_usage(USAGE, "inspect", fmt, value);
    return EXIT_UNREAD;
}

static int set_date(struct asked *a, const char *value)
{
    static const char *const forms[] = { "%Y-%m-%d", "%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S",
                                         "%Y-%m-%dT%H:%M:%SZ" };

    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        struct tm tm = { 0 };
        const char *end = strptime(value, forms[i], &tm);

        if (end && *end == '\0') {
            a->now = (int64_t)timegm(&tm);
            return 0;
        }
    }
    return usage("'%s' is not a date such as 2027-01-31", value);
}

static int option(struct asked *a, int o, const char *value)
{
    struct error err = { 0 };
    int rc = 0;

    switch (o) {
    case 'n':
        a->name = value;
        return host_is_valid(value) ? 0
                                    : usage("'%s' is neither a host name nor an address", value);
    case 'c':
        a->client = true;
        return 0;
    case 't':
        return set_date(a, value);
    case 'P':
        a->passphrase = value;
        return 0;
    case 'a':
        if (a->nalpn == ALPN_MAX || *value == '\0' || strlen(value) > 255) {
            return usage("'%s' is no name of a protocol, or there are too many", value);
        }
        a->alpn[a->nalpn++] = value;
        return 0;
    case 'C':
        a->own_ca = true;
        rc = trust_add_path(a->trust, value, &err);
        break;
    default:
        a->crls = a->crls ? a->crls : revocation_new();
        rc = a->crls ? revocation_add_path(a->crls, value, &err) : ERR_MEM;
        break;
    }
    return rc < 0
               ? say(EXIT_UNREAD, "inspect", "%s: %s", value, err.code ? err.text : error_name(rc))
               : 0;
}

static int arguments(struct asked *a, int argc, char **argv)
{
    static const struct option options[] = { { "ca", required_argument, NULL, 'C' },
                                             { "name", required_argument, NULL, 'n' },
                                             { "crl", required_argument, NULL, 'R' },
                                             { "client", no_argument, NULL, 'c' },
                                             { "at", required_argument, NULL, 't' },
                                             { "passphrase", required_argument, NULL, 'P' },
                                             { "alpn", required_argument, NULL, 'a' },
                                             { "help", no_argument, NULL, 'h' },
                                             { NULL, 0, NULL, 0 } };
    struct error err = { 0 };
    int o, rc = 0;

    opterr = 0;
    while (rc == 0 && (o = getopt_long(argc, argv, ":C:n:R:ct:P:a:h", options, NULL)) != -1) {
        if (o == 'h') {
            return -1;
        }
        rc = o == ':'   ? usage("%s needs a value", argv[optind - 1])
             : o == '?' ? usage("unknown option %s", argv[optind - 1])
                        : option(a, o, optarg);
    }
    if (rc == 0 && optind == argc) {
        rc = usage("there is nothing to look at%s", "");
    }
    if (rc == 0 && !a->own_ca && trust_add_system(a->trust, &err) < 0) {
        (void)say(0, "inspect", "nobody is trusted here, --ca says whom to trust: %s", err.text);
    }
    return rc;
}

/* ---- one picture ---- */

static struct inspection *begin(const struct asked *a)
{
    struct inspection *in = calloc(1, sizeof *in);

    if (in) {
        in->pieces = calloc(PIECES_MAX, sizeof *in->pieces);
        in->name = a->name;
        in->passphrase = a->passphrase;
        in->own_ca = a->own_ca;
        in->client = a->client;
        in->now = a->now;
        in->trust = a->trust;
        in->crls = a->crls ? revocation_ref(a->crls) : NULL;
    }
    if (in && !in->pieces) {
        free(in);
        in = NULL;
    }
    if (!in) {
        (void)say(EXIT_UNREAD, "inspect", "out of memory");
    }
    return in;
}

static void end(struct inspection *in)
{
    for (size_t i = 0; i < in->nkeys; i++) {
        privkey_unref(in->keys[i].key);
    }
    for (size_t i = 0; i < in->nmemory; i++) {
        free(in->memory[i]);
    }
    revocation_unref(in->crls);
    free(in->pieces);
    free(in);
}

static void conclude(const struct inspection *in, bool wrong)
{
    char text[300];

    if (in->npieces == 0 && !wrong) {
        return;
    }
    putchar('\n');
    if (wrong) {
        put_tinted(stdout, TINT_BAD, "something is wrong\n");
    } else {
        (void)snprintf(
            text, sizeof text, "nothing is wrong%s%.200s%s\n", in->name ? "; it speaks for " : "",
            in->name ? in->name : "",
            in->name || in->npieces > PICTURE_MAX ? "" : " (no name was asked about: --name)");
        put_tinted(stdout, TINT_GOOD, text);
    }
}

/* A store: too much for pictures. */
static void show_store(struct inspection *in)
{
    size_t old = 0;

    show_list(in);
    for (size_t i = 0; i < in->npieces; i++) {
        in->pieces[i].used = true;
        old += in->pieces[i].cert.not_after < in->now;
    }
    if (old) {
        inspect_remark(in, true, "leave out what has expired",
                       "%zu of %zu certificates have expired", old, in->npieces);
    }
}

static void show_trees(struct inspection *in)
{
    struct tree t;

    if (in->npieces > PICTURE_MAX) {
        show_store(in);
        return;
    }
    while (inspect_next_tree(in, &t)) {
        inspect_judge(in, &t);
        show_tree(in, &t);
    }
}

static int show(struct inspection *in)
{
    bool wrong = false;

    show_trees(in);
    inspect_judge_rest(in);
    show_keys(in);
    show_crls(in);
    show_remarks(in);
    for (size_t i = 0; i < in->nremarks; i++) {
        wrong = wrong || in->remarks[i].wrong;
    }
    conclude(in, wrong);
    return wrong ? EXIT_BAD : EXIT_FINE;
}

/* ---- the command ---- */

static bool is_file(const char *arg)
{
    char host[POLICY_HOST_MAX], port[8];
    struct stat st;

    return stat(arg, &st) == 0 || !split_host_port(arg, host, port);
}

static int look_at_server(const struct asked *a, const char *where)
{
    char host[POLICY_HOST_MAX], port[8];
    struct inspection *in = begin(a);
    int rc = EXIT_UNREAD;

    if (!in) {
        return EXIT_UNREAD;
    }
    if (split_host_port(where, host, port)) {
        in->where = where;
        printf("%s\n", where);
        rc = inspect_live(in, host, port, a->alpn, a->nalpn);
        in->name = in->name ? in->name : host;
        rc = rc ? rc : show(in);
    }
    end(in);
    return rc;
}

static int look_at_files(const struct asked *a, char **args, int n)
{
    struct inspection *in = begin(a);
    int rc = 0, files = 0;

    if (!in) {
        return EXIT_UNREAD;
    }
    for (int i = 0; i < n && rc == 0; i++) {
        if (is_file(args[i])) {
            rc = inspect_read(in, args[i]);
            files++;
        }
    }
    if (rc == 0 && files) {
        for (int i = 0; i < n; i++) {
            if (is_file(args[i])) {
                printf("%s%s", args[i], --files ? ", " : "\n");
            }
        }
        rc = show(in);
    }
    end(in);
    return rc;
}

int cmd_inspect(int argc, char **argv)
{
    struct asked a = { .now = (int64_t)time(NULL), .trust = trust_new() };
    int rc, worst;

    if (!a.trust || shim_init() < 0) {
        trust_unref(a.trust);
        return say(EXIT_UNREAD, "inspect", "the cryptographic library cannot be used");
    }
    rc = arguments(&a, argc, argv);
    worst = rc < 0 ? help() : rc;
    if (rc == 0) {
        worst = look_at_files(&a, argv + optind, argc - optind);
        for (int i = optind; i < argc; i++) {
            if (!is_file(argv[i])) {
                rc = look_at_server(&a, argv[i]);
                worst = rc > worst ? rc : worst;
            }
        }
    }
    revocation_unref(a.crls);
    trust_unref(a.trust);
    return worst;
}
