# SPDX-License-Identifier: ISC
"""What the tests against other TLS implementations share: an echo server and a client of ours, and what both sides
say about a connection. Ours are plain programs under `sleeve run`; its log is our side's account."""
import os
import select
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from wrap import BUILD, WAIT, free_port, need, payload, stop, system_python, until, wait_port  # noqa: E402

SUITES = ("TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256")
GROUPS = ("x25519", "secp256r1", "secp384r1")
KEYS = {"p256": ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"], "p384": ["ec", "-pkeyopt", "ec_paramgen_curve:P-384"],
        "p521": ["ec", "-pkeyopt", "ec_paramgen_curve:P-521"], "rsa": ["rsa:2048"], "rsa-pss": ["rsa-pss"],
        "ed25519": ["ed25519"], "ed448": ["ed448"]}
ECHO = """
import socket, sys, threading
def echo(s):
    try:
        while data := s.recv(50000):
            s.sendall(data)
    except OSError:
        pass
    s.close()
def serve(l):
    while True:
        threading.Thread(target=echo, args=(l.accept()[0],), daemon=True).start()
for port in sys.argv[1:]:
    threading.Thread(target=serve, args=(socket.create_server(("127.0.0.1", int(port)), backlog=64),)).start()
"""


def text(size, seed=1):
    """Lines of hex digits: nothing in them is a command of a test program that reads its input for commands."""
    lines = payload(size, seed).hex()[:size]
    return b"".join(lines[i:i + 99].encode() + b"\n" for i in range(0, size, 99))


def certificate(room, name, kind, ca="ca"):
    """NAME.pem and NAME.key, for localhost, with a key of that kind."""
    room.openssl("req", "-new", "-newkey", *KEYS[kind], "-nodes", "-subj", f"/CN={name}", "-keyout",
                 room.path(name + ".key"), "-out", room.path(name + ".csr"))
    room.openssl("x509", "-req", "-in", room.path(name + ".csr"), "-CA", room.path(ca + ".pem"), "-CAkey",
                 room.path(ca + ".key"), "-set_serial", str(100 + len(name)), "-days", "2", "-extfile", room.path("ext"),
                 "-out", room.path(name + ".pem"))


def of(room, name):
    return {"cert": room.path(name + ".pem"), "key": room.path(name + ".key")}


# ---- ours ----

def server(room, *rules):
    """An echo server under sleeve with a port for each dictionary of keys; the ports."""
    ports = [free_port() for _ in rules]
    for port, keys in zip(ports, rules):
        room.server_rule("python3", port, **keys)
    p = room.start(room.wrapped(system_python(), "-c", ECHO, *map(str, ports)))
    for port in ports:
        wait_port(port, p)
    return ports


def client(room, port, host="localhost", **keys):
    """nc under sleeve, as a process with pipes. It sends its input and our farewell, and waits for the peer's."""
    keys = {"ca": room.path("ca.pem"), **keys}
    rule = f"client nc.openbsd *:{port} " + " ".join(f"{k.replace('_', '-')}={v}" for k, v in keys.items())
    return piped(room, [os.path.join(BUILD, "sleeve"), "run", "-r", rule, "--", "nc.openbsd", "-N", host, str(port)])


def said(room, result="closed", **fields):
    """The next connection in our log has these fields; its line."""
    at = getattr(room, "at", 0)
    until(lambda: len(room.log_lines("result=")) > at, f"our log says nothing more (expected {result} {fields})")
    line = room.log_lines("result=")[at]
    room.at = at + 1
    need(line.split("result=")[1].startswith(result) if result == "closed" else result in line.split("result=")[1],
         f"not {result!r}: {line}")
    for k, v in fields.items():
        need(f" {k}={v} " in line, f"not {k}={v}: {line}")
    return line


def good(room, **fields):
    return said(room, version="TLSv1.3", **fields)


# ---- processes with pipes ----

def piped(room, argv, **kw):
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    return room.start(argv, **{**pipes, **kw})


def read(p, n=None):
    """That many bytes of its output; without n, all there will be."""
    got, end = b"", time.monotonic() + WAIT
    while n is None or len(got) < n:
        need(time.monotonic() < end, f"{p.args[0]}: {len(got)} bytes came, not {n}: {got[-200:]!r}")
        if select.select([p.stdout], [], [], 0.5)[0]:
            part = os.read(p.stdout.fileno(), 65536 if n is None else min(65536, n - len(got)))
            if not part:
                break
            got += part
    return got


def feed(p, data):
    def write():
        try:
            p.stdin.write(data)
            p.stdin.flush()
        except OSError:
            pass
    t = threading.Thread(target=write, daemon=True)
    t.start()
    return t


def talk(src, dst, data):
    """What goes into one comes out of the other, byte for byte."""
    t = feed(src, data)
    got = read(dst, len(data))
    if got != data:
        for p in {src, dst}:
            stop(p)
        need(False, f"{len(got)} of {len(data)} bytes, or other ones: {got[:100]!r}; " +
             "; ".join(f.read().decode(errors="replace")[-1500:] for p in {src, dst} for f in (p.stdout, p.stderr) if f))
    t.join(WAIT)


def finish(p, code=0):
    """Ends its input; its last words (standard output and error). code: the exit status, or "bad" for any but 0."""
    try:
        out, err = p.communicate(timeout=WAIT)
    except (ValueError, BrokenPipeError):  # the pipe was closed before
        need(False, f"{p.args}: cannot be finished")
    both = (out + err).decode(errors="replace")
    if code is not None:
        need(p.returncode != 0 if code == "bad" else p.returncode == code,
             f"{' '.join(p.args)}: exit {p.returncode}\n{both[-1500:]}")
    return both


def has(where, *words):
    for w in words:
        need(w.lower() in where.lower(), f"no {w!r} in {where[-1500:]!r}")
