"""What is made of a smoke run's outcome: cells, and the page that shows them."""

from __future__ import annotations

import dataclasses
import html.parser
import json
from pathlib import Path
from typing import Any

import pytest
from everywheel.containers.catalog import Bootstrap, PortablePython, SmokeImage
from everywheel.containers.runtime import ContainerResult
from everywheel.platforms.target import parse_target
from everywheel.smoke.evaluate import evaluate_result
from everywheel.smoke.html_report import render_html_report
from everywheel.smoke.matrix_entries import MatrixEntry, explain_no_python, is_for_python, list_pythons, make_entries
from everywheel.smoke.result import SmokeResult, State, name_columns
from everywheel.toolchains.pip import platform_tags

IMAGE = SmokeImage(
    name="debian-12", libc="glibc", libc_version=(2, 36), arches=("x86_64",), digests={}, cpu={}, reference="x"
)
WHEEL = Path("x-1.0-cp311-abi3-manylinux2014_x86_64.whl")
ONE = MatrixEntry(wheel=WHEEL, target=parse_target("manylinux2014_x86_64"), image=IMAGE)
TOLD: dict[str, Any] = {
    "python": "3.11.2",
    "libc": "glibc 2.36",
    "strange": [],
    "loaded": ["libc.so.6"],
    "stages": [
        {"stage": "install", "exit": 0, "output": "", "seconds": 1.0},
        {"stage": "test", "exit": 0, "output": "collected 2 items\n2 passed in 0.1s\n", "seconds": 2.25},
    ],
}
ENDED = ContainerResult(exit_code=0, output="", seconds=4.5)


def change(**changes: Any) -> dict[str, Any]:
    return {**TOLD, **changes}


def stages(install: int, test: int | None, output: str = "boom") -> list[dict[str, Any]]:
    found = [{"stage": "install", "exit": install, "output": output, "seconds": 1.0}]
    return found + ([{"stage": "test", "exit": test, "output": output, "seconds": 2.0}] if test is not None else [])


def test_a_wheel_that_works_passes_with_its_python_and_its_times() -> None:
    cell = evaluate_result(ONE, ENDED, TOLD)

    assert (cell.state, cell.python, cell.seconds, cell.test_seconds) == (State.PASSED, "3.11.2", 4.5, 2.25)
    assert cell.evidence == ("2 passed in 0.1s",)


CASES = {
    "a failing test": (change(stages=stages(0, 1, "E  ValueError: no")), State.FAILED, "ValueError: no"),
    "a failing install": (change(stages=stages(1, None, "ERROR: no match")), State.FAILED, "ERROR: no match"),
    "a stranger": (
        change(strange=["/usr/lib/libz.so.1"]),
        State.FAILED,
        "it loaded /usr/lib/libz.so.1 from the system, which manylinux2014_x86_64 does not promise",
    ),
    "another image than was said": (
        change(libc="glibc 2.31"),
        State.ERROR,
        "the image has glibc 2.31, its entry in the catalog says glibc 2.36",
    ),
    "nothing that was loaded": (
        change(loaded=[]),
        State.ERROR,
        "nobody could see what it loaded: the smoke command must be a Python that reads its site",
    ),
    "no libc at all": (
        change(libc="musl ?"),
        State.ERROR,
        "the image has musl ?, its entry in the catalog says glibc 2.36",
    ),
}


@pytest.mark.parametrize(("told", "state", "why"), CASES.values(), ids=CASES)
def test_what_is_wrong_is_said(told: dict[str, Any], state: State, why: str) -> None:
    cell = evaluate_result(ONE, ENDED, told)

    assert (cell.state, cell.why) == (state, why)


def test_what_further_packages_brought_is_listed_and_no_stranger() -> None:
    made = Bootstrap(kind="debian", suite="bookworm", packages=("libz",))
    one = dataclasses.replace(ONE, image=dataclasses.replace(IMAGE, bootstrap=made))

    cell = evaluate_result(one, ENDED, change(strange=["/usr/lib/libz.so.1"]))

    assert (cell.state, cell.libraries) == (State.PASSED, ("/usr/lib/libz.so.1",))


