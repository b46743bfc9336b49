/* SPDX-License-Identifier: ISC */
/* Descriptors, files and streams to POSIX's letter: TLS against TCP, call by call. */
#include <sys/sendfile.h>
#include <sys/stat.h>

#include "tests/sockets/posix.h"

static int file_of(size_t n)
{
    static char bytes[100000];
    FILE *f = tmpfile();
    int fd;

    fill_pattern((uint8_t *)bytes, sizeof bytes, 0);
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, n, f), n);
    assert_int_equal(fflush(f), 0);
    fd = dup(fileno(f));
    fclose(f);
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    return fd;
}

static void expect_file(struct stage *s, int fd, size_t n, uint64_t at)
{
    static uint8_t in[100000];

    NUMBER(s, ssl_recv(fd, in, n, MSG_WAITALL));
    expect_pattern(in, n, at);
}

static void sending_files(struct stage *s)
{
    int a = s->f[0], b = s->f[1], file = file_of(90000), p[2], dir = open("/", O_RDONLY);
    int writable = open("/dev/null", O_WRONLY), path = open("/", O_PATH);
    off_t at = 10;

    assert_int_equal(pipe(p), 0);
    DO(s, ssl_sendfile(a, file, &at, 100));
    NUMBER(s, at);
    expect_file(s, b, 100, 10);
    NUMBER(s, lseek(file, 0, SEEK_CUR));
    DO(s, ssl_sendfile(a, file, NULL, 80000));
    NUMBER(s, lseek(file, 0, SEEK_CUR));
    expect_file(s, b, 80000, 0);
    DO(s, ssl_sendfile(a, file, NULL, 80000)); /* a short file */
    expect_file(s, b, 10000, 80000);
    DO(s, ssl_sendfile(a, file, NULL, 80000));
    NUMBER(s, lseek(file, 0, SEEK_CUR));
    at = 90000;
    DO(s, ssl_sendfile(a, file, &at, 1));
    at = 100000;
    DO(s, ssl_sendfile(a, file, &at, 1));
    NUMBER(s, at);
    at = 89999;
    DO(s, ssl_sendfile(a, file, &at, 0x7fffffff));
    NUMBER(s, at);
    expect_file(s, b, 1, 89999);
    at = 0;
    DO(s, ssl_sendfile(a, file, &at, 0));
    at = -1;
    DO(s, ssl_sendfile(a, file, &at, 1));
    NUMBER(s, at);
    at = 0;
    DO(s, ssl_sendfile(a, file, &at, SIZE_MAX));
    DO(s, ssl_sendfile(a, p[0], NULL, 1));
    DO(s, ssl_sendfile(a, p[0], &at, 1));
    DO(s, ssl_sendfile(a, p[1], NULL, 1));
    DO(s, ssl_sendfile(a, b, NULL, 1));
    DO(s, ssl_sendfile(a, b, &at, 1));
    DO(s, ssl_sendfile(a, dir, NULL, 1));
    DO(s, ssl_sendfile(a, dir, &at, 1));
    DO(s, ssl_sendfile(a, writable, NULL, 1));
    DO(s, ssl_sendfile(a, path, NULL, 1));
    DO(s, ssl_sendfile(a, -1, NULL, 1));
    DO(s, ssl_shutdown(a, SHUT_WR));
    DO(s, ssl_sendfile(a, file, &at, 10));
    NUMBER(s, at);
    close(file);
    close(p[0]);
    close(p[1]);
    close(dir);
    close(writable);
    close(path);
}

/* Non-blocking: stops, and says exactly where. */
static void file_in_pieces(struct stage *s)
{
    enum { TIMES = 60 };
    int a = s->f[0], b = s->f[1], file = file_of(90000), full = 0;
    static uint8_t in[100000];
    uint64_t sent = 0, got = 0;
    off_t at = 0;

    small_buffers(s->f);
    nonblocking(a, true);
    nonblocking(b, true);
    while (got < (uint64_t)TIMES * 90000) {
        off_t before = at;
        ssize_t n = sent < (uint64_t)TIMES * 90000 ? ssl_sendfile(a, file, &at, 90000) : -2, r;

        if (n >= 0) {
            sent += (uint64_t)n;
            assert_int_equal(at, before + n);
            at = at == 90000 ? 0 : at;
        } else if (n == -1) {
            assert_int_equal(errno, EAGAIN);
            assert_int_equal(at, before);
            full++;
        }
        ssl_poll(&(struct pollfd){ a, POLLOUT, 0 }, 1, 0);
        r = ssl_read(b, in, 90000 - got % 90000);
        if (r > 0) {
            expect_pattern(in, (size_t)r, got % 90000);
            got += (uint64_t)r;
        }
    }
    say(s, "all: %d, was full: %d\n", got == sent, full > 0);
    close(file);
}

