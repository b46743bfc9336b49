/* SPDX-License-Identifier: ISC */
/* Names, lists and extensions of a described message. */
#include <stdarg.h>
#include <stdio.h>

#include "handshake/describe_local.h"

void line_add(struct line *o, const char *fmt, ...)
{
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(o->text + o->n, o->room - o->n, fmt, ap);
    va_end(ap);
    if (n < 0 || (size_t)n >= o->room - o->n) {
        o->cut = true;
        o->n = o->room - 1;
    } else {
        o->n += (size_t)n;
    }
}

void line_add_text(struct line *o, const char *what, struct span text)
{
    char copy[TEXT_MAX + 1];
    size_t n = text.n < TEXT_MAX ? text.n : TEXT_MAX;

    for (size_t i = 0; i < n; i++) {
        const uint8_t c = text.p[i];

        copy[i] = (char)(c < ' ' || c > '~' || c == '"' || c == '\\' ? '?' : c);
    }
    copy[n] = '\0';
    line_add(o, "%s\"%s\"%s", what, copy, n < text.n ? "..." : "");
}

/* ---- numbers and their names ---- */

const char *name_of_version(unsigned v)
{
    static const char *const names[] = { "SSLv3", "TLSv1.0", "TLSv1.1", "TLSv1.2", "TLSv1.3" };

    return v >= 0x0300 && v - 0x0300 < 5 ? names[v - 0x0300] : NULL;
}

const char *name_of_suite(unsigned id)
{
    const struct suite *s = suite_by_id((uint16_t)id);

    if (id == 0x00ff) {
        return "TLS_EMPTY_RENEGOTIATION_INFO_SCSV";
    }
    if (id == 0x5600) {
        return "TLS_FALLBACK_SCSV";
    }
    return s ? s->name : NULL;
}

const char *name_of_group(unsigned id)
{
    const struct group *g = group_by_id((uint16_t)id);

    return g ? g->name : NULL;
}

const char *name_of_scheme(unsigned id)
{
    const struct scheme *s = scheme_by_id((uint16_t)id);

    return s ? s->name : NULL;
}

void line_add_id(struct line *o, name_fn *name, unsigned id)
{
    const char *text = name(id);

    if (text) {
        line_add(o, " %s", text);
    } else {
        line_add(o, " 0x%04x", id);
    }
}

bool line_add_ids(struct line *o, const char *what, name_fn *name, struct rd list, size_t width)
{
    uint32_t id;

    line_add(o, ", %s", what);
    for (unsigned n = 0; !rd_done(&list); n++) {
        if (!rd_uint(&list, width, &id)) {
            return false;
        }
        if (n < LIST_MAX) {
            line_add_id(o, name, id);
        } else if (n == LIST_MAX) {
            line_add(o, " ...");
        }
    }
    return true;
}

/* ---- extensions ---- */

static bool ids_of(struct line *o, const char *what, name_fn *name, struct rd *body, size_t width)
{
    struct rd list;

    return rd_vec(body, width, &list) && line_add_ids(o, what, name, list, 2);
}

static bool ext_sni(struct line *o, enum place where, struct rd *body)
{
    struct rd list, name;
    uint8_t type;

    if (where != IN_CLIENT) {
        line_add(o, ", sni accepted");
        return true;
    }
    if (!rd_vec(body, 2, &list) || !rd_u8(&list, &type) || !rd_vec(&list, 2, &name)) {
        return false;
    }
    line_add_text(o, ", sni ", span_of(name.p, name.n));
    return true;
}

static bool ext_status(struct line *o, enum place where, struct rd *body)
{
    struct span rest;

    (void)where;
    line_add(o, ", status_request");
    return rd_bytes(body, body->n, &rest);
}

static bool ext_groups(struct line *o, enum place where, struct rd *body)
{
    (void)where;
    return ids_of(o, "groups", name_of_group, body, 2);
}

static bool ext_schemes(struct line *o, enum place where, struct rd *body)
{
    (void)where;
    return ids_of(o, "schemes", name_of_scheme, body, 2);
}

static bool ext_alpn(struct line *o, enum place where, struct rd *body)
{
    struct rd list, name;

    (void)where;
    if (!rd_vec(body, 2, &list)) {
        return false;
    }
    line_add(o, ", alpn");
    while (!rd_done(&list)) {
        if (!rd_vec(&list, 1, &name)) {
            return false;
        }
        line_add_text(o, " ", span_of(name.p, name.n));
    }
    return true;
}

static bool ext_fragment(struct line *o, enum place where, struct rd *body)
{
    uint8_t code;

    (void)where;
    if (!rd_u8(body, &code)) {
        return false;
    }
    line_add(o, ", max_fragment_length %u", code >= 1 && code <= 4 ? 256u << code : 0);
    return true;
}

/* RFC 5077 section 3.2: empty asks for one. */
static bool ext_ticket(struct line *o, enum place where, struct rd *body)
{
    const size_t n = body->n;
    struct span rest;

    if (where == IN_CLIENT && n) {
        line_add(o, ", ticket of %zu bytes", n);
    } else {
        line_add(o, where == IN_CLIENT ? ", asks for a ticket" : ", promises a ticket");
    }
    return rd_bytes(body, n, &rest);
}

