"""Pure graph work."""

from __future__ import annotations

import pytest
from everywheel.errors import UsageError
from everywheel.planning.graph import closure, depth, order

GRAPH = {"vips": ["glib", "webp"], "glib": ["zlib", "ffi"], "webp": [], "zlib": [], "ffi": []}


def test_each_comes_after_what_it_requires_and_equals_come_by_name() -> None:
    assert order(GRAPH) == ("ffi", "webp", "zlib", "glib", "vips")


@pytest.mark.parametrize(
    ("edges", "ring"),
    [
        ({"a": ["b"], "b": ["a"]}, "a -> b -> a"),
        ({"a": ["b"], "b": ["c"], "c": ["a"]}, "a -> b -> c -> a"),
        ({"x": ["c"], "b": ["a"], "a": ["c"], "c": ["b"]}, "a -> c -> b -> a"),
        ({"a": ["a"]}, "a -> a"),
    ],
)
def test_a_ring_is_shown_whole_in_the_direction_of_requiring(edges: dict[str, list[str]], ring: str) -> None:
    with pytest.raises(UsageError) as caught:
        order(edges)

    assert caught.value.fact == f"recipes require each other in a ring: {ring}"


def test_a_closure_holds_each_once_in_the_order_met() -> None:
    assert closure(["vips", "zlib"], GRAPH.__getitem__) == ("vips", "glib", "zlib", "ffi", "webp")


def test_a_step_weighs_as_much_as_the_heaviest_way_to_the_end() -> None:
    weights = {"vips": 5.0, "glib": 3.0, "webp": 1.0, "zlib": 1.0, "ffi": 1.0}

    assert depth(GRAPH, weights.__getitem__) == {"vips": 5.0, "glib": 8.0, "webp": 6.0, "zlib": 9.0, "ffi": 9.0}
