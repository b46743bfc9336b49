/* SPDX-License-Identifier: ISC */
/* The small interface that every TLS library under test implements: all run the same jobs in one
 * process, client and server joined by two pipes in memory. Another library is one more file
 * peer_<name>.c that defines `const struct peer peer_<name>`, and a line in peers.c. */
#ifndef TESTS_BENCH_BENCH_H
#define TESTS_BENCH_BENCH_H
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

enum bench_group { GROUP_X25519, GROUP_P256 };
enum bench_cert { CERT_ECDSA, CERT_RSA };
enum bench_suite { SUITE_AES128_GCM, SUITE_AES256_GCM, SUITE_CHACHA20 };

struct job {
    enum bench_group group;
    enum bench_cert cert;
    enum bench_suite suite;
    bool tls12;       /* that version; else TLS 1.3 */
    bool mutual;      /* the server wants a client certificate and verifies it */
    bool sessions;    /* connections can be resumed, by tickets */
    bool cold;        /* nobody may remember a chain from an earlier connection */
    const char *dir;  /* where the certificates are */
    const char *host; /* the name that the client verifies */
};

/* Bytes written and not yet read. */
struct pipe {
    unsigned char *buf;
    size_t cap, r, w;
};

static inline size_t pipe_write(struct pipe *p, const void *d, size_t n)
{
    if (n > p->cap - p->w) {
        n = p->cap - p->w;
    }
    memcpy(p->buf + p->w, d, n);
    p->w += n;
    return n;
}
static inline size_t pipe_read(struct pipe *p, void *d, size_t n)
{
    if (n > p->w - p->r) {
        n = p->w - p->r;
    }
    memcpy(d, p->buf + p->r, n);
    p->r += n;
    if (p->r == p->w) {
        p->r = p->w = 0;
    }
    return n;
}

struct peer {
    const char *name;
    const char *(*version)(void);
    /* What all connections of one side share: keys, certificates, settings. NULL: cannot do it. */
    void *(*ctx_new)(const struct job *job, bool server);
    void (*ctx_free)(void *ctx);
    /* session: NULL, or of session() of an earlier connection of this client. */
    void *(*conn_new)(void *ctx, struct pipe *in, struct pipe *out, void *session);
    int (*handshake)(void *conn); /* 1 done, 0 waits for the other, -1 failed */
    long (*write)(void *conn, const void *d, size_t n); /* n, or -1 */
    long (*read)(void *conn, void *d, size_t n);        /* bytes, 0 nothing there, -1 failed */
    void (*describe)(void *conn, char *text, size_t n); /* what was negotiated */
    void (*conn_free)(void *conn);
    void *(*session)(void *conn); /* client; NULL: it can not be resumed */
    void (*session_free)(void *session);
    bool (*resumed)(void *conn);
    void (*park)(void *conn); /* gives memory back until it is used again; NULL: knows no such */
};

extern const struct peer peer_openssl, peer_sleeve, peer_gnutls, peer_wolfssl;
/* The first is what the others are compared with; NULL ends. */
const struct peer *peer_at(size_t i);

/* "dir/ecdsa-server.crt"; NULL when it does not fit. */
const char *cert_path(char *text, size_t n, const struct job *job, const char *who,
                      const char *suffix);

/* ---- what the primitives allow, in limits.c ---- */
enum kind { HANDSHAKE, RESUMED, RECORDS, HEAP, PARKED };
enum { CLIENT, SERVER };
/* Handshakes, or bytes, a second of each side if nothing but libcrypto's public-key operations,
 * hashes and AEAD cost anything, all of them fetched and keyed before (records: by IPsec-MB, where
 * it is faster). False: there is no such limit. */
bool limit_measure(const struct job *job, enum kind kind, size_t record, double seconds,
                   double value[2]);
const char *limit_version(void);

double cpu_seconds(void); /* of this thread */

/* ---- counting allocations, in count.c ---- */
struct heap {
    long live, count; /* bytes in use, allocations made */
};
extern struct heap heap_of[2]; /* client, server */
extern int heap_side;          /* whose allocations are being made */
extern bool heap_counting;
#endif
