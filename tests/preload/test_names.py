#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""Which name a server has to prove: what the program looked up, in every form that look-ups have. In a mount namespace with
an /etc/hosts of its own."""
import os
import socket
import ssl
import subprocess
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from wrap import MARK, WAIT, main, need, read_all, skip_without, system_python  # noqa: E402

skip_without("/usr/bin/python3", "unshare", "mount")
APP = os.path.basename(os.path.realpath(system_python()))
HOSTS = """127.0.0.1 localhost
127.0.0.5 a.test a.test.
127.0.0.5 b.test
127.0.0.5 canon.test alias.test
::1 six.test
127.0.0.5 xn--bcher-kva.test
"""
# Looks the names up, then connects to the last address; argv: port, address, [kind:]name ...
CLIENT = r"""
import errno, socket, sys
port, where = int(sys.argv[1]), sys.argv[2]
for word in sys.argv[3:]:
    kind, name = word.split('=')
    if kind == 'host':
        got = socket.gethostbyname_ex(name)[2]
    else:
        family = {'any': 0, 'four': socket.AF_INET, 'six': socket.AF_INET6, 'mapped': socket.AF_INET6}[kind]
        flags = socket.AI_CANONNAME | (socket.AI_V4MAPPED if kind == 'mapped' else 0)
        got = [a[4][0] for a in socket.getaddrinfo(name, port, family, socket.SOCK_STREAM, 0, flags)]
    if where == '-':
        last = got[0]
if where != '-':
    last = where
s = socket.socket(socket.AF_INET6 if ':' in last else socket.AF_INET)
try:
    s.connect((last, port))
    s.sendall(b'SLEEVE-KNOWN-PAYLOAD')
    print(s.recv(100).decode())
except OSError as e:
    print(errno.errorcode[e.errno])
"""


class Server:
    """Says "tls NAME", the name sent as SNI; or "plain"."""

    def __init__(self, room):
        self.context, self.sni = room.server_context(), None
        self.context.sni_callback = self.note
        self.socket = socket.create_server(("", 0), family=socket.AF_INET6, dualstack_ipv6=True)
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def note(self, _sock, name, _context):
        self.sni = name

    def serve(self):
        while True:
            s = self.socket.accept()[0]
            s.settimeout(WAIT)
            self.sni = None
            try:
                if s.recv(1, socket.MSG_PEEK) != b"\x16":
                    s.sendall(b"plain")
                    continue
                with self.context.wrap_socket(s, server_side=True) as t:
                    need(t.recv(100) == MARK, "the data")
                    t.sendall(b"tls " + (self.sni or "-").encode())
                    read_all(t)
            except (OSError, ssl.SSLError):
                pass
            finally:
                s.close()


def setup(room, *names):
    room.certificates(*names)
    return Server(room)


def ask(room, server, *words, where="-", **rule):
    if os.path.exists(room.conf):
        os.unlink(room.conf)
    room.client_rule(APP, server.port, **rule)
    room.write("hosts", HOSTS, 0o644)
    argv = room.wrapped(system_python(), room.write("client.py", CLIENT), str(server.port), where, *words)
    out = room.run(["unshare", "-m", "sh", "-c", 'mount --bind hosts /etc/hosts && exec "$@"', "sh", *argv])
    word = out.decode().strip()
    return word.lower() if word.startswith("tls") else word


def newest_first(room):
    s = setup(room, "b.test")
    need(ask(room, s, "any=a.test", "any=b.test") == "tls b.test", "the newest name")
    need(ask(room, s, "any=b.test", "any=a.test") == "EACCES", "an older name")
    need(ask(room, s, "any=b.test", "any=a.test", "any=b.test") == "tls b.test", "looked up again")
    need(ask(room, s, "any=b.test", "any=B.Test") == "tls b.test", "the same name in capitals")
    match = {"match": f"b.test:{s.port}"}
    need(ask(room, s, "any=b.test", "any=a.test", **match) == "tls b.test", "the rule's name, not the newest")
    need(ask(room, s, "any=a.test", **match) == "plain", "no rule for this name")
    match = {"match": f"a.test:{s.port} b.test:{s.port}"}
    need(ask(room, s, "any=a.test", "any=b.test", **match) == "tls b.test", "the newest, whatever the order of patterns")
    need(ask(room, s, "any=a.test", name="b.test") == "tls b.test", "the rule's own name")
    need(ask(room, s, "any=a.test", name="b.test", sni="other.test") == "tls other.test", "another SNI")


def forms(room):
    s = setup(room, "a.test", "six.test", "127.0.0.1", "127.0.0.5", "::1", "xn--bcher-kva.test")
    for words, want in (
            (["host=a.test"], "tls a.test"), (["four=a.test"], "tls a.test"), (["mapped=a.test"], "tls a.test"),
            (["any=a.test."], "tls a.test"), (["any=A.TEST"], "tls a.test"), (["six=six.test"], "tls six.test"),
            (["any=xn--bcher-kva.test"], "tls xn--bcher-kva.test"), (["any=XN--BCHER-KVA.test"], "tls xn--bcher-kva.test"),
            (["any=127.0.0.5"], "tls -"), (["any=127.5"], "tls -"), (["any=0x7f000005"], "tls -"), (["any=::1"], "tls -"),
            (["any=::ffff:127.0.0.5"], "tls -"), (["host=127.0.0.5"], "tls -")):
        got = ask(room, s, *words)
        need(got == want, f"{words}: {got!r} instead of {want!r}")
        need("EACCES" in ask(room, s, *words, name="x.test"), f"{words}: another name")
    match = {"match": f"A.test.:{s.port}"}
    for word in ("any=a.test", "host=A.TEST", "mapped=a.test."):
        need(ask(room, s, word, **match) == "tls a.test", f"{word} for the pattern A.test.")
    need(ask(room, s, "any=a.test", where="::ffff:127.0.0.5") == "tls a.test", "looked up as IPv4, connected as mapped")
    need(ask(room, s, "mapped=a.test", where="127.0.0.5") == "tls a.test", "looked up as mapped, connected as IPv4")
    need(ask(room, s, "any=a.test", where="127.0.0.1") == "tls -", "another address than the one looked up")
    for net in ("127.0.0.0/8", "[::ffff:127.0.0.0]/104", "127.0.0.5", "[::ffff:127.0.0.5]"):
        for where in ("127.0.0.5", "::ffff:127.0.0.5"):
            need(ask(room, s, where=where, match=f"{net}:{s.port}") == "tls -", f"{net}, {where}")
    need(ask(room, s, where="127.0.0.5", match=f"[::]/0:{s.port}") == "plain", "IPv4 is in no network of IPv6")
    need(ask(room, s, where="::1", match=f"0.0.0.0/0:{s.port}") == "plain", "nor the other way round")


def canonical(room):
    """What the resolver says is the real name proves nothing: it comes from the network."""
    s = setup(room, "canon.test")
    need(ask(room, s, "any=alias.test") == "EACCES", "AI_CANONNAME")
    need(ask(room, s, "host=alias.test") == "EACCES", "h_name")
    need(ask(room, s, "any=alias.test", match=f"canon.test:{s.port}") == "plain", "a rule for the canonical name")
    need(ask(room, s, "any=canon.test") == "tls canon.test", "the name itself")


if __name__ == "__main__":
    if subprocess.run(["unshare", "-m", "sh", "-c", "mount --bind /dev/null /etc/hosts"], capture_output=True, check=False).returncode:
        print("no mount namespace")
        sys.exit(77)
    sys.exit(main(newest_first, forms, canonical))
