"""Bundles: the same sources produce the same bytes, and no hostile or wrong file is stored."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import io
import json
import os
import tarfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest
from everywheel.config.project import load_project
from everywheel.errors import MachineError, SourceError
from everywheel.planning.plan import make_plan
from everywheel.planning.step_keys import Identities
from everywheel.sources.bundle import bundle_sources
from everywheel.sources.bundle_import import import_bundle
from everywheel.sources.bundle_index import BundledFile
from everywheel.sources.request import PinnedFile

ROOT = Path(__file__).parents[2]
A, B = b"first archive", b"the patch\n" * 1000


def sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


PINNED = (
    PinnedFile(label="foo 1.0", filename="foo-1.0.tar.gz", sha256=sha(A)),
    PinnedFile(label="foo 1.0", filename="fix.patch", sha256=sha(B), patches=sha(A)),
)
FILES = tuple(
    sorted(
        (
            BundledFile(label="foo 1.0", filename="foo-1.0.tar.gz", sha256=sha(A), size=len(A)),
            BundledFile(label="foo 1.0", filename="fix.patch", sha256=sha(B), size=len(B)),
        ),
        key=lambda file: file.sha256,
    )
)
HINT = "create the bundle again with `everywheel sources bundle` on a machine that has the sources"


@pytest.fixture
def store(tmp_path: Path) -> Path:
    (tmp_path / "store" / "sources").mkdir(parents=True)
    for content in (A, B):
        (tmp_path / "store" / "sources" / sha(content)).write_bytes(content)
    return tmp_path / "store"


@pytest.fixture
def other(tmp_path: Path) -> Path:
    return tmp_path / "other"


def stored(store: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (store / "sources").iterdir()} if store.exists() else {}


def test_a_bundle_transfers_every_source_to_another_store(store: Path, other: Path, tmp_path: Path) -> None:
    packed = bundle_sources(PINNED, tmp_path / "out" / "bundle.tar", store=store)

    imported = import_bundle(tmp_path / "out" / "bundle.tar", store=other)

    assert packed == imported == FILES
    assert stored(other) == {sha(A): A, sha(B): B}
    assert list((other / "tmp").iterdir()) == []


def test_the_same_sources_give_the_same_bundle(store: Path, tmp_path: Path) -> None:
    bundle_sources(PINNED, tmp_path / "one.tar", store=store)
    for number, path in enumerate(sorted((store / "sources").iterdir())):
        path.chmod(0o600)
        os.utime(path, (number, number))

    bundle_sources([*reversed(PINNED), PINNED[0]], tmp_path / "two.tar", store=store)

    assert (tmp_path / "one.tar").read_bytes() == (tmp_path / "two.tar").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one.tar", "store", "two.tar"]


def test_a_source_that_is_not_in_the_store_cannot_be_bundled(store: Path, tmp_path: Path) -> None:
    (store / "sources" / sha(B)).write_bytes(b"damaged")

    with pytest.raises(SourceError) as caught:
        bundle_sources(PINNED, tmp_path / "bundle.tar", store=store)

    assert caught.value.render() == (
        "error: 1 of 2 sources are not in the store, so they cannot be bundled\n"
        f"  | foo 1.0: fix.patch  sha256 {sha(B)}\n"
        "  hint: `everywheel sources fetch` fetches them"
    )
    assert not (tmp_path / "bundle.tar").exists()


def test_a_full_disk_leaves_no_bundle(store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(MachineError, match="no space left on the disk"):
        bundle_sources(PINNED, tmp_path / "bundle.tar", store=store)

    assert [path.name for path in tmp_path.iterdir()] == ["store"]


def test_a_bundle_has_every_file_of_the_recipes_of_a_release(other: Path, tmp_path: Path) -> None:
    project = load_project(ROOT)
    recipes = make_plan(project, project.released, Identities(artifacts="a", toolchain="t", packaging="p")).recipes

    bundle_sources([], tmp_path / "bundle.tar", store=tmp_path, recipes=recipes)

    with tarfile.open(tmp_path / "bundle.tar") as tar:
        tar.extractall(tmp_path / "unpacked", filter="data")
    unpacked = {
        path.relative_to(tmp_path / "unpacked" / "recipes"): path for path in files_in(tmp_path / "unpacked/recipes")
    }
    ours = {path.relative_to(ROOT / "recipes"): path for path in files_in(ROOT / "recipes")}
    names = {recipe.name for recipe in recipes}
    assert sorted(unpacked) == sorted(path for path in ours if path.parts[0] in names)
    assert all(path.read_bytes() == ours[name].read_bytes() for name, path in unpacked.items())
    assert {Path("libvips/patches"), Path("glib/overlay"), Path("libexif/overlay")} < {
        Path(*name.parts[:2]) for name in unpacked
    }
    assert import_bundle(tmp_path / "bundle.tar", store=other) == ()


def files_in(directory: Path) -> list[Path]:
    return [path for path in directory.rglob("*") if path.is_file()]


Entry = tuple[tarfile.TarInfo, bytes]


def entry(name: str, content: bytes = b"", kind: bytes = tarfile.REGTYPE, link: str = "") -> Entry:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, link
    member.size = len(content)
    return member, content


def index(*rows: object, version: int = 2, recipes: object = None) -> Entry:
    return entry("index.json", json.dumps({"format": version, "files": rows, "recipes": recipes or {}}).encode())


def add_sums(entries: Sequence[Entry]) -> list[Entry]:
    """Return a bundle's members with SHA256SUMS before them, which lists the files that the index lists."""
    contents = {member.name: content for member, content in entries}
    sums = {"index.json": sha(contents.get("index.json", b""))}
    with contextlib.suppress(ValueError, TypeError, KeyError):
        document = json.loads(contents["index.json"])
        sums |= {f"sources/{row['sha256']}": row["sha256"] for row in document["files"] if "/" not in row["sha256"]}
        sums |= {name: sha(contents.get(name, b"")) for name in document["recipes"]}
    return [sums_of(sums), *entries]


