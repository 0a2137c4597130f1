"""The forms of the programs, and the facts of one that is built."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from everywheel.toolchains.build_tools import Tools

# Threads have 2 MB: musl reserves 128 kB, and libvips needs more. glibc reserves 8 MB.
STATIC_FLAGS = "-static -Wl,-z,stack-size=2097152"
EXAMPLES = Path(__file__).parents[1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """A form of the programs: `tag` names the SDK, `zig` the target of the compiler; `kind` is static,
    folder, windows, or gcc: with the compiler and the C library of this machine. `has_rust`: also the program in Rust."""

    tag: str
    zig: str
    system: str
    arch: str
    kind: str
    has_rust: bool = False


SHAPES = {
    "static-amd64": Shape(
        tag="musllinux_1_2_x86_64", zig="x86_64-linux-musl", system="linux", arch="amd64", kind="static"
    ),
    "static-arm64": Shape(
        tag="musllinux_1_2_aarch64", zig="aarch64-linux-musl", system="linux", arch="arm64", kind="static"
    ),
    "folder-amd64": Shape(
        tag="manylinux_2_17_x86_64",
        zig="x86_64-linux-gnu.2.17",
        system="linux",
        arch="amd64",
        kind="folder",
        has_rust=True,
    ),
    "folder-arm64": Shape(
        tag="manylinux_2_17_aarch64",
        zig="aarch64-linux-gnu.2.17",
        system="linux",
        arch="arm64",
        kind="folder",
        has_rust=True,
    ),
    "gcc-amd64": Shape(tag="manylinux_2_17_x86_64", zig="", system="linux", arch="amd64", kind="gcc", has_rust=True),
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

    @property
    def compiler(self) -> str:
        return f"{self.tools.zig} cc -target {self.shape.zig}"
