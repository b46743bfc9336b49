/* SPDX-License-Identifier: ISC */
/* What connections share: built by one thread, sealed (checked and made immutable), then shared by
 * any number of connections and threads; reference-counted. */
#ifndef SRC_CONFIG_H
#define SRC_CONFIG_H
#include "handshake/settings.h"

struct config;

struct config *config_new(enum tls_role role); /* NULL: no memory or no crypto */
struct config *config_ref(struct config *c);
void config_unref(struct config *c); /* NULL is fine */
/* drop(p) when the last reference has gone: for the ctx of callbacks. ERR_MEM: p is the caller's.
 */
int config_keep(struct config *c, void *p, void (*drop)(void *p)) MUST_CHECK;

/* Setters: before config_seal() only (else ERR_STATE). Sets take their own reference or copy. */
int config_set_trust(struct config *c, struct trust *t) MUST_CHECK;
/* A server takes, of those that speak for the host that the client names (by name before by
 * wildcard; all of them when it names none or another), the first that the client can verify,
 * before it those whose chain it can verify too. A client likewise, by what the server asks for. */
int config_add_identity(struct config *c, struct identity *id) MUST_CHECK;
/* A key that both ends were given (TLS 1.3, RFC 8446 section 4.2.11), with a key exchange of its
 * own unless CONFIG_PSK_KE is on. Whoever has it is authenticated by it, client and server, under
 * any verify_mode and without a certificate: tls_info.psk has its name. Where the peer does not
 * know the key the handshake goes on with certificates, under verify_mode: a client without
 * anchors, or under VERIFY_FULL without a name, refuses them, as it should; one under VERIFY_NONE
 * takes any. A server with keys needs no identity; it then speaks TLS 1.3 only. Not together with
 * CLIENT_AUTH_REQUIRE.
 *
 * name: 1..255 bytes, no NUL, sent in clear. key: 16..256 bytes with at least 128 bits of entropy:
 * a password is none (RFC 9257). hash: HASH_SHA256, HASH_SHA384; HASH_NONE: SHA-256.
 *
 * own, peer: names of the two ends, 1..255 bytes each, not the same: the key is imported (RFC 9258)
 * with the context client<0..2^16-1>, server<0..2^16-1>, for suites of any hash. It is then bound
 * to who is the client and who the server: what a client sends cannot be turned back upon a server
 * that has the same key ("Selfie", threat 23). Both NULL: it is used as it is, with suites of its
 * hash, which all peers understand; then a key must be for two ends only, one of which is always
 * the client. ERR_ARG: anything else, or a name that is there already; ERR_LIMIT: a client offers
 * no more than four. */
int config_add_psk(struct config *c, struct span name, struct span key, enum hash_id hash,
                   const char *own, const char *peer) MUST_CHECK;
/* A key for the suites of TLS 1.2 and before that use one (RFC 4279, 5487, 5489, 7905, 8442), which
 * are offered and accepted only when config_set_suites() names them. One of TLS 1.3 is not meant:
 * nobody has shown that one key is safe for both (RFC 8446 appendix E.7), so that it would have to
 * be added twice. Naming such a suite and adding a key says that who has the key needs no
 * certificate, under any verify_mode; a server of an RSA_PSK suite shows one nevertheless, which is
 * verified as ever. Not together with CLIENT_AUTH_REQUIRE, and clients of these suites are not
 * asked for certificates. A server without an identity speaks TLS 1.3 only if it has keys of that.
 *
 * name: 1..255 bytes, no NUL, sent in clear. key: 1..256 bytes: as random as that of TLS 1.3, or
 * with PSK and RSA_PSK suites whoever sees a handshake can try out all there are, with the others
 * an active attacker. ERR_ARG: anything else, or a name that is there already.
 *
 * A client takes the key whose name is the server's hint, else the first. A server goes on with a
 * key that nobody has when it does not know the client's: who asks learns no names (RFC 4279
 * section 2). */
int config_add_psk12(struct config *c, struct span name, struct span key) MUST_CHECK;
/* Server: the identity hint, 0 (none) to 255 bytes, no NUL. */
int config_set_psk_hint(struct config *c, struct span hint) MUST_CHECK;
/* What must be known about the revocation of the peer's certificates (off by default), and the CRLs
 * to know it from: NULL: none. A client that looks asks for an OCSP response, too (CONFIG_STATUS),
 * and checks it; the certificate of a client is looked up in CRLs only. CRLs are as good as they
 * were when they were loaded: reload them into another config before their next update. */
int config_set_revocation(struct config *c, enum revoke_mode mode,
                          struct revocation *crls) MUST_CHECK;
/* SHA-256 of SubjectPublicKeyInfos (RFC 7469 section 2.4), 1 to 32 of them: one must be the key of
 * a certificate on the verified path, the anchor included; under VERIFY_NONE that of the peer's own
 * certificate. */
