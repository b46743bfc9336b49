/* SPDX-License-Identifier: ISC */
/* ssl_setsockopt() and ssl_getsockopt(). */
#include <errno.h>

#include "base/secret.h"
#include "shim/conn.h"
#include "shim/ssl_options.h"

#define VALUE_MAX 4096

#define SWITCH(text, number)                                                               \
    {                                                                                      \
        .kind = NUMBER, .name = (text), .where = (number), .allowed = { 0, 1 }, .count = 2 \
    }

/* One row per option: where it goes and which numbers it may have. */
static const struct option {
    enum { STRING, NAME, NUMBER, FACT, PSK, ADD, PASS } kind;
    const char *name;
    int where;
    int allowed[5];
    int count; /* of allowed; 0: any */
} options[] = {
    [SSL_OPT_NAME] = { .kind = NAME, .name = "SSL_OPT_NAME" },
    [SSL_OPT_SNI] = { .kind = NAME, .name = "SSL_OPT_SNI" },
    [SSL_OPT_CA_FILE] = { .kind = STRING, .name = "SSL_OPT_CA_FILE", .where = SET_CA },
    [SSL_OPT_CERT_FILE] = { .kind = STRING, .name = "SSL_OPT_CERT_FILE", .where = SET_CERT },
    [SSL_OPT_ADD_CERT_FILE] = { .kind = ADD, .name = "SSL_OPT_ADD_CERT_FILE", .where = SET_CERT },
    [SSL_OPT_KEY_FILE] = { .kind = STRING, .name = "SSL_OPT_KEY_FILE", .where = SET_KEY },
    [SSL_OPT_KEY_PASS] = { .kind = STRING, .name = "SSL_OPT_KEY_PASS", .where = SET_PASS },
    [SSL_OPT_KEY_PASS_FILE] = { .kind = STRING,
                                .name = "SSL_OPT_KEY_PASS_FILE",
                                .where = SET_PASS_FILE },
    [SSL_OPT_KEY_PASS_CALLBACK] = { .kind = PASS, .name = "SSL_OPT_KEY_PASS_CALLBACK" },
    [SSL_OPT_STATUS_FILE] = { .kind = STRING, .name = "SSL_OPT_STATUS_FILE", .where = SET_STATUS },
    [SSL_OPT_PINS] = { .kind = STRING, .name = "SSL_OPT_PINS", .where = SET_PINS },
    [SSL_OPT_CRL_FILE] = { .kind = STRING, .name = "SSL_OPT_CRL_FILE", .where = SET_CRL },
    [SSL_OPT_REVOCATION] = { .kind = NUMBER,
                             .name = "SSL_OPT_REVOCATION",
                             .where = NUM_REVOCATION,
                             .allowed = { SSL_REVOCATION_DEFAULT, SSL_REVOCATION_OFF,
                                          SSL_REVOCATION_SOFT, SSL_REVOCATION_HARD,
                                          SSL_REVOCATION_ALL },
                             .count = 5 },
    [SSL_OPT_PARTIAL_CHAIN] = SWITCH("SSL_OPT_PARTIAL_CHAIN", NUM_PARTIAL_CHAIN),
    [SSL_OPT_WEAK_CERTIFICATES] = SWITCH("SSL_OPT_WEAK_CERTIFICATES", NUM_WEAK),
    [SSL_OPT_RELOAD] = SWITCH("SSL_OPT_RELOAD", NUM_RELOAD),
    [SSL_OPT_ALPN] = { .kind = STRING, .name = "SSL_OPT_ALPN", .where = SET_ALPN },
    [SSL_OPT_VERIFY] = { .kind = NUMBER,
                         .name = "SSL_OPT_VERIFY",
                         .where = NUM_VERIFY,
                         .allowed = { SSL_VERIFY_NONE, SSL_VERIFY_CA, SSL_VERIFY_FULL },
                         .count = 3 },
    [SSL_OPT_MIN_VERSION] = { .kind = NUMBER,
                              .name = "SSL_OPT_MIN_VERSION",
                              .where = NUM_MIN,
                              .allowed = { 0, TLS_1_2, TLS_1_3 },
                              .count = 3 },
    [SSL_OPT_MAX_VERSION] = { .kind = NUMBER,
                              .name = "SSL_OPT_MAX_VERSION",
                              .where = NUM_MAX,
                              .allowed = { 0, TLS_1_2, TLS_1_3 },
                              .count = 3 },
    [SSL_OPT_CLIENT_AUTH] = { .kind = NUMBER,
                              .name = "SSL_OPT_CLIENT_AUTH",
                              .where = NUM_CLIENT_AUTH,
                              .allowed = { SSL_CLIENT_AUTH_NONE, SSL_CLIENT_AUTH_REQUEST,
                                           SSL_CLIENT_AUTH_REQUIRE },
                              .count = 3 },
    [SSL_OPT_HANDSHAKE_TIMEOUT] = { .kind = NUMBER,
                                    .name = "SSL_OPT_HANDSHAKE_TIMEOUT",
                                    .where = -1 },
    [SSL_OPT_EOF] = { .kind = NUMBER,
                      .name = "SSL_OPT_EOF",
                      .where = -1,
                      .allowed = { SSL_EOF_STRICT, SSL_EOF_LENIENT },
                      .count = 2 },
    [SSL_OPT_VERSION] = { .kind = FACT, .name = "SSL_OPT_VERSION" },
    [SSL_OPT_SUITE] = { .kind = FACT, .name = "SSL_OPT_SUITE" },
    [SSL_OPT_GROUP] = { .kind = FACT, .name = "SSL_OPT_GROUP" },
    [SSL_OPT_PEER_CERT] = { .kind = FACT, .name = "SSL_OPT_PEER_CERT" },
    [SSL_OPT_PSK] = { .kind = PSK, .name = "SSL_OPT_PSK" },
};

