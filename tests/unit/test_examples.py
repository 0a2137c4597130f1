"""examples/build_examples.py: errors about SDKs and Go that it cannot use."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from everywheel.toolchains.build_tools import Tools
from example_builds.commands import ExampleError
from example_builds.go_programs import find_go
from example_builds.runs import choose_runner
from example_builds.rust_program import build_with_cargo
from example_builds.sdks import check_sdk, find_sdk
from example_builds.shapes import SHAPES, Build

NONE = Path("/nonexistent")
TOOLS = Tools(bin=NONE, python=NONE, zig=NONE, cmake=NONE, ninja=NONE, pkgconf=NONE, patchelf=NONE)


def write_go(folder: Path, version: str) -> None:
    program = folder / "go"
    program.write_text(f"#!/bin/sh\necho go version {version} linux/amd64\n")
    program.chmod(0o755)


def test_an_sdk_for_another_target(tmp_path: Path) -> None:
    (tmp_path / "sdk.json").write_text(json.dumps({"target": "musllinux_1_2_aarch64"}))

    with pytest.raises(ExampleError) as error:
        check_sdk(tmp_path, "musllinux_1_2_x86_64")

    assert str(error.value) == (
        f"the SDK in {tmp_path} is for musllinux_1_2_aarch64, not for musllinux_1_2_x86_64. "
        "Build one: everywheel sdk libvips -t musllinux_1_2_x86_64"
    )


def test_a_folder_that_is_not_an_sdk(tmp_path: Path) -> None:
    with pytest.raises(ExampleError) as error:
        check_sdk(tmp_path, "musllinux_1_2_x86_64")

    assert str(error.value) == (
        f"{tmp_path} is not an SDK: it has no sdk.json. Pass the folder that the archive contains"
    )


def test_an_sdk_without_a_static_archive(tmp_path: Path) -> None:
    manifest = {"target": "musllinux_1_2_x86_64", "files": {"lib/static/libexpat.a": {"size": 1, "sha256": "0"}}}
    (tmp_path / "sdk.json").write_text(json.dumps(manifest))

    with pytest.raises(ExampleError) as error:
        check_sdk(tmp_path, "musllinux_1_2_x86_64")

    assert str(error.value) == (
        f"the SDK in {tmp_path} is not complete: lib/static/libexpat.a is missing. Unpack its archive again"
    )


def test_an_sdk_in_a_folder_is_found_by_its_target(tmp_path: Path) -> None:
    for target in ("musllinux_1_2_x86_64", "win_amd64"):
        (tmp_path / target).mkdir()
        (tmp_path / target / "sdk.json").write_text(json.dumps({"target": target}))

    assert find_sdk(tmp_path, "win_amd64") == tmp_path / "win_amd64"


def test_a_program_for_another_processor_needs_the_folder_of_its_c_library(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("qemu-riscv64-static", "qemu-aarch64-static"):
        (tmp_path / name).touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("QEMU_LD_PREFIX", str(tmp_path))
    shape = replace(SHAPES["folder-arm64"], zig="riscv64-linux-gnu.2.27", arch="riscv64")
    build = Build(shape=shape, sdk=tmp_path, output=tmp_path, tools=TOOLS, environment={})

    with pytest.raises(ExampleError) as error:
        choose_runner(build)

    assert str(error.value) == (
        "it needs the C library of riscv64: QEMU_LD_PREFIX names the folder of a system "
        "(Debian: apt-get install libc6-riscv64-cross)"
    )
    (tmp_path / "lib").mkdir()
    assert choose_runner(build) == ["qemu-riscv64-static", "-L", str(tmp_path)]


def test_go_is_missing_or_too_old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(ExampleError, match=r"^the example server needs Go 1\.24 or newer \(Debian: "):
        find_go()

    write_go(tmp_path, "go1.19.8")
    with pytest.raises(ExampleError, match=r"^Go is too old: go version go1\.19\.8 linux/amd64, but 1\.24 "):
        find_go()

    write_go(tmp_path, "go1.24rc1")
    assert find_go() == tmp_path / "go"


def test_without_cargo_the_program_in_rust_is_not_built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    build = Build(shape=SHAPES["gcc-amd64"], sdk=tmp_path, output=tmp_path, tools=TOOLS, environment={})

    assert build_with_cargo(build) == "cargo is not installed (Debian: apt-get install cargo)"
    assert list(tmp_path.iterdir()) == []


def test_a_rust_without_the_standard_library_of_the_target_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message is that of rustc 1.63 and 1.95."""
    script = "#!/bin/sh\ncat <<'END'\nerror[E0463]: can't find crate for `std`\nEND\nexit 101\n"
    (tmp_path / "cargo").write_text(script)
    (tmp_path / "cargo").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    (tmp_path / "output").mkdir()
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
    build = Build(
        shape=SHAPES["folder-arm64"], sdk=tmp_path, output=tmp_path / "output", tools=TOOLS, environment=environment
    )

    assert build_with_cargo(build) == (
        "Rust has no standard library for aarch64-unknown-linux-gnu (rustup target add aarch64-unknown-linux-gnu; for "
        "Debian's Rust, RUSTFLAGS=-L and its folder in the package libstd-rust-dev:arm64)"
    )
    assert list((tmp_path / "output").iterdir()) == []
