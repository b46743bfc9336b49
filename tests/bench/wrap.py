#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""Sleeve beside stunnel and socat, around a client and a server without TLS: `make bench-wrap`. README.md says more.

wrap.py [--rounds N] [--scale F] [--only start,calls,idle,load]
BUILD (build) as in the Makefile; BENCH_SECONDS (150) is about how long it takes; leaves wrap.csv and wrap.svg in
BENCH_OUT ($BUILD/bench)."""
import argparse
import csv
import os
import shutil
import ssl
import statistics
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from wrap import BUILD, ROOT, Bad, Room, free_port, need, stop, wait_port  # noqa: E402

OUT = os.path.abspath(os.environ.get("BENCH_OUT", os.path.join(BUILD, "bench")))
SECONDS = float(os.environ.get("BENCH_SECONDS", "150"))
SUITE, NAME, GIB = "TLS_AES_128_GCM_SHA256", "server.test", 1 << 30
# Neither a log nor the tripwire, which tests/lib/wrap.py asks for.
QUIET = {"SLEEVE_LOG": "", "SLEEVE_AUDIT": ""}
SIZES = {"bulk": GIB // 2, "ping": 20000, "conn": 300, "resumed": 300}
OPENSSL = f"""openssl_conf = a
[a]
ssl_conf = b
[b]
system_default = c
[c]
MinProtocol = TLSv1.3
Ciphersuites = {SUITE}
Groups = X25519
"""
STUNNEL = f"""foreground = yes
pid =
debug = 3
syslog = no
socket = l:TCP_NODELAY=1
socket = r:TCP_NODELAY=1
sslVersionMin = TLSv1.3
ciphersuites = {SUITE}
curves = X25519
"""


def compile_all():
    os.makedirs(OUT, exist_ok=True)
    cc = [*os.environ.get("CC", "gcc").split(), "-std=c11", "-D_GNU_SOURCE", "-O2", "-Wall", "-Wextra", "-pthread"]
    for name in ("load", "calls", "start", "idle"):
        subprocess.run([*cc, "-o", f"{OUT}/wrap_{name}", f"{ROOT}/tests/bench/wrap_{name}.c"], check=True)
    for name in ("load", "calls"):
        subprocess.run([*cc, "-Wno-unused-function", "-include", f"{ROOT}/tests/bench/wrap_libssl.h", "-o",
                        f"{OUT}/inside_{name}", f"{ROOT}/tests/bench/wrap_{name}.c", "-lssl", "-lcrypto"], check=True)
    for name, libs in (("empty", ()), ("inside", ("-lssl", "-lcrypto"))):
        subprocess.run([*cc, "-shared", "-fPIC", "-o", f"{OUT}/wrap_{name}.so", f"{ROOT}/tests/bench/wrap_{name}.c", *libs],
                       check=True)


# ---- CPU time of processes that live on, with that of threads and children that have ended ----

def children(pid):
    found = []
    try:
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/children", encoding="ascii") as f:
                found += [int(p) for p in f.read().split()]
    except OSError:
        pass  # ended meanwhile
    return found


def tree(pids):
    return [p for pid in pids for p in (pid, *tree(children(pid)))]


def cpu_of(pids):
    total = 0.0
    for pid in tree(pids):
        try:
            total += time.clock_gettime((~pid << 3) | 2)  # clock_getcpuclockid(3): a process that is not ours
            with open(f"/proc/{pid}/stat", encoding="ascii") as f:
                ended = f.read().rpartition(")")[2].split()[13:15]
            total += sum(map(int, ended)) / os.sysconf("SC_CLK_TCK")
        except OSError:
            pass
    return total


def inside(room):
    """For a program that has libssl inside."""
    return {"WRAP_CA": room.path("ca.pem"), "WRAP_NAME": NAME, "WRAP_CERT": room.path("server.pem"),
            "WRAP_KEY": room.path("server.key")}


class Setup:
    """A server and what wraps it, on ports of their own; they wait for the whole run, and only one works at a time."""

    def __init__(self, room, name, kind, epoll=False, resumes=False):
        self.room, self.name, self.epoll, self.resumes = room, name, epoll, resumes
        self.flags = ["-e"] if epoll else []
        self.processes, self.client = [], []
        self.program, self.env = f"{OUT}/wrap_load", {}
        self.front = {}  # job: port
        self.check = None  # a port with TLS
        getattr(self, kind)()

    def start(self, argv, port, env=None):
        p = self.room.start(argv, env={**QUIET, "OPENSSL_CONF": self.room.path("openssl.cnf"), **self.env, **(env or {})})
        wait_port(port, p)
        self.processes.append(p)

    def serve(self, wrap=()):
        port = free_port()
        self.start([*wrap, self.program, *self.flags, "serve", str(port)], port)
        return port

    def all_fronts(self, full, resumed=None):
        self.front = {"bulk": full, "ping": full, "conn": full, **({"resumed": resumed} if resumed else {})}

    def plain(self):
        self.all_fronts(self.serve())

    def libssl(self):
        self.program = f"{OUT}/inside_load"
        self.env = {"WRAP_RESUME": "1", "OPENSSL_CONF": self.room.path("openssl.cnf"), **inside(self.room)}
        resumed = self.serve()
        del self.env["WRAP_RESUME"]
        self.all_fronts(self.serve(), resumed)
        self.check = self.front["bulk"]

    def sleeve(self):
        ports = []
        for reuse in ("no", "yes"):
            port = free_port()
            both = {"min_version": "1.3", "suites": SUITE, "groups": "x25519", "session_reuse": reuse}
            self.room.client_rule("wrap_load", port, name=NAME, **both)
            self.room.server_rule("wrap_load", port, **both)
            self.client = self.room.wrapped()
            self.start([*self.client, f"{OUT}/wrap_load", *self.flags, "serve", str(port)], port)
            ports.append(port)
        self.all_fronts(*ports)
        self.check = ports[0]

    def stunnel(self):
        back, ports = self.serve(), []
        for reuse in ("no", "yes"):
            tls, front = free_port(), free_port()
            server = self.room.write(f"stunnel-s-{reuse}", f"{STUNNEL}[s]\naccept = 127.0.0.1:{tls}\n"
                                     f"connect = 127.0.0.1:{back}\nsessionResume = {reuse}\ncert = {self.room.path('server.pem')}\n"
                                     f"key = {self.room.path('server.key')}\n")
            client = self.room.write(f"stunnel-c-{reuse}", f"{STUNNEL}[c]\nclient = yes\naccept = 127.0.0.1:{front}\n"
                                     f"connect = 127.0.0.1:{tls}\nsessionResume = {reuse}\n"
                                     f"CAfile = {self.room.path('ca.pem')}\nverifyChain = yes\ncheckHost = {NAME}\nsni = {NAME}\n")
            self.start(["stunnel", server], tls)
            self.start(["stunnel", client], front)
            ports.append(front)
            self.check = tls
        self.all_fronts(*ports)

    def socat(self):
        back, tls, front = self.serve(), free_port(), free_port()
        own = "cert={},key={}".format(self.room.path("server.pem"), self.room.path("server.key"))
        common = "reuseaddr,fork,bind=127.0.0.1,nodelay"
        self.start(["socat", f"OPENSSL-LISTEN:{tls},{common},{own},verify=0", f"TCP:127.0.0.1:{back},nodelay"], tls)
        self.start(["socat", f"TCP-LISTEN:{front},{common}",
                    f"OPENSSL:127.0.0.1:{tls},nodelay,cafile={self.room.path('ca.pem')},commonname={NAME}"], front)
        self.all_fronts(front)
        self.check = tls

    def is_as_asked(self):
        """The server's side has no other version and suite, so neither has what is behind it."""
        if self.check:
            with self.room.dial(self.check, NAME) as s:
                need((s.version(), s.cipher()[0]) == ("TLSv1.3", SUITE), f"{self.name}: {s.version()} {s.cipher()}")
        if self.name.startswith("sleeve"):  # the client's log
            self.room.run([*self.client, self.program, *self.flags, "conn", str(self.front["resumed"]), "3"],
                          env={"SLEEVE_AUDIT": ""})
            need(len(self.room.log_lines("resumed=yes", f":{self.front['resumed']} ")) >= 3, "no session is resumed")

    def job(self, job, size):
        """Wall seconds, CPU seconds of everyone, and what else the client prints."""
        pids = [p.pid for p in self.processes]
        kind = "conn" if job == "resumed" else job
        self.settle(pids)
        before = cpu_of(pids)
        resumes = {"WRAP_RESUME": "1"} if job == "resumed" else {}
        out = self.room.run([*self.client, self.program, *self.flags, kind, str(self.front[job]), str(size)],
                            env={**QUIET, **self.env, **resumes}, timeout=120)
        self.settle(pids)
        wall, cpu, *more = map(float, out.split())
        return wall, cpu + cpu_of(pids) - before, more

    def settle(self, pids):
        """Connections of the job before may still be about to end."""
        end, last = time.monotonic() + 5, None
        while time.monotonic() < end:
            now = (len(tree(pids)), cpu_of(pids))
            if now == last:
                return
            last = now
            time.sleep(0.03)


