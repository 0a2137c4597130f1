"""Projects: the `[tool.everywheel]` table of a pyproject.toml, and the recipes and the extension that it refers to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from everywheel.config.build_backend import BuildBackend
from everywheel.config.collection import list_recipe_folders, load_collections
from everywheel.config.extension_tree import digest_tree
from everywheel.config.feature_selection import check_recipe, choose_features
from everywheel.config.known_keys import PROJECT_KEYS
from everywheel.config.metadata import ExtensionMetadata, read_extension_metadata
from everywheel.config.pins import Pin
from everywheel.config.python_spec import PythonSpec, default_pythons, load_pythons, read_python_version
from everywheel.config.recipe import Linkage, Recipe
from everywheel.config.remote_settings import RemoteSettings, load_remote_settings
from everywheel.config.settings_file import find_settings
from everywheel.config.source_settings import SourceSettings, load_source_settings
from everywheel.config.target_settings import TargetOverride, TargetSettings, load_overrides, load_target_settings
from everywheel.config.text_rules import BACKEND_PYTHON, SYMBOLS
from everywheel.config.toml_reader import Table
from everywheel.errors import UsageError
from everywheel.platforms.target import Target, parse_target

DEFAULT_TARGETS = (
    "manylinux2014_x86_64",
    "manylinux2014_aarch64",
    "musllinux_1_2_x86_64",
    "musllinux_1_2_aarch64",
)
"""The targets of a project that names none."""
SAME_PYTHON = "same"
"""The value of `backend-python` with which each wheel is built by a CPython of its own version."""


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
        settings_folder: the directory of the file with the settings, to which its paths are relative; it has the lock, too.
        has_metadata: whether name and version are known; otherwise the build backend determines them.
        revision: the commit and the state of the git checkout that the version comes from; empty without one.
        extension: the directory of the C extension, which contains its own pyproject.toml.
        wheelhouse: the directory that finished wheels are written to.
        linkage: how the libraries reach the extension module.
        target_settings: the environment, config settings and libraries for all targets.
        overrides: those for some targets only; `for_target` combines both.
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
        sources: the locations of sources in addition to those of the recipes.
        remote: the remote stores.
        build_pins: the packages in the environment of the extension's build; None while they are not known.
        backend_python: the CPython that runs the backend: a version such as `3.12`, `same` for that of each wheel, or
            empty for the one that runs this program.
        interpreters: the programs of such CPythons by version, and `python_pins` the packages for each of them.
        backend_version: for the project of one wheel (`for_python`), the version that `backend_python` means.
    """

    root: Path
    settings_folder: Path
    name: str
    version: str
    has_metadata: bool
    extension: Path
    wheelhouse: Path
    linkage: Linkage
    target_settings: TargetSettings
    overrides: tuple[TargetOverride, ...]
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
    sources: SourceSettings
    remote: RemoteSettings
    build_pins: tuple[Pin, ...] | None = None
    revision: str = ""
    backend_python: str = ""
    interpreters: Mapping[str, Path] = field(default_factory=dict)
    python_pins: Mapping[str, tuple[Pin, ...]] = field(default_factory=dict)
    backend_version: str = ""

    @property
    def requires(self) -> tuple[str, ...]:
        """The recipes of the libraries that the extension is linked to."""
        return self.target_settings.requires

    @property
    def shared(self) -> tuple[str, ...]:
        """The recipes that are built as shared libraries; all others are built as static archives."""
        return () if self.linkage is Linkage.STATIC else self.target_settings.shared

    @property
    def settings(self) -> Mapping[str, tuple[str, ...]]:
        """Config settings (PEP 517) of the extension's build backend, with placeholders."""
        return self.target_settings.config_settings

    @property
    def environment(self) -> Mapping[str, str]:
        """Environment variables of the extension's build backend, with placeholders."""
        return self.target_settings.environment

    @property
    def data(self) -> Mapping[str, str]:
        """Files and folders of the prefix that are part of the wheel, by their paths in it; none if the libraries are not."""
        return {} if self.linkage is Linkage.SYSTEM else self.target_settings.data

    def for_target(self, target: Target) -> Project:
        """Return the project with the settings of one target."""
        settings = self.target_settings
        for override in self.overrides:
            if override.matches(target):
                settings = settings.extend(override.settings)
        return replace(self, target_settings=settings, overrides=())

    def for_python(self, python: PythonSpec) -> Project:
        """Return the project with the interpreter and the build requirements for the wheel of one Python."""
        version = python.version if self.backend_python == SAME_PYTHON else self.backend_python
        pins = self.python_pins.get(version, self.build_pins)
        return replace(self, backend_version=version, build_pins=pins)

    @property
    def backend_versions(self) -> tuple[str, ...]:
        """The versions of CPython that run the backend for any wheel; none if it is always the one of this program."""
        return tuple(dict.fromkeys(filter(None, (self.for_python(python).backend_version for python in self.pythons))))

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


