#!/bin/bash
# SPDX-License-Identifier: ISC
# sleeve keygen: what it makes is read by others and serves handshakes; what cannot be made leaves
# nothing behind.
set -u
BUILD=$(realpath "${BUILD:-build}")
S=$BUILD/sleeve
[ -x "$S" ] || { echo "no $S"; exit 1; }
command -v openssl >/dev/null || { echo 'skip: no openssl'; exit 77; }
T=$(mktemp -d /tmp/sleeve-keygen-XXXXXX) || exit 1
server=
trap '[ -n "$server" ] && kill $server 2>/dev/null; chmod -R u+w "$T"; rm -rf "$T"' EXIT
unset SLEEVE_CONFIG SLEEVE_RULES SLEEVE_OFF SLEEVE_LOG LD_PRELOAD
export HOME=$T NO_COLOR=1
cd "$T" || exit 1
failed=0 count=0

bad() { echo "FAIL: $*"; sed 's/^/    out: /' out; sed 's/^/    err: /' err; failed=$((failed + 1)); }
want() { # CODE COMMAND...: runs it with its output in ./out and ./err
    local code=$1 rc
    shift
    count=$((count + 1))
    (timeout 30 "$@"; exit $?) >out 2>err </dev/null
    rc=$?
    [ $rc = "$code" ] || bad "exit $rc instead of $code: $*"
}
says() {
    count=$((count + 1))
    grep -qF -- "$2" "$1" || bad "no '$2' in std$1"
}
holds() {
    count=$((count + 1))
    "$@" >out 2>err </dev/null || bad "$*"
}
fails() {
    count=$((count + 1))
    "$@" >out 2>err </dev/null && bad "should fail: $*"
}
mode_is() { [ "$(stat -c %a "$2")" = "$1" ]; }
same_files() { # nothing but these is in the directory
    local dir=$1
    shift
    count=$((count + 1))
    [ "$(ls -A "$dir" | tr '\n' ' ')" = "${*:+$* }" ] || bad "in $dir: $(ls -A "$dir" | tr '\n' ' '), not $*"
}
free_port() { python3 -c 'import socket; s=socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

# ---- a root, an intermediate, and what they sign --------------------------------------------------
mkdir k
want 0 "$S" keygen ca -n 'Test root' -o k
want 0 "$S" keygen intermediate -n 'Test intermediate' -C k -o k/sub
says out "whole chain  $T/k/sub-chain.pem"; says out "sleeve keygen server -n HOST -C $T/k/sub.pem"
holds mode_is 600 k/sub.key
holds mode_is 644 k/sub.pem
holds mode_is 644 k/sub-chain.pem
count=$((count + 1)); [ "$(grep -c BEGIN k/sub.pem),$(grep -c BEGIN k/sub-chain.pem)" = 1,2 ] || bad 'which certificates are where'
holds openssl verify -x509_strict -CAfile k/ca.pem k/sub.pem
openssl x509 -in k/sub.pem -noout -text >out; says out 'CA:TRUE, pathlen:0'; says out 'Certificate Sign'
openssl x509 -in k/ca.pem -noout -text >out
count=$((count + 1)); grep -q pathlen out && bad 'a root has no path length unless it is asked for'

for type in ecdsa p256 p384 ed25519 rsa rsa2048 rsa3072 rsa4096; do
    want 0 "$S" keygen server -t $type -n localhost -n 127.0.0.1 -C k/sub -o k/$type
    says out '(behind it: 1 intermediate CA, to be sent along)'
    count=$((count + 1)); [ "$(grep -c BEGIN k/$type.pem)" = 2 ] || bad 'the intermediate is not behind the certificate'
    holds openssl verify -x509_strict -purpose sslserver -CAfile k/ca.pem -untrusted k/$type.pem k/$type.pem
    openssl pkey -in k/$type.key -noout -text >out 2>err
    case $type in
    ecdsa | p256) says out 'NIST CURVE: P-256' ;;
    p384) says out 'NIST CURVE: P-384' ;;
    ed25519) says out 'ED25519' ;;
    rsa) says out '(3072 bit' ;;
    rsa*) says out "(${type#rsa} bit" ;;
    esac
    port=$(free_port)
    openssl s_server -accept 127.0.0.1:$port -cert k/$type.pem -cert_chain k/sub.pem -key k/$type.key -quiet >server.out 2>&1 </dev/null & server=$!
    for i in $(seq 100); do (: </dev/tcp/127.0.0.1/$port) 2>/dev/null && break; sleep 0.05; done
    want 0 "$S" connect -C k/ca.pem localhost:$port;     says out 'verified  localhost'
    holds openssl s_client -connect 127.0.0.1:$port -CAfile k/ca.pem -verify_return_error -verify_hostname localhost
    kill $server; wait $server 2>/dev/null; server=
    # as PKCS#12 as well; others read it
    echo "pass of $type" >pass
    want 0 "$S" keygen client -t $type -n bob -C k/sub -o k/$type -p -P pass;  says out "$T/k/$type.p12"
    holds mode_is 600 k/$type.p12
    holds openssl pkcs12 -in k/$type.p12 -passin file:pass -noout
    fails openssl pkcs12 -in k/$type.p12 -passin pass:other -noout
    openssl pkcs12 -in k/$type.p12 -passin file:pass -nodes -out p12.pem 2>err
    holds openssl verify -purpose sslclient -x509_strict -CAfile k/ca.pem -untrusted p12.pem p12.pem
    count=$((count + 1)); [ "$(openssl x509 -in p12.pem -pubkey -noout)" = "$(openssl pkey -in p12.pem -pubout)" ] || bad 'key and certificate'
    count=$((count + 1)); [ -e k/$type-client.key ] && bad 'a key lies about'
