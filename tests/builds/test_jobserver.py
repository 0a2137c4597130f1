"""One limit of jobs for all: the pinned ninja takes a token of the pool for each further command, and returns it."""

from __future__ import annotations

from pathlib import Path

from everywheel.execution.jobserver import JobPool
from everywheel.execution.process import run_command
from everywheel.store.local import default_store
from everywheel.toolchains.build_tools import ensure_tools

COMMANDS = 12
# Each command writes how many run at the same time.
RULE = "rule run\n  command = mkdir run-$out && ls -d run-* | wc -l >$out; sleep 0.5; rmdir run-$out\n"


def find_peak(folder: Path, pool: JobPool) -> int:
    """Return how many commands of one ninja ran at the same time."""
    folder.mkdir()
    edges = "".join(f"build out{number}: run\n" for number in range(COMMANDS))
    (folder / "build.ninja").write_text(RULE + edges)
    ninja = ensure_tools(default_store()).ninja
    result = run_command([ninja, "-C", folder], env={"PATH": "/usr/bin:/bin", **pool.environment})
    assert result.exit_code == 0, result.output
    return max(int((folder / f"out{number}").read_text()) for number in range(COMMANDS))


def test_ninja_runs_as_many_commands_as_the_pool_has_tokens_and_returns_them(tmp_path: Path) -> None:
    with JobPool(tmp_path / "jobs", 3) as pool:
        assert pool.acquire(1)  # for the step that runs ninja
        assert find_peak(tmp_path / "one-step", pool) == 3
        assert pool.acquire(1)  # for another step
        assert find_peak(tmp_path / "two-steps", pool) == 2

        assert [pool.acquire(0.01) for _ in range(2)] == [True, False]
