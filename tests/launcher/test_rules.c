/* SPDX-License-Identifier: ISC */
/* The policy: match grammar, first match, names, selection of programs. */
#include "tests/launcher/policy_help.h"

/* ---- match ---- */

static void pattern_good(void **state)
{
    static const char *const good[] = {
        "*:*",
        "*:1",
        "*:65535",
        "*:6379",
        "*:6379,7000-7010",
        "*:1-65535",
        "*:1-1",
        "*:1,2,3,4",
        "a:1",
        "A.Example:1",
        "a.b.c:1",
        "*.a:1",
        "a*:1",
        "*a*b*:1",
        "a-b:1",
        "a_b:1",
        "a.:1",
        "1a:1",
        "**:1",
        "1.2.3.4:1",
        "0.0.0.0:1",
        "255.255.255.255:*",
        "10.0.0.0/8:*",
        "0.0.0.0/0:*",
        "1.2.3.4/32:1",
        "128.0.0.0/1:1",
        "[::]:1",
        "[::1]:1",
        "[2001:db8::1]:1,2",
        "[2001:db8::]/32:*",
        "[2001:db8::/32]:*",
        "[::]/0:*",
        "[::1]/128:1",
        "[::ffff:1.2.3.4]:1",
        "[::ffff:10.0.0.0]/104:1",
        "[fe80::]/10:*",
    };
    struct pattern m;

    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        struct error err = { 0 };

        if (pattern_parse(&m, good[i], strlen(good[i]), &err) != 0) {
            fail_msg("%s: %s", good[i], err.text);
        }
        pattern_free(&m);
    }
}

static void pattern_bad(void **state)
{
    static const char *const bad[] = {
        "",
        ":",
        "*",
        "*:",
        ":1",
        "a",
        "a:",
        "a:b",
        "a:0",
        "a:65536",
        "a:99999",
        "a:123456",
        "a:-1",
        "a:+1",
        "a:1-",
        "a:-",
        "a:2-1",
        "a:1-0",
        "a:1-65536",
        "a:1--2",
        "a:1,",
        "a:,1",
        "a:1,,2",
        "a: 1",
        "a:1 ",
        "a:*,1",
        "a:1,*",
        "a:**",
        "a:0x10",
        "a:1.5",
        "a:1-2-3",
        "a b:1",
        "a/b:1",
        "a@b:1",
        "a!:1",
        "a?:1",
        "a%:1",
        "\xc3\xa9:1",
        "::1:80",
        "2001:db8::1:80",
        "::1",
        "1.2.3:1",
        "1.2.3.4.5:1",
        "256.1.1.1:1",
        "1..2:1",
        "1.2.3.4/33:1",
        "1.2.3.4/:1",
        "1.2.3.4/-1:1",
        "1.2.3.4/a:1",
        "1.2.3.4/8:1",
        "10.0.0.1/31:1",
        "/8:1",
        "a/8:1",
        "*/0:1",
        "1.2.3.4/0:1",
        "0.0.0.0/99999999999:1",
        "[:1",
        "[::1",
        "[::1]",
        "[::1]1",
        "[::1]:",
        "[]:1",
        "[1.2.3.4]:1",
        "[::1]/129:1",
        "[::1]/:1",
        "[::1]/64:1",
        "[::1/64]:1",
        "[::1/]:1",
        "[::g]:1",
        "[::1]/128",
        "[::1/128]/128:1",
        "[:::1]:1",
        "[::1]x:1",
        "[[::1]]:1",
        "[fe80::1%eth0]:1",
        "[a]:1",
        "[::00000000000000000000000000000000000000000000000000000000000000000001]:1",
        ".:",
        "a:1\n",
    };
    struct pattern m;

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct error err = { 0 };

        if (pattern_parse(&m, bad[i], strlen(bad[i]), &err) == 0) {
            fail_msg("'%s' was taken", bad[i]);
        }
        assert_true(err.text[0] != '\0');
        assert_null(m.glob);
        assert_null(m.ports);
    }
}

/* Every prefix of a good pattern is either good or refused with a sentence: nothing reads behind
 * it. */
