#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""Programs that speak TLS by themselves on a connection of a rule: `app-tls = refuse | bypass`. Never TLS in TLS, and with
bypass the same rule still wraps what does not begin with a ClientHello."""
import os
import shutil
import socket
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from wrap import MARK, WAIT, main, need, skip_without, system_python  # noqa: E402

skip_without("/usr/bin/python3", "openssl", "curl")
APP = os.path.basename(os.path.realpath(system_python()))
# argv: port, way, "own" (TLS of its own), "plain", or "listen" (the server speaks first)
CLIENT = r"""
import errno, select, socket, ssl, sys
port, how, what = int(sys.argv[1]), sys.argv[2], sys.argv[3]
s = socket.socket()
try:
    if how == 'block':
        s.connect(('localhost', port))
    else:
        s.setblocking(False)
        rc = s.connect_ex(('127.0.0.1', port))
        if rc == errno.EINPROGRESS:
            if how == 'poll':
                p = select.poll()
                p.register(s, select.POLLOUT)
            else:
                p = select.epoll()
                p.register(s, select.EPOLLOUT | select.EPOLLIN | select.EPOLLET)
            p.poll()
            rc = s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if rc:
            raise OSError(rc, 'connect')
        if what == 'listen':
            p = select.poll()
            p.register(s, select.POLLIN)
            p.poll()
        s.setblocking(True)
    if what == 'own':
        c = ssl.create_default_context(cafile='ca.pem')
        s = c.wrap_socket(s, server_hostname='localhost')
    if what == 'listen':
        print(s.recv(5).decode(), end=' ')
    s.sendall(b'SLEEVE-KNOWN-PAYLOAD')
    print(s.recv(100).decode())
    s.close()
except ssl.SSLError as e:
    print('SSLError')
except OSError as e:
    print(errno.errorcode[e.errno])
"""


class Server:
    """One TLS handshake; answers with what it got in it. first: speaks before."""

    def __init__(self, room, first=b""):
        self.context, self.first, self.raw = room.server_context(), first, []
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            s = self.socket.accept()[0]
            s.settimeout(WAIT)
            try:
                self.raw.append(s.recv(6, socket.MSG_PEEK))
                with self.context.wrap_socket(s, server_side=True) as t:
                    t.sendall(self.first)
                    got = t.recv(100)
                    t.sendall(b"tls" if got == MARK else b"tls in tls" if got[:1] == b"\x16" else b"?")
                    t.unwrap()
            except OSError:
                s.close()


def ask(room, server, how, what, **more):
    if os.path.exists(room.conf):
        os.unlink(room.conf)
    room.client_rule(APP, server.port, **more)
    return room.run(room.wrapped(system_python(), room.write("client.py", CLIENT), str(server.port), how, what)).decode().strip()


WAYS = ("block", "poll", "epoll")


def refused(room):
    """The default: the program's own ClientHello never leaves, neither plain nor wrapped."""
    server = Server(room)
    for how in WAYS:
        for more in ({}, {"app_tls": "refuse"}):
            need(ask(room, server, how, "own", **more) in ("EACCES", "SSLError"), f"{how}: TLS in TLS")
            need(ask(room, server, how, "plain", **more) == "tls", f"{how}: what is no TLS")
    need(len(room.log_lines("the program speaks TLS by itself")) == 2 * len(WAYS), "not in the log")


def bypassed(room):
    server = Server(room)
    for how in WAYS:
        need(ask(room, server, how, "own", app_tls="bypass") == "tls", f"{how}: a program's own TLS")
        need(not room.log_lines("version=TLS"), "wrapped all the same")
        need(ask(room, server, how, "plain", app_tls="bypass") == "tls", f"{how}: what is no TLS is wrapped")
        need(room.log_lines("version=TLS"), "not wrapped")
        os.unlink(room.log)
    greets = Server(room, b"first")
    for how in WAYS:
        need(ask(room, greets, how, "listen", app_tls="bypass") == "first tls", f"{how}: a server that speaks first")
    need(all(r[:1] == b"\x16" for r in server.raw + greets.raw), f"the first bytes: {server.raw} {greets.raw}")


def errors(room):
    """A refused connection and a bad certificate are told where the handshake is put off, too."""
    with socket.create_server(("127.0.0.1", 0)) as s:
        port = s.getsockname()[1]

    class Nobody:
        pass
    nobody = Nobody()
    nobody.port = port
    for how in WAYS:
        need(ask(room, nobody, how, "plain", app_tls="bypass") == "ECONNREFUSED", f"{how}: nobody listens")
    room.certificates("other.test")
    server = Server(room)
    for how in WAYS:
        need(ask(room, server, how, "plain", app_tls="bypass") == "EACCES", f"{how}: a wrong name")


def real_programs(room):
    done = []
    room.write("page", MARK)
    for name in ("curl", "openssl"):
        if not shutil.which(name):
            continue
        server = Server(room)
        if os.path.exists(room.conf):
            os.unlink(room.conf)
        room.client_rule(name, server.port, app_tls="bypass")
        if name == "curl":
            p = room.run(room.wrapped("curl", "-sS", "--http0.9", "--cacert", room.path("ca.pem"), "-m", "20",
                                      f"https://localhost:{server.port}/"), check=False)
            need(b"?" in p.stdout, f"curl with its own TLS: {p.stdout} {p.stderr}")
        else:
            p = room.run(room.wrapped("openssl", "s_client", "-connect", f"localhost:{server.port}", "-CAfile",
                                      room.path("ca.pem"), "-verify_return_error", "-quiet", "-no_ign_eof"), data=MARK,
                         check=False)
            need(p.returncode == 0, f"s_client: {p.stderr}")
        need(room.log_lines(f"program={name}", "result=plaintext: the program speaks TLS by itself"), f"{name}: not in the log")
        os.unlink(room.conf)
        room.client_rule(name, server.port)
        argv = (["curl", "-sS", "-k", "-m", "20", f"https://localhost:{server.port}/"] if name == "curl" else
                ["openssl", "s_client", "-connect", f"localhost:{server.port}", "-quiet"])
        need(room.run(room.wrapped(*argv), check=False).returncode != 0, f"{name}: refused")
        done.append(name)
    return " ".join(done)


if __name__ == "__main__":
    sys.exit(main(refused, bypassed, errors, real_programs))
