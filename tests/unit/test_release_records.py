"""Records of releases and the size gate: a larger wheel needs a reason, and the files of a tag are those of its record."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

import pytest
from everywheel.errors import EverywheelError, ReleaseError
from everywheel.provenance.verify import read_sums
from everywheel.release.records import check_record, find_last_record, find_record, load_record, write_record
from everywheel.release.size_gate import check_sizes

LINUX = "x-{}-cp311-abi3-manylinux2014_x86_64.manylinux_2_17_x86_64.whl"
WINDOWS = "x-{}-cp311-abi3-win_amd64.whl"
TOWNCRIER = (
    '[tool.towncrier]\ndirectory = "changes"\nfilename = "CHANGELOG.md"\ntype = [\n'
    '    { directory = "size", name = "Size", showcontent = true },\n]\n'
)


def write_files(folder: Path, version: str, **sizes: int) -> list[Path]:
    """Write a wheel for each system with a size, and an sdist of another size each time."""
    folder.mkdir(exist_ok=True)
    names = {"linux": LINUX, "windows": WINDOWS}
    files = [folder / names[system].format(version) for system in sizes]
    for file, size in zip(files, sizes.values(), strict=True):
        file.write_bytes(bytes(size))
    sdist = folder / f"x-{version}.tar.gz"
    sdist.write_bytes(bytes(len(version) * 1000))
    return [*files, sdist]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A project with the records of three releases."""
    (tmp_path / "pyproject.toml").write_text(TOWNCRIER)
    (tmp_path / "changes").mkdir()
    for version, size in (("0.9", 100), ("0.10", 1000), ("2.0rc1", 5000)):
        write_record(tmp_path, version, write_files(tmp_path / "old", version, linux=size))
    return tmp_path


def lines_of(error: pytest.ExceptionInfo[EverywheelError]) -> list[str]:
    return error.value.render().splitlines()


def check(root: Path, version: str, **sizes: int) -> None:
    last = find_last_record(root, version)
    assert last is not None
    check_sizes(write_files(root / "dist", version, **sizes), last, root, [Path("pyproject.toml"), Path("absent.toml")])


def test_a_record_is_read_by_sha256sum_and_by_verify(root: Path) -> None:
    files = write_files(root / "old", "0.10", linux=1000)
    path = find_record(root, "0.10")

    subprocess.run(["sha256sum", "--check", "--strict", "--quiet", path], cwd=root / "old", check=True)
    assert read_sums(path) == {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files}
    record = load_record(root, "0.10")
    assert record is not None
    assert {name: file.size for name, file in record.files.items()} == {
        LINUX.format("0.10"): 1000,
        "x-0.10.tar.gz": 4000,
    }


@pytest.mark.parametrize(("version", "last"), [("0.9.1", "0.9"), ("0.10", "0.10"), ("1.0", "0.10"), ("2.0", "2.0rc1")])
def test_the_last_record_is_that_of_the_newest_version_up_to_the_own_one(root: Path, version: str, last: str) -> None:
    (root / "releases" / "notes").mkdir()
    (root / "releases" / "notes" / "SHA256SUMS").write_text("")
    record = find_last_record(root, version)

    assert record is not None
    assert record.version == last
    assert find_last_record(root, "0.1") is None


@pytest.mark.parametrize("text", ["", "text\n", f"{'a' * 64}  x.whl\n", f"# 1 bytes\n{'a' * 64}  ../x.whl\n"])
def test_a_file_of_another_form_is_not_a_record(root: Path, text: str) -> None:
    path = find_record(root, "0.10")
    path.write_text(text)

    with pytest.raises(ReleaseError) as error:
        load_record(root, "0.10")
    assert lines_of(error) == [
        f"error: {path} is not the record of a release",
        "  hint: `git log` shows who changed it; `everywheel release record` writes a new one before a release is tagged",
    ]


def test_a_wheel_that_grew_by_more_than_five_percent_needs_a_fragment(root: Path) -> None:
    check(root, "1.0", linux=1050, windows=9_000_000)

    with pytest.raises(ReleaseError) as error:
        check(root, "1.0", linux=1051)
    assert lines_of(error) == [
        "error: 1 wheel is more than 5 % larger than in release 0.10, and no changelog fragment states the reason",
        f"  | {LINUX.format('1.0')}: 1,051 bytes, 1,000 before (+5.1 %)",
        "  hint: write the reason into changes/+name.size.md; `everywheel explain --size WHEEL` shows what takes the space",
    ]

    (root / "changes" / "+codec.size.md").write_text("A codec.\n")
    check(root, "1.0", linux=1051)


def test_a_fragment_that_went_into_the_changelog_since_the_last_commit_counts(root: Path) -> None:
    fragment = root / "changes" / "+codec.size.md"
    fragment.write_text("A codec.\n")
    identity = ["-c", "user.name=tester", "-c", "user.email=tester@localhost"]
    for line in (["init", "-q"], ["add", "-A"], [*identity, "commit", "-qm", "one"]):
        subprocess.run(["git", *line], cwd=root, check=True)
    fragment.unlink()

    check(root, "1.0", linux=2000)

    subprocess.run(["git", *identity, "commit", "-qam", "two"], cwd=root, check=True)
    with pytest.raises(ReleaseError):
        check(root, "1.0", linux=2000)


def test_a_changelog_without_the_type_has_a_hint(root: Path) -> None:
    (root / "pyproject.toml").write_text(TOWNCRIER.replace('"size"', '"feature"'))
    (root / "changes" / "+codec.size.md").write_text("A codec.\n")

    with pytest.raises(ReleaseError) as error:
        check(root, "1.0", linux=2000)
    assert lines_of(error)[-1] == (
        "  hint: add the type `size` to [tool.towncrier], and write a fragment of it that states the reason"
    )


def test_the_files_of_a_tag_are_those_of_the_record(root: Path) -> None:
    files = write_files(root / "old", "0.10", linux=1000)
    record = load_record(root, "0.10")
    assert record is not None
    check_record(files, record)
    before, now = hashlib.sha256(bytes(1000)).hexdigest(), hashlib.sha256(bytes(1001)).hexdigest()
    files[0].write_bytes(bytes(1001))
    added = write_files(root / "old", "0.10", windows=1001)

    with pytest.raises(ReleaseError) as error:
        check_record([files[0], *added], record)
    assert lines_of(error) == [
        "error: 2 files differ from the record of release 0.10",
        f"  record: {record.path}",
        f"  | {LINUX.format('0.10')}: sha256 {now}, {before} in the record",
        f"  | {WINDOWS.format('0.10')}: sha256 {now}, none in the record",
        "  hint: the release was recorded on another machine: `everywheel rebuild` finds what differs",
    ]
