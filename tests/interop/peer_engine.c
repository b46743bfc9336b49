/* SPDX-License-Identifier: ISC */
/* One connection after another of the native engine over TCP, for tests against other TLS
 * implementations. Nothing of the sockets API is in between.
 *
 *     peer_engine client PORT [options]   to 127.0.0.1: standard input goes out, what comes goes to
 *                                         standard output; the end of the input is close_notify
 *     peer_engine server PORT [options]   on 127.0.0.1: says what it hears
 *
 *     --ca FILE  --cert FILE[,FILE...]  --key FILE[,FILE...]  trust and certificates, PEM
 *     --strict-sni                        server: names of its certificates only
 *     --pack                              compresses certificates
 *     --scts FILE  --status FILE          server: timestamps and OCSP response of the first
 *                                         certificate; client: asks for them
 *     --name NAME                         client: whom to expect (localhost)
 *     --min 1.2|1.3  --max 1.2|1.3        versions
 *     --suites HEX[,HEX...]  --groups N[,N...]  --alpn NAME[,NAME...]
 *     --no-tickets                        client: asks for none
 *     --resume FILE  --sess-out FILE      client: the session to offer, where to leave the newest
 *     --post-auth                         client: offers it; server: asks behind the first data
 *     --request  --require                server: asks in the handshake
 *     --life SECONDS                      server: of sessions (3600)
 *     --count N                           server: so many connections (1)
 *     --update                            KeyUpdate behind each piece of data
 *     --answer TEXT                       server: to each piece of data, in place of an echo
 *     --once                              server: close_notify behind the first answer
 *     --keylog FILE
 *     --export LABEL                      40 bytes of key material, without a context
 *     --context TEXT                      with this one
 *     --limit N  --padding N              record_size_limit, blocks that content is padded to
 *     --no-grease
 *     --psk NAME:TEXT[:384|:12],...       keys from outside, used as it is; 384: with SHA-384; 12:
 *                                         of TLS 1.2
 *     --psk-hint TEXT                     server: for clients of TLS 1.2
 *     --psk-ke                            ... also without a key exchange
 *     --own NAME  --peer NAME             ... imported, bound to these two
 *     --early FILE                        client: early data, said again when it is rejected
 *     --max-early N                       server: bytes of early data for each connection
 *     --slow-key MS                       a thread uses the private key, so much later
 *     --move N                            goes on in another process behind each N bytes it heard
 *
 * On standard error, a line for each handshake that is complete:
 *     done version=TLSv1.3 suite=NAME group=NAME scheme=NAME resumed=0 client_auth=0 alpn=NAME
 *         status=0 scts=0 psk=NAME early=0 (one line; enum tls_early)
 * with --export "export HEX", "tls-exporter HEX" and "tls-server-end-point HEX" (or the error),
 * again in each process that took it over, and for what went wrong: error TEXT. Exit 0 when both
 * sides said close_notify, else 1. Sessions and ticket keys of a server live as long as it does. It
 * gives up after 60 seconds. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "engine.h"
#include "tests/interop/peer_early.h"
#include "tests/interop/peer_files.h"
#include "tests/interop/peer_key.h"
#include "tests/interop/peer_move.h"

#define LIST_MAX    16
#define PENDING_MAX (256 * 1024)
#define PATH_SIZE   4096

static struct options {
    bool server, strict_sni, pack, no_tickets, no_grease, post_auth, update, psk_ke, once;
    enum client_auth auth;
    uint16_t port;
    const char *ca, *cert, *key, *scts, *name, *resume, *sess_out, *keylog, *label, *context, *psk,
        *psk_hint, *own, *peer, *answer, *adopt, *status, *early;
    unsigned min, max, life, count, limit, padding, move, max_early;
    uint16_t suites[LIST_MAX], groups[LIST_MAX];
    const char *alpn[LIST_MAX];
    size_t nsuites, ngroups, nalpn;
} o = { .name = "localhost", .min = TLS_1_2, .max = TLS_1_3, .life = 3600, .count = 1 };

/* ---- options ---- */
static size_t numbers(char *list, int base, uint16_t out[LIST_MAX])
{
    size_t n = 0;

    for (char *p = strtok(list, ","); p && n < LIST_MAX; p = strtok(NULL, ",")) {
        out[n++] = (uint16_t)strtoul(p, NULL, base);
    }
    return n;
}

