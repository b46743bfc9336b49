/* SPDX-License-Identifier: ISC */
/* What the program before exec left of a connection, in memory that it shared (threats 38, 40). Six
 * bytes say what the connection is beside its engine, the rest is that of a hand-off (without the
 * format, the role and what the config would have to agree with), or what waits of one without TLS.
 * It is refused, and the socket shut down, or it can be used and closed. */
#include <errno.h>
#include <signal.h>
#include <sleeve/ssl_socket.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine_local.h"
#include "shim/share_slot.h"
#include "tests/fuzz/party.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FACTS    6
#define KNOWN_FD 200 /* where the program expects it */

static struct config *configs[2];

static void setup(void)
{
    static const uint16_t suites[] = { 0x1301, 0x1302, 0x1303, 0xc02b, 0xcca9, 0xc009, 0xc024 };
    static struct party self;

    sure(shim_init() == 0);
    party_make(&self, 1);
    (void)signal(SIGPIPE, SIG_IGN);
    for (int role = TLS_CLIENT; role <= TLS_SERVER; role++) {
        struct config *c = config_new((enum tls_role)role);

        sure(c && config_set_trust(c, self.trust) == 0 && config_set_clock(c, fuzz_clock) == 0);
        sure(config_set_suites(c, suites, sizeof suites / sizeof *suites) == 0);
        sure(config_set_renegotiation(c, RENEGOTIATE_ANY, false) == 0);
        sure(config_add_identity(c, self.id) == 0 && config_seal(c, NULL) == 0);
        configs[role] = c;
    }
}

static void facts_of_input(struct facts *f, const uint8_t p[static FACTS])
{
    const unsigned bits = (unsigned)p[1] << 8 | p[2];
    bool *const facts[] = { &f->saw_close, &f->saw_eof,  &f->behind,    &f->read_shut, &f->closing,
                            &f->detaching, &f->fin_sent, &f->torn_down, &f->unsent,    &f->told,
                            &f->note,      &f->in_clear, &f->greeted };

    for (size_t i = 0; i < sizeof facts / sizeof *facts; i++) {
        *facts[i] = bits >> i & 1;
    }
    f->state = p[3] < 200 ? CONN_OPEN : (int)p[3] - 200;
    f->first = p[4] & 3;
    f->read_errno = p[5] & 1 ? ECONNRESET : 0;
    f->write_errno = p[5] & 2 ? EPIPE : 0;
    f->fail_errno = p[5] & 4 ? EPROTO : 0;
    if (p[5] & 8) {
        f->err.code = ERR_PARSE;
        memset(f->err.text, 'e', sizeof f->err.text);
    }
}

static struct buf bytes_of_input(const uint8_t *p, size_t n, enum tls_role role, bool in_clear)
{
    const uint8_t head[] = { HAND_OFF_FORMAT >> 8, HAND_OFF_FORMAT & 0xff, (uint8_t)role };
    struct buf b = { 0 };

    sure(in_clear ||
         (buf_append(&b, head, sizeof head) == 0 &&
          buf_append(&b, config_settings(configs[role])->context, SESSION_CONTEXT) == 0));
    sure(buf_append(&b, p, n) == 0);
    return b;
}

/* As conn_export() leaves it; the new program's view of it. */
static struct share_set *left(const uint8_t *data, size_t size, int real, struct import *i)
{
    const enum tls_role role = (enum tls_role)(data[0] & 1);
    struct share_set *before = share_set_new(1), *set;
    struct slot *s;
    struct buf b;
    uint64_t cookie = 0;
    unsigned me;

    sure(before && cookie_of(real, &cookie) == 0);
    s = share_slot(before, 0);
    slot_init(s, cookie, &me);
    facts_of_input(&s->facts, data);
    b = bytes_of_input(data + FACTS, size - FACTS, role, s->facts.in_clear);
    put_bytes(s, &b);
    buf_free(&b);
    s->version = 1;
    s->role = (int)role;
    s->real = real;
    s->nfds = 1 + (data[0] >> 1 & 1);
    s->fds[0] = KNOWN_FD;
    s->fds[1] = KNOWN_FD + 1;
    set = share_set_open(share_fd(before));
    sure(set && munmap(before->mem, before->size) == 0 && munmap(before, sizeof *before) == 0);
    *i = (struct import){ .next = 0 };
    sure(conn_import_next(set, i) && i->fd == KNOWN_FD && i->real == real && i->role == role);
    return set;
}

/* Nothing of it may hang, or get out as it is. */
static void use(int fd, int peer)
{
    struct ssl_info info;
    char bytes[256];

    (void)ssl_info(fd, &info);
    (void)ssl_recv(fd, bytes, sizeof bytes, MSG_DONTWAIT);
    (void)ssl_send(fd, "plaintext", 9, MSG_DONTWAIT | MSG_NOSIGNAL);
    (void)ssl_recv(fd, bytes, sizeof bytes, MSG_DONTWAIT | MSG_PEEK);
    (void)close(peer);
    (void)ssl_recv(fd, bytes, sizeof bytes, MSG_DONTWAIT);
    (void)ssl_close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct conn_params p = { .linger_ms = 1 };
    int ends[2];
    struct share_set *set;
    struct import i;

    if (size < FACTS || size > 65536) {
        return 0;
    }
    if (!configs[0]) {
        setup();
    }
    fuzz_start(1);
    sure(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
    set = left(data, size, ends[0], &i);
    p.config = configs[i.role];
    if (conn_import(set, &i, &p) == 0) {
        sure(!conn_import_next(set, &i));
        conn_import_end(set);
        if (data[0] & 2) {
            (void)ssl_close(KNOWN_FD + 1);
        }
        use(KNOWN_FD, ends[1]);
    } else {
        char byte;

        conn_import_not(&i);
        conn_import_end(set);
        sure(read(ends[1], &byte, 1) == 0); /* without a word */
        (void)close(ends[1]);
    }
    sure(!conn_any());
    return 0;
}
