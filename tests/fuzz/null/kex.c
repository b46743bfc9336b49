/* SPDX-License-Identifier: ISC */
/* Key exchanges that check the form of a share, and whose secret is made of both shares or of
 * nothing. */
#include "tests/fuzz/null/null.h"

#include "base/buf.h"
#include "base/mem.h"

struct kex {
    const struct group *group; /* NULL: a prime that is none of ours */
    uint64_t share;            /* what ours is made of */
    uint8_t p[DH_BYTES_MAX];   /* dhe_start(): the prime */
    size_t n;
    bool used;
};

bool group_is_present(const struct group *g)
{
    (void)g;
    return true;
}

/* ---- groups ---- */

static bool is_point(const struct group *g)
{
    return g->id >= 23 && g->id <= 25; /* of NIST's curves, with the form in front */
}

static int draw(uint64_t *v)
{
    return rand_bytes(v, sizeof *v);
}

static void put_share(const struct group *g, uint64_t from, uint8_t *share, size_t n)
{
    null_spread(from, share, n);
    if (is_point(g)) {
        share[0] = 0x04;
    }
}

static bool is_share(const struct group *g, struct span s, size_t n)
{
    uint8_t any = 0;

    for (size_t i = 0; i < s.n; i++) {
        any |= s.p[i];
    }
    return s.n == n && any && (!is_point(g) || s.p[0] == 0x04);
}

static void put_secret(struct span one, struct span other, uint8_t *secret, size_t n)
{
    null_spread(null_binds() ? null_fold(NULL_SEED, one) ^ null_fold(NULL_SEED + 1, other) : 0,
                secret, n);
}

struct kex *kex_start(const struct group *g, uint8_t *share)
{
    struct kex *k = mem_zalloc(sizeof *k);

    if (k && draw(&k->share) < 0) {
        mem_free(k);
        return NULL;
    }
    if (k) {
        k->group = g;
        put_share(g, k->share, share, g->share_client);
    }
    return k;
}

int kex_finish(struct kex *k, struct span peer, uint8_t *secret)
{
    const struct group *g = k->group;
    uint8_t ours[KEX_SHARE_MAX];

    if (k->used) {
        return ERR_STATE;
    }
    k->used = true;
    memset(secret, 0, g->secret_size);
    if (!is_share(g, peer, g->share_server)) {
        return TLS_ALERT(ALERT_ILLEGAL_PARAMETER);
    }
    put_share(g, k->share, ours, g->share_client);
    put_secret(span_of(ours, g->share_client), peer, secret, g->secret_size);
    return 0;
}

void kex_free(struct kex *k)
{
    mem_free_secret(k, sizeof *k);
}

int kex_respond(const struct group *g, struct span peer, uint8_t *share, uint8_t *secret)
{
    uint64_t from;

    memset(secret, 0, g->secret_size);
    memset(share, 0, g->share_server);
    if (!is_share(g, peer, g->share_client)) {
        return TLS_ALERT(ALERT_ILLEGAL_PARAMETER);
    }
    TRY(draw(&from));
    put_share(g, from, share, g->share_server);
    put_secret(peer, span_of(share, g->share_server), secret, g->secret_size);
    return 0;
}

/* ---- primes ---- */

static struct span stripped(struct span n)
{
    while (n.n && *n.p == 0) {
        n = span_of(n.p + 1, n.n - 1);
    }
    return n;
}

/* The number that stands for a group's prime: odd, and its first bit is set. */
static size_t put_prime(const struct group *g, uint8_t *p)
{
    memset(p, 0xff, g->secret_size);
    p[1] = (uint8_t)g->id;
    return g->secret_size;
}

int dhe_start(struct kex **out, struct span p, struct span g, unsigned least_bits)
{
    struct kex *k;
    uint8_t prime[DH_BYTES_MAX];

    *out = NULL;
    p = stripped(p);
    g = stripped(g);
    if (8 * p.n < least_bits || p.n > DH_BYTES_MAX) {
        return ERR_UNSUPPORTED;
    }
    if (p.n == 0 || !(p.p[p.n - 1] & 1) || g.n == 0 || g.n > p.n || (g.n == 1 && g.p[0] == 1)) {
        return ERR_PARSE;
    }
    k = mem_zalloc(sizeof *k);
    if (!k || draw(&k->share) < 0) {
        mem_free(k);
        return ERR_CRYPTO;
    }
    memcpy(k->p, p.p, p.n);
    k->n = p.n;
    for (size_t i = 0; group_at(i); i++) {
        if (!group_at(i)->ec && span_eq(span_of(prime, put_prime(group_at(i), prime)), p)) {
            k->group = group_at(i);
        }
    }
    *out = k;
    return 0;
}

const struct group *dhe_group(const struct kex *k)
{
    return k->group;
}

int dhe_share(const struct kex *k, uint8_t out[static DH_BYTES_MAX], size_t *n)
{
    null_spread(k->share, out, k->n);
    out[0] &= 0x7f; /* below the prime */
    *n = k->n;
    return 0;
}

int dhe_finish(struct kex *k, struct span peer, uint8_t secret[static DH_BYTES_MAX], size_t *n)
{
    const struct span y = stripped(peer);
    uint8_t ours[DH_BYTES_MAX];
    size_t size;

    memset(secret, 0, DH_BYTES_MAX);
    *n = 0;
    if (k->used) {
        return ERR_STATE;
    }
    k->used = true;
    if (y.n == 0 || y.n > k->n || (y.n == 1 && y.p[0] == 1) ||
        (y.n == k->n && memcmp(y.p, k->p, y.n) >= 0)) {
        return TLS_ALERT(ALERT_ILLEGAL_PARAMETER);
    }
    TRY(dhe_share(k, ours, &size));
    /* Either side adds the same two. */
    null_spread(null_binds()
                    ? null_fold(NULL_SEED, stripped(span_of(ours, size))) + null_fold(NULL_SEED, y)
                    : 0,
                secret, k->n);
    secret[0] |= 1; /* RFC 5246 section 8.1.2: no leading zeros */
    *n = k->n;
    return 0;
}

int dhparams_load(struct dh_params *out, struct span pem_or_der)
{
    (void)out;
    (void)pem_or_der;
    return ERR_UNSUPPORTED;
}

int dhparams_named(struct dh_params *out, const struct group *g)
{
    uint8_t p[DH_BYTES_MAX];

    dhparams_free(out);
    TRY(buf_append(&out->p, p, put_prime(g, p)));
    return buf_append(&out->g, "\x02", 1);
}

void dhparams_free(struct dh_params *params)
{
    buf_free(&params->p);
    buf_free(&params->g);
}
