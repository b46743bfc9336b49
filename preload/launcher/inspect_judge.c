/* SPDX-License-Identifier: ISC */
/* Which certificate is above which, and what is wrong with that. The verdict on a server's or
 * client's chain is that of handshakes (x509's); a CA's own certificate, which no handshake takes,
 * is looked at here. */
#include "preload/launcher/inspect.h"

static const char *name_of(const struct cert *c, char text[static 120])
{
    return cert_name_text(c->subject, text, 120);
}

static bool signed_by(const struct cert *c, const struct cert *issuer)
{
    struct pubkey *key = NULL;
    bool yes = c->sig.known && cert_pubkey(issuer, &key) == 0 &&
               pubkey_verify(key, c->sig.kind, c->sig.hash, &c->tbs, 1, c->sig.bits) == 0;

    pubkey_unref(key);
    return yes;
}

static bool signs_itself(const struct cert *c)
{
    return c->self_issued && signed_by(c, c);
}

static bool is_trusted(const struct inspection *in, const struct cert *c)
{
    const struct cert *a;

    for (size_t i = 0; (a = trust_find(in->trust, c->subject, i)) != NULL; i++) {
        if (span_eq(a->der, c->der)) {
            return true;
        }
    }
    return false;
}

/* ---- trees ---- */

static bool in_tree(const struct tree *t, const struct cert *c)
{
    for (size_t i = 0; i < t->n; i++) {
        if (span_eq(t->up[i].cert->der, c->der)) {
            return true;
        }
    }
    return false;
}

static void put(struct inspection *in, struct tree *t, const struct cert *c, struct piece *p,
                bool misfit)
{
    t->up[t->n].cert = c;
    t->up[t->n].piece = p;
    t->up[t->n].misfit = misfit;
    t->up[t->n++].trusted = is_trusted(in, c);
    if (p) {
        p->used = true;
    }
}

/* The issuer of the one on top: one that signed it before one that only bears the name, and what
 * was read before what is trusted. */
static bool climb(struct inspection *in, struct tree *t)
{
    const struct cert *c = t->up[t->n - 1].cert, *a;

    for (int pass = 0; pass < 2; pass++) {
        for (size_t i = 0; i < in->npieces; i++) {
            struct piece *p = &in->pieces[i];

            if (span_eq(p->cert.subject, c->issuer) && !in_tree(t, &p->cert) &&
                (pass == 1 || signed_by(c, &p->cert))) {
                put(in, t, &p->cert, p, pass == 1);
                return true;
            }
        }
        for (size_t i = 0; (a = trust_find(in->trust, c->issuer, i)) != NULL; i++) {
            if (!in_tree(t, a) && (pass == 1 || signed_by(c, a))) {
                put(in, t, a, NULL, pass == 1);
                return true;
            }
        }
    }
    return false;
}

static bool issued_another(const struct inspection *in, const struct cert *c)
{
    for (size_t i = 0; i < in->npieces; i++) {
        const struct cert *other = &in->pieces[i].cert;

        if (span_eq(other->issuer, c->subject) && !span_eq(other->der, c->der)) {
            return true;
        }
    }
    return false;
}

static bool is_repeated(const struct inspection *in, const struct piece *p)
{
    for (const struct piece *q = in->pieces; q < p; q++) {
        if (span_eq(q->cert.der, p->cert.der)) {
            return true;
        }
    }
    return false;
}

/* A server's or client's certificates first; CAs only when there is none of those. */
static struct piece *next_leaf(struct inspection *in)
{
    bool any_used = false, any_leaf = false;

    for (size_t i = 0; i < in->npieces; i++) {
        struct piece *p = &in->pieces[i];

        any_leaf = any_leaf || !p->cert.ca;
        any_used = any_used || p->used;
        if (!p->used && !p->cert.ca && !(in->where && any_used) && !is_repeated(in, p)) {
            return p;
        }
    }
    for (size_t i = 0; i < in->npieces && !any_leaf; i++) {
        struct piece *p = &in->pieces[i];

        if (!p->used && !(in->where && any_used) && !issued_another(in, &p->cert) &&
            !is_repeated(in, p)) {
            return p;
        }
    }
    return NULL;
}

bool inspect_next_tree(struct inspection *in, struct tree *t)
{
    struct piece *leaf = next_leaf(in);
    const struct cert *top;

    *t = (struct tree){ .n = 0 };
    if (!leaf) {
        return false;
    }
    put(in, t, &leaf->cert, leaf, false);
    do {
        top = t->up[t->n - 1].cert;
        t->whole = signs_itself(top);
    } while (!t->whole && t->n < CHAIN_PATH && climb(in, t));
    t->whole = t->whole || t->up[t->n - 1].trusted;
    return true;
}