def load(room, scale, rounds):
    room.write("openssl.cnf", OPENSSL)
    setups = [Setup(room, "plain", "plain"), Setup(room, "sleeve", "sleeve"), Setup(room, "libssl", "libssl"),
              Setup(room, "plain epoll", "plain", epoll=True), Setup(room, "sleeve epoll", "sleeve", epoll=True)]
    for tool in ("stunnel", "socat"):
        if shutil.which(tool):
            setups.append(Setup(room, tool, tool))
        else:
            print(f"no {tool}: it is left out")
    for s in setups:
        s.is_as_asked()
    figures = {s.name: {} for s in setups}
    end, r = time.monotonic() + SECONDS * 0.75, 0
    while r < rounds or (rounds == 0 and (r < 3 or time.monotonic() < end)):
        for i in range(len(setups)):
            s = setups[(i + r) % len(setups)]
            for job, port in s.front.items():
                size = max(10, int(SIZES[job] * scale))
                wall, cpu, more = s.job(job, size)
                got = {"ping": lambda: {"p50": more[0], "p99": more[1], "cpu": cpu / (size + 200) * 1e6},
                       "bulk": lambda: {"rate": size / wall / 1e9, "cpu": cpu / size * GIB}}.get(
                           job, lambda: {"rate": size / wall, "cpu": cpu / (size + 1) * 1e3})()
                for what, value in got.items():
                    figures[s.name].setdefault(f"{job}.{what}", []).append(value)
        r += 1
    return figures, r


