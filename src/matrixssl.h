/* SPDX-License-Identifier: ISC */
/* What the files of the guide's API share: keys, sessions, certificates as callbacks see them. */
#ifndef SRC_MATRIXSSL_H
#define SRC_MATRIXSSL_H
#include <matrixssl/matrixsslApi.h>
#include <stdatomic.h>

#include "base/buf.h"
#include "engine.h"

#define KEYS_MAX_IDENTITIES 8

struct sslKeys {
    struct identity *identity[KEYS_MAX_IDENTITIES];
    size_t nidentities;
    struct trust *trust; /* may be without anchors */
    atomic_bool in_use;  /* by a session: nothing may be loaded any more */
};

enum progress {
    HANDSHAKING,
    LAST_FLIGHT, /* complete as soon as what is queued has been sent */
    COMPLETE,
};

struct session {
    ssl_t pub; /* first: what the application holds is a pointer to it */
    struct tls *tls;
    struct config *config;
    sslCertCb_t cert_cb;
    enum tls_role role;
    uint16_t suite; /* the one that was asked for; 0: all */
    char *expected; /* the server's name; NULL: none */
    char *alpn;     /* names, each with its NUL; NULL: none */
    size_t nalpn;
    bool touched; /* bytes have moved: the settings stand */

    enum progress progress;
    bool over;        /* tls_input() failed */
    bool we_closed;   /* close_notify or a fatal alert of ours is in the stream */
    bool peer_closed; /* close_notify or a fatal alert arrived */

    struct buf in;
    size_t need;   /* bytes that must be in `in` before it can go on; 0: not known */
    size_t usual;  /* size of the last record */
    size_t handed; /* the record at the start of `in` that the application looks at */
    unsigned char alert[2];

    struct buf out;
    size_t announced; /* bytes of the engine's queue that the application was told of */
    size_t reserved;  /* room for plaintext behind a header's gap at the end of `out`; 0: none */
};

static inline struct session *session_of(ssl_t *ssl)
{
    return (struct session *)(void *)ssl;
}

/* Wipes and gives up the room of matrixSslGetWritebuf(). */
void matrixssl_drop_reserved(struct session *s);

/* The guide's number for an error of ours. */
int32 matrixssl_code(int err);

/* A chain for a callback, leaf first, in one set of allocations. NULL: no memory. */
struct cert_memory;
psX509Cert_t *matrixssl_certs(const struct cert *chain, size_t n, int alert,
                              struct cert_memory **memory);
void matrixssl_certs_free(struct cert_memory *memory);
#endif
