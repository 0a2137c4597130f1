"""Patches as members of an archive: every kind of location on loopback servers, and the exact message of every failure."""

from __future__ import annotations

import gzip
import hashlib
import io
import lzma
import os
import shutil
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from everywheel.config.source import DebianFile
from everywheel.config.source_settings import load_source_settings
from everywheel.config.toml_reader import Table
from everywheel.errors import SourceError, UsageError
from everywheel.execution.retry import RetryPolicy
from everywheel.sources.fetch import fetch_sources
from everywheel.sources.locations import SourceLocations, find_locations
from everywheel.sources.progress import FetchEvent, FetchEventKind
from everywheel.sources.request import PinnedFile
from snapshot_server import Fault, Service, serve
from test_sources_debian import Repository

SOURCE, DIFF = b"the source\n", gzip.compress(b"a diff\n", mtime=0)
ONE, TWO, OTHER = b"patch one\n", b"patch two\n", b"another patch\n"
SERIES = b"other.patch\none.patch -p1\n# two.patch\ntwo.patch  # last\n"
QUICK = RetryPolicy(attempts=1, connect_timeout=1.0, read_timeout=1.0)


def sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def sha1(content: bytes) -> str:
    return hashlib.sha1(content).hexdigest()


def pack(files: Mapping[str, bytes], mode: str = "w:xz") -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode=mode) as tar:  # type: ignore[call-overload]
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return packed.getvalue()


PACKAGING = pack({"debian/patches/series": SERIES, "debian/patches/one.patch": ONE, "./debian/patches/two.patch": TWO})


@dataclass(frozen=True, kw_only=True)
class Pins:
    """A source, its packaging with two patches, and a patch that is a file, as a recipe pins them."""

    packaging: bytes = PACKAGING
    filename: str = "foo_1.0-1.debian.tar.xz"
    upstream: str = ""
    patches: Mapping[str, bytes]

    def find_urls(self, content: bytes) -> tuple[str, ...]:
        return (f"{self.upstream}/upstream/{sha(content)}",) if self.upstream else ()

    @property
    def files(self) -> list[PinnedFile]:
        return [*self.single_files, *self.members]

    @property
    def single_files(self) -> list[PinnedFile]:
        names = {"foo_1.0.orig.tar.gz": SOURCE, "foo_1.0-1.diff.gz": DIFF}
        return [
            PinnedFile(
                label="foo 1.0",
                filename=name,
                sha256=sha(content),
                sha1=sha1(content),
                size=len(content),
                urls=self.find_urls(content),
                debian=DebianFile(package="foo", file=name),
            )
            for name, content in names.items()
        ]

    @property
    def members(self) -> list[PinnedFile]:
        archive = PinnedFile(
            label="foo 1.0",
            filename=self.filename,
            sha256=sha(self.packaging),
            sha1=sha1(self.packaging),
            size=len(self.packaging),
            urls=self.find_urls(self.packaging),
            debian=DebianFile(package="foo", file=self.filename),
        )
        return [
            PinnedFile(
                label="foo 1.0",
                filename=name.rpartition("/")[2],
                sha256=sha(content),
                size=len(content),
                patches=sha(SOURCE),
                archive=archive,
                member=name,
            )
            for name, content in self.patches.items()
        ]


PINS = Pins(patches={"debian/patches/one.patch": ONE, "debian/patches/two.patch": TWO})
CONTENTS = [SOURCE, DIFF, PACKAGING]


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)


@pytest.fixture
def snapshot(tmp_path: Path) -> Iterator[Service]:
    """A snapshot service that has the three archives."""
    with serve(write_files(tmp_path / "kept", CONTENTS)) as service:
        yield service


def write_files(directory: Path, contents: list[bytes]) -> dict[str, Path]:
    """Write files, and return them by their paths in a snapshot service."""
    directory.mkdir()
    files = {}
    for content in contents:
        path = directory / sha(content)
        path.write_bytes(content)
        files[f"/file/{sha1(content)}"] = path
    return files