def test_a_container_that_never_told_anything_failed() -> None:
    words = "it did not end within 5 s"

    cell = evaluate_result(ONE, ContainerResult(exit_code=-1, output="", seconds=5.0, reason=words), None)

    assert (cell.state, cell.why) == (State.FAILED, words)


def test_a_wheel_is_paired_with_what_it_claims() -> None:
    new, old = (dataclasses.replace(IMAGE, name=str(minor), libc_version=(2, minor)) for minor in (36, 27))
    wheel = Path("x-1.0-cp311-abi3-manylinux_2_28_x86_64.whl")

    assert [one.image.name for one in make_entries([wheel], [new, old])] == ["36"]


@pytest.mark.parametrize(
    ("tag", "libc", "first", "last"),
    [
        ("manylinux2014_x86_64", (2, 36), "manylinux_2_36_x86_64", "manylinux2014_x86_64"),
        ("manylinux_2_31_riscv64", (2, 41), "manylinux_2_41_riscv64", "manylinux2014_riscv64"),
        ("musllinux_1_2_aarch64", (1, 2, 5), "musllinux_1_2_aarch64", "musllinux_1_0_aarch64"),
    ],
)
def test_a_system_takes_its_own_tags(tag: str, libc: tuple[int, ...], first: str, last: str) -> None:
    tags = platform_tags(parse_target(tag), libc)

    assert (tags[0], tags[-1]) == (first, last)


def make_cell(state: State, image: str, **more: Any) -> SmokeResult:
    return SmokeResult(
        wheel=WHEEL.name,
        target="manylinux_2_17_x86_64",
        image=image,
        libc="glibc 2.36",
        arch="x86_64",
        state=state,
        **more,
    )


class Reader(html.parser.HTMLParser):
    """Notes every id and every link, and checks that all elements are closed in order."""

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


def test_the_page_links_every_cell_to_what_was_seen_and_escapes_it() -> None:
    cells = [
        make_cell(State.PASSED, "debian-12", python="3.11.2", seconds=4.5, test_seconds=2.0),
        make_cell(State.FAILED, "debian-13", why="it needs <foo> & more", evidence=("<script>alert(1)</script>",)),
        make_cell(State.STATIC, "centos-7", why="all 12 symbols resolve"),
        make_cell(State.ERROR, "fedora", why="no QEMU"),
    ]

    page = render_html_report(cells, "x 1.0")

    reader = Reader()
    reader.feed(page)
    assert reader.open == []
    assert sorted(reader.ids) == sorted(reader.links)
    assert len(reader.ids) == 4
    assert "<script" not in page
    assert "it needs &lt;foo&gt; &amp; more" in page
    assert "1 passed, 1 failed, 1 static only, 1 could not run" in page


def test_the_page_says_of_each_state_what_it_means_and_of_wine_that_it_was_wine() -> None:
    lack = {"lack": "no interpreter for cp314t there, only Python 3.13", "why": "all 12 symbols resolve"}
    cells = [
        make_cell(state, f"system {state}", **(lack if state is State.NO_PYTHON else {}))
        for state in State
        if state is not State.UNDER_WINE
    ]
    wine = make_cell(State.UNDER_WINE, "Windows", python="3.13.0", seconds=9.0, test_seconds=4.5)
    cells.append(dataclasses.replace(wine, libc=""))

    page = render_html_report(cells, "x 1.0")

    assert all(f"<b>{state.value}</b>: " in page for state in State)
    assert "<small>Python 3.13.0 · Wine</small>" in page
    assert "<p>9.0 s in all, 4.5 s of them the smoke command</p>" in page
    assert "<p>no interpreter for cp314t there, only Python 3.13; all 12 symbols resolve</p>" in page
    assert "1 passed, 1 failed, 1 passed under Wine, 1 static only, 1 no interpreter, 1 not run here" in page


