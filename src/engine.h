/* SPDX-License-Identifier: ISC */
/* The native engine: TLS without I/O, file descriptors, clock or errno.
 *
 * It keeps no received bytes but an unfinished handshake message: the caller holds what tls_input()
 * did not use and feeds it again with more behind it. It keeps no sealed application data either;
 * only what it must say by itself (handshake, alerts, KeyUpdate) waits in its out queue.
 *
 * Threads: during the handshake one thread at a time. Once tls_connected(), one thread may be in
 * the read half (tls_input) while another is in the write half (tls_seal, tls_output, tls_sent,
 * tls_close, tls_key_update): the read half only leaves notes (atomic) that the write half acts on.
 * Not so where tls_input() itself answers the peer: with CONFIG_POST_AUTH, where renegotiation is
 * allowed, and from tls_request_client_auth() or tls_rehandshake() to TLS_EV_DONE: one thread at a
 * time. tls_session(), tls_get_info(), tls_waiting() and tls_error() belong to the read half. Jobs
 * for a key callback (handshake/key_job.h) and lookups in a store (session/store.h) are completed
 * from any thread.
 */
#ifndef SRC_ENGINE_H
#define SRC_ENGINE_H
#include "base/error.h"
#include "config.h"

#define TLS_PLAINTEXT_MAX 16384
#define TLS_HEADER        5
#define TLS_RECORD_MAX    (TLS_HEADER + TLS_PLAINTEXT_MAX + 2048) /* largest legal record of 1.2 */
/* The most that sealing adds to one record, of any suite (tls_overhead() is that of the suite), but
 * for padding that the config asks for. */
#define TLS_OVERHEAD_MAX (TLS_HEADER + 16 + 48 + 16)

struct tls;

/* host: the name to verify, also sent as SNI when it is a DNS name. sni: NULL, or another name for
 * SNI. Both are copied. A client under VERIFY_FULL without host is ERR_ARG, but with keys from
 * outside (config_add_psk()), where it takes no certificate. resume: NULL, or a session of an
 * earlier connection to offer; the engine takes its own reference. One that does not fit (other
 * name, version or suite not configured, too old) is silently not offered, nor is one of TLS 1.3
 * that was offered before (RFC 8446 appendix C.4). Takes a reference to the (sealed) config. A
 * client's ClientHello is in the out queue already. */
int tls_new(struct tls **out, struct config *c, const char *host, const char *sni,
            struct tls_session *resume, struct error *err) MUST_CHECK;
void tls_free(struct tls *t); /* wipes; NULL is fine */

/* ---- reading ---- */
enum tls_event {
    TLS_EV_MORE,     /* not a whole record yet: feed these bytes again with more behind them */
    TLS_EV_PROGRESS, /* used a record that carried nothing for the caller */
    TLS_EV_DONE,     /* used a record; a handshake is complete: the first before any DATA, then once
                        for each renegotiation */
    TLS_EV_DATA,     /* application data (never empty) */
    TLS_EV_CLOSED,   /* close_notify: nothing will follow; our own sending goes on */
    TLS_EV_WARNING,  /* TLS 1.2: a warning alert; `alert` has it */
    /* Server, config_set_early_data(): application data (never empty) that came before DONE and may
     * be a replay of what the client said to somebody else (RFC 8446 section 8): use it only for
     * what may happen twice. All of it comes before DONE, all else as DATA behind it. */
    TLS_EV_EARLY_DATA,
    /* With config_set_key_callback() a job for our private key is out, with config_set_store() a
     * lookup: used nothing. Once it is done tls_input() goes on, also without a byte (in.len 0),
     * uses nothing again, and says PROGRESS or DONE. */
    TLS_EV_WAIT,
};
struct tls_in {
    uint8_t *data; /* received bytes; overwritten */
    size_t len;
    uint8_t *out; /* where plaintext is wanted, `room` bytes; NULL: in place, within data */
    size_t room;
    /* results */
    size_t used; /* bytes of data consumed: 0 or one whole record */
    size_t
        need; /* TLS_EV_MORE: bytes that must be there before it can go on (5, then the record) */
    const uint8_t
        *plain; /* TLS_EV_DATA, TLS_EV_EARLY_DATA: == out when out was given, else within data */
    size_t nplain;
    const uint8_t *rest; /* what `room` did not hold, within data: the caller keeps it for later */
    size_t nrest;
    uint8_t alert; /* TLS_EV_WARNING */
};
/* At most one record. < 0: the connection is over; tls_error() has the reason, an alert may wait in
 * the out queue, the read keys are wiped; later calls return ERR_CLOSED. */
