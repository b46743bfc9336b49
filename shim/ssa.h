/* SPDX-License-Identifier: ISC */
/* Inside the sockets API: what programs say in the words of the Secure Socket API. */
#ifndef SHIM_SSA_H
#define SHIM_SSA_H
#include <sleeve/in_tls.h>
#include <stdbool.h>

/* socket(AF_HOSTNAME, ...): for hosts of either family. */
int ssa_socket(int type);
/* Is it a struct sockaddr_host? */
bool ssa_is_host(const struct sockaddr *addr, socklen_t len);
/* connect() to one, on a TLS fd without a connection. */
int ssa_connect(int fd, const struct sockaddr *addr, socklen_t len);
/* The level IPPROTO_TLS. */
int ssa_setsockopt(int fd, int name, const void *value, socklen_t len);
int ssa_getsockopt(int fd, int name, void *value, socklen_t *len);
/* TLS_DISABLE_CIPHER (ssa_suites.c). */
int ssa_disable_suite(int fd, const void *value, socklen_t len);
#endif
