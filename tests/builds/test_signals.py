"""Every signal at every stage: the builder and all that it started end in two seconds, and the terminal is as before."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from fixture_project import FIXTURES, FixtureProject
from processes import TerminalBuilder, adopt_orphans, wait_until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")

TARGET = "manylinux2014_x86_64"
LIMIT = 2.0  # seconds between a signal and the end of the builder
KILL_LIMIT = 3.0  # seconds between SIGKILL and the end of everything that the builder started
SLEEP = "/bin/sleep 61"
LAST_LINE = "interrupted: finished steps are in the store, and the next run resumes after them"


@pytest.fixture
def slow_server() -> Iterator[str]:
    """The address of a server that answers every request with a byte per tenth of a second."""
    ended = threading.Event()

    def answer(connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            connection.recv(65536)
            connection.sendall(b"HTTP/1.0 200 OK\r\nContent-Type: text/html\r\nContent-Length: 1000000\r\n\r\n")
            while not ended.wait(0.1):
                connection.sendall(b" ")

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=answer, args=[server.accept()[0]], daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}/"
        ended.set()


@dataclass
class Scene:
    """A project and the address of the slow server, from which a stage starts a builder."""

    project: FixtureProject
    server: str

    def start(self, *args: str, **variables: str) -> TerminalBuilder:
        project = self.project
        environment = {"EVERYWHEEL_STORE": str(project.store), "EVERYWHEEL_MIRRORS": str(project.mirror), **variables}
        return TerminalBuilder(args, cwd=project.root, env={**os.environ, **environment})


@pytest.fixture
def scene(project: FixtureProject, slow_server: str) -> Scene:
    return Scene(project, slow_server)


def while_tools_are_installed(scene: Scene) -> TerminalBuilder:
    (scene.project.store / "tools").unlink()
    builder = scene.start("deps", "libbar", "-t", TARGET, PIP_INDEX_URL=scene.server, PIP_CONFIG_FILE=os.devnull)
    builder.wait_for_command(" pip .*-r ")
    return builder


def while_fetching(scene: Scene) -> TerminalBuilder:
    builder = scene.start("deps", "libbar", "-t", TARGET, EVERYWHEEL_MIRRORS=scene.server)
    builder.wait_for_output("download")
    return builder


def while_unpacking(scene: Scene) -> TerminalBuilder:
    project = scene.project
    project.add_headers_recipe("many")
    archive = project.folder / "many.tar"
    with tarfile.open(archive, "w") as tar:
        for number in range(20_000):
            tar.addfile(tarfile.TarInfo(f"many-1.0/{number % 100}/{number}.h"))
    old = (project.root / "recipes" / "many" / "recipe.toml").read_text().partition('sha256 = "')[2][:64]
    project.pin("many", old, archive)
    builder = scene.start("deps", "many", "-t", TARGET)
    assert wait_until(lambda: any((project.store / "work").rglob("99.h")))
    return builder


def while_compiling(scene: Scene) -> TerminalBuilder:
    project = scene.project
    source = project.folder / "slow"
    shutil.copytree(FIXTURES / "libbar", source)
    with (source / "meson.build").open("a") as file:
        file.write(
            f"custom_target('slow', output: 'slow', command: ['sh', '-c', '{SLEEP}; :'], build_by_default: true)\n"
        )
    old = hashlib.sha256((project.folder / "libbar.tar.gz").read_bytes()).hexdigest()
    project.pin("libbar", old, project.pack("libbar", source))
    builder = scene.start("deps", "libbar", "-t", TARGET)
    builder.wait_for_command(f"^{SLEEP}$")
    return builder


def while_testing(scene: Scene) -> TerminalBuilder:
    scene.project.replace(
        "pyproject.toml", '"import fixture; assert fixture.answer() == 42"', f"'import os; os.system(\"{SLEEP}; :\")'"
    )
    builder = scene.start("build", "-t", TARGET)
    builder.wait_for_command(f"^{SLEEP}$", 120)  # it may build the wheel again
    return builder


def in_a_shell(scene: Scene) -> TerminalBuilder:
    """A program in the shell has set the terminal to raw mode without echo."""
    builder = scene.start("shell", "libbar", "-t", TARGET, "--run", f"stty raw -echo; {SLEEP}; :")
    builder.wait_for_command(f"^{SLEEP}$")
    return builder


def type_interrupt(builder: TerminalBuilder) -> None:
    builder.type("\x03")


def type_quit(builder: TerminalBuilder) -> None:
    builder.type("\x1c")


def type_interrupt_often(builder: TerminalBuilder) -> None:
    for _ in range(5):
        builder.type("\x03")
        time.sleep(0.02)


def terminate(builder: TerminalBuilder) -> None:
    builder.process.send_signal(signal.SIGTERM)


def close(builder: TerminalBuilder) -> None:
    builder.close_terminal()


CASES = [
    (while_tools_are_installed, type_interrupt),
    (while_fetching, terminate),
    (while_fetching, close),
    (while_unpacking, type_quit),
    (while_compiling, type_interrupt_often),
    (in_a_shell, terminate),
]


@pytest.mark.parametrize(("stage", "interrupt"), CASES, ids=lambda function: function.__name__)
def test_an_interrupted_builder_ends_with_everything_that_it_started(
    scene: Scene, stage: Callable[[Scene], TerminalBuilder], interrupt: Callable[[TerminalBuilder], None]
) -> None:
    with adopt_orphans() as list_left, stage(scene) as builder:
        began = time.monotonic()
        interrupt(builder)
        exit_code = builder.wait()
        seconds = time.monotonic() - began

        assert (exit_code, list_left()) == (130, [])
        assert seconds < LIMIT
        if interrupt is not close:
            assert builder.attributes == builder.attributes_before
            assert builder.is_cursor_visible
            assert builder.last_line == ("interrupted" if stage is in_a_shell else LAST_LINE)
            assert "Traceback" not in builder.output


def test_an_interrupted_smoke_test_ends(project_copy: FixtureProject, slow_server: str) -> None:
    with adopt_orphans() as list_left, while_testing(Scene(project_copy, slow_server)) as builder:
        builder.type("\x03")

        assert (builder.wait(LIMIT), list_left()) == (130, [])
        assert builder.last_line == LAST_LINE


@pytest.mark.parametrize("stage", [while_tools_are_installed, while_compiling], ids=lambda function: function.__name__)
def test_nothing_survives_a_killed_builder(scene: Scene, stage: Callable[[Scene], TerminalBuilder]) -> None:
    with adopt_orphans() as list_left, stage(scene) as builder:
        builder.process.kill()
        builder.process.wait()

        assert wait_until(lambda: not list_left(), KILL_LIMIT), list_left()


def test_a_call_that_python_cannot_interrupt_does_not_delay_the_end() -> None:
    """Such as one that packs a large file: signals are handled between two instructions of the main thread only."""
    script = (
        "import hashlib, sys; import everywheel.cli.main as module; from everywheel.cli.program import run_program\n"
        "module.main = lambda: (print('ready', flush=True), hashlib.pbkdf2_hmac('sha256', b'', b'', 10**9))\n"
        "run_program()\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGTERM)

    assert process.communicate(timeout=LIMIT) == ("", "interrupted\n")
    assert process.returncode == 130


def test_a_signal_during_a_destructor_ends_the_program_without_a_traceback() -> None:
    script = (
        "import os, signal; import everywheel.cli.main as module; from everywheel.cli.program import run_program\n"
        "from everywheel.execution.cancellation import check_cancellation\n"
        "class Destroyed:\n"
        "    def __del__(self):\n"
        "        os.kill(os.getpid(), signal.SIGINT)\n"
        "        for number in range(1000): pass\n"
        "def main():\n"
        "    Destroyed()\n"
        "    print('it continues')\n"
        "    check_cancellation()\n"
        "module.main = main\n"
        "run_program()\n"
    )

    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)

    assert (result.returncode, result.stdout, result.stderr) == (130, "it continues\n", "interrupted\n")


def test_a_signal_that_was_ignored_before_remains_ignored() -> None:
    script = (
        "import os, signal, sys; import everywheel.cli.main as module; from everywheel.cli.program import run_program\n"
        "signal.signal(signal.SIGHUP, signal.SIG_IGN)\n"
        "module.main = lambda: sys.exit(os.kill(os.getpid(), signal.SIGHUP))\n"
        "run_program()\n"
    )

    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
