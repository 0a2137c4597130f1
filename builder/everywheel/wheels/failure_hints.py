"""Hints for failures of a build backend whose cause is known by the messages of compilers and build systems."""

from __future__ import annotations

import re

from everywheel.errors import BuildError

# Compilers that a build starts by their own names. They would compile for this machine, so PATH has none of them.
_COMPILER = r"(?:[\w.-]+-)?(?:gcc|g\+\+|clang|clang\+\+|cl|icx?|tcc)(?:-[\d.]+)?(?:\.exe)?"
_FOREIGN_COMPILER = re.compile(
    rf"No such file or directory: '(?P<python>{_COMPILER})'"
    rf"|(?:^|: )(?P<shell>{_COMPILER}): (?:command )?not found"
    rf"|^(?P<program>\S*\b{_COMPILER}): (?:fatal )?error: (?:cannot execute|unable to execute|unable to run)",
    re.MULTILINE,
)
_MISSING = re.compile(
    r"unable to find (?:dynamic|static) system library [\"'](?P<zig>[^\"']+)[\"']"
    r"|library not found for -l(?P<ld>\S+)"
    r"|fatal error: '(?P<header>[^']+\.h(?:h|pp)?)' file not found"
    r"|Dependency \"?(?P<meson>[^\" ]+)\"? not found"
    r"|C shared or static library '(?P<library>[^']+)' not found"
    r"|Could NOT find (?P<cmake>\w+)",
)


def explain_failure(error: BuildError) -> None:
    """Add a hint to an error of a build backend that has none, if the quoted output shows the cause."""
    if error.hint is not None:
        return
    output = "\n".join(error.excerpt)
    if compiler := _FOREIGN_COMPILER.search(output):
        error.hint = (
            f"the build starts the compiler '{_name(compiler)}' by its own name, which is that of this machine: it must use "
            "the compiler of the target, which $CC, $CXX and $LDSHARED name, as does Python's `sysconfig`"
        )
    elif missing := _MISSING.search(output):
        error.hint = (
            f"'{_name(missing)}' is not among the libraries of the target: name its recipe in `requires`; `everywheel recipes "
            "search` finds recipes"
        )


def _name(match: re.Match[str]) -> str:
    return next(text for text in match.groups() if text)
