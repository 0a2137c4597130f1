"""Pure graph work: topological order and the cycle that prevents it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from graphlib import CycleError, TopologicalSorter

from everywheel.errors import UsageError


def order(edges: Mapping[str, Iterable[str]]) -> tuple[str, ...]:
    """Return the nodes so that each comes after what it requires; among equals, by name.

    >>> order({"vips": ["glib", "webp"], "glib": ["zlib"], "webp": [], "zlib": []})
    ('webp', 'zlib', 'glib', 'vips')

    Raises UsageError, with the whole cycle in it, when there is one.
    """
    sorter = TopologicalSorter({node: sorted(edges[node]) for node in sorted(edges)})
    try:
        sorter.prepare()
    except CycleError as error:
        cycle = list(reversed(error.args[1]))
        start = cycle.index(min(cycle[:-1]))
        ring = cycle[start:-1] + cycle[:start]
        raise UsageError(
            f"recipes require each other in a ring: {' -> '.join([*ring, ring[0]])}",
            hint="drop one of these requirements",
        ) from None
    found: list[str] = []
    while sorter.is_active():
        ready = sorted(sorter.get_ready())
        found += ready
        sorter.done(*ready)
    return tuple(found)


def closure(roots: Iterable[str], requires: Callable[[str], Iterable[str]]) -> tuple[str, ...]:
    """Return the roots and everything they require, each once, in the order in which they were met."""
    found: dict[str, None] = {}
    stack = list(reversed(list(roots)))
    while stack:
        node = stack.pop()
        if node not in found:
            found[node] = None
            stack += reversed(list(requires(node)))
    return tuple(found)


def depth(edges: Mapping[str, Iterable[str]], weight: Callable[[str], float]) -> dict[str, float]:
    """Return for each node the weight of the heaviest path from it to the end: the longest first keeps all cores busy."""
    dependants: dict[str, list[str]] = {node: [] for node in edges}
    for node, needed in edges.items():
        for need in needed:
            dependants[need].append(node)
    found: dict[str, float] = {}
    for node in reversed(order(edges)):
        found[node] = weight(node) + max((found[d] for d in dependants[node]), default=0.0)
    return found