/* RFC 8446 section 4.2.11 */
static bool ext_psk(struct line *o, enum place where, struct rd *body)
{
    struct rd identities, binders, identity;
    unsigned n = 0;
    uint32_t age;
    uint16_t chosen;

    if (where == IN_SERVER) {
        if (!rd_u16(body, &chosen)) {
            return false;
        }
        line_add(o, ", psk %u accepted", chosen);
        return true;
    }
    if (!rd_vec(body, 2, &identities) || !rd_vec(body, 2, &binders)) {
        return false;
    }
    for (; !rd_done(&identities); n++) {
        if (!rd_vec(&identities, 2, &identity) || !rd_u32(&identities, &age)) {
            return false;
        }
        if (n == 0) {
            line_add(o, ", ticket of %zu bytes", identity.n);
        }
    }
    if (n > 1) {
        line_add(o, " and %u more", n - 1);
    }
    return true;
}

static bool ext_versions(struct line *o, enum place where, struct rd *body)
{
    uint16_t v;

    if (where == IN_CLIENT) {
        return ids_of(o, "versions", name_of_version, body, 1);
    }
    if (!rd_u16(body, &v)) {
        return false;
    }
    line_add(o, ", selects");
    line_add_id(o, name_of_version, v);
    return true;
}

static bool ext_shares(struct line *o, enum place where, struct rd *body)
{
    struct rd list, share;
    uint16_t group;

    line_add(o, ", share");
    if (where != IN_CLIENT) { /* one share, or in a HelloRetryRequest the group asked for */
        if (!rd_u16(body, &group)) {
            return false;
        }
        line_add_id(o, name_of_group, group);
        return rd_done(body) || rd_vec(body, 2, &share);
    }
    if (!rd_vec(body, 2, &list)) {
        return false;
    }
    while (!rd_done(&list)) {
        if (!rd_u16(&list, &group) || !rd_vec(&list, 2, &share)) {
            return false;
        }
        line_add_id(o, name_of_group, group);
    }
    return true;
}

static bool ext_early(struct line *o, enum place where, struct rd *body)
{
    uint32_t max;

    (void)where;
    line_add(o, ", early_data");
    if (rd_done(body)) {
        return true;
    }
    if (!rd_u32(body, &max)) { /* in a NewSessionTicket */
        return false;
    }
    line_add(o, " of %u bytes", max);
    return true;
}

/* No handler: the name and nothing else. */
static const struct {
    uint16_t id;
    const char *name;
    bool (*say)(struct line *o, enum place where, struct rd *body);
} extensions[] = {
    { 0, "server_name", ext_sni },
    { 1, "max_fragment_length", ext_fragment },
    { 5, "status_request", ext_status },
    { 10, "supported_groups", ext_groups },
    { 11, "ec_point_formats", NULL },
    { 13, "signature_algorithms", ext_schemes },
    { 16, "application_layer_protocol_negotiation", ext_alpn },
    { 18, "signed_certificate_timestamp", NULL },
    { 21, "padding", NULL },
    { 22, "encrypt_then_mac", NULL },
    { 23, "extended_master_secret", NULL },
    { 27, "compress_certificate", NULL },
    { 28, "record_size_limit", NULL },
    { 35, "session_ticket", ext_ticket },
    { 41, "pre_shared_key", ext_psk },
    { 42, "early_data", ext_early },
    { 43, "supported_versions", ext_versions },
    { 44, "cookie", NULL },
    { 45, "psk_key_exchange_modes", NULL },
    { 47, "certificate_authorities", NULL },
    { 48, "oid_filters", NULL },
    { 49, "post_handshake_auth", NULL },
    { 50, "signature_algorithms_cert", NULL },
    { 51, "key_share", ext_shares },
    { 0xfe0d, "encrypted_client_hello", NULL },
    { 0xff01, "renegotiation_info", NULL },
};
#define NEXTENSIONS (sizeof extensions / sizeof *extensions)

static bool say_extension(struct line *o, enum place where, uint16_t id, struct rd *body)
{
    size_t i = 0;

    while (i < NEXTENSIONS && extensions[i].id != id) {
        i++;
    }
    if (i == NEXTENSIONS) {
        line_add(o, ", extension 0x%04x", id);
    } else if (!extensions[i].say) {
        line_add(o, ", %s", extensions[i].name);
    } else {
        return extensions[i].say(o, where, body) && rd_done(body);
    }
    return true;
}

bool line_add_extensions(struct line *o, enum place where, struct rd *body)
{
    struct rd all, one;
    uint16_t id;

    if (rd_done(body)) {
        return true;
    }
    if (!rd_vec(body, 2, &all)) {
        return false;
    }
    while (!rd_done(&all)) {
        if (!rd_u16(&all, &id) || !rd_vec(&all, 2, &one) || !say_extension(o, where, id, &one)) {
            return false;
        }
    }
    return true;
}
