"""The libraries that a project wants, matched to recipes by what these install: pkg-config files and libraries."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from everywheel.config.recipe import Recipe
from everywheel.platforms.mac_windows_policy import load_windows_policy
from everywheel.recognition.evidence import Evidence, Kind

_SYSTEM = ("m", "c", "dl", "pthread", "rt", "util", "stdc++", "c++", "c++abi", "gcc", "gcc_s", "atomic", "threads")
_BUILD_TOOLS = ("cmake", "cython", "cython3", "f2py", "git", "meson", "ninja", "patchelf", "pkgconfig", "pkg-config")
_TEST_TOOLS = (
    "benchmark",
    "catch2",
    "check",
    "cmocka",
    "cppunit",
    "doxygen",
    "gmock",
    "googletest",
    "gtest",
    "perl",
    "sphinx",
)
_BUILD_HEADERS = ("nanobind", "numpy", "pybind11", "pythonextensions", "pythoninterp", "pythonlibs", "skbuild")
_PROVIDED = frozenset((*_SYSTEM, *_BUILD_TOOLS, *_TEST_TOOLS, *_BUILD_HEADERS))
_PYTHON = re.compile(r"python([23](\.\d+)?t?)?(-embed)?")
_VERSION = re.compile(r"-\d+(\.\d+)*$")  # the end of the name of a pkg-config file, such as that of libxml-2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Matches:
    """The recipes that a project needs, each with the evidence for it, and the names that no recipe has.

    `chosen` are the recipes of libraries that the project has copies of, and uses only if a condition is met.
    """

    recipes: Mapping[str, tuple[Evidence, ...]]
    missing: tuple[Evidence, ...]
    chosen: Mapping[str, tuple[Evidence, ...]]


def match_libraries(wanted: Sequence[Evidence], recipes: Mapping[str, Recipe]) -> Matches:
    """Match the names of libraries to recipes; those that come with the system, Python or build requirements are left out."""
    exact, similar = _index(recipes)
    matched: dict[str, tuple[Evidence, ...]] = {}
    missing: list[Evidence] = []
    names: list[str] = []
    required = {_fold(evidence.name) for evidence in wanted if not evidence.is_optional}
    for evidence in wanted:
        recipe = exact.get((evidence.kind, evidence.name)) or _find_similar(evidence.name, similar)
        if recipe is not None:
            matched[recipe] = (*matched.get(recipe, ()), evidence)
        elif not evidence.choice and not is_provided(evidence.name) and _fold(evidence.name) not in map(_fold, names):
            missing.append(replace(evidence, is_optional=_fold(evidence.name) not in required))
            names.append(evidence.name)
    chosen = {recipe: items for recipe, items in matched.items() if all(item.choice for item in items)}
    needed = {recipe: items for recipe, items in matched.items() if recipe not in chosen}
    return Matches(recipes=needed, missing=tuple(missing), chosen=chosen)


def is_provided(name: str) -> bool:
    """Return whether a name is that of a part of the system, of Python, or of a build requirement."""
    folded = name.casefold()
    windows = load_windows_policy("win_amd64")
    return (
        folded in _PROVIDED
        or _PYTHON.fullmatch(folded) is not None
        or (windows is not None and windows.provides(f"{folded}.dll"))
    )


def _index(recipes: Mapping[str, Recipe]) -> tuple[dict[tuple[Kind, str], str], dict[str, str]]:
    """Return the recipes by what they install, and by similar names in lower case."""
    libraries = [recipe for recipe in recipes.values() if recipe.products.libraries]
    exact: dict[tuple[Kind, str], str] = {}
    for recipe in libraries:
        exact |= {(Kind.PKG_CONFIG, name): recipe.name for name in recipe.products.pkgconfig}
        exact |= {(Kind.LIBRARY, name): recipe.name for name in recipe.products.libraries}
    similar: dict[str, str] = {}
    for recipe in libraries:
        for name in (recipe.name, *recipe.products.libraries, *recipe.products.pkgconfig):
            for form in _list_forms(_VERSION.sub("", name)):
                similar.setdefault(form, recipe.name)
    return exact, similar


def _find_similar(name: str, similar: Mapping[str, str]) -> str | None:
    return next((similar[form] for form in _list_forms(_VERSION.sub("", name)) if form in similar), None)


def _fold(name: str) -> str:
    """Return a form that names of one library share: `tiff` for `libtiff` and `tiff`."""
    return name.casefold().removeprefix("lib").removesuffix("_static")


def _list_forms(name: str) -> Iterator[str]:
    """Yield a name as it is compared: `libpng` and `png` are the same, as is `png_static` of a build for Windows."""
    folded = name.casefold()
    yield folded
    yield _fold(folded)
