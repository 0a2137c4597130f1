"""Resolving recipes: the conditions of a recipe, evaluated for one target, one choice of features and one linkage."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase

from everywheel.config.recipe import (
    Build,
    BuildSystem,
    Feature,
    Linkage,
    Override,
    Recipe,
    ResolvedRecipe,
    Scalar,
)
from everywheel.config.suggestions import suggest
from everywheel.errors import UsageError
from everywheel.platforms.target import Target


def resolve_recipe(recipe: Recipe, target: Target, *, linkage: Linkage, features: Iterable[str] = ()) -> ResolvedRecipe:
    """Evaluate every condition in a recipe for one target.

    Features that are not chosen are disabled explicitly, so that no build system detects and enables them.
    Raises UsageError for an unknown feature, and for a target that the recipe does not support.
    """
    if reason := find_unsupported(recipe, target, linkage):
        raise UsageError(
            f"{recipe.name} {recipe.version} cannot be built for {target.tag}",
            details={"reason": reason, "recipe": recipe.directory / "recipe.toml"},
            hint="require it only for other targets, with `requires` in [[tool.everywheel.overrides]]",
        )
    chosen = tuple(sorted(set(features)))
    for name in chosen:
        if name not in recipe.features:
            raise UsageError(f"{recipe.name} has no feature '{name}'", hint=suggest(name, recipe.features))
    matching = _find_matching(recipe, target, linkage)
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


def find_unsupported(recipe: Recipe, target: Target, linkage: Linkage) -> str:
    """Return the reason for which a recipe cannot be built for a target with a linkage, or an empty string."""
    reasons = [override.unsupported for override in _find_matching(recipe, target, linkage) if override.unsupported]
    return reasons[0] if reasons else ""


def match_overrides(recipe: Recipe, target: Target, linkage: Linkage) -> tuple[int, ...]:
    """Return the positions of the overrides whose conditions are met.

    Except for its `target`, a resolved recipe depends on the target and the linkage only through these.
    """
    if not recipe.overrides:
        return ()
    facts = {**target.facts, "linkage": linkage.value}
    return tuple(
        position
        for position, override in enumerate(recipe.overrides)
        if all(fnmatchcase(facts[name], glob) for name, glob in override.when.items())
    )


def locate_requirement(recipe: Recipe, name: str, features: Iterable[str] = ()) -> str:
    """Return the key or the table of a recipe, with chosen features, that requires another one, and the path of the file."""
    keys = {
        "`requires`": recipe.requires,
        "`build-requires`": recipe.build_requires,
        **{
            f"[features.{feature}]": (*recipe.features[feature].requires, *recipe.features[feature].build_requires)
            for feature in features
        },
        "[[overrides]]": [name for part in recipe.overrides for name in (*part.requires, *part.build_requires)],
    }
    key = next((key for key, names in keys.items() if name in names), "`system`")
    return f"{key} of {recipe.directory / 'recipe.toml'}"


def _find_matching(recipe: Recipe, target: Target, linkage: Linkage) -> list[Override]:
    return [recipe.overrides[position] for position in match_overrides(recipe, target, linkage)]


def _resolve_build(recipe: Recipe, chosen: Sequence[str], matching: Sequence[Override]) -> Build:
    selected = [recipe.features[name] for name in chosen]
    unselected = [feature for name, feature in recipe.features.items() if name not in chosen]
    parts: list[Feature | Override] = [*selected, *matching]
    switches = dict.fromkeys(recipe.build.enable, True) | dict.fromkeys(recipe.build.disable, False)
    switches |= dict.fromkeys((name for feature in unselected for name in feature.enable), False)
    systems = [override.system for override in matching if override.system is not None]
    system = [recipe.build.system, *systems][-1]
    options: dict[str, Scalar] = dict(recipe.build.options)
    for part in parts:  # a later part replaces what an earlier one sets
        options |= part.options
        if system in (BuildSystem.MESON, BuildSystem.CMAKE):
            switches = {name: is_on for name, is_on in switches.items() if name not in part.options}
        elif system is BuildSystem.AUTOTOOLS:  # a configure script gets its options after its switches
            changed = (*part.enable, *(part.disable if isinstance(part, Override) else ()))
            spellings = {spelling for name in changed for spelling in list_spellings(name)}
            options = {name: value for name, value in options.items() if name in part.options or name not in spellings}
        switches |= dict.fromkeys(part.enable, True)
        if isinstance(part, Override):
            switches |= dict.fromkeys(part.disable, False)
    return replace(
        recipe.build,
        system=system,
        options=options,
        configure=(*recipe.build.configure, *(arg for override in matching for arg in override.configure)),
        enable=tuple(name for name, is_on in switches.items() if is_on),
        disable=tuple(name for name, is_on in switches.items() if not is_on),
        defines=_merge(recipe.build.defines, *(override.defines for override in matching)),
        flags=_merge(recipe.build.flags, *(override.flags for override in matching)),
        link_flags=_merge(recipe.build.link_flags, *(override.link_flags for override in matching)),
    )


def list_spellings(name: str) -> tuple[str, ...]:
    """Return the options of a configure script that a switch replaces: `with-foo` and `without-foo`, or `enable-foo`, …."""
    if name.startswith("with-"):
        return (name, f"without-{name.removeprefix('with-')}")
    return (f"enable-{name}", f"disable-{name}")


def _merge(*parts: tuple[str, ...]) -> tuple[str, ...]:
    """Concatenate tuples and remove duplicates; the first occurrence is kept."""
    return tuple(dict.fromkeys(item for part in parts for item in part))
