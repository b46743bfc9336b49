#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""NSS (tstclnt, selfserv), both roles: suites, an unknown CA, data; with peer_engine as our side: sessions resumed, groups,
a pre-shared key, Encrypted Client Hello at a server that does not have it, authentication behind the handshake."""
import base64
import subprocess
import sys

from engine import done, hears, our_client, ours, theirs
from peers import client, feed, finish, free_port, good, has, need, piped, read, said, server, wait_port
from wrap import WAIT, main, skip_without, stop

skip_without("tstclnt", "selfserv", "certutil", "pk12util", "nc.openbsd")
SUITES = {"TLS_AES_128_GCM_SHA256": ":1301", "TLS_AES_256_GCM_SHA384": ":1302",
          "TLS_CHACHA20_POLY1305_SHA256": ":1303"}


def run(*argv):
    subprocess.run(argv, check=True, capture_output=True, timeout=WAIT)


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


def visitor(room, port, db, *more, version="1.3"):
    """Says a line when it is connected; the second -V is the one that counts."""
    return tstclnt(room, port, db, "-V", f"tls{version}:tls{version}", "-A", room.write("request", "a line\n"), *more)


def resumed_by_them(room):
    """It comes back by itself each time that we close."""
    db = database(room, "trusting", "ca")
    for version in ("1.2", "1.3"):
        port, p = ours(room, "--once", count=4)
        report = finish(visitor(room, port, db, "-u", "-L", "4", version=version))
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


def groups(room):
    """As the first share, and by HelloRetryRequest."""
    db = database(room, "trusting", "ca")
    for name, group, number in (("P521", "secp521r1", 25), ("FF2048", "ffdhe2048", 256), ("FF3072", "ffdhe3072", 257)):
        for names in (name, "x25519,P256," + name):
            port, p = ours(room, "--once", "--groups", str(number))
            has(finish(visitor(room, port, db, "-I", names)), "a line")
            got = done(p)
            need([d["group"] for d in got] == [group], got)


def pre_shared_key(room):
    """It reads nothing behind such a handshake, from a server of its own either (which takes no such key)."""
    key = "0123456789abcdef0123456789abcdef"
    port, p = ours(room, "--psk", "device-7:" + key)
    finish(visitor(room, port, database(room, "bare"), "-z", f"0x{key.encode().hex()}:device-7"), None)
    got = done(p, None)
    need([d["psk"] for d in got] == ["device-7"], got)


def vector(size, data):
    return len(data).to_bytes(size, "big") + data


def encrypted_hello(room):
    """GREASE of it goes unnoticed (RFC 9849 section 6.2). A configuration that the server does not know is rejected: the
    client verifies the public name and may try again without. HelloRetryRequest or not; it encrypts anew behind one."""
    db = database(room, "trusting", "ca")
    config = (b"\7\0\x20" + vector(2, bytes([9] + 31 * [0])) + vector(2, b"\0\1\0\1") +  # X25519; HKDF-SHA256, AES-128-GCM
              b"\x40" + vector(1, b"server.test") + vector(2, b""))
    stale = base64.b64encode(vector(2, b"\xfe\x0d" + vector(2, config))).decode()
    for retry in ((), ("--groups", "24")):
        port, p = ours(room, "--once", *retry)
        has(finish(visitor(room, port, db, "-I", "P256,P384", "-i", "100")), "a line")
        need(len(done(p)) == 1, "no handshake")
        port, p = ours(room, *retry)
        q = visitor(room, port, db, "-I", "P256,P384", "-N", stale)
        has(finish(q, "bad"), "SSL_ERROR_ECH_RETRY_WITHOUT_ECH", "verification succeeded")
        has(finish(p, None), "done version=TLSv1.3", "the peer sent the alert ech_required")


def asked_later(room):
    db = serving(room)
    port, p = ours(room, "--post-auth")
    q = tstclnt(room, port, db, "-E", "-n", "me")
    for i in range(3):
        feed(q, b"line %d\n" % i)
        hears(q, b"line %d\n" % i)
    stop(q)
    got = done(p, None)
    need([d["client_auth"] for d in got] == ["0", "1"], got)


if __name__ == "__main__":
    sys.exit(main(to_us, to_peer, resumed_by_them, resumed_by_us, groups, pre_shared_key, encrypted_hello, asked_later))
