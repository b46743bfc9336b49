#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""<sleeve/posix.h> under all compilers and flags: every call of a source file that includes it, and every
address it takes, is Sleeve's; other names are left alone; what cannot be had is said."""
import os
import re
import shutil
import subprocess
import sys
import tempfile

WAIT = 120
SYSTEM = "".join(f"#include <{h}>\n" for h in (
    "errno.h", "fcntl.h", "netdb.h", "netinet/in.h", "poll.h", "signal.h", "stdio.h", "stdlib.h", "string.h",
    "sys/ioctl.h", "sys/select.h", "sys/sendfile.h", "sys/socket.h", "sys/stat.h", "sys/types.h", "sys/uio.h",
    "sys/un.h", "sys/wait.h", "time.h", "unistd.h"))
OURS = "#include <sleeve/posix.h>\n"
CXX = "".join(f"#include <{h}>\n" for h in ("fstream", "iostream", "string", "thread", "vector"))

# A call of each, and its address. n is not known when it is compiled, so that _FORTIFY_SOURCE has to look.
CALLS = {
    "socket": "socket(n, n, n)", "bind": "bind(n, sa, 16)", "listen": "listen(n, n)",
    "connect": "connect(n, sa, 16)", "accept": "accept(n, sa, &sl)", "accept4": "accept4(n, sa, &sl, 0)",
    "shutdown": "shutdown(n, n)", "close": "close(n)", "read": "read(n, b, (size_t)n)",
    "write": "write(n, b, (size_t)n)", "readv": "readv(n, v, n)", "writev": "writev(n, v, n)",
    "recv": "recv(n, b, (size_t)n, n)", "recvfrom": "recvfrom(n, b, (size_t)n, n, sa, &sl)",
    "recvmsg": "recvmsg(n, &m, n)", "send": "send(n, b, (size_t)n, n)",
    "sendto": "sendto(n, b, (size_t)n, n, sa, 16)", "sendmsg": "sendmsg(n, &m, n)",
    "sendfile": "sendfile(n, n, 0, 9)", "poll": "poll(p, (nfds_t)n, n)", "ppoll": "ppoll(p, (nfds_t)n, ts, 0)",
    "select": "select(n, 0, 0, 0, 0)", "pselect": "pselect(n, 0, 0, 0, ts, 0)", "dup": "dup(n)",
    "dup2": "dup2(n, n)", "dup3": "dup3(n, n, n)",
    "fcntl": "fcntl(n, n, n)", "ioctl": "ioctl(n, (unsigned long)n, n)", "fdopen": "(fdopen(n, \"r\") != 0)",
    "getsockopt": "getsockopt(n, n, n, b, &sl)", "setsockopt": "setsockopt(n, n, n, b, 4)",
}
SYMBOL = {name: "ssl_" + name for name in CALLS} | {"socket": "ssl_posix_socket"}
# Names of the program's own are nobody else's business.
OTHERS = """
struct ops { ssize_t (*read)(int, void *, size_t); int (*close)(int), (*connect)(void); int poll; };
static int nothing(void) { return 0; }
static int call_members(struct ops *o, int n) {
    int write = n, select = write + o->poll;
    return (int)o->read(n, 0, 0) + o->close(select) + o->connect();
}
"""
CLASS = """
struct stream { int fd; int read(int x) { return x + fd; } int close() { return ::close(fd); } };
static int methods(int n) { stream s = { n }; return s.read(n) + s.close(); }
"""


def probe(cxx, before="", ours=OURS):
    lines = [before, ours, SYSTEM, CXX if cxx else "", OTHERS, CLASS if cxx else "",
             "char b[64]; struct iovec v[4]; struct pollfd p[4]; struct msghdr m;\n",
             "volatile long sum; typedef void (*any)(void); volatile any address;\n",
             "int main(int n, char **argv) {\n",
             "    struct sockaddr_storage s; struct sockaddr *sa = (struct sockaddr *)&s; socklen_t sl = sizeof s;\n",
             "    struct ops o = { read, close, nothing, n }; sum += call_members(&o, n); (void)argv;\n",
             "    sum += methods(n);\n" if cxx else ""]
    lines.append("    const struct timespec *ts = 0;\n")
    for name, call in CALLS.items():
        lines += [f"    sum += (long){call};\n", f"    address = (any){name};\n"]
    return "".join([*lines, "    return 0;\n}\n"])


