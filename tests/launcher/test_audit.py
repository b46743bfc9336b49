#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""threat 41: the tripwire. A program that writes past the library is found out, however it goes on; one that does not, is
not accused."""
import os
import re
import signal
import socket
import subprocess
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from wrap import BUILD, WAIT, Room, main, need, skip_without, until  # noqa: E402

skip_without("openssl")
SIDE = os.path.join(BUILD, "tests", "apps", "app_side")


class Echo:
    """A TLS server that sends back what it receives, until the records end."""

    def __init__(self, room, context=None):
        self.context = context or room.server_context()
        self.socket = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                s = self.socket.accept()[0]
            except OSError:
                return
            threading.Thread(target=self.one, args=(s,), daemon=True).start()

    def one(self, s):
        try:
            with self.context.wrap_socket(s, server_side=True) as t:
                while data := t.recv(1 << 16):
                    t.sendall(data)
        except OSError:
            s.close()


def strays(room):
    return [int(re.search(r" stray=(\d+) ", line).group(1)) for line in room.tripwire.strays()]


def tripwire(room):
    """In a room of its own, as that one fails for what it hears."""
    for how, want in (("clean", []), ("write", [5]), ("read", [5]), ("close", [5]), ("exit", [5]), ("exec", [5]),
                      ("child", [5]), ("late", [])):
        with Room() as own:
            own.certificates()
            echo = Echo(own)
            own.client_rule("app_side", echo.port, name="localhost")
            p = own.run(own.wrapped(SIDE, str(echo.port), how), check=False)
            need(p.returncode == 0, f"{how}: exit {p.returncode} {p.stderr.decode()}")
            until(lambda w=want, o=own: len(strays(o)) >= len(w), f"{how}: only {strays(own)} of {want}", 10)
            own.tripwire.close()
            need(strays(own) == want, f"{how}: {strays(own)}, not {want}: {own.tripwire.lines}")
            need(how == "exec" or any(" peer=127.0.0.1:" in line for line in own.tripwire.lines), f"{how}: no session")
            need(len(own.log_lines("result=bypassed")) == len(want), f"{how}: not in the log")
            own.tripwire.lines = []  # heard, and meant


def room_fails(room):
    """The tests of programs rely on it: a stray byte fails the room."""
    try:
        with Room() as own:
            own.certificates()
            echo = Echo(own)
            own.client_rule("app_side", echo.port, name="localhost")
            own.run(own.wrapped(SIDE, str(echo.port), "close"))
    except Exception as e:
        need("the tripwire: " in str(e) and "stray=5" in str(e), str(e))
        return
    need(False, "the room did not notice")


def audit(room, *argv):
    """Exit status and standard error of `sleeve audit`."""
    p = room.run([os.path.join(BUILD, "sleeve"), "audit", "-c", room.conf, "--", *argv], check=False,
                 env={"SLEEVE_AUDIT": ""})
    return p.returncode, p.stderr.decode()


def command(room):
    echo = Echo(room)
    port = str(echo.port)
    for app in ("app_side", "bash"):
        room.client_rule(app, echo.port, name="localhost")
    code, text = audit(room, SIDE, port, "clean")
    need(code == 0 and "1 session; 0 bytes without TLS" in text, f"clean: {code} {text}")
    need(re.search(rf"app_side +client +127.0.0.1:{port} +localhost +TLSv1.3 +TLS_\S+ +14 +14 +\d+/\d+ +clean\n", text),
         f"clean: {text}")
    for how in ("write", "read", "close", "exit", "exec", "child"):
        code, text = audit(room, SIDE, port, how)
        need(code == 1 and re.search(r"app_side\[\d+\]: 5 bytes left on fd 3 ", text) and "5 BYTES WITHOUT TLS" in text and
             "1 session; 5 bytes without TLS" in text, f"{how}: {code} {text}")
    # What a child does counts, also when it outlives its parent; the status is the command's.
    code, text = audit(room, "bash", "-c", f"{SIDE} {port} clean; {SIDE} {port} close; exit 7")
    need(code == 7 and "2 sessions; 5 bytes without TLS" in text, f"children: {code} {text}")
    code, text = audit(room, "bash", "-c", f"(sleep 1; {SIDE} {port} close) & exit 0")
    need(code == 1 and "1 session; 5 bytes without TLS" in text, f"orphan: {code} {text}")
    code, text = audit(room, "bash", "-c", f"{SIDE} {port} clean; kill -KILL $$")
    need(code == 137 and "1 session; 0 bytes" in text, f"killed: {code} {text}")


def statuses(room):
    room.client_rule("bash", 1)
    sleeve = os.path.join(BUILD, "sleeve")
    for argv, want in ((["--help"], 0), ([], 1), (["-x"], 1), (["-r"], 1), (["--", "true"], 2), (["--", "no-such-program"], 127)):
        p = subprocess.run([sleeve, "audit", *(["-c", room.conf] if "--" in argv else []), *argv], capture_output=True,
                           timeout=WAIT)
        need(p.returncode == want, f"{argv}: {p.returncode} {p.stderr.decode()}")
        need(bool(p.stdout) == (want == 0) and (b"VERDICT" not in p.stderr), f"{argv}: {p.stdout} {p.stderr}")


def signals_and_forgers(room):
    """A signal is passed on. Who does not know the key is not heard."""
    room.client_rule("bash", 1)
    p = room.start([os.path.join(BUILD, "sleeve"), "audit", "-c", room.conf, "--", "bash", "-c",
                    "trap 'exit 5' TERM; echo $SLEEVE_AUDIT; while :; do sleep 0.1; done"], stdout=subprocess.PIPE,
                   stderr=subprocess.PIPE)
    key = p.stdout.readline().decode().strip()
    need(re.fullmatch("[0-9a-f]{32}", key), f"the key: {key!r}")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
        line = "sleeve: program=x pid=1 role=client peer=- session=1 fd=3 stray=99 result=bypassed: x"
        for start in (key[:31] + ("0" if key[31] != "0" else "1"), "", key[:16]):
            s.sendto((start + line).encode(), "\0sleeve-audit-" + key[:16])
        s.sendto(key.encode(), "\0sleeve-audit-" + key[:16])
        s.sendto((key + "sleeve: program=\x1b[31m session=2 role= result=open").encode(), "\0sleeve-audit-" + key[:16])
    p.send_signal(signal.SIGTERM)
    text = p.communicate(timeout=WAIT)[1].decode()
    need(p.returncode == 5 and "1 session; 0 bytes without TLS" in text and "99" not in text, f"{p.returncode} {text}")
    need("\x1b" not in text, f"a terminal's sequence: {text!r}")


if not os.path.exists(SIDE):
    print(f"{SIDE} is not built")
    sys.exit(77)
sys.exit(main(tripwire, room_fails, command, statuses, signals_and_forgers))
