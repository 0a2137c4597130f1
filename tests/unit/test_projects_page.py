"""docs/projects.md shows the recorded results of the projects in projects.toml."""

from __future__ import annotations

import pytest
from everywheel.config.pins import parse_pins
from known_projects import LOCKS, MOST_LINES, KnownProject, load_projects
from projects_page import (
    LINUX_TARGETS,
    OTHER_TARGETS,
    PAGE,
    ProjectResult,
    WheelResult,
    merge_results,
    read_results,
    render_builds,
    render_page,
)

TARGETS = {*LINUX_TARGETS, *OTHER_TARGETS}
ARM, INTEL = "manylinux2014_aarch64", "manylinux2014_x86_64"


def make_result(version: str = "1.0", **fields: dict[str, object]) -> ProjectResult:
    return ProjectResult(version=version, lines=1, **fields)  # type: ignore[arg-type]


def test_the_page_is_rendered_from_the_recorded_results() -> None:
    assert PAGE.read_text(encoding="utf-8") == render_page(read_results(), load_projects())


def test_the_recorded_results_are_those_of_the_listed_projects() -> None:
    listed = {project.label: (project.version, project.lines) for project in load_projects()}
    recorded = {name: (result.version, result.lines) for name, result in read_results().items()}

    assert recorded == {name: listed[name] for name in recorded}


@pytest.mark.parametrize("project", load_projects(), ids=lambda project: project.label)
def test_a_listed_project_is_pinned_and_used_with_few_settings(project: KnownProject) -> None:
    assert 1 <= project.lines <= MOST_LINES
    assert len(bytes.fromhex(project.sha256)) == 32
    assert "import" in project.use
    assert set(project.without) <= TARGETS - set(LINUX_TARGETS)


def test_each_lock_pins_the_build_requirements_of_a_project() -> None:
    locks = [project.lock for project in load_projects() if project.lock]

    assert sorted(locks) == sorted(path.name for path in LOCKS.iterdir())
    assert all(parse_pins((LOCKS / lock).read_text(encoding="utf-8")) for lock in locks)


def test_a_row_counts_the_wheels_that_were_used_for_each_target() -> None:
    project = KnownProject(name="demo", version="1.0", sha256="", without={"win_amd64": "it is for Linux"})
    wheels = {
        "demo-1.0-cp311.whl": WheelResult(target=ARM, size=2_000_000),
        "demo-1.0-cp313.whl": WheelResult(target=ARM, size=3_210_000, images=("debian-13",)),
        "demo-1.0-mac.whl": WheelResult(target="macosx_11_0_arm64", size=1),
    }

    table = render_builds({"demo": make_result(seconds={"wheel:a": 60, "wheel:b": 30}, wheels=wheels)}, [project])

    *_, row = table.splitlines()
    assert row == (
        "| demo 1.0 | 1 | 1.5 (2 of 3 wheels) | 3.21 MB | not built | 1 of 2 used | not built | not built | 1 built "
        "| no, see below |"
    )


def test_results_are_added_to_those_of_the_same_version() -> None:
    intel, arm = WheelResult(target=INTEL, size=2), WheelResult(target=ARM, size=1)
    used = WheelResult(target=ARM, size=3, images=("musl",))
    old = make_result(
        seconds={"wheel:arm": 5.0, "wheel:intel": 4.0},
        wheels={"arm.whl": arm, "intel.whl": intel},
        suites={"musl": "1 passed"},
    )

    merged = merge_results(old, make_result(seconds={"wheel:intel": 6.0}, wheels={"arm.whl": used}))

    assert merged.seconds == {"wheel:arm": 5.0, "wheel:intel": 6.0}
    assert merged.wheels == {"arm.whl": used, "intel.whl": intel}
    assert merged.suites == {"musl": "1 passed"}
    assert merge_results(old, make_result("2.0")) == make_result("2.0")


def test_a_variant_has_a_row_and_results_of_its_own() -> None:
    plain = KnownProject(name="demo", version="1.0", sha256="")
    variant = KnownProject(name="demo", version="1.0", sha256="", variant="all")
    wheels = {"demo-1.0-cp313.whl": WheelResult(target=INTEL, size=10_000, images=("musl",))}

    table = render_builds({"demo": make_result(), "demo-all": make_result(wheels=wheels)}, [plain, variant])

    *_, first, second = table.splitlines()
    assert first.startswith("| demo 1.0 | 1 | 0.0 | 0.00 MB | not built |")
    assert second.startswith("| demo-all 1.0 | 1 | 0.0 (0 of 1 wheels) | 0.01 MB | 1 of 1 used |")


def test_the_label_of_every_project_is_unique() -> None:
    labels = [project.label for project in load_projects()]

    assert len(set(labels)) == len(labels)


def test_only_projects_with_results_have_notes() -> None:
    projects = [
        KnownProject(
            name=name, version="1.0", sha256="", note=f"about {name}", without={"win_amd64": f"{name} is for Linux"}
        )
        for name in ("built", "planned")
    ]

    page = render_page({"built": make_result()}, projects)

    assert "- built: about built.\n" in page
    assert "- built, win_amd64: built is for Linux.\n" in page
    assert "planned" not in page