done
openssl pkcs12 -in k/ecdsa.p12 -passin 'pass:pass of ecdsa' -info -noout >out 2>&1
says out 'MAC: sha256'; says out 'PBES2, PBKDF2, AES-256-CBC, Iteration 100000, PRF hmacWithSHA256'
fails grep -iE 'RC2|3DES|40-bit' out

# ---- serial numbers: 128 random bits, positive ----------------------------------------------------
for f in ca sub ecdsa rsa ed25519; do openssl x509 -in k/$f.pem -noout -serial; done >serials
count=$((count + 1)); [ "$(sort -u serials | wc -l)" = 5 ] || bad 'serial numbers are not unique'
count=$((count + 1)); [ "$(grep -cE '^serial=01[0-9A-F]{32}$' serials)" = 5 ] || bad "serial numbers: $(cat serials)"

# ---- days -----------------------------------------------------------------------------------------
lasts() { # FILE DAYS: for that long, and no day longer
    holds openssl x509 -in "$1" -noout -checkend $((($2 - 1) * 86400))
    fails openssl x509 -in "$1" -noout -checkend $((($2 + 1) * 86400))
}
lasts k/ca.pem 3650; lasts k/sub.pem 1825; lasts k/ecdsa.pem 365
want 0 "$S" keygen server -n a -C k -o k/d397 -d 397; lasts k/d397.pem 397
count=$((count + 1)); grep -q Browsers out && bad '397 days are fine'
want 0 "$S" keygen server -n a -C k -o k/d398 -d 398; says out 'Browsers do not take'; lasts k/d398.pem 398

