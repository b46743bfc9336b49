/* SPDX-License-Identifier: ISC */
/* What the sockets API reads from files or is told, and what goes through it, is left nowhere:
 * passphrases, keys and their files, ticket keys, plaintext. Both ends in one thread, so that it is
 * the stack of each call that is looked at. Nothing of it is said, in a trace of every kind or in
 * ssl_error(); and what processes share is in the core file of none. What else is in one: a live
 * connection's keys and plaintext, and the keys that the options have, lie among all other memory,
 * and private keys in libcrypto's own; to leave out some of it would hide none of them. */
#include "tests/secrets/spies.h"
#include "tests/sockets/peers.h"

#define TEXT 6000
static uint8_t plain[TEXT];
static char phrase[48], psk_hex[65];
static uint8_t ticket_key[80];
static unsigned lines;

static const struct known known[] = {
    { AT_LIBCRYPTO, "a private key",
      "its decoder: DER out of PEM, and the string in ECPrivateKey" },
    { AT_LIBCRYPTO, "an ephemeral key", "the scalars of a multiplication on P-256" },
    { PLACES, NULL, NULL },
};

CALL(int, ssl_handshake, (int fd), (fd))
CALL(ssize_t, ssl_read, (int fd, void *p, size_t n), (fd, p, n))
CALL(ssize_t, ssl_write, (int fd, const void *p, size_t n), (fd, p, n))
CALL(int, ssl_close, (int fd), (fd))
CALL(int, ssl_shutdown, (int fd, int how), (fd, how))
CALL(int, ssl_attach, (int fd, int role), (fd, role))
CALL(int, ssl_setsockopt, (int fd, int level, int name, const void *value, socklen_t len),
     (fd, level, name, value, len))

/* ---- what is said ---- */
static void say(void *arg, int kind, const char *line)
{
    (void)arg;
    (void)kind;
    lines++;
    said(line);
}

static void check_error(int fd)
{
    said(ssl_error(fd));
}

/* ---- two ends ---- */
struct job {
    const char *name;
    void (*set)(int client, int server); /* options, after the usual ones */
    void (*end)(int client, int server);
    bool fails;
};

/* 0 when both are connected. */
static int shake(int client, int server)
{
    int done[2] = { -1, -1 };

    for (unsigned turn = 0; turn < 20000 && (done[0] != 0 || done[1] != 0); turn++) {
        const int fds[2] = { client, server };

        for (unsigned i = 0; i < 2; i++) {
            done[i] = done[i] != 0 ? ssl_handshake(fds[i]) : 0;
            if (done[i] != 0 && errno != EAGAIN) {
                check_error(fds[i]);
                return -1;
            }
        }
        if (done[0] != 0 || done[1] != 0) {
            nap_ms(turn > 20);
        }
    }
    return done[0] == 0 && done[1] == 0 ? 0 : -1;
}

static void carry(int from, int to)
{
    static uint8_t got[TEXT];
    size_t sent = 0, have = 0;

    memset(got, 0, sizeof got);
    for (unsigned turn = 0; turn < 20000 && have < TEXT; turn++) {
        ssize_t n = sent < TEXT ? ssl_write(from, plain + sent, TEXT - sent) : 0;

        sent += n > 0 ? (size_t)n : 0;
        n = ssl_read(to, got + have, TEXT - have < 1000 ? TEXT - have : 1000);
        if (n > 0) {
            have += (size_t)n;
        } else {
            assert_true(n < 0 && errno == EAGAIN);
            nap_ms(turn > 20);
        }
    }
    assert_memory_equal(got, plain, TEXT);
    wipe(got, sizeof got);
}

static void usual(int client, int server)
{
    set_string(client, SSL_OPT_NAME, "server.test");
    set_string(client, SSL_OPT_CA_FILE, cert_path("ca.crt"));
    set_string(server, SSL_OPT_CERT_FILE, cert_path("server.pem"));
}

static void by_phrase(int client, int server)
{
    usual(client, server);
    set_string(server, SSL_OPT_CERT_FILE, cert_path("server.crt"));
    set_string(server, SSL_OPT_KEY_FILE, cert_path("sealed.key"));
    set_string(server, SSL_OPT_KEY_PASS, phrase);
}

static void by_phrase_file(int client, int server)
{
    usual(client, server);
    set_string(server, SSL_OPT_CERT_FILE, cert_path("server.p12"));
    set_string(server, SSL_OPT_KEY_PASS_FILE, cert_path("phrase"));
    set_string(server, SSL_OPT_TICKET_KEY_FILE, cert_path("ticket.key"));
    set_string(server, SSL_OPT_KEYLOG_FILE, cert_path("keylog"));
}

