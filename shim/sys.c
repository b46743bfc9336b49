/* SPDX-License-Identifier: ISC */
#include "shim/sys.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <unistd.h>

struct sys sys = {
    .connect = connect,
    .accept4 = accept4,
    .shutdown = shutdown,
    .close = close,
    .read = read,
    .readv = readv,
    .recv = recv,
    .recvfrom = recvfrom,
    .recvmsg = recvmsg,
    .write = write,
    .writev = writev,
    .send = send,
    .sendto = sendto,
    .sendmsg = sendmsg,
    .sendfile = sendfile,
    .poll = poll,
    .ppoll = ppoll,
    .select = select,
    .pselect = pselect,
    .dup = dup,
    .dup2 = dup2,
    .dup3 = dup3,
    .fdopen = fdopen,
    .getsockopt = getsockopt,
    .setsockopt = setsockopt,
    .fcntl = fcntl,
    .ioctl = ioctl,
};
