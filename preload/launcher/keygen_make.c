/* SPDX-License-Identifier: ISC */
/* The work of `sleeve keygen`: the CA is read, key and certificate are made, checked and written.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "preload/launcher/keygen.h"

#define DAY       86400
#define FILES_MAX 3

/* What is made. */
struct made {
    struct privkey *key;
    struct buf cert;                    /* DER */
    struct span chain[CHAIN_MAX_CERTS]; /* the certificate, then the CA's and those above it */
    size_t nchain, nshown;              /* shown: to peers, so without a root */
    int64_t until;
    struct buf key_pem, cert_pem, chain_pem, p12;
};

/* ---- the CA ---- */

static int may_sign(const struct job *j, const struct cert *ca)
{
    int64_t now = (int64_t)time(NULL);
    int room = ca->path_len - 1; /* what the path length of a CA below it may be */

    if (!ca->ca || (ca->has_ku && !(ca->ku & KU_CERT_SIGN))) {
        return say(EXIT_BAD, "keygen", "%s is not the certificate of a CA", j->ca_cert);
    }
    if (ca->not_after <= now) {
        return say(EXIT_BAD, "keygen", "%s has expired", j->ca_cert);
    }
    if (ca->path_len < 0 || j->kind != MAKE_INTERMEDIATE) {
        return 0;
    }
    if (room < 0) {
        return say(EXIT_BAD, "keygen",
                   "%s may not sign for another CA (its path length is 0); sign with the one above "
                   "it",
                   j->ca_cert);
    }
    if (j->path_len > room) {
        return say(EXIT_BAD, "keygen", "%s allows a --path-length of %d at most", j->ca_cert, room);
    }
    return 0;
}

static int load_authority(const struct job *j, struct identity **ca)
{
    SECRET(pass, PASSPHRASE_MAX);
    struct error err = { 0 };
    int rc;

    if (j->kind == MAKE_CA) {
        return 0;
    }
    if (access(j->ca_cert, F_OK) < 0 && errno == ENOENT) {
        return say(EXIT_BAD, "keygen",
                   "there is no %s; make one with 'sleeve keygen ca', or name it with --ca",
                   j->ca_cert);
    }
    rc = identity_from_files(ca, j->ca_cert, j->ca_key, NULL, &err);
    if (rc == ERR_PASSPHRASE && isatty(STDIN_FILENO)) {
        error_clear(&err);
        rc = get_passphrase("keygen", NULL, j->ca_key, false, (char *)pass);
        if (rc) {
            return rc;
        }
        rc = identity_from_files(ca, j->ca_cert, j->ca_key, (char *)pass, &err);
    }
    return rc < 0 ? say(EXIT_BAD, "keygen", "%s", err.text) : may_sign(j, &(*ca)->leaf);
}

/* ---- the certificate ---- */

static int issue(const struct job *j, const struct identity *ca, struct made *m, struct error *err)
{
    static const char *const titles[MAKES] = { "Sleeve private CA", "Sleeve intermediate CA", NULL,
                                               "sleeve client" };
    int64_t now = (int64_t)time(NULL);
    const char *title = j->nnames ? j->names[0] : titles[j->kind];
    bool server = j->kind == MAKE_SERVER;
    struct issue what = {
        .common_name = server && strlen(title) > 64 ? NULL : title, /* it is for people only */
        .names = server ? j->names : NULL,
        .nnames = server ? j->nnames : 0,
        .ca = makes_ca(j),
        .server = server,
        .client = j->kind == MAKE_CLIENT,
        .has_path_len = makes_ca(j) && (j->path_len >= 0 || j->kind == MAKE_INTERMEDIATE),
        .path_len = j->path_len > 0 ? (uint8_t)j->path_len : 0,
        .only = j->only,
        .nonly = j->nonly,
        .not_before = now - 3600, /* clocks differ */
        .not_after = now + (int64_t)j->days * DAY,
        .key = m->key,
        .issuer_key = ca ? ca->key : m->key,
        .issuer = ca ? &ca->leaf : NULL,
    };

    if (ca && what.not_after > ca->leaf.not_after) {
        what.not_after = ca->leaf.not_after; /* it could not be verified any longer than that */
    }
    if (ca && what.not_before < ca->leaf.not_before) {
        what.not_before = ca->leaf.not_before;
    }
    m->until = what.not_after;
    return cert_issue(&what, &m->cert, err);
}

