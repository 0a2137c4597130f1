"""The structure of wheels for macOS, which are cross-compiled here and not run."""

from __future__ import annotations

import subprocess
import zipfile
from pathlib import Path

import pytest
from everywheel.audit import audit_wheel
from everywheel.binaries.macho import MachoImage, read_macho
from everywheel.platforms.target import parse_target
from everywheel.store.local import Store, default_store
from everywheel.toolchains.build_tools import ensure_tools
from everywheel.toolchains.hide_symbols import hide_symbols
from everywheel.toolchains.toolchain import Toolchain, ToolchainOptions
from everywheel.toolchains.toolchain_writer import write_toolchain
from everywheel.wheels.macos_availability import find_newer_symbols
from fixture_project import FixtureProject

ARM, INTEL = "macosx_11_0_arm64", "macosx_10_15_x86_64"


def read_images(wheel: Path) -> dict[str, MachoImage]:
    with zipfile.ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if name.endswith((".so", ".dylib"))]
        return {name: read_macho(archive.read(name)).images[0] for name in names}


@pytest.fixture
def toolchain(shared_store: Path, tmp_path: Path) -> Toolchain:
    """zig's compilers for an Intel Mac, with one pattern of symbols that may be exported."""
    from everywheel.toolchains.zig import ZigEngine

    tools, target = ensure_tools(shared_store), parse_target(INTEL)
    engine = ZigEngine(store=Store(default_store()), tools=tools, cache=tmp_path / "zig")
    engine.prime_cache(target)  # otherwise each test would compile zig's libraries
    return write_toolchain(target, engine.compilers(target), tools, tmp_path, ToolchainOptions(exports=("foo_*",)))


@pytest.mark.parametrize(("tag", "cpu", "floor"), [(ARM, "arm64", (11, 0)), (INTEL, "x86_64", (10, 15))])
def test_load_commands_name_the_grafted_library_and_the_oldest_macos(
    built_project: FixtureProject, tag: str, cpu: str, floor: tuple[int, int]
) -> None:
    images = read_images(built_project.find_wheel(tag))
    module, library = images["fixture.abi3.so"], images["fixture.dylibs/libfoo.1.0.0.dylib"]

    assert {(image.cpu, image.minimum, image.signature, image.rpath) for image in images.values()} == {
        (cpu, floor, (), ())
    }
    assert set(module.needed) == {"/usr/lib/libSystem.B.dylib", "@loader_path/fixture.dylibs/libfoo.1.0.0.dylib"}
    assert library.needed == ("/usr/lib/libSystem.B.dylib",)
    assert module.exports == ("PyInit_fixture",)
    assert library.exports == ("foo_answer",)  # neither foo_secret nor symbols of libbar.a
    assert {"PyLong_FromLong", "foo_answer"} <= set(module.undefined)


def test_static_linkage_hides_the_libraries_in_the_module(project_copy: FixtureProject) -> None:
    project_copy.build("--target", ARM, "--linkage", "static")
    images = read_images(project_copy.find_wheel(ARM, "zig-static"))

    assert list(images) == ["fixture.abi3.so"]
    assert images["fixture.abi3.so"].exports == ("PyInit_fixture",)
    assert images["fixture.abi3.so"].signature == ()


def test_libraries_of_cmake_and_meson_have_relative_install_names(project_copy: FixtureProject) -> None:
    project_copy.replace("pyproject.toml", 'shared = ["libfoo"]', 'shared = ["libfoo", "libbar"]')
    project_copy.build("--target", INTEL)
    images = read_images(project_copy.find_wheel(INTEL))
    (bar,) = [path for path in images if "libbar" in path]

    assert images[bar].name == f"/DLC/{bar}"
    assert f"@loader_path/{Path(bar).name}" in images["fixture.dylibs/libfoo.1.0.0.dylib"].needed
    assert audit_wheel(project_copy.find_wheel(INTEL)).findings == ()


def test_smoke_reports_that_nothing_was_run(project_copy: FixtureProject) -> None:
    wheel = project_copy.find_wheel(ARM)

    _, errors = project_copy.run("smoke", str(wheel), exit_code=3)

    messages = [line for line in errors.splitlines() if not line.startswith("[")]
    assert messages[0] == (
        f"not run: {wheel.name}: this machine cannot run programs for macOS; audited without findings; not run"
    )
    assert messages[1] == "error: no wheel was run"


def test_a_function_newer_than_the_oldest_macos_is_a_compiler_error(project_copy: FixtureProject) -> None:
    project_copy.replace("extension/src/fixture.c", "#include <stdlib.h>", "#include <stdlib.h>\n#include <sys/stat.h>")
    project_copy.replace("extension/src/fixture.c", "  (void)module;", '  (void)module;\n  mkfifoat(0, "", 0);')

    _, errors = project_copy.run("build", "-t", INTEL, exit_code=1)

    assert "error: 'mkfifoat' is only available on macOS 13.0 or newer" in errors


def test_a_newer_function_that_the_source_declares_itself_fails_the_build(project_copy: FixtureProject) -> None:
    old = "static PyObject *answer"
    project_copy.replace("extension/src/fixture.c", old, f'char fifo(void) __asm("_mkfifoat");\n{old}')
    project_copy.replace("extension/src/fixture.c", "  (void)module;", "  (void)module;\n  fifo();")

    _, errors = project_copy.run("build", "-t", INTEL, exit_code=1)

    assert errors[errors.index("error: ") :].splitlines()[:3] == [
        f"error: fixture 1.0 for {INTEL}: the wheel needs symbols that macOS 10.15 does not have",
        "  fixture.abi3.so: mkfifoat (macOS 13.0)",
        '  hint: a check of a build system detected them in the SDK: disable it in the recipe, for `os = "darwin"`',
    ]


def test_headers_state_the_version_that_introduced_a_symbol(toolchain: Toolchain, tmp_path: Path) -> None:
    newer = find_newer_symbols(
        {"malloc", "preadv", "mkfifoat", "PyLong_FromLong"},
        toolchain.program("cc"),
        tmp_path,
        toolchain.environment,
        label="demo",
    )

    assert newer == {"preadv": "11.0", "mkfifoat": "13.0"}


def test_linked_objects_and_archives_hide_symbols_that_are_not_exported(toolchain: Toolchain, tmp_path: Path) -> None:
    (tmp_path / "foo.c").write_text("int bar(void); int foo_a(void) { return bar(); } int other(void) { return 1; }")
    (tmp_path / "bar.c").write_text("int bar(void) { return 2; }")
    commands = [
        ["cc", "-c", "foo.c", "-o", "foo.o"],
        ["cc", "-c", "bar.c", "-o", "bar.o"],
        ["ar", "rcs", "libbar.a", "bar.o"],
        ["cc", "-shared", "foo.o", "-L.", "-lbar", "-o", "libfoo.dylib"],
    ]
    for name, *rest in commands:
        subprocess.run([toolchain.program(name), *rest], cwd=tmp_path, env=toolchain.environment, check=True)

    assert read_macho((tmp_path / "libfoo.dylib").read_bytes()).images[0].exports == ("foo_a",)
    archive = (tmp_path / "libbar.a").read_bytes()
    assert hide_symbols(archive, ["foo_*"]) == archive  # the symbols are hidden already, in the file itself
    assert hide_symbols(b"\x7fELF and so on", ["foo_*"]) == b"\x7fELF and so on"
