#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""TLS 1.2 with openssl s_client and s_server: every suite, with encrypt-then-MAC and without; client certificates, also
by renegotiation; sessions by id and by ticket; renegotiation from either side with data in flight; a peer without
extended master secret; max_fragment_length, ALPN, SNI, an OCSP response, the fallback SCSV."""
import os
import re
import select
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from peers import feed, finish, has, piped, read, talk, text  # noqa: E402
from tls12 import (ENABLE, SUITES, certificates, checksum, client, done, ended, event, events, keys, no_more,  # noqa: E402
                   ocsp_response, order, server, shook)
from wrap import WAIT, free_port, main, need, skip_without, stop, until, wait_port  # noqa: E402

skip_without("openssl")
DATA, BACK, LAST = text(40000), text(30000, 2), text(100, 3)
GROUPS = {"x25519": "X25519", "secp256r1": "P-256", "secp384r1": "P-384"}
LATER = 0.3  # seconds; openssl takes a command only when it is all that one read brings


def s_client(room, port, *more, brief=("-brief",), env=None, name=("-servername", "localhost")):
    return piped(room, ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-tls1_2", "-CAfile", room.path("ca.pem"),
                        "-verify_return_error", *name, *brief, *more], env=env)


def s_server(room, *more, env=None, quiet=("-quiet",), version="-tls1_2"):
    port = free_port()
    p = piped(room, ["openssl", "s_server", "-accept", f"127.0.0.1:{port}", version, *keys(room, "server", "-cert", "-key"),
                     *keys(room, "rsa", "-dcert", "-dkey"), "-CAfile", room.path("ca.pem"), "-msg", "-msgfile",
                     room.path("msg"), *quiet, *more], env=env)
    wait_port(port, p)
    return port, p


def without(room, *options):
    """An environment in which OpenSSL goes without those features."""
    path = room.write("openssl.cnf", "openssl_conf=a\n[a]\nssl_conf=b\n[b]\nsystem_default=c\n[c]\nOptions=" +
                      ",".join("-" + o for o in options) + "\n")
    return {"OPENSSL_CONF": path}


def command(p, letter):
    """Nothing else may come with it: pauses before and after."""
    time.sleep(LATER)
    p.stdin.write(letter + b"\n")
    p.stdin.flush()
    time.sleep(LATER)


def both_ways(p, q, data=DATA, back=BACK):
    talk(p, q, data)
    talk(q, p, back)


def loud(p, q):
    """The same when q, s_server, says other things too: what is sent comes in one piece among them."""
    feed(p, DATA)
    out, end = b"", time.monotonic() + WAIT
    while DATA not in out:
        need(time.monotonic() < end, f"s_server prints {out[-500:]!r}")
        if select.select([q.stdout], [], [], 0.5)[0]:
            part = os.read(q.stdout.fileno(), 65536)
            need(part, f"s_server ends: {out[-500:]!r}")
            out += part
    talk(q, p, BACK)


# ---- suites ----

def suites_to_us(room):
    certificates(room)
    port, ours = server(room, *ENABLE)
    for s in SUITES:
        for etm in (True, False) if s.cbc else (False,):
            p = s_client(room, port, "-cipher", s.openssl, *(() if etm else ("-no_etm",)))
            talk(p, p, DATA)
            has(finish(p), f"Ciphersuite: {s.openssl}\n", "Verification: OK")
            shook(ours, suite=s, etm=int(etm), client_auth=0)
            ended(ours, sum_received=checksum(DATA), sum_sent=checksum(DATA))
    for name, curve in GROUPS.items():
        p = s_client(room, port, "-curves", curve)
        talk(p, p, DATA)
        finish(p)
        shook(ours, group=name)


def suites_to_peer(room):
    certificates(room)
    for more, etm in ((("-cipher", "ALL"), 1), (("-cipher", "ALL", "-no_etm"), 0)):
        port, p = s_server(room, *more)
        for s in SUITES:
            if etm or s.cbc:
                q = client(room, port, "-s", hex(s.number))
                both_ways(q, p)
                done(q)
                shook(q, suite=s, etm=int(etm and s.cbc))
                ended(q, sum_sent=checksum(DATA), sum_received=checksum(BACK))
        stop(p)
    for name, curve in GROUPS.items():
        port, p = s_server(room, "-curves", curve)
        q = client(room, port, "-v", "12")
        both_ways(q, p)
        done(q)
        shook(q, group=name)
        stop(p)


def not_by_default(room):
    """CBC suites and RSA key exchange wait until they are enabled, also for the client; an RSA key that may only sign
    decrypts nothing."""
    certificates(room)
    port, ours = server(room)
    for s in SUITES:
        if not s.ours_too:
            p = s_client(room, port, "-cipher", s.openssl)
            has(finish(p, "bad"), "alert handshake failure")
            ended(ours, "refused", alert_sent=40, handshakes=0)
    port, p = s_server(room, "-cipher", ":".join(s.openssl for s in SUITES if not s.ours_too))
    q = client(room, port, "-v", "12")
    done(q, 1)
    ended(q, "alert", alert_received=40)
    stop(p)


# ---- client certificates ----

def client_certificates(room):
    certificates(room)
    port, ours = server(room, "-a", "-C", room.path("ca.pem"), *keys(room, "server"))
    for name in ("client", "rsa"):
        p = s_client(room, port, *keys(room, name, "-cert", "-key"))
        talk(p, p, DATA)
        finish(p)
        event(ours, "certificate", alert=0, subject=name)
        shook(ours, client_auth=1)
        ended(ours)
    p = s_client(room, port)
    has(finish(p, "bad"), "alert handshake failure")  # RFC 5246 section 7.4.6
    ended(ours, "refused", alert_sent=40, handshakes=0)
    p = s_client(room, port, *keys(room, "stranger", "-cert", "-key"))
    has(finish(p, "bad"), "alert unknown ca")
    event(ours, "certificate", alert=48, subject="stranger")
    ended(ours, "refused", alert_sent=48, handshakes=0)

    port, p = s_server(room, "-Verify", "1", "-verify_return_error")
    for name in ("client", "rsa"):
        q = client(room, port, "-v", "12", *keys(room, name))
        both_ways(q, p)
        done(q)
        shook(q)
    for options, alert in (((), 40), (keys(room, "stranger"), 48)):
        q = client(room, port, "-v", "12", *options)
        done(q, 1)
        ended(q, "alert", alert_received=alert, handshakes=0)
    stop(p)


def certificates_later(room):
    """By renegotiation: ours asks s_client, s_server ("R") asks ours."""
    certificates(room)
    port, ours = server(room, "-p", "-v", "12", "-C", room.path("ca.pem"), *keys(room, "server"))
    p = s_client(room, port, *keys(room, "client", "-cert", "-key"))
    both_ways(p, ours)
    shook(ours, client_auth=0)
    order(ours, "!A")
    event(ours, "certificate", alert=0, subject="client")
    shook(ours, client_auth=1, handshakes=2)
    both_ways(ours, p)
    finish(p)
    ended(ours)
    p = s_client(room, port)
    both_ways(p, ours)
    shook(ours)
    order(ours, "!A")
    ended(ours, "refused", alert_sent=40, handshakes=1)
    has(finish(p, None), "alert handshake failure")

    port, p = s_server(room, "-no_resumption_on_reneg", quiet=())
    q = client(room, port, "-v", "12", *keys(room, "client"))
    loud(q, p)
    shook(q)
    command(p, b"R")
    shook(q, handshakes=2)
    loud(q, p)
    done(q)
    ended(q)
    with open(room.path("msg"), encoding="utf-8", errors="replace") as f:
        need(f.read().count("CertificateVerify") == 1, "s_server saw no CertificateVerify")
    stop(p)


# ---- sessions ----

def resumed_by_us(room):
    """s_client -reconnect: five of five, by ticket and by id."""
    certificates(room)
    for options in ((), ("-no_ticket",)):
        port, ours = server(room)
        p = s_client(room, port, "-reconnect", *options, brief=())
        p.stdin.write(b"the last of six\n")
        p.stdin.flush()
        until(lambda: len([e for e in events(ours) if e["event"] == "handshake"]) == 6, "not six connections")
        out = finish(p)
        need(re.findall(r"^(New|Reused), TLSv1.2", out, re.M) == ["New"] + ["Reused"] * 5, out[-1500:])
        shook(ours)
        for _ in range(5):
            shook(ours, resumed=1)
        ended(ours)
        no_more(ours, "handshake")


def kept(room, port, name, *more):
    """s_client with a session of before, or that it keeps."""
    p = s_client(room, port, *more, "-sess_in" if os.path.exists(room.path(name)) else "-sess_out", room.path(name))
    talk(p, p, DATA)
    return finish(p)


def bound(room):
    """threat 27, 28: a session is of one name, and of a client that proved itself when clients must."""
    certificates(room)
    port, ours = server(room)
    for resumed, name in ((0, "localhost"), (1, "localhost"), (0, "server.test"), (1, "localhost")):
        kept(room, port, "session", "-servername", name)
        shook(ours, resumed=resumed, name=name)
        ended(ours, sum_sent=checksum(DATA))
    asking, strict = server(room, "-a", "-C", room.path("ca.pem"), *keys(room, "server"))
    me = keys(room, "client", "-cert", "-key")
    p = s_client(room, asking, "-sess_in", room.path("session"), *me)
    talk(p, p, DATA)
    finish(p)
    shook(strict, resumed=0, client_auth=1)
    for resumed in (0, 1):
        kept(room, asking, "proved", *me)
        shook(strict, resumed=resumed, client_auth=1)


def resumed_by_peer(room):
    """Ours as the client: five of five, by ticket and by id; data in each."""
    certificates(room)
    for theirs, options in (((), ()), (("-no_ticket",), ()), ((), ("-t",))):
        port, p = s_server(room, *theirs)
        for suite in (0xC02B, 0xC030):
            q = client(room, port, "-s", hex(suite), "-r", "6", "-m", "one of six\n", *options)
            need(read(p, 66) == b"one of six\n" * 6, "other data")
            done(q)
            shook(q)
            for _ in range(5):
                shook(q, resumed=1, id=f"{suite:04x}")
        stop(p)
    port, p = s_server(room, "-no_ticket", "-no_cache")
    q = client(room, port, "-v", "12", "-r", "3", "-m", "one of three\n")
    need(read(p, 39) == b"one of three\n" * 3, "other data")
    done(q)
    for _ in range(3):
        shook(q, resumed=0)
    stop(p)


def without_ems(room):
    """RFC 7627 section 5.4: what has no extended master secret is not resumed."""
    certificates(room)
    env = without(room, "ExtendedMasterSecret")
    for options in ((), ("-no_ticket",)):
        port, ours = server(room)
        p = s_client(room, port, "-reconnect", *options, brief=(), env=env)
        until(lambda: len([e for e in events(ours) if e["event"] == "handshake"]) == 6, "not six connections")
        out = finish(p)
        need(re.findall(r"^(New|Reused), TLSv1.2", out, re.M) == ["New"] * 6, out[-1500:])
        for _ in range(6):
            shook(ours, ems=0)
        port, p = s_server(room, *options, env=env)
        q = client(room, port, "-v", "12", "-r", "3", "-m", "one of three\n")
        need(read(p, 39) == b"one of three\n" * 3, "other data")
        done(q)
        for _ in range(3):
            shook(q, ems=0)
        stop(p)


# ---- renegotiation ----

def s_client_begins(room):
    """"R": one credit, and those that are added; without one s_client takes the warning for the end."""
    certificates(room)
    for credits in (0, 2):
        port, ours = server(room, "-x", str(credits))
        p = s_client(room, port)
        talk(p, p, DATA)
        shook(ours)
        for i in range(1 + credits):
            command(p, b"R")
            shook(ours, handshakes=2 + i, resumed=0)
            talk(p, p, DATA)
        if credits == 0:
            command(p, b"R")
            has(finish(p, None), "no renegotiation")
            ended(ours, "alert", handshakes=2)
        else:
            finish(p)
            ended(ours, handshakes=2 + credits)


def s_server_begins(room):
    """"r" and "R", with data both ways before and after. Our client offers its session; the server decides."""
    certificates(room)
    for options, resumed in (((), 1), (("-no_resumption_on_reneg",), 0)):
        port, p = s_server(room, *options, quiet=())
        q = client(room, port, "-v", "12", "-x", "3")
        loud(q, p)
        shook(q)
        for i, letter in enumerate((b"r", b"R", b"r")):
            command(p, letter)
            shook(q, handshakes=2 + i, resumed=resumed)
            loud(q, p)
        done(q)
        ended(q, sum_sent=checksum(DATA * 4), sum_received=checksum(BACK * 4))
        stop(p)


def ours_begins(room):
    """Full, resumed, with another suite, with new keys; data goes on in both directions while it happens, but not with
    s_client: when it goes on with a handshake because it has something to send, and data of ours comes, it gives up
    without an alert. So either it sends, or we do. It may wait for data of ours when a handshake is over, and does not
    look at its input meanwhile: it gets some."""
    certificates(room)
    port, p = s_server(room, "-client_renegotiation")
    q = client(room, port, "-s", "0xc02b", *keys(room, "client", "-K", "-Q"))
    both_ways(q, p)
    shook(q, id="c02b")
    for i, (line, fields) in enumerate((("!R", {"resumed": 1}), ("!F", {"resumed": 0}), ("!S0xc030", {"id": "c030"}),
                                        ("!K", {"resumed": 0}))):
        t = feed(p, BACK)
        t2 = feed(q, DATA + line.encode() + b"\n" + DATA)
        need(read(p, 2 * len(DATA)) == 2 * DATA, "other bytes to s_server")
        need(read(q, len(BACK)) == BACK, "other bytes from s_server")
        t.join(), t2.join()
        event(q, "command", result=0)
        shook(q, handshakes=2 + i, **fields)
    done(q)
    ended(q, sum_sent=checksum(DATA * 9), sum_received=checksum(BACK * 5))
    stop(p)

    port, ours = server(room, "-p", "-v", "12", *keys(room, "server"), *keys(room, "rsa", "-K", "-Q"))
    p = s_client(room, port)
    both_ways(p, ours)
    shook(ours)
    for i, (line, fields) in enumerate((("!R", {"resumed": 1}), ("!F", {"resumed": 0}), ("!K", {"resumed": 0}))):
        feed(p, DATA)
        feed(ours, BACK + line.encode() + b"\n")
        need(read(p, len(BACK)) == BACK, "other bytes to s_client")
        shook(ours, handshakes=2 + 2 * i, **fields)
        talk(ours, p, LAST)
        need(read(ours, len(DATA)) == DATA, "other bytes from s_client")
        feed(ours, line.encode() + b"\n" + BACK)
        need(read(p, len(BACK)) == BACK, "other bytes to s_client, behind a HelloRequest")
        shook(ours, handshakes=3 + 2 * i, **fields)
        talk(ours, p, LAST)
    need("ECDHE_RSA" in events(ours)[-1]["suite"], f"not with the new keys: {events(ours)[-1]}")
    finish(p)
    ended(ours, sum_sent=checksum(BACK + (BACK + LAST) * 6), sum_received=checksum(DATA * 4))


def peer_refuses(room):
    """no_renegotiation is no end: data goes on."""
    certificates(room)
    port, p = s_server(room)
    q = client(room, port, "-v", "12")
    both_ways(q, p)
    order(q, "!F")
    event(q, "alert", level=1, description=100)
    both_ways(q, p)
    done(q)
    ended(q, handshakes=1)
    stop(p)
    port, ours = server(room, "-p")
    p = s_client(room, port, "-no_renegotiation")
    both_ways(p, ours)
    order(ours, "!F")
    event(ours, "alert", level=1, description=100)
    both_ways(ours, p)
    finish(p)
    ended(ours, handshakes=1)


# ---- extensions ----

def lengths(path, way):
    """Of the records of application data that went that way, as -trace shows them."""
    with open(path, encoding="utf-8", errors="replace") as f:
        record = way + r" Record\nHeader:\n.*\n  Content Type = ApplicationData \(23\)\n  Length = (\d+)"
        return [int(n) for n in re.findall(record, f.read())]


def fragments(room):
    certificates(room)
    for size in (512, 1024, 2048, 4096):
        port, ours = server(room)
        p = s_client(room, port, "-maxfraglen", str(size), "-trace", "-msgfile", room.path("trace"))
        talk(p, p, DATA)
        finish(p)
        ended(ours, sum_sent=checksum(DATA))
        got = lengths(room.path("trace"), "Received")
        need(got and size < max(got) <= size + 64, f"records of {got} with a limit of {size}")
        port, p = s_server(room, "-naccept", "1", "-trace", "-msgfile", room.path("trace2"))
        q = client(room, port, "-v", "12", "-f", str(size))
        both_ways(q, p)
        done(q)
        finish(p)
        for way in ("Received", "Sent"):
            got = lengths(room.path("trace2"), way)
            need(got and size < max(got) <= size + 64, f"records of {got} ({way}) with a limit of {size}")


def names(room):
    """ALPN and SNI."""
    certificates(room)
    port, ours = server(room, "-A", "h2,echo")
    p = s_client(room, port, "-alpn", "other,echo", "-servername", "server.test")
    talk(p, p, DATA)
    finish(p)
    shook(ours, alpn="echo", name="server.test")
    ended(ours)
    has(finish(s_client(room, port, "-alpn", "other"), "bad"), "alert no application protocol")
    ended(ours, "refused", alert_sent=120)
    has(finish(s_client(room, port, "-noservername", brief=(), name=())), "No ALPN negotiated")
    shook(ours, alpn="-", name="-")
    port, p = s_server(room, "-alpn", "echo")
    q = client(room, port, "-v", "12", "-A", "h2,echo")
    both_ways(q, p)
    done(q)
    shook(q, alpn="echo", name="localhost")
    q = client(room, port, "-v", "12", "-A", "h2")
    done(q, 1)
    ended(q, "alert", alert_received=120)
    stop(p)
    port, p = s_server(room, "-servername", "localhost", *keys(room, "server", "-cert2", "-key2"), "-servername_fatal")
    q = client(room, port, "-v", "12")
    both_ways(q, p)
    done(q)
    q = client(room, port, "-v", "12", "-n", "server.test")
    done(q, 1)
    ended(q, "alert", alert_received=112)
    stop(p)


def wrong_names(room):
    certificates(room)
    port, p = s_server(room)
    for options, alert in ((("-n", "wrong.test"), 42), (("-C", room.path("other.pem")), 48)):
        q = client(room, port, "-v", "12", *options)
        done(q, 1)
        ended(q, "refused", alert_sent=alert, handshakes=0)
    stop(p)


def status(room):
    certificates(room)
    size = ocsp_response(room)
    port, p = s_server(room, "-status_file", room.path("ocsp.der"))
    for options, there in ((("-o",), size), ((), 0)):
        q = client(room, port, "-v", "12", *options)
        both_ways(q, p)
        done(q)
        shook(q, status=there)
    stop(p)
    port, p = s_server(room)  # asked for, not given
    q = client(room, port, "-v", "12", "-o")
    both_ways(q, p)
    done(q)
    shook(q, status=0)
    stop(p)
    port, ours = server(room)
    has(finish(s_client(room, port, "-status", brief=())), "OCSP response: no response sent")
    shook(ours)


def versions(room):
    """threat 22: the fallback SCSV (RFC 7507) is refused where a better version could be had."""
    certificates(room)
    port, ours = server(room)
    has(finish(s_client(room, port, "-fallback_scsv"), "bad"), "alert inappropriate fallback")
    ended(ours, "refused", alert_sent=86)
    port, ours = server(room, "-v", "12")
    finish(s_client(room, port, "-fallback_scsv"))
    shook(ours)
    port, ours = server(room, "-v", "13")
    has(finish(s_client(room, port), "bad"), "alert protocol version")
    ended(ours, "refused", alert_sent=70)
    port, p = s_server(room, version="-tls1_3")
    q = client(room, port, "-v", "12")
    done(q, 1)
    ended(q, "alert", alert_received=70)
    stop(p)


if __name__ == "__main__":
    sys.exit(main(suites_to_us, suites_to_peer, not_by_default, client_certificates, certificates_later, resumed_by_us,
                  bound, resumed_by_peer, without_ems, s_client_begins, s_server_begins, ours_begins, peer_refuses, fragments,
                  names, wrong_names, status, versions))
