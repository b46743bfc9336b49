#!/bin/sh
# SPDX-License-Identifier: ISC
# examples/legacy is before, examples is after: what a port to <sleeve/posix.h> changes, and that it works:
# before over TCP, after over TLS, with each other and with OpenSSL.
set -eu
B=${BUILD:-build}
T=$(mktemp -d)
pids=
trap 'for p in $pids; do kill $p 2>/dev/null || :; wait $p 2>/dev/null || :; done; rm -rf "$T"' EXIT
fail() { echo "FAILED: $1"; cat "$T"/*.err 2>/dev/null || :; exit 1; }
wait_for() {
    for _ in $(seq 200); do
        if "$@" 2>/dev/null; then return 0; fi
        sleep 0.05
    done
    return 1
}

for f in finger fingerd; do
    n=$(diff "examples/legacy/$f.c" "examples/$f.c" | grep -c '^[<>]')
    [ "$n" -gt 0 ] && [ "$n" -le 10 ] || fail "the port of $f changes $n lines, not 1 to 10"
    if nm -D --undefined-only "$B/examples/legacy/$f" | grep -q ' ssl_'; then fail "legacy $f is not"; fi
    nm --defined-only "$B/examples/$f" | grep -q ' ssl_posix_socket' || fail "$f is no port"
    echo "$f: $n lines"
done

"$B/sleeve" keygen ca -o "$T/ca" >/dev/null
"$B/sleeve" keygen server -n localhost -n 127.0.0.1 -C "$T/ca.pem,$T/ca.key" -o "$T/server" >/dev/null
cat "$T/server.pem" "$T/server.key" >"$T/both.pem"
mkdir "$T/plans"
printf 'Plan:\n\tto see the world, and\n\tto be back for tea.\n' >"$T/plans/ada"
seq 20000 >"$T/plans/long"

# start NAME COMMAND...: a server that prints its port
start() {
    name=$1
    shift
    "$@" >"$T/$name.port" 2>"$T/$name.err" &
    pids="$pids $!"
    wait_for test -s "$T/$name.port" || fail "$name does not start"
}
start before "$B/examples/legacy/fingerd" 0 "$T/plans"
start after "$B/examples/fingerd" 0 "$T/plans" "$T/both.pem"
before=$(cat "$T/before.port")
after=$(cat "$T/after.port")

# The answers are the same; only the trust has to be there.
ask() { timeout 30 "$1" -p "$2" "$3@localhost"; }
for user in ada long nobody '' '../server.key' '.'; do
    ask "$B/examples/legacy/finger" "$before" "$user" >"$T/plain.out" 2>"$T/plain.err" || fail "before: '$user'"
    SSL_CERT_FILE="$T/ca.pem" ask "$B/examples/finger" "$after" "$user" >"$T/tls.out" 2>"$T/tls.err" ||
        fail "after: '$user'"
    [ -s "$T/plain.out" ] || fail "'$user': no answer"
    cmp "$T/plain.out" "$T/tls.out" || fail "'$user': the answers differ"
done
ask "$B/examples/legacy/finger" "$before" ada >"$T/ada"
cmp "$T/plans/ada" "$T/ada" || fail "this is not the plan"
SSL_CERT_FILE="$T/ca.pem" ask "$B/examples/finger" "$after" '../server.key' | grep -q 'no such user' || fail "a path"

# 8 at once
for i in 1 2 3 4 5 6 7 8; do
    (SSL_CERT_FILE="$T/ca.pem" ask "$B/examples/finger" "$after" long >"$T/long.$i") &
    eval "c$i=$!"
done
for i in 1 2 3 4 5 6 7 8; do
    eval "wait \$c$i" || fail "client $i of 8 at once"
    cmp "$T/plans/long" "$T/long.$i" || fail "client $i of 8 at once"
done

# Neither talks to who is not what it is to be.
if ask "$B/examples/finger" "$after" ada >"$T/none" 2>"$T/refused.err"; then fail "a client without the CA is content"; fi
[ ! -s "$T/none" ] || fail "a client without the CA got data"
grep -q 'Permission denied' "$T/refused.err" || fail "no reason given"
if SSL_CERT_FILE="$T/ca.pem" ask "$B/examples/finger" "$before" ada >"$T/none" 2>/dev/null; then
    fail "the port took a plain server's answer"
fi
[ ! -s "$T/none" ] || fail "the port printed what a plain server said"
ask "$B/examples/legacy/finger" "$after" ada >"$T/none" 2>/dev/null || :
if grep -q world "$T/none"; then fail "the ported server answered in clear"; fi

# openssl at the other end
(printf 'ada\r\n'; sleep 1) | timeout 30 openssl s_client -connect "127.0.0.1:$after" -servername localhost \
    -CAfile "$T/ca.pem" -verify_return_error -quiet -no_ign_eof >"$T/s_client" 2>/dev/null || :
tr -d '\r' <"$T/s_client" | cmp "$T/plans/ada" - || fail "openssl s_client against fingerd"

# OpenSSL's s_server says no close_notify when it is told to end; Python's does.
/usr/bin/python3 - "$T" >"$T/python.port" 2>"$T/python.err" <<'EOF' &
import socket, ssl, sys
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
listener.settimeout(60)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[1] + "/both.pem")
with context.wrap_socket(listener.accept()[0], server_side=True) as tls:
    assert tls.makefile("rb").readline() == b"bob\r\n"
    tls.sendall(b"Out for lunch.\r\n")
    tls.unwrap()
EOF
pids="$pids $!"
wait_for test -s "$T/python.port" || fail "the Python server does not start"
SSL_CERT_FILE="$T/ca.pem" timeout 30 "$B/examples/finger" -p "$(cat "$T/python.port")" bob@127.0.0.1 >"$T/bob" \
    2>"$T/bob.err" || fail "finger against OpenSSL"
[ "$(cat "$T/bob")" = "Out for lunch." ] || fail "finger against OpenSSL: the answer"
