#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""Wrapped programs for whom something runs out: memory at each allocation from the start on, address space, descriptors,
room in files, processes. And whose peer is cut off or goes silent at any byte. They end, by themselves, with their work
done or with a failure; what is on the wire is TLS, whatever else fails (threat 41).

SLEEVE_TEST_FULL=1: each allocation and a finer stride, some minutes."""
import os
import re
import resource
import signal
import socket
import struct
import subprocess
import sys
import threading

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.path.insert(0, os.path.join(HERE, "..", "lib"))
from test_faults import FULL, VERBOSE, Echo, compiled  # noqa: E402
from wrap import BUILD, MARK, WAIT, main, need, needs, system_python  # noqa: E402

PYTHON = os.path.basename(os.path.realpath(system_python()))
SCRIPT = """
import socket, sys
s = socket.create_connection(('127.0.0.1', int(sys.argv[1])), 20)
s.sendall(b'SLEEVE-KNOWN-PAYLOAD' * 100)
s.shutdown(socket.SHUT_WR)
n = 0
while data := s.recv(4096):
    n += len(data)
print(n)
sys.exit(n != 2000)
"""
FORKED = """
import os, socket, sys
s = socket.create_connection(('127.0.0.1', int(sys.argv[1])), 20)
pid = os.fork()
try:
    s.sendall(b'SLEEVE-KNOWN-PAYLOAD' * 100)
finally:
    if pid == 0:
        os._exit(0)
os.waitpid(pid, 0)
"""


def clean(relay, first=0):
    for pair in relay.wires[first:]:
        need(not pair[0].bad and not pair[1].bad, f"on the wire: {pair[0].bad or pair[1].bad}")


def under(room, argv, limits=(), data=b"", env=None):
    """The process, when it has ended under these resource limits."""
    def limit():
        for what, value in limits:
            resource.setrlimit(what, (value, value))
    full = {k: v for k, v in room.env(env).items() if k != "SLEEVE_AUDIT"}
    return subprocess.run(argv, input=data, env=full, cwd=room.dir, capture_output=True, timeout=2 * WAIT, preexec_fn=limit)


def told(p, text):
    if VERBOSE:
        print(f"{text}: {p.returncode} {p.stderr[-200:]}", flush=True)


# ---- allocations ----

def threat_37_every_allocation(room):
    """Without the launcher, so that only the program is short of memory."""
    library, program = room.path("faults_memory.so"), compiled(room, "faults_program")
    subprocess.run(["gcc", "-std=gnu11", "-O1", "-fPIC", "-shared", "-fno-builtin", "-D_GNU_SOURCE", "-o", library,
                    os.path.join(HERE, "faults_memory.c")], check=True, timeout=60)
    relay = room.relay(Echo(room).port)
    room.client_rule("faults_program", relay.port)
    counted = room.path("counted")

    def run(n):
        return under(room, [program, "mail", str(relay.port)], env={
            "LD_PRELOAD": os.path.join(BUILD, "libsleeve-preload.so") + ":" + library, "SLEEVE_CONFIG": room.conf,
            "FAULTS_MEMORY": n, "FAULTS_MEMORY_OUT": counted})

    plain = run("0")
    need(plain.returncode == 0 and plain.stdout == MARK + b"\n", f"without a fault: {plain}")
    with open(counted, "rb") as f:
        count = struct.unpack("l", f.read(8))[0]
    ends = {}
    for n in range(1, count + 1, 1 if FULL else count // 40):
        for form in ("%d", "%d+") if FULL or n % 2 else ("%d",):
            first = len(relay.wires)
            p = run(form % n)
            told(p, form % n)
            need(p.returncode >= 0, f"allocation {form % n} fails: signal {-p.returncode} {p.stderr}")
            need(p.returncode != 0 or p.stdout == plain.stdout, f"allocation {form % n} fails: says {p.stdout}")
            need(p.returncode == 0 or p.stderr, f"allocation {form % n} fails: not a word")
            clean(relay, first)
            ends[p.returncode] = ends.get(p.returncode, 0) + 1
    return f"{count} allocations, exits {ends}"


# ---- limits of the kernel's ----

def clients(room, relay):
    """(name, command line, input, what it says): by the book."""
    for name in ("nc.openbsd", PYTHON):
        room.client_rule(name, relay.port)
    needs("nc")
    port = str(relay.port)
    return (("nc", room.wrapped("nc", "-N", "127.0.0.1", port), MARK * 100, MARK * 100),
            ("python", room.wrapped(system_python(), "-c", SCRIPT, port), b"", b"2000\n"))


def sweep(room, what, values, keep=signal.SIGKILL):
    """Each client with the limit at each of the values. Signals: none but the watcher's."""
    relay, ends = room.relay(Echo(room).port), {}
    for name, argv, data, says in clients(room, relay):
        for value in values:
            first = len(relay.wires)
            p = under(room, argv, [(what, value)], data)
            told(p, f"{name} {value}")
            need(p.returncode >= 0 or p.returncode == -keep or b"Fatal Python error" in p.stderr,
                 f"{name} with {value}: signal {-p.returncode} {p.stderr}")
            need(p.returncode != 0 or p.stdout == says, f"{name} with {value}: says {p.stdout[:100]}")
            clean(relay, first)
            ends[p.returncode] = ends.get(p.returncode, 0) + 1
    need(0 in ends and len(ends) > 1, f"exits {ends}: not the limits that matter")
    return f"exits {ends}"


