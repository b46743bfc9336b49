#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""examples/httpd under curl, Python, openssl and wrk: files, facts and echoes, kept connections, what is malformed,
slow or not TLS at all, and 1000 connections at once."""
import http.client
import os
import re
import resource
import socket
import ssl
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from wrap import BUILD, WAIT, free_port, main, need, payload, read_all, sha, skip_without, until  # noqa: E402

skip_without("curl", "openssl", "wrk")
EXAMPLES = os.path.join(BUILD, "examples")
PATIENCE = 15  # seconds, the server's


class Server:
    """httpd over a directory with some files."""

    def __init__(self, room, *flags, port="0"):
        self.room = room
        os.makedirs(room.path("root/sub"), exist_ok=True)
        for name, data in {"a.html": b"<p>hello", "big.bin": payload(3_000_001), "empty": b"", "sub/b.txt": b"below\n",
                           ".hidden": b"secret", "a b": b"space\n"}.items():
            room.write("root/" + name, data)
        if not os.path.exists(room.path("root/fifo")):
            os.mkfifo(room.path("root/fifo"))
        room.write("outside", b"secret")
        self.out, self.err = room.path("httpd.out"), room.path("httpd.err")
        with open(self.out, "wb") as out, open(self.err, "wb") as err:
            self.process = room.start([os.path.join(EXAMPLES, "httpd"), "-p", port, "-c", room.path("server.pem"),
                                       "-k", room.path("server.key"), *flags, room.path("root")], stdout=out, stderr=err)
        self.port = int(until(lambda: self.lines() or self.process.poll() is not None and need(False, self.said()),
                              "httpd says no port")[0])
        self.url = f"https://localhost:{self.port}"

    def lines(self):
        with open(self.out, encoding="latin-1") as f:
            return f.read().splitlines()

    def said(self):
        with open(self.err, encoding="latin-1") as f:
            return f.read()

    def fds(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def curl(self, path, *more, check=True):
        return self.room.run(["curl", "-sS", "--path-as-is", "--max-time", str(WAIT), "--cacert", self.room.path("ca.pem"),
                              *more, self.url + path], check=check)

    def dial(self, **kw):
        return self.room.dial(self.port, **kw)

    def alive(self):
        need(self.process.poll() is None, f"httpd has ended: {self.said()[-500:]}")
        need(self.curl("/a.html") == b"<p>hello", "httpd does not answer any more")


class Answers:
    """Reads answers off one connection."""

    def __init__(self, s):
        self.s, self.rest = s, b""

    def more(self):
        part = self.s.recv(1 << 16)
        need(part, f"the end inside an answer: {self.rest[:200]}")
        self.rest += part

    def next(self, body=True):
        while b"\r\n\r\n" not in self.rest:
            self.more()
        head, _, self.rest = self.rest.partition(b"\r\n\r\n")
        status = int(head.split(b" ")[1])
        found = re.search(rb"Content-Length: (\d+)", head)
        size = int(found[1]) if found and body else 0
        while len(self.rest) < size:
            self.more()
        text, self.rest = self.rest[:size], self.rest[size:]
        return status, head, text

    def end(self):
        need(self.rest == b"" and self.s.recv(1) == b"", "more than the answers")


def status_of(server, *args):
    return server.curl(*args, "-o", "/dev/null", "-w", "%{http_code}")


def serves_files_and_facts(room):
    s = Server(room)
    need(sha(s.curl("/big.bin")) == sha(payload(3_000_001)), "another file")
    need(s.curl("/sub/b.txt?query") == b"below\n" and s.curl("/empty") == b"" and s.curl("/a%20b") == b"space\n",
         "another file")
    head = s.curl("/a.html", "-i").decode()
    need("200 OK" in head and "Content-Type: text/html" in head and "Content-Length: 8" in head, head)
    head = s.curl("/big.bin", "-I").decode()
    need("200 OK" in head and "Content-Length: 3000001" in head and head.endswith("\r\n\r\n"), head)
    for path in ("/nothing", "/sub", "/sub/", "/fifo", "/.hidden", "/%2ehidden", "/../outside", "/sub/../../outside",
                 "/%2e%2e/outside", "/..%2foutside", "/sub/%2e%2e/%2e%2e/outside", "//etc/passwd", "/%2fetc/passwd",
                 "/a.html%00", "/%", "/%4", "/%zz", "/a.html/"):
        need(status_of(s, path) == b"404", f"{path}: {status_of(s, path)}")
    for method, status in (("PUT", b"405"), ("DELETE", b"405"), ("OPTIONS", b"405"), ("BREW", b"501")):
        need(status_of(s, "/", "-X", method) == status, f"{method}: {status_of(s, '/', '-X', method)}")
    need(b"Allow: GET, HEAD, POST" in s.curl("/", "-i", "-X", "PUT"), "405 says no methods")
    page = s.curl("/").decode()
    for fact in ("TLSv1.3", "TLS_AES_", "http/1.1", "localhost", "<td>no"):
        need(fact in page, f"no {fact} in {page}")
    for line in s.lines()[1:]:
        need(re.fullmatch(r'::ffff:127\.0\.0\.1 "[ -~]*" [2-5]\d\d \d+', line), f"in the log: {line}")
    p = room.run(["openssl", "s_client", "-quiet", "-connect", f"127.0.0.1:{s.port}", "-servername",
                  "localhost", "-CAfile", room.path("ca.pem"), "-verify_return_error"], b"GET /sub/b.txt HTTP/1.0\r\n\r\n")
    need(p.endswith(b"\r\n\r\nbelow\n"), f"openssl s_client: {p}")
    p = room.run([os.path.join(EXAMPLES, "client"), "localhost", str(s.port), room.path("ca.pem")],
                 b"GET /sub/b.txt HTTP/1.1\r\nHost: localhost\r\n\r\n")
    need(p.endswith(b"\r\n\r\nbelow\n"), "a client that has said all before it hears the answer")
    s.alive()


def echoes(room):
    s = Server(room)
    ten = payload(10_000_000)
    room.write("ten", ten)
    need(sha(s.curl("/", "--data-binary", "@" + room.path("ten"))) == sha(ten), "10 MB from curl")
    need(sha(s.curl("/", "-X", "POST", "-H", "Transfer-Encoding: chunked", "-T", room.path("ten"))) == sha(ten),
         "10 MB in chunks")
    c = http.client.HTTPSConnection("localhost", s.port, timeout=WAIT, context=room.client_context())
    for body in (ten, b"", b"x", payload(65536)):
        c.request("POST", "/", body)
        r = c.getresponse()
        need(r.status == 200 and sha(r.read()) == sha(body), f"{len(body)} bytes from Python")
    c.request("POST", "/", iter([b"one", b"two" * 9999, b"three"]), encode_chunked=True,
              headers={"Transfer-Encoding": "chunked"})
    need(c.getresponse().read() == b"one" + b"two" * 9999 + b"three", "chunks from Python")
    c.request("GET", "/a.html", b"a body that nobody asked for")
    need(c.getresponse().read() == b"<p>hello", "a GET with a body")
    c.request("PUT", "/a.html", b"y" * 50000)
    r = c.getresponse()
    need(r.status == 405 and r.read() and r.getheader("Connection") == "keep-alive", "a PUT with a body")
    c.request("POST", "/", b"again")
    need(c.getresponse().read() == b"again", "after a PUT")
    need(status_of(s, "/", "-X", "POST", "-H", f"Content-Length: {(64 << 20) + 1}") == b"413", "64 MB and a byte")
    fds = s.fds()
    for i in range(3):
        with s.dial() as t:  # gone in mid-body
            t.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n" + b"z" * (300 * i))
    until(lambda: s.fds() <= fds, "descriptors stay open")
    with s.dial() as t:  # more than it takes, in chunks
        t.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nfffffff\r\n")
        block = b"z" * (1 << 20)
        try:
            for _ in range(65):
                t.sendall(block)
        except OSError:
            pass
        need(t.recv(100).startswith(b"HTTP/1.1 413 "), "chunks without an end")
    s.alive()


def keeps_connections(room):
    s = Server(room)
    with s.dial() as t:
        a = Answers(t)
        t.sendall(b"".join(b"GET /%s HTTP/1.1\r\nHost: x\r\nA: %s\r\n\r\n" % (n, b"b" * 300)
                           for n in (b"a.html", b"nothing") * 100))
        for i in range(200):
            status, _, text = a.next()
            need((status, text) == ((200, b"<p>hello") if i % 2 == 0 else (404, b"404 Not Found\n")), f"answer {i}")
        t.sendall(b"\r\nPOST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabcHEAD /a.html HTTP/1.1\r\nHost: x\r\n\r\n"
                  b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2;x=y\r\nde\r\n1\r\nf\r\n0\r\nT: t\r\n\r\n"
                  b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\nGET /a.html HTTP/1.0\r\n\r\n")
        need(a.next()[2] == b"abc" and a.next(body=False)[0] == 200 and a.next()[2] == b"def" and a.next()[2] == b"",
             "requests behind each other")
        status, head, text = a.next()
        need(status == 200 and b"Connection: close" in head and text == b"<p>hello", "HTTP/1.0")
        a.end()
    with s.dial() as t:
        a = Answers(t)
        for byte in b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n":
            t.sendall(bytes([byte]))
        need(a.next()[2] == b"abc", "a record for each byte")
        t.sendall(b"GET /big.bin HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        need(sha(a.next()[2]) == sha(payload(3_000_001)), "a file")
        a.end()
    with s.dial() as t:
        a = Answers(t)
        t.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
        need(a.next()[0] == 100, "no 100 Continue")
        t.sendall(b"ok")
        need(a.next()[2] == b"ok", "after 100 Continue")


def refuses_what_is_malformed(room):
    s = Server(room, "-q")
    get, post = b"GET / HTTP/1.1\r\nHost: x\r\n", b"POST / HTTP/1.1\r\nHost: x\r\n"
    chunked = post + b"Transfer-Encoding: chunked\r\n\r\n"
    for request, status in (
            (b"GET\r\n\r\n", 400), (b"GET /\r\n\r\n", 400), (b"GET  HTTP/1.1\r\n\r\n", 400), (b" GET / HTTP/1.1\r\n\r\n", 400),
            (b"GET / FTP/1.1\r\nHost: x\r\n\r\n", 400), (b"GET / HTTP/1.1 x\r\nHost: x\r\n\r\n", 505),
            (b"GET / HTTP/2.0\r\nHost: x\r\n\r\n", 505), (b"PU / HTTP/1.1\r\nHost: x\r\n\r\n", 501), (b" / HTTP/1.1\r\nHost: x\r\n\r\n", 400),
            (b"GET / HTTP/1.1\r\n\r\n", 400), (get + b"Host: y\r\n\r\n", 400), (get + b"No colon\r\n\r\n", 400),
            (get + b": empty\r\n\r\n", 400), (get + b"A : b\r\n\r\n", 400), (get + b"A: b\r\n c\r\n\r\n", 400),
            (get + b"A: b\nC: d\r\n\r\n", 400), (get + b"A: b\rC: d\r\n\r\n", 400), (get + b"A: \0\r\n\r\n", 400),
            (post + b"Content-Length: -1\r\n\r\n", 400), (post + b"Content-Length: +1\r\n\r\n", 400),
            (post + b"Content-Length: 1 1\r\n\r\n", 400), (post + b"Content-Length: 0x1\r\n\r\n", 400),
            (post + b"Content-Length:\r\n\r\n", 400), (post + b"Content-Length: 1\r\nContent-Length: 1\r\n\r\n", 400),
            (post + b"Content-Length: 67108865\r\n\r\n", 413), (post + b"Content-Length: 99999999999999999999\r\n\r\n", 413),
            (post + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
            (post + b"Transfer-Encoding: gzip\r\n\r\n", 501), (post + b"Transfer-Encoding: chunked, chunked\r\n\r\n", 501),
            (b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400), (post + b"Expect: tea\r\n\r\n", 417),
            (post + b"Early-Data: 1\r\nContent-Length: 1\r\n\r\nx", 425),
            (get + b"A: " + b"b" * 17000, 431), (b"GET /" + b"a" * 2047 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 414),
            (chunked + b"\r\n", 400), (chunked + b"x\r\n", 400), (chunked + b"-1\r\n", 400), (chunked + b"1\r\nab\r\n", 400),
            (chunked + b"1234567890123456\r\n", 400), (chunked + b"1;" + b"a" * 1023 + b"\r\n", 400)):
        with s.dial() as t:
            t.sendall(request)
            a = Answers(t)
            got, head, _ = a.next()
            need(got == status and b"Connection: close" in head, f"{got}, not {status}: {request[:80]}")
            a.end()
    with s.dial() as t:  # much behind it, that would make the kernel take back the answer
        t.sendall(b"GET / HTTP/1.1\r\n\r\n" + payload(300_000))
        a = Answers(t)
        need(a.next()[0] == 400, "much behind a bad request")
        a.end()
    with s.dial() as t:  # as long as may be
        t.sendall(chunked + b"1;" + b"a" * 1022 + b"\r\nx\r\n0\r\n\r\n")
        need(Answers(t).next()[2] == b"x", "a long line before a chunk")
    with s.dial() as t:
        t.sendall(b"GET /" + b"a" * 2046 + b" HTTP/1.1\r\nHost: x\r\n" + b"A: " + b"b" * 8000 + b"\r\n\r\n")
        need(Answers(t).next()[0] == 404, "a long request")
    s.alive()
    need(s.lines()[1:] == [] and s.said() == "", f"-q is not quiet: {s.lines()[1:3]} {s.said()[:200]}")


def survives_what_is_not_tls(room):
    s = Server(room)
    for bad in (b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", payload(5000), b"\x16\x03\x01\x00\x05hello", b"\x16\x03\x01", b""):
        with socket.create_connection(("127.0.0.1", s.port), WAIT) as t:
            t.sendall(bad)
            t.shutdown(socket.SHUT_WR)
            got = b""
            try:
                got = read_all(t)
            except ConnectionError:
                pass
            need(not got or got[0] == 21, f"something else than an alert: {got[:50]}")
    for _ in range(20):
        t = s.dial()
        t.sendall(b"GET /big.bin HTTP/1.1\r\nHost: x\r\n\r\n")
        t.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        t.close()
    need(s.said().count("httpd: ::ffff:127.0.0.1: ") >= 4, f"no reasons: {s.said()}")
    s.alive()
    until(lambda: s.fds() <= 8, f"{s.fds()} descriptors are open")


def cuts_off_who_is_slow(room):
    s = Server(room)
    before = s.fds()
    mute = [socket.create_connection(("127.0.0.1", s.port)) for _ in range(20)]
    mute[0].sendall(b"\x16\x03\x01\x02\x00\x01")  # a piece of a ClientHello
    for start in (b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: x\r\nA: b", b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nx",
                  b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"):
        mute.append(s.dial())
        mute[-1].sendall(start)
    drip = s.dial()
    drip.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nA: ")
    deaf = socket.socket()  # takes nothing of a file that no buffer has room for
    room.write("root/huge", b"")
    os.truncate(room.path("root/huge"), 1 << 30)
    deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    deaf.connect(("127.0.0.1", s.port))
    deaf = room.client_context().wrap_socket(deaf, server_hostname="localhost")
    deaf.sendall(b"GET /huge HTTP/1.1\r\nHost: x\r\n\r\n")
    need(s.fds() > before + 20, "they are not connected")
    start = time.monotonic()
    worst = 0
    while s.fds() > before:
        need(time.monotonic() < start + PATIENCE + WAIT, f"{s.fds() - before} slow clients are still there")
        try:
            drip.sendall(b"b")
        except OSError:
            pass
        t = time.monotonic()
        need(s.curl("/a.html") == b"<p>hello", "others are not served")
        worst = max(worst, time.monotonic() - t)
        time.sleep(0.3)
    took = time.monotonic() - start
    need(took > PATIENCE - 3, f"cut off after {took:.1f} s")
    need(worst < 10, f"others waited for {worst:.1f} s")
    for t in (*mute, drip, deaf):
        t.close()
    s.alive()
    return f"gone after {took:.0f} s, others waited {worst:.2f} s at most"


def asks_for_certificates(room):
    s = Server(room, "-C", room.path("ca.pem"))
    page = s.curl("/", "--cert", room.path("server.pem"), "--key", room.path("server.key")).decode()
    need("<th>client<td>CN=server" in page, page)
    p = s.curl("/", check=False)
    need(p.returncode != 0 and b"alert" in p.stderr and p.stdout == b"", f"without a certificate: {p.stdout} {p.stderr}")
    need("certificate" in s.said(), f"no reason: {s.said()}")
    other = room.path("other.pem"), room.path("other.key")
    p = s.curl("/", "--cert", other[0], "--key", other[1], check=False)
    need(p.returncode != 0 and p.stdout == b"", "with another CA's certificate")


def heeds_versions_and_protocols(room):
    s = Server(room, "-M", "1.2")
    need("TLSv1.2" in s.curl("/").decode(), "TLS 1.2 only")
    s = Server(room, "-m", "1.3")
    need(s.curl("/", "--tls-max", "1.2", check=False).returncode != 0, "TLS 1.3 only")
    need("TLSv1.3" in s.curl("/").decode(), "TLS 1.3 only")
    s = Server(room, "-s", "TLS_CHACHA20_POLY1305_SHA256,TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384")
    need("TLS_CHACHA20_POLY1305_SHA256" in s.curl("/").decode(), "a suite of TLS 1.3")
    need("TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384" in s.curl("/", "--tls-max", "1.2").decode(), "a suite of TLS 1.2")
    context = room.client_context()
    for protocols, offered, chosen in (("http/1.1", ["h2", "http/1.1"], "http/1.1"), ("x/1,h2", ["h2", "x/1"], "x/1"),
                                       ("http/1.1", ["h2"], None)):
        s = Server(room, "-a", protocols)
        context.set_alpn_protocols(offered)
        try:
            with socket.create_connection(("127.0.0.1", s.port), WAIT) as raw, \
                    context.wrap_socket(raw, server_hostname="localhost") as t:
                need(t.selected_alpn_protocol() == chosen, f"{protocols}, {offered}: {t.selected_alpn_protocol()}")
        except ssl.SSLError as e:
            need(chosen is None, f"{protocols}, {offered}: {e}")


class Held:
    """A relay that keeps back what the server says until it is told: the client cannot end the handshake before."""

    def __init__(self, port):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.go = threading.Event()
        threading.Thread(target=self.serve, args=(port,), daemon=True).start()

    def serve(self, port):
        a, b = self.listener.accept()[0], socket.create_connection(("127.0.0.1", port))
        threading.Thread(target=self.pump, args=(a, b), daemon=True).start()
        self.go.wait(WAIT)
        self.pump(b, a)

    @staticmethod
    def pump(src, dst):
        try:
            while data := src.recv(65536):
                dst.sendall(data)
            dst.shutdown(socket.SHUT_WR)
        except OSError:
            pass


def resumes_and_takes_early_data(room):
    """What came as early data, which anybody may have recorded, is answered at once if it is a GET; a POST is not done."""
    s = Server(room, "-e", "16384")
    resume = os.path.join(EXAMPLES, "resume")
    said = room.run([resume, "localhost", str(s.port), "4", room.path("ca.pem")]).decode()
    need(said.count(" resumed ") == 3 and said.endswith("3 of 4 resumed\n"), said)
    host = b" / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
    room.write("get", b"GET" + host + b"\r\n")
    room.write("post", b"POST" + host + b"Content-Length: 5\r\n\r\nhello")

    def s_client(port, *more):
        return room.start(["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-servername", "localhost", "-alpn",
                           "http/1.1", "-CAfile", "ca.pem", *more], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def early(name, server, line):
        p = s_client(server.port, "-quiet", "-sess_out", "session")
        need(b"200 OK" in p.communicate(b"GET" + host + b"\r\n", timeout=WAIT)[0], "the first connection")
        held, before = Held(server.port), len(server.lines())
        p = s_client(held.port, "-ign_eof", "-sess_in", "session", "-early_data", name)
        until(lambda: [x for x in server.lines()[before:] if line in x],
              f"{name} is not answered before the handshake is over: {server.lines()}")
        held.go.set()
        return p.communicate(timeout=WAIT)[0]
    got = early("get", s, '"GET /" 200')
    need(b"Early data was accepted" in got and b"<th>early data<td>%d bytes" % len(b"GET" + host + b"\r\n") in got, got[-900:])
    got = early("post", s, '"POST /" 425')
    need(b"Early data was accepted" in got and b"HTTP/1.1 425 Too Early" in got and b"\r\n\r\nhello" not in got, got[-900:])
    s.alive()
    s = Server(room)  # takes none
    p = s_client(s.port, "-quiet", "-sess_out", "session")
    p.communicate(b"GET" + host + b"\r\n", timeout=WAIT)
    p = s_client(s.port, "-ign_eof", "-sess_in", "session")
    need(b"Reused, " in p.communicate(b"GET" + host + b"\r\n", timeout=WAIT)[0], "not resumed")
    s = Server(room, "-t", "0")
    p = room.run([resume, "localhost", str(s.port), "3", room.path("ca.pem")], check=False)
    need(p.returncode == 3 and p.stdout.endswith(b"0 of 3 resumed\n"), f"-t 0: {p.stdout}")


def says_what_is_wrong(room):
    def run(*args):
        p = subprocess.run([os.path.join(EXAMPLES, "httpd"), *args], capture_output=True, timeout=WAIT, cwd=room.dir)
        return p.returncode, p.stdout.decode(), p.stderr.decode()
    status, out, err = run("--help")
    need(status == 0 and out.startswith("usage: httpd ") and err == "", f"--help: {status} {out} {err}")
    for wrong in (["-z"], ["-p"], ["a", "b"]):
        status, out, err = run(*wrong)
        need(status == 2 and out == "" and "usage: httpd " in err, f"{wrong}: {status} {err}")
    for wrong in (["-m", "1.7"], ["-s", "NULL"], ["-a", ",,"], ["-t", "x"], ["-t", "9"], ["-e", "-1"],
                  ["-e", "9999999999"]):
        status, _, err = run(*wrong)
        need(status == 2 and len(err) > len(start := f"httpd: {' '.join(wrong)}: ") + 5 and err.startswith(start),
             f"{wrong}: {status} {err}")
    status, _, err = run("-p", "0", "-c", "server.pem", "-k", "server.key", "nowhere")
    need(status == 1 and "nowhere: No such file" in err, f"no directory: {status} {err}")
    for more, word in ((["-c", "none.pem"], "none.pem"), (["-c", "other.pem", "-k", "server.key"], "key"),
                       (["-c", "server.pem"], "key"), (["-c", "server.pem", "-k", "server.key", "-C", "none.pem"], "none.pem")):
        status, out, err = run("-p", "0", *more)
        need(status == 1 and out == "" and err.startswith("httpd: ") and word in err, f"{more}: {status} {out} {err}")
    with socket.create_server(("", free_port())) as taken:
        status, _, err = run("-p", str(taken.getsockname()[1]), "-c", "server.pem", "-k", "server.key")
        need(status == 1 and "in use" in err, f"port taken: {status} {err}")


def a_thousand_at_once(room):
    """wrk keeps 1000 connections: no error, no answer but 200."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 2200:
        return f"skipped: at most {hard} open files are permitted"
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 2200), hard))
    s = Server(room, "-q")
    before, requests = s.fds(), 0
    for seconds in (3, 12, 48):  # on a busy machine the handshakes alone take more than the first
        p = subprocess.Popen(["wrk", "-c1000", "-t2", f"-d{seconds}s", "--timeout", "90s", s.url + "/"],
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT, process_group=0)
        room.started.append(p)
        most = 0
        while p.poll() is None:
            most = max(most, s.fds() - before)
            time.sleep(0.05)
        report = p.stdout.read().decode()
        need(p.returncode == 0 and "Socket errors" not in report and "Non-2xx" not in report, report)
        requests = int(re.search(r"(\d+) requests in", report)[1])
        until(lambda: s.fds() <= before, "descriptors stay open")
        if requests > 5000:
            break
    need(most >= 1000 and requests > 5000, f"{most} connections, {requests} requests\n{report}")
    s.alive()
    return f"{most} connections, {requests} requests in {seconds} s"


if __name__ == "__main__":
    sys.exit(main(serves_files_and_facts, echoes, keeps_connections, refuses_what_is_malformed, survives_what_is_not_tls,
                  cuts_off_who_is_slow, asks_for_certificates, heeds_versions_and_protocols,
                  resumes_and_takes_early_data, says_what_is_wrong, a_thousand_at_once))
