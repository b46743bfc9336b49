/* SPDX-License-Identifier: ISC */
/* Writing files so that there are all of them or none, and getting a passphrase. */
#include <bsd/readpassphrase.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "preload/launcher/launcher.h"

/* ---- files ---- */

/* Complete and durable, under a name of its own: a crash leaves the old file or the new one. */
static int stage(struct outfile *f)
{
    size_t done = 0;
    int fd, rc = -1, saved;

    (void)snprintf(f->temp, sizeof f->temp, "%s.tmp.XXXXXX", f->path);
    fd = mkostemp(f->temp, O_CLOEXEC); /* readable to its owner only */
    if (fd < 0) {
        f->temp[0] = '\0';
        return -1;
    }
    while (done < f->bytes.n) {
        ssize_t n = write(fd, f->bytes.p + done, f->bytes.n - done);

        if (n < 0 && errno != EINTR) {
            break;
        }
        done += n > 0 ? (size_t)n : 0;
    }
    if (done == f->bytes.n && fchmod(fd, f->mode) == 0 && fsync(fd) == 0) {
        rc = 0;
    }
    saved = errno;
    if (close(fd) < 0 && rc == 0) {
        return -1;
    }
    errno = saved;
    return rc;
}

/* Without force, link() is what refuses to overwrite. */
static int publish(struct outfile *f, bool force)
{
    if ((force ? rename(f->temp, f->path) : link(f->temp, f->path)) < 0) {
        return -1;
    }
    f->there = true;
    if (force) {
        f->temp[0] = '\0';
    }
    return 0;
}

/* The names themselves are durable when their directory is. Some filesystems cannot say. */
static void sync_directory(const char *path)
{
    char *dir = strdup(path), *slash = dir ? strrchr(dir, '/') : NULL;
    int fd;

    if (slash) {
        slash[1] = '\0';
    }
    fd = dir ? open(slash ? dir : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (fd >= 0) {
        (void)fsync(fd);
        close(fd);
    }
    free(dir);
}

int check_new(const char *command, const struct outfile *files, size_t n, bool force)
{
    struct stat st;

    for (size_t i = 0; i < n; i++) {
        if (lstat(files[i].path, &st) < 0) {
            continue;
        }
        if (S_ISDIR(st.st_mode)) {
            return say(EXIT_BAD, command, "%s is a directory", files[i].path);
        }
        if (!force) {
            return say(EXIT_BAD, command, "%s is there already; --force writes over it",
                       files[i].path);
        }
    }
    return 0;
}

static int write_all(const char *command, struct outfile *files, size_t n, bool force)
{
    size_t i = 0;

    while (i < n && stage(&files[i]) == 0) {
        i++;
    }
    if (i == n) {
        for (i = 0; i < n && publish(&files[i], force) == 0;) {
            i++;
        }
    }
    return i == n ? 0 : say(EXIT_BAD, command, "%s: %s", files[i].path, strerror(errno));
}

int write_files(const char *command, struct outfile *files, size_t n, bool force)
{
    sigset_t block, before;
    int rc = check_new(command, files, n, force);

    if (rc) {
        return rc;
    }
    /* Neither ^C nor a limit on the size of files leaves half of them. */
    (void)sigemptyset(&block);
    (void)sigaddset(&block, SIGINT);
    (void)sigaddset(&block, SIGTERM);
    (void)sigaddset(&block, SIGHUP);
    (void)sigaddset(&block, SIGXFSZ);
    (void)sigprocmask(SIG_BLOCK, &block, &before);
    (void)signal(SIGXFSZ, SIG_IGN);
    rc = write_all(command, files, n, force);
    for (size_t i = 0; i < n; i++) {
        if (files[i].temp[0]) {
            (void)unlink(files[i].temp);
        }
        if (rc && files[i].there && !force) {
            (void)unlink(files[i].path);
        }
        sync_directory(files[i].path);
    }
    (void)sigprocmask(SIG_SETMASK, &before, NULL);
    return rc;
}

/* ---- passphrases ---- */

static int read_line(const char *command, const char *path, char pass[static PASSPHRASE_MAX])
{
    struct error err = { 0 };

    if (passphrase_read(path, pass, &err) < 0) {
        return say(EXIT_BAD, command, "%s", err.text);
    }
    return *pass ? 0 : say(EXIT_BAD, command, "the first line of %s is no passphrase", path);
}

int get_passphrase(const char *command, const char *path, const char *what, bool twice,
                   char pass[static PASSPHRASE_MAX])
{
    SECRET(again, PASSPHRASE_MAX);
    char prompt[300];

    if (path) {
        return read_line(command, path, pass);
    }
    (void)snprintf(prompt, sizeof prompt, "passphrase for %.200s: ", what);
    if (!readpassphrase(prompt, pass, PASSPHRASE_MAX, RPP_REQUIRE_TTY)) {
        return say(EXIT_BAD, command,
                   "%s needs a passphrase and there is no terminal to ask for it; --passphrase "
                   "FILE gives it",
                   what);
    }
    if (*pass == '\0' || strlen(pass) >= PASSPHRASE_MAX - 1) {
        return say(EXIT_BAD, command, "that is no passphrase: it is empty, or too long");
    }
    if (twice &&
        (!readpassphrase("the same again: ", (char *)again, sizeof again, RPP_REQUIRE_TTY) ||
         strcmp(pass, (char *)again) != 0)) {
        return say(EXIT_BAD, command, "the two passphrases are not the same");
    }
    return 0;
}
