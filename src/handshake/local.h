/* SPDX-License-Identifier: ISC */
/* What the files of this room share: the working state of a running handshake, and the handlers. */
#ifndef HANDSHAKE_LOCAL_H
#define HANDSHAKE_LOCAL_H
#include "base/buf.h"
#include "handshake/handshake.h"
#include "handshake/schedule13.h"
#include "handshake/transcript.h"

#define RANDOM_SIZE    32
#define MASTER_SIZE    48
#define MAX_SCHEMES    32
#define MAX_EXTENSIONS 64
/* Longer tickets (large client certificates in them) are neither given nor offered: a ClientHello
 * has to hold one. */
#define TICKET_MAX 8192
/* Where a client offers reserved values that mean nothing (RFC 8701). */
enum {
    GREASE_SUITE,
    GREASE_GROUP,
    GREASE_VERSION,
    GREASE_SCHEME,
    GREASE_EXTENSION,
    GREASE_EXTENSION2,
    GREASE_VALUES
};
/* Of two write keys, two MAC keys and two IVs (RFC 5246 section 6.3). */
#define KEY_BLOCK_MAX (2 * (AEAD_KEY_MAX + HASH_MAX + CBC_BLOCK))

/* IANA's numbers of the extensions that have a row (extensions.c) or are looked for. */
enum {
    EXT_SERVER_NAME = 0,
    EXT_MAX_FRAGMENT_LENGTH = 1,
    EXT_STATUS_REQUEST = 5,
    EXT_SUPPORTED_GROUPS = 10,
    EXT_EC_POINT_FORMATS = 11,
    EXT_SIGNATURE_ALGORITHMS = 13,
    EXT_ALPN = 16,
    EXT_CERTIFICATE_TIMESTAMP = 18,
    EXT_PADDING = 21,
    EXT_ENCRYPT_THEN_MAC = 22,
    EXT_EXTENDED_MASTER_SECRET = 23,
    EXT_RECORD_SIZE_LIMIT = 28,
    EXT_COMPRESS_CERTIFICATE = 27,
    EXT_SESSION_TICKET = 35,
    EXT_PRE_SHARED_KEY = 41,
    EXT_EARLY_DATA = 42,
    EXT_SUPPORTED_VERSIONS = 43,
    EXT_COOKIE = 44,
    EXT_PSK_KEY_EXCHANGE_MODES = 45,
    EXT_CERTIFICATE_AUTHORITIES = 47,
    EXT_OID_FILTERS = 48,
    EXT_POST_HANDSHAKE_AUTH = 49,
    EXT_SIGNATURE_ALGORITHMS_CERT = 50,
    EXT_KEY_SHARE = 51,
    EXT_ENCRYPTED_CLIENT_HELLO = 0xfe0d, /* not ours, but it may differ in a second hello */
    EXT_RENEGOTIATION_INFO = 0xff01,
};

/* Where an extension stands. */
enum ext_where {
    IN_CH = 1,
    IN_SH = 2,
    IN_HRR = 4,
    IN_EE = 8,
    IN_CT = 16,
    IN_CR = 32,
    IN_NST = 64,
    IN_SH12 = 128, /* ServerHello of TLS 1.2 */
};

/* TLS 1.3: what the messages behind the handshake need (section 4.6). */
struct post13 {
    uint8_t resumption[HASH_MAX]; /* resumption_master_secret */
    struct hash *transcript;      /* of the main handshake; NULL: no authentication behind it */
    uint32_t max_early;           /* client: of the ticket being read */
    /* server */
    bool tickets;      /* the client can use them */
    uint32_t count;    /* tickets given: the nonce of the next */
    int64_t made;      /* the full handshake that it all goes back to */
    uint32_t lifetime; /* seconds from then */
};

/* Starts a message of that type; hs_msg_send() closes, hashes and hands it to the host. */
struct hs_msg {
    struct buf buf;
    struct wr w;
    size_t mark;
};
/* What comes next in a flight. */
typedef int hs_step(struct hs *h);

struct client_hello {
    struct span head; /* all in front of the extensions */
    uint16_t version;
    struct span random;
    struct rd session, suites, compression, extensions;
};

