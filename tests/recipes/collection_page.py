"""docs/collection.md, and the results of builds that it is written from (docs/data/collection.json)."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

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

_PAGE = """# The libraries of the collection

Each library is built with all of its features, shared and static, and every product that its recipe declares is checked.
`nox -s recipes -- --build --write` builds all of them, which takes hours, `nox -s recipes -- --build --write libtiff dav1d`
only these; the results are in `docs/data/collection.json`, from which this page is written.

{table}

*run*: the library was built, and the check program of its recipe used it on the build machine, which had an x86-64 processor
and glibc; for Windows under Wine 8, for other architectures in QEMU, and for musl, if only archives are built, as a static
program. *built*: it was built, and its files were checked; *shared only* and *static only*: the other one was not built;
*static*: the recipe states why it cannot be shared. An empty cell is a target that was not tried; *unsupported*: the recipe
states why the library cannot be built for that target.
*others* are the architectures among {further} for which it was built, shared or static;
those that are not named were not tried, or are below.
Sizes are those for {sizes}, stripped, with what they contain of other libraries;
seconds are those of both builds for that target on two cores that were busy with other work as well, without requirements;
without them, the store had the library.
*CVEs* are the open vulnerabilities in Debian's security tracker, where it was compared (`--tracker`).

{failures}"""


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetResult:
    """The builds for one target: their seconds, the sizes in bytes (0: not built), and the first error, if one failed.

    `is_run` is true if the check program of the recipe was run with each library that was built.
    """

    seconds: float = 0.0
    shared: int = 0
    static: int = 0
    is_run: bool = False
    error: str = ""


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


def read_results() -> dict[str, RecipeResult]:
    """Return the recorded results by recipe."""
    entries = json.loads(DATA.read_text(encoding="utf-8")) if DATA.exists() else {}
    return {
        name: RecipeResult(
            version=entry["version"],
            targets={tag: TargetResult(**target) for tag, target in entry["targets"].items()},
            vulnerabilities=entry["vulnerabilities"],
        )
        for name, entry in entries.items()
    }


def write_results(results: Mapping[str, RecipeResult], recipes: Sequence[Recipe]) -> None:
    """Write the results and the page."""
    listed = [recipe.name for recipe in recipes if recipe.name in results]
    ordered = {name: dataclasses.asdict(results[name]) for name in listed}
    DATA.write_text(json.dumps(ordered, indent=1) + "\n", encoding="utf-8")
    PAGE.write_text(render_page(results, recipes), encoding="utf-8")


def merge_results(old: RecipeResult | None, new: RecipeResult) -> RecipeResult:
    """Return the results of a run together with older ones of the same version.

    A library that was not built again, because it was in the store, keeps its seconds; one that was built with one linkage
    keeps the size of the other, and was run if both were.
    """
    if old is None or old.version != new.version:
        return new
    targets = {**old.targets}
    for tag, target in new.targets.items():
        known = old.targets.get(tag)
        if known is not None:
            sizes = (
                {}
                if target.error
                else {"shared": target.shared or known.shared, "static": target.static or known.static}
            )
            kept = (known.shared and not target.shared) or (known.static and not target.static)
            is_run = target.is_run and (known.is_run or not kept)
            target = dataclasses.replace(target, is_run=is_run, seconds=target.seconds or known.seconds, **sizes)
        targets[tag] = target
    vulnerabilities = old.vulnerabilities if new.vulnerabilities is None else new.vulnerabilities
    return RecipeResult(
        version=new.version,
        targets={tag: targets[tag] for tag in sorted(targets, key=_sort_key)},
        vulnerabilities=vulnerabilities,
    )


def _sort_key(tag: str) -> tuple[int, str]:
    ordered = (*TARGETS, *FURTHER)
    return (ordered.index(tag) if tag in ordered else len(ordered), tag)


def render_page(results: Mapping[str, RecipeResult], recipes: Sequence[Recipe]) -> str:
    failures = [
        f"- {recipe.name}, {tag}: {target.error}\n"
        for recipe in recipes
        if recipe.name in results
        for tag, target in results[recipe.name].targets.items()
        if target.error
    ]
    section = "".join(["## Targets for which a library was not built\n\n", *failures]) if failures else ""
    further = ", ".join(f"`{tag}`" for tag in FURTHER)
    return (
        _PAGE.format(table=render_table(results, recipes), sizes=_SIZES, further=further, failures=section).rstrip()
        + "\n"
    )


def render_table(results: Mapping[str, RecipeResult], recipes: Sequence[Recipe]) -> str:
    """Return the table of the recipes that have results."""
    heads = ["library", "version", *TARGETS, "others", "shared", "static", "seconds", "CVEs"]
    rows = [
        [
            recipe.name,
            result.version,
            *(_describe(recipe, tag, result.targets.get(tag)) for tag in TARGETS),
            _list_further(result),
            *_list_figures(result),
        ]
        for recipe in recipes
        if (result := results.get(recipe.name))
    ]
    return "\n".join(f"| {' | '.join(line)} |" for line in (heads, ["---"] * len(heads), *rows))


def _describe(recipe: Recipe, tag: str, target: TargetResult | None) -> str:
    supported = [linkage for linkage in LINKAGES if not find_unsupported(recipe, parse_target(tag), linkage)]
    if not supported:
        return "unsupported"
    if target is None:
        return ""
    built = [linkage for linkage in supported if getattr(target, linkage.value)]
    if not built:
        return "no, see below"
    state = "run" if target.is_run else "built"
    if len(built) == len(LINKAGES):
        return state
    return f"{state}, {built[0].value}{'' if built == supported else ' only'}"


def _list_further(result: RecipeResult) -> str:
    """Return the names of the further architectures for which a library was built."""
    built = [tag for tag in FURTHER if (target := result.targets.get(tag)) and (target.shared or target.static)]
    return ", ".join(parse_target(tag).arch.name for tag in built)


def _list_figures(result: RecipeResult) -> list[str]:
    target = result.targets.get(_SIZES, TargetResult())
    seconds = f"{target.seconds:.0f}" if target.seconds else ""
    vulnerabilities = "" if result.vulnerabilities is None else str(result.vulnerabilities)
    return [_show_size(target.shared), _show_size(target.static), seconds, vulnerabilities]


def _show_size(size: int) -> str:
    return f"{size / 1e6:.2f} MB" if size else ""