int tls_input(struct tls *t, struct tls_in *in) MUST_CHECK;

/* Would tls_input() say TLS_EV_WAIT? */
bool tls_waiting(const struct tls *t);
/* Before the first tls_input(): who is told that tls_input() can go on (handshake/key_job.h says
 * what it may do). NULL: the side of the key callback or of the store passes the word on. A
 * connection that is waiting can be freed or given up at any time. tls_hand_off() and
 * tls_rehandshake() are ERR_STATE; tls_close() takes back what was not in a record yet. */
void tls_set_wake(struct tls *t, key_wake_fn *wake, void *ctx);

/* ---- writing ---- */
/* What waits to be sent, in wire order: everything from here goes out before any newly sealed
 * record. First turns notes of the read half into records. Empty span: nothing. */
struct span tls_output(struct tls *t);
void tls_sent(struct tls *t, size_t n);
/* The residue of a short send: sealed records' last n bytes, queued behind the rest. Before
 * anything else is queued: in a handshake, that of a server that answers early data too, before the
 * next tls_input(). */
int tls_queue(struct tls *t, const void *sealed, size_t n) MUST_CHECK;
/* Seals from the parts into dst as many whole records as fit (each of at most tls_fragment()).
 * *taken: plaintext bytes used; *made: bytes in dst. Parts without a byte make one empty record.
 * The first part may lie at dst + tls_headroom() and is then sealed in place, if all of it goes
 * into one record (tls_fragment()). ERR_STATE before the handshake is complete, but on a server
 * that accepted early data: it may answer at once, as tls_can_seal() says, a client that has shown
 * nothing yet but that it knows the session. ERR_CLOSED after tls_close() or an error. Call
 * tls_output() first: it changes worn keys and sees pauses. */
int tls_seal(struct tls *t, const struct span *in, size_t nin, size_t *taken, uint8_t *dst,
             size_t room, size_t *made) MUST_CHECK;
/* Client, CONFIG_EARLY_DATA: how many bytes of early data may still be sealed now. From tls_new(),
 * if the session allows any, to the server's answer or the limit of the session or its keys; 0
 * before and behind, and where none is offered. info.alpn has the protocol that they speak, the
 * session's. */
size_t tls_early_room(const struct tls *t);
/* tls_seal() for early data, which has a call of its own since what is sent so can be replayed by
 * anyone, and is not forward secret. At most tls_early_room() bytes are taken; ERR_STATE: that is
 * 0. It goes out behind the ClientHello (tls_output()), and what was sealed must be sent or in
 * tls_queue() before the next tls_input(). What became of it is tls_info.early, by TLS_EV_DONE at
 * the latest: after TLS_EARLY_REJECTED nothing of it was delivered, and the caller says it again
 * with tls_seal(), if it still wants to. */
int tls_seal_early(struct tls *t, const struct span *in, size_t nin, size_t *taken, uint8_t *dst,
                   size_t room, size_t *made) MUST_CHECK;
size_t tls_headroom(const struct tls *t); /* bytes of a record before its ciphertext */
/* Bytes in which len come, rounded up to whole records, from a peer whose records are as long as
 * they may be and have no padding; of that as many records as fit in room. */
size_t tls_expected(const struct tls *t, size_t len, size_t room);
/* Most content of the next record: 16384, or as agreed; less for the first of
 * CONFIG_SMALL_RECORDS, as it was at the last tls_output(). */
size_t tls_fragment(const struct tls *t);
/* What sealing adds to len bytes in all, at most: so much, when they are sealed at once out of 16
 * parts or fewer. Less than TLS_OVERHEAD_MAX a record, unless config_set_padding() is in use: then
 * up to a block more. */
size_t tls_overhead(const struct tls *t, size_t len);
int tls_close(struct tls *t); /* queues close_notify; idempotent */
/* TLS 1.3: new sending keys from here on; ask_peer: the peer is to change its own, too, unless it
 * was asked already and has not answered. ERR_UNSUPPORTED: TLS 1.2. */
int tls_key_update(struct tls *t, bool ask_peer) MUST_CHECK;
/* Another handshake on a connected TLS 1.2 connection (threat 20): a client's ClientHello, a
 * server's HelloRequest is queued. c: NULL, or another sealed config of the same role from now on.
 * resume: a client offers, a server accepts the present session. Data may arrive all the
 * time; tls_seal() is ERR_STATE from our hello to the end, since peers expect none (OpenSSL fails).
 * From here to TLS_EV_DONE one thread at a time. ERR_STATE: a handshake is under way;
 * ERR_UNSUPPORTED: TLS 1.3, or the peer or the settings do not allow it. */
