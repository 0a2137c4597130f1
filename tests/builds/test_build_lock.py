"""Build requirements: locked in the project or recorded in the store, and installed by hash."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
from everywheel.config.pins import digest_pins, parse_pins, render_pins
from everywheel.config.project import load_project
from everywheel.errors import MachineError
from everywheel.store.local import Store
from everywheel.wheels.build_lock import ensure_build_lock, find_build_lock
from fixture_project import FixtureProject

TAG = "manylinux_2_17_x86_64"
STEP = f"wheel:{TAG}"


def read_key(project: FixtureProject) -> str:
    steps = json.loads(project.run("plan", "--json", "-t", TAG)[0])["steps"]
    return str(next(step["key"] for step in steps if step["id"] == STEP))


def edit_lock(file: Path, name: str, **changes: str) -> None:
    """Replace the version or the hashes of one package."""
    lines = []
    for pin in parse_pins(file.read_text()):
        version = changes.get("version", pin.version) if pin.name == name else pin.version
        hashes = [changes["hash"]] if pin.name == name and "hash" in changes else pin.hashes
        lines.append(" ".join([f"{pin.name}=={version}", *(f"--hash=sha256:{each}" for each in hashes)]))
    file.write_text("\n".join(lines))


def test_a_lock_is_kept_until_it_is_upgraded_and_is_in_the_key_of_the_wheel(project: FixtureProject) -> None:
    lock = project.root / "everywheel.lock"
    without = read_key(project)
    project.replace("extension/pyproject.toml", '"meson==1.12.1"]', '"meson==1.12.1", "packaging<26.4"]')
    project.run("lock")
    project.replace("extension/pyproject.toml", ', "packaging<26.4"', "")
    older, key = lock.read_text(), read_key(project)

    assert "packaging==26.4" not in older
    assert {"meson", "meson-python", "packaging", "pyproject-metadata"} == {pin.name for pin in parse_pins(older)}
    assert "up to date: 4 packages" in project.run("lock")[0]
    assert "up to date: 4 packages" in project.run("lock", "--check")[0]
    assert "packaging: 26." in project.run("lock", "--upgrade", "--dry-run")[0]
    assert lock.read_text() == older
    assert "packaging: 26." in project.run("lock", "--upgrade-package", "packaging")[0]
    assert len({without, key, read_key(project)}) == 3
    lock.write_text(older + f"colorama==0.4.6 --hash=sha256:{'0' * 64}\n")
    assert "colorama: removed 0.4.6" in project.run("lock", "--check", exit_code=2)[1]


def test_a_file_without_its_pinned_hash_is_not_installed(project_copy: FixtureProject) -> None:
    project = project_copy
    shutil.rmtree(project.root / "wheelhouse")
    project.run("lock")
    edit_lock(project.root / "everywheel.lock", "packaging", hash="0" * 64)

    for arguments in (("lock",), ("lock", "--check")):
        errors = project.run(*arguments, exit_code=2)[1]
        assert (
            "error: everywheel.lock has hashes that no file on the package index has\n  packages: packaging==26."
            in errors
        )
    output, errors = project.run("build", "-t", TAG, exit_code=1)

    assert "DO NOT MATCH THE HASHES" in output + errors
    assert "`everywheel lock --upgrade` pins the files that the index has now" in errors
    assert not list((project.root / "wheelhouse").glob("*.whl"))


def test_without_a_lock_the_resolution_is_recorded_and_named_by_the_wheel(
    project_copy: FixtureProject, tmp_path: Path
) -> None:
    (record,) = (project_copy.store / "resolutions").glob("requirements-*.txt")
    pins, key = parse_pins(record.read_text()), read_key(project_copy)
    report = json.loads(project_copy.run("build", "--json", "--offline", "-t", TAG)[0])
    entry = json.loads((project_copy.store / "artifacts" / f"{key}.json").read_text())

    assert report["steps"] == []
    assert {wheel["resolution"] for wheel in report["wheels"]} == {digest_pins(pins)} == {entry["resolution"]}
    assert (project_copy.store / "resolutions" / f"{entry['resolution']}.txt").read_text() == render_pins(pins)
    edit_lock(record, "packaging", version="26.2")
    assert project_copy.build("-t", TAG) == {}
    assert parse_pins(record.read_text()) == pins


def test_a_requirement_without_a_wheel_is_an_error(project: FixtureProject) -> None:
    project.replace("extension/pyproject.toml", '"meson==1.12.1"]', '"meson==1.12.1", "docopt==0.6.2"]')

    errors = project.run("lock", exit_code=1)[1]

    assert "docopt" in errors
    assert "hint: build requirements must be available as wheels" in errors


def test_requirements_that_the_backend_adds_are_locked_too(project_copy: FixtureProject) -> None:
    """A backend in the project itself, as PEP 517 allows."""
    project = project_copy
    backend = "from mesonpy import *\ndef get_requires_for_build_wheel(settings=None):\n    return ['pathspec>=0.12']\n"
    (project.root / "extension" / "own.py").write_text(backend)
    project.replace("extension/pyproject.toml", '"mesonpy"', '"own"\nbackend-path = ["."]')
    project.run("lock")

    names = {pin.name for pin in parse_pins((project.root / "everywheel.lock").read_text())}

    assert names == {"meson", "meson-python", "packaging", "pathspec", "pyproject-metadata"}
    lock = project.root / "everywheel.lock"
    lock.write_text("".join(render_pins([pin]) for pin in parse_pins(lock.read_text()) if pin.name != "pathspec"))
    errors = project.run("build", "-t", TAG, exit_code=1)[1]
    assert "fixture: its backend own requires packages that are not pinned\n  not pinned: pathspec>=0.12\n" in errors


def test_the_requirements_of_a_backend_do_not_depend_on_the_programs_of_this_machine(
    project: FixtureProject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in builds, the tools of the toolkit and the utilities of the machine are on PATH, but no compiler of the machine."""
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "gcc").write_text("#!/bin/sh\n")
    (programs / "gcc").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    project.replace("extension/pyproject.toml", '"mesonpy"', '"own"\nbackend-path = ["."]')
    (project.root / "extension" / "own.py").write_text(
        "import shutil\nfrom mesonpy import *\ndef get_requires_for_build_wheel(settings=None):\n"
        "    found = [name for name in ('gcc', 'ninja', 'sed') if shutil.which(name)]\n"
        "    return ['pathspec'] if found == ['ninja', 'sed'] else ['colorama']\n"
    )

    locked = ensure_build_lock(load_project(project.root), Store(project.store))

    names = {pin.name for pin in locked.build_pins or ()}
    assert {"colorama", "pathspec"} & names == {"pathspec"}