def compile(argv, source, cxx):
    with tempfile.TemporaryDirectory() as tmp:
        src, obj = os.path.join(tmp, "a.cc" if cxx else "a.c"), os.path.join(tmp, "a.o")
        with open(src, "w", encoding="ascii") as f:
            f.write(source)
        done = subprocess.run([*argv, "-Iinclude", "-Wall", "-Wextra", "-c", "-o", obj, src], text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=WAIT, check=False)
        names = set()
        if done.returncode == 0:
            out = subprocess.run(["nm", "-u", obj], stdout=subprocess.PIPE, text=True, timeout=WAIT, check=True)
            names = set(re.findall(r" U (\w+)", out.stdout))
        return done.returncode, done.stdout, names


def plain(names):
    """Symbols by which a call could still reach the kernel."""
    wrong = set()
    for call in CALLS:
        wrong |= names & {call, f"__{call}_chk", f"__{call}_alias", f"{call}64", f"__{call}"}
    return wrong


def test_all_calls(argv, cxx, before="", ours=OURS):
    code, out, names = compile(argv, probe(cxx, before, ours), cxx)
    assert code == 0 and not out, f"exit {code}: {out}"
    assert not plain(names), f"plain: {plain(names)}"
    assert set(SYMBOL.values()) <= names, f"not mapped: {set(SYMBOL.values()) - names}"


def test_too_late(argv, cxx, sentence):
    code, out, _ = compile(argv, probe(cxx, SYSTEM), cxx)
    assert code != 0 and sentence in out and "before the system's headers" in out, out


# What cannot be had: what the sentence ends with.
NOT = {
    "dprintf(n, \"%d\", n)": "fdopen() and fprintf()", "vdprintf(n, \"%d\", ap)": "fdopen() and vfprintf()",
    "syscall(n)": "use the function", "splice(n, 0, n, 0, 9, 0)": "read() and write()",
    "tee(n, n, 9, 0)": "read() and write()", "vmsplice(n, v, 1, 0)": "writev()",
    "sendmmsg(n, 0, 0, 0)": "sendmsg()", "recvmmsg(n, 0, 0, 0, 0)": "recvmsg()",
    "n = (int)preadv2(n, v, 1, -1, 0)": "readv()", "n = (int)pwritev2(n, v, 1, -1, 0)": "writev()",
    "epoll_ctl(n, n, n, 0)": "poll()", "epoll_wait(n, 0, n, n)": "poll()", "epoll_pwait(n, 0, n, n, 0)": "ppoll()",
    "aio_read(&cb)": "read()", "aio_write(&cb)": "write()", "lio_listio(0, list, 1, 0)": "writev()",
    "closefrom(n)": "close()", "close_range(3, 4, 0)": "close()",
    "execl(b, b, (char *)0)": "sleeve(1)", "execle(b, b, (char *)0, argv)": "sleeve(1)",
    "execlp(b, b, (char *)0)": "sleeve(1)", "execv(b, argv)": "sleeve(1)", "execve(b, argv, argv)": "sleeve(1)",
    "execvp(b, argv)": "sleeve(1)", "execvpe(b, argv, argv)": "sleeve(1)", "fexecve(n, argv, argv)": "sleeve(1)",
    "execveat(n, b, argv, argv, 0)": "sleeve(1)", "posix_spawn(0, b, 0, 0, argv, argv)": "sleeve(1)",
    "posix_spawnp(0, b, 0, 0, argv, argv)": "sleeve(1)",
}
NOT_C = {"io_uring_queue_init(8, 0, 0)": "use poll()"}


