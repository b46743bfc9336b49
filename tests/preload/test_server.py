#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""Servers of every kind under sleeve, against Python's TLS through the relay: many clients at once, slow ones, rude
ones, a server that speaks first (threats 40, 41)."""
import os
import socket
import ssl
import subprocess
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "lib"))
from wrap import WAIT, Bad, Room, exchange, free_port, need, payload, read_all, stop, wait_port  # noqa: E402

GREETING = b"HELLO FROM THE SERVER\n"
WAYS = ["serial", "forking", "threads", "prefork", "polling", "selecting", "epoll", "epoll-edge", "epoll-oneshot"]


def echo(room, port, size, greet, seed, errors):
    try:
        data = payload(size, seed)
        with room.dial(port) as s:
            if greet:
                need(read_all(s, len(GREETING)) == GREETING, "no greeting")
            need(exchange(s, data) == data, "other bytes")
            raw = s.unwrap()  # waits for the server's close_notify
            raw.close()
    except (OSError, ssl.SSLError, Bad) as e:
        errors.append(f"client {seed}: {type(e).__name__}: {e}")


def rude(port):
    """Connects and goes; plaintext; half a ClientHello; garbage in the middle."""
    for words in (b"", b"GET / HTTP/1.0\r\n\r\n", b"\x16\x03\x01\x02\x00\x01", b"\x16\x03\x01\x00\x05abcde", b"\x00" * 600):
        with socket.create_connection(("127.0.0.1", port), WAIT) as s:
            s.sendall(words)
            s.shutdown(socket.SHUT_WR)
            s.settimeout(WAIT)
            try:
                answer = read_all(s)
            except ConnectionResetError:
                answer = b""
            need(answer in (b"",) or answer[0] == 21, f"to {words[:20]!r} the server says {answer[:40]!r}")


def one(room, program, way, greet):
    port = free_port()
    room.conf = room.path(f"{way}-{greet}.conf")
    room.server_rule("server", port)
    with open(room.path("stderr"), "wb") as err:
        p = room.start(room.wrapped(program, way, str(port), "greet" if greet else "echo"), stderr=err)
    wait_port(port, p)
    relay = room.relay(port)
    rude(port)
    errors = []
    many = 1 if way == "serial" else 12
    clients = [threading.Thread(target=echo, args=(room, relay.port, size, greet, i, errors))
               for i, size in enumerate([1, 100000, 3000000, 16384] * 3)]
    for i in range(0, len(clients), many):
        for c in clients[i:i + many]:
            c.start()
        for c in clients[i:i + many]:
            c.join(WAIT * 2)
    need(not errors, "; ".join(errors))
    need(p.poll() is None, "the server has died")
    relay.check(connections=len(clients), least=2 * 9000000)
    with open(room.path("stderr"), "rb") as err:
        text = err.read()
    need(text == b"", f"stderr: {text!r}")
    stop(p)


def threat_31_deadline(room, program):
    """A client that stalls in the handshake is ended, whatever the server waits with; others go on."""
    for way in ("epoll", "polling"):
        port = free_port()
        room.conf = room.path(f"deadline-{way}.conf")
        room.server_rule("server", port, timeout="1s")
        p = room.start(room.wrapped(program, way, str(port)))
        wait_port(port, p)
        start = time.monotonic()
        with socket.create_connection(("127.0.0.1", port), WAIT) as s:
            errors = []
            echo(room, port, 1000, False, 1, errors)
            need(not errors, "; ".join(errors))
            s.settimeout(WAIT)
            s.sendall(b"\x16\x03\x01")
            try:
                s.recv(100)
            except ConnectionResetError:
                pass
            took = time.monotonic() - start
            need(0.8 < took < 6, f"{way}: a stalled handshake ended after {took:.1f} s, not 1")
        stop(p)


def main():
    failed = 0
    with Room() as room:
        room.certificates()
        program = room.path("server")
        subprocess.run(["gcc", "-std=gnu11", "-O2", "-g", "-D_GNU_SOURCE", "-o", program, os.path.join(HERE, "server.c"),
                        "-lpthread"], check=True, timeout=60)
        cases = [(w, g) for w in WAYS for g in (False, True)] + [("threat_31_deadline", None)]
        cases = [c for c in cases if not sys.argv[1:] or c[0] in sys.argv[1:]]
        for way, greet in cases:
            start = time.monotonic()
            try:
                threat_31_deadline(room, program) if way == "threat_31_deadline" else one(room, program, way, greet)
                print(f"ok    {way}{' greet' if greet else ''}  {time.monotonic() - start:.1f} s", flush=True)
            except (Bad, OSError, subprocess.SubprocessError, ssl.SSLError) as e:
                failed += 1
                print(f"FAIL  {way}{' greet' if greet else ''}: {e}", flush=True)
        if failed:
            print("\n".join(room.log_lines("")[-30:]))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