int tls_rehandshake(struct tls *t, struct config *c, bool resume) MUST_CHECK;
/* Overrides RENEGOTIATE_NEVER / _SECURE of the config for what the peer may start from now on. */
void tls_allow_renegotiation(struct tls *t, bool yes);
/* TLS 1.3 server: asks the client for its certificate now (RFC 8446 section 4.6.2). c: NULL, or
 * another sealed server config whose trust, callback and client_auth judge it from now on. Data
 * goes on flowing; what the client proved before is forgotten. TLS_EV_DONE when it has answered:
 * with a proof, or, unless client_auth is CLIENT_AUTH_REQUIRE, with none (tls_info.client_auth).
 * ERR_STATE: it was asked already; ERR_UNSUPPORTED: TLS 1.2, or the client did not offer it. */
int tls_request_client_auth(struct tls *t, struct config *c) MUST_CHECK;
/* Nothing will be said or heard any more: wipes the keys, for a caller who has told the peer what
 * he wanted to tell. What can be resumed stays so, unlike after tls_abort(). No thread is in either
 * half. */
void tls_end(struct tls *t);
/* Gives up with an alert of the caller's choice (user_canceled, internal_error, ...). */
void tls_abort(struct tls *t, enum alert desc, const char *why);

/* ---- waiting, and going on elsewhere (engine_handoff.c). No thread is in either half. ---- */
/* Gives back the memory of the ciphers; for a connection that will be idle for a while. The next
 * record in either direction makes what it needs anew (ERR_CRYPTO or ERR_MEM when it cannot, which
 * is fatal). In TLS 1.3 sessions that a callback was given are with it alone then: tls_session() is
 * NULL. */
void tls_park(struct tls *t);
#define TLS_HAND_OFF_MAX 0xffffff /* bytes of each thing that waits */
/* Turns the connection into bytes, behind those in out, which becomes a secret buffer, and frees
 * it: *t is NULL then. They hold its keys and no proof of where they come from: they travel over
 * channels that nobody else can read or write (a pipe, a UNIX socket), and whoever copies them
 * before they arrive, breaks the encryption (threat 40). received: bytes that tls_input() did not
 * use; plain: plaintext that nobody has read yet: both come back when the connection does.
 *
 * What waits to be sent, an unfinished message and a close_notify of one side go along, and
 * everything that tls_get_info(), tls_export(), tls_channel_binding() and tls_session() tell. What
 * does not: the right to tls_request_client_auth() (ERR_UNSUPPORTED from then on), and a session
 * longer than SESSION_SERIAL_MAX. A connection under RC4 goes along for its first gigabyte.
 *
 * ERR_STATE: not connected, or a handshake is under way (renegotiation, post-handshake
 * authentication); ERR_CLOSED: it failed or ended; ERR_UNSUPPORTED: a client that offered
 * post-handshake authentication (CONFIG_POST_AUTH), which it could not keep up; ERR_LIMIT, ERR_MEM.
 * An error leaves all as it was. */
int tls_hand_off(struct tls **t, struct span received, struct span plain,
                 struct buf *out) MUST_CHECK;
/* The same, and *t stays: for processes that take turns. Of all places that these bytes and *t are
 * in, only one may ever go on from here, and that is the caller's to see to (shim/share.c). */
int tls_share(const struct tls *t, struct span received, struct span plain,
              struct buf *out) MUST_CHECK;
/* Under which configuration it goes on: the one it was made with, or what a server name chose. No
 * reference. */
struct config *tls_config(const struct tls *t);
/* The other end of it: all bytes of blob make a connection, and are wiped and gone. What was
 * `received` and `plain` is appended to the buffers; plain becomes a secret one. Of c the
 * role, the suites and versions, and all that a session is bound to (certificates, trust, names of
 * protocols, how the peer is verified) must be those of the first config, ERR_MISMATCH otherwise:
 * a server with several tries one after another. Every field is checked: ERR_PARSE. ERR_MEM,
 * ERR_ARG: c is not sealed. An error leaves all as it was. */
int tls_take_over(struct tls **out, struct config *c, struct buf *blob, struct buf *received,
                  struct buf *plain, struct error *err) MUST_CHECK;
