/* SPDX-License-Identifier: ISC */
/* The sealed configuration of a TLS rule: certificates and keys are read here, at load, while the
 * program still has the privileges it was started with. */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "preload/rules_parts.h"
#include "base/mem.h"
#include "base/secret.h"

#define ALPN_MAX 16

/* Bundles are shared by the rules: the system's takes milliseconds to read. */
struct ca_cache {
    struct ca_cache *next;
    struct trust *trust;
    const char *path;
};

void ca_cache_free(struct policy *p)
{
    while (p->cas) {
        struct ca_cache *next = p->cas->next;

        trust_unref(p->cas->trust);
        mem_free(p->cas);
        p->cas = next;
    }
}

/* NULL: *err says why. The cache owns it. */
static struct trust *trust_of(struct policy *p, const char *path, struct error *err)
{
    struct ca_cache *c;
    int rc;

    for (c = p->cas; c; c = c->next) {
        if (strcmp(c->path, path) == 0) {
            return c->trust;
        }
    }
    c = mem_zalloc(sizeof *c);
    if (!c || !(c->trust = trust_new())) {
        mem_free(c);
        (void)FAIL(err, ERR_MEM, "out of memory");
        return NULL;
    }
    c->path = path;
    rc = strcmp(path, "system") == 0 ? trust_add_system(c->trust, err)
                                     : trust_add_path(c->trust, path, err);
    if (rc <= 0) {
        (void)FAIL(err, ERR_PARSE, "no certificate in it");
        trust_unref(c->trust);
        mem_free(c);
        return NULL;
    }
    c->next = p->cas;
    p->cas = c;
    return c->trust;
}

static int64_t now(void)
{
    return (int64_t)time(NULL);
}

/* One line "LABEL RANDOM SECRET" more in the file named by ctx. Opened for each: the program may
 * close or change whatever it finds between two of them. */
static void keylog_line(void *ctx, const char *line)
{
    int fd = open(ctx, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NOFOLLOW, 0600);
    char text[512];
    int n = snprintf(text, sizeof text, "%s\n", line);

    if (fd >= 0 && n > 0 && (size_t)n < sizeof text) {
        ssize_t done = write(fd, text, (size_t)n);

        (void)done; /* a full disk costs a line of the log, not the connection */
    }
    wipe(text, sizeof text);
    if (fd >= 0) {
        close(fd);
    }
}

/* ---- verify = pin:sha256:... ---- */

static int hex_digit(char c)
{
    const char *digits = "0123456789abcdef", *d = strchr(digits, tolower((unsigned char)c));

    return c && d ? (int)(d - digits) : -1;
}

static bool pin_from_hex(const char *text, uint8_t pin[static 32])
{
    if (strlen(text) != 64) {
        return false;
    }
    for (size_t i = 0; i < 32; i++) {
        int hi = hex_digit(text[2 * i]), lo = hex_digit(text[2 * i + 1]);

        if (hi < 0 || lo < 0) {
            return false;
        }
        pin[i] = (uint8_t)(hi << 4 | lo);
    }
    return true;
}

/* 43 digits and "=": RFC 4648 section 4, the two spare bits zero. */
static bool pin_from_base64(const char *text, uint8_t pin[static 32])
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    unsigned bits = 0;
    uint32_t acc = 0;
    size_t n = 0;

    if (strlen(text) != 44 || text[43] != '=') {
        return false;
    }
    for (size_t i = 0; i < 43; i++) {
        const char *d = strchr(digits, text[i]);

        if (!d) {
            return false;
        }
        acc = (acc << 6 | (uint32_t)(d - digits)) & 0xffff;
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            pin[n++] = (uint8_t)(acc >> bits);
        }
    }
    return (acc & 3) == 0;
}

