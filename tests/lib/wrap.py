# SPDX-License-Identifier: ISC
"""What the tests of wrapped programs share: certificates, configurations, processes that are ended by
their own id, and a recording relay that insists on TLS on the wire.

The relay reads both directions record by record. A byte of a known payload in clear, or anything that is
not a TLS record of legal type, version and length, is a failure of the test (threat 41). And each wrapped
program has the tripwire of `sleeve audit`: a byte that left its socket without TLS is a failure, too.

A test ends in `main(case, ...)`, which prints a line per case; tests/apps/report reads them:

    ok|skip|FAIL  CASE  SECONDS s  N of M bytes in clear  NOTE

M is what the relays of the case carried."""
import hashlib
import itertools
import os
import re
import select
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.join(ROOT, os.environ.get("BUILD", "build"))
MARK = b"SLEEVE-KNOWN-PAYLOAD"
WAIT = 45.0  # seconds: nothing here takes longer unless it says so, on a busy machine either


class Bad(Exception):
    """The test has failed; the text says how."""


class Skip(Exception):
    """The case cannot be tried here; the text says why."""


def need(condition, text):
    if not condition:
        raise Bad(text)


def missing(programs):
    """A sentence, when one of them is not installed."""
    if "/sbin" not in os.environ["PATH"].split(":"):
        os.environ["PATH"] += ":/usr/sbin:/sbin"
    absent = [p for p in programs if not shutil.which(p)]
    return "not installed: " + ", ".join(absent) if absent else ""


def skip_without(*programs):
    """Exit 77 unless all of them are installed: for what every case of a test needs."""
    text = missing(programs)
    if text:
        print(text)
        sys.exit(77)


def needs(*programs):
    """The same for one case."""
    text = missing(programs)
    if text:
        raise Skip(text)


def system_python():
    return "/usr/bin/python3"


