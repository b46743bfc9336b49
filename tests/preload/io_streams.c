/* SPDX-License-Identifier: ISC */
/* Streams on a connection. What is seen is noted; the same program on a plain socket notes the
 * same.
 */
#include "io.h"
#include <errno.h>
#include <error.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>
#include <wchar.h>

static FILE *open_stream(int fd, const char *mode)
{
    FILE *f = fdopen(fd, mode);

    CHECK(f && fileno(f) == fd);
    return f;
}

static bool quiet(int fd)
{
    return poll(&(struct pollfd){ .fd = fd, .events = POLLIN }, 1, 150) == 0;
}

static void state(const char *what, FILE *f, long result)
{
    int saved = errno;

    note("%s: %ld errno %d eof %d error %d", what, result, result < 0 ? saved : 0, feof(f) != 0,
         ferror(f) != 0);
    errno = 0;
}

static void modes(void)
{
    int fd = dial();
    FILE *r, *w;

    r = fdopen(fd, "q");
    note("no such mode: %d %d", r != NULL, errno);
    r = fdopen(-1, "r");
    note("no such descriptor: %d %d", r != NULL, errno);
    r = fdopen(900, "r+");
    note("closed: %d %d", r != NULL, errno);
    r = open_stream(fd, "re");
    w = open_stream(dup(fd), "ab");
    state("write to r", r, fputc('x', r));
    state("read from w", w, fgetc(w));
    clearerr(r);
    clearerr(w);
    note("modes: %d %d %d %d", __freadable(r) != 0, __fwritable(r) != 0, __freadable(w) != 0,
         __fwritable(w) != 0);
    fputs("line\nhello\n", w);
    state("flush", w, fflush(w));
    note("%d %d", fgetc(r), fgetc(r));
    state("seek", r, fseek(r, 1, SEEK_CUR));
    state("tell", w, ftell(w));
    state("rewind", r, (rewind(r), 0));
    note("truncate: %d", ftruncate(fd, 0));
    CHECK(fclose(w) == 0);
    CHECK(fclose(r) == 0 && fcntl(fd, F_GETFD) == -1);
}

static void buffering(void)
{
    int fd = dial();
    FILE *f = open_stream(fd, "r+");
    static char own[5000];
    char text[64];

    note("lines: %d", __flbf(f) != 0);
    fputs("line\nfull\n", f);
    note("kept: %d %zu", quiet(fd), __fpending(f));
    fflush(f);
    CHECK(fgets(text, sizeof text, f));
    note("full: %s", text);
    CHECK(setvbuf(f, NULL, _IOLBF, 0) == 0);
    fputs("line\nby", f);
    note("kept: %d %zu", quiet(fd), __fpending(f));
    fputs(" lines\n", f);
    note("kept: %d %zu", quiet(fd), __fpending(f));
    CHECK(fgets(text, sizeof text, f));
    note("lines: %s", text);
    CHECK(setvbuf(f, NULL, _IONBF, 0) == 0);
    fputs("send 5", f);
    fputc('\n', f);
    note("none: %d %zu", quiet(fd), __fpending(f));
    CHECK(fread(text, 1, 5, f) == 5);
    verify(text, 5);
    CHECK(setvbuf(f, own, _IOFBF, sizeof own) == 0);
    fprintf(f, "sink %d\n", 40000);
    for (int i = 0; i < 2000; i++) {
        CHECK(fwrite(MARK, 1, 20, f) == 20);
    }
    CHECK(fflush(f) == 0 && fgets(text, sizeof text, f));
    note("own: %s", text);
    CHECK(fclose(f) == 0);
}

/* From reading to writing and back, with and without something unread. */
static void both_ways(void)
{
    int fd = dial();
    FILE *f = open_stream(fd, "r+");
    char text[64];

    for (int i = 0; i < 50; i++) {
        fprintf(f, "line\nround %d\n", i);
        if (i % 2) {
            fflush(f);
        } else {
            fseek(f, 0, SEEK_CUR); /* the other way that the standard knows */
            clearerr(f);
            fflush(f);
        }
        CHECK(fgets(text, sizeof text, f));
        CHECK(atoi(text + 6) == i);
    }
    fputs("send 30\n", f);
    fflush(f);
    CHECK(fread(text, 1, 10, f) == 10);
    errno = 0;
    state("write with something unread", f, fputs("line\nx\n", f) < 0 ? -1 : 0);
    state("flush", f, fflush(f));
    clearerr(f);
    __fpurge(f);
    CHECK(fclose(f) == 0);
}

