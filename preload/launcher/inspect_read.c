/* SPDX-License-Identifier: ISC */
/* What is in a file: certificates, CRLs, a private key; PEM, DER or PKCS#12. */
#include <stdarg.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "preload/launcher/inspect.h"
#include "x509/der.h"

struct span inspect_keep(struct inspection *in, struct span bytes)
{
    uint8_t *copy = NULL;

    if (in->nmemory < sizeof in->memory / sizeof *in->memory && bytes.n) {
        copy = malloc(bytes.n);
    }
    if (!copy) {
        return span_of(NULL, 0);
    }
    memcpy(copy, bytes.p, bytes.n);
    in->memory[in->nmemory++] = copy;
    return span_of(copy, bytes.n);
}

void inspect_remark(struct inspection *in, bool wrong, const char *todo, const char *fmt, ...)
{
    struct remark *r = &in->remarks[in->nremarks];
    va_list ap;

    if (in->nremarks == SHORT_MAX) {
        return; /* one who fixes those will see the others */
    }
    in->nremarks++;
    r->wrong = wrong;
    va_start(ap, fmt);
    (void)vsnprintf(r->text, sizeof r->text, fmt, ap);
    va_end(ap);
    (void)snprintf(r->todo, sizeof r->todo, "%s", todo ? todo : "");
}

/* ---- one of a kind ---- */

int inspect_add_cert(struct inspection *in, struct span der, const char *from, int place)
{
    const char *where = from ? from : in->where;
    struct error err = { 0 };
    struct piece *p;

    if (in->npieces == PIECES_MAX) {
        return say(EXIT_UNREAD, "inspect", "there are more than %d certificates", PIECES_MAX);
    }
    p = &in->pieces[in->npieces];
    *p = (struct piece){ .from = from, .place = place };
    der = inspect_keep(in, der);
    if (!der.p) {
        return say(EXIT_UNREAD, "inspect", "out of memory");
    }
    if (cert_parse(&p->cert, der, &err) < 0) {
        inspect_remark(in, true, "issue it again: others will not take it, either",
                       "%s: certificate %d cannot be used: %s", where, place, err.text);
        return 0;
    }
    in->npieces++;
    return 0;
}

static bool crl_times(struct rd *tbs, struct crl_facts *f)
{
    f->next_update = INT64_MIN;
    return der_time(tbs, &f->this_update) &&
           (!(der_next_is(tbs, DER_UTC_TIME) || der_next_is(tbs, DER_GENERALIZED_TIME)) ||
            der_time(tbs, &f->next_update));
}

/* Of what revocation_add_pem() has found to be a CRL. */
static bool crl_read(struct span der, struct crl_facts *f)
{
    struct rd r = rd_span(der), whole, tbs, in, entry;
    struct span ignored;

    if (!der_get(&r, DER_SEQUENCE, &whole) || !der_get(&whole, DER_SEQUENCE, &tbs) ||
        (der_next_is(&tbs, DER_INTEGER) && !der_integer(&tbs, &ignored)) ||
        !der_get(&tbs, DER_SEQUENCE, &in) || !der_whole(&tbs, DER_SEQUENCE, &f->issuer, &in) ||
        !crl_times(&tbs, f)) {
        return false;
    }
    if (der_next_is(&tbs, DER_SEQUENCE) && der_get(&tbs, DER_SEQUENCE, &in)) {
        while (der_get(&in, DER_SEQUENCE, &entry)) {
            f->entries++;
        }
    }
    return true;
}

static int add_crl(struct inspection *in, struct span der, const char *from)
{
    struct crl_facts f = { .from = from };
    struct error err = { 0 };

    if (!in->crls) {
        in->crls = revocation_new();
    }
    der = inspect_keep(in, der);
    if (!in->crls || !der.p) {
        return say(EXIT_UNREAD, "inspect", "out of memory");
    }
    if (revocation_add_pem(in->crls, der, &err) < 0) {
        inspect_remark(in, true, NULL, "%s: %s", from, err.text);
    } else if (crl_read(der, &f) && in->nlists < SHORT_MAX) {
        in->lists[in->nlists++] = f;
    }
    return 0;
}

static int add_key(struct inspection *in, struct span bytes, const char *from)
{
    SECRET(pass, PASSPHRASE_MAX);
    struct held_key *k = &in->keys[in->nkeys];
    struct error err = { 0 };
    struct stat st;
    int rc;

    if (in->nkeys == SHORT_MAX) {
        return say(EXIT_UNREAD, "inspect", "there are more than %d keys", SHORT_MAX);
    }
    rc = privkey_load(&k->key, bytes, NULL, &err);
    if (rc == ERR_PASSPHRASE) {
        if (get_passphrase("inspect", in->passphrase, from, false, (char *)pass)) {
            return EXIT_UNREAD;
        }
        error_clear(&err);
        rc = privkey_load(&k->key, bytes, (char *)pass, &err);
    }
    if (rc < 0) {
        return say(EXIT_UNREAD, "inspect", "%s: %s", from, err.text);
    }
    k->from = from;
    k->mode = stat(from, &st) == 0 && S_ISREG(st.st_mode) ? (unsigned)st.st_mode & 0777 : 0;
    in->nkeys++;
    return 0;
}

