/* SPDX-License-Identifier: ISC */
/* What the files of this room share: the working state of a running handshake, and the handlers. */
#ifndef HANDSHAKE_LOCAL_H
#define HANDSHAKE_LOCAL_H
#include "base/buf.h"
#include "handshake/handshake.h"
#include "handshake/schedule13.h"
#include "handshake/transcript.h"

#define RANDOM_SIZE    32
#define SESSION_ID_MAX 32
#define MAX_SCHEMES    32
#define MAX_EXTENSIONS 64

struct hs_work {
    struct transcript transcript;
    struct schedule13 schedule;
    uint8_t prior[HASH_MAX]; /* transcript hash before the message being handled */
    uint8_t client_traffic[HASH_MAX], server_traffic[HASH_MAX]; /* handshake, then application */
    uint8_t random[RANDOM_SIZE], client_random[RANDOM_SIZE];
    uint8_t session_id[SESSION_ID_MAX];
    size_t session_id_len;
    struct kex *kex;   /* client: the one share we sent */
    uint32_t ext_sent; /* rows of the extension table in our hello or request */
    bool ccs_sent, retried, early_data;
    struct buf cookie;              /* client: from HelloRetryRequest */
    struct buf request_context;     /* client: of the CertificateRequest */
    uint8_t hello_digest[HASH_MAX]; /* server: of what may not change in a second ClientHello */
    /* what the peer offered */
    uint16_t schemes[MAX_SCHEMES];
    size_t nschemes;
    bool got_schemes, got_groups, got_shares, got_version, alpn_offered;
    bool peer_has_group[SETTINGS_GROUPS]; /* by index in our settings */
    struct span share;                    /* key share chosen, inside the message being handled */
    const struct group *share_group;
    uint16_t selected_group; /* HelloRetryRequest */
    const struct identity *identity;
    const struct scheme *our_scheme;
    struct pubkey *peer_key;
};

/* ---- messages ---- */
/* Starts a message of that type; hs_msg_send() closes, hashes and hands it to the host. */
struct hs_msg {
    struct buf buf;
    struct wr w;
    size_t mark;
};
void hs_msg_begin(struct hs_msg *m, enum hs_type type);
int hs_msg_send(struct hs *h, struct hs_msg *m) MUST_CHECK; /* frees m in any case */

/* ---- extensions (extensions.c) ---- */
enum ext_where {
    IN_CH = 1,
    IN_SH = 2,
    IN_HRR = 4,
    IN_EE = 8,
    IN_CT = 16,
    IN_CR = 32,
    IN_NST = 64,
};
int ext_write(struct hs *h, struct wr *w, enum ext_where where) MUST_CHECK; /* the whole block */
/* Reads the whole block from body. */
int ext_read(struct hs *h, struct rd *body, enum ext_where where) MUST_CHECK;
extern const uint8_t hello_retry_random[RANDOM_SIZE];

/* ---- shared steps (keys13.c, cert13.c) ---- */
int keys13_handshake(struct hs *h,
                     struct span shared) MUST_CHECK; /* traffic secrets of both sides */
int keys13_application(struct hs *h, uint8_t *client, uint8_t *server) MUST_CHECK;
int keys13_compat_ccs(struct hs *h) MUST_CHECK;
int cert13_choose(struct hs *h); /* identity and scheme by the peer's schemes; 1 found, 0 none */
int cert13_send(struct hs *h) MUST_CHECK; /* Certificate, and CertificateVerify when not empty */
int finished13_send(struct hs *h, const uint8_t *traffic) MUST_CHECK;
int finished13_check(struct hs *h, struct rd *body, const uint8_t *traffic) MUST_CHECK;

/* ---- handlers: one per row of the table ---- */
int client13_hello_send(struct hs *h) MUST_CHECK;
int client13_on_retry(struct hs *h, struct rd *body);
int client13_on_hello(struct hs *h, struct rd *body);
int client13_on_extensions(struct hs *h, struct rd *body);
int client13_on_request(struct hs *h, struct rd *body);
int client13_on_finished(struct hs *h, struct rd *body);
int server13_on_hello(struct hs *h, struct rd *body);
int server13_on_finished(struct hs *h, struct rd *body);
int cert13_on_certificate(struct hs *h, struct rd *body);
int cert13_on_verify(struct hs *h, struct rd *body);
int post13_on_ticket(struct hs *h, struct rd *body);
int post13_on_key_update(struct hs *h, struct rd *body);
#endif
