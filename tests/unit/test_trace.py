"""The trace of a build: complete events of the Trace Event Format, with a lane for each task that runs at the same time."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from everywheel.cli.trace import TraceFiles, record_trace
from everywheel.errors import BuildError, UsageError
from everywheel.execution.jobserver import open_job_pool
from everywheel.execution.process import run_command
from everywheel.execution.scheduler import LocalExecutor, Outcome, Task, execute
from everywheel.pipeline import SilentListener
from everywheel.sources.progress import FetchEvent, FetchEventKind
from everywheel.sources.request import PinnedFile


def read(file: Path) -> list[dict[str, Any]]:
    """Return the events other than the names of processes, in the order of their starts."""
    events = json.loads(file.read_text())["traceEvents"]
    return sorted((event for event in events if event["ph"] == "X"), key=lambda event: (event["ts"], -event["dur"]))


def run(work: dict[str, tuple[tuple[str, ...], Callable[[Callable[[str], None]], Outcome | None]]], file: Path) -> None:
    tasks = [
        Task(id=name, label=f"label of {name}", requires=requires, priority=1.0, work=function)
        for name, (requires, function) in work.items()
    ]
    with open_job_pool(2) as pool, record_trace(SilentListener(), TraceFiles(trace=file)) as listener:
        execute(tasks, LocalExecutor(pool), listener)


def test_tasks_at_the_same_time_have_lanes_of_their_own_and_stages_are_inside_them(tmp_path: Path) -> None:
    both = threading.Barrier(2)

    def wait(set_stage: Callable[[str], None]) -> None:
        set_stage("configure")
        both.wait(10)
        set_stage("compile")

    run({"a": ((), wait), "b": ((), wait), "c": (("a", "b"), lambda set_stage: None)}, tmp_path / "trace.json")

    events = read(tmp_path / "trace.json")
    tasks = {event["args"]["id"]: event for event in events if event["cat"] == "step"}
    assert {name: (task["name"], task["args"]["outcome"]) for name, task in tasks.items()} == {
        name: (f"label of {name}", "done") for name in "abc"
    }
    assert sorted(tasks[name]["tid"] for name in "ab") == [1, 2]
    assert tasks["c"]["tid"] == 1
    assert tasks["c"]["ts"] >= max(tasks[name]["ts"] + tasks[name]["dur"] for name in "ab") - 1
    for name in "ab":
        task = tasks[name]
        stages = [event for event in events if event["cat"] == "stage" and event["tid"] == task["tid"]]
        assert [stage["name"] for stage in stages] == ["configure", "compile"]
        assert stages[0]["ts"] >= task["ts"]
        assert stages[0]["ts"] + stages[0]["dur"] <= stages[1]["ts"] + 1
        assert stages[1]["ts"] + stages[1]["dur"] <= task["ts"] + task["dur"] + 1


def test_stages_and_tasks_have_the_processor_time_of_their_commands_and_of_what_these_start(tmp_path: Path) -> None:
    burn = "import time; end = time.process_time() + 0.4\nwhile time.process_time() < end: pass"
    nested = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {burn!r}], check=True)"

    def work(set_stage: Callable[[str], None]) -> None:
        set_stage("configure")
        time.sleep(0.4)
        set_stage("compile")
        run_command([sys.executable, "-c", nested])

    run({"a": ((), work), "b": (("a",), lambda set_stage: None)}, tmp_path / "trace.json")

    seconds = {event["name"]: event["args"]["processor_seconds"] for event in read(tmp_path / "trace.json")}
    assert seconds["configure"] < 0.2
    assert seconds["compile"] > 0.4
    assert seconds["label of a"] == pytest.approx(seconds["configure"] + seconds["compile"], abs=0.1)
    assert seconds["label of b"] < 0.2


def test_failed_and_skipped_tasks_are_recorded(tmp_path: Path) -> None:
    def fail(set_stage: Callable[[str], None]) -> None:
        raise BuildError("failed")

    run({"a": ((), fail), "b": (("a",), fail)}, tmp_path / "trace.json")

    assert [(event["name"], event["args"]["outcome"]) for event in read(tmp_path / "trace.json")] == [
        ("label of a", "failed")
    ]


def test_transfers_are_recorded_with_their_size_and_outcome(tmp_path: Path) -> None:
    file = PinnedFile(label="zlib 1.3.1", filename="zlib.tar.gz", sha256="ab" * 32)
    with record_trace(SilentListener(), TraceFiles(trace=tmp_path / "trace.json")) as listener:
        for location, kind in (("one", FetchEventKind.REFUSED), ("two", FetchEventKind.DONE)):
            listener.fetch(FetchEvent(kind=FetchEventKind.STARTED, file=file, location=location))
            listener.fetch(FetchEvent(kind=FetchEventKind.BYTES, file=file, location=location, size=3))
            listener.fetch(FetchEvent(kind=kind, file=file, location=location, size=5))

    assert [(event["name"], event["args"]) for event in read(tmp_path / "trace.json")] == [
        ("zlib 1.3.1: zlib.tar.gz", {"location": "one", "bytes": 5, "outcome": "refused"}),
        ("zlib 1.3.1: zlib.tar.gz", {"location": "two", "bytes": 5, "outcome": "done"}),
    ]


def test_what_runs_when_a_build_is_interrupted_is_in_the_trace(tmp_path: Path) -> None:
    task = Task(id="a", label="label of a", requires=(), priority=1.0, work=lambda set_stage: None)

    def interrupt() -> None:
        with record_trace(SilentListener(), TraceFiles(trace=tmp_path / "trace.json")) as listener:
            listener.begin(task)
            listener.stage(task, "compile")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupt()
    assert [(event["name"], event["args"]["outcome"]) for event in read(tmp_path / "trace.json")] == [
        ("label of a", "interrupted"),
        ("compile", "interrupted"),
    ]


def test_a_trace_and_a_page_in_one_file_are_an_error(tmp_path: Path) -> None:
    file = tmp_path / "build.html"
    files = TraceFiles(trace=file, page=tmp_path / "." / "build.html")

    with (
        pytest.raises(UsageError, match="--trace and --html both name") as error,
        record_trace(SilentListener(), files),
    ):
        pytest.fail("the build began")

    assert error.value.hint == "name two files"
    assert not file.exists()


def test_a_trace_that_cannot_be_written_is_an_error_before_the_build(tmp_path: Path) -> None:
    with (
        pytest.raises(UsageError) as error,
        record_trace(SilentListener(), TraceFiles(trace=tmp_path / "missing" / "trace.json")),
    ):
        pytest.fail("the body ran")

    assert error.value.render() == (
        f"error: the trace cannot be written to {tmp_path / 'missing' / 'trace.json'}\n"
        "  reason: no such file or directory\n"
        "  hint: name a file in a folder that exists with --trace"
    )
