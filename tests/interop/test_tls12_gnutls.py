#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""TLS 1.2 with gnutls-cli and gnutls-serv: every suite, with encrypt-then-MAC and without; client certificates, also by
renegotiation; sessions by id and by ticket; renegotiation; peers without extended master secret, without RFC 5746;
max_fragment_length, ALPN, SNI, an OCSP response, the fallback SCSV."""
import os
import re
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from peers import finish, has, piped, read, talk, text  # noqa: E402
from tls12 import (ENABLE, SUITES, certificates, checksum, client, done, ended, event, keys, ocsp_response,  # noqa: E402
                   order, server, shook)
from wrap import free_port, main, need, skip_without, stop, wait_port  # noqa: E402

skip_without("gnutls-cli", "gnutls-serv", "openssl")
DATA, BACK = text(40000), text(30000, 2)
LINE = b"hello from this side\n"
NORMAL = "NORMAL:-VERS-ALL:+VERS-TLS1.2"
GROUPS = {"x25519": "X25519", "secp256r1": "SECP256R1", "secp384r1": "SECP384R1"}


def only(suite, *more):
    return ":".join(["NONE:+VERS-TLS1.2:+COMP-NULL:+SIGN-ALL:+GROUP-ALL", suite.gnutls, *more])


def gnutls_cli(room, port, *more, priority=NORMAL, ca="ca", host="localhost"):
    return piped(room, ["gnutls-cli", "--logfile=" + room.path("cli.log"), "--priority", priority, "--x509cafile",
                        room.path(ca + ".pem"), "--sni-hostname", host, "--verify-hostname", host, "-p", str(port), *more,
                        "127.0.0.1"])


def gnutls_serv(room, *more, priority=NORMAL):
    port = free_port()
    names = [f"--x509{kind}file={room.path(name + '.' + ext)}" for name in ("server", "rsa")
             for kind, ext in (("cert", "pem"), ("key", "key"))]
    p = room.start(["gnutls-serv", "-q", "--echo", "--priority", priority, *names, "--x509cafile", room.path("ca.pem"),
                    "-p", str(port), *more])  # it prints what it gets: to nobody
    wait_port(port, p)
    return port, p


def echo(p, data=DATA):
    talk(p, p, data)


def log(room):
    with open(room.path("cli.log"), encoding="utf-8", errors="replace") as f:
        return f.read()


def line(p):
    talk(p, p, LINE)


# ---- suites ----

def suites_to_us(room):
    certificates(room)
    port, ours = server(room, *ENABLE)
    for s in SUITES:
        for etm in (1, 0) if s.cbc else (0,):
            p = gnutls_cli(room, port, priority=only(s, *(() if etm else ("%NO_ETM",))))
            echo(p)
            finish(p)
            shook(ours, suite=s, etm=etm, client_auth=0)
            ended(ours, sum_received=checksum(DATA), sum_sent=checksum(DATA))
    for name, group in GROUPS.items():
        p = gnutls_cli(room, port, priority=f"{NORMAL}:-GROUP-ALL:+GROUP-{group}")
        echo(p)
        finish(p)
        shook(ours, group=name)


def suites_to_peer(room):
    certificates(room)
    everything = "NORMAL:-VERS-ALL:+VERS-TLS1.2:+RSA:+AES-128-CBC:+AES-256-CBC:+SHA1:+SHA256:+SHA384"
    for etm, priority in ((1, everything), (0, everything + ":%NO_ETM")):
        port, p = gnutls_serv(room, priority=priority)
        for s in SUITES:
            if etm or s.cbc:
                q = client(room, port, "-s", hex(s.number))
                echo(q)
                done(q)
                shook(q, suite=s, etm=int(bool(etm and s.cbc)))
                ended(q, sum_sent=checksum(DATA), sum_received=checksum(DATA))
        stop(p)
    for name, group in GROUPS.items():
        port, p = gnutls_serv(room, priority=f"{NORMAL}:-GROUP-ALL:+GROUP-{group}")
        q = client(room, port, "-v", "12")
        echo(q)
        done(q)
        shook(q, group=name)
        stop(p)


# ---- client certificates ----

def client_keys(room, name):
    return "--x509certfile", room.path(name + ".pem"), "--x509keyfile", room.path(name + ".key")


def client_certificates(room):
    certificates(room)
    port, ours = server(room, "-a", "-C", room.path("ca.pem"), *keys(room, "server"))
    for name in ("client", "rsa"):
        p = gnutls_cli(room, port, *client_keys(room, name))
        echo(p)
        finish(p)
        event(ours, "certificate", alert=0, subject=name)
        shook(ours, client_auth=1)
        ended(ours)
    finish(gnutls_cli(room, port), "bad")
    has(log(room), "Received alert [40]")  # RFC 5246 section 7.4.6
    ended(ours, "refused", alert_sent=40, handshakes=0)
    p = gnutls_cli(room, port, *client_keys(room, "stranger"))
    finish(p, "bad")
    has(log(room), "Received alert [48]")
    event(ours, "certificate", alert=48, subject="stranger")
    ended(ours, "refused", alert_sent=48, handshakes=0)

    port, p = gnutls_serv(room, "-r", "--verify-client-cert")
    for name in ("client", "rsa"):
        q = client(room, port, "-v", "12", *keys(room, name))
        echo(q)
        done(q)
        shook(q)
    q = client(room, port, "-v", "12")
    done(q, 1)
    ended(q, "alert", handshakes=0)
    stop(p)


def certificates_later(room):
    certificates(room)
    for options, accepted in ((client_keys(room, "client"), True), ((), False)):
        port, ours = server(room, "-p", "-v", "12", "-C", room.path("ca.pem"), *keys(room, "server"))
        p = gnutls_cli(room, port, *options)
        talk(p, ours, DATA)
        shook(ours, client_auth=0)
        order(ours, "!A")
        if accepted:
            event(ours, "certificate", alert=0, subject="client")
            shook(ours, client_auth=1, handshakes=2)
            talk(p, ours, DATA)
            talk(ours, p, BACK)
            finish(p)
            ended(ours)
        else:
            ended(ours, "refused", alert_sent=40, handshakes=1)
            finish(p, "bad")


# ---- sessions ----

def resumed_by_us(room):
    """gnutls-cli -r, five times, by ticket and by id; not without EMS (RFC 7627 section 5.4)."""
    certificates(room)
    for options, ems in (((), 1), (("--noticket",), 1), ((), 0), (("--noticket",), 0)):
        port, ours = server(room)
        for _ in range(5 if ems else 1):
            p = gnutls_cli(room, port, "--resume", *options, priority=NORMAL + ("" if ems else ":%NO_SESSION_HASH"))
            echo(p)
            finish(p)
            need(log(room).count("This is a resumed session") == ems, log(room)[-2000:])
            shook(ours, ems=ems)
            ended(ours)
            shook(ours, resumed=ems, ems=ems)
            ended(ours, sum_sent=checksum(DATA))


def resumed_by_peer(room):
    certificates(room)
    for theirs, options, priority, resumed in (((), (), NORMAL, 1), (("--noticket",), (), NORMAL, 1),
                                               ((), ("-t",), NORMAL, 1),
                                               (("--noticket", "--nodb"), (), NORMAL, 0),
                                               ((), (), NORMAL + ":%NO_SESSION_HASH", 0)):
        port, p = gnutls_serv(room, *theirs, priority=priority)
        q = client(room, port, "-v", "12", "-r", "6", "-m", LINE.decode(), "-w", str(len(LINE)), *options)
        need(done(q) == LINE * 6, "other data")
        ems = int("HASH" not in priority)
        shook(q, ems=ems)
        for _ in range(5):
            shook(q, resumed=resumed, ems=ems)
        stop(p)


# ---- renegotiation ----

def peer_begins(room):
    certificates(room)
    port, ours = server(room, "-x", "2")
    p = gnutls_cli(room, port, "--rehandshake", "--inline-commands")
    shook(ours)
    shook(ours, handshakes=2)
    echo(p)
    for i in range(2):
        order(p, "^renegotiate^")
        shook(ours, handshakes=3 + i)
        echo(p)
    finish(p)
    ended(ours, handshakes=4, sum_sent=checksum(DATA * 3))

    port, p = gnutls_serv(room, "--noticket")
    q = client(room, port, "-v", "12", "-x", "2")
    line(q)
    shook(q)
    for i in range(2):
        order(q, "**REHANDSHAKE**")  # gnutls-serv obeys, and says so
        need(read(q, 30) == b"Successfully executed command\n", "another answer")
        shook(q, handshakes=2 + i, resumed=1)
        line(q)
    echo(q)
    done(q)
    ended(q, handshakes=3)
    stop(p)


def ours_begins(room):
    """Full, resumed, with another suite, with new keys. GnuTLS cannot renew a ticket in the middle of a connection:
    with it, sessions are resumed by id only."""
    certificates(room)
    for theirs, commands in (((), ("!F", "!S0xc030", "!F")), (("--noticket",), ("!R", "!F", "!K"))):
        port, p = gnutls_serv(room, *theirs)
        q = client(room, port, "-v", "12", *keys(room, "client", "-K", "-Q"))
        echo(q)
        shook(q)
        for i, command in enumerate(commands):
            order(q, command)
            event(q, "command", result=0)
            shook(q, handshakes=2 + i, resumed=int(command == "!R"))
            echo(q)
        done(q)
        ended(q)
        stop(p)
    port, ours = server(room, "-p", "-v", "12", *keys(room, "server"), *keys(room, "rsa", "-K", "-Q"))
    p = gnutls_cli(room, port)
    talk(p, ours, DATA)
    shook(ours)
    for i, command in enumerate(("!R", "!F")):
        order(ours, command)  # gnutls-cli takes no data between our HelloRequest and our Finished
        shook(ours, handshakes=2 + i)
        talk(p, ours, DATA)
        talk(ours, p, BACK)
    order(ours, "!K")  # nor a server that has become another one
    ended(ours, "alert", alert_received=71, sum_sent=checksum(BACK * 2), sum_received=checksum(DATA * 3))
    finish(p, "bad")


def insecure_peers(room):
    """Without RFC 5746: refused, as the build requires it. A peer that demands it is content with us."""
    certificates(room)
    port, ours = server(room)
    finish(gnutls_cli(room, port, priority=NORMAL + ":%DISABLE_SAFE_RENEGOTIATION"), "bad")
    has(log(room), "Received alert [40]")
    ended(ours, "refused", alert_sent=40, secure_renegotiation=0, handshakes=0)
    p = gnutls_cli(room, port, priority=NORMAL + ":%SAFE_RENEGOTIATION")
    echo(p)
    finish(p)
    shook(ours)
    port, p = gnutls_serv(room, priority=NORMAL + ":%DISABLE_SAFE_RENEGOTIATION")
    q = client(room, port, "-v", "12")
    done(q, 1)
    ended(q, "refused", alert_sent=40, secure_renegotiation=0, handshakes=0)
    stop(p)


# ---- extensions ----

def fragments(room):
    """Each of our records is within the limit (RFC 6066 section 4); gnutls-cli leaves out what does not fit in one."""
    certificates(room)
    for size in (512, 1024, 2048, 4096):
        port, ours = server(room, "-p")
        p = gnutls_cli(room, port, "--recordsize", str(size), "-d", "5")
        talk(ours, p, BACK)
        talk(p, ours, DATA[:500])
        report = finish(p)
        ended(ours, sum_sent=checksum(BACK), sum_received=checksum(DATA[:500]))
        found = [int(n) for n in re.findall(r"Application Data packet received\. Epoch 1, length: (\d+)", report)]
        need(found and size < max(found) <= size + 64, f"records of {found} with a limit of {size}")
        port, p = gnutls_serv(room)
        q = client(room, port, "-v", "12", "-f", str(size))
        echo(q)
        done(q)
        shook(q)
        stop(p)


def names(room):
    certificates(room)
    port, ours = server(room, "-A", "h2,echo")
    p = gnutls_cli(room, port, "--alpn", "other", "--alpn", "echo", host="server.test")
    echo(p)
    finish(p)
    shook(ours, alpn="echo", name="server.test")
    ended(ours)
    finish(gnutls_cli(room, port, "--alpn", "other"), "bad")
    has(log(room), "Received alert [120]")
    ended(ours, "refused", alert_sent=120)
    port, p = gnutls_serv(room, "--alpn", "echo", "--alpn-fatal", "--sni-hostname", "localhost", "--sni-hostname-fatal")
    q = client(room, port, "-v", "12", "-A", "h2,echo")
    echo(q)
    done(q)
    shook(q, alpn="echo", name="localhost")
    for options, alert in ((("-A", "h2"), 120), (("-A", "echo", "-n", "server.test"), 112)):
        q = client(room, port, "-v", "12", *options)
        done(q, 1)
        ended(q, "alert", alert_received=alert)
    stop(p)
    port, ours = server(room)
    for options in ({"ca": "other"}, {"host": "wrong.test"}):
        finish(gnutls_cli(room, port, **options), "bad")
        has(log(room), "verification of server certificate failed")
    port, p = gnutls_serv(room)
    for options, alert in ((("-n", "wrong.test"), 42), (("-C", room.path("other.pem")), 48)):
        q = client(room, port, "-v", "12", *options)
        done(q, 1)
        ended(q, "refused", alert_sent=alert, handshakes=0)
    stop(p)


def status(room):
    certificates(room)
    size = ocsp_response(room)
    port, p = gnutls_serv(room, "--ocsp-response", room.path("ocsp.der"), "--ignore-ocsp-response-errors")
    for options, there in ((("-o",), size), ((), 0)):
        q = client(room, port, "-s", "0xc02b", *options)
        echo(q)
        done(q)
        shook(q, status=there)
    stop(p)


def versions(room):
    certificates(room)
    port, ours = server(room)
    finish(gnutls_cli(room, port, priority=NORMAL + ":%FALLBACK_SCSV"), "bad")
    has(log(room), "Received alert [86]")
    ended(ours, "refused", alert_sent=86)
    port, ours = server(room, "-v", "12")
    for priority in (NORMAL + ":%FALLBACK_SCSV", "NORMAL"):
        p = gnutls_cli(room, port, priority=priority)
        echo(p)
        finish(p)
        shook(ours)
    port, p = gnutls_serv(room, priority="NORMAL")
    q = client(room, port, "-v", "12")  # the sentinel of RFC 8446 section 4.1.3 is none to one that offers no more
    echo(q)
    done(q)
    shook(q)
    stop(p)


if __name__ == "__main__":
    sys.exit(main(suites_to_us, suites_to_peer, client_certificates, certificates_later, resumed_by_us, resumed_by_peer,
                  peer_begins, ours_begins, insecure_peers, fragments, names, status, versions))
