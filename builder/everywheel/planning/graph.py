"""Graph algorithms: topological order, transitive closure and longest paths."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise

from everywheel.errors import UsageError


def sort_topologically(
    edges: Mapping[str, Iterable[str]], locate: Callable[[str, str], str] | None = None
) -> tuple[str, ...]:
    """Return the nodes in topological order: each after its requirements, and otherwise sorted by name.

    >>> sort_topologically({"vips": ["glib", "webp"], "glib": ["zlib"], "webp": [], "zlib": []})
    ('webp', 'zlib', 'glib', 'vips')

    Raises UsageError, which names all nodes of the cycle, when the graph has a cycle; its details are the texts that
    `locate` returns for a node and its requirement.
    """
    sorter = TopologicalSorter({node: sorted(edges[node]) for node in sorted(edges)})
    try:
        sorter.prepare()
    except CycleError as error:
        cycle = list(reversed(error.args[1]))
        start = cycle.index(min(cycle[:-1]))
        nodes = [*cycle[start:-1], *cycle[: start + 1]]
        details = (
            {} if locate is None else {f"{node} -> {other}": locate(node, other) for node, other in pairwise(nodes)}
        )
        raise UsageError(
            f"recipes require each other in a cycle: {' -> '.join(nodes)}",
            details=details,
            hint="remove one of these requirements",
        ) from None
    ordered: list[str] = []
    while sorter.is_active():
        ready = sorted(sorter.get_ready())
        ordered += ready
        sorter.done(*ready)
    return tuple(ordered)


def transitive_closure(roots: Iterable[str], requires: Callable[[str], Iterable[str]]) -> tuple[str, ...]:
    """Return the roots and all their direct and indirect requirements, without duplicates, in depth-first order."""
    visited: dict[str, None] = {}
    stack = list(reversed(list(roots)))
    while stack:
        node = stack.pop()
        if node not in visited:
            visited[node] = None
            stack += reversed(list(requires(node)))
    return tuple(visited)


def longest_paths(
    edges: Mapping[str, Iterable[str]], order: Sequence[str], weights: Mapping[str, float]
) -> dict[str, float]:
    """Return, for each node, the total weight of the heaviest path from the node to one that nothing depends on.

    `order` are the nodes in topological order. The scheduler uses the result as the priority of a step.
    """
    after = dict.fromkeys(order, 0.0)
    lengths: dict[str, float] = {}
    for node in reversed(order):
        lengths[node] = length = weights[node] + after[node]
        for requirement in edges[node]:
            if after[requirement] < length:
                after[requirement] = length
    return lengths
