#!/bin/bash
# SPDX-License-Identifier: ISC
# sleeve inspect: for every way in which a chain can be wrong it says which and what to do; files and
# servers; exit codes.
set -u
BUILD=$(realpath "${BUILD:-build}")
S=$BUILD/sleeve
[ -x "$S" ] || { echo "no $S"; exit 1; }
command -v openssl >/dev/null || { echo 'skip: no openssl'; exit 77; }
T=$(mktemp -d /tmp/sleeve-inspect-XXXXXX) || exit 1
server= silence=
trap 'for p in $server $silence; do kill $p 2>/dev/null; done; rm -rf "$T"' EXIT
unset SLEEVE_CONFIG SLEEVE_RULES SLEEVE_OFF SLEEVE_LOG LD_PRELOAD
export HOME=$T
cd "$T" || exit 1
failed=0 count=0

bad() { echo "FAIL: $*"; sed 's/^/    out: /' out | tail -n 20; sed 's/^/    err: /' err | tail -n 10; failed=$((failed + 1)); }
want() { # CODE COMMAND...: runs it with its output in ./out and ./err
    local code=$1 rc
    shift
    count=$((count + 1))
    (timeout 30 "$@"; exit $?) >out 2>err </dev/null
    rc=$?
    [ $rc = "$code" ] || bad "exit $rc instead of $code: $*"
    awk 'length > 80 && NF > 2 { exit 1 }' out || bad "wider than 80 columns: $*"
    grep -q $'\033' out err && bad "colours, and this is no terminal: $*"
    tr '\n|' '  ' <out | tr -s ' ' >flat # sentences are broken into lines
}
says() { # out: in however many lines
    count=$((count + 1))
    if [ "$1" = out ]; then grep -qF -- "$2" flat; else grep -qF -- "$2" "$1"; fi || bad "no '$2' in std$1"
}
never() {
    count=$((count + 1))
    grep -qF -- "$2" flat && bad "'$2' in std$1"
}
silent() {
    count=$((count + 1))
    [ ! -s "$1" ] || bad "std$1 is not empty"
}
fine() { want 0 "$S" inspect "$@"; says out 'nothing is wrong'; never out 'something is wrong'; silent err; }
wrong() { want 1 "$S" inspect "$@"; says out 'something is wrong'; silent err; }
unread() { want 2 "$S" inspect "$@"; }
free_port() { python3 -c 'import socket; s=socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
serve() { # ARGUMENTS of s_server: $port is where
    port=$(free_port)
    timeout 60 openssl s_server -accept 127.0.0.1:$port -quiet "$@" >server.out 2>server.err </dev/null & server=$!
    for i in $(seq 100); do (: </dev/tcp/127.0.0.1/$port) 2>/dev/null && break; sleep 0.05; done
}
stop() { kill $server 2>/dev/null; wait $server 2>/dev/null; server=; }
quietly() { "$@" >made 2>&1 || { echo "FAIL: $*"; cat made; exit 1; }; }

# ---- what there is to look at ---------------------------------------------------------------------
K="quietly $S keygen"
$K ca -n Root; $K intermediate -n Upper -l 1 -o upper; $K intermediate -n Lower -C upper -o lower
$K server -n localhost -n 127.0.0.1 -n ::1 -n a.test -C lower
$K client -n bob -C lower; $K ca -n Stranger -o other; $K server -n a.test -C other -o foreign
cut_out() { awk -v n="$2" '/BEGIN/ { i++ } i == n' "$1"; } # FILE N
cut_out server.pem 1 >leaf.pem; cut_out server.pem 2 >l.pem; cut_out server.pem 3 >u.pem
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout self.key -out self.pem -days 90 -subj /CN=self.test \
    -addext subjectAltName=DNS:self.test -addext basicConstraints=critical,CA:FALSE -addext keyUsage=digitalSignature 2>err
issue() { # NAME CA EXTENSIONS... [-- ARGUMENTS of openssl x509]: a certificate of the key in NAME.key
    local name=$1 ca=$2
    shift 2
    : >ext
    while [ $# -gt 0 ] && [ "$1" != -- ]; do echo "$1" >>ext; shift; done
    [ $# -gt 0 ] && shift
    [ -e $name.key ] || openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out $name.key 2>err
    openssl req -new -key $name.key -subj "/CN=$name" -out $name.csr 2>err
    openssl x509 -req -in $name.csr -CA $ca.pem -CAkey $ca.key -CAcreateserial -days 60 -extfile ext -out $name.pem "$@" 2>err ||
        { echo "FAIL: openssl x509 $name"; cat err; exit 1; }
}
san=subjectAltName=DNS:a.test

# ---- files ----------------------------------------------------------------------------------------
fine -C ca.pem server.pem
says out 'CN=localhost'; says out '`- CN=Lower'; says out '`- CN=Upper'; says out '`- CN=Root'
says out 'names localhost, 127.0.0.1, ::1, a.test'
says out 'key ECDSA P-256'; says out 'signed ECDSA with SHA-256'; says out ' days left'
says out 'use TLS server, signing'; says out 'server.pem (1 of 3)'; says out 'trusted (--ca)'
says out 'use CA (path length 0), signing certificates, signing CRLs'; says out 'CA (path length 1)'
says out 'no name was asked about'
count=$((count + 1)); [ "$(grep -oE '^ *(`- )?CN=[A-Za-z]+' out | tr -d '\` -')" = $'CN=localhost\nCN=Lower\nCN=Upper\nCN=Root' ] || bad 'the order of the tree'
for n in localhost 127.0.0.1 ::1 a.test; do fine -C ca.pem -n $n server.pem; says out "it speaks for $n"; done
fine -C ca.pem leaf.pem l.pem u.pem;              says out 'leaf.pem, l.pem, u.pem'; says out 'from leaf.pem' # spread over files
fine -C ca.pem u.pem leaf.pem l.pem                                             # in whatever order these are
want 0 bash -c "'$S' inspect -C ca.pem /dev/stdin <server.pem"; says out '/dev/stdin (1 of 3)'
openssl x509 -in leaf.pem -outform DER -out leaf.der; fine -C ca.pem leaf.der l.pem u.pem
fine -C ca.pem client.pem;                        says out 'use TLS client, signing'
fine -C ca.pem -c client.pem
wrong -C ca.pem -c server.pem;                    says out 'is not for TLS clients (extended key usage)'; says out 'have one issued for TLS clients'
fine -C ca.pem ca.pem;                            says out 'ca.pem, trusted (--ca)'
fine other.pem;                                   says out 'CN=Stranger'; never out 'trusted'
fine -C ca.pem upper.pem lower.pem;               says out '`- CN=Upper'

wrong server.pem                                  # the system does not know our root
says out '`- missing: CN=Root'; says out 'its issuer CN=Root is neither trusted nor in the chain'; says out 'trust it: --ca FILE'
wrong server.pem ca.pem;                          says out 'the chain ends at CN=Root, which is not trusted'; says out 'if CN=Root is your own, trust it: --ca FILE'
wrong -C ca.pem leaf.pem                          # incomplete
says out '`- missing: CN=Lower'; says out 'no trusted CA for CN=localhost'; says out 'put the certificate of CN=Lower behind the others'
wrong -C ca.pem leaf.pem l.pem;                   says out '`- missing: CN=Upper'; says out 'put the certificate of CN=Upper'
wrong -C ca.pem leaf.pem u.pem;                   says out '`- missing: CN=Lower'; says out 'superfluous: nothing here was issued by CN=Upper'
wrong -C other.pem server.pem;                    says out '`- missing: CN=Root'
wrong lower.pem;                                  says out 'the issuer of CN=Upper is missing: CN=Root'
wrong self.pem;                                   says out 'CN=self.test is self-signed and not trusted'; says out 'if CN=self.test is your own, trust it'
fine -C self.pem -n self.test self.pem
wrong -C ca.pem -n b.test server.pem
says out 'is not for b.test: it names localhost, 127.0.0.1, ::1, a.test'; says out 'have one issued that has b.test among its names'
cat l.pem leaf.pem u.pem >disorder.pem
wrong -C ca.pem disorder.pem
says out 'wrong order: CN=Lower (1 of 3) comes before CN=localhost (2 of 3), which it issued'; says out 'put them in order'
cat leaf.pem u.pem l.pem >disorder.pem;           wrong -C ca.pem disorder.pem; says out 'wrong order: CN=Upper (2 of 3) comes before CN=Lower (3 of 3)'
cat server.pem other.pem >more.pem;               fine -C ca.pem more.pem; says out 'superfluous: nothing here was issued by CN=Stranger (4 of 4)'; says out 'leave it out'
cat leaf.pem server.pem >more.pem;                fine -C ca.pem more.pem; says out 'superfluous: CN=localhost (2 of 4) is there twice'
cp server.key mode.key; chmod 640 mode.key

# dates
wrong -C ca.pem --at 2126-01-01 server.pem
says out 'the certificate CN=localhost expired on'; says out 'renew it, or check'; says out 'CN=Root expired on'; says out 'days ago'
wrong -C ca.pem --at '2020-02-29 12:00' server.pem; says out 'CN=localhost is not valid before'; says out 'days from now'
count=$((count + 1)); [ "$(grep -c 'CN=localhost is not valid before' flat)" = 1 ] || bad 'said twice'
fine -C ca.pem --at "$(date -u -d '+336 days +1 hour' '+%Y-%m-%d %H:%M:%S')" server.pem; says out 'CN=localhost expires in 28 days'; says out 'renew it'
fine -C ca.pem --at "$(date -u -d '+330 days' '+%Y-%m-%dT%H:%M:%SZ')" server.pem; never out 'expires in'
wrong -C ca.pem -n b.test --at 2126-01-01 server.pem # all that is wrong, not just one of it
says out 'expired on'; says out 'is not for b.test'

# what CAs did wrong
issue weak lower "$san" -- ; openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:1024 -out weak.key 2>err; issue weak lower "$san"
wrong -C ca.pem weak.pem l.pem u.pem;             says out 'key RSA, 1024 bits: weak'; says out 'has an RSA key below 2048 bits: issue a new one'
openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out rsaca.key 2>err
openssl req -x509 -key rsaca.key -subj /CN=RSA-root -out rsaca.pem -days 100 -addext basicConstraints=critical,CA:TRUE -addext keyUsage=keyCertSign 2>err
issue sha1 rsaca "$san" -- -sha1
wrong -C rsaca.pem sha1.pem;                      says out 'signed RSA with SHA-1: weak'; says out 'is signed with MD5 or SHA-1: issue a new one'
issue pss rsaca "$san" -- -sha384 -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:digest
fine -C rsaca.pem pss.pem;                        says out 'signed RSA-PSS with SHA-384'
issue noname lower keyUsage=digitalSignature;     wrong -C ca.pem noname.pem l.pem u.pem; says out 'speaks for no host'; says out 'subjectAltName'
issue notca server "$san";                        wrong -C ca.pem notca.pem server.pem; says out 'CN=localhost has issued another but may not: it is not a CA'
issue encipher lower "$san" keyUsage=keyEncipherment; wrong -C ca.pem encipher.pem l.pem u.pem; says out 'may not sign'; says out 'have one issued for TLS servers'
issue critical lower "$san" 1.2.3.4=critical,ASN1:NULL; wrong -C ca.pem critical.pem l.pem u.pem; says out 'a critical extension that is not understood'
$K intermediate -n Bounded -O corp.test -o bounded
issue outside bounded "$san";                     wrong -C ca.pem outside.pem bounded.pem; says out 'a name that CN=Bounded may not speak for'; says out 'for some names only'
$K intermediate -n Lower -C upper -o twin         # the name of one CA, the key of another
wrong -C ca.pem leaf.pem twin.pem
says out 'twin.pem (1 of 2): did not sign the one below'
says out 'the CN=Lower that is here has that name but another key: take the one that was given along with CN=localhost'
fine -C ca.pem leaf.pem twin.pem l.pem u.pem;     says out 'from l.pem'; never out 'did not sign'; says out 'superfluous: nothing here was issued by CN=Lower'
python3 - <<'PY'
import base64
pem = open("leaf.pem").read().split("-----")
der = bytearray(base64.b64decode(pem[2]))
der[-5] ^= 1
open("broken.der", "wb").write(der)
open("cut.der", "wb").write(der[:-7])
PY
wrong -C ca.pem broken.der l.pem u.pem;           says out 'the signature on CN=localhost is not one of CN=Lower'; says out 'did not sign the one below'
issue escape lower "$san"; openssl req -new -key escape.key -subj "/CN=$(printf 'red\033[31m')" -out escape.csr 2>err
openssl x509 -req -in escape.csr -CA lower.pem -CAkey lower.key -out escape.pem 2>err
want 1 "$S" inspect -C ca.pem escape.pem l.pem u.pem # and no colours, which want() looks for

# revocation
mkdir db; : >db/index; echo 01 >db/number
cat >ca.cnf <<CONF
[ca]
default_ca = d
[d]
database = db/index
crlnumber = db/number
default_md = sha256
CONF
list() { quietly openssl ca -config ca.cnf -keyfile $1.key -cert $1.pem -gencrl -out "$2" "${@:3}"; }
list lower clean.crl -crldays 7
fine -C ca.pem --crl clean.crl server.pem
wrong -C other.pem --crl clean.crl foreign.pem;   says out 'whether CN=a.test was revoked is not known'; says out '--crl FILE'
wrong -C ca.pem --crl clean.crl --at "$(date -u -d '+8 days' +%F)" server.pem; says out 'is not known'
quietly openssl ca -config ca.cnf -keyfile lower.key -cert lower.pem -revoke leaf.pem
list lower revoked.crl -crldays 7
wrong -C ca.pem --crl revoked.crl server.pem;     says out 'CN=localhost was revoked by CN=Lower: its owner needs a new one'
wrong -C ca.pem server.pem revoked.crl;           says out 'was revoked by'; says out 'CRL of CN=Lower'; says out 'revoked 1 certificate'
want 0 "$S" inspect revoked.crl;                  says out 'CRL of CN=Lower'; silent err
openssl crl -in revoked.crl -outform DER -out revoked.der
want 0 "$S" inspect revoked.der;                  says out 'revoked 1 certificate'
wrong --at "$(date -u -d '+8 days' +%F)" revoked.crl; says out 'the CRL of CN=Lower is out of date since'; says out 'get a new one'
list lower past.crl -crl_lastupdate 20200101000000Z -crl_nextupdate 20200108000000Z
wrong past.crl;                                   says out 'out of date since 2020-01-08'
head -c 200 revoked.der >cut.crl.der

# keys, and containers of them
fine -C ca.pem server.pem server.key;             says out 'private key key ECDSA P-256 from server.key'
wrong -C ca.pem server.pem self.key;              says out 'the private key in self.key belongs to none of the certificates'
fine -C ca.pem server.pem mode.key;               says out 'mode.key holds a key and is open to others (mode 640)'; says out 'chmod 600 it'
for type in rsa2048 p384 ed25519; do
    $K server -n x -t $type -f -o typed
    want 0 "$S" inspect typed.key;                silent err
    count=$((count + 1)); [ "$(sed -n 's/^ *key  *//p' out)" = "$(case $type in rsa*) echo RSA, 2048 bits ;; p384) echo ECDSA P-384 ;; *) echo Ed25519 ;; esac)" ] || bad $type
    secret=$(openssl pkey -in typed.key -outform DER | tail -c 20 | base64)
    count=$((count + 1)); grep -qF "$secret" out && bad 'bytes of the key'
done
echo right >right; echo wrong >wrong
openssl pkey -in server.key -aes256 -passout file:right -out locked.key
openssl ec -in server.key -aes128 -passout file:right -out old.key 2>err # with headers of its own
openssl pkey -in server.key -outform DER -out key.der
openssl pkcs12 -export -in server.pem -inkey server.key -passout file:right -out server.p12
fine -C ca.pem key.der server.pem
for f in locked.key old.key server.p12; do
    want 0 "$S" inspect -C ca.pem -P right $f;    says out 'ECDSA P-256'; silent err
    unread -C ca.pem -P wrong $f;                 says err 'does not open with this passphrase'; silent out
    want 2 setsid "$S" inspect -C ca.pem $f;      says err "$f needs a passphrase"; silent out
done
fine -C ca.pem -P right server.p12;               says out '`- CN=Upper'; says out 'private key'
cat server.key server.pem >both.pem;              fine -C ca.pem both.pem; says out 'private key'

# many at once
bundle=/etc/ssl/certs/ca-certificates.crt
if [ -s $bundle ]; then (timeout 20 "$S" inspect $bundle; [ $? -le 1 ]) >out 2>err || bad "$bundle"; fi
for i in $(seq 7); do cat server.pem; done >store.pem # 21 of them
fine store.pem
count=$((count + 1)); [ "$(grep -c 'days left$' out)" = 21 ] || bad 'a line for each'
wrong --at "$(date -u -d '+400 days' +%F)" store.pem; says out '7 of 21 certificates have expired'; says out 'leave out what has expired'

# ---- what cannot be read --------------------------------------------------------------------------
: >empty; echo garbage >garbage; printf -- '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n' >notone.pem
printf -- '-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n' >damaged.pem
for f in empty garbage cut.der cut.crl.der none .; do
    unread $f; silent out
    count=$((count + 1)); [ -s err ] || bad "no sentence about $f"
done
says err .
unread server.pem none;                           says err 'none: No such file'; silent out
wrong notone.pem;                                 says out 'notone.pem: certificate 1 cannot be used'
wrong damaged.pem;                                says out 'damaged.pem: PEM block 1 is damaged'
openssl req -new -key server.key -subj /CN=x -out request.pem
want 0 "$S" inspect request.pem;                  says out 'neither certificate, CRL nor key: CERTIFICATE REQUEST'
unread;                                           says err 'there is nothing to look at'; says err 'usage: sleeve inspect'
unread -C;                                        says err '-C needs a value'
unread -C none server.pem;                        says err 'none: cannot read none'
unread -C garbage server.pem;                     says err 'garbage'
unread --crl server.pem server.pem;               says err 'server.pem: '
unread -n 'a b' server.pem;                       says err "'a b' is neither a host name nor an address"
for d in 2027 2027-13-01 tomorrow '2027-01-01 25:00' 2027-01-01x ''; do
    unread --at "$d" server.pem;                  says err "'$d' is not a date"
done
unread -a '' x:1;                                 says err 'is no name of a protocol'
for a in x:0 x:65536 ::1 host; do unread "$a";    says err "$a"; silent out; done

# one that says nothing is given up after ten seconds: looked at when all else is done
quiet=$(free_port)
timeout 60 python3 -c 'import socket, sys, time
s = socket.create_server(("127.0.0.1", int(sys.argv[1])))
c = [s.accept() for _ in range(2)]
time.sleep(60)' $quiet & silence=$!
for i in $(seq 100); do (: </dev/tcp/127.0.0.1/$quiet) 2>/dev/null && break; sleep 0.05; done
(timeout 30 "$S" inspect 127.0.0.1:$quiet >silent.out 2>silent.err; echo $? >silent.rc) & waits=$!

# ---- servers --------------------------------------------------------------------------------------
live() { serve "$@" -alpn h2; }
live -cert leaf.pem -cert_chain lower.pem -key server.key -tls1_3
fine -C ca.pem 127.0.0.1:$port
says out 'version TLSv1.3'; says out 'suite TLS_'; says out 'group x25519'; says out 'signature ecdsa_secp256r1_sha256'
says out 'ALPN not asked for'; says out 'OCSP no response was sent along'; says out 'it speaks for 127.0.0.1'; says out 'sent (1 of 3)'
fine -C ca.pem -a http/1.1 -a h2 localhost:$port; says out 'ALPN h2'
wrong 127.0.0.1:$port;                            says out 'neither trusted nor in the chain'
wrong -C ca.pem -n b.test localhost:$port;        says out 'is not for b.test'
wrong -C ca.pem --at 2126-01-01 localhost:$port;  says out 'expired on'
wrong -C ca.pem --crl revoked.crl localhost:$port; says out 'was revoked by CN=Lower'
wrong -C ca.pem -c localhost:$port;               says out 'is not for TLS clients'
want 1 "$S" inspect -C ca.pem self.pem localhost:$port; says out 'self.pem CN=self.test'; says out 'it speaks for localhost' # the worst of both
want 2 "$S" inspect -C ca.pem localhost:$port none
stop
count=$((count + 1)); [ ! -s server.out ] || bad "the server was sent data: $(cat server.out)"

live -cert leaf.pem -cert_chain lower.pem -key server.key -tls1_2
fine -C ca.pem localhost:$port;                   says out 'version TLSv1.2'; says out 'suite TLS_ECDHE_ECDSA_'
stop
live -cert leaf.pem -key server.key               # its intermediates are missing
wrong -C ca.pem localhost:$port
says out '`- missing: CN=Lower'; says out 'the server must send the certificate of CN=Lower'; says out 'cat server.pem intermediate.pem'
stop
cat u.pem l.pem ca.pem >tail.pem
live -cert leaf.pem -cert_chain tail.pem -key server.key
wrong -C ca.pem localhost:$port
says out 'wrong order: CN=Upper (2 of 4) comes before CN=Lower (3 of 4)'; says out 'superfluous: the root CN=Root (4 of 4)'
stop
live -cert self.pem -key self.key;                wrong -n self.test 127.0.0.1:$port; says out 'self-signed and not trusted'; stop
live -cert weak.pem -key weak.key -cert_chain lower.pem -cipher DEFAULT@SECLEVEL=0
wrong -C ca.pem -n a.test 127.0.0.1:$port;        says out 'has an RSA key below 2048 bits'; says out 'RSA, 1024 bits: weak'; stop
live -cert lower.pem -key lower.key -cert_chain upper.pem # a CA's certificate is no server's
want 1 "$S" inspect -C ca.pem -n a.test 127.0.0.1:$port; says out 'CN=Lower'; says out 'something is wrong'; stop
for v in tls1_2 tls1_3; do # it wants a certificate of ours, and is looked at all the same
    live -cert leaf.pem -cert_chain lower.pem -key server.key -Verify 1 -CAfile ca.pem -$v
    (timeout 20 "$S" inspect -C ca.pem localhost:$port) >out 2>err </dev/null; rc=$?
    tr '\n|' '  ' <out | tr -s ' ' >flat
    says out '`- CN=Root'
    count=$((count + 1))
    [ $rc = 0 ] || { [ $rc = 1 ] && grep -q 'it may want a certificate of its clients' flat; } || bad "exit $rc with -Verify and $v"
    stop
done

# OCSP responses
printf 'V\t%s\t\t%s\tunknown\t/CN=localhost\n' "$(date -u -d '+300 days' +%y%m%d%H%M%SZ)" "$(openssl x509 -in leaf.pem -noout -serial | cut -d= -f2)" >good.index
printf 'R\t%s\t%s\t%s\tunknown\t/CN=localhost\n' "$(date -u -d '+300 days' +%y%m%d%H%M%SZ)" "$(date -u -d '-1 hour' +%y%m%d%H%M%SZ)" \
    "$(openssl x509 -in leaf.pem -noout -serial | cut -d= -f2)" >revoked.index
quietly openssl ocsp -issuer l.pem -cert leaf.pem -reqout request.der
for what in good revoked; do
    quietly openssl ocsp -index $what.index -CA l.pem -rsigner l.pem -rkey lower.key -reqin request.der -respout $what.resp -ndays 3
    live -cert leaf.pem -cert_chain lower.pem -key server.key -status_file $what.resp
    if [ $what = good ]; then
        fine -C ca.pem localhost:$port;           says out 'OCSP good, until'
        wrong localhost:$port;                    says out 'OCSP there, but of no use'
        fine -C ca.pem --at "$(date -u -d '+5 days' +%F)" localhost:$port; says out 'is out of date: the server must renew it'
    else
        wrong -C ca.pem localhost:$port;          says out 'OCSP revoked'; says out 'was revoked by CN=Lower'
    fi
    stop
done
issue stapled lower "$san" tlsfeature=status_request
fine -C ca.pem stapled.pem l.pem u.pem;           says out 'use any, with an OCSP response only' # a file comes without
live -cert stapled.pem -cert_chain lower.pem -key stapled.key
wrong -C ca.pem -n a.test 127.0.0.1:$port;        says out 'the OCSP response for the certificate CN=stapled was not sent'; says out 'have the server get a new OCSP response'
stop

# IPv6
port=$(free_port)
if python3 -c 'import socket; socket.socket(socket.AF_INET6).bind(("::1", 0))' 2>/dev/null; then
    timeout 60 openssl s_server -accept "[::1]:$port" -quiet -cert leaf.pem -cert_chain lower.pem -key server.key >server.out 2>&1 </dev/null & server=$!
    sleep 0.5
    fine -C ca.pem "[::1]:$port";                 says out "[::1]:$port version TLSv1.3"; says out 'it speaks for ::1'
    stop
fi
unread -C ca.pem 127.0.0.1:$port;                 says err 'Connection refused'
unread -C ca.pem no-such-host.invalid:443;        says err 'no-such-host.invalid'
for words in 'SSH-2.0-OpenSSH_9\r\n' '220 mail ESMTP\r\n' ''; do # no TLS there
    port=$(free_port)
    timeout 20 python3 -c 'import socket, sys
s = socket.create_server(("127.0.0.1", int(sys.argv[1])))
while True:
    c = s.accept()[0]
    c.sendall(sys.argv[2].encode().decode("unicode_escape").encode())
    c.close()' $port "$words" & server=$!
    for i in $(seq 100); do (: </dev/tcp/127.0.0.1/$port) 2>/dev/null && break; sleep 0.05; done
    unread -C ca.pem 127.0.0.1:$port;             says err "127.0.0.1:$port: "
    stop
done

wait $waits; cp silent.out out; cp silent.err err
count=$((count + 1)); [ "$(cat silent.rc)" = 2 ] || bad 'a server that says nothing'
says err 'the handshake took too long'

# ---- colours: at a terminal only, and not with NO_COLOR -------------------------------------------
if command -v script >/dev/null; then
    count=$((count + 3))
    timeout 20 script -qec "'$S' inspect -C ca.pem server.pem" /dev/null </dev/null >out 2>err; grep -q $'\033\[32m' out || bad 'no green at a terminal'
    timeout 20 script -qec "'$S' inspect server.pem" /dev/null </dev/null >out 2>err; grep -q $'\033\[31m' out || bad 'no red at a terminal'
    NO_COLOR=1 timeout 20 script -qec "'$S' inspect server.pem" /dev/null </dev/null >out 2>err; grep -q $'\033\[3' out && bad 'colours with NO_COLOR'
fi
count=$((count + 1)); "$S" inspect -C ca.pem server.pem >/dev/full 2>err && bad 'a full disk was not noticed'

echo "$count checks, $failed failed"
[ $failed = 0 ]
