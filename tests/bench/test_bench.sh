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
for peer in libssl limit sleeve; do
    n=$(awk -F, -v p=$peer '$2 == p && $3 > 0 && $4 > 0 && $5 > 0 && $6 > 0' "$dir/results.csv" | wc -l)
    case $peer in
    sleeve) want=17 ;;
    libssl) want=16 ;; # it knows no parking
    limit) want=15 ;;  # of memory there is none
    esac
    [ "$n" = $want ] || { echo "FAIL: $n rows of $peer, not $want"; cat "$dir/out"; exit 1; }
done
n=$(grep -c '  sleeve .* \(met\|MISSED\)' "$dir/out")
[ "$n" = 11 ] || { echo "FAIL: $n rows with a mark, not 11"; cat "$dir/out"; exit 1; }
for who in libcrypto uncached cached; do
    n=$(awk -v w=$who 'NF > 2 && $(NF - 2) == w && $(NF - 1) > 0 && $NF > 0' "$dir/out" | wc -l)
    [ "$n" = 2 ] || { echo "FAIL: $n chains of $who, not 2"; cat "$dir/out"; exit 1; }
done
n=$(awk '($2 == "libcrypto" || $2 == "IPsec-MB") && NF == 8 && $3 > 0 && $6 > 0' "$dir/out" | wc -l)
[ "$n" = 3 ] || [ "$n" = 6 ] || { echo "FAIL: the cost of $n records"; cat "$dir/out"; exit 1; }
for who in plain sleeve libssl; do
    n=$(awk -v w=$who '$2 == w && NF == 8 && $3 > 0 && $6 > 0' "$dir/out" | wc -l)
    [ "$n" = 4 ] || { echo "FAIL: system calls in $n rows of $who, not 4"; cat "$dir/out"; exit 1; }
done
[ "$(nproc)" = 1 ] || grep -q 'X25519.* 1.9 \(met\|MISSED\)$' "$dir/out" ||
    { echo "FAIL: no row of two threads"; cat "$dir/out"; exit 1; }
echo "17 rows, 2 chains"
