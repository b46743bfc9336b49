#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""The list of calls that are taken over, against the C library and against the programs that Sleeve is for (threat 41).
Each name exists in the C library, and no other exported name leads to the same code. Each function that the headers
declare with a descriptor in its hands, or that makes a process, is taken over or stands in harmless.def with its reason;
so does each alias and fortified variant of one, whether a header declares it or not. No program imports a function that
talks to the kernel itself."""
import glob
import os
import re
import shutil
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
HERE = os.path.join(ROOT, "tests", "preload")
LIBC = "/lib/x86_64-linux-gnu/libc.so.6"
HEADERS = """aio argp arpa/inet bits/types/FILE dirent error execinfo fcntl fts ftw glob libio mntent mqueue netdb netinet/in
poll pty pwd grp resolv sched search signal spawn stdio stdio_ext stdlib stropts sys/epoll sys/eventfd sys/file sys/fanotify
sys/fsuid sys/inotify sys/ioctl sys/mman sys/pidfd sys/poll sys/ptrace sys/random sys/select sys/sendfile sys/signalfd
sys/socket sys/stat sys/statfs sys/statvfs sys/syscall sys/timerfd sys/time sys/uio sys/un sys/vfs sys/wait sys/xattr
syslog termios threads time ucontext unistd utime utmp utmpx wait wchar wordexp err""".split()
DESCRIPTOR = re.compile(r"\b(?:int|mqd_t) __(?:\w*fds?|fd\w*|fildes\d?|filedes|sock\w*|s)\b|\bpollfd\b|\bfd_set\b|\bepoll_event\b"
                        r"|\bm?msghdr\b|\baiocb(?:64)?\b|\bint [(*\[]*(?:fd|sock|s)\b")
PROCESS = re.compile(r"f?exec(v|l|ve|veat)\w*|posix_spawnp?|v?fork|_Fork|clone|daemon|forkpty|_?[eE]xit|quick_exit|popen"
                     r"|system|wordexp|syscall")
# What reaches the kernel past the C library, by the library that does it.
DIRECT = re.compile(r"io_uring_(queue_init|setup|submit|enter)\w*|io_submit|__io_uring\w*")
PROGRAMS = """redis-cli redis-server redis-benchmark memcached curl wget nc.openbsd nc.traditional ncat socat python3 nginx
lighttpd haproxy psql pgbench pg_dump whois finger efingerd inetd tcpserver tcpsvd telnet inetutils-telnet busybox ftp tnftp
inetutils-ftp proftpd vsftpd rsync git mosquitto mosquitto_pub mosquitto_sub beanstalkd s-nail msmtp perl php ruby tclsh node
bash iperf3 wrk ab gdb gdbserver openssl""".split()
PLACES = ["/usr/lib/postgresql/*/bin/postgres", "/usr/lib/git-core/git", "/usr/lib/git-core/git-daemon"]
OURS_TO_THE_KERNEL = re.compile(r"/(libc|ld-linux-x86-64|libm|libpthread|libdl|librt)\.so|vdso")


def output(*argv):
    return subprocess.run(argv, capture_output=True, check=True, timeout=120).stdout.decode(errors="replace")


def symbols(path):
    """(value, name, version, defined) of the functions in a dynamic symbol table."""
    for line in output("readelf", "-W", "--dyn-syms", path).splitlines():
        part = line.split()
        if len(part) >= 8 and part[3] in ("FUNC", "IFUNC", "NOTYPE"):
            name, _, version = part[7].partition("@")
            yield part[1], name, version, part[6] != "UND"


def declared():
    """{function: parameters} of the C library's headers."""
    text = "".join(f"#if __has_include(<{h}.h>)\n#include <{h}.h>\n#endif\n" for h in HEADERS)
    p = subprocess.run(["gcc", "-D_GNU_SOURCE", "-U_FORTIFY_SOURCE", "-E", "-P", "-xc", "-"], input=text.encode(),
                       capture_output=True, check=True, timeout=60)
    flat = p.stdout.decode()
    nested = r"\((?:[^()]|\((?:[^()]|\([^()]*\))*\))*\)"
    flat = re.sub(r"__attribute__\s*\(" + nested + r"\)|__asm__\s*" + nested, "", flat)
    found = {}
    for piece in re.split(r"[;{}]", flat):
        m = re.match(r"(?:extern )?[\w \*]*?\b(\w+) ?\((.*)\)$", " ".join(piece.split()))
        if m:
            found[m[1]] = m[2]
    return found


