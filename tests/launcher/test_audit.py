#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""threat 41: the tripwire. A program that writes past the library is found out, however it goes on; one that does not, is
not accused."""
import os
import re
import socket
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from wrap import BUILD, Room, main, need, skip_without, until  # noqa: E402

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


if not os.path.exists(SIDE):
    print(f"{SIDE} is not built")
    sys.exit(77)
sys.exit(main(tripwire, room_fails))