static unsigned version_of(const char *s)
{
    return strcmp(s, "1.2") == 0 ? TLS_1_2 : TLS_1_3;
}

static bool take_flag(const char *a)
{
    const struct {
        const char *name;
        bool *to;
    } flags[] = { { "--no-tickets", &o.no_tickets },
                  { "--strict-sni", &o.strict_sni },
                  { "--pack", &o.pack },
                  { "--no-grease", &o.no_grease },
                  { "--post-auth", &o.post_auth },
                  { "--psk-ke", &o.psk_ke },
                  { "--once", &o.once },
                  { "--update", &o.update } };

    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++) {
        if (strcmp(a, flags[i].name) == 0) {
            return *flags[i].to = true;
        }
    }
    if (strcmp(a, "--request") == 0 || strcmp(a, "--require") == 0) {
        o.auth = strcmp(a, "--require") ? CLIENT_AUTH_REQUEST : CLIENT_AUTH_REQUIRE;
        return true;
    }
    return false;
}

static void take_value(const char *a, char *v)
{
    const struct {
        const char *name, **to;
    } texts[] = {
        { "--ca", &o.ca },           { "--cert", &o.cert },     { "--key", &o.key },
        { "--name", &o.name },       { "--resume", &o.resume }, { "--sess-out", &o.sess_out },
        { "--keylog", &o.keylog },   { "--export", &o.label },  { "--scts", &o.scts },
        { "--context", &o.context }, { "--psk", &o.psk },       { "--psk-hint", &o.psk_hint },
        { "--own", &o.own },         { "--peer", &o.peer },     { "--answer", &o.answer },
        { "--adopt", &o.adopt },     { "--status", &o.status }, { "--early", &o.early },
    };

    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        if (strcmp(a, texts[i].name) == 0) {
            *texts[i].to = v;
            return;
        }
    }
    if (strcmp(a, "--min") == 0) {
        o.min = version_of(v);
    } else if (strcmp(a, "--max") == 0) {
        o.max = version_of(v);
    } else if (strcmp(a, "--life") == 0) {
        o.life = (unsigned)strtoul(v, NULL, 10);
    } else if (strcmp(a, "--count") == 0) {
        o.count = (unsigned)strtoul(v, NULL, 10);
    } else if (strcmp(a, "--suites") == 0) {
        o.nsuites = numbers(v, 16, o.suites);
    } else if (strcmp(a, "--limit") == 0) {
        o.limit = (unsigned)strtoul(v, NULL, 10);
    } else if (strcmp(a, "--padding") == 0) {
        o.padding = (unsigned)strtoul(v, NULL, 10);
    } else if (strcmp(a, "--move") == 0) {
        o.move = (unsigned)strtoul(v, NULL, 10);
    } else if (strcmp(a, "--slow-key") == 0) {
        key_delay = (unsigned)strtoul(v, NULL, 10);
    } else if (strcmp(a, "--max-early") == 0) {
        o.max_early = (unsigned)strtoul(v, NULL, 10);
    } else if (strcmp(a, "--groups") == 0) {
        o.ngroups = numbers(v, 10, o.groups);
    } else if (strcmp(a, "--alpn") == 0) {
        for (char *p = strtok(v, ","); p && o.nalpn < LIST_MAX; p = strtok(NULL, ",")) {
            o.alpn[o.nalpn++] = p;
        }
    } else {
        die(a, "unknown option");
    }
}

static void options_take(int argc, char **argv)
{
    if (argc < 3) {
        die("usage", "peer_engine client|server PORT [options]");
    }
    o.server = strcmp(argv[1], "server") == 0;
    o.port = (uint16_t)strtoul(argv[2], NULL, 10);
    for (int i = 3; i < argc; i++) {
        if (take_flag(argv[i])) {
            continue;
        }
        if (i + 1 == argc) {
            die(argv[i], "needs a value");
        }
        take_value(argv[i], argv[i + 1]);
        i++;
    }
}

/* ---- config ---- */
static int64_t now(void)
{
    return (int64_t)time(NULL);
}

static void log_key(void *file, const char *line)
{
    fprintf(file, "%s\n", line);
    fflush(file);
}