# ---- starting, and single calls ----

def other_apps(n):
    return "[defaults]\nca = system\nverify = full\n", [
        f"[app app{i}]\n[rule app{i} tls]\nrole = client\nmatch = *.internal:{6000 + i}\nto-port = {7000 + i}\n"
        f"name = app{i}.internal\nalpn = one\n\n" for i in range(n)]


def configurations(room, listed, more):
    """name: environment. listed: the program's name; more: its rule."""
    preload = os.path.join(BUILD, "libsleeve-preload.so")
    head, apps = other_apps(10)
    rules = "; ".join(f"client app{i} *:{6000 + i}" for i in range(3))
    os.mkdir(room.path(f"{listed}.d"), 0o700)
    for i, app in enumerate(apps[:3]):
        room.write(f"{listed}.d/{i}.conf", head + app)
    own = f"[app {listed}]\n[rule {listed} one]\nrole = client\nca = {room.path('ca.pem')}\n{more}\n"
    return {"none": {}, "empty": {"LD_PRELOAD": f"{OUT}/wrap_empty.so"}, "no-conf": {"LD_PRELOAD": preload},
            "file": {"LD_PRELOAD": preload, "SLEEVE_CONFIG": room.write(f"{listed}.other", head + "".join(apps))},
            "directory": {"LD_PRELOAD": preload, "SLEEVE_CONFIG": room.path(f"{listed}.d")},
            "rules": {"LD_PRELOAD": preload, "SLEEVE_RULES": rules},
            "listed": {"LD_PRELOAD": preload,
                       "SLEEVE_CONFIG": room.write(f"{listed}.conf", head + "".join(apps) + own)}}


