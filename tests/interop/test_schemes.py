#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""Each signature scheme that we have, ours and theirs, as the server's and as the client's, against OpenSSL and GnuTLS in
both versions. Our side is peer_engine."""
import re
import sys

from engine import done, our_client, ours, say, theirs
from peers import KEYS, certificate, finish, has, of, piped
from wrap import main, need, skip_without, stop

skip_without("openssl", "gnutls-cli", "gnutls-serv")
ECDSA = {f"ecdsa_{curve}_{sha}": (kind, f"ECDSA+{sha.upper()}", f"ECDSA-{curve}-{sha}".upper())
         for kind, curve, sha in (("p256", "secp256r1", "sha256"), ("p384", "secp384r1", "sha384"),
                                  ("p521", "secp521r1", "sha512"))}
EDDSA = {name: (name, name, f"EDDSA-{name.upper()}") for name in ("ed25519", "ed448")}
RSA = {f"rsa_pss_{how}_{sha}": ("rsa" if how == "rsae" else "rsa-pss", f"rsa_pss_{how}_{sha}",
                                f"RSA-PSS-{'RSAE-' if how == 'rsae' else ''}{sha}".upper())
       for how in ("rsae", "pss") for sha in ("sha256", "sha384", "sha512")}
PKCS1 = {f"rsa_pkcs1_{sha}": ("rsa", f"RSA+{sha.upper()}", f"RSA-{sha.upper()}") for sha in ("sha256", "sha384", "sha512")}
SCHEMES = {**ECDSA, **EDDSA, **RSA, **PKCS1}  # kind of key, OpenSSL's name, GnuTLS's name


def cases(room):
    """Version, scheme, key files, names at OpenSSL and GnuTLS."""
    for kind in KEYS:
        certificate(room, kind, kind)
    for version in ("1.3", "1.2"):
        for scheme, (kind, openssl, gnutls) in SCHEMES.items():
            if scheme not in PKCS1 or version == "1.2":
                yield version, scheme, of(room, kind), openssl, gnutls


def agreed(got, version, scheme, client_auth=None):
    need([(d["version"], d["scheme"]) for d in got] == [("TLSv" + version, scheme)], f"not {version} {scheme}: {got}")
    need(client_auth is None or got[0]["client_auth"] == client_auth, f"client_auth is not {client_auth}: {got}")


def priority(version, name):
    """In TLS 1.3 also what our CA signs with (RFC 8446 section 4.2.3). In TLS 1.2 the curve is not in the name, and a server
    that has EdDSA alone sends no certificate_types."""
    names = [name, "ECDSA-SECP256R1-SHA256"]
    if version == "1.2":
        names = [re.sub("ECDSA-.*-", "ECDSA-", n) for n in (names if name.startswith("EDDSA") else names[:1])]
    return f"NORMAL:-VERS-ALL:+VERS-TLS{version}:-SIGN-ALL:+SIGN-" + ":+SIGN-".join(names)


def openssl_client(room):
    for version, scheme, keys, name, _ in cases(room):
        port, p = ours(room, "--require", keys=keys)
        q = piped(room, ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-tls" + version.replace(".", "_"),
                         "-nocommands", "-CAfile", room.path("ca.pem"), "-verify_return_error", "-sigalgs", name,
                         "-client_sigalgs", name, "-cert", keys["cert"], "-key", keys["key"]])
        say(q)
        finish(q)
        agreed(done(p), version, scheme, "1")


def openssl_server(room):
    for version, scheme, keys, name, _ in cases(room):
        ours_too = name + (":ECDSA+SHA256" if version == "1.3" and "SHA256" not in name else "")  # our CA's
        port, p = theirs(room, "openssl", "s_server", "-accept", "127.0.0.1:PORT", "-tls" + version.replace(".", "_"),
                         "-rev", "-cert", keys["cert"], "-key", keys["key"], "-sigalgs", name, "-client_sigalgs", ours_too,
                         "-Verify", "1", "-verify_return_error", "-CAfile", room.path("ca.pem"))
        q = our_client(room, port, "--cert", keys["cert"], "--key", keys["key"])
        say(q, b"abc\n", b"cba\n")
        agreed(done(q), version, scheme)
        stop(p)


def gnutls_client(room):
    for version, scheme, keys, _, name in cases(room):
        port, p = ours(room, "--require", keys=keys)
        q = piped(room, ["gnutls-cli", "--priority", priority(version, name), "--x509cafile", room.path("ca.pem"),
                         "--verify-hostname", "localhost", "--x509certfile", keys["cert"], "--x509keyfile", keys["key"],
                         "-p", str(port), "127.0.0.1"])
        report = say(q) + finish(q)
        has(report, f"({name})" if version == "1.3" else "Handshake was completed")
        agreed(done(p), version, scheme, "1")


def gnutls_server(room):
    for version, scheme, keys, _, name in cases(room):
        port, p = theirs(room, "gnutls-serv", "-q", "--echo", "--priority", priority(version, name), "--x509certfile",
                         keys["cert"], "--x509keyfile", keys["key"], "--x509cafile", room.path("ca.pem"),
                         "--require-client-cert", "--verify-client-cert", "-p", "PORT")
        q = our_client(room, port, "--cert", keys["cert"], "--key", keys["key"])
        say(q)
        agreed(done(q), version, scheme)
        stop(p)


if __name__ == "__main__":
    sys.exit(main(openssl_client, openssl_server, gnutls_client, gnutls_server))
