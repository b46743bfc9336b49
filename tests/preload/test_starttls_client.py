#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""STARTTLS by the library under a client: each protocol with a server that does all by the book, with servers that say
no, nonsense, too much, nothing, or put bytes in clear behind their yes; and with real clients and servers."""
import os
import re
import shutil
import socket
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from wrap import MARK, WAIT, main, need, read_all, skip_without, system_python, until  # noqa: E402

skip_without("/usr/bin/python3", "openssl")
APP = os.path.basename(os.path.realpath(system_python()))
# Connects (argv[2]: non-blocking, with poll), says the mark, prints all it reads or the error's name.
CLIENT = """
import errno, select, socket, sys
s = socket.socket()
try:
    if sys.argv[2] == 'wait':
        s.connect(('localhost', int(sys.argv[1])))
    else:
        s.setblocking(False)
        rc = s.connect_ex(('127.0.0.1', int(sys.argv[1])))
        assert rc == errno.EINPROGRESS, rc
        if sys.argv[2] == 'poll':
            p = select.poll()
            p.register(s, select.POLLOUT)
        else:
            p = select.epoll()
            p.register(s, select.EPOLLOUT | select.EPOLLIN | select.EPOLLET)
        p.poll()
        rc = s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if rc:
            raise OSError(rc, 'SO_ERROR')
        s.setblocking(True)
    s.sendall(b'SLEEVE-KNOWN-PAYLOAD\\n')
    s.shutdown(socket.SHUT_WR)
    while True:
        b = s.recv(1000)
        if not b:
            break
        sys.stdout.write(b.decode())
except OSError as e:
    print(errno.errorcode[e.errno])
"""
PG_SSL = bytes((0, 0, 0, 8, 4, 210, 22, 47))
LDAP = b"0\x1d\x02\x01\x01w\x18\x80\x161.3.6.1.4.1.1466.20037"
LDAP_YES = b"0\x0c\x02\x01\x01x\x07\n\x01\x00\x04\x00\x04\x00"
XMPP = (b"<?xml version='1.0'?><stream:stream xmlns='jabber:client' id='a>b' version='1.0' "
        b"xmlns:stream='http://etherx.jabber.org/streams'>")
OFFER = (b"<stream:features><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'><required/></starttls>"
         b"<mechanisms xmlns='x'><mechanism>PLAIN</mechanism></mechanisms></stream:features>")
STREAM = re.compile(rb"<\?xml version='1.0'\?><stream:stream to='(localhost|127.0.0.1)' [^>]*>")
# What the server says and what it wants to hear in turn; then TLS. And what the program reads first of all.
TALKS = {
    "smtp": ([b"220-one\r\n220 mail ESMTP\r\n", rb"EHLO \S+\r\n", b"250-mail\r\n250-SIZE 1\r\n250 StartTLS\r\n",
              rb"STARTTLS\r\n", b"220 go\r\n"], "220-one\r\n220 mail ESMTP\r\n"),
    "lmtp": ([b"220 mail LMTP\r\n", rb"LHLO \S+\r\n", b"250-mail\r\n250 STARTTLS\r\n", rb"STARTTLS\r\n", b"220 go\r\n"],
             "220 mail LMTP\r\n"),
    "imap": ([b"* OK [CAPABILITY IMAP4rev1 STARTTLS LOGINDISABLED] hi there\r\n", rb"S1 STARTTLS\r\n",
              b"* note\r\nS1 OK go\r\n"], "* OK hi there\r\n"),
    "pop3": ([b"+OK <1.2@host>\r\n", rb"STLS\r\n", b"+OK\r\n"], "+OK <1.2@host>\r\n"),
    "nntp": ([b"201 news\r\n", rb"STARTTLS\r\n", b"382 go\r\n"], "201 news\r\n"),
    "ftp-control": ([b"120 soon\r\n220-one\r\n 230 two\r\n220 three\r\n", rb"AUTH TLS\r\n", b"234 go\r\n"],
                    "220-one\r\n 230 two\r\n220 three\r\n"),
    "sieve": ([b'"IMPLEMENTATION" "x"\r\n"STARTTLS"\r\nOK "hi"\r\n', rb"STARTTLS\r\n", b"OK\r\n"], ""),
    "irc": ([b":irc NOTICE * :*** Looking up\r\n", rb"STARTTLS\r\n", b":irc 670 * :go\r\n"], ""),
    "xmpp": ([STREAM, XMPP + OFFER, rb"<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>",
              b"<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"], ""),
    "ldap": ([re.escape(LDAP), LDAP_YES], ""),
    "pgsql": ([re.escape(PG_SSL), b"S"], ""),
}


def says(i, part, talk):
    """Patterns and words take turns; who begins depends on the protocol."""
    first_is_pattern = talk in ("xmpp", "ldap", "pgsql")
    return (i % 2 == 0) != first_is_pattern


class Server:
    """One protocol; `at` bytes a piece. change: (index, other words) puts other words in one place; "stall" says nothing,
    "endless" much more than there is to say."""

    def __init__(self, room, talk, change=None, piece=None):
        self.room, self.talk, self.change, self.piece = room, talk, change, piece
        self.heard, self.tls, self.done = b"", False, threading.Event()
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def send(self, s, data):
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        step = self.piece or len(data) or 1
        for i in range(0, len(data), step):
            s.sendall(data[i:i + step])

    def hear(self, s, pattern):
        got = b""
        while not re.fullmatch(pattern, got):
            part = s.recv(1)
            if not part:
                return False
            got += part
            self.heard += part
        return True

    def endless(self, s, data):
        for _ in range(200000 // len(data)):
            s.sendall(data)

    def serve(self):
        s = self.socket.accept()[0]
        s.settimeout(WAIT)
        try:
            for i, part in enumerate(TALKS[self.talk][0]):
                if not says(i, part, self.talk):
                    if not self.hear(s, part):
                        return
                elif self.change and self.change[0] == i:
                    if self.change[1] == "stall":
                        self.heard += read_all(s)
                        return
                    if self.change[1] == "endless":
                        self.endless(s, self.change[2])
                    self.send(s, self.change[1])
                else:
                    self.send(s, part)
            with self.room.server_context().wrap_socket(s, server_side=True) as t:
                self.tls = t.version() is not None and read_all(t) == MARK + b"\n"
                t.sendall(b"answer\n")
                t.unwrap()
        except (OSError, ValueError):
            try:
                s.settimeout(2)
                self.heard += read_all(s)
            except OSError:
                pass
        finally:
            s.close()
            self.done.set()


def ask(room, server, how="wait", **more):
    if os.path.exists(room.conf):
        os.unlink(room.conf)
    room.client_rule(APP, server.port, **{"starttls": server.talk, **more})
    out = room.run(room.wrapped(system_python(), room.write("client.py", CLIENT), str(server.port), how)).decode()
    need(server.done.wait(WAIT), f"{server.talk}: the server does not end")
    need(MARK not in server.heard, f"{server.talk}: the payload in clear")
    return out


def by_the_book(room):
    for talk, (_, replay) in TALKS.items():
        want = replay.replace("\r\n", "\n") + "answer\n"
        for how in ("wait", "poll", "epoll"):
            for piece in (None, 1):
                out = ask(room, Server(room, talk, piece=piece), how)
                need(out.replace("\r\n", "\n") == want, f"{talk}, {how}: {out!r} instead of {want!r}")


def last(talk):
    return len(TALKS[talk][0]) - 1


def injected(room):
    """CVE-2011-0411 and CVE-2021-23222: what follows the yes in clear could be anybody's."""
    for talk, (parts, _) in TALKS.items():
        for behind in (b"250 injected\r\n", b"x"):
            s = Server(room, talk, (last(talk), parts[-1] + behind))
            out = ask(room, s)
            need(out == "ECONNABORTED\n" and not s.tls, f"{talk}: {out!r} after {behind!r}")
            need(b"\x16\x03" not in s.heard, f"{talk}: a ClientHello behind injected bytes")
    need(len(room.log_lines("behind the word that begins TLS")) == 2 * len(TALKS), "not in the log")


