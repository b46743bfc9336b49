/* SPDX-License-Identifier: ISC */
/* TLS on POSIX sockets. Each call here behaves as the call it is named after, on the same kind of
 * file descriptor: -1 and errno on failure, partial results, EINTR, O_NONBLOCK, SO_RCVTIMEO,
 * SO_SNDTIMEO and SIGPIPE as usual; getpeername(), getsockopt() and the like work on the fd itself.
 * A port is a change of names:
 *
 *     int fd = ssl_socket(AF_INET, SOCK_STREAM, 0);
 *     ssl_setsockopt(fd, SOL_SSL, SSL_OPT_NAME, "mail.example.org", 16);
 *     ssl_connect(fd, addr, len);
 *     ssl_write(fd, "HELLO\r\n", 7);
 *     n = ssl_read(fd, buf, sizeof buf);
 *     ssl_close(fd);
 *
 * An fd that neither ssl_socket(), ssl_accept(), ssl_attach() nor an SSL_OPT_ option has touched
 * passes through every call to the kernel unchanged, so one code path serves both kinds. An fd that
 * was touched never carries plaintext: before its TLS connection is there, reading and writing fail
 * with ENOTCONN.
 *
 * Errno of a TLS connection: EACCES certificate, name or key refused (by either side), ECONNABORTED
 * another alert or a protocol error, ETIMEDOUT the handshake took too long, ECONNRESET end of
 * stream without close_notify (the data may be cut short), EPERM another process has the connection
 * since a fork and cannot share it, ENOTCONN no connection yet, EINVAL or ENOENT or ENOKEY an
 * option is
 * wrong. ssl_error() has the sentence.
 *
 * Threads: any number of fds at once; on one fd, one reader and one writer at once. More of them do
 * no harm, but a second reader may sleep on while the first one leaves data behind. ssl_close() of
 * a connection's last fd ends what other threads wait for (EBADF), ssl_shutdown() as shutdown(2)
 * does.
 *
 * Fork: parent and child (and theirs, up to 64) have the connection in common, as they have a plain
 * socket: each reads and writes as it likes, one at a time, in no order but the one they agree on.
 * close_notify is said by the last one that closes it. A handshake is the process's that began it:
 * the others wait for its end. Shared is only what is used: one that all other processes have
 * closed costs nothing more. A process that is killed in the middle of a call ends the connection
 * for all (ECONNABORTED). EPERM: post-handshake authentication, and processes that fork() did not
 * make. As ssl_accept() leaves the handshake to the first use, servers that fork for each
 * connection work as they are.
 *
 * Close TLS fds with ssl_close(): close() says no close_notify and leaves state behind. */
#ifndef SLEEVE_SSL_SOCKET_H
#define SLEEVE_SSL_SOCKET_H
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

struct timespec; /* <time.h>, which strict C keeps to itself */

/* Level for ssl_setsockopt() and ssl_getsockopt(); all other levels go to the kernel. */
#define SOL_SSL 0x5353
/* In place of an fd: options that every later ssl_socket(), ssl_attach() and ssl_dial() starts
 * with. */
#define SSL_DEFAULTS (-1)

/* Options. Strings: up to 4095 bytes, with or without their NUL; empty restores the default. They
 * are copied. Options are for before ssl_connect(), ssl_attach() or, on a listening fd,
 * ssl_accept(): the accepted fd has its listener's. Afterwards setting one fails with EISCONN. A
 * value that is wrong by itself fails with EINVAL when it is set.
 *
 * Files are read when the option's first connection is made, which fails when they cannot be, and
 * then shared by all with the same options. When they change, by rename or in place, the next
 * connection has the new ones; looked at once a second at most, and only when a connection is made.
 * Until all the changed files can be read and fit together the old ones serve; ssl_error() of the
 * listening fd then says why, as does the trace. Connections keep what they were made with. A
 * program that leaves its working directory has to name files absolutely. */
