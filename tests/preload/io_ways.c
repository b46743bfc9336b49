/* SPDX-License-Identifier: ISC */
/* The calls that move bytes. */
#include "io.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <unistd.h>

#define BULK 300000

static char out[BULK], in[BULK];

static void blocking(void)
{
    int fd = dial();

    fill(out, BULK);
    say(fd, "echo %d\n", BULK);
    put_all(fd, out, BULK);
    read_marks(fd, BULK);
    CHECK(close(fd) == 0);
}

static void vectors(void)
{
    int fd = dial();
    char a[7], b[100], c[BULK - 107];
    struct iovec w[3] = { { out, 7 }, { out + 7, 100 }, { out + 107, BULK - 107 } };
    struct iovec r[3] = { { a, sizeof a }, { b, sizeof b }, { c, sizeof c } };
    volatile int less = -1, much = 5000; /* out of the compiler's sight */
    ssize_t got;

    fill(out, BULK);
    say(fd, "echo %d\n", BULK);
    CHECK(writev(fd, w, 3) == BULK);
    got = readv(fd, r, 3);
    CHECK(got > 107);
    memcpy(in, a, 7);
    memcpy(in + 7, b, 100);
    memcpy(in + 107, c, (size_t)got - 107);
    get_all(fd, in + got, (size_t)(BULK - got));
    verify(in, BULK);
    errno = 0;
    CHECK(writev(fd, w, less) == -1 && errno == EINVAL);
    CHECK(readv(fd, r, much) == -1 && errno == EINVAL);
}

static void messages(void)
{
    int fd = dial();
    struct iovec v[2] = { { out, 1000 }, { out + 1000, 1000 } },
                 w[2] = { { in, 1000 }, { in + 1000, 1000 } };
    char name[64];
    struct msghdr m = { .msg_iov = v, .msg_iovlen = 2 };
    struct msghdr r = {
        .msg_iov = w, .msg_iovlen = 2, .msg_name = name, .msg_namelen = sizeof name
    };
    struct mmsghdr mm[2] = { { .msg_hdr = m }, { .msg_hdr = m } };

    fill(out, 2000);
    say(fd, "echo 2000\n");
    CHECK(sendmsg(fd, &m, MSG_NOSIGNAL) == 2000);
    CHECK(recvmsg(fd, &r, MSG_WAITALL) == 2000);
    CHECK(r.msg_namelen == 0 && r.msg_flags == 0);
    verify(in, 2000);
    say(fd, "echo 4000\n");
    CHECK(sendmmsg(fd, mm, 2, 0) == 2);
    CHECK(mm[0].msg_len == 2000 && mm[1].msg_len == 2000);
    mm[0].msg_hdr = mm[1].msg_hdr = (struct msghdr){ .msg_iov = w, .msg_iovlen = 2 };
    CHECK(recvmmsg(fd, mm, 2, MSG_WAITALL, NULL) == 2);
    CHECK(mm[0].msg_len == 2000 && mm[1].msg_len == 2000);
}

static void flags(void)
{
    int fd = dial();
    struct sockaddr_storage from;
    socklen_t len = sizeof from;

    fill(out, 5000);
    say(fd, "echo 5000\n");
    CHECK(send(fd, out, 5000, MSG_MORE) == 5000);
    CHECK(recv(fd, in, 20, MSG_PEEK) == 20);
    verify(in, 20);
    CHECK(recv(fd, in, 5000, MSG_WAITALL) == 5000);
    verify(in, 5000);
    errno = 0;
    CHECK(recv(fd, in, 1, MSG_DONTWAIT) == -1 && errno == EAGAIN);
    say(fd, "send 40\n");
    CHECK(recvfrom(fd, in, 40, MSG_WAITALL, (struct sockaddr *)&from, &len) == 40 && len == 0);
    verify(in, 40);
    CHECK(recv(fd, in, 1, MSG_OOB) == -1 && errno == EINVAL);
}