static void pattern_truncated(void **state)
{
    static const char *const whole[] = { "*.cache.internal:6379,7000-7010", "10.0.0.0/8:1-2",
                                         "[2001:db8::]/32:1,2", "[2001:db8::/32]:443" };
    struct pattern m;

    (void)state;
    for (size_t i = 0; i < sizeof whole / sizeof *whole; i++) {
        for (size_t n = 0; n < strlen(whole[i]); n++) {
            struct error err = { 0 };
            char *exact = n ? malloc(n) : malloc(1); /* the sanitizer guards its end */

            assert_non_null(exact);
            memcpy(exact, whole[i], n);
            if (pattern_parse(&m, exact, n, &err) == 0) {
                assert_non_null(strchr(whole[i], ':'));
                pattern_free(&m);
            } else {
                assert_true(err.text[0] != '\0');
            }
            free(exact);
        }
    }
}

static void pattern_limits(void **state)
{
    char text[1024] = "*:1";
    struct error err = { 0 };
    struct pattern m;

    (void)state;
    for (int i = 1; i < PORTS_MAX; i++) {
        (void)strcat(text, ",2");
    }
    assert_int_equal(pattern_parse(&m, text, strlen(text), &err), 0);
    assert_int_equal(m.nports, PORTS_MAX);
    pattern_free(&m);
    (void)strcat(text, ",2");
    assert_int_equal(pattern_parse(&m, text, strlen(text), &err), ERR_LIMIT);

    memset(text, 'a', POLICY_HOST_MAX - 1);
    (void)strcpy(text + POLICY_HOST_MAX - 1, ":1");
    error_clear(&err);
    assert_int_equal(pattern_parse(&m, text, strlen(text), &err), 0);
    pattern_free(&m);
    memset(text, 'a', POLICY_HOST_MAX);
    (void)strcpy(text + POLICY_HOST_MAX, ":1");
    assert_int_equal(pattern_parse(&m, text, strlen(text), &err), ERR_PARSE);
}