enum {
    SSL_OPT_NAME = 1, /* string: the peer's name that its certificate must be for; also sent as
                         SNI. Client, needed unless there is SSL_OPT_PSK or SSL_OPT_VERIFY says
                         otherwise */
    SSL_OPT_SNI,      /* string: another name for SNI than SSL_OPT_NAME */
    SSL_OPT_CA_FILE,  /* string: PEM file or directory of trust anchors, or "system" (default:
                         SSL_CERT_FILE, SSL_CERT_DIR, else the system's; with SSL_OPT_PSK: none) */
    /* Own certificates. Where more than one are added, a server shows the one whose names fit what
     * the client asks for. */
    SSL_OPT_CERT_FILE, /* string: own certificate, PEM, leaf first, or DER; or PKCS#12 with its key;
                          or a URI, "pkcs11:object=web". Servers need one, or SSL_OPT_PSK. Takes
                          away those that were added */
    SSL_OPT_ADD_CERT_FILE, /* string: one more of them, up to 16. The four options below are about
                              the one that was set or added last, also when they are read */
    SSL_OPT_KEY_FILE,      /* string: its private key, PEM, DER, PKCS#12 or URI; default: the
                              certificate's file */
    SSL_OPT_KEY_PASS,      /* string: passphrase of the key, kept as long as the options are. Cannot
                              be read back */
    SSL_OPT_KEY_PASS_FILE, /* string: file whose first line is the passphrase of the key, up to 1023
                              bytes; forgotten when the key was read */
    SSL_OPT_STATUS_FILE, /* string: OCSP response (DER) about the certificate, for clients that ask.
                            With the issuer's certificate behind the own one it must be a good and
                            current one about that */
    SSL_OPT_ALPN,        /* string: protocols in order of preference, "h2,http/1.1". A server
                            without one in common refuses */
    /* What may be negotiated: IANA's names in order of preference, with ',' or ':' between; others
     * are not. Default: what is good today */
    SSL_OPT_SUITES,      /* string: "TLS_AES_128_GCM_SHA256,TLS_CHACHA20_POLY1305_SHA256"; those of
                            TLS 1.2 and of TLS 1.3 */
    SSL_OPT_GROUPS,      /* string: "x25519:secp256r1". A client sends a key share of the first */
    SSL_OPT_SCHEMES,     /* string: signature schemes of handshakes, ours and the peer's:
                            "ecdsa_secp256r1_sha256" */
    SSL_OPT_VERIFY,      /* int: SSL_VERIFY_... */
    SSL_OPT_MIN_VERSION, /* int: 0x0304 is TLS 1.3, 0x0303 is TLS 1.2; 0: the default,
                            which is 1.2 for the lowest and 1.3 for the highest. 0x0302 to 0x0300,
                            TLS 1.1, 1.0 and SSL 3, only in libraries that were built with them */
    SSL_OPT_MAX_VERSION, /* int: likewise */
    SSL_OPT_CLIENT_AUTH, /* int: SSL_CLIENT_AUTH_...; servers; clients are verified by CA_FILE */
    SSL_OPT_HANDSHAKE_TIMEOUT, /* int: milliseconds from connect, accept or attach; 0: 60000
                                  (default), negative: none */
    SSL_OPT_EOF,               /* int: SSL_EOF_... */
    /* What is asked of the peer's certificates beside the chain and the name */
    SSL_OPT_PINS, /* string: SHA-256 of public keys (SubjectPublicKeyInfo), one of which must be on
                     the path up to the trust anchor; under SSL_VERIFY_NONE the peer's own. Up to
                     32, each in base64 or 64 hex digits, with ';' or ',' between them and
                     "sha256//" or not in front: "sha256//pTnX1...=;sha256//..." */
    SSL_OPT_CRL_FILE,          /* string: file or directory of CRLs, PEM or DER */
    SSL_OPT_REVOCATION,        /* int: SSL_REVOCATION_... */
    SSL_OPT_PARTIAL_CHAIN,     /* int: 1: any certificate in CA_FILE ends a path, 0 (default): a
                                  self-signed one */
    SSL_OPT_WEAK_CERTIFICATES, /* int: 1: SHA-1 signatures and RSA keys from 1024 bits are taken,
                                  for old peers; 0 (default) */
    SSL_OPT_RELOAD, /* int: 1 (default); 0: files are never looked at again, for programs that give
                       up the right to (seccomp) */
    SSL_OPT_KEYLOG_FILE, /* string: each connection's secrets are written behind what is in it, in
                            the format of SSLKEYLOGFILE. Made with mode 0600; who reads it, reads
                            the traffic */
    /* Sessions: the next handshake with the same peer is shorter, and nobody shows certificates */
    SSL_OPT_SESSION_REUSE,   /* int: 1 (default): a client keeps in memory, for all fds of the
                                process, what it can resume connections to the same name, port and
                                options with; a server gives tickets. 0: neither */
    SSL_OPT_SESSION_TTL,     /* int: seconds, up to 604800, that a session is resumed after the
                                handshake that proved it; 0: 86400 (default) */
    SSL_OPT_TICKETS,         /* int: how many a TLS 1.3 server gives with each handshake, up to 8; 2
                                (default). A client uses each of them once */
    SSL_OPT_TICKET_KEY_FILE, /* string: ticket keys for several servers with the same certificates
                                and options; default: they are drawn. Up to three, of 48 or of 80
                                bytes: the first seals, all of them open. Others must not be able
                                to read it */
    SSL_OPT_EARLY_DATA,      /* int: bytes of early data (RFC 8446 section 2.3), up to 1048576; 0
                                (default): none. A client's: what may leave with SSL_MSG_EARLY; a
                                server's: what it takes from each client. Anyone may send it twice:
                                only for what may be done twice */
    /* Servers: where sessions are kept for processes and machines that share a service */
    SSL_OPT_SESSION_STORE, /* string: "shm:ENTRIES": memory that is shared with the processes which
                              are forked after the option was set, for so many sessions (1 to
                              1000000, 2 KiB each, the oldest go first); "memcached:HOST:PORT",
                              "memcached:/path.sock", "redis:HOST:PORT", "redis:/path.sock" (Redis
                              6.2): EOPNOTSUPP without libmemcached or hiredis. What is kept is
                              sealed: machines share the keys of SSL_OPT_TICKET_KEY_FILE, the
                              processes of one family those drawn when the option is set.
                              A client of TLS 1.3, and one of TLS 1.2 without tickets, resumes where
                              its session is found; whatever goes wrong is a full handshake. One
                              store for each name: what one fd says of its timeout is for all */
    SSL_OPT_SESSION_STORE_TIMEOUT, /* int: milliseconds that a handshake waits for its answer, 1 to
                                      10000; 50 (default). After that, as after a failure, it is
                                      not asked for a second */
    /* for ssl_getsockopt() only, once connected (else ENOTCONN) */
    SSL_OPT_VERSION,    /* string: "TLSv1.3" */
    SSL_OPT_SUITE,      /* string: "TLS_AES_128_GCM_SHA256" */
    SSL_OPT_GROUP,      /* string: "x25519" */
    SSL_OPT_PEER_CERT,  /* bytes: the peer's own certificate, DER; length 0: it has none */
    SSL_OPT_PEER_CHAIN, /* bytes: it and those that the peer sent with it, one behind the other; it
                           alone when the connection was resumed */
    /* for ssl_setsockopt() only */
    SSL_OPT_PSK, /* struct ssl_psk: one more pre-shared key; length 0: no more of them */
    SSL_OPT_KEY_PASS_CALLBACK, /* struct ssl_key_pass: who to ask for passphrases; length 0: nobody
                                */
    SSL_OPT_SNI_CALLBACK,      /* struct ssl_sni: servers: who picks a configuration for the name
                                  that the client asks for; length 0: nobody */
    SSL_OPT_CERT_CALLBACK,     /* struct ssl_cert_check: who has the last word on the peer's
                                  certificates; length 0: nobody */
    SSL_OPT_TRACE_CALLBACK,    /* struct ssl_trace, on SSL_DEFAULTS only: where lines for people go;
                                  length 0: nowhere. Set it before there are threads */
    /* more of pre-shared keys; these can be read, too */
    SSL_OPT_PSK_FILE, /* string: file of keys that are added to those of SSL_OPT_PSK, one a line:
                         identity:key in hex digits, with ":sha384" or ":tls1.2" behind it where
                         that is meant. Others must not be able to read it */
    SSL_OPT_PSK_HINT, /* string, up to 255 bytes: servers: what helps clients of TLS 1.2 to choose
                         one of their keys */
    /* of the suites with DHE in their names, which are of TLS 1.2 and have to be named */
    SSL_OPT_DH_PARAMS_FILE, /* string: servers: Diffie-Hellman parameters (PKCS#3, PEM or DER): a
                               safe prime of 2048 to 8192 bits. Without, a group of RFC 7919 */
    SSL_OPT_DH_BITS,        /* int: clients: the least that a server's prime must have; 0: 2048 (the
                               default). Fewer, from 1024 on, in builds with old versions only */
    /* how much a peer may ask of us */
    SSL_OPT_MAX_HELLO, /* int: bytes of a ClientHello that a server takes: 512 to 16384 (default) */
    SSL_OPT_MAX_CHAIN, /* int: bytes of the certificates that a peer shows (10 at most): 1024 to
                          73728 (default) */
    SSL_OPT_MAX_IDLE,  /* int: records in a row that carry no data: 1 to 1000000; 32 (default) */
    SSL_OPT_SESSION_CACHE, /* int: sessions that a server keeps in memory, for clients of TLS 1.2
                              without tickets: 1 to 1000000; 1024 (default). Counts when the first
                              connection is made */
};

