#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""The sockets API of libsleeve.so against Python's ssl and the openssl program, both roles."""
import ctypes
import errno
import hashlib
import os
import re
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import traceback

BUILD = os.environ.get("BUILD", "build")
WAIT = 45
SOL_SSL = 0x5353


def options():
    """The numbers of the options, by the names of the header."""
    with open("include/sleeve/ssl_socket.h", encoding="ascii") as f:
        header = re.sub(r"/\*.*?\*/", "", f.read(), flags=re.S)
    names = re.search(r"enum \{(\s*SSL_OPT_NAME = 1,.*?)\};", header, re.S)[1]
    return {name: i for i, name in enumerate(re.findall(r"SSL_OPT_(\w+)", names), 1)}


OPT = options()
NAME, CA, CERT, KEY, ALPN = (OPT[n] for n in ("NAME", "CA_FILE", "CERT_FILE", "KEY_FILE", "ALPN"))
VERIFY, CLIENT_AUTH, TIMEOUT = (OPT[n] for n in ("VERIFY", "CLIENT_AUTH", "HANDSHAKE_TIMEOUT"))
VERSION, PSK = OPT["VERSION"], OPT["PSK"]
CLIENT, SERVER = 0, 1


class Key(ctypes.Structure):
    """struct ssl_psk"""
    _fields_ = [("identity", ctypes.c_char_p), ("key", ctypes.c_char_p), ("key_len", ctypes.c_size_t),
                ("hash", ctypes.c_int), ("own", ctypes.c_char_p), ("peer", ctypes.c_char_p)]


class Sleeve:
    """A connected Python socket as a TLS connection of libsleeve's."""
    lib = None

    def __init__(self, sock, role, **options):
        sock.settimeout(None)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, WAIT.to_bytes(8, "little") + bytes(8))
        self.sock = sock
        self.fd = sock.fileno()
        for name, value in options.items():
            self.option(globals()[name], value)
        self.check(self.lib.ssl_attach(self.fd, role))

    def check(self, rc):
        if rc < 0:
            err = ctypes.get_errno()
            raise OSError(err, f"{os.strerror(err)}: {self.error()}")
        return rc

    def option(self, name, value):
        if isinstance(value, Key):
            data = value
        else:
            data = ctypes.c_int(value) if isinstance(value, int) else ctypes.create_string_buffer(value.encode())
        self.check(self.lib.ssl_setsockopt(self.fd, SOL_SSL, name, ctypes.byref(data), ctypes.sizeof(data)))

    def error(self):
        return self.lib.ssl_error(self.fd).decode()

    def fact(self, name):
        room = ctypes.create_string_buffer(256)
        size = ctypes.c_uint32(256)
        self.check(self.lib.ssl_getsockopt(self.fd, SOL_SSL, name, room, ctypes.byref(size)))
        return room.value.decode()

    def handshake(self):
        self.check(self.lib.ssl_handshake(self.fd))

    def read(self, n=65536):
        room = ctypes.create_string_buffer(n)
        got = self.check(self.lib.ssl_read(self.fd, room, n))
        return room.raw[:got]

    def read_exactly(self, n):
        got = b""
        while len(got) < n:
            part = self.read(n - len(got))
            assert part, f"end after {len(got)} of {n} bytes"
            got += part
        return got

    def write(self, data):
        done = self.check(self.lib.ssl_write(self.fd, data, len(data)))
        assert done == len(data), (done, len(data))

    def shut_write(self):
        self.check(self.lib.ssl_shutdown(self.fd, socket.SHUT_WR))

    def close(self):
        self.check(self.lib.ssl_close(self.fd))
        self.sock.detach()


def load():
    lib = ctypes.CDLL(os.path.abspath(os.path.join(BUILD, "libsleeve.so")), use_errno=True)
    lib.ssl_read.restype = lib.ssl_write.restype = ctypes.c_ssize_t
    lib.ssl_read.argtypes = lib.ssl_write.argtypes = [ctypes.c_int, ctypes.c_char_p, ctypes.c_size_t]
    lib.ssl_error.restype = ctypes.c_char_p
    Sleeve.lib = lib


