#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""Relays: connections that go to programs which are not wrapped, by exec, at birth, over UNIX sockets, and
`mode = relay`. What the wire sees is TLS (threat 41); an end is what it was at the other side (threat 25)."""
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "lib"))
from wrap import (MARK, WAIT, exchange, free_port, main, need, payload, read_all, sha, skip_without,  # noqa: E402
                  system_python, until, wait_port)

BIG = 64 << 20
PYTHON = os.path.basename(os.path.realpath(system_python()))


def relays(room):
    """Relays keep the command line of the program, which names the room."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/comm", encoding="ascii") as f:
                if f.read() != "sleeve-relay\n":
                    continue
            with open(f"/proc/{pid}/cmdline", encoding="utf-8", errors="replace") as f:
                if room.dir in f.read():
                    found.append(int(pid))
        except (FileNotFoundError, ProcessLookupError):
            pass
    return found


def no_relay_left(room):
    until(lambda: not relays(room), f"relays are left: {relays(room)}")


class Peer:
    """A TLS server: what `talk` does with each connection; how each ended."""

    def __init__(self, room, talk):
        self.room, self.talk, self.ended = room, talk, []
        self.socket = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.wire = room.relay(self.socket.getsockname()[1])
        self.port = str(self.wire.port)
        self.context = room.server_context()
        self.context.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF  # Python takes a cut for an end, by default
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                raw = self.socket.accept()[0]
            except OSError:
                return
            threading.Thread(target=self.one, args=(raw,), daemon=True).start()

    def one(self, raw):
        raw.settimeout(2 * WAIT)
        try:
            with self.context.wrap_socket(raw, server_side=True, suppress_ragged_eofs=False) as s:
                self.ended.append(self.talk(s) or "bye")
        except ssl.SSLError as e:
            self.ended.append("truncated" if "eof" in str(e).lower() else str(e))
        except OSError as e:
            self.ended.append(type(e).__name__)

    def check(self, *ends):
        until(lambda: len(self.ended) >= len(ends), f"the peer has seen {self.ended}")
        need(sorted(self.ended) == sorted(ends), f"the peer has seen {self.ended}, not {ends}")
        self.wire.check(connections=len(ends))
        no_relay_left(self.room)


def echo(s):
    while True:
        data = s.recv(1 << 16)
        if not data:
            s.unwrap()
            return "bye"
        s.sendall(data)


def handover(room, peer, *argv, handoff="relay", **kw):
    """The program under `sleeve run`."""
    out = room.path("handover")
    if not os.path.exists(out):
        subprocess.run(["gcc", "-std=gnu11", "-g", "-O1", "-D_GNU_SOURCE", "-Wall", "-o", out,
                        os.path.join(HERE, "handover.c")], check=True, timeout=WAIT)
    if not os.path.exists(room.conf):
        room.client_rule("handover", peer.port, **({"handoff": handoff} if handoff else {}))
    way, *more = argv
    return room.run(room.wrapped(out, way, "localhost", peer.port, *more), **kw)


# ---- from a program to another ----

def exec_onto_stdio(room):
    peer = Peer(room, echo)
    script = room.write("reader.py", "import os, socket\n"
                        "s = socket.socket(fileno=0)\n"
                        "s.sendall(b'hello')\n"
                        "s.shutdown(socket.SHUT_WR)\n"
                        "os.write(2, s.makefile('rb').read())\n")
    # handoff says nothing: it is the default
    got = handover(room, peer, "exec", "python3", script, handoff=None, check=False)
    need(got.stderr == b"hello" and got.returncode == 0, f"{got}")
    peer.check("bye")


def exec_high_fd(room):
    peer = Peer(room, echo)
    got = handover(room, peer, "exec-high", "bash", "-c",
                   f"echo {MARK.decode()} >&7; read -r -u 7 line; echo $line").strip()
    need(got == MARK, f"{got}")
    peer.check("bye")


def fork_and_exec(room):
    peer = Peer(room, lambda s: s.sendall(s.recv(1000)) or s.sendall(b"to cat") or s.unwrap() and None)
    handover(room, peer, "fork-exec", "cat")
    until(lambda: peer.ended, "no end")
    no_relay_left(room)
    peer.wire.check()


