# SPDX-License-Identifier: ISC
"""Implementations that still speak what a legacy build does, as clients and as servers that send back what comes.

Each has speaks(version, suite); serve(...): a port; visit(...): a client that is sent back each part of the text. It does
so in two connections of one session (in_two), or only in the second of them (in_one), or has another program that comes
again(); refused(...) is the same client, which must not come through."""
import os
import subprocess
import threading

from peers import finish, piped, talk
from suites import CIPHERS
from tls12 import events, keys, order
from wrap import WAIT, free_port, need, stop, until, wait_port

IDENTITY, SECRET = "someone", "an agreed pre-shared key of them"
HEX = SECRET.encode().hex()
HEADER = 110  # bytes of selfserv's answer that are always the same many


def said_by(*argv):
    return subprocess.run(argv, capture_output=True, timeout=WAIT, check=True).stdout.decode(errors="replace")


def mirror(p):
    """What a server says of what it got goes back through it."""
    def turn():
        try:
            while data := os.read(p.stdout.fileno(), 65536):
                p.stdin.write(data)
                p.stdin.flush()
        except (OSError, ValueError):
            pass
    threading.Thread(target=turn, daemon=True).start()


def mine(room, suite):
    """A client's certificate: of the kind the server has."""
    return keys(room, "client" if suite.certificate == "server" else "rsa", "cert", "key")[1::2]


class Peer:
    def visits(self, version, suite):
        """Its client can, too."""
        del version, suite
        return True


class Echo(Peer):
    """The server sends back what it gets, whole."""

    def request(self, text):
        return text, len(text)

    def answered(self, out, said):
        return out == said * 2


class OpenSSL(Echo):
    name, programs = "openssl", ("openssl",)
    versions, in_one, in_two = ("12", "11", "10"), False, True
    flag = {"12": "-tls1_2", "11": "-tls1_1", "10": "-tls1"}

    def __init__(self):
        self.known = {v: said_by("openssl", "ciphers", "-s", self.flag[v], "-psk", "ALL:COMPLEMENTOFALL:@SECLEVEL=0")
                      .strip().split(":") for v in self.versions}

    def speaks(self, version, suite):
        return version in self.versions and suite.openssl in self.known[version]

    def serve(self, room, version, authenticate):
        port = free_port()
        p = piped(room, ["openssl", "s_server", "-accept", f"127.0.0.1:{port}", self.flag[version], "-quiet", "-cipher",
                         "ALL:COMPLEMENTOFALL:@SECLEVEL=0", *keys(room, "server", "-cert", "-key"),
                         *keys(room, "rsa", "-dcert", "-dkey"), "-dhparam", room.path("dh.pem"), "-psk", HEX,
                         "-psk_identity", IDENTITY, "-CAfile", room.path("ca.pem"),
                         *(("-Verify", "1", "-verify_return_error") if authenticate else ())], stderr=subprocess.DEVNULL)
        mirror(p)
        wait_port(port, p)
        return port

    def client(self, room, port, version, suite, *more):
        cert, key = mine(room, suite)
        return piped(room, ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", self.flag[version], "-cipher",
                            suite.openssl + ":@SECLEVEL=0", "-CAfile", room.path("ca.pem"), "-verify_return_error",
                            "-servername", "localhost", "-brief",
                            *(("-psk", HEX, "-psk_identity", IDENTITY) if suite.psk else ()),
                            *(("-cert", cert, "-key", key) if suite.client_auth else ()), *more])

    def visit(self, room, port, ours, version, suite, parts):
        for i in range(2):
            p = self.client(room, port, version, suite, "-sess_in" if i else "-sess_out", room.path("session"))
            for part in parts:
                talk(p, p, part)
            finish(p)

    def refused(self, room, port, version, suite):
        finish(self.client(room, port, version, suite), "bad")


class GnuTLS(Echo):
    name, programs = "gnutls", ("gnutls-cli", "gnutls-serv")
    versions, in_one, in_two = ("12", "11", "10"), True, False
    flag = {"12": "+VERS-TLS1.2", "11": "+VERS-TLS1.1", "10": "+VERS-TLS1.0"}
    words = "NONE:{}:+COMP-NULL:+SIGN-ALL:+GROUP-ALL:%VERIFY_ALLOW_SIGN_WITH_SHA1:{}"

    def __init__(self):
        self.known = {}  # number: the first version
        for line in said_by("gnutls-cli", "--list").splitlines():
            words = line.replace(",", "").split()
            if line.startswith("TLS_") and len(words) == 4 and words[3].startswith("TLS1."):
                self.known[int(words[1], 16) << 8 | int(words[2], 16)] = "1" + words[3][-1]

    def speaks(self, version, suite):
        return version in self.versions and self.known.get(suite.number, "99") <= version

    def serve(self, room, version, authenticate):
        port = free_port()
        exchanges = "+ECDHE-ECDSA:+ECDHE-RSA:+DHE-RSA:+RSA:+ANON-DH:+PSK:+DHE-PSK:+RSA-PSK:+ECDHE-PSK"
        ciphers = ":".join(dict.fromkeys(w for c in CIPHERS.values() for w in c[1].split(":")))
        names = [f"--x509{kind}file={room.path(name + '.' + ext)}" for name in ("server", "rsa")
                 for kind, ext in (("cert", "pem"), ("key", "key"))]
        room.write("psk.txt", f"{IDENTITY}:{HEX}\n")
        p = room.start(["gnutls-serv", "-q", "--echo", "--priority", self.words.format(self.flag[version],
                        exchanges + ":" + ciphers), *names, "--x509cafile", room.path("ca.pem"), "--pskpasswd",
                        room.path("psk.txt"), "--dhparams", room.path("dh.pem"), "-p", str(port),
                        *(("--require-client-cert",) if authenticate else ("--disable-client-cert",))])
        wait_port(port, p)
        return port

    def visits(self, version, suite):
        del version
        return suite.exchange not in ("DHE_PSK", "ECDHE_PSK")  # gnutls-cli 3.7.9 dies of them, with gnutls-serv too

    def client(self, room, port, version, suite, *more):
        cert, key = mine(room, suite)
        return piped(room, ["gnutls-cli", "--logfile=" + room.path("cli.log"), "--priority",
                            self.words.format(self.flag[version], suite.gnutls), "--x509cafile", room.path("ca.pem"),
                            "--sni-hostname", "localhost", "--verify-hostname", "localhost", "-p", str(port),
                            *(("--pskusername", IDENTITY, "--pskkey", HEX) if suite.psk else ()),
                            *(("--x509certfile", cert, "--x509keyfile", key) if suite.client_auth else ()), *more,
                            "127.0.0.1"])

    def visit(self, room, port, ours, version, suite, parts):
        p = self.client(room, port, version, suite, "--resume")
        for part in parts:
            talk(p, p, part)
        finish(p)

    def refused(self, room, port, version, suite):
        finish(self.client(room, port, version, suite), "bad")