def test_warned(argv, cxx):
    calls = NOT if cxx else NOT | NOT_C
    if argv[0].startswith("clang") and "-D_FORTIFY_SOURCE=2" in argv:
        calls = {call: use for call, use in calls.items() if not call.startswith("vdprintf")}  # an inline function
    lines = ["#include <stdarg.h>\n", SYSTEM, "#include <sys/epoll.h>\n#include <aio.h>\n#include <spawn.h>\n",
             "char b[64]; struct iovec v[4]; struct aiocb cb, *list[1];\n"]
    for i, call in enumerate(calls):
        lines += [f"void f{i}(int n, char **argv, va_list ap);\n",
                  f"void f{i}(int n, char **argv, va_list ap) {{ (void)n; (void)argv; (void)ap; {call}; }}\n"]
    before = "#define _GNU_SOURCE\n" if not cxx else ""
    code, out, _ = compile(argv, before + OURS + "".join(lines), cxx)
    assert code == 0, out
    for call, use in calls.items():
        name = call.removeprefix("n = (int)").split("(")[0]
        assert re.search(rf"\b{name}\b.*is deprecated: not for TLS fds: .*{re.escape(use)}", out), \
            f"nothing said about {call}:\n{out}"
    code, out, _ = compile([*argv, "-Wno-deprecated-declarations"],
                           before + OURS + "".join(lines), cxx)
    assert code == 0 and not out, out


FORTIFY = ["-O2", "-U_FORTIFY_SOURCE"]
INCLUDED = ["-include", "sleeve/posix.h"]


def cases():
    for cc, cxx in (("gcc", 0), ("clang", 0), ("g++", 1), ("clang++", 1)):
        if not shutil.which(cc):
            continue
        low, high = ("-std=c++11", "-std=gnu++17") if cxx else ("-std=c99", "-std=gnu17")
        yield test_all_calls, [cc, low, "-O0", "-pedantic"], cxx
        yield test_all_calls, [cc, high, "-O3", "-Wredundant-decls", "-Wshadow"], cxx
        yield test_all_calls, [cc, high, "-O2", "-U_FORTIFY_SOURCE"], cxx, SYSTEM
        yield test_all_calls, [cc, high, *FORTIFY, "-D_FORTIFY_SOURCE=2"], cxx
        yield test_all_calls, [cc, low, *FORTIFY, "-D_FORTIFY_SOURCE=3", "-D_FILE_OFFSET_BITS=64"], cxx
        yield test_all_calls, [cc, low, *FORTIFY, "-D_FORTIFY_SOURCE=2", *INCLUDED], cxx, "", ""
        yield test_all_calls, [cc, "-O2", "-D_FILE_OFFSET_BITS=64", *INCLUDED], cxx, "", OURS + OURS
        if not cxx:
            yield test_all_calls, [cc, low, "-O2"], cxx, "#define _GNU_SOURCE\n"
            yield test_all_calls, [cc, low, "-O2", "-D_POSIX_C_SOURCE=200809L", *INCLUDED], cxx, "", ""
        yield test_too_late, [cc, *FORTIFY, "-D_FORTIFY_SOURCE=2"], cxx, "_FORTIFY_SOURCE"
        yield test_too_late, [cc, "-O0", "-D_FILE_OFFSET_BITS=64"], cxx, "_FILE_OFFSET_BITS"
        yield test_warned, [cc, "-O0"], cxx
        yield test_warned, [cc, *FORTIFY, "-D_FORTIFY_SOURCE=2"], cxx


def main():
    bad = total = 0
    for test, *args in cases():
        total += 1
        try:
            test(*args)
        except AssertionError as e:
            bad += 1
            print(f"FAILED: {test.__name__} {' '.join(args[0])}: {e}")
    print(f"{total - bad} of {total}")
    return 1 if bad or total < 20 else 0


sys.exit(main())
