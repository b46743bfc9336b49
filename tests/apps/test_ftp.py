#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""FTP: tnftp and inetutils' ftp (stdio on the control connection, duplicated descriptors, longjmp out of signal
handlers), busybox ftpget, and vsftpd (a process for each connection, chroot, sendfile): the control connection and the
data port by a rule each."""
import ftplib
import io
import os
import socket
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from jobs import Job, busybox  # noqa: E402
from wrap import free_port, main, need, needs, payload, sha, skip_without  # noqa: E402

skip_without("vsftpd", "socat", "openssl")
BIG, UP = payload(16 << 20), payload(3 << 20, 2)
# Four bytes would be found in the ciphertext of one run in four.
CONTROL = (b"SLEEVE-KNOWN-PAYLOAD", b"USER anonymous", b"227 Entering", b"229 Entering", b" pub\r\n")


def serve(room, j, data):
    """The server says `data` for every transfer, and sees nobody's home directory."""
    os.makedirs(room.path("ftp/pub"), exist_ok=True)
    os.makedirs(room.path("ftp/up"), exist_ok=True)
    os.chmod(room.dir, 0o755)
    os.chmod(room.path("ftp/up"), 0o777)
    room.write("ftp/pub/big", BIG, 0o644)
    room.write("up", UP)
    conf = room.write("vsftpd.conf", f"""listen=YES
background=NO
listen_address=127.0.0.1
listen_port={j.listen}
anonymous_enable=YES
anon_root={room.path('ftp')}
no_anon_password=YES
write_enable=YES
anon_upload_enable=YES
anon_umask=022
seccomp_sandbox=NO
pasv_min_port={data}
pasv_max_port={data}
connect_from_port_20=NO
xferlog_enable=NO
""")
    return j.serve("vsftpd", conf)


# With both wrapped the client's connect() for the data must not wait for the handshake: the server accepts only when it
# has been told what to send. app-tls = bypass puts it off.
def ways(room, name, commands, ways=("plain", "client", "both")):
    """commands(j, dial) does it; what came, and what was sent, in each way."""
    first = None
    for way in ways:
        data = free_port()
        j = Job(room, way, client=name, server="vsftpd", needles=CONTROL)
        relay = None
        if way == "client":
            relay = room.relay(j.front(data), needles=CONTROL)
        elif way in ("server", "both"):
            relay = room.relay(data, needles=CONTROL)
            room.server_rule("vsftpd", data)
        if way in ("client", "both"):  # it is told `data`, and goes where the rule says
            room.client_rule(name, data, to_port=relay.port, app_tls="bypass" if way == "both" else "refuse")
        p = serve(room, j, data)
        seen = commands(j, relay and relay.port)
        if os.path.exists(room.path("ftp/up/there")):
            with open(room.path("ftp/up/there"), "rb") as f:
                seen.append(sha(f.read()))
            os.unlink(room.path("ftp/up/there"))
        if way != "plain":
            j.check()
            relay.check(least=len(BIG))
        p.terminate()
        p.wait(10)
        first = first or seen
        need(seen == first, f"{way}: {seen} instead of {first}")
    need(sha(BIG) in first, "another file came")
    return first


def got(room):
    with open(room.path("got"), "rb") as f:
        data = f.read()
    os.unlink(room.path("got"))
    return sha(data)


def script(room, program, *flags):
    def commands(j, _):
        lines = f"user anonymous a\nbinary\ncd pub\nget big {room.path('got')}\nls . {room.path('list')}\ncd ../up\nput {room.path('up')} there\nbye\n"
        room.run(j.client(program, *flags, "localhost", str(j.dial)), data=lines.encode())
        with open(room.path("list"), "rb") as f:
            need(b" big" in f.read(), "no list")
        return [got(room)]

    need(sha(UP) in ways(room, program, commands), "another file went")


def tnftp(room):
    needs("tnftp")
    script(room, "tnftp", "-n", "-p", "-i")


def inetutils(room):
    needs("inetutils-ftp")
    script(room, "inetutils-ftp", "-n", "-p", "-i")


def ftpget(room):
    program = busybox()

    def commands(j, _):
        room.run(j.client(program, "ftpget", "-u", "anonymous", "-p", "a", "-P", str(j.dial), "localhost", room.path("got"), "pub/big"))
        return [got(room)]

    ways(room, "busybox", commands)


class Ftp(ftplib.FTP):
    """Python's, with Python's TLS from the first byte on both connections; without a context, as it is."""
    context, data_port = None, None

    def wrap(self, raw):
        return self.context.wrap_socket(raw, server_hostname="localhost") if self.context else raw

    def connect(self, host="", port=0, timeout=-999, source_address=None):
        self.sock = self.wrap(socket.create_connection((host, port), 30))
        self.af = socket.AF_INET
        self.file = self.sock.makefile("r", encoding=self.encoding)
        self.welcome = self.getresp()
        return self.welcome

    def ntransfercmd(self, cmd, rest=None):
        _, port = self.makepasv()
        raw = socket.create_connection(("127.0.0.1", self.data_port or port), 30)
        if rest:
            self.sendcmd(f"REST {rest}")
        self.putcmd(cmd)
        conn = self.wrap(raw)
        need(self.getresp().startswith("1"), "no transfer")
        return conn, None


def vsftpd(room):
    """Alone: whole, from the middle, up, a list. A process with privileges accepts the data connections and passes them
    to one that has none and may open no descriptor."""
    def commands(j, data_port):
        f = Ftp()
        f.context, f.data_port = (room.client_context() if j.tls else None), data_port
        f.connect("127.0.0.1", j.relay.port)
        f.login()
        parts = [[], []]
        f.retrbinary("RETR pub/big", parts[0].append)
        f.retrbinary("RETR pub/big", parts[1].append, rest=len(BIG) - 1000)
        f.storbinary("STOR up/there", io.BytesIO(UP))
        names = []
        f.retrlines("NLST pub", names.append)
        f.quit()
        return [sha(b"".join(p)) for p in parts] + names

    need(sha(UP) in ways(room, None, commands, ways=("plain", "server")), "another file went")


if __name__ == "__main__":
    sys.exit(main(tnftp, inetutils, ftpget, vsftpd))
