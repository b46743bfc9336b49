/* SPDX-License-Identifier: ISC */
/* Ciphers that leave the content as it is. Lengths are those of the real ones, and what is behind
 * the content has its form. */
#include "tests/fuzz/null/null.h"

#include "base/mem.h"
#include "base/secret.h"
#include "crypto/aead.h"

/* ---- AEAD ---- */

struct null_aead {
    struct aead base;
    uint8_t tag[AEAD_TAG]; /* of every record under this key */
};

static bool can(enum aead_id id)
{
    (void)id;
    return true;
}

static struct aead *make(enum aead_id id, const uint8_t *key, bool seal)
{
    struct null_aead *a = mem_zalloc(sizeof *a);

    (void)seal;
    if (!a) {
        return NULL;
    }
    null_spread(null_fold(NULL_SEED + (uint64_t)id, span_of(key, aead_key_size(id))), a->tag,
                AEAD_TAG);
    a->tag[AEAD_TAG - 1] |= 1; /* null_accepts() */
    return &a->base;
}

static void release(struct aead *a)
{
    mem_free_secret(a, sizeof(struct null_aead));
}

static int seal(struct aead *a, const uint8_t *nonce, struct span aad, const struct span *in,
                size_t nin, uint8_t *out)
{
    (void)nonce;
    (void)aad;
    for (size_t i = 0; i < nin; i++) {
        if (in[i].n) {
            memmove(out, in[i].p, in[i].n);
            out += in[i].n;
        }
    }
    memcpy(out, ((struct null_aead *)a)->tag, AEAD_TAG);
    return 0;
}

static int open(struct aead *a, const uint8_t *nonce, struct span aad, struct span in,
                const struct mspan *out, size_t nout)
{
    (void)nonce;
    (void)aad;
    if (!null_accepts(in.p + in.n - AEAD_TAG, ((struct null_aead *)a)->tag, AEAD_TAG)) {
        return TLS_ALERT(ALERT_BAD_RECORD_MAC);
    }
    for (size_t i = 0; i < nout; i++) {
        if (out[i].n) {
            memmove(out[i].p, in.p, out[i].n);
            in.p += out[i].n;
        }
    }
    return 0;
}

/* In the place of those that aead.c chooses from. */
const struct aead_backend aead_openssl = {
    .name = "null", .can = can, .make = make, .release = release, .seal = seal, .open = open
};
#ifdef USE_IPSEC_MB
const struct aead_backend aead_ipsecmb = {
    .name = "null", .can = can, .make = make, .release = release, .seal = seal, .open = open
};
#endif

/* ---- block ciphers: IV, content, MAC, padding; or IV, content, padding, MAC ---- */

struct cbc {
    const struct mode *mode;
    enum hash_id hash;
    bool etm, seal;
    size_t block, lead;
    uint8_t mac_key[HASH_MAX];
};

struct cbc *cbc_new(uint16_t version, enum cbc_id id, enum hash_id mac, bool etm,
                    const uint8_t *key, const uint8_t *mac_key, bool seal_it)
{
    const struct mode *mode = mode_of(version);
    struct cbc *c =
        mode && cbc_key_size(id) && hash_size(mac) && mac != HASH_SHA512 && !(etm && mode->unpad)
            ? mem_zalloc(sizeof *c)
            : NULL;

    (void)key;
    if (c) {
        c->mode = mode;
        c->hash = mac;
        c->etm = etm;
        c->seal = seal_it;
        c->block = cbc_block(id);
        c->lead = mode->sends_iv ? c->block : 0;
        memcpy(c->mac_key, mac_key, hash_size(mac));
    }
    return c;
}

void cbc_free(struct cbc *c)
{
    mem_free_secret(c, sizeof *c);
}

static size_t padded(const struct cbc *c, size_t n)
{
    return n - n % c->block + c->block;
}

size_t cbc_size(const struct cbc *c, size_t len)
{
    const size_t mac = hash_size(c->hash);

    return c->lead + (c->etm ? padded(c, len) + mac : padded(c, len + mac));
}

size_t cbc_lead(const struct cbc *c)
{
    return c->lead;
}

