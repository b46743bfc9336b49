/* SPDX-License-Identifier: ISC */
/* The sessions of this process's clients. No session is freed under the lock, which is held for
 * moments only, without signals. */
#include "shim/sessions.h"

#include <netinet/in.h>

#include "base/mem.h"
#include "base/secret.h"
#include "shim/conn.h"

#define BUCKETS 256

struct host {
    struct host *next; /* the same bucket */
    uint8_t key[32];   /* random to all appearances: its first byte tells the bucket */
    uint64_t used;
    size_t n;                                /* 1 and more */
    struct tls_session *list[SESSIONS_EACH]; /* the newest last */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct host *bucket[BUCKETS]; /* under lock, like all below */
static size_t hosts;
static uint64_t turn;
static bool inherited; /* all of it is our parent's */

struct hands {
    sigset_t signals;
    int cancel;
};
static struct hands over_fork;

/* ---- under the lock ---- */

static struct host **find(const uint8_t key[static 32])
{
    struct host **at = &bucket[key[0]];

    while (*at && memcmp((*at)->key, key, sizeof(*at)->key) != 0) {
        at = &(*at)->next;
    }
    return at;
}

static struct host *unlink_host(struct host **at)
{
    struct host *h = *at;

    *at = h->next;
    h->next = NULL;
    hosts--;
    return h;
}

/* All of them, as one list. */
static struct host *unlink_all(void)
{
    struct host *all = NULL;

    for (size_t i = 0; i < BUCKETS; i++) {
        while (bucket[i]) {
            struct host *h = unlink_host(&bucket[i]);

            h->next = all;
            all = h;
        }
    }
    return all;
}

static struct host *unlink_oldest(void)
{
    struct host **oldest = NULL;

    for (size_t i = 0; i < BUCKETS; i++) {
        for (struct host **at = &bucket[i]; *at; at = &(*at)->next) {
            oldest = oldest && (*oldest)->used <= (*at)->used ? oldest : at;
        }
    }
    return oldest ? unlink_host(oldest) : NULL;
}

static struct tls_session *remove_at(struct host *h, size_t i)
{
    struct tls_session *s = h->list[i];

    h->n--;
    memmove(&h->list[i], &h->list[i + 1], (h->n - i) * sizeof(struct tls_session *));
    return s;
}

/* ---- without it ---- */

static void free_hosts(struct host *h)
{
    while (h) {
        struct host *next = h->next;

        for (size_t i = 0; i < h->n; i++) {
            session_unref(h->list[i]);
        }
        mem_free(h);
        h = next;
    }
}

static void acquire(struct hands *h)
{
    struct host *old = NULL;

    fork_look();
    calm(&h->signals, &h->cancel);
    pthread_mutex_lock(&lock);
    if (inherited) {
        inherited = false;
        old = unlink_all();
        pthread_mutex_unlock(&lock);
        free_hosts(old);
        pthread_mutex_lock(&lock);
    }
}

static void release(const struct hands *h)
{
    pthread_mutex_unlock(&lock);
    uncalm(&h->signals, h->cancel);
}

void client_sessions_lock(void)
{
    struct hands h;

    calm(&h.signals, &h.cancel);
    pthread_mutex_lock(&lock);
    over_fork = h;
}

void client_sessions_unlock(void)
{
    struct hands h = over_fork;

    release(&h);
}

void client_sessions_in_child(bool torn)
{
    if (!torn) {
        pthread_mutex_unlock(&lock); /* the forking thread's, who is this one */
    } else {
        pthread_mutex_init(&lock, NULL);
        memset(bucket, 0, sizeof bucket); /* lost: it may be half changed */
        hosts = 0;
    }
    inherited = !torn;
}

__attribute__((destructor)) static void wipe_all(void)
{
    struct host *all;
    struct hands h;

    if (!fork_vforked()) {
        acquire(&h);
        all = unlink_all();
        release(&h);
        free_hosts(all);
    }
}

/* ---- whose they are ---- */

/* Address, when it is that by which the peer is known, and port. 0: neither IPv4 nor IPv6. */
static size_t address_of(const struct sockaddr *peer, int fd, bool named, uint8_t out[static 32])
{
    struct sockaddr_storage there = { 0 };
    socklen_t n = sizeof there;
    const struct sockaddr_in *in4 = (const void *)peer;
    const struct sockaddr_in6 *in6 = (const void *)peer;
    size_t used = 0;

    if (!peer) {
        if (getpeername(fd, (struct sockaddr *)&there, &n) != 0) {
            return 0;
        }
        peer = (const struct sockaddr *)&there;
        in4 = (const void *)peer;
        in6 = (const void *)peer;
    }
    if (peer->sa_family == AF_INET) {
        memcpy(out, &in4->sin_port, 2);
        memcpy(out + 2, &in4->sin_addr, 4);
        used = named ? 2 : 6;
    } else if (peer->sa_family == AF_INET6) {
        memcpy(out, &in6->sin6_port, 2);
        memcpy(out + 2, &in6->sin6_addr, 16);
        memcpy(out + 18, &in6->sin6_scope_id, 4);
        used = named ? 2 : 22;
    }
    return used;
}

struct client_sessions *client_sessions_new(const struct conn_params *p, int fd)
{
    const struct settings *set = config_settings(p->config);
    uint16_t says[2 + SETTINGS_SUITES] = { (uint16_t)set->min_version, (uint16_t)set->max_version };
    const char *host = p->host ? p->host : "", *sni = p->sni ? p->sni : "";
    uint8_t address[32], digest[HASH_MAX];
    size_t n = address_of(p->peer, fd, *host, address);
    struct client_sessions *s;

