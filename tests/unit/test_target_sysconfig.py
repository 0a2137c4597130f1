"""The values of the target's Python that build backends and projects read on the build machine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from everywheel.platforms.architectures import ARCHES
from everywheel.platforms.target import Target, base_target, parse_target
from everywheel.toolchains.meson_files import name_long_double
from everywheel.toolchains.toolchain import Toolchain
from everywheel.wheels.target_folder import TargetFolder, write_target_folder
from everywheel.wheels.target_python import TargetPython, parse_python_version
from everywheel.wheels.target_sysconfig import describe_sysconfig

PREFIX = Path("/w/prefix")


def make_toolchain(target: Target) -> Toolchain:
    return Toolchain(
        target=target,
        directory=Path("/w/toolchain"),
        prefix=PREFIX,
        compile_flags=("-O3",),
        cxx_flags=(),
        cxx_link_flags=(),
        link_flags=(),
        runs_target=False,
        environment={},
    )


def make_python(tag: str, version: str = "3.13.5") -> TargetPython:
    return TargetPython(target=parse_target(tag), version=parse_python_version(version), prefix=PREFIX)


@dataclass(frozen=True, kw_only=True)
class BackendMachine:
    """A build machine with a target's folder, whose Python of the build requirements is the running one."""

    folder: TargetFolder
    workspace: Path

    def run(self, arguments: Sequence[str], **variables: str) -> str:
        """Run the Python of the build requirements in the copy of the project, and return its output."""
        environment = {**os.environ, **self.folder.variables, **variables}
        command = [sys.executable, *arguments]
        source = self.workspace / "source"
        done = subprocess.run(command, cwd=source, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()


def make_machine(python: TargetPython, workspace: Path, *, show_project: bool = True) -> BackendMachine:
    python = replace(python, prefix=workspace / "prefix")
    python.headers.mkdir(parents=True)
    (python.headers / "Python.h").write_text("")
    (workspace / "source").mkdir()
    folder = write_target_folder(
        python, make_toolchain(python.target), Path(sys.executable), workspace, show_project=show_project
    )
    return BackendMachine(folder=folder, workspace=workspace)


@pytest.mark.parametrize(
    ("tag", "soabi", "suffix"),
    [
        ("manylinux2014_x86_64", "cpython-313-x86_64-linux-gnu", ".so"),
        ("manylinux2014_i686", "cpython-313-i386-linux-gnu", ".so"),
        ("musllinux_1_2_aarch64", "cpython-313-aarch64-linux-musl", ".so"),
        ("musllinux_1_2_armv7l", "cpython-313-arm-linux-musleabihf", ".so"),
        ("manylinux_2_31_riscv64", "cpython-313-riscv64-linux-gnu", ".so"),
        ("macosx_11_0_arm64", "cpython-313-darwin", ".so"),
        ("win_amd64", "cp313-win_amd64", ".pyd"),
        ("win_arm64", "cp313-win_arm64", ".pyd"),
    ],
)
def test_modules_are_named_for_the_target(tag: str, soabi: str, suffix: str) -> None:
    python = make_python(tag)

    variables = describe_sysconfig(python, make_toolchain(python.target))

    assert (variables["SOABI"], variables["EXT_SUFFIX"]) == (soabi, f".{soabi}{suffix}")


def test_a_free_threaded_python_has_its_flag_everywhere() -> None:
    python = replace(make_python("manylinux2014_x86_64", "3.14.4"), free_threaded=True, limited_api=False)

    variables = describe_sysconfig(python, make_toolchain(python.target))

    names = ("ABIFLAGS", "LDVERSION", "VERSION", "Py_GIL_DISABLED", "py_version_nodot", "EXT_SUFFIX")
    assert [variables[name] for name in names] == [
        "t",
        "3.14t",
        "3.14",
        1,
        "314",
        ".cpython-314t-x86_64-linux-gnu.so",
    ]


def test_compilers_headers_and_types_are_those_of_the_target() -> None:
    python = make_python("manylinux2014_armv7l")

    variables = describe_sysconfig(python, make_toolchain(python.target))

    names = ("CC", "LDSHARED", "LDCXXSHARED", "AR", "INCLUDEPY", "CONFINCLUDEPY", "LIBDIR", "LIBPYTHON")
    assert [variables[name] for name in names] == [
        "/w/toolchain/bin/cc",
        "/w/toolchain/bin/cc -shared",
        "/w/toolchain/bin/c++ -shared",
        "/w/toolchain/bin/ar",
        "/w/prefix/include/python",
        "/w/prefix/include/python",
        "/w/prefix/lib",
        "",
    ]
    sizes = ("SIZEOF_VOID_P", "SIZEOF_LONG", "SIZEOF_LONG_DOUBLE", "SIZEOF_WCHAR_T", "WORDS_BIGENDIAN")
    assert [variables[name] for name in sizes] == [4, 4, 8, 4, 0]


def test_modules_for_macos_take_pythons_symbols_from_the_program_that_loads_them() -> None:
    python = make_python("macosx_11_0_arm64")

    variables = describe_sysconfig(python, make_toolchain(python.target))

    assert variables["LDSHARED"] == "/w/toolchain/bin/cc -shared -undefined dynamic_lookup"
    assert variables["MACOSX_DEPLOYMENT_TARGET"] == "11.0"


def test_every_linux_target_has_variables_with_the_byte_order_of_its_processor() -> None:
    targets = [base_target(libc, arch) for arch in ARCHES.values() for libc in ("glibc", "musl")]

    big = [
        target.arch.name
        for target in targets
        if describe_sysconfig(make_python(target.tag), make_toolchain(target))["WORDS_BIGENDIAN"]
    ]

    assert big == ["s390x", "s390x"]


@pytest.mark.parametrize(
    ("tag", "name"),
    [
        ("manylinux2014_x86_64", "INTEL_EXTENDED_16_BYTES_LE"),
        ("manylinux2014_i686", "INTEL_EXTENDED_12_BYTES_LE"),
        ("manylinux2014_aarch64", "IEEE_QUAD_LE"),
        ("manylinux2014_armv7l", "IEEE_DOUBLE_LE"),
        ("manylinux_2_19_ppc64le", "IEEE_DOUBLE_LE"),
        ("manylinux2014_s390x", "IEEE_QUAD_BE"),
        ("macosx_10_15_x86_64", "INTEL_EXTENDED_16_BYTES_LE"),
        ("macosx_11_0_arm64", "IEEE_DOUBLE_LE"),
        ("win_amd64", "INTEL_EXTENDED_16_BYTES_LE"),
        ("win_arm64", "IEEE_DOUBLE_LE"),
    ],
)
def test_the_format_of_long_double_is_that_of_the_target(tag: str, name: str) -> None:
    assert name_long_double(parse_target(tag)) == name


def test_sysconfig_of_the_running_python_answers_for_the_target(tmp_path: Path) -> None:
    machine = make_machine(make_python("musllinux_1_2_aarch64"), tmp_path)
    code = (
        "import importlib.machinery, json, os, sysconfig; get = sysconfig.get_config_var; "
        "print(json.dumps([get('EXT_SUFFIX'), os.listdir(sysconfig.get_path('include')), get('VERSION'), "
        "importlib.machinery.EXTENSION_SUFFIXES]))"
    )

    suffixes = [".cpython-313-aarch64-linux-musl.so", ".abi3.so", ".so"]
    assert json.loads(machine.run(["-c", code])) == [suffixes[0], ["Python.h"], "3.13", suffixes]


def test_the_code_of_the_project_sees_the_target_and_the_standard_library_the_build_machine(tmp_path: Path) -> None:
    machine = make_machine(make_python("win_amd64"), tmp_path)
    (tmp_path / "source" / "setup.py").write_text(
        "import multiprocessing, os, platform, shutil, struct, subprocess, sys\n"
        "print(sys.platform, os.name, platform.system(), platform.machine(), sys.version_info[:3], sys.version[:6],\n"
        "      sys.version_info >= (3, 13), struct.calcsize('P'), sys.getwindowsversion().major)\n"
        "print(subprocess.run(['true']).returncode, shutil.which('sh') is not None,\n"
        "      multiprocessing.get_start_method())\n"
    )

    shown, works = machine.run(["setup.py"]).splitlines()

    assert shown == "win32 nt Windows AMD64 (3, 13, 5) 3.13.5 True 8 10"
    assert works.startswith("0 True ")
    assert works != "0 True spawn"


def test_a_build_requirement_sees_the_build_machine(tmp_path: Path) -> None:
    machine = make_machine(make_python("macosx_11_0_arm64"), tmp_path)
    library = tmp_path / "library"
    library.mkdir()
    (library / "helper.py").write_text(
        "import os, platform, sys\nplatform_of_helper = sys.platform, os.name, platform.system(), sys.version_info[:2]\n"
    )
    code = "import helper, sys; print(helper.platform_of_helper, sys.platform)"
    search = os.pathsep.join([machine.folder.variables["PYTHONPATH"], str(library)])

    shown = machine.run(["-c", code], PYTHONPATH=search)

    assert shown == f"('linux', 'posix', 'Linux', {sys.version_info[:2]}) darwin"


def test_the_program_keeps_the_folders_in_which_build_files_search_modules(tmp_path: Path) -> None:
    machine = make_machine(make_python("macosx_11_0_arm64"), tmp_path)
    (tmp_path / "generator.py").write_text("import sysconfig\nprint(sysconfig.get_config_var('EXT_SUFFIX'))\n")

    command = [machine.folder.program, "-m", "generator"]
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(command, cwd="/", env=environment, capture_output=True, text=True, check=True)

    assert done.stdout == ".cpython-313-darwin.so\n"


def test_attributes_of_the_same_names_in_other_modules_are_their_own(tmp_path: Path) -> None:
    machine = make_machine(make_python("win_amd64"), tmp_path)
    (tmp_path / "source" / "package").mkdir()
    (tmp_path / "source" / "package" / "__init__.py").write_text("platform = 'own'\n")
    (tmp_path / "source" / "package" / "version.py").write_text("")

    code = (
        "import sys; new = type(sys)('new'); import package, package.version; "
        "print(package.platform, package.version.__name__, hasattr(new, 'platform'))"
    )

    assert machine.run(["-c", code]) == "own package.version False"


def test_other_pythons_of_the_build_are_left_alone(tmp_path: Path) -> None:
    machine = make_machine(make_python("win_amd64"), tmp_path)
    facts = json.loads((tmp_path / "target-python" / "target.json").read_text())
    (tmp_path / "target-python" / "target.json").write_text(json.dumps({**facts, "prefix": "/elsewhere"}))

    assert machine.run(["-c", "import sys, os; print(sys.platform, os.name)"]) == "linux posix"


def test_a_project_with_its_own_meson_sees_the_build_machine(tmp_path: Path) -> None:
    machine = make_machine(make_python("win_amd64"), tmp_path, show_project=False)
    (tmp_path / "source" / "meson.py").write_text("import platform, sys\nprint(sys.platform, platform.system())\n")

    assert machine.run(["meson.py"]) == "linux Linux"