# ---- limits on CAs --------------------------------------------------------------------------------
want 1 "$S" keygen intermediate -C k/sub -o k/subsub;                     says err 'k/sub-chain.pem may not sign for another CA (its path length is 0)'
want 0 "$S" keygen ca -l 1 -o k/one
want 1 "$S" keygen intermediate -C k/one.pem -l 1 -o k/two;               says err 'allows a --path-length of 0 at most'
want 0 "$S" keygen intermediate -C k/one.pem -l 0 -o k/two
want 0 "$S" keygen intermediate -C k -l 1 -o k/upper
want 1 "$S" keygen intermediate -C k/upper -o k/lower;                    says err 'needs another name than the one above it: --name'
want 0 "$S" keygen intermediate -C k/upper -n 'Lower CA' -o k/lower
count=$((count + 1)); [ "$(grep -c BEGIN k/lower.pem),$(grep -c BEGIN k/lower-chain.pem)" = 2,3 ] || bad 'which certificates are where'
want 0 "$S" keygen server -C k/lower -n deep.test -o k/deep;              says out "ca          = $T/k/lower-chain.pem"
mv k/lower-chain.pem k/elsewhere.pem
want 0 "$S" keygen server -C k/lower -n deep.test -o k/deep2;             says out 'the root above CN=Lower CA'
holds openssl verify -x509_strict -CAfile k/ca.pem -untrusted k/deep2.pem k/deep2.pem
count=$((count + 1)); [ "$(grep -c BEGIN k/deep.pem),$(grep -c BEGIN k/deep2.pem)" = 3,3 ] || bad 'which certificates are where'
holds openssl verify -x509_strict -CAfile k/ca.pem -untrusted k/deep.pem k/deep.pem
want 0 "$S" keygen intermediate -C k -O corp.test -O other.test -o k/only
openssl x509 -in k/only.pem -noout -text >out; says out 'DNS:corp.test'; says out 'DNS:other.test'; says out 'IP:0.0.0.0/0.0.0.0'
want 0 "$S" keygen server -C k/only -n corp.test -n a.corp.test -n '*.other.test' -o k/inside
holds openssl verify -x509_strict -CAfile k/ca.pem -untrusted k/inside.pem k/inside.pem
for n in corp.test.evil.test xcorp.test 127.0.0.1 ::1; do
    want 1 "$S" keygen server -C k/only -n "$n" -o k/outside;             says err 'may not speak for'
done
want 1 "$S" keygen ca -O 'a b' -o k/x;                                    says err "'a b' is not a domain"
want 1 "$S" keygen ca -O 10.0.0.1 -o k/x;                                 says err 'is not a domain'
want 1 "$S" keygen ca -l 8 -o k/x;                                        says err "'8' is not a number of CAs (0 to 7)"
want 1 "$S" keygen server -n a -C k -l 0 -o k/x;                          says err 'are for CAs'
want 1 "$S" keygen client -n a -C k -O a.test -o k/x;                     says err 'are for CAs'
want 1 "$S" keygen ca -p -o k/x;                                          says err "a CA's key is kept as PEM"
want 1 "$S" keygen server -n a -C k -P pass -o k/x;                       says err '--passphrase goes with --pkcs12'
long=$(printf 'a%.0s' $(seq 40)).$(printf 'b%.0s' $(seq 40)).test
want 0 "$S" keygen server -C k -n "$long" -o k/long
holds openssl verify -x509_strict -CAfile k/ca.pem -verify_hostname "$long" k/long.pem
want 1 "$S" keygen server -C k/nothing -n a -o k/x;                       says err 'there is no k/nothing.pem'
openssl pkey -in k/ca.key -aes256 -passout pass:secret -out k/locked.key
want 1 "$S" keygen server -C k/ca.pem,k/locked.key -n a -o k/x;           says err 'encrypted'
holds test ! -e k/x.pem -a ! -e k/x.key -a ! -e k/outside.key -a ! -e k/outside.pem

# ---- the passphrase -------------------------------------------------------------------------------
: >empty; printf '\nsecond\n' >blank; head -c 1024 /dev/zero | tr '\0' x >toolong; head -c 1023 /dev/zero | tr '\0' x >justright
for f in empty blank toolong; do
    want 1 "$S" keygen client -n a -C k -o k/x -p -P $f;                  says err "the first line of $f is no passphrase"
done
want 1 "$S" keygen client -n a -C k -o k/x -p -P none;                    says err 'none'
want 1 setsid "$S" keygen client -n a -C k -o k/x -p;                     says err 'there is no terminal to ask for it'
holds test ! -e k/x.p12
want 0 "$S" keygen client -n a -C k -o k/crlf -p -P <(printf 'one\r\nmore')
holds openssl pkcs12 -in k/crlf.p12 -passin pass:one -noout
want 0 "$S" keygen client -n a -C k -o k/just -p -P justright
holds openssl pkcs12 -in k/just.p12 -passin file:justright -noout
# at a terminal: asked twice, never shown
cat >ask.py <<'PY'
import os, pty, select, sys, time
answers = [a.encode() for a in sys.argv[1].split("|")]
pid, fd = pty.fork()
if pid == 0:
    os.execv(sys.argv[2], sys.argv[2:])