def payload(size, seed=1):
    """Bytes of that length, with the mark in every 64."""
    block = bytearray()
    i = 0
    while len(block) < max(1, min(size, 1 << 20)):
        block += MARK + hashlib.sha256(b"%d %d" % (seed, i)).digest() + b"%011d\n" % i
        i += 1
    whole = bytes(block[:1 << 20])
    return (whole * (size // len(whole) + 1))[:size]


def sha(data):
    return hashlib.sha256(data).hexdigest()


class Tripwire:
    """Listens to the library in the wrapped programs (SLEEVE_AUDIT): what it says of each session's end, and of bytes
    that went past it. All of it, as who has no room to say it waits."""

    def __init__(self):
        self.key, self.lines = os.urandom(16).hex(), []
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind("\0sleeve-audit-" + self.key[:16])
        self.thread = threading.Thread(target=self.listen, daemon=True)
        self.thread.start()

    def listen(self):
        while True:
            line = self.socket.recv(1 << 16).decode(errors="replace")
            if line == self.key:
                return
            if line.startswith(self.key):
                self.lines.append(line[len(self.key):])

    def strays(self):
        return [line for line in self.lines if " result=bypassed" in line]

    def close(self):
        """Behind what was said up to now."""
        if not self.thread.is_alive():
            return
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
            s.sendto(self.key.encode(), self.socket.getsockname())
        self.thread.join(WAIT)
        self.socket.close()


class Room:
    """A directory, and the processes that were started: all gone at the end."""

    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="sleeve-app-")
        self.started = []
        self.relays = []
        self.log = self.path("sleeve.log")
        self.conf = self.path("sleeve.conf")
        self.build, self.as_user = BUILD, {}
        self.tripwire = Tripwire()

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        for p in reversed(self.started):
            stop(p)
        for r in self.relays:
            r.close()
        self.tripwire.close()
        if kind and os.path.exists(self.log):
            with open(self.log, encoding="utf-8", errors="replace") as f:
                print("--- the log of sleeve\n" + "".join(f.readlines()[-30:]), end="")
        shutil.rmtree(self.dir, ignore_errors=True)
        need(kind or not self.tripwire.strays(), "the tripwire: " + "; ".join(self.tripwire.strays()))

    def path(self, name):
        return os.path.join(self.dir, name)

    def write(self, name, data, mode=0o600):
        data = data.encode() if isinstance(data, str) else data
        fd = os.open(self.path(name), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
        with os.fdopen(fd, "wb") as f:
            f.write(data)
        if self.as_user:
            shutil.chown(self.path(name), self.as_user["user"])
        return self.path(name)

    # ---- certificates ----

    def certificates(self, *names):
        """ca.pem; server.pem and server.key for the names; other.pem, a CA that has nothing to do with it."""
        names = names or ("localhost", "server.test", "127.0.0.1")
        for ca in ("ca", "other"):
            self.openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "3",
                         "-subj", f"/CN=test {ca}", "-keyout", self.path(ca + ".key"), "-out", self.path(ca + ".pem"),
                         "-addext", "keyUsage=critical,keyCertSign,cRLSign")
        san = ",".join(("IP:" if n.replace(".", "").isdigit() or ":" in n else "DNS:") + n for n in names)
        self.write("ext", f"subjectAltName={san}\nbasicConstraints=critical,CA:FALSE\n"
                          "extendedKeyUsage=serverAuth,clientAuth\nkeyUsage=digitalSignature\n")
        self.openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                     "-subj", "/CN=server", "-keyout", self.path("server.key"), "-out", self.path("server.csr"))
        self.openssl("x509", "-req", "-in", self.path("server.csr"), "-CA", self.path("ca.pem"), "-CAkey",
                     self.path("ca.key"), "-set_serial", "7", "-days", "2", "-extfile", self.path("ext"),
                     "-out", self.path("server.pem"))

    def openssl(self, *args):
        p = subprocess.run(["openssl", *args], capture_output=True, timeout=WAIT)
        need(p.returncode == 0, f"openssl {args[0]}: {p.stderr.decode()}")

    # ---- configuration ----

    def client_rule(self, app, ports, **more):
        keys = {"role": "client", "match": f"*:{ports}", "ca": self.path("ca.pem"), **more}
        return self.rule(app, keys)

    def server_rule(self, app, port, **more):
        keys = {"role": "server", "match": f"local *:{port}", "cert": self.path("server.pem"),
                "key": self.path("server.key"), **more}
        return self.rule(app, keys)

    def rule(self, app, keys):
        old = ""
        if os.path.exists(self.conf):
            with open(self.conf, encoding="utf-8") as f:
                old = f.read()
        label = f"r{old.count('[rule ')}"
        head = "" if f"[app {app}]" in old else f"[app {app}]\n"
        body = "".join(f"{k.replace('_', '-')} = {v}\n" for k, v in keys.items())
        self.write(os.path.basename(self.conf), f"{old}{head}[rule {app} {label}]\n{body}\n")

    # ---- processes ----

    def wrapped(self, *argv):
        """The command line under `sleeve run`."""
        launcher = os.path.join(self.build, "sleeve")
        need(os.path.exists(launcher), f"{launcher} is not built")
        return [launcher, "run", "-c", self.conf, "--", *argv]

    def share(self, user):
        """For programs that will not run as root: what is there belongs to the user from now on, who starts everything
        and has a copy of what is under test, as its place may be closed to others."""
        self.build = self.path("build")
        os.mkdir(self.build)
        for name in ("sleeve", "libsleeve-preload.so", "libsleeve-wrap.so"):
            shutil.copy(os.path.join(BUILD, name), self.build)
        for top, _, names in os.walk(self.dir):
            for path in (top, *(os.path.join(top, name) for name in names)):
                shutil.chown(path, user)
        if os.path.basename(os.path.dirname(self.dir)).startswith("sleeve-test-"):
            os.chmod(os.path.dirname(self.dir), 0o711)
        self.as_user = {"user": user, "group": user, "extra_groups": []}

    def env(self, more=None):
        return {**os.environ, "SLEEVE_LOG": self.log, "SLEEVE_AUDIT": self.tripwire.key, "LC_ALL": "C.UTF-8", **(more or {})}

    def start(self, argv, env=None, **kw):
        kw.setdefault("stdin", subprocess.DEVNULL)
        kw.setdefault("stdout", subprocess.DEVNULL)
        kw.setdefault("stderr", subprocess.DEVNULL)
        p = subprocess.Popen(argv, env=self.env(env), cwd=self.dir, process_group=0, **self.as_user, **kw)
        self.started.append(p)
        return p

    def run(self, argv, data=b"", timeout=WAIT, check=True, env=None):
        """Its standard output."""
        p = subprocess.run(argv, input=data, env=self.env(env), cwd=self.dir, capture_output=True, timeout=timeout,
                           **self.as_user)
        if check:
            need(p.returncode == 0, f"{' '.join(argv)}: exit {p.returncode}\n{p.stderr.decode(errors='replace')[-2000:]}")
        return p.stdout if check else p

    def relay(self, port, **kw):
        r = Relay(port, **kw)
        self.relays.append(r)
        return r

    def carried(self):
        """How many bytes in clear, of how many, the relays saw."""
        wires = [w for r in self.relays if not r.plain for pair in r.wires for w in pair]
        return sum(w.clear for w in wires), sum(w.bytes for w in wires)

    def log_lines(self, *words):
        if not os.path.exists(self.log):
            return []
        with open(self.log, encoding="utf-8", errors="replace") as f:
            return [line.rstrip("\n") for line in f if all(w in line for w in words)]

    def wait_log(self, *words, count=1):
        until(lambda: len(self.log_lines(*words)) >= count, f"no line with {words} in the log")
        return self.log_lines(*words)

    # ---- peers with somebody else's TLS ----

    def server_context(self):
        ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        ctx.minimum_version = ssl.TLSVersion.TLSv1_3
        ctx.load_cert_chain(self.path("server.pem"), self.path("server.key"))
        return ctx

    def client_context(self):
        ctx = ssl.create_default_context(cafile=self.path("ca.pem"))
        ctx.minimum_version = ssl.TLSVersion.TLSv1_3
        return ctx

    def dial(self, port, name="localhost", timeout=WAIT):
        raw = socket.create_connection(("127.0.0.1", port), timeout)
        return self.client_context().wrap_socket(raw, server_hostname=name)


