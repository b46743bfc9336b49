#!/bin/bash
# SPDX-License-Identifier: ISC
# The program `sleeve`: every command, its exit codes, what it writes and what it refuses.
set -u
BUILD=$(realpath "${BUILD:-build}")
S=$BUILD/sleeve
[ -x "$S" ] || { echo "no $S"; exit 1; }
command -v openssl >/dev/null || { echo 'skip: no openssl'; exit 77; }
T=$(mktemp -d /tmp/sleeve-launcher-XXXXXX) || exit 1
server=
trap '[ -n "$server" ] && kill $server 2>/dev/null; rm -rf "$T"' EXIT
unset SLEEVE_CONFIG SLEEVE_RULES SLEEVE_OFF SLEEVE_LOG LD_PRELOAD
export HOME=$T NO_COLOR=1
cd "$T" || exit 1
failed=0 count=0

bad() { echo "FAIL: $*"; sed 's/^/    out: /' out; sed 's/^/    err: /' err; failed=$((failed + 1)); }
# want CODE COMMAND...: runs it with its output in ./out and ./err
want() {
    local code=$1 rc
    shift
    count=$((count + 1))
    (timeout 20 "$@"; exit $?) >out 2>err </dev/null
    rc=$?
    [ $rc = "$code" ] || bad "exit $rc instead of $code: $*"
}
# says FILE TEXT: the last command wrote TEXT to it
says() {
    count=$((count + 1))
    grep -qF -- "$2" "$1" || bad "no '$2' in std$1"
}
silent() {
    count=$((count + 1))
    [ ! -s "$1" ] || bad "std$1 is not empty"
}
holds() {
    count=$((count + 1))
    "$@" >out 2>err || bad "$*"
}
mode_is() { [ "$(stat -c %a "$2")" = "$1" ]; }

# ---- usage ------------------------------------------------------------------------------------
want 1 "$S";               says err 'usage: sleeve COMMAND'; silent out
want 1 "$S" dance;         says err "there is no command 'dance'"; silent out
want 0 "$S" --help;        says out 'keygen'; silent err
want 0 "$S" -h;            says out 'keygen'
want 0 "$S" --version;     says out 'sleeve '; silent err
for c in run check explain connect keygen; do
    want 0 "$S" $c --help; says out "usage: sleeve $c"; says out 'Exit:'; silent err
    want 1 "$S" $c --dance; says err 'unknown option --dance'; says err "usage: sleeve $c"; silent out
done
want 0 "$S" inspect --help;  says out 'usage: sleeve inspect'; says out 'Exit:'; silent err
want 2 "$S" inspect --dance; says err 'unknown option --dance'; says err 'usage: sleeve inspect'; silent out
want 1 "$S" run;           says err 'there is no COMMAND'
want 1 "$S" run --;        says err 'there is no COMMAND'
want 1 "$S" run -c;        says err '-c needs a value'
want 1 "$S" keygen;        says err 'ca, intermediate, server or client'
want 1 "$S" keygen cow;    says err 'ca, intermediate, server or client'
want 1 "$S" keygen ca ca;  says err 'ca, intermediate, server or client'
want 1 "$S" connect;       says err 'there is no HOST:PORT'
for a in x x: :1 x:0 x:65536 x:1y ::1 '[::1]' x:123456; do
    want 1 "$S" connect "$a"; says err "'$a' is not HOST:PORT"
    want 1 "$S" explain "$a"; says err "'$a' is not HOST:PORT"
done
count=$((count + 1))
"$S" --help >/dev/full 2>err && bad 'a full disk was not noticed'

# ---- keygen -----------------------------------------------------------------------------------
want 1 "$S" keygen server -n a;  says err 'there is no ./ca.pem'; says err 'sleeve keygen ca'
mkdir k
umask 000
want 0 "$S" keygen ca -o k/;     says out "$T/k/ca.pem"; silent err
umask 022
holds mode_is 600 k/ca.key
holds mode_is 644 k/ca.pem
holds openssl x509 -in k/ca.pem -noout -checkend $((3648 * 86400))
openssl x509 -in k/ca.pem -noout -text >out
says out 'CA:TRUE'; says out 'Certificate Sign'; says out 'Version: 3'
cp k/ca.pem k/ca.key .
want 1 "$S" keygen ca;           says err 'is there already; --force'
holds cmp ca.pem k/ca.pem
holds cmp ca.key k/ca.key
want 0 "$S" keygen ca --force -n 'Our CA' -d 100
count=$((count + 1)); cmp -s ca.key k/ca.key && bad '--force wrote no new key'
says out 'Next:'
openssl x509 -in ca.pem -noout -subject >out; says out 'Our CA'
rm ca.pem; want 1 "$S" keygen ca; says err 'ca.key is there already'
count=$((count + 1)); [ ! -e ca.pem ] || bad 'a certificate without its key was written'
rm -f ca.key

