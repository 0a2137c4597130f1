"""The program in Rust, which needs no crate: build.rs queries pkg-config, and the functions are declared in the program."""

from __future__ import annotations

import shutil

from example_builds.commands import ExampleError, run
from example_builds.shapes import EXAMPLES, Build

NO_CARGO = "cargo is not installed (Debian: apt-get install cargo)"
TARGETS = {"amd64": "x86_64-unknown-linux-gnu", "arm64": "aarch64-unknown-linux-gnu"}


def build_with_cargo(build: Build) -> str:
    """Build the program with cargo; return the reason why this machine cannot, or "".

    The linker is zig for an older C library than that of this machine, or for another processor, else gcc.
    """
    cargo = shutil.which("cargo")
    if cargo is None:
        return NO_CARGO
    work, target = build.output / "cargo", TARGETS[build.shape.arch]
    work.mkdir()
    environment = {**build.environment, "CARGO_TARGET_DIR": str(work)}
    if build.shape.zig:
        linker = work / "linker"
        linker.write_text(f'#!/bin/sh\nexec {build.compiler} "$@"\n')
        linker.chmod(0o755)
        environment[f"CARGO_TARGET_{target.upper().replace('-', '_')}_LINKER"] = str(linker)
    command = [cargo, "build", "--release", "--offline", "--locked", "--jobs", "2", "--target", target]
    try:
        run(command, cwd=EXAMPLES / "rust", env=environment)
        shutil.copy2(work / target / "release" / "thumbnail", build.output / "thumbnail-rust")
    except ExampleError as error:
        if "can't find crate for `std`" not in str(error):
            raise
        return (
            f"Rust has no standard library for {target} (rustup target add {target}; for Debian's Rust, RUSTFLAGS=-L and its "
            f"folder in the package libstd-rust-dev:{build.shape.arch})"
        )
    finally:
        shutil.rmtree(work)
    return ""
