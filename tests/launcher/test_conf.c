/* SPDX-License-Identifier: ISC */
/* The configuration: INI and one-liners, defaults, mistakes and their line numbers. */
#include "tests/launcher/policy_help.h"

/* ---- files ---- */

static void ini_good(void **state)
{
    static const char *const good[] = {
        APP "[rule foo a]\n" TWO,
        "\xef\xbb\xbf" APP "[rule foo a]\n" TWO,
        "; comment\n# comment\n\n" APP "[rule foo a]\n" TWO,
        "[app foo]\r\n[rule foo a]\r\nrole = client\r\nmatch = *:1\r\naction = bypass\r\n",
        "  [app foo]\n    [rule foo a]\n    role = client\n    match = *:1\n    action = bypass\n",
        "[ app  foo ]\n[ rule   foo   a b c ]\n" TWO,
        "[app foo] ; mine\n[rule foo a] # mine\nrole = client ; yes\nmatch = *:1 ; one\naction=bypass\n",
        APP "[rule foo a]\nrole: client\nmatch = *:1\naction: bypass\n",
        APP "[rule foo a]\nrole = client\nmatch = *:1\naction = bypass", /* no newline at the end */
        "[rule foo a]\n" TWO APP,                                        /* any order */
        "[defaults]\n" APP "[rule foo a]\n" TWO,
        "[defaults]\nca = system\nverify = full\nmin-version = 1.2\nmax-version = 1.3\neof = strict\n"
        "handoff = relay\ninherit = listed\nlinger = 2\ntimeout = 10s\nlog = /dev/null\n" APP
        "[rule foo a]\nrole = client\nmatch = *:1\n",
        APP "[rule foo a]\nrole = server\nmatch = local *:1\naction = refuse\n",
        APP "[rule foo a]\n" TWO "[config foo]\ncert = x\nclient-ca = y\nreload = no\n",
        APP "[rule foo a]\n" TWO "suites = TLS_AES_128_GCM_SHA256, TLS_AES_256_GCM_SHA384\n"
            "groups = x25519:secp256r1\nsignature-schemes = ed25519\n",
        APP
        "[rule foo a]\nrole = server\nmatch = 127.0.0.1:1 [::1]:1 10.0.0.0/8:*\naction = refuse\n",
        "[app foo]\nexe = /usr/bin/foo\nargv0 = foo\nscript = x.py\n[rule foo a]\n" TWO,
    };

    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        struct policy *p = parse(good[i], NULL);

        if (policy_broken(p)) {
            fail_msg("%zu: %s\n%s", i, policy_broken(p), good[i]);
        }
        assert_int_equal(p->nrules, 1);
        policy_free(p);
    }
}

