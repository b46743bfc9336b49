/* SPDX-License-Identifier: ISC */
/* The object and its serialised form. Both ways go through valid(): what we write we would read,
 * and what a stranger hands us (threat 38) is held to what we would write. */
#include "session/session.h"

#include "base/mem.h"
#include "base/secret.h"

/* The arrow forbids the names of handshake/settings.h. */
enum { VERSION_SSL3 = 0x0300, VERSION_10, VERSION_11, VERSION_12, VERSION_13 };
enum {
    FORMAT = 1,     /* of the serialised form: another number whenever a field changes */
    FLAG_EMS = 1,   /* the only flag */
    TEXT_MAX = 255, /* bytes of sni, alpn, name: a DNS name, a ProtocolName (RFC 7301) */
    MASTER_LEN = 48 /* RFC 5246 section 8.1 */
};

/* ---- object ---- */

struct tls_session *session_new(void)
{
    struct tls_session *s = mem_zalloc(sizeof *s);

    if (s) {
        s->refs = 1;
        s->peer_not_after = INT64_MAX;
    }
    return s;
}

struct tls_session *session_ref(struct tls_session *s)
{
    atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
    return s;
}

void session_unref(struct tls_session *s)
{
    if (!s || atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) != 1) {
        return;
    }
    mem_free(s->ticket);
    mem_free(s->sni);
    mem_free(s->alpn);
    mem_free(s->name);
    mem_free(s->peer_cert);
    mem_free_secret(s, sizeof *s);
}

/* The copy is made first: the bytes may be the field's own, and a failure changes nothing. */
int session_set_bytes(uint8_t **field, size_t *len, struct span bytes)
{
    uint8_t *copy = NULL;

    if (bytes.p && bytes.n) {
        copy = mem_dup(bytes.p, bytes.n);
        if (!copy) {
            return ERR_MEM;
        }
    }
    mem_free(*field);
    *field = copy;
    *len = copy ? bytes.n : 0;
    return 0;
}

static int set_text(char **field, struct span text)
{
    char *copy = NULL;

    if (text.n) {
        copy = mem_alloc(text.n + 1);
        if (!copy) {
            return ERR_MEM;
        }
        memcpy(copy, text.p, text.n);
        copy[text.n] = '\0';
    }
    mem_free(*field);
    *field = copy;
    return 0;
}

int session_set_text(char **field, const char *text)
{
    return set_text(field, span_of(text, text ? strlen(text) : 0));
}

bool session_fresh(const struct tls_session *s, int64_t now_ms)
{
    /* RFC 8446 section 4.6.1: never longer than seven days, whatever the server says. */
    const int64_t life = s->lifetime < SESSION_LIFE_MAX ? s->lifetime : SESSION_LIFE_MAX;

    return s->made >= 0 && now_ms >= s->made && now_ms - s->made < life * 1000 &&
           now_ms / 1000 <= s->peer_not_after; /* notAfter is inclusive (RFC 5280 4.1.2.5) */
}

/* ---- what may be written and read ---- */

static bool fits(const char *text)
{
    return !text || strnlen(text, TEXT_MAX + 1) <= TEXT_MAX;
}

/* What one version alone has is zero in the other. */
static bool valid_for_version(const struct tls_session *s)
{
    switch (s->version) {
    case VERSION_SSL3:
    case VERSION_10:
    case VERSION_11:
    case VERSION_12:
        return s->secret_len == MASTER_LEN && s->age_add == 0 && s->max_early == 0;
    case VERSION_13:
        /* As long as the digest of the suite (RFC 8446 section 4.6.1). */
        return (s->secret_len == hash_size(HASH_SHA256) ||
                s->secret_len == hash_size(HASH_SHA384)) &&
               s->id_len == 0 && !s->ems && s->max_fragment == 0;
    default:
        return false;
    }
}

static bool valid(const struct tls_session *s)
{
    return valid_for_version(s) && s->suite != 0 && s->id_len <= SESSION_ID_MAX && s->made >= 0 &&
           s->lifetime <= SESSION_LIFE_MAX && fragment_is_legal(s->max_fragment) &&
           s->ticket_len <= SESSION_TICKET_MAX && fits(s->sni) && fits(s->alpn) && fits(s->name);
}

/* ---- write ---- */

static void put_text(struct wr *w, const char *text)
{
    wr_vec(w, 1, text, text ? strlen(text) : 0);
}

