"""Libraries with a configure script, a makefile or CMake files: what their builds find and install, and the errors."""

from __future__ import annotations

import hashlib
import re
import shutil
import tarfile
import threading
from collections.abc import Mapping, Sequence
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from everywheel.config.recipe_loader import load_recipe
from everywheel.sources.fetch import fetch_sources
from everywheel.sources.locations import find_locations
from everywheel.sources.request import list_source_files
from everywheel.store.local import default_store
from fixture_project import FixtureProject

ROOT = Path(__file__).parents[2]
TARGET = "musllinux_1_2_aarch64"
CMAKE = "cmake_minimum_required(VERSION 3.20)\nproject(small NONE)\n"
NO_DOWNLOAD = (
    "write a recipe of it and name it in `requires`, or switch its use off with an option; "
    "for an archive inside of the source, "
    '`options = { FETCHCONTENT_FULLY_DISCONNECTED = "OFF" }`'
)
INSTALL = "install:\n\tmkdir -p $(DESTDIR)/everywheel/include\n\techo >$(DESTDIR)/everywheel/include/small.h\n"
CONFIGURE = '#!/bin/sh\nsed \'s|@CC@|\'"$CC"\'|\' "$(dirname "$0")/Makefile.in" >Makefile\n'


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, python_headers: Path) -> FixtureProject:
    """A project with the source of GNU make, which its first build compiles for all tests of this file."""
    project = FixtureProject(tmp_path_factory.mktemp("make"), python_headers)
    add_make_source(project)
    return project


def add_make_source(project: FixtureProject) -> None:
    """Copy the source of GNU make into the mirror of a project."""
    (source,) = list_source_files([load_recipe(ROOT / "recipes" / "make" / "recipe.toml")])
    files = fetch_sources([source], store=default_store(), locations=find_locations())
    shutil.copyfile(files[source.sha256], project.mirror / source.sha256)


def add_recipe(project: FixtureProject, name: str, build: str, files: Mapping[str, str]) -> None:
    """Add a recipe whose source has these files and a license; those named configure are programs."""
    source = project.folder / "sources" / name
    for path, text in {"LICENSE": "MIT\n", **files}.items():
        (source / path).parent.mkdir(parents=True, exist_ok=True)
        (source / path).write_text(text)
        (source / path).chmod(0o755 if path == "configure" else 0o644)
    archive = project.pack(name, source)
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    archive.replace(project.mirror / digest)
    recipe = project.root / "recipes" / name
    recipe.mkdir()
    (recipe / "recipe.toml").write_text(
        f'name = "{name}"\nversion = "1.0"\nlicense = {{ spdx = "MIT", files = ["LICENSE"] }}\n'
        f'[source]\nurls = ["http://127.0.0.1:9/{name}-{{version}}.tar.gz"]\nsha256 = "{digest}"\n'
        f"[build]\n{build}\n[products]\n"
    )


def pack_folders(project: FixtureProject, name: str, folders: Sequence[str]) -> None:
    """Replace the archive of a recipe with one that has empty folders at its top."""
    recipe = project.root / "recipes" / name / "recipe.toml"
    old = re.findall(r'sha256 = "(\w+)"', recipe.read_text())[0]
    with tarfile.open(project.mirror / name, "w:gz") as archive:
        for folder in folders:
            member = tarfile.TarInfo(folder)
            member.type = tarfile.DIRTYPE
            archive.addfile(member)
    digest = hashlib.sha256((project.mirror / name).read_bytes()).hexdigest()
    (project.mirror / name).replace(project.mirror / digest)
    project.replace(f"recipes/{name}/recipe.toml", old, digest)


def fail(project: FixtureProject, name: str, exit_code: int = 1) -> list[str]:
    """Build a recipe that fails; return the lines of the error and of its hint."""
    _, errors = project.run("deps", name, "-t", TARGET, exit_code=exit_code)
    return [
        line.strip()
        for line in errors.splitlines()
        if line.startswith(("error: ", "  hint: ", "  files: ", "  folders: ", "  check: ", "  named like a license: "))
    ]


def test_a_makefile_gets_compilers_prefix_and_flags_and_leaves_no_path_of_the_machine(
    project: FixtureProject, tmp_path: Path
) -> None:
    makefile = (
        "libsmall.a: small.o\n\t$(AR) cr $@ small.o\n"
        "small.o: small.c\n\t$(CC) $(CFLAGS) -c small.c\n"
        "install: libsmall.a\n\tmkdir -p $(DESTDIR)$(PREFIX)/lib\n\tcp libsmall.a $(DESTDIR)$(PREFIX)/lib/\n"
        "\techo >$(DESTDIR)$(PREFIX)/lib/libsmall.la\n\techo '$(NAME) $(CFLAGS)' >$(DESTDIR)$(PREFIX)/lib/name\n"
    )
    add_recipe(
        project,
        "small",
        'system = "make"\noptions = { NAME = "{host}", PIC = true }\noptimize = "size"',
        {"Makefile": makefile, "small.c": "const char *small(void) { return __FILE__; }\n"},
    )
    project.replace("recipes/small/recipe.toml", "[products]", '[products]\nlibraries = ["small"]')

    project.run("deps", "small", "-t", TARGET, "--prefix", str(tmp_path))

    assert sorted(path.name for path in (tmp_path / "lib").iterdir()) == ["libsmall.a", "name"]
    assert (tmp_path / "lib" / "name").read_text() == "aarch64-pc-linux-musl -Os\n"


