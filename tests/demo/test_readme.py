#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""What the README and the manual pages show is so: its programs compile and talk to each other, its commands run, its fragments
and differences are those of examples/, the picture that `inspect` gives is that one, its links lead somewhere; the
C in the EXAMPLES of pages compiles."""
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time

ROOT = os.getcwd()
BUILD = os.path.abspath(os.environ.get("BUILD", "build"))
WAIT = 60
running = []


def need(ok, sentence):
    if not ok:
        sys.exit(f"FAILED: {sentence}")


def read(path):
    with open(path, encoding="utf-8") as f:
        return f.read()


README = read("README.md")


def blocks(kind):
    return re.findall(rf"^```{kind}\n(.*?)^```$", README, re.M | re.S)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return str(s.getsockname()[1])


def listening(port):
    """Looked up, not connected to: a connection would be one that the server has to serve."""
    want = f":{int(port):04X} "
    return any(want in line and " 0A " in line for f in ("tcp", "tcp6") for line in read(f"/proc/net/{f}").splitlines())


def wait_for(port, process):
    end = time.monotonic() + WAIT
    while not listening(port):
        need(process.poll() is None and time.monotonic() < end, f"{process.args}: does not listen")
        time.sleep(0.05)


def sh(command, folder, code=0):
    env = dict(os.environ, PATH=f"{BUILD}:{os.environ['PATH']}", SSL_CERT_FILE="/nonexistent")
    p = subprocess.run(["sh", "-c", command], cwd=folder, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                       stderr=subprocess.STDOUT, text=True, timeout=WAIT, check=False)
    need(p.returncode == code, f"{command}\nexit {p.returncode}\n{p.stdout}")
    return p.stdout


def start(command, folder, port):
    env = dict(os.environ, PATH=f"{BUILD}:{os.environ['PATH']}")
    p = subprocess.Popen(["sh", "-c", "exec " + command], cwd=folder, env=env, stdin=subprocess.DEVNULL)
    running.append(p)
    wait_for(port, p)
    return p


def programs(folder):
    """The client and the server in C: at most about 20 lines each, without a warning."""
    port, names = free_port(), []
    flags = subprocess.run(["pkg-config", "--cflags", "--libs", "sleeve"], stdout=subprocess.PIPE, text=True, check=True,
                           env=dict(os.environ, PKG_CONFIG_PATH=BUILD)).stdout.split()
    for source in (b for b in blocks("c") if "int main" in b):
        names.append("client" if "ssl_dial" in source else "server")
        path = os.path.join(folder, names[-1])
        need(len(source.splitlines()) <= 22, f"the {names[-1]} has {len(source.splitlines())} lines")
        need("7443" in source, f"the port of the {names[-1]}")
        with open(path + ".c", "w", encoding="utf-8") as f:
            f.write(source.replace("7443", port))
        subprocess.run([*os.environ.get("CC", "gcc").split(), "-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Werror",
                        "-o", path, path + ".c", *flags], check=True, timeout=WAIT)
    need(sorted(names) == ["client", "server"], f"programs: {names}")
    start("./server", folder, port)
    need(sh("./client", folder) == "hello\n", "what the client shows")
    sh("sleeve keygen ca -f", folder)
    need("client: " in sh("./client", folder, 1), "a client with another CA gives no reason")


def commands(folder):
    """The blocks of commands, in their order; those with & stay until the end."""
    port, said = free_port(), ""
    with open(os.path.join(folder, "sleeve.conf"), "w", encoding="utf-8") as f:
        f.write(blocks("ini")[0].replace("6380", port))
    for line in (line for b in blocks("sh") for line in b.splitlines()):
        line = line.replace("6380", port)
        if line.endswith("&"):
            start(line[:-1], folder, port)
        elif not line.startswith("PATH="):
            said += sh(line, folder)
    need(said.count("PONG") == 2, f"redis-cli: {said}")
    need("TLSv1.3" in said, f"SLEEVE_LOG or connect: {said}")


def inspect(folder):
    shown = re.search(r"^    \$ (sleeve inspect .*)\n((?:    .*\n|\n)+?)(?=\S)", README, re.M)
    sh("sleeve keygen intermediate -n 'Sleeve intermediate CA' -o inter && sleeve keygen server -C inter -n localhost -o leaf",
       folder)
    chain = read(os.path.join(folder, "leaf.pem"))
    with open(os.path.join(folder, "server.pem"), "w", encoding="ascii") as f:
        f.write(chain[:chain.index("-----END CERTIFICATE-----\n") + 26])
    picture = re.sub(r"^    ", "", shown[2], flags=re.M).strip()
    got = sh(shown[1], folder, 1).strip()
    for days in (r"\d{4}-\d\d-\d\d", r"\d+ days"):
        picture, got = re.sub(days, "@", picture), re.sub(days, "@", got)
    need(got == picture, f"{shown[1]} shows\n{got}\nand not\n{picture}")


def plain(code):
    """Without comments and white space, as fragments are compared."""
    return re.sub(r"\s+", "", re.sub(r"/\*.*?\*/", "", code, flags=re.S))


def quotes():
    sources = {p: plain(read(os.path.join("examples", p))) for p in os.listdir("examples") if p.endswith(".c")}
    for fragment in (b for b in blocks("c") if "int main" not in b):
        for line in fragment.splitlines():
            need(any(plain(line) in s for s in sources.values()), f"in no example: {line}")
    for diff in blocks("diff"):
        old, new = re.search(r"^--- (\S+)\n\+\+\+ (\S+)$", diff, re.M).groups()
        real = subprocess.run(["diff", "-u", old, new], stdout=subprocess.PIPE, text=True, check=False).stdout
        hunks = [re.sub(r"^(---|\+\+\+) (\S+)\t.*$", r"\1 \2", t, flags=re.M) for t in (diff, real)]
        need(hunks[0].strip() == hunks[1].strip(), f"diff -u {old} {new} is\n{real}")
        changed = [line for line in real.splitlines() if re.match(r"[-+](?![-+]{2} )", line)]
        need(sum(line[0] == "+" for line in changed) <= 10, f"{new}: more than 10 lines are new")


# What the examples of a page take for granted.
ASSUMED = """
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sleeve/ssl_socket.h>
#include <matrixssl/matrixsslApi.h>
extern struct sockaddr *addr;
extern socklen_t len;
extern char buf[256];
"""
USUAL = "int fd, l; ssize_t n; (void)fd, (void)l, (void)n;"
LOCAL = {"matrixssl": "ssl_t *ssl = NULL; unsigned char *buf, *data, *request = NULL; uint32 len, requestLen = 0;"
                      "int32 n, room, rc; int fd = -1;"}


def pages(folder):
    """Each literal block of EXAMPLES that is C is the body of a function."""
    for path in [os.path.join(room, p) for room in ("src", "shim") for p in sorted(os.listdir(room)) if p.endswith(".3")]:
        name = os.path.basename(path)[:-2]
        text = re.search(r"^\.Sh EXAMPLES\n(.*?)^\.Sh ", read(path), re.M | re.S)[1]
        code = ASSUMED
        literal = re.findall(r"^\.Bd -literal.*?\n(.*?)^\.Ed", text, re.M | re.S)
        for i, block in enumerate(b for b in literal if ";" in b):
            for roff, c in (("\\e", "\\"), ("\\&", ""), ("\\-", "-"), ("\\(dq", '"')):
                block = block.replace(roff, c)
            code += f"int f{i}(void)\n{{\n{LOCAL.get(name, USUAL)}\n{{\n{block}}}\nreturn 0;\n}}\n"
        source = os.path.join(folder, name + ".c")
        with open(source, "w", encoding="utf-8") as f:
            f.write(code)
        sh(f"gcc -fsyntax-only -Wall -Wextra -Wno-unused-result -Werror -I{ROOT}/include {source}", folder)


def links():
    for path in re.findall(r"\]\(([^)#:]+)\)", README) + re.findall(r"`((?:examples|tests|src|shim|preload)/[\w./-]*)`", README):
        need(os.path.exists(path), f"there is no {path}")
    for path in [f"{room}/{p}" for room in ("src", "shim", "preload") for p in os.listdir(room) if re.search(r"\.\d$", p)]:
        need(f"]({path})" in README, f"{path} is not among the manual pages")
    for name in (p for p in os.listdir("examples") if p.endswith(".c")):
        need(re.search(rf"[`/]{name}\b", README), f"examples/{name} is not mentioned")
    targets = set(re.findall(r"^([\w-]+):", read("Makefile"), re.M))
    for target in re.findall(r"^    make (\w+)\b(?!=)", README, re.M) + re.findall(r"`make (\w+)\b(?!=)", README):
        need(target in targets, f"there is no make {target}")


with tempfile.TemporaryDirectory() as tmp:
    try:
        links()
        quotes()
        need(shutil.which("redis-server"), "redis-server is not here: make deps")
        for part in (commands, programs, inspect, pages):
            where = os.path.join(tmp, part.__name__)
            os.mkdir(where)
            if part in (programs, inspect):
                sh("sleeve keygen ca && sleeve keygen server -n localhost", where)
            part(where)
    finally:
        for server in running:
            server.kill()
            server.wait()
