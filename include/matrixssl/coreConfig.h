/* SPDX-License-Identifier: ISC */
/* Build options of the core. One that is on is left off by commenting it out here or by
 * -DOPTION=0; one that is off is switched on by -DOPTION. Library and application are built with
 * the same ones. */
#ifndef MATRIXSSL_CORECONFIG_H
#define MATRIXSSL_CORECONFIG_H
#include <stdint.h>

#include "profileConfig.h"
#include "traceConfig.h"

/* Loaders that take file names (matrixSslLoadRsaKeys and its like). Default: on. */
#ifndef PS_USE_FILE_SYSTEM
#define PS_USE_FILE_SYSTEM 1
#elif PS_USE_FILE_SYSTEM == 0
#undef PS_USE_FILE_SYSTEM
#endif
#if defined(PS_USE_FILE_SYSTEM) && !defined(MATRIX_USE_FILE_SYSTEM)
#define MATRIX_USE_FILE_SYSTEM
#endif

/* Shared tables are locked: sessions of several threads may share keys and the session cache; one
 * session is used by one thread at a time. Off: one thread at a time is in the library at all, it
 * has no locks, and takes no early data, since a fork of the process would not be seen. Default:
 * on. */
#ifndef USE_MULTITHREADING
#define USE_MULTITHREADING 1
#elif USE_MULTITHREADING == 0
#undef USE_MULTITHREADING
#endif

/* The numbers of records are integers of 64 bits; off, two words of 32. Default: on. */
#ifndef HAVE_NATIVE_INT64
#define HAVE_NATIVE_INT64 1
#elif HAVE_NATIVE_INT64 == 0
#undef HAVE_NATIVE_INT64
#endif

/* All memory comes out of one fixed arena; when that is full, PS_MEM_FAIL. The guide's name and the
 * later one mean the same. Default: off. */
/* #define USE_PEERSEC_MEMORY_MANAGEMENT */
#if defined(USE_MATRIX_MEMORY_MANAGEMENT) && !defined(USE_PEERSEC_MEMORY_MANAGEMENT)
#define USE_PEERSEC_MEMORY_MANAGEMENT
#elif defined(USE_PEERSEC_MEMORY_MANAGEMENT) && !defined(USE_MATRIX_MEMORY_MANAGEMENT)
#define USE_MATRIX_MEMORY_MANAGEMENT
#endif
/* Bytes of that arena. libcrypto itself keeps about 0.5 MB, a session under way 0.1 MB more. */
#ifndef MATRIXSSL_ARENA_SIZE
#define MATRIXSSL_ARENA_SIZE (4 * 1024 * 1024)
#endif

/* _psError() and a failed psAssert() stop the program in the debugger. Default: off. */
/* #define HALT_ON_PS_ERROR */

#endif
