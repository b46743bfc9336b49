/* SPDX-License-Identifier: ISC */
/* The guide's API: what is set and asked beyond the guide. */
#include "matrixssl.h"

#include "base/mem.h"

/* 0 while no byte has moved. */
static int32 may_wish(const struct session *s)
{
    return s->touched ? PS_FAILURE : PS_SUCCESS;
}

int32 matrixSslSetExpectedName(ssl_t *ssl, const char *name)
{
    struct session *s = session_of(ssl);
    struct wishes before;
    int32 rc;

    if (!s || !name || s->role != TLS_CLIENT || !host_is_valid(name)) {
        return PS_ARG_FAIL;
    }
    rc = may_wish(s);
    if (rc < 0) {
        return rc;
    }
    before = s->wish;
    s->wish.expected = mem_strdup(name);
    if (!s->wish.expected) {
        s->wish = before;
        return PS_MEM_FAIL;
    }
    name = s->wish.expected;
    rc = matrixssl_restart(s, &before);
    mem_free(rc < 0 ? (char *)(uintptr_t)name : before.expected);
    return rc;
}

int32 matrixSslSetAlpn(ssl_t *ssl, const char *const *names, uint32 count)
{
    struct session *s = session_of(ssl);
    struct wishes before;
    char *now;
    int32 rc;

    if (!s || !names) {
        return PS_ARG_FAIL;
    }
    rc = may_wish(s);
    if (rc < 0) {
        return rc;
    }
    before = s->wish;
    rc = matrixssl_code(matrixssl_wish_alpn(&s->wish, names, count));
    if (rc < 0) {
        s->wish = before;
        return rc;
    }
    now = s->wish.alpn;
    rc = matrixssl_restart(s, &before);
    mem_free(rc < 0 ? now : before.alpn);
    return rc;
}

int32 matrixSslSetVersionRange(ssl_t *ssl, uint32 lowest, uint32 highest)
{
    struct session *s = session_of(ssl);
    struct wishes before;
    int32 rc;

    if (!s || lowest > highest || !protocol_is_known(lowest) || !protocol_is_known(highest)) {
        return PS_ARG_FAIL;
    }
    if (!protocol_of(lowest) || !protocol_of(highest)) {
        return PS_DISABLED_FEATURE_FAIL;
    }
    rc = may_wish(s);
    if (rc < 0) {
        return rc;
    }
    before = s->wish;
    s->wish.min_version = lowest;
    s->wish.max_version = highest;
    return matrixssl_restart(s, &before);
}

int32 matrixSslSetMaxFragment(ssl_t *ssl, uint32 bytes)
{
    struct session *s = session_of(ssl);
    struct wishes before;
    int32 rc;

    if (!s || s->role != TLS_CLIENT ||
        (bytes != 0 && bytes != 512 && bytes != 1024 && bytes != 2048 && bytes != 4096)) {
        return PS_ARG_FAIL;
    }
    rc = may_wish(s);
    if (rc < 0) {
        return rc;
    }
    before = s->wish;
    s->wish.max_fragment = bytes;
    return matrixssl_restart(s, &before);
}

/* A client's wish to have something or not. */
static int32 wish_for(struct session *s, bool *what, bool yes, uint32 said)
{
    struct wishes before;
    int32 rc;

    if (s->role != TLS_CLIENT || (said != PS_TRUE && said != PS_FALSE)) {
        return PS_ARG_FAIL;
    }
    rc = may_wish(s);
    if (rc < 0) {
        return rc;
    }
    before = s->wish;
    *what = yes;
    return matrixssl_restart(s, &before);
}

int32 matrixSslSetSessionTickets(ssl_t *ssl, uint32 use)
{
    struct session *s = session_of(ssl);

    return s ? wish_for(s, &s->wish.no_tickets, use == PS_FALSE, use) : PS_ARG_FAIL;
}

int32 matrixSslRequestStatus(ssl_t *ssl, uint32 ask)
{
    struct session *s = session_of(ssl);

    return s ? wish_for(s, &s->wish.ask_status, ask == PS_TRUE, ask) : PS_ARG_FAIL;
}

int32 matrixSslGetInfo(ssl_t *ssl, sslInfo_t *info)
{
    struct session *s = session_of(ssl);
    const struct error *e;
    struct tls_info i;

    if (!s || !info) {
        return PS_ARG_FAIL;
    }
    tls_get_info(s->tls, &i);
    e = tls_error(s->tls);
    *info = (sslInfo_t){
        .version = i.version_name,
        .suite = i.suite,
        .group = i.group,
        .alpn = i.alpn,
        .error = e->code ? e->text : "",
        .cipherId = i.suite_id,
        .alertSent = e->alert_sent,
        .alertReceived = e->alert_received,
        .versionId = i.version,
        .resumed = i.resumed,
        .secureRenegotiation = i.secure_renegotiation,
        .extendedMasterSecret = i.ems,
        .encryptThenMac = i.etm,
        .clientAuth = i.client_auth,
        .serverName = i.sni,
        .pskIdentity = i.psk,
        .ocspResponse = i.status.n ? i.status.p : NULL,
        .ocspResponseLen = (uint32)i.status.n,
    };
    return PS_SUCCESS;
}
