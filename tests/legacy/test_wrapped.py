#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""Wrapped programs and old peers: what a rule has to name before a legacy build speaks it, and that a default build says
what it would have to be built with (threat 16, 22)."""
import os
import subprocess
import sys

from table import LEGACY, materials, tls12
from peers import ECHO, feed, finish, has, piped, read, said, text
from wrap import BUILD, WAIT, free_port, main, need, skip_without, stop, system_python, wait_port

skip_without("openssl", "nc.openbsd")
DATA = text(30000)
ALL = "ALL:COMPLEMENTOFALL:@SECLEVEL=0"
OLD = "TLS_RSA_WITH_AES_128_CBC_SHA,TLS_DHE_RSA_WITH_AES_256_CBC_SHA,TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA"
VERSIONS = {"-tls1": "TLSv1.0", "-tls1_1": "TLSv1.1"}


def serve(room, **keys):
    port = free_port()
    room.server_rule("python3", port, cert=room.path("rsa.pem"), key=room.path("rsa.key"), **keys)
    p = room.start(room.wrapped(system_python(), "-c", ECHO, str(port)))
    wait_port(port, p)
    return port


def s_client(room, port, flag, cipher=ALL):
    return piped(room, ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", flag, "-cipher", cipher, "-CAfile",
                        room.path("ca.pem"), "-verify_return_error", "-brief"])


def servers(room):
    materials(room)
    room.build = LEGACY
    unasked, asked = serve(room), serve(room, min_version="1.0", suites=OLD)
    for flag, version in VERSIONS.items():
        has(finish(s_client(room, unasked, flag), "bad"), "alert protocol version")
        said(room, "the client does not speak TLSv1.2")
        for cipher in ("AES128-SHA", "DHE-RSA-AES256-SHA", "ECDHE-RSA-AES128-SHA"):
            p = s_client(room, asked, flag, cipher + ":@SECLEVEL=0")
            feed(p, DATA)
            need(read(p, len(DATA)) == DATA, "other bytes")
            finish(p)
            said(room, version=version)
    has(finish(s_client(room, unasked, "-tls1_2", "AES128-SHA:PSK-AES128-CBC-SHA:@SECLEVEL=0"), "bad"),
        "alert handshake failure")
    said(room, "no cipher suite in common")


def clients(room):
    materials(room)
    room.build = LEGACY
    for flag, version in VERSIONS.items():
        port = free_port()
        p = room.start(["openssl", "s_server", "-accept", f"127.0.0.1:{port}", flag, "-quiet", "-rev", "-cipher", ALL,
                        *tls12.keys(room, "rsa", "-cert", "-key")])
        wait_port(port, p)
        for keys in ({}, {"min_version": "1.0", "suites": OLD}):
            room.write("sleeve.conf", "")
            room.client_rule("nc.openbsd", port, **keys)
            q = piped(room, room.wrapped("nc.openbsd", "-N", "localhost", str(port)))
            feed(q, b"drow a\n")
            if keys:
                need(read(q, 7) == b"a word\n", "other bytes")
                finish(q)
                said(room, version=version)
            else:
                finish(q, None)
                said(room, "protocol_version")
        stop(p)


def default_build(room):
    materials(room)
    for word, option in (("1.1", "USE_TLS_1_1"), ("1.0", "USE_TLS"), ("ssl3", "DISABLE_SSLV3")):
        p = subprocess.run([os.path.join(BUILD, "sleeve"), "run", "-r", f"client nc.openbsd *:1 min-version={word}", "--",
                            "nc.openbsd", "127.0.0.1", "1"], capture_output=True, timeout=WAIT, check=False)
        need(p.returncode != 0, f"min-version={word} is taken")
        has(p.stderr.decode(errors="replace"), option)


if __name__ == "__main__":
    sys.exit(main(servers, clients, default_build))
