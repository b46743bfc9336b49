#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""PostgreSQL with sslmode=disable: a process for each connection, epoll and longjmp in the server; psql and pgbench
non-blocking with poll. What goes over the UNIX socket of the same server is the job without TLS."""
import glob
import os
import signal
import struct
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from wrap import MARK, free_port, main, need, read_all, sha, skip_without, until, wait_port  # noqa: E402

BIN = (glob.glob("/usr/lib/postgresql/*/bin") or ["/usr/lib/postgresql/bin"])[-1]
POSTGRES, INITDB, PSQL, PGBENCH = (os.path.join(BIN, name) for name in ("postgres", "initdb", "psql", "pgbench"))
skip_without(POSTGRES, INITDB, PSQL, PGBENCH)
# More than 100 MB.
LINES = f"SELECT i, '{MARK.decode()}' || repeat(md5(i::text), 3) FROM generate_series(1, 850000) AS i"
SECONDS = 10


def server(room):
    port = free_port()
    room.server_rule("postgres", port)
    data = room.path("data")
    if os.geteuid() == 0:  # it refuses to run as root
        room.share("postgres")
    room.run([INITDB, "-D", data, "-A", "trust", "-U", "tester", "-N", "--locale=C"])
    p = room.start(room.wrapped(POSTGRES, "-D", data, "-p", str(port), "-h", "127.0.0.1", "-k", room.dir, "-F",
                                "-c", "max_wal_size=2GB"))
    wait_port(port, p)
    until(lambda: room.run([PSQL, *at(room.dir, port), "-c", "SELECT 1"], check=False).returncode == 0, "no answer")
    return port


def at(host, port):
    return ["-h", host, "-p", str(port), "-U", "tester", "-d", "postgres", "-X", "-q", "-A", "-t"]


def ways(room):
    """The same psql by the UNIX socket, and wrapped through a relay."""
    port = server(room)
    relay = room.relay(port)
    room.client_rule("psql", relay.port)
    env = {"PGSSLMODE": "disable", "PGGSSENCMODE": "disable"}

    def plain(*args, data=b""):
        return room.run([PSQL, *at(room.dir, port), *args], data, env=env)

    def tls(*args, data=b""):
        return room.run(room.wrapped(PSQL, *at("localhost", relay.port), *args), data, env=env)
    return port, relay, plain, tls


def queries(room):
    """A script, an error in a transaction, a time limit (siglongjmp in the server), LISTEN; and a peer with another TLS."""
    port, relay, plain, tls = ways(room)
    script = f"""CREATE TEMP TABLE t (i int, s text);
INSERT INTO t {LINES.replace('850000', '2000')};
SELECT count(*), sum(length(s)) FROM t; BEGIN; SELECT 1/0; ROLLBACK; SET statement_timeout = 100; SELECT pg_sleep(20);
LISTEN c; NOTIFY c, 'word'; SELECT s FROM t ORDER BY i;""".encode()
    one, two = plain(data=script), tls(data=script)
    need(one.split(b" received")[0] == two.split(b" received")[0] and one.count(MARK) == 2000, "the answers differ")
    need(sha(one.partition(b".\n")[2]) == sha(two.partition(b".\n")[2]), "the rows differ")
    with room.dial(relay.port) as s:
        words = b"user\0tester\0database\0postgres\0\0"
        s.sendall(struct.pack(">II", 8 + len(words), 3 << 16) + words)
        query = b"SELECT '%s'\0" % MARK
        s.sendall(b"Q" + struct.pack(">I", 4 + len(query)) + query + b"X\0\0\0\4")
        need(b"D\0\0\0\x1e\0\1\0\0\0\x14" + MARK in read_all(s), "an unwrapped client")
    relay.check(connections=2)


def copy(room):
    """100 MB out, and in again."""
    _, relay, plain, tls = ways(room)
    tls("-c", f"CREATE TABLE one AS {LINES}; CREATE TABLE two (i int, s text)")
    want, got = (run("-c", "COPY one TO STDOUT") for run in (plain, tls))
    need(len(want) > 100_000_000 and sha(want) == sha(got), f"{len(got)} bytes, not the {len(want)} of plaintext")
    tls("-c", "COPY two FROM STDIN", data=want)
    need(plain("-c", "SELECT count(*) FROM (TABLE one EXCEPT TABLE two) AS x") == b"0\n", "rows are missing")
    relay.check(connections=3, least=2 * len(want))


def cancel(room):
    """psql's handler of SIGINT makes another connection and sends the request on it."""
    port, relay, plain, _ = ways(room)
    p = room.start(room.wrapped(PSQL, *at("localhost", relay.port), "-c", f"SELECT pg_sleep(100) /* {MARK.decode()} */"),
                   env={"PGSSLMODE": "disable", "PGGSSENCMODE": "disable"}, stderr=subprocess.PIPE)
    seen = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
    until(lambda: plain("-c", seen) == b"1\n", "the query does not run")
    p.send_signal(signal.SIGINT)
    text = p.communicate(timeout=30)[1]
    need(b"canceling statement due to user request" in text, f"{text!r}")
    until(lambda: plain("-c", seen) == b"0\n", "the query goes on")
    relay.check(connections=2)


def bench(room):
    """pgbench -c 8; afterwards the sums of the accounts, tellers and branches are those of the history."""
    port, relay, plain, _ = ways(room)
    room.client_rule("pgbench", relay.port)
    env = {"PGSSLMODE": "disable", "PGGSSENCMODE": "disable", "PGUSER": "tester"}
    room.run(room.wrapped(PGBENCH, "-h", "localhost", "-p", str(relay.port), "-i", "-q", "postgres"), env=env)
    out = room.run(room.wrapped(PGBENCH, "-h", "localhost", "-p", str(relay.port), "-c", "8", "-j", "2", "-T", str(SECONDS),
                                "postgres"), env=env, timeout=SECONDS + 60).decode()
    done = int(out.split("actually processed: ")[1].split()[0])
    need("number of failed transactions: 0" in out and done > 0, out)
    sums = plain("-c", "SELECT count(*), sum(delta), (SELECT sum(abalance) FROM pgbench_accounts), "
                 "(SELECT sum(tbalance) FROM pgbench_tellers), (SELECT sum(bbalance) FROM pgbench_branches) FROM pgbench_history")
    count, *four = sums.decode().strip().split("|")
    need(int(count) == done and len(set(four)) == 1, f"{done} transactions, but {sums!r}")
    relay.check(connections=9)
    return f"{done / SECONDS:.0f} transactions/s"


if __name__ == "__main__":
    sys.exit(main(queries, copy, cancel, bench))
