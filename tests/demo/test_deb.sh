#!/bin/sh
# SPDX-License-Identifier: ISC
# `make deb`: three packages that say what they need, the same from wherever they are made. As root, where
# none of them is installed: dpkg installs them, what is in them works, and it takes all of it away again.
set -eu
B=$(cd "${BUILD:-build}" && pwd)
T=$(mktemp -d)
trap 'rm -rf "$T"' EXIT
trap 'exit 1' HUP INT TERM
fail() { echo "FAILED: $1"; exit 1; }
CC=${CC:-gcc}
export LC_ALL=C.UTF-8
command -v dpkg-deb >/dev/null || { echo "no dpkg here"; exit 77; }

make deb BUILD="$B" >"$T/make.log" 2>&1 || { cat "$T/make.log"; fail "make deb"; }
version=$(sed -n 's/^VERSION := //p' Makefile)-1
arch=$(dpkg --print-architecture)
multi=usr/lib/$(dpkg-architecture -qDEB_HOST_MULTIARCH)
for name in libsleeve0 libsleeve-dev sleeve; do
    deb=$B/deb/${name}_${version}_$arch.deb
    [ -f "$deb" ] || fail "$deb was not made"
    cp "$deb" "$T/$name.deb"
    dpkg-deb -I "$deb" >"$T/$name.info"
    dpkg-deb -c "$deb" >"$T/$name.list"
    ! grep -vE '^.{10} root/root ' "$T/$name.list" || fail "$name: owned by somebody"
    dpkg-deb -x "$deb" "$T/root"
    dpkg-deb -e "$deb" "$T/$name.control"
    (cd "$T/root" && md5sum -c "$T/$name.control/md5sums" >/dev/null) || fail "$name: md5sums"
    sums=$(wc -l <"$T/$name.control/md5sums")
    [ "$sums" = "$(grep -c '^-' "$T/$name.list")" ] || fail "$name: files without md5sums"
    for doc in copyright changelog.gz changelog.Debian.gz; do
        [ -s "$T/root/usr/share/doc/$name/$doc" ] || fail "$name: no $doc"
    done
done
[ "$(find "$B/deb" -name '*.deb' | wc -l)" = 3 ] || fail "more than three packages"

grep -q '^ Depends: .*libc6 (>= .*libssl3 (>= 3' "$T/libsleeve0.info" || fail "libsleeve0 needs no libssl3"
grep -q '^ Depends: .*libssl3 (>= 3' "$T/sleeve.info" || fail "sleeve needs no libssl3"
grep -q "^ Depends: libsleeve0 (= $version), libinih-dev, libssl-dev" "$T/libsleeve-dev.info" || fail "what libsleeve-dev needs"
grep -qx 'activate-noawait ldconfig' "$T/libsleeve0.control/triggers" || fail "libsleeve0: ldconfig is not told"
grep -q '^ ssl_read@SLEEVE_0 0\.1\.0$' "$T/libsleeve0.control/symbols" || fail "libsleeve0: symbols"
grep -q '^libsleeve 0 libsleeve0' "$T/libsleeve0.control/shlibs" || fail "libsleeve0: shlibs"
cd "$T/root"
for file in libsleeve.a sleeve/libsleeve-preload.so sleeve/libsleeve-wrap.so; do
    [ -f "$multi/$file" ] || fail "$file is not there"
