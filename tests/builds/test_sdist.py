"""Source distributions, by a real backend, packed so that the same sources give the same bytes."""

from __future__ import annotations

import hashlib
import io
import tarfile
import zipfile
from pathlib import Path

from everywheel.wheels.sdist import pack_sdist
from workshop import Workshop

NAME = "fixture-1.0.tar.gz"


def test_the_sdist_has_every_source_and_a_wheel_can_be_built_from_it(copy: Workshop) -> None:
    copy.run("sdist")
    with tarfile.open(copy.project / "wheelhouse" / NAME) as archive:
        archive.extractall(copy.folder / "unpacked", filter="data")
    unpacked = copy.folder / "unpacked" / "fixture-1.0"
    copy.replace("pyproject.toml", 'extension = "extension"', f'extension = "{unpacked}"')

    copy.build()

    original = {path.relative_to(copy.project / "extension") for path in (copy.project / "extension").rglob("*")}
    assert {path.relative_to(unpacked) for path in unpacked.rglob("*")} == original | {Path("PKG-INFO")}
    wheel = next((copy.project / "wheelhouse").glob("*x86_64.whl"))
    assert "fixture.abi3.so" in zipfile.ZipFile(wheel).namelist()


def test_another_folder_and_another_day_give_the_same_bytes(copy: Workshop, tmp_path: Path) -> None:
    other = Workshop(tmp_path / "other", copy.python_headers)
    digests = set()
    for workshop in (copy, other):
        (workshop.project / "extension" / "meson.build").touch()
        workshop.run("sdist")
        digests.add(hashlib.sha256((workshop.project / "wheelhouse" / NAME).read_bytes()).hexdigest())

    assert len(digests) == 1


def test_all_targets_are_the_released_ones_the_others_and_the_sdist(copy: Workshop) -> None:
    copy.replace("pyproject.toml", "targets = [", 'more-targets = ["manylinux_2_28_x86_64"]\ntargets = [')

    others = {
        copy.find_wheel(tag).name for tag in ("macosx_11_0_arm64", "macosx_10_15_x86_64", "win_amd64", "win_arm64")
    }

    copy.run("build", "--targets", "all")

    names = {path.name for path in (copy.project / "wheelhouse").iterdir()}
    assert names - others == {
        "fixture-1.0-cp311-abi3-manylinux2014_x86_64.whl",
        "fixture-1.0-cp311-abi3-manylinux_2_28_x86_64.whl",
        "fixture-1.0-cp311-abi3-musllinux_1_2_aarch64.whl",
        NAME,
    }


def test_a_backend_that_writes_another_name_is_an_error(copy: Workshop) -> None:
    copy.replace("extension/pyproject.toml", 'version = "1.0"', 'version = "1.0.0-rc1"')

    _, errors = copy.run("sdist", exit_code=1)

    assert errors.splitlines()[-2:] == [
        "error: the backend built fixture-1.0.0rc1.tar.gz, but the release has fixture-1.0.0-rc1.tar.gz",
        "  hint: name and version in the extension's pyproject.toml must be those that its backend uses",
    ]


def make_archive(folder: Path, *, order: int, mode: int, owner: int) -> Path:
    """Pack two files, in this order or (-1) the reverse."""
    folder.mkdir()
    with tarfile.open(folder / "x.tar.gz", "w:gz") as archive:
        for name in ("x-1/a", "x-1/b")[::order]:
            info = tarfile.TarInfo(name)
            info.size, info.mtime, info.uid, info.uname, info.mode = len(name), 10 * owner, owner, f"user{owner}", mode
            archive.addfile(info, io.BytesIO(name.encode()))
    return folder / "x.tar.gz"


def test_order_owner_and_time_do_not_change_the_bytes(tmp_path: Path) -> None:
    first = make_archive(tmp_path / "first", order=1, mode=0o644, owner=1)
    other = make_archive(tmp_path / "other", order=-1, mode=0o600, owner=2)
    program = make_archive(tmp_path / "program", order=1, mode=0o755, owner=1)

    assert pack_sdist(first) == pack_sdist(other)
    assert pack_sdist(first) != pack_sdist(program)
