"""Fetching: the order of the locations, hash checks, parallel downloads, and the exact message of every failure."""

from __future__ import annotations

import errno
import hashlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from everywheel.config.recipe import Recipe
from everywheel.config.recipe_loader import load_recipe
from everywheel.config.source import DebianFile, Patch, Source
from everywheel.errors import MachineError, SourceError
from everywheel.execution.retry import RetryPolicy
from everywheel.sources.fetch import fetch_sources
from everywheel.sources.fetch_errors import Outcome, report_unavailable
from everywheel.sources.locations import SourceLocations, find_locations
from everywheel.sources.progress import FetchEvent, FetchEventKind
from everywheel.sources.request import PinnedFile, WrongPin, list_source_files

A, B = b"first archive", b"second archive"
NONE = "0" * 64
NO_MIRRORS = SourceLocations(archives=(), retry_policy=RetryPolicy(connect_timeout=1.0, read_timeout=1.0, attempts=1))


def sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def pin(content: bytes, filename: str = "foo-1.0.tar.gz", *urls: str, label: str = "foo 1.0") -> PinnedFile:
    return PinnedFile(label=label, filename=filename, sha256=sha(content), urls=urls)


def locate(*mirrors: object) -> SourceLocations:
    return SourceLocations(mirrors=tuple(map(str, mirrors)), archives=(), retry_policy=NO_MIRRORS.retry_policy)


class Log:
    def __init__(self) -> None:
        self.events: list[FetchEvent] = []

    def __call__(self, event: FetchEvent, /) -> None:
        self.events.append(event)

    @property
    def kinds(self) -> list[FetchEventKind]:
        return [event.kind for event in self.events]


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, Path]]:
    """A web server for a directory."""
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    directory = tmp_path / "site"
    directory.mkdir()

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *arguments: object) -> None:
            pass

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(directory)))
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{httpd.server_port}", directory
    httpd.shutdown()
    thread.join()
    httpd.server_close()


@pytest.mark.parametrize("name", [sha(A), f"sources/{sha(A)}", f"{sha(A)}/foo-1.0.tar.gz", "foo-1.0.tar.gz"])
@pytest.mark.parametrize("kind", ["directory", "file URL", "http"])
def test_a_mirror_serves_each_of_its_layouts(name: str, kind: str, site: tuple[str, Path], tmp_path: Path) -> None:
    url, directory = site
    (directory / name).parent.mkdir(exist_ok=True)
    (directory / name).write_bytes(A)
    mirror = {"directory": str(directory), "file URL": directory.as_uri(), "http": f"{url}/"}[kind]

    paths = fetch_sources([pin(A)], store=tmp_path / "store", locations=locate(mirror))

    assert paths == {sha(A): tmp_path / "store" / "sources" / sha(A)}
    assert paths[sha(A)].read_bytes() == A
    assert list((tmp_path / "store" / "tmp").iterdir()) == []


def test_the_store_comes_first(tmp_path: Path) -> None:
    log = Log()
    (tmp_path / "mirror").mkdir()
    (tmp_path / "mirror" / sha(A)).write_bytes(A)
    fetch_sources([pin(A)], store=tmp_path, locations=locate(tmp_path / "mirror"))

    fetch_sources([pin(A)], store=tmp_path, locations=locate("/nowhere"), progress=log)

    assert log.kinds == [FetchEventKind.CACHED]


def test_a_mirror_comes_before_upstream(site: tuple[str, Path], tmp_path: Path) -> None:
    url, directory = site
    (directory / "foo-1.0.tar.gz").write_bytes(A)
    (tmp_path / "mirror").mkdir()
    (tmp_path / "mirror" / sha(A)).write_bytes(A)
    log = Log()

    file = pin(A, "foo-1.0.tar.gz", f"{url}/foo-1.0.tar.gz")
    fetch_sources([file], store=tmp_path, locations=locate(tmp_path / "mirror"), progress=log)

    assert log.events[-1].kind == FetchEventKind.DONE
    assert log.events[-1].location == str(tmp_path / "mirror" / sha(A))


def test_upstream_is_used_when_the_mirror_does_not_have_the_file(site: tuple[str, Path], tmp_path: Path) -> None:
    url, directory = site
    (directory / "foo+1.0~rc.tar.gz").write_bytes(A)
    log = Log()

    file = pin(A, "foo-1.0.tar.gz", f"{url}/foo+1.0~rc.tar.gz")
    fetch_sources([file], store=tmp_path, locations=locate(tmp_path / "empty"), progress=log)

    assert log.events[-1].location == f"{url}/foo+1.0~rc.tar.gz"
    assert FetchEventKind.BYTES in log.kinds