static const struct option *find(int name)
{
    if (name <= 0 || (size_t)name >= sizeof options / sizeof *options || !options[name].name) {
        ssl_failed(ENOPROTOOPT, "there is no SSL_OPT_ option number %d", name);
        return NULL;
    }
    return &options[name];
}

/* ---- setting ---- */

/* The value as a string; its one NUL may be counted or not. */
static int string_of(const struct option *opt, const void *value, socklen_t len,
                     char text[static VALUE_MAX])
{
    size_t n = len;

    if (n > 0 && value && ((const char *)value)[n - 1] == '\0') {
        n--;
    }
    if (n >= VALUE_MAX || (n > 0 && (!value || memchr(value, 0, n)))) {
        return ssl_failed(EINVAL, "%s: not a string of up to %d bytes", opt->name, VALUE_MAX - 1);
    }
    if (n > 0) {
        memcpy(text, value, n);
    }
    text[n] = '\0';
    return 0;
}

static int number_of(const struct option *opt, const void *value, socklen_t len, int *number)
{
    if (len != sizeof *number || !value) {
        return ssl_failed(EINVAL, "%s takes an int", opt->name);
    }
    memcpy(number, value, sizeof *number);
    for (int i = 0; i < opt->count; i++) {
        if (*number == opt->allowed[i]) {
            return 0;
        }
    }
    return opt->count == 0 ? 0 : ssl_failed(EINVAL, "%s: no such value: %d", opt->name, *number);
}

/* The settings in *o become the fd's own before one of them changes. */
static int own_settings(struct options *o)
{
    struct ssl_settings *copy = ssl_settings_copy(o->set);

    if (!copy) {
        return ssl_failed(ENOMEM, "no memory for options");
    }
    ssl_settings_put(o->set);
    o->set = copy;
    return 0;
}

static int apply_name(const struct option *opt, struct options *o, const char *text)
{
    char *to = opt == &options[SSL_OPT_NAME] ? o->name : o->sni;

    if (*text && (!host_is_valid(text) || strlen(text) >= NAME_SIZE)) {
        return ssl_failed(EINVAL, "%s: \"%.100s\" is not a host name or an address", opt->name,
                          text);
    }
    memcpy(to, text, strlen(text) + 1);
    return 0;
}

static int apply_number(const struct option *opt, struct options *o, int number)
{
    if (opt == &options[SSL_OPT_HANDSHAKE_TIMEOUT]) {
        o->timeout_ms = number;
    } else if (opt == &options[SSL_OPT_EOF]) {
        o->eof = number;
    } else {
        if (own_settings(o)) {
            return -1;
        }
        ssl_settings_number(o->set, (enum number)opt->where, number);
    }
    return 0;
}

static bool is_name(const char *s)
{
    return s && *s && strnlen(s, PSK_NAME_MAX + 1) <= PSK_NAME_MAX;
}

