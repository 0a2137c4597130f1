"""examples/build.py: errors about SDKs and Go that it cannot use."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture(scope="module")
def build() -> Iterator[ModuleType]:
    """The module examples/build.py."""
    spec = importlib.util.spec_from_file_location("build_examples", EXAMPLES / "build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


def write_go(folder: Path, version: str) -> None:
    program = folder / "go"
    program.write_text(f"#!/bin/sh\necho go version {version} linux/amd64\n")
    program.chmod(0o755)


def test_an_sdk_for_another_target(build: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "sdk.json").write_text(json.dumps({"target": "musllinux_1_2_aarch64"}))

    with pytest.raises(build.ExampleError) as error:
        build.check_sdk(tmp_path, "musllinux_1_2_x86_64")

    assert str(error.value) == (
        f"the SDK in {tmp_path} is for musllinux_1_2_aarch64, not for musllinux_1_2_x86_64. "
        "Build one: everywheel sdk libvips -t musllinux_1_2_x86_64"
    )


def test_a_folder_that_is_not_an_sdk(build: ModuleType, tmp_path: Path) -> None:
    with pytest.raises(build.ExampleError) as error:
        build.check_sdk(tmp_path, "musllinux_1_2_x86_64")

    assert str(error.value) == (
        f"{tmp_path} is not an SDK: it has no sdk.json. Pass the folder that the archive contains"
    )


def test_an_sdk_without_a_static_archive(build: ModuleType, tmp_path: Path) -> None:
    manifest = {"target": "musllinux_1_2_x86_64", "files": {"lib/static/libexpat.a": {"size": 1, "sha256": "0"}}}
    (tmp_path / "sdk.json").write_text(json.dumps(manifest))

    with pytest.raises(build.ExampleError) as error:
        build.check_sdk(tmp_path, "musllinux_1_2_x86_64")

    assert str(error.value) == (
        f"the SDK in {tmp_path} is not complete: lib/static/libexpat.a is missing. Unpack its archive again"
    )


def test_an_sdk_in_a_folder_is_found_by_its_target(build: ModuleType, tmp_path: Path) -> None:
    for target in ("musllinux_1_2_x86_64", "win_amd64"):
        (tmp_path / target).mkdir()
        (tmp_path / target / "sdk.json").write_text(json.dumps({"target": target}))

    assert build.find_sdk(tmp_path, "win_amd64") == tmp_path / "win_amd64"


def test_go_is_missing_or_too_old(build: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(build.ExampleError, match=r"^the example server needs Go 1\.24 or newer \(Debian: "):
        build.find_go()

    write_go(tmp_path, "go1.19.8")
    with pytest.raises(build.ExampleError, match=r"^Go is too old: go version go1\.19\.8 linux/amd64, but 1\.24 "):
        build.find_go()

    write_go(tmp_path, "go1.24rc1")
    assert build.find_go() == tmp_path / "go"
