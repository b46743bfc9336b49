/* SPDX-License-Identifier: ISC */
/* sleeve connect: one handshake, and what came of it. */
#include <errno.h>
#include <getopt.h>
#include <netdb.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "preload/launcher/launcher.h"
#include "shim/shim.h"

#define USAGE "sleeve connect [-C CA] [-n NAME] HOST:PORT"

static int help(void)
{
    puts(
        "usage: " USAGE "\n\n"
        "Connects, does a TLS handshake, says what was negotiated and who the server is, and\n"
        "closes. No data is exchanged.\n\n"
        "  -C, --ca CA      file or directory of the authorities to believe (default: the system's)\n"
        "  -n, --name NAME  the name the certificate must speak for (default: HOST)\n\n"
        "Exit: 0 the handshake is complete and the server is who it should be; 1 not.");
    return EXIT_FINE;
}

static int64_t now(void)
{
    return (int64_t)time(NULL);
}

static double ms_since(const struct timespec *t)
{
    struct timespec n;

    clock_gettime(CLOCK_MONOTONIC, &n);
    return (double)(n.tv_sec - t->tv_sec) * 1e3 + (double)(n.tv_nsec - t->tv_nsec) / 1e6;
}

static struct config *make_config(const char *ca, struct error *err)
{
    struct config *c = config_new(TLS_CLIENT);
    struct trust *t = trust_new();
    int rc = c && t ? 0 : FAIL(err, ERR_MEM, "out of memory");

    if (rc == 0) {
        rc = ca ? trust_add_path(t, ca, err) : trust_add_system(t, err);
        rc = rc > 0 ? 0 : FAIL(err, ERR_FILE, "%s holds no certificate", ca ? ca : "the system");
    }
    if (rc == 0 && (config_set_trust(c, t) < 0 || config_set_clock(c, now) < 0)) {
        rc = FAIL(err, ERR_ARG, "the certificates cannot be used");
    }
    rc = rc ? rc : config_seal(c, err);
    trust_unref(t);
    if (rc < 0) {
        config_unref(c);
        return NULL;
    }
    return c;
}

int dial(const char *command, const char *host, const char *port)
{
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV }, *list;
    struct timeval patience = { .tv_sec = DIAL_MS / 1000 };
    int rc = getaddrinfo(host, port, &hints, &list), fd = -1, err = 0;

    if (rc != 0) {
        (void)say(EXIT_BAD, command, "%s: %s", host, gai_strerror(rc));
        return -1;
    }
    for (struct addrinfo *a = list; a && fd < 0; a = a->ai_next) {
        fd = socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC, a->ai_protocol);
        if (fd >= 0 && (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience) < 0 ||
                        connect(fd, a->ai_addr, a->ai_addrlen) < 0)) {
            err = errno == EINPROGRESS ? ETIMEDOUT : errno;
            close(fd);
            fd = -1;
        }
    }
    freeaddrinfo(list);
    if (fd >= 0) { /* from here on the handshake has its own deadline */
        (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &(struct timeval){ 0 }, sizeof patience);
    }
    if (fd < 0) {
        (void)say(EXIT_BAD, command, "%s port %s: %s", host, port, strerror(err));
    }
    return fd;
}

const char *handshake_fault(const struct error *e, int err)
{
    return e->code ? e->text : strerror(err);
}

static void show(struct conn *c, double tcp_ms, double tls_ms)
{
    char subject[200], issuer[200], names[600], from[32], until[32];
    struct tls_info i;
    struct cert cert;

    conn_info(c, &i);
    printf("version   %s\nsuite     %s\ngroup     %s\nsignature %s\n", i.version_name, i.suite,
           i.group, i.scheme);
    if (*i.alpn) {
        printf("alpn      %s\n", i.alpn);
    }
    printf("verified  %s\n", *i.host ? i.host : "(no name)");
    if (cert_parse(&cert, i.peer_cert, NULL) == 0) {
        int days = (int)((cert.not_after - now()) / 86400);

        printf("subject   %s\n", cert_name_text(cert.subject, subject, sizeof subject));
        printf("issuer    %s\n", cert_name_text(cert.issuer, issuer, sizeof issuer));
        printf("names     %s\n", names_text(&cert, names, sizeof names));
        printf("valid     %s to %s (", date_text(cert.not_before, from),
               date_text(cert.not_after, until));
        tint(stdout, days < 30 ? TINT_WARN : TINT_PLAIN);
        printf("%d days left", days);
        tint(stdout, TINT_PLAIN);
        puts(")");
    }
    printf("time      %.1f ms TCP, %.1f ms TLS\n", tcp_ms, tls_ms);
}

static int handshake(struct config *config, const char *host, const char *port, const char *name)
{
    struct conn_params params = { .config = config, .host = name, .handshake_timeout_ms = DIAL_MS };
    struct error err = { 0 };
    struct timespec start;
    struct conn *c = NULL;
    double tcp_ms;
    int fd, rc;

    clock_gettime(CLOCK_MONOTONIC, &start);
    fd = dial("connect", host, port);
    if (fd < 0) {
        return EXIT_BAD;
    }
    tcp_ms = ms_since(&start);
    clock_gettime(CLOCK_MONOTONIC, &start);
    if (conn_attach(fd, &params, &err) < 0 || !(c = conn_get(fd))) {
        rc = say(EXIT_BAD, "connect", "%s", err.code ? err.text : strerror(errno));
    } else if (conn_handshake(c, fd, 0) < 0) {
        rc = errno;
        rc = say(EXIT_BAD, "connect", "%s port %s: %s", host, port,
                 handshake_fault(conn_error(c), rc));
    } else {
        show(c, tcp_ms, ms_since(&start));
        rc = EXIT_FINE;
    }
    if (c) {
        conn_put(c);
        conn_closing(fd);
    }
    close(fd);
    return rc;
}

int cmd_connect(int argc, char **argv)
{
    static const struct option options[] = { { "ca", required_argument, NULL, 'C' },
                                             { "name", required_argument, NULL, 'n' },
                                             { "help", no_argument, NULL, 'h' },
                                             { NULL, 0, NULL, 0 } };
    char host[POLICY_HOST_MAX], port[8];
    const char *ca = NULL, *name = host;
    struct error err = { 0 };
    struct config *config;
    int o, rc;

    opterr = 0;
    while ((o = getopt_long(argc, argv, ":C:n:h", options, NULL)) != -1) {
        if (o == 'h') {
            return help();
        }
        if (o == 'C') {
            ca = optarg;
        } else if (o == 'n') {
            name = optarg;
        } else {
            return say_usage(USAGE, "connect", o == ':' ? "%s needs a value" : "unknown option %s",
                             argv[optind - 1]);
        }
    }
    if (argc - optind != 1 || !split_host_port(argv[optind], host, port)) {
        return say_usage(USAGE, "connect",
                         argc - optind == 1 ? "'%s' is not HOST:PORT" : "there is no HOST:PORT",
                         argv[optind] ? argv[optind] : "");
    }
    if (shim_init() < 0) {
        return say(EXIT_BAD, "connect", "the cryptographic library cannot be used");
    }
    config = make_config(ca, &err);
    if (!config) {
        return say(EXIT_BAD, "connect", "%s", err.text);
    }
    rc = handshake(config, host, port, name);
    config_unref(config);
    return rc;
}
