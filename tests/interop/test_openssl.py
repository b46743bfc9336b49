#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""openssl s_client and s_server: suites, groups with and without HelloRetryRequest, kinds of certificates, client
certificates, key updates, ALPN, and refusals."""
import os
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from peers import (BUILD, GROUPS, KEYS, SUITES, certificate, client, finish, good, has, of, piped, read, said,  # noqa: E402
                   server, talk, text)
from wrap import WAIT, free_port, main, need, skip_without, until, wait_port  # noqa: E402

skip_without("openssl", "nc.openbsd")
DATA, BACK = text(150000), text(120000, 2)
NAMES = {"x25519": "X25519", "secp256r1": "P-256", "secp384r1": "P-384"}  # OpenSSL's, for -groups
TEMP = {"x25519": "X25519", "secp256r1": "prime256v1", "secp384r1": "secp384r1"}  # and in its reports


def s_client(room, port, *more, ca="ca", name="localhost", version="-tls1_3", brief=("-brief",)):
    return piped(room, ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", version, "-CAfile", room.path(ca + ".pem"),
                        "-verify_return_error", "-verify_hostname", name, "-servername", name, *brief, *more])


def s_server(room, *more, name="server", version="-tls1_3", quiet=("-quiet",)):
    port = free_port()
    p = piped(room, ["openssl", "s_server", "-accept", f"127.0.0.1:{port}", version, "-cert", room.path(name + ".pem"),
                     "-key", room.path(name + ".key"), "-naccept", "1", *quiet, *more])
    wait_port(port, p)
    return port, p


def hellos(room, name):
    """How many ClientHellos went over the wire: two with a HelloRetryRequest."""
    with open(room.path(name), encoding="utf-8", errors="replace") as f:
        return sum("ClientHello" in line for line in f)


def to_server(room, port, *more, **fields):
    """One good connection from s_client to ours; what it says of it."""
    p = s_client(room, port, *more)
    talk(p, p, DATA)
    report = finish(p)
    has(report, "Protocol version: TLSv1.3", "Verification: OK")
    good(room, sent=len(DATA), received=len(DATA), **fields)
    return report


def to_peer(room, *more, name="server", keys=None, **fields):
    """One good connection from ours to s_server, data both ways."""
    port, p = s_server(room, *more, name=name)
    q = client(room, port, **(keys or {}))
    talk(q, p, DATA)
    talk(p, q, BACK)
    finish(q)
    has_no_error(finish(p))
    good(room, sent=len(DATA), received=len(BACK), **fields)


def has_no_error(report):
    need(":error:" not in report, f"s_server complains: {report[-1500:]}")


def suites_and_groups(room):
    """Each suite with each group, both roles; a group that is the peer's second choice, or that our client's first
    key share is not for, takes a HelloRetryRequest (RFC 8446 section 4.1.4)."""
    port = server(room, {})[0]
    for suite in SUITES:
        for group in GROUPS:
            report = to_server(room, port, "-ciphersuites", suite, "-groups", NAMES[group], "-msg", "-msgfile",
                               room.path("msg"), suite=suite, group=group)
            has(report, f"Ciphersuite: {suite}", f"Server Temp Key: {'' if group == 'x25519' else 'ECDH, '}{TEMP[group]}")
            need(hellos(room, "msg") == 1, f"{hellos(room, 'msg')} ClientHellos")
            to_peer(room, "-ciphersuites", suite, "-groups", NAMES[group], suite=suite, group=group)
    for group in GROUPS:
        to_server(room, port, "-groups", "ffdhe4096:" + NAMES[group], "-msg", "-msgfile", room.path("msg"), group=group)
        need(hellos(room, "msg") == 2, f"{hellos(room, 'msg')} ClientHellos with a first share of ffdhe4096")
    to_peer(room, "-groups", "P-384", "-msg", "-msgfile", room.path("msg"), group="secp384r1")
    need(hellos(room, "msg") == 2, f"our client: {hellos(room, 'msg')} ClientHellos for P-384")


def certificates(room):
    """Each kind of key, as the server's and as the client's, ours and theirs."""
    for kind in KEYS:
        certificate(room, kind, kind)
    plain = server(room, *[of(room, k) for k in KEYS], {"client_ca": room.path("ca.pem")})
    asks = plain.pop()
    for port, kind in zip(plain, KEYS):
        has(to_server(room, port), f"CN = {kind}")
        has(to_server(room, asks, "-cert", room.path(kind + ".pem"), "-key", room.path(kind + ".key")), "Requested Signature")
        to_peer(room, name=kind)
        to_peer(room, "-Verify", "1", "-verify_return_error", "-CAfile", room.path("ca.pem"), keys=of(room, kind))


def no_client_certificate(room):
    certificate(room, "stranger", "p256", "other")
    port = server(room, {"client_ca": room.path("ca.pem")})[0]
    p = s_client(room, port)
    read(p)
    has(finish(p, None), "alert certificate required")
    said(room, "failed")
    p = s_client(room, port, "-cert", room.path("stranger.pem"), "-key", room.path("stranger.key"))
    read(p)
    has(finish(p, None), "alert unknown ca")
    said(room, "failed")
    for keys, words in (({}, "peer did not return a certificate"), (of(room, "stranger"), "verify failed")):
        port, p = s_server(room, "-Verify", "1", "-verify_return_error", "-CAfile", room.path("ca.pem"))
        q = client(room, port, **keys)
        need(read(q) == b"", "data from a server that refuses")
        has(finish(p, None), words)
        finish(q, None)
        said(room, "certificate" if not keys else "unknown_ca")


def messages(room, name, way):
    with open(room.path("msg"), encoding="utf-8", errors="replace") as f:
        return sum(name in line and line.startswith(way) for line in f)


def update(room, p, command):
    """A command is one read of the program's: wait until it was obeyed before more is written."""
    before = messages(room, "KeyUpdate", ">>>")
    p.stdin.write(command + b"\n")
    p.stdin.flush()
    until(lambda: messages(room, "KeyUpdate", ">>>") > before, f"{command} has no effect")


