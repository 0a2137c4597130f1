"""Archives that are found from the arguments of links, and links whose arguments do not show them."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from everywheel.platforms.target import parse_target
from everywheel.store.local import FIXED_TIME
from everywheel.toolchains.build_tools import Tools
from everywheel.toolchains.compilers import Compilers
from everywheel.toolchains.toolchain import Toolchain
from everywheel.toolchains.toolchain_writer import write_toolchain
from everywheel.wheels.linked_archives import find_linked_archives, record_links
from everywheel.wheels.wheel import WheelFile, pack_wheel
from example_wheels import make_demo_wheel

ARCHIVE = b"!<arch>\nfoo"


@pytest.fixture
def toolchain(tmp_path: Path) -> Toolchain:
    """A toolchain whose programs do nothing but record their links, with libz.a in its prefix."""
    workspace = tmp_path / "ws"
    (workspace / "prefix" / "lib").mkdir(parents=True)
    (workspace / "prefix" / "lib" / "libz.a").write_bytes(ARCHIVE)
    true = (str(shutil.which("true")),)
    compilers = Compilers(c=true, cxx=true, build_c=true, build_cxx=true, ar=true, ranlib=true, folders=())
    programs = dict.fromkeys(("bin", "zig", "cmake", "ninja", "pkgconf", "patchelf"), tmp_path)
    programs["python"] = Path(sys.executable)
    toolchain = write_toolchain(parse_target("manylinux2014_x86_64"), compilers, Tools(**programs), workspace)
    record_links(toolchain)
    return toolchain


def find(toolchain: Toolchain, *commands: str, shipped: bytes = b"") -> frozenset[str] | None:
    """Return the archives of a wheel with demo/_demo.so after commands in the workspace; `{prefix}` is the prefix."""
    workspace = toolchain.directory.parent
    for command in commands:
        program, *arguments = command.format(prefix=toolchain.prefix).split()
        subprocess.run([toolchain.program(program), *arguments], cwd=workspace, check=True)
    files = {"demo/_demo.so": b"\x7fELF", **({"demo/libcopy.a": shipped} if shipped else {})}
    wheel = make_demo_wheel("cp311-cp311-manylinux2014_x86_64", files)
    info = {"METADATA": b"Metadata-Version: 2.1\nName: demo\nVersion: 1.0\n", "WHEEL": b"Wheel-Version: 1.0\n"}
    wheel.files.update({f"{wheel.dist_info}/{name}": WheelFile(data=data) for name, data in info.items()})
    return find_linked_archives(pack_wheel(wheel, workspace / "dist", epoch=FIXED_TIME), toolchain)


@pytest.mark.parametrize(
    "arguments",
    [
        "-lz",
        "-l z",
        "-l:libz.a",
        "-Wl,-lz",
        "-Wl,-weak-lz",
        "--library=z",
        "{prefix}/lib/libz.a",
        "prefix/lib/libz.a",
        "-Wl,--whole-archive,{prefix}/lib/libz.a",
    ],
)
def test_an_archive_is_found_however_a_link_names_it(toolchain: Toolchain, arguments: str) -> None:
    assert find(toolchain, f"cc -shared demo.o {arguments} -o _demo.so") == {"libz.a"}


@pytest.mark.parametrize(
    "commands",
    [
        ("ar x {prefix}/lib/libz.a", "cc -shared inflate.o -o _demo.so"),
        ("ar -c -r libdemo.a {prefix}/lib/libz.a", "c++ -shared libdemo.a -o _demo.so"),
        ("cc -shared -oinner.so -lz", "cc -shared demo.o inner.so -o _demo.so"),
    ],
    ids=["copied objects", "merged archive", "own shared library"],
)
def test_an_archive_that_is_part_of_an_own_file_is_found(toolchain: Toolchain, commands: tuple[str, ...]) -> None:
    assert find(toolchain, *commands) == {"libz.a"}


def test_a_link_without_an_archive_has_none(toolchain: Toolchain) -> None:
    commands = ("cc -c demo.c -o demo.o -lz", "ar qc libdemo.a demo.o", "cc -shared demo.o libdemo.a -lm -o _demo.so")

    assert find(toolchain, *commands) == frozenset()


def test_a_copy_of_an_archive_is_found_by_its_bytes(toolchain: Toolchain) -> None:
    (toolchain.directory.parent / "libcopy.a").write_bytes(ARCHIVE)

    assert find(toolchain, "cc -shared demo.o libcopy.a -o _demo.so") == {"libz.a"}


def test_an_archive_in_the_wheel_is_found(toolchain: Toolchain) -> None:
    assert find(toolchain, "cc -shared demo.o -o _demo.so", shipped=ARCHIVE) == {"libz.a"}
    assert find(toolchain, shipped=b"!<arch>\nother") == frozenset()


@pytest.mark.parametrize(
    "command",
    [
        "cc -shared demo.o -o _other.so",
        "cc -shared demo.o missing.a -o _demo.so",
        "ar -M",
        "ar qc libdemo.a @objects.rsp",
        "cc -shared demo.o -lscript -o _demo.so",
        f"cc -shared demo.o {'a' * 300}.a -o _demo.so",
    ],
    ids=[
        "no link of the file",
        "missing archive",
        "script of ar",
        "response file",
        "script of the linker",
        "long name",
    ],
)
def test_archives_that_arguments_do_not_show_are_unknown(toolchain: Toolchain, command: str) -> None:
    (toolchain.prefix / "lib" / "libscript.so").write_text("INPUT(-lz)")
    other = () if "_other" in command or "_demo" in command else ("cc -shared demo.o -o _demo.so",)

    assert find(toolchain, command, *other) is None


def test_a_library_with_a_long_name_is_not_found(toolchain: Toolchain) -> None:
    assert find(toolchain, f"cc -shared demo.o -l{'a' * 300} -o _demo.so") == frozenset()
