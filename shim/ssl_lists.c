/* SPDX-License-Identifier: ISC */
/* Options that are lists of names. */
#include "base/mem.h"
#include "shim/ssl_options.h"

#define BLANKS " \t"

/* The next of the names in *at, without the blanks around it; *at is behind it, NULL at the end. */
static struct span next_name(const char **at, const char *separators)
{
    const char *p = *at + strspn(*at, BLANKS);
    size_t n = strcspn(p, separators);

    *at = p[n] ? p + n + 1 : NULL;
    while (n > 0 && strchr(BLANKS, p[n - 1])) {
        n--;
    }
    return span_of(p, n);
}

typedef const char *name_fn(size_t i, uint16_t *id); /* of the i-th row; NULL ends */

static const char *suite_name(size_t i, uint16_t *id)
{
    const struct suite *s = suite_at(i);

    *id = s ? s->id : 0;
    return s ? s->name : NULL;
}

static const char *group_name(size_t i, uint16_t *id)
{
    const struct group *g = group_at(i);

    *id = g ? g->id : 0;
    return g ? g->name : NULL;
}

static const char *scheme_name(size_t i, uint16_t *id)
{
    const struct scheme *s = scheme_at(i);

    *id = s ? s->id : 0;
    return s ? s->name : NULL;
}

static int parse(const char *text, name_fn *rows, const char *what, struct id_list *out,
                 struct error *err)
{
    const char *name;
    uint16_t id;

    out->n = 0;
    while (text) {
        const struct span word = next_name(&text, ",:");

        for (size_t i = 0; (name = rows(i, &id)) != NULL && !span_eq(word, span_text(name)); i++) {
        }
        if (word.n == 0) {
            return FAIL(err, ERR_ARG, "%ss with ',' between, and one of them has no name", what);
        }
        if (!name) {
            return FAIL(err, ERR_ARG, "there is no %s \"%.*s\"", what,
                        (int)(word.n < 60 ? word.n : 60), (const char *)word.p);
        }
        for (size_t i = 0; i < out->n; i++) {
            if (out->id[i] == id) {
                return FAIL(err, ERR_ARG, "%s stands there twice", name);
            }
        }
        if (out->n == sizeof out->id / sizeof *out->id) {
            return FAIL(err, ERR_ARG, "too many of them");
        }
        out->id[out->n++] = id;
    }
    return 0;
}

int suites_parse(const char *text, struct id_list *out, struct error *err)
{
    TRY(parse(text, suite_name, "cipher suite", out, err));
    for (size_t i = 0; i < out->n; i++) {
        const struct suite *s = suite_by_id(out->id[i]);

        if (s && suite_look(s) < 0) {
            return FAIL(err, ERR_UNSUPPORTED,
                        "%s needs the legacy provider of OpenSSL, which is not installed", s->name);
        }
    }
    return 0;
}

int groups_parse(const char *text, struct id_list *out, struct error *err)
{
    return parse(text, group_name, "group", out, err);
}

int schemes_parse(const char *text, struct id_list *out, struct error *err)
{
    return parse(text, scheme_name, "signature scheme", out, err);
}

int alpn_parse(const char *text, struct name_list *out, struct error *err)
{
    char *to = out->text;

    out->n = 0;
    if (strlen(text) >= sizeof out->text) {
        return FAIL(err, ERR_ARG, "longer than %zu bytes", sizeof out->text - 1);
    }
    while (text) {
        const struct span word = next_name(&text, ",");

        if (out->n == ALPN_NAMES || word.n == 0 || word.n > 255) {
            return FAIL(err, ERR_ARG, "up to %d names of 1 to 255 bytes with ',' between",
                        ALPN_NAMES);
        }
        memcpy(to, word.p, word.n);
        to[word.n] = '\0';
        out->name[out->n++] = to;
        to += word.n + 1;
    }
    return 0;
}
