/* SPDX-License-Identifier: ISC */
/* A client or a server on the guide's API over loopback sockets, for the tests against other TLS
 * implementations. What is typed goes to the peer and what comes is printed; a server without -p
 * sends back what comes. One connection at a time.
 *
 * peer_guide client|server PORT [options]
 *   -c FILE -k FILE    certificates and key; -d FILE -q FILE: more of them; -C FILE: trusted CAs
 *   -s SUITE           client: the only one, as a number; -e SUITE: enabled too (often)
 *   -v VERSION         the only one: 13, 12, 11, 10, 30
 *   -a                 with a certificate callback, which repeats the verdict: a server's asks
 *   -u                 client: with one that takes a server without a certificate
 *   -n NAME            client: the name that is expected, and sent
 *   -A NAME,...        ALPN; -f BYTES: max_fragment_length; -o: asks for an OCSP response
 *   -t                 client: no tickets; -P NAME:KEY: a pre-shared key (often); -D FILE: DH
 *   -K FILE -Q FILE    certificates and key for !K
 *   -x CREDITS         handshakes that the peer may begin beside the first
 *   -p                 server: passes on what is typed and prints what comes
 *   -r N               ends after so many connections; a client has one sslSessionId_t for them
 *   -m TEXT -w BYTES   client: in place of what is typed, in each connection: sends TEXT and waits
 *                      for so many bytes; -z BYTES,...: in parts of that size and a last one
 *   -l FILE            where it reports, one line an event; standard error otherwise
 *
 * Lines that are typed: !R re-handshake, !F a full one, !K with new keys, !A with a certificate
 * callback, !S0xc02c with that suite, !Q farewell; the end of the input is a farewell too. */
#include <errno.h>
#include <fcntl.h>
#include <matrixssl/matrixsslApi.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/interop/peer_queue.h"

#define PATIENCE   60000 /* milliseconds without any event */
#define QUEUE_FULL 262144
#define ALPN_MAX   8
#define PSK_MAX    4

static struct {
    bool server, callback, anonymous, ask_status, no_tickets, pass;
    uint32 suite, version, max_fragment, credits, connections, wait;
    const char *name, *message, *parts, *log_file;
    const char *alpn[ALPN_MAX];
    uint32 nalpn;
    uint16_t port;
    FILE *log;
} opt;

static struct {
    const char *cert, *key;
} files[3]; /* the first, one more, those of !K */
static const char *ca_file, *dh_file, *psk[PSK_MAX];
static size_t npsk;
static sslKeys_t *keys, *new_keys;
static sslSessionId_t sid;
static struct queue typed; /* not yet looked at */
static bool typed_end, in_line;

static struct link {
    ssl_t *ssl;
    int fd;
    unsigned number, handshakes;
    bool asked;   /* a handshake of ours is under way */
    bool closing; /* our farewell is on its way */
    bool over;
    size_t said;        /* of -m */
    const char *parts;  /* of -z that are left */
    struct queue plain; /* to be encoded */
    size_t sent, got;   /* bytes of data */
    uint32 sums[2];     /* Adler-32 of what was sent and received */
    const char *how;    /* it ended */
} at;

static void must(int32 rc, const char *what)
{
    if (rc < 0) {
        die(what, rc);
    }
}

static void say(const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    (void)vfprintf(opt.log, format, ap);
    va_end(ap);
    (void)fputc('\n', opt.log);
    (void)fflush(opt.log);
}

static const char *or_none(const char *text)
{
    return text && *text ? text : "-";
}

