/* SPDX-License-Identifier: ISC */
/* Serialised sessions (threat 38): a byte string is refused, or it is the one form of a session
 * that goes through a ticket unharmed. As a ticket the same bytes open nothing. */
#include <stdlib.h>

#include "session/session.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void insist(bool good)
{
    if (!good) {
        abort();
    }
}

static void same_form(const struct tls_session *s, struct span form)
{
    struct buf again = { 0 };

    insist(session_write(s, &again) == 0 && span_eq(buf_span(&again), form));
    buf_free(&again);
}

static void through_a_ticket(struct ticket_keys *k, struct tls_session *s, struct span form)
{
    struct tls_session *back = NULL;
    struct buf ticket = { 0 };
    bool renew = false;
    int rc;

    insist(ticket_seal(k, s, s->made, &ticket) == 0);
    rc = ticket_open(k, buf_span(&ticket), s->made, &back, &renew);
    insist(rc == (session_fresh(s, s->made) ? 0 : ERR_MISMATCH) && !renew);
    if (back) {
        same_form(back, form);
    }
    session_unref(back);
    buf_free(&ticket);
}

static void through_the_cache(struct tls_session *s)
{
    struct session_cache *c = session_cache_new(1, 1000);
    struct tls_session *back;

    insist(c != NULL);
    session_cache_put(c, s, s->made);
    back = session_cache_get(c, span_of(s->id, s->id_len), s->made);
    insist(back == (s->id_len && session_fresh(s, s->made) ? s : NULL));
    session_unref(back);
    session_cache_unref(c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct span bytes = span_of(data, size);
    struct tls_session *s = NULL;
    struct ticket_keys *k;
    bool renew = false;
    int rc;

    insist(crypto_init() == 0);
    k = ticket_keys_new(1000);
    insist(k != NULL);
    insist(ticket_open(k, bytes, 0, &s, &renew) == ERR_MISMATCH && !s);
    rc = session_parse(&s, bytes);
    insist(rc == 0 ? s != NULL : rc == ERR_PARSE && !s);
    if (s) {
        same_form(s, bytes);
        through_a_ticket(k, s, bytes);
        through_the_cache(s);
    }
    session_unref(s);
    ticket_keys_unref(k);
    return 0;
}
