/* SPDX-License-Identifier: ISC */
/* What the fuzzers of key files share: encryption is told by the file how often to repeat its hash,
 * and a file that says a billion takes its reader at its word. */
#ifndef TESTS_FUZZ_KEYFILE_H
#define TESTS_FUZZ_KEYFILE_H
#include <stdlib.h>

#include "base/buf.h"
#include "x509/x509.h"

/* Is there an INTEGER as large as no count here should be, or scrypt, whose three numbers
 * multiply? */
static inline bool takes_long(struct span der)
{
    static const uint8_t scrypt[] = { 0x2b, 0x06, 0x01, 0x04, 0x01, 0xda, 0x47, 0x04, 0x0b };

    for (size_t i = 0; i + 4 < der.n; i++) {
        if (i >= 2 && memcmp(der.p + i - 2, "\x04\x03\x02\x03", 4) == 0) {
            continue; /* the end of ecdsa-with-SHA256, and the BIT STRING behind it */
        }
        if (der.p[i] == 2 && der.p[i + 1] >= 3 && der.p[i + 1] <= 8 &&
            memcmp(der.p + i, "\x02\x03\x01\x00\x01", 5) != 0) {
            return true;
        }
        if (der.n - i >= sizeof scrypt && memcmp(der.p + i, scrypt, sizeof scrypt) == 0) {
            return true;
        }
    }
    return false;
}

/* The same of what PEM blocks decode to. */
static inline bool pem_takes_long(struct span text)
{
    struct buf der = { 0 };
    char label[64];
    size_t pos = 0;
    bool is = takes_long(text);

    while (!is && pem_next(text, &pos, label, &der) != 0) {
        is = takes_long(buf_span(&der));
        buf_free(&der);
    }
    buf_free(&der);
    return is;
}

#define SURE(what)   \
    do {             \
        if (!(what)) \
            abort(); \
    } while (0)
#endif
