#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""Python's own servers and clients, wrapped: http.server (sendfile), urllib, asyncio, makefile, selectors."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from wrap import exchange, free_port, main, need, payload, sha, skip_without, system_python, wait_port  # noqa: E402

skip_without("/usr/bin/python3")
ECHO = """
import asyncio, sys
async def talk(r, w):
    while data := await r.read(65536):
        w.write(data)
        await w.drain()
    w.close()
async def main():
    s = await asyncio.start_server(talk, '127.0.0.1', int(sys.argv[1]))
    await s.serve_forever()
asyncio.run(main())
"""
ASYNC_CLIENT = """
import asyncio, hashlib, sys
async def one(port, n):
    r, w = await asyncio.open_connection('localhost', port)
    data = b'SLEEVE-KNOWN-PAYLOAD' * n
    async def send():
        w.write(data)
        await w.drain()
    task = asyncio.create_task(send())
    back = await r.readexactly(len(data))
    await task
    w.close()
    return back == data
async def main(port):
    print(all(await asyncio.gather(*(one(port, n) for n in (1, 5, 50000, 7, 100000)))))
asyncio.run(main(int(sys.argv[1])))
"""
FILES = """
import socket, sys
s = socket.create_connection(('localhost', int(sys.argv[1])))
f = s.makefile('rw', newline='\\n')
for i in range(100):
    f.write('SLEEVE-KNOWN-PAYLOAD %d\\n' % i)
    f.flush()
    assert f.readline() == 'SLEEVE-KNOWN-PAYLOAD %d\\n' % i
print('fine')
"""
SENDFILE = """
import os, socket, sys
s = socket.create_server(('127.0.0.1', int(sys.argv[1])))
while True:
    c, _ = s.accept()
    with c, open(sys.argv[2], 'rb') as f:
        assert c.sendfile(f) == os.path.getsize(sys.argv[2])
"""


def python(room, *args, **kw):
    return room.run(room.wrapped(system_python(), *args), **kw)


def names(room):
    """The configuration selects by exact basename of the executable."""
    return os.path.basename(os.path.realpath(system_python()))


def http_and_urllib(room):
    port = free_port()
    relay = room.relay(port)
    room.server_rule(names(room), port)
    room.client_rule(names(room), relay.port)
    os.mkdir(room.path("www"))
    data = payload(30 << 20)
    room.write("www/file", data, 0o644)
    p = room.start(room.wrapped(system_python(), "-m", "http.server", "-b", "127.0.0.1", "-d", room.path("www"), str(port)))
    wait_port(port, p)
    out = python(room, "-c", "import sys, urllib.request as u; "
                 f"sys.stdout.buffer.write(u.urlopen('http://localhost:{relay.port}/file').read())", timeout=60)
    need(sha(out) == sha(data), "the file came back different")
    relay.check(least=len(data))


def asyncio_both(room):
    port = free_port()
    relay = room.relay(port)
    room.server_rule(names(room), port)
    room.client_rule(names(room), relay.port)
    p = room.start(room.wrapped(system_python(), "-c", ECHO, str(port)))
    wait_port(port, p)
    need(python(room, "-c", ASYNC_CLIENT, str(relay.port), timeout=60) == b"True\n", "asyncio's echo differs")
    need(python(room, "-c", FILES, str(relay.port)) == b"fine\n", "makefile")
    with room.dial(relay.port) as s:
        need(exchange(s, payload(2 << 20)) == payload(2 << 20), "echo to an unwrapped peer")
        s.unwrap().close()
    relay.check(connections=7)


def sendfile(room):
    port = free_port()
    relay = room.relay(port)
    room.server_rule(names(room), port)
    data = payload(25 << 20)
    p = room.start(room.wrapped(system_python(), "-c", SENDFILE, str(port), room.write("file", data)))
    wait_port(port, p)
    with room.dial(relay.port) as s:
        parts = []
        while part := s.recv(1 << 18):
            parts.append(part)
    need(sha(b"".join(parts)) == sha(data), "sendfile")
    relay.check(least=len(data))


if __name__ == "__main__":
    sys.exit(main(http_and_urllib, asyncio_both, sendfile))