def fetch(pins: Pins, store: Path, locations: SourceLocations, log: list[FetchEvent] | None = None) -> dict[str, str]:
    """Fetch all files and return the name of the location that each came from; each has its pinned bytes."""
    events = [] if log is None else log
    paths = fetch_sources(pins.files, store=store, locations=locations, progress=events.append)
    assert all(sha(paths[file.sha256].read_bytes()) == file.sha256 for file in pins.files)
    done = [event for event in events if event.kind in (FetchEventKind.DONE, FetchEventKind.CACHED)]
    return {event.file.filename: event.location for event in done}


def fail(pins: Pins, store: Path, locations: SourceLocations) -> str:
    """Fetch the patches, which fails, and return the message; nothing is left but archives that have their pinned bytes."""
    with pytest.raises(SourceError) as caught:
        fetch_sources(pins.members, store=store, locations=locations)
    assert caught.value.exit_code == 4
    assert {path.name for path in store.glob("sources/*")} <= {sha(pins.packaging)}
    assert list(store.glob("tmp/*")) == []
    return caught.value.render()


def use_snapshot(service: Service) -> SourceLocations:
    return SourceLocations(snapshot=service.base, archives=(), retry_policy=QUICK)


NOWHERE = SourceLocations(snapshot="", archives=(), retry_policy=QUICK)


def test_an_archive_is_downloaded_once_for_all_its_patches(snapshot: Service, tmp_path: Path) -> None:
    sources = fetch(PINS, tmp_path / "store", use_snapshot(snapshot))

    assert snapshot.count("/file/") == len(CONTENTS)
    assert sources["foo_1.0.orig.tar.gz"] == f"{snapshot.base}/file/{sha1(SOURCE)}"
    assert sources["one.patch"] == sources["two.patch"] == "foo_1.0-1.debian.tar.xz"


def test_the_archive_in_the_store_provides_patches_offline(snapshot: Service, tmp_path: Path) -> None:
    store = tmp_path / "store"
    fetch(PINS, store, use_snapshot(snapshot))
    (store / "sources" / sha(ONE)).unlink()

    paths = fetch_sources(PINS.files, store=store, locations=NOWHERE, offline=True)

    assert paths[sha(ONE)].read_bytes() == ONE


@pytest.mark.skipif(shutil.which("apt-get") is None, reason="this machine has no apt-get")
def test_every_kind_of_location_may_be_missing(tmp_path: Path) -> None:
    repository = Repository(tmp_path / "pool")
    repository.add("foo", "1.0-1", {"foo_1.0.orig.tar.gz": SOURCE, "foo_1.0-1.debian.tar.xz": PACKAGING})
    repository.add("foo", "1.0-2", {"foo_1.0.orig.tar.gz": SOURCE, "foo_1.0-1.diff.gz": DIFF})
    files = write_files(tmp_path / "kept", CONTENTS)
    bundle, mirror = tmp_path / "bundle", tmp_path / "mirror"
    for folder, contents in {bundle / "sources": [SOURCE, DIFF, ONE, TWO], mirror: CONTENTS}.items():
        folder.mkdir(parents=True)
        for content in contents:
            (folder / sha(content)).write_bytes(content)
    with serve({**files, **{f"/upstream/{path.name}": path for path in files.values()}}) as service:
        pins = replace(PINS, upstream=service.base)
        only = {
            str(bundle): (PINS, replace(NOWHERE, mirrors=(str(bundle),))),
            str(mirror): (PINS, replace(NOWHERE, mirrors=(str(mirror),))),
            "package client": (PINS, replace(NOWHERE, archives=(repository.archive,))),
            f"{service.base}/upstream/": (pins, NOWHERE),
            f"{service.base}/file/": (PINS, use_snapshot(service)),
        }
        for number, (name, (files_of_one, locations)) in enumerate(only.items()):
            sources = fetch(files_of_one, tmp_path / f"store-{number}", locations)

            assert sources["foo_1.0.orig.tar.gz"].startswith(name)
            assert sources["one.patch"].startswith((name, "foo_1.0-1.debian.tar.xz"))
        every = replace(use_snapshot(service), mirrors=(str(bundle), str(mirror)), archives=(repository.archive,))
        without = {
            "mirrors": (pins, replace(every, mirrors=())),
            "package client": (pins, replace(every, archives=())),
            "upstream": (PINS, every),
            "snapshot service": (pins, replace(every, snapshot="")),
        }
        for name, (other_files, locations) in without.items():
            fetch(other_files, tmp_path / f"store without {name}", locations)


