/* SPDX-License-Identifier: ISC */
/* A chain with the verdict and the alert that it must get, and how its certificates are written
 * down in a row. */
#ifndef TESTS_X509_CHAIN_CASE_H
#define TESTS_X509_CHAIN_CASE_H
#include "forge.h"

/* The rows set again what the macros below set for the usual case. */
#pragma GCC diagnostic ignored "-Woverride-init"
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"
#ifdef __clang__
#pragma clang diagnostic ignored "-Winitializer-overrides"
#endif

enum { SENT = 1, TRUSTED = 2, BOTH = 3 };

struct chain_case {
    const char *name;
    enum chain_verdict verdict;
    enum alert alert;
    struct forge certs[14]; /* the first that is sent is the leaf */
    const char *host;       /* NULL: a.test; "": none */
    int64_t later;          /* seconds behind NOW */
    bool client;            /* the peer is one */
    bool enciphers;         /* RSA key exchange */
    bool partial, weak;     /* what the query allows */
    const char *openssl;    /* why `openssl verify` judges otherwise; NULL: it agrees */
};

#define CA_KU (KU_CERT_SIGN | KU_CRL_SIGN)
/* Key 0 is the root's, 1 the leaf's, 2 and up belong to intermediates. */
#define ROOT(...)                                                                             \
    {                                                                                         \
        .at = TRUSTED, .subject = "root", .issuer = "root", .key = 0, .by = 0, .ca = CA_TRUE, \
        .ku = CA_KU, __VA_ARGS__                                                              \
    }
#define MID(name, issuer_name, own, signer, ...)                                      \
    {                                                                                 \
        .at = SENT, .subject = name, .issuer = issuer_name, .key = own, .by = signer, \
        .ca = CA_TRUE, .ku = CA_KU, __VA_ARGS__                                       \
    }
#define LEAF(issuer_name, signer, ...)                                                \
    {                                                                                 \
        .at = SENT, .subject = "leaf", .issuer = issuer_name, .key = 1, .by = signer, \
        .ku = KU_DIGITAL_SIGNATURE, .eku = EKU_SERVER, .names = "a.test", __VA_ARGS__ \
    }
#define GOOD                CHAIN_OK, ALERT_NONE
#define BAD(verdict, alert) CHAIN_##verdict, ALERT_##alert

/* A case made real. */
struct world {
    struct span ders[14];
    struct cert sent[14], trusted[14];
    size_t nders, nsent, ntrusted;
    bool malformed; /* one that is sent */
};

static inline void world_make(struct world *w, const struct chain_case *k)
{
    *w = (struct world){ 0 };
    for (size_t i = 0; i < 14 && k->certs[i].at; i++) {
        struct cert c;

        w->ders[w->nders] = forge_der(&k->certs[i]);
        if (cert_parse(&c, w->ders[w->nders++], NULL) < 0) {
            w->malformed = true;
        }
        if (k->certs[i].at & SENT) {
            w->sent[w->nsent++] = c;
        }
        if (k->certs[i].at & TRUSTED) {
            w->trusted[w->ntrusted++] = c;
        }
    }
}

static inline void world_free(struct world *w)
{
    for (size_t i = 0; i < w->nders; i++) {
        free((void *)(uintptr_t)w->ders[i].p);
    }
}

static inline const char *case_host(const struct chain_case *k)
{
    return !k->host ? "a.test" : *k->host ? k->host : NULL;
}
#endif