/* As its peers will see it: what the CA may not sign, a name that it is not for above all, is found
 * here. Two CAs of one name, one above the other, would look like a root. */
static int check(const struct job *j, const struct identity *ca, const struct made *m,
                 struct error *err)
{
    struct chain_query q = { .trust = trust_new(),
                             .now = (int64_t)time(NULL),
                             .peer_is_server = j->kind == MAKE_SERVER,
                             .partial = true };
    struct chain_result result;
    struct cert leaf;
    int rc = q.trust ? 0 : FAIL(err, ERR_MEM, "out of memory");

    rc = rc < 0 ? rc : cert_parse(&leaf, buf_span(&m->cert), err);
    if (rc == 0 && ca && leaf.self_issued) {
        rc = FAIL(err, ERR_ARG, "it needs another name than the one above it: --name");
    }
    if (rc == 0 && ca && !makes_ca(j)) {
        rc = trust_add_pem(q.trust, ca->certs[0], err);
        rc = rc < 0 ? rc : chain_verify(&q, &leaf, 1, &result, err);
    }
    trust_unref(q.trust);
    return rc;
}

static void line_up(const struct identity *ca, struct made *m)
{
    struct cert c;

    m->chain[m->nchain++] = buf_span(&m->cert);
    for (size_t i = 0; ca && i < ca->ncerts && m->nchain < CHAIN_MAX_CERTS; i++) {
        m->chain[m->nchain++] = ca->certs[i];
    }
    for (size_t i = 0; i < m->nchain; i++) {
        bool root = cert_parse(&c, m->chain[i], NULL) == 0 && c.self_issued;

        m->nshown += i == 0 || !root;
    }
}

/* A root, which an authority's file may have at its end, is for those who verify. */
static int write_pem(struct buf *to, const struct made *m, bool roots)
{
    struct cert c;

    for (size_t i = 0; i < m->nchain; i++) {
        if (i && !roots && (cert_parse(&c, m->chain[i], NULL) < 0 || c.self_issued)) {
            continue;
        }
        TRY(pem_write(to, "CERTIFICATE", m->chain[i]));
    }
    return 0;
}

static int encode(const struct job *j, struct made *m)
{
    SECRET(pass, PASSPHRASE_MAX);
    int rc = 0;

    if (j->pkcs12) {
        rc = get_passphrase("keygen", j->passphrase, "the PKCS#12 file", true, (char *)pass);
        if (rc) {
            return rc;
        }
        rc = pkcs12_save(m->key, m->chain, m->nchain, j->nnames ? j->names[0] : j->what,
                         (char *)pass, &m->p12);
    } else {
        rc = privkey_write_pem(m->key, &m->key_pem);
        rc = rc ? rc : write_pem(&m->cert_pem, m, false);
        rc = rc ? rc : write_pem(&m->chain_pem, m, true);
    }
    return rc < 0 ? say(EXIT_BAD, "keygen", "the files could not be made: %s", error_name(rc)) : 0;
}

/* ---- the files ---- */

static size_t list_files(const struct job *j, const struct made *m, struct outfile *files)
{
    const struct {
        const char *end;
        const struct buf *bytes;
        mode_t mode;
        bool wanted;
    } all[] = { { ".key", &m->key_pem, 0600, !j->pkcs12 },
                { ".pem", &m->cert_pem, 0644, !j->pkcs12 },
                { "-chain.pem", &m->chain_pem, 0644, j->kind == MAKE_INTERMEDIATE },
                { ".p12", &m->p12, 0600, j->pkcs12 } };
    size_t n = 0;

    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        if (all[i].wanted) {
            (void)snprintf(files[n].path, sizeof files[n].path, "%s%s", j->base, all[i].end);
            files[n].bytes = buf_span(all[i].bytes);
            files[n++].mode = all[i].mode;
        }
    }
    return n;
}

static const char *absolute(const char *path, char text[static PATH_MAX])
{
    return realpath(path, text) ? text : path;
}

