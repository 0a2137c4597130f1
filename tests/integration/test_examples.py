"""The programs in examples/, built on this machine, run on systems that have no libvips."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from everywheel.binaries.elf import read_elf
from everywheel.store.local import default_store
from everywheel.toolchains.build_tools import ensure_tools
from root_filesystems import REPOSITORY, call, download_package, download_packages, install_package, make_libc_root

pytestmark = pytest.mark.xdist_group("examples")

PHOTO = REPOSITORY / "extension" / "tests" / "data" / "photo.jpg"
# glibc finds $ORIGIN in /proc.
ENTER = 'mkdir -p "$1/proc" && mount -t proc proc "$1/proc" && exec chroot "$@"'
ENTER_ROOT = ("unshare", "--mount", "--propagation", "private", "/bin/sh", "-c", ENTER, "sh")
PAGE = (REPOSITORY / "docs" / "sdk.md").read_text()
Output = tuple[Path, str]
# Python with a system's GLib, as a program that uses PyGObject has it, loads libvips.
LOAD = """
import ctypes, sys
ctypes.CDLL("libgobject-2.0.so.0", int(sys.argv[2]))
vips = ctypes.CDLL(sys.argv[1])
vips.vips_error_buffer.restype = ctypes.c_char_p
print(vips.vips_init(b"test"), vips.vips_error_buffer().decode())
"""
RANDOM_NUMBERS = """#include <windows.h>
BOOLEAN NTAPI SystemFunction036(PVOID, ULONG);
__declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE data, SIZE_T size) { return SystemFunction036(data, (ULONG)size); }
"""
HINT = "link the program to the libglib-2.0.so.0 next to it only\n"
# Debian's gobject-sys, which queries pkg-config, and the crates that it requires.
CRATES = (
    "gobject-sys glib-sys libc system-deps cfg-expr target-lexicon smallvec heck pkg-config toml serde version-compare"
)
CARGO_TOML = """[package]
name = "user"
version = "0.0.0"
edition = "2021"

[dependencies]
gobject-sys = "0.14"
"""
CARGO_CONFIG = """[source.crates-io]
replace-with = "debian"

[source.debian]
directory = "{}"
"""
# As libvips-rs does, it links libvips by name; the type of the image is a GType of the GLib that gobject-sys links.
MAIN_RS = """use std::ffi::CStr;
use std::os::raw::{c_char, c_int, c_void};
use std::ptr::null_mut;

#[link(name = "vips")]
extern "C" {
    fn vips_init(argv0: *const c_char) -> c_int;
    fn vips_error_buffer() -> *const c_char;
    fn vips_black(out: *mut *mut c_void, width: c_int, height: c_int, ...) -> c_int;
}

fn main() {
    unsafe {
        let (mut image, end) = (null_mut(), null_mut::<c_void>());
        if vips_init(b"user\\0".as_ptr() as *const c_char) != 0 || vips_black(&mut image, 3, 2, end) != 0 {
            panic!("{:?}", CStr::from_ptr(vips_error_buffer()));
        }
        let name = gobject_sys::g_type_name_from_instance(image as *mut gobject_sys::GTypeInstance);
        println!("{}", CStr::from_ptr(name).to_str().unwrap());
        gobject_sys::g_object_unref(image as *mut gobject_sys::GObject);
    }
}
"""
SECTIONS = [
    "Getting an SDK",
    "Go from nothing",
    "C and CMake",
    "Rust",
    "ctypes",
    "Checking an SDK",
    "Wheels and npm packages",
]
TWO_GLIBS = """go-server: two copies of GLib are in this process: that of libvips, and {}. \
Link the other library to the one in libvips, or move it to another process
"""


@pytest.fixture(scope="module")
def go_environment(machine: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of this machine with Debian 13's Go, the oldest that the server accepts, and everywheel's tools.

    Debian's cargo is installed if this machine has none.
    """
    if machine != "x86_64":
        pytest.skip("the programs for x86_64 would run under QEMU")
    install_package("cargo")
    folder = tmp_path_factory.mktemp("go")
    for name in ("golang-1.24-go", "golang-1.24-src"):
        call(["dpkg-deb", "--extract", download_package(name, "trixie", folder), folder / "root"])
    tools = ensure_tools(default_store())
    programs = [f"{folder}/root/usr/lib/go-1.24/bin", Path(sys.executable).parent, tools.bin]
    programs += [tool.parent for tool in (tools.pkgconf, tools.cmake, tools.ninja)]
    path = ":".join([*map(str, programs), os.environ["PATH"]])
    return {**os.environ, "PATH": path, "PYTHONPATH": str(tools.zig.parents[1])}


