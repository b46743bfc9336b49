/* SPDX-License-Identifier: ISC */
/* What a connection leaves behind for the next, and what that one takes over, in every version. */
#include "base/mem.h"
#include "handshake/local.h"

/* Seconds since 1970. Tickets that a client is given for tickets do not go on for ever: what the
 * full handshake has proved is held for so long in all (RFC 8446 section 4.6.1). */
static int64_t usable_until(const struct hs *h)
{
    int64_t most = (h->post ? h->post->made : hs_now(h)) / 1000 + SESSION_LIFE_MAX;
    bool bounded = h->set->role == TLS_CLIENT && h->set->now && !(h->facts & FACT_RESUMED);

    return bounded && most < h->peer_not_after ? most : h->peer_not_after;
}

struct tls_session *session_begin(struct hs *h)
{
    struct tls_session *s = session_new();
    const char *name = h->set->role == TLS_CLIENT ? h->name : h->psk;

    if (!s || session_set_bytes(&s->peer_cert, &s->peer_cert_len, cert_list_leaf(h->peer)) < 0 ||
        session_set_text(&s->sni, h->sni) < 0 || session_set_text(&s->alpn, h->alpn) < 0 ||
        session_set_text(&s->name, name) < 0) {
        session_unref(s);
        return NULL;
    }
    s->version = h->version;
    s->suite = h->suite->id;
    s->group = h->group ? h->group->id : 0;
    s->peer_not_after = usable_until(h);
    memcpy(s->context, h->set->context, SESSION_CONTEXT);
    return s;
}

int session_take(struct hs *h, const struct tls_session *s)
{
    cert_forget(h);
    h->peer_not_after = s->peer_not_after;
    h->group = group_by_id(s->group);
    h->facts |= FACT_RESUMED;
    mem_free(h->psk); /* of the handshake before */
    h->psk = NULL;
    if (h->set->role == TLS_SERVER && s->name) { /* of the external key that it all began with */
        h->psk = mem_strdup(s->name);
        if (!h->psk) {
            return ERR_MEM;
        }
    }
    /* The context says that it was made under these rules; a callback may have accepted anything.
     */
    h->named = h->name && s->peer_cert_len && h->set->verify == VERIFY_FULL && !h->set->on_verify;
    if (s->peer_cert_len) {
        h->peer =
            cert_list_new(&(struct cert){ .der = span_of(s->peer_cert, s->peer_cert_len) }, 1);
        if (!h->peer) {
            return ERR_MEM;
        }
        h->facts |= FACT_PEER_CERT;
    }
    return 0;
}
