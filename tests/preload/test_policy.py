#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""Which connections become TLS, and what happens when the configuration cannot be used: never plaintext where a rule
wants TLS, never a change where none does. Log and environment."""
import os
import socket
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from wrap import MARK, WAIT, BUILD, free_port, main, need, read_all, skip_without, system_python  # noqa: E402

skip_without("/usr/bin/python3")
LIBRARY = os.path.join(BUILD, "libsleeve-preload.so")
APP = os.path.basename(os.path.realpath(system_python()))
# Connects, writes the mark, prints what it reads or the error's name.
CLIENT = """
import errno, socket, sys
for where in sys.argv[2:]:
    s = socket.socket(socket.AF_INET6 if ':' in where else socket.AF_INET)
    try:
        s.connect((where, int(sys.argv[1])))
        s.sendall(b'SLEEVE-KNOWN-PAYLOAD')
        print(s.recv(100).decode())
    except OSError as e:
        print(errno.errorcode[e.errno])
    s.close()
"""
ACCEPTOR = """
import errno, socket, sys
s = socket.create_server(('127.0.0.1', int(sys.argv[1])))
for _ in range(2):
    try:
        c = s.accept()[0]
        c.sendall(b'SLEEVE-KNOWN-PAYLOAD')
        c.close()
    except OSError as e:
        print(errno.errorcode[e.errno])
