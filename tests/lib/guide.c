/* SPDX-License-Identifier: ISC */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include "guide.h"

#define DAY 86400

void cred_make(struct cred *c, const struct cred_params *p, const struct cred *issuer)
{
    struct error err = { 0 };
    int64_t now = (int64_t)time(NULL);
    bool dated = p->from || p->until;
    struct issue what = {
        .common_name = p->common_name,
        .names = p->names,
        .ca = p->ca,
        .client = p->client,
        .server = !p->ca && !p->client,
        .not_before = now + (dated ? p->from : -1) * DAY,
        .not_after = now + (dated ? p->until : 1) * DAY,
    };

    memset(c, 0, sizeof *c);
    while (what.nnames < 4 && p->names[what.nnames]) {
        what.nnames++;
    }
    assert_int_equal(crypto_init(), 0);
    assert_int_equal(privkey_generate(&c->key, p->rsa ? KEY_RSA : KEY_EC_P256, p->rsa ? 2048 : 0),
                     0);
    what.key = c->key;
    what.issuer_key = issuer ? issuer->key : c->key;
    what.issuer = issuer ? &issuer->cert : NULL;
    if (cert_issue(&what, &c->der, &err) < 0) {
        fail_msg("%s", err.text);
    }
    assert_int_equal(cert_parse(&c->cert, buf_span(&c->der), &err), 0);
    assert_int_equal(pem_write(&c->pem, "CERTIFICATE", buf_span(&c->der)), 0);
    assert_int_equal(privkey_write_pem(c->key, &c->key_pem), 0);
}

void cred_free(struct cred *c)
{
    privkey_unref(c->key);
    buf_free(&c->der);
    buf_free(&c->pem);
    buf_free(&c->key_pem);
}

sslKeys_t *guide_keys(const struct cred *own, const struct cred *trusted)
{
    sslKeys_t *k = NULL;

    assert_int_equal(matrixSslNewKeys(&k), PS_SUCCESS);
    if (own || trusted) {
        assert_int_equal(matrixSslLoadRsaKeysMem(k, own ? buf_data(&own->pem) : NULL,
                                                 own ? (int32)buf_len(&own->pem) : 0,
                                                 own ? buf_data(&own->key_pem) : NULL,
                                                 own ? (int32)buf_len(&own->key_pem) : 0,
                                                 trusted ? buf_data(&trusted->der) : NULL,
                                                 trusted ? (int32)buf_len(&trusted->der) : 0),
                         PS_SUCCESS);
    }
    return k;
}

void side_init(struct side *s)
{
    memset(s, 0, sizeof *s);
    s->level = s->alert = -1;
}

void side_free(struct side *s)
{
    matrixSslDeleteSession(s->ssl);
    matrixSslDeleteKeys(s->keys);
    free(s->got);
    side_init(s);
}

static void note(struct side *s, char call, int32 rc)
{
    if (s->nlog + 16 < sizeof s->log) {
        s->nlog += (size_t)sprintf(s->log + s->nlog, "%s%c%d", s->nlog ? " " : "", call, (int)rc);
    }
    if (rc == MATRIXSSL_HANDSHAKE_COMPLETE) {
        s->complete++;
    }
    if (rc == MATRIXSSL_REQUEST_CLOSE) {
        s->closed = 1;
    }
    if (rc < 0 && !s->error) {
        s->error = rc;
    }
}

size_t side_take(struct side *s, unsigned char *out, size_t room)
{
    unsigned char *p = NULL;
    int32 n = matrixSslGetOutdata(s->ssl, &p);
    size_t take;

    assert_true(n >= 0);
    take = (size_t)n < room ? (size_t)n : room;
    if (take) {
        memcpy(out, p, take);
        note(s, 's', matrixSslSentData(s->ssl, (uint32)take));
    }
    return take;
}

static void keep(struct side *s, const unsigned char *p, uint32 n)
{
    assert_true(s->complete >= 1); /* never before the handshake is complete */
    if (s->ngot + n > s->got_room) {
        s->got_room = (s->ngot + n) * 2;
        s->got = realloc(s->got, s->got_room);
        assert_non_null(s->got);
    }
    if (n) {
        memcpy(s->got + s->ngot, p, n);
    }
    s->ngot += n;
}

