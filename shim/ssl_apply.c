/* SPDX-License-Identifier: ISC */
/* A value becomes an option's. */
#include "base/secret.h"
#include "shim/ssl_options.h"

/* The settings in *o become its own before one of them changes. */
static int own_settings(struct options *o, struct error *err)
{
    struct ssl_settings *copy;

    if (atomic_load(&o->set->refs) == 1) {
        return 0;
    }
    copy = ssl_settings_copy(o->set);
    if (!copy) {
        return FAIL(err, ERR_MEM, "no memory for options");
    }
    ssl_settings_put(o->set);
    o->set = copy;
    return 0;
}

static int apply_number(const struct ssl_option *opt, struct options *o, const void *value,
                        size_t len, struct error *err)
{
    bool known = opt->nof == 0;
    int number;

    if (len != sizeof number || !value) {
        return FAIL(err, ERR_ARG, "it takes an int");
    }
    memcpy(&number, value, sizeof number);
    for (size_t i = 0; i < opt->nof; i++) {
        known = known || number == opt->of[i].value;
    }
    if (!known) {
        return FAIL(err, ERR_ARG, "no such value: %d", number);
    }
    if (opt->nof == 0 && (number < opt->min || number > opt->max)) {
        return FAIL(err, ERR_ARG, "%d is not from %d to %d", number, opt->min, opt->max);
    }
    if (opt->check_number) {
        TRY(opt->check_number(number, err));
    }
    if (opt->where == NUM_TIMEOUT) {
        o->timeout_ms = number;
    } else if (opt->where == NUM_EOF) {
        o->eof = number;
    } else {
        TRY(own_settings(o, err));
        ssl_settings_number(o->set, (enum number)opt->where, number);
    }
    return 0;
}

static bool is_name(const char *s)
{
    return s && *s && strnlen(s, PSK_NAME_MAX + 1) <= PSK_NAME_MAX;
}

/* What config_add_psk() would not take, said where it was set; NULL: nothing. */
static const char *psk_fault(const struct ssl_psk *p)
{
    if (!is_name(p->identity)) {
        return "an identity has 1 to 255 bytes";
    }
    if (!p->key || p->key_len < PSK_KEY_MIN || p->key_len > PSK_KEY_MAX) {
        return "a key has 16 to 256 bytes";
    }
    if (p->hash != SSL_PSK_SHA256 && p->hash != SSL_PSK_SHA384 && p->hash != SSL_PSK_TLS12) {
        return "the hash is SSL_PSK_SHA256, SSL_PSK_SHA384 or SSL_PSK_TLS12";
    }
    if (p->hash == SSL_PSK_TLS12 && (p->own || p->peer)) {
        return "keys of TLS 1.2 cannot be imported";
    }
    if ((p->own || p->peer) && (!is_name(p->own) || !is_name(p->peer))) {
        return "the names of both ends, of 1 to 255 bytes, or neither";
    }
    return p->own && strcmp(p->own, p->peer) == 0 ? "the two ends have the same name" : NULL;
}

static int apply_psk(struct options *o, const void *value, size_t len, struct error *err)
{
    struct ssl_psk p;
    const char *fault;

    if (len != 0) {
        if (len != sizeof p || !value) {
            return FAIL(err, ERR_ARG, "it takes a struct ssl_psk");
        }
        memcpy(&p, value, sizeof p);
        fault = psk_fault(&p);
        if (fault) {
            return FAIL(err, ERR_ARG, "%s", fault);
        }
    }
    TRY(own_settings(o, err));
    return ssl_settings_psk(o->set, len ? &p : NULL) < 0
               ? FAIL(err, ERR_MEM, "no memory for options")
               : 0;
}

static int apply_hook(const struct ssl_option *opt, struct options *o, const void *value,
                      size_t len, struct error *err)
{
    struct ssl_hook h = { 0 };

    if (len != 0) {
        if (len != sizeof h || !value) {
            return FAIL(err, ERR_ARG, "it takes a struct of a function and its argument");
        }
        memcpy(&h, value, sizeof h);
        if (!h.fn) {
            return FAIL(err, ERR_ARG, "there is no function");
        }
    }
    TRY(own_settings(o, err));
    ssl_settings_hook(o->set, (enum hook)opt->where, &h);
    return 0;
}

static int apply_text(const struct ssl_option *opt, struct options *o, const char *text,
                      struct error *err)
{
    int rc;

    if (*text && opt->check) {
        TRY(opt->check(text, err));
    }
    if (opt->kind == OPT_NAME) {
        memcpy(opt == &ssl_options[SSL_OPT_NAME] ? o->name : o->sni, text, strlen(text) + 1);
        return 0;
    }
    if (opt->kind == OPT_CERT && !*text) {
        return FAIL(err, ERR_ARG, "which one?");
    }
    TRY(own_settings(o, err));
    rc = opt->kind == OPT_CERT ? ssl_settings_add(o->set, text)
                               : ssl_settings_string(o->set, (enum setting)opt->where, text);
    if (rc == ERR_LIMIT) {
        return FAIL(err, ERR_ARG, "there are %d already", SETTINGS_IDENTITIES);
    }
    return rc < 0 ? FAIL(err, ERR_MEM, "no memory for options") : 0;
}

/* A string's one NUL may be counted or not. */
static int apply_string(const struct ssl_option *opt, struct options *o, const void *value,
                        size_t len, struct error *err)
{
    char text[OPTION_VALUE_MAX];
    int rc;

    if (len > 0 && value && ((const char *)value)[len - 1] == '\0') {
        len--;
    }
    if (len >= sizeof text || (len > 0 && (!value || memchr(value, 0, len)))) {
        return FAIL(err, ERR_ARG, "not a string of up to %zu bytes", sizeof text - 1);
    }
    if (len > 0) {
        memcpy(text, value, len);
    }
    text[len] = '\0';
    rc = apply_text(opt, o, text, err);
    wipe(text, sizeof text); /* it may be the passphrase */
    return rc;
}

int ssl_option_apply(const struct ssl_option *opt, struct options *o, const void *value, size_t len,
                     struct error *err)
{
    switch (opt->kind) {
    case OPT_NUMBER:
    case OPT_MS:
        return apply_number(opt, o, value, len, err);
    case OPT_PSK:
        return apply_psk(o, value, len, err);
    case OPT_HOOK:
        return apply_hook(opt, o, value, len, err);
    case OPT_TRACE:
        return FAIL(err, ERR_ARG, "it is the process's: set it on SSL_DEFAULTS");
    case OPT_FACT:
        return FAIL(err, ERR_ARG, "it can only be read");
    default:
        return apply_string(opt, o, value, len, err);
    }
}
