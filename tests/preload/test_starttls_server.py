#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""STARTTLS by the library under a server: the clients are other people's (openssl, Python's, psql), and such as want no
TLS, say nonsense or say too much."""
import imaplib
import os
import poplib
import shutil
import smtplib
import socket
import subprocess
import sys
import warnings

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from wrap import MARK, WAIT, free_port, main, need, read_all, skip_without, system_python, wait_port  # noqa: E402

warnings.simplefilter("ignore", DeprecationWarning)
skip_without("/usr/bin/python3", "openssl")
APP = os.path.basename(os.path.realpath(system_python()))
# A server without TLS that says its greeting (argv[3], argv[2] pieces apart), then answers each line; "block" or "poll":
# how it does it. What it hears is in its standard output.
SERVER = r"""
import select, socket, sys
port, how, talk, greeting = int(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4].encode().decode('unicode_escape').encode()
MARK = b'SLEEVE-KNOWN-PAYLOAD'
def answer(line):
    w = line.split()
    c = w[0].upper() if w else b''
    if talk == 'smtp':
        return {b'EHLO': b'250-mail\r\n250 HELP ' + MARK + b'\r\n', b'QUIT': b'221 bye\r\n'}.get(c, b'250 ' + MARK + b'\r\n')
    if talk == 'pop3':
        return b'+OK ' + MARK + b'\r\n'
    if talk == 'nntp':
        if c == b'CAPABILITIES':
            return b'101 list\r\nVERSION 2\r\nREADER\r\n.\r\n'
        return b'205 bye\r\n' if c == b'QUIT' else b'111 20260101000000\r\n'
    if len(w) > 1 and w[1].upper() == b'CAPABILITY':
        return b'* CAPABILITY IMAP4rev1 X-' + MARK + b'\r\n' + w[0] + b' OK done\r\n'
    return b'* X ' + MARK + b'\r\n' + w[0] + b' OK done\r\n'
def pgsql(c):
    n = int.from_bytes(c.recv(4, socket.MSG_WAITALL), 'big')
    body = c.recv(n - 4, socket.MSG_WAITALL)
    print('startup', body[:4].hex(), flush=True)
    text = b'SFATAL\0C28000\0M' + MARK + b'\0\0'
    c.sendall(b'E' + (len(text) + 4).to_bytes(4, 'big') + text)
s = socket.create_server(('127.0.0.1', port))
while True:
    c = s.accept()[0]
    try:
        if talk == 'pgsql':
            pgsql(c)
            c.close()
            continue
        if how == 'poll':
            c.setblocking(False)
            p = select.poll()
            p.register(c, select.POLLIN)
        if how == 'pieces':
            for i in range(len(greeting)):
                c.send(greeting[i:i + 1])
        else:
            c.send(greeting)
        buf = b''
        while True:
            if how == 'poll':
                p.poll()
            b = c.recv(1000)
            if not b:
                break
            buf += b
            while b'\r\n' in buf:
                line, buf = buf.split(b'\r\n', 1)
                print('heard', line, flush=True)
                c.send(answer(line))
    except OSError as e:
        print('error', e.errno, flush=True)
    c.close()