/* What those who are to trust it need: the root, or a file with it. */
static void tell_ca(const struct job *j, const struct identity *ca, const char *key)
{
    char name[200], path[PATH_MAX];
    struct cert top;

    if (cert_parse(&top, ca->certs[ca->ncerts - 1], NULL) == 0 && top.self_issued) {
        printf("    %-11s = %s\n", key, absolute(j->ca_cert, path));
    } else {
        printf("    %-11s = the certificate of the root above %s\n", key,
               cert_name_text(ca->leaf.subject, name, sizeof name));
    }
}

static void tell_next(const struct job *j, const struct identity *ca, const char *cert,
                      const char *key)
{
    switch (j->kind) {
    case MAKE_CA:
        printf("Next: 'sleeve keygen server -n HOST', and in the rules of its clients:\n"
               "    ca = %s\n",
               cert);
        puts("Keep the key where only you can read it: who has it can be any server.");
        break;
    case MAKE_INTERMEDIATE:
        printf("Next: 'sleeve keygen server -n HOST -C %s'.\n"
               "Clients go on trusting the root, whose key is not needed until the next time: keep "
               "it offline.\n",
               cert);
        break;
    default:
        printf("Next, in the %s's rule:\n    cert        = %s\n", j->what, cert);
        if (key) {
            printf("    key         = %s\n", key);
        }
        if (j->kind == MAKE_SERVER) {
            puts("and in its clients' rules:");
            tell_ca(j, ca, "ca");
        } else {
            puts("and in the server's rule:");
            tell_ca(j, ca, "client-ca");
            puts("    client-auth = require");
        }
    }
}

static void tell(const struct job *j, const struct identity *ca, const struct outfile *files,
                 size_t n, const struct made *m)
{
    char date[32], text[FILES_MAX][PATH_MAX];
    const char *paths[FILES_MAX] = { NULL };

    for (size_t i = 0; i < n; i++) {
        paths[i] = absolute(files[i].path, text[i]);
    }
    date_text(m->until, date);
    if (j->pkcs12) {
        printf("PKCS#12      %s  (until %.10s)\n\n", paths[0], date);
        puts("It holds the key, its certificate and those above it, all encrypted.");
        return;
    }
    printf("certificate  %s  (until %.10s)\n", paths[1], date);
    if (m->nshown > 1) {
        printf("             (behind it: %zu intermediate CA%s, to be sent along)\n", m->nshown - 1,
               m->nshown == 2 ? "" : "s");
    }
    printf("private key  %s  (readable to you only)\n", paths[0]);
    if (paths[2]) {
        printf("whole chain  %s  (up to the root)\n", paths[2]);
    }
    if (j->kind == MAKE_SERVER && j->days > BROWSER_MAX) {
        printf("\nBrowsers do not take a server's certificate for more than %d days.\n",
               BROWSER_MAX);
    }
    putchar('\n');
    tell_next(j, ca, paths[1], paths[0]);
}

/* ---- */

static int make(const struct job *j, const struct identity *ca, struct made *m)
{
    struct error err = { 0 };
    int rc;

    if (privkey_generate(&m->key, j->type, j->rsa_bits) < 0) {
        return say(EXIT_BAD, "keygen", "the key could not be made");
    }
    rc = issue(j, ca, m, &err);
    rc = rc < 0 ? rc : check(j, ca, m, &err);
    if (rc < 0) {
        return say(EXIT_BAD, "keygen", "%s", err.code ? err.text : error_name(rc));
    }
    line_up(ca, m);
    return encode(j, m);
}

int keygen_make(const struct job *j)
{
    static struct outfile files[FILES_MAX];
    struct made m = { .key_pem = { .secret = true } };
    struct identity *ca = NULL;
    size_t n = list_files(j, &m, files);
    int rc = check_new("keygen", files, n, j->force); /* before anybody is asked for anything */

    if (rc == 0 && crypto_init() < 0) {
        rc = say(EXIT_BAD, "keygen", "the cryptographic library cannot be used");
    }
    rc = rc ? rc : load_authority(j, &ca);
    rc = rc ? rc : make(j, ca, &m);
    if (rc == 0) {
        n = list_files(j, &m, files);
        rc = write_files("keygen", files, n, j->force);
    }
    if (rc == 0) {
        tell(j, ca, files, n, &m);
    }
    buf_free(&m.key_pem);
    buf_free(&m.cert_pem);
    buf_free(&m.chain_pem);
    buf_free(&m.p12);
    buf_free(&m.cert);
    privkey_unref(m.key);
    identity_unref(ca);
    return rc;
}
