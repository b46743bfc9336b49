/* SPDX-License-Identifier: ISC */
/* Names that people write: hosts, HOST:PORT, patterns of rules, pins, stores, and where files are.
 * What is taken is within its limits, and written again it is the same. */
#include <arpa/inet.h>

#include "preload/launcher/launcher.h"
#include "shim/store.c" /* NOLINT(bugprone-suspicious-include): its names of places */
#include "tests/fuzz/party.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void hosts(const char *text)
{
    uint8_t addr[16];
    const bool ip = inet_pton(AF_INET, text, addr) == 1 || inet_pton(AF_INET6, text, addr) == 1;

    sure(host_is_ip(text) == ip);
    if (host_is_valid(text) && !ip) {
        sure(*text && strlen(text) <= 254 &&
             text[strspn(text,
                         "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._")] ==
                 '\0');
    }
}

static void host_and_port(const char *text)
{
    char host[POLICY_HOST_MAX], port[8], again[POLICY_HOST_MAX + 16], host2[POLICY_HOST_MAX],
        port2[8];

    if (split_host_port(text, host, port)) {
        sure(*host && atoi(port) >= 1 && atoi(port) <= 65535);
        sure(snprintf(again, sizeof again, strchr(host, ':') ? "[%s]:%s" : "%s:%s", host, port) >
             0);
        sure(split_host_port(again, host2, port2));
        sure(strcmp(host, host2) == 0 && strcmp(port, port2) == 0);
    }
}

static void places(const char *text)
{
    struct store_place p;

    if (place_of(text, &p)) {
        sure(*p.host && memchr(p.host, '\0', sizeof p.host) && p.port >= 0 && p.port <= 65535);
        sure((p.port == 0) == (*text == '/'));
    }
}

static void patterns(const char *text)
{
    struct error err = { 0 };
    struct pattern m;
    struct endpoint e = { .port = 443 };
    int rc = pattern_parse(&m, text, strlen(text), &err);

    sure((rc == 0) == !err.text[0] && rc != ERR_MEM);
    if (rc < 0) {
        sure(!m.glob && !m.ports);
        return;
    }
    sure(m.bits <= 128 && m.nports <= PORTS_MAX && (m.kind == MATCH_NAME) == (m.glob != NULL));
    for (size_t i = 0; i < m.nports; i++) {
        sure(m.ports[i].lo > 0 && m.ports[i].lo <= m.ports[i].hi);
    }
    memcpy(e.addr, m.addr, sizeof e.addr);
    e.port = m.nports ? m.ports[0].hi : e.port;
    if (m.kind == MATCH_NET) { /* the network's own address is in it, but for IPv4 in IPv6 */
        sure(pattern_hits(&m, &e, NULL) || (m.bits < 96 && e.addr[10] == 0xff));
    } else {
        sure(m.kind == MATCH_ANY || !*m.glob || strchr(m.glob, '*') ||
             m.glob[strlen(m.glob) - 1] == '.' || pattern_hits(&m, &e, m.glob));
    }
    pattern_free(&m);
}

static void pins(const char *text)
{
    uint8_t list[PINS_MAX][PIN_SIZE], again[PINS_MAX][PIN_SIZE];
    char hex[PINS_MAX * (2 * PIN_SIZE + 1) + 1], *to = hex;
    struct error err = { 0 };
    size_t n, n2;
    int rc = pins_parse(text, list, &n, &err);

    sure((rc == 0) == !err.text[0] && (rc == 0 || rc == ERR_PARSE));
    if (rc < 0) {
        return;
    }
    sure(n >= 1 && n <= PINS_MAX);
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < PIN_SIZE; k++) {
            to += sprintf(to, "%02X", list[i][k]);
        }
        *to++ = i + 1 < n ? ';' : '\0';
    }
    sure(pins_parse(hex, again, &n2, NULL) == 0 && n2 == n &&
         memcmp(list, again, n * PIN_SIZE) == 0);
}

/* A path that a URI names has a URI of its own. */
static void uris(const char *text)
{
    struct error err = { 0 };
    char *path = NULL, *again = NULL, *uri, *to;
    int rc;

    if (!is_uri(text) || !where_is_file(text)) {
        sure(!is_uri(text) == (where_is_file(text) != 0));
        return;
    }
    rc = uri_path(&path, text, &err);
    sure(rc == 0 || rc == ERR_ARG);
    sure((rc == 0) == !err.text[0]);
    if (rc == 0) {
        sure(*path == '/' && strlen(path) <= strlen(text) && !is_uri(path));
        to = uri = malloc(3 * strlen(path) + 8);
        sure(uri != NULL);
        to += sprintf(to, "file:/");
        for (const char *p = path + 1; *p; p++) {
            to += sprintf(to, "%%%02x", (unsigned char)*p);
        }
        sure(uri_path(&again, uri, NULL) == 0 && strcmp(path, again) == 0);
        free(uri);
    }
    mem_free(path);
    mem_free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1); /* exact: the sanitizer guards its end */

    sure(text != NULL);
    if (size) {
        memcpy(text, data, size);
    }
    text[size] = '\0';
    hosts(text);
    host_and_port(text);
    places(text);
    patterns(text);
    pins(text);
    uris(text);
    free(text);
    return 0;
}
