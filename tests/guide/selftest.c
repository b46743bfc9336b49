/* SPDX-License-Identifier: ISC */
/* A program of the guide's time: a client and a server in one process, joined by memcpy, go through
 * every kind of handshake under every suite, with data both ways before, during and after it.
 *
 *     selftest DIRECTORY [CHUNK [SUITE]]
 *
 * DIRECTORY has ca.pem and pairs NAME.pem, NAME.key: rsa, rsa2, ec, ec2 (servers), client. CHUNK is
 * how many bytes are carried at a time. Prints a table; 0 only when all of it passed. */
#include <core/coreApi.h>
#include <matrixssl/matrixsslApi.h>

#define SAID_MAX (64 * 1024) /* bytes of data that one side may say in one test */

typedef struct {
    const char *name;
    ssl_t *ssl;
    int done, doneSent; /* handshakes complete, and how many of them SentData told of */
    int level, alert;   /* last alert that arrived; -1: none */
    int32 error;
    unsigned char said[SAID_MAX], heard[SAID_MAX];
    uint32 nSaid, nHeard;
    char seen[64]; /* the common name that the certificate callback saw last */
    int asked;     /* how often it was called */
} peer_t;

static peer_t client, server;
static sslKeys_t *caKeys, *clientKeys; /* without and with a certificate */
static sslKeys_t *rsaKeys, *rsa2Keys, *ecKeys, *ec2Keys;
static uint32 chunk = 65536;
static char why[200]; /* what went wrong in this test */

static int wrong(const char *what)
{
    if (!why[0]) {
        snprintf(why, sizeof(why), "%s (client %d/%d, server %d/%d)", what, (int)client.error,
                 client.alert, (int)server.error, server.alert);
    }
    return PS_FAILURE;
}

static int32 look(peer_t *p, psX509Cert_t *cert, int32 alert)
{
    p->asked++;
    snprintf(p->seen, sizeof(p->seen), "%s",
             cert && cert->subject.commonName ? cert->subject.commonName : "?");
    return alert;
}

static int32 clientCertCb(ssl_t *ssl, psX509Cert_t *cert, int32 alert)
{
    (void)ssl;
    return look(&client, cert, alert);
}

static int32 serverCertCb(ssl_t *ssl, psX509Cert_t *cert, int32 alert)
{
    (void)ssl;
    return look(&server, cert, alert);
}

/* ---- carrying bytes ---- */
static int hear(peer_t *p, unsigned char *data, uint32 len)
{
    if (len > SAID_MAX - p->nHeard) {
        return wrong("too much was heard");
    }
    memcpy(p->heard + p->nHeard, data, len);
    p->nHeard += len;
    return PS_SUCCESS;
}

static int received(peer_t *p, uint32 n)
{
    unsigned char *data;
    uint32 len;
    int32 rc = matrixSslReceivedData(p->ssl, n, &data, &len);

    for (;;) {
        switch (rc) {
        case MATRIXSSL_SUCCESS:
        case MATRIXSSL_REQUEST_SEND:
        case MATRIXSSL_REQUEST_RECV:
            return PS_SUCCESS;
        case MATRIXSSL_HANDSHAKE_COMPLETE:
            p->done++;
            rc = matrixSslReceivedData(p->ssl, 0, &data, &len);
            break;
        case MATRIXSSL_APP_DATA:
            if (p->done == 0) {
                return wrong("data before the handshake was complete");
            }
            if (hear(p, data, len) < 0) {
                return PS_FAILURE;
            }
            rc = matrixSslProcessedData(p->ssl, &data, &len);
            break;
        case MATRIXSSL_RECEIVED_ALERT:
            p->level = data[0];
            p->alert = data[1];
            rc = matrixSslProcessedData(p->ssl, &data, &len);
            break;
        default:
            p->error = rc;
            return wrong("matrixSslReceivedData failed");
        }
    }
}

