/* SPDX-License-Identifier: ISC */
/* The picture: certificates from the leaf up, keys, CRLs, what was remarked. 80 columns. */
#include <ctype.h>

#include "preload/launcher/inspect.h"
#include "x509/der.h"

/* ---- lines ---- */

static void put_fact(const char *margin, const char *name, enum tint t, const char *value)
{
    printf("%s", margin);
    tint(stdout, TINT_DIM);
    printf("%-10s ", name);
    tint(stdout, t);
    put_words(value, (int)strlen(margin) + 11, margin);
    tint(stdout, TINT_PLAIN);
}

void show_fact(const char *name, const char *value)
{
    put_fact("  ", name, TINT_PLAIN, value);
}

/* ---- what a certificate says ---- */

bool key_is_rsa(const struct cert *c)
{
    return c->key_type == KEY_RSA || c->key_type == KEY_RSA_PSS;
}

unsigned rsa_bits(struct span n)
{
    unsigned bits = (unsigned)n.n * 8;

    for (uint8_t top = n.n ? n.p[0] : 0x80; !(top & 0x80); top = (uint8_t)(top << 1 | 1)) {
        bits--;
    }
    return bits;
}

static const char *key_name(enum key_type type)
{
    static const char *const names[] = {
        [KEY_NONE] = "of a kind that is not known",
        [KEY_RSA] = "RSA",
        [KEY_RSA_PSS] = "RSA-PSS",
        [KEY_EC_P256] = "ECDSA P-256",
        [KEY_EC_P384] = "ECDSA P-384",
        [KEY_EC_P521] = "ECDSA P-521",
        [KEY_ED25519] = "Ed25519",
        [KEY_ED448] = "Ed448",
    };

    return names[type];
}

static const char *key_text(enum key_type type, struct span n, char text[static 80])
{
    if (type == KEY_RSA || type == KEY_RSA_PSS) {
        unsigned bits = rsa_bits(n);

        (void)snprintf(text, 80, "%s, %u bits%s", key_name(type), bits,
                       bits < 2048 ? ": weak" : "");
    } else {
        (void)snprintf(text, 80, "%s", key_name(type));
    }
    return text;
}

static const char *signature_text(const struct signature *s, char text[static 80])
{
    static const char *const kinds[] = { [SIG_RSA_PKCS1] = "RSA",
                                         [SIG_RSA_PSS] = "RSA-PSS",
                                         [SIG_ECDSA] = "ECDSA",
                                         [SIG_EDDSA] = "EdDSA" };
    static const char *const hashes[] = { [HASH_NONE] = "",
                                          [HASH_SHA1] = " with SHA-1",
                                          [HASH_SHA256] = " with SHA-256",
                                          [HASH_SHA384] = " with SHA-384",
                                          [HASH_SHA512] = " with SHA-512" };

    if (!s->known) {
        return s->weak ? "by MD5 or older: weak" : "by an algorithm that is not known";
    }
    (void)snprintf(text, 80, "%s%s%s", kinds[s->kind], hashes[s->hash], s->weak ? ": weak" : "");
    return text;
}

static void add(char *text, size_t size, const char *word)
{
    size_t n = strlen(text);

    (void)snprintf(text + n, size - n, "%s%s", n ? ", " : "", word);
}

