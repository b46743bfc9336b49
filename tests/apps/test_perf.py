#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""Programs that measure: iperf3 (select, sendfile), client and server, both directions; wrk (epoll, threads) and ab
(poll) as clients of nginx."""
import json
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from jobs import each_way  # noqa: E402
from wrap import MARK, main, need, payload, skip_without  # noqa: E402

skip_without("iperf3", "wrk", "ab", "nginx", "socat", "openssl")
SIZE = 64 << 20


def iperf3(room):
    """Up, down, two at once, and by sendfile."""
    def job(j):
        seen = []
        for flags in ([], ["-R"], ["-P", "2"], ["-Z"]):
            p = j.serve("iperf3", "-s", "-1", "-B", "127.0.0.1", "-p", str(j.listen))
            out = json.loads(room.run(j.client("iperf3", "-c", "localhost", "-p", str(j.dial), "-J", "-n", str(SIZE), *flags)))
            need("error" not in out, out.get("error"))
            need(p.wait(20) == 0, f"iperf3 -s {flags}: exit {p.returncode}")
            need(out["end"]["sum_received"]["bytes"] > 0, f"iperf3 {flags}: nothing received")
            seen.append(len(out["start"]["connected"]))
        j.check(connections=9, least=2 * SIZE, whole=False)  # who has counted enough closes at once
        return seen

    each_way(room, job, client="iperf3", server="iperf3", needles=(b'"tcp":', b'"parallel"', b"end_conditions"))


def nginx(room, j):
    os.makedirs(room.path("web"), exist_ok=True)
    room.write("web/page", payload(30000), 0o644)
    os.chmod(room.dir, 0o755)
    os.chmod(room.path("web"), 0o755)
    conf = room.write("nginx.conf", f"""user root; daemon off; worker_processes 1; pid {room.path('nginx.pid')}; error_log {room.path('nginx.err')};
events {{ worker_connections 512; }}
http {{ access_log off; keepalive_requests 100000; client_body_temp_path {room.path('t')};
  proxy_temp_path {room.path('t')}; fastcgi_temp_path {room.path('t')}; uwsgi_temp_path {room.path('t')}; scgi_temp_path {room.path('t')};
  server {{ listen 127.0.0.1:{j.listen}; root {room.path('web')}; }} }}
""")
    return j.serve("nginx", "-p", room.dir, "-c", conf)


def wrk(room):
    def job(j):
        p = nginx(room, j)
        out = room.run(j.client("wrk", "-t", "2", "-c", "20", "-d", "2", f"http://localhost:{j.dial}/page")).decode()
        done = re.search(r"(\d+) requests in", out)
        need(done and int(done[1]) > 20, out)
        j.check(connections=20, least=30000 * int(done[1]), whole=False)
        p.terminate()
        p.wait(10)
        return [line for line in out.splitlines() if "Non-2xx" in line or "errors" in line]

    each_way(room, job, ways=("plain", "client"), client="wrk", needles=(MARK, b"GET /page", b"HTTP/1.1"))


def ab(room):
    def job(j):
        p = nginx(room, j)
        seen = []
        for flags in ([], ["-k"]):
            out = room.run(j.client("ab", "-q", "-n", "200", "-c", "10", *flags, f"http://localhost:{j.dial}/page")).decode()
            for what in ("Complete requests", "Failed requests", "HTML transferred", "Keep-Alive requests", "Document Length"):
                found = re.search(what + r": +(\d+)", out)
                seen.append((what, found and found[1]))
        j.check(connections=200, least=400 * 30000, whole=False)
        p.terminate()
        p.wait(10)
        return seen

    each_way(room, job, ways=("plain", "client"), client="ab", needles=(MARK, b"GET /page", b"HTTP/1."))


if __name__ == "__main__":
    sys.exit(main(iperf3, wrk, ab))
