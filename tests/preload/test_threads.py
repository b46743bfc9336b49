#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""Threads of a wrapped program do everything at once (threads.c), while it forks, or signals come 10,000 times a second.
With TSAN=1, and a BUILD that was made with it, program and preload are under ThreadSanitizer, which must have nothing to
say. With SLEEVE_TEST_FULL=1 ten times as much."""
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "lib"))
from wrap import BUILD, Bad, Room, free_port, need  # noqa: E402

ROUNDS, CLIENTS = 12, 4


def main():
    only, failed, tsan = sys.argv[1:], 0, os.environ.get("TSAN") == "1"
    if tsan:
        with open(os.path.join(BUILD, "libsleeve-wrap.so"), "rb") as f:
            if b"libtsan.so" not in f.read():  # clang's has no place behind the preload
                print("the preload was not compiled by gcc")
                return 77
    factor = 10 if os.environ.get("SLEEVE_TEST_FULL") else 1
    with Room() as room:
        room.certificates()
        program = room.path("threads")
        subprocess.run(["gcc", "-std=gnu11", "-O1", "-g", "-D_GNU_SOURCE", "-Wall", *(["-fsanitize=thread"] if tsan else []),
                        "-o", program, os.path.join(HERE, "threads.c"), "-lpthread"], check=True, timeout=60)
        for way in ("alone", "forks", "signals", "eintr"):
            if only and way not in only:
                continue
            if tsan and way == "forks":  # a child may wait for ever for a lock that the runtime had taken
                print("forks: not with ThreadSanitizer")
                continue
            port = free_port()
            room.client_rule("threads", str(port))
            room.server_rule("threads", port)
            before = len(room.log_lines("result=closed"))
            try:
                out = room.run(room.wrapped(program, str(port), way), timeout=120 * factor, check=False,
                               env={"SLEEVE_AUDIT": "", "TSAN_OPTIONS": "die_after_fork=0"})
                need(out.returncode == 0, f"exit {out.returncode}\n{out.stderr.decode(errors='replace')[-6000:]}")
                need(b"ThreadSanitizer" not in out.stderr, out.stderr.decode(errors="replace")[:6000])
                # A child that has it, too, and ends without a word, has the last.
                least = (1 if way == "forks" else 2) * ROUNDS * CLIENTS * factor
                n = len(room.log_lines("result=closed")) - before
                need(n >= least, f"{n} ends of connections had TLS")
                print(f"ok    {way}: {out.stdout.decode().strip()}", flush=True)
            except (Bad, subprocess.SubprocessError) as e:
                failed += 1
                print(f"FAIL  {way}: {e}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
