#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""Two server processes on two addresses that share their sessions: by shared memory, a real memcached
and a real redis-server. With the store there every session is resumed at the other server; with the
store killed or stopped in mid-run there are full handshakes, no failed one, and no long wait."""
import contextlib
import ctypes
import fcntl
import os
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback

BUILD = os.environ.get("BUILD", "build")
WAIT = int(os.environ.get("WAIT", "45"))
SOL_SSL = 0x5353
HOSTS = ("127.0.0.1", "127.0.0.2")
VERSIONS = {"1.2 by id": ["-tls1_2", "-no_ticket"], "1.3": ["-tls1_3"]}
ROUNDS = 12

with open("include/sleeve/ssl_socket.h", encoding="ascii") as header:
    text = re.sub(r"/\*.*?\*/", "", header.read(), flags=re.S)
names = re.search(r"enum \{(\s*SSL_OPT_NAME = 1,.*?)\};", text, re.S)[1]
OPT = {name: i for i, name in enumerate(re.findall(r"SSL_OPT_(\w+)", names), 1)}

HOME, PROGRAM = os.getcwd(), os.path.abspath(__file__)
lib = ctypes.CDLL(os.path.abspath(f"{BUILD}/libsleeve.so"), use_errno=True)
lib.ssl_error.restype = ctypes.c_char_p
lib.ssl_write.restype = lib.ssl_read.restype = ctypes.c_ssize_t


class Poll(ctypes.Structure):
    """struct pollfd"""
    _fields_ = [("fd", ctypes.c_int), ("events", ctypes.c_short), ("revents", ctypes.c_short)]


def option(name, value):
    data = value.to_bytes(4, "little") if isinstance(value, int) else value.encode()
    if lib.ssl_setsockopt(-1, SOL_SSL, OPT[name], data, len(data)) < 0:
        raise OSError(ctypes.get_errno(), lib.ssl_error(-1).decode())


# ---- servers ----------------------------------------------------------------------------------

def handshake(fd, blocking):
    while lib.ssl_handshake(fd) < 0:
        if blocking or ctypes.get_errno() != 11:
            return False
        lib.ssl_poll(ctypes.byref(Poll(fd, select.POLLIN | select.POLLOUT, 0)), 1, WAIT * 1000)
    return True


def talk(fd, blocking):
    if not blocking:
        fcntl.fcntl(fd, fcntl.F_SETFL, os.O_NONBLOCK)
    if handshake(fd, blocking):
        lib.ssl_write(fd, b"hello\n", 6)
        lib.ssl_shutdown(fd, socket.SHUT_WR)
        fcntl.fcntl(fd, fcntl.F_SETFL, 0)
        lib.ssl_read(fd, ctypes.create_string_buffer(100), 100)
    lib.ssl_close(fd)


def listen(host):
    """(TLS fd, port)"""
    listener = lib.ssl_socket(socket.AF_INET, socket.SOCK_STREAM, 0)
    with socket.socket(fileno=os.dup(listener)) as plain:
        plain.bind((host, 0))
        plain.listen(64)
        return listener, plain.getsockname()[1]


def server(host, blocking):
    """A child process; (pid, port). All of them have what the options have made before."""
    listener, port = listen(host)
    pid = os.fork()
    if pid:
        lib.ssl_close(listener)
        return pid, port
    serve(listener, blocking)


def stranger(host, blocking):
    """A process that has nothing of ours but a file of keys, as if on another machine."""
    args = [sys.executable, PROGRAM, "--serve", host, *wanted, "blocking" if blocking else ""]
    out = subprocess.Popen(args, stdout=subprocess.PIPE, cwd=HOME, env={**os.environ, "WHERE": os.getcwd()})
    return out.pid, int(out.stdout.readline())


def serve(listener, blocking):
    while True:
        fd = lib.ssl_accept(listener, None, None)
        if fd < 0:
            print("ssl_accept:", lib.ssl_error(-1).decode(), file=sys.stderr)
            os._exit(1)
        threading.Thread(target=talk, args=(fd, blocking), daemon=True).start()


@contextlib.contextmanager
def servers(blocking, start=None):
    pids = []
    try:
        ports = []
        for host in HOSTS:
            pid, port = (start or server)(host, blocking)
            pids.append(pid)
            ports.append(port)
        yield ports
    finally:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError, ChildProcessError): # one that had enough
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)


# ---- the client -------------------------------------------------------------------------------

def connect(host, port, flags, session, keep):
    """(resumed, seconds); raises when it fails. session: a file, there or not."""
    args = ["openssl", "s_client", "-connect", f"{host}:{port}", "-servername", "server.test", "-ign_eof",
            "-CAfile", "ca.pem", "-verify_return_error"] + flags
    if os.path.exists(session):
        args += ["-sess_in", session]
    if keep:
        args += ["-sess_out", session]
    start = time.monotonic()
    done = subprocess.run(args, stdin=subprocess.DEVNULL, capture_output=True, timeout=WAIT, check=False)
    took = time.monotonic() - start
    out = done.stdout.decode(errors="replace")
    assert done.returncode == 0 and "hello\n" in out, f"{host}: {out}{done.stderr.decode()}"
    kind = re.search(r"^(New|Reused), TLSv1", out, re.M)
    assert kind, out
    return kind[1] == "Reused", took


def rounds(ports, flags, session, count):
    """From one server to the other and back; how often a session was resumed, and the longest time."""
    resumed, longest = 0, 0
    for i in range(count):
        yes, took = connect(HOSTS[i % 2], ports[i % 2], flags, session, True)
        resumed += yes
        longest = max(longest, took)
    return resumed, longest


# ---- the stores -------------------------------------------------------------------------------

class Store:
    """A program that listens on a port, or a path."""

    def __init__(self, kind, path=None):
        self.kind, self.path, self.process = kind, path, None
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            self.port = s.getsockname()[1]
        self.name = f"{kind}:{path}" if path else f"{kind}:127.0.0.1:{self.port}"

    def start(self):
        if self.kind == "redis":
            args = ["redis-server", "--save", "", "--appendonly", "no"]
            args += (["--port", "0", "--unixsocket", self.path] if self.path else
                     ["--port", str(self.port), "--bind", "127.0.0.1"])
        else:
            args = ["memcached", "-m", "16", "-U", "0"] + (["-u", "root"] if os.getuid() == 0 else [])
            args += ["-s", self.path] if self.path else ["-p", str(self.port), "-l", "127.0.0.1"]
        if self.path and os.path.exists(self.path):
            os.unlink(self.path)
        self.process = subprocess.Popen(args, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        end = time.monotonic() + WAIT
        while time.monotonic() < end:
            with contextlib.suppress(OSError), self.dial():
                return
            time.sleep(0.05)
        raise TimeoutError(f"{self.name} does not start")

    def dial(self):
        s = socket.socket(socket.AF_UNIX if self.path else socket.AF_INET)
        s.settimeout(5)
        s.connect(self.path if self.path else ("127.0.0.1", self.port))
        return s

    def signal(self, number):
        self.process.send_signal(number)
        if number == signal.SIGKILL:
            self.process.wait()
        elif number == signal.SIGSTOP:
            os.waitid(os.P_PID, self.process.pid, os.WSTOPPED)

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()


def comes_back(ports, flags, session):
    """The store is there again: so are resumptions, as soon as it is asked again."""
    end = time.monotonic() + WAIT
    while time.monotonic() < end:
        connect(HOSTS[0], ports[0], flags, session, True)
        if connect(HOSTS[1], ports[1], flags, session, True)[0]:
            return
        time.sleep(0.2)
    raise AssertionError("no session is resumed any more")


wanted = []


def serve_with(store, timeout=2000):
    wanted[:] = [store, str(timeout)]
    option("SESSION_STORE", store)
    # The machine may be busy: an answer that is late is not what is tested.
    option("SESSION_STORE_TIMEOUT", timeout)


def check_there(ports, flags, session):
    resumed, _ = rounds(ports, flags, session, ROUNDS)
    assert resumed == ROUNDS - 1, f"{resumed} of {ROUNDS - 1} resumed"


def check_unknown(ports, flags, session):
    """A session that serves once is not resumed a second time (TLS 1.3)."""
    if "-tls1_3" in flags:
        connect(HOSTS[0], ports[0], flags, session, True)
        used = session + ".used"
        shutil.copy(session, used)
        assert connect(HOSTS[1], ports[1], flags, used, False)[0]
        assert not connect(HOSTS[0], ports[0], flags, used, False)[0]


def test_shm(blocking):
    serve_with("shm:1000")
    with servers(blocking) as ports:
        for name, flags in VERSIONS.items():
            check_there(ports, flags, f"shm.{name}.{blocking}")
            check_unknown(ports, flags, f"shm.{name}.{blocking}")


def test_there(kind, path, blocking):
    store = Store(kind, path)
    try:
        store.start()
        serve_with(store.name)
        with servers(blocking, stranger) as ports:
            for name, flags in VERSIONS.items():
                check_there(ports, flags, f"{kind}.{name}.{blocking}")
                check_unknown(ports, flags, f"{kind}.{name}.{blocking}")
    finally:
        store.stop()


def test_lost(kind, how, blocking):
    """Killed or stopped between two handshakes."""
    store = Store(kind)
    try:
        store.start()
        serve_with(store.name, 500)
        with servers(blocking, stranger) as ports:
            for name, flags in VERSIONS.items():
                session = f"{kind}.{how}.{name}.{blocking}"
                assert rounds(ports, flags, session, 4)[0] == 3
                store.signal(how)
                resumed, longest = rounds(ports, flags, session, 6)
                assert resumed == 0, f"{name}: {resumed} resumed without a store"
                assert longest < 15, f"{name}: {longest} s"
                if how == signal.SIGSTOP:
                    store.signal(signal.SIGCONT)
                else:
                    store.start()
                comes_back(ports, flags, session)
    finally:
        store.stop()


def test_garbage(answer):
    """Something that talks, but not as it should."""
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]

    def babble():
        while True:
            with contextlib.suppress(OSError):
                conn = listener.accept()[0]
                conn.recv(1000)
                conn.sendall(answer)

    threading.Thread(target=babble, daemon=True).start()
    for kind in ("memcached", "redis"):
        serve_with(f"{kind}:127.0.0.1:{port}", 300)
        with servers(True) as ports:
            for name, flags in VERSIONS.items():
                resumed, longest = rounds(ports, flags, f"{kind}.{answer[:5].hex()}.{name}", 4)
                assert resumed == 0 and longest < 15


# ---- all --------------------------------------------------------------------------------------

def certificates():
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                    "-days", "2", "-subj", "/CN=server.test", "-addext", "subjectAltName=DNS:server.test",
                    "-keyout", "key.pem", "-out", "ca.pem"], check=True, capture_output=True)
    with open("tickets.key", "wb", opener=lambda name, flags: os.open(name, flags, 0o600)) as f:
        f.write(os.urandom(80))
    use_certificates()


def use_certificates():
    option("CERT_FILE", os.path.abspath("ca.pem"))
    option("KEY_FILE", os.path.abspath("key.pem"))


def tests(where):
    for blocking in (True, False):
        yield "shm", test_shm, (blocking,)
    for kind in ("memcached", "redis"):
        for blocking in (True, False):
            yield kind, test_there, (kind, None if blocking else f"{where}/{kind}.sock", blocking)
            for how in (signal.SIGKILL, signal.SIGSTOP):
                yield kind, test_lost, (kind, how, blocking)
    for answer in (b"\xff\x00garbage\r\n", b"$99999999\r\n", b"VALUE x 0 999999999\r\n", b"*3\r\n:1\r\n:2\r\n:3\r\n",
                   b"+OK\r\n", b"", b"STORED\r\nEND\r\n", b"END\r\nSTORED\r\n" * 20, b"DELETED\r\n" * 20,
                   b"ERROR\r\n" * 20, b"VALUE sleeve:00 0 5\r\n", b"-ERR\r\n" * 20, b"$-2\r\n", b"\0" * 1000):
        yield "memcached", test_garbage, (answer,)


def main_serve(host, store, timeout, blocking):
    os.chdir(os.environ["WHERE"])
    use_certificates()
    option("TICKET_KEY_FILE", os.path.abspath("tickets.key"))
    serve_with(store, int(timeout))
    listener, port = listen(host)
    print(port, flush=True)
    serve(listener, blocking != "")


def main():
    for program in ("openssl", "memcached", "redis-server"):
        if not shutil.which(program):
            print(f"skipped: there is no {program}")
            return 77
    failed = 0
    home = os.getcwd()
    with tempfile.TemporaryDirectory() as where:
        os.chdir(where)
        certificates()
        for kind in ("memcached", "redis"):
            try:
                option("SESSION_STORE", f"{kind}:127.0.0.1:1")
            except OSError as e:
                print(f"skipped: {e.strerror}")
                return 77
        for _, test, args in tests(where):
            if len(sys.argv) > 1 and sys.argv[1] not in test.__name__ + repr(args):
                continue
            start = time.monotonic()
            try:
                test(*args)
                print(f"ok   {time.monotonic() - start:5.1f} s  {test.__name__}{repr(args)[:60]}", flush=True)
            except Exception:
                failed += 1
                print(f"FAIL {test.__name__}{args}")
                traceback.print_exc()
        os.chdir(home)
    return failed > 0


sys.exit(main_serve(*sys.argv[2:]) if sys.argv[1:2] == ["--serve"] else main())
