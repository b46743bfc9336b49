#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""KeyUpdate of TLS 1.3 by OpenSSL and GnuTLS, in both roles, with and without a request for ours (RFC 8446 section
4.6.3); data goes both ways behind each. Our side is peer_engine."""
import re
import sys

from engine import done, hears, our_client, ours, say, theirs
from peers import feed, finish, of, piped, text
from wrap import main, need, skip_without, stop, until

skip_without("openssl", "gnutls-cli", "gnutls-serv")
COMMANDS = b"KkKKkkKk"  # of OpenSSL: K asks for our update too
BASE = "NORMAL:-VERS-ALL:+VERS-TLS1.3"


def letters(size, seed):
    """Lines that no program takes for a command, wherever it begins to read."""
    return bytes(b if b == 10 else 117 + b % 4 for b in text(size, seed))  # u, v, w, x


def updates(room):
    with open(room.path("msg"), encoding="utf-8", errors="replace") as f:
        ways = [line[:3] for line in f if "KeyUpdate" in line]
    return ways.count(">>>"), ways.count("<<<")


def order(room, p, command):
    """Until it was obeyed nothing more is written: a command is all that the program reads at once."""
    before = updates(room)[0]
    p.stdin.write(bytes([command]) + b"\n")
    p.stdin.flush()
    until(lambda: updates(room)[0] > before, f"{command} has no effect")


def both_ways(q, p, i):
    """A line before it: what the program says about the handshake comes behind the first that it hears."""
    for src, dst, seed in ((q, p, i), (p, q, i + 50)):
        data = letters(40000, seed) + b"the end of %d\n" % seed
        feed(src, b"first\n").join()
        hears(dst, b"first\n")
        t = feed(src, data)
        got = hears(dst, data[-20:])
        got = re.sub("SSL_do_handshake -> 1\n|Read BLOCK\n", "", got)  # of s_server, anywhere
        need(got.encode().endswith(data), f"{src.args[0]} to {dst.args[0]}: {len(got)} bytes, not {len(data)}")
        t.join()


def openssl_server(room):
    """Its report of the handshake comes first; then each line that it reads as it is."""
    port, p = theirs(room, "openssl", "s_server", "-accept", "127.0.0.1:PORT", "-tls1_3", "-cert", room.path("server.pem"),
                     "-key", room.path("server.key"), "-msg", "-msgfile", room.path("msg"))
    for more in ((), ("--update",)):  # ours as well, crossing theirs
        room.write("msg", "")
        q = our_client(room, port, *more)
        both_ways(q, p, 0)
        for i, command in enumerate(COMMANDS, 1):
            order(room, p, command)
            both_ways(q, p, i)
        need(len(done(q)) == 1, "a client has one handshake")
        theirs_sent, ours_sent = updates(room)
        asked = COMMANDS.count(b"K")
        need((theirs_sent, ours_sent) == (len(COMMANDS), asked) if not more else
             theirs_sent > len(COMMANDS) and ours_sent > asked, f"{theirs_sent} of theirs, {ours_sent} of ours")
    stop(p)


def openssl_client(room):
    port, p = ours(room, count=2)
    for _ in range(2):
        room.write("msg", "")
        q = piped(room, ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-tls1_3", "-CAfile", room.path("ca.pem"),
                         "-verify_return_error", "-msg", "-msgfile", room.path("msg")])
        for i, command in enumerate(COMMANDS):
            order(room, q, command)
            data = letters(40000, i) + b"the end of %d\n" % i
            need(say(q, data, data[-16:]).encode().endswith(data), "the echo is another")
        need(updates(room) == (len(COMMANDS), COMMANDS.count(b"K")), f"key updates: {updates(room)}")
        finish(q)
    need(len(done(p)) == 2, "a handshake is missing")


def gnutls_client(room):
    port, p = ours(room)
    q = piped(room, ["gnutls-cli", "--inline-commands", "--priority", BASE, "--x509cafile", room.path("ca.pem"),
                     "--verify-hostname", "localhost", "-p", str(port), "127.0.0.1"])
    for i in range(8):
        say(q, b"line %d\n" % i)
        say(q, b"^rekey1^\n" if i % 2 else b"^rekey^\n", b"Rekey was completed")
        say(q, b"behind it %d\n" % i)
    finish(q)
    need(len(done(p)) == 1, "a handshake is missing")


def gnutls_server(room):
    """In TLS 1.3 its rehandshake is a KeyUpdate that asks for ours."""
    keys = of(room, "server")
    port, p = theirs(room, "gnutls-serv", "-q", "--echo", "--priority", BASE, "--x509certfile", keys["cert"],
                     "--x509keyfile", keys["key"], "-p", "PORT")
    q = our_client(room, port)
    for i in range(6):
        say(q, b"line %d\n" % i)
        say(q, b"**REHANDSHAKE**\n", b"Successfully executed command\n")
        say(q, b"behind it %d\n" % i)
    need(len(done(q)) == 1, "a client has one handshake")
    stop(p)


if __name__ == "__main__":
    sys.exit(main(openssl_server, openssl_client, gnutls_client, gnutls_server))
