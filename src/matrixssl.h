/* SPDX-License-Identifier: ISC */
/* What the files of the guide's API share: keys, sessions, certificates as callbacks see them. */
#ifndef SRC_MATRIXSSL_H
#define SRC_MATRIXSSL_H
#include "base/options.h"

#include <matrixssl/matrixsslApi.h>
#include <stdatomic.h>

#include "base/buf.h"
#include "base/lock.h"
#include "engine.h"

#define KEYS_MAX_IDENTITIES 8

struct psk {
    struct psk *next;
    size_t nkey, nid;
    bool is_text; /* the identity; others are not used */
    uint8_t key[SSL_PSK_MAX_KEY_SIZE], id[SSL_PSK_MAX_ID_SIZE];
};

/* What tells the configs of one set of keys apart; compared byte by byte, so without gaps. */
struct config_key {
    uint32_t generation; /* of what is said for the whole process */
    uint16_t suite, min_version, max_version, max_fragment;
    uint8_t status[SETTINGS_SUITES]; /* enum suite_status, in the order of suite_at() */
    uint8_t server, asks, hears, named, ask_status, no_tickets, gap[2];
};
struct shared_config {
    struct config_key key;
    struct config *config; /* NULL: none yet */
};
#define KEYS_SHARED 4

struct sslKeys {
    struct identity *identity[KEYS_MAX_IDENTITIES];
    size_t nidentities;
    struct buf status[KEYS_MAX_IDENTITIES]; /* OCSP response of each; empty: none */
    struct trust *trust;                    /* may be without anchors */
    struct ticket_keys *tickets;
    struct psk *psks;
    struct dh_params dh; /* empty: none were loaded */
    atomic_bool in_use;  /* by a session: nothing may be loaded any more */
    struct lock lock;    /* of what follows */
    struct shared_config shared[KEYS_SHARED];
    size_t next_shared;
};

/* What a build can do at all. */
enum {
#ifdef USE_CLIENT_AUTH
    CAN_ASK_CLIENTS = true,
#else
    CAN_ASK_CLIENTS = false,
#endif
#ifdef SSL_REHANDSHAKES_ENABLED
    CAN_REHANDSHAKE = true,
#else
    CAN_REHANDSHAKE = false,
#endif
};

/* What may be said of a suite, by the process or by a session. */
enum suite_status { SUITE_UNSAID, SUITE_ON, SUITE_OFF };

/* What a connection is built from, beside keys and callbacks. */
struct wishes {
    uint16_t suite;                    /* the one that was asked for; 0: all that are enabled */
    uint8_t status[SETTINGS_SUITES];   /* enum suite_status, in the order of suite_at() */
    unsigned min_version, max_version; /* 0: whatever there is */
    unsigned max_fragment;             /* 0: any */
    bool ask_status, no_tickets;
    char *expected; /* the server's name; NULL: none */
    char *sni;      /* another one to send; NULL: the expected one */
    char *alpn;     /* names, each with its NUL; NULL: none */
    size_t nalpn;
    struct buf extensions; /* encoded */
};

enum progress {
    HANDSHAKING,
    LAST_FLIGHT, /* complete as soon as what is queued has been sent */
    COMPLETE,
};

/* How a certificate was accepted. */
enum { ACCEPTED_VALID, ACCEPTED_INVALID, ACCEPTED_ANONYMOUS };

struct session {
    ssl_t pub; /* first: what the application holds is a pointer to it */
    struct tls *tls;
    sslCertCb_t cert_cb;
    sslExtCb_t ext_cb;
    enum tls_role role;
    struct wishes wish;
    bool touched; /* bytes have moved: the wishes stand */

    enum progress progress;
    bool over;        /* tls_input() failed */
    bool we_closed;   /* close_notify or a fatal alert of ours is in the stream */
    bool peer_closed; /* close_notify or a fatal alert arrived */
    uint32 accepted;
    struct tls_session *kept; /* what sid holds; NULL: nothing of this connection */

