"""The smoke matrix as a page: one static HTML file, without scripts, that can be kept as a CI artifact and mailed about."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from pathlib import Path

from everywheel.errors import MachineError
from everywheel.smoke.result import BAD, SmokeResult, State, name_columns

_SYMBOLS = {
    State.PASSED: "✓",
    State.FAILED: "✗",
    State.UNDER_WINE: "≋",
    State.STATIC: "≈",
    State.NO_PYTHON: "∅",
    State.SKIPPED: "–",
    State.ERROR: "!",
}
_CLASSES = {
    State.PASSED: "ok",
    State.FAILED: "bad",
    State.UNDER_WINE: "static",
    State.STATIC: "static",
    State.NO_PYTHON: "static",
    State.SKIPPED: "static",
    State.ERROR: "broken",
}
_LEGEND = {
    State.PASSED: "installed and used there; nothing but the wheel and what its tag promises was loaded",
    State.UNDER_WINE: "installed and used under Wine with a CPython for Windows; no Windows has run it",
    State.STATIC: "no image could be had: every symbol was looked up in that C library, nothing was run",
    State.NO_PYTHON: "nothing there has the Python that the wheel is for: its files were checked, nothing was run",
    State.SKIPPED: "nothing on this machine runs a wheel for that system: its structure was checked, nothing was run",
    State.FAILED: "does not work there",
    State.ERROR: "the attempt itself failed: this machine, not the wheel",
}
_NO_CELL = "·"
_STYLE = """
:root { color-scheme: light dark; --line: #d5d9e0; --soft: #f4f6f9; --ok: #1a7f4b; --bad: #c62f2f; --static: #8a6d00;
  --broken: #a2480f; --none: #9aa3ae; --text: #1c2330; --paper: #fff; }
@media (prefers-color-scheme: dark) { :root { --line: #343c49; --soft: #1d232d; --ok: #4ccb8a; --bad: #ff7b72;
  --static: #e0b94a; --broken: #f0883e; --none: #6b7684; --text: #e6eaf0; --paper: #12161c; } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--text); background: var(--paper); margin: 2.5rem auto;
  max-width: 76rem; padding: 0 1.5rem; }
h1 { font-size: 1.5rem; margin: 0 0 .25rem; } h2 { font-size: 1.1rem; margin: 2.2rem 0 .6rem; }
.sum { margin: 0 0 1.5rem; color: var(--none); }
.wide { overflow-x: auto; border: 1px solid var(--line); border-radius: 8px; }
table { border-collapse: collapse; width: 100%; } th, td { padding: .5rem .7rem; border-bottom: 1px solid var(--line); }
thead th { background: var(--soft); font-weight: 600; text-align: center; vertical-align: bottom; white-space: nowrap; }
small { display: block; font-weight: 400; color: var(--none); font-size: .8rem; }
th.first, tbody th { text-align: left !important; font-weight: 600; white-space: nowrap; }
tbody tr:last-child > * { border-bottom: 0; }
td.cell { text-align: center; white-space: nowrap; } td.cell a { text-decoration: none; color: inherit; display: block; }
.mark { font-size: 1.15rem; font-weight: 700; }
.ok .mark, .ok.mark { color: var(--ok); } .bad .mark, .bad.mark { color: var(--bad); }
.static .mark, .static.mark { color: var(--static); } .broken .mark, .broken.mark { color: var(--broken); }
.none .mark, .none.mark { color: var(--none); }
td.bad { background: color-mix(in srgb, var(--bad) 12%, transparent); }
dl { display: grid; grid-template-columns: max-content auto; gap: .2rem 1rem; } dt { text-align: center; } dd { margin: 0; }
details { border: 1px solid var(--line); border-radius: 8px; margin: .5rem 0; padding: .5rem .9rem; }
details:target { outline: 2px solid var(--static); } summary { cursor: pointer; }
pre { background: var(--soft); padding: .7rem .9rem; border-radius: 6px; font-size: .85rem; white-space: pre-wrap;
      overflow-wrap: anywhere; }
"""


def render_html_report(cells: Sequence[SmokeResult], title: str) -> str:
    """Return the page: a summary, the matrix of systems by targets, the legend, and the details of every cell."""
    counts = {state: sum(cell.state is state for cell in cells) for state in State}
    words = ", ".join(f"{count} {state.value}" for state, count in counts.items() if count)
    images = list(dict.fromkeys(cell.image for cell in cells))
    wheels = list(dict.fromkeys(cell.wheel for cell in cells))
    found = {(cell.wheel, cell.image): cell for cell in cells}
    rows = "".join(_row(image, wheels, found) for image in images)
    names = name_columns(cells)
    columns = "".join(f'<th title="{_text(wheel)}">{_text(names[wheel])}</th>' for wheel in wheels)
    legend = "".join(
        f'<dt class="{_CLASSES[state]} mark">{_SYMBOLS[state]}</dt><dd><b>{state.value}</b>: {words}</dd>'
        for state, words in _LEGEND.items()
    )
    legend += f'<dt class="none mark">{_NO_CELL}</dt><dd>the wheel\'s tag does not claim that system</dd>'
    details = "".join(_details(cell) for cell in sorted(cells, key=lambda cell: cell.state is not State.FAILED))
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{_text(title)}: smoke matrix</title><style>{_STYLE}</style></head><body>
<h1>{_text(title)}: smoke matrix</h1><p class="sum">{_text(words)}</p>
<div class="wide"><table><thead><tr><th class="first">system</th>{columns}</tr></thead><tbody>{rows}</tbody></table></div>
<h2>What the marks mean</h2><dl>{legend}</dl>
<h2>Every cell</h2>{details}
</body></html>
"""


def _row(image: str, wheels: Sequence[str], found: dict[tuple[str, str], SmokeResult]) -> str:
    cells = "".join(_column(found.get((wheel, image))) for wheel in wheels)
    libc = next(cell.libc for (_, name), cell in found.items() if name == image)
    return f"<tr><th>{_text(image)}<small>{_text(libc)}</small></th>{cells}</tr>"


def _column(cell: SmokeResult | None) -> str:
    if cell is None:
        return f'<td class="cell none"><span class="mark">{_NO_CELL}</span></td>'
    beside = f"Python {cell.python}" if cell.python else cell.state.value
    extra = f" · {cell.through}" if cell.through and cell.python else ""
    return (
        f'<td class="cell {_CLASSES[cell.state]}"><a href="#{_anchor(cell)}" title="{_text(cell.words)}">'
        f'<span class="mark">{_SYMBOLS[cell.state]}</span><small>{_text(beside)}{_text(extra)}</small></a></td>'
    )


def _details(cell: SmokeResult) -> str:
    facts = [cell.words] if cell.words else []
    if cell.seconds:
        facts.append(f"{cell.seconds:.1f} s in all, {cell.test_seconds:.1f} s of them the smoke command")
    if cell.found:
        facts.append(f"there: Python {cell.python}, {cell.found}; libraries that were loaded: {', '.join(cell.loaded)}")
    if cell.libraries:
        facts.append(f"loaded from the system: {', '.join(cell.libraries)}")
    libc = f" ({cell.libc})" if cell.libc else ""
    lines = "".join(f"<p>{_text(fact)}</p>" for fact in facts)
    evidence = f"<pre>{_text(chr(10).join(cell.evidence))}</pre>" if cell.evidence else ""
    opened = " open" if cell.state in BAD else ""
    return (
        f'<details id="{_anchor(cell)}"{opened}><summary class="{_CLASSES[cell.state]}"><span class="mark">'
        f"{_SYMBOLS[cell.state]}</span> {_text(cell.target)} on {_text(cell.image)}{_text(libc)}</summary>"
        f"{lines}{evidence}</details>"
    )


def _anchor(cell: SmokeResult) -> str:
    return re.sub(r"[^\w.-]", "-", f"{cell.wheel}-{cell.image}")


def _text(words: str) -> str:
    return html.escape(words)


def check_writable(path: Path) -> None:
    """Raise MachineError where the page could not be written: better before the matrix has run than after."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.open("a").close()
    except OSError as error:
        raise MachineError(
            f"{path} cannot be written: {error.strerror}", hint="name another file with --html"
        ) from None


def write_html_report(cells: Sequence[SmokeResult], path: Path, title: str) -> None:
    """Write the page to a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(render_html_report(cells, title), encoding="utf-8")
