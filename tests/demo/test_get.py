#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""examples/get against Python's https server, openssl s_server and examples/httpd: bodies of all kinds, redirections, and
all that must not pass for success: a wrong name, an expired certificate, an answer that is cut short."""
import os
import socket
import subprocess
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from wrap import BUILD, WAIT, free_port, main, need, payload, sha, skip_without, wait_port  # noqa: E402

skip_without("openssl")
GET = os.path.join(BUILD, "examples", "get")
BIG = payload(2_000_003)
OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
LONG = b"X: " + b"y" * 9000 + b"\r\n"


def chunks(data):
    return b"".join(b"%x;a=b\r\n%s\r\n" % (len(data[i:i + 70001]), data[i:i + 70001]) for i in range(0, len(data), 70001))


def to(where, status=b"302 Found"):
    return b"HTTP/1.1 " + status + b"\r\nContent-Length: 4\r\nLocation: " + where + b"\r\n\r\nelse"


# Path: the answer, the exit status, what is printed.
PATHS = {
    "/length": (OK + b"Content-Length: 5\r\n\r\nhello and more", 0, b"hello"),
    "/big": (OK + b"content-length:%d\r\n\r\n" % len(BIG) + BIG, 0, BIG),
    "/chunked": (CHUNKED + chunks(BIG) + b"0\r\nT: t\r\n\r\n", 0, BIG),
    "/to-the-end": (OK + b"\r\n" + BIG, 0, BIG),
    "/empty": (OK + b"Content-Length: 0\r\n\r\n", 0, b""),
    "/1.0": (b"HTTP/1.0 200 OK\r\n\r\nold", 0, b"old"),
    "/204": (b"HTTP/1.1 204 No Content\r\n\r\n", 0, b""),
    "/continue": (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + OK +
                  b"Content-Length: 1\r\n\r\nx", 0, b"x"),
    "/404": (b"HTTP/1.1 404 Not Found\r\nContent-Length: 3\r\n\r\nno\n", 3, b"no\n"),
    "/500": (b"HTTP/1.1 500 Oh\r\n\r\nno\n", 3, b"no\n"),
    "/moved": (to(b"/length"), 0, b"hello"),
    "/beside/me": (to(b"it?x=/y#z", b"308 P"), 0, b"it"),
    "/beside/it?x=/y": (OK + b"Content-Length: 2\r\n\r\nit", 0, b"it"),
    "/ask?a=/b": (to(b"?q=/c"), 0, b"it"),
    "/ask?q=/c": (OK + b"Content-Length: 2\r\n\r\nit", 0, b"it"),
    "/from?a=/b": (to(b"length"), 0, b"hello"),
    "/nowhere": (b"HTTP/1.1 302 Found\r\nContent-Length: 2\r\n\r\nhm", 3, b"hm"),
    "/loop": (to(b"/loop"), 3, b""),
    "/plain": (to(b"http://localhost/length"), 3, b""),
    "/file": (to(b"file:///etc/passwd"), 3, b""),
    "/user": (to(b"https://a@localhost/"), 3, b""),
    "/hop1": (to(b"/hop2"), 0, b"hello"), "/hop2": (to(b"/hop3"), 0, b"hello"), "/hop3": (to(b"/hop4"), 0, b"hello"),
    "/hop4": (to(b"/hop5"), 0, b"hello"), "/hop5": (to(b"/length"), 0, b"hello"), "/hop0": (to(b"/hop1"), 3, b""),
    "/cut": (OK + b"Content-Length: 50\r\n\r\nhello", 4, b"hello"),
    "/cut-chunk": (CHUNKED + b"50\r\nhello", 4, b"hello"),
    "/cut-chunks": (CHUNKED + b"5\r\nhello\r\n", 4, b"hello"),
    "/cut-trailer": (CHUNKED + b"5\r\nhello\r\n0\r\n", 4, b"hello"),
    "/cut-head": (OK + b"Content-Length: 5\r\n", 4, b""),
    "/cut-status": (b"HTTP/1.1 2", 4, b""),
    "/nothing": (b"", 4, b""),
    "/torn": (OK + b"\r\nhello", 4, b"hello"),  # no close_notify
    "/bad-chunk": (CHUNKED + b"x\r\nhello\r\n0\r\n\r\n", 4, b""),
    "/bad-chunk-end": (CHUNKED + b"4\r\nhello\r\n0\r\n\r\n", 4, b"hell"),
    "/bad-length": (OK + b"Content-Length: -5\r\n\r\nhello", 4, b""),
    "/two-lengths": (OK + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!", 4, b""),
    "/gzip": (OK + b"Transfer-Encoding: gzip\r\n\r\nhello", 4, b""),
    "/long-line": (OK + LONG + b"\r\nhello", 4, b""),
    "/many-lines": (OK + b"X: y\r\n" * 300 + b"\r\nhello", 4, b""),
    "/no-colon": (OK + b"hello\r\n\r\nhello", 4, b""),
    "/garbage": (payload(500), 4, b""),
    "/http2": (b"HTTP/2 200\r\n\r\nhello", 4, b""),
}


class Server:
    """Python's TLS and the answers above."""

    def __init__(self, room, name="server", host="127.0.0.1"):
        self.context = room.server_context()
        self.context.load_cert_chain(room.path(name + ".pem"), room.path("server.key"))
        self.listener = socket.create_server((host, 0), backlog=64, family=socket.AF_INET6 if ":" in host else socket.AF_INET)
        self.port = self.listener.getsockname()[1]
        self.asked = []
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            raw = self.listener.accept()[0]
            threading.Thread(target=self.answer, args=(raw,), daemon=True).start()

    def answer(self, raw):
        try:
            raw.settimeout(WAIT)
            with self.context.wrap_socket(raw, server_side=True) as s:
                head = b""
                while b"\r\n\r\n" not in head:
                    part = s.recv(4096)
                    if not part:
                        return
                    head += part
                self.asked.append(head.decode())
                path = head.split(b" ")[1].decode()
                s.sendall(PATHS[path.rstrip("?")][0])
                if path != "/torn":
                    s.unwrap()
        except OSError:
            pass


