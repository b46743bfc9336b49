#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""Programs of the guide's time compile with nothing but -DPOSIX -Iinclude, link with libsleeve.a, and run
right: a self-test of every suite and kind of handshake, and a client and a server over sockets, also when
their bytes are carried one at a time."""
import os
import re
import select
import shutil
import socket
import subprocess
import sys
import tempfile
import threading

BUILD = os.environ.get("BUILD", "build")
LIB = os.path.join(BUILD, "libsleeve.a")
CA_OPTIONS = ["-pkeyopt", "ec_paramgen_curve:P-256"]
failures = []


def run(argv, timeout=120, **kw):
    return subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=timeout,
                          stdin=subprocess.DEVNULL, check=False, **kw)


def must(argv, **kw):
    p = run(argv, **kw)
    if p.returncode != 0:
        sys.exit(f"FAIL: {' '.join(argv)}\n{p.stdout}")
    return p.stdout


def certificates(d):
    req = ["openssl", "req", "-nodes"]
    must([*req, "-x509", "-newkey", "ec", *CA_OPTIONS, "-days", "2", "-subj", "/CN=CA", "-keyout", f"{d}/ca.key",
          "-out", f"{d}/ca.pem"])
    for name in ("rsa", "rsa2", "ec", "ec2", "client"):
        kind = ["rsa:2048"] if name.startswith("rsa") else ["ec", *CA_OPTIONS]
        must([*req, "-newkey", *kind, "-subj", f"/CN={name}", "-keyout", f"{d}/{name}.key", "-out", f"{d}/csr"])
        with open(f"{d}/ext", "w", encoding="ascii") as f:
            f.write(f"basicConstraints=CA:FALSE\nsubjectAltName=DNS:{name}.test\n")
        must(["openssl", "x509", "-req", "-in", f"{d}/csr", "-CA", f"{d}/ca.pem", "-CAkey", f"{d}/ca.key",
              "-CAcreateserial", "-days", "2", "-extfile", f"{d}/ext", "-out", f"{d}/{name}.pem"])


def build(d, name):
    """Exactly as the guide's programs are built; the warnings of -Wall are none either."""
    san = ["-fsanitize=address,undefined"] if "asan" in BUILD else []
    must(["cc", "-DPOSIX", "-Iinclude", "-Wall", "-Werror", "-c", f"tests/guide/{name}.c", "-o", f"{d}/{name}.o"])
    out = must(["cc", "-DPOSIX", "-Iinclude", "-c", f"tests/guide/{name}.c", "-o", f"{d}/{name}.o"])
    if out:
        failures.append(f"cc says of {name}.c: {out}")
    libs = ["-lcrypto", "-lbsd", "-linih", "-lz", "-lpthread", "-ldl"]
    must(["cc", *san, "-o", f"{d}/{name}", f"{d}/{name}.o", LIB, *libs])
    with open(f"tests/guide/{name}.c", encoding="utf-8") as f:
        ours = set(re.findall(r'#include [<"]((?:matrixssl|core|src|sleeve)[^>"]*)', f.read()))
    if ours != {"core/coreApi.h", "matrixssl/matrixsslApi.h"}:
        failures.append(f"{name}.c includes {ours}")


def expect(what, condition, output):
    if not condition:
        failures.append(f"{what}:\n{output}")
    print(f"{what}: {'ok' if condition else 'FAIL'}", flush=True)


class Server:
    """sample_server; with a relay before it that carries `chunk` bytes at a time."""

    def __init__(self, d, *args, chunk=0):
        self.p = subprocess.Popen([f"{d}/sample_server", *args], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                  text=True)
        line = self.p.stdout.readline()
        self.port = int(line.split()[1])
        self.real, self.relay = self.port, None
        if chunk:
            self.relay = socket.create_server(("127.0.0.1", 0))
            self.port = self.relay.getsockname()[1]
            threading.Thread(target=self.serve, args=(chunk,), daemon=True).start()

    def serve(self, chunk):
        while True:
            try:
                a, _ = self.relay.accept()
            except OSError:
                return
            with a, socket.create_connection(("127.0.0.1", self.real)) as b:
                other = {a: b, b: a}
                for s in (a, b):
                    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    s.settimeout(20)
                try:
                    while other:
                        for s in select.select(list(other), [], [], 20)[0]:
                            data = s.recv(chunk)
                            if data:
                                other[s].sendall(data)
                            else:
                                (b if s is a else a).shutdown(socket.SHUT_WR)
                                del other[s]
                except (OSError, KeyError):
                    pass

    def stop(self):
        out, _ = self.p.communicate("", timeout=20)
        if self.relay:
            self.relay.close()
        return out, self.p.returncode


