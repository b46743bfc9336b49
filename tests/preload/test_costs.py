#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""What a wrapped program pays for: on descriptors that are not ours the same system calls as without Sleeve, and no
allocation; on connections one system call for a read, a write, a poll, and none to block signals. No clock is looked at."""
import os
import re
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "lib"))
from wrap import Room, free_port, need  # noqa: E402

PARTS = ("nothing", "reads", "messages", "writes", "waits", "others", "wrapped write", "wrapped read", "wrapped poll")
# The C library's locks take none unless they are fought for, and nobody fights here.
WRAPPED = {"wrapped write": ["sendmsg"], "wrapped read": ["recvfrom"], "wrapped poll": ["ppoll"]}


def parts(trace):
    """The names of the system calls of each part; with their descriptors, which are the same. (A wait with a mask and one
    without cost the same.)"""
    with open(trace, encoding="utf-8", errors="replace") as f:
        calls = [m[1] for m in re.finditer(r"^(?:\d+ +)?(\w+\(\d*)", f.read().replace("epoll_pwait(", "epoll_wait("), re.M)]
    marks = [i for i, c in enumerate(calls) if c.startswith("getppid")]
    need(len(marks) == len(PARTS) + 1, f"{len(marks)} marks in the trace")
    return {p: calls[marks[i] + 1:marks[i + 1]] for i, p in enumerate(PARTS)}


def main():
    strace = shutil.which("strace")
    if not strace or subprocess.run([strace, "-o", "/dev/null", "true"], capture_output=True, timeout=60, check=False).returncode:
        print("strace is not there, or may not trace")
        return 77
    with Room() as room:
        room.certificates("127.0.0.1")
        program = room.path("costs")
        subprocess.run(["gcc", "-std=gnu11", "-O1", "-g", "-D_GNU_SOURCE", "-Wall", "-fno-builtin", "-I", HERE, "-o", program,
                        os.path.join(HERE, "costs.c"), "-lpthread"], check=True, timeout=60)
        port = free_port()
        room.client_rule("costs", str(port))
        room.server_rule("costs", port)
        quiet = {"SLEEVE_AUDIT": ""}
        trace = [strace, "-f", "-qq", "-e", "signal=none", "-o"]
        room.run([*trace, room.path("plain"), program, str(free_port())], env=quiet)
        room.run([*trace, room.path("wrapped"), *room.wrapped(program, str(port))], env=quiet)
        need(len(room.log_lines("result=closed")) == 2, "there was no TLS")
        plain, wrapped = parts(room.path("plain")), parts(room.path("wrapped"))
        for name in PARTS:
            got = [c.split("(")[0] for c in wrapped[name]] if name in WRAPPED else wrapped[name]
            want = WRAPPED.get(name, plain[name])
            need(got == want, f"{name}: {got} instead of {want}")
        print(f"{sum(len(plain[p]) for p in PARTS)} system calls and no more")
    return 0


if __name__ == "__main__":
    sys.exit(main())
