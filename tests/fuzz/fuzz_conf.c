/* SPDX-License-Identifier: ISC */
/* The configuration from the outside: an INI file (first byte even) or one-liners (odd), read and
 * built without keys, then asked about a few connections. */
#include <arpa/inet.h>
#include <stdlib.h>

#include "preload/rules_parts.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void ask(const struct policy *p)
{
    static const char *const names[] = { "a.example", "x", "B.C." };
    struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(6379) };
    struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_port = htons(443) };
    char host[POLICY_HOST_MAX];

    in.sin_addr.s_addr = htonl(0x0a000001);
    in6.sin6_addr = in6addr_loopback;
    (void)policy_client(p, (void *)&in, sizeof in, names, 3, host);
    (void)policy_client(p, (void *)&in6, sizeof in6, NULL, 0, host);
    (void)policy_server(p, (void *)&in, sizeof in);
}

static bool may_list(bool oneliners, const char *text, const struct program *prog)
{
    struct sources src = { .rules = text };

    return oneliners ? sources_may_list(&src, prog) : text_may_list(text, prog);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct program prog = {
        .exe = "/usr/bin/foo", .execfn = "foo", .argv0 = "foo", .script = "foo"
    };
    struct policy *p = policy_new();
    char *text = size ? malloc(size) : NULL;
    size_t rules;
    int rc;

    if (!p || !text) {
        policy_free(p);
        free(text);
        return 0;
    }
    for (size_t i = 1; i < size; i++) { /* a file with NUL is refused before it gets here */
        text[i - 1] = data[i] ? (char)data[i] : ' ';
    }
    text[size - 1] = '\0';
    rc = data[0] & 1 ? oneliners_read(&p->ini, text) : ini_read(&p->ini, "/etc/fuzz.conf", text);
    rc = rc == 0 ? sections_check(&p->ini) : rc;
    rules = policy_select(p, &prog);
    if (rules > 0 && !may_list(data[0] & 1, text, &prog)) {
        abort(); /* the quick look said no to a program that is listed */
    }
    (void)policy_select(p, NULL);
    rc = policy_build(p, false) < 0 ? -1 : rc;
    rc = ini_check_configs(&p->ini) < 0 ? -1 : rc;
    if ((rc < 0) != (policy_broken(p) != NULL)) {
        abort(); /* a mistake without a sentence, or the reverse */
    }
    ask(p);
    policy_free(p);
    free(text);
    return 0;
}
