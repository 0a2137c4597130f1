"""The source of a native library as its files describe it: build system, license and products, for the draft of a recipe."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

from everywheel.config.text_rules import FILE_NAME, PATH
from everywheel.errors import UsageError, count_noun
from everywheel.execution.input_files import ListedFile, UnusableFile, list_files, read_file
from everywheel.recognition.build_files import read_cmake, read_meson
from everywheel.recognition.evidence import LIBRARY_KINDS, Evidence, SourceText
from everywheel.recognition.source_options import SourceOption, list_options, needs_newer_rules

_LARGEST_FILE = 4 << 20  # bytes
_SHOWN = 5  # folders in one line of an error
_SYSTEMS = {"meson.build": "meson", "CMakeLists.txt": "cmake"}
_OPTION_FILES = frozenset(("meson.options", "meson_options.txt"))
_MAKEFILES = frozenset(("GNUmakefile", "Makefile", "makefile"))
_MESON_PROJECT = re.compile(r"^[ \t]*project\s*\(", re.MULTILINE)
_CMAKE_PROJECT = re.compile(r"^[ \t]*project\s*\(", re.MULTILINE | re.IGNORECASE)
_MESON_LIBRARY = re.compile(r"\b(?:shared_|static_|both_)?(?:library|libraries)\s*\(\s*'([\w.+-]+)'")
_CMAKE_LIBRARY = re.compile(
    r"^[ \t]*add_library\s*\(\s*([\w.+-]+)(?![\w.+:-]|\s+(?:ALIAS|INTERFACE|OBJECT|MODULE)\b)", re.MULTILINE
)
_CMAKE_DOWNLOAD = re.compile(
    r"^[ \t]*(FetchContent_Declare|ExternalProject_Add|file(?=[ \t]*\(\s*DOWNLOAD\b))[ \t]*\(\s*([\w.+-]+)",
    re.MULTILINE | re.IGNORECASE,
)
_MESON_LICENSE = re.compile(r"\blicense\s*:\s*(?:\[\s*)?'([^'\n]+)'")
_PKGCONFIG_TEMPLATE = re.compile(r"(.+)\.pc(?:\.in|\.cmake|\.cmakein)+")
_MESON_FILEBASE = re.compile(r"\bfilebase\s*:\s*'([\w.+-]+)'")
_LICENSE_FILE = re.compile(r"(licen[cs]e|copying|copyright)([._-].*)?", re.IGNORECASE)
_NOT_BUILT = frozenset(
    (
        "test",
        "tests",
        "example",
        "examples",
        "doc",
        "docs",
        "contrib",
        "third_party",
        "third-party",
        "fuzz",
        "subprojects",
    )
)
# Phrases that occur in the text of only one license; the first match counts.
_LICENSE_TEXTS = (
    ("Apache License, Version 2.0", "Apache-2.0"),
    ("Apache License Version 2.0", "Apache-2.0"),
    ("Mozilla Public License Version 2.0", "MPL-2.0"),
    ("Boost Software License - Version 1.0", "BSL-1.0"),
    ("GNU LESSER GENERAL PUBLIC LICENSE Version 3", "LGPL-3.0-or-later"),
    ("GNU LESSER GENERAL PUBLIC LICENSE Version 2.1", "LGPL-2.1-or-later"),
    ("GNU GENERAL PUBLIC LICENSE Version 3", "GPL-3.0-or-later"),
    ("GNU GENERAL PUBLIC LICENSE Version 2", "GPL-2.0-or-later"),
    ("provided that the above copyright notice and this permission notice appear in all copies", "ISC"),
    ("Permission to use, copy, modify, and/or distribute", "0BSD"),
    ("provided 'as-is', without any express or implied warranty", "Zlib"),
    ("Permission is hereby granted, free of charge", "MIT"),
    ("endorse or promote products derived", "BSD-3-Clause"),
    ("Redistributions in binary form must reproduce", "BSD-2-Clause"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LibrarySource:
    """The recognized facts; texts are empty and tuples have no items where nothing was recognized.

    `system` is `meson`, `cmake`, `autotools` or `make`, and `subdir` the directory of its build file. `license` is an SPDX
    expression. `options` are those of the build with their defaults, `wanted` the libraries that its build files look for, and
    `has_old_rules` is whether CMake refuses the source without a newer policy. `downloads` are the commands of CMake that
    download other sources, with their locations.
    """

    system: str
    subdir: str
    license: str
    license_files: tuple[str, ...]
    libraries: tuple[str, ...]
    pkgconfig: tuple[str, ...]
    options: tuple[SourceOption, ...] = ()
    wanted: tuple[Evidence, ...] = ()
    has_old_rules: bool = False
    downloads: tuple[str, ...] = ()


def recognize_library(root: Path, name: str) -> LibrarySource:
    """Read the build files and license texts of an unpacked source; `name` is that of the recipe.

    Raises UsageError for files that cannot be listed, and for an archive of several folders, of which each may be the source.
    """
    try:
        files = list_files(root, exclude=lambda path: path.name.lower() in _NOT_BUILT or path.name.startswith("."))
    except UnusableFile as error:
        reason = str(error).replace(f"{root}/", "")  # the folder is a temporary one
        raise UsageError(f"the source cannot be read: {reason}", hint="use another archive of the library") from None
    _check_one_source(root, files)
    files = [file for file in files if PATH.accepts(file.name)]  # a recipe cannot name others
    texts = {file.name: _read(file) for file in files if file.path.name in _SYSTEMS or file.path.suffix == ".cmake"}
    build_file = _find_build_file(texts)
    system = _SYSTEMS.get(build_file.rpartition("/")[2], "")
    if not system:
        system, build_file = _find_make_build(files)
    switches = {file.name: _read(file) for file in files if file.path.name in _OPTION_FILES or file.name == build_file}
    pkgconfig = tuple(_list_pkgconfig(files, texts, system))
    subdir = build_file.rpartition("/")[0]
    licenses = _find_licenses(files, subdir)
    stated = _MESON_LICENSE.search(texts[build_file]) if system == "meson" else None
    return LibrarySource(
        system=system,
        subdir=subdir,
        license=(_check_license(stated[1]) if stated else "") or _recognize_license([_read(file) for file in licenses]),
        license_files=tuple(file.name for file in licenses),
        libraries=_list_libraries(texts, system, name, pkgconfig),
        pkgconfig=pkgconfig,
        options=list_options(system, {**texts, **switches}, build_file),
        wanted=tuple(_list_wanted(texts, system, {name, *pkgconfig, *_list_defined(texts, system)})),
        has_old_rules=system == "cmake" and needs_newer_rules(texts[build_file]),
        downloads=tuple(_list_downloads(texts)) if system == "cmake" else (),
    )


def _check_one_source(root: Path, files: Sequence[ListedFile]) -> None:
    """Raise UsageError for a source that consists of several folders: nothing states which of them is the library."""
    folders = sorted(path.name for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))
    if len(folders) > 1 and not any("/" not in file.name for file in files):
        further = f" and {count_noun(len(folders) - _SHOWN, 'other')}" if len(folders) > _SHOWN else ""
        raise UsageError(
            f"the archive has {len(folders)} folders, and no file next to them",
            details={"folders": f"{', '.join(folders[:_SHOWN])}{further}"},
            hint="use upstream's archive of the library itself, or write the recipe with `subdir` in [build]",
        )


def _find_make_build(files: Sequence[ListedFile]) -> tuple[str, str]:
    """Return `autotools` or `make` and the build file of a source without Meson and CMake, or two empty texts.

    A file `configure` is a script of autoconf if it names autoconf; others have options of their own, which a recipe states.
    """
    files = sorted(files, key=lambda file: (file.name.count("/"), file.name))
    scripts = [file for file in files if file.path.name == "configure"]
    if generated := next((file for file in scripts if "Generated by GNU Autoconf" in _read(file)), None):
        return "autotools", generated.name
    makefile = next((file for file in files if file.path.name in _MAKEFILES), None)
    return ("make", makefile.name) if makefile is not None else ("", "")


def _read(file: ListedFile) -> str:
    """Return the text of a file, empty if it is too large; old sources have characters that are not in UTF-8."""
    try:
        return read_file(file.path, _LARGEST_FILE).decode(errors="replace")
    except (UnusableFile, FileNotFoundError):
        return ""


def _find_build_file(texts: dict[str, str]) -> str:
    """Return the build file that defines the project: the one nearest to the root, of Meson if there are both."""
    patterns = {"meson": _MESON_PROJECT, "cmake": _CMAKE_PROJECT}
    names = [
        name
        for name, text in texts.items()
        if (system := _SYSTEMS.get(name.rpartition("/")[2])) and patterns[system].search(text)
    ]
    return min(names, key=lambda name: (name.count("/"), not name.endswith("meson.build"), name), default="")


def _find_licenses(files: Sequence[ListedFile], subdir: str) -> list[ListedFile]:
    """Return the license files at the top of a source, else in the first folder on the path to `subdir` that has any."""
    named = sorted((file for file in files if _LICENSE_FILE.fullmatch(file.path.name)), key=lambda file: file.name)
    folders = [parent.as_posix() for parent in reversed((PurePosixPath(subdir) / "file").parents)]
    licenses = ([file for file in named if PurePosixPath(file.name).parent.as_posix() == folder] for folder in folders)
    return next(filter(None, licenses), [])


def _check_license(stated: str) -> str:
    """Return the license that a build file states as an SPDX expression, empty if it is none, such as `Public Domain`."""
    try:
        return str(canonicalize_license_expression(stated))
    except InvalidLicenseExpression:
        return ""


def _recognize_license(texts: Sequence[str]) -> str:
    for text in (" ".join(text.split()) for text in texts):
        for phrase, license in _LICENSE_TEXTS:
            if phrase in text:
                return license
    return ""


def _list_wanted(texts: dict[str, str], system: str, own: Set[str]) -> Iterator[Evidence]:
    """Yield the libraries that the build files of Meson or CMake look for, but for those that the source itself builds."""
    if system not in _SYSTEMS.values():
        return
    read = read_meson if system == "meson" else read_cmake
    for name, text in _select_texts(texts, system):
        for item in read(SourceText(name=name, text=text)):
            if item.kind in LIBRARY_KINDS and item.name not in own:
                yield item


def _list_downloads(texts: dict[str, str]) -> Iterator[str]:
    for name, text in _select_texts(texts, "cmake"):
        for call in _CMAKE_DOWNLOAD.finditer(text):
            yield f"{name}:{text.count(chr(10), 0, call.start()) + 1} {call[1]}({call[2]})"


def _select_texts(texts: dict[str, str], system: str) -> Iterator[tuple[str, str]]:
    """Yield the names and texts of the build files of Meson, or all others."""
    return ((name, text) for name, text in texts.items() if name.endswith("meson.build") == (system == "meson"))


def _list_defined(texts: dict[str, str], system: str) -> dict[str, None]:
    """Return the libraries that build files define, in their order."""
    pattern = _MESON_LIBRARY if system == "meson" else _CMAKE_LIBRARY
    return dict.fromkeys(library for _, text in _select_texts(texts, system) for library in pattern.findall(text))


def _list_libraries(texts: dict[str, str], system: str, name: str, pkgconfig: Sequence[str]) -> tuple[str, ...]:
    """Return the libraries of the build files that are named like a pkg-config file, else like the recipe; else its name."""
    stem = name.casefold().removeprefix("lib") or name
    # `foo_static` and `foo_shared` of CMake are usually one library.
    defined = (re.sub(r"[_-]?(static|shared)$", "", library) for library in _list_defined(texts, system))
    names = dict.fromkeys(library.removeprefix("lib") or library for library in defined if FILE_NAME.accepts(library))
    packages = {package.removeprefix("lib") for package in pkgconfig}
    described = tuple(library for library in names if library in packages)
    alike = tuple(library for library in names if stem in library.casefold())
    return described or alike or (tuple(names) if len(names) == 1 else (stem,))


def _list_pkgconfig(files: Sequence[ListedFile], texts: dict[str, str], system: str) -> Iterator[str]:
    names = dict.fromkeys(match[1] for file in files if (match := _PKGCONFIG_TEMPLATE.fullmatch(file.path.name)))
    if not names and system == "meson":
        names = dict.fromkeys(name for text in texts.values() for name in _MESON_FILEBASE.findall(text))
    yield from filter(FILE_NAME.accepts, names)
