/* SPDX-License-Identifier: ISC */
#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/trace.h"

void error_clear(struct error *e)
{
    memset(e, 0, sizeof *e);
    e->alert_sent = e->alert_received = ALERT_NONE;
}

int error_set(struct error *e, int code, const char *place, const char *fmt, ...)
{
    va_list ap;

    if (e && e->code == 0) {
        e->code = code;
        e->place = place;
        va_start(ap, fmt);
        (void)vsnprintf(e->text, sizeof e->text, fmt, ap);
        va_end(ap);
        trace(TRACE_INFO, "%s: %s (%s)", place, e->text, error_name(code));
    }
    return code;
}

const char *alert_name(unsigned desc)
{
    static const struct {
        uint8_t desc;
        const char *name;
    } names[] = {
        { ALERT_CLOSE_NOTIFY, "close_notify" },
        { ALERT_UNEXPECTED_MESSAGE, "unexpected_message" },
        { ALERT_BAD_RECORD_MAC, "bad_record_mac" },
        { ALERT_RECORD_OVERFLOW, "record_overflow" },
        { ALERT_HANDSHAKE_FAILURE, "handshake_failure" },
        { ALERT_NO_CERTIFICATE, "no_certificate" },
        { ALERT_BAD_CERTIFICATE, "bad_certificate" },
        { ALERT_UNSUPPORTED_CERTIFICATE, "unsupported_certificate" },
        { ALERT_CERTIFICATE_REVOKED, "certificate_revoked" },
        { ALERT_CERTIFICATE_EXPIRED, "certificate_expired" },
        { ALERT_CERTIFICATE_UNKNOWN, "certificate_unknown" },
        { ALERT_ILLEGAL_PARAMETER, "illegal_parameter" },
        { ALERT_UNKNOWN_CA, "unknown_ca" },
        { ALERT_ACCESS_DENIED, "access_denied" },
        { ALERT_DECODE_ERROR, "decode_error" },
        { ALERT_DECRYPT_ERROR, "decrypt_error" },
        { ALERT_PROTOCOL_VERSION, "protocol_version" },
        { ALERT_INSUFFICIENT_SECURITY, "insufficient_security" },
        { ALERT_INTERNAL_ERROR, "internal_error" },
        { ALERT_INAPPROPRIATE_FALLBACK, "inappropriate_fallback" },
        { ALERT_USER_CANCELED, "user_canceled" },
        { ALERT_NO_RENEGOTIATION, "no_renegotiation" },
        { ALERT_MISSING_EXTENSION, "missing_extension" },
        { ALERT_UNSUPPORTED_EXTENSION, "unsupported_extension" },
        { ALERT_UNRECOGNIZED_NAME, "unrecognized_name" },
        { ALERT_BAD_CERTIFICATE_STATUS_RESPONSE, "bad_certificate_status_response" },
        { ALERT_UNKNOWN_PSK_IDENTITY, "unknown_psk_identity" },
        { ALERT_CERTIFICATE_REQUIRED, "certificate_required" },
        { ALERT_NO_APPLICATION_PROTOCOL, "no_application_protocol" },
        { ALERT_ECH_REQUIRED, "ech_required" },
    };

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (names[i].desc == desc) {
            return names[i].name;
        }
    }
    return "unknown alert";
}

const char *error_name(int code)
{
    static const char *const names[] = {
        [-ERR_MEM] = "out of memory",
        [-ERR_CRYPTO] = "a cryptographic operation failed",
        [-ERR_ARG] = "invalid argument",
        [-ERR_STATE] = "not possible in this state",
        [-ERR_FILE] = "a file could not be read",
        [-ERR_PARSE] = "malformed input",
        [-ERR_MISMATCH] = "certificate and key do not belong together",
        [-ERR_PEER_ALERT] = "the peer sent a fatal alert",
        [-ERR_CLOSED] = "the connection is closed",
        [-ERR_LIMIT] = "a limit was reached",
        [-ERR_UNSUPPORTED] = "not supported",
        [-ERR_PASSPHRASE] = "missing or wrong passphrase",
    };

    if (IS_TLS_ALERT(code)) {
        return alert_name((unsigned)ALERT_OF(code));
    }
    if (code < 0 && (size_t)-code < sizeof names / sizeof *names && names[-code]) {
        return names[-code];
    }
    return code < 0 ? "unknown error" : "no error";
}
