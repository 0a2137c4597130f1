"""The number of processors that this process may use: its affinity, and the CPU quota of its control groups (cgroups).

A container with `--cpus 2` on a machine with 64 processors has an affinity of 64 and a quota of 2: 64 compilers would only
share the memory of the container. A quota is set on a group or on any group above it (Linux: cgroup v2 `cpu.max`, v1
`cpu.cfs_quota_us` and `cpu.cfs_period_us`).
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

_Files = tuple[tuple[str, ...], tuple[str, ...]]
"""Where a hierarchy of control groups is mounted, and the files with a group's quota and its period."""
_V1: _Files = ("cpu", "cpu,cpuacct"), ("cpu.cfs_quota_us", "cpu.cfs_period_us")
_V2: _Files = ("", "unified"), ("cpu.max",)


def count_processors(root: Path = Path("/")) -> int:
    """Return the number of processors that this process may use, at least 1; a fraction in a quota counts as one."""
    available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min([available, *(math.ceil(quota) for quota in _list_quotas(root))]))


def _list_quotas(root: Path) -> Iterator[float]:
    """Yield each quota, in processors, of the process's group and of the groups above it; `root` has `proc` and `sys`."""
    try:
        lines = (root / "proc/self/cgroup").read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers and "cpu" not in controllers.split(","):
            continue
        mounts, names = _V1 if controllers else _V2
        # In a container, the path can be that on the machine, while the container's group is mounted at the top.
        group = PurePosixPath(path.lstrip("/"))
        for mount in mounts:
            for parent in (group, *group.parents):
                folder = root / "sys/fs/cgroup" / mount / parent
                if (quota := _read_quota([folder / name for name in names])) is not None:
                    yield quota


def _read_quota(files: list[Path]) -> float | None:
    """Return the quota in files that contain its time and its period in microseconds; None without a quota (`max`, -1)."""
    try:
        time, period = (int(value) for file in files for value in file.read_text(encoding="ascii").split())
    except (OSError, ValueError):
        return None
    return time / period if time > 0 and period > 0 else None