static void wrong_phrase(int client, int server)
{
    char other[sizeof phrase];

    by_phrase(client, server);
    for (size_t i = 0; i < sizeof other; i++) {
        other[i] = i == 30 ? 'x' : phrase[i];
    }
    set_string(server, SSL_OPT_KEY_PASS, other);
    wipe(other, sizeof other);
}

static void by_key_file(int client, int server)
{
    set_string(client, SSL_OPT_PSK_FILE, cert_path("psk"));
    set_string(server, SSL_OPT_PSK_FILE, cert_path("psk"));
}

static void wrong_key_file(int client, int server)
{
    set_string(client, SSL_OPT_PSK_FILE, cert_path("psk"));
    set_string(server, SSL_OPT_PSK_FILE, cert_path("psk.bad"));
}

static void wrong_host(int client, int server)
{
    usual(client, server);
    set_string(client, SSL_OPT_NAME, "other.test");
}

static void old_version(int client, int server)
{
    usual(client, server);
    set_number(client, SSL_OPT_MAX_VERSION, 0x0303);
}

static void ends_usual(int client, int server)
{
    carry(client, server);
    carry(server, client);
    assert_int_equal(ssl_shutdown(client, SHUT_WR), 0);
}

/* Garbage under TLS, as somebody on the way could put it there. */
static void ends_forged(int client, int server)
{
    static const uint8_t forged[5 + 48] = { 23, 3, 3, 0, 48 };
    uint8_t byte;
    ssize_t n;

    carry(client, server);
    assert_int_equal(write(client, forged, sizeof forged), sizeof forged);
    do {
        n = ssl_read(server, &byte, 1);
    } while (n < 0 && errno == EAGAIN);
    assert_int_equal(n, -1);
    check_error(server);
}

/* Half of it is read. */
static void ends_reset(int client, int server)
{
    const struct linger now = { 1, 0 };
    uint8_t some[100];

    assert_int_equal(ssl_write(client, plain, TEXT), TEXT);
    await_input(server, TEXT);
    assert_int_equal(ssl_read(server, some, sizeof some), sizeof some);
    wipe(some, sizeof some);
    assert_int_equal(setsockopt(client, SOL_SOCKET, SO_LINGER, &now, sizeof now), 0);
}

static const struct job jobs[] = {
    { "the usual", usual, ends_usual, false },
    { "once more", usual, ends_usual, false },
    { "a forged record", usual, ends_forged, false },
    { "a reset", usual, ends_reset, false },
    { "TLS 1.2", old_version, ends_usual, false },
    { "TLS 1.2, a forged record", old_version, ends_forged, false },
    { "a passphrase", by_phrase, ends_usual, false },
    { "a passphrase in a file, and ticket keys", by_phrase_file, ends_usual, false },
    { "a wrong passphrase", wrong_phrase, NULL, true },
    { "keys in a file", by_key_file, ends_usual, false },
    { "a file of keys that has a mistake", wrong_key_file, NULL, true },
    { "the wrong host", wrong_host, NULL, true },
};

static void connection(void *arg)
{
    const struct job *j = arg;
    int f[2];

    tcp_pair(f);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(fcntl(f[i], F_SETFL, O_NONBLOCK), 0);
    }
    j->set(f[0], f[1]);
    if (ssl_attach(f[0], SSL_CLIENT) == 0 && ssl_attach(f[1], SSL_SERVER) == 0 &&
        shake(f[0], f[1]) == 0) {
        assert_false(j->fails);
        j->end(f[0], f[1]);
    } else {
        check_error(f[0]);
        check_error(f[1]);
        if (!j->fails) {
            fail_msg("%s: %s; %s", j->name, ssl_error(f[0]), ssl_error(f[1]));
        }
    }
    close_pair(f);
}

static void threat_36_connections(void **state)
{
    const struct ssl_trace all = { say, NULL, SSL_TRACE_ALL };
    unsigned sum = 0;

    (void)state;
    assert_int_equal(
        ssl_setsockopt(SSL_DEFAULTS, SOL_SSL, SSL_OPT_TRACE_CALLBACK, &all, sizeof all), 0);
    for (size_t i = 0; i < sizeof jobs / sizeof *jobs; i++) {
        sum += watch(connection, (void *)(uintptr_t)&jobs[i], jobs[i].name);
        watch_forget();
    }
    assert_true(lines > 100);
    assert_int_equal(sum, 0);
}

/* ---- core files ---- */
static unsigned in_core, left_out;

