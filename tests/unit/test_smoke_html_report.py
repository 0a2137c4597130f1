"""The HTML report of a smoke matrix."""

from __future__ import annotations

import dataclasses
import html.parser
from typing import Any

from everywheel.smoke.html_report import render_html_report
from everywheel.smoke.result import SmokeResult, SmokeState

WHEEL = "x-1.0-cp311-abi3-manylinux2014_x86_64.whl"


def make_result(state: SmokeState, image: str, **details: Any) -> SmokeResult:
    return SmokeResult(
        wheel=WHEEL,
        target="manylinux_2_17_x86_64",
        image=image,
        libc="glibc 2.36",
        arch="x86_64",
        state=state,
        **details,
    )


class Reader(html.parser.HTMLParser):
    """Collects all ids and links, and checks that all elements are closed in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        self.ids += [named["id"] or ""] if "id" in named else []
        self.links += [(named["href"] or "").removeprefix("#")] if "href" in named else []
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_report_links_each_result_to_its_details_and_escapes_these() -> None:
    results = [
        make_result(SmokeState.PASSED, "debian-12", python="3.11.2", seconds=4.5, test_seconds=2.0),
        make_result(
            SmokeState.FAILED, "debian-13", message="it needs <foo> & more", evidence=("<script>alert(1)</script>",)
        ),
        make_result(SmokeState.STATIC, "centos-7", message="all 12 symbols resolve"),
        make_result(SmokeState.ERROR, "fedora", message="no QEMU"),
    ]

    report = render_html_report(results, "x 1.0")

    reader = Reader()
    reader.feed(report)
    assert reader.open == []
    assert sorted(reader.ids) == sorted(reader.links)
    assert len(reader.ids) == 4
    assert "<script" not in report
    assert "it needs &lt;foo&gt; &amp; more" in report
    assert "1 passed, 1 failed, 1 static only, 1 could not run" in report


def test_the_report_explains_each_state_and_names_wine_as_the_emulator() -> None:
    details = {
        "reason": "no interpreter for cp314t on the image, only Python 3.13",
        "message": "all 12 symbols resolve",
    }
    results = [
        make_result(state, f"system {state}", **(details if state is SmokeState.NO_PYTHON else {}))
        for state in SmokeState
        if state is not SmokeState.UNDER_WINE
    ]
    wine = make_result(SmokeState.UNDER_WINE, "Windows", python="3.13.0", seconds=9.0, test_seconds=4.5)
    results.append(dataclasses.replace(wine, libc=""))

    report = render_html_report(results, "x 1.0")

    assert all(f"<b>{state.value}</b>: " in report for state in SmokeState)
    assert "<small>Python 3.13.0 · Wine</small>" in report
    assert "<p>9.0 s in total, 4.5 s for imports and smoke command</p>" in report
    assert "<p>no interpreter for cp314t on the image, only Python 3.13; all 12 symbols resolve</p>" in report
    assert "1 passed, 1 failed, 1 passed under Wine, 1 static only, 1 no interpreter, 1 not run here" in report


def test_a_wheel_that_does_not_claim_a_system_has_a_dot_there() -> None:
    other = dataclasses.replace(make_result(SmokeState.PASSED, "debian-12"), wheel="y", target="manylinux_2_36_x86_64")

    report = render_html_report([make_result(SmokeState.PASSED, "debian-11"), other], "x 1.0")

    assert report.count('<td class="cell none">') == 2