def test_a_wheel_that_does_not_claim_a_system_has_a_dot_there() -> None:
    other = dataclasses.replace(make_cell(State.PASSED, "debian-12"), wheel="y", target="manylinux_2_36_x86_64")

    page = render_html_report([make_cell(State.PASSED, "debian-11"), other], "x 1.0")

    assert page.count('<td class="cell none">') == 2


def test_cells_can_be_written_as_json() -> None:
    told = json.loads(json.dumps(dataclasses.asdict(evaluate_result(ONE, ENDED, TOLD))))

    assert told["state"] == "passed"
    assert told["image"] == "debian-12"


@pytest.mark.parametrize(
    ("tags", "takes"),
    [
        ("cp311-abi3", {"3.11", "3.13", "3.14"}),
        ("cp313-cp313", {"3.13"}),
        ("cp313-cp313t", set()),
        ("cp312-none", {"3.13", "3.14"}),
        ("py3-none", {"3.11", "3.13", "3.14"}),
        ("cp311.cp313-cp311.cp313", {"3.11", "3.13"}),
    ],
)
def test_a_wheel_is_tried_with_the_pythons_that_its_tags_take(tags: str, takes: set[str]) -> None:
    wheel = f"x-1.0-{tags}-manylinux2014_x86_64.whl"

    assert {version for version in ("3.11", "3.13", "3.14") if is_for_python(wheel, version)} == takes


PORTABLE = PortablePython(
    libc="glibc", version="3.13", package="python", archive="*", sha256={"x86_64": "0"}, libraries={}
)


@pytest.mark.parametrize(
    ("own", "digests", "arch", "versions"),
    [
        ("", {}, "x86_64", ("3.13",)),
        ("3.11", {}, "x86_64", ("3.11",)),
        ("3.11", {"any": "sha256:0"}, "x86_64", ("3.11", "3.13")),
        ("3.11", {}, "s390x", ("3.11",)),
        ("", {}, "s390x", ()),
    ],
)
def test_an_image_can_have_its_own_python_or_where_it_is_pulled_a_portable_one(
    own: str, digests: dict[str, str], arch: str, versions: tuple[str, ...]
) -> None:
    made = Bootstrap(kind="debian", suite="bookworm", python=own)
    image = dataclasses.replace(IMAGE, bootstrap=made, digests=digests, arches=(arch,))
    one = MatrixEntry(wheel=WHEEL, target=parse_target(f"manylinux2014_{arch}"), image=image)

    assert list_pythons(one, {"glibc": PORTABLE}) == versions


@pytest.mark.parametrize(
    ("tags", "versions", "words"),
    [
        ("cp314-cp314t", ("3.13", "3.14"), "no interpreter for cp314t there, only Python 3.13 and 3.14"),
        ("cp314-abi3", ("3.13",), "no interpreter for cp314-abi3 there, only Python 3.13"),
        ("cp311-abi3", (), "no interpreter for cp311-abi3 there: the image has none, and no portable one is for it"),
        ("cp311-abi3", ("3.9", "3.13"), ""),
    ],
)
def test_a_wheel_that_no_python_takes_is_told_so(tags: str, versions: tuple[str, ...], words: str) -> None:
    assert explain_no_python(f"x-1.0-{tags}-manylinux2014_x86_64.whl", versions) == words


def test_two_wheels_of_one_target_have_a_column_each() -> None:
    wheels = ("x-1.0-cp311-abi3-manylinux2014_x86_64.whl", "x-1.0-cp314-cp314t-manylinux2014_x86_64.whl")
    other = "x-1.0-cp311-abi3-musllinux_1_2_x86_64.whl"
    one = evaluate_result(ONE, ENDED, TOLD)
    cells = [dataclasses.replace(one, wheel=wheel) for wheel in wheels]
    cells.append(dataclasses.replace(one, wheel=other, target="musllinux_1_2_x86_64"))

    assert list(name_columns(cells).values()) == [
        f"cp311-abi3 {one.target}",
        f"cp314-cp314t {one.target}",
        "musllinux_1_2_x86_64",
    ]
