/* SPDX-License-Identifier: ISC */
/* The handshake as a table of expectations: one row for each legal (state, message); a flight is
 * written by a plain function when its edge fires. It never touches a record: it hands whole
 * messages to its host and asks it to switch keys.
 *
 * What outlives the handshake is in struct hs; all that does not is in struct hs_work: one
 * allocation, wiped and freed when CONNECTED is entered or the connection fails. */
#ifndef HANDSHAKE_HANDSHAKE_H
#define HANDSHAKE_HANDSHAKE_H
#include "base/options.h"
#include "handshake/settings.h"

enum hs_type { /* RFC 8446 section 4, RFC 5246 section 7.4 */
               HS_HELLO_REQUEST = 0,
               HS_CLIENT_HELLO = 1,
               HS_SERVER_HELLO = 2,
               HS_NEW_SESSION_TICKET = 4,
               HS_END_OF_EARLY_DATA = 5,
               HS_ENCRYPTED_EXTENSIONS = 8,
               HS_CERTIFICATE = 11,
               HS_SERVER_KEY_EXCHANGE = 12,
               HS_CERTIFICATE_REQUEST = 13,
               HS_SERVER_HELLO_DONE = 14,
               HS_CERTIFICATE_VERIFY = 15,
               HS_CLIENT_KEY_EXCHANGE = 16,
               HS_FINISHED = 20,
               HS_CERTIFICATE_STATUS = 22,
               HS_KEY_UPDATE = 24,
               HS_COMPRESSED_CERTIFICATE = 25, /* RFC 8879 */
               /* What the table tells apart although the wire does not. */
               HS_HELLO_RETRY_REQUEST = 256,   /* a ServerHello by type, but for its random */
               HS_SERVER_HELLO_13 = 257,       /* that chooses TLS 1.3 */
               HS_CLIENT_HELLO_13 = 258,       /* to be answered with TLS 1.3 */
               HS_CHANGE_CIPHER_SPEC = 259,    /* TLS 1.2: a record of its own type */
               HS_RENEGOTIATION_REFUSED = 260, /* a HelloRequest or ClientHello we do not follow */
               HS_NO_CERTIFICATE = 261,        /* SSL 3: an alert */
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
    C12_WAIT_CERT,
    C12_WAIT_STATUS,
    C12_WAIT_SKE,
    C12_WAIT_CR,
    C12_WAIT_DONE,
    C12_WAIT_NST,
    C12_WAIT_CCS,
    C12_WAIT_FINISHED,
    C12_CONNECTED,
    S_WAIT_CH,
    S_WAIT_CH2,
    S_WAIT_EOED, /* early data is accepted */
    S_WAIT_CERT,
    S_WAIT_CV,
    S_WAIT_FINISHED,
    S_CONNECTED,
    S_POST_CERT, /* a CertificateRequest is out; in all else connected (section 4.6.2) */
    S_POST_CV,
    S_POST_FINISHED,
    S12_WAIT_CERT,
    S12_WAIT_CKE,
    S12_WAIT_CV,
    S12_WAIT_CCS,
    S12_WAIT_FINISHED,
    S12_CONNECTED,
    HS_STATES
};

/* What has been proved by the peer; CONNECTED demands all that the role and mode call for.
 * PROVES_SESSION stands for what was proved when the session was made; PROVES_PSK: the peer has
 * the external key, in place of a certificate. */
enum {
    PROVES_CHAIN = 1,
    PROVES_POSSESSION = 2,
    PROVES_FINISHED = 4,
    PROVES_SESSION = 8,
    PROVES_PSK = 16,
    PROVES_ANONYMOUS = 32, /* nothing, and that was allowed for this server */
};
/* Facts that choose between rows of one (state, message). */
enum {
    FACT_RETRY = 1,       /* server: this ClientHello is answered by HelloRetryRequest */
    FACT_CLIENT_AUTH = 2, /* a CertificateRequest was sent or received */
    FACT_PEER_CERT = 4,   /* the peer's Certificate was not empty */
    FACT_RESUMED = 8,     /* an earlier session goes on */
    FACT_TICKET = 16,     /* TLS 1.2: a NewSessionTicket is promised */
    FACT_STATUS = 32,     /* TLS 1.2: a CertificateStatus may come */
    FACT_NO_SKE = 64,     /* TLS 1.2: no ServerKeyExchange comes */
    FACT_PSK = 128,       /* an external pre-shared key is in use */
    FACT_EARLY = 256,     /* server: the client's early data is accepted */
    /* TLS 1.2, of the key exchange, like FACT_NO_SKE and FACT_PSK (kx12.h) */
    FACT_SKE_OPTIONAL = 512, /* it may be left out */
    FACT_NO_CERT = 1024,     /* the server shows no certificate */
    FACT_ENCIPHERS = 2048,   /* only the server's key can open the premaster secret */
    FACT_SIGNED = 4096,      /* client: the signature of ServerKeyExchange was right */
    FACT_ANONYMOUS = 8192,   /* client: a server that proves nothing is allowed */
};

