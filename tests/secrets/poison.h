/* SPDX-License-Identifier: ISC */
/* Secrets that are undefined to valgrind, and with them all that is computed from them, until it is
 * sent, or a MAC was found right: whatever branches on one, or takes one for an address, is a
 * finding of its (tests/lib/branches.py). The functions of the library that make secrets, and those
 * that make something public, are called through those here (--wrap of the linker). */
#ifndef TESTS_SECRETS_POISON_H
#define TESTS_SECRETS_POISON_H
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <valgrind/memcheck.h>

#include "config.h"
#include "handshake/local.h"
#include "session/local.h"

static unsigned opened_right, opened_wrong, secrets;

static inline void hide(const void *p, size_t n)
{
    (void)VALGRIND_MAKE_MEM_UNDEFINED(p, n);
}

static inline void show(const void *p, size_t n)
{
    (void)VALGRIND_MAKE_MEM_DEFINED(p, n);
}

#define WRAP(type, name, ...)        \
    type __real_##name(__VA_ARGS__); \
    type __wrap_##name(__VA_ARGS__); \
    type __wrap_##name(__VA_ARGS__)

/* ---- secrets ---- */

WRAP(int, privkey_decrypt_premaster, struct privkey *k, struct span sealed, uint16_t version,
     uint8_t *out)
{
    int rc = __real_privkey_decrypt_premaster(k, sealed, version, out);

    hide(out, PREMASTER_RSA);
    secrets++;
    return rc;
}

WRAP(int, keys12_master, struct hs *h, struct span premaster)
{
    hide(premaster.p, premaster.n);
    secrets++;
    return __real_keys12_master(h, premaster);
}

/* Which names there are, and so which of the keys it is, or that it is none (RFC 4279 section 2).
 * From where it lies on, it is no secret any more: what it is, is. */
WRAP(const struct ext_psk *, psk12_find, const struct settings *s, struct span identity)
{
    const struct ext_psk *found;

    for (const struct ext_psk *p = s->psks12; p; p = p->next) {
        hide(p->identity, sizeof p->identity);
        hide(&p->identity_len, sizeof p->identity_len);
    }
    found = __real_psk12_find(s, identity);
    show(&found, sizeof found);
    for (const struct ext_psk *p = s->psks12; p; p = p->next) {
        show(p->identity, sizeof p->identity);
        show(&p->identity_len, sizeof p->identity_len);
        hide(p->key, sizeof p->key);
    }
    hide(s->decoy12->key, sizeof s->decoy12->key);
    return found;
}

WRAP(int, keys13_handshake, struct hs *h, struct span shared)
{
    hide(shared.p, shared.n);
    secrets++;
    return __real_keys13_handshake(h, shared);
}

/* A key from outside, also what is imported of it. */
WRAP(int, config_add_psk, struct config *c, struct span name, struct span key, enum hash_id hash,
     const char *own, const char *peer)
{
    uint8_t hidden[PSK_KEY_MAX];

    memcpy(hidden, key.p, key.n);
    hide(hidden, key.n);
    secrets++;
    return __real_config_add_psk(c, name, span_of(hidden, key.n), hash, own, peer);
}

/* Which configuration it is, is none, although it is a hash of its keys too. */
WRAP(int, config_seal, struct config *c, struct error *err)
{
    int rc = __real_config_seal(c, err);

    show(config_settings(c)->context, SESSION_CONTEXT);
    return rc;
}

/* Of a ticket, or of a session that an application kept. */
WRAP(int, session_parse, struct tls_session **out, struct span bytes)
{
    int rc = __real_session_parse(out, bytes);

    if (rc == 0) {
        hide((*out)->secret, sizeof(*out)->secret);
        secrets++;
    }
    return rc;
}

WRAP(struct ticket_keys *, ticket_keys_new, int64_t life_ms)
{
    struct ticket_keys *k = __real_ticket_keys_new(life_ms);

    for (size_t i = 0; k && i < k->count; i++) {
        hide(k->gen[i].key, sizeof k->gen[i].key);
    }
    return k;
}

/* The key log writes its secrets as digits. */
WRAP(int, config_set_keylog, struct config *c, void (*fn)(void *ctx, const char *line), void *ctx)
{
    (void)fn;
    (void)ctx;
    return __real_config_set_keylog(c, NULL, NULL);
}

/* ---- what is on the wire, or was found to be the peer's ---- */

/* Binders, Finished, and what is in tickets but sealed. */
WRAP(int, hs_msg_send, struct hs *h, struct hs_msg *m)
{
    show(m->buf.mem, m->buf.cap);
    return __real_hs_msg_send(h, m);
}

WRAP(int, aead_seal, struct aead *a, const uint8_t *nonce, struct span aad, const struct span *in,
     size_t nin, uint8_t *out)
{
    int rc = __real_aead_seal(a, nonce, aad, in, nin, out);
    size_t n = AEAD_TAG;

    for (size_t i = 0; i < nin; i++) {
        n += in[i].n;
    }
    show(out, n);
    return rc;
}

static int opened(int rc, const struct mspan *part, size_t n)
{
    show(&rc, sizeof rc);
    opened_right += rc == 0;
    opened_wrong += rc != 0;
    for (size_t i = 0; rc == 0 && i < n; i++) {
        show(&part[i], sizeof part[i]);
        show(part[i].p, part[i].n);
    }
    return rc;
}

WRAP(int, aead_open, struct aead *a, const uint8_t *nonce, struct span aad, struct span in,
     const struct mspan *out, size_t nout)
{
    return opened(__real_aead_open(a, nonce, aad, in, out, nout), out, nout);
}

WRAP(int, cbc_seal, struct cbc *c, uint8_t *iv, const uint8_t *head, uint8_t *fragment, size_t len)
{
    const size_t n = cbc_size(c, len);
    int rc = __real_cbc_seal(c, iv, head, fragment, len);

    show(fragment, n);
    return rc;
}

WRAP(int, cbc_open, struct cbc *c, uint8_t *iv, const uint8_t *head, struct mspan fragment,
     struct mspan *content)
{
    return opened(__real_cbc_open(c, iv, head, fragment, content), content, 1);
}

WRAP(int, scipher_seal, struct scipher *s, const uint8_t *head, uint8_t *fragment, size_t len)
{
    int rc = __real_scipher_seal(s, head, fragment, len);

    show(fragment, scipher_size(s, len));
    return rc;
}

WRAP(int, scipher_open, struct scipher *s, const uint8_t *head, struct mspan fragment,
     struct mspan *content)
{
    return opened(__real_scipher_open(s, head, fragment, content), content, 1);
}

/* What must be found, or nothing is: the scripts look for this line. */
static inline void canary(void)
{
    volatile uint8_t secret = 1;

    hide((const void *)(uintptr_t)&secret, 1);
    assert_true(secret == 1 || secret == 2); /* the canary */
}
#endif
