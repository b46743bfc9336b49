/* SPDX-License-Identifier: ISC */
/* NAME
 *     serial - TLS over a serial line
 *
 * SYNOPSIS
 *     serial server LINE CERT-FILE KEY-FILE
 *     serial client LINE CA-FILE NAME
 *
 * DESCRIPTION
 *     What comes in at standard input goes to the other side's standard output and the other way
 *     round, until both inputs have ended. LINE is a serial line, a pseudo-terminal or anything
 *     else that has a path and carries bytes both ways; its speed is what stty(1) has set. Start
 *     the server first. The client trusts CA-FILE and insists on a certificate for NAME.
 *
 *     There is no socket in this program: the engine of <matrixssl/matrixsslApi.h> takes and gives
 *     bytes, and who carries them is its own affair.
 *
 * EXIT STATUS
 *     0 both inputs arrived whole, 1 something failed, 2 wrong usage.
 *
 * SEE ALSO
 *     bufflow, matrixssl(3) */
#include <errno.h>
#include <fcntl.h>
#include <matrixssl/matrixsslApi.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <termios.h>
#include <unistd.h>

static const char usage[] =
    "usage: serial server LINE CERT-FILE KEY-FILE\n"
    "       serial client LINE CA-FILE NAME\n"
    "\n"
    "Talks TLS over the serial line or pseudo-terminal LINE: standard input goes to the\n"
    "other side's standard output and the other way round, until both inputs have ended.\n"
    "The client trusts CA-FILE and insists that the server's certificate is for NAME.\n"
    "Start the server first. The speed of the line is what stty has set.\n";

/* A line has no end of file and close_notify ends both directions at once. So input travels in
 * pieces behind a length of two bytes, and a length of 0 says that there is no more. */
#define HEAD      2
#define PIECE_MAX (16384 - HEAD)

struct talk {
    int line;
    bool connected, closing, peer_closed, over;
    bool input_ended, output_ended;
    unsigned char *data; /* plaintext that the engine lends until matrixSslProcessedData() */
    uint32 ndata;
    uint32 head, left; /* bytes of the length still to come, bytes of the piece still to come */
    ssl_t *ssl;
};

static bool would_wait(void)
{
    return errno == EAGAIN || errno == EINTR;
}

static void say(const char *what, const char *why)
{
    fprintf(stderr, "serial: %s: %s\n", what, why);
}

/* false, and the reason on standard error. */
static bool give_up(const struct talk *t)
{
    sslInfo_t info;

    if (matrixSslGetInfo(t->ssl, &info) == PS_SUCCESS && info.error[0]) {
        say("TLS", info.error);
    } else {
        say("TLS", "the connection failed");
    }
    return false;
}

/* ---- from the line to standard output ---- */

/* Takes what there is of the two bytes of a length. */
static void take_head(struct talk *t)
{
    while (t->head && t->ndata) {
        t->left = t->left << 8 | *t->data++;
        t->head--;
        t->ndata--;
    }
    if (t->head == 0 && t->left == 0) {
        t->output_ended = true;
    }
}

/* poll() has said that a pipe takes this much, so it does not block. */
static bool write_out(struct talk *t)
{
    size_t n = min(min(t->left, t->ndata), 4096);
    ssize_t done = write(STDOUT_FILENO, t->data, n);

    if (done < 0) {
        if (!would_wait()) {
            say("standard output", strerror(errno));
        }
        return would_wait();
    }
    t->data += done;
    t->ndata -= (uint32)done;
    t->left -= (uint32)done;
    t->head = t->left ? 0 : HEAD;
    return true;
}

static bool wants_stdout(const struct talk *t)
{
    return t->ndata && t->left && t->head == 0;
}

/* What the engine made of received bytes: goes on until it lends plaintext or wants more. */
static bool act_on(struct talk *t, int32 rc)
{
    for (;;) {
        switch (rc) {
        case MATRIXSSL_HANDSHAKE_COMPLETE:
            t->connected = true;
            rc = matrixSslReceivedData(t->ssl, 0, &t->data, &t->ndata);
            break;
        case MATRIXSSL_APP_DATA:
            if (t->output_ended) {
                say("the other side", "sends on after its end");
                return false;
            }
            take_head(t);
            if (wants_stdout(t)) {
                return true;
            }
            rc = matrixSslProcessedData(t->ssl, &t->data, &t->ndata);
            break;
        case MATRIXSSL_RECEIVED_ALERT:
            if (t->data[0] == SSL_ALERT_LEVEL_FATAL) {
                return give_up(t);
            }
            t->peer_closed = t->peer_closed || t->data[1] == SSL_ALERT_CLOSE_NOTIFY;
            rc = matrixSslProcessedData(t->ssl, &t->data, &t->ndata);
            break;
        case MATRIXSSL_SUCCESS:
        case MATRIXSSL_REQUEST_RECV:
        case MATRIXSSL_REQUEST_SEND: /* there is an answer: send_line() fetches it */
            t->ndata = 0;
            return true;
        default:
            return give_up(t);
        }
    }
}

/* A piece is out, or a part of it: the engine may have its plaintext back. */
static bool drain(struct talk *t)
{
    if (!write_out(t)) {
        return false;
    }
    take_head(t);
    return wants_stdout(t) || act_on(t, matrixSslProcessedData(t->ssl, &t->data, &t->ndata));
}

static bool receive_line(struct talk *t)
{
    unsigned char *room;
    int32 size = matrixSslGetReadbuf(t->ssl, &room);
    ssize_t n;

    if (size <= 0) {
        return give_up(t);
    }
    n = read(t->line, room, (size_t)size);
    if (n < 0 && would_wait()) {
        return true;
    }
    if (n <= 0) {
        say("the line", n ? strerror(errno) : "it was hung up");
        return false;
    }
    return act_on(t, matrixSslReceivedData(t->ssl, (uint32)n, &t->data, &t->ndata));
}

