#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""Python's own servers and clients, wrapped: http.server (sendfile), urllib, asyncio, makefile, selectors, smtplib."""
import os
import socket
import sys
import threading

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


# Mails with text, a large attachment and lines that begin with a dot; what the server says of each.
SMTP = """
import smtplib, sys
from email.message import EmailMessage
with smtplib.SMTP('localhost', int(sys.argv[1]), timeout=40) as s:
    s.ehlo('client.test')
    print(s.does_esmtp, sorted(s.esmtp_features))
    for size in (10, 3000000):
        m = EmailMessage()
        m['From'], m['To'], m['Subject'] = 'a@client.test', 'b@server.test', 'SLEEVE-KNOWN-PAYLOAD'
        m.set_content('SLEEVE-KNOWN-PAYLOAD\\n.\\n..dots\\n')
        m.add_attachment(b'SLEEVE-KNOWN-PAYLOAD' * (size // 20), maintype='application', subtype='octet-stream')
        m.set_boundary('x' * 30)
        s.send_message(m)
        print(s.noop())
    try:
        s.sendmail('a@client.test', 'nobody@server.test', 'x')
    except smtplib.SMTPRecipientsRefused as e:
        print(e.recipients)
"""
# socketserver's threads and selectors with non-blocking sockets, MSG_PEEK, recv_into, sendmsg.
WAYS = """
import selectors, socket, sys
s = socket.socket()
s.setblocking(False)
assert s.connect_ex(('127.0.0.1', int(sys.argv[1]))) == 115
sel = selectors.DefaultSelector()
sel.register(s, selectors.EVENT_WRITE)
assert sel.select(40) and s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0
word = b'SLEEVE-KNOWN-PAYLOAD'
sel.modify(s, selectors.EVENT_READ)
try:
    s.recv(1)
    assert False
except BlockingIOError:
    pass
for n in (1, 10, 1000):
    assert s.sendmsg([word] * n) == len(word) * n
    room, at = bytearray(len(word) * n), 0
    while at < len(room):
        assert sel.select(40)
        assert s.recv(1, socket.MSG_PEEK) == word[at % 20:at % 20 + 1]
        at += s.recv_into(memoryview(room)[at:])
    assert room == word * n
s.setblocking(True)
s.settimeout(0.2)
try:
    s.recv(1)
    assert False
except TimeoutError:
    pass
s.settimeout(40)
s.shutdown(socket.SHUT_WR)
print(s.recv(1) == b'', s.fileno() >= 0)
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


class Mails:
    """An SMTP server of the plainest kind, which keeps what it is sent."""

    def __init__(self, context):
        self.context, self.mails = context, []
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            s = self.socket.accept()[0]
            if self.context:
                s = self.context.wrap_socket(s, server_side=True)
            with s, s.makefile("rwb") as f:
                self.talk(f)

    def talk(self, f):
        def say(text):
            f.write(text + b"\r\n")
            f.flush()

        say(b"220 server.test")
        while line := f.readline():
            word = line.upper().split()[0]
            if word == b"EHLO":
                say(b"250-server.test\r\n250-SIZE 9000000\r\n250 8BITMIME")
            elif word == b"RCPT" and b"nobody" in line:
                say(b"550 nobody is here")
            elif word == b"DATA":
                say(b"354 go on")
                mail = []
                while (line := f.readline()) != b".\r\n":
                    mail.append(line)
                self.mails.append(b"".join(mail))
                say(b"250 taken")
            elif word == b"QUIT":
                say(b"221 bye")
                return
            else:
                say(b"250 fine")


def smtplib(room):
    """Mails to a server with somebody else's TLS: what it says and what it gets are what they are in plaintext."""
    results = []
    for tls in (False, True):
        server = Mails(room.server_context() if tls else None)
        relay = room.relay(server.port, plain=not tls)
        if tls:
            room.client_rule(names(room), relay.port)
        argv = [system_python(), "-c", SMTP, str(relay.port)]
        out = room.run(room.wrapped(*argv) if tls else argv, timeout=60)
        results.append((out, server.mails))
    need(results[0] == results[1], "other mails or answers than without TLS")
    need(len(server.mails) == 2 and len(server.mails[1]) > 4_000_000 and b"550" in out, f"{out!r}")
    relay.check(least=4_000_000)


def ways(room):
    """Non-blocking connect, selectors, MSG_PEEK, recv_into, sendmsg, time limits and shutdown, from an echo."""
    port = free_port()
    relay = room.relay(port)
    room.server_rule(names(room), port)
    room.client_rule(names(room), relay.port, name="server.test")
    wait_port(port, room.start(room.wrapped(system_python(), "-c", ECHO, str(port))))
    need(python(room, "-c", WAYS, str(relay.port)) == b"True True\n", "another end")
    relay.check()


if __name__ == "__main__":
    sys.exit(main(http_and_urllib, asyncio_both, sendfile, smtplib, ways))
