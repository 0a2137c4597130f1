"""Environment variables for build backends without cross files."""

from __future__ import annotations

import shlex
from pathlib import Path

from everywheel.platforms.target import parse_target
from everywheel.toolchains.toolchain import Toolchain
from everywheel.wheels.build_env import compiler_variables
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

    assert shlex.split(variables["CFLAGS"]) == ["-O3", f"-I{prefix}/include/python", f"-I{prefix}/include"]
    assert variables["CXXFLAGS"] == variables["CFLAGS"]
    assert shlex.split(variables["LDFLAGS"]) == ["-s", f"-L{prefix}/lib"]
    assert compiler_variables(toolchain)["CFLAGS"] == "-O3"
