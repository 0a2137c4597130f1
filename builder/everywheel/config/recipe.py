"""Recipes: how one native library is obtained and built, as frozen values.

There are two stages. A `Recipe` is read by `recipe_loader` and still contains conditions; `resolve_recipe` evaluates them
for one target, one choice of features and one linkage, and returns a `ResolvedRecipe`, in which nothing is conditional.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from fnmatch import fnmatchcase
from pathlib import Path

from everywheel.config.source import Source
from everywheel.errors import UsageError
from everywheel.platforms.target import Target

Scalar = str | bool | int


class BuildSystem(StrEnum):
    """The build systems that recipes support."""

    AUTOTOOLS = "autotools"
    CMAKE = "cmake"
    HEADERS = "headers"
    MAKE = "make"
    MESON = "meson"

    @property
    def programs(self) -> tuple[str, ...]:
        """The recipes of the programs that every build of the system runs, in addition to the toolkit's own tools."""
        return ("make",) if self in (BuildSystem.AUTOTOOLS, BuildSystem.MAKE) else ()


class Linkage(StrEnum):
    """How libraries reach a module: as shared libraries, as archives inside it, or from the user's system.

    For a recipe, only shared and static are possible.
    """

    SHARED = "shared"
    STATIC = "static"
    SYSTEM = "system"


class Optimize(StrEnum):
    """The goal of the compiler's optimization: -O3, -O2 or -Os."""

    SPEED = "speed"
    BALANCED = "balanced"
    SIZE = "size"


@dataclass(frozen=True, slots=True, kw_only=True)
class License:
    """An SPDX expression and the files of the source that contain the license texts."""

    spdx: str
    files: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Build:
    """How to configure and compile: the build system, its options, and the compiler's flags.

    `cxx_runtime` is false for C++ code that uses only the headers of the C++ library: it is compiled without exceptions and
    RTTI, and libc++ is not linked. `configure` is the command that configures for `make`, or the script of `autotools`;
    `compile` and `install` are targets of make. `machine_programs` are programs of the build machine.
    """

    system: BuildSystem
    subdir: str = ""
    configure: tuple[str, ...] = ()
    compile: tuple[str, ...] = ()
    install: tuple[str, ...] = ("install",)
    machine_programs: tuple[str, ...] = ()
    options: Mapping[str, Scalar] = field(default_factory=dict)
    enable: tuple[str, ...] = ()
    disable: tuple[str, ...] = ()
    defines: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    link_flags: tuple[str, ...] = ()
    optimize: Optimize = Optimize.BALANCED
    cxx_runtime: bool = True
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Feature:
    """An optional part of a library: its requirements, the options that enable it, and the proof that it works.

    `exports`, `provides` and `evidence` are added to those of `Products`.
    """

    name: str
    requires: tuple[str, ...] = ()
    build_requires: tuple[str, ...] = ()
    enable: tuple[str, ...] = ()
    options: Mapping[str, Scalar] = field(default_factory=dict)
    exports: tuple[str, ...] = ()
    provides: tuple[str, ...] = ()
    evidence: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Products:
    """The files that a recipe promises, relative to the prefix, and the symbols that it exports.

    `exports` are glob patterns; a shared library may define no other dynamic symbol. `provides` are names of features that
    `check.c` must confirm when it runs with the library, `evidence` strings that the binary must contain.
    """

    libraries: tuple[str, ...] = ()
    headers: tuple[str, ...] = ()
    pkgconfig: tuple[str, ...] = ()
    programs: tuple[str, ...] = ()
    sonames: Mapping[str, str] = field(default_factory=dict)
    exports: tuple[str, ...] = ()
    provides: tuple[str, ...] = ()
    evidence: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Override:
    """Changes to a recipe for the targets and linkages that match `when`.

    `when` maps the names of facts (`os`, `libc`, `arch`, `endian`, `linkage`) to glob patterns, all of which must match.
    """

    when: Mapping[str, str]
    requires: tuple[str, ...]
    build_requires: tuple[str, ...]
    enable: tuple[str, ...]
    disable: tuple[str, ...]
    defines: tuple[str, ...]
    flags: tuple[str, ...]
    link_flags: tuple[str, ...]
    options: Mapping[str, Scalar]
    provides: tuple[str, ...]
    evidence: tuple[str, ...]
    system: BuildSystem | None = None
    exports: tuple[str, ...] = ()
    configure: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """A validated recipe that still contains conditions.

    `files` maps every file next to recipe.toml (overlay, patches, check program), relative to `directory`, to its sha256;
    `executables` are the names of those with the executable bit.
    """

    name: str
    version: str
    summary: str
    cpe: str
    directory: Path
    license: License
    source: Source
    build: Build
    products: Products
    requires: tuple[str, ...] = ()
    build_requires: tuple[str, ...] = ()
    features: Mapping[str, Feature] = field(default_factory=dict)
    profiles: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    overrides: tuple[Override, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)
    executables: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolvedRecipe:
    """A recipe for one target, one choice of features and one linkage, without conditions.

    `build` and `products` include the additions of the chosen features and of the matching overrides. `files` and
    `executables` are those of `Recipe`; `overlay` are the names in `files` of the recipe's own build files, `patches` those
    of its own patches in the order in which they are applied, and `check` is the program that verifies the features.
    """

    name: str
    version: str
    cpe: str
    target: Target
    linkage: Linkage
    features: tuple[str, ...]
    license: License
    source: Source
    build: Build
    products: Products
    requires: tuple[str, ...]
    build_requires: tuple[str, ...]
    directory: Path
    files: Mapping[str, str]
    executables: tuple[str, ...]
    overlay: tuple[str, ...]
    patches: tuple[str, ...]
    check: Path | None

    @property
    def label(self) -> str:
        """The name used in messages: `libvips 8.16.1 for musllinux_1_2_aarch64`."""
        return f"{self.name} {self.version} for {self.target.tag}"


