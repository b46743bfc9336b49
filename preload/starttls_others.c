/* SPDX-License-Identifier: ISC */
/* STARTTLS of the protocols that are none of lines: XMPP, LDAP, PostgreSQL. */
#include "preload/starttls_parts.h"

/* ---- XMPP (RFC 6120 section 5.4) ---- */

enum { STREAM, FEATURES, OFFER, PROCEED, PROCEEDING };
#define NS_TLS "urn:ietf:params:xml:ns:xmpp-tls"

/* A tag without its < and >. 1; 0: not all there; < 0. Between tags may be white space, between
 * those of the features also text. */
static int next_tag(struct dialog *s, struct rd *in, struct span *tag, struct error *err)
{
    uint8_t quote = 0;
    size_t at = 0, end;
    struct span skipped;

    while (at < in->n && in->p[at] != '<') {
        bool blank = in->p[at] == ' ' || (in->p[at] >= '\t' && in->p[at] <= '\r');

        if (!blank && s->state != FEATURES && s->state != OFFER) {
            return st_unclear(err, span_of(in->p + at, in->n - at));
        }
        at++;
    }
    for (end = at; end < in->n && (quote || in->p[end] != '>'); end++) {
        if (quote ? in->p[end] == quote : in->p[end] == '\'' || in->p[end] == '"') {
            quote = quote ? 0 : in->p[end];
        }
    }
    if (end >= in->n) {
        return in->n < LINE_MAX_BYTES ? 0 : FAIL(err, ERR_LIMIT, "a tag before TLS is too long");
    }
    if (!rd_bytes(in, end + 1, &skipped)) {
        return 0;
    }
    *tag = span_of(skipped.p + at + 1, end - at - 1);
    return 1;
}

static bool is_tag(struct span tag, const char *name)
{
    size_t n = strlen(name);

    return tag.n >= n && memcmp(tag.p, name, n) == 0 &&
           (tag.n == n || tag.p[n] == ' ' || tag.p[n] == '/' ||
            (tag.p[n] >= '\t' && tag.p[n] <= '\r'));
}

static bool has_text(struct span tag, const char *text)
{
    size_t n = strlen(text);

    for (size_t i = 0; i + n <= tag.n; i++) {
        if (memcmp(tag.p + i, text, n) == 0) {
            return true;
        }
    }
    return false;
}

static int xmpp_tag(struct dialog *s, struct span tag, struct buf *out, struct error *err)
{
    bool empty = tag.n && tag.p[tag.n - 1] == '/', tls = has_text(tag, NS_TLS);

    if (is_tag(tag, "stream:error") || is_tag(tag, "/stream:stream") || is_tag(tag, "failure")) {
        return st_refused(err, tag);
    }
    switch (s->state) {
    case STREAM:
        if (is_tag(tag, "?xml")) {
            return PRELUDE_MORE;
        }
        s->state = FEATURES;
        return is_tag(tag, "stream:stream") && !empty ? PRELUDE_MORE : st_unclear(err, tag);
    case FEATURES:
        s->state = OFFER;
        return is_tag(tag, "stream:features") && !empty ? PRELUDE_MORE : st_refused(err, tag);
    case OFFER:
        s->offered = s->offered || (is_tag(tag, "starttls") && tls);
        if (!is_tag(tag, "/stream:features")) {
            return PRELUDE_MORE;
        }
        if (!s->offered) {
            return FAIL(err, ERR_UNSUPPORTED, "the server does not offer STARTTLS");
        }
        s->state = PROCEED;
        return st_say(out, "<starttls xmlns='" NS_TLS "'/>") < 0 ? ERR_MEM : PRELUDE_MORE;
    case PROCEED:
        if (!is_tag(tag, "proceed") || !tls) {
            return st_unclear(err, tag);
        }
        s->state = PROCEEDING;
        return empty ? PRELUDE_DONE : PRELUDE_MORE;
    default:
        return is_tag(tag, "/proceed") ? PRELUDE_DONE : st_unclear(err, tag);
    }
}

int xmpp_bytes(struct dialog *s, struct rd *in, struct buf *out, struct error *err)
{
    struct span tag = { NULL, 0 };
    int rc = PRELUDE_MORE;

    while (rc == PRELUDE_MORE && (rc = next_tag(s, in, &tag, err)) > 0) {
        rc = xmpp_tag(s, tag, out, err);
    }
    return rc;
}

/* ---- LDAP (RFC 4511 section 4.14) ---- */

