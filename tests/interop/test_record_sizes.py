#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""record_size_limit with GnuTLS, whose client always offers it, padding with OpenSSL and GnuTLS: both roles, both
versions; max_fragment_length with OpenSSL. Our side is peer_engine: the native engine over TCP."""
import re
import sys

import tls12
from engine import our_client, ours, theirs
from peers import finish, has, of, piped, talk, text
from wrap import main, need, skip_without, stop

skip_without("openssl", "gnutls-cli", "gnutls-serv")
DATA = text(70000)


def lines(p):
    """Back and forth: gnutls-cli drops what of its input does not fit into one record."""
    for i in range(20):
        talk(p, p, f"line {i} of less than sixty bytes, {i * i}\n".encode())


def priority(version, small):
    return f"NORMAL:-VERS-ALL:+VERS-TLS{version}" + (":%ALLOW_SMALL_RECORDS" if small else "")


def gnutls_client(room):
    """As it comes, and with sizes of its own; ours as it comes, and with limits."""
    for version in ("1.2", "1.3"):
        for limit in (0, 64, 100, 512, 4096):
            for size in ("", "512", "4096"):
                port, p = ours(room, *(("--limit", str(limit)) if limit else ()))
                q = piped(room, ["gnutls-cli", "--priority", priority(version, limit and limit < 512), "--x509cafile",
                                 room.path("ca.pem"), "--verify-hostname", "localhost", "--logfile", room.path("log"),
                                 *(("--recordsize", size) if size else ()), "-p", str(port), "127.0.0.1"])
                lines(q)
                finish(q)
                has(finish(p), f"version=TLSv{version}")


def gnutls_server(room):
    """One for each connection: it says what it hears on its standard output too, which no one reads."""
    keys = of(room, "server")
    cases = [(version, limit, size) for version in ("1.2", "1.3") for limit in ("0", "64", "100", "512", "1400", "16385")
             for size in ("", "512", "4096")]
    for version, limit, size in cases:
        port, p = theirs(room, "gnutls-serv", "-q", "--echo", "--priority", priority(version, 0 < int(limit) < 512),
                         "--x509certfile", keys["cert"], "--x509keyfile", keys["key"], "-p", "PORT",
                         *(("--recordsize", size) if size else ()))
        q = our_client(room, port, "--limit", limit)
        talk(q, q, DATA[:5000])
        has(finish(q), f"version=TLSv{version}")
        stop(p)


def openssl_padding(room):
    """In both directions at once; OpenSSL pads what it likes to its own blocks."""
    for block in ("2", "256", "16384"):
        port, p = ours(room, "--padding", block)
        q = piped(room, ["openssl", "s_client", "-quiet", "-connect", f"127.0.0.1:{port}", "-tls1_3", "-record_padding",
                         "1000", "-CAfile", room.path("ca.pem"), "-verify_return_error"])
        talk(q, q, DATA)
        stop(q)
        finish(p, None)
        port, p = theirs(room, "openssl", "s_server", "-accept", "127.0.0.1:PORT", "-tls1_3", "-rev", "-record_padding",
                         "512", "-cert", room.path("server.pem"), "-key", room.path("server.key"))
        q = our_client(room, port, "--padding", block)
        q.stdin.write(b"".join(line[::-1] + b"\n" for line in DATA.splitlines()))
        q.stdin.flush()
        out, err = q.communicate(timeout=30)
        has(err.decode(), "version=TLSv1.3")
        stop(p)


def gnutls_padding(room):
    """Within its limit."""
    for size in ("", "512", "4096"):
        for block in ("64", "1024", "16384"):
            port, p = ours(room, "--padding", block)
            q = piped(room, ["gnutls-cli", "--priority", priority("1.3", False), "--x509cafile", room.path("ca.pem"),
                             "--verify-hostname", "localhost", "--logfile", room.path("log"),
                             *(("--recordsize", size) if size else ()), "-p", str(port), "127.0.0.1"])
            lines(q)
            finish(q)
            finish(p)


def with_ourselves(room):
    for limits in (("0", "0"), ("64", "64"), ("100", "16385"), ("0", "300"), ("1000", "0")):
        for version in ("1.2", "1.3"):
            port, p = ours(room, "--limit", limits[0], "--padding", "128", "--max", version)
            q = our_client(room, port, "--limit", limits[1], "--padding", "32", "--update")
            talk(q, q, DATA)
            has(finish(q), f"version=TLSv{version}")
            finish(p)


def longest(path):
    """Content of application data in the two directions, of what -msg shows."""
    with open(path, encoding="utf-8", errors="replace") as f:
        heads = re.findall(r"^(...) .*RecordHeader.*\n\s+17 03 03 (..) (..)$", f.read(), re.M)
    sizes = {way: [int(a + b, 16) - 17 for w, a, b in heads if w == way] for way in ("<<<", ">>>")}
    return [max(s, default=0) for s in sizes.values()]


def max_fragment_length(room):
    """In TLS 1.3, with OpenSSL in both roles; TLS 1.2 has its own tests. (peer_guide asks for it as a client.)"""
    for size in (512, 1024, 2048, 4096):
        port, p = ours(room)
        room.write("msg", "")
        q = piped(room, ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-tls1_3", "-CAfile", room.path("ca.pem"),
                         "-quiet", "-maxfraglen", str(size), "-msg", "-msgfile", room.path("msg")])
        talk(q, q, DATA)
        need(longest(room.path("msg")) == [size, size], f"not {size}: {longest(room.path('msg'))}")
        stop(q)
        finish(p, None)
        room.write("msg", "")
        port, p = theirs(room, "openssl", "s_server", "-accept", "127.0.0.1:PORT", "-tls1_3", "-quiet", "-cert",
                         room.path("server.pem"), "-key", room.path("server.key"), "-msg", "-msgfile", room.path("msg"))
        q = tls12.client(room, port, "-f", str(size))
        talk(q, p, DATA)
        talk(p, q, DATA)
        tls12.event(q, "handshake", version="TLSv1.3")
        need(longest(room.path("msg")) == [size, size], f"our client: not {size}: {longest(room.path('msg'))}")
        stop(q)
        stop(p)


if __name__ == "__main__":
    sys.exit(main(gnutls_client, gnutls_server, max_fragment_length, openssl_padding, gnutls_padding, with_ourselves))
