/* SPDX-License-Identifier: ISC */
/* The program `sleeve`: one file per command, and what they share. */
#ifndef PRELOAD_LAUNCHER_LAUNCHER_H
#define PRELOAD_LAUNCHER_LAUNCHER_H
#include <stdio.h>
#include <sys/types.h>

#include "base/secret.h"
#include "preload/rules_parts.h"

/* Exit codes. `run` otherwise exits as its program does, and with 126 or 127 as shells do. */
enum {
    EXIT_FINE = 0,
    EXIT_BAD = 1,
    EXIT_REFUSED = 2, /* run */
    EXIT_UNREAD = 2,  /* inspect: bad usage, or it cannot be read */
    EXIT_CANNOT = 126,
    EXIT_NOT_FOUND = 127
};

/* Each gets argv from its own name on. */
int cmd_run(int argc, char **argv);
int cmd_audit(int argc, char **argv);
int cmd_check(int argc, char **argv);
int cmd_explain(int argc, char **argv);
int cmd_keygen(int argc, char **argv);
int cmd_inspect(int argc, char **argv);
int cmd_connect(int argc, char **argv);
int cmd_scan(int argc, char **argv);

/* "sleeve run: sentence" on stderr; returns code. */
int say(int code, const char *command, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* Bad usage: what is wrong, then the usage line; returns EXIT_BAD. */
int say_usage(const char *usage, const char *command, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Colours, only when the stream is a terminal and NO_COLOR is not set. */
enum tint { TINT_PLAIN, TINT_GOOD, TINT_WARN, TINT_BAD, TINT_DIM };
void tint(FILE *f, enum tint t);
void put_tinted(FILE *f, enum tint t, const char *text);

/* Words, with lines of 80 columns broken: `indent` columns are left free but for the margin; what
 * is before the first word stands there already. */
void put_words(const char *text, int indent, const char *margin);

/* "2026-01-31 12:00:00 UTC" */
const char *date_text(int64_t when, char text[static 32]);
/* "localhost, 127.0.0.1": the names a certificate speaks for. Returns text. */
const char *names_text(const struct cert *c, char *text, size_t size);
/* "host:port", "[v6]:port": false when it is not one. */
bool split_host_port(const char *text, char host[static POLICY_HOST_MAX], char port[static 8]);
/* Collects -r RULE: appended to *rules with a newline. False: no memory. */
bool rule_option(char **rules, const char *rule);

/* ---- files and passphrases (files.c) ---- */
struct outfile {
    char path[4096];
    struct span bytes;
    mode_t mode;
    char temp[4112];
    bool there;
};
/* All of them or, after a sentence and with EXIT_BAD, none; none that is there is written over
 * without force. */
int write_files(const char *command, struct outfile *files, size_t n, bool force);
/* May they be written? Said by write_files(), too. */
int check_new(const char *command, const struct outfile *files, size_t n, bool force);
/* From the first line of the file or, without one, from the terminal. 0, or EXIT_BAD after a
 * sentence. The caller wipes it. */
int get_passphrase(const char *command, const char *path, const char *what, bool twice,
                   char pass[static PASSPHRASE_MAX]);

/* ---- connecting (connect.c) ---- */
#define DIAL_MS 10000
/* To the first address that answers; a sentence and -1 when none does. */
int dial(const char *command, const char *host, const char *port);
/* Why a handshake failed, by the connection's error and errno. */
const char *handshake_fault(const struct error *e, int err);

/* ---- looking at a program before it is run (program.c) ---- */
#define SCRIPT_DEPTH 5
struct look {
    char path[4096]; /* what execve() will be given */
    char exe[4096];  /* what runs in the end: the interpreter of a script */
    char execfn[4096], script[4096], argv0[4096];
    struct program prog; /* points into the above */
    int skip;            /* programs that come before it in the same process: env */
    char why[4400];      /* it cannot be run, or no library can be put under it */
};
/* 0, or run's exit code and why. */
int look_at(struct look *l, char *const *argv);
struct elf;
struct stat;
/* A regular file in memory: 0, or -1 and errno; *st is zero when nothing is known of it. What was
 * mapped is given back by unmap_file(), also after a -1. */
int map_file(const char *path, struct elf *e, struct stat *st);
void unmap_file(const struct elf *e);

/* ---- starting a program (run.c) ---- */
#define START_USAGE "[-c FILE | DIR] [-r RULE]... [--] COMMAND [ARGUMENT ...]"
#define START_HELP                                                                         \
    "  -c, --config PATH  the configuration: a file, or a directory of *.conf\n"           \
    "                     (default: SLEEVE_CONFIG, ~/.config/sleeve/sleeve.conf,\n"        \
    "                     /etc/sleeve/sleeve.conf)\n"                                      \
    "  -r, --rule RULE    a rule of its own, before those of the file; may be repeated:\n" \
    "                     'client|server APP PATTERN... [KEY=VALUE]...'; APP * is any program\n\n"
#define START_GO (-1)
struct start {
    const char *config;
    char *rules; /* the caller frees it */
    char **argv; /* the command */
};
/* START_GO, or an exit code: all is said. */
int start_options(struct start *s, int argc, char **argv, const char *usage, int (*help)(void));
/* Becomes the program; an exit code after a sentence when that cannot be. */
int start_program(const struct start *s);

/* ---- insisting on a sign of life (watch.c) ---- */
/* Puts SLEEVE_HELLO in the environment and starts the watcher. Returns the descriptor the program
 * will write to, or -1. */
int watch_start(const char *name, int skip);
/* exec failed: the watcher may go. */
void watch_cancel(int fd);
#endif