static void report(const char *event)
{
    sslInfo_t i;
    int32 anonymous;

    must(matrixSslGetInfo(at.ssl, &i), "info");
    matrixSslGetAnonStatus(at.ssl, &anonymous);
    say("event=%s n=%u handshakes=%u version=%s suite=%s id=%04x group=%s resumed=%d ems=%d etm=%d "
        "secure_renegotiation=%d client_auth=%d anonymous=%d alpn=%s name=%s status=%u alert_sent=%d "
        "alert_received=%d sent=%zu received=%zu sum_sent=%08x sum_received=%08x how=%s error=%s",
        event, at.number, at.handshakes, or_none(i.version), or_none(i.suite), i.cipherId,
        or_none(i.group), i.resumed, i.extendedMasterSecret, i.encryptThenMac,
        i.secureRenegotiation, i.clientAuth, anonymous, or_none(i.alpn), or_none(i.serverName),
        i.ocspResponseLen, i.alertSent, i.alertReceived, at.sent, at.got, at.sums[0], at.sums[1],
        or_none(at.how), or_none(i.error));
}

static void end(const char *how)
{
    if (!at.over) {
        at.over = true;
        at.how = how;
    }
}

static int32 verdict(ssl_t *ssl, psX509Cert_t *cert, int32 alert)
{
    (void)ssl;
    say("event=certificate n=%u alert=%d subject=%s", at.number, alert,
        cert ? or_none(cert->subject.commonName) : "-");
    return opt.anonymous && !cert ? SSL_ALLOW_ANON_CONNECTION : alert;
}

/* ---- the engine ---- */

static void complete(void)
{
    at.handshakes++;
    at.asked = false;
    if (at.handshakes == 1 && opt.credits) {
        matrixSslAddRehandshakeCredits(at.ssl, (int32)opt.credits);
    }
    report("handshake");
}

static void farewell(void)
{
    if (!at.closing && at.handshakes) {
        at.closing = true;
        must(matrixSslEncodeClosureAlert(at.ssl), "farewell");
    }
}

static void alert(const unsigned char *a)
{
    say("event=alert n=%u level=%d description=%d", at.number, a[0], a[1]);
    if (a[0] == SSL_ALERT_LEVEL_FATAL) {
        end("alert");
    } else if (a[1] == SSL_ALERT_CLOSE_NOTIFY) {
        if (at.closing) {
            end("closed");
        }
        farewell();
    } else if (a[1] == SSL_ALERT_NO_RENEGOTIATION) {
        at.asked = false;
    }
}

static void print(const unsigned char *p, size_t n)
{
    for (ssize_t w = 1; n && w > 0; n -= (size_t)w, p += w) {
        w = write(STDOUT_FILENO, p, n); /* nobody may be there: the sums are enough */
        w = w < 0 ? 0 : w;
    }
}

static void data(const unsigned char *p, size_t n)
{
    sum(&at.sums[1], p, n);
    at.got += n;
    if (opt.server && !opt.pass) {
        add(&at.plain, p, n);
    } else {
        print(p, n);
    }
}

/* What ReceivedData said, and all that is behind it. */
static void deliver(int32 rc, unsigned char *p, uint32 n)
{
    while (rc == MATRIXSSL_HANDSHAKE_COMPLETE || rc == MATRIXSSL_APP_DATA ||
           rc == MATRIXSSL_RECEIVED_ALERT) {
        if (rc == MATRIXSSL_HANDSHAKE_COMPLETE) {
            complete();
        } else if (rc == MATRIXSSL_APP_DATA) {
            data(p, n);
        } else {
            alert(p);
        }
        rc = rc == MATRIXSSL_HANDSHAKE_COMPLETE ? matrixSslReceivedData(at.ssl, 0, &p, &n)
                                                : matrixSslProcessedData(at.ssl, &p, &n);
    }
    if (rc < 0) {
        end("failed");
    }
}

static void receive(void)
{
    unsigned char *p;
    uint32 n;
    int32 rc = matrixSslGetReadbuf(at.ssl, &p);
    ssize_t r;

    must(rc, "read buffer");
    r = recv(at.fd, p, (size_t)rc, 0);
    if (r <= 0) {
        if (r == 0 || errno != EAGAIN) {
            end(at.closing ? "closed" : r < 0 ? strerror(errno) : "cut");
        }
        return;
    }
    rc = matrixSslReceivedData(at.ssl, (uint32)r, &p, &n);
    deliver(rc, p, n);
}

