/* SPDX-License-Identifier: ISC */
/* A client of the guide's time: connects again and again with one session id, sends data, wants it
 * back, closes.
 *
 *     sample_client port ca.pem suite connections bytes [cert.pem key.pem]
 *
 * suite: a number, 0 for all. bytes are sent in each connection; with fewer than 0 it asks the
 * server for another handshake in the middle of that many. Prints a line for each connection. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <core/coreApi.h>
#include <matrixssl/matrixsslApi.h>

#define PIECE 1400

static int asked;

static int32 certCb(ssl_t *ssl, psX509Cert_t *cert, int32 alert)
{
    (void)ssl;
    (void)cert;
    asked++;
    return alert;
}

static int dial(int port)
{
    struct sockaddr_in a;
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    memset(&a, 0, sizeof(a));
    a.sin_family = AF_INET;
    a.sin_port = htons((unsigned short)port);
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0) {
        close(fd);
        return -1;
    }
    return fd;
}

typedef struct {
    ssl_t *ssl;
    int fd;
    int complete;
    int32 wanted, sent, heard; /* bytes of data */
    unsigned char *said;       /* what was sent: it must come back */
    int again;                 /* ask for another handshake at this many bytes; 0: never */
    int early;                 /* pieces that had to wait for a handshake */
} job_t;

static unsigned char pattern(int32 at)
{
    return (unsigned char)(at * 131 + (at >> 8));
}

/* One more piece of data goes into the output, when it may. */
static int speak(job_t *j)
{
    unsigned char *room;
    int32 i, n = min(PIECE, j->wanted - j->sent);

    if (n <= 0 || j->complete == 0 || j->sent - j->heard > 8 * PIECE) {
        return 0;
    }
    if (j->again && j->sent >= j->again) {
        j->again = 0;
        memcpy(j->said + j->sent, "again", 5);
        if (matrixSslEncodeToOutdata(j->ssl, (unsigned char *)"again", 5) < 0) {
            return -1;
        }
        j->wanted += 5;
        j->sent += 5;
        return 0;
    }
    if (matrixSslGetWritebuf(j->ssl, &room, (uint32)n) < n) {
        return -1;
    }
    for (i = 0; i < n; i++) {
        room[i] = j->said[j->sent + i] = pattern(j->sent + i);
    }
    if (matrixSslEncodeWritebuf(j->ssl, (uint32)n) < 0) {
        j->early++; /* in the middle of a handshake: later */
        return 0;
    }
    j->sent += n;
    return 0;
}

static int flush(job_t *j)
{
    unsigned char *buf;
    int32 len, rc;
    ssize_t n;

    while ((len = matrixSslGetOutdata(j->ssl, &buf)) > 0) {
        n = send(j->fd, buf, (size_t)len, MSG_NOSIGNAL);
        if (n < 0) {
            return -1;
        }
        rc = matrixSslSentData(j->ssl, (uint32)n);
        if (rc < 0 || rc == MATRIXSSL_REQUEST_CLOSE) {
            return -1;
        }
        j->complete += rc == MATRIXSSL_HANDSHAKE_COMPLETE;
    }
    return 0;
}

static int listen_to(job_t *j)
{
    unsigned char *buf;
    uint32 len;
    int32 rc = matrixSslGetReadbuf(j->ssl, &buf);
    ssize_t n;

    if (rc <= 0) {
        return -1;
    }
    n = recv(j->fd, buf, (size_t)rc, 0);
    if (n <= 0) {
        printf("the server hung up\n");
        return -1;
    }
    rc = matrixSslReceivedData(j->ssl, (uint32)n, &buf, &len);
    for (;;) {
        switch (rc) {
        case MATRIXSSL_SUCCESS:
        case MATRIXSSL_REQUEST_SEND:
        case MATRIXSSL_REQUEST_RECV:
            return 0;
        case MATRIXSSL_HANDSHAKE_COMPLETE:
            j->complete++;
            rc = matrixSslReceivedData(j->ssl, 0, &buf, &len);
            break;
        case MATRIXSSL_APP_DATA:
            if ((int32)len > j->sent - j->heard || memcmp(buf, j->said + j->heard, len) != 0) {
                printf("other data came back\n");
                return -1;
            }
            j->heard += (int32)len;
            rc = matrixSslProcessedData(j->ssl, &buf, &len);
            break;
        case MATRIXSSL_RECEIVED_ALERT:
            printf("alert %d %d\n", buf[0], buf[1]);
            if (buf[0] == SSL_ALERT_LEVEL_FATAL || buf[1] == SSL_ALERT_CLOSE_NOTIFY) {
                return -1;
            }
            rc = matrixSslProcessedData(j->ssl, &buf, &len);
            break;
        default:
            printf("error %d\n", (int)rc);
            (void)flush(j); /* the alert that says so */
            return -1;
        }
    }
}

static int connection(job_t *j)
{
    int handshakes = j->again ? 2 : 1;

    while (j->complete < handshakes || j->heard < j->wanted) {
        if (speak(j) < 0 || flush(j) < 0) {
            return -1;
        }
        if (j->complete == 0 || j->sent >= j->wanted || j->sent - j->heard > 4 * PIECE ||
            j->early) {
            j->early = 0;
            if (listen_to(j) < 0) {
                return -1;
            }
        }
    }
    return matrixSslEncodeClosureAlert(j->ssl) == PS_SUCCESS ? (flush(j), 0) : -1;
}

int main(int argc, char **argv)
{
    sslKeys_t *keys = NULL;
    sslSessionId_t sid;
    int i, rc = 0, bytes;

    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc != 6 && argc != 8) {
        fprintf(stderr, "usage: %s port ca.pem suite connections bytes [cert.pem key.pem]\n",
                argv[0]);
        return 2;
    }
    bytes = atoi(argv[5]);
    if (matrixSslOpen() < 0 || matrixSslNewKeys(&keys) < 0 ||
        matrixSslLoadRsaKeys(keys, argc > 6 ? argv[6] : NULL, argc > 6 ? argv[7] : NULL, NULL,
                             argv[2]) < 0) {
        fprintf(stderr, "cannot start\n");
        return 1;
    }
    matrixSslInitSessionId(sid);
    for (i = 0; i < atoi(argv[4]) && rc == 0; i++) {
        job_t j;

        memset(&j, 0, sizeof(j));
        j.wanted = bytes < 0 ? -bytes : bytes;
        j.again = bytes < 0 ? -bytes / 2 : 0;
        j.said = psMalloc(MATRIX_NO_POOL, (size_t)j.wanted + 5);
        asked = 0;
        j.fd = dial(atoi(argv[1]));
        if (j.fd < 0 || j.said == NULL ||
            matrixSslNewClientSession(&j.ssl, keys, &sid, (uint32)strtoul(argv[3], NULL, 0), certCb,
                                      NULL, NULL) != MATRIXSSL_REQUEST_SEND) {
            printf("no session\n");
            rc = 1;
        } else {
            rc = connection(&j) < 0;
            printf("%s: %s, suite %04x, %d handshakes, %d bytes\n", rc ? "failed" : "ok",
                   asked ? "new" : "resumed", (unsigned)sid.cipherId, j.complete, (int)j.heard);
        }
        matrixSslDeleteSession(j.ssl);
        close(j.fd);
        psFree(j.said);
    }
    matrixSslDeleteKeys(keys);
    matrixSslClose();
    return rc;
}
