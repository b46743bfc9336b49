#!/bin/sh
# SPDX-License-Identifier: ISC
# make demo: two unmodified programs talk TLS 1.3. One screen; nothing stays behind.
set -eu
cd "$(dirname "$0")/../.."
BUILD=$(cd "${BUILD:-build}" && pwd)
SLEEVE=$BUILD/sleeve RELAY=$BUILD/demo/relay
WORDS='meet me at the old bridge at nine'

T=$(mktemp -d "${TMPDIR:-/tmp}/sleeve-demo-XXXXXX")
pids=
cleanup() {
    trap '' INT TERM HUP
    for p in $pids; do kill "$p" 2>/dev/null || :; done
    for p in $pids; do wait "$p" 2>/dev/null || :; done
    rm -rf "$T"
}
trap cleanup EXIT
trap 'exit 130' INT TERM HUP

if [ -t 1 ] && [ -z "${NO_COLOR-}" ]; then
    bold=$(printf '\033[1m') green=$(printf '\033[32m') red=$(printf '\033[31m') off=$(printf '\033[0m')
else
    bold='' green='' red='' off=''
fi
title() { printf '\n%s%s%s\n' "$bold" "$1" "$off"; }
fail() {
    printf '%sdemo: %s%s\n' "$red" "$1" "$off" >&2
    for f in "$T"/*.log "$T"/*.err; do
        [ ! -s "$f" ] || { echo "--- ${f##*/}"; tail -n 15 "$f"; } >&2
    done
    exit 1
}

# until SECONDS COMMAND...: tries until it succeeds.
until_ok() {
    tries=$(($1 * 20))
    shift
    while ! "$@" >/dev/null 2>&1; do
        tries=$((tries - 1))
        [ "$tries" -gt 0 ] || return 1
        sleep 0.05
    done
}

# A relay to a port: prints the relay's own port into FILE.port, records into FILE.
relay() {
    "$RELAY" "$1" "$2" >"$2.port" 2>>"$T/relay.err" &
    pids="$pids $!"
    until_ok 5 test -s "$2.port" || fail "the relay does not start"
}

# A port that was free a moment ago: the relay gets one from the kernel and goes.
free_port() {
    "$RELAY" 9 /dev/null >"$T/free" &
    until_ok 5 test -s "$T/free" || fail "no free port"
    kill $! && wait $! 2>/dev/null || :
    free=$(cat "$T/free")
    : >"$T/free"
}

redis() { echo "redis-server --port $1 --bind 127.0.0.1 --save '' --appendonly no --daemonize no --dir $T"; }

# ---- the same server twice: as it is, and under sleeve --------------------------------------

"$SLEEVE" keygen ca -o "$T/ca" >"$T/keygen.log" 2>&1 || fail "sleeve keygen ca"
"$SLEEVE" keygen server -n localhost -n 127.0.0.1 -C "$T/ca.pem,$T/ca.key" -o "$T/server" >>"$T/keygen.log" 2>&1 ||
    fail "sleeve keygen server"

free_port; plain=$free
free_port; tls=$free
relay "$plain" "$T/plain.wire"
relay "$tls" "$T/tls.wire"
plain_relay=$(cat "$T/plain.wire.port") tls_relay=$(cat "$T/tls.wire.port")

cat >"$T/demo.conf" <<CONF
[app redis-server]
[rule redis-server tls]
role  = server
match = local *:$tls
cert  = $T/server.pem
key   = $T/server.key

[app redis-cli]
[rule redis-cli tls]
role  = client
match = localhost:$tls,$tls_relay
ca    = $T/ca.pem
CONF

eval "$(redis "$plain") >$T/redis-plain.log 2>&1 &"
pids="$pids $!"
export SLEEVE_LOG="$T/sleeve.log"
eval "$SLEEVE run -c $T/demo.conf -- $(redis "$tls") >$T/redis-tls.log 2>&1 &"
pids="$pids $!"

cli() { timeout 20 redis-cli -h localhost -p "$@" 2>>"$T/cli.err"; }
wrapped() { timeout 20 "$SLEEVE" run -c "$T/demo.conf" -- redis-cli -h localhost -p "$@" 2>>"$T/cli.err"; }
pings() { [ "$($1 "$2" PING)" = PONG ]; }
until_ok 15 pings cli "$plain" || fail "redis-server does not answer"
until_ok 15 pings wrapped "$tls" || fail "redis-server under sleeve does not answer"

# ---- both directions ------------------------------------------------------------------------

printf '%sredis-server and redis-cli, unmodified, both under "sleeve run": neither knows of TLS%s\n' "$bold" "$off"
title '  $ sleeve run -c demo.conf -- redis-cli -h localhost'
[ "$(cli "$plain_relay" SET message "$WORDS")" = OK ] || fail "SET without TLS"
[ "$(wrapped "$tls_relay" SET message "$WORDS")" = OK ] || fail "SET under sleeve"
got=$(wrapped "$tls" GET message)
[ "$got" = "$WORDS" ] || fail "GET under sleeve: '$got'"
echo "  SET message '$WORDS'   OK"
echo "  GET message                                       '$got'"

