"""The package client: choices on constructed rows, and the real apt on a package archive that a test writes."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import tarfile
import time
from collections.abc import Mapping
from pathlib import Path

import pytest
from everywheel.config.source import DebianFile
from everywheel.errors import MachineError, SourceError
from everywheel.sources.deadline import Deadline
from everywheel.sources.distro.apt import AptRoot, ListedFile, Revision, parse_revisions
from everywheel.sources.distro.apt_archives import DISTRIBUTIONS, Archive, choose_archives, find_machine_archives
from everywheel.sources.fetch import fetch_sources
from everywheel.sources.locations import SourceLocations
from everywheel.sources.progress import FetchEvent, FetchEventKind
from everywheel.sources.request import PinnedFile

needs_apt = pytest.mark.skipif(shutil.which("apt-get") is None, reason="this machine has no apt-get")

ARCHIVE, PATCH, OTHER = b"the archive", b"the patch\n", b"another patch\n"


def sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def pack(files: Mapping[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:xz") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return packed.getvalue()


class Repository:
    """A package archive in a directory, with the layout that apt reads: dists/<suite>/main/source/Sources and a pool."""

    def __init__(self, directory: Path, suite: str = "trixie") -> None:
        self.directory, self.suite, self.stanzas = directory, suite, list[str]()
        (directory / "pool").mkdir(parents=True, exist_ok=True)
        self.write()

    @property
    def archive(self) -> Archive:
        return Archive(uri=f"file:{self.directory}", suites=(self.suite,))

    def add(self, package: str, version: str, files: Mapping[str, bytes]) -> None:
        files = {f"{package}_{version}.dsc": b"a description\n", **files}
        for name, content in files.items():
            (self.directory / "pool" / name).write_bytes(content)
        sums = "".join(f" {sha(content)} {len(content)} {name}\n" for name, content in files.items())
        short = "".join(
            f" {hashlib.md5(content).hexdigest()} {len(content)} {name}\n" for name, content in files.items()
        )
        self.stanzas.append(
            f"Package: {package}\nBinary: {package}\nVersion: {version}\nMaintainer: Example <example@example.org>\n"
            f"Architecture: any\nFormat: 3.0 (quilt)\nDirectory: pool\nFiles:\n{short}Checksums-Sha256:\n{sums}"
        )
        self.write()

    def write(self) -> None:
        text = "\n".join(self.stanzas).encode()
        index = self.directory / "dists" / self.suite / "main" / "source" / "Sources"
        index.parent.mkdir(parents=True, exist_ok=True)
        index.write_bytes(text)
        (self.directory / "dists" / self.suite / "Release").write_text(
            f"Origin: Test\nSuite: {self.suite}\nCodename: {self.suite}\nComponents: main\n"
            "Date: Thu, 01 Jan 2026 00:00:00 UTC\n"
            f"SHA256:\n {sha(text)} {len(text)} main/source/Sources\n"
        )


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "archive")


def pin_archive(content: bytes = ARCHIVE) -> PinnedFile:
    return PinnedFile(
        label="foo 1.0",
        filename="foo_1.0.orig.tar.gz",
        sha256=sha(content),
        debian=DebianFile(package="foo", file="foo_1.0.orig.tar.gz"),
    )


def pin_patch(
    content: bytes = PATCH, name: str = "debian/patches/fix.patch", *, packaging: bytes = b"a packaging that is gone"
) -> PinnedFile:
    file = "foo_1.0-1.debian.tar.xz"
    debian = DebianFile(package="foo", file=file)
    return PinnedFile(
        label="foo 1.0",
        filename=name.rpartition("/")[2],
        sha256=sha(content),
        patches=sha(ARCHIVE),
        archive=PinnedFile(label="foo 1.0", filename=file, sha256=sha(packaging), debian=debian),
        member=name,
    )


def pin_diff(content: bytes) -> PinnedFile:
    debian = DebianFile(package="foo", file="foo_1.0-1.diff.gz")
    return PinnedFile(label="foo 1.0", filename="a diff", sha256=sha(content), debian=debian, patches=sha(ARCHIVE))


def fetch(
    files: list[PinnedFile], store: Path, *archives: Archive, log: list[FetchEvent] | None = None
) -> dict[str, Path]:
    events = log if log is not None else []
    return fetch_sources(files, store=store, locations=SourceLocations(archives=archives), progress=events.append)


@needs_apt
def test_an_archive_comes_through_the_package_client(repository: Repository, tmp_path: Path) -> None:
    repository.add("foo", "1.0-1", {"foo_1.0.orig.tar.gz": ARCHIVE, "foo_1.0-1.debian.tar.xz": pack({})})
    log: list[FetchEvent] = []

    paths = fetch([pin_archive()], tmp_path / "store", repository.archive, log=log)

    assert paths[sha(ARCHIVE)].read_bytes() == ARCHIVE
    assert not paths[sha(ARCHIVE)].is_symlink()
    assert (log[-1].kind, log[-1].location) == (FetchEventKind.DONE, "package client")


@needs_apt
def test_a_store_may_have_spaces_and_a_relative_path(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository.add("foo", "1.0-1", {"foo_1.0.orig.tar.gz": ARCHIVE})
    monkeypatch.chdir(tmp_path)

    paths = fetch([pin_archive()], Path("the store"), repository.archive)

    assert paths == {sha(ARCHIVE): Path("the store") / "sources" / sha(ARCHIVE)}


@needs_apt
def test_a_file_is_requested_from_every_archive_that_may_have_it(tmp_path: Path) -> None:
    main, security = Repository(tmp_path / "main"), Repository(tmp_path / "security")
    for repository in (main, security):
        repository.add("foo", "1.0-1", {"foo_1.0.orig.tar.gz": ARCHIVE, "foo_1.0-1.debian.tar.xz": pack({})})
    (main.directory / "pool" / "foo_1.0.orig.tar.gz").unlink()

    for number, archives in enumerate(((main.archive, security.archive), (security.archive, main.archive))):
        paths = fetch([pin_archive()], tmp_path / f"store-{number}", *archives)

        assert paths[sha(ARCHIVE)].read_bytes() == ARCHIVE


@needs_apt
def test_a_packaging_that_is_in_no_list_any_more_comes_from_the_pool(repository: Repository, tmp_path: Path) -> None:
    repository.add("foo", "1.0-2", {"foo_1.0.orig.tar.gz": ARCHIVE, "foo_1.0-2.debian.tar.xz": pack({})})
    superseded = pack({"debian/patches/fix.patch": PATCH, "debian/patches/more.patch": b"more"})
    (repository.directory / "pool" / "foo_1.0-1.debian.tar.xz").write_bytes(superseded)
    fix = pin_patch(packaging=superseded)
    second = pin_patch(b"more", "debian/patches/more.patch", packaging=superseded)

    paths = fetch([fix, second], tmp_path / "store", repository.archive)

    assert [paths[sha(text)].read_bytes() for text in (PATCH, b"more")] == [PATCH, b"more"]


@needs_apt
def test_a_patch_is_extracted_from_any_revision_that_contains_it(repository: Repository, tmp_path: Path) -> None:
    for revision, patches in {
        "1.0-1": {"debian/patches/other.patch": OTHER},
        "1.0-2": {"./debian/patches/fix.patch": OTHER},
        "1.0-3": {"./debian/patches/fix.patch": PATCH, "./debian/patches/more.patch": b"more"},
    }.items():
        files = {"foo_1.0.orig.tar.gz": ARCHIVE, f"foo_{revision}.debian.tar.xz": pack(patches)}
        repository.add("foo", revision, files)

    files = [pin_patch(), pin_patch(b"more", "debian/patches/more.patch")]
    paths = fetch(files, tmp_path / "store", repository.archive)

    assert [path.read_bytes() for path in paths.values()] == [PATCH, b"more"]


@needs_apt
def test_a_revision_of_the_same_archive_is_preferred(repository: Repository, tmp_path: Path) -> None:
    new = {"foo_2.0.orig.tar.gz": b"newer", "foo_2.0-1.debian.tar.xz": pack({"debian/patches/fix.patch": PATCH})}
    old = {
        "foo_1.0.orig.tar.gz": ARCHIVE,
        "foo_1.0-1.debian.tar.xz": pack({"debian/patches/fix.patch": PATCH, "x": b""}),
    }
    repository.add("foo", "2.0-1", new)
    repository.add("foo", "1.0-1", old)

    fetch([pin_patch()], tmp_path / "store", repository.archive)

    packaging = [path.name for path in (tmp_path / "store" / "apt" / "packaging").iterdir()]
    assert packaging == [sha(old["foo_1.0-1.debian.tar.xz"])]


@needs_apt
def test_a_file_of_the_package_itself_can_be_a_patch(repository: Repository, tmp_path: Path) -> None:
    repository.add("foo", "1.0-1", {"foo_1.0.orig.tar.gz": ARCHIVE, "foo_1.0-1.diff.gz": b"a packed diff"})

    paths = fetch([pin_diff(b"a packed diff")], tmp_path / "store", repository.archive)

    assert paths[sha(b"a packed diff")].read_bytes() == b"a packed diff"


@needs_apt
def test_a_superseded_patch_names_the_command_that_finds_newer_ones(repository: Repository, tmp_path: Path) -> None:
    repository.add("foo", "1.0-1", {"foo_1.0.orig.tar.gz": ARCHIVE, "foo_1.0-1.diff.gz": b"a packed diff"})
    files = {"debian/patches/fix.patch": OTHER}
    repository.add("foo", "1.0-2", {"foo_1.0.orig.tar.gz": ARCHIVE, "foo_1.0-2.debian.tar.xz": pack(files)})

    with pytest.raises(SourceError) as caught:
        fetch([pin_patch()], tmp_path / "store", repository.archive)

    assert caught.value.render() == (
        "error: foo 1.0: fix.patch is not available from any location\n"
        f"  pinned: sha256 {sha(PATCH)}\n"
        "  store: missing\n"
        "  other revisions: no revision of foo has the pinned debian/patches/fix.patch "
        f"(1.0-1: missing, 1.0-2: sha256 {sha(OTHER)})\n"
        f"  archive: foo_1.0-1.debian.tar.xz, sha256 {sha(b'a packaging that is gone')}\n"
        "  package client: no file with the pinned hash in foo 1.0-1, foo 1.0-2\n"
        "  hint: `everywheel recipes update` looks for the patches of newer revisions and rewrites the pins"
    )


@needs_apt
def test_a_package_or_hash_that_is_not_listed_is_named(repository: Repository, tmp_path: Path) -> None:
    repository.add("foo", "1.0-1", {"foo_1.0.orig.tar.gz": ARCHIVE})
    unlisted = PinnedFile(label="bar 2", filename="bar", sha256="0" * 64, debian=DebianFile(package="bar", file="bar"))

    with pytest.raises(SourceError) as caught:
        fetch([pin_archive(b"other bytes"), unlisted], tmp_path / "store", repository.archive)

    assert caught.value.excerpt[3] == "  package client: no file with the pinned hash in foo 1.0-1"
    assert caught.value.excerpt[7] == "  package client: no source package 'bar' in trixie"


@needs_apt
def test_lists_that_name_a_file_are_not_updated_again(repository: Repository, tmp_path: Path) -> None:
    repository.add("foo", "1.0-1", {"foo_1.0.orig.tar.gz": ARCHIVE, "foo_1.0-1.diff.gz": b"diff"})
    fetch([pin_archive()], tmp_path / "store", repository.archive)
    stamp = (tmp_path / "store" / "apt" / "updated").stat().st_mtime_ns
    os.utime(tmp_path / "store" / "apt" / "updated", ns=(stamp - 10**15, stamp - 10**15))

    fetch([pin_diff(b"diff")], tmp_path / "store", repository.archive)

    assert (tmp_path / "store" / "apt" / "updated").stat().st_mtime_ns == stamp - 10**15


@needs_apt
def test_old_lists_without_a_file_are_updated_and_recent_ones_are_not(repository: Repository, tmp_path: Path) -> None:
    repository.add("bar", "1.0-1", {"bar.tar.gz": b"bar"})
    with pytest.raises(SourceError):
        fetch([pin_archive()], tmp_path / "store", repository.archive)
    repository.add("foo", "1.0-1", {"foo_1.0.orig.tar.gz": ARCHIVE})
    with pytest.raises(SourceError):
        fetch([pin_archive()], tmp_path / "store", repository.archive)
    os.utime(tmp_path / "store" / "apt" / "updated", (1, 1))

    paths = fetch([pin_archive()], tmp_path / "store", repository.archive)

    assert paths[sha(ARCHIVE)].read_bytes() == ARCHIVE


@needs_apt
def test_recent_lists_are_updated_when_a_listed_file_is_missing(repository: Repository, tmp_path: Path) -> None:
    files = {"debian/patches/fix.patch": PATCH}
    repository.add("foo", "1.0-1", {"foo_1.0.orig.tar.gz": ARCHIVE, "foo_1.0-1.debian.tar.xz": pack(files)})
    fetch([pin_archive()], tmp_path / "store", repository.archive)
    (tmp_path / "archive" / "pool" / "foo_1.0-1.debian.tar.xz").unlink()
    repository.stanzas.clear()
    files["debian/patches/next.patch"] = b"next"
    repository.add("foo", "1.0-2", {"foo_1.0.orig.tar.gz": ARCHIVE, "foo_1.0-2.debian.tar.xz": pack(files)})

    paths = fetch([pin_patch()], tmp_path / "store", repository.archive)

    assert paths[sha(PATCH)].read_bytes() == PATCH


@needs_apt
def test_an_unreachable_suite_does_not_affect_the_others(repository: Repository, tmp_path: Path) -> None:
    repository.add("foo", "1.0-1", {"foo_1.0.orig.tar.gz": ARCHIVE})
    gone = Archive(uri=f"file:{tmp_path}/gone", suites=("trixie",))

    paths = fetch([pin_archive()], tmp_path / "store", gone, repository.archive)

    assert paths[sha(ARCHIVE)].read_bytes() == ARCHIVE


@needs_apt
def test_a_hash_mismatch_in_the_pool_is_refused(repository: Repository, tmp_path: Path) -> None:
    repository.add("foo", "1.0-1", {"foo_1.0.orig.tar.gz": ARCHIVE})
    (tmp_path / "archive" / "pool" / "foo_1.0.orig.tar.gz").write_bytes(b"ARCHIVE, no")

    with pytest.raises(SourceError) as caught:
        fetch([pin_archive()], tmp_path / "store", repository.archive)

    assert str(caught.value.details["package client"]) == (
        f"hash mismatch: sha256 {sha(b'ARCHIVE, no')}, pinned {sha(ARCHIVE)}"
    )
    assert not (tmp_path / "store" / "sources").exists()


@needs_apt
def test_the_package_lists_of_the_system_are_not_used(tmp_path: Path, repository: Repository) -> None:
    root = AptRoot(tmp_path / "apt", [repository.archive], Deadline(30))
    root.set_up()
    root.update()

    assert root.update_error == ""
    assert root.list_revisions(["apt", "zlib"]) == ()


def test_an_unsigned_archive_needs_no_keyring_and_a_signed_one_names_it() -> None:
    signed = Archive(uri="http://archive.example/debian", suites=("one", "two"), keyring="/keys.gpg")
    trusted = Archive(uri="file:/srv", suites=("three",), components=("main", "more"))

    root = AptRoot(Path("/nowhere"), [signed, trusted], Deadline(1))

    assert root._sources == (
        "deb-src [signed-by=/keys.gpg target=Sources] http://archive.example/debian one main\n"
        "deb-src [signed-by=/keys.gpg target=Sources] http://archive.example/debian two main\n"
        "deb-src [trusted=yes target=Sources] file:/srv three main more\n"
    )


def test_each_revision_is_returned_once_with_its_files() -> None:
    stanza = (
        "Package: foo\nBinary: foo,\n libfoo\nVersion: 1:1.0-1\nFiles:\n 0123 5 foo.tar\n"
        f"Checksums-Sha256:\n {'a' * 64} 5 foo.tar\n {'b' * 64} 7 foo.debian.tar.xz\nDirectory: pool\n"
    )

    updated = stanza.replace("Directory: pool", "Directory: pool/updates")

    revisions = parse_revisions(f"{stanza}\n{updated}\nPackage: broken\n\n")

    assert revisions == (
        Revision(
            package="foo",
            version="1:1.0-1",
            files=(
                ListedFile(name="foo.tar", sha256="a" * 64, size=5),
                ListedFile(name="foo.debian.tar.xz", sha256="b" * 64, size=7),
            ),
            directories=("pool", "pool/updates"),
        ),
    )


SUITES = ("trixie", "trixie-updates", "sid", "bookworm", "bullseye")


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        pytest.param(
            [
                "http://a/debian/|bookworm|main",
                "http://a/debian/|bookworm-updates|main",
                "http://s/|bookworm-security|main",
            ],
            [("http://a/debian/", SUITES), ("http://s/", ("trixie-security",))],
            id="main and security archive",
        ),
        pytest.param(
            ["mirror+file:/etc/m|bookworm|main", "mirror+file:/etc/m|bookworm|contrib"],
            [("mirror+file:/etc/m", SUITES)],
            id="a list of mirrors",
        ),
        pytest.param(
            ["http://a/|bookworm|main", "http://a/|bookworm-security|main"],
            [("http://a/", (*SUITES, "trixie-security"))],
            id="one archive for both",
        ),
        pytest.param(
            [
                "http://a/|bookworm|main",
                "http://b/|stable|main",
                "http://c/|nodistro|main",
                "http://d/|bookworm|stable",
            ],
            [("http://a/", SUITES)],
            id="other parties' repositories are left alone",
        ),
        pytest.param(
            ["http://a/|sid|main"],
            [("http://a/", SUITES)],
            id="a machine that names a class of releases",
        ),
        pytest.param([], [], id="no archive"),
    ],
)
def test_the_archives_of_debian_are_selected(rows: list[str], expected: list[tuple[str, tuple[str, ...]]]) -> None:
    chosen = choose_archives(rows, "bookworm", DISTRIBUTIONS["debian"])

    assert [(archive.uri, archive.suites) for archive in chosen] == expected
    assert {archive.keyring for archive in chosen} <= {"/usr/share/keyrings/debian-archive-keyring.gpg"}


def test_the_suites_of_ubuntu_and_ppas_are_selected() -> None:
    rows = [f"http://u/|noble{part}|{name}" for part in ("", "-updates") for name in ("main", "universe", "restricted")]

    chosen = choose_archives(
        [*rows, "http://ppa/|noble|main", "http://v/|stable|main"], "noble", DISTRIBUTIONS["ubuntu"]
    )

    assert [(archive.uri, archive.suites) for archive in chosen] == [
        ("http://u/", ("noble", "noble-updates")),
        ("http://ppa/", ("noble",)),
    ]
    assert chosen[0].components == ("main", "universe")


def test_an_unknown_distribution_has_no_client(tmp_path: Path) -> None:
    (tmp_path / "os-release").write_text('ID="slackware"\nVERSION_CODENAME=x\n')

    assert find_machine_archives(tmp_path / "os-release") == ()


def test_a_machine_without_apt_has_no_client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    assert find_machine_archives() == ()


def fake_apt(directory: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> AptRoot:
    """Put a script named apt-get first on PATH and return a root that runs it."""
    (directory / "bin").mkdir()
    (directory / "bin" / "apt-get").write_text(f"#!/bin/sh\n{script}\n")
    (directory / "bin" / "apt-get").chmod(0o755)
    monkeypatch.setenv("PATH", f"{directory}/bin:{os.environ['PATH']}")
    root = AptRoot(directory / "apt", [Archive(uri="file:/srv", suites=("trixie",))], Deadline(30))
    root.set_up()
    return root


def test_a_client_that_hangs_on_a_full_disk_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = fake_apt(tmp_path, monkeypatch, "sleep 20")
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=4096))
    begin = time.monotonic()

    with pytest.raises(MachineError) as caught:
        root.update()

    assert time.monotonic() - begin < 5.0
    assert caught.value.render() == (
        "error: no space left on the disk\n"
        f"  writing: {tmp_path}/apt\n"
        "  hint: `everywheel store gc` removes unused entries; EVERYWHEEL_STORE moves the store to another disk"
    )


def test_a_full_disk_that_the_client_reports_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = fake_apt(tmp_path, monkeypatch, "echo 'E: Write error - write (28: No space left on device)' >&2; exit 100")

    with pytest.raises(MachineError, match="no space left on the disk"):
        root.update()


def test_an_update_waits_for_the_lock_of_a_killed_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = f"test -e {tmp_path}/again && exit 0; : > {tmp_path}/again; echo 'E: Could not get lock /x' >&2; exit 100"
    root = fake_apt(tmp_path, monkeypatch, script)

    root.update()

    assert root.update_error == ""
    assert root.age() is not None


def test_a_failed_update_is_reported_and_not_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = fake_apt(tmp_path, monkeypatch, "echo 'W: old' >&2; echo 'E: NO_PUBKEY 123' >&2; exit 100")

    root.update()

    assert root.update_error == "NO_PUBKEY 123"
    assert root.age() is None


def test_a_client_that_hangs_is_ended_at_the_deadline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_apt(tmp_path, monkeypatch, "sleep 20")
    archive = Archive(uri="file:/srv", suites=("trixie",))

    with pytest.raises(SourceError) as caught:
        fetch_sources(
            [pin_archive()], store=tmp_path / "store", locations=SourceLocations(archives=(archive,)), timeout=0.3
        )

    assert caught.value.fact == "fetching the sources took longer than 0.3 s"
