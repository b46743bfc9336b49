#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""What the default build does with secrets has no branches and no indexes on them (threats 12, 26, 34, 38, 39): tests/lib/branches.py
says how that is found, and what the list below is."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from branches import CANARY, LIBCRYPTO, OURS, check  # noqa: E402
from wrap import BUILD, ROOT  # noqa: E402

PROGRAM = os.path.join(ROOT, BUILD, "tests/secrets/test_branches")
KNOWN = (
    CANARY,
    # ---- verdicts ----
    ("keys13.c", OURS, "if (!ct_equal(got.p, want, n))", "Finished is right or not: an alert says it"),
    ("keys12.c", OURS, "if (!ct_equal(got.p, want, size))", "Finished is right or not: an alert says it"),
    ("psk13.c", OURS, "return mac.n == n && ct_equal(mac.p, want, n)", "the binder is right or not: an alert says it"),
    ("cbc_openssl.c", OURS, "return ok && ct_equal(want, mac, size);", "the MAC and the padding, as one answer"),
    ("cbc_openssl.c", OURS, "wipe(content->p + len, fragment.n - c->lead - len);",
     "behind the verdict the length of the content is public"),
    # ---- libcrypto ----
    ("aead_openssl.c", LIBCRYPTO, "EVP_CipherFinal_ex(ctx, none, &len) == 1",
     "it compares the tag, and its answer is the verdict"),
    ("cbc_openssl.c", LIBCRYPTO, "EVP_CipherUpdate(c->ctx, sealed.p, &n, sealed.p, (int)sealed.n)",
     "is the length of the content more than an int, which it never is"),
    ("cbc_openssl.c", LIBCRYPTO, "EVP_MAC_update(ctx, content.p, content.n)",
     "is the content longer than the record, which it never is"),
)

if __name__ == "__main__":
    sys.exit(check(PROGRAM, KNOWN))