static int pin_verify(void *ctx, struct tls *t, const struct cert *chain, size_t n, int alert)
{
    uint8_t digest[HASH_MAX];

    (void)t;
    (void)alert;
    if (n == 0 || hash_once(HASH_SHA256, chain[0].spki.p, chain[0].spki.n, digest) < 0) {
        return ALERT_BAD_CERTIFICATE;
    }
    return ct_equal(digest, ctx, 32) ? 0 : ALERT_BAD_CERTIFICATE;
}

/* ---- the parts ---- */

struct plan {
    struct policy *p;
    struct policy_rule *r;
    const struct section *s;
    struct config *c; /* NULL: only checking */
    bool anchored;    /* the chain will be verified: anchors are needed */
};

/* A setter of the engine has refused a value. */
static int refused(struct plan *pl, enum key k, int rc)
{
    const struct section *home = NULL;

    (void)setting_of(pl->p, pl->s, k, &home);
    if (rc == 0 || !home) {
        return rc == 0 ? 0 : FAIL(&pl->p->error, rc, "%s", error_name(rc));
    }
    return wrong_value(pl->p, home, k, error_name(rc));
}

static int plan_verify(struct plan *pl)
{
    static const char head[] = "pin:sha256:";
    const struct section *home = NULL;
    const char *v = setting_of(pl->p, pl->s, KEY_VERIFY, &home);
    enum verify_mode mode = VERIFY_FULL;
    uint8_t pin[32];

    if (!v || strcmp(v, "full") == 0) {
        mode = VERIFY_FULL;
    } else if (strcmp(v, "ca") == 0) {
        mode = VERIFY_CA;
    } else if (strcmp(v, "none") == 0) {
        mode = VERIFY_NONE;
        pl->r->pub.unverified = true;
    } else if (strncmp(v, head, sizeof head - 1) == 0) {
        v += sizeof head - 1;
        if (!pin_from_hex(v, pin) && !pin_from_base64(v, pin)) {
            return wrong_value(pl->p, home, KEY_VERIFY, "a pin is 64 hex digits or 44 of base64");
        }
        if (pl->c) {
            char *kept = keep_text(pl->p, (const char *)pin, sizeof pin);

            if (!kept) {
                return ERR_MEM;
            }
            TRY(refused(pl, KEY_VERIFY, config_set_verify_callback(pl->c, pin_verify, kept)));
        }
        mode = VERIFY_NONE; /* the key itself is what is trusted; the peer still proves it has it */
    } else {
        return wrong_value(pl->p, home, KEY_VERIFY, "it is full, ca, none or pin:sha256:DIGEST");
    }
    pl->anchored = mode != VERIFY_NONE;
    return pl->c ? refused(pl, KEY_VERIFY, config_set_verify(pl->c, mode)) : 0;
}

static int plan_trust(struct plan *pl, enum key k, const char *otherwise)
{
    const struct section *home = NULL;
    const char *v = setting_of(pl->p, pl->s, k, &home), *path;
    struct error err = { 0 };
    struct trust *t;

    if (!pl->c || (!home && !otherwise)) {
        return 0;
    }
    path = !home ? otherwise : strcmp(v, "system") == 0 ? v : path_of(pl->p, home, v);
    t = path ? trust_of(pl->p, path, &err) : NULL;
    if (!t) {
        return home ? wrong_value(pl->p, home, k, err.text)
                    : problem(pl->p, ERR_FILE, pl->s->file, pl->s->line, "ca = system: %s",
                              err.text);
    }
    return refused(pl, k, config_set_trust(pl->c, t));
}

static int plan_client_auth(struct plan *pl)
{
    const char *v = pl->s->set[KEY_CLIENT_AUTH].value, *ca = pl->s->set[KEY_CLIENT_CA].value;
    enum client_auth mode = ca ? CLIENT_AUTH_REQUIRE : CLIENT_AUTH_NONE;

    if (v && strcmp(v, "none") == 0) {
        mode = CLIENT_AUTH_NONE;
    } else if (v && strcmp(v, "request") == 0) {
        mode = CLIENT_AUTH_REQUEST;
    } else if (v && strcmp(v, "require") == 0) {
        mode = CLIENT_AUTH_REQUIRE;
    } else if (v) {
        return wrong_value(pl->p, pl->s, KEY_CLIENT_AUTH, "it is none, request or require");
    }
    if (mode != CLIENT_AUTH_NONE && !ca) {
        return wrong_value(pl->p, pl->s, KEY_CLIENT_AUTH, "'client-ca' is needed for that");
    }
    TRY(plan_trust(pl, KEY_CLIENT_CA, NULL));
    return pl->c ? refused(pl, KEY_CLIENT_AUTH, config_set_client_auth(pl->c, mode)) : 0;
}

