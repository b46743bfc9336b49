/* SPDX-License-Identifier: ISC */
/* app_uring PORT fall|fail: a server on loopback that sends back what its one connection brings, by
 * io_uring: the C library has no part in it. Without io_uring it falls back to read and write, or
 * it fails and says so. */
#include <arpa/inet.h>
#include <liburing.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int listen_on(const char *port)
{
    struct sockaddr_in sa = { .sin_family = AF_INET,
                              .sin_port = htons((unsigned short)atoi(port)),
                              .sin_addr = { htonl(INADDR_LOOPBACK) } };
    int l = socket(AF_INET, SOCK_STREAM, 0), on = 1;

    if (l < 0 || setsockopt(l, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
        bind(l, (struct sockaddr *)&sa, sizeof sa) != 0 || listen(l, 5) != 0) {
        perror("listen");
        exit(1);
    }
    return l;
}

static int done(struct io_uring *ring)
{
    struct io_uring_cqe *cqe;
    int rc;

    if (io_uring_submit(ring) < 0 || io_uring_wait_cqe(ring, &cqe) < 0) {
        return -1;
    }
    rc = cqe->res;
    io_uring_cqe_seen(ring, cqe);
    return rc;
}

static int by_ring(struct io_uring *ring, int l)
{
    char text[4096];
    int fd, n;

    io_uring_prep_accept(io_uring_get_sqe(ring), l, NULL, NULL, 0);
    fd = done(ring);
    while (fd >= 0) {
        io_uring_prep_recv(io_uring_get_sqe(ring), fd, text, sizeof text, 0);
        n = done(ring);
        if (n <= 0) {
            return n == 0 ? 0 : 1;
        }
        io_uring_prep_send(io_uring_get_sqe(ring), fd, text, (size_t)n, MSG_WAITALL);
        if (done(ring) != n) {
            return 1;
        }
    }
    return 1;
}

static int by_calls(int l)
{
    char text[4096];
    int fd = accept(l, NULL, NULL);
    ssize_t n;

    while ((n = read(fd, text, sizeof text)) > 0) {
        if (write(fd, text, (size_t)n) != n) {
            return 1;
        }
    }
    return n == 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
    struct io_uring ring;
    int rc;

    if (argc != 3) {
        return 64;
    }
    rc = io_uring_queue_init(8, &ring, 0);
    if (rc < 0 && strcmp(argv[2], "fall") != 0) {
        fprintf(stderr, "io_uring: %s\n", strerror(-rc));
        return 2;
    }
    return rc < 0 ? by_calls(listen_on(argv[1])) : by_ring(&ring, listen_on(argv[1]));
}
