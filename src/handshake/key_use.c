/* SPDX-License-Identifier: ISC */
/* What a handshake does with our private key, both versions and both roles. Where it is done by a
 * key callback and takes its time, the message that is to hold the signature waits in the work, and
 * so does the step that comes next: the state stays as it is until then, and nothing is proved by
 * waiting (threat 3). */
#include "base/secret.h"
#include "base/trace.h"
#include "handshake/kx12.h"

/* ---- what is done with the result ---- */
/* Is that a length which a signature of this kind can have? */
static bool length_fits(const struct cert *leaf, const struct scheme *s, size_t n)
{
    size_t most;

    switch (s->kind) {
    case SIG_RSA_PKCS1:
    case SIG_RSA_PSS:
        return n == leaf->key_n.n;
    case SIG_EDDSA: /* RFC 8032 sections 5.1.6, 5.2.6 */
        return n == (leaf->key_type == KEY_ED25519 ? 64 : 114);
    case SIG_ECDSA: /* two INTEGERs in a SEQUENCE */
        most = leaf->key_type == KEY_EC_P256 ? 72 : leaf->key_type == KEY_EC_P384 ? 104 : 139;
        return n >= 8 && n <= most;
    }
    return false;
}

/* Ends the message, sends it, and goes on. */
static int signed_send(struct hs *h, struct span sig)
{
    struct hs_work *k = h->work;

    if (protocol_of(h->version)->names_schemes) {
        wr_u16(&k->to_sign.w, k->our_scheme->id);
    }
    wr_vec(&k->to_sign.w, 2, sig.p, sig.n);
    if (!h->scheme) {
        h->scheme = k->our_scheme;
    }
    TRY(hs_msg_send(h, &k->to_sign));
    return k->after(h);
}

/* Without a branch on anything that depends on what was deciphered (threat 12). result: of SIG_MAX
 * bytes. */
static int opened(struct hs *h, const uint8_t *result, size_t n, bool done)
{
    const unsigned version = h->work->client_version;
    SECRET(premaster, PREMASTER_RSA);
    unsigned wrong, mask;

    TRY(rand_bytes(premaster, PREMASTER_RSA));
    wrong = (unsigned)!done | (unsigned)(n != PREMASTER_RSA) | (result[0] ^ version >> 8) |
            (result[1] ^ (version & 0xff));
    mask = (wrong - 1) >> 16 & 0xff; /* 0xff: nothing is */
    for (size_t i = 0; i < PREMASTER_RSA; i++) {
        premaster[i] = (uint8_t)((premaster[i] & ~mask) | (result[i] & mask));
    }
    return kx12_master(h, span_of(premaster, PREMASTER_RSA));
}

/* ---- by the callback ---- */
static int take_result(struct hs *h, struct key_job *job)
{
    const struct key_request *r = key_job_request(job);
    const uint8_t *result;
    size_t n;
    bool done = key_job_result(job, &result, &n);

    if (r->op == KEY_DECRYPT) {
        return opened(h, result, n, done);
    }
    if (!done || !length_fits(&r->identity->leaf, r->scheme, n)) {
        return FAIL(h->err, TLS_ALERT(ALERT_INTERNAL_ERROR), "the private key %s",
                    done ? "made a signature of a wrong length" : "could not be used");
    }
    return signed_send(h, span_of(result, n));
}

static int go_on(struct hs *h)
{
    struct key_job *job = h->work->job;
    int rc;

    h->work->job = NULL;
    h->work->pending = NULL;
    rc = take_result(h, job);
    key_job_unref(job);
    return rc;
}

static int ask(struct hs *h, enum key_op op, const struct span *part, size_t n)
{
    struct hs_work *k = h->work;
    const struct key_request what = { .op = op,
                                      .scheme = op == KEY_SIGN ? k->our_scheme : NULL,
                                      .client_version = k->client_version,
                                      .identity = k->identity };
    struct key_job *job = key_job_new(&what, part, n);
    int rc;

    if (!job) {
        return FAIL(h->err, ERR_MEM, "out of memory");
    }
    h->set->on_key(h->set->on_key_ctx, job);
    key_job_unref(job);
    if (task_waits(key_job_task(job), h->wake, h->wake_ctx)) {
        trace(TRACE_HANDSHAKE, "waiting for the private key");
        k->job = job;
        k->pending = key_job_task(job);
        k->go_on = go_on;
        return 0;
    }
    rc = take_result(h, job);
    key_job_unref(job);
    return rc;
}

/* ---- what the handshake asks for ---- */
int key_sign(struct hs *h, const struct span *part, size_t nparts, hs_step *after)
{
    struct hs_work *k = h->work;
    uint8_t sig[SIG_MAX];
    size_t n = sizeof sig;

    k->after = after;
    if (h->set->on_key) {
        return ask(h, KEY_SIGN, part, nparts);
    }
    TRY(privkey_sign(k->identity->key, k->our_scheme, part, nparts, sig, &n));
    return signed_send(h, span_of(sig, n));
}

int key_decrypt(struct hs *h, struct span sealed)
{
    struct hs_work *k = h->work;
    SECRET(premaster, PREMASTER_RSA);

    if (h->set->on_key) {
        return ask(h, KEY_DECRYPT, &sealed, 1);
    }
    /* What does not decrypt becomes random (threat 12). */
    TRY(privkey_decrypt_premaster(k->identity->key, sealed, k->client_version, premaster));
    return kx12_master(h, span_of(premaster, PREMASTER_RSA));
}
