#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""NSS (tstclnt, selfserv), both roles: suites, an unknown CA, data, and sessions resumed (there our side is
peer_engine)."""
import subprocess
import sys

from engine import done, hears, our_client, ours, theirs
from peers import client, feed, finish, free_port, good, has, need, piped, read, said, server, wait_port
from wrap import main, skip_without, stop

skip_without("tstclnt", "selfserv", "certutil", "pk12util", "nc.openbsd")
SUITES = {"TLS_AES_128_GCM_SHA256": ":1301", "TLS_AES_256_GCM_SHA384": ":1302",
          "TLS_CHACHA20_POLY1305_SHA256": ":1303"}


def run(*argv):
    subprocess.run(argv, check=True, capture_output=True, timeout=20)


def database(room, name, *cas):
    """A new NSS database that trusts those CAs."""
    db = room.path(name)
    run("mkdir", db)
    run("certutil", "-N", "-d", db, "--empty-password")
    for ca in cas:
        run("certutil", "-A", "-d", db, "-n", ca, "-t", "C,,", "-i", room.path(ca + ".pem"))
    return db


def tstclnt(room, port, db, *more):
    return piped(room, ["tstclnt", "-h", "127.0.0.1", "-a", "localhost", "-p", str(port), "-d", db,
                        "-V", "tls1.3:tls1.3", *more])


def to_us(room):
    port, db = server(room, {})[0], database(room, "trusting", "ca")
    for suite, number in SUITES.items():
        p = tstclnt(room, port, db, "-c", number)
        feed(p, b"a line for the echo\n")
        need(read(p, 20) == b"a line for the echo\n", "the echo came back changed")
        p.terminate()  # it would wait for us to close first
        said(room, "", version="TLSv1.3", suite=suite)
    p = tstclnt(room, port, database(room, "bare"))
    finish(p, "bad")
    has(said(room, "failed"), "the peer sent the alert")


def serving(room):
    """A database with our certificate in it, under the name of "me"."""
    db = database(room, "serving", "ca")
    room.openssl("pkcs12", "-export", "-in", room.path("server.pem"), "-inkey", room.path("server.key"), "-name", "me",
                 "-passout", "pass:", "-out", room.path("server.p12"))
    run("pk12util", "-i", room.path("server.p12"), "-d", db, "-W", "")
    return db


def to_peer(room):
    db = serving(room)
    for suite, number in SUITES.items():
        port = free_port()
        p = piped(room, ["selfserv", "-d", db, "-n", "me", "-p", str(port), "-V", "tls1.3:tls1.3", "-c", number])
        wait_port(port, p)
        q = client(room, port)
        feed(q, b"GET / HTTP/1.0\r\n\r\n")
        has(read(q, 130).decode(errors="replace"), "HTTP/1.0 200 OK", "GET / HTTP/1.0")
        q.stdin.close()
        q.wait(10)
        good(room, suite=suite)
        p.terminate()


def resumed_by_them(room):
    """It comes back by itself each time that we close."""
    db, request = database(room, "trusting", "ca"), room.write("request", "a line\n")
    for version in ("1.2", "1.3"):
        port, p = ours(room, "--once", count=4)
        q = piped(room, ["tstclnt", "-h", "127.0.0.1", "-a", "localhost", "-p", str(port), "-d", db,
                         "-V", f"tls{version}:tls{version}", "-u", "-L", "4", "-A", request])
        report = finish(q)
        need(report.count("a line\n") == 4, report)
        has(report, "3 stateless resumes")
        got = done(p)
        need([(d["version"], d["resumed"]) for d in got] == [("TLSv" + version, r) for r in "0111"], got)


def resumed_by_us(room):
    db = serving(room)
    for version in ("1.2", "1.3"):
        port, p = theirs(room, "selfserv", "-d", db, "-n", "me", "-p", "PORT", "-V", f"tls{version}:tls{version}", "-u")
        for i in range(4):
            q = our_client(room, port, "--sess-out", room.path("s"), *(("--resume", room.path("s")) if i else ()))
            feed(q, b"GET / HTTP/1.0\r\n\r\n")
            hears(q, b"GET / HTTP/1.0")
            got = done(q)
            need([(d["version"], d["resumed"]) for d in got] == [("TLSv" + version, str(int(i > 0)))], got)
        stop(p)


if __name__ == "__main__":
    sys.exit(main(to_us, to_peer, resumed_by_them, resumed_by_us))