struct hs_work {
    struct transcript transcript;
    struct schedule13 schedule;
    uint8_t prior[HASH_MAX]; /* transcript hash before the message being handled */
    uint8_t client_traffic[HASH_MAX], server_traffic[HASH_MAX]; /* handshake, then application */
    uint8_t early_traffic[HASH_MAX];
    uint8_t client_application[HASH_MAX]; /* client: while its handshake secret is still in use */
    uint8_t master[MASTER_SIZE], key_block[KEY_BLOCK_MAX]; /* TLS 1.2 */
    uint8_t client_random[RANDOM_SIZE], server_random[RANDOM_SIZE];
    uint8_t session_id[SESSION_ID_MAX];
    size_t session_id_len;
    struct kex *kex; /* client: of the share we sent; TLS 1.2 server: likewise */
    const struct group *kex_group;
    struct kex *beside; /* client, until ServerHello: of the second share; NULL: there is none */
    struct buf shares;  /* likewise: our KeyShareEntries */
    uint32_t ext_sent;  /* rows of the extension table in our hello or request */
    uint32_t ext_got;   /* server: in the client's hello */
    bool ccs_sent, retried;
    bool early_data;                /* the peer's last message has the extension */
    struct buf cookie;              /* client: from HelloRetryRequest */
    struct buf request_context;     /* client: of the CertificateRequest */
    uint8_t hello_digest[HASH_MAX]; /* server: of what may not change in a second ClientHello */
    /* what the peer offered */
    uint16_t schemes[MAX_SCHEMES];
    size_t nschemes;
    bool got_schemes, got_groups, got_shares, got_renegotiation, got_version;
    bool offers_ems, offers_etm, offers_status, offers_tickets;
    uint16_t common; /* server: highest version before TLS 1.3 that both have; 0: none */
    uint16_t offers_fragment, offers_limit;
    uint8_t grease[GREASE_VALUES];        /* client: which reserved values this handshake offers */
    struct span ticket;                   /* server: offered, inside the message being handled */
    bool peer_has_group[SETTINGS_GROUPS]; /* by index in our settings */
    unsigned peer_curves;                 /* from GROUP_SECP256R1 on, a bit each */
    bool got_ffdhe;                       /* one of RFC 7919, known to us or not */
    struct span share;                    /* key share chosen, inside the message being handled */
    struct span dh_p, dh_g;               /* TLS 1.2 client: likewise */
    const struct group *share_group;
    uint16_t selected_group; /* HelloRetryRequest, ServerKeyExchange */
    /* TLS 1.3 resumption: offered by us, or accepted by us */
    struct tls_session *psk;
    const struct ext_psk *external; /* the one in use */
    struct tls_session *aside;      /* client: not to be offered; ours again if it is refused */
    unsigned facts_before;          /* of the handshake before, until this one is complete */
    bool psk_chosen;                /* client: by the server */
    bool offers_dhe, offers_ke, offers_modes; /* server: psk_key_exchange_modes */
    bool alone;                               /* server: the key, without an exchange */
    bool offers_post_auth;
    uint16_t psk_index;          /* of the accepted one */
    uint16_t psk_at;             /* server: of psk */
    struct rd psk_ids, psk_macs; /* server: offered, inside the message being handled */
    /* our certificate: what the peer asks for, how each of ours meets it, and the one */
    uint16_t cert_schemes[MAX_SCHEMES]; /* signature_algorithms_cert */
    size_t ncert_schemes;
    struct rd authorities; /* certificate_authorities, inside the message being handled */
    bool got_sni, offers_scts, unpacks;
    uint8_t fit[SETTINGS_IDENTITIES], liking[SETTINGS_IDENTITIES];
    uint8_t least_fit; /* enum name_fit */
    bool name_used;    /* server: the client's name chose */
    const struct identity *identity;
    const struct scheme *our_scheme;
    /* what somebody else is at: a job for our private key (key_use.c), a lookup (stored.c) */
    struct task *pending;  /* NULL: nothing waits */
    hs_step *go_on;        /* when it is done: with what came of it */
    hs_step *after;        /* and then */
    unsigned waiting;      /* the message that the table is to leave its state for, then */
    struct hs_msg to_sign; /* ends with a signature that is being made */
    struct key_job *job;
    struct session_lookup *lookup;
    struct tls_session *found; /* in the store */
    uint8_t found_id[SESSION_ID_MAX];
    size_t found_id_len;
    struct client_hello hello; /* server: the message being handled */
    struct pubkey *peer_key;
    struct buf unjudged; /* TLS 1.2 client: the server's certificates, until it is known whether an
                            OCSP response comes with them */
    /* TLS 1.2 */
    uint16_t client_version; /* in the ClientHello */
    struct buf exchange;     /* client: the body of ClientKeyExchange */
    struct buf premaster;    /* client: likewise, until our flight */
    struct buf new_ticket;   /* client: as it came */
    uint32_t ticket_life;
};

