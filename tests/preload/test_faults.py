#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""The n-th system call of a wrapped program fails (faults.c), whoever makes it: the launcher, the dynamic linker, the
library, libcrypto, a relay, the program. The program ends by itself, with its work done or with an errno that a plain
socket could have given; nothing is left over, nothing is in clear (threat 41), and trouble with the log is none of the
program's.

With SLEEVE_TEST_FULL=1 each call fails in each of its ways: 20 minutes. Without, a few of each kind."""
import errno
import os
import re
import socket
import ssl
import subprocess
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.path.insert(0, os.path.join(HERE, "..", "lib"))
import test_client  # noqa: E402
import test_starttls_client  # noqa: E402
from wrap import MARK, Bad, free_port, listening, main, need, read_all, wire_behind  # noqa: E402

FULL, VERBOSE = os.environ.get("SLEEVE_TEST_FULL") == "1", os.environ.get("VERBOSE")
FEW = 4  # faults of a sweep, without FULL
LIMIT = 30  # seconds for one run
# What was wrong once, and in which way: the first and the last of each are tried each time.
ALWAYS = (("openat", "libsleeve-preload.so", 0), ("getsockopt", "socket:", 0), ("recvfrom", "socket:", 2),
          ("sendto", "socket:", 4), ("sendmsg", "socket:", 4))
# What filters of system calls forbid, or do not know.
FILTERED = ("memfd_create", "eventfd2", "getsockopt", "pidfd_open", "clone3", "close_range", "madvise", "prctl", "getrandom",
            "epoll_pwait2", "pwritev2", "ftruncate", "socketpair", "getpeername", "getsockname", "setsockopt", "epoll_create1")
CLIENTS = ("vectors", "connect-poll", "epoll-level", "fork-child-works")
MORE_CLIENTS = ("messages", "files", "splices", "dup", "printing", "streams", "standard", "connect-select", "connect-write",
                "half-close", "exits-buffered", "exits-early", "fork-parent-works", "stream-modes", "exec-child", "signals")
PLAUSIBLE = {getattr(errno, name) for name in (
    "EINTR EAGAIN EINPROGRESS ENOMEM ENOBUFS ENOSPC EMFILE ENFILE EACCES EPERM EPIPE EIO ECONNRESET ECONNABORTED "
    "ECONNREFUSED ENETUNREACH ETIMEDOUT ENOTCONN ECHILD EBUSY E2BIG EBADF EINVAL").split()} | {0}


def compiled(room, name):
    out = room.path(name)
    if not os.path.exists(out):
        subprocess.run(["gcc", "-std=gnu11", "-O1", "-g", "-D_GNU_SOURCE", "-o", out, os.path.join(HERE, name + ".c")],
                       check=True, timeout=60)
    return out


class Run:
    """Of a command; `during` talks to it meanwhile, and `seen` is what came of that."""

    def __init__(self, room, argv, after, fault=None, during=None, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE):
        report = room.path("report")
        options = ["-o", report, "-t", str(LIMIT), *(["-f", after] if after else [])]
        options += ["-n" if isinstance(fault[0], int) else "-a", str(fault[0]), "-k", str(fault[1])] if fault else []
        env = room.env()
        del env["SLEEVE_AUDIT"]  # its lines would be calls, too
        env["MALLOC_PERTURB_"] = "85"  # what is freed is no more what it was
        p = subprocess.Popen([compiled(room, "faults"), *options, *argv], env=env, cwd=room.dir, stdin=stdin, stdout=stdout,
                             stderr=subprocess.PIPE)
        try:
            self.seen = during(p) if during else None
            self.out, err = p.communicate(timeout=4 * LIMIT)
        finally:
            p.kill()
            p.wait()
        need(p.returncode == 0, f"faults: exit {p.returncode}: {err.decode(errors='replace')}")
        with open(report, encoding="utf-8", errors="replace") as f:
            lines = [line.split() for line in f]
        self.calls = [(int(x[1]), x[2], x[3].replace(room.dir, ""), int(x[4])) for x in lines if x[0] == "call"]
        faults = [x[1:] for x in lines if x[0] == "fault"] or [["none"] * 5]
        self.fault, self.early = " ".join(faults[0][:4]), faults[0][4] in ("1", "2")
        self.living = [" ".join(x) for x in lines if x[0] in ("hang", "left")]
        self.err = err.decode(errors="replace")
        self.code = os.waitstatus_to_exitcode(int(lines[-1][1])) if int(lines[-1][1]) >= 0 else None


def chosen(calls):
    """(N, K) of each fault. Many calls alike in a row are as three of them."""
    every, firsts, always, last, row = [], {}, {}, None, 0
    for n, name, what, kinds in calls:
        row = row + 1 if (name, what) == last else 0
        last = name, what
        if row >= 3:
            continue
        every += [(n, k) for k in range(kinds)]
        for k in range(kinds):
            firsts.setdefault((name, re.sub(r"[\d\[\]]+", "", os.path.basename(what)), k), (n, k))
        for a, b, k in ALWAYS:
            if name == a and (what.startswith(b) or what.endswith(b)):
                always.setdefault(a, []).append((n, k))
    if FULL:
        return every + [(name, k) for name in FILTERED for k in range(3)]
    some = sorted(firsts.values())
    some = some[len(calls) % 7::max(1, len(some) // FEW)]
    some += [x for found in always.values() for x in (found[0], found[-1])]
    return sorted(set(some)) + [(FILTERED[len(calls) % len(FILTERED)], 1)]


def judge(plain, got):
    need(not got.living, f"without an end: {got.living}")
    if got.code == 0:
        need(got.out == plain.out or " pipe:" in got.fault, f"says {got.out}")  # the program's own output may be lost
        need(got.seen == plain.seen or "(errno" in got.err or re.search(" (getsockopt|sendmsg) ", got.fault),
             f"{got.seen}, not {plain.seen}: {got.err}")
        return
    need("sleeve.log" not in got.fault, f"the log's trouble is the program's: exit {got.code} {got.err}")
    if got.code == -11 and " mmap " in got.fault and got.early:
        return  # the dynamic linker, before it can say so
    if got.code == -13 and (" sendmsg " not in got.fault or got.fault.endswith(" EPIPE")):
        return  # the connection was cut, and has not itself said why
    need(got.code > 0 or (got.code == -9 and "was stopped:" in got.err), f"signal {got.code} {got.err}")
    need(got.err.strip(), "fails without a word")
    for number in re.findall(r"errno (\d+)", got.err):
        need(int(number) in PLAUSIBLE or " getsockopt " in got.fault, f"errno {number}: {got.err}")
    need("== MARK" not in got.err, f"other data: {got.err}")


def sweep(room, relay, run):
    """run(fault): one Run. The relay: what the wire had."""
    def clean(run_it, fault):
        first = len(relay.wires)
        got = run_it(fault)
        for pair in relay.wires[first:]:
            for wire, who in zip(pair, ("client", "server")):
                need(not wire.bad, f"ON THE WIRE, {got.fault}, from the {who}: {wire.bad}")
        return got

    plain = clean(run, None)
    need(plain.code == 0 and not plain.living, f"without a fault: exit {plain.code} {plain.err} {plain.living}")
    faults, ends, bad = chosen(plain.calls), {}, []
    for fault in faults:
        start, got = time.monotonic(), None
        try:
            got = clean(run, fault)
            judge(plain, got)
        except Bad as e:
            bad.append(f"{got.fault if got else fault}: {e}")
            print("bad:", bad[-1], flush=True)
        if got and VERBOSE and (got.code or time.monotonic() - start > 1):
            print(f"{got.fault}: {time.monotonic() - start:.1f} s, exit {got.code} {got.seen} {got.err.strip()[:300]!r}", flush=True)
        ends[got.code if got else "bad"] = ends.get(got.code if got else "bad", 0) + 1
    need(not bad, f"{len(bad)} of {len(faults)} faults: " + "; ".join(bad[:3]))
    return f"{len(plain.calls)} calls, {len(faults)} faults, exits {ends}"


# ---- clients ----

def client_sweep(room, names, after):
    relay = room.relay(test_client.Peer(room.server_context()).port)
    io = test_client.build(room, "plain", "-O1")
    room.client_rule("io", "*", handoff="none")
    notes = []
    for name in names:
        argv = room.wrapped(io, name, "127.0.0.1", str(free_port() if name in test_client.ALONE else relay.port))
        notes.append(f"{name}: " + sweep(room, relay, lambda fault, argv=argv: Run(room, argv, after, fault)))
    return "; ".join(notes)


def threat_41_start(room):
    return client_sweep(room, ["blocking"], None)


def threat_41_clients(room):
    return client_sweep(room, CLIENTS + MORE_CLIENTS if FULL else CLIENTS, "socket")


class Echo:
    def __init__(self, room):
        self.context = room.server_context()
        self.socket = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            raw = self.socket.accept()[0]
            threading.Thread(target=self.one, args=(raw,), daemon=True).start()

    def one(self, raw):
        raw.settimeout(LIMIT / 3)
        try:
            with self.context.wrap_socket(raw, server_side=True) as s:
                while data := s.recv(1 << 16):
                    s.sendall(data)
                s.unwrap()
        except OSError:
            raw.close()


def threat_41_exec(room):
    """A connection that goes over exec, by what the next program inherits."""
    program, relay = compiled(room, "faults_program"), room.relay(Echo(room).port)
    room.client_rule("faults_program", relay.port)
    argv = room.wrapped(program, "exec", str(relay.port))
    return sweep(room, relay, lambda fault: Run(room, argv, "socket", fault))


def threat_41_relay(room):
    """A connection that goes to a program without TLS."""
    out, relay = compiled(room, "handover"), room.relay(Echo(room).port)
    room.client_rule("handover", relay.port, handoff="relay")
    argv = room.wrapped(out, "exec", "127.0.0.1", str(relay.port), "sh", "-c", "echo line; read -r line; echo $line >&2")
    return sweep(room, relay, lambda fault: Run(room, argv, "socket", fault))


def threat_41_starttls(room):
    class Mail(test_starttls_client.Server):
        def __init__(self):
            super().__init__(room, "smtp")

        def serve(self):
            while True:
                again = self.socket
                super().serve()
                self.socket = again

    program = compiled(room, "faults_program")
    relay = room.relay(Mail().port, kinds=(wire_behind(rb"EHLO \S+\r\nSTARTTLS\r\n"),
                                           wire_behind(rb".*220 go\r\n")))
    room.client_rule("faults_program", relay.port, starttls="smtp")
    argv = room.wrapped(program, "mail", str(relay.port))
    return sweep(room, relay, lambda fault: Run(room, argv, "socket", fault))


# ---- servers ----

def echoed(room, port):
    """What a client has of a server: all of its words again, or none."""
    try:
        with room.dial(port, timeout=LIMIT / 3) as s:
            s.sendall(MARK * 500)
            whole = read_all(s, len(MARK) * 500)
            s.unwrap()
            return whole == MARK * 500 or "cut"
    except (OSError, ssl.SSLError):
        return "failed"


def server_case(role):
    def case(room):
        program, port = compiled(room, "faults_program"), free_port()
        room.server_rule("faults_program", port)
        relay = room.relay(port)

        def during(p):
            end = time.monotonic() + LIMIT
            while not listening(port):
                if p.poll() is not None or time.monotonic() > end:
                    return None
                time.sleep(0.005)
            return [echoed(room, relay.port), echoed(room, relay.port)]

        argv = room.wrapped(program, role, str(port))
        return sweep(room, relay, lambda fault: Run(room, argv, "accept", fault, during))
    case.__name__ = "threat_41_server_" + role
    return case


def threat_41_inetd(room):
    """A server that is given its connection as standard input and output."""
    program = compiled(room, "faults_program")
    listener = socket.create_server(("127.0.0.1", 0))
    relay = room.relay(listener.getsockname()[1])
    room.server_rule("faults_program", listener.getsockname()[1], adopt="stdio")

    def run(fault):
        words = []
        t = threading.Thread(target=lambda: words.append(echoed_line(room, relay.port)))
        t.start()
        with listener.accept()[0] as s:
            got = Run(room, room.wrapped(program), None, fault, lambda p: s.close(), s, s)
        t.join()
        got.seen = words
        return got
    return sweep(room, relay, run)


def echoed_line(room, port):
    try:
        with room.dial(port, timeout=LIMIT / 3) as s:
            s.sendall(MARK + b"\n")
            whole = read_all(s, len(MARK) + 1)
            s.unwrap()
            return whole == MARK + b"\n" or "cut"
    except (OSError, ssl.SSLError):
        return "failed"


CASES = (threat_41_start, threat_41_clients, threat_41_exec, threat_41_relay, threat_41_starttls, server_case("serve"),
         server_case("poll"), threat_41_inetd)

if __name__ == "__main__":
    sys.exit(main(*CASES))