@pytest.mark.parametrize("fault", [Fault.BUSY, Fault.SLOW, Fault.SHORT, Fault.REDIRECT])
def test_a_snapshot_service_with_faults_provides_the_files(fault: Fault, tmp_path: Path) -> None:
    files = write_files(tmp_path / "kept", CONTENTS)
    by_date = {path.replace("/file/", "/archive/debian/20260101T000000Z/"): file for path, file in files.items()}
    with serve({**files, **by_date}, dict.fromkeys(files, fault)) as service:
        policy = replace(QUICK, attempts=2, first_delay=0.01)

        fetch(PINS, tmp_path / "store", replace(use_snapshot(service), retry_policy=policy))


def test_every_location_of_an_archive_is_named_once_for_its_patches(snapshot: Service, tmp_path: Path) -> None:
    snapshot.files.clear()
    locations = replace(use_snapshot(snapshot), mirrors=("/nowhere",))

    message = fail(PINS, tmp_path / "store", locations)

    names = "".join(
        f"  |   /nowhere/{layout}: no such file\n"
        for layout in (
            f"{sha(PACKAGING)}",
            f"sources/{sha(PACKAGING)}",
            f"{sha(PACKAGING)}/foo_1.0-1.debian.tar.xz",
            "foo_1.0-1.debian.tar.xz",
        )
    )
    assert message == (
        "error: 2 sources are not available from any location\n"
        "  | foo 1.0: one.patch\n"
        f"  |   pinned: sha256 {sha(ONE)}\n"
        "  |   store: missing\n"
        f"  |   /nowhere/{sha(ONE)}: no such file\n"
        f"  |   /nowhere/sources/{sha(ONE)}: no such file\n"
        f"  |   /nowhere/{sha(ONE)}/one.patch: no such file\n"
        "  |   /nowhere/one.patch: no such file\n"
        "  | foo 1.0: two.patch\n"
        f"  |   pinned: sha256 {sha(TWO)}\n"
        "  |   store: missing\n"
        f"  |   /nowhere/{sha(TWO)}: no such file\n"
        f"  |   /nowhere/sources/{sha(TWO)}: no such file\n"
        f"  |   /nowhere/{sha(TWO)}/two.patch: no such file\n"
        "  |   /nowhere/two.patch: no such file\n"
        "  | foo 1.0: foo_1.0-1.debian.tar.xz, the archive of these patches\n"
        f"  |   pinned: sha256 {sha(PACKAGING)}\n"
        f"{names}"
        f"  |   {snapshot.base}/file/{sha1(PACKAGING)}: 404 Not Found\n"
        "  |   package client: none on this machine\n"
        "  hint: set EVERYWHEEL_MIRRORS to a mirror; "
        "`everywheel sources import BUNDLE` imports sources from another machine"
    )