#define ALGORITHM_ZLIB 1 /* certificate compression (RFC 8879 section 7.3) */
/* ClientCertificateType (RFC 5246 section 7.4.4); EdDSA too goes by the second (RFC 8422 5.5). */
enum { TYPE_RSA_SIGN = 1, TYPE_ECDSA_SIGN = 64 };
#define GROUP_SECP256R1 23 /* secp384r1 and secp521r1 follow */
#define GROUP_SECP521R1 25
/* One that the ECDHE of TLS 1.2 can use (RFC 8422). */
static inline bool group_is_classic(const struct group *g)
{
    return g->ec;
}

/* One of RFC 7919 that we have. */
static inline bool group_is_ffdhe(const struct group *g)
{
    return g->id >= 256 && g->id < 512; /* its section 2 */
}

/* The hellos of both versions, taken apart (hello.c). */
struct server_hello {
    uint16_t version;
    struct span random;
    struct rd session;
    const struct suite *suite; /* one that was offered */
};
extern const uint8_t hello_retry_random[RANDOM_SIZE];
bool hello_offers(const struct hs *h, uint16_t version);      /* may it become that one? */
bool hello_offers_12(const struct hs *h);                     /* or that or one before it? */
uint16_t hello_highest(const struct hs *h, uint16_t version); /* of them, up to that; 0: none */
bool hello_offers_schemes(const struct hs *h); /* one that has signature_algorithms? */
/* Does the hello being read or written have more than renegotiation_info? */
bool hello_has_extensions(const struct hs *h, enum ext_where where);
/* A reserved value of this handshake (0: none), and into a list when there is one. */
uint16_t hello_grease(const struct hs *h, unsigned which);
void hello_put_grease(const struct hs *h, struct wr *w, unsigned which);
/* What the table is to call a message (enum hs_type). */
unsigned hello_kind(const struct hs *h, struct span message);
int hello_client_send(struct hs *h) MUST_CHECK;
int hello_client_parse(struct hs *h, struct rd *body, struct client_hello *c) MUST_CHECK;
bool hello_client_lists(const struct client_hello *c, uint16_t suite);
/* The first suite of that version that both have and that is usable (NULL: any is). */
typedef bool suite_test(struct hs *h, const struct suite *s);
const struct suite *hello_choose_suite(struct hs *h, const struct client_hello *c, uint16_t version,
                                       suite_test *usable);
/* The first ClientHello: the application may say that another config answers it. */
int hello_ask_config(struct hs *h, struct span message) MUST_CHECK;
/* Forgets what an earlier hello offered, then takes in the extensions. */
int hello_client_extensions(struct hs *h, const struct client_hello *c, struct rd *body) MUST_CHECK;
int hello_choose_version(struct hs *h) MUST_CHECK; /* before TLS 1.3: sets it */
int hello_client_choose12(struct hs *h, const struct client_hello *c) MUST_CHECK; /* version */
/* RFC 7627 section 5.4: a renegotiation does not lose extended master secret. */
int hello_check_ems(struct hs *h, bool had) MUST_CHECK;
int hello_server_random(struct hs *h, uint16_t version) MUST_CHECK;
int hello_server_send(struct hs *h, enum ext_where where) MUST_CHECK;
/* Client: may the server's hello be of that version? */
int hello_check_version(struct hs *h, const struct server_hello *s, enum ext_where where,
                        bool chose_13) MUST_CHECK;
/* To the end of the extensions; sets version and suite, both offered. */
int hello_server_parse(struct hs *h, struct rd *body, enum ext_where where,
                       struct server_hello *s) MUST_CHECK;
/* Client: is that the group of its second key share? And an end to all but the one in use. */
bool share_is_beside(const struct hs *h, uint16_t id);
void shares_drop(struct hs_work *k);
bool hello_is_session12(const struct tls_session *s); /* TLS 1.2 or before; NULL: no */
bool hello_is_session13(const struct tls_session *s);
bool hello_is_suite13(const struct suite *s);
int64_t hs_now(const struct hs *h);           /* milliseconds since 1970; 0 without a clock */
int hs_work_new(struct hs *h) MUST_CHECK;     /* a handshake begins: nothing is proved yet */
int hs_client_begin(struct hs *h) MUST_CHECK; /* the work is new: the first ClientHello */

