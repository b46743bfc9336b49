#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""inetutils' telnet (select, urgent data, longjmp) on a terminal, and busybox telnetd, linked statically and started by
tcpserver, so through a relay: a login prompt, Ctrl-C, a Synch (urgent data, in-band in TLS), 1 MB of output."""
import os
import pty
import re
import select
import shutil
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from jobs import each_way  # noqa: E402
from wrap import MARK, main, need, payload, sha, skip_without  # noqa: E402

skip_without("inetutils-telnet", "busybox", "tcpserver", "socat", "openssl")
# What a session is: a prompt, something that Ctrl-C ends, then much.
LOGIN = """#!/bin/sh
printf 'login: '; read -r name
trap 'hit=yes' INT
echo "hello $name"; while [ -z "$hit" ]; do sleep 0.1; done; echo interrupted
printf 'again: '; read -r name
echo "hello $name"; cat DATA; echo end of output; read -r name
"""


class Terminal:
    """The program on a terminal of its own."""

    def __init__(self, room, argv):
        self.fd, other = pty.openpty()
        self.p = room.start(argv, stdin=other, stdout=other, stderr=other, env={"TERM": "dumb"})
        os.close(other)
        self.seen = b""

    def until(self, word):
        """All up to the word, which must come."""
        end = time.monotonic() + 40
        while word not in self.seen:
            need(time.monotonic() < end, f"no {word!r} in {self.seen[-300:]!r}")
            if select.select([self.fd], [], [], 1)[0]:
                try:
                    self.seen += os.read(self.fd, 65536)
                except OSError:
                    need(False, f"the end before {word!r}: {self.seen[-300:]!r}")
        text, _, self.seen = self.seen.partition(word)
        return text

    def type(self, data):
        os.write(self.fd, data)


def telnet(room):
    data = payload(1 << 20).replace(b"\xff", b"x")
    data = re.sub(rb"[^\x20-\x7e\n]", b".", data)
    room.write("data", data)
    script = room.write("login", LOGIN.replace("DATA", room.path("data")), 0o700)

    def job(j):
        p = j.serve("tcpserver", "-HRl0", "127.0.0.1", str(j.listen), shutil.which("busybox"), "telnetd", "-i", "-l", script)
        t = Terminal(room, j.client("inetutils-telnet", "localhost", str(j.dial)))
        t.until(b"login: ")
        t.type(MARK + b"\r")
        t.until(b"hello " + MARK)
        t.type(b"\x03")
        t.until(b"interrupted")
        t.until(b"again: ")
        t.type(b"\x1d")  # its own command line
        t.until(b"telnet> ")
        t.type(b"send synch\r")
        t.type(b"second\r")
        t.until(b"hello ")
        t.until(b"second")
        out = t.until(b"end of output").replace(b"\r", b"").strip()
        need(out == data.strip(), f"{len(out)} of {len(data)} bytes, or other ones")
        t.type(b"\r")
        t.p.wait(20)
        j.check(least=1 << 20)
        p.terminate()
        p.wait(10)
        return sha(out)

    each_way(room, job, client="inetutils-telnet", server="tcpserver")


if __name__ == "__main__":
    sys.exit(main(telnet))
