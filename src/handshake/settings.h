/* SPDX-License-Identifier: ISC */
/* What a handshake is to do: the plain data inside a sealed struct config (src/config.c). Read-only
 * while any connection uses it. */
#ifndef HANDSHAKE_SETTINGS_H
#define HANDSHAKE_SETTINGS_H
#include "handshake/suites.h"
#include "x509/x509.h"

enum tls_role { TLS_CLIENT, TLS_SERVER };
enum { TLS_1_2 = 0x0303, TLS_1_3 = 0x0304 };

enum verify_mode {
    VERIFY_FULL, /* chain and name; a client without a name to verify does not start */
    VERIFY_CA,   /* chain only */
    VERIFY_NONE, /* nothing: named so that it is seen */
};
enum client_auth { CLIENT_AUTH_NONE, CLIENT_AUTH_REQUEST, CLIENT_AUTH_REQUIRE };

#define SETTINGS_SUITES     8
#define SETTINGS_GROUPS     8
#define SETTINGS_IDENTITIES 16

struct tls;

/* Asked after the engine's own verdict (alert: 0 or an enum alert; the sentence is in tls_error()).
 * Returns 0 to accept, else the alert to send. */
typedef int verify_fn(void *ctx, struct tls *t, const struct cert *chain, size_t n, int alert);

struct settings {
    enum tls_role role;
    unsigned min_version, max_version;
    const struct suite *suites[SETTINGS_SUITES]; /* in order of preference */
    size_t nsuites;
    const struct group *groups[SETTINGS_GROUPS];
    size_t ngroups;
    struct identity *identities[SETTINGS_IDENTITIES];
    size_t nidentities;
    struct trust *trust;
    enum verify_mode verify;
    enum client_auth client_auth;
    struct buf alpn; /* ProtocolNameList contents: names with one length byte each */
    int64_t (*now)(void);
    void (*keylog)(void *ctx, const char *line);
    void *keylog_ctx;
    verify_fn *on_verify;
    void *on_verify_ctx;
};
#endif