/* What config_add_psk() would not take, said where it was set; NULL: nothing. */
static const char *psk_fault(const struct ssl_psk *p)
{
    if (!is_name(p->identity)) {
        return "an identity has 1 to 255 bytes";
    }
    if (!p->key || p->key_len < PSK_KEY_MIN || p->key_len > PSK_KEY_MAX) {
        return "a key has 16 to 256 bytes";
    }
    if (p->hash != SSL_PSK_SHA256 && p->hash != SSL_PSK_SHA384) {
        return "the hash is SSL_PSK_SHA256 or SSL_PSK_SHA384";
    }
    if ((p->own || p->peer) && (!is_name(p->own) || !is_name(p->peer))) {
        return "the names of both ends, of 1 to 255 bytes, or neither";
    }
    return p->own && strcmp(p->own, p->peer) == 0 ? "the two ends have the same name" : NULL;
}

static int apply_psk(const struct option *opt, struct options *o, const void *value, socklen_t len)
{
    struct ssl_psk p;
    const char *fault;

    if (len != 0) {
        if (len != sizeof p || !value) {
            return ssl_failed(EINVAL, "%s takes a struct ssl_psk", opt->name);
        }
        memcpy(&p, value, sizeof p);
        fault = psk_fault(&p);
        if (fault) {
            return ssl_failed(EINVAL, "%s: %s", opt->name, fault);
        }
    }
    if (own_settings(o)) {
        return -1;
    }
    return ssl_settings_psk(o->set, len ? &p : NULL) < 0
               ? ssl_failed(ENOMEM, "no memory for options")
               : 0;
}

static int apply_pass(const struct option *opt, struct options *o, const void *value, socklen_t len)
{
    struct ssl_key_pass p = { 0 };

    if (len != 0) {
        if (len != sizeof p || !value) {
            return ssl_failed(EINVAL, "%s takes a struct ssl_key_pass", opt->name);
        }
        memcpy(&p, value, sizeof p);
        if (!p.get) {
            return ssl_failed(EINVAL, "%s: there is no function", opt->name);
        }
    }
    if (own_settings(o)) {
        return -1;
    }
    ssl_settings_pass(o->set, len ? &p : NULL);
    return 0;
}

static int check_string(const struct option *opt, const char *text)
{
    uint8_t pins[PINS_MAX][PIN_SIZE];
    struct error err;
    size_t n;

    error_clear(&err);
    if (opt == &options[SSL_OPT_PINS] && *text && pins_parse(text, pins, &n, &err) < 0) {
        return ssl_failed(EINVAL, "%s: %s", opt->name, err.text);
    }
    if (opt->kind == ADD && !*text) {
        return ssl_failed(EINVAL, "%s: which one?", opt->name);
    }
    return 0;
}

static int apply_string(const struct option *opt, struct options *o, const char *text)
{
    int rc;

    if (check_string(opt, text) || own_settings(o)) {
        return -1;
    }
    rc = opt->kind == ADD ? ssl_settings_add(o->set, text)
                          : ssl_settings_string(o->set, (enum setting)opt->where, text);
    if (rc == ERR_LIMIT) {
        return ssl_failed(EINVAL, "%s: there are %d already", opt->name, SETTINGS_IDENTITIES);
    }
    return rc < 0 ? ssl_failed(ENOMEM, "no memory for options") : 0;
}

static int apply(const struct option *opt, struct options *o, const void *value, socklen_t len)
{
    char text[VALUE_MAX] = "";
    int number = 0, rc;

    switch (opt->kind) {
    case NUMBER:
        return number_of(opt, value, len, &number) ? -1 : apply_number(opt, o, number);
    case PSK:
        return apply_psk(opt, o, value, len);
    case PASS:
        return apply_pass(opt, o, value, len);
    default:
        rc = string_of(opt, value, len, text);
    }
    if (rc == 0) {
        rc = opt->kind == NAME ? apply_name(opt, o, text) : apply_string(opt, o, text);
    }
    wipe(text, sizeof text); /* it may be the passphrase */
    return rc;
}

static bool is_tls(int fd)
{
    struct conn *c = conn_get(fd);
    bool is = c && conn_on_socket(c, fd);

    conn_put(c);
    return is;
}

static int is_stream(int fd)
{
    int type = 0;
    socklen_t n = sizeof type;

    if (fd == SSL_DEFAULTS) {
        return 0;
    }
    if (sys.getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &n)) {
        return -1;
    }
    return type == SOCK_STREAM ? 0 : ssl_failed(EPROTOTYPE, "TLS needs a stream socket");
}

