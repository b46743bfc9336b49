#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""memcached (threads, sendmsg, fortified calls): 10^5 keys over four connections at once; nc as a client."""
import os
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from wrap import MARK, exchange, free_port, main, need, payload, skip_without, wait_port  # noqa: E402

skip_without("memcached", "nc.openbsd")


def keys(room, port, first, count, errors):
    try:
        with room.dial(port) as s:
            values = [b"%s-%d" % (MARK, i) * (i % 7 + 1) for i in range(first, first + count)]
            for at in range(0, count, 500):
                batch = range(at, min(at + 500, count))
                put = b"".join(b"set k%d 0 0 %d\r\n%s\r\n" % (first + i, len(values[i]), values[i]) for i in batch)
                need(exchange(s, put, 8 * len(batch)) == b"STORED\r\n" * len(batch), "set")
                want = b"".join(b"VALUE k%d 0 %d\r\n%s\r\n" % (first + i, len(values[i]), values[i]) for i in batch) + b"END\r\n"
                got = exchange(s, b"get " + b" ".join(b"k%d" % (first + i) for i in batch) + b"\r\n", len(want))
                need(got == want, "get")
    except Exception as e:  # a thread's failure belongs to the test
        errors.append(f"{type(e).__name__}: {e}")


def memcached(room, port, wrapped=True):
    argv = ["memcached", "-u", "nobody", "-l", "127.0.0.1", "-p", str(port), "-U", "0", "-m", "200"]
    wait_port(port, room.start(room.wrapped(*argv) if wrapped else argv))


def hundred_thousand(room):
    port = free_port()
    relay = room.relay(port)
    room.server_rule("memcached", port)
    room.client_rule("nc.openbsd", relay.port)
    memcached(room, port)
    errors = []
    threads = [threading.Thread(target=keys, args=(room, relay.port, 25000 * i, 25000, errors)) for i in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join(90)
    need(not errors, "; ".join(errors))
    out = room.run(room.wrapped("nc.openbsd", "-N", "localhost", str(relay.port)), b"get k3\r\nquit\r\n")
    need(out == b"VALUE k3 0 88\r\n" + b"%s-3" % MARK * 4 + b"\r\nEND\r\n", f"nc: {out!r}")
    relay.check(connections=5)


def nc_keys(room):
    """The protocols' other commands, values of 1 MB and a long pipeline through nc: the answers of the job in plaintext."""
    big = payload(1000 * 1000)
    talk = b"set big 0 0 %d\r\n%s\r\nget big\r\n" % (len(big), big)
    talk += b"set huge 0 0 %d\r\n%s\r\n" % (2 * len(big), 2 * big)  # too large: swallowed
    talk += b"set n 0 0 1\r\n1\r\nincr n 41\r\nappend n 0 0 1\r\n7\r\nget n\r\ngets none\r\nnonsense\r\nmn\r\nms k S3\r\nabc\r\nmg k v\r\n"
    talk += b"".join(b"set x%d 7 0 %d\r\n%s\r\nget x%d\r\n" % (i, i % 900, big[:i % 900], i) for i in range(10000)) + b"quit\r\n"
    answers = []
    for wrapped in (False, True):
        port = free_port()
        relay = room.relay(port, plain=not wrapped)
        argv = ["nc.openbsd", "-N", "localhost", str(relay.port)]
        if wrapped:
            room.server_rule("memcached", port)
            room.client_rule("nc.openbsd", relay.port)
        memcached(room, port, wrapped)
        answers.append(room.run(room.wrapped(*argv) if wrapped else argv, talk))
    need(b"SERVER_ERROR object too large for cache" in answers[0] and b"VALUE x9999 7 99" in answers[0], "not the job that was meant")
    need(answers[0] == answers[1], "other answers than without TLS")
    relay.check(least=len(big))


if __name__ == "__main__":
    sys.exit(main(hundred_thousand, nc_keys))
