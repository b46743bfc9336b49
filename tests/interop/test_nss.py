#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""NSS (tstclnt, selfserv), both roles: suites, an unknown CA, data."""
import subprocess
import sys

from peers import client, feed, finish, free_port, good, has, need, piped, read, said, server, wait_port
from wrap import main, skip_without

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


def to_peer(room):
    db = database(room, "serving", "ca")
    room.openssl("pkcs12", "-export", "-in", room.path("server.pem"), "-inkey", room.path("server.key"), "-name", "me",
                 "-passout", "pass:", "-out", room.path("server.p12"))
    run("pk12util", "-i", room.path("server.p12"), "-d", db, "-W", "")
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


if __name__ == "__main__":
    sys.exit(main(to_us, to_peer))
