/* SPDX-License-Identifier: ISC */
/* Which names the program looked up before it connected to an address: the name a server has to
 * prove. The calls' results are never altered.
 *
 * A ring of the latest look-ups, written and read without a lock (old clients jump out of a look-up
 * from a signal handler): a writer makes the record's sequence odd, fills it, makes it even; a
 * reader that sees odd, or another number afterwards, ignores the record. */
#include "preload/preload.h"
#include <arpa/inet.h>
#include <errno.h>
#include <stdatomic.h>
#include <string.h>

#include "x509/x509.h"

#define RECORDS 1024

#define WORD    sizeof(uint64_t)
#define ADDRESS (16 / WORD) /* words: IPv4 mapped */
#define NAME    (POLICY_HOST_MAX / WORD)

struct record {
    _Atomic unsigned sequence;
    _Atomic uint64_t addr[ADDRESS], name[NAME];
};
_Static_assert(POLICY_HOST_MAX % WORD == 0, "words");
static struct record ring[RECORDS];
static _Atomic unsigned next_record;

static bool address_of(const struct sockaddr *sa, socklen_t len, uint8_t addr[static 16])
{
    if (sa->sa_family == AF_INET && len >= (socklen_t)sizeof(struct sockaddr_in)) {
        memset(addr, 0, 10);
        memset(addr + 10, 0xff, 2);
        memcpy(addr + 12, &((const struct sockaddr_in *)(const void *)sa)->sin_addr, 4);
        return true;
    }
    if (sa->sa_family == AF_INET6 && len >= (socklen_t)sizeof(struct sockaddr_in6)) {
        memcpy(addr, &((const struct sockaddr_in6 *)(const void *)sa)->sin6_addr, 16);
        return true;
    }
    return false;
}

/* Not before what was loaded ahead of it. */
static void load(const _Atomic uint64_t *from, size_t n, void *to)
{
    for (size_t i = 0; i < n; i++) {
        uint64_t word = atomic_load_explicit(&from[i], memory_order_acquire);

        memcpy((char *)to + i * WORD, &word, WORD);
    }
}

/* Not after what is stored behind it. */
static void store(_Atomic uint64_t *to, size_t n, const void *from)
{
    for (size_t i = 0; i < n; i++) {
        uint64_t word;

        memcpy(&word, (const char *)from + i * WORD, WORD);
        atomic_store_explicit(&to[i], word, memory_order_release);
    }
}

/* Copies the name of the record if it is about this address and whole. */
static bool record_read(struct record *r, const uint8_t addr[static 16], char name[POLICY_HOST_MAX])
{
    unsigned before = atomic_load_explicit(&r->sequence, memory_order_acquire);
    uint8_t about[16];

    if (before == 0 || before % 2) {
        return false;
    }
    load(r->addr, ADDRESS, about);
    if (memcmp(about, addr, sizeof about) != 0) {
        return false;
    }
    load(r->name, NAME, name);
    return atomic_load_explicit(&r->sequence, memory_order_relaxed) == before;
}

static size_t names_find(const uint8_t addr[static 16], char text[][POLICY_HOST_MAX], size_t max)
{
    unsigned head = atomic_load(&next_record);
    size_t n = 0;

    for (unsigned i = 1; i <= RECORDS && n < max; i++) {
        size_t j = 0;

        if (!record_read(&ring[(head - i) % RECORDS], addr, text[n])) {
            continue;
        }
        while (j < n && strcasecmp(text[j], text[n]) != 0) {
            j++;
        }
        n += j == n; /* an older look-up of a name we have already */
    }
    return n;
}

static void name_keep(const char *name, const uint8_t addr[static 16])
{
    char newest[1][POLICY_HOST_MAX], kept[POLICY_HOST_MAX] = "";
    struct record *r;
    unsigned sequence;

    if (names_find(addr, newest, 1) == 1 && strcasecmp(newest[0], name) == 0) {
        return;
    }
    r = &ring[atomic_fetch_add(&next_record, 1) % RECORDS];
    sequence = atomic_load(&r->sequence) | 1;
    strcpy(kept, name);
    atomic_store_explicit(&r->sequence, sequence, memory_order_relaxed);
    store(r->addr, ADDRESS, addr);
    store(r->name, NAME, kept);
    atomic_store_explicit(&r->sequence, sequence + 1, memory_order_release);
}