head -c 1048576 /dev/urandom >"$T/big"
[ "$(wrapped "$tls" -x SET big <"$T/big")" = OK ] || fail "SET of 1 MiB under sleeve"
wrapped "$tls" --raw GET big | head -c 1048576 >"$T/big.back"
cmp -s "$T/big" "$T/big.back" || fail "1 MiB came back different"
sum=$(sha256sum <"$T/big.back" | cut -c1-16)
echo "  SET and GET of 1 MiB of random bytes              the same, sha256 $sum..."

# ---- somebody else's TLS reads the same server ----------------------------------------------

title '  $ openssl s_client -tls1_3 -CAfile ca.pem -verify_return_error -verify_hostname localhost'
printf 'GET message\r\nQUIT\r\n' | timeout 20 openssl s_client -connect "127.0.0.1:$tls" -servername localhost -tls1_3 \
    -CAfile "$T/ca.pem" -verify_return_error -verify_hostname localhost -ign_eof >"$T/s_client" 2>"$T/s_client.err" ||
    [ -s "$T/s_client" ] || fail "openssl s_client"
grep -q '^Verification: OK' "$T/s_client" || fail "openssl s_client does not verify the server"
grep -q "^$WORDS" "$T/s_client" || fail "openssl s_client did not get the message"
for want in '^Verification: OK' '^Verified peername' '^New, TLSv1.3' '^Server Temp Key' "^$WORDS"; do
    grep -m1 "$want" "$T/s_client" | tr -d '\r' | sed "s/^/  /; s/OK\$/${green}OK${off}/"
done

# ---- what an eavesdropper saw ---------------------------------------------------------------

# wire FILE ROWS RECORDS: the bytes as hex and text, 12 a row. RECORDS=1: skips to the application data.
wire() {
    awk -v rows="$2" -v skip="$3" '
        BEGIN { for (i = 32; i < 127; i++) text[sprintf("%02x", i)] = sprintf("%c", i) }
        { all[$1] = all[$1] $2 }
        function show(mark, hex, n,   i, r, h, t, b) {
            for (r = 0; r < n && length(hex) > r * 24; r++) {
                h = t = ""
                for (i = 0; i < 12; i++) {
                    b = substr(hex, r * 24 + i * 2 + 1, 2)
                    h = h (b == "" ? "  " : b) (i % 4 == 3 ? " " : "")
                    t = t (b == "" ? "" : b in text ? text[b] : ".")
                }
                printf "%s %s %s\n", r ? " " : mark, h, t
            }
        }
        # The last TLS record of type 23 that is not an alert is where the message is.
        function record(hex,   at, n, best) {
            for (at = 1; at < length(hex); at += 10 + n) {
                n = 2 * value(substr(hex, at + 6, 4))
                if (substr(hex, at, 2) == "17" && n > 60) best = substr(hex, at, 10 + n)
            }
            return best
        }
        function value(h,   i, v) {
            for (i = 1; i <= length(h); i++) v = v * 16 + index("0123456789abcdef", substr(h, i, 1)) - 1
            return v
        }
        END {
            c = all[">"]; s = all["<"]
            show(">", skip ? record(c) : c, rows)
            show("<", skip ? answer(s) : s, 1)
        }
        # The shortest record of type 23 at the end: "+OK" and 17 bytes of seal; tickets are longer.
        function answer(hex,   at, n, best) {
            for (at = 1; at < length(hex); at += 10 + n) {
                n = 2 * value(substr(hex, at + 6, 4))
                if (substr(hex, at, 2) == "17" && n == 2 * (5 + 17)) best = substr(hex, at, 10 + n)
            }
            return best
        }' "$1"
}
seen() { # how often the words are in the recording
    hex=$(printf %s "$WORDS" | od -An -v -tx1 | tr -d ' \n')
    cut -c3- "$1" | tr -d '\n' | grep -o "$hex" | grep -c . || :
}
title '  What a listener between the two saw of that SET'
printf '  %-47s %s\n' 'as they are' 'under sleeve'
wire "$T/plain.wire" 6 0 >"$T/plain.dump"
wire "$T/tls.wire" 6 1 >"$T/tls.dump"
paste -d '\t' "$T/plain.dump" "$T/tls.dump" | awk -F '\t' '{ printf "  %-47s %s\n", $1, $2 }'
printf '  %-47s %s\n' "the words are there: $(seen "$T/plain.wire") time" \
    "the words are there: $(seen "$T/tls.wire") times"
[ "$(seen "$T/plain.wire")" = 1 ] && [ "$(seen "$T/tls.wire")" = 0 ] || fail "the recordings are not what they should be"

# ---- what was agreed on ---------------------------------------------------------------------

title '  What the programs never saw (SLEEVE_LOG)'
grep 'role=client.*result=closed' "$T/sleeve.log" | tail -n 1 |
    awk '{ for (i = 1; i <= NF; i++) { n = index($i, "="); v[substr($i, 1, n - 1)] = substr($i, n + 1) }
           printf "  version %s   suite %s   group %s   name verified %s\n", v["version"], v["suite"], v["group"], v["name"] }'

title 'Next: your own pair of programs'
cat <<'NEXT'
  build/sleeve keygen ca && build/sleeve keygen server -n localhost
  build/sleeve run -r 'server * *:7000 cert=server.pem key=server.key' -- nc -l -p 7000
  build/sleeve run -r 'client * *:7000 ca=ca.pem' -- nc localhost 7000            (more: README.md)
NEXT