static void pattern_matches(void **state)
{
    static const struct {
        const char *pattern, *to;
        unsigned port;
        const char *name;
        bool hit;
    } rows[] = {
        { "*:*", "1.2.3.4", 1, NULL, true },
        { "*:*", "::1", 65535, NULL, true },
        { "*:80", "1.2.3.4", 80, NULL, true },
        { "*:80", "1.2.3.4", 79, NULL, false },
        { "*:80", "1.2.3.4", 81, NULL, false },
        { "*:80-82", "1.2.3.4", 79, NULL, false },
        { "*:80-82", "1.2.3.4", 80, NULL, true },
        { "*:80-82", "1.2.3.4", 82, NULL, true },
        { "*:80-82", "1.2.3.4", 83, NULL, false },
        { "*:5,80-82,9", "1.2.3.4", 9, NULL, true },
        { "*:5,80-82,9", "1.2.3.4", 6, NULL, false },
        /* names */
        { "a.example:1", "1.2.3.4", 1, "a.example", true },
        { "a.example:1", "1.2.3.4", 2, "a.example", false },
        { "a.example:1", "1.2.3.4", 1, NULL, false },
        { "a.example:1", "1.2.3.4", 1, "A.EXAMPLE", true },
        { "A.EXAMPLE:1", "1.2.3.4", 1, "a.example", true },
        { "a.example:1", "1.2.3.4", 1, "a.example.", true },
        { "a.example.:1", "1.2.3.4", 1, "a.example", true },
        { "a.example:1", "1.2.3.4", 1, "aa.example", false },
        { "a.example:1", "1.2.3.4", 1, "a.example.org", false },
        { "a.example:1", "1.2.3.4", 1, "a-example", false },
        { "a.example:1", "1.2.3.4", 1, "", false },
        { "a.example:1", "1.2.3.4", 1, ".", false },
        { "*.example:1", "1.2.3.4", 1, "a.example", true },
        { "*.example:1", "1.2.3.4", 1, "a.b.example", true },
        { "*.example:1", "1.2.3.4", 1, "example", false },
        { "*.example:1", "1.2.3.4", 1, ".example", true },
        { "*.example:1", "1.2.3.4", 1, "a.example.com", false },
        { "*.example:1", "1.2.3.4", 1, "xexample", false },
        { "cache*:1", "1.2.3.4", 1, "cache", true },
        { "cache*:1", "1.2.3.4", 1, "cache7.lan", true },
        { "cache*:1", "1.2.3.4", 1, "mycache", false },
        { "a*b*c:1", "1.2.3.4", 1, "abc", true },
        { "a*b*c:1", "1.2.3.4", 1, "axxbyyc", true },
        { "a*b*c:1", "1.2.3.4", 1, "abcbc", true },
        { "a*b*c:1", "1.2.3.4", 1, "acb", false },
        { "*a*a*a*b:1", "1.2.3.4", 1, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false },
        { "**:1", "1.2.3.4", 1, "x", true },
        { "**:1", "1.2.3.4", 1, NULL, false },
        { "1.2.3.4:1", "5.6.7.8", 1, "1.2.3.4", false }, /* an address is no name */
        /* addresses and networks */
        { "1.2.3.4:1", "1.2.3.4", 1, NULL, true },
        { "1.2.3.4:1", "1.2.3.5", 1, NULL, false },
        { "1.2.3.4:1", "1.2.3.4", 1, "other", true },
        { "10.0.0.0/8:*", "10.255.255.255", 1, NULL, true },
        { "10.0.0.0/8:*", "11.0.0.0", 1, NULL, false },
        { "10.0.0.0/8:*", "9.255.255.255", 1, NULL, false },
        { "192.168.4.0/22:*", "192.168.7.255", 1, NULL, true },
        { "192.168.4.0/22:*", "192.168.8.0", 1, NULL, false },
        { "192.168.4.0/22:*", "192.168.3.255", 1, NULL, false },
        { "128.0.0.0/1:*", "127.255.255.255", 1, NULL, false },
        { "128.0.0.0/1:*", "128.0.0.0", 1, NULL, true },
        { "1.2.3.4/31:*", "1.2.3.5", 1, NULL, true },
        { "1.2.3.4/31:*", "1.2.3.6", 1, NULL, false },
        { "0.0.0.0/0:*", "1.2.3.4", 1, NULL, true },
        { "0.0.0.0/0:*", "::1", 1, NULL, false },
        { "0.0.0.0/0:*", "::ffff:1.2.3.4", 1, NULL, true },
        { "[::1]:1", "::1", 1, NULL, true },
        { "[::1]:1", "::2", 1, NULL, false },
        { "[::1]:1", "127.0.0.1", 1, NULL, false },
        { "[2001:db8::]/32:*", "2001:db8:ffff::1", 1, NULL, true },
        { "[2001:db8::/32]:*", "2001:db8:ffff::1", 1, NULL, true },
        { "[2001:db8::]/32:*", "2001:db9::", 1, NULL, false },
        { "[fe80::]/10:*", "fe80::1", 1, NULL, true },
        { "[fe80::]/10:*", "febf::1", 1, NULL, true },
        { "[fe80::]/10:*", "fec0::1", 1, NULL, false },
        { "[::]/0:*", "2001:db8::1", 1, NULL, true },
        { "[::]/0:*", "1.2.3.4", 1, NULL, false },
        { "[::]/0:*", "::ffff:1.2.3.4", 1, NULL, false },
        /* mapped addresses are IPv4 addresses, both ways round */
        { "1.2.3.4:1", "::ffff:1.2.3.4", 1, NULL, true },
        { "[::ffff:1.2.3.4]:1", "1.2.3.4", 1, NULL, true },
        { "[::ffff:10.0.0.0]/104:*", "10.9.8.7", 1, NULL, true },
        { "[::ffff:10.0.0.0]/104:*", "11.9.8.7", 1, NULL, false },
        { "10.0.0.0/8:*", "::ffff:10.1.2.3", 1, NULL, true },
        { "10.0.0.0/8:*", "::10.1.2.3", 1, NULL, false },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct error err = { 0 };
        struct endpoint e;
        struct pattern m;
        socklen_t len;
        struct sockaddr_storage ss = addr(rows[i].to, rows[i].port, &len);

        assert_true(endpoint_of(&e, (void *)&ss, len));
        if (pattern_parse(&m, rows[i].pattern, strlen(rows[i].pattern), &err) != 0) {
            fail_msg("%s: %s", rows[i].pattern, err.text);
        }
        if (pattern_hits(&m, &e, rows[i].name) != rows[i].hit) {
            fail_msg("%s against %s port %u (%s): expected %d", rows[i].pattern, rows[i].to,
                     rows[i].port, rows[i].name ? rows[i].name : "no name", rows[i].hit);
        }
        pattern_free(&m);
    }
}

