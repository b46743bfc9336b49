# SPDX-License-Identifier: ISC
"""What the TLS 1.2 tests against other implementations share: the suites under everybody's names, and our program on
the guide's API (peer_guide.c), which reports each event of a connection as a line of key=value."""
import os
import subprocess
import zlib

from peers import BUILD, piped
from wrap import WAIT, Bad, free_port, need, until, wait_port

PEER = os.path.join(BUILD, "tests", "interop", "peer_guide")


class Suite:
    """Its number; its names at IANA and OpenSSL; GnuTLS's words for it."""

    def __init__(self, number, name, openssl, gnutls):
        self.number, self.name, self.openssl, self.gnutls = number, name, openssl, gnutls
        self.cbc = "_CBC_" in name
        self.ours_too = not self.cbc and "ECDHE" in name  # enabled from the start

    def __str__(self):
        return self.name


def suites():
    ecdhe = (("AES_128_GCM_SHA256", "AES128-GCM-SHA256", "AES-128-GCM:+AEAD"),
             ("AES_256_GCM_SHA384", "AES256-GCM-SHA384", "AES-256-GCM:+AEAD"),
             ("CHACHA20_POLY1305_SHA256", "CHACHA20-POLY1305", "CHACHA20-POLY1305:+AEAD"),
             ("AES_128_CBC_SHA256", "AES128-SHA256", "AES-128-CBC:+SHA256"),
             ("AES_256_CBC_SHA384", "AES256-SHA384", "AES-256-CBC:+SHA384"),
             ("AES_128_CBC_SHA", "AES128-SHA", "AES-128-CBC:+SHA1"),
             ("AES_256_CBC_SHA", "AES256-SHA", "AES-256-CBC:+SHA1"))
    rsa = (*ecdhe[:2], ecdhe[3], ("AES_256_CBC_SHA256", "AES256-SHA256", "AES-256-CBC:+SHA256"), *ecdhe[5:])
    for key, numbers in (("ECDSA", (0xC02B, 0xC02C, 0xCCA9, 0xC023, 0xC024, 0xC009, 0xC00A)),
                         ("RSA", (0xC02F, 0xC030, 0xCCA8, 0xC027, 0xC028, 0xC013, 0xC014))):
        for n, (iana, openssl, gnutls) in zip(numbers, ecdhe):
            yield Suite(n, f"TLS_ECDHE_{key}_WITH_{iana}", f"ECDHE-{key}-{openssl}", f"+ECDHE-{key}:+{gnutls}")
    for n, (iana, openssl, gnutls) in zip((0x9E, 0x9F, 0xCCAA, 0x67, 0x6B, 0x33, 0x39), (*ecdhe[:3], *rsa[2:])):
        yield Suite(n, f"TLS_DHE_RSA_WITH_{iana}", f"DHE-RSA-{openssl}", f"+DHE-RSA:+{gnutls}")
    for n, (iana, openssl, gnutls) in zip((0x9C, 0x9D, 0x3C, 0x3D, 0x2F, 0x35), rsa):
        yield Suite(n, f"TLS_RSA_WITH_{iana}", openssl, f"+RSA:+{gnutls}")


SUITES = list(suites())
ENABLE = [word for s in SUITES if not s.ours_too for word in ("-e", hex(s.number))]