/* SSL_OPT_VERIFY. The first one is spelled as OpenSSL spells it: both headers may be used. */
#define SSL_VERIFY_NONE 0x00 /* nothing is checked: anyone in between can read and change all */
#define SSL_VERIFY_CA   0x10 /* the chain, not the name */
#define SSL_VERIFY_FULL 0x20 /* default: chain and name */

/* SSL_OPT_CLIENT_AUTH */
#define SSL_CLIENT_AUTH_NONE    0 /* default */
#define SSL_CLIENT_AUTH_REQUEST 1 /* asked for; verified when there is one */
#define SSL_CLIENT_AUTH_REQUIRE 2

/* SSL_OPT_REVOCATION: what must be known about whether the peer's certificates were revoked. What
 * is known to be revoked is refused in all but the second (EACCES). A client that looks asks its
 * server for an OCSP response. */
#define SSL_REVOCATION_DEFAULT 0 /* SSL_REVOCATION_HARD with SSL_OPT_CRL_FILE, else ..._OFF */
#define SSL_REVOCATION_OFF     1 /* nothing is looked at */
#define SSL_REVOCATION_SOFT    2 /* what cannot be found out is no hindrance */
#define SSL_REVOCATION_HARD    3 /* the own one: a good OCSP response, or a CRL that has it not */
#define SSL_REVOCATION_ALL     4 /* and those of all CAs below the anchor: a CRL */

