"""Calls of build backends: their environment, their settings, and the copy of the extension that they work in.

(Real builds are in tests/builds.)
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from everywheel.config.build_backend import BuildBackend, read_build_backend
from everywheel.config.toml_reader import read_toml
from everywheel.errors import BuildError, UsageError
from everywheel.platforms.target import parse_target
from everywheel.toolchains.toolchain import Toolchain
from everywheel.wheels.build_details import describe_python
from everywheel.wheels.pep517 import (
    BackendCall,
    build_extension_wheel,
    copy_extension,
    query_wheel_requirements,
    settings_for,
)
from everywheel.wheels.target_folder import write_target_folder
from everywheel.wheels.target_python import TargetPython, parse_python_version

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
WARNING = """
import warnings
warnings.warn_explicit("no license\\n!!", UserWarning, __file__, 3)
"""


def make_extension(folder: Path) -> Path:
    extension = folder / "extension"
    extension.mkdir()
    (extension / "pyproject.toml").write_text('[project]\nname = "demo"\n')
    (extension / "own_backend.py").write_text(BACKEND)
    (extension / "tool.sh").write_text("#!/bin/sh\n")
    (extension / "tool.sh").chmod(0o700)
    (extension / "__pycache__").mkdir()
    (extension / "__pycache__" / "x.pyc").write_text("")
    return extension


def make_call(folder: Path, backend: str, tag: str = "musllinux_1_2_aarch64", **environment: str) -> BackendCall:
    target, workspace = parse_target(tag), folder / "work"
    workspace.mkdir()
    toolchain = Toolchain(
        target=target,
        directory=Path("/t"),
        prefix=folder / "prefix",
        compile_flags=(),
        cxx_flags=(),
        cxx_link_flags=(),
        link_flags=(),
        runs_target=False,
        environment={},
    )
    return BackendCall(
        target=target,
        backend=BuildBackend(name=backend, path=(".",)),
        source=copy_extension(make_extension(folder), workspace / "source"),
        workspace=workspace,
        interpreter=Path(sys.executable),
        python=TargetPython(target=target, version=parse_python_version("3.11.2"), prefix=folder / "prefix"),
        toolchain=toolchain,
        environment=environment,
        log=folder / "log",
        label=f"demo 1.0 for {tag}",
    )


def add_folder(call: BackendCall) -> BackendCall:
    """Return a call on a build machine that can run the program of the target's folder."""
    folder = write_target_folder(call.python, call.toolchain, call.interpreter, call.workspace, show_project=False)
    return replace(call, folder=folder)


def test_a_backend_is_called_in_the_copy_with_the_environment_of_the_call(tmp_path: Path) -> None:
    wheel = build_extension_wheel(make_call(tmp_path, "own_backend", CC="zig-cc"))

    called = json.loads((wheel.parent / "called.json").read_text())
    assert wheel == tmp_path / "work" / "dist" / "demo-1.0-cp313-abi3-linux_x86_64.whl"
    assert called["cwd"] == str(tmp_path / "work" / "source")
    assert called["settings"] == {}
    assert called["env"]["CC"] == "zig-cc"
    assert called["env"]["_PYTHON_HOST_PLATFORM"] == "linux-aarch64"
    assert "HOME" not in called["env"]


def test_a_backend_adds_requirements_to_its_static_ones(tmp_path: Path) -> None:
    assert query_wheel_requirements(make_call(tmp_path, "own_backend")) == ("ninja",)


def test_a_copy_has_the_same_modes_on_every_machine_and_no_build_results(tmp_path: Path) -> None:
    copy = copy_extension(make_extension(tmp_path), tmp_path / "copy")

    assert {path.name: oct(path.stat().st_mode & 0o777) for path in sorted(copy.iterdir())} == {
        "own_backend.py": "0o644",
        "pyproject.toml": "0o644",
        "tool.sh": "0o755",
    }


def test_the_output_of_a_failing_backend_is_in_the_error(tmp_path: Path) -> None:
    call = make_call(tmp_path, "own_backend", FAIL="1")

    with pytest.raises(BuildError) as caught:
        build_extension_wheel(call)

    assert caught.value.fact == "demo 1.0 for musllinux_1_2_aarch64: own_backend failed (exit 1)"
    assert caught.value.excerpt == ("error: no compiler",)


@pytest.mark.filterwarnings("error")
def test_warnings_of_a_backend_are_in_its_log_only(tmp_path: Path) -> None:
    call = make_call(tmp_path, "own_backend")
    backend = call.source / "own_backend.py"
    backend.write_text(BACKEND + WARNING)

    build_extension_wheel(call)

    assert f"{backend}:3: warning: no license\n!!\n" in call.log.read_text()


