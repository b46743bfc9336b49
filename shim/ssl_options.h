/* SPDX-License-Identifier: ISC */
/* Inside the sockets API: what options there are, what is made of them, and where an fd's are kept.
 *
 * A new option is a number in <sleeve/ssl_socket.h>, a row in ssl_table.c, and, where it ends in
 * the sealed configuration, a step in ssl_build.c; the manual pages ssl_socket(3) and
 * sleeve.conf(5) say what it does. */
#ifndef SHIM_SSL_OPTIONS_H
#define SHIM_SSL_OPTIONS_H
#include <sleeve/ssl_socket.h>

#include "shim/conn.h"
#include "shim/reload.h"
#include "shim/sessions.h"

/* ---- ssl_settings.c: what a sealed configuration is made from ----
 * Shared by all fds that inherited it. Only who has the one reference may change it, so a
 * configuration that was built from it stays right as long as anyone looks at it. */
enum setting {
    /* of one of the own certificates */
    SET_CERT,
    SET_KEY,
    SET_PASS,
    SET_PASS_FILE,
    SET_STATUS,
    SET_OWN,
    /* of all */
    SET_CA = SET_OWN,
    SET_CRL,
    SET_PINS,
    SET_ALPN,
    SET_SUITES,
    SET_GROUPS,
    SET_SCHEMES,
    SET_KEYLOG,
    SET_TICKET_KEYS,
    SET_STORE,
    SET_PSKS,
    SET_PSK_HINT,
    SET_DH_PARAMS,
    SET_STRINGS
};
enum number {
    NUM_VERIFY,
    NUM_MIN,
    NUM_MAX,
    NUM_CLIENT_AUTH,
    NUM_REVOCATION,
    NUM_PARTIAL_CHAIN,
    NUM_WEAK,
    NUM_RELOAD,
    NUM_REUSE,
    NUM_TTL,
    NUM_TICKETS,
    NUM_EARLY,
    NUM_STORE_TIMEOUT,
    NUM_DH_BITS,
    NUM_MAX_HELLO,
    NUM_MAX_CHAIN,
    NUM_MAX_IDLE,
    NUM_CACHE,
    NUM_COUNT,
    /* not of the configuration, but of each fd */
    NUM_TIMEOUT = NUM_COUNT,
    NUM_EOF,
};
enum hook { HOOK_PASS, HOOK_SNI, HOOK_CERT, HOOK_COUNT };
/* What the struct of each callback begins with, and is. */
struct ssl_hook {
    void (*fn)(void); /* NULL: there is none */
    void *arg;
};
struct psk {
    struct psk *next; /* of SSL_OPT_PSK */
    char identity[PSK_NAME_MAX + 1], own[PSK_NAME_MAX + 1], peer[PSK_NAME_MAX + 1];
    uint8_t key[PSK_KEY_MAX];
    size_t key_len;
    enum hash_id hash; /* HASH_NONE: of TLS 1.2 */
    bool import;
};
struct ssl_settings {
    _Atomic unsigned refs;
    char *string[SET_STRINGS - SET_OWN];     /* NULL: the default */
    char *own[SETTINGS_IDENTITIES][SET_OWN]; /* likewise */
    size_t nown;                             /* 1 and more: options are about the last of them */
    struct ssl_hook hook[HOOK_COUNT];
    int number[NUM_COUNT];
    struct psk *psks;        /* in the order of setting */
    unsigned roles;          /* sealed for these and no others: 1 << role, or-ed; 0: for any */
    struct reload sealed[2]; /* by role */
    _Atomic(struct server_sessions *) sessions; /* NULL: no server was made yet */
};
struct ssl_settings *ssl_settings_new(void); /* the defaults; NULL: no memory */
struct ssl_settings *ssl_settings_copy(const struct ssl_settings *s);
struct ssl_settings *ssl_settings_ref(struct ssl_settings *s);
void ssl_settings_put(struct ssl_settings *s); /* NULL is fine */
/* SET_CERT: the first certificate, and no more behind it. 0 or ERR_MEM. */
int ssl_settings_string(struct ssl_settings *s, enum setting which, const char *value);
const char *ssl_settings_get(struct ssl_settings *s, enum setting which); /* NULL: the default */
/* One more certificate. 0, ERR_LIMIT, ERR_MEM. */
int ssl_settings_add(struct ssl_settings *s, const char *cert);
void ssl_settings_hook(struct ssl_settings *s, enum hook which, const struct ssl_hook *h);
void ssl_settings_number(struct ssl_settings *s, enum number which, int value);
/* One more, or another key of that identity; its lengths are right. NULL: none any more. */
int ssl_settings_psk(struct ssl_settings *s, const struct ssl_psk *p); /* or ERR_MEM */
bool ssl_settings_has_psks(const struct ssl_settings *s);              /* one, or a file of them */

/* ---- ssl_build.c ---- */
/* Which option it was that could not be used; 0: none of them. */
struct blame {
    int option;
    size_t own; /* of SSL_OPT_CERT_FILE and what belongs to it: of the i-th certificate */
};
/* A sealed configuration for this role. Each file is noted in f before it is read. */
int ssl_settings_make(struct ssl_settings *s, enum tls_role role, struct files *f,
                      struct config **out, struct blame *blame, struct error *err) MUST_CHECK;