/* SSL_OPT_EOF: end of stream without close_notify */
#define SSL_EOF_STRICT  0 /* default: -1 ECONNRESET, as the data may be cut short */
#define SSL_EOF_LENIENT 1 /* 0 like a proper end, for old peers; not inside a record */

/* ssl_send(): these bytes may leave as early data, before the server has answered, where
 * SSL_OPT_EARLY_DATA and the session permit it. What the server refuses it is told again behind the
 * handshake, if the protocol (ALPN) is the same; else the connection fails (ECONNABORTED). Without
 * early data it means nothing. */
#define SSL_MSG_EARLY 0x10000000

/* ssl_info.early */
#define SSL_EARLY_NONE     0 /* the client has offered none */
#define SSL_EARLY_OFFERED  1 /* client: the server has not answered */
#define SSL_EARLY_REJECTED 2
#define SSL_EARLY_ACCEPTED 3

/* SSL_OPT_PSK: a key that both ends were given beforehand (TLS 1.3: RFC 8446 section 4.2.11; TLS
 * 1.2: RFC 4279), copied with all that it points to. One of the same identity is replaced. Whoever
 * has the key is authenticated by it, client and server, without a certificate, whatever
 * SSL_OPT_VERIFY says; ssl_info has the identity. A wrong key is EACCES at a server; at its client
 * EACCES too, or ECONNABORTED where the server has another alert for it than the RFC's (OpenSSL).
 *
 * A server that does not know the identity refuses (EACCES), but shows its certificate if it has
 * SSL_OPT_CERT_FILE. A client accepts that only with both SSL_OPT_CA_FILE and SSL_OPT_NAME, or as
 * SSL_OPT_VERIFY permits: under SSL_VERIFY_NONE anyone's. A server that has a certificate beside
 * its keys serves clients without a key; one that has keys alone speaks the versions that they are
 * for. Keys do not go together with SSL_CLIENT_AUTH_REQUIRE (EINVAL). A client offers at most four,
 * an imported one counts twice (EINVAL).
 *
 * SSL_PSK_TLS12 keys are for the suites of TLS 1.2 with PSK in their name, which SSL_OPT_SUITES has
 * to name (EINVAL): naming one says that its key will do in place of a certificate; the suites with
 * RSA_PSK want both, a certificate that is verified as ever. PSK and RSA_PSK have no forward
 * secrecy. A client takes the key whose identity is the server's hint, else the first. A server
 * that does not know an identity goes on as if the key were wrong.
 * Keys of TLS 1.3 and of TLS 1.2 are told apart since nobody has shown that one can safely be both
 * (RFC 8446 appendix E.7); who wants that adds it twice, under the same identity.
 *
 * The key is to be random, with 128 bits of entropy at least: passwords can be tried out by whoever
 * sees a handshake (RFC 9257). One key for two ends, never for a group. */
