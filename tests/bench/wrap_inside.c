/* SPDX-License-Identifier: ISC */
/* What a client with libssl inside does at its start, before a program's main(): WRAP_CA is a file,
 * or not set: those of the machine. */
#include <openssl/ssl.h>
#include <stdlib.h>
#include <unistd.h>

__attribute__((constructor)) static void start(void)
{
    SSL_CTX *c = SSL_CTX_new(TLS_client_method());
    const char *ca = getenv("WRAP_CA");

    if (!c || (ca ? SSL_CTX_load_verify_file(c, ca) : SSL_CTX_set_default_verify_paths(c)) != 1) {
        _exit(1);
    }
    SSL_CTX_set_verify(c, SSL_VERIFY_PEER, NULL);
}
