/* SPDX-License-Identifier: ISC */
/* Each system call fails once while configurations are read, read again, kept in common over fork()
 * and while files are sent and logs written: what is lost then is told, nobody is let in who was
 * not before, nothing passes in clear, and the next time all is well. (threats 37, 40, 41) */
#include "tests/sockets/children.h"
#include "tests/sockets/clock.h"
#include "tests/sockets/faulty.h"

/* ---- what shim/ and src/ call by name ---- */

int open(const char *path, int flags, ...)
{
    int err = strike(CALL_OPEN);
    va_list ap;
    mode_t mode;

    va_start(ap, flags);
    mode = flags & O_CREAT ? va_arg(ap, mode_t) : 0;
    va_end(ap);
    return err ? (int)fails(err) : (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

ssize_t read(int fd, void *p, size_t n)
{
    int kind = strike(CALL_READ);

    return kind > 0 ? fails(kind) : syscall(SYS_read, fd, p, less(kind, n));
}

int stat(const char *path, struct stat *st)
{
    int err = strike(CALL_STAT);

    return err ? (int)fails(err) : (int)syscall(SYS_newfstatat, AT_FDCWD, path, st, 0);
}

int fstat(int fd, struct stat *st)
{
    int err = strike(CALL_STAT);

    return err ? (int)fails(err) : (int)syscall(SYS_fstat, fd, st);
}

int fstatat(int at, const char *path, struct stat *st, int flags)
{
    int err = strike(CALL_STAT);

    return err ? (int)fails(err) : (int)syscall(SYS_newfstatat, at, path, st, flags);
}

void *mmap(void *at, size_t n, int rights, int flags, int fd, off_t from)
{
    int err = strike(CALL_MAP);

    if (err) {
        errno = err;
        return MAP_FAILED;
    }
    return (void *)syscall(SYS_mmap, at, n, rights, flags, fd, from);
}

int memfd_create(const char *name, unsigned flags)
{
    int err = strike(CALL_MEMFD);

    return err ? (int)fails(err) : (int)syscall(SYS_memfd_create, name, flags);
}

int ftruncate(int fd, off_t n)
{
    int err = strike(CALL_TRUNCATE);

    return err ? (int)fails(err) : (int)syscall(SYS_ftruncate, fd, n);
}

ssize_t pread(int fd, void *p, size_t n, off_t at)
{
    int kind = strike(CALL_PREAD);

    return kind > 0 ? fails(kind) : syscall(SYS_pread64, fd, p, less(kind, n), at);
}

DIR *opendir(const char *path)
{
    static DIR *(*real)(const char *);
    int err = strike(CALL_OPEN);

    if (err) {
        errno = err;
        return NULL;
    }
    *(void **)&real = dlsym(RTLD_NEXT, "opendir");
    return real(path);
}

/* What is there cannot be told from the end but by errno. */
struct dirent *readdir(DIR *dir)
{
    static struct dirent *(*real)(DIR *);
    int err = strike(CALL_READ);

    if (err > 0 && err != EINTR) {
        errno = err;
        return NULL;
    }
    *(void **)&real = dlsym(RTLD_NEXT, "readdir");
    return real(dir);
}

/* ---- both ends in this thread ---- */

/* Does the handshake, and one byte from server to client; 0 or the client's errno. */
static int greet(int client, int server)
{
    char c;

    nonblocking(client, true);
    nonblocking(server, true);
    for (int i = 0; i < 20; i++) {
        (void)!ssl_write(server, "x", i == 0);
        if (ssl_read(client, &c, 1) == 1) {
            return 0;
        }
        if (errno != EAGAIN) {
            return errno;
        }
        if (ssl_handshake(server) == 0) {
            (void)!ssl_write(server, "x", 1);
        }
    }
    fail_msg("%s: the handshake stands still", fault_text());
    return -1;
}

static int client_of(int fd, const char *pem)
{
    set_string(fd, SSL_OPT_CERT_FILE, cert_path(pem));
    set_string(fd, SSL_OPT_CA_FILE, cert_path("ca.crt"));
    set_string(fd, SSL_OPT_NAME, "server.test");
    return ssl_attach(fd, SSL_CLIENT);
}

static void unix_pair(int f[2])
{
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, f), 0);
}

static void no_fd_lost(unsigned before)
{
    if (open_fds() != before) {
        fail_msg("%s: %u fds before, %u after", fault_text(), before, open_fds());
    }
}

/* ---- a configuration ---- */