/* One piece from one to the other: its length, 0 for silence, < 0 for a failure. */
static int32 carry(peer_t *from, peer_t *to)
{
    unsigned char *out, *in;
    int32 n = matrixSslGetOutdata(from->ssl, &out), room, rc;

    if (n <= 0) {
        return n;
    }
    room = matrixSslGetReadbuf(to->ssl, &in);
    if (room <= 0) {
        return wrong("no room to read into");
    }
    n = min(min(n, room), (int32)chunk);
    memcpy(in, out, (size_t)n);
    rc = matrixSslSentData(from->ssl, (uint32)n);
    if (rc == MATRIXSSL_HANDSHAKE_COMPLETE) {
        from->done++;
        from->doneSent++;
    } else if (rc < 0) {
        from->error = rc;
        return wrong("matrixSslSentData failed");
    }
    return received(to, (uint32)n) < 0 ? PS_FAILURE : n;
}

static int pump(void)
{
    int32 a, b;

    do {
        a = carry(&client, &server);
        b = a < 0 ? a : carry(&server, &client);
    } while (a > 0 || b > 0);
    return a < 0 || b < 0 ? PS_FAILURE : PS_SUCCESS;
}

/* Says n bytes; now in situ, now from memory of its own. PS_FAILURE: not at this moment. */
static int32 say(peer_t *p, uint32 n)
{
    unsigned char text[1000], *room = text;
    int32 rc;
    uint32 i;

    if (n % 2 && matrixSslGetWritebuf(p->ssl, &room, n) < (int32)n) {
        return wrong("no room to write into");
    }
    for (i = 0; i < n; i++) {
        room[i] = p->said[p->nSaid + i] = (unsigned char)(p->nSaid * 7 + i);
    }
    rc = n % 2 ? matrixSslEncodeWritebuf(p->ssl, n) : matrixSslEncodeToOutdata(p->ssl, room, n);
    if (rc > 0) {
        p->nSaid += n;
        return PS_SUCCESS;
    }
    return rc;
}

static int heardAll(void)
{
    if (server.nHeard != client.nSaid || memcmp(server.heard, client.said, client.nSaid) != 0 ||
        client.nHeard != server.nSaid || memcmp(client.heard, server.said, server.nSaid) != 0) {
        return wrong("data was lost");
    }
    return PS_SUCCESS;
}

static int talk(void)
{
    if (say(&client, 100) < 0 || say(&server, 333) < 0 || say(&client, 1) < 0 ||
        say(&server, 1000) < 0) {
        return wrong("data was refused");
    }
    return pump() < 0 ? PS_FAILURE : heardAll();
}

/* ---- life of a pair ---- */
static void hangUp(void)
{
    matrixSslDeleteSession(client.ssl);
    matrixSslDeleteSession(server.ssl);
    client.ssl = server.ssl = NULL;
}

static void clear(peer_t *p, const char *name)
{
    memset(p, 0, sizeof(*p));
    p->name = name;
    p->level = p->alert = -1;
}

typedef struct {
    const char *name;
    uint32 id, other; /* another suite for the same certificate */
    int tls13, ec;
} suite_t;

static sslKeys_t *keysOf(const suite_t *s, int second)
{
    return s->ec ? (second ? ec2Keys : ecKeys) : (second ? rsa2Keys : rsaKeys);
}

/* How a session resumes: with a ticket, unless tickets are off. */
static int callUp(const suite_t *s, sslKeys_t *own, sslSessionId_t *sid, sslCertCb_t asks,
                  int noTickets)
{
    clear(&client, "client");
    clear(&server, "server");
    if (matrixSslNewServerSession(&server.ssl, keysOf(s, 0), asks) != PS_SUCCESS) {
        return wrong("no server session");
    }
    if (matrixSslNewClientSession(&client.ssl, own, sid, s->id, clientCertCb, NULL, NULL) !=
        MATRIXSSL_REQUEST_SEND) {
        return wrong("no client session");
    }
    if (noTickets && matrixSslSetSessionTickets(client.ssl, PS_FALSE) != PS_SUCCESS) {
        return wrong("tickets cannot be switched off");
    }
    if (pump() < 0 || client.done != 1 || server.done != 1) {
        return wrong("no connection");
    }
    return PS_SUCCESS;
}

