#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""Authentication of the client behind the handshake (RFC 8446 section 4.6.2), in both roles against OpenSSL and GnuTLS.
Our side is peer_engine: the native engine over TCP."""
import sys

from engine import done, hears, our_client, ours, say, theirs
from peers import certificate, finish, has, of, piped
from wrap import WAIT, main, need, skip_without, stop

skip_without("openssl", "gnutls-cli", "gnutls-serv")
BASE = "NORMAL:-VERS-ALL:+VERS-TLS1.3"


def s_client(room, port, *more):
    return piped(room, ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-tls1_3", "-CAfile", room.path("ca.pem"),
                        "-verify_return_error", "-servername", "localhost", "-nocommands", *more])


def s_server(room, *more):
    return theirs(room, "openssl", "s_server", "-accept", "127.0.0.1:PORT", "-tls1_3", "-cert", room.path("server.pem"),
                  "-key", room.path("server.key"), *more)


def openssl_is_asked(room):
    for keys, want in ((("-cert", room.path("server.pem"), "-key", room.path("server.key")), "1"), ((), "0")):
        port, p = ours(room, "--post-auth")
        q = s_client(room, port, "-enable_pha", *keys)
        say(q)
        say(q, b"and another\n")
        say(q, b"one more\n")
        finish(q)
        got = done(p)
        need([d["client_auth"] for d in got] == ["0", want], got)
    port, p = ours(room, "--post-auth")
    q = s_client(room, port)  # does not offer it
    q.stdin.write(b"x\n")
    q.stdin.flush()
    has(finish(p, "bad"), "request")
    stop(q)


def openssl_is_asked_by_another_ca(room):
    certificate(room, "stranger", "p256", ca="other")
    port, p = ours(room, "--post-auth")
    q = s_client(room, port, "-enable_pha", "-cert", room.path("stranger.pem"), "-key", room.path("stranger.key"))
    say(q)
    q.wait(WAIT)  # else it may see the end of its input first
    has(finish(q, None), "alert unknown ca")
    has(finish(p, "bad"), "error")


def gnutls_is_asked(room):
    keys, (port, p) = of(room, "server"), ours(room, "--post-auth")
    q = piped(room, ["gnutls-cli", "--priority", "NORMAL:-VERS-ALL:+VERS-TLS1.3", "--x509cafile", room.path("ca.pem"),
                     "--x509certfile", keys["cert"], "--x509keyfile", keys["key"], "--verify-hostname", "localhost",
                     "--post-handshake-auth", "-p", str(port), "127.0.0.1"])
    say(q)
    say(q, b"and another\n")
    say(q, b"one more\n")
    finish(q)
    got = done(p)
    need([d["client_auth"] for d in got] == ["0", "1"], got)


def openssl_asks(room):
    """Its command "c". What it has received of us is in its report."""
    for keys in (("--cert", room.path("server.pem"), "--key", room.path("server.key")), ()):
        port, p = s_server(room, "-CAfile", room.path("ca.pem"), "-verify", "2", "-naccept", "1")
        q = our_client(room, port, "--post-auth", *keys)
        q.stdin.write(b"before\n")
        q.stdin.flush()
        report = hears(p, b"before\n")
        p.stdin.write(b"c\n")
        p.stdin.flush()
        q.stdin.write(b"behind it\n")
        q.stdin.flush()
        report += hears(p, b"behind it\n")
        need(len(done(q)) == 1, "a client has one handshake")
        report += finish(p, None)
        need(("CN = server" in report) == bool(keys), report)


def gnutls_asks(room):
    """Its command is a line of ours. It insists on a certificate, and takes any; its report grows while it waits."""
    server = of(room, "server")
    for keys in (("--cert", server["cert"], "--key", server["key"]), ()):
        with open(room.path("report"), "w+b") as report:
            port, p = theirs(room, "gnutls-serv", "-d", "4", "--echo", "--disable-client-cert", "--priority", BASE,
                             "--x509certfile", server["cert"], "--x509keyfile", server["key"], "-p", "PORT", stderr=report)
            q = our_client(room, port, "--post-auth", *keys)
            say(q)
            if keys:
                say(q, b"**REAUTH**\n", b"Successfully executed command\n")
                say(q, b"behind it\n")
                need(len(done(q)) == 1, "a client has one handshake")
            else:
                q.stdin.write(b"**REAUTH**\n")
                q.stdin.flush()
                need(q.wait(WAIT) == 1, "without a certificate all is well")
            stop(p)
            report.seek(0)
            verified = b"verifying TLS 1.3 handshake data using ECDSA-SECP256R1-SHA256" in report.read()
            need(verified == bool(keys), f"verified: {verified}")


if __name__ == "__main__":
    sys.exit(main(openssl_is_asked, openssl_is_asked_by_another_ca, gnutls_is_asked, openssl_asks, gnutls_asks))
