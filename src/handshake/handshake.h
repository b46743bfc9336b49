/* SPDX-License-Identifier: ISC */
/* The handshake as a table of expectations: one row for each legal (state, message); a flight is
 * written by a plain function when its edge fires. It never touches a record: it hands whole
 * messages to its host and asks it to switch keys.
 *
 * What outlives the handshake is in struct hs; all that does not is in struct hs_work: one
 * allocation, wiped and freed when CONNECTED is entered or the connection fails. */
#ifndef HANDSHAKE_HANDSHAKE_H
#define HANDSHAKE_HANDSHAKE_H
#include "handshake/settings.h"

enum hs_type { /* RFC 8446 section 4 */
               HS_CLIENT_HELLO = 1,
               HS_SERVER_HELLO = 2,
               HS_NEW_SESSION_TICKET = 4,
               HS_END_OF_EARLY_DATA = 5,
               HS_ENCRYPTED_EXTENSIONS = 8,
               HS_CERTIFICATE = 11,
               HS_CERTIFICATE_REQUEST = 13,
               HS_CERTIFICATE_VERIFY = 15,
               HS_FINISHED = 20,
               HS_KEY_UPDATE = 24,
               HS_HELLO_RETRY_REQUEST =
                   256, /* a ServerHello by type, another message by its random */
};
#define HS_HEADER 4

enum hs_state {
    C_WAIT_SH,
    C_WAIT_SH2,
    C_WAIT_EE,
    C_WAIT_CERT_CR,
    C_WAIT_CERT,
    C_WAIT_CV,
    C_WAIT_FINISHED,
    C_CONNECTED,
    S_WAIT_CH,
    S_WAIT_CH2,
    S_WAIT_CERT,
    S_WAIT_CV,
    S_WAIT_FINISHED,
    S_CONNECTED,
    HS_STATES
};

/* What has been proved by the peer; CONNECTED demands all that the role and mode call for. */
enum { PROVES_CHAIN = 1, PROVES_POSSESSION = 2, PROVES_FINISHED = 4 };
/* Facts that choose between rows of one (state, message). */
enum {
    FACT_RETRY = 1,       /* server: this ClientHello is answered by HelloRetryRequest */
    FACT_CLIENT_AUTH = 2, /* a CertificateRequest was sent or received */
    FACT_PEER_CERT = 4,   /* the peer's Certificate was not empty */
};

enum hs_direction { HS_READ, HS_WRITE };

/* The engine, as the handshake sees it. All return 0 or an error. */
struct hs_host {
    int (*send)(void *ctx, struct span message);
    int (*send_ccs)(void *ctx); /* middlebox compatibility (appendix D.4) */
    int (*set_keys)(void *ctx, enum hs_direction d, const struct suite *s, const uint8_t *traffic);
    int (*key_update)(void *ctx, bool answer_wanted); /* the peer changed its sending keys */
    int (*early_data)(void *ctx);                     /* records to skip will come (4.2.10) */
};

struct hs_work;
struct hs {
    const struct settings *set;
    const struct hs_host *host;
    void *ctx; /* for host; a struct tls */
    struct error *err;
    enum hs_state state;
    unsigned proves, facts;
    /* what was negotiated */
    uint16_t version;
    const struct suite *suite;
    const struct group *group;
    const struct scheme *scheme; /* of the peer's CertificateVerify, else of ours */
    char *alpn, *sni, *name;     /* NULL: none; name: the verified one */
    uint8_t *peer_cert;          /* leaf DER */
    size_t peer_cert_len;
    struct hs_work *work; /* NULL once connected */
};

/* host name to verify and SNI may be NULL. A client's ClientHello is sent from here. */
int hs_start(struct hs *h, const char *name, const char *sni) MUST_CHECK;
/* One whole message with its header. last_in_record: nothing follows it in its record. */
int hs_message(struct hs *h, struct span message, bool last_in_record) MUST_CHECK;
/* Largest legal body of a message of this type. */
size_t hs_message_max(unsigned type);
bool hs_connected(const struct hs *h);
bool hs_started(const struct hs *h); /* the first flight was sent or received */
void hs_end(struct hs *h);           /* wipes and frees the work; idempotent */
void hs_free(struct hs *h);          /* everything */

/* The table, for its tests and its picture. */
struct edge {
    enum hs_state from;
    unsigned message;
    unsigned guard; /* facts that must hold once the message was handled; 0: any */
    unsigned flags;
    unsigned proves;
    enum hs_state to;
    int (*handler)(struct hs *h, struct rd *body);
};
enum {
    LAST_IN_RECORD = 1, /* next bytes come under other keys (threat 8) */
    NEEDS_PRIOR = 2,    /* the handler needs the transcript up to before this message */
    NO_TRANSCRIPT = 4,  /* post-handshake */
};
extern const struct edge tls13_edges[];
extern const size_t tls13_nedges;
#endif
