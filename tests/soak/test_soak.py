#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""The soak of a wrapped program, small: `make soak` runs it with other numbers (soak.h)."""
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "lib"))
from wrap import Bad, Room, free_port, need  # noqa: E402


def main():
    failed = 0
    numbers = {k: v for k, v in os.environ.items() if k.startswith("SOAK_")}
    timeout = None if numbers else 150
    for version in ("1.2", "1.3"):
        with Room() as room:
            room.certificates("127.0.0.1")
            program, port = room.path("soak"), free_port()
            subprocess.run(["gcc", "-std=gnu11", "-O2", "-g", "-D_GNU_SOURCE", "-Wall", "-I", HERE, "-o", program,
                            os.path.join(HERE, "soak.c"), "-lpthread"], check=True, timeout=60)
            room.client_rule("soak", str(port), max_version=version)
            room.server_rule("soak", port)
            try:
                out = room.run(room.wrapped(program, version, str(port)), timeout=timeout,
                               env={"SLEEVE_AUDIT": "", **numbers}).decode()
                print(out, end="", flush=True)
                n = len(room.log_lines("result=closed"))
                need(n >= 2 * int(float(numbers.get("SOAK_CONNECTIONS", 300))), f"{n} ends of connections had TLS")
            except (Bad, subprocess.SubprocessError) as e:
                failed += 1
                print(f"FAIL  {version}: {e}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
