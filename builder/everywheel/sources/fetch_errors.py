"""Outcomes of fetching files, and the errors that name every location of a file with its answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from everywheel.errors import SourceError
from everywheel.sources.locations import is_canonical
from everywheel.sources.request import COMPARE_PIN, HashMismatch, PinnedFile, Superseded, Unavailable, WrongPin

_IMPORT_HINT = "`everywheel sources import BUNDLE` imports sources from another machine"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The result for one file: its path in the store, or why each location failed."""

    file: PinnedFile
    path: Path | None = None
    reasons: Mapping[str, Unavailable] = field(default_factory=dict)

    @property
    def is_wrong(self) -> bool:
        """True if the recipe is wrong, so that no location can have the file."""
        return any(isinstance(reason, WrongPin) for reason in self.reasons.values())

    def add(self, location: str, reason: Unavailable) -> Outcome:
        """Return the outcome with the answer of one more location; a later answer of the same location replaces it."""
        return replace(self, reasons={**self.reasons, location: reason})

    def extend(self, other: Outcome | None) -> Outcome:
        """Return the outcome with the answers of another one, such as that of the archive of a patch."""
        return self if other is None else replace(self, reasons={**self.reasons, **other.reasons})


def report_offline(missing: Sequence[PinnedFile]) -> SourceError:
    """Return the error for files that are not in the store, when nothing may be fetched."""
    hint = f"run once without --offline; {_IMPORT_HINT}"
    if len(missing) == 1:
        return SourceError(
            f"{missing[0].title} is not in the store, and --offline forbids fetching it",
            details={"pinned": f"sha256 {missing[0].sha256}"},
            hint=hint,
        )
    return SourceError(
        f"{len(missing)} sources are not in the store, and --offline forbids fetching them",
        excerpt=[f"{file.title}  sha256 {file.sha256}" for file in missing],
        hint=hint,
    )


def report_timeout(missing: Sequence[PinnedFile], timeout: float) -> SourceError:
    """Return the error for files that did not arrive in `timeout` seconds."""
    return SourceError(
        f"fetching the sources took longer than {timeout:g} s",
        excerpt=[f"{file.title}  sha256 {file.sha256}" for file in missing],
        hint=f"run it again: the files that arrived are kept; {_IMPORT_HINT}",
    )


def report_unavailable(failed: Sequence[Outcome]) -> SourceError:
    """Return the error for files that no location has; files with the same answers are listed together."""
    hint = _choose_hint(failed)
    if len(failed) == 1:
        (outcome,) = failed
        details = {"pinned": f"sha256 {outcome.file.sha256}", **outcome.reasons}
        return SourceError(f"{outcome.file.title} is not available from any location", details=details, hint=hint)
    lines: list[str] = []
    for number, outcome in enumerate(failed):
        lines += [outcome.file.title, f"  pinned: sha256 {outcome.file.sha256}"]
        following = failed[number + 1] if number + 1 < len(failed) else None
        if following is not None and _render(following) == _render(outcome):
            continue
        lines += _render(outcome)
    return SourceError(f"{len(failed)} sources are not available from any location", excerpt=lines, hint=hint)


def _render(outcome: Outcome) -> list[str]:
    return [f"  {location}: {reason}" for location, reason in outcome.reasons.items()]


def _choose_hint(failed: Sequence[Outcome]) -> str:
    reasons = [reason for outcome in failed for reason in outcome.reasons.values()]
    mismatches = [
        (outcome.file, location)
        for outcome in failed
        for location, reason in outcome.reasons.items()
        if isinstance(reason, HashMismatch)
    ]
    if any(isinstance(reason, WrongPin) for reason in reasons):
        return "correct the pins in the recipe; `everywheel recipes update` rewrites them"
    if any(is_canonical(file, location) for file, location in mismatches):
        return f"{COMPARE_PIN}; `everywheel recipes update` rewrites pins"
    if mismatches:
        return f"delete the wrong file from that mirror; {_IMPORT_HINT}"
    if any(isinstance(reason, Superseded) for reason in reasons):
        return "`everywheel recipes update` looks for the patches of newer revisions and rewrites the pins"
    return f"set EVERYWHEEL_MIRRORS to a mirror; {_IMPORT_HINT}"
