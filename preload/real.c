/* SPDX-License-Identifier: ISC */
#include "preload/real.h"
#include <dlfcn.h>
#include <string.h>

#include "shim/sys.h"

struct real real_table;

static void *find(const char *name)
{
    static const char lost[] = "sleeve: the C library has no function ";
    void *p = dlsym(RTLD_NEXT, name);
    if (p == NULL) { /* nothing can be called, not even write() */
        fputs(lost, stderr);
        fputs(name, stderr);
        fputc('\n', stderr);
        abort();
    }
    return p;
}

void real_init(void)
{
    struct real *r = &real_table;
    /* Threads that come here at once store the same values. */
#define X(name) *(void **)&r->name = find(#name);
    REAL_FUNCTIONS(X)
#undef X
    sys = (struct sys){
        .connect = r->connect,
        .accept4 = r->accept4,
        .shutdown = r->shutdown,
        .close = r->close,
        .read = r->read,
        .write = r->write,
        .recv = r->recv,
        .send = r->send,
        .sendmsg = r->sendmsg,
        .poll = r->poll,
        .dup = r->dup,
        .getsockopt = r->getsockopt,
        .setsockopt = r->setsockopt,
        .fcntl = r->fcntl,
    };
    __atomic_store_n(&r->ready, true, __ATOMIC_RELEASE);
}
