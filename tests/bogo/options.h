/* SPDX-License-Identifier: ISC */
/* The flags of BoringSSL's test runner, as far as the shim follows them. Each may be for the first
 * connection only (-on-initial-), for the later ones (-on-resume-), or for what becomes of a later
 * one when its early data was rejected (-on-retry-); all else that is not in the table makes the
 * test one we do not implement. */
#ifndef TESTS_BOGO_OPTIONS_H
#define TESTS_BOGO_OPTIONS_H
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "handshake/settings.h"

#define UNIMPLEMENTED 89
#define LIST_MAX      16

struct list {
    const char *text[LIST_MAX];
    size_t n;
};

struct options {
    /* how to reach the runner */
    unsigned port, shim_id, resume_count;
    bool ipv6, server;
    /* what is configured */
    unsigned min_version, max_version;
    bool no_tls10, no_tls11, no_tls12, no_tls13;
    const char *cipher, *cipher13, *cert_file, *key_file, *trust_cert, *host_name;
    const char *advertise_alpn, *select_alpn, *ocsp_response, *scts;
    const char *export_label, *export_context;
    struct list curves, identities, verify_prefs, signing_prefs;
    bool verify_peer, require_client_cert, verify_fail, custom_verify;
    bool ask_scts, use_export_context, decline_status, fallback, no_ticket, ocsp_stapling,
        decline_alpn, reject_alpn;
    bool renegotiate_once, renegotiate_freely, forbid_renegotiation;
    bool client_extension, no_extension, fail_status, early_data;
    /* what is done */
    unsigned resumption_delay, read_size, export_size;
    bool bytewise, writes_first, shuts_down, check_close, send_alert, key_update, many_sizes;
    bool unfinished_write, export_between, export_secrets, renew_ticket;
    /* what is expected */
    unsigned expect_version, expect_cipher, expect_curve, expect_scheme, expect_renegotiations;
    const char *expect_alpn, *expect_name, *expect_ocsp, *expect_scts, *expect_cert;
    bool expect_miss, expect_ems, expect_hrr, expect_no_hrr, expect_renewal, expect_no_session;
    bool expect_id, expect_no_id, expect_secure, expect_insecure;
    bool expect_accept, expect_reject, expect_no_offer, expect_early_ticket;
};

enum flag_kind { FLAG_NONE, FLAG_SKIP_VALUE, FLAG_BOOL, FLAG_NUMBER, FLAG_TEXT, FLAG_LIST };

struct flag {
    const char *name;
    enum flag_kind kind;
    size_t at;
};

#define AT(KIND, NAME, FIELD)                       \
    {                                               \
        NAME, KIND, offsetof(struct options, FIELD) \
    }
