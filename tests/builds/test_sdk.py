"""SDKs of the fixture project's libfoo, whose archive requires that of libbar: what is in them, and programs that use them."""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import shutil
import subprocess
import sys
import tarfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest
from everywheel.binaries.elf import read_elf
from everywheel.binaries.pe import read_pe
from everywheel.errors import BuildError
from everywheel.platforms.target import parse_target
from everywheel.sdk.archive_symbols import check_archives
from everywheel.sdk.contents import SdkFacts, SdkFile
from everywheel.store.local import default_store
from everywheel.toolchains.build_tools import Tools, ensure_tools
from filelock import FileLock
from fixture_project import FixtureProject, open_existing

LINUX, MACOS, WINDOWS = "manylinux2014_x86_64", "macosx_11_0_arm64", "win_amd64"
SELECTION = [arg for target in (LINUX, MACOS, WINDOWS) for arg in ("-t", target)]
PROGRAM = '#include <foo.h>\n#include <stdio.h>\nint main(void) { printf("%d\\n", foo_answer()); return 0; }\n'
CMAKE = """cmake_minimum_required(VERSION 3.20)
project(user C)
find_package(libfoo 1.0 REQUIRED)
add_executable(with-shared main.c)
target_link_libraries(with-shared libfoo::foo)
add_executable(with-static main.c)
target_link_libraries(with-static libfoo::foo-static)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sdk:
    """The project that built the SDKs, the folder with all archives, and that of the unpacked SDK for Linux."""

    project: FixtureProject
    archives: Path
    folder: Path


@pytest.fixture(scope="session")
def tools() -> Tools:
    return ensure_tools(default_store())


@pytest.fixture(scope="session")
def built(shared_folder: Path, shared_store: Path, python_headers: Path) -> FixtureProject:
    """The project with the SDKs of three systems in its folder `sdk`."""
    folder = shared_folder / "sdk"
    with FileLock(shared_folder / "sdk.lock"):
        if (shared_folder / "sdk.done").exists():
            return open_existing(folder, python_headers)
        project = FixtureProject(folder, python_headers)
        project.run("sdk", *SELECTION, "--wheel", "--npm")
        (shared_folder / "sdk.done").touch()
    return project


@pytest.fixture
def sdk(built: FixtureProject, tmp_path: Path) -> Sdk:
    """A copy of the SDK for Linux in a folder whose name has a blank."""
    archives, parent = built.root / "sdk", tmp_path / "a folder"
    with tarfile.open(archives / f"libfoo-1.0-{LINUX}.tar.gz") as archive:
        archive.extractall(parent, filter="data")
    (tmp_path / "main.c").write_text(PROGRAM)
    return Sdk(project=built, archives=archives, folder=parent / f"libfoo-1.0-{LINUX}")


def query(tools: Tools, sdk: Sdk, *args: str, folder: str = "lib/pkgconfig") -> list[str]:
    """Return the flags that pkg-config prints for the module foo."""
    environment = {"PKG_CONFIG_PATH": str(sdk.folder / folder), "PKG_CONFIG_LIBDIR": "/nonexistent"}
    command = [str(tools.pkgconf), *args, "foo"]
    return shlex.split(subprocess.run(command, env=environment, text=True, capture_output=True, check=True).stdout)


def run_program(path: Path, **variables: str) -> str:
    return subprocess.run([str(path)], env=variables, text=True, capture_output=True, check=True).stdout


def test_an_sdk_has_libraries_headers_licenses_and_documents(sdk: Sdk) -> None:
    manifest = json.loads((sdk.folder / "sdk.json").read_text())
    files = {p.relative_to(sdk.folder).as_posix() for p in sdk.folder.rglob("*") if p.is_file() and not p.is_symlink()}

    assert files == {*manifest["files"], "sdk.json"}
    assert {
        "README.md",
        "include/bar.h",
        "include/foo.h",
        "lib/cmake/libfoo/libfoo-config.cmake",
        "lib/libfoo.so.1.0.0",
        "lib/pkgconfig/foo.pc",
        "lib/static/libbar.a",
        "lib/static/libfoo.a",
        "lib/static/pkgconfig/foo.pc",
        "sbom.cdx.json",
        "share/licenses/libbar/LICENSE",
        "share/licenses/libfoo/LICENSE",
    } <= files
    assert manifest["links"] == {"lib/libfoo.so": "libfoo.so.1", "lib/libfoo.so.1": "libfoo.so.1.0.0"}
    assert (manifest["target"], manifest["recipes"]) == ("manylinux_2_17_x86_64", ["libfoo"])
    for name, facts in manifest["files"].items():
        assert hashlib.sha256((sdk.folder / name).read_bytes()).hexdigest() == facts["sha256"]
    components = {c["name"]: c for c in json.loads((sdk.folder / "sbom.cdx.json").read_text())["components"]}
    assert {p["value"] for p in components["libbar"]["properties"] if p["name"] == "everywheel:file"} == {
        "lib/static/libbar.a"
    }
    assert "MIT" in (sdk.folder / "README.md").read_text()


def test_flags_name_the_folder_and_nothing_of_the_build(sdk: Sdk, tools: Tools) -> None:
    shared, static = query(tools, sdk, "--cflags", "--libs"), query(tools, sdk, "--static", "--libs")
    archives = query(tools, sdk, "--libs", folder="lib/static/pkgconfig")

    assert [flag for flag in shared if flag.startswith("-l")] == ["-lfoo"]
    assert [flag for flag in static if flag.startswith("-l")] == ["-lfoo", "-lbar"]
    assert [flag for flag in archives if flag.startswith("-l")] == ["-lfoo", "-lbar"]
    for flag in (*shared, *static, *archives):
        assert flag.startswith(("-l", f"-L{sdk.folder}/", f"-I{sdk.folder}/")), flag
    for module in sdk.folder.rglob("*.pc"):
        assert "/everywheel" not in module.read_text()


@pytest.mark.parametrize("compiler", ["gcc", "zig"])
def test_a_program_links_to_the_shared_library_and_to_archives(
    sdk: Sdk, tools: Tools, tmp_path: Path, compiler: str
) -> None:
    command = {"gcc": [shutil.which("gcc") or ""], "zig": [str(tools.zig), "cc", "-target", "x86_64-linux-gnu.2.17"]}[
        compiler
    ]
    if not command[0]:
        pytest.skip("no gcc")
    flags = {
        "shared": query(tools, sdk, "--cflags", "--libs"),
        "static": query(tools, sdk, "--cflags", "--libs", folder="lib/static/pkgconfig"),
    }
    for name, options in flags.items():
        subprocess.run([*command, str(tmp_path / "main.c"), *options, "-o", str(tmp_path / name)], check=True)

    assert run_program(tmp_path / "shared", LD_LIBRARY_PATH=str(sdk.folder / "lib")) == "42\n"
    assert run_program(tmp_path / "static") == "42\n"
    assert "libfoo.so.1" in read_elf((tmp_path / "shared").read_bytes()).needed
    assert set(read_elf((tmp_path / "static").read_bytes()).needed) <= {"libc.so.6", "libpthread.so.0"}


def test_the_commands_in_the_readme_run_as_written(sdk: Sdk, tools: Tools, tmp_path: Path) -> None:
    """As its user does: in its folder, with a compiler `cc` and a program `pkg-config`."""
    compiler = shutil.which("gcc")
    if compiler is None:
        pytest.skip("no gcc")
    commands = [line.strip() for line in (sdk.folder / "README.md").read_text().splitlines() if line.startswith("    ")]
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "pkg-config").symlink_to(tools.pkgconf)
    (tmp_path / "bin" / "cc").symlink_to(compiler)
    environment = {"PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}"}
    shutil.copy(tmp_path / "main.c", sdk.folder)

    assert len(commands) == 3
    needed = []
    for command in commands[1:]:
        script = f"{commands[0]}\n{command}"
        subprocess.run(["sh", "-euc", script], cwd=sdk.folder, env=environment, check=True)
        assert run_program(sdk.folder / "main") == "42\n"
        needed.append(read_elf((sdk.folder / "main").read_bytes()).needed)
    assert needed == [("libfoo.so.1", "libc.so.6"), ()]


def test_cmake_finds_both_forms(sdk: Sdk, tools: Tools, tmp_path: Path) -> None:
    (tmp_path / "CMakeLists.txt").write_text(CMAKE)
    build = str(tmp_path / "build")
    options = ["-G", "Ninja", f"-DCMAKE_MAKE_PROGRAM={tools.ninja}", f"-DCMAKE_PREFIX_PATH={sdk.folder}"]

    subprocess.run([str(tools.cmake), "-S", str(tmp_path), "-B", build, *options], check=True, capture_output=True)
    subprocess.run([str(tools.cmake), "--build", build], check=True, capture_output=True)

    assert run_program(tmp_path / "build" / "with-shared") == "42\n"
    assert run_program(tmp_path / "build" / "with-static") == "42\n"


def test_the_same_libraries_result_in_the_same_bytes(built: FixtureProject, tmp_path: Path) -> None:
    built.run("sdk", *SELECTION, "--wheel", "--npm", "-o", str(tmp_path))

    first, second = (
        {path.name: path.read_bytes() for path in folder.iterdir()} for folder in (built.root / "sdk", tmp_path)
    )
    assert sorted(first) == [
        f"libfoo-1.0-{MACOS}.tar.gz",
        f"libfoo-1.0-{LINUX}.tar.gz",
        f"libfoo-1.0-{WINDOWS}.zip",
        "libfoo-sdk-darwin-arm64-1.0.tgz",
        "libfoo-sdk-linux-x64-1.0.tgz",
        "libfoo-sdk-win32-x64-1.0.tgz",
        f"libfoo_sdk-1.0-py3-none-{MACOS}.whl",
        f"libfoo_sdk-1.0-py3-none-{LINUX}.whl",
        f"libfoo_sdk-1.0-py3-none-{WINDOWS}.whl",
    ]
    assert first == second


def test_an_sdk_for_windows_has_no_links_and_import_libraries_for_each_linker(
    sdk: Sdk, tools: Tools, tmp_path: Path
) -> None:
    with zipfile.ZipFile(sdk.archives / f"libfoo-1.0-{WINDOWS}.zip") as archive:
        archive.extractall(tmp_path)
    windows = Sdk(project=sdk.project, archives=sdk.archives, folder=tmp_path / f"libfoo-1.0-{WINDOWS}")
    names = {path.relative_to(windows.folder).as_posix() for path in windows.folder.rglob("*")}
    program = tmp_path / "main.exe"

    command = [str(tools.zig), "cc", "-target", "x86_64-windows-gnu", str(tmp_path / "main.c"), "-o", str(program)]
    subprocess.run([*command, *query(tools, windows, "--cflags", "--libs")], check=True)

    assert {"bin/libfoo.dll", "lib/libfoo.dll.a", "lib/foo.lib", "lib/static/libfoo.a", "lib/static/libbar.a"} <= names
    assert read_pe((windows.folder / "bin" / "libfoo.dll").read_bytes()).exports == ("foo_answer",)
    assert "libfoo.dll" in read_pe(program.read_bytes()).imports


def test_a_wheel_prints_its_paths_and_links(sdk: Sdk, tools: Tools, tmp_path: Path) -> None:
    with zipfile.ZipFile(sdk.archives / f"libfoo_sdk-1.0-py3-none-{LINUX}.whl") as archive:
        archive.extractall(tmp_path / "site")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "site")}
    command = [sys.executable, "-m", "libfoo_sdk", "--pkg-config-path"]
    path = Path(subprocess.run(command, env=environment, text=True, capture_output=True, check=True).stdout.strip())
    installed = Sdk(project=sdk.project, archives=sdk.archives, folder=path.parents[1])
    program = tmp_path / "main"

    flags = query(tools, installed, "--cflags", "--libs")
    subprocess.run([str(tools.zig), "cc", str(tmp_path / "main.c"), *flags, "-o", str(program)], check=True)

    assert (path / "../libfoo.so").read_text() == "INPUT(libfoo.so.1)\n"
    assert run_program(program, LD_LIBRARY_PATH=str(path.parent)) == "42\n"
    sdk.project.run("sdk", "--check", str(path.parents[1]))


def test_an_npm_package_names_its_system(sdk: Sdk) -> None:
    with tarfile.open(sdk.archives / "libfoo-sdk-linux-x64-1.0.tgz") as archive:
        file = archive.extractfile("package/package.json")
        assert file is not None
        description = json.load(file)
        kinds = {member.type for member in archive}

    assert (description["os"], description["cpu"], description["libc"]) == (["linux"], ["x64"], ["glibc"])
    assert kinds == {tarfile.REGTYPE}


def test_npm_installs_the_package_of_its_system_only(sdk: Sdk, tmp_path: Path) -> None:
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("no npm")
    environment = {**os.environ, "npm_config_cache": str(tmp_path / "cache"), "npm_config_update_notifier": "false"}

    def install(name: str) -> subprocess.CompletedProcess[str]:
        command = [npm, "install", "--offline", "--prefix", str(tmp_path / "user"), str(sdk.archives / name)]
        return subprocess.run(command, env=environment, text=True, capture_output=True)

    refused, installed = install("libfoo-sdk-darwin-arm64-1.0.tgz"), install("libfoo-sdk-linux-x64-1.0.tgz")

    assert refused.returncode != 0
    assert "EBADPLATFORM" in refused.stderr
    assert (installed.returncode, installed.stderr) == (0, "")
    assert [path.name for path in (tmp_path / "user" / "node_modules").glob("[!.]*")] == ["libfoo-sdk-linux-x64"]
    sdk.project.run("sdk", "--check", str(tmp_path / "user" / "node_modules" / "libfoo-sdk-linux-x64" / "sdk"))


def test_a_missing_and_a_changed_file_are_reported(sdk: Sdk) -> None:
    (sdk.folder / "lib/static/libbar.a").unlink()
    (sdk.folder / "include/foo.h").write_text("int foo_answer(int);\n")

    _, errors = sdk.project.run("sdk", "--check", str(sdk.folder), exit_code=1)

    assert errors == (
        f"error: the SDK of libfoo 1.0 for manylinux_2_17_x86_64 in {sdk.folder} is not complete\n"
        "  include/foo.h: changed\n"
        "  lib/static/libbar.a: missing\n"
        "  hint: unpack the archive again; on Windows, or in a package without links, copy the files that links name\n"
    )


def test_an_sdk_for_another_target_is_reported(sdk: Sdk) -> None:
    _, errors = sdk.project.run("sdk", "--check", str(sdk.folder), "-t", "musllinux_1_2_x86_64", exit_code=2)

    assert errors == (
        f"error: {sdk.folder} is an SDK for manylinux_2_17_x86_64, not for musllinux_1_2_x86_64\n"
        "  hint: unpack the archive whose name ends with musllinux_1_2_x86_64\n"
    )


def test_a_program_with_a_second_copy_of_a_library_is_reported(sdk: Sdk, tools: Tools, tmp_path: Path) -> None:
    program = tmp_path / "both"
    source = tmp_path / "both.c"
    text = PROGRAM.replace("foo_answer()", "foo_answer() + foo_secret()")
    source.write_text(text.replace("<foo.h>", "<foo.h>\nint foo_secret(void);"))
    libraries = [
        f"{sdk.folder}/lib/static/libfoo.a",
        f"{sdk.folder}/lib/static/libbar.a",
        f"{sdk.folder}/lib/libfoo.so",
    ]
    compile_command = [str(tools.zig), "cc", str(source), f"-I{sdk.folder}/include", "-Wl,--no-as-needed", *libraries]
    subprocess.run([*compile_command, "-o", str(program)], check=True)

    _, errors = sdk.project.run("sdk", "--check", str(sdk.folder), "--program", str(program), exit_code=1)

    assert errors == (
        f"error: {program} contains functions that libfoo.so.1 has too: the process would have two of each\n"
        "  functions: foo_answer\n"
        "  hint: link it either to the shared library (lib/pkgconfig) or to archives only (lib/static/pkgconfig)\n"
    )


def test_archives_with_symbols_that_nothing_provides_are_refused(project: FixtureProject) -> None:
    project.replace("recipes/libfoo/recipe.toml", 'provides = ["answer"]', "")
    (project.root / "recipes/libfoo/check.c").unlink()
    source = project.folder / "pack" / "libfoo" / "libfoo-1.0" / "foo.c"
    old = hashlib.sha256((project.folder / "libfoo.tar.gz").read_bytes()).hexdigest()
    source.write_text(source.read_text() + "int foo_nowhere(void);\nint foo_unused(void) { return foo_nowhere(); }\n")
    from_folder = project.folder / "changed"
    shutil.copytree(source.parent, from_folder)
    project.pin("libfoo", old, project.pack("libfoo", from_folder))

    _, errors = project.run("sdk", "-t", LINUX, exit_code=1)

    assert errors.endswith(
        "error: the archives of libfoo 1.0 for manylinux_2_17_x86_64 require symbols that nothing provides\n"
        "  lib/static/libfoo.a: foo_nowhere\n"
        "  hint: build the sources that define them, or add the library that has them to `requires` of the recipe\n"
    )


def test_functions_that_zig_does_not_have_for_windows_are_missing(tools: Tools, tmp_path: Path) -> None:
    source, object_file, archive = tmp_path / "foo.c", tmp_path / "foo.o", tmp_path / "libfoo.a"
    source.write_text("void foo_flush(char *a, char *b) { __builtin___clear_cache(a, b); }\n")
    subprocess.run([tools.zig, "cc", "-target", "aarch64-windows-gnu", "-c", source, "-o", object_file], check=True)
    subprocess.run([tools.zig, "ar", "rc", archive, object_file], check=True)
    facts = SdkFacts(
        name="libfoo",
        version="1.0",
        profile="sdk",
        target=parse_target("win_arm64"),
        roots=("libfoo",),
        modules={"libfoo": ("libfoo",)},
        libraries=(),
        archives={"libfoo": ("foo",)},
    )

    with pytest.raises(BuildError) as error:
        check_archives({"lib/static/libfoo.a": SdkFile(data=archive.read_bytes())}, facts)

    assert error.value.details == {"lib/static/libfoo.a": "__clear_cache"}


def test_an_archive_in_cxx_is_linked_to_the_cxx_library(tools: Tools, tmp_path: Path) -> None:
    """Streams have tables of virtual bases, and dynamic_cast is a function of the library."""
    source, object_file, archive = tmp_path / "foo.cc", tmp_path / "foo.o", tmp_path / "libfoo.a"
    source.write_text(
        "#include <sstream>\nstruct A { virtual ~A() = default; };\nstruct B : A {};\n"
        "B *foo(A *a) { std::stringstream text; text << 1; return dynamic_cast<B *>(a); }\n"
    )
    command = [tools.zig, "c++", "-target", "x86_64-linux-gnu.2.17", "-O2", "-c", source, "-o", object_file]
    subprocess.run(command, check=True)
    subprocess.run([tools.zig, "ar", "rc", archive, object_file], check=True)
    facts = SdkFacts(
        name="libfoo",
        version="1.0",
        profile="sdk",
        target=parse_target(LINUX),
        roots=("libfoo",),
        modules={"libfoo": ("foo",)},
        libraries=(),
        archives={"libfoo": ("foo",)},
    )

    assert check_archives({"lib/static/libfoo.a": SdkFile(data=archive.read_bytes())}, facts) == {"foo": "-lc++"}
