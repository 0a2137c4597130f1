"""The timeline of a build as a page: one static file without scripts, with a bar for each step and a table of the same."""

from __future__ import annotations

import html
from collections.abc import Iterator, Sequence

from everywheel.cli.timeline import Span, Timeline, TimelineStep
from everywheel.errors import count_noun, printable

_WIDTH, _LABELS, _LANE, _BAR, _TOP = 1200, 90, 30, 22, 24  # of the picture, in its units
_CHARACTER = 6.2  # the width of a character in a bar
_SHORTEST_LABEL = 4  # characters
_TICKS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200)  # seconds
_MOST_TICKS = 12
_STYLE = """
:root { color-scheme: light dark; --line: #d5d9e0; --soft: #f4f6f9; --done: #9db8d9; --path: #1f5fa8; --found: #b9dcc6;
  --failed: #e08a8a; --transfer: #d9cfa5; --stage: #5b7fab; --text: #1c2330; --light: #fff; --paper: #fff; }
@media (prefers-color-scheme: dark) { :root { --line: #343c49; --soft: #1d232d; --done: #3d5877; --path: #6cb0ff;
  --found: #2c5c40; --failed: #8f3b3b; --transfer: #6b6033; --stage: #86a9d6; --text: #e6eaf0; --light: #12161c;
  --paper: #12161c; } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--text); background: var(--paper); margin: 2.5rem auto;
  max-width: 80rem; padding: 0 1.5rem; }
h1 { font-size: 1.5rem; margin: 0 0 .25rem; } h2 { font-size: 1.1rem; margin: 2.2rem 0 .6rem; }
svg { width: 100%; min-width: 50rem; height: auto; display: block; } .wide { overflow-x: auto; }
svg text { font: 11px system-ui, sans-serif; fill: var(--text); } svg .axis { stroke: var(--line); }
svg rect { fill: var(--done); stroke: var(--paper); stroke-width: .6; } svg .found rect { fill: var(--found); }
svg .transfer rect { fill: var(--transfer); stroke: none; }
svg .failed rect, svg .interrupted rect { fill: var(--failed); } svg .path rect { fill: var(--path); }
svg .path text { fill: var(--light); font-weight: 600; } svg rect.stage { fill: var(--stage); }
svg .path rect.stage { fill: var(--light); stroke: var(--path); } svg a:focus rect { stroke: var(--text);
  stroke-width: 2; }
table { border-collapse: collapse; width: 100%; } th, td { padding: .3rem .6rem; border-bottom: 1px solid var(--line);
  text-align: right; vertical-align: top; white-space: nowrap; } td.name { white-space: normal; }
th.name, td.name { text-align: left; } thead th { background: var(--soft); }
tr:target { outline: 2px solid var(--path); } .wide table td.name { overflow-wrap: anywhere; }
"""