static void configure_role(struct config *c)
{
    struct session_cache *cache;
    struct ticket_keys *keys;

    if (!o.server) {
        must(config_set_flag(c, CONFIG_TICKETS, !o.no_tickets), "tickets", NULL);
        must(config_set_flag(c, CONFIG_POST_AUTH, o.post_auth), "post-auth", NULL);
        must(config_set_flag(c, CONFIG_EARLY_DATA, o.early), "early", NULL);
        return;
    }
    cache = session_cache_new(100, o.life * INT64_C(1000));
    keys = ticket_keys_new(2 * o.life * INT64_C(1000));
    if (!cache || !keys) {
        die("sessions", "no memory");
    }
    must(config_set_client_auth(c, o.auth), "client authentication", NULL);
    must(config_set_early_data(c, o.max_early, NULL, early_fresh, NULL), "early", NULL);
    must(config_set_sessions(c, cache, keys, o.life), "sessions", NULL);
    session_cache_unref(cache);
    ticket_keys_unref(keys);
}

/* The i-th of a list with commas, if there is one. */
static bool nth(const char *list, size_t i, char out[static PATH_SIZE])
{
    for (; list && i; i--) {
        list = strchr(list, ',');
        list = list ? list + 1 : NULL;
    }
    snprintf(out, PATH_SIZE, "%.*s", list ? (int)strcspn(list, ",") : 0, list ? list : "");
    return list;
}

static void configure_proof(struct config *c, const char *path,
                            int (*set)(struct config *, size_t, struct span))
{
    struct error err = { 0 };
    struct buf bytes = { 0 };

    if (path) {
        must(file_read(path, &bytes, &err), path, &err);
        must(set(c, 0, buf_span(&bytes)), path, NULL);
        buf_free(&bytes);
    }
}

static void configure_certificates(struct config *c)
{
    struct error err = { 0 };
    char cert[PATH_SIZE], key[PATH_SIZE];

    for (size_t i = 0; nth(o.cert, i, cert) && nth(o.key, i, key); i++) {
        struct identity *id;

        must(identity_from_files(&id, cert, key, NULL, &err), "cert", &err);
        must(config_add_identity(c, id), "cert", NULL);
        identity_unref(id);
    }
    must(config_set_flag(c, CONFIG_STRICT_SNI, o.strict_sni), "strict-sni", NULL);
    must(config_set_flag(c, CONFIG_CERT_COMPRESSION, o.pack), "pack", NULL);
    must(config_set_flag(c, CONFIG_SCTS, o.scts), "scts", NULL);
    must(config_set_flag(c, CONFIG_STATUS, o.status), "status", NULL);
    if (o.server) {
        configure_proof(c, o.scts, config_set_scts);
        configure_proof(c, o.status, config_set_status);
    }
}

static void configure_psk(struct config *c)
{
    char text[256], *save = NULL, *next;

    must(config_set_flag(c, CONFIG_PSK_KE, o.psk_ke), "psk-ke", NULL);
    snprintf(text, sizeof text, "%s", o.psk ? o.psk : "");
    next = strtok_r(text, ",", &save);
    for (; next; next = strtok_r(NULL, ",", &save)) {
        const char *name = strtok(next, ":"), *key = strtok(NULL, ":"), *more = strtok(NULL, ":");

        must(more && strcmp(more, "12") == 0
                 ? config_add_psk12(c, span_text(name), span_text(key))
                 : config_add_psk(c, span_text(name), span_text(key),
                                  more ? HASH_SHA384 : HASH_SHA256, o.own, o.peer),
             "psk", NULL);
    }
    must(config_set_psk_hint(c, span_text(o.psk_hint)), "psk-hint", NULL);
}

static struct config *configure(void)
{
    struct config *c = config_new(o.server ? TLS_SERVER : TLS_CLIENT);
    struct error err = { 0 };

