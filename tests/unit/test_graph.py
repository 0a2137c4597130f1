"""Topological order, transitive closure and longest paths."""

from __future__ import annotations

import pytest
from everywheel.errors import UsageError
from everywheel.planning.graph import longest_paths, sort_topologically, transitive_closure

GRAPH = {"vips": ["glib", "webp"], "glib": ["zlib", "ffi"], "webp": [], "zlib": [], "ffi": []}


def test_each_node_comes_after_its_requirements_else_nodes_are_sorted_by_name() -> None:
    assert sort_topologically(GRAPH) == ("ffi", "webp", "zlib", "glib", "vips")


@pytest.mark.parametrize(
    ("edges", "cycle"),
    [
        ({"a": ["b"], "b": ["a"]}, "a -> b -> a"),
        ({"a": ["b"], "b": ["c"], "c": ["a"]}, "a -> b -> c -> a"),
        ({"x": ["c"], "b": ["a"], "a": ["c"], "c": ["b"]}, "a -> c -> b -> a"),
        ({"a": ["a"]}, "a -> a"),
    ],
)
def test_a_cycle_is_named_completely_in_the_direction_of_requirements(edges: dict[str, list[str]], cycle: str) -> None:
    with pytest.raises(UsageError) as caught:
        sort_topologically(edges)

    assert caught.value.fact == f"recipes require each other in a cycle: {cycle}"


def test_a_closure_has_no_duplicates_and_is_in_depth_first_order() -> None:
    assert transitive_closure(["vips", "zlib"], GRAPH.__getitem__) == ("vips", "glib", "zlib", "ffi", "webp")


def test_the_depth_of_a_node_is_the_weight_of_its_heaviest_path() -> None:
    weights = {"vips": 5.0, "glib": 3.0, "webp": 1.0, "zlib": 1.0, "ffi": 1.0}

    assert longest_paths(GRAPH, sort_topologically(GRAPH), weights) == {
        "vips": 5.0,
        "glib": 8.0,
        "webp": 6.0,
        "zlib": 9.0,
        "ffi": 9.0,
    }