/* A file in a directory that it may not read, or a link to nowhere. */
static bool not_for_us(void)
{
    return (fault.hit == CALL_OPEN || fault.hit == CALL_STAT) &&
           (fault.kind == ENOENT || fault.kind == EACCES);
}

/* A server's, with files of each kind; the directories' names differ, so that nothing is known of
 * them. What could not be read is not taken for what is not there. */
static void config_life(void *arg)
{
    static const struct {
        int option;
        const char *path;
    } files[] = { { SSL_OPT_CERT_FILE, "server.crt" },
                  { SSL_OPT_KEY_FILE, "server.key" },
                  { SSL_OPT_CA_FILE, "cas" },
                  { SSL_OPT_CRL_FILE, "crls" },
                  { SSL_OPT_TICKET_KEY_FILE, "keys" } };
    static unsigned turn;
    const char *pem = arg;
    unsigned before = open_fds();
    int f[2], rc = 0;

    turn++;
    unix_pair(f);
    set_number(f[1], SSL_OPT_CLIENT_AUTH, SSL_CLIENT_AUTH_REQUIRE);
    set_number(f[1], SSL_OPT_REVOCATION, SSL_REVOCATION_SOFT);
    fault_begin("ssl_attach()");
    for (size_t i = 0; i < sizeof files / sizeof *files && rc == 0; i++) {
        char path[200];

        snprintf(path, sizeof path, "%s%.*s%s", certs, (int)(turn % 60) + 1,
                 "////////////////////////////////////////////////////////////", files[i].path);
        rc = ssl_setsockopt(f[1], SOL_SSL, files[i].option, path, (socklen_t)strlen(path));
    }
    rc = rc == 0 ? ssl_attach(f[1], SSL_SERVER) : rc;
    fault_end();
    if (rc != 0) {
        if (errno != fault.kind) {
            fail_msg("%s: the call said %s", fault_text(), strerrorname_np(errno));
        }
        assert_true(strlen(ssl_error(-1)) > 0);
        assert_fails(ssl_write(f[1], "x", 1), ENOTCONN);
    } else {
        assert_int_equal(client_of(f[0], pem), 0);
        rc = greet(f[0], f[1]);
        if (rc != (strcmp(pem, "revoked.pem") == 0 ? EACCES : 0) && !not_for_us()) {
            fail_msg("%s: %s: %s", fault_text(), pem, ssl_error(f[1]));
        }
    }
    close_pair(f);
    no_fd_lost(before);
}

static void threat_37_configuration(void **state)
{
    (void)state;
    print_message("%u calls\n", each_fault(config_life, (void *)(uintptr_t) "foreign.pem"));
    print_message("%u calls\n", each_fault(config_life, (void *)(uintptr_t) "revoked.pem"));
}

/* ---- another one ---- */

static int listening;
static struct sockaddr_in at;

static void put(const char *name)
{
    char new[128];

    snprintf(new, sizeof new, "%s/new", certs);
    assert_int_equal(link(cert_path(name), new), 0);
    assert_int_equal(rename(new, cert_path("live.pem")), 0);
}

/* Whose certificate a client sees; NULL: none. */
static const char *seen(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), made;
    const char *who = NULL;
    uint8_t der[4096];
    socklen_t len = sizeof der;
    bool counted = fault_counted;

    fault_counted = false;
    assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(client_of(fd, "client.pem"), 0);
    do {
        fault_counted = counted;
        made = ssl_accept(listening, NULL, NULL);
        fault_counted = false;
    } while (made < 0 && fault.hit == CALL_ACCEPT && counted);
    if (made >= 0) {
        assert_int_equal(greet(fd, made), 0);
        assert_int_equal(ssl_getsockopt(fd, SOL_SSL, SSL_OPT_PEER_CERT, der, &len), 0);
        who = memmem(der, len, "second", 6) ? "second.pem" : "server.pem";
        ssl_close(made);
    }
    ssl_close(fd);
    return who;
}

/* The files change, and something fails when they are looked at. */
static void reload_life(void *arg)
{
    static unsigned turn;
    const char *new = turn++ % 2 ? "server.pem" : "second.pem";
    unsigned before = open_fds();

    (void)arg;
    put(new);
    clock_on_ms(1001);
    fault_begin("ssl_accept()");
    if (!seen() && fault.hit != CALL_GETSOCKOPT && fault.hit != CALL_MAP) {
        fail_msg("%s: nobody was let in: %s", fault_text(), ssl_error(-1));
    }
    fault_end();
    clock_on_ms(1001);
    if (strcmp(seen(), new) != 0) {
        fail_msg("%s: changed files are not in use: %s", fault_text(), ssl_error(listening));
    }
    no_fd_lost(before);
}