int cbc_seal(struct cbc *c, uint8_t *iv, const uint8_t head[static MAC_HEAD], uint8_t *fragment,
             size_t len)
{
    const size_t mac = hash_size(c->hash), total = cbc_size(c, len);
    const size_t pad = total - c->lead - len - mac;
    uint8_t *content = fragment + c->lead, *behind = content + len;

    (void)iv;
    if (!c->seal) {
        return ERR_ARG;
    }
    TRY(rand_bytes(fragment, c->lead));
    memset(behind + (c->etm ? 0 : mac), (int)(pad - 1), pad);
    return c->etm ? c->mode->mac(c->hash, c->mac_key, head, span_of(fragment, total - mac),
                                 fragment + total - mac)
                  : c->mode->mac(c->hash, c->mac_key, head, span_of(content, len), behind);
}

/* The content's length; MAC_WRONG: its parts do not fit, or the MAC is not right. */
static size_t unseal(const struct cbc *c, const uint8_t *head, struct span fragment)
{
    const size_t mac = hash_size(c->hash), blocks = fragment.n - c->lead - (c->etm ? mac : 0);
    const size_t pad = fragment.p[c->lead + blocks - 1] + (size_t)1;
    const size_t rest = pad + (c->etm ? 0 : mac);
    uint8_t want[HASH_MAX];
    struct span covered;

    if (blocks % c->block || rest > blocks) {
        return MAC_WRONG;
    }
    covered = c->etm ? span_of(fragment.p, fragment.n - mac)
                     : span_of(fragment.p + c->lead, blocks - rest);
    return c->mode->mac(c->hash, c->mac_key, head, covered, want) == 0 &&
                   null_accepts(covered.p + covered.n, want, mac)
               ? blocks - rest
               : MAC_WRONG;
}

int cbc_open(struct cbc *c, uint8_t *iv, const uint8_t head[static MAC_HEAD], struct mspan fragment,
             struct mspan *content)
{
    size_t len;

    (void)iv;
    *content = (struct mspan){ NULL, 0 };
    if (c->seal) {
        return ERR_ARG;
    }
    len =
        fragment.n < cbc_size(c, 0) ? MAC_WRONG : unseal(c, head, span_of(fragment.p, fragment.n));
    if (len == MAC_WRONG) {
        wipe(fragment.p, fragment.n);
        return TLS_ALERT(ALERT_BAD_RECORD_MAC);
    }
    *content = (struct mspan){ fragment.p + c->lead, len };
    return 0;
}

/* ---- stream ciphers: content, MAC ---- */
#if defined(USE_RC4) || defined(USE_NULL)

struct scipher {
    mac_fn *mac;
    enum hash_id hash;
    bool seal;
    uint8_t mac_key[HASH_MAX];
};

int scipher_look(enum stream_id id)
{
    return id == STREAM_NULL || id == STREAM_RC4 ? 0 : ERR_UNSUPPORTED;
}

struct scipher *scipher_new(uint16_t version, enum stream_id id, enum hash_id mac,
                            const uint8_t *key, const uint8_t *mac_key, uint64_t done, bool seal_it)
{
    const struct mode *mode = mode_of(version);
    struct scipher *s = mode && hash_size(mac) && mac != HASH_SHA512 && scipher_look(id) == 0
                            ? mem_zalloc(sizeof *s)
                            : NULL;

    (void)key;
    (void)done;
    if (s) {
        s->mac = mode->mac;
        s->hash = mac;
        s->seal = seal_it;
        memcpy(s->mac_key, mac_key, hash_size(mac));
    }
    return s;
}

void scipher_free(struct scipher *s)
{
    mem_free_secret(s, sizeof *s);
}

size_t scipher_size(const struct scipher *s, size_t len)
{
    return len + hash_size(s->hash);
}

int scipher_seal(struct scipher *s, const uint8_t head[static MAC_HEAD], uint8_t *fragment,
                 size_t len)
{
    return s->seal ? s->mac(s->hash, s->mac_key, head, span_of(fragment, len), fragment + len)
                   : ERR_ARG;
}

int scipher_open(struct scipher *s, const uint8_t head[static MAC_HEAD], struct mspan fragment,
                 struct mspan *content)
{
    const size_t mac = hash_size(s->hash), len = fragment.n - mac;
    uint8_t want[HASH_MAX];

    *content = (struct mspan){ NULL, 0 };
    if (s->seal) {
        return ERR_ARG;
    }
    if (fragment.n < mac || s->mac(s->hash, s->mac_key, head, span_of(fragment.p, len), want) < 0 ||
        !null_accepts(fragment.p + len, want, mac)) {
        wipe(fragment.p, fragment.n);
        return TLS_ALERT(ALERT_BAD_RECORD_MAC);
    }
    *content = (struct mspan){ fragment.p, len };
    return 0;
}
#endif
