"""`everywheel recipes new` with wrong arguments and unusable archives: each is an error with its own text, and no recipe."""

from __future__ import annotations

import io
import socket
import tarfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from everywheel.cli.main import main
from everywheel.cli.recipe_draft import pin_address
from everywheel.config.recipe_loader import load_recipe
from everywheel.execution.retry import RetryPolicy
from everywheel.recognition.library_source import recognize_library
from everywheel.sources.distro.apt_archives import Archive
from everywheel.sources.locations import SourceLocations
from snapshot_server import serve
from test_sources_debian import Repository, needs_apt

OTHER = "name the tar archive that upstream publishes, or Debian's source package with --debian"
ADDRESS = "the address is that of the archive itself, such as https://…/foo-1.0.tar.gz"


def run(folder: Path, *args: str) -> Result:
    (folder / "pyproject.toml").write_text('[project]\nname = "demo"\nversion = "1"\n')
    command = ["--project", str(folder), "recipes", "new", "--no-trial", *args]
    return CliRunner(env={"EVERYWHEEL_STORE": str(folder / "store")}).invoke(main, command)


def run_archive(folder: Path, content: bytes, name: str = "libfoo") -> Result:
    (folder / "archive").write_bytes(content)
    with serve({"/foo-1.2.tar.gz": folder / "archive"}) as service:
        return run(folder, name, f"{service.base}/foo-1.2.tar.gz")


