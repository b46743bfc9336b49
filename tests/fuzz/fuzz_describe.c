/* SPDX-License-Identifier: ISC */
/* A handshake message in words, from any bytes: the line ends inside its room and is printable. The
 * first byte chooses version and room. */
#include <stdlib.h>

#include "handshake/describe.h"
#include "handshake/settings.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint16_t versions[] = { 0, TLS_1_2, TLS_1_3, 0 };
    static const size_t rooms[] = { 2048, 100, 10, 1 };
    char *line;
    size_t room;

    if (size < 1) {
        return 0;
    }
    room = rooms[data[0] >> 2 & 3];
    line = malloc(room);
    if (!line) {
        return 0;
    }
    hs_describe(data[0] & 16, versions[data[0] & 3], span_of(data + 1, size - 1), line, room);
    for (size_t i = 0;; i++) {
        if (i == room || (line[i] && (line[i] < ' ' || line[i] > '~'))) {
            abort();
        }
        if (!line[i]) {
            break;
        }
    }
    free(line);
    return 0;
}
