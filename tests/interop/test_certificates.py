#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""Which certificate is shown and what is said about it, against OpenSSL and GnuTLS: several names on
one server (with Python too), certificate_authorities, timestamps (RFC 6962), OCSP responses. Our side is peer_engine.
(No program of Debian 12 knows RFC 8879 with zlib.)"""
import base64
import socket
import ssl
import sys

import engine
from engine import done, our_client, theirs
from peers import KEYS, finish, has, of, piped
from tls12 import ocsp_response
from wrap import WAIT, main, need, skip_without, stop

skip_without("openssl", "gnutls-cli")
VERSIONS = {"1.3": "-tls1_3", "1.2": "-tls1_2"}
PRIORITY = {v: f"NORMAL:-VERS-ALL:+VERS-TLS{v}" for v in VERSIONS}


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
    keys = {k: ",".join(of(room, n)[k] for n in names) for k in ("cert", "key")}
    return engine.ours(room, *options, keys=keys, count=count)


def s_client(room, port, name, *more):
    sni = ("-servername", name) if name else ("-noservername",)
    return piped(room, ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-CAfile", room.path("ca.pem"), *sni, *more])


def s_server(room, *more):
    return theirs(room, "openssl", "s_server", "-accept", "127.0.0.1:PORT", "-cert", room.path("server.pem"), "-key",
                  room.path("server.key"), *more)


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


def python_by_name(room):
    """It verifies the name too."""
    names = three_names(room)
    for v in VERSIONS:
        port, p = ours(room, names, count=3)
        context = ssl.create_default_context(cafile=room.path("ca.pem"))
        context.minimum_version = context.maximum_version = getattr(ssl.TLSVersion, "TLSv" + v.replace(".", "_"))
        for name, kind, want in CASES[:4]:
            if not kind:
                with socket.create_connection(("127.0.0.1", port), WAIT) as raw:
                    s = context.wrap_socket(raw, server_hostname=name)
                    need(s.getpeercert()["subject"] == ((("commonName", want),),), s.getpeercert())
                    s.unwrap()
        need(len(done(p)) == 3, "a handshake is missing")


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
            port, p = s_server(room, flag, "-CAfile", room.path(ca + ".pem"), "-Verify", "1", "-verify_return_error")
            q = our_client(room, port, "--cert", room.path("theirs.pem") + "," + room.path("ours.pem"), "--key",
                           room.path("theirs.key") + "," + room.path("ours.key"))
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
        port, q = s_server(room, flag, "-serverinfo", room.path("info.pem"), "-rev")
        for ask, want in ((("--scts", "yes"), len(scts)), ((), 0)):
            got = done(our_client(room, port, *ask))
            need(len(got) == 1 and got[0]["scts"] == str(want), got)
        stop(q)


def responses(room):
    """Ours to OpenSSL, and theirs to us, where asked for."""
    size = ocsp_response(room)
    for flag in VERSIONS.values():
        port, p = ours(room, ["server"], "--status", room.path("ocsp.der"), count=2)
        report = finish(s_client(room, port, "localhost", flag, "-status"))
        has(report, "OCSP Response Status: successful", "Cert Status: good")
        has(finish(s_client(room, port, "localhost", flag)), "Verify return code: 0 (ok)")
        done(p)
        port, p = s_server(room, flag, "-status_file", room.path("ocsp.der"), "-rev")
        for ask, want in ((("--status", "yes"), size), ((), 0)):
            got = done(our_client(room, port, *ask))
            need(len(got) == 1 and got[0]["status"] == str(want), got)
        stop(p)


if __name__ == "__main__":
    sys.exit(main(openssl_by_name, gnutls_by_name, python_by_name, strict, authorities, timestamps, responses))