/* What is shared with other processes would be in the core file of each of them: it is in none. */
static void core_job(void *arg)
{
    FILE *maps = fopen("/proc/self/smaps", "re");
    static char line[512];
    uint64_t from = 0, to = 0, a, b;
    char may[5] = "", m[5];

    (void)arg;
    assert_non_null(maps);
    while (fgets(line, sizeof line, maps)) {
        if (sscanf(line, "%lx-%lx %4s", &a, &b, m) == 3) {
            from = a;
            to = b;
            memcpy(may, m, sizeof may);
        } else if (strncmp(line, "VmFlags:", 8) == 0 && strcmp(may, "rw-s") == 0) {
            const bool left = strstr(line, " dd") != NULL;
            const char *stage = watch_stage;
            bool any;

            watch_stage = left ? NULL : stage;
            any = scan((const uint8_t *)(uintptr_t)from, to - from, AT_MEMORY, "shared", NULL, 0);
            watch_stage = stage;
            left_out += any && left;
            in_core += any && !left;
        }
    }
    fclose(maps);
}

static void forked(void *arg)
{
    int f[2], end[2];
    uint8_t byte;
    pid_t child;

    (void)arg;
    tcp_pair(f);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(fcntl(f[i], F_SETFL, O_NONBLOCK), 0);
    }
    usual(f[0], f[1]);
    assert_int_equal(ssl_attach(f[0], SSL_CLIENT) | ssl_attach(f[1], SSL_SERVER), 0);
    assert_int_equal(shake(f[0], f[1]), 0);
    assert_int_equal(pipe(end), 0);
    child = fork();
    if (child == 0) {
        close(end[1]);
        _exit(read(end[0], &byte, 1) == 0 ? 0 : 1);
    }
    assert_true(child > 0);
    carry(f[0], f[1]);
    on_watcher(core_job, NULL);
    close(end[0]);
    close(end[1]);
    assert_int_equal(waitpid(child, NULL, 0), child);
    close_pair(f);
}

static void threat_40_core(void **state)
{
    (void)state;
    (void)watch(forked, NULL, "shared with a child");
    watch_forget();
    assert_int_equal(in_core, 0);
    assert_true(left_out > 0);
}

/* With all connections closed: of what was told or went through, nothing. */
static void threat_36_memory(void **state)
{
    (void)state;
    wipe(plain, sizeof plain);
    wipe(phrase, sizeof phrase);
    wipe(psk_hex, sizeof psk_hex);
    wipe(ticket_key, sizeof ticket_key);
    found = 0;
    watch_stage = "the end";
    memory_job(NULL);
    assert_int_equal(found, 0);
}

static void write_file(const char *name, const void *p, size_t n)
{
    int fd = open(cert_path(name), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, p, n), n);
    close(fd);
}

/* Nothing here is in memory but masked, when the test is done with it. */
static int start(void **state)
{
    char line[128];

    watch_known = known;
    watch_install();
    if (peers_setup(state) != 0 || getentropy(plain, 256) != 0 ||
        getentropy(ticket_key, sizeof ticket_key) != 0) {
        return -1;
    }
    for (size_t i = 256; i < TEXT; i++) {
        plain[i] = (uint8_t)(plain[i - 256] * 3 + i);
    }
    for (size_t i = 0; i < 64; i++) {
        psk_hex[i] = "0123456789abcdef"[plain[i] & 15];
        phrase[i % 40] = (char)('A' + plain[64 + i] % 26);
    }
    learn("plaintext", plain, TEXT);
    learn("a passphrase", phrase, strlen(phrase));
    learn("a key from outside", psk_hex, 64);
    learn("a ticket key", ticket_key + 16, 64);
    watch_keep();
    write_file("phrase", phrase, strlen(phrase));
    write_file("ticket.key", ticket_key, sizeof ticket_key);
    snprintf(line, sizeof line, "device:%s\n", psk_hex);
    write_file("psk", line, strlen(line));
    line[20] = '?';
    write_file("psk.bad", line, strlen(line));
    wipe(line, sizeof line);
    shell("cd %s && openssl pkcs8 -topk8 -in server.key -passout file:phrase -out sealed.key && "
          "openssl pkcs12 -export -in server.pem -passout file:phrase -out server.p12 && "
          "chmod 600 *.key *.p12",
          certs);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threat_36_connections),
        cmocka_unit_test(threat_40_core),
        cmocka_unit_test(threat_36_memory),
    };

#ifdef WATCH_SANITIZED
    puts("freed memory is the sanitizer's");
    return 77;
#endif
    return cmocka_run_group_tests(tests, start, peers_teardown);
}
