# SPDX-License-Identifier: ISC
"""An HTTP server and client of Python's, with its TLS (OpenSSL's) or without, as the unwrapped peers of programs."""
import http.client
import http.server
import threading

from wrap import WAIT, need, sha


class Handler(http.server.BaseHTTPRequestHandler):
    """GET /N: the first N bytes of the server's data, or a range of them. POST: the SHA-256 of the body."""
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        size, start = int(self.path.strip("/") or 10), 0
        if "Range" in self.headers:
            start = int(self.headers["Range"].split("=")[1].split("-")[0])
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{size - 1}/{size}")
        else:
            self.send_response(200)
        self.send_header("Content-Length", str(size - start))
        self.end_headers()
        self.wfile.write(memoryview(self.server.data)[start:size])

    def do_POST(self):
        answer = sha(self.rfile.read(int(self.headers["Content-Length"]))).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *args):
        pass


class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 128
    daemon_threads = True

    def handle_error(self, request, address):
        pass  # a client that refuses us


def serve(room, data, tls=True):
    """Its port."""
    s = Server(("127.0.0.1", 0), Handler)
    s.data = data
    if tls:
        s.socket = room.server_context().wrap_socket(s.socket, server_side=True, do_handshake_on_connect=False)
    threading.Thread(target=s.serve_forever, daemon=True).start()
    return s.server_address[1]


def client(room, port, tls=True):
    """A connection that stays open for any number of fetch()."""
    if tls:
        return http.client.HTTPSConnection("127.0.0.1", port, timeout=WAIT, context=room.client_context())
    return http.client.HTTPConnection("127.0.0.1", port, timeout=WAIT)


def fetch(c, path, body=None, want=200):
    c.request("GET" if body is None else "POST", path, body)
    answer = c.getresponse()
    data = answer.read()
    need(answer.status == want, f"{path}: {answer.status} {data[:100]!r}")
    return data
