"""Engines: compilers of the native engine, the payload of a container, and the choice of an image."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from pathlib import Path

import pytest
from everywheel.config.project import load_project
from everywheel.containers.catalog import find_catalog, load_catalog
from everywheel.errors import BuildError, MachineError, UsageError
from everywheel.execution.cancellation import Interrupted
from everywheel.planning.keys import find_identities
from everywheel.planning.plan import make_plan
from everywheel.platforms.target import parse_target
from everywheel.store.local import Store
from everywheel.toolchains.build_tools import Tools
from everywheel.toolchains.compilers import EngineName
from everywheel.toolchains.engines import check_engine, open_engine
from everywheel.toolchains.native import NativeEngine, native_facts, native_target, split_command

ROOT = Path(__file__).parents[2]
CATALOG = load_catalog(find_catalog(ROOT))
GLIBC = parse_target("manylinux_2_36_x86_64")


@pytest.fixture
def machine(tmp_path: Path) -> dict[str, str]:
    """The environment of a build image whose compiler does not know a flag of lld."""
    for name in ("cc", "c++", "ar", "ranlib"):
        (tmp_path / name).write_text('#!/bin/sh\ncase "$*" in *undefined-version*) exit 1 ;; esac\necho gcc 10\n')
        (tmp_path / name).chmod(0o755)
    return {"PATH": f"{tmp_path}:/bin", "AUDITWHEEL_PLAT": "manylinux2014_x86_64", "HOME": "/root"}


def test_the_native_engine_uses_the_compilers_of_the_machine(machine: dict[str, str], tmp_path: Path) -> None:
    compilers = NativeEngine(environ=machine).compilers(GLIBC)

    assert (compilers.c[0], compilers.cxx[0]) == (str(tmp_path / "cc"), str(tmp_path / "c++"))
    assert compilers.build_c == compilers.c
    assert compilers.runs_target
    assert not compilers.undefined_version


def test_a_variable_can_name_a_compiler(machine: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "my-cc").write_text("#!/bin/sh\n")
    (tmp_path / "my-cc").chmod(0o755)

    compilers = NativeEngine(environ={**machine, "CC": "my-cc"}).compilers(GLIBC)

    assert compilers.c[0] == str(tmp_path / "my-cc")


@pytest.mark.parametrize("tag", ["musllinux_1_2_x86_64", "manylinux2014_aarch64"])
def test_the_native_engine_builds_only_for_its_own_machine(machine: dict[str, str], tag: str) -> None:
    target = parse_target(tag)

    with pytest.raises(UsageError) as raised:
        NativeEngine(environ=machine).compilers(target)
    assert raised.value.render() == (
        f"error: the native engine cannot build for {target.tag}: this machine builds for manylinux_2_17_x86_64\n"
        "  hint: the zig engine builds for every target on any machine"
    )


def test_a_floor_below_that_of_the_machine_is_an_error(machine: dict[str, str]) -> None:
    engine = NativeEngine(environ={**machine, "AUDITWHEEL_PLAT": "manylinux_2_36_x86_64"})

    with pytest.raises(UsageError, match=r"cannot build for manylinux_2_17_x86_64: this machine builds for"):
        engine.compilers(parse_target("manylinux2014_x86_64"))


def test_on_a_mac_compilers_receive_the_oldest_macos(machine: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.system", lambda: "Darwin")
    monkeypatch.setattr("platform.machine", lambda: "arm64")
    mac = {name: value for name, value in machine.items() if name != "AUDITWHEEL_PLAT"}

    compilers = NativeEngine(environ=mac).compilers(parse_target("macosx_12_0_arm64"))

    assert native_target(mac).tag == "macosx_11_0_arm64"
    assert native_target({**mac, "MACOSX_DEPLOYMENT_TARGET": "10.15"}).tag == "macosx_11_0_arm64"  # no older for arm64
    assert native_target({**mac, "MACOSX_DEPLOYMENT_TARGET": "13.0"}).tag == "macosx_13_0_arm64"
    assert compilers.c[-3:] == ("-arch", "arm64", "-mmacosx-version-min=12.0")
    with pytest.raises(UsageError, match="this machine builds for macosx_11_0_arm64"):
        NativeEngine(environ=mac).compilers(GLIBC)


@pytest.fixture
def windows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The environment of a Windows machine with compilers of MinGW, for two architectures, and of Microsoft."""
    monkeypatch.setattr("platform.system", lambda: "Windows")
    monkeypatch.setattr("platform.machine", lambda: "AMD64")
    machines = {
        "gcc": "x86_64-w64-mingw32",
        "g++": "x86_64-w64-mingw32",
        "clang": "x86_64-pc-windows-msvc",
        "gcc32": "i686-w64-mingw32",
        "zig": "x86_64-unknown-windows-gnu",
    }
    for name in ("ar", "ranlib", "dlltool", "windres"):
        machines[name] = ""
    for name, machine in machines.items():
        (tmp_path / name).write_text(f'#!/bin/sh\ncase "$*" in *-dumpmachine) echo {machine} ;; esac\n')
    (tmp_path / "cl").write_text("#!/bin/sh\necho 'cl : Command line error D8003'\nexit 2\n")
    for path in tmp_path.iterdir():
        path.chmod(0o755)
    return {"PATH": str(tmp_path), "SYSTEMROOT": "C:\\Windows", "SECRET": "x"}


