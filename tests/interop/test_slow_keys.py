#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""Private keys that take their time (a thread has them), in both roles and versions against OpenSSL and GnuTLS, one
after another and many at once. Our side is peer_engine, which says each time what the key was used for."""
import sys
import time

from engine import handshakes, hears, our_client, ours, say, theirs
from peers import certificate, feed, finish, has, of, piped, read, talk, text
from tls12 import certificates
from wrap import main, need, skip_without, stop

skip_without("openssl", "gnutls-cli", "gnutls-serv")
SLOW = ("--slow-key", "150")
DATA = text(30000)
AT_ONCE = 12
# key, version, OpenSSL's suite or none, ours, and what the key does
SERVERS = (("p256", "1.3", None, (), "ecdsa_secp256r1_sha256"), ("p384", "1.3", None, (), "ecdsa_secp384r1_sha384"),
           ("rsa", "1.3", None, (), "rsa_pss_rsae_sha256"), ("ed25519", "1.3", None, (), "ed25519"),
           ("p256", "1.2", "ECDHE-ECDSA-AES128-GCM-SHA256", (), "ecdsa_secp256r1_sha256"),
           ("rsa", "1.2", "ECDHE-RSA-AES256-GCM-SHA384", (), "rsa_pss_rsae_sha256"),
           ("ed25519", "1.2", "ECDHE-ECDSA-CHACHA20-POLY1305", (), "ed25519"),
           ("rsa-kx", "1.2", "AES128-GCM-SHA256", ("--suites", "009c"), "decrypts"))


def used(report, *want):
    got = [line.split()[1] for line in report.splitlines() if line.startswith("key ")]
    need(got == list(want), f"the key was used for {got}, not {want}: {report}")
    need(handshakes(report), f"no handshake: {report}")
    return handshakes(report)


def server_keys(room):
    """One file for each kind of key; that of RSA may also decrypt."""
    certificates(room)
    for kind in ("p256", "p384", "ed25519"):
        certificate(room, kind, kind)
    return {**{kind: of(room, kind) for kind in ("p256", "p384", "ed25519")}, "rsa": of(room, "rsa"), "rsa-kx": of(room, "rsa")}


def openssl_flags(version, suite=None):
    return ("-tls" + version.replace(".", "_"), *(("-cipher", suite) if suite else ()))


def s_client(room, port, *more):
    return piped(room, ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-quiet", "-no_ign_eof", "-nocommands",
                        "-CAfile", room.path("ca.pem"), "-verify_return_error", "-servername", "localhost", *more])


def gnutls_cli(room, port, version, *more):
    return piped(room, ["gnutls-cli", "--priority", f"NORMAL:+RSA:-VERS-ALL:+VERS-TLS{version}", "--x509cafile",
                        room.path("ca.pem"), "--verify-hostname", "localhost", "-p", str(port), *more, "127.0.0.1"])


def openssl_to_us(room):
    keys = server_keys(room)
    for kind, version, suite, options, use in SERVERS:
        port, p = ours(room, *SLOW, *options, keys=keys[kind])
        q, start = s_client(room, port, *openssl_flags(version, suite)), time.monotonic()
        talk(q, q, DATA)
        need(time.monotonic() - start > 0.15, "the key was not slow")
        finish(q)
        got = used(finish(p), use)
        need(got[0]["version"] == "TLSv" + version, got)


def gnutls_to_us(room):
    keys = server_keys(room)
    for kind, version, _, options, use in SERVERS:
        port, p = ours(room, *SLOW, *options, keys=keys[kind])
        q = gnutls_cli(room, port, version)
        say(q)
        finish(q)
        report = finish(p)
        need(len(handshakes(report)) == 1 and report.count("key ") == 1, report)
        if use == "decrypts":
            used(report, use)


def clients_prove(room):
    """We are the client, and sign: in both versions, and behind the handshake."""
    certificates(room)
    client = of(room, "client")
    ca = ("-CAfile", room.path("ca.pem"), "-Verify", "2", "-verify_return_error", "-naccept", "1", "-quiet")
    for version in ("1.3", "1.2"):
        port, p = theirs(room, "openssl", "s_server", "-accept", "127.0.0.1:PORT", "-cert", room.path("server.pem"), "-key",
                         room.path("server.key"), *ca, *openssl_flags(version))
        q = our_client(room, port, *SLOW, "--cert", client["cert"], "--key", client["key"])
        feed(q, DATA)
        need(read(p, len(DATA)) == DATA, "other bytes came")
        used(finish(q), "ecdsa_secp256r1_sha256")
        has(finish(p, None), "client")
        port, p = theirs(room, "gnutls-serv", "-q", "--echo", "--require-client-cert", "--verify-client-cert", "--priority",
                         f"NORMAL:-VERS-ALL:+VERS-TLS{version}", "--x509certfile", room.path("server.pem"), "--x509keyfile",
                         room.path("server.key"), "--x509cafile", room.path("ca.pem"), "-p", "PORT")
        q = our_client(room, port, *SLOW, "--cert", client["cert"], "--key", client["key"])
        say(q)
        used(finish(q), "ecdsa_secp256r1_sha256")
        stop(p)


def client_asked_later(room):
    certificates(room)
    client = of(room, "client")
    port, p = theirs(room, "openssl", "s_server", "-accept", "127.0.0.1:PORT", "-tls1_3", "-cert", room.path("server.pem"),
                     "-key", room.path("server.key"), "-CAfile", room.path("ca.pem"), "-verify", "2", "-naccept", "1")
    q = our_client(room, port, *SLOW, "--post-auth", "--cert", client["cert"], "--key", client["key"])
    q.stdin.write(b"before\n")
    q.stdin.flush()
    report = hears(p, b"before\n")
    p.stdin.write(b"c\n")
    p.stdin.flush()
    q.stdin.write(b"while it waits\n")
    q.stdin.flush()
    report += hears(p, b"while it waits\n")
    q.stdin.write(b"behind it\n")
    q.stdin.flush()
    report += hears(p, b"behind it\n")
    used(finish(q), *2 * ["ecdsa_secp256r1_sha256"])  # it asks in the handshake, too
    has(report + finish(p, None), "CN = client")


def many_at_once(room):
    """One server each for so many clients, whose keys are slow as well; all wait at the same time."""
    certificates(room)
    client, start = of(room, "client"), time.monotonic()
    servers = [ours(room, "--slow-key", "1000", "--require", "--min", v, "--max", v) for v in ("1.2", "1.3") * (AT_ONCE // 2)]
    clients = [our_client(room, port, "--slow-key", "1000", "--cert", client["cert"], "--key", client["key"])
               for port, _ in servers]
    started = time.monotonic() - start
    for q in clients:
        say(q)
    need(time.monotonic() - start - started < AT_ONCE, "they wait one for another")
    for q, (_, p) in zip(clients, servers):
        used(finish(q), "ecdsa_secp256r1_sha256")
        need(used(finish(p), "ecdsa_secp256r1_sha256")[0]["client_auth"] == "1", "no client certificate")


def peer_leaves(room):
    """While the key is at work: whoever comes next is served all the same."""
    port, p = ours(room, *SLOW, count=2)
    q = s_client(room, port, "-tls1_3")
    time.sleep(0.05)
    stop(q)
    q = s_client(room, port, "-tls1_3")
    talk(q, q, DATA)
    finish(q)
    report = finish(p, "bad")
    need(len(handshakes(report)) >= 1, report)


if __name__ == "__main__":
    sys.exit(main(openssl_to_us, gnutls_to_us, clients_prove, client_asked_later, many_at_once, peer_leaves))