for type in ecdsa rsa ed25519; do
    want 0 "$S" keygen server -C k -o k/$type -t $type -n localhost -n '*.example.net' -n 127.0.0.1 -n ::1
    silent err
    holds openssl verify -CAfile k/ca.pem -purpose sslserver -x509_strict k/$type.pem
    holds openssl verify -CAfile k/ca.pem -verify_hostname a.example.net k/$type.pem
    holds openssl verify -CAfile k/ca.pem -verify_ip ::1 k/$type.pem
    count=$((count + 1))
    openssl verify -CAfile k/ca.pem -verify_hostname example.org k/$type.pem >out 2>err && bad 'wrong name'
    openssl verify -CAfile k/ca.pem -purpose sslclient k/$type.pem >out 2>err && bad 'a server certificate is no client certificate'
    openssl x509 -in k/$type.pem -noout -text >out
    says out 'CA:FALSE'; says out 'TLS Web Server Authentication'; says out 'DNS:localhost'; says out 'IP Address:127.0.0.1'
    openssl x509 -in k/$type.pem -noout -pubkey >a.pub
    openssl pkey -in k/$type.key -pubout >b.pub 2>err
    holds cmp a.pub b.pub
    holds mode_is 600 k/$type.key
done
openssl x509 -in k/rsa.pem -noout -text >out; says out '(3072 bit)'
want 0 "$S" keygen client -C k/ca.pem,k/ca.key -o k/client -n bob; says out 'client-auth = require'
holds openssl verify -CAfile k/ca.pem -purpose sslclient -x509_strict k/client.pem
openssl x509 -in k/client.pem -noout -subject >out; says out 'bob'
want 0 "$S" keygen server -C k -n x.test -d 5 -o k/soon
holds openssl x509 -in k/soon.pem -noout -checkend $((4 * 86400))
count=$((count + 1)); openssl x509 -in k/soon.pem -noout -checkend $((6 * 86400)) >out && bad '--days 5 is more'
want 0 "$S" keygen ca -d 2 -o k/short
want 0 "$S" keygen server -C k/short.pem,k/short.key -n x -o k/short-server
count=$((count + 1)); openssl x509 -in k/short-server.pem -noout -checkend $((3 * 86400)) >out && bad 'outlives its CA'
want 1 "$S" keygen server -C k -o k/x;                says err 'a server needs --name'
want 1 "$S" keygen client -C k -o k/x -n a -n b;      says err 'has one --name'
want 1 "$S" keygen server -C k -o k/x -n 'a b';       says err 'neither a host name nor an address'
want 1 "$S" keygen server -C k -o k/x -n '';          says err 'a name is empty'
want 1 "$S" keygen server -C k -o k/x -n 'a.*.b';     says err 'neither a host name'
for d in 0 -1 x 36501 '' 1x; do
    want 1 "$S" keygen ca -o k/x -d "$d";             says err 'is not a number of days'
done
want 1 "$S" keygen ca -o k/x -t dsa;                  says err 'is not ecdsa, p384, ed25519, rsa'
want 1 "$S" keygen ca -o none/;                       says err 'there is no such directory'
want 1 "$S" keygen ca -o none/x;                      says err 'No such file or directory'
want 1 "$S" keygen server -C k/ecdsa.pem,k/ecdsa.key -o k/x -n a;  says err 'is not the certificate of a CA'
want 1 "$S" keygen server -C k/ca.pem,k/ecdsa.key -o k/x -n a;     silent out
holds test ! -e k/x.pem -a ! -e k/x.key
count=$((count + 1)); ls k | grep -q tmp && bad 'a temporary file was left'