def certificates(folder):
    def openssl(*argv):
        subprocess.run(["openssl", *argv], cwd=folder, check=True, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL, timeout=WAIT)

    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
            "-subj", "/CN=Test CA", "-addext", "keyUsage=critical,keyCertSign,cRLSign", "-keyout", "ca.key",
            "-out", "ca.crt")
    keys = {"ec": ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"], "p384": ["ec", "-pkeyopt", "ec_paramgen_curve:P-384"],
            "rsa": ["rsa:2048"], "ed25519": ["ed25519"]}
    for kind, how in keys.items():
        with open(os.path.join(folder, "ext"), "w", encoding="ascii") as f:
            f.write("subjectAltName=DNS:server.test,DNS:client.test\nbasicConstraints=CA:FALSE\n"
                    "keyUsage=digitalSignature\nextendedKeyUsage=serverAuth,clientAuth\n")
        openssl("req", "-newkey", *how, "-nodes", "-subj", f"/CN={kind}", "-keyout", f"{kind}.key",
                "-out", f"{kind}.csr")
        openssl("x509", "-req", "-in", f"{kind}.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial",
                "-days", "2", "-extfile", "ext", "-out", f"{kind}.crt")
    return lambda name: os.path.join(folder, name)


def pair():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        a = socket.create_connection(listener.getsockname(), timeout=WAIT)
        b, _ = listener.accept()
    b.settimeout(WAIT)
    return a, b


class Other(threading.Thread):
    """The peer's side, in a thread; its exception is the test's."""

    def __init__(self, fn):
        super().__init__(daemon=True)
        self.fn, self.result, self.failed = fn, None, None
        self.start()

    def run(self):
        try:
            self.result = self.fn()
        except BaseException as e:  # pylint: disable=broad-except
            self.failed = e

    def end(self):
        self.join(WAIT)
        assert not self.is_alive(), "the peer hangs"
        if self.failed:
            raise self.failed
        return self.result


VERSIONS = {"TLSv1.2": ssl.TLSVersion.TLSv1_2, "TLSv1.3": ssl.TLSVersion.TLSv1_3}


def py_context(path, server, kind="ec", version="TLSv1.3"):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if server else ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = context.maximum_version = VERSIONS[version]
    context.load_verify_locations(path("ca.crt"))
    if server:
        context.load_cert_chain(path(f"{kind}.crt"), path(f"{kind}.key"))
    return context


def payload(n):
    return hashlib.shake_128(b"sleeve").digest(n)


def py_echo(tls):
    """Echoes until close_notify; then its own close_notify."""
    while True:
        data = tls.recv(50000)
        if not data:
            break
        tls.sendall(data)
    tls.unwrap().close()


KINDS = [(kind, version) for kind in ("ec", "p384", "rsa", "ed25519") for version in VERSIONS]


def client_to_python(path):
    for kind, version in KINDS:
        a, b = pair()
        context = py_context(path, True, kind, version)
        context.set_alpn_protocols(["echo"])
        peer = Other(lambda c=context, s=b: py_echo(c.wrap_socket(s, server_side=True)))
        s = Sleeve(a, CLIENT, NAME="server.test", CA=path("ca.crt"), ALPN="other,echo")
        data = payload(300000)
        got = Other(lambda c=s, n=len(data): c.read_exactly(n))
        s.write(data)
        assert got.end() == data
        assert s.fact(VERSION) == version, s.fact(VERSION)
        s.shut_write()
        assert s.read() == b""
        s.close()
        peer.end()


