# SPDX-License-Identifier: ISC
"""What a legacy build speaks with whom: version x key exchange x cipher x peer x role, over real sockets.

A line for each row, for the scripts and for who runs `tests/legacy/table.py [PEER...]`:

    TLSv1.0 DHE_RSA 3DES_EDE_CBC_SHA  nss  server: pass, client certificate, resumed  client: ...  default: 70  unasked: 70

server, client: what ours was; both: nobody else speaks it. default: the alert of a default build's server, whose client says
that it has no such thing; unasked: that of the legacy build's server whose range of versions nobody has set. What everybody
has is refused by nobody. "not spoken": the peer has it not."""
import os
import re
import sys
import time

sys.path[:0] = [os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", d) for d in ("interop", "lib")]
import tls12  # noqa: E402
from old_peers import IDENTITY, PEERS, SECRET, Echo  # noqa: E402
from peers import text  # noqa: E402
from suites import SUITES, VERSIONS  # noqa: E402
from wrap import ROOT, WAIT, Bad, free_port, main, missing, need, skip_without, stop, wait_port  # noqa: E402

LEGACY = os.path.join(ROOT, os.environ.get("LEGACY_BUILD", os.path.join(tls12.BUILD, "legacy")))
BUILDS = {"legacy": os.path.join(LEGACY, "tests", "interop", "peer_guide"), "default": tls12.PEER}
PARTS = (text(1), text(100), text(20000))
WHOLE = text(40000).decode()
SIZES = "1,100,16384,7"
# Not even a legacy build's, unasked.
NAMED = [word for s in SUITES if "NULL" in s.cipher or s.anonymous for word in ("-e", hex(s.number))]


def materials(room):
    """Certificates, and a group for DH that everybody takes (RFC 7919)."""
    tls12.certificates(room)
    room.openssl("genpkey", "-genparam", "-algorithm", "DH", "-pkeyopt", "group:ffdhe2048", "-out", room.path("group.pem"))
    room.openssl("dhparam", "-in", room.path("group.pem"), "-out", room.path("dh.pem"))


class Ours:
    """Our servers, one for each way of being asked: started when they are first needed, and anew after a failure."""

    def __init__(self, room):
        self.room, self.servers = room, {}

    def server(self, build, *options):
        at = (build, *options)
        if at not in self.servers:
            tls12.PEER = BUILDS[build]
            port = free_port()
            p = tls12.start(self.room, "server", port, *tls12.keys(self.room, "server"),
                            *tls12.keys(self.room, "rsa", "-d", "-q"), "-C", self.room.path("ca.pem"), "-D",
                            self.room.path("dh.pem"), "-P", f"{IDENTITY}:{SECRET}",
                            *(NAMED if build == "legacy" else ()), *options)
            wait_port(port, p)
            self.servers[at] = port, p
        return self.servers[at]

    def client(self, build, port, suite, *options):
        tls12.PEER = BUILDS[build]
        more = (*(("-P", f"{IDENTITY}:{SECRET}") if suite.psk else ()), *(("-u",) if suite.anonymous else ()),
                *(tls12.keys(self.room, "client" if suite.certificate == "server" else "rsa") if suite.client_auth else ()))
        return tls12.client(self.room, port, "-s", hex(suite.number), *more, *options)

    def anew(self):
        for _, p in self.servers.values():
            stop(p)
        self.servers = {}


def shook(p, version, suite, **fields):
    return tls12.event(p, "handshake", version=VERSIONS[version], suite=suite, anonymous=int(suite.anonymous), **fields)


def as_server(ours, peer, version, suite):
    """The peer visits us."""
    here = ("legacy", "-v", version, *(("-a",) if suite.client_auth else ()))
    asked, whole = int(suite.client_auth), tls12.checksum(b"".join(PARTS))
    port, p = ours.server(*here)
    peer.visit(ours.room, port, p, version, suite, PARTS)
    shook(p, version, suite, resumed=0, client_auth=asked)
    if peer.in_two:
        tls12.ended(p, sum_sent=whole)
    if peer.in_one or peer.in_two:
        shook(p, version, suite, resumed=1, client_auth=asked)
    tls12.ended(p, sum_sent=whole, sum_received=whole)
    if not peer.in_one and not peer.in_two:
        port, p = ours.server(*here, "-p", "-m", "HTTP/1.0 200 OK\r\n\r\n", "-w", "10")
        peer.again(ours.room, port, version, suite)
        for resumed in range(2):
            shook(p, version, suite, resumed=resumed, client_auth=asked)
            tls12.event(p, "end")
    return ", ".join(["pass"] + ["client certificate"] * asked + ["resumed"])


def as_client(ours, peer, port, version, suite):
    """We visit the peer, with one session."""
    said, wait = peer.request(WHOLE)
    q = ours.client("legacy", port, suite, "-v", version, "-r", "2", "-m", said, "-z", SIZES, "-w", str(wait))
    out = tls12.done(q).decode(errors="replace")
    for resumed in range(2):
        shook(q, version, suite, resumed=resumed)
        tls12.ended(q, sum_sent=tls12.checksum(said.encode()))
    need(peer.answered(out, said), f"the answer is {out[:200]!r}")
    return ", ".join(["pass"] + ["client certificate"] * suite.client_auth + ["resumed"])


def refused(ours, peer, build, version, suite):
    """threat 16, 22: who was not told to speak it does not."""
    alert = 70 if version != "12" else 40
    port, p = ours.server(build)
    peer.refused(ours.room, port, version, suite)
    tls12.ended(p, "refused", alert_sent=alert, handshakes=0)
    if build == "default" and (version != "12" or not suite.compiled):
        q = ours.client(build, port, suite, "-v", version, "-m", "nothing", "-w", "1")
        _, err = q.communicate(timeout=WAIT)
        said = b"version: -11 " if suite.compiled else b"session: -10 "  # DISABLED_FEATURE, UNSUPPORTED
        need(q.returncode == 2 and said in err, f"not {said}: {q.returncode} {err[-300:]!r}")
        tls12.ended(p, "cut", handshakes=0)  # it had connected
    return str(alert)


class Own(Echo):
    """Both ends are ours, where nobody is left who speaks it."""
    name, programs = "own", ()
    versions = tuple(reversed(VERSIONS))

    def __init__(self):
        self.others = [p() for p in PEERS.values() if not missing(p.programs)]

    def speaks(self, version, suite):
        return not any(p.speaks(version, suite) for p in self.others)

    def refused(self, room, port, version, suite):
        q = Ours(room).client("legacy", port, suite, "-v", version, "-m", "nothing", "-w", "1")
        tls12.done(q, 1)
        tls12.ended(q, "alert", handshakes=0)


def both(ours, peer, version, suite):
    port, p = ours.server("legacy", "-v", version, *(("-a",) if suite.client_auth else ()))
    word = as_client(ours, peer, port, version, suite)
    for resumed in range(2):
        shook(p, version, suite, resumed=resumed, client_auth=int(suite.client_auth))
        tls12.ended(p, sum_sent=tls12.checksum(WHOLE.encode()))
    return word


class Row:
    def __init__(self, peer, version, suite):
        self.peer, self.version, self.suite = peer, version, suite
        self.cells, self.failures = {}, []

    def cell(self, ours, name, f, *args):
        try:
            self.cells[name] = f(ours, self.peer, *args, self.version, self.suite)
        except (Bad, OSError) as e:
            self.cells[name] = "FAIL"
            self.failures.append(f"{self} {name}: {e}")
            ours.anew()

    def __str__(self):
        return f"{VERSIONS[self.version]} {self.suite.exchange} {self.suite.cipher}  {self.peer.name}"

    def line(self):
        cells = "".join(f"  {k}: {v}" for k, v in self.cells.items()) or "  not spoken"
        return f"{str(self):<50}{cells}"


def by_default(version, suite):
    return version == "12" and suite.exchange.startswith("ECDHE_") and not suite.psk and "_CBC_" not in suite.cipher \
        and suite.compiled


def rows(room, peer, version, only=""):
    """A row for each suite that this version has."""
    ours, ports, bad = Ours(room), {}, []
    for suite in SUITES:
        row = Row(peer, version, suite)
        if not suite.of(version) or not re.search(only, suite.name) or isinstance(peer, Own) and \
                not peer.speaks(version, suite):
            continue
        if peer.speaks(version, suite):
            if isinstance(peer, Own):
                row.cell(ours, "both", both)
            else:
                if suite.client_auth not in ports:
                    ports[suite.client_auth] = peer.serve(room, version, suite.client_auth)
                if peer.visits(version, suite):
                    row.cell(ours, "server", as_server)
                row.cell(ours, "client", as_client, ports[suite.client_auth])
            if not by_default(version, suite):
                row.cell(ours, "default", refused, "default")
            if version != "12":
                row.cell(ours, "unasked", refused, "legacy")
        print(row.line(), flush=True)
        bad += row.failures
    need(not bad, "\n".join(bad))


ALL = {**PEERS, Own.name: Own}


def cases(name):
    """For main(): one for each version."""
    peer = ALL[name]
    skip_without(*peer.programs)
    for path in BUILDS.values():
        if not os.path.exists(path):
            print(f"{path} is not built")
            sys.exit(77)

    def case(version):
        def run(room):
            materials(room)
            rows(room, peer(), version, os.environ.get("SUITES", ""))
        run.__name__ = VERSIONS[version]
        return run
    return [case(v) for v in peer.versions]


if __name__ == "__main__":
    names = [a for a in sys.argv[1:] if a in ALL] or list(ALL)
    sys.argv[1:] = [a for a in sys.argv[1:] if a not in ALL]
    sys.exit(max(main(*cases(name)) for name in names))