def refused(room):
    no = {"smtp": b"454 no\r\n", "lmtp": b"454 no\r\n", "imap": b"S1 NO no\r\n", "pop3": b"-ERR no\r\n", "nntp": b"580 no\r\n",
          "ftp-control": b"502 no\r\n", "sieve": b"NO\r\n", "irc": b":irc 421 * STARTTLS :no\r\n",
          "xmpp": b"<failure xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>",
          "ldap": b"0\x0c\x02\x01\x01x\x07\n\x01\x34\x04\x00\x04\x00", "pgsql": b"N"}
    for talk, word in no.items():
        s = Server(room, talk, (last(talk), word))
        need(ask(room, s) == "EACCES\n" and not s.tls, f"{talk}: no is no")
        need(b"\x16\x03" not in s.heard, f"{talk}: TLS after a no")
    need(len(room.log_lines("result=failed: the server does not begin TLS")) == len(no), "not in the log")
    strip = {"smtp": (2, b"250-mail\r\n250 XSTARTTLS\r\n"), "lmtp": (2, b"250 mail\r\n"), "imap": (0, b"* PREAUTH hi\r\n"),
             "sieve": (0, b'"SASL" ""\r\nOK\r\n'), "xmpp": (1, XMPP + b"<stream:features><a/></stream:features>")}
    for talk, change in strip.items():
        need(ask(room, Server(room, talk, change)) == "EACCES\n", f"{talk}: not offered")
    for talk, change in {"smtp": (0, b"554 go away\r\n"), "imap": (0, b"* BYE\r\n"), "pop3": (0, b"-ERR\r\n"),
                         "nntp": (0, b"400 full\r\n"), "ftp-control": (0, b"421 full\r\n"), "sieve": (0, b"BYE\r\n")}.items():
        need(ask(room, Server(room, talk, change)) == "EACCES\n", f"{talk}: turned away")