/* ---- verdicts ---- */

static void advise(const struct inspection *in, const struct tree *t, char todo[static 400])
{
    const struct cert *top = t->up[t->n - 1].cert;
    char issuer[120], below[120];

    todo[0] = '\0';
    for (size_t i = 1; i < t->n; i++) {
        if (t->up[i].misfit &&
            (t->verdict == CHAIN_UNKNOWN_CA || t->verdict == CHAIN_BAD_SIGNATURE)) {
            (void)snprintf(todo, 400,
                           "the %s that is here has that name but another key: take the one that "
                           "was given along with %s",
                           cert_name_text(t->up[i].cert->subject, issuer, sizeof issuer),
                           name_of(t->up[i - 1].cert, below));
            return;
        }
    }
    cert_name_text(t->whole ? top->subject : top->issuer, issuer, sizeof issuer);
    switch (t->verdict) {
    case CHAIN_UNKNOWN_CA:
    case CHAIN_SELF_SIGNED:
        if (t->whole && !t->up[t->n - 1].trusted) {
            (void)snprintf(todo, 400,
                           "if %s is your own, trust it: --ca FILE here, ca = FILE in rules; if "
                           "not, get a certificate from a CA that is trusted",
                           issuer);
        } else {
            (void)snprintf(todo, 400,
                           "%s the certificate of %s behind the others (cat server.pem "
                           "intermediate.pem); if that is a root of your own, trust it: --ca FILE",
                           in->where ? "the server must send" : "put", issuer);
        }
        break;
    case CHAIN_NAME_MISMATCH:
        (void)snprintf(todo, 400,
                       "use one of its names, or have one issued that has %.100s among "
                       "its names",
                       in->name);
        break;
    case CHAIN_NOT_A_CA:
        (void)snprintf(todo, 400, "have it issued by a CA: 'sleeve keygen ca' makes one");
        break;
    case CHAIN_BAD_USAGE:
        (void)snprintf(todo, 400, "have one issued for TLS %ss%s",
                       t->as_client ? "client" : "server",
                       t->as_client || in->client ? "" : "; --client asks about clients");
        break;
    case CHAIN_BAD_STAPLE:
        (void)snprintf(todo, 400, "have the server get a new OCSP response and send it along");
        break;
    case CHAIN_STATUS_UNKNOWN:
        (void)snprintf(todo, 400, "get the CA's present CRL, and give it with --crl FILE");
        break;
    default:
        break;
    }
}

/* The leaf and, among those that it may use, the ones above it first. */
static size_t line_up(const struct inspection *in, const struct tree *t,
                      struct cert certs[static CHAIN_MAX_CERTS])
{
    size_t n = 0;

    for (size_t i = 0; i < t->n && n < CHAIN_MAX_CERTS; i++) {
        if (t->up[i].piece) {
            certs[n++] = *t->up[i].cert;
        }
    }
    for (size_t i = 0; i < in->npieces && n < CHAIN_MAX_CERTS; i++) {
        if (in->pieces[i].cert.ca && !in_tree(t, &in->pieces[i].cert)) {
            certs[n++] = in->pieces[i].cert;
        }
    }
    return n;
}

/* What the response says, once the chain is right. */
static void ask_staple(struct inspection *in, struct tree *t, struct chain_query q,
                       const struct cert *certs, size_t n)
{
    struct chain_result result;
    struct error err = { 0 };
    char date[32];

    q.host = NULL;
    q.revocation = NULL;
    q.revoke = REVOKE_HARD;
    if (chain_verify(&q, certs, n, &result, &err) == 0) {
        (void)snprintf(t->staple, sizeof t->staple, "good, until %.20s at least",
                       date_text(result.until, date));
    } else if (result.verdict == CHAIN_REVOKED) {
        (void)snprintf(t->staple, sizeof t->staple, "revoked");
    } else if (result.verdict == CHAIN_BAD_STAPLE) {
        (void)snprintf(t->staple, sizeof t->staple, "there, but of no use");
        if (t->verdict != CHAIN_BAD_STAPLE) { /* nobody had to look */
            inspect_remark(in, false, NULL, "%s", err.text);
        }
    } else {
        (void)snprintf(t->staple, sizeof t->staple,
                       "there, but of no use as long as the chain is not right");
    }
}