static int version_of(struct plan *pl, enum key k, unsigned otherwise, unsigned *version)
{
    const struct section *home;
    const char *v = setting_of(pl->p, pl->s, k, &home);

    *version = otherwise;
    if (!v) {
        return 0;
    }
    if (strcmp(v, "1.2") != 0 && strcmp(v, "1.3") != 0) {
        return wrong_value(pl->p, home, k, "it is 1.2 or 1.3");
    }
    *version = v[2] == '2' ? TLS_1_2 : TLS_1_3;
    return 0;
}

static int plan_versions(struct plan *pl)
{
    unsigned min, max;
    enum key k =
        setting_of(pl->p, pl->s, KEY_MAX_VERSION, NULL) ? KEY_MAX_VERSION : KEY_MIN_VERSION;

    TRY(version_of(pl, KEY_MIN_VERSION, TLS_1_2, &min));
    TRY(version_of(pl, KEY_MAX_VERSION, TLS_1_3, &max));
    if (min > max) {
        return problem(pl->p, ERR_PARSE, pl->s->file, pl->s->line,
                       "min-version is above max-version");
    }
    if (!pl->c || !setting_of(pl->p, pl->s, k, NULL)) {
        return 0;
    }
    return refused(pl, k, config_set_versions(pl->c, min, max));
}

static int plan_alpn(struct plan *pl)
{
    const char *v = pl->s->set[KEY_ALPN].value, *names[ALPN_MAX];
    size_t n = 0;

    while (v && *v) {
        size_t len;

        v += strspn(v, ", \t");
        len = strcspn(v, ", \t");
        if (len == 0) {
            break;
        }
        if (n == ALPN_MAX || len > 255) {
            return wrong_value(pl->p, pl->s, KEY_ALPN, "at most 16 names of at most 255 bytes");
        }
        names[n] = keep_text(pl->p, v, len);
        if (!names[n++]) {
            return ERR_MEM;
        }
        v += len;
    }
    if (pl->s->set[KEY_ALPN].value && n == 0) {
        return wrong_value(pl->p, pl->s, KEY_ALPN, "there is no name in it");
    }
    return pl->c && n ? refused(pl, KEY_ALPN, config_set_alpn(pl->c, names, n)) : 0;
}

/* The first line of the file. */
static int passphrase(struct plan *pl, char *pass, size_t size)
{
    const char *v = pl->s->set[KEY_KEY_PASS].value, *path = path_of(pl->p, pl->s, v);
    struct buf text = { .secret = true };
    struct error err = { 0 };
    size_t n = 0;
    int rc = 0;

    if (!path || file_read(path, &text, &err) < 0) {
        rc = wrong_value(pl->p, pl->s, KEY_KEY_PASS, err.text);
    } else {
        const char *p = (const char *)buf_data(&text);

        while (n < buf_len(&text) && p[n] != '\n' && p[n] != '\r' && p[n]) {
            n++;
        }
        if (n == 0 || n >= size) {
            rc = wrong_value(pl->p, pl->s, KEY_KEY_PASS, "its first line is no passphrase");
        } else {
            memcpy(pass, p, n);
            pass[n] = '\0';
        }
    }
    buf_free(&text);
    return rc;
}

