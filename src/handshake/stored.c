/* SPDX-License-Identifier: ISC */
/* A server's sessions in a store outside (session/store.h). A lookup may take its time, and then
 * the ClientHello waits, nothing of it being answered yet; it comes back into the same place with a
 * session or without. */
#include "base/trace.h"
#include "handshake/local.h"

bool stored_possible(const struct hs *h)
{
    /* Without a clock nothing would ever be too old. In a renegotiation it does not pay. */
    return h->set->store.get && h->set->tickets && h->set->now && !h->renegotiating;
}

/* Under our keys and for this very id, or it is none of ours (threats 38, 39). */
static int answered(struct hs *h)
{
    struct hs_work *k = h->work;
    const struct span id = session_lookup_id(k->lookup);
    const struct span value = session_lookup_value(k->lookup);
    bool renew;

    k->pending = NULL;
    if (value.n &&
        ticket_open_stored(h->set->tickets, id, value, hs_now(h), &k->found, &renew) == 0) {
        memcpy(k->found_id, id.p, id.n);
        k->found_id_len = id.n;
    }
    session_lookup_cancel(k->lookup);
    k->lookup = NULL;
    return k->after(h);
}

int stored_find(struct hs *h, struct span id, bool takes, hs_step *after)
{
    struct hs_work *k = h->work;

    k->after = after;
    k->lookup = session_lookup_new(id, takes);
    if (!k->lookup) {
        return after(h);
    }
    h->set->store.get(h->set->store.ctx, k->lookup);
    session_lookup_unref(k->lookup);
    if (task_waits(session_lookup_task(k->lookup), h->wake, h->wake_ctx)) {
        trace(TRACE_HANDSHAKE, "waiting for the session store");
        k->pending = session_lookup_task(k->lookup);
        k->go_on = answered;
        return 0;
    }
    return answered(h);
}

struct tls_session *stored_found(const struct hs *h, struct span id)
{
    const struct hs_work *k = h->work;

    return k->found && span_eq(id, span_of(k->found_id, k->found_id_len)) ? session_ref(k->found)
                                                                          : NULL;
}

int stored_put(struct hs *h, struct span id, const struct tls_session *s, uint32_t life)
{
    struct buf value = { 0 };
    int rc = ticket_seal_stored(h->set->tickets, id, s, hs_now(h), &value);

    if (rc == 0 && life) {
        h->set->store.put(h->set->store.ctx, id, buf_span(&value), life);
    }
    buf_free(&value);
    return rc;
}
