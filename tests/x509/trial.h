/* SPDX-License-Identifier: ISC */
/* A chain of chains.h changed at random, in its fields and in its bytes, and what we and libcrypto
 * make of it. */
#ifndef TESTS_X509_TRIAL_H
#define TESTS_X509_TRIAL_H
#include "chains.h"
#include "libcrypto.h"
#include "mutate.h"

#define CERTS 14

/* A chain to be judged, and how it came about. */
struct trial {
    struct chain_case k;
    struct span der[CERTS];
    size_t n;
    struct span sent[CERTS], trusted[CERTS];
    size_t nsent, ntrusted;
    char story[512];
    struct chain_query q;
    /* what came out */
    enum chain_verdict ours;
    struct error err;
    bool unreadable; /* one that was sent */
    struct cert certs[CERTS];
    struct chain_result result;
    struct opinion lenient, strict;
};

static inline void tell(struct trial *t, const char *what, size_t cert)
{
    size_t n = strlen(t->story);

    (void)snprintf(t->story + n, sizeof t->story - n, "; %zu: %s", cert, what);
}

/* ---- changes of fields ---- */

static const char *const some_names[] = { "a.test",
                                          "A.TEST",
                                          "b.test",
                                          "*.test",
                                          "*.a.test",
                                          "a.test 10.1.2.3",
                                          "10.1.2.3",
                                          "x.a.test",
                                          NULL,
                                          "a.test email:x@a.test",
                                          "a.test dn:leaf",
                                          "a.test b.test",
                                          "a.test uri:http://a.test/",
                                          "2001:db8::1 a.test" };
static const char *const some_bases[] = { "a.test",
                                          ".test",
                                          "test",
                                          "b.test",
                                          "dn:leaf",
                                          "any",
                                          "10.0.0.0/255.0.0.0",
                                          "email:a.test",
                                          "dn:i",
                                          NULL,
                                          "uri:a.test",
                                          "2001:db8::/ffff:ffff::",
                                          "dn:",
                                          "a.test b.test",
                                          "x.a.test" };
static const char *const some_hosts[] = { "a.test",   "A.test",   "b.test",
                                          "x.a.test", "10.1.2.3", "2001:db8::1",
                                          "",         "test",     "y.x.a.test" };
static const char *const some_subjects[] = { "root", "i", "j", "leaf", "a.test", NULL, "Root" };
static const char *const some_policies[] = { NULL, "1", "2", "1 2", "any", "1 any" };
static const unsigned some_ku[] = { 0,     KU_DIGITAL_SIGNATURE, KU_KEY_ENCIPHERMENT, KU_CERT_SIGN,
                                    CA_KU, KU_CRL_SIGN,          KU_KEY_AGREEMENT,    CA_KU | 1 };
static const unsigned some_eku[] = {
    0, EKU_SERVER, EKU_CLIENT, EKU_ANY, EKU_OTHER, EKU_SERVER | EKU_CLIENT, EKU_SERVER | EKU_ANY
};
static const int64_t some_times[] = { 0,
                                      NOW - 1,
                                      NOW,
                                      NOW + 1,
                                      NOW - 400 * DAY,
                                      NOW + 400 * DAY,
                                      INT64_C(2524607999),
                                      INT64_C(2524608000),
                                      INT64_C(253402300799) };
static const char *const some_maps[] = { NULL, "1:2", "2:1", "any:1", "1:2 1:1" };

static inline void change_field(struct trial *t)
{
    size_t i = chance(t->n);
    struct forge *f = &t->k.certs[i];
    struct forge other;
    size_t j;

    switch (chance(30)) {
    case 0:
        f->from = CHOOSE(some_times);
        tell(t, "notBefore", i);
        return;
    case 1:
        f->to = CHOOSE(some_times);
        tell(t, "notAfter", i);
        return;
    case 2:
        f->ca = (enum forge_ca)chance(4);
        tell(t, "basic constraints", i);
        return;
    case 3:
        f->path_len = (int)chance(4);
        tell(t, "path length", i);
        return;
    case 4:
        f->ku = CHOOSE(some_ku);
        tell(t, "key usage", i);
        return;
    case 5:
        f->eku = CHOOSE(some_eku);
        tell(t, "extended key usage", i);
        return;
    case 6:
    case 7:
        f->names = CHOOSE(some_names);
        tell(t, "names", i);
        return;
    case 8:
    case 9:
        f->permitted = CHOOSE(some_bases);
        tell(t, "permitted", i);
        return;
    case 10:
    case 11:
        f->excluded = CHOOSE(some_bases);
        tell(t, "excluded", i);
        return;
    case 12:
        f->policies = CHOOSE(some_policies);
        tell(t, "policies", i);
        return;
    case 13:
        f->explicit_policy = (int)chance(4);
        tell(t, "explicit policy", i);
        return;
    case 14:
        f->inhibit_mapping = (int)chance(3);
        f->mapped = CHOOSE(some_maps);
        tell(t, "policy mapping", i);
        return;
    case 15:
        f->inhibit_any = (int)chance(3);
        tell(t, "inhibit any", i);
        return;
    case 16:
        f->version = (int)chance(4);
        tell(t, "version", i);
        return;
    case 17:
        f->alg = (enum forge_alg)chance(5);
        tell(t, "algorithm", i);
        return;
    case 18:
        f->no_ids = !f->no_ids;
        tell(t, "identifiers", i);
        return;
    case 19:
        f->wrong_aki = !f->wrong_aki;
        tell(t, "authority key identifier", i);
        return;
    case 20:
        f->flip = true;
        tell(t, "signature", i);
        return;
    case 21:
        f->critical = !f->critical;
        tell(t, "critical extension", i);
        return;
    case 22:
        f->twice = true;
        tell(t, "extension twice", i);
        return;
    case 23:
        f->subject = CHOOSE(some_subjects);
        tell(t, "subject", i);
        return;
    case 24:
        f->issuer = CHOOSE(some_subjects);
        tell(t, "issuer", i);
        return;
    case 25:
        f->by = (int)chance(8);
        tell(t, "signer", i);
        return;
    case 26:
        f->at = i ? 1 + (int)chance(3) : f->at;
        tell(t, "place", i);
        return;
    case 27:
        j = 1 + chance(t->n);
        if (i && j < t->n) {
            other = *f;
            *f = t->k.certs[j];
            t->k.certs[j] = other;
        }
        tell(t, "order", i);
        return;
    case 28:
        t->k.host = CHOOSE(some_hosts);
        tell(t, "host", i);
        return;
    default:
        t->k.client = chance(4) == 0 ? !t->k.client : t->k.client;
        t->k.partial = chance(2) == 0;
        tell(t, "question", i);
        return;
    }
}

