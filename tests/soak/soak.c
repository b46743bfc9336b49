/* SPDX-License-Identifier: ISC */
/* soak NAME PORT: the soak as a program that knows nothing of TLS. */
#include "soak.h"

void soak_server(int listener)
{
    (void)listener;
}

void soak_client(int fd)
{
    (void)fd;
}

void soak_carried(int fd, uint64_t bytes)
{
    (void)fd;
    (void)bytes;
}

const char *soak_why(void)
{
    return "";
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        return 2;
    }
    soak(argv[1], (uint16_t)atoi(argv[2]));
    return 0;
}