static const char *usage_text(const struct cert *c, char text[static 200])
{
    static const struct {
        unsigned bit;
        const char *word;
    } eku[] = { { EKU_SERVER, "TLS server" },
                { EKU_CLIENT, "TLS client" },
                { EKU_OCSP, "OCSP responses" },
                { EKU_ANY, "any" },
                { EKU_OTHER, "others" } },
      ku[] = { { KU_DIGITAL_SIGNATURE, "signing" },
               { KU_KEY_ENCIPHERMENT, "key encipherment" },
               { KU_KEY_AGREEMENT, "key agreement" },
               { KU_CERT_SIGN, "signing certificates" },
               { KU_CRL_SIGN, "signing CRLs" } };
    char depth[64];

    text[0] = '\0';
    if (c->ca) {
        (void)snprintf(depth, sizeof depth, c->path_len < 0 ? "CA" : "CA (path length %d)",
                       c->path_len);
        add(text, 200, depth);
    }
    for (size_t i = 0; i < sizeof eku / sizeof *eku; i++) {
        if (c->has_eku && c->eku & eku[i].bit) {
            add(text, 200, eku[i].word);
        }
    }
    for (size_t i = 0; i < sizeof ku / sizeof *ku; i++) {
        if (c->has_ku && c->ku & ku[i].bit) {
            add(text, 200, ku[i].word);
        }
    }
    if (!*text) {
        add(text, 200, "any");
    }
    if (c->name_constraints.n) {
        add(text, 200, "for some names only");
    }
    if (c->must_staple) {
        add(text, 200, "with an OCSP response only");
    }
    return text;
}

static enum tint dates_text(const struct cert *c, int64_t now, char text[static 128])
{
    char from[32], until[32];
    int64_t days;
    int n;

    n = snprintf(text, 128, "%.10s to %.10s, ", date_text(c->not_before, from),
                 date_text(c->not_after, until));
    if (now < c->not_before) {
        days = (c->not_before - now + DAY - 1) / DAY;
        (void)snprintf(text + n, 128 - (size_t)n, "not before %lld day%s from now", (long long)days,
                       days == 1 ? "" : "s");
        return TINT_BAD;
    }
    if (now > c->not_after) {
        days = (now - c->not_after) / DAY;
        (void)snprintf(text + n, 128 - (size_t)n, "expired %lld day%s ago", (long long)days,
                       days == 1 ? "" : "s");
        return TINT_BAD;
    }
    days = (c->not_after - now) / DAY;
    (void)snprintf(text + n, 128 - (size_t)n, "%lld day%s left", (long long)days,
                   days == 1 ? "" : "s");
    return days < SOON_DAYS ? TINT_WARN : TINT_PLAIN;
}

static const char *where_text(const struct inspection *in, const struct tree *t, size_t i,
                              char text[static 300])
{
    const struct piece *p = t->up[i].piece;
    const char *misfit = t->up[i].misfit ? ": did not sign the one below" : "";
    const char *trusted = in->own_ca ? "trusted (--ca)" : "trusted (the system's store)";

    if (!p) {
        (void)snprintf(text, 300, "%s%s", trusted, misfit);
        return text;
    }
    if (p->of > 1) {
        (void)snprintf(text, 300, "%.200s (%d of %d)%s%s%s", p->from ? p->from : "sent", p->place,
                       p->of, t->up[i].trusted ? ", " : "", t->up[i].trusted ? trusted : "",
                       misfit);
    } else {
        (void)snprintf(text, 300, "%.200s%s%s%s", p->from ? p->from : "sent",
                       t->up[i].trusted ? ", " : "", t->up[i].trusted ? trusted : "", misfit);
    }
    return text;
}

/* ---- the picture ---- */

static void show_cert(const struct inspection *in, const struct tree *t, size_t i,
                      const char *margin)
{
    const struct cert *c = t->up[i].cert;
    char text[1000];
    enum tint shade;

    if (c->has_san) {
        put_fact(margin, "names", TINT_PLAIN, names_text(c, text, sizeof text));
    }
    key_text(c->key_type, c->key_n, text);
    put_fact(margin, "key", strstr(text, "weak") ? TINT_BAD : TINT_PLAIN, text);
    put_fact(margin, "signed", c->sig.weak && !c->self_issued ? TINT_BAD : TINT_PLAIN,
             signature_text(&c->sig, text));
    shade = dates_text(c, in->now, text);
    put_fact(margin, "valid", shade, text);
    put_fact(margin, "use", TINT_PLAIN, usage_text(c, text));
    put_fact(margin, "from",
             t->up[i].misfit    ? TINT_BAD
             : t->up[i].trusted ? TINT_GOOD
                                : TINT_PLAIN,
             where_text(in, t, i, text));
}

