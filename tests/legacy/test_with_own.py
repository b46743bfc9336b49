#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""The legacy build with itself, where nobody else speaks it; and the rows are all that there is."""
import os
import re
import sys

from suites import SUITES
from table import ROOT, cases, main, need


def every_suite(room):
    """Each build option of a suite before TLS 1.3 is a row."""
    del room
    with open(os.path.join(ROOT, "include", "matrixssl", "suiteConfig.h"), encoding="ascii") as f:
        options = set(re.findall(r"USE_(?:TLS|SSL)_(\w+_WITH_\w+)", f.read()))
    rows = {s.name[4:] for s in SUITES}
    need(options == rows, f"options without a row: {options - rows}; rows without an option: {rows - options}")


if __name__ == "__main__":
    sys.exit(main(every_suite, *cases("own")))