def shell_commands(room):
    peer = Peer(room, echo)
    for way in ("system", "popen", "spawn", "spawn-later", "forgotten"):
        handover(room, peer, way)
    peer.check(*["bye"] * 6)


RECEIVER = """
import array, socket, sys
over = socket.socket(fileno=int(sys.argv[1]))
fd = socket.recv_fds(over, 1, 1)[1][0]
s = socket.socket(fileno=fd)
s.setblocking(True)
s.sendall(b'received\\n')
s.shutdown(socket.SHUT_WR)
sys.exit(s.makefile('rb').read() != b'received\\n')
"""


def rights(room):
    peer = Peer(room, echo)
    handover(room, peer, "rights", peer.port, room.write("receiver.py", RECEIVER))
    peer.check("bye", "bye")
    need(len(room.log_lines("result=closed")) == 2, "not one line for each session: " + "\n".join(room.log_lines("")))


def other_connections(room):
    peer = Peer(room, echo)
    handover(room, peer, "others", peer.port)
    peer.check("bye", "bye")


def not_allowed(room):
    peer = Peer(room, echo)
    p = handover(room, peer, "exec", "echo", MARK.decode(), handoff="none", check=False)
    need(p.returncode == 1 and b"Permission denied" in p.stderr, f"{p}")
    until(lambda: peer.ended, "no end")
    peer.wire.check(whole=False)


def no_process(room):
    os.chmod(room.dir, 0o755)
    peer = Peer(room, echo)
    handover(room, peer, "no-process")
    peer.check("bye")
    need(room.log_lines("result=refused", "relay"), "nothing in the log")


# ---- real programs ----

def real_clients(room):
    skip_without("bash", "nc.traditional", "socat")
    peer = Peer(room, echo)
    port = peer.port
    for app in ("bash", PYTHON, "nc.traditional", "socat"):
        room.client_rule(app, port)
    text = MARK.decode()
    got = room.run(room.wrapped("bash", "-c", f"# {room.dir}\nexec 3<>/dev/tcp/localhost/{port}; echo {text} >&3; head -n 1 <&3"))
    need(got.strip() == MARK, f"bash: {got}")
    script = f"# {room.dir}\nexec 3<>/dev/tcp/localhost/{port}; {{ env echo {text}; sleep 1; }} >&3; head -n 1 <&3; echo {text} >&3"
    got = room.run(room.wrapped("bash", "-c", script + "; read -r line <&3; echo $line"))
    need(got.split() == [MARK] * 2, f"bash, and commands in turn: {got}")
    got = room.run(room.wrapped(system_python(), "-c", f"""# {room.dir}
import socket, subprocess
s = socket.create_connection(('localhost', {port}))
subprocess.run(['sh', '-c', 'echo {text}; read line; echo "$line" >&2'], stdin=s, stdout=s, check=True)
"""), check=False)
    need(got.stderr.strip() == MARK, f"python: {got}")
    script = room.write("talk.sh", f"#!/bin/sh\necho {text}; read line; echo \"$line\" >{room.path('out')}\n", 0o700)
    room.run(room.wrapped("nc.traditional", "-e", script, "127.0.0.1", port))
    need(room.run(["cat", room.path("out")]).strip() == MARK, "nc -e")
    room.run(room.wrapped("socat", f"TCP:localhost:{port}", f"EXEC:{script},nofork"))
    need(room.run(["cat", room.path("out")]).strip() == MARK, "socat nofork")
    peer.check(*["bye"] * 5)


def inetd_style_server(room):
    """64 MB both ways through `socat nofork` and an unwrapped cat."""
    skip_without("socat")
    port = free_port()
    room.server_rule("socat", port)
    p = room.start(room.wrapped("socat", f"TCP-LISTEN:{port},reuseaddr,fork", "EXEC:cat,nofork"))
    wait_port(port, p)
    data = payload(BIG)
    wire = room.relay(port)
    with room.dial(wire.port) as s:
        back = exchange(s, data)
        need(sha(back) == sha(data), "what came back is something else")
        end_of(s)
    p.terminate()
    wire.check(least=2 * BIG)


