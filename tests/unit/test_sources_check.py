"""`sources check` against real servers: the answer of each location, independent ones, time limits, and the exit code."""

from __future__ import annotations

import hashlib
import io
import json
import socket
import tarfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from everywheel.cli.main import main
from everywheel.config.source import DebianFile
from everywheel.execution.retry import RetryPolicy
from everywheel.sources.check import CheckOptions, check_sources
from everywheel.sources.check_result import Answer, CheckedFile, CheckedUnit, list_units, name_operator
from everywheel.sources.distro.debian_source import PackageClient
from everywheel.sources.locations import LocationKind, SourceLocations
from everywheel.sources.request import PinnedFile, Unavailable
from example_recipe import RECIPE
from snapshot_server import Fault, Service, serve

A, B = b"first archive" * 100, b"second archive" * 100
QUICK = RetryPolicy(connect_timeout=2.0, read_timeout=2.0, attempts=2, first_delay=0.01)


def sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def sha1(content: bytes) -> str:
    return hashlib.sha1(content, usedforsecurity=False).hexdigest()


def pin(content: bytes, *urls: str, filename: str = "foo-1.0.tar.gz", is_snapshot: bool = False) -> PinnedFile:
    return PinnedFile(
        label="foo 1.0",
        filename=filename,
        sha256=sha(content),
        sha1=sha1(content) if is_snapshot else "",
        size=len(content),
        urls=urls,
    )


def locate(*mirrors: object, snapshot: str = "") -> SourceLocations:
    return SourceLocations(mirrors=tuple(map(str, mirrors)), snapshot=snapshot, archives=(), retry_policy=QUICK)


def check(store: Path, *files: PinnedFile, locations: SourceLocations | None = None, **options: object) -> CheckedFile:
    """Return the result for the first unit."""
    checked = CheckOptions(locations=locations or locate(), **options)  # type: ignore[arg-type]
    return check_sources(list_units(files), store, checked)[0]


def answers(file: CheckedFile) -> list[tuple[LocationKind, Answer]]:
    return [(location.kind, location.answer) for location in file.locations]


def reasons(file: CheckedFile, kind: LocationKind) -> list[str]:
    return [location.reason for location in file.locations if location.kind is kind]


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "*")


@pytest.fixture
def store(tmp_path: Path) -> Path:
    (tmp_path / "store" / "sources").mkdir(parents=True)
    return tmp_path / "store"


@pytest.fixture
def content(tmp_path: Path) -> Path:
    (tmp_path / "a").write_bytes(A)
    return tmp_path / "a"


@pytest.fixture
def start() -> Iterator[Callable[..., Service]]:
    """A function that starts a server for files at their paths, with faults; all end with the test."""
    with ExitStack() as stack:
        yield lambda files, faults={}: stack.enter_context(serve(files, faults))


def test_every_location_is_tried_and_independent_ones_are_counted(
    start: Callable[..., Service], store: Path, content: Path, tmp_path: Path
) -> None:
    upstream, other, snapshot = (
        start({"/a": content, "/b": content}),
        start({"/a": content}),
        start({f"/file/{sha1(A)}": content}),
    )
    (tmp_path / "mirror").mkdir()
    (tmp_path / "mirror" / sha(A)).write_bytes(A)
    file = pin(A, f"{upstream.base}/a", f"{upstream.base}/b", f"{other.base}/a", is_snapshot=True)

    result = check(store, file, locations=locate(tmp_path / "mirror", snapshot=snapshot.base))

    assert answers(result) == [
        (LocationKind.STORE, Answer.MISSING),
        (LocationKind.MIRROR, Answer.RIGHT),
        (LocationKind.UPSTREAM, Answer.RIGHT),
        (LocationKind.UPSTREAM, Answer.RIGHT),
        (LocationKind.UPSTREAM, Answer.RIGHT),
        (LocationKind.SNAPSHOT, Answer.RIGHT),
    ]
    # Neither the mirror nor the second URL of one host is independent.
    assert len(result.operators) == 3
    assert [len(service.answers) for service in (upstream, other, snapshot)] == [2, 1, 1]
    assert {path.name: path.read_bytes() for path in (store / "sources").iterdir()} == {sha(A): A}
    assert list((store / "tmp").iterdir()) == []


