/* SPDX-License-Identifier: ISC */
/* For tests of the guide's API: throw-away certificates, and a client and a server whose bytes are
 * carried by memcpy, in pieces of any size, with every return code written down. */
#ifndef TESTS_LIB_GUIDE_H
#define TESTS_LIB_GUIDE_H
#include <matrixssl/matrixsslApi.h>

#include "base/buf.h"
#include "x509/x509.h"

/* ---- certificates ---- */
struct cred {
    struct privkey *key;
    struct cert cert; /* a view of der */
    struct buf der, pem, key_pem;
};
struct cred_params {
    const char *common_name;
    const char *names[4]; /* subjectAltName; NULL ends */
    bool ca, client, rsa; /* rsa: the key, else P-256 */
    int64_t from, until;  /* days from now; 0 and 0: yesterday, tomorrow */
};
/* issuer NULL: self-signed. Fails the test when it cannot. */
void cred_make(struct cred *c, const struct cred_params *p, const struct cred *issuer);
void cred_free(struct cred *c);

/* ---- two sides ---- */
struct side {
    sslKeys_t *keys;
    ssl_t *ssl;
    char log[4096]; /* "s1 r5": SentData said 1, ReceivedData 5; "p0": ProcessedData; negative:
                       "r-12" */
    size_t nlog;
    unsigned char *got; /* application data, in order */
    size_t ngot, got_room;
    int complete;     /* how often HANDSHAKE_COMPLETE was seen */
    int level, alert; /* last alert; -1: none */
    int32 error;      /* first negative result */
    int closed;       /* SentData asked to close */
};

sslKeys_t *guide_keys(const struct cred *own, const struct cred *trusted);
void side_init(struct side *s); /* no session yet */
void side_free(struct side *s); /* then it is as after side_init() */
/* Takes what is to be sent, at most `room` bytes; what SentData says goes to the log. */
size_t side_take(struct side *s, unsigned char *out, size_t room);
/* Gives received bytes, and does what the results ask for. */
void side_give(struct side *s, const unsigned char *in, size_t n);
/* Carries bytes both ways, `chunk` at a time, until both are silent. */
void carry(struct side *a, struct side *b, size_t chunk);
/* A session each, made of their keys and connected, logs emptied; suite 0: any. Fails the test when
 * it cannot. */
void side_connect(struct side *client, struct side *server, uint32 suite, sslSessionId_t *sid);
/* Encodes through EncodeToOutdata, at most a record at a time; fails the test when it cannot. */
void side_write(struct side *s, const void *p, size_t n);
uint32 side_suite(const struct side *s);

/* ---- what most tests have of these ---- */
/* Of "Test CA", for 30 days: "server" (server.test, alias.test, 127.0.0.1) and "client". */
extern struct cred ca, server_cred, client_cred;
extern struct side cl, sv;
/* Opens the library and makes them; frees them and closes it. */
int guide_setup(void **state);
int guide_teardown(void **state);
/* Keys and a session each, the client's without a certificate; nothing is said yet. */
void guide_begin(uint32 suite);
bool guide_connects(void);
/* All of it, or the test fails; logs emptied. */
void guide_connected(void);
void guide_end(void);
#endif