def client(d, what, server_args, client_args, check, chunk=0):
    s = Server(d, *server_args, chunk=chunk)
    try:
        p = run([f"{d}/sample_client", str(s.port), *client_args], timeout=60)
        output, code = p.stdout, p.returncode
    except subprocess.TimeoutExpired as e:
        output, code = f"no end: {e.stdout}", -1
    served, ended = s.stop()
    expect(what, ended == 0 and check(output, code, served), f"exit {code}\n{output}\n-- server, exit {ended}\n{served}")


def lines(n, first, rest, handshakes, size):
    def check(output, code, served):
        found = re.findall(r"^ok: (\w+), suite \w+, (\d+) handshakes, (\d+) bytes$", output, re.M)
        return (code == 0 and [f[0] for f in found] == [first] + [rest] * (n - 1) and
                all(int(f[1]) == handshakes and int(f[2]) >= size for f in found) and
                served.count("closed: closure alert") == n)
    return check


def over_sockets(d):
    ec = (f"{d}/ec.pem", f"{d}/ec.key")
    rsa = (f"{d}/rsa.pem", f"{d}/rsa.key")
    own = (f"{d}/client.pem", f"{d}/client.key")
    ca = f"{d}/ca.pem"
    for name, suite in (("TLS 1.3", "0x1301"), ("TLS 1.2", "0xc02b")):
        client(d, f"{name}, five connections", ec, (ca, suite, "5", "100000"), lines(5, "new", "resumed", 1, 100000))
        client(d, f"{name}, byte by byte", ec, (ca, suite, "2", "3000"), lines(2, "new", "resumed", 1, 3000), chunk=1)
        client(d, f"{name}, with a client certificate", (*ec, ca), (ca, suite, "1", "1000", *own),
               lambda o, c, s: lines(1, "new", "", 1, 1000)(o, c, s) and "client certificate of client: 0" in s)
        client(d, f"{name}, without one", (*ec, ca), (ca, suite, "1", "1000"),
               lambda o, c, s: c != 0 and re.search(r"alert 2 (116|40)", o) and "client certificate" not in s)
        client(d, f"{name}, another CA", ec, (own[0], suite, "1", "1000"),
               lambda o, c, s: c != 0 and "fatal alert" in s)
    client(d, "any suite, an RSA certificate", rsa, (ca, "0", "3", "20000"), lines(3, "new", "resumed", 1, 20000))
    client(d, "re-handshake while data flows", ec, (ca, "0xc02b", "2", "-200000"),
           lambda o, c, s: c == 0 and len(re.findall(r"^ok: .* 2 handshakes, 200005 bytes$", o, re.M)) == 2)
    client(d, "re-handshake byte by byte", rsa, (ca, "0xc02f", "1", "-6000"),
           lambda o, c, s: c == 0 and re.search(r"^ok: .* 2 handshakes, 6005 bytes$", o, re.M), chunk=1)


def main():
    if not os.path.exists(LIB):
        sys.exit(f"FAIL: no {LIB}")
    for tool in ("openssl", "cc"):
        if not shutil.which(tool):
            print(f"{tool} is not installed")
            sys.exit(77)
    with tempfile.TemporaryDirectory() as d:
        certificates(d)
        for name in ("selftest", "sample_client", "sample_server"):
            build(d, name)
        for chunk in ("65536", "1", "777"):
            p = run([f"{d}/selftest", d, chunk], timeout=150)
            print(p.stdout, flush=True)
            expect(f"self-test, {chunk} bytes at a time", p.returncode == 0 and "FAIL" not in p.stdout, "")
        over_sockets(d)
    for f in failures:
        print("FAIL:", f)
    sys.exit(1 if failures else 0)


main()
