/* SPDX-License-Identifier: ISC */
/* STARTTLS: the commands by which a protocol that begins in clear changes to TLS. The library says
 * them itself, before the program sees or says a byte. */
#ifndef PRELOAD_STARTTLS_H
#define PRELOAD_STARTTLS_H
#include "config.h"
#include "shim/prelude.h"

enum starttls {
    STARTTLS_NONE,
    STARTTLS_SMTP,  /* RFC 3207 */
    STARTTLS_LMTP,  /* RFC 2033 */
    STARTTLS_IMAP,  /* RFC 9051 section 6.2.1 */
    STARTTLS_POP3,  /* RFC 2595 section 4 */
    STARTTLS_NNTP,  /* RFC 4642 */
    STARTTLS_FTP,   /* RFC 4217; the control connection */
    STARTTLS_SIEVE, /* RFC 5804 section 2.2 */
    STARTTLS_IRC,   /* IRCv3's tls extension */
    STARTTLS_XMPP,  /* RFC 6120 section 5 */
    STARTTLS_LDAP,  /* RFC 4511 section 4.14 */
    STARTTLS_PGSQL, /* SSLRequest of PostgreSQL's protocol 3.0 */
    STARTTLS_COUNT
};

bool starttls_serves(enum starttls which); /* is there a server's side? */
/* host: of the server, for the greeting or the stream; NULL: "localhost". NULL: no memory. */
struct prelude *starttls_new(enum starttls which, enum tls_role role, const char *host);
#endif