/* True: a handshake is complete by it, and more may go. */
static bool transmit(void)
{
    unsigned before = at.handshakes;
    unsigned char *p;
    int32 n;

    while (!at.over && (n = matrixSslGetOutdata(at.ssl, &p)) > 0) {
        ssize_t w = send(at.fd, p, (size_t)n, MSG_NOSIGNAL);
        unsigned char *pt;
        uint32 len;
        int32 rc;

        if (w < 0) {
            if (errno != EAGAIN) {
                end(at.closing ? "closed" : strerror(errno));
            }
            break;
        }
        rc = matrixSslSentData(at.ssl, (uint32)w);
        if (rc == MATRIXSSL_HANDSHAKE_COMPLETE) {
            complete();
            rc = matrixSslReceivedData(at.ssl, 0, &pt, &len); /* data right behind Finished */
            deliver(rc, pt, len);
        } else if (rc == MATRIXSSL_REQUEST_CLOSE) {
            if (!at.closing) {
                end("refused");
            }
            (void)shutdown(at.fd, SHUT_WR);
        } else {
            must(rc, "sent");
        }
    }
    return at.handshakes != before;
}

/* As much as may go now; in the middle of a handshake nothing may. */
static void encode(void)
{
    while (at.plain.n && at.handshakes && !at.closing &&
           matrixSslGetOutdata(at.ssl, NULL) < 65536) {
        uint32 n = at.plain.n < SSL_MAX_PLAINTEXT_LEN ? (uint32)at.plain.n : SSL_MAX_PLAINTEXT_LEN;
        unsigned char *p;
        int32 room = matrixSslGetWritebuf(at.ssl, &p, n), rc;

        must(room, "write buffer");
        n = n < (uint32)room ? n : (uint32)room;
        memcpy(p, at.plain.p, n);
        rc = matrixSslEncodeWritebuf(at.ssl, n);
        if (rc <= 0) {
            break;
        }
        sum(&at.sums[0], at.plain.p, n);
        at.sent += n;
        take(&at.plain, n);
    }
}

/* ---- what is typed ---- */

static void command(const char *line)
{
    uint32 suite = line[1] == 'S' ? (uint32)strtoul(line + 2, NULL, 0) : 0;
    int32 rc = PS_SUCCESS;

    if (line[1] == 'Q') {
        farewell();
    } else {
        rc = matrixSslEncodeRehandshake(at.ssl, line[1] == 'K' ? new_keys : NULL,
                                        line[1] == 'A' ? verdict : NULL,
                                        line[1] == 'F' ? SSL_OPTION_FULL_HANDSHAKE : 0, suite);
        at.asked = rc == PS_SUCCESS;
    }
    say("event=command n=%u what=%c result=%d", at.number, line[1], rc);
}

/* In order: a command waits until all before it is encoded and no handshake is under way. */
static void obey(void)
{
    while (typed.n && at.handshakes && !at.closing) {
        unsigned char *nl = memchr(typed.p, '\n', typed.n);
        size_t n = nl ? (size_t)(nl - typed.p) + 1 : typed.n;

        if (in_line || typed.p[0] != '!') {
            in_line = !nl;
            add(&at.plain, typed.p, n);
        } else if (!nl || at.plain.n || at.asked) {
            return;
        } else {
            *nl = '\0';
            command((char *)typed.p);
        }
        take(&typed, n);
    }
    if (typed_end && typed.n == 0 && at.plain.n == 0 && !at.asked && !(opt.server && !opt.pass)) {
        farewell();
    }
}

static void hear(void)
{
    unsigned char part[16384];
    ssize_t n = read(STDIN_FILENO, part, sizeof part);

    if (n > 0) {
        add(&typed, part, (size_t)n);
    } else {
        typed_end = true;
    }
}

/* -m: its say in each connection */
static void speak(void)
{
    size_t n = strlen(opt.message) - at.said;

    if (!at.handshakes) {
        return;
    }
    if (n && at.plain.n == 0) {
        char *rest = NULL;
        size_t part = at.parts && *at.parts ? strtoul(at.parts, &rest, 10) : n;

        at.parts = rest ? rest + strspn(rest, ",") : NULL;
        n = part < n ? part : n;
        add(&at.plain, opt.message + at.said, n);
        at.said += n;
        encode();
    }
    if (at.plain.n == 0 && at.said == strlen(opt.message) && at.got >= opt.wait) {
        farewell();
    }
}