static bool works(struct stage *s, int fd)
{
    char c = 0;

    return ssl_write(fd, "w", 1) == 1 && ssl_read(s->f[1], &c, 1) == 1 && c == 'w';
}

static void duplicating(struct stage *s)
{
    int a = s->f[0], spare = open("/dev/null", O_RDWR), d, e;
    char c;

    d = ssl_dup(a);
    NUMBER(s, works(s, d));
    DO(s, ssl_fcntl(d, F_GETFD));
    DO(s, ssl_dup2(a, 200));
    NUMBER(s, works(s, 200));
    DO(s, ssl_dup2(a, a));
    DO(s, ssl_dup3(a, a, 0));
    DO(s, ssl_dup3(a, 201, 1));
    DO(s, ssl_dup3(a, 201, O_NONBLOCK));
    DO(s, ssl_dup3(a, 201, O_CLOEXEC));
    DO(s, ssl_fcntl(201, F_GETFD));
    DO(s, ssl_dup2(a, -1));
    DO(s, ssl_dup2(a, 1 << 30));
    DO(s, ssl_dup2(-1, a)); /* a stays what it was */
    DO(s, ssl_dup3(-1, a, 0));
    DO(s, ssl_dup3(spare, a, 1));
    NUMBER(s, works(s, a));
    DO(s, ssl_fcntl(a, F_DUPFD, 300));
    DO(s, ssl_fcntl(a, F_DUPFD_CLOEXEC, 300));
    DO(s, ssl_fcntl(301, F_GETFD));
    DO(s, ssl_fcntl(a, F_DUPFD, -1));
    DO(s, ssl_fcntl(a, F_SETFL, O_NONBLOCK));
    DO(s, ssl_read(301, &c, 1)); /* the flag is the socket's */
    DO(s, ssl_fcntl(a, F_SETFL, 0));
    DO(s, ssl_close(200));
    DO(s, ssl_write(200, "x", 1));
    DO(s, ssl_dup2(spare, 201)); /* in the place of one of several */
    DO(s, ssl_write(201, "x", 1));
    DO(s, ssl_close(a));
    s->f[0] = -1;
    NUMBER(s, works(s, d));
    DO(s, ssl_close(300));
    DO(s, ssl_close(301));
    NUMBER(s, works(s, d));
    e = open("/dev/null", O_RDONLY);
    DO(s, ssl_dup2(d, e) == e);
    DO(s, ssl_close(d));
    NUMBER(s, works(s, e));
    DO(s, ssl_dup2(spare, e) == e); /* the last one: an end in order */
    DO(s, ssl_read(s->f[1], &c, 1));
    DO(s, ssl_close(e));
    DO(s, ssl_close(201));
    close(spare);
}

static FILE *stream(struct stage *s, int i, const char *mode)
{
    FILE *f = ssl_fdopen(s->f[i], mode);

    assert_non_null(f);
    NUMBER(s, fileno(f) == s->f[i]);
    s->f[i] = -1;
    return f;
}

static void reading_streams(struct stage *s)
{
    int a = s->f[0], fd = s->f[1];
    FILE *f = stream(s, 1, "r");
    char line[64];

    DO(s, ssl_write(a, "one\ntwo\nthr", 11));
    DO(s, ssl_write(a, "ee\nlast", 7));
    DO(s, ssl_shutdown(a, SHUT_WR));
    while (fgets(line, sizeof line, f)) {
        BYTES(s, line, strlen(line));
    }
    DO(s, feof(f) != 0);
    DO(s, ferror(f) != 0);
    DO(s, getc(f));
    DO(s, fputc('x', f));
    DO(s, ferror(f) != 0);
    clearerr(f);
    DO(s, fseek(f, 0, SEEK_SET));
    DO(s, ftell(f));
    DO(s, fclose(f));
    DO(s, fcntl(fd, F_GETFD));
}

