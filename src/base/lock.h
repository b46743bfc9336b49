/* SPDX-License-Identifier: ISC */
/* What several threads need, and a build without USE_MULTITHREADING has not: a lock, a gate, what
 * is done once, what each thread has of its own. A lock is held for a few instructions and is not
 * taken twice. */
#ifndef BASE_LOCK_H
#define BASE_LOCK_H
#include <matrixssl/coreConfig.h>
#include <stdbool.h>

#ifdef USE_MULTITHREADING
#include <pthread.h>
#include <time.h>

#define PER_THREAD __thread

struct lock {
    pthread_mutex_t mutex;
};
#define LOCK_INIT                 \
    {                             \
        PTHREAD_MUTEX_INITIALIZER \
    }
static inline bool lock_init(struct lock *l)
{
    return pthread_mutex_init(&l->mutex, NULL) == 0;
}
static inline void lock_free(struct lock *l)
{
    (void)pthread_mutex_destroy(&l->mutex);
}
static inline void lock_take(struct lock *l)
{
    (void)pthread_mutex_lock(&l->mutex);
}
static inline void lock_give(struct lock *l)
{
    (void)pthread_mutex_unlock(&l->mutex);
}

/* Many pass it at once, until one shuts it: from then on nobody comes in, and that one goes on when
 * all are out again. */
struct gate {
    pthread_rwlock_t lock;
};
#define GATE_INIT                                         \
    {                                                     \
        PTHREAD_RWLOCK_WRITER_NONRECURSIVE_INITIALIZER_NP \
    }
static inline void gate_pass(struct gate *g)
{
    (void)pthread_rwlock_rdlock(&g->lock);
}
static inline void gate_leave(struct gate *g)
{
    (void)pthread_rwlock_unlock(&g->lock);
}
/* false: after so many seconds they are not out, and it is open. */
static inline bool gate_shut(struct gate *g, int seconds)
{
    struct timespec end;

    (void)clock_gettime(CLOCK_REALTIME, &end);
    end.tv_sec += seconds;
    return pthread_rwlock_timedwrlock(&g->lock, &end) == 0;
}
static inline void gate_open(struct gate *g)
{
    (void)pthread_rwlock_unlock(&g->lock);
}
/* Nobody is inside or waits any more: those threads are not in this process. */
static inline void gate_renew(struct gate *g)
{
    g->lock = (pthread_rwlock_t)PTHREAD_RWLOCK_WRITER_NONRECURSIVE_INITIALIZER_NP;
}

struct once {
    pthread_once_t done;
};
#define ONCE_INIT         \
    {                     \
        PTHREAD_ONCE_INIT \
    }
static inline void once_do(struct once *o, void (*fn)(void))
{
    (void)pthread_once(&o->done, fn);
}

/* Who is told that a thread ends that has said so with a p that is not NULL. */
struct thread_end {
    pthread_key_t key;
};
static inline bool thread_end_init(struct thread_end *t, void (*fn)(void *p))
{
    return pthread_key_create(&t->key, fn) == 0;
}
static inline bool thread_end_tell(const struct thread_end *t, void *p)
{
    return pthread_setspecific(t->key, p) == 0;
}

/* prepare and parent before and behind fork() in the parent, child behind it in the child; any may
 * be NULL. false: they will not be called. */
static inline bool at_fork(void (*prepare)(void), void (*parent)(void), void (*child)(void))
{
    return pthread_atfork(prepare, parent, child) == 0;
}

#else

#define PER_THREAD

struct lock {
    bool none;
};
#define LOCK_INIT \
    {             \
        false     \
    }
static inline bool lock_init(struct lock *l)
{
    l->none = false;
    return true;
}
static inline void lock_free(struct lock *l)
{
    (void)l;
}
static inline void lock_take(struct lock *l)
{
    (void)l;
}
static inline void lock_give(struct lock *l)
{
    (void)l;
}

struct gate {
    bool none;
};
#define GATE_INIT \
    {             \
        false     \
    }
static inline void gate_pass(struct gate *g)
{
    (void)g;
}
static inline void gate_leave(struct gate *g)
{
    (void)g;
}
static inline bool gate_shut(struct gate *g, int seconds)
{
    return !g->none && seconds > 0;
}
static inline void gate_open(struct gate *g)
{
    (void)g;
}
static inline void gate_renew(struct gate *g)
{
    g->none = false;
}

struct once {
    bool done;
};
#define ONCE_INIT \
    {             \
        false     \
    }
static inline void once_do(struct once *o, void (*fn)(void))
{
    if (!o->done) {
        o->done = true;
        fn();
    }
}

struct thread_end {
    bool none;
};
static inline bool thread_end_init(struct thread_end *t, void (*fn)(void *p))
{
    t->none = !fn;
    return true;
}
static inline bool thread_end_tell(const struct thread_end *t, void *p)
{
    return !t->none && p;
}

static inline bool at_fork(void (*prepare)(void), void (*parent)(void), void (*child)(void))
{
    (void)prepare;
    (void)parent;
    (void)child;
    return false;
}
#endif
#endif
