#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""A connection of ours goes on in another process, again and again, while OpenSSL or GnuTLS at the other end go on
talking. Our side is peer_engine, which runs itself anew behind so many bytes and passes socket and state on."""
import os
import re
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from peers import BUILD, finish, of, piped, talk, text  # noqa: E402
from wrap import free_port, main, need, skip_without, stop, wait_port  # noqa: E402

skip_without("openssl", "gnutls-cli", "gnutls-serv")
PEER = os.path.join(BUILD, "tests", "interop", "peer_engine")
LABEL = "EXPERIMENTAL sleeve"
DATA = text(120000)
SUITES = (("1.3", "TLS_AES_128_GCM_SHA256", "1301"), ("1.3", "TLS_AES_256_GCM_SHA384", "1302"),
          ("1.3", "TLS_CHACHA20_POLY1305_SHA256", "1303"), ("1.2", "ECDHE-ECDSA-AES128-GCM-SHA256", "c02b"),
          ("1.2", "ECDHE-ECDSA-CHACHA20-POLY1305", "cca9"), ("1.2", "ECDHE-ECDSA-AES256-SHA384", "c024"))
if not os.path.exists(PEER):
    print(f"{PEER} is not built")
    sys.exit(77)


def ours(room, *options):
    port, keys = free_port(), of(room, "server")
    p = piped(room, [PEER, "server", str(port), "--cert", keys["cert"], "--key", keys["key"], "--export", LABEL, *options])
    wait_port(port, p)
    return port, p


def our_client(room, port, *options):
    return piped(room, [PEER, "client", str(port), "--ca", room.path("ca.pem"), "--export", LABEL, *options])


def openssl_flags(version, suite):
    how = "-ciphersuites" if version == "1.3" else "-cipher"
    return ("-tls" + version.replace(".", "_"), how, suite, "-keymatexport", LABEL, "-keymatexportlen", "40")


def moved(report, least):
    """That many processes had it, and all could export the same; which."""
    got = re.findall(r"^export ([0-9a-f]+)$", report, re.M)
    need(len(got) > least, f"{len(got)} processes had it, not {least + 1}: {report}")
    need(len(set(got)) == 1, f"they export different things: {got}")
    points = set(re.findall(r"^tls-server-end-point (\S+)$", report, re.M))
    need(len(points) == 1, f"they are bound to different things: {points}")
    need("error" not in report, report)
    return got[0]


def openssl_client(room):
    for version, suite, number in SUITES:
        port, p = ours(room, "--suites", number, "--move", "15000")
        q = piped(room, ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-quiet", "-no_ign_eof", "-nocommands", "-CAfile",
                         room.path("ca.pem"), "-verify_return_error", "-servername", "localhost",
                         *openssl_flags(version, suite)])
        talk(q, q, DATA)
        finish(q)
        moved(finish(p), 1)  # so much may come at once


def back_and_forth(p, line, back=None):
    """The answer is somewhere in what it prints."""
    p.stdin.write(line + b"\n")
    p.stdin.flush()
    got, want = b"", line + b"\n" if back is None else back + b"\n"
    while want not in got:
        more = os.read(p.stdout.fileno(), 4096)
        need(more, f"{p.args[0]} said only {got[-1000:]!r}")
        got += more


def openssl_client_and_key_updates(room):
    """From us behind each piece, from it by command."""
    port, p = ours(room, "--update", "--move", "20")
    q = piped(room, ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-tls1_3", "-CAfile", room.path("ca.pem")])
    for command in (b"k\n", b"K\n") * 4:
        back_and_forth(q, b"some thirty bytes of plain text")
        q.stdin.write(command)
        q.stdin.flush()
        said = b""
        while b"KEYUPDATE" not in said:  # what came together with a command would be part of it
            said += os.read(q.stderr.fileno(), 4096)
        back_and_forth(q, b"more text")
    finish(q)
    moved(finish(p), 7)


def openssl_server(room):
    for version, suite, number in SUITES:
        port = free_port()
        p = piped(room, ["openssl", "s_server", "-accept", f"127.0.0.1:{port}", "-cert", room.path("server.pem"), "-key",
                         room.path("server.key"), "-rev", *openssl_flags(version, suite)])
        wait_port(port, p)
        for resumed in (0, 1):
            more = ("--resume", room.path("s")) if resumed else ()
            q = our_client(room, port, "--suites", number, "--move", "100", "--sess-out", room.path("s"), *more)
            for i in range(40):
                back_and_forth(q, f"line {i} there".encode(), f"line {i} there"[::-1].encode())
            report = finish(q)
            moved(report, 4)
            need(set(re.findall(r" resumed=(\d)", report)) == {str(resumed)}, report)
        stop(p)


def lines(p):
    """Back and forth: gnutls-cli drops what of its input does not fit into one record."""
    for i in range(60):
        talk(p, p, f"line {i} of less than sixty bytes, {i * i}\n".encode())


def priority(version):
    return f"NORMAL:-VERS-ALL:+VERS-TLS{version}"


def gnutls_client(room):
    for version in ("1.2", "1.3"):
        port, p = ours(room, "--move", "300")
        q = piped(room, ["gnutls-cli", "--logfile=" + room.path("log"), "--priority", priority(version), "--x509cafile",
                         room.path("ca.pem"), "--verify-hostname", "localhost", "--sni-hostname", "localhost", "-p",
                         str(port), "127.0.0.1"])
        lines(q)
        finish(q)
        moved(finish(p), 5)


def gnutls_server(room):
    for version in ("1.2", "1.3"):
        keys, port = of(room, "server"), free_port()
        p = piped(room, ["gnutls-serv", "-q", "--echo", "--priority", priority(version), "--x509certfile", keys["cert"],
                         "--x509keyfile", keys["key"], "-p", str(port)])
        wait_port(port, p)
        q = our_client(room, port, "--move", "300")
        lines(q)
        moved(finish(q), 5)
        stop(p)


def both_ours(room):
    """Both ends move, each when it likes, and change their keys."""
    for version, _, number in SUITES:
        more = ("--update",) if version == "1.3" else ()
        port, p = ours(room, "--suites", number, "--move", "7000", *more)
        q = our_client(room, port, "--suites", number, "--move", "11000", *more)
        talk(q, q, DATA)
        report = finish(q)
        need(moved(report, 1) == moved(finish(p), 1), report)


if __name__ == "__main__":
    sys.exit(main(openssl_client, openssl_client_and_key_updates, openssl_server, gnutls_client, gnutls_server, both_ours))