/* ---- the file ---- */

static int take_block(struct inspection *in, const char *label, struct span der, const char *from,
                      int *certs, bool *key)
{
    if (strcmp(label, "CERTIFICATE") == 0 || strcmp(label, "X509 CERTIFICATE") == 0 ||
        strcmp(label, "TRUSTED CERTIFICATE") == 0) {
        return inspect_add_cert(in, der, from, ++*certs);
    }
    if (strcmp(label, "X509 CRL") == 0) {
        return add_crl(in, der, from);
    }
    if (strstr(label, "PRIVATE KEY")) {
        *key = true;
        return 0;
    }
    inspect_remark(in, false, NULL, "%s: passed over what is neither certificate, CRL nor key: %s",
                   from, label);
    return 0;
}

/* *blocks: 0 when there is no PEM in it. */
static int take_pem(struct inspection *in, struct span text, const char *from, int *blocks)
{
    size_t pos = 0, first = in->npieces;
    char label[64] = "";
    int certs = 0, rc = 0, found;
    bool key = false;
    struct buf der = { .secret = true };

    *blocks = 0;
    while (rc == 0 && (found = pem_next(text, &pos, label, &der)) != 0) {
        ++*blocks;
        if (found == 1) {
            rc = take_block(in, label, buf_span(&der), from, &certs, &key);
        } else if (strstr(label, "PRIVATE KEY")) {
            key = true; /* encrypted in the old way, with lines of its own: libcrypto reads it */
        } else {
            inspect_remark(in, true, "copy the file again", "%s: PEM block %d is damaged", from,
                           *blocks);
        }
        buf_free(&der);
        label[0] = '\0';
    }
    for (size_t i = first; i < in->npieces; i++) {
        in->pieces[i].of = certs;
    }
    return rc == 0 && key ? add_key(in, text, from) : rc;
}

static int take_pkcs12(struct inspection *in, struct span bytes, const char *from)
{
    SECRET(pass, PASSPHRASE_MAX);
    struct buf key = { .secret = true }, certs = { 0 };
    struct error err = { 0 };
    int rc, blocks;

    rc = pkcs12_load(bytes, NULL, &key, &certs, &err);
    if (rc == ERR_PASSPHRASE) {
        if (get_passphrase("inspect", in->passphrase, from, false, (char *)pass)) {
            return EXIT_UNREAD;
        }
        error_clear(&err);
        rc = pkcs12_load(bytes, (char *)pass, &key, &certs, &err);
    }
    if (rc < 0) {
        rc = say(EXIT_UNREAD, "inspect", "%s: %s", from, err.text);
    } else {
        rc = take_pem(in, buf_span(&certs), from, &blocks);
        rc = rc ? rc : add_key(in, buf_span(&key), from);
    }
    buf_free(&key);
    buf_free(&certs);
    return rc;
}

/* PFX is a SEQUENCE that begins with the version, 3 (RFC 7292 section 4); private keys begin with 0
 * to 2, all else with a SEQUENCE. */
static bool is_pkcs12(struct span bytes)
{
    struct rd r = rd_span(bytes), in;
    uint32_t version;
    uint8_t head[2];

    if (der_get(&r, DER_SEQUENCE, &in)) {
        return der_uint32(&in, &version) && version == 3;
    }
    /* Exporters may write indefinite lengths, which DER does not know. */
    r = rd_span(bytes);
    return rd_u8(&r, &head[0]) && rd_u8(&r, &head[1]) && head[0] == DER_SEQUENCE &&
           head[1] == 0x80 && der_uint32(&r, &version) && version == 3;
}

static bool is_crl(struct span bytes)
{
    struct revocation *r = revocation_new();
    bool yes = r && revocation_add_pem(r, bytes, NULL) > 0;

    revocation_unref(r);
    return yes;
}

static int take_der(struct inspection *in, struct span bytes, const char *from)
{
    struct cert c;
    int rc;

    if (cert_parse(&c, bytes, NULL) == 0) {
        rc = inspect_add_cert(in, bytes, from, 1);
        if (rc == 0) {
            in->pieces[in->npieces - 1].of = 1;
        }
        return rc;
    }
    if (is_crl(bytes)) {
        return add_crl(in, bytes, from);
    }
    if (is_pkcs12(bytes)) {
        return take_pkcs12(in, bytes, from);
    }
    if (bytes.n == 0 || bytes.p[0] != DER_SEQUENCE) {
        return say(EXIT_UNREAD, "inspect",
                   "%s holds neither PEM (-----BEGIN) nor a certificate, CRL or key in DER", from);
    }
    return add_key(in, bytes, from);
}

int inspect_read(struct inspection *in, const char *path)
{
    struct buf bytes = { .secret = true };
    struct error err = { 0 };
    int rc, blocks;

    if (file_read(path, &bytes, &err) < 0) {
        return say(EXIT_UNREAD, "inspect", "%s", err.text);
    }
    rc = take_pem(in, buf_span(&bytes), path, &blocks);
    if (rc == 0 && blocks == 0) {
        rc = take_der(in, buf_span(&bytes), path);
    }
    buf_free(&bytes);
    return rc;
}