static void timeouts(void)
{
    int fd = dial();
    struct timeval tv = { .tv_usec = 100000 };

    CHECK(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv) == 0);
    errno = 0;
    CHECK(read(fd, in, 1) == -1 && errno == EAGAIN);
    say(fd, "send 100\n");
    read_marks(fd, 100);
}

static void fionread(void)
{
    int fd = dial(), n = -1;

    CHECK(ioctl(fd, FIONREAD, &n) == 0 && n == 0);
    say(fd, "send 1000\n");
    CHECK(recv(fd, in, 1, MSG_PEEK) == 1);
    CHECK(ioctl(fd, FIONREAD, &n) == 0 && n > 0 && n <= 1000);
    CHECK(recv(fd, in, 999, MSG_WAITALL) == 999);
    CHECK(ioctl(fd, FIONREAD, &n) == 0 && n == 1);
    CHECK(ioctl(fd, FIONBIO, &(int){ 1 }) == 0);
    CHECK(read(fd, in, 10) == 1);
    CHECK(read(fd, in, 10) == -1 && errno == EAGAIN);
    CHECK(sockatmark(fd) == 0);
}

static FILE *file_of_marks(size_t n)
{
    FILE *f = tmpfile();

    CHECK(f);
    fill(out, n);
    CHECK(fwrite(out, 1, n, f) == n && fflush(f) == 0);
    return f;
}

static void files(void)
{
    FILE *f = file_of_marks(200000);
    int fd = dial(), file = fileno(f);
    off_t at = 20 * 1000;

    say(fd, "echo 180000\n");
    CHECK(sendfile(fd, file, &at, 500000) == 180000);
    CHECK(at == 200000);
    read_marks(fd, 180000);
    CHECK(lseek(file, 40, SEEK_SET) == 40);
    say(fd, "echo 60\n");
    CHECK(sendfile(fd, file, NULL, 60) == 60);
    CHECK(lseek(file, 0, SEEK_CUR) == 100);
    read_marks(fd, 60);
    errno = 0;
    CHECK(splice(file, NULL, fd, NULL, 10, 0) == -1 && errno == EINVAL);
    CHECK(sendfile(fd, fd, NULL, 10) == -1 && errno == EINVAL);
}

/* A full socket: sendfile() stops, and says exactly where. */
static void files_short(void)
{
    FILE *f = file_of_marks(BULK);
    int fd = dial(), file = fileno(f), rounds = 0;
    off_t at = 0;
    size_t total = 40u << 20, sent = 0, got = 0;

    say(fd, "echo %zu\n", total);
    set_nonblocking(fd, true);
    while (got < total) {
        ssize_t n = sent < total ? sendfile(fd, file, &at,
                                            total - sent < BULK - (size_t)at ? total - sent
                                                                             : BULK - (size_t)at)
                                 : 0;
        if (n > 0) {
            sent += (size_t)n;
            CHECK(at == (off_t)(sent % BULK == 0 ? BULK : sent % BULK));
            at %= BULK;
        } else {
            CHECK(n == 0 || errno == EAGAIN);
            rounds++;
        }
        n = read(fd, in, sizeof in);
        CHECK(n > 0 || (n < 0 && errno == EAGAIN));
        for (ssize_t i = 0; i < n; i += 997) {
            CHECK(in[i] == out[(got + (size_t)i) % BULK]);
        }
        got += n > 0 ? (size_t)n : 0;
    }
    CHECK(rounds > 0);
}