static const uint8_t ldap_request[] = "\x30\x1d\x02\x01\x01\x77\x18\x80\x16"
                                      "1.3.6.1.4.1.1466.20037";

/* A tag and its content, with a length of any definite form (RFC 4511 section 5.1). 1; 0: not all
 * there; < 0. */
static int ber(struct rd *in, unsigned tag, struct rd *inside)
{
    struct rd r = *in;
    uint32_t len;
    struct span s;
    uint8_t t, first;

    if (!rd_u8(&r, &t) || !rd_u8(&r, &first)) {
        return 0;
    }
    len = first;
    if (t != tag || first == 0x80 || first > 0x84) {
        return -1;
    }
    if (first > 0x80 && !rd_uint(&r, first & 0x7f, &len)) {
        return 0;
    }
    if (len > LINE_MAX_BYTES) {
        return -1;
    }
    if (!rd_bytes(&r, len, &s)) {
        return 0;
    }
    *in = r;
    *inside = rd_span(s);
    return 1;
}

int ldap_bytes(struct dialog *s, struct rd *in, struct buf *out, struct error *err)
{
    static const uint8_t one[] = { 1 };
    struct rd message, id, response, result, part;
    int rc;

    if (s->state == 0) {
        s->state = 1;
        return buf_append(out, ldap_request, sizeof ldap_request - 1) < 0 ? ERR_MEM : PRELUDE_MORE;
    }
    rc = in->n ? ber(in, 0x30, &message) : 0;
    if (rc == 0) {
        return PRELUDE_MORE;
    }
    /* ExtendedResponse: resultCode, matchedDN, diagnosticMessage ... */
    if (rc < 0 || ber(&message, 0x02, &id) <= 0 || id.n != 1 || memcmp(id.p, one, 1) != 0 ||
        ber(&message, 0x78, &response) <= 0 || ber(&response, 0x0a, &result) <= 0 ||
        result.n != 1 || ber(&response, 0x04, &part) <= 0 || ber(&response, 0x04, &part) <= 0) {
        return FAIL(err, ERR_PARSE, "the LDAP server's answer is not understood");
    }
    if (result.p[0] != 0) {
        return FAIL(err, ERR_UNSUPPORTED, "the server does not begin TLS: LDAP result %u %.*s",
                    result.p[0], (int)(part.n < 80 ? part.n : 80), (const char *)part.p);
    }
    return PRELUDE_DONE;
}

/* ---- PostgreSQL (protocol 3.0, "SSL Session Encryption") ---- */

#define PG_SSL 80877103U
#define PG_GSS 80877104U

int pgsql_ask(struct dialog *s, struct rd *in, struct buf *out, struct error *err)
{
    static const uint8_t request[] = { 0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f };
    uint8_t answer;

    if (s->state == 0) {
        s->state = 1;
        return buf_append(out, request, sizeof request) < 0 ? ERR_MEM : PRELUDE_MORE;
    }
    if (!rd_u8(in, &answer)) {
        return PRELUDE_MORE;
    }
    if (answer != 'S') { /* an error message, 'E', is not to be trusted nor shown */
        return answer == 'N' || answer == 'E'
                   ? FAIL(err, ERR_UNSUPPORTED, "the server does not begin TLS")
                   : FAIL(err, ERR_PARSE, "the PostgreSQL server's answer is not understood");
    }
    return PRELUDE_DONE;
}

int pgsql_serve(struct dialog *s, struct rd *in, struct buf *out, struct error *err)
{
    static const uint8_t no[] = "E\0\0\0\x38SFATAL\0C28000\0M"
                                "connections without TLS are refused\0";
    uint32_t len, code;
    struct rd r;

    for (;;) {
        r = *in;
        if (!rd_u32(&r, &len) || !rd_u32(&r, &code)) {
            return PRELUDE_MORE;
        }
        if (len != 8 || (code != PG_SSL && code != PG_GSS) || s->commands > 1) {
            break;
        }
        *in = r;
        if (code == PG_SSL) {
            return buf_append(out, "S", 1) < 0 ? ERR_MEM : PRELUDE_DONE;
        }
        s->commands++;
        TRY(buf_append(out, "N", 1)); /* no encryption by GSSAPI; it may ask for TLS now */
    }
    if (code >> 16 == 3) {
        TRY(buf_append(out, no, sizeof no));
    }
    return FAIL(err, ERR_PARSE, "the client does not ask for TLS");
}