    /* later handshakes */
    bool asked;      /* by us, and not complete */
    bool says_done;  /* one is complete as soon as all is sent */
    bool permitted;  /* what the engine was told last */
    int32 credits;   /* handshakes that the peer may begin */
    uint64_t earned; /* bytes of data since the last credit for them */

    struct buf in;
    size_t need;   /* bytes that must be in `in` before it can go on; 0: not known */
    size_t usual;  /* size of the last record */
    size_t handed; /* the record at the start of `in` that the application looks at */
    unsigned char alert[2];

    struct buf out;
    size_t announced; /* bytes of the engine's queue that the application was told of */
    size_t reserved;  /* room for plaintext behind the gap at the end of `out`; 0: none */
    size_t gap;       /* what a record had before its ciphertext when the room was given */
};

static inline struct session *session_of(ssl_t *ssl)
{
    return (struct session *)(void *)ssl;
}

/* Wipes and gives up the room of matrixSslGetWritebuf(). */
void matrixssl_drop_reserved(struct session *s);

/* The arena of a build with USE_PEERSEC_MEMORY_MANAGEMENT, before anything is allocated. */
int matrixssl_memory(void) MUST_CHECK;

/* The guide's number for an error of ours. */
int32 matrixssl_code(int err);

/* ---- the process ---- */
/* A reference to the cache of sessions, NULL when the library is not open. */
struct session_cache *matrixssl_cache(void);
int matrixssl_set_keylog(struct config *c) MUST_CHECK;
/* Another one whenever something is said for the whole process. */
uint32_t matrixssl_generation(void);
void matrixssl_next_generation(void);
/* Forgets what was said of suites for the whole process. */
void matrixssl_forget_suites(void);

/* ---- making connections ---- */
/* A reference to a sealed config of the session's present keys, callbacks and wishes. */
int matrixssl_config(struct session *s, struct config **out, struct error *err) MUST_CHECK;
/* A connection under the present wishes in place of the one that was there. When it cannot be made
 * the wishes become `before`. The guide's number. */
int32 matrixssl_restart(struct session *s, const struct wishes *before);
/* 0, or the guide's number for a suite that cannot be nominated. */
int32 matrixssl_nominate(const struct wishes *w, uint32 id);
int matrixssl_set_suites(struct config *c, const struct wishes *w) MUST_CHECK;
/* Extensions of the application become wishes, or are encoded into wish.extensions. */
int matrixssl_take_extensions(struct wishes *w, const struct tlsExtension *e) MUST_CHECK;
int matrixssl_wish_alpn(struct wishes *w, const char *const *names, size_t n) MUST_CHECK;
void matrixssl_free_wishes(struct wishes *w);

/* tls_input(), with the session's callbacks. */
int matrixssl_input(struct session *s, struct tls_in *in) MUST_CHECK;

/* ---- sslSessionId_t ---- */
/* A session that may be offered, or NULL. */
struct tls_session *matrixssl_sid_load(const struct session *s);
/* A handshake is complete. */
void matrixssl_sid_complete(struct session *s, const struct tls_info *i);
/* Has a ticket arrived? */
void matrixssl_sid_refresh(struct session *s);
void matrixssl_sid_wipe(struct session *s);

/* ---- later handshakes ---- */
/* One is complete; or the peer does not want the one that we asked for. */
void matrixssl_rehandshake_done(struct session *s);
void matrixssl_rehandshake_refused(struct session *s);
/* Data has moved. */
void matrixssl_earn(struct session *s, size_t bytes);

/* A chain for a callback, leaf first, in one set of allocations. NULL: no memory. */
struct cert_memory;
psX509Cert_t *matrixssl_certs(const struct cert *chain, size_t n, int alert,
                              struct cert_memory **memory);
void matrixssl_certs_free(struct cert_memory *memory);
#endif
