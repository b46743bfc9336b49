/* SPDX-License-Identifier: ISC */
/* A line of the log is a list of pairs, and from the same list come text and JSON. */
#ifndef PRELOAD_LOG_H
#define PRELOAD_LOG_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <syslog.h>

struct pair {
    enum { PAIR_END, PAIR_TEXT, PAIR_LABEL, PAIR_NUMBER, PAIR_BOOL } kind;
    const char *key;
    const char *text; /* NULL or "": none. Any bytes */
    uint64_t number;
};

static inline struct pair pair_text(const char *key, const char *text)
{
    return (struct pair){ .kind = PAIR_TEXT, .key = key, .text = text };
}
/* Without its key in text: "handshake: ..." */
static inline struct pair pair_label(const char *key, const char *text)
{
    return (struct pair){ .kind = PAIR_LABEL, .key = key, .text = text };
}
static inline struct pair pair_number(const char *key, uint64_t number)
{
    return (struct pair){ .kind = PAIR_NUMBER, .key = key, .number = number };
}
static inline struct pair pair_bool(const char *key, bool b)
{
    return (struct pair){ .kind = PAIR_BOOL, .key = key, .number = b };
}
#define PAIRS(...) ((const struct pair[]){ __VA_ARGS__, { .kind = PAIR_END } })

/* ---- log.c ---- */
/* level: LOG_INFO or LOG_WARNING of <syslog.h>. The sentence "%s" of an empty string is none. errno
 * is kept; nothing waits. */
void log_event(int level, const struct pair *pairs, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
bool log_wanted(void); /* somebody reads what log_event() is told */

/* ---- log_format.c ---- */
#define LOG_LINE 4096 /* PIPE_BUF: a line goes into a pipe whole */
struct log_line {
    char text[LOG_LINE];
    size_t n, most;
    bool json, first;
};
void log_line_begin(struct log_line *l, bool json);
void log_line_pairs(struct log_line *l, const struct pair *pairs);
void log_line_end(struct log_line *l, const char *reason); /* "": none. Puts no newline behind */

/* ---- log_sink.c: where lines go ---- */
void log_sink_open(const char *where, size_t n); /* what stands in front of the kinds of trace */
bool log_sink_there(void);
bool log_sink_json(void);
/* So many lines found no room since one last went through: for the next to tell. */
uint64_t log_sink_take_dropped(void);
/* l has room for a newline. told: the drops that it speaks of, which count again if it fails. */
void log_sink_put(struct log_line *l, int level, uint64_t told);
#endif