@pytest.mark.parametrize(
    ("fault", "answer", "reason"),
    [
        (Fault.NONE, Answer.RIGHT, ""),
        (Fault.SLOW, Answer.RIGHT, ""),
        (Fault.BUSY, Answer.RIGHT, ""),
        (Fault.SHORT, Answer.RIGHT, ""),
        (Fault.MISSING, Answer.MISSING, "404 Not Found"),
        (Fault.LOOP, Answer.MISSING, "more than 10 redirects"),
        (Fault.WRONG, Answer.WRONG, f"hash mismatch: sha256 {sha(bytes([A[0] ^ 1]) + A[1:])}, pinned {sha(A)}"),
        (Fault.LONG, Answer.WRONG, f"has {len(A) + 9} bytes, but the pinned file has {len(A)}"),
    ],
)
def test_each_answer_of_a_server_has_its_result(
    fault: Fault, answer: Answer, reason: str, start: Callable[..., Service], store: Path, content: Path
) -> None:
    service = start({"/a": content}, {"/a": fault})

    result = check(store, pin(A, f"{service.base}/a"), kinds=[LocationKind.UPSTREAM])

    assert answers(result) == [(LocationKind.UPSTREAM, answer)]
    assert reasons(result, LocationKind.UPSTREAM) == [reason]
    assert result.is_available is (answer is Answer.RIGHT)
    assert [path.name for path in (store / "sources").iterdir()] == ([sha(A)] if answer is Answer.RIGHT else [])
    assert list((store / "tmp").iterdir()) == []


