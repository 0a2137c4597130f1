"""Draw docs/progress.svg and docs/smoke-matrix.svg with the program's own display and table, from recorded runs.

`python docs/draw_screens.py` writes both pictures. `data/progress.json` has the events of a build of webpencode whose store
had everything but libwebp and what depends on it. `data/smoke.json` has the fields that the table shows, from
`everywheel smoke --json` for four wheels on a machine without access to registries: images that exist only there were
checked statically.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from unittest.mock import patch

from everywheel.cli.progress import ProgressDisplay
from everywheel.cli.smoke import make_matrix_table
from everywheel.execution.scheduler import Outcome, Result, Task, TaskKind
from everywheel.smoke.result import SmokeResult, SmokeState
from rich.console import Console
from rich.terminal_theme import MONOKAI

DOCS = Path(__file__).parent
MOMENT = 552.7  # seconds after the beginning of the recorded build


def draw_progress() -> str:
    """Return the display at one moment of the recorded build, as SVG."""
    now = 0.0
    console = make_console(88)
    with patch("time.monotonic", lambda: now):
        display = ProgressDisplay(console)
        for event in json.loads((DOCS / "data" / "progress.json").read_text(encoding="utf-8")):
            if event["at"] > MOMENT:
                break
            now = event["at"]
            send_event(display, event)
        now = MOMENT
        console.print(display.render())
    return export_picture(console, "nox -s build-all", "progress")


def send_event(display: ProgressDisplay, event: dict[str, object]) -> None:
    """Send a recorded event to the display."""
    if event["event"] == "start":
        display.expect(total=int(str(event["total"])), cached=int(str(event["cached"])))
        return
    id, kind = str(event["id"]), TaskKind(str(event["kind"]))
    if event["event"] == "end":
        outcome, seconds = Outcome(str(event["outcome"])), float(str(event["seconds"]))
        display.end(Result(id=id, kind=kind, label=str(event["label"]), outcome=outcome, seconds=seconds))
        return
    task = Task(
        id=id, kind=kind, label=str(event.get("label", "")), requires=(), priority=0, work=lambda set_stage: None
    )
    if event["event"] == "begin":
        display.begin(task)
    else:
        display.stage(task, str(event["stage"]))


def draw_matrix() -> str:
    """Return the matrix of the recorded smoke tests, as SVG."""
    results = tuple(
        SmokeResult(**{**entry, "state": SmokeState(entry["state"])})
        for entry in json.loads((DOCS / "data" / "smoke.json").read_text(encoding="utf-8"))
    )
    console = make_console(138)
    console.print(make_matrix_table(results))
    return export_picture(console, "nox -s smoke", "matrix")


def export_picture(console: Console, title: str, id: str) -> str:
    """Return what a console recorded as SVG in the viewer's own font: pictures in a page may not load others."""
    picture = console.export_svg(title=title, theme=MONOKAI, unique_id=id)
    picture = re.sub(r"\s*@font-face \{.*?\}", "", picture, flags=re.DOTALL)
    return picture.replace("font-family: Fira Code, monospace", "font-family: monospace")


def make_console(width: int) -> Console:
    """Return a console that records its output and prints nothing."""
    return Console(record=True, width=width, file=io.StringIO(), force_terminal=True, color_system="truecolor")


PICTURES: dict[str, Callable[[], str]] = {"progress.svg": draw_progress, "smoke-matrix.svg": draw_matrix}


def main() -> None:
    """Write the pictures."""
    for name, draw in PICTURES.items():
        (DOCS / name).write_text(draw(), encoding="utf-8")


if __name__ == "__main__":
    main()
