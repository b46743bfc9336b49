#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""busybox, dynamically linked: wget, httpd and nc (stdio on the socket, fork for each connection, sendfile)."""
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from jobs import busybox, each_way  # noqa: E402
from wrap import MARK, main, need, payload, sha, skip_without, wait_port  # noqa: E402

skip_without("socat", "openssl")


def web(room, j):
    os.makedirs(room.path("web/cgi-bin"), exist_ok=True)
    room.write("web/big", payload(20 << 20), 0o644)
    room.write("web/index.html", MARK + b" index\n", 0o644)
    return j.serve(busybox(), "httpd", "-f", "-p", f"127.0.0.1:{j.listen}", "-h", room.path("web"))


def wget_httpd(room):
    """20 MB, a part of it, a page that is not there."""
    def job(j):
        p = web(room, j)
        seen = []
        for args in (["big"], ["index.html"], ["none"]):
            q = room.run(j.client(busybox(), "wget", "-q", "-O", "-", f"http://localhost:{j.dial}/{args[0]}"), check=False)
            seen.append((q.returncode, sha(q.stdout)))
        room.write("part", payload(20 << 20)[:5 << 20])
        room.run(j.client(busybox(), "wget", "-q", "-c", "-O", room.path("part"), f"http://localhost:{j.dial}/big"))
        with open(room.path("part"), "rb") as f:
            seen.append(sha(f.read()))
        need(seen[0] == (0, sha(payload(20 << 20))) and seen[3] == seen[0][1], f"{seen}")
        j.check(connections=4, least=35 << 20)
        p.terminate()
        p.wait(10)
        return seen

    each_way(room, job, client="busybox", server="busybox", needles=(MARK, b"GET /", b"HTTP/1."))


def nc(room):
    """16 MB one way, a line the other."""
    room.write("data", payload(16 << 20))

    def job(j):
        with open(room.path("data"), "rb") as data, open(room.path("got"), "wb") as got:
            p = room.start(j.server(busybox(), "nc", "-l", "-p", str(j.listen)), stdin=subprocess.PIPE, stdout=got)
            wait_port(j.listen, p)
            q = room.start(j.client(busybox(), "nc", "localhost", str(j.dial)), stdin=data, stdout=subprocess.PIPE)
            p.stdin.write(MARK + b"\n")
            p.stdin.flush()
            need(q.stdout.read(len(MARK) + 1) == MARK + b"\n", "the line back")
            need(p.wait(30) == 0, f"nc -l: exit {p.returncode}")
            q.wait(30)
        with open(room.path("got"), "rb") as f:
            got = sha(f.read())
        need(got == sha(payload(16 << 20)), "other bytes")
        j.check(least=16 << 20)
        return got

    each_way(room, job, client="busybox", server="busybox")


if __name__ == "__main__":
    sys.exit(main(wget_httpd, nc))
