#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""Pre-shared keys of TLS 1.3 from outside, in both roles, against OpenSSL and GnuTLS. Nobody has certificates but where
it says so. Our side is peer_engine: the native engine over TCP, or peer_guide."""
import sys

from engine import PEER, done, say, theirs
from peers import finish, has, of, piped, talk, text
from tls12 import PEER as GUIDE
from wrap import main, need, skip_without, stop

skip_without("openssl", "gnutls-cli", "gnutls-serv")
NAME, KEY, OTHER = "device-7", "0123456789abcdef0123456789abcdef", "0123456789abcdef0123456789abcdeF"
HEX = KEY.encode().hex()
GNUTLS = "NORMAL:-VERS-ALL:+VERS-TLS1.3:-KX-ALL:+ECDHE-PSK:+DHE-PSK:+PSK"


def ours(room, *options, key=KEY, count=1):
    return theirs(room, PEER, "server", "PORT", "--psk", f"{NAME}:{key}", "--count", str(count), *options)


def our_client(room, port, *options, key=KEY):
    return piped(room, [PEER, "client", str(port), "--psk", f"{NAME}:{key}", *options])


def s_client(room, port, *more):
    return piped(room, ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-tls1_3", "-nocommands",
                        "-psk_identity", NAME, *more])


def s_server(room, *more):
    return theirs(room, "openssl", "s_server", "-accept", "127.0.0.1:PORT", "-tls1_3", "-rev", "-psk_identity", NAME, *more)


# ---- we are the server ----

def openssl_has_the_key(room):
    for groups in ((), ("-groups", "X25519:P-256")):
        port, p = ours(room, *(("--groups", "23") if groups else ()))
        q = s_client(room, port, "-psk", HEX, *groups)
        has(say(q) + finish(q), "Reused, TLSv1.3", "SHA256")
        got = done(p)
        need([d["psk"] for d in got] == [NAME], got)


def openssl_resumes_behind_it(room):
    port, p = ours(room, count=2)
    for i in range(2):
        q = s_client(room, port, *(("-sess_in", room.path("s.pem")) if i else ("-psk", HEX, "-sess_out", room.path("s.pem"))))
        say(q)
        finish(q)
    got = done(p)
    need([(d["resumed"], d["psk"]) for d in got] == [("0", NAME), ("1", NAME)], got)


def openssl_has_another(room):
    port, p = ours(room, key=OTHER)
    q = s_client(room, port, "-psk", HEX)
    has(finish(q, "bad"), "decrypt error")
    has(finish(p, "bad"), "error", "binder")


def openssl_has_a_name_of_no_one(room):
    """A server that has a certificate goes on with it."""
    keys = of(room, "server")
    port, p = ours(room, "--cert", keys["cert"], "--key", keys["key"])
    q = piped(room, ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-tls1_3", "-nocommands", "-CAfile",
                     room.path("ca.pem"), "-psk_identity", "stranger", "-psk", HEX])
    has(say(q) + finish(q), "New, TLSv1.3", "Verify return code: 0 (ok)")
    got = done(p)
    need([d["psk"] for d in got] == [""], got)


def gnutls_has_the_key(room):
    for groups in (":-GROUP-ALL:+GROUP-X25519", ":-GROUP-ALL:+GROUP-X25519:+GROUP-SECP256R1"):
        port, p = ours(room, *(("--groups", "23") if "SECP" in groups else ()))
        q = piped(room, ["gnutls-cli", "--priority", GNUTLS + groups, "--pskusername", NAME, "--pskkey", HEX,
                         "-p", str(port), "127.0.0.1"])
        has(say(q) + finish(q), "PSK authentication")
        got = done(p)
        need([d["psk"] for d in got] == [NAME], got)


def gnutls_without_a_key_exchange(room):
    alone = GNUTLS.replace("+ECDHE-PSK:+DHE-PSK:", "")
    port, p = ours(room, "--psk-ke", count=2)
    for _ in range(2):
        q = piped(room, ["gnutls-cli", "--priority", alone, "--pskusername", NAME, "--pskkey", HEX, "-p", str(port),
                         "127.0.0.1"])
        has(say(q) + finish(q), "PSK authentication")
    got = done(p)
    need([(d["psk"], d["group"]) for d in got] == 2 * [(NAME, "")], got)
    port, p = ours(room)  # off by default
    q = piped(room, ["gnutls-cli", "--priority", alone, "--pskusername", NAME, "--pskkey", HEX, "-p", str(port), "127.0.0.1"])
    finish(q, "bad")
    has(finish(p, "bad"), "error")


# ---- the guide's API ----

def guide_server(room):
    for key in (KEY, OTHER):
        port, p = theirs(room, GUIDE, "server", "PORT", "-P", f"{NAME}:{KEY}", "-r", "1")
        q = s_client(room, port, "-psk", key.encode().hex())
        if key == KEY:
            has(say(q) + finish(q), "Reused, TLSv1.3", "SHA256")
            has(finish(p), "version=TLSv1.3", "how=closed")
        else:
            has(finish(q, "bad"), "decrypt error")
            has(finish(p, "bad"), "binder of the key is wrong")


def guide_client(room):
    for key in (KEY, OTHER):
        port, p = s_server(room, "-nocert", "-psk", HEX)
        q = piped(room, [GUIDE, "client", str(port), "-P", f"{NAME}:{key}", "-m", "abc\n", "-w", "4"])
        has(finish(q, 0 if key == KEY else "bad"), *(("cba", "how=closed") if key == KEY else ("how=alert",)))
        stop(p)


# ---- we are the client ----

def with_openssl_server(room):
    for groups in ((), ("-groups", "P-256")):
        port, p = s_server(room, "-nocert", "-psk", HEX, *groups)
        for i in range(2):
            q = our_client(room, port)
            say(q, b"abc\n", b"cba\n")
            got = done(q)
            need([(d["psk"], d["resumed"]) for d in got] == [(NAME, "0")], got)
        q = our_client(room, port, key=OTHER)
        has(finish(q, "bad"), "error")
        stop(p)


def with_openssl_server_without_a_key_exchange(room):
    """No group is common to both. With one it asks for it."""
    port, p = s_server(room, "-nocert", "-psk", HEX, "-groups", "P-256", "-allow_no_dhe_kex")
    for i, (groups, group) in enumerate((("29", ""), ("29", ""), ("29,23", "secp256r1"))):
        q = our_client(room, port, "--psk-ke", "--groups", groups, "--sess-out", room.path("s"),
                       *(("--resume", room.path("s")) if i else ()))
        say(q, b"abc\n", b"cba\n")
        got = done(q)
        need([(d["resumed"], d["group"]) for d in got] == [(str(int(i > 0)), group)], got)
    q = our_client(room, port, "--groups", "29")  # off by default
    has(finish(q, "bad"), "error")
    stop(p)


def with_openssl_server_and_certificate(room):
    """Our key is not known there: a certificate that we can verify, or nothing."""
    port, p = s_server(room, "-cert", room.path("server.pem"), "-key", room.path("server.key"))
    q = our_client(room, port, "--ca", room.path("ca.pem"))
    say(q, b"abc\n", b"cba\n")
    need([d["psk"] for d in done(q)] == [""], "by a key?")
    q = our_client(room, port)
    has(finish(q, "bad"), "error")
    stop(p)


def with_gnutls_server(room):
    with open(room.path("psk.txt"), "w") as f:
        f.write(f"{NAME}:{HEX}\n")
    for groups in (":-GROUP-ALL:+GROUP-X25519", ":-GROUP-ALL:+GROUP-SECP256R1"):
        port, p = theirs(room, "gnutls-serv", "-q", "--echo", "--priority", GNUTLS + groups, "--pskpasswd",
                         room.path("psk.txt"), "-p", "PORT")
        q = our_client(room, port)
        say(q)
        got = done(q)
        need([d["psk"] for d in got] == [NAME], got)
        stop(p)


def with_ourselves(room):
    for own, peer in (((), ()), (("--own", "a", "--peer", "b"), ("--own", "b", "--peer", "a"))):
        port, p = ours(room, *peer, count=2)
        for i in range(2):
            q = our_client(room, port, *own, "--sess-out", room.path("s"), *(("--resume", room.path("s")) if i else ()))
            talk(q, q, text(50000))
            need(done(q)[0]["resumed"] == str(i), i)
        need([(d["psk"], d["resumed"]) for d in done(p)] == [(NAME, "0"), (NAME, "1")], "the server sees it otherwise")


if __name__ == "__main__":
    sys.exit(main(openssl_has_the_key, openssl_resumes_behind_it, openssl_has_another, openssl_has_a_name_of_no_one,
                  gnutls_has_the_key, gnutls_without_a_key_exchange, guide_server, guide_client, with_openssl_server,
                  with_openssl_server_without_a_key_exchange, with_openssl_server_and_certificate, with_gnutls_server,
                  with_ourselves))
