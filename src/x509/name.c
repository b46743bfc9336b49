/* SPDX-License-Identifier: ISC */
/* Names: distinguished names for people, and whether a certificate speaks for a host (RFC 9525).
 * threat 32: names are compared by length, never as C strings; only LDH labels count; a wildcard is
 * the whole left-most label; an address is never a DNS name; the common name is not looked at. */
#include <arpa/inet.h>

#include "x509/parts.h"

/* ---- distinguished names ---- */

bool name_next_rdn(struct rd *name, struct rd *rdn)
{
    return der_get(name, DER_SET, rdn);
}

bool name_next_attribute(struct rd *rdn, struct span *oid, uint8_t *tag, struct span *value)
{
    struct rd t = *rdn, pair, in;

    if (!der_get(&t, DER_SEQUENCE, &pair) || !der_oid(&pair, oid) || !der_any(&pair, tag, &in) ||
        !rd_done(&pair)) {
        return false;
    }
    *value = span_of(in.p, in.n);
    *rdn = t;
    return true;
}

bool name_is_wellformed(struct span name)
{
    struct rd r = rd_span(name), rdns, rdn;
    struct span oid, value;
    uint8_t tag;

    if (!der_get(&r, DER_SEQUENCE, &rdns) || !rd_done(&r)) {
        return false;
    }
    while (!rd_done(&rdns)) {
        if (!name_next_rdn(&rdns, &rdn) || rd_done(&rdn)) {
            return false;
        }
        while (!rd_done(&rdn)) {
            if (!name_next_attribute(&rdn, &oid, &tag, &value)) {
                return false;
            }
        }
    }
    return true;
}

struct text {
    char *p;
    size_t n, size;
};

static void put_char(struct text *t, char c)
{
    if (t->n + 1 < t->size) {
        t->p[t->n++] = c;
    }
}

static void put_attribute(struct text *t, struct span oid, struct span value)
{
    static const struct {
        struct span oid;
        const char *name;
    } rows[] = {
        { OID_SPAN("\x55\x04\x03"), "CN" },
        { OID_SPAN("\x55\x04\x05"), "serialNumber" },
        { OID_SPAN("\x55\x04\x06"), "C" },
        { OID_SPAN("\x55\x04\x07"), "L" },
        { OID_SPAN("\x55\x04\x08"), "ST" },
        { OID_SPAN("\x55\x04\x0a"), "O" },
        { OID_SPAN("\x55\x04\x0b"), "OU" },
        { OID_SPAN("\x09\x92\x26\x89\x93\xf2\x2c\x64\x01\x01"), "UID" },
        { OID_SPAN("\x09\x92\x26\x89\x93\xf2\x2c\x64\x01\x19"), "DC" },
        { OID_SPAN("\x2a\x86\x48\x86\xf7\x0d\x01\x09\x01"), "emailAddress" },
    };
    const char *name = "?";

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        name = span_eq(oid, rows[i].oid) ? rows[i].name : name;
    }
    while (*name) {
        put_char(t, *name++);
    }
    put_char(t, '=');
    for (size_t i = 0; i < value.n; i++) {
        char c = (char)value.p[i];

        /* A name must not look like two. */
        if (c == ',' || c == '\\') {
            put_char(t, '\\');
        }
        put_char(t, c >= 0x20 && c < 0x7f ? c : '?');
    }
}

char *cert_name_text(struct span name, char *text, size_t size)
{
    struct text t = { .p = text, .size = size };
    struct rd r = rd_span(name), rdns, rdn, order[16];
    struct span oid, value;
    size_t n = 0;
    uint8_t tag;

    /* RFC 4514: last part first. */
    if (der_get(&r, DER_SEQUENCE, &rdns)) {
        while (n < sizeof order / sizeof *order && name_next_rdn(&rdns, &order[n])) {
            n++;
        }
    }
    while (n-- > 0) {
        for (rdn = order[n]; name_next_attribute(&rdn, &oid, &tag, &value);) {
            if (t.n) {
                put_char(&t, ',');
                put_char(&t, ' ');
            }
            put_attribute(&t, oid, value);
        }
    }
    for (const char *none = t.n ? "" : "(no name)"; *none; none++) {
        put_char(&t, *none);
    }
    if (size) {
        text[t.n] = '\0';
    }
    return text;
}

/* ---- DNS names ---- */

static uint8_t lower(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? (uint8_t)(c + 32) : c;
}

bool ascii_equal_nocase(struct span a, struct span b)
{
    if (a.n != b.n) {
        return false;
    }
    for (size_t i = 0; i < a.n; i++) {
        if (lower(a.p[i]) != lower(b.p[i])) {
            return false;
        }
    }
    return true;
}

/* Letters, digits, underscore; a hyphen neither first nor last; 1 to 63 bytes (RFC 5890 2.3.1). */
static bool label_is_wellformed(struct span label)
{
    if (label.n < 1 || label.n > 63 || label.p[0] == '-' || label.p[label.n - 1] == '-') {
        return false;
    }
    for (size_t i = 0; i < label.n; i++) {
        uint8_t c = lower(label.p[i]);

        if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && c != '-' && c != '_') {
            return false;
        }
    }
    return true;
}

/* "127.1" and "0x7f000001" are addresses to many resolvers: a last label that reads as a number
 * makes a name that is none. */