static sslInfo_t infoOf(const peer_t *p)
{
    sslInfo_t info;

    memset(&info, 0, sizeof(info));
    (void)matrixSslGetInfo(p->ssl, &info);
    return info;
}

/* Who completed in matrixSslSentData: 1 the client, 2 the server, 0 neither. */
static int check(const suite_t *s, int resumed, int sentBy)
{
    if (client.doneSent != (sentBy == 1) || server.doneSent != (sentBy == 2)) {
        return wrong("MATRIXSSL_HANDSHAKE_COMPLETE came from the wrong call");
    }
    if (infoOf(&client).resumed != resumed || infoOf(&server).resumed != resumed) {
        return wrong(resumed ? "not resumed" : "resumed");
    }
    if (infoOf(&server).cipherId != s->id) {
        return wrong("another suite");
    }
    return talk();
}

static int goodbye(void)
{
    if (matrixSslEncodeClosureAlert(client.ssl) != PS_SUCCESS || pump() < 0 ||
        server.alert != SSL_ALERT_CLOSE_NOTIFY || server.level != SSL_ALERT_LEVEL_WARNING) {
        return wrong("no closure alert");
    }
    return PS_SUCCESS;
}

/* ---- kinds of handshake: 1 passed, 0 does not apply, < 0 failed ---- */
typedef int kind_t(const suite_t *s, int how);

static int standard(const suite_t *s, int how)
{
    (void)how;
    if (callUp(s, caKeys, NULL, NULL, 0) < 0 || check(s, 0, s->tls13 ? 1 : 2) < 0) {
        return PS_FAILURE;
    }
    if (client.asked != 1 || strcmp(client.seen, s->ec ? "ec" : "rsa") != 0) {
        return wrong("the certificate callback saw something else");
    }
    return goodbye() < 0 ? PS_FAILURE : 1;
}

static int clientAuth(const suite_t *s, int how)
{
    (void)how;
    if (callUp(s, clientKeys, NULL, serverCertCb, 0) < 0 || check(s, 0, s->tls13 ? 1 : 2) < 0) {
        return PS_FAILURE;
    }
    if (server.asked != 1 || strcmp(server.seen, "client") != 0 || !infoOf(&server).clientAuth) {
        return wrong("the client did not authenticate itself");
    }
    return 1;
}

static int allowAll(void);

static int resume(const suite_t *s, int byId)
{
    sslSessionId_t sid;
    int i;

    if (byId && s->tls13) {
        return 0;
    }
    matrixSslInitSessionId(sid);
    if (callUp(s, caKeys, &sid, NULL, byId) < 0 || check(s, 0, s->tls13 ? 1 : 2) < 0) {
        return PS_FAILURE;
    }
    for (i = 0; i < 3; i++) {
        hangUp();
        if (!byId) { /* nothing but the ticket is left */
            matrixSslClose();
            if (matrixSslOpen() != PS_SUCCESS || allowAll() < 0) {
                return wrong("matrixSslOpen failed");
            }
        }
        if (callUp(s, caKeys, &sid, NULL, byId) < 0 || check(s, 1, 1) < 0) {
            return PS_FAILURE;
        }
        if (client.asked) {
            return wrong("a certificate in a resumed handshake");
        }
    }
    return 1;
}

/* Another handshake begins, and both sides go on talking; who may not speak just now tries again.
 * lastOf: who sends the last Finished. */