static void endpoint_odd(void **state)
{
    struct sockaddr_storage ss = { .ss_family = AF_UNIX };
    struct endpoint e;

    (void)state;
    assert_false(endpoint_of(&e, NULL, 16));
    assert_false(endpoint_of(&e, (void *)&ss, sizeof ss));
    ss.ss_family = AF_INET;
    assert_false(endpoint_of(&e, (void *)&ss, 1));
    assert_false(endpoint_of(&e, (void *)&ss, sizeof(struct sockaddr_in) - 1));
    assert_true(endpoint_of(&e, (void *)&ss, sizeof(struct sockaddr_in)));
    ss.ss_family = AF_INET6;
    assert_false(endpoint_of(&e, (void *)&ss, 23));
    assert_true(endpoint_of(&e, (void *)&ss, 24)); /* without scope id: Linux takes it */
    assert_true(endpoint_of(&e, (void *)&ss, sizeof(struct sockaddr_in6)));
}

/* ---- questions ---- */

static void first_match_wins(void **state)
{
    struct policy *p =
        parse(APP "[rule foo one]\nrole=client\nmatch = *.a:1-9\naction=bypass\n"
                  "[rule foo srv]\nrole=server\nmatch = *:*\naction=bypass\n"
                  "[rule foo two]\nrole=client\nmatch = 10.0.0.0/8:5 b.a:20\naction=refuse\n"
                  "[rule foo rest]\nrole=client\nmatch = *:5\naction=bypass\n",
              NULL);
    const char *const names[] = { "new.example", "x.a", "old.a" };
    char host[POLICY_HOST_MAX];
    struct sockaddr_storage ss;
    socklen_t len;

    (void)state;
    assert_null(policy_broken(p));
    assert_string_equal(label_of(ask(p, "10.0.0.1", 5, "x.a", host)), "one");
    assert_string_equal(host, "x.a");
    assert_string_equal(label_of(ask(p, "10.0.0.1", 5, "x.b", host)), "two");
    assert_string_equal(host, "x.b"); /* by address: the newest name all the same */
    assert_string_equal(label_of(ask(p, "10.0.0.1", 5, NULL, host)), "two");
    assert_string_equal(host, "10.0.0.1");
    assert_string_equal(label_of(ask(p, "::ffff:10.0.0.1", 5, NULL, host)), "two");
    assert_string_equal(host, "10.0.0.1");
    assert_string_equal(label_of(ask(p, "2001:db8::5", 5, NULL, host)), "rest");
    assert_string_equal(host, "2001:db8::5");
    assert_string_equal(label_of(ask(p, "11.0.0.1", 20, "B.A.", host)), "two");
    assert_string_equal(host, "B.A");
    assert_null(ask(p, "11.0.0.1", 6, NULL, host));
    assert_null(ask(p, "11.0.0.1", 10, "x.a", host));
    ss = addr("10.0.0.1", 5, &len);
    assert_string_equal(policy_client(p, (void *)&ss, len, names, 3, host)->label, "one");
    assert_string_equal(host, "x.a"); /* the name that matched, not the newest */
    assert_string_equal(policy_server(p, (void *)&ss, len)->label, "srv");
    ss.ss_family = AF_UNIX;
    assert_null(policy_client(p, (void *)&ss, len, names, 3, host));
    assert_null(policy_server(p, (void *)&ss, len));
    assert_true(policy_has(p, TLS_CLIENT));
    assert_true(policy_has(p, TLS_SERVER));
    policy_free(p);
    assert_null(ask(NULL, "10.0.0.1", 5, NULL, host));
    assert_false(policy_has(NULL, TLS_CLIENT));
    assert_null(policy_broken(NULL));
    policy_free(NULL);
}

