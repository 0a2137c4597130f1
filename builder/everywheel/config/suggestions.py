"""Suggestions for misspelled names."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def find_similar(name: str, candidates: Iterable[str]) -> str:
    """Return the most similar candidate, or an empty string if none is similar; upper and lower case are the same."""
    names = {candidate.lower(): candidate for candidate in sorted(candidates)}
    close = difflib.get_close_matches(name.lower(), names, 1)
    return names[close[0]] if close else ""


def suggest(name: str, candidates: Iterable[str]) -> str:
    """Return a hint for an unknown name: the most similar candidate, or all candidates if none is similar."""
    names = sorted(candidates)
    close = find_similar(name, names)
    return f"did you mean '{close}'?" if close else f"known: {', '.join(names) or 'none'}"