static void judge_chain(struct inspection *in, struct tree *t)
{
    struct chain_query q = { .trust = in->trust,
                             .now = in->now,
                             .peer_is_server = !t->as_client,
                             .host = t->as_client ? NULL : in->name,
                             .revoke = in->crls    ? REVOKE_HARD
                                       : in->where ? REVOKE_SOFT
                                                   : REVOKE_OFF,
                             .revocation = in->crls,
                             .staple = in->staple };
    struct cert certs[CHAIN_MAX_CERTS];
    size_t n = line_up(in, t, certs);
    struct chain_result result;
    struct error err = { 0 };
    char todo[400];

    certs[0].must_staple = certs[0].must_staple && in->where; /* a file has no response with it */
    if (chain_verify(&q, certs, n, &result, &err) < 0) {
        t->verdict = result.verdict;
        advise(in, t, todo);
        inspect_remark(in, true, todo, "%s", err.text);
    }
    if (in->staple.n) {
        ask_staple(in, t, q, certs, n);
    }
}

/* The certificates of CAs alone: is the chain whole, does its end sign itself? */
static void judge_ca(struct inspection *in, struct tree *t)
{
    const struct cert *top = t->up[t->n - 1].cert;
    char name[120], issuer[120];

    name_of(top, name);
    cert_name_text(top->issuer, issuer, sizeof issuer);
    if (!t->whole) {
        t->verdict = top->self_issued ? CHAIN_BAD_SIGNATURE : CHAIN_UNKNOWN_CA;
        if (top->self_issued) {
            inspect_remark(in, true, "it was altered: get it again",
                           "the signature on %s is not its own", name);
        } else {
            inspect_remark(in, true, "inspect it together with that one",
                           "the issuer of %s is missing: %s", name, issuer);
        }
    }
    for (size_t i = 0; i < t->n; i++) {
        const struct cert *c = t->up[i].cert;

        name_of(c, name);
        if ((key_is_rsa(c) && rsa_bits(c->key_n) < 2048) || (c->sig.weak && !c->self_issued)) {
            t->verdict = CHAIN_WEAK;
            inspect_remark(in, true, "have a new one issued", "%s %s", name,
                           c->sig.weak ? "is signed with MD5 or SHA-1"
                                       : "has an RSA key below 2048 bits");
        }
        if (t->up[i].misfit) {
            t->verdict = CHAIN_BAD_SIGNATURE;
            name_of(t->up[i - 1].cert, issuer);
            inspect_remark(in, true, "take the certificate that was given along with it",
                           "the signature on %s is not one of this %s", issuer, name);
        }
        if (i && !c->ca && c->version == 3) {
            t->verdict = CHAIN_NOT_A_CA;
            inspect_remark(in, true, NULL, "%s has issued another but is not a CA", name);
        }
    }
}

/* What the first verdict may have left unsaid about single certificates. `said`: remarks before. */
static void judge_each(struct inspection *in, struct tree *t, size_t said)
{
    for (size_t i = 0; i < t->n; i++) {
        const struct cert *c = t->up[i].cert;
        bool there = false;
        char name[120], date[32];
        int days = (int)((c->not_after - in->now) / DAY);

        name_of(c, name);
        for (size_t k = said; k < in->nremarks; k++) {
            there =
                there ||
                (strstr(in->remarks[k].text, "expired on") && strstr(in->remarks[k].text, name)) ||
                (strstr(in->remarks[k].text, "not valid before") &&
                 strstr(in->remarks[k].text, name));
        }
        if (there) {
            continue;
        }
        if (c->not_after < in->now) {
            inspect_remark(in, true, "renew it", "%s expired on %.10s", name,
                           date_text(c->not_after, date));
        } else if (c->not_before > in->now) {
            inspect_remark(in, true, NULL, "%s is not valid before %.10s", name,
                           date_text(c->not_before, date));
        } else if (days < SOON_DAYS) {
            inspect_remark(in, false, "renew it", "%s expires in %d day%s", name, days,
                           days == 1 ? "" : "s");
        }
    }
}

static bool only_for_clients(const struct cert *c)
{
    return c->has_eku && !(c->eku & (EKU_SERVER | EKU_ANY)) && c->eku & EKU_CLIENT;
}