def test_a_configure_script_builds_out_of_the_source_and_finds_only_declared_programs(
    project: FixtureProject, tmp_path: Path
) -> None:
    script = (
        'echo "$*" >args\n. "$CONFIG_SITE"\necho "$ac_cv_sizeof_long $ac_cv_func_mmap $ac_cv_func_perl" >answers\n'
        "for name in perl gcc ld pkg-config; do command -v $name || echo no $name; done | sed 's|.*/toolchain/||' >programs\n"
    )
    keep = "".join(f"\tcp {name} $(DESTDIR)/everywheel/include/{name}\n" for name in ("args", "answers", "programs"))
    build = 'system = "autotools"\nenable = ["fast", "with-zlib"]\ndisable = ["docs", "with-perl"]\n'
    build += 'options = { ac_cv_func_perl = "yes", with-cache = "4" }'
    files = {"configure": CONFIGURE + script, "Makefile.in": f"all:\n{INSTALL}{keep}"}
    add_recipe(project, "plain", build, files)
    add_recipe(project, "declared", f'{build}\nmachine-programs = ["perl"]', files)

    for name in ("plain", "declared"):
        project.run("deps", name, "-t", TARGET, "--prefix", str(tmp_path / name))

    include = tmp_path / "plain" / "include"
    args = (include / "args").read_text().split()
    assert args[1:] == [
        "--host=aarch64-pc-linux-musl",
        "--prefix=/everywheel",
        "--libdir=/everywheel/lib",
        "--disable-dependency-tracking",
        "--disable-maintainer-mode",
        "--disable-shared",
        "--enable-static",
        "--with-pic",
        "--enable-fast",
        "--with-zlib",
        "--disable-docs",
        "--without-perl",
        "ac_cv_func_perl=yes",
        "--with-cache=4",
    ]
    assert args[0].startswith("--build=")
    assert args[0].split("-")[3] == "build"
    assert (include / "answers").read_text() == "8 yes \n"
    programs = "no gcc\nmake/ld\nbin/pkg-config\n"
    assert (include / "programs").read_text() == f"no perl\n{programs}"
    assert (tmp_path / "declared" / "include" / "programs").read_text() == f"bin/perl\n{programs}"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("runs", "configure: error: cannot run test program while cross compiling"),
        ("starts", "configure: error: cannot run C compiled programs."),
        ("emulates", "aarch64-binfmt-P: Could not open '/lib/ld-musl-aarch64.so.1': No such file or directory"),
    ],
)
def test_a_configure_script_that_runs_a_program_of_the_target_is_an_error(
    project: FixtureProject, name: str, message: str
) -> None:
    script = f"echo 'checking for a working qsort... '\necho \"{message}\"\n"
    add_recipe(project, name, 'system = "autotools"', {"configure": f"#!/bin/sh\n{script}exit 1\n"})

    assert fail(project, name) == [
        f"error: {name} 1.0 for {TARGET}: the configure script runs a program of the target, which this machine must not run",
        "check: for a working qsort",
        'hint: write the answer into the recipe: `options = { ac_cv_… = "yes" }` in [build], with the variable that the '
        "script tests before the check",
    ]


@pytest.mark.parametrize(
    ("name", "files"),
    [
        ("shell", {"configure": "#!/bin/sh\nset -e\ngperf --version\n"}),
        ("checked", {"configure": "#!/bin/sh\necho 'configure: error: gperf is required'\nexit 1\n"}),
        ("rule", {"configure": CONFIGURE, "Makefile.in": "all:\n\tgperf small.txt\n"}),
    ],
)
def test_a_missing_program_is_named(project: FixtureProject, name: str, files: dict[str, str]) -> None:
    add_recipe(project, name, 'system = "autotools"', files)

    assert fail(project, name) == [
        f"error: {name} 1.0 for {TARGET}: the build runs 'gperf', which is not on its PATH",
        'hint: builds find no program of this machine by themselves: add `machine-programs = ["gperf"]` to [build], name a '
        "recipe of it in `build-requires`, or disable the part that needs it",
    ]


