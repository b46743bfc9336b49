#!/bin/sh
# SPDX-License-Identifier: ISC
# pkg-config works in place and after `make install`; the installed files are enough to build and run a
# program, shared and static; hidden names do not clash; uninstall leaves nothing.
set -eu
B=${BUILD:-build}
T=$(mktemp -d)
trap 'rm -rf "$T"' EXIT
fail() { echo "FAILED: $1"; exit 1; }
CC=${CC:-gcc}

cat >"$T/user.c" <<'C'
#include <matrixssl/matrixsslApi.h>
#include <sleeve/ssl_socket.h>
#include <stdio.h>
/* Names that the library uses inside: a user may have their own. */
int tls_new(void), record_seal(void), wipe(void), conn_get(void);
int tls_new(void) { return 1; }
int record_seal(void) { return 2; }
int wipe(void) { return 3; }
int conn_get(void) { return 4; }
int main(void)
{
    int fd = ssl_socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0 || ssl_close(fd) < 0 || matrixSslOpen() < 0) {
        return 1;
    }
    matrixSslClose();
    return tls_new() + record_seal() + wipe() + conn_get() - 10;
}
C

# build DIRECTORY-OF-THE-PC NAME [PKG-CONFIG OPTIONS]
build() {
    out=$2
    flags=$(PKG_CONFIG_PATH="$1" pkg-config --cflags --libs sleeve) || fail "pkg-config $out"
    # shellcheck disable=SC2086
    $CC -o "$T/$out" "$T/user.c" $flags || fail "compiling $out"
}

build "$B" in-place
"$T/in-place" || fail "a program built in place"

# A copy, because another PREFIX links the launcher anew and other tests are using this one.
mkdir "$T/build"
cp -a "$B/obj" "$B/.deps" "$B/.flags" "$B/.libdir" "$B/examples" "$B"/libsleeve* "$B"/sleeve* "$T/build/"
before=$("$B/sleeve" --version)
B=$T/build

root=$T/root
make install BUILD="$B" PREFIX="$root/usr" >"$T/make.log" 2>&1 || { cat "$T/make.log"; fail "make install"; }
build "$root/usr/lib/pkgconfig" shared
LD_LIBRARY_PATH="$root/usr/lib" "$T/shared" || fail "a program with the installed library"
static=$(PKG_CONFIG_PATH="$root/usr/lib/pkgconfig" pkg-config --cflags sleeve)
# shellcheck disable=SC2086,SC2046
$CC $static -o "$T/static" "$T/user.c" "$root/usr/lib/libsleeve.a" $(pkg-config --libs libcrypto zlib) -lpthread ||
    fail "compiling with libsleeve.a"
"$T/static" || fail "a program with libsleeve.a"

[ "$("$root/usr/bin/sleeve" --version)" = "$before" ] || fail "the installed launcher"
"$root/usr/bin/sleeve" run -r 'client * *:1 verify=none' -- true || fail "the installed launcher finds no library"

make uninstall BUILD="$B" PREFIX="$root/usr" >"$T/make.log" 2>&1 || { cat "$T/make.log"; fail "make uninstall"; }
left=$(find "$root" ! -type d)
[ -z "$left" ] || fail "left after uninstall: $left"

# DESTDIR: nothing of it is in the files.
make install BUILD="$B" DESTDIR="$T/stage" >"$T/make.log" 2>&1 || { cat "$T/make.log"; fail "make install DESTDIR"; }
! grep -r "$T/stage" "$T/stage" || fail "DESTDIR is in the files"
[ -f "$T/stage/usr/local/lib/libsleeve.a" ] || fail "DESTDIR is not in front of PREFIX"
