/* SPDX-License-Identifier: ISC */
/* The key exchanges of TLS 1.2 and below as rows: a file each (kx_NAME12.c). What a row does not
 * say is as with ECDHE: the server shows a certificate and signs its half of the exchange with it.
 */
#ifndef HANDSHAKE_KX12_H
#define HANDSHAKE_KX12_H
#include "handshake/local.h"

struct kx12 {
    unsigned facts;  /* how its messages differ, what proves what: rows of the table go by them */
    unsigned proves; /* what a server has to have proved, beside Finished; never nothing */
    bool ec;         /* of elliptic curves: ec_point_formats means something */
    bool ffdhe;      /* of finite fields: supported_groups names those of RFC 7919 */
    /* Server: is all there that the suite takes? Then the certificate is chosen. */
    suite_test *usable;
    /* Server: a ServerKeyExchange, up to its signature. NULL: there is none to send; with
     * FACT_SKE_OPTIONAL nothing may be written, and none is sent. */
    int (*server_write)(struct hs *h, struct wr *w);
    /* Client: takes it apart, up to its signature; as long as that is not checked nothing else is
     * done. What it keeps may lie inside the message. NULL: there is none. */
    int (*client_read)(struct hs *h, struct rd *body);
    /* Client: may the server be without a certificate and any other proof? NULL: it is not. */
    int (*judge)(struct hs *h);
    /* Client: then, or when none came: the body of ClientKeyExchange (work->exchange) and the
     * premaster secret (work->premaster). */
    int (*client_answer)(struct hs *h);
    /* Server: a ClientKeyExchange; ends with kx12_master(). Like key_sign(). */
    int (*server_read)(struct hs *h, struct rd *body);
    /* Of what was exchanged. NULL: it is the premaster secret. */
    int (*master)(struct hs *h, struct span shared);
    const struct kx12 *with; /* the exchange that a pre-shared key goes with; NULL: none */
};
extern const struct kx12 kx12_ecdhe, kx12_rsa, kx12_dhe, kx12_dh_anon, kx12_psk, kx12_ecdhe_psk,
    kx12_dhe_psk, kx12_rsa_psk;

const struct kx12 *kx12_of(const struct suite *s); /* NULL: a suite of TLS 1.3 */
bool kx12_signs(const struct kx12 *kx);            /* is its ServerKeyExchange signed? */
/* Can clients be asked for a certificate? Not by a server that shows none, nor together with a
 * pre-shared key (RFC 5246 section 7.4.4, RFC 4279). */
bool kx12_asks(const struct kx12 *kx);
/* Both ends know what was exchanged: the master secret and the key block. */
int kx12_master(struct hs *h, struct span shared) MUST_CHECK;
int anon12_judge(struct hs *h) MUST_CHECK; /* kx_anon12.c */
#endif