static int plan_identity(struct plan *pl)
{
    const char *cert = pl->s->set[KEY_CERT].value, *key = pl->s->set[KEY_KEY].value;
    struct identity *id = NULL;
    struct error err = { 0 };
    SECRET(pass, 1024);
    bool has_pass = pl->s->set[KEY_KEY_PASS].value != NULL;
    int rc;

    if (!cert) {
        if (key) {
            return wrong_value(pl->p, pl->s, KEY_KEY, "there is no 'cert' to go with it");
        }
        if (pl->r->pub.role == TLS_SERVER) {
            return problem(pl->p, ERR_PARSE, pl->s->file, pl->s->line,
                           "[rule %s %s]: a server needs 'cert' and 'key'", pl->s->app,
                           pl->s->label);
        }
        return 0;
    }
    if (!pl->c) {
        return 0;
    }
    if (has_pass) {
        TRY(passphrase(pl, (char *)pass, sizeof pass));
    }
    cert = path_of(pl->p, pl->s, cert);
    key = key ? path_of(pl->p, pl->s, key) : cert;
    if (!cert || !key) {
        return ERR_MEM;
    }
    rc = identity_from_files(&id, cert, key, has_pass ? (const char *)pass : NULL, &err);
    if (rc < 0) {
        return wrong_value(pl->p, pl->s, KEY_CERT, err.code ? err.text : error_name(rc));
    }
    rc = refused(pl, KEY_CERT, config_add_identity(pl->c, id));
    identity_unref(id);
    return rc;
}

static int plan_keylog(struct plan *pl)
{
    const struct section *home;
    const char *v = setting_of(pl->p, pl->s, KEY_KEYLOG, &home), *path;

    if (!v) {
        return 0;
    }
    path = path_of(pl->p, home, v);
    if (!path) {
        return ERR_MEM;
    }
    pl->r->pub.keylog = path;
    return pl->c ? refused(pl, KEY_KEYLOG,
                           config_set_keylog(pl->c, keylog_line, (void *)(uintptr_t)path))
                 : 0;
}

static int plan_name(struct plan *pl)
{
    const char *name = pl->s->set[KEY_NAME].value, *sni = pl->s->set[KEY_SNI].value;

    if (name && (strlen(name) >= POLICY_HOST_MAX || !host_is_valid(name))) {
        return wrong_value(pl->p, pl->s, KEY_NAME, "it is neither a host name nor an address");
    }
    if (sni && (strlen(sni) >= POLICY_HOST_MAX || !host_is_valid(sni) || host_is_ip(sni))) {
        return wrong_value(pl->p, pl->s, KEY_SNI, "it is not a host name");
    }
    return 0;
}

static int plan_all(struct plan *pl)
{
    if (pl->r->pub.role == TLS_CLIENT) {
        TRY(plan_name(pl));
        TRY(plan_verify(pl));
        TRY(plan_trust(pl, KEY_CA, pl->anchored ? "system" : NULL));
    } else {
        TRY(plan_client_auth(pl));
    }
    TRY(plan_versions(pl));
    TRY(plan_alpn(pl));
    TRY(plan_keylog(pl));
    return plan_identity(pl);
}

int rule_config(struct policy *p, struct policy_rule *r, bool with_keys)
{
    struct plan pl = { .p = p, .r = r, .s = r->section };
    struct error err = { 0 };
    int rc = 0;

    if (with_keys) {
        rc = crypto_init();
        pl.c = rc == 0 ? config_new(r->pub.role) : NULL;
        if (!pl.c || config_set_clock(pl.c, now) < 0) {
            config_unref(pl.c);
            return FAIL(&p->error, ERR_CRYPTO, "the cryptographic library cannot be used");
        }
    }
    rc = plan_all(&pl);
    if (rc == 0 && pl.c && config_seal(pl.c, &err) < 0) {
        rc = problem(p, ERR_PARSE, r->pub.file, r->pub.line, "[rule %s %s]: %s", r->pub.app,
                     r->pub.label, err.text);
    }
    if (rc < 0) {
        config_unref(pl.c);
        pl.c = NULL;
    }
    r->pub.config = pl.c;
    return rc;
}