def python_to_server(path):
    for kind, version in KINDS:
        a, b = pair()
        data = payload(300000)

        def client(sock=a, context=py_context(path, False, version=version), want=version):
            with context.wrap_socket(sock, server_hostname="server.test") as tls:
                assert tls.version() == want
                sender = Other(lambda: tls.sendall(data))
                got = b""
                while len(got) < len(data):
                    got += tls.recv(10000)
                sender.end()
                assert got == data
                tls.unwrap()

        peer = Other(client)
        s = Sleeve(b, SERVER, CERT=path(f"{kind}.crt"), KEY=path(f"{kind}.key"))
        while True:
            part = s.read(7000)
            if not part:
                break
            s.write(part)
        s.close()
        peer.end()


def client_certificate(path):
    a, b = pair()
    context = py_context(path, True)
    context.verify_mode = ssl.CERT_REQUIRED

    def server():
        with context.wrap_socket(b, server_side=True) as tls:
            tls.sendall(dict(x[0] for x in tls.getpeercert()["subject"])["commonName"].encode())
            tls.unwrap()

    peer = Other(server)
    s = Sleeve(a, CLIENT, NAME="server.test", CA=path("ca.crt"), CERT=path("rsa.crt"), KEY=path("rsa.key"))
    assert s.read_exactly(3) == b"rsa"
    assert s.read() == b""
    s.close()
    peer.end()


def refusals(path):
    """Either side refuses: EACCES for certificates and names, and both sides say so."""
    a, b = pair()
    peer = Other(lambda: py_context(path, True).wrap_socket(b, server_side=True))
    s = Sleeve(a, CLIENT, NAME="wrong.test", CA=path("ca.crt"))
    try:
        s.handshake()
        assert False, "a wrong name was accepted"
    except OSError as e:
        assert e.errno == errno.EACCES, e
    s.close()
    try:
        peer.end()
        assert False, "the server saw no alert"
    except ssl.SSLError as e:
        assert "bad certificate" in str(e).lower(), e

    a, b = pair()

    def client():
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # knows no CA
        context.wrap_socket(a, server_hostname="server.test")

    peer = Other(client)
    s = Sleeve(b, SERVER, CERT=path("ec.crt"), KEY=path("ec.key"))
    try:
        s.handshake()
        assert False, "the alert was overlooked"
    except OSError as e:
        assert e.errno == errno.EACCES and "unknown_ca" in str(e), e
    s.close()
    try:
        peer.end()
    except ssl.SSLError:
        pass


def truncation(path):
    """threat 29: Python closes the socket below TLS."""
    a, b = pair()

    def server():
        tls = py_context(path, True).wrap_socket(b, server_side=True)
        tls.sendall(b"half of it")
        tls.close()  # no close_notify

    peer = Other(server)
    s = Sleeve(a, CLIENT, NAME="server.test", CA=path("ca.crt"))
    assert s.read_exactly(10) == b"half of it"
    for _ in range(2):
        try:
            s.read()
            assert False, "a cut stream looked like its end"
        except OSError as e:
            assert e.errno == errno.ECONNRESET, e
    s.close()
    peer.end()


def openssl_client(path):
    """s_client verifies us, sends, updates keys both ways (K), sends again."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with subprocess.Popen(["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-tls1_3", "-CAfile", path("ca.crt"),
                               "-verify_return_error", "-verify_hostname", "server.test", "-servername", "server.test",
                               "-brief"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE) as p:
            try:
                listener.settimeout(WAIT)
                conn, _ = listener.accept()
                s = Sleeve(conn, SERVER, CERT=path("ec.crt"), KEY=path("ec.key"))
                for word in (b"one\n", b"K\n", b"two\n", b"K\n", b"three\n"):
                    p.stdin.write(word)
                    p.stdin.flush()
                    if word == b"K\n":
                        threading.Event().wait(0.5)  # s_client takes commands that come alone only
                    else:
                        assert s.read_exactly(len(word)) == word
                        s.write(b"got " + word)
                        assert p.stdout.readline() == b"got " + word
                p.stdin.close()
                assert s.read() == b""  # s_client says close_notify at its end of input
                s.close()
                assert p.wait(WAIT) == 0
                said = p.stderr.read()
                assert b"Verification: OK" in said, said
            finally:
                p.kill()


def start_s_server(*options):
    """Listening on a free port, and a socket that is connected to it."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    p = subprocess.Popen(["openssl", "s_server", "-accept", f"127.0.0.1:{port}", "-tls1_3", "-rev", "-naccept", "1", *options],
                         stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for _ in range(200):
        try:
            return p, socket.create_connection(("127.0.0.1", port), timeout=WAIT)
        except ConnectionRefusedError:
            threading.Event().wait(0.05)
    p.kill()
    raise AssertionError("s_server does not listen")