/* ---- from standard input to the line ---- */

/* Straight into the place where the record will be. */
static bool read_in(struct talk *t)
{
    unsigned char *room;
    int32 size = matrixSslGetWritebuf(t->ssl, &room, HEAD + PIECE_MAX);
    ssize_t n;

    if (size <= HEAD) {
        return give_up(t);
    }
    n = read(STDIN_FILENO, room + HEAD, (size_t)min(size, HEAD + PIECE_MAX) - HEAD);
    if (n < 0) {
        if (!would_wait()) {
            say("standard input", strerror(errno));
        }
        return would_wait();
    }
    t->input_ended = n == 0;
    room[0] = (unsigned char)(n >> 8);
    room[1] = (unsigned char)n;
    return matrixSslEncodeWritebuf(t->ssl, (uint32)n + HEAD) > 0 || give_up(t);
}

static bool send_line(struct talk *t)
{
    unsigned char *out;
    int32 n = matrixSslGetOutdata(t->ssl, &out), rc;
    ssize_t sent = write(t->line, out, (size_t)n);

    if (sent < 0) {
        if (!would_wait()) {
            say("the line", strerror(errno));
        }
        return would_wait();
    }
    rc = matrixSslSentData(t->ssl, (uint32)sent);
    if (rc == MATRIXSSL_HANDSHAKE_COMPLETE) {
        t->connected = true;
    } else if (rc == MATRIXSSL_REQUEST_CLOSE) {
        t->over = true;
        return t->closing || give_up(t); /* an alert of the engine's own */
    }
    return rc >= 0 || give_up(t);
}

/* ---- both ---- */

static bool step(struct talk *t)
{
    int32 out = matrixSslGetOutdata(t->ssl, NULL);
    bool lent = wants_stdout(t);
    struct pollfd p[3] = {
        { .fd = t->line, .events = (short)((lent ? 0 : POLLIN) | (out > 0 ? POLLOUT : 0)) },
        { .fd = t->connected && !t->input_ended && out == 0 ? STDIN_FILENO : -1, .events = POLLIN },
        { .fd = lent ? STDOUT_FILENO : -1, .events = POLLOUT },
    };

    if (poll(p, 3, -1) < 0) {
        return errno == EINTR;
    }
    if (p[2].revents && !drain(t)) {
        return false;
    }
    if ((p[0].revents & POLLOUT) && !send_line(t)) {
        return false;
    }
    if (p[1].revents && !read_in(t)) {
        return false;
    }
    return !(p[0].revents & (POLLIN | POLLHUP | POLLERR)) || wants_stdout(t) || receive_line(t);
}

/* Until both have said all and their goodbyes. */
static bool run(struct talk *t)
{
    while (!(t->over && t->peer_closed)) {
        if (!step(t)) {
            return false;
        }
        if (t->peer_closed && !t->output_ended) {
            say("the other side", "closed before its end");
            return false;
        }
        if (t->input_ended && t->output_ended && !t->closing) {
            t->closing = true;
            if (matrixSslEncodeClosureAlert(t->ssl) < 0) {
                return give_up(t);
            }
        }
    }
    return true;
}

/* Bytes as they are: no echo, no lines, no signals. */
static int open_line(const char *path, struct termios *before)
{
    int fd = open(path, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    struct termios raw;

    if (fd < 0 || tcgetattr(fd, before) < 0) {
        say(path, strerror(errno));
        return -1;
    }
    raw = *before;
    cfmakeraw(&raw);
    raw.c_cflag |= CLOCAL | CREAD;
    if (tcsetattr(fd, TCSANOW, &raw) < 0) {
        say(path, strerror(errno));
        return -1;
    }
    return fd;
}

static bool open_session(struct talk *t, sslKeys_t *keys, bool client, char **file)
{
    if (client) {
        if (matrixSslLoadRsaKeys(keys, NULL, NULL, NULL, file[0]) < 0) {
            say(file[0], "no CA certificate can be read from it");
            return false;
        }
        return (matrixSslNewClientSession(&t->ssl, keys, NULL, 0, NULL, NULL, NULL) > 0 &&
                matrixSslSetExpectedName(t->ssl, file[1]) == PS_SUCCESS) ||
               (say(file[1], "not a name that a certificate can be for"), false);
    }
    if (matrixSslLoadRsaKeys(keys, file[0], file[1], NULL, NULL) < 0) {
        say(file[0], "no certificate that fits the key can be read from it");
        return false;
    }
    return matrixSslNewServerSession(&t->ssl, keys, NULL) >= 0 || (say("TLS", "no memory"), false);
}

int main(int argc, char **argv)
{
    struct talk t = { .head = HEAD };
    struct termios before;
    sslKeys_t *keys = NULL;
    bool client = argc > 1 && strcmp(argv[1], "client") == 0, good = false;

    if (argc == 2 && strcmp(argv[1], "--help") == 0) {
        fputs(usage, stdout);
        return 0;
    }
    if (argc != 5 || (!client && strcmp(argv[1], "server") != 0)) {
        fputs(usage, stderr);
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    t.line = open_line(argv[2], &before);
    if (t.line < 0) {
        return 1;
    }
    if (matrixSslOpen() == PS_SUCCESS && matrixSslNewKeys(&keys) == PS_SUCCESS) {
        good = open_session(&t, keys, client, argv + 3) && run(&t);
    }
    matrixSslDeleteSession(t.ssl);
    matrixSslDeleteKeys(keys);
    matrixSslClose();
    (void)tcsetattr(t.line, TCSADRAIN, &before); /* when the last byte is out */
    close(t.line);
    return good ? 0 : 1;
}
