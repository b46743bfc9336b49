#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""The key log: what passed over the wire is read back by Wireshark's tshark with the secrets that our side wrote, in
both roles, TLS 1.3 and 1.2. And they are the secrets that OpenSSL's side wrote of the same connection.

Nobody needs the right to capture: a relay writes down what it carries, and the test makes TCP segments of it."""
import os
import re
import struct
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from peers import client, finish, piped, server, talk, text  # noqa: E402
from wrap import WAIT, Relay, free_port, main, need, skip_without, until, wait_port  # noqa: E402

skip_without("openssl", "nc.openbsd", "tshark")
UP, DOWN = text(40000), text(50000, 2)
LABELS = {"1.3": {"CLIENT_HANDSHAKE_TRAFFIC_SECRET", "SERVER_HANDSHAKE_TRAFFIC_SECRET", "CLIENT_TRAFFIC_SECRET_0",
                  "SERVER_TRAFFIC_SECRET_0"}, "1.2": {"CLIENT_RANDOM"}}
PORT = 4433  # in the capture


class Tape(Relay):
    """A relay that keeps what it carries of one connection: (0 from the client, 1 from the server; bytes)."""

    def __init__(self, target):
        self.tape = []
        super().__init__(target)

    def pump(self, src, dst, wire, ends):
        side = 0 if wire is self.wires[-1][0] else 1
        check = wire.feed
        wire.feed = lambda data: (self.tape.append((side, data)), check(data))
        super().pump(src, dst, wire, ends)


# ---- a capture ----

def segment(side, seq, ack, flags, data=b""):
    """IPv4 and TCP, whose checksums nobody looks at."""
    ports = (40000, PORT) if side == 0 else (PORT, 40000)
    addresses = (b"\x0a\0\0\1", b"\x0a\0\0\2") if side == 0 else (b"\x0a\0\0\2", b"\x0a\0\0\1")
    tcp = struct.pack("!HHIIBBHHH", *ports, seq, ack, 5 << 4, flags, 65535, 0, 0) + data
    return struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(tcp), 0, 0, 64, 6, 0) + addresses[0] + addresses[1] + tcp


def write_capture(room, name, tape):
    """A pcap file of raw IP packets."""
    syn, ack, fin = 2, 16, 1
    seq = [1000, 5000]
    packets = [segment(0, 1000, 0, syn), segment(1, 5000, 1001, syn | ack), segment(0, 1001, 5001, ack)]
    seq = [1001, 5001]
    for side, data in tape:
        for at in range(0, len(data), 1400):
            part = data[at:at + 1400]
            packets.append(segment(side, seq[side], seq[1 - side], ack, part))
            seq[side] += len(part)
    for side in (0, 1):
        packets.append(segment(side, seq[side], seq[1 - side], ack | fin))
        seq[side] += 1
    body = b"".join(struct.pack("<IIII", 1, i, len(p), len(p)) + p for i, p in enumerate(packets))
    return room.write(name, struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 262144, 101) + body)


def decrypted(room, capture, log):
    """What tshark reads in both directions."""
    argv = ["tshark", "-n", "-r", capture, "-o", f"tls.keylog_file:{log}", "-d", f"tcp.port=={PORT},tls", "-q",
            "-z", "follow,tls,raw,0"]
    p = subprocess.run(argv, capture_output=True, timeout=2 * WAIT, env={**os.environ, "HOME": room.dir})
    need(p.returncode == 0, f"tshark: {p.stderr.decode()[-1000:]}")
    out = p.stdout.decode()
    sides = [b"", b""]
    first = 1 if re.search(rf"^Node 0: .*:{PORT}$", out, re.M) else 0  # whose lines have no tab in front
    for line in out.splitlines():
        if re.fullmatch(r"\t?[0-9a-f]+", line):
            sides[first ^ line.startswith("\t")] += bytes.fromhex(line)
    return tuple(sides)


# ---- key logs ----

def lines_of(path):
    with open(path, encoding="ascii") as f:
        return {tuple(line.split()) for line in f if not line.startswith("#")}


def check_log(ours, theirs, version):
    """Well-formed, complete, nobody else may read it, and OpenSSL wrote the same."""
    mine = lines_of(ours)
    need(all(len(x) == 3 and re.fullmatch(r"[0-9a-f]{64}", x[1]) and re.fullmatch(r"([0-9a-f]{64}){1,2}|[0-9a-f]{96}", x[2])
             for x in mine), f"not a key log: {mine}")
    need({x[0] for x in mine} >= LABELS[version], f"labels of {version}: {[x[0] for x in mine]}")
    need(len({x[1] for x in mine}) == 1, "lines of one connection with several randoms")
    need(os.stat(ours).st_mode & 0o077 == 0, "others may read the key log")
    lower = {tuple(part.lower() if i else part for i, part in enumerate(x)) for x in lines_of(theirs)}
    known = {x for x in mine if x[0] in LABELS[version]}
    need(known <= lower, f"OpenSSL's key log has other secrets:\n{sorted(mine)}\n{sorted(lower)}")


def spoil(room, log, version):
    """The same lines with another byte in each secret of application data."""
    out = []
    for line in lines_of(log):
        changed = "TRAFFIC_SECRET_0" in line[0] or version == "1.2"
        secret = f"{int(line[2][:2], 16) ^ 1:02x}{line[2][2:]}" if changed else line[2]
        out.append(f"{line[0]} {line[1]} {secret}\n")
    return room.write("spoilt.log", "".join(out))


def check_capture(room, tape, log, version):
    need(b"".join(d for s, d in tape if s == 0).find(UP[:50]) < 0, "the data went over the wire in clear")
    capture = write_capture(room, "wire.pcap", tape)
    got = decrypted(room, capture, log)
    need(got == (UP, DOWN), f"tshark reads {len(got[0])} and {len(got[1])} bytes with our key log, not {len(UP)} and "
         f"{len(DOWN)}: {got[0][:60]!r} {got[1][:60]!r}")
    for other in (room.write("empty.log", ""), spoil(room, log, version)):
        got = decrypted(room, capture, other)
        need(UP[:50] not in got[0] + got[1] and DOWN[:50] not in got[0] + got[1],
             f"tshark reads the data with {os.path.basename(other)}")


# ---- the two roles ----

def with_our_client(room, version):
    ours, theirs = room.path(f"client-{version}.log"), room.path(f"s_server-{version}.log")
    port = free_port()
    p = piped(room, ["openssl", "s_server", "-accept", f"127.0.0.1:{port}", "-tls" + version.replace(".", "_"), "-cert",
                     room.path("server.pem"), "-key", room.path("server.key"), "-naccept", "1", "-quiet", "-keylogfile",
                     theirs])
    wait_port(port, p)
    relay = Tape(port)
    room.relays.append(relay)
    q = client(room, relay.port, keylog=ours, min_version=version, max_version=version)
    talk(q, p, UP)
    talk(p, q, DOWN)
    finish(q)
    finish(p)
    relay.check(least=len(UP) + len(DOWN))
    check_log(ours, theirs, version)
    check_capture(room, relay.tape, ours, version)


def with_our_server(room, version):
    """Our server is an echo: what goes up comes down, so DOWN is UP here."""
    ours, theirs = room.path(f"server-{version}.log"), room.path(f"s_client-{version}.log")
    port = server(room, {"keylog": ours, "min_version": version, "max_version": version})[0]
    relay = Tape(port)
    room.relays.append(relay)
    p = piped(room, ["openssl", "s_client", "-connect", f"127.0.0.1:{relay.port}", "-tls" + version.replace(".", "_"),
                     "-CAfile", room.path("ca.pem"), "-verify_return_error", "-servername", "localhost", "-quiet",
                     "-no_ign_eof", "-keylogfile", theirs])
    talk(p, p, UP)
    finish(p, None)
    until(lambda: relay.busy == 0, "the connection through the relay stays open")
    check_log(ours, theirs, version)
    capture = write_capture(room, "wire.pcap", relay.tape)
    need(decrypted(room, capture, ours) == (UP, UP), "tshark does not read our server's connection")


def no_log_without_wish(room):
    """SSLKEYLOGFILE alone is no wish: the program's environment is not the rule's."""
    stray = room.path("stray.log")
    port = free_port()
    p = piped(room, ["openssl", "s_server", "-accept", f"127.0.0.1:{port}", "-cert", room.path("server.pem"), "-key",
                     room.path("server.key"), "-naccept", "1", "-quiet"])
    wait_port(port, p)
    os.environ["SSLKEYLOGFILE"] = stray
    q = client(room, port)
    del os.environ["SSLKEYLOGFILE"]
    talk(q, p, UP)
    finish(q)
    finish(p)
    need(not os.path.exists(stray), "secrets were written that nobody asked for")


def tls13(room):
    with_our_client(room, "1.3")
    with_our_server(room, "1.3")
    return "both roles decrypted by tshark, secrets equal to OpenSSL's"


def tls12(room):
    with_our_client(room, "1.2")
    with_our_server(room, "1.2")
    return "both roles decrypted by tshark, secrets equal to OpenSSL's"


sys.exit(main(tls13, tls12, no_log_without_wish))
