"""Unpacking and patching: correct archives become source trees; hostile or broken ones leave no files."""

from __future__ import annotations

import gzip
import io
import os
import subprocess
import tarfile
from collections.abc import Sequence
from pathlib import Path

import pytest
from everywheel.errors import MachineError, SourceError
from everywheel.sources.patch import apply_patch
from everywheel.sources.request import PinnedFile, Unavailable
from everywheel.sources.unpack import read_member, unpack_archive

PINNED = PinnedFile(label="foo 1.0", filename="foo-1.0.tar.gz", sha256="0" * 64)
FIX = PinnedFile(label="foo 1.0", filename="fix.patch", sha256="1" * 64, patches="0" * 64)
COMPARE = "compare the pin in the recipe with what upstream publishes"
Entry = tuple[tarfile.TarInfo, bytes]


def file(name: str, content: bytes = b"x\n", mode: int = 0o644) -> Entry:
    member = tarfile.TarInfo(name)
    member.size, member.mode = len(content), mode
    return member, content


def other(name: str, kind: bytes, link: str = "") -> Entry:
    member = tarfile.TarInfo(name)
    member.type, member.linkname, member.mode = kind, link, 0o755
    return member, b""


def directory(name: str) -> Entry:
    return other(name, tarfile.DIRTYPE)


def link(name: str, target: str) -> Entry:
    return other(name, tarfile.SYMTYPE, target)


def hard(name: str, target: str) -> Entry:
    return other(name, tarfile.LNKTYPE, target)


def pack(path: Path, entries: Sequence[Entry], mode: str = "w:gz") -> Path:
    with tarfile.open(path, mode) as tar:  # type: ignore[call-overload]
        for member, content in entries:
            tar.addfile(member, io.BytesIO(content))
    return path


def listing(root: Path) -> list[str]:
    return sorted(path.relative_to(root).as_posix() for path in root.rglob("*"))


@pytest.mark.parametrize("mode", ["w:gz", "w:xz", "w:bz2", "w"])
def test_the_single_top_directory_is_removed(mode: str, tmp_path: Path) -> None:
    entries = [
        directory("foo-1.0"),
        file("foo-1.0/a.c"),
        file("foo-1.0/sub/run", mode=0o755),
        link("foo-1.0/b.c", "a.c"),
    ]
    archive = pack(tmp_path / "archive", entries, mode)

    unpack_archive(PINNED, archive, tmp_path / "work" / "tree")

    tree = tmp_path / "work" / "tree"
    assert listing(tree) == ["a.c", "b.c", "sub", "sub/run"]
    assert os.access(tree / "sub" / "run", os.X_OK)
    assert (tree / "b.c").readlink() == Path("a.c")
    assert [path.name for path in (tmp_path / "work").iterdir()] == ["tree"]


def test_an_archive_without_a_top_directory_is_unpacked_unchanged(tmp_path: Path) -> None:
    archive = pack(tmp_path / "archive", [file("./a.c"), file("./sub/b.c")])

    unpack_archive(PINNED, archive, tmp_path / "tree")

    assert listing(tmp_path / "tree") == ["a.c", "sub", "sub/b.c"]


def test_links_that_stay_inside_are_unpacked(tmp_path: Path) -> None:
    entries = [file("foo/a/x"), link("foo/b/up", "../a/x"), hard("foo/b/same", "foo/a/x"), link("foo/dot", ".")]
    archive = pack(tmp_path / "archive", entries)

    unpack_archive(PINNED, archive, tmp_path / "tree")

    assert (tmp_path / "tree" / "b" / "up").read_bytes() == b"x\n"
    assert (tmp_path / "tree" / "b" / "same").read_bytes() == b"x\n"