def test_a_snapshot_service_with_wrong_bytes_is_distinguished_from_a_wrong_sha1(tmp_path: Path) -> None:
    files = write_files(tmp_path / "kept", [PACKAGING, b"another file"])
    wrong = bytes([PACKAGING[0] ^ 1]) + PACKAGING[1:]
    (patch, _) = PINS.members
    assert patch.archive is not None
    pins = [patch, replace(patch, archive=replace(patch.archive, size=0, sha1=sha1(b"another file")))]
    messages = []
    with serve(files, {f"/file/{sha1(PACKAGING)}": Fault.WRONG}) as service:
        for number, pin in enumerate(pins):
            with pytest.raises(SourceError) as caught:
                fetch_sources([pin], store=tmp_path / f"store-{number}", locations=use_snapshot(service))
            messages.append(caught.value.render())
            assert list((tmp_path / f"store-{number}").glob("*/*")) == []

    begin = (
        "error: foo 1.0: one.patch is not available from any location\n"
        f"  pinned: sha256 {sha(ONE)}\n"
        "  store: missing\n"
        f"  archive: foo_1.0-1.debian.tar.xz, sha256 {sha(PACKAGING)}\n"
    )
    assert messages == [
        f"{begin}"
        f"  {service.base}/file/{sha1(PACKAGING)}: hash mismatch: sha256 {sha(wrong)}, pinned {sha(PACKAGING)}; "
        f"its sha1 is {sha1(wrong)}, which is not that of the address\n"
        "  package client: none on this machine\n"
        "  hint: set EVERYWHEEL_SNAPSHOT to another snapshot service; "
        "`everywheel sources import BUNDLE` imports sources from another machine",
        f"{begin}"
        f"  {service.base}/file/{sha1(b'another file')}: hash mismatch: sha256 {sha(b'another file')}, "
        f"pinned {sha(PACKAGING)}; its sha1 is {sha1(b'another file')}, as pinned: that of another file\n"
        "  package client: none on this machine\n"
        "  hint: correct `sha1` in the recipe: `sha1sum` prints it for the file whose `sha256` is pinned",
    ]


def make_bomb() -> bytes:
    """A packaging of a few KB that would unpack to 160 MiB."""
    header = tarfile.TarInfo("debian/patches/large.patch")
    header.size = 160 << 20
    compressor = lzma.LZMACompressor(preset=0)
    parts = [compressor.compress(header.tobuf())]
    parts += [compressor.compress(bytes(1 << 20)) for _ in range(160)]
    return b"".join([*parts, compressor.flush()])


def link(target: str) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:xz") as tar:
        member = tarfile.TarInfo("debian/patches/one.patch")
        member.type, member.linkname = tarfile.SYMTYPE, target
        tar.addfile(member)
    return packed.getvalue()


TRAVERSAL = pack({"../debian/patches/one.patch": ONE, "/debian/patches/one.patch": ONE, "debian/../../one.patch": ONE})
ONLY_ONE = {"debian/patches/one.patch": ONE}
BOTH = {**ONLY_ONE, "debian/patches/two.patch": TWO}
NAME = "foo_1.0-1.debian.tar.xz"


@pytest.mark.parametrize(
    ("packaging", "patches", "reason"),
    [
        pytest.param(
            PACKAGING,
            dict(reversed(BOTH.items())),
            "its debian/patches/series applies debian/patches/one.patch before debian/patches/two.patch, "
            "and the recipe lists them in the other order",
            id="patches out of order",
        ),
        pytest.param(
            PACKAGING, {"debian/patches/three.patch": ONE}, f"debian/patches/three.patch is not in {NAME}", id="missing"
        ),
        pytest.param(
            pack({"debian/patches/one.patch": OTHER}),
            ONLY_ONE,
            f"debian/patches/one.patch in {NAME} has sha256 {sha(OTHER)}",
            id="other content",
        ),
        pytest.param(
            pack(BOTH, "w:gz"), ONLY_ONE, f"is not what its name states: {NAME} is compressed with gzip", id="gzip"
        ),
        pytest.param(
            b"<html>Not found</html>", ONLY_ONE, f"is not what its name states: {NAME} begins with '<html>'", id="HTML"
        ),
        pytest.param(TRAVERSAL, ONLY_ONE, f"debian/patches/one.patch is not in {NAME}", id="paths out of the archive"),
        pytest.param(link("/etc/passwd"), ONLY_ONE, f"debian/patches/one.patch is not in {NAME}", id="link"),
        pytest.param(make_bomb(), ONLY_ONE, f"{NAME} cannot be read: unpacks to more than 134217728 bytes", id="bomb"),
        pytest.param(
            PACKAGING[:-40],
            ONLY_ONE,
            f"{NAME} cannot be read: compressed file ended before the end-of-stream marker was reached",
            id="truncated",
        ),
    ],
)
def test_an_archive_that_does_not_contain_the_patches_is_an_error_of_the_recipe(
    packaging: bytes, patches: Mapping[str, bytes], reason: str, tmp_path: Path
) -> None:
    with serve(write_files(tmp_path / "kept", [packaging])) as service:
        message = fail(Pins(packaging=packaging, patches=patches), tmp_path / "store", use_snapshot(service))

    assert message.count(f"{NAME}: {reason}\n") == len(patches)
    assert message.endswith("\n  hint: correct the pins in the recipe; `everywheel recipes update` rewrites them")
    assert "package client" not in message


