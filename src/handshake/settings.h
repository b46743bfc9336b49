/* SPDX-License-Identifier: ISC */
/* What a handshake is to do: the plain data inside a sealed struct config (src/config.c). Read-only
 * while any connection uses it. */
#ifndef HANDSHAKE_SETTINGS_H
#define HANDSHAKE_SETTINGS_H
#include "handshake/key_job.h"
#include "handshake/protocol.h"
#include "handshake/suites.h"
#include "session/session.h"
#include "session/store.h"
#include "x509/x509.h"

enum verify_mode {
    VERIFY_FULL, /* chain and name; a client without a name to verify does not start */
    VERIFY_CA,   /* chain only */
    VERIFY_NONE, /* nothing: named so that it is seen */
};
enum client_auth { CLIENT_AUTH_NONE, CLIENT_AUTH_REQUEST, CLIENT_AUTH_REQUIRE };

/* A handshake on a connection that has had one (TLS 1.2; RFC 5746). */
enum renegotiation {
    RENEGOTIATE_NEVER,  /* answered with a no_renegotiation warning */
    RENEGOTIATE_SECURE, /* with a peer that binds it to the connection; others get the warning */
    RENEGOTIATE_ANY, /* with a peer that knows no RFC 5746 too: an attacker may have spoken first */
};

/* Early data (RFC 8446 section 2.3) of a connection: what became of it. */
enum tls_early {
    TLS_EARLY_NONE,     /* the client offers none */
    TLS_EARLY_OFFERED,  /* client: the server has not said yet */
    TLS_EARLY_REJECTED, /* none was or will be delivered */
    TLS_EARLY_ACCEPTED,
};
/* Server: the first reason to reject it. */
enum tls_early_why {
    TLS_EARLY_FINE,       /* there is none */
    TLS_EARLY_DISABLED,   /* config_set_early_data() was not called */
    TLS_EARLY_RETRY,      /* this ClientHello was answered by HelloRetryRequest */
    TLS_EARLY_NO_SESSION, /* the client's first key is no session, or it is not resumed */
    TLS_EARLY_TICKET,     /* which was given for none, or for more than we take now */
    TLS_EARLY_SUITE,      /* another cipher suite than the session's, or another protocol */
    TLS_EARLY_ALPN,
    TLS_EARLY_AGE,    /* the client's age of the ticket is not ours (section 8.3) */
    TLS_EARLY_REPLAY, /* it was here before, or that is not known (section 8) */
};

#define SETTINGS_SUITES     96
#define SETTINGS_GROUPS     8 /* there are no more rows; more named ones are ERR_LIMIT */
#define SETTINGS_SCHEMES    20
#define SETTINGS_IDENTITIES 16
#define TICKETS_MAX         8    /* of one handshake */
#define SCTS_MAX            8192 /* bytes: TLS 1.2 has them in its ServerHello */

/* Of record_size_limit (RFC 8449 section 4); in TLS 1.3 the content type counts. */
#define RECORD_LIMIT_MIN 64
#define RECORD_LIMIT_MAX 16385

struct tls;
struct config;

/* Asked after the engine's own verdict (alert: 0 or an enum alert; the sentence is in tls_error()).
 * Returns 0 to accept, else the alert to send. */
typedef int verify_fn(void *ctx, struct tls *t, const struct cert *chain, size_t n, int alert);

/* The body of an extension in the server's hello (TLS 1.2 ServerHello, TLS 1.3
 * EncryptedExtensions), also of one that only the application knows. 0 to go on, else the alert to
 * send. */
typedef int extension_fn(void *ctx, struct tls *t, uint16_t id, struct span body);

/* Server: the client's hello names this host; nothing of it was answered yet. *instead: NULL, to go
 * on, or another sealed server config, which takes the place of ours in all things; that reference
 * passes to the connection. 0, or anything else to refuse the name. */
typedef int sni_fn(void *ctx, struct tls *t, const char *name, struct config **instead);

