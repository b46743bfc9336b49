#!/bin/bash
# SPDX-License-Identifier: ISC
# sleeve scan: what can be wrapped and what cannot, with the reason; files that are broken or hostile.
set -u
BUILD=$(realpath "${BUILD:-build}")
S=$BUILD/sleeve
[ -x "$S" ] || { echo "no $S"; exit 1; }
T=$(mktemp -d /tmp/sleeve-scan-XXXXXX) || exit 1
trap 'rm -rf "$T"' EXIT
unset SLEEVE_CONFIG SLEEVE_RULES SLEEVE_OFF SLEEVE_LOG LD_PRELOAD LD_LIBRARY_PATH
export HOME=$T
cd "$T" || exit 1
chmod 755 .
failed=0 count=0

bad() { echo "FAIL: $*"; sed 's/^/    out: /' out | tail -n 20; sed 's/^/    err: /' err | tail -n 10; failed=$((failed + 1)); }
want() { # CODE COMMAND...: runs it with its output in ./out and ./err
    local code=$1 rc
    shift
    count=$((count + 1))
    (timeout 30 "$@"; exit $?) >out 2>err </dev/null
    rc=$?
    [ $rc = "$code" ] || bad "exit $rc instead of $code: $*"
    grep -q $'\033' out && bad "colours, and this is no terminal: $*"
    tr '\n' ' ' <out | tr -s ' ' >flat # sentences are broken into lines
}
says() {
    count=$((count + 1))
    if [ "$1" = out ]; then grep -qF -- "$2" flat; else grep -qF -- "$2" "$1"; fi || bad "no '$2' in std$1"
}
never() {
    count=$((count + 1))
    grep -qF -- "$1" flat && bad "'$1' in stdout"
}
fine() { want 0 "$S" scan "$@"; says out 'verdict can be wrapped'; never 'cannot be wrapped'; }
wrong() { want 1 "$S" scan "$1"; says out 'verdict cannot be wrapped'; says out "$2"; never 'verdict can be'; }

# ---- usage ----------------------------------------------------------------------------------------
want 2 "$S" scan;            says err 'there is no FILE'; says err 'usage: sleeve scan'
want 2 "$S" scan --dance ls; says err 'unknown option --dance'
want 0 "$S" scan --help;     says out 'Exit: 0 all can be wrapped'

# ---- programs -------------------------------------------------------------------------------------
for p in python3 curl redis-server; do
    command -v $p >/dev/null || { echo "not installed: $p"; continue; }
    fine $p; says out "$(realpath "$(command -v $p)")"; says out 'libc.so.6'; says out ' close'; says out 'not taken over'; never 'was not found'
done
if command -v curl >/dev/null; then
    fine curl;               says out 'it may speak TLS itself: lib'
    fine "$(command -v curl)"
fi
printf '#!/usr/bin/env -S sh -e\necho\n' >scr-here; chmod 755 scr-here
fine ./scr-here;               says out 'as its first line says'
fine scr-here;               says out './scr-here'
printf '#!/no/such\n' >lost; printf '#!' >empty; chmod 755 lost empty
wrong ./lost 'No such file'
wrong ./empty 'names no interpreter'
want 1 "$S" scan ./lost ./scr-here; says out 'cannot be wrapped'; says out 'verdict can be wrapped'
if command -v busybox >/dev/null && ! readelf -lW "$(command -v busybox)" 2>/dev/null | grep -q INTERP; then
    wrong busybox 'is linked statically'
fi
if command -v gcc >/dev/null; then
    cat >m.c <<'C'
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>
int rcmd(); /* libc's, which connects by itself */
int main(int argc, char **argv)
{
    (void)argv;
    if (argc > 9) {
        syscall(0L);
        rcmd();
    }
    return connect(3, 0, 0) + listen(3, 1);
}
C
    gcc -w -D_GNU_SOURCE -o prog m.c || exit 1
    fine ./prog
    says out 'taken over connect syscall harmless listen not taken over rcmd'
    says out 'it uses syscall()'; says out 'some of its calls are not taken over'
    gcc -w -D_GNU_SOURCE -Wl,--hash-style=sysv -o sysv m.c && fine ./sysv && says out 'taken over connect syscall harmless'
    for h in sysv gnu; do # without section headers
        gcc -w -D_GNU_SOURCE -Wl,--hash-style=$h -rdynamic -o bare m.c
        python3 - <<'P'
d = bytearray(open("bare", "rb").read())
d[40:48] = bytes(8)
d[58:64] = bytes(6)
open("bare", "wb").write(d)
P
        fine ./bare; says out 'taken over connect'; says out 'harmless listen'
    done
    # What only a library does.
    mkdir -p lib
    echo 'long send(); void f(void) { send(); }' | gcc -w -shared -fPIC -o lib/liburing.so.9 -Wl,-soname,liburing.so.9 -xc -
    echo 'void f(); int main(void) { f(); return 0; }' | gcc -w -o user -xc - -xnone lib/liburing.so.9 -Wl,-rpath,'$ORIGIN/lib'
    fine ./user; says out 'io_uring: liburing.so.9'; says out 'taken over send'; never 'was not found'
    rm lib/liburing.so.9
    fine ./user; says out 'liburing.so.9 was not found'
    gcc -w -D_GNU_SOURCE -static -o static m.c 2>err && wrong ./static 'is linked statically'
    gcc -w -D_GNU_SOURCE -Wl,-I/lib/ld-musl-x86_64.so.1 -o musl m.c && wrong ./musl 'musl'
    gcc -w -D_GNU_SOURCE -c -o object.o m.c && chmod 755 object.o && wrong ./object.o 'is an ELF file, but no program'
