"""Execution: order, failures, tokens."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from everywheel.errors import BuildError
from everywheel.execution.jobserver import JobPool
from everywheel.execution.scheduler import Outcome, Result, Task, execute


class Recorder:
    """A watcher that keeps what it is told."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.ended: list[Result] = []

    def begin(self, task: Task) -> None:
        self.begun.append(task.id)

    def stage(self, task: Task, stage: str) -> None:
        pass

    def end(self, result: Result) -> None:
        self.ended.append(result)


@pytest.fixture
def pool(tmp_path: Path) -> Iterator[JobPool]:
    with JobPool(tmp_path / "jobs", 1) as pool:
        yield pool


def task(id: str, *requires: str, priority: float = 0.0, work: Callable[[], None] = lambda: None) -> Task:
    return Task(id=id, label=f"the {id}", requires=requires, priority=priority, work=lambda set_stage: work())


def fail() -> None:
    raise BuildError("it broke")


def test_the_higher_priority_goes_first_among_those_that_are_ready(pool: JobPool) -> None:
    watcher = Recorder()

    execute(
        [task("a", priority=1), task("b", priority=3), task("c", "b", priority=9), task("d", priority=2)], pool, watcher
    )

    assert watcher.begun == ["b", "c", "d", "a"]


def test_a_failure_stops_only_what_depends_on_it(pool: JobPool) -> None:
    tasks = [task("zlib", work=fail), task("png", "zlib"), task("vips", "png", "webp"), task("webp")]

    results = {result.id: result for result in execute(tasks, pool, Recorder())}

    assert {id: result.outcome for id, result in results.items()} == {
        "zlib": Outcome.FAILED,
        "png": Outcome.SKIPPED,
        "vips": Outcome.SKIPPED,
        "webp": Outcome.DONE,
    }
    assert results["vips"].blocked_by == "the zlib"


def test_two_failures_are_both_told_and_what_needs_both_is_skipped_once(pool: JobPool) -> None:
    results = execute([task("a", work=fail), task("b", work=fail), task("c", "a", "b")], pool, Recorder())

    assert sorted((result.id, result.outcome) for result in results) == [
        ("a", Outcome.FAILED),
        ("b", Outcome.FAILED),
        ("c", Outcome.SKIPPED),
    ]


def test_a_fault_of_ours_is_an_error_and_not_a_hang(pool: JobPool) -> None:
    (result,) = execute([task("a", work=lambda: [][0])], pool, Recorder())

    assert result.error is not None
    assert result.error.fact == "the a: unexpected IndexError: list index out of range"


def test_no_more_run_at_once_than_there_are_tokens(tmp_path: Path) -> None:
    running, most, lock = [0], [0], threading.Lock()

    def work() -> None:
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
        time.sleep(0.02)
        with lock:
            running[0] -= 1

    with JobPool(tmp_path / "jobs", 2) as pool:
        execute([task(str(number), work=work) for number in range(8)], pool, Recorder())

    assert most[0] == 2


def test_every_token_comes_back(tmp_path: Path) -> None:
    with JobPool(tmp_path / "jobs", 3) as pool:
        execute([task("a", work=fail), task("b"), task("c", "a")], pool, Recorder())

        assert [pool.take(0.01) for _ in range(4)] == [True, True, True, False]


def test_requirements_that_are_no_tasks_count_as_done(pool: JobPool) -> None:
    (result,) = execute([task("a", "already built")], pool, Recorder())

    assert result.outcome is Outcome.DONE
