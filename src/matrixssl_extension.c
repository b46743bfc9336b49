/* SPDX-License-Identifier: ISC */
/* The guide's API: more extensions for a client's hello. */
#include "matrixssl.h"

#include "base/mem.h"

#define BODIES_MAX 4096 /* bytes in all: a ClientHello stays far below its limit */
#define ALPN_MAX   16

struct extension {
    struct extension *next;
    uint16_t type;
    size_t len;
    uint8_t body[];
};

struct tlsExtension {
    struct extension *first;
    size_t bytes;
};

int32 matrixSslNewHelloExtension(tlsExtension_t **out)
{
    if (!out) {
        return PS_ARG_FAIL;
    }
    *out = mem_zalloc(sizeof **out);
    return *out ? PS_SUCCESS : PS_MEM_FAIL;
}

int32 matrixSslLoadHelloExtension(tlsExtension_t *e, unsigned char *data, uint32 len, uint32 type)
{
    struct extension **at, *one;

    if (!e || (!data && len) || type > UINT16_MAX) {
        return PS_ARG_FAIL;
    }
    if (len > BODIES_MAX - e->bytes) {
        return PS_LIMIT_FAIL;
    }
    for (at = &e->first; *at; at = &(*at)->next) {
        if ((*at)->type == type) { /* RFC 8446 section 4.2: one of a type */
            return PS_ARG_FAIL;
        }
    }
    one = mem_zalloc(sizeof *one + len);
    if (!one) {
        return PS_MEM_FAIL;
    }
    one->type = (uint16_t)type;
    one->len = len;
    if (len) {
        memcpy(one->body, data, len);
    }
    *at = one;
    e->bytes += len;
    return PS_SUCCESS;
}

void matrixSslDeleteHelloExtension(tlsExtension_t *e)
{
    if (!e) {
        return;
    }
    while (e->first) {
        struct extension *next = e->first->next;

        mem_free(e->first);
        e->first = next;
    }
    mem_free(e);
}

/* ---- those that the engine sends by itself become wishes ---- */

/* RFC 6066 section 3: one host name. An address, which 3.x programs pass, is none: not sent. */
static int take_name(struct wishes *w, struct rd r)
{
    struct rd list, name;
    char text[256];
    uint8_t kind;

    if (!rd_vec(&r, 2, &list) || !rd_done(&r) || !rd_u8(&list, &kind) || kind != 0 ||
        !rd_vec(&list, 2, &name) || !rd_done(&list) || name.n == 0 || name.n >= sizeof text ||
        memchr(name.p, 0, name.n)) {
        return ERR_ARG;
    }
    memcpy(text, name.p, name.n);
    text[name.n] = '\0';
    if (host_is_ip(text)) {
        return 0;
    }
    if (!host_is_valid(text)) {
        return ERR_ARG;
    }
    w->sni = mem_strdup(text);
    return w->sni ? 0 : ERR_MEM;
}

int matrixssl_wish_alpn(struct wishes *w, const char *const *names, size_t n)
{
    size_t bytes = 0, at = 0;

    if (n == 0 || n > ALPN_MAX) {
        return ERR_ARG;
    }
    for (size_t i = 0; i < n; i++) {
        if (!names[i] || !names[i][0] || strlen(names[i]) > 255) {
            return ERR_ARG;
        }
        bytes += strlen(names[i]) + 1;
    }
    w->alpn = mem_alloc(bytes);
    if (!w->alpn) {
        return ERR_MEM;
    }
    w->nalpn = n;
    for (size_t i = 0; i < n; i++) {
        memcpy(w->alpn + at, names[i], strlen(names[i]) + 1);
        at += strlen(names[i]) + 1;
    }
    return 0;
}

static int take_alpn(struct wishes *w, struct rd r)
{
    const char *names[ALPN_MAX];
    char text[ALPN_MAX * 256];
    struct rd list, name;
    size_t n = 0, at = 0;

    if (!rd_vec(&r, 2, &list) || !rd_done(&r)) {
        return ERR_ARG;
    }
    while (!rd_done(&list)) {
        if (n == ALPN_MAX || !rd_vec(&list, 1, &name) || name.n == 0 || memchr(name.p, 0, name.n)) {
            return ERR_ARG;
        }
        names[n++] = text + at;
        memcpy(text + at, name.p, name.n);
        at += name.n;
        text[at++] = '\0';
    }
    return matrixssl_wish_alpn(w, names, n);
}

static int take_max_fragment(struct wishes *w, struct rd r)
{
    uint8_t code;

    if (!rd_u8(&r, &code) || !rd_done(&r) || code < 1 || code > 4) { /* RFC 6066 section 4 */
        return ERR_ARG;
    }
    w->max_fragment = 256u << code;
    return 0;
}

static int encode(struct buf *out, const struct extension *e)
{
    struct wr w = wr_buf(out);

    wr_u16(&w, e->type);
    wr_vec(&w, 2, e->body, e->len);
    return wr_commit(&w);
}

int matrixssl_take_extensions(struct wishes *w, const struct tlsExtension *e)
{
    for (const struct extension *x = e ? e->first : NULL; x; x = x->next) {
        switch (x->type) {
        case EXT_SERVER_NAME:
            TRY(take_name(w, rd_of(x->body, x->len)));
            break;
        case EXT_MAX_FRAGMENT_LEN:
            TRY(take_max_fragment(w, rd_of(x->body, x->len)));
            break;
        case EXT_STATUS_REQUEST: /* whichever responders it names: all are asked for */
            w->ask_status = true;
            break;
        case EXT_ALPN:
            TRY(take_alpn(w, rd_of(x->body, x->len)));
            break;
        default:
            TRY(encode(&w->extensions, x));
        }
    }
    return 0;
}

void matrixssl_free_wishes(struct wishes *w)
{
    mem_free(w->expected);
    mem_free(w->sni);
    mem_free(w->alpn);
    buf_free(&w->extensions);
}
