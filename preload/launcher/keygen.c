/* SPDX-License-Identifier: ISC */
/* sleeve keygen: a private CA, and certificates for servers and clients. Its arguments. */
#include <getopt.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "preload/launcher/keygen.h"

#define USAGE "sleeve keygen ca|intermediate|server|client [-n NAME]... [OPTION]..."

static const struct type {
    const char *name;
    enum key_type type;
    unsigned rsa_bits;
} types[] = {
    { "ecdsa", KEY_EC_P256, 0 },  { "p256", KEY_EC_P256, 0 },    { "p384", KEY_EC_P384, 0 },
    { "rsa", KEY_RSA, 3072 },     { "rsa2048", KEY_RSA, 2048 },  { "rsa3072", KEY_RSA, 3072 },
    { "rsa4096", KEY_RSA, 4096 }, { "ed25519", KEY_ED25519, 0 },
};

static const struct {
    const char *name;
    int days;
} kinds[MAKES] = { [MAKE_CA] = { "ca", 3650 },
                   [MAKE_INTERMEDIATE] = { "intermediate", 1825 },
                   [MAKE_SERVER] = { "server", 365 },
                   [MAKE_CLIENT] = { "client", 365 } };

static int help(void)
{
    puts("usage: " USAGE "\n\n"
         "Makes a key and a certificate: OUT.key, readable to you only, and OUT.pem, which\n"
         "has the intermediate CAs behind it.\n\n"
         "  ca            an authority of your own, to be trusted with 'ca = ca.pem'\n"
         "  intermediate  one below it that signs in its place; OUT-chain.pem has all up\n"
         "                to the root\n"
         "  server        for a server; needs the names that clients will use\n"
         "  client        for a client that servers ask for a certificate\n\n"
         "  -n, --name NAME   a host name or address it speaks for; may repeat (others:\n"
         "                    a title)\n"
         "  -d, --days DAYS   how long it is valid (default: ca 3650, intermediate 1825,\n"
         "                    others 365)\n"
         "  -t, --type TYPE   ecdsa (P-256, default), p384, ed25519, rsa (3072 bits),\n"
         "                    rsa2048 or rsa4096\n"
         "  -C, --ca CA       what signs: a directory with ca.pem and ca.key (default: .),\n"
         "                    CA.pem with CA.key beside it, or CERT,KEY\n"
         "  -o, --out OUT     a directory that exists, or the files' path without .pem and\n"
         "                    .key (default: ./ca, ./intermediate, ./server, ./client)\n"
         "  -p, --pkcs12      server, client: OUT.p12 instead, encrypted\n"
         "  -P, --passphrase FILE\n"
         "                    its first line is the passphrase (default: the terminal is\n"
         "                    asked)\n"
         "  -l, --path-length N\n"
         "                    ca, intermediate: how many CAs may be below it in a row\n"
         "                    (default: ca any, intermediate 0)\n"
         "  -O, --only DOMAIN ca, intermediate: for hosts in this domain only; may repeat\n"
         "  -f, --force       write over files that are there\n\n"
         "Exit: 0 written; 1 not, and nothing was changed.\n\n"
         "  sleeve keygen ca && sleeve keygen server -n cache.internal -n 10.0.0.7");
    return EXIT_FINE;
}

/* ---- paths ---- */

static bool join(char to[static 4000], const char *a, const char *b, const char *c)
{
    int n = snprintf(to, 4000, "%s%s%s", a, b, c);

    return n >= 0 && n < 3900;
}

static int too_long(void)
{
    return say(EXIT_BAD, "keygen", "the path is too long");
}

static bool is_directory(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static int set_out(struct job *j, const char *out)
{
    bool fits;

    if (!out || !*out) {
        fits = join(j->base, j->what, "", "");
    } else if (is_directory(out)) {
        fits = join(j->base, out, out[strlen(out) - 1] == '/' ? "" : "/", j->what);
    } else if (out[strlen(out) - 1] == '/') {
        return say(EXIT_BAD, "keygen", "%s: there is no such directory", out);
    } else {
        fits = join(j->base, out, "", "");
    }
    return fits ? 0 : too_long();
}

static int set_ca(struct job *j, const char *ca)
{
    const char *comma = strchr(ca, ',');
    size_t n = strlen(ca);
    char base[4000];
    struct stat st;
    bool fits;

    if (comma && stat(ca, &st) < 0) {
        fits = join(j->ca_key, comma + 1, "", "") && join(j->ca_cert, ca, "", "");
        if (fits) {
            j->ca_cert[comma - ca] = '\0';
        }
        return fits ? 0 : too_long();
    }
    if (is_directory(ca)) {
        fits = join(base, ca, "/ca", "");
    } else {
        fits = join(base, ca, "", "");
        if (fits && n > 4 && strcmp(ca + n - 4, ".pem") == 0) {
            base[n - 4] = '\0';
        }
    }
    fits = fits && join(j->ca_cert, base, "-chain.pem", "") && join(j->ca_key, base, ".key", "");
    if (fits && stat(j->ca_cert, &st) < 0) { /* only an intermediate has that */
        fits = join(j->ca_cert, base, ".pem", "");
    }
    return fits ? 0 : too_long();
}

/* ---- arguments ---- */

static int set_number(int *to, const char *value, long min, long max, const char *what)
{
    char *end;
    long n = strtol(value, &end, 10);

    if (end == value || *end || n < min || n > max) {
        return say(EXIT_BAD, "keygen", "'%s' is not a number of %s (%ld to %ld)", value, what, min,
                   max);
    }
    *to = (int)n;
    return 0;
}

static int set_type(struct job *j, const char *value)
{
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        if (strcmp(value, types[i].name) == 0) {
            j->type = types[i].type;
            j->rsa_bits = types[i].rsa_bits;
            return 0;
        }
    }
    return say(EXIT_BAD, "keygen", "'%s' is not ecdsa, p384, ed25519, rsa, rsa2048 or rsa4096",
               value);
}

