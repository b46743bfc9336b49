/* SPDX-License-Identifier: ISC */
/* One error type for the whole engine: an int that is 0 (or a positive event) or negative. A
 * negative value either is one of enum err, or carries the alert that the peer must be sent:
 * TLS_ALERT(decode_error). Whoever sees the error first records it in a struct error together with
 * a place and a sentence; the first record sticks. */
#ifndef BASE_ERROR_H
#define BASE_ERROR_H
#include <stdbool.h>
#include <stdint.h>

enum err {
    ERR_MEM = -1,        /* out of memory */
    ERR_CRYPTO = -2,     /* a primitive of the provider failed */
    ERR_ARG = -3,        /* the caller asked for what cannot be */
    ERR_STATE = -4,      /* legal call, wrong time (sending before the handshake is over) */
    ERR_FILE = -5,       /* a file could not be read; errno tells why */
    ERR_PARSE = -6,      /* a certificate, key or configuration is malformed */
    ERR_MISMATCH = -7,   /* certificate and key do not belong together */
    ERR_PEER_ALERT = -8, /* the peer sent a fatal alert; struct error has its number */
    ERR_CLOSED = -9,     /* after close_notify or a fatal error */
    ERR_LIMIT = -10,     /* a limit of ours, not of the protocol */
    ERR_UNSUPPORTED = -11,
    ERR_PASSPHRASE = -12, /* an encrypted key, and no or the wrong passphrase */
};

/* RFC 8446 section 6, RFC 5246 section 7.2, RFC 7301, RFC 7507. */
enum alert {
    ALERT_CLOSE_NOTIFY = 0,
    ALERT_UNEXPECTED_MESSAGE = 10,
    ALERT_BAD_RECORD_MAC = 20,
    ALERT_RECORD_OVERFLOW = 22,
    ALERT_HANDSHAKE_FAILURE = 40,
    ALERT_NO_CERTIFICATE = 41, /* SSL 3 only (RFC 6101 section 5.4.2) */
    ALERT_BAD_CERTIFICATE = 42,
    ALERT_UNSUPPORTED_CERTIFICATE = 43,
    ALERT_CERTIFICATE_REVOKED = 44,
    ALERT_CERTIFICATE_EXPIRED = 45,
    ALERT_CERTIFICATE_UNKNOWN = 46,
    ALERT_ILLEGAL_PARAMETER = 47,
    ALERT_UNKNOWN_CA = 48,
    ALERT_ACCESS_DENIED = 49,
    ALERT_DECODE_ERROR = 50,
    ALERT_DECRYPT_ERROR = 51,
    ALERT_PROTOCOL_VERSION = 70,
    ALERT_INSUFFICIENT_SECURITY = 71,
    ALERT_INTERNAL_ERROR = 80,
    ALERT_INAPPROPRIATE_FALLBACK = 86,
    ALERT_USER_CANCELED = 90,
    ALERT_NO_RENEGOTIATION = 100,
    ALERT_MISSING_EXTENSION = 109,
    ALERT_UNSUPPORTED_EXTENSION = 110,
    ALERT_UNRECOGNIZED_NAME = 112,
    ALERT_BAD_CERTIFICATE_STATUS_RESPONSE = 113,
    ALERT_UNKNOWN_PSK_IDENTITY = 115,
    ALERT_CERTIFICATE_REQUIRED = 116,
    ALERT_NO_APPLICATION_PROTOCOL = 120,
    ALERT_ECH_REQUIRED = 121, /* RFC 9849: of a peer */
    ALERT_NONE = 255,         /* in struct error: no alert was sent or received */
};

#define TLS_ALERT(desc)    (-0x100 - (int)(desc))
#define IS_TLS_ALERT(code) ((code) <= -0x100)
#define ALERT_OF(code)     (-0x100 - (code))

struct error {
    int code;               /* 0: no error yet */
    uint8_t alert_sent;     /* enum alert */
    uint8_t alert_received; /* enum alert */
    const char *place;      /* function that found it */
    char text[160];         /* a sentence for people */
};

void error_clear(struct error *e);

/* Records the error unless one stands already; always returns `code`, so that a caller writes
 * `return error_set(e, TLS_ALERT(..), __func__, "...")`. `e` may be NULL. */
int error_set(struct error *e, int code, const char *place, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
#define FAIL(e, code, ...) error_set((e), (code), __func__, __VA_ARGS__)

/* "decode_error"; "alert 77" never: unknown numbers give "unknown alert". */
const char *alert_name(unsigned desc);
/* A few words for any negative code. */
const char *error_name(int code);

/* The one control macro: returns from the enclosing function what is negative. */
#define TRY(expr)             \
    do {                      \
        int try_rc_ = (expr); \
        if (try_rc_ < 0) {    \
            return try_rc_;   \
        }                     \
    } while (0)

#define MUST_CHECK __attribute__((warn_unused_result))
#endif
