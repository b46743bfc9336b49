/* SPDX-License-Identifier: ISC */
/* Where peer_engine leaves what it knows: sessions in files, errors and key material on standard
 * error. */
#ifndef INTEROP_PEER_FILES_H
#define INTEROP_PEER_FILES_H
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "engine.h"

_Noreturn static inline void die(const char *what, const char *why)
{
    fprintf(stderr, "error %s: %s\n", what, why);
    exit(1);
}

static inline void must(int rc, const char *what, const struct error *err)
{
    if (rc < 0) {
        die(what, err && err->code ? err->text : error_name(rc));
    }
}

/* ---- sessions in files ---- */
static inline struct tls_session *session_read(const char *path)
{
    static uint8_t bytes[SESSION_SERIAL_MAX];
    struct tls_session *s = NULL;
    FILE *f = path ? fopen(path, "rb") : NULL;

    if (f) {
        must(session_parse(&s, span_of(bytes, fread(bytes, 1, sizeof bytes, f))), path, NULL);
        fclose(f);
    } else if (path) {
        die(path, strerror(errno));
    }
    return s;
}

static inline void session_leave(const struct tls *t, const char *path)
{
    struct tls_session *s = path ? tls_session(t) : NULL;
    struct buf b = { 0 };
    FILE *f;

    if (!s) {
        return;
    }
    must(session_write(s, &b), "session", NULL);
    f = fopen(path, "wb");
    if (!f || fwrite(buf_data(&b), 1, buf_len(&b), f) != buf_len(&b) || fclose(f) != 0) {
        die(path, "cannot be written");
    }
    buf_free(&b);
    session_unref(s);
}

/* ---- what it could be bound to ---- */
static inline void report_bytes(const char *what, int rc, const uint8_t *p, size_t n)
{
    fprintf(stderr, "%s ", what);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        fprintf(stderr, "%02x", p[i]);
    }
    fprintf(stderr, "%s\n", rc == 0 ? "" : error_name(rc));
}

static inline void report_exports(const struct tls *t, const char *label, const char *context)
{
    static const char *const names[] = { "tls-exporter", "tls-server-end-point" };
    uint8_t out[64];

    report_bytes("export", tls_export(t, label, span_text(context), context, out, 40), out, 40);
    for (int i = 0; i < 2; i++) {
        size_t n = sizeof out;
        int rc = tls_channel_binding(t, i ? TLS_BINDING_END_POINT : TLS_BINDING_EXPORTER, out, &n);

        report_bytes(names[i], rc, out, n);
    }
}
#endif
