/* SPDX-License-Identifier: ISC */
#include "x509/der.h"

static bool element(struct rd *r, uint8_t *tag, struct span *whole, struct rd *in)
{
    struct rd t = *r;
    struct span s;
    uint32_t len;
    uint8_t id, first;

    /* Tag numbers above 30 take more bytes and occur in no certificate; 0 ends indefinite lengths.
     */
    if (!rd_u8(&t, &id) || id == 0 || (id & 0x1f) == 0x1f || !rd_u8(&t, &first)) {
        return false;
    }
    len = first;
    if (first & 0x80) {
        size_t width = first & 0x7f;

        /* X.690 10.1: definite, and the fewest bytes that hold it. */
        if (width < 1 || width > 4 || !rd_uint(&t, width, &len) || len < 0x80 ||
            (width > 1 && len >> (8 * (width - 1)) == 0)) {
            return false;
        }
    }
    if (!rd_bytes(&t, len, &s)) {
        return false;
    }
    *tag = id;
    *whole = span_of(r->p, r->n - t.n);
    *in = rd_span(s);
    *r = t;
    return true;
}

bool der_any(struct rd *r, uint8_t *tag, struct rd *in)
{
    struct span whole;

    return element(r, tag, &whole, in);
}

bool der_next_is(const struct rd *r, uint8_t tag)
{
    return r->n > 0 && r->p[0] == tag;
}

bool der_get(struct rd *r, uint8_t tag, struct rd *in)
{
    uint8_t id;

    return der_next_is(r, tag) && der_any(r, &id, in);
}

bool der_whole(struct rd *r, uint8_t tag, struct span *whole, struct rd *in)
{
    uint8_t id;

    return der_next_is(r, tag) && element(r, &id, whole, in);
}

bool der_optional(struct rd *r, uint8_t tag, bool *there, struct rd *in)
{
    *there = der_next_is(r, tag);
    return !*there || der_get(r, tag, in);
}

bool der_bool(struct rd *r, bool *v)
{
    struct rd t = *r, in;
    uint8_t byte;

    /* X.690 11.1: true is FF and nothing else. */
    if (!der_get(&t, DER_BOOLEAN, &in) || !rd_u8(&in, &byte) || !rd_done(&in) ||
        (byte != 0 && byte != 0xff)) {
        return false;
    }
    *v = byte != 0;
    *r = t;
    return true;
}

bool der_integer(struct rd *r, struct span *contents)
{
    struct rd t = *r, in;

    if (!der_get(&t, DER_INTEGER, &in) || in.n == 0) {
        return false;
    }
    /* X.690 8.3.2: the first nine bits are neither all zero nor all one. */
    if (in.n > 1 && ((in.p[0] == 0 && !(in.p[1] & 0x80)) || (in.p[0] == 0xff && in.p[1] & 0x80))) {
        return false;
    }
    *contents = span_of(in.p, in.n);
    *r = t;
    return true;
}

bool der_unsigned(struct rd *r, struct span *magnitude)
{
    struct rd t = *r, in;
    struct span s;
    uint8_t sign = 0;

    if (!der_integer(&t, &s) || s.p[0] & 0x80) {
        return false;
    }
    in = rd_span(s);
    if (s.p[0] == 0 && !rd_u8(&in, &sign)) {
        return false;
    }
    *magnitude = span_of(in.p, in.n);
    *r = t;
    return true;
}

bool der_uint32(struct rd *r, uint32_t *v)
{
    struct rd t = *r, in;
    struct span s;

    if (!der_unsigned(&t, &s) || s.n > 4) {
        return false;
    }
    in = rd_span(s);
    if (!rd_uint(&in, s.n, v)) {
        return false;
    }
    *r = t;
    return true;
}

bool der_bits(struct rd *r, struct span *bytes, unsigned *spare)
{
    struct rd t = *r, in;
    uint8_t unused;

    if (!der_get(&t, DER_BIT_STRING, &in) || !rd_u8(&in, &unused) || unused > 7 ||
        (unused > 0 && in.n == 0)) {
        return false;
    }
    if (unused > 0 && in.p[in.n - 1] & ((1u << unused) - 1)) {
        return false;
    }
    *bytes = span_of(in.p, in.n);
    *spare = unused;
    *r = t;
    return true;
}

bool der_bit_bytes(struct rd *r, struct span *bytes)
{
    struct rd t = *r;
    unsigned spare;

    if (!der_bits(&t, bytes, &spare) || spare != 0) {
        return false;
    }
    *r = t;
    return true;
}

bool der_oid(struct rd *r, struct span *oid)
{
    struct rd t = *r, in;

    if (!der_get(&t, DER_OID, &in) || in.n == 0 || in.p[in.n - 1] & 0x80) {
        return false;
    }
    /* X.690 8.19.2: no number starts with a byte that adds nothing. */
    for (size_t i = 0; i < in.n; i++) {
        if (in.p[i] == 0x80 && (i == 0 || !(in.p[i - 1] & 0x80))) {
            return false;
        }
    }
    *oid = span_of(in.p, in.n);
    *r = t;
    return true;
}

bool der_null(struct rd *r)
{
    struct rd t = *r, in;

    if (!der_get(&t, DER_NULL, &in) || !rd_done(&in)) {
        return false;
    }
    *r = t;
    return true;
}