def get(room, *args):
    p = subprocess.run([GET, "--ca", room.path("ca.pem"), *args], capture_output=True, timeout=WAIT, cwd=room.dir)
    return p.returncode, p.stdout, p.stderr.decode()


def bodies_and_redirections(room):
    server = Server(room)
    for path, (_, status, body) in PATHS.items():
        got = get(room, f"https://localhost:{server.port}{path}")
        need((got[0], sha(got[1])) == (status, sha(body)), f"{path}: {got[0]} {got[1][:100]} {got[2]}")
        need((got[2] == "") == (status == 0) and (status == 0 or got[2].startswith("get: ")), f"{path}: {got[2]}")
    first = server.asked[0].split("\r\n")
    need(first[0] == "GET /length HTTP/1.1" and f"Host: localhost:{server.port}" in first, server.asked[0])
    need(get(room, f"https://localhost:{server.port}/length?#x")[1] == b"hello", "a fragment")
    need(server.asked[-1].startswith("GET /length? HTTP"), "a fragment went to the server")


def files_and_facts(room):
    server = Server(room)
    url = f"https://localhost:{server.port}"
    need(get(room, "-o", "f", url + "/chunked")[0] == 0, "-o")
    with open(room.path("f"), "rb") as f:
        need(f.read() == BIG, "what is in the file")
    need(get(room, "-o", "f", url + "/cut")[0] == 4 and not os.path.exists(room.path("f")), "half a file is left")
    need(get(room, "-o", "no/f", url + "/length")[0] == 5, "a directory that is not there")
    os.symlink("/dev/full", room.path("full"))
    need(get(room, "-o", "full", url + "/big")[0] == 5 and os.path.lexists(room.path("full")), "a full disk")
    status, out, err = get(room, "-v", url + "/continue")
    need(status == 0 and out == b"x", f"-v: {status} {out}")
    for line in ("* TLSv1.3, TLS_", "* certificate for localhost", "> GET /continue HTTP/1.1", "< HTTP/1.1 100 Continue",
                 "< HTTP/1.1 200 OK", "< Content-Length: 1"):
        need("\n" + line in "\n" + err, f"no {line} in {err}")
    p = subprocess.run(f"{GET} --ca ca.pem {url}/big | head -c 10; exit ${{PIPESTATUS[0]}}", shell=True, executable="/bin/bash",
                       capture_output=True, timeout=WAIT, cwd=room.dir)
    need(p.returncode == 5 and p.stdout == BIG[:10], f"a reader that goes away: {p.returncode} {p.stderr}")