def certificates(room):
    """rsa.pem beside server.pem (ECDSA): a key that may also decrypt; client.pem; stranger.pem of the other CA."""
    with open(room.path("ext"), encoding="ascii") as f:
        words = f.read()
    room.write("ext-rsa", words.replace("keyUsage=digitalSignature", "keyUsage=digitalSignature,keyEncipherment"))
    for name, kind, ca, ext in (("rsa", ["rsa:2048"], "ca", "ext-rsa"),
                                ("client", ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"], "ca", "ext"),
                                ("stranger", ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"], "other", "ext")):
        room.openssl("req", "-new", "-newkey", *kind, "-nodes", "-subj", f"/CN={name}", "-keyout",
                     room.path(name + ".key"), "-out", room.path(name + ".csr"))
        room.openssl("x509", "-req", "-in", room.path(name + ".csr"), "-CA", room.path(ca + ".pem"), "-CAkey",
                     room.path(ca + ".key"), "-set_serial", str(20 + len(name)), "-days", "2", "-extfile",
                     room.path(ext), "-out", room.path(name + ".pem"))


def keys(room, name, cert="-c", key="-k"):
    return (cert, room.path(name + ".pem"), key, room.path(name + ".key"))


def ocsp_response(room):
    """ocsp.der, for server.pem; its length."""
    room.write("index", "V\t350101000000Z\t\t07\tunknown\t/CN=server\n")
    room.openssl("ocsp", "-index", room.path("index"), "-CA", room.path("ca.pem"), "-rsigner", room.path("ca.pem"), "-rkey",
                 room.path("ca.key"), "-issuer", room.path("ca.pem"), "-cert", room.path("server.pem"), "-respout",
                 room.path("ocsp.der"), "-noverify")
    return os.path.getsize(room.path("ocsp.der"))


# ---- ours ----

def start(room, role, port, *options):
    """peer_guide, with pipes; what it reports is in p.report."""
    room.guides = getattr(room, "guides", 0) + 1
    report = room.path(f"guide{room.guides}.log")
    room.write(os.path.basename(report), "")
    p = piped(room, [PEER, role, str(port), "-l", report, *options])
    p.report, p.seen = report, 0
    return p


def server(room, *options):
    """Ours, with an ECDSA and an RSA certificate unless the options name others; its port."""
    port = free_port()
    if "-c" not in options:
        options = (*keys(room, "server"), *keys(room, "rsa", "-d", "-q"), *options)
    p = start(room, "server", port, *options)
    wait_port(port, p)
    return port, p


def client(room, port, *options):
    return start(room, "client", port, "-C", room.path("ca.pem"), "-n", "localhost", *options)


def events(p):
    with open(p.report, encoding="utf-8", errors="replace") as f:
        whole = f.read()
    found = []
    for line in whole[:whole.rfind("\n") + 1].splitlines():
        line, _, error = line.partition(" error=")
        found.append({**dict(w.partition("=")[::2] for w in line.split(" ") if "=" in w), "error": error})
    return found


def event(p, kind, /, **fields):
    """The next event of that kind, those before it being passed over, has these fields."""
    def there():
        for i, e in enumerate(events(p)[p.seen:]):
            if e["event"] == kind:
                p.seen += i + 1
                return e
        return None
    try:
        e = until(there, "")
    except Bad:
        with open(p.report, encoding="utf-8", errors="replace") as f:
            need(False, f"our side reports no {kind} {fields}:\n{f.read()[-3000:]}")
    for k, v in fields.items():
        need(e.get(k) == str(v), f"not {k}={v} in {e}")
    return e


def no_more(p, name):
    rest = [e for e in events(p)[p.seen:] if e["event"] == name]
    need(not rest, f"one more {name}: {rest}")


def shook(p, /, **fields):
    """A TLS 1.2 handshake is complete, and is what one of today should be unless the fields say else."""
    return event(p, "handshake", **{"version": "TLSv1.2", "resumed": 0, "ems": 1, "secure_renegotiation": 1, **fields})


def order(p, text):
    """Types a line."""
    p.stdin.write(text.encode() + b"\n")
    p.stdin.flush()


def checksum(data):
    return f"{zlib.adler32(data):08x}"


def ended(p, how="closed", /, **fields):
    return event(p, "end", how=how, **fields)


def done(p, code=0):
    """Ends the input of ours; it must end too, with that exit status (None: any)."""
    out, err = p.communicate(timeout=WAIT)
    need(code is None or p.returncode == code, f"exit {p.returncode} {err[-500:]!r}: {p.args}"[:1500])
    return out


def tool(*argv):
    return subprocess.run(argv, check=True, capture_output=True, timeout=WAIT).stdout.decode(errors="replace")
