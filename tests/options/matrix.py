#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""Builds the engine and the API of the guide once for each build option, flipped alone, and for combinations that
people use; runs the self-test of each against itself or against the default build; prints a table.

tests/options/matrix.py [--all] [--keep DIRECTORY] [NAME...]

.text: bytes of code and of nothing else that the self-test has beside its own, -O1. heap: bytes that one idle
connection has allocated in the server, in the client. --all: each suite, too. NAME: only rows of that name.

A file that says the same under two sets of options, once it is preprocessed, is compiled once."""
import argparse
import concurrent.futures
import glob
import hashlib
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CC = shlex.split(os.environ.get("CC", "gcc"))
FLAGS = ["-std=c11", "-D_GNU_SOURCE", "-I.", "-Isrc", "-Iinclude", "-fvisibility=hidden", "-ffunction-sections",
         "-fdata-sections", "-Wall", "-Wextra", "-Wshadow", "-Wconversion", "-Wvla", "-Wundef", "-Wmissing-prototypes",
         "-Wimplicit-fallthrough", "-Werror", "-O1", '-DSLEEVE_VERSION="test"']
LIBS = ["-lcrypto", "-lbsd", "-linih", "-lz", "-lpthread", "-ldl"]
SECONDS = 60  # for one end of the self-test
MAIN = "tests/options/trial.c"

SERVER_ONLY = ["-DUSE_CLIENT_SIDE_SSL=0"]
CLIENT_ONLY = ["-DUSE_SERVER_SIDE_SSL=0"]
BLIND = [*SERVER_ONLY, "-DUSE_CLIENT_AUTH=0", "-DUSE_CERT_PARSE=0"]
LEGACY = ["-DSLEEVE_PROFILE_LEGACY"]
TRACES = ["-DUSE_CORE_TRACE", "-DUSE_CRYPTO_TRACE", "-DUSE_SSL_HANDSHAKE_MSG_TRACE", "-DUSE_SSL_INFORMATIONAL_TRACE"]
AES13, AES12_EC, AES12_RSA = "1301", "c02b", "c02f"
CBC12_RSA, RSA12 = "c013", "009c"

# name, options, what may not be in the program
ROWS = [
    ("default", [], None),
    ("legacy", LEGACY, None),
    ("small", ["-DSLEEVE_PROFILE_SMALL"], r"client1[23]_|^chain_(?!cache)|^crl_|^ocsp_|PKCS12_|post13_ask|hs_trace|describe"),
    ("everything", [*LEGACY, *TRACES, "-DENABLE_INSECURE_REHANDSHAKES", "-DSERVER_CAN_SEND_EMPTY_CERT_REQUEST"], None),
    ("client only", CLIENT_ONLY, r"server1[23]_|session_cache_(put|get)|ticket_seal|matrixSslNewServerSession"),
    ("server only", SERVER_ONLY, r"client1[23]_|hello_client_send|matrixSslNewClientSession"),
    ("server, blind", BLIND, r"client1[23]_|hello_client_send|^chain_(?!cache)|^crl_|^ocsp_|matrixssl_certs"),
    ("TLS 1.3 only", ["-DUSE_TLS_1_2=0"], r"client12_|server12_|keys12_(?!resumable)|tls12|protect_(cbc|aead12)|kx12_(ecdhe|rsa|psk)"),
    ("TLS 1.2 only", ["-DUSE_TLS_1_3=0"], r"client13_|server13_|keys13_|psk13_choose|post13_on|schedule13_(?!keys|next)|tls13_(open|seal)"),
    ("client, 1.3", [*CLIENT_ONLY, "-DUSE_TLS_1_2=0"], r"server1[23]_|12_on_"),
    ("server, 1.3", [*SERVER_ONLY, "-DUSE_TLS_1_2=0"], r"client1[23]_|12_on_"),
]
FLIPS = [
    ("PS_USE_FILE_SYSTEM=0", r"file_read|files_each|matrixSslLoadRsaKeys$|opendir"),
    ("USE_MULTITHREADING=0", r"pthread"),
    ("HAVE_NATIVE_INT64=0", None),
    ("USE_PEERSEC_MEMORY_MANAGEMENT", None),
    ("HALT_ON_PS_ERROR", None),
    ("USE_CORE_TRACE", None),
    ("USE_CRYPTO_TRACE", None),
    ("USE_SSL_HANDSHAKE_MSG_TRACE", None),
    ("USE_SSL_HANDSHAKE_MSG_TRACE=0", r"hs_trace|describe"),
    ("USE_SSL_INFORMATIONAL_TRACE", None),
    ("USE_PRIVATE_KEY_PARSING=0 USE_SERVER_SIDE_SSL=0", r"OSSL_DECODER_CTX|matrixSslLoadPkcs12"),
    ("USE_PKCS5=0", None),
    ("USE_PKCS12=0", r"PKCS12_"),
    ("PS_PUBKEY_OPTIMIZE_FOR_FASTER_SPEED=0", None),
    ("PS_PUBKEY_OPTIMIZE_FOR_SMALLER_RAM", None),
    ("PS_AES_IMPROVE_PERF_INCREASE_CODESIZE", None),
    ("PS_AES_IMPROVE_PERF_INCREASE_CODESIZE=0", r"ipsecmb"),
    ("PS_3DES_IMPROVE_PERF_INCREASE_CODESIZE", None),
    ("PS_SHA1_IMPROVE_PERF_INCREASE_CODESIZE", None),
    ("PS_MD5_IMPROVE_PERF_INCREASE_CODESIZE", None),
    ("USE_CLIENT_AUTH=0", r"post13_ask"),
    ("SERVER_CAN_SEND_EMPTY_CERT_REQUEST", None),
    ("ENABLE_SECURE_REHANDSHAKES=0", r"tls_rehandshake"),
    ("REQUIRE_SECURE_REHANDSHAKES=0", None),
    ("ENABLE_INSECURE_REHANDSHAKES", None),
    ("SSL_SESSION_TABLE_SIZE=0", None),
    ("SSL_SESSION_ENTRY_LIFE=60000", None),
    ("SSL_MAX_CLIENT_HELLO=4096", None),
    ("SSL_MAX_CERTIFICATE_BYTES=16384", None),
    ("SSL_MAX_IDLE_RECORDS=100", None),
    ("ENABLE_FALSE_START", None),
    ("USE_TLS_1_1", None),
    ("USE_TLS", None),
    ("DISABLE_SSLV3=0", None),
]
HEADERS = ("include/matrixssl/suiteConfig.h",)
lock = threading.Lock()
compiled = {}


def must(argv):
    p = subprocess.run(argv, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, errors="replace",
                       check=False)
    if p.returncode != 0:
        lines = [x for x in p.stderr.splitlines() if re.search(r"error|undefined", x)] or p.stderr.splitlines()
        raise RuntimeError(f"{os.path.basename(argv[0])} {argv[-1]}: " + "\n    ".join(lines[:40]))
    return p.stdout


def suites():
    """Name and number of each suite that has an option, and whether it is on from the start."""
    with open(os.path.join(ROOT, "include/matrixssl/matrixsslApi.h"), encoding="utf-8") as f:
        numbers = dict(re.findall(r"#define (\w+)\s+0x([0-9A-F]{4})$", f.read(), re.M))
    with open(os.path.join(ROOT, HEADERS[0]), encoding="utf-8") as f:
        text = f.read()
    on = re.findall(r"^#define USE_(\w+) 1$", text, re.M)
    return [(n, numbers[n].lower(), n in on)
            for n in dict.fromkeys(re.findall(r"^#undef USE_(\w+)$", text, re.M)) if n in numbers]


class Build:
    """One set of options: its program and what is known of it."""

    def __init__(self, name, options, absent, folder):
        self.name, self.options, self.absent = name, options, absent
        self.folder = os.path.join(folder, "row-" + re.sub(r"\W+", "-", name))
        self.program = os.path.join(self.folder, "trial")
        self.heap, self.text, self.why = {}, 0, ""

    def has(self, option):
        """Is it on, as the headers say?"""
        return option in self.macros

    def make(self, objects, aware):
        os.makedirs(self.folder, exist_ok=True)
        self.macros = set(re.findall(r"^#define (\w+)", must(
            [*CC, "-E", "-dM", *FLAGS, *self.options, "-include", "base/options.h", "-xc", "/dev/null"]), re.M))
        linked = [compile_one(f, self.options if f in aware else [], objects) for f in sources()]
        main = compile_one(MAIN, self.options, objects)
        must([*CC, "-Wl,--gc-sections", "-Wl,--as-needed", "-o", self.program, main, *linked, *LIBS])
        self.text = text_of(self.program) - text_of(main)
        names = set(re.findall(r"^\s*\S* (?:[A-Za-z]) (\S+)$", must(["nm", self.program]), re.M))
        found = sorted(n for n in names if self.absent and re.search(self.absent, n.split("@")[0]))
        if found:
            raise RuntimeError("still there: " + " ".join(found[:6]) + (" ..." if len(found) > 6 else ""))

    def sides(self):
        return [s for s, o in (("server", "USE_SERVER_SIDE_SSL"), ("client", "USE_CLIENT_SIDE_SSL")) if self.has(o)]


def sources():
    return sorted(os.path.relpath(p, ROOT) for p in glob.glob(os.path.join(ROOT, "src/*.c")) +
                  glob.glob(os.path.join(ROOT, "src/*/*.c")))


def text_of(path):
    return sum(int(m[1]) for m in re.finditer(r"^\.text\S*\s+(\d+)", must(["size", "-A", path]), re.M))


def option_files():
    """Those that see any option at all."""
    found = set()
    for path in sources():
        deps = must([*CC, "-MM", *FLAGS, path])
        if "Config.h" in deps:
            found.add(path)
    return found


def compile_one(path, options, folder):
    if options:
        said = must([*CC, "-E", "-P", *FLAGS, *options, path])
        key = hashlib.sha256((path + said).encode()).hexdigest()[:24]
    else:
        key = "plain-" + path.replace("/", "-")
    with lock:
        mine = key not in compiled
        done = compiled.setdefault(key, concurrent.futures.Future())
    out = os.path.join(folder, key + ".o")
    if mine:
        try:
            done.set_result(must([*CC, *FLAGS, *options, "-c", "-o", out, path]))
        except RuntimeError as e:
            done.set_exception(e)
    done.result(600)
    return out


def keys(folder):
    """A CA, an RSA and a P-256 server, and the second one's key locked and in a PKCS#12 file."""
    def ssl(*argv):
        must(["openssl", *argv])

    at = lambda name: os.path.join(folder, name)
    with open(at("ext"), "w", encoding="ascii") as f:
        f.write("subjectAltName=DNS:server.test\n")
    ssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=CA",
        "-keyout", at("ca.key"), "-out", at("ca.pem"))
    for name, kind in (("ec", ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"]), ("rsa", ["rsa:2048"])):
        ssl("req", "-newkey", *kind, "-nodes", "-subj", f"/CN={name}", "-keyout", at(name + ".key"), "-out", at("csr"))
        ssl("x509", "-req", "-in", at("csr"), "-CA", at("ca.pem"), "-CAkey", at("ca.key"), "-CAcreateserial", "-days", "2",
            "-extfile", at("ext"), "-out", at(name + ".pem"))
    ssl("pkcs8", "-topk8", "-in", at("ec.key"), "-out", at("locked.key"), "-passout", "pass:pass")
    ssl("pkcs12", "-export", "-inkey", at("ec.key"), "-in", at("ec.pem"), "-out", at("ec.p12"), "-passout", "pass:pass")


def talk(server, client, suite, folder):
    """Both ends as processes over a socket pair; what they printed."""
    a, b = socket.socketpair()
    own = "rsa" if suite in (AES12_RSA, CBC12_RSA, RSA12) else "ec"
    env = {"PATH": os.environ["PATH"], "LC_ALL": "C"}
    ends = []
    for build, side, end in ((server, "server", a), (client, "client", b)):
        ends.append(subprocess.Popen([build.program, folder, side, suite, str(end.fileno()), own], env=env, text=True,
                                     pass_fds=[end.fileno()], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL))
    a.close()
    b.close()
    outs = []
    for p in ends:
        try:
            outs.append(p.communicate(timeout=SECONDS)[0].strip())
        except subprocess.TimeoutExpired:
            p.kill()
            outs.append(p.communicate()[0] + "no end")
    for p, out in zip(ends, outs):
        if p.returncode != 0 or not out.startswith("heap "):
            raise RuntimeError(f"{suite}: the server said {outs[0]!r}, the client {outs[1]!r}")
        if "resumed" not in out:
            raise RuntimeError(f"{suite}: not resumed: {out}")
    return outs


def trial(build, default, folder):
    """The suites that both ends have; then what is to be refused."""
    ids = []
    for name, number, _ in suites():
        if build.has("USE_" + name) and number in (AES13, AES12_EC, AES12_RSA, CBC12_RSA, RSA12):
            ids.append(number)
    for number in [*ids, "0"]:
        for side in build.sides():
            other = build if len(build.sides()) == 2 else default
            outs = talk(build if side == "server" else other, build if side == "client" else other, number, folder)
            for end, out in zip(("server", "client"), outs):
                if end in build.sides():
                    build.heap.setdefault(end, out.split()[1])
            if other is build:
                break
    missing = [number for name, number, _ in suites() if not build.has("USE_" + name)]
    env = {"PATH": os.environ["PATH"], "LC_ALL": "C"}
    p = subprocess.run([build.program, folder, "refuses", *missing], stdout=subprocess.PIPE, text=True, env=env,
                       stderr=subprocess.DEVNULL, timeout=SECONDS, check=False)
    if p.returncode != 0:
        raise RuntimeError(f"refuses: exit {p.returncode}, {p.stdout.strip()}")


def rows(everything, folder):
    found = [Build(n, o, a, folder) for n, o, a in ROWS]
    found += [Build(o, ["-D" + x for x in o.split()], a, folder) for o, a in FLIPS]
    for name, _, on in suites() if everything else []:
        if on:
            found.append(Build(name + "=0", [f"-DUSE_{name}=0"], None, folder))
        else:
            found.append(Build(name, [f"-DUSE_{name}"], None, folder))
            found.append(Build(name + "=0", [f"-DUSE_{name}=0"], None, folder))
    return found


def run(build, default, folder, objects, aware):
    start = time.monotonic()
    try:
        build.make(objects, aware)
        if default is not build:
            default.ready.wait(900)
        else:
            build.ready.set()
        trial(build, default, folder)
    except (RuntimeError, subprocess.TimeoutExpired) as e:
        build.why = str(e) or type(e).__name__
    if default is build:
        build.ready.set()
    build.seconds = time.monotonic() - start
    return build


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--all", action="store_true")
    ap.add_argument("--keep", help="where programs and objects stay")
    ap.add_argument("--jobs", type=int, default=os.cpu_count())
    ap.add_argument("names", nargs="*")
    a = ap.parse_args()
    folder = os.path.abspath(a.keep) if a.keep else tempfile.mkdtemp(prefix="sleeve-options-")
    objects = os.path.join(folder, "objects")
    os.makedirs(objects, exist_ok=True)
    failed = 0
    try:
        keys(folder)
        aware = option_files()
        todo = rows(a.all, folder)
        default = todo[0]
        default.ready = threading.Event()
        todo = [b for b in todo if not a.names or b is default or any(n in b.name for n in a.names)]
        print(f"{'build':<52} {'.text':>7} {'server':>7} {'client':>7}  result")
        with concurrent.futures.ThreadPoolExecutor(a.jobs) as pool:
            for b in pool.map(lambda b: run(b, default, folder, objects, aware), todo):
                failed += bool(b.why)
                print(f"{b.name:<52} {b.text:>7} {b.heap.get('server', '-'):>7} {b.heap.get('client', '-'):>7}"
                      f"  {'FAILED ' + b.why if b.why else 'ok'}", flush=True)
        print(f"{len(todo)} builds of {len(sources())} files, {len(aware)} of which see options, {len(compiled)} objects; "
              f"{failed} failed")
    finally:
        if not a.keep:
            shutil.rmtree(folder)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