static void explicit_name(void **state)
{
    struct policy *p = parse(NULL, "client * *:1 name=fixed.example action=bypass");
    char host[POLICY_HOST_MAX], longest[400];

    (void)state;
    assert_non_null(ask(p, "1.2.3.4", 1, "other.example", host));
    assert_string_equal(host, "fixed.example");
    policy_free(p);
    p = parse(NULL, "client * *:1 action=bypass");
    memset(longest, 'a', sizeof longest);
    longest[POLICY_HOST_MAX - 1] = '\0';
    assert_non_null(ask(p, "1.2.3.4", 1, longest, host));
    assert_string_equal(host, longest);
    longest[POLICY_HOST_MAX - 1] = 'a';
    longest[POLICY_HOST_MAX] = '\0'; /* does not fit: never a cut name */
    assert_non_null(ask(p, "1.2.3.4", 1, longest, host));
    assert_string_equal(host, "1.2.3.4");
    assert_false(policy_has(p, TLS_SERVER));
    policy_free(p);
}

/* ---- which program ---- */

static void selection(void **state)
{
    static const struct {
        const char *app, *keys;
        struct program prog;
        bool selected;
    } rows[] = {
        { "foo", "", { .exe = "/usr/bin/foo" }, true },
        { "foo", "", { .exe = "/usr/bin/foobar" }, false },
        { "foo", "", { .exe = "/usr/bin/fo" }, false },
        { "foo", "", { .exe = "/foo/bar" }, false },
        { "foo",
          "",
          { .exe = "/usr/bin/real", .execfn = "/usr/bin/foo" },
          true }, /* by a link's name */
        { "foo", "", { .exe = "/usr/bin/real", .execfn = "foo" }, true },
        { "foo", "", { .exe = "/usr/bin/real", .argv0 = "foo" }, false },
        { "foo", "", { .exe = "/usr/bin/python3", .script = "foo" }, false },
        { "foo", "", { 0 }, false },
        { "foo",
          "exe = /bin/sh\n",
          { .exe = "/usr/bin/foo" },
          false }, /* then the name is only a label */
        { "foo", "exe = /usr/bin/foo\n", { .exe = "/usr/bin/foo" }, true },
        { "foo", "exe = /usr/bin/foo\n", { .exe = "/usr/bin/foo2" }, false },
        { "foo", "exe = foo\n", { .exe = "/opt/foo" }, true },
        { "x", "exe = /bin/sh\n", { .exe = "REAL-SH" }, true }, /* links are followed */
        { "x", "exe = /no/such/file\n", { .exe = "/usr/bin/x" }, false },
        { "x", "argv0 = foo\n", { .exe = "/bin/busybox", .argv0 = "foo" }, true },
        { "x", "argv0 = foo\n", { .exe = "/bin/busybox", .argv0 = "/bin/foo" }, true },
        { "x", "argv0 = foo\n", { .exe = "/bin/busybox", .argv0 = "foo2" }, false },
        { "x", "argv0 = -foo\n", { .exe = "/bin/busybox", .argv0 = "-foo" }, true },
        { "x", "argv0 = /bin/foo\n", { .exe = "/bin/busybox", .argv0 = "foo" }, false },
        { "x", "argv0 = foo\n", { .exe = "/usr/bin/foo" }, false },
        { "x", "script = s.py\n", { .exe = "/usr/bin/python3", .script = "/opt/s.py" }, true },
        { "x", "script = s.py\n", { .exe = "/usr/bin/python3", .script = "s.py" }, true },
        { "x", "script = s.py\n", { .exe = "/usr/bin/python3", .script = "s.pyc" }, false },
        { "x", "script = /opt/s.py\n", { .exe = "/usr/bin/python3", .script = "/opt/s.py" }, true },
        { "x",
          "script = /opt/s.py\n",
          { .exe = "/usr/bin/python3", .script = "/srv/s.py" },
          false },
        { "x", "script = s.py\n", { .exe = "/usr/bin/python3" }, false },
        { "x",
          "exe = python3\nscript = s.py\n",
          { .exe = "/usr/bin/python3", .script = "s.py" },
          true },
        { "x",
          "exe = perl\nscript = s.py\n",
          { .exe = "/usr/bin/python3", .script = "s.py" },
          false },
    };
    char *sh = realpath("/bin/sh", NULL);

    (void)state;
    assert_non_null(sh);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct program prog = rows[i].prog;
        struct policy *p = policy_new();
        char text[300];

        if (prog.exe && strcmp(prog.exe, "REAL-SH") == 0) {
            prog.exe = sh;
        }
        (void)snprintf(text, sizeof text, "[app %s]\n%s[rule %s a]\n" TWO, rows[i].app,
                       rows[i].keys, rows[i].app);
        assert_int_equal(policy_read(p, NULL, write_text("select.conf", text)), 0);
        if ((policy_select(p, &prog) == 1) != rows[i].selected) {
            fail_msg("%zu: [app %s] %s", i, rows[i].app, rows[i].keys);
        }
        if (rows[i].selected) {
            assert_true(text_may_list(text, &prog)); /* the quick look never says no to a yes */
        }
        policy_free(p);
    }
    free(sh);
}

