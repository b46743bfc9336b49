#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""TLS 1.2 with NSS (tstclnt, strsclnt, selfserv): every suite; client certificates, also by renegotiation; sessions by
id and by ticket; renegotiation from either side; ALPN, SNI, an OCSP response, the fallback SCSV."""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from peers import has, piped, read, talk, text  # noqa: E402
from tls12 import (ENABLE, SUITES, certificates, checksum, client, done, ended, event, events, keys,  # noqa: E402
                   order, server, shook, tool)
from wrap import WAIT, free_port, main, need, skip_without, stop, until, wait_port  # noqa: E402

skip_without("tstclnt", "strsclnt", "selfserv", "certutil", "pk12util", "openssl")
DATA = text(40000)
GET = "GET / HTTP/1.0\r\n\r\n"
GROUPS = {"x25519": "x25519", "secp256r1": "P256", "secp384r1": "P384"}
COLON = [f":{s.number:04X}" for s in SUITES]


def database(room, name, *nicknames, cas=("ca",)):
    """A new NSS database that trusts those CAs and has those certificates with their keys."""
    db = room.path(name)
    tool("mkdir", db)
    tool("certutil", "-N", "-d", db, "--empty-password")
    for ca in cas:
        tool("certutil", "-A", "-d", db, "-n", ca, "-t", "CT,C,", "-i", room.path(ca + ".pem"))
    for n in nicknames:
        room.openssl("pkcs12", "-export", "-in", room.path(n + ".pem"), "-inkey", room.path(n + ".key"), "-name", n,
                     "-passout", "pass:", "-out", room.path(n + ".p12"))
        tool("pk12util", "-i", room.path(n + ".p12"), "-d", db, "-W", "", "-K", "")
    return db


def tstclnt(room, port, db, *more, name="localhost", version="tls1.2:tls1.2"):
    return piped(room, ["tstclnt", "-h", "127.0.0.1", "-a", name, "-p", str(port), "-d", db, "-V", version, *more])


def selfserv(room, db, *more):
    port = free_port()
    p = room.start(["selfserv", "-d", db, "-n", "rsa", "-e", "server", "-p", str(port), "-V", "tls1.2:tls1.2", *more])
    wait_port(port, p)
    return port, p


def bye(p, ours):
    """Ours says farewell; tstclnt does not answer it, nor end by itself while its input is open."""
    order(ours, "!Q")
    until(lambda: any(e.get("what") == "Q" for e in events(ours)[ours.seen:]), "no farewell")
    stop(p)


def outcome(p, code):
    out, err = p.communicate(timeout=WAIT)
    both = (out + err).decode(errors="replace")
    need(code is None or (p.returncode == 0) == (code == 0), f"{p.args}: exit {p.returncode} {both[-1500:]}")
    return both


def asks(room, port, *options, code=0):
    """Our client asks selfserv for its page."""
    q = client(room, port, "-m", GET, "-w", "20", *options)
    out = done(q, code).decode(errors="replace")
    if code == 0:
        has(out, "HTTP/1.0 200 OK", "GET / HTTP/1.0")
    return q


# ---- suites ----

def suites_to_us(room):
    certificates(room)
    db = database(room, "trusting")
    port, ours = server(room, *ENABLE)
    for s, number in zip(SUITES, COLON):
        p = tstclnt(room, port, db, "-c", number)
        talk(p, p, DATA)
        shook(ours, suite=s, etm=0, client_auth=0, name="localhost")
        bye(p, ours)
        ended(ours, sum_received=checksum(DATA), sum_sent=checksum(DATA))
    for name, group in GROUPS.items():
        p = tstclnt(room, port, db, "-I", group)
        talk(p, p, DATA)
        shook(ours, group=name)
        bye(p, ours)
        ended(ours)
    outcome(tstclnt(room, port, database(room, "bare", cas=())), "bad")
    ended(ours, "alert", alert_received=48)  # its Finished may go out before it has looked
    outcome(tstclnt(room, port, db, name="wrong.test"), "bad")


def suites_to_peer(room):
    certificates(room)
    db = database(room, "serving", "server", "rsa")
    port, p = selfserv(room, db, "-c", "".join(COLON))
    for s in SUITES:
        shook(asks(room, port, "-s", hex(s.number)), suite=s, etm=0)
    stop(p)
    for name, group in GROUPS.items():
        port, p = selfserv(room, db, "-I", group)
        shook(asks(room, port, "-s", "0xc02f"), group=name)
        stop(p)
    port, p = selfserv(room, db)
    for options, alert in ((("-n", "wrong.test"), 42), (("-C", room.path("other.pem")), 48)):
        ended(asks(room, port, "-v", "12", *options, code=1), "refused", alert_sent=alert, handshakes=0)
    stop(p)


# ---- client certificates ----

def client_certificates(room):
    certificates(room)
    db = database(room, "mine", "client", "rsa", "stranger")
    port, ours = server(room, "-a", "-C", room.path("ca.pem"), *keys(room, "server"))
    for name in ("client", "rsa"):
        p = tstclnt(room, port, db, "-n", name)
        talk(p, p, DATA)
        event(ours, "certificate", alert=0, subject=name)
        shook(ours, client_auth=1)
        bye(p, ours)
        ended(ours)
    p = tstclnt(room, port, database(room, "nothing"))
    has(outcome(p, "bad"), "SSL_ERROR_HANDSHAKE_FAILURE_ALERT")  # RFC 5246 section 7.4.6
    ended(ours, "refused", alert_sent=40, handshakes=0)
    outcome(tstclnt(room, port, db, "-n", "stranger"), "bad")
    end = ended(ours, "refused", handshakes=0)
    need(end["alert_sent"] in ("40", "48"), end)  # NSS may leave out what no named CA has issued

    db = database(room, "serving", "server", "rsa")
    port, p = selfserv(room, db, "-r", "-r")
    for name in ("client", "rsa"):
        shook(asks(room, port, "-v", "12", *keys(room, name)))
    ended(asks(room, port, "-v", "12", code=1), "alert", handshakes=0)
    stop(p)


def certificates_later(room):
    """By renegotiation: ours asks tstclnt; selfserv (-rrr asks, -rrrr requires) asks ours."""
    certificates(room)
    db = database(room, "mine", "client")
    port, ours = server(room, "-v", "12", "-C", room.path("ca.pem"), *keys(room, "server"))
    p = tstclnt(room, port, db, "-n", "client")
    talk(p, p, DATA)
    shook(ours, client_auth=0)
    order(ours, "!A")
    event(ours, "certificate", alert=0, subject="client")
    shook(ours, client_auth=1, handshakes=2)
    talk(p, p, DATA)
    bye(p, ours)
    ended(ours, sum_received=checksum(DATA * 2))
    p = tstclnt(room, port, database(room, "nothing"))
    talk(p, p, DATA)
    shook(ours)
    order(ours, "!A")
    ended(ours, "refused", alert_sent=40, handshakes=1)
    stop(p)

    db = database(room, "serving", "server", "rsa")
    for flags, options, accepted in ((3, (), True), (3, ("client",), True), (4, ("client",), True), (4, (), False)):
        port, p = selfserv(room, db, *["-r"] * flags)
        more = [w for n in options for w in keys(room, n)]
        q = asks(room, port, "-v", "12", *more, code=0 if accepted else None)
        shook(q)
        if accepted:
            shook(q, handshakes=2)
        else:
            ended(q, "alert", handshakes=1)
        stop(p)


# ---- sessions ----

def resumed_by_us(room):
    """strsclnt: the first is new, the others resume it; -N: all are new."""
    certificates(room)
    db = database(room, "trusting")
    for options, resumed in (((), 1), (("-u",), 1), (("-N",), 0)):
        port, ours = server(room, "-p", "-m", "HTTP/1.0 200 OK\r\n\r\n", "-w", "10")
        p = piped(room, ["strsclnt", "-q", "-p", str(port), "-d", db, "-c", "6", "-t", "2", "-V", "tls1.2:tls1.2",
                         "-a", "localhost", *options, "127.0.0.1"])
        out = outcome(p, None)
        need(len([e for e in events(ours) if e["event"] == "handshake"]) >= 6, out)
        shook(ours)
        for _ in range(5):
            shook(ours, resumed=resumed)
        has(out, f"{5 * resumed} cache hits" if options != ("-u",) else "5 stateless resumes")


def resumed_by_peer(room):
    certificates(room)
    db = database(room, "serving", "server", "rsa")
    for theirs, options, resumed in (((), (), 1), (("-u",), (), 1), (("-u",), ("-t",), 1), (("-N",), (), 0)):
        port, p = selfserv(room, db, *theirs)
        q = client(room, port, "-v", "12", "-r", "6", "-m", GET, "-w", "20", *options)
        need(done(q).count(b"HTTP/1.0 200 OK") == 6, "not six pages")
        shook(q)
        for _ in range(5):
            shook(q, resumed=resumed)
        stop(p)


# ---- renegotiation ----

def tstclnt_begins(room):
    """-r N: full ones first, or from the second on resumed; each takes a credit."""
    certificates(room)
    db = database(room, "trusting")
    for n, credits in ((1, 0), (3, 2)):
        port, ours = server(room, "-x", str(credits))
        p = tstclnt(room, port, db, "-r", str(n))
        shook(ours)
        for i in range(n):
            e = event(ours, "handshake", handshakes=2 + i, ems=1)
        talk(p, p, DATA)
        bye(p, ours)
        ended(ours, handshakes=1 + n, sum_sent=checksum(DATA))
        need(n == 1 or e["resumed"] == "1", e)


def ours_begins(room):
    certificates(room)
    db = database(room, "serving", "server", "rsa")
    port, p = selfserv(room, db)
    for command, fields in (("!R", {"resumed": 1}), ("!F", {"resumed": 0}), ("!S0xc030", {"id": "c030"})):
        q = client(room, port, "-v", "12")
        order(q, "GET / HTTP/1.0\r")
        shook(q)
        order(q, command)
        shook(q, handshakes=2, **fields)
        order(q, "\r")
        has(read(q, 20).decode(), "HTTP/1.0 200 OK")
        done(q)
        ended(q)
    stop(p)
    port, ours = server(room, "-v", "12", *keys(room, "server"), *keys(room, "rsa", "-K", "-Q"))
    p = tstclnt(room, port, database(room, "trusting"))
    talk(p, p, DATA)
    shook(ours)
    for i, command in enumerate(("!R", "!F", "!K")):
        order(ours, command)
        event(ours, "handshake", handshakes=2 + i, ems=1)
        talk(p, p, DATA)
    need("ECDHE_RSA" in events(ours)[-1]["suite"], f"not with the new keys: {events(ours)[-1]}")
    bye(p, ours)
    ended(ours, sum_sent=checksum(DATA * 4), sum_received=checksum(DATA * 4))


# ---- extensions ----

def names(room):
    certificates(room)
    db = database(room, "serving", "server", "rsa")
    port, p = selfserv(room, db, "-Q")
    shook(asks(room, port, "-v", "12", "-A", "h2,http/1.1"), alpn="http/1.1", name="localhost")
    stop(p)
    port, ours = server(room)
    p = tstclnt(room, port, db, name="server.test")
    talk(p, p, DATA)
    shook(ours, name="server.test", alpn="-")
    bye(p, ours)


def status(room):
    certificates(room)
    db = database(room, "serving", "server", "rsa")
    room.openssl("pkcs12", "-export", "-in", room.path("ca.pem"), "-inkey", room.path("ca.key"), "-name", "issuer",
                 "-passout", "pass:", "-out", room.path("ca.p12"))
    tool("pk12util", "-i", room.path("ca.p12"), "-d", db, "-W", "", "-K", "")
    port, p = selfserv(room, db, "-T", "good", "-A", "ca")
    need(int(shook(asks(room, port, "-s", "0xc02f", "-o"))["status"]) > 100, "no OCSP response")
    shook(asks(room, port, "-v", "12"), status=0)
    stop(p)
    port, ours = server(room)
    p = tstclnt(room, port, db, "-T")
    talk(p, p, DATA)
    shook(ours)
    bye(p, ours)


def versions(room):
    certificates(room)
    db = database(room, "trusting")
    port, ours = server(room)
    has(outcome(tstclnt(room, port, db, "-K"), "bad"), "SSL_ERROR_INAPPROPRIATE_FALLBACK_ALERT")
    ended(ours, "refused", alert_sent=86)
    port, ours = server(room, "-v", "12")
    for options, version in ((("-K",), "tls1.2:tls1.2"), ((), "tls1.2:tls1.3")):
        p = tstclnt(room, port, db, *options, version=version)
        talk(p, p, DATA)
        shook(ours)
        bye(p, ours)


if __name__ == "__main__":
    sys.exit(main(suites_to_us, suites_to_peer, client_certificates, certificates_later, resumed_by_us, resumed_by_peer,
                  tstclnt_begins, ours_begins, names, status, versions))
