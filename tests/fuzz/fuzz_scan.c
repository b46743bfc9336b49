/* SPDX-License-Identifier: ISC */
/* A program that `sleeve run` and `sleeve scan` look at before anything of it is run: ELF, or a
 * script whose first line leads elsewhere. It is refused with a reason, or known by name. */
#include <getopt.h>
#include <sys/mman.h>
#include <unistd.h>

#include "preload/launcher/scan.h"
#include "tests/fuzz/party.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    stdout = stderr = fopen("/dev/null", "w");
    return stdout ? 0 : -1;
}

static void is_text(const char *s, const char *room, size_t size)
{
    sure(!s || (s >= room && s < room + size && memchr(s, '\0', size - (size_t)(s - room))));
}

static int look(const char *path)
{
    static struct look l;
    char *argv[] = { (char *)(uintptr_t)path, NULL };
    int rc = look_at(&l, argv);

    sure((rc == 0) == (l.why[0] == '\0') && memchr(l.why, '\0', sizeof l.why));
    sure(l.skip >= 0 && l.skip <= SCRIPT_DEPTH);
    if (rc == 0) {
        sure(l.prog.exe && l.exe[0] == '/');
        is_text(l.prog.exe, l.exe, sizeof l.exe);
        is_text(l.prog.execfn, l.execfn, sizeof l.execfn);
        is_text(l.prog.argv0, l.argv0, sizeof l.argv0);
        is_text(l.prog.script, l.script, sizeof l.script);
    }
    return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int fd = memfd_create("program", MFD_CLOEXEC), rc;
    char path[64], command[] = "scan";
    char *argv[] = { command, path, NULL };

    sure(fd >= 0 && (size == 0 || write(fd, data, size) == (ssize_t)size));
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    rc = look(path);
    optind = 0;
    sure(cmd_scan(2, argv) == EXIT_BAD || rc == 0);
    sure(close(fd) == 0);
    return 0;
}
