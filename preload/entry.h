/* SPDX-License-Identifier: ISC */
/* Two libraries. libsleeve-preload.so is in every program that is started under Sleeve, and for
 * those that no rule names has to cost next to nothing: it is a table of addresses, one for each
 * call that may be taken over, which are the C library's. Only in a program that may be listed it
 * loads libsleeve-wrap.so (the wrappers, the engine, libcrypto), and puts that one's functions into
 * the table. */
#ifndef PRELOAD_ENTRY_H
#define PRELOAD_ENTRY_H

#define WRAP_LIBRARY "libsleeve-wrap.so"
#define WRAP_START   "sleeve_wrap_start"
#define WRAP_ABI     SLEEVE_VERSION /* both libraries are of one build */

struct wrap_args {
    const char *version;
    int argc;
    char **argv, **envp;
    void *(*find)(const char *name); /* the C library's function of that name */
    void **door;                     /* what each name leads to, in the order of calls.def */
};
/* Does what there is to do before main. Puts the wrappers into the table unless the program is not
 * listed after all. 0, or -1: the libraries do not fit together. */
typedef int wrap_start_fn(const struct wrap_args *e);
#endif