"""
GREETING = {"smtp": "220-one\\r\\n220 PROGRAM\\r\\n", "imap": "* OK PROGRAM\\r\\n", "pop3": "+OK PROGRAM\\r\\n",
            "nntp": "201 PROGRAM\\r\\n", "pgsql": ""}


def serve(room, talk, how="block", greeting=None, **more):
    if os.path.exists(room.conf):
        os.unlink(room.conf)
    port = free_port()
    room.server_rule(APP, port, starttls=talk, **more)
    out = open(room.path("out"), "wb")
    p = room.start(room.wrapped(system_python(), room.write("server.py", SERVER), str(port), how, talk,
                                GREETING[talk] if greeting is None else greeting), stdout=out)
    out.close()
    wait_port(port, p)
    return port


def heard(room):
    with open(room.path("out"), encoding="utf-8") as f:
        return f.read()


def smtp(room, port):
    with smtplib.SMTP("localhost", port, timeout=WAIT) as s:
        code, text = s.ehlo()
        need(code == 250 and s.has_extn("starttls"), f"EHLO: {text}")
        need(s.docmd("MAIL FROM:<a@b.test>")[0] == 530, "a command before STARTTLS")
        need(s.starttls(context=room.client_context())[0] == 220, "STARTTLS")
        code, text = s.ehlo()
        need(MARK in text, f"EHLO inside: {text}")


def imap(room, port):
    s = imaplib.IMAP4("localhost", port, timeout=WAIT)
    try:
        s.login("a", "b")
        need(False, "a login before STARTTLS")
    except imaplib.IMAP4.error:
        pass
    s.starttls(ssl_context=room.client_context())
    need(s.noop()[0] == "OK", "NOOP inside")
    s.logout()


def pop3(room, port):
    s = poplib.POP3("localhost", port, timeout=WAIT)
    need("STLS" in s.capa(), "CAPA")
    try:
        s.user("a")
        need(False, "a command before STLS")
    except poplib.error_proto:
        pass
    s.stls(context=room.client_context())
    need(MARK in s.noop(), "NOOP inside")
    s.quit()


def nntp(room, port):
    script = ("import nntplib, ssl, sys\nc = ssl.create_default_context(cafile='ca.pem')\n"
              "s = nntplib.NNTP('localhost', int(sys.argv[1]))\ns.starttls(context=c)\nprint(s.date()[0])\ns.quit()\n")
    out = room.run([system_python(), "-W", "ignore", "-c", script, str(port)])
    need(out.startswith(b"111"), f"DATE inside: {out}")


TALKS = {"smtp": smtp, "imap": imap, "pop3": pop3, "nntp": nntp}


def python_clients(room):
    for talk, ask in TALKS.items():
        for how in ("block", "poll", "pieces"):
            port = serve(room, talk, how)
            ask(room, port)
            ask(room, port)
            need("PROGRAM" not in heard(room), "it heard its own greeting")


def s_client(room):
    """The client sees one greeting and answers in step."""
    for talk in (*TALKS, "pgsql"):
        port = serve(room, talk)
        word = {"smtp": b"NOOP", "imap": b"x NOOP", "pop3": b"NOOP", "nntp": b"DATE", "pgsql": b""}[talk]
        p = subprocess.Popen(["openssl", "s_client", "-connect", f"localhost:{port}", "-CAfile", room.path("ca.pem"),
                              "-verify_return_error", "-quiet", "-starttls", "postgres" if talk == "pgsql" else talk],
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        room.started.append(p)
        p.stdin.write(bytes((0, 0, 0, 8, 0, 3, 0, 0)) if talk == "pgsql" else word + b"\r\n")
        p.stdin.flush()
        got = b""
        while (MARK if talk != "nntp" else b"111 ") not in got:
            part = os.read(p.stdout.fileno(), 1000)
            need(part, f"{talk}: the end after {got}")
            got += part
        need(b"PROGRAM" not in got, f"{talk}: a second greeting: {got}")
        p.stdin.close()
        p.kill()
        p.wait()


def psql(room):
    if not shutil.which("psql"):
        return "psql is not installed"
    port = serve(room, "pgsql")
    for mode, want in (("require", MARK), ("verify-full", MARK), ("disable", b"without TLS are refused")):
        p = room.run(["psql", f"host=localhost port={port} user=a dbname=b sslmode={mode} sslrootcert={room.path('ca.pem')} "
                      "gssencmode=disable"], check=False)
        need(want in p.stderr, f"{mode}: {p.stderr}")
    need(heard(room).count("startup") == 2, "a start in clear reached the program")
    with socket.create_connection(("127.0.0.1", port), WAIT) as s: # GSSAPI first, as libpq may
        s.sendall(bytes((0, 0, 0, 8, 4, 210, 22, 48)))
        need(s.recv(10) == b"N", "GSSENCRequest")
        s.sendall(bytes((0, 0, 0, 8, 4, 210, 22, 47)))
        need(s.recv(10) == b"S", "SSLRequest")
        with room.client_context().wrap_socket(s, server_hostname="localhost") as t:
            t.sendall(bytes((0, 0, 0, 8, 0, 3, 0, 0)))
            need(MARK in t.recv(100), "the answer")


def dial(port):
    s = socket.create_connection(("127.0.0.1", port), WAIT)
    s.settimeout(WAIT)
    return s


def lines(s, n):
    got = b""
    while got.count(b"\r\n") < n:
        part = s.recv(1)
        need(part, f"the end after {got!r}")
        got += part
    return got


ASK = {"smtp": b"STARTTLS\r\n", "imap": b"a STARTTLS\r\n", "pop3": b"STLS\r\n", "nntp": b"STARTTLS\r\n",
       "pgsql": bytes((0, 0, 0, 8, 4, 210, 22, 47))}


def rest(s):
    try:
        return read_all(s)
    except OSError:
        return b""


def injected(room):
    """CVE-2011-0411, CVE-2021-23214: what comes in clear behind STARTTLS is not done inside TLS."""
    count = 0
    for talk, ask in ASK.items():
        port = serve(room, talk)
        for behind in (b"RSET\r\n", b"\x16"):
            with dial(port) as s:
                if talk != "pgsql":
                    lines(s, 1)
                s.sendall(ask + behind)
                rest(s)
        count += 2
        room.wait_log("result=failed: bytes in clear came behind", count=count)
        need("RSET" not in heard(room) and "heard" not in heard(room), f"{talk}: the program heard {heard(room)}")


def without_tls(room):
    """Who does not begin TLS gets nothing of the program's, and the program nothing of his."""
    quits = {"smtp": b"QUIT\r\n", "imap": b"a LOGOUT\r\n", "pop3": b"QUIT\r\n", "nntp": b"QUIT\r\n"}
    for talk, word in quits.items():
        port = serve(room, talk)
        for say, want in ((word, 1), (b"HELLO\r\n" * 30, 17), (b"x" * 5000, 1), (b"a\nb\n", 1), (b"\0\r\n", 1),
                          (b"\x16\x03\x01\x00\x05\x01\r\n", 1), (b"GET / HTTP/1.0\r\n\r\n" * 20, 1)):
            with dial(port) as s:
                s.sendall(say)
                got = rest(s)
                need(MARK not in got and b"PROGRAM" not in got, f"{talk}: {got!r} after {say[:20]!r}")
        need("heard" not in heard(room), f"{talk}: the program heard {heard(room)}")
        TALKS[talk](room, port)
        port = serve(room, talk, timeout="300ms")
        with dial(port) as s: # says nothing
            got = rest(s)
            need(b"PROGRAM" not in got and got.count(b"\r\n") == 1, f"{talk}: {got!r}")
        room.wait_log("took too long")