def openssl_server(path):
    """s_server sends back lines reversed; half-close at the end."""
    p, conn = start_s_server("-cert", path("rsa.crt"), "-key", path("rsa.key"))
    with p:
        try:
            s = Sleeve(conn, CLIENT, NAME="server.test", CA=path("ca.crt"))
            for word in (b"abc", b"0123456789" * 100):
                s.write(word + b"\n")
                assert s.read_exactly(len(word) + 1) == word[::-1] + b"\n"
            s.shut_write()
            s.close()
        finally:
            p.kill()


SECRET = b"0123456789abcdef"


def key(secret=SECRET):
    return Key(b"device-7", secret, len(secret), 0, None, None)


def openssl_client_with_a_key(_):
    """The right one, a wrong one; nobody has a certificate."""
    for secret in (SECRET, SECRET[::-1]):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            with subprocess.Popen(["openssl", "s_client", "-connect", f"127.0.0.1:{listener.getsockname()[1]}", "-tls1_3",
                                   "-psk", secret.hex(), "-psk_identity", "device-7"], stdin=subprocess.PIPE,
                                  stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as p:
                try:
                    listener.settimeout(WAIT)
                    conn, _ = listener.accept()
                    s = Sleeve(conn, SERVER, PSK=key())
                    p.stdin.write(b"word\n")
                    p.stdin.flush()
                    if secret == SECRET:
                        assert s.read_exactly(5) == b"word\n"
                    else:
                        refused(s, "binder")
                    s.close()
                    p.stdin.close()
                    said = p.stderr.read()
                    assert (p.wait(WAIT) == 0) == (secret == SECRET), said
                    assert secret == SECRET or b"decrypt error" in said, said
                finally:
                    p.kill()


def openssl_server_with_a_key(path):
    """The right one, a wrong one; and a server that has a certificate in its place."""
    cert = ("-cert", path("ec.crt"), "-key", path("ec.key"))
    for options, words, err in ((("-nocert", "-psk", SECRET.hex()), None, 0),
                                (("-nocert", "-psk", SECRET.hex()[::-1]), "illegal_parameter", errno.ECONNABORTED),
                                (cert, "no name to verify", errno.EACCES)):
        p, conn = start_s_server("-psk_identity", "device-7", *options)
        with p:
            try:
                s = Sleeve(conn, CLIENT, PSK=key())
                if words:
                    refused(s, words, err)
                else:
                    s.write(b"word\n")
                    assert s.read_exactly(5) == b"drow\n"
                s.close()
            finally:
                p.kill()


def refused(s, words, err=errno.EACCES):
    try:
        s.handshake()
        assert False, "accepted"
    except OSError as e:
        assert e.errno == err and words in str(e), e


def main():
    if not os.path.exists(os.path.join(BUILD, "libsleeve.so")):
        print(f"skip: no {BUILD}/libsleeve.so")
        return 77
    if not shutil.which("openssl"):
        print("skip: no openssl program")
        return 77
    load()
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        path = certificates(folder)
        for case in (client_to_python, python_to_server, client_certificate, refusals, truncation, openssl_client,
                     openssl_server, openssl_client_with_a_key, openssl_server_with_a_key):
            try:
                case(path)
                print(f"ok {case.__name__}", flush=True)
            except BaseException:  # pylint: disable=broad-except
                failed += 1
                print(f"FAILED {case.__name__}\n{traceback.format_exc()}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
