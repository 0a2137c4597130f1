"""Utilities of the build machine that every build finds on PATH, by links; all other programs come from the store.

They are those that configure scripts and makefiles call (POSIX, and "Utilities in Makefiles" of the GNU Coding Standards).
Their versions do not change the products of builds, unlike those of compilers, m4 or Perl, which are recipes.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

_UTILITIES = (
    "awk",
    "basename",
    "bzip2",
    "cat",
    "chmod",
    "cksum",
    "cmp",
    "comm",
    "cp",
    "cut",
    "date",
    "dd",
    "diff",
    "dirname",
    "echo",
    "egrep",
    "env",
    "expr",
    "false",
    "fgrep",
    "find",
    "fold",
    "getconf",
    "grep",
    "gzip",
    "head",
    "hostname",
    "id",
    "install",
    "join",
    "ln",
    "ls",
    "mkdir",
    "mkfifo",
    "mktemp",
    "mv",
    "nl",
    "od",
    "paste",
    "patch",
    "printf",
    "pwd",
    "readlink",
    "realpath",
    "rm",
    "rmdir",
    "sed",
    "seq",
    "sh",
    "sleep",
    "sort",
    "split",
    "stat",
    "tail",
    "tar",
    "tee",
    "test",
    "touch",
    "tr",
    "true",
    "tsort",
    "tty",
    "uname",
    "uniq",
    "wc",
    "which",
    "xargs",
    "xz",
)
# Without these, a configure script cannot run. Builds get along without the others, or report the one that they need.
_REQUIRED = (
    "awk",
    "basename",
    "cat",
    "chmod",
    "cmp",
    "cp",
    "date",
    "diff",
    "expr",
    "find",
    "grep",
    "install",
    "ln",
    "ls",
    "mkdir",
    "mktemp",
    "mv",
    "rm",
    "sed",
    "sh",
    "sort",
    "tar",
    "test",
    "touch",
    "tr",
    "uname",
    "uniq",
    "wc",
    "xargs",
)


def find_utilities() -> Mapping[str, Path | None]:
    """Return the path of each utility on the PATH of this process; None for one that this machine does not have."""
    return {name: Path(path) if (path := shutil.which(name)) else None for name in _UTILITIES}


def list_missing_utilities() -> tuple[str, ...]:
    """Return the names of the utilities that configure scripts need and that this machine does not have."""
    return tuple(name for name in _REQUIRED if shutil.which(name) is None)
