/* SPDX-License-Identifier: ISC */
/* sleeve audit: runs a program with the tripwire (preload/audit.h), waits for it and for all that
 * it started, says at once when a byte has left without TLS, and shows at the end what connections
 * there were. */
#include "preload/audit.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "preload/launcher/audit_table.h"
#include "preload/launcher/launcher.h"

#define USAGE "sleeve audit " START_USAGE

struct audit {
    char key[AUDIT_KEY + 1];
    int ear, signals; /* the listener's socket; a signalfd */
    pid_t child;
    bool over; /* the child has ended: */
    int status;
    bool stopped; /* by a signal, while others still ran */
    struct table table;
};

static int help(void)
{
    puts("usage: " USAGE "\n\n"
         "As 'sleeve run', with a tripwire in COMMAND and in all that it starts: after every call\n"
         "TCP is asked how many bytes it was given. One that went past the library is reported at\n"
         "once. Waits until all processes have ended, or for Ctrl-C once COMMAND has; then shows\n"
         "a table of the sessions, on standard error.\n\n" START_HELP
         "Exit: as COMMAND; but 1 instead of 0 when bytes left without TLS, or could not be\n"
         "counted; else as 'sleeve run'.\n\n"
         "  sleeve audit -r 'client * *:6380 ca=/etc/pki/ca.pem' -- redis-cli -h cache -p 6380");
    return EXIT_FINE;
}

/* ---- setting up ---- */

static int make_key(char key[static AUDIT_KEY + 1])
{
    unsigned char random[AUDIT_KEY / 2];

    if (getrandom(random, sizeof random, 0) != sizeof random) {
        return -1;
    }
    for (size_t i = 0; i < sizeof random; i++) {
        (void)snprintf(key + 2 * i, 3, "%02x", random[i]);
    }
    return 0;
}

static int open_ear(const char *key)
{
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    struct sockaddr_un at;
    socklen_t len;

    audit_address(key, &at, &len);
    if (fd >= 0 && bind(fd, (struct sockaddr *)&at, len) != 0) {
        close(fd);
        fd = -1;
    }
    return fd;
}

static void child(const struct audit *a, const struct start *s)
{
    int rc;

    close(a->ear);
    close(a->signals);
    rc = setenv("SLEEVE_AUDIT", a->key, 1) == 0 ? start_program(s) : EXIT_REFUSED;
    fflush(NULL);
    _exit(rc);
}

static int begin(struct audit *a, const struct start *s)
{
    sigset_t ours, before;

    sigemptyset(&ours);
    sigaddset(&ours, SIGCHLD);
    sigaddset(&ours, SIGHUP);
    sigaddset(&ours, SIGINT);
    sigaddset(&ours, SIGQUIT);
    sigaddset(&ours, SIGTERM);
    sigprocmask(SIG_BLOCK, &ours, &before);
    a->signals = signalfd(-1, &ours, SFD_CLOEXEC | SFD_NONBLOCK);
    a->ear = make_key(a->key) == 0 ? open_ear(a->key) : -1;
    /* Whoever loses its parent becomes our child: so we know when the last one ends. */
    if (a->signals < 0 || a->ear < 0 || prctl(PR_SET_CHILD_SUBREAPER, 1) != 0) {
        return -1;
    }
    fflush(NULL);
    a->child = fork();
    if (a->child == 0) {
        sigprocmask(SIG_SETMASK, &before, NULL);
        child(a, s);
    }
    return a->child < 0 ? -1 : 0;
}

/* ---- listening ---- */

static void hear(struct audit *a)
{
    char line[8192];
    ssize_t n;

    while ((n = recv(a->ear, line, sizeof line - 1, 0)) >= 0 || errno == EINTR) {
        if (n > AUDIT_KEY && memcmp(line, a->key, AUDIT_KEY) == 0) {
            line[n] = '\0';
            table_line(&a->table, line + AUDIT_KEY);
        }
    }
}

/* False: nobody is left. */
static bool bury(struct audit *a)
{
    int status;
    pid_t pid;

    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        if (pid == a->child) {
            a->over = true;
            a->status = status;
        }
    }
    return pid == 0;
}

/* What a terminal sends, it has sent to the program, too. */
static void pass_on(struct audit *a, const struct signalfd_siginfo *i)
{
    if (i->ssi_signo == SIGCHLD) {
        return;
    }
    if (a->over) {
        a->stopped = true;
    } else if (i->ssi_code != SI_KERNEL) {
        (void)kill(a->child, (int)i->ssi_signo);
    }
}

static void wait_for_all(struct audit *a)
{
    struct pollfd p[] = { { .fd = a->ear, .events = POLLIN },
                          { .fd = a->signals, .events = POLLIN } };
    struct signalfd_siginfo i;
    bool told = false;

    while (bury(a) && !a->stopped) {
        if (a->over && !told && isatty(STDERR_FILENO)) {
            told = true;
            (void)say(0, "audit", "waits for what the program has left; Ctrl-C ends the audit");
        }
        (void)poll(p, 2, -1);
        hear(a);
        while (read(a->signals, &i, sizeof i) == sizeof i) {
            pass_on(a, &i);
        }
    }
    hear(a);
}

int cmd_audit(int argc, char **argv)
{
    struct audit a = { .ear = -1, .signals = -1 };
    struct start s = { .rules = NULL };
    int rc = start_options(&s, argc, argv, USAGE, help);

    if (rc != START_GO) {
        free(s.rules);
        return rc;
    }
    if (begin(&a, &s) != 0) {
        rc = say(EXIT_REFUSED, "audit", "cannot watch over the program: %s", strerror(errno));
    } else {
        wait_for_all(&a);
        rc = WIFEXITED(a.status) ? WEXITSTATUS(a.status) : 128 + WTERMSIG(a.status);
        if (rc != EXIT_CANNOT && rc != EXIT_NOT_FOUND) {
            table_show(&a.table, stderr);
        }
        rc = table_clean(&a.table) || rc != 0 ? rc : EXIT_BAD;
    }
    table_free(&a.table);
    free(s.rules);
    return rc;
}
