/* SPDX-License-Identifier: ISC */
/* Which options there are, and what values they take: the same for ssl_setsockopt(), for struct
 * ssl_config and for the sections of a file. */
#include <errno.h>

#include "shim/ini.h"
#include "shim/ssl_options.h"
#include "shim/store.h"

/* ---- strings that are right by themselves ---- */

static int check_pins(const char *text, struct error *err)
{
    uint8_t pins[PINS_MAX][PIN_SIZE];
    size_t n;

    return pins_parse(text, pins, &n, err) < 0 ? ERR_ARG : 0;
}

static int check_alpn(const char *text, struct error *err)
{
    struct name_list names;

    return alpn_parse(text, &names, err);
}

static int check_suites(const char *text, struct error *err)
{
    struct id_list ids;

    return suites_parse(text, &ids, err);
}

static int check_groups(const char *text, struct error *err)
{
    struct id_list ids;

    return groups_parse(text, &ids, err);
}

static int check_schemes(const char *text, struct error *err)
{
    struct id_list ids;

    return schemes_parse(text, &ids, err);
}

static int check_host(const char *text, struct error *err)
{
    return strlen(text) < NAME_SIZE && host_is_valid(text)
               ? 0
               : FAIL(err, ERR_ARG, "it is neither a host name nor an address: \"%.100s\"", text);
}

/* RFC 6066 section 3: no addresses. */
static int check_sni(const char *text, struct error *err)
{
    return strlen(text) < NAME_SIZE && host_is_valid(text) && !host_is_ip(text)
               ? 0
               : FAIL(err, ERR_ARG, "it is not a host name: \"%.100s\"", text);
}

static int check_hint(const char *text, struct error *err)
{
    return strlen(text) <= PSK_NAME_MAX
               ? 0
               : FAIL(err, ERR_ARG, "a hint has up to %d bytes", PSK_NAME_MAX);
}

static int check_version(int number, struct error *err)
{
    const unsigned version = (unsigned)number;

    return number == 0 || protocol_of(version)
               ? 0
               : FAIL(err, ERR_ARG, "this library was built without it: it takes -D%s",
                      protocol_option(version));
}

static int check_dh_bits(int bits, struct error *err)
{
    return bits == 0 || config_dh_bits_fit((unsigned)bits)
               ? 0
               : FAIL(
                     err, ERR_ARG,
                     "%d bits: a prime has 2048 to 8192, or 1024 to 8192 where the library was built "
                     "with old versions",
                     bits);
}

/* It is there from now on, for the processes that are forked later. */
static int check_store(const char *text, struct error *err)
{
    struct store *store;

    return store_open(text, &store, err);
}

/* ---- the rows ---- */

#define EARLY_DATA_MAX (1 << 20) /* it is kept in memory until the handshake is done */

#define ROW(option, what, ...) [option] = { .name = #option, .kind = (what), __VA_ARGS__ }
#define YES_NO                 .of = { { 1, "yes" }, { 0, "no" } }, .nof = 2
#define VERSIONS                                                         \
    .of = { { SSL_3_0, "ssl3" }, { TLS_1_0, "1.0" }, { TLS_1_1, "1.1" }, \
            { TLS_1_2, "1.2" },  { TLS_1_3, "1.3" }, { 0, NULL } },      \
    .nof = 6, .check_number = check_version
#define ANY .in = IN_ANY, .role = -1