static void ends(void)
{
    int fd = dial();
    FILE *f = open_stream(fd, "r+");
    struct timeval tv = { .tv_usec = 100000 };
    char text[100];

    CHECK(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv) == 0);
    state("late", f, fgetc(f));
    state("still", f, fgetc(f));
    clearerr(f);
    tv.tv_usec = 0;
    CHECK(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv) == 0);
    fputs("send 40\n", f);
    fflush(f);
    set_nonblocking(fd, true);
    for (size_t got = 0; got < 40;) {
        size_t n = fread(text + got, 1, sizeof text - got, f);

        CHECK(n > 0 || ferror(f));
        got += n;
        clearerr(f);
        poll(&(struct pollfd){ .fd = fd, .events = POLLIN }, 1, 5000);
        if (got == 40) {
            state("again", f, fgetc(f));
        }
    }
    verify(text, 40);
    clearerr(f);
    set_nonblocking(fd, false);
    fputs("bye\n", f);
    fflush(f);
    state("end", f, fgetc(f));
    state("end", f, (long)fread(text, 1, 3, f));
    clearerr(f);
    state("cleared", f, 0);
    state("end again", f, fgetc(f));
    CHECK(fclose(f) == 0);
}

static void texts(void)
{
    int fd = dial(), a = 0, b = 0;
    FILE *f = open_stream(fd, "r"), *w = open_stream(dup(fd), "w");
    char word[32] = "", *line = NULL;
    size_t room = 0;
    ssize_t n;

    CHECK(ungetc('Q', f) == 'Q' && fgetc(f) == 'Q');
    fputs("line\n12 34 word\nline\nabcdefghij\nline\none:two\n", w);
    fflush(w);
    note("scan: %d", fscanf(f, "%d %d %31s ", &a, &b, word));
    note("%d %d %s", a, b, word);
    note("%d", fgetc(f));
    CHECK(ungetc('Z', f) == 'Z' && fgetc(f) == 'Z');
    note("%d", fgetc(f));
    n = getline(&line, &room, f);
    note("line: %zd %s", n, line);
    n = getdelim(&line, &room, ':', f);
    note("delimiter: %zd %s", n, line);
    n = getline(&line, &room, f);
    note("rest: %zd %s", n, line);
    free(line);
    fputs("send 3000\n", w);
    fflush(w);
    for (int i = 0; i < 3000; i++) {
        CHECK(getc_unlocked(f) == MARK[i % 20]);
    }
    CHECK(fclose(f) == 0 && fclose(w) == 0);
}

/* The three standard streams on one connection, as inetd gives them; stdout goes by lines. */
static void standard_three(void)
{
    int fd = dial(), saved[3] = { dup(0), dup(1), dup(2) };
    char name[32] = "", text[64], last[512];
    int n = 0;

    CHECK(setvbuf(stdout, NULL, _IOLBF, 0) == 0);
    for (int i = 0; i < 3; i++) {
        CHECK(dup2(fd, i) == i);
    }
    close(fd);
    puts("line\n42 bob"); /* no flush: the newline is one */
    CHECK(scanf("%d %31s", &n, name) == 2);
    CHECK(getchar() == '\n');
    fputs("line\nto the errors\n", stderr);
    CHECK(fgets(text, sizeof text, stdin));
    printf("line\nunfinished");
    error(0, ENOENT, "%s", name);
    CHECK(fgets(last, sizeof last, stdin));
    CHECK(fileno(stdin) == 0 && fileno(stdout) == 1 && fileno(stderr) == 2);
    clearerr(stdin);
    setvbuf(stdout, NULL, _IOFBF, 0);
    for (int i = 0; i < 3; i++) {
        fflush(i == 1 ? stdout : i == 2 ? stderr : NULL);
        CHECK(dup2(saved[i], i) == i);
    }
    note("%d %s%s", n, text, last);
}

static void reopened(void)
{
    int fd = dial(), other;
    FILE *f = open_stream(fd, "r+");
    char text[64] = "", path[] = "/tmp/sleeve-io-XXXXXX";

    fputs("line\nlast\n", f); /* flushed by freopen() */
    other = mkstemp(path);
    CHECK(other >= 0);
    CHECK(freopen(path, "w+", f) == f);
    note("same: %d", fileno(f) == fd);
    CHECK(fputs(MARK, f) >= 0 && fflush(f) == 0);
    note("file: %zd", pread(other, text, sizeof text, 0));
    CHECK(strcmp(text, MARK) == 0);
    rewind(f);
    CHECK(fgetc(f) == MARK[0]);
    CHECK(fclose(f) == 0 && unlink(path) == 0);
    f = freopen("/dev/null", "r", stdin);
    note("stdin: %d %d", f == stdin, fileno(stdin));
    CHECK(dup2(dial(), 0) == 0);
    CHECK(freopen("/dev/zero", "r", stdin) != NULL);
    note("stdin: %d %d", fileno(stdin), getchar());
}