    /* A callback that has the last word is asked each time. */
    if (set->role != TLS_CLIENT || set->no_tickets || set->on_verify || !set->now || n == 0) {
        return NULL;
    }
    for (size_t i = 0; i < set->nsuites; i++) {
        says[2 + i] = set->suites[i]->id;
    }
    const struct span part[] = { span_of(set->context, SESSION_CONTEXT), span_of(says, sizeof says),
                                 span_of(host, strlen(host) + 1), span_of(sni, strlen(sni) + 1),
                                 span_of(address, n) };

    s = mem_zalloc(sizeof *s);
    if (s && hash_parts(HASH_SHA256, part, sizeof part / sizeof *part, digest) < 0) {
        mem_free(s);
        s = NULL;
    }
    if (s) {
        memcpy(s->key, digest, sizeof s->key);
        s->now = set->now;
    }
    return s;
}

void client_sessions_free(struct client_sessions *s)
{
    if (s) {
        session_unref(s->shared);
        mem_free(s);
    }
}

/* ---- taking and keeping ---- */

static bool is_shared(const struct tls_session *s)
{
    return s->version == TLS_1_2;
}

static bool usable(const struct tls_session *s, int64_t now, int ttl)
{
    return session_fresh(s, now) && (ttl <= 0 || now - s->made < (int64_t)ttl * 1000) &&
           !atomic_load(&s->spent);
}

struct tls_session *client_sessions_take(struct client_sessions *s, int ttl)
{
    struct tls_session *gone[SESSIONS_EACH], *found = NULL;
    const int64_t now = s->now() * 1000;
    struct host **at, *empty = NULL;
    struct hands h;
    size_t n = 0;

    acquire(&h);
    at = find(s->key);
    while (*at && (*at)->n && !found) {
        struct tls_session *last = (*at)->list[(*at)->n - 1];

        if (!usable(last, now, ttl)) {
            gone[n++] = remove_at(*at, (*at)->n - 1);
        } else {
            found = is_shared(last) ? session_ref(last) : remove_at(*at, (*at)->n - 1);
        }
    }
    if (*at) {
        (*at)->used = ++turn;
        empty = (*at)->n ? NULL : unlink_host(at);
    }
    release(&h);
    while (n > 0) {
        session_unref(gone[--n]);
    }
    mem_free(empty);
    if (found && is_shared(found)) {
        session_unref(s->shared);
        s->shared = session_ref(found);
        s->offered = true;
    }
    return found;
}

/* Under the lock: room for one more, what has to go is in gone. */
static size_t make_room(struct host *to, bool shared, struct tls_session *gone[static 8])
{
    size_t n = 0;

    for (size_t i = to->n; shared && i-- > 0;) {
        if (is_shared(to->list[i])) {
            gone[n++] = remove_at(to, i);
        }
    }
    if (to->n == SESSIONS_EACH) {
        gone[n++] = remove_at(to, 0);
    }
    return n;
}

void client_sessions_keep(void *ctx, struct tls_session *session)
{
    struct tls_session *gone[SESSIONS_EACH];
    struct client_sessions *s = ctx;
    struct host *fresh = mem_zalloc(sizeof *fresh), **at, *old = NULL;
    struct hands h;
    size_t n = 0;

    acquire(&h);
    at = find(s->key);
    if (!*at && fresh) {
        if (hosts == SESSIONS_HOSTS) {
            old = unlink_oldest();
            at = find(s->key);
        }
        memcpy(fresh->key, s->key, sizeof fresh->key);
        *at = fresh;
        fresh = NULL;
        hosts++;
    }
    if (*at) { /* else no memory: the next handshake is a full one */
        n = make_room(*at, is_shared(session), gone);
        (*at)->list[(*at)->n++] = session_ref(session);
        (*at)->used = ++turn;
    }
    release(&h);
    while (n > 0) {
        session_unref(gone[--n]);
    }
    mem_free(fresh);
    free_hosts(old);
    if (is_shared(session) && session != s->shared) {
        session_unref(s->shared);
        s->shared = session_ref(session);
        s->offered = false;
    }
}

void client_sessions_failed(struct client_sessions *s)
{
    struct tls_session *gone = NULL;
    struct host **at, *empty = NULL;
    struct hands h;

    if (!s || !s->shared) {
        return;
    }
    acquire(&h);
    at = find(s->key);
    for (size_t i = 0; *at && i < (*at)->n && !gone; i++) {
        gone = (*at)->list[i] == s->shared ? remove_at(*at, i) : NULL;
    }
    if (*at && (*at)->n == 0) {
        empty = unlink_host(at);
    }
    release(&h);
    session_unref(gone);
    mem_free(empty);
}

void client_sessions_settled(struct client_sessions *s, bool resumed)
{
    if (s->offered && !resumed) {
        client_sessions_failed(s);
    }
    s->offered = false;
}

size_t client_sessions_count(void)
{
    struct hands h;
    size_t n = 0;

    acquire(&h);
    for (size_t i = 0; i < BUCKETS; i++) {
        for (const struct host *at = bucket[i]; at; at = at->next) {
            n += at->n;
        }
    }
    release(&h);
    return n;
}
