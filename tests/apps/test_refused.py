#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""Programs that no library can be put under: the launcher says so and does not start them. And one that speaks TLS by
itself (openssl s_client): never TLS in TLS."""
import os
import shutil
import socket
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from wrap import MARK, Skip, free_port, main, need, needs, skip_without, wait_port  # noqa: E402

skip_without("openssl")
GO = """package main
import ("fmt"; "net"; "os")
func main() {
    c, err := net.Dial("tcp", "127.0.0.1:" + os.Args[1])
    if err != nil { fmt.Println(err); os.Exit(1) }
    fmt.Fprintf(c, "%s\\n", os.Args[2])
}
"""
C = "#include <unistd.h>\nint main(void) { return write(1, \"ran\\n\", 4) == 4 ? 0 : 1; }\n"


class Nobody:
    """A port whose every connection is counted: none is to come."""

    def __init__(self):
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]

    def check(self):
        self.socket.setblocking(False)
        try:
            self.socket.accept()
        except BlockingIOError:
            self.socket.close()
            return
        need(False, "the program was started, and it connected")


def refused(room, name, argv, sentence):
    """Not started: not a connection, and the reason."""
    nobody = Nobody()
    room.client_rule(name, nobody.port)
    p = room.run(room.wrapped(*(a.replace("PORT", str(nobody.port)) for a in argv)), check=False)
    need(p.returncode == 2 and sentence in p.stderr.decode(), f"exit {p.returncode}: {p.stderr!r}")
    need(b"ran" not in p.stdout, "it ran")
    nobody.check()


def busybox_static(room):
    needs("busybox")
    with open(shutil.which("busybox"), "rb") as f:
        if b"/ld-linux" in f.read(4096):
            raise Skip("not installed: busybox-static")
    refused(room, "busybox", ["busybox", "wget", "-q", "-O", "-", f"http://127.0.0.1:PORT/{MARK.decode()}"], "statically")


def static(room):
    needs("cc")
    room.run(["cc", "-static", "-o", room.path("still"), room.write("still.c", C)])
    refused(room, "still", [room.path("still")], "statically")


def go(room):
    needs("go")
    room.run(["go", "build", "-o", room.path("gone"), room.write("gone.go", GO)], timeout=120,
             env={"GOCACHE": room.path("cache"), "GOFLAGS": "-mod=mod", "GO111MODULE": "off", "HOME": room.dir, "GOTOOLCHAIN": "local"})
    refused(room, "gone", [room.path("gone"), "PORT", MARK.decode()], "Go program")


def setuid(room):
    """Also for root, who gains nothing by another user's."""
    needs("cc")
    if os.getuid() != 0:
        raise Skip("only root can make a program of another user")
    room.run(["cc", "-o", room.path("suid"), room.write("suid.c", C)])
    os.chown(room.path("suid"), 65534, 65534)
    os.chmod(room.path("suid"), 0o4755)
    refused(room, "suid", [room.path("suid")], "set-user-ID")


def mirror(room, app_tls):
    """What s_client reads of a server that turns lines round."""
    port = free_port()
    relay = room.relay(port)
    room.client_rule("openssl", relay.port, app_tls=app_tls)
    p = room.start(["openssl", "s_server", "-quiet", "-rev", "-tls1_3", "-accept", f"127.0.0.1:{port}", "-cert",
                    room.path("server.pem"), "-key", room.path("server.key")])
    wait_port(port, p)
    q = room.start(room.wrapped("openssl", "s_client", "-quiet", "-verify_return_error", "-connect", f"localhost:{relay.port}",
                                "-CAfile", room.path("ca.pem")), stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        q.stdin.write(MARK + b"\n")
        q.stdin.flush()
    except BrokenPipeError:
        pass
    return q.stdout.readline(), q, relay


def s_client(room):
    """Its ClientHello would go inside of our TLS: the connection ends without it, and in no way in clear."""
    line, q, relay = mirror(room, "refuse")
    need(line == b"" and q.wait(30) != 0, f"exit {q.returncode}: {line!r}")
    relay.check(whole=False)


def s_client_bypass(room):
    """Its own TLS, once."""
    line, _, relay = mirror(room, "bypass")
    need(line == MARK[::-1] + b"\n", f"{line!r}")
    relay.check(whole=False)


if __name__ == "__main__":
    sys.exit(main(busybox_static, static, go, setuid, s_client, s_client_bypass))