/* Server: may the early data of this ClientHello be taken (RFC 8446 section 8)? Asked last, when
 * all else says yes. binder: the verified PSK binder, 32 or 48 bytes, that no two honest
 * ClientHellos share. true at most once for each binder within EARLY_WINDOW_MS, over all servers
 * that open these tickets; false when it was here before or when that is not sure. */
typedef bool replay_fn(void *ctx, struct span binder, int64_t now_ms);
/* How far the client's age of its ticket may be from ours, either way (section 8.3), and so for how
 * long one ClientHello can come with early data. Milliseconds. */
#define EARLY_AGE_MS    10000
#define EARLY_WINDOW_MS (2 * EARLY_AGE_MS)

/* Client: one more session that this connection can be resumed with. The callee takes a reference
 * of its own if it wants to keep it. */
typedef void keep_fn(void *ctx, struct tls_session *s);

/* What the chain of an identity is made of, for choosing among several. */
struct chain_facts {
    struct span issuer[CHAIN_MAX_CERTS];
    size_t nissuers;
    struct {
        enum sig_kind kind;
        enum hash_id hash;
    } sig[CHAIN_MAX_CERTS]; /* but those of certificates that sign themselves */
    size_t nsigs;
};

/* A pre-shared key from outside, as a hello of TLS 1.3 has it or a ClientKeyExchange (psk_ext.c).
 */
#define PSK_NAME_MAX  255
#define PSK_KEY_MIN   16 /* bytes: RFC 9257 section 6 */
#define PSK_KEY_MAX   256
#define PSK_OFFERS    4                                    /* of a client */
#define PSK_BOUND_MAX (2 + PSK_NAME_MAX + 2 + 2 * 257 + 4) /* of an ImportedIdentity (RFC 9258) */
struct ext_psk {
    struct ext_psk *next;
    char name[PSK_NAME_MAX + 1]; /* as the application knows it */
    uint8_t identity[PSK_BOUND_MAX], key[PSK_KEY_MAX];
    size_t identity_len, key_len;
    enum hash_id hash; /* HASH_NONE: of TLS 1.2 */
    bool imported;
};

