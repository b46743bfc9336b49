#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""perl, PHP, ruby and Tcl as clients and servers: a line protocol and then 2 MB, each with the language's own buffers and
its own way to wait."""
import os
import shutil
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from jobs import each_way  # noqa: E402
from wrap import main, need, needs, payload, sha, skip_without  # noqa: E402

skip_without("socat", "openssl")
LINES = 200
BIG = 2 << 20

# Clients: 200 lines, one by one; then SIZE bytes, and what comes back, to standard output. Servers send back what they
# read and end when their first client has.
PERL_CLIENT = """use IO::Socket::INET; use IO::Select;
my ($port, $file) = @ARGV;
my $s = IO::Socket::INET->new("localhost:$port") or die "connect: $@"; $s->autoflush(1);
open(my $in, "<&", $s) or die;
for (1..200) { print $s "SLEEVE-KNOWN-PAYLOAD $_\\n"; print scalar <$in>; }
open(my $f, "<:raw", $file) or die; local $/; my $data = <$f>; my ($at, $back) = (0, "");
$s->blocking(0); binmode STDOUT;
while (length($back) < length($data)) {
  my ($r, $w) = IO::Select->select(IO::Select->new($s), $at < length($data) ? IO::Select->new($s) : undef, undef, 20) or die "late";
  if (@$r) { my $n = sysread($s, $back, 65536, length $back); die "end" if defined $n && !$n; }
  if (@$w) { my $n = syswrite($s, $data, 65536, $at); $at += $n if $n; }
}
print $back;"""
PERL_SERVER = """use IO::Socket::INET;
my $l = IO::Socket::INET->new(Listen => 5, LocalAddr => "127.0.0.1:$ARGV[0]", ReuseAddr => 1) or die "listen: $@";
my $s = $l->accept or die; $s->autoflush(1);
for (1..200) { my $line = <$s>; print $s $line; }
while (sysread($s, my $data, 5000)) { print $s $data; }"""
PHP_CLIENT = """$s = stream_socket_client("tcp://localhost:$argv[1]", $no, $text, 20) or die("connect: $text");
for ($i = 1; $i <= 200; $i++) { fwrite($s, "SLEEVE-KNOWN-PAYLOAD $i\\n"); echo fgets($s); }
$data = file_get_contents($argv[2]); $at = 0; $back = "";
stream_set_blocking($s, false);
while (strlen($back) < strlen($data)) {
  $r = [$s]; $w = $at < strlen($data) ? [$s] : []; $e = [];
  if (!stream_select($r, $w, $e, 20)) die("late");
  if ($r) { $part = fread($s, 65536); if ($part === "" && feof($s)) die("end"); $back .= $part; }
  if ($w) $at += fwrite($s, substr($data, $at, 65536));
}
echo $back;"""
PHP_SERVER = """$l = stream_socket_server("tcp://127.0.0.1:$argv[1]") or die("listen");
$s = stream_socket_accept($l, 60) or die("accept");
for ($i = 0; $i < 200; $i++) fwrite($s, fgets($s));
stream_copy_to_stream($s, $s);"""
RUBY_CLIENT = """require 'socket'
s = TCPSocket.new('localhost', ARGV[0])
200.times { |i| s.puts "SLEEVE-KNOWN-PAYLOAD #{i + 1}"; $stdout.write s.gets }
data = File.binread(ARGV[1]); back = ''.b; at = 0
while back.size < data.size
  r, w, = IO.select([s], at < data.size ? [s] : [], nil, 20) || abort('late')
  unless r.empty?
    part = s.read_nonblock(65536, exception: false)
    abort 'end' if part.nil?
    back << part unless part == :wait_readable
  end
  unless w.empty?
    n = s.write_nonblock(data.byteslice(at, 65536), exception: false)
    at += n unless n == :wait_writable
  end
end
$stdout.binmode.write back"""
RUBY_SERVER = """require 'socket'
l = TCPServer.new('127.0.0.1', ARGV[0].to_i)
s = l.accept
Thread.new { 200.times { s.write s.gets }; while (data = s.readpartial(5000) rescue nil) do s.write data end }.join"""
TCL_CLIENT = """set s [socket localhost [lindex $argv 0]]
fconfigure $s -buffering line
for {set i 1} {$i <= 200} {incr i} { puts $s "SLEEVE-KNOWN-PAYLOAD $i"; puts [gets $s] }
set f [open [lindex $argv 1] rb]; set data [read $f]; close $f
fconfigure $s -blocking 0 -translation binary -buffering full; fconfigure stdout -translation binary
set back ""
fileevent $s readable { append back [read $s]; if {[eof $s] || [string length $back] >= [string length $data]} { set done 1 } }
puts -nonewline $s $data; flush $s
after 20000 { set done late }
vwait done
puts -nonewline $back"""
TCL_SERVER = """proc take {s who port} { fconfigure $s -blocking 0 -translation binary; fileevent $s readable [list turn $s] }
proc turn {s} { puts -nonewline $s [read $s]; flush $s; if {[eof $s]} { close $s; set ::done 1 } }
socket -server take -myaddr 127.0.0.1 [lindex $argv 0]
vwait done"""


def both(room, program, client, server):
    """Client and server in the same language."""
    name = os.path.basename(os.path.realpath(shutil.which(program[0])))
    room.write("data", payload(BIG))
    if len(program) == 1:  # takes its script as a file
        client, server = [room.write("client", client)], [room.write("server", server)]
    else:
        client, server = [client], [server]
    if name.startswith("php"):
        client, server = client + ["--"], server + ["--"]

    def job(j):
        p = j.serve(*program, *server, str(j.listen))
        out = room.run(j.client(*program, *client, str(j.dial), room.path("data")))
        need(p.wait(30) == 0, f"the server: exit {p.returncode}")
        j.check(least=2 * BIG)
        need(len(out) > BIG, f"{out[-300:]!r}")
        return sha(out)

    each_way(room, job, client=name, server=name)


def perl(room):
    needs("perl")
    both(room, ["perl", "-e"], PERL_CLIENT, PERL_SERVER)


def php(room):
    needs("php")
    both(room, ["php", "-r"], PHP_CLIENT, PHP_SERVER)


def ruby(room):
    needs("ruby")
    both(room, ["ruby", "-e"], RUBY_CLIENT, RUBY_SERVER)


def tcl(room):
    needs("tclsh")
    both(room, ["tclsh"], TCL_CLIENT, TCL_SERVER)


if __name__ == "__main__":
    sys.exit(main(perl, php, ruby, tcl))
