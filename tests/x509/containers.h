/* SPDX-License-Identifier: ISC */
/* Keys and certificates in every container that the openssl command writes, and an allocator that
 * looks for the passphrase and for the keys in all that is given back. */
#ifndef TESTS_X509_CONTAINERS_H
#define TESTS_X509_CONTAINERS_H
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/buf.h"
#include "base/mem.h"
#include "x509/x509.h"

#define PASS "correct horse battery"

static char dir[] = "/tmp/sleeve-keys-XXXXXX";

static const struct {
    const char *name;
    enum key_type type;
    bool old; /* there is a form of before PKCS#8 */
    int at;   /* where bytes of the private part are in PKCS#8; 0: in the middle */
} kinds[] = {
    { "rsa", KEY_RSA, true, 0 },       { "pss", KEY_RSA_PSS, false, 0 },
    { "p256", KEY_EC_P256, true, 40 }, { "p384", KEY_EC_P384, true, 40 },
    { "p521", KEY_EC_P521, true, 40 }, { "ed25519", KEY_ED25519, false, 24 },
    { "ed448", KEY_ED448, false, 40 },
};
#define KINDS (sizeof kinds / sizeof *kinds)

enum { ENCRYPTED = 1, OLD_FORM = 2, WITH_CERT = 4, NO_MAC = 8, EMPTY_PASS = 16, LEGACY = 32 };
static const struct container {
    const char *name;
    unsigned is;
    const char *make; /* $t: the kind, $k: its key, $c: its certificate, $p: -passout PASS */
} containers[] = {
    { "p8.pem", 0, "openssl pkcs8 -topk8 -nocrypt -in $k" },
    { "p8.der", 0, "openssl pkcs8 -topk8 -nocrypt -in $k -outform DER" },
    { "old.pem", OLD_FORM, "openssl pkey -traditional -in $k" },
    { "old.der", OLD_FORM, "openssl pkey -traditional -in $k -outform DER" },
    { "old.aes.pem", OLD_FORM | ENCRYPTED, "openssl pkey -traditional -in $k -aes256 $p" },
    { "old.des.pem", OLD_FORM | ENCRYPTED, "openssl pkey -traditional -in $k -des3 $p" },
    { "aes.pem", ENCRYPTED, "openssl pkcs8 -topk8 -in $k -v2 aes-256-cbc $p" },
    { "aes.der", ENCRYPTED, "openssl pkcs8 -topk8 -in $k -v2 aes-128-cbc -outform DER $p" },
    { "sha512.pem", ENCRYPTED, "openssl pkcs8 -topk8 -in $k -v2prf hmacWithSHA512 $p" },
    { "des3.der", ENCRYPTED,
      "openssl pkcs8 -topk8 -in $k -v2 des3 -v2prf hmacWithSHA1 -outform DER $p" },
    { "scrypt.pem", ENCRYPTED, "openssl pkcs8 -topk8 -in $k -scrypt -scrypt_N 1024 $p" },
    { "v1.3des.pem", ENCRYPTED, "openssl pkcs8 -topk8 -in $k -v1 PBE-SHA1-3DES $p" },
    { "v1.md5.pem", ENCRYPTED | LEGACY,
      "openssl pkcs8 -provider default -provider legacy -topk8 -in $k -v1 PBE-MD5-DES $p" },
    { "v1.rc2.der", ENCRYPTED | LEGACY,
      "openssl pkcs8 -provider default -provider legacy -topk8 -in $k -v1 PBE-SHA1-RC2-64 "
      "-outform DER $p" },
    { "both.pem", WITH_CERT, "cat $c $k" },
    { "both.aes.pem", WITH_CERT | ENCRYPTED, "cat $t.aes.pem $c" },
    { "p12", WITH_CERT | ENCRYPTED, "openssl pkcs12 -export -inkey $k -in $c $p" },
    { "3des.p12", WITH_CERT | ENCRYPTED,
      "openssl pkcs12 -export -inkey $k -in $c -keypbe PBE-SHA1-3DES -certpbe PBE-SHA1-3DES "
      "-macalg sha1 $p" },
    { "rc2.p12", WITH_CERT | ENCRYPTED | LEGACY,
      "openssl pkcs12 -export -legacy -inkey $k -in $c $p" },
    { "nomac.p12", WITH_CERT | ENCRYPTED | NO_MAC,
      "openssl pkcs12 -export -nomac -inkey $k -in $c $p" },
    { "plain.p12", WITH_CERT | NO_MAC,
      "openssl pkcs12 -export -nomac -keypbe NONE -certpbe NONE -inkey $k -in $c -passout pass:" },
    { "empty.p12", WITH_CERT | EMPTY_PASS,
      "openssl pkcs12 -export -inkey $k -in $c -passout pass:" },
};
#define CONTAINERS (sizeof containers / sizeof *containers)