def stop(p, wait=5.0):
    """Ends it and the children it may have left: it leads a process group of its own."""
    if p.poll() is None:
        p.terminate()
        try:
            p.wait(wait)
        except subprocess.TimeoutExpired:
            pass
    try:
        os.killpg(p.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    p.wait()


def until(f, text, seconds=WAIT):
    end = time.monotonic() + seconds
    while True:
        got = f()
        if got:
            return got
        need(time.monotonic() < end, text)
        time.sleep(0.02)


ports = itertools.count(os.getpid() * 128)


def free_port():
    """Nobody else is given it before it is used: ports from 32768 go to whoever asks for any, and each process looks in
    another place."""
    for i in ports:
        port = 10240 + i % 22528
        with socket.socket() as s:
            try:
                s.bind(("127.0.0.1", port))
                return port
            except OSError:
                pass


def listening(port):
    """Looked up, not tried: a wrapped server's first connection belongs to the test."""
    want = f":{port:04X}"
    for name in ("tcp", "tcp6"):
        with open(f"/proc/net/{name}", encoding="ascii") as f:
            for line in list(f)[1:]:
                part = line.split()
                if part[1].endswith(want) and part[3] == "0A":
                    return True
    return False


def wait_port(port, p=None):
    def there():
        need(p is None or p.poll() is None, f"{p and p.args[-1]}: ended before it listened")
        return listening(port)
    until(there, f"nobody listens on port {port}")


def exchange(s, data, expect=None):
    """Sends and receives at once over a TLS socket (Python's may not be used by two threads)."""
    expect = len(data) if expect is None else expect
    parts, have, at = [], 0, 0
    s.setblocking(False)
    end = time.monotonic() + 2 * WAIT
    while at < len(data) or have < expect:
        need(time.monotonic() < end, f"sent {at} of {len(data)}, received {have} of {expect}")
        idle = True
        try:
            if at < len(data):
                at += s.send(data[at:at + 65536])
                idle = False
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            pass
        try:
            while have < expect:
                part = s.recv(1 << 17)
                need(part, f"the end after {have} of {expect} bytes")
                parts.append(part)
                have += len(part)
                idle = False
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            pass
        if idle:
            select.select([s], [s] if at < len(data) else [], [], 1)
    s.settimeout(WAIT)
    return b"".join(parts)


def read_all(s, n=None):
    parts, have = [], 0
    while n is None or have < n:
        part = s.recv(1 << 18 if n is None else min(1 << 18, n - have))
        if not part:
            break
        parts.append(part)
        have += len(part)
    return b"".join(parts)


# ---- the relay -------------------------------------------------------------------------------

class Wire:
    """One direction of one connection, record by record."""

    def __init__(self, needles):
        self.needles, self.tail, self.rest = needles, b"", b""
        self.bytes = self.records = self.clear = 0
        self.bad, self.lost = None, False  # lost: no longer records
        self.open = None  # what is left of a record

    def feed(self, data):
        self.bytes += len(data)
        before = self.clear
        for needle in self.needles:
            end = self.tail[1 - len(needle):] if len(needle) > 1 else b""  # too short to count one again
            found = (end + data).count(needle)
            if found:
                self.clear += 0 if self.lost else found * len(needle)
                self.bad = self.bad or f"in clear: {needle!r}"
        self.tail = (self.tail + data)[-64:]
        if self.lost:
            self.clear += len(data)
            return
        left, at = self.open or 0, 0
        while at < len(data):
            if left:
                step = min(left, len(data) - at)
                at, left = at + step, left - step
                continue
            head = self.rest + data[at:at + 5 - len(self.rest)]
            at += len(head) - len(self.rest)
            if len(head) < 5:
                self.rest = head
                break
            self.rest = b""
            length = int.from_bytes(head[3:5], "big")
            if not 20 <= head[0] <= 23 or head[1] != 3 or head[2] not in (1, 3) or not 0 < length <= 16384 + 256:
                self.bad = self.bad or f"not a TLS record: {head.hex()} after {self.records} records"
                self.clear = before + len(data) - at + len(head)
                self.rest, self.open, self.lost = b"", 0, True
                return
            left = length
            self.records += 1
        self.open = left

    def whole(self):
        return not self.open and not self.rest


def wire_behind(words):
    """Of a protocol in which TLS begins behind words in clear: a regular expression of all of them."""
    class Behind(Wire):
        def __init__(self, needles):
            super().__init__(needles)
            self.words = b""

        def feed(self, data):
            if self.words is None:
                return super().feed(data)
            self.words += data
            found = re.match(words, self.words, re.S | re.M)
            if found:
                rest, self.words = self.words[found.end():], None
                return super().feed(rest)
            if len(self.words) > 4096 or any(n in self.words for n in self.needles):
                self.bad = self.bad or f"no TLS behind {self.words[:200]!r}"
                self.clear += len(data)
    return Behind


class Relay:
    """Listens on `port`, passes on to `target`. plain: only counts, for the job without TLS."""

    def __init__(self, target, needles=(MARK,), plain=False, kinds=(Wire, Wire)):
        self.target, self.needles, self.plain, self.kinds = target, needles, plain, kinds
        self.socket = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port = self.socket.getsockname()[1]
        self.wires, self.lock, self.busy, self.ended = [], threading.Lock(), 0, False
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                a = self.socket.accept()[0]
            except OSError:
                return
            try:
                b = socket.create_connection(("127.0.0.1", self.target), 5)
            except OSError:
                a.close()
                continue
            b.settimeout(None)
            pair = tuple(kind(self.needles) for kind in self.kinds)
            with self.lock:
                self.wires.append(pair)
                self.busy += 2
            ends = [2]
            for src, dst, wire in ((a, b, pair[0]), (b, a, pair[1])):
                src.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                threading.Thread(target=self.pump, args=(src, dst, wire, ends), daemon=True).start()

    def pump(self, src, dst, wire, ends):
        try:
            while True:
                data = src.recv(1 << 18)
                if not data:
                    break
                if not self.plain:
                    wire.feed(data)
                dst.sendall(data)
            dst.shutdown(socket.SHUT_WR)
        except OSError:
            for s in (src, dst):
                try:
                    s.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass
        with self.lock:
            self.busy -= 1
            ends[0] -= 1
            last = ends[0] == 0
        if last:
            src.close()
            dst.close()

    def check(self, connections=1, least=0, whole=True):
        """Everything that came through was TLS: at least so many connections and bytes."""
        until(lambda: self.busy == 0 or not whole, "connections through the relay stay open")
        need(len(self.wires) >= connections, f"{len(self.wires)} connections through the relay, not {connections}")
        for i, pair in enumerate(self.wires):
            for wire, who in zip(pair, ("client", "server")):
                need(not wire.bad, f"connection {i}, from the {who}: {wire.bad}")
                need(not whole or wire.whole(), f"connection {i}, from the {who}: ends inside a record")
        total = sum(w.bytes for pair in self.wires for w in pair)
        need(total >= least, f"only {total} bytes went through the relay, not {least}")
        return total

    def close(self):
        self.socket.close()


def main(*cases):
    """Runs the cases (or those that are named as arguments), each with a room of its own, and prints how each
    went; the exit status of the test."""
    words = []
    for case in cases:
        if len(sys.argv) > 1 and case.__name__ not in sys.argv[1:]:
            continue
        start, room, word, note = time.monotonic(), Room(), "ok", ""
        try:
            with room:
                room.certificates()
                note = case(room) or ""
        except Skip as e:
            word, note = "skip", str(e)
        except (Bad, OSError, subprocess.SubprocessError, ssl.SSLError) as e:
            word, note = "FAIL", f"{type(e).__name__}: {e}"
        clear, carried = room.carried()
        print(f"{word:<4}  {case.__name__}  {time.monotonic() - start:.1f} s  {clear} of {carried} bytes in clear  {note}".rstrip(),
              flush=True)
        words.append(word)
    if "FAIL" in words or not words:
        return 1
    return 0 if "ok" in words else 77


signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
