#!/bin/sh
# SPDX-License-Identifier: ISC
# The build options of include/matrixssl: each one compiles both ways, tells applications what it did, and does it.
set -eu
B=${BUILD:-build}
T=$(mktemp -d)
trap 'rm -rf "$T"' EXIT
FLAGS="-std=c11 -D_GNU_SOURCE -O0 -I. -Isrc -Iinclude -Wall -Wextra -Wundef -Werror -pthread"
fail() { echo "FAILED: $1"; exit 1; }

# What applications see: "OPTION given -> macros that must be there, and must not".
seen() {
    want=$1
    shift
    got=
    printf '#include <matrixssl/matrixsslApi.h>\n' | gcc -Iinclude "$@" -dM -E - >"$T/macros" || fail "$*"
    for m in $want; do
        case $m in
        !*) ! grep -q "^#define ${m#!}\( \|$\)" "$T/macros" || fail "$*: ${m#!} is there" ;;
        *) grep -q "^#define $m\( \|$\)" "$T/macros" || fail "$*: $m is not there" ;;
        esac
    done
}
seen "PS_USE_FILE_SYSTEM MATRIX_USE_FILE_SYSTEM USE_CLIENT_SIDE_SSL USE_SERVER_SIDE_SSL USE_CLIENT_AUTH USE_TLS_1_2 USE_TLS_1_3
 DISABLE_SSLV3 SSL_REHANDSHAKES_ENABLED ENABLE_SECURE_REHANDSHAKES REQUIRE_SECURE_REHANDSHAKES USE_PKCS5 USE_PKCS12
 USE_CERT_PARSE USE_PRIVATE_KEY_PARSING USE_MULTITHREADING HAVE_NATIVE_INT64 SSL_SESSION_TABLE_SIZE SSL_SESSION_ENTRY_LIFE
 SSL_MAX_CLIENT_HELLO SSL_MAX_CERTIFICATE_BYTES SSL_MAX_IDLE_RECORDS
 PS_PUBKEY_OPTIMIZE_FOR_FASTER_SPEED USE_TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 USE_TLS_AES_128_GCM_SHA256 MATRIXSSL_VERSION
 !ENABLE_INSECURE_REHANDSHAKES !USE_TLS !USE_TLS_1_1 !SERVER_CAN_SEND_EMPTY_CERT_REQUEST !USE_TLS_RSA_WITH_AES_128_CBC_SHA
 !USE_PEERSEC_MEMORY_MANAGEMENT !HALT_ON_PS_ERROR !USE_CORE_TRACE !ENABLE_FALSE_START" -DPOSIX
seen "USE_TLS_AES_128_GCM_SHA256 !USE_TLS_1_2 !USE_TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256" -DUSE_TLS_1_2=0
seen "!USE_TLS_AES_128_GCM_SHA256 USE_TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256" -DUSE_TLS_1_3=0
seen "!SSL_REHANDSHAKES_ENABLED" -DENABLE_SECURE_REHANDSHAKES=0
seen "SSL_REHANDSHAKES_ENABLED" -DENABLE_SECURE_REHANDSHAKES=0 -DENABLE_INSECURE_REHANDSHAKES
seen "!MATRIX_USE_FILE_SYSTEM" -DPS_USE_FILE_SYSTEM=0
seen "USE_PEERSEC_MEMORY_MANAGEMENT" -DUSE_MATRIX_MEMORY_MANAGEMENT
printf '#include <matrixssl/matrixsslApi.h>\n' >"$T/client.c"
if gcc -Iinclude -DUSE_CERT_PARSE=0 -fsyntax-only "$T/client.c" 2>/dev/null; then
    fail "a client without USE_CERT_PARSE"
fi

# The library's side of each compiles without a warning.
for o in PS_USE_FILE_SYSTEM=0 USE_CLIENT_SIDE_SSL=0 USE_SERVER_SIDE_SSL=0 USE_CLIENT_AUTH=0 USE_PKCS5=0 USE_PKCS12=0 \
    USE_PRIVATE_KEY_PARSING=0 ENABLE_SECURE_REHANDSHAKES=0 REQUIRE_SECURE_REHANDSHAKES=0 ENABLE_INSECURE_REHANDSHAKES \
    SERVER_CAN_SEND_EMPTY_CERT_REQUEST "USE_CLIENT_SIDE_SSL=0 -DUSE_CLIENT_AUTH=0 -DUSE_CERT_PARSE=0"; do
    # shellcheck disable=SC2086
    gcc $FLAGS -D$o -fsyntax-only src/matrixssl*.c || fail "$o does not compile"
done

# And it does what it says: the guide's layer and the suites, compiled so, over the rest of the library.
cat >"$T/try.c" <<'END'
#include <matrixssl/matrixsslApi.h>
/* try RESULT...: of nominating these suites, and of loading an encrypted key */
int main(int argc, char **argv)
{
    static const uint32 suites[] = { TLS_AES_128_GCM_SHA256, TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
                                     TLS_RSA_WITH_AES_128_CBC_SHA };
    sslKeys_t *keys;
    ssl_t *ssl;

    if (matrixSslOpen() < 0 || matrixSslNewKeys(&keys) < 0 || argc < 6 ||
        matrixSslLoadRsaKeys(keys, NULL, NULL, NULL, argv[4]) < 0) {
        return 2;
    }
    for (int i = 0; i < 3; i++) {
        int32 rc = matrixSslNewClientSession(&ssl, keys, NULL, suites[i], NULL, NULL, NULL);

        if (rc != atoi(argv[1 + i])) {
            printf("suite %04x: %d\n", (unsigned)suites[i], (int)rc);
            return 1;
        }
        if (rc > 0) {
            matrixSslDeleteSession(ssl);
        }
    }
    matrixSslDeleteKeys(keys);
    if (matrixSslNewKeys(&keys) < 0) {
        return 2;
    }
    printf("%d\n", (int)matrixSslLoadRsaKeys(keys, argv[4], argv[5], "pass", NULL));
    matrixSslDeleteKeys(keys);
    matrixSslClose();
    return 0;
}
END
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -days 2 -subj /CN=CA -passout pass:pass \
    -keyout "$T/key" -out "$T/cert" 2>/dev/null
try() { # results of three suites, of the key; then the options
    results=$1
    key=$2
    shift 2
    # shellcheck disable=SC2086
    gcc $FLAGS "$@" -o "$T/try" "$T/try.c" src/matrixssl*.c src/handshake/suites.c "$B/libsleeve-test.a" -lcrypto -lbsd -linih -lz -lpthread -ldl ||
        fail "$* does not link"
    # shellcheck disable=SC2086
    out=$("$T/try" $results "$T/cert" "$T/key") || fail "$*: $out"
    [ "$out" = "$key" ] || fail "$*: the key gave $out"
}
case $B in *asan*) echo "guide options: headers only"; exit 0 ;; esac
try "1 1 1" 0
try "1 -10 -10" 0 -DUSE_TLS_1_2=0
try "-10 1 1" 0 -DUSE_TLS_1_3=0
try "-10 1 1" 0 -DUSE_TLS_AES_128_GCM_SHA256=0
try "1 -10 1" -1 -DUSE_TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256=0 -DUSE_PKCS5=0
try "1 1 1" 0 -DUSE_TLS_RSA_WITH_AES_128_CBC_SHA
echo "guide options: ok"
