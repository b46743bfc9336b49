#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""socat on both sides: 64 MB in each direction at once, half-close, a process for each connection, and what EXEC may do."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from jobs import each_way  # noqa: E402
from wrap import exchange, free_port, main, need, payload, read_all, skip_without, wait_port  # noqa: E402

skip_without("socat", "openssl")
BIG = payload(64 << 20)


def both(room):
    """The server copies a file of its own to the client, and the client its own to the server: at once, each until its
    end; the connection ends when both have."""
    def job(j):
        size = len(BIG) if j.way == "both" else 4 << 20
        for name, data in (("a", BIG[:size]), ("b", BIG[7:size])):
            j.room.write(name, data)
        p = j.serve("socat", "-t", "30", f"TCP-LISTEN:{j.listen},bind=127.0.0.1", f"OPEN:{room.path('a')},rdonly!!CREATE:{room.path('b2')}")
        q = j.room.start(j.client("socat", "-t", "30", f"OPEN:{room.path('b')},rdonly!!CREATE:{room.path('a2')}", f"TCP:localhost:{j.dial}"))
        codes = q.wait(60), p.wait(60)
        for name in ("a", "b"):
            with open(j.room.path(name), "rb") as f, open(j.room.path(name + "2"), "rb") as g:
                need(f.read() == g.read(), f"other bytes in {name}2")
        j.check(least=2 * size)
        return codes

    each_way(room, job, client="socat", server="socat")


def listener(room, second, **more):
    port = free_port()
    relay = room.relay(port)
    room.server_rule("socat", port, **more)
    p = room.start(room.wrapped("socat", f"TCP-LISTEN:{port},fork,reuseaddr,bind=127.0.0.1", second))
    wait_port(port, p)
    return relay


def forks(room):
    """A process for each connection: several clients, at once."""
    relay = listener(room, "PIPE")
    clients = [room.dial(relay.port) for _ in range(5)]
    for i, s in enumerate(clients):
        need(exchange(s, payload(300000, i)) == payload(300000, i), "the echo differs")
    for s in clients:
        s.unwrap().close()
    relay.check(connections=5)


def execs(room):
    """EXEC and SYSTEM with a socketpair or pipes between; the end of the client is the end of its program."""
    for second in ("EXEC:cat", "EXEC:cat,pipes", "SYSTEM:cat"):
        relay = listener(room, second)
        with room.dial(relay.port) as s:
            need(exchange(s, payload(500000)) == payload(500000), second)
            s.unwrap().close()
        relay.check()


def exec_refused(room):
    """`nofork` gives the socket itself to a program that is not wrapped: with `handoff = none` that is not started."""
    relay = listener(room, "EXEC:cat,nofork", handoff="none")
    try:
        with room.dial(relay.port) as s:
            s.sendall(payload(100))
            got = read_all(s)
    except OSError:
        got = b""
    need(got == b"", f"a program without TLS answers: {got[:40]!r}")
    room.wait_log("result=refused")
    relay.check(whole=False)


def exec_handed(room):
    """By default it has the end of a relay process."""
    relay = listener(room, "EXEC:cat,nofork")
    for _ in range(2):
        with room.dial(relay.port) as s:
            need(exchange(s, BIG[:8 << 20]) == BIG[:8 << 20], "the echo differs")
            s.unwrap().close()
    relay.check(connections=2)


if __name__ == "__main__":
    sys.exit(main(both, forks, execs, exec_refused, exec_handed))
