"""Checks of a recipe's keys that depend on each other: names that no other key has, and values that a build would ignore."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from everywheel.config.placeholders import PLACEHOLDERS, list_placeholders
from everywheel.config.recipe import Build, BuildSystem, Feature, Override, Recipe
from everywheel.config.suggestions import find_similar, suggest
from everywheel.errors import UsageError

_MAKE = frozenset({BuildSystem.AUTOTOOLS, BuildSystem.MAKE})
_USED_BY: Mapping[str, frozenset[BuildSystem]] = {
    "configure": _MAKE,
    "compile": _MAKE,
    "install": _MAKE,
    "headers": frozenset({BuildSystem.HEADERS}),
}
"""The build systems that use a key of `[build]`, for those that not all use."""
_UNFILLED = frozenset({*PLACEHOLDERS, "version"})


def check_recipe(recipe: Recipe) -> None:
    """Raise UsageError for keys of a recipe that contradict each other, or that no build uses."""
    file = recipe.directory / "recipe.toml"
    systems = {recipe.build.system, *(part.system for part in recipe.overrides if part.system is not None)}
    for name in recipe.products.sonames:
        if name not in recipe.products.libraries:
            raise UsageError(
                f"{file}: [products]: 'sonames' names '{name}', which is not in 'libraries'",
                hint=suggest(name, recipe.products.libraries),
            )
    for profile, names in recipe.profiles.items():
        for feature in names:
            if feature not in recipe.features:
                raise UsageError(
                    f"{file}: profile '{profile}' names an unknown feature '{feature}'",
                    hint=suggest(feature, recipe.features),
                )
    for location, part in list_parts(recipe):
        table = f"{file}: {location}"
        prefix = "extend-" if isinstance(part, Override) else ""
        _check_switches(table, part, prefix)
        _check_system(table, part, systems, prefix)
        _check_placeholders(table, part, systems, prefix)


def list_parts(recipe: Recipe) -> Iterator[tuple[str, Build | Feature | Override]]:
    """Yield the tables of a recipe that change its build, as messages name them."""
    yield "[build]", recipe.build
    yield from ((f"[features.{name}]", feature) for name, feature in recipe.features.items())
    yield from ((f"[[overrides]] {number}", override) for number, override in enumerate(recipe.overrides, 1))


def _check_switches(table: str, part: Build | Feature | Override, prefix: str) -> None:
    if isinstance(part, Feature):
        return
    for name in part.enable:
        if name in part.disable:
            raise UsageError(
                f"{table}: '{name}' is in '{prefix}enable' and in '{prefix}disable'", hint="remove it from one of them"
            )


def _check_system(table: str, part: Build | Feature | Override, systems: Iterable[BuildSystem], prefix: str) -> None:
    for key, users in _USED_BY.items():
        value = getattr(part, key, ())
        if value and value != ("install",) and users.isdisjoint(systems):
            raise UsageError(
                f"{table}: '{prefix}{key}' has no effect with {' and '.join(sorted(systems))}",
                hint=f"it is for builds with {' or '.join(f'`{system}`' for system in sorted(users))}",
            )


def _check_placeholders(
    table: str, part: Build | Feature | Override, systems: Iterable[BuildSystem], prefix: str
) -> None:
    """Raise UsageError for a name similar to a placeholder, and for one in a value that has none: it would be passed as it is.

    Other names in braces are text of shells and programs, such as `awk '{print}'`.
    """
    is_filled = not _MAKE.isdisjoint(systems)
    for key, text in _list_texts(part, prefix):
        can_fill = is_filled and (key.startswith("options.") or not key.endswith(("defines", "flags")))
        for name in list_placeholders(text):
            if name in _UNFILLED if not can_fill else name not in PLACEHOLDERS and find_similar(name, _UNFILLED):
                raise UsageError(
                    f"{table}: '{key}' has an unknown placeholder '{{{name}}}'",
                    details={"value": text},
                    hint=_suggest_placeholder(name, is_filled=can_fill),
                )


def _list_texts(part: Build | Feature | Override, prefix: str) -> Iterator[tuple[str, str]]:
    """Yield the arguments, options and flags of a table with their keys."""
    for key in ("configure", "compile", "install", "defines", "flags", "link_flags"):
        for text in getattr(part, key, ()):
            yield f"{prefix}{key.replace('_', '-')}", text
    for name, value in part.options.items():
        if isinstance(value, str):
            yield f"options.{name}", value


def _suggest_placeholder(name: str, *, is_filled: bool) -> str:
    if not is_filled:
        return "only arguments and options of `make` and `autotools` have placeholders"
    close = find_similar(name, PLACEHOLDERS)
    known = ", ".join(f"{{{other}}}" for other in PLACEHOLDERS)
    return f"did you mean '{{{close}}}'?" if close else f"known placeholders: {known}"
