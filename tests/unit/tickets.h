/* SPDX-License-Identifier: ISC */
/* What the tests of tickets and of their keys share. */
#ifndef TESTS_UNIT_TICKETS_H
#define TESTS_UNIT_TICKETS_H
#include "sessions.h"

#include "session/local.h"

#define LIFE INT64_C(1000) /* ms: keys turn every 500 */

static const uint8_t name_a[TICKET_NAME] = "name of key A";

static inline void outside_key(uint8_t key[static TICKET_KEY], size_t first)
{
    for (size_t i = 0; i < TICKET_KEY; i++) {
        key[i] = key_byte(first + i);
    }
}

static inline struct buf sealed(struct ticket_keys *k, int64_t now)
{
    struct tls_session *s = sample(0x0303, WITH_ALL);
    struct buf b = { 0 };

    assert_int_equal(ticket_seal(k, s, now, &b), 0);
    session_unref(s);
    return b;
}

/* What open said: -1 refused, 0 good, 1 good and to be renewed. */
static inline int opened(struct ticket_keys *k, struct span ticket, int64_t now)
{
    struct tls_session *mark = (struct tls_session *)&live, *s = mark, *was;
    bool renew = false, untouched = true;
    int rc = ticket_open(k, ticket, now, &s, &renew);

    if (rc < 0) {
        assert_int_equal(rc, ERR_MISMATCH);
        assert_ptr_equal(s, mark);
        assert_false(renew);
        assert_int_equal(ticket_open(k, ticket, now, &s, &untouched), ERR_MISMATCH);
        assert_true(untouched);
        return -1;
    }
    was = sample(0x0303, WITH_ALL);
    assert_true(same(s, was));
    session_unref(was);
    session_unref(s);
    return renew;
}

static inline int opened_buf(struct ticket_keys *k, const struct buf *b, int64_t now)
{
    return opened(k, buf_span(b), now);
}
#endif
