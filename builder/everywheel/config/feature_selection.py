"""The recipes and features that a project's settings name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from everywheel.config.collection import suggest_recipe
from everywheel.config.recipe import Recipe
from everywheel.config.suggestions import suggest
from everywheel.config.toml_reader import Table
from everywheel.errors import UsageError


def check_recipe(location: str, name: str, recipes: Mapping[str, Recipe]) -> None:
    """Raise UsageError when there is no recipe of a name."""
    if name not in recipes:
        raise UsageError(f"{location} names '{name}', but there is no such recipe", hint=suggest_recipe(name, recipes))


def choose_features(table: Table, recipes: Mapping[str, Recipe], profiles: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Return the features that the project selects for each recipe, by `profiles` and by `features`."""
    chosen: dict[str, tuple[str, ...]] = {}
    overrides = {name: profile for name, _, profile in (choice.partition("=") for choice in profiles)}
    for name, profile in {**table.text_map("profiles"), **overrides}.items():
        is_option = name in overrides
        check_recipe("--profile" if is_option else table.describe("profiles"), name, recipes)
        available = recipes[name].profiles
        if profile not in available:
            raise UsageError(
                f"{'--profile' if is_option else table.location}: recipe '{name}' has no profile '{profile}'",
                hint=suggest(profile, available),
            )
        chosen[name] = available[profile]
    for name, features in table.text_lists("features").items():
        check_recipe(f"{table.location}: 'features'", name, recipes)
        available_features = recipes[name].features
        for feature in features:
            if feature not in available_features:
                raise UsageError(
                    f"{table.location}: recipe '{name}' has no feature '{feature}'",
                    hint=suggest(feature, available_features),
                )
        chosen[name] = tuple(dict.fromkeys((*chosen.get(name, ()), *features)))
    return chosen