def turned_away(room):
    """The program's greeting is a refusal: the client must see it."""
    for talk, words in (("smtp", "421 too busy\\r\\n"), ("pop3", "-ERR too busy\\r\\n"), ("nntp", "400 too busy\\r\\n")):
        port = serve(room, talk, greeting=words)
        with dial(port) as s:
            lines(s, 1)
            s.sendall(ASK[talk])
            lines(s, 1)
            with room.client_context().wrap_socket(s, server_hostname="localhost") as t:
                need(b"too busy" in t.recv(100), f"{talk}: the refusal is lost")


def rules(room):
    """What a server cannot do is said when the rule is read."""
    for more, words in (({"starttls": "ldap"}, "for servers it is one of"), ({"starttls": "smtpx"}, "it is one of"),
                        ({"starttls": "smtp", "plaintext": "allow"}, "it does not go with 'plaintext'")):
        if os.path.exists(room.conf):
            os.unlink(room.conf)
        room.server_rule(APP, 1, **more)
        p = room.run(room.wrapped(system_python(), "-c", ""), check=False)
        need(p.returncode != 0 and words in p.stderr.decode(), f"{more}: {p.stderr}")


if __name__ == "__main__":
    sys.exit(main(python_clients, s_client, psql, injected, without_tls, turned_away, rules))