def usage(room):
    status, out, err = get(room, "--help")
    need(status == 0 and out.startswith(b"usage: get ") and err == "", f"--help: {status}")
    for wrong in ([], ["a", "b"], ["-z", "https://localhost/"], ["http://localhost/"], ["localhost"], ["https://"],
                  ["https://a@localhost/"], ["https://local host/"], ["https://localhost:123456789/"], ["https://[::1/"],
                  ["https://localhost/\r\nX: y"], ["https://" + "a" * 256 + "/"], ["https://localhost/" + "a" * 4096]):
        status, out, err = get(room, *wrong)
        need(status == 2 and out == b"" and err, f"{wrong}: {status} {err}")
    need(get(room, f"https://localhost:{free_port()}/")[0] == 1, "nobody there")
    need(get(room, "https://name.invalid/")[0] == 1, "no such name")


def certificates(room):
    """Not a byte of the request goes to who is not the one."""
    server = Server(room)
    url = f"https://localhost:{server.port}/length"
    p = subprocess.run([GET, "--ca", room.path("other.pem"), url], capture_output=True, timeout=WAIT)
    need(p.returncode == 1 and b"trusted" in p.stderr and p.stdout == b"", f"another CA: {p}")
    p = subprocess.run([GET, url], capture_output=True, timeout=WAIT)
    need(p.returncode == 1 and b"trusted" in p.stderr and p.stdout == b"", f"the system's CAs: {p}")
    status, out, err = get(room, url.replace("localhost", "127.0.0.2"))
    need(status == 1 and out == b"" and "not for 127.0.0.2" in err or "refused" in err, f"another name: {status} {err}")
    six = Server(room, host="::1")
    status, out, err = get(room, f"https://[::1]:{six.port}/length")
    need(status == 1 and out == b"" and "not for ::1" in err, f"another address: {status} {err}")
    need(not server.asked and not six.asked, "they were asked all the same")

    room.write("ca.cnf", "[ca]\ndefault_ca=d\n[d]\ndatabase=index\nserial=serial\nnew_certs_dir=.\ndefault_md=sha256\n"
               "policy=p\nx509_extensions=e\n[p]\ncommonName=supplied\n[e]\nsubjectAltName=DNS:localhost\n")
    room.write("index", "")
    room.write("serial", "77\n")
    for name, start, end, word in (("expired", "20200101000000Z", "20210101000000Z", "expired"),
                                   ("future", "20900101000000Z", "20910101000000Z", "valid")):
        p = subprocess.run(["openssl", "ca", "-batch", "-notext", "-config", "ca.cnf", "-in", "server.csr", "-cert", "ca.pem",
                            "-keyfile", "ca.key", "-startdate", start, "-enddate", end, "-out", name + ".pem"],
                           capture_output=True, timeout=WAIT, cwd=room.dir)
        need(p.returncode == 0, f"openssl ca: {p.stderr.decode()}")
        room.write("index", "")
        late = Server(room, name)
        status, out, err = get(room, f"https://localhost:{late.port}/length")
        need(status == 1 and out == b"" and word in err, f"{name}: {status} {err}")
        need(not late.asked, "it was asked all the same")


def openssl_and_httpd(room):
    room.write("page.txt", b"from openssl\n")
    port = free_port()
    p = room.start(["openssl", "s_server", "-accept", f"127.0.0.1:{port}", "-cert", "server.pem", "-key", "server.key", "-WWW"])
    wait_port(port, p)
    status, out, err = get(room, "-v", f"https://localhost:{port}/page.txt")
    need(status == 0 and out == b"from openssl\n", f"openssl s_server: {status} {out} {err}")
    port = free_port()
    p = room.start([os.path.join(BUILD, "examples", "httpd"), "-q", "-p", str(port), "-k", "server.key"])
    wait_port(port, p)
    need(get(room, f"https://localhost:{port}/page.txt")[:2] == (0, b"from openssl\n"), "httpd")
    need(get(room, f"https://localhost:{port}/none")[0] == 3, "httpd")


if __name__ == "__main__":
    sys.exit(main(bodies_and_redirections, files_and_facts, usage, certificates, openssl_and_httpd))
