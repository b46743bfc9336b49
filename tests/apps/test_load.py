#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""200 connections at once to a wrapped redis-server and a wrapped asyncio server, and 1 GB through one connection:
nothing lost, by checksum."""
import hashlib
import os
import ssl
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from wrap import Bad, free_port, main, need, payload, skip_without, wait_port  # noqa: E402

skip_without("redis-server", "redis-benchmark", "openssl", "nc.openbsd")
GB = 1 << 30


def two_hundred(room):
    """All 200 stay open; each writes and reads its own values."""
    port = free_port()
    room.server_rule("redis-server", port)
    p = room.start(room.wrapped("redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", room.dir))
    wait_port(port, p)
    errors, ready, go = [], threading.Semaphore(0), threading.Event()

    def one(i):
        try:
            with room.dial(port) as s:
                ready.release()
                need(go.wait(60), "never started")
                for k in range(20):
                    data = payload(1000 * (k % 5) + i, i * 100 + k)
                    s.sendall(b"*3\r\n$3\r\nSET\r\n$%d\r\n%s\r\n$%d\r\n%s\r\n*2\r\n$3\r\nGET\r\n$%d\r\n%s\r\n" % (
                        len(b"k%d" % i), b"k%d" % i, len(data), data, len(b"k%d" % i), b"k%d" % i))
                    want = b"+OK\r\n$%d\r\n%s\r\n" % (len(data), data)
                    got = b""
                    while len(got) < len(want):
                        part = s.recv(len(want) - len(got))
                        need(part, "the end")
                        got += part
                    need(got == want, "another value")
        except (OSError, ssl.SSLError, Bad) as e:
            errors.append(f"{i}: {type(e).__name__}: {e}")
            ready.release()

    threads = [threading.Thread(target=one, args=(i,)) for i in range(200)]
    for t in threads:
        t.start()
    for _ in threads:
        need(ready.acquire(timeout=60), "not all 200 connections came up")
    go.set()
    for t in threads:
        t.join(60)
    need(not errors, "; ".join(errors[:5]))


def one_gigabyte(room):
    """nc to nc, both wrapped."""
    port = free_port()
    room.server_rule("nc.openbsd", port)
    room.client_rule("nc.openbsd", port)
    r = os.pipe()
    p = room.start(room.wrapped("nc.openbsd", "-l", "127.0.0.1", str(port)), stdout=r[1])
    os.close(r[1])
    wait_port(port, p)
    w = os.pipe()
    q = room.start(room.wrapped("nc.openbsd", "-N", "localhost", str(port)), stdin=w[0])
    os.close(w[0])
    block = payload(1 << 20)
    sums = [hashlib.sha256(), hashlib.sha256()]
    start = time.monotonic()

    def feed():
        left = GB
        while left:
            n = os.write(w[1], block)
            sums[0].update(block[:n])
            left -= n
            if n < len(block):
                os.write(w[1], block[n:])
                sums[0].update(block[n:])
                left -= len(block) - n
        os.close(w[1])

    t = threading.Thread(target=feed)
    t.start()
    total = 0
    while data := os.read(r[0], 1 << 20):
        sums[1].update(data)
        total += len(data)
    t.join(60)
    os.close(r[0])
    need(total == GB and sums[0].digest() == sums[1].digest(), f"{total} bytes, or other ones")
    need(q.wait(20) == 0 and p.wait(20) == 0, "nc does not end well")
    return f"{GB / (time.monotonic() - start) / 1e6:.0f} MB/s"


if __name__ == "__main__":
    sys.exit(main(two_hundred, one_gigabyte))
