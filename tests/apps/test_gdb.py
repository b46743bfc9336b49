#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""gdb and gdbserver (blocking, and a signal when the other side has something to say): a breakpoint, a backtrace, a
variable, and the program's end."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from jobs import each_way  # noqa: E402
from wrap import main, need, skip_without  # noqa: E402

skip_without("gdb", "gdbserver", "cc", "socat", "openssl")
SOURCE = """
int inner(int n);
int __attribute__((noinline)) inner(int n) { __asm__ volatile("" : "+r"(n)); return n + 1; }
int outer(int n);
int __attribute__((noinline)) outer(int n) { return inner(n * 2) + 1; }
int main(void) { return outer(20) == 42 ? 7 : 1; }
"""


def gdb(room):
    room.run(["cc", "-g", "-O1", "-o", room.path("program"), room.write("program.c", SOURCE)])

    def job(j):
        p = j.serve("gdbserver", "--once", f"127.0.0.1:{j.listen}", room.path("program"))
        commands = ["set confirm off", "set sysroot /", "set debuginfod enabled off", f"target remote localhost:{j.dial}", "break inner", "continue",
                    "backtrace", "print n", "finish", "continue"]
        out = room.run(j.client("gdb", "-q", "-nx", "-batch", *(x for c in commands for x in ("-ex", c)), room.path("program")))
        lines = [line for line in out.decode().splitlines() if line.startswith(("#", "$", "Breakpoint", "Value", "[Inferior"))]
        need(any("inner (n=" in line for line in lines) and any("outer (n=" in line for line in lines), f"{out!r}")
        need("exited with code 07]" in lines[-1], f"{out!r}")
        need(p.wait(20) == 0, f"gdbserver: exit {p.returncode}")
        j.check(least=1000)
        return [line.split(" (process")[0] for line in lines]

    # Of gdb's remote protocol: what every session begins with.
    each_way(room, job, client="gdb", server="gdbserver", needles=(b"qSupported", b"vCont"))


if __name__ == "__main__":
    sys.exit(main(gdb))
