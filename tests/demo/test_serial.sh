#!/bin/sh
# SPDX-License-Identifier: ISC
# examples/serial over two pseudo-terminals that socat joins: 1 MB each way, a client with the wrong CA,
# another name, a line that goes down. And there is no socket in the program.
set -eu
B=${BUILD:-build}
command -v socat >/dev/null || { echo "skipped: no socat"; exit 77; }
T=$(mktemp -d)
pids=
trap 'for p in $pids; do kill $p 2>/dev/null || :; wait $p 2>/dev/null || :; done; rm -rf "$T"' EXIT
fail() { echo "FAILED: $1"; tail -n 5 "$T"/*.err 2>/dev/null || :; exit 1; }

"$B/sleeve" keygen ca -o "$T/ca" >/dev/null
"$B/sleeve" keygen ca -o "$T/other" >/dev/null
"$B/sleeve" keygen server -n board.test -C "$T/ca.pem,$T/ca.key" -o "$T/board" >/dev/null
head -c 1048576 /dev/urandom >"$T/up"
head -c 1048577 /dev/urandom >"$T/down"

# A line of its own for each try: a, b and the process in $socat.
lay_line() {
    rm -f "$T/a" "$T/b"
    socat "pty,raw,echo=0,link=$T/a" "pty,raw,echo=0,link=$T/b" 2>"$T/socat.err" &
    socat=$!
    pids="$pids $socat"
    for _ in $(seq 100); do
        if [ -e "$T/a" ] && [ -e "$T/b" ]; then return 0; fi
        sleep 0.05
    done
    fail "socat has made no line"
}
# serve INPUT: in the background, as $server
serve() {
    timeout 60 "$B/examples/serial" server "$T/a" "$T/board.pem" "$T/board.key" <"$1" >"$T/got-up" 2>"$T/server.err" &
    server=$!
    pids="$pids $server"
}
# call CA NAME INPUT
call() {
    timeout 60 "$B/examples/serial" client "$T/b" "$T/$1.pem" "$2" <"$3" >"$T/got-down" 2>"$T/client.err"
}

"$B/examples/serial" --help | grep -q '^usage: serial server LINE' || fail "--help"
rc=0; "$B/examples/serial" nobody 2>/dev/null || rc=$?
[ $rc = 2 ] || fail "wrong usage gives $rc"
rc=0; "$B/examples/serial" client "$T/up" "$T/ca.pem" board.test </dev/null 2>"$T/file.err" || rc=$?
[ $rc = 1 ] && grep -q '^serial: ' "$T/file.err" || fail "a file is no line"

lay_line
serve "$T/down"
call ca board.test "$T/up" || fail "the client"
wait $server || fail "the server"
cmp "$T/up" "$T/got-up" || fail "what arrived at the server"
cmp "$T/down" "$T/got-down" || fail "what arrived at the client"
echo "1 MB each way: $(sha256sum <"$T/got-up" | cut -c1-16) $(sha256sum <"$T/got-down" | cut -c1-16)"

# Nothing to say, through pipes that are slow.
lay_line
serve /dev/null
(sleep 0.3; echo hello; sleep 0.3; echo again) | timeout 60 "$B/examples/serial" client "$T/b" "$T/ca.pem" board.test \
    2>"$T/client.err" >"$T/got-down" || fail "a slow client"
wait $server || fail "a silent server"
[ "$(cat "$T/got-up")" = "hello
again" ] || fail "what a slow client said"
[ ! -s "$T/got-down" ] || fail "a silent server said something"

# A reader that stops for a while holds the other side up and loses nothing.
lay_line
serve "$T/down"
timeout 60 "$B/examples/serial" client "$T/b" "$T/ca.pem" board.test <"$T/up" 2>"$T/client.err" |
    (sleep 1; cat) >"$T/got-down" || fail "a client with a slow reader"
wait $server || fail "the server of a slow reader"
cmp "$T/down" "$T/got-down" || fail "what a slow reader got"

# Signals in between: every wait is taken up again.
lay_line
serve "$T/down"
(for _ in 1 2 3 4 5 6 7 8 9 10; do kill -STOP $server; kill -CONT $server; sleep 0.01; done) 2>/dev/null &
call ca board.test "$T/up" || fail "the client of a server that is stopped"
wait $server || fail "the server that is stopped"
cmp "$T/up" "$T/got-up" || fail "what arrived at the server that is stopped"

refused() {
    lay_line
    serve "$T/down"
    if call "$1" "$2" "$T/up"; then fail "a client is content: $3"; fi
    grep -q '^serial: TLS: .' "$T/client.err" || fail "the client gives no reason: $3"
    if wait $server; then fail "the server is content: $3"; fi
    grep -q '^serial: TLS: .*alert' "$T/server.err" || fail "the server gives no reason: $3"
    [ ! -s "$T/got-up" ] && [ ! -s "$T/got-down" ] || fail "data in spite of it: $3"
}
refused other board.test "wrong CA"
refused ca elsewhere.test "wrong name"

lay_line
serve "$T/down"
(sleep 0.5; kill $socat) &
if call ca board.test /dev/zero; then fail "a client on a dead line is content"; fi
if wait $server; then fail "a server on a dead line is content"; fi
grep -q '^serial: the line: ' "$T/client.err" || fail "the client on a dead line gives no reason"
grep -q '^serial: the line: ' "$T/server.err" || fail "the server on a dead line gives no reason"

if command -v strace >/dev/null; then
    lay_line
    serve /dev/null
    timeout 60 strace -f -o "$T/calls" "$B/examples/serial" client "$T/b" "$T/ca.pem" board.test </dev/null \
        >/dev/null 2>"$T/client.err" || fail "the client under strace"
    wait $server || fail "the server of a client under strace"
    if grep -Eq '^[0-9]+ +(socket|connect|bind|accept|recv|send)' "$T/calls"; then fail "a socket call"; fi
fi
if grep -q 'sys/socket.h\|[a-z_]*socket *(' examples/serial.c; then fail "a socket in examples/serial.c"; fi
