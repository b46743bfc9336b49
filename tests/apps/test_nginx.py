#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""nginx on a plain port (epoll edge-triggered, sendfile, writev, worker processes), and as a proxy whose
connections to the server behind it are wrapped; reload under load."""
import hashlib
import os
import re
import sys
import threading
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from wrap import Bad, free_port, main, need, needs, payload, read_all, sha, skip_without, stop, wait_port  # noqa: E402

skip_without("nginx")
GB = 1 << 30


def nginx(room, name, port, extra):
    conf = room.write(name + ".conf", f"""
daemon off; master_process on; worker_processes 2; pid {room.path(name + '.pid')}; error_log {room.path(name + '.err')} warn;
user root;
events {{ worker_connections 256; }}
http {{
  access_log off; sendfile on; tcp_nopush on; keepalive_requests 100000;
  client_body_temp_path {room.path('t1')}; proxy_temp_path {room.path('t2')}; fastcgi_temp_path {room.path('t3')};
  uwsgi_temp_path {room.path('t4')}; scgi_temp_path {room.path('t5')};
  server {{ listen 127.0.0.1:{port}; root {room.path('www')}; {extra} }}
}}
""")
    return ["nginx", "-c", conf, "-e", room.path(name + ".err")]


def files(room):
    os.makedirs(room.path("www"), exist_ok=True)
    os.chmod(room.dir, 0o755)
    data = payload(50 << 20)
    room.write("www/big", data, 0o644)
    room.write("www/small", data[:612], 0o644)
    return data


def get(s, path, size):
    s.sendall(b"GET /%s HTTP/1.1\r\nHost: localhost\r\n\r\n" % path.encode())
    head = b""
    while b"\r\n\r\n" not in head:
        part = s.recv(65536)
        need(part, "the end inside a header")
        head += part
    head, _, body = head.partition(b"\r\n\r\n")
    need(b" 200 " in head.split(b"\r\n")[0], f"{head[:100]!r}")
    return body + read_all(s, size - len(body))


def serve(room):
    port = free_port()
    relay = room.relay(port)
    room.server_rule("nginx", port)
    wait_port(port, room.start(room.wrapped(*nginx(room, "a", port, ""))))
    return relay


def static(room):
    """1000 requests on one connection, one after the other; 200 without waiting for the answers."""
    data = files(room)
    relay = serve(room)
    with room.dial(relay.port) as s:
        need(sha(get(s, "big", len(data))) == sha(data), "50 MB by sendfile")
        for _ in range(1000):
            need(get(s, "small", 612) == data[:612], "keep-alive")
        many = b"GET /small HTTP/1.1\r\nHost: localhost\r\n\r\n" * 200
        s.sendall(many)
        got = b""
        while got.count(data[:612]) < 200:
            part = s.recv(1 << 18)
            need(part, f"the end after {len(got)} bytes of 200 answers")
            got += part
    relay.check(least=len(data))


def gigabyte(room):
    """1 GB by sendfile."""
    data = files(room)
    with open(room.path("www/huge"), "wb") as f:
        for _ in range(GB // len(data)):
            f.write(data)
        f.write(data[:GB % len(data)])
    os.chmod(room.path("www/huge"), 0o644)
    relay = serve(room)
    total, want, got = 0, hashlib.sha256(), hashlib.sha256()
    with open(room.path("www/huge"), "rb") as f:
        while part := f.read(1 << 20):
            want.update(part)
    with room.dial(relay.port) as s:
        s.sendall(b"GET /huge HTTP/1.0\r\nHost: localhost\r\n\r\n")
        rest = b""
        while b"\r\n\r\n" not in rest:
            rest += s.recv(65536)
        part = rest.partition(b"\r\n\r\n")[2] or s.recv(1 << 18)
        while part:
            got.update(part)
            total += len(part)
            part = s.recv(1 << 18)
    need(total == GB and got.digest() == want.digest(), f"{total} bytes, or other ones")
    relay.check(least=GB)


def load(room):
    """wrk, with OpenSSL, on connections that it keeps: no answer but the right one's length and status."""
    needs("wrk")
    files(room)
    relay = serve(room)
    out = room.run(["wrk", "-t", "2", "-c", "20", "-d", "3s", f"https://localhost:{relay.port}/small"]).decode()
    done = int(re.search(r"(\d+) requests in", out)[1])
    need(done >= 1000 and "Socket errors" not in out and "Non-2xx" not in out, out)
    need(len(relay.wires) <= 40, f"{len(relay.wires)} connections: not kept")
    relay.check(connections=20, least=done * 612, whole=False)
    return f"{done} requests"


def reload_under_load(room):
    port = free_port()
    relay = room.relay(port)
    data = files(room)
    room.server_rule("nginx", port)
    p = room.start(room.wrapped(*nginx(room, "a", port, "")))
    wait_port(port, p)
    errors = []

    def load():
        try:
            for _ in range(40):
                with room.dial(relay.port) as s:
                    need(get(s, "small", 612) == data[:612], "other bytes")
        except (OSError, Bad) as e:
            errors.append(str(e))

    threads = [threading.Thread(target=load) for _ in range(4)]
    for t in threads:
        t.start()
    for _ in range(3):
        p.send_signal(1)
        threading.Event().wait(0.2)
    for t in threads:
        t.join(60)
    need(not errors, "; ".join(errors))
    stop(p)
    relay.check(connections=160)


def proxy(room):
    """A plain front, wrapped connections to a wrapped server behind it."""
    front, back = free_port(), free_port()
    relay = room.relay(back)
    data = files(room)
    room.server_rule("nginx", back)
    room.client_rule("nginx", relay.port, name="server.test")
    room.start(room.wrapped(*nginx(room, "back", back, "")))
    room.start(room.wrapped(*nginx(room, "front", front, f"location / {{ proxy_pass http://127.0.0.1:{relay.port}; }}")))
    wait_port(back)
    wait_port(front)
    for path, want in (("small", data[:612]), ("big", data)):
        with urllib.request.urlopen(f"http://127.0.0.1:{front}/{path}", timeout=60) as f:
            need(sha(f.read()) == sha(want), f"/{path} through the proxy")
    relay.check(connections=2, whole=False)


if __name__ == "__main__":
    sys.exit(main(static, gigabyte, load, reload_under_load, proxy))