class NSS(Peer):
    """Its server answers a request of HTTP; its client that can resume asks for a page, the other sends what it is told
    and never says farewell first."""
    name, programs = "nss", ("tstclnt", "strsclnt", "selfserv", "certutil", "pk12util")
    versions, in_one, in_two = ("12", "11", "10", "30"), False, False
    flag = {"12": "tls1.2", "11": "tls1.1", "10": "tls1.0", "30": "ssl3"}
    numbers = (0x01, 0x02, 0x3B, 0x04, 0x05, 0x0A, 0x2F, 0x35, 0x3C, 0x3D, 0x9C, 0x9D, 0x16, 0x33, 0x39, 0x67, 0x6B, 0x9E,
               0x9F, 0xCCAA, 0xC011, 0xC012, 0xC013, 0xC014, 0xC027, 0xC028, 0xC02F, 0xC030, 0xCCA8, 0xC007, 0xC008,
               0xC009, 0xC00A, 0xC023, 0xC024, 0xC02B, 0xC02C, 0xCCA9)

    def speaks(self, version, suite):
        return suite.number in self.numbers and suite.of(version)

    def database(self, room):
        db = room.path("nss")
        if not os.path.exists(db):
            os.mkdir(db)
            said_by("certutil", "-N", "-d", db, "--empty-password")
            said_by("certutil", "-A", "-d", db, "-n", "ca", "-t", "CT,C,", "-i", room.path("ca.pem"))
            for n in ("server", "rsa", "client"):
                room.openssl("pkcs12", "-export", "-in", room.path(n + ".pem"), "-inkey", room.path(n + ".key"), "-name", n,
                             "-passout", "pass:", "-out", room.path(n + ".p12"))
                said_by("pk12util", "-i", room.path(n + ".p12"), "-d", db, "-W", "", "-K", "")
        return db

    def serve(self, room, version, authenticate):
        port = free_port()
        suites = "".join(f":{n:04X}" for n in self.numbers)
        p = room.start(["selfserv", "-d", self.database(room), "-n", "rsa", "-e", "server", "-p", str(port), "-V",
                        f"{self.flag[version]}:{self.flag[version]}", "-c", suites, *(("-r", "-r") if authenticate else ())])
        wait_port(port, p)
        return port

    def client(self, room, port, version, suite, *more, program="tstclnt"):
        return piped(room, [program, "-a", "localhost", "-p", str(port), "-d", self.database(room), "-V",
                            f"{self.flag[version]}:{self.flag[version]}",
                            *(("-h", "127.0.0.1", "-c", f":{suite.number:04X}") if program == "tstclnt" else ()),
                            *(("-n", "client" if suite.certificate == "server" else "rsa") if suite.client_auth else ()),
                            *more])

    def visit(self, room, port, ours, version, suite, parts):
        p = self.client(room, port, version, suite)
        for part in parts:
            talk(p, p, part)
        order(ours, "!Q")
        until(lambda: any(e.get("what") == "Q" for e in events(ours)[ours.seen:]), "no farewell")
        stop(p)

    def again(self, room, port, version, suite):
        """Two connections, the second with the session of the first."""
        finish(self.client(room, port, version, suite, "-q", "-c", "2", "-t", "1", "-C", f":{suite.number:04X}", "127.0.0.1",
                           program="strsclnt"), None)

    def request(self, text):
        """Is sent back behind a header."""
        said = "GET / HTTP/1.0\r\nX-Filler: " + text[:6000].replace("\n", "") + "\r\n\r\n"
        return said, HEADER + len(said)

    def answered(self, out, said):
        return out.count("HTTP/1.0 200 OK") == 2 and out.count(said) == 2

    def refused(self, room, port, version, suite):
        p = self.client(room, port, version, suite)
        p.stdin.write(b"nothing that may arrive\n")
        out, err = p.communicate(timeout=WAIT)
        need(p.returncode != 0 and not out, f"tstclnt: {p.returncode} {out!r} {err[-500:]!r}")


PEERS = {p.name: p for p in (OpenSSL, GnuTLS, NSS)}
