/* SPDX-License-Identifier: ISC */
/* Builds without private keys in files, or without PKCS#12: what says so in place of them. */
#include "base/options.h"

#include "crypto/crypto.h"

#ifndef USE_PRIVATE_KEY_PARSING
int privkey_load(struct privkey **out, struct span bytes, const char *passphrase, struct error *err)
{
    (void)bytes, (void)passphrase;
    *out = NULL;
    return FAIL(err, ERR_UNSUPPORTED, "private keys are not compiled in");
}
#endif

#ifndef USE_PKCS12
int pkcs12_load(struct span bytes, const char *pass, struct buf *key, struct buf *certs,
                struct error *err)
{
    (void)bytes, (void)pass, (void)key, (void)certs;
    return FAIL(err, ERR_UNSUPPORTED, "PKCS#12 files are not compiled in");
}
#endif