    if (!c) {
        die("config", "no memory");
    }
    must(config_set_clock(c, now), "clock", NULL);
    must(config_set_versions(c, o.min, o.max), "versions", NULL);
    must(config_set_suites(c, o.suites, o.nsuites), "suites", NULL);
    must(config_set_groups(c, o.groups, o.ngroups), "groups", NULL);
    must(config_set_alpn(c, o.alpn, o.nalpn), "alpn", NULL);
    if (o.ca) {
        struct trust *t = trust_new();

        must(t ? trust_add_path(t, o.ca, &err) : ERR_MEM, "ca", &err);
        must(config_set_trust(c, t), "ca", NULL);
        trust_unref(t);
    }
    configure_certificates(c);
    configure_psk(c);
    if (o.keylog) {
        FILE *f = fopen(o.keylog, "a");

        if (!f) {
            die(o.keylog, strerror(errno));
        }
        must(config_set_keylog(c, log_key, f), "keylog", NULL);
    }
    must(config_set_record_limit(c, o.limit), "limit", NULL);
    must(config_set_padding(c, o.padding), "padding", NULL);
    must(config_set_flag(c, CONFIG_GREASE, !o.no_grease), "grease", NULL);
    configure_role(c);
    key_configure(c);
    must(config_seal(c, &err), "config", &err);
    return c;
}

/* ---- a connection ---- */
struct link {
    struct tls *t;
    int fd;
    uint8_t in[4 * TLS_RECORD_MAX];
    size_t nin, nheard;
    struct early early;
    bool asked, ended, over; /* ended: our input is; over: nothing more will come */
};

static void report(const struct tls *t)
{
    struct tls_info i;

    tls_get_info(t, &i);
    fprintf(stderr,
            "done version=%s suite=%s group=%s scheme=%s resumed=%d client_auth=%d alpn=%s "
            "status=%zu scts=%zu psk=%s early=%d\n",
            i.version_name, i.suite, i.group, i.scheme, i.resumed, i.client_auth, i.alpn,
            i.status.n, i.scts.n, i.psk, i.early);
    if (o.label) {
        report_exports(t, o.label, o.context);
    }
}

static void push(struct link *l)
{
    struct span s;

    while (s = tls_output(l->t), s.n) {
        ssize_t n = send(l->fd, s.p, s.n, MSG_DONTWAIT | MSG_NOSIGNAL);

        if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
            return;
        }
        if (n < 0) { /* the peer is gone: nothing of it matters any more */
            tls_sent(l->t, s.n);
            l->over = true;
        } else {
            tls_sent(l->t, (size_t)n);
        }
    }
}

static void say(struct link *l, const uint8_t *p, size_t n)
{
    static uint8_t out[TLS_RECORD_MAX];

    while (n) {
        struct span part = span_of(p, n);
        size_t taken, made;

        (void)tls_output(l->t);
        must(tls_seal(l->t, &part, 1, &taken, out, sizeof out, &made), "seal", tls_error(l->t));
        must(tls_queue(l->t, out, made), "queue", NULL);
        p += taken;
        n -= taken;
    }
    if (o.update && tls_can_seal(l->t)) {
        (void)!tls_key_update(l->t, true);
    }
}

static void heard(struct link *l, const uint8_t *p, size_t n)
{
    l->nheard += n;
    if (!o.server) {
        while (n) {
            ssize_t w = write(STDOUT_FILENO, p, n);

            if (w <= 0) {
                die("output", strerror(errno));
            }
            p += w;
            n -= (size_t)w;
        }
        return;
    }
    if (o.post_auth && !l->asked) {
        l->asked = true;
        must(tls_request_client_auth(l->t, NULL), "request", tls_error(l->t));
    }
    say(l, o.answer ? (const uint8_t *)o.answer : p, o.answer ? strlen(o.answer) : n);
    if (o.once) {
        must(tls_close(l->t), "close", NULL);
    }
}

static void take(struct link *l)
{
    struct span again;
    size_t at = 0;

    for (;;) {
        struct tls_in in = { .data = l->in + at, .len = l->nin - at };
        int rc = tls_input(l->t, &in);

        if (rc < 0) {
            push(l);
            fprintf(stderr, "error %s\n", tls_error(l->t)->text);
            l->over = true;
            return;
        }
        at += in.used;
        if (rc == TLS_EV_DONE) {
            report(l->t);
            again = early_again(&l->early, l->t);
            if (again.n) {
                say(l, again.p, again.n);
            }
            buf_free(&l->early.data);
        } else if (rc == TLS_EV_EARLY_DATA) {
            fprintf(stderr, "early %zu bytes\n", in.nplain);
            heard(l, in.plain, in.nplain);
        } else if (rc == TLS_EV_DATA) {
            heard(l, in.plain, in.nplain);
        } else if (rc == TLS_EV_CLOSED) {
            l->over = true;
            must(tls_close(l->t), "close", NULL);
            return;
        } else if (rc == TLS_EV_MORE || rc == TLS_EV_WAIT) {
            break;
        }
    }
    l->nin -= at;
    memmove(l->in, l->in + at, l->nin);
}