enum hs_direction { HS_READ, HS_WRITE };

/* Keys of one direction: a traffic secret in TLS 1.3, else the parts of the key block. */
struct hs_keys {
    const struct suite *suite;
    const uint8_t *traffic;
    const uint8_t *mac, *key, *iv;
};

/* The engine, as the handshake sees it. All return 0 or an error. */
struct hs_host {
    int (*send)(void *ctx, struct span message);
    int (*send_ccs)(void *ctx); /* TLS 1.3: for middleboxes (appendix D.4) */
    /* NULL: none again, to write */
    int (*set_keys)(void *ctx, enum hs_direction d, const struct hs_keys *k);
    int (*warn)(void *ctx, enum alert desc);
    int (*key_update)(void *ctx, bool answer_wanted); /* the peer changed its sending keys */
    int (*skip_early)(void *ctx, size_t max); /* records to skip may come (section 4.2.10) */
    /* Another config from here on; the reference passes. ERR_ARG: not sealed, or of a client. */
    int (*use_config)(void *ctx, struct config *c);
    const uint8_t *(*traffic)(void *ctx, enum hs_direction d); /* TLS 1.3: the secret of now */
};

#ifdef USE_SSL3
#define VERIFY_MAX 36 /* bytes of a Finished of SSL 3 (RFC 6101 section 5.6.9) */
#else
#define VERIFY_MAX VERIFY12
#endif

struct hs_work;
struct hs {
    const struct settings *set;
    const struct hs_host *host;
    void *ctx; /* for host; a struct tls */
    struct error *err;
    keep_fn *keep; /* client: is told of sessions; NULL: nobody asks */
    void *keep_ctx;
    key_wake_fn *wake; /* NULL: the application finds out by itself when to go on */
    void *wake_ctx;
    enum hs_state state;
    unsigned proves, facts;
    /* what was negotiated */
    uint16_t version;
    const struct suite *suite;
    const struct group *group;
    const struct scheme *scheme; /* of the peer's CertificateVerify, else of ours */
    uint16_t max_fragment;       /* bytes of a record either way; 0: no limit but the usual */
    /* record_size_limit: the peer's, and ours when it holds; 0: none. TLS 1.3 counts the type. */
    uint16_t send_limit, recv_limit;
    bool ems, etm;
    char *alpn, *sni, *name; /* NULL: none; name: the verified one */
    char *psk;               /* name of the external key that authenticates both; NULL: none */
    bool named;              /* the peer has proved to be `name` */
    struct cert_list *peer;  /* its certificate, and the others of the chain, if they are known */
    int64_t peer_not_after;  /* of its chain, seconds since 1970; INT64_MAX: no certificate */
    struct buf status;       /* client: OCSP response */
    struct buf scts;         /* client: SignedCertificateTimestampList */
    struct tls_session
        *session;       /* client: offered, then the one to resume; server: resumed, made */
    bool finished_last; /* ours was the last message */
    enum tls_early early;
    enum tls_early_why early_why;
    uint32_t early_left; /* bytes of early data that may still go (client) or come (server) */
    /* renegotiation (RFC 5746) */
    bool secure;                                      /* the peer knows it */
    bool renegotiating;                               /* this handshake is not the first */
    bool may_resume;                                  /* in it */
    enum { ALLOW_UNSAID, ALLOW_NO, ALLOW_YES } allow; /* the peer may start one */
    bool asked;                                       /* server: our HelloRequest is out */
    bool write_blocked; /* no data now: from our hello in a renegotiation, or from our Finished, on
                         */
    uint8_t verify[2][VERIFY_MAX]; /* the last Finished of client and server */
    uint8_t *exporter;             /* its secret; TLS 1.2: and the randoms (exporter.c) */
    uint8_t exporter_size;
    struct identity *shown; /* server: the certificate that went out; NULL: not known */
    struct hs_work *work;   /* NULL once connected */
    struct post13 *post;    /* TLS 1.3, connected; NULL: neither tickets nor requests come */
};

/* host name to verify and SNI may be NULL. A client's ClientHello is sent from here. */
int hs_start(struct hs *h, const char *name, const char *sni) MUST_CHECK;
/* TLS 1.2, connected: a client sends a ClientHello, a server a HelloRequest. */
int hs_restart(struct hs *h, bool resume) MUST_CHECK;
/* TLS 1.3 server, connected: asks for the client's certificate, which `set` will judge. The check
 * comes first: ERR_STATE, ERR_UNSUPPORTED. */