def test_a_declared_program_that_this_machine_does_not_have_is_an_error_before_anything_is_built(
    project: FixtureProject,
) -> None:
    add_recipe(project, "undeclared", 'system = "make"\nmachine-programs = ["no-such-program"]', {"Makefile": "all:\n"})

    assert fail(project, "undeclared", exit_code=7) == [
        f"error: undeclared 1.0 for {TARGET}: its build runs 'no-such-program', which is not on PATH",
        "hint: `everywheel doctor` shows the command that installs it: the recipe declares it in `machine-programs`",
    ]


def test_files_outside_of_the_prefix_are_an_error(project: FixtureProject) -> None:
    makefile = f"all:\n{INSTALL}\tmkdir -p $(DESTDIR)/usr/share\n\techo >$(DESTDIR)/usr/share/small\n"
    add_recipe(project, "absolute", 'system = "make"', {"Makefile": makefile})

    assert fail(project, "absolute") == [
        f"error: absolute 1.0 for {TARGET}: the build installs files outside of the prefix /everywheel",
        "files: /usr/share/small",
        "hint: select another directory with an option, or remove them with a patch: only the prefix is kept",
    ]


def test_a_build_that_installs_nothing_is_an_error(project: FixtureProject) -> None:
    add_recipe(project, "nothing", 'system = "make"', {"Makefile": "all:\ninstall:\n"})

    assert fail(project, "nothing") == [
        f"error: nothing 1.0 for {TARGET}: every command of the build succeeded, but nothing was installed",
        "hint: an option may disable the library, or `subdir` names another part of the source; with make, the targets are "
        "`compile` and `install` in [build], and a makefile that ignores DESTDIR installs into folders of this machine",
    ]


@pytest.mark.parametrize(
    ("name", "commands", "what"),
    [
        (
            "fetched",
            "include(FetchContent)\nFetchContent_Declare(bar URL {url})\nFetchContent_MakeAvailable(bar)\n",
            "bar",
        ),
        (
            "received",
            "file(DOWNLOAD {url} bar STATUS status)\nif(status)\n  message(FATAL_ERROR ${{status}})\nendif()\n",
            "a file",
        ),
    ],
)
def test_cmake_files_download_nothing(project: FixtureProject, name: str, commands: str, what: str) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), SimpleHTTPRequestHandler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/"
        add_recipe(project, name, 'system = "cmake"', {"CMakeLists.txt": CMAKE + commands.format(url=url)})
        errors = fail(project, name)
        server.shutdown()

    fact = f"error: {name} 1.0 for {TARGET}: the CMake files download {what}, and builds download nothing"
    assert errors == [fact, f"hint: {NO_DOWNLOAD}"]


def test_cmake_files_without_a_rule_to_install_are_an_error(project: FixtureProject) -> None:
    add_recipe(project, "kept", 'system = "cmake"', {"CMakeLists.txt": CMAKE})

    assert fail(project, "kept") == [
        f"error: kept 1.0 for {TARGET}: the CMake files install nothing",
        "hint: add install() for the library and its headers with a patch in `patches/`, or set an option that does",
    ]


def test_an_archive_with_two_folders_is_an_error(project: FixtureProject) -> None:
    add_recipe(project, "two", 'system = "make"', {"Makefile": "all:\n"})
    pack_folders(project, "two", ["doc", "two"])

    assert fail(project, "two") == [
        f"error: two 1.0 for {TARGET}: the archive holds 2 folders, not one with the source",
        "folders: doc, two",
        "hint: name the folder of the library in `subdir` of [build] and in `files` of `license`",
    ]


def test_a_license_file_that_the_source_does_not_have_is_an_error_before_anything_is_built(
    project: FixtureProject,
) -> None:
    add_recipe(project, "unlicensed", 'system = "make"', {"Makefile": "all:\n\tfalse\n", "Copyright.txt": "MIT"})
    project.replace("recipes/unlicensed/recipe.toml", '"LICENSE"', '"COPYING"')

    assert fail(project, "unlicensed") == [
        f"error: unlicensed 1.0 for {TARGET}: the license file 'COPYING' is not in the source",
        "named like a license: Copyright.txt, LICENSE",
        "hint: correct `files` in `license` of the recipe; if the source has no license file, add one in `overlay/`",
    ]


def test_a_patch_only_of_inputs_of_autoconf_is_an_error(project: FixtureProject) -> None:
    add_recipe(project, "patched", 'system = "autotools"', {"configure": CONFIGURE, "configure.ac": "AC_INIT\n"})
    patches = project.root / "recipes" / "patched" / "patches"
    patches.mkdir()
    (patches / "input.patch").write_text(
        "--- a/configure.ac\n+++ b/configure.ac\n@@ -1 +1,2 @@\n AC_INIT\n+AC_OUTPUT\n"
    )

    assert fail(project, "patched") == [
        f"error: patched 1.0 for {TARGET}: patches change the inputs of autoconf, which is not run",
        "hint: patch `configure` or `Makefile.in` as well, or leave the patch out",
    ]
