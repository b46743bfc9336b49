/* SPDX-License-Identifier: ISC */
/* Inside the sockets API: what an fd's options are and where they are kept. */
#ifndef SHIM_SSL_OPTIONS_H
#define SHIM_SSL_OPTIONS_H
#include <sleeve/ssl_socket.h>

#include "shim/reload.h"
#include "shim/shim.h"

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
    NUM_COUNT
};
struct psk {
    struct psk *next;
    char identity[PSK_NAME_MAX + 1], own[PSK_NAME_MAX + 1], peer[PSK_NAME_MAX + 1];
    uint8_t key[PSK_KEY_MAX];
    size_t key_len;
    enum hash_id hash;
    bool import;
};
struct ssl_settings {
    _Atomic unsigned refs;
    char *string[SET_STRINGS - SET_OWN];     /* NULL: the default */
    char *own[SETTINGS_IDENTITIES][SET_OWN]; /* likewise */
    size_t nown;                             /* 1 and more: options are about the last of them */
    struct ssl_key_pass pass;
    int number[NUM_COUNT];
    struct psk *psks;        /* in the order of setting */
    struct reload sealed[2]; /* by role */
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
void ssl_settings_pass(struct ssl_settings *s, const struct ssl_key_pass *p); /* NULL: none */
void ssl_settings_number(struct ssl_settings *s, enum number which, int value);
/* One more, or another key of that identity; its lengths are right. NULL: none any more. */
int ssl_settings_psk(struct ssl_settings *s, const struct ssl_psk *p); /* or ERR_MEM */

/* ---- ssl_config.c ---- */
/* A reference to the configuration for this role, built at the first call and when its files have
 * changed. NULL: errno, *err. */
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
    uint64_t cookie; /* of the socket: an entry that was left behind does not match it */
};
/* A copy, to be given back; false: the fd has none (a plain one). SSL_DEFAULTS always has. */
bool options_get(int fd, struct options *o);
void options_put(struct options *o);
/* Makes *o the fd's options. 0 or -1 errno. */
int options_set(int fd, const struct options *o);
void options_drop(int fd);

/* ---- ssl_error.c ---- */
/* Keeps the sentence for ssl_error(); returns -1 with errno. */
int ssl_failed(int err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
#endif
