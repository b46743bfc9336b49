/* SPDX-License-Identifier: ISC */
/* What struct ssl_config is inside. */
#ifndef SHIM_SSL_CONFIG_H
#define SHIM_SSL_CONFIG_H
#include "shim/ssl_options.h"

struct ssl_config {
    _Atomic unsigned refs;
    struct options options; /* .set.roles: for whom it is sealed; 0: for nobody yet */
};
#endif
