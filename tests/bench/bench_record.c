/* SPDX-License-Identifier: ISC */
/* What a record costs beside its cipher: bench_record [-d certificates] [-r rounds]
 *
 * Two engines that have shaken hands, tls_seal() and tls_input() of records that stay in the
 * caches; and the cipher alone, with the nonce, the additional data and the parts of such a record.
 * The two take turns, by libcrypto and by IPsec-MB where that is to be had; shown are medians. */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "crypto/crypto.h"
#include "engine.h"

#define ROUNDS 101

enum { SEAL, OPEN, SEAL_CIPHER, OPEN_CIPHER, KINDS };

static const char *dir = "certs";
static uint8_t data[16384], wire[20000], opened[16385];

static double ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double median(double *v, int n)
{
    qsort(v, (size_t)n, sizeof *v, compare);
    return v[n / 2];
}

/* ---- two engines ---- */

static const char *file(const char *name)
{
    static char path[2][512];
    static unsigned turn;
    char *p = path[turn++ & 1];

    (void)snprintf(p, sizeof path[0], "%s/%s", dir, name);
    return p;
}

static int64_t now(void)
{
    return (int64_t)time(NULL);
}

static struct tls *engine(enum tls_role role)
{
    static const uint16_t suite = 0x1301;
    struct config *c = config_new(role);
    struct trust *trust = trust_new();
    struct identity *id = NULL;
    struct tls *t = NULL;
    struct error e = { 0 };

    if (!c || !trust || config_set_clock(c, now) < 0 || config_set_suites(c, &suite, 1) < 0 ||
        trust_add_path(trust, file("ecdsa-root.crt"), &e) < 0 ||
        identity_from_files(&id, file("ecdsa-server.crt"), file("ecdsa-server.key"), NULL, &e) <
            0 ||
        (role == TLS_SERVER ? config_add_identity(c, id) : config_set_trust(c, trust)) < 0 ||
        config_seal(c, &e) < 0 ||
        tls_new(&t, c, role == TLS_CLIENT ? "server.test" : NULL, NULL, NULL, &e) < 0) {
        errx(1, "no certificates in %s? %s", dir, e.text);
    }
    config_unref(c);
    trust_unref(trust);
    identity_unref(id);
    return t;
}

static void pass(struct tls *from, struct tls *to)
{
    struct span s = tls_output(from);
    size_t n = s.n, at = 0;

    if (n > sizeof wire) {
        errx(1, "a flight of %zu bytes", n);
    }
    memcpy(wire, s.p, n);
    tls_sent(from, n);
    while (at < n) {
        struct tls_in in = { .data = wire + at, .len = n - at };

        if (tls_input(to, &in) < 0 || in.used == 0) {
            errx(1, "handshake: %s", tls_error(to)->text);
        }
        at += in.used;
    }
}

/* ---- turns ---- */

struct bench {
    struct tls *from, *to;
    struct aead *seal, *open;
    size_t size;
};

#define ON_THE_WIRE(size) (TLS_HEADER + (size) + 1 + AEAD_TAG)
#define RECORDS(size)     ((int)(sizeof all / ON_THE_WIRE(size)))

static uint8_t all[1 << 18]; /* sealed, one record behind the other */

static double seal_all(const struct bench *b)
{
    const int n = RECORDS(b->size);
    struct span part = span_of(data, b->size);
    size_t taken, made, at = 0;
    double start = ns();

    for (int i = 0; i < n; i++, at += made) {
        if (tls_seal(b->from, &part, 1, &taken, all + at, ON_THE_WIRE(b->size), &made) < 0 ||
            made != ON_THE_WIRE(b->size)) {
            errx(1, "tls_seal");
        }
    }
    return (ns() - start) / n;
}

static double open_all(const struct bench *b)
{
    const int n = RECORDS(b->size);
    size_t at = 0;
    double start = ns();

    for (int i = 0; i < n; i++) {
        struct tls_in in = {
            .data = all + at, .len = sizeof all - at, .out = opened, .room = sizeof opened
        };

        if (tls_input(b->to, &in) != TLS_EV_DATA || in.nplain != b->size) {
            errx(1, "tls_input: %s", tls_error(b->to)->text);
        }
        at += in.used;
    }
    return (ns() - start) / n;
}

