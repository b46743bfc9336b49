#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""The log of wrapped programs: the same keys as text and as JSON, whatever a peer says; and no place for it that could
disturb the program (threat 41)."""
import fcntl
import json
import os
import re
import socket
import ssl
import subprocess
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from wrap import BUILD, WAIT, Bad, Skip, free_port, main, need, read_all, skip_without, system_python  # noqa: E402

skip_without("/usr/bin/python3")
APP = os.path.basename(os.path.realpath(system_python()))
# Runs words on connections: each argument is one, "ok" or a way to fail. SIGPIPE is at its default: it would kill.
CLIENT = """
import os, signal, socket, sys
signal.signal(signal.SIGPIPE, signal.SIG_DFL)
if 'closefrom' in sys.argv:
    os.closerange(3, 5000)
for n in range(int(sys.argv[3])):
    try:
        s = socket.create_connection((sys.argv[2], int(sys.argv[1])), 30)
        s.sendall(b'ping')
        got = s.recv(100)
        s.close()
        print(got.decode(), flush=True)
    except OSError as e:
        print('error', flush=True)
    if 'steps' in sys.argv:
        sys.stdin.readline()
"""
KEYS = ["program", "pid", "time", "role", "rule", "peer", "local", "session", "name", "sni", "version", "suite", "group", "alpn", "resumed", "sent",
        "received", "wire-sent", "wire-received", "stray", "ms", "result"]


class Server:
    """Somebody else's TLS: answers pong."""

    def __init__(self, room, alpn=None):
        self.context = room.server_context()
        if alpn:
            self.context.set_alpn_protocols([alpn])
        self.socket = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            threading.Thread(target=self.one, args=(self.socket.accept()[0],), daemon=True).start()

    def one(self, s):
        s.settimeout(WAIT)
        try:
            with self.context.wrap_socket(s, server_side=True) as t:
                need(t.recv(100) == b"ping", "the data")
                t.sendall(b"pong")
                t.recv(1)
        except OSError:
            pass


def command(room, port, n=1, host="localhost", *more):
    return room.wrapped(system_python(), "-c", CLIENT, str(port), host, str(n), *more)


def works(room, server, log, n=1, **kw):
    """The program does not notice its log."""
    p = subprocess.run(command(room, server.port, n), env=room.env({"SLEEVE_LOG": log}), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                       timeout=WAIT, cwd=room.dir, **kw)
    need(p.returncode == 0 and p.stdout == b"pong\n" * n, f"SLEEVE_LOG={log}: exit {p.returncode}, {p.stdout[-200:]!r}")


def objects(path):
    with open(path, "rb") as f:
        data = f.read()
    need(data.endswith(b"\n"), f"no whole lines: {data[-200:]!r}")
    data.decode("utf-8")
    try:
        return [json.loads(line) for line in data.splitlines()]
    except ValueError as e:
        raise Bad(f"no JSON: {e}: {data[:2000]!r}") from e