struct ssl_psk {
    const char *identity; /* 1 to 255 bytes; travels in clear */
    const void *key;
    size_t key_len; /* 16 to 256 bytes */
    int hash;       /* SSL_PSK_SHA256, SSL_PSK_SHA384, SSL_PSK_TLS12: what the key was made for */
    /* Names of this end and of the other, 1 to 255 bytes: the key is imported (RFC 9258) for who is
     * client and who is server; both ends must say so. Best where both ends are Sleeve's. Both
     * NULL: used as it is, as all peers understand it; then one end is always the client, as it
     * must be with SSL_PSK_TLS12. */
    const char *own, *peer;
};
#define SSL_PSK_SHA256 0
#define SSL_PSK_SHA384 1
#define SSL_PSK_TLS12  2

/* SSL_OPT_KEY_PASS_CALLBACK, for keys that are encrypted and have neither SSL_OPT_KEY_PASS nor
 * SSL_OPT_KEY_PASS_FILE. get is called when the first connection is made and when files have
 * changed, by the thread that makes one, with signals blocked: puts the passphrase of `file` into
 * pass and returns its length, less than size (1024); negative: there is none (ENOKEY). The library
 * wipes pass when the key was read. */
struct ssl_key_pass {
    int (*get)(void *arg, const char *file, char *pass, size_t size);
    void *arg; /* the caller's; must live as long as the options */
};

/* The callbacks of handshakes. They are called by whichever thread is at the handshake, several at
 * once for several connections, with signals blocked; they must not use that connection, nor wait
 * for long. What is behind arg must live as long as the options and the connections made with them.
 */
struct ssl_config;
struct ssl_peer_chain;

/* SSL_OPT_SNI_CALLBACK: a client has asked for host (a valid host name, lower or upper case as it
 * came). Returns 0 to go on: with *config, which is NULL before, if it has set that to one sealed
 * for SSL_SERVER, in place of the server's own; it must exist until the function has returned, the
 * library takes a reference. Any other number: the name is refused (unrecognized_name). Not called
 * for clients that name no host. The listener's handshake timeout and SSL_OPT_EOF stay. */
struct ssl_sni {
    int (*pick)(void *arg, const char *host, struct ssl_config **config);
    void *arg;
};

/* SSL_OPT_CERT_CALLBACK: after the library's own verdict, also under SSL_VERIFY_NONE; not for
 * connections that are resumed or authenticated by a key. Returns SSL_CERT_KEEP: as the verdict is;
 * SSL_CERT_ACCEPT: accepted even where the verdict is against it, which is then all the
 * verification there is; the number of an alert, 1 to 255: refused by that one; anything else:
 * refused (certificate_unknown). All but SSL_CERT_ACCEPT make nothing weaker. */
struct ssl_cert_check {
    int (*check)(void *arg, const struct ssl_peer_chain *chain);
    void *arg;
};
struct ssl_peer_chain {
    int role;         /* ours: SSL_CLIENT, SSL_SERVER */
    const char *name; /* SSL_OPT_NAME of this connection; "" none */
    int alert;        /* 0: all well so far; else the alert that it will be refused by, */
    const char *why;  /* and a sentence; "" */
    size_t n;         /* certificates as the peer sent them, its own first; DER */
    const struct ssl_der {
        const void *p;
        size_t n;
    } * certs; /* valid until the function returns */
};
#define SSL_CERT_KEEP   0
#define SSL_CERT_ACCEPT 0x5353

/* SSL_OPT_TRACE_CALLBACK: lines of printable text without newline, never with a secret. Called by
 * any thread, at any point of any call: must not call the library. */
struct ssl_trace {
    void (*line)(void *arg, int kind, const char *line); /* kind: one of SSL_TRACE_... */
    void *arg;
    int kinds; /* SSL_TRACE_..., or-ed: which lines are wanted */
};
#define SSL_TRACE_ERROR     1  /* something of ours failed */
#define SSL_TRACE_INFO      2  /* what becomes of a connection */
#define SSL_TRACE_HANDSHAKE 4  /* each handshake message */
#define SSL_TRACE_CRYPTO    8  /* what keys are made and used */
#define SSL_TRACE_CORE      16 /* memory */
#define SSL_TRACE_ALL       31

/* Roles for ssl_attach() */
#define SSL_CLIENT 0
#define SSL_SERVER 1