/* ---- what is given back ---- */

static long live, leaked;
static struct {
    uint8_t p[32];
    size_t n;
} secrets[2 * KINDS + 1];
static size_t nsecrets;

static void *watch_alloc(size_t n)
{
    uint8_t *p = malloc(n + 16);

    assert_non_null(p);
    memcpy(p, &n, sizeof n);
    memset(p + 16, 0xa5, n);
    live++;
    return p + 16;
}

static void watch_release(void *p)
{
    uint8_t *block = (uint8_t *)p - 16;
    size_t n;

    memcpy(&n, block, sizeof n);
    for (size_t i = 0; i < nsecrets; i++) {
        leaked += memmem(p, n, secrets[i].p, secrets[i].n) != NULL;
    }
    live--;
    free(block);
}

static void add_secret(const void *p, size_t n)
{
    assert_true(nsecrets < sizeof secrets / sizeof *secrets && n <= sizeof secrets[0].p);
    memcpy(secrets[nsecrets].p, p, n);
    secrets[nsecrets++].n = n;
}

/* ---- files ---- */

static const char *path(const char *kind, const char *name)
{
    static char text[6][96];
    static unsigned next;
    char *p = text[next++ % 6];

    (void)snprintf(p, sizeof text[0], "%s/%s.%s", dir, kind, name);
    return p;
}

static void shell(const char *kind, const char *out, const char *command)
{
    char line[512];

    (void)snprintf(line, sizeof line,
                   "cd %s && t=%s k=%s.p8 c=%s.crt p='-passout file:pass' && "
                   "eval \"%s\" >%s.%s 2>log",
                   dir, kind, kind, kind, command, kind, out);
    if (system(line) != 0) {
        fail_msg("%s: see %s/log", line, dir);
    }
}

static bool has_legacy(void)
{
    return system("openssl list -providers -provider legacy >/dev/null 2>&1") == 0;
}

static struct buf content(const char *file)
{
    struct buf b = { .secret = true };

    assert_int_equal(file_read(file, &b, NULL), 0);
    return b;
}

static void make_kind(size_t i)
{
    static const char *const how[] = {
        "RSA -pkeyopt rsa_keygen_bits:2048",
        "RSA-PSS -pkeyopt rsa_keygen_bits:2048",
        "EC -pkeyopt ec_paramgen_curve:P-256",
        "EC -pkeyopt ec_paramgen_curve:P-384",
        "EC -pkeyopt ec_paramgen_curve:P-521",
        "ED25519",
        "ED448",
    };
    const char *t = kinds[i].name;
    char command[256];
    struct buf b;
    size_t at;

    (void)snprintf(command, sizeof command, "openssl genpkey -algorithm %s", how[i]);
    shell(t, "p8", command);
    shell(t, "crt", "openssl req -x509 -new -key $k -subj /CN=$t -days 2");
    shell(t, "crt.der", "openssl x509 -in $c -outform DER");
    shell(t, "other.p8", command);
    shell(t, "other.crt", "openssl req -x509 -new -key $t.other.p8 -subj /CN=other -days 2");
    for (size_t j = 0; j < CONTAINERS; j++) {
        const struct container *c = &containers[j];

        if ((kinds[i].old || !(c->is & OLD_FORM)) && (has_legacy() || !(c->is & LEGACY))) {
            shell(t, c->name, c->make);
        }
    }
    b = content(path(t, "p8.der"));
    at = kinds[i].at ? (size_t)kinds[i].at : buf_len(&b) / 2;
    add_secret(buf_data(&b) + at, 16);
    buf_free(&b);
    b = content(path(t, "p8")); /* base64, behind "-----BEGIN PRIVATE KEY-----\n"; not the header */
    at = 28 + (kinds[i].at ? (size_t)kinds[i].at * 4 / 3 : buf_len(&b) / 2 - 28);
    add_secret(buf_data(&b) + at, 12);
    buf_free(&b);
}

static int containers_make(void **state)
{
    char command[128];

    (void)state;
    assert_non_null(mkdtemp(dir));
    (void)snprintf(command, sizeof command, "printf '%%s\\n' '%s' >%s/pass", PASS, dir);
    assert_int_equal(system(command), 0);
    for (size_t i = 0; i < KINDS; i++) {
        make_kind(i);
    }
    add_secret(PASS, strlen(PASS));
    mem_hooks = (struct mem_hooks){ watch_alloc, watch_release };
    live = leaked = 0;
    return crypto_init();
}

static int containers_free(void **state)
{
    char command[64];

    (void)state;
    (void)snprintf(command, sizeof command, "rm -rf %s", dir);
    assert_int_equal(system(command), 0);
    return 0;
}
#endif