def render_timeline(timeline: Timeline, title: str) -> str:
    """Return the page: a summary, the picture, the longest path, and tables of the steps and transfers."""
    parts = [f"<h1>{_escape(title)}</h1>", *(f"<p>{_escape(line)}</p>" for line in _summarize(timeline))]
    if timeline.steps or timeline.transfers:
        parts.append(f'<div class="wide">{_render_picture(timeline)}</div>')
        parts.append(
            "<p>Each bar is a step, in a lane that one step after another uses; a gap is a lane without work. "
            "Dark bars, marked with ◆, form the longest path. The strips below are the stages of a step.</p>"
        )
    if timeline.longest_path:
        parts.append(f"<h2>Longest path</h2><ol>{_render_path(timeline)}</ol>")
    if timeline.steps:
        parts.append(f"<h2>Steps</h2>{_render_steps(timeline)}")
    if timeline.transfers:
        parts.append(f"<h2>Transfers</h2>{_render_transfers(timeline.transfers)}")
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{_escape(title)}</title><style>{_STYLE}</style></head><body>
{"".join(parts)}
</body></html>
"""


def _summarize(timeline: Timeline) -> Iterator[str]:
    if not timeline.steps:
        yield "No step ran: everything was up to date, or nothing could be started."
        return
    used = sum(step.processor_seconds for step in timeline.steps)
    lanes = max(step.lane for step in timeline.steps)
    busy = sum(step.seconds for step in timeline.steps) / max(timeline.seconds * lanes, 1e-6)
    yield (
        f"{count_noun(len(timeline.steps), 'step')} in {_format(timeline.seconds)}, with {_format(used)} of processor time. "
        f"{count_noun(lanes, 'lane')}, in which steps ran for {busy:.0%} of the time."
    )
    path = sum(step.seconds for step in timeline.steps if step.id in timeline.longest_path)
    yield f"The longest path has {_format(path)}: with any number of processors for steps, the build takes at least as long."


def _render_picture(timeline: Timeline) -> str:
    lanes = max((step.lane for step in timeline.steps), default=0)
    rows = lanes + max((span.lane for span in timeline.transfers), default=0)
    height, scale = _TOP + rows * _LANE, (_WIDTH - _LABELS) / max(timeline.seconds, 1e-6)
    names = [f"lane {number}" for number in range(1, lanes + 1)]
    names += [f"transfer {number}" for number in range(1, rows - lanes + 1)]
    labels = "".join(f'<text x="0" y="{_TOP + row * _LANE + 15}">{name}</text>' for row, name in enumerate(names))
    steps = "".join(
        _render_step(step, number, scale, step.id in timeline.longest_path)
        for number, step in enumerate(timeline.steps)
    )
    transfers = "".join(
        f'<g class="transfer">{_render_bar(span, lanes + span.lane - 1, scale, _describe(span), "")}</g>'
        for span in timeline.transfers
    )
    return (
        f'<svg viewBox="0 0 {_WIDTH} {height}" role="group" aria-labelledby="picture">'
        f'<title id="picture">Timeline of {count_noun(len(timeline.steps), "step")}; the table of steps has the same data'
        f"</title>{_render_axis(timeline.seconds, scale, height)}{labels}{steps}{transfers}</svg>"
    )


def _render_axis(seconds: float, scale: float, height: int) -> str:
    tick = next((tick for tick in _TICKS if seconds / tick <= _MOST_TICKS), _TICKS[-1])
    lines = []
    for number in range(int(seconds // tick) + 1):
        x = _LABELS + number * tick * scale
        lines.append(f'<line class="axis" x1="{x:.1f}" y1="16" x2="{x:.1f}" y2="{height}"/>')
        lines.append(f'<text x="{x:.1f}" y="11">{_format(number * tick)}</text>')
    return "".join(lines)


def _render_step(step: TimelineStep, number: int, scale: float, is_on_path: bool) -> str:
    classes = [step.outcome, *(["path"] if is_on_path else [])]
    label = f"◆ {step.name}" if is_on_path else step.name
    bar = _render_bar(step, step.lane - 1, scale, _describe(step), label)
    y = _TOP + (step.lane - 1) * _LANE + _BAR - 5
    stages = "".join(
        f'<rect class="stage" x="{_LABELS + stage.start * scale:.1f}" y="{y}" width="{stage.seconds * scale:.1f}" height="5">'
        f"<title>{_escape(_describe(stage))}</title></rect>"
        for stage in step.stages
    )
    return f'<a href="#step{number}" class="{_escape(" ".join(classes))}">{bar}{stages}</a>'


def _render_bar(span: Span, row: int, scale: float, description: str, label: str) -> str:
    x, y, width = _LABELS + span.start * scale, _TOP + row * _LANE, max(span.seconds * scale, 1.0)
    fitting = int((width - 6) / _CHARACTER)
    text = label if len(label) <= fitting else f"{label[: fitting - 1]}…"
    shown = f'<text x="{x + 3:.1f}" y="{y + 12}">{_escape(text)}</text>' if label and fitting >= _SHORTEST_LABEL else ""
    return (
        f'<rect x="{x:.1f}" y="{y}" width="{width:.1f}" height="{_BAR}" rx="2"><title>{_escape(description)}</title></rect>'
        f"{shown}"
    )


def _render_path(timeline: Timeline) -> str:
    by_id = {step.id: step for step in timeline.steps}
    return "".join(f"<li>{_escape(by_id[id].name)}: {_format(by_id[id].seconds)}</li>" for id in timeline.longest_path)


def _render_steps(timeline: Timeline) -> str:
    rows = "".join(
        f'<tr id="step{number}"><td class="name">{"◆ " if step.id in timeline.longest_path else ""}{_escape(step.name)}</td>'
        f'<td class="name">{_escape(step.outcome)}</td><td>{step.lane}</td><td>{_format(step.start)}</td>'
        f"<td>{_format(step.seconds)}</td><td>{_format(step.processor_seconds)}</td>"
        f'<td class="name">{_escape(", ".join(f"{stage.name} {_format(stage.seconds)}" for stage in step.stages))}</td></tr>'
        for number, step in enumerate(timeline.steps)
    )
    head = '<th class="name">step</th><th class="name">outcome</th><th>lane</th><th>start</th><th>time</th>'
    head += '<th>processor time</th><th class="name">stages</th>'
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>'


def _render_transfers(transfers: Sequence[Span]) -> str:
    rows = "".join(
        f'<tr><td class="name">{_escape(span.name)}</td><td class="name">{_escape(span.outcome)}</td>'
        f"<td>{_format(span.start)}</td><td>{_format(span.seconds)}</td></tr>"
        for span in transfers
    )
    head = '<th class="name">file</th><th class="name">outcome</th><th>start</th><th>time</th>'
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>'


def _describe(span: Span) -> str:
    outcome = f", {span.outcome}" if span.outcome else ""
    return f"{span.name}: {_format(span.seconds)} from {_format(span.start)} on{outcome}"


def _format(seconds: float) -> str:
    """Return a time as `4.2 s`, or `12:05` from a minute on."""
    return f"{seconds:.1f} s" if seconds < 60 else f"{int(seconds) // 60}:{int(seconds) % 60:02}"


def _escape(text: str) -> str:
    return html.escape(printable(text))
