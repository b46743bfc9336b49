#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""bash's /dev/tcp (stdio on the socket), perl (dup, select, stdio), Tcl (non-blocking): a line protocol each."""
import os
import shutil
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from wrap import MARK, free_port, main, need, skip_without, wait_port  # noqa: E402

skip_without("bash", "perl", "openssl")
WORD = MARK.decode()
BACK = WORD[::-1]


def mirror(room, app, **more):
    """A TLS server that turns lines round."""
    port = free_port()
    relay = room.relay(port, needles=(MARK, BACK.encode()))
    room.client_rule(app, relay.port, **more)
    p = room.start(["openssl", "s_server", "-quiet", "-rev", "-tls1_3", "-accept", f"127.0.0.1:{port}", "-cert",
                    room.path("server.pem"), "-key", room.path("server.key")])
    wait_port(port, p)
    return relay


def bash(room):
    relay = mirror(room, "bash")
    script = f"""exec 3<>/dev/tcp/localhost/{relay.port}
for i in 1 2 3; do echo "{WORD} $i" >&3; read -r line <&3; echo "$line"; done
printf '%s\\n' {WORD} >&3; read -r -u 3 line; echo "$line"; echo end"""
    out = room.run(room.wrapped("bash", "-c", script)).decode().split("\n")
    need(out == [f"1 {BACK}", f"2 {BACK}", f"3 {BACK}", BACK, "end", ""], f"{out}")
    relay.check(whole=False)


def bash_exec(room):
    """A program that bash starts on the connection: it has the end of a relay process."""
    relay = mirror(room, "bash")
    out = room.run(room.wrapped("bash", "-c", f"exec 3<>/dev/tcp/localhost/{relay.port}; /bin/echo {WORD} >&3; /usr/bin/head -n 1 <&3"))
    need(out == BACK.encode() + b"\n", f"{out!r}")
    relay.check(whole=False)


def bash_refused(room):
    """It would speak plaintext: with `handoff = none` it is not started."""
    relay = mirror(room, "bash", handoff="none")
    p = room.run(room.wrapped("bash", "-c", f"exec 3<>/dev/tcp/localhost/{relay.port}; /bin/echo {WORD} >&3; echo $?"), check=False)
    need(p.stdout == b"126\n", f"{p.stdout!r}")
    room.wait_log("result=refused")
    relay.check(whole=False)


def perl(room):
    relay = mirror(room, "perl")
    script = f"""use IO::Socket::INET; use IO::Select;
$s = IO::Socket::INET->new("localhost:{relay.port}") or die $!;
$sel = IO::Select->new($s); die if $sel->can_read(0.2);
print $s "{WORD}\\n"; $s->flush; die unless $sel->can_read(5); print scalar <$s>;
open(my $in, "<&", $s) or die; syswrite($s, "{WORD}\\n"); print scalar <$in>;"""
    out = room.run(room.wrapped("perl", "-e", script))
    need(out == f"{BACK}\n{BACK}\n".encode(), f"{out!r}")
    relay.check(whole=False)


def tcl(room):
    if not shutil.which("tclsh"):
        return "not installed: tclsh"
    relay = mirror(room, os.path.basename(os.path.realpath(shutil.which("tclsh"))))
    script = room.write("x.tcl", f"""set s [socket -async localhost {relay.port}]
fconfigure $s -buffering line -blocking 0
fileevent $s writable {{ fileevent $s writable {{}}; puts $s {WORD} }}
fileevent $s readable {{ if {{[gets $s line] >= 0}} {{ puts $line; set done 1 }} elseif {{[eof $s]}} {{ puts eof; set done 1 }} }}
after 8000 {{ puts late; set done 1 }}
vwait done
""")
    out = room.run(room.wrapped("tclsh", script))
    need(out == f"{BACK}\n".encode(), f"{out!r}")
    relay.check(whole=False)
    return ""


if __name__ == "__main__":
    sys.exit(main(bash, bash_exec, bash_refused, perl, tcl))
