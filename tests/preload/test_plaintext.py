#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""Clients that do not speak TLS to a wrapped server: `plaintext = refuse | loopback | allow`. What they send is not lost,
and whoever speaks TLS gets it all the same."""
import os
import socket
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from wrap import MARK, WAIT, exchange, free_port, main, need, payload, read_all, skip_without, system_python, wait_port  # noqa: E402

skip_without("/usr/bin/python3")
APP = os.path.basename(os.path.realpath(system_python()))
# Echoes until the end; argv[2] is how. "first" says something before it reads.
SERVER = r"""
import os, select, socket, sys
s = socket.create_server(('', int(sys.argv[1])), family=socket.AF_INET6, dualstack_ipv6=True)
how = sys.argv[2]
def echo(c):
    if how == 'first':
        c.setblocking(False)
        c.send(b'hello\n')
    if how == 'stdio':
        f = c.makefile('rwb')
        for line in f:
            f.write(line)
            f.flush()
        return
    if how in ('poll', 'first'):
        c.setblocking(False)
        p = select.poll()
        p.register(c, select.POLLIN)
    elif how == 'epoll':
        c.setblocking(False)
        p = select.epoll()
        p.register(c, select.EPOLLIN | select.EPOLLET)
    else:
        p = None
    while True:
        if p:
            p.poll()
        while True:
            try:
                peek = c.recv(10, socket.MSG_PEEK)
                b = c.recv(65536)
                assert b.startswith(peek[:len(b)])
            except BlockingIOError:
                break
            if not b:
                c.shutdown(socket.SHUT_WR)
                return
            out = b
            while out:
                try:
                    out = out[c.send(out):]
                except BlockingIOError:
                    select.select([], [c], [])
            if not p or how == 'poll':
                break
while True:
    c = s.accept()[0]
    if how == 'fork' and os.fork():
        c.close()
        continue
    try:
        echo(c)
    except OSError:
        pass
    c.close()
    if how == 'fork':
        os._exit(0)
"""
WAYS = ("block", "poll", "epoll", "stdio", "first", "fork")


def serve(room, how, **more):
    if os.path.exists(room.conf):
        os.unlink(room.conf)
    port = free_port()
    room.server_rule(APP, port, **more)
    wait_port(port, room.start(room.wrapped(system_python(), room.write("server.py", SERVER), str(port), how)))
    return port


def in_clear(port, data, pieces=1, host="127.0.0.1"):
    """What comes back until the end."""
    got = b""
    with socket.create_connection((host, port), WAIT) as s:
        step = max(1, len(data) // pieces)
        try:
            for i in range(0, len(data), step):
                s.sendall(data[i:i + step])
            s.shutdown(socket.SHUT_WR)
            got = read_all(s)
        except OSError:
            pass
    return got


def in_tls(room, port, data, hello=b""):
    with room.dial(port) as s:
        need(read_all(s, len(hello)) == hello, "the first words")
        need(exchange(s, data) == data, "in TLS")
        s.unwrap()


def allowed(room):
    for how in WAYS:
        port = serve(room, how, plaintext="allow")
        need(room.log_lines("plaintext=allow"), "not said at the start")
        hello = b"hello\n" if how == "first" else b""
        for data, pieces in ((b"x\n", 1), (MARK + b"\n", 3), (payload(99999) + b"\n", 1)):
            got = in_clear(port, data, pieces)
            need(got == hello + data, f"{how}: {len(got)} bytes of {len(data)}, {got[:40]!r}")
        in_tls(room, port, payload(99999) + b"\n", hello)
        need(in_clear(port, MARK + b"\n") == hello + MARK + b"\n", f"{how}: after TLS")
    need(len(room.log_lines("role=server", "result=plaintext: the client does not speak TLS")) == 4 * len(WAYS), "not in the log")


def refused(room):
    for how in WAYS:
        port = serve(room, how)
        for data in (MARK + b"\n", b"x" * 100000, b"\x15\x03\x03\x00\x02\x02\x28", b"GET / HTTP/1.0\r\n\r\n"):
            got = in_clear(port, data)
            need(MARK not in got and b"hello" not in got and b"xxx" not in got, f"{how}: {got[:60]!r}")
        in_tls(room, port, b"data\n", b"hello\n" if how == "first" else b"")
    need(not room.log_lines("result=plaintext"), "plaintext in the log")


TURNS = r"""
import os, socket, sys
s = socket.create_server(('127.0.0.1', int(sys.argv[1])))
c = s.accept()[0]
assert c.recv(1) == b'a'
r, w = os.pipe()
if os.fork() == 0:
    os.read(r, 1)
    c.sendall(c.recv(1) + b' child\n')
    os._exit(0)
c.sendall(c.recv(1) + b' parent\n')
os.write(w, b'.')
os.wait()
c.sendall(c.recv(1) + b' parent\n')
"""


def turns(room):
    """Parent and child read and write a connection without TLS as they would one of the kernel's."""
    port = free_port()
    room.server_rule(APP, port, plaintext="allow")
    wait_port(port, room.start(room.wrapped(system_python(), room.write("turns.py", TURNS), str(port))))
    need(in_clear(port, b"abcd") == b"b parent\nc child\nd parent\n", "not all, or not in order")


def own_address():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        try:
            s.connect(("192.0.2.1", 9))
            return s.getsockname()[0]
        except OSError:
            return None


def loopback(room):
    port = serve(room, "block", plaintext="loopback")
    need(in_clear(port, MARK) == MARK, "127.0.0.1, on a socket of IPv6")
    need(in_clear(port, MARK, host="127.1.2.3") == MARK, "127.1.2.3")
    need(in_clear(port, MARK, host="::1") == MARK, "::1")
    in_tls(room, port, MARK)
    here = own_address()
    if not here or here.startswith("127."):
        return "no address but loopback"
    need(MARK not in in_clear(port, MARK, host=here), "another address of this machine is none of loopback")


def nothing_said(room):
    """Who says nothing is waited for no longer than for a handshake; who goes is gone."""
    port = serve(room, "block", plaintext="allow", timeout="500ms")
    with socket.create_connection(("127.0.0.1", port), WAIT) as s:
        s.settimeout(WAIT)
        need(s.recv(10)[:1] in (b"", b"\x15"), "more than an alert as the answer to nothing")
    with socket.create_connection(("127.0.0.1", port), WAIT):
        pass
    need(in_clear(port, MARK) == MARK, "the next one")


def half_a_hello(room):
    """One byte of a record is enough to tell: what follows is no data."""
    port = serve(room, "block", plaintext="allow")
    with socket.create_connection(("127.0.0.1", port), WAIT) as s:
        s.sendall(b"\x16")
        time.sleep(0.2)
        s.sendall(MARK * 4)
        s.settimeout(WAIT)
        try:
            need(MARK not in read_all(s), "echoed")
        except OSError:
            pass


def real_clients(room):
    port = serve(room, "stdio", plaintext="allow")
    p = subprocess.run(["openssl", "s_client", "-connect", f"localhost:{port}", "-CAfile", room.path("ca.pem"), "-quiet",
                        "-verify_return_error", "-tls1_2", "-no_ign_eof"], input=MARK + b"\nQ\n", capture_output=True, timeout=WAIT)
    need(p.returncode == 0, f"openssl: {p.stderr}")


if __name__ == "__main__":
    sys.exit(main(allowed, refused, turns, loopback, nothing_said, half_a_hello, real_clients))