@pytest.mark.parametrize(
    ("entries", "reason"),
    [
        pytest.param([file("/etc/x")], "path '/etc/x' is absolute", id="absolute path"),
        pytest.param([file("foo/../../x")], "path 'foo/../../x' leads out of the directory", id="path that climbs"),
        pytest.param([link("foo/l", "/etc")], "link 'foo/l' has the absolute target '/etc'", id="absolute link"),
        pytest.param(
            [link("foo/l", "../..")], "link 'foo/l' leads out of the directory: '../..'", id="link that climbs"
        ),
        pytest.param(
            [file("foo/x"), link("foo/l", "../other")],
            "link 'foo/l' leads out of the directory: 'other'",
            id="link out of the top directory",
        ),
        pytest.param(
            [link("foo/l", "sub/../../../x")],
            "link 'foo/l' leads out of the directory: 'sub/../../../x'",
            id="link that climbs late",
        ),
        pytest.param(
            [directory("foo/a/b"), link("foo/a/b/up", "../.."), link("foo/out", "a/b/up/../../x")],
            "link 'foo/out' leads out of the directory: 'a/b/up/../../x'",
            id="link that climbs through a link",
        ),
        pytest.param([hard("foo/h", "/etc/passwd")], "link to '/etc/passwd' is absolute", id="absolute hard link"),
        pytest.param([hard("foo/h", "../x")], "link to '../x' leads out of the directory", id="hard link that climbs"),
        pytest.param(
            [link("foo/l", "sub"), hard("foo/h", "foo/l")],
            "link to 'foo/l' goes through the link 'foo/l'",
            id="hard link to a link",
        ),
        pytest.param(
            [directory("foo/sub"), link("foo/l", "sub"), file("foo/l/x")],
            "path 'foo/l/x' goes through the link 'foo/l'",
            id="file below a link",
        ),
        pytest.param(
            [link("foo/l", "a"), file("foo/l")], "path 'foo/l' goes through the link 'foo/l'", id="file over a link"
        ),
        pytest.param(
            [other("foo/null", tarfile.CHRTYPE)], "'foo/null' is neither a file, a directory nor a link", id="device"
        ),
        pytest.param(
            [other("foo/p", tarfile.FIFOTYPE)], "'foo/p' is neither a file, a directory nor a link", id="pipe"
        ),
    ],
)
def test_a_hostile_archive_is_refused_and_leaves_nothing(entries: Sequence[Entry], reason: str, tmp_path: Path) -> None:
    archive = pack(tmp_path / "archive", entries)
    (tmp_path / "work").mkdir()

    with pytest.raises(SourceError) as caught:
        unpack_archive(PINNED, archive, tmp_path / "work" / "tree")

    assert caught.value.render() == (
        f"error: foo 1.0: foo-1.0.tar.gz is not safe to unpack\n  reason: {reason}\n  hint: {COMPARE}"
    )
    assert listing(tmp_path) == ["archive", "work"]


@pytest.mark.parametrize("mode", ["w:gz", "w:xz", "w:bz2", "w"])
def test_a_truncated_archive_is_named(mode: str, tmp_path: Path) -> None:
    archive = pack(tmp_path / "archive", [file("foo/a", os.urandom(50000)), file("foo/b", os.urandom(50000))], mode)
    archive.write_bytes(archive.read_bytes()[:70000])

    with pytest.raises(SourceError) as caught:
        unpack_archive(PINNED, archive, tmp_path / "tree")

    assert caught.value.fact == "foo 1.0: foo-1.0.tar.gz is truncated or damaged"
    assert caught.value.hint == COMPARE
    assert listing(tmp_path) == ["archive"]


def test_an_empty_file_is_reported(tmp_path: Path) -> None:
    (tmp_path / "archive").write_bytes(b"")

    with pytest.raises(SourceError) as caught:
        unpack_archive(PINNED, tmp_path / "archive", tmp_path / "tree")

    assert caught.value.render() == f"error: foo 1.0: foo-1.0.tar.gz is an empty file\n  hint: {COMPARE}"