/* Both ways between a pipe and the connection, with what can go wrong. */
static void splices(void)
{
    int fd = dial(), ends[2];
    size_t sent = 0, got = 0, total = 300000, n;
    off64_t at = 0;
    ssize_t moved;

    CHECK(pipe(ends) == 0);
    fill(out, total);
    errno = 0;
    CHECK(splice(ends[0], NULL, fd, NULL, 10, SPLICE_F_NONBLOCK) == -1 && errno == EAGAIN);
    CHECK(splice(fd, NULL, ends[1], NULL, 10, SPLICE_F_NONBLOCK) == -1 && errno == EAGAIN);
    CHECK(splice(ends[0], &at, fd, NULL, 10, 0) == -1 && errno == ESPIPE);
    CHECK(splice(fd, NULL, ends[1], NULL, 0, 0) == 0);
    say(fd, "echo %zu\n", total);
    while (got < total) {
        n = total - sent < 7001 ? total - sent : 7001;
        CHECK(n == 0 || write(ends[1], out + sent, n) == (ssize_t)n);
        for (size_t left = n; left > 0; left -= (size_t)moved) {
            moved = splice(ends[0], NULL, fd, NULL, left, SPLICE_F_MORE * (left > 3000));
            CHECK(moved > 0 && (size_t)moved <= left);
        }
        sent += n;
        /* Less than the pipe holds, so that it does not fill up. */
        moved = splice(fd, NULL, ends[1], NULL, 9000, sent < total ? SPLICE_F_NONBLOCK : 0);
        CHECK(moved > 0 || (sent < total && errno == EAGAIN));
        for (size_t left = moved > 0 ? (size_t)moved : 0; left > 0; left -= (size_t)moved) {
            moved = read(ends[0], in, left);
            CHECK(moved > 0 && memcmp(in, out + got, (size_t)moved) == 0);
            got += (size_t)moved;
        }
    }
    close(ends[1]);
    CHECK(splice(ends[0], NULL, fd, NULL, 10, 0) == 0); /* nobody writes to it any more */
    close(ends[0]);
}

/* A pipe that is full takes what it has room for, and what it has not is still to be read. */
static void splices_short(void)
{
    int fd = dial(), ends[2], room;
    size_t got = 0, total = 100000;
    ssize_t moved;

    CHECK(pipe(ends) == 0);
    room = fcntl(ends[1], F_SETPIPE_SZ, 8192);
    CHECK(room >= 8192);
    fill(out, total);
    say(fd, "echo %zu\n", total);
    put_all(fd, out, total);
    while (got < total) {
        moved = splice(fd, NULL, ends[1], NULL, total, 0);
        CHECK(moved > 0 && moved <= room);
        for (size_t left = (size_t)moved; left > 0; left -= (size_t)moved) {
            moved = read(ends[0], in, left);
            CHECK(moved > 0 && memcmp(in, out + got, (size_t)moved) == 0);
            got += (size_t)moved;
        }
    }
    CHECK(fcntl(ends[1], F_SETFL, O_NONBLOCK) == 0);
    while (write(ends[1], out, 4096) > 0) {
    }
    say(fd, "echo 1\n");
    put_all(fd, out, 1);
    CHECK(poll(&(struct pollfd){ .fd = fd, .events = POLLIN }, 1, 20000) == 1);
    CHECK(splice(fd, NULL, ends[1], NULL, 1, 0) == -1 && errno == EAGAIN);
    CHECK(read(fd, in, 10) == 1);
    close(ends[0]);
    close(ends[1]);
}

static void raw(void)
{
    int fd = dial();

    fill(out, 3000);
    say(fd, "echo 3000\n");
    CHECK(syscall(SYS_write, fd, out, 1000) == 1000);
    CHECK(syscall(SYS_sendto, fd, out + 1000, 2000, MSG_NOSIGNAL, NULL, 0) == 2000);
    CHECK(recv(fd, in, 1000, MSG_WAITALL) == 1000);
    CHECK(syscall(SYS_recvfrom, fd, in + 1000, 2000, MSG_WAITALL, NULL, NULL) == 2000);
    verify(in, 3000);
    errno = 0;
    CHECK(syscall(SYS_io_uring_setup, 8, in) == -1 && errno == ENOSYS);
    CHECK(syscall(SYS_getpid) == getpid());
    CHECK(syscall(SYS_close, fd) == 0);
    CHECK(fcntl(fd, F_GETFD) == -1 && errno == EBADF);
}

