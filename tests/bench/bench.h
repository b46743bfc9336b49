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
    void *(*conn_new)(void *ctx, struct pipe *in, struct pipe *out);
    int (*handshake)(void *conn); /* 1 done, 0 waits for the other, -1 failed */
    long (*write)(void *conn, const void *d, size_t n); /* n, or -1 */
    long (*read)(void *conn, void *d, size_t n);        /* bytes, 0 nothing there, -1 failed */
    void (*describe)(void *conn, char *text, size_t n); /* what was negotiated */
    void (*conn_free)(void *conn);
};

extern const struct peer peer_openssl, peer_sleeve, peer_gnutls, peer_wolfssl;
/* The first is what the others are compared with; NULL ends. */
const struct peer *peer_at(size_t i);

/* "dir/ecdsa-server.crt"; NULL when it does not fit. */
const char *cert_path(char *text, size_t n, const struct job *job, const char *who,
                      const char *suffix);

/* ---- counting allocations, in count.c ---- */
struct heap {
    long live, count; /* bytes in use, allocations made */
};
extern struct heap heap_of[2]; /* client, server */
extern int heap_side;          /* whose allocations are being made */
extern bool heap_counting;
#endif