static int add_name(const char **names, size_t *n, const char *value)
{
    if (*n == NAMES_MAX || *value == '\0') {
        return say(EXIT_BAD, "keygen", "a name is empty, or there are more than %d", NAMES_MAX);
    }
    names[(*n)++] = value;
    return 0;
}

static int option(struct job *j, int o, const char *value)
{
    switch (o) {
    case 'n':
        return add_name(j->names, &j->nnames, value);
    case 'O':
        return add_name(j->only, &j->nonly, value);
    case 'd':
        return set_number(&j->days, value, 1, 36500, "days");
    case 'l':
        return set_number(&j->path_len, value, 0, 7, "CAs");
    case 't':
        return set_type(j, value);
    case 'P':
        j->passphrase = value;
        return 0;
    case 'p':
        j->pkcs12 = true;
        return 0;
    default:
        j->force = true;
        return 0;
    }
}

/* "*.example" is fine for a certificate, though it is no host. */
static int check_names(const struct job *j)
{
    for (size_t i = 0; i < j->nnames && j->kind == MAKE_SERVER; i++) {
        const char *n = j->names[i];

        if (!host_is_valid(strncmp(n, "*.", 2) == 0 ? n + 2 : n)) {
            return say(EXIT_BAD, "keygen", "'%s' is neither a host name nor an address", n);
        }
    }
    for (size_t i = 0; i < j->nonly; i++) {
        if (!host_is_valid(j->only[i]) || host_is_ip(j->only[i])) {
            return say(EXIT_BAD, "keygen", "'%s' is not a domain", j->only[i]);
        }
    }
    if (j->kind == MAKE_SERVER && j->nnames == 0) {
        return say_usage(USAGE, "keygen", "a server needs --name: what clients will call it");
    }
    if (j->kind != MAKE_SERVER && j->nnames > 1) {
        return say_usage(USAGE, "keygen", "a %s has one --name", j->what);
    }
    return 0;
}

static int check_fit(const struct job *j)
{
    if (!makes_ca(j) && (j->path_len >= 0 || j->nonly)) {
        return say_usage(USAGE, "keygen", "--path-length and --only are for CAs");
    }
    if (makes_ca(j) && j->pkcs12) {
        return say_usage(USAGE, "keygen", "a CA's key is kept as PEM, which keygen signs with");
    }
    if (j->passphrase && !j->pkcs12) {
        return say_usage(USAGE, "keygen", "--passphrase goes with --pkcs12");
    }
    return 0;
}

static int set_kind(struct job *j, int n, char **args)
{
    j->what = n ? args[0] : "";
    while (j->kind < MAKES && strcmp(j->what, kinds[j->kind].name) != 0) {
        j->kind++;
    }
    if (n != 1 || j->kind == MAKES) {
        return say_usage(USAGE, "keygen", "say what to make: ca, intermediate, server or client");
    }
    j->days = j->days ? j->days : kinds[j->kind].days;
    return 0;
}

int cmd_keygen(int argc, char **argv)
{
    static const struct option options[] = { { "name", required_argument, NULL, 'n' },
                                             { "days", required_argument, NULL, 'd' },
                                             { "type", required_argument, NULL, 't' },
                                             { "ca", required_argument, NULL, 'C' },
                                             { "out", required_argument, NULL, 'o' },
                                             { "force", no_argument, NULL, 'f' },
                                             { "pkcs12", no_argument, NULL, 'p' },
                                             { "passphrase", required_argument, NULL, 'P' },
                                             { "path-length", required_argument, NULL, 'l' },
                                             { "only", required_argument, NULL, 'O' },
                                             { "help", no_argument, NULL, 'h' },
                                             { NULL, 0, NULL, 0 } };
    static struct job j = { .type = KEY_EC_P256, .path_len = -1 };
    const char *out = NULL, *ca = ".";
    int o, rc = 0;

    opterr = 0;
    while (rc == 0 && (o = getopt_long(argc, argv, ":n:d:t:C:o:fpP:l:O:h", options, NULL)) != -1) {
        if (o == 'h') {
            return help();
        }
        if (o == '?' || o == ':') {
            return say_usage(USAGE, "keygen", o == ':' ? "%s needs a value" : "unknown option %s",
                             argv[optind - 1]);
        }
        if (o == 'C') {
            ca = optarg;
        } else if (o == 'o') {
            out = optarg;
        } else {
            rc = option(&j, o, optarg);
        }
    }
    rc = rc ? rc : set_kind(&j, argc - optind, argv + optind);
    rc = rc ? rc : check_names(&j);
    rc = rc ? rc : check_fit(&j);
    rc = rc ? rc : set_out(&j, out);
    rc = rc || j.kind == MAKE_CA ? rc : set_ca(&j, ca);
    return rc ? rc : keygen_make(&j);
}
