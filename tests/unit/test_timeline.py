"""The timeline of a build: the longest path through what ran, and the page with a bar and a row for each step."""

from __future__ import annotations

import re
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from everywheel.cli.timeline import Timeline, read_timeline
from everywheel.cli.timeline_page import render_timeline
from everywheel.cli.trace import TraceFiles, record_trace
from everywheel.errors import BuildError, UsageError
from everywheel.execution.jobserver import open_job_pool
from everywheel.execution.scheduler import LocalExecutor, Task, execute
from everywheel.pipeline import SilentListener


def step(id: str, start: float, seconds: float, *requires: str, lane: int = 1) -> dict[str, Any]:
    args = {"id": id, "outcome": "done", "processor_seconds": seconds / 2, "requires": requires}
    return event(f"label of {id}", "step", start, seconds, lane) | {"args": args}


def event(name: str, category: str, start: float, seconds: float, lane: int = 1, process: int = 1) -> dict[str, Any]:
    times = {"ts": start * 1e6, "dur": seconds * 1e6}
    return {"name": name, "cat": category, "ph": "X", "pid": process, "tid": lane, "args": {}, **times}


def draw(*events: dict[str, Any]) -> str:
    return render_timeline(read_timeline(events), "Build of demo 1.0")


def parse(page: str) -> ET.Element:
    """Return the page as a tree; it must be well-formed, apart from elements without an end."""
    return ET.fromstring(re.sub(r"<(meta[^>]*)>", r"<\1/>", page.partition("\n")[2]))


# zlib and libpng take 4 s together, cmake 3 s, and the wheel that requires both 2 s.
EVENTS = (
    step("zlib", 0, 1),
    event("configure", "stage", 0, 0.4),
    event("compile", "stage", 0.4, 0.6),
    step("cmake", 0, 3, lane=2),
    step("libpng", 1, 3, "zlib"),
    event("unpack", "stage", 1, 0.1),
    step("wheel", 4, 2, "libpng", "cmake", "not-built"),
)


def test_the_longest_path_has_the_steps_that_limit_the_build() -> None:
    assert read_timeline(EVENTS).longest_path == ("zlib", "libpng", "wheel")
    assert read_timeline([*EVENTS[:4], step("wheel", 4, 2, "zlib", "cmake")]).longest_path == ("cmake", "wheel")


def test_stages_belong_to_the_step_in_their_lane() -> None:
    stages = {step.id: [stage.name for stage in step.stages] for step in read_timeline(EVENTS).steps}

    assert stages == {"zlib": ["configure", "compile"], "cmake": [], "libpng": ["unpack"], "wheel": []}


def test_a_bar_begins_and_ends_with_its_step_and_links_to_its_row() -> None:
    tree = parse(draw(*EVENTS))
    links = {link.get("href"): link for link in tree.iter("a")}
    rows = {f"#{row.get('id')}": row for row in tree.iter("tr") if row.get("id")}
    bars = {"".join(rows[href].find("td").itertext()): link.find("rect") for href, link in links.items()}  # type: ignore[union-attr, arg-type]
    positions = {name: (float(bar.get("x")), float(bar.get("width"))) for name, bar in bars.items()}  # type: ignore[union-attr, arg-type]

    first, last = positions["◆ label of zlib"], positions["◆ label of wheel"]
    assert first[1] == pytest.approx(1110 / 6, abs=0.1)
    assert last == (pytest.approx(first[0] + 4 * first[1], abs=0.2), pytest.approx(2 * first[1], abs=0.2))
    assert positions["label of cmake"][0] == first[0]


def test_the_text_states_what_the_picture_shows() -> None:
    text = "\n".join(parse(draw(*EVENTS)).itertext())

    assert "4 steps in 6.0 s, with 4.5 s of processor time. 2 lanes, in which steps ran for 75% of the time." in text
    assert "The longest path has 6.0 s" in text
    assert [
        line for line in text.splitlines() if line.startswith("label of ") and ": " in line and "from" not in line
    ] == [
        "label of zlib: 1.0 s",
        "label of libpng: 3.0 s",
        "label of wheel: 2.0 s",
    ]
    assert "configure 0.4 s, compile 0.6 s" in text


def test_the_page_has_no_script_and_nothing_from_elsewhere_and_names_are_text() -> None:
    page = draw(step("<script>alert(1)</script>", 0, 1), event('a"b', "transfer", 0, 1, process=2))

    assert {element.tag for element in parse(page).iter()} & {"script", "link", "img", "iframe", "object"} == set()
    assert re.findall(r"(?:src|href)=\"(?!#step\d+\")", page) == []
    assert "url(" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page


def test_the_page_of_a_build_without_a_step_states_why_it_is_empty() -> None:
    text = "".join(parse(render_timeline(Timeline(steps=(), transfers=(), longest_path=()), "demo")).itertext())

    assert "No step ran: everything was up to date, or nothing could be started." in text


def test_the_page_of_a_run_has_its_order_and_a_failed_step(tmp_path: Path) -> None:
    def fail(set_stage: Callable[[str], None]) -> None:
        set_stage("configure")
        raise BuildError("failed")

    work: dict[str, Callable[[Callable[[str], None]], None]] = {"a": lambda set_stage: time.sleep(0.2), "b": fail}
    tasks = [
        Task(id=id, label=f"label of {id}", requires=tuple("a" if id == "b" else ""), priority=1.0, work=function)
        for id, function in work.items()
    ]
    files = TraceFiles(page=tmp_path / "timeline.html", title="Build of demo 1.0")
    with open_job_pool(2) as pool, record_trace(SilentListener(), files) as listener:
        execute(tasks, LocalExecutor(pool), listener)

    tree = parse((tmp_path / "timeline.html").read_text(encoding="utf-8"))
    rows = [["".join(cell.itertext()) for cell in row.iter("td")][:2] for row in tree.iter("tr") if row.get("id")]
    assert rows == [["◆ label of a", "done"], ["◆ label of b", "failed"]]
    assert "path" in str(next(tree.iter("a")).get("class"))


def test_a_page_that_cannot_be_written_is_an_error_before_the_build(tmp_path: Path) -> None:
    files = TraceFiles(page=tmp_path / "missing" / "timeline.html")
    with pytest.raises(UsageError) as error, record_trace(SilentListener(), files):
        pytest.fail("the body ran")

    assert error.value.render() == (
        f"error: the timeline cannot be written to {files.page}\n"
        "  reason: no such file or directory\n"
        "  hint: name a file in a folder that exists with --html"
    )
