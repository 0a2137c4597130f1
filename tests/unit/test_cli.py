"""The command line: help texts, options before and after a command's name, and output while a command works."""

from __future__ import annotations

import contextlib
import io
import os
import re
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path

import _cffi_backend
import click
import pytest
from click.testing import CliRunner, Result
from everywheel.cli.failures import describe_interruption, exit_for
from everywheel.cli.main import main
from everywheel.cli.options import collect_options
from everywheel.cli.progress import CommandPrinter, ProgressDisplay, show_preparation
from everywheel.execution.cancellation import Interrupted
from everywheel.execution.process import listen_to_commands, run_command, run_logged
from everywheel.execution.scheduler import Outcome, Task, TaskKind
from everywheel.execution.scheduler import Result as TaskResult
from rich.console import Console

FIXTURE = Path(__file__).parents[1] / "failing" / "base"


def list_paths(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield the path of a command and of all commands below it."""
    yield path
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            child = command.get_command(context, name)
            assert child is not None
            yield from list_paths(child, (*path, name))


@pytest.mark.parametrize("path", tuple(list_paths(main)), ids=lambda path: " ".join(path) or "everywheel")
def test_help_fits_a_screen_and_has_an_example(path: tuple[str, ...]) -> None:
    output = CliRunner().invoke(main, [*path, "--help"], prog_name="everywheel", terminal_width=100).output

    assert f"Example: everywheel {' '.join(path)}" in output
    # The list of commands has one line for each, and the commands that build have options of several families.
    assert len(output.splitlines()) <= {
        (): 39,
        ("build",): 33,
        ("deps",): 28,
        ("sdk",): 30,
        ("rebuild",): 29,
        ("smoke",): 26,
        ("verify",): 27,
    }.get(path, 24)
    assert max(map(len, output.splitlines())) <= 100


def run_doctor(*args: str, store: Path) -> Result:
    """Run `everywheel doctor`, which runs `git --version`."""
    return CliRunner(env={"EVERYWHEEL_STORE": str(store)}).invoke(main, args)


@pytest.mark.parametrize("args", [("--verbose", "doctor"), ("doctor", "-v"), ("-v", "doctor", "-v")], ids=" ".join)
def test_verbose_streams_commands_before_and_after_the_name_of_the_command(
    args: tuple[str, ...], tmp_path: Path
) -> None:
    result = run_doctor(*args, store=tmp_path)

    assert len(re.findall(r"^git \$ \S*git --version$", result.stderr, re.MULTILINE)) == 1
    assert len(re.findall(r"^git \| git version ", result.stderr, re.MULTILINE)) == 1
    assert re.search(r"^ok +git: ", result.stdout, re.MULTILINE)


def test_without_verbose_no_command_is_streamed(tmp_path: Path) -> None:
    assert "--version" not in run_doctor("doctor", store=tmp_path).stderr


def make_terminal() -> Console:
    return Console(file=io.StringIO(), force_terminal=True, color_system=None, width=40, soft_wrap=True)


def read_terminal(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def make_task(label: str) -> Task:
    return Task(
        id=label, kind=TaskKind.STEP, label=label, requires=(), priority=0.0, work=lambda set_stage: Outcome.DONE
    )


def test_verbose_output_on_a_terminal_is_whole_lines_in_order(tmp_path: Path) -> None:
    console, text = make_terminal(), "x" * 60
    task = make_task("zlib")

    with ProgressDisplay(console, total=1, live=False) as display, listen_to_commands(CommandPrinter(console)):
        display.begin(task)
        command = ["printf", r"%s\n[bold]%s\n", text, text]
        run_logged(command, cwd=tmp_path, env=os.environ, log=tmp_path / "log", label="zlib: configure")
        display.end(TaskResult(id="zlib", kind=TaskKind.STEP, label="zlib", outcome=Outcome.DONE, seconds=1.0))

    begin, *lines, end = read_terminal(console).splitlines()
    assert begin.startswith("zlib: configure $ printf ")
    assert lines == [f"zlib: configure | {text}", f"zlib: configure | [bold]{text}"]
    assert re.fullmatch(r"\[ +\d\.\ds\] zlib: done in 1\.0s", end)
    assert text in (tmp_path / "log").read_text()


def test_without_verbose_a_terminal_shows_live_progress() -> None:
    console = make_terminal()

    with ProgressDisplay(console, total=1) as display:
        display.begin(make_task("zlib"))
        assert "0 of 1 steps done" in console_text(console, display)


def test_without_a_terminal_the_preparation_has_lines_and_the_commands_of_tasks_have_none(tmp_path: Path) -> None:
    console, task = Console(file=io.StringIO(), width=80), make_task("zlib")

    def run(label: str) -> None:
        run_logged(["true"], cwd=tmp_path, env=os.environ, log=tmp_path / "log", label=label)

    with ProgressDisplay(console, total=1) as display, show_preparation(display):
        run("build tools: pip install")
        run_command(["true"])
        assert "build tools: pip install" in console_text(console, display)
        display.begin(task)
        run("zlib: configure")
        display.end(TaskResult(id="zlib", kind=TaskKind.STEP, label="zlib", outcome=Outcome.DONE, seconds=1.0))

    assert isinstance(console.file, io.StringIO)
    lines = re.findall(r"^\[ +\d\.\ds\] (.*)$", console.file.getvalue(), re.MULTILINE)
    assert lines == ["build tools: pip install", "zlib: done in 1.0s"]


def console_text(console: Console, display: ProgressDisplay) -> str:
    """Return the progress table as text."""
    with console.capture() as capture:
        console.print(display.render())
    return capture.get()


def test_a_job_is_built_with_further_options_before_its_files_are_copied(tmp_path: Path) -> None:
    shutil.copytree(FIXTURE, tmp_path / "project")
    runner = CliRunner(env={"EVERYWHEEL_STORE": str(tmp_path / "store")})
    args = ["--project", str(tmp_path / "project"), "release", "build-job", "zig-manylinux_2_17_x86_64"]

    planned = runner.invoke(main, [*args, "--dry-run", "--linkage", "static"])
    misspelled = runner.invoke(main, [*args, "--dry-rum"])

    assert planned.stdout.splitlines()[-1] == "4 steps, 4 to build"
    assert planned.stderr.startswith("error: job zig-manylinux_2_17_x86_64 did not build fixture-1.0-cp311-abi3-")
    assert planned.exit_code == 8
    assert "No such option '--dry-rum'" in misspelled.stderr
    assert misspelled.exit_code == 2


@pytest.mark.parametrize("raised", [KeyboardInterrupt, Interrupted, click.Abort])
def test_an_interruption_is_described_by_the_command(
    raised: type[BaseException], capsys: pytest.CaptureFixture[str]
) -> None:
    plain, described = raised(), raised()
    with contextlib.suppress(raised), describe_interruption("files are kept"):
        raise described
    for error, message in ((plain, "interrupted\n"), (described, "interrupted: files are kept\n")):
        with pytest.raises(click.exceptions.Exit) as end:
            exit_for(error)
        assert (end.value.exit_code, capsys.readouterr().err) == (130, message)


def test_collected_options_are_one_argument_of_the_command() -> None:
    def show(name: str, limits: dict[str, int]) -> None:
        click.echo(f"{name} {sorted(limits.items())}")

    collected = collect_options("limits", dict, click.option("--low", type=int), click.option("--high", default=9))
    command = click.command("show")(click.argument("name")(collected(show)))

    result = CliRunner().invoke(command, ["x", "--low", "1"])

    assert result.output == "x [('high', 9), ('low', 1)]\n"
    assert [parameter.name for parameter in command.params] == ["name", "low", "high"]


def test_images_of_a_catalog_with_only_smoke_images_are_listed(tmp_path: Path) -> None:
    shutil.copytree(FIXTURE, tmp_path / "project")
    (tmp_path / "project" / "docker").mkdir()
    (tmp_path / "project" / "docker" / "images.toml").write_text(
        '[smoke.some]\nlibc = "glibc 2.36"\nimage = "docker.io/library/debian:12-slim"\narches = ["x86_64"]\n'
    )

    result = CliRunner().invoke(main, ["--project", str(tmp_path / "project"), "images", "list"])

    assert result.exit_code == 0, result.output
    assert result.output.startswith("smoke image ")
    assert "\nbuild image " in result.output


def pack_wheel(folder: Path, module: str, content: bytes) -> Path:
    """Write a wheel with one file."""
    path = folder / "demo-1.0-cp311-abi3-manylinux2014_x86_64.whl"
    files: dict[str, str | bytes] = {
        module: content,
        "demo-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: demo\nVersion: 1.0\n",
        "demo-1.0.dist-info/WHEEL": "Wheel-Version: 1.0\nTag: cp311-abi3-manylinux2014_x86_64\n",
        "demo-1.0.dist-info/RECORD": "",
    }
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


@pytest.mark.parametrize("command", ["deps", "sdk"])
def test_named_recipes_need_no_project(command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVERYWHEEL_STORE", str(tmp_path / "store"))
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")

    unknown, unnamed = (CliRunner().invoke(main, [command, *names]).output for names in (["zlob"], []))

    assert unknown.startswith("error: there is no recipe 'zlob'\n  hint: did you mean 'zlib'")
    assert "not a Python project" in unnamed


def run_smoke(folder: Path, monkeypatch: pytest.MonkeyPatch, *args: str | Path) -> Result:
    monkeypatch.chdir(folder)
    variables = {"EVERYWHEEL_STORE": str(folder / "store")}
    return CliRunner(env=variables).invoke(main, ["smoke", "--dry-run", *map(str, args), "--image", "debian-12"])


def test_a_wheel_without_a_project_is_matched_with_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wheel = pack_wheel(tmp_path, "_cffi_backend.abi3.so", Path(_cffi_backend.__file__).read_bytes())

    result = run_smoke(tmp_path, monkeypatch, wheel)

    assert (result.exit_code, result.stdout) == (0, f"{wheel.name} on debian-12\n")


def test_settings_in_another_file_have_the_smoke_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wheel = pack_wheel(tmp_path, "demo.py", b"")
    (tmp_path / "settings.toml").write_text('[smoke]\ncommand = ["python", "-c", "import demo"]\n')

    without = run_smoke(tmp_path, monkeypatch, wheel)
    result = run_smoke(tmp_path, monkeypatch, wheel, "--config", "settings.toml")

    assert (without.exit_code, result.exit_code) == (2, 0)
    assert result.stdout == f"{wheel.name} on debian-12\n"
