/* SPDX-License-Identifier: ISC */
/* The names of the Secure Socket API (O'Neill et al., USENIX Security 2018) for programs that were
 * written for it: socket(domain, SOCK_STREAM, IPPROTO_TLS), and options of the level IPPROTO_TLS.
 * They work with <sleeve/posix.h>, which includes this file, and in ssl_socket(), ssl_connect(),
 * ssl_setsockopt() and ssl_getsockopt(). sleeve_posix(3) says what each does; new programs are
 * better served by the options of <sleeve/ssl_socket.h>, which are these and more.
 *
 * TCP_UPGRADE_TLS is not among them, as its number is one of Linux's own by now: use ssl_attach().
 */
#ifndef SLEEVE_IN_TLS_H
#define SLEEVE_IN_TLS_H
#include <sys/socket.h>

/* Protocol of ssl_socket(), and level of the options below. */
#define IPPROTO_TLS 205

/* Options. Strings come with their NUL when they are read, and may have it when they are set; files
 * are named, and looked for in the working directory of the moment. */
#define TLS_REMOTE_HOSTNAME           85 /* string: SSL_OPT_NAME */
#define TLS_HOSTNAME                  86 /* string, read: the name the client asked for */
#define TLS_TRUSTED_PEER_CERTIFICATES 87 /* string, set: file or directory, roots or others */
#define TLS_CERTIFICATE_CHAIN         88 /* string: file; may be set up to 16 times, each ... */
#define TLS_PRIVATE_KEY               89 /* string, set: ... with its file behind it */
#define TLS_ALPN                      90 /* string: "h2,http/1.1"; read when connected: the one */
#define TLS_SESSION_TTL               91 /* int or long: seconds; 0: sessions are not kept */
#define TLS_DISABLE_CIPHER            92 /* string, set: one suite less, IANA's or OpenSSL's name */
#define TLS_PEER_IDENTITY             93 /* string, read: subject of the peer's certificate */
#define TLS_REQUEST_PEER_AUTH         94 /* any value, set: the client must have a certificate */
#define TLS_PEER_CERTIFICATE_CHAIN    95 /* string, read: PEM, its own one first */
#define TLS_ID                        96 /* unsigned long, read: a number no other socket has */

/* Address of a host by its name, for connect(). TLS_REMOTE_HOSTNAME is set by it. */
#define AF_HOSTNAME 43
struct host_addr {
    unsigned char name[255]; /* with a NUL */
};
struct sockaddr_host {
    sa_family_t sin_family;  /* AF_HOSTNAME */
    unsigned short sin_port; /* in network byte order */
    struct host_addr sin_addr;
};
#endif