def test_on_windows_mingw_is_used_and_its_libraries_are_linked_statically(
    windows: dict[str, str], tmp_path: Path
) -> None:
    compilers = NativeEngine(environ=windows, store=tmp_path).compilers(native_target(windows))

    assert native_target(windows).tag == "win_amd64"
    assert (compilers.c[0], compilers.cxx[0]) == (str(tmp_path / "gcc"), str(tmp_path / "g++"))
    assert (compilers.dlltool, compilers.windres) == ((str(tmp_path / "dlltool"),), (str(tmp_path / "windres"),))
    assert compilers.link == ("-static",)
    assert compilers.launcher is not None
    assert compilers.launcher.parent.parent == tmp_path / "tools"
    assert compilers.environment == {"SYSTEMROOT": "C:\\Windows"}


def test_a_variable_can_name_a_compiler_with_arguments(windows: dict[str, str], tmp_path: Path) -> None:
    environ = {**windows, "CC": "zig cc", "CXX": "zig c++"}

    compilers = NativeEngine(environ=environ, store=tmp_path).compilers(native_target(windows))

    assert compilers.c[:2] == (str(tmp_path / "zig"), "cc")
    assert compilers.cxx[:2] == (str(tmp_path / "zig"), "c++")


def test_a_command_is_split_as_the_shell_of_the_system_does() -> None:
    assert split_command("'/a b/cc' -m64", windows=False) == ["/a b/cc", "-m64"]
    assert split_command(r'"C:\a b\zig.exe" cc', windows=True) == [r"C:\a b\zig.exe", "cc"]


@pytest.mark.parametrize(
    ("compiler", "answer"),
    [("cl", "cl : Command line error D8003"), ("clang", "x86_64-pc-windows-msvc"), ("gcc32", "i686-w64-mingw32")],
)
def test_on_windows_any_other_compiler_is_an_error(
    windows: dict[str, str], tmp_path: Path, compiler: str, answer: str
) -> None:
    engine = NativeEngine(environ={**windows, "CC": compiler}, store=tmp_path)

    with pytest.raises(MachineError) as raised:
        engine.compilers(native_target(windows))
    assert raised.value.render() == (
        f"error: the native engine cannot use {tmp_path / compiler}: recipes are built by MinGW's gcc or clang, for x86_64\n"
        f"  command: {tmp_path / compiler} -dumpmachine\n"
        f"  output: {answer}\n"
        "  hint: put MinGW-w64's gcc and g++ on PATH, or name them with CC and CXX; the zig engine on Linux needs none"
    )


def test_the_zig_engine_on_windows_is_an_error(windows: dict[str, str]) -> None:
    with pytest.raises(MachineError) as raised:
        check_engine(EngineName.ZIG)
    assert raised.value.render() == (
        "error: the zig engine does not run on Windows: its compiler wrappers are shell scripts\n"
        "  hint: `--engine native` builds for this machine with MinGW-w64's gcc; zig builds for Windows on Linux"
    )
    check_engine(EngineName.NATIVE)


@pytest.mark.parametrize("error", [KeyboardInterrupt, Interrupted])
def test_the_caches_of_an_interrupted_run_are_removed_by_the_next_run(
    tmp_path: Path, error: type[BaseException]
) -> None:
    names = ("bin", "python", "zig", "cmake", "ninja", "pkgconf", "patchelf")
    store, tools = Store(tmp_path), Tools(**{name: tmp_path / name for name in names})
    folder = tmp_path / "tmp"
    with contextlib.suppress(error), open_engine(EngineName.ZIG, store, tools):
        next(path for path in folder.iterdir() if path.is_dir()).joinpath("o").mkdir()
        raise error
    left = set(folder.iterdir())
    with open_engine(EngineName.ZIG, store, tools):
        running = set(folder.iterdir())
        with contextlib.suppress(BuildError), open_engine(EngineName.ZIG, store, tools):
            raise BuildError("a failed run removes its own")
        kept = set(folder.iterdir())

    assert (len(left), len(running)) == (2, 2)  # a directory and its lock
    assert not left & running
    assert kept == running
    assert not any(folder.iterdir())


def test_a_build_image_names_its_target(machine: dict[str, str]) -> None:
    assert native_target(machine).tag == "manylinux_2_17_x86_64"


def test_the_facts_of_machines_differ_by_their_image_or_their_compilers(
    machine: dict[str, str], tmp_path: Path
) -> None:
    first = native_facts(machine)
    (tmp_path / "cc").write_text("#!/bin/sh\necho gcc 12\n")
    second = native_facts(machine)
    (tmp_path / "cc").write_text("#!/bin/sh\n# another build of the same version\necho gcc 12\n")

    assert len({first, second, native_facts(machine)}) == 3


def test_a_python_without_xz_starts_the_toolkit() -> None:
    # As in build images whose Python was built without liblzma.
    script = "import sys; sys.modules['_lzma'] = None; from everywheel.cli.main import main; main(['build', '--help'])"

    assert "Build, repair and audit" in subprocess.check_output([sys.executable, "-c", script], text=True)


def test_keys_of_engines_differ() -> None:
    project = load_project(ROOT)
    by_zig, native = (
        make_plan(project, [GLIBC], find_identities(engine, "x")) for engine in (EngineName.ZIG, EngineName.NATIVE)
    )

    same = {id for id, step in by_zig.steps.items() if native.steps[id].key == step.key}
    assert same == {"cpython:any", "cpython-freethreaded:any"}
