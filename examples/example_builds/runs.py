"""Runs of the programs on this machine."""

from __future__ import annotations

import dataclasses
import os
import shutil
import sys
from pathlib import Path

from example_builds.commands import ExampleError, run
from example_builds.go_programs import run_go
from example_builds.shapes import EXAMPLES, Build

RANDOM_NUMBERS = "bcryptprimitives.dll"  # not in the Wine of Debian 12
PHOTO = EXAMPLES.parent / "extension" / "tests" / "data" / "photo.jpg"


def choose_runner(build: Build) -> list[str]:
    """Return the program that runs those of a shape on this machine, if they need one; raise ExampleError if none can."""
    shape = build.shape
    if shape.kind == "windows":
        runner = "wine"
    elif {"x86_64": "amd64", "aarch64": "arm64"}.get(os.uname().machine) == shape.arch:
        return []
    else:
        runner = f"qemu-{shape.zig.partition('-')[0]}-static"
    if shutil.which(runner) is None:
        raise ExampleError(f"{runner} is not installed")
    return [runner, "-L", str(find_libc(build))] if shape.kind == "folder" else [runner]


def find_libc(build: Build) -> Path:
    """Return the folder in which QEMU finds the C library of another processor; raise ExampleError if there is none."""
    folder = Path(os.environ.get("QEMU_LD_PREFIX", f"/usr/{build.shape.zig.partition('-')[0]}-linux-gnu"))
    if not (folder / "lib").is_dir():
        raise ExampleError(
            f"it needs the C library of {build.shape.arch}: QEMU_LD_PREFIX names the folder of a system "
            f"(Debian: apt-get install libc6-{build.shape.arch}-cross)"
        )
    return folder


def has_random_numbers_of_windows() -> bool:
    """Return whether Wine's folder of the system has the library from which Go gets random numbers."""
    prefix = Path(os.environ.get("WINEPREFIX", Path.home() / ".wine"))
    return (prefix / "drive_c" / "windows" / "system32" / RANDOM_NUMBERS).exists()


def run_programs(name: str, build: Build) -> None:
    """Run the server's tests, make a thumbnail with each program that can run on this machine, and print the results."""
    try:
        runner = choose_runner(build)
    except ExampleError as error:
        print(f"{name}: not run: {error}")
        return
    shape, folder, environment = build.shape, build.output, {**os.environ, "WINEDEBUG": "-all"}
    if shape.kind in ("static", "folder") and not runner:
        variables = {**build.environment, "LD_LIBRARY_PATH": str(folder / "lib")}
        tests = dataclasses.replace(build, environment=variables)
        print(f"{name}: go test: {run_go(tests, 'test', '-count=1').strip()}")
    commands: dict[str, list[str | Path]] = {
        path.name: [*runner, path] for path in (*folder.glob("thumbnail*"), *folder.glob("windows-dll*"))
    }
    if shape.kind == "windows" and not has_random_numbers_of_windows():
        commands.pop("windows-dll.exe")
        print(f"{name}: windows-dll.exe: not run: this Wine has no {RANDOM_NUMBERS}, which programs in Go need")
    if shape.kind == "gcc":
        library = folder / "lib" / "libvips.so.42"
        commands["ctypes"] = [sys.executable, EXAMPLES / "ctypes" / "thumbnail.py", library]
    thumbnail = folder / "photo.webp"
    for program, command in sorted(commands.items()):
        output = run([*command, PHOTO, thumbnail, "100"], cwd=folder, env=environment)
        print(f"{name}: {program}: {output.splitlines()[-1]}")
        thumbnail.unlink()
