/* SPDX-License-Identifier: ISC */
/* Every type of key in every container, with the right, a wrong and no passphrase, given in each of
 * the ways there are, and beside certificates of other keys. Whatever comes of it, no block of
 * memory is given back with the passphrase or a part of a private key in it. */
#include "containers.h"

static void clean(const char *what)
{
    if (leaked) {
        fail_msg("%s: %ld blocks given back with a secret", what, leaked);
    }
}

/* Where the callback put the passphrase: the stack of a call that is over. */
static const volatile char *given;

__attribute__((noinline, no_sanitize_address)) static bool is_on_stack(void)
{
    const char pass[] = PASS;
    bool same = given != NULL;

    for (size_t i = 0; same && i < sizeof pass - 1; i++) {
        same = given[i] == pass[i];
    }
    given = NULL;
    return same;
}

static void loads(const struct identity_source *from, enum key_type type)
{
    struct identity *id = NULL;
    const long before = live;
    struct error err;
    int rc;

    error_clear(&err);
    rc = identity_load(&id, from, &err);
    assert_false(is_on_stack());
    if (rc != 0) {
        fail_msg("%s, %s: %s", from->certs, from->key ? from->key : "", err.text);
    }
    assert_int_equal(err.code, 0);
    assert_int_equal(privkey_type(id->key), type);
    assert_int_equal(id->ncerts, 1);
    identity_unref(id);
    assert_true(live <= before + 2); /* a library context that stays: once */
    clean(from->certs);
}

static int result(const struct identity_source *from, const char *words)
{
    struct identity *id = (struct identity *)&id;
    struct error err;
    int rc;

    error_clear(&err);
    rc = identity_load(&id, from, &err);
    assert_false(is_on_stack());
    if (rc == 0) {
        fail_msg("%s, %s was read", from->certs, from->key ? from->key : "");
    }
    assert_null(id);
    assert_int_equal(err.code, rc);
    if (words && !strstr(err.text, words)) {
        fail_msg("%s: \"%s\" instead of \"%s\"", from->certs, err.text, words);
    }
    clean(from->certs);
    return rc;
}

static unsigned asked;

static int give(void *arg, const char *what, char *out, size_t size)
{
    asked++;
    assert_non_null(strstr(what, dir));
    assert_int_equal(size, PASSPHRASE_MAX);
    if (!arg) {
        return -1;
    }
    memset(out, 'x', size); /* it need not end what it writes */
    memcpy(out, arg, strlen(arg));
    given = out;
    return (int)strlen(arg);
}

static void encrypted(struct identity_source from, enum key_type type, unsigned is)
{
    const char *const no = is & NO_MAC ? NULL : "does not open with this passphrase";
    static const char *const wrong[] = { "Correct horse battery", "correct horse batter",
                                         "correct horse battery ", "", PASS PASS };
    int rc;

    from.pass = (struct passphrase){ .text = PASS };
    loads(&from, type);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        from.pass.text = wrong[i];
        rc = result(&from, *wrong[i] ? no : NULL);
        assert_true(rc == ERR_PASSPHRASE || (is & NO_MAC && rc == ERR_PARSE));
    }
    from.pass = (struct passphrase){ 0 };
    assert_int_equal(result(&from, "no passphrase was given"), ERR_PASSPHRASE);
    asked = 0;
    from.pass = (struct passphrase){ .fn = give, .arg = (char[]){ PASS } };
    loads(&from, type);
    assert_int_equal(asked, 1);
    from.pass.arg = (char[]){ "wrong" };
    rc = result(&from, no);
    assert_true(rc == ERR_PASSPHRASE || (is & NO_MAC && rc == ERR_PARSE));
    assert_int_equal(asked, 2);
    from.pass.arg = NULL;
    assert_int_equal(result(&from, "callback gave none"), ERR_PASSPHRASE);
}

static void open_ones(struct identity_source from, enum key_type type, unsigned is)
{
    asked = 0;
    from.pass = (struct passphrase){ .fn = give };
    loads(&from, type);
    assert_int_equal(asked, 0); /* nobody is asked for what is not needed */
    from.pass = (struct passphrase){ .text = PASS };
    if (is & EMPTY_PASS) {
        assert_int_equal(result(&from, "does not open"), ERR_PASSPHRASE);
        from.pass.text = "";
    }
    loads(&from, type);
}

static void one(size_t i, const struct container *c)
{
    const char *t = kinds[i].name, *file = path(t, c->name);
    const char *uris[] = { path(t, "crt"), path(t, "crt.der"), file };
    char uri[128];
    char passfile[64];
    struct identity_source from = { .key = file };

    (void)snprintf(uri, sizeof uri, "file://%s", file);
    (void)snprintf(passfile, sizeof passfile, "%s/pass", dir);
    for (size_t j = 0; j < (c->is & WITH_CERT ? 3 : 2); j++) {
        from.certs = uris[j];
        if (c->is & ENCRYPTED && j == 0) {
            encrypted(from, kinds[i].type, c->is);
        } else if (!(c->is & ENCRYPTED)) {
            open_ones(from, kinds[i].type, c->is);
        }
        from.pass = (struct passphrase){ .file = passfile };
        loads(&from, kinds[i].type);
    }
    from.pass = (struct passphrase){ .text = c->is & EMPTY_PASS ? "" : PASS };
    from.key = uri;
    loads(&from, kinds[i].type);
    if (c->is & WITH_CERT) {
        from = (struct identity_source){ .certs = uri, .pass = from.pass };
        loads(&from, kinds[i].type);
        from.certs = file;
        loads(&from, kinds[i].type);
    }
    /* Certificates of other keys, of the same type and of another. */
    from.key = file;
    from.certs = path(t, "other.crt");
    assert_int_equal(result(&from, "does not belong to the certificate CN=other"), ERR_MISMATCH);
    from.certs = path(kinds[(i + 1) % KINDS].name, "crt.der");
    assert_int_equal(result(&from, "does not belong"), ERR_MISMATCH);
}

