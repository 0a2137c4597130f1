"""Toolchains and build systems: their files and command lines."""

from __future__ import annotations

import dataclasses
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from everywheel.config.recipe import Build, BuildSystem, Linkage, Optimize
from everywheel.libraries.build_systems import build_commands
from everywheel.platforms.target import parse_target
from everywheel.store.local import Store
from everywheel.toolchains.build_tools import Tools
from everywheel.toolchains.compilers import Compilers
from everywheel.toolchains.toolchain import Toolchain, ToolchainOptions
from everywheel.toolchains.toolchain_writer import write_toolchain
from everywheel.toolchains.utilities import find_utilities, list_missing_utilities
from everywheel.toolchains.zig import ZigEngine

MUSL = parse_target("musllinux_1_2_aarch64")


@pytest.fixture
def tools(tmp_path: Path) -> Tools:
    """Programs that print each of their arguments on a line."""
    programs = tmp_path / "tools"
    programs.mkdir()
    for name in ("zig", "cmake", "ninja", "pkgconf", "patchelf", "python"):
        (programs / name).write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
        (programs / name).chmod(0o755)
    return Tools(
        bin=programs,
        python=programs / "python",
        zig=programs / "zig",
        cmake=programs / "cmake",
        ninja=programs / "ninja",
        pkgconf=programs / "pkgconf",
        patchelf=programs / "patchelf",
    )


def write(tools: Tools, workspace: Path, **options: Any) -> Toolchain:
    engine = ZigEngine(store=Store(workspace / "store"), tools=tools, cache=workspace)
    return write_toolchain(MUSL, engine.compilers(MUSL), tools, workspace, ToolchainOptions(**options))


