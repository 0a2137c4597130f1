"""Projects: the `[tool.everywheel]` table of a pyproject.toml, and the recipes and the extension that it refers to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from packaging.utils import InvalidName, canonicalize_name
from packaging.version import InvalidVersion, Version

from everywheel.config.build_backend import BuildBackend, read_build_backend
from everywheel.config.extension_tree import digest_tree
from everywheel.config.pins import Pin
from everywheel.config.python_spec import PythonSpec, load_pythons
from everywheel.config.recipe import Linkage, Recipe, suggest
from everywheel.config.recipe_loader import load_recipes
from everywheel.config.text_rules import SYMBOLS
from everywheel.config.toml_reader import Table, read_toml
from everywheel.errors import UsageError, find_page
from everywheel.platforms.target import Target, parse_target


@dataclass(frozen=True, slots=True, kw_only=True)
class Smoke:
    """The settings of the smoke test: packages to install next to the wheel, and a command to run in the project's root.

    `exclude` are glob patterns of the extension modules that are not imported first, by their full names.
    """

    requires: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """A project with the settings of its table.

    Paths are absolute.

    Attributes:
        root: the directory of the project.
        extension: the directory of the C extension, which contains its own pyproject.toml.
        wheelhouse: the directory that finished wheels are written to.
        requires: the recipes of the libraries that the extension is linked to.
        shared: the recipes that are built as shared libraries; all others are built as static archives.
        linkage: how the libraries reach the extension module.
        settings: config settings (PEP 517) that select the linkage in the extension's build backend.
        features: the selected features by recipe.
        pythons: at least one; a separate wheel is built for each on every target of its systems.
        exports: glob patterns of the symbols that extension modules may export in addition to `PyInit_*`.
        smoke: the settings of the smoke test.
        targets: the targets that are built by default.
        released: the targets of a release.
        more_targets: the additional targets of a full build.
        recipes: all recipes by name.
        backend: the build backend of the extension.
        digest: the hash of the extension's files.
        build_pins: the packages in the environment of the extension's build; None while they are not known.
    """

    root: Path
    name: str
    version: str
    extension: Path
    wheelhouse: Path
    requires: tuple[str, ...]
    shared: tuple[str, ...]
    linkage: Linkage
    settings: Mapping[str, tuple[str, ...]]
    features: Mapping[str, tuple[str, ...]]
    pythons: tuple[PythonSpec, ...]
    exports: tuple[str, ...]
    smoke: Smoke
    targets: tuple[Target, ...]
    released: tuple[Target, ...]
    more_targets: tuple[Target, ...]
    recipes: Mapping[str, Recipe]
    backend: BuildBackend
    digest: str
    build_pins: tuple[Pin, ...] | None = None

    @property
    def python(self) -> PythonSpec:
        """The first Python, for commands that support only one."""
        return self.pythons[0]

    @property
    def module_exports(self) -> tuple[str, ...]:
        """Glob patterns of all symbols that extension modules may export."""
        return ("PyInit_*", *self.exports)

    @property
    def every_target(self) -> tuple[Target, ...]:
        """The targets of every list in the table, without duplicates."""
        return tuple(dict.fromkeys((*self.targets, *self.released, *self.more_targets)))

    def choose_pythons(self, target: Target) -> tuple[PythonSpec, ...]:
        """Return the Pythons for which a wheel is built on a target."""
        return tuple(python for python in self.pythons if target.os in python.systems)


def load_project(root: Path, profiles: Sequence[str] = (), linkage: Linkage = Linkage.SHARED) -> Project:
    """Load the project in the directory `root`.

    `profiles`, each of the form `RECIPE=NAME`, override the profiles in the project's table. With static linkage, `shared`
    of the table is ignored. Raises UsageError, naming file and key, for an error in the project or in a recipe.
    """
    root = root.absolute()
    path = root / "pyproject.toml"
    pyproject = read_toml(path, "run in the project's folder or name it with --project")
    tool = pyproject.table("tool", {})
    if not tool.has("everywheel"):
        raise UsageError(
            f"{path}: no [tool.everywheel] table",
            hint=f"run in the project's folder or name it with --project; {find_page('recipes.md')} describes the table",
        )
    table = tool.table("everywheel")
    extension = root / table.text("extension", ".")
    recipes = load_recipes(root / directory for directory in table.texts("recipes", ["recipes"]))
    name, version, backend = _read_extension(extension / "pyproject.toml")
    project = Project(
        root=root,
        name=name,
        version=version,
        extension=extension,
        wheelhouse=root / table.text("wheelhouse", "wheelhouse"),
        requires=table.texts("requires"),
        shared=table.texts("shared"),
        linkage=linkage,
        settings=_choose_settings(table, linkage),
        features=_choose_features(table, recipes, profiles),
        pythons=load_pythons(table, recipes),
        exports=table.texts("exports", rule=SYMBOLS),
        smoke=_load_smoke(table.table("smoke", {})),
        targets=_load_targets(table, "targets", ...),
        released=_load_targets(table, "release-targets", list(table.texts("targets", ...))),
        more_targets=tuple(parse_target(tag) for tag in table.texts("more-targets")),
        recipes=recipes,
        backend=backend,
        digest=digest_tree(extension),
    )
    table.reject_unknown_keys()
    for key, names in (
        ("requires", project.requires),
        ("shared", project.shared),
        ("python.headers", [python.headers for python in project.pythons]),
    ):
        for name in names:
            _check_recipe(f"{table.location}: '{key}'", name, recipes)
    return replace(project, shared=()) if linkage is Linkage.STATIC else project


def _load_targets(table: Table, key: str, default: object) -> tuple[Target, ...]:
    """Read a list of platform tags with at least one: commands without `--target` use the first."""
    targets = tuple(parse_target(tag) for tag in table.texts(key, default))
    if not targets:
        raise UsageError(
            f"{table.location}: '{key}' is empty", hint="name at least one platform tag, such as manylinux2014_x86_64"
        )
    return targets


def _load_smoke(table: Table) -> Smoke:
    smoke = Smoke(requires=table.texts("requires"), command=table.texts("command"), exclude=table.texts("exclude"))
    table.reject_unknown_keys()
    return smoke


def _check_recipe(location: str, name: str, recipes: Mapping[str, Recipe]) -> None:
    if name not in recipes:
        raise UsageError(f"{location} names '{name}', but there is no such recipe", hint=suggest(name, recipes))


def _read_extension(path: Path) -> tuple[str, str, BuildBackend]:
    """Return the name, the normalized version (PEP 440; 0 if it is dynamic) and the build backend of an extension."""
    pyproject = read_toml(path, "`extension` of [tool.everywheel] names the folder with the extension's pyproject.toml")
    project = pyproject.table("project")
    name, version = project.text("name"), project.text("version", "0")
    try:
        canonicalize_name(name, validate=True)
        return name, str(Version(version)), read_build_backend(pyproject)
    except InvalidName:
        key, value, rule = "name", name, "a project name: letters, digits and `.`, `_`, `-` (PEP 508)"
    except InvalidVersion:
        key, value, rule = "version", version, "a version such as 1.2.3 (PEP 440)"
    raise UsageError(
        f"{project.location}: '{key}' must be {rule}", details={"value": repr(value)}, hint="wheels are named after it"
    )


def _choose_settings(table: Table, linkage: Linkage) -> dict[str, tuple[str, ...]]:
    """Return the config settings for a linkage; raise UsageError for settings of an unknown linkage."""
    settings = table.table("config-settings", {})
    for name in settings:
        if name not in list(Linkage):
            raise UsageError(f"{settings.location}: there is no linkage '{name}'", hint=suggest(name, list(Linkage)))
    return settings.text_lists(linkage.value)


def _choose_features(
    table: Table, recipes: Mapping[str, Recipe], profiles: Sequence[str]
) -> dict[str, tuple[str, ...]]:
    """Return the features that the project selects for each recipe, by `profiles` and by `features`."""
    chosen: dict[str, tuple[str, ...]] = {}
    overrides = {name: profile for name, _, profile in (choice.partition("=") for choice in profiles)}
    for name, profile in {**table.text_map("profiles"), **overrides}.items():
        _check_recipe(f"{table.location}: 'profiles'", name, recipes)
        available = recipes[name].profiles
        if profile not in available:
            raise UsageError(
                f"{table.location}: recipe '{name}' has no profile '{profile}'", hint=suggest(profile, available)
            )
        chosen[name] = available[profile]
    for name, features in table.text_lists("features").items():
        _check_recipe(f"{table.location}: 'features'", name, recipes)
        available_features = recipes[name].features
        for feature in features:
            if feature not in available_features:
                raise UsageError(
                    f"{table.location}: recipe '{name}' has no feature '{feature}'",
                    hint=suggest(feature, available_features),
                )
        chosen[name] = tuple(dict.fromkeys((*chosen.get(name, ()), *features)))
    return chosen