static int again(peer_t *who, sslKeys_t *keys, sslCertCb_t cb, uint32 option, uint32 suite,
                 int lastOf)
{
    int32 a, b;
    int clientSent = client.doneSent, serverSent = server.doneSent, turns = 0;

    if (matrixSslEncodeRehandshake(who->ssl, keys, cb, option, suite) != PS_SUCCESS) {
        return wrong("matrixSslEncodeRehandshake failed");
    }
    do {
        if (turns++ < 20) {
            if (say(&client, 50) == PS_SUCCESS && say(&client, 51) != PS_SUCCESS) {
                return wrong("half of the client's data was refused");
            }
            (void)say(&server, 60);
        }
        a = carry(&client, &server);
        b = a < 0 ? a : carry(&server, &client);
    } while (a > 0 || b > 0);
    if (a < 0 || b < 0) {
        return PS_FAILURE;
    }
    if (client.done != 2 || server.done != 2) {
        return wrong("the re-handshake was not completed");
    }
    if (client.doneSent - clientSent != (lastOf == 1) ||
        server.doneSent - serverSent != (lastOf == 2)) {
        return wrong("MATRIXSSL_HANDSHAKE_COMPLETE came from the wrong call");
    }
    return heardAll() < 0 || talk() < 0 ? PS_FAILURE : PS_SUCCESS;
}

/* how: 1 by the server, 2 in full. */
static int rehandshake(const suite_t *s, int how)
{
    sslSessionId_t sid;
    int full = (how & 2) != 0;

    if (s->tls13) {
        return 0;
    }
    matrixSslInitSessionId(sid);
    if (callUp(s, caKeys, &sid, NULL, 0) < 0 || talk() < 0 ||
        again(how & 1 ? &server : &client, NULL, NULL, full ? SSL_OPTION_FULL_HANDSHAKE : 0, 0,
              full ? 2 : 1) < 0) {
        return PS_FAILURE;
    }
    if (infoOf(&client).resumed == full || client.asked != 1 + full) {
        return wrong(full ? "resumed" : "not resumed");
    }
    return 1;
}

static int newKeys(const suite_t *s, int how)
{
    (void)how;
    if (s->tls13) {
        return 0;
    }
    if (callUp(s, caKeys, NULL, NULL, 0) < 0 || talk() < 0 ||
        again(&server, keysOf(s, 1), NULL, 0, 0, 2) < 0) {
        return PS_FAILURE;
    }
    if (client.asked != 2 || strcmp(client.seen, s->ec ? "ec2" : "rsa2") != 0) {
        return wrong("the old certificate");
    }
    return 1;
}

/* The connection turns out to need a client certificate. In TLS 1.3 it is asked for by itself. */
static int newCertCb(const suite_t *s, int how)
{
    (void)how;
    if (callUp(s, clientKeys, NULL, NULL, 0) < 0 || talk() < 0) {
        return PS_FAILURE;
    }
    if (!s->tls13) {
        if (again(&server, NULL, serverCertCb, 0, 0, 2) < 0) {
            return PS_FAILURE;
        }
    } else if (matrixSslEncodeRehandshake(server.ssl, NULL, serverCertCb, 0, 0) != PS_SUCCESS ||
               say(&server, 10) < 0 || say(&client, 20) < 0 || pump() < 0 || server.done != 2 ||
               talk() < 0) {
        return wrong("no post-handshake authentication");
    }
    if (server.asked != 1 || strcmp(server.seen, "client") != 0 || !infoOf(&server).clientAuth) {
        return wrong("the client did not authenticate itself");
    }
    return 1;
}

static int otherSuite(const suite_t *s, int how)
{
    (void)how;
    if (callUp(s, caKeys, NULL, NULL, 0) < 0 || talk() < 0) {
        return PS_FAILURE;
    }
    if (s->tls13) {
        if (matrixSslEncodeRehandshake(client.ssl, NULL, NULL, 0, s->other) !=
            PS_UNSUPPORTED_FAIL) {
            return wrong("another suite was not refused");
        }
        return talk() < 0 ? PS_FAILURE : 1;
    }
    if (again(&client, NULL, NULL, 0, s->other, 2) < 0) {
        return PS_FAILURE;
    }
    return infoOf(&server).cipherId == s->other ? 1 : wrong("the suite is the old one");
}

