#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""Pre-shared keys of TLS 1.2 in both roles, against OpenSSL and GnuTLS: every suite that they have, hints, keys and
identities that are wrong, sessions. Our side is peer_engine. A certificate is shown with RSA_PSK only."""
import sys

from engine import PEER, done, say, theirs
from peers import finish, has, piped
from tls12 import certificates
from wrap import main, need, skip_without, stop

skip_without("openssl", "gnutls-cli", "gnutls-serv")
NAME, KEY, OTHER = "device-7", "0123456789abcdef0123456789abcdef", "0123456789abcdef0123456789abcdeF"
HEX = KEY.encode().hex()
CIPHERS = (("AES128-GCM-SHA256", "AES-128-GCM:+AEAD"), ("AES256-GCM-SHA384", "AES-256-GCM:+AEAD"),
           ("CHACHA20-POLY1305", "CHACHA20-POLY1305:+AEAD"), ("AES128-CBC-SHA256", "AES-128-CBC:+SHA256"),
           ("AES256-CBC-SHA384", "AES-256-CBC:+SHA384"), ("AES128-CBC-SHA", "AES-128-CBC:+SHA1"),
           ("AES256-CBC-SHA", "AES-256-CBC:+SHA1"))
NUMBERS = {"PSK": ("a8", "a9", "ccab", "ae", "af", "8c", "8d"), "RSA-PSK": ("ac", "ad", "ccae", "b6", "b7", "94", "95"),
           "DHE-PSK": ("aa", "ab", "ccad", "b2", "b3", "90", "91"),
           "ECDHE-PSK": (None, None, "ccac", "c037", "c038", "c035", "c036")}  # those of RFC 8442 nobody has
SUITES = [(kx, number, f"{kx}-{openssl}", f"NORMAL:-VERS-ALL:+VERS-TLS1.2:-KX-ALL:+{kx}:-CIPHER-ALL:-MAC-ALL:+{gnutls}")
          for kx, numbers in NUMBERS.items() for number, (openssl, gnutls) in zip(numbers, CIPHERS) if number]
SOME = [s for s in SUITES if s[1] in ("8c", "ac", "c037", "aa")]


def cert(kx, room, *switches):
    """Those of the server, where it shows one."""
    return (switches[0], room.path("rsa.pem"), switches[1], room.path("rsa.key")) if kx == "RSA-PSK" else ()


def ours(room, kx, number, *more, count=1, key=KEY):
    return theirs(room, PEER, "server", "PORT", "--psk", f"{NAME}:{key}:12", "--suites", number, "--count", str(count),
                  *cert(kx, room, "--cert", "--key"), *more)


def our_client(room, kx, number, port, *more, key=KEY):
    trust = ("--ca", room.path("ca.pem")) if kx == "RSA-PSK" else ()
    return piped(room, [PEER, "client", str(port), "--psk", f"{NAME}:{key}:12", "--suites", number, *trust, *more])


def s_client(room, port, cipher, *more, name=NAME, key=HEX):
    return piped(room, ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-tls1_2", "-nocommands", "-CAfile",
                        room.path("ca.pem"), "-cipher", cipher + ":@SECLEVEL=0", "-psk_identity", name, "-psk", key, *more])


def s_server(room, kx, cipher, *more):
    return theirs(room, "openssl", "s_server", "-accept", "127.0.0.1:PORT", "-tls1_2", "-rev", "-cipher",
                  cipher + ":@SECLEVEL=0", "-psk_identity", NAME, "-psk", HEX, "-dhparam", room.path("dh.pem"),
                  *(cert(kx, room, "-cert", "-key") or ("-nocert",)), *more)


def gnutls_client(room, port, words, *more):
    return piped(room, ["gnutls-cli", "--x509cafile", room.path("ca.pem"), "--priority", words, "--pskusername", NAME,
                        "--pskkey", HEX, "-p", str(port), *more, "127.0.0.1"])


def gnutls_server(room, kx, words, *more):
    with open(room.path("psk.txt"), "w", encoding="ascii") as f:
        f.write(f"{NAME}:{HEX}\nsecond:{OTHER.encode().hex()}\n")
    return theirs(room, "gnutls-serv", "-q", "--echo", "--priority", words, "--pskpasswd", room.path("psk.txt"), "-p",
                  "PORT", *cert(kx, room, "--x509certfile", "--x509keyfile"), *more)


def by_key(report, name=NAME):
    need(report and all(d["psk"] == name for d in report), report)


# ---- we are the server ----

def openssl_client(room):
    for kx, number, cipher, _ in SUITES:
        port, p = ours(room, kx, number)
        q = s_client(room, port, cipher, *(("-verify_return_error",) if kx == "RSA-PSK" else ()))
        has(say(q) + finish(q), f"Cipher is {cipher}", f"PSK identity: {NAME}")
        by_key(done(p))


def gnutls_clients(room):
    """But for ECDHE_PSK and DHE_PSK: gnutls-cli 3.7 ends by SIGSEGV when it is connected so, also to gnutls-serv."""
    for kx, number, _, words in (s for s in SUITES if "DHE" not in s[0]):
        port, p = ours(room, kx, number)
        q = gnutls_client(room, port, words)
        has(say(q) + finish(q), "RSA-PSK" if kx == "RSA-PSK" else "PSK authentication")
        by_key(done(p))


def openssl_wrong(room):
    """A wrong key and a wrong name look the same from outside."""
    for kx, number, cipher, _ in SOME:
        for name, key in ((NAME, OTHER.encode().hex()), ("stranger", HEX)):
            port, p = ours(room, kx, number)
            has(finish(s_client(room, port, cipher, name=name, key=key), "bad"), "decrypt error")
            has(finish(p, "bad"), "the pre-shared key of the peer is not ours")


def openssl_hears_the_hint(room):
    for kx, number, cipher, _ in SOME:
        port, p = ours(room, kx, number, "--psk-hint", "try device-7")
        q = s_client(room, port, cipher)
        has(say(q) + finish(q), "PSK identity hint: try device-7")
        by_key(done(p))


def openssl_resumes(room):
    for more in ((), ("-no_ticket",)):
        for kx, number, cipher, _ in SOME:
            port, p = ours(room, kx, number, count=2)
            for i in range(2):
                q = s_client(room, port, cipher, *more, "-sess_in" if i else "-sess_out", room.path("s.pem"))
                say(q)
                finish(q)
            got = done(p)
            need([d["resumed"] for d in got] == ["0", "1"], got)
            by_key(got)


# ---- we are the client ----

def openssl_server(room):
    for kx, number, cipher, _ in SUITES:
        port, p = s_server(room, kx, cipher)
        q = our_client(room, kx, number, port)
        say(q, b"abc\n", b"cba\n")
        by_key(done(q))
        stop(p)


def openssl_server_refuses(room):
    for kx, number, cipher, _ in SOME:
        port, p = s_server(room, kx, cipher)
        has(finish(our_client(room, kx, number, port, key=OTHER), "bad"), "error")
        q = our_client(room, kx, number, port)  # and nothing is wrong with it
        say(q, b"abc\n", b"cba\n")
        by_key(done(q))
        stop(p)


def gnutls_servers(room):
    for kx, number, _, words in SUITES:
        port, p = gnutls_server(room, kx, words)
        q = our_client(room, kx, number, port)
        say(q)
        by_key(done(q))
        stop(p)


def servers_give_hints(room):
    """Of two keys the one that the hint names is taken."""
    kx, number, cipher, words = SOME[0]
    for start, back in ((lambda: s_server(room, kx, cipher, "-psk_hint", NAME), b"cba\n"),
                        (lambda: gnutls_server(room, kx, words, "--pskhint", NAME), b"abc\n")):
        port, p = start()
        q = piped(room, [PEER, "client", str(port), "--psk", f"first:{OTHER}:12,{NAME}:{KEY}:12", "--suites", number])
        say(q, b"abc\n", back)
        by_key(done(q))
        stop(p)


def certificate_of_nobody(room):
    """RSA_PSK: the key alone will not do."""
    kx, number, cipher, _ = next(s for s in SOME if s[0] == "RSA-PSK")
    port, p = s_server(room, kx, cipher)
    q = piped(room, [PEER, "client", str(port), "--psk", f"{NAME}:{KEY}:12", "--suites", number, "--ca", room.path("other.pem")])
    has(finish(q, "bad"), "error")
    stop(p)


def prepared(test):
    def run(room):
        certificates(room)
        room.openssl("genpkey", "-genparam", "-algorithm", "DH", "-pkeyopt", "group:ffdhe2048", "-out", room.path("g.pem"))
        room.openssl("dhparam", "-in", room.path("g.pem"), "-out", room.path("dh.pem"))
        test(room)
    run.__name__ = test.__name__
    return run


if __name__ == "__main__":
    sys.exit(main(*(prepared(t) for t in (openssl_client, gnutls_clients, openssl_wrong, openssl_hears_the_hint,
                                          openssl_resumes, openssl_server, openssl_server_refuses, gnutls_servers,
                                          servers_give_hints, certificate_of_nobody))))
