#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""Which certificate is shown and what is said about it, against OpenSSL and GnuTLS: several names on
one server, certificate_authorities, timestamps (RFC 6962). Our side is peer_engine. (No program of Debian 12 knows
RFC 8879 with zlib.)"""
import base64
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from peers import BUILD, KEYS, finish, has, piped  # noqa: E402
from wrap import free_port, main, need, skip_without, stop, wait_port  # noqa: E402

skip_without("openssl", "gnutls-cli")
PEER = os.path.join(BUILD, "tests", "interop", "peer_engine")
VERSIONS = {"1.3": "-tls1_3", "1.2": "-tls1_2"}
PRIORITY = {v: f"NORMAL:-VERS-ALL:+VERS-TLS{v}" for v in VERSIONS}
if not os.path.exists(PEER):
    print(f"{PEER} is not built")
    sys.exit(77)


def issue(room, name, kind, host, ca="ca"):
    """NAME.pem and NAME.key for that host."""
    room.write("ext-" + name, f"subjectAltName=DNS:{host}\nextendedKeyUsage=serverAuth,clientAuth\n")
    room.openssl("req", "-new", "-newkey", *KEYS[kind], "-nodes", "-subj", f"/CN={name}", "-keyout",
                 room.path(name + ".key"), "-out", room.path(name + ".csr"))
    room.openssl("x509", "-req", "-in", room.path(name + ".csr"), "-CA", room.path(ca + ".pem"), "-CAkey",
                 room.path(ca + ".key"), "-days", "2", "-extfile", room.path("ext-" + name), "-out", room.path(name + ".pem"))


def three_names(room):
    issue(room, "one", "p256", "one.test")
    issue(room, "one-rsa", "rsa", "one.test")
    issue(room, "two", "rsa", "two.test")
    issue(room, "wild", "p256", "*.site.test")
    return "one", "one-rsa", "two", "wild"


def ours(room, names, *options, count=1):
    port = free_port()
    p = piped(room, [PEER, "server", str(port), "--cert", ",".join(room.path(n + ".pem") for n in names), "--key",
                     ",".join(room.path(n + ".key") for n in names), "--ca", room.path("ca.pem"), "--count", str(count),
                     *options])
    wait_port(port, p)
    return port, p


def done(p, code=0):
    return [dict(f.split("=", 1) for f in line.split()[1:]) for line in finish(p, code).splitlines()
            if line.startswith("done ")]


def s_client(room, port, name, *more):
    sni = ("-servername", name) if name else ("-noservername",)
    return piped(room, ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-CAfile", room.path("ca.pem"), *sni, *more])


def gnutls_cli(room, port, name, priority, *more):
    return piped(room, ["gnutls-cli", "--priority", priority, "--x509cafile", room.path("ca.pem"), "--sni-hostname", name,
                        "--verify-hostname", name, *more, "-p", str(port), "127.0.0.1"])


# (name sent, what the client can verify, whose certificate)
CASES = (("one.test", None, "one"), ("one.test", "rsa", "one-rsa"), ("two.test", None, "two"), ("a.site.test", None, "wild"),
         ("nobody.test", None, "one"), (None, None, "one"))


def openssl_by_name(room):
    names = three_names(room)
    for flag in VERSIONS.values():
        port, p = ours(room, names, count=len(CASES))
        for name, kind, want in CASES:
            rsa = ("-sigalgs", "rsa_pss_rsae_sha256:RSA+SHA256") if kind else ()
            report = finish(s_client(room, port, name, flag, *rsa))
            has(report, f"subject=CN = {want}\n", "Verify return code: 0 (ok)")
        need(len(done(p)) == len(CASES), "a handshake is missing")


def gnutls_by_name(room):
    names = three_names(room)
    for v in VERSIONS:
        port, p = ours(room, names, count=4)
        for name, kind, want in CASES[:4]:
            # in TLS 1.2 GnuTLS takes an RSA certificate when no suite is for ECDSA
            rsa = ":-SIGN-ALL:+SIGN-RSA-SHA256:+SIGN-RSA-PSS-RSAE-SHA256" if kind else ""
            has(finish(gnutls_cli(room, port, name, PRIORITY[v] + rsa)), f"subject `CN={want}'", "Handshake was completed")
        need(len(done(p)) == 4, "a handshake is missing")


def strict(room):
    names = three_names(room)
    for flag in VERSIONS.values():
        port, p = ours(room, names, "--strict-sni", count=3)
        has(finish(s_client(room, port, "nobody.test", flag), None), "unrecognized name")
        has(finish(s_client(room, port, None, flag), None), "unrecognized name")
        has(finish(s_client(room, port, "a.site.test", flag)), "subject=CN = wild")
        need(len(done(p, None)) == 1, "strangers were served")


def authorities(room):
    """Ours as others see them, and theirs as we follow them."""
    for flag in VERSIONS.values():
        port, p = ours(room, ["server"], "--request")
        has(finish(s_client(room, port, "localhost", flag)), "Acceptable client certificate CA names\nCN = test ca\n")
        done(p)
    issue(room, "theirs", "p256", "theirs.test", ca="other")
    issue(room, "ours", "p256", "ours.test")
    for flag in VERSIONS.values():
        for ca, want in (("ca", "ours"), ("other", "theirs")):
            port = free_port()
            p = piped(room, ["openssl", "s_server", "-accept", f"127.0.0.1:{port}", flag, "-cert", room.path("server.pem"),
                             "-key", room.path("server.key"), "-CAfile", room.path(ca + ".pem"), "-Verify", "1",
                             "-verify_return_error"])
            wait_port(port, p)
            q = piped(room, [PEER, "client", str(port), "--ca", room.path("ca.pem"), "--cert",
                             room.path("theirs.pem") + "," + room.path("ours.pem"), "--key",
                             room.path("theirs.key") + "," + room.path("ours.key")])
            need(len(done(q, None)) == 1, "no handshake")
            stop(p)
            has(p.stdout.read().decode(errors="replace"), f"subject=CN = {want}\n")


def timestamps(room):
    """A list made up; OpenSSL shows what it cannot parse as well as what it can."""
    sct = (b"\0" + bytes(range(32)) + (1700000000000).to_bytes(8, "big") + b"\0\0" +  # version, log, time, no extensions
           b"\4\3\0\x08\x30\6\2\1\1\2\1\1")  # an ECDSA signature of two small numbers
    scts = (len(sct) + 2).to_bytes(2, "big") + len(sct).to_bytes(2, "big") + sct
    room.write("scts", scts)
    logs = room.write("logs", "enabled_logs=\n")
    for v, flag in VERSIONS.items():
        port, p = ours(room, ["server"], "--scts", room.path("scts"), count=2)
        has(finish(s_client(room, port, "localhost", flag, "-ct", "-ctlogfile", logs)), "SCTs present (1)", "00:01:02:03:04:05:06:07")
        has(finish(s_client(room, port, "localhost", flag)), "Verify return code: 0 (ok)")
        done(p)
        # their server, by a file of extensions for the ServerHello or the certificate
        data = (18).to_bytes(2, "big") + (len(scts)).to_bytes(2, "big") + scts
        if v == "1.2":
            info, head = data, "SERVERINFO FOR SCT"
        else:
            # the context: ClientHello and Certificate of TLS 1.3
            info, head = (0x0080 | 0x1000).to_bytes(4, "big") + data, "SERVERINFOV2 FOR SCT"
        room.write("info.pem", f"-----BEGIN {head}-----\n{base64.b64encode(info).decode()}\n-----END {head}-----\n")
        port = free_port()
        q = piped(room, ["openssl", "s_server", "-accept", f"127.0.0.1:{port}", flag, "-cert", room.path("server.pem"),
                         "-key", room.path("server.key"), "-serverinfo", room.path("info.pem"), "-rev"])
        wait_port(port, q)
        for ask, want in ((("--scts", "yes"), len(scts)), ((), 0)):
            c = piped(room, [PEER, "client", str(port), "--ca", room.path("ca.pem"), *ask])
            got = done(c)
            need(len(got) == 1 and got[0]["scts"] == str(want), got)
        stop(q)


if __name__ == "__main__":
    sys.exit(main(openssl_by_name, gnutls_by_name, strict, authorities, timestamps))