class Handler(BaseHTTPRequestHandler):
    """Answers of servers that never work; the name in the path selects one."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if self.path == "/busy":
            self.send_error(503)
        elif self.path == "/short":
            self.send_response(200)
            self.send_header("Content-Length", str(len(A)))
            self.end_headers()
            self.wfile.write(A[:100])
            self.close_connection = True
        elif self.path == "/cut":  # without a length, the end of the connection is the end of the file
            self.close_connection = True
            self.wfile.write(b"HTTP/1.0 200 OK\r\n\r\n" + A[:100])
        elif self.path == "/silent":
            time.sleep(3)
        else:
            self.wfile.write(b"SSH-2.0-OpenSSH_9.2\r\n")
            self.close_connection = True

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def broken() -> Iterator[str]:
    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    httpd.daemon_threads = True
    httpd.handle_error = lambda *arguments: None  # type: ignore[method-assign]
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{httpd.server_port}"
    httpd.shutdown()
    thread.join()
    httpd.server_close()


@pytest.mark.parametrize(
    ("path", "answer", "reason"),
    [
        ("busy", Answer.UNREACHABLE, "503 Service Unavailable (2 attempts)"),
        ("short", Answer.UNREACHABLE, "the connection was interrupted (2 attempts)"),
        ("cut", Answer.WRONG, f"hash mismatch: sha256 {sha(A[:100])}, pinned {sha(A)}"),
        ("silent", Answer.UNREACHABLE, "no bytes for 0.2 s (2 attempts)"),
        ("no-http", Answer.UNREACHABLE, "the connection was interrupted (2 attempts)"),
    ],
)
def test_a_server_that_never_works_is_unreachable(
    path: str, answer: Answer, reason: str, broken: str, store: Path
) -> None:
    policy = RetryPolicy(connect_timeout=2.0, read_timeout=0.2, attempts=2, first_delay=0.01)
    locations = SourceLocations(snapshot="", archives=(), retry_policy=policy)

    result = check(store, pin(A, f"{broken}/{path}"), locations=locations)

    assert answers(result)[1:] == [(LocationKind.UPSTREAM, answer)]
    assert reasons(result, LocationKind.UPSTREAM) == [reason]
    assert not result.is_available
    assert list((store / "sources").iterdir()) == []


def test_a_host_that_does_not_answer_is_not_tried_for_every_file(store: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        base = f"http://127.0.0.1:{free.getsockname()[1]}"
    contents = [bytes([number]) for number in range(20)]

    results = check_sources(
        list_units(pin(content, f"{base}/{number}") for number, content in enumerate(contents)),
        store,
        CheckOptions(locations=locate(), kinds=[LocationKind.UPSTREAM]),
    )

    texts = [reasons(result, LocationKind.UPSTREAM)[0] for result in results]
    assert {answer for result in results for answer in answers(result)} == {(LocationKind.UPSTREAM, Answer.UNREACHABLE)}
    # Two tasks at a time, and four failures are enough: the second lane may have begun a fifth one.
    assert 4 <= texts.count("connection refused (2 attempts)") <= 5
    assert texts[-1] == f"not tried, since {base[7:]} did not answer: connection refused (2 attempts)"


def test_the_time_limit_ends_a_check(broken: str, store: Path) -> None:
    locations = SourceLocations(snapshot="", archives=(), retry_policy=RetryPolicy(attempts=1, read_timeout=60.0))
    began = time.monotonic()

    results = check_sources(
        list_units(pin(bytes([number]), f"{broken}/silent") for number in range(5)),
        store,
        CheckOptions(locations=locations, kinds=[LocationKind.UPSTREAM], timeout=0.5),
    )

    assert time.monotonic() - began < 2.5
    assert [answers(result) for result in results] == [[(LocationKind.UPSTREAM, Answer.UNREACHABLE)]] * 5
    assert reasons(results[-1], LocationKind.UPSTREAM) == ["not tried: no time was left"]


def test_an_interruption_ends_a_check_and_leaves_nothing_partial(broken: str, content: Path, store: Path) -> None:
    def stop(answer: object) -> None:
        raise KeyboardInterrupt

    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        check_sources(
            list_units([pin(A, f"{broken}/silent")]),
            store,
            CheckOptions(locations=locate(), kinds=[LocationKind.STORE, LocationKind.UPSTREAM]),
            on_answer=stop,
        )

    assert time.monotonic() - began < 2.5
    assert list((store / "sources").iterdir()) == []


def test_at_most_two_files_are_fetched_from_one_host_at_the_same_time(store: Path) -> None:
    running, most, lock = 0, 0, threading.Lock()

    class Counting(Handler):
        def do_GET(self) -> None:
            nonlocal running, most
            with lock:
                running += 1
                most = max(most, running)
            time.sleep(0.05)
            with lock:
                running -= 1
            self.send_error(404)

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Counting)
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    base = f"http://127.0.0.1:{httpd.server_port}"
    units = list_units(pin(bytes([number]), f"{base}/{number}") for number in range(10))

    check_sources(units, store, CheckOptions(locations=locate(), kinds=[LocationKind.UPSTREAM], jobs=16))

    httpd.shutdown()
    thread.join()
    httpd.server_close()
    assert most == 2


def test_a_damaged_copy_in_the_store_is_reported_and_removed(store: Path) -> None:
    (store / "sources" / sha(A)).write_bytes(b"damaged")

    result = check(store, pin(A), kinds=[LocationKind.STORE])

    assert answers(result) == [(LocationKind.STORE, Answer.WRONG)]
    assert reasons(result, LocationKind.STORE) == ["its copy was damaged, and has been removed"]
    assert list((store / "sources").iterdir()) == []


@pytest.mark.parametrize("layout", ["{sha}", "sources/{sha}", "{sha}/foo-1.0.tar.gz", "foo-1.0.tar.gz"])
def test_a_mirror_is_one_location_in_every_layout(layout: str, store: Path, tmp_path: Path) -> None:
    path = tmp_path / "mirror" / layout.format(sha=sha(A))
    path.parent.mkdir(parents=True)
    path.write_bytes(A)

    result = check(
        store, pin(A), locations=locate(tmp_path / "mirror", tmp_path / "empty"), kinds=[LocationKind.MIRROR]
    )

    assert [(location.name, location.answer) for location in result.locations] == [
        (str(tmp_path / "mirror"), Answer.RIGHT),
        (str(tmp_path / "empty"), Answer.MISSING),
    ]
    assert result.is_available
    assert result.operators == frozenset()


def pack(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:xz") as tar:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


PATCHES = {"debian/patches/one.patch": b"first patch\n", "debian/patches/two.patch": b"second patch\n"}
ARCHIVE = pack({"debian/patches/series": b"one.patch\ntwo.patch\n", **PATCHES})


def pin_patches(archive: bytes = ARCHIVE, **changes: str) -> list[PinnedFile]:
    """Return the patches of an archive, in which `changes` are other hashes by file name."""
    pinned = pin(archive, filename="foo_1.0-1.debian.tar.xz")
    return [
        PinnedFile(
            label="foo 1.0",
            filename=name.rpartition("/")[2],
            sha256=changes.get(name.rpartition("/")[2].removesuffix(".patch"), sha(content)),
            patches=sha(A),
            archive=pinned,
            member=name,
        )
        for name, content in PATCHES.items()
    ]


def test_an_archive_is_checked_once_with_its_patches(store: Path, tmp_path: Path) -> None:
    files = [pin(A), *pin_patches()]
    (tmp_path / "mirror").mkdir()
    (tmp_path / "mirror" / sha(ARCHIVE)).write_bytes(ARCHIVE)

    units = list_units(files)
    result = check_sources(
        units, store, CheckOptions(locations=locate(tmp_path / "mirror"), kinds=[LocationKind.MIRROR])
    )[1]

    assert [unit.file.filename for unit in units] == ["foo-1.0.tar.gz", "foo_1.0-1.debian.tar.xz"]
    assert [patch.filename for patch in units[1].patches] == ["one.patch", "two.patch"]
    assert answers(result) == [(LocationKind.MIRROR, Answer.RIGHT)]
    assert result.fault == ""


def test_a_patch_that_is_not_in_its_archive_is_a_fault_of_the_recipe(store: Path, tmp_path: Path) -> None:
    (tmp_path / "mirror").mkdir()
    (tmp_path / "mirror" / sha(ARCHIVE)).write_bytes(ARCHIVE)

    result = check(store, *pin_patches(two=sha(B)), locations=locate(tmp_path / "mirror"), kinds=[LocationKind.MIRROR])

    assert answers(result) == [(LocationKind.MIRROR, Answer.RIGHT)]
    assert result.fault == (
        f"debian/patches/two.patch in foo_1.0-1.debian.tar.xz has sha256 {sha(b'second patch' + bytes([10]))}"
    )
    assert not result.is_available


@pytest.mark.parametrize("kind", [LocationKind.MIRROR, LocationKind.STORE])
@pytest.mark.parametrize("number", [1, 2])
def test_all_patches_are_as_good_as_their_archive(number: int, kind: LocationKind, store: Path, tmp_path: Path) -> None:
    folder = {LocationKind.MIRROR: tmp_path / "mirror", LocationKind.STORE: store / "sources"}[kind]
    folder.mkdir(exist_ok=True)
    for content in list(PATCHES.values())[:number]:
        (folder / sha(content)).write_bytes(content)

    result = check(store, *pin_patches(), locations=locate(tmp_path / "mirror"), kinds=[kind])

    assert answers(result) == [(kind, Answer.RIGHT if number == 2 else Answer.MISSING)]


def test_the_patches_in_another_revision_count_for_the_package_client(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The package client is replaced by one whose lists have a newer revision only; test_sources_debian tests the real one."""
    debian = DebianFile(package="foo", file="foo_1.0-1.debian.tar.xz")
    contents = {sha(content): content for content in PATCHES.values()}

    def fetch(self: PackageClient, file: PinnedFile, path: Path, on_bytes: object) -> None:
        if file.sha256 not in contents:
            raise Unavailable("no file with the pinned hash in foo 1.0-2")
        path.write_bytes(contents[file.sha256])

    monkeypatch.setattr(PackageClient, "exists", True)
    monkeypatch.setattr(PackageClient, "has_lists", False)
    monkeypatch.setattr(PackageClient, "fetch", fetch)
    archive = PinnedFile(label="foo 1.0", filename=debian.file, sha256=sha(ARCHIVE), debian=debian)
    unit = CheckedUnit(
        file=archive,
        patches=tuple(
            PinnedFile(
                label="foo 1.0", filename=name, sha256=sha(content), patches=sha(A), archive=archive, member=name
            )
            for name, content in PATCHES.items()
        ),
    )

    (result,) = check_sources([unit], store, CheckOptions(locations=locate(), kinds=[LocationKind.PACKAGE_CLIENT]))

    assert answers(result) == [(LocationKind.PACKAGE_CLIENT, Answer.RIGHT)]
    assert reasons(result, LocationKind.PACKAGE_CLIENT) == ["without foo_1.0-1.debian.tar.xz, but with all patches"]
    assert result.operators == {"package client"}


