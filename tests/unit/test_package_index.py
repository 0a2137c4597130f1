"""Files on package indexes: the newest stable sdist, or a version, is downloaded and checked; wheels have hashes."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from everywheel.errors import SourceError, UsageError
from everywheel.sources.package_index import download_sdist, find_wheel_hashes
from everywheel.wheels.project_sdist import parse_project_name


def write_index(folder: Path, *names: str, digest: str = "") -> str:
    """Write an index of the project my-demo, whose files contain their names."""
    page = folder / "simple" / "my-demo"
    page.mkdir(parents=True)
    links = []
    for name in names:
        file, _, attribute = name.partition(" ")
        (page / file).write_text(file)
        sha256 = digest or hashlib.sha256(file.encode()).hexdigest()
        links.append(f'<a href="{file}#sha256={sha256}" {attribute}>{file}</a>')
    (page / "index.html").write_text(f"<!DOCTYPE html><body>{''.join(links)}")
    return (folder / "simple").as_uri()


def test_the_newest_stable_sdist_is_downloaded_unless_a_version_is_named(tmp_path: Path) -> None:
    names = (
        "my_demo-1.2.tar.gz",
        "my_demo-1.10.tar.gz",
        "my_demo-1.11.tar.gz data-yanked",
        "my_demo-2.0rc1.tar.gz",
        "my_demo-3.0-py3-none-any.whl",
        "my_demo_other-9.0.tar.gz",
    )
    index = write_index(tmp_path, *names)

    assert download_sdist("My.Demo", "", [index], tmp_path).read_text() == "my_demo-1.10.tar.gz"
    assert download_sdist("my-demo", "1.2.0", [index], tmp_path).name == "my_demo-1.2.tar.gz"
    assert download_sdist("my-demo", "2.0rc1", [index], tmp_path).name == "my_demo-2.0rc1.tar.gz"


def test_a_missing_version_is_reported_with_those_that_exist(tmp_path: Path) -> None:
    index = write_index(tmp_path, "my_demo-1.2.tar.gz")

    with pytest.raises(SourceError) as caught:
        download_sdist("my-demo", "9", [index, (tmp_path / "none").as_uri()], tmp_path)

    assert caught.value.fact == "no package index has a source distribution of my-demo 9"
    assert caught.value.details["versions with one"] == "1.2"


def test_a_file_with_another_hash_is_refused(tmp_path: Path) -> None:
    index = write_index(tmp_path, "my_demo-1.2.tar.gz", digest="0" * 64)

    with pytest.raises(SourceError, match="differs from the file that its index describes"):
        download_sdist("my-demo", "", [index], tmp_path)


def test_a_name_has_at_most_one_exact_version() -> None:
    assert parse_project_name("my-demo") == ("my-demo", "")
    assert parse_project_name("demo == 1.0.0-rc1") == ("demo", "1.0.0rc1")
    for text in ("demo>=1", "demo==1.*", "demo[x]==1", "demo @ https://localhost/a", "demo; os_name=='nt'", "no name"):
        with pytest.raises(UsageError):
            parse_project_name(text)


def test_the_hashes_of_a_version_are_those_of_its_wheels_on_all_indexes(tmp_path: Path) -> None:
    here = write_index(tmp_path / "here", "my_demo-1.2-cp313-cp313-linux_x86_64.whl", "my_demo-1.2.tar.gz")
    names = (
        "my_demo-1.2-cp313-cp313-win_amd64.whl",
        "my_demo-1.3-cp313-cp313-win_amd64.whl",
        "other-1.2-py3-none-any.whl",
    )
    indexes = [here, (tmp_path / "none").as_uri(), write_index(tmp_path / "there", *names)]

    hashes = find_wheel_hashes("My.Demo", "1.2", indexes, tmp_path)

    wheels = ("my_demo-1.2-cp313-cp313-linux_x86_64.whl", "my_demo-1.2-cp313-cp313-win_amd64.whl")
    assert hashes == {hashlib.sha256(name.encode()).hexdigest() for name in wheels}


def test_hashes_of_another_form_are_not_those_of_a_wheel(tmp_path: Path) -> None:
    index = write_index(tmp_path, "my_demo-1.2-py3-none-any.whl", digest="0" * 63 + "\n")

    assert find_wheel_hashes("my-demo", "1.2", [index], tmp_path) == frozenset()
