/* SPDX-License-Identifier: ISC */
/* An identity out of what people have: files of any container, keys behind a URI; and where the
 * passphrase comes from. */
#include "base/buf.h"
#include "base/mem.h"
#include "base/secret.h"
#include "x509/parts.h"

static bool is_alpha(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool is_uri(const char *s)
{
    size_t n = 0;

    while (is_alpha(s[n]) || (n && ((s[n] >= '0' && s[n] <= '9') || strchr("+-.", s[n])) && s[n])) {
        n++;
    }
    return n > 0 && s[n] == ':';
}

static int hex(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

bool where_is_file(const char *where)
{
    return !is_uri(where) || strncmp(where, "file:", 5) == 0;
}

int uri_path(char **path, const char *uri, struct error *err)
{
    const char *p = uri + strlen("file:");
    size_t n = 0;

    *path = NULL;
    if (strncmp(p, "//", 2) == 0) {
        p += 2;
        p += strncmp(p, "localhost/", 10) == 0 ? 9 : 0;
    }
    if (*p != '/') {
        return FAIL(err, ERR_ARG, "%.80s is not the URI of a file here: file:/its/path", uri);
    }
    *path = mem_alloc(strlen(p) + 1);
    if (!*path) {
        return FAIL(err, ERR_MEM, "out of memory");
    }
    for (; *p; p++) {
        int c = (unsigned char)*p;

        if (c == '%') {
            c = hex(p[1]) < 0 || hex(p[2]) < 0 ? 0 : hex(p[1]) << 4 | hex(p[2]);
            p += 2;
        }
        if (!c) { /* %00 would end the path early */
            return FAIL(err, ERR_ARG, "%.80s has a percent sign without two hex digits", uri);
        }
        (*path)[n++] = (char)c;
    }
    (*path)[n] = '\0';
    return 0;
}

static int read_where(const char *where, struct buf *out, struct error *err)
{
    char *path = NULL;
    int rc = is_uri(where) ? uri_path(&path, where, err) : 0;

    if (rc == 0) {
        rc = file_read(path ? path : where, out, err);
    }
    mem_free(path);
    return rc;
}

/* ---- the passphrase ---- */

int passphrase_read(const char *file, char out[static PASSPHRASE_MAX], struct error *err)
{
    struct buf b = { .secret = true };
    int rc = file_read(file, &b, err);
    size_t n = 0;

    if (rc == 0) {
        const uint8_t *p = buf_data(&b);

        while (n < buf_len(&b) && p[n] != '\n' && n < PASSPHRASE_MAX) {
            n++;
        }
        n -= n && p[n - 1] == '\r';
        if (n >= PASSPHRASE_MAX || (n && memchr(p, 0, n))) {
            rc = FAIL(
                err, ERR_PASSPHRASE,
                "the first line of %.80s is no passphrase: at most %d bytes, none of them zero",
                file, PASSPHRASE_MAX - 1);
        } else {
            if (n) {
                memcpy(out, p, n);
            }
            out[n] = '\0';
        }
    }
    buf_free(&b);
    return rc;
}

static bool can_ask(const struct passphrase *p)
{
    return !p->text && (p->fn || p->file);
}

static int ask(const struct passphrase *p, const char *what, char out[static PASSPHRASE_MAX],
               struct error *err)
{
    int n;

    if (!p->fn) {
        return passphrase_read(p->file, out, err);
    }
    n = p->fn(p->arg, what, out, PASSPHRASE_MAX);
    if (n < 0 || n >= PASSPHRASE_MAX) {
        return FAIL(err, ERR_PASSPHRASE, "it is encrypted and the passphrase callback gave %s",
                    n < 0 ? "none" : "one that is too long");
    }
    out[n] = '\0';
    return 0;
}

/* ---- all of it ---- */

/* What was read, so that a second try with a passphrase reads nothing again. */
struct contents {
    const char *key_at; /* where the key is */
    struct buf certs, key;
};

static int load_key(struct privkey **key, const struct identity_source *from,
                    const struct contents *c, const char *pass, struct error *err)
{
    /* A TPM's key may be in a file that only its provider can read. */
    if (!where_is_file(c->key_at) || from->provider) {
        return store_load(c->key_at, from->provider, pass, key, NULL, err);
    }
    return key_from_bytes(key, buf_span(c->key_at == from->certs ? &c->certs : &c->key), pass, err);
}

static int load(struct identity **out, const struct identity_source *from, const struct contents *c,
                const char *pass, struct error *err)
{
    struct buf pem = { 0 };
    struct span certs = buf_span(&c->certs);
    struct privkey *key = NULL;
    int rc = load_key(&key, from, c, pass, err);

    if (rc == 0 && !where_is_file(from->certs)) {
        rc = store_load(from->certs, from->provider, pass, NULL, &pem, err);
        certs = buf_span(&pem);
    }
    if (rc == 0) {
        rc = identity_from_key(out, certs, key, pass, err);
    }
    privkey_unref(key);
    buf_free(&pem);
    return rc;
}

int identity_load(struct identity **out, const struct identity_source *from, struct error *err)
{
    const bool apart = from->key && strcmp(from->key, from->certs) != 0;
    struct contents c = { .key_at = apart ? from->key : from->certs,
                          .certs = { .secret = true },
                          .key = { .secret = true } };
    SECRET(pass, PASSPHRASE_MAX);
    struct error why;
    int rc = 0;

    *out = NULL;
    error_clear(&why);
    if (where_is_file(from->certs)) {
        rc = read_where(from->certs, &c.certs, err);
    }
    if (rc == 0 && apart && where_is_file(from->key) && !from->provider) {
        rc = read_where(from->key, &c.key, err);
    }
    if (rc == 0) {
        rc = load(out, from, &c, from->pass.text, &why);
    }
    if (rc == ERR_PASSPHRASE && can_ask(&from->pass)) {
        error_clear(&why);
        rc = ask(&from->pass, c.key_at, (char *)pass, &why);
        rc = rc == 0 ? load(out, from, &c, (const char *)pass, &why) : rc;
    }
    if (rc < 0 && why.code) {
        (void)FAIL(err, rc, "%.60s%s%.60s: %s", from->certs, apart ? ", " : "",
                   apart ? from->key : "", why.text);
    }
    buf_free(&c.key);
    buf_free(&c.certs);
    return rc;
}

int identity_from_files(struct identity **out, const char *certs, const char *key, const char *pass,
                        struct error *err)
{
    const struct identity_source from = { .certs = certs, .key = key, .pass = { .text = pass } };

    return identity_load(out, &from, err);
}
