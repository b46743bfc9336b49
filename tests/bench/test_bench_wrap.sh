#!/bin/sh
# SPDX-License-Identifier: ISC
# The benchmark of wrapping runs through every row: each of them has figures, and what is drawn is a picture.
set -eu
build=${BUILD:-build}
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
if nm "$build/libsleeve-test.a" 2>/dev/null | grep -q __asan_; then
    echo "the library is built with sanitizers"
    exit 77
fi
BENCH_OUT=$dir timeout 150 /usr/bin/python3 tests/bench/wrap.py --rounds 1 --scale 0.02 >"$dir/out" 2>&1 ||
    { cat "$dir/out"; exit 1; }
rows() { # rows WHO: how many figures it has, all of them more than nothing
    awk -F, -v w="$1" '$2 == w && $4 > 0' "$dir/wrap.csv" | wc -l
}
check() { # check WHO ROWS
    n=$(rows "$1")
    [ "$n" = "$2" ] || { echo "FAIL: $n figures of $1, not $2"; cat "$dir/out"; exit 1; }
}
for who in plain 'plain epoll' sleeve 'sleeve epoll'; do
    check "$who" 9
done
PATH=$PATH:/usr/sbin:/sbin
command -v stunnel >/dev/null && check stunnel 9
command -v socat >/dev/null && check socat 7
for who in none empty file listed; do
    check $who 8 # of starting, and of calls
done
for who in no-conf directory rules; do
    check $who 2
done
check wrapped 6
for who in client server; do
    check $who 2 # heap
done
n=$(grep -c '^mark: .* of .*: \(met\|MISSED\)$' "$dir/wrap.txt")
[ "$n" = 3 ] || { echo "FAIL: $n marks, not 3"; cat "$dir/out"; exit 1; }
if command -v gnuplot >/dev/null; then
    python3 -c "import sys, xml.dom.minidom; xml.dom.minidom.parse(sys.argv[1])" "$dir/wrap.svg"
fi
echo "every row has figures"