static void ini_bad(void **state)
{
    static const struct {
        const char *text, *sentence; /* a part of the sentence, the line number above all */
    } rows[] = {
        { "x = 1\n", ":1: a key before the first section" },
        { APP "[rule foo a]\n" TWO "[app bar\n", ":6: a section without ']'" },
        { APP "[rule foo a]\n" TWO "[app bar] x\n", ":6: nothing may stand behind ']'" },
        { "[]\n", ":1: a section is" },
        { "[application foo]\n", ":1: a section is" },
        { "[app]\n", ":1: a section is" },
        { "[app a b]\n", ":1: a section is" },
        { "[rule]\n", ":1: a section is" },
        { "[rule foo]\n", ":1: a section is" },
        { "[defaults x]\n", ":1: a section is" },
        { APP "[rule foo a]\nrole client\n", ":3: this is not 'key = value'" },
        { APP "[rule foo a]\n" TWO "cerrt = x\n",
          ":6: unknown key 'cerrt' in [rule foo a]; did you mean 'cert'?" },
        { APP "[rule foo a]\n" TWO "certificate-of-mine = x\n",
          ":6: unknown key 'certificate-of-mine' in [rule foo a]" },
        { APP "[rule foo a]\n" TWO "CA = x\n", ":6: unknown key 'CA' in [rule foo a]" },
        { "[defaults]\nveriffy = full\n",
          ":2: unknown key 'veriffy' in [defaults]; did you mean 'verify'?" },
        { APP "exee = full\n", ":2: unknown key 'exee' in [app foo]; did you mean 'exe'?" },
        { APP "[rule foo a]\n" TWO "exe = x\n", ":6: 'exe' does not belong in [rule foo a]" },
        { APP "match = *:1\n", ":2: 'match' does not belong in [app foo]" },
        { "[defaults]\ncert = x\n", ":2: 'cert' does not belong in [defaults]" },
        { APP "[rule foo a]\n" TWO "role = client\n", ":6: 'role' stands already in line 3" },
        { APP "[rule foo a]\n" TWO "ca =\n", ":6: 'ca' has no value" },
        { APP "[rule foo a]\n" TWO "ca = ; nothing\n", ":6: 'ca' has no value" },
        { APP APP "[rule foo a]\n" TWO, ":2: the section stands already in line 1" },
        { APP "[rule foo a]\n" TWO "[rule foo a]\n" TWO,
          ":6: the section stands already in line 2" },
        { "[defaults]\n[defaults]\n" APP "[rule foo a]\n" TWO,
          ":2: the section stands already in line 1" },
        { "[rule foo a]\n" TWO, ":1: [rule foo a] belongs to no [app foo]" },
        { APP, ":1: [app foo] has no [rule foo LABEL]" },
        { APP "[rule foo a]\nrole = client\n", ":2: [rule foo a] has no 'match'" },
        { APP "[rule foo a]\nmatch = *:1\n", ":2: [rule foo a] has no 'role'" },
        { APP "[rule foo a]\nrole = both\nmatch = *:1\n",
          ":3: role = both: it is one of client, server" },
        { APP "[rule foo a]\nrole = client\nmatch = *\n", ":4: match = *: " },
        { APP "[rule foo a]\nrole = client\nmatch = local *:1\n", "'local' is for servers" },
        { APP "[rule foo a]\nrole = client\nmatch = a:1, b:2\n", ":4: match" },
        { APP "[rule foo a]\nrole = server\nmatch = name:1\n",
          "a server is matched by its local address" },
        { APP "[rule foo a]\nrole = server\nmatch = local\n", ":4: match" },
        { APP "[rule foo a]\nrole = client\nmatch = *:1\naction = allow\n",
          ":5: action = allow: it is one of tls, bypass, refuse" },
        { APP "[rule foo a]\n" TWO "to-port = 0\n", ":6: to-port = 0" },
        { APP "[rule foo a]\n" TWO "to-port = 65536\n", ":6: to-port = 65536" },
        { APP "[rule foo a]\n" TWO "to-port = 12x\n", ":6: to-port = 12x" },
        { APP "[rule foo a]\n" TWO "to-port = -1\n", ":6: to-port = -1" },
        { APP "[rule foo a]\n" TWO "to-port = 99999999999999999999999\n", ":6: to-port" },
        { APP "[rule foo a]\n" TWO "eof = maybe\n",
          ":6: eof = maybe: it is one of strict, lenient" },
        { APP "[rule foo a]\n" TWO "timeout = 0\n", ":6: timeout = 0" },
        { APP "[rule foo a]\n" TWO "timeout = -5\n", ":6: timeout = -5" },
        { APP "[rule foo a]\n" TWO "timeout = 5m\n", ":6: timeout = 5m" },
        { APP "[rule foo a]\n" TWO "timeout = s\n", ":6: timeout = s" },
        { APP "[rule foo a]\n" TWO "timeout = 86401\n", ":6: timeout = 86401" },
        { APP "[rule foo a]\n" TWO "timeout = 99999999999999999999999999\n", ":6: timeout" },
        { APP "[rule foo a]\n" TWO "linger = x\n", ":6: linger = x" },
        { APP "[rule foo a]\n" TWO "mode = supervise\n",
          ":6: mode = supervise: not supported yet" },
        { APP "[rule foo a]\n" TWO "mode = x\n", ":6: mode = x: it is one of inline" },
        { APP "mode = supervise\n[rule foo a]\n" TWO, ":2: mode = supervise: not supported yet" },
        { "[defaults]\nhandoff = ktls,relay\n" APP "[rule foo a]\n" TWO,
          ":2: handoff = ktls,relay: not supported yet" },
        { APP "[rule foo a]\n" TWO "starttls = gopher\n", ":6: starttls = gopher: it is one of" },
        { APP "[rule foo a]\nrole = server\nmatch = *:1\ncert = x\nstarttls = ldap\n",
          ":6: starttls = ldap: for servers" },
        { APP
          "[rule foo a]\nrole = server\nmatch = *:1\ncert = x\nplaintext = allow\nstarttls = smtp\n",
          ":7: starttls = smtp: it does not go with" },
        { APP "[rule foo a]\n" TWO "app-tls = bypass\nmode = relay\n",
          ":6: app-tls = bypass: it does not go with" },
        { APP "[rule foo a]\n" TWO "app-tls = bypass\nstarttls = smtp\n",
          ":7: starttls = smtp: it does not go with" },
        { APP "[rule foo a]\nrole = server\nmatch = *:1\naction = bypass\nadopt = x\n",
          ":6: adopt = x: it is one of" },
        { "[defaults]\ninherit = all\n" APP "[rule foo a]\n" TWO, ":2: inherit = all" },
        { APP "[rule foo a]\n" TWO "plaintext = allow\n",
          ":6: plaintext = allow: this key is for servers" },
        { APP "[rule foo a]\n" TWO "client-ca = x\n",
          ":6: client-ca = x: this key is for servers" },
        { APP "[rule foo a]\nrole = server\nmatch = *:1\naction = bypass\nname = x\n",
          ":6: name = x: this key is for clients" },
        { APP "[rule foo a]\nrole = server\nmatch = *:1\naction = bypass\nverify = ca\n",
          ":6: verify = ca: this key is for clients" },
        /* what only a TLS rule says */
        { APP "[rule foo a]\nrole = server\nmatch = *:1\n",
          ":2: [rule foo a]: a server needs 'cert' and 'key'" },
        { APP "[rule foo a]\nrole = client\nmatch = *:1\nkey = x\n",
          ":5: key = x: there is no 'cert'" },
        { APP "[rule foo a]\nrole = client\nmatch = *:1\nverify = maybe\n", ":5: verify = maybe" },
        { APP "[rule foo a]\nrole = client\nmatch = *:1\nverify = pin:sha256:00\n",
          ":5: verify = pin:sha256:00: a pin is" },
        { APP "[rule foo a]\nrole = client\nmatch = *:1\nverify = pin:md5:00\n", ":5: verify" },
        { APP "[rule foo a]\nrole = client\nmatch = *:1\npins = sha256//x\n",
          ":5: pins = sha256//x: a pin is" },
        { APP "[rule foo a]\nrole = client\nmatch = *:1\nrevocation = maybe\n",
          ":5: revocation = maybe: it is one of off, soft, hard, all" },
        { APP "[rule foo a]\nrole = client\nmatch = *:1\npartial-chain = 1\n",
          ":5: partial-chain = 1: it is one of yes, no" },
        { APP "[rule foo a]\nrole = client\nmatch = *:1\nweak-certificates = 1\n",
          ":5: weak-certificates" },
        { APP "[rule foo a]\nrole = client\nmatch = *:1\nreload = never\n", ":5: reload = never" },
        { APP "[rule foo a]\nrole = client\nmatch = *:1\ncert = x\nstaple = y\n",
          ":6: staple = y: this key is for servers" },
        { APP "[rule foo a]\nrole = server\nmatch = *:1\nstaple = y\n", ":5: staple = y: there" },
        { APP "[rule foo a]\nrole = server\nmatch = *:1\ncert = x\nkey = a\ncert = y\nkey = b\n"
              "key = c\n",
          "'key' stands already in line 8" },
        { APP "[rule foo a]\nrole = server\nmatch = *:1\ncert=1\ncert=2\ncert=3\ncert=4\ncert=5\n"
              "cert=6\ncert=7\ncert=8\ncert=9\ncert=10\ncert=11\ncert=12\ncert=13\ncert=14\n"
              "cert=15\ncert=16\ncert=17\n",
          ":21: more than 16 certificates" },
        { APP "[rule foo a]\nrole = client\nmatch = *:1\nmin-version = 1.1\n",
          ":5: min-version = 1.1: this library was built without it" },
        { APP "[rule foo a]\nrole = client\nmatch = *:1\nmin-version = 1.3\nmax-version = 1.2\n",
          "min-version is above" },
        { APP "[rule foo a]\nrole = client\nmatch = *:1\nname = a b\n", ":5: name = a b" },
        { APP "[rule foo a]\nrole = client\nmatch = *:1\nsuites = x, y\n",
          ":5: suites = x, y: there is no cipher suite \"x\"" },
        { "[defaults]\ngroups = x448,\n" APP "[rule foo a]\nrole = client\nmatch = *:1\n",
          ":2: groups = x448,: " },
        { APP "signature-schemes = ed25519,ed25519\n[rule foo a]\nrole = client\nmatch = *:1\n",
          ":2: signature-schemes = ed25519,ed25519: ed25519 stands there twice" },
        { APP "[rule foo a]\n" TWO "[config x]\nmatch = *:1\n",
          ":7: 'match' does not belong in [config x]" },
        { APP "[rule foo a]\nrole = client\nmatch = *:1\nsni = 1.2.3.4\n", ":5: sni = 1.2.3.4" },
        { APP "[rule foo a]\nrole = client\nmatch = *:1\nalpn = ,\n", ":5: alpn" },
        { APP "[rule foo a]\nrole = server\nmatch = *:1\ncert = x\nclient-auth = require\n",
          ":6: client-auth = require: 'client-ca'" },
        { APP "[rule foo a]\nrole = server\nmatch = *:1\ncert = x\nclient-auth = maybe\n",
          ":6: client-auth = maybe" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct policy *p = parse(rows[i].text, NULL);

        if (!policy_broken(p)) {
            fail_msg("%zu was taken:\n%s", i, rows[i].text);
        }
        if (!strstr(policy_broken(p), rows[i].sentence)) {
            fail_msg("%zu: '%s' instead of '%s'", i, policy_broken(p), rows[i].sentence);
        }
        policy_free(p);
    }
}

/* A file cut anywhere is in order or broken with a sentence, and nothing leaks. */
static void ini_truncated(void **state)
{
    static const char whole[] =
        "[defaults]\nca = system\n[app foo]\nexe = /x/foo\n[rule foo a]\nrole = client\n"
        "match = *.a:1-2\nname = b\n[rule foo b]\nrole = server\nmatch = local *:3\n"
        "action = bypass\n";
    char text[sizeof whole];

    (void)state;
    for (size_t n = 0; n < sizeof whole; n++) {
        struct policy *p;

        memcpy(text, whole, n);
        text[n] = '\0';
        p = parse(text, NULL);
        if (p->ini.error.code == 0) {
            assert_null(policy_broken(p));
        } else {
            assert_true(strlen(policy_broken(p)) > 10);
        }
        policy_free(p);
    }
}

static void ini_line_length(void **state)
{
    char text[1000];
    struct policy *p;
    size_t n;

    (void)state;
    for (size_t len = 190; len <= 230; len++) { /* of the line "alpn = aaaa..." */
        (void)strcpy(text, APP "[rule foo a]\n" TWO "alpn = ");
        n = strlen(text);
        memset(text + n, 'a', len - 7);
        (void)strcpy(text + n + len - 7, "\n");
        p = parse(text, NULL);
        if (len <= 197) {
            assert_null(policy_broken(p));
            assert_int_equal(strlen(policy_rule(p, 0)->alpn), len - 7);
        } else {
            assert_non_null(strstr(policy_broken(p), ":6: the line is longer than 197 bytes"));
        }
        policy_free(p);
    }
    /* Comments may be as long as they like. */
    (void)strcpy(text, ";");
    memset(text + 1, 'x', 500);
    (void)strcpy(text + 501, "\n" APP "[rule foo a]\n" TWO);
    p = parse(text, NULL);
    assert_null(policy_broken(p));
    policy_free(p);
}

static void ini_values(void **state)
{
    struct policy *p = parse(
        "[defaults]\ntimeout = 7\nlinger = 1500ms\neof = lenient\nlog = /var/log/x\n"
        "[app foo]\ntimeout = 8s\n[app bar]\n"
        "[rule foo a]\nrole = client\nmatch = *:1\nto-port = 65535\nname = n.example\n"
        "sni = s.example\nalpn = h2, http/1.1\napp-tls = bypass\nverify = none\n"
        "[rule foo b]\nrole = server\nmatch = *:1\ncert = x\nplaintext = loopback\ntimeout = 9\n"
        "[rule bar c]\nrole = client\nmatch = *:1\neof = strict\n",
        NULL);
    const struct rule *r;

    (void)state;
    assert_null(policy_broken(p));
    r = policy_rule(p, 0);
    assert_string_equal(r->app, "foo");
    assert_string_equal(r->label, "a");
    assert_int_equal(r->line, 9);
    assert_int_equal(r->role, TLS_CLIENT);
    assert_int_equal(r->action, RULE_TLS);
    assert_int_equal(r->to_port, 65535);
    assert_string_equal(r->name, "n.example");
    assert_string_equal(r->sni, "s.example");
    assert_string_equal(r->alpn, "h2, http/1.1");
    assert_int_equal(r->app_tls, APP_TLS_BYPASS);
    assert_true(r->unverified);
    assert_true(r->lenient_eof);
    assert_int_equal(r->handshake_timeout_ms, 8000); /* its [app]'s before [defaults]' */
    assert_int_equal(r->linger_ms, 1500);
    r = policy_rule(p, 1);
    assert_int_equal(r->role, TLS_SERVER);
    assert_int_equal(r->plaintext, PLAINTEXT_LOOPBACK);
    assert_int_equal(r->handshake_timeout_ms, 9000); /* its own first of all */
    assert_false(r->unverified);
    r = policy_rule(p, 2);
    assert_false(r->lenient_eof);
    assert_int_equal(r->handshake_timeout_ms, 7000);
    assert_int_equal(r->app_tls, APP_TLS_REFUSE);
    assert_int_equal(r->plaintext, PLAINTEXT_REFUSE);
    assert_null(r->name);
    assert_string_equal(r->alpn, "");
    assert_null(policy_rule(p, 3));
    assert_string_equal(policy_log(p), "/var/log/x");
    policy_free(p);
}

static void count_problem(void *ctx, const char *sentence)
{
    assert_true(strlen(sentence) > 10);
    ++*(int *)ctx;
}

/* check wants all mistakes, not the first. */
static void ini_all_problems(void **state)
{
    struct policy *p = policy_new();
    const char *path =
        write_text("many.conf", "[app foo]\nbad = 1\n[rule foo a]\nrole = x\nmatch = y\nworse = 1\n"
                                "[oops]\nz = 1\nzz = 2\n[rule foo b]\n" TWO "linger = no\n");
    int n = 0;

    (void)state;
    p->ini.on_problem = count_problem;
    p->ini.problem_ctx = &n;
    assert_true(policy_read(p, NULL, path) < 0);
    assert_int_equal(n, 3); /* bad, worse, [oops]; its keys are not blamed again */
    policy_select(p, NULL);
    assert_true(policy_build(p, false) < 0);
    assert_int_equal(n, 6); /* role, match, linger */
    assert_non_null(strstr(policy_broken(p), "unknown key 'bad'"));
    policy_free(p);
}

/* Sections for programs of their own, as `sleeve check` sees them. */
static void ini_configs(void **state)
{
    struct policy *p = parse(APP "[rule foo a]\n" TWO "[config x]\nalpn = a\nname = b\n"
                                 "[config y]\neof = maybe\nkey = k\n",
                             NULL);
    int n = 0;

    (void)state;
    assert_null(policy_broken(p)); /* of no concern to the rules */
    p->ini.on_problem = count_problem;
    p->ini.problem_ctx = &n;
    assert_true(ini_check_configs(&p->ini) < 0);
    assert_int_equal(n, 2);
    assert_non_null(strstr(policy_broken(p), ":11: key = k: there is no 'cert'"));
    policy_free(p);
}

/* ---- one-liners ---- */

static void oneliners(void **state)
{
    struct policy *p =
        parse(NULL, "client redis-cli *:6379 name=localhost to-port=6380; ;\n"
                    "server * 127.0.0.1:1 [::1]:1 action=bypass\nclient x a:1 action=refuse");
    char host[POLICY_HOST_MAX];

    (void)state;
    assert_null(policy_broken(p));
    assert_int_equal(p->nrules, 3);
    assert_string_equal(policy_rule(p, 0)->app, "redis-cli");
    assert_string_equal(policy_rule(p, 0)->match, "*:6379");
    assert_string_equal(policy_rule(p, 0)->name, "localhost");
    assert_int_equal(policy_rule(p, 0)->to_port, 6380);
    assert_null(policy_rule(p, 0)->file);
    assert_int_equal(policy_rule(p, 1)->role, TLS_SERVER);
    assert_string_equal(policy_rule(p, 1)->label, "-r 2");
    assert_int_equal(policy_rule(p, 2)->action, RULE_REFUSE);
    assert_string_equal(label_of(ask(p, "9.9.9.9", 1, "a", host)), "-r 3");
    policy_free(p);
}

static void oneliners_bad(void **state)
{
    static const struct {
        const char *text, *sentence;
    } rows[] = {
        { "x", "rule 1: it must begin with 'client' or 'server'" },
        { "client", "rule 1: it must begin" },
        { "client *:1=2", "rule 1: it must begin" },
        { "client a", "rule 1: [rule a -r 1] has no 'match'" },
        { "client a verify=none", "has no 'match'" },
        { "client a *:1 action=bypass; peer b *:2", "rule 2: it must begin" },
        { "client a *:1 action=bypass zero", "rule 1: 'zero' is not key=value" },
        { "client a *:1 action=bypass action=bypass", "rule 1: 'action' stands twice" },
        { "client a *:1 cert=", "rule 1: 'cert' has no value" },
        { "client a *:1 =x", "rule 1: unknown key ''" },
        { "client a *:1 crt=x", "rule 1: unknown key 'crt' in it; did you mean 'cert'?" },
        { "client a *:1 role=server", "rule 1: 'role' stands twice" },
        { "client a *:1 exe=/x", "rule 1: 'exe' does not belong" },
        { "client a *", "rule 1: match = *: " },
        { "server a b:1", "a server is matched by its local address" },
        { "server a *:1", "a server needs 'cert' and 'key'" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct policy *p = parse(NULL, rows[i].text);

        if (!policy_broken(p) || !strstr(policy_broken(p), rows[i].sentence)) {
            fail_msg("%s: '%s'", rows[i].text, policy_broken(p) ? policy_broken(p) : "taken");
        }
        policy_free(p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ini_good),      cmocka_unit_test(ini_bad),
        cmocka_unit_test(ini_truncated), cmocka_unit_test(ini_line_length),
        cmocka_unit_test(ini_values),    cmocka_unit_test(ini_all_problems),
        cmocka_unit_test(ini_configs),   cmocka_unit_test(oneliners),
        cmocka_unit_test(oneliners_bad),
    };

    return cmocka_run_group_tests_name("conf", tests, make_dir, remove_dir);
}