int ssl_setsockopt(int fd, int level, int name, const void *value, socklen_t len)
{
    const struct option *opt;
    struct options o;
    int rc;

    if (level != SOL_SSL) {
        return sys.setsockopt(fd, level, name, value, len);
    }
    opt = find(name);
    if (!opt) {
        return -1;
    }
    if (opt->kind == FACT) {
        return ssl_failed(EINVAL, "%s can only be read", opt->name);
    }
    if (is_stream(fd)) {
        return -1;
    }
    if (is_tls(fd)) {
        return ssl_failed(EISCONN, "%s: too late, the TLS connection is there", opt->name);
    }
    if (!options_get(fd, &o) && !options_get(SSL_DEFAULTS, &o)) {
        return ssl_failed(ENOMEM, "no memory for options");
    }
    rc = apply(opt, &o, value, len);
    if (rc == 0) {
        rc = options_set(fd, &o);
    }
    options_put(&o);
    return rc;
}

/* ---- reading ---- */

static int give(const struct option *opt, const void *p, size_t n, void *value, socklen_t *len)
{
    bool fits = n <= *len;

    *len = (socklen_t)n;
    if (!value) {
        return 0;
    }
    if (!fits) {
        return ssl_failed(ERANGE, "%s needs %zu bytes", opt->name, n);
    }
    if (n > 0) {
        memcpy(value, p, n);
    }
    return 0;
}

static int give_string(const struct option *opt, const char *s, void *value, socklen_t *len)
{
    s = s ? s : "";
    return give(opt, s, strlen(s) + 1, value, len);
}

static int get_fact(const struct option *opt, int fd, void *value, socklen_t *len)
{
    struct conn *c = conn_get(fd);
    struct tls_info i = { 0 };
    int rc;

    if (c) {
        conn_info(c, &i);
    }
    if (!c || i.version == 0) {
        rc = ssl_failed(ENOTCONN, "%s: no TLS connection yet", opt->name);
    } else if (opt == &options[SSL_OPT_PEER_CERT]) {
        rc = give(opt, i.peer_cert.p, i.peer_cert.n, value, len);
    } else {
        rc = give_string(opt,
                         opt == &options[SSL_OPT_VERSION] ? i.version_name
                         : opt == &options[SSL_OPT_SUITE] ? i.suite
                                                          : i.group,
                         value, len);
    }
    conn_put(c);
    return rc;
}

static int get_option(const struct option *opt, const struct options *o, void *value,
                      socklen_t *len)
{
    int number;

    switch (opt->kind) {
    case NAME:
        return give_string(opt, opt == &options[SSL_OPT_NAME] ? o->name : o->sni, value, len);
    case PSK:
    case PASS:
        return ssl_failed(EINVAL, "%s cannot be read", opt->name);
    case STRING:
    case ADD:
        if (opt->where == SET_PASS) {
            return ssl_failed(EINVAL, "%s cannot be read", opt->name);
        }
        return give_string(opt, ssl_settings_get(o->set, (enum setting)opt->where), value, len);
    default:
        number = opt == &options[SSL_OPT_HANDSHAKE_TIMEOUT] ? o->timeout_ms
                 : opt == &options[SSL_OPT_EOF]             ? o->eof
                                                            : o->set->number[opt->where];
        return give(opt, &number, sizeof number, value, len);
    }
}

/* The kernel does not know why a handshake failed. */
static int get_so_error(int fd, void *value, socklen_t *len)
{
    struct conn *c = conn_get(fd);
    int err = c ? conn_errno(c) : 0;

    conn_put(c);
    if (err && *len >= sizeof err) {
        memcpy(value, &err, sizeof err);
        *len = sizeof err;
        return 0;
    }
    return sys.getsockopt(fd, SOL_SOCKET, SO_ERROR, value, len);
}

int ssl_getsockopt(int fd, int level, int name, void *value, socklen_t *len)
{
    const struct option *opt;
    struct options o;
    int rc;

    if (level == SOL_SOCKET && name == SO_ERROR) {
        return get_so_error(fd, value, len);
    }
    if (level != SOL_SSL) {
        return sys.getsockopt(fd, level, name, value, len);
    }
    opt = find(name);
    if (!opt) {
        return -1;
    }
    if (opt->kind == FACT) {
        return get_fact(opt, fd, value, len);
    }
    if (is_stream(fd)) {
        return -1;
    }
    if (!options_get(fd, &o)) {
        return ssl_failed(ENOPROTOOPT, "%s: a plain socket", opt->name);
    }
    rc = get_option(opt, &o, value, len);
    options_put(&o);
    return rc;
}
