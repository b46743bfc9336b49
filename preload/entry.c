/* SPDX-License-Identifier: ISC */
/* What a program calls when it calls one of the functions that are taken over: a jump through a
 * table. It neither touches the stack nor any register that carries arguments, so it fits every
 * function, vfork() too, whose caller's frame must survive. */
#include "preload/entry.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "preload/rules_parts.h"

/* The names, one behind the other: pointers to them would have to be relocated in each program. */
static const char names[] =
#define CALL(name) #name "\0"
#include "preload/calls.def"
#undef CALL
    ;
enum {
#define CALL(name) DOOR_##name,
#include "preload/calls.def"
#undef CALL
    DOORS
};
extern void *sleeve_door[DOORS] __attribute__((visibility("hidden")));
void *sleeve_door[DOORS];
void sleeve_door_fill(void) __attribute__((visibility("hidden")));

/* A door that is still shut: this is before our constructor, in somebody's preinit function. */
#if defined(__x86_64__)
__asm__(".text\n"
        ".set door, 0\n"
        ".macro sleeve_call name\n"
        ".balign 16\n"
        ".globl \\name\n"
        ".type \\name, @function\n"
        "\\name:\n"
        "0:\n"
#ifdef __CET__
        "endbr64\n"
#endif
        "mov sleeve_door+door(%rip), %r11\n"
        "test %r11, %r11\n"
        "jz 1f\n"
        "jmp *%r11\n"
        "1: lea 0b(%rip), %r11\n"
        "jmp sleeve_door_shut\n"
        ".size \\name, .-\\name\n"
        ".set door, door + 8\n"
        ".endm\n"
        ".type sleeve_door_shut, @function\n"
        "sleeve_door_shut:\n"
        "push %rbp\n"
        "mov %rsp, %rbp\n"
        "push %rax\npush %rdi\npush %rsi\npush %rdx\npush %rcx\npush %r8\npush %r9\npush %r11\n"
        "sub $128, %rsp\n"
        "and $-16, %rsp\n"
        "movaps %xmm0, (%rsp)\nmovaps %xmm1, 16(%rsp)\nmovaps %xmm2, 32(%rsp)\n"
        "movaps %xmm3, 48(%rsp)\nmovaps %xmm4, 64(%rsp)\nmovaps %xmm5, 80(%rsp)\n"
        "movaps %xmm6, 96(%rsp)\nmovaps %xmm7, 112(%rsp)\n"
        "call sleeve_door_fill\n"
        "movaps (%rsp), %xmm0\nmovaps 16(%rsp), %xmm1\nmovaps 32(%rsp), %xmm2\n"
        "movaps 48(%rsp), %xmm3\nmovaps 64(%rsp), %xmm4\nmovaps 80(%rsp), %xmm5\n"
        "movaps 96(%rsp), %xmm6\nmovaps 112(%rsp), %xmm7\n"
        "lea -64(%rbp), %rsp\n"
        "pop %r11\npop %r9\npop %r8\npop %rcx\npop %rdx\npop %rsi\npop %rdi\npop %rax\n"
        "pop %rbp\n"
        "jmp *%r11\n"
        ".size sleeve_door_shut, .-sleeve_door_shut\n");
#else
#error "preload/entry.c: how a call jumps through a table is not written for this processor"
#endif

#define CALL(name) __asm__("sleeve_call " #name);
#include "preload/calls.def"
#undef CALL

static void *find(const char *name)
{
    static const char lost[] = "sleeve: the C library has no function ";
    void *p = dlsym(RTLD_NEXT, name);

    if (!p) { /* nothing can be called, not even write() */
        fputs(lost, stderr);
        fputs(name, stderr);
        fputc('\n', stderr);
        abort();
    }
    return p;
}

/* Threads that come here at once store the same values. */
void sleeve_door_fill(void)
{
    const char *name = names;

    for (int i = 0; i < DOORS; i++) {
        __atomic_store_n(&sleeve_door[i], find(name), __ATOMIC_RELEASE);
        name += strlen(name) + 1;
    }
}

/* Beside this one, wherever that is. */
static void *load(void)
{
    Dl_info self;
    char path[4096];
    const char *slash;
    int n;

    if (!dladdr((void *)names, &self) || !(slash = strrchr(self.dli_fname, '/'))) {
        return NULL;
    }
    n = snprintf(path, sizeof path, "%.*s/" WRAP_LIBRARY, (int)(slash - self.dli_fname),
                 self.dli_fname);
    return n > 0 && (size_t)n < sizeof path ? dlopen(path, RTLD_NOW | RTLD_LOCAL) : NULL;
}

/* A listed program cannot have its TLS, so it does not run: the way of the dynamic linker. */
static void give_up(const char *why)
{
    hello_send(-1, why);
    fprintf(stderr, "sleeve: %s\n", why);
    _exit(127);
}

__attribute__((constructor)) static void entry_start(int argc, char **argv, char **envp)
{
    struct wrap_args e = { SLEEVE_VERSION, argc, argv, envp, find, sleeve_door };
    wrap_start_fn *start;
    const char *why;
    void *wrap;

    sleeve_door_fill();
    policy_environment(envp);
    if (!policy_glance(argv)) {
        hello_send(0, NULL);
        return;
    }
    wrap = load();
    *(void **)&start = wrap ? dlsym(wrap, WRAP_START) : NULL;
    if (!start) {
        why = dlerror();
        give_up(why ? why : WRAP_LIBRARY " is not beside libsleeve-preload.so");
    } else if (start(&e) != 0) {
        give_up(WRAP_LIBRARY " is of another version");
    }
}
