# SPDX-License-Identifier: ISC
"""Runs a program under valgrind to which secrets are undefined (tests/secrets/poison.h): whatever branches on one, or takes
one for an address, is found, whether it costs time on this machine or not.

Each finding belongs to the line of ours that is nearest to it. Those that a test lists are known, with the reason: a verdict is
public from there on, or libcrypto does it, of which each line that hands it a secret is listed. Any other fails the test; one
that is not found any more does so, too."""
import collections
import os
import re
import subprocess

from wrap import ROOT, skip_without

OURS, LIBCRYPTO = "ours", "libcrypto"
CANARY = ("poison.h", OURS, "the canary", "shows that what there is would be found")
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


def check(program, known_lines):
    """0: nothing was found but what is known, and all of that."""
    skip_without("valgrind")
    if not os.path.exists(program):
        print(f"{program} is not built")
        return 77
    p = subprocess.run(["valgrind", "--error-limit=no", "--num-callers=30", "--undef-value-errors=yes", program],
                       capture_output=True, timeout=170, check=False)
    report = p.stderr.decode(errors="replace")
    if p.returncode != 0:
        print(p.stdout.decode(errors="replace"), report[-3000:])
        return 1
    seen, bad = set(), 0
    for (name, line, who), count in sorted(findings(report).items()):
        text = source(name, line) if line else ""
        known = [k for k in known_lines if k[0] == name and k[1] == who and k[2] in text]
        seen.update(known)
        bad += not known
        print(f"{'known' if known else 'FOUND'}  {name}:{line}  {who}  {count}  {known[0][3] if known else text}")
    for k in known_lines:
        if k not in seen:
            bad += 1
            print(f"GONE   {k[0]}  {k[1]}  {k[2]}")
    return 1 if bad else 0