/* The number below a stream is closed, and comes to name something else. */
static void closed_below(void)
{
    int fd = dial(), again;
    FILE *f = open_stream(fd, "w");

    fputs("line\nnever said\n", f);
    CHECK(close(fd) == 0);
    state("flush", f, fflush(f));
    clearerr(f);
    __fpurge(f);
    again = dial();
    note("same: %d", again == fd);
    fputs("sink 20\n" MARK, f);
    CHECK(fflush(f) == 0);
    CHECK(read(again, (char[3]){ 0 }, 3) == 3);
    CHECK(close(again) == 0);
    errno = 0;
    note("close: %d %d", fclose(f), errno);
}

static void *close_it(void *arg)
{
    return (void *)(intptr_t)fclose(arg);
}

static void *say_it(void *arg)
{
    for (int i = 0; i < 2000; i++) {
        fprintf(arg, "%s", MARK);
    }
    return NULL;
}

/* Four threads print on one stream, a fifth one closes it. */
static void shared_stream(void)
{
    int fd = dial(), copy = dup(fd);
    FILE *f = open_stream(fd, "w");
    pthread_t t[4];
    void *rc;
    char text[3];

    fprintf(f, "sink %d\n", 4 * 2000 * 20);
    for (int i = 0; i < 4; i++) {
        CHECK(pthread_create(&t[i], NULL, say_it, f) == 0);
    }
    for (int i = 0; i < 4; i++) {
        CHECK(pthread_join(t[i], NULL) == 0);
    }
    CHECK(pthread_create(&t[0], NULL, close_it, f) == 0 && pthread_join(t[0], &rc) == 0);
    CHECK(rc == NULL && fcntl(fd, F_GETFD) == -1);
    get_all(copy, text, 3);
    note("%.3s", text);
    close(copy);
}

/* What is unflushed at a fork belongs to both; a child that leaves by _exit() says nothing. */
static void unflushed_fork(void)
{
    int fd = dial(), status = -1;
    FILE *f = open_stream(fd, "w");
    char text[16] = "";
    pid_t pid;

    fputs("line\nonce\n", f);
    pid = fork();
    if (pid == 0) {
        _exit(0);
    }
    CHECK(waitpid(pid, &status, 0) == pid && status == 0);
    CHECK(fflush(f) == 0);
    get_all(fd, text, 5);
    note("%s quiet %d", text, quiet(fd));
    CHECK(fclose(f) == 0);
}

/* In which order exit() empties the streams. */
static void exit_order(void)
{
    int fd = dial();
    FILE *f, *g;

    put_all(fd, "keep\n", 5);
    f = open_stream(dup(fd), "w");
    CHECK(dup2(fd, 1) == 1);
    g = open_stream(dup(fd), "w");
    fputs("first opened\n", f);
    printf("standard\n");
    fputs("last opened\n", g);
    exit(0);
}

/* The same by quick_exit(), which empties nothing; and a line that is longer than any buffer. */
static void quick(void)
{
    int fd = dial();
    FILE *f = open_stream(fd, "w");
    char *text = malloc(100000);

    CHECK(text);
    memset(text, 'x', 100000);
    fputs("keep\n", f);
    fwrite(text, 1, 100000, f);
    fflush(f);
    fputs("never said", f);
    quick_exit(0);
}

/* Not as on a plain socket: bytes only, also when the stream has become a file's. */
static void wide(void)
{
    int fd = dial();
    FILE *f = open_stream(fd, "r+");

    CHECK(fwide(f, 1) < 0);
    CHECK(fputwc(L'x', f) == WEOF && fputws(L"xyz", f) < 0);
    CHECK(fputs("line\nbytes\n", f) >= 0 && fflush(f) == 0 && fgetc(f) == 'b');
    CHECK(freopen("/dev/null", "w", f) == f && fputwc(L'x', f) == WEOF);
    CHECK(fputs("bytes", f) >= 0 && fclose(f) == 0);
}

const struct io_case io_streams[] = {
    { "stream-modes", modes },
    { "stream-buffers", buffering },
    { "stream-both-ways", both_ways },
    { "stream-ends", ends },
    { "stream-texts", texts },
    { "stream-standard", standard_three },
    { "stream-reopened", reopened },
    { "stream-closed-below", closed_below },
    { "stream-shared", shared_stream },
    { "stream-unflushed-fork", unflushed_fork },
    { "stream-exit-order", exit_order },
    { "stream-quick-exit", quick },
    { "wide-stream", wide },
    { NULL, NULL },
};