/* ---- messages ---- */
void hs_msg_begin(struct hs_msg *m, enum hs_type type);
int hs_msg_send(struct hs *h, struct hs_msg *m) MUST_CHECK; /* frees m in any case */

/* ---- extensions (extensions.c) ---- */
int ext_write(struct hs *h, struct wr *w, enum ext_where where) MUST_CHECK; /* the whole block */
/* Reads the whole block from body. */
int ext_read(struct hs *h, struct rd *body, enum ext_where where) MUST_CHECK;
/* One that we know, where it has no place, is an illegal_parameter (section 4.2). */
int ext_check_place(struct hs *h, uint16_t id, enum ext_where where) MUST_CHECK;
/* Server: how long records may be, of what the client offers. */
void ext_sizes_agree(struct hs *h);
int schemes_take(struct hs *h, struct rd list) MUST_CHECK; /* what the peer can verify */

/* ---- our certificate, both versions (cert_own.c) ---- */
/* Before any choice: how ours meet the client's name (server) and what the peer asks for. */
int cert_weigh(struct hs *h) MUST_CHECK;
/* Identity and scheme by the peer's schemes; 1 found, 0 none. auth narrows the kind of key. */
int cert_choose(struct hs *h, enum auth auth);
/* None was found: is there less that will do? Then choose again. */
bool cert_widen(struct hs *h);
bool cert_speaks(const struct hs *h, size_t i); /* may the i-th identity be chosen, by its name? */
bool cert_auth_fits(enum auth auth, enum key_type key);
/* May a handshake be signed under this scheme with a key of that type, where schemes have names? */
bool cert_scheme_fits(const struct hs *h, const struct scheme *s, enum key_type key);
/* OCSP response and timestamps for our certificate; empty: none */
struct span cert_status(const struct hs *h);
struct span cert_scts(const struct hs *h);
int authorities_take(struct hs *h, struct rd list) MUST_CHECK;

/* ---- our private key, both versions (key_use.c). Nothing comes behind a call of these in a
 * handler: they may have to wait, and the rest is done when it is time. ---- */
/* Scheme and signature over the parts end the message work->to_sign, it is sent; after. */
int key_sign(struct hs *h, const struct span *part, size_t n, hs_step *after) MUST_CHECK;
/* The premaster secret of an RSA key exchange, and from it the master secret. */
int key_decrypt(struct hs *h, struct span sealed) MUST_CHECK;

/* ---- a job's other side (key_job.c) ---- */
/* With two references, one for the time that the callback runs. The input is copied out of the
 * parts. NULL: no memory. */
struct key_job *key_job_new(const struct key_request *what, const struct span *part, size_t n);
struct task *key_job_task(struct key_job *job);
/* Of one that is ready. false: it failed, and the SIG_MAX bytes of result are zeros. n: as it was
 * said to be, which may be more. */
bool key_job_result(const struct key_job *job, const uint8_t **result, size_t *n);
void key_job_cancel(struct key_job *job); /* no one waits any more; gives the reference up */

/* ---- the peer's certificate, both versions (cert.c) ---- */
void cert_forget(struct hs *h); /* the peer has shown none */
/* The peer's list: parsed, judged, its key in work->peer_key. */
int cert_take(struct hs *h, struct rd *list) MUST_CHECK;
/* A CertificateStatus: that of the leaf is kept. */
int cert_take_status(struct hs *h, struct rd *body, bool leaf) MUST_CHECK;
/* Where FACT_STATUS made it wait: now, with the response or without. */
int cert_settle(struct hs *h) MUST_CHECK;
/* The peer holds the key of its certificate: the signature in body over the parts. The scheme is in
 * there or follows from the key; or it is known. */
int cert_check_signature(struct hs *h, struct rd *body, const struct span *part,
                         size_t n) MUST_CHECK;
int cert_check_under(struct hs *h, struct rd *body, const struct scheme *s, const struct span *part,
                     size_t n) MUST_CHECK;
int scts_take(struct hs *h, struct rd *body) MUST_CHECK;

/* ---- keys of TLS 1.3 (keys13.c, cert13.c) ---- */
int keys13_handshake(struct hs *h,
                     struct span shared) MUST_CHECK; /* traffic secrets of both sides */