static int rekey(const suite_t *s, int byServer)
{
    peer_t *who = byServer ? &server : &client;
    int i;

    if (!s->tls13) {
        return 0;
    }
    if (callUp(s, caKeys, NULL, NULL, 0) < 0 || talk() < 0) {
        return PS_FAILURE;
    }
    for (i = 0; i < 3; i++) {
        if (say(&client, 30) < 0 || say(&server, 31) < 0 ||
            matrixSslEncodeRehandshake(who->ssl, NULL, NULL, 0, 0) != PS_SUCCESS ||
            say(&client, 32) < 0 || say(&server, 33) < 0 || pump() < 0 || heardAll() < 0 ||
            talk() < 0) {
            return wrong("data was lost under new keys");
        }
    }
    return 1;
}

static const struct {
    const char *name;
    kind_t *run;
    int how;
} kinds[] = {
    { "standard", standard, 0 },     { "clauth", clientAuth, 0 },
    { "res-id", resume, 1 },         { "res-tick", resume, 0 },
    { "re-c-full", rehandshake, 2 }, { "re-c-res", rehandshake, 0 },
    { "re-s-full", rehandshake, 3 }, { "re-s-res", rehandshake, 1 },
    { "newkeys", newKeys, 0 },       { "certcb", newCertCb, 0 },
    { "othersuite", otherSuite, 0 }, { "rekey-c", rekey, 0 },
    { "rekey-s", rekey, 1 },
};

#define EC_OTHER  TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256
#define RSA_OTHER TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256
#define SUITE(ID, OTHER, TLS13, EC) \
    {                               \
#ID, ID, OTHER, TLS13, EC   \
    }
static const suite_t suites[] = {
    SUITE(TLS_AES_128_GCM_SHA256, TLS_AES_256_GCM_SHA384, 1, 0),
    SUITE(TLS_AES_256_GCM_SHA384, TLS_AES_128_GCM_SHA256, 1, 1),
    SUITE(TLS_CHACHA20_POLY1305_SHA256, TLS_AES_128_GCM_SHA256, 1, 1),
    SUITE(TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, EC_OTHER, 0, 1),
    SUITE(TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, EC_OTHER, 0, 1),
    SUITE(TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA, 0,
          1),
    SUITE(TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256, EC_OTHER, 0, 1),
    SUITE(TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA384, EC_OTHER, 0, 1),
    SUITE(TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA, EC_OTHER, 0, 1),
    SUITE(TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA, EC_OTHER, 0, 1),
    SUITE(TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, RSA_OTHER, 0, 0),
    SUITE(TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384, RSA_OTHER, 0, 0),
    SUITE(TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256, TLS_RSA_WITH_AES_128_CBC_SHA, 0, 0),
    SUITE(TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256, RSA_OTHER, 0, 0),
    SUITE(TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA384, RSA_OTHER, 0, 0),
    SUITE(TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA, RSA_OTHER, 0, 0),
    SUITE(TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA, RSA_OTHER, 0, 0),
    SUITE(TLS_RSA_WITH_AES_128_GCM_SHA256, RSA_OTHER, 0, 0),
    SUITE(TLS_RSA_WITH_AES_256_GCM_SHA384, RSA_OTHER, 0, 0),
    SUITE(TLS_RSA_WITH_AES_128_CBC_SHA256, RSA_OTHER, 0, 0),
    SUITE(TLS_RSA_WITH_AES_256_CBC_SHA256, RSA_OTHER, 0, 0),
    SUITE(TLS_RSA_WITH_AES_128_CBC_SHA, RSA_OTHER, 0, 0),
    SUITE(TLS_RSA_WITH_AES_256_CBC_SHA, RSA_OTHER, 0, 0),
};
#define COUNT(a) (sizeof(a) / sizeof(*(a)))

