#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""What a wrapped program has in its memory when its connections are closed: no traffic secret of theirs, nothing of what went
through them, no passphrase; and none of it is in its log at the highest level, or in its environment. While a connection is
open its secrets are there, and are found."""
import os
import re
import socket
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from wrap import WAIT, free_port, main, need, skip_without, system_python  # noqa: E402

skip_without("/usr/bin/python3", "openssl")
APP = os.path.basename(os.path.realpath(system_python()))
ROUNDS = 2
# Reads into memory of its own, and forgets what it read.
SERVER = """
import socket, sys
s = socket.create_server(('127.0.0.1', int(sys.argv[1])))
room = bytearray(8192)
print('listens', flush=True)
for i in range(int(sys.argv[2])):
    c = s.accept()[0]
    have = 0
    while have < 240:
        have += c.recv_into(memoryview(room)[have:240])
    c.sendall(memoryview(room)[:240])
    room[:] = bytes(len(room))
    print('open', flush=True)
    sys.stdin.readline()
    c.close()
    c = None
    print('closed', flush=True)
    sys.stdin.readline()
"""


def pieces(secret):
    """Every 12 bytes of it."""
    return [secret[i:i + 12] for i in range(0, len(secret) - 11, 12)]


def writable(pid):
    with open(f"/proc/{pid}/maps", encoding="ascii", errors="replace") as maps, open(f"/proc/{pid}/mem", "rb") as mem:
        for line in maps:
            where = re.match(r"([0-9a-f]+)-([0-9a-f]+) rw", line)
            if where:
                start, end = (int(x, 16) for x in where.groups())
                mem.seek(start)
                try:
                    yield line.split()[-1], mem.read(end - start)
                except OSError:
                    pass  # gone since


def found(pid, secrets):
    """Which of them, and where."""
    return {(name, where) for where, data in writable(pid) for name, secret in secrets.items()
            if any(p in data for p in pieces(secret))}


def traffic(path):
    """The secrets that the peer wrote to its key log."""
    with open(path, encoding="ascii") as f:
        lines = [line.split() for line in f if not line.startswith("#")]
    return {f"{label} {i}": bytes.fromhex(secret) for i, (label, _, secret) in enumerate(lines)}


def as_server(room):
    room.certificates()
    phrase = os.urandom(20).hex()
    room.write("phrase", phrase + "\n")
    room.openssl("pkcs8", "-topk8", "-in", room.path("server.key"), "-passout", "file:" + room.path("phrase"), "-out",
                 room.path("sealed.key"))
    os.chmod(room.path("sealed.key"), 0o600)
    port = free_port()
    room.rule(APP, {"role": "server", "match": f"local *:{port}", "cert": room.path("server.pem"),
                    "key": room.path("sealed.key"), "key-pass": room.path("phrase")})
    p = room.start(room.wrapped(system_python(), room.write("server.py", SERVER), str(port), str(ROUNDS)),
                   stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={"SLEEVE_LOG": room.log + ",trace"})

    def says(word):
        need(p.stdout.readline().strip().decode() == word, f"it does not say {word!r}")

    says("listens")
    secrets = {"the passphrase": phrase.encode()}
    for i in range(ROUNDS):
        ctx = room.client_context()
        ctx.keylog_filename = room.path(f"keys.{i}")
        text = os.urandom(240)
        raw = socket.create_connection(("127.0.0.1", port), WAIT)
        with ctx.wrap_socket(raw, server_hostname="localhost") as s:
            s.sendall(text)
            got = b""
            while len(got) < len(text):
                got += s.recv(8192)
            need(got == text, "it says something else")
            says("open")
            mine = traffic(room.path(f"keys.{i}"))
            need(any("TRAFFIC_SECRET_0" in name for name, _ in found(p.pid, mine)), "an open connection's secrets are not found")
            secrets.update(mine)
            secrets[f"plaintext {i}"] = text
            p.stdin.write(b"\n")
            p.stdin.flush()
            says("closed")
        left = found(p.pid, secrets)
        need(not left, f"after connection {i}: {sorted(left)}")
        p.stdin.write(b"\n")
        p.stdin.flush()
    need(p.wait(WAIT) == 0, "it fails")
    with open(room.log, "rb") as f:
        log = f.read().lower()
    need(len(log) > 1000, "the trace is short")
    for name, secret in secrets.items():
        need(not any(x in log for x in pieces(secret) + pieces(secret.hex().encode())), f"{name} is in the log")


if __name__ == "__main__":
    sys.exit(main(as_server))