int keys13_application(struct hs *h, uint8_t *client, uint8_t *server) MUST_CHECK;
int keys13_set(struct hs *h, enum hs_direction d, const uint8_t *traffic) MUST_CHECK;
int keys13_compat_ccs(struct hs *h) MUST_CHECK;
void cert13_pack(struct hs_msg *m); /* a Certificate of ours becomes a CompressedCertificate */
/* Certificate, and CertificateVerify when not empty; after. Like key_sign(). */
int cert13_send(struct hs *h, hs_step *after) MUST_CHECK;
int finished13_send(struct hs *h, const uint8_t *traffic) MUST_CHECK;
int finished13_check(struct hs *h, struct rd *body, const uint8_t *traffic) MUST_CHECK;
int request13_send(struct hs *h) MUST_CHECK;                  /* CertificateRequest */
int request13_read(struct hs *h, struct rd *body) MUST_CHECK; /* and chooses our certificate */

/* ---- pre-shared keys of TLS 1.3: from a session or from outside (psk13.c) ---- */
/* Client: may its suites and switches offer this one? */
bool psk13_usable(const struct hs *h, const struct tls_session *s);
/* Server: the name of a session to look up in the store before anything is chosen; empty: none. */
struct span psk13_stored(const struct hs *h);
/* Server: takes from the hello the first session that could go on, and chooses the suite for it
 * (NULL: there is none). */
const struct suite *psk13_suite(struct hs *h, const struct client_hello *c);
bool psk13_offers(const struct hs *h); /* does our ClientHello, as things are, have any? */
/* Fills the binders in at the end of our ClientHello, when it offers keys. */
int psk13_bind(struct hs *h, struct hs_msg *m) MUST_CHECK;
/* Client: what the server made of our offer: FACT_RESUMED, FACT_PSK or neither. */
int psk13_answered(struct hs *h) MUST_CHECK;
/* Server: can the client use keys in a way that we do? Only without a key exchange? */
bool psk13_speaks(const struct hs *h);
bool psk13_only_alone(const struct hs *h);
/* Server: is there a key of ours in the hello that goes with this suite? */
suite_test psk13_fits;
/* Server: takes what the client offers, when it is acceptable: FACT_RESUMED, FACT_PSK. */
int psk13_choose(struct hs *h) MUST_CHECK;
struct span psk13_secret(const struct hs *h); /* of the one in use; empty: none */

/* ---- early data (early13.c) ---- */
bool early13_offers(const struct hs *h);       /* client: does our ClientHello? */
int early13_begin(struct hs *h) MUST_CHECK;    /* client: behind the first ClientHello */
int early13_refused(struct hs *h) MUST_CHECK;  /* client: by HelloRetryRequest, ServerHello */
int early13_answered(struct hs *h) MUST_CHECK; /* client: by EncryptedExtensions */
int early13_end(struct hs *h) MUST_CHECK;      /* client: EndOfEarlyData, when it was accepted */
/* Server: FACT_EARLY and the secret; or what comes nevertheless is skipped. */
int early13_choose(struct hs *h) MUST_CHECK;
int server13_on_early_end(struct hs *h, struct rd *body);

/* ---- external ones (psk_ext.c) ---- */
const char *psk_label(const struct ext_psk *p); /* of its binder */
struct span psk_key(const struct ext_psk *p);
/* By what is in a hello; NULL: not ours. */
const struct ext_psk *psk_find(const struct settings *s, struct span identity, enum hash_id hash);
/* TLS 1.2, server: ours of that name, or the decoy; in the same time whichever it is. */
const struct ext_psk *psk12_find(const struct settings *s, struct span identity);
/* A full handshake of TLS 1.2 has its facts; and its peer's Finished was right. */
int psk12_begin(struct hs *h) MUST_CHECK;
int psk12_end(struct hs *h) MUST_CHECK;

/* ---- behind the handshake of TLS 1.3 (post13.c) ---- */
/* The handshake is complete: keeps what tickets and, with auth, requests will need. */
int post13_start(struct hs *h, bool tickets, bool auth) MUST_CHECK;
void post13_free(struct hs *h);
/* Another authentication on the transcript of the main handshake: the work for it. */
int post13_begin(struct hs *h) MUST_CHECK;
int post13_ask(struct hs *h) MUST_CHECK;     /* server */
int post13_tickets(struct hs *h) MUST_CHECK; /* server: all that it gives behind a handshake */
void keylog_line(struct hs *h, const char *label, const uint8_t *secret, size_t n);

