#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""git clone git:// (its connection is duplicated and used by several processes) and git daemon (it starts a program of
its own on each connection): a repository of 50 MB, then fsck."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from jobs import each_way  # noqa: E402
from wrap import main, need, payload, skip_without  # noqa: E402

skip_without("git", "socat", "openssl")
DAEMON = "/usr/lib/git-core/git-daemon"
ENV = {"GIT_CONFIG_NOSYSTEM": "1", "HOME": "/nonexistent", "GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@test",
       "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@test", "GIT_PROTOCOL": "version=2"}


def repository(room):
    top = room.path("tree/repo")
    os.makedirs(top)
    room.run(["git", "-C", top, "init", "-q"], env=ENV)
    room.run(["git", "-C", top, "config", "core.compression", "0"], env=ENV)
    for i in range(5):
        for k in range(10):
            with open(os.path.join(top, f"{i}.{k}"), "wb") as f:
                f.write(os.urandom(1 << 20) + payload(5000, i * 10 + k))
        room.run(["git", "-C", top, "add", "."], env=ENV)
        room.run(["git", "-C", top, "commit", "-q", "-m", f"SLEEVE-KNOWN-PAYLOAD {i}"], env=ENV)
    room.run(["git", "-C", top, "-c", "pack.compression=0", "gc", "-q"], env=ENV)
    return top


def daemon(room, j):
    return j.serve(DAEMON, "--reuseaddr", "--listen=127.0.0.1", f"--port={j.listen}", "--export-all",
                   f"--base-path={room.path('tree')}", env=ENV)


def clone(room):
    repository(room)

    def job(j):
        p = daemon(room, j)
        at = room.path("clone." + j.way)
        room.run(j.client("git", "clone", "-q", "--bare", f"git://localhost:{j.dial}/repo", at), env=ENV)
        need(b"error" not in room.run(["git", "-C", at, "fsck", "--full"], env=ENV), "fsck")
        j.check(least=50 << 20)
        p.terminate()
        p.wait(10)
        return room.run(["git", "-C", at, "log", "--format=%H %s"], env=ENV)

    each_way(room, job, client="git", server="git-daemon")


if __name__ == "__main__":
    sys.exit(main(clone))
