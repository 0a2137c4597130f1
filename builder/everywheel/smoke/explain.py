"""Explaining: from what a failed run printed to why it failed, in the words that a release engineer needs."""

from __future__ import annotations

import re
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from everywheel.containers.catalog import SmokeImage
from everywheel.platforms.target import Target


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """What a run left behind: the `stage` it failed in, its exit code (negative: a signal) and its words."""

    stage: str
    exit_code: int
    output: str
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureContext:
    """Where it failed: the wheel's target, the image, and the processor where it was narrowed.

    `needed` are all libraries that files in the wheel name: they tell which C library it was really linked against.
    """

    target: Target
    image: SmokeImage
    cpu: str = ""
    needed: frozenset[str] = frozenset()


def explain(failure: Failure, place: FailureContext) -> str:
    """Return one sentence that says why a wheel failed; the error's own first line where nothing better is known."""
    if failure.reason:
        return failure.reason
    signals = {-signal.SIGILL: _explain_illegal, -signal.SIGSEGV: _explain_crash, -signal.SIGKILL: _explain_killed}
    # Shells and container runtimes tell a signal as 128 and its number.
    code = 128 - failure.exit_code if failure.exit_code > 128 else failure.exit_code
    if code in signals:
        return signals[code](place)
    stranger = _other_libc(place)
    if failure.stage == "test" and stranger:
        return stranger
    for pattern, words in _PATTERNS.items():
        match = pattern.search(failure.output)
        if match is not None:
            return words(match, place)
    return first_error(failure.output) or f"{failure.stage} ended with exit code {failure.exit_code}"


def first_error(output: str) -> str:
    """Return the line that says most: the first with `Error`, else the last one."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    telling = [line for line in lines if re.search(r"error\b", line, re.I)]
    return re.sub(r"^E\s+", "", (telling or lines or [""])[0 if telling else -1])


def _explain_illegal(place: FailureContext) -> str:
    processor = f"'{place.cpu}'" if place.cpu else "this one"
    return f"it executes an instruction that a processor such as {processor} does not have"


def _explain_crash(place: FailureContext) -> str:
    stack = "; musl's threads have small stacks" if place.image.libc == "musl" else ""
    return f"it crashed (SIGSEGV){stack}"


def _explain_killed(place: FailureContext) -> str:
    return "it was killed: out of memory"


def _other_libc(place: FailureContext) -> str:
    """Return the words for a wheel that was linked against the other C library.

    Said of the wheel, not of the error: musl's loader takes itself for `libc.so.6` and trips over some symbol later.
    """
    glibc = sorted(name for name in place.needed if name in ("libc.so.6", "libm.so.6", "libpthread.so.0"))
    musl = sorted(name for name in place.needed if name.startswith(("libc.musl-", "ld-musl-")))
    libc, found = ("glibc", glibc) if place.image.libc == "musl" else ("musl", musl)
    return f"it is linked against {libc} ({found[0]}), and {place.image.name} has {place.image.libc}" if found else ""


def _old_libc(match: re.Match[str], place: FailureContext) -> str:
    library = match["file"].rpartition("/")[2]
    version = match["version"].removeprefix("GLIBC_")
    floor = ".".join(map(str, place.target.libc_version))
    return (
        f"{library} needs glibc {version}, {place.image.name} has {place.image.libc_label.split()[1]}, "
        f"and the tag promises {floor}"
    )


def _other_version(match: re.Match[str], place: FailureContext) -> str:
    return f"{match['file'].rpartition('/')[2]} needs {match['version']}, which {place.image.name} does not have"


def _missing_library(match: re.Match[str], place: FailureContext) -> str:
    return f"{match['library']} is neither in the wheel nor on the system: it was not grafted"


def _missing_symbol(match: re.Match[str], place: FailureContext) -> str:
    file = match["file"].rpartition("/")[2]
    return f"{file} needs the symbol {match['symbol']}, and nothing on {place.image.name} has it"


def _wrong_tag(match: re.Match[str], place: FailureContext) -> str:
    return f"pip does not take {place.target.wheel_tag} on {place.image.name}: the tag claims another system or Python"


def _wrong_machine(match: re.Match[str], place: FailureContext) -> str:
    return f"a file in it is for another architecture than {place.target.arch.name}"


def _nothing_to_run(match: re.Match[str], place: FailureContext) -> str:
    return f"{place.image.name} has no {match['file']}: the interpreter's own loader is missing"


def _full(match: re.Match[str], place: FailureContext) -> str:
    return "the container's scratch space is full (`--tmpfs-size`)"


_PATTERNS: Mapping[re.Pattern[str], Callable[[re.Match[str], FailureContext], str]] = {
    re.compile(r"version `(?P<version>GLIBC_[\d.]+)' not found \(required by (?P<file>[^)]+)\)"): _old_libc,
    re.compile(r"version `(?P<version>\S+)' not found \(required by (?P<file>[^)]+)\)"): _other_version,
    re.compile(r"(?P<library>[\w.+-]+\.so[\w.]*): cannot open shared object file"): _missing_library,
    re.compile(r"Error loading shared library (?P<library>[\w.+-]+): No such file"): _missing_library,
    re.compile(r"Error relocating (?P<file>\S+): (?P<symbol>\S+): symbol not found"): _missing_symbol,
    re.compile(r"(?P<file>\S+): undefined symbol: (?P<symbol>\w+)"): _missing_symbol,
    re.compile(r"No space left on device"): _full,
    re.compile(r"is not a supported wheel on this platform"): _wrong_tag,
    re.compile(r"wrong ELF class|invalid ELF header|Exec format error|Dynamic loading not supported"): _wrong_machine,
    re.compile(r"exec: \"?(?P<file>[^\s\":]+)\"?: (no such file|stat)"): _nothing_to_run,
}