/* ---- what other protocols are bound to (exporter.c) ---- */
/* transcript: up to the server's Finished. */
int exporter13_keep(struct hs *h, const uint8_t *transcript) MUST_CHECK;
int exporter12_keep(struct hs *h) MUST_CHECK; /* once the peer's Finished was right */
size_t exporter_size(const struct hs *h);     /* of what either keeps; 0: nothing */
void exporter_free(struct hs *h);

/* ---- sessions in a store (stored.c) ---- */
#define STORED_NAME 32 /* bytes, of a session of TLS 1.3: no ticket is so short */
bool stored_possible(const struct hs *h); /* is there a store to ask? */
/* Like key_sign(): nothing comes behind a call. takes: it serves once. */
int stored_find(struct hs *h, struct span id, bool takes, hs_step *after) MUST_CHECK;
/* What stored_find() has found, when it was that one; a reference, or NULL. */
struct tls_session *stored_found(const struct hs *h, struct span id);
/* life: seconds. An error: it could not be sealed. */
int stored_put(struct hs *h, struct span id, const struct tls_session *s, uint32_t life) MUST_CHECK;

/* ---- keys and shared steps of TLS 1.2 (keys12.c, cert12.c) ---- */
/* Suite and version are known: and so is the transcript's hash. */
int transcript12_choose(struct hs *h) MUST_CHECK;
/* Is this handshake bound to its session well enough for that to be resumed (RFC 7627)? And such a
 * session, under today's settings? */
bool keys12_lasts(const struct hs *h);
bool keys12_resumable(const struct hs *h, const struct tls_session *s);
int keys12_master(struct hs *h, struct span premaster) MUST_CHECK; /* and the key block */
int keys12_resume(struct hs *h, const struct tls_session *s) MUST_CHECK;
int keys12_set(struct hs *h, enum hs_direction d) MUST_CHECK;
int finished12_send(struct hs *h) MUST_CHECK; /* change_cipher_spec, new keys, Finished */
int finished12_check(struct hs *h, struct rd *body) MUST_CHECK;
/* ---- sessions (resume.c) ---- */
/* All but the secret, the times and the ticket. NULL: no memory. */
struct tls_session *session_begin(struct hs *h);
int session_take(struct hs *h, const struct tls_session *s) MUST_CHECK; /* what it proved before */
/* NULL: no memory. life: seconds, 0: not known; ticket: empty, or the client's. */
struct tls_session *session12_make(struct hs *h, uint32_t life, struct span ticket);
int cert12_send(struct hs *h) MUST_CHECK;
int cert12_verify_send(struct hs *h, hs_step *after) MUST_CHECK; /* like key_sign() */

/* ---- handlers: one per row of the table ---- */
int client13_on_retry(struct hs *h, struct rd *body);
int client13_on_hello(struct hs *h, struct rd *body);
int client13_on_extensions(struct hs *h, struct rd *body);
int client13_on_request(struct hs *h, struct rd *body);
int client13_on_finished(struct hs *h, struct rd *body);
int server13_on_hello(struct hs *h, struct rd *body);
int server13_on_finished(struct hs *h, struct rd *body);
int cert13_on_certificate(struct hs *h, struct rd *body);
int cert13_on_packed(struct hs *h, struct rd *body);
int cert13_on_verify(struct hs *h, struct rd *body);
int post13_on_ticket(struct hs *h, struct rd *body);
int post13_on_key_update(struct hs *h, struct rd *body);
int post13_on_request(struct hs *h, struct rd *body);
int post13_on_finished(struct hs *h, struct rd *body);
int client12_on_hello(struct hs *h, struct rd *body);
int client12_on_status(struct hs *h, struct rd *body);
int client12_on_key_exchange(struct hs *h, struct rd *body);
int client12_on_request(struct hs *h, struct rd *body);
int client12_on_done(struct hs *h, struct rd *body);
int client12_on_ticket(struct hs *h, struct rd *body);
int client12_on_finished(struct hs *h, struct rd *body);
int client12_on_hello_request(struct hs *h, struct rd *body);
int server12_on_hello(struct hs *h, struct rd *body);
int server12_on_key_exchange(struct hs *h, struct rd *body);
int server12_on_finished(struct hs *h, struct rd *body);
int cert12_on_certificate(struct hs *h, struct rd *body);
int cert12_on_none(struct hs *h, struct rd *body);
int cert12_on_verify(struct hs *h, struct rd *body);
int keys12_on_change(struct hs *h, struct rd *body);
int hello_on_refused(struct hs *h, struct rd *body);
#endif
