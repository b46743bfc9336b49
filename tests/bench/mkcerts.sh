#!/bin/sh
# SPDX-License-Identifier: ISC
# mkcerts.sh DIR: a root and a server's certificate for server.test, of ECDSA P-256 and of RSA-2048.
set -eu
mkdir -p "$1"
cd "$1"
[ ! -f made ] || exit 0
printf '%s\n' basicConstraints=critical,CA:FALSE keyUsage=critical,digitalSignature \
    extendedKeyUsage=serverAuth subjectAltName=DNS:server.test >ext
for type in ecdsa rsa; do
    case $type in
    ecdsa) kind='EC -pkeyopt ec_paramgen_curve:P-256' ;;
    rsa) kind='RSA -pkeyopt rsa_keygen_bits:2048' ;;
    esac
    for who in root server; do
        # shellcheck disable=SC2086
        openssl genpkey -algorithm $kind -out $type-$who.key 2>/dev/null
    done
    openssl req -new -x509 -sha256 -days 3650 -key $type-root.key -out $type-root.crt \
        -subj "/O=Bench/CN=Bench $type root" -addext keyUsage=critical,keyCertSign
    openssl req -new -sha256 -key $type-server.key -out $type-server.csr -subj /O=Bench/CN=server.test
    openssl x509 -req -sha256 -days 1825 -in $type-server.csr -CA $type-root.crt -CAkey $type-root.key \
        -CAcreateserial -extfile ext -out $type-server.crt 2>/dev/null
    openssl verify -CAfile $type-root.crt $type-server.crt >/dev/null
done
touch made
