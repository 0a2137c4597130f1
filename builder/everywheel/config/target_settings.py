"""Settings of a project that may differ between targets: environment variables, config settings and libraries.

Values of `environment` and `config-settings` may contain `{prefix}`, the folder with the target's libraries, and `{project}`,
the folder in which the backend runs.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from everywheel.config.conditions import FACTS, load_conditions
from everywheel.config.known_keys import PROJECT_KEYS
from everywheel.config.recipe import Linkage
from everywheel.config.suggestions import suggest
from everywheel.config.text_rules import PATH, VARIABLE
from everywheel.config.toml_reader import Table
from everywheel.errors import UsageError
from everywheel.platforms.target import Target, parse_target

PLACEHOLDERS = ("prefix", "project")
_PLACEHOLDER = re.compile(r"\{([A-Za-z_]\w*)\}")
_CONDITIONS: Mapping[str, tuple[str, ...]] = {**{name: FACTS[name] for name in ("os", "libc", "arch")}, "target": ()}
# Everywheel sets these for each target; the flags of a project are added to those of the target.
_RESERVED = frozenset({"AR", "CC", "CXX", "LDSHARED", "PATH", "PKG_CONFIG", "_PYTHON_HOST_PLATFORM"})
ADDED_FLAGS = frozenset({"CFLAGS", "CPPFLAGS", "CXXFLAGS", "LDFLAGS"})


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetSettings:
    """Settings of a project for one or all targets.

    Attributes:
        environment: environment variables of the build backend.
        config_settings: config settings (PEP 517) of the build backend.
        requires: the recipes of the libraries that the extension is linked to.
        shared: the recipes that are built as shared libraries.
        data: files and folders of the prefix that are part of the wheel, by their paths in it.
    """

    environment: Mapping[str, str] = field(default_factory=dict)
    config_settings: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    requires: tuple[str, ...] = ()
    shared: tuple[str, ...] = ()
    data: Mapping[str, str] = field(default_factory=dict)

    def extend(self, other: TargetSettings) -> TargetSettings:
        """Return the settings with those of `other`, which replace variables, config settings and data of the same name."""
        return TargetSettings(
            environment={**self.environment, **other.environment},
            config_settings={**self.config_settings, **other.config_settings},
            requires=tuple(dict.fromkeys((*self.requires, *other.requires))),
            shared=tuple(dict.fromkeys((*self.shared, *other.shared))),
            data={**self.data, **other.data},
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetOverride:
    """Settings for the targets that match `when`: glob patterns by condition (`os`, `libc`, `arch`, `target`)."""

    when: Mapping[str, str]
    settings: TargetSettings

    def matches(self, target: Target) -> bool:
        """Return whether the settings are for a target."""
        facts: dict[str, tuple[str, ...]] = {name: (fact,) for name, fact in target.facts.items()}
        facts["target"] = (target.tag, *target.wheel_tag.split("."))
        return all(any(fnmatchcase(fact, glob) for fact in facts[name]) for name, glob in self.when.items())


def load_target_settings(table: Table, linkage: Linkage) -> TargetSettings:
    """Read the keys `environment`, `config-settings`, `requires`, `shared` and `data`; raise UsageError for invalid values."""
    environment = table.text_map("environment")
    for name, value in environment.items():
        if not VARIABLE.accepts(name) or name in _RESERVED:
            rule = "is set by the target" if name in _RESERVED else f"is not {VARIABLE.description}"
            raise UsageError(
                f"{table.location}: 'environment.{name}' {rule}",
                hint="remove it: the compilers are those of the target" if name in _RESERVED else VARIABLE.hint,
            )
        _check_placeholders(f"{table.location}: 'environment.{name}'", value)
    return TargetSettings(
        environment=environment,
        config_settings=_choose_config_settings(table, linkage),
        requires=table.texts("requires"),
        shared=table.texts("shared"),
        data=table.text_map("data", PATH),
    )


def load_overrides(table: Table, linkage: Linkage) -> tuple[TargetOverride, ...]:
    """Read the array of tables `overrides`; raise UsageError for an unknown condition, and one that matches no target."""
    overrides = []
    for override in table.tables("overrides"):
        override.check_keys(PROJECT_KEYS, "overrides")
        when = load_conditions(override, _CONDITIONS)
        if (tag := when.get("target", "*")) and not set(tag) & set("*?["):
            parse_target(tag)
        overrides.append(TargetOverride(when=when, settings=load_target_settings(override, linkage)))
    return tuple(overrides)


def _choose_config_settings(table: Table, linkage: Linkage) -> dict[str, tuple[str, ...]]:
    """Return the config settings for a linkage: those for every linkage, then those in the table of its name.

    Raises UsageError for settings of an unknown linkage and for an unknown placeholder.
    """
    settings = table.table("config-settings", {})
    chosen: dict[str, tuple[str, ...]] = {}
    for name in settings:
        if isinstance(settings.value(name), dict):
            if name not in list(Linkage):
                raise UsageError(
                    f"{settings.location}: there is no linkage '{name}'", hint=suggest(name, list(Linkage))
                )
        else:
            chosen[name] = settings.text_or_texts(name)
    special = settings.table(linkage.value, {})
    chosen |= {name: special.text_or_texts(name) for name in special}
    for name, values in chosen.items():
        for value in values:
            _check_placeholders(f"{settings.location}: '{name}'", value)
    return chosen


def _check_placeholders(location: str, value: str) -> None:
    for name in _PLACEHOLDER.findall(value):
        if name not in PLACEHOLDERS:
            raise UsageError(
                f"{location}: unknown placeholder '{{{name}}}'",
                hint=f"known placeholders: {', '.join(f'{{{known}}}' for known in PLACEHOLDERS)}",
            )


def fill_placeholders(value: str, *, prefix: str, project: str) -> str:
    """Return a value with its placeholders replaced."""
    values = {"prefix": prefix, "project": project}
    return _PLACEHOLDER.sub(lambda match: values[match[1]], value)
