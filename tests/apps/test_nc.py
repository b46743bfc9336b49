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


def nc_both(room):
    """64 MB from client to server, and 64 MB back on another connection: `nc -l` leaves when its client has ended,
    whatever it still had to send, with and without TLS."""
    room.write("data", BIG)
    for sends in ("client", "server"):
        port = free_port()
        relay = room.relay(port)
        room.server_rule("nc.openbsd", port)
        room.client_rule("nc.openbsd", relay.port)
        with open(room.path("data" if sends == "server" else "/dev/null"), "rb") as data, open(room.path("got"), "wb") as got:
            flags = ["-N"] if sends == "server" else ["-d"]
            p = room.start(room.wrapped("nc.openbsd", *flags, "-l", "127.0.0.1", str(port)), stdin=data,
                           stdout=got if sends == "client" else subprocess.DEVNULL)
        wait_port(port, p)
        with open(room.path("data" if sends == "client" else "/dev/null"), "rb") as data, open(room.path("back"), "wb") as back:
            flags = ["-N"] if sends == "client" else ["-d"]
            q = room.start(room.wrapped("nc.openbsd", *flags, "localhost", str(relay.port)), stdin=data, stdout=back)
        need(q.wait(60) == 0 and p.wait(60) == 0, f"{sends} sends: exit {q.returncode} and {p.returncode}")
        with open(room.path("got" if sends == "client" else "back"), "rb") as f:
            data = f.read()
        need(sha(data) == sha(BIG), f"{sends} sends: {len(data)} of {len(BIG)} bytes, or other ones")
        relay.check(least=len(BIG))
        os.unlink(room.conf)


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
    sys.exit(main(nc_both, nc_openssl, socat_client, socat_server, socat_exec))
