#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""beanstalkd (epoll, writev): jobs put, reserved and deleted from python, over python's TLS and in plaintext."""
import os
import socket
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from jobs import each_way  # noqa: E402
from wrap import main, need, payload, sha, skip_without, until  # noqa: E402

skip_without("beanstalkd", "openssl")


def beanstalkd(room):
    def job(j):
        p = j.serve("beanstalkd", "-l", "127.0.0.1", "-p", str(j.listen), "-z", "1000000")
        raw = socket.create_connection(("127.0.0.1", j.relay.port), 30)
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # records of one write go out one by one
        s = room.client_context().wrap_socket(raw, server_hostname="localhost") if j.tls else raw
        with s, s.makefile("rwb") as f:
            seen = []

            def say(line, body=None, more=0):
                f.write(line + b"\r\n" + (body + b"\r\n" if body is not None else b""))
                f.flush()
                answer = f.readline()
                seen.append(answer)
                if more or answer.startswith(b"RESERVED"):
                    n = int(answer.split()[-1])
                    seen.append(f.read(n + 2))
                return answer

            say(b"use work")
            say(b"watch work")
            for i in range(300):
                body = payload((i * 7919) % 65000, i)
                need(say(b"put %d 0 60 %d" % (i % 7, len(body)), body).startswith(b"INSERTED"), "put")
            # Many in one segment, and the answers in one, too.
            f.write(b"".join(b"put 9 0 60 20\r\nSLEEVE-KNOWN-PAYLOAD\r\n" for _ in range(1000)))
            f.flush()
            for _ in range(1000):
                seen.append(f.readline())
            need(say(b"put 1 0 60 1000000", payload(1000000)).startswith(b"INSERTED"), "1 MB")
            for _ in range(1301):
                answer = say(b"reserve-with-timeout 5")
                need(answer.startswith(b"RESERVED"), f"{answer!r}")
                say(b"delete " + answer.split()[1])
            need(say(b"reserve-with-timeout 0") == b"TIMED_OUT\r\n", "a job is left")
            f.write(b"quit\r\n")
            f.flush()
            until(lambda: s.recv(1) == b"", "beanstalkd does not end the connection")
        j.check(least=2 << 20)
        p.terminate()
        p.wait(10)
        return sha(b"".join(seen))

    each_way(room, job, ways=("plain", "server"), server="beanstalkd")


if __name__ == "__main__":
    sys.exit(main(beanstalkd))