def call(toolchain: Toolchain, program: str, *arguments: str) -> list[str]:
    command = [str(toolchain.program(program)), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()


def test_the_compiler_receives_the_target_and_no_runpath(tools: Tools, tmp_path: Path) -> None:
    toolchain = write(tools, tmp_path / "ws")

    arguments = call(toolchain, "cc", "-c", "a b.c", "-Wl,-rpath,/somewhere", "-Wl,-rpath-link=/else", '-DX="y z"')

    assert arguments == [
        "cc",
        "-target",
        "aarch64-linux-musl",
        "-mbranch-protection=standard",
        "-dynamic",
        "-U_FORTIFY_SOURCE",
        "-D_FORTIFY_SOURCE=3",
        "-Wno-error=unused-result",
        "-Wno-error=macro-redefined",
        "-Wno-error=unused-command-line-argument",
        "-O2",
        "-fno-sanitize=undefined",
        "-Wno-error=date-time",
        "-c",
        "a b.c",
        '-DX="y z"',
    ]


@pytest.mark.parametrize("option", ["-print-search-dirs", "--print-search-dirs"])
def test_the_compiler_names_no_folder_of_the_build_machine(tools: Tools, tmp_path: Path, option: str) -> None:
    toolchain = write(tools, tmp_path / "ws")

    assert call(toolchain, "cc", option) == [f"libraries: ={tmp_path}/ws/prefix/lib"]


def test_archives_are_linked_with_their_own_requirements(tools: Tools, tmp_path: Path) -> None:
    static = call(write(tools, tmp_path / "one"), "pkg-config", "--libs", "foo")
    shared = call(write(tools, tmp_path / "two", static_pkgconfig=False), "pkg-config", "--libs", "foo")

    assert (static, shared) == (["--static", "--libs", "foo"], ["--libs", "foo"])


def test_only_declared_symbols_are_exported(tools: Tools, tmp_path: Path) -> None:
    toolchain = write(tools, tmp_path / "ws", exports=("foo_*", "Bar*"))

    script = toolchain.directory / "exports.map"

    assert script.read_text() == "{ global: foo_*; Bar*; local: *; };\n"
    assert f"-Wl,--version-script={script}" in toolchain.link_flags


@pytest.mark.parametrize(
    ("arguments", "is_limited"),
    [
        (("-shared", "a.o", "-o", "demo.abi3.so"), True),
        (("-shared", "-Wl,-soname,libown.so", "a.o"), False),
        (("-shared", "-Wl,-O1,-soname,libown.so", "a.o"), False),
        (("-shared", "-Wl,-z,now,--soname=libown.so", "a.o"), False),
        (("-shared", "-Wl,-h,libown.so", "a.o"), False),
        (("-shared", "-Xlinker", "-soname=libown.so", "a.o"), False),
        (("-shared", "-Wl,--version-script=own.map", "a.o"), False),
        (("-shared", "-Wl,-O1,--version-script,own.map", "a.o"), False),
        (("-shared", "-Xlinker", "--version-script=own.map", "a.o"), False),
        (("-shared", "-Wl,-z,now,-O1", "a.o", "-o", "demo.abi3.so"), True),
        (("a.o", "-o", "program"), False),
        (("-c", "a.c"), False),
    ],
)
def test_exports_of_modules_do_not_limit_libraries_and_programs(
    tools: Tools, tmp_path: Path, arguments: tuple[str, ...], is_limited: bool
) -> None:
    toolchain = write(tools, tmp_path / "ws", exports=("PyInit_*", "foo_*"), exports_of_modules=True)

    script = f"-Wl,--version-script={toolchain.directory / 'exports.map'}"
    assert (script in call(toolchain, "c++", *arguments)) is is_limited
    assert not any("version-script" in flag for flag in toolchain.link_flags)


def test_on_macos_symbols_of_modules_are_hidden_but_not_those_of_libraries(tools: Tools, tmp_path: Path) -> None:
    target = parse_target("macosx_11_0_arm64")
    engine = ZigEngine(store=Store(tmp_path / "store"), tools=tools, cache=tmp_path)
    options = ToolchainOptions(exports=("PyInit_*",), exports_of_modules=True)
    toolchain = write_toolchain(target, engine.compilers(target), tools, tmp_path / "ws", options)

    module = call(toolchain, "cc", "a.o", "-bundle", "-o", "demo.abi3.so")
    library = call(toolchain, "cc", "a.o", "-dynamiclib", "-install_name", "@rpath/libown.dylib")

    assert module[3:5] == ["PyInit_*", "--"]
    assert library[:2] == ["cc", "-target"]


def test_on_macos_symbols_are_hidden_before_a_library_is_linked(tools: Tools, tmp_path: Path) -> None:
    target = parse_target("macosx_10_15_x86_64")
    engine = ZigEngine(store=Store(tmp_path / "store"), tools=tools, cache=tmp_path)
    toolchain = write_toolchain(
        target, engine.compilers(target), tools, tmp_path / "ws", ToolchainOptions(exports=("foo_*",))
    )
    hidden = call(toolchain, "cc", "a.o", "-dynamiclib", "-o", "libfoo.dylib")
    compiled = call(toolchain, "cc", "-c", "a.c")

    assert hidden[:2] == ["-I", "-S"]
    assert hidden[3:8] == ["foo_*", "--", "a.o", "-dynamiclib", "-o"]
    assert compiled[:3] == ["cc", "-target", "x86_64-macos.10.15"]
    assert "-Werror=unguarded-availability" in toolchain.compile_flags
    assert not any("version-script" in flag for flag in toolchain.link_flags)


def test_on_macos_a_soname_becomes_an_install_name(tools: Tools, tmp_path: Path) -> None:
    target = parse_target("macosx_11_0_arm64")
    engine = ZigEngine(store=Store(tmp_path / "store"), tools=tools, cache=tmp_path)
    toolchain = write_toolchain(target, engine.compilers(target), tools, tmp_path / "ws")
    named = call(toolchain, "cc", "-shared", "-Wl,-soname,libfoo.dylib.1", "a b.o", "-o", "sub/libfoo.1.dylib", "-s")
    plain = call(toolchain, "cc", "-shared", "-o", "module.so")

    assert named[-6:] == [
        "-shared",
        "a b.o",
        "-o",
        "sub/libfoo.1.dylib",
        "-s",
        "-Wl,-install_name,@rpath/libfoo.1.dylib",
    ]
    assert plain[-3:] == ["-shared", "-o", "module.so"]


def test_resource_scripts_are_compiled_with_the_arguments_of_windres(tools: Tools, tmp_path: Path) -> None:
    target = parse_target("win_amd64")
    engine = ZigEngine(store=Store(tmp_path / "store"), tools=tools, cache=tmp_path)
    toolchain = write_toolchain(target, engine.compilers(target), tools, tmp_path / "ws")

    arguments = ["-O", "coff", "-DA", "-D", "B=1", "-I", "/a b", "-I/c", "--use-temp-file", "/ws/x.rc", "x.obj"]
    translated = call(toolchain, "windres", *arguments)

    gnu = ["rc", "/:auto-includes", "gnu"]
    assert translated == [
        *gnu,
        *("/d", "A", "/d", "B=1", "/i", "/a b", "/i", "/c", "/fo", "x.obj", "--", "/ws/x.rc"),
    ]
    # A makefile, and libtool.
    makefile = call(toolchain, "windres", "--target=pe-x86-64", "--include-dir=/a b", "-o", "x.o", "/ws/x.rc")
    assert makefile == [*gnu, "/i", "/a b", "/fo", "x.o", "--", "/ws/x.rc"]
    libtool = call(toolchain, "windres", "--define", "A", "-i", "/ws/x.rc", "-J", "rc", "--output=x.o", "-O", "coff")
    assert libtool == [*gnu, "/d", "A", "/fo", "x.o", "--", "/ws/x.rc"]
    # Meson, which has a preprocessor write the dependencies.
    dependencies = [f"--preprocessor-arg={arg}" for arg in ("-MD", "-MQa.o", "-MFa.o.d", "-DB=1")]
    meson = call(toolchain, "windres", "-c", "65001", "-DA=b c", "-I../s", "../s/a.rc", "s/a.o", *dependencies)
    assert meson == [
        *gnu,
        *("/c", "65001", "/d", "A=b c", "/i", "../s", "/fo", "s/a.o", "/d", "B=1", "--", "../s/a.rc"),
    ]
    pages = call(toolchain, "windres", "-c65001", "--codepage=1252", "a.rc", "a.o")
    assert pages == [*gnu, "-c65001", "/c", "1252", "/fo", "a.o", "--", "a.rc"]


def test_meson_recognizes_the_resource_compiler_as_windres(tools: Tools, tmp_path: Path) -> None:
    target = parse_target("win_amd64")
    engine = ZigEngine(store=Store(tmp_path / "store"), tools=tools, cache=tmp_path)
    toolchain = write_toolchain(target, engine.compilers(target), tools, tmp_path / "ws")
    windres = toolchain.program("windres")

    # rc.exe would print "Microsoft (R) Windows (R) Resource Compiler" for this one, and so would `zig rc`.
    other = subprocess.run([windres, "/?"], capture_output=True, text=True)

    assert (other.returncode, other.stdout, other.stderr) == (1, "", "")
    for option in ("--version", "-V"):
        assert call(toolchain, "windres", option) == ["GNU windres, as far as zig rc has its options"]
    assert f"windres = '{windres}'\n" in toolchain.cross_file.read_text()


def test_cmake_receives_an_install_name_tool_that_fails(tools: Tools, tmp_path: Path) -> None:
    target = parse_target("macosx_11_0_arm64")
    engine = ZigEngine(store=Store(tmp_path / "store"), tools=tools, cache=tmp_path)
    toolchain = write_toolchain(target, engine.compilers(target), tools, tmp_path / "ws")

    with pytest.raises(subprocess.CalledProcessError) as raised:
        subprocess.run([toolchain.program("no-install-name-tool")], capture_output=True, text=True, check=True)
    assert raised.value.stderr == "there is no install_name_tool: link with the right install name\n"
    assert f'set(CMAKE_INSTALL_NAME_TOOL "{raised.value.cmd[0]}")' in toolchain.cmake_file.read_text()


def test_on_windows_wrappers_are_copies_of_the_launcher(tools: Tools, tmp_path: Path) -> None:
    launcher, target = tmp_path / "launcher.exe", parse_target("win_amd64")
    launcher.write_bytes(b"MZ")
    compilers = Compilers(
        c=("gcc", "-O2"),
        cxx=("a b/g++",),
        build_c=("gcc",),
        build_cxx=("g++",),
        ar=("ar",),
        ranlib=("ranlib",),
        dlltool=("dlltool",),
        windres=("windres",),
        link=("-static",),
        launcher=launcher,
    )

    toolchain = write_toolchain(target, compilers, tools, tmp_path / "ws", ToolchainOptions(flags=("-DX=a b",)))

    prefix = tmp_path / "ws" / "prefix"
    launches = {path.name: path.read_text().split("\n") for path in (toolchain.directory / "bin").glob("*.launch")}
    assert toolchain.program("cc").read_bytes() == b"MZ"
    assert launches["cc.exe.launch"] == ["gcc -O2", f"{prefix}/lib"]
    assert launches["c++.exe.launch"] == ['"a b/g++"', f"{prefix}/lib"]
    assert launches["ar.exe.launch"] == ["ar", ""]
    assert launches["pkg-config.exe.launch"] == [
        f"{tools.pkgconf} --static",
        "",
        f"PKG_CONFIG_LIBDIR={prefix}/lib/pkgconfig:{prefix}/share/pkgconfig",
    ]
    assert f"c = '{toolchain.directory}/bin/cc.exe'\n" in toolchain.cross_file.read_text()
    assert "'-static'" in toolchain.cross_file.read_text()
    assert '\\"-DX=a b\\"")' in toolchain.cmake_file.read_text()


def test_without_a_cxx_runtime_no_link_has_one(tools: Tools, tmp_path: Path) -> None:
    toolchain = write(tools, tmp_path / "ws", cxx_runtime=False)

    assert "-nostdlib++" in toolchain.link_flags
    assert "cpp_link_args = ['-nostdlib++']" in toolchain.native_file.read_text()
    assert "-fno-exceptions" in toolchain.cross_file.read_text()


def test_a_part_of_the_cxx_library_is_compiled_once_and_without_utilities(tools: Tools, tmp_path: Path) -> None:
    # Prints its first and last argument, and creates the object that it is called to compile.
    tools.zig.write_text('#!/bin/sh\nfor arg do last=$arg; done\necho "$1 ${last##*/}"\n[ -e "$last" ] || : >"$last"\n')
    toolchain = write(dataclasses.replace(tools, python=Path(sys.executable)), tmp_path / "ws")
    command = [toolchain.program("c++"), "-shared", "a.o"]

    def link() -> list[str]:
        result = subprocess.run(command, capture_output=True, text=True, check=True, env={"PATH": ""})
        return result.stdout.splitlines()

    compiled, linked = link()
    assert re.fullmatch(r"c\+\+ cxx_exceptions\.o\.\d+\.o", compiled)
    assert linked == "c++ cxx_exceptions.o"
    assert link() == [linked]
    assert [path.name for path in toolchain.directory.glob("*.o")] == ["cxx_exceptions.o"]


def test_the_environment_of_a_build_names_no_directory_of_the_machine(tools: Tools, tmp_path: Path) -> None:
    environment = write(tools, tmp_path / "ws").environment

    foreign = [folder for folder in environment["PATH"].split(":") if not folder.startswith(str(tmp_path))]

    assert foreign == []
    assert not {"CFLAGS", "CPATH", "LD_LIBRARY_PATH", "PKG_CONFIG_PATH"} & set(environment)


def test_builds_find_the_utilities_that_configure_scripts_call(tools: Tools, tmp_path: Path) -> None:
    toolchain = write(tools, tmp_path / "ws")

    for name in ("awk", "basename", "date", "find", "install", "tar", "xargs"):
        assert toolchain.program(name).resolve() == Path(str(shutil.which(name))).resolve()
    assert not toolchain.program("python3").exists()


def test_utilities_that_configure_scripts_need_are_named_if_they_are_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("sh", "awk", "tar"):
        (tmp_path / name).symlink_to(str(shutil.which(name)))
    monkeypatch.setenv("PATH", str(tmp_path))

    missing = list_missing_utilities()

    assert {"sh", "awk", "tar"}.isdisjoint(missing)
    assert {"find", "install", "date", "basename"} <= set(missing)
    assert find_utilities()["find"] is None


def test_the_cross_file_describes_the_target(tools: Tools, tmp_path: Path) -> None:
    text = write(tools, tmp_path / "ws", optimize=Optimize.SPEED, flags=("-DX='1'",)).cross_file.read_text()

    assert "cpu_family = 'aarch64'\n" in text
    assert "needs_exe_wrapper = true\n" in text
    assert "c_args = ['-O3', '-fPIC'" in text
    assert "'-g0'" in text
    assert "'-DX=\\'1\\''" in text


@pytest.mark.parametrize(
    ("system", "linkage", "options"),
    [
        (
            BuildSystem.MESON,
            Linkage.SHARED,
            ["-Ddefault_library=shared", "-Da=enabled", "-Db=disabled", "-Dc=true", "-Dd=2"],
        ),
        (BuildSystem.CMAKE, Linkage.STATIC, ["-DBUILD_SHARED_LIBS=OFF", "-Da=ON", "-Db=OFF", "-Dc=ON", "-Dd=2"]),
    ],
)
def test_the_options_of_a_recipe_reach_the_build_system(
    tools: Tools, tmp_path: Path, system: BuildSystem, linkage: Linkage, options: list[str]
) -> None:
    toolchain = write(tools, tmp_path / "ws")
    build = Build(system=system, enable=("a",), disable=("b",), options={"c": True, "d": 2}, subdir="sub")

    commands = build_commands(
        build, linkage, toolchain, tools, source=Path("/src"), build_directory=Path("/build"), staging=Path("/stage")
    )

    assert [command.stage for command in commands] == ["configure", "compile", "install"]
    assert set(options) <= set(commands[0].args)
    assert "/src/sub" in commands[0].args
    assert commands[2].environment == {"DESTDIR": "/stage"}


def test_a_headers_recipe_runs_no_command(tools: Tools, tmp_path: Path) -> None:
    toolchain = write(tools, tmp_path / "ws")
    build, nowhere = Build(system=BuildSystem.HEADERS), Path("/nowhere")

    assert (
        build_commands(
            build, Linkage.STATIC, toolchain, tools, source=nowhere, build_directory=nowhere, staging=nowhere
        )
        == ()
    )
