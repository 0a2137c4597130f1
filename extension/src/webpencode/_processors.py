"""The number of processors that this process may use."""

from __future__ import annotations

import os

# See the comment in __init__.py.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


def count_processors(root: str = "") -> int:
    """Return the number of processors, limited by the affinity of the process and by the quotas of its control groups.

    A quota of 1.5 processors is rounded up to 2. `root` is a path that is inserted before those of procfs and of the
    groups.
    """
    return min([_count_available(), *_read_quotas(root)])


def _count_available() -> int:
    if hasattr(os, "process_cpu_count"):  # CPython 3.13
        return os.process_cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def find_default_threads(root: str = "") -> int | None:
    """Return the number of threads for one image; None if there is no quota, so that libvips counts the processors."""
    count = count_processors(root)
    return count if count < _count_available() else None


def _read_quotas(root: str) -> Iterator[int]:
    """Yield the quota, in processors, of each group of this process and of the groups that contain them."""
    for folder, top in _find_groups(root):
        while True:
            # Version 2 has one file, version 1 has two. "max" or -1 means that there is no quota.
            fields = _read(f"{folder}/cpu.max").split() or [
                field for name in ("quota", "period") for field in _read(f"{folder}/cpu.cfs_{name}_us").split()
            ]
            if len(fields) == 2 and all(field.isdecimal() for field in fields) and int(fields[1]) > 0:
                # Negative operands round up.
                yield max(1, -(-int(fields[0]) // int(fields[1])))
            if len(folder) <= len(top):
                break
            folder = os.path.dirname(folder)


def _find_groups(root: str) -> Iterator[tuple[str, str]]:
    """Yield the directory of each group of this process that may have a quota, and where its hierarchy is mounted.

    See cgroups(7) and proc_pid_mountinfo(5). Regular expressions would take longer to import than the rest of the package.
    """
    paths = {}
    for line in _read(f"{root}/proc/self/cgroup").split("\n"):
        _, _, group = line.partition(":")
        names, colon, path = group.partition(":")
        # Version 2 has no names of controllers.
        if colon and (not names or "cpu" in names.split(",")):
            paths[names == ""] = path
    for line in _read(f"{root}/proc/self/mountinfo").split("\n"):
        mount, _, system = line.partition(" - ")
        fields, kind, options = mount.split(" "), system.partition(" ")[0], system.rpartition(" ")[2]
        if (
            len(fields) < 5
            or kind not in ("cgroup", "cgroup2")
            or (kind == "cgroup" and "cpu" not in options.split(","))
        ):
            continue
        top = (root + _unescape(fields[4])).rstrip("/")
        # Without a namespace of its own, a container has a path of the host, of which only a part is mounted.
        path, part = paths.get(kind == "cgroup2", "/"), _unescape(fields[3]).rstrip("/")
        is_inside = path == part or path.startswith(part + "/")
        yield (top + path.removeprefix(part)).rstrip("/") if is_inside else top, top


def _unescape(field: str) -> str:
    # The only characters that the kernel escapes; the backslash comes last.
    for code, character in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        field = field.replace(code, character)
    return field


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            return file.read()
    except OSError:
        return ""
