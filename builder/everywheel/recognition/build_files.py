"""Build files of Meson and CMake: the calls that define extension modules and find libraries."""

from __future__ import annotations

import re
from collections.abc import Iterator

from everywheel.recognition.evidence import Evidence, Kind, SourceText, format_tag, list_linked

_STRING = re.compile(r"'([^'\\\n]*)'")
_MESON_CALL = re.compile(r"\b(extension_module|dependency|find_library)\s*\(")
_MESON_NAMES = re.compile(r"\s*(?:'[^'\\\n]*'\s*,?\s*)+")
_MESON_LIMITED_API = re.compile(r"\blimited_api\s*:\s*'([^'\n]*)'")
_CMAKE_CALL = re.compile(r"^[ \t]*(\w+)\s*\(([^()]*)\)", re.MULTILINE)
_CMAKE_MODULES = {
    "python_add_library",
    "python3_add_library",
    "python_add_extension_module",
    "python_extension_module",
    "pybind11_add_module",
    "nanobind_add_module",
}
_CMAKE_SEARCHES = ("find_package", "pkg_check_modules", "pkg_search_module")
_CMAKE_WORDS = frozenset(
    ("REQUIRED", "QUIET", "IMPORTED_TARGET", "GLOBAL", "NO_CMAKE_PATH", "NO_CMAKE_ENVIRONMENT_PATH")
)
_MESON_OPTIONAL = re.compile(r"\brequired\s*:\s*false\b|\bfallback\s*:")
_VERSION = re.compile(r"\s*[<>=]+\s*\S*")


def read_meson(source: SourceText) -> Iterator[Evidence]:
    """Yield the modules and dependencies of a meson.build."""
    text = _remove_comments(source.text)
    for call in _MESON_CALL.finditer(text):
        names = _MESON_NAMES.match(text, call.end())
        arguments = text[call.end() : _find_end(text, call.end())]
        for name in _STRING.findall(names[0]) if names else ():
            if call[1] == "extension_module":
                yield source.find(Kind.MODULE, name, call.start())
                for version in _MESON_LIMITED_API.findall(arguments):
                    yield source.find(Kind.LIMITED_API, format_tag(version), call.start())
                break  # further strings are source files
            kind = Kind.PKG_CONFIG if call[1] == "dependency" else Kind.LIBRARY
            is_optional = _MESON_OPTIONAL.search(arguments) is not None
            yield source.find(kind, name, call.start(), is_optional=is_optional)


def _remove_comments(text: str) -> str:
    """Replace comments by spaces, so that offsets stay; a `#` between quotes begins none."""
    return re.sub(r"""('[^'\n]*'|"[^"\n]*")|#[^\n]*""", lambda match: match[1] or " " * len(match[0]), text)


def _find_end(text: str, start: int) -> int:
    """Return the offset of the parenthesis that closes the one before `start`, or the end of the text."""
    depth = 1
    for parenthesis in re.finditer(r"'[^'\n]*'|[()]", text[start:]):
        depth += {"(": 1, ")": -1}.get(parenthesis[0], 0)
        if depth == 0:
            return start + parenthesis.start()
    return len(text)


def read_cmake(source: SourceText) -> Iterator[Evidence]:
    """Yield the modules and packages of a CMakeLists.txt."""
    variables: dict[str, str] = {}
    for call in _CMAKE_CALL.finditer(_remove_comments(source.text)):
        command, arguments = call[1].lower(), call[2].replace('"', "").split()
        if not arguments:
            continue
        if command == "set" and len(arguments) == 2:
            variables[f"${{{arguments[0]}}}"] = arguments[1]
        arguments = [variables.get(argument, argument) for argument in arguments]
        is_optional = command in _CMAKE_SEARCHES and "REQUIRED" not in arguments
        for kind, name in _read_cmake_call(command, arguments):
            name = "…" if kind is Kind.MODULE and "$" in name else name
            yield source.find(kind, name, call.start(1), is_optional=is_optional)


def _read_cmake_call(command: str, arguments: list[str]) -> Iterator[tuple[Kind, str]]:
    if command in _CMAKE_MODULES or (command == "add_library" and "MODULE" in arguments):
        yield Kind.MODULE, arguments[0]
        if "STABLE_ABI" in arguments:
            yield Kind.LIMITED_API, "cp312"  # the oldest one that nanobind's stable ABI supports
        if "USE_SABI" in arguments[:-1]:
            yield Kind.LIMITED_API, format_tag(arguments[arguments.index("USE_SABI") + 1])
    elif command in _CMAKE_SEARCHES[1:]:
        for name in _VERSION.sub("", " ".join(arguments[1:])).split():
            if name not in _CMAKE_WORDS and "$" not in name:
                yield Kind.PKG_CONFIG, name
    elif command == "find_package" and "$" not in arguments[0]:
        yield Kind.CMAKE_PACKAGE, arguments[0]
    elif command == "target_link_libraries":
        for name in list_linked(arguments):
            yield Kind.LIBRARY, name