static bool label_is_number(struct span label)
{
    bool hex = label.n >= 2 && label.p[0] == '0' && lower(label.p[1]) == 'x';

    for (size_t i = hex ? 2 : 0; i < label.n; i++) {
        uint8_t c = lower(label.p[i]);

        if (!(c >= '0' && c <= '9') && !(hex && c >= 'a' && c <= 'f')) {
            return false;
        }
    }
    return true;
}

static struct span first_label(struct span name)
{
    size_t n = 0;

    while (n < name.n && name.p[n] != '.') {
        n++;
    }
    return span_of(name.p, n);
}

bool dns_take_label(struct span *name)
{
    struct rd r = rd_span(*name);
    struct span skipped;

    if (!rd_bytes(&r, first_label(*name).n + 1, &skipped)) {
        return false;
    }
    *name = span_of(r.p, r.n);
    return true;
}

bool dns_is_wellformed(struct span name)
{
    struct span label;

    if (name.n > 253) {
        return false;
    }
    do {
        label = first_label(name);
        if (!label_is_wellformed(label)) {
            return false;
        }
    } while (dns_take_label(&name));
    return !label_is_number(label);
}

bool dns_take_wildcard(struct span *name)
{
    return name->n >= 2 && name->p[0] == '*' && name->p[1] == '.' && dns_take_label(name);
}

/* RFC 9525 section 6.3. A wildcard stands for one whole label and needs two more behind it:
 * "*.test" and "*.com" speak for nobody. The host is well-formed, so whatever equals it is as well.
 */
static enum name_fit dns_fit(struct span pattern, struct span host)
{
    struct span rest;

    if (!dns_take_wildcard(&pattern)) {
        return ascii_equal_nocase(pattern, host) ? NAME_EXACT : NAME_NONE;
    }
    rest = pattern;
    return dns_take_label(&rest) && dns_take_label(&host) && ascii_equal_nocase(pattern, host)
               ? NAME_WILDCARD
               : NAME_NONE;
}

/* ---- hosts ---- */

/* 4 or 16 bytes, or 0: not an address. */
static size_t parse_ip(const char *host, uint8_t ip[static 16])
{
    if (inet_pton(AF_INET, host, ip) == 1) {
        return 4;
    }
    return inet_pton(AF_INET6, host, ip) == 1 ? 16 : 0;
}

/* Without the one dot that may end an absolute name. */
static struct span host_span(const char *host)
{
    size_t n = strlen(host);

    return span_of(host, n > 1 && host[n - 1] == '.' ? n - 1 : n);
}

bool host_is_ip(const char *host)
{
    uint8_t ip[16];

    return host && parse_ip(host, ip) != 0;
}

bool host_is_valid(const char *host)
{
    return host && (host_is_ip(host) || dns_is_wellformed(host_span(host)));
}

/* "a.test, b.test" for the sentence. */
static void list_names(const struct cert *c, char *text, size_t size)
{
    struct text t = { .p = text, .size = size };
    struct rd names = rd_span(c->san), name;
    char ip[INET6_ADDRSTRLEN];
    uint8_t tag;

    while (der_any(&names, &tag, &name)) {
        bool is_ip = tag == DER_CONTEXT(7) && (name.n == 4 || name.n == 16);

        if (!is_ip && tag != DER_CONTEXT(2)) {
            continue;
        }
        if (t.n) {
            put_char(&t, ',');
            put_char(&t, ' ');
        }
        if (is_ip && inet_ntop(name.n == 4 ? AF_INET : AF_INET6, name.p, ip, sizeof ip)) {
            name = rd_of(ip, strlen(ip));
        }
        for (size_t i = 0; i < name.n; i++) {
            char ch = (char)name.p[i];

            put_char(&t, ch > 0x20 && ch < 0x7f ? ch : '?');
        }
    }
    text[t.n] = '\0';
}

enum name_fit cert_name_fit(const struct cert *c, const char *host)
{
    struct rd names = rd_span(c->san), name;
    enum name_fit best = NAME_NONE, fit;
    uint8_t tag, ip[16];
    size_t ip_len;

    if (!host_is_valid(host)) {
        return NAME_NONE;
    }
    ip_len = parse_ip(host, ip);
    while (best < NAME_EXACT && der_any(&names, &tag, &name)) {
        struct span value = span_of(name.p, name.n);

        fit = NAME_NONE;
        if (ip_len && tag == DER_CONTEXT(7)) {
            fit = span_eq(value, span_of(ip, ip_len)) ? NAME_EXACT : NAME_NONE;
        } else if (!ip_len && tag == DER_CONTEXT(2)) {
            fit = dns_fit(value, host_span(host));
        }
        best = fit > best ? fit : best;
    }
    return best;
}

int cert_match_host(const struct cert *c, const char *host, struct error *err)
{
    char subject[48], text[64];

    if (!host_is_valid(host)) {
        return FAIL(err, TLS_ALERT(ALERT_BAD_CERTIFICATE),
                    "\"%.60s\" is neither a host name nor an address: nothing can speak for it",
                    host ? host : "");
    }
    if (cert_name_fit(c, host) != NAME_NONE) {
        return 0;
    }
    cert_name_text(c->subject, subject, sizeof subject);
    list_names(c, text, sizeof text);
    return FAIL(err, TLS_ALERT(ALERT_BAD_CERTIFICATE),
                "the certificate %s is not for %.40s: it names %s", subject, host,
                text[0] ? text : "no host at all (subjectAltName)");
}
