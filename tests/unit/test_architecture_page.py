"""docs/architecture.md and its picture agree with the code, and no package imports one above it."""

from __future__ import annotations

import graphlib
import importlib
import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "architecture.md"


def load_script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("draw_architecture", ROOT / "docs" / "draw_architecture.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


draw = load_script()


def list_functions() -> list[str]:
    """Return the functions and classes that the page names: `planning.plan.make_plan`."""
    parts = "|".join(draw.list_parts())
    return sorted(set(re.findall(rf"`((?:{parts})(?:\.[a-z0-9_]+)*\.[A-Za-z0-9_]+)(?:\(\))?`", PAGE.read_text())))


def test_no_package_imports_one_above_it() -> None:
    graph: dict[str, set[str]] = {}
    for item in draw.list_imports():
        if (item.importer, item.imported) not in draw.ARROWS_BACK:
            graph.setdefault(item.importer, set()).add(item.imported)

    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        cycle = list(zip(error.args[1][1:], error.args[1], strict=False))
        locations = [
            f"{item.location}: {item.importer} imports {item.imported}"
            for item in draw.list_imports()
            if (item.importer, item.imported) in cycle
        ]
        pytest.fail("packages import each other in a cycle:\n" + "\n".join(locations))


def test_every_accepted_arrow_back_still_exists() -> None:
    arrows = {(item.importer, item.imported) for item in draw.list_imports()}

    assert set(draw.ARROWS_BACK) - arrows == set()


@pytest.mark.parametrize("name", draw.list_parts())
def test_every_package_is_described_in_two_sentences(name: str) -> None:
    description = draw.describe_part(name)

    assert len(re.findall(r"\.(?: |$)", description)) == (2 if (draw.PACKAGE / name).is_dir() else 1)


@pytest.mark.parametrize("name", draw.list_parts())
def test_the_picture_names_every_package(name: str) -> None:
    picture = ElementTree.fromstring(draw.PICTURE.read_text())
    names = [text.text for text in picture.iter("{http://www.w3.org/2000/svg}text") if text.get("class") == "name"]

    assert names.count(name) == 1


def test_the_picture_draws_only_arrows_that_no_others_imply() -> None:
    graph = {"a": frozenset("bcd"), "b": frozenset("cd"), "c": frozenset("d"), "d": frozenset(), "e": frozenset("d")}

    reduced = draw.reduce_graph(graph)
    layers = draw.assign_layers(reduced)

    assert reduced == {**dict.fromkeys("de", frozenset()), "a": {"b"}, "b": {"c"}, "c": {"d"}, "e": {"d"}}
    assert all(layers[name] > layers[target] for name in reduced for target in reduced[name])


@pytest.mark.parametrize("name", list_functions())
def test_every_function_that_the_page_names_exists(name: str) -> None:
    module, _, attribute = name.rpartition(".")
    if (draw.PACKAGE / Path(*name.split("."))).is_dir() or (draw.PACKAGE / Path(*name.split("."))).with_suffix(
        ".py"
    ).exists():
        importlib.import_module(f"everywheel.{name}")
    else:
        assert hasattr(importlib.import_module(f"everywheel.{module}"), attribute)


def test_the_picture_is_drawn_from_the_present_imports() -> None:
    assert draw.draw_picture(draw.load_graph()) == draw.PICTURE.read_text(), "run `python docs/draw_architecture.py`"


def test_the_page_has_the_present_descriptions() -> None:
    page = draw.PAGE.read_text()

    assert draw.fill_page(page, draw.load_graph()) == page, "run `python docs/draw_architecture.py`"