def sums_of(sums: Mapping[str, str]) -> Entry:
    return entry("SHA256SUMS", "".join(f"{sums[name]}  {name}\n" for name in sorted(sums)).encode())


def row(content: bytes, **changes: object) -> dict[str, object]:
    fields = {"filename": "foo.tar.gz", "label": "foo 1.0", "sha256": sha(content), "size": len(content)}
    return fields | changes


def source(content: bytes) -> Entry:
    return entry(f"sources/{sha(content)}", content)


def write_tar(path: Path, entries: Sequence[Entry], mode: str = "w") -> Path:
    with tarfile.open(path, mode) as tar:  # type: ignore[call-overload]
        for member, content in entries:
            tar.addfile(member, io.BytesIO(content))
    return path


@pytest.mark.parametrize(
    ("entries", "reason"),
    [
        pytest.param([source(A)], "index.json does not follow SHA256SUMS", id="no index"),
        pytest.param([], "index.json does not follow SHA256SUMS", id="empty"),
        pytest.param(
            [entry("index.json", kind=tarfile.SYMTYPE, link="/etc/passwd"), source(A)],
            "index.json does not follow SHA256SUMS",
            id="index is a link",
        ),
        pytest.param([entry("index.json", b"[]")], "index.json is not an index of sources", id="index of another kind"),
        pytest.param([entry("index.json", b"\xff{")], "index.json is not an index of sources", id="index is not JSON"),
        pytest.param(
            [index(row(A, sha256="../../etc/cron.d/x"))], "index.json is not an index of sources", id="hash is a path"
        ),
        pytest.param([index(row(A, size="9"))], "index.json is not an index of sources", id="size is text"),
        pytest.param([index(version=1)], "format 1 in the index, but this version reads format 2", id="another format"),
        pytest.param(
            [index(row(A)), source(A), entry("../evil", b"x")], "'../evil' is not in the index", id="path that climbs"
        ),
        pytest.param(
            [index(row(A)), source(A), entry("/etc/evil", b"x")], "'/etc/evil' is not in the index", id="absolute path"
        ),
        pytest.param(
            [index(row(A)), entry(f"sources/{sha(A)}", kind=tarfile.SYMTYPE, link="/etc/passwd")],
            f"'sources/{sha(A)}' is not a regular file",
            id="link",
        ),
        pytest.param(
            [index(row(A)), entry(f"sources/{sha(A)}", kind=tarfile.LNKTYPE, link="index.json")],
            f"'sources/{sha(A)}' is not a regular file",
            id="hard link",
        ),
        pytest.param([index(row(A)), source(A), source(A)], f"'sources/{sha(A)}' is in it twice", id="twice the same"),
        pytest.param(
            [index(row(A, size=5)), source(A)],
            f"'sources/{sha(A)}' has 13 bytes, but the index lists 5",
            id="another size",
        ),
        pytest.param(
            [index(row(A), recipes={"recipes/foo/recipe.toml": 3}), source(A)],
            "'recipes/foo/recipe.toml' is in the index, but missing from the bundle",
            id="recipe missing",
        ),
        pytest.param(
            [index(recipes={"recipes/foo/recipe.toml": 3}), entry("recipes/foo/recipe.toml", b"four")],
            "'recipes/foo/recipe.toml' has 4 bytes, but the index lists 3",
            id="recipe of another size",
        ),
        pytest.param(
            [index(recipes={"/etc/evil": 1}), entry("/etc/evil", b"x")],
            "index.json is not an index of sources",
            id="recipe that is a path",
        ),
        pytest.param(
            [index(recipes={"recipes/../../evil": 1}), entry("recipes/../../evil", b"x")],
            "index.json is not an index of sources",
            id="recipe that climbs",
        ),
        pytest.param(
            [index(recipes={"recipes//evil": 1}), entry("recipes//evil", b"x")],
            "index.json is not an index of sources",
            id="recipe without a name",
        ),
        pytest.param(
            [index(row(A), row(B)), source(A)],
            f"'sources/{sha(B)}' is in the index, but missing from the bundle",
            id="file missing",
        ),
    ],
)
def test_a_hostile_or_malformed_bundle_is_refused(
    entries: Sequence[Entry], reason: str, other: Path, tmp_path: Path
) -> None:
    bundle = write_tar(tmp_path / "bundle.tar", add_sums(entries))

    with pytest.raises(SourceError) as caught:
        import_bundle(bundle, store=other)

    assert caught.value.render() == (f"error: {bundle} is not a bundle of sources\n  reason: {reason}\n  hint: {HINT}")
    assert stored(other) == {}


