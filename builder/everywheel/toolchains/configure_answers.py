"""Answers to the checks of configure scripts: values of autoconf's cache variables that are the same for every library.

Each check that a script does not run saves a call of the compiler, and some checks would run a program of the target. A script
reads the answers from `config.site` (https://www.gnu.org/software/autoconf/manual/autoconf.html#Site-Defaults). A recipe's
own answers are `options` such as `ac_cv_func_foo = "yes"`, which take precedence.

`tests/builds/test_configure_answers.py` compares them with the compilers, for one target of each kind: headers, functions,
sizes and properties of the compilers by compiling and linking, and the answers of libtool by its programs. The nine answers
to checks that run a program (RUN_ANSWERS) are compared with a run for x86_64 only, with glibc and with musl; other targets,
and macOS, have them from the documentation of their C libraries. Three answers are decisions that no check confirms:
`lt_cv_deplibs_check_method`, since a build finds no libraries but its own, `lt_cv_sys_max_cmd_len`, which is far below the
limit of every build machine, and `lt_cv_prog_compiler_static_works`, with that for C++: the check would link a static
program, for which zig first compiles its C library, and libtool uses the answer for `-all-static` programs only. There is
none for C23: the script itself finds the option for it.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from types import MappingProxyType

from everywheel.platforms.target import Target

C_HEADERS = (
    "assert.h",
    "ctype.h",
    "errno.h",
    "fcntl.h",
    "float.h",
    "inttypes.h",
    "limits.h",
    "locale.h",
    "math.h",
    "memory.h",
    "setjmp.h",
    "signal.h",
    "stdarg.h",
    "stdbool.h",
    "stddef.h",
    "stdint.h",
    "stdio.h",
    "stdlib.h",
    "string.h",
    "sys/stat.h",
    "sys/time.h",
    "sys/types.h",
    "time.h",
    "unistd.h",
    "wchar.h",
    "wctype.h",
)
"""Headers that every target has."""

POSIX_HEADERS = (
    "arpa/inet.h",
    "dirent.h",
    "dlfcn.h",
    "grp.h",
    "netdb.h",
    "net/if.h",
    "netinet/in.h",
    "netinet/tcp.h",
    "poll.h",
    "pthread.h",
    "pwd.h",
    "sched.h",
    "strings.h",
    "sys/ioctl.h",
    "sys/mman.h",
    "sys/param.h",
    "sys/resource.h",
    "sys/select.h",
    "sys/socket.h",
    "sys/uio.h",
    "sys/un.h",
    "sys/utsname.h",
    "sys/wait.h",
    "syslog.h",
    "termios.h",
    "utime.h",
)
"""Headers that every target except Windows has."""

POSIX_FUNCTIONS = (
    "access",
    "alarm",
    "chown",
    "clock_gettime",
    "dup2",
    "fchmod",
    "fcntl",
    "fork",
    "fseeko",
    "fstat",
    "ftello",
    "ftruncate",
    "getcwd",
    "geteuid",
    "getgid",
    "gethostbyname",
    "gethostname",
    "getpagesize",
    "getpid",
    "getppid",
    "getpwuid",
    "getrlimit",
    "getrusage",
    "gettimeofday",
    "getuid",
    "gmtime_r",
    "if_nametoindex",
    "inet_ntop",
    "inet_pton",
    "isatty",
    "localtime_r",
    "lstat",
    "madvise",
    "memchr",
    "memcpy",
    "memmove",
    "memset",
    "mkdir",
    "mmap",
    "mprotect",
    "munmap",
    "nanosleep",
    "pipe",
    "poll",
    "posix_memalign",
    "raise",
    "readlink",
    "recv",
    "rename",
    "select",
    "send",
    "setlocale",
    "setsockopt",
    "sigaction",
    "signal",
    "snprintf",
    "socket",
    "socketpair",
    "stat",
    "strcasecmp",
    "strchr",
    "strcspn",
    "strdup",
    "strerror",
    "strerror_r",
    "strncasecmp",
    "strnlen",
    "strrchr",
    "strstr",
    "strtod",
    "strtol",
    "strtoll",
    "strtoul",
    "strtoull",
    "symlink",
    "sysconf",
    "unlink",
    "unsetenv",
    "usleep",
    "utimes",
    "vprintf",
    "vsnprintf",
    "waitpid",
)
"""Functions in the C library of every target except Windows."""

RUN_ANSWERS: Mapping[str, str] = MappingProxyType(
    {
        "ac_cv_func_calloc_0_nonnull": "yes",
        "ac_cv_func_chown_works": "yes",
        "ac_cv_func_fork_works": "yes",
        "ac_cv_func_malloc_0_nonnull": "yes",
        "ac_cv_func_memcmp_working": "yes",
        "ac_cv_func_mmap_fixed_mapped": "yes",
        "ac_cv_func_strnlen_working": "yes",
        "ac_cv_func_strtod": "yes",
        "ac_cv_func_lstat_dereferences_slashed_symlink": "yes",
    }
)
"""Answers to checks that run a program of the target, for every target except Windows."""


def size_types(target: Target) -> dict[str, int]:
    """Return the size in bytes of each type of C that has one size on a target."""
    pointer = target.arch.bits // 8
    return {
        "char": 1,
        "short": 2,
        "int": 4,
        "long": target.sizeof_long,
        "long long": 8,
        "size_t": pointer,
        "ssize_t": pointer,
        "ptrdiff_t": pointer,
        "void *": pointer,
        "float": 4,
        "double": 8,
        "long double": target.long_double[1],
    }


def list_answers(target: Target) -> dict[str, str]:
    """Return autoconf's cache variables for a target, and those of libtool."""
    is_posix = target.os != "windows"
    answers = {_variable("header", name): "yes" for name in (*C_HEADERS, *(POSIX_HEADERS if is_posix else ()))}
    answers |= {_variable("sizeof", name): str(size) for name, size in size_types(target).items()}
    if is_posix:
        answers |= {_variable("func", name): "yes" for name in POSIX_FUNCTIONS}
        answers |= RUN_ANSWERS
    return answers | {
        "ac_cv_c_bigendian": "yes" if target.arch.endian == "big" else "no",
        "ac_cv_c_const": "yes",
        "ac_cv_c_inline": "inline",
        "ac_cv_c_restrict": "__restrict__",
        "ac_cv_c_volatile": "yes",
        "ac_cv_c_compiler_gnu": "yes",
        "ac_cv_cxx_compiler_gnu": "yes",
        "ac_cv_exeext": target.system.program,
        "ac_cv_objext": "o" if is_posix else "obj",
        "ac_cv_header_stdc": "yes",
        "ac_cv_header_time": "yes",
        "ac_cv_header_minix_config_h": "no",
        "ac_cv_prog_cc_c_o": "yes",
        "ac_cv_prog_cc_g": "yes",
        "ac_cv_prog_cxx_g": "yes",
        "ac_cv_prog_cc_c11": "",
        "ac_cv_prog_cc_c99": "",
        "ac_cv_prog_cc_c89": "",
        "am_cv_prog_cc_c_o": "yes",
        "lt_cv_sys_max_cmd_len": "98304",
        "lt_cv_ld_reload_flag": "-r",
        "lt_cv_nm_interface": "BSD nm",
        "lt_cv_path_NM": "nm",
        "lt_cv_path_LD": "ld",
        "lt_cv_prog_gnu_ld": "no" if target.os == "darwin" else "yes",
        "lt_cv_prog_gnu_ldcxx": "no" if target.os == "darwin" else "yes",
        "lt_cv_deplibs_check_method": "pass_all",
        "lt_cv_prog_compiler_static_works": "no",
        "lt_cv_prog_compiler_static_works_CXX": "no",
        "lt_cv_apple_cc_single_mod": "yes",
        "lt_cv_ld_force_load": "yes",
    }


def _variable(kind: str, name: str) -> str:
    # Autoconf writes `p` for a star, and `_` for every other character that a name of a variable cannot have.
    return f"ac_cv_{kind}_{re.sub('[^A-Za-z0-9_]', '_', name.replace('*', 'p'))}"


def render_config_site(target: Target) -> str:
    """Return the text of a `config.site`; a variable that is set before, such as by a recipe, keeps its value."""
    answers = sorted(list_answers(target).items())
    lines = [f'[ "${{{name}+set}}" ] || {name}={shlex.quote(value)}\n' for name, value in answers]
    return "".join(lines)