static void fill(struct link *l)
{
    ssize_t n = recv(l->fd, l->in + l->nin, sizeof l->in - l->nin, MSG_DONTWAIT);

    if (n > 0) {
        l->nin += (size_t)n;
        take(l);
    } else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
        fprintf(stderr, "error the connection ended without close_notify\n");
        l->over = true;
    }
}

static void listen_to_input(struct link *l)
{
    uint8_t bytes[16384];
    ssize_t n = read(STDIN_FILENO, bytes, sizeof bytes);

    if (n > 0) {
        say(l, bytes, (size_t)n);
    } else {
        l->ended = true;
        must(tls_close(l->t), "close", NULL);
    }
}

static void begin(struct link *l, struct config *c)
{
    struct tls_session *s = session_read(o.resume);
    struct error err = { 0 };

    must(tls_new(&l->t, c, o.server ? NULL : o.name, NULL, s, &err), "connection", &err);
    tls_set_wake(l->t, key_woken, NULL);
    session_unref(s);
    early_say(&l->early, l->t, o.early);
}

static void adopt(struct link *l, struct config *c)
{
    l->fd = move_adopt(o.adopt, c, &l->t, l->in, &l->nin);
    if (l->fd < 0) {
        exit(1);
    }
    report(l->t);
    take(l);
}

/* 0 when both sides said close_notify. */
static int serve(struct config *c, int fd)
{
    static struct link l;
    int rc;

    l = (struct link){ .fd = fd, .ended = o.server };
    (o.adopt ? adopt : begin)(&l, c);
    while (!l.over) {
        size_t pending;
        struct pollfd p[3] = { { .fd = l.fd },
                               { .fd = STDIN_FILENO, .events = POLLIN },
                               { .fd = key_done_fd, .events = POLLIN } };
        bool waiting = tls_waiting(l.t);

        push(&l);
        pending = tls_output(l.t).n;
        p[0].events = (short)((pending ? POLLOUT : 0) |
                              ((!o.server || pending < PENDING_MAX) && !waiting ? POLLIN : 0));
        if (l.ended || pending || !tls_can_seal(l.t)) {
            p[1].fd = -1;
        }
        if (poll(p, 3, -1) < 0 && errno != EINTR) {
            die("poll", strerror(errno));
        }
        if (p[2].revents) {
            key_heard();
            take(&l);
        }
        if ((p[0].revents & (POLLIN | POLLHUP | POLLERR)) && !waiting && !l.over) {
            fill(&l);
        }
        if (p[1].revents && !l.over) {
            listen_to_input(&l);
        }
        if (o.move && l.nheard >= o.move && !l.over) {
            rc = move_away(&l.t, l.fd, l.in, l.nin);
            if (rc >= 0) {
                return rc;
            }
        }
    }
    push(&l);
    rc = tls_peer_closed(l.t) ? 0 : 1;
    session_leave(l.t, o.sess_out);
    tls_free(l.t);
    close(l.fd);
    return rc;
}

int main(int argc, char **argv)
{
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1, bad = 0;
    struct config *c;

    alarm(60);
    must(crypto_init(), "crypto", NULL);
    move_remember(argc, argv);
    options_take(argc, argv);
    a.sin_port = htons(o.port);
    c = configure();
    if (o.adopt) {
        bad = serve(c, -1);
    } else if (!o.server) {
        if (connect(fd, (struct sockaddr *)&a, sizeof a) < 0) {
            die("connect", strerror(errno));
        }
        bad = serve(c, fd);
    } else {
        (void)!setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
        if (bind(fd, (struct sockaddr *)&a, sizeof a) < 0 || listen(fd, 16) < 0) {
            die("listen", strerror(errno));
        }
        for (unsigned i = 0; i < o.count; i++) {
            int conn = accept4(fd, NULL, NULL, SOCK_CLOEXEC);

            bad |= conn < 0 ? 1 : serve(c, conn);
        }
        close(fd);
    }
    config_unref(c);
    return bad;
}