@pytest.mark.parametrize(
    ("entries", "reason"),
    [
        pytest.param([], "it does not begin with SHA256SUMS", id="empty"),
        pytest.param([index(row(A)), source(A)], "it does not begin with SHA256SUMS", id="no list"),
        pytest.param(
            [entry("SHA256SUMS", kind=tarfile.SYMTYPE, link="/etc/passwd")],
            "it does not begin with SHA256SUMS",
            id="list is a link",
        ),
        pytest.param([entry("SHA256SUMS", b"")], "SHA256SUMS is not a list of hashes", id="empty list"),
        pytest.param([entry("SHA256SUMS", b"\xff\n")], "SHA256SUMS is not a list of hashes", id="list is not text"),
        pytest.param(
            [entry("SHA256SUMS", f"{sha(A)}  a\n".encode() * 2)],
            "SHA256SUMS is not a list of hashes",
            id="twice the same",
        ),
        pytest.param(
            [entry("SHA256SUMS", f"{sha(A)}  a\rb\n".encode())], "SHA256SUMS is not a list of hashes", id="hidden name"
        ),
        pytest.param(
            [sums_of({"index.json": sha(B)}), index()],
            "index.json does not have the hash in SHA256SUMS",
            id="index changed",
        ),
        pytest.param(
            [sums_of({"index.json": sha(index(row(A))[1])}), index(row(A)), source(A)],
            f"'sources/{sha(A)}' is in index.json, but not in SHA256SUMS",
            id="source that is not in the list",
        ),
        pytest.param(
            [sums_of({"index.json": sha(index()[1]), "../evil": sha(A)}), index()],
            "'../evil' is in SHA256SUMS, but not in index.json",
            id="file that is not in the index",
        ),
        pytest.param(
            [sums_of({"index.json": sha(index(row(A))[1]), f"sources/{sha(A)}": sha(B)}), index(row(A)), source(A)],
            f"'sources/{sha(A)}' has another hash in SHA256SUMS",
            id="two hashes of one source",
        ),
        pytest.param(
            [
                sums_of({"index.json": sha(index(recipes={"recipes/foo/a": 1})[1]), "recipes/foo/a": sha(b"y")}),
                index(recipes={"recipes/foo/a": 1}),
                entry("recipes/foo/a", b"x"),
            ],
            "'recipes/foo/a' does not have the hash in SHA256SUMS",
            id="recipe changed",
        ),
    ],
)
def test_the_list_of_hashes_covers_the_whole_bundle(
    entries: Sequence[Entry], reason: str, other: Path, tmp_path: Path
) -> None:
    bundle = write_tar(tmp_path / "bundle.tar", entries)

    with pytest.raises(SourceError) as caught:
        import_bundle(bundle, store=other)

    assert caught.value.render() == (f"error: {bundle} is not a bundle of sources\n  reason: {reason}\n  hint: {HINT}")
    assert stored(other) == {}


