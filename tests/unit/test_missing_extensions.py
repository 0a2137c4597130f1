"""Extensions that a backend left out of its wheel, and paths of the build in the wheel's text files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from everywheel.errors import BuildError
from everywheel.execution.notices import listen_to_notices
from everywheel.platforms.target import parse_target
from everywheel.store.local import FIXED_TIME
from everywheel.wheels.missing_extensions import check_extensions
from everywheel.wheels.neutral_paths import replace_build_paths
from everywheel.wheels.wheel import Wheel, WheelFile, pack_wheel, read_wheel
from example_wheels import make_demo_wheel

TARGET = parse_target("musllinux_1_2_x86_64")
LABEL = "demo 1.0 for musllinux_1_2_x86_64"
# The lines of setuptools 80 and of zig's clang for two extensions with `optional=True`.
SETUPTOOLS_LOG = """running build_ext
building 'demo._speed' extension
/build/toolchain/bin/cc -O3 -c demo/_speed.c -o build/demo/_speed.o
demo/_speed.c:2:10: fatal error: 'zlib.h' file not found
    2 | #include <zlib.h>
      |          ^~~~~~~~
1 error generated.
warning: build_ext: building extension "demo._speed" failed: Command '['/build/cc']' returned non-zero exit status 1.
building 'demo._extra' extension
demo/_extra.c:7:1: error: unknown type name 'wrong'
warning: build_ext: building extension "demo._extra" failed: Command '['/build/cc']' returned non-zero exit status 1.
"""


def pack(folder: Path, files: dict[str, bytes], tag: str = "py3-none-any") -> Path:
    wheel = make_demo_wheel(tag, files)
    info = {"METADATA": b"Metadata-Version: 2.1\nName: demo\nVersion: 1.0\n", "WHEEL": f"Tag: {tag}\n".encode()}
    info_files = {f"{wheel.dist_info}/{name}": WheelFile(data=data) for name, data in info.items()}
    packed: Wheel = replace(wheel, files={**wheel.files, **info_files})
    return pack_wheel(packed, folder / "dist", epoch=FIXED_TIME)


@pytest.mark.parametrize(
    ("log", "source", "expected"),
    [
        (
            SETUPTOOLS_LOG,
            "_speed.c",
            "error: demo 1.0 for musllinux_1_2_x86_64: the wheel has no extension module, because compiling failed\n"
            "  built: demo-1.0-py3-none-any.whl\n"
            "  | demo/_speed.c:2:10: fatal error: 'zlib.h' file not found\n"
            "  |     2 | #include <zlib.h>\n"
            "  |       |          ^~~~~~~~\n"
            "  | 1 error generated.\n"
            "  log: {log}\n"
            "  hint: the project's build continues after an error of the compiler: correct the first one",
        ),
        (
            "FAILED: [code=1] demo.o\nerror: LTO requires using LLD\nninja: build stopped: subcommand failed.\n"
            "error: command '/build/ninja' failed with exit code 1\n",
            "demo.cpp",
            "error: demo 1.0 for musllinux_1_2_x86_64: the wheel has no extension module, because compiling failed\n"
            "  built: demo-1.0-py3-none-any.whl\n"
            "  | error: LTO requires using LLD\n"
            "  | ninja: build stopped: subcommand failed.\n"
            "  | error: command '/build/ninja' failed with exit code 1\n"
            "  log: {log}\n"
            "  hint: the project's build continues after an error of the compiler: correct the first one",
        ),
        (
            "running build_ext\nerror: command 'cython' failed\n",
            "demo/_speed.pyx",
            "error: demo 1.0 for musllinux_1_2_x86_64: the wheel has no extension module, and no compiler reported an error\n"
            "  built: demo-1.0-py3-none-any.whl\n"
            "  sources: demo/_speed.pyx\n"
            "  log: {log}\n"
            "  hint: does the project require a setting that enables its extension? The log shows what its build did",
        ),
        (
            "running bdist_wheel\n",
            "demo/__init__.py",
            "error: demo 1.0 for musllinux_1_2_x86_64: the project is pure Python: it has nothing to build for a target\n"
            "  built: demo-1.0-py3-none-any.whl\n"
            "  hint: the wheel that `pip wheel --no-deps .` builds runs on every system: upload that one",
        ),
    ],
    ids=["compile error", "error of zig", "no compile error", "pure Python"],
)
def test_a_wheel_without_extension_modules_is_an_error_with_its_cause(
    log: str, source: str, expected: str, tmp_path: Path
) -> None:
    built, file = pack(tmp_path, {"demo/__init__.py": b""}), tmp_path / "build.log"
    file.write_text(log)
    (tmp_path / "source" / source).parent.mkdir(parents=True)
    (tmp_path / "source" / source).write_text("")

    with pytest.raises(BuildError) as caught:
        check_extensions(built, TARGET, tmp_path / "source", file, LABEL)

    assert caught.value.render() == expected.format(log=file)


def test_each_optional_extension_that_was_left_out_is_reported_with_its_own_error(tmp_path: Path) -> None:
    built, file = pack(tmp_path, {"demo/_other.abi3.so": b"\x7fELF"}), tmp_path / "build.log"
    file.write_text(SETUPTOOLS_LOG)
    notices: list[str] = []

    with listen_to_notices(notices.append):
        check_extensions(built, TARGET, tmp_path, file, LABEL)

    assert notices == [
        f"{LABEL}: the extension demo._speed is not part of the wheel: "
        "demo/_speed.c:2:10: fatal error: 'zlib.h' file not found",
        f"{LABEL}: the extension demo._extra is not part of the wheel: demo/_extra.c:7:1: error: unknown type name 'wrong'",
    ]


def test_paths_of_the_build_in_text_files_are_the_same_on_every_machine(tmp_path: Path) -> None:
    notices: list[str] = []
    texts = []
    for machine, tool in (("one", "zig-0123456789ab"), ("two/deeper", "zig-ba9876543210")):
        store = tmp_path / machine / "store"
        workspace = store / "work" / "demo-musllinux-1234"
        config = f"CC = '{workspace}/toolchain/cc'\nPYTHON = '{store}/tools/{tool}/bin/python'\n"
        binary = b"\0" + str(workspace).encode()
        built = pack(workspace, {"demo/config.py": config.encode(), "demo/data.bin": binary})
        with listen_to_notices(notices.append):
            files = read_wheel(replace_build_paths(built, workspace, store, LABEL)).files
        assert files["demo/data.bin"].data == binary  # the audit reports it
        texts.append(files["demo/config.py"].data.decode())

    assert texts == ["CC = '/everywheel/toolchain/cc'\nPYTHON = '/everywheel/store/tools/zig/bin/python'\n"] * 2
    assert notices == [f"{LABEL}: paths of the build are replaced by /everywheel in demo/config.py"] * 2


def test_a_wheel_without_paths_of_the_build_is_not_packed_again(tmp_path: Path) -> None:
    built = pack(tmp_path, {"demo/config.py": b"CC = 'cc'\n"})
    before = built.stat()

    assert replace_build_paths(built, tmp_path / "work", tmp_path, LABEL) == built
    assert built.stat().st_mtime_ns == before.st_mtime_ns
