/* SPDX-License-Identifier: ISC */
/* The provider and memory fail where something is done outside: sessions are in a store, private
 * keys with somebody who answers later (threats 36, 37). */
#include "tests/handshake/faulty.h"

/* ---- a store ---- */
static struct entry {
    uint8_t id[SESSION_ID_MAX], value[2048];
    size_t nid, nvalue;
} entries[16];
static size_t next;

static void put(void *ctx, struct span id, struct span value, uint32_t life)
{
    struct entry *e = &entries[next++ % 16];

    (void)ctx;
    assert_true(id.n <= sizeof e->id && value.n <= sizeof e->value && life > 0);
    e->nid = id.n;
    e->nvalue = value.n;
    memcpy(e->id, id.p, id.n);
    memcpy(e->value, value.p, value.n);
}

static struct entry *find(struct span id)
{
    for (size_t i = 0; i < 16; i++) {
        if (span_eq(id, span_of(entries[i].id, entries[i].nid))) {
            return &entries[i];
        }
    }
    return NULL;
}

static void get(void *ctx, struct session_lookup *l)
{
    struct entry *e = find(session_lookup_id(l));

    (void)ctx;
    if (!e) {
        session_lookup_missed(l);
        return;
    }
    session_lookup_found(l, span_of(e->value, e->nvalue));
    e->nid = session_lookup_takes(l) ? 0 : e->nid;
}

static void drop(void *ctx, struct span id)
{
    struct entry *e = find(id);

    (void)ctx;
    if (e) {
        e->nid = 0;
    }
}

static const struct session_store store = { .put = put, .get = get, .drop = drop };

#define LATER .on_key = { faulty_later, faulty_later }

static const struct kind kinds[] = {
    { .what = "TLS 1.3, out of the store",
      .q = { .suite = 0x1301, .store = &store },
      .by_ticket = true,
      .resume = true,
      .lax = true },
    { .what = "TLS 1.2, out of the store",
      .q = { .suite = SUITE_GCM, .store = &store, .no_tickets = true },
      .by_ticket = true,
      .resume = true,
      .lax = true },
    { .what = "TLS 1.3, keys elsewhere",
      .q = { .suite = 0x1301, .auth = CLIENT_AUTH_REQUIRE, .client_id = true, LATER } },
    { .what = "TLS 1.2, keys elsewhere",
      .q = { .suite = SUITE_GCM, .auth = CLIENT_AUTH_REQUIRE, .client_id = true, LATER } },
    { .what = "RSA key exchange, keys elsewhere",
      .q = { .suite = SUITE_RSA_KX, .id = ID_RSA, LATER },
      .static_rsa = true },
};

FAULTY(threat_37_provider_fails, FAULT_ZEROES, false)
FAULTY(threat_37_provider_leaves_rubbish, FAULT_RUBBISH, false)
FAULTY(threat_37_no_memory, FAULT_OUR_MEMORY, false)
FAULTY(threat_37_no_memory_any_more, FAULT_OUR_MEMORY, true)
FAULTY(threat_37_libcrypto_has_no_memory, FAULT_THEIR_MEMORY, false)
FAULTY(threat_37_libcrypto_has_no_memory_any_more, FAULT_THEIR_MEMORY, true)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threat_37_provider_fails),
        cmocka_unit_test(threat_37_provider_leaves_rubbish),
        cmocka_unit_test(threat_37_no_memory),
        cmocka_unit_test(threat_37_no_memory_any_more),
        cmocka_unit_test(threat_37_libcrypto_has_no_memory),
        cmocka_unit_test(threat_37_libcrypto_has_no_memory_any_more),
    };

    faults_install();
    return cmocka_run_group_tests(tests, faulty_begin, pki_free);
}