static size_t undone(void)
{
    return typed.n + at.plain.n + (opt.message ? strlen(opt.message) - at.said : 0);
}

static void advance(void)
{
    size_t before;

    do {
        before = undone();
        if (opt.message) {
            speak();
        } else {
            obey();
        }
        encode();
    } while (undone() != before);
}

/* ---- connections ---- */

static void turn(void)
{
    struct pollfd fds[2] = { { .fd = at.fd }, { .fd = STDIN_FILENO, .events = POLLIN } };
    bool listens = !opt.message && !typed_end && typed.n + at.plain.n < QUEUE_FULL;
    int n;

    fds[0].events = (short)((at.plain.n < QUEUE_FULL ? POLLIN : 0) |
                            (matrixSslGetOutdata(at.ssl, NULL) > 0 ? POLLOUT : 0));
    n = poll(fds, listens ? 2 : 1, PATIENCE);
    if (n < 0) {
        die("poll", 0);
    }
    if (n == 0) {
        end("timeout");
    }
    if (listens && fds[1].revents) {
        hear();
    }
    if (fds[0].revents & (POLLIN | POLLHUP | POLLERR)) {
        receive();
    }
}

static void make_session(void)
{
    uint32 version = opt.version == 30 ? 0x0300 : 0x0301 + opt.version - 10;
    sslCertCb_t callback = opt.callback || opt.anonymous ? verdict : NULL;
    int32 rc = opt.server ? matrixSslNewServerSession(&at.ssl, keys, callback)
                          : matrixSslNewClientSession(&at.ssl, keys, &sid, opt.suite, callback,
                                                      NULL, NULL);

    must(rc, "session");
    must(opt.version ? matrixSslSetVersionRange(at.ssl, version, version) : 0, "version");
    must(opt.name ? matrixSslSetExpectedName(at.ssl, opt.name) : 0, "name");
    must(opt.nalpn ? matrixSslSetAlpn(at.ssl, opt.alpn, opt.nalpn) : 0, "ALPN");
    must(opt.max_fragment ? matrixSslSetMaxFragment(at.ssl, opt.max_fragment) : 0, "fragment");
    must(opt.ask_status ? matrixSslRequestStatus(at.ssl, PS_TRUE) : 0, "status");
    must(opt.no_tickets ? matrixSslSetSessionTickets(at.ssl, PS_FALSE) : 0, "tickets");
}

static void converse(int fd, unsigned number)
{
    int one = 1;

    at = (struct link){ .fd = fd, .number = number, .sums = { 1, 1 }, .parts = opt.parts };
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (fcntl(fd, F_SETFL, O_NONBLOCK) < 0) {
        die("fcntl", 0);
    }
    make_session();
    while (!at.over) {
        advance();
        if (!transmit() && !at.over) {
            turn();
        }
    }
    report("end");
    matrixSslDeleteSession(at.ssl);
    free(at.plain.p);
    close(fd);
}

/* Listens there, or is connected to who does. */
static int endpoint(void)
{
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(opt.port) };
    int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;

    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (opt.server ? bind(fd, (struct sockaddr *)&a, sizeof a) < 0 || listen(fd, 64) < 0
                   : connect(fd, (struct sockaddr *)&a, sizeof a) < 0) {
        die("socket", 0);
    }
    return fd;
}

/* ---- options ---- */

