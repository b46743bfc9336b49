#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""haproxy with plain ports and plain servers: wrapped on both sides, in mode tcp and http, with threads, splicing and
health checks; reload under load, by which the listeners go to the new process over a UNIX socket."""
import http.client
import os
import signal
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from http_peer import client, fetch, serve  # noqa: E402
from wrap import Bad, free_port, main, need, payload, sha, skip_without, until, wait_port  # noqa: E402

skip_without("haproxy")
BIG = payload(50 << 20)


def haproxy(room, name, tls=True):
    """The relays before its two fronts, the one behind it, and the process."""
    ports = {"tcp": free_port(), "http": free_port()}
    back = room.relay(serve(room, BIG, tls), plain=not tls)
    text = f"""global
  stats socket {room.path(name + '.admin')} mode 600 expose-fd listeners level admin
  nbthread 2
defaults
  timeout connect 10s
  timeout client 30s
  timeout server 30s
  option splice-auto
"""
    for mode, port in ports.items():
        text += f"listen {mode}\n  mode {mode}\n  bind 127.0.0.1:{port}\n  server s 127.0.0.1:{back.port} check inter 300ms\n"
    argv = ["haproxy", "-W", "-q", "-f", room.write(name + ".conf", text), "-p", room.path(name + ".pid")]
    fronts = {mode: room.relay(port, plain=not tls) for mode, port in ports.items()}
    if tls:
        for port in ports.values():
            room.server_rule("haproxy", port)
        room.client_rule("haproxy", back.port, name="server.test")
    p = room.start(room.wrapped(*argv) if tls else argv)
    for port in ports.values():
        wait_port(port, p)
    return fronts, back, p


def both_modes(room):
    """The same answers as without TLS; four requests on one connection."""
    first = None
    for tls in (False, True):
        fronts, back, p = haproxy(room, f"tls{tls}", tls)
        answers = {}
        for mode, front in fronts.items():
            c = client(room, front.port, tls)
            answers[mode] = [fetch(c, path) for path in ("/100", f"/{len(BIG)}", "/70000")] + [fetch(c, "/", BIG[:9 << 20])]
            c.close()
        first = first or answers
        need(answers == first and answers["tcp"][1] == BIG and answers["http"][3] == sha(BIG[:9 << 20]).encode(), "other answers")
        p.send_signal(signal.SIGTERM)
        p.wait(20)
    for relay, least in ((fronts["tcp"], len(BIG)), (fronts["http"], len(BIG)), (back, 2 * len(BIG))):
        relay.check(least=least)


def refuses(room):
    """A server of another CA is down for the health checks, and asked for nothing."""
    room.rule("haproxy", {"role": "client", "match": "*:*", "ca": room.path("other.pem")})
    fronts, back, _ = haproxy(room, "a")
    room.wait_log("role=client", "result=failed")
    c = client(room, fronts["http"].port)
    fetch(c, "/100", want=503)
    for relay in (fronts["http"], back):
        relay.check(whole=False)


def reload_under_load(room):
    """Connections that are open go on, and none is refused while the processes change."""
    fronts, back, p = haproxy(room, "a")
    errors, done, over = [], [], threading.Event()

    def load(mode):
        try:
            while not over.is_set():
                c = client(room, fronts[mode].port)
                for i in range(3):
                    try:
                        need(fetch(c, "/5000") == BIG[:5000], "other bytes")
                    except http.client.RemoteDisconnected:
                        need(mode == "http" and i > 0, "closed before it answered")
                        break  # in that mode the old process closes between two requests, with and without TLS
                c.close()
                done.append(mode)
        except (OSError, Bad, http.client.HTTPException) as e:
            errors.append(f"{mode}: {type(e).__name__}: {e}")

    kept = client(room, fronts["tcp"].port)
    fetch(kept, "/5000")
    threads = [threading.Thread(target=load, args=(mode,)) for mode in ("tcp", "http") * 2]
    for t in threads:
        t.start()
    def processes():
        return {line.split(" pid=")[1].split()[0] for line in room.log_lines("role=server")}

    for i in range(3):
        until(lambda: len(processes()) > i, "no new process serves")
        p.send_signal(signal.SIGUSR2)
    until(lambda: len(processes()) > 3 or errors, "no new process serves")
    need(fetch(kept, "/5000") == BIG[:5000], "the connection that was open")
    kept.close()
    over.set()
    for t in threads:
        t.join(60)
    need(not errors, "; ".join(errors))
    for relay in (*fronts.values(), back):
        relay.check(connections=4, whole=False)
    return f"{len(done)} connections"


if __name__ == "__main__":
    sys.exit(main(both_modes, refuses, reload_under_load))