def read_commands(section: str) -> str:
    """Return the commands of a section of docs/sdk.md."""
    text = PAGE.partition(f"\n## {section}\n")[2].partition("\n## ")[0]
    blocks = re.findall(r"^```sh\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert len(blocks) == 1
    return str(blocks[0])


@pytest.fixture(scope="module")
def page_folder(go_environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with links to this repository, in which the page's commands for an SDK ran."""
    folder = tmp_path_factory.mktemp("examples")
    for name in ("examples", "extension"):
        (folder / name).symlink_to(REPOSITORY / name)
    call(["bash", "-euc", read_commands("Getting an SDK")], cwd=folder, env=go_environment)
    return folder


def build_examples(folder: Path, environment: dict[str, str], shapes: Sequence[str]) -> Output:
    """Run the script that builds the programs with the SDKs of a folder, and builds those SDKs that the folder has not."""
    script = [sys.executable, REPOSITORY / "examples" / "build_examples.py", "--run", *shapes]
    text = call([*script, "--sdk", folder / "sdk", "--output-dir", folder / "out"], cwd=folder, env=environment)
    return folder / "out", text


@pytest.fixture(scope="module")
def shared(page_folder: Path, go_environment: dict[str, str]) -> Output:
    """The folder of the programs with a shared library, and the output of the script that built and ran them."""
    return build_examples(page_folder, go_environment, ("folder-amd64", "gcc-amd64"))


@pytest.fixture(scope="module")
def static(go_environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Output:
    """The same for the static programs: on a new machine, the SDKs for musl take minutes, so tests of it are exhaustive."""
    return build_examples(tmp_path_factory.mktemp("static"), go_environment, ("static-amd64", "static-arm64"))


def add_random_numbers(folder: Path, environment: dict[str, str]) -> None:
    """Add the library from which Go gets random numbers to the system of Wine, which does not have it in Debian 12."""
    call(["wineboot", "--init"], env=environment)
    (folder / "random.c").write_text(RANDOM_NUMBERS)
    system = folder / "wine" / "drive_c" / "windows" / "system32"
    command = [
        ensure_tools(default_store()).zig,
        "cc",
        "-target",
        "x86_64-windows-gnu",
        "-shared",
        "random.c",
        "-ladvapi32",
    ]
    call([*command, "-o", system / "bcryptprimitives.dll"], cwd=folder, env=environment)


@pytest.fixture(scope="module")
def arm64_rust(go_environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment with Debian's Rust, and the standard library for arm64 of the same version."""
    folder = tmp_path_factory.mktemp("rust")
    (folder / "bin").mkdir()
    for program, package in (("/usr/bin/cargo", "cargo"), ("/usr/bin/rustc", "rustc")):
        install_package(program, package)
        (folder / "bin" / package).symlink_to(program)
    call(["dpkg-deb", "--extract", download_package("libstd-rust-dev", "bookworm", folder, "arm64"), folder / "root"])
    library = folder / "root" / "usr" / "lib" / "rustlib" / "aarch64-unknown-linux-gnu" / "lib"
    return {**go_environment, "PATH": f"{folder / 'bin'}:{go_environment['PATH']}", "RUSTFLAGS": f"-L {library}"}


@pytest.fixture(scope="module")
def arm64(arm64_rust: dict[str, str], arm64_roots: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Output:
    """The same for the programs with a shared library that QEMU runs."""
    environment = {**arm64_rust, "QEMU_LD_PREFIX": str(arm64_roots["bullseye-arm64"])}
    return build_examples(tmp_path_factory.mktemp("arm64-examples"), environment, ("folder-arm64",))


@pytest.fixture(scope="module")
def windows(go_environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Output:
    """The same for the programs with a DLL that Wine runs."""
    folder = tmp_path_factory.mktemp("windows")
    environment = {**go_environment, "WINEPREFIX": str(folder / "wine")}
    add_random_numbers(folder, environment)
    output = build_examples(folder, environment, ("windows-amd64",))
    subprocess.run(["/usr/lib/wine/wineserver", "--kill"], env=environment, check=False)
    return output


@pytest.fixture
def output(request: pytest.FixtureRequest, shape: str) -> Output:
    """The output for a shape."""
    kinds = {"static-amd64": "static", "static-arm64": "static", "folder-arm64": "arm64"}
    result: Output = request.getfixturevalue(kinds.get(shape, "shared"))
    return result


@pytest.fixture(scope="module")
def roots(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Systems by name: the C libraries of Debian 11 and 13, and one that has no file."""
    folder = tmp_path_factory.mktemp("roots")
    for suite in ("bullseye", "trixie"):
        make_libc_root(folder / suite, folder / f"{suite}-packages", suite)
    for name in ("empty", "empty-arm64"):
        (folder / name).mkdir()
    return {path.name: path for path in folder.iterdir()}


@pytest.fixture(scope="module")
def arm64_roots(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The C libraries of Debian 11 and 13 for arm64: the kernel starts QEMU for programs in them."""
    folder = tmp_path_factory.mktemp("arm64")
    for suite in ("bullseye", "trixie"):
        make_libc_root(folder / f"{suite}-arm64", folder / f"{suite}-packages", suite, "arm64")
    return {name: folder / name for name in ("bullseye-arm64", "trixie-arm64")}


@pytest.fixture
def system_root(request: pytest.FixtureRequest, system: str) -> Path:
    """The system of a name."""
    debian_arm64 = system.endswith("-arm64") and not system.startswith("empty")
    folders: dict[str, Path] = request.getfixturevalue("arm64_roots" if debian_arm64 else "roots")
    return folders[system]


@contextlib.contextmanager
def serve(root: Path, programs: Path) -> Iterator[str]:
    """Run the server in a root file system with a folder of pictures, yield its URL, and stop it."""
    pictures = root / "pictures"
    pictures.mkdir(exist_ok=True)
    shutil.copy(PHOTO, pictures)
    (pictures / "notes.txt").write_text("no picture")
    (root / "secret.jpg").write_bytes(PHOTO.read_bytes())
    (pictures / "link.jpg").unlink(missing_ok=True)
    (pictures / "link.jpg").symlink_to("../secret.jpg")
    command = [*ENTER_ROOT, str(root), f"/{programs.name}/go-server", "-listen", "127.0.0.1:0", "/pictures"]
    server = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert server.stderr is not None
    try:
        started = server.stderr.readline()
        yield f"http://{json.loads(started)['address']}"
        server.send_signal(signal.SIGTERM)
        lines = [json.loads(line) for line in server.stderr.read().splitlines()]
        assert server.wait(timeout=30) == 0
        assert [line["msg"] for line in lines][-2:] == ["stopping", "stopped"]
    finally:
        server.kill()
        server.wait()


def get(url: str, accept: str = "*/*") -> tuple[int, str, bytes]:
    """Return status, media type and body of an answer."""
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers={"Accept": accept}), timeout=30) as answer:
            return answer.status, answer.headers["Content-Type"], answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers["Content-Type"], error.read()


def list_runs(text: str) -> list[str]:
    """Return the shapes and names of the programs that made the thumbnail, from the output of the script."""
    return sorted(re.findall(r"^(\S+: \S+): 100 x 67 with libvips \d+\.\d+\.\d+$", text, re.MULTILINE))


def test_the_script_builds_and_runs_the_programs_with_a_shared_library(shared: Output) -> None:
    ways = ("ctypes", "thumbnail-by-name", "thumbnail-cmake", "thumbnail-gcc", "thumbnail-meson", "thumbnail-rust")

    assert list_runs(shared[1]) == [
        "folder-amd64: thumbnail",
        "folder-amd64: thumbnail-rust",
        *(f"gcc-amd64: {way}" for way in ways),
    ]
    assert re.search(r"^folder-amd64: go test: ok ", shared[1], re.MULTILINE)


@pytest.mark.exhaustive
def test_the_script_builds_and_runs_the_static_programs(static: Output) -> None:
    assert list_runs(static[1]) == ["static-amd64: thumbnail", "static-arm64: thumbnail"]
    assert re.search(r"^static-amd64: go test: ok ", static[1], re.MULTILINE)


@pytest.mark.exhaustive
def test_the_script_builds_and_runs_the_programs_for_arm64(arm64: Output) -> None:
    assert list_runs(arm64[1]) == ["folder-arm64: thumbnail", "folder-arm64: thumbnail-rust"]


@pytest.mark.exhaustive
def test_the_script_builds_and_runs_the_programs_for_windows(windows: Output) -> None:
    assert list_runs(windows[1]) == ["windows-amd64: thumbnail.exe", "windows-amd64: windows-dll.exe"]


@pytest.mark.exhaustive
def test_programs_with_the_profile_for_servers_read_and_write_avif(
    go_environment: dict[str, str], roots: dict[str, Path], tmp_path: Path
) -> None:
    """The server's own tests, which the script runs, read and write it too."""
    command = ["everywheel", "sdk", "libvips", "--profile", "libvips=server", "-t", "manylinux2014_x86_64"]
    call([*command, "-o", tmp_path / "archives"], cwd=tmp_path, env=go_environment)
    for archive in (tmp_path / "archives").iterdir():
        shutil.unpack_archive(archive, tmp_path / "sdk")

    programs, text = build_examples(tmp_path, go_environment, ("folder-amd64",))
    shutil.copytree(programs / "folder-amd64", roots["bullseye"] / "avif")
    shutil.copy(PHOTO, roots["bullseye"])
    enter = [*ENTER_ROOT, roots["bullseye"], "/avif/thumbnail"]
    thumbnails = [
        call([*enter, "/photo.jpg", "/photo.avif", "100"]),
        call([*enter, "/photo.avif", "/photo.webp", "50"]),
    ]
    with serve(roots["bullseye"], roots["bullseye"] / "avif") as url:
        health = get(f"{url}/healthz")
        picture = get(f"{url}/photo.jpg?width=100", "image/avif,image/webp")

    assert re.search(r"^folder-amd64: go test: ok ", text, re.MULTILINE)
    assert [thumbnail.partition(" with ")[0] for thumbnail in thumbnails] == ["100 x 67", "50 x 34"]
    assert (roots["bullseye"] / "photo.avif").read_bytes()[4:12] == b"ftypavif"
    assert json.loads(health[2])["formats"] == ["avif", "webp", "jpeg", "png"]
    assert picture[:2] == (200, "image/avif")
    assert picture[2][4:12] == b"ftypavif"


def test_every_command_of_the_page_is_run() -> None:
    text = re.sub(r"^```sh\n.*?^```$", "", PAGE, flags=re.MULTILINE | re.DOTALL)

    assert re.findall(r"^## (.*)$(?=(?:(?!^## )[\s\S])*?^```sh$)", PAGE, re.MULTILINE) == SECTIONS
    assert [line for line in text.splitlines() if line.startswith("    ")] == []


def test_the_commands_for_rust_run_as_in_the_page(page_folder: Path, go_environment: dict[str, str]) -> None:
    text = call(["bash", "-euc", read_commands("Rust")], cwd=page_folder, env=go_environment)

    program = read_elf((page_folder / "build" / "rust" / "release" / "thumbnail").read_bytes())
    versions = {
        tuple(map(int, need.version.removeprefix("GLIBC_").split(".")))
        for need in program.versions
        if need.version.startswith("GLIBC_2")
    }
    assert text.splitlines()[-1].startswith("100 x 67 with libvips ")
    assert (page_folder / "photo.webp").read_bytes()[8:12] == b"WEBP"
    assert "libvips.so.42" in program.needed
    assert max(versions) <= (2, 17)


def test_crates_that_link_by_name_get_the_glib_of_libvips(
    page_folder: Path, go_environment: dict[str, str], tmp_path: Path
) -> None:
    for package in download_packages([f"librust-{name}-dev" for name in CRATES.split()], "bookworm", tmp_path):
        call(["dpkg-deb", "--extract", package, tmp_path / "crates"])
    files = {
        "Cargo.toml": CARGO_TOML,
        "src/main.rs": MAIN_RS,
        ".cargo/config.toml": CARGO_CONFIG.format(tmp_path / "crates" / "usr" / "share" / "cargo" / "registry"),
    }
    for name, text in files.items():
        (tmp_path / "user" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "user" / name).write_text(text)
    sdk = next((page_folder / "sdk").glob("*/sdk.json")).parent
    environment = {
        **go_environment,
        "PKG_CONFIG": "pkgconf",
        "PKG_CONFIG_LIBDIR": str(sdk / "lib" / "pkgconfig"),
        "RUSTFLAGS": f"-L {sdk / 'lib'} -C link-arg=-Wl,-rpath,{sdk / 'lib'}",
    }

    call(["cargo", "build", "--offline", "--jobs", "2"], cwd=tmp_path / "user", env=environment)

    program = tmp_path / "user" / "target" / "debug" / "user"
    assert call([program]) == "VipsImage\n"
    assert [name for name in read_elf(program.read_bytes()).needed if "-2.0" in name or "vips" in name] == [
        "libvips.so.42"
    ]


def test_the_commands_for_c_and_ctypes_run_as_in_the_page(page_folder: Path, go_environment: dict[str, str]) -> None:
    outputs = []
    for section in ("C and CMake", "ctypes"):
        text = call(["bash", "-euc", read_commands(section)], cwd=page_folder, env=go_environment)
        outputs.append(text.splitlines()[-1])
        assert (page_folder / "photo.webp").read_bytes()[8:12] == b"WEBP"
        (page_folder / "photo.webp").unlink()

    assert [line.partition(" with libvips ")[0] for line in outputs] == ["100 x 67"] * 2
    for build in ("cmake", "meson"):
        assert call([page_folder / "build" / build / "thumbnail", PHOTO, page_folder / f"{build}.webp", "100"])
    checks = call(["bash", "-euc", read_commands("Checking an SDK")], cwd=page_folder, env=go_environment).splitlines()
    assert len(checks) == 2
    assert all(
        re.fullmatch(r"libvips \S+ for manylinux_2_17_x86_64: \d+ files as in sdk\.json", line) for line in checks
    )


def test_the_commands_for_packages_run_as_in_the_page(page_folder: Path, go_environment: dict[str, str]) -> None:
    install_package("npm")

    text = call(["bash", "-euc", read_commands("Wheels and npm packages")], cwd=page_folder, env=go_environment)

    assert [line.partition(" with libvips ")[0] for line in text.splitlines()[-2:]] == ["100 x 67"] * 2
    for name in ("pip", "npm"):
        assert (page_folder / f"{name}.webp").read_bytes()[8:12] == b"WEBP"
        assert "libvips.so.42" in read_elf((page_folder / "build" / f"thumbnail-{name}").read_bytes()).needed


@pytest.mark.exhaustive
def test_the_commands_for_go_run_as_in_the_page(
    page_folder: Path, go_environment: dict[str, str], tmp_path: Path
) -> None:
    environment = {**go_environment, "GOCACHE": str(tmp_path)}

    call(["bash", "-euc", read_commands("Go from nothing")], cwd=page_folder, env=environment)

    assert call([page_folder / "thumbnail", PHOTO, page_folder / "static.webp", "100"]).startswith("100 x 67 with ")
    assert "-listen" in subprocess.run([page_folder / "go-server", "-help"], capture_output=True, text=True).stderr


@pytest.mark.parametrize(
    ("shape", "system"),
    [
        pytest.param("static-amd64", "empty", marks=pytest.mark.exhaustive),
        pytest.param("static-amd64", "bullseye", marks=pytest.mark.exhaustive),
        pytest.param("static-arm64", "empty-arm64", marks=pytest.mark.exhaustive),
        pytest.param("folder-arm64", "bullseye-arm64", marks=pytest.mark.exhaustive),
        pytest.param("folder-arm64", "trixie-arm64", marks=pytest.mark.exhaustive),
        ("folder-amd64", "bullseye"),
        ("folder-amd64", "trixie"),
    ],
)
def test_programs_on_systems_without_libvips(output: Output, system_root: Path, shape: str) -> None:
    shutil.copytree(output[0] / shape, system_root / shape, dirs_exist_ok=True)
    shutil.copy(PHOTO, system_root)

    programs = sorted(path.name for path in (output[0] / shape).glob("thumbnail*"))
    texts = [
        call([*ENTER_ROOT, system_root, f"/{shape}/{program}", "/photo.jpg", "/photo.webp", "100"])
        for program in programs
    ]
    with serve(system_root, output[0] / shape) as url:
        health = get(f"{url}/healthz")
        thumbnail = get(f"{url}/photo.jpg?width=100", "image/webp")
        refusals = [get(f"{url}/{path}") for path in ("%2e%2e/secret.jpg", "link.jpg", "notes.txt", "none.jpg")]

    assert programs == (["thumbnail", "thumbnail-rust"] if shape.startswith("folder-") else ["thumbnail"])
    assert [text.partition(" libvips ")[0] for text in texts] == ["100 x 67 with"] * len(programs)
    assert json.loads(health[2])["formats"] == ["webp", "jpeg", "png"]
    assert thumbnail[:2] == (200, "image/webp")
    assert thumbnail[2][8:12] == b"WEBP"
    assert [(status, body.decode()) for status, _, body in refusals] == [
        (400, "the path leaves the folder\n"),
        (400, "the path leaves the folder\n"),
        (415, "the file is not a picture\n"),
        (404, "there is no such picture\n"),
    ]


@pytest.mark.parametrize(
    ("shape", "newest"),
    [
        pytest.param("static-amd64", None, marks=pytest.mark.exhaustive),
        pytest.param("folder-arm64", (2, 17), marks=pytest.mark.exhaustive),
        ("folder-amd64", (2, 17)),
    ],
)
def test_the_oldest_glibc_that_programs_need(output: Output, shape: str, newest: tuple[int, int] | None) -> None:
    report = json.loads(call([sys.executable, "-m", "everywheel", "explain", "--json", output[0] / shape]))

    versions = [
        tuple(map(int, need["number"].split(".")))
        for platform in report[0]["platforms"]
        for need in platform["requires"]
        if need["family"] == "GLIBC"
    ]
    assert max(versions, default=None) == newest


def test_a_second_glib_in_the_process_is_an_error(shared: Output, tmp_path: Path) -> None:
    other = tmp_path / "libgobject-2.0.so.0"
    (tmp_path / "glib.c").write_text("void g_object_unref(void *object) { (void)object; }\n")
    call(["gcc", "-shared", "-fPIC", "-o", other, tmp_path / "glib.c"])

    result = subprocess.run(
        [shared[0] / "folder-amd64" / "go-server", tmp_path],
        env={**os.environ, "LD_PRELOAD": str(other)},
        capture_output=True,
        text=True,
    )

    assert (result.returncode, result.stderr) == (1, TWO_GLIBS.format(other))


def test_the_systems_glib_before_that_of_libvips_ends_the_program(shared: Output, tmp_path: Path) -> None:
    """Its functions would replace those in libvips, and GLib would abort before vips_init() is called."""
    folder = shared[0] / "gcc-amd64"
    # Not by its name only, which the library next to that of libvips has too.
    other = re.search(r"libgobject-2\.0\.so\.0 .*=> (/\S+)", call(["/sbin/ldconfig", "-p"]))
    assert other is not None

    for program in ("thumbnail-gcc", "thumbnail-by-name"):
        result = subprocess.run(
            [folder / program, PHOTO, tmp_path / "photo.webp", "100"],
            env={**os.environ, "LD_PRELOAD": other[1]},
            capture_output=True,
            text=True,
        )

        assert result.returncode == 127
        assert re.fullmatch(
            rf"libvips: the process has two GLibs: the functions of {re.escape(other[1])} replace those in "
            rf"{re.escape(str(folder))}/\S*libvips\.so\.42; {re.escape(HINT)}",
            result.stderr,
        )
    assert not (tmp_path / "photo.webp").exists()


def test_the_systems_glib_next_to_that_of_libvips_is_an_error(shared: Output) -> None:
    library = shared[0] / "gcc-amd64" / "lib" / "libvips.so.42"

    output = call([sys.executable, "-c", LOAD, library, str(ctypes.RTLD_LOCAL)])

    assert re.fullmatch(
        r"-1 vips_init: the process has two GLibs: \S+/libg(lib|object)-2\.0\.so\.0, and the one in "
        rf"{re.escape(str(library))}; {re.escape(HINT)}\n",
        output,
    )