void names_of(const struct sockaddr *sa, socklen_t len, struct names *out)
{
    uint8_t addr[16];

    out->n = address_of(sa, len, addr) ? names_find(addr, out->text, NAMES_PER_ADDRESS) : 0;
    for (size_t i = 0; i < out->n; i++) {
        out->list[i] = out->text[i];
    }
}

/* An address, in any of the forms that a look-up takes: "127.1", "0x7f000001", "fe80::1%eth0". */
static bool is_numeric(const char *name)
{
    char bare[POLICY_HOST_MAX];
    struct in_addr v4;

    (void)snprintf(bare, sizeof bare, "%.*s", (int)strcspn(name, "%"), name);
    return host_is_ip(bare) || inet_aton(name, &v4);
}

/* The name as it will be verified: without the root's dot. False: an address in digits, or no name.
 */
static bool name_clean(const char *asked, char name[static POLICY_HOST_MAX])
{
    size_t n = asked ? strlen(asked) : 0;

    if (n > 0 && asked[n - 1] == '.') {
        n--;
    }
    if (n == 0 || n >= POLICY_HOST_MAX) {
        return false;
    }
    memcpy(name, asked, n);
    name[n] = '\0';
    return !is_numeric(name);
}

static bool names_wanted(const char *asked, char name[static POLICY_HOST_MAX])
{
    return policy && policy_has(policy, TLS_CLIENT) && name_clean(asked, name);
}

static void keep_all(const char *asked, const struct addrinfo *ai)
{
    char name[POLICY_HOST_MAX];
    uint8_t addr[16];
    int saved = errno;

    if (names_wanted(asked, name)) {
        for (; ai; ai = ai->ai_next) {
            if (ai->ai_addr && address_of(ai->ai_addr, ai->ai_addrlen, addr)) {
                name_keep(name, addr);
            }
        }
    }
    errno = saved;
}

static void keep_hostent(const char *asked, const struct hostent *h)
{
    char name[POLICY_HOST_MAX];
    uint8_t addr[16] = { [10] = 0xff, [11] = 0xff };
    int saved = errno;

    if (h && names_wanted(asked, name)) {
        for (char **a = h->h_addr_list; a && *a; a++) {
            if (h->h_addrtype == AF_INET && h->h_length == 4) {
                memcpy(addr + 12, *a, 4);
            } else if (h->h_addrtype == AF_INET6 && h->h_length == 16) {
                memcpy(addr, *a, 16);
            } else {
                continue;
            }
            name_keep(name, addr);
        }
    }
    errno = saved;
}

int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
                struct addrinfo **res)
{
    int rc = REAL(getaddrinfo)(node, service, hints, res);

    if (rc == 0 && node && res) {
        keep_all(node, *res);
    }
    return rc;
}

/* What runs in the background (GAI_NOWAIT) is not seen when it ends: a rule then needs `name`. */
int getaddrinfo_a(int mode, struct gaicb **list, int n, struct sigevent *event)
{
    int rc = REAL(getaddrinfo_a)(mode, list, n, event);

    for (int i = 0; mode == GAI_WAIT && i < n; i++) {
        if (list[i] && gai_error(list[i]) == 0) {
            keep_all(list[i]->ar_name, list[i]->ar_result);
        }
    }
    return rc;
}

struct hostent *gethostbyname(const char *name)
{
    struct hostent *h = REAL(gethostbyname)(name);

    keep_hostent(name, h);
    return h;
}

struct hostent *gethostbyname2(const char *name, int family)
{
    struct hostent *h = REAL(gethostbyname2)(name, family);

    keep_hostent(name, h);
    return h;
}

int gethostbyname_r(const char *name, struct hostent *ret, char *mem, size_t size,
                    struct hostent **result, int *h_err)
{
    int rc = REAL(gethostbyname_r)(name, ret, mem, size, result, h_err);

    if (rc == 0 && result) {
        keep_hostent(name, *result);
    }
    return rc;
}

int gethostbyname2_r(const char *name, int family, struct hostent *ret, char *mem, size_t size,
                     struct hostent **result, int *h_err)
{
    int rc = REAL(gethostbyname2_r)(name, family, ret, mem, size, result, h_err);

    if (rc == 0 && result) {
        keep_hostent(name, *result);
    }
    return rc;
}
