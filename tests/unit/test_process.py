"""Running commands: logs, captured output, errors, listeners, and the end of everything that was started."""

from __future__ import annotations

import os
import sys
import threading
import time
from pathlib import Path

import pytest
from everywheel.errors import BuildError, MachineError
from everywheel.execution.cancellation import Interrupted, cancellation_scope, current_cancellation
from everywheel.execution.process import excerpt, listen_to_commands, run_command, run_interactive, run_logged
from everywheel.execution.threads import DaemonThreads

TWO_STREAMS = "import sys; print('1', flush=True); print('2', file=sys.stderr, flush=True); print('3')"


class Recorder:
    """A listener that keeps what it receives."""

    def __init__(self) -> None:
        self.commands: list[tuple[str, str]] = []
        self.lines: list[tuple[str, str]] = []

    def begin(self, label: str, command: str) -> None:
        self.commands.append((label, command))

    def output(self, label: str, line: str) -> None:
        self.lines.append((label, line))


def has_ended(pid: str, seconds: float = 10.0) -> bool:
    """Return whether a process ends within some seconds; an orphan may wait for init as a zombie."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except (FileNotFoundError, ProcessLookupError):
            return True
        time.sleep(0.02)
    return False


def wait_for_file(path: Path) -> str:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if path.exists() and path.read_text().endswith("\n"):
            return path.read_text()
        time.sleep(0.02)
    raise AssertionError(f"{path} did not appear")


def test_both_streams_are_returned_in_order_and_logged(tmp_path: Path) -> None:
    output = run_logged([sys.executable, "-c", TWO_STREAMS], cwd=tmp_path, env={}, log=tmp_path / "log", label="x")

    assert output == "1\n2\n3\n"
    assert (tmp_path / "log").read_text().startswith(f"$ cd {tmp_path} && {sys.executable} -c ")
    assert (tmp_path / "log").read_text().endswith("\n1\n2\n3\n")


def test_a_failure_shows_the_command_and_the_lines_with_the_error(tmp_path: Path) -> None:
    command = ["/bin/sh", "-c", "echo fine; echo 'a.c:1: error: no'; echo note; exit 3"]

    with pytest.raises(BuildError) as caught:
        run_logged(command, cwd=tmp_path, env={}, log=tmp_path / "log", label="libfoo 1.0: compile", hint="do that")

    assert caught.value.render() == (
        "error: libfoo 1.0: compile failed (exit 3)\n"
        "  command: /bin/sh -c 'echo fine; echo '\"'\"'a.c:1: error: no'\"'\"'; echo note; exit 3'\n"
        "  | a.c:1: error: no\n"
        "  | note\n"
        f"  log: {tmp_path / 'log'}\n"
        "  hint: do that"
    )


def test_a_command_that_a_signal_ends_is_an_error_with_its_name(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match=r"^libfoo 1\.0: compile failed \(signal 9, SIGKILL\)$"):
        run_logged(
            ["/bin/sh", "-c", "kill -9 $$"], cwd=tmp_path, env={}, log=tmp_path / "log", label="libfoo 1.0: compile"
        )


def test_a_missing_program_is_an_error_of_the_machine(tmp_path: Path) -> None:
    with pytest.raises(MachineError) as caught:
        run_logged(["/no/such/program"], cwd=tmp_path, env={}, log=tmp_path / "log", label="x")

    assert caught.value.render() == "error: x: cannot start /no/such/program\n  reason: No such file or directory"


def test_without_a_line_that_reports_an_error_the_last_lines_are_the_excerpt() -> None:
    assert excerpt("\n".join(f"line {number}" for number in range(40))) == [
        f"line {number}" for number in range(28, 40)
    ]


def test_captured_streams_are_separate_and_any_exit_code_is_a_result() -> None:
    result = run_command(["/bin/sh", "-c", "cat; echo problem >&2; exit 4"], stdin=b"text\xff\n")

    assert (result.exit_code, result.stdout, result.errors) == (4, b"text\xff\n", "problem\n")
    assert result.output == "text\ufffd\n"


def test_a_background_process_does_not_delay_the_result() -> None:
    began = time.monotonic()

    result = run_command(["/bin/sh", "-c", "sleep 20 & echo started"])

    assert result.output == "started\n"
    assert time.monotonic() - began < 15


def test_an_interactive_command_returns_its_exit_code(tmp_path: Path) -> None:
    assert run_interactive(["/bin/sh", "-c", "exit 5"], cwd=tmp_path, env=os.environ) == 5


@pytest.mark.parametrize("in_thread", [False, True])
def test_a_listener_receives_commands_and_their_lines(tmp_path: Path, in_thread: bool) -> None:
    listener, command = Recorder(), ["/bin/sh", "-c", "printf 'a\\nb\\nc'"]

    def work() -> str:
        return run_logged(command, cwd=tmp_path, env={}, log=tmp_path / "log", label="libfoo: make")

    with listen_to_commands(listener):
        output = DaemonThreads().submit(work).result() if in_thread else work()
        run_command(["/bin/sh", "-c", "echo d; echo e >&2"])
    run_command(["/bin/echo", "after"])

    assert output == "a\nb\nc"
    assert [label for label, _ in listener.commands] == ["libfoo: make", "sh"]
    assert listener.lines == [*(("libfoo: make", line) for line in "abc"), ("sh", "d"), ("sh", "e")]


def test_lines_arrive_while_the_command_runs(tmp_path: Path) -> None:
    class Answering(Recorder):
        def output(self, label: str, line: str) -> None:
            (tmp_path / "answer").write_text("")

    with listen_to_commands(Answering()):
        result = run_command(
            ["/bin/sh", "-c", "echo question; while ! test -e answer; do sleep 0.05; done"], cwd=tmp_path
        )

    assert result.exit_code == 0


def test_an_exception_of_a_tick_ends_the_command_and_its_children(tmp_path: Path) -> None:
    def give_up() -> None:
        wait_for_file(tmp_path / "pids")
        raise TimeoutError

    with pytest.raises(TimeoutError):
        run_command(
            ["/bin/sh", "-c", "sleep 60 & echo $$ $! > pids.new; mv pids.new pids; wait"], cwd=tmp_path, on_tick=give_up
        )

    assert all(has_ended(pid) for pid in (tmp_path / "pids").read_text().split())


def test_cancellation_ends_a_command_with_everything_it_started(tmp_path: Path) -> None:
    script = "sleep 60 & echo $$ $! > pids.new; mv pids.new pids; wait"

    with cancellation_scope() as cancellation:
        future = DaemonThreads().submit(
            run_logged, ["/bin/sh", "-c", script], cwd=tmp_path, env={}, log=tmp_path / "log", label="x"
        )
        pids = wait_for_file(tmp_path / "pids").split()
        cancellation.cancel()

        with pytest.raises(Interrupted):
            future.result(timeout=10)
    assert all(has_ended(pid) for pid in pids)


def test_a_command_that_starts_after_the_cancellation_ends_at_once() -> None:
    with cancellation_scope() as cancellation:
        cancellation.cancel()
        began = time.monotonic()

        with pytest.raises(Interrupted):
            run_command(["/bin/sleep", "60"])
    assert time.monotonic() - began < 30


def test_an_inner_execution_is_canceled_with_the_outer_one_but_not_the_other_way_round() -> None:
    with cancellation_scope() as outer:
        with cancellation_scope() as first:
            first.cancel()
        assert not outer.is_canceled
        with cancellation_scope() as second:
            outer.cancel()
            assert second.is_canceled
    assert not current_cancellation().is_canceled


def test_at_most_as_many_calls_run_at_once_as_the_limit_allows() -> None:
    running, peak, lock = [0], [0], threading.Lock()

    def work() -> None:
        with lock:
            running[0] += 1
            peak[0] = max(peak[0], running[0])
        time.sleep(0.02)
        with lock:
            running[0] -= 1

    with DaemonThreads(2) as threads:
        futures = [threads.submit(work) for _ in range(6)]

    assert all(future.done() for future in futures)
    assert peak == [2]


def test_a_thread_whose_start_was_interrupted_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(thread: threading.Thread) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(threading.Thread, "start", interrupt)

    with pytest.raises(KeyboardInterrupt), DaemonThreads() as threads:
        threads.submit(time.sleep, 60)


def test_an_excerpt_includes_the_flag_that_the_compiler_does_not_know() -> None:
    values = [f" cpu{number}" for number in range(40)]
    output = "\n".join(["meson.build:1:0: ERROR: cannot compile programs", *values, "error: unknown CPU: 'x86'"])

    assert excerpt(output) == [
        "error: unknown CPU: 'x86'",
        "meson.build:1:0: ERROR: cannot compile programs",
        *values[:10],
    ]
    assert excerpt("error: unsupported linker arg: --foo\n1 error") == [
        "error: unsupported linker arg: --foo",
        "1 error",
    ]
