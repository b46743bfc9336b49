/* SPDX-License-Identifier: ISC */
/* A chain of three certificates, from DER to a verdict with the name checked: cert_parse() and
 * chain_verify(), without and with a cache of good chains, beside d2i_X509() and
 * X509_verify_cert().
 *
 *     bench_chain [-t seconds] [-r rounds]
 *
 * The three take turns; shown are medians over the rounds, and the median of the ratios to
 * libcrypto within one round. */
#include <time.h>
#include <unistd.h>

#include "tests/x509/forge.h"
#include "tests/x509/libcrypto.h"

#define MAX_ROUNDS 101
#define SENT       3

enum who { LIBCRYPTO, SLEEVE, CACHED, WHO };

struct bench {
    struct span der[SENT]; /* leaf, intermediate, root */
    struct trust *trust;
    struct chain_cache *cache;
    X509_STORE *store;
    double spent[WHO][MAX_ROUNDS]; /* microseconds for a chain */
};

static double cpu(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec * 1e-3;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double median(const double *v, size_t n)
{
    double sorted[MAX_ROUNDS];

    memcpy(sorted, v, n * sizeof *v);
    qsort(sorted, n, sizeof *sorted, compare);
    return n & 1 ? sorted[n / 2] : (sorted[n / 2 - 1] + sorted[n / 2]) / 2;
}

static void prepare(struct bench *b, int key)
{
    const struct forge f[SENT] = {
        { .subject = "leaf",
          .issuer = "i",
          .key = key,
          .by = key,
          .ku = KU_DIGITAL_SIGNATURE,
          .eku = EKU_SERVER,
          .names = "www.example.test example.test" },
        { .subject = "i",
          .issuer = "root",
          .key = key,
          .by = key,
          .ca = CA_TRUE,
          .ku = KU_CERT_SIGN },
        { .subject = "root",
          .issuer = "root",
          .key = key,
          .by = key,
          .ca = CA_TRUE,
          .ku = KU_CERT_SIGN },
    };
    X509 *root;

    *b = (struct bench){ .trust = trust_new(),
                         .cache = chain_cache_new(),
                         .store = X509_STORE_new() };
    for (size_t i = 0; i < SENT; i++) {
        b->der[i] = forge_der(&f[i]);
    }
    root = their_cert(b->der[2]);
    if (!b->trust || !b->cache || !b->store || X509_STORE_add_cert(b->store, root) != 1 ||
        trust_add_pem(b->trust, b->der[2], NULL) != 1) {
        abort();
    }
    X509_free(root);
}

static bool ours(const struct bench *b, struct chain_cache *cache)
{
    struct chain_query q = { .trust = b->trust,
                             .now = NOW,
                             .peer_is_server = true,
                             .host = "example.test",
                             .cache = cache };
    struct cert certs[SENT];
    struct chain_result r;
    struct error err;

    error_clear(&err);
    for (size_t i = 0; i < SENT; i++) {
        if (cert_parse(&certs[i], b->der[i], &err) < 0) {
            return false;
        }
    }
    return chain_verify(&q, certs, SENT, &r, &err) == 0;
}

static bool theirs(const struct bench *b)
{
    STACK_OF(X509) *others = sk_X509_new_null();
    X509_STORE_CTX *ctx = X509_STORE_CTX_new();
    X509 *certs[SENT];
    bool ok = others && ctx;

    for (size_t i = 0; i < SENT; i++) {
        const uint8_t *p = b->der[i].p;

        certs[i] = d2i_X509(NULL, &p, (long)b->der[i].n);
        ok = ok && certs[i] && (i == 0 || sk_X509_push(others, certs[i]) > 0);
    }
    if (ok && X509_STORE_CTX_init(ctx, b->store, certs[0], others) == 1) {
        X509_VERIFY_PARAM *param = X509_STORE_CTX_get0_param(ctx);

        X509_VERIFY_PARAM_set_time(param, (time_t)NOW);
        ok = X509_VERIFY_PARAM_set1_host(param, "example.test", 0) == 1 &&
             X509_STORE_CTX_set_purpose(ctx, X509_PURPOSE_SSL_SERVER) == 1 &&
             X509_verify_cert(ctx) == 1;
    }
    X509_STORE_CTX_free(ctx);
    sk_X509_free(others);
    for (size_t i = 0; i < SENT; i++) {
        X509_free(certs[i]);
    }
    return ok;
}

/* Microseconds for one, by doing it for so long. */
static double measure(const struct bench *b, enum who who, double microseconds)
{
    double start = cpu(), now = start;
    long n = 0;

    for (; now - start < microseconds; now = cpu()) {
        for (int i = 0; i < 20; i++, n++) {
            if (!(who == LIBCRYPTO ? theirs(b) : ours(b, who == CACHED ? b->cache : NULL))) {
                (void)fprintf(stderr, "a good chain was refused\n");
                exit(1);
            }
        }
    }
    return (now - start) / (double)n;
}

static void run(const char *what, int key, double seconds, size_t rounds)
{
    static const char *const names[WHO] = { "libcrypto", "uncached", "cached" };
    static struct bench b;
    double ratio[WHO][MAX_ROUNDS];

    prepare(&b, key);
    for (size_t r = 0; r < rounds; r++) {
        for (size_t i = 0; i < WHO; i++) {
            enum who who = (enum who)((i + r) % WHO);

            b.spent[who][r] = measure(&b, who, seconds * 1e6 / (double)rounds / WHO);
        }
        for (size_t i = 0; i < WHO; i++) {
            ratio[i][r] = b.spent[i][r] / b.spent[LIBCRYPTO][r];
        }
    }
    for (size_t i = 0; i < WHO; i++) {
        printf("  %-26s %-10s %10.1f %7.2f\n", i ? "" : what, names[i], median(b.spent[i], rounds),
               median(ratio[i], rounds));
    }
    chain_cache_free(b.cache);
    trust_unref(b.trust);
    X509_STORE_free(b.store);
    for (size_t i = 0; i < SENT; i++) {
        free((void *)(uintptr_t)b.der[i].p);
    }
}

int main(int argc, char **argv)
{
    double seconds = 20;
    long rounds = 21;
    int option;

    while ((option = getopt(argc, argv, "t:r:")) != -1) {
        if (option == 't') {
            seconds = atof(optarg);
        } else if (option == 'r') {
            rounds = atol(optarg);
        } else {
            return 2;
        }
    }
    rounds = rounds < 1 ? 1 : rounds > MAX_ROUNDS ? MAX_ROUNDS : rounds;
    printf("\n%-28s %-10s %10s %7s\n", "A chain of three, its name", "", "us", "ratio");
    run("ECDSA P-256", 0, seconds / 2, (size_t)rounds);
    run("RSA-2048", KEY_R, seconds / 2, (size_t)rounds);
    forge_done();
    return 0;
}
