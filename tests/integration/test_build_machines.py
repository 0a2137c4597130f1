"""Build machines other than a Debian 12 with apt: one without a package client, a musl system, and a Debian 13."""

from __future__ import annotations

import hashlib
import os
import shlex
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from everywheel.cli.source_selection import select_recipes
from everywheel.sources.fetch import fetch_sources
from everywheel.sources.locations import find_locations
from everywheel.sources.request import PinnedFile, list_patch_archives, list_source_files
from everywheel.store.local import default_store
from fixture_project import FixtureProject
from root_filesystems import (
    REPOSITORY,
    bootstrap_debian,
    call,
    call_in_root,
    copy_repository,
    mount_overlay,
)
from snapshot_server import Fault, Service, list_store_files, serve, spread_faults

pytestmark = pytest.mark.xdist_group("build_machines")

STORE = "/var/cache/everywheel"
EVERYWHEEL = "/project/.nox/build-all/bin/everywheel"
CLIENT = ("etc/apt", "usr/bin/apt*", "usr/bin/dpkg*", "usr/lib/apt", "usr/lib/dpkg", "var/cache/apt", "var/lib/apt")
# Nothing answers except this machine.
NO_NETWORK = dict.fromkeys(("http_proxy", "https_proxy"), "http://127.0.0.1:9") | {"no_proxy": "127.0.0.1"}
BINDS = {default_store() / "tools": f"{STORE}/tools", default_store() / "zig": f"{STORE}/zig"}
TARGETS = ("--target", "manylinux2014_x86_64", "--target", "musllinux_1_2_x86_64")


@pytest.fixture(scope="module")
def files() -> tuple[PinnedFile, ...]:
    """Every pinned file of a release; they are fetched into this machine's store with its own package client."""
    files = tuple(list_source_files(select_recipes(REPOSITORY, (), (), "release")))
    fetch_sources([*files, *list_patch_archives(files)], store=default_store(), locations=find_locations())
    return files


@pytest.fixture(scope="module")
def service(files: tuple[PinnedFile, ...]) -> Iterator[Service]:
    """A snapshot service that has every file, and a mirror that has some of them; most of their answers have a fault."""
    pinned = {file.sha256 for file in (*files, *list_patch_archives(files))}
    served = list_store_files(default_store(), pinned)
    with serve(served, spread_faults(served)) as running:
        yield running


