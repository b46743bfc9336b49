#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""Early data (RFC 8446 section 2.3) with OpenSSL and GnuTLS, both ways: accepted, and rejected without harm."""
import sys

from engine import done, hears, our_client, ours, say, theirs
from peers import finish, has, of, piped, read, text
from test_resume13 import s_client, s_server
from wrap import main, need, stop

NONE, OFFERED, REJECTED, ACCEPTED = "0123"
RETRY = ("--groups", "23")  # a server that wants another group than the client's first


def early_file(room, size):
    data = text(size)[:size]
    room.write("early", data.decode())
    return room.path("early"), data


def early_bytes(report):
    return sum(int(line.split()[1]) for line in report.splitlines() if line.startswith("early "))


# ---- we are the server ----

def openssl_sends(room):
    for size, limit, retry, want in ((1, 1, (), ACCEPTED), (16000, 16000, (), ACCEPTED), (100, 0, (), NONE),
                                     (100, 5000, RETRY, REJECTED), (16000, 16384, RETRY, REJECTED)):
        path, data = early_file(room, size)
        more = ("--max-early", str(limit)) if limit else ()
        # the retry needs a client that guesses the group wrong
        port, p = ours(room, *more, *retry, count=2)
        groups = ("-groups", "X25519:P-256")
        q = s_client(room, port, *groups, "-sess_out", room.path("s.pem"))
        has(say(q) + finish(q), "New, TLSv1.3", f"Max Early Data: {limit}")
        q = s_client(room, port, *groups, "-sess_in", room.path("s.pem"), "-early_data", path)
        report = say(q) + finish(q)
        has(report, "Reused, TLSv1.3", {ACCEPTED: "Early data was accepted", REJECTED: "Early data was rejected",
                                        NONE: "Early data was not sent"}[want])
        need((data.decode() in report) == (want == ACCEPTED), report)  # the echo of it
        report = finish(p)
        need(early_bytes(report) == (len(data) if want == ACCEPTED else 0), report)
        has(report, f"early={want}")


def openssl_sends_to_one_that_changed(room):
    """The session is of a server that took early data; this one has other ticket keys, and does not."""
    path, data = early_file(room, 16000)
    port, p = ours(room, "--max-early", "16384")
    q = s_client(room, port, "-sess_out", room.path("s.pem"))
    say(q)
    finish(q)
    done(p)
    for more in ((), ("--max-early", "16384"), RETRY):
        port, p = ours(room, *more)
        q = s_client(room, port, "-groups", "X25519:P-256", "-sess_in", room.path("s.pem"), "-early_data", path)
        has(say(q) + finish(q), "New, TLSv1.3", "Early data was rejected", "Verify return code: 0 (ok)")
        got = done(p)
        need([(d["resumed"], d["early"]) for d in got] == [("0", REJECTED)], got)


def gnutls_client(room, port, path):
    return piped(room, ["gnutls-cli", "--priority", "NORMAL:-VERS-ALL:+VERS-TLS1.3:-GROUP-ALL:+GROUP-X25519:+GROUP-SECP256R1",
                        "--x509cafile", room.path("ca.pem"), "--verify-hostname", "localhost", "--sni-hostname", "localhost",
                        "--resume", "--waitresumption", "--earlydata", path, "-p", str(port), "127.0.0.1"])


def gnutls_sends(room):
    path, data = early_file(room, 1000)
    # Not with a retry: GnuTLS 3.7 seals its second ClientHello under the early keys.
    for more, want in ((("--max-early", "1000"), ACCEPTED), ((), NONE)):
        port, p = ours(room, *more, count=2)
        q = gnutls_client(room, port, path)
        report = say(q) + finish(q)
        has(report, "This is a resumed session")
        need((data.decode() in report) == (want == ACCEPTED), report)
        report = finish(p)
        need(early_bytes(report) == (len(data) if want == ACCEPTED else 0), report)
        has(report, "resumed=0", "resumed=1", f"early={want}")


