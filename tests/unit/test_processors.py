"""The number of jobs: processors of the affinity, limited by the CPU quota of a control group or of a group above it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import pytest
from everywheel.execution.processors import count_processors

V1 = "11:memory:/job\n4:cpu,cpuacct:/job\n0::/init\n"


@pytest.mark.parametrize(
    ("groups", "files", "count"),
    [
        ("0::/job/inner\n", {"job/inner/cpu.max": "max 100000", "job/cpu.max": "300000 100000"}, 3),
        ("0::/job/inner\n", {"job/inner/cpu.max": "150000 100000", "job/cpu.max": "300000 100000"}, 2),
        ("0::/\n", {"cpu.max": "50000 100000"}, 1),
        ("0::/\n", {"cpu.max": "max 100000"}, 8),
        ("0::/\n", {"cpu.max": "900000000 100000"}, 8),
        ("0::/\n", {"cpu.max": "damaged"}, 8),
        ("0::/../../other\n", {"cpu.max": "400000 100000"}, 4),
        ("1:name=systemd:/x\n0::/x\n", {"unified/cpu.max": "200000 100000"}, 2),
        (V1, {"cpu/job/cpu.cfs_quota_us": "250000", "cpu/job/cpu.cfs_period_us": "100000"}, 3),
        (V1, {"cpu,cpuacct/cpu.cfs_quota_us": "10000", "cpu,cpuacct/cpu.cfs_period_us": "100000"}, 1),
        (V1, {"cpu/job/cpu.cfs_quota_us": "-1", "cpu/job/cpu.cfs_period_us": "100000"}, 8),
        ("", {}, 8),
    ],
)
def test_a_quota_limits_the_number_of_processors(
    groups: str, files: Mapping[str, str], count: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)), raising=False)
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/cgroup").write_text(groups)
    for name, text in files.items():
        file = tmp_path / "sys/fs/cgroup" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{text}\n")

    assert count_processors(tmp_path) == count


def test_without_control_groups_the_affinity_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {1, 5, 6}, raising=False)

    assert count_processors(tmp_path) == 3