def test_a_damaged_copy_in_the_store_is_fetched_again(tmp_path: Path) -> None:
    (tmp_path / "sources").mkdir()
    (tmp_path / "sources" / sha(A)).write_bytes(b"damaged")
    (tmp_path / "mirror").mkdir()
    (tmp_path / "mirror" / sha(A)).write_bytes(A)

    paths = fetch_sources([pin(A)], store=tmp_path, locations=locate(tmp_path / "mirror"))

    assert paths[sha(A)].read_bytes() == A


def test_a_hash_mismatch_is_discarded_and_the_next_location_is_tried(site: tuple[str, Path], tmp_path: Path) -> None:
    url, directory = site
    (directory / "wrong").write_bytes(B)
    (directory / "right").write_bytes(A)
    log = Log()

    file = pin(A, "foo-1.0.tar.gz", f"{url}/wrong", f"{url}/right")
    paths = fetch_sources([file], store=tmp_path / "store", locations=NO_MIRRORS, progress=log)

    refusal = next(event for event in log.events if event.kind == FetchEventKind.MISMATCH)
    assert paths[sha(A)].read_bytes() == A
    assert (refusal.location, refusal.reason) == (f"{url}/wrong", f"hash mismatch: sha256 {sha(B)}, pinned {sha(A)}")
    assert [path.name for path in (tmp_path / "store" / "sources").iterdir()] == [sha(A)]


def test_a_hash_mismatch_everywhere_names_both_hashes_and_the_location(site: tuple[str, Path], tmp_path: Path) -> None:
    url, directory = site
    (directory / "wrong").write_bytes(B)

    with pytest.raises(SourceError) as caught:
        fetch_sources([pin(A, "foo-1.0.tar.gz", f"{url}/wrong")], store=tmp_path / "store", locations=NO_MIRRORS)

    assert caught.value.render() == (
        "error: foo 1.0: foo-1.0.tar.gz is not available from any location\n"
        f"  pinned: sha256 {sha(A)}\n"
        "  store: missing\n"
        f"  {url}/wrong: hash mismatch: sha256 {sha(B)}, pinned {sha(A)}\n"
        "  hint: compare the pin in the recipe with what upstream publishes; if the file is right, write "
        f'`sha256 = "{sha(B)}"`'
    )
    assert caught.value.exit_code == 4
    assert not (tmp_path / "store" / "sources").exists()
    assert list((tmp_path / "store" / "tmp").iterdir()) == []


@pytest.mark.parametrize(
    ("pages", "package", "advice"),
    [
        (
            (B,),
            "foo",
            "compare the pin in the recipe with what upstream publishes; `everywheel recipes update` rewrites pins",
        ),
        (
            (B, b"C"),
            "",
            "compare the pin in the recipe with what upstream publishes; for a file that is right, write its sha256",
        ),
    ],
    ids=["with a source package", "of two files"],
)
def test_the_hint_of_a_hash_mismatch_is_what_the_recipe_can_do(
    pages: Sequence[bytes], package: str, advice: str, site: tuple[str, Path], tmp_path: Path
) -> None:
    url, directory = site
    for number, content in enumerate(pages):
        (directory / f"wrong{number}").write_bytes(content)
    debian = DebianFile(package=package, file="foo.tar.gz") if package else None
    file = pin(A, "foo-1.0.tar.gz", *(f"{url}/wrong{number}" for number in range(len(pages))))

    with pytest.raises(SourceError) as caught:
        fetch_sources([replace(file, debian=debian)], store=tmp_path / "store", locations=NO_MIRRORS)

    assert caught.value.hint == advice


@pytest.mark.parametrize(
    ("debian", "advice"),
    [
        (DebianFile(package="foo", file="foo.debian.tar.xz"), "; `everywheel recipes update` rewrites them"),
        (None, ""),
    ],
)
def test_the_hint_for_a_wrong_pin_names_the_update_of_a_source_package_only(
    debian: DebianFile | None, advice: str
) -> None:
    archive = PinnedFile(label="foo 1.0", filename="foo.debian.tar.xz", sha256=NONE, debian=debian)
    patch = PinnedFile(
        label="foo 1.0", filename="a.patch", sha256=NONE, patches=NONE, archive=archive, member="a.patch"
    )

    error = report_unavailable([Outcome(file=patch, reasons={"store": WrongPin("a.patch is not in it")})])

    assert error.hint == f"correct the pins in the recipe{advice}"


