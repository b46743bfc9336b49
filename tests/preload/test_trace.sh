#!/bin/sh
# SPDX-License-Identifier: ISC
# SLEEVE_LOG=FILE,KIND...: the trace of a wrapped program goes where the log of its sessions goes.
set -eu
B=${BUILD:-build}
command -v nc.openbsd >/dev/null || { echo "skipped: no nc.openbsd"; exit 77; }
T=$(mktemp -d)
pids=
trap 'for p in $pids; do kill $p 2>/dev/null || :; wait $p 2>/dev/null || :; done; rm -rf "$T"' EXIT
fail() { echo "FAILED: $1"; cat "$T/log" 2>/dev/null || :; exit 1; }
unset SLEEVE_LOG SLEEVE_CONFIG SLEEVE_RULES

"$B/sleeve" keygen ca -o "$T/ca" >/dev/null
"$B/sleeve" keygen server -n localhost -C "$T/ca.pem,$T/ca.key" -o "$T/server" >/dev/null
"$B/examples/server" 0 "$T/server.pem" "$T/server.key" >"$T/port" 2>/dev/null &
pids="$pids $!"
for _ in $(seq 100); do
    if [ -s "$T/port" ]; then break; fi
    sleep 0.05
done
port=$(cat "$T/port")

# say WHERE: one connection with that log; what comes back is on standard output, the rest in err
say() {
    [ "$(echo there | SLEEVE_LOG="$1" timeout 20 "$B/sleeve" run -r "client nc.openbsd *:$port ca=$T/ca.pem" -- \
        nc.openbsd -N localhost "$port" 2>"$T/err")" = there ] || fail "the echo, with SLEEVE_LOG=$1"
}

say "$T/log"
grep -q 'result=closed' "$T/log" || fail "no line of the session"
if grep -q 'ClientHello' "$T/log"; then fail "a trace that nobody asked for"; fi
rm "$T/log"

say "$T/log,handshake"
[ ! -e "$T/log,handshake" ] || fail "the kinds belong to the name"
grep -q 'result=closed' "$T/log" || fail "no line of the session beside the trace"
grep -q ' handshake: sending ClientHello, .* sni "localhost"' "$T/log" || fail "no ClientHello"
grep -q ' handshake: received Certificate, .*"CN=localhost"' "$T/log" || fail "no Certificate"
grep -q ' handshake: sending Finished, 36 bytes$' "$T/log" || fail "no Finished"
if grep -vq '^sleeve: program=nc.openbsd pid=[0-9]* ' "$T/log"; then fail "a line of another form"; fi
[ "$(find "$T" -name 'log*' | wc -l)" = 1 ] || fail "another file"

say "stderr,core,handshake"
grep -q ' handshake: sending ClientHello' "$T/err" || fail "no ClientHello on standard error"
