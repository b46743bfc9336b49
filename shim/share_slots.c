/* SPDX-License-Identifier: ISC */
/* The memory that processes share, and which processes those are. */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shim/share_slot.h"

#define HEAD_SIZE 4096       /* in front of the slots */
#define BORN      0x80000000 /* a user that fork() has not made yet; and since when (seconds) */
#define BORN_S    10
#define OWN_FD    1000

static const char magic[16] = "sleeve share 1";

struct head {
    char magic[sizeof magic];
    uint64_t size, slots;
};

struct slot *share_slot(const struct share_set *set, size_t i)
{
    return (struct slot *)(void *)(set->mem + HEAD_SIZE + i * SLOT_SIZE);
}

/* ---- memory ---- */

static void *map(size_t n, int fd)
{
    void *p = mmap(NULL, n, PROT_READ | PROT_WRITE,
                   fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED, fd, 0);

    return p == MAP_FAILED ? NULL : p;
}

static struct share_set *set_of(int fd, size_t size)
{
    struct share_set *set = map(sizeof *set, -1);
    struct stat st;

    if (!set) {
        return NULL;
    }
    *set = (struct share_set){ .size = size, .fd = fd, .mem = map(size, fd) };
    if (set->mem && fstat(fd, &st) == 0) {
        set->dev = st.st_dev;
        set->ino = st.st_ino;
    } else {
        if (set->mem) {
            munmap(set->mem, size);
        }
        munmap(set, sizeof *set);
        return NULL;
    }
    (void)madvise(set->mem, size, MADV_DONTDUMP); /* keys */
    return set;
}

/* Out of the program's way. */
static int memory_fd(size_t size)
{
    int fd = memfd_create("sleeve", MFD_CLOEXEC | MFD_ALLOW_SEALING), high, rc;
    struct unheard u;

    if (fd < 0) {
        return -1;
    }
    high = sys.fcntl(fd, F_DUPFD_CLOEXEC, OWN_FD);
    if (high >= 0) {
        sys.close(fd);
        fd = high;
    }
    unheard_begin(&u);
    rc = ftruncate(fd, (off_t)size);
    unheard_end(&u, rc != 0 ? errno : 0);
    if (rc != 0 || sys.fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0) {
        sys.close(fd);
        return -1;
    }
    return fd;
}

struct share_set *share_set_new(size_t slots)
{
    const size_t size = HEAD_SIZE + slots * SLOT_SIZE;
    int fd = memory_fd(size);
    struct share_set *set = fd < 0 ? NULL : set_of(fd, size);
    struct head *head;

    if (!set) {
        if (fd >= 0) {
            sys.close(fd);
        }
        return NULL;
    }
    head = (struct head *)(void *)set->mem;
    memcpy(head->magic, magic, sizeof magic);
    head->size = size;
    head->slots = slots;
    return set;
}

struct share_set *share_set_open(int fd)
{
    const int seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
    struct share_set *set;
    struct head *head;
    off_t size;

    if (sys.fcntl(fd, F_GET_SEALS) != seals || (size = lseek(fd, 0, SEEK_END)) < HEAD_SIZE) {
        return NULL;
    }
    set = set_of(fd, (size_t)size);
    head = set ? (struct head *)(void *)set->mem : NULL;
    if (set && (memcmp(head->magic, magic, sizeof magic) != 0 || head->size != (uint64_t)size ||
                head->slots != ((uint64_t)size - HEAD_SIZE) / SLOT_SIZE)) {
        munmap(set->mem, set->size);
        munmap(set, sizeof *set);
        set = NULL;
    }
    if (set) {
        set->users = 1; /* until conn_import_end(): a connection that does not fit drops its own */
    }
    return set;
}

int share_fd(const struct share_set *set)
{
    struct stat st;

    return fstat(set->fd, &st) == 0 && st.st_dev == set->dev && st.st_ino == set->ino ? set->fd
                                                                                      : -1;
}

void share_set_drop(struct share_set *set)
{
    munmap(set->mem, set->size);
    if (share_fd(set) >= 0) {
        sys.close(set->fd);
    }
    munmap(set, sizeof *set);
}

size_t share_slots(const struct share_set *set)
{
    return ((const struct head *)(void *)set->mem)->slots;
}

void share_join(struct conn *c, struct share_set *set, struct slot *slot, unsigned me)
{
    c->claim = (struct claim){
        .set = set, .slot = slot, .shared = true, .torn = true, .me = me, .version = NO_VERSION
    };
    set->users++;
}

/* ---- who has it ---- */

uint32_t user_born(void)
{
    return BORN | (uint32_t)(now_ms() / 1000 & ~BORN);
}

bool user_is_born(uint32_t user)
{
    return user & BORN;
}

/* Whoever is taken for dead by mistake finds its entry gone, and lets go (share_begin()). */
static bool is_alive(uint32_t user)
{
    siginfo_t dead = { .si_pid = 0 };

    if (user_is_born(user)) {
        return ((user_born() - user) & ~BORN) < BORN_S;
    }
    if (kill((pid_t)user, 0) != 0 && errno == ESRCH) {
        return false;
    }
    /* A child of ours that nobody has waited for yet. */
    return waitid(P_PID, user, &dead, WEXITED | WNOHANG | WNOWAIT) != 0 || dead.si_pid == 0;
}

bool user_lives(struct slot *s, unsigned i)
{
    uint32_t user = atomic_load(&s->users[i]);
    int saved = errno;
    bool lives = user != 0 && is_alive(user);

    /* It may just have been born: then it lives. */
    lives = lives || (user != 0 && !atomic_compare_exchange_strong(&s->users[i], &user, 0));
    errno = saved;
    return lives;
}

bool share_others(const struct conn *c, bool probe)
{
    struct slot *s = c->claim.slot;

    for (unsigned i = 0; i < USERS; i++) {
        if (i != c->claim.me && atomic_load(&s->users[i]) != 0 && (!probe || user_lives(s, i))) {
            return true;
        }
    }
    return false;
}

/* Those that ended without a word give their places back when there is no other. */
bool user_new(struct slot *s, uint32_t user, unsigned *at)
{
    for (unsigned i = 0; i < 2 * USERS; i++) {
        uint32_t none = 0;

        *at = i % USERS;
        if ((i < USERS || !user_lives(s, *at)) &&
            atomic_compare_exchange_strong(&s->users[*at], &none, user)) {
            return true;
        }
    }
    return false;
}

void slot_init(struct slot *s, uint64_t cookie, unsigned *me)
{
    pthread_mutexattr_t a;

    pthread_mutexattr_init(&a);
    pthread_mutexattr_setpshared(&a, PTHREAD_PROCESS_SHARED);
    pthread_mutexattr_setrobust(&a, PTHREAD_MUTEX_ROBUST);
    pthread_mutex_init(&s->lock, &a);
    pthread_mutexattr_destroy(&a);
    s->cookie = cookie;
    (void)user_new(s, (uint32_t)fork_pid(), me);
}
