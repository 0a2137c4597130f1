"""Failures of configure scripts, makefiles and CMake files whose cause is known by their messages."""

from __future__ import annotations

import re
from collections.abc import Sequence

from everywheel.errors import BuildError
from everywheel.libraries.installed_files import STAGE_HINT, describe_unstaged
from everywheel.toolchains.toolchain import PREFIX

_LINES = 12  # quoted from the end of a configure script's output
_RUNS_PROGRAM = re.compile(
    r"cannot run (?:test|C|C\+\+)[\w+ ]* ?(?:program|compiled programs?)?s? ?while cross.compiling"
    r"|configure: error: cannot run (?:C|C\+\+) compiled programs"
    r"|(?:conftest|a\.out)\S*: (?:Exec format error|cannot execute binary file|not found)"
    r"|-binfmt-P: Could not open",
    re.IGNORECASE,
)
_MISSING_PROGRAM = re.compile(
    r"(?:^|: )(?P<shell>[A-Za-z][\w+.-]*): (?:command )?not found$"
    r"|^make(?:\[\d+\])?: (?P<make>[A-Za-z][\w+.-]*): No such file or directory$"
    r"|^configure: error: (?:no|No) (?:acceptable|usable|suitable) (?P<acceptable>[\w+.-]+) could be found"
    r"|^configure: error:\s+(?P<required>[a-z][\w+.-]*) (?:is required|is needed|not found|is not installed|missing)",
    re.MULTILINE,
)
_PREFIX_WRITTEN = re.compile(
    rf"{re.escape(PREFIX)}(?=[/'\" :]|$).*: (?:Permission denied|Read-only file system)", re.MULTILINE
)
_DOWNLOADS = re.compile(
    r"FETCHCONTENT_FULLY_DISCONNECTED\s+is\s+set\s+to\s+true,\s+which\s+requires\s+the\s+source\s+directory\s+for\s+"
    r"dependency\s+(?P<name>[\w.+-]+)|^fatal: transport '\w+' not allowed"
    r"|(?:status_code: 7|DOWNLOAD|CMake Error)[^|]{0,400}?Could(?:n't| not) connect to server",
    re.MULTILINE,
)
_NO_INSTALL = re.compile(r"unknown target 'install'")
_CHECK = re.compile(r"^checking (?P<check>.+?)\.\.\.", re.MULTILINE)


def quote_end(output: str) -> Sequence[str]:
    """Return the last lines of a configure script's output: the check that failed is one of them."""
    return [line for line in output.splitlines() if line.strip()][-_LINES:]


def explain_make_failure(error: BuildError, label: str) -> None:
    """Replace fact and hint of an error of a configure script or of make, if the quoted output shows the cause."""
    output = "\n".join(error.excerpt)
    if _RUNS_PROGRAM.search(output):
        checks = _CHECK.findall(output)
        error.fact = f"{label}: the configure script runs a program of the target, which this machine must not run"
        error.details = {**({"check": checks[-1]} if checks else {}), **error.details}
        error.hint = (
            'write the answer into the recipe: `options = { ac_cv_… = "yes" }` in [build], with the variable that the '
            "script tests before the check"
        )
    elif missing := _MISSING_PROGRAM.search(output):
        name = next(text for text in missing.groups() if text)
        error.fact = f"{label}: the build runs '{name}', which is not on its PATH"
        error.hint = (
            f'builds find no program of this machine by themselves: add `machine-programs = ["{name}"]` to [build], name a '
            "recipe of it in `build-requires`, or disable the part that needs it"
        )
    elif _PREFIX_WRITTEN.search(output):
        error.fact, error.hint = describe_unstaged(label), STAGE_HINT


def explain_cmake_failure(error: BuildError, label: str) -> None:
    """Replace fact and hint of an error of CMake or of ninja after it, if the quoted output shows the cause."""
    output = "\n".join(error.excerpt)
    if match := _DOWNLOADS.search(output):
        error.fact = f"{label}: the CMake files download {match['name'] or 'a file'}, and builds download nothing"
        error.hint = (
            "write a recipe of it and name it in `requires`, or switch its use off with an option; for an archive inside of "
            'the source, `options = { FETCHCONTENT_FULLY_DISCONNECTED = "OFF" }`'
        )
    elif _NO_INSTALL.search(output):
        error.fact = f"{label}: the CMake files install nothing"
        error.hint = (
            "add install() for the library and its headers with a patch in `patches/`, or set an option that does"
        )
