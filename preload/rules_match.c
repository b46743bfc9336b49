/* SPDX-License-Identifier: ISC */
/* The match grammar: PATTERN = HOST ":" PORTS, where HOST is "*", a name with "*" anywhere, an IPv4
 * address or network, or a bracketed IPv6 one; PORTS is "*" or a list of ports and ranges. */
#include <arpa/inet.h>
#include <ctype.h>
#include <stdlib.h>

#include "preload/rules_parts.h"
#include "base/mem.h"

static const uint8_t mapped_prefix[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };

/* "*" stands for any run of characters, dots too; nothing else is special. Both in one case. */
static bool glob_text(const char *g, const char *s, size_t n)
{
    const char *star = NULL, *end = s + n, *again = s;

    while (s < end) {
        if (*g == '*') {
            star = g++;
            again = s;
        } else if (*g == tolower((unsigned char)*s)) {
            g++;
            s++;
        } else if (star) {
            g = star + 1;
            s = ++again;
        } else {
            return false;
        }
    }
    while (*g == '*') {
        g++;
    }
    return *g == '\0';
}

bool glob_hits(const char *glob, const char *name)
{
    size_t n = strlen(name);

    if (n && name[n - 1] == '.') { /* "host." is the same name, fully qualified */
        n--;
    }
    return n > 0 && glob_text(glob, name, n);
}

bool endpoint_of(struct endpoint *e, const struct sockaddr *sa, socklen_t len)
{
    if (!sa || len < sizeof sa->sa_family) {
        return false;
    }
    if (sa->sa_family == AF_INET && len >= sizeof(struct sockaddr_in)) {
        struct sockaddr_in in;

        memcpy(&in, sa, sizeof in);
        memcpy(e->addr, mapped_prefix, sizeof mapped_prefix);
        memcpy(e->addr + 12, &in.sin_addr, 4);
        e->port = ntohs(in.sin_port);
        return true;
    }
    /* Linux takes an IPv6 address without its scope id too. */
    if (sa->sa_family == AF_INET6 && len >= offsetof(struct sockaddr_in6, sin6_scope_id)) {
        struct sockaddr_in6 in6 = { .sin6_family = AF_INET6 };

        memcpy(&in6, sa, len < sizeof in6 ? len : sizeof in6);
        memcpy(e->addr, &in6.sin6_addr, 16);
        e->port = ntohs(in6.sin6_port);
        return true;
    }
    return false;
}

bool endpoint_is_loopback(const struct endpoint *e)
{
    static const uint8_t v4[13] = { [10] = 0xff, [11] = 0xff, [12] = 127 }, v6[16] = { [15] = 1 };

    return memcmp(e->addr, v4, sizeof v4) == 0 || memcmp(e->addr, v6, sizeof v6) == 0;
}

static bool net_hits(const struct pattern *m, const uint8_t addr[static 16])
{
    unsigned whole = m->bits / 8, rest = m->bits % 8;

    /* An IPv4 address is in no IPv6 network, however wide: "[::]/0" means IPv6. */
    if (m->bits < 96 && memcmp(addr, mapped_prefix, sizeof mapped_prefix) == 0) {
        return false;
    }
    if (memcmp(m->addr, addr, whole) != 0) {
        return false;
    }
    return rest == 0 || ((m->addr[whole] ^ addr[whole]) >> (8 - rest)) == 0;
}

bool pattern_hits(const struct pattern *m, const struct endpoint *e, const char *name)
{
    bool port = m->nports == 0;

    for (size_t i = 0; i < m->nports && !port; i++) {
        port = e->port >= m->ports[i].lo && e->port <= m->ports[i].hi;
    }
    if (!port) {
        return false;
    }
    switch (m->kind) {
    case MATCH_ANY:
        return true;
    case MATCH_NAME:
        return name && glob_hits(m->glob, name);
    case MATCH_NET:
        return net_hits(m, e->addr);
    }
    return false;
}

/* ---- parsing ---- */

/* Decimal, 1 to 5 digits, nothing else. */
static bool number(const char *p, size_t n, unsigned max, unsigned *out)
{
    unsigned v = 0;

    if (n == 0 || n > 5) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        if (p[i] < '0' || p[i] > '9') {
            return false;
        }
        v = v * 10 + (unsigned)(p[i] - '0');
    }
    *out = v;
    return v <= max;
}

static int ports_parse(struct pattern *m, const char *p, size_t n, struct error *err)
{
    const char *end = p + n;
    unsigned lo, hi;

    if (n == 1 && *p == '*') {
        return 0;
    }
    m->ports = mem_zalloc(PORTS_MAX * sizeof *m->ports);
    if (!m->ports) {
        return FAIL(err, ERR_MEM, "out of memory");
    }
    for (;;) {
        const char *stop = memchr(p, ',', (size_t)(end - p));
        size_t len = (size_t)((stop ? stop : end) - p);
        const char *dash = memchr(p, '-', len);
        size_t head = dash ? (size_t)(dash - p) : len;

        if (!number(p, head, 65535, &lo) || lo == 0) {
            return FAIL(err, ERR_PARSE, "'%.*s' is not a port (1 to 65535, or *)", (int)len, p);
        }
        hi = lo;
        if (dash && (!number(dash + 1, len - head - 1, 65535, &hi) || hi < lo)) {
            return FAIL(err, ERR_PARSE, "'%.*s' is not a range of ports", (int)len, p);
        }
        if (m->nports == PORTS_MAX) {
            return FAIL(err, ERR_LIMIT, "more than %d ports in one pattern", PORTS_MAX);
        }
        m->ports[m->nports++] = (struct ports){ (uint16_t)lo, (uint16_t)hi };
        if (!stop) {
            return 0;
        }
        p = stop + 1;
    }
}

