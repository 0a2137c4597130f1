"""Imports for a target that QEMU runs: QEMU is a script that starts this Python, and the wheel has one of its modules."""

from __future__ import annotations

import json
import os
import platform
import shutil
import sys
import sysconfig
from dataclasses import replace
from pathlib import Path

import pytest
from everywheel.cli.wheel_tests import check_wheels
from everywheel.config.project import load_project
from everywheel.errors import SmokeError
from everywheel.execution.notices import listen_to_notices
from everywheel.pipeline import BuildOptions
from everywheel.platforms.target import parse_target
from everywheel.smoke.emulated import import_foreign_modules, import_with_installed_python
from everywheel.smoke.foreign_python import find_foreign_python
from everywheel.smoke.installed_python import find_installed_python
from everywheel.store.local import FIXED_TIME, Store
from everywheel.wheels.wheel import WheelFile, pack_wheel, read_wheel
from example_wheels import make_demo_wheel

BASE = Path(__file__).parents[1] / "failing" / "base"
TARGET = parse_target("manylinux2014_aarch64")
DYNLOAD, SUFFIX = Path(sysconfig.get_config_var("DESTSHARED")), sysconfig.get_config_var("EXT_SUFFIX")
VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="loads a module of Linux")


def make_wheel(folder: Path, package: str, python: str = VERSION, target: str = "manylinux2014_aarch64") -> Path:
    """Pack a wheel with a module of the standard library in a package whose `__init__.py` has this text."""
    tag = f"cp{python.replace('.', '')}-abi3-{target}"
    wheel_file = f"Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: false\nTag: {tag}\n"
    info = {"METADATA": b"Metadata-Version: 2.1\nName: demo\nVersion: 1.0\n", "WHEEL": wheel_file.encode()}
    wheel = make_demo_wheel(tag, {"demo/__init__.py": package.encode()})
    module = {f"demo/_json{SUFFIX}": WheelFile(data=(DYNLOAD / f"_json{SUFFIX}").read_bytes())}
    texts = {f"{wheel.dist_info}/{name}": WheelFile(data=data) for name, data in info.items()}
    return pack_wheel(replace(wheel, files={**wheel.files, **module, **texts}), folder, epoch=FIXED_TIME)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """A store with an interpreter for arm64, and a QEMU and a C library for it."""
    store, root, programs = Store(tmp_path / "store"), tmp_path / "root", tmp_path / "bin"
    interpreter = store.root / "tools" / "python-glibc-aarch64-0123" / "bin" / f"python{VERSION}"
    for file in (interpreter, interpreter.parents[1] / "complete", root / "lib" / "ld-linux-aarch64.so.1"):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("")
    programs.mkdir()
    qemu = programs / "qemu-aarch64-static"
    qemu.write_text(f'#!/bin/sh\nunset PYTHONHOME\nshift 3\nexec {sys.executable} "$@"\n')
    qemu.chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("QEMU_LD_PREFIX", str(root))
    monkeypatch.setenv("EVERYWHEEL_STORE", str(store.root))
    return store


def test_the_wheels_of_a_build_are_tested_at_the_same_time_and_the_first_failure_is_raised(
    store: Store, tmp_path: Path
) -> None:
    """Each wheel waits until the other one is imported as well."""
    shutil.copytree(BASE, tmp_path / "project")
    (tmp_path / "imported").mkdir()
    wait = f"""
import pathlib, time
folder, end = pathlib.Path({str(tmp_path / "imported")!r}), time.monotonic() + 120
(folder / __file__.replace("/", "-")).touch()
while len(list(folder.iterdir())) < 2:
    assert time.monotonic() < end, "no other one is imported"
    time.sleep(0.05)
"""
    wheels = {
        tag: (make_wheel(tmp_path / tag, wait, target=tag), parse_target(tag))
        for tag in ("manylinux2014_aarch64", "manylinux_2_28_aarch64")
    }
    project, options = load_project(tmp_path / "project"), BuildOptions(jobs=2, offline=True)

    assert check_wheels(project, wheels, store, options) == dict.fromkeys(wheels, "modules imported under QEMU")

    wheels["bad"] = (make_wheel(tmp_path / "bad", "raise OSError('no data')\n"), TARGET)
    with pytest.raises(SmokeError, match=r"demo\._json cannot be imported: OSError: no data"):
        check_wheels(project, wheels, store, options)


def test_modules_are_imported_once_and_a_failure_names_the_module(store: Store, tmp_path: Path) -> None:
    shutil.copytree(BASE, tmp_path / "project")
    project = load_project(tmp_path / "project")
    good, bad = make_wheel(tmp_path / "good", ""), make_wheel(tmp_path / "bad", "raise OSError('no data')\n")

    outcomes = [import_foreign_modules(project, good, TARGET, store, offline=True)]
    with pytest.raises(SmokeError) as caught:
        import_foreign_modules(project, bad, TARGET, store, offline=True)
    (tmp_path / "bin" / "qemu-aarch64-static").write_text("#!/bin/sh\nexit 1\n")
    outcomes.append(import_foreign_modules(project, good, TARGET, store, offline=True))
    outcomes.append(import_foreign_modules(project, bad, TARGET, store, offline=True))

    assert outcomes == ["modules imported under QEMU", "modules imported under QEMU", ""]
    assert caught.value.fact == (
        f"{bad.name} does not work with Python {VERSION}: demo._json cannot be imported: OSError: no data"
    )


