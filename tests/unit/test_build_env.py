"""Environment variables for build backends without cross files."""

from __future__ import annotations

import shlex
from pathlib import Path

from everywheel.platforms.target import parse_target
from everywheel.toolchains.toolchain import Toolchain
from everywheel.wheels.backend_settings import BackendFamily
from everywheel.wheels.build_env import backend_variables, compiler_variables
from everywheel.wheels.target_python import TargetPython, parse_python_version


def test_the_flags_for_other_backends_name_the_headers_of_the_target_before_those_of_the_build_machine() -> None:
    target, prefix = parse_target("musllinux_1_2_aarch64"), Path("/a b/prefix")
    toolchain = Toolchain(
        target=target,
        directory=Path("/toolchain"),
        prefix=prefix,
        compile_flags=("-O3",),
        cxx_flags=(),
        cxx_link_flags=(),
        link_flags=("-s",),
        runs_target=False,
        environment={},
    )
    python = TargetPython(target=target, version=parse_python_version("3.13.5"), prefix=prefix)

    variables = compiler_variables(toolchain, python)

    headers = [f"-I{prefix}/include/python", "-isystem", f"{prefix}/include"]
    assert shlex.split(variables["CFLAGS"]) == ["-O3", "-DNDEBUG", "-fwrapv", *headers]
    assert variables["CXXFLAGS"] == variables["CFLAGS"]
    assert shlex.split(variables["LDFLAGS"]) == ["-s", f"-L{prefix}/lib"]
    assert compiler_variables(toolchain)["CFLAGS"] == "-O3"


def test_programs_of_the_build_requirements_come_before_the_build_tools() -> None:
    target, prefix = parse_target("win_amd64"), Path("/w/prefix")
    toolchain = Toolchain(
        target=target,
        directory=Path("/w/toolchain"),
        prefix=prefix,
        compile_flags=(),
        cxx_flags=(),
        cxx_link_flags=(),
        link_flags=(),
        runs_target=False,
        environment={"PATH": "/w/toolchain/bin:/w/build-prefix/bin:/tools/bin", "LC_ALL": "C.UTF-8"},
    )
    python = TargetPython(target=target, version=parse_python_version("3.13.5"), prefix=prefix, limited_api=False)

    variables = backend_variables(BackendFamily.OTHER, toolchain, python, None, Path("/backend/bin/python"))

    assert variables["PATH"] == "/w/toolchain/bin:/backend/bin:/w/build-prefix/bin:/tools/bin"
    assert variables["LC_ALL"] == "C.UTF-8"
    assert shlex.split(variables["LDFLAGS"]) == ["-L/w/prefix/lib", "/w/prefix/lib/libpython313.dll.a"]
