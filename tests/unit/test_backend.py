"""What is told to a build backend, and that its sources are only read. (Real builds are in the integration tests.)"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from everywheel.errors import BuildError, UsageError
from everywheel.platforms.target import parse_target
from everywheel.wheels.pep517 import (
    WheelBuild,
    ask_requirements,
    build_wheel,
    choose_settings,
    copy_source,
    describe_python,
    read_build_system,
)

# A backend of a few lines, in the project itself (PEP 517, `backend-path`): it records how it was called.
BACKEND = """
import json, os, pathlib, zipfile
def get_requires_for_build_wheel(settings=None):
    return ["ninja"]
def build_wheel(folder, settings=None, metadata=None):
    if os.environ.get("FAIL"):
        raise SystemExit("error: no compiler")
    name = "demo-1.0-cp313-abi3-linux_x86_64.whl"
    called = {"settings": settings, "cwd": os.getcwd(), "env": dict(os.environ)}
    pathlib.Path(folder, "called.json").write_text(json.dumps(called))
    with zipfile.ZipFile(pathlib.Path(folder, name), "w"):
        return name
"""


def make_build(folder: Path, backend: str, **environment: str) -> WheelBuild:
    source = folder / "extension"
    source.mkdir()
    (source / "pyproject.toml").write_text(
        f'[build-system]\nrequires = ["it"]\nbuild-backend = "{backend}"\nbackend-path = ["."]\n'
    )
    (source / "own_backend.py").write_text(BACKEND)
    (source / "tool.sh").write_text("#!/bin/sh\n")
    (source / "tool.sh").chmod(0o700)
    (source / "__pycache__").mkdir()
    (source / "__pycache__" / "x.pyc").write_text("")
    return WheelBuild(
        target=parse_target("musllinux_1_2_aarch64"),
        source=source,
        workspace=folder / "work",
        prefix=folder / "prefix",
        python=Path(sys.executable),
        python_version="3.11.2",
        cross_file=Path("/t/cross.ini"),
        native_file=Path("/t/native.ini"),
        cmake_file=Path("/t/toolchain.cmake"),
        environment=environment,
        log=folder / "log",
        label="demo 1.0",
    )


def test_a_backend_is_called_in_a_copy_with_the_environment_that_was_given(tmp_path: Path) -> None:
    build = make_build(tmp_path, "own_backend", CC="zig-cc")

    wheel = build_wheel(build)

    called = json.loads((wheel.parent / "called.json").read_text())
    assert wheel == tmp_path / "work" / "dist" / "demo-1.0-cp313-abi3-linux_x86_64.whl"
    assert called["cwd"] == str(tmp_path / "work" / "source")
    assert called["settings"] == {}
    assert called["env"]["CC"] == "zig-cc"
    assert called["env"]["_PYTHON_HOST_PLATFORM"] == "linux-aarch64"
    assert "HOME" not in called["env"]


def test_a_backend_says_what_it_needs_beyond_the_static_requirements(tmp_path: Path) -> None:
    build = make_build(tmp_path, "own_backend")

    assert read_build_system(build.source).requires == ("it",)
    assert ask_requirements(build) == ("ninja",)


def test_a_copy_has_the_same_modes_on_every_machine_and_nothing_that_builds_leave_behind(tmp_path: Path) -> None:
    copy = copy_source(make_build(tmp_path, "own_backend"))

    assert {path.name: oct(path.stat().st_mode & 0o777) for path in sorted(copy.iterdir())} == {
        "own_backend.py": "0o644",
        "pyproject.toml": "0o644",
        "tool.sh": "0o755",
    }


def test_a_backend_that_fails_is_told_with_its_words(tmp_path: Path) -> None:
    build = make_build(tmp_path, "own_backend", FAIL="1")

    with pytest.raises(BuildError) as caught:
        build_wheel(build)

    assert caught.value.fact == "demo 1.0 for musllinux_1_2_aarch64: own_backend failed (exit 1)"
    assert caught.value.excerpt == ("error: no compiler",)


def test_a_project_without_a_pyproject_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        read_build_system(tmp_path)

    assert caught.value.render() == f"error: {tmp_path / 'pyproject.toml'}: no such file"


def test_a_project_without_a_build_system_table_is_built_with_setuptools(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("")

    assert read_build_system(tmp_path).backend == "setuptools.build_meta:__legacy__"


def test_meson_python_gets_cross_files_and_the_targets_python(tmp_path: Path) -> None:
    build = make_build(tmp_path, "mesonpy")
    build.workspace.mkdir()

    settings = choose_settings(build)

    assert settings["build-dir"] == str(build.workspace / "build")
    assert settings["setup-args"] == [
        "--cross-file=/t/cross.ini",
        "--native-file=/t/native.ini",
        f"-Dpython.build_config={build.workspace / 'build-details.json'}",
        "-Dpython.allow_limited_api=true",
        "-Dbuildtype=plain",
        "-Db_ndebug=true",
        "--wrap-mode=nodownload",
    ]
    assert json.loads((build.workspace / "build-details.json").read_text())["platform"] == "linux-aarch64"


def test_meson_python_is_answered_by_a_python_of_the_targets_where_meson_reads_no_description(tmp_path: Path) -> None:
    build = replace(make_build(tmp_path, "mesonpy"), target=parse_target("macosx_11_0_arm64"))
    build.workspace.mkdir()
    arguments = choose_settings(build)["setup-args"]
    python = build.workspace / "python"
    told = json.loads(subprocess.run([python, "/x/python_info.py"], capture_output=True, check=True).stdout)
    ran = subprocess.run([python, "-c", "print(6 * 7)"], capture_output=True, text=True, check=True).stdout

    assert f"--cross-file={build.workspace / 'python.ini'}" in arguments
    assert not any("build_config" in argument for argument in arguments)
    assert (build.workspace / "python.ini").read_text() == f"[binaries]\npython = '{python}'\n"
    assert (told["platform"], told["version"]) == ("macosx-11.0-arm64", "3.11")
    assert (told["suffix"], told["limited_api_suffix"]) == (".cpython-311-darwin.so", ".abi3.so")
    assert told["variables"]["INCLUDEPY"] == str(build.prefix / "include" / "python")
    assert ran == "42\n"


def test_the_projects_own_settings_come_after_ours(tmp_path: Path) -> None:
    build = make_build(tmp_path, "mesonpy")
    build.workspace.mkdir(exist_ok=True)

    settings = choose_settings(
        replace(build, settings={"setup-args": "-Dx=y", "build-dir": "/elsewhere", "new": ["z"]})
    )

    assert settings["setup-args"][-2:] == ["--wrap-mode=nodownload", "-Dx=y"]
    assert (settings["build-dir"], settings["new"]) == ("/elsewhere", ["z"])


def test_the_limited_api_is_refused_where_the_wheel_is_for_one_python(tmp_path: Path) -> None:
    build = replace(make_build(tmp_path, "mesonpy"), limited_api=False, free_threaded=True)
    build.workspace.mkdir()

    settings = choose_settings(build)

    assert "-Dpython.allow_limited_api=false" in settings["setup-args"]
    details = json.loads((build.workspace / "build-details.json").read_text())
    assert details["abi"]["flags"] == ["t"]
    assert details["abi"]["extension_suffix"] == ".cpython-311t-aarch64-linux-musl.so"


def test_scikit_build_core_is_told_of_a_python_without_a_gil(tmp_path: Path) -> None:
    settings = choose_settings(replace(make_build(tmp_path, "scikit_build_core.build"), free_threaded=True))

    assert settings["cmake.define.SKBUILD_SOABI"] == "cpython-311t-aarch64-linux-musl"


def test_scikit_build_core_gets_the_toolchain_file(tmp_path: Path) -> None:
    settings = choose_settings(make_build(tmp_path, "scikit_build_core.build"))

    assert settings["cmake.define.CMAKE_TOOLCHAIN_FILE"] == "/t/toolchain.cmake"
    assert settings["cmake.define.Python_INCLUDE_DIR"] == str(tmp_path / "prefix" / "include" / "python")
    assert settings["cmake.define.SKBUILD_SOABI"] == "cpython-311-aarch64-linux-musl"


@pytest.mark.parametrize(
    ("tag", "suffix"),
    [
        ("manylinux2014_x86_64", ".cpython-311-x86_64-linux-gnu.so"),
        ("manylinux2014_armv7l", ".cpython-311-arm-linux-gnueabihf.so"),
        ("manylinux2014_i686", ".cpython-311-i386-linux-gnu.so"),
        ("musllinux_1_2_aarch64", ".cpython-311-aarch64-linux-musl.so"),
    ],
)
def test_the_targets_python_is_described_after_pep_739(tag: str, suffix: str, tmp_path: Path) -> None:
    details = describe_python(parse_target(tag), "3.11.2", tmp_path)

    assert details["schema_version"] == "1.0"
    assert details["base_prefix"] == str(tmp_path)
    assert details["abi"] == {"flags": [], "extension_suffix": suffix, "stable_abi_suffix": ".abi3.so"}
    assert details["c_api"] == {"headers": "include/python"}
    assert details["implementation"]["hexversion"] == 0x030B02F0  # type: ignore[index]


def test_a_python_version_that_is_not_full_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BuildError) as caught:
        describe_python(parse_target("manylinux2014_x86_64"), "3.11", tmp_path)

    assert caught.value.render() == (
        "error: the Python headers have no full version: '3.11'\n  hint: give the recipe of the headers a version like 3.11.9"
    )