seen, end, asked = b"", time.time() + 20, 0
while time.time() < end:
    if not select.select([fd], [], [], 0.2)[0]:
        continue
    try:
        got = os.read(fd, 4096)
    except OSError:
        break
    if not got:
        break
    seen += got
    if asked < len(answers) and seen.endswith((b"file: ", b"again: ")) and (asked == 0 or seen.endswith(b"again: ")):
        os.write(fd, answers[asked] + b"\n")
        asked += 1
sys.stdout.buffer.write(seen)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
PY
want 0 python3 ask.py 'my secret|my secret' "$S" keygen client -n a -C k -o k/typed -p
says out 'passphrase for the PKCS#12 file: '; says out 'the same again: '
fails grep -q 'my secret' out
holds openssl pkcs12 -in k/typed.p12 -passin 'pass:my secret' -noout
want 1 python3 ask.py 'my secret|another' "$S" keygen client -n a -C k -o k/typo -p; says out 'are not the same'
want 1 python3 ask.py '|' "$S" keygen client -n a -C k -o k/typo -p;                 says out 'it is empty'
holds test ! -e k/typo.p12

# ---- files: all of them or none -------------------------------------------------------------------
mkdir w
for mask in 000 022 077 777; do
    rm -f w/*
    want 0 bash -c "umask $mask; exec '$S' keygen server -n a -C k -o w"
    holds mode_is 600 w/server.key
    holds mode_is 644 w/server.pem
done
same_files w server.key server.pem
cp w/server.key old.key; cp w/server.pem old.pem
for there in server.key server.pem; do # one is enough to refuse
    rm -f w/*; cp old.${there##*.} w/$there
    want 1 "$S" keygen server -n a -C k -o w;                             says err "w/$there is there already; --force"
    same_files w $there; holds cmp w/$there old.${there##*.}
done
rm -f w/*; ln -s nowhere w/server.pem
want 1 "$S" keygen server -n a -C k -o w;                                 says err 'is there already'
same_files w server.pem
want 0 "$S" keygen server -n a -C k -o w -f
holds test ! -L w/server.pem -a ! -e w/nowhere
chmod 666 w/server.key; cp w/server.key old.key
want 0 "$S" keygen server -n a -C k -o w --force
holds mode_is 600 w/server.key
fails cmp w/server.key old.key
same_files w server.key server.pem
rm -f w/*; mkdir w/server.pem
want 1 "$S" keygen server -n a -C k -o w -f;                              says err 'w/server.pem is a directory'
same_files w server.pem; rmdir w/server.pem
as=
if [ "$(id -u)" = 0 ]; then # permissions do not stop root
    as='setpriv --reuid 65534 --regid 65534 --clear-groups'
    chmod 755 .
fi
cp -r k readable; chmod -R a+rX readable
if $as test -x "$S" -a -r readable/ca.key 2>err; then
    chmod 555 w
    want 1 $as "$S" keygen server -n a -C readable -o w;                  says err 'w/server.key: Permission denied'
    chmod 700 w
fi
same_files w
# a full disk: whatever is the first that does not fit, nothing is left
full() { python3 -c 'import os, resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]),) * 2); os.execv(sys.argv[2], sys.argv[2:])' "$@" 2>&1 | cat; }
for bytes in 0 1 200 300 600; do
    full $bytes "$S" keygen server -n a -C k -o w >said
    count=$((count + 1)); grep -q 'File too large' said || bad "no sentence at $bytes: $(cat said)"
    same_files w
done
cp old.key w/server.key; cp old.pem w/server.pem
for bytes in 0 300; do # with --force the old ones stay
    full $bytes "$S" keygen server -n a -C k -o w -f >said
    same_files w server.key server.pem
    holds cmp w/server.key old.key; holds cmp w/server.pem old.pem
done
full 2000 "$S" keygen server -n a -C k -o w -f >said
fails cmp w/server.key old.key

echo "$count checks, $failed failed"
[ $failed = 0 ]
