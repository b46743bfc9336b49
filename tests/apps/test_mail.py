#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""s-nail (select, longjmp) and msmtp, told to use no TLS, with starttls = smtp: a mail to a server of python's TLS that
takes none before STARTTLS. The program finds a server as if there was no TLS; the mail arrives as in plaintext."""
import os
import socket
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from wrap import MARK, Relay, main, need, needs, payload, skip_without, wire_behind  # noqa: E402

skip_without("openssl")
BODY = b"".join(b".%d " % i + MARK + b"\n" for i in range(3000)) + payload(1000).hex().encode() + b"\n"
# What is in clear: the greeting, EHLO, STARTTLS and their answers.
CLIENT_WORDS = rb"EHLO [^\r\n]*\r\nSTARTTLS\r\n"
SERVER_WORDS = rb"220 [^\r\n]*\r\n(?:250[- ][^\r\n]*\r\n)+220 [^\r\n]*\r\n"


class Server(threading.Thread):
    """One connection: the commands, those in clear apart, and the mail."""

    def __init__(self, context):
        super().__init__(daemon=True)
        self.context = context
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.clear, self.commands, self.mail = [], [], b""
        self.start()

    def run(self):
        s = self.socket.accept()[0]
        s.settimeout(40)
        f = s.makefile("rwb")

        def say(line):
            f.write(line + b"\r\n")
            f.flush()

        say(b"220 mail.test ready")
        log = self.clear if self.context else self.commands
        while line := f.readline().strip():
            word = line.upper()
            log.append(word.split(b":")[0].split(b" ")[0])
            if word.startswith(b"EHLO"):
                say(b"250-mail.test\r\n250-8BITMIME\r\n250 STARTTLS" if log is self.clear else b"250-mail.test\r\n250 8BITMIME")
            elif word == b"STARTTLS" and log is self.clear:
                say(b"220 go ahead")
                s = self.context.wrap_socket(s, server_side=True)
                f = s.makefile("rwb")
                log = self.commands
            elif log is self.clear and self.context:
                say(b"530 Must issue a STARTTLS command first")
            elif word == b"DATA":
                say(b"354 go on")
                while (part := f.readline()) not in (b".\r\n", b""):
                    self.mail += part
                say(b"250 taken")
            elif word == b"QUIT":
                say(b"221 bye")
                break
            else:
                say(b"250 fine")
        s.close()


def body(mail):
    """Without the header, which has the date."""
    return mail.partition(b"\r\n\r\n")[2].rstrip()


def send(room, name, argv, head=b""):
    """In plaintext to a server that takes it; under Sleeve to one that does not."""
    seen = []
    for tls in (False, True):
        server = Server(room.server_context() if tls else None)
        relay = Relay(server.port, plain=not tls, kinds=(wire_behind(CLIENT_WORDS), wire_behind(SERVER_WORDS)))
        room.relays.append(relay)
        if tls:
            room.client_rule(name, relay.port, starttls="smtp")
        line = argv(relay.port)
        room.run(room.wrapped(*line) if tls else line, data=head + BODY, env={"HOME": room.dir, "MAILRC": "/dev/null"})
        server.join(30)
        need(body(server.mail).count(MARK) == 3000, f"{len(server.mail)} bytes of mail: {server.mail[:300]!r}")
        seen.append((server.commands, body(server.mail)))
        if tls:
            need(server.clear == [b"EHLO", b"STARTTLS"], f"in clear: {server.clear}")
            relay.check(least=len(BODY))
    need(seen[0][1] == seen[1][1], "another mail")
    need([c for c in seen[0][0] if c != b"EHLO"] == [c for c in seen[1][0] if c != b"EHLO"], f"{seen[0][0]} and {seen[1][0]}")


def s_nail(room):
    needs("s-nail")
    send(room, "s-nail", lambda port: ["s-nail", "-:/", "-S", "v15-compat", "-S", f"mta=smtp://localhost:{port}", "-S", "smtp-auth=none",
                                       "-S", "from=me@test", "-S", "nosave", "-S", "hostname=here.test", "-S", "sendwait", "-s", "subject", "you@test"])


def msmtp(room):
    needs("msmtp")
    send(room, "msmtp", lambda port: ["msmtp", "--file=/dev/null", "--host=localhost", f"--port={port}", "--tls=off", "--auth=off",
                                      "--from=me@test", "you@test"], b"Subject: subject\n\n")


if __name__ == "__main__":
    sys.exit(main(s_nail, msmtp))
