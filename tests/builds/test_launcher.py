"""The launchers that wrap compilers on Windows: cross-compiled here, and run under Wine if it is installed."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from everywheel.platforms.target import parse_target
from everywheel.store.local import Store, default_store
from everywheel.toolchains.build_tools import ensure_tools
from everywheel.toolchains.windows_launcher import SOURCE, LaunchSpec, write_launcher
from everywheel.toolchains.zig import ZigEngine

pytestmark = pytest.mark.xdist_group("launcher")

WINE = shutil.which("wine")
SERVER = shutil.which("wineserver") or "/usr/lib/wine/wineserver"
CMD = r"C:\windows\system32\cmd.exe"

StartLauncher = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    store = Store(default_store())
    folder, target = tmp_path_factory.mktemp("compiled"), parse_target("win_amd64")
    engine = ZigEngine(store=store, tools=ensure_tools(store.root), cache=folder / "zig")
    engine.prime_cache(target)
    compilers, program = engine.compilers(target), folder / "launcher.exe"
    command = [*compilers.c, "-O2", "-Wall", "-Wextra", "-Werror", str(SOURCE), "-o", str(program)]
    subprocess.run(command, env={**os.environ, **compilers.environment}, check=True)
    return program


@pytest.fixture(scope="module")
def wine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The environment of a new Wine prefix."""
    if WINE is None:
        pytest.skip("Wine is not installed (Debian: `apt-get install wine wine64`)")
    prefix = tmp_path_factory.mktemp("windows")
    environment = {**os.environ, "WINEPREFIX": str(prefix), "WINEDEBUG": "-all", "WINEDLLOVERRIDES": "mscoree,mshtml="}
    yield environment
    for flag in ("--kill", "--wait"):
        subprocess.run([SERVER, flag], env=environment, check=False, capture_output=True)


@pytest.fixture
def start_launcher(compiled: Path, wine: dict[str, str], tmp_path: Path) -> StartLauncher:
    """A function that starts a launcher under Wine."""

    def start(launch: LaunchSpec, *args: str) -> subprocess.CompletedProcess[str]:
        program = tmp_path / "my cc.exe"
        write_launcher(program, compiled, launch)
        command = [str(WINE), str(program), *args]
        return subprocess.run(
            command, env=wine, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=120
        )

    return start


def test_a_launcher_appends_its_arguments_with_their_quotes(start_launcher: StartLauncher) -> None:
    result = start_launcher(LaunchSpec(command=[CMD, "/c", "echo", "-O2"]), "-c", "a b.c", '-DX="y"')

    assert result.stdout.strip() == r'-O2 -c "a b.c" -DX=\"y\"'


def test_a_launcher_returns_the_exit_code_of_its_command(start_launcher: StartLauncher) -> None:
    assert start_launcher(LaunchSpec(command=[CMD, "/c", "exit"]), "3").returncode == 3


def test_a_launcher_sets_environment_variables_for_its_command(start_launcher: StartLauncher) -> None:
    variables = {"PKG_CONFIG_LIBDIR": r"Z:\ä;Z:\b=c", "SECOND": "2"}

    result = start_launcher(LaunchSpec(command=[CMD, "/c", "echo"], environment=variables), "%SECOND%")

    assert result.stdout.strip() == "2"


def test_a_launcher_prints_the_prefix_for_print_search_dirs(start_launcher: StartLauncher) -> None:
    launch = LaunchSpec(command=[CMD, "/c", "echo"], libraries=Path("/prefix/lib"))

    assert start_launcher(launch, "--print-search-dirs").stdout.strip() == "libraries: =/prefix/lib"
    assert start_launcher(launch, "-c").stdout.strip() == "-c"


def test_a_missing_command_is_named(start_launcher: StartLauncher) -> None:
    result = start_launcher(LaunchSpec(command=[r"C:\no\gcc.exe", "-O2"]))

    assert result.returncode == 127
    assert result.stderr.startswith(r"cannot start C:\no\gcc.exe -O2 (error ")
