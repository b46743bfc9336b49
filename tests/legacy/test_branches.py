#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""Runs test_branches under valgrind, to which secrets are undefined: whatever branches on one, or takes one for an
address, is found, whether it costs time on this machine or not (threats 11, 12, 13, 39).

Each finding belongs to the line of ours that is nearest to it. Those below are known: a verdict is public from there on, or
libcrypto does it, of which each line that hands it a secret is listed. Any other fails the test; one that is not found any
more does so, too."""
import collections
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from wrap import BUILD, ROOT, skip_without  # noqa: E402

PROGRAM = os.path.join(ROOT, os.environ.get("LEGACY_BUILD", os.path.join(BUILD, "legacy")), "tests/legacy/test_branches")
OURS, LIBCRYPTO = "ours", "libcrypto"
KNOWN = (
    ("test_branches.c", OURS, "the canary", "shows that what there is would be found"),
    # ---- verdicts ----
    ("keys12.c", OURS, "if (!ct_equal(got.p, want, size))", "Finished is right or not: an alert says it"),
    ("cbc_openssl.c", OURS, "return ok && ct_equal(want, mac, size);", "the MAC and the padding, as one answer"),
    ("cbc_openssl.c", OURS, "ct_equal(want, sealed.p + sealed.n, hash_size(c->hash)) && decipher(c, iv, sealed, len);",
     "the MAC of encrypt-then-MAC, of what was on the wire"),
    ("mac_ssl3.c", OURS, "return failed || !good ? MAC_WRONG : found;", "the MAC and the padding, as one answer"),
    ("stream_openssl.c", OURS, "!ct_equal(want, fragment.p + len, mac)", "the MAC; there is no padding"),
    ("cbc_openssl.c", OURS, "wipe(content->p + len, fragment.n - c->lead - len);",
     "behind the verdict the length of the content is public"),
    # ---- libcrypto ----
    ("aead_openssl.c", LIBCRYPTO, "EVP_CipherFinal_ex(ctx, none, &len) == 1",
     "it compares the tag, and its answer is the verdict"),
    ("cbc_openssl.c", LIBCRYPTO, "EVP_CipherUpdate(c->ctx, sealed.p, &n, sealed.p, (int)sealed.n)",
     "is the length of the content more than an int, which it never is; and the tables of DES"),
    ("cbc_openssl.c", LIBCRYPTO, "EVP_MAC_update(ctx, content.p, content.n)",
     "is the content longer than the record, which it never is"),
    ("cbc_openssl.c", LIBCRYPTO, "EVP_CipherUpdate(c->ctx, content, &n, content, (int)len)", "the tables of DES"),
    ("cbc_openssl.c", LIBCRYPTO, "EVP_CipherInit_ex2(c->ctx, method_cbc(id), key, iv, c->seal, NULL)",
     "the tables of DES, for its key"),
    ("stream_openssl.c", LIBCRYPTO, "EVP_CipherInit_ex2(", "the table of RC4, which its key makes"),
)
# Inlined into the line that is meant.
HELPERS = ("string_fortified.h", "secret.h")
FRAME = re.compile(r"^ +(?:at|by) 0x[0-9A-F]+: (\S+) \((?:in )?([^)]*)\)$")


def source(name, line, cache={}):
    """A statement: the line and the one behind it."""
    if not cache:
        for folder in ("src", "tests"):
            for top, _, files in os.walk(os.path.join(ROOT, folder)):
                cache.update({f: os.path.join(top, f) for f in files if f.endswith((".c", ".h"))})
    with open(cache[name], encoding="utf-8") as f:
        return " ".join(part.strip() for part in f.read().splitlines()[line - 1:line + 1])


def place(block):
    """File, line, and who was at it when it was not the line itself."""
    who = OURS
    for text in block:
        frame = FRAME.match(text)
        name, _, line = frame[2].partition(":") if frame else ("", "", "")
        if line.isdigit() and name not in HELPERS:
            return name, int(line), who
        if "libcrypto" in text or "legacy.so" in text or "ossl-modules" in text:
            who = LIBCRYPTO
    return "?", 0, who


def findings(report):
    found, block = collections.Counter(), None
    for line in report.splitlines():
        line = re.sub(r"^==\d+== ?", "", line)
        if re.match(r"Conditional jump|Use of uninit|Syscall param|Invalid ", line):
            block = []
        elif block is not None and line.startswith("  "):
            block.append(line)
        elif block is not None:
            found[place(block)] += 1
            block = None
    return found


def main():
    skip_without("valgrind")
    if not os.path.exists(PROGRAM):
        print(f"{PROGRAM} is not built")
        return 77
    p = subprocess.run(["valgrind", "--error-limit=no", "--num-callers=30", "--undef-value-errors=yes", PROGRAM],
                       capture_output=True, timeout=170, check=False)
    report = p.stderr.decode(errors="replace")
    if p.returncode != 0:
        print(p.stdout.decode(errors="replace"), report[-3000:])
        return 1
    seen, bad = set(), 0
    for (name, line, who), count in sorted(findings(report).items()):
        text = source(name, line) if line else ""
        known = [k for k in KNOWN if k[0] == name and k[1] == who and k[2] in text]
        seen.update(known)
        bad += not known
        print(f"{'known' if known else 'FOUND'}  {name}:{line}  {who}  {count}  {known[0][3] if known else text}")
    for k in KNOWN:
        if k not in seen:
            bad += 1
            print(f"GONE   {k[0]}  {k[1]}  {k[2]}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
