#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""mosquitto (epoll), mosquitto_pub and mosquitto_sub (blocking, pselect): 10,000 messages with QoS 1, none lost,
none changed, in order."""
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from jobs import each_way  # noqa: E402
from wrap import MARK, main, need, sha, skip_without, until  # noqa: E402

skip_without("mosquitto", "mosquitto_pub", "mosquitto_sub", "socat", "openssl")
MESSAGES = b"".join(MARK + b" %05d %s\n" % (i, b"x" * (i % 300)) for i in range(10000))


def mosquitto(room):
    def job(j):
        conf = room.write("mosquitto.conf", f"listener {j.listen} 127.0.0.1\nallow_anonymous true\nuser root\n"
                          f"max_queued_messages 0\nmax_inflight_messages 0\nlog_dest file {room.path('mosquitto.log')}\n"
                          "persistence false\nlog_type subscribe\n")
        room.write("mosquitto.log", b"")
        p = j.serve("mosquitto", "-c", conf)
        where = ["-h", "localhost", "-p", str(j.dial), "-q", "1", "-t", "t"]
        with open(room.path("got"), "wb") as got:
            sub = room.start(j.client("mosquitto_sub", *where, "-C", "10000"), stdout=got, stderr=subprocess.STDOUT)

        def subscribed():
            need(sub.poll() is None, "mosquitto_sub ended")
            with open(room.path("mosquitto.log"), "rb") as f:
                return b" t\n" in f.read()

        until(subscribed, "mosquitto_sub does not subscribe")
        room.run(j.client("mosquitto_pub", *where, "-l"), data=MESSAGES)
        need(sub.wait(45) == 0, f"mosquitto_sub: exit {sub.returncode}")
        j.check(connections=2, least=2 * len(MESSAGES))
        p.terminate()
        p.wait(10)
        with open(room.path("got"), "rb") as f:
            got = f.read()
        need(got == MESSAGES, f"{len(got)} of {len(MESSAGES)} bytes, or other ones")
        return sha(got)

    each_way(room, job, client="mosquitto_pub mosquitto_sub", server="mosquitto")


if __name__ == "__main__":
    sys.exit(main(mosquitto))
