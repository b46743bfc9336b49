#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""Servers that start another program for each connection, with the connection as its standard input and output:
openbsd-inetd, tcpserver and tcpsvd with cat, inetd with efingerd. What they start is not wrapped and has the connection
through a relay; where the rule allows none, it is not started, the client gets an end, and the server serves on."""
import os
import shutil
import ssl
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from jobs import Job, each_way  # noqa: E402
from wrap import MARK, Skip, main, need, needs, payload, sha, skip_without  # noqa: E402

skip_without("openssl", "socat", "nc.openbsd")
BIG = payload(4 << 20)


def inetd_conf(room, j, line):
    return room.write(f"inetd.{j.way}", f"127.0.0.1:{j.listen} stream tcp nowait root {line}\n")


def inetd(room, j, line):
    needs("inetd")
    if os.getuid() != 0:
        raise Skip("inetd is for root only")
    return j.serve("inetd", "-i", inetd_conf(room, j, line))


def echo(room, name, serve):
    """What goes to cat comes back, and its end, for one client after the other."""
    def job(j):
        p = serve(j)
        sums = [sha(room.run(["nc.openbsd", "-N", "127.0.0.1", str(j.dial)], data=data)) for data in (BIG, MARK, b"")]
        need(sums[0] == sha(BIG) and p.poll() is None, f"{sums}")
        j.check(connections=3, least=2 * len(BIG))
        p.terminate()
        p.wait(10)
        return sums

    each_way(room, job, ways=("plain", "server"), server=name)


def inetd_cat(room):
    echo(room, "inetd", lambda j: inetd(room, j, "/bin/cat cat"))


def tcpserver(room):
    needs("tcpserver")
    echo(room, "tcpserver", lambda j: j.serve("tcpserver", "-HRl0", "127.0.0.1", str(j.listen), "cat"))


def tcpsvd(room):
    needs("tcpsvd")
    echo(room, "tcpsvd", lambda j: j.serve("tcpsvd", "-l0", "127.0.0.1", str(j.listen), "cat"))


def efingerd(room):
    """Asked for somebody who is not there."""
    needs("efingerd")

    def job(j):
        p = inetd(room, j, f"{shutil.which('efingerd')} efingerd -n")
        out = room.run(["nc.openbsd", "-N", "127.0.0.1", str(j.dial)], data=MARK + b"\r\n")
        need(out, "no answer")
        j.check()
        p.terminate()
        p.wait(10)
        return out

    each_way(room, job, ways=("plain", "server"), server="inetd")


def without_hand_off(room):
    """Three clients, one after the other: the server does not end with the first."""
    needs("tcpserver")
    j = Job(room, "server", server="tcpserver", more_server={"handoff": "none"})
    p = j.serve("tcpserver", "-HRl0", "127.0.0.1", str(j.listen), "cat")
    for i in range(3):
        try:
            with room.dial(j.relay.port) as s:
                s.sendall(payload(1000))
                need(s.recv(100) == b"", "an answer")
        except (ssl.SSLError, ConnectionError):
            pass
        room.wait_log("result=refused", count=i + 1)
    need(p.poll() is None, "tcpserver has ended")
    j.check(connections=3, whole=False)


if __name__ == "__main__":
    sys.exit(main(inetd_cat, tcpserver, tcpsvd, efingerd, without_hand_off))