static void matrix(void **state)
{
    unsigned n = 0;

    (void)state;
    for (size_t i = 0; i < KINDS; i++) {
        for (size_t j = 0; j < CONTAINERS; j++) {
            if (access(path(kinds[i].name, containers[j].name), R_OK) == 0) {
                one(i, &containers[j]);
                n++;
            }
        }
    }
    assert_true(n >= KINDS * (CONTAINERS - 7));
    print_message("%u containers\n", n);
}

/* Everything that can be wrong with a passphrase file, and with what holds the secrets. */
static void passphrase_files(void **state)
{
    static const struct {
        const char *text;
        size_t n;
        int rc;
    } rows[] = {
        { PASS, 21, 0 },
        { PASS "\n", 22, 0 },
        { PASS "\r\n", 23, 0 },
        { PASS "\nmore\n", 27, 0 },
        { PASS " \n", 23, ERR_PASSPHRASE },
        { "\n" PASS "\n", 23, ERR_PASSPHRASE },
        { "", 0, ERR_PASSPHRASE },
        { PASS "\0\n", 23, ERR_PASSPHRASE },
    };
    char file[64];
    struct identity_source from = { .certs = path("p256", "p12"), .pass = { .file = file } };

    (void)state;
    (void)snprintf(file, sizeof file, "%s/line", dir);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        FILE *f = fopen(file, "we");

        assert_int_equal(fwrite(rows[i].text, 1, rows[i].n, f), rows[i].n);
        assert_int_equal(fclose(f), 0);
        if (rows[i].rc == 0) {
            loads(&from, KEY_EC_P256);
        } else {
            assert_int_equal(result(&from, NULL), rows[i].rc);
        }
    }
    for (int n = PASSPHRASE_MAX - 1; n <= PASSPHRASE_MAX; n++) {
        FILE *f = fopen(file, "we");

        assert_true(fprintf(f, "%0*d\n", n, 0) > n);
        assert_int_equal(fclose(f), 0);
        assert_int_equal(result(&from, n < PASSPHRASE_MAX ? "does not open" : "at most 1023"),
                         ERR_PASSPHRASE);
    }
    assert_int_equal(unlink(file), 0);
    assert_int_equal(result(&from, "cannot read"), ERR_FILE);
}

/* Cut short anywhere, and a byte changed anywhere: an error, and nothing left. */
static void damaged(void **state)
{
    static const char *const names[] = { "p12", "aes.pem", "both.aes.pem", "old.aes.pem",
                                         "p8.der" };

    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct buf whole = content(path("p256", names[i])), cert = content(path("p256", "crt"));
        const size_t n = buf_len(&whole);

        for (size_t at = 0; at < n; at += 1 + n / 97) {
            struct identity *id;
            struct buf copy = { .secret = true };
            int rc = identity_from_bytes(&id, buf_span(&cert), span_of(buf_data(&whole), at), PASS,
                                         NULL);

            /* The last line end may be missing, and a certificate that is not looked for. */
            assert_true(rc < 0 || at == n - 1 || strstr(names[i], "both"));
            identity_unref(id);
            assert_int_equal(buf_append(&copy, buf_data(&whole), n), 0);
            buf_data(&copy)[at] ^= 0x10;
            rc = identity_from_bytes(&id, buf_span(&cert), buf_span(&copy), PASS, NULL);
            assert_true(rc == 0 || (!id && !IS_TLS_ALERT(rc)));
            identity_unref(id);
            buf_free(&copy);
            clean(names[i]);
        }
        buf_free(&whole);
        buf_free(&cert);
    }
}

/* No memory, at each place there is one to ask for. */
static long left;

static void *fail_alloc(size_t n)
{
    return left-- > 0 ? watch_alloc(n) : NULL;
}

static void without_memory(void **state)
{
    static const char *const names[] = { "p12", "both.aes.pem", "both.pem" };

    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct identity_source from = { .certs = path("p256", names[i]),
                                        .pass = { .fn = give, .arg = (char[]){ PASS } } };
        const long before = live;
        struct identity *id;
        int rc = ERR_MEM;

        for (long n = 0; rc != 0; n++) {
            assert_true(n < 200);
            left = n;
            mem_hooks.alloc = fail_alloc;
            rc = identity_load(&id, &from, NULL);
            mem_hooks.alloc = watch_alloc;
            assert_true(rc == 0 || (rc == ERR_MEM && !id));
            identity_unref(id);
            assert_int_equal(live, before);
            clean(names[i]);
        }
    }
}

/* The watch finds what it is there for. */
static void the_watch_itself(void **state)
{
    void *p = mem_dup(PASS, sizeof PASS);

    (void)state;
    mem_free(p);
    assert_int_equal(leaked, 1);
    leaked = 0;
    for (size_t i = 0; i < KINDS; i++) {
        struct buf key = content(path(kinds[i].name, "p8.der"));

        key.secret = false;
        buf_free(&key);
        assert_true(leaked >= 1);
        leaked = 0;
        key = content(path(kinds[i].name, "both.pem"));
        key.secret = false;
        buf_free(&key);
        assert_true(leaked >= 1);
        leaked = 0;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_watch_itself), cmocka_unit_test(matrix),
        cmocka_unit_test(passphrase_files), cmocka_unit_test(damaged),
        cmocka_unit_test(without_memory),
    };

    return cmocka_run_group_tests(tests, containers_make, containers_free);
}