def key_updates(room):
    """K asks for the peer's update too, k does not (RFC 8446 section 4.6.3); data between and after them."""
    port = server(room, {})[0]
    p = s_client(room, port, "-msg", "-msgfile", room.path("msg"))
    for i, command in enumerate((b"K", b"k", b"K", b"K", b"k")):
        talk(p, p, text(20000, i))
        update(room, p, command)
        talk(p, p, text(100, i))
    finish(p)
    good(room)
    with open(room.path("msg"), encoding="utf-8") as f:
        updates = [line[:3] for line in f if "KeyUpdate" in line]
    need((updates.count(">>>"), updates.count("<<<")) == (5, 3), f"key updates: {updates}")


def alpn(room):
    port = server(room, {"alpn": "h2,echo"})[0]
    p = s_client(room, port, "-alpn", "other,echo", brief=())
    p.stdin.write(b"ping\n")
    p.stdin.flush()
    good_report = b""
    while b"\nping\n" not in good_report:
        part = os.read(p.stdout.fileno(), 65536)
        need(part, f"the end: {good_report[-500:]!r}")
        good_report += part
    has(good_report.decode() + finish(p), "ALPN protocol: echo")
    good(room, alpn="echo")
    p = s_client(room, port, "-alpn", "other")
    read(p)
    has(finish(p, "bad"), "alert no application protocol")
    said(room, "failed")
    to_peer(room, "-alpn", "echo", keys={"alpn": "h2,echo"}, alpn="echo")
    port, p = s_server(room, "-alpn", "other")
    q = client(room, port, alpn="h2,echo")
    finish(q, "bad")
    said(room, "failed")
    finish(p, None)


def refusals(room):
    port = server(room, {"min-version": "1.3"})[0]
    for more, here, there in (({"ca": "other"}, "unknown_ca", "certificate verify failed"),
                              ({"name": "wrong.test"}, "bad_certificate", "certificate verify failed"),
                              ({"version": "-tls1_2"}, "does not speak TLSv1.3", "alert protocol version")):
        p = s_client(room, port, **more)
        read(p)
        has(finish(p, "bad"), there)
        said(room, "failed")
        has(room.log_lines("result=")[-1], here)
    for more, keys, here, there in (((), {"ca": room.path("other.pem")}, "failed", "alert unknown ca"),
                                    ((), {"name": "wrong.test"}, "wrong.test", "alert bad certificate"),
                                    (("-tls1_2",), {"min-version": "1.3"}, "protocol_version", "unsupported protocol")):
        port, p = s_server(room, version=more[0] if more else "-tls1_3")
        q = client(room, port, **keys)
        finish(q, "bad")
        said(room, "failed")
        has(room.log_lines("result=")[-1], here)
        has(finish(p, None), there)


def examples(room):
    """The programs of the sockets API, and sleeve connect."""
    port = free_port()
    room.start([os.path.join(BUILD, "examples/server"), str(port), room.path("server.pem"), room.path("server.key")])
    wait_port(port)
    p = s_client(room, port)
    talk(p, p, DATA)
    has(finish(p), "Protocol version: TLSv1.3", "Verification: OK")
    port, p = s_server(room, "-rev", quiet=())
    q = piped(room, [os.path.join(BUILD, "examples/client"), "localhost", str(port), room.path("ca.pem")])
    out = q.communicate(DATA, timeout=WAIT)[0]
    need(q.returncode == 0, f"examples/client: exit {q.returncode}")
    need(out == b"".join(line[::-1] + b"\n" for line in DATA.splitlines()), f"examples/client to s_server: {len(out)} bytes")
    finish(p, None)
    for more, name, code in ((("-groups", "P-384"), "localhost", 0), ((), "wrong.test", 1)):
        port, p = s_server(room, *more)
        out = subprocess.run([os.path.join(BUILD, "sleeve"), "connect", "-C", room.path("ca.pem"), "-n", name,
                              f"127.0.0.1:{port}"], capture_output=True, timeout=10, check=False)
        need(out.returncode == code, f"sleeve connect: {out}")
        has((out.stdout + out.stderr).decode(), *(("TLSv1.3", "secp384r1", "verified  localhost") if code == 0 else (name,)))
        finish(p, None)


if __name__ == "__main__":
    sys.exit(main(suites_and_groups, certificates, no_client_certificate, key_updates, alpn, refusals, examples))