def end_of(s):
    """close_notify both ways."""
    s.settimeout(WAIT)
    s.unwrap().close()


# ---- mode = relay ----

SERVER = """
import os, socket, sys, threading
ls = socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=64)
def one(s, peer):
    assert s.getpeername() == peer and s.getsockname() == ls.getsockname(), (s.getpeername(), peer)
    with s:
        while data := s.recv(1 << 17):
            s.sendall(data)
while True:
    threading.Thread(target=one, args=ls.accept(), daemon=True).start()
"""

CLIENT = """
import os, select, socket, sys
port, blocking, size = int(sys.argv[1]), sys.argv[2] == "blocking", int(sys.argv[3])
s = socket.socket()
s.setblocking(blocking)
ep = select.epoll()
ep.register(s, select.EPOLLIN | select.EPOLLOUT)
rc = s.connect_ex(("127.0.0.1", port))
assert rc == 0, os.strerror(rc)
assert s.getpeername() == ("127.0.0.1", port)
assert s.getblocking() == blocking
assert ep.poll(30) == [(s.fileno(), select.EPOLLOUT)]
s.setblocking(True)
block = b"SLEEVE-KNOWN-PAYLOAD" * 3277
sent = 0
pid = os.fork()
if pid == 0:
    while sent < size:
        s.sendall(block)
        sent += len(block)
    s.shutdown(socket.SHUT_WR)
    os._exit(0)
got = b""
have = 0
while data := s.recv(1 << 17):
    have += len(data)
need = (size + len(block) - 1) // len(block) * len(block)
assert have == need, (have, need)
assert os.waitpid(pid, 0)[1] == 0
"""


