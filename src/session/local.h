/* SPDX-License-Identifier: ISC */
/* What ticket.c keeps, open to its test: nobody waits for 2^24 tickets. */
#ifndef SESSION_LOCAL_H
#define SESSION_LOCAL_H
#include "base/lock.h"
#include "session/session.h"

#define TICKET_OVERHEAD (TICKET_NAME + AEAD_IV + AEAD_TAG)
/* A drawn key is replaced early: two of 2^24 random nonces are the same with probability 2^-49. A
 * key from outside cannot be; it stops at the limit of NIST SP 800-38D section 8.3. */
#define TICKET_SEALS_DRAWN (UINT64_C(1) << 24)
#define TICKET_SEALS_MAX   (UINT64_C(1) << 32)
#define TICKET_SEALS_SHARE (UINT64_C(1) << 28) /* of one process, where several have the key */
#define TICKET_STEPS_MAX   65536               /* of shared keys at once: the clock has jumped */

struct ticket_key {
    uint8_t name[TICKET_NAME];
    uint8_t key[TICKET_KEY];
    int64_t since;   /* when it began to seal, or of an older one: when it should have ended;
                        INT64_MAX: from the next call on */
    uint64_t sealed; /* tickets */
    bool kept;       /* opens without an end */
};

struct ticket_keys {
    atomic_uint refs;
    struct lock lock;
    int64_t life_ms;
    bool fixed;                                /* keys come from outside */
    bool shared;                               /* drawn ones are derived: */
    uint8_t next[TICKET_KEY];                  /* of this comes the next one */
    int64_t period;                            /* of the first key, in halves of a life */
    size_t count;                              /* 1 to TICKET_GENERATIONS */
    struct ticket_key gen[TICKET_GENERATIONS]; /* the first one seals; no name is in there twice */
};
#endif