def test_without_a_lock_the_requirements_that_the_backend_adds_are_those_of_the_projects_files(
    project: FixtureProject,
) -> None:
    """Two projects with the same static requirements, or two states of one, may differ in the others."""
    project.replace("extension/pyproject.toml", '"mesonpy"', '"own"\nbackend-path = ["."]')
    backend, store = project.root / "extension" / "own.py", Store(project.store)
    text = "from mesonpy import *\ndef get_requires_for_build_wheel(settings=None):\n    return {}\n"
    static = {"meson", "meson-python", "packaging", "pyproject-metadata"}
    names = []
    for added in ([], ["pathspec>=0.12"], ["packaging>=24"]):
        backend.write_text(text.format(added))
        locked = ensure_build_lock(load_project(project.root), store)
        names.append({pin.name for pin in locked.build_pins or ()})

    assert names == [static, static | {"pathspec"}, static]
    backend.write_text(text.format(["pathspec>=0.12"]))
    known = find_build_lock(load_project(project.root), store).build_pins
    assert ensure_build_lock(load_project(project.root), store, offline=True).build_pins == known
    assert {pin.name for pin in known or ()} == names[1]
    backend.write_text(text.format(["colorama"]))
    with pytest.raises(MachineError, match="not resolved yet, and --offline forbids the download"):
        ensure_build_lock(load_project(project.root), store, offline=True)