/* ---- sockets ---- */

/* socket(2) for TLS: type must be SOCK_STREAM, with or without SOCK_CLOEXEC and SOCK_NONBLOCK (else
 * EPROTOTYPE). protocol may be IPPROTO_TLS of <sleeve/in_tls.h> as well. */
int ssl_socket(int domain, int type, int protocol);
/* What socket() is in <sleeve/posix.h>: ssl_socket() for SOCK_STREAM of AF_INET and AF_INET6 and
 * for IPPROTO_TLS, else the kernel's. */
int ssl_posix_socket(int domain, int type, int protocol);
/* bind(2), listen(2): unchanged. */
int ssl_bind(int fd, const struct sockaddr *addr, socklen_t len);
int ssl_listen(int fd, int backlog);
/* connect(2) and the handshake (RFC 8446 section 2). 0: the peer is who SSL_OPT_NAME says, or has
 * the key.
 * Errors before the network is touched: EACCES neither SSL_OPT_NAME nor SSL_OPT_PSK; EINVAL,
 * ENOENT, ENOKEY for options. On any later failure the socket is shut down, so that a program which
 * overlooks the result cannot write plaintext.
 * Non-blocking, or SO_SNDTIMEO passed: EINPROGRESS; the next ssl_connect() goes on: 0 done,
 * EALREADY not yet (ssl_poll() for POLLOUT says when), then EISCONN. EINTR: a signal handler
 * without SA_RESTART ran; likewise call again.
 * Where a session permits early data (SSL_OPT_EARLY_DATA), 0 means that TCP is connected; the
 * handshake begins with the first call that sends or receives, and may fail there. */
int ssl_connect(int fd, const struct sockaddr *addr, socklen_t len);
/* accept(2). The new fd is a TLS server with the listener's options. The handshake takes place at
 * its first read, write or ssl_handshake(), so a slow peer does not hold up the accepting loop and
 * a server that forks may do it in the child. ENOENT, EINVAL, ENOKEY: the options are wrong;
 * nothing was accepted. */
int ssl_accept(int fd, struct sockaddr *addr, socklen_t *len);
/* accept4(2): the same; flags: SOCK_CLOEXEC, SOCK_NONBLOCK. */
int ssl_accept4(int fd, struct sockaddr *addr, socklen_t *len, int flags);
/* Makes a connected stream socket (from a plain connect(), accept(), inetd, socketpair()) a TLS
 * connection with the options set on it. Sends nothing: the handshake takes place as after
 * ssl_accept(). EISCONN: it is one already. */
int ssl_attach(int fd, int role);
/* Does the handshake now. 0 done (also when it was done before). EAGAIN: non-blocking, not yet. */
int ssl_handshake(int fd);
/* A client connection in one call: resolves host, tries its addresses in order until one accepts,
 * does the handshake with `host` as the name to verify. service: a name or a port number. Returns
 * the fd (close-on-exec); -1: errno of the last attempt, EADDRNOTAVAIL when the name does not
 * resolve, ssl_error(-1) has the sentence. */
int ssl_dial(const char *host, const char *service);
/* A server's listening socket in one call, with the options of SSL_DEFAULTS: resolves host, binds
 * the first of its addresses that is this machine's (SO_REUSEADDR), listens. host NULL: all
 * addresses, IPv6 and IPv4. service: a name or a port number, "0" for a free one. Returns the fd
 * (close-on-exec); -1: errno, EADDRNOTAVAIL when the name does not resolve, ssl_error(-1) has the
 * sentence. */
int ssl_serve(const char *host, const char *service, int backlog);
/* Ends TLS on a connection that goes on in clear: says close_notify, waits for the peer's, and the
 * fd is a plain one, at the byte behind the peer's close_notify. Who sits on the network can read
 * and change all that follows. EAGAIN (O_NONBLOCK, SO_RCVTIMEO), EINTR: call it again. EBUSY: the
 * peer has sent data that is to be read first; or bytes in clear came with its close_notify and a
 * read has swallowed them, so that the connection is of no more use; or there is another fd of
 * ssl_dup(). ECONNRESET: the peer ended without close_notify. EPIPE: after ssl_shutdown(SHUT_WR).
 * ENOTCONN. From the first call on writing fails with EPIPE. */
int ssl_detach(int fd);
/* shutdown(2). SHUT_WR: close_notify, then the socket's write side; reading goes on. */
int ssl_shutdown(int fd, int how);
/* close(2). At a connection's last fd close_notify is sent; data that the kernel had no room for
 * may hold it up for 2 seconds or the time of SO_LINGER (0 seconds: cut off at once, as usual). */
