#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""memcached (threads, sendmsg, fortified calls): 10^5 keys over four connections at once; nc as a client."""
import os
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from wrap import MARK, exchange, free_port, main, need, skip_without, wait_port  # noqa: E402

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


def hundred_thousand(room):
    port = free_port()
    relay = room.relay(port)
    room.server_rule("memcached", port)
    room.client_rule("nc.openbsd", relay.port)
    p = room.start(room.wrapped("memcached", "-u", "nobody", "-l", "127.0.0.1", "-p", str(port), "-U", "0", "-m", "200"))
    wait_port(port, p)
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


if __name__ == "__main__":
    sys.exit(main(hundred_thousand))
