/* SPDX-License-Identifier: ISC */
/* Build options of the core: comment one out to leave it off, or pass -D to switch it on. */
#ifndef MATRIXSSL_CORECONFIG_H
#define MATRIXSSL_CORECONFIG_H
#include <stdint.h>

/* Loaders that take file names (matrixSslLoadRsaKeys). Default: on. */
#ifndef PS_USE_FILE_SYSTEM
#define PS_USE_FILE_SYSTEM
#endif
#ifdef PS_USE_FILE_SYSTEM
#ifndef MATRIX_USE_FILE_SYSTEM
#define MATRIX_USE_FILE_SYSTEM
#endif
#endif

/* Sessions of several threads may share keys; one session is used by one thread at a time.
 * Default: on. */
#ifndef USE_MULTITHREADING
#define USE_MULTITHREADING
#endif

/* The platform has a 64-bit integer. Default: on. */
#ifndef HAVE_NATIVE_INT64
#define HAVE_NATIVE_INT64
#endif

/* _psError() and a failed psAssert() stop the program in the debugger. Default: off. */
/* #define HALT_ON_PS_ERROR */

/* The psTraceCore family of an application prints. Default: off. */
/* #define USE_CORE_TRACE */
#endif
