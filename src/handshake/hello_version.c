/* SPDX-License-Identifier: ISC */
/* Which versions are offered, which one comes of it, and whether somebody between the two ends had
 * a hand in that (threat 22). */
#include "handshake/local.h"

/* The end of the random of a server that could have spoken TLS 1.3 (RFC 8446 section 4.1.3); its
 * last byte is 0 when it chose TLS 1.1 or older. */
static const uint8_t downgrade[8] = { 'D', 'O', 'W', 'N', 'G', 'R', 'D', 1 };

bool hello_offers(const struct hs *h, uint16_t version)
{
    return h->set->min_version <= version && version <= h->set->max_version &&
           protocol_of(version) && !(version == TLS_1_3 && h->renegotiating);
}

bool hello_offers_12(const struct hs *h)
{
    return h->set->min_version < TLS_1_3;
}

/* The highest of them up to that one; 0: none. */
uint16_t hello_highest(const struct hs *h, uint16_t version)
{
    uint16_t v = version < TLS_1_2 ? version : TLS_1_2;

    while (v >= SSL_3_0 && !hello_offers(h, v)) {
        v--;
    }
    return v >= SSL_3_0 ? v : 0;
}

bool hello_offers_schemes(const struct hs *h)
{
    return h->set->max_version >= TLS_1_2;
}

/* RFC 6101 knows nothing behind the compression methods. */
bool hello_has_extensions(const struct hs *h, enum ext_where where)
{
    if (where != IN_CH) {
        return h->version != SSL_3_0;
    }
    return h->set->max_version > SSL_3_0 && h->work->client_version != SSL_3_0;
}

bool hello_is_session12(const struct tls_session *s)
{
    return s && s->version < TLS_1_3;
}

bool hello_is_session13(const struct tls_session *s)
{
    return s && s->version == TLS_1_3;
}

bool hello_is_suite13(const struct suite *s)
{
    return s->version == TLS_1_3;
}

bool hs_is_13(const struct hs *h)
{
    return h->version == TLS_1_3;
}

bool hs_knows_warnings(const struct hs *h)
{
    return h->version ? h->version != TLS_1_3 : hello_offers_12(h);
}

/* From the first ClientHello on (RFC 8446 section 5): a client has said it, and does not know the
 * version yet. */
bool hs_drops_ccs(const struct hs *h)
{
    return h->version ? h->version == TLS_1_3
                      : h->set->role == TLS_CLIENT && hello_offers(h, TLS_1_3);
}

const char *hs_version_name(const struct hs *h)
{
    const struct protocol *p = protocol_of(h->version);

    return p ? p->name : "";
}

uint16_t hs_record_version(const struct hs *h)
{
    return h->version && h->version < TLS_1_2 ? h->version : TLS_1_2;
}

uint16_t hs_hello_version(const struct hs *h)
{
    uint16_t most = hello_highest(h, TLS_1_2);

    return most && most < TLS_1_0 ? most : TLS_1_0;
}

/* For errors: the least that will do. */
static const char *least_name(const struct hs *h)
{
    const struct protocol *p = protocol_of(h->set->min_version);

    return p ? p->name : "any version of ours";
}

/* ---- which one ---- */
/* Before TLS 1.3: the highest that both have, or that of the connection that is renegotiated. */
int hello_choose_version(struct hs *h)
{
    const uint16_t common = h->work->common, version = h->renegotiating ? h->version : common;

    if (!common || common < version) {
        return FAIL(h->err, TLS_ALERT(ALERT_PROTOCOL_VERSION), "the client does not speak %s",
                    least_name(h));
    }
    h->version = version;
    return 0;
}

/* ---- downgrades ---- */
int hello_server_random(struct hs *h, uint16_t version)
{
    uint8_t *random = h->work->server_random;

    TRY(rand_bytes(random, RANDOM_SIZE));
    if (version < TLS_1_3 && hello_offers(h, version < TLS_1_2 ? TLS_1_2 : TLS_1_3)) {
        memcpy(random + RANDOM_SIZE - sizeof downgrade, downgrade, sizeof downgrade);
        random[RANDOM_SIZE - 1] = version == TLS_1_2; /* threat 22 */
    }
    return 0;
}

/* The server chose less than we have: if it did so knowing it, somebody else made it (section
 * 4.1.3). The sign of TLS 1.1 and below is one also where we have no more than TLS 1.2. */
static int check_downgrade(struct hs *h, const struct server_hello *s)
{
    const size_t tail = sizeof downgrade - 1;
    const uint8_t *end = s->random.p + RANDOM_SIZE - sizeof downgrade;
    bool below13 = hello_offers(h, TLS_1_3), below12 = below13 || s->version < TLS_1_2;

    if (memcmp(end, downgrade, tail) != 0 || h->set->max_version < TLS_1_2 ||
        !((end[tail] == 1 && below13) || (end[tail] == 0 && below12))) {
        return 0;
    }
    return FAIL(h->err, TLS_ALERT(ALERT_ILLEGAL_PARAMETER), /* threat 22 */
                "someone between us and the server forces an old version");
}

int hello_check_version(struct hs *h, const struct server_hello *s, enum ext_where where,
                        bool chose_13)
{
    if (s->version == SSL_3_0 && (where != IN_SH12 || !hello_offers(h, SSL_3_0))) { /* D.5 */
        return FAIL(h->err, TLS_ALERT(ALERT_PROTOCOL_VERSION), "the server's hello is of SSL 3");
    }
    if (where == IN_HRR && s->version != TLS_1_2) { /* section 4.1.4 */
        return FAIL(h->err, TLS_ALERT(ALERT_ILLEGAL_PARAMETER), "HelloRetryRequest version 0x%04x",
                    s->version);
    }
    if (where != IN_SH12) { /* section 4.2.1: the extension says it, and nothing else */
        return 0;
    }
    if (h->early != TLS_EARLY_NONE) { /* appendix D.3 */
        TRY(early13_refused(h));
        return FAIL(h->err, TLS_ALERT(ALERT_PROTOCOL_VERSION),
                    "the server was sent early data and answers with an older version");
    }
    if (s->version > TLS_1_2 || !hello_offers(h, s->version) ||
        (h->renegotiating && chose_13)) { /* section 4.1.3 */
        return FAIL(h->err, TLS_ALERT(ALERT_PROTOCOL_VERSION), "the server does not speak %s",
                    least_name(h));
    }
    if (h->renegotiating && s->version != h->version) {
        return FAIL(h->err, TLS_ALERT(ALERT_PROTOCOL_VERSION),
                    "the server renegotiates to another version");
    }
    return check_downgrade(h, s);
}
