/* SPDX-License-Identifier: ISC */
/* What a rule says about the certificates of the peer. */
#include "preload/rules_parts.h"

static int plan_trust(struct plan *pl, enum key k, bool needed)
{
    const struct section *home = NULL;
    const char *v = setting_of(pl->p, pl->s, k, &home), *path = NULL;
    struct trust *t = NULL;
    struct error err;
    int rc;

    if (!pl->c || (!home && !needed)) {
        return 0;
    }
    if (home && strcmp(v, "system") != 0) {
        path = path_of(pl->p, home, v);
        if (!path) {
            return ERR_MEM;
        }
    }
    error_clear(&err);
    rc = shared_trust(path, pl->f, &t, &err);
    if (rc < 0) {
        return home ? wrong_value(pl->p, home, k, err.text)
                    : problem(pl->p, ERR_FILE, pl->s->file, pl->s->line, "ca = system: %s",
                              err.text);
    }
    rc = plan_refused(pl, k, config_set_trust(pl->c, t));
    trust_unref(t);
    return rc;
}

static int set_pins(struct plan *pl, const struct section *home, enum key k, const char *text)
{
    uint8_t pins[PINS_MAX][PIN_SIZE];
    struct error err;
    size_t n;

    error_clear(&err);
    if (pins_parse(text, pins, &n, &err) < 0) {
        return wrong_value(pl->p, home, k, err.text);
    }
    return pl->c ? plan_refused(pl, k, config_set_pins(pl->c, (const uint8_t(*)[PIN_SIZE])pins, n))
                 : 0;
}

static int plan_pins(struct plan *pl)
{
    const struct section *home;
    const char *v = setting_of(pl->p, pl->s, KEY_PINS, &home);

    return v ? set_pins(pl, home, KEY_PINS, v) : 0;
}

static int plan_switch(struct plan *pl, enum key k, enum config_flag flag)
{
    static const struct word_value words[] = { { "yes", 1, false },
                                               { "no", 0, false },
                                               { NULL, 0, false } };
    int on = one_of(pl->p, pl->s, k, words, 0);

    TRY(pl->p->error.code);
    return pl->c ? plan_refused(pl, k, config_set_flag(pl->c, flag, on)) : 0;
}

static int plan_revocation(struct plan *pl)
{
    static const struct word_value words[] = { { "off", REVOKE_OFF, false },
                                               { "soft", REVOKE_SOFT, false },
                                               { "hard", REVOKE_HARD, false },
                                               { "all", REVOKE_ALL, false },
                                               { NULL, 0, false } };
    const struct section *home;
    const char *path = setting_of(pl->p, pl->s, KEY_CRL, &home);
    int mode = one_of(pl->p, pl->s, KEY_REVOCATION, words, path ? REVOKE_HARD : REVOKE_OFF), rc = 0;
    struct revocation *crls = NULL;
    struct error err;

    TRY(pl->p->error.code);
    if (!pl->c) {
        return 0;
    }
    if (path) {
        TRY(plan_path(pl, home, &path));
        crls = revocation_new();
        error_clear(&err);
        rc = crls ? revocation_add_path(crls, path, &err) : FAIL(&err, ERR_MEM, "out of memory");
        if (rc < 0) {
            rc = wrong_value(pl->p, home, KEY_CRL, err.text);
        }
    }
    if (rc >= 0) {
        rc = plan_refused(pl, KEY_REVOCATION,
                          config_set_revocation(pl->c, (enum revoke_mode)mode, crls));
    }
    revocation_unref(crls);
    return rc;
}

/* anchored: a chain will be verified. */
static int plan_chain(struct plan *pl, bool anchored)
{
    if (!anchored && pl->c) {
        return 0;
    }
    TRY(plan_switch(pl, KEY_PARTIAL_CHAIN, CONFIG_PARTIAL_CHAIN));
    TRY(plan_switch(pl, KEY_WEAK_CERTIFICATES, CONFIG_WEAK_CERTIFICATES));
    return plan_revocation(pl);
}

static int plan_server(struct plan *pl)
{
    static const char head[] = "pin:";
    const struct section *home = NULL;
    const char *v = setting_of(pl->p, pl->s, KEY_VERIFY, &home);
    enum verify_mode mode = VERIFY_FULL;

    if (!v || strcmp(v, "full") == 0) {
        mode = VERIFY_FULL;
    } else if (strcmp(v, "ca") == 0) {
        mode = VERIFY_CA;
    } else if (strcmp(v, "none") == 0) {
        mode = VERIFY_NONE;
        pl->r->pub.unverified = true;
    } else if (strncmp(v, "pin:sha256:", 11) == 0) {
        /* the key itself is what is trusted; the peer still proves it has it */
        if (setting_of(pl->p, pl->s, KEY_PINS, NULL)) {
            return wrong_value(pl->p, home, KEY_VERIFY,
                               "'pins' stands beside it: one or the other");
        }
        TRY(set_pins(pl, home, KEY_VERIFY, v + sizeof head - 1));
        mode = VERIFY_NONE;
    } else {
        return wrong_value(pl->p, home, KEY_VERIFY, "it is full, ca, none or pin:sha256:DIGEST");
    }
    if (pl->c) {
        TRY(plan_refused(pl, KEY_VERIFY, config_set_verify(pl->c, mode)));
    }
    TRY(plan_pins(pl));
    TRY(plan_chain(pl, mode != VERIFY_NONE));
    return plan_trust(pl, KEY_CA, mode != VERIFY_NONE);
}

static int plan_client(struct plan *pl)
{
    const char *v = pl->s->set[KEY_CLIENT_AUTH].value, *ca = pl->s->set[KEY_CLIENT_CA].value;
    enum client_auth mode = ca ? CLIENT_AUTH_REQUIRE : CLIENT_AUTH_NONE;

    if (v && strcmp(v, "none") == 0) {
        mode = CLIENT_AUTH_NONE;
    } else if (v && strcmp(v, "request") == 0) {
        mode = CLIENT_AUTH_REQUEST;
    } else if (v && strcmp(v, "require") == 0) {
        mode = CLIENT_AUTH_REQUIRE;
    } else if (v) {
        return wrong_value(pl->p, pl->s, KEY_CLIENT_AUTH, "it is none, request or require");
    }
    if (mode != CLIENT_AUTH_NONE && !ca) {
        return wrong_value(pl->p, pl->s, KEY_CLIENT_AUTH, "'client-ca' is needed for that");
    }
    if (!pl->c || mode != CLIENT_AUTH_NONE) {
        TRY(plan_pins(pl));
        TRY(plan_chain(pl, true));
    }
    TRY(plan_trust(pl, KEY_CLIENT_CA, false));
    return pl->c ? plan_refused(pl, KEY_CLIENT_AUTH, config_set_client_auth(pl->c, mode)) : 0;
}

int plan_peer(struct plan *pl)
{
    return pl->r->pub.role == TLS_CLIENT ? plan_server(pl) : plan_client(pl);
}
