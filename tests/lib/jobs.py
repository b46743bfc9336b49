# SPDX-License-Identifier: ISC
"""One job in four ways: in plaintext; the client wrapped against somebody else's TLS; the server wrapped against
somebody else's TLS; both wrapped. The result must be the same each time.

Somebody else's TLS is socat's, which is OpenSSL's: in front of a server, or behind a client."""
import os
import shutil
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from wrap import BUILD, MARK, Skip, free_port, need, wait_port  # noqa: E402

WAYS = ("plain", "client", "server", "both")


class Job:
    """The ports and command lines of one way. client, server: the names of the programs in the rules; needles: what must never be seen in clear."""

    def __init__(self, room, way, client=None, server=None, needles=(MARK,), more_client=None, more_server=None):
        self.room, self.way = room, way
        self.tls = way != "plain"
        self.listen = free_port()  # where the server listens
        if os.path.exists(room.conf):
            os.unlink(room.conf)
        target = self.listen
        if way == "client":
            target = self.front()
        self.relay = room.relay(target, needles=needles, plain=not self.tls)
        self.dial = self.relay.port  # where the client connects
        if way in ("client", "both"):
            for name in client.split():
                room.client_rule(name, self.dial, **(more_client or {}))
        if way in ("server", "both"):
            for name in server.split():
                room.server_rule(name, self.listen, **(more_server or {}))
        if way == "server":
            self.dial = self.back()

    def client(self, *argv):
        return self.room.wrapped(*argv) if self.way in ("client", "both") else list(argv)

    def server(self, *argv):
        return self.room.wrapped(*argv) if self.way in ("server", "both") else list(argv)

    def socat(self, port, accept, connect):
        wait_port(port, self.room.start(["socat", "-t", "30", accept, connect]))
        return port

    def front(self, behind=None):
        port = free_port()
        path = self.room.path
        return self.socat(port, f"OPENSSL-LISTEN:{port},bind=127.0.0.1,reuseaddr,fork,backlog=128,verify=0,"
                          f"cert={path('server.pem')},key={path('server.key')},openssl-min-proto-version=TLS1.3",
                          f"TCP:127.0.0.1:{behind or self.listen}")

    def back(self):
        port = free_port()
        return self.socat(port, f"TCP-LISTEN:{port},bind=127.0.0.1,reuseaddr,fork,backlog=128",
                          f"OPENSSL:127.0.0.1:{self.relay.port},commonname=localhost,cafile={self.room.path('ca.pem')}")

    def serve(self, *argv, **kw):
        """Starts the server and waits until it listens."""
        p = self.room.start(self.server(*argv), **kw)
        wait_port(self.listen, p)
        return p

    def check(self, connections=1, least=0, whole=True):
        """Every byte that went was TLS."""
        return self.relay.check(connections, least, whole) if self.tls else 0


def busybox():
    """A dynamically linked one: installed, or unpacked by `make tests` beside busybox-static."""
    for path in (shutil.which("busybox"), os.path.join(BUILD, "tests", "apps", "busybox")):
        if path and os.path.exists(path):
            with open(path, "rb") as f:
                if b"/ld-linux" in f.read(4096):
                    return path
    raise Skip("not installed: busybox")


def each_way(room, job, ways=WAYS, **names):
    """job(j) runs it and gives the result; the first way is plaintext, and the others are compared with it."""
    first = None
    for way in ways:
        j = Job(room, way, **names)
        try:
            got = job(j)
        except Exception as e:
            e.args = (f"{way}: {e}",)
            raise
        if first is None:
            first = got
        need(got == first, f"{way}: {got!r:.300} instead of {first!r:.300}")
        j.relay.close()
