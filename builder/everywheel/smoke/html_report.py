"""HTML report of a smoke matrix: one static file without scripts, which can be a CI artifact or an attachment."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from pathlib import Path

from everywheel.errors import MachineError
from everywheel.smoke.imports import describe_missing
from everywheel.smoke.result import FAILED_STATES, SmokeResult, SmokeState, name_columns

_SYMBOLS = {
    SmokeState.PASSED: "✓",
    SmokeState.FAILED: "✗",
    SmokeState.UNDER_WINE: "≋",
    SmokeState.STATIC: "≈",
    SmokeState.NO_PYTHON: "∅",
    SmokeState.SKIPPED: "–",
    SmokeState.ERROR: "!",
}
_CLASSES = {
    SmokeState.PASSED: "ok",
    SmokeState.FAILED: "bad",
    SmokeState.UNDER_WINE: "static",
    SmokeState.STATIC: "static",
    SmokeState.NO_PYTHON: "static",
    SmokeState.SKIPPED: "static",
    SmokeState.ERROR: "broken",
}
_LEGEND = {
    SmokeState.PASSED: "installed and used on this system; loaded only libraries of the wheel and those that its tag promises",
    SmokeState.UNDER_WINE: "installed and used under Wine with a CPython for Windows; not tested on Windows",
    SmokeState.STATIC: "no image was available: each symbol was resolved against the symbol list of that C library; not run",
    SmokeState.NO_PYTHON: "no interpreter for the wheel is available on this system: its files were checked; not run",
    SmokeState.SKIPPED: "this machine cannot run wheels for this system: its files were checked; not run",
    SmokeState.FAILED: "does not work on this system",
    SmokeState.ERROR: "the test itself failed because of this machine, not because of the wheel",
}
_NOT_CLAIMED = "·"
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


def render_html_report(results: Sequence[SmokeResult], title: str) -> str:
    """Return the report: a summary, the matrix of systems by wheels, the legend, and the details of each result."""
    counts = {state: sum(result.state is state for result in results) for state in SmokeState}
    summary = ", ".join(f"{count} {state.value}" for state, count in counts.items() if count)
    images = list(dict.fromkeys(result.image for result in results))
    wheels = list(dict.fromkeys(result.wheel for result in results))
    by_position = {(result.wheel, result.image): result for result in results}
    rows = "".join(_render_row(image, wheels, by_position) for image in images)
    names = name_columns(results)
    columns = "".join(f'<th title="{_escape(wheel)}">{_escape(names[wheel])}</th>' for wheel in wheels)
    legend = "".join(
        f'<dt class="{_CLASSES[state]} mark">{_SYMBOLS[state]}</dt><dd><b>{state.value}</b>: {meaning}</dd>'
        for state, meaning in _LEGEND.items()
    )
    legend += f'<dt class="none mark">{_NOT_CLAIMED}</dt><dd>the wheel\'s tag does not claim this system</dd>'
    details = "".join(
        _render_details(result) for result in sorted(results, key=lambda result: result.state is not SmokeState.FAILED)
    )
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{_escape(title)}: smoke matrix</title><style>{_STYLE}</style></head><body>
<h1>{_escape(title)}: smoke matrix</h1><p class="sum">{_escape(summary)}</p>
<div class="wide"><table><thead><tr><th class="first">system</th>{columns}</tr></thead><tbody>{rows}</tbody></table></div>
<h2>Legend</h2><dl>{legend}</dl>
<h2>Details</h2>{details}
</body></html>
"""


def _render_row(image: str, wheels: Sequence[str], by_position: dict[tuple[str, str], SmokeResult]) -> str:
    cells = "".join(_render_cell(by_position.get((wheel, image))) for wheel in wheels)
    libc = next(result.libc for (_, name), result in by_position.items() if name == image)
    return f"<tr><th>{_escape(image)}<small>{_escape(libc)}</small></th>{cells}</tr>"


def _render_cell(result: SmokeResult | None) -> str:
    if result is None:
        return f'<td class="cell none"><span class="mark">{_NOT_CLAIMED}</span></td>'
    label = f"Python {result.python}" if result.python else result.state.value
    emulator = f" · {result.emulator}" if result.emulator and result.python else ""
    return (
        f'<td class="cell {_CLASSES[result.state]}"><a href="#{_anchor(result)}" title="{_escape(result.description)}">'
        f'<span class="mark">{_SYMBOLS[result.state]}</span><small>{_escape(label)}{_escape(emulator)}</small></a></td>'
    )


def _render_details(result: SmokeResult) -> str:
    paragraphs = [result.description] if result.description else []
    if result.seconds:
        paragraphs.append(f"{result.seconds:.1f} s in total, {result.test_seconds:.1f} s for imports and smoke command")
    if result.imported:
        paragraphs.append(f"imported: {', '.join(result.imported)}")
    if result.not_imported:
        paragraphs.append(f"not imported: {describe_missing(result.not_imported)}")
    if result.actual_libc:
        paragraphs.append(
            f"system: Python {result.python}, {result.actual_libc}; "
            f"loaded libraries: {', '.join(result.loaded_libraries)}"
        )
    if result.system_libraries:
        paragraphs.append(f"loaded from the system: {', '.join(result.system_libraries)}")
    libc = f" ({result.libc})" if result.libc else ""
    lines = "".join(f"<p>{_escape(paragraph)}</p>" for paragraph in paragraphs)
    evidence = f"<pre>{_escape(chr(10).join(result.evidence))}</pre>" if result.evidence else ""
    opened = " open" if result.state in FAILED_STATES else ""
    return (
        f'<details id="{_anchor(result)}"{opened}><summary class="{_CLASSES[result.state]}"><span class="mark">'
        f"{_SYMBOLS[result.state]}</span> {_escape(result.target)} on {_escape(result.image)}{_escape(libc)}</summary>"
        f"{lines}{evidence}</details>"
    )


def _anchor(result: SmokeResult) -> str:
    return re.sub(r"[^\w.-]", "-", f"{result.wheel}-{result.image}")


def _escape(text: str) -> str:
    return html.escape(text)


def check_writable(path: Path) -> None:
    """Raise MachineError if the report cannot be written; called before the matrix runs."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.open("a").close()
    except OSError as error:
        raise MachineError(
            f"{path} cannot be written: {error.strerror}", hint="name another file with --html"
        ) from None


def write_html_report(results: Sequence[SmokeResult], path: Path, title: str) -> None:
    """Write the report to a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(render_html_report(results, title), encoding="utf-8")
