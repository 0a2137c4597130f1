"""Draw docs/architecture.svg from the imports of the package, and write the descriptions into docs/architecture.md.

`python docs/draw_architecture.py` writes both files. The unit tests check that they are up to date and that no package
imports one above it. Nodes are the packages and modules directly below `everywheel`; an arrow means "imports". An arrow that
a path of other arrows implies is not drawn.
"""

from __future__ import annotations

import ast
import html
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from graphlib import TopologicalSorter
from itertools import pairwise
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "builder" / "everywheel"
PICTURE = ROOT / "docs" / "architecture.svg"
PAGE = ROOT / "docs" / "architecture.md"
BEGIN, END = "<!-- packages: written by draw_architecture.py -->", "<!-- end of packages -->"

WIDTH, LINE, PADDING, GAP_X, GAP_Y, MARGIN = 204, 14, 9, 24, 38, 20
DUMMY_WIDTH = 10
SWEEPS = 40

# Arrows that lead up, with the reason; they are neither drawn nor accepted elsewhere.
ARROWS_BACK: Mapping[tuple[str, str], str] = {}

Graph = Mapping[str, frozenset[str]]

STYLE = """
  svg { color-scheme: light dark; font-family: system-ui, sans-serif; }
  .page { fill: #ffffff; }
  .box { fill: #eef3fb; stroke: #4a6fa5; stroke-width: 1.2; }
  .name { fill: #14223a; font-size: 14px; font-weight: 600; }
  .text { fill: #3c4a61; font-size: 11px; }
  .arrow { fill: none; stroke: #7b8aa3; stroke-width: 1.3; }
  .head { fill: #7b8aa3; }
  @media (prefers-color-scheme: dark) {
    .page { fill: #0d1117; }
    .box { fill: #1b2638; stroke: #6f9ad6; }
    .name { fill: #e6edf6; }
    .text { fill: #b3c0d4; }
    .arrow { stroke: #8091ab; }
    .head { fill: #8091ab; }
  }
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Import:
    """An import of one part of the package by another: `file:line` and the two parts."""

    importer: str
    imported: str
    location: str


def list_imports() -> Iterator[Import]:
    """Yield every import between parts of the package; a part is a package or module directly below it."""
    for path in sorted(PACKAGE.rglob("*.py")):
        relative = path.relative_to(PACKAGE)
        if "inside" in relative.parts:
            continue  # runs in containers, without the package
        importer = _name_part(relative)
        if not _is_part(importer):
            continue  # __init__ and __main__ of the package itself
        for module, line in _list_modules(ast.parse(path.read_text(encoding="utf-8"))):
            imported = module.split(".")[1]
            if imported != importer and _is_part(imported):
                yield Import(importer=importer, imported=imported, location=f"{relative}:{line}")


def _name_part(relative: Path) -> str:
    return relative.parts[0] if len(relative.parts) > 1 else relative.stem


def _is_part(name: str) -> bool:
    module = PACKAGE / f"{name}.py"
    return (PACKAGE / name / "__init__.py").exists() or (module.exists() and not name.startswith("__"))


def _list_modules(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """Yield the modules of the package that a module imports, with the line."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == "everywheel":
            yield from ((f"everywheel.{alias.name}", node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("everywheel."):
            yield node.module or "", node.lineno
        elif isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names if alias.name.startswith("everywheel."))


def load_graph() -> dict[str, frozenset[str]]:
    """Return, for each part of the package, the parts that it imports."""
    graph: dict[str, set[str]] = {name: set() for name in list_parts()}
    for item in list_imports():
        if (item.importer, item.imported) not in ARROWS_BACK:
            graph[item.importer].add(item.imported)
    return {name: frozenset(graph[name]) for name in sorted(graph)}


def list_parts() -> list[str]:
    """Return the names of packages and modules directly below the package, except `__init__` and `__main__`."""
    packages = [path.parent.name for path in PACKAGE.glob("*/__init__.py")]
    modules = [path.stem for path in PACKAGE.glob("*.py") if not path.stem.startswith("__")]
    return sorted(packages + modules)


def describe_part(name: str) -> str:
    """Return a part's docstring as one paragraph."""
    path = PACKAGE / name / "__init__.py"
    tree = ast.parse((path if path.exists() else PACKAGE / f"{name}.py").read_text(encoding="utf-8"))
    return " ".join((ast.get_docstring(tree) or "").split())


def first_sentence(text: str) -> str:
    """Return a paragraph's first sentence without its period."""
    return text.partition(". ")[0].rstrip(".")


def order_parts(graph: Graph) -> list[str]:
    """Return the parts so that each is after those that it imports; raises graphlib.CycleError for a cycle."""
    sorter = TopologicalSorter({name: sorted(graph[name]) for name in sorted(graph)})
    return list(sorter.static_order())


def reduce_graph(graph: Graph) -> dict[str, frozenset[str]]:
    """Return the graph without arrows that a path of other arrows implies (its transitive reduction)."""
    reachable: dict[str, frozenset[str]] = {}
    for name in order_parts(graph):
        reachable[name] = graph[name].union(*(reachable[imported] for imported in graph[name]))
    return {
        name: frozenset(
            target for target in graph[name] if not any(target in reachable[other] for other in graph[name] - {target})
        )
        for name in graph
    }


def assign_layers(graph: Graph) -> dict[str, int]:
    """Return a layer for each part: 0 at the bottom, every arrow leads down, and parts are close to their importers."""
    order = order_parts(graph)
    layers: dict[str, int] = {}
    for name in order:
        layers[name] = 1 + max((layers[imported] for imported in graph[name]), default=-1)
    for name in reversed(order):
        importers = [layers[other] for other in graph if name in graph[other]]
        if importers and len(graph[name]) <= len(importers):
            layers[name] = min(importers) - 1
    return layers


Point = tuple[str, int]
"""A node of the drawing: a part, or `importer>imported` where an arrow crosses a layer; and its layer."""


def route_arrows(graph: Graph, layers: Mapping[str, int]) -> list[list[Point]]:
    """Return each arrow as the points that it passes, one per layer, from the importer down."""
    return [
        [
            (name, layers[name]),
            *((f"{name}>{target}", layer) for layer in range(layers[name] - 1, layers[target], -1)),
            (target, layers[target]),
        ]
        for name in sorted(graph)
        for target in sorted(graph[name])
    ]


def order_layers(routes: Sequence[Sequence[Point]], layers: Mapping[str, int]) -> list[list[Point]]:
    """Return the points of each layer from left to right, with few crossings (the barycenter heuristic)."""
    points = {(name, layer) for name, layer in layers.items()} | {point for route in routes for point in route}
    neighbors = _list_neighbors(routes)
    rows = [sorted(point for point in points if point[1] == layer) for layer in range(max(layers.values()) + 1)]
    best, fewest = [list(row) for row in rows], _count_crossings(rows, routes)
    for sweep in range(SWEEPS):
        down = sweep % 2 == 0
        for index in range(len(rows) - 2, -1, -1) if down else range(1, len(rows)):
            other = rows[index + 1 if down else index - 1]
            position = {point: number for number, point in enumerate(other)}
            here = {point: number for number, point in enumerate(rows[index])}
            rows[index].sort(
                key=lambda point: (
                    _mean([position[near] for near in neighbors.get(point, ()) if near in position], here[point]),
                    point,
                )
            )
        crossings = _count_crossings(rows, routes)
        if crossings < fewest:
            best, fewest = [list(row) for row in rows], crossings
    return best


def _list_neighbors(routes: Sequence[Sequence[Point]]) -> dict[Point, list[Point]]:
    neighbors: dict[Point, list[Point]] = {}
    for route in routes:
        for upper, lower in pairwise(route):
            neighbors.setdefault(upper, []).append(lower)
            neighbors.setdefault(lower, []).append(upper)
    return neighbors


def _mean(numbers: Sequence[float], default: float) -> float:
    return sum(numbers) / len(numbers) if numbers else default


def _count_crossings(rows: Sequence[Sequence[Point]], routes: Sequence[Sequence[Point]]) -> int:
    position = {point: number for row in rows for number, point in enumerate(row)}
    segments: dict[int, list[tuple[int, int]]] = {}
    for route in routes:
        for upper, lower in pairwise(route):
            segments.setdefault(upper[1], []).append((position[upper], position[lower]))
    return sum(
        (first[0] - second[0]) * (first[1] - second[1]) < 0
        for row in segments.values()
        for number, first in enumerate(row)
        for second in row[:number]
    )


def place_points(rows: Sequence[Sequence[Point]], routes: Sequence[Sequence[Point]]) -> dict[Point, float]:
    """Return the horizontal center of each point: near its neighbors, without overlap."""
    neighbors = _list_neighbors(routes)
    centers: dict[Point, float] = {}
    for row in rows:
        centers |= _spread(row, [float(number * WIDTH) for number in range(len(row))])
    for sweep in range(SWEEPS):
        for row in rows if sweep % 2 else reversed(rows):
            wanted = [_mean([centers[near] for near in neighbors.get(point, ())], centers[point]) for point in row]
            centers |= _spread(row, wanted)
    left = min(center - _width(point) / 2 for point, center in centers.items())
    return {point: round(center - left + MARGIN, 1) for point, center in centers.items()}


def _width(point: Point) -> int:
    return DUMMY_WIDTH if ">" in point[0] else WIDTH


def _spread(row: Sequence[Point], wanted: Sequence[float]) -> dict[Point, float]:
    """Return positions closest to the wanted ones that keep order and distances (isotonic regression)."""
    offsets = [0.0]
    for left, right in pairwise(row):
        offsets.append(offsets[-1] + (_width(left) + _width(right)) / 2 + GAP_X)
    blocks: list[tuple[float, int]] = []  # sum and count of points that move together
    for value, offset in zip(wanted, offsets, strict=True):
        blocks.append((value - offset, 1))
        while len(blocks) > 1 and blocks[-2][0] / blocks[-2][1] > blocks[-1][0] / blocks[-1][1]:
            (first, count), (second, other) = blocks[-2:]
            blocks[-2:] = [(first + second, count + other)]
    means = [total / count for total, count in blocks for _ in range(count)]
    return {point: mean + offset for point, mean, offset in zip(row, means, offsets, strict=True)}


def draw_picture(graph: Graph) -> str:
    """Return the picture as SVG, in colors for light and dark pages."""
    reduced = reduce_graph(graph)
    layers = assign_layers(reduced)
    routes = route_arrows(reduced, layers)
    rows = order_layers(routes, layers)
    centers = place_points(rows, routes)
    texts = {name: textwrap.wrap(first_sentence(describe_part(name)), 31) for name in graph}
    heights = [max(_height(texts.get(point[0], [])) for point in row) for row in rows]
    tops: list[float] = [0.0] * len(rows)
    y = float(MARGIN)
    for layer in range(len(rows) - 1, -1, -1):
        tops[layer] = y
        y += heights[layer] + GAP_Y
    width = max(centers[point] + _width(point) / 2 for row in rows for point in row) + MARGIN
    height = y - GAP_Y + MARGIN
    arrows = [_draw_arrow(route, centers, tops, heights, texts) for route in routes]
    boxes = [_draw_box(name, centers[name, layers[name]], tops[layers[name]], texts[name]) for name in sorted(graph)]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" '
            f'height="{height:.0f}" role="img" aria-label="Packages of everywheel and their imports">',
            f"<style>{STYLE}</style>",
            '<defs><marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" orient="auto">'
            '<path class="head" d="M0 0 L8 4 L0 8 z"/></marker></defs>',
            '<rect class="page" width="100%" height="100%" rx="8"/>',
            *arrows,
            *boxes,
            "</svg>\n",
        ]
    )


