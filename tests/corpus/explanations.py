"""The table of explained differences: every difference needs an explanation, and every explanation a difference."""

from __future__ import annotations

import fnmatch
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from differences import Difference, Kind, Peer

TABLE = Path(__file__).with_name("explanations.toml")
LARGEST = 255.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Why webpencode differs from a peer for pictures whose names match a pattern.

    `detail` is a pattern for the description of the difference, and `at_most` the largest accepted amount.
    """

    reason: str
    peer: Peer
    kinds: tuple[Kind, ...]
    pictures: tuple[str, ...]
    detail: str = "*"
    at_most: float = LARGEST

    def explains(self, difference: Difference) -> bool:
        """Return whether it is the explanation of a difference."""
        return (
            difference.peer is self.peer
            and difference.kind in self.kinds
            and difference.amount <= self.at_most
            and fnmatch.fnmatchcase(difference.detail, self.detail)
            and any(fnmatch.fnmatchcase(difference.picture, pattern) for pattern in self.pictures)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Differences with their explanations, those without, and the patterns that match no difference any more."""

    explained: tuple[tuple[Difference, Explanation], ...]
    unexplained: tuple[Difference, ...]
    unneeded: tuple[str, ...]


def load_explanations(path: Path = TABLE) -> tuple[Explanation, ...]:
    """Return the rows of the table."""
    rows = tomllib.loads(path.read_text(encoding="utf-8"))["explanations"]
    return tuple(
        Explanation(
            **{
                **row,
                "peer": Peer(row["peer"]),
                "kinds": tuple(Kind(kind) for kind in row["kinds"]),
                "pictures": tuple(row["pictures"]),
            }
        )
        for row in rows
    )


def judge(
    differences: Iterable[Difference],
    explanations: Iterable[Explanation],
    *,
    peers: frozenset[Peer],
    pictures: frozenset[str] | None = None,
) -> Verdict:
    """Match differences with explanations.

    A pattern is only unneeded if its peer was compared. If `pictures` are given, not all pictures were checked, and a
    pattern is only unneeded if it is the name of one of these.
    """
    explanations = tuple(explanations)
    explained, unexplained = [], []
    for difference in differences:
        match = next((e for e in explanations if e.explains(difference)), None)
        if match is None:
            unexplained.append(difference)
        else:
            explained.append((difference, match))
    unneeded = [
        f"{explanation.peer} {'/'.join(explanation.kinds)} {pattern}: {explanation.reason}"
        for explanation in explanations
        if explanation.peer in peers
        for pattern in explanation.pictures
        if (pictures is None or pattern in pictures)
        and not any(e is explanation and fnmatch.fnmatchcase(d.picture, pattern) for d, e in explained)
    ]
    return Verdict(explained=tuple(explained), unexplained=tuple(unexplained), unneeded=tuple(unneeded))
