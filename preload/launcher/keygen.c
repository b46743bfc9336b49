/* SPDX-License-Identifier: ISC */
/* sleeve keygen: a private CA, and certificates for servers and clients. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "preload/launcher/launcher.h"

#define USAGE \
    "sleeve keygen ca|server|client [-n NAME]... [-d DAYS] [-t TYPE] [-C CA] [-o OUT] [-f]"
#define DAY       86400
#define NAMES_MAX 64
#define RSA_BITS  3072

static int help(void)
{
    puts(
        "usage: " USAGE "\n\n"
        "Makes a key and a certificate: OUT.pem and OUT.key, as PEM; the key is readable to you only.\n\n"
        "  ca      an authority of your own, to be trusted with 'ca = ca.pem'\n"
        "  server  for a server; needs the names that clients will use\n"
        "  client  for a client that servers ask for a certificate\n\n"
        "  -n, --name NAME   a host name or address it speaks for (ca, client: a title); may repeat\n"
        "  -d, --days DAYS   how long it is valid (default: ca 3650, others 365)\n"
        "  -t, --type TYPE   ecdsa (P-256, default), rsa (3072 bits) or ed25519\n"
        "  -C, --ca CA       directory with ca.pem and ca.key, or CERT,KEY (default: .)\n"
        "  -o, --out OUT     a directory that exists, or the files' path without .pem and .key\n"
        "                    (default: ./ca, ./server or ./client)\n"
        "  -f, --force       write over files that are there\n\n"
        "Exit: 0 written; 1 not, and nothing was changed.\n\n"
        "  sleeve keygen ca && sleeve keygen server -n cache.internal -n 10.0.0.7");
    return EXIT_FINE;
}

struct job {
    const char *what;
    bool ca, server;
    const char *names[NAMES_MAX];
    size_t nnames;
    int days;
    enum key_type type;
    char ca_cert[4096], ca_key[4096], cert[4096], key[4096];
    bool force;
};

/* What the CA is read into; the certificate is a view of `der`. */
struct authority {
    struct identity *id;
    const struct cert *cert; /* NULL: the new certificate signs itself */
};

/* ---- files ---- */

/* Complete and durable under a name of its own first, so that a crash leaves the old file or the
 * new one. Without force, link() is what refuses to overwrite. */
