/* SPDX-License-Identifier: ISC */
/* What a connection leaves behind so that a later one can resume it: the session object, the
 * server's cache of them (TLS 1.2 session ids), and the keys under which a server hands them to the
 * client as tickets (RFC 5077, RFC 8446 section 4.6.1).
 *
 * A session is made by one thread, then immutable and reference-counted. Caches and ticket keys may
 * be shared by any number of threads. Time is an argument: milliseconds since 1970. */
#ifndef SESSION_SESSION_H
#define SESSION_SESSION_H
#include <stdatomic.h>

#include "base/buf.h"
#include "base/error.h"
#include "crypto/crypto.h"

#define SESSION_ID_MAX     32
#define SESSION_CONTEXT    32              /* bytes of a context: SHA-256 */
#define SESSION_LIFE_MAX   (7 * 24 * 3600) /* seconds (RFC 8446 section 4.6.1) */
#define SESSION_TICKET_MAX 65535           /* bytes, by its length field */
#define SESSION_SERIAL_MAX (16 * 1024)     /* bytes of a serialised session we accept */

struct tls_session {
    atomic_uint refs;
    atomic_bool spent; /* TLS 1.3 client: was offered (RFC 8446 appendix C.4); not serialised */
    uint16_t version, suite;
    uint16_t group;           /* 0: none (RSA key exchange) */
    bool ems;                 /* TLS 1.2: extended master secret (RFC 7627) */
    uint8_t secret[HASH_MAX]; /* TLS 1.2: master secret; TLS 1.3: the PSK */
    uint8_t secret_len;
    uint8_t id[SESSION_ID_MAX]; /* TLS 1.2; empty: resumed by ticket only */
    uint8_t id_len;
    uint8_t context[SESSION_CONTEXT]; /* server: under which policy it was made (threat 27) */
    int64_t made;                     /* when the full handshake was, or the ticket arrived */
    uint32_t lifetime;                /* seconds from `made` */
    int64_t peer_not_after;           /* seconds since 1970: the peer's chain is not valid beyond
                                         (threat 28); INT64_MAX: no certificate */
    uint32_t age_add;                 /* TLS 1.3 */
    uint32_t max_early;               /* TLS 1.3: bytes of early data; 0: none */
    uint16_t max_fragment;            /* TLS 1.2: 0, or the negotiated max_fragment_length */
    /* Each NULL or a copy in an allocation of its own. */
    uint8_t *ticket; /* client: as the server gave it */
    size_t ticket_len;
    char *sni, *alpn;
    char *name; /* client: the name that was verified; server: of the client's external key */
    uint8_t *peer_cert; /* leaf DER */
    size_t peer_cert_len;
};

/* Of max_fragment: RFC 6066 section 4. */
static inline bool fragment_is_legal(unsigned n)
{
    return n == 0 || n == 512 || n == 1024 || n == 2048 || n == 4096;
}
struct tls_session *session_new(void); /* zeroed, one reference, peer_not_after INT64_MAX */
struct tls_session *session_ref(struct tls_session *s);
void session_unref(struct tls_session *s); /* wipes at the last one; NULL is fine */
/* Replaces *field by a copy; NULL when there is nothing to copy. ERR_MEM: it stays as it was. */
int session_set_bytes(uint8_t **field, size_t *len, struct span bytes) MUST_CHECK;
int session_set_text(char **field, const char *text) MUST_CHECK;
/* Within its lifetime, and the peer's chain still valid? A clock set back makes it stale. */
bool session_fresh(const struct tls_session *s, int64_t now_ms);

/* A versioned byte string that holds all of it. Parsing validates every field: only known
 * versions, lengths within their limits, nothing left over, what only the other version has is
 * zero; ERR_PARSE otherwise (threat 38), or ERR_MEM. Writing appends what would be parsed and makes
 * out a secret buffer; ERR_ARG: a field that would not be, ERR_LIMIT: longer than
 * SESSION_SERIAL_MAX. An error leaves out as it was. */
int session_write(const struct tls_session *s, struct buf *out) MUST_CHECK;
int session_parse(struct tls_session **out, struct span bytes) MUST_CHECK;

/* ---- the server's cache: session id -> session; least recently used goes first ---- */
struct session_cache;
/* size entries (>= 1) that live life_ms; NULL: no memory. */
struct session_cache *session_cache_new(size_t size, int64_t life_ms);
struct session_cache *session_cache_ref(struct session_cache *c);
void session_cache_unref(struct session_cache *c);
/* Takes a reference to s; one with the same id is replaced. A full cache drops its oldest. */
void session_cache_put(struct session_cache *c, struct tls_session *s, int64_t now_ms);
/* A new reference, or NULL: unknown or too old for the cache or for session_fresh() (then it is
 * dropped). */
struct tls_session *session_cache_get(struct session_cache *c, struct span id, int64_t now_ms);
/* After a fatal alert (RFC 5246 section 7.2.2) or when it must not serve again. */
void session_cache_drop(struct session_cache *c, struct span id);
size_t session_cache_count(struct session_cache *c);

