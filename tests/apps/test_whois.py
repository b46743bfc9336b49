#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""whois and finger: a query and its answer through stdio on the socket, which calls no function that can be taken
over."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from jobs import Job, each_way  # noqa: E402
from wrap import MARK, main, need, needs, payload, skip_without, until  # noqa: E402

skip_without("socat", "openssl")
ANSWER = payload(200000).decode("latin-1").encode("ascii", "replace").replace(b"\r", b".").replace(b"\0", b".")


def query_server(room, j, log):
    """A line in, the answer out."""
    room.write("answer", ANSWER)
    script = room.write("serve", f"#!/bin/sh\nread -r q; echo \"$q\" >>{room.path(log)}; cat {room.path('answer')}\n", 0o700)
    return j.serve("socat", f"TCP-LISTEN:{j.listen},bind=127.0.0.1,reuseaddr,fork", f"EXEC:{script}")


def asked(room, log):
    until(lambda: os.path.exists(room.path(log)), "no question came")
    with open(room.path(log), "rb") as f:
        return f.read().strip()


def whois(room):
    needs("whois")

    def job(j):
        p = query_server(room, j, "asked." + j.way)
        out = room.run(j.client("whois", "-h", "localhost", "-p", str(j.dial), MARK.decode()))
        question = asked(room, "asked." + j.way)
        need(question == MARK.lower(), f"another question: {question!r}")
        need(ANSWER.split(b"\n")[5] in out and len(out) > 190000, f"{len(out)} bytes, or other ones")
        j.check(least=len(ANSWER))
        p.terminate()
        p.wait(10)
        return out

    each_way(room, job, ways=("plain", "client"), client="whois", needles=(MARK, MARK.lower()))


def finger(room):
    """It knows one port, 79: the rule says another one, so there is no way without it."""
    needs("finger")
    j = Job(room, "client", client="finger")
    os.unlink(room.conf)
    room.client_rule("finger", 79, to_port=j.dial)
    query_server(room, j, "asked")
    out = room.run(j.client("finger", f"{MARK.decode()}@localhost"))
    need(asked(room, "asked") == MARK, "another question")
    # The terminal's first line, then the answer, unprintable characters aside.
    need(out.count(MARK) >= ANSWER.count(MARK) and out.rstrip()[-20:] == ANSWER.rstrip()[-20:], f"{len(out)} bytes, or other ones")
    j.check(least=len(ANSWER))


if __name__ == "__main__":
    sys.exit(main(whois, finger))
