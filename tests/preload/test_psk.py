#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""Wrapped programs that are known by keys in a file (`psk-file`), both versions, client and server, with a real peer; without
a certificate anywhere."""
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from wrap import MARK, WAIT, free_port, main, need, skip_without, stop, system_python, wait_port  # noqa: E402

skip_without("/usr/bin/python3", "openssl")
APP = os.path.basename(os.path.realpath(system_python()))
NAME, KEY, OTHER = "device-7", "0123456789abcdef0123456789abcdef", "0123456789abcdef0123456789abcdee"
SUITES = {"tls1_2": "TLS_ECDHE_PSK_WITH_AES_128_CBC_SHA256", "tls1_3": "TLS_AES_128_GCM_SHA256"}
KINDS = {"tls1_2": ":tls1.2", "tls1_3": ""}
CLIENT = """
import errno, socket, sys
s = socket.socket()
try:
    s.connect(('127.0.0.1', int(sys.argv[1])))
    s.sendall(b'SLEEVE-KNOWN-PAYLOAD\\n')
    print(s.recv(100).decode().strip())
except OSError as e:
    print(errno.errorcode[e.errno])
"""
SERVER = """
import errno, socket, sys
s = socket.create_server(('127.0.0.1', int(sys.argv[1])))
print('listens', flush=True)
try:
    c = s.accept()[0]
    print(c.recv(100).decode().strip())
    c.sendall(b'heard\\n')
    c.close()
except OSError as e:
    print(errno.errorcode[e.errno])
"""


def rule(room, role, port, version, key):
    """The only one. In TLS 1.2 the server's hint chooses between two keys."""
    if os.path.exists(room.conf):
        os.unlink(room.conf)
    first = f"first:{OTHER}:tls1.2\n" if version == "tls1_2" else ""
    path = room.write("keys.psk", f"# identity:key\n{first}{NAME}:{key}{KINDS[version]}\n")
    room.rule(APP, {"role": role, "match": f"{'local ' if role == 'server' else ''}*:{port}", "psk-file": path,
                    "suites": SUITES[version], **({"psk-hint": NAME} if role == "server" else {})})


def as_client(room):
    for version in SUITES:
        for key, want in ((KEY, MARK.decode()[::-1]), (OTHER, "E")):
            port = free_port()
            p = subprocess.Popen(["openssl", "s_server", "-accept", f"127.0.0.1:{port}", f"-{version}", "-rev", "-nocert",
                                  "-cipher", "PSK:@SECLEVEL=0", "-psk_identity", NAME, "-psk", KEY, "-psk_hint", NAME],
                                 stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            wait_port(port, p)
            rule(room, "client", port, version, key)
            out = room.run(room.wrapped(system_python(), room.write("client.py", CLIENT), str(port))).decode().strip()
            need(out.startswith(want), f"{version}, {'the' if key == KEY else 'another'} key: {out!r}")
            stop(p)


def as_server(room):
    for version in SUITES:
        for key in (KEY, OTHER):
            port = free_port()
            rule(room, "server", port, version, KEY)
            p = room.start(room.wrapped(system_python(), room.write("server.py", SERVER), str(port)), stdout=subprocess.PIPE)
            need(p.stdout.readline().strip() == b"listens", "it does not listen")
            q = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{port}", f"-{version}", "-cipher",
                                "PSK:@SECLEVEL=0", "-psk_identity", NAME, "-psk", key, "-ign_eof"], input=MARK + b"\n",
                               capture_output=True, timeout=WAIT, check=False)
            got = p.communicate(timeout=WAIT)[0].decode().strip()
            if key == KEY:
                need(got == MARK.decode() and b"heard" in q.stdout, f"{version}: {got!r}, {q.stdout[-300:]!r}")
            else:
                need(got.startswith("E") and b"decrypt error" in q.stderr, f"{version}: {got!r}, {q.stderr[-300:]!r}")


if __name__ == "__main__":
    sys.exit(main(as_client, as_server))
