/* SPDX-License-Identifier: ISC */
/* `sleeve inspect FILE` with a file of any kind, as a server's and as a client's: it ends with one
 * of its exit codes, the same for both unless something is wrong, and what it writes is printable.
 */
#include <getopt.h>
#include <sys/mman.h>
#include <unistd.h>

#include "preload/launcher/inspect.h"
#include "tests/fuzz/keyfile.h"
#include "tests/fuzz/party.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int passphrase;

static int file_of(const void *data, size_t size)
{
    int fd = memfd_create("file", MFD_CLOEXEC);

    sure(fd >= 0 && (size == 0 || write(fd, data, size) == (ssize_t)size));
    return fd;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    static struct party self;
    char path[64];

    (void)argc;
    (void)argv;
    party_make(&self, 1);
    snprintf(path, sizeof path, "/proc/self/fd/%d", file_of(buf_data(&self.ca), buf_len(&self.ca)));
    /* Not all that the machine trusts, each time. */
    sure(setenv("SSL_CERT_FILE", path, 1) == 0 && unsetenv("SSL_CERT_DIR") == 0);
    passphrase = file_of("pass\n", 5);
    stderr = fopen("/dev/null", "w");
    return stderr ? 0 : -1;
}

static void check_printable(const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++) { /* lines are drawn with UTF-8 */
        sure(text[i] == '\n' || ((unsigned char)text[i] >= ' ' && text[i] != 127));
    }
}

static int inspect(const char *path, bool client)
{
    char pass[64], *shown = NULL,
                   *argv[] = { (char[]){ "inspect" },
                               (char[]){ "--at" },
                               (char[]){ "2025-06-15" },
                               (char[]){ "--passphrase" },
                               pass,
                               (char *)(uintptr_t)path,
                               (char[]){ "--client" },
                               NULL };
    size_t n = 0;
    int rc;

    snprintf(pass, sizeof pass, "/proc/self/fd/%d", passphrase);
    stdout = open_memstream(&shown, &n);
    sure(stdout != NULL);
    optind = 0;
    rc = cmd_inspect(client ? 7 : 6, argv);
    sure(fclose(stdout) == 0 && rc >= 0 && rc <= EXIT_UNREAD);
    check_printable(shown, n);
    free(shown);
    return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct span file = span_of(data, size);
    char path[64];
    int fd;

    sure(crypto_init() == 0);
    if (size > 16384 || takes_long(file) || pem_takes_long(file)) {
        return 0;
    }
    fd = file_of(data, size);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    sure((inspect(path, false) == EXIT_UNREAD) == (inspect(path, true) == EXIT_UNREAD));
    sure(close(fd) == 0);
    return 0;
}