def garbage(room):
    for talk, (parts, _) in TALKS.items():
        for at in (i for i, part in enumerate(parts) if says(i, part, talk)):
            for words in (b"\x16\x03\x01\x00\x05hello\r\n", b"\0\0\r\n", b"220 a\n", b"HTTP/1.1 400 Bad\r\n\r\n", b"2000\r\n",
                          b"\x30\x84\xff\xff\xff\xff", b"<a><b>"):
                s = Server(room, talk, (at, words + b"\r\n" if talk != "pgsql" else words))
                out = ask(room, s, timeout="2")
                need(out in ("ECONNABORTED\n", "EACCES\n", "ETIMEDOUT\n", "ECONNRESET\n") and not s.tls,
                     f"{talk}: {out!r} after {words!r}")


def endless(room):
    for talk, line in {"smtp": b"220-" + b"x" * 500 + b"\r\n", "pop3": b"+" * 500, "sieve": b'"X" "y"\r\n',
                       "irc": b"NOTICE * :x\r\n", "ftp-control": b"220-x\r\n", "xmpp": b"<stream:features "}.items():
        at = next(i for i, part in enumerate(TALKS[talk][0]) if says(i, part, talk))
        out = ask(room, Server(room, talk, (at, "endless", line)))
        need(out == "ECONNABORTED\n", f"{talk}: {out!r}")


def stall(room):
    for talk in TALKS:
        at = next(i for i, part in enumerate(TALKS[talk][0]) if says(i, part, talk))
        for how in ("wait", "poll", "epoll"):
            out = ask(room, Server(room, talk, (at, "stall")), how, timeout="300ms")
            need(out == "ETIMEDOUT\n", f"{talk}, {how}: {out!r}")


def wrong_name(room):
    room.certificates("other.test")
    for talk in ("smtp", "pgsql"):
        need(ask(room, Server(room, talk)) == "EACCES\n", "a certificate for another name")


# ---- with other people's programs ----

MAIL = b"From: a@b.test\r\nTo: c@d.test\r\nSubject: x\r\n\r\n" + MARK + b"\r\n"


class MailServer:
    """Enough of SMTP for a mail, with STARTTLS and nothing before it."""

    def __init__(self, room):
        self.room, self.got, self.clear = room, b"", b""
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                self.mail(self.socket.accept()[0])
            except OSError:
                pass

    def mail(self, s):
        s.settimeout(WAIT)
        s.sendall(b"220 mail.test ESMTP\r\n")
        tls = data = False
        line = b""
        while True:
            b = s.recv(1)
            if not b:
                return
            self.clear += b if not tls else b""
            line += b
            if not line.endswith(b"\r\n"):
                continue
            word, line, full = line[:4].upper(), b"", line
            if data:
                self.got += full
                data = full != b".\r\n"
                s.sendall(b"" if data else b"250 taken\r\n")
            elif word == b"EHLO":
                s.sendall(b"250-mail.test\r\n250 STARTTLS\r\n" if not tls else b"250-mail.test\r\n250 8BITMIME\r\n")
            elif word == b"STAR":
                s.sendall(b"220 go\r\n")
                s = self.room.server_context().wrap_socket(s, server_side=True)
                tls = True
            elif not tls:
                s.sendall(b"530 Must issue a STARTTLS command first\r\n")
            elif word == b"DATA":
                data = True
                s.sendall(b"354 go\r\n")
            else:
                s.sendall(b"221 bye\r\n" if word == b"QUIT" else b"250 ok\r\n")


def mailers(room):
    done = []
    room.write("mail", MAIL)
    script = ("import smtplib,sys\ns = smtplib.SMTP('localhost', int(sys.argv[1]))\n"
              "s.sendmail('a@b.test', ['c@d.test'], open('mail', 'rb').read())\ns.quit()\n")
    for name, argv in (
            ("python3", lambda p: [system_python(), "-c", script, str(p)]),
            ("curl", lambda p: ["curl", "-sS", f"smtp://localhost:{p}", "--mail-from", "a@b.test", "--mail-rcpt", "c@d.test",
                                "-T", "mail"]),
            ("msmtp", lambda p: ["msmtp", "-C", "/dev/null", "--host=localhost", f"--port={p}", "--tls=off", "--from=a@b.test",
                                 "--auth=off", "c@d.test"]),
            ("s-nail", lambda p: ["s-nail", "-:/", "-Sv15-compat", f"-Smta=smtp://localhost:{p}", "-Ssmtp-auth=none",
                                  "-Shostname=b.test", "-r", "a@b.test", "-s", "x", "c@d.test"])):
        if not shutil.which(name):
            continue
        server = MailServer(room)
        if os.path.exists(room.conf):
            os.unlink(room.conf)
        room.client_rule(APP if name == "python3" else name, server.port, starttls="smtp")
        room.run(room.wrapped(*argv(server.port)), data=MAIL)
        until(lambda got=server: MARK in got.got, f"{name}: no mail")
        need(MARK not in server.clear and b"MAIL" not in server.clear.upper(), f"{name}: in clear: {server.clear!r}")
        done.append(name)
    return " ".join(done)


if __name__ == "__main__":
    sys.exit(main(by_the_book, injected, refused, garbage, endless, stall, wrong_name, mailers))