/* ---- a trial ---- */

static struct trial *changing;
static size_t changing_cert, changes_left;

static inline void change_der(struct wr *w, size_t mark)
{
    char what[80] = "";

    for (; changes_left; changes_left--) {
        mutate(w, mark, what, sizeof what);
        tell(changing, what, changing_cert);
    }
}

static inline void trial_make(struct trial *t, uint64_t seed, size_t number)
{
    const struct chain_case *base;
    size_t fields, ders, victim;

    *t = (struct trial){ 0 };
    chance_seed(seed, number);
    do { /* mostly good ones: of two faults only one is seen */
        base = chain_case(chance(CHAIN_CASES));
    } while (base->openssl || (base->verdict != CHAIN_OK && chance(4)) || base->certs[6].at);
    t->k = *base;
    (void)snprintf(t->story, sizeof t->story, "%s", base->name);
    while (t->k.certs[t->n].at) {
        t->n++;
    }
    fields = chance(3);
    ders = fields && chance(2) ? 0 : 1 + chance(2);
    while (fields-- > 0) {
        change_field(t);
    }
    victim = chance(t->n);
    changing = t;
    forge_change = change_der;
    for (size_t i = 0; i < t->n; i++) {
        changing_cert = i;
        changes_left = i == victim ? ders : 0;
        t->der[i] = forge_der(&t->k.certs[i]);
    }
    forge_change = NULL;
}

static inline void trial_anchors(struct trial *t)
{
    struct error ignored;

    t->q.trust = trust_new();
    for (size_t i = 0; i < t->ntrusted; i++) {
        error_clear(&ignored);
        if (trust_add_pem(t->q.trust, t->trusted[i], &ignored) < 0 && ignored.code != ERR_PARSE) {
            abort();
        }
    }
}

/* What we say; without_bad: as if nothing had been sent that we cannot read. */
static inline void trial_ask_us(struct trial *t, bool without_bad)
{
    size_t n = 0;
    int rc;

    error_clear(&t->err);
    for (size_t i = 0; i < t->nsent; i++) {
        if (cert_parse(&t->certs[n], t->sent[i], &t->err) == 0) {
            n++;
        } else if (!without_bad || i == 0) {
            t->unreadable = true;
            t->ours = CHAIN_MALFORMED;
            return;
        }
    }
    error_clear(&t->err);
    rc = chain_verify(&t->q, t->certs, n, &t->result, &t->err);
    t->ours = t->result.verdict;
    if ((rc == 0) != (t->ours == CHAIN_OK) || t->err.code != rc) {
        abort();
    }
}

static inline void trial_judge(struct trial *t)
{
    struct their_world w;

    for (size_t i = 0; i < t->n; i++) {
        if (t->k.certs[i].at & SENT) {
            t->sent[t->nsent++] = t->der[i];
        }
        if (t->k.certs[i].at & TRUSTED) {
            t->trusted[t->ntrusted++] = t->der[i];
        }
    }
    t->q = (struct chain_query){ .now = NOW + t->k.later,
                                 .peer_is_server = !t->k.client,
                                 .enciphers = t->k.enciphers,
                                 .host = case_host(&t->k),
                                 .partial = t->k.partial,
                                 .weak = t->k.weak };
    trial_anchors(t);
    trial_ask_us(t, false);
    w = their_world(t->sent, t->nsent, t->trusted, t->ntrusted);
    t->lenient = their_opinion(&w, &t->q, 0, NULL);
    t->strict = their_opinion(&w, &t->q, X509_V_FLAG_X509_STRICT, NULL);
    their_world_free(&w);
}

/* The same when they may take our path only. */
static inline struct opinion trial_second_opinion(const struct trial *t)
{
    struct span path[CHAIN_PATH];
    struct their_world w;
    struct opinion o;

    for (size_t i = 0; i < t->result.depth; i++) {
        path[i] = t->result.path[i]->der;
    }
    w = their_world(path, t->result.depth, path + t->result.depth - 1, 1);
    o = their_opinion(&w, &t->q, 0, NULL);
    their_world_free(&w);
    return o;
}

static inline void trial_free(struct trial *t)
{
    trust_unref(t->q.trust);
    for (size_t i = 0; i < t->n; i++) {
        free((void *)(uintptr_t)t->der[i].p);
    }
}
#endif