/* A reference to it, made at the first call and when its files have changed. NULL: errno, *err. */
struct config *ssl_settings_config(struct ssl_settings *s, enum tls_role role, struct error *err);
/* Why changed files are not in use; false: there are none. */
bool ssl_settings_problem(struct ssl_settings *s, char text[static RELOAD_TEXT]);

/* ---- ssl_options.c: one fd's options ---- */
#define NAME_SIZE 256
struct options {
    struct ssl_settings *set; /* a reference */
    char name[NAME_SIZE], sni[NAME_SIZE];
    int timeout_ms;
    int eof;
    struct entry *seen; /* what the fd named then; a reference */
};
/* What the fd table (table.c) names by an fd that is to be TLS. Nobody changes one. */
struct kept {
    struct entry entry;
    struct options o;
};
/* A copy, to be given back; false: the fd has none (a plain one), or those of another socket, which
 * was closed behind our back and are forgotten. SSL_DEFAULTS always has. */
bool options_get(int fd, struct options *o);
void options_put(struct options *o);
/* Makes *o the options of the fd's socket. 0 or -1 errno: ENOMEM, EISCONN it is a connection,
 * EAGAIN it has got others since options_get(). */
int options_set(int fd, const struct options *o);
void options_destroy(struct entry *e); /* the last reference went */
/* May fd have options? 0 or -1 errno: it is no stream socket. SSL_DEFAULTS may. */
int options_check(int fd);
/* Is fd plain? For a fd that is to be TLS and is no connection: false, ENOTCONN. */
bool options_plain(int fd);

/* ---- ssl_io.c ---- */
bool ssl_is_tls(int fd); /* a connection, or what is to be one */

/* ---- ssl_table.c: which options there are ---- */
#define OPTION_VALUE_MAX 4096 /* of a string with its NUL */
#define OPTIONS_END      (SSL_OPT_SESSION_CACHE + 1)
enum option_kind {
    OPT_STRING,
    OPT_PATH, /* a string; in sections, relative to the file that they stand in */
    OPT_CERT, /* a path, of one more own certificate */
    OPT_NAME, /* of the peer: the fd's own, no part of a configuration */
    OPT_NUMBER,
    OPT_MS,    /* a number of milliseconds; in sections, of seconds or "ms" */
    OPT_PSK,   /* struct ssl_psk */
    OPT_HOOK,  /* a struct of a function and its arg */
    OPT_TRACE, /* struct ssl_trace, of the process */
    OPT_FACT,  /* can only be read */
};
struct ssl_option {
    const char *name; /* "SSL_OPT_NAME"; NULL: there is none of this number */
    enum option_kind kind;
    int where; /* enum setting, number or hook */
    /* Of a number: which ones there are, and their words in sections; none: all from min to max. */
    struct choice {
        int value;
        const char *word; /* NULL: cannot be said there */
    } of[6];
    size_t nof;
    int min, max;
    /* Is a string right by itself? 0, or the sentence is in err. */
    int (*check)(const char *text, struct error *err);
    int (*check_number)(int number, struct error *err); /* likewise */
    bool secret;                                        /* cannot be read */
    /* In sections of a file (ini.h): its key (NULL: none), where it may stand (IN_DEFAULTS, ...
     * or-ed), and whose it is: enum tls_role, or -1: of both. */
    const char *key;
    unsigned in;
    int role;
};
extern const struct ssl_option ssl_options[OPTIONS_END];
const struct ssl_option *ssl_option_find(int name); /* NULL: ENOPROTOOPT, with a sentence */
/* ssl_apply.c. Checks a value and puts it into o, whose settings become its own. 0, ERR_ARG or
 * ERR_MEM with what is wrong about the value, without the option's name, in err. */
int ssl_option_apply(const struct ssl_option *opt, struct options *o, const void *value, size_t len,
                     struct error *err) MUST_CHECK;

/* ---- ssl_hooks.c: what is asked of the program in a handshake ---- */
/* The callbacks of s into c. */
int ssl_hooks_add(const struct ssl_settings *s, struct config *c) MUST_CHECK;
/* struct ssl_trace, or length 0: no more lines. */
int ssl_trace_apply(const void *value, size_t len, struct error *err) MUST_CHECK;

/* ---- ssl_lists.c: strings that are lists of names ---- */
struct id_list {
    uint16_t id[SETTINGS_SUITES];
    size_t n;
};
/* IANA's names with ',' or ':' between. ERR_ARG with a sentence. */
int suites_parse(const char *text, struct id_list *out, struct error *err) MUST_CHECK;
int groups_parse(const char *text, struct id_list *out, struct error *err) MUST_CHECK;
int schemes_parse(const char *text, struct id_list *out, struct error *err) MUST_CHECK;
#define ALPN_NAMES 16
struct name_list {
    const char *name[ALPN_NAMES];
    size_t n;
    char text[OPTION_VALUE_MAX]; /* where they are */
};
/* Protocol names with ',' between and blanks around. */
int alpn_parse(const char *text, struct name_list *out, struct error *err) MUST_CHECK;

/* ---- ssl_sockopt.c ---- */
/* May options of the fd be set? 0, or -1 with errno; what: for the sentence. */
int ssl_may_set(int fd, const char *what);

/* ---- ssl_socket.c ---- */
/* Another address may be reachable where this one is not; it does not make a peer more trustworthy.
 */
bool ssl_worth_another(int err);

/* ---- ssl_error.c ---- */
/* Keeps the sentence for ssl_error(); returns -1 with errno. */
int ssl_failed(int err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
#endif
