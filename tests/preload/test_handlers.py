#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""Signal handlers of a wrapped program: each way to install one and to ask for it gives what it gives without Sleeve, and
signals that come 10,000 times a second while a connection is worked on are neither lost nor a danger to it (threat 41)."""
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "lib"))
from wrap import Bad, Room, free_port, need  # noqa: E402


def main():
    only, failed = sys.argv[1:], 0
    with Room() as room:
        room.certificates("127.0.0.1")
        program = room.path("handlers")
        subprocess.run(["gcc", "-std=gnu11", "-O1", "-g", "-D_GNU_SOURCE", "-Wall", "-I", HERE, "-o", program,
                        os.path.join(HERE, "handlers.c"), "-lpthread"], check=True, timeout=60)
        names = subprocess.run([program], capture_output=True, check=True, timeout=60, text=True).stdout.split()
        for name in [n for n in names if not only or n in only]:
            port = free_port()
            room.client_rule("handlers", str(port))
            room.server_rule("handlers", port)
            try:
                room.run([program, name, str(free_port())], timeout=100)
                relays = len(room.log_lines("result=closed"))
                room.run(room.wrapped(program, name, str(port)), timeout=100)
                need(len(room.log_lines("result=closed")) >= relays + 2, "there was no TLS")
                print(f"ok    {name}", flush=True)
            except (Bad, subprocess.SubprocessError) as e:
                failed += 1
                print(f"FAIL  {name}: {e}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
