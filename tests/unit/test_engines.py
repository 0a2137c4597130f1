"""Engines: the native one's compilers, what a container takes along, and which image is chosen."""

from __future__ import annotations

import shlex
import subprocess
import sys
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from everywheel.config.project import load_project
from everywheel.containers.build_wheels import choose_image, plan_container
from everywheel.containers.catalog import find_catalog, load_catalog
from everywheel.containers.cibuildwheel import (
    ContainerBuild,
    copy_project,
    create_arguments,
    identifier,
    image_identity,
)
from everywheel.containers.payload import Payload, list_dependencies
from everywheel.errors import MachineError, UsageError
from everywheel.pipeline import check_engine
from everywheel.planning.keys import find_identities
from everywheel.planning.plan import make_plan
from everywheel.platforms.architectures import ARCHES
from everywheel.platforms.target import base_target, parse_target
from everywheel.store.local import Store
from everywheel.toolchains.compilers import EngineName
from everywheel.toolchains.native import NativeEngine, native_facts, native_target, split_words

ROOT = Path(__file__).parents[2]
CATALOGUE = load_catalog(find_catalog(ROOT))
GLIBC = parse_target("manylinux_2_36_x86_64")


@pytest.fixture
def machine(tmp_path: Path) -> dict[str, str]:
    """The environment of a build image that has a compiler, which knows no flag of lld's."""
    for name in ("cc", "c++", "ar", "ranlib"):
        (tmp_path / name).write_text('#!/bin/sh\ncase "$*" in *undefined-version*) exit 1 ;; esac\necho gcc 10\n')
        (tmp_path / name).chmod(0o755)
    return {"PATH": f"{tmp_path}:/bin", "AUDITWHEEL_PLAT": "manylinux2014_x86_64", "HOME": "/root"}


def test_the_native_engine_takes_the_machines_compilers(machine: dict[str, str], tmp_path: Path) -> None:
    compilers = NativeEngine(environ=machine).compilers(GLIBC)

    assert (compilers.c[0], compilers.cxx[0]) == (str(tmp_path / "cc"), str(tmp_path / "c++"))
    assert compilers.build_c == compilers.c
    assert compilers.runs_target
    assert not compilers.undefined_version


def test_a_compiler_can_be_named(machine: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "my-cc").write_text("#!/bin/sh\n")
    (tmp_path / "my-cc").chmod(0o755)

    compilers = NativeEngine(environ={**machine, "CC": "my-cc"}).compilers(GLIBC)

    assert compilers.c[0] == str(tmp_path / "my-cc")


@pytest.mark.parametrize("tag", ["musllinux_1_2_x86_64", "manylinux2014_aarch64"])
def test_the_native_engine_builds_for_its_own_machine_alone(machine: dict[str, str], tag: str) -> None:
    target = parse_target(tag)

    with pytest.raises(UsageError) as raised:
        NativeEngine(environ=machine).compilers(target)
    assert raised.value.render() == (
        f"error: the native engine cannot build for {target.tag}: what this machine makes is manylinux_2_17_x86_64\n"
        "  hint: the zig engine builds for every target on any machine"
    )


def test_a_floor_below_the_machines_own_is_refused(machine: dict[str, str]) -> None:
    engine = NativeEngine(environ={**machine, "AUDITWHEEL_PLAT": "manylinux_2_36_x86_64"})

    with pytest.raises(UsageError, match=r"cannot build for manylinux_2_17_x86_64: what this machine makes is"):
        engine.compilers(parse_target("manylinux2014_x86_64"))


