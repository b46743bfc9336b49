#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""examples/: threads, forks and polls echo to many at once, are not held up by anyone, and leave no process, thread or
descriptor behind; mutual."""
import os
import resource
import socket
import ssl
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from wrap import BUILD, WAIT, Bad, exchange, free_port, main, need, payload, read_all, sha, skip_without, until  # noqa: E402

skip_without("openssl")
EXAMPLES = os.path.join(BUILD, "examples")
SERVERS = ("threads", "forks", "polls")


class Server:
    def __init__(self, room, name):
        out, self.err = room.path(name + ".out"), room.path(name + ".err")
        with open(out, "wb") as o, open(self.err, "wb") as e:
            self.process = room.start([os.path.join(EXAMPLES, name), "0", room.path("server.pem"), room.path("server.key")],
                                      stdout=o, stderr=e)
        self.name, self.proc = name, f"/proc/{self.process.pid}"

        def port():
            need(self.process.poll() is None, f"{name} has ended: {self.said()}")
            with open(out, encoding="ascii") as f:
                return f.read().strip()
        self.port = int(until(port, f"{name} says no port"))

    def said(self):
        with open(self.err, encoding="utf-8", errors="replace") as f:
            return f.read()

    def fds(self):
        return len(os.listdir(self.proc + "/fd"))

    def threads(self):
        return len(os.listdir(self.proc + "/task"))

    def children(self):
        """Also zombies."""
        with open(f"{self.proc}/task/{self.process.pid}/children", encoding="ascii") as f:
            return f.read().split()

    def memory(self):
        """In MiB."""
        with open(self.proc + "/statm", encoding="ascii") as f:
            return int(f.read().split()[1]) * resource.getpagesize() / (1 << 20)

    def worked(self):
        """Seconds of a processor."""
        with open(self.proc + "/stat", encoding="ascii") as f:
            fields = f.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def idle(self, fds):
        until(lambda: self.fds() <= fds and self.threads() == 1 and not self.children(),
              f"{self.name} keeps {self.fds() - fds} descriptors, {self.threads() - 1} threads, {self.children()}")


def echo_once(room, server, data=b"hello"):
    with room.dial(server.port) as s:
        need(exchange(s, data) == data, f"{server.name}: another echo")
        s.unwrap()


def echo_to_many(room):
    data = payload(300_000)
    for name in SERVERS:
        server = Server(room, name)
        fds, errors = server.fds(), []

        def one(server=server, errors=errors):
            try:
                echo_once(room, server, data)
            except (OSError, Bad) as e:
                errors.append(f"{server.name}: {e}")
        for _ in range(3):
            threads = [threading.Thread(target=one) for _ in range(20)]
            for t in threads:
                t.start()
            for t in threads:
                t.join(WAIT)
            need(not errors, "; ".join(errors[:3]))
        server.idle(fds)
        room.run([os.path.join(EXAMPLES, "client"), "127.0.0.1", str(server.port), room.path("ca.pem")], b"x" * 100_000)
        server.idle(fds)
        need(server.said() == "", f"{name}: {server.said()}")


def are_not_held_up(room):
    """By who says nothing, no TLS, half a handshake, or goes away in the middle."""
    for name in SERVERS:
        server = Server(room, name)
        fds = server.fds()
        held = [socket.create_connection(("127.0.0.1", server.port), WAIT) for _ in range(10)]
        held[1].sendall(b"GET / HTTP/1.1\r\n\r\n")
        held[2].sendall(b"\x16\x03\x01\x02\x00\x01\x00")
        held[3].sendall(payload(5000))
        held += [room.dial(server.port) for _ in range(3)]
        held[-1].sendall(payload(50_000))
        echo_once(room, server)
        held[-1].setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        held[-2].unwrap()
        for s in held:
            s.close()
        server.idle(fds)
        echo_once(room, server)
        need(server.process.poll() is None and f"{name}: " in server.said(), f"{name} gives no reasons: {server.said()}")


def let_clients_come_back(room):
    """In whatever thread or process the ticket was given."""
    for name in SERVERS:
        server = Server(room, name)
        said = room.run([os.path.join(EXAMPLES, "resume"), "localhost", str(server.port), "5", room.path("ca.pem")]).decode()
        need(said.count(" full ") == 1 and said.endswith("4 of 5 resumed\n"), f"{name}: {said}")
        need(server.said() == "", f"{name}: {server.said()}")


def polls_with_a_thousand(room):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 1100:
        return f"skipped: at most {hard} open files are permitted"
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 1100), hard))
    server = Server(room, "polls")
    fds, context, held = server.fds(), room.client_context(), []
    start = time.monotonic()
    for i in range(1000):
        raw = socket.create_connection(("127.0.0.1", server.port), WAIT)
        held.append(context.wrap_socket(raw, server_hostname="localhost"))
    for turn in range(2):
        for i, s in enumerate(held):
            s.sendall(b"%d from %d\n" % (turn, i))
        for i, s in enumerate(held):
            want = b"%d from %d\n" % (turn, i)
            need(read_all(s, len(want)) == want, f"what connection {i} got")
    need(server.fds() == fds + 1000 and server.threads() == 1, f"{server.fds() - fds} descriptors, {server.threads()} threads")
    took = time.monotonic() - start
    for s in held[::2]:
        s.close()
    echo_once(room, server, payload(100_000))
    for s in held[1::2]:
        s.unwrap()
        s.close()
    server.idle(fds)
    need(server.said() == "" or "without" in server.said(), server.said())
    return f"{took:.1f} s"


def polls_pushes_back(room):
    """Who sends and reads nothing is not listened to; nothing is lost."""
    server = Server(room, "polls")
    fds, data, at = server.fds(), payload(60_000_000), 0
    with room.dial(server.port) as s:
        before = server.memory()
        s.settimeout(2)
        try:
            while at < len(data):
                at += s.send(data[at:at + 65536])
        except (TimeoutError, ssl.SSLWantWriteError):
            pass
        need(at < 30_000_000, f"{at} bytes were taken from a client that reads nothing")
        worked = server.worked()
        time.sleep(1)
        need(server.worked() < worked + 0.3, "it does not wait until there is room, it tries all the time")
        need(server.memory() < before + 20, f"{server.memory() - before:.0f} MiB more for one client")
        echo_once(room, server)
        s.settimeout(WAIT)
        # Python repeats what it could not send; from there on in step.
        rest = data[at:at + 1_000_000]
        need(sha(exchange(s, rest, at + len(rest))) == sha(data[:at] + rest), "something else came back")
    server.idle(fds)
    return f"{at} bytes until it stopped"


def say_what_is_wrong(room):
    def run(name, *args):
        p = subprocess.run([os.path.join(EXAMPLES, name), *args], capture_output=True, timeout=WAIT, cwd=room.dir)
        return p.returncode, p.stdout.decode(), p.stderr.decode()
    for name in ("client", "server", "mutual", "resume", *SERVERS):
        status, out, err = run(name, "--help")
        need(status == 0 and out.startswith(f"usage: {name} ") and err == "", f"{name} --help: {status} {out} {err}")
        status, out, err = run(name, "x")
        need(status == 2 and out == "" and err.startswith(f"usage: {name} "), f"{name} x: {status} {out} {err}")
    with socket.create_server(("", free_port())) as taken:
        port = str(taken.getsockname()[1])
        for name in ("server", *SERVERS):
            status, out, err = run(name, port, "server.pem", "server.key")
            need(status == 1 and out == "" and "in use" in err, f"{name}, port taken: {status} {err}")
    for name in ("server", *SERVERS):
        status, out, err = run(name, "0", "other.pem", "server.key")
        need(status == 1 and (out == "") == (name == "polls") and err.startswith(f"{name}: ") and "key" in err, f"{name}, a wrong key: {status} {err}")
    status, _, err = run("client", "localhost", str(free_port()))
    need(status == 1 and "refused" in err, f"nobody there: {err}")


def mutual_shows_both(room):
    def client(*args):
        p = subprocess.run([os.path.join(EXAMPLES, "mutual"), "client", *args], capture_output=True, timeout=WAIT,
                           cwd=room.dir)
        return p.returncode, p.stdout.decode(), p.stderr.decode()
    with open(room.path("out"), "wb") as out, open(room.path("err"), "wb") as err:
        server = room.start([os.path.join(EXAMPLES, "mutual"), "server", "0", "server.pem", "server.key", "ca.pem"],
                            stdout=out, stderr=err)

    def said(name):
        with open(room.path(name), encoding="utf-8") as f:
            return f.read()
    port = until(lambda: said("out").split("\n")[0], "no port")
    room.openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/O=Test/CN=alice",
                 "-keyout", room.path("alice.key"), "-out", room.path("alice.csr"))
    room.openssl("x509", "-req", "-in", room.path("alice.csr"), "-CA", room.path("ca.pem"), "-CAkey", room.path("ca.key"),
                 "-set_serial", "8", "-days", "2", "-extfile", room.path("ext"), "-out", room.path("alice.pem"))
    status, out, err = client("localhost", port, "alice.pem", "alice.key", "ca.pem")
    need(status == 0 and out.startswith("the peer is CN=server\nHello, ") and "alice" in out, f"{status} {out} {err}")
    need("alice" in said("out"), said("out"))
    status, out, err = client("localhost", port, "other.pem", "other.key", "ca.pem")
    need(status == 1 and "Hello" not in out and "alert" in err, f"another CA's certificate: {status} {out} {err}")
    until(lambda: said("err").startswith("mutual: "), "the server gives no reason")
    status, out, err = client("localhost", port, "alice.pem", "alice.key", "other.pem")
    need(status == 1 and out == "" and "trusted" in err, f"another CA's server: {status} {out} {err}")
    need(server.poll() is None, "the server has ended")


if __name__ == "__main__":
    sys.exit(main(echo_to_many, are_not_held_up, let_clients_come_back, polls_with_a_thousand, polls_pushes_back,
                  say_what_is_wrong, mutual_shows_both))