static void threat_37_reload(void **state)
{
    (void)state;
    put("server.pem");
    listening = listener(&at);
    set_string(listening, SSL_OPT_CERT_FILE, cert_path("live.pem"));
    assert_string_equal(seen(), "server.pem");
    print_message("%u calls\n", each_fault(reload_life, NULL));
    ssl_close(listening);
}

/* ---- what is written beside ---- */

/* No connection fails for its key log. */
static void keylog_life(void *arg)
{
    unsigned before = open_fds();
    int f[2];

    (void)arg;
    unix_pair(f);
    set_string(f[1], SSL_OPT_CERT_FILE, cert_path("server.pem"));
    set_string(f[1], SSL_OPT_KEYLOG_FILE, cert_path("keylog"));
    assert_int_equal(client_of(f[0], "client.pem"), 0);
    assert_int_equal(ssl_attach(f[1], SSL_SERVER), 0);
    nonblocking(f[0], true);
    nonblocking(f[1], true);
    for (int i = 0; i < 4; i++) {
        int c = ssl_handshake(f[0]), s, err = errno;

        fault_counted = i == 0; /* there its secrets are made */
        s = ssl_handshake(f[1]);
        fault_counted = false;
        if (fault.hit != CALL_RECV && fault.hit != CALL_SEND && fault.hit != CALL_SHUTDOWN) {
            assert_true((s == 0 || errno == EAGAIN) && (c == 0 || err == EAGAIN));
            assert_true(i < 3 || (s == 0 && c == 0));
        }
    }
    close_pair(f);
    no_fd_lost(before);
}

static void threat_37_key_log(void **state)
{
    (void)state;
    print_message("%u calls\n", each_fault(keylog_life, NULL));
}

/* ---- fork ---- */

/* What either process could write is there, once; who cannot have the connection is told. */
static void fork_life(void *arg)
{
    unsigned before = open_fds();
    char want[32] = "", got[32] = "";
    int f[2], status;
    ssize_t n;
    pid_t pid;

    (void)arg;
    tcp_pair(f);
    attach_pair(f[0], f[1]);
    handshake_pair(f[0], f[1]);
    fault_begin("fork()");
    pid = fork();
    if (pid == 0) {
        fault_arm(0, 0); /* it is the parent who meets it */
        n = ssl_write(f[0], "child", 5);
        CHILD(n == 5 || (n == -1 && (errno == EPERM || errno == ECONNABORTED)));
        _exit(n == 5 ? 0 : 255);
    }
    if (pid < 0) {
        fault_end();
        fail_msg("%s: no fork", fault_text());
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) != 0 && WEXITSTATUS(status) != 255) {
        fail_msg("%s: the child failed at line %d", fault_text(), WEXITSTATUS(status));
    }
    strcat(want, WEXITSTATUS(status) == 0 ? "child" : "");
    n = ssl_write(f[0], "parent", 6);
    if (n < 0 && errno == fault.kind) {
        n = ssl_write(f[0], "parent", 6); /* it may be called again */
    }
    strcat(want, n == 6 ? "parent" : "");
    ssl_close(f[0]);
    fault_end();
    for (size_t have = 0; (n = ssl_read(f[1], got + have, sizeof got - 1 - have)) > 0;) {
        have += (size_t)n;
    }
    if (strcmp(got, want) != 0) {
        fail_msg("%s: \"%s\" arrived, not \"%s\"", fault_text(), got, want);
    }
    if (n == 0 && !strstr(want, "parent")) {
        fail_msg("%s: a clean end, and the parent could not write", fault_text());
    }
    ssl_close(f[1]);
    no_fd_lost(before);
}

static void threat_40_fork(void **state)
{
    (void)state;
    print_message("%u calls\n", each_fault(fork_life, NULL));
}

/* The kernel does not say which socket it is (a program may have given up the right to ask): what
 * is to be TLS does not pass for plain. */
static void threat_41_unknown_socket(void **state)
{
    struct pollfd p = { .events = POLLIN };
    int f[2];

    (void)state;
    for (unsigned kind = 0; kind < kinds_of(CALL_GETSOCKOPT); kind++) {
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, f), 0);
        set_number(f[0], SSL_OPT_TICKETS, 0); /* to be TLS */
        fault.wire = f[0];
        for (int i = 0; i < 2; i++) {
            fault_arm(1, kind);
            fault_begin("ssl_attach(), ssl_write()");
            if (i == 0) {
                assert_fails(ssl_write(f[0], "clear", 5), ENOTCONN);
            } else {
                assert_fails(ssl_attach(f[0], SSL_CLIENT), fault.kind);
            }
            fault_end();
            assert_int_equal(fault.hit, CALL_GETSOCKOPT);
        }
        assert_fails(ssl_write(f[0], "clear", 5), ENOTCONN);
        p.fd = f[1];
        assert_int_equal(poll(&p, 1, 0), 0);
        ssl_close(f[0]);
        close(f[1]);
    }
    fault.wire = -1;
}