def test_a_backend_path_outside_the_project_is_an_error(tmp_path: Path) -> None:
    call = replace(make_call(tmp_path, "own_backend"), backend=BuildBackend(name="own_backend", path=("..",)))

    with pytest.raises(UsageError, match=r"^demo 1\.0 for \w+: \[build-system\] of its pyproject\.toml: "):
        build_extension_wheel(call)


def test_a_build_system_table_is_read(tmp_path: Path) -> None:
    path = tmp_path / "pyproject.toml"
    path.write_text('[build-system]\nrequires = ["it"]\nbuild-backend = "own:object"\nbackend-path = ["."]\n')

    backend = read_build_backend(read_toml(path))

    assert (backend.requires, backend.name, backend.path, backend.module) == (("it",), "own:object", (".",), "own")


def test_a_project_without_a_build_system_table_is_built_with_setuptools(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("")

    backend = read_build_backend(read_toml(tmp_path / "pyproject.toml"))

    assert (backend.requires, backend.name) == (("setuptools>=40.8.0",), "setuptools.build_meta:__legacy__")


def test_meson_python_receives_cross_files_and_a_python_that_reports_the_targets_facts(tmp_path: Path) -> None:
    call = add_folder(make_call(tmp_path, "mesonpy"))
    assert call.folder is not None
    python = call.folder.program

    settings = settings_for(call)

    info = subprocess.run([python, "/x/python_info.py"], capture_output=True, check=True, env={"PATH": ""})
    facts = json.loads(info.stdout)
    output = subprocess.run([python, "-c", "print(6 * 7)"], capture_output=True, text=True, check=True).stdout
    assert settings["build-dir"] == str(call.workspace / "build")
    assert settings["setup-args"] == [
        "--cross-file=/t/cross.ini",
        "--native-file=/t/native.ini",
        f"--cross-file={call.folder.meson_file}",
        "-Dpython.allow_limited_api=true",
        "-Dbuildtype=plain",
        "-Db_ndebug=true",
        "--wrap-mode=nodownload",
    ]
    assert call.folder.meson_file.read_text().startswith(f"[binaries]\npython = '{python}'\npython3 = '{python}'\n")
    assert (facts["platform"], facts["version"]) == ("linux-aarch64", "3.11")
    assert (facts["suffix"], facts["limited_api_suffix"]) == (".cpython-311-aarch64-linux-musl.so", ".abi3.so")
    assert facts["variables"]["INCLUDEPY"] == str(tmp_path / "prefix" / "include" / "python")
    assert output == "42\n"


def test_on_a_machine_without_scripts_meson_python_receives_a_description_of_the_targets_python(tmp_path: Path) -> None:
    call = make_call(tmp_path, "mesonpy")

    arguments = settings_for(call)["setup-args"]

    assert arguments[2] == f"-Dpython.build_config={call.workspace / 'build-details.json'}"
    assert json.loads((call.workspace / "build-details.json").read_text())["platform"] == "linux-aarch64"


def test_a_backend_of_the_project_receives_the_settings_of_the_backend_that_it_requires(tmp_path: Path) -> None:
    own = BuildBackend(name="own_backend", path=(".",), requires=("Meson_Python>=0.18", "numpy"))

    settings = settings_for(replace(make_call(tmp_path, "own_backend"), backend=own))

    assert settings["install-args"] == ["--skip-subprojects"]


def test_the_projects_own_settings_come_after_ours(tmp_path: Path) -> None:
    call = make_call(tmp_path, "mesonpy")

    settings = settings_for(replace(call, settings={"setup-args": "-Dx=y", "build-dir": "/elsewhere", "new": ["z"]}))

    assert settings["setup-args"][-2:] == ["--wrap-mode=nodownload", "-Dx=y"]
    assert (settings["build-dir"], settings["new"]) == ("/elsewhere", ["z"])


def test_a_wheel_for_one_free_threaded_python_does_not_use_the_limited_api(tmp_path: Path) -> None:
    call = make_call(tmp_path, "mesonpy")
    python = replace(call.python, limited_api=False, free_threaded=True)

    settings = settings_for(replace(call, python=python))

    assert "-Dpython.allow_limited_api=false" in settings["setup-args"]
    details = json.loads((call.workspace / "build-details.json").read_text())
    assert details["abi"]["flags"] == ["t"]
    assert details["abi"]["extension_suffix"] == ".cpython-311t-aarch64-linux-musl.so"


def test_a_wheel_of_the_stable_abi_without_the_gil_has_its_suffix_and_meson_defines_no_other_api(
    tmp_path: Path,
) -> None:
    call = make_call(tmp_path, "mesonpy")
    python = replace(call.python, version=parse_python_version("3.15.2"), abi3t=True)

    settings = settings_for(replace(call, python=python))

    assert "-Dpython.allow_limited_api=false" in settings["setup-args"]
    details = json.loads((call.workspace / "build-details.json").read_text())
    assert details["abi"]["extension_suffix"] == ".abi3t.so"
    assert details["suffixes"]["extensions"][0] == ".abi3t.so"


def test_for_meson_a_module_of_the_stable_abi_without_the_gil_has_its_suffix(tmp_path: Path) -> None:
    call = make_call(tmp_path, "mesonpy", "macosx_11_0_arm64")

    add_folder(replace(call, python=replace(call.python, abi3t=True)))

    facts = json.loads((call.workspace / "target-python" / "python_info.json").read_text())
    assert (facts["platform"], facts["suffix"]) == ("macosx-11.0-arm64", ".abi3t.so")


def test_scikit_build_core_receives_an_interpreter_that_reports_the_targets_version(tmp_path: Path) -> None:
    call = add_folder(make_call(tmp_path, "scikit_build_core.build"))
    assert call.folder is not None

    settings = settings_for(call)

    assert settings["cmake.define.Python_EXECUTABLE"] == str(call.folder.program)
    assert settings["cmake.define.CMAKE_TOOLCHAIN_FILE"] == str(call.folder.cmake_file)
    assert call.folder.cmake_file.read_text().startswith('include("/t/toolchain.cmake")\n')


def test_scikit_build_core_receives_the_tag_of_the_stable_abi_without_the_gil(tmp_path: Path) -> None:
    call = make_call(tmp_path, "scikit_build_core.build")

    settings = settings_for(replace(call, python=replace(call.python, abi3t=True)))

    assert settings["cmake.define.SKBUILD_SOABI"] == "abi3t"


def test_scikit_build_core_receives_the_tag_of_a_free_threaded_python(tmp_path: Path) -> None:
    call = make_call(tmp_path, "scikit_build_core.build")

    settings = settings_for(replace(call, python=replace(call.python, free_threaded=True)))

    assert settings["cmake.define.SKBUILD_SOABI"] == "cpython-311t-aarch64-linux-musl"


def test_scikit_build_core_receives_the_toolchain_file(tmp_path: Path) -> None:
    settings = settings_for(make_call(tmp_path, "scikit_build_core.build"))

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
def test_the_targets_python_is_described_as_in_pep_739(tag: str, suffix: str, tmp_path: Path) -> None:
    details = describe_python(
        TargetPython(target=parse_target(tag), version=parse_python_version("3.11.2"), prefix=tmp_path)
    )

    assert details["schema_version"] == "1.0"
    assert details["base_prefix"] == str(tmp_path)
    assert details["abi"] == {"flags": [], "extension_suffix": suffix, "stable_abi_suffix": ".abi3.so"}
    assert details["c_api"] == {"headers": "include/python"}
    assert details["implementation"]["hexversion"] == 0x030B02F0  # type: ignore[index]


def test_a_python_version_with_two_numbers_is_an_error() -> None:
    with pytest.raises(BuildError) as caught:
        parse_python_version("3.11")

    assert caught.value.render() == (
        "error: the version of the Python headers is incomplete: '3.11'\n"
        "  hint: set `version` in the recipe of the headers to three numbers, such as 3.11.9"
    )


def test_a_python_version_that_is_not_a_version_is_an_error() -> None:
    with pytest.raises(BuildError) as caught:
        parse_python_version("latest")

    assert caught.value.fact == "the version of the Python headers is incomplete: 'latest'"


def test_a_backend_that_cannot_be_imported_is_an_error(tmp_path: Path) -> None:
    call = make_call(tmp_path, "nowhere.api")

    with pytest.raises(UsageError) as caught:
        build_extension_wheel(replace(call, backend=BuildBackend(name="nowhere.api")))

    assert caught.value.render() == (
        "error: demo 1.0 for musllinux_1_2_aarch64: the build backend nowhere.api cannot be imported\n"
        "  reason: ModuleNotFoundError: No module named 'nowhere'\n"
        "  hint: is the distribution that contains it in `requires` of [build-system]? `build-backend` names its module"
    )
    with pytest.raises(UsageError) as caught:
        build_extension_wheel(call)
    assert caught.value.details["reason"] == f"Cannot find module 'nowhere.api' in {[str(call.source)]}"
