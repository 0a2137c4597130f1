"""Execution of tasks: order, failures, tokens, interrupts."""

from __future__ import annotations

import errno
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from everywheel.errors import BuildError
from everywheel.execution.cancellation import Interrupted
from everywheel.execution.jobserver import JobPool
from everywheel.execution.process import run_command
from everywheel.execution.scheduler import LocalExecutor, Outcome, Result, Task, execute


class Recorder:
    """A listener that keeps what it receives."""

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
    raise BuildError("the task failed")


def test_of_the_ready_tasks_the_one_with_the_highest_priority_starts_first(pool: JobPool) -> None:
    listener = Recorder()

    execute(
        [task("a", priority=1), task("b", priority=3), task("c", "b", priority=9), task("d", priority=2)],
        LocalExecutor(pool),
        listener,
    )

    assert listener.begun == ["b", "c", "d", "a"]


def test_a_failure_stops_only_the_tasks_that_depend_on_it(pool: JobPool) -> None:
    tasks = [task("zlib", work=fail), task("png", "zlib"), task("vips", "png", "webp"), task("webp")]

    results = {result.id: result for result in execute(tasks, LocalExecutor(pool), Recorder())}

    assert {id: result.outcome for id, result in results.items()} == {
        "zlib": Outcome.FAILED,
        "png": Outcome.SKIPPED,
        "vips": Outcome.SKIPPED,
        "webp": Outcome.DONE,
    }
    assert results["vips"].blocked_by == "the zlib"


def test_a_failure_skips_a_chain_of_any_length(pool: JobPool) -> None:
    chain = [task("0", work=fail), *(task(str(number), str(number - 1)) for number in range(1, 3000))]

    results = execute(chain, LocalExecutor(pool), Recorder())

    assert [result.outcome for result in results] == [Outcome.FAILED, *[Outcome.SKIPPED] * 2999]
    assert {result.blocked_by for result in results[1:]} == {"the 0"}


def test_two_failures_are_both_reported_and_a_task_that_requires_both_is_skipped_once(pool: JobPool) -> None:
    results = execute(
        [task("a", work=fail), task("b", work=fail), task("c", "a", "b")], LocalExecutor(pool), Recorder()
    )

    assert sorted((result.id, result.outcome) for result in results) == [
        ("a", Outcome.FAILED),
        ("b", Outcome.FAILED),
        ("c", Outcome.SKIPPED),
    ]


def test_an_unexpected_exception_is_the_error_of_its_task(pool: JobPool) -> None:
    (result,) = execute([task("a", work=lambda: [][0])], LocalExecutor(pool), Recorder())

    assert result.error is not None
    assert result.error.fact == "the a: unexpected IndexError: list index out of range"


@pytest.mark.parametrize(
    ("raised", "message"),
    [
        (
            OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/origin/file", None, "/store/tmp/file"),
            "error: no space left on the disk\n  step: the a\n  writing: /store/tmp/file\n"
            "  hint: `everywheel store gc` removes unused entries; EVERYWHEEL_STORE moves the store to another disk",
        ),
        (
            OSError(errno.EXDEV, os.strerror(errno.EXDEV), "/store/tmp/file", None, "/store/artifacts/file"),
            "error: invalid cross-device link\n  step: the a\n  path: /store/artifacts/file",
        ),
        (OSError("no number"), "error: the a: unexpected OSError: no number"),
    ],
)
def test_an_error_of_the_system_names_step_and_file(pool: JobPool, raised: OSError, message: str) -> None:
    def work() -> None:
        raise raised

    (result,) = execute([task("a", work=work)], LocalExecutor(pool), Recorder())

    assert result.error is not None
    assert result.error.render() == message


def test_at_most_as_many_tasks_run_at_once_as_there_are_tokens(tmp_path: Path) -> None:
    running, peak, lock = [0], [0], threading.Lock()

    def work() -> None:
        with lock:
            running[0] += 1
            peak[0] = max(peak[0], running[0])
        time.sleep(0.02)
        with lock:
            running[0] -= 1

    with JobPool(tmp_path / "jobs", 2) as pool:
        execute([task(str(number), work=work) for number in range(8)], LocalExecutor(pool), Recorder())

    assert peak[0] == 2


def test_every_token_is_returned_to_the_pool(tmp_path: Path) -> None:
    with JobPool(tmp_path / "jobs", 3) as pool:
        execute([task("a", work=fail), task("b"), task("c", "a")], LocalExecutor(pool), Recorder())

        assert [pool.acquire(0.01) for _ in range(4)] == [True, True, True, False]


def test_requirements_that_are_not_among_the_tasks_count_as_done(pool: JobPool) -> None:
    (result,) = execute([task("a", "already built")], LocalExecutor(pool), Recorder())

    assert result.outcome is Outcome.DONE


def test_a_task_is_skipped_as_soon_as_one_of_its_requirements_fails(tmp_path: Path) -> None:
    failed = threading.Event()

    class Waiting(Recorder):
        def end(self, result: Result) -> None:
            super().end(result)
            if result.outcome is Outcome.SKIPPED:
                failed.set()

    listener = Waiting()
    tasks = [task("slow", work=lambda: assert_set(failed)), task("bad", work=fail), task("both", "slow", "bad")]
    with JobPool(tmp_path / "jobs", 2) as pool:
        results = execute(tasks, LocalExecutor(pool), listener)

    assert [(result.id, result.outcome) for result in results] == [
        ("bad", Outcome.FAILED),
        ("both", Outcome.SKIPPED),
        ("slow", Outcome.DONE),
    ]


def assert_set(event: threading.Event) -> None:
    assert event.wait(30)


def test_an_interrupt_ends_the_running_commands_before_it_is_raised_again(tmp_path: Path) -> None:
    class Interrupting(Recorder):
        def begin(self, task: Task) -> None:
            if task.id == "second":
                raise KeyboardInterrupt

    ended: list[str] = []

    def sleep() -> None:
        try:
            run_command(["/bin/sleep", "60"])
        finally:
            ended.append("first")

    tasks = [task("first", priority=1, work=sleep), task("second")]
    began = time.monotonic()
    with JobPool(tmp_path / "jobs", 2) as pool, pytest.raises(KeyboardInterrupt):
        execute(tasks, LocalExecutor(pool), Interrupting())

    assert ended == ["first"]
    assert time.monotonic() - began < 30


def test_an_execution_inside_a_task_ends_with_the_outer_one(tmp_path: Path) -> None:
    started = threading.Event()
    inner: list[BaseException] = []

    class Interrupting(Recorder):
        def begin(self, task: Task) -> None:
            if task.id == "outer 2":
                assert started.wait(30)
                raise KeyboardInterrupt

    def sleep() -> None:
        started.set()
        run_command(["/bin/sleep", "60"])

    def nest() -> None:
        with JobPool(tmp_path / "inner", 1) as pool:
            try:
                execute([task("a", work=sleep), task("b", work=sleep)], LocalExecutor(pool), Recorder())
            except BaseException as error:
                inner.append(error)
                raise

    with JobPool(tmp_path / "outer", 2) as pool, pytest.raises(KeyboardInterrupt):
        execute([task("outer 1", priority=1, work=nest), task("outer 2")], LocalExecutor(pool), Interrupting())

    assert [type(error) for error in inner] == [Interrupted]
