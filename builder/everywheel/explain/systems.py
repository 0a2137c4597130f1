"""The releases of distributions on which ELF files run, and why they do not run on the others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from everywheel.explain.distributions import WELL_KNOWN, Distribution
from everywheel.explain.requirements import Cause, find_highest
from everywheel.platforms.linux_policy import Policy
from everywheel.platforms.symbol_versions import version_key


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The answer whether the files run on a release; `reasons` are phrases, empty if they do."""

    distribution: Distribution
    reasons: tuple[str, ...]

    @property
    def runs(self) -> bool:
        return not self.reasons

    def describe(self) -> str:
        """Return the verdict as one line."""
        return "runs" if self.runs else f"does not: {'; '.join(self.reasons)}"


def judge(
    distributions: Sequence[Distribution], libc: str, causes: Sequence[Cause], policies: Sequence[Policy]
) -> tuple[Verdict, ...]:
    """Return the verdict for each release.

    `libc` is the C library of the files, empty if they use none; `causes` is what they require of the system. `policies` are
    those of a wheel's platform tags, which installers compare with the system; empty for a file without tags.
    """
    newest = [causes[0] for causes in find_highest(causes).values()]
    return tuple(
        Verdict(distribution=row, reasons=tuple(_find_reasons(row, libc, newest, policies))) for row in distributions
    )


def _find_reasons(row: Distribution, libc: str, newest: Sequence[Cause], policies: Sequence[Policy]) -> Iterator[str]:
    if libc and libc != row.libc:
        yield f"needs {libc}; {row.name} has {row.libc}"
        return
    too_new = [
        cause for cause in newest if (available := row.version_of(cause.family)) and cause.key > version_key(available)
    ]
    for cause in too_new:
        yield f"needs {cause.describe()}; {row.name} has {row.version_of(cause.family)}"
    matching = [policy for policy in policies if policy.libc == row.libc]
    lowest = min((policy.floor for policy in matching), default=None)
    if not too_new and lowest is not None and version_key(row.libc_version)[:2] < lowest:
        tag = next(policy.tag for policy in matching if policy.floor == lowest)
        floor = ".".join(map(str, lowest))
        yield f"pip refuses the tag {tag}, which requires {row.libc} {floor}; {row.name} has {row.libc_version}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """The short answer for one platform: phrases such as `Debian 11 and newer`, and the reason for the others."""

    runs: tuple[str, ...]
    fails: tuple[str, ...]
    reason: str

    @property
    def because(self) -> str:
        """The reason as the end of a sentence; empty if there is none."""
        return f", because {'it ' if self.reason.startswith('needs') else ''}{self.reason}" if self.reason else ""


def summarize(verdicts: Sequence[Verdict]) -> Summary:
    """Return the short answer about the well-known distributions."""
    runs, fails, reasons = [], [], []
    for title, rows in groupby(verdicts, key=lambda verdict: verdict.distribution.title):
        if title not in WELL_KNOWN:
            continue
        releases = list(rows)
        running = [v.distribution.release for v in releases if v.runs]
        failing = [v.distribution.release for v in releases if not v.runs]
        if running:
            runs.append((title, f"{title} {_describe_running(releases, running)}"))
        if failing:
            fails.append((title, f"{title} {_describe_failing(releases, failing)}" if running else title))
            reasons += [reason for v in releases for reason in v.reasons[:1]]
    order = WELL_KNOWN.index
    return Summary(
        runs=tuple(text for _, text in sorted(runs, key=lambda item: order(item[0]))),
        fails=tuple(text for _, text in sorted(fails, key=lambda item: order(item[0]))),
        reason=_choose_reason(reasons),
    )


def _describe_running(releases: Sequence[Verdict], running: Sequence[str]) -> str:
    newest = [verdict.distribution.release for verdict in releases[-len(running) :]]
    is_newest = newest == list(running) and len(running) > 1
    return f"{running[0]} and newer" if is_newest else ", ".join(running)


def _describe_failing(releases: Sequence[Verdict], failing: Sequence[str]) -> str:
    oldest = [verdict.distribution.release for verdict in releases[: len(failing)]]
    is_oldest = oldest == list(failing) and len(failing) > 1
    return f"{failing[-1]} and older" if is_oldest else ", ".join(failing)


def _choose_reason(reasons: Sequence[str]) -> str:
    """Return what the files need, without the release that does not have it; a symbol version before other reasons."""
    needs = [reason.rpartition("; ")[0] for reason in reasons]
    chosen = [need for need in needs if "(" in need] or needs
    return chosen[0] if chosen else ""
