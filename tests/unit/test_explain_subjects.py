"""`everywheel explain` of each kind of subject: files of three systems, wheels, folders, installed packages, an index."""

from __future__ import annotations

import hashlib
import json
import platform
import shutil
import sys
import zipfile
from pathlib import Path

import pytest
from click.testing import CliRunner
from everywheel.cli.main import main
from test_malformed_binaries import make_exports, make_macho, make_pe

capstone = pytest.importorskip("capstone", reason="requires the extra `explain`")

LIBRARY = Path(capstone.__path__[0], "lib", "libcapstone.so")
# Of the library of a wheel for manylinux2014: it was linked with glibc 2.14 or newer.
FACTS = "Linux, x86_64, glibc: glibc {} or newer; processor: any x86-64"
CAUSE = "      GLIBC_2.14      libcapstone.so: memcpy\n"
OLDER = "Oracle Linux 6       does not: needs GLIBC_2.14 (memcpy in libcapstone.so); Oracle Linux 6 has 2.12"
TAG = "cp311-cp311-manylinux2014_x86_64"

on_x86_64_linux = pytest.mark.skipif(
    sys.platform != "linux" or platform.machine() != "x86_64", reason="requires capstone's library for Linux x86-64"
)


def explain(*args: str | Path, **variables: str) -> str:
    result = CliRunner().invoke(main, ["explain", *map(str, args)], env=variables)
    assert result.exit_code == 0, result.output
    return result.output


def write_wheel(folder: Path) -> Path:
    """Write a wheel of the project demo with the library as its only module."""
    path = folder / f"demo-1.0-{TAG}.whl"
    info = "demo-1.0.dist-info"
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.write(LIBRARY, "demo/libcapstone.so")
        wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: demo\nVersion: 1.0\n")
        wheel.writestr(f"{info}/WHEEL", f"Wheel-Version: 1.0\nRoot-Is-Purelib: false\nTag: {TAG}\n")
        wheel.writestr(f"{info}/RECORD", "")
    return path


def write_index(folder: Path) -> str:
    """Write a package index with the wheel, and return its address."""
    page = folder / "simple" / "demo"
    page.mkdir(parents=True)
    wheel = write_wheel(page)
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    (page / "index.html").write_text(
        f'<!DOCTYPE html><body><a href="{wheel.name}#sha256={digest}">{wheel.name}</a></body>'
    )
    return (folder / "simple").as_uri()


@on_x86_64_linux
@pytest.mark.parametrize("kind", ["file", "wheel", "folder", "installed package", "index"])
def test_a_file_is_explained_in_every_kind_of_subject(kind: str, tmp_path: Path) -> None:
    subject: str | Path = LIBRARY
    variables = {}
    if kind == "wheel":
        subject = write_wheel(tmp_path)
    elif kind == "folder":
        shutil.copyfile(LIBRARY, tmp_path / LIBRARY.name)
        subject = tmp_path
    elif kind == "installed package":
        subject = "capstone"
    elif kind == "index":
        subject, variables = "demo==1.0", {"PIP_INDEX_URL": write_index(tmp_path), "PIP_FIND_LINKS": ""}

    output = explain(subject, **variables)

    is_wheel = kind in ("wheel", "index")
    assert FACTS.format("2.17" if is_wheel else "2.14") in output  # that of the tag, if there is one
    assert CAUSE in output
    assert is_wheel or OLDER in output
    assert "Alpine               does not: needs glibc; Alpine has musl" in output


@on_x86_64_linux
def test_the_options_show_what_to_change_and_what_takes_the_space(tmp_path: Path) -> None:
    assert (
        "    libcapstone.so: memcpy: relink for an older target: glibc has an older version of it (2.2.5)\n"
        in explain("--lower", LIBRARY)
    )
    assert "  Parts of the ELF files:\n" in explain("--size", LIBRARY)
    assert "  Distributions:" not in explain("--short", LIBRARY)
    (document,) = json.loads(explain("--json", LIBRARY))
    assert document["platforms"][0]["arch"] == "x86_64"
    explain("--html", tmp_path / "page.html", LIBRARY)
    assert "GLIBC_2.14" in (tmp_path / "page.html").read_text()


def test_files_for_macos_and_windows_are_explained(tmp_path: Path) -> None:
    library, module = tmp_path / "libdemo.dylib", tmp_path / "demo.pyd"
    library.write_bytes(make_macho())
    module.write_bytes(make_pe(0, make_exports(1, b"demo.dll\0PyInit_demo\0Other.init\0", function=21, name=9)))

    assert "  macOS, arm64" in explain(library)
    assert "  Windows, amd64: Windows Vista or newer" in explain(module)


def test_a_message_is_explained_instead_of_a_file() -> None:
    output = explain("ImportError: /site/_demo.so: invalid ELF header")

    assert "_demo.so is not a file for Linux" in output