def test_a_file_of_upstream_that_is_larger_than_pinned_is_an_error_of_the_pin(
    site: tuple[str, Path], tmp_path: Path
) -> None:
    url, directory = site
    (directory / "large").write_bytes(A)
    file = replace(pin(A, "foo-1.0.tar.gz", f"{url}/large"), size=1)

    with pytest.raises(SourceError) as caught:
        fetch_sources([file], store=tmp_path / "store", locations=NO_MIRRORS)

    assert caught.value.render().endswith(
        f"\n  {url}/large: has {len(A)} bytes, but the pinned file has 1\n"
        "  hint: compare the pin in the recipe with what upstream publishes: `size` is too small, or that of another file"
    )


def test_an_unavailable_source_lists_each_location_with_its_reason(site: tuple[str, Path], tmp_path: Path) -> None:
    url, _ = site
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    file = PinnedFile(
        label="foo 1.0",
        filename="foo.tar.gz",
        sha256=NONE,
        urls=(f"{url}/foo.tar.gz", f"http://127.0.0.1:{port}/foo.tar.gz"),
        debian=DebianFile(package="foo", file="foo.tar.gz"),
    )

    with pytest.raises(SourceError) as caught:
        fetch_sources([file], store=tmp_path / "store", locations=locate("/nowhere", f"{url}/mirror"))

    assert caught.value.render() == (
        "error: foo 1.0: foo.tar.gz is not available from any location\n"
        f"  pinned: sha256 {NONE}\n"
        "  store: missing\n"
        f"  /nowhere/{NONE}: no such file\n"
        f"  /nowhere/sources/{NONE}: no such file\n"
        f"  /nowhere/{NONE}/foo.tar.gz: no such file\n"
        "  /nowhere/foo.tar.gz: no such file\n"
        f"  {url}/mirror/{NONE}: 404 File not found\n"
        f"  {url}/mirror/sources/{NONE}: 404 File not found\n"
        f"  {url}/mirror/{NONE}/foo.tar.gz: 404 File not found\n"
        f"  {url}/mirror/foo.tar.gz: 404 File not found\n"
        f"  {url}/foo.tar.gz: 404 File not found\n"
        f"  http://127.0.0.1:{port}/foo.tar.gz: connection refused\n"
        "  package client: none on this machine\n"
        "  hint: set EVERYWHEEL_MIRRORS to a mirror; "
        "`everywheel sources import BUNDLE` imports sources from another machine"
    )


def test_all_unavailable_files_are_in_one_error_and_fetched_files_are_kept(
    site: tuple[str, Path], tmp_path: Path
) -> None:
    url, directory = site
    (directory / "a").write_bytes(A)
    files = [
        PinnedFile(label="bar 2.0", filename="bar.tar.gz", sha256="1" * 64, urls=(f"{url}/bar",)),
        pin(A, "foo-1.0.tar.gz", f"{url}/a"),
        PinnedFile(label="foo 1.0", filename="fix.patch", sha256="2" * 64, urls=(f"{url}/fix",), patches=sha(A)),
    ]
    log = Log()

    with pytest.raises(SourceError) as caught:
        fetch_sources(files, store=tmp_path / "store", locations=NO_MIRRORS, progress=log)

    assert caught.value.render() == (
        "error: 2 sources are not available from any location\n"
        "  | bar 2.0: bar.tar.gz\n"
        f"  |   pinned: sha256 {'1' * 64}\n"
        "  |   store: missing\n"
        f"  |   {url}/bar: 404 File not found\n"
        "  | foo 1.0: fix.patch\n"
        f"  |   pinned: sha256 {'2' * 64}\n"
        "  |   store: missing\n"
        f"  |   {url}/fix: 404 File not found\n"
        "  hint: set EVERYWHEEL_MIRRORS to a mirror; "
        "`everywheel sources import BUNDLE` imports sources from another machine"
    )
    assert [path.name for path in (tmp_path / "store" / "sources").iterdir()] == [sha(A)]
    assert log.kinds.count(FetchEventKind.FAILED) == 2