static const struct flag flags[] = {
    AT(FLAG_NUMBER, "-port", port),
    AT(FLAG_NUMBER, "-shim-id", shim_id),
    AT(FLAG_NUMBER, "-resume-count", resume_count),
    AT(FLAG_BOOL, "-ipv6", ipv6),
    AT(FLAG_BOOL, "-server", server),
    AT(FLAG_NUMBER, "-min-version", min_version),
    AT(FLAG_NUMBER, "-max-version", max_version),
    AT(FLAG_BOOL, "-no-tls1", no_tls10),
    AT(FLAG_BOOL, "-no-tls11", no_tls11),
    AT(FLAG_BOOL, "-no-tls12", no_tls12),
    AT(FLAG_BOOL, "-no-tls13", no_tls13),
    AT(FLAG_TEXT, "-cipher", cipher),
    AT(FLAG_TEXT, "-tls13-ciphersuites", cipher13),
    AT(FLAG_TEXT, "-cert-file", cert_file),
    AT(FLAG_TEXT, "-key-file", key_file),
    AT(FLAG_TEXT, "-trust-cert", trust_cert),
    AT(FLAG_TEXT, "-host-name", host_name),
    AT(FLAG_TEXT, "-advertise-alpn", advertise_alpn),
    AT(FLAG_TEXT, "-select-alpn", select_alpn),
    AT(FLAG_TEXT, "-ocsp-response", ocsp_response),
    AT(FLAG_LIST, "-curves", curves),
    AT(FLAG_LIST, "-verify-prefs", verify_prefs),
    AT(FLAG_LIST, "-signing-prefs", signing_prefs),
    AT(FLAG_LIST, "-multiple-certs-slot", identities),
    AT(FLAG_BOOL, "-verify-peer", verify_peer),
    AT(FLAG_BOOL, "-require-any-client-certificate", require_client_cert),
    AT(FLAG_BOOL, "-verify-fail", verify_fail),
    AT(FLAG_BOOL, "-use-custom-verify-callback", custom_verify),
    AT(FLAG_BOOL, "-fallback-scsv", fallback),
    AT(FLAG_BOOL, "-no-ticket", no_ticket),
    AT(FLAG_BOOL, "-enable-ocsp-stapling", ocsp_stapling),
    AT(FLAG_BOOL, "-enable-signed-cert-timestamps", ask_scts),
    AT(FLAG_TEXT, "-signed-cert-timestamps", scts),
    AT(FLAG_BOOL, "-decline-ocsp-callback", decline_status),
    AT(FLAG_BOOL, "-decline-alpn", decline_alpn),
    AT(FLAG_BOOL, "-reject-alpn", reject_alpn),
    AT(FLAG_BOOL, "-renegotiate-once", renegotiate_once),
    AT(FLAG_BOOL, "-renegotiate-freely", renegotiate_freely),
    AT(FLAG_BOOL, "-renegotiate-explicit", renegotiate_freely), /* we ask nobody before we do */
    AT(FLAG_BOOL, "-forbid-renegotiation-after-handshake", forbid_renegotiation),
    AT(FLAG_BOOL, "-enable-client-custom-extension", client_extension),
    AT(FLAG_BOOL, "-custom-extension-skip", no_extension),
    AT(FLAG_BOOL, "-fail-ocsp-callback", fail_status),
    AT(FLAG_BOOL, "-enable-early-data", early_data),
    AT(FLAG_BOOL, "-renew-ticket", renew_ticket),
    AT(FLAG_NUMBER, "-resumption-delay", resumption_delay),
    AT(FLAG_NUMBER, "-read-size", read_size),
    AT(FLAG_BOOL, "-async", bytewise),
    AT(FLAG_BOOL, "-shim-writes-first", writes_first),
    AT(FLAG_BOOL, "-shim-shuts-down", shuts_down),
    AT(FLAG_BOOL, "-check-close-notify", check_close),
    AT(FLAG_BOOL, "-send-alert", send_alert),
    AT(FLAG_BOOL, "-key-update", key_update),
    AT(FLAG_NUMBER, "-export-keying-material", export_size),
    AT(FLAG_TEXT, "-export-label", export_label),
    AT(FLAG_TEXT, "-export-context", export_context),
    AT(FLAG_BOOL, "-use-export-context", use_export_context),
    AT(FLAG_BOOL, "-use-exporter-between-reads", export_between),
    AT(FLAG_BOOL, "-export-traffic-secrets", export_secrets),
    AT(FLAG_BOOL, "-read-with-unfinished-write", unfinished_write),
    AT(FLAG_BOOL, "-write-different-record-sizes", many_sizes),
    AT(FLAG_NUMBER, "-expect-version", expect_version),
    AT(FLAG_NUMBER, "-expect-cipher", expect_cipher),
    AT(FLAG_NUMBER, "-expect-cipher-aes", expect_cipher), /* we always like AES best */
    AT(FLAG_NUMBER, "-expect-curve-id", expect_curve),
    AT(FLAG_NUMBER, "-expect-peer-signature-algorithm", expect_scheme),
    AT(FLAG_NUMBER, "-expect-total-renegotiations", expect_renegotiations),
    AT(FLAG_TEXT, "-expect-alpn", expect_alpn),
    AT(FLAG_TEXT, "-expect-server-name", expect_name),
    AT(FLAG_TEXT, "-expect-ocsp-response", expect_ocsp),
    AT(FLAG_TEXT, "-expect-signed-cert-timestamps", expect_scts),
    AT(FLAG_TEXT, "-expect-peer-cert-file", expect_cert),
    AT(FLAG_BOOL, "-expect-session-miss", expect_miss),
    AT(FLAG_BOOL, "-expect-extended-master-secret", expect_ems),
    AT(FLAG_BOOL, "-expect-hrr", expect_hrr),
    AT(FLAG_BOOL, "-expect-no-hrr", expect_no_hrr),
    AT(FLAG_BOOL, "-expect-ticket-renewal", expect_renewal),
    AT(FLAG_BOOL, "-expect-no-session", expect_no_session),
    AT(FLAG_BOOL, "-expect-session-id", expect_id),
    AT(FLAG_BOOL, "-expect-no-session-id", expect_no_id),
    AT(FLAG_BOOL, "-expect-accept-early-data", expect_accept),
    AT(FLAG_BOOL, "-expect-reject-early-data", expect_reject),
    AT(FLAG_BOOL, "-expect-no-offer-early-data", expect_no_offer),
    AT(FLAG_BOOL, "-expect-ticket-supports-early-data", expect_early_ticket),
    AT(FLAG_BOOL, "-expect-secure-renegotiation", expect_secure),
    AT(FLAG_BOOL, "-expect-no-secure-renegotiation", expect_insecure),
    /* How the runner's own library does what for us is one thing, or what we never do. */
    { "-implicit-handshake", FLAG_NONE, 0 },
    { "-use-early-callback", FLAG_NONE, 0 },
    { "-use-old-client-cert-callback", FLAG_NONE, 0 },
    { "-handshake-twice", FLAG_NONE, 0 },
    { "-no-op-extra-handshake", FLAG_NONE, 0 },
    { "-permute-extensions", FLAG_NONE, 0 },
    { "-enable-grease", FLAG_NONE, 0 },
    { "-use-ocsp-callback", FLAG_NONE, 0 },
    { "-set-ocsp-in-callback", FLAG_NONE, 0 },
    { "-use-ticket-callback", FLAG_NONE, 0 },
    { "-install-ddos-callback", FLAG_NONE, 0 },
    { "-enforce-rsa-key-usage", FLAG_NONE, 0 },
    { "-renegotiate-ignore", FLAG_NONE, 0 },
    { "-expect-verify-result", FLAG_NONE, 0 },
    { "-expect-cipher-no-aes", FLAG_SKIP_VALUE, 0 },
    { "-reverify-on-resume", FLAG_NONE, 0 }, /* a session is bound to what judged its peer */
    { "-peek-then-read", FLAG_NONE, 0 },     /* the engine keeps no data: its caller has it all */
    { "-false-start", FLAG_NONE, 0 },        /* a client may, ours never does */
    { "-read-ahead-buffer-size", FLAG_SKIP_VALUE, 0 },
    { "-max-cert-list", FLAG_SKIP_VALUE, 0 },      /* our own limit is less */
    { "-use-client-ca-list", FLAG_SKIP_VALUE, 0 }, /* without anchors a server names none */
    /* The runner's own algorithms; ours is zlib, always on. */
    { "-install-cert-compression-algs", FLAG_NONE, 0 },
    { "-install-one-cert-compression-alg", FLAG_SKIP_VALUE, 0 },
    /* Seen by callbacks that we do not have; what follows from them is checked all the same. */
    { "-expect-msg-callback", FLAG_SKIP_VALUE, 0 },
    { "-expect-advertised-alpn", FLAG_SKIP_VALUE, 0 },
    { "-expect-early-data-reason", FLAG_SKIP_VALUE, 0 },
    { "-expect-certificate-types", FLAG_SKIP_VALUE, 0 },
    { "-expect-client-ca-list", FLAG_SKIP_VALUE, 0 },
    { "-expect-peer-verify-pref", FLAG_SKIP_VALUE, 0 },
    { "-expect-ticket-age-skew", FLAG_SKIP_VALUE, 0 },
};

