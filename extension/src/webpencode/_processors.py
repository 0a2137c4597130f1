"""The number of processors that this process may use."""

from __future__ import annotations

import os
import re

# See the comment in __init__.py.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_MOUNTED_GROUP = re.compile(r"^\d+ \d+ \S+ (\S+) (\S+) .* - (cgroup2?) \S* (\S+)$", re.MULTILINE)
"""A line of mountinfo: the part of the hierarchy that is mounted, where, the version, and the options."""


def count_processors(root: str = "") -> int:
    """Return the number of processors, limited by the affinity of the process and by the quotas of its control groups.

    A quota of 1.5 processors is rounded up to 2. `root` is a path that is inserted before those of procfs and of the
    groups.
    """
    if hasattr(os, "process_cpu_count"):  # CPython 3.13
        count = os.process_cpu_count() or 1
    elif hasattr(os, "sched_getaffinity"):
        count = len(os.sched_getaffinity(0))
    else:
        count = os.cpu_count() or 1
    # Negative operands round up.
    return max(1, min([count, *(-(-quota // period) for quota, period in _read_quotas(root))]))


def _read_quotas(root: str) -> Iterator[tuple[int, int]]:
    """Yield quota and period, in microseconds, of the groups of this process and of the groups that contain them."""
    for folder, top in _find_groups(root):
        while True:
            # Version 2 has one file, version 1 has two. "max" or -1 means that there is no quota.
            fields = _read(f"{folder}/cpu.max").split() or [
                field for name in ("quota", "period") for field in _read(f"{folder}/cpu.cfs_{name}_us").split()
            ]
            if len(fields) == 2 and all(field.isdecimal() for field in fields) and int(fields[1]) > 0:
                yield int(fields[0]), int(fields[1])
            if len(folder) <= len(top):
                break
            folder = os.path.dirname(folder)


def _find_groups(root: str) -> Iterator[tuple[str, str]]:
    """Yield the directory of each group of this process that may have a quota, and where its hierarchy is mounted.

    See cgroups(7) and proc_pid_mountinfo(5).
    """
    # Version 2 has no names of controllers.
    paths = {
        names == "": path
        for names, path in re.findall(r"^\d+:([^:\n]*):(.*)$", _read(f"{root}/proc/self/cgroup"), re.MULTILINE)
        if names == "" or "cpu" in names.split(",")
    }
    for mounted, point, kind, options in _MOUNTED_GROUP.findall(_read(f"{root}/proc/self/mountinfo")):
        if kind == "cgroup" and "cpu" not in options.split(","):
            continue
        top = (root + _unescape(point)).rstrip("/")
        # Without a namespace of its own, a container has a path of the host, of which only a part is mounted.
        path, part = paths.get(kind == "cgroup2", "/"), _unescape(mounted).rstrip("/")
        is_inside = path == part or path.startswith(part + "/")
        yield (top + path.removeprefix(part)).rstrip("/") if is_inside else top, top


def _unescape(field: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), field)


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            return file.read()
    except OSError:
        return ""