def start(room, scale):
    places = []
    all_places = configurations(room, "true", "match = *:1")
    with open(all_places["listed"]["SLEEVE_CONFIG"], encoding="ascii") as f:
        system = f.read().replace(f"ca = {room.path('ca.pem')}", "ca = system")
    all_places["listed system"] = {**all_places["listed"], "SLEEVE_CONFIG": room.write("true.system", system)}
    all_places["libssl"] = {"LD_PRELOAD": f"{OUT}/wrap_inside.so", "WRAP_CA": room.path("ca.pem")}
    all_places["libssl system"] = {"LD_PRELOAD": f"{OUT}/wrap_inside.so"}
    for name, env in all_places.items():
        env = {"PATH": os.environ["PATH"], "HOME": room.dir, "LANG": "C", **env}
        name = name.replace(" ", "-")
        places.append(f"{name}=" + room.write(f"env-{name}", "".join(f"{k}={v}\n" for k, v in env.items())))
    out = subprocess.run([f"{OUT}/wrap_start", str(max(3, int(600 * scale))), shutil.which("true"), *places],
                         check=True, capture_output=True, text=True, timeout=300).stdout
    return {name: {"start.cpu": [float(cpu)], "start.wall": [float(wall)]}
            for name, cpu, wall in map(str.split, out.splitlines())}


def calls(room, rounds):
    port, other = free_port(), free_port()
    places = configurations(room, "wrap_calls", f"match = *:{port}\nname = {NAME}\nsuites = {SUITE}\n"
                            f"[rule wrap_calls two]\nrole = server\nmatch = local *:{port}\nsuites = {SUITE}\n"
                            f"cert = {room.path('server.pem')}\nkey = {room.path('server.key')}")
    places = {**{n: (places[n], other) for n in ("none", "empty", "file", "listed")}, "wrapped": (places["listed"], port),
              "libssl": ({"OPENSSL_CONF": room.write("openssl.cnf", OPENSSL), **inside(room)}, other)}
    figures = {n: {} for n in places}
    for _ in range(rounds):
        for name, (env, at) in places.items():
            out = room.run([f"{OUT}/inside_calls" if name == "libssl" else f"{OUT}/wrap_calls", str(at)], env={**QUIET, **env}).decode()
            for what, value in map(str.split, out.splitlines()):
                figures[name].setdefault(f"call.{what}", []).append(float(value))
    return figures


# ---- connections that nobody uses ----

