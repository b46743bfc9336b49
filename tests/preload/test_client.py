#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""Every way of doing I/O, as a client, compiled with and without fortification, against Python's TLS, through
the relay that insists on TLS on the wire (threats 40, 41). Cases that take notes run on a plain socket too, and
note the same there."""
import os
import socket
import ssl
import subprocess
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "lib"))
from wrap import MARK, WAIT, Bad, Room, free_port, need, until  # noqa: E402

ALONE = ("nobody-there", "exits-early")
REFUSED = ("refused-blocking", "refused-poll", "refused-epoll", "refused-again")
# Ends without the client's close_notify: it failed, or the connection was taken from it.
ABRUPT = REFUSED + ("exits-racing", "cut-off", "exec-stdio")
# Notes are compared with those of a plain socket.
COMPARED = ("stream-", "ready-")
PLAIN_STDOUT = {"standard": b"before\nafter\n"}


def brief(texts):
    return [f"{len(t)} bytes: {t[:80]!r}" for t in texts]


def marks(n):
    return (MARK * (n // len(MARK) + 1))[:n]


class Peer:
    """A TLS server, or without a context a plain one, that obeys lines (io.h)."""

    def __init__(self, context):
        self.context, self.ended, self.kept = context, [], []
        self.socket = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                raw = self.socket.accept()[0]
            except OSError:
                return
            threading.Thread(target=self.talk, args=(raw,), daemon=True).start()

    def talk(self, raw):
        raw.settimeout(WAIT)
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            with raw if not self.context else self.context.wrap_socket(raw, server_side=True, suppress_ragged_eofs=False) as s:
                self.ended.append("open")
                at = len(self.ended) - 1
                self.ended[at] = self.obey(s)
        except (OSError, ssl.SSLError) as e:
            self.ended.append(f"handshake: {e}")

    def end(self, s):
        if self.context:
            s.unwrap()
        else:
            s.shutdown(socket.SHUT_WR)

    def obey(self, s):
        try:
            f = s.makefile("rb")
            while True:
                line = f.readline().split()
                if not line:
                    self.end(s)
                    return "close_notify"
                verb = line[0].decode()
                if verb == "echo":
                    left = int(line[1])
                    while left:
                        data = f.read1(min(left, 1 << 16))
                        if not data:
                            return "short"
                        s.sendall(data)
                        left -= len(data)
                elif verb == "sink":
                    if f.read(int(line[1])) != marks(int(line[1])):
                        return "wrong data"
                    s.sendall(b"ok\n")
                elif verb == "send":
                    s.sendall(marks(int(line[1])))
                elif verb == "line":
                    s.sendall(f.readline())
                elif verb == "late":
                    threading.Event().wait(int(line[1]) / 1000)
                    s.sendall(marks(int(line[2])))
                elif verb == "keep":
                    self.kept.append(b"")
                    at = len(self.kept) - 1
                    while data := f.read1(1 << 16):
                        self.kept[at] += data
                    self.end(s)
                    return "close_notify"
                elif verb == "bye":
                    self.end(s)
                    return "bye"
                elif verb == "cut":
                    fd = os.dup(s.fileno())
                    socket.socket(fileno=fd).shutdown(socket.SHUT_WR)
                    return "cut"
                else:
                    return f"what is {line}?"
        except ssl.SSLZeroReturnError:
            return "close_notify"
        except ssl.SSLEOFError:
            return "eof"
        except OSError as e:
            return f"{type(e).__name__}: {e}"


def build(room, name, *flags):
    src = [os.path.join(HERE, f) for f in ("io.c", "io_ways.c", "io_waits.c", "io_others.c", "io_streams.c", "io_ready.c")]
    os.makedirs(room.path(name), exist_ok=True)
    out = os.path.join(room.path(name), "io")
    subprocess.run(["gcc", "-std=gnu11", "-g", *flags, "-D_GNU_SOURCE", "-I", HERE, "-Wall", "-Wno-unused-result",
                    "-Wno-nonnull", "-o", out, *src, "-lpthread"], check=True, timeout=60)
    return out


def compare(room, program, case, peer):
    """What a plain socket gives: the notes, and what the peer kept."""
    before, kept = len(peer.ended), len(peer.kept)
    p = room.run([program, case, "localhost", str(peer.port)], check=False, timeout=60)
    need(p.returncode == 0, f"on a plain socket: exit {p.returncode}: {p.stderr.decode(errors='replace').strip()}")
    until(lambda: len(peer.ended) > before and "open" not in peer.ended[before:], "the plain peer has seen no end")
    return p.stdout, peer.kept[kept:]


def one(room, program, case, peer, plain):
    expected, kept_there = PLAIN_STDOUT.get(case, b""), []
    if case.startswith(COMPARED):
        expected, kept_there = compare(room, program, case, plain)
    kept = len(peer.kept)
    relay = room.relay(peer.port)
    port = free_port() if case in ALONE else relay.port
    before = len(peer.ended)
    room.conf = room.path(case + ".conf")
    room.client_rule("io", str(port), handoff="none", **({"ca": room.path("other.pem")} if case in REFUSED else {}))
    p = room.run(room.wrapped(program, case, "localhost", str(port)), check=False, timeout=60,
                 env={"MALLOC_PERTURB_": "85"})  # what is freed is no more what it was
    if p.returncode != 0:
        time.sleep(0.3)
        raise Bad(f"exit {p.returncode}: {p.stderr.decode(errors='replace').strip()}; the peer saw {peer.ended[before:]}")
    need(p.stdout == expected, f"stdout: {p.stdout.decode()}instead of {expected.decode()}")
    need(p.stderr == b"", f"stderr is not silent: {p.stderr!r}")
    if case in ALONE or case == "untouched":
        return
    relay.check(whole=case != "exits-racing")
    until(lambda: len(peer.ended) > before and "open" not in peer.ended[before:], "the peer has seen no end")
    ends = peer.ended[before:]
    need(peer.kept[kept:] == kept_there, f"the peer received {brief(peer.kept[kept:])}, not {brief(kept_there)}")
    if case in REFUSED:
        need(all(e.startswith("handshake") for e in ends) and ends, f"the peer saw {ends}")
        need(room.log_lines("result=failed"), "nothing in the log")
    elif case == "polite-end":
        need(ends == ["bye"], f"the peer saw {ends}")
    elif case not in ABRUPT:
        need(ends and all(e in ("close_notify", "bye") for e in ends), f"the peer saw {ends}")


def main():
    only = sys.argv[1:]
    failed = total = 0
    with Room() as room:
        room.certificates()
        variants = [build(room, "plain", "-O1"), build(room, "fortified", "-O2", "-D_FORTIFY_SOURCE=2")]
        cases = subprocess.run([variants[0], "list"], capture_output=True, check=True, timeout=WAIT).stdout.split()
        peer, plain = Peer(room.server_context()), Peer(None)
        for program in variants:
            for case in (c.decode() for c in cases):
                if only and not case.startswith(tuple(only)):
                    continue
                total += 1
                try:
                    one(room, program, case, peer, plain)
                except (Bad, OSError, subprocess.SubprocessError) as e:
                    failed += 1
                    print(f"FAIL  {program.split('/')[-2]} {case}: {e}", flush=True)
        if failed:
            print("\n".join(line for line in room.log_lines("") if "closed" not in line))
    print(f"{total - failed} of {total} cases pass")
    return 1 if failed or not total else 0


if __name__ == "__main__":
    sys.exit(main())
