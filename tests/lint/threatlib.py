# SPDX-License-Identifier: ISC
"""The classes of attack that have broken TLS before, by number, and the tests that stand for each: those
whose name has the number (threat_08_bytes_behind) and that their file runs."""
import collections
import re
from lintlib import files, text

ROWS = {
    1: "change_cipher_spec too early",
    2: "messages skipped, repeated, out of order",
    3: "client authentication left out or empty",
    4: "signature schemes that were not offered or do not fit",
    5: "signatures that are not checked",
    6: "reading beyond what was received",
    7: "records longer than allowed",
    8: "handshake data across a change of keys",
    9: "other records inside a handshake message",
    10: "messages in pieces",
    11: "padding oracles of CBC (Lucky 13)",
    12: "padding oracles of RSA (Bleichenbacher)",
    13: "padding that is not looked at (POODLE)",
    14: "predictable IVs (BEAST)",
    15: "compression (CRIME)",
    16: "broken ciphers",
    17: "hellos of SSL 2 (DROWN)",
    18: "weak Diffie-Hellman groups and shares",
    19: "points off the curve, shared secrets of zeros",
    20: "renegotiation and resumption that are not bound",
    21: "signatures over broken hashes (SLOTH)",
    22: "downgrade of the version",
    23: "pre-shared keys turned back on their owner",
    24: "names and protocols of another service",
    25: "nonces that come again",
    26: "ticket keys that are zero or do not change",
    27: "sessions resumed under another policy",
    28: "sessions that outlive their certificate",
    29: "streams cut short",
    30: "floods of records without data",
    31: "little sent, much memory or work",
    32: "host names",
    33: "early data replayed or without end",
    34: "second ClientHello unlike the first",
    35: "buffers that change while they are read",
    36: "use after free on the ways out of errors",
    37: "failures that nobody looks at",
    38: "damaged sessions and contexts",
    39: "errors that tell something",
    40: "one connection in two processes",
    41: "clear text beside TLS",
}
# How a test is run: handed to cmocka, by one of its macros or ours, or as a function of a script.
RUN = {
    ".c": re.compile(r"\w\(\s*(threat_(\d\d)_\w+)\s*[,)]"),
    ".py": re.compile(r"^def (threat_(\d\d)_\w+)\(", re.M),
    ".sh": re.compile(r"^(threat_(\d\d)_\w+)\(\)", re.M),
}
DEFINED = re.compile(r"\b(threat_\d+_\w+)\((?:void \*\*|room\)|\))")


def find():
    """Of each row: {path under tests/: its tests, as they stand there}, and what is wrong with names."""
    found, wrong = collections.defaultdict(lambda: collections.defaultdict(list)), []
    for path in files(tuple(RUN), ("tests",)):
        source = text(path)
        run = {m[1]: int(m[2]) for m in RUN["." + path.rpartition(".")[2]].finditer(source)}
        wrong += [f"{path} does not run {m[1]}()" for m in DEFINED.finditer(source) if m[1] not in run]
        wrong += [f"{path}: there is no threat {row}" for row in run.values() if row not in ROWS]
        for name, row in run.items():
            found[row][path.removeprefix("tests/")].append(name)
    wrong += [f"threat {row}, {what}: no test has its number in its name"
              for row, what in ROWS.items() if not found[row]]
    return found, list(dict.fromkeys(wrong))