int ssl_close(int fd);
/* dup(2), dup2(2), dup3(2): both fds are the same connection, or become it together; ssl_close() of
 * the last one says close_notify. What newfd was is closed as by ssl_close(). */
int ssl_dup(int fd);
int ssl_dup2(int fd, int newfd);
int ssl_dup3(int fd, int newfd, int flags);
/* fcntl(2): F_DUPFD and F_DUPFD_CLOEXEC duplicate as ssl_dup(), all else is the kernel's. */
int ssl_fcntl(int fd, int cmd, ...);
/* ioctl(2): FIONREAD counts plaintext (what has arrived, from 64 KiB on perhaps less), SIOCATMARK
 * gives 0, all else is the kernel's. */
int ssl_ioctl(int fd, unsigned long request, ...);

/* ---- data ---- */

/* read(2), write(2), recv(2), send(2) on plaintext. 0 from reading means close_notify: the peer has
 * said all it wanted to say. flags: MSG_PEEK, MSG_WAITALL, MSG_DONTWAIT, MSG_NOSIGNAL, MSG_MORE. A
 * write that was interrupted or timed out returns what it has taken; that much will be sent, by
 * whatever call on the fd comes next. */
ssize_t ssl_read(int fd, void *buf, size_t n);
ssize_t ssl_write(int fd, const void *buf, size_t n);
ssize_t ssl_recv(int fd, void *buf, size_t n, int flags);
ssize_t ssl_send(int fd, const void *buf, size_t n, int flags);
/* readv(2), writev(2). */
ssize_t ssl_readv(int fd, const struct iovec *iov, int n);
ssize_t ssl_writev(int fd, const struct iovec *iov, int n);
/* recvfrom(2), sendto(2), recvmsg(2), sendmsg(2) as on a connected TCP socket: no sender's address
 * (length 0), the receiver's is not looked at, no control messages come. To send one of level
 * SOL_SOCKET fails with EOPNOTSUPP: SCM_RIGHTS does not travel over TLS; and on a plain socket a
 * TLS fd cannot be passed (EACCES). MSG_TRUNC throws away. MSG_OOB: EINVAL to receive, as nothing
 * urgent is ever there, EOPNOTSUPP to send. MSG_ERRQUEUE is the kernel's. */
ssize_t ssl_recvfrom(int fd, void *buf, size_t n, int flags, struct sockaddr *addr, socklen_t *len);
ssize_t ssl_sendto(int fd, const void *buf, size_t n, int flags, const struct sockaddr *addr,
                   socklen_t len);
ssize_t ssl_recvmsg(int fd, struct msghdr *m, int flags);
ssize_t ssl_sendmsg(int fd, const struct msghdr *m, int flags);
/* sendfile(2) from a file to TLS: from *offset on, which moves by exactly what was sent, or (NULL)
 * from the file's position, which then moves. At most 0x7ffff000 bytes; less at the end of the file
 * or when a non-blocking socket is full. */
ssize_t ssl_sendfile(int out, int in, off_t *offset, size_t n);
/* fdopen(3): a stream whose fileno() is fd; fclose() is ssl_close(). A TLS fd must not be given to
 * fdopen() itself. */
FILE *ssl_fdopen(int fd, const char *mode);
/* poll(2) in terms of plaintext: POLLIN when reading would give data, the end or an error (never
 * for a record that carries none), POLLOUT when a write would take something. Non-blocking programs
 * need it: poll() sees neither what has been decrypted already nor a handshake. Plain fds may be
 * among them. */
int ssl_poll(struct pollfd *fds, nfds_t n, int timeout_ms);
/* ppoll(2), select(2), pselect(2), likewise. select leaves in *timeout what is left of it, as on
 * Linux. nfds may be more than FD_SETSIZE if the sets are as long. */
int ssl_ppoll(struct pollfd *fds, nfds_t n, const struct timespec *timeout, const sigset_t *mask);
int ssl_select(int nfds, fd_set *r, fd_set *w, fd_set *e, struct timeval *timeout);
int ssl_pselect(int nfds, fd_set *r, fd_set *w, fd_set *e, const struct timespec *timeout,
                const sigset_t *mask);

/* ---- options and facts ---- */

int ssl_setsockopt(int fd, int level, int name, const void *value, socklen_t len);
/* Strings come with their NUL. *len: room in, length out (value NULL: length only); ERANGE: too
 * small. SOL_SOCKET's SO_ERROR of a TLS connection that failed is its errno. */