def test_a_file_that_is_not_an_archive_is_reported(tmp_path: Path) -> None:
    (tmp_path / "archive").write_bytes(b"<html>no such page</html>" * 100)

    with pytest.raises(SourceError) as caught:
        unpack_archive(PINNED, tmp_path / "archive", tmp_path / "tree")

    assert caught.value.render() == (
        "error: foo 1.0: foo-1.0.tar.gz is not a tar archive\n"
        "  begins with: <html>no such page</html\n"
        f"  hint: {COMPARE}"
    )


@pytest.mark.parametrize(
    ("start", "kind"),
    [
        (b"PK\x03\x04\x14\x00", "a zip archive"),
        (b"7z\xbc\xaf\x27\x1c", "an archive of 7-Zip"),
        (b"\x28\xb5\x2f\xfd\x04", "compressed with zstd"),
        (b"LZIP\x01", "compressed with lzip"),
    ],
)
def test_an_archive_of_another_format_is_named_with_those_that_are_unpacked(
    start: bytes, kind: str, tmp_path: Path
) -> None:
    (tmp_path / "archive").write_bytes(start + b"\0" * 600)

    with pytest.raises(SourceError) as caught:
        unpack_archive(PINNED, tmp_path / "archive", tmp_path / "tree")

    assert caught.value.render() == (
        f"error: foo 1.0: foo-1.0.tar.gz is {kind}, which is not supported\n"
        "  hint: name a tar archive of upstream's in `urls`, compressed with gzip, bzip2 or xz, or Debian's file in `debian`"
    )


@pytest.mark.parametrize("entries", [[], [directory(".")]])
def test_an_empty_archive_is_named(entries: Sequence[Entry], tmp_path: Path) -> None:
    archive = pack(tmp_path / "archive", entries)

    with pytest.raises(SourceError) as caught:
        unpack_archive(PINNED, archive, tmp_path / "tree")

    assert caught.value.render() == f"error: foo 1.0: foo-1.0.tar.gz is an empty archive\n  hint: {COMPARE}"
    assert listing(tmp_path) == ["archive"]


def test_one_member_is_read_without_unpacking(tmp_path: Path) -> None:
    archive = pack(tmp_path / "archive", [file("./debian/patches/a", b"patch"), link("debian/patches/b", "a")], "w:xz")

    assert read_member(archive, "debian/patches/a") == b"patch"
    assert read_member(archive, "debian/patches/b") is None
    assert read_member(archive, "debian/patches/c") is None


def test_a_broken_archive_has_no_readable_member(tmp_path: Path) -> None:
    (tmp_path / "archive").write_bytes(b"no archive")

    with pytest.raises(Unavailable, match=r"^cannot be read: "):
        read_member(tmp_path / "archive", "a")


PATCH = b"""\
Description: text that distributions add before a patch
--- a/src/a.c
+++ b/src/a.c
@@ -1,3 +1,3 @@
 one
-two
+zwei
 three
--- /dev/null
+++ b/src/new.c
@@ -0,0 +1 @@
+new
"""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "tree" / "src").mkdir(parents=True)
    (tmp_path / "tree" / "src" / "a.c").write_bytes(b"one\ntwo\nthree\n")
    return tmp_path / "tree"


def patch_with(content: bytes, tree: Path) -> None:
    (tree.parent / "fix").write_bytes(content)
    apply_patch(FIX, tree.parent / "fix", tree)


@pytest.mark.parametrize("content", [PATCH, gzip.compress(PATCH)], ids=["plain", "packed"])
def test_a_patch_is_applied(content: bytes, tree: Path) -> None:
    patch_with(content, tree)

    assert (tree / "src" / "a.c").read_bytes() == b"one\nzwei\nthree\n"
    assert (tree / "src" / "new.c").read_bytes() == b"new\n"