def mode_server(room):
    port = free_port()
    room.server_rule(PYTHON, port, mode="relay")
    p = room.start(room.wrapped(system_python(), "-u", room.write("server.py", SERVER), str(port)),
                   stderr=open(room.path("err"), "wb"))
    wait_port(port, p)
    data = payload(BIG // 4)
    wire = room.relay(port)
    peers = [room.dial(wire.port) for _ in range(8)]
    need(len(relays(room)) == 8, f"{relays(room)}")
    for pid in relays(room):
        links = [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")]
        need(len(links) == 6 and links.count("/dev/null") == 3, f"a relay has {links}")
        need(os.getpgid(pid) == pid, "not in a process group of its own")
        with open(f"/proc/{pid}/stat", encoding="ascii") as f:
            need(f.read().split()[3] != str(p.pid), "the relay is the program's child")
    need(sha(exchange(peers[0], data)) == sha(data), "what came back is something else")
    for s in peers[1:]:
        need(exchange(s, b"hello") == b"hello", "no hello")
    for s in peers:
        end_of(s)
    no_relay_left(room)
    with open(f"/proc/{p.pid}/task/{p.pid}/children", encoding="ascii") as f:
        need(f.read().strip() == "", "the program has children")
    fds = os.listdir(f"/proc/{p.pid}/fd")
    need(len(fds) <= 6, f"the program has descriptors {fds}")
    need(os.path.getsize(room.path("err")) == 0, "the server complains")
    wire.check(connections=8, least=2 * len(data))


def mode_client(room):
    peer = Peer(room, echo)
    room.client_rule(PYTHON, peer.port, mode="relay")
    script = room.write("client.py", CLIENT)
    for how, size in (("blocking", BIG), ("non-blocking", 1 << 20)):
        room.run(room.wrapped(system_python(), script, peer.port, how, str(size)), timeout=2 * WAIT)
    peer.check("bye", "bye")


def mode_client_refused(room):
    """Not the right certificate: connect() says so, and there is no relay."""
    peer = Peer(room, echo)
    room.client_rule(PYTHON, peer.port, mode="relay", ca=room.path("other.pem"))
    p = room.run(room.wrapped(system_python(), room.write("client.py", CLIENT), peer.port, "non-blocking", "1"), check=False)
    need(p.returncode == 1 and b"Permission denied" in p.stderr, f"{p}")
    no_relay_left(room)


def mode_server_plaintext(room):
    """A client without TLS gets nothing, and the program a reset."""
    port = free_port()
    room.server_rule(PYTHON, port, mode="relay")
    p = room.start(room.wrapped(system_python(), "-u", room.write("one.py", "import socket, sys\n"
                   "s = socket.create_server(('127.0.0.1', int(sys.argv[1]))).accept()[0]\n"
                   "try:\n    print(s.recv(100))\nexcept OSError as e:\n    print(type(e).__name__)\n"), str(port)),
                   stdout=subprocess.PIPE)
    wait_port(port, p)
    with socket.create_connection(("127.0.0.1", port)) as s:
        s.sendall(b"GET / HTTP/1.0\r\n\r\n")
        need(p.stdout.readline() == b"ConnectionResetError\n", "the program reads something")
    no_relay_left(room)
    room.wait_log("result=failed")


def mode_server_both(room):
    """`plaintext = allow`: the relay passes on what comes in clear, too."""
    port = free_port()
    room.server_rule(PYTHON, port, mode="relay", plaintext="allow")
    p = room.start(room.wrapped(system_python(), "-u", room.write("server.py", SERVER), str(port)))
    wait_port(port, p)
    with socket.create_connection(("127.0.0.1", port), WAIT) as s:
        s.sendall(b"in clear")
        need(s.recv(100) == b"in clear", "no answer")
        s.shutdown(socket.SHUT_WR)
        need(s.recv(100) == b"", "no end")
    with room.dial(port) as s:
        need(exchange(s, b"hello") == b"hello", "no hello")
        end_of(s)
    no_relay_left(room)


# ---- bad days ----

HOLDER = """
import socket, sys, time
s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
print("connected", flush=True)
how = sys.argv[2]
if how == "sleep":
    time.sleep(600)
if how in ("stall", "leave"):
    sys.stdin.readline()
if how == "leave":
    s.sendall(b"SLEEVE-KNOWN-PAYLOAD" * 3000)
    sys.exit()
try:
    n = 0
    while data := s.recv(1 << 16):
        n += len(data)
    print("eof", n, flush=True)
except OSError as e:
    print(type(e).__name__, n, flush=True)
"""


def holder(room, peer, how, **rule):
    room.client_rule(PYTHON, peer.port, mode="relay", **rule)
    p = room.start(room.wrapped(system_python(), room.write("holder.py", HOLDER), peer.port, how),
                   stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    need(p.stdout.readline() == b"connected\n", "not connected")
    return p


def cut(s):
    s.sendall(payload(100000))
    time.sleep(0.2)
    socket.socket(fileno=os.dup(s.fileno())).shutdown(socket.SHUT_RDWR)
    return "cut"


def threat_25_truncation(room):
    """The peer ends without close_notify: the program sees a reset behind the data, or what `eof` says."""
    peer = Peer(room, cut)
    need(holder(room, peer, "read").stdout.readline() == b"ConnectionResetError 100000\n", "strict: no reset")
    no_relay_left(room)
    os.unlink(room.conf)
    need(holder(room, peer, "read", eof="lenient").stdout.readline() == b"eof 100000\n", "lenient: no end of file")
    no_relay_left(room)


def clean_end(room):
    peer = Peer(room, lambda s: s.sendall(payload(300000)) or s.unwrap() and None)
    need(holder(room, peer, "read").stdout.readline() == b"eof 300000\n", "no end of file")
    peer.check("bye")


def program_killed(room):
    """It had read all: an end. The relay does not wait for the peer to close, too."""
    def talk(s):
        need(s.recv(1) == b"", "data")
        no_relay_left(room)
    peer = Peer(room, talk)
    p = holder(room, peer, "sleep")
    until(lambda: len(relays(room)) == 1, "no relay")
    p.kill()
    peer.check("bye")


def program_leaves_at_once(room):
    """All it has written, its end and that nobody is left come to the relay in one."""
    def talk(s):
        need(len(read_all(s)) == len(MARK) * 3000, "not all came")
        s.unwrap()
    peer = Peer(room, talk)
    p = holder(room, peer, "leave")
    relay = until(lambda: relays(room), "no relay")[0]
    os.kill(relay, signal.SIGSTOP)
    p.stdin.write(b"\n")
    p.stdin.flush()
    need(p.wait(WAIT) == 0, "the program fails")
    time.sleep(0.5)
    os.kill(relay, signal.SIGCONT)
    peer.check("bye")


def program_killed_unread(room):
    """What it wrote may not be whole: no close_notify."""
    def talk(s):
        s.sendall(payload(1000))
        return echo(s)
    peer = Peer(room, talk)
    p = holder(room, peer, "sleep")
    time.sleep(0.5)
    p.kill()
    until(lambda: peer.ended, "no end")
    need(peer.ended[0] in ("truncated", "ConnectionResetError"), f"{peer.ended}")
    no_relay_left(room)


def relay_killed(room):
    peer = Peer(room, echo)
    p = holder(room, peer, "read")
    pid = until(lambda: relays(room), "no relay")[0]
    os.kill(pid, signal.SIGKILL)
    need(p.stdout.readline() == b"ConnectionResetError 0\n", "the program sees no reset")
    until(lambda: peer.ended, "no end")
    need(peer.ended[0] in ("truncated", "ConnectionResetError"), f"{peer.ended}")


def parent_gone(room):
    """The relay outlives the program that began it: its child goes on."""
    peer = Peer(room, echo)
    room.client_rule(PYTHON, peer.port, mode="relay")
    script = room.write("orphan.py", "import os, socket, sys, time\n"
                        "s = socket.create_connection(('127.0.0.1', int(sys.argv[1])))\n"
                        "if os.fork():\n    os.kill(os.getpid(), 9)\n"
                        "time.sleep(1)\n"
                        "s.sendall(b'hello')\ns.shutdown(1)\n"
                        "open(sys.argv[2], 'wb').write(s.makefile('rb').read())\n")
    room.run(room.wrapped(system_python(), script, peer.port, room.path("got")), check=False)
    peer.check("bye")
    until(lambda: os.path.exists(room.path("got")) and os.path.getsize(room.path("got")) == 5, "nothing came back")


def back_pressure(room):
    """Who does not read makes the peer wait, and the relay does not grow."""
    state = {"sent": 0}

    def talk(s):
        block = payload(1 << 20)
        for _ in range(BIG >> 20):
            s.sendall(block)
            state["sent"] += len(block)
        s.unwrap()
    peer = Peer(room, talk)
    p = holder(room, peer, "stall")
    last = -1
    while last != state["sent"]:
        last = state["sent"]
        time.sleep(1.5)
    need(last < BIG // 2, f"{last} bytes went where nobody reads")
    with open(f"/proc/{relays(room)[0]}/stat", encoding="ascii") as f:
        ticks = sum(int(n) for n in f.read().rpartition(")")[2].split()[11:13])
    time.sleep(1)
    with open(f"/proc/{relays(room)[0]}/stat", encoding="ascii") as f:
        more = sum(int(n) for n in f.read().rpartition(")")[2].split()[11:13])
    need(more - ticks < 20, f"the relay is busy: {more - ticks} ticks in a second")
    p.stdin.write(b"\n")
    p.stdin.flush()
    need(p.stdout.readline() == b"eof %d\n" % BIG, "not all came")
    peer.check("bye")


CASES = (exec_onto_stdio, exec_high_fd, fork_and_exec, shell_commands, rights, other_connections, not_allowed,
         no_process, real_clients, inetd_style_server, mode_server, mode_client, mode_client_refused, mode_server_plaintext,
         mode_server_both,
         threat_25_truncation, clean_end, program_killed, program_leaves_at_once, program_killed_unread, relay_killed,
         parent_gone, back_pressure)

if __name__ == "__main__":
    chosen = [c for c in CASES if len(sys.argv) == 1 or c.__name__ in sys.argv[1:]]
    sys.exit(main(*chosen))
