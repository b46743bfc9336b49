/* SPDX-License-Identifier: ISC */
/* Memory runs out at every place of a resumption with its tickets and early data, and of an
 * authentication behind it, once or for good (threats 36, 37); connections are freed in every state
 * of them. */
#include "tests/handshake/early.h"
#include "tests/lib/failing.h"

static void pump(struct pair *p)
{
    for (int i = 0; i < 4; i++) {
        end_give(&p->s, wire, end_take(&p->c, wire));
        end_give(&p->c, wire, end_take(&p->s, wire));
    }
}

/* Early data, where there is memory for it. */
static void pump_early(struct pair *p)
{
    struct span part = span_of(text, 20);
    size_t taken, made;

    assert_true(tls_early_room(p->c.t) > 0);
    if (tls_seal_early(p->c.t, &part, 1, &taken, wire, sizeof wire, &made) == 0 &&
        tls_queue(p->c.t, wire, made) == 0) {
        pump(p);
    }
}

/* What is claimed is true, whatever failed. */
static void check(const struct pair *p)
{
    struct tls_info i;

    assert_true(p->s.nearly == 0 || info_of(&p->s).early == TLS_EARLY_ACCEPTED);
    assert_true(info_of(&p->c).early != TLS_EARLY_ACCEPTED || p->s.rc < 0 || p->s.nearly == 20);
    tls_get_info(p->s.t, &i);
    assert_true(p->s.done < 2 || p->s.rc < 0 ||
                (i.client_auth && span_eq(i.peer_cert, pki.client->leaf.der)));
    tls_get_info(p->c.t, &i);
    /* a ticket that cannot be opened for want of memory: a full handshake */
    assert_true(p->c.done == 0 || p->c.rc < 0 || i.peer_cert.n);
    assert_true(p->c.rc != ERR_STATE && p->s.rc != ERR_STATE);
}

/* Whether the n-th allocation was reached at all. */
static bool run(size_t n, bool retry)
{
    struct pair_params q = early_params();
    struct config *client, *server;
    const size_t before = live;
    struct tls_session *s;
    struct pair *p;

    q.suite = 0x1301;
    q.post_auth = q.client_id = true;
    s = q.resume = first(&q);
    q.client_groups[0] = 29;
    q.client_groups[1] = 23;
    q.server_groups[0] = retry ? 23 : 29;
    p = pair_new(&q);
    pair_free(p);
    client = pair_config(p, TLS_CLIENT, &q);
    server = pair_config(p, TLS_SERVER, &q);
    failing_arm(n);
    if (tls_new(&p->c.t, client, PAIR_HOST, NULL, s, NULL) == 0 &&
        tls_new(&p->s.t, server, NULL, NULL, NULL, NULL) == 0) {
        pump_early(p);
        if (p->s.rc == 0 && p->s.done && tls_request_client_auth(p->s.t, NULL) == 0) {
            pump(p);
        }
        armed = false;
        check(p);
    }
    armed = false;
    if (calls < n) {
        assert_int_equal(p->c.rc, 0);
        assert_int_equal(p->s.done, 2);
    }
    pair_free(p);
    config_unref(client);
    config_unref(server);
    session_unref(s);
    assert_true(live == before || n == 0);
    return calls >= n;
}

static void threat_37_no_memory(void **state)
{
    (void)state;
    for (unsigned kind = 0; kind < 4; kind++) {
        size_t n = 1;

        for_good = kind & 1;
        (void)run(0, kind & 2); /* what is made once, is made */
        while (run(n, kind & 2)) {
            n++;
        }
        assert_true(n > 60);
    }
}

/* Every byte that goes over the wire may be the last. */
static void threat_36_freed_anywhere(void **state)
{
    struct pair_params q = usual(NULL);
    size_t most = 0;

    (void)state;
    q.post_auth = q.client_id = true;
    q.resume = first(&q);
    for (unsigned flights = 0; flights < 6; flights++) {
        for (size_t cut = 0; cut <= most + 16; cut += 17) {
            struct pair *p = pair_new(&q);
            size_t n;

            for (unsigned i = 0; i < flights; i++) {
                struct end *from = i % 2 ? &p->s : &p->c, *to = i % 2 ? &p->c : &p->s;

                if (i == 3) {
                    assert_int_equal(tls_request_client_auth(p->s.t, NULL), 0);
                }
                n = end_take(from, wire);
                most = i + 1 == flights ? n : most;
                end_give(to, wire, i + 1 == flights && cut < n ? cut : n);
                assert_int_equal(to->rc, 0);
            }
            pair_free(p);
        }
    }
    session_unref(q.resume);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threat_37_no_memory),
        cmocka_unit_test(threat_36_freed_anywhere),
    };

    failing_install();
    return cmocka_run_group_tests(tests, early_make, resume_drop);
}
