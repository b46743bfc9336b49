/* SPDX-License-Identifier: ISC */
/* The same question put to libcrypto's X509_verify_cert(), in two moods: as it is by default, and
 * with what it can check beyond that (X509_V_FLAG_X509_STRICT). */
#ifndef TESTS_X509_LIBCRYPTO_H
#define TESTS_X509_LIBCRYPTO_H
#define ERR_STATE LIBCRYPTO_ERR_STATE /* base/error.h has one, too */
#include <openssl/err.h>
#include <openssl/ocsp.h>
#include <openssl/x509.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>
#undef ERR_STATE
#undef KU_DIGITAL_SIGNATURE /* the same names for other numbers than in x509/x509.h */
#undef KU_KEY_ENCIPHERMENT
#undef KU_KEY_AGREEMENT
#undef KU_CRL_SIGN

#include "x509/x509.h"

#define THEY_CANNOT_PARSE (-1) /* no X509_V_ERR_ */

struct opinion {
    int error; /* X509_V_OK, another X509_V_ERR_, THEY_CANNOT_PARSE */
    int depth;
};

static bool their_complaint_is_about_a_name; /* when one did not parse; the asker sets it back */

/* NULL: it does not parse, or not to its end. */
static inline X509 *their_cert(struct span der)
{
    const uint8_t *p = der.p;
    X509 *x = d2i_X509(NULL, &p, (long)der.n);
    const char *data = "";
    int flags = 0;
    unsigned long e;

    while (!x && (e = ERR_get_error_all(NULL, NULL, NULL, &data, &flags)) != 0) {
        their_complaint_is_about_a_name = their_complaint_is_about_a_name ||
                                          strstr(data, "Field=subject,") ||
                                          strstr(data, "Field=issuer,");
    }

    if (x && p != der.p + der.n) {
        X509_free(x);
        x = NULL;
    }
    ERR_clear_error();
    return x;
}

/* Certificates that do not parse: all of `sent` must, of `trusted` those that do count. */
struct their_world {
    X509 *leaf;
    STACK_OF(X509) * others;
    X509_STORE *store;
    bool bad;
};

static inline struct their_world their_world(const struct span *sent, size_t nsent,
                                             const struct span *trusted, size_t ntrusted)
{
    struct their_world w = { .others = sk_X509_new_null(), .store = X509_STORE_new() };

    if (!w.others || !w.store) {
        abort();
    }
    for (size_t i = 0; i < nsent; i++) {
        X509 *x = their_cert(sent[i]);

        w.bad = w.bad || !x;
        if (i == 0) {
            w.leaf = x;
        } else if (x && !sk_X509_push(w.others, x)) {
            abort();
        }
    }
    for (size_t i = 0; i < ntrusted; i++) {
        X509 *x = their_cert(trusted[i]);

        if (x && X509_STORE_add_cert(w.store, x) != 1) {
            abort();
        }
        X509_free(x);
    }
    return w;
}

static inline void their_world_free(struct their_world *w)
{
    X509_free(w->leaf);
    sk_X509_pop_free(w->others, X509_free);
    X509_STORE_free(w->store);
    ERR_clear_error();
}

static inline void their_host(X509_VERIFY_PARAM *param, const char *host)
{
    if (host && (host_is_ip(host) ? X509_VERIFY_PARAM_set1_ip_asc(param, host)
                                  : X509_VERIFY_PARAM_set1_host(param, host, 0)) != 1) {
        abort();
    }
    X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NEVER_CHECK_SUBJECT |
                                               X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
}

static inline struct opinion their_opinion(const struct their_world *w, const struct chain_query *q,
                                           unsigned long flags, STACK_OF(X509_CRL) * crls)
{
    struct opinion o = { .error = THEY_CANNOT_PARSE };
    X509_STORE_CTX *ctx = X509_STORE_CTX_new();
    X509_VERIFY_PARAM *param;

    if (!ctx) {
        abort();
    }
    if (w->bad || X509_STORE_CTX_init(ctx, w->store, w->leaf, w->others) != 1) {
        X509_STORE_CTX_free(ctx);
        return o;
    }
    param = X509_STORE_CTX_get0_param(ctx);
    X509_VERIFY_PARAM_set_time(param, (time_t)q->now);
    X509_VERIFY_PARAM_set_auth_level(param, q->weak ? 0 : 2);
    their_host(param, q->host);
    flags |= X509_V_FLAG_POLICY_CHECK | (q->partial ? X509_V_FLAG_PARTIAL_CHAIN : 0);
    flags |= q->revoke >= REVOKE_HARD ? X509_V_FLAG_CRL_CHECK : 0;
    flags |= q->revoke == REVOKE_ALL ? X509_V_FLAG_CRL_CHECK_ALL : 0;
    if (X509_VERIFY_PARAM_set_flags(param, flags) != 1 ||
        X509_VERIFY_PARAM_add0_policy(param, OBJ_txt2obj("2.5.29.32.0", 1)) != 1 ||
        X509_STORE_CTX_set_purpose(ctx, q->peer_is_server ? X509_PURPOSE_SSL_SERVER
                                                          : X509_PURPOSE_SSL_CLIENT) != 1) {
        abort();
    }
    if (crls) {
        X509_STORE_CTX_set0_crls(ctx, crls);
    }
    o.error = X509_verify_cert(ctx) == 1 ? X509_V_OK : X509_STORE_CTX_get_error(ctx);
    o.error = o.error == X509_V_OK && X509_STORE_CTX_get_error(ctx) ? X509_STORE_CTX_get_error(ctx)
                                                                    : o.error;
    o.depth = X509_STORE_CTX_get_error_depth(ctx);
    X509_STORE_CTX_free(ctx);
    ERR_clear_error();
    return o;
}
#endif