int config_set_pins(struct config *c, const uint8_t (*pins)[PIN_SIZE], size_t n) MUST_CHECK;
/* Names in order of preference, each 1..255 bytes; a server without overlap refuses (ALPACA). */
int config_set_alpn(struct config *c, const char *const *names, size_t n) MUST_CHECK;
/* From SSL 3 (0x0300) to TLS 1.3 (0x0304); TLS 1.2 and 1.3 unless it is called. What is below
 * TLS 1.2 (RFC 8996 forbids it, RFC 7568 SSL 3) has to be compiled (base/options.h), or this is
 * ERR_UNSUPPORTED; and suites that it has must be named, or be among the default ones. */
int config_set_versions(struct config *c, unsigned min, unsigned max) MUST_CHECK;
int config_set_suites(struct config *c, const uint16_t *ids, size_t n) MUST_CHECK;
/* Server: of dhparams_load(), for suites that have a prime; copied. Without, or when they are
 * empty, a group of RFC 7919 is taken. */
int config_set_dh_params(struct config *c, const struct dh_params *params) MUST_CHECK;
/* Client: the least bits of a server's prime, up to 8192, unless set 2048; fewer, down to 1024,
 * only where old versions are compiled. ERR_ARG. */
bool config_dh_bits_fit(unsigned bits);
int config_set_dh_bits(struct config *c, unsigned bits) MUST_CHECK;
/* Signature schemes (RFC 8446 section 4.2.3), in order of preference, to sign and verify with. */
int config_set_schemes(struct config *c, const uint16_t *ids, size_t n) MUST_CHECK;
int config_set_groups(struct config *c, const uint16_t *ids, size_t n) MUST_CHECK;
int config_set_verify(struct config *c, enum verify_mode mode) MUST_CHECK;
int config_set_client_auth(struct config *c, enum client_auth mode) MUST_CHECK;
/* Seconds since 1970; without it verification of dates fails closed. */
int config_set_clock(struct config *c, int64_t (*now)(void)) MUST_CHECK;
/* SSLKEYLOGFILE lines, without newline. Secrets: only on the user's wish. */
int config_set_keylog(struct config *c, void (*fn)(void *ctx, const char *line),
                      void *ctx) MUST_CHECK;
/* Server: where sessions live. NULL: none are kept, no tickets are given (the default). Life in
 * seconds, at most SESSION_LIFE_MAX. */
int config_set_sessions(struct config *c, struct session_cache *cache, struct ticket_keys *tickets,
                        uint32_t life) MUST_CHECK;
/* Server: sessions of TLS 1.2 that go by an id are kept there in place of the cache, and those of
 * TLS 1.3 in place of in tickets, which become names of 32 bytes that serve once. What is kept is
 * sealed under the ticket keys of config_set_sessions(), without which and a clock config_seal()
 * fails: servers that share a store share keys. Clients of TLS 1.2 that take tickets are given
 * tickets. All of store is copied; NULL: none. Functions and ctx must be there as long as the
 * config. */
int config_set_store(struct config *c, const struct session_store *store) MUST_CHECK;
/* Server: how many tickets a TLS 1.3 client gets behind each handshake, 0 to 8 (2): a client uses
 * each once, and so can open as many connections at once. */
int config_set_ticket_count(struct config *c, unsigned count) MUST_CHECK;
/* Server: takes early data (0-RTT, RFC 8446 section 2.3), up to max_bytes of content for each
 * connection, from clients that resume a TLS 1.3 session with a ticket of ours that was given under
 * this setting; off by default. Early data can be replayed by anyone who saw it (section 8), and is
 * not forward secret: take it only for requests that may come twice.
 *
 * One of the two must know what was here before, or this is ERR_ARG: store (its reference is taken;
 * its window must be EARLY_WINDOW_MS at least), which knows one process, where all servers with the
 * same ticket keys must share it, and rejects all early data in its first window; or fn, for
 * several processes or machines with the same ticket keys. Of each ClientHello one is asked once,
 * after its binder, its session's suite and ALPN name, and the age of its ticket (EARLY_AGE_MS,
 * section 8.3) were found right. max_bytes 0 turns it off. Needs config_set_sessions() with ticket
 * keys and a clock. What is rejected is skipped: 16 KiB, or max_bytes or what the ticket allows
 * where that is more, an eighth of it, and 2048 for what records add; a client that sends more
 * fails. */
int config_set_early_data(struct config *c, uint32_t max_bytes, struct replay_store *store,
                          replay_fn *fn, void *ctx) MUST_CHECK;
int config_set_renegotiation(struct config *c, enum renegotiation mode,
                             bool require_secure) MUST_CHECK;
/* Client: more extensions for its hello, encoded as there (id, length, body ...). ERR_ARG:
 * malformed, or one that the engine sends itself. */
int config_set_extensions(struct config *c, struct span encoded) MUST_CHECK;
int config_set_extension_callback(struct config *c, extension_fn *fn, void *ctx) MUST_CHECK;
/* Client: max_fragment_length (RFC 6066 section 4) of 512, 1024, 2048 or 4096; 0: not asked for. */
int config_set_max_fragment(struct config *c, unsigned bytes) MUST_CHECK;
/* record_size_limit (RFC 8449): bytes from 64 to 16385 that the peer may put into one record, in
 * TLS 1.3 with content type and padding; TLS 1.2 has no more than 16384. 0: a client does not ask
 * for it (the default), a server answers with what its version has. A peer that agrees, wins over
 * max_fragment_length; one that does not, sends what it wants. */
