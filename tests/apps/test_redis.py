#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""redis-server, redis-cli and redis-benchmark: wrapped with each other and with an unwrapped TLS peer."""
import os
import socket
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from wrap import MARK, WAIT, free_port, main, need, payload, skip_without, until, wait_port  # noqa: E402

skip_without("redis-server", "redis-cli", "redis-benchmark", "openssl")


def server(room, wrapped=True, *more):
    port = free_port()
    argv = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", room.dir, *more]
    if wrapped:
        room.server_rule("redis-server", port)
    p = room.start(room.wrapped(*argv) if wrapped else argv)
    wait_port(port, p)
    return port


def cli(room, port, *args, data=b"", check=True):
    return room.run(room.wrapped("redis-cli", "-h", "localhost", "-p", str(port), *args), data, check=check)


def both(room):
    """A wrapped client against a wrapped server, through the relay; the same job as in plaintext."""
    plain, port = server(room, wrapped=False), server(room)
    relay = room.relay(port)
    room.client_rule("redis-cli", f"{relay.port},{port}")
    big = payload(1 << 20)

    def job(run):
        return [run("SET", "word", MARK.decode()), run("GET", "word"), run("-x", "SET", "big", data=big),
                run("STRLEN", "big"), run("--raw", "GET", "big"), run("LPUSH", "list", "a", "b"),
                run(data=b"MULTI\nINCR n\nGET word\nEXEC\n"), run("--eval", room.write("x.lua", "return {1,2,ARGV[1]}"), ",", "z")]

    one = job(lambda *a, data=b"": room.run(["redis-cli", "-h", "localhost", "-p", str(plain), *a], data))
    two = job(lambda *a, data=b"": cli(room, relay.port, *a, data=data))
    need(one == two, "the answers differ from the job without TLS")
    need(two[4] == big + b"\n", "the big value came back different")
    relay.check(connections=8, least=2 << 20)


def server_alone(room):
    """Somebody else's TLS client; BGSAVE forks while connections are open."""
    port = server(room)
    relay = room.relay(port)
    big = payload(1 << 20)
    with room.dial(relay.port) as a, room.dial(relay.port) as b:
        def ask(s, *words):
            s.sendall(b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(w), w) for w in words))

        def line(s):
            out = b""
            while not out.endswith(b"\r\n"):
                part = s.recv(1)
                need(part, "the server closed the connection")
                out += part
            return out

        ask(a, b"SET", b"k", big)
        need(line(a) == b"+OK\r\n", "SET")
        ask(a, b"BGSAVE")
        need(line(a).startswith(b"+Background"), "BGSAVE")
        for i in range(200):
            ask(b, b"INCR", b"n")
            need(line(b) == b":%d\r\n" % (i + 1), "INCR while the child saves")
        ask(a, b"PING")
        need(line(a) == b"+PONG\r\n", "PING after BGSAVE")
        until(lambda: os.path.exists(room.path("dump.rdb")), "no dump.rdb")
        ask(a, b"SUBSCRIBE", b"c")
        need([line(a) for _ in range(6)][-1] == b":1\r\n", "SUBSCRIBE")
        ask(b, b"PUBLISH", b"c", b"word")
        need(line(b) == b":1\r\n", "PUBLISH")
        need([line(a) for _ in range(7)][-1] == b"word\r\n", "the published word")
        # Many commands in one go: answers wait in user space while the kernel is silent.
        b.sendall(b"PING\r\n" * 5000)
        for _ in range(5000):
            need(line(b) == b"+PONG\r\n", "a pipelined PING")
    relay.check(connections=2, least=len(big))
    # A client without TLS gets no plaintext answer.
    with socket.create_connection(("127.0.0.1", port), WAIT) as s:
        s.sendall(b"PING\r\n")
        s.settimeout(WAIT)
        try:
            answer = s.recv(100)
        except ConnectionResetError:
            answer = b""
        need(b"PONG" not in answer and answer[:1] in (b"", b"\x15"), f"without TLS: {answer!r}")
    need(room.dial(port).version() == "TLSv1.3", "the server is gone")


def pub_sub(room):
    """redis-cli that waits for words, MULTI on one connection, and a word published by another one."""
    port = server(room)
    relay = room.relay(port)
    room.client_rule("redis-cli", relay.port)
    with open(room.path("heard"), "wb") as out:
        p = room.start(room.wrapped("redis-cli", "-h", "localhost", "-p", str(relay.port), "SUBSCRIBE", "c"), stdout=out)

    def heard():
        with open(room.path("heard"), "rb") as f:
            return f.read()

    until(lambda: b"subscribe" in heard(), "no answer to SUBSCRIBE")
    words = [b"%s %d" % (MARK, i) for i in range(100)]
    out = cli(room, relay.port, data=b"MULTI\nSET k 1\nEXEC\n" + b"".join(b'PUBLISH c "%s"\n' % w for w in words))
    need(out == b"OK\nQUEUED\nOK\n" + b"1\n" * 100, f"{out[:100]!r}")
    want = b"subscribe\nc\n1\n" + b"".join(b"message\nc\n%s\n" % w for w in words)
    until(lambda: heard() == want, "other words than were published")
    p.terminate()
    p.wait(10)
    relay.check(connections=2, whole=False)


def verified(room):
    """`openssl s_client -verify_return_error` is content; a client with the wrong CA or name is not."""
    port = server(room)
    relay = room.relay(port)
    out = room.run(["openssl", "s_client", "-tls1_3", "-connect", f"127.0.0.1:{relay.port}", "-servername", "localhost",
                    "-verify_hostname", "localhost", "-CAfile", room.path("ca.pem"), "-verify_return_error"])
    need(b"Verification: OK" in out or b"Verify return code: 0 (ok)" in out, "s_client does not verify")
    room.client_rule("redis-cli", relay.port, ca=room.path("other.pem"))
    p = cli(room, relay.port, "PING", check=False)
    need(b"PONG" not in p.stdout and room.wait_log("role=client", "result=failed"), "wrong CA: not refused")
    os.unlink(room.conf)
    room.client_rule("redis-cli", relay.port, name="elsewhere.test")
    p = cli(room, relay.port, "PING", check=False)
    need(b"PONG" not in p.stdout, "wrong name: not refused")
    relay.check(connections=3)


def bench(room, requests, *more):
    port = server(room, True, *more)
    relay = room.relay(port)
    room.client_rule("redis-benchmark", relay.port)
    room.client_rule("redis-cli", port)
    out = room.run(room.wrapped("redis-benchmark", "-h", "localhost", "-p", str(relay.port), "-c", "50", "-P", "16",
                                "-n", str(requests), "-d", "200", "-t", "set,get,lpush,mset", "-q"), timeout=60)
    need(out.count(b"requests per second") == 4, f"{out!r}")
    need(int(cli(room, port, "LLEN", "mylist").split()[-1]) == requests, "commands were lost")
    relay.check(connections=50)
    return out.replace(b"\r", b"\n").split(b"\n")[-3].decode(errors="replace").strip()


def benchmark(room):
    """redis-benchmark -c 50 -P 16, wrapped, against the wrapped server."""
    return bench(room, 40000)


def benchmark_threads(room):
    """The same with a server that reads and writes in threads (which spin, so less of it)."""
    return bench(room, 4800, "--io-threads", "2", "--io-threads-do-reads", "yes")


if __name__ == "__main__":
    sys.exit(main(both, server_alone, pub_sub, verified, benchmark, benchmark_threads))