# ---- we are the client ----

def with_openssl_server(room):
    for flags, size, want in ((("-early_data",), 1, ACCEPTED),
                                     (("-early_data", "-max_early_data", "1000"), 1000, ACCEPTED),
                                     (("-early_data", "-max_early_data", "1000"), 5000, ACCEPTED),
                                     ((), 1000, NONE),
                                     (("-early_data", "-no_anti_replay", "-groups", "P-256"), 1000, REJECTED)):
        path, data = early_file(room, size)
        port, p = s_server(room, *flags)
        q = our_client(room, port, "--sess-out", room.path("s"))
        q.stdin.write(b"first\n")
        q.stdin.flush()
        hears(p, b"first\n")
        need([d["early"] for d in done(q)] == [NONE], "early data without a session")
        q = our_client(room, port, "--resume", room.path("s"), "--early", path)
        report = hears(p, data[-500:] if size <= 1000 else data[1000:])  # its limit
        q.stdin.write(b"and more\n")
        q.stdin.flush()
        report += hears(p, b"and more\n")
        need(("Early data received" in report) == (want == ACCEPTED), report[-2000:])
        need(size == 1 or report.count(data.decode()[:1000]) == 1, report[-2000:])
        got = done(q)
        need([(d["resumed"], d["early"]) for d in got] == [("1", want)], got)
        stop(p)


def with_openssl_server_that_changed(room):
    """Early data is rejected, and said again."""
    path, data = early_file(room, 1000)
    port, p = s_server(room, "-early_data")
    q = our_client(room, port, "--sess-out", room.path("s"))
    q.stdin.write(b"first\n")
    q.stdin.flush()
    hears(p, b"first\n")
    finish(q)
    stop(p)
    for flags in ((), ("-early_data",)):
        port, p = s_server(room, *flags)  # its ticket keys are its own
        q = our_client(room, port, "--resume", room.path("s"), "--early", path)
        report = hears(p, data)
        need("Early data received" not in report and report.count(data.decode()) == 1, report[-2000:])
        got = done(q)
        need([(d["resumed"], d["early"]) for d in got] == [("0", REJECTED)], got)
        stop(p)


def with_gnutls_server(room):
    keys = of(room, "server")
    path, data = early_file(room, 900)
    for flags, want in ((("--earlydata", "--maxearlydata", "1000"), ACCEPTED), ((), NONE)):
        port, p = theirs(room, "gnutls-serv", "-q", "--echo", "--priority", "NORMAL:-VERS-ALL:+VERS-TLS1.3", *flags,
                         "--x509certfile", keys["cert"], "--x509keyfile", keys["key"], "-p", "PORT")
        q = our_client(room, port, "--sess-out", room.path("s"))
        say(q)
        finish(q)
        q = our_client(room, port, "--resume", room.path("s"), "--early", path)
        if want != ACCEPTED:  # the echo of what was said behind the handshake
            need(read(q, len(data)) == data, "not what was said")
        say(q)
        got = done(q)
        need([(d["resumed"], d["early"]) for d in got] == [("1", want)], got)
        stop(p)


def with_ourselves(room):
    for retry, want in (((), ACCEPTED), (RETRY, REJECTED)):
        path, data = early_file(room, 50000)
        port, p = ours(room, "--max-early", "40000", *retry, count=2)
        q = our_client(room, port, "--sess-out", room.path("s"))
        say(q)
        finish(q)
        q = our_client(room, port, "--resume", room.path("s"), "--early", path)
        need(read(q, len(data)) == data, "not what was said")
        need([d["early"] for d in done(q)] == [want], "the client")
        report = finish(p)
        need(early_bytes(report) == (40000 if want == ACCEPTED else 0), report[-2000:])


if __name__ == "__main__":
    sys.exit(main(openssl_sends, openssl_sends_to_one_that_changed, gnutls_sends, with_openssl_server,
                  with_openssl_server_that_changed, with_gnutls_server, with_ourselves))
