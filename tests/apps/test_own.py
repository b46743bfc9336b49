#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""Programs of our own that hand a connection on: by fork(), by exec(), by SCM_RIGHTS; and one that has the kernel work on
it (io_uring). What cannot be done is refused with an errno and a sentence in the log, and nothing is ever in clear
(threats 40 and 41)."""
import os
import ssl
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from wrap import BUILD, MARK, Skip, exchange, free_port, main, need, payload, skip_without, wait_port  # noqa: E402

skip_without("openssl")


def serve(room, name, *args, **rule):
    """The program, wrapped, and a relay in front of it."""
    path = os.path.join(BUILD, "tests", "apps", name)
    if not os.path.exists(path):
        raise Skip(f"{path} is not built")
    port = free_port()
    relay = room.relay(port)
    room.server_rule(name, port, **rule)
    p = room.start(room.wrapped(path, str(port), *args), stderr=subprocess.PIPE)
    wait_port(port, p)
    return p, relay


def ended(p):
    p.wait(30)
    return p.returncode, p.stderr.read().decode()


def nothing_served(room, relay):
    """A client that gets no answer."""
    try:
        with room.dial(relay.port) as s:
            s.sendall(payload(1000))
            need(s.recv(100) == b"", "an answer")
    except (ssl.SSLError, ConnectionError):
        pass


def fork_both(room):
    """Parent and child read and write in turn."""
    rounds = 400
    p, relay = serve(room, "app_fork", str(rounds // 2))  # lines for each
    lines = [MARK + b" %d\n" % i for i in range(rounds)]
    with room.dial(relay.port) as s:
        for half in (lines[:rounds // 2], lines[rounds // 2:]):  # one by one, and many that wait
            if half[0] == lines[0]:
                got = b"".join(exchange(s, line, len(line) + 1) for line in half)
            else:
                got = exchange(s, b"".join(half), sum(map(len, half)) + len(half))
            need(got == b"".join(b"PC"[i % 2:i % 2 + 1] + line for i, line in enumerate(half)), f"{got[:200]!r}")
        need(s.recv(1) == b"", "no end")
    need(ended(p) == (0, ""), "app_fork does not end well")
    relay.check()


def goes_through(port):
    """What the other program echoes, and its end."""
    data = payload(1 << 20)
    need(exchange(port, data) == data, "other bytes")
    port.unwrap().close()


def exec_unwrapped(room):
    """A program that is not wrapped has the connection on its standard input and output, through a relay."""
    p, relay = serve(room, "app_hand", "exec", "cat")
    with room.dial(relay.port) as s:
        goes_through(s)
    need(ended(p) == (0, ""), "cat does not end well")
    relay.check(least=2 << 20)


def pass_unwrapped(room):
    """So has one that gets it by SCM_RIGHTS."""
    p, relay = serve(room, "app_hand", "pass", os.path.join(BUILD, "tests", "apps", "app_hand"), "-", "take")
    with room.dial(relay.port) as s:
        goes_through(s)
    need(ended(p) == (0, ""), "app_hand does not end well")
    relay.check(least=2 << 20)


def hand_over_refused(room):
    """Where the rule allows no relay, neither is done."""
    for way, words in ((("exec", "cat"), "exec: Permission denied"), (("pass", "cat"), "sendmsg: ")):
        room.conf = room.path(way[0] + ".conf")
        p, relay = serve(room, "app_hand", *way, handoff="none")
        nothing_served(room, relay)
        code, text = ended(p)
        need(code == 1 and words in text, f"{code} {text}")
        relay.check(whole=False)
    room.wait_log("result=refused", count=2)


def uring_falls_back(room):
    """There is no io_uring: a program that can do without it does."""
    p, relay = serve(room, "app_uring", "fall")
    with room.dial(relay.port) as s:
        for i in range(20):
            s.sendall(payload(3000, i))
            got = b""
            while len(got) < 3000:
                part = s.recv(3000 - len(got))
                need(part, "the end")
                got += part
            need(got == payload(3000, i), "other bytes")
        s.unwrap().close()
    need(ended(p) == (0, ""), "app_uring does not end well")
    relay.check()


def uring_fails(room):
    """One that cannot is told so, and says it."""
    room.server_rule("app_uring", free_port())
    path = os.path.join(BUILD, "tests", "apps", "app_uring")
    if not os.path.exists(path):
        raise Skip(f"{path} is not built")
    p = room.run(room.wrapped(path, "0", "fail"), check=False)
    need(p.returncode == 2 and b"io_uring: Function not implemented" in p.stderr, f"{p.returncode} {p.stderr!r}")


if __name__ == "__main__":
    sys.exit(main(fork_both, exec_unwrapped, pass_unwrapped, hand_over_refused, uring_falls_back, uring_fails))