/* ---- ticket keys: drawn at random when made, never zero (threat 26); three generations, the next
 * one drawn after life_ms / 2 or 2^24 tickets, whichever is first; the oldest forgotten ---- */
struct ticket_keys;
struct ticket_keys *ticket_keys_new(int64_t life_ms); /* NULL: no memory or no randomness */
struct ticket_keys *ticket_keys_ref(struct ticket_keys *k);
void ticket_keys_unref(struct ticket_keys *k); /* wipes at the last one */
/* For a process that will fork: the drawn keys of it and of all its children are the same, from now
 * to any time. Each is derived of the one before and the clock, which is therefore needed here; who
 * gets hold of one knows those to come, and none that were. What was drawn is forgotten. An error
 * leaves all as it was. */
int ticket_keys_share(struct ticket_keys *k, int64_t now_ms) MUST_CHECK;
/* A key from outside in place of the drawn ones (several servers, one service): a name of 16 bytes
 * that travels in clear and 32 bytes of key. The one before becomes the previous generation; keys
 * are no longer drawn. A name stands for one key: an older one under it is forgotten. ERR_ARG: the
 * key is all zeros. After 2^32 tickets under one key ticket_seal() is ERR_LIMIT. */
int ticket_keys_set(struct ticket_keys *k, const uint8_t name[static 16],
                    const uint8_t key[static 32]) MUST_CHECK;
#define TICKET_NAME        16
#define TICKET_KEY         32
#define TICKET_GENERATIONS 3
struct ticket_secret {
    uint8_t name[TICKET_NAME], key[TICKET_KEY];
};
/* As ticket_keys_set(), several at once: the first seals, all of them open as long as no others are
 * set. The ones before stay, if there is but one new one; of several, no other opens any more. 1 to
 * TICKET_GENERATIONS. ERR_ARG: another number, a key of zeros, or two of one name; all is as
 * before. */
int ticket_keys_load(struct ticket_keys *k, const struct ticket_secret *list, size_t n) MUST_CHECK;
/* The contents of a ticket key file: one to three keys of 16 bytes of name, 16 of AES and 16 of
 * HMAC key (48 bytes, as nginx and Apache have them), or of name, 32 of HMAC and 32 of AES key
 * (80), one behind the other; or the same in base64, one a line (HAProxy). Ours is derived of both:
 * a ticket is for these servers only. ERR_PARSE: anything else, a part of zeros, two of one name;
 * *err has the sentence. */
int ticket_file_parse(struct span file, struct ticket_secret list[static TICKET_GENERATIONS],
                      size_t *n, struct error *err) MUST_CHECK;
/* Appends the ticket: key name, nonce, AES-256-GCM of session_write() with the name as additional
 * data. An error leaves out as it was: the caller then sends no ticket. */
int ticket_seal(struct ticket_keys *k, const struct tls_session *s, int64_t now_ms,
                struct buf *out) MUST_CHECK;
/* 0 with the session (and *renew: sealed under an older key); ERR_MISMATCH: not ours, forged, too
 * old for the keys or for session_fresh(), unparsable: all the same to the caller, who does a full
 * handshake (threat 39); ERR_MEM. An error leaves *out and *renew as they were. */
int ticket_open(struct ticket_keys *k, struct span ticket, int64_t now_ms, struct tls_session **out,
                bool *renew) MUST_CHECK;

/* What a store keeps under an id of 1 to SESSION_ID_MAX bytes: the same, with the id behind the
 * key's name as additional data, so that no entry stands for another or for a ticket. */
int ticket_seal_stored(struct ticket_keys *k, struct span id, const struct tls_session *s,
                       int64_t now_ms, struct buf *out) MUST_CHECK;
int ticket_open_stored(struct ticket_keys *k, struct span id, struct span value, int64_t now_ms,
                       struct tls_session **out, bool *renew) MUST_CHECK;

/* ---- the server's memory of 0-RTT (RFC 8446 section 8), in one process ---- */
struct replay_store;
/* entries: values it takes in one window, about 64 bytes each, all allocated now. window_ms: for
 * how long one ClientHello can be valid, which the caller's check of the ticket's age bounds
 * (section 8.3). NULL: no memory, no randomness, or either is out of range (1 to 2^24; 1 ms to
 * SESSION_LIFE_MAX). */
struct replay_store *replay_store_new(size_t entries, int64_t window_ms);
struct replay_store *replay_store_ref(struct replay_store *s);
void replay_store_unref(struct replay_store *s); /* NULL is fine */
int64_t replay_store_window(const struct replay_store *s);
/* May the early data of this ClientHello be accepted? value: its PSK binder, already verified (else
 * anyone can fill the store), or a hash of it. True once at most in a window, and for some time
 * after it. Never true in the first window from the first call on (an earlier process may have
 * taken it), in a window that had its entries, while the clock is behind where it once was, nor in
 * a process that fork() made after the store: it cannot know what the others took. */
bool replay_fresh(struct replay_store *s, const uint8_t *value, size_t n,
                  int64_t now_ms) MUST_CHECK;
#endif
