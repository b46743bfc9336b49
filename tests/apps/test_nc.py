#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""nc (OpenBSD's) both ways with 64 MB and -N; socat as client and as forking server."""
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from wrap import exchange, free_port, main, need, payload, read_all, sha, skip_without, wait_port  # noqa: E402

skip_without("nc.openbsd", "socat", "openssl")
BIG = payload(64 << 20)


def pair(room, server_argv, client_argv, port, relay):
    """The client sends, the server prints, until -N ends it; then what the server had to say."""
    with open(room.path("in"), "wb") as f:
        f.write(BIG)
    with open(room.path("answer"), "wb") as f:
        f.write(BIG[::-1])
    with open(room.path("answer"), "rb") as answer, open(room.path("got"), "wb") as got:
        p = room.start(server_argv, stdin=answer, stdout=got)
    wait_port(port, p)
    with open(room.path("in"), "rb") as data, open(room.path("back"), "wb") as back:
        q = room.start(client_argv, stdin=data, stdout=back)
    need(q.wait(60) == 0, f"the client ends with {q.returncode}")
    need(p.wait(60) == 0, f"the server ends with {p.returncode}")
    for name, want in (("got", BIG), ("back", BIG[::-1])):
        with open(room.path(name), "rb") as f:
            data = f.read()
            need(sha(data) == sha(want), f"{name}: {len(data)} of {len(want)} bytes, or other ones")
    relay.check(least=2 * len(BIG))


def nc_both(room):
    port = free_port()
    relay = room.relay(port, needles=(BIG[:20], BIG[::-1][:20]))
    room.server_rule("nc.openbsd", port)
    room.client_rule("nc.openbsd", relay.port)
    pair(room, room.wrapped("nc.openbsd", "-N", "-l", "127.0.0.1", str(port)),
         room.wrapped("nc.openbsd", "-N", "localhost", str(relay.port)), port, relay)


def nc_openssl(room):
    """A wrapped nc reaches `openssl s_server`."""
    port = free_port()
    relay = room.relay(port)
    room.client_rule("nc.openbsd", relay.port)
    p = room.start(["openssl", "s_server", "-quiet", "-tls1_3", "-accept", f"127.0.0.1:{port}", "-cert",
                    room.path("server.pem"), "-key", room.path("server.key")], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    wait_port(port, p)
    q = room.start(room.wrapped("nc.openbsd", "-N", "localhost", str(relay.port)), stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    q.stdin.write(payload(1000))
    q.stdin.flush()
    need(p.stdout.read(1000) == payload(1000), "nc to s_server")
    p.stdin.write(payload(999, 2))
    p.stdin.flush()
    need(q.stdout.read(999) == payload(999, 2), "s_server to nc")
    q.stdin.close()
    q.wait(10)
    p.terminate()
    p.wait(10)
    relay.check(whole=False)


def socat_client(room):
    port = free_port()
    relay = room.relay(port)
    room.client_rule("socat", relay.port)
    p = room.start(["openssl", "s_server", "-quiet", "-rev", "-tls1_3", "-accept", f"127.0.0.1:{port}", "-cert",
                    room.path("server.pem"), "-key", room.path("server.key")], stdin=subprocess.PIPE)
    wait_port(port, p)
    out = room.run(room.wrapped("socat", "-t", "3", "-", f"TCP:localhost:{relay.port}"), b"sleeve\nabc\n")
    need(out == b"eveels\ncba\n", f"{out!r}")
    relay.check(whole=False)


def socat_server(room):
    """TCP-LISTEN,fork with a pipe behind it."""
    port = free_port()
    relay = room.relay(port)
    room.server_rule("socat", port)
    p = room.start(room.wrapped("socat", f"TCP-LISTEN:{port},fork,reuseaddr,bind=127.0.0.1", "PIPE"))
    wait_port(port, p)
    for i in range(3):
        data = payload(300000, i)
        with room.dial(relay.port) as s:
            need(exchange(s, data) == data, "the echo differs")
            s.unwrap().close()
    relay.check(connections=3)


def socat_exec(room):
    """EXEC: wants to hand over data by a socketpair (fine) or the descriptor itself (refused)."""
    port = free_port()
    room.server_rule("socat", port)
    p = room.start(room.wrapped("socat", f"TCP-LISTEN:{port},fork,reuseaddr,bind=127.0.0.1", "EXEC:cat"))
    wait_port(port, p)
    relay = room.relay(port)
    with room.dial(relay.port) as s:
        need(exchange(s, payload(5000)) == payload(5000), "cat behind socat")
    p.terminate()
    p.wait(10)
    port = free_port()
    os.unlink(room.conf)
    room.server_rule("socat", port)
    p = room.start(room.wrapped("socat", f"TCP-LISTEN:{port},fork,reuseaddr,bind=127.0.0.1", "EXEC:cat,nofork"))
    wait_port(port, p)
    relay = room.relay(port)
    try:
        with room.dial(relay.port) as s:
            s.sendall(payload(100))
            got = read_all(s)
    except OSError:
        got = b""
    need(got == b"", f"a program without TLS answers: {got[:40]!r}")
    room.wait_log("result=refused")
    relay.check(whole=False)


if __name__ == "__main__":
    sys.exit(main(*[nc_both]*12) if sys.argv[1:] else main(nc_both, nc_openssl, socat_client, socat_server, socat_exec))
