#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""curl and wget with http:// addresses against an https server: 100 MB, resume, POST, keep-alive."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import http_peer  # noqa: E402
from wrap import main, need, needs, payload, sha  # noqa: E402

BIG = payload(100 << 20)


def serve(room):
    return http_peer.serve(room, BIG)


def curl_big(room):
    needs("curl")
    relay = room.relay(serve(room))
    room.client_rule("curl", relay.port)
    out = room.run(room.wrapped("curl", "-sS", f"http://localhost:{relay.port}/{len(BIG)}"), timeout=60)
    need(sha(out) == sha(BIG), f"{len(out)} bytes, not the 100 MB that were served")
    relay.check(least=len(BIG))


def curl_more(room):
    needs("curl")
    relay = room.relay(serve(room))
    room.client_rule("curl", relay.port)
    url = f"http://localhost:{relay.port}"
    need(room.run(room.wrapped("curl", "-sS", f"{url}/1000", f"{url}/70000", f"{url}/5")) ==
         BIG[:1000] + BIG[:70000] + BIG[:5], "three requests on one connection")
    need(len(relay.wires) == 1, "no keep-alive")
    body = room.write("body", BIG[:3 << 20])
    need(room.run(room.wrapped("curl", "-sS", "--data-binary", "@" + body, url)) == sha(BIG[:3 << 20]).encode(), "POST")
    part = room.write("part", BIG[:12345])
    room.run(room.wrapped("curl", "-sS", "-C", "-", "-o", part, f"{url}/2000000"))
    with open(part, "rb") as f:
        need(f.read() == BIG[:2000000], "resume")
    relay.check(connections=3)


def curl_refuses(room):
    needs("curl")
    relay = room.relay(serve(room))
    room.client_rule("curl", relay.port, ca=room.path("other.pem"))
    p = room.run(room.wrapped("curl", "-sS", f"http://localhost:{relay.port}/10"), check=False)
    need(p.returncode != 0 and p.stdout == b"", f"a server of another CA: exit {p.returncode}, {p.stdout!r}")
    room.wait_log("result=failed")
    relay.check()


def to_port(room):
    """`to-port`: the program asks for one port and gets another."""
    needs("curl")
    relay = room.relay(serve(room))
    room.client_rule("curl", "80", to_port=relay.port)
    need(room.run(room.wrapped("curl", "-sS", "http://localhost/77")) == BIG[:77], "port 80 is not the relay's")
    relay.check()


def wget(room):
    """100 MB, two more on the same connection, POST, resume: the same as without TLS."""
    needs("wget")
    body = room.write("body", BIG[:3 << 20])

    def job(port, run):
        url = f"http://localhost:{port}"
        part = room.write("part", BIG[:12345])
        out = [run("wget", "-q", "-O", "-", f"{url}/{len(BIG)}", f"{url}/1000", f"{url}/70000"),
               run("wget", "-q", "-O", "-", f"--post-file={body}", url),
               run("wget", "-q", "-c", "-O", part, f"{url}/2000000")]
        with open(part, "rb") as f:
            return [sha(text) for text in (*out, f.read())]

    relay = room.relay(serve(room))
    room.client_rule("wget", relay.port)
    one = job(http_peer.serve(room, BIG, tls=False), lambda *argv: room.run(argv, timeout=60))
    two = job(relay.port, lambda *argv: room.run(room.wrapped(*argv), timeout=60))
    need(one == two and one[0] == sha(BIG + BIG[:1000] + BIG[:70000]) and one[3] == sha(BIG[:2000000]), "other bytes")
    need(len(relay.wires) == 3, f"{len(relay.wires)} connections, not 3: no keep-alive")
    relay.check(connections=3, least=len(BIG))


def wget_refuses(room):
    needs("wget")
    relay = room.relay(serve(room))
    room.client_rule("wget", relay.port, ca=room.path("other.pem"))
    p = room.run(room.wrapped("wget", "-q", "-t", "1", "-O", "-", f"http://localhost:{relay.port}/10"), check=False)
    need(p.returncode != 0 and p.stdout == b"", f"a server of another CA: exit {p.returncode}, {p.stdout!r}")
    room.wait_log("result=failed")
    relay.check()


if __name__ == "__main__":
    sys.exit(main(curl_big, curl_more, curl_refuses, to_port, wget, wget_refuses))
