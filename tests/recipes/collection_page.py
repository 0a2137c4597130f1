"""docs/collection.md, and the results of builds that it is written from (docs/data/collection.json).

A run writes the results of its own builds to a file of the same format, and those of several runs are merged into the data.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from everywheel.config.recipe import Linkage, Recipe
from everywheel.config.recipe_resolver import find_unsupported
from everywheel.platforms.target import parse_target

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "collection.md"
DATA = ROOT / "docs" / "data" / "collection.json"
TARGETS = (
    "manylinux2014_x86_64",
    "manylinux2014_aarch64",
    "musllinux_1_2_x86_64",
    "musllinux_1_2_aarch64",
    "macosx_11_0_arm64",
    "win_amd64",
)
FURTHER = (
    "manylinux2014_i686",
    "manylinux2014_armv7l",
    "manylinux_2_24_ppc64le",
    "manylinux2014_s390x",
    "manylinux_2_31_riscv64",
)
LINKAGES = (Linkage.SHARED, Linkage.STATIC)
_SIZES = "manylinux2014_x86_64"

_COMPARED = """*CVEs* are the open vulnerabilities in Debian's security tracker, where it was compared (`--tracker`)."""
_NOT_COMPARED = "The libraries were not compared with Debian's security tracker (`--tracker`) yet."
_PAGE = """# The libraries of the collection

The table states what was built so far, shared and static, with all features of a library; every product that its recipe
declares was checked. `nox -s recipes -- --build --write` builds all of them, which takes hours,
`nox -s recipes -- --build --write libtiff dav1d` only these; the results are in `docs/data/collection.json`, from which this
page is written. Headers of Python, and programs that builds run, have no row.

{table}

*run*: the library was built, and the check program of its recipe used it on the build machine, which had an x86-64 processor
and glibc; for Windows under Wine 8, for other architectures in QEMU, and for musl with Debian's package of musl, or, if only
archives are built, as a static program. *built*: it was built, and its files were checked; *built, static run*: both were
built, but only the archives were used. *shared only* and *static only*: the other one was not tried;
*static*: the recipe states why it cannot be shared. An empty cell is a target that was not tried; *unsupported*: the recipe
states why the library cannot be built for that target; what failed is at the end of the page.
Sizes are those for {sizes}, stripped, with what they contain of other libraries;
seconds are those of the builds for that target on two cores that were busy with other work as well, without requirements;
without them, the store had the library.
{vulnerabilities}

## Further architectures

{further}

{failures}"""


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetResult:
    """The builds for one target: their seconds, the sizes in bytes (0: not built), and the first error, if one failed.

    `run` has the linkages with which the check program of the recipe used the library.
    """

    seconds: float = 0.0
    shared: int = 0
    static: int = 0
    run: tuple[Linkage, ...] = ()
    error: str = ""

    @property
    def built(self) -> Sequence[Linkage]:
        """The linkages with which the library was built."""
        return [linkage for linkage in LINKAGES if getattr(self, linkage.value)]


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipeResult:
    """The results of one recipe by target; `vulnerabilities` is None if they were not counted."""

    version: str
    targets: Mapping[str, TargetResult] = field(default_factory=dict)
    vulnerabilities: int | None = None


def is_supported(recipe: Recipe, tag: str) -> bool:
    """Return whether a recipe can be built for a target, with either linkage."""
    return not all(find_unsupported(recipe, parse_target(tag), linkage) for linkage in LINKAGES)


def is_listed(recipe: Recipe) -> bool:
    """Return whether the table has a row for a recipe: it has one for each library, and none for headers and programs."""
    return bool(recipe.products.libraries)


def read_results(path: Path = DATA) -> dict[str, RecipeResult]:
    """Return the recorded results by recipe."""
    entries = json.loads(path.read_text(encoding="utf-8"))
    return {
        name: RecipeResult(
            version=entry["version"],
            targets={tag: _read_target(target) for tag, target in entry["targets"].items()},
            vulnerabilities=entry["vulnerabilities"],
        )
        for name, entry in entries.items()
    }


def _read_target(entry: Mapping[str, Any]) -> TargetResult:
    return TargetResult(**{**entry, "run": tuple(Linkage(linkage) for linkage in entry["run"])})


def write_results(results: Mapping[str, RecipeResult], recipes: Sequence[Recipe], path: Path = DATA) -> None:
    """Write results, in the order of the recipes; the page as well if they are those of the collection."""
    listed = [recipe.name for recipe in recipes if recipe.name in results]
    ordered = {name: dataclasses.asdict(results[name]) for name in listed}
    path.write_text(json.dumps(ordered, indent=1) + "\n", encoding="utf-8")
    if path == DATA:
        PAGE.write_text(render_page(results, recipes), encoding="utf-8")