def threat_41_descriptors(room):
    return sweep(room, resource.RLIMIT_NOFILE, range(3, 24, 1 if FULL else 2))


def threat_41_address_space(room):
    return sweep(room, resource.RLIMIT_AS, range(6 << 20, 40 << 20, (1 << 18) if FULL else (3 << 20)))


def threat_41_file_size(room):
    """No file may grow: not the log, nor the one with the keys, nor the memory that processes share."""
    relay = room.relay(Echo(room).port)
    room.client_rule("nc.openbsd", relay.port, keylog=room.path("keys"))
    room.client_rule(PYTHON, relay.port)
    none = [(resource.RLIMIT_FSIZE, 0)]
    p = under(room, room.wrapped("nc", "-N", "127.0.0.1", str(relay.port)), none, MARK * 100)
    need(p.returncode == 0 and p.stdout == MARK * 100, f"nc: {p}")
    p = under(room, room.wrapped(system_python(), "-c", FORKED, str(relay.port)), none)
    need(p.returncode in (0, 1), f"a program that forks: {p}")
    clean(relay)


# ---- the peer ----

CUTS = ("reset", "end", "stall")


class Cut:
    """In front of a server: connection i goes on for so many bytes of its answers, and then in that way."""

    def __init__(self, target):
        self.target, self.at, self.how, self.wires = target, 0, "end", []
        self.socket = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            a = self.socket.accept()[0]
            b = socket.create_connection(("127.0.0.1", self.target), WAIT)
            threading.Thread(target=self.up, args=(a, b), daemon=True).start()
            threading.Thread(target=self.down, args=(a, b, self.at, self.how), daemon=True).start()

    def up(self, a, b):
        try:
            while data := a.recv(1 << 16):
                self.wires.append(data)
                b.sendall(data)
            b.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def down(self, a, b, left, how):
        try:
            while left and (data := b.recv(min(left, 1 << 16))):
                a.sendall(data)
                left -= len(data)
            if how == "reset":
                a.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            if how != "stall":
                a.shutdown(socket.SHUT_WR if how == "end" else socket.SHUT_RD)
            if how == "reset":
                a.close()
        except OSError:
            pass


def threat_29_cut_anywhere(room):
    """At every k-th byte. Who has been told a length, or waits for an end, does not take a cut for one."""
    cut = Cut(Echo(room).port)
    ends = {}
    for name in ("nc.openbsd", PYTHON):
        room.client_rule(name, cut.port, timeout="2s")
    argv = room.wrapped(system_python(), "-c", SCRIPT.replace(", 20)", ", 2)"), str(cut.port))
    nc = room.wrapped("nc", "-N", "-w", "2", "127.0.0.1", str(cut.port))
    for i, at in enumerate(range(0, 3300, 60 if FULL else 400)):
        for how in CUTS if FULL else (CUTS[i % 3],):
            cut.at, cut.how = at, how
            for command, data in ((argv, b""), (nc, MARK * 100)) if FULL or i % 2 else ((argv, b""),):
                p = under(room, command, data=data)
                told(p, f"{how} at {at}")
                need(p.returncode >= 0, f"{how} at {at}: signal {-p.returncode} {p.stderr}")
                need(command is nc or p.returncode != 0, f"{how} at {at}: all is well? {p.stdout}")
                ends[p.returncode] = ends.get(p.returncode, 0) + 1
    need(not any(MARK in data for data in cut.wires), "in clear")
    need(cut.wires and all(re.match(rb"[\x14-\x17]\x03", data) for data in cut.wires[:1]), "no TLS")
    return f"exits {ends}"


if __name__ == "__main__":
    sys.exit(main(threat_37_every_allocation, threat_41_descriptors, threat_41_address_space, threat_41_file_size,
                  threat_29_cut_anywhere))