# ---- check ------------------------------------------------------------------------------------
cat >c.conf <<CONF
[defaults]
ca = k/ca.pem
[app redis-cli]
[rule redis-cli cache]
role = client
match = *.lan:6379 10.0.0.0/8:6379
to-port = 6380
[rule redis-cli rest]
role = client
match = *:*
action = refuse
[app redis-server]
[rule redis-server tls]
role = server
match = local *:6379
cert = k/ecdsa.pem
key = k/ecdsa.key
client-ca = k/ca.pem
CONF
want 0 "$S" check c.conf
says out 'redis-cli'; says out '*.lan:6379 10.0.0.0/8:6379'; says out 'tls, verify full, to port 6380'; says out 'refuse'
says out 'client certificate require, own certificate until'; says out '3 rules, 0 errors, 0 warnings: in order'; silent err
says out 'redis-server tls: read again when it changes: k/ecdsa.pem'
says out 'redis-server tls: read again when it changes: k/ecdsa.key'
says out 'redis-cli cache: read again when it changes: k/ca.pem'
want 0 env SLEEVE_CONFIG=$T/c.conf "$S" check;      says out '3 rules'
pin=$(openssl x509 -in k/ecdsa.pem -noout -pubkey | openssl pkey -pubin -outform DER | openssl dgst -sha256 -binary | base64)
cat >d.conf <<CONF
[app web]
[rule web two]
role = server
match = *:443
cert = k/ecdsa.pem
key = k/ecdsa.key
cert = k/rsa.pem
key = k/rsa.key
cert = k/soon.pem
key = k/soon.key
reload = no
[rule web out]
role = client
match = *:80
ca = k/ca.pem
pins = sha256//$pin;sha256//$pin
revocation = soft
partial-chain = yes
weak-certificates = no
CONF
want 0 "$S" check d.conf;                           says out 'k/soon.pem (CN=x.test) expires in '; says out '2 rules, 0 errors, 1 warning'
says out 'web out: read again'; count=$((count + 1)); grep -q 'web two: read again' out && bad 'reload = no'
sed -i 's,key = k/rsa.key,key = k/soon.key,' d.conf
want 1 "$S" check d.conf;                           says out 'd.conf:7: cert = k/rsa.pem: the private key does not belong'
want 1 "$S" check;                                  says err 'there is no configuration'
want 1 "$S" check none.conf;                        says out 'No such file or directory'
want 1 "$S" check a b;                              says err 'one configuration at a time'
want 0 "$S" check -r 'client * *:1 verify=none';    says out 'verify = none: anyone in between'; says out '1 warning'
want 1 "$S" check -r 'client';                      says out 'rule 1: it must begin'
sed 's/^cert =/cerrt =/; s/^role = client/role = clint/' c.conf >bad.conf
want 1 "$S" check bad.conf
says out "bad.conf:16: unknown key 'cerrt' in [rule redis-server tls]; did you mean 'cert'?"
says out 'bad.conf:5: role = clint'; says out 'bad.conf:9: role = clint'; says out 'it will not be used'
chmod 666 bad.conf; want 1 "$S" check bad.conf;     says out 'can be written by others'; chmod 600 bad.conf
want 1 "$S" check -r 'server * *:1 cert=k/ecdsa.pem key=k/rsa.key';   says out 'cert = k/ecdsa.pem'
want 1 "$S" check -r 'server * *:1 cert=k/ecdsa.pem key=k/none.key';  says out 'none.key'
want 1 "$S" check -r 'server * *:1 cert=k/ecdsa.key';                 says out 'k/ecdsa.key'
want 1 "$S" check -r 'client * *:1 ca=k/none.pem';                    says out 'k/none.pem'
want 1 "$S" check -r 'client * *:25 starttls=gopher';                 says out 'it is one of'
want 0 "$S" check -r 'server * *:1 cert=k/soon.pem key=k/soon.key';   says out 'expires in '; says out '1 warning'
cp k/ecdsa.key open.key; chmod 644 open.key
want 0 "$S" check -r 'server * *:1 cert=k/ecdsa.pem key=open.key';    says out 'is open to others (mode 644)'
openssl pkcs8 -topk8 -in k/ecdsa.key -passout pass:secret -out locked.key
echo secret >pass; echo wrong >wrong; : >empty
want 0 "$S" check -r 'server * *:1 cert=k/ecdsa.pem key=locked.key key-pass=pass'
want 1 "$S" check -r 'server * *:1 cert=k/ecdsa.pem key=locked.key key-pass=wrong'
want 1 "$S" check -r 'server * *:1 cert=k/ecdsa.pem key=locked.key key-pass=empty';  says out 'passphrase'
want 1 "$S" check -r 'server * *:1 cert=k/ecdsa.pem key=locked.key'
mkdir db && touch db/index && echo 01 >db/serial
cat >ca.cnf <<CONF
[ca]
default_ca = d
[d]
database = db/index
new_certs_dir = db
serial = db/serial
default_md = sha256
policy = p
[p]
commonName = supplied
CONF
openssl req -new -key k/ecdsa.key -subj /CN=old -out old.csr 2>err
for dates in '20200101000000Z 20210101000000Z old expired' '20900101000000Z 20910101000000Z new not.valid.before'; do
    set -- $dates
    openssl ca -config ca.cnf -batch -notext -selfsign -keyfile k/ecdsa.key -in old.csr -startdate "$1" -enddate "$2" -out "$3.pem" >out 2>err ||
        bad 'openssl ca'
    : >db/index
    want 1 "$S" check -r "server * *:1 cert=$3.pem key=k/ecdsa.key"
    count=$((count + 1)); grep -q "$4" out || bad "no $4"
