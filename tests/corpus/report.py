"""The result of a run as text, JSON and HTML."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from html import escape
from pathlib import Path

from differences import Difference
from explanations import Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """A run: how many pictures of each format were encoded and refused, the verdict, and what was not compared."""

    encoded: Counter[str]
    refused: Counter[str]
    skipped: tuple[str, ...]
    verdict: Verdict
    seconds: float

    @property
    def passed(self) -> bool:
        """True if every difference is explained and every explanation needed."""
        return not self.verdict.unexplained and not self.verdict.unneeded


def write_text(result: Result) -> Iterator[str]:
    """Yield the lines of the summary."""
    for title, counts in (("encoded", result.encoded), ("refused", result.refused)):
        formats = ", ".join(f"{count} {name}" for name, count in counts.most_common())
        yield f"{title}: {counts.total()} pictures ({formats or 'none'})"
    kinds = Counter(f"{d.peer} {d.kind}" for d, _ in result.verdict.explained)
    yield f"explained differences: {kinds.total()}" + "".join(f"\n  {n:5} {kind}" for kind, n in sorted(kinds.items()))
    for text in result.skipped:
        yield f"not compared: {text}"
    for difference in result.verdict.unexplained:
        yield f"unexplained: {difference.peer} {difference.kind}: {difference.picture}: {difference.detail}"
    for text in result.verdict.unneeded:
        yield f"explanation without a difference: {text}"
    unexplained, unneeded = len(result.verdict.unexplained), len(result.verdict.unneeded)
    yield f"{unexplained} unexplained differences, {unneeded} explanations without a difference ({result.seconds:.0f} s)"


def write_json(result: Result) -> str:
    """Return the result as JSON."""
    explained = [{**asdict(d), "reason": e.reason} for d, e in result.verdict.explained]
    return json.dumps(
        {
            "passed": result.passed,
            "encoded": dict(result.encoded),
            "refused": dict(result.refused),
            "skipped": result.skipped,
            "seconds": round(result.seconds, 1),
            "explained": explained,
            "unexplained": [asdict(difference) for difference in result.verdict.unexplained],
            "unneeded": result.verdict.unneeded,
        },
        indent=1,
    )


def write_html(result: Result, path: Path) -> None:
    """Write a page with the summary and a table of all differences, first those without an explanation."""

    def row(difference: Difference, reason: str) -> str:
        cells = (difference.peer, difference.kind, difference.picture, difference.detail, reason)
        return "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in cells) + "</tr>"

    rows = [row(difference, "unexplained") for difference in result.verdict.unexplained]
    rows += [row(difference, explanation.reason) for difference, explanation in result.verdict.explained]
    summary = "\n".join(write_text(result))
    path.write_text(
        "<!doctype html><html lang=en><meta charset=utf-8><title>Differences to other programs</title>"
        "<style>body{font:15px system-ui;margin:2em}td,th{padding:.2em .8em;text-align:left;vertical-align:top}"
        "td{border-top:1px solid #ccc}</style><h1>Differences to other programs</h1>"
        f"<pre>{escape(summary)}</pre><table><tr><th>program<th>kind<th>picture<th>difference<th>reason</tr>\n"
        + "\n".join(rows)
        + "</table></html>\n",
        encoding="utf-8",
    )
