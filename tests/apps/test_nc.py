#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""The three that are called nc: 64 MB in each direction, -N, -e."""
import os
import socket
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from jobs import each_way  # noqa: E402
from wrap import MARK, WAIT, exchange, free_port, main, need, needs, payload, read_all, wait_port  # noqa: E402

BIG = payload(64 << 20)
SIZES = {"both": len(BIG)}  # the ways in which socat takes part: less


def transfer(j, sender, receiver, serving):
    """`sender` sends and `receiver` receives until the end; one of the two listens. What it was, and the exit codes."""
    room, size = j.room, SIZES.get(j.way, 4 << 20)
    room.write("data", BIG[:size])
    with open(room.path("data"), "rb") as data, open(room.path("got"), "wb") as got, open(os.devnull, "r+b") as null:
        ends = {"sender": dict(stdin=data, stdout=null), "receiver": dict(stdin=null, stdout=got)}
        argv = {"sender": sender, "receiver": receiver}
        dialing = "receiver" if serving == "sender" else "sender"
        p = j.serve(*argv[serving], **ends[serving])
        q = room.start(j.client(*argv[dialing]), **ends[dialing])
        codes = q.wait(60), p.wait(60)
    with open(room.path("got"), "rb") as f:
        back = f.read()
    need(back == BIG[:size], f"{serving} listens: {len(back)} of {size} bytes, or other ones")
    j.check(least=size)
    return codes


def both_directions(room, name, listen, send, receive):
    """The argument vectors are functions of the port; those of the listening side have `listen` added."""
    each_way(room, lambda j: transfer(j, [name, *send(j.dial)], [name, *listen(j.listen)], "receiver"), client=name, server=name)
    each_way(room, lambda j: transfer(j, [name, *send(None), *listen(j.listen)], [name, *receive(j.dial)], "sender"),
             client=name, server=name)


def dial(port):
    return ["localhost", str(port)] if port else []


def openbsd(room):
    """-N ends the own direction when the file has ended; the other one leaves then."""
    needs("nc.openbsd", "socat")
    both_directions(room, "nc.openbsd", lambda port: ["-l", "127.0.0.1", str(port)], lambda port: ["-N", *dial(port)],
                    lambda port: ["-d", *dial(port)])


def openbsd_talks(room):
    """Both directions of one connection, with `openssl s_server`, and -N: what is asked before the end is answered."""
    needs("nc.openbsd", "openssl")
    port = free_port()
    relay = room.relay(port, needles=(MARK, MARK[::-1]))
    room.client_rule("nc.openbsd", relay.port)
    p = room.start(["openssl", "s_server", "-quiet", "-rev", "-tls1_3", "-naccept", "1", "-accept", f"127.0.0.1:{port}",
                    "-cert", room.path("server.pem"), "-key", room.path("server.key")])
    wait_port(port, p)
    lines = b"".join(b"%s %d\n" % (MARK, i) for i in range(1000))
    q = room.start(room.wrapped("nc.openbsd", "-N", "localhost", str(relay.port)), stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    for line in lines.splitlines():
        q.stdin.write(line + b"\n")
        q.stdin.flush()
        need(q.stdout.readline() == line[::-1] + b"\n", "s_server turned another line round")
    q.stdin.close()
    need(q.stdout.read() == b"" and q.wait(20) == 0, f"exit {q.returncode}")
    relay.check()


def traditional(room):
    needs("nc.traditional", "socat")
    both_directions(room, "nc.traditional", lambda port: ["-l", "-p", str(port), "-s", "127.0.0.1"],
                    lambda port: ["-q", "1", *dial(port)], dial)


def refused(room, relay):
    """The connection ends without an answer, and the log has the reason."""
    try:
        with room.dial(relay.port) as s:
            s.sendall(payload(100))
            got = read_all(s)
    except OSError:
        got = b""
    need(got == b"", f"a program without TLS answers: {got[:40]!r}")
    room.wait_log("result=refused")
    relay.check(whole=False)


def traditional_exec(room):
    """-e gives the socket to a program that is not wrapped: with `handoff = none` that is not started."""
    needs("nc.traditional")
    port = free_port()
    relay = room.relay(port)
    room.server_rule("nc.traditional", port, handoff="none")
    p = room.start(room.wrapped("nc.traditional", "-l", "-p", str(port), "-s", "127.0.0.1", "-e", "/bin/cat"))
    wait_port(port, p)
    refused(room, relay)


def traditional_handed(room):
    """-e as it is by default: the program has the end of a relay process on 0 and 1."""
    needs("nc.traditional")
    for role in ("s", "c"):
        port = free_port()
        relay = room.relay(port)
        if role == "s":
            room.server_rule("nc.traditional", port)
            p = room.start(room.wrapped("nc.traditional", "-l", "-p", str(port), "-s", "127.0.0.1", "-e", "/bin/cat"))
            wait_port(port, p)
            with room.dial(relay.port) as s:
                need(exchange(s, BIG[:8 << 20]) == BIG[:8 << 20], "the echo differs")
                s.unwrap().close()
        else:
            room.client_rule("nc.traditional", relay.port)
            with socket.create_server(("127.0.0.1", port)) as listener:
                p = room.start(room.wrapped("nc.traditional", "-e", "/bin/cat", "localhost", str(relay.port)))
                listener.settimeout(WAIT)
                with room.server_context().wrap_socket(listener.accept()[0], server_side=True) as s:
                    need(exchange(s, BIG[:8 << 20]) == BIG[:8 << 20], "the echo differs")
                    s.unwrap().close()
        need(p.wait(20) == 0, f"{role}: exit {p.returncode}")
        relay.check()


def ncat(room):
    needs("ncat", "socat")
    both_directions(room, "ncat", lambda port: ["-l", "127.0.0.1", str(port)], lambda port: [*dial(port)],
                    lambda port: ["--recv-only", *dial(port)])


def ncat_exec(room):
    """--exec and --sh-exec behind pipes of its own, -k for several clients at once. In turns: ncat and cat wait for each
    other when more is on the way than the pipes take, with and without TLS."""
    needs("ncat")
    for flags in (["--exec", "/bin/cat"], ["--sh-exec", "exec cat"]):
        port = free_port()
        relay = room.relay(port)
        room.server_rule("ncat", port)
        p = room.start(room.wrapped("ncat", "-k", "-l", "127.0.0.1", str(port), *flags))
        wait_port(port, p)
        with room.dial(relay.port) as a, room.dial(relay.port) as b:
            for seed in range(20):
                for s in (a, b):
                    need(exchange(s, payload(40000, seed)) == payload(40000, seed), "the echo differs")
            for s in (a, b):
                s.unwrap().close()
        relay.check(connections=2)
        p.terminate()


if __name__ == "__main__":
    sys.exit(main(openbsd, openbsd_talks, traditional, traditional_exec, traditional_handed, ncat, ncat_exec))
