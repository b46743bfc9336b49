#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""Key material exported by us and by OpenSSL (its tools, and node for contexts) and GnuTLS is the same, in both roles and
versions; so are the channel bindings. Our side is peer_engine: the native engine over TCP."""
import hashlib
import re
import ssl
import sys

import engine
from engine import hears, theirs
from peers import certificate, feed, finish, has, of, piped
from wrap import main, need, skip_without

skip_without("openssl", "gnutls-cli", "node")
LABEL = "EXPERIMENTAL sleeve"
LINE = b"a line of text\n"
VERSIONS = ("1.2", "1.3")
SUITES = {"1.2": (("ECDHE-ECDSA-AES128-GCM-SHA256", "c02b"), ("ECDHE-ECDSA-AES256-GCM-SHA384", "c02c"),
                  ("ECDHE-ECDSA-AES256-SHA384", "c024"), ("ECDHE-ECDSA-AES128-SHA", "c009")),
          "1.3": (("TLS_AES_128_GCM_SHA256", "1301"), ("TLS_AES_256_GCM_SHA384", "1302"))}


def ours(room, *options, cert="server", count=1):
    return engine.ours(room, "--export", LABEL, *options, keys=of(room, cert), count=count)


def our_client(room, port, *options):
    return engine.our_client(room, port, "--export", LABEL, *options)


def exports(report):
    """Of peer_engine: "export", "tls-exporter", "tls-server-end-point"."""
    found = dict(re.findall(r"^(export|tls-[a-z-]+) (.+)$", report, re.M))
    need(len(found) == 3, report)
    return found


def of_openssl(report, label=LABEL):
    has(report, f"Label: '{label}'")
    return re.search(r"Keying material: ([0-9A-F]+)", report).group(1).lower()


def end_point(path, hash_name="sha256"):
    with open(path) as f:
        pem = f.read()
    return hashlib.new(hash_name, ssl.PEM_cert_to_DER_cert(pem[pem.index("-----BEGIN"):])).hexdigest()


def openssl_flags(version, suite):
    how = "-ciphersuites" if version == "1.3" else "-cipher"
    return ("-tls" + version.replace(".", "_"), how, suite, "-keymatexport", LABEL, "-keymatexportlen", "40")


def openssl_client(room):
    for version in VERSIONS:
        for suite, number in SUITES[version]:
            port, p = ours(room, "--suites", number)
            q = piped(room, ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", *openssl_flags(version, suite)])
            report = finish(q)
            got = exports(finish(p))
            need(got["export"] == of_openssl(report), f"{version} {suite}: {got} {report}")
            need(got["tls-server-end-point"] == end_point(room.path("server.pem")), got)


def openssl_server(room):
    for version in VERSIONS:
        for suite, number in SUITES[version]:
            port, p = theirs(room, "openssl", "s_server", "-accept", "127.0.0.1:PORT", "-cert", room.path("server.pem"),
                             "-key", room.path("server.key"), "-naccept", "1", *openssl_flags(version, suite))
            q = our_client(room, port, "--suites", number)
            feed(q, LINE)
            report = hears(p, LINE)
            got = exports(finish(q))
            finish(p, None)
            need(got["export"] == of_openssl(report), f"{version} {suite}: {got} {report}")
            need(got["tls-server-end-point"] == end_point(room.path("server.pem")), got)


NODE_CLIENT = """
const tls = require('tls'), [port, version, label, context] = process.argv.slice(2);
const s = tls.connect({host: '127.0.0.1', port: +port, rejectUnauthorized: false, minVersion: version, maxVersion: version}, () => {
  const material = context === undefined ? s.exportKeyingMaterial(40, label)
                                         : s.exportKeyingMaterial(40, label, Buffer.from(context));
  const binding = s.exportKeyingMaterial(32, 'EXPORTER-Channel-Binding', Buffer.alloc(0));
  console.log(material.toString('hex'), binding.toString('hex'));
  s.end();
});
"""
NODE_SERVER = """
const tls = require('tls'), fs = require('fs'), [port, version, cert, key, label, context] = process.argv.slice(2);
const l = tls.createServer({cert: fs.readFileSync(cert), key: fs.readFileSync(key), minVersion: version, maxVersion: version}, s => {
  const material = context === undefined ? s.exportKeyingMaterial(40, label)
                                         : s.exportKeyingMaterial(40, label, Buffer.from(context));
  const binding = s.exportKeyingMaterial(32, 'EXPORTER-Channel-Binding', Buffer.alloc(0));
  console.log(material.toString('hex'), binding.toString('hex'));
  s.on('data', () => {}).on('end', () => { s.end(); l.close(); });
}).listen(+port, '127.0.0.1');
"""


def node(room, *args):
    return piped(room, ["node", room.write("client.js", NODE_CLIENT), *args])


def contexts():
    return ((), ("",), ("context",), ("x" * 900,))


def node_both_roles(room):
    """With contexts, of which TLS 1.2 tells an empty one from none, and tls-exporter."""
    for version in VERSIONS:
        seen = set()
        for context in contexts():
            options = ("--context", *context) if context else ()
            port, p = ours(room, *options)
            q = node(room, str(port), "TLSv" + version, LABEL, *context)
            of_node = finish(q).split()
            got = exports(finish(p))
            need([got["export"], got["tls-exporter"]] == of_node, f"{version} {context}: {got} {of_node}")
            port, p = theirs(room, "node", room.write("server.js", NODE_SERVER), "PORT", "TLSv" + version,
                             room.path("server.pem"), room.path("server.key"), LABEL, *context)
            q = our_client(room, port, *options)
            got = exports(finish(q))
            of_node = finish(p).split()
            need([got["export"], got["tls-exporter"]] == of_node, f"{version} {context}: {got} {of_node}")
            seen.update(of_node)
        need(len(seen) == 2 * len(contexts()), "two connections exported the same")


def gnutls_client(room):
    for version in VERSIONS:
        port, p = ours(room)
        q = piped(room, ["gnutls-cli", "--priority", f"NORMAL:-VERS-ALL:+VERS-TLS{version}", "--insecure", "--keymatexport",
                         LABEL, "--keymatexportsize", "40", "-p", str(port), "127.0.0.1"])
        report = finish(q)
        got = exports(finish(p))
        need(got["export"] in report.lower().replace(" ", ""), f"{version}: {got} {report}")


def resumed(room):
    """The session goes on, its exports do not."""
    for version in VERSIONS:
        port, p = ours(room, count=2)
        flags = openssl_flags(version, SUITES[version][0][0])
        found = []
        for more in ("-sess_out", "-sess_in"):
            q = piped(room, ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", *flags, more, room.path("s.pem")])
            feed(q, LINE)
            found.append(of_openssl(hears(q, LINE) + finish(q)))  # behind the tickets
        said = finish(p)
        has(said, "resumed=0", "resumed=1")
        got = re.findall(r"^export (\S+)$", said, re.M)
        need(got == found and len(set(got)) == 2, f"{got} {found}")
        points = re.findall(r"^tls-server-end-point (\S+)$", said, re.M)
        need(points == 2 * [end_point(room.path("server.pem"))], points)


def end_point_hashes(room):
    """Of our own certificate, whatever signed it; MD5 and SHA-1 count as SHA-256, EdDSA has none. (TLS 1.3 shows no
    certificate with SHA-1 to who does not ask for it: RFC 8446 section 4.4.2.2.)"""
    want = {"sha1": "sha256", "sha256": "sha256", "sha384": "sha384", "sha512": "sha512"}
    certificate(room, "leaf", "rsa")
    for name, hash_name in want.items():
        room.openssl("x509", "-req", "-in", room.path("leaf.csr"), "-CA", room.path("ca.pem"), "-CAkey", room.path("ca.key"),
                     "-set_serial", "77", "-days", "2", "-" + name, "-extfile", room.path("ext"), "-out", room.path("leaf.pem"))
        port, p = ours(room, cert="leaf")
        q = node(room, str(port), "TLSv1.2" if name == "sha1" else "TLSv1.3", LABEL)
        finish(q)
        got = exports(finish(p))
        need(got["tls-server-end-point"] == end_point(room.path("leaf.pem"), hash_name), f"{name}: {got}")
    certificate(room, "edca", "ed25519")
    room.openssl("x509", "-req", "-in", room.path("leaf.csr"), "-CA", room.path("edca.pem"), "-CAkey", room.path("edca.key"),
                 "-set_serial", "78", "-days", "2", "-extfile", room.path("ext"), "-out", room.path("leaf.pem"))
    port, p = ours(room, cert="leaf")
    finish(node(room, str(port), "TLSv1.3", LABEL))
    need(len(exports(finish(p))["tls-server-end-point"]) < 64, "a binding of an EdDSA signature")


if __name__ == "__main__":
    sys.exit(main(openssl_client, openssl_server, node_both_roles, gnutls_client, resumed, end_point_hashes))