/* Each three columns further in than the one it issued. */
void show_tree(const struct inspection *in, const struct tree *t)
{
    char margin[64], text[200];
    int indent = 2;

    putchar('\n');
    for (size_t i = 0; i < t->n; i++) {
        bool more = i + 1 < t->n || !t->whole;

        printf("%*s%s%s\n", indent, "", i ? "`- " : "",
               cert_name_text(t->up[i].cert->subject, text, sizeof text));
        indent += i ? 3 : 0;
        (void)snprintf(margin, sizeof margin, "%*s%s", indent, "", more ? "|  " : "   ");
        show_cert(in, t, i, margin);
    }
    if (!t->whole) {
        printf("%*s`- ", indent, "");
        (void)snprintf(margin, sizeof margin, "missing: %s",
                       cert_name_text(t->up[t->n - 1].cert->issuer, text, 48));
        put_tinted(stdout, TINT_BAD, margin);
        putchar('\n');
    }
    if (in->where) {
        putchar('\n');
        show_fact("OCSP", *t->staple ? t->staple : "no response was sent along");
    }
}

/* Of a whole store: a line for each. */
void show_list(const struct inspection *in)
{
    char name[64], text[128];

    putchar('\n');
    for (size_t i = 0; i < in->npieces; i++) {
        const struct cert *c = &in->pieces[i].cert;
        enum tint shade = dates_text(c, in->now, text);

        printf("  %-44.44s ", cert_name_text(c->subject, name, sizeof name));
        put_tinted(stdout, shade, strchr(text, ',') + 2);
        putchar('\n');
    }
}

void show_keys(const struct inspection *in)
{
    for (size_t i = 0; i < in->nkeys; i++) {
        const struct privkey *k = in->keys[i].key;
        struct buf spki = { 0 };
        struct span bits, n = span_of(NULL, 0);
        struct rd r, whole, alg;
        char text[80];

        if (privkey_public_spki(k, &spki) == 0) {
            r = rd_span(buf_span(&spki));
            if (der_get(&r, DER_SEQUENCE, &whole) && der_get(&whole, DER_SEQUENCE, &alg) &&
                der_bit_bytes(&whole, &bits)) {
                r = rd_span(bits);
                if (!der_get(&r, DER_SEQUENCE, &whole) || !der_unsigned(&whole, &n)) {
                    n = span_of(NULL, 0);
                }
            }
        }
        printf("\n  private key\n");
        put_fact("     ", "key", TINT_PLAIN, key_text(privkey_type(k), n, text));
        put_fact("     ", "from", TINT_PLAIN, in->keys[i].from);
        buf_free(&spki);
    }
}

void show_crls(const struct inspection *in)
{
    for (size_t i = 0; i < in->nlists; i++) {
        const struct crl_facts *f = &in->lists[i];
        bool old = f->next_update < in->now;
        char text[300], from[32], next[32];

        printf("\n  CRL of %s\n", cert_name_text(f->issuer, text, 70));
        (void)snprintf(text, sizeof text, "%zu certificate%s", f->entries,
                       f->entries == 1 ? "" : "s");
        put_fact("     ", "revoked", TINT_PLAIN, text);
        (void)snprintf(text, sizeof text, "%.10s to %.10s%s", date_text(f->this_update, from),
                       f->next_update == INT64_MIN ? "(not said)" : date_text(f->next_update, next),
                       old ? ": out of date" : "");
        put_fact("     ", "holds", old ? TINT_BAD : TINT_PLAIN, text);
        put_fact("     ", "from", TINT_PLAIN, f->from);
    }
}

void show_remarks(const struct inspection *in)
{
    for (size_t i = 0; i < in->nremarks; i++) {
        const struct remark *r = &in->remarks[i];

        if (i == 0) {
            putchar('\n');
        }
        put_tinted(stdout, r->wrong ? TINT_BAD : TINT_WARN,
                   r->wrong ? "  wrong      " : "  note       ");
        put_words(r->text, 13, "");
        if (*r->todo) {
            printf("  %-10s ", "to do");
            put_words(r->todo, 13, "");
        }
    }
}
