#!/bin/sh
# SPDX-License-Identifier: ISC
# Build options of trace and memory, each compiled: which lines come out and where, a stop at the first error, and an
# engine that has its memory from an arena without being told at run time.
set -eu
B=${BUILD:-build}
CC=${CC:-gcc}
T=$(mktemp -d)
trap 'rm -rf "$T"' EXIT
fail() { echo "FAILED: $1"; cat "$T/err" 2>/dev/null || :; exit 1; }
FLAGS="-std=c11 -D_GNU_SOURCE -I. -Isrc -Iinclude -Wall -Wextra -Wundef -Werror -pthread"

cat >"$T/lines.c" <<'END'
#include "base/error.h"
#include "base/mem.h"
#include "base/trace.h"
static unsigned char memory[4096];
int main(void)
{
    struct error e = { 0 };

    if (mem_arena_set(memory, sizeof memory) < 0 || mem_alloc(1 << 20)) {
        return 2;
    }
    trace(TRACE_CRYPTO, "a key");
    trace(TRACE_HANDSHAKE, "a message");
    (void)error_set(&e, ERR_LIMIT, "here", "too much");
    trace(TRACE_ERROR, "an error");
    return 0;
}
END

# lines KINDS OPTION...: exactly these kinds come, on standard error
lines() {
    want=$1
    shift
    # shellcheck disable=SC2086
    $CC $FLAGS "$@" -o "$T/lines" "$T/lines.c" src/base/*.c -lz || fail "$* does not compile"
    rc=0
    env -u SLEEVE_LOG "$T/lines" >"$T/out" 2>"$T/err" || rc=$?
    [ ! -s "$T/out" ] || fail "$*: something on standard output"
    got=$(sed -n 's/^sleeve: \([a-z]*\): .*/\1/p' "$T/err" | uniq | tr '\n' ' ')
    [ "$got" = "$want" ] || fail "$*: lines of \"$got\", not \"$want\""
}
ulimit -c 0
lines ""
[ $rc = 0 ] || fail "no option: exit $rc"
lines "core error " -DUSE_CORE_TRACE
grep -q '^sleeve: core: no memory for 1048576 bytes$' "$T/err" || fail "what core trace says"
lines "crypto error " -DUSE_CRYPTO_TRACE
lines "handshake error " -DUSE_SSL_HANDSHAKE_MSG_TRACE
lines "info error " -DUSE_SSL_INFORMATIONAL_TRACE
grep -q '^sleeve: info: here: too much' "$T/err" || fail "what informational trace says"
lines "core crypto handshake info error " -DUSE_CORE_TRACE -DUSE_CRYPTO_TRACE -DUSE_SSL_HANDSHAKE_MSG_TRACE \
    -DUSE_SSL_INFORMATIONAL_TRACE
[ $rc = 0 ] || fail "all traces: exit $rc"
lines "error " -DHALT_ON_PS_ERROR
[ $rc -gt 128 ] || fail "HALT_ON_PS_ERROR: exit $rc, not a signal"

# Both together: SLEEVE_LOG to the same place adds its kinds and doubles none.
# shellcheck disable=SC2086
$CC $FLAGS -DUSE_CORE_TRACE -o "$T/lines" "$T/lines.c" src/base/*.c -lz
SLEEVE_LOG=stderr,core,crypto "$T/lines" 2>"$T/err"
[ "$(wc -l <"$T/err")" = 4 ] || fail "an option and SLEEVE_LOG"

cat >"$T/arena.c" <<'END'
#include <matrixssl/matrixsslApi.h>
#include "base/mem_arena.h"
int main(void)
{
    sslKeys_t *keys;

    if (matrixSslOpen() != PS_SUCCESS || !arena_is_open() || matrixSslOpen() != PS_SUCCESS ||
        matrixSslNewKeys(&keys) != PS_SUCCESS) {
        return 1;
    }
    printf("%zu of %zu\n", arena_usage().used, arena_usage().size);
    matrixSslDeleteKeys(keys);
    matrixSslClose();
    matrixSslClose();
    return arena_usage().size + 64 < MATRIXSSL_ARENA_SIZE;
}
END
if [ -e "$B/libsleeve-test.a" ] && ! nm "$B/libsleeve-test.a" 2>/dev/null | grep -q __asan_init; then
    for option in USE_PEERSEC_MEMORY_MANAGEMENT USE_MATRIX_MEMORY_MANAGEMENT; do
        # shellcheck disable=SC2086
        $CC $FLAGS -D$option -o "$T/arena" "$T/arena.c" src/matrixssl_arena.c "$B/libsleeve-test.a" -lcrypto -lbsd \
            -linih -lz 2>"$T/err" || fail "$option does not link"
        echo "$option: $("$T/arena")" || fail "$option"
    done
    # shellcheck disable=SC2086
    $CC $FLAGS -DUSE_PEERSEC_MEMORY_MANAGEMENT -DMATRIXSSL_ARENA_SIZE=65536 -o "$T/arena" "$T/arena.c" \
        src/matrixssl_arena.c "$B/libsleeve-test.a" -lcrypto -lbsd -linih -lz 2>"$T/err" || fail "a small arena"
    rc=0
    "$T/arena" || rc=$?
    [ $rc = 1 ] || fail "an arena of 64 KiB is enough"
fi
