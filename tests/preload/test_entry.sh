#!/bin/sh
# SPDX-License-Identifier: ISC
# The library that is in every program under Sleeve, and the one that it loads into those that a rule names: nothing
# of the second is there in the others, without it a listed program does not run, and calls work from the first
# instruction on.
set -eu
cd "$(dirname "$0")/../.."
BUILD=${BUILD:-build}
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
fail() {
    echo "$1"
    exit 1
}
rule='client cat *:1 verify=none'
preload=$PWD/$BUILD/libsleeve-preload.so
case $(readelf -d "$preload" | grep NEEDED) in
*crypto* | *inih* | *bsd*) fail 'libsleeve-preload.so needs more than the C library' ;;
esac

maps() { # maps PROGRAM RULES: the libraries of that program
    SLEEVE_RULES=$2 LD_PRELOAD=$preload "$1" /proc/self/maps
}
maps cat "$rule" | grep -q libsleeve-wrap || fail 'a listed program has no engine'
maps cat "$rule" | grep -q libcrypto || fail 'a listed program has no libcrypto'
for rules in '' 'client dog *:1 verify=none' 'server ca *:1; client catt *:1'; do
    if maps cat "$rules" | grep -E 'libsleeve-wrap|libcrypto'; then
        fail "the engine is in a program that no rule names: $rules"
    fi
done
maps cat 'client  *  *:1 verify=none' | grep -q libsleeve-wrap || fail 'the rule for any program was overlooked'
maps cat 'clent dog *:1' | grep -q libsleeve-wrap || fail 'a broken rule was overlooked'

# A configuration, as a file and as a directory; one that others may write makes a program look whole.
mkdir "$dir/conf.d"
printf '[app dog]\n[rule dog one]\nrole=client\nmatch=*:1\nverify=none\n' >"$dir/conf.d/a.conf"
for conf in "$dir/conf.d/a.conf" "$dir/conf.d"; do
    if SLEEVE_CONFIG=$conf LD_PRELOAD=$preload cat /proc/self/maps | grep libsleeve-wrap; then
        fail "$conf does not name cat"
    fi
done
sed 's/dog/cat/' "$dir/conf.d/a.conf" >"$dir/conf.d/b.conf"
SLEEVE_CONFIG=$dir/conf.d LD_PRELOAD=$preload cat /proc/self/maps | grep -q libsleeve-wrap || fail 'b.conf was overlooked'
chmod g+w "$dir/conf.d/a.conf"
SLEEVE_CONFIG=$dir/conf.d/a.conf LD_PRELOAD=$preload cat /proc/self/maps | grep -q libsleeve-wrap ||
    fail 'a file that others may write is not a reason to look'

# By whatever way it was started: it is the executable that the rule may name, or what led to it. A file that is
# longer than the others, and a directory with many.
rm "$dir/conf.d/a.conf"
ln -s "$(command -v cat)" "$dir/feline"
maps "$dir/feline" "$rule" | grep -q libsleeve-wrap || fail 'cat by another name was overlooked'
maps "$dir/feline" 'client feline *:1 verify=none' | grep -q libsleeve-wrap || fail 'the name of a link was overlooked'
printf '#!%s\n' "$(command -v cat)" >"$dir/script"
chmod +x "$dir/script"
maps "$dir/script" "$rule" | grep -q libsleeve-wrap || fail 'the interpreter of a script was overlooked'
maps "$dir/script" 'client script *:1 verify=none' | grep -q libsleeve-wrap || fail 'the name of a script was overlooked'
printf '#!%s\n' "$dir/script" >"$dir/outer" && chmod +x "$dir/outer"
maps "$dir/outer" "$rule" | grep -q libsleeve-wrap || fail 'the interpreter of a script of a script was overlooked'
for n in 1019 1020 2047 2048 2049 100000; do
    { head -c "$n" /dev/zero | tr '\0' '\n' && cat "$dir/conf.d/b.conf"; } >"$dir/long.conf"
    SLEEVE_CONFIG=$dir/long.conf LD_PRELOAD=$preload cat /proc/self/maps | grep -q libsleeve-wrap ||
        fail "overlooked behind $n bytes"
    SLEEVE_CONFIG=$dir/long.conf LD_PRELOAD=$preload true || fail "a program that is not listed, $n bytes"
done
for n in $(seq 200); do
    sed "s/cat/cow$n/" "$dir/conf.d/b.conf" >"$dir/conf.d/$n-a-name-that-takes-some-room-in-a-list.conf"
done
SLEEVE_CONFIG=$dir/conf.d LD_PRELOAD=$preload cat /proc/self/maps | grep -q libsleeve-wrap || fail 'overlooked among 200'
rm "$dir/conf.d/b.conf"
if SLEEVE_CONFIG=$dir/conf.d LD_PRELOAD=$preload cat /proc/self/maps | grep libsleeve-wrap; then
    fail 'none of 200 files names cat'
fi

# The other library is not there, or is of another version: a listed program does not run, others do.
cp "$preload" "$dir/"
status=0
SLEEVE_RULES=$rule LD_PRELOAD=$dir/libsleeve-preload.so cat /dev/null 2>"$dir/err" || status=$?
[ $status = 127 ] || fail "without its engine a listed program ended with $status"
grep -q 'libsleeve-wrap.so' "$dir/err" || fail "nothing was said: $(cat "$dir/err")"
SLEEVE_RULES=$rule LD_PRELOAD=$dir/libsleeve-preload.so true || fail 'another program does not run without the engine'
cat >"$dir/wrap.c" <<'C'
int sleeve_wrap_start(const void *e);
int sleeve_wrap_start(const void *e) { return e ? -1 : 0; }
C
gcc -shared -fPIC -o "$dir/libsleeve-wrap.so" "$dir/wrap.c"
status=0
SLEEVE_RULES=$rule LD_PRELOAD=$dir/libsleeve-preload.so cat /dev/null 2>"$dir/err" || status=$?
[ $status = 127 ] && grep -q 'another version' "$dir/err" || fail "an engine of another version: $status $(cat "$dir/err")"

# A call before all constructors, with arguments in every kind of register; vfork() as ever.
cat >"$dir/early.c" <<'C'
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
static int ends[2];
static char got[64];
static void early(void)
{
    if (socketpair(AF_UNIX, SOCK_DGRAM, 0, ends) == 0 && sendto(ends[0], "six", 3, 0, NULL, 0) == 3) {
        (void)!recvfrom(ends[1], got, sizeof got, 0, NULL, NULL);
    }
}
__attribute__((section(".preinit_array"), used)) static void (*const first)(void) = early;
int main(void)
{
    pid_t pid;
    int status = 0;

    if (strcmp(got, "six") != 0 || dprintf(1, "%s %d %.1f %.2f %s\n", "a", 1, 2.5, 0.25, "b") < 0) {
        return 1;
    }
    pid = vfork();
    if (pid == 0) {
        _exit(7);
    }
    return pid < 0 || waitpid(pid, &status, 0) != pid || WEXITSTATUS(status) != 7;
}
C
gcc -O2 -w -o "$dir/early" "$dir/early.c"
for rules in '' 'client early *:1 verify=none'; do
    out=$(SLEEVE_RULES=$rules LD_PRELOAD=$preload "$dir/early") || fail "early calls fail (rules: '$rules')"
    [ "$out" = 'a 1 2.5 0.25 b' ] || fail "arguments were lost: $out"
done
echo 'nothing in programs that no rule names; no listed program without its engine'