const struct ssl_option ssl_options[OPTIONS_END] = {
    ROW(SSL_OPT_NAME, OPT_NAME, .check = check_host, .key = "name", .in = IN_RULE | IN_CONFIG,
        .role = TLS_CLIENT),
    ROW(SSL_OPT_SNI, OPT_NAME, .check = check_sni, .key = "sni", .in = IN_RULE | IN_CONFIG,
        .role = TLS_CLIENT),
    /* `client-ca` of servers means the same: ini_options.c */
    ROW(SSL_OPT_CA_FILE, OPT_PATH, .where = SET_CA, .key = "ca", .in = IN_ANY, .role = TLS_CLIENT),
    ROW(SSL_OPT_CERT_FILE, OPT_PATH, .where = SET_CERT, .key = "cert", .in = IN_RULE | IN_CONFIG,
        .role = -1),
    ROW(SSL_OPT_ADD_CERT_FILE, OPT_CERT, .where = SET_CERT),
    ROW(SSL_OPT_KEY_FILE, OPT_PATH, .where = SET_KEY, .key = "key", .in = IN_RULE | IN_CONFIG,
        .role = -1),
    ROW(SSL_OPT_KEY_PASS, OPT_STRING, .where = SET_PASS, .secret = true),
    ROW(SSL_OPT_KEY_PASS_FILE, OPT_PATH, .where = SET_PASS_FILE, .key = "key-pass",
        .in = IN_RULE | IN_CONFIG, .role = -1),
    ROW(SSL_OPT_STATUS_FILE, OPT_PATH, .where = SET_STATUS, .key = "staple",
        .in = IN_RULE | IN_CONFIG, .role = TLS_SERVER),
    ROW(SSL_OPT_ALPN, OPT_STRING, .where = SET_ALPN, .check = check_alpn, .key = "alpn",
        .in = IN_RULE | IN_CONFIG, .role = -1),
    ROW(SSL_OPT_SUITES, OPT_STRING, .where = SET_SUITES, .check = check_suites, .key = "suites",
        ANY),
    ROW(SSL_OPT_GROUPS, OPT_STRING, .where = SET_GROUPS, .check = check_groups, .key = "groups",
        ANY),
    ROW(SSL_OPT_SCHEMES, OPT_STRING, .where = SET_SCHEMES, .check = check_schemes,
        .key = "signature-schemes", ANY),
    /* `verify = pin:sha256:...` means two options: ini_options.c */
    ROW(SSL_OPT_VERIFY, OPT_NUMBER, .where = NUM_VERIFY,
        .of = { { SSL_VERIFY_FULL, "full" }, { SSL_VERIFY_CA, "ca" }, { SSL_VERIFY_NONE, "none" } },
        .nof = 3, .key = "verify", .in = IN_ANY, .role = TLS_CLIENT),
    ROW(SSL_OPT_MIN_VERSION, OPT_NUMBER, .where = NUM_MIN, VERSIONS, .key = "min-version", ANY),
    ROW(SSL_OPT_MAX_VERSION, OPT_NUMBER, .where = NUM_MAX, VERSIONS, .key = "max-version", ANY),
    ROW(SSL_OPT_CLIENT_AUTH, OPT_NUMBER, .where = NUM_CLIENT_AUTH,
        .of = { { SSL_CLIENT_AUTH_NONE, "none" },
                { SSL_CLIENT_AUTH_REQUEST, "request" },
                { SSL_CLIENT_AUTH_REQUIRE, "require" } },
        .nof = 3, .key = "client-auth", .in = IN_RULE | IN_CONFIG, .role = TLS_SERVER),
    ROW(SSL_OPT_HANDSHAKE_TIMEOUT, OPT_MS, .where = NUM_TIMEOUT, .min = INT32_MIN, .max = INT32_MAX,
        .key = "timeout", ANY),
    ROW(SSL_OPT_EOF, OPT_NUMBER, .where = NUM_EOF,
        .of = { { SSL_EOF_STRICT, "strict" }, { SSL_EOF_LENIENT, "lenient" } }, .nof = 2,
        .key = "eof", ANY),
    ROW(SSL_OPT_PINS, OPT_STRING, .where = SET_PINS, .check = check_pins, .key = "pins", ANY),
    ROW(SSL_OPT_CRL_FILE, OPT_PATH, .where = SET_CRL, .key = "crl", ANY),
    ROW(SSL_OPT_REVOCATION, OPT_NUMBER, .where = NUM_REVOCATION,
        .of = { { SSL_REVOCATION_OFF, "off" },
                { SSL_REVOCATION_SOFT, "soft" },
                { SSL_REVOCATION_HARD, "hard" },
                { SSL_REVOCATION_ALL, "all" },
                { SSL_REVOCATION_DEFAULT, NULL } },
        .nof = 5, .key = "revocation", ANY),
    ROW(SSL_OPT_PARTIAL_CHAIN, OPT_NUMBER, .where = NUM_PARTIAL_CHAIN, YES_NO,
        .key = "partial-chain", ANY),
    ROW(SSL_OPT_WEAK_CERTIFICATES, OPT_NUMBER, .where = NUM_WEAK, YES_NO,
        .key = "weak-certificates", ANY),
    ROW(SSL_OPT_RELOAD, OPT_NUMBER, .where = NUM_RELOAD, YES_NO, .key = "reload", ANY),
    ROW(SSL_OPT_KEYLOG_FILE, OPT_PATH, .where = SET_KEYLOG, .key = "keylog", ANY),
    ROW(SSL_OPT_SESSION_REUSE, OPT_NUMBER, .where = NUM_REUSE, YES_NO, .key = "session-reuse", ANY),
    ROW(SSL_OPT_SESSION_TTL, OPT_NUMBER, .where = NUM_TTL, .max = SESSION_LIFE_MAX,
        .key = "session-ttl", ANY),
    ROW(SSL_OPT_TICKETS, OPT_NUMBER, .where = NUM_TICKETS, .max = TICKETS_MAX, .key = "tickets",
        .in = IN_ANY, .role = TLS_SERVER),
    ROW(SSL_OPT_TICKET_KEY_FILE, OPT_PATH, .where = SET_TICKET_KEYS, .key = "ticket-key-file",
        .in = IN_ANY, .role = TLS_SERVER),
    /* no key: it is for programs that know */
    ROW(SSL_OPT_EARLY_DATA, OPT_NUMBER, .where = NUM_EARLY, .max = EARLY_DATA_MAX),
    ROW(SSL_OPT_SESSION_STORE, OPT_STRING, .where = SET_STORE, .check = check_store,
        .key = "session-store", .in = IN_RULE | IN_CONFIG, .role = TLS_SERVER),
    ROW(SSL_OPT_SESSION_STORE_TIMEOUT, OPT_MS, .where = NUM_STORE_TIMEOUT, .min = 1, .max = 10000,
        .key = "session-store-timeout", .in = IN_RULE | IN_CONFIG, .role = TLS_SERVER),
    ROW(SSL_OPT_VERSION, OPT_FACT, .role = -1),
    ROW(SSL_OPT_SUITE, OPT_FACT, .role = -1),
    ROW(SSL_OPT_GROUP, OPT_FACT, .role = -1),
    ROW(SSL_OPT_PEER_CERT, OPT_FACT, .role = -1),
    ROW(SSL_OPT_PEER_CHAIN, OPT_FACT, .role = -1),
    ROW(SSL_OPT_PSK, OPT_PSK, .secret = true),
    ROW(SSL_OPT_KEY_PASS_CALLBACK, OPT_HOOK, .where = HOOK_PASS, .secret = true),
    ROW(SSL_OPT_SNI_CALLBACK, OPT_HOOK, .where = HOOK_SNI, .secret = true),
    ROW(SSL_OPT_CERT_CALLBACK, OPT_HOOK, .where = HOOK_CERT, .secret = true),
    ROW(SSL_OPT_TRACE_CALLBACK, OPT_TRACE, .secret = true),
    ROW(SSL_OPT_PSK_FILE, OPT_PATH, .where = SET_PSKS, .key = "psk-file", .in = IN_RULE | IN_CONFIG,
        .role = -1),
    ROW(SSL_OPT_PSK_HINT, OPT_STRING, .where = SET_PSK_HINT, .check = check_hint, .key = "psk-hint",
        .in = IN_RULE | IN_CONFIG, .role = TLS_SERVER),
    ROW(SSL_OPT_DH_PARAMS_FILE, OPT_PATH, .where = SET_DH_PARAMS, .key = "dh-params", .in = IN_ANY,
        .role = TLS_SERVER),
    ROW(SSL_OPT_DH_BITS, OPT_NUMBER, .where = NUM_DH_BITS, .max = 8 * DH_BYTES_MAX,
        .check_number = check_dh_bits, .key = "dh-bits", .in = IN_ANY, .role = TLS_CLIENT),
    ROW(SSL_OPT_MAX_HELLO, OPT_NUMBER, .where = NUM_MAX_HELLO, .min = 512, .max = MAX_HELLO_DEFAULT,
        .key = "max-hello", .in = IN_ANY, .role = TLS_SERVER),
    ROW(SSL_OPT_MAX_CHAIN, OPT_NUMBER, .where = NUM_MAX_CHAIN, .min = 1024,
        .max = MAX_CHAIN_DEFAULT, .key = "max-chain", ANY),
    ROW(SSL_OPT_MAX_IDLE, OPT_NUMBER, .where = NUM_MAX_IDLE, .min = 1, .max = 1000000,
        .key = "max-idle", ANY),
    ROW(SSL_OPT_SESSION_CACHE, OPT_NUMBER, .where = NUM_CACHE, .min = 1, .max = 1000000,
        .key = "session-cache", .in = IN_ANY, .role = TLS_SERVER),
};

const struct ssl_option *ssl_option_find(int name)
{
    if (name <= 0 || name >= OPTIONS_END || !ssl_options[name].name) {
        ssl_failed(ENOPROTOOPT, "there is no SSL_OPT_ option number %d", name);
        return NULL;
    }
    return &ssl_options[name];
}