def test_a_host_that_does_not_answer_is_not_tried_for_every_file(tmp_path: Path) -> None:
    host = "127.0.0.1:9"  # a port that no other test can get meanwhile
    files = [
        PinnedFile(label="foo 1.0", filename=f"{number}", sha256=sha(b"%d" % number), urls=(f"http://{host}/{number}",))
        for number in range(6)
    ]

    with pytest.raises(SourceError) as caught:
        fetch_sources(files, store=tmp_path / "store", locations=NOWHERE, jobs=1)

    answers = [line.partition(": ")[2] for line in caught.value.excerpt if host in line]
    # The files are not fetched in the order of the message.
    assert (
        sorted(answers)
        == ["connection refused"] * 4 + [f"not tried, since {host} did not answer: connection refused"] * 2
    )


def test_the_layout_in_which_a_mirror_has_files_is_tried_first(tmp_path: Path) -> None:
    contents = [b"%d" % number for number in range(5)]
    files = {}
    for content in contents:
        (tmp_path / content.decode()).write_bytes(content)
        files[f"/sources/{sha(content)}"] = tmp_path / content.decode()
    pins = [PinnedFile(label="foo", filename="file", sha256=sha(content)) for content in contents]
    with serve(files) as service:
        locations = replace(NOWHERE, mirrors=(service.base,))

        fetch_sources(pins, store=tmp_path / "store", locations=locations, jobs=1)

    assert len(service.answers) == len(contents) + 1


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, (("https://mirror.example/x", "/project/mirror"), "https://snapshot.example")),
        (
            {"EVERYWHEEL_SNAPSHOT": "none", "EVERYWHEEL_MIRRORS": "/own"},
            (("/own", "https://mirror.example/x", "/project/mirror"), ""),
        ),
        (
            {"EVERYWHEEL_SNAPSHOT": "http://localhost:80/"},
            (("https://mirror.example/x", "/project/mirror"), "http://localhost:80"),
        ),
    ],
)
def test_the_environment_comes_before_the_settings_of_the_project(
    environ: dict[str, str], expected: tuple[tuple[str, ...], str]
) -> None:
    table = Table(
        {"mirrors": ["https://mirror.example/x", "mirror"], "snapshot": "https://snapshot.example"},
        Path("/project/pyproject.toml"),
    )

    locations = find_locations(load_source_settings(table, Path("/project")), environ)

    assert (locations.mirrors, locations.snapshot) == expected


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"mirrors": ["ftp://mirror.example"]},
            "error: pyproject.toml: 'mirrors' must be a URL or a directory, without white space\n"
            "  value: 'ftp://mirror.example'\n"
            '  hint: such as `mirrors = ["https://mirror.example/sources"]`',
        ),
        (
            {"snapshot": "off"},
            "error: pyproject.toml: 'snapshot' must be an http or https URL, or `none`\n"
            "  value: 'off'\n"
            '  hint: such as `snapshot = "https://snapshot.example"`',
        ),
    ],
    ids=["mirror", "snapshot"],
)
def test_a_location_in_the_settings_that_is_none_is_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        load_source_settings(Table(settings, Path("pyproject.toml")), Path())

    assert caught.value.render() == message
