#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""TLS 1.3 resumption in both roles against OpenSSL and GnuTLS. Our side is peer_engine: the native engine over TCP."""
import sys

from engine import done, our_client, ours, say, theirs
from peers import finish, has, of, piped, talk, text
from wrap import main, need, skip_without, stop

skip_without("openssl", "gnutls-cli", "gnutls-serv")
SUITES = {"TLS_AES_128_GCM_SHA256": "1301", "TLS_AES_256_GCM_SHA384": "1302", "TLS_CHACHA20_POLY1305_SHA256": "1303"}


def s_client(room, port, *more):
    return piped(room, ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-tls1_3", "-CAfile", room.path("ca.pem"),
                        "-verify_return_error", "-servername", "localhost", "-nocommands", *more])


def s_server(room, *more):
    return theirs(room, "openssl", "s_server", "-accept", "127.0.0.1:PORT", "-tls1_3", "-cert", room.path("server.pem"),
                  "-key", room.path("server.key"), *more)


# ---- we are the server ----

def openssl_resumes(room):
    for suite, number in SUITES.items():
        for groups in ((), ("-groups", "X25519:P-256")):
            retry = ("--groups", "23") if groups else ()
            port, p = ours(room, "--suites", number, *retry, count=4)
            for i in range(4):
                more = ("-sess_in", room.path("s.pem")) if i else ()
                q = s_client(room, port, "-ciphersuites", suite, *groups, "-sess_out", room.path("s.pem"), *more)
                report = say(q) + finish(q)
                has(report, ("Reused" if i else "New") + ", TLSv1.3", "Verify return code: 0 (ok)")
            got = done(p)
            need([d["resumed"] for d in got] == ["0", "1", "1", "1"], got)
            need(all(d["suite"] == suite for d in got), got)


def openssl_changes_the_hash(room):
    port, p = ours(room, count=3)
    for i, suite in enumerate(("TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256")):
        # the session of the first, each time
        more = ("-sess_in", room.path("s.pem")) if i else ("-sess_out", room.path("s.pem"))
        q = s_client(room, port, "-ciphersuites", suite, *more)
        has(say(q) + finish(q), ("Reused" if i == 2 else "New") + ", TLSv1.3, Cipher is " + suite)
    done(p)


def openssl_changes_the_protocol(room):
    """Its session does not get it around no_application_protocol (threat 24)."""
    port, p = ours(room, "--alpn", "one,two", count=3)
    for name, sess, how in (("one", "-sess_out", "New"), ("two", "-sess_in", "Reused")):
        q = s_client(room, port, "-alpn", name, sess, room.path("s.pem"))
        has(say(q) + finish(q), how + ", TLSv1.3", "ALPN protocol: " + name)
    has(finish(s_client(room, port, "-alpn", "three", "-sess_in", room.path("s.pem")), "bad"), "no application protocol")
    got = done(p, "bad")
    need([(d["resumed"], d["alpn"]) for d in got] == [("0", "one"), ("1", "two")], got)


def openssl_client_certificate(room):
    """In the session, once it was shown; none in a session from a server without such a policy."""
    keys = ("-cert", room.path("server.pem"), "-key", room.path("server.key"))
    port, p = ours(room, "--require", count=2)
    for i in range(2):
        more = ("-sess_in", room.path("s.pem")) if i else ("-sess_out", room.path("s.pem"), *keys)
        q = s_client(room, port, *more)
        say(q)
        finish(q)
    got = done(p)
    need([(d["resumed"], d["client_auth"]) for d in got] == [("0", "1"), ("1", "1")], got)
    port, p = ours(room, count=1)  # other keys for its tickets: a full handshake
    q = s_client(room, port, "-sess_in", room.path("s.pem"))
    has(say(q) + finish(q), "New, TLSv1.3")
    done(p)


def gnutls_resumes(room):
    for retry in ((), ("--groups", "23")):
        port, p = ours(room, *retry, count=2)
        q = piped(room, ["gnutls-cli", "--priority", "NORMAL:-VERS-ALL:+VERS-TLS1.3:-GROUP-ALL:+GROUP-X25519:+GROUP-SECP256R1",
                         "--x509cafile", room.path("ca.pem"), "--verify-hostname", "localhost", "--sni-hostname", "localhost",
                         "--resume", "--waitresumption", "-p", str(port), "127.0.0.1"])
        has(say(q) + finish(q), "This is a resumed session")
        got = done(p)
        need([d["resumed"] for d in got] == ["0", "1"], got)


# ---- we are the client ----

def with_openssl_server(room):
    for suite, number in SUITES.items():
        for groups in ((), ("-groups", "P-256")):
            port, p = s_server(room, "-rev", "-ciphersuites", suite, *groups)
            for i in range(4):
                more = ("--resume", room.path("s")) if i else ()
                q = our_client(room, port, "--suites", number, "--sess-out", room.path("s"), *more)
                say(q, b"abc\n", b"cba\n")
                got = done(q)
                need(len(got) == 1 and got[0]["resumed"] == str(int(i > 0)) and got[0]["suite"] == suite, got)
            stop(p)


def with_openssl_server_without_tickets(room):
    """Its stateful tickets, used once each; and a server that has forgotten them."""
    port, p = s_server(room, "-rev", "-no_ticket")
    for i in range(3):
        more = ("--resume", room.path("s")) if i else ()
        q = our_client(room, port, "--sess-out", room.path("s"), *more)
        say(q, b"abc\n", b"cba\n")
        need(done(q)[0]["resumed"] == str(int(i > 0)), i)
    stop(p)
    port, p = s_server(room, "-rev")
    q = our_client(room, port, "--resume", room.path("s"))
    say(q, b"abc\n", b"cba\n")
    need(done(q)[0]["resumed"] == "0", "a new server resumed")
    stop(p)


def with_gnutls_server(room):
    keys = of(room, "server")
    port, p = theirs(room, "gnutls-serv", "-q", "--echo", "--priority", "NORMAL:-VERS-ALL:+VERS-TLS1.3", "--x509certfile",
                     keys["cert"], "--x509keyfile", keys["key"], "-p", "PORT")
    for i in range(3):
        more = ("--resume", room.path("s")) if i else ()
        q = our_client(room, port, "--sess-out", room.path("s"), *more)
        say(q)
        need(done(q)[0]["resumed"] == str(int(i > 0)), i)
    stop(p)


def with_ourselves(room):
    port, p = ours(room, "--groups", "23", count=3)
    for i in range(3):
        more = ("--resume", room.path("s")) if i else ()
        q = our_client(room, port, "--sess-out", room.path("s"), "--update", *more)
        talk(q, q, text(100000))
        need(done(q)[0]["resumed"] == str(int(i > 0)), i)
    need([d["resumed"] for d in done(p)] == ["0", "1", "1"], "the server sees it otherwise")


if __name__ == "__main__":
    sys.exit(main(openssl_resumes, openssl_changes_the_hash, openssl_changes_the_protocol,
                  openssl_client_certificate, gnutls_resumes, with_openssl_server, with_openssl_server_without_tickets,
                  with_gnutls_server, with_ourselves))