def cut_in_a_file(content: bytes) -> bytes:
    return content[:-12000]


def cut_in_a_header(content: bytes) -> bytes:
    return content[:700]


def replace_all(content: bytes) -> bytes:
    return b"<html>no such page</html>" * 100


@pytest.mark.parametrize("damage", [cut_in_a_file, cut_in_a_header, replace_all])
def test_a_truncated_bundle_is_refused(
    damage: Callable[[bytes], bytes], store: Path, other: Path, tmp_path: Path
) -> None:
    bundle_sources(PINNED, tmp_path / "whole.tar", store=store)
    (tmp_path / "bundle.tar").write_bytes(damage((tmp_path / "whole.tar").read_bytes()))

    with pytest.raises(SourceError) as caught:
        import_bundle(tmp_path / "bundle.tar", store=other)

    assert caught.value.fact == f"{tmp_path}/bundle.tar is not a bundle of sources"
    assert caught.value.hint == HINT
    assert stored(other) == {}


def test_a_compressed_tar_is_not_a_bundle(other: Path, tmp_path: Path) -> None:
    bundle = write_tar(tmp_path / "bundle.tar.gz", [index(row(A)), source(A)], "w:gz")

    with pytest.raises(SourceError, match="is not a bundle of sources"):
        import_bundle(bundle, store=other)


def test_correct_files_are_kept_and_all_wrong_ones_are_named(other: Path, tmp_path: Path) -> None:
    evil = entry(f"sources/{sha(b'c')}", b"C")
    bundle = write_tar(
        tmp_path / "bundle.tar",
        add_sums([index(row(A), row(b"c", filename="c.patch"), row(B)), source(A), evil, source(B)]),
    )

    with pytest.raises(SourceError) as caught:
        import_bundle(bundle, store=other)

    assert caught.value.render() == (
        f"error: {bundle}: 1 of 3 files do not have the hash in the index and were discarded\n"
        f"  | foo 1.0: c.patch: hash mismatch: sha256 {sha(b'C')}, pinned {sha(b'c')}\n"
        f"  hint: the other files are in the store; {HINT}"
    )
    assert stored(other) == {sha(A): A, sha(B): B}


def test_a_missing_bundle_is_named(other: Path, tmp_path: Path) -> None:
    with pytest.raises(SourceError) as caught:
        import_bundle(tmp_path / "none.tar", store=other)

    assert caught.value.render() == f"error: {tmp_path}/none.tar: no such bundle\n  hint: {HINT}"
