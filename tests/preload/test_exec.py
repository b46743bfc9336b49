#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""Connections of several processes and programs, under Sleeve: forked, over exec into a listed program, from an inetd.
The relay in between sees that nothing passes in clear (threats 40, 41)."""
import os
import shutil
import socket
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from wrap import BUILD, MARK, WAIT, free_port, main, need, read_all, skip_without, system_python, wait_port  # noqa: E402

skip_without("/usr/bin/python3", "perl")
PYTHON = os.path.basename(os.path.realpath(system_python()))
PERL = os.path.basename(os.path.realpath(shutil.which("perl")))
LIBRARY = os.path.join(BUILD, "libsleeve-preload.so")


def served(room, script, *args, **keys):
    """A server in Python that is wrapped; the port of a relay to it."""
    port = free_port()
    room.server_rule(PYTHON, port, **keys)
    p = room.start(room.wrapped(system_python(), "-c", script, str(port), *args))
    wait_port(port, p)
    return room.relay(port), p


PARENT_AND_CHILD = """
import os, socket, sys
s = socket.create_server(('127.0.0.1', int(sys.argv[1])))
c = s.accept()[0]
c.recv(20)
for n in range(50):
    pid = os.fork()
    c.sendall(b'SLEEVE-KNOWN-PAYLOAD %d %s\\n' % (n, b'child' if pid == 0 else b'parent'))
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
c.close()
"""


def threat_40_parent_and_child(room):
    relay, _ = served(room, PARENT_AND_CHILD)
    with room.dial(relay.port) as s:
        s.sendall(MARK)
        lines = read_all(s).splitlines()
    want = [b"%s %d %s" % (MARK, n, who) for n in range(50) for who in (b"child", b"parent")]
    need(sorted(lines) == sorted(want), f"{len(lines)} lines of {len(want)}")
    relay.check(least=5000)


IN_TURN = """
import os, socket, sys
s = socket.create_server(('127.0.0.1', int(sys.argv[1])))
c = s.accept()[0]
f = c.makefile('rb', buffering=0)
pid = os.fork()
while True:
    line = f.readline()
    if not line:
        break
    c.sendall(line)
if pid:
    os.waitpid(pid, 0)
"""


def two_that_read_and_write(room):
    """Whoever reads the line echoes it; bytes of one line may go to both, so each line is one byte."""
    relay, _ = served(room, IN_TURN)
    with room.dial(relay.port) as s:
        for _ in range(200):
            s.sendall(b"\n")
            need(s.recv(1) == b"\n", "an echo")
    relay.check()


PREFORK = """
import os, socket, sys
s = socket.create_server(('127.0.0.1', int(sys.argv[1])))
for _ in range(3):
    os.fork()
while True:
    c = s.accept()[0]
    if os.fork() == 0:
        while data := c.recv(4096):
            c.sendall(data)
        os._exit(0)
    c.close()
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass
"""


def prefork_and_fork_per_connection(room):
    relay, _ = served(room, PREFORK)
    for n in range(20):
        with room.dial(relay.port) as s:
            s.sendall(MARK * 50)
            need(read_all(s, 1000) == MARK * 50, f"the echo of connection {n}")
    relay.check(connections=20, whole=False)


# ---- exec ----

EXEC = """
import os, socket, sys
s = socket.create_server(('127.0.0.1', int(sys.argv[1])))
c = s.accept()[0]
line = c.recv(20)
how = sys.argv[2]
c.sendall(b'before %s\\n' % line)
if how == 'stdio':
    for fd in 0, 1:
        os.dup2(c.fileno(), fd)
    number = '0'
else:
    os.set_inheritable(c.fileno(), True)
    number = str(c.fileno())
if how == 'fork' and os.fork():
    os.wait()
    c.sendall(b'parent again\\n')
    os._exit(0)
