"""Signals and locks during `everywheel deps`, with a chain of recipes that only copy headers."""

from __future__ import annotations

import itertools
import signal
import subprocess

import pytest
from fixture_project import FixtureProject

CHAIN = 8
TARGET = "manylinux2014_x86_64"
SIGNALS, STEPS = (signal.SIGINT, signal.SIGTERM, signal.SIGKILL), (None, 0, 2, 5)
# Each signal once, at different steps, and SIGKILL, which no code can delay, also at the end.
ALWAYS = {(signal.SIGINT, None), (signal.SIGTERM, 0), (signal.SIGKILL, 2), (signal.SIGKILL, 5)}
CASES = [
    pytest.param(*case, marks=() if case in ALWAYS else pytest.mark.exhaustive)
    for case in itertools.product(SIGNALS, STEPS)
]


@pytest.fixture
def chain(project: FixtureProject) -> FixtureProject:
    """A project whose recipes h0 to h7 require each other in a chain."""
    for index in range(CHAIN):
        project.add_headers_recipe(f"h{index}", f"h{index - 1}" if index else "")
    return project


def start_deps(chain: FixtureProject, folder: str) -> subprocess.Popen[str]:
    prefix = str(chain.folder / folder)
    return chain.start("deps", f"h{CHAIN - 1}", "-t", TARGET, "--jobs", "1", "--prefix", prefix)


def list_done(progress: str) -> list[str]:
    """Return the names of the recipes that were built, from the progress lines of a run."""
    return [
        line.split("] ")[1].split(" ")[0] for line in progress.splitlines() if ": done in" in line and "] h" in line
    ]


@pytest.mark.parametrize(("signal_number", "step"), CASES, ids=lambda value: getattr(value, "name", str(value)))
def test_an_interrupted_build_resumes_after_its_last_finished_step(
    chain: FixtureProject, signal_number: signal.Signals, step: int | None
) -> None:
    """The signal is sent after the first line of progress about `step`, or about any step if it is None."""
    process = start_deps(chain, "interrupted")
    assert process.stderr is not None
    first_progress = ""
    for line in process.stderr:
        first_progress += line
        if step is None or f"] h{step} " in line:
            break
    process.send_signal(signal_number)
    first_progress += process.communicate()[1]

    expected = {signal.SIGKILL: -signal.SIGKILL}.get(signal_number, 130)
    # After step 5 only two are left, which may end before the signal is delivered.
    assert process.returncode in ((expected, 0) if step == 5 else (expected,)), first_progress
    second = start_deps(chain, "second")
    output, progress = second.communicate()

    assert second.returncode == 0, progress
    assert not set(list_done(first_progress)) & set(list_done(progress))
    assert f"{TARGET.replace('2014', '_2_17')}: {CHAIN} libraries" in output
    assert len(list((chain.folder / "second" / "include").iterdir())) == CHAIN
    assert "are intact" in chain.run("store", "verify")[0]


def test_processes_that_share_a_store_build_each_step_once(chain: FixtureProject) -> None:
    processes = [start_deps(chain, f"prefix-{number}") for number in range(3)]
    progress = [process.communicate()[1] for process in processes]

    assert [process.returncode for process in processes] == [0, 0, 0], progress
    built = [name for lines in progress for name in list_done(lines)]
    assert sorted(built) == [f"h{index}" for index in range(CHAIN)]


def test_gc_never_removes_what_a_running_build_uses(chain: FixtureProject) -> None:
    build, count = start_deps(chain, "prefix"), 0
    while build.poll() is None:
        output, _ = chain.run("store", "gc", "--all", "--older-than", "0")
        assert "cannot be removed" not in output
        count += 1
    progress = build.communicate()[1]

    assert build.returncode == 0, progress
    assert len(list_done(progress)) == CHAIN
    assert len(list((chain.folder / "prefix" / "include").iterdir())) == CHAIN
    assert count > 1


def test_gc_removes_everything_that_a_killed_build_has_left(chain: FixtureProject) -> None:
    build = start_deps(chain, "prefix")
    assert build.stderr is not None
    build.stderr.readline()
    build.kill()
    build.communicate()

    chain.run("store", "gc", "--all", "--older-than", "0")

    left = [path.relative_to(chain.store).as_posix() for path in chain.store.glob("*/*")]
    assert [path for path in left if not path.startswith(("sources/", "tools/", "zig/"))] == ["leases/.collection.lock"]