def idle(room, scale):
    """Bytes of heap for each, and after they were parked: the clients' process, the servers' process."""
    n, port = max(50, int(10000 * scale)), free_port()
    after = max(1, n // 400)  # not before all are there
    both = {"suites": SUITE, "groups": "x25519", "min_version": "1.3", "park_after": str(after)}
    room.client_rule("wrap_idle", port, name=NAME, **both)
    room.server_rule("wrap_idle", port, **both)
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "env": QUIET}
    ends = []
    for role in ("serve", "dial"):
        ends.append(room.start(room.wrapped(f"{OUT}/wrap_idle", role, str(port), str(n)), **pipes))
        wait_port(port, ends[0])

    def heap():
        """Behind a round trip on one of the connections, which moves the hand on that parks the others."""
        for p in ends:
            p.stdin.write(b"\n")
            p.stdin.flush()
        return [int(p.stdout.readline()) for p in ends]

    awake, parked = [int(p.stdout.readline()) for p in ends], None
    time.sleep(after)
    for _ in range(4 + n // 4000):
        time.sleep(1.2)
        parked = heap()
    figures = {who: {"idle.heap": [awake[i]], "idle.parked": [parked[i]]} for i, who in enumerate(("server", "client"))}
    for p in ends:
        stop(p)
    return figures, n


# ---- the tables ----

LOAD = [("bulk.rate", "GB/s", 2), ("bulk.cpu", "CPU s/GiB", 2), ("ping.p50", "ping p50 us", 1), ("ping.p99", "p99 us", 1),
        ("ping.cpu", "CPU us", 1), ("conn.rate", "conn/s", 0), ("conn.cpu", "CPU ms", 2), ("resumed.rate", "resumed/s", 0),
        ("resumed.cpu", "CPU ms", 2)]
IDLE = [("idle.heap", "bytes", 0), ("idle.parked", "parked", 0)]
START = [("start.cpu", "CPU us/start", 0), ("start.wall", "us/start", 0)]
CALLS = [(f"call.{what}-{on}", f"{what} {on}", 0) for on in ("file", "tcp") for what in ("read", "write", "poll")]


def table(title, figures, columns, ratio_to, rows):
    """A cell: the median, and what that is of the same in the row ratio_to."""
    print(f"\n{title}\n" + " " * 12 + "".join(f"{head:>16}" for _, head, _ in columns))
    for name, values in figures.items():
        line = f"{name:12}"
        for key, _, digits in columns:
            if key not in values:
                line += f"{'-':>16}"
                continue
            value = statistics.median(values[key])
            ratio = value / statistics.median(figures[ratio_to][key]) if key in figures[ratio_to] else None
            rows.append((key.split(".")[0], name, key, f"{value:.4f}", f"{ratio:.4f}" if ratio else ""))
            line += f"{value:>9.{digits}f} " + (f"{ratio:>6.2f}" if ratio else f"{'':6}")
        print(line)


# What the project has set itself: more is too much.
MARKS = [("bulk.cpu", "CPU s/GiB", 1.15), ("ping.p50", "ping p50 us", 20), ("conn.cpu", "CPU ms per connection", 0.65)]


def judge(figures):
    for key, what, mark in MARKS:
        value = statistics.median(figures["sleeve"][key])
        print(f"mark: {what}: {value:.2f} of {mark:g}: {'met' if value <= mark else 'MISSED'}")


class Both:
    """What is printed, in a file as well."""

    def __init__(self, path):
        self.files = [sys.stdout, open(path, "w", encoding="utf-8")]

    def write(self, text):
        for f in self.files:
            f.write(text)

    def flush(self):
        for f in self.files:
            f.flush()


def machine():
    with open("/proc/cpuinfo", encoding="utf-8") as f:
        models = [line.partition(":")[2].strip() for line in f if line.startswith("model name")]
    return f"{models[0] if models else os.uname().machine}, {os.cpu_count()} processors, Linux {os.uname().release}, " + \
        time.strftime("%F")


def bench(room, args):
    rows, parts = [], args.only.split(",")
    few = 1 if args.rounds else 5
    if "load" in parts:
        figures, rounds = load(room, args.scale, args.rounds)
        # Without TLS there is nothing to resume: what others need is compared with a plain connection.
        for name in ("plain", "plain epoll"):
            for what in ("rate", "cpu"):
                figures[name][f"resumed.{what}"] = figures[name][f"conn.{what}"]
        table(f"Wrapping, TLS 1.3, {SUITE}, X25519, P-256; {rounds} rounds. Behind each figure: its ratio to plain.",
              figures, LOAD, "plain", rows)
        judge(figures)
    if "start" in parts:
        table("Starting a program; ratios to an empty preload library.", start(room, args.scale), START, "empty", rows)
    if "calls" in parts:
        table("A call, ns; ratios to an empty preload library.", calls(room, few), CALLS, "empty", rows)
    if "idle" in parts:
        figures, n = idle(room, args.scale)
        table(f"Heap of an idle connection, {n} in a process; ratios to a server's.", figures, IDLE, "server", rows)
    with open(f"{OUT}/wrap.csv", "w", newline="", encoding="ascii") as f:
        csv.writer(f, lineterminator="\n").writerows([("part", "who", "what", "value", "ratio"), *rows])
    print(f"\nfigures: {os.path.relpath(OUT)}/wrap.csv")
    if shutil.which("gnuplot") and len(parts) >= 4:
        subprocess.run(["gnuplot", "-e", f"csv='{OUT}/wrap.csv'; svg='{OUT}/wrap.svg'", f"{ROOT}/tests/bench/wrap.gp"],
                       check=True)
        print(f"plot: {os.path.relpath(OUT)}/wrap.svg")
    sys.stdout.flush()
    subprocess.run([f"{ROOT}/tests/bench/keep", "wrap", *(f"{OUT}/wrap.{suffix}" for suffix in ("txt", "csv", "svg"))], check=True)


def main():
    ap = argparse.ArgumentParser(description="Sleeve beside stunnel and socat")
    ap.add_argument("--rounds", type=int, default=0, help="instead of as many as fit into BENCH_SECONDS")
    ap.add_argument("--scale", type=float, default=1.0, help="of the sizes of all jobs")
    ap.add_argument("--only", default="load,start,calls,idle")
    args = ap.parse_args()
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    try:
        compile_all()
        sys.stdout = Both(f"{OUT}/wrap.txt")
        print(machine())
        # One processor for everybody: where processes meet is not left to chance.
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
        with Room() as room:
            room.certificates()
            bench(room, args)
    except (Bad, OSError, ssl.SSLError, subprocess.SubprocessError) as e:
        print(f"bench-wrap: {e}", file=sys.stderr)
        if isinstance(e, subprocess.CalledProcessError) and e.stderr:
            print(e.stderr, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