struct settings {
    enum tls_role role;
    unsigned min_version, max_version;
    const struct suite *suites[SETTINGS_SUITES]; /* in order of preference */
    size_t nsuites;
    const struct scheme *schemes[SETTINGS_SCHEMES]; /* to sign and to verify handshakes with */
    size_t nschemes;
    const struct group *groups[SETTINGS_GROUPS];
    size_t ngroups;
    struct identity *identities[SETTINGS_IDENTITIES];
    struct buf status[SETTINGS_IDENTITIES]; /* OCSP response of each; empty: none */
    struct buf scts[SETTINGS_IDENTITIES];   /* SignedCertificateTimestampList of each, likewise */
    size_t nidentities;
    struct chain_facts *chains; /* of each identity; made when sealed, as are: */
    struct buf authorities;     /* server: names of the anchors, for requests; empty: too many */
    bool strict_sni;            /* server: no other name, or none, is served */
    bool compress_certs;        /* RFC 8879, either way */
    sni_fn *on_sni;
    void *on_sni_ctx;
    struct trust *trust;
    enum verify_mode verify;
    enum client_auth client_auth;
    /* certificates of the peer, beside that */
    enum revoke_mode revoke;
    struct revocation *revocation; /* CRLs; NULL: none */
    uint8_t (*pins)[PIN_SIZE];     /* SHA-256 of keys, one of which must be on the path */
    size_t npins;
    bool partial_chain, weak_certs;  /* as in struct chain_query */
    struct chain_cache *chain_cache; /* made when sealed; NULL: nothing is verified */
    struct buf alpn; /* ProtocolNameList contents: names with one length byte each */
    int64_t (*now)(void);
    /* sessions; server: NULL means that none is kept or given */
    struct session_cache *cache;
    struct ticket_keys *tickets;
    struct session_store store;       /* in place of the cache; get NULL: none */
    uint8_t tickets_sent;             /* TLS 1.3 server: how many behind a handshake */
    bool no_tickets;                  /* client: asks for none */
    uint32_t session_life;            /* seconds that a session of ours may be resumed */
    uint8_t context[SESSION_CONTEXT]; /* what a session is bound to (threat 27); made when sealed */
    struct ext_psk *psks;             /* of TLS 1.3, in order of preference */
    struct ext_psk *psks12;           /* of TLS 1.2 and before, likewise */
    struct ext_psk *decoy12;          /* server: for those it does not know; made when sealed */
    struct buf psk_hint;              /* server; empty: none */
    bool psk_ke;                      /* TLS 1.3: a key alone, without an exchange, will do */
    bool early_data;                  /* client: asks to send it with a session that allows it */
    uint32_t max_early;               /* server: bytes of it that a ticket allows; 0: none */
    struct replay_store *replay;      /* server: with max_early one of these */
    replay_fn *on_replay;
    void *on_replay_ctx;
    /* What a peer may ask of us (threats 30, 31); enum config_limit */
    uint32_t max_hello, max_chain, max_idle;
    /* records */
    uint16_t record_limit; /* record_size_limit of ours; 0: a client does not offer it */
    uint16_t padding;   /* TLS 1.3: content is padded to a multiple, a power of 2; 0: it is not */
    bool small_records; /* that fit into one segment, as long as little was sent */
    /* TLS 1.2 */
    struct dh_params dh; /* server: of suites with a prime; empty: a group of RFC 7919 */
    unsigned dh_bits;    /* client: the least that such a prime must have; 0: DH_BITS_MIN */
    enum renegotiation renegotiation;
    bool require_secure;   /* no connection with a peer that does not send renegotiation_info */
    bool fallback;         /* client: this is a second try with a lower version (RFC 7507) */
    bool no_ems, no_etm;   /* neither offered nor accepted; for tests of what follows from it */
    uint16_t max_fragment; /* client: asks for records of at most 512, 1024, 2048, 4096; 0: no */
    bool no_grease;        /* client: offers no reserved values (RFC 8701) */
    bool ask_status;       /* client: asks for an OCSP response */
    bool ask_scts;         /* client: asks for certificate timestamps (RFC 6962) */
    bool post_auth;        /* TLS 1.3 client: offers post_handshake_auth */
    struct buf extensions; /* client: more extensions for the hello, as encoded there */
    extension_fn *on_extension;
    void *on_extension_ctx;
    void (*keylog)(void *ctx, const char *line);
    void *keylog_ctx;
    verify_fn *on_verify;
    void *on_verify_ctx;
    key_fn *on_key; /* does what private keys are for; NULL: they do it themselves */
    void *on_key_ctx;
};
/* Lengths within the limits, the name without NUL. NULL: no memory. */
struct ext_psk *psk_new(struct span name, struct span key, enum hash_id hash);
/* Imported for suites with the target hash; names of 1 to 255 bytes. */
struct ext_psk *psk_new_imported(struct span name, struct span key, enum hash_id hash,
                                 enum hash_id target, const char *client, const char *server);
void psks_free(struct ext_psk *p); /* all of them; wipes; NULL is fine */
int psks_digest(const struct settings *s, uint8_t sum[static SESSION_CONTEXT]) MUST_CHECK;
bool settings_list(const struct settings *s, uint16_t suite);
bool ext_is_ours(uint16_t id); /* an extension that the engine itself knows */
/* Checks them and fills in all that is not said; nothing changes any more from here. */
int settings_seal(struct settings *s, struct error *err) MUST_CHECK;
/* Its part about certificates: fills in what a handshake looks up; the trust and the identities
 * stay as they are from here. */
int settings_prepare(struct settings *s) MUST_CHECK;
bool scts_wellformed(struct span list);
#endif
