/* SPDX-License-Identifier: ISC */
/* What a handshake is to do: the plain data inside a sealed struct config (src/config.c). Read-only
 * while any connection uses it. */
#ifndef HANDSHAKE_SETTINGS_H
#define HANDSHAKE_SETTINGS_H
#include "handshake/suites.h"
#include "session/session.h"
#include "x509/x509.h"

enum tls_role { TLS_CLIENT, TLS_SERVER };
enum { TLS_1_2 = 0x0303, TLS_1_3 = 0x0304 };

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

#define SETTINGS_SUITES     32
#define SETTINGS_GROUPS     8
#define SETTINGS_SCHEMES    20
#define SETTINGS_IDENTITIES 16

struct tls;

/* Asked after the engine's own verdict (alert: 0 or an enum alert; the sentence is in tls_error()).
 * Returns 0 to accept, else the alert to send. */
typedef int verify_fn(void *ctx, struct tls *t, const struct cert *chain, size_t n, int alert);

/* The body of an extension in the server's hello (TLS 1.2 ServerHello, TLS 1.3
 * EncryptedExtensions), also of one that only the application knows. 0 to go on, else the alert to
 * send. */
typedef int extension_fn(void *ctx, struct tls *t, uint16_t id, struct span body);

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
    size_t nidentities;
    struct trust *trust;
    enum verify_mode verify;
    enum client_auth client_auth;
    struct buf alpn; /* ProtocolNameList contents: names with one length byte each */
    int64_t (*now)(void);
    /* sessions; server: NULL means that none is kept or given */
    struct session_cache *cache;
    struct ticket_keys *tickets;
    uint8_t tickets_sent;             /* TLS 1.3 server: how many after a full handshake */
    bool no_tickets;                  /* client: asks for none */
    uint32_t session_life;            /* seconds that a session of ours may be resumed */
    uint8_t context[SESSION_CONTEXT]; /* what a session is bound to (threat 27); made when sealed */
    /* TLS 1.2 */
    enum renegotiation renegotiation;
    bool require_secure;   /* no connection with a peer that does not send renegotiation_info */
    bool fallback;         /* client: this is a second try with a lower version (RFC 7507) */
    bool no_ems, no_etm;   /* neither offered nor accepted; for tests of what follows from it */
    uint16_t max_fragment; /* client: asks for records of at most 512, 1024, 2048, 4096; 0: no */
    bool ask_status;       /* client: asks for an OCSP response */
    bool post_auth;        /* TLS 1.3 client: offers post_handshake_auth */
    struct buf extensions; /* client: more extensions for the hello, as encoded there */
    extension_fn *on_extension;
    void *on_extension_ctx;
    void (*keylog)(void *ctx, const char *line);
    void *keylog_ctx;
    verify_fn *on_verify;
    void *on_verify_ctx;
};
bool ext_is_ours(uint16_t id); /* an extension that the engine itself knows */
#endif