def test_offline_one_missing_source_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError) as caught:
        fetch_sources([pin(A)], store=tmp_path, locations=locate(tmp_path), offline=True)

    assert caught.value.render() == (
        "error: foo 1.0: foo-1.0.tar.gz is not in the store, and --offline forbids fetching it\n"
        f"  pinned: sha256 {sha(A)}\n"
        "  hint: run once without --offline; `everywheel sources import BUNDLE` imports sources from another machine"
    )


def test_offline_every_missing_source_is_listed(tmp_path: Path) -> None:
    (tmp_path / "sources").mkdir()
    (tmp_path / "sources" / sha(A)).write_bytes(A)

    with pytest.raises(SourceError) as caught:
        fetch_sources(
            [pin(B, "b.tar.gz"), pin(A), pin(b"c", "c.patch", label="bar 2.0")],
            store=tmp_path,
            locations=NO_MIRRORS,
            offline=True,
        )

    assert caught.value.render() == (
        "error: 2 sources are not in the store, and --offline forbids fetching them\n"
        f"  | foo 1.0: b.tar.gz  sha256 {sha(B)}\n"
        f"  | bar 2.0: c.patch  sha256 {sha(b'c')}\n"
        "  hint: run once without --offline; `everywheel sources import BUNDLE` imports sources from another machine"
    )


def test_offline_works_after_one_online_run(tmp_path: Path) -> None:
    (tmp_path / "mirror").mkdir()
    (tmp_path / "mirror" / sha(A)).write_bytes(A)
    online = fetch_sources([pin(A)], store=tmp_path / "store", locations=locate(tmp_path / "mirror"))

    offline = fetch_sources([pin(A)], store=tmp_path / "store", locations=NO_MIRRORS, offline=True)

    assert offline == online


def test_many_files_are_fetched_each_once(tmp_path: Path) -> None:
    (tmp_path / "mirror").mkdir()
    contents = [f"file {number}".encode() for number in range(30)]
    for content in contents:
        (tmp_path / "mirror" / sha(content)).write_bytes(content)
    log = Log()

    files = [pin(content) for content in contents]
    paths = fetch_sources([*files, *files], store=tmp_path, locations=locate(tmp_path / "mirror"), jobs=8, progress=log)

    assert list(paths) == [sha(content) for content in contents]
    assert all(sha(path.read_bytes()) == sha256 for sha256, path in paths.items())
    assert log.kinds.count(FetchEventKind.DONE) == 30