os.execv(sys.argv[3], [sys.argv[3], '-e', sys.argv[4], number])
"""
PERL_CODE = """
open(my $in, '<&=', $ARGV[0]) or die; open(my $out, '>&=', $ARGV[0] == 0 ? 1 : $ARGV[0]) or die;
sysread($in, my $buf, 100); syswrite($out, "perl $buf");
"""


def over_exec(room, how, answer):
    port = free_port()
    room.server_rule(PYTHON, port)
    room.server_rule(PERL, port)
    p = room.start(room.wrapped(system_python(), "-c", EXEC, str(port), how, os.path.realpath(shutil.which("perl")),
                                PERL_CODE))
    wait_port(port, p)
    relay = room.relay(port)
    with room.dial(relay.port) as s:
        s.sendall(MARK)
        want = b"before " + MARK + b"\n"
        need(read_all(s, len(want)) == want, "what the first program says")
        s.sendall(MARK)
        got = read_all(s)
        need(got == b"perl " + MARK + answer, f"{got}")
    relay.check()


def exec_on_stdio(room):
    over_exec(room, "stdio", b"")


def exec_on_its_number(room):
    over_exec(room, "number", b"")


def exec_in_a_child(room):
    over_exec(room, "fork", b"parent again\n")


def exec_past_a_rule_that_does_not_fit(room):
    """What the peer proved it proved to other rules; the next one is as those were."""
    room.server_rule(PERL, free_port(), alpn="h2")
    over_exec(room, "number", b"")


def exec_into_rules_that_do_not_fit(room):
    """The connection is over, the program is not."""
    port = free_port()
    room.server_rule(PYTHON, port)
    room.server_rule(PERL, port, alpn="h2")
    p = room.start(room.wrapped(system_python(), "-c", EXEC, str(port), "number", os.path.realpath(shutil.which("perl")),
                                "exit 7"))
    wait_port(port, p)
    relay = room.relay(port)
    with room.dial(relay.port) as s:
        s.sendall(MARK)
        want = b"before " + MARK + b"\n"
        need(read_all(s, len(want)) == want, "what the first program says")
        try:
            more = s.recv(100)
        except OSError:
            more = b""
        need(more == b"", f"{more}")
    need(p.wait(30) == 7, f"the second program: {p.returncode}")
    need(relay.wires[0][1].bad is None, "plaintext on the wire")


EXEC_FAILS = """
import errno, os, socket, sys
s = socket.create_server(('127.0.0.1', int(sys.argv[1])))
c = s.accept()[0]
c.recv(20)
os.set_inheritable(c.fileno(), True)
try:
    os.execv(sys.argv[2], ['perl'])
except OSError as e:
    c.sendall(b'SLEEVE-KNOWN-PAYLOAD %s' % errno.errorcode[e.errno].encode())
