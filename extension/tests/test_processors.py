"""The default number of images that are encoded in parallel."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from webpencode import _processors
from webpencode._processors import count_processors, find_default_threads

VERSION_2 = "36 24 0:31 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n"
VERSION_1 = "36 24 0:31 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
DOCKER = "36 24 0:31 /docker/1f /sys/fs/cgroup/cpu ro - cgroup cgroup rw,cpu\n"
SPACE = "36 24 0:31 / /my\\040groups rw - cgroup2 none rw\n"


@pytest.fixture(autouse=True)
def eight_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    name = "process_cpu_count" if hasattr(os, "process_cpu_count") else "sched_getaffinity"
    result = 8 if name == "process_cpu_count" else set(range(8))
    monkeypatch.setattr(_processors.os, name, lambda *_: result, raising=False)


@pytest.mark.parametrize(
    ("groups", "mounts", "files", "count"),
    [
        ("0::/\n", VERSION_2, {}, 8),
        ("0::/a/b\n", VERSION_2, {"sys/fs/cgroup/a/b/cpu.max": "max 100000\n"}, 8),
        ("0::/a/b\n", VERSION_2, {"sys/fs/cgroup/a/b/cpu.max": "200000 100000\n"}, 2),
        ("0::/a/b\n", VERSION_2, {"sys/fs/cgroup/a/b/cpu.max": "200001 100000\n"}, 3),
        ("0::/a/b\n", VERSION_2, {"sys/fs/cgroup/a/b/cpu.max": "1000 100000\n"}, 1),
        ("0::/a/b\n", VERSION_2, {"sys/fs/cgroup/a/b/cpu.max": "9900000 100000\n"}, 8),
        ("0::/a/b\n", VERSION_2, {"sys/fs/cgroup/a/cpu.max": "300000 100000\n"}, 3),
        (
            "0::/a/b\n",
            VERSION_2,
            {"sys/fs/cgroup/a/b/cpu.max": "50000 10000\n", "sys/fs/cgroup/a/cpu.max": "60000 10000\n"},
            5,
        ),
        ("0::/a/b\n", VERSION_2, {"sys/fs/cgroup/cpu.max": "20000 10000\n"}, 2),
        ("0::/../../x\n", VERSION_2, {"sys/fs/cgroup/cpu.max": "20000 10000\n"}, 2),
        ("0::/a\n", VERSION_2, {"sys/fs/cgroup/b/cpu.max": "20000 10000\n"}, 8),
        ("0::/a\n", SPACE, {"my groups/a/cpu.max": "20000 10000\n"}, 2),
        (
            "4:cpu,cpuacct:/a\n1:name=systemd:/b\n0::/c\n",
            VERSION_1,
            {
                "sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_quota_us": "150000\n",
                "sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_period_us": "100000\n",
                "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "-1\n",
                "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000\n",
            },
            2,
        ),
        (
            "4:cpu:/docker/1f/sub\n",
            DOCKER,
            {
                "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "300000\n",
                "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
            },
            3,
        ),
        (
            "4:cpu:/docker/other\n",
            DOCKER,
            {
                "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "300000\n",
                "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
            },
            3,
        ),
        ("0::/a\n", "damaged\n" + VERSION_2, {"sys/fs/cgroup/a/cpu.max": "7 0\n"}, 8),
        ("damaged\n", VERSION_2, {"sys/fs/cgroup/cpu.max": "damaged\n"}, 8),
    ],
)
def test_the_smallest_quota_counts(tmp_path: Path, groups: str, mounts: str, files: dict[str, str], count: int) -> None:
    for name, content in {"proc/self/cgroup": groups, "proc/self/mountinfo": mounts, **files}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content)

    assert count_processors(str(tmp_path)) == count


def test_without_groups_there_is_no_quota(tmp_path: Path) -> None:
    assert count_processors(str(tmp_path)) == 8


@pytest.fixture
def limited_group() -> Iterator[Path]:
    """Create a group with a quota of 1.2 processors; return the file to which its processes are written."""
    for top, quotas in (
        ("/sys/fs/cgroup/cpu", {"cpu.cfs_period_us": "50000", "cpu.cfs_quota_us": "60000"}),
        ("/sys/fs/cgroup", {"cpu.max": "60000 50000"}),
    ):
        group = Path(top, f"webpencode-test-{os.getpid()}")
        try:
            group.mkdir()
        except OSError:
            continue
        try:
            if all((group / name).exists() for name in quotas):
                for name, quota in quotas.items():
                    (group / name).write_text(quota)
                yield group / "cgroup.procs"
                return
        finally:
            group.rmdir()
    pytest.skip("requires permission to create a control group with a quota")


@pytest.mark.skipif(sys.platform != "linux", reason="requires control groups")
def test_the_quota_of_a_real_group_counts(limited_group: Path) -> None:
    script = (
        "import os, sys; from pathlib import Path; from webpencode import _processors\n"
        "Path(sys.argv[1]).write_text(str(os.getpid()))\n"
        "_processors.os.process_cpu_count = lambda: 8\n"
        "print(_processors.count_processors())"
    )

    done = subprocess.run(
        [sys.executable, "-c", script, str(limited_group)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert (done.stdout, done.stderr) == ("2\n", "")


@pytest.mark.parametrize(("quota", "threads"), [("max", None), ("100000", 1), ("250000", 3), ("9900000", None)])
def test_an_image_has_as_many_threads_as_the_quota_allows(tmp_path: Path, quota: str, threads: int | None) -> None:
    files = {
        "proc/self/cgroup": "0::/a\n",
        "proc/self/mountinfo": VERSION_2,
        "sys/fs/cgroup/a/cpu.max": f"{quota} 100000\n",
    }
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content)

    assert find_default_threads(str(tmp_path)) == threads


COUNT_THREADS = """
import os, sys, webpencode
from webpencode import decode, encode
sys.path.insert(0, sys.argv[1])
from pictures import write_gray_png
webpencode._DEFAULT_THREADS = 1 if sys.argv[2] == "quota" else None
png = write_gray_png(2000, 1000, bits=8)
encode(png, effort=0)
decode(png)
print(len(os.listdir("/proc/self/task")))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="requires /proc")
def test_encode_and_decode_start_no_more_threads_than_the_quota_allows() -> None:
    # libvips keeps its threads for some time; without a quota, it uses up to 12 here, and those that write the rows.
    counts = [
        int(
            subprocess.check_output(
                [sys.executable, "-c", COUNT_THREADS, Path(__file__).parent, mode],
                env={**os.environ, "VIPS_CONCURRENCY": "12"},
                timeout=60,
            )
        )
        for mode in ("quota", "none")
    ]

    assert counts[0] <= 5
    assert counts[1] >= 8
