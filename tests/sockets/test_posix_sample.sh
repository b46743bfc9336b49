#!/bin/sh
# SPDX-License-Identifier: ISC
# A client and a server as one writes them for the Secure Socket API, ported by their include line: built as
# a user builds them, against openssl and each other.
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

cat >"$T/client.c" <<'EOF'
/* client HOST PORT CA-FILE <request */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include HEADER

int main(int argc, char **argv)
{
    struct sockaddr_host to;
    char buf[4096];
    ssize_t n;
    int fd;

    if (argc != 4) {
        return 2;
    }
    memset(&to, 0, sizeof(to));
    to.sin_family = AF_HOSTNAME;
    to.sin_port = htons(atoi(argv[2]));
    strncpy((char *)to.sin_addr.name, argv[1], sizeof(to.sin_addr.name) - 1);
    fd = socket(PF_INET, SOCK_STREAM, IPPROTO_TLS);
    if (setsockopt(fd, IPPROTO_TLS, TLS_TRUSTED_PEER_CERTIFICATES, argv[3], strlen(argv[3]) + 1) == -1 ||
        setsockopt(fd, IPPROTO_TLS, TLS_ALPN, "http/1.1", sizeof("http/1.1")) == -1 ||
        setsockopt(fd, IPPROTO_TLS, TLS_DISABLE_CIPHER, "ECDHE-RSA-AES128-GCM-SHA256", 28) == -1 ||
        connect(fd, (struct sockaddr *)&to, sizeof(to)) == -1) {
        perror("client");
        return 1;
    }
    n = fread(buf, 1, sizeof(buf), stdin);
    send(fd, buf, n, 0);
    shutdown(fd, SHUT_WR);
    while ((n = recv(fd, buf, sizeof(buf), 0)) > 0) {
        fwrite(buf, 1, n, stdout);
    }
    if (n < 0) {
        perror("client: recv");
    }
    close(fd);
    return n < 0;
}
EOF
cat >"$T/server.c" <<'EOF'
/* server CERT-FILE KEY-FILE: serves 3 connections: greets by the name that was asked for, then echoes */
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include HEADER

int main(int argc, char **argv)
{
    struct sockaddr_in addr;
    socklen_t len = sizeof(addr);
    int fd = socket(AF_INET, SOCK_STREAM, IPPROTO_TLS), i;

    if (argc != 3) {
        return 2;
    }
    memset(&addr, 0, sizeof(addr));
    addr.sin_family = AF_INET;
    addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)) == -1 ||
        setsockopt(fd, IPPROTO_TLS, TLS_CERTIFICATE_CHAIN, argv[1], strlen(argv[1]) + 1) == -1 ||
        setsockopt(fd, IPPROTO_TLS, TLS_PRIVATE_KEY, argv[2], strlen(argv[2]) + 1) == -1 ||
        listen(fd, SOMAXCONN) == -1 || getsockname(fd, (struct sockaddr *)&addr, &len) == -1) {
        perror("server");
        return 1;
    }
    printf("%d\n", ntohs(addr.sin_port));
    fflush(stdout);
    for (i = 0; i < 3; i++) {
        char buf[4096], name[255];
        socklen_t name_len = sizeof(name);
        int c = accept(fd, NULL, NULL);
        ssize_t n;

        if (getsockopt(c, IPPROTO_TLS, TLS_HOSTNAME, name, &name_len) == -1) {
            perror("server: TLS_HOSTNAME");
        } else {
            n = snprintf(buf, sizeof(buf), "this is %s\n", name);
            send(c, buf, n, 0);
            while ((n = recv(c, buf, sizeof(buf), 0)) > 0) {
                send(c, buf, n, 0);
            }
        }
        close(c);
    }
    return 0;
}
EOF
for name in client server; do
    # shellcheck disable=SC2046
    ${CC:-cc} -O2 -Wall -DHEADER='<sleeve/posix.h>' -U_FORTIFY_SOURCE -o "$T/$name" "$T/$name.c" \
        $(PKG_CONFIG_PATH="$B" pkg-config --cflags --libs sleeve) || fail "$name does not build"
done

"$B/sleeve" keygen ca -o "$T/ca" >/dev/null
"$B/sleeve" keygen server -n localhost -n 127.0.0.1 -C "$T/ca.pem,$T/ca.key" -o "$T/leaf" >/dev/null
(cd "$T" && exec ./server leaf.pem leaf.key) >"$T/port" 2>"$T/server.err" &
server=$!
pids="$pids $server"
wait_for test -s "$T/port" || fail "the server does not start"
port=$(cat "$T/port")

echo hello | timeout 30 "$T/client" localhost "$port" "$T/ca.pem" >"$T/out" 2>"$T/client.err" || fail "client and server"
printf 'this is localhost\nhello\n' | cmp - "$T/out" || fail "what the server said"
if echo hello | timeout 30 "$T/client" localhost "$port" /etc/ssl/certs/ca-certificates.crt >"$T/out" 2>/dev/null; then
    fail "the client trusts anyone"
fi
[ ! -s "$T/out" ] || fail "the client printed what a stranger said"
(echo there; sleep 1) | timeout 30 openssl s_client -connect "127.0.0.1:$port" -servername localhost -CAfile "$T/ca.pem" \
    -verify_return_error -quiet -no_ign_eof >"$T/out" 2>/dev/null || :
printf 'this is localhost\nthere\n' | cmp - "$T/out" || fail "openssl s_client against the server"
wait $server || fail "the server's exit status"

# s_server does not take port 0: try some.
for try in 1 2 3 4 5; do
    port=$((20000 + ($$ * 7 + try * 1009) % 12000))
    openssl s_server -accept "127.0.0.1:$port" -cert "$T/leaf.pem" -key "$T/leaf.key" -alpn http/1.1 -www \
        >"$T/s_server" 2>&1 &
    pids="$pids $!"
    if wait_for grep -q ACCEPT "$T/s_server"; then break; fi
done
printf 'GET / HTTP/1.0\r\n\r\n' | timeout 30 "$T/client" localhost "$port" "$T/ca.pem" >"$T/www" 2>"$T/www.err" ||
    fail "the client against openssl s_server"
grep -q 'TLSv1.3, Cipher is TLS_' "$T/www" || fail "what openssl s_server answered"
