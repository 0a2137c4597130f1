"""Bundles as folders: the same files as in an archive, a mirror for any web server, and nothing read but what is listed."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tarfile
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from everywheel.cli.main import main
from everywheel.config.recipe_loader import load_recipe
from everywheel.errors import SourceError, UsageError
from everywheel.execution.retry import RetryPolicy
from everywheel.sources.bundle import bundle_sources
from everywheel.sources.bundle_import import import_bundle
from everywheel.sources.fetch import fetch_sources
from everywheel.sources.locations import SourceLocations
from everywheel.sources.request import PinnedFile

ROOT = Path(__file__).parents[2]
A, B = b"first archive", b"the patch\n" * 1000
HINT = "create the bundle again with `everywheel sources bundle` on a machine that has the sources"
OUTPUT_HINT = "name a new folder, an empty one, or an earlier bundle, which is replaced"


def sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


PINNED = (
    PinnedFile(label="foo 1.0", filename="foo-1.0.tar.gz", sha256=sha(A)),
    PinnedFile(label="foo 1.0", filename="fix.patch", sha256=sha(B)),
)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    (tmp_path / "store" / "sources").mkdir(parents=True)
    for content in (A, B):
        (tmp_path / "store" / "sources" / sha(content)).write_bytes(content)
    return tmp_path / "store"


@pytest.fixture
def folder(store: Path, tmp_path: Path) -> Path:
    """A bundle with a recipe."""
    bundle_sources(
        PINNED, tmp_path / "mirror", store=store, recipes=[load_recipe(ROOT / "recipes" / "zlib" / "recipe.toml")]
    )
    return tmp_path / "mirror"


def read_tree(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_an_unpacked_archive_and_a_folder_have_the_same_files(store: Path, folder: Path, tmp_path: Path) -> None:
    recipe = load_recipe(ROOT / "recipes" / "zlib" / "recipe.toml")
    bundle_sources(PINNED, tmp_path / "mirror.tar", store=store, recipes=[recipe])

    with tarfile.open(tmp_path / "mirror.tar") as tar:
        names = tar.getnames()
        tar.extractall(tmp_path / "unpacked", filter="data")

    assert read_tree(tmp_path / "unpacked") == read_tree(folder)
    assert names[:4] == ["SHA256SUMS", "index.json", *sorted(f"sources/{sha(content)}" for content in (A, B))]
    assert read_tree(folder)["recipes/zlib/recipe.toml"] == (ROOT / "recipes/zlib/recipe.toml").read_bytes()


def test_sha256sum_verifies_every_other_file_of_a_folder(folder: Path) -> None:
    command = ["sha256sum", "--check", "--strict", "SHA256SUMS"]

    result = subprocess.run(command, cwd=folder, capture_output=True, text=True)

    assert (result.returncode, result.stderr) == (0, "")
    checked = {line.removesuffix(": OK") for line in result.stdout.splitlines()}
    assert checked == read_tree(folder).keys() - {"SHA256SUMS"}


def test_modes_and_times_of_a_folder_do_not_depend_on_the_machine(store: Path, tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        bundle_sources(PINNED, tmp_path / "mirror", store=store)
    finally:
        os.umask(before)

    paths = [tmp_path / "mirror", *sorted((tmp_path / "mirror").rglob("*"))]
    assert {path.stat().st_mode & 0o777 for path in paths if path.is_dir()} == {0o755}
    assert {(path.stat().st_mode & 0o777, path.stat().st_mtime) for path in paths if path.is_file()} == {(0o644, 0)}


@pytest.fixture
def server(folder: Path) -> Iterator[str]:
    """The address of the folder behind `python -m http.server`, in a process of its own."""
    command = [sys.executable, "-u", "-m", "http.server", "0", "--bind", "127.0.0.1", "--directory", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        port = process.stdout.readline().split(" port ")[1].split()[0]
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


def test_a_folder_behind_a_web_server_is_a_mirror(server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "*")
    policy = RetryPolicy(connect_timeout=5.0, read_timeout=5.0, attempts=1)
    locations = SourceLocations(mirrors=(server,), archives=(), retry_policy=policy)

    paths = fetch_sources(PINNED, store=tmp_path / "other", locations=locations)

    assert {sha256: path.read_bytes() for sha256, path in paths.items()} == {sha(A): A, sha(B): B}
    with urllib.request.urlopen(f"{server}/SHA256SUMS", timeout=5) as answer:
        assert answer.read() == (tmp_path / "mirror" / "SHA256SUMS").read_bytes()


def test_a_folder_is_imported(folder: Path, tmp_path: Path) -> None:
    (folder / "sources" / ".hidden").write_bytes(b"of a file manager")
    (folder / "index.html").write_bytes(b"of a web server")

    files = import_bundle(folder, store=tmp_path / "other")

    assert sorted(file.sha256 for file in files) == sorted([sha(A), sha(B)])
    assert read_tree(tmp_path / "other" / "sources") == {sha(A): A, sha(B): B}


def remove_list(folder: Path) -> None:
    (folder / "SHA256SUMS").unlink()


def make_pipe_of_list(folder: Path) -> None:
    remove_list(folder)
    os.mkfifo(folder / "SHA256SUMS")


def remove_source(folder: Path) -> None:
    (folder / "sources" / sha(A)).unlink()


def make_link_of_source(folder: Path) -> None:
    remove_source(folder)
    (folder / "sources" / sha(A)).symlink_to(folder.parent / "store" / "sources" / sha(A))


def make_pipe_of_source(folder: Path) -> None:
    remove_source(folder)
    os.mkfifo(folder / "sources" / sha(A))


def cut_source(folder: Path) -> None:
    (folder / "sources" / sha(A)).write_bytes(A[:-1])


def list_another_file(folder: Path) -> None:
    with (folder / "SHA256SUMS").open("a") as file:
        file.write(f"{sha(A)}  ../store/sources/{sha(A)}\n")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (remove_list, "the folder has no file SHA256SUMS"),
        (make_pipe_of_list, "SHA256SUMS is not a regular file"),
        (remove_source, f"'sources/{sha(A)}' is in the index, but missing from the bundle"),
        (make_link_of_source, f"'sources/{sha(A)}' is not a regular file"),
        (make_pipe_of_source, f"'sources/{sha(A)}' is not a regular file"),
        (cut_source, f"'sources/{sha(A)}' has 12 bytes, but the index lists 13"),
        (list_another_file, f"'../store/sources/{sha(A)}' is in SHA256SUMS, but not in index.json"),
    ],
)
def test_a_changed_folder_is_refused(change: Callable[[Path], None], reason: str, folder: Path, tmp_path: Path) -> None:
    change(folder)

    with pytest.raises(SourceError) as caught:
        import_bundle(folder, store=tmp_path / "other")

    assert caught.value.render() == f"error: {folder} is not a bundle of sources\n  reason: {reason}\n  hint: {HINT}"
    assert not (tmp_path / "other").exists()


def test_a_wrong_file_in_a_folder_is_named_and_the_others_are_kept(folder: Path, tmp_path: Path) -> None:
    (folder / "sources" / sha(A)).write_bytes(b"FIRST ARCHIVE")

    with pytest.raises(SourceError) as caught:
        import_bundle(folder, store=tmp_path / "other")

    assert caught.value.render() == (
        f"error: {folder}: 1 of 2 files do not have the hash in the index and were discarded\n"
        f"  | foo 1.0: foo-1.0.tar.gz: hash mismatch: sha256 {sha(b'FIRST ARCHIVE')}, pinned {sha(A)}\n"
        f"  hint: the other files are in the store; {HINT}"
    )
    assert read_tree(tmp_path / "other" / "sources") == {sha(B): B}


def test_an_earlier_bundle_is_replaced(store: Path, folder: Path, tmp_path: Path) -> None:
    bundle_sources(PINNED[:1], folder, store=store)

    assert read_tree(folder).keys() == {"SHA256SUMS", "index.json", f"sources/{sha(A)}"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mirror", "store"]


def test_an_empty_folder_is_replaced(store: Path, tmp_path: Path) -> None:
    (tmp_path / "mirror").mkdir()

    bundle_sources(PINNED, tmp_path / "mirror", store=store)

    assert len(read_tree(tmp_path / "mirror")) == 4


@pytest.mark.parametrize("name", ["notes.txt", "SHA256SUMS", "sources"])
def test_no_other_folder_is_replaced(name: str, store: Path, tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / name).write_text("a file of the user")

    with pytest.raises(UsageError) as caught:
        bundle_sources(PINNED, tmp_path / "work", store=store)

    assert caught.value.render() == f"error: {tmp_path}/work is in the way of the bundle\n  hint: {OUTPUT_HINT}"
    assert read_tree(tmp_path / "work") == {name: b"a file of the user"}


def test_a_link_to_a_bundle_is_not_replaced(store: Path, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(folder)

    with pytest.raises(UsageError, match="link is in the way of the bundle"):
        bundle_sources(PINNED, tmp_path / "link", store=store)

    assert len(read_tree(folder)) > 4


@pytest.mark.parametrize("suffix", [".tar.gz", ".tar.xz", ".tgz", ".zip"])
def test_the_name_of_a_compressed_archive_is_refused(suffix: str, store: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        bundle_sources(PINNED, tmp_path / f"sources{suffix}", store=store)

    assert caught.value.render() == (
        f"error: {tmp_path}/sources{suffix}: bundles are not compressed, because their files are\n"
        "  hint: a name that ends with .tar is that of an archive, another one that of a folder"
    )


def test_an_interrupted_bundle_leaves_the_earlier_one(
    store: Path, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = read_tree(folder)

    def interrupt(descriptor: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        bundle_sources(PINNED[:1], folder, store=store)

    assert read_tree(folder) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mirror", "store"]


def test_named_recipes_are_bundled_with_all_that_they_require(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Outside of a project; the sources are files of a mirror, since the pinned hashes are those of the real archives."""
    monkeypatch.setenv("EVERYWHEEL_STORE", str(tmp_path / "store"))
    monkeypatch.chdir(tmp_path)
    asked: list[str] = []

    def record(root: Path, files: list[PinnedFile], *args: object, **options: object) -> dict[str, Path]:
        asked.extend(file.label.split()[0] for file in files)
        raise SourceError("recorded")

    monkeypatch.setattr("everywheel.cli.sources._fetch_files", record)
    arguments = ["sources", "bundle", "libpng", "-t", "musllinux_1_2_x86_64", "-o", "mirror"]

    result = CliRunner().invoke(main, arguments)

    assert result.output == "error: recorded\n"
    assert set(asked) == {"libpng", "zlib"}


def test_the_former_form_of_the_command_is_explained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    result = CliRunner().invoke(main, ["sources", "bundle", "sources.tar"])

    assert result.exit_code == 2
    assert result.output == (
        "error: there is no recipe 'sources.tar'\n  hint: `--output sources.tar` names the bundle; arguments are recipes\n"
    )
