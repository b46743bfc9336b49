/* SPDX-License-Identifier: ISC */
/* One piece of memory per thread in which records are received and sealed: no connection owns a
 * buffer that it does not need between two calls. Used in a half only, where no signal handler
 * runs. */
#include "base/mem.h"
#include "shim/conn.h"

static __thread uint8_t *mine;
static pthread_key_t key;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static bool have_key;

static void thread_ends(void *p)
{
    mine = NULL;
    mem_free(p);
}

static void make_key(void)
{
    have_key = pthread_key_create(&key, thread_ends) == 0;
}

uint8_t *scratch_get(void)
{
    if (!mine) {
        pthread_once(&once, make_key);
        mine = have_key ? mem_alloc(SCRATCH) : NULL;
        if (mine && pthread_setspecific(key, mine) != 0) {
            mem_free(mine);
            mine = NULL;
        }
    }
    return mine;
}
