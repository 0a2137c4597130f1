"""Explanations of failed smoke tests: the cause, in one sentence, that the output of a run shows."""

from __future__ import annotations

import re
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from everywheel.containers.catalog import SmokeImage
from everywheel.platforms.target import Target
from everywheel.smoke.inside.protocol import Stage

_QUOTED_LINES = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A failed run: its stage (None if the container did not reach one), exit code (negative: a signal) and output.

    `reason` is the cause if the container runtime reported it, and empty otherwise.
    """

    stage: Stage | None
    exit_code: int
    output: str
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureContext:
    """Wheel and system of a failure: the target, the image, and the processor if a specific one was emulated.

    `needed` are the names of all libraries that the wheel's files need, which show the C library it was linked against.
    """

    target: Target
    image: SmokeImage
    cpu: str = ""
    needed: frozenset[str] = frozenset()


def explain(failure: Failure, context: FailureContext) -> str:
    """Return the cause of a failure as one sentence; if it is not recognized, the first error line of the output."""
    if failure.reason:
        return failure.reason
    signals = {-signal.SIGILL: _explain_illegal, -signal.SIGSEGV: _explain_crash, -signal.SIGKILL: _explain_killed}
    # Shells and container runtimes report a signal as 128 plus its number.
    code = 128 - failure.exit_code if failure.exit_code > 128 else failure.exit_code
    if code in signals:
        return signals[code](context)
    other_libc = _explain_other_libc(context)
    if failure.stage in (Stage.IMPORT, Stage.TEST) and other_libc:
        return other_libc
    for pattern, describe in _PATTERNS.items():
        match = pattern.search(failure.output)
        if match is not None:
            return describe(match, context)
    stage = failure.stage.value if failure.stage is not None else "the container"
    return first_error(failure.output) or f"{stage} ended with exit code {failure.exit_code}"


def first_error(output: str) -> str:
    """Return the first line with an exception, else with the word `error`, without pytest's margin; else the last line."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    exceptions = [line for line in lines if re.search(r"[a-z]Error: ", line)]
    errors = exceptions or [line for line in lines if re.search(r"error\b", line, re.I)]
    return re.sub(r"^E\s+", "", errors[0] if errors else (lines or [""])[-1])


def quote_failure(output: str) -> tuple[str, ...]:
    """Return the last lines of a failed smoke command, after the first line with an error if that is before them.

    Unlike a compiler, a test program reports what failed at its end: its first line with the word `error` is often a heading.
    """
    last = [line.rstrip() for line in output.splitlines() if line.strip()][-_QUOTED_LINES:]
    first = first_error(output)
    return tuple(last) if not last or any(first in line for line in last) else (first, *last[1:])


def _explain_illegal(context: FailureContext) -> str:
    processor = f"a '{context.cpu}' processor" if context.cpu else "this processor"
    return f"the wheel executes an instruction that {processor} does not support"


def _explain_crash(context: FailureContext) -> str:
    # https://ariadne.space/2021/06/25/understanding-thread-stack-sizes-and-how-alpine-is-different/
    stack = "; threads have a small stack on musl, 128 KiB by default" if context.image.libc == "musl" else ""
    return f"the process crashed (SIGSEGV){stack}"


def _explain_killed(context: FailureContext) -> str:
    return "the process was killed: out of memory"


def _explain_other_libc(context: FailureContext) -> str:
    """Return the explanation for a wheel that was linked against the other C library, or an empty string.

    Derived from the wheel and not from the output: musl's loader satisfies `libc.so.6` itself and reports a missing symbol
    instead.
    """
    glibc = sorted(name for name in context.needed if name in ("libc.so.6", "libm.so.6", "libpthread.so.0"))
    musl = sorted(name for name in context.needed if name.startswith(("libc.musl-", "ld-musl-")))
    libc, libraries = ("glibc", glibc) if context.image.libc == "musl" else ("musl", musl)
    if not libraries:
        return ""
    return f"the wheel is linked against {libc} ({libraries[0]}), but {context.image.name} has {context.image.libc}"


def _explain_old_libc(match: re.Match[str], context: FailureContext) -> str:
    library = match["file"].rpartition("/")[2]
    version = match["version"].removeprefix("GLIBC_")
    floor = ".".join(map(str, context.target.libc_version))
    available = ".".join(map(str, context.image.libc_version))
    return f"{library} needs glibc {version}, but {context.image.name} has {available} and the tag promises {floor}"


def _explain_old_version(match: re.Match[str], context: FailureContext) -> str:
    return f"{match['file'].rpartition('/')[2]} needs {match['version']}, which {context.image.name} does not have"


def _explain_missing_library(match: re.Match[str], context: FailureContext) -> str:
    return f"{match['library']} is neither in the wheel nor on the system: the library was not grafted"


def _explain_incomplete_python(match: re.Match[str], context: FailureContext) -> str:
    module = match["file"].rpartition("/")[2].partition(".")[0]
    return f"{context.image.name} has no {match['library']}, which Python's own module {module} needs"


def _explain_missing_symbol(match: re.Match[str], context: FailureContext) -> str:
    file = match["file"].rpartition("/")[2]
    return f"{file} needs the symbol {match['symbol']}, which no library on {context.image.name} exports"


def _explain_rejected_tag(match: re.Match[str], context: FailureContext) -> str:
    return f"pip rejects {context.target.wheel_tag} on {context.image.name}: the tag is for another system or Python"


def _explain_other_machine(match: re.Match[str], context: FailureContext) -> str:
    return f"the wheel contains a file for another architecture than {context.target.arch.name}"


def _explain_no_loader(match: re.Match[str], context: FailureContext) -> str:
    return f"{context.image.name} has no {match['file']}: the loader of the interpreter is missing"


def _explain_full(match: re.Match[str], context: FailureContext) -> str:
    return "the container's /tmp is full (`--tmpfs-size`)"


_PATTERNS: Mapping[re.Pattern[str], Callable[[re.Match[str], FailureContext], str]] = {
    re.compile(r"version `(?P<version>GLIBC_[\d.]+)' not found \(required by (?P<file>[^)]+)\)"): _explain_old_libc,
    re.compile(r"version `(?P<version>\S+)' not found \(required by (?P<file>[^)]+)\)"): _explain_old_version,
    re.compile(r"(?P<library>[\w.+-]+\.so[\w.]*): cannot open shared object file"): _explain_missing_library,
    re.compile(r"library (?P<library>\S+): No such file or directory \(needed by (?P<file>\S+/lib-dynload/\S+)\)"): (
        _explain_incomplete_python
    ),
    re.compile(r"Error loading shared library (?P<library>[\w.+-]+): No such file"): _explain_missing_library,
    re.compile(r"Error relocating (?P<file>\S+): (?P<symbol>\S+): symbol not found"): _explain_missing_symbol,
    re.compile(r"(?P<file>\S+): undefined symbol: (?P<symbol>\w+)"): _explain_missing_symbol,
    re.compile(r"No space left on device"): _explain_full,
    re.compile(r"is not a supported wheel on this platform"): _explain_rejected_tag,
    re.compile(r"wrong ELF class|invalid ELF header|Exec format error|Dynamic loading not supported"): (
        _explain_other_machine
    ),
    re.compile(r"exec: \"?(?P<file>[^\s\":]+)\"?: (no such file|stat)"): _explain_no_loader,
}