def load_project(
    root: Path,
    profiles: Sequence[str] = (),
    linkage: Linkage = Linkage.SHARED,
    *,
    config: Path | None = None,
    options: Mapping[str, Any] | None = None,
    wheelhouse: Path | None = None,
) -> Project:
    """Load the project in the directory `root`.

    `profiles`, each `RECIPE=NAME`, override those in the project's table. Static linkage ignores its `shared`. `config` is a
    file with settings instead of the project's own, `options` are values that replace those of its keys, and `wheelhouse` is
    a folder for wheels. Raises UsageError, naming file and key, for an error in the project or in a recipe.
    """
    settings = find_settings(root := root.absolute(), config, options or {})
    (table := settings.table).check_keys(PROJECT_KEYS)
    extension = root / table.text("extension", ".")
    recipes = load_collections(list_recipe_folders(settings.folder, table))
    metadata = read_extension_metadata(extension)
    output = settings.folder / table.text("wheelhouse", "wheelhouse") if wheelhouse is None else wheelhouse
    project = Project(
        root=root,
        settings_folder=settings.folder,
        name=metadata.name,
        version=metadata.version,
        has_metadata=metadata.is_known,
        extension=extension,
        wheelhouse=output,
        linkage=linkage,
        target_settings=load_target_settings(table, linkage),
        overrides=load_overrides(table, linkage),
        features=choose_features(table, recipes, profiles),
        pythons=_choose_pythons(table, recipes, metadata),
        exports=table.texts("exports", rule=SYMBOLS),
        smoke=_load_smoke(table.table("smoke", {})),
        targets=_load_targets(table, "targets"),
        released=_load_targets(table, "release-targets", "targets"),
        more_targets=tuple(parse_target(tag) for tag in table.texts("more-targets")),
        recipes=recipes,
        backend=metadata.backend,
        digest=digest_tree(extension),
        sources=load_source_settings(table, settings.folder),
        remote=load_remote_settings(table, settings.folder),
        backend_python=read_python_version(table.text("backend-python", "", rule=BACKEND_PYTHON)),
    )
    _check_recipes(project, table)
    return project


def _choose_pythons(table: Table, recipes: Mapping[str, Recipe], metadata: ExtensionMetadata) -> tuple[PythonSpec, ...]:
    try:
        defaults = default_pythons(metadata.requires_python, recipes)
    except ValueError as error:
        raise UsageError(
            f"{metadata.name}: its supported Pythons (Requires-Python) are not a version specifier",
            details={"reason": error},
            hint='name the Pythons in the settings: `python = ["cp312"]`',
        ) from None
    return load_pythons(table, recipes, defaults)


def _check_recipes(project: Project, table: Table) -> None:
    """Raise UsageError when the project names a recipe that does not exist."""
    for settings in (project.target_settings, *(override.settings for override in project.overrides)):
        for key, names in (("requires", settings.requires), ("shared", settings.shared)):
            for name in names:
                check_recipe(table.describe(key), name, project.recipes)
    for python in project.pythons:
        check_recipe(f"{table.location}: 'python.headers'", python.headers, project.recipes)


def _load_targets(table: Table, *keys: str) -> tuple[Target, ...]:
    """Read the first of the keys that exists, a list with at least one tag: commands without `--target` use the first."""
    key = next(filter(table.has, keys), keys[-1])
    targets = tuple(parse_target(tag) for tag in table.texts(key, DEFAULT_TARGETS))
    if not targets:
        raise UsageError(
            f"{table.location}: '{key}' is empty", hint="name at least one platform tag, such as manylinux2014_x86_64"
        )
    return targets


def _load_smoke(table: Table) -> Smoke:
    table.check_keys(PROJECT_KEYS, "smoke")
    return Smoke(requires=table.texts("requires"), command=table.texts("command"), exclude=table.texts("exclude"))
