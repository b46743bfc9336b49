#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""A wrapped server whose files change: Python's TLS sees the new certificate without a restart, broken ones change
nothing but the log, and the program that gave up the right to read goes on with what it has."""
import os
import ssl
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "lib"))
from wrap import Bad, Room, exchange, free_port, need, payload, stop, wait_port  # noqa: E402

LOOK = 1.1  # seconds: longer than files are not looked at


def seen(room, port):
    """The serial number of the certificate that a new connection is shown; it works."""
    with room.dial(port) as s:
        data = payload(1000)
        need(exchange(s, data) == data, "other bytes")
        serial = int(s.getpeercert()["serialNumber"], 16)
        s.unwrap().close()
    return serial


def issue(room, serial, ca="ca"):
    room.openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=server",
                 "-keyout", room.path(f"{serial}.key"), "-out", room.path(f"{serial}.csr"))
    room.openssl("x509", "-req", "-in", room.path(f"{serial}.csr"), "-CA", room.path(f"{ca}.pem"), "-CAkey",
                 room.path(f"{ca}.key"), "-set_serial", str(serial), "-days", "2", "-extfile", room.path("ext"),
                 "-out", room.path(f"{serial}.pem"))


def replace(room, serial, kind):
    os.rename(room.path(f"{serial}.{kind}"), room.path(f"server.{kind}"))


def reloads(room, program, way):
    room.certificates()
    port = free_port()
    room.conf = room.path(f"reload-{way}.conf")
    room.server_rule("server", port)
    room.log = room.path(f"{way}.log")
    p = room.start(room.wrapped(program, way, str(port), "echo"))
    wait_port(port, p)
    for serial in (8, 9):
        issue(room, serial)
    need(seen(room, port) == 7, "not the first certificate")
    replace(room, 8, "pem")
    time.sleep(LOOK)
    need(seen(room, port) == 7, "a certificate without its key is in use")
    room.wait_log("files=unusable", "does not belong")
    replace(room, 8, "key")
    time.sleep(LOOK)
    need(seen(room, port) == 8, "not the second certificate")
    room.wait_log("files=read")
    os.truncate(room.path("server.pem"), 100)
    time.sleep(LOOK)
    need(seen(room, port) == 8, "half a certificate")
    time.sleep(LOOK)
    need(seen(room, port) == 8, "half a certificate")
    lines = room.log_lines("files=unusable")
    # a server that forks for each connection finds it in every child
    need(len(lines) == 2 or way in ("forking", "prefork"), f"said {len(lines)} times: {lines}")
    replace(room, 9, "key")
    replace(room, 9, "pem")
    time.sleep(LOOK)
    need(seen(room, port) == 9, "not the third certificate")
    need(p.poll() is None, "the server has died")
    stop(p)


def main():
    failed = 0
    with Room() as room:
        room.certificates()
        program = room.path("server")
        subprocess.run(["gcc", "-std=gnu11", "-O2", "-g", "-D_GNU_SOURCE", "-o", program, os.path.join(HERE, "server.c"),
                        "-lpthread"], check=True, timeout=60)
        for way in sys.argv[1:] or ["serial", "threads", "epoll", "forking"]:
            try:
                reloads(room, program, way)
                print(f"ok    {way}", flush=True)
            except (Bad, OSError, subprocess.SubprocessError, ssl.SSLError) as e:
                failed += 1
                print(f"FAIL  {way}: {e}", flush=True)
                print("\n".join(room.log_lines("")[-30:]))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