static inline void flag_store(struct options *o, const struct flag *f, const char *value)
{
    char *field = (char *)o + f->at;

    if (f->kind == FLAG_BOOL) {
        *(bool *)field = true;
    } else if (f->kind == FLAG_NUMBER) {
        *(unsigned *)field = (unsigned)strtoul(value, NULL, 10);
    } else if (f->kind == FLAG_TEXT) {
        *(const char **)field = value;
    } else if (f->kind == FLAG_LIST) {
        struct list *list = (struct list *)field;

        if (list->n == LIST_MAX) {
            exit(UNIMPLEMENTED);
        }
        list->text[list->n++] = value;
    }
}

/* Which connections a flag may be for. */
enum { INITIAL, RESUME, RETRY, PHASES };

/* Does not return when there is a flag that the shim does not know. */
static inline void options_parse(struct options o[static PHASES], int argc, char **argv)
{
    static const struct {
        const char *prefix;
        bool in[PHASES];
    } phases[] = { { "-on-initial", { true, false, false } },
                   { "-on-resume", { false, true, false } },
                   { "-on-retry", { false, false, true } },
                   { "", { true, true, true } } };

    for (int i = 1; i < argc; i++) {
        const char *name = argv[i], *value = NULL;
        const struct flag *f = NULL;
        size_t at = 0;

        while (strncmp(name, phases[at].prefix, strlen(phases[at].prefix)) != 0) {
            at++;
        }
        name += strlen(phases[at].prefix);
        for (size_t k = 0; k < sizeof flags / sizeof *flags && !f; k++) {
            f = strcmp(flags[k].name, name) == 0 ? &flags[k] : NULL;
        }
        if (!f || (f->kind != FLAG_BOOL && f->kind != FLAG_NONE && ++i == argc)) {
            exit(UNIMPLEMENTED);
        }
        value = argv[i < argc ? i : argc - 1];
        for (size_t k = 0; k < PHASES; k++) {
            if (phases[at].in[k]) {
                flag_store(&o[k], f, value);
            }
        }
    }
}

