# SPDX-License-Identifier: ISC
"""What the tests with peer_engine share: our server and our client, which are the native engine over TCP, and what they
say about their handshakes."""
import os
import select
import sys
import time

from peers import BUILD, finish, of, piped
from wrap import WAIT, free_port, need, wait_port

PEER = os.path.join(BUILD, "tests", "interop", "peer_engine")
if not os.path.exists(PEER):
    print(f"{PEER} is not built")
    sys.exit(77)


def ours(room, *options, keys=None, count=1):
    """Our server, for so many connections; its port and process."""
    port, keys = free_port(), keys or of(room, "server")
    p = piped(room, [PEER, "server", str(port), "--cert", keys["cert"], "--key", keys["key"], "--ca", room.path("ca.pem"),
                     "--count", str(count), *options])
    wait_port(port, p)
    return port, p


def our_client(room, port, *options):
    return piped(room, [PEER, "client", str(port), "--ca", room.path("ca.pem"), *options])


def theirs(room, *argv, **kw):
    """A server of somebody else: PORT among its arguments stands for its port."""
    port = free_port()
    p = piped(room, [a.replace("PORT", str(port)) for a in argv], **kw)
    wait_port(port, p)
    return port, p


def handshakes(report):
    return [dict(f.split("=", 1) for f in line.split()[1:]) for line in report.splitlines() if line.startswith("done ")]


def done(p, code=0):
    """What our side said about its handshakes, in order."""
    return handshakes(finish(p, code))


def hears(p, want):
    """Reads its output until that is in it; what it has said since the last time."""
    got, end = b"", time.monotonic() + WAIT
    while want not in got:
        need(time.monotonic() < end, f"{p.args[0]} said only {got[-1000:]!r}")
        if select.select([p.stdout], [], [], 0.5)[0]:
            more = os.read(p.stdout.fileno(), 65536)
            need(more, f"{p.args[0]} ended: {got[-1000:]!r}")
            got += more
    return got.decode(errors="replace")


def say(p, line=b"a line of text\n", back=None):
    """One line there, and the answer."""
    p.stdin.write(line)
    p.stdin.flush()
    return hears(p, line if back is None else back)
