#!/bin/sh
# SPDX-License-Identifier: ISC
# pkg-config works in place and after `make install`; the installed files are enough to build and run a
# program, shared and static; hidden names do not clash; each function has its manual page; uninstall
# leaves nothing.
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
PKG_CONFIG_PATH=$root/usr/lib/pkgconfig
export PKG_CONFIG_PATH
static=$(pkg-config --static --libs sleeve | sed "s|-lsleeve|$root/usr/lib/libsleeve.a|")
# shellcheck disable=SC2046,SC2086
$CC -o "$T/static" "$T/user.c" $(pkg-config --cflags sleeve) $static || fail "compiling with libsleeve.a"
"$T/static" || fail "a program with libsleeve.a"
! readelf -d "$T/static" | grep -q libsleeve || fail "a program with libsleeve.a needs libsleeve.so"
# shellcheck disable=SC2046
$CC -static -o "$T/all" "$T/user.c" $(pkg-config --static --cflags --libs sleeve) 2>"$T/all.err" ||
    { cat "$T/all.err"; fail "pkg-config --static"; }
"$T/all" || fail "a program without shared libraries"

# The name that programs ask for, and the links to what there is.
major=$(readelf -d "$root/usr/lib/libsleeve.so" | sed -n 's/.*SONAME.*\[\(.*\)\]/\1/p')
case $major in libsleeve.so.[0-9]*) ;; *) fail "SONAME '$major'" ;; esac
[ "$(readlink "$root/usr/lib/libsleeve.so")" = "$major" ] || fail "libsleeve.so is not a link to $major"
[ -f "$root/usr/lib/$(readlink "$root/usr/lib/$major")" ] || fail "$major is no link to a library"
readelf -d "$T/shared" | grep -q "NEEDED.*\[$major\]" || fail "a program does not ask for $major"
grep -q "ldconfig.*LD_LIBRARY_PATH=$root/usr/lib" "$T/make.log" || fail "no word on ldconfig"

for h in include/*/*.h; do
    cmp "$h" "$root/usr/$h" || fail "$h is not installed"
done
for page in src/*.[1357] shim/*.[1357] preload/*.[1357]; do
    section=${page##*.}
    cmp "$page" "$root/usr/share/man/man$section/${page##*/}" || fail "$page is not installed"
    for name in $(sed -n '/^\.Sh NAME/,/^\.Nd/s/^\.Nm \([^ /]*\).*/\1/p' "$page"); do
        cmp -s "$page" "$root/usr/share/man/man$section/$name.$section" || fail "no page $name($section)"
    done
done

[ "$("$root/usr/bin/sleeve" --version)" = "$before" ] || fail "the installed launcher"
"$root/usr/bin/sleeve" run -r 'client * *:1 verify=none' -- true || fail "the installed launcher finds no library"

make uninstall BUILD="$B" PREFIX="$root/usr" >"$T/make.log" 2>&1 || { cat "$T/make.log"; fail "make uninstall"; }
left=$(find "$root" ! -type d)
[ -z "$left" ] || fail "left after uninstall: $left"
left=$(find "$root" -type d -path '*/sleeve')
[ -z "$left" ] || fail "left after uninstall: $left"

# The library for wrapped programs may have a place of its own, which the launcher then knows.
make install BUILD="$B" PREFIX="$root/usr" PRELOADDIR="$root/wrap" >"$T/make.log" 2>&1 ||
    { cat "$T/make.log"; fail "make install PRELOADDIR"; }
[ -f "$root/wrap/libsleeve-preload.so" ] && [ -f "$root/wrap/libsleeve-wrap.so" ] || fail "PRELOADDIR is not heeded"
"$root/usr/bin/sleeve" run -r 'client * *:1 verify=none' -- true || fail "the launcher does not know PRELOADDIR"
make uninstall BUILD="$B" PREFIX="$root/usr" PRELOADDIR="$root/wrap" >"$T/make.log" 2>&1
left=$(find "$root" ! -type d)
[ -z "$left" ] || fail "left after uninstall: $left"

# DESTDIR: nothing of it is in the files.
make install BUILD="$B" DESTDIR="$T/stage" >"$T/make.log" 2>&1 || { cat "$T/make.log"; fail "make install DESTDIR"; }
! grep -r "$T/stage" "$T/stage" || fail "DESTDIR is in the files"
[ -f "$T/stage/usr/local/lib/libsleeve.a" ] || fail "DESTDIR is not in front of PREFIX"
! grep -q LD_LIBRARY_PATH "$T/make.log" || fail "DESTDIR: a word on ldconfig"