def stem(name):
    """__recvfrom_chk -> recvfrom, _IO_fdopen -> fdopen, sendfile64 -> sendfile."""
    return re.sub(r"(64)?(v2)?(_chk|_2|_nocancel|_time64)?$", r"\2", re.sub(r"^(__libc_|__isoc99_|__|_IO_)", "", name))


def ours():
    with open(os.path.join(ROOT, "preload", "calls.def"), encoding="ascii") as f:
        return set(re.findall(r"^CALL\((\w+)\)$", f.read(), re.M))


def harmless(bad):
    """A comment is the reason of the names below it."""
    found, reason = {}, None
    with open(os.path.join(ROOT, "preload", "harmless.def"), encoding="ascii") as f:
        for why, name in re.findall(r"/\*(.*?)\*/|^HARMLESS\((\w+)\)$", f.read(), re.M | re.S):
            reason = " ".join(why.split()) or reason
            if name:
                if name in found:
                    bad.append(f"{name}: twice in harmless.def")
                found[name] = reason
    bad += [f"{name}: harmless without a reason" for name, why in found.items() if not why or len(why) < 20]
    return found


def check_aliases(taken, bad):
    """The exported functions of the C library, by name."""
    at, names = {}, {}
    for value, name, version, defined in symbols(LIBC):
        if defined and "GLIBC_PRIVATE" not in version:
            at.setdefault(value, set()).add(name)
            names.setdefault(name, set()).add(value)
    bad += [f"{n}: not a function of the C library" for n in sorted(taken - set(names))]
    for n in sorted(taken & set(names)):
        for value in names[n]:
            bad += [f"{alias}: the same code as {n}, and not taken over" for alias in sorted(at[value] - taken)]
    return set(names)


def capable(exported, taken):
    """Functions that work on a descriptor, or make a process that inherits some."""
    headers = declared()
    direct = {n for n, args in headers.items() if DESCRIPTOR.search(args) or PROCESS.fullmatch(n)} | taken
    return {n for n in exported if n in direct or (n.startswith("_") or n not in headers) and stem(n) in direct}


def programs(bad):
    """What each installed program, and each library that comes with it, asks of others; how many there were."""
    paths, seen, imports = set(), set(), {}
    for name in PROGRAMS:
        found = shutil.which(name, path=os.environ["PATH"] + ":/usr/sbin:/sbin")
        paths |= {os.path.realpath(found)} if found else set()
    paths |= {os.path.realpath(p) for pattern in PLACES for p in glob.glob(pattern)}
    for path in sorted(paths):
        with open(path, "rb") as f:
            if f.read(4) != b"\x7fELF":
                continue
        p = subprocess.run(["ldd", path], capture_output=True, timeout=60, check=False)
        for lib in [path, *re.findall(r"(/\S+) \(0x", p.stdout.decode(errors="replace"))]:
            lib = os.path.realpath(lib)
            if lib in seen or OURS_TO_THE_KERNEL.search(lib):
                continue
            seen.add(lib)
            for _, name, _, defined in symbols(lib):
                if not defined:
                    imports.setdefault(name, set()).add(os.path.basename(lib))
    if paths and len(imports) < 200:
        bad.append(f"only {len(imports)} imports of {len(paths)} programs were found")
    return imports, len(paths), len(seen)


def main():
    if not os.path.exists(LIBC):
        print(f"no {LIBC} on this machine")
        return 77
    bad = []
    taken = ours()
    exported = check_aliases(taken, bad)
    allowed = harmless(bad)
    socket_calls = capable(exported, taken)
    if not {"read", "sendmsg", "epoll_ctl", "pwrite64", "__read_chk", "tee"} <= socket_calls:
        bad.append("the headers are not read as they should be")
    for name in sorted(allowed):
        if name in taken:
            bad.append(f"{name}: taken over, and harmless?")
        elif name not in socket_calls and not DIRECT.fullmatch(name):
            bad.append(f"{name}: in harmless.def, but it takes no descriptor, or the C library has none of that name")
    bad += [f"{n}: takes a descriptor, is not taken over and not in harmless.def" for n in
            sorted(socket_calls - taken - set(allowed))]
    imports, count, libraries = programs(bad)
    for name, who in sorted(imports.items()):
        if DIRECT.fullmatch(name) and name not in allowed:
            bad.append(f"{name}: talks to the kernel itself; imported by {', '.join(sorted(who))}")
    used = len(set(imports) & socket_calls)
    print("\n".join(sorted(set(bad))) or
          f"{len(taken)} names, no way past them; {len(socket_calls)} functions take a descriptor, {used} of them are imported "
          f"by {count} programs with {libraries} files")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