static void quick_look(void **state)
{
    static const struct program prog = { .exe = "/usr/bin/cat", .execfn = "/bin/kitty" };
    static const struct {
        const char *text;
        bool may;
    } rows[] = {
        { "", false },
        { "[app cat]", true },
        { "  [ app kitty ]", true },
        { "\xef\xbb\xbf[app cat]", true },
        { "[app dog]\n[rule dog a]\nrole=client\n", false },
        { "[app dog]\n[rule cat a]\n",
          true }, /* a rule without [app]: the whole file must decide */
        { "[app cat", true },
        { "; [app cat]\n#[app cat]\n", false },
        { "cat = 1\n", false },
        { "[app dog]\nexe = /x\n", true },
        { "[app dog]\n  exe=/x\n", true },
        { "[app dog]\nexe: /x\n", true },
        { "[app dog]\nargv0 = x\n", true },
        { "[app dog]\nscript\t= x\n", true },
        { "[app dog]\nexecutable = x\n", false },
        { "[app dog]\nca = exe\n", false },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (text_may_list(rows[i].text, &prog) != rows[i].may) {
            fail_msg("%s", rows[i].text);
        }
    }
    assert_true(text_may_list("[app dog]", &(struct program){ 0 })); /* who are we? rather look */
}

/* The same of rules in one line: words end where they do for who reads them (threat 41). */
static void threat_41_quick_look_at_one_liners(void **state)
{
    static const struct program prog = { .exe = "/usr/bin/cat", .execfn = "/bin/kitty" };
    static const struct {
        const char *text;
        bool may;
    } rows[] = {
        { "", false },
        { " ;\n\t;", false },
        { "client dog *:1", false },
        { "client dog *:1; server cat *:1", true },
        { "client\tkitty\t*:1", true },
        { "client cat\v*:1", true },
        { "client cat\f*:1", true },
        { "client\fcat *:1", true },
        { "\vclient cat *:1", true },
        { "client dog\v*:1", false },
        { "client cats *:1", false },
        { "client", true },
        { "clients dog *:1", true },
        { "client * *:1", true },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct sources src = { .rules = rows[i].text };

        if (sources_may_list(&src, &prog) != rows[i].may) {
            fail_msg("%s", rows[i].text);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pattern_good),
        cmocka_unit_test(pattern_bad),
        cmocka_unit_test(pattern_truncated),
        cmocka_unit_test(pattern_limits),
        cmocka_unit_test(pattern_matches),
        cmocka_unit_test(endpoint_odd),
        cmocka_unit_test(first_match_wins),
        cmocka_unit_test(explicit_name),
        cmocka_unit_test(selection),
        cmocka_unit_test(quick_look),
        cmocka_unit_test(threat_41_quick_look_at_one_liners),
    };

    return cmocka_run_group_tests_name("rules", tests, make_dir, remove_dir);
}