"""


class Listener:
    """Answers "tls" or "plain" by what the first bytes are; keeps them."""

    def __init__(self, room, host="127.0.0.1"):
        self.context, self.heard = room.server_context(), []
        self.socket = socket.create_server((host, 0), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            s = self.socket.accept()[0]
            s.settimeout(WAIT)
            try:
                first = s.recv(5, socket.MSG_PEEK)
                self.heard.append(first)
                if first[:1] == b"\x16":
                    with self.context.wrap_socket(s, server_side=True) as t:
                        need(t.recv(100) == MARK, "the data")
                        t.sendall(b"tls")
                        t.recv(1)
                elif first:
                    s.sendall(b"plain")
            except OSError:
                pass
            s.close()


def ask(room, port, *where, env=None):
    """Without the launcher: it would refuse to start what is not listed."""
    more = {"LD_PRELOAD": LIBRARY, "SLEEVE_CONFIG": room.conf, **(env or {})}
    return room.run([system_python(), "-c", CLIENT, str(port), *where], env=more).decode().split()


def tls_where_a_rule_matches(room):
    a, b = Listener(room), Listener(room)
    room.client_rule(APP, a.port)
    need(ask(room, a.port, "localhost", "127.0.0.1") == ["tls", "tls"], "not TLS")
    need(ask(room, b.port, "127.0.0.1") == ["plain"], "a port without a rule")
    os.unlink(room.conf)
    room.client_rule("another-program", a.port)
    need(ask(room, a.port, "127.0.0.1") == ["plain"], "another program's rule")
    need(ask(room, a.port, "127.0.0.1", env={"SLEEVE_CONFIG": "", "SLEEVE_RULES":
                                             f"client {APP} *:{a.port} ca={room.path('ca.pem')}"}) == ["tls"], "SLEEVE_RULES")
    need(ask(room, a.port, "127.0.0.1", env={"SLEEVE_RULES": f"client {APP} *:{a.port} ca={room.path('ca.pem')}",
                                             "SLEEVE_OFF": "1"}) == ["plain"], "SLEEVE_OFF")


def version_six(room):
    room.certificates("localhost", "::1", "127.0.0.1")
    a = Listener(room, "::1")
    room.client_rule(APP, a.port)
    need(ask(room, a.port, "::1") == ["tls"], "IPv6")
    b = Listener(room)
    room.client_rule(APP, b.port)
    need(ask(room, b.port, "::ffff:127.0.0.1") == ["tls"], "a mapped address")


def names(room):
    """The name that was looked up has to be in the certificate, unless the rule has one."""
    a = Listener(room)
    room.certificates("server.test")
    a.context = room.server_context()
    room.client_rule(APP, a.port)
    need(ask(room, a.port, "localhost") == ["EACCES"], "a certificate for another name")
    need(ask(room, a.port, "127.0.0.1") == ["EACCES"], "a certificate without the address")
    os.unlink(room.conf)
    room.client_rule(APP, a.port, name="server.test")
    need(ask(room, a.port, "localhost", "127.0.0.1") == ["tls", "tls"], "the rule's name")
    os.unlink(room.conf)
    room.client_rule(APP, a.port, verify="none")
    need(ask(room, a.port, "localhost") == ["tls"], "verify = none")
    need(room.log_lines("verify=none"), "verify = none is not in the log")
    need(MARK not in b"".join(a.heard), "plaintext")


def actions(room):
    a = Listener(room)
    room.rule(APP, {"role": "client", "match": f"*:{a.port}", "action": "refuse"})
    need(ask(room, a.port, "127.0.0.1") == ["EACCES"], "refuse")
    os.unlink(room.conf)
    room.rule(APP, {"role": "client", "match": f"127.0.0.0/8:{a.port}", "action": "bypass"})
    room.client_rule(APP, a.port)
    need(ask(room, a.port, "127.0.0.1") == ["plain"], "bypass")
    need(len(a.heard) == 1, "a refused connection was made")


def broken(room):
    """A configuration that cannot be used: no connection at all."""
    a = Listener(room)
    for text in (f"[app {APP}]\n[nonsense\n", f"[app {APP}]\n[rule {APP} a]\nrole = client\nmatch = *:{a.port}\nca = /nowhere.pem\n",
                 f"[app {APP}]\n[rule {APP} a]\nrole = client\nmatch = *:{a.port}\nunknown-key = 1\n"):
        room.write("sleeve.conf", text)
        need(ask(room, a.port, "127.0.0.1", "localhost") == ["EACCES", "EACCES"], f"with {text!r}")
    need(not a.heard, "a connection was made")
    need(len(room.log_lines("refused")) >= 3, "not in the log")
    os.chmod(room.conf, 0o666)
    need(ask(room, a.port, "127.0.0.1") == ["EACCES"], "a file that anybody may write")
    room.write("sleeve.conf", f"[app {APP}]\n[rule {APP} a]\nrole = server\nmatch = local *:{a.port}\ncert = /nowhere\nkey = /no\n")
    port = free_port()
    p = room.start([system_python(), "-u", "-c", ACCEPTOR, str(port)], env={"LD_PRELOAD": LIBRARY, "SLEEVE_CONFIG": room.conf},
                   stdout=-1)
    for _ in range(2):
        for _ in range(200):
            try:
                with socket.create_connection(("127.0.0.1", port), WAIT) as s:
                    try:
                        need(read_all(s) == b"", "a server answers in plaintext")
                    except ConnectionResetError:
                        pass
                break
            except ConnectionRefusedError:
                threading.Event().wait(0.02)
    need(p.communicate(timeout=WAIT)[0].split() == [b"EACCES", b"EACCES"], "accept is not refused")


def logs(room):
    a = Listener(room)
    room.client_rule(APP, a.port)
    env = {"LD_PRELOAD": LIBRARY, "SLEEVE_CONFIG": room.conf}
    argv = [system_python(), "-c", CLIENT, str(a.port), "localhost"]
    p = room.run(argv, env=env, check=False)
    need(p.stderr == b"" and p.stdout == b"tls\n", "not silent")
    line = room.wait_log("role=client", "result=closed")[0]
    for word in ("program=python3", "pid=", f"peer=127.0.0.1:{a.port}", "name=localhost", "version=TLS", "suite=TLS_", "group=",
                 "sent=20", "received=3"):
        need(word in line, f"no {word} in {line}")
    p = room.run(argv, env={**env, "SLEEVE_LOG": "stderr"}, check=False)
    need(p.stderr.count(b"\n") == 1 and p.stderr.startswith(b"sleeve: program="), f"stderr: {p.stderr!r}")
    p = room.run(argv, env={**env, "SLEEVE_LOG": "fd:2"}, check=False)
    need(p.stderr.count(b"\n") == 1, f"fd:2: {p.stderr!r}")
    p = room.run(argv, env={**env, "SLEEVE_LOG": "/nowhere/log"}, check=False)
    need(p.stderr == b"" and p.stdout == b"tls\n", "a log that cannot be written must not matter")


if __name__ == "__main__":
    sys.exit(main(tls_where_a_rule_matches, version_six, names, actions, broken, logs))
