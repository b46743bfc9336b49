/* SPDX-License-Identifier: ISC */
/* The guide's API: which suites may be used. A session's word comes before the process's, that
 * before what was built in. */
#include "matrixssl.h"

#include "handshake/suites.h"

static atomic_uchar everywhere[SETTINGS_SUITES]; /* enum suite_status */

void matrixssl_forget_suites(void)
{
    for (size_t i = 0; i < SETTINGS_SUITES; i++) {
        atomic_store(&everywhere[i], SUITE_UNSAID);
    }
}

/* Its place in suite_at(); SETTINGS_SUITES: there is none of that number. */
static size_t place_of(uint32 id)
{
    for (size_t i = 0; i < SETTINGS_SUITES && suite_at(i); i++) {
        if (suite_at(i)->id == id) {
            return i;
        }
    }
    return SETTINGS_SUITES;
}

static enum suite_status said(const struct wishes *w, size_t i)
{
    return w->status[i] != SUITE_UNSAID ? w->status[i] : atomic_load(&everywhere[i]);
}

/* Those of the suite's versions that are wished; what nobody named begins with TLS 1.2. */
struct range {
    unsigned lowest, highest;
};

static struct range range_of(const struct wishes *w, const struct suite *s)
{
    const unsigned least = w->min_version ? w->min_version : SSL_VERSION_TLS_1_2;
    const unsigned most = w->max_version ? w->max_version : SSL_VERSION_TLS_1_3;

    return (struct range){ s->since > least ? s->since : least,
                           s->version < most ? s->version : most };
}

static bool within(const struct wishes *w, const struct suite *s)
{
    const struct range r = range_of(w, s);

    return r.lowest <= r.highest;
}

int32 matrixssl_nominate(const struct wishes *w, uint32 id)
{
    size_t i = place_of(id);

    if (i == SETTINGS_SUITES || !within(w, suite_at(i)) || suite_look(suite_at(i)) < 0) {
        return PS_UNSUPPORTED_FAIL;
    }
    return said(w, i) == SUITE_OFF ? PS_DISABLED_FEATURE_FAIL : PS_SUCCESS;
}

/* The versions are those that the suites belong to. */
int matrixssl_set_suites(struct config *c, const struct wishes *w)
{
    uint16_t ids[SETTINGS_SUITES];
    struct range all = { UINT16_MAX, 0 };
    size_t n = 0;

    for (size_t i = 0; i < SETTINGS_SUITES && suite_at(i); i++) {
        const struct suite *s = suite_at(i);
        const struct range r = range_of(w, s);
        enum suite_status status = said(w, i);
        bool on = w->suite
                      ? s->id == w->suite && status != SUITE_OFF
                      : status == SUITE_ON || (status == SUITE_UNSAID && s->use != SUITE_WAITS);

        if (on && within(w, s) && suite_look(s) == 0) {
            ids[n++] = s->id;
            all.lowest = r.lowest < all.lowest ? r.lowest : all.lowest;
            all.highest = r.highest > all.highest ? r.highest : all.highest;
        }
    }
    if (n == 0) {
        return ERR_UNSUPPORTED;
    }
    TRY(config_set_suites(c, ids, n));
    return config_set_versions(c, all.lowest, all.highest);
}

int32 matrixSslSetCipherSuiteEnabledStatus(ssl_t *ssl, uint16 cipherId, uint32 status)
{
    struct session *s = session_of(ssl);
    size_t i = place_of(cipherId);
    struct wishes before;

    if (status != PS_TRUE && status != PS_FALSE) {
        return PS_ARG_FAIL;
    }
    if (i == SETTINGS_SUITES || (status == PS_TRUE && suite_look(suite_at(i)) < 0)) {
        return PS_UNSUPPORTED_FAIL;
    }
    if (!s) {
        atomic_store(&everywhere[i], status == PS_TRUE ? SUITE_ON : SUITE_OFF);
        matrixssl_next_generation();
        return PS_SUCCESS;
    }
    if (s->touched) {
        return PS_FAILURE;
    }
    before = s->wish;
    s->wish.status[i] = status == PS_TRUE ? SUITE_ON : SUITE_OFF;
    return matrixssl_restart(s, &before);
}