def suggest(name: str, candidates: Iterable[str]) -> str:
    """Return a hint for an unknown name: the most similar candidate, or all candidates if none is similar."""
    names = sorted(candidates)
    close = difflib.get_close_matches(name, names, 1)
    return f"did you mean '{close[0]}'?" if close else f"known: {', '.join(names) or 'none'}"


def resolve_recipe(recipe: Recipe, target: Target, *, linkage: Linkage, features: Iterable[str] = ()) -> ResolvedRecipe:
    """Evaluate every condition in a recipe for one target.

    Features that are not chosen are disabled explicitly, so that no build system detects and enables them.
    Raises UsageError for an unknown feature.
    """
    chosen = tuple(sorted(set(features)))
    for name in chosen:
        if name not in recipe.features:
            raise UsageError(f"{recipe.name} has no feature '{name}'", hint=suggest(name, recipe.features))
    facts = {**target.facts, "linkage": linkage.value}
    matching = [o for o in recipe.overrides if all(fnmatchcase(facts[name], glob) for name, glob in o.when.items())]
    parts: list[Feature | Override] = [*(recipe.features[name] for name in chosen), *matching]
    build = _resolve_build(recipe, chosen, matching)
    patches = sorted(name for name in recipe.files if name.startswith("patches/") and name.endswith(".patch"))
    return ResolvedRecipe(
        name=recipe.name,
        version=recipe.version,
        cpe=recipe.cpe,
        target=target,
        linkage=linkage,
        features=chosen,
        license=recipe.license,
        source=recipe.source,
        build=build,
        products=replace(
            recipe.products,
            exports=_merge(recipe.products.exports, *(part.exports for part in parts)),
            provides=_merge(recipe.products.provides, *(part.provides for part in parts)),
            evidence=_merge(recipe.products.evidence, *(part.evidence for part in parts)),
        ),
        requires=_merge(recipe.requires, *(part.requires for part in parts)),
        build_requires=_merge(build.system.programs, recipe.build_requires, *(part.build_requires for part in parts)),
        directory=recipe.directory,
        files=recipe.files,
        executables=recipe.executables,
        overlay=tuple(name for name in recipe.files if name.startswith("overlay/")),
        patches=tuple(patches),
        check=next((recipe.directory / name for name in ("check.c", "check.cpp") if name in recipe.files), None),
    )


def _resolve_build(recipe: Recipe, chosen: Sequence[str], matching: Sequence[Override]) -> Build:
    selected = [recipe.features[name] for name in chosen]
    unselected = [feature for name, feature in recipe.features.items() if name not in chosen]
    parts: list[Feature | Override] = [*selected, *matching]
    enabled = {option for feature in selected for option in feature.enable}
    systems = [override.system for override in matching if override.system is not None]
    options: dict[str, Scalar] = dict(recipe.build.options)
    for part in parts:
        options |= part.options
    return replace(
        recipe.build,
        system=[recipe.build.system, *systems][-1],
        options=options,
        configure=(*recipe.build.configure, *(arg for override in matching for arg in override.configure)),
        enable=_merge(recipe.build.enable, *(part.enable for part in parts)),
        disable=_merge(
            recipe.build.disable,
            *(tuple(o for o in feature.enable if o not in enabled) for feature in unselected),
            *(override.disable for override in matching),
        ),
        defines=_merge(recipe.build.defines, *(override.defines for override in matching)),
        flags=_merge(recipe.build.flags, *(override.flags for override in matching)),
        link_flags=_merge(recipe.build.link_flags, *(override.link_flags for override in matching)),
    )


def _merge(*parts: tuple[str, ...]) -> tuple[str, ...]:
    """Concatenate tuples and remove duplicates; the first occurrence is kept."""
    return tuple(dict.fromkeys(item for part in parts for item in part))