@pytest.mark.parametrize(
    ("tag", "error"),
    [
        ("manylinux2014_aarch64", "{}: cannot open shared object file: No such file or directory"),
        ("musllinux_1_2_aarch64", "Error loading shared library {}: No such file or directory (needed by /a/b.so)"),
    ],
)
def test_a_wheel_does_not_fail_because_a_library_of_the_system_is_missing_here(
    tag: str, error: str, store: Store, tmp_path: Path
) -> None:
    """The loader's message is raised by the package: the interpreter is this machine's."""
    shutil.copytree(BASE, tmp_path / "project")
    project, target = load_project(tmp_path / "project"), parse_target(tag)
    (store.root / "tools" / "python-glibc-aarch64-0123").rename(
        store.root / "tools" / f"python-{target.libc}-aarch64-0123"
    )
    (tmp_path / "root" / "lib" / "ld-musl-aarch64.so.1").write_text("")
    system, own = "libc.musl-aarch64.so.1" if target.libc == "musl" else "libgcc_s.so.1", "libfoo.so.1"
    wheels = {
        name: make_wheel(tmp_path / name, f"raise ImportError({error.format(name)!r})\n", target=tag)
        for name in (system, own)
    }
    notices: list[str] = []

    with listen_to_notices(notices.append):
        outcome = import_foreign_modules(project, wheels[system], target, store, offline=True)
    with pytest.raises(SmokeError, match=r"demo\._json cannot be imported: ImportError: .*libfoo\.so\.1"):
        import_foreign_modules(project, wheels[own], target, store, offline=True)

    assert (outcome, notices) == (
        "",
        [
            f"{wheels[system].name} was not imported: {tmp_path / 'root'} has no {system}, which every system has that its "
            "tag claims"
        ],
    )


def test_requirements_that_are_not_available_are_reported(store: Store, tmp_path: Path) -> None:
    shutil.copytree(BASE, tmp_path / "project")
    wheel = make_wheel(tmp_path, "")
    path = f"{make_demo_wheel('py3-none-any', {}).dist_info}/METADATA"
    contents = read_wheel(wheel)
    metadata = WheelFile(data=contents.files[path].data + b"Requires-Dist: everywheel-none\n")
    wheel = pack_wheel(replace(contents, files={**contents.files, path: metadata}), tmp_path, epoch=FIXED_TIME)
    notices: list[str] = []

    with listen_to_notices(notices.append):
        outcome = import_foreign_modules(load_project(tmp_path / "project"), wheel, TARGET, store, offline=True)

    assert (outcome, notices) == ("", [f"{wheel.name} was not imported: {wheel.name}: pip install failed (exit 1)"])


@pytest.mark.parametrize(
    "missing", ["root/lib/ld-linux-aarch64.so.1", "store/tools/python-glibc-aarch64-0123/complete"]
)
def test_nothing_is_run_without_a_c_library_or_an_interpreter(missing: str, store: Store, tmp_path: Path) -> None:
    wheel = tmp_path / f"demo-1.0-cp{VERSION.replace('.', '')}-abi3-manylinux2014_aarch64.whl"
    assert find_foreign_python(TARGET, wheel, store) is not None
    (tmp_path / missing).unlink()

    assert find_foreign_python(TARGET, wheel, store) is None


@pytest.mark.parametrize(
    ("tags", "version"), [("cp314-cp314t", "3.14t"), ("cp313-cp313", "3.13"), ("cp314-cp314", None), ("py3-none", None)]
)
def test_an_interpreter_without_a_gil_is_found_for_its_wheels(
    tags: str, version: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The programs answer like interpreters of these versions, since machines have few of them."""
    for known in ("3.13", "3.14t"):
        facts = {"implementation": "cpython", "version": known, "build": "", "prefix": str(tmp_path)}
        program = tmp_path / "bin" / f"python{known}"
        program.parent.mkdir(exist_ok=True)
        program.write_text(f"#!/bin/sh\necho '{json.dumps(facts)}'\n")
        program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    wheel = tmp_path / f"demo-1.0-{tags}-manylinux2014_x86_64.whl"

    python = find_installed_python(parse_target("manylinux2014_x86_64"), wheel)

    assert (python.version if python else None) == version


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the wheels are for glibc")
def test_a_wheel_for_this_machine_is_imported_with_an_installed_python_of_its_version(tmp_path: Path) -> None:
    shutil.copytree(BASE, tmp_path / "project")
    project, store, tag = (
        load_project(tmp_path / "project"),
        Store(tmp_path / "store"),
        f"manylinux2014_{platform.machine()}",
    )
    good, bad = (make_wheel(tmp_path / name, code, target=tag) for name, code in (("good", ""), ("bad", "1 / 0\n")))
    newer = make_wheel(tmp_path / "newer", "", "3.99", tag)

    outcomes = [
        import_with_installed_python(project, wheel, parse_target(tag), store, offline=True) for wheel in (good, newer)
    ]
    with pytest.raises(SmokeError) as caught:
        import_with_installed_python(project, bad, parse_target(tag), store, offline=True)

    assert outcomes == [f"modules imported with CPython {VERSION}", ""]
    assert caught.value.fact.endswith("demo._json cannot be imported: ZeroDivisionError: division by zero")
