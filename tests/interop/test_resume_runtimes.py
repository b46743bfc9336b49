#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""Sessions resumed by Python's ssl, node's tls and curl, and by us at servers of theirs, in both versions. Our side is
peer_engine: the native engine over TCP."""
import sys

from engine import done, our_client, ours, say, theirs
from peers import finish, has, of, piped
from wrap import main, need, skip_without, stop, system_python

skip_without("curl", "node")
VERSIONS = ("1.2", "1.3")
# Arguments: port, CA, version, connections. Each connection with the session of the one before; says which were resumed.
PYTHON_CLIENT = """
import socket, ssl, sys
c, session, said = ssl.create_default_context(cafile=sys.argv[2]), None, ""
c.minimum_version = c.maximum_version = getattr(ssl.TLSVersion, "TLSv" + sys.argv[3].replace(".", "_"))
for i in range(int(sys.argv[4])):
    with socket.create_connection(("127.0.0.1", int(sys.argv[1])), timeout=20) as raw:
        s = c.wrap_socket(raw, server_hostname="localhost", session=session)
        s.sendall(b"a line")
        got = b""
        while len(got) < 6:
            got += s.recv(100)
        assert got == b"a line"
        session, said = s.session, said + str(int(s.session_reused))
        s.unwrap()
print(said)
"""
NODE_CLIENT = """
const [port, ca, version, n] = process.argv.slice(1);
let said = '';
function connect(i, session) {
    if (i == n) return console.log(said);
    let newest = session, got = '';  // TLS 1.2 gives no other when it resumes
    const s = require('tls').connect({ port, host: '127.0.0.1', servername: 'localhost', ca: require('fs').readFileSync(ca),
        minVersion: 'TLSv' + version, maxVersion: 'TLSv' + version, session }, () => s.write('a line'));
    s.on('session', x => newest = x);
    s.on('data', d => { got += d; if (got == 'a line') { said += Number(s.isSessionReused()); s.end(); } });
    s.on('close', () => connect(i + 1, newest));
    s.on('error', e => { console.error(String(e)); process.exitCode = 1; });
}
connect(0);
"""
# Arguments: port, certificate, key, version. An echo that says of each connection whether it was resumed.
PYTHON_SERVER = """
import socket, ssl, sys
c = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
c.load_cert_chain(sys.argv[2], sys.argv[3])
c.minimum_version = c.maximum_version = getattr(ssl.TLSVersion, "TLSv" + sys.argv[4].replace(".", "_"))
with socket.create_server(("127.0.0.1", int(sys.argv[1]))) as l:
    while True:
        s = c.wrap_socket(l.accept()[0], server_side=True)
        print(int(s.session_reused), flush=True)
        while data := s.recv(50000):
            s.sendall(data)
        s.unwrap()
"""
NODE_SERVER = """
const [port, cert, key, version] = process.argv.slice(1), fs = require('fs');
require('tls').createServer({ cert: fs.readFileSync(cert), key: fs.readFileSync(key), minVersion: 'TLSv' + version,
    maxVersion: 'TLSv' + version }, s => { console.log(Number(s.isSessionReused())); s.pipe(s); }).listen(port, '127.0.0.1');
"""


def clients(room):
    for version in VERSIONS:
        for argv in ([system_python(), "-c", PYTHON_CLIENT], ["node", "-e", NODE_CLIENT]):
            port, p = ours(room, count=4)
            report = finish(piped(room, [*argv, str(port), room.path("ca.pem"), version, "4"]))
            need(report.strip() == "0111", f"{argv[0]}, TLS {version}: {report}")
            got = done(p)
            need([(d["version"], d["resumed"]) for d in got] == [("TLSv" + version, r) for r in "0111"], got)


def servers(room):
    keys = of(room, "server")
    for version in VERSIONS:
        for argv in ([system_python(), "-c", PYTHON_SERVER], ["node", "-e", NODE_SERVER]):
            port, p = theirs(room, *argv, "PORT", keys["cert"], keys["key"], version)
            for i in range(4):
                q = our_client(room, port, "--sess-out", room.path("s"), *(("--resume", room.path("s")) if i else ()))
                say(q)
                got = done(q)
                need([(d["version"], d["resumed"]) for d in got] == [("TLSv" + version, str(int(i > 0)))], got)
            stop(p)
            need(p.stdout.read().split() == [b"0", b"1", b"1", b"1"], f"{argv[0]} sees it otherwise")


def curl(room):
    """Two files from one server: over one connection, and over two of which the second is resumed."""
    for version in VERSIONS:
        for close, want in (("", "0"), ("Connection: close\r\n", "01")):
            port, p = ours(room, "--answer", f"HTTP/1.1 200 OK\r\n{close}Content-Length: 6\r\n\r\nhello\n", count=len(want))
            url = f"https://localhost:{port}/"
            report = finish(piped(room, ["curl", "-sSv", "--http1.1", "--max-time", "20", "--tls-max", version, "--cacert",
                                         room.path("ca.pem"), url + "one", url + "two"]))
            need(report.count("hello\n") == 2, report)
            has(report, "SSL connection using TLSv" + version)
            need([d["resumed"] for d in done(p, None)] == list(want), f"TLS {version}: not {want}")


if __name__ == "__main__":
    sys.exit(main(clients, servers, curl))