static void put(struct wr *w, const struct tls_session *s)
{
    wr_u8(w, FORMAT);
    wr_u16(w, s->version);
    wr_u16(w, s->suite);
    wr_u16(w, s->group);
    wr_u8(w, s->ems ? FLAG_EMS : 0);
    wr_vec(w, 1, s->secret, s->secret_len);
    wr_vec(w, 1, s->id, s->id_len);
    wr_bytes(w, s->context, sizeof s->context);
    wr_u64(w, (uint64_t)s->made);
    wr_u32(w, s->lifetime);
    wr_u64(w, (uint64_t)s->peer_not_after);
    wr_u32(w, s->age_add);
    wr_u32(w, s->max_early);
    wr_u16(w, s->max_fragment);
    wr_vec(w, 2, s->ticket, s->ticket_len);
    put_text(w, s->sni);
    put_text(w, s->alpn);
    put_text(w, s->name);
    wr_vec(w, 3, s->peer_cert, s->peer_cert_len);
}

int session_write(const struct tls_session *s, struct buf *out)
{
    /* The fixed fields are smaller in there than in memory, the texts have their limit. */
    size_t room = sizeof *s + (3 * TEXT_MAX);
    struct wr w;

    if (!valid(s)) {
        return ERR_ARG;
    }
    if (s->peer_cert_len > SESSION_SERIAL_MAX || s->ticket_len > SESSION_SERIAL_MAX) {
        return ERR_LIMIT;
    }
    room += s->ticket_len + s->peer_cert_len;
    room = room < SESSION_SERIAL_MAX ? room : SESSION_SERIAL_MAX;
    TRY(buf_reserve(out, room));
    out->secret = true;
    w = wr_of(buf_tail(out), room);
    put(&w, s);
    if (!wr_ok(&w)) {
        wipe(buf_tail(out), w.len);
        return ERR_LIMIT;
    }
    buf_added(out, w.len);
    return 0;
}

/* ---- parse ---- */

MUST_CHECK static bool get_i64(struct rd *r, int64_t *v)
{
    uint64_t u;

    if (!rd_u64(r, &u)) {
        return false;
    }
    *v = (int64_t)u;
    return true;
}

/* A vector that has its place in an array of fixed size. */
MUST_CHECK static bool get_array(struct rd *r, uint8_t *to, size_t max, uint8_t *len)
{
    struct rd in;

    if (!rd_vec(r, 1, &in) || in.n > max) {
        return false;
    }
    *len = (uint8_t)in.n;
    return rd_copy(&in, to, in.n);
}

MUST_CHECK static bool get_fixed(struct rd *r, struct tls_session *s)
{
    uint8_t format, flags;

    if (!rd_u8(r, &format) || format != FORMAT || !rd_u16(r, &s->version) ||
        !rd_u16(r, &s->suite) || !rd_u16(r, &s->group) || !rd_u8(r, &flags) ||
        (flags & ~FLAG_EMS) != 0) {
        return false;
    }
    s->ems = flags == FLAG_EMS;
    return get_array(r, s->secret, sizeof s->secret, &s->secret_len) &&
           get_array(r, s->id, sizeof s->id, &s->id_len) &&
           rd_copy(r, s->context, sizeof s->context) && get_i64(r, &s->made) &&
           rd_u32(r, &s->lifetime) && get_i64(r, &s->peer_not_after) && rd_u32(r, &s->age_add) &&
           rd_u32(r, &s->max_early) && rd_u16(r, &s->max_fragment);
}

static int get_bytes(struct rd *r, size_t width, uint8_t **field, size_t *len)
{
    struct rd in;

    return rd_vec(r, width, &in) ? session_set_bytes(field, len, span_of(in.p, in.n)) : ERR_PARSE;
}

static int get_text(struct rd *r, char **field)
{
    struct rd in;

    /* A NUL inside would make two names of one (threat 38). */
    if (!rd_vec(r, 1, &in) || (in.n && memchr(in.p, 0, in.n))) {
        return ERR_PARSE;
    }
    return set_text(field, span_of(in.p, in.n));
}

static int get(struct rd *r, struct tls_session *s)
{
    if (!get_fixed(r, s)) {
        return ERR_PARSE;
    }
    TRY(get_bytes(r, 2, &s->ticket, &s->ticket_len));
    TRY(get_text(r, &s->sni));
    TRY(get_text(r, &s->alpn));
    TRY(get_text(r, &s->name));
    TRY(get_bytes(r, 3, &s->peer_cert, &s->peer_cert_len));
    return rd_done(r) && valid(s) ? 0 : ERR_PARSE;
}

int session_parse(struct tls_session **out, struct span bytes)
{
    struct rd r = rd_span(bytes);
    struct tls_session *s;
    int rc;

    if (bytes.n > SESSION_SERIAL_MAX) {
        return ERR_PARSE;
    }
    s = session_new();
    if (!s) {
        return ERR_MEM;
    }
    rc = get(&r, s);
    if (rc < 0) {
        session_unref(s);
        return rc;
    }
    *out = s;
    return 0;
}