int config_set_record_limit(struct config *c, unsigned bytes) MUST_CHECK;
/* TLS 1.3: the content of each record is padded with zeros to a multiple of block, a power of 2 up
 * to 16384; 0 or 1: it is not (the default). Where the peer's records are shorter than a block, the
 * block is the largest power of 2 that fits. Costs bytes on the wire; TLS 1.2 has no such thing. */
int config_set_padding(struct config *c, unsigned block) MUST_CHECK;
/* Server: the OCSP response (DER) that goes with the i-th identity, to clients that ask for it. */
int config_set_status(struct config *c, size_t identity, struct span response) MUST_CHECK;
/* Server: the SignedCertificateTimestampList (RFC 6962 section 3.3, with its length in front) that
 * goes with the i-th identity, to clients that ask for it. ERR_ARG: it is none, or longer than
 * SCTS_MAX. */
int config_set_scts(struct config *c, size_t identity, struct span list) MUST_CHECK;
/* Server: asked once for each connection, when its first ClientHello names a host. */
int config_set_sni_callback(struct config *c, sni_fn *fn, void *ctx) MUST_CHECK;
/* How much a peer may ask of us (threats 30, 31). */
enum config_limit {
    CONFIG_MAX_HELLO, /* bytes of a ClientHello, 512 to 16384 (the default) */
    CONFIG_MAX_CHAIN, /* bytes of a Certificate, also of one that was compressed: 1024 to 73728 (the
                         default). The certificates in it are at most CHAIN_MAX_CERTS */
    CONFIG_MAX_IDLE,  /* records, or messages, in a row that carry no data: 1 to 1000000; 32. What
                         comes of them by right is a few: keys change, sessions are given */
};
#define MAX_HELLO_DEFAULT 16384
#define MAX_CHAIN_DEFAULT (CHAIN_MAX_BYTES + 8192)
#define MAX_IDLE_DEFAULT  32
int config_set_limit(struct config *c, enum config_limit which, uint32_t value) MUST_CHECK;
/* Switches for single features; the default is the first. */
enum config_flag {
    CONFIG_TICKETS,  /* on: tickets are asked for (client) and given when there are keys (server) */
    CONFIG_EMS,      /* on: extended master secret; without it nothing is resumed */
    CONFIG_ETM,      /* on: encrypt-then-MAC with CBC suites */
    CONFIG_FALLBACK, /* off: this is a second try with a lower version (RFC 7507) */
    CONFIG_STATUS,   /* off: the client asks for an OCSP response */
    CONFIG_POST_AUTH,     /* off: the client offers post-handshake authentication */
    CONFIG_GREASE,        /* on: the client's hello has reserved values in it (RFC 8701) */
    CONFIG_SMALL_RECORDS, /* off: records of at most 1400 bytes in all, each of use to the peer as
                             soon as its segment is there, until 64 KiB were sealed, and again
                             when nothing was for more than a second */
    CONFIG_SCTS,          /* off: the client asks for certificate timestamps */
    CONFIG_STRICT_SNI, /* off: a server also speaks to clients that name no host of its certificates
                        */
    CONFIG_PSK_KE, /* off: a session or a key from outside without a key exchange (psk_ke): faster,
                      but who ever gets the key can read what was said. A server does so with
                      clients that can do no better, a client with servers that choose it. */
    CONFIG_CERT_COMPRESSION, /* off: certificates are compressed both ways; costs CPU */
    CONFIG_PARTIAL_CHAIN, /* off: a certificate in the trust ends a path also when it is no root */
    CONFIG_WEAK_CERTIFICATES, /* off: for old peers, SHA-1 signatures and RSA keys from 1024 bits */
    CONFIG_EARLY_DATA, /* off: the client asks to send early data (0-RTT) where its session allows
                          it; nothing is sent so but by tls_seal_early() */
};
int config_set_flag(struct config *c, enum config_flag flag, bool on) MUST_CHECK;
int config_set_verify_callback(struct config *c, verify_fn *fn, void *ctx) MUST_CHECK;
/* Whatever our private keys are for is done by fn, at once or later: handshake/key_job.h. An
 * identity then needs no key (identity_from_certs()). Not part of what sessions are bound to. */
int config_set_key_callback(struct config *c, key_fn *fn, void *ctx) MUST_CHECK;

/* Checks that it makes sense (a server has an identity or a key, VERIFY_FULL has anchors, ...). */
int config_seal(struct config *c, struct error *err) MUST_CHECK;
enum tls_role config_role(const struct config *c);
bool config_sealed(const struct config *c);
/* What the handshake reads; valid as long as the config is. */
const struct settings *config_settings(const struct config *c);
#endif