void inspect_judge(struct inspection *in, struct tree *t)
{
    const struct cert *leaf = t->up[0].cert;
    struct error err = { 0 };
    size_t said = in->nremarks;

    t->as_client = in->client || (!in->where && only_for_clients(leaf));
    if (leaf->ca && !in->where) {
        judge_ca(in, t);
    } else {
        judge_chain(in, t);
        if (in->name && !t->as_client && t->verdict != CHAIN_OK &&
            t->verdict != CHAIN_NAME_MISMATCH && cert_match_host(leaf, in->name, &err) < 0) {
            inspect_remark(in, true, "use one of its names, or have another issued", "%s",
                           err.text);
        } else if (!leaf->has_san && !t->as_client && !in->name) {
            inspect_remark(in, true,
                           "have one issued with a subjectAltName; the common name does "
                           "not count",
                           "the certificate speaks for no host");
        }
    }
    judge_each(in, t, said);
    if (t->verdict == CHAIN_OK) {
        for (size_t i = said; i < in->nremarks; i++) {
            t->verdict = in->remarks[i].wrong ? CHAIN_MALFORMED : t->verdict;
        }
    }
    /* Peers of TLS 1.2 may insist that each certificate is followed by its issuer's (RFC 5246
     * 7.4.2); those of 1.3 should not (RFC 8446 4.4.2). */
    for (size_t i = 1; i < t->n && !leaf->ca; i++) {
        const struct piece *below = t->up[i - 1].piece, *p = t->up[i].piece;

        if (p && below && p->from == below->from && p->place < below->place) {
            char a[120], b[120];

            t->verdict = t->verdict == CHAIN_OK ? CHAIN_MALFORMED : t->verdict;
            inspect_remark(in, true,
                           "put them in order: the server's own first, behind each the one that "
                           "issued it",
                           "wrong order: %s (%d of %d) comes before %s (%d of %d), which it issued",
                           name_of(&p->cert, a), p->place, p->of, name_of(&below->cert, b),
                           below->place, below->of);
            break;
        }
    }
}

/* ---- the rest ---- */

static void judge_unused(struct inspection *in)
{
    char name[120];

    for (size_t i = 0; i < in->npieces; i++) {
        const struct piece *p = &in->pieces[i];

        if (!p->used) {
            inspect_remark(in, false, "leave it out",
                           is_repeated(in, p)
                               ? "superfluous: %s (%d of %d) is there twice"
                               : "superfluous: nothing here was issued by %s (%d of %d)",
                           name_of(&p->cert, name), p->place, p->of);
        } else if (p->of > 1 && p->cert.self_issued && signs_itself(&p->cert) && in->where) {
            inspect_remark(in, false, "leave it out",
                           "superfluous: the root %s (%d of %d); who trusts it has it",
                           name_of(&p->cert, name), p->place, p->of);
        }
    }
}

static void judge_keys(struct inspection *in)
{
    for (size_t k = 0; k < in->nkeys; k++) {
        const struct held_key *h = &in->keys[k];
        bool fits = in->npieces == 0;

        for (size_t i = 0; i < in->npieces && !fits; i++) {
            struct pubkey *pub = NULL;

            fits = cert_pubkey(&in->pieces[i].cert, &pub) == 0 && privkey_matches(h->key, pub) == 0;
            pubkey_unref(pub);
        }
        if (!fits) {
            inspect_remark(in, true, "find the key that it was made with, or have a new one issued",
                           "the private key in %s belongs to none of the certificates", h->from);
        }
        if (h->mode & 077) {
            inspect_remark(in, false, "chmod 600 it",
                           "%s holds a key and is open to others (mode "
                           "%03o)",
                           h->from, h->mode);
        }
    }
}

static void judge_lists(struct inspection *in)
{
    char name[120], date[32];

    for (size_t i = 0; i < in->nlists; i++) {
        const struct crl_facts *f = &in->lists[i];

        cert_name_text(f->issuer, name, sizeof name);
        if (f->this_update > in->now) {
            inspect_remark(in, true, NULL, "the CRL of %s is from the future: %s", name,
                           date_text(f->this_update, date));
        } else if (f->next_update == INT64_MIN) {
            inspect_remark(in, true, "have one made with a date of the next",
                           "the CRL of %s does not say how long it holds", name);
        } else if (f->next_update < in->now) {
            inspect_remark(in, true, "get a new one from the CA",
                           "the CRL of %s is out of date since %.10s", name,
                           date_text(f->next_update, date));
        }
    }
}

void inspect_judge_rest(struct inspection *in)
{
    judge_unused(in);
    judge_keys(in);
    judge_lists(in);
}