/* ---- values ---- */
/* Base64 without white space; returns bytes written, or 0. */
static inline size_t base64_read(const char *text, uint8_t *out, size_t room)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    unsigned acc = 0, bits = 0;
    size_t n = 0;

    for (; *text && *text != '='; text++) {
        const char *d = strchr(digits, *text);

        if (!d || n == room) {
            return 0;
        }
        acc = acc << 6 | (unsigned)(d - digits);
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            out[n++] = (uint8_t)(acc >> bits);
        }
    }
    return n;
}

static inline bool suite_has(const struct suite *s, const char *word)
{
    return strstr(s->name, word) != NULL;
}

static inline bool listed(const char *names, const char *name)
{
    const char *at = names ? strstr(names, name) : name;

    return at && (!names || at[strlen(name)] == ':' || at[strlen(name)] == '\0');
}

/* The cipher list: "DEFAULT", with "!AES" or more behind it, or names; TLS 1.3 has a list of its
 * own. Equal preferences, in brackets, are not for us. */
static inline size_t suites_read(const char *text, const char *text13, uint16_t *ids)
{
    char copy[512], *save = NULL;
    const char *word;
    size_t n = 0;
    bool all = !text, no_aes = false;

    for (size_t i = 0; suite_at(i); i++) {
        if (suite_at(i)->version == TLS_1_3 && listed(text13, suite_at(i)->name)) {
            ids[n++] = suite_at(i)->id;
        }
    }
    if (text && (strpbrk(text, "[|") || strlen(text) >= sizeof copy)) {
        exit(UNIMPLEMENTED);
    }
    strcpy(copy, text ? text : "");
    for (word = strtok_r(copy, ":", &save); word; word = strtok_r(NULL, ":", &save)) {
        bool known = false;

        if (strcmp(word, "DEFAULT") == 0) {
            all = known = true;
        } else if (all && strcmp(word, "!AES") == 0) {
            no_aes = known = true;
        } else if (all && (strcmp(word, "3DES") == 0 || strcmp(word, "NULL-SHA") == 0)) {
            known = true; /* there are none */
        }
        for (size_t i = 0; suite_at(i) && !known; i++) {
            if (strcmp(suite_at(i)->name, word) == 0) {
                ids[n++] = suite_at(i)->id;
                known = true;
            }
        }
        if (!known) {
            exit(UNIMPLEMENTED);
        }
    }
    for (size_t i = 0; all && suite_at(i); i++) {
        if (suite_at(i)->version == TLS_1_2 && !(no_aes && suite_has(suite_at(i), "AES"))) {
            ids[n++] = suite_at(i)->id;
        }
    }
    return n;
}
#endif