static void load(sslKeys_t **k, size_t first, size_t last)
{
    int32 rc = matrixSslNewKeys(k);

    for (size_t i = first; rc >= 0 && i <= last; i++) {
        if (files[i].cert) {
            rc = matrixSslLoadRsaKeys(*k, files[i].cert, files[i].key, NULL, NULL);
        }
    }
    if (rc >= 0 && ca_file) {
        rc = matrixSslLoadRsaKeys(*k, NULL, NULL, NULL, ca_file);
    }
    if (rc >= 0 && dh_file) {
        rc = matrixSslLoadDhParams(*k, dh_file);
    }
    for (size_t i = 0; rc >= 0 && i < npsk; i++) {
        unsigned char *name = (unsigned char *)(uintptr_t)psk[i];
        size_t n = strcspn(psk[i], ":");

        rc = matrixSslLoadPsk(*k, name + n + 1, (uint32)strlen(psk[i] + n + 1), name, (uint32)n);
    }
    must(rc, "keys");
}

static void split(char *names)
{
    for (char *rest = names, *one; (one = strtok_r(rest, ",", &rest)) && opt.nalpn < ALPN_MAX;) {
        opt.alpn[opt.nalpn++] = one;
    }
}

static const struct option {
    char c;
    const char **text;
    bool *flag;
    uint32 *number;
} options[] = {
    { 'c', .text = &files[0].cert },  { 'k', .text = &files[0].key },
    { 'd', .text = &files[1].cert },  { 'q', .text = &files[1].key },
    { 'K', .text = &files[2].cert },  { 'Q', .text = &files[2].key },
    { 'C', .text = &ca_file },        { 'D', .text = &dh_file },
    { 'z', .text = &opt.parts },      { 'u', .flag = &opt.anonymous },
    { 'n', .text = &opt.name },       { 'm', .text = &opt.message },
    { 'l', .text = &opt.log_file },   { 'a', .flag = &opt.callback },
    { 'o', .flag = &opt.ask_status }, { 't', .flag = &opt.no_tickets },
    { 'p', .flag = &opt.pass },       { 's', .number = &opt.suite },
    { 'v', .number = &opt.version },  { 'f', .number = &opt.max_fragment },
    { 'x', .number = &opt.credits },  { 'r', .number = &opt.connections },
    { 'w', .number = &opt.wait },
};

static void option(int c, char *value)
{
    for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
        const struct option *o = &options[i];

        if (o->c == c && o->text) {
            *o->text = value;
        } else if (o->c == c && o->flag) {
            *o->flag = true;
        } else if (o->c == c) {
            *o->number = (uint32)strtoul(value, NULL, 0);
        }
    }
    if (c == 'A') {
        split(value);
    } else if (c == 'P' && npsk < PSK_MAX) {
        psk[npsk++] = value;
    } else if (c == 'e') {
        must(matrixSslSetCipherSuiteEnabledStatus(NULL, (uint16)strtoul(value, NULL, 0), PS_TRUE),
             value);
    } else if (c == '?') {
        exit(2);
    }
}

int main(int argc, char **argv)
{
    int c, fd;

    (void)signal(SIGPIPE, SIG_IGN);
    if (argc < 3 || matrixSslOpen() < 0) {
        die("usage: client|server PORT [options]", 1);
    }
    opt.server = !strcmp(argv[1], "server");
    opt.port = (uint16_t)atoi(argv[2]);
    while ((c = getopt(argc - 2, argv + 2, "c:k:d:q:K:Q:C:s:e:v:aun:A:f:otx:pr:m:w:z:l:P:D:")) !=
           -1) {
        option(c, optarg);
    }
    opt.log = opt.log_file ? fopen(opt.log_file, "ae") : stderr;
    if (!opt.log) {
        die("log", 0);
    }
    matrixSslInitSessionId(sid);
    load(&keys, 0, 1);
    load(&new_keys, 2, 2);
    if (!opt.connections) {
        opt.connections = opt.server ? UINT32_MAX : 1;
    }
    fd = opt.server ? endpoint() : -1;
    for (unsigned i = 1; i <= opt.connections; i++) {
        converse(opt.server ? accept(fd, NULL, NULL) : endpoint(), i);
    }
    free(typed.p);
    matrixSslDeleteKeys(keys);
    matrixSslDeleteKeys(new_keys);
    matrixSslClose();
    return at.how && !strcmp(at.how, "closed") ? 0 : 1;
}