done

# ---- explain ----------------------------------------------------------------------------------
want 0 "$S" explain -c c.conf -a redis-cli 10.1.2.3:6379;    says out 'redis-cli cache (c.conf:4)'; says out 'yes, by the address'; says out '=> TLS, name 10.1.2.3, verify full, to port 6380'
want 0 "$S" explain -c c.conf -a redis-cli 10.1.2.3:6378;    says out 'no, another port'; says out '=> refused'
want 0 "$S" explain -c c.conf -a redis-cli 11.1.2.3:6379;    says out 'no, another host'; says out '=> refused'
want 0 "$S" explain -c c.conf -a redis-cli '[::ffff:10.1.2.3]:6379'; says out '=> TLS'
want 0 "$S" explain -c c.conf -s 127.0.0.1:6379;             says out 'redis-server tls'; says out '=> TLS, as server'
want 1 "$S" explain -c c.conf -s 127.0.0.1:6380;             says out '=> no rule'
want 0 "$S" explain -c c.conf -s '*:6379';                   says out '=> TLS, as server'
want 1 "$S" explain -c c.conf -s name:6379;                  says err 'is not a local address'
want 1 "$S" explain -c c.conf -a nobody 10.1.2.3:6379;       says err "no rule names 'nobody'"
want 1 "$S" explain -c bad.conf 10.1.2.3:6379;               says err 'bad.conf:16'
want 1 "$S" explain 10.1.2.3:6379;                           says err 'there is no configuration'
want 0 "$S" explain -r 'client x localhost:1 action=bypass' localhost:1;  says out 'by the name that was looked up'; says out '(bypass)'

# ---- run --------------------------------------------------------------------------------------
export SLEEVE_RULES='client * *:1 action=refuse'
want 0 "$S" run true; silent err; silent out
want 0 "$S" run -- true
want 7 "$S" run sh -c 'exit 7'
want 143 "$S" run sh -c 'kill -TERM $$'
want 127 "$S" run no-such-program;        says err 'command not found'
want 127 "$S" run ./no-such-program;      says err 'No such file'
want 126 "$S" run "$T";                   says err 'not an executable file'
: >plain; want 126 "$S" run ./plain;      says err 'not an executable file'
mkdir path; : >path/deaf; want 126 env PATH="$T/path:$PATH" "$S" run deaf;  says err 'permission denied'
chmod +x plain; want 2 "$S" run ./plain;  says err 'neither an ELF program nor a script'
want 0 "$S" run -- echo -c --rule "a  b";  says out '-c --rule a  b'
count=$((count + 1))
[ "$(echo through | "$S" run cat)" = through ] || bad 'standard input'
"$S" run sh -c 'echo $$; sleep 0' >out & pid=$!; wait $pid
says out "$pid"                                                        # in place: the same process
want 0 "$S" run env;                      says out "LD_PRELOAD=$BUILD/libsleeve-preload.so:$BUILD/libsleeve-preload.so"
count=$((count + 1)); grep -q SLEEVE_HELLO out && bad 'SLEEVE_HELLO reached the program'
want 0 sh -c 'ls /proc/self/fd'; cp out fds
want 0 "$S" run sh -c 'ls /proc/self/fd'
count=$((count + 1)); cmp -s fds out || bad 'a descriptor more than without'
want 0 env LD_PRELOAD=libm.so.6 "$S" run env;  says out "LD_PRELOAD=$BUILD/libsleeve-preload.so:$BUILD/libsleeve-preload.so:libm.so.6"
want 0 "$S" run sh -c 'cat /proc/$$/task/$$/children'; count=$((count + 1)); [ "$(wc -w <out)" -le 1 ] || bad 'the watcher is a child of the program'
# Signals go to the program itself.
"$S" run sh -c 'trap "exit 9" TERM; echo up; while :; do sleep 0.05; done' >out 2>err & pid=$!
for i in $(seq 100); do grep -q up out && break; sleep 0.05; done
kill -TERM $pid; wait $pid; rc=$?; count=$((count + 1)); [ $rc = 9 ] || bad "TERM gave $rc"

