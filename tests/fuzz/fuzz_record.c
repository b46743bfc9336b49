/* SPDX-License-Identifier: ISC */
/* One record of TLS 1.3 or 1.2, in a legacy build of any version. A byte of options, two for the
 * room of the first output part, two for a place to damage; then either a record as it arrives, or
 * the inside of one that is sealed here first, so that what opens is known. */
#include <stdlib.h>

#include "record/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { CIPHER = 3, ARRIVES = 4, DAMAGED = 8, APART = 16, KIND_SHIFT = 5 };
/* options >> KIND_SHIFT: TLS 1.3, TLS 1.2 with AEAD, from 2 on CBC with 3 MACs in both orders.
 * CIPHER 3: no protection. CIPHER 2 from kind 2 on: the highest bits of the room are the version,
 * those of the place the cipher. */
enum { KIND_TLS13, KIND_AEAD12, KIND_CBC12 };

static void sure(bool fact)
{
    if (!fact) {
        abort();
    }
}

struct input {
    unsigned options;
    uint16_t room, at;
};

static struct rec_keys keys_of(const struct input *in)
{
    static const uint8_t key[AEAD_KEY_MAX] = { 1, 2, 3 }, iv[REC_IV_MAX] = { 4, 5, 6 };
    static const uint8_t mac_key[HASH_MAX] = { 7, 8, 9 };
    static const enum hash_id old[] = { HASH_SHA1, HASH_MD5, HASH_SHA256 };
    const unsigned kind = in->options >> KIND_SHIFT, cipher = in->options & CIPHER;
    const unsigned what = in->at >> 13;
    struct rec_keys k = { .version = 0x0303, .key = key, .iv = iv, .mac_key = mac_key };

    if (kind < KIND_CBC12) {
        k.version = kind == KIND_TLS13 ? 0x0304 : 0x0303;
        k.aead = (enum aead_id)cipher;
    } else if (cipher < 2) {
        k.cbc = cipher == 1 ? CBC_AES_256 : CBC_AES_128;
        k.mac = (enum hash_id)(HASH_SHA1 + (kind - KIND_CBC12) % 3);
        k.etm = kind - KIND_CBC12 >= 3;
    } else {
        k.version = (uint16_t)(0x0300 + (in->room >> 14));
        k.cbc = what < 6 ? (enum cbc_id)(CBC_AES_128 + what % 3) : CBC_NONE;
        k.stream = what < 6 ? STREAM_NONE : what == 6 ? STREAM_RC4 : STREAM_NULL;
        k.mac = old[(kind - KIND_CBC12) % 3];
        k.etm = k.cbc && k.version > 0x0300 && kind - KIND_CBC12 >= 3;
    }
    return k;
}

/* False: there is no such protection in this build. */
static bool half_make(struct rec_half *h, const struct input *in, bool seal)
{
    const struct rec_keys k = keys_of(in);
    const bool everywhere =
        k.version >= 0x0303 && !k.stream && k.cbc != CBC_3DES && k.mac != HASH_MD5;
    int rc;

    rec_half_init(h);
    if ((in->options & CIPHER) == 3) {
        return true;
    }
    rc = rec_half_set(h, &k, seal);
    sure(rc == 0 || !everywhere);
    return rc == 0;
}

static bool all_zero(const uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (p[i]) {
            return false;
        }
    }
    return true;
}

/* The header alone: what is let through is within the limits. */
static int header_check(const struct rec_half *h, const uint8_t *p, struct rec_header *head)
{
    int rc = rec_header_parse(h, p, head);

    sure(rc == 0 || IS_TLS_ALERT(rc));
    sure(rc < 0 ||
         (head->type >= 20 && head->type <= 23 &&
          (h->protection->hides_type || head->version >> 8 == 3) && /* RFC 8446 section 5.1 */
          (h->protection->any_minor || h->protection->hides_type || head->version == h->version) &&
          head->len == (p[3] << 8 | p[4]) &&
          head->len <= (head->type == 23 || !h->protection->hides_type ? h->protection->max_len
                                                                       : REC_PLAIN_MAX)));
    return rc;
}

/* What opened is the inside without its padding; nothing else of it is left anywhere. */
static void opened_check(const struct rec_opened *o, const uint8_t *inside, size_t n,
                         struct mspan out, struct mspan fragment, int rc)
{
    size_t content = n;

    while (content > 0 && inside[content - 1] == 0) {
        content--;
    }
    if (content == 0) {
        sure(rc == TLS_ALERT(ALERT_UNEXPECTED_MESSAGE) && o->plain.n == 0 && o->rest.n == 0);
        return;
    }
    content--;
    sure(rc == 0 && o->type == inside[content] && o->plain.n + o->rest.n == content);
    if (o->plain.n) {
        sure(memcmp(o->plain.p, inside, o->plain.n) == 0);
    }
    if (o->rest.n) {
        sure(memcmp(o->rest.p, inside + o->plain.n, o->rest.n) == 0);
    }
    if (out.p) {
        size_t first = n < out.n ? n : out.n;

        sure(o->rest.n == 0 || o->plain.n == out.n);
        sure(all_zero(out.p + o->plain.n, first - o->plain.n));
        sure(all_zero(fragment.p + first + o->rest.n, n - first - o->rest.n));
    } else {
        sure(o->plain.p == fragment.p && all_zero(fragment.p + content, n - content));
    }
}

