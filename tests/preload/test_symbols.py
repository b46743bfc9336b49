#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""The list of calls that are taken over, against the C library: each one exists there, and no other exported name
leads to the same code, so that no program can get past a wrapper by an alias (threat 41)."""
import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
LIBC = "/lib/x86_64-linux-gnu/libc.so.6"
def main():
    if not os.path.exists(LIBC):
        print(f"no {LIBC} on this machine")
        return 77
    with open(os.path.join(ROOT, "preload", "calls.def"), encoding="ascii") as f:
        ours = set(re.findall(r"^CALL\((\w+)\)$", f.read(), re.M))
    at, names = {}, {}
    out = subprocess.run(["readelf", "-W", "--dyn-syms", LIBC], capture_output=True, check=True, timeout=60).stdout.decode()
    for line in out.splitlines():
        part = line.split()
        if len(part) == 8 and part[3] in ("FUNC", "IFUNC") and part[6] != "UND" and "GLIBC_PRIVATE" not in part[7]:
            name = part[7].split("@")[0]
            at.setdefault(part[1], set()).add(name)
            names.setdefault(name, set()).add(part[1])
    bad = [f"{n}: not a function of the C library" for n in sorted(ours - set(names))]
    for n in sorted(ours & set(names)):
        for address in names[n]:
            bad += [f"{alias}: the same code as {n}, and not taken over" for alias in sorted(at[address] - ours)]
    print("\n".join(sorted(set(bad))) or f"{len(ours)} names, no way past them")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