@pytest.mark.parametrize("is_own", [True, False])
def test_a_url_of_the_package_clients_own_archive_is_not_independent_of_it(
    start: Callable[..., Service], store: Path, content: Path, is_own: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The archive of another distribution is."""
    service = start({"/debian/pool/main/f/foo/foo_1.0.orig.tar.gz": content})
    host = service.base.removeprefix("http://")
    monkeypatch.setattr(PackageClient, "hosts", frozenset({host if is_own else "archive.example.org"}))
    file = PinnedFile(
        label="foo 1.0",
        filename="foo_1.0.orig.tar.gz",
        sha256=sha(A),
        urls=(f"{service.base}/debian/pool/main/f/foo/foo_1.0.orig.tar.gz",),
        debian=DebianFile(package="foo", file="foo_1.0.orig.tar.gz"),
    )

    result = check(store, file)

    assert answers(result)[1:] == [(LocationKind.PACKAGE_CLIENT, Answer.NONE), (LocationKind.UPSTREAM, Answer.RIGHT)]
    assert result.operators == {"package client" if is_own else host}


@pytest.mark.parametrize(
    ("host", "operator"),
    [
        ("download.gnome.org", "gnome.org"),
        ("GitHub.com", "github.com"),
        ("github.com:443", "github.com"),
        ("www.nasm.us.", "nasm.us"),
        ("localhost:8000", "localhost:8000"),
        ("127.0.0.1:8000", "127.0.0.1:8000"),
        ("[::1]:8000", "[::1]:8000"),
    ],
)
def test_hosts_of_one_domain_have_one_operator(host: str, operator: str) -> None:
    assert name_operator(host) == operator


@pytest.fixture
def project(tmp_path: Path, store: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project whose recipe libfoo pins A."""
    folder = tmp_path / "project" / "recipes" / "libfoo"
    folder.mkdir(parents=True)
    (folder / "recipe.toml").write_text(RECIPE.replace("1" * 64, sha(A)))
    (tmp_path / "project" / "pyproject.toml").write_text('[project]\nname = "demo"\nversion = "1"\n')
    monkeypatch.setenv("EVERYWHEEL_STORE", str(store))
    monkeypatch.setenv("EVERYWHEEL_SNAPSHOT", "none")
    monkeypatch.setenv("EVERYWHEEL_MIRRORS", "")
    return tmp_path / "project"


def set_urls(project: Path, *urls: str) -> None:
    recipe = project / "recipes" / "libfoo" / "recipe.toml"
    recipe.write_text(recipe.read_text().replace("urls = [", f"urls = {json.dumps(urls)} #"))


def run(project: Path, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["--project", str(project), "sources", "check", "libfoo", *arguments])


def test_the_table_has_a_row_for_each_file_and_the_lines_below_name_what_is_not_right(
    start: Callable[..., Service], project: Path, content: Path
) -> None:
    good, other = (
        start({"/foo-1.0.tar.gz": content}),
        start({"/foo-1.0.tar.gz": content}, {"/foo-1.0.tar.gz": Fault.WRONG}),
    )
    set_urls(project, f"{good.base}/foo-1.0.tar.gz", f"{other.base}/foo-1.0.tar.gz", f"{good.base}/none")

    result = run(project)

    wrong = sha(bytes([A[0] ^ 1]) + A[1:])
    lines = [line.rstrip() for line in result.output.splitlines() if not line.startswith("[")]
    assert lines == [
        "recipe      file            store    upstream                     independent",
        "libfoo 1.0  foo-1.0.tar.gz  missing  1 right, 1 wrong, 1 missing  1",
        f"libfoo 1.0: foo-1.0.tar.gz: {other.base}/foo-1.0.tar.gz: hash mismatch: sha256 {wrong}, pinned {sha(A)}",
        f"libfoo 1.0: foo-1.0.tar.gz: {good.base}/none: 404 Not Found",
        "1 file: 0 with two or more independent locations, 1 with one, 0 with none; 1 location with wrong bytes",
    ]
    assert result.exit_code == 0


def test_a_file_that_no_origin_has_ends_with_exit_code_4(
    start: Callable[..., Service], project: Path, store: Path, content: Path
) -> None:
    service = start({})
    set_urls(project, f"{service.base}/foo-1.0.tar.gz")
    (store / "sources" / sha(A)).write_bytes(A)

    result = run(project)

    assert result.exit_code == 4
    assert result.output[result.output.index("1 file: ") :] == (
        "1 file: 0 with two or more independent locations, 0 with one, 1 with none\n"
        "error: 1 pinned file is at no independent location\n"
        f"  | libfoo 1.0: foo-1.0.tar.gz  sha256 {sha(A)}\n"
        "  hint: save what the store has: `everywheel sources bundle`; then pin files that exist:"
        " `everywheel recipes update`\n"
    )


def test_json_has_every_location(start: Callable[..., Service], project: Path, content: Path) -> None:
    service = start({"/foo-1.0.tar.gz": content}, {"/foo-1.0.tar.gz": Fault.MISSING})
    set_urls(project, f"{service.base}/foo-1.0.tar.gz")

    result = CliRunner().invoke(main, ["--project", str(project), "sources", "check", "libfoo", "--json"])

    assert result.exit_code == 4
    operator = service.base.removeprefix("http://")
    assert json.loads(result.stdout) == {
        "files": [
            {
                "name": "foo-1.0.tar.gz",
                "for": "libfoo 1.0",
                "sha256": sha(A),
                "patches": [],
                "fault": "",
                "independent": 0,
                "locations": [
                    {"kind": "store", "name": "store", "operator": "", "answer": "missing", "reason": ""},
                    {
                        "kind": "upstream",
                        "name": f"{service.base}/foo-1.0.tar.gz",
                        "operator": operator,
                        "answer": "missing",
                        "reason": "404 Not Found",
                    },
                ],
            }
        ],
        "summary": {"files": 1, "two or more": 0, "one": 0, "none": 1, "wrong": 0, "faults": 0},
    }


def test_a_mirror_is_checked_without_the_other_locations(
    start: Callable[..., Service], project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = start({})
    set_urls(project, f"{service.base}/foo-1.0.tar.gz")
    monkeypatch.setenv("EVERYWHEEL_MIRRORS", str(tmp_path / "mirror"))

    missing = run(project, "--location", "mirror")
    (tmp_path / "mirror").mkdir()
    (tmp_path / "mirror" / sha(A)).write_bytes(A)
    complete = run(project, "--location", "mirror")

    assert (missing.exit_code, complete.exit_code) == (4, 0)
    assert "error: 1 pinned file is not available from: mirror\n" in missing.output
    assert service.answers == []