@pytest.fixture(scope="module")
def machine_without_client(bare_debian: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The bare Debian without its package client; the store there has the build tools and no source."""
    # With wheels from this machine's store, the main command has not installed the tools for Debian's Python.
    code = f"import pathlib, everywheel.toolchains.build_tools as tools; tools.ensure_tools(pathlib.Path('{STORE}'))"
    python = str(Path(EVERYWHEEL).with_name("python"))
    call_in_root(bare_debian, shlex.join([python, "-c", code]), binds=BINDS, cwd="/project")
    with mount_overlay(bare_debian, tmp_path_factory.mktemp("client")) as root:
        for pattern in CLIENT:
            for path in root.glob(pattern):
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        yield root


def run(root: Path, arguments: str, service: Service, *, exit_code: int = 0, **variables: str) -> str:
    """Run everywheel without a network in a root file system, and return its output."""
    environment = {
        **NO_NETWORK,
        "EVERYWHEEL_STORE": STORE,
        "EVERYWHEEL_MIRRORS": f"{service.base}/mirror",
        "EVERYWHEEL_SNAPSHOT": service.base,
        **variables,
    }
    command = f"code=0; {EVERYWHEEL} {arguments} || code=$?; test $code = {exit_code}"
    return call_in_root(root, command, binds=BINDS, environment=environment, cwd="/project")


def hash_tree(folder: Path) -> dict[str, str]:
    paths = (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


def test_without_a_package_client_every_file_arrives_from_servers_with_faults(
    machine_without_client: Path, service: Service, files: tuple[PinnedFile, ...]
) -> None:
    assert run(machine_without_client, "doctor", service).count("no apt-get") == 1

    output = run(machine_without_client, "sources fetch --targets release", service)

    store = machine_without_client / STORE.lstrip("/")
    hashes = hash_tree(store / "sources")
    assert f"{len({file.sha256 for file in files})} sources and patches are in the store" in output
    assert {file.sha256 for file in files} <= hashes.keys()
    assert {name: digest for name, digest in hashes.items() if name != digest} == {}
    assert [path for path in (store / "tmp").iterdir() if path.name.startswith("source")] == []
    assert {fault for path, fault in service.answers if service.files.get(path)} == set(Fault) - {Fault.LOOP}


def test_without_a_package_client_a_library_has_the_same_bytes(
    machine_without_client: Path, service: Service, tmp_path: Path
) -> None:
    library = "libpng --target manylinux2014_x86_64"
    call(
        [sys.executable, "-m", "everywheel", "deps", *library.split(), "--prefix", tmp_path / "prefix"], cwd=REPOSITORY
    )

    run(machine_without_client, f"deps {library} --prefix /prefix", service)

    built = hash_tree(machine_without_client / "prefix")
    assert built["lib/libpng16.a"]
    assert built == hash_tree(tmp_path / "prefix")


@pytest.mark.parametrize("kind", ["mirror", "snapshot service", "neither"])
def test_without_a_package_client_one_other_kind_of_location_is_enough(
    machine_without_client: Path, service: Service, kind: str
) -> None:
    """The patches of glib have no upstream URL."""
    name = kind.partition(" ")[0]
    with serve(service.files) as complete:
        settings = {
            "EVERYWHEEL_STORE": f"/stores/{name}",
            "EVERYWHEEL_MIRRORS": f"{complete.base}/mirror" if kind == "mirror" else "",
            "EVERYWHEEL_SNAPSHOT": complete.base if kind == "snapshot service" else "none",
        }
        exit_code = 4 if kind == "neither" else 0
        output = run(machine_without_client, "sources fetch glib", complete, exit_code=exit_code, **settings)

    stored = hash_tree(machine_without_client / "stores" / name / "sources")
    assert all(name == digest for name, digest in stored.items())
    if kind == "neither":
        assert stored == {}
        assert "sources are not available from any location" in output
        assert "package client: none on this machine" in output
        assert "hint: set EVERYWHEEL_MIRRORS" in output
    else:
        assert "are in the store" in output


@pytest.fixture
def project(tmp_path: Path, python_headers: Path) -> FixtureProject:
    """The fixture project, with wheels that were built on this machine."""
    project = FixtureProject(tmp_path / "fixture", python_headers)
    project.build(*TARGETS)
    return project


def build_again(project: FixtureProject, root: Path, program: str) -> dict[str, str]:
    """Build the project on another machine, in a store with its own compiler cache; return the hashes of the wheels."""
    own = project.wheels()
    shutil.rmtree(project.root / "wheelhouse")
    binds = {project.root: "/w", project.mirror: "/mirror", default_store() / "tools": f"{STORE}/tools"}
    environment = {"EVERYWHEEL_STORE": STORE, "EVERYWHEEL_MIRRORS": "/mirror", "PIP_FIND_LINKS": ""}
    call_in_root(root, f"{program} build {' '.join(TARGETS)}", binds=binds, environment=environment, cwd="/w")
    assert project.wheels().keys() == own.keys()
    return own


def test_a_musl_machine_builds_the_same_bytes(tmp_path: Path, python_headers: Path) -> None:
    """With the session's script, which also varies the folder, the locale, the time zone, the umask and the processors."""
    project = FixtureProject(tmp_path / "fixture", python_headers)

    output = call(
        [sys.executable, REPOSITORY / ".ci" / "reproduce.py", "--share-tools", *TARGETS],
        cwd=project.root,
        env={**os.environ, "EVERYWHEEL_MIRRORS": str(project.mirror)},
    )

    assert "build 2: musl, user 0, " in output
    identical = [line for line in output.splitlines() if line.startswith("identical: ")]
    assert [line for line in identical if line.endswith(".whl")] == [
        "identical: fixture-1.0-cp311-abi3-manylinux2014_x86_64.whl",
        "identical: fixture-1.0-cp311-abi3-musllinux_1_2_x86_64.whl",
    ]
    assert len(identical) == 2 + 2 * 2 + 1  # two wheels, two libraries for each target, the headers
    assert "differs: " not in output


@pytest.mark.exhaustive
def test_a_debian_13_builds_the_same_bytes(project: FixtureProject, tmp_path: Path) -> None:
    root = tmp_path / "root"
    bootstrap_debian(root, "trixie", ["python3", "python3-venv", "git", "ca-certificates"])
    copy_repository(root / "project")
    call_in_root(root, "python3 -m venv /venv && /venv/bin/pip install -q /project")

    built_here = build_again(project, root, "/venv/bin/everywheel")

    assert len(built_here) == 2
    assert project.wheels() == built_here
