/* SPDX-License-Identifier: ISC */
/* sleeve: picks the command. */
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include "preload/launcher/launcher.h"

static const struct command {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *what;
} commands[] = {
    { "run", cmd_run, "run a program with TLS under its sockets" },
    { "audit", cmd_audit,
      "the same, with a tripwire for bytes without TLS, and a table of sessions" },
    { "check", cmd_check, "look a configuration over: syntax, files, keys, dates" },
    { "explain", cmd_explain, "which rule decides about a connection, and why" },
    { "scan", cmd_scan, "can a program be wrapped, and which of its calls are taken over" },
    { "connect", cmd_connect, "a handshake with a server: what was negotiated, who it is" },
    { "inspect", cmd_inspect, "what certificates, CRLs and keys are, and what is wrong with them" },
    { "keygen", cmd_keygen, "make a private CA, and certificates for servers and clients" },
};
#define NCOMMANDS (sizeof commands / sizeof *commands)

static int usage(FILE *f, int code)
{
    fputs("usage: sleeve COMMAND [ARGUMENT ...]\n\n", f);
    for (size_t i = 0; i < NCOMMANDS; i++) {
        fprintf(f, "    %-9s %s\n", commands[i].name, commands[i].what);
    }
    fputs("\n'sleeve COMMAND --help' says more; so do sleeve(1) and sleeve.conf(5).\n", f);
    return code;
}

/* What a full disk or a closed pipe took away is an error too. */
static int finish(int code)
{
    if (fflush(stdout) != 0 || ferror(stdout)) {
        fputs("sleeve: cannot write to standard output\n", stderr);
        return code ? code : EXIT_BAD;
    }
    return code;
}

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "";

    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0) {
        return finish(usage(stdout, EXIT_FINE));
    }
    if (strcmp(name, "--version") == 0) {
        puts("sleeve " SLEEVE_VERSION);
        return finish(EXIT_FINE);
    }
    for (size_t i = 0; i < NCOMMANDS; i++) {
        if (strcmp(name, commands[i].name) == 0) {
            return finish(commands[i].run(argc - 1, argv + 1));
        }
    }
    if (*name) {
        fprintf(stderr, "sleeve: there is no command '%s'\n", name);
    }
    return usage(stderr, EXIT_BAD);
}
