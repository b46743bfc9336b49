#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""curl, Python's ssl and node's tls against programs under sleeve: data both ways, and a server they cannot trust."""
import os
import subprocess
import sys

from peers import client, feed, finish, free_port, good, need, of, read, said, server, text, wait_port
from wrap import main, skip_without, system_python

skip_without("curl", "node", "nc.openbsd")
DATA = text(200000)
PYTHON_CLIENT = """
import socket, ssl, sys
c = ssl.create_default_context(cafile=sys.argv[2])
s = c.wrap_socket(socket.create_connection(("127.0.0.1", int(sys.argv[1]))), server_hostname="localhost")
data, got = sys.stdin.buffer.read(), b""
for i in range(0, len(data), 50000):
    s.sendall(data[i:i + 50000])
    while len(got) < min(i + 50000, len(data)):
        got += s.recv(65536)
s.unwrap()
sys.stdout.buffer.write(got)
"""
PYTHON_SERVER = """
import socket, ssl, sys
c = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
c.load_cert_chain(sys.argv[2], sys.argv[3])
with socket.create_server(("127.0.0.1", int(sys.argv[1]))) as l:
    while True:
        try:
            s = c.wrap_socket(l.accept()[0], server_side=True)
            while data := s.recv(50000):
                s.sendall(data)
            s.unwrap()
        except OSError:
            pass
"""
NODE_CLIENT = """
const [port, ca] = process.argv.slice(1), data = require('fs').readFileSync(0);
let got = [], n = 0;
const s = require('tls').connect({ port, host: '127.0.0.1', servername: 'localhost', ca: require('fs').readFileSync(ca) },
    () => s.write(data));
s.on('data', d => { got.push(d); n += d.length; if (n >= data.length) s.end(); });
s.on('close', () => process.stdout.write(Buffer.concat(got)));
s.on('error', e => { console.error(String(e)); process.exitCode = 1; });
"""
NODE_SERVER = """
const [port, cert, key] = process.argv.slice(1), fs = require('fs');
require('tls').createServer({ cert: fs.readFileSync(cert), key: fs.readFileSync(key) }, s => { s.on('error', () => {}); s.pipe(s); })
    .on('tlsClientError', () => {}).listen(port, '127.0.0.1');
"""


def clients(room):
    port = server(room, {})[0]
    for argv in ([system_python(), "-c", PYTHON_CLIENT], ["node", "-e", NODE_CLIENT]):
        for ca in ("ca", "other"):
            p = subprocess.run([*argv, str(port), room.path(ca + ".pem")], input=DATA, capture_output=True, timeout=30,
                               check=False)
            if ca == "ca":
                need(p.returncode == 0 and p.stdout == DATA, f"{argv[0]}: {p.returncode} {p.stderr[-500:]}")
                good(room)
            else:
                need(p.returncode != 0, f"{argv[0]} trusts a stranger")
                said(room, "failed")


def servers(room):
    keys = of(room, "server")
    for argv in ([system_python(), "-c", PYTHON_SERVER], ["node", "-e", NODE_SERVER]):
        port = free_port()
        p = room.start([*argv, str(port), keys["cert"], keys["key"]])
        wait_port(port, p)
        q = client(room, port)
        feed(q, DATA)
        need(read(q, len(DATA)) == DATA, f"{argv[0]}: other bytes came back")
        finish(q)
        good(room)
        finish(client(room, port, ca=room.path("other.pem")), "bad")
        said(room, "failed")


def curl(room):
    """curl speaks https to http.server, which does not."""
    with open(room.path("file"), "wb") as f:
        f.write(DATA)
    port = free_port()
    room.server_rule("python3", port)
    p = room.start(room.wrapped(system_python(), "-m", "http.server", "--bind", "127.0.0.1", "--directory",
                                os.path.dirname(room.path("file")), str(port)))
    wait_port(port, p)
    for ca, code in (("ca", 0), ("other", 60)):
        q = subprocess.run(["curl", "-sS", "--cacert", room.path(ca + ".pem"), f"https://localhost:{port}/file"],
                           capture_output=True, timeout=30, check=False)
        need(q.returncode == code and (code or q.stdout == DATA), f"curl: {q.returncode} {q.stderr[-500:]}")


if __name__ == "__main__":
    sys.exit(main(clients, servers, curl))
