#!/bin/sh
# SPDX-License-Identifier: ISC
# examples/: the client against the server, each against openssl, and a client that trusts nobody.
set -eu
B=${BUILD:-build}
T=$(mktemp -d)
pids=
trap 'for p in $pids; do kill $p 2>/dev/null || :; wait $p 2>/dev/null || :; done; rm -rf "$T"' EXIT
fail() { echo "FAILED: $1"; cat "$T"/*.err 2>/dev/null || :; exit 1; }
wait_for() {
    for _ in $(seq 100); do
        if "$@" 2>/dev/null; then return 0; fi
        sleep 0.05
    done
    return 1
}

"$B/sleeve" keygen ca -o "$T/ca" >/dev/null
"$B/sleeve" keygen server -n localhost -n 127.0.0.1 -C "$T/ca.pem,$T/ca.key" -o "$T/server" >/dev/null
head -c 60000 /dev/urandom >"$T/data"

"$B/examples/server" 0 "$T/server.pem" "$T/server.key" >"$T/port" 2>"$T/server.err" &
pids="$pids $!"
wait_for test -s "$T/port" || fail "the server does not start"
port=$(cat "$T/port")

timeout 20 "$B/examples/client" localhost "$port" "$T/ca.pem" <"$T/data" >"$T/back" 2>"$T/client.err" ||
    fail "client and server"
cmp "$T/data" "$T/back" || fail "the echo is different"

for i in 1 2 3 4 5 6 7 8; do
    timeout 20 "$B/examples/client" 127.0.0.1 "$port" "$T/ca.pem" <"$T/data" >"$T/back.$i" &
    eval "c$i=$!"
done
for i in 1 2 3 4 5 6 7 8; do
    eval "wait \$c$i" || fail "client $i of 8 at once"
    cmp "$T/data" "$T/back.$i" || fail "the echo to client $i is different"
done

if timeout 20 "$B/examples/client" localhost "$port" <"$T/data" >"$T/none" 2>"$T/refused.err"; then
    fail "a client without the CA is content"
fi
[ ! -s "$T/none" ] || fail "a client without the CA got data"
grep -q '^client: .' "$T/refused.err" || fail "no reason given"

(echo over there; sleep 1) | timeout 20 openssl s_client -connect "127.0.0.1:$port" -servername localhost -tls1_3 \
    -CAfile "$T/ca.pem" -verify_return_error -quiet -no_ign_eof >"$T/s_client" 2>/dev/null || :
grep -q '^over there' "$T/s_client" || fail "openssl s_client against the server"

# s_server does not take port 0: try some.
sport=
for try in 1 2 3 4 5; do
    sport=$((20000 + ($$ * 7 + try * 1009) % 12000))
    openssl s_server -accept "127.0.0.1:$sport" -cert "$T/server.pem" -key "$T/server.key" -tls1_3 -www \
        >"$T/s_server" 2>&1 &
    pids="$pids $!"
    if wait_for grep -q ACCEPT "$T/s_server"; then break; fi
done
printf 'GET / HTTP/1.0\r\n\r\n' | timeout 20 "$B/examples/client" localhost "$sport" "$T/ca.pem" >"$T/www" \
    2>"$T/www.err" || fail "the client against openssl s_server"
grep -q 'TLSv1.3, Cipher is TLS_' "$T/www" || fail "what openssl s_server answered"