/* ---- files that are sent; many descriptors ---- */

static void sendfile_life(void *arg)
{
    static uint8_t got[70000];
    int f[2], in = open(cert_path("data"), O_RDONLY | O_CLOEXEC);
    off_t from = 0;
    size_t have = 0;
    ssize_t n;

    (void)arg;
    unix_pair(f);
    attach_pair(f[0], f[1]);
    handshake_pair(f[0], f[1]);
    for (int tries = 0; from < 60000; tries++) {
        off_t was = from;

        fault_begin("ssl_sendfile()");
        n = ssl_sendfile(f[0], in, &from, (size_t)(60000 - from));
        fault_end();
        assert_in_range(tries, 0, 10);
        assert_int_equal(from - was, n < 0 ? 0 : n);
        if (n < 0 && errno != fault.kind) {
            fail_msg("%s: the call said %s", fault_text(), strerrorname_np(errno));
        }
        if (n < 0 && fault.hit != CALL_PREAD && fault.hit != CALL_FCNTL) {
            break; /* that was the socket */
        }
    }
    ssl_close(f[0]);
    while ((n = ssl_read(f[1], got + have, sizeof got - have)) > 0) {
        have += (size_t)n;
    }
    expect_pattern(got, have, 0);
    assert_true(have == (size_t)from || fault.hit == CALL_SEND);
    ssl_close(f[1]);
    close(in);
}

static void threat_37_sendfile(void **state)
{
    static uint8_t data[60000];
    int out = open(cert_path("data"), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

    (void)state;
    fill_pattern(data, sizeof data, 0);
    assert_int_equal(write(out, data, sizeof data), sizeof data);
    close(out);
    print_message("%u calls\n", each_fault(sendfile_life, NULL));
}

static void poll_life(void *arg)
{
    static struct pollfd many[600];
    int f[2], rc;

    (void)arg;
    unix_pair(f);
    attach_pair(f[0], f[1]);
    handshake_pair(f[0], f[1]);
    for (size_t i = 0; i < 600; i++) {
        many[i] = (struct pollfd){ i == 599 ? f[0] : -1, POLLOUT, 0 };
    }
    fault_begin("ssl_poll()");
    rc = ssl_poll(many, 600, 0);
    assert_true(fault.kind > 0 ? rc == -1 && errno == (fault.hit == CALL_MAP ? ENOMEM : fault.kind)
                               : rc == 1 && many[599].revents == POLLOUT);
    fault_end();
    close_pair(f);
}

static void threat_37_many_polled(void **state)
{
    (void)state;
    print_message("%u calls\n", each_fault(poll_life, NULL));
}

static int setup(void **state)
{
    faults_setup(state);
    make_leaf("second", "ca", "DNS:server.test");
    make_leaf("foreign", "other", "DNS:foreign.test");
    make_leaf("revoked", "ca", "DNS:revoked.test");
    shell("cd %s && mkdir cas crls && cp ca.crt other.crt cas && head -c 48 /dev/urandom >keys && "
          "chmod 600 keys && : >index && echo 01 >crlnumber && printf '[ca]\\ndefault_ca=d\\n[d]\\n"
          "database=index\\ncrlnumber=crlnumber\\ndefault_md=sha256\\ndefault_crl_days=2\\n' >c.cnf"
          " && for ca in ca other; do openssl ca -config c.cnf -revoke revoked.crt -cert ca.crt "
          "-keyfile ca.key 2>/dev/null; openssl ca -config c.cnf -gencrl -cert $ca.crt -keyfile "
          "$ca.key -out crls/$ca.crl 2>/dev/null || exit 1; done",
          certs);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threat_37_configuration),  cmocka_unit_test(threat_37_reload),
        cmocka_unit_test(threat_37_key_log),        cmocka_unit_test(threat_40_fork),
        cmocka_unit_test(threat_41_unknown_socket), cmocka_unit_test(threat_37_sendfile),
        cmocka_unit_test(threat_37_many_polled),
    };

    return cmocka_run_group_tests(tests, setup, peers_teardown);
}
