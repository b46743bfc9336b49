#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""GnuTLS (gnutls-cli, gnutls-serv), both roles: suites, groups, refusals, data both ways."""
import sys

from peers import client, feed, finish, free_port, good, has, need, of, piped, read, said, server, talk, text, wait_port
from wrap import main, skip_without

skip_without("gnutls-cli", "gnutls-serv", "nc.openbsd")
BASE = "NORMAL:-VERS-ALL:+VERS-TLS1.3"
SUITES = {"TLS_AES_128_GCM_SHA256": "AES-128-GCM", "TLS_AES_256_GCM_SHA384": "AES-256-GCM",
          "TLS_CHACHA20_POLY1305_SHA256": "CHACHA20-POLY1305"}
GROUPS = {"x25519": "X25519", "secp256r1": "SECP256R1", "secp384r1": "SECP384R1"}


def gnutls_cli(room, port, priority=BASE, ca="ca", host="localhost"):
    return piped(room, ["gnutls-cli", "--logfile=" + room.path("cli.log"), "--priority", priority, "--x509cafile",
                        room.path(ca + ".pem"), "--verify-hostname", host, "-p", str(port), "127.0.0.1"])


def gnutls_serv(room, priority=BASE, name="server"):
    port, keys = free_port(), of(room, name)
    p = piped(room, ["gnutls-serv", "-q", "--echo", "--priority", priority, "--x509certfile", keys["cert"],
                     "--x509keyfile", keys["key"], "-p", str(port)])
    wait_port(port, p)
    return port, p


def to_us(room):
    port = server(room, {})[0]
    for suite, cipher in SUITES.items():
        for group, curve in GROUPS.items():
            p = gnutls_cli(room, port, f"{BASE}:-CIPHER-ALL:+{cipher}:-GROUP-ALL:+GROUP-{curve}")
            talk(p, p, text(40000))
            finish(p)
            good(room, suite=suite, group=group)


def to_peer(room):
    for suite, cipher in SUITES.items():
        for group, curve in GROUPS.items():
            port, p = gnutls_serv(room, f"{BASE}:-CIPHER-ALL:+{cipher}:-GROUP-ALL:+GROUP-{curve}")
            q = client(room, port)
            line = b"hello from this side\n"
            feed(q, line)
            need(read(q, len(line)) == line, "gnutls-serv echoes another line")
            q.stdin.close()
            good(room, suite=suite, group=group)
            p.terminate()


def refusals(room):
    port = server(room, {"min-version": "1.3"})[0]
    for more, word in (({"ca": "other"}, "bad_certificate"), ({"host": "wrong.test"}, "result="),
                       ({"priority": "NORMAL:-VERS-ALL:+VERS-TLS1.2"}, "does not speak TLSv1.3")):
        p = gnutls_cli(room, port, **more)
        finish(p, "bad")
        if word != "result=":  # gnutls-cli looks at the name when the handshake is over
            said(room, "failed")
            room.wait_log("result=failed", word)
        else:
            room.at = len(room.log_lines("result="))
    port, p = gnutls_serv(room, "NORMAL:-VERS-ALL:+VERS-TLS1.2")
    q = client(room, port, **{"min-version": "1.3"})
    finish(q, "bad")
    room.wait_log("role=client", "the peer sent the alert")
    p.terminate()


if __name__ == "__main__":
    sys.exit(main(to_us, to_peer, refusals))