/* Bits behind the prefix must be zero: "10.0.0.1/8" is more likely a slip than a wish. */
static bool host_bits_clear(const uint8_t addr[static 16], unsigned bits)
{
    for (unsigned i = bits; i < 128; i++) {
        if (addr[i / 8] & (0x80 >> (i % 8))) {
            return false;
        }
    }
    return true;
}

/* host without brackets; len: the text behind '/', NULL when there is none. */
static int net_parse(struct pattern *m, int family, const char *host, const char *len, size_t nlen,
                     struct error *err)
{
    unsigned max = family == AF_INET ? 32 : 128, bits = max;

    m->kind = MATCH_NET;
    if (family == AF_INET) {
        memcpy(m->addr, mapped_prefix, sizeof mapped_prefix);
    }
    if (inet_pton(family, host, family == AF_INET ? m->addr + 12 : m->addr) != 1) {
        return FAIL(err, ERR_PARSE, "'%s' is not an IPv%c address", host,
                    family == AF_INET ? '4' : '6');
    }
    if (len && !number(len, nlen, max, &bits)) {
        return FAIL(err, ERR_PARSE, "'/%.*s' is not a prefix length (0 to %u)", (int)nlen, len,
                    max);
    }
    m->bits = bits + (128 - max);
    if (!host_bits_clear(m->addr, m->bits)) {
        return FAIL(err, ERR_PARSE, "%s/%u has bits set behind its prefix", host, bits);
    }
    return 0;
}

static int bracketed_parse(struct pattern *m, const char *text, size_t n, size_t *used,
                           struct error *err)
{
    const char *close = memchr(text, ']', n), *slash, *len = NULL;
    char host[64];
    size_t nhost, nlen = 0;

    if (!close) {
        return FAIL(err, ERR_PARSE, "'[' without ']'");
    }
    nhost = (size_t)(close - text) - 1;
    *used = (size_t)(close - text) + 1;
    slash = memchr(text + 1, '/', nhost);
    if (slash) { /* [v6/len] */
        len = slash + 1;
        nlen = (size_t)(close - len);
        nhost = (size_t)(slash - text) - 1;
    } else if (*used < n && text[*used] == '/') { /* [v6]/len */
        const char *colon = memchr(text + *used, ':', n - *used);

        len = text + *used + 1;
        nlen = (size_t)((colon ? colon : text + n) - len);
        *used += 1 + nlen;
    }
    if (nhost >= sizeof host) {
        return FAIL(err, ERR_PARSE, "too long for an IPv6 address");
    }
    memcpy(host, text + 1, nhost);
    host[nhost] = '\0';
    return net_parse(m, AF_INET6, host, len, nlen, err);
}

static bool name_is_sound(const char *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (!isalnum((unsigned char)p[i]) && !strchr("*.-_", p[i])) {
            return false;
        }
    }
    return n > 0 && n < POLICY_HOST_MAX;
}

static int host_parse(struct pattern *m, const char *p, size_t n, struct error *err)
{
    const char *slash = memchr(p, '/', n);
    size_t nhost = slash ? (size_t)(slash - p) : n;
    char host[POLICY_HOST_MAX];
    bool digits = nhost > 0;

    if (n == 1 && *p == '*') {
        m->kind = MATCH_ANY;
        return 0;
    }
    if (memchr(p, ':', n)) {
        return FAIL(err, ERR_PARSE, "an IPv6 address goes in brackets: [2001:db8::1]:443");
    }
    if (!name_is_sound(p, nhost)) {
        return FAIL(err, ERR_PARSE, "'%.*s' is neither a host name nor an address", (int)n, p);
    }
    for (size_t i = 0; i < nhost; i++) {
        host[i] = (char)tolower((unsigned char)p[i]);
        digits = digits && (isdigit((unsigned char)p[i]) || p[i] == '.');
    }
    host[nhost] = '\0';
    if (digits || slash) {
        return net_parse(m, AF_INET, host, slash ? slash + 1 : NULL, slash ? n - nhost - 1 : 0,
                         err);
    }
    if (host[nhost - 1] == '.') {
        host[nhost - 1] = '\0';
    }
    m->kind = MATCH_NAME;
    m->glob = mem_strdup(host);
    return m->glob ? 0 : FAIL(err, ERR_MEM, "out of memory");
}

int pattern_parse(struct pattern *m, const char *text, size_t n, struct error *err)
{
    size_t used = 0;
    int rc;

    *m = (struct pattern){ 0 };
    if (n && text[0] == '[') {
        rc = bracketed_parse(m, text, n, &used, err);
    } else {
        for (used = n; used > 0 && text[used - 1] != ':'; used--) {
        }
        if (used == 0) {
            return FAIL(err, ERR_PARSE, "'%.*s' has no ':PORTS' (':*' means every port)", (int)n,
                        text);
        }
        used--;
        rc = host_parse(m, text, used, err);
    }
    if (rc == 0 && (used >= n || text[used] != ':')) {
        rc = FAIL(err, ERR_PARSE, "'%.*s' has no ':PORTS' (':*' means every port)", (int)n, text);
    }
    if (rc == 0) {
        rc = ports_parse(m, text + used + 1, n - used - 1, err);
    }
    if (rc < 0) {
        pattern_free(m);
    }
    return rc;
}

void pattern_free(struct pattern *m)
{
    mem_free(m->glob);
    mem_free(m->ports);
    *m = (struct pattern){ 0 };
}
