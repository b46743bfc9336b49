/* SPDX-License-Identifier: ISC */
/* The helpers that applications of the guide's time include: memory, time, trace, a linked list.
 * All of it is inline and belongs to the application; the library uses none of it. */
#ifndef CORE_COREAPI_H
#define CORE_COREAPI_H
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <sys/time.h>

#include "../matrixssl/coreConfig.h"
#include "../matrixssl/cryptoConfig.h"
#include "../matrixssl/matrixsslConfig.h"

typedef int8_t int8;
typedef uint8_t uint8;
typedef int16_t int16;
typedef uint16_t uint16;
typedef int32_t int32;
typedef uint32_t uint32;
typedef int64_t int64;
typedef uint64_t uint64;

/* ---- results ---- */
#define PS_SUCCESS               0
#define PS_FAILURE               (-1)
#define PS_ARG_FAIL              (-6)
#define PS_PLATFORM_FAIL         (-7)
#define PS_MEM_FAIL              (-8)
#define PS_LIMIT_FAIL            (-9)
#define PS_UNSUPPORTED_FAIL      (-10)
#define PS_DISABLED_FEATURE_FAIL (-11)
#define PS_PROTOCOL_FAIL         (-12)
#define PS_TIMEOUT_FAIL          (-13)
#define PS_INTERRUPT_FAIL        (-14)
#define PS_PENDING               (-15)
#define PS_PARSE_FAIL            (-31)
#define PS_CERT_AUTH_PASS        1
#define PS_CERT_AUTH_FAIL_BC     (-32)
#define PS_CERT_AUTH_FAIL_DN     (-33)
#define PS_CERT_AUTH_FAIL_SIG    (-34)
#define PS_CERT_AUTH_FAIL        (-35)
#define PS_SIGNATURE_MISMATCH    (-36)
#define PS_TRUE                  1
#define PS_FALSE                 0

/* ---- memory: pools do not exist, so their argument is dropped unevaluated ---- */
#define psDefineHeap(a, b)
typedef struct psPool psPool_t;
#define MATRIX_NO_POOL        NULL
#define psMalloc(pool, n)     malloc(n)
#define psCalloc(pool, n, s)  calloc((n), (s))
#define psRealloc(p, n, pool) realloc((p), (n))
#define psFree(p)             free(p)
#define psMemset              memset
#define psMemcpy              memcpy

#ifndef __cplusplus
#ifndef min
#define min(a, b) (((a) < (b)) ? (a) : (b))
#endif
#ifndef max
#define max(a, b) (((a) > (b)) ? (a) : (b))
#endif
#endif

/* ---- trace: on standard output; the families print only where their option is on ---- */
#define _psTrace(text)         ((void)printf("%s", (text)))
#define _psTraceInt(format, i) ((void)printf((format), (i)))
#define _psTraceStr(format, s) ((void)printf((format), (s)))

#ifdef HALT_ON_PS_ERROR
#define osdepBreak() abort()
#else
#define osdepBreak() ((void)0)
#endif
#define _psError(text)         _psErrorAt(__FILE__, __LINE__, "%s", (text))
#define _psErrorInt(format, i) _psErrorAt(__FILE__, __LINE__, (format), (i))
#define _psErrorStr(format, s) _psErrorAt(__FILE__, __LINE__, (format), (s))
#define _psErrorAt(file, line, format, value)   \
    do {                                        \
        (void)printf("%s:%d ", (file), (line)); \
        (void)printf((format), (value));        \
        (void)printf("\n");                     \
        osdepBreak();                           \
    } while (0)
#define psAssert(condition)                                                       \
    do {                                                                          \
        if (!(condition)) {                                                       \
            (void)printf("%s:%d psAssert: %s\n", __FILE__, __LINE__, #condition); \
            osdepBreak();                                                         \
        }                                                                         \
    } while (0)

#ifdef USE_CORE_TRACE
#define psTraceCore(text)         _psTrace(text)
#define psTraceIntCore(format, i) _psTraceInt(format, i)
#define psTraceStrCore(format, s) _psTraceStr(format, s)
#else
#define psTraceCore(text)         ((void)0)
#define psTraceIntCore(format, i) ((void)0)
#define psTraceStrCore(format, s) ((void)0)
#endif
#ifdef USE_CRYPTO_TRACE
#define psTraceCrypto(text)         _psTrace(text)
#define psTraceIntCrypto(format, i) _psTraceInt(format, i)
#define psTraceStrCrypto(format, s) _psTraceStr(format, s)
#else
#define psTraceCrypto(text)         ((void)0)
#define psTraceIntCrypto(format, i) ((void)0)
#define psTraceStrCrypto(format, s) ((void)0)
#endif
#ifdef USE_SSL_HANDSHAKE_MSG_TRACE
#define psTraceHs(text)         _psTrace(text)
#define psTraceIntHs(format, i) _psTraceInt(format, i)
#define psTraceStrHs(format, s) _psTraceStr(format, s)
#else
#define psTraceHs(text)         ((void)0)
#define psTraceIntHs(format, i) ((void)0)
#define psTraceStrHs(format, s) ((void)0)
#endif
#ifdef USE_SSL_INFORMATIONAL_TRACE
#define psTraceInfo(text)         _psTrace(text)
#define psTraceIntInfo(format, i) _psTraceInt(format, i)
#define psTraceStrInfo(format, s) _psTraceStr(format, s)
#else
#define psTraceInfo(text)         ((void)0)
#define psTraceIntInfo(format, i) ((void)0)
#define psTraceStrInfo(format, s) ((void)0)
#endif

/* ---- time ---- */
typedef struct timeval psTime_t;

/* The time now in *t, which may be NULL; its seconds are the result. */
static inline int32 psGetTime(psTime_t *t)
{
    psTime_t now;

    (void)gettimeofday(&now, NULL);
    if (t) {
        *t = now;
    }
    return (int32)now.tv_sec;
}

static inline int32 psDiffMsecs(psTime_t then, psTime_t now)
{
    return (int32)((now.tv_sec - then.tv_sec) * 1000 + (now.tv_usec - then.tv_usec) / 1000);
}

/* ---- a doubly linked ring: the list's head is an entry of its own ---- */
typedef struct DLListEntry {
    struct DLListEntry *pNext;
    struct DLListEntry *pPrev;
} DLListEntry;

#define DLListGetContainer(entry, type, field) \
    ((type *)(void *)((char *)(entry)-offsetof(type, field)))

static inline void DLListInit(DLListEntry *list)
{
    list->pNext = list->pPrev = list;
}

static inline int DLListIsEmpty(const DLListEntry *list)
{
    return list->pNext == list;
}

static inline void DLListInsertTail(DLListEntry *list, DLListEntry *entry)
{
    entry->pNext = list;
    entry->pPrev = list->pPrev;
    list->pPrev->pNext = entry;
    list->pPrev = entry;
}

static inline void DLListInsertHead(DLListEntry *list, DLListEntry *entry)
{
    entry->pNext = list->pNext;
    entry->pPrev = list;
    list->pNext->pPrev = entry;
    list->pNext = entry;
}

static inline void DLListRemove(DLListEntry *entry)
{
    entry->pPrev->pNext = entry->pNext;
    entry->pNext->pPrev = entry->pPrev;
}

/* Takes the first entry out of the list and returns it; the list itself when it is empty. */
static inline DLListEntry *DLListGetHead(DLListEntry *list)
{
    DLListEntry *first = list->pNext;

    DLListRemove(first);
    return first;
}
#endif
