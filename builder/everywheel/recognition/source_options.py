"""The options of a native library's source, as its build files declare them, with their defaults.

Sources: CMake's commands `option`, `cmake_dependent_option` and `set(… CACHE …)`; Meson's `meson.options`; the help that
autoconf writes into a configure script; variables of a makefile that are assigned with `?=`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

_CMAKE_OPTION = re.compile(
    r'^[ \t]*(?:cmake_dependent_)?option\s*\(\s*(\w+)\s+"((?:[^"\\]|\\.)*)"\s*([^\s()]*)', re.MULTILINE | re.IGNORECASE
)
_CMAKE_CACHE = re.compile(
    r'^[ \t]*set\s*\(\s*(\w+)\s+("[^"\n]*"|[^\s()"]+)\s+CACHE\s+(BOOL|STRING)\s+"((?:[^"\\]|\\.)*)"', re.MULTILINE
)
_CMAKE_TESTS = re.compile(r"^[ \t]*include\s*\(\s*CTest\s*\)", re.MULTILINE | re.IGNORECASE)
_CMAKE_MINIMUM = re.compile(r"cmake_minimum_required\s*\(\s*VERSION\s+(?:[\d.]+\.\.\.)?(\d+)\.(\d+)", re.IGNORECASE)
_OLDEST_RULES = (3, 5)  # CMake 4 refuses older ones, https://cmake.org/cmake/help/latest/policy/CMP0000.html
_MESON_OPTION = re.compile(r"^[ \t]*option\s*\(\s*'([\w-]+)'", re.MULTILINE)
_MESON_TYPE = re.compile(r"\btype\s*:\s*'(\w+)'")
_MESON_VALUE = re.compile(r"\bvalue\s*:\s*('[^']*'|\[[^\[\]]*\]|\w+)")
_MESON_TEXT = re.compile(r"\bdescription\s*:\s*((?:'(?:[^'\\]|\\.)*'\s*\+?\s*)+)")
_HELP_BEGIN = re.compile(r"^Optional (?:Features|Packages):$", re.MULTILINE)
_HELP_END = re.compile(
    r"^(?:Optional (?:Features|Packages):$|Some influential environment variables:|_ACEOF)", re.MULTILINE
)
_HELP_OPTION = re.compile(
    r"^  --(enable|disable|with|without)-([\w+-]+)(\[?=\S*)?[ \t]*\n?[ \t]*(.*(?:\n {10,}.*)*)", re.M
)
_HELP_DEFAULT = re.compile(
    r"[\[(](?:default(?:\s+is)?[=:\s]\s*)?(yes|no|auto|enabled|disabled|on|off)[\])]", re.IGNORECASE
)
_DEFAULTS = {"enable": "no", "disable": "yes", "with": "", "without": "yes"}  # by what the help offers
_MAKE_VARIABLE = re.compile(r"^([A-Z][A-Z0-9_]*)\s*\?=[ \t]*(.*)$", re.MULTILINE)

# What each recipe sets, and what autoconf and libtool offer in every script.
_OF_EVERY_SOURCE = re.compile(
    r"BUILD_SHARED_LIBS|CMAKE_BUILD_TYPE|CMAKE_INSTALL_PREFIX|FEATURE|(with-)?(PACKAGE|aix-soname|gnu-ld|pic|sysroot)|shared|static"
    r"|dependency-tracking|fast-install|libtool-lock|maintainer-mode|option-checking|silent-rules|with-lib(iconv|intl)-prefix"
    r"|AR|CC|CFLAGS|CPPFLAGS|CXX|CXXFLAGS|DESTDIR|LD|LDFLAGS|LDLIBS|PREFIX|RANLIB"
)
# Parts of names of options for what no wheel contains.
_PART = re.compile(
    r"apps?|apidocs?|bench(mark(s|ing)?)?|binaries|bindings|cli|demos?|docs?|documentation|doxygen|examples?|executables?"
    r"|fuzz(ers?|ing)?|gtk|introspection|java|man|manpages?|manuals?|nls|perl|programs?|python|samples?|(unit)?tests?|testing"
    r"|tools?|util(s|ities)"
)
_NEGATIONS = frozenset(("disable", "no", "skip", "without"))
_LONGEST = 90  # characters of a description
_OFF = frozenset(("0", "disable", "disabled", "false", "no", "off"))


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceOption:
    """One option: its name and its default as a recipe writes them, and upstream's description.

    `default` is empty where the build computes it. `is_switch` is whether `enable` and `disable` of a recipe take the name;
    `options` takes all others.
    """

    name: str
    default: str = ""
    summary: str = ""
    is_switch: bool = True

    @property
    def is_off(self) -> bool:
        return self.default.casefold() in _OFF

    @property
    def is_extra(self) -> bool:
        """True for tests, programs, documentation and the like, which no wheel contains."""
        return self._names_part() and not self._split() & _NEGATIONS

    @property
    def is_against_extra(self) -> bool:
        """True for a switch that leaves such a part out: `WITHOUT_TESTS`."""
        return self._names_part() and bool(self._split() & _NEGATIONS)

    def _names_part(self) -> bool:
        return any(_PART.fullmatch(part) for part in self._split())

    def _split(self) -> set[str]:
        return set(re.split(r"[_-]", self.name.casefold()))


def list_options(system: str, texts: Mapping[str, str], build_file: str) -> tuple[SourceOption, ...]:
    """Return the options of a source by the texts of its build files, by name; `build_file` is the main one."""
    folder = build_file.rpartition("/")[0]
    main = texts.get(build_file, "")
    match system:
        case "cmake":
            options = _list_cmake(text for name, text in texts.items() if not name.endswith("meson.build"))
        case "meson":
            names = [f"{folder}/{name}".lstrip("/") for name in ("meson.options", "meson_options.txt")]
            options = _list_meson(next((texts[name] for name in names if name in texts), ""))
        case "autotools":
            options = _list_autoconf(main)
        case "make":
            options = (
                SourceOption(name=name, default=value.strip(), is_switch=False)
                for name, value in _MAKE_VARIABLE.findall(main)
            )
        case _:
            options = iter(())
    named: dict[str, SourceOption] = {}
    for option in options:
        if not _OF_EVERY_SOURCE.fullmatch(option.name):
            named.setdefault(option.name, option)
    return tuple(named.values())


def needs_newer_rules(text: str) -> bool:
    """Return whether a CMakeLists.txt requests rules of a version that the present CMake does not have any more."""
    match = _CMAKE_MINIMUM.search(text)
    return match is not None and (int(match[1]), int(match[2])) < _OLDEST_RULES


def _list_cmake(texts: Iterable[str]) -> Iterator[SourceOption]:
    for text in texts:
        for name, summary, default in _CMAKE_OPTION.findall(text):
            value = "" if "$" in default else default.strip('"').upper() or "OFF"
            yield SourceOption(name=name, default=value, summary=_shorten(summary))
        for name, default, kind, summary in _CMAKE_CACHE.findall(text):
            value = "" if "$" in default else default.strip('"')
            yield SourceOption(name=name, default=value, summary=_shorten(summary), is_switch=kind == "BOOL")
        if _CMAKE_TESTS.search(text):
            yield SourceOption(name="BUILD_TESTING", default="ON", summary="Build the testing tree")


def _list_meson(text: str) -> Iterator[SourceOption]:
    without_comments = re.sub(r"('(?:[^'\\\n]|\\.)*')|#[^\n]*", lambda match: match[1] or "", text)
    parts = _MESON_OPTION.split(without_comments)
    for name, arguments in zip(parts[1::2], parts[2::2], strict=True):
        kind, value = _MESON_TYPE.search(arguments), _MESON_VALUE.search(arguments)
        description = _MESON_TEXT.search(arguments)
        is_feature, is_boolean = (kind is not None and kind[1] == name for name in ("feature", "boolean"))
        yield SourceOption(
            name=name,
            default=value[1].strip("'") if value else "auto" if is_feature else "true" if is_boolean else "",
            summary=_shorten("".join(re.findall(r"'((?:[^'\\]|\\.)*)'", description[1]))) if description else "",
            is_switch=is_feature,
        )


def _list_autoconf(script: str) -> Iterator[SourceOption]:
    for begin in _HELP_BEGIN.finditer(script):
        end = _HELP_END.search(script, begin.end())
        for kind, name, value, text in _HELP_OPTION.findall(script[begin.end() : end.start() if end else len(script)]):
            stated = _HELP_DEFAULT.search(text)
            default = stated[1].casefold() if stated else _DEFAULTS[kind]
            yield SourceOption(
                name=f"with-{name}" if kind.startswith("with") else name,
                default={"enabled": "yes", "on": "yes", "disabled": "no", "off": "no"}.get(default, default),
                summary=_shorten(text),
                is_switch="=" not in value or kind.startswith("with"),
            )


def _shorten(text: str) -> str:
    """Return a description as one line."""
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1].rstrip()}…"
