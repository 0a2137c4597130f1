"""Which files of an extension are sources: all except folders that tools have written, recognized by their content."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest
from everywheel.config.extension_tree import digest_tree, extension_files


def write(folder: Path, *names: str, text: str = "") -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def list_names(folder: Path) -> Iterable[str]:
    return [file.name for file in extension_files(folder)]


def test_packages_with_names_of_outputs_and_hidden_files_are_sources(tmp_path: Path) -> None:
    names = [
        ".config/hidden.txt",
        "build/__init__.py",
        "build/lib/code.py",
        "dist/demo.tar.gz.py",
        "node_modules/a.js",
        "pkg/.data",
        "pkg/build/meson-private/x",
        "pkg/dist/a.whl",
        "wheelhouse/README",
    ]

    assert list_names(write(tmp_path, *names)) == names


@pytest.mark.parametrize(
    "names",
    [
        (".git/HEAD",),
        ("sub/.git",),
        ("sub/__pycache__/a.pyc",),
        ("env/pyvenv.cfg", "env/bin/python"),
        ("sub/cache/CACHEDIR.TAG", "sub/cache/a"),
        ("build/meson-private/a", "build/a.o"),
        ("out/cp311/CMakeCache.txt",),
        ("build/lib.linux-x86_64-cpython-311/a.so", "build/temp.linux-x86_64-cpython-311/a.o"),
        ("wheelhouse/a-1.0-py3-none-any.whl", "wheelhouse/zig-static/a-1.0-py3-none-any.whl"),
        ("dist/a-1.0.tar.gz",),
        ("node_modules/.package-lock.json", "node_modules/a/index.js"),
        ("src/demo.egg-info/PKG-INFO", "src/demo.egg-info/SOURCES.txt"),
    ],
    ids=lambda names: names[0],
)
def test_a_folder_that_a_tool_has_written_is_not_a_source(names: tuple[str, ...], tmp_path: Path) -> None:
    before = digest_tree(write(tmp_path, "a.c"))

    assert list_names(write(tmp_path, *names)) == ["a.c"]
    assert digest_tree(tmp_path) == before


def test_a_folder_that_excludes_all_of_itself_from_version_control_is_not_a_source(tmp_path: Path) -> None:
    write(tmp_path, "cache/.gitignore", text="# written by a tool\n*\n")
    write(tmp_path, "data/.gitignore", text="*\n!.gitignore\n")
    write(tmp_path, "cache/a", "data/b")

    assert list_names(tmp_path) == ["data/.gitignore", "data/b"]


def test_the_list_of_files_in_an_sdist_is_a_source(tmp_path: Path) -> None:
    write(tmp_path, "PKG-INFO", "demo.egg-info/PKG-INFO", "demo.egg-info/SOURCES.txt")

    assert list_names(tmp_path) == ["PKG-INFO", "demo.egg-info/PKG-INFO", "demo.egg-info/SOURCES.txt"]