# Which programs
unset SLEEVE_RULES
cat >r.conf <<CONF
[app sh]
[rule sh a]
role = client
match = *:1
action = refuse
[app shell]
exe = /bin/sh
[rule shell a]
role = client
match = *:1
action = refuse
[app tool]
script = tool.sh
[rule tool a]
role = client
match = *:1
action = refuse
CONF
want 0 "$S" run -c r.conf sh -c true
want 2 "$S" run -c r.conf true;           says err "no rule names 'true' in $T/r.conf; add [app true]"; silent out
want 2 "$S" run true;                     says err 'there is no configuration'
want 2 "$S" run -r 'client x *:1 action=refuse' true;  says err "no rule names 'true'"
want 2 "$S" run -c none.conf true;        says err 'No such file'
want 2 "$S" run -c bad.conf redis-cli;    says err 'bad.conf:16'
want 2 "$S" run -r 'server * *:1 cert=k/none.pem' true;  says err 'k/none.pem'
want 2 env SLEEVE_OFF=1 "$S" run -c r.conf sh;  says err 'SLEEVE_OFF is set'
chmod 666 r.conf; want 2 "$S" run -c r.conf sh; says err 'can be written by others'; chmod 600 r.conf
ln -s /bin/true linked
want 0 "$S" run -r 'client linked *:1 action=refuse' ./linked
printf '#!/bin/sh\necho "$0" "$@"\n' >script.sh; printf '#! /usr/bin/env  sh\necho tool "$@"\n' >tool.sh
printf '#!/usr/bin/env no-such-interpreter\n' >lost.sh; printf '#!\n' >none.sh; printf '#!./loop.sh\n' >loop.sh
printf '#!/usr/bin/env -S -i sh\n' >bare.sh; printf '#!./static-program\n' >st.sh; printf '#!/usr/bin/env -S sh -e\necho split\n' >split.sh
chmod +x ./*.sh
want 0 "$S" run -r 'client script.sh *:1 action=refuse' ./script.sh a b;  says out './script.sh a b'
want 0 "$S" run -c r.conf ./tool.sh x;    says out 'tool x'
want 0 "$S" run -c r.conf ./script.sh;    says out './script.sh'   # its interpreter is sh
want 0 "$S" run -c r.conf ./split.sh;     says out 'split'
want 2 "$S" run -c r.conf ./bare.sh;      says err 'empty the environment'
want 127 "$S" run -c r.conf ./lost.sh;    says err 'command not found'
want 126 "$S" run -c r.conf ./none.sh;    says err 'names no interpreter'
want 126 "$S" run -c r.conf ./loop.sh;    says err 'from script to script'

# What no library can be put under
export SLEEVE_RULES='client * *:1 action=refuse'
if command -v gcc >/dev/null; then
    echo 'int main(void) { return 0; }' >m.c
    if gcc -static -o static-program m.c 2>err; then
        want 2 "$S" run ./static-program; says err 'is linked statically'; silent out
        want 2 "$S" run ./st.sh;          says err 'is linked statically'
    fi
    gcc -static-pie -o static-pie m.c 2>err && { want 2 "$S" run ./static-pie; says err 'is linked statically'; }
    echo 'int main(void) { return 0; } __attribute__((section(".go.buildinfo"))) char go[16] = "x";' >g.c
    gcc -o go-program g.c; want 2 "$S" run ./go-program;  says err 'is a Go program'
    gcc -Wl,--dynamic-linker=/lib/ld-musl-x86_64.so.1 -o musl m.c; want 2 "$S" run ./musl;  says err 'musl'
    gcc -Wl,--dynamic-linker=/lib/other -o other m.c; want 2 "$S" run ./other;  says err 'unknown dynamic linker'
    gcc -o normal m.c; want 0 "$S" run ./normal
    cp normal narrow; printf '\001' | dd of=narrow bs=1 seek=4 conv=notrunc 2>err; want 2 "$S" run ./narrow;  says err 'word size'
    # Cut anywhere: a sentence, never a crash.
    for n in 1 2 4 5 16 63 64 65 100 200 600 700; do
        head -c $n normal >cut; chmod +x cut
        timeout 10 "$S" run ./cut >out 2>err; rc=$?; count=$((count + 1))
        { [ $rc = 2 ] || [ $rc = 126 ]; } && [ -s err ] || bad "cut at $n: $rc"
    done
    if [ "$(id -u)" = 0 ]; then
        cp normal other-user; chown 65534 other-user; chmod u+s other-user
        want 2 "$S" run ./other-user;     says err 'set-user-ID'
        chmod 755 "$T"; cp normal able
        if setcap cap_net_bind_service+ep able 2>err && setpriv --reuid 65534 --clear-groups test -x "$S"; then
            want 2 setpriv --reuid 65534 --clear-groups "$S" run ./able;  says err 'file capabilities'
        fi
    else
        [ -u /usr/bin/passwd ] && { want 2 "$S" run /usr/bin/passwd;  says err 'set-user-ID'; }
    fi
    # A program in which the library does not come to life is killed.
    mkdir mute; cp "$S" mute/; echo 'int x;' >x.c; gcc -shared -o mute/libsleeve-preload.so x.c
    start=$(date +%s)
    want 137 mute/sleeve run sleep 15;    says err 'no sign of life'
    count=$((count + 1)); [ $(($(date +%s) - start)) -lt 10 ] || bad 'it took too long'
    want 0 mute/sleeve run true; silent err                            # ended by itself: nothing to say
    # ... or says that it cannot work, or that it is not meant, or dies in the middle of a word.
    cat >said.c <<'C'
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
__attribute__((constructor)) static void say(void)
{
    const char *hello = getenv("SLEEVE_HELLO");

    if (hello) {
        write(atoi(hello), WORD, sizeof WORD - CUT);
        close(atoi(hello));
        unsetenv("SLEEVE_HELLO");
    }
}
C
    said() { gcc -w -shared -fPIC -DWORD="\"$1\"" -DCUT="$2" -o mute/libsleeve-preload.so said.c; }
    said '-out of luck' 0; want 137 mute/sleeve run sleep 15;  says err 'sleep was stopped: out of luck'
    said '-' 0;            want 137 mute/sleeve run sleep 15;  says err 'could not be set up'
    said 0 0;              want 137 mute/sleeve run sleep 15;  says err 'no rule names the program'
    said '-out of' 1;      want 137 mute/sleeve run sleep 15;  says err 'was stopped: out of'
    said '+' 0;            want 0 mute/sleeve run sleep 0.3;   silent err
fi
unset SLEEVE_RULES

# ---- connect ----------------------------------------------------------------------------------
if [ -e "$BUILD/sleeve" ]; then
    port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
    openssl s_server -accept 127.0.0.1:$port -cert k/ecdsa.pem -key k/ecdsa.key -tls1_3 -quiet >server.out 2>&1 </dev/null & server=$!
    for i in $(seq 100); do (: </dev/tcp/127.0.0.1/$port) 2>/dev/null && break; sleep 0.05; done
    want 0 "$S" connect -C k/ca.pem 127.0.0.1:$port
    says out 'TLSv1.3'; says out 'names     localhost, *.example.net, 127.0.0.1, ::1'; says out 'verified  127.0.0.1'
    says out 'ms TLS'; silent err
    want 0 "$S" connect -C k/ca.pem -n www.example.net localhost:$port;  says out 'verified  www.example.net'
    want 1 "$S" connect -C k/ca.pem -n example.org 127.0.0.1:$port;      silent out
    count=$((count + 1)); [ -s err ] || bad 'no sentence'
    want 1 "$S" connect -C k/short.pem 127.0.0.1:$port;                  silent out
    want 1 "$S" connect -C k/none.pem 127.0.0.1:$port;                   says err 'none.pem'
    kill $server; wait $server 2>/dev/null; server=
    want 1 "$S" connect -C k/ca.pem 127.0.0.1:$port;                     says err 'Connection refused'
fi

echo "$count checks, $failed failed"
[ $failed = 0 ]
