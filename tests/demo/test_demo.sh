#!/bin/sh
# SPDX-License-Identifier: ISC
# The demo works, fits one screen, leaves nothing behind, and fails when what it shows is not so.
set -eu
B=${BUILD:-build}
export TMPDIR="${TMPDIR:-/tmp}"
T=$(mktemp -d)
trap 'rm -rf "$T"' EXIT
fail() { echo "FAILED: $1"; exit 1; }

timeout 100 tests/demo/demo.sh >"$T/out" 2>"$T/err" || { cat "$T/out" "$T/err"; fail "make demo"; }
cat "$T/out"
[ ! -s "$T/err" ] || { cat "$T/err"; fail "it complains"; }
[ "$(wc -l <"$T/out")" -le 45 ] || fail "more than 45 lines"
awk 'length > 100 { exit 1 }' "$T/out" || fail "wider than 100 columns"
grep -q 'Verification: OK' "$T/out" || fail "openssl did not verify"
grep -q 'version TLSv1.3 .*suite TLS_.*group .*name verified localhost' "$T/out" || fail "what was agreed on is missing"
[ -z "$(find "$TMPDIR" -maxdepth 1 -name 'sleeve-demo-*')" ] || fail "files left behind"

# Without TLS under redis-server nothing of it may pass for success.
mkdir "$T/plain" "$T/plain/demo"
cp "$B/demo/relay" "$T/plain/demo/"
cat >"$T/plain/sleeve" <<'FAKE'
#!/bin/sh
[ "$1" = run ] || exit 0
shift 4
exec "$@"
FAKE
chmod +x "$T/plain/sleeve"
if BUILD="$T/plain" timeout 100 tests/demo/demo.sh >"$T/out" 2>&1; then
    fail "the demo is content without TLS"
fi
[ -z "$(find "$TMPDIR" -maxdepth 1 -name 'sleeve-demo-*')" ] || fail "files left behind by a demo that failed"
