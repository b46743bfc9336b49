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
        .readv = r->readv,
        .recv = r->recv,
        .recvfrom = r->recvfrom,
        .recvmsg = r->recvmsg,
        .write = r->write,
        .writev = r->writev,
        .send = r->send,
        .sendto = r->sendto,
        .sendmsg = r->sendmsg,
        .sendfile = r->sendfile,
        .poll = r->poll,
        .ppoll = r->ppoll,
        .select = r->select,
        .pselect = r->pselect,
        .dup = r->dup,
        .dup2 = r->dup2,
        .dup3 = r->dup3,
        .fdopen = r->fdopen,
        .getsockopt = r->getsockopt,
        .setsockopt = r->setsockopt,
        .fcntl = r->fcntl,
        .ioctl = r->ioctl,
    };
}
