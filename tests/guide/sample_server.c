/* SPDX-License-Identifier: ISC */
/* A server of the guide's time: one thread, a list of connections, everything that arrives goes
 * back.
 *
 *     sample_server cert.pem key.pem [ca.pem]
 *
 * With ca.pem clients must authenticate. Listens on a free loopback port and says which; a client
 * that sends "again" is asked for another handshake. Ends when its standard input does. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <core/coreApi.h>
#include <matrixssl/matrixsslApi.h>

#define MAX_CONNECTIONS 64
#define IDLE_MSECS      10000

typedef struct {
    DLListEntry list;
    ssl_t *ssl;
    int fd;
    int complete; /* handshakes */
    psTime_t last;
} conn_t;

static DLListEntry conns;
static int nConns;

static int32 certCb(ssl_t *ssl, psX509Cert_t *cert, int32 alert)
{
    (void)ssl;
    printf("client certificate of %s: %d\n", cert ? cert->subject.commonName : "nobody",
           (int)alert);
    return alert;
}

static void closeConn(conn_t *c, const char *reason)
{
    unsigned char *buf;
    int32 n;

    if (matrixSslEncodeClosureAlert(c->ssl) == PS_SUCCESS) {
        n = matrixSslGetOutdata(c->ssl, &buf);
        if (n > 0 && send(c->fd, buf, (size_t)n, MSG_DONTWAIT | MSG_NOSIGNAL) == n) {
            (void)matrixSslSentData(c->ssl, (uint32)n);
        }
    }
    printf("closed: %s\n", reason);
    DLListRemove(&c->list);
    nConns--;
    matrixSslDeleteSession(c->ssl);
    close(c->fd);
    psFree(c);
}

static void acceptConn(int lfd, sslKeys_t *keys, int auth)
{
    conn_t *c;
    int fd = accept(lfd, NULL, NULL);

    if (fd < 0) {
        return;
    }
    c = nConns < MAX_CONNECTIONS ? psMalloc(MATRIX_NO_POOL, sizeof(conn_t)) : NULL;
    if (c == NULL) {
        close(fd);
        return;
    }
    memset(c, 0, sizeof(conn_t));
    c->fd = fd;
    fcntl(fd, F_SETFL, O_NONBLOCK);
    if (matrixSslNewServerSession(&c->ssl, keys, auth ? certCb : NULL) < 0) {
        close(fd);
        psFree(c);
        return;
    }
    psGetTime(&c->last);
    DLListInsertTail(&conns, &c->list);
    nConns++;
}

/* 0, or a reason to close. */
static const char *writeConn(conn_t *c)
{
    unsigned char *buf;
    int32 len, rc;
    ssize_t n;

    while ((len = matrixSslGetOutdata(c->ssl, &buf)) > 0) {
        n = send(c->fd, buf, (size_t)len, MSG_NOSIGNAL);
        if (n < 0) {
            return errno == EAGAIN || errno == EINTR ? NULL : "send failed";
        }
        rc = matrixSslSentData(c->ssl, (uint32)n);
        if (rc == MATRIXSSL_REQUEST_CLOSE) {
            return "alert sent";
        }
        if (rc == MATRIXSSL_HANDSHAKE_COMPLETE) {
            c->complete++;
            printf("complete: sent\n");
        } else if (rc < 0) {
            return "session failed";
        }
    }
    return NULL;
}

static const char *echo(conn_t *c, unsigned char *data, uint32 len)
{
    unsigned char *room;

    if (len == 5 && memcmp(data, "again", 5) == 0) {
        if (matrixSslEncodeRehandshake(c->ssl, NULL, NULL, SSL_OPTION_FULL_HANDSHAKE, 0) !=
            PS_SUCCESS) {
            return "no re-handshake";
        }
    }
    if (matrixSslGetWritebuf(c->ssl, &room, len) < (int32)len) {
        return "no memory";
    }
    memcpy(room, data, len);
    return matrixSslEncodeWritebuf(c->ssl, len) < 0 ? "cannot encode" : NULL;
}