def _height(lines: Sequence[str]) -> int:
    return 2 * PADDING + 16 + LINE * len(lines)


def _draw_arrow(
    route: Sequence[Point],
    centers: Mapping[Point, float],
    tops: Sequence[float],
    heights: Sequence[int],
    texts: Mapping[str, Sequence[str]],
) -> str:
    x, y = centers[route[0]], tops[route[0][1]] + _height(texts[route[0][0]])
    path = [f"M{x:.1f} {y:.1f}"]
    for point in route[1:]:
        next_x, next_y = centers[point], tops[point[1]]
        middle = (y + next_y) / 2
        path.append(f"C{x:.1f} {middle:.1f} {next_x:.1f} {middle:.1f} {next_x:.1f} {next_y:.1f}")
        x, y = next_x, next_y
        if point != route[-1]:
            y = tops[point[1]] + heights[point[1]]
            path.append(f"V{y:.1f}")
    return f'<path class="arrow" d="{" ".join(path)}" marker-end="url(#head)"/>'


def _draw_box(name: str, center: float, top: float, lines: Sequence[str]) -> str:
    left = center - WIDTH / 2
    text = "".join(
        f'<text class="text" x="{center:.1f}" y="{top + PADDING + 26 + LINE * number:.1f}" text-anchor="middle">'
        f"{html.escape(line)}</text>"
        for number, line in enumerate(lines)
    )
    return (
        f'<rect class="box" x="{left:.1f}" y="{top:.1f}" width="{WIDTH}" height="{_height(lines)}" rx="6"/>'
        f'<text class="name" x="{center:.1f}" y="{top + PADDING + 11:.1f}" text-anchor="middle">{name}</text>{text}'
    )


def describe_parts(graph: Graph) -> str:
    """Return the descriptions of all parts as a Markdown list, the importers first."""
    lines = [f"- **`{name}`**: {describe_part(name)}" for name in reversed(order_parts(graph))]
    return "\n".join(textwrap.fill(line, 118, subsequent_indent="  ", break_on_hyphens=False) for line in lines)


def fill_page(page: str, graph: Graph) -> str:
    """Return the page with the descriptions between its two markers."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{describe_parts(graph)}\n\n{END}{after}"


def main() -> None:
    """Write the picture and the page."""
    graph = load_graph()
    PICTURE.write_text(draw_picture(graph), encoding="utf-8")
    PAGE.write_text(fill_page(PAGE.read_text(encoding="utf-8"), graph), encoding="utf-8")


if __name__ == "__main__":
    main()
