/* SPDX-License-Identifier: ISC */
/* The soak of the sockets API, small: `make soak` runs it with other numbers (soak.h). In TLS 1.3
 * the keys are made to wear out often, so that many KeyUpdates go over the one connection. */
#include "tests/sockets/peers.h"

#undef CHECK
#define CALL(name) ssl_##name
#include "engine_local.h"
#include "shim/conn.h"
#include "tests/soak/soak.h"

#define REKEY_BYTES (8 << 20)

static int version;
static unsigned updates;

void soak_server(int listener)
{
    set_string(listener, SSL_OPT_CERT_FILE, cert_path("server.pem"));
}

void soak_client(int fd)
{
    set_string(fd, SSL_OPT_NAME, "server.test");
    set_string(fd, SSL_OPT_CA_FILE, cert_path("ca.crt"));
    set_number(fd, SSL_OPT_MAX_VERSION, version);
}

const char *soak_why(void)
{
    return ssl_error(-1);
}

/* The record layer asks for a KeyUpdate when its limit is reached. */
void soak_carried(int fd, uint64_t bytes)
{
    struct conn *c;
    struct hold h;

    if (version != TLS_1_3 || bytes % REKEY_BYTES != 0) {
        return;
    }
    c = conn_get(fd);
    assert_non_null(c);
    assert_int_equal(conn_enter(&h, c, fd, HALF_WRITE), 0);
    updates += c->tls->tx.limit > 1; /* the last one was done */
    c->tls->tx.limit = 1;
    conn_leave(&h);
    conn_put(c);
}

static void soak_tls12(void **state)
{
    (void)state;
    version = TLS_1_2;
    soak("1.2", 0);
}

static void soak_tls13(void **state)
{
    (void)state;
    version = TLS_1_3;
    soak("1.3", 0);
    printf("1.3  %u KeyUpdates\n", updates);
    assert_true(updates > 1);
}

static int setup(void **state)
{
    int rc = peers_setup(state);

    if (getenv("SOAK_GB")) {
        alarm(0); /* as long as it takes */
    }
    table_head();
    return rc;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(soak_tls12),
        cmocka_unit_test(soak_tls13),
    };

    return cmocka_run_group_tests(tests, setup, peers_teardown);
}