def merge_results(old: RecipeResult | None, new: RecipeResult) -> RecipeResult:
    """Return the results of a run together with older ones of the same version.

    A library that was not built again, because it was in the store, keeps its seconds; one that was built with one linkage
    keeps the size of the other, and whether it was run.
    """
    if old is None or old.version != new.version:
        return new
    targets = {**old.targets}
    for tag, new_target in new.targets.items():
        known = old.targets.get(tag)
        targets[tag] = new_target if known is None else _merge_target(known, new_target)
    vulnerabilities = old.vulnerabilities if new.vulnerabilities is None else new.vulnerabilities
    return RecipeResult(
        version=new.version,
        targets={tag: targets[tag] for tag in sorted(targets, key=_sort_key)},
        vulnerabilities=vulnerabilities,
    )


def _merge_target(old: TargetResult, new: TargetResult) -> TargetResult:
    seconds = new.seconds or old.seconds
    if new.error:
        return dataclasses.replace(new, seconds=seconds)
    run = {*new.run, *(linkage for linkage in old.run if linkage not in new.built)}
    return TargetResult(
        seconds=seconds,
        shared=new.shared or old.shared,
        static=new.static or old.static,
        run=tuple(linkage for linkage in LINKAGES if linkage in run),
    )


def _sort_key(tag: str) -> tuple[int, str]:
    ordered = (*TARGETS, *FURTHER)
    return (ordered.index(tag) if tag in ordered else len(ordered), tag)


def render_page(results: Mapping[str, RecipeResult], recipes: Sequence[Recipe]) -> str:
    """Return docs/collection.md."""
    failures = [
        f"- {recipe.name}, {tag}: {target.error}\n"
        for recipe in recipes
        if recipe.name in results
        for tag, target in results[recipe.name].targets.items()
        if target.error
    ]
    section = "".join(["## Targets for which a library was not built\n\n", *failures]) if failures else ""
    return (
        _PAGE.format(
            table=render_table(results, recipes),
            sizes=_SIZES,
            vulnerabilities=_COMPARED if _is_compared(results) else _NOT_COMPARED,
            further=_render_further(results, recipes),
            failures=section,
        ).rstrip()
        + "\n"
    )


def _is_compared(results: Mapping[str, RecipeResult]) -> bool:
    return any(result.vulnerabilities is not None for result in results.values())


def render_table(results: Mapping[str, RecipeResult], recipes: Sequence[Recipe]) -> str:
    """Return the table of the recipes that have results."""
    listed = [(recipe, results[recipe.name]) for recipe in recipes if recipe.name in results]
    heads = [
        "library",
        "version",
        *TARGETS,
        "shared",
        "static",
        "seconds",
        *(["CVEs"] if _is_compared(results) else []),
    ]
    rows = [
        [recipe.name, result.version, *_describe_all(recipe, result, TARGETS), *_list_figures(result)][: len(heads)]
        for recipe, result in listed
    ]
    return _join(heads, rows)


def _render_further(results: Mapping[str, RecipeResult], recipes: Sequence[Recipe]) -> str:
    listed = [(recipe, results[recipe.name]) for recipe in recipes if recipe.name in results]
    rows = [[recipe.name, *_describe_all(recipe, result, FURTHER)] for recipe, result in listed]
    return _join(["library", *FURTHER], rows)


def _join(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(line)} |" for line in (heads, ["---"] * len(heads), *rows))


def _describe_all(recipe: Recipe, result: RecipeResult, tags: Sequence[str]) -> Sequence[str]:
    return [_describe(recipe, tag, result.targets.get(tag)) for tag in tags]


def _describe(recipe: Recipe, tag: str, target: TargetResult | None) -> str:
    supported = [linkage for linkage in LINKAGES if not find_unsupported(recipe, parse_target(tag), linkage)]
    if not supported:
        return "unsupported"
    if target is None:
        return ""
    built = [linkage for linkage in target.built if linkage in supported]
    if not built:
        return "no, see below"
    run = [linkage for linkage in built if linkage in target.run]
    state = "run" if run == built else f"built, {run[0]} run" if run else "built"
    if len(built) == len(LINKAGES):
        return state
    return f"{state}, {built[0]}{'' if built == supported else ' only'}"


def _list_figures(result: RecipeResult) -> list[str]:
    target = result.targets.get(_SIZES, TargetResult())
    seconds = f"{target.seconds:.0f}" if target.seconds else ""
    vulnerabilities = "" if result.vulnerabilities is None else str(result.vulnerabilities)
    return [_show_size(target.shared), _show_size(target.static), seconds, vulnerabilities]


def _show_size(size: int) -> str:
    return f"{size / 1e6:.2f} MB" if size else ""
