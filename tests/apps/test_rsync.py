#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""rsync, client and daemon (non-blocking, select, a process for each connection): a tree there and back, and
--checksum finds nothing to do afterwards."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from jobs import each_way  # noqa: E402
from wrap import main, need, payload, sha, skip_without  # noqa: E402

skip_without("rsync", "socat", "openssl")
BIG = 1 << 24


def tree(room):
    """200 MB: a dozen large files, and many small ones in directories."""
    for i in range(12):
        os.makedirs(room.path("tree/large"), exist_ok=True)
        room.write(f"tree/large/{i}", payload(BIG, i))
    for d in range(20):
        os.makedirs(room.path(f"tree/{d}"))
        for i in range(25):
            room.write(f"tree/{d}/{i}", payload(i * 997, d * 100 + i))


def sums(top):
    found = {}
    for at, _, files in os.walk(top):
        for name in files:
            with open(os.path.join(at, name), "rb") as f:
                found[os.path.relpath(os.path.join(at, name), top)] = sha(f.read())
    return found


def rsync(room):
    tree(room)
    want = sums(room.path("tree"))

    def job(j):
        conf = room.write("rsyncd.conf", f"use chroot = no\nuid = {os.getuid()}\ngid = {os.getgid()}\n[in]\npath = "
                          f"{room.path('in.' + j.way)}\nread only = no\n[out]\npath = {room.path('tree')}\n")
        os.mkdir(room.path("in." + j.way))
        p = j.serve("rsync", "--daemon", "--no-detach", f"--config={conf}", "--address=127.0.0.1", f"--port={j.listen}",
                    f"--log-file={room.path('rsyncd.log')}")
        url = f"rsync://localhost:{j.dial}"
        # Half of it up, all of it down: each program sends and receives.
        room.run(j.client("rsync", "-rlt", room.path("tree/large"), url + "/in/"))
        room.run(j.client("rsync", "-rlt", url + "/out/", room.path("out")))
        left = room.run(j.client("rsync", "-rltni", "--checksum", url + "/out/", room.path("out")))
        need(left == b"", f"--checksum would still copy {left!r:.200}")
        up, down = sums(room.path("in." + j.way)), sums(room.path("out"))
        need(up == {k: v for k, v in want.items() if k.startswith("large/")}, "another tree at the daemon")
        room.run(["rm", "-rf", room.path("out"), room.path("in." + j.way)])
        j.check(connections=3, least=BIG * 24)
        p.terminate()
        p.wait(10)
        return down

    each_way(room, job, client="rsync", server="rsync")


if __name__ == "__main__":
    sys.exit(main(rsync))
