"""The program in Rust, which needs no crate: build.rs queries pkg-config, and the functions are declared in the program."""

from __future__ import annotations

import shutil

from example_builds.commands import run
from example_builds.shapes import EXAMPLES, Build

HINT = "cargo is not installed (Debian: apt-get install cargo)"
TARGET = "x86_64-unknown-linux-gnu"


def build_with_cargo(build: Build) -> bool:
    """Build the program with cargo; return whether there is a cargo.

    The linker is zig for an older C library than that of this machine, else gcc.
    """
    cargo = shutil.which("cargo")
    if cargo is None:
        return False
    work = build.output / "cargo"
    work.mkdir()
    environment = {**build.environment, "CARGO_TARGET_DIR": str(work)}
    if build.shape.zig:
        linker = work / "linker"
        linker.write_text(f'#!/bin/sh\nexec {build.compiler} "$@"\n')
        linker.chmod(0o755)
        environment[f"CARGO_TARGET_{TARGET.upper().replace('-', '_')}_LINKER"] = str(linker)
    command = [cargo, "build", "--release", "--offline", "--locked", "--jobs", "2", "--target", TARGET]
    run(command, cwd=EXAMPLES / "rust", env=environment)
    shutil.copy2(work / TARGET / "release" / "thumbnail", build.output / "thumbnail-rust")
    shutil.rmtree(work)
    return True
