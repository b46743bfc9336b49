#!/bin/sh
# SPDX-License-Identifier: ISC
# mkcerts.sh DIR: a root, and certificates of a server (for server.test) and a client, of ECDSA P-256 and of RSA-2048.
set -eu
mkdir -p "$1"
cd "$1"
[ ! -f made ] || exit 0
printf '%s\n' basicConstraints=critical,CA:FALSE keyUsage=critical,digitalSignature \
    extendedKeyUsage=serverAuth,clientAuth subjectAltName=DNS:server.test >ext
for type in ecdsa rsa; do
    case $type in
    ecdsa) kind='EC -pkeyopt ec_paramgen_curve:P-256' ;;
    rsa) kind='RSA -pkeyopt rsa_keygen_bits:2048' ;;
    esac
    for who in root server client; do
        # shellcheck disable=SC2086
        openssl genpkey -algorithm $kind -out $type-$who.key 2>/dev/null
    done
    openssl req -new -x509 -sha256 -days 3650 -key $type-root.key -out $type-root.crt \
        -subj "/O=Bench/CN=Bench $type root" -addext keyUsage=critical,keyCertSign
    for who in server client; do
        openssl req -new -sha256 -key $type-$who.key -out $type-$who.csr -subj /O=Bench/CN=$who.test
        openssl x509 -req -sha256 -days 1825 -in $type-$who.csr -CA $type-root.crt -CAkey $type-root.key \
            -CAcreateserial -extfile ext -out $type-$who.crt 2>/dev/null
        openssl verify -CAfile $type-root.crt $type-$who.crt >/dev/null
    done
done
touch made