/* TLS 1.2: the inside is content and nothing else. */
static void opened12_check(const struct rec_opened *o, const uint8_t *content, size_t n,
                           struct mspan out, uint8_t type)
{
    sure(o->type == type && o->plain.n + o->rest.n == n);
    sure(out.p ? o->plain.p == out.p && o->plain.n == (n < out.n ? n : out.n) : o->rest.n == 0);
    sure(o->plain.n == 0 || memcmp(o->plain.p, content, o->plain.n) == 0);
    sure(o->rest.n == 0 || memcmp(o->rest.p, content + o->plain.n, o->rest.n) == 0);
}

/* What was damaged is refused, and nothing of its inside is anywhere: n bytes, `head` into the
 * fragment unless the whole of it is wiped. */
static void refused_check(const struct rec_opened *o, int rc, struct mspan fragment,
                          struct mspan out, size_t head, size_t n, bool whole)
{
    const size_t first = out.p && out.n < n ? out.n : n;

    sure(rc == TLS_ALERT(ALERT_BAD_RECORD_MAC) && o->plain.n == 0 && o->rest.n == 0);
    if (whole) {
        sure(all_zero(fragment.p, fragment.n));
        return;
    }
    sure(all_zero(out.p ? out.p : fragment.p + head, first));
    sure(all_zero(fragment.p + head + first, n - first));
}

static void sealed_run(struct rd in, const struct input *i)
{
    const unsigned options = i->options;
    const size_t room = i->room, at = i->at;
    struct rec_half tx, rx;
    struct rec_header head;
    struct rec_opened o;
    const bool hidden = options >> KIND_SHIFT == KIND_TLS13;
    size_t len = in.n - 1;
    const uint8_t type = hidden ? in.p[len] : (uint8_t)(20 + in.p[len] % 4);
    struct span part[2] = { { in.p, len / 3 }, { in.p + len / 3, len - len / 3 } };
    struct mspan out, fragment;
    uint8_t *record;
    int n, rc;

    if (!half_make(&tx, i, true) || !half_make(&rx, i, false)) {
        return;
    }
    out = (struct mspan){ options & APART ? malloc(room) : NULL, room };
    record = malloc(rec_size(&tx, len));
    sure(record && (out.p || !(options & APART)));
    sure(rec_fit(&tx, rec_size(&tx, len)) >= len &&
         rec_fit(&tx, rec_size(&tx, len) - 1) + 1 <= len);
    if (options & APART) { /* the first part is where it is to be sealed */
        memcpy(record + rec_headroom(&tx), part[0].p, part[0].n);
        part[0].p = record + rec_headroom(&tx);
    }
    n = rec_seal(&tx, type, part, 2, len, record);
    sure(n == (int)rec_size(&tx, len) && tx.seq == 1);
    sure(header_check(&rx, record, &head) == 0 && head.len + REC_HEADER == n);
    fragment = (struct mspan){ record + REC_HEADER, head.len };
    if (options & DAMAGED) {
        fragment.p[at % fragment.n] ^= (uint8_t)(1 + at % 255);
    }
    rc = rec_open(&rx, head.type, fragment, out, &o);
    sure(rx.seq == (rc == 0));
    if ((options & DAMAGED) && rc == 0) {
        /* Where all of the last block is padding, SSL 3.0 takes one in 256: POODLE. */
        sure(rx.cbc && rx.version == 0x0300 && o.plain.n + o.rest.n == len);
    } else if (options & DAMAGED) {
        refused_check(&o, rc, fragment, out, rec_headroom(&rx) - REC_HEADER, len + hidden,
                      rx.cbc || rx.stream);
    } else if (hidden) {
        opened_check(&o, in.p, in.n, out, fragment, rc);
    } else {
        sure(rc == 0);
        opened12_check(&o, in.p, len, out, type);
    }
    free(record);
    free(out.p);
    rec_half_wipe(&tx);
    rec_half_wipe(&rx);
    sure(rec_open(&rx, CT_APPLICATION_DATA, fragment, out, &o) == ERR_CLOSED);
}

static void arrived_run(struct rd in, const struct input *i)
{
    const size_t room = i->room;
    struct mspan out = { i->options & APART ? malloc(room) : NULL, room };
    uint8_t *record = malloc(in.n);
    struct rec_half rx;
    struct rec_header head;
    struct rec_opened o;

    sure(record && (out.p || !(i->options & APART)));
    memcpy(record, in.p, in.n);
    if (half_make(&rx, i, false) && header_check(&rx, record, &head) == 0 &&
        in.n >= (size_t)REC_HEADER + head.len) {
        struct mspan fragment = { record + REC_HEADER, head.len };
        int rc = rec_open(&rx, head.type, fragment, out, &o);

        sure(rc == 0 || IS_TLS_ALERT(rc));
        sure((rc == 0) == (rx.protection == &protect_none)); /* nobody can guess the tag */
        sure(rc < 0 || (o.plain.n + o.rest.n <= head.len && o.type == head.type));
    }
    free(record);
    free(out.p);
    rec_half_wipe(&rx);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct rd in = rd_of(data, size);
    struct input i;
    uint8_t options;

    sure(crypto_init() == 0);
    if (!rd_u8(&in, &options) || !rd_u16(&in, &i.room) || !rd_u16(&in, &i.at)) {
        return 0;
    }
    i.options = options;
    if (options & ARRIVES) {
        if (in.n >= REC_HEADER) {
            arrived_run(in, &i);
        }
    } else if (in.n >= 1 && in.n <= REC_PLAIN_MAX + 1 && (options & CIPHER) != 3) {
        sealed_run(in, &i);
    }
    return 0;
}
