/* SPDX-License-Identifier: ISC */
/* What two programs say in clear before the handshake, where a protocol asks for TLS by a command
 * (STARTTLS). The talk is led by a state machine that knows neither the socket nor the caller: no
 * byte of the caller's is ever part of it. */
#ifndef SHIM_PRELUDE_H
#define SHIM_PRELUDE_H
#include "base/buf.h"

enum {
    PRELUDE_MORE, /* waits for more */
    PRELUDE_DONE, /* when what was said has left, TLS begins */
};
#define PRELUDE_MAX 65536 /* bytes that the peer may say in clear */

struct prelude {
    /* Takes of *in what is whole, and appends to out what is to be said; called once before
     * anything has come. PRELUDE_*; or < 0 with a sentence in err: ERR_UNSUPPORTED: the peer does
     * not want TLS, ERR_MEM, else: it does not keep to the protocol. */
    int (*step)(struct prelude *p, struct rd *in, struct buf *out, struct error *err);
    /* How many of the first bytes that the caller writes after the handshake the peer is not to
     * get, because it has got the like already. NULL: none. */
    size_t (*skip)(struct prelude *p, struct span said);
    struct buf replay; /* what the caller reads first */
    struct buf in;     /* come, and not whole yet */
    size_t heard;
    bool done, skipped;
};

/* n more bytes came from the peer (0: none, the beginning). As step(); whatever comes behind the
 * peer's last word is an error (CVE-2011-0411: it could be somebody else's). */
int prelude_hear(struct prelude *p, const void *data, size_t n, struct buf *out,
                 struct error *err) MUST_CHECK;
void prelude_free(struct prelude *p); /* also what it is the first member of; NULL is fine */
#endif