static const uint8_t nonce[AEAD_IV], header[TLS_HEADER];

static double seal_cipher(const struct bench *b)
{
    const struct span part[] = { { data, b->size }, { header, 1 } };
    const int n = RECORDS(b->size);
    uint8_t *at = all;
    double start = ns();

    for (int i = 0; i < n; i++, at += ON_THE_WIRE(b->size)) {
        if (aead_seal(b->seal, nonce, span_of(header, TLS_HEADER), part, 2, at + TLS_HEADER) < 0) {
            errx(1, "aead_seal");
        }
    }
    return (ns() - start) / n;
}

static double open_cipher(const struct bench *b)
{
    const struct mspan part = { opened, b->size + 1 };
    const int n = RECORDS(b->size);
    uint8_t *at = all;
    double start = ns();

    for (int i = 0; i < n; i++, at += ON_THE_WIRE(b->size)) {
        if (aead_open(b->open, nonce, span_of(header, TLS_HEADER),
                      span_of(at + TLS_HEADER, b->size + 1 + AEAD_TAG), &part, 1) < 0) {
            errx(1, "aead_open");
        }
    }
    return (ns() - start) / n;
}

static void measure(const struct bench *b, int rounds)
{
    static double (*const kind[KINDS])(const struct bench *) = {
        [SEAL] = seal_all,
        [OPEN] = open_all,
        [SEAL_CIPHER] = seal_cipher,
        [OPEN_CIPHER] = open_cipher,
    };
    double spent[KINDS][ROUNDS];

    for (int r = 0; r < rounds; r++) {
        for (int k = 0; k < KINDS; k++) {
            spent[k][r] = kind[k](b);
        }
    }
    printf("  %7zu %-10s", b->size, aead_backend(AEAD_AES_128_GCM));
    for (int k = SEAL; k <= OPEN; k++) {
        double whole = median(spent[k], rounds), cipher = median(spent[k + 2], rounds);

        printf("   %7.0f %7.0f %7.0f", whole, cipher, whole - cipher);
    }
    printf("\n");
}

static void by(const char *backend, int rounds)
{
    static const size_t sizes[] = { 64, 1024, 16384 };
    static const uint8_t key[16] = { 1 };
    struct bench b;

    aead_set_test_backend(backend);
    b.from = engine(TLS_SERVER);
    b.to = engine(TLS_CLIENT);
    b.seal = aead_new(AEAD_AES_128_GCM, key, true);
    b.open = aead_new(AEAD_AES_128_GCM, key, false);
    for (int i = 0; i < 4; i++) {
        pass(b.to, b.from);
        pass(b.from, b.to);
    }
    if (!b.seal || !b.open || !tls_connected(b.from) || !tls_connected(b.to)) {
        errx(1, "no connection");
    }
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        b.size = sizes[i];
        measure(&b, rounds);
    }
    tls_free(b.from);
    tls_free(b.to);
    aead_free(b.seal);
    aead_free(b.open);
}

int main(int argc, char **argv)
{
    int option, rounds = ROUNDS;

    while ((option = getopt(argc, argv, "d:r:")) != -1) {
        if (option == 'd') {
            dir = optarg;
        } else if (option == 'r' && atoi(optarg) > 0 && atoi(optarg) <= ROUNDS) {
            rounds = atoi(optarg);
        } else {
            return 2;
        }
    }
    if (crypto_init() < 0) {
        errx(1, "libcrypto");
    }
    printf("\n%-20s   %7s %7s %7s   %7s %7s %7s\n", "AES-128-GCM, ns", "sealing", "cipher",
           "beside", "opening", "cipher", "beside");
    by("libcrypto", rounds);
    if (aead_set_test_backend(NULL), strcmp(aead_backend(AEAD_AES_128_GCM), "libcrypto") != 0) {
        by(NULL, rounds);
    }
    return 0;
}