def pack(change: Callable[[tarfile.TarFile], None] = lambda archive: None) -> bytes:
    """Return an archive with the build file of a library, to which `change` adds members."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        add(archive, "foo-1.2/CMakeLists.txt", b"project(foo)\nadd_library(foo foo.c)\n")
        change(archive)
    return packed.getvalue()


def add(
    archive: tarfile.TarFile, name: str, content: bytes = b"", *, kind: bytes = tarfile.REGTYPE, link: str = ""
) -> None:
    member = tarfile.TarInfo(name)
    member.type, member.linkname, member.size = kind, link, len(content)
    archive.addfile(member, io.BytesIO(content))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            pack(lambda archive: add(archive, "foo-1.2/../../evil", b"x")),
            "libfoo 1.2: foo-1.2.tar.gz is not safe to unpack\n"
            "  reason: path 'foo-1.2/../../evil' leads out of the directory",
        ),
        (
            pack(lambda archive: add(archive, "foo-1.2/null", kind=tarfile.CHRTYPE)),
            "libfoo 1.2: foo-1.2.tar.gz is not safe to unpack\n"
            "  reason: 'foo-1.2/null' is neither a file, a directory nor a link",
        ),
        (b"<html>", "libfoo 1.2: foo-1.2.tar.gz is not a tar archive\n  begins with: <html>"),
        (b"PK\x03\x04zip", "libfoo 1.2: foo-1.2.tar.gz is a zip archive, which is not supported"),
    ],
    ids=["path", "device", "page", "zip"],  # an archive has the time at which it was written
)
def test_an_unusable_archive_is_an_error_that_names_another_source(
    tmp_path: Path, content: bytes, message: str
) -> None:
    result = run_archive(tmp_path, content)

    assert (result.exit_code, result.stderr) == (4, f"error: {message}\n  hint: {OTHER}\n")
    assert not (tmp_path / "recipes").exists()


def test_an_empty_answer_is_an_error(tmp_path: Path) -> None:
    result = run_archive(tmp_path, b"")

    assert result.exit_code == 4
    assert result.stderr.endswith(f"/foo-1.2.tar.gz has no content\n  hint: {OTHER}\n")


def test_a_link_to_itself_is_named_by_its_path_in_the_source(tmp_path: Path) -> None:
    result = run_archive(tmp_path, pack(lambda a: add(a, "foo-1.2/LICENSE", kind=tarfile.SYMTYPE, link="LICENSE")))

    assert (result.exit_code, result.stderr) == (
        2,
        "error: the source cannot be read: LICENSE: cannot be read: too many levels of symbolic links\n"
        "  hint: use another archive of the library\n",
    )


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (
            ["https://user:secret@example.org/foo-1.2.tar.gz"],
            "the address has a user name or a password, which the recipe would contain\n  hint: name an address without them",
        ),
        (
            ["https://example.org/", "--version", "1"],
            f"https://example.org/ names no file\n  hint: {ADDRESS}",
        ),
        (
            ["https://example.org/foo-1.0.ZIP"],
            "zip archives are not supported\n  address: https://example.org/foo-1.0.ZIP\n"
            "  hint: use upstream's .tar.gz, or Debian's source package with --debian",
        ),
        (
            ["http://[::1/foo-1.2.tar.gz"],
            f"'http://[::1/foo-1.2.tar.gz' is not an http or https URL\n  hint: {ADDRESS}",
        ),
        (
            ["--debian", "tiff=4.5"],
            "'tiff=4.5' is not the name of a Debian source package\n"
            "  hint: such as `--debian tiff`; --version names the version",
        ),
        (
            ["--debian", "-oDir::Bin::apt=x"],
            "'-oDir::Bin::apt=x' is not the name of a Debian source package\n"
            "  hint: such as `--debian tiff`; --version names the version",
        ),
    ],
)
def test_a_wrong_argument_is_an_error(tmp_path: Path, args: list[str], message: str) -> None:
    result = run(tmp_path, "libfoo", *args)

    assert (result.exit_code, result.stderr) == (2, f"error: {message}\n")


def test_an_archive_without_a_connection_is_an_error_of_the_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("everywheel.cli.recipes_new.RetryPolicy", lambda: RetryPolicy(attempts=1))
    with socket.create_server(("127.0.0.1", 0)) as closed:
        refused = f"http://127.0.0.1:{closed.getsockname()[1]}/foo-1.2.tar.gz"
    unknown = "http://host.invalid/foo-1.2.tar.gz"

    results = [run(tmp_path, "libfoo", url) for url in (refused, unknown)]

    hint = "check the network and the proxy (`https_proxy`)"
    assert [(result.exit_code, result.stderr) for result in results] == [
        (4, f"error: {refused} cannot be downloaded\n  reason: connection refused\n  hint: {hint}\n"),
        (4, f"error: {unknown} cannot be downloaded\n  reason: host name not found\n  hint: {hint}\n"),
    ]


def test_a_server_with_an_error_is_tried_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("everywheel.cli.recipes_new.RetryPolicy", lambda: RetryPolicy(attempts=1))
    with socket.create_server(("127.0.0.1", 0)) as server, ThreadPoolExecutor() as threads:
        url = f"http://127.0.0.1:{server.getsockname()[1]}/foo-1.2.tar.gz"
        threads.submit(answer, server, b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n")
        result = run(tmp_path, "libfoo", url)

    assert (result.exit_code, result.stderr) == (
        4,
        f"error: {url} cannot be downloaded\n  reason: 503 busy\n  hint: run it again, or name another address\n",
    )


def answer(server: socket.socket, text: bytes) -> None:
    connection, _ = server.accept()
    with connection:
        connection.recv(1 << 16)
        connection.sendall(text)


@pytest.mark.parametrize("name", ["CON", "nul", "com1.2", "aux.lib", "foo.", "a b", "..", "-x"])
def test_a_name_that_no_folder_can_have_everywhere_is_an_error(tmp_path: Path, name: str) -> None:
    result = run(tmp_path, "--url", "https://example.org/foo-1.2.tar.gz", "--", name)

    assert (result.exit_code, result.stderr) == (
        2,
        f"error: '{name}' is not a name of letters, digits and `.`, `_`, `+`, `-` that a folder can have on every system\n"
        '  hint: such as `name = "libpng"`\n',
    )


@needs_apt
def test_a_binary_package_is_an_error_that_names_its_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    repository = Repository(tmp_path / "suite")
    repository.add("foo", "1.2-1", {"foo_1.2.orig.tar.gz": pack()})
    repository.stanzas = [
        stanza.replace("Binary: foo\n", "Binary: libfoo6, libfoo-dev\n") for stanza in repository.stanzas
    ]
    repository.write()
    locations = SourceLocations(archives=(repository.archive,), snapshot="")
    monkeypatch.setattr("everywheel.cli.recipes_new.find_locations", lambda: locations)

    binary = run(tmp_path, "libfoo", "--debian", "libfoo6")
    unknown = run(tmp_path, "libfoo", "--debian", "libbar")

    assert (binary.exit_code, binary.stderr) == (
        2,
        "error: libfoo6 is a binary package, and a recipe is drafted from a source package\n"
        "  source package: foo\n  hint: `--debian foo`\n",
    )
    assert (unknown.exit_code, unknown.stderr) == (
        2,
        "error: no release of the distribution has the source package libbar\n"
        "  hint: search its name at https://packages.debian.org/search?keywords=libbar, "
        "or use the address of an archive\n",
    )


@needs_apt
def test_package_lists_without_a_connection_are_an_error_of_the_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        host = f"127.0.0.1:{closed.getsockname()[1]}"
    locations = SourceLocations(archives=(Archive(uri=f"http://{host}", suites=("sid",)),), snapshot="")
    monkeypatch.setattr("everywheel.cli.recipes_new.find_locations", lambda: locations)

    result = run(tmp_path, "libfoo", "--debian", "foo")

    assert result.exit_code == 4
    assert result.stderr.startswith("error: the source package foo is not available\n  reason: ")
    assert f"Could not connect to {host}" in result.stderr
    assert result.stderr.endswith("\n  hint: check the network and the proxy (`https_proxy`)\n")


def test_a_recipe_that_replaces_a_built_in_one_is_reported(tmp_path: Path) -> None:
    version = load_recipe(Path(__file__).parents[2] / "recipes" / "zlib" / "recipe.toml").version

    result = run_archive(tmp_path, pack(), "zlib")

    assert result.exit_code == 0, result.output
    line = f"it replaces the built-in recipe zlib {version} here: to change that one, copy its folder"
    assert line in result.stdout.splitlines()


@pytest.mark.parametrize(
    ("url", "version", "address"),
    [
        ("https://1.example.org/foo-1.tar.gz", "1", "https://1.example.org/foo-{version}.tar.gz"),
        ("https://example.org/v1.0/foo-1.0.tar.gz", "1.0", "https://example.org/v{version}/foo-{version}.tar.gz"),
        (
            "https://example.org/11.0/foo2-1.0.1/foo-1.0.tgz",
            "1.0",
            "https://example.org/11.0/foo2-1.0.1/foo-{version}.tgz",
        ),
        ("https://example.org/foo2-2.tar.bz2", "2", "https://example.org/foo2-{version}.tar.bz2"),
        ("https://example.org/2geom/v2/2.tbz2", "2", "https://example.org/2geom/v{version}/{version}.tbz2"),
        ("https://example.org/foo1.2.tar.gz", "1.2", "https://example.org/foo{version}.tar.gz"),
    ],
)
def test_the_version_of_an_address_is_replaced_where_it_is_a_version(url: str, version: str, address: str) -> None:
    assert pin_address(url, version, "0" * 64, 1)[1] == f'urls = ["{address}"]'


def test_the_only_library_of_a_source_is_the_product_with_any_name(tmp_path: Path) -> None:
    (tmp_path / "CMakeLists.txt").write_text("project(bar)\nadd_library(bar a.c)\n")
    only = recognize_library(tmp_path, "foo").libraries
    (tmp_path / "CMakeLists.txt").write_text("project(bar)\nadd_library(bar a.c)\nadd_library(other b.c)\n")

    assert (only, recognize_library(tmp_path, "foo").libraries) == (("bar",), ("foo",))


def test_a_folder_of_recipes_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "recipes").write_text("a file\n")

    result = run_archive(tmp_path, pack())

    assert (result.exit_code, result.stderr) == (
        7,
        f"error: cannot write {tmp_path / 'recipes' / 'libfoo'}\n  reason: not a directory\n"
        "  hint: check the owner and the mode of the folder that it is in\n",
    )


def test_downloads_of_the_build_files_are_reported(tmp_path: Path) -> None:
    text = b"# FetchContent_Declare(no)\ninclude(FetchContent)\nFetchContent_Declare(bar URL https://example.org/bar.tar.gz)\n"
    data = b"file(WRITE a b)\n  file( DOWNLOAD https://example.org/data a)\n"

    def write(archive: tarfile.TarFile) -> None:
        add(archive, "foo-1.2/cmake/Bar.cmake", text)
        add(archive, "foo-1.2/cmake/data.cmake", data)

    result = run_archive(tmp_path, pack(write))

    line = (
        "the build files download sources that nothing pins (cmake/Bar.cmake:3 FetchContent_Declare(bar), "
        "cmake/data.cmake:2 file(DOWNLOAD)): name their recipes in `requires`, or disable the parts that use them"
    )
    assert line in result.stdout.splitlines(), result.output
