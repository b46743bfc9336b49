#!/bin/sh
# SPDX-License-Identifier: ISC
# The benchmark runs through every row and has figures for Sleeve and libssl in each; so
# have the chains.
set -eu
build=${BUILD:-build}
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
[ -f "$build/libsleeve-test.a" ] || { echo "FAIL: no $build/libsleeve-test.a"; exit 1; }
if nm "$build/libsleeve-test.a" 2>/dev/null | grep -q __asan_; then
    echo "the library is built with sanitizers"
    exit 77
fi
BENCH_SECONDS=3 BENCH_OUT=$dir timeout 150 tests/bench/run -r 1 -p sleeve >"$dir/out" 2>&1 ||
    { cat "$dir/out"; exit 1; }
for peer in libssl sleeve; do
    n=$(awk -F, -v p=$peer '$2 == p && $3 > 0 && $4 > 0 && $5 > 0 && $6 > 0' "$dir/results.csv" | wc -l)
    [ "$n" = 10 ] || { echo "FAIL: $n rows of $peer, not 10"; cat "$dir/out"; exit 1; }
done
for who in libcrypto uncached cached; do
    n=$(awk -v w=$who 'NF > 2 && $(NF - 2) == w && $(NF - 1) > 0 && $NF > 0' "$dir/out" | wc -l)
    [ "$n" = 2 ] || { echo "FAIL: $n chains of $who, not 2"; cat "$dir/out"; exit 1; }
done
echo "10 rows, 2 chains"
