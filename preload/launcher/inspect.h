/* SPDX-License-Identifier: ISC */
/* sleeve inspect: what was read, and what was found out about it. */
#ifndef PRELOAD_LAUNCHER_INSPECT_H
#define PRELOAD_LAUNCHER_INSPECT_H
#include "engine.h"
#include "preload/launcher/launcher.h"

#define DAY         86400
#define SOON_DAYS   30
#define PIECES_MAX  1000
#define PICTURE_MAX 20 /* certificates; of more there is a list */
#define SHORT_MAX   32 /* keys, CRLs, remarks: more are not looked at */

struct piece {
    struct cert cert;
    const char *from; /* file; NULL: a server sent it */
    int place, of;    /* 1 of 3 */
    bool used;        /* in a tree */
};

struct held_key {
    const char *from;
    struct privkey *key;
    unsigned mode; /* of its file */
};

struct crl_facts {
    const char *from;
    struct span issuer;
    int64_t this_update, next_update; /* INT64_MIN: not said */
    size_t entries;
};

struct remark {
    bool wrong; /* else good to know */
    char text[400], todo[400];
};

struct inspection {
    /* asked for */
    const char *name;  /* that the certificate must speak for; NULL: not asked */
    const char *where; /* HOST:PORT; NULL: files */
    const char *passphrase;
    bool own_ca, client;
    int64_t now;
    struct trust *trust;
    struct revocation *crls; /* NULL: none */
    /* read */
    struct piece *pieces;
    size_t npieces;
    struct held_key keys[SHORT_MAX];
    size_t nkeys;
    struct crl_facts lists[SHORT_MAX];
    size_t nlists;
    struct span staple;
    uint8_t *memory[PIECES_MAX + SHORT_MAX + 1]; /* what all spans point into */
    size_t nmemory;
    /* found */
    struct remark remarks[SHORT_MAX];
    size_t nremarks;
};

/* A copy that lives as long as the inspection; empty: no memory, or too much to look at. */
struct span inspect_keep(struct inspection *in, struct span bytes);
/* 0, or EXIT_UNREAD after a sentence. */
int inspect_add_cert(struct inspection *in, struct span der, const char *from, int place);
__attribute__((format(printf, 4, 5))) void inspect_remark(struct inspection *in, bool wrong,
                                                          const char *todo, const char *fmt, ...);

/* ---- inspect_read.c, inspect_live.c: 0, or EXIT_UNREAD after a sentence ---- */
int inspect_read(struct inspection *in, const char *path);
/* Shakes hands with whoever is there, says what was negotiated, and keeps the chain. */
int inspect_live(struct inspection *in, const char *host, const char *port, const char *const *alpn,
                 size_t nalpn);

/* ---- inspect_judge.c ---- */
struct tree {
    struct {
        const struct cert *cert;
        struct piece *piece; /* NULL: out of what is trusted */
        bool trusted;
        bool misfit;      /* it did not sign the one below */
    } up[CHAIN_PATH + 2]; /* the leaf first */
    size_t n;
    bool whole; /* the last signed itself, or is trusted */
    bool as_client;
    enum chain_verdict verdict; /* CHAIN_OK also for a CA in which nothing is wrong */
    char staple[200];           /* what the OCSP response says; "": there is none */
};
/* The next certificate that no other of them is issued by, and those above it. False: no more. */
bool inspect_next_tree(struct inspection *in, struct tree *t);
/* What is wrong with it, into the remarks. */
void inspect_judge(struct inspection *in, struct tree *t);
/* About all that was read: what belongs to no tree, in which order it came, keys, CRLs. */
void inspect_judge_rest(struct inspection *in);

/* ---- inspect_show.c ---- */
void show_fact(const char *name, const char *value);
void show_tree(const struct inspection *in, const struct tree *t);
void show_list(const struct inspection *in);
void show_keys(const struct inspection *in);
void show_crls(const struct inspection *in);
void show_remarks(const struct inspection *in);
bool key_is_rsa(const struct cert *c);
unsigned rsa_bits(struct span n);
#endif
