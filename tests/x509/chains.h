/* SPDX-License-Identifier: ISC */
/* Chains of every kind with the verdict and the alert that each must get. test_chain.c runs them
 * through chain_verify(), test_openssl.c through `openssl verify` as well. */
#ifndef TESTS_X509_CHAINS_H
#define TESTS_X509_CHAINS_H
#include "forge.h"

/* The rows set again what the macros below set for the usual case. */
#pragma GCC diagnostic ignored "-Woverride-init"
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"
#ifdef __clang__
#pragma clang diagnostic ignored "-Winitializer-overrides"
#endif

enum { SENT = 1, TRUSTED = 2, BOTH = 3 };

struct chain_case {
    const char *name;
    enum chain_verdict verdict;
    enum alert alert;
    struct forge certs[14]; /* the first that is sent is the leaf */
    const char *host;       /* NULL: a.test; "": none */
    int64_t later;          /* seconds behind NOW */
    bool client;            /* the peer is one */
    bool enciphers;         /* RSA key exchange */
    const char *openssl;    /* why `openssl verify` judges otherwise; NULL: it agrees */
};

#define CA_KU (KU_CERT_SIGN | KU_CRL_SIGN)
/* Key 0 is the root's, 1 the leaf's, 2 and up belong to intermediates. */
#define ROOT(...)                                                                             \
    {                                                                                         \
        .at = TRUSTED, .subject = "root", .issuer = "root", .key = 0, .by = 0, .ca = CA_TRUE, \
        .ku = CA_KU, __VA_ARGS__                                                              \
    }
#define MID(name, issuer_name, own, signer, ...)                                      \
    {                                                                                 \
        .at = SENT, .subject = name, .issuer = issuer_name, .key = own, .by = signer, \
        .ca = CA_TRUE, .ku = CA_KU, __VA_ARGS__                                       \
    }
#define LEAF(issuer_name, signer, ...)                                                \
    {                                                                                 \
        .at = SENT, .subject = "leaf", .issuer = issuer_name, .key = 1, .by = signer, \
        .ku = KU_DIGITAL_SIGNATURE, .eku = EKU_SERVER, .names = "a.test", __VA_ARGS__ \
    }
#define GOOD                CHAIN_OK, ALERT_NONE
#define BAD(verdict, alert) CHAIN_##verdict, ALERT_##alert