done
[ -e "$multi/$(readlink "$multi/libsleeve.so")" ] || fail "libsleeve.so is a link to nothing"
[ -f usr/share/man/man3/ssl_read.3.gz ] || fail "ssl_read(3) is not there, or a link to nothing"
for file in usr/bin/sleeve "$multi/libsleeve.so" "$multi"/sleeve/*.so; do
    ! readelf -SW "$file" | grep -qE '\.symtab|\.debug|\.comment' || fail "$file is not stripped"
done
grep -qx "libdir=/$multi" "$multi/pkgconfig/sleeve.pc" || fail "libdir of sleeve.pc"
cd "$OLDPWD"
! grep -rlF -e "$PWD" -e "$B" "$T/root" || fail "the directory of the build is in them"

# Another directory and other flags, the same packages. Three files are enough to be compiled there.
mkdir -p "$T/elsewhere/build/deb"
cp -a .ci .packaging Makefile ./*.md LICENSE include src shim preload examples "$T/elsewhere/"
cp -a "$B/deb/build" "$T/elsewhere/build/deb/"
mkdir "$T/elsewhere/build/.deps"
touch "$T/elsewhere/build/.deps/build" "$T/elsewhere/build/.deps/deb"
for file in src/engine.c shim/ssl_socket.c preload/launcher/run.c; do touch "$T/elsewhere/$file"; done
make -C "$T/elsewhere" deb BUILD=build CFLAGS='-O0 -g' STAMPS=build/.deps >"$T/make.log" 2>&1 ||
    { cat "$T/make.log"; fail "make deb elsewhere"; }
[ "$(grep -c '^  CC ' "$T/make.log")" = 3 ] || { cat "$T/make.log"; fail "the three files were not compiled"; }
for name in libsleeve0 libsleeve-dev sleeve; do
    cmp "$T/$name.deb" "$T/elsewhere/build/deb/${name}_${version}_$arch.deb" || fail "$name is another when made elsewhere"
done

# A symbol that is not in the list ends it: the version that it came in would be unknown.
sed -i '/ ssl_read@/d' "$T/elsewhere/.packaging/libsleeve0.symbols"
! (cd "$T/elsewhere" && .packaging/deb "${version%-1}" build/deb) >"$T/make.log" 2>&1 || fail "a symbol is not listed"
grep -q 'lint_abi --write' "$T/make.log" || { cat "$T/make.log"; fail "no word on symbols"; }

[ "$(id -u)" = 0 ] || { echo "not root: they were not installed"; exit 0; }
for name in libsleeve0 libsleeve-dev sleeve; do
    ! dpkg-query -W "$name" >/dev/null 2>&1 || { echo "$name is installed here: they were not"; exit 0; }
done
! grep -rqs '^path-exclude' /etc/dpkg || { echo "dpkg leaves files out here: they were not installed"; exit 0; }
package() { dpkg --force-confold "$@" >"$T/dpkg.log" 2>&1 || { cat "$T/dpkg.log"; return 1; }; }
gone() {
    package --purge sleeve libsleeve-dev libsleeve0
    rm -rf "$T"
}
dpkg-query -W >"$T/before"
trap gone EXIT
package -i "$T/libsleeve0.deb" "$T/libsleeve-dev.deb" "$T/sleeve.deb" || fail "dpkg -i"
cd "$T"
unset LD_LIBRARY_PATH PKG_CONFIG_PATH
/usr/bin/sleeve --help | grep -q '^usage: sleeve' || fail "sleeve --help"
for page in 1:sleeve 3:ssl_socket 3:ssl_read 3:matrixssl 5:sleeve.conf 7:sleeve-preload; do
    man -w "${page%%:*}" "${page#*:}" >/dev/null || fail "man ${page#*:}"
done
COLUMNS=80 man sleeve | grep -q 'TLS under programs' || fail "man sleeve shows nothing"
cat >user.c <<'C'
#include <matrixssl/matrixsslApi.h>
#include <sleeve/ssl_socket.h>
int main(void)
{
    return ssl_socket(AF_INET, SOCK_STREAM, 0) < 0 || matrixSslOpen() < 0;
}
C
# shellcheck disable=SC2046
$CC -o user user.c $(pkg-config --cflags --libs sleeve) || fail "compiling with the installed headers"
./user || fail "a program with the installed library"
ldd ./user | grep -q "/lib/.*/libsleeve.so.0 " || fail "a program finds another library"

# Two unmodified programs, TLS between them.
sleeve keygen ca >/dev/null && sleeve keygen server -n localhost >/dev/null || fail "sleeve keygen"
cat >server.py <<'P'
import socket
s = socket.socket()
s.bind(("127.0.0.1", 0))
s.listen()
with open("port.new", "w") as f:
    f.write(str(s.getsockname()[1]))
import os
os.rename("port.new", "port")
s.settimeout(30)
c, _ = s.accept()
c.sendall(c.recv(100).upper())
P
cat >client.py <<'P'
import socket, sys
c = socket.create_connection(("localhost", int(sys.argv[1])), 30)
c.sendall(b"words")
print(c.recv(100).decode())
P
timeout 40 sleeve run -r 'server * *:* cert=server.pem key=server.key' -- /usr/bin/python3 server.py 2>server.err &
server=$!
for _ in $(seq 300); do [ ! -e port ] || break; sleep 0.1; done
said=$(timeout 40 sleeve run -r 'client * *:* ca=ca.pem' -- /usr/bin/python3 client.py "$(cat port)" 2>client.err) ||
    { cat ./*.err; fail "sleeve run"; }
wait $server || { cat ./*.err; fail "the server under sleeve run"; }
[ "$said" = WORDS ] || fail "the wrapped programs do not understand each other"

cd /
trap 'rm -rf "$T"' EXIT
package --purge sleeve libsleeve-dev libsleeve0 || fail "dpkg --purge"
dpkg-query -W >"$T/after"
cmp "$T/before" "$T/after" || fail "other packages than before"
left=$(find /usr/bin /usr/lib /usr/include /usr/share/man /usr/share/doc \( -name 'sleeve*' -o -name 'libsleeve*' \
    -o -name 'ssl_socket*' -o -name 'matrixSsl*' \) 2>/dev/null)
[ -z "$left" ] || fail "left behind: $left"