/* ---- the table ---- */
static int loadKeys(sslKeys_t **keys, const char *dir, const char *name)
{
    char cert[512], key[512], ca[512];

    snprintf(cert, sizeof(cert), "%s/%s.pem", dir, name ? name : "");
    snprintf(key, sizeof(key), "%s/%s.key", dir, name ? name : "");
    snprintf(ca, sizeof(ca), "%s/ca.pem", dir);
    if (matrixSslNewKeys(keys) != PS_SUCCESS ||
        matrixSslLoadRsaKeys(*keys, name ? cert : NULL, name ? key : NULL, NULL, ca) !=
            PS_SUCCESS) {
        _psTraceStr("cannot load %s\n", name ? cert : ca);
        return PS_FAILURE;
    }
    return PS_SUCCESS;
}

static int allowAll(void)
{
    size_t i;

    for (i = 0; i < COUNT(suites); i++) {
        if (matrixSslSetCipherSuiteEnabledStatus(NULL, (uint16)suites[i].id, PS_TRUE) !=
            PS_SUCCESS) {
            _psTraceStr("%s is not compiled\n", suites[i].name);
            return PS_FAILURE;
        }
    }
    return PS_SUCCESS;
}

static int row(const suite_t *s, char *reasons, size_t room)
{
    size_t i, n;
    int failed = 0, rc;

    printf("%-45s", s->name);
    for (i = 0; i < COUNT(kinds); i++) {
        why[0] = '\0';
        rc = allowAll() < 0 ? wrong("suites") : kinds[i].run(s, kinds[i].how);
        hangUp();
        printf(" %*s", (int)strlen(kinds[i].name), rc > 0 ? "ok" : rc < 0 ? "FAIL" : "-");
        if (rc < 0) {
            failed++;
            n = strlen(reasons);
            snprintf(reasons + n, room - n, "%s, %s: %s\n", s->name, kinds[i].name, why);
        }
    }
    printf("\n");
    fflush(stdout);
    return failed;
}

int main(int argc, char **argv)
{
    static char reasons[65536];
    psTime_t begin, end;
    size_t i;
    int failed = 0, rows = 0;

    if (argc < 2 || (argc > 2 && (chunk = (uint32)atoi(argv[2])) == 0)) {
        fprintf(stderr, "usage: %s directory [chunk [suite]]\n", argv[0]);
        return 2;
    }
    if (matrixSslOpen() != PS_SUCCESS || loadKeys(&caKeys, argv[1], NULL) < 0 ||
        loadKeys(&clientKeys, argv[1], "client") < 0 || loadKeys(&rsaKeys, argv[1], "rsa") < 0 ||
        loadKeys(&rsa2Keys, argv[1], "rsa2") < 0 || loadKeys(&ecKeys, argv[1], "ec") < 0 ||
        loadKeys(&ec2Keys, argv[1], "ec2") < 0) {
        return 1;
    }
    psGetTime(&begin);
    printf("%-45s", "");
    for (i = 0; i < COUNT(kinds); i++) {
        printf(" %s", kinds[i].name);
    }
    printf("\n");
    for (i = 0; i < COUNT(suites); i++) {
        if (argc < 4 || strstr(suites[i].name, argv[3])) {
            failed += row(&suites[i], reasons, sizeof(reasons));
            rows++;
        }
    }
    psGetTime(&end);
    printf("%s%d suites, %d failed, %d ms, %u bytes at a time\n", reasons, rows, failed,
           (int)psDiffMsecs(begin, end), (unsigned)chunk);
    matrixSslDeleteKeys(caKeys);
    matrixSslDeleteKeys(clientKeys);
    matrixSslDeleteKeys(rsaKeys);
    matrixSslDeleteKeys(rsa2Keys);
    matrixSslDeleteKeys(ecKeys);
    matrixSslDeleteKeys(ec2Keys);
    matrixSslClose();
    return failed || !rows ? 1 : 0;
}
