/* SPDX-License-Identifier: ISC */
/* NAME
 *     bufflow - a TLS client and a TLS server in one program, joined by memcpy
 *
 * SYNOPSIS
 *     bufflow CERT-FILE KEY-FILE CA-FILE
 *
 * DESCRIPTION
 *     Shows the buffer flow of <matrixssl/matrixsslApi.h>, without a socket or a file descriptor:
 *     what one side wants to send is copied into the read buffer of the other, and every return
 *     code is answered as the guide says. The server has CERT-FILE and KEY-FILE, the client trusts
 *     CA-FILE; each says what it sees.
 *
 * EXIT STATUS
 *     0 both have connected, talked and closed, 1 something failed, 2 wrong usage.
 *
 * SEE ALSO
 *     serial, matrixssl(3) */
#include <matrixssl/matrixsslApi.h>

struct end {
    const char *name;
    ssl_t *ssl;
    int connected, closed;
    char text[256]; /* what arrived */
    size_t len;
};

/* Sees the server's certificate; the engine's verdict on it stands. */
static int32 look_at_certificate(ssl_t *ssl, psX509Cert_t *cert, int32 alert)
{
    (void)ssl;
    printf("client: certificate of \"%s\", issued by \"%s\", valid until %s: %s\n",
           cert->subject.commonName ? cert->subject.commonName : "?",
           cert->issuer.commonName ? cert->issuer.commonName : "?", cert->notAfter,
           alert ? "refused" : "accepted");
    return alert;
}

static void connected(struct end *e)
{
    sslInfo_t info;

    e->connected = 1;
    if (matrixSslGetInfo(e->ssl, &info) == PS_SUCCESS) {
        printf("%s: handshake complete, %s, %s, %s\n", e->name, info.version, info.suite,
               info.group);
    }
}

/* What the engine made of received bytes, until it wants more of them. */
static int act_on(struct end *e, int32 rc, unsigned char *data, uint32 len)
{
    for (;;) {
        switch (rc) {
        case MATRIXSSL_SUCCESS:      /* all is used */
        case MATRIXSSL_REQUEST_RECV: /* a piece of a record: the rest will come */
        case MATRIXSSL_REQUEST_SEND: /* there is an answer: the loop in main() fetches it */
            return 0;
        case MATRIXSSL_HANDSHAKE_COMPLETE:
            connected(e);
            rc = matrixSslReceivedData(e->ssl, 0, &data, &len);
            break;
        case MATRIXSSL_APP_DATA:
            len = min(len, (uint32)(sizeof e->text - 1 - e->len));
            memcpy(e->text + e->len, data, len);
            e->len += len;
            rc = matrixSslProcessedData(e->ssl, &data, &len);
            break;
        case MATRIXSSL_RECEIVED_ALERT:
            printf("%s: alert received, level %d, description %d\n", e->name, data[0], data[1]);
            e->closed = 1;
            rc = matrixSslProcessedData(e->ssl, &data, &len);
            break;
        default:
            printf("%s: error %d\n", e->name, rc);
            return -1;
        }
    }
}

/* Carries what `from` wants to send into `to`. The number of bytes, or -1. */
static int32 carry(struct end *from, struct end *to)
{
    unsigned char *out, *in, *data;
    int32 n, room, rc;
    uint32 len;

    n = matrixSslGetOutdata(from->ssl, &out);
    if (n <= 0) {
        return n;
    }
    room = matrixSslGetReadbuf(to->ssl, &in);
    if (room < 0) {
        return -1;
    }
    n = min(n, room);
    memcpy(in, out, (size_t)n);
    rc = matrixSslSentData(from->ssl, (uint32)n);
    if (rc == MATRIXSSL_HANDSHAKE_COMPLETE) { /* ours was the last message */
        connected(from);
    } else if (rc == MATRIXSSL_REQUEST_CLOSE) {
        from->closed = 1;
    }
    printf("%s -> %s: %d bytes\n", from->name, to->name, n);
    rc = matrixSslReceivedData(to->ssl, (uint32)n, &data, &len);
    return act_on(to, rc, data, len) == 0 ? n : -1;
}

static int both_ways(struct end *a, struct end *b)
{
    int32 there, back;

    do {
        there = carry(a, b);
        back = carry(b, a);
    } while (there > 0 || back > 0);
    return there < 0 || back < 0 ? -1 : 0;
}

/* In-situ: the text is written where the record will be. */
static int say(struct end *e, const char *text, uint32 len)
{
    unsigned char *room;

    if (matrixSslGetWritebuf(e->ssl, &room, len) < (int32)len) {
        return -1;
    }
    memcpy(room, text, len);
    return matrixSslEncodeWritebuf(e->ssl, len) > 0 ? 0 : -1;
}

static int talk(struct end *client, struct end *server)
{
    static const char question[] = "Are you there?", answer[] = "I am.";

    if (both_ways(client, server) != 0 || !client->connected || !server->connected ||
        say(client, question, sizeof question - 1) != 0 || both_ways(client, server) != 0 ||
        say(server, answer, sizeof answer - 1) != 0 || both_ways(client, server) != 0) {
        return -1;
    }
    printf("server heard: %s\nclient heard: %s\n", server->text, client->text);
    if (matrixSslEncodeClosureAlert(client->ssl) != PS_SUCCESS || both_ways(client, server) != 0) {
        return -1;
    }
    return client->closed && server->closed ? 0 : -1;
}

int main(int argc, char **argv)
{
    struct end client = { .name = "client" }, server = { .name = "server" };
    sslKeys_t *ckeys = NULL, *skeys = NULL;
    sslSessionId_t sid;
    int ok = 0;

    if (argc != 4) {
        fprintf(stderr, "usage: %s server.pem server.key ca.pem\n", argv[0]);
        return 2;
    }
    matrixSslInitSessionId(sid);
    if (matrixSslOpen() != PS_SUCCESS || matrixSslNewKeys(&ckeys) != PS_SUCCESS ||
        matrixSslNewKeys(&skeys) != PS_SUCCESS) {
        fprintf(stderr, "no memory\n");
    } else if (matrixSslLoadRsaKeys(skeys, argv[1], argv[2], NULL, NULL) != PS_SUCCESS ||
               matrixSslLoadRsaKeys(ckeys, NULL, NULL, NULL, argv[3]) != PS_SUCCESS) {
        fprintf(stderr, "%s, %s or %s cannot be used\n", argv[1], argv[2], argv[3]);
    } else if (matrixSslNewServerSession(&server.ssl, skeys, NULL) == PS_SUCCESS &&
               matrixSslNewClientSession(&client.ssl, ckeys, &sid, 0, look_at_certificate, NULL,
                                         NULL) == MATRIXSSL_REQUEST_SEND) {
        ok = talk(&client, &server) == 0;
    }
    matrixSslDeleteSession(client.ssl);
    matrixSslDeleteSession(server.ssl);
    matrixSslDeleteKeys(ckeys);
    matrixSslDeleteKeys(skeys);
    matrixSslClose();
    printf("%s\n", ok ? "done" : "failed");
    return ok ? 0 : 1;
}
