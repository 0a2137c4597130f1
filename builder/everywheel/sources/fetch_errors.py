"""Outcomes of fetching files, and the errors that name every location of a file with its answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from pathlib import Path

from everywheel.errors import SourceError
from everywheel.sources.locations import is_canonical
from everywheel.sources.request import (
    COMPARE_PIN,
    HashMismatch,
    PinnedFile,
    SnapshotMismatch,
    Superseded,
    Unavailable,
    WrongPin,
    WrongSize,
)

_IMPORT_HINT = "`everywheel sources import BUNDLE` imports sources from another machine"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The result for one file: its path in the store, or why each location failed; for a patch, also that of its archive."""

    file: PinnedFile
    path: Path | None = None
    reasons: Mapping[str, Unavailable] = field(default_factory=dict)
    archive: Outcome | None = None

    @property
    def is_wrong(self) -> bool:
        """True if the recipe is wrong, so that no location can have the file."""
        return any(isinstance(reason, WrongPin) for reason in self.reasons.values())

    def add(self, location: str, reason: Unavailable) -> Outcome:
        """Return the outcome with the answer of one more location; a later answer of the same location replaces it."""
        return replace(self, reasons={**self.reasons, location: reason})


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
    """Return the error for files that no location has; the answers for an archive are listed once for its patches."""
    hint = _choose_hint(failed)
    if len(failed) == 1:
        (outcome,) = failed
        details = {"pinned": f"sha256 {outcome.file.sha256}", **outcome.reasons}
        if outcome.archive is not None:
            archive = outcome.archive.file
            details |= {"archive": f"{archive.filename}, sha256 {archive.sha256}", **outcome.archive.reasons}
        return SourceError(f"{outcome.file.title} is not available from any location", details=details, hint=hint)
    lines: list[str] = []
    for _, group in groupby(failed, key=lambda outcome: outcome.archive and outcome.archive.file.sha256):
        outcomes = list(group)
        for outcome in outcomes:
            lines += [outcome.file.title, *_render(outcome)]
        if (archive_outcome := outcomes[0].archive) is not None:
            lines += [f"{archive_outcome.file.title}, the archive of these patches", *_render(archive_outcome)]
    return SourceError(f"{len(failed)} sources are not available from any location", excerpt=lines, hint=hint)


def _render(outcome: Outcome) -> list[str]:
    answers = [f"  {location}: {reason}" for location, reason in outcome.reasons.items()]
    return [f"  pinned: sha256 {outcome.file.sha256}", *answers]


def _choose_hint(outcomes: Sequence[Outcome]) -> str:
    failed = [*outcomes, *(outcome.archive for outcome in outcomes if outcome.archive is not None)]
    answers = [(outcome.file, *answer) for outcome in failed for answer in outcome.reasons.items()]
    reasons = [reason for _, _, reason in answers]
    mismatches = [(file, location, reason) for file, location, reason in answers if isinstance(reason, HashMismatch)]
    if wrong := [outcome.file for outcome in failed if outcome.is_wrong]:
        rewrites = "; `everywheel recipes update` rewrites them" if any(map(_has_package, wrong)) else ""
        return f"correct the pins in the recipe{rewrites}"
    snapshots = [reason for reason in reasons if isinstance(reason, SnapshotMismatch)]
    if any(reason.is_pinned for reason in snapshots):
        return "correct `sha1` in the recipe: `sha1sum` prints it for the file whose `sha256` is pinned"
    canonical = [(file, mismatch.actual) for file, location, mismatch in mismatches if is_canonical(file, location)]
    if any(_has_package(file) for file, _ in canonical):
        return f"{COMPARE_PIN}; `everywheel recipes update` rewrites pins"
    if len(hashes := {actual for _, actual in canonical}) == 1:
        return f'{COMPARE_PIN}; if the file is right, write `sha256 = "{hashes.pop()}"`'
    if canonical:
        return f"{COMPARE_PIN}; for a file that is right, write its sha256"
    if any(isinstance(reason, WrongSize) and file.size and is_canonical(file, name) for file, name, reason in answers):
        return f"{COMPARE_PIN}: `size` is too small, or that of another file"
    if snapshots:
        return f"set EVERYWHEEL_SNAPSHOT to another snapshot service; {_IMPORT_HINT}"
    if mismatches:
        return f"delete the wrong file from that mirror; {_IMPORT_HINT}"
    if any(isinstance(reason, Superseded) for reason in reasons):
        return "`everywheel recipes update` looks for the patches of newer revisions and rewrites the pins"
    return f"set EVERYWHEEL_MIRRORS to a mirror; {_IMPORT_HINT}"


def _has_package(file: PinnedFile) -> bool:
    """Return whether the recipe of a file names a source package, whose pins `recipes update` rewrites."""
    return (file.archive or file).debian is not None