@pytest.fixture
def silent_server() -> Iterator[str]:
    """The URL of a server that accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/foo.tar.gz"


def test_the_total_timeout_ends_every_download_at_once(silent_server: str, tmp_path: Path) -> None:
    (tmp_path / "mirror").mkdir()
    (tmp_path / "mirror" / sha(A)).write_bytes(A)
    locations = SourceLocations(mirrors=(str(tmp_path / "mirror"),), archives=())
    begin = time.monotonic()

    files = [pin(A), pin(B, "foo.tar.gz", silent_server)]
    with pytest.raises(SourceError) as caught:
        fetch_sources(files, store=tmp_path / "store", locations=locations, timeout=0.2)

    assert time.monotonic() - begin < 3.0
    assert caught.value.render() == (
        "error: fetching the sources took longer than 0.2 s\n"
        f"  | foo 1.0: foo.tar.gz  sha256 {sha(B)}\n"
        "  hint: run it again: the files that arrived are kept; "
        "`everywheel sources import BUNDLE` imports sources from another machine"
    )
    assert [path.name for path in (tmp_path / "store" / "sources").iterdir()] == [sha(A)]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_an_interrupted_run_leaves_no_incomplete_source(
    number: signal.Signals, silent_server: str, tmp_path: Path
) -> None:
    script = (
        "import sys, pathlib, signal\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # a background job of a shell ignores it
        "from everywheel.sources.fetch import fetch_sources\n"
        "from everywheel.sources.locations import SourceLocations\n"
        "from everywheel.sources.request import PinnedFile\n"
        f"file = PinnedFile(label='foo 1.0', filename='foo', sha256='{sha(A)}', urls=({silent_server!r},))\n"
        "fetch_sources([file], store=pathlib.Path(sys.argv[1]), locations=SourceLocations(archives=()),"
        " progress=lambda event: print(event.kind, flush=True))\n"
    )
    root = str(Path(__file__).parents[2] / "builder")
    environ = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    with subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path / "store")],
        env=environ | {"PYTHONPATH": root},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "started\n"
        begin = time.monotonic()
        process.send_signal(number)
        process.communicate(timeout=10)

    assert time.monotonic() - begin < 5.0
    assert process.returncode == -number
    assert not (tmp_path / "store" / "sources").exists()
    (tmp_path / sha(A)).write_bytes(A)
    assert fetch_sources([pin(A)], store=tmp_path / "store", locations=locate(tmp_path))[sha(A)].read_bytes() == A


def test_a_full_disk_is_named_with_the_next_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mirror").mkdir()
    (tmp_path / "mirror" / sha(A)).write_bytes(A)

    def fail(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(MachineError) as caught:
        fetch_sources([pin(A)], store=tmp_path / "store", locations=locate(tmp_path / "mirror"))

    assert caught.value.render() == (
        "error: no space left on the disk\n"
        f"  writing: {tmp_path / 'store' / 'sources' / sha(A)}\n"
        "  hint: `everywheel store gc` removes unused entries; EVERYWHEEL_STORE moves the store to another disk"
    )
    assert caught.value.exit_code == 7
    assert list((tmp_path / "store" / "sources").iterdir()) == []


def test_a_store_that_cannot_be_written_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: Path, *arguments: object, **options: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(Path, "mkdir", fail)
    monkeypatch.setattr("secrets.token_hex", lambda size: "0" * size)
    with pytest.raises(MachineError) as caught:
        fetch_sources([pin(A)], store=tmp_path, locations=locate("/nowhere"))

    assert caught.value.render() == (
        f"error: cannot write {tmp_path}/tmp/source-{os.getpid()}-000000\n"
        "  reason: read-only file system\n"
        "  hint: check its owner and mode, or set EVERYWHEEL_STORE to a directory of your own"
    )


def test_an_empty_list_of_files_needs_no_download(tmp_path: Path) -> None:
    assert fetch_sources([], store=tmp_path, locations=NO_MIRRORS) == {}


def test_mirrors_come_from_the_environment() -> None:
    assert find_locations(environ={"EVERYWHEEL_MIRRORS": " https://a.example/x\n /srv/b "}).mirrors == (
        "https://a.example/x",
        "/srv/b",
    )
    assert find_locations(environ={}) == SourceLocations()


def test_a_recipes_archive_and_patches_are_listed_with_each_hash_once(tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path)

    files = list_source_files([recipe, recipe])

    assert files == (
        PinnedFile(
            label="foo 1.0",
            filename="foo_1.0.orig.tar.gz",
            sha256=sha(A),
            urls=("https://foo.example/foo-1.0.tar.gz",),
            debian=DebianFile(package="foo", file="foo_1.0.orig.tar.gz"),
        ),
        PinnedFile(
            label="foo 1.0",
            filename="fix.patch",
            sha256=sha(B),
            patches=sha(A),
            archive=PinnedFile(
                label="foo 1.0",
                filename="foo_1.0-1.debian.tar.xz",
                sha256=NONE,
                sha1="1" * 40,
                debian=DebianFile(package="foo", file="foo_1.0-1.debian.tar.xz"),
            ),
            member="debian/patches/fix.patch",
        ),
    )
    assert [file.is_patch for file in files] == [False, True]
    assert isinstance(recipe.source, Source)
    assert isinstance(recipe.source.patches[0], Patch)


def write_recipe(directory: Path) -> Recipe:
    (directory / "foo").mkdir()
    (directory / "foo" / "recipe.toml").write_text(
        f"""\
name = "foo"
version = "1.0"
license = {{ spdx = "MIT", files = ["COPYING"] }}

[source]
urls = ["https://foo.example/foo-{{version}}.tar.gz"]
debian = {{ package = "foo", file = "foo_{{version}}.orig.tar.gz" }}
sha256 = "{sha(A)}"

[[source.patch-archives]]
debian = {{ package = "foo", file = "foo_{{version}}-1.debian.tar.xz" }}
sha1 = "{"1" * 40}"
sha256 = "{NONE}"
patches = [{{ file = "debian/patches/fix.patch", sha256 = "{sha(B)}", fixes = ["CVE-2026-1"] }}]

[build]
system = "cmake"

[products]
libraries = ["foo"]
"""
    )
    return load_recipe(directory / "foo" / "recipe.toml")