static void dup_ways(void)
{
    int fd = dial(), a = dup(fd), b = fcntl(fd, F_DUPFD_CLOEXEC, 50), c = dup2(fd, 60),
        d = dup3(fd, 61, O_CLOEXEC);

    CHECK(a >= 0 && b >= 50 && c == 60 && d == 61);
    fill(out, 200);
    CHECK(close(fd) == 0);
    say(a, "echo 200\n");
    put_all(b, out, 100);
    put_all(c, out + 100, 100);
    read_marks(d, 100);
    CHECK(close(a) == 0 && close(c) == 0 && close(d) == 0);
    read_marks(b, 100);
    CHECK(dup2(open("/dev/null", O_RDWR), b) == b); /* the last one goes by dup2 */
}

static void printing(void)
{
    int fd = dial();

    CHECK(dprintf(fd, "echo %d\n%s%s", 40, MARK, MARK) == 8 + 40);
    read_marks(fd, 40);
}

static void streams(void)
{
    int fd = dial();
    FILE *f = fdopen(fd, "r+"), *g;
    char line[64];

    CHECK(f && fileno(f) == fd);
    CHECK(fprintf(f, "sink 40\n%s%s", MARK, MARK) == 48);
    CHECK(fflush(f) == 0);
    CHECK(fgets(line, sizeof line, f) && strcmp(line, "ok\n") == 0);
    CHECK(fseek(f, 0, SEEK_SET) == -1 && errno == ESPIPE);
    g = fdopen(dup(fd), "w");
    CHECK(g && setvbuf(g, NULL, _IOLBF, 0) == 0);
    CHECK(fprintf(g, "send 20\n") == 8);
    CHECK(fread(line, 1, 20, f) == 20);
    verify(line, 20);
    CHECK(fclose(g) == 0);
    CHECK(fprintf(f, "bye\n") == 4 && fflush(f) == 0);
    CHECK(fgetc(f) == EOF && feof(f));
    CHECK(fclose(f) == 0);
    CHECK(fcntl(fd, F_GETFD) == -1);
}

/* printf() to a connection on fd 1, and back to where it was. */
static void standard(void)
{
    int fd = dial(), saved = dup(1);

    printf("before\n");
    fflush(stdout);
    CHECK(dup2(fd, 1) == 1);
    printf("echo 40\n");
    fputs(MARK, stdout);
    fflush(stdout);
    write(1, MARK, 20);
    read_marks(fd, 40);
    CHECK(fileno(stdout) == 1);
    puts("echo 20"); /* left in the buffer: goes where 1 leads then */
    fflush(stdout);
    CHECK(dup2(saved, 1) == 1);
    put_all(fd, MARK, 20);
    read_marks(fd, 20);
    printf("after\n");
}

static void errors_stream(void)
{
    int fd = dial(), saved = dup(2);
    char line[256] = "";

    say(fd, "line\n");
    CHECK(dup2(fd, 2) == 2);
    errno = ENOENT;
    perror(MARK);
    CHECK(dup2(saved, 2) == 2);
    CHECK(read(fd, line, sizeof line) > 20);
    CHECK(strncmp(line, MARK, 20) == 0 && strstr(line, "No such file"));
}

const struct io_case io_ways[] = {
    { "blocking", blocking }, { "vectors", vectors },
    { "messages", messages }, { "flags", flags },
    { "timeouts", timeouts }, { "fionread", fionread },
    { "files", files },       { "files-short", files_short },
    { "splices", splices },   { "splices-short", splices_short },
    { "raw", raw },           { "dup", dup_ways },
    { "printing", printing }, { "streams", streams },
    { "standard", standard }, { "errors-stream", errors_stream },
    { NULL, NULL },
};