static int write_file(const char *path, struct span bytes, mode_t mode, bool force)
{
    char temp[4200];
    size_t done = 0;
    int fd, rc = -1, saved;

    (void)snprintf(temp, sizeof temp, "%s.%d.tmp", path, (int)getpid());
    fd = open(temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
    if (fd < 0) {
        return say(EXIT_BAD, "keygen", "%s: %s", temp, strerror(errno));
    }
    while (done < bytes.n) {
        ssize_t n = write(fd, bytes.p + done, bytes.n - done);

        if (n < 0 && errno != EINTR) {
            break;
        }
        done += n > 0 ? (size_t)n : 0;
    }
    if (done == bytes.n && fchmod(fd, mode) == 0 && fsync(fd) == 0) {
        rc = force ? rename(temp, path) : link(temp, path);
    }
    saved = errno;
    close(fd);
    if (rc != 0 || !force) {
        (void)unlink(temp);
    }
    return rc == 0 ? 0 : say(EXIT_BAD, "keygen", "%s: %s", path, strerror(saved));
}

static int must_be_new(const struct job *j)
{
    const char *paths[] = { j->key, j->cert };
    struct stat st;

    for (size_t i = 0; i < 2 && !j->force; i++) {
        if (lstat(paths[i], &st) == 0) {
            return say(EXIT_BAD, "keygen", "%s is there already; --force writes over it", paths[i]);
        }
    }
    return 0;
}

/* The key first: a certificate without its key would be worse than a key without certificate. */
static int write_both(const struct job *j, const struct buf *key, const struct buf *cert)
{
    int rc = write_file(j->key, buf_span(key), 0600, j->force);

    if (rc == 0) {
        rc = write_file(j->cert, buf_span(cert), 0644, j->force);
        if (rc != 0 && !j->force) {
            (void)unlink(j->key);
        }
    }
    return rc;
}

static bool join(char to[static 4096], const char *a, const char *b, const char *c)
{
    int n = snprintf(to, 4000, "%s%s%s", a, b, c);

    return n >= 0 && n < 4000;
}

static int set_out(struct job *j, const char *out)
{
    struct stat st;
    char base[4096];
    bool fits;

    if (!out || !*out) {
        fits = join(base, j->what, "", "");
    } else if (stat(out, &st) == 0 && S_ISDIR(st.st_mode)) {
        fits = join(base, out, out[strlen(out) - 1] == '/' ? "" : "/", j->what);
    } else if (out[strlen(out) - 1] == '/') {
        return say(EXIT_BAD, "keygen", "%s: there is no such directory", out);
    } else {
        fits = join(base, out, "", "");
    }
    if (!fits || !join(j->cert, base, ".pem", "") || !join(j->key, base, ".key", "")) {
        return say(EXIT_BAD, "keygen", "the path is too long");
    }
    return 0;
}

static int set_ca(struct job *j, const char *ca)
{
    const char *comma = strchr(ca, ',');
    struct stat st;
    bool fits;

    if (comma && stat(ca, &st) < 0) {
        fits = join(j->ca_key, comma + 1, "", "") && comma - ca < 4000;
        if (fits) {
            (void)snprintf(j->ca_cert, sizeof j->ca_cert, "%.*s", (int)(comma - ca), ca);
        }
    } else {
        fits = join(j->ca_cert, ca, "/ca.pem", "") && join(j->ca_key, ca, "/ca.key", "");
    }
    return fits ? 0 : say(EXIT_BAD, "keygen", "the path is too long");
}

/* ---- the work ---- */

static int load_authority(const struct job *j, struct authority *a)
{
    struct error err = { 0 };
    int64_t now = (int64_t)time(NULL);

    if (j->ca) {
        return 0;
    }
    if (access(j->ca_cert, F_OK) < 0 && errno == ENOENT) {
        return say(EXIT_BAD, "keygen",
                   "there is no %s; make one with 'sleeve keygen ca', or name it with --ca",
                   j->ca_cert);
    }
    if (identity_from_files(&a->id, j->ca_cert, j->ca_key, NULL, &err) < 0) {
        return say(EXIT_BAD, "keygen", "%s", err.text);
    }
    a->cert = &a->id->leaf;
    if (!a->cert->ca) {
        return say(EXIT_BAD, "keygen", "%s is not the certificate of a CA", j->ca_cert);
    }
    if (a->cert->not_after <= now) {
        return say(EXIT_BAD, "keygen", "%s has expired", j->ca_cert);
    }
    return 0;
}

static int make(const struct job *j, const struct authority *a, struct privkey *key,
                struct buf *pem, int64_t *until)
{
    int64_t now = (int64_t)time(NULL);
    struct buf der = { 0 };
    struct error err = { 0 };
    struct issue what = {
        .common_name = j->nnames ? j->names[0]
                       : j->ca   ? "Sleeve private CA"
                                 : "sleeve client",
        .names = j->server ? j->names : NULL,
        .nnames = j->server ? j->nnames : 0,
        .ca = j->ca,
        .server = j->server,
        .client = !j->ca && !j->server,
        .not_before = now - 3600, /* clocks differ */
        .not_after = now + (int64_t)j->days * DAY,
        .key = key,
        .issuer_key = a->id ? a->id->key : key,
        .issuer = a->cert,
    };
    int rc;

    if (a->cert && what.not_after > a->cert->not_after) {
        what.not_after = a->cert->not_after; /* it could not be verified any longer than that */
    }
    if (a->cert && what.not_before < a->cert->not_before) {
        what.not_before = a->cert->not_before;
    }
    *until = what.not_after;
    rc = cert_issue(&what, &der, &err);
    if (rc == 0) {
        rc = pem_write(pem, "CERTIFICATE", buf_span(&der));
    }
    buf_free(&der);
    return rc == 0 ? 0 : say(EXIT_BAD, "keygen", "%s", err.code ? err.text : error_name(rc));
}

static const char *absolute(const char *path, char text[static PATH_MAX])
{
    return realpath(path, text) ? text : path;
}

static void tell(const struct job *j, int64_t until)
{
    char date[32], text[3][PATH_MAX];
    const char *cert = absolute(j->cert, text[0]), *key = absolute(j->key, text[1]);
    const char *ca = j->ca ? cert : absolute(j->ca_cert, text[2]);

    printf("certificate  %s  (until %.10s)\n", cert, date_text(until, date));
    printf("private key  %s  (readable to you only)\n\n", key);
    if (j->ca) {
        printf(
            "Next: 'sleeve keygen server -n HOST', and in the rules of its clients:\n    ca = %s\n",
            ca);
        puts("Keep the key where only you can read it: who has it can be any server.");
    } else if (j->server) {
        printf("Next, in the server's rule:\n    cert = %s\n    key  = %s\n", cert, key);
        printf("and in its clients' rules:\n    ca   = %s\n", ca);
    } else {
        printf("Next, in the client's rule:\n    cert = %s\n    key  = %s\n", cert, key);
        printf("and in the server's rule:\n    client-ca   = %s\n    client-auth = require\n", ca);
    }
}

static int keygen(const struct job *j)
{
    struct buf key_pem = { .secret = true }, cert_pem = { 0 };
    struct authority a = { 0 };
    struct privkey *key = NULL;
    int64_t until = 0;
    int rc = must_be_new(j);

    if (rc == 0 && crypto_init() < 0) {
        rc = say(EXIT_BAD, "keygen", "the cryptographic library cannot be used");
    }
    rc = rc ? rc : load_authority(j, &a);
    if (rc == 0 &&
        (privkey_generate(&key, j->type, RSA_BITS) < 0 || privkey_write_pem(key, &key_pem) < 0)) {
        rc = say(EXIT_BAD, "keygen", "the key could not be made");
    }
    rc = rc ? rc : make(j, &a, key, &cert_pem, &until);
    rc = rc ? rc : write_both(j, &key_pem, &cert_pem);
    if (rc == 0) {
        tell(j, until);
    }
    buf_free(&key_pem);
    buf_free(&cert_pem);
    privkey_unref(key);
    identity_unref(a.id);
    return rc;
}

/* ---- arguments ---- */

static int option(struct job *j, int o, const char *value)
{
    char *end;
    long days;

    switch (o) {
    case 'n':
        if (j->nnames == NAMES_MAX || *value == '\0') {
            return say(EXIT_BAD, "keygen", "a name is empty, or there are more than %d", NAMES_MAX);
        }
        j->names[j->nnames++] = value;
        return 0;
    case 'd':
        days = strtol(value, &end, 10);
        if (end == value || *end || days < 1 || days > 36500) {
            return say(EXIT_BAD, "keygen", "'%s' is not a number of days (1 to 36500)", value);
        }
        j->days = (int)days;
        return 0;
    case 't':
        j->type = strcmp(value, "ecdsa") == 0     ? KEY_EC_P256
                  : strcmp(value, "rsa") == 0     ? KEY_RSA
                  : strcmp(value, "ed25519") == 0 ? KEY_ED25519
                                                  : KEY_NONE;
        return j->type != KEY_NONE
                   ? 0
                   : say(EXIT_BAD, "keygen", "'%s' is not ecdsa, rsa or ed25519", value);
    default:
        j->force = true;
        return 0;
    }
}

/* "*.example" is fine for a certificate, though it is no host. */
static int check_names(const struct job *j)
{
    for (size_t i = 0; i < j->nnames && j->server; i++) {
        const char *n = j->names[i];

        if (!host_is_valid(strncmp(n, "*.", 2) == 0 ? n + 2 : n)) {
            return say(EXIT_BAD, "keygen", "'%s' is neither a host name nor an address", n);
        }
    }
    if (j->server && j->nnames == 0) {
        return say_usage(USAGE, "keygen", "a server needs --name: what clients will call it");
    }
    if (!j->server && j->nnames > 1) {
        return say_usage(USAGE, "keygen", "a %s has one --name", j->what);
    }
    return 0;
}

int cmd_keygen(int argc, char **argv)
{
    static const struct option options[] = {
        { "name", required_argument, NULL, 'n' }, { "days", required_argument, NULL, 'd' },
        { "type", required_argument, NULL, 't' }, { "ca", required_argument, NULL, 'C' },
        { "out", required_argument, NULL, 'o' },  { "force", no_argument, NULL, 'f' },
        { "help", no_argument, NULL, 'h' },       { NULL, 0, NULL, 0 }
    };
    static struct job j = { .type = KEY_EC_P256 };
    const char *out = NULL, *ca = ".";
    int o, rc = 0;

    opterr = 0;
    while (rc == 0 && (o = getopt_long(argc, argv, ":n:d:t:C:o:fh", options, NULL)) != -1) {
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
    if (rc) {
        return rc;
    }
    j.what = optind < argc ? argv[optind] : "";
    j.ca = strcmp(j.what, "ca") == 0;
    j.server = strcmp(j.what, "server") == 0;
    if (argc - optind != 1 || (!j.ca && !j.server && strcmp(j.what, "client") != 0)) {
        return say_usage(USAGE, "keygen", "say what to make: ca, server or client");
    }
    j.days = j.days ? j.days : j.ca ? 3650 : 365;
    rc = check_names(&j);
    rc = rc ? rc : set_out(&j, out);
    rc = rc || j.ca ? rc : set_ca(&j, ca);
    return rc ? rc : keygen(&j);
}