/* The keys of a connection for somebody else to seal and open with, such as the kernel: it is
 * freed, *t is NULL. Wipe them. iv: 12 bytes, or the 4 of the salt (AES-GCM in TLS 1.2, whose
 * explicit nonce is the sequence number). Errors as for tls_hand_off(); ERR_STATE also while
 * anything waits to be sent or half a message has arrived, or one side has closed; ERR_UNSUPPORTED
 * also for suites with a MAC. */
struct tls_kernel {
    unsigned version;
    enum aead_id aead;
    struct tls_kernel_half {
        uint8_t key[AEAD_KEY_MAX], iv[AEAD_IV], key_len, iv_len;
        uint64_t seq; /* of the next record */
    } rx, tx;
};
int tls_kernel_keys(struct tls **t, struct tls_kernel *out) MUST_CHECK;

/* ---- state ---- */
bool tls_connected(const struct tls *t);            /* handshake complete and no fatal error */
bool tls_can_seal(const struct tls *t);             /* tls_seal() may be called */
bool tls_peer_closed(const struct tls *t);          /* close_notify arrived */
const struct error *tls_error(const struct tls *t); /* ->code 0: none */
enum tls_role tls_role(const struct tls *t);

struct tls_info {
    unsigned version;                                  /* 0 until negotiated */
    const char *version_name, *suite, *group, *scheme; /* "" until known */
    uint16_t suite_id, group_id, scheme_id;
    const char *alpn; /* "": none; NUL-terminated. While early data is offered: its protocol */
    const char *sni;  /* client: sent; server: received; "" none */
    const char *host; /* name that was verified; "" none */
    /* Name of the external key that authenticates both ends; server: also when resumed. "": none */
    const char *psk;
    enum tls_early early;
    enum tls_early_why early_why; /* server: why it was rejected */
    bool resumed, client_auth;    /* client_auth: the peer client proved a certificate */
    bool finished_last;        /* our Finished was the last message: it may still wait to be sent */
    bool ems, etm;             /* TLS 1.2: extended master secret, encrypt-then-MAC */
    bool secure_renegotiation; /* the peer knows RFC 5746 (always in TLS 1.3) */
    struct span status;        /* client: the server's OCSP response, DER; empty: none */
    struct span scts;      /* client: SignedCertificateTimestampList with its length; empty: none */
    struct span peer_cert; /* leaf DER; empty: none */
    struct span peer_chain; /* it and those that came behind it; alone where the connection was
                               resumed or handed over */
    const char *where;      /* what it waits for, or was at when it failed: "ServerHello" */
    uint64_t sealed_bytes, opened_bytes; /* plaintext */
};
void tls_get_info(const struct tls *t, struct tls_info *i);
const char *tls_host(const struct tls *t); /* the name to verify, also before; NULL: none */
/* Key material for other uses, the same at both ends (RFC 5705; RFC 8446 section 7.5). context is
 * at most 65535 bytes; without has_context it is empty, which in TLS 1.2 is not the same as an
 * empty one. ERR_ARG: a label that TLS itself uses, too long a label, context or n, n 0;
 * ERR_STATE: not connected, or a renegotiation is under way; ERR_CLOSED: it failed or ended;
 * ERR_UNSUPPORTED: TLS 1.2 without extended master secret. An error but ERR_ARG leaves zeroes.
 * Behaves like a call of tls_input() for threads. */
int tls_export(const struct tls *t, const char *label, struct span context, bool has_context,
               uint8_t *out, size_t n) MUST_CHECK;
enum tls_binding {
    TLS_BINDING_EXPORTER, /* tls-exporter (RFC 9266), 32 bytes; not where TLS 1.2 may renegotiate */
    TLS_BINDING_END_POINT, /* tls-server-end-point (RFC 5929), 32 to 64 bytes. Not known for EdDSA,
                              nor to a server that resumed and has more than one certificate */
};
/* *n: in room, out length. Errors as above; ERR_ARG: no room; ERR_UNSUPPORTED: this connection has
 * none of that kind. */
int tls_channel_binding(const struct tls *t, enum tls_binding what, uint8_t *out,
                        size_t *n) MUST_CHECK;
/* A reference to the session that this connection can be resumed with: TLS 1.2 after the handshake,
 * TLS 1.3 the newest ticket (which the read half may replace); NULL: none. */
struct tls_session *tls_session(const struct tls *t);
/* Client, before the first tls_input(), which tells keep of each session that the connection can be
 * resumed with: that of TLS 1.2 behind each handshake, in TLS 1.3 each ticket as it comes (one
 * record may bring several, of which tls_session() has the last). */
void tls_set_keep(struct tls *t, keep_fn *keep, void *ctx);
#endif