else
    cp "$(realpath "$(command -v python3)")" prog
fi
if command -v go >/dev/null; then
    printf 'package main\nfunc main() { println("x") }\n' >g.go
    GOCACHE=$T/go-cache GOFLAGS=-mod=mod GO111MODULE=off timeout 200 go build -o gone g.go 2>err && wrong ./gone 'is a Go program'
fi

# ---- privileges -----------------------------------------------------------------------------------
cp prog suid; chmod 4755 suid
fine ./suid; says out 'set-user-ID'
if [ "$(id -u)" = 0 ]; then
    chown 65534 suid; chmod 4755 suid
    wrong ./suid 'is set-user-ID or set-group-ID'
    if command -v setcap >/dev/null && cp prog able && setcap cap_net_bind_service+ep able 2>err; then
        fine ./able; says out 'file capabilities'
    fi
fi

# ---- what is no program ---------------------------------------------------------------------------
echo text >text; chmod 755 text
wrong ./text 'neither an ELF program nor a script'
: >nothing; chmod 755 nothing
wrong ./nothing 'neither an ELF program nor a script'
wrong ./missing 'No such file'
wrong no-such-program-anywhere 'command not found'
wrong "$T" 'is not an executable file'
cp prog plain; chmod 644 plain
[ "$(id -u)" = 0 ] && wrong ./plain 'is not an executable file'
mkfifo pipe; chmod 755 pipe
wrong ./pipe 'is not an executable file'
printf 'x' >"$(printf 'a\033[2J')"; chmod 755 "$(printf 'a\033[2J')"
wrong "$(printf './a\033[2J')" 'a?[2J'

# ---- truncated and hostile: a verdict in any case, and no crash ----------------------------------
python3 - <<'P'
import os, random, struct
d = open("prog", "rb").read()
os.mkdir("hostile")
def put(name, data):
    with open("hostile/" + name, "wb") as f:
        f.write(data)
    os.chmod("hostile/" + name, 0o755)
for n in (4, 5, 16, 52, 63, 64, 65, 120, 500, len(d) // 2, len(d) - 1):
    put(f"cut-{n}", d[:n])
def patch(name, *where):
    b = bytearray(d)
    for at, fmt, value in where:
        struct.pack_into("<" + fmt, b, at, value)
    put(name, b)
big = 2**64 - 1
patch("class", (4, "B", 1)); patch("order", (5, "B", 2)); patch("machine", (18, "H", 183)); patch("type", (16, "H", 4))
patch("phnum", (56, "H", 65535)); patch("shnum", (60, "H", 65535)); patch("shstrndx", (62, "H", 65535))
patch("phoff", (32, "Q", big)); patch("phoff-odd", (32, "Q", 65)); patch("shoff", (40, "Q", big)); patch("shoff-odd", (40, "Q", 1))
patch("shoff-wrap", (40, "Q", big - 63)); patch("phoff-wrap", (32, "Q", big - 55)); patch("phentsize", (54, "H", 1))
phoff, phnum = struct.unpack_from("<Q", d, 32)[0], struct.unpack_from("<H", d, 56)[0]
for i in range(phnum):
    p = phoff + 56 * i
    kind, offset, size = struct.unpack_from("<I", d, p)[0], *struct.unpack_from("<Q16xQ", d, p + 8)
    for field in (8, 16, 32):
        for v in (0, 1, big, big - 7, 2**63):
            patch(f"ph-{i}-{field}-{v:x}", (p + field, "Q", v))
    if kind == 2:
        for e in range(offset, offset + size, 16):
            for v in (0, big, big - 24, len(d) - 1):
                patch(f"dyn-{e}-{v:x}", (e + 8, "Q", v))
r = random.Random(7)
for i in range(60):
    b = bytearray(d)
    for _ in range(20):
        b[r.randrange(r.choice((64, 1200, len(d))))] = r.randrange(256)
    put(f"random-{i}", b)
P
for f in class order machine type cut-4 cut-64 cut-500; do wrong ./hostile/$f 'hostile'; done
says out 'beginning'
wrong ./hostile/machine 'another machine'; wrong ./hostile/class 'another word size'
for f in hostile/*; do
    count=$((count + 1))
    timeout 30 "$S" scan "./$f" >out 2>err </dev/null
    rc=$?
    [ $rc -le 1 ] && grep -q verdict out || bad "exit $rc: $f"
done

echo "$count checks, $failed failed"
[ $failed = 0 ]
