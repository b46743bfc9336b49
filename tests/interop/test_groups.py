#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""Each group of TLS 1.3 that libcrypto 3.0 has, in both roles against OpenSSL and GnuTLS, as the first share and by
HelloRetryRequest (RFC 8446 section 4.1.4). Our side is peer_engine."""
import sys

from engine import done, our_client, ours, say, theirs
from peers import finish, of, piped
from wrap import main, need, skip_without, stop

skip_without("openssl", "gnutls-cli", "gnutls-serv")
GROUPS = {  # number, OpenSSL's name, GnuTLS's name
    "x25519": (29, "X25519", "X25519"), "secp256r1": (23, "P-256", "SECP256R1"), "secp384r1": (24, "P-384", "SECP384R1"),
    "secp521r1": (25, "P-521", "SECP521R1"), "x448": (30, "X448", "X448"), "ffdhe2048": (256, "ffdhe2048", "FFDHE2048"),
    "ffdhe3072": (257, "ffdhe3072", "FFDHE3072")}
BASE = "NORMAL:-VERS-ALL:+VERS-TLS1.3:-GROUP-ALL:+GROUP-"


def others(group):
    """One that comes before it, whose share the other end cannot use."""
    return "secp256r1" if group != "secp256r1" else "x25519"


def is_ours(p, group):
    got = done(p)
    need([d["group"] for d in got] == [group], f"not {group}: {got}")


def openssl_client(room):
    for group, (number, name, _) in GROUPS.items():
        for names in (name, f"{GROUPS[others(group)][1]}:{name}"):
            port, p = ours(room, "--groups", str(number))
            q = piped(room, ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-tls1_3", "-nocommands", "-CAfile",
                             room.path("ca.pem"), "-verify_return_error", "-groups", names])
            say(q)
            finish(q)
            is_ours(p, group)


def gnutls_client(room):
    """It sends shares of its first two groups, as a rule."""
    for group, (number, _, name) in GROUPS.items():
        for names in (name, f"{GROUPS[others(group)][2]}:+GROUP-FFDHE4096:+GROUP-{name}"):
            port, p = ours(room, "--groups", str(number))
            q = piped(room, ["gnutls-cli", "--priority", BASE + names, "--x509cafile", room.path("ca.pem"),
                             "--verify-hostname", "localhost", "-p", str(port), "127.0.0.1"])
            say(q)
            finish(q)
            is_ours(p, group)


def our_choices(group):
    """Ours alone, and behind another whose share the server cannot use; all that we have."""
    number = str(GROUPS[group][0])
    return ("--groups", number), ("--groups", f"{GROUPS[others(group)][0]},{number}"), ()


def openssl_server(room):
    for group, (_, name, _) in GROUPS.items():
        port, p = theirs(room, "openssl", "s_server", "-accept", "127.0.0.1:PORT", "-tls1_3", "-rev", "-groups", name,
                         "-cert", room.path("server.pem"), "-key", room.path("server.key"))
        for options in our_choices(group):
            q = our_client(room, port, *options)
            say(q, b"abc\n", b"cba\n")
            is_ours(q, group)
        stop(p)


def gnutls_server(room):
    keys = of(room, "server")
    for group, (_, _, name) in GROUPS.items():
        port, p = theirs(room, "gnutls-serv", "-q", "--echo", "--priority", BASE + name, "--x509certfile", keys["cert"],
                         "--x509keyfile", keys["key"], "-p", "PORT")
        for options in our_choices(group):
            q = our_client(room, port, *options)
            say(q)
            is_ours(q, group)
        stop(p)


if __name__ == "__main__":
    sys.exit(main(openssl_client, gnutls_client, openssl_server, gnutls_server))