int ssl_getsockopt(int fd, int level, int name, void *value, socklen_t *len);

/* ---- configurations ----
 * Options apart from any fd: set once, sealed, then shared by any number of fds and threads. After
 * sealing nothing of it changes but what is read from files, which are looked at as above. It is
 * reference-counted: fds hold what they need of it, so it may be freed while they are in use. */

/* A reference to one with the library's defaults (SSL_DEFAULTS are another matter), to be sealed by
 * the same thread. NULL: ENOMEM. */
struct ssl_config *ssl_config_new(void);
/* ssl_setsockopt() with SOL_SSL, of all options but SSL_OPT_TRACE_CALLBACK. 0; EBUSY: it is
 * sealed. */
int ssl_config_set(struct ssl_config *c, int name, const void *value, socklen_t len);
/* A new one with what a file (or a directory of *.conf) of the form of sleeve.conf(5) says: of
 * section, "config NAME" or "rule APP LABEL", and what that inherits; NULL: of [defaults] alone.
 * It may be set further, then sealed. NULL: the file is missing (ENOENT), may be changed by others
 * or cannot be read (EACCES, ...), is wrong or has no such section (EINVAL); ssl_error(-1) has
 * file, line and reason. */
struct ssl_config *ssl_config_load(const char *path, const char *section);
/* Reads the files and checks that all fits together, for this role: SSL_CLIENT, SSL_SERVER; one
 * after the other for both. 0, or errno as of ssl_connect() and ssl_accept(); then it can be set
 * and sealed again. */
int ssl_config_seal(struct ssl_config *c, int role);
struct ssl_config *ssl_config_ref(struct ssl_config *c); /* one more reference: c */
void ssl_config_free(struct ssl_config *c);              /* gives one back; NULL is fine */
/* The options of fd (or SSL_DEFAULTS) are those of c from here on. What is set on the fd
 * afterwards is its own: SSL_OPT_NAME, SSL_OPT_SNI, SSL_OPT_HANDSHAKE_TIMEOUT and SSL_OPT_EOF leave
 * the rest shared. 0; EINVAL: c is not sealed; EISCONN: too late. */
int ssl_use_config(int fd, struct ssl_config *c);

/* What went wrong with this connection: a sentence, the alert, and the message that was waited for;
 * with an fd without one, why its changed files are not in use, as long as that is so; else, and
 * with fd -1, what went wrong in this thread's last failed call. "" when nothing did. This thread's
 * memory, valid until its next ssl_error(). */
const char *ssl_error(int fd);

struct ssl_info {
    int role;              /* SSL_CLIENT, SSL_SERVER */
    int connected;         /* 1: the handshake is complete and nothing has failed */
    int version;           /* 0x0304; 0 until negotiated */
    char version_name[16]; /* "TLSv1.3"; strings are "" until known */
    char suite[48];
    char group[48];
    char signature[48];      /* scheme the server signed with */
    char alpn[256];          /* protocol agreed on; "" none */
    char sni[256];           /* client: sent; server: received */
    char verified_name[256]; /* the name the peer's certificate was checked for; "" none was */
    char psk[256];           /* identity of the key that authenticates both; a server's: also when
                                resumed; "" none */
    char peer_subject[256]; /* of the peer's certificate, "CN=a.example, O=Example", cut where it */
    char peer_issuer[256];  /* is longer; "" there is none */
    int64_t peer_not_before; /* its dates, seconds since 1970 UTC; 0: there is none */
    int64_t peer_not_after;
    int peer_certificates; /* how many of them SSL_OPT_PEER_CHAIN gives */
    int resumed;
    int early;            /* SSL_EARLY_... */
    uint64_t early_bytes; /* so many of the first bytes were early: a server received them, a client
                             sent them and they were not refused */
    int client_auth;      /* server: 1 when the client proved a certificate */
    uint64_t bytes_sent, bytes_received; /* plaintext */
    /* RFC 8446 section 6: the alert that ended it; -1 and "": none */
    int alert_sent, alert_received;
    char alert_sent_name[40], alert_received_name[40]; /* "unknown_ca" */
    /* The message that a handshake waits for, or waited for when it failed: "ServerHello"; behind
     * it "data" */
    char where[48];
};
/* 0; ENOTCONN: not a TLS connection. */
int ssl_info(int fd, struct ssl_info *info);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
#endif