static const char *readConn(conn_t *c)
{
    unsigned char *buf;
    const char *reason;
    uint32 len;
    int32 rc = matrixSslGetReadbuf(c->ssl, &buf);
    ssize_t n;

    if (rc <= 0) {
        return "no memory";
    }
    n = recv(c->fd, buf, (size_t)rc, 0);
    if (n <= 0) {
        return n < 0 && (errno == EAGAIN || errno == EINTR) ? NULL : "no closure alert";
    }
    psGetTime(&c->last);
    rc = matrixSslReceivedData(c->ssl, (uint32)n, &buf, &len);
    for (;;) {
        switch (rc) {
        case MATRIXSSL_SUCCESS:
        case MATRIXSSL_REQUEST_SEND:
        case MATRIXSSL_REQUEST_RECV:
            return writeConn(c);
        case MATRIXSSL_HANDSHAKE_COMPLETE:
            c->complete++;
            printf("complete: received\n");
            rc = matrixSslReceivedData(c->ssl, 0, &buf, &len);
            break;
        case MATRIXSSL_APP_DATA:
            reason = echo(c, buf, len);
            if (reason != NULL) {
                return reason;
            }
            rc = matrixSslProcessedData(c->ssl, &buf, &len);
            break;
        case MATRIXSSL_RECEIVED_ALERT:
            if (buf[0] == SSL_ALERT_LEVEL_FATAL || buf[1] == SSL_ALERT_CLOSE_NOTIFY) {
                return buf[1] == SSL_ALERT_CLOSE_NOTIFY ? "closure alert" : "fatal alert";
            }
            rc = matrixSslProcessedData(c->ssl, &buf, &len);
            break;
        default:
            psTraceIntInfo("session failed with %d\n", rc);
            (void)writeConn(c);
            return "session failed";
        }
    }
}

static int listenOn(void)
{
    struct sockaddr_in a;
    socklen_t len = sizeof(a);
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    memset(&a, 0, sizeof(a));
    a.sin_family = AF_INET;
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || bind(fd, (struct sockaddr *)&a, len) < 0 || listen(fd, 8) < 0 ||
        getsockname(fd, (struct sockaddr *)&a, &len) < 0) {
        return -1;
    }
    printf("port %d\n", ntohs(a.sin_port));
    return fd;
}

/* Once round all connections; 0 when standard input, which may be -1, has ended. */
static int turn(int in, int lfd, sslKeys_t *keys, int auth)
{
    struct pollfd p[2 + MAX_CONNECTIONS];
    conn_t *byIndex[MAX_CONNECTIONS];
    DLListEntry *e;
    psTime_t now;
    int i, n = 0;

    p[0].fd = in;
    p[0].revents = 0;
    p[1].fd = lfd;
    p[0].events = p[1].events = POLLIN;
    for (e = conns.pNext; e != &conns; e = e->pNext) {
        conn_t *c = DLListGetContainer(e, conn_t, list);

        p[2 + n].fd = c->fd;
        p[2 + n].events = POLLIN;
        if (matrixSslGetOutdata(c->ssl, NULL) > 0) {
            p[2 + n].events |= POLLOUT;
        }
        byIndex[n++] = c;
    }
    if (poll(p, (nfds_t)n + 2, 1000) < 0) {
        return 1;
    }
    psGetTime(&now);
    for (i = 0; i < n; i++) {
        const char *reason = NULL;
        short events = p[2 + i].revents;

        if (events & POLLOUT) {
            reason = writeConn(byIndex[i]);
        }
        if (reason == NULL && (events & ~POLLOUT)) {
            reason = readConn(byIndex[i]);
        }
        if (reason == NULL && psDiffMsecs(byIndex[i]->last, now) > IDLE_MSECS) {
            reason = "idle";
        }
        if (reason != NULL) {
            closeConn(byIndex[i], reason);
        }
    }
    if (p[1].revents) {
        acceptConn(lfd, keys, auth);
    }
    return p[0].revents == 0;
}

int main(int argc, char **argv)
{
    sslKeys_t *keys = NULL;
    psTime_t begin, now;
    int lfd;

    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc < 3 || argc > 4) {
        fprintf(stderr, "usage: %s cert.pem key.pem [ca.pem]\n", argv[0]);
        return 2;
    }
    DLListInit(&conns);
    if (matrixSslOpen() < 0 || matrixSslNewKeys(&keys) < 0 ||
        matrixSslLoadRsaKeys(keys, argv[1], argv[2], NULL, argv[3]) < 0 || (lfd = listenOn()) < 0) {
        fprintf(stderr, "cannot start\n");
        return 1;
    }
    while (turn(STDIN_FILENO, lfd, keys, argc == 4)) {
    }
    psGetTime(&begin);
    do { /* what is on its way may still arrive */
        psGetTime(&now);
    } while (!DLListIsEmpty(&conns) && psDiffMsecs(begin, now) < 2000 &&
             turn(-1, lfd, keys, argc == 4));
    while (!DLListIsEmpty(&conns)) {
        closeConn(DLListGetContainer(conns.pNext, conn_t, list), "the end");
    }
    close(lfd);
    matrixSslDeleteKeys(keys);
    matrixSslClose();
    printf("done\n");
    return 0;
}
