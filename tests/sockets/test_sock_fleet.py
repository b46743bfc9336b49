#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""Sessions between processes and with other implementations: two servers with one file of ticket keys, and OpenSSL,
GnuTLS and curl on the other side, with early data and without."""
import ctypes
import os
import re
import select
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import traceback

from test_sock_peers import BUILD, OPT, SOL_SSL, WAIT, Sleeve, certificates, load

EARLY_FLAG = 0x10000000
NONE, OFFERED, REJECTED, ACCEPTED = range(4)


def info_type():
    """struct ssl_info out of the header."""
    with open("include/sleeve/ssl_socket.h", encoding="ascii") as f:
        header = re.sub(r"/\*.*?\*/", "", f.read(), flags=re.S)
    kinds = {"int": ctypes.c_int, "uint64_t": ctypes.c_uint64, "int64_t": ctypes.c_int64, "char": ctypes.c_char}
    fields = []
    for kind, names in re.findall(r"(\w+) ([^;]+);", re.search(r"struct ssl_info \{(.*?)\};", header, re.S)[1]):
        for name in names.split(","):
            name, size = re.match(r"\s*(\w+)(?:\[(\d+)\])?", name).groups()
            fields.append((name, kinds[kind] * int(size) if size else kinds[kind]))
    return type("Info", (ctypes.Structure,), {"_fields_": fields})


Info = info_type()


def facts(fd):
    info = Info()
    assert Sleeve.lib.ssl_info(fd, ctypes.byref(info)) == 0
    return info


def setting(fd, name, value):
    data = ctypes.c_int(value) if isinstance(value, int) else ctypes.create_string_buffer(value.encode())
    assert Sleeve.lib.ssl_setsockopt(fd, SOL_SSL, OPT[name], ctypes.byref(data), ctypes.sizeof(data)) == 0, name


# ---- a server of its own process ----

def serve(address, port, cert, key, keys, early):
    """Answers each request with what it knows of the connection; one line for each on its output."""
    load()
    lib = Sleeve.lib
    with socket.create_server((address, int(port)), backlog=64) as listener:
        setting(listener.fileno(), "CERT_FILE", cert)
        setting(listener.fileno(), "KEY_FILE", key)
        if keys:
            setting(listener.fileno(), "TICKET_KEY_FILE", keys)
        setting(listener.fileno(), "EARLY_DATA", int(early))
        print(listener.getsockname()[1], flush=True)
        while True:
            fd = lib.ssl_accept(listener.fileno(), None, None)
            if fd < 0:
                sys.exit(lib.ssl_error(-1).decode())
            room = ctypes.create_string_buffer(65536)
            got = lib.ssl_read(fd, room, 65536)
            if got > 0:
                now = facts(fd)
                body = f"resumed={now.resumed} early={now.early} bytes={now.early_bytes}\n"
                answer = f"HTTP/1.0 200 OK\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n{body}".encode()
                lib.ssl_write(fd, answer, len(answer))
            lib.ssl_close(fd)


class Server:
    def __init__(self, path, address="127.0.0.1", port=0, keys="", early=0):
        self.p = subprocess.Popen([sys.executable, __file__, "--serve", address, str(port), path("ec.crt"), path("ec.key"),
                                   keys, str(early)], stdout=subprocess.PIPE, text=True)
        assert select.select([self.p.stdout], [], [], WAIT)[0], "no server"
        self.address, self.port = address, int(self.p.stdout.readline())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.p.kill()
        self.p.wait(WAIT)
        self.p.stdout.close()


def ask(path, address, port, early=0, say=b"GET / HTTP/1.0\r\n\r\n"):
    """A request of ours: (was it resumed, what the client knows, the answer)."""
    lib = Sleeve.lib
    fd = lib.ssl_socket(socket.AF_INET, socket.SOCK_STREAM, 0)
    try:
        setting(fd, "NAME", "server.test")
        setting(fd, "CA_FILE", path("ca.crt"))
        setting(fd, "EARLY_DATA", early)
        to = socket.AF_INET.to_bytes(2, "little") + port.to_bytes(2, "big") + socket.inet_aton(address) + bytes(8)
        assert lib.ssl_connect(fd, to, len(to)) == 0, lib.ssl_error(fd)
        assert lib.ssl_send(fd, say, len(say), EARLY_FLAG) == len(say), lib.ssl_error(fd)
        answer = b""
        while True:
            room = ctypes.create_string_buffer(4096)
            got = lib.ssl_read(fd, room, 4096)
            assert got >= 0, lib.ssl_error(fd)
            if got == 0:
                break
            answer += room.raw[:got]
        now = facts(fd)
        return now.resumed, now, answer.decode()
    finally:
        lib.ssl_close(fd)


def new_key(path, name):
    with open(path(name), "wb") as f:
        f.write(os.urandom(80))


def put_keys(path, *names):
    with open(path("keys.new"), "wb") as out:
        os.chmod(path("keys.new"), 0o600)
        for name in names:
            with open(path(name), "rb") as f:
                out.write(f.read())
    os.rename(path("keys.new"), path("keys"))


# ---- the cases ----

def fleet(path):
    """Not one session is lost between two servers, while the keys change under them twice."""
    for name in ("a", "b", "c"):
        new_key(path, name)
    put_keys(path, "a")
    steps = [("a", "b"), ("b", "a"), ("b", "c"), ("c", "b"), ("c",)]
    with Server(path, "127.0.0.1", keys=path("keys")) as one, Server(path, "127.0.0.2", one.port, path("keys")) as two:
        sessions = [path(f"s{i}.pem") for i in range(2)]
        s_client(path, one, "-sess_out", sessions[0])
        count = resumed = 0
        for step in [()] + steps:
            if step:
                put_keys(path, *step)
            end = time.monotonic() + 1.5
            while time.monotonic() < end:
                for server in (one, two, two):
                    was, _, answer = ask(path, server.address, server.port)
                    assert f"resumed={was} " in answer, answer
                    count, resumed = count + 1, resumed + was
            # OpenSSL takes its session from one to the other
            other = two if count % 2 else one
            report = s_client(path, other, "-sess_in", sessions[0], "-sess_out", sessions[1])
            assert "Reused, TLSv1.3" in report and "resumed=1 " in report, report
            sessions.reverse()
        assert resumed == count - 1, f"{resumed} of {count} were resumed"
        print(f"   {resumed} of {count} connections to two servers were resumed, {len(steps)} times with another key file")


def s_client(path, server, *more, say="GET / HTTP/1.0\r\n\r\n"):
    p = subprocess.run(["openssl", "s_client", "-connect", f"{server.address}:{server.port}", "-servername", "server.test",
                        "-CAfile", path("ca.crt"), "-ign_eof", *more], input=say, capture_output=True, text=True,
                       timeout=WAIT, check=False)
    return p.stdout + p.stderr


def openssl_resumes(path):
    for version in ("-tls1_2", "-tls1_3"):
        for ticket in ((), ("-no_ticket",)):
            with Server(path) as server:
                report = s_client(path, server, version, *ticket, "-sess_out", path("s.pem"))
                assert "resumed=0 early=0" in report, report
                report = s_client(path, server, version, *ticket, "-sess_in", path("s.pem"))
                # without tickets, TLS 1.3 of OpenSSL still takes ours
                assert "Reused" in report and "resumed=1 " in report, report


def openssl_sends_early(path):
    with open(path("early"), "wb") as f:
        f.write(b"GET / HTTP/1.0\r\n\r\n")
    with Server(path, early=1000) as server:
        s_client(path, server, "-sess_out", path("s.pem"))
        report = s_client(path, server, "-sess_in", path("s.pem"), "-early_data", path("early"), say="")
        assert "Early data was accepted" in report and f"resumed=1 early={ACCEPTED} bytes=18" in report, report
    with Server(path, port=server.port, early=1000) as server:  # another process, other keys
        report = s_client(path, server, "-sess_in", path("s.pem"), "-early_data", path("early"))
        assert "Early data was rejected" in report and f"resumed=0 early={REJECTED} bytes=0" in report, report


def ours_to_openssl(path):
    """s_server prints what comes early and answers what is typed."""
    def server(port, *more):
        p = subprocess.Popen(["openssl", "s_server", "-accept", f"127.0.0.1:{port}", "-cert", path("ec.crt"), "-key",
                              path("ec.key"), "-naccept", "3", *more], stdin=subprocess.PIPE,
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        line = p.stdout.readline()
        while b"ACCEPT" not in line:
            assert line, "no s_server"
            line = p.stdout.readline()
        return p, port or int(line.rsplit(b":", 1)[1])

    def talk(p, port, size):
        lib = Sleeve.lib
        fd = lib.ssl_socket(socket.AF_INET, socket.SOCK_STREAM, 0)
        setting(fd, "NAME", "server.test")
        setting(fd, "CA_FILE", path("ca.crt"))
        setting(fd, "EARLY_DATA", 16384)
        to = socket.AF_INET.to_bytes(2, "little") + port.to_bytes(2, "big") + socket.inet_aton("127.0.0.1") + bytes(8)
        assert lib.ssl_connect(fd, to, len(to)) == 0, lib.ssl_error(fd)
        say = b"x" * (size - 6) + b"-last\n"
        assert lib.ssl_send(fd, say, size, EARLY_FLAG) == size, lib.ssl_error(fd)
        room = ctypes.create_string_buffer(100)
        end = time.monotonic() + WAIT
        while lib.ssl_recv(fd, room, 100, socket.MSG_DONTWAIT) <= 0:
            assert time.monotonic() < end, lib.ssl_error(fd)
            p.stdin.write(b"answer\n")  # the connection before may have had it
            p.stdin.flush()
            time.sleep(0.1)
        now = facts(fd)
        lib.ssl_close(fd)
        return now

    for refuses in (False, True):
        p, port = server(0, "-early_data", "-max_early_data", "16384")
        try:
            now = talk(p, port, 100)
            assert (now.resumed, now.early) == (0, NONE)
            now = talk(p, port, 100)
            assert (now.resumed, now.early, now.early_bytes) == (1, ACCEPTED, 100), (now.resumed, now.early)
            if refuses:
                p.kill()
                p.communicate(timeout=WAIT)
                p, port = server(port, "-early_data")
                now = talk(p, port, 100)  # other keys
                assert (now.resumed, now.early, now.early_bytes, now.bytes_sent) == (0, REJECTED, 0, 100), now.early
            else:
                now = talk(p, port, 20000)
                assert (now.resumed, now.early, now.early_bytes) == (1, ACCEPTED, 16384), now.early_bytes
        finally:
            p.kill()
            out = p.communicate(timeout=WAIT)[0]
        # what it has printed of the last one when it is killed, is its own affair
        assert out.count(b"-last") >= (0 if refuses else 2), out


def gnutls_resumes(path):
    with Server(path) as server:
        p = subprocess.run(["gnutls-cli", "--x509cafile", path("ca.crt"), "--verify-hostname", "server.test",
                            "--sni-hostname", "server.test", "--resume", "--waitresumption", "-p", str(server.port),
                            server.address], input="GET / HTTP/1.0\r\n\r\n", capture_output=True, text=True,
                           timeout=WAIT, check=False)
        # its first connection says nothing, so the tickets come with the handshake
        assert "This is a resumed session" in p.stdout and "resumed=1 " in p.stdout, p.stdout + p.stderr


def curl_resumes(path):
    with Server(path) as server:
        url = f"https://server.test:{server.port}/"
        p = subprocess.run(["curl", "-sS", "--cacert", path("ca.crt"), "--resolve", f"server.test:{server.port}:127.0.0.1",
                            url, url, url], capture_output=True, text=True, timeout=WAIT, check=True)
        seen = re.findall(r"resumed=(\d)", p.stdout)
        assert seen == ["0", "1", "1"], p.stdout + p.stderr


def main():
    if not os.path.exists(os.path.join(BUILD, "libsleeve.so")):
        print(f"skip: no {BUILD}/libsleeve.so")
        return 77
    for tool in ("openssl", "gnutls-cli", "curl"):
        if not shutil.which(tool):
            print(f"skip: no {tool}")
            return 77
    load()
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        path = certificates(folder)
        for case in (fleet, openssl_resumes, openssl_sends_early, ours_to_openssl, gnutls_resumes, curl_resumes):
            try:
                case(path)
                print(f"ok {case.__name__}", flush=True)
            except BaseException:  # pylint: disable=broad-except
                failed += 1
                print(f"FAILED {case.__name__}\n{traceback.format_exc()}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve"]:
        serve(*sys.argv[2:])
    sys.exit(main())