static void writing_streams(struct stage *s)
{
    int b = s->f[1];
    FILE *f = stream(s, 0, "w");
    char in[64];

    DO(s, setvbuf(f, NULL, _IOFBF, 16));
    DO(s, fputs("hello ", f));
    DO(s, ssl_recv(b, in, 64, MSG_DONTWAIT));
    DO(s, fputs("world", f));
    DO(s, fflush(f));
    arrive(b, 11);
    DO(s, ssl_recv(b, in, 64, 0));
    DO(s, setvbuf(f, NULL, _IOLBF, 64));
    DO(s, fputs("line\nrest", f));
    arrive(b, 5);
    DO(s, fflush(f));
    arrive(b, 9);
    DO(s, ssl_recv(b, in, 64, 0));
    DO(s, setvbuf(f, NULL, _IONBF, 0));
    DO(s, fputc('!', f));
    DO(s, ssl_recv(b, in, 64, 0));
    DO(s, getc(f));
    DO(s, fseek(f, 5, SEEK_SET));
    DO(s, fprintf(f, "%d", 4711));
    DO(s, fclose(f));
    DO(s, ssl_recv(b, in, 64, MSG_WAITALL));
    DO(s, ssl_recv(b, in, 64, 0));
}

static void both_ways(struct stage *s)
{
    int b = s->f[1];
    FILE *f = stream(s, 0, "r+");
    char in[64];

    DO(s, fprintf(f, "HELO\r\n"));
    DO(s, fflush(f));
    DO(s, ssl_read(b, in, 64));
    DO(s, ssl_write(b, "250 hello\r\n", 11));
    DO(s, fgets(in, 64, f) != NULL);
    BYTES(s, in, 9);
    DO(s, fprintf(f, "QUIT\r\n"));
    DO(s, fflush(f));
    DO(s, ssl_read(b, in, 64));
    DO(s, ssl_write(b, "221\r\n", 5));
    DO(s, fgets(in, 64, f) != NULL);
    DO(s, fclose(f));
}

static void broken_streams(struct stage *s)
{
    FILE *f = stream(s, 0, "a"), *g;
    int fd = fileno(f);
    char c;

    ssl_fcntl(fd, F_SETFL, O_NONBLOCK);
    g = ssl_fdopen(ssl_dup(fd), "r");
    assert_non_null(g);
    errno = 0;
    DO(s, getc(g)); /* EAGAIN */
    DO(s, errno);
    DO(s, ferror(g) != 0);
    DO(s, feof(g) != 0);
    clearerr(g);
    DO(s, ssl_write(s->f[1], "x", 1));
    until_poll(fd, POLLIN);
    DO(s, getc(g));
    DO(s, fclose(g));
    DO(s, ssl_shutdown(fd, SHUT_WR));
    DO(s, fputs("lost", f));
    DO(s, fflush(f));
    DO(s, ferror(f) != 0);
    DO(s, fclose(f));
    DO(s, ssl_read(s->f[1], &c, 1));
    errno = 0;
    DO(s, ssl_fdopen(s->f[1], "q") == NULL ? -1 : 0);
    DO(s, ssl_fdopen(s->f[1], "") == NULL ? -1 : 0);
    DO(s, ssl_fdopen(-1, "r") == NULL ? -1 : 0);
}

/* What was buffered is in both processes; here only one lets it go. */
static void forked_stream(struct stage *s)
{
    FILE *f = stream(s, 0, "w");
    char in[16];
    int status;
    pid_t pid;

    DO(s, fputs("abc", f));
    pid = fork();
    if (pid == 0) {
        _exit(fileno(f) < 0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    NUMBER(s, status);
    DO(s, fclose(f));
    DO(s, ssl_recv(s->f[1], in, 16, MSG_WAITALL));
    BYTES(s, in, 3);
}

static void child_prints(struct stage *s)
{
    FILE *f = stream(s, 0, "w");
    char in[16];
    int status;
    pid_t pid;

    DO(s, fputs("abc", f));
    pid = fork();
    if (pid == 0) {
        fputs("def", f);
        exit(fclose(f) != 0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    NUMBER(s, status);
    DO(s, ssl_recv(s->f[1], in, 6, MSG_WAITALL));
    BYTES(s, in, 6);
}

static void test_scenes(void **state)
{
    static const struct scene scenes[] = {
        { "sendfile", sending_files },
        { "sendfile, non-blocking", file_in_pieces },
        { "dup", duplicating },
        { "streams: reading", reading_streams },
        { "streams: writing", writing_streams },
        { "streams: both", both_ways },
        { "streams: errors", broken_streams },
        { "streams: fork", forked_stream },
        { "streams: a child", child_prints },
    };

    (void)state;
    play_all(scenes, sizeof scenes / sizeof *scenes);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_scenes) };

    return cmocka_run_group_tests(tests, peers_setup, peers_teardown);
}
