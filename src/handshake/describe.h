/* SPDX-License-Identifier: ISC */
/* A handshake message as one line of printable ASCII, for the trace: name, length and the fields
 * that matter when two ends do not agree. Lengths only of what is secret or would help to forge:
 * Finished, key exchanges, signatures, tickets, binders. Takes any bytes. */
#ifndef HANDSHAKE_DESCRIBE_H
#define HANDSHAKE_DESCRIBE_H
#include "base/bytes.h"
#include "base/trace.h"

/* Into line[room], NUL included; one that is too long ends with "...". version: negotiated, 0 while
 * it is not: then messages that differ by version are told apart by their form. */
void hs_describe(bool sending, uint16_t version, struct span message, char *line, size_t room);
/* The same as a line of TRACE_HANDSHAKE, made only when somebody listens. */
void hs_trace_say(bool sending, uint16_t version, struct span message);
static inline void hs_trace(bool sending, uint16_t version, struct span message)
{
    if (trace_on(TRACE_HANDSHAKE)) {
        hs_trace_say(sending, version, message);
    }
}
#endif
