# SPDX-License-Identifier: ISC
"""What the lint_* scripts share: the files, the flags, a cache by content, one way to complain."""
import concurrent.futures
import hashlib
import os
import shlex
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("BUILD", "build")
PRODUCT = ("include", "src", "shim", "preload", "examples")
os.chdir(ROOT)


def files(suffixes, rooms=PRODUCT + ("tests",)):
    """Paths under the rooms that end in one of the suffixes, sorted."""
    found = []
    for room in rooms:
        for folder, _, names in os.walk(room):
            found += [os.path.join(folder, n) for n in names if n.endswith(suffixes)]
    return sorted(found)


def flags():
    """The compiler's flags, as the Makefile has them."""
    text = os.environ.get("LINT_FLAGS")
    if not text:
        sys.exit("run this through `make lint`: LINT_FLAGS is not set")
    return shlex.split(text)


def old_flags(path):
    """What only a build for old peers has is compiled for that one."""
    return ["-DSLEEVE_PROFILE_LEGACY"] if path.startswith("tests/legacy/") else []


def run(argv, feed=""):
    p = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                       errors="replace", input=feed, check=False)
    return p.returncode, p.stdout


def head(output, lines=12):
    all_lines = output.strip().splitlines()
    more = [f"    ... {len(all_lines) - lines} lines more"] if len(all_lines) > lines else []
    return "\n".join(all_lines[:lines] + more)


def text(path):
    with open(path, encoding="utf-8") as f:
        return f.read()


def each(paths, argv_of, extra="", profiles=()):
    """argv_of(path) for every C file; a clean one is not run again until its preprocessed text changes. In each of the
    profiles ("-DSLEEVE_PROFILE_LEGACY"): most files are the same there, and are then not run again either."""
    stamps = os.path.join(BUILD, "lint")
    os.makedirs(stamps, exist_ok=True)

    def one(path, profile):
        argv = argv_of(path)
        profile = [profile] if profile else old_flags(path) if profiles else []
        pre = subprocess.run(["gcc", "-E", "-x", "c", *flags(), *profile, path], stdout=subprocess.PIPE,
                             stderr=subprocess.DEVNULL, check=False).stdout
        key = hashlib.sha256(pre + "\0".join([*argv, extra]).encode()).hexdigest()
        argv = [*argv, *profile]
        stamp = os.path.join(stamps, key)
        if os.path.exists(stamp):
            return path, 0, ""
        code, out = run(argv)
        if code == 0:
            with open(stamp, "w", encoding="ascii"):
                pass
        return path, code, out

    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        results = [r for p in profiles or ("",) for r in pool.map(lambda path: one(path, p), paths)]
    verdict([f"{path}: exit {code}\n{head(out)}" for path, code, out in results if code != 0],
            f"{len(paths)} files")


def verdict(complaints, done):
    """Ends the script."""
    for c in complaints:
        print(c)
    print(f"{len(complaints)} complaints" if complaints else f"clean: {done}")
    sys.exit(1 if complaints else 0)
