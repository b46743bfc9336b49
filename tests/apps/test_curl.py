#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""curl and wget with http:// addresses against an https server: 100 MB, resume, POST, keep-alive."""
import http.server
import os
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from wrap import main, need, payload, sha, skip_without  # noqa: E402

skip_without("curl", "wget")
BIG = payload(100 << 20)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        size = int(self.path.strip("/") or 10)
        start = 0
        if "Range" in self.headers:
            start = int(self.headers["Range"].split("=")[1].split("-")[0])
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{size - 1}/{size}")
        else:
            self.send_response(200)
        self.send_header("Content-Length", str(size - start))
        self.end_headers()
        self.wfile.write(memoryview(BIG)[start:size])

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        answer = sha(body).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *args):
        pass


def serve(room):
    s = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    s.daemon_threads = True
    s.handle_error = lambda *a: None  # a client that refuses us
    s.socket = room.server_context().wrap_socket(s.socket, server_side=True, do_handshake_on_connect=False)
    threading.Thread(target=s.serve_forever, daemon=True).start()
    return s.server_address[1]


def curl_big(room):
    relay = room.relay(serve(room))
    room.client_rule("curl", relay.port)
    out = room.run(room.wrapped("curl", "-sS", f"http://localhost:{relay.port}/{len(BIG)}"), timeout=60)
    need(sha(out) == sha(BIG), f"{len(out)} bytes, not the 100 MB that were served")
    relay.check(least=len(BIG))


def curl_more(room):
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
    relay = room.relay(serve(room))
    room.client_rule("curl", relay.port, ca=room.path("other.pem"))
    p = room.run(room.wrapped("curl", "-sS", f"http://localhost:{relay.port}/10"), check=False)
    need(p.returncode != 0 and p.stdout == b"", f"a server of another CA: exit {p.returncode}, {p.stdout!r}")
    room.wait_log("result=failed")
    relay.check()


def to_port(room):
    """`to-port`: the program asks for one port and gets another."""
    relay = room.relay(serve(room))
    room.client_rule("curl", "80", to_port=relay.port)
    need(room.run(room.wrapped("curl", "-sS", "http://localhost/77")) == BIG[:77], "port 80 is not the relay's")
    relay.check()


def wget(room):
    relay = room.relay(serve(room))
    room.client_rule("wget", relay.port)
    url = f"http://localhost:{relay.port}"
    out = room.run(room.wrapped("wget", "-q", "-O", "-", f"{url}/{20 << 20}", f"{url}/1000"), timeout=60)
    need(out == BIG[:20 << 20] + BIG[:1000], f"{len(out)} bytes")
    relay.check()


if __name__ == "__main__":
    sys.exit(main(curl_big, curl_more, curl_refuses, to_port, wget))
