#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""Bad days: the peer stalls, floods, resets at every point or sends garbage; the log's disk is full; descriptors and
memory run out; signals come 10,000 times a second; 10,000 connections come and go. The program sees an errno that it
knows, nothing leaks, nothing hangs, and no byte of the payload is ever in clear (threats 40, 41)."""
import errno
import os
import random
import select
import socket
import struct
import subprocess
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "lib"))
from wrap import Relay, free_port, main, need, stop, wait_port  # noqa: E402

KNOWN = {errno.ECONNRESET, errno.ECONNABORTED, errno.EPIPE, errno.ETIMEDOUT, errno.EACCES, errno.ECONNREFUSED}
MANY = int(os.environ.get("BAD_DAYS_CONNECTIONS", "10000"))


def compiled(room, name):
    subprocess.run(["gcc", "-std=gnu11", "-O1", "-g", "-D_GNU_SOURCE", "-rdynamic", "-fno-builtin", "-o", room.path(name),
                    os.path.join(HERE, name + ".c"), "-lpthread"], check=True, timeout=60)
    return room.path(name)


def server(room, way="epoll", **keys):
    """An echo server under Sleeve; its process and port."""
    port = free_port()
    room.server_rule("server", port, **keys)
    p = room.start(room.wrapped(compiled(room, "server"), way, str(port)))
    wait_port(port, p)
    return p, port


def client(room, port, *args, limit=60, env=None, **keys):
    """What it prints, as words."""
    room.client_rule("bad", str(port), **keys)
    program = compiled(room, "bad")
    p = room.run(room.wrapped(program, args[0], str(port), *args[1:]), timeout=limit, env=env, check=False)
    need(p.returncode == 0, f"exit {p.returncode}: {p.stderr.decode(errors='replace')[-500:]}")
    need(p.stderr == b"", f"stderr is not silent: {p.stderr!r}")
    return p.stdout.decode().split()


def outcomes(words):
    """{errno: how often}, and what was left over."""
    pairs = dict(w.split(":") for w in words)
    left = int(pairs.pop("fds")), int(pairs.pop("grown"))
    return {int(k): int(v) for k, v in pairs.items()}, left


class Rude:
    """A peer that does `act` with every connection."""

    def __init__(self, act):
        self.socket = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self.socket.getsockname()[1]
        self.act = act
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                s = self.socket.accept()[0]
            except OSError:
                return
            threading.Thread(target=self.one, args=(s,), daemon=True).start()

    def one(self, s):
        try:
            with s:
                s.settimeout(30)
                self.act(s)
        except OSError:
            pass


def stall(s):
    while s.recv(4096):
        pass


def garbage(s):
    s.recv(4096)
    s.sendall(random.Random(1).randbytes(3000))
    s.shutdown(socket.SHUT_WR)
    while s.recv(4096):
        pass


def flood(s):
    """A handshake message of 16 MB that never ends, in records that are legal."""
    s.recv(4096)
    s.sendall(b"\x16\x03\x03\x40\x00\x02\xff\xff\xff" + bytes(16380))
    while True:
        s.sendall(b"\x16\x03\x03\x40\x00" + bytes(16384))


def alerts(s):
    s.recv(4096)
    while True:
        s.sendall(b"\x15\x03\x03\x00\x02\x01\x5a" * 100)


def rude_servers(room):
    for act in (stall, garbage, flood, alerts):
        room.conf = room.path(act.__name__ + ".conf")
        peer = Rude(act)
        for way in ("many", "polling"):
            seen, left = outcomes(client(room, peer.port, way, "2", timeout="1s"))
            need(set(seen) <= KNOWN, f"{act.__name__}, {way}: errno {seen}")
            need(act is not stall or set(seen) == {errno.ETIMEDOUT}, f"a peer that stalls: errno {seen}")
            need(left[0] == 0, f"{act.__name__}, {way}: {left[0]} descriptors left")


def reset(s):
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    s.close()


class Cutter(Relay):
    """Resets connection i when `step` * i bytes have gone in one direction."""

    def __init__(self, target, step, backwards):
        self.step, self.backwards, self.count = step, backwards, 0
        super().__init__(target)

    def serve(self):
        while True:
            try:
                a = self.socket.accept()[0]
            except OSError:
                return
            b = socket.create_connection(("127.0.0.1", self.target), 5)
            self.count += 1
            threading.Thread(target=self.cut, args=(a, b, self.step * self.count), daemon=True).start()

    def cut(self, a, b, left):
        """One thread: a socket that another one reads from would not be reset by close()."""
        try:
            while True:
                for src in select.select([a, b], [], [], 60)[0]:
                    counts = (src is b) == self.backwards
                    data = src.recv(min(65536, left) if counts else 65536)
                    if not data:
                        raise OSError
                    (b if src is a else a).sendall(data)
                    left -= len(data) if counts else 0
                    if left <= 0:
                        raise OSError
        except OSError:
            reset(a)
            reset(b)


def resets_everywhere(room):
    """Both ends are ours: the server lives through all of it."""
    p, port = server(room)
    fds = len(os.listdir(f"/proc/{p.pid}/fd"))
    total = 0
    for backwards in (False, True):
        cutter = Cutter(port, 67, backwards)
        seen, left = outcomes(client(room, cutter.port, "many", "75", limit=90))
        need(set(seen) <= KNOWN | {0} and seen.get(0, 0) < 75, f"errno {seen}")
        need(seen.get(0, 0) > 0, "not one connection went through")
        need(left[0] == 0, f"{left[0]} descriptors left")
        total += sum(seen.values())
        cutter.close()
    need(p.poll() is None, "the server has died")
    end = time.monotonic() + 10
    while len(os.listdir(f"/proc/{p.pid}/fd")) > fds + 1 and time.monotonic() < end:
        time.sleep(0.1)
    need(len(os.listdir(f"/proc/{p.pid}/fd")) <= fds + 1, "the server has kept descriptors")
    need(outcomes(client(room, port, "many", "5"))[0] == {0: 5}, "afterwards it does not work")
    return f"{total} connections cut"


def full_disk(room):
    _, port = server(room)
    seen, _ = outcomes(client(room, port, "many", "20", env={"SLEEVE_LOG": "/dev/full"}))
    need(seen == {0: 20}, f"with a log that is full: errno {seen}")
    seen, _ = outcomes(client(room, port, "many", "5", env={"SLEEVE_LOG": "/nowhere/log"}))
    need(seen == {0: 5}, f"without a place for the log: errno {seen}")


def no_descriptors(room):
    _, port = server(room)
    relay = room.relay(port)
    need(client(room, relay.port, "descriptors") == ["0"], "afterwards it does not work")
    relay.check(connections=20)


def no_memory(room):
    _, port = server(room)
    relay = room.relay(port)
    bad = int(client(room, relay.port, "memory", "120", limit=120)[0])
    need(bad > 20, f"only {bad} connections noticed")
    relay.check(connections=20, whole=False)
    return f"{bad} of 240 connections failed"


def storm(room):
    """With SA_RESTART a program that blocks never notices the timer."""
    _, port = server(room)
    relay = room.relay(port)
    seen, _ = outcomes(client(room, relay.port, "many", "100", limit=120, env={"BAD_STORM": "1"}))
    need(seen == {0: 100}, f"errno {seen}")
    relay.check(connections=100)


def ten_thousand(room):
    p, port = server(room)
    client(room, port, "many", "100")

    def size():
        with open(f"/proc/{p.pid}/statm", encoding="ascii") as f:
            return int(f.read().split()[1]) * 4
    before, fds = size(), len(os.listdir(f"/proc/{p.pid}/fd"))
    seen, left = outcomes(client(room, port, "many", str(MANY), limit=400))
    need(seen == {0: MANY}, f"errno {seen}")
    need(left[0] == 0 and left[1] < 1500, f"the client keeps {left[0]} descriptors and has grown by {left[1]} KiB")
    need(len(os.listdir(f"/proc/{p.pid}/fd")) <= fds + 1, "the server has kept descriptors")
    grown = size() - before
    need(grown < 3000, f"the server has grown by {grown} KiB")
    stop(p)
    return f"{MANY} connections; client +{left[1]} KiB, server +{grown} KiB"


CASES = (rude_servers, resets_everywhere, full_disk, no_descriptors, no_memory, storm, ten_thousand)

if __name__ == "__main__":
    sys.exit(main(*[c for c in CASES if not sys.argv[1:] or c.__name__ in sys.argv[1:]]))