def sessions(room):
    """Good, resumed, failed, refused: text and JSON have the same."""
    a = Server(room)
    room.client_rule(APP, a.port)
    room.rule(APP, {"role": "client", "match": "*:9", "action": "refuse"})
    js = room.path("log.json")
    works(room, a, "json:" + js, n=2)
    room.run(command(room, a.port, 1, "127.0.0.2"), env={"SLEEVE_LOG": "json:" + js})
    room.run(command(room, 9), env={"SLEEVE_LOG": "json:" + js})
    good, again, failed, refused = objects(js)
    for o in (good, again, failed):
        need([k for k in o if k != "reason"] == KEYS, f"keys: {list(o)}")
        need(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", o["time"]), o["time"])
        need(o["role"] == "client" and o["rule"] == "r0" and o["program"].startswith("python3"), str(o))
    need(good["result"] == "closed" and good["sent"] == good["received"] == 4 and "reason" not in good, str(good))
    need(good["name"] == good["sni"] == "localhost" and good["version"] == "TLSv1.3" and good["alpn"] is None, str(good))
    need(good["resumed"] is False and again["resumed"] is True, "resumed")
    need(failed["result"] == "failed" and failed["reason"] and failed["version"] in (None, "TLSv1.3"), str(failed))
    need(refused["result"] == "refused" and refused["rule"] == "r1" and refused["reason"], str(refused))
    works(room, a, room.log)
    line = room.wait_log("result=closed")[0]
    words = dict(w.split("=", 1) for w in line.split(" ")[1:])
    need(list(words) == KEYS, f"keys of the text: {line}")
    need(all(words[k] == str(good[k]) for k in ("role", "rule", "name", "version", "suite", "group", "sent")), f"{line}\n{good}")
    need(words["alpn"] == "-" and words["resumed"] == "no", line)
    works(room, a, f"json:{js},handshake")
    trace = [o for o in objects(js) if o.get("trace") == "handshake"]
    need(any("ClientHello" in o["reason"] and '"localhost"' in o["reason"] for o in trace), "no trace in JSON")


def descriptors(room):
    a = Server(room)
    room.client_rule(APP, a.port)
    with open(room.path("out"), "wb") as f:
        works(room, a, f"json:fd:{f.fileno()}", pass_fds=(f.fileno(),))
    need(objects(room.path("out"))[0]["result"] == "closed", "nothing at fd:N")
    ours, theirs = socket.socketpair()
    works(room, a, f"fd:{theirs.fileno()}", pass_fds=(theirs.fileno(),))
    need(b"result=closed\n" in ours.recv(5000), "nothing at a socket")
    ours.close()  # EPIPE, and no SIGPIPE
    works(room, a, f"fd:{theirs.fileno()}", n=2, pass_fds=(theirs.fileno(),))
    works(room, a, "json:fd:77")
    works(room, a, "fd:x")


SERVER = """
import socket, sys
s = socket.create_server(('127.0.0.1', int(sys.argv[1])))
print('up', flush=True)
for _ in range(int(sys.argv[2])):
    c = s.accept()[0]
    try:
        c.recv(100)
    except OSError:
        pass
    c.close()
"""


def hello(name):
    """A ClientHello that asks for this name, of any bytes."""
    into, out = ssl.MemoryBIO(), ssl.MemoryBIO()
    t = ssl.create_default_context().wrap_bio(into, out, server_hostname="q" * len(name))
    try:
        t.do_handshake()
    except ssl.SSLWantReadError:
        pass
    return out.read().replace(b"q" * len(name), name)


def hostile(room):
    """Whatever stands in argv[0], in a label, in a name that a peer asks for: a line is a line, JSON is JSON."""
    evil = b'x"\\\n\t\r\x1b[2J\x7f\xff\xc2\x85\xed\xa0\x80\xf0\x9f\x98\x80 result=closed'
    names = [b'a"b\\c', b"a\nsleeve: program=x", b"a result=closed", b"\xff\xfe\xc3", b"\x01\x1b[2J", b"\xc3\xa9.test", b"a\x00b", b'"},{"a":"' * 6]
    env = {**os.environ, "LD_PRELOAD": os.path.join(BUILD, "libsleeve-preload.so"), "SLEEVE_CONFIG": room.conf}
    port = free_port()
    room.write("sleeve.conf", f'[app {APP}]\nlog = json:{room.path("log.json")}\n[rule {APP} l"\\\xff\x01]\nrole = server\nmatch = local *:{port}\n'
                              f'cert = {room.path("server.pem")}\nkey = {room.path("server.key")}\n')
    for log in (None, room.log):
        p = subprocess.Popen([evil, "-c", SERVER, str(port), str(len(names))], executable=system_python(), stdin=subprocess.DEVNULL,
                             stdout=subprocess.PIPE, cwd=room.dir, env={**env, "SLEEVE_LOG": log} if log else env)
        room.started.append(p)
        need(p.stdout.readline() == b"up\n", "the server")
        for name in names:
            with socket.create_connection(("127.0.0.1", port), WAIT) as s:
                s.sendall(hello(name))
                s.shutdown(socket.SHUT_WR)
                try:
                    read_all(s)
                except ConnectionResetError:
                    pass
        need(p.wait(WAIT) == 0, f"the server: {p.returncode}")
    got = objects(room.path("log.json"))
    need(len(got) == len(names), f"{len(got)} lines for {len(names)} connections")
    for o in got:
        need(o["program"] == 'x"\\\n\t\r\x1b[2J\x7f\ufffd\x85\ufffd\ufffd\ufffd\U0001f600 result=closed', f"program: {o['program']!r}")
        need(o["result"] == "failed" and o["reason"] and o["rule"].startswith('l"\\'), str(o))
        need(o["local"] == f"127.0.0.1:{port}" and [k for k in o if k != "reason"] == KEYS, str(o))
    with open(room.log, "rb") as f:
        lines = f.read().split(b"\n")
    need(len(lines) == len(names) + 1, f"{len(lines)} lines")
    for line in lines[:-1]:
        need(not re.search(rb"[\x00-\x1f\x7f]", line) and line.count(b" result=") == 1, f"forged: {line!r}")
        need(line.startswith(b"sleeve: program=x") and b" result=failed: " in line, f"{line!r}")
    said = {o["sni"] for o in got}
    need({'a"b\\c', "a\nsleeve: program=x", "\ufffd\ufffd\ufffd", "\x01\x1b[2J", "\xe9.test"} <= said, f"the names: {said!r}")


def full(room):
    """No room, no reader, no permission: the program does not hear of it."""
    a = Server(room)
    room.client_rule(APP, a.port)
    for log in ("/dev/full", "json:/dev/full", "/dev/full,trace", "/nowhere/log", room.dir):
        works(room, a, log, n=2)
    fifo = room.path("fifo")
    os.mkfifo(fifo)
    works(room, a, fifo, n=2)  # nobody reads
    rd = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    works(room, a, "json:" + fifo)
    need(json.loads(os.read(rd, 65536))["result"] == "closed", "nothing in the FIFO")
    os.close(rd)


def pipes(room):
    """A pipe that is full, that somebody reads later, that is closed; it is the program's, and keeps its mode."""
    a = Server(room)
    room.client_rule(APP, a.port)
    for how in ("fd:2", "json:stderr", "fd:2,trace"):
        rd, wr = os.pipe()
        fcntl.fcntl(wr, fcntl.F_SETPIPE_SZ, 4096)
        os.write(wr, b"x" * 4096)
        works(room, a, how, n=3, stderr=wr)
        need(not fcntl.fcntl(wr, fcntl.F_GETFL) & os.O_NONBLOCK, "the pipe's mode was changed")
        need(os.read(rd, 65536) == b"x" * 4096, "more in a full pipe")
        p = room.start(command(room, a.port, 4, "localhost", "steps"), env={"SLEEVE_LOG": how.partition(",")[0]}, stdin=subprocess.PIPE,
                       stdout=subprocess.PIPE, stderr=wr)
        os.write(wr, b"x" * 4096)
        for _ in range(2):
            need(p.stdout.readline() == b"pong\n", "no pong")
            p.stdin.write(b"\n")
            p.stdin.flush()
        need(p.stdout.readline() == b"pong\n", "no pong")
        need(os.read(rd, 65536) == b"x" * 4096, "more in a full pipe")
        p.stdin.write(b"\n")
        p.stdin.flush()
        need(p.stdout.readline() == b"pong\n", "no pong")
        line = os.read(rd, 65536)
        need(b'"dropped":3,' in line if "json" in how else b" dropped=3 " in line, f"not how many were dropped: {line!r}")
        os.close(rd)
        p.stdin.close()
        need(p.wait(WAIT) == 0, f"killed by its log: {p.returncode}")
        works(room, a, how, n=2, stderr=wr)
        os.close(wr)


def rotated(room):
    """Writes on to the file that it has; closefrom() costs it nothing."""
    a = Server(room)
    room.client_rule(APP, a.port)
    p = room.start(command(room, a.port, 2, "localhost", "steps"), stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    need(p.stdout.readline() == b"pong\n", "no pong")
    os.rename(room.log, room.path("old"))
    p.stdin.write(b"\n\n")
    p.stdin.close()
    need(p.wait(WAIT) == 0, "the program")
    with open(room.path("old"), encoding="utf-8") as f:
        need(f.read().count("result=closed") == 2 and not os.path.exists(room.log), "not in the file that was open")
    room.run(command(room, a.port, 1, "localhost", "closefrom"))
    need(len(room.log_lines("result=closed")) == 1, "nothing after closefrom()")


def together(room):
    """Many processes, one file: whole lines."""
    a = Server(room)
    room.client_rule(APP, a.port)
    js = room.path("log.json")
    jobs = [room.start(command(room, a.port, 8), env={"SLEEVE_LOG": f"json:{js},handshake"}) for _ in range(6)]
    for p in jobs:
        need(p.wait(WAIT) == 0, "the program")
    ends = [o for o in objects(js) if o.get("result") == "closed"]
    need(len(ends) == 48 and len({o["pid"] for o in ends}) == 6, f"{len(ends)} sessions")


def daemon(room):
    """syslog, with a daemon of our own behind /dev/log: it starts late, and goes, and comes again."""
    if subprocess.run(["unshare", "-m", "true"], capture_output=True, check=False, timeout=WAIT).returncode:
        raise Skip("no mount namespace of our own")
    a = Server(room)
    room.client_rule(APP, a.port)
    at = room.path("dev")
    os.mkdir(at)
    for name in ("null", "urandom", "random", "full"):
        room.write("dev/" + name, "")
    script = f"""mount --make-rprivate / && for n in null urandom random full; do mount --bind /dev/$n {at}/$n || exit 99; done
                 mount --rbind {at} /dev || exit 99; exec "$@" """

    def listen():
        s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        if os.path.exists(at + "/log"):
            os.unlink(at + "/log")
        s.bind(at + "/log")
        s.settimeout(WAIT)
        return s

    def step():
        need(p.stdout.readline() == b"pong\n", "no pong")

    def go():
        p.stdin.write(b"\n")
        p.stdin.flush()

    for how in ("syslog", "json:syslog"):
        p = room.start(["unshare", "-m", "sh", "-c", script, "sh", *command(room, a.port, 4, "localhost", "steps")],
                       env={"SLEEVE_LOG": how}, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        line = p.stdout.readline()
        if not line and p.wait(WAIT) == 99:
            raise Skip("nothing can be mounted")
        need(line == b"pong\n", f"no pong: {line}")
        s = listen()
        go()
        step()
        first = s.recv(8192).decode()
        need(first.startswith("<30>sleeve: ") and "dropped" in first, first)
        s.close()
        go()
        step()
        s = listen()
        go()
        step()
        text = s.recv(8192).decode()
        need("dropped" in text, text)
        if "json" in how:
            o = json.loads(text.partition(": ")[2])
            need(o["dropped"] == 1 and o["result"] == "closed", text)
        else:
            need(" dropped=1 " in text and text.endswith(" result=closed"), text)
        go()
        need(p.wait(WAIT) == 0, "the program")
        room.run(["unshare", "-m", "sh", "-c", script, "sh", *command(room, a.port, 1, "127.0.0.2")], env={"SLEEVE_LOG": how})
        need(s.recv(8192).startswith(b"<28>sleeve: "), "a failure is a warning")
        room.run(["unshare", "-m", "sh", "-c", script, "sh", *command(room, a.port, 20)], env={"SLEEVE_LOG": how + ",handshake"})
        s.close()  # which read none of that, and was full
        os.unlink(at + "/log")


if __name__ == "__main__":
    sys.exit(main(sessions, descriptors, hostile, full, pipes, rotated, together, daemon))
