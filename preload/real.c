/* SPDX-License-Identifier: ISC */
#include "preload/real.h"

#include "shim/sys.h"

struct real real_table;

void real_init(void *(*find)(const char *name))
{
    struct real *r = &real_table;
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
}