def test_a_patch_is_applied_inside_another_repository(
    tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    (tmp_path / ".git" / "config").write_text("[core]\nautocrlf = true\n[apply]\nwhitespace = error\n")
    monkeypatch.setenv("GIT_DIR", str(tmp_path / ".git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(tmp_path))

    patch_with(PATCH.replace(b"zwei", b"zwei  "), tree)

    assert (tree / "src" / "a.c").read_bytes() == b"one\nzwei  \nthree\n"


def test_a_patch_is_applied_below_a_linked_directory(tree: Path, tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    (tmp_path / "linked").symlink_to(tmp_path)

    (tmp_path / "fix").write_bytes(PATCH)
    apply_patch(FIX, tmp_path / "fix", tmp_path / "linked" / "tree")

    assert (tree / "src" / "a.c").read_bytes() == b"one\nzwei\nthree\n"


def test_changes_of_the_packaging_are_not_applied(tree: Path) -> None:
    packaging = b"--- /dev/null\n+++ b/debian/source/format\n@@ -0,0 +1 @@\n+1.0\n"

    patch_with(packaging + PATCH, tree)

    assert listing(tree) == ["src", "src/a.c", "src/new.c"]


def test_a_rename_and_a_deletion_are_applied(tree: Path) -> None:
    (tree / "src" / "old.c").write_bytes(b"old\n")
    renaming = b"diff --git a/src/a.c b/src/b.c\nsimilarity index 100%\nrename from src/a.c\nrename to src/b.c\n"
    deletion = b"diff --git a/src/old.c b/src/old.c\ndeleted file mode 100644\n"

    patch_with(renaming + deletion + b"--- a/src/old.c\n+++ /dev/null\n@@ -1 +0,0 @@\n-old\n", tree)

    assert listing(tree) == ["src", "src/b.c"]


def test_a_patch_that_does_not_apply_shows_gits_output(tree: Path) -> None:
    (tree / "src" / "a.c").write_bytes(b"something else\n")

    with pytest.raises(SourceError) as caught:
        patch_with(PATCH, tree)

    assert caught.value.render() == (
        "error: foo 1.0: fix.patch does not apply (exit 1)\n"
        "  command: git apply -p1 '--exclude=debian/*' --whitespace=nowarn -\n"
        "  | error: patch failed: src/a.c:1\n"
        "  | error: src/a.c: patch does not apply\n"
        f"  hint: it may be the patch of another version: {COMPARE}"
    )
    assert listing(tree) == ["src", "src/a.c"]


def test_a_patch_that_changes_nothing_is_refused(tree: Path) -> None:
    with pytest.raises(SourceError) as caught:
        patch_with(b"--- /dev/null\n+++ b/debian/format\n@@ -0,0 +1 @@\n+1.0\n", tree)

    assert caught.value.render() == f"error: foo 1.0: fix.patch changes nothing\n  hint: {COMPARE}"


def test_a_file_that_is_not_a_patch_is_refused(tree: Path) -> None:
    with pytest.raises(SourceError) as caught:
        patch_with(b"<html>no such page</html>\n", tree)

    assert caught.value.fact == "foo 1.0: fix.patch does not apply (exit 128)"
    assert caught.value.excerpt == ('error: No valid patches in input (allow with "--allow-empty")',)


def test_a_patch_changes_no_file_outside_the_tree(tree: Path, tmp_path: Path) -> None:
    with pytest.raises(SourceError) as caught:
        patch_with(b"--- /dev/null\n+++ b/../evil\n@@ -0,0 +1 @@\n+x\n", tree)

    assert caught.value.fact == "foo 1.0: fix.patch changes '../evil', which is outside of the source"
    assert not (tmp_path / "evil").exists()


def test_a_damaged_compressed_patch_is_reported(tree: Path) -> None:
    with pytest.raises(SourceError) as caught:
        patch_with(gzip.compress(PATCH)[:-20], tree)

    assert caught.value.render() == (
        "error: foo 1.0: fix.patch cannot be unpacked\n"
        "  reason: compressed file ended before the end-of-stream marker was reached\n"
        f"  hint: {COMPARE}"
    )


def test_missing_git_is_reported(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tree))

    with pytest.raises(MachineError) as caught:
        patch_with(PATCH, tree)

    assert caught.value.render() == (
        "error: foo 1.0: fix.patch cannot be applied: git is missing\n"
        "  hint: `everywheel doctor` shows the command that installs it"
    )
