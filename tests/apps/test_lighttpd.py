#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""lighttpd on a plain port (epoll, writev, sendfile): files, ranges, uploads, CGI, which is another program behind
pipes, and a graceful restart."""
import os
import signal
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from http_peer import client, fetch, serve  # noqa: E402
from wrap import MARK, free_port, main, need, payload, sha, skip_without, until, wait_port  # noqa: E402

skip_without("lighttpd", "curl")
BIG = payload(100 << 20)
# What it was sent, and who serves.
CGI = f"""#!/bin/sh
printf 'Content-Type: text/plain\\r\\n\\r\\n'
echo "$REQUEST_METHOD $QUERY_STRING {MARK.decode()}"
if [ "$REQUEST_METHOD" = POST ]; then sha256sum | cut -c 1-64; else cat "$DOCUMENT_ROOT/big"; fi
"""


def lighttpd(room, name, port, extra=""):
    conf = room.write(name + ".conf", f"""
server.modules = ( "mod_cgi", "mod_proxy" )
server.document-root = "{room.path('www')}"
server.port = {port}
server.bind = "127.0.0.1"
server.errorlog = "{room.path(name + '.err')}"
server.upload-dirs = ( "{room.dir}" )
server.max-keep-alive-requests = 10000
cgi.assign = ( ".cgi" => "" )
{extra}
""")
    return ["lighttpd", "-D", "-f", conf]


def files(room):
    os.makedirs(room.path("www"))
    room.write("www/big", BIG, 0o644)
    room.write("www/small", BIG[:612], 0o644)
    room.write("www/x.cgi", CGI, 0o755)


def requests(room, port, tls):
    """What it answers on one connection, and to curl, which is GnuTLS or OpenSSL."""
    c = client(room, port, tls)
    out = [sha(fetch(c, "/big"))] + [fetch(c, "/small") for _ in range(300)]
    out += [sha(fetch(c, "/x.cgi?word")), fetch(c, "/x.cgi?up", BIG[:5 << 20]), fetch(c, "/nothing", want=404)[:80]]
    c.close()
    url = f"http{'s' if tls else ''}://localhost:{port}"
    trust = ["--cacert", room.path("ca.pem")] if tls else []
    out += [room.run(["curl", "-sS", *trust, "-r", "12345-99999", f"{url}/big"]),
            room.run(["curl", "-sS", *trust, *[f"{url}/small"] * 50])]
    return out


def both_ways_of_sending(room):
    files(room)
    for backend in ("sendfile", "writev"):
        extra, first = f'server.network-backend = "{backend}"', None
        for tls in (False, True):
            port = free_port()
            relay = room.relay(port, plain=not tls)
            argv = lighttpd(room, f"{backend}{tls}", port, extra)
            if tls:
                room.server_rule("lighttpd", port)
            p = room.start(room.wrapped(*argv) if tls else argv)
            wait_port(port, p)
            got = requests(room, relay.port, tls)
            first = first or got
            need(got[0] == sha(BIG) and got == first, f"{backend}: other answers than without TLS")
            p.send_signal(signal.SIGTERM)
            p.wait(20)
        relay.check(connections=3, least=2 * len(BIG))


def proxy(room):
    """mod_proxy: the connections to the server behind it are wrapped, too."""
    front = free_port()
    back = room.relay(serve(room, BIG))
    files(room)
    room.client_rule("lighttpd", back.port, name="server.test")
    room.server_rule("lighttpd", front)
    relay = room.relay(front)
    p = room.start(room.wrapped(*lighttpd(room, "a", front, f'proxy.server = ( "/" => (( "host" => "127.0.0.1", "port" => {back.port} )) )')))
    wait_port(front, p)
    c = client(room, relay.port)
    for size in (7, 20 << 20, 70000):
        need(fetch(c, f"/{size}") == BIG[:size], "other bytes")
    need(fetch(c, "/", BIG[:3 << 20]) == sha(BIG[:3 << 20]).encode(), "upload")
    c.close()
    relay.check(least=20 << 20)
    back.check(least=20 << 20, whole=False)


def restart(room):
    """SIGUSR1: requests that are being answered are answered to their end, and it listens again."""
    files(room)
    port = free_port()
    relay = room.relay(port)
    room.server_rule("lighttpd", port)
    p = room.start(room.wrapped(*lighttpd(room, "a", port)))
    wait_port(port, p)
    c = client(room, relay.port)
    c.request("GET", "/big")
    answer = c.getresponse()
    first = answer.read(100000)
    p.send_signal(signal.SIGUSR1)
    need(sha(first + answer.read()) == sha(BIG), "the answer was cut")
    c.close()

    def again():
        try:
            d = client(room, relay.port)
            return fetch(d, "/small") == BIG[:612]
        except OSError:
            return False
        finally:
            d.close()
    until(again, "it does not listen again")
    relay.check(connections=2, least=len(BIG), whole=False)


if __name__ == "__main__":
    sys.exit(main(both_ways_of_sending, proxy, restart))