int hs_may_request(const struct hs *h) MUST_CHECK;
int hs_request(struct hs *h, const struct settings *set) MUST_CHECK;
/* Both of a connection that is or was complete, and not in a renegotiation (ERR_STATE). See
 * tls_export() and tls_channel_binding(). */
int hs_export(const struct hs *h, const char *label, struct span context, bool has_context,
              uint8_t *out, size_t n) MUST_CHECK;
int hs_exporter_binding(const struct hs *h, uint8_t *out, size_t *n) MUST_CHECK;
int hs_end_point(const struct hs *h, uint8_t *out, size_t *n) MUST_CHECK;
/* What a connection keeps goes into another process (handoff.c). May it, now? ERR_STATE: a
 * handshake is under way; ERR_UNSUPPORTED: a client that promised post-handshake authentication. */
int hs_may_hand_off(const struct hs *h) MUST_CHECK;
void hs_hand_off(const struct hs *h, struct wr *w);
/* h is new and has its settings. ERR_PARSE, ERR_MEM, or ERR_MISMATCH: made under other settings. */
int hs_take_over(struct hs *h, struct rd *r) MUST_CHECK;
/* The peer does not want to renegotiate: back to CONNECTED, on the keys of before. */
void hs_abandon(struct hs *h);
/* One whole message with its header. last_in_record: nothing follows it in its record. */
int hs_message(struct hs *h, struct span message, bool last_in_record) MUST_CHECK;
/* The last message waits for a private key or a session store, and with it the state; no other one
 * comes before it has gone on. */
bool hs_waiting(const struct hs *h);
bool hs_ready(const struct hs *h); /* hs_waiting(): may it go on? */
/* hs_ready(): the rest of that message, which still lies where it was. */
int hs_resume(struct hs *h) MUST_CHECK;
/* TLS 1.2: a change_cipher_spec record. */
int hs_change_cipher(struct hs *h) MUST_CHECK;
/* SSL 3: is this warning one that stands for a message of the handshake, here? Then that. */
bool hs_warning_counts(const struct hs *h, unsigned desc);
int hs_no_certificate(struct hs *h) MUST_CHECK;
/* The alert that says it in the version that is spoken. */
unsigned hs_alert(const struct hs *h, unsigned desc);
/* Largest legal body of a message of this type; and what of it our settings allow. */
size_t hs_message_max(unsigned type);
size_t hs_longest(const struct hs *h, unsigned type);
/* May a message of this type come now? A hello always: which of them it is, the whole of it tells.
 */
bool hs_expects(const struct hs *h, unsigned type);
const char *hs_where(const struct hs *h); /* "ServerHello": what it waits for; "data" */
bool hs_connected(const struct hs *h);
bool hs_data_legal(const struct hs *h);  /* application data may arrive now */
bool hs_early_legal(const struct hs *h); /* early data may arrive now */
bool hs_key_unproved(
    const struct hs *h); /* TLS 1.2: the next record shows whose pre-shared key it is */
bool hs_half_open(const struct hs *h);           /* server: data may answer early data already */
const char *hs_alpn(const struct hs *h);         /* also of early data that is offered; or NULL */
bool hs_is_13(const struct hs *h);               /* TLS 1.3 was negotiated */
bool hs_knows_warnings(const struct hs *h);      /* alerts of the warning level mean something */
bool hs_drops_ccs(const struct hs *h);           /* change_cipher_spec means nothing */
const char *hs_version_name(const struct hs *h); /* "" until negotiated */
/* What plaintext records say: of the version that is spoken, and before, of our first hello. */
uint16_t hs_record_version(const struct hs *h);
uint16_t hs_hello_version(const struct hs *h);
bool hs_allows(const struct hs *h); /* the peer may start a renegotiation */
void hs_forget(struct hs *h);       /* the session: neither resumed nor in the cache any more */
void hs_over(struct hs *h);   /* nothing more is said: what is secret goes, the session stays */
void hs_failed(struct hs *h); /* after a fatal alert: what is left is not resumed */
void hs_end(struct hs *h);    /* wipes and frees the work; idempotent */
void hs_free(struct hs *h);   /* everything */

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
    NO_TRANSCRIPT = 4,  /* post-handshake, or no handshake message at all */
    STARTS = 8,         /* in CONNECTED: another handshake begins with it */
};
extern const struct edge tls12_edges[], tls13_edges[];
extern const size_t tls12_nedges, tls13_nedges;
#endif
