#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""The legacy build and openssl, both roles."""
import sys

from table import cases, main

if __name__ == "__main__":
    sys.exit(main(*cases("openssl")))
