#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""Servers that start another program for each connection, with the connection as its standard input and output:
openbsd-inetd, tcpserver and tcpsvd with cat, inetd with efingerd, tcpserver with busybox telnetd. What they start is not
wrapped and would speak plaintext. Without a hand-off it is not started, the client gets an end, and the server serves
on."""
import os
import shutil
import socket
import ssl
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from jobs import Job  # noqa: E402
from wrap import Skip, main, need, needs, payload, skip_without  # noqa: E402

skip_without("openssl")


def refused(room, name, argv):
    """Three clients, one after the other: the server did not end with the first."""
    j = Job(room, "server", server=name, more_server={"handoff": "none"})
    p = j.serve(*(a.replace("PORT", str(j.listen)) for a in argv(j)))
    for i in range(3):
        try:
            with room.dial(j.relay.port) as s:
                s.sendall(payload(1000))
                need(s.recv(100) == b"", "an answer")
        except (ssl.SSLError, ConnectionError):
            pass
        room.wait_log("result=refused", count=i + 1)
    need(p.poll() is None, f"{name} has ended")
    j.check(connections=3, whole=False)


def plain(room, argv, data):
    """The same without Sleeve, so that it is known to be a service."""
    j = Job(room, "plain")
    j.serve(*(a.replace("PORT", str(j.listen)) for a in argv(j)))
    with socket.create_connection(("127.0.0.1", j.listen), 30) as s:
        s.sendall(data)
        need(s.recv(10), "no service")


def inetd_conf(room, j, line):
    return room.write(f"inetd.{j.way}", f"127.0.0.1:{j.listen} stream tcp nowait root {line}\n")


def inetd(room, line, data):
    needs("inetd")
    if os.getuid() != 0:
        raise Skip("inetd is for root only")

    def argv(j):
        return ["inetd", "-i", inetd_conf(room, j, line)]

    plain(room, argv, data)
    refused(room, "inetd", argv)


def inetd_cat(room):
    inetd(room, "/bin/cat cat", b"data\n")


def inetd_efingerd(room):
    needs("efingerd")
    inetd(room, f"{shutil.which('efingerd')} efingerd -n", b"nobody\r\n")


def tcpserver(room):
    needs("tcpserver")

    def argv(_):
        return ["tcpserver", "-HRl0", "127.0.0.1", "PORT", "cat"]

    plain(room, argv, b"data\n")
    refused(room, "tcpserver", argv)


def tcpsvd(room):
    needs("tcpsvd")

    def argv(_):
        return ["tcpsvd", "-l0", "127.0.0.1", "PORT", "cat"]

    plain(room, argv, b"data\n")
    refused(room, "tcpsvd", argv)


def telnetd(room):
    needs("tcpserver", "busybox")

    def argv(_):
        return ["tcpserver", "-HRl0", "127.0.0.1", "PORT", shutil.which("busybox"), "telnetd", "-i", "-l", "/bin/false"]

    plain(room, argv, b"data\n")
    refused(room, "tcpserver", argv)


if __name__ == "__main__":
    sys.exit(main(inetd_cat, inetd_efingerd, tcpserver, tcpsvd, telnetd))