static const struct chain_case chain_cases[] = {
    /* ---- good ---- */
    { "leaf under root", GOOD, { LEAF("root", 0), ROOT() } },
    { "one intermediate", GOOD, { LEAF("i", 2), MID("i", "root", 2, 0), ROOT() } },
    { "root sent along", GOOD, { LEAF("i", 2), MID("i", "root", 2, 0), ROOT(.at = BOTH) } },
    { "wrong order", GOOD, { LEAF("j", 3), MID("i", "root", 2, 0), MID("j", "i", 3, 2), ROOT() } },
    { "leaf sent twice", GOOD, { LEAF("root", 0), LEAF("root", 0), ROOT() } },
    { "unrelated certificates among them",
      GOOD,
      { LEAF("i", 2), MID("x", "y", 4, 5), MID("i", "root", 2, 0), MID("z", "z", 6, 6), ROOT() } },
    { "eight deep",
      GOOD,
      { LEAF("h", 7), MID("h", "g", 7, 6), MID("g", "f", 6, 5), MID("f", "e", 5, 4),
        MID("e", "d", 4, 3), MID("d", "c", 3, 2), MID("c", "b", 2, KEY_P),
        MID("b", "root", KEY_P, 0), ROOT() } },
    { "intermediate is the anchor", GOOD, { LEAF("i", 2), MID("i", "root", 2, 0, .at = TRUSTED) } },
    { "anchor of version 1",
      GOOD,
      { LEAF("root", 0), ROOT(.version = 1, .ca = CA_NONE, .ku = 0) },
      .openssl = "wants version 3 (-x509_strict)" },
    { "leaf is the anchor", GOOD, { LEAF("leaf", 1, .at = BOTH) } },
    { "leaf of version 1 is the anchor, no name asked",
      GOOD,
      { LEAF("leaf", 1, .at = BOTH, .version = 1) },
      .host = "",
      .openssl = "wants version 3 (-x509_strict)" },
    { "leaf that another signed is the anchor", GOOD, { LEAF("root", 0, .at = BOTH) } },
    { "cross-signed: the first way has expired",
      GOOD,
      { LEAF("i", 2), MID("i", "old", 2, 3, .to = NOW - 1), MID("i", "root", 2, 0), ROOT(),
        MID("old", "old", 3, 3, .at = TRUSTED) } },
    { "cross-signed: the old root has expired",
      GOOD,
      { LEAF("i", 2), MID("i", "old", 2, 3), MID("i", "root", 2, 0), ROOT(),
        MID("old", "old", 3, 3, .at = TRUSTED, .to = NOW - 1) },
      .openssl = "looks at dates when the way is chosen" },
    { "cross-signed: the other root is unknown",
      GOOD,
      { LEAF("i", 2), MID("i", "old", 2, 3), MID("i", "root", 2, 0), ROOT() },
      .openssl = "does not go back to what else was sent" },
    { "two roots of one name", GOOD, { LEAF("root", 0), ROOT(.key = 4, .by = 4), ROOT() } },
    { "two roots of one name, no identifiers",
      GOOD,
      { LEAF("root", 0, .no_ids = true), ROOT(.key = 4, .by = 4, .no_ids = true),
        ROOT(.no_ids = true) },
      .openssl = "tries one issuer of a name when no identifier tells them apart" },
    { "two intermediates of one name, the wrong one first",
      GOOD,
      { LEAF("i", 2), MID("i", "root", 3, 0), MID("i", "root", 2, 0), ROOT() } },
    { "the identifier is but a hint",
      GOOD,
      { LEAF("root", 0, .wrong_aki = true), ROOT() },
      .openssl = "takes the identifier for binding" },
    { "loop beside the way",
      GOOD,
      { LEAF("i", 2), MID("i", "j", 2, 3), MID("j", "i", 3, 2), MID("i", "root", 2, 0), ROOT() } },
    { "last second",
      GOOD,
      { LEAF("root", 0, .to = NOW), ROOT() },
      .openssl = "takes the last second for one too late (RFC 5280 4.1.2.5 counts it in)" },
    { "first second", GOOD, { LEAF("root", 0, .from = NOW), ROOT() } },
    { "no key usage, no extended key usage",
      GOOD,
      { LEAF("root", 0, .ku = 0, .eku = 0), ROOT(.ku = 0) },
      .openssl = "wants a CA's key usage (-x509_strict)" },
    { "any extended key usage",
      GOOD,
      { LEAF("root", 0, .eku = EKU_ANY), ROOT() },
      .openssl = "wants the purpose itself" },
    { "extended key usage on all of them",
      GOOD,
      { LEAF("i", 2), MID("i", "root", 2, 0, .eku = EKU_SERVER | EKU_CLIENT),
        ROOT(.eku = EKU_SERVER) } },
    { "client", GOOD, { LEAF("root", 0, .eku = EKU_CLIENT), ROOT() }, .host = "", .client = true },
    { "path length 0, no CA below",
      GOOD,
      { LEAF("i", 2), MID("i", "root", 2, 0, .path_len = 1), ROOT(.path_len = 2) } },
    { "self-issued CAs do not count for the path length",
      GOOD,
      { LEAF("root", 2), MID("root", "root", 2, 0), ROOT(.path_len = 1) } },
    { "key usage with more bits",
      GOOD,
      { LEAF("root", 0, .ku = KU_DIGITAL_SIGNATURE | KU_KEY_ENCIPHERMENT | KU_KEY_AGREEMENT),
        ROOT() } },
    { "CA false written out", GOOD, { LEAF("root", 0, .ca = CA_FALSE_WRITTEN), ROOT() } },
    { "RSA-2048", GOOD, { LEAF("root", KEY_R, .key = KEY_R), ROOT(.key = KEY_R, .by = KEY_R) } },
    { "Ed25519", GOOD, { LEAF("root", KEY_D, .key = KEY_D), ROOT(.key = KEY_D, .by = KEY_D) } },
    { "kinds of key mixed",
      GOOD,
      { LEAF("j", KEY_D), MID("j", "i", KEY_D, KEY_P), MID("i", "root", KEY_P, KEY_R),
        ROOT(.key = KEY_R, .by = KEY_R) } },
    { "an unknown extension that is not critical",
      GOOD,
      { LEAF("root", 0, .unknown = true), ROOT() } },
    { "ten certificates",
      GOOD,
      { LEAF("root", 0), MID("b", "x", 2, 3), MID("c", "x", 2, 3), MID("d", "x", 2, 3),
        MID("e", "x", 2, 3), MID("f", "x", 2, 3), MID("g", "x", 2, 3), MID("h", "x", 2, 3),
        MID("i", "x", 2, 3), MID("j", "x", 2, 3), ROOT() } },
    { "empty subject", GOOD, { LEAF("root", 0, .subject = NULL), ROOT() } },
    { "name is an address",
      GOOD,
      { LEAF("root", 0, .names = "b.test 192.0.2.1 2001:db8::1"), ROOT() },
      .host = "2001:DB8:0::1" },
    { "wildcard", GOOD, { LEAF("root", 0, .names = "*.a.test"), ROOT() }, .host = "b.a.test" },

    /* ---- not trusted ---- */
    { "unknown root",
      BAD(UNKNOWN_CA, UNKNOWN_CA),
      { LEAF("root", 0), MID("other", "other", 3, 3, .at = TRUSTED) } },
    { "unknown root, sent along",
      BAD(UNKNOWN_CA, UNKNOWN_CA),
      { LEAF("root", 0), ROOT(.at = SENT), MID("other", "other", 3, 3, .at = TRUSTED) } },
    { "no anchors at all", BAD(UNKNOWN_CA, UNKNOWN_CA), { LEAF("root", 0) } },
    { "missing intermediate", BAD(UNKNOWN_CA, UNKNOWN_CA), { LEAF("i", 2), ROOT() } },
    { "gap in the middle",
      BAD(UNKNOWN_CA, UNKNOWN_CA),
      { LEAF("j", 3), MID("j", "i", 3, 2), ROOT() } },
    { "another root of the same name",
      BAD(UNKNOWN_CA, UNKNOWN_CA),
      { LEAF("root", 4), ROOT(.at = SENT, .key = 4, .by = 4), ROOT() } },
    { "self-signed leaf", BAD(SELF_SIGNED, UNKNOWN_CA), { LEAF("leaf", 1), ROOT() } },
    { "self-signed leaf, no anchors", BAD(SELF_SIGNED, UNKNOWN_CA), { LEAF("leaf", 1) } },
    { "self-signed leaf, another of its name is the anchor",
      BAD(SELF_SIGNED, UNKNOWN_CA),
      { LEAF("leaf", 1), LEAF("leaf", 5, .key = 5, .at = TRUSTED, .ca = CA_TRUE, .ku = CA_KU) } },
    { "leaf's key is the anchor's, the certificate is not",
      BAD(NOT_A_CA, BAD_CERTIFICATE),
      { LEAF("leaf", 1), LEAF("leaf", 1, .at = TRUSTED, .names = "b.test") } },
    { "the key is right, its holder has another name",
      BAD(UNKNOWN_CA, UNKNOWN_CA),
      { LEAF("x", 2), MID("i", "root", 2, 0), ROOT() } },
    { "self-issued leaf below an unknown root",
      BAD(UNKNOWN_CA, UNKNOWN_CA),
      { LEAF("leaf", 2), MID("leaf", "other", 2, 3), ROOT() } },
    { "a root of the same name that is no CA does not hide that the right one is missing",
      BAD(UNKNOWN_CA, UNKNOWN_CA),
      { LEAF("root", 4), ROOT(.ca = CA_FALSE) } },
    { "only a loop",
      BAD(UNKNOWN_CA, UNKNOWN_CA),
      { LEAF("i", 2), MID("i", "j", 2, 3), MID("j", "i", 3, 2), ROOT() } },
    { "unknown, expired, wrong name: unknown is told",
      BAD(UNKNOWN_CA, UNKNOWN_CA),
      { LEAF("x", 3, .to = NOW - 1), ROOT() },
      .host = "b.test" },

    /* ---- signatures ---- */
    { "leaf's signature is wrong",
      BAD(BAD_SIGNATURE, BAD_CERTIFICATE),
      { LEAF("root", 0, .flip = true), ROOT() } },
    { "leaf's signature is wrong, RSA",
      BAD(BAD_SIGNATURE, BAD_CERTIFICATE),
      { LEAF("root", KEY_R, .flip = true), ROOT(.key = KEY_R, .by = KEY_R) } },
    { "leaf's signature is wrong, Ed25519",
      BAD(BAD_SIGNATURE, BAD_CERTIFICATE),
      { LEAF("root", KEY_D, .flip = true), ROOT(.key = KEY_D, .by = KEY_D) } },
    { "intermediate's signature is wrong",
      BAD(BAD_SIGNATURE, BAD_CERTIFICATE),
      { LEAF("i", 2), MID("i", "root", 2, 0, .flip = true), ROOT() } },
    { "signed by another key, no identifiers",
      BAD(BAD_SIGNATURE, BAD_CERTIFICATE),
      { LEAF("root", 5, .no_ids = true), ROOT(.no_ids = true) } },
    { "signed by another kind of key",
      BAD(BAD_SIGNATURE, BAD_CERTIFICATE),
      { LEAF("root", KEY_R, .no_ids = true), ROOT(.no_ids = true) } },
    { "unknown signature algorithm",
      BAD(BAD_SIGNATURE, BAD_CERTIFICATE),
      { LEAF("root", 0, .alg = ALG_UNKNOWN), ROOT() } },

    /* ---- dates ---- */
    { "expired", BAD(EXPIRED, CERTIFICATE_EXPIRED), { LEAF("root", 0, .to = NOW - 1), ROOT() } },
    { "expired for a year",
      BAD(EXPIRED, CERTIFICATE_EXPIRED),
      { LEAF("root", 0), ROOT(.to = NOW + 4 * YEAR) },
      .later = 2 * YEAR },
    { "not yet valid",
      BAD(NOT_YET_VALID, CERTIFICATE_EXPIRED),
      { LEAF("root", 0, .from = NOW + 1), ROOT() } },
    { "intermediate expired",
      BAD(EXPIRED, CERTIFICATE_EXPIRED),
      { LEAF("i", 2), MID("i", "root", 2, 0, .to = NOW - 1), ROOT() } },
    { "intermediate not yet valid",
      BAD(NOT_YET_VALID, CERTIFICATE_EXPIRED),
      { LEAF("i", 2), MID("i", "root", 2, 0, .from = NOW + 1), ROOT() } },
    { "root expired", BAD(EXPIRED, CERTIFICATE_EXPIRED), { LEAF("root", 0), ROOT(.to = NOW - 1) } },
    { "leaf that is the anchor expired",
      BAD(EXPIRED, CERTIFICATE_EXPIRED),
      { LEAF("leaf", 1, .at = BOTH, .to = NOW - 1) } },
    { "cross-signed, both expired",
      BAD(EXPIRED, CERTIFICATE_EXPIRED),
      { LEAF("i", 2), MID("i", "old", 2, 3, .to = NOW - 1), MID("i", "root", 2, 0, .to = NOW - 1),
        ROOT(), MID("old", "old", 3, 3, .at = TRUSTED) } },
    { "expired and another name: the name is told",
      BAD(NAME_MISMATCH, BAD_CERTIFICATE),
      { LEAF("root", 0, .to = NOW - 1), ROOT() },
      .host = "b.test" },
    { "intermediate expired and another name: the name is told",
      BAD(NAME_MISMATCH, BAD_CERTIFICATE),
      { LEAF("i", 2), MID("i", "root", 2, 0, .to = NOW - 1), ROOT() },
      .host = "b.test" },

    /* ---- names ---- */
    { "another name",
      BAD(NAME_MISMATCH, BAD_CERTIFICATE),
      { LEAF("root", 0), ROOT() },
      .host = "b.test" },
    { "common name only",
      BAD(NAME_MISMATCH, BAD_CERTIFICATE),
      { LEAF("root", 0, .subject = "a.test", .names = NULL), ROOT() },
      .openssl = "falls back to it" },
    { "address as a DNS name",
      BAD(NAME_MISMATCH, BAD_CERTIFICATE),
      { LEAF("root", 0, .names = "a.test"), ROOT() },
      .host = "192.0.2.1" },
    { "wildcard for a whole zone",
      BAD(NAME_MISMATCH, BAD_CERTIFICATE),
      { LEAF("root", 0, .names = "*.test"), ROOT() } },
    { "anchor of another name",
      BAD(NAME_MISMATCH, BAD_CERTIFICATE),
      { LEAF("leaf", 1, .at = BOTH) },
      .host = "b.test" },
    { "the name is in the intermediate",
      BAD(NAME_MISMATCH, BAD_CERTIFICATE),
      { LEAF("i", 2, .names = "b.test"), MID("i", "root", 2, 0, .names = "a.test"), ROOT() } },

    /* ---- who may issue ---- */
    { "leaf as an issuer",
      BAD(NOT_A_CA, BAD_CERTIFICATE),
      { LEAF("l", 2), LEAF("root", 0, .subject = "l", .key = 2), ROOT() } },
    { "issuer says CA false",
      BAD(NOT_A_CA, BAD_CERTIFICATE),
      { LEAF("i", 2), MID("i", "root", 2, 0, .ca = CA_FALSE), ROOT() } },
    { "issuer without basic constraints",
      BAD(NOT_A_CA, BAD_CERTIFICATE),
      { LEAF("i", 2), MID("i", "root", 2, 0, .ca = CA_NONE), ROOT() } },
    { "issuer of version 1",
      BAD(NOT_A_CA, BAD_CERTIFICATE),
      { LEAF("i", 2), MID("i", "root", 2, 0, .version = 1), ROOT() } },
    { "anchor is no CA",
      BAD(NOT_A_CA, BAD_CERTIFICATE),
      { LEAF("root", 0), ROOT(.ca = CA_FALSE) } },
    { "anchor of version 3 without basic constraints",
      BAD(NOT_A_CA, BAD_CERTIFICATE),
      { LEAF("root", 0), ROOT(.ca = CA_NONE) } },
    { "issuer may not sign certificates",
      BAD(NOT_A_CA, BAD_CERTIFICATE),
      { LEAF("i", 2), MID("i", "root", 2, 0, .ku = KU_DIGITAL_SIGNATURE | KU_CRL_SIGN), ROOT() } },
    { "anchor may not sign certificates",
      BAD(NOT_A_CA, BAD_CERTIFICATE),
      { LEAF("root", 0), ROOT(.ku = KU_CRL_SIGN) } },
    { "path length 0 exceeded",
      BAD(PATH_TOO_LONG, BAD_CERTIFICATE),
      { LEAF("j", 3), MID("j", "i", 3, 2), MID("i", "root", 2, 0, .path_len = 1), ROOT() } },
    { "path length 1 exceeded",
      BAD(PATH_TOO_LONG, BAD_CERTIFICATE),
      { LEAF("k", 4), MID("k", "j", 4, 3), MID("j", "i", 3, 2),
        MID("i", "root", 2, 0, .path_len = 2), ROOT() } },
    { "anchor's path length exceeded",
      BAD(PATH_TOO_LONG, BAD_CERTIFICATE),
      { LEAF("i", 2), MID("i", "root", 2, 0), ROOT(.path_len = 1) } },
    { "nine deep",
      BAD(PATH_TOO_LONG, BAD_CERTIFICATE),
      { LEAF("i", KEY_D), MID("i", "h", KEY_D, 7), MID("h", "g", 7, 6), MID("g", "f", 6, 5),
        MID("f", "e", 5, 4), MID("e", "d", 4, 3), MID("d", "c", 3, 2), MID("c", "b", 2, KEY_P),
        MID("b", "root", KEY_P, 0), ROOT() },
      .openssl = "has no such limit of its own" },

    /* ---- usage ---- */
    { "client's certificate in a server",
      BAD(BAD_USAGE, UNSUPPORTED_CERTIFICATE),
      { LEAF("root", 0, .eku = EKU_CLIENT), ROOT() } },
    { "server's certificate in a client",
      BAD(BAD_USAGE, UNSUPPORTED_CERTIFICATE),
      { LEAF("root", 0), ROOT() },
      .host = "",
      .client = true },
    { "certificate for signing code",
      BAD(BAD_USAGE, UNSUPPORTED_CERTIFICATE),
      { LEAF("root", 0, .eku = EKU_OTHER), ROOT() } },
    { "leaf may not sign",
      BAD(BAD_USAGE, UNSUPPORTED_CERTIFICATE),
      { LEAF("root", 0, .ku = KU_KEY_ENCIPHERMENT), ROOT() },
      .openssl = "key encipherment will do for it (RSA key exchange)" },
    { "leaf may be encrypted to only, which RSA key exchange does",
      GOOD,
      { LEAF("root", 0, .ku = KU_KEY_ENCIPHERMENT), ROOT() },
      .enciphers = true },
    { "leaf may not be encrypted to",
      BAD(BAD_USAGE, UNSUPPORTED_CERTIFICATE),
      { LEAF("root", 0, .ku = KU_DIGITAL_SIGNATURE | KU_KEY_AGREEMENT), ROOT() },
      .enciphers = true,
      .openssl = "a signature will do for it" },
    { "leaf may sign certificates only",
      BAD(BAD_USAGE, UNSUPPORTED_CERTIFICATE),
      { LEAF("root", 0, .ku = KU_CRL_SIGN), ROOT() } },
    { "intermediate for clients only",
      BAD(BAD_USAGE, UNSUPPORTED_CERTIFICATE),
      { LEAF("i", 2), MID("i", "root", 2, 0, .eku = EKU_CLIENT), ROOT() } },
    { "root for clients only",
      BAD(BAD_USAGE, UNSUPPORTED_CERTIFICATE),
      { LEAF("root", 0), ROOT(.eku = EKU_CLIENT) } },
    { "leaf of version 1",
      BAD(BAD_USAGE, UNSUPPORTED_CERTIFICATE),
      { LEAF("root", 0, .version = 1), ROOT() },
      .host = "",
      .openssl = "takes version 1" },

    /* ---- critical extensions ---- */
    { "critical extension in the leaf",
      BAD(CRITICAL_EXTENSION, BAD_CERTIFICATE),
      { LEAF("root", 0, .critical = true), ROOT() } },
    { "critical extension in the intermediate",
      BAD(CRITICAL_EXTENSION, BAD_CERTIFICATE),
      { LEAF("i", 2), MID("i", "root", 2, 0, .critical = true), ROOT() } },
    { "critical extension in the root",
      BAD(CRITICAL_EXTENSION, BAD_CERTIFICATE),
      { LEAF("root", 0), ROOT(.critical = true) } },

    /* ---- threat 21: weak ---- */
    { "leaf signed with SHA-1",
      BAD(WEAK, BAD_CERTIFICATE),
      { LEAF("root", KEY_R, .alg = ALG_SHA1), ROOT(.key = KEY_R, .by = KEY_R) } },
    { "leaf signed with SHA-1 and ECDSA",
      BAD(WEAK, BAD_CERTIFICATE),
      { LEAF("root", 0, .alg = ALG_SHA1), ROOT() } },
    { "leaf signed with MD5",
      BAD(WEAK, BAD_CERTIFICATE),
      { LEAF("root", KEY_R, .alg = ALG_MD5), ROOT(.key = KEY_R, .by = KEY_R) } },
    { "intermediate signed with SHA-1",
      BAD(WEAK, BAD_CERTIFICATE),
      { LEAF("i", 2), MID("i", "root", 2, 0, .alg = ALG_SHA1), ROOT() } },
    { "root signed with SHA-1: nobody looks", GOOD, { LEAF("root", 0), ROOT(.alg = ALG_SHA1) } },
    { "leaf with RSA-1024", BAD(WEAK, BAD_CERTIFICATE), { LEAF("root", 0, .key = KEY_W), ROOT() } },
    { "intermediate with RSA-1024",
      BAD(WEAK, BAD_CERTIFICATE),
      { LEAF("i", KEY_W), MID("i", "root", KEY_W, 0), ROOT() } },
    { "root with RSA-1024",
      BAD(WEAK, BAD_CERTIFICATE),
      { LEAF("root", KEY_W), ROOT(.key = KEY_W, .by = KEY_W) } },

    /* ---- threat 31: work ---- */
    { "eleven certificates",
      BAD(TOO_MUCH_WORK, BAD_CERTIFICATE),
      { LEAF("root", 0), MID("b", "x", 2, 3), MID("c", "x", 2, 3), MID("d", "x", 2, 3),
        MID("e", "x", 2, 3), MID("f", "x", 2, 3), MID("g", "x", 2, 3), MID("h", "x", 2, 3),
        MID("i", "x", 2, 3), MID("j", "x", 2, 3), MID("k", "x", 2, 3), ROOT() },
      .openssl = "has no such limit of its own" },
    { "all have signed each other",
      BAD(TOO_MUCH_WORK, BAD_CERTIFICATE),
      { LEAF("m", 2), MID("m", "m", 2, 2, .path_len = 9), MID("m", "m", 2, 2, .path_len = 8),
        MID("m", "m", 2, 2, .path_len = 7), MID("m", "m", 2, 2, .path_len = 6),
        MID("m", "m", 2, 2, .path_len = 5), MID("m", "m", 2, 2, .path_len = 4),
        MID("m", "m", 2, 2, .path_len = 3), MID("m", "m", 2, 2, .path_len = 2), ROOT() } },

/* ---- name constraints ---- */
#define UNDER(leaf_names, ...)                                                         \
    {                                                                                  \
        LEAF("i", 2, .names = leaf_names), MID("i", "root", 2, 0, __VA_ARGS__), ROOT() \
    }
#define REFUSED BAD(NAME_CONSTRAINTS, BAD_CERTIFICATE)
    { "permitted name itself", GOOD, UNDER("a.test", .permitted = "a.test") },
    { "below the permitted name", GOOD, UNDER("a.test", .permitted = "test") },
    { "one of two permitted", GOOD, UNDER("a.test", .permitted = "b.test a.test") },
    { "in capitals", GOOD, UNDER("a.test", .permitted = "A.TEST") },
    { "all DNS names permitted", GOOD, UNDER("a.test", .permitted = "any") },
    { "not permitted", REFUSED, UNDER("a.test", .permitted = "b.test") },
    { "one name permitted, one not", REFUSED, UNDER("a.test b.test", .permitted = "a.test") },
    { "the permitted name is only an end", REFUSED,
      UNDER("a.test xa.test", .permitted = "a.test") },
    { "permitted below, with a dot", GOOD, UNDER("a.test", .permitted = ".test") },
    { "the name itself is not below", REFUSED, UNDER("a.test", .permitted = ".a.test") },
    { "excluded name itself", REFUSED, UNDER("a.test", .excluded = "a.test") },
    { "below the excluded name", REFUSED, UNDER("a.test", .excluded = "test") },
    { "another is excluded", GOOD, UNDER("a.test", .excluded = "b.test") },
    { "permitted and excluded", REFUSED,
      UNDER("a.test b.a.test", .permitted = "test", .excluded = "b.a.test") },
    { "all DNS names excluded", REFUSED, UNDER("a.test", .excluded = "any") },
    { "wildcard reaches into the excluded", REFUSED,
      UNDER("a.test *.b.test", .excluded = "x.b.test"),
      .openssl = "does not ask what a wildcard reaches" },
    { "wildcard ends above the excluded", GOOD,
      UNDER("a.test *.b.test", .excluded = "y.x.b.test") },
    { "wildcard within the permitted", GOOD,
      UNDER("a.test *.b.test", .permitted = "a.test b.test") },
    { "wildcard wider than the permitted", REFUSED,
      UNDER("a.test *.b.test", .permitted = "a.test x.b.test") },
    { "only addresses are constrained", GOOD, UNDER("a.test", .permitted = "10.0.0.0/255.0.0.0") },
    { "address in the permitted net", GOOD,
      UNDER("a.test 10.1.2.3", .permitted = "10.0.0.0/255.0.0.0") },
    { "address outside the permitted net", REFUSED,
      UNDER("a.test 11.1.2.3", .permitted = "10.0.0.0/255.0.0.0") },
    { "address in the excluded net", REFUSED,
      UNDER("a.test 10.1.2.3", .excluded = "10.0.0.0/255.0.0.0") },
    { "IPv6 where IPv4 is permitted", REFUSED,
      UNDER("a.test 2001:db8::1", .permitted = "10.0.0.0/255.0.0.0") },
    { "IPv6 in the permitted net", GOOD,
      UNDER("a.test 2001:db8::1", .permitted = "2001:db8::/ffff:ffff::") },
    { "IPv6 in the excluded net", REFUSED, UNDER("a.test 2001:db8::1", .excluded = "::/::") },
    { "e-mail constraint, no e-mail", GOOD, UNDER("a.test", .permitted = "email:b.test") },
    { "e-mail constraint and e-mail", REFUSED,
      UNDER("a.test email:x@b.test", .permitted = "email:b.test"), .openssl = "understands them" },
    { "URI constraint and URI", REFUSED,
      UNDER("a.test uri:http://b.test/", .excluded = "uri:c.test") },
    { "permitted directory name", GOOD, UNDER("a.test", .permitted = "dn:leaf") },
    { "permitted directory name, other case and spaces", GOOD,
      UNDER("a.test", .permitted = "dn:LEAF") },
    { "directory name not permitted", REFUSED, UNDER("a.test", .permitted = "dn:other") },
    { "excluded directory name", REFUSED, UNDER("a.test", .excluded = "dn:Leaf") },
    { "excluded alternative directory name", REFUSED, UNDER("a.test dn:x", .excluded = "dn:x") },
    { "another directory name is excluded", GOOD, UNDER("a.test", .excluded = "dn:leaf2") },
    { "directory name below the permitted one",
      GOOD,
      { LEAF("i", 2, .subject = "o;leaf"), MID("i", "root", 2, 0, .permitted = "dn:o"), ROOT() } },
    { "directory name above the permitted one",
      REFUSED,
      { LEAF("i", 2, .subject = "o"), MID("i", "root", 2, 0, .permitted = "dn:o;leaf"), ROOT() } },
    { "directory name above the excluded one",
      GOOD,
      { LEAF("i", 2, .subject = "o"), MID("i", "root", 2, 0, .excluded = "dn:o;leaf"), ROOT() } },
    { "directory name, spaces",
      GOOD,
      { LEAF("i", 2, .subject = "A+leaf"), MID("i", "root", 2, 0, .permitted = "dn:++a+++Leaf+"),
        ROOT() } },
    { "excluded directory name, spaces",
      REFUSED,
      { LEAF("i", 2, .subject = "A++leaf+"), MID("i", "root", 2, 0, .excluded = "dn:a+leaf"),
        ROOT() } },
    { "directory name, a space too few",
      REFUSED,
      { LEAF("i", 2, .subject = "aleaf"), MID("i", "root", 2, 0, .permitted = "dn:a+leaf"),
        ROOT() } },
    { "directory name of a set",
      GOOD,
      { LEAF("i", 2, .subject = "a&b"), MID("i", "root", 2, 0, .permitted = "dn:a&b"), ROOT() } },
    { "directory name of a set, turned round: not permitted in doubt",
      REFUSED,
      { LEAF("i", 2, .subject = "a&b"), MID("i", "root", 2, 0, .permitted = "dn:b&a"), ROOT() },
      .openssl = "sorts sets before it compares them" },
    { "directory name of a set, in capitals: excluded in doubt",
      REFUSED,
      { LEAF("i", 2, .subject = "a&b"), MID("i", "root", 2, 0, .excluded = "dn:B&A"), ROOT() } },

    { "e-mail in the subject",
      REFUSED,
      { LEAF("i", 2, .subject = "leaf;email:x@b.test"),
        MID("i", "root", 2, 0, .permitted = "email:b.test"), ROOT() },
      .openssl = "understands them" },
    { "empty subject meets a directory constraint",
      GOOD,
      { LEAF("i", 2, .subject = NULL), MID("i", "root", 2, 0, .permitted = "dn:other"), ROOT() } },
    { "constraint of the root",
      REFUSED,
      { LEAF("i", 2), MID("i", "root", 2, 0), ROOT(.permitted = "b.test") } },
    { "constraint reaches over an intermediate",
      REFUSED,
      { LEAF("j", 3), MID("j", "i", 3, 2), MID("i", "root", 2, 0, .excluded = "a.test"), ROOT() } },
    { "constraint on the intermediate's own name",
      REFUSED,
      { LEAF("j", 3), MID("j", "i", 3, 2), MID("i", "root", 2, 0, .excluded = "dn:j"), ROOT() } },
    { "self-issued intermediate is exempt",
      GOOD,
      { LEAF("i", 3), MID("i", "i", 3, 2), MID("i", "root", 2, 0, .excluded = "dn:i"), ROOT() } },
    { "another way without the constraint",
      GOOD,
      { LEAF("i", 2), MID("i", "old", 2, 3, .excluded = "a.test"), MID("i", "root", 2, 0), ROOT(),
        MID("old", "old", 3, 3, .at = TRUSTED) },
      .openssl = "does not look for another way after the constraints" },
    { "the constraint's own subject is not below it",
      GOOD,
      { LEAF("i", 2), MID("i", "root", 2, 0, .excluded = "dn:i"), ROOT() } },
};
#define CHAIN_CASES (sizeof chain_cases / sizeof *chain_cases)

/* A case made real. */
struct world {
    struct span ders[14];
    struct cert sent[14], trusted[14];
    size_t nders, nsent, ntrusted;
};

static inline void world_make(struct world *w, const struct chain_case *k)
{
    *w = (struct world){ 0 };
    for (size_t i = 0; i < 14 && k->certs[i].at; i++) {
        struct cert c = forge_cert(&k->certs[i]);

        w->ders[w->nders++] = c.der;
        if (k->certs[i].at & SENT) {
            w->sent[w->nsent++] = c;
        }
        if (k->certs[i].at & TRUSTED) {
            w->trusted[w->ntrusted++] = c;
        }
    }
}

static inline void world_free(struct world *w)
{
    for (size_t i = 0; i < w->nders; i++) {
        free((void *)(uintptr_t)w->ders[i].p);
    }
}

static inline const char *case_host(const struct chain_case *k)
{
    return !k->host ? "a.test" : *k->host ? k->host : NULL;
}
#endif