c.close()
"""


def exec_that_fails(room):
    """The descriptor is the connection again."""
    script = room.write(PERL, b"\x7fELF no program\n", 0o755)
    room.rule(PERL, {"role": "server", "match": "local *:1", "action": "bypass"})
    relay, _ = served(room, EXEC_FAILS, script)
    with room.dial(relay.port) as s:
        s.sendall(MARK)
        need(read_all(s) == MARK + b" ENOEXEC", "the connection after the exec")
    relay.check()


def threat_41_not_a_program_of_ours(room):
    """Its name is in the configuration, but the library does not get there: it has a stand-in, no socket."""
    port = free_port()
    room.server_rule(PYTHON, port)
    room.server_rule("cat", port)
    script = EXEC.replace("os.execv(sys.argv[3], [sys.argv[3], '-e', sys.argv[4], number])",
                          "os.execve('/bin/cat', ['cat', '/etc/hostname'], "
                          "{**os.environ, 'SLEEVE_CONFIG': '/nonexistent', 'SLEEVE_OFF': '1'})")
    p = room.start(room.wrapped(system_python(), "-c", script, str(port), "stdio"))
    wait_port(port, p)
    relay = room.relay(port)
    with room.dial(relay.port) as s:
        s.sendall(MARK)
        want = b"before " + MARK + b"\n"
        need(read_all(s, len(want)) == want, "what the first program says")
        try:
            more = s.recv(100)
        except OSError:
            more = b""
        need(more == b"", f"{more}")
    p.wait(30)
    need(relay.wires[0][1].bad is None, "plaintext on the wire")


# ---- inetd ----

def inetd_case(room, start):
    port = free_port()
    program = room.path("served-echo")
    shutil.copy(os.path.realpath(shutil.which("cat")), program)
    room.server_rule("served-echo", port, adopt="stdio")
    start(port, program)
    wait_port(port)
    relay = room.relay(port)
    for _ in range(3):
        with room.dial(relay.port) as s:
            s.sendall(MARK)
            need(read_all(s, len(MARK)) == MARK, "the echo")
            s.unwrap()
    relay.check(connections=3, whole=False)


def inetd(room):
    """It gives its programs no LD_PRELOAD, so what it starts is the launcher."""
    def start(port, program):
        line = f"{os.path.join(BUILD, 'sleeve')} sleeve run -c {room.conf} -- {program}"
        room.start(["inetd", "-i", room.write("inetd.conf", f"127.0.0.1:{port} stream tcp nowait root {line}\n")])
    if not shutil.which("inetd"):
        return "skipped: openbsd-inetd is not installed"
    return inetd_case(room, start)


def tcpserver(room):
    """Without the launcher: it would refuse to start what is not listed."""
    def start(port, program):
        name = "tcpserver" if shutil.which("tcpserver") else "tcpsvd"
        room.start([name, *(["-HR"] if name == "tcpserver" else []), "127.0.0.1", str(port), program],
                   env={"LD_PRELOAD": LIBRARY, "SLEEVE_CONFIG": room.conf})
    if not shutil.which("tcpserver") and not shutil.which("tcpsvd"):
        return "skipped: neither tcpserver nor tcpsvd is installed"
    return inetd_case(room, start)


def threat_41_rules_that_cannot_be_read(room):
    """Nobody knows whose the connection is that the program is started with: so it is nobody's."""
    program = room.path("served-echo")
    shutil.copy(os.path.realpath(shutil.which("cat")), program)
    room.server_rule("served-echo", 1, adopt="stdio")
    os.unlink(room.path("server.key"))
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.create_connection(listener.getsockname()) as client:
        with listener.accept()[0] as s:
            p = room.start([program], env={"LD_PRELOAD": LIBRARY, "SLEEVE_CONFIG": room.conf}, stdin=s, stdout=s)
        client.settimeout(WAIT)
        try:
            client.sendall(MARK)
            got = read_all(client)
        except OSError:
            got = b""
        need(got == b"", f"{got} in clear")
        p.wait(WAIT)
    need(room.log_lines("result=refused"), "not a word in the log")


LISTEN_FDS = """
import os, socket, sys
s = socket.create_server(('127.0.0.1', int(sys.argv[1])))
c = s.accept()[0]
os.dup2(c.fileno(), 3)
os.environ.update(LISTEN_FDS='1', LISTEN_PID=str(os.getpid()))
os.execv(sys.argv[2], [sys.argv[2], '-e', 'open(my $s, "+<&=", 3); sysread($s, my $b, 100); syswrite($s, "got $b")'])
"""


def systemd_accept_yes(room):
    port = free_port()
    room.server_rule(PERL, port, adopt="listen-fds")
    p = room.start([system_python(), "-c", LISTEN_FDS, str(port), os.path.realpath(shutil.which("perl"))],
                   env={"LD_PRELOAD": LIBRARY, "SLEEVE_CONFIG": room.conf})
    wait_port(port, p)
    relay = room.relay(port)
    with room.dial(relay.port) as s:
        s.sendall(MARK)
        need(read_all(s) == b"got " + MARK, "the answer")
    relay.check()


if __name__ == "__main__":
    sys.exit(main(threat_40_parent_and_child, two_that_read_and_write, prefork_and_fork_per_connection, exec_on_stdio,
                  exec_on_its_number, exec_in_a_child, exec_past_a_rule_that_does_not_fit,
                  exec_into_rules_that_do_not_fit, exec_that_fails, threat_41_not_a_program_of_ours, inetd,
                  tcpserver, threat_41_rules_that_cannot_be_read, systemd_accept_yes))
