/* SPDX-License-Identifier: ISC */
#include "shim/sys.h"

#include <fcntl.h>
#include <unistd.h>

struct sys sys = {
    .connect = connect,
    .accept4 = accept4,
    .shutdown = shutdown,
    .close = close,
    .read = read,
    .write = write,
    .recv = recv,
    .send = send,
    .sendmsg = sendmsg,
    .poll = poll,
    .dup = dup,
    .getsockopt = getsockopt,
    .setsockopt = setsockopt,
    .fcntl = fcntl,
};
