/* SPDX-License-Identifier: ISC */
/* The policy: which connections of this program get TLS, and how. Read once, before main, from
 * SLEEVE_CONFIG (a file, or a directory of *.conf), else ~/.config/sleeve/sleeve.conf and
 * /etc/sleeve/sleeve.conf, behind the one-liners of SLEEVE_RULES. Shared by the preload library and
 * the launcher, so that `sleeve run`, `check` and `explain` decide exactly as the library does.
 *
 * Three outcomes: dormant (the program is not listed: no policy, nothing was loaded), listed (rules
 * with sealed configurations; keys have been read), broken (the configuration cannot be used:
 * every connection is refused, so a mistake never means plaintext).
 *
 * A policy is immutable after policy_load(), but for the configurations of its rules: all the
 * questions may be asked from any thread, take no lock, and but for policy_config() allocate
 * nothing. */
#ifndef PRELOAD_RULES_H
#define PRELOAD_RULES_H
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#include "config.h"
#include "preload/starttls.h"

#define POLICY_HOST_MAX 256 /* room for a host name or an address in digits, with its NUL */

enum rule_action {
    RULE_TLS,
    RULE_BYPASS, /* leave the connection as it is */
    RULE_REFUSE, /* connect and accept fail with EACCES */
};
enum plaintext { PLAINTEXT_REFUSE, PLAINTEXT_LOOPBACK, PLAINTEXT_ALLOW };
enum app_tls { APP_TLS_BYPASS, APP_TLS_REFUSE };
enum rule_mode { MODE_INLINE, MODE_RELAY }; /* supervise: refused when the file is read, for now */
enum handoff { HANDOFF_NONE, HANDOFF_RELAY }; /* ktls: likewise; none: a hand-over fails closed */

enum adopt { ADOPT_NONE, ADOPT_STDIO, ADOPT_LISTEN_FDS, ADOPT_ANY };

struct rule {
    const char *app, *label; /* [rule APP LABEL]; a one-liner's label is "-r 1", "-r 2", ... */
    const char *file;        /* where it stands; NULL: SLEEVE_RULES */
    int line;
    const char *match; /* as written */
    enum rule_action action;
    enum tls_role role;
    const char *name;  /* explicit name to verify; NULL: policy_client() chooses */
    const char *sni;   /* explicit SNI; NULL: from the name */
    in_port_t to_port; /* host byte order; 0: the port the program asked for */
    const char *alpn;  /* as written, "" none; the config has it already */
    bool lenient_eof;
    int handshake_timeout_ms; /* as struct conn_params; 0: its default */
    int linger_ms;
    int park_after_ms;        /* 0: never */
    int session_ttl;          /* client: as struct conn_params */
    enum plaintext plaintext; /* server: a client that does not speak TLS */
    enum adopt adopt;         /* server: connections that the program was started with */
    enum app_tls app_tls;     /* client: a program that speaks TLS by itself */
    enum starttls starttls;   /* commands that come before the handshake */
    enum rule_mode mode;
    enum handoff handoff;
    bool unverified;    /* verify = none: to be logged at every start */
    const char *keylog; /* NULL, or the file that the config writes secrets to: to be logged too */
};

struct policy;

/* A program as the rules see it. Any member may be NULL: unknown, matches nothing. */
struct program {
    const char *exe; /* absolute path of the executable, links resolved (/proc/self/exe) */
    const char
        *execfn; /* the file execve() was given: a link's or a script's own name (AT_EXECFN) */
    const char *argv0;
    const char *script; /* what an interpreter runs: its first argument without a leading '-' */
};

/* The environment to read and to remove SLEEVE_HELLO from. A library linked with -z initfirst must
 * hand over the envp of its constructor before anything else here: the C library's own environ is
 * still NULL then (getenv finds nothing). NULL, the default: environ. */
void policy_environment(char **envp);

/* May a rule speak of this process, which was started with argv? false: policy_load() would say 0.
 * Needs none of the engine. */
bool policy_glance(char *const *argv);

/* prog NULL: this process (found out here, at little cost). Returns
 *   0    dormant: *out is NULL. Costs the environment, an open and a scan for [app] lines.
 *   1    listed:  *out has at least the rules of this program.
 *   < 0  broken:  *out is a policy whose policy_broken() is the sentence (also in err, which may be
 *        NULL) and which answers every question with a RULE_REFUSE rule.
 * With AT_SECURE the environment is ignored; SLEEVE_OFF (not empty, not "0") means dormant. */
int policy_load(struct policy **out, const struct program *prog, struct error *err);
void policy_free(struct policy *p); /* NULL is fine */
/* NULL: the policy is in order (or p is NULL); else why it cannot be used. */
const char *policy_broken(const struct policy *p);
/* Where the log goes when SLEEVE_LOG does not say: `log =` as written, or NULL. */
const char *policy_log(const struct policy *p);

/* The rule for a connection to dst. names: what the program resolved to this address, newest first
 * (may be NULL with 0). The first rule that matches wins; NULL: leave the connection untouched.
 * host receives the name to verify: the rule's `name`, else the resolved name that matched, else
 * names[0], else the address in digits. p NULL, or dst not IPv4 or IPv6: NULL. */
const struct rule *policy_client(const struct policy *p, const struct sockaddr *dst, socklen_t len,
                                 const char *const *names, size_t nnames,
                                 char host[static POLICY_HOST_MAX]);
/* The rule for a connection accepted on the local address. */
const struct rule *policy_server(const struct policy *p, const struct sockaddr *local,
                                 socklen_t len);
/* A reference to the sealed configuration of a rule whose action is RULE_TLS; NULL: any other. Once
 * a second at most it looks whether its files have changed, and makes another one when they can be
 * used. say (may be NULL): told once for each change, what became of it. errno is kept. */
typedef void policy_say(const struct rule *rule, bool good, const char *sentence);
struct config *policy_config(const struct rule *rule, policy_say *say);
/* The i-th file or directory that is looked at so; NULL when there is no i-th. `sleeve check`: no
 * other thread may be asking for configurations. */
const char *policy_file(const struct rule *rule, size_t i);
/* Rules of one role at all? So that accept() or connect() can be left alone. Broken: yes to both.
 */
bool policy_has(const struct policy *p, enum tls_role role);
/* The i-th rule in order; NULL when there is no i-th. */
const struct rule *policy_rule(const struct policy *p, size_t i);

/* The sign of life. `sleeve run` puts a pipe into the environment (SLEEVE_HELLO) and kills the
 * program when no good word comes over it. The library's constructor calls this exactly once,
 * after policy_load() and after its own set-up, with policy_load()'s result:
 *   hello_send(1, NULL)        ready, listed
 *   hello_send(0, NULL)        dormant
 *   hello_send(-1, sentence)   broken (policy_broken(), or the library's own reason)
 * Without SLEEVE_HELLO in the environment it does nothing. It closes the pipe and removes the
 * variable, so that no child sees them. errno is kept. Returns 1 when a launcher was told, else 0.
 */
int hello_send(int state, const char *sentence);
#endif