void side_give(struct side *s, const unsigned char *in, size_t n)
{
    unsigned char *room, *pt;
    uint32 len;
    int32 rc;

    while (n) {
        size_t k;

        rc = matrixSslGetReadbuf(s->ssl, &room);
        assert_true(rc > 0);
        k = n < (size_t)rc ? n : (size_t)rc;
        memcpy(room, in, k);
        in += k;
        n -= k;
        rc = matrixSslReceivedData(s->ssl, (uint32)k, &pt, &len);
        note(s, 'r', rc);
        while (rc == MATRIXSSL_APP_DATA || rc == MATRIXSSL_RECEIVED_ALERT ||
               rc == MATRIXSSL_HANDSHAKE_COMPLETE) {
            if (rc == MATRIXSSL_HANDSHAKE_COMPLETE) {
                assert_int_equal(len, 0);
                rc = matrixSslReceivedData(s->ssl, 0, &pt, &len);
                note(s, 'r', rc);
                continue;
            }
            if (rc == MATRIXSSL_APP_DATA) {
                keep(s, pt, len);
            } else {
                assert_int_equal(len, 2);
                s->level = pt[0];
                s->alert = pt[1];
            }
            rc = matrixSslProcessedData(s->ssl, &pt, &len);
            note(s, 'p', rc);
        }
    }
}

void carry(struct side *a, struct side *b, size_t chunk)
{
    static unsigned char wire[65536];
    size_t moved;

    assert_true(chunk <= sizeof wire);
    do {
        size_t n = side_take(a, wire, chunk);

        moved = n;
        side_give(b, wire, n);
        n = side_take(b, wire, chunk);
        moved += n;
        side_give(a, wire, n);
    } while (moved);
}

void side_connect(struct side *client, struct side *server, uint32 suite, sslSessionId_t *sid)
{
    matrixSslDeleteSession(client->ssl);
    matrixSslDeleteSession(server->ssl);
    client->ssl = server->ssl = NULL;
    assert_int_equal(
        matrixSslNewClientSession(&client->ssl, client->keys, sid, suite, NULL, NULL, NULL),
        MATRIXSSL_REQUEST_SEND);
    assert_int_equal(matrixSslNewServerSession(&server->ssl, server->keys, NULL), PS_SUCCESS);
    client->complete = server->complete = 0;
    carry(client, server, 65536);
    assert_int_equal(client->complete, 1);
    assert_int_equal(server->complete, 1);
    client->nlog = server->nlog = client->ngot = server->ngot = 0;
    client->log[0] = server->log[0] = '\0';
}

void side_write(struct side *s, const void *p, size_t n)
{
    const unsigned char *in = p;

    while (n) {
        uint32 k = n < SSL_MAX_PLAINTEXT_LEN ? (uint32)n : SSL_MAX_PLAINTEXT_LEN;

        assert_true(matrixSslEncodeToOutdata(s->ssl, (unsigned char *)(uintptr_t)in, k) > (int32)k);
        in += k;
        n -= k;
    }
}

uint32 side_suite(const struct side *s)
{
    sslInfo_t info;

    assert_int_equal(matrixSslGetInfo(s->ssl, &info), PS_SUCCESS);
    return info.cipherId;
}

/* ---- what most tests have of these ---- */
struct cred ca, server_cred, client_cred;
struct side cl, sv;

int guide_setup(void **state)
{
    struct cred_params p = { .common_name = "Test CA", .ca = true, .from = -30, .until = 30 };

    (void)state;
    side_init(&cl);
    side_init(&sv);
    if (matrixSslOpen() != PS_SUCCESS) {
        return -1;
    }
    cred_make(&ca, &p, NULL);
    p = (struct cred_params){ .common_name = "server",
                              .names = { "server.test", "alias.test", "127.0.0.1" },
                              .from = -30,
                              .until = 30 };
    cred_make(&server_cred, &p, &ca);
    p = (struct cred_params){ .common_name = "client", .client = true, .from = -30, .until = 30 };
    cred_make(&client_cred, &p, &ca);
    return 0;
}

int guide_teardown(void **state)
{
    (void)state;
    cred_free(&ca);
    cred_free(&server_cred);
    cred_free(&client_cred);
    matrixSslClose();
    return 0;
}

void guide_begin(uint32 suite)
{
    cl.keys = guide_keys(NULL, &ca);
    sv.keys = guide_keys(&server_cred, NULL);
    assert_int_equal(matrixSslNewClientSession(&cl.ssl, cl.keys, NULL, suite, NULL, NULL, NULL),
                     MATRIXSSL_REQUEST_SEND);
    assert_int_equal(matrixSslNewServerSession(&sv.ssl, sv.keys, NULL), PS_SUCCESS);
}

bool guide_connects(void)
{
    carry(&cl, &sv, 65536);
    return cl.complete && sv.complete;
}

void guide_connected(void)
{
    guide_begin(0);
    assert_true(guide_connects());
    assert_true(cl.complete == 1 && sv.complete == 1);
    cl.nlog = sv.nlog = 0;
    cl.log[0] = sv.log[0] = '\0';
}

void guide_end(void)
{
    side_free(&cl);
    side_free(&sv);
}