def test_on_a_mac_compilers_are_told_of_the_oldest_system(
    machine: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("platform.system", lambda: "Darwin")
    monkeypatch.setattr("platform.machine", lambda: "arm64")
    mac = {name: value for name, value in machine.items() if name != "AUDITWHEEL_PLAT"}

    compilers = NativeEngine(environ=mac).compilers(parse_target("macosx_12_0_arm64"))

    assert native_target(mac).tag == "macosx_11_0_arm64"
    assert native_target({**mac, "MACOSX_DEPLOYMENT_TARGET": "10.15"}).tag == "macosx_11_0_arm64"  # no older for arm64
    assert native_target({**mac, "MACOSX_DEPLOYMENT_TARGET": "13.0"}).tag == "macosx_13_0_arm64"
    assert compilers.c[-3:] == ("-arch", "arm64", "-mmacosx-version-min=12.0")
    with pytest.raises(UsageError, match="what this machine makes is macosx_11_0_arm64"):
        NativeEngine(environ=mac).compilers(GLIBC)


@pytest.fixture
def windows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """A Windows with MinGW's compilers, one for itself and one for the older architecture, and with Microsoft's."""
    monkeypatch.setattr("platform.system", lambda: "Windows")
    monkeypatch.setattr("platform.machine", lambda: "AMD64")
    machines = {
        "gcc": "x86_64-w64-mingw32",
        "g++": "x86_64-w64-mingw32",
        "clang": "x86_64-pc-windows-msvc",
        "gcc32": "i686-w64-mingw32",
        "zig": "x86_64-unknown-windows-gnu",
    }
    for name in ("ar", "ranlib", "dlltool", "windres"):
        machines[name] = ""
    for name, machine in machines.items():
        (tmp_path / name).write_text(f'#!/bin/sh\ncase "$*" in *-dumpmachine) echo {machine} ;; esac\n')
    (tmp_path / "cl").write_text("#!/bin/sh\necho 'cl : Command line error D8003'\nexit 2\n")
    for path in tmp_path.iterdir():
        path.chmod(0o755)
    return {"PATH": str(tmp_path), "SYSTEMROOT": "C:\\Windows", "SECRET": "x"}


def test_on_windows_mingws_compilers_build_and_what_they_bring_along_goes_inside(
    windows: dict[str, str], tmp_path: Path
) -> None:
    compilers = NativeEngine(environ=windows, store=tmp_path).compilers(native_target(windows))

    assert native_target(windows).tag == "win_amd64"
    assert (compilers.c[0], compilers.cxx[0]) == (str(tmp_path / "gcc"), str(tmp_path / "g++"))
    assert (compilers.dlltool, compilers.windres) == ((str(tmp_path / "dlltool"),), (str(tmp_path / "windres"),))
    assert compilers.link == ("-static",)
    assert compilers.launcher is not None
    assert compilers.launcher.parent.parent == tmp_path / "tools"
    assert compilers.environment == {"SYSTEMROOT": "C:\\Windows"}


def test_compilers_may_be_several_words(windows: dict[str, str], tmp_path: Path) -> None:
    named = {**windows, "CC": "zig cc", "CXX": "zig c++"}

    compilers = NativeEngine(environ=named, store=tmp_path).compilers(native_target(windows))

    assert compilers.c[:2] == (str(tmp_path / "zig"), "cc")
    assert compilers.cxx[:2] == (str(tmp_path / "zig"), "c++")


def test_a_variables_words_are_those_of_the_systems_shell() -> None:
    assert split_words("'/a b/cc' -m64", windows=False) == ["/a b/cc", "-m64"]
    assert split_words(r'"C:\a b\zig.exe" cc', windows=True) == [r"C:\a b\zig.exe", "cc"]


@pytest.mark.parametrize(
    ("compiler", "answer"),
    [("cl", "cl : Command line error D8003"), ("clang", "x86_64-pc-windows-msvc"), ("gcc32", "i686-w64-mingw32")],
)
def test_no_other_compiler_builds_on_windows(
    windows: dict[str, str], tmp_path: Path, compiler: str, answer: str
) -> None:
    engine = NativeEngine(environ={**windows, "CC": compiler}, store=tmp_path)

    with pytest.raises(MachineError) as raised:
        engine.compilers(native_target(windows))
    assert raised.value.render() == (
        f"error: the native engine cannot use {tmp_path / compiler}: recipes are built by MinGW's gcc or clang, for x86_64\n"
        f"  command: {tmp_path / compiler} -dumpmachine\n"
        f"  answer: {answer}\n"
        "  hint: put MinGW-w64's gcc and g++ on PATH, or name them with CC and CXX; the zig engine on Linux needs none"
    )


def test_the_zig_engine_says_that_it_does_not_run_on_windows(windows: dict[str, str]) -> None:
    with pytest.raises(MachineError) as raised:
        check_engine(EngineName.ZIG)
    assert raised.value.render() == (
        "error: the zig engine does not run on Windows: its compiler wrappers are shell scripts\n"
        "  hint: `--engine native` builds for this machine with MinGW-w64's gcc; zig builds for Windows on Linux"
    )
    check_engine(EngineName.NATIVE)


def test_a_build_image_says_what_it_makes(machine: dict[str, str]) -> None:
    assert native_target(machine).tag == "manylinux_2_17_x86_64"


def test_keys_tell_machines_apart_by_their_image_or_their_compilers(machine: dict[str, str], tmp_path: Path) -> None:
    first = native_facts(machine)
    (tmp_path / "cc").write_text("#!/bin/sh\necho gcc 12\n")

    assert native_facts(machine) != first
    assert native_facts({**machine, "EVERYWHEEL_IMAGE": "abc"}) == "abc"


def test_a_toolbox_has_what_the_toolkit_imports() -> None:
    names = {word.partition("=")[0].partition(">")[0] for word in list_dependencies("3.11")}

    assert {"auditwheel", "click", "pyelftools", "rich"} <= names
    assert "cibuildwheel" not in names


class FakeImages:
    """The images of a runtime whose registry does not answer."""

    def __init__(self, *references: str) -> None:
        self.references = references

    def find(self, reference: str, arch: object) -> str:
        return next((prefix for prefix in self.references if reference.startswith(prefix)), "")

    def pull(self, reference: str, arch: object) -> None:
        raise MachineError("cannot be pulled", details={"reason": "no such host"})


class FakeRuntime:
    """A runtime with some images."""

    name, run_id = "Docker", "abc"

    def __init__(self, *references: str) -> None:
        self.images = FakeImages(*references)


def test_a_python_without_xz_starts_the_toolkit() -> None:
    # As in build images whose Python was built without liblzma.
    script = "import sys; sys.modules['_lzma'] = None; from everywheel.cli.main import main; main(['build', '--help'])"

    assert "Build the project's wheel" in subprocess.check_output([sys.executable, "-c", script], text=True)


def choose(tag: str, *images: str) -> str:
    runtime: Any = FakeRuntime(*images)
    return choose_image(parse_target(tag), CATALOGUE, runtime.images).image.name


def test_pypas_image_goes_before_a_stand_in() -> None:
    assert choose("manylinux_2_36_x86_64", "quay.io/pypa/manylinux2014_x86_64") == "manylinux2014"
    assert choose("manylinux_2_36_x86_64") == "debian-12"
    assert choose("musllinux_1_2_aarch64") == "musl"


def test_a_plan_pulls_nothing() -> None:
    runtime: Any = FakeRuntime()
    runtime.images.pull = None

    assert (
        choose_image(parse_target("manylinux_2_36_x86_64"), CATALOGUE, runtime.images, pull=False).image.name
        == "debian-12"
    )


def test_a_promise_that_no_image_can_keep_is_refused_with_the_lowest_that_can() -> None:
    with pytest.raises(MachineError) as raised:
        choose("manylinux2014_aarch64")
    assert raised.value.render() == (
        "error: no build image for manylinux_2_17_aarch64 can be had\n"
        "  manylinux2014: no such host\n"
        "  hint: debian-12 can be made here and promises manylinux_2_36_aarch64: `--target manylinux_2_36_aarch64`"
    )


def test_what_is_planned_outside_is_what_is_planned_inside() -> None:
    """Inside, the native engine knows its image by a variable, and the machine that programs are built for is its own."""
    project, runtime = load_project(ROOT), FakeRuntime()
    chosen = choose_image(GLIBC, CATALOGUE, runtime.images)  # type: ignore[arg-type]

    outside = plan_container(project, chosen)
    project = replace(project, pythons=project.pythons[:1])

    facts = native_facts({"EVERYWHEEL_IMAGE": image_identity(chosen.reference)})
    inside = make_plan(
        project,
        [GLIBC],
        find_identities(EngineName.NATIVE, facts),
        machine=base_target("glibc", ARCHES["x86_64"]),
    )
    libraries = {id: step.key for id, step in outside.libraries.items()}
    assert libraries == {id: step.key for id, step in inside.libraries.items()}


def test_keys_of_engines_differ() -> None:
    project = load_project(ROOT)
    by_zig, native = (
        make_plan(project, [GLIBC], find_identities(engine, "x")) for engine in (EngineName.ZIG, EngineName.NATIVE)
    )

    same = {id for id, step in by_zig.steps.items() if native.steps[id].key == step.key}
    assert same == {"cpython:any", "cpython-freethreaded:any"}


@pytest.fixture
def build(tmp_path: Path) -> ContainerBuild:
    runtime: Any = FakeRuntime()
    chosen = choose_image(GLIBC, CATALOGUE, runtime.images)
    return ContainerBuild(
        project=load_project(ROOT, ["libvips=minimal"]),
        target=GLIBC,
        image=chosen.image,
        reference=chosen.reference,
        facts="facts",
        payload=Payload(folder=tmp_path / "box"),
        store=Store(tmp_path / "store"),
        runtime=runtime,
        jobs=2,
        log=tmp_path / "log",
    )


def test_a_container_has_no_network_and_one_writable_place(build: ContainerBuild, tmp_path: Path) -> None:
    words = create_arguments(build, tmp_path / "bin")

    assert "--network=none" in words
    assert "--label=org.everywheel.run=abc" in words
    writable = [word for word in words if word.startswith("--volume=") and not word.endswith(":ro")]
    assert {word.rpartition(":")[2] for word in writable} == {"/opt/everywheel/store", "/root/.cache/zig"}
    assert shlex.split(shlex.join(words)) == words


def test_cibuildwheel_is_told_one_build(build: ContainerBuild) -> None:
    assert identifier(build) == "cp311-manylinux_x86_64"


def test_the_copied_project_has_the_chosen_features_and_nothing_else_of_the_folder(
    build: ContainerBuild, tmp_path: Path
) -> None:
    package = copy_project(build.project, tmp_path / "copy")

    assert package == tmp_path / "copy" / "extension"
    assert {path.name for path in (tmp_path / "copy").iterdir()} == {"extension", "recipes", "pyproject.toml"}
    table = tomllib.loads((tmp_path / "copy" / "pyproject.toml").read_text())["tool"]["everywheel"]
    assert table["features"]["libvips"] == list(build.project.features["libvips"])
    again = load_project(tmp_path / "copy")
    assert (again.features, again.digest) == (build.project.features, build.project.digest)
