"""Graph algorithms: topological order, transitive closure and longest paths."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from graphlib import CycleError, TopologicalSorter

from everywheel.errors import UsageError


def sort_topologically(edges: Mapping[str, Iterable[str]]) -> tuple[str, ...]:
    """Return the nodes, each after those that it requires, else sorted by name.

    >>> sort_topologically({"vips": ["glib", "webp"], "glib": ["zlib"], "webp": [], "zlib": []})
    ('webp', 'zlib', 'glib', 'vips')

    Raises UsageError, which names the whole cycle, when there is one.
    """
    sorter = TopologicalSorter({node: sorted(edges[node]) for node in sorted(edges)})
    try:
        sorter.prepare()
    except CycleError as error:
        cycle = list(reversed(error.args[1]))
        start = cycle.index(min(cycle[:-1]))
        nodes = cycle[start:-1] + cycle[:start]
        raise UsageError(
            f"recipes require each other in a cycle: {' -> '.join([*nodes, nodes[0]])}",
            hint="remove one of these requirements",
        ) from None
    ordered: list[str] = []
    while sorter.is_active():
        ready = sorted(sorter.get_ready())
        ordered += ready
        sorter.done(*ready)
    return tuple(ordered)


def transitive_closure(roots: Iterable[str], requires: Callable[[str], Iterable[str]]) -> tuple[str, ...]:
    """Return the roots and everything they require, without duplicates, in depth-first order."""
    visited: dict[str, None] = {}
    stack = list(reversed(list(roots)))
    while stack:
        node = stack.pop()
        if node not in visited:
            visited[node] = None
            stack += reversed(list(requires(node)))
    return tuple(visited)


def longest_paths(edges: Mapping[str, Iterable[str]], weight: Callable[[str], float]) -> dict[str, float]:
    """Return for each node the weight of the heaviest path from it to an end, which is its priority in the scheduler."""
    dependents: dict[str, list[str]] = {node: [] for node in edges}
    for node, needed in edges.items():
        for need in needed:
            dependents[need].append(node)
    depths: dict[str, float] = {}
    for node in reversed(sort_topologically(edges)):
        depths[node] = weight(node) + max((depths[d] for d in dependents[node]), default=0.0)
    return depths
