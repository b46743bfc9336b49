#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""node's net (libuv: epoll, writev, raw system calls, io_uring when it may): client and server, 1 GB, half-open."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from wrap import exchange, free_port, main, need, payload, skip_without, wait_port  # noqa: E402

skip_without("node")
SERVER = """
require('net').createServer({allowHalfOpen: true}, s => { s.on('error', () => {}); s.pipe(s); }).listen(+process.argv[1], '127.0.0.1');
"""
# Sends the size, ends its own side, and takes the sums of what went and came.
CLIENT = """
const net = require('net'), crypto = require('crypto');
const size = +process.argv[2], block = Buffer.alloc(65520, 'SLEEVE-KNOWN-PAYLOAD');
const sums = [crypto.createHash('sha256'), crypto.createHash('sha256')];
let sent = 0, back = 0;
const s = net.connect({port: +process.argv[1], host: 'localhost', allowHalfOpen: true});
function more() {
  while (sent < size) {
    const b = block.subarray(0, Math.min(block.length, size - sent));
    sent += b.length; sums[0].update(b);
    if (!s.write(b)) { s.once('drain', more); return; }
  }
  s.end();
}
s.on('connect', more);
s.on('data', d => { back += d.length; sums[1].update(d); });
s.on('end', () => console.log(back, sums[0].digest('hex') === sums[1].digest('hex')));
s.on('error', e => console.log(e.code));
"""


def stream(room, size, env):
    port = free_port()
    relay = room.relay(port)
    room.server_rule("node", port)
    room.client_rule("node", relay.port)
    p = room.start(room.wrapped("node", "-e", SERVER, str(port)), env=env)
    wait_port(port, p)
    out = room.run(room.wrapped("node", "-e", CLIENT, str(relay.port), str(size)), env=env, timeout=90)
    need(out == f"{size} true\n".encode(), f"{out!r}")
    with room.dial(relay.port) as s:
        need(exchange(s, payload(3 << 20)) == payload(3 << 20), "echo to an unwrapped peer")
        s.unwrap().close()
    relay.check(connections=2, least=2 * size)


def node_both(room):
    stream(room, 1 << 30, {})


def node_uring(room):
    stream(room, 20 << 20, {"UV_USE_IO_URING": "1"})


if __name__ == "__main__":
    sys.exit(main(node_both, node_uring))