/* ---- time: the Gregorian calendar by its 400-year cycle, years starting in March ---- */

static int64_t days_before(int64_t year, unsigned month, unsigned day)
{
    int64_t y = year - (month <= 2), era = (y >= 0 ? y : y - 399) / 400, yoe = y - era * 400;
    int64_t doy = (153 * ((int64_t)month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;

    return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

struct civil civil_from_seconds(int64_t seconds)
{
    int64_t days = seconds / 86400, rest = seconds % 86400, era, doe, yoe, doy, mp;
    struct civil c;

    if (rest < 0) {
        rest += 86400;
        days--;
    }
    days += 719468;
    era = (days >= 0 ? days : days - 146096) / 146097;
    doe = days - era * 146097;
    yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    mp = (5 * doy + 2) / 153;
    c.day = (unsigned)(doy - (153 * mp + 2) / 5 + 1);
    c.month = (unsigned)(mp < 10 ? mp + 3 : mp - 9);
    c.year = yoe + era * 400 + (c.month <= 2);
    c.hour = (unsigned)(rest / 3600);
    c.minute = (unsigned)(rest / 60 % 60);
    c.second = (unsigned)(rest % 60);
    return c;
}

static bool digits(struct rd *r, size_t n, unsigned *v)
{
    struct span s;

    *v = 0;
    if (!rd_bytes(r, n, &s)) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        if (s.p[i] < '0' || s.p[i] > '9') {
            return false;
        }
        *v = *v * 10 + (unsigned)(s.p[i] - '0');
    }
    return true;
}

static unsigned month_days(unsigned year, unsigned month)
{
    static const uint8_t days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

    return days[month - 1] + (month == 2 && leap ? 1u : 0u);
}

bool der_time(struct rd *r, int64_t *seconds)
{
    unsigned year, month, day, hour, minute, second;
    struct rd t = *r, in;
    uint8_t tag, z;

    if (!der_any(&t, &tag, &in) || (tag != DER_UTC_TIME && tag != DER_GENERALIZED_TIME) ||
        !digits(&in, tag == DER_UTC_TIME ? 2 : 4, &year) || !digits(&in, 2, &month) ||
        !digits(&in, 2, &day) || !digits(&in, 2, &hour) || !digits(&in, 2, &minute) ||
        !digits(&in, 2, &second) || !rd_u8(&in, &z) || z != 'Z' || !rd_done(&in)) {
        return false;
    }
    if (tag == DER_UTC_TIME) {
        year += year < 50 ? 2000 : 1900; /* RFC 5280 4.1.2.5.1 */
    }
    if (month < 1 || month > 12 || day < 1 || day > month_days(year, month) || hour > 23 ||
        minute > 59 || second > 59) {
        return false;
    }
    *seconds = days_before(year, month, day) * 86400 + hour * 3600 + minute * 60 + second;
    *r = t;
    return true;
}

/* ---- writing ---- */

void der_close(struct wr *w, size_t mark, uint8_t tag)
{
    size_t n = w->len - mark, width = 0, head;

    while (n >= 0x80 && width < 4 && n >> (8 * width)) {
        width++;
    }
    head = 2 + width;
    if (!wr_room(w, head)) {
        return;
    }
    memmove(w->p + mark + head, w->p + mark, n);
    w->p[mark] = tag;
    w->p[mark + 1] = (uint8_t)(width ? 0x80 | width : n);
    for (size_t i = 0; i < width; i++) {
        w->p[mark + 1 + width - i] = (uint8_t)(n >> (8 * i));
    }
}

void der_put(struct wr *w, uint8_t tag, struct span contents)
{
    size_t mark = w->len;

    wr_bytes(w, contents.p, contents.n);
    der_close(w, mark, tag);
}

void der_put_uint32(struct wr *w, uint32_t v)
{
    const uint8_t b[] = { 0, (uint8_t)(v >> 24), (uint8_t)(v >> 16), (uint8_t)(v >> 8),
                          (uint8_t)v };
    size_t i = 0;

    while (i < 4 && b[i] == 0 && !(b[i + 1] & 0x80)) {
        i++;
    }
    der_put(w, DER_INTEGER, span_of(b + i, sizeof b - i));
}

static void put_digits(struct wr *w, size_t n, unsigned v)
{
    uint8_t *at = wr_room(w, n);

    for (size_t i = n; at && i-- > 0; v /= 10) {
        at[i] = (uint8_t)('0' + v % 10);
    }
}

void der_put_time(struct wr *w, int64_t seconds)
{
    struct civil c = civil_from_seconds(seconds);
    size_t mark = w->len;
    bool utc = c.year < 2050;

    if (c.year < 1950 || c.year > 9999) {
        w->failed = true;
        return;
    }
    put_digits(w, utc ? 2 : 4, (unsigned)c.year % (utc ? 100 : 10000));
    put_digits(w, 2, c.month);
    put_digits(w, 2, c.day);
    put_digits(w, 2, c.hour);
    put_digits(w, 2, c.minute);
    put_digits(w, 2, c.second);
    wr_u8(w, 'Z');
    der_close(w, mark, utc ? DER_UTC_TIME : DER_GENERALIZED_TIME);
}
