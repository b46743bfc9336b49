/* SPDX-License-Identifier: ISC */
/* States and their messages as numbers of an input. */
#ifndef FUZZ_STATES_H
#define FUZZ_STATES_H
#include "handshake/local.h"

/* New ones go behind the others: the corpus counts on the places. */
static const enum hs_state states[] = {
    C_WAIT_SH,       C_WAIT_SH2,        C_WAIT_EE,         C_WAIT_CERT_CR, C_WAIT_CERT,
    C_WAIT_CV,       C_WAIT_FINISHED,   C_CONNECTED,       S_WAIT_CH,      S_WAIT_CH2,
    S_WAIT_CERT,     S_WAIT_CV,         S_WAIT_FINISHED,   S_CONNECTED,    C12_WAIT_CERT,
    C12_WAIT_STATUS, C12_WAIT_SKE,      C12_WAIT_CR,       C12_WAIT_DONE,  C12_WAIT_NST,
    C12_WAIT_CCS,    C12_WAIT_FINISHED, C12_CONNECTED,     S12_WAIT_CERT,  S12_WAIT_CKE,
    S12_WAIT_CV,     S12_WAIT_CCS,      S12_WAIT_FINISHED, S12_CONNECTED,  S_POST_CERT,
    S_POST_CV,       S_POST_FINISHED,   S_WAIT_EOED,
};
#define NSTATES (sizeof states / sizeof *states)
_Static_assert(NSTATES == HS_STATES, "every state has its place");

/* Key exchanges and versions before TLS 1.3, by the byte of the state. New ones go behind the
 * others. */
static const struct flavour {
    uint16_t suite; /* 0: what the settings say */
    uint16_t version;
} flavours[] = {
    { 0, TLS_1_2 },      { 0x00a8, TLS_1_2 }, { 0xd001, TLS_1_2 }, { 0x00ac, TLS_1_2 },
    { 0x00aa, TLS_1_2 }, { 0x002f, SSL_3_0 }, { 0xc009, TLS_1_0 }, { 0x009e, TLS_1_2 },
};
#define FLAVOURS (sizeof flavours / sizeof *flavours)

static inline bool is_client(enum hs_state s)
{
    return s < S_WAIT_CH;
}

static inline bool is_12(enum hs_state s)
{
    return (s >= C12_WAIT_CERT && s <= C12_CONNECTED) || s >= S12_WAIT_CERT;
}

/* As it is on the wire. */
static inline unsigned wire_type(enum hs_state state, unsigned message)
{
    switch (message) {
    case HS_HELLO_RETRY_REQUEST:
    case HS_SERVER_HELLO_13:
        return HS_SERVER_HELLO;
    case HS_CLIENT_HELLO_13:
        return HS_CLIENT_HELLO;
    case HS_RENEGOTIATION_REFUSED:
        return is_client(state) ? HS_HELLO_REQUEST : HS_CLIENT_HELLO;
    default:
        return message;
    }
}

static inline const struct edge *edge_at(size_t i)
{
    return i < tls13_nedges                  ? &tls13_edges[i]
           : i < tls13_nedges + tls12_nedges ? &tls12_edges[i - tls13_nedges]
                                             : NULL;
}

/* The n-th message that a state expects, by number, or one that it does not. */
static inline unsigned choose_type(enum hs_state state, unsigned n)
{
    for (unsigned type = 0; type <= HS_CHANGE_CIPHER_SPEC; type++) {
        bool expected = false;

        for (size_t i = 0; edge_at(i); i++) {
            expected = expected ||
                       (edge_at(i)->from == state && wire_type(state, edge_at(i)->message) == type);
        }
        if (expected && n-- == 0) {
            return type;
        }
    }
    return n * 3 & 0xff;
}
#endif
