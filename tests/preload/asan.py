#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""The library in wrapped programs, under AddressSanitizer and UBSan: argv[1] is the directory of a libsleeve-wrap.so
that was built with clang and SAN=1. The programs have the runtime in them, and are built with clang, too; then each call of
theirs is the sanitizer's first, whose next one is ours. libsleeve-preload.so begins before the runtime, so it is the
plain one. Leaks are not looked for: the programs leave things to exit()."""
import os
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.path.insert(0, os.path.join(HERE, "..", "lib"))
import test_client  # noqa: E402
from test_faults import Echo  # noqa: E402
from wrap import BUILD, MARK, ROOT, WAIT, free_port, main, need, read_all, skip_without, wait_port  # noqa: E402

skip_without("clang")
SANITIZED = os.path.join(ROOT, sys.argv.pop(1))
WAYS = ("serial", "forking", "threads", "prefork", "polling", "selecting", "epoll", "epoll-edge", "epoll-oneshot")
HANDED = (("exec", "sh", "-c", "echo line; read -r line"), ("fork-exec", "true"), ("forgotten",), ("system",), ("popen",),
          ("spawn",))


def compiled(room, name, *sources):
    out = room.path(name)
    subprocess.run(["clang", "-std=gnu11", "-g", "-O1", "-w", "-fsanitize=address,undefined", "-D_GNU_SOURCE", "-I", HERE,
                    "-rdynamic", "-o", out, *(os.path.join(HERE, s) for s in sources or (name + ".c",)), "-lpthread"],
                   check=True, timeout=2 * WAIT)
    return out


def environment(room):
    """Without the launcher: the libraries lie elsewhere, and not side by side."""
    for directory, name in ((BUILD, "libsleeve-preload.so"), (SANITIZED, "libsleeve-wrap.so")):
        if not os.path.exists(room.path(name)):
            shutil.copy(os.path.join(directory, name), room.dir)
    return {"LD_PRELOAD": room.path("libsleeve-preload.so"), "SLEEVE_CONFIG": room.conf,
            "ASAN_OPTIONS": "verify_asan_link_order=0:detect_leaks=0", "UBSAN_OPTIONS": "print_stacktrace=1"}


def run(room, argv):
    p = room.run(argv, env=environment(room), check=False, timeout=2 * WAIT)
    text = p.stderr.decode(errors="replace")  # a relay has a stack that the runtime does not know, which it says
    need(p.returncode == 0 and "ERROR" not in text and "runtime error" not in text, f"{argv[1]}: exit {p.returncode} {text[:2000]}")


def clients(room):
    """Every way of doing I/O (test_client.py)."""
    io = compiled(room, "io", "io.c", "io_ways.c", "io_waits.c", "io_others.c", "io_streams.c", "io_ready.c")
    relay = room.relay(test_client.Peer(room.server_context()).port)
    cases = subprocess.run([io, "list"], capture_output=True, check=True, timeout=WAIT, text=True).stdout.split()
    for name in ("io-refused", "io-taken"):
        room.conf = room.path(name)
        room.client_rule("io", "*", handoff="none", ca=room.path("other.pem" if name == "io-refused" else "ca.pem"))
    for case in cases:
        room.conf = room.path("io-refused" if case in test_client.REFUSED else "io-taken")
        run(room, [io, case, "localhost", str(free_port() if case in test_client.ALONE else relay.port)])
    relay.check(connections=len(cases) // 2, whole=False)
    return f"{len(cases)} cases"


def servers(room):
    program = compiled(room, "server")
    for way in WAYS:
        port = free_port()
        room.conf = room.path(way)
        room.server_rule("server", port)
        with open(room.path("said"), "wb") as said:
            p = room.start([program, way, str(port)], env=environment(room), stderr=said)
        wait_port(port, p)
        for _ in range(2):
            with room.dial(port) as s:
                s.sendall(MARK * 1000)
                need(read_all(s, 20000) == MARK * 1000, f"{way}: the echo")
        need(p.poll() is None, f"{way}: has ended")
        with open(room.path("said"), encoding="utf-8") as said:
            text = said.read()
        need(not text, f"{way}: {text[:2000]}")


def handed_over(room):
    """To programs without TLS: by relays, which are forked from these."""
    program, relay = compiled(room, "handover"), room.relay(Echo(room).port)
    room.client_rule("handover", relay.port, handoff="relay")
    for way, *more in HANDED:
        run(room, [program, way, "127.0.0.1", str(relay.port), *more])
    relay.check(connections=len(HANDED), whole=False)


if __name__ == "__main__":
    sys.exit(main(clients, servers, handed_over))
