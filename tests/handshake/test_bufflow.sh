#!/bin/sh
# SPDX-License-Identifier: ISC
# The example of the guide's API runs to its end, and fails where it should.
set -eu
bufflow=${BUILD:-build}/examples/bufflow
[ -x "$bufflow" ] || { echo "FAIL: no $bufflow"; exit 1; }
command -v openssl >/dev/null || { echo "openssl is not installed"; exit 77; }
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

cert() { # name: a self-signed CA and a certificate of it
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj "/CN=CA of $1" \
        -keyout "$dir/$1-ca.key" -out "$dir/$1-ca.pem" 2>/dev/null
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/C=DE/O=Example/CN=$1" \
        -keyout "$dir/$1.key" -out "$dir/$1.csr" 2>/dev/null
    printf 'subjectAltName=DNS:%s\nbasicConstraints=CA:FALSE\n' "$1" >"$dir/ext"
    openssl x509 -req -in "$dir/$1.csr" -CA "$dir/$1-ca.pem" -CAkey "$dir/$1-ca.key" -CAcreateserial \
        -days 2 -extfile "$dir/ext" -out "$dir/$1.pem" 2>/dev/null
}
expect() { # file, text
    grep -q -F -- "$2" "$1" || { echo "FAIL: no \"$2\" in:"; cat "$1"; exit 1; }
}

cert one.test
cert two.test
timeout 20 "$bufflow" "$dir/one.test.pem" "$dir/one.test.key" "$dir/one.test-ca.pem" >"$dir/out"
for text in 'certificate of "one.test", issued by "CA of one.test"' 'client: handshake complete, TLSv1.3' \
    'server: handshake complete, TLSv1.3' 'server heard: Are you there?' 'client heard: I am.' \
    'server: alert received, level 1, description 0' 'done'; do
    expect "$dir/out" "$text"
done

if timeout 20 "$bufflow" "$dir/one.test.pem" "$dir/one.test.key" "$dir/two.test-ca.pem" >"$dir/out"; then
    echo "FAIL: a certificate of another CA was accepted"
    exit 1
fi
expect "$dir/out" refused
expect "$dir/out" 'server: alert received, level 2, description 48'

if timeout 20 "$bufflow" "$dir/one.test.pem" "$dir/two.test.key" "$dir/one.test-ca.pem" >"$dir/out" 2>&1; then
    echo "FAIL: a key of another certificate was accepted"
    exit 1
fi
expect "$dir/out" 'cannot be used'
echo "bufflow: ok"
